//! Replays of a small log: what they find, what they read, what is cosigned.

use custodia_core::custody::intent::ClockSource;
use custodia_core::custody::kind::Kind;
use custodia_core::custody::receipt::{ClosedPart, PartView, RecordView};
use custodia_core::custody::record::{Outcome, Part, RuleId, Salt as PartSalt};
use custodia_core::log::{CosignerKey, SignedCheckpoint};
use time::OffsetDateTime;

use super::*;
use crate::clock::Clock;
use crate::entries::{EntryFilter, Stated};
use crate::passphrase::TEST_COST;
use crate::test_log::World;

fn clock() -> Clock {
    Clock::new(ClockSource::Manual, || OffsetDateTime::from_unix_timestamp(1_795_467_900).unwrap())
}

impl World {
    fn empty(&self) -> Replay {
        Replay::new(self.checkpoint().checkpoint().origin.clone(), self.pin)
    }

    fn audit_of(&self, views: &[RecordView]) -> AuditReport {
        let reader = ReasonReader { own: std::collections::BTreeSet::from([self.auditor.id]), key: self.auditor.sealing.clone() };
        let mut replaying = Replaying::new(self.checkpoint(), self.empty(), Earlier::default(), reader);
        for page in views.chunks(3) {
            replaying.take(page);
        }
        replaying.finish(self.views.len() as u64)
    }

    fn audit(&self) -> AuditReport {
        self.audit_of(&self.views)
    }
}

fn failed(report: &AuditReport) -> Vec<&str> {
    report.failed().map(|finding| finding.check.as_str()).collect()
}

fn ordinary() -> World {
    let mut world = World::new();
    world.act(world.founding(), false);
    world.act(world.reading(), true);
    world.act(world.leaving(), false);
    world
}

#[test]
fn a_genuine_log_is_replayed_without_a_failed_finding_and_its_reasons_are_read() {
    let report = ordinary().audit();
    assert_eq!(failed(&report), [""; 0], "{:?}", report.findings);
    assert_eq!(report.size(), 6);
    let kinds: Vec<Kind> = report.entries.iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [Kind::TrustList, Kind::DeviceEnrol, Kind::DeviceEnrol, Kind::CaseCreate, Kind::LogRead, Kind::MemberLeave]);
    assert_eq!(report.entries[0].office.as_ref().map(ToString::to_string), Some("nl-om".to_owned()));
    assert_eq!(report.entries[0].stated, Stated::NotAsked);
    assert!(matches!(&report.entries[4].stated, Stated::Opened(text) if text.reason.as_str() == "yearly check"));
    let of_ida = EntryFilter { person: Some("eu-inspection/ida".parse().unwrap()), ..EntryFilter::default() };
    assert_eq!(of_ida.select(&report.entries).iter().map(|entry| entry.index).collect::<Vec<_>>(), [2, 4], "her enrolment and her act");
    assert_eq!(report.entries[2].form.as_deref(), Some("eu-inspection/ida, auditor"));
    let json = report.to_json(&report.entries);
    assert_eq!((&json["size"], &json["entries"][3]["kind"]), (&6.into(), &"case.create".into()));
}

#[test]
fn a_reason_that_does_not_open_is_a_finding_against_its_actor() {
    let mut world = World::new();
    let mut intent = world.founding();
    intent.sealed = Some(world.sealed(IntentId::from_bytes([0; 16]), "another act's reason", true));
    world.act(intent, false);
    let report = world.audit();
    assert_eq!(failed(&report), ["AUD-09"]);
    assert!(report.failed().all(|finding| finding.text.contains("nl-om/joost") && finding.subject == "record 3"));
    assert_eq!(report.entries[3].stated, Stated::DoesNotOpen);
}

#[test]
fn a_reason_that_is_not_sealed_to_this_auditor_is_not_checked() {
    let mut world = World::new();
    let mut intent = world.founding();
    intent.sealed.as_mut().unwrap().auditors.clear();
    world.act(intent, false);
    let report = world.audit();
    assert_eq!(failed(&report), [""; 0]);
    let unchecked = report.findings.iter().find(|finding| finding.status == Status::NotChecked).unwrap();
    assert_eq!((unchecked.check.as_str(), unchecked.subject.as_str()), ("AUD-09", "1 reasons"));
    assert_eq!(report.entries[3].stated, Stated::NotForThisReader);
}

#[test]
fn an_act_without_membership_a_missing_and_a_swapped_record_are_found() {
    let mut world = World::new();
    world.act(world.founding(), false);
    world.act(world.leaving(), true);
    assert_eq!(failed(&world.audit()), ["AUD-07"], "an auditor acts in a case");

    let world = ordinary();
    assert!(failed(&world.audit_of(&world.views[..5])).contains(&"AUD-08"));
    let mut swapped = world.views.clone();
    swapped.swap(4, 5);
    let report = world.audit_of(&swapped);
    assert!(failed(&report).contains(&"AUD-01") && failed(&report).contains(&"AUD-08"));
    let mut closed = world.views.clone();
    closed[4] = without_core(&closed[4]);
    let report = world.audit_of(&closed);
    assert_eq!((failed(&report), report.erased.as_slice()), (vec!["AUD-02"], &[4][..]));
}

