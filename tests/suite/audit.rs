//! An auditor who comes back, who stays with the log and is told, who cosigns, and who answers for a revocation; against a real server.

use std::fs;
use std::path::PathBuf;

use custodia_client::announce::OfficeDesk;
use custodia_client::audit::{Asked, AuditReport, AuditorKey, Exposure, Subject, Turn, Watch, WatchSettings, to_html};
use custodia_client::entries::AuditEntry;
use custodia_client::http::ServerAddress;
use custodia_client::open::Opening;
use custodia_client::{Agent, AgentError};
use custodia_core::custody::body::Terms;
use custodia_core::custody::kind::Purpose;
use custodia_core::finding::Status;
use custodia_core::identity::Role;
use custodia_core::ids::{CaseId, ExhibitId};
use custodia_core::log::SignedCheckpoint;
use custodia_core::time::LogTime;
use custodia_core::watch::{Alert, Limits};
use custodia_server::{Server, ServerConfig};
use custodia_tests::world::{COST, Must as _, PASSPHRASE, World, clock, get, statement};

use crate::agent::{add, case_of_two, join, view};

fn settings(world: &World, limits: Limits) -> WatchSettings {
    WatchSettings {
        purpose: Purpose::LawfulnessCheck,
        statement: statement(),
        limits,
        policy: None,
        others: Vec::new(),
        evidence: world.path("evidence-of-the-watch"),
    }
}

/// What waits to be told, told.
async fn told(auditor: &Agent) -> Vec<Alert> {
    let untold = auditor.untold().await.must();
    for one in &untold {
        auditor.note_told(one).await.must();
    }
    untold.into_iter().map(|one| one.alert).collect()
}

fn rules(alerts: &[Alert]) -> Vec<&str> {
    alerts.iter().map(|alert| alert.rule.as_str()).collect()
}

async fn export(agent: &Agent, case: CaseId, exhibit: ExhibitId) -> Result<(), AgentError> {
    let how = Opening::Export { recipients: vec!["Court".to_owned()] };
    agent.open_exhibit(case, exhibit, how, Purpose::Investigation, &statement()).await.map(drop)
}

