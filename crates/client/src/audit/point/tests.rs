//! A replay stops and goes on in a device's state: what it finds, what it answers, what it refuses.

use std::collections::BTreeSet;

use custodia_core::custody::receipt::RecordView;
use custodia_core::finding::Status;
use custodia_core::identity::{AsOf, Role};
use custodia_core::ids::DeviceId;
use custodia_core::secret::Secret32;
use custodia_core::time::LogTime;
use custodia_core::watch::rules::standing;
use custodia_core::watch::{Alert, Limits};
use sqlx::SqliteConnection;
use tempfile::TempDir;

use super::*;
use crate::audit::replaying::{ReasonReader, Replaying};
use crate::entries::Stated;
use crate::state::{State, StatePaths};
use crate::test_log::World;

async fn state(folder: &TempDir) -> State {
    let paths = StatePaths::in_folder(folder.path().join("auditor"));
    let secret = |seed| Secret32::from_bytes([seed; 32]);
    let device = device::DeviceRow {
        id: DeviceId::from_bytes([1; 16]),
        signing_key: secret(2),
        sealing_seed: secret(3),
        request: String::new(),
        certificate: None,
    };
    State::create(&paths, &secret(9), "key file", &device).await.unwrap()
}

fn reader(world: &World) -> ReasonReader {
    ReasonReader { own: BTreeSet::from([world.auditor.id]), key: world.auditor.sealing.clone() }
}

fn empty(world: &World) -> Replay {
    Replay::new(world.checkpoint().checkpoint().origin.clone(), world.pin)
}

/// Replays these records on from a replay of those before, up to the world's present head.
fn on(world: &World, replay: Replay, earlier: Earlier, views: &[RecordView]) -> AuditReport {
    let mut replaying = Replaying::new(world.checkpoint(), replay, earlier, reader(world));
    replaying.take(views);
    replaying.finish(world.views.len() as u64)
}

async fn save(connection: &mut SqliteConnection, world: &World, report: &AuditReport) {
    let state = report.replay.save().unwrap();
    audit::advance(connection, &advance(report, &state, world.pin.to_string())).await.unwrap();
}

async fn point_of(connection: &mut SqliteConnection, world: &World) -> Result<SavedPoint, PointError> {
    let row = audit::point(connection, &world.pin.to_string()).await?.expect("a point was saved");
    restored(row, &world.signer.log_key(), world.pin)
}

async fn earlier(connection: &mut SqliteConnection) -> Earlier {
    Earlier {
        entries: audit::entries(connection).await.unwrap(),
        remarks: audit::remarks(connection).await.unwrap(),
        erased: audit::erased(connection).await.unwrap(),
    }
}

/// Another act, by turns of the prosecutor and the auditor.
fn act(world: &mut World, number: usize) {
    match number {
        0 => world.act(world.founding(), false),
        1 | 3 => world.act(world.reading(), true),
        2 => world.act(world.collection(custodia_core::digest::Sha256Digest::of(&[b"m"])), false),
        _ => world.act(world.leaving(), false),
    }
}

#[tokio::test]
async fn a_replay_goes_on_from_its_saved_point_and_answers_for_the_whole_log() {
    let folder = TempDir::new().unwrap();
    let state = state(&folder).await;
    let mut connection = state.connection().await;
    let mut world = World::new();
    assert!(audit::point(&mut connection, &world.pin.to_string()).await.unwrap().is_none());
    let first = on(&world, empty(&world), Earlier::default(), &world.views);
    save(&mut connection, &world, &first).await;
    for number in 0..5 {
        act(&mut world, number);
        let point = point_of(&mut connection, &world).await.unwrap();
        assert_eq!((point.checkpoint.size().get(), point.reading), (world.views.len() as u64 - 1, world.views.len() as u64 - 1));
        Agent::is_beginning_of(&point, &world.checkpoint()).unwrap();
        let from = world.views.len() - 1;
        let report = on(&world, point.replay, earlier(&mut connection).await, &world.views[from..]);
        let whole = on(&world, empty(&world), Earlier::default(), &world.views);
        assert_eq!((report.from, report.size()), (from as u64, whole.size()));
        assert_eq!(report.entries, whole.entries, "the entries of the whole log, reasons and all");
        assert_eq!(report.replay.save(), whole.replay.save());
        let status = |report: &AuditReport, status| report.findings.iter().filter(|finding| finding.status == status).count();
        assert_eq!((status(&report, Status::Failed), status(&report, Status::NotChecked)), (0, 1), "{:?}", report.findings);
        assert!(report.findings.iter().any(|finding| finding.check == "AUD-02" && finding.subject == format!("{from} earlier records")));
        save(&mut connection, &world, &report).await;
    }
}