/// The record as it is shown after its payload was erased.
fn without_core(view: &RecordView) -> RecordView {
    let PartView::Opened(core) = &view.core else { panic!("opened") };
    let salt = PartSalt(core.salt.0.as_slice().try_into().unwrap());
    let commitment = Part::Core.commit(&salt, &core.bytes.0);
    RecordView { core: PartView::Closed(ClosedPart { commitment }), ..view.clone() }
}

#[test]
fn a_refusal_by_a_rule_that_a_replay_cannot_repeat_is_not_checked() {
    let mut world = World::new();
    let founding = world.founding();
    let signed = founding.sign(world.prosecutor.id, &world.prosecutor.key).unwrap();
    world.append(&signed, Outcome::Refused(RuleId::new("GRP-01").unwrap()));
    let report = world.audit();
    assert_eq!(failed(&report), [""; 0]);
    assert!(report.findings.iter().any(|finding| finding.check == "AUD-07" && finding.status == Status::NotChecked));
    assert_eq!(report.entries[3].refused_by.as_deref(), Some("GRP-01"));
}

fn cosigners_of(note: &str, world: &World, key: &CosignerKey) -> usize {
    let checkpoint = SignedCheckpoint::parse(note.as_bytes()).unwrap().verify(&world.signer.log_key()).unwrap();
    checkpoint.cosignatures(core::slice::from_ref(key)).unwrap().len()
}

#[test]
fn a_clean_replay_is_cosigned_again_and_again_as_the_log_grows() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = ordinary();
    let mut key = AuditorKey::create(folder.path(), "inspection.example/auditor", "p", TEST_COST).unwrap();
    let public = key.cosigner_key();
    assert_eq!(cosigners_of(&key.cosign(&world.audit(), &clock()).unwrap(), &world, &public), 1);
    assert!(matches!(AuditorKey::open(folder.path(), "p"), Err(AuditorKeyError::InUse(_))));
    drop(key);
    world.act(world.reading(), true);
    let mut key = AuditorKey::open(folder.path(), "p").unwrap();
    assert_eq!(key.cosigner_key(), public);
    assert_eq!(key.last_cosigned().unwrap().claim().size.get(), 6);
    key.cosign(&world.audit(), &clock()).unwrap();
    key.cosign(&world.audit(), &clock()).unwrap();
    assert_eq!(key.last_cosigned().unwrap().claim().size.get(), 7);
}

#[test]
fn faults_rollbacks_forks_and_other_logs_are_not_cosigned() {
    let folder = tempfile::tempdir().unwrap();
    let mut key = AuditorKey::create(folder.path(), "inspection.example/auditor", "p", TEST_COST).unwrap();
    let world = ordinary();
    let faulty = world.audit_of(&world.views[..5]);
    assert!(matches!(key.cosign(&faulty, &clock()), Err(AuditorKeyError::NotClean { .. })));
    assert!(key.last_cosigned().is_none());
    key.cosign(&world.audit(), &clock()).unwrap();
    let before = std::fs::read(folder.path().join("cosigned")).unwrap();

    let mut smaller = World::new();
    smaller.act(smaller.founding(), false);
    assert!(matches!(key.cosign(&smaller.audit(), &clock()), Err(AuditorKeyError::Rollback { cosigned: 6, size: 4 })));
    let mut forked = ordinary();
    forked.act(forked.reading(), true);
    assert!(matches!(key.cosign(&forked.audit(), &clock()), Err(AuditorKeyError::Fork(6))));
    assert_eq!(std::fs::read(folder.path().join("cosigned")).unwrap(), before);
}

#[test]
fn an_auditors_key_is_not_overwritten_nor_used_without_its_memory() {
    let folder = tempfile::tempdir().unwrap();
    let name = "inspection.example/auditor";
    AuditorKey::create(folder.path(), name, "p", TEST_COST).unwrap();
    assert!(matches!(AuditorKey::create(folder.path(), name, "p", TEST_COST), Err(AuditorKeyError::Exists(_))));
    assert!(matches!(AuditorKey::open(folder.path(), "q"), Err(AuditorKeyError::Passphrase(_))));
    assert!(matches!(AuditorKey::create(&folder.path().join("x"), "two words", "p", TEST_COST), Err(AuditorKeyError::Name(_))));
    let cosigned = folder.path().join("cosigned");
    let foreign = ordinary().checkpoint().note().as_str().to_owned();
    std::fs::write(&cosigned, foreign).unwrap();
    assert!(matches!(AuditorKey::open(folder.path(), "p"), Err(AuditorKeyError::Damaged(_))), "it bears no cosignature of this key");
    std::fs::remove_file(&cosigned).unwrap();
    assert!(matches!(AuditorKey::open(folder.path(), "p"), Err(AuditorKeyError::Io { .. })));
    let path = folder.path().join("auditor.key");
    let text = std::fs::read_to_string(&path).unwrap().replace("inspection", "inspectiom");
    std::fs::write(&path, text).unwrap();
    std::fs::write(&cosigned, b"").unwrap();
    assert!(matches!(AuditorKey::open(folder.path(), "p"), Err(AuditorKeyError::Damaged(_))), "the name was changed");
}