fn failed(report: &AuditReport) -> Vec<String> {
    report.failed().map(|finding| format!("{finding:?}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_goes_on_where_the_last_audit_ended_and_answers_for_all() {
    let world = World::new().await;
    let (ana, luc, case) = case_of_two(&world).await;
    let auditor = world.device(0, "auditor", Role::Auditor).await;
    let audit = async |auditor: &Agent| auditor.audit(Purpose::LawfulnessCheck, &statement(), |_| {}).await.must();
    let first = audit(&auditor).await;
    assert_eq!((first.from, failed(&first)), (0, Vec::new()));
    let exhibit = add(&ana, &world, case, "note", 100).await;
    view(&luc, case, exhibit).await.must();
    drop(auditor);
    let auditor = world.reopen(0, "auditor").await;
    let second = audit(&auditor).await;
    assert_eq!((second.from, failed(&second)), (first.size(), Vec::new()), "a restart forgets nothing");
    let whole = auditor.audit_from_start(Purpose::LawfulnessCheck, &statement(), |_| {}).await.must();
    assert_eq!(whole.from, 0);
    let common: Vec<&AuditEntry> = whole.entries.iter().take_while(|entry| entry.index < second.size()).collect();
    assert_eq!(second.entries.iter().collect::<Vec<_>>(), common);

    // A page for a supervisory authority, of the whole log; what others wrote is escaped.
    let page = to_html(&second, &second.entries, &Asked { purpose: "lawfulness-check".to_owned(), ..Asked::default() });
    assert!(
        page.starts_with("<!DOCTYPE html>") && page.contains("lang=\"en\"") && page.contains("<caption>") && page.contains("scope=\"col\"")
    );
    assert!(page.contains("No check failed.") && page.contains("What was not checked") && page.contains("fr-junalco/luc"));
    assert!(!page.contains("<script") && !page.contains("http://") && !page.contains("src="));

    let exposed =
        Exposure::of(&whole, &Subject::Person("fr-junalco/luc".parse().unwrap()), LogTime::from_millis(clock().millis()).unwrap());
    let row = exposed.exhibits.iter().find(|row| row.exhibit == exhibit).unwrap();
    assert_eq!((row.opened.len(), row.could_open.len(), row.collected), (1, 1, None));
    for agent in [ana, luc, auditor] {
        agent.close().await.must();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_tells_of_a_burst_before_a_removal_once_and_loses_nothing_in_between() {
    let world = World::new().await;
    let (ana, luc, case) = case_of_two(&world).await;
    let auditor = world.device(0, "auditor", Role::Auditor).await;
    let limits = Limits { removal_openings: 3, ..Limits::default() };
    let mut watch = Watch::new(settings(&world, limits.clone()));
    let turn = auditor.watch_turn(&mut watch).await.must();
    assert!(turn.clean && turn.reading.is_some() && turn.replayed == turn.size);
    assert_eq!(turn.unchecked.len(), 2, "neither stamps nor a policy are asked for, and it is said");
    assert_eq!(told(&auditor).await, []);
    let turn: Turn = auditor.watch_turn(&mut watch).await.must();
    assert_eq!((turn.replayed, turn.reading), (0, None), "its own entry is no reason to read again");

    let mut exhibits = Vec::new();
    for name in ["one", "two", "three"] {
        exhibits.push(add(&ana, &world, case, name, 100).await);
        export(&luc, case, *exhibits.last().unwrap()).await.must();
    }
    ana.remove_members(case, vec![luc.certificate_id().unwrap()], &statement()).await.must();
    let _ = export(&luc, case, exhibits[0]).await.unwrap_err();
    let turn = auditor.watch_turn(&mut watch).await.must();
    assert!(turn.clean && turn.replayed > 6);
    // Killed before it told: another process tells.
    drop((watch, auditor));
    let auditor = world.reopen(0, "auditor").await;
    let mut watch = Watch::new(settings(&world, limits));
    let turn = auditor.watch_turn(&mut watch).await.must();
    assert_eq!(turn.reading, None, "the saved point moved on");
    let alerts = told(&auditor).await;
    assert_eq!(rules(&alerts), ["WAT-09", "WAT-08"], "{alerts:?}");
    assert!(alerts[0].text.contains("fr-junalco/luc opened 3 exhibits, 3 by export"), "{}", alerts[0].text);
    auditor.watch_turn(&mut watch).await.must();
    assert_eq!(told(&auditor).await, [], "what was told is not told again");

    let audit = auditor.audit(Purpose::LawfulnessCheck, &statement(), |_| {}).await.must();
    assert_eq!(failed(&audit), Vec::<String>::new());
    assert!(audit.findings.iter().any(|finding| finding.check == "AUD-02" && finding.status == Status::NotChecked));
    // The answer to the removal: what Luc has, and that he can open nothing now.
    let now = LogTime::from_millis(clock().millis()).unwrap();
    let exposed = Exposure::of(&audit, &Subject::Person("fr-junalco/luc".parse().unwrap()), now);
    assert!(exposed.exhibits.len() == 3 && exposed.exhibits.iter().all(|row| row.opened.len() == 1 && row.could_open.is_empty()));
    assert!(exposed.exhibits.iter().all(|row| row.opened[0].how == "export" && row.why.contains("no device is a member")));
    let of_ana = Exposure::of(&audit, &Subject::Device(ana.device_id()), now);
    assert!(of_ana.exhibits.iter().all(|row| row.collected.is_some() && row.could_open == [ana.device_id()]));
    for agent in [ana, luc, auditor] {
        agent.close().await.must();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_between_two_turns_of_a_watch_hides_no_pattern() {
    let world = World::new().await;
    let (ana, luc, case) = case_of_two(&world).await;
    let exhibit = add(&ana, &world, case, "note", 100).await;
    let auditor = world.device(0, "auditor", Role::Auditor).await;
    let limits = Limits { openings: 1, ..Limits::default() };
    let watch = || Watch::new(settings(&world, limits.clone()));
    assert!(auditor.watch_turn(&mut watch()).await.must().clean);
    assert_eq!(told(&auditor).await, []);
    view(&luc, case, exhibit).await.must();
    let audit = auditor.audit(Purpose::LawfulnessCheck, &statement(), |_| {}).await.must();
    assert_eq!(failed(&audit), Vec::<String>::new());
    assert_eq!(told(&auditor).await, [], "an audit tells nothing");
    let turn = auditor.watch_turn(&mut watch()).await.must();
    assert_eq!(turn.reading, None, "the audit moved the point, and nothing is new");
    assert_eq!(rules(&told(&auditor).await), ["WAT-10"]);
    // A replay from the first record on takes the mark away; what is looked at again is not told again.
    auditor.audit_from_start(Purpose::LawfulnessCheck, &statement(), |_| {}).await.must();
    auditor.watch_turn(&mut watch()).await.must();
    assert_eq!(told(&auditor).await, []);
    for agent in [ana, luc, auditor] {
        agent.close().await.must();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_finds_a_fork_that_another_holds_and_keeps_both_notes() {
    let world = World::behind(1).await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let auditor = world.device(0, "auditor", Role::Auditor).await;
    let other = world.device(0, "bea", Role::Auditor).await;
    let mut watch = Watch::new(settings(&world, Limits::default()));
    assert!(auditor.watch_turn(&mut watch).await.must().clean);
    let (world, second) = world.second_log().await;
    // The second log goes on with a device of the other office; the first one with two.
    let elsewhere = ServerAddress::new(format!("http://{}", second.addr), None).unwrap();
    let desk = OfficeDesk::new(&elsewhere, &world.info, clock()).unwrap();
    let request = world.unbound(1, "ion", Role::Prosecutor).await.device_request().unwrap();
    let now = LogTime::from_millis((clock().seconds() - 60) * 1000).unwrap();
    desk.enrol(&world.offices[1], &world.offices[1].issue(&request, now, 300).unwrap()).await.must();
    let shown = get(second.addr, "/checkpoint");
    let note = world.path("witness.note");
    let at = shown.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| at + 4);
    fs::write(&note, &shown[at..]).unwrap();
    for name in ["dan", "ada"] {
        world.device(0, name, Role::Prosecutor).await.close().await.must();
    }
    // The evidence cannot be kept, since the folder lies in a file: the turn fails, and the alert is there all the same.
    let hindered = WatchSettings { others: vec![note.clone()], evidence: note.join("evidence"), ..settings(&world, Limits::default()) };
    auditor.watch_turn(&mut Watch::new(hindered)).await.unwrap_err();
    let alerts = told(&auditor).await;
    assert_eq!(rules(&alerts), ["WAT-01"], "{alerts:?}");
    assert!(alerts[0].fails && alerts[0].text.contains("witness.note"));
    let others = vec![note, world.path("absent.note")];
    let mut watch = Watch::new(WatchSettings { others, ..settings(&world, Limits::default()) });
    let turn = auditor.watch_turn(&mut watch).await.must();
    assert!(turn.unchecked.iter().any(|what| what.contains("absent.note")), "{turn:?}");
    assert!(!turn.clean && told(&auditor).await.is_empty(), "it holds at every turn, and is told once");
    let kept: Vec<PathBuf> = fs::read_dir(world.path("evidence-of-the-watch")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(kept.len(), 2);
    for path in kept {
        SignedCheckpoint::parse(&fs::read(path).unwrap()).unwrap().verify(&world.info.log_key.parse().unwrap()).unwrap();
    }

    // A later turn that is shown nothing of it is clean; the proof stays, and so nothing is cosigned.
    world.device(0, "eva", Role::Prosecutor).await.close().await.must();
    let mut later = Watch::new(settings(&world, Limits::default()));
    let turn = auditor.watch_turn(&mut later).await.must();
    assert!(turn.clean && turn.replayed > 0 && later.report().is_some(), "{turn:?}");
    assert_eq!(auditor.proof_against_log().await.must().unwrap().alert, alerts[0]);

    other.audit(Purpose::LawfulnessCheck, &statement(), |_| {}).await.must();

    // The log itself shows the auditor the other tree: the device holds it to the one that it knows.
    world.liars[0].stand_before(second.addr);
    let turn = auditor.watch_turn(&mut watch).await.must();
    assert!(!turn.clean);
    let alerts = told(&auditor).await;
    assert!(matches!(rules(&alerts)[..], ["WAT-01" | "WAT-02"]), "{alerts:?}");

    // Who never watches and only audits has the proof as well: no later audit of that device is cosigned.
    assert!(other.proof_against_log().await.must().is_none());
    let refused = other.audit(Purpose::LawfulnessCheck, &statement(), |_| {}).await.unwrap_err();
    assert!(matches!(refused, AgentError::Misbehaved(_)), "{refused}");
    let proof = other.proof_against_log().await.must().unwrap().alert;
    assert!(matches!(proof.rule.as_str(), "WAT-01" | "WAT-02"), "{proof:?}");
    for agent in [ana, auditor, other] {
        agent.close().await.must();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_turn_is_cosigned_and_kept_by_a_server_whose_policy_names_the_key() {
    let world = World::new().await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let mut auditor = world.device(0, "auditor", Role::Auditor).await;
    let mut key = AuditorKey::create(&world.path("auditor-key"), "audit.example/auditor", PASSPHRASE, COST).must();
    let quorum = format!("witness auditor {}\nquorum auditor\n", key.cosigner_key());
    let policy = world.path("policy");
    fs::write(&policy, format!("log {}\n{quorum}", world.info.log_key)).unwrap();
    let config = world.further("policy", |text| format!("{text}[witnesses]\npolicy = \"{}\"\n", policy.display()));
    let config = ServerConfig::parse(&fs::read_to_string(config).unwrap()).unwrap_or_else(|problems| panic!("{problems:?}"));
    let running = Server::run(&config).await.must();
    auditor.bind(&ServerAddress::new(format!("http://{}", running.addr), None).unwrap(), &world.info).await.must();

    let limits = Limits { freshness_seconds: 0, stamp_seconds: 1, witness_seconds: 1, ..Limits::default() };
    let policy = Some(auditor.policy_of_log(&quorum).await.unwrap());
    let mut watch = Watch::new(WatchSettings { policy, ..settings(&world, limits) });
    assert!(auditor.watch_turn(&mut watch).await.must().clean);
    // The offices' records are some seconds old, and nobody has vouched for them yet; how many rules see it depends on how long all this took.
    let alerts = told(&auditor).await;
    assert!(rules(&alerts).iter().all(|rule| ["WAT-03", "WAT-04", "WAT-05"].contains(rule)), "{alerts:?}");
    let cosigned = key.cosign(watch.report().unwrap(), &clock()).must();
    assert_eq!(auditor.publish_cosignatures(&cosigned).await.must(), 1);
    let kept = get(running.addr, "/v1/log/kept?at_least=1");
    assert!(String::from_utf8_lossy(&kept).contains("audit.example/auditor"));
    let foreign = AuditorKey::create(&world.path("other-key"), "other.example/auditor", PASSPHRASE, COST)
        .must()
        .cosign(watch.report().unwrap(), &clock());
    assert_eq!(auditor.publish_cosignatures(&foreign.must()).await.must(), 0, "the policy does not name it");
    let forged = cosigned.replacen("vault.example/log", "other.example/log", 1);
    auditor.publish_cosignatures(&forged).await.unwrap_err();
    join(&world.device(1, "luc", Role::Prosecutor).await, &ana, custodia_tests::world::case(&ana).await, Terms::Full, Vec::new()).await;
    let turn = auditor.watch_turn(&mut watch).await.must();
    assert!(turn.clean && turn.replayed > 0);
    assert_eq!(key.cosign(watch.report().unwrap(), &clock()).map(drop).err().map(|error| error.to_string()), None, "it cosigns on");
    for agent in [ana, auditor] {
        agent.close().await.must();
    }
    running.stop().await.must();
}