#[tokio::test]
async fn what_could_not_be_checked_before_is_said_again_and_an_erased_entry_is_forgotten() {
    let folder = TempDir::new().unwrap();
    let state = state(&folder).await;
    let mut connection = state.connection().await;
    let mut world = World::new();
    let mut founding = world.founding();
    founding.sealed.as_mut().unwrap().auditors.clear();
    world.act(founding, false);
    let refused = world.leaving().sign(world.prosecutor.id, &world.prosecutor.key).unwrap();
    let rule = custodia_core::custody::record::RuleId::new("GRP-01").unwrap();
    world.append(&refused, custodia_core::custody::record::Outcome::Refused(rule));
    let report = on(&world, empty(&world), Earlier::default(), &world.views);
    save(&mut connection, &world, &report).await;
    world.act(world.reading(), true);
    let point = point_of(&mut connection, &world).await.unwrap();
    let mut report = on(&world, point.replay, earlier(&mut connection).await, &world.views[5..]);
    let unchecked = |check: &str| report.findings.iter().filter(|one| one.check == check && one.status == Status::NotChecked).count();
    assert_eq!((unchecked("AUD-07"), unchecked("AUD-09"), unchecked("AUD-02")), (1, 1, 1));
    assert_eq!(report.entries[3].stated, Stated::NotForThisReader);
    report.erased = vec![3];
    save(&mut connection, &world, &report).await;
    let earlier = earlier(&mut connection).await;
    assert_eq!((earlier.erased.as_slice(), earlier.entries.iter().any(|entry| entry.index == 3)), (&[3][..], false));
    assert!(audit::acts_since(&mut connection, 0).await.unwrap().iter().all(|act| act.index != 3));
    assert_eq!(earlier.entries.len(), 5);
}

#[tokio::test]
async fn a_saved_point_that_was_altered_or_is_of_another_log_or_newer_is_refused() {
    let folder = TempDir::new().unwrap();
    let state = state(&folder).await;
    let mut connection = state.connection().await;
    let mut world = World::new();
    act(&mut world, 0);
    let report = on(&world, empty(&world), Earlier::default(), &world.views);
    for (change, refusal) in [
        ("UPDATE audit_point SET state = replace(state, '\"ring_version\":1', '\"ring_version\":2')", "altered"),
        ("UPDATE audit_point SET reading = reading", ""),
        ("UPDATE audit_point SET checkpoint = replace(checkpoint, '4', '5')", "altered"),
        ("UPDATE audit_trail SET trails = substr(trails, 115)", "altered"),
        ("UPDATE audit_trail SET from_idx = 7", "altered"),
        ("DELETE FROM audit_identity WHERE idx = 2", "altered"),
        ("UPDATE audit_identity SET idx = 9 WHERE idx = 2", "altered"),
        ("UPDATE audit_point SET digest = zeroblob(32)", "altered"),
        ("UPDATE audit_point SET version = 2", "version 2, which is newer"),
    ] {
        audit::forget(&mut connection).await.unwrap();
        save(&mut connection, &world, &report).await;
        sqlx::query(change).execute(&mut *connection).await.unwrap();
        match point_of(&mut connection, &world).await {
            Ok(_) => assert_eq!(refusal, "", "{change}"),
            Err(error) => assert!(!refusal.is_empty() && error.to_string().contains(refusal), "{change}: {error}"),
        }
    }
    audit::forget(&mut connection).await.unwrap();
    save(&mut connection, &world, &report).await;
    let other = custodia_core::log::LogSigner::new("vault.example/log".parse().unwrap(), ed25519_dalek::SigningKey::from_bytes(&[8; 32]));
    let row = audit::point(&mut connection, &world.pin.to_string()).await.unwrap().unwrap();
    assert!(matches!(restored(row, &other.unwrap().log_key(), world.pin), Err(PointError::OtherLog)));
    let pin = TrustPin::new(custodia_core::digest::Sha256Digest::of(&[b"another list"]));
    assert!(matches!(audit::point(&mut connection, &pin.to_string()).await, Err(PointError::Altered)));
}

