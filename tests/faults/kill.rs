//! `kill -9` at every fail point that a command reaches, of the agent and of the server: the same command run again ends well, and the world holds.

use std::collections::BTreeMap;

use custodia_client::audit::AuditorKey;
use custodia_client::dossier::{Language, NewDossier, Transmission};
use custodia_client::open::Opening;
use custodia_client::{Agent, NewDevice, StatePaths};
use custodia_core::custody::body::Terms;
use custodia_core::custody::kind::Purpose;
use custodia_core::dossier::Files;
use custodia_core::finding::Verdict;
use custodia_core::identity::{DeviceRequest, Role, UnverifiedTrustList};
use custodia_core::time::LogTime;
use custodia_tests::world::{COST, Must as _, PASSPHRASE, clock, statement};
use custodia_verify::Trust;

use crate::check::{Effect, check, files_below};
use crate::process::{Ended, Moment};
use crate::stage::{CANARY, Scene, Stage, words};

/// A command of a device, what it adds to the log, and what else must hold once it has succeeded.
pub struct Step {
    pub home: &'static str,
    pub words: Vec<String>,
    pub effect: Effect,
    /// Exit codes of a second run that say that nothing is to be done any more.
    pub done: &'static [i32],
    pub holds: fn(&Stage, &Ended),
}

impl Step {
    pub fn new(home: &'static str, words: &[&str], effect: Effect) -> Self {
        Self { home, words: crate::stage::words(words), effect, done: &[], holds: |_, _| {} }
    }
}

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    Agent,
    Server,
}

/// Kills the victim at the first, the second, … moment of the step, each time in the world as it was, until it reaches no further moment.
/// Gives how often it was killed at each fail point.
async fn walk(stage: &Stage, step: &Step, victim: Victim) -> BTreeMap<String, u32> {
    let mut killed = BTreeMap::new();
    for count in 1.. {
        stage.restore();
        let point = one(stage, step, victim, Moment::Point(count)).await;
        let Some(point) = point else { break };
        *killed.entry(point).or_default() += 1;
    }
    #[expect(clippy::print_stdout, reason = "the numbers are what this test is for")]
    {
        println!("{} kills of the {victim:?}: {killed:?}", killed.values().sum::<u32>());
    }
    killed
}

/// One kill; gives where, or none if the step ended before the moment.
pub async fn one(stage: &Stage, step: &Step, victim: Victim, moment: Moment) -> Option<String> {
    let (of_agent, of_server) = match victim {
        Victim::Agent => (Some(moment), None),
        Victim::Server => (None, Some(moment)),
    };
    let server = stage.serve(of_server);
    let mut ended = stage.run(step.home, &step.words, of_agent);
    let mut agent_point = ended.point.take();
    if !ended.succeeded() {
        let known = agent_point.is_some()
            || (victim == Victim::Agent && ended.code.is_none())
            || (victim == Victim::Server && ended.code == Some(7));
        assert!(known, "{victim:?} at {moment:?}: {ended:?}");
        ended = stage.run(step.home, &step.words, None);
        let done = ended.succeeded() || ended.code.is_some_and(|code| step.done.contains(&code));
        assert!(done, "{:?} again after {victim:?} died at {agent_point:?} {moment:?}: {ended:?}", step.words);
    }
    let (server_point, said) = server.stop();
    let point = agent_point.take().or(server_point);
    let server = stage.serve(None);
    (step.holds)(stage, &ended);
    check(stage, &step.effect).await;
    let (_, later) = server.stop();
    assert!(!said.contains("panic") && !later.contains("panic"), "{said}{later}");
    point
}

/// Plays a step with both victims; the points named must be among those at which they died.
pub async fn play(scene: Scene, step: Step, agent: &[&str], server: &[&str]) {
    let stage = scene.leave().await;
    for (victim, named) in [(Victim::Agent, agent), (Victim::Server, server)] {
        let killed = walk(&stage, &step, victim).await;
        for point in named {
            assert!(killed.contains_key(*point), "the {victim:?} did not reach {point}: {killed:?}");
        }
    }
}

const REASON: [&str; 2] = ["--reason", "Joint investigation"];

/// A command with its reason.
pub fn command(parts: &[&str]) -> Vec<String> {
    words(&[parts, &REASON].concat())
}

const ANA: &str = "ro-diicot-ana";
const LUC: &str = "fr-junalco-luc";
const EVA: &str = "fr-junalco-eva";
const AUDITOR: &str = "ro-diicot-auditor";
const NEW: &str = "new";

/// Ana takes evidence of two segments in.
pub fn intake(scene: &Scene) -> Step {
    let (source, form) = scene.second();
    let words = command(&["exhibit", "add", &scene.case.to_string(), &source, "--form", &form]);
    let effect = Effect { exactly: &[("collection", 1)], at_least: &[] };
    Step { words, ..Step::new(ANA, &[], effect) }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_an_upload_the_intake_goes_on_and_collects_once() {
    let scene = Scene::open().await;
    let step = intake(&scene);
    let agent = ["agent.intake.begun", "agent.segment.journalled", "agent.segment.stored", "agent.manifest.stored", "agent.act.kept"];
    let server = ["server.object.reserved", "server.object.stored", "server.object.noted"];
    play(scene, step, &agent, &server).await;
}

/// Ana founds another case.
pub fn founding() -> Step {
    let words = command(&["case", "create", "--title", "Another", "--review", "2031-01-01"]);
    let effect = Effect { exactly: &[("case.create", 1), ("member.change", 1)], at_least: &[] };
    Step { words, ..Step::new(ANA, &[], effect) }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_an_append_a_case_is_founded_once() {
    let scene = Scene::open().await;
    let step = founding();
    let outbox = ["agent.outbox.before_send", "agent.outbox.answered", "agent.outbox.merged", "agent.outbox.settled"];
    let agent = [&["agent.founding.kept", "agent.founding.entered"][..], &outbox].concat();
    let turn = ["server.turn.begun", "server.turn.signed", "server.turn.committed", "server.head.written", "server.turn.done"];
    play(scene, step, &agent, &[&turn[..], &["server.key_packages.claimed"]].concat()).await;
}

/// Ana adds Eva with full history: a commit and a grant.
pub fn addition(scene: &Scene) -> Step {
    let words = command(&["case", "add", &scene.case.to_string(), "fr-junalco/eva", "--history", "full"]);
    let effect = Effect { exactly: &[("member.change", 1), ("disclosure", 1)], at_least: &[] };
    Step { words, ..Step::new(ANA, &[], effect) }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_a_commit_a_member_is_added_once() {
    let scene = Scene::open().await;
    let step = addition(&scene);
    let agent = ["agent.commit.prepared", "agent.commit.written", "agent.commit.kept"];
    play(scene, step, &agent, &["server.commit.applied", "server.commit.accepted"]).await;
}

/// Ana removes Luc.
pub fn removal(scene: &Scene) -> Step {
    let words = command(&["case", "remove", &scene.case.to_string(), "fr-junalco/luc"]);
    let effect = Effect { exactly: &[("member.change", 1)], at_least: &[] };
    Step { words, ..Step::new(ANA, &[], effect) }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_a_removal_the_member_is_removed_once() {
    let scene = Scene::open().await;
    let step = removal(&scene);
    play(scene, step, &["agent.commit.kept"], &["server.commit.accepted"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_a_leave_the_member_has_left_once() {
    let scene = Scene::open().await;
    let words = command(&["case", "leave", &scene.case.to_string()]);
    let effect = Effect { exactly: &[("member.leave", 1)], at_least: &[] };
    let step = Step { words, ..Step::new(LUC, &[], effect) };
    play(scene, step, &["agent.act.kept"], &["server.turn.committed"]).await;
}

/// Eva, who was added with a grant, comes in touch.
pub async fn joining(scene: &Scene) -> Step {
    scene.add(&scene.eva, Terms::Chosen).await;
    Step::new(EVA, &["device", "sync"], Effect::default())
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_a_join_the_welcome_serves_once() {
    let scene = Scene::open().await;
    let step = joining(&scene).await;
    play(scene, step, &["agent.welcome.opened", "agent.welcome.joined", "agent.grant.kept"], &["server.welcomes.read"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_the_commits_of_others_a_member_follows_them() {
    let scene = Scene::open().await;
    scene.add(&scene.eva, Terms::None).await;
    scene.ana.add_members(scene.case, Vec::new(), Vec::new(), &statement()).await.must();
    let step = Step::new(LUC, &["case", "show", &scene.case.to_string()], Effect::default());
    let agent = ["agent.change.processed", "agent.change.kept", "agent.chain.followed", "agent.head.kept"];
    play(scene, step, &agent, &["server.changes.read"]).await;
}

/// Luc reads a file.
pub fn opening(scene: &Scene) -> Step {
    let (case, first) = (scene.case.to_string(), scene.first.to_string());
    let words = command(&["exhibit", "open", &case, &first, "--purpose", "investigation", "--file", "first/inner/note.txt"]);
    let effect = Effect { exactly: &[], at_least: &[("consultation", 1)] };
    let holds = |_: &Stage, ended: &Ended| assert_eq!(ended.stdout, CANARY);
    Step { words, holds, ..Step::new(LUC, &[], effect) }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_an_opening_nothing_opens_without_its_entry() {
    let scene = Scene::open().await;
    let step = opening(&scene);
    let agent = ["agent.opening.kept", "agent.opening.answered", "agent.opening.receipt_kept", "agent.opening.opened"];
    play(scene, step, &agent, &["server.share.released"]).await;
}

/// Luc writes the exhibit out.
pub fn export(scene: &Scene) -> Step {
    let (case, first, target) = (scene.case.to_string(), scene.first.to_string(), scene.work("out"));
    let parts = ["exhibit", "export", &case, &first, "--purpose", "investigation", "--to", &target, "--recipient", "Court"];
    let effect = Effect { exactly: &[], at_least: &[("disclosure", 1)] };
    let holds = |stage: &Stage, _: &Ended| {
        assert!(files_below(&stage.path("work/out/first")) == files_below(&stage.path("evidence/first")), "other files were written out");
    };
    // A run that was killed behind its last step had done all; the next one says that the target is there.
    Step { words: command(&parts), done: &[8], holds, ..Step::new(LUC, &[], effect) }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_an_export_no_evidence_in_clear_is_left() {
    let scene = Scene::open().await;
    let step = export(&scene);
    let folder = ["agent.clear_folder.noted", "agent.clear_folder.made"];
    let export = ["agent.export.in_a_file", "agent.export.written", "agent.export.in_place"];
    play(scene, step, &[&folder[..], &export].concat(), &["server.share.released"]).await;
}

/// Luc makes a dossier.
pub fn making(scene: &Scene) -> Step {
    let (case, first, target) = (scene.case.to_string(), scene.first.to_string(), scene.work("out.zip"));
    let parts = ["dossier", "make", &case, &first, "--purpose", "trial", "--to", &target, "--recipient", "Court"];
    let effect = Effect { exactly: &[], at_least: &[("disclosure", 2)] };
    let holds = |stage: &Stage, _: &Ended| assert_eq!(verdict(stage, ""), Verdict::Indeterminate);
    Step { words: command(&parts), done: &[8], holds, ..Step::new(LUC, &[], effect) }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_a_dossier_it_is_whole_or_not_there() {
    let scene = Scene::open().await;
    let step = making(&scene);
    let agent = ["agent.dossier.laid_out", "agent.opening.answered", "agent.dossier.disclosed", "agent.dossier.written"];
    play(scene, step, &agent, &["server.share.released"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_attaching_the_dossier_is_the_old_or_the_new_one() {
    let scene = Scene::open().await;
    let new = NewDossier {
        case: scene.case,
        exhibits: vec![scene.first],
        recipients: vec!["Court".to_owned()],
        purpose: Purpose::Trial,
        statement: statement(),
        files: Files::Included,
        withheld: Vec::new(),
        languages: Language::ALL.to_vec(),
        report_program: None,
        transmission: Transmission::default(),
        trust: None,
        wait: std::time::Duration::ZERO,
        target: scene.work("out.zip").into(),
    };
    scene.luc.make_dossier(&new, &|_| {}).await.must();
    let report = scene.auditor.audit(Purpose::LawfulnessCheck, &statement(), |_| {}).await.must();
    let mut key = AuditorKey::create(scene.work("auditor-key").as_ref(), "audit.example/auditor", PASSPHRASE, COST).must();
    std::fs::write(scene.work("cosigned"), key.cosign(&report, &clock()).must()).unwrap();
    let policy = format!("policy = \"\"\"\nwitness auditor {}\nquorum auditor\n\"\"\"\n", key.cosigner_key());
    std::fs::write(scene.work("policy"), policy).unwrap();
    drop(key);
    let holds = |stage: &Stage, _: &Ended| {
        let policy = std::fs::read_to_string(stage.path("work/policy")).unwrap();
        assert_eq!(verdict(stage, &policy), Verdict::Passed);
    };
    let attach = ["dossier", "attach", &scene.work("out.zip"), &scene.work("cosigned")];
    let step = Step { holds, ..Step::new(LUC, &attach, Effect::default()) };
    play(scene, step, &["agent.attaching.written"], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_an_audit_the_key_cosigns_on() {
    let scene = Scene::open().await;
    let (key, file) = (scene.work("auditor-key"), scene.work("cosigned"));
    drop(AuditorKey::create(key.as_ref(), "audit.example/auditor", PASSPHRASE, COST).must());
    let words = command(&["audit", "--purpose", "lawfulness-check", "--cosign", &key, "--checkpoint", &file]);
    let effect = Effect { exactly: &[], at_least: &[("log.read", 1)] };
    let holds = |stage: &Stage, _: &Ended| {
        let last = std::fs::read(stage.path("work/auditor-key/cosigned")).unwrap();
        assert_eq!(std::fs::read(stage.path("work/cosigned")).unwrap(), last);
    };
    let step = Step { words, holds, ..Step::new(AUDITOR, &[], effect) };
    play(scene, step, &["agent.cosignature.recorded", "agent.file.written_beside"], &["server.turn.committed"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_a_watch_no_finding_is_lost() {
    let scene = Scene::open().await;
    scene.luc.open_exhibit(scene.case, scene.first, Opening::View, Purpose::Investigation, &statement()).await.must();
    let rules = scene.work("rules.toml");
    // Nobody works at any time, so that each opening is told of.
    std::fs::write(&rules, "[[limits.hours]]\nfrom_minute = 0\nto_minute = 0\nutc_offset_minutes = 0\n").unwrap();
    let words = command(&["audit", "watch", "--once", "--json", "--purpose", "lawfulness-check", "--rules", &rules]);
    let effect = Effect { exactly: &[], at_least: &[("log.read", 1)] };
    let holds = |_: &Stage, ended: &Ended| {
        let told: Vec<&str> = ended.stdout.lines().filter(|line| line.contains("\"rule\":\"WAT-11\"")).collect();
        assert_eq!(told.len(), 1, "{ended:?}");
    };
    let step = Step { words, holds, ..Step::new(AUDITOR, &[], effect) };
    play(scene, step, &["agent.audit.before_saving", "agent.audit.saved", "agent.watch.found", "agent.watch.told"], &[]).await;
}

/// A device is made: key file, state, request.
pub fn device(scene: &Scene) -> Step {
    let request = scene.work("request");
    let init = ["device", "init", "--person", "ro-diicot/ion", "--name", "Ion", "--request", &request];
    let holds = |stage: &Stage, _: &Ended| {
        let shown = stage.run(NEW, &words(&["device", "show", "--json"]), None);
        let shown: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
        let asked = DeviceRequest::parse(std::fs::read_to_string(stage.path("work/request")).unwrap().trim()).unwrap();
        assert_eq!(shown["device"], serde_json::json!(asked.wanted().device));
    };
    Step { holds, ..Step::new(NEW, &init, Effect::default()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_the_making_of_a_device_it_is_made_once() {
    let scene = Scene::open().await;
    let step = device(&scene);
    let agent = ["agent.state.key_written", "agent.state.database_made", "agent.state.made", "agent.request.before_writing"];
    play(scene, step, &agent, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_issuing_a_device_gets_a_certificate_that_serves() {
    let scene = Scene::open().await;
    let agent = new_device(&scene).await;
    std::fs::write(scene.work("request"), agent.device_request().unwrap().text()).unwrap();
    agent.close().await.must();
    let office = scene.world.path("offices/ro-diicot").display().to_string();
    let (request, certificate) = (scene.work("request"), scene.work("certificate"));
    let (server, card) = (scene.world.address().url, card(&scene));
    let words = ["office", "issue", &office, &request, &certificate, "--server", &server, "--card", &card];
    let effect = Effect { exactly: &[], at_least: &[("device.enrol", 1)] };
    let holds = |stage: &Stage, _: &Ended| {
        let words = ["device", "install", "work/certificate", "--server", &stage.url(), "--card", "work/server.json"];
        let words = words.map(|word| if word.starts_with("work/") { stage.path(word).display().to_string() } else { word.to_owned() });
        let installed = stage.run(NEW, &words, None);
        assert!(installed.succeeded(), "{installed:?}");
    };
    // A run that was killed behind its last step had done all; the next one says that the certificate is there.
    let step = Step { done: &[8], holds, ..Step::new(NEW, &words, effect) };
    play(scene, step, &["office.certificate.enrolled"], &["server.turn.committed"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_installing_a_device_serves() {
    let scene = Scene::open().await;
    let agent = new_device(&scene).await;
    let issued = scene.world.offices[0].issue(&agent.device_request().unwrap(), yesterday(), 300).unwrap();
    scene.world.desk().enrol(&scene.world.offices[0], &issued).await.must();
    agent.close().await.must();
    std::fs::write(scene.work("certificate"), issued.der()).unwrap();
    let (server, card) = (scene.world.address().url, card(&scene));
    let step = Step::new(NEW, &["device", "install", &scene.work("certificate"), "--server", &server, "--card", &card], Effect::default());
    let agent = ["agent.server.bound", "agent.certificate.installed", "agent.registry.followed", "agent.key_packages.kept"];
    play(scene, step, &agent, &["server.key_packages.stored"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_a_renewal_the_device_comes_back_under_its_new_certificate() {
    let scene = Scene::open().await;
    std::fs::write(scene.work("renewed"), scene.world.issue(0, &scene.ana, 300).await).unwrap();
    let effect = Effect { exactly: &[("member.change", 1)], at_least: &[] };
    let holds = |stage: &Stage, _: &Ended| {
        let again = stage.run(ANA, &words(&["device", "renew"]), None);
        assert!(again.succeeded() && again.stderr.contains("from now on: 0."), "nothing is left to renew: {again:?}");
    };
    let step = Step { holds, ..Step::new(ANA, &["device", "renew", &scene.work("renewed")], effect) };
    let agent = [
        "agent.certificate.installed",
        "agent.renewal.enrolled",
        "agent.key_packages.kept",
        "agent.commit.kept",
        "agent.outbox.merged",
        "agent.leaf.renewed",
    ];
    play(scene, step, &agent, &["server.commit.accepted", "server.key_packages.stored"]).await;
}

/// The list after the one that everybody follows, with the same offices.
async fn next_list(scene: &Scene) -> UnverifiedTrustList {
    let registry = scene.ana.registry().await.must();
    let before = registry.trust_list(registry.head().unwrap().seq).unwrap();
    let (first, second) = (&scene.world.offices[0], &scene.world.offices[1]);
    scene.world.next_list(before, &[&[(first, 700)], &[(second, 700)]])
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_publishing_a_trust_list_it_stands_once() {
    let scene = Scene::open().await;
    std::fs::write(scene.work("list.json"), next_list(&scene).await.to_json()).unwrap();
    let office = scene.world.path("offices/ro-diicot").display().to_string();
    let (server, card) = (scene.world.address().url, card(&scene));
    let words = ["office", "publish", &office, &scene.work("list.json"), "--server", &server, "--card", &card];
    let effect = Effect { exactly: &[("trust.list", 1)], at_least: &[] };
    let step = Step::new(NEW, &words, effect);
    play(scene, step, &[], &["server.turn.signed", "server.turn.committed"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_following_a_trust_list_a_device_follows_it() {
    let scene = Scene::open().await;
    let list = next_list(&scene).await;
    scene.world.desk().trust_list(&scene.world.offices[1], &list).await.must();
    let holds = |stage: &Stage, _: &Ended| {
        let shown = stage.run(LUC, &words(&["device", "show", "--json"]), None);
        let shown: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
        assert_eq!(shown["trust_list"]["number"], serde_json::json!(2));
    };
    let step = Step { holds, ..Step::new(LUC, &["device", "sync"], Effect::default()) };
    play(scene, step, &["agent.registry.followed"], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_coming_back_a_device_comes_back_once() {
    let mut scene = Scene::open().await;
    let placeholder = scene.world.unbound(0, "placeholder", Role::Prosecutor).await;
    std::mem::replace(&mut scene.luc, placeholder).close().await.must();
    scene.world.lose(1, "luc", Some(scene.case)).await;
    let words = command(&["case", "resync", &scene.case.to_string()]);
    let effect = Effect { exactly: &[("member.change", 1)], at_least: &[] };
    let step = Step { words, ..Step::new(LUC, &[], effect) };
    let agent = ["agent.resync.written", "agent.resync.kept", "agent.outbox.answered", "agent.outbox.merged", "agent.resync.entered"];
    play(scene, step, &agent, &["server.group.read", "server.commit.accepted"]).await;
}

/// Writes what the office gives out about the server.
fn card(scene: &Scene) -> String {
    std::fs::write(scene.work("server.json"), serde_json::to_string(&scene.world.info).unwrap()).unwrap();
    scene.work("server.json")
}

fn yesterday() -> LogTime {
    LogTime::from_millis(clock().millis() - 24 * 60 * 60 * 1000).unwrap()
}

/// A device without a certificate.
async fn new_device(scene: &Scene) -> Agent {
    let new = NewDevice {
        person: "ro-diicot/ion".parse().unwrap(),
        name: "Ion".parse().unwrap(),
        label: "laptop".parse().unwrap(),
        role: Role::Prosecutor,
        cost: COST,
    };
    Agent::create(&StatePaths::in_folder(scene.world.path("devices/new")), PASSPHRASE, new, clock()).await.must()
}

/// What a judge who pins this log and trust list says of the dossier.
fn verdict(stage: &Stage, policy: &str) -> Verdict {
    let info = &stage.info;
    let text = format!("origin = {:?}\nlog = {:?}\ntrust_pin = \"{}\"\n{policy}", info.origin, info.log_key, info.trust_pin);
    let dossier = std::fs::read(stage.path("work/out.zip")).unwrap();
    custodia_verify::verify(std::io::Cursor::new(dossier), &Trust::parse(&text).unwrap()).unwrap().verdict
}