#[tokio::test]
async fn a_log_that_does_not_begin_with_what_was_replayed_is_not_gone_on_with() {
    let mut world = World::new();
    act(&mut world, 0);
    let replay = || on(&world, empty(&world), Earlier::default(), &world.views).replay;
    let point = |checkpoint| SavedPoint { checkpoint, replay: replay(), reading: 4 };
    let mut other = World::new();
    assert!(Agent::is_beginning_of(&point(world.checkpoint()), &other.checkpoint()).unwrap_err().finding.contains("rolled back"));
    act(&mut other, 0);
    assert!(Agent::is_beginning_of(&point(world.checkpoint()), &other.checkpoint()).unwrap_err().finding.contains("forked"));
    // A larger tree that does not begin so: the replay itself finds it.
    act(&mut other, 1);
    let report = on(&other, replay(), Earlier::default(), &other.views[4..]);
    assert!(report.failed().any(|finding| finding.check == "AUD-08"), "{:?}", report.findings);
}

#[tokio::test]
async fn an_alert_is_written_down_once_and_waits_until_it_was_told() {
    let folder = TempDir::new().unwrap();
    let state = state(&folder).await;
    let mut connection = state.connection().await;
    let alert = |mark: &str| Alert {
        rule: "WAT-10".to_owned(),
        fails: false,
        subject: "device".to_owned(),
        text: "many".to_owned(),
        records: vec![1],
        mark: mark.to_owned(),
    };
    audit::raise(&mut connection, "today", &[alert("1"), alert("2"), alert("1")]).await.unwrap();
    let untold = audit::untold(&mut connection).await.unwrap();
    assert_eq!(untold.iter().map(|(_, _, alert)| alert.mark.as_str()).collect::<Vec<_>>(), ["1", "2"]);
    audit::told(&mut connection, untold[0].0).await.unwrap();
    audit::raise(&mut connection, "tomorrow", &[alert("1")]).await.unwrap();
    let left = audit::untold(&mut connection).await.unwrap();
    assert_eq!(left, untold[1..], "what was told is not told again, and nothing else is lost");
    audit::forget(&mut connection).await.unwrap();
    assert_eq!(audit::untold(&mut connection).await.unwrap().len(), 1, "a new replay forgets no alert");
    assert!(Limits::default().lookback_millis() > 0);
}

#[test]
fn wat_06_a_leaf_whose_certificate_ended_is_told_and_one_in_good_standing_is_not() {
    let mut world = World::new();
    act(&mut world, 0);
    let report = on(&world, empty(&world), Earlier::default(), &world.views);
    let (registry, cases) = (report.replay.registry(), report.replay.world());
    let now = registry.head().unwrap().time;
    assert_eq!(standing::ended_members(registry, cases, now), []);
    let later = LogTime::from_millis(now.millis() + 301 * 24 * 3_600_000).unwrap();
    let found = standing::ended_members(registry, cases, later);
    assert_eq!(found.len(), 1);
    assert!(found[0].rule == "WAT-06" && found[0].fails && found[0].text.contains("nl-om/joost") && found[0].text.contains("expired"));
    let at = AsOf { seq: registry.head().unwrap().seq, time: now };
    assert!(registry.devices(at).any(|device| device.role() == Role::Auditor), "an auditor is a leaf nowhere");
    assert_eq!(standing::overdue_reviews(cases, later), [], "a case without exhibits keeps nothing");
    act(&mut world, 2);
    let report = on(&world, empty(&world), Earlier::default(), &world.views);
    // WAT-07: case and exhibit are both to be reviewed by 2027-01-01.
    let found = standing::overdue_reviews(report.replay.world(), later);
    assert_eq!(found.iter().map(|alert| alert.rule.as_str()).collect::<Vec<_>>(), ["WAT-07", "WAT-07"]);
    assert_eq!(standing::overdue_reviews(report.replay.world(), now), []);
}
