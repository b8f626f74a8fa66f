//! An agent before a server that lies: what it is told is refused, the evidence is kept, and nothing is lost once the server is honest.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

use std::collections::HashMap;
use std::fs;
use std::sync::{Arc, Mutex};

use custodia_client::announce::OfficeDesk;
use custodia_client::http::{HttpError, ServerAddress};
use custodia_client::open::Opening;
use custodia_client::{Agent, AgentError};
use custodia_core::custody::body::Terms;
use custodia_core::custody::kind::Purpose;
use custodia_core::identity::Role;
use custodia_core::ids::{CaseId, ExhibitId};
use custodia_core::time::LogTime;
use custodia_tests::liar::{Answer, Asked, Liar, Told};
use custodia_tests::world::{Must as _, OFFICES, World, case, case_called, clock, exhibit, statement};
use tokio::sync::oneshot;

use crate::agent::{join, view};

/// A world before whose agents stands one liar, with a case of Ana's and an exhibit of two segments.
async fn world() -> (World, Agent, CaseId, ExhibitId) {
    let world = World::behind(2).await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let case = case(&ana).await;
    let exhibit = add(&ana, &world, case, "phone", 9_000_000).await;
    (world, ana, case, exhibit)
}

async fn add(agent: &Agent, world: &World, case: CaseId, name: &str, size: usize) -> ExhibitId {
    let folder = world.path(name);
    fs::create_dir_all(&folder).unwrap();
    let bytes: Vec<u8> = (0..size).map(|at| u8::try_from(at % 251).unwrap()).collect();
    fs::write(folder.join("dump.bin"), bytes).unwrap();
    agent.add_exhibit(exhibit(case, &folder, name), |_| {}).await.must().exhibit
}

/// The finding of a server that was caught; it must be the last evidence that the agent keeps.
#[track_caller]
fn finding<T>(result: Result<T, AgentError>) -> String {
    match result {
        Err(AgentError::Misbehaved(misbehaviour)) => misbehaviour.finding.to_owned(),
        Err(AgentError::Http(HttpError::Misbehaved(finding))) => finding.to_owned(),
        Err(other) => panic!("caught as something else: {other}"),
        Ok(_) => panic!("the lie was believed"),
    }
}

async fn caught<T>(agent: &Agent, result: Result<T, AgentError>) -> String {
    let finding = finding(result);
    let evidence = agent.evidence().await.must().pop().expect("evidence is kept");
    assert_eq!(evidence.finding, finding);
    assert!(!evidence.shown.is_empty() || !evidence.held.is_empty(), "{evidence:?}");
    finding
}

/// Remembers the last answer to a kind of request, and tells the truth.
fn remember(liar: &Liar, method: &'static str, path_ends: String) -> Arc<Mutex<Option<Answer>>> {
    let kept = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&kept);
    liar.lie(move |asked, answer| {
        if asked.is(method, &path_ends) {
            *keep.lock().unwrap() = Some(answer.clone());
        }
        Told::Answer(answer)
    });
    kept
}

/// What is made of an object's bytes; the second are those of the first object that was asked for.
type Bytes = fn(Vec<u8>, &[u8]) -> Vec<u8>;
/// What is made of an answer's JSON.
type Json = fn(&mut serde_json::Value);

/// Lies about one kind of request and tells the truth about all others.
fn about(liar: &Liar, method: &'static str, path_ends: String, mut lie: impl FnMut(&Asked, Answer) -> Told + Send + 'static) {
    liar.lie(move |asked, answer| if asked.is(method, &path_ends) { lie(asked, answer) } else { Told::Answer(answer) });
}

fn instead(liar: &Liar, method: &'static str, path_ends: String, told: Answer) {
    about(liar, method, path_ends, move |_, _| Told::Answer(told.clone()));
}

/// Changes the JSON of one kind of answer.
fn altered(liar: &Liar, method: &'static str, path_ends: String, change: impl Fn(&mut serde_json::Value) + Send + 'static) {
    about(liar, method, path_ends, move |_, answer| {
        let mut json = answer.json();
        change(&mut json);
        Told::Answer(answer.with(&json))
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_from_before_is_a_rollback_and_an_honest_server_is_believed_again() {
    let (world, ana, case, exhibit) = world().await;
    let liar = &world.liars[0];
    let old = remember(liar, "GET", "/checkpoint".to_owned());
    ana.sync().await.must();
    view(&ana, case, exhibit).await.must();
    instead(liar, "GET", "/checkpoint".to_owned(), old.lock().unwrap().clone().unwrap());
    assert!(caught(&ana, ana.sync().await).await.contains("rolled back"));
    assert!(caught(&ana, ana.refresh(case).await).await.contains("rolled back"));
    drop(ana);
    let ana = world.reopen(0, "ana").await;
    assert!(caught(&ana, ana.sync().await).await.contains("rolled back"), "a restart forgets nothing");
    liar.be_honest();
    ana.sync().await.must();
    view(&ana, case, exhibit).await.must();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_log_shown_to_one_client_is_a_fork_whichever_comes_first() {
    let (world, ana, case, exhibit) = world().await;
    let mut luc = world.device(1, "luc", Role::Prosecutor).await;
    world.rebind(&mut luc, 1).await;
    join(&luc, &ana, case, Terms::Full, Vec::new()).await;
    let (world, second) = world.second_log().await;
    world.liars[1].stand_before(second.addr);
    view(&luc, case, exhibit).await.must();
    view(&luc, case, exhibit).await.must();
    view(&ana, case, exhibit).await.must();
    // Luc knows the longer second log and is shown the first; Ana the other way round.
    let first = world.liars[0].stands_before();
    world.liars[0].stand_before(second.addr);
    world.liars[1].stand_before(first);
    caught(&luc, luc.sync().await).await;
    caught(&ana, ana.sync().await).await;
    world.liars[0].stand_before(first);
    ana.sync().await.must();
    view(&ana, case, exhibit).await.must();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_office_holds_the_server_to_the_log_that_it_saw() {
    let (world, ana, ..) = world().await;
    let eva = world.device(1, "eva", Role::Prosecutor).await;
    let (world, second) = world.second_log().await;
    // The office of Eva is shown the second log, in which Ana's office does something else.
    let desk = OfficeDesk::new(&ServerAddress::new(format!("http://{}", second.addr), None).unwrap(), &world.info, clock()).unwrap();
    let enrolled = async |desk: &OfficeDesk, office: usize, local: &str| {
        let request = world.unbound(office, local, Role::Prosecutor).await.device_request().unwrap();
        let now = LogTime::from_millis((clock().seconds() - 60) * 1000).unwrap();
        let certificate = world.offices[office].issue(&request, now, 300).unwrap();
        desk.enrol(&world.offices[office], &certificate).await
    };
    enrolled(&desk, 1, "luc").await.must();
    enrolled(&desk, 1, "max").await.must();
    // The first log went another way; whoever saw the second one is not led back to it.
    enrolled(&world.desk(), 0, "ion").await.must();
    enrolled(&world.desk(), 0, "dan").await.must();
    enrolled(&world.desk(), 0, "ada").await.must();
    let kept = |office: usize| {
        let names = fs::read_dir(world.path(&format!("offices/{}", OFFICES[office].0)))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("evidence-")).count()
    };
    let shown = enrolled(&world.desk(), 1, "zoe").await;
    assert!(matches!(&shown, Err(AgentError::Misbehaved(_))), "{shown:?}");
    assert_eq!((kept(0), kept(1)), (0, 1));
    drop((ana, eva));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_is_found_out_by_the_agents_own_next_act() {
    let (world, ana, case, exhibit) = world().await;
    let mut luc = world.device(1, "luc", Role::Prosecutor).await;
    world.rebind(&mut luc, 1).await;
    join(&luc, &ana, case, Terms::Full, Vec::new()).await;
    luc.refresh(case).await.must();
    let size = luc.log_size().await.must();
    // Every question is answered as it was the first time.
    let mut first: HashMap<String, Answer> = HashMap::new();
    world.liars[1].lie(move |asked, answer| match asked.method.as_str() {
        "GET" => Told::Answer(first.entry(asked.target.clone()).or_insert(answer).clone()),
        _ => Told::Answer(answer),
    });
    luc.refresh(case).await.must();
    view(&ana, case, exhibit).await.must();
    luc.refresh(case).await.must();
    assert_eq!(luc.log_size().await.must(), size, "nothing tells it from a log in which nothing happens; the screens say so");
    view(&luc, case, exhibit).await.must();
    assert!(caught(&luc, luc.sync().await).await.contains("rolled back"));
    world.liars[1].be_honest();
    luc.refresh(case).await.must();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_dropped_after_its_receipt_is_missed() {
    let (world, ana, case, exhibit) = world().await;
    let liar = &world.liars[0];
    ana.refresh(case).await.must();
    for chain in [format!("/v1/cases/{case}/records"), format!("/v1/cases/{case}/exhibits/{exhibit}/records")] {
        // The chain as it stood before, with a true proof of its last record then.
        let before = remember(liar, "GET", chain.clone());
        view(&ana, case, exhibit).await.must();
        let before = before.lock().unwrap().clone().unwrap();
        about(liar, "GET", chain.clone(), move |_, answer| {
            let mut page = before.json();
            page["records"] = serde_json::json!([]);
            Told::Answer(answer.with(&page))
        });
        let missed = if chain.contains("exhibits") { view(&ana, case, exhibit).await.map(drop) } else { ana.refresh(case).await };
        assert!(caught(&ana, missed).await.contains("acknowledged to this device is missing"), "{chain}");
        liar.be_honest();
        ana.refresh(case).await.must();
    }
    view(&ana, case, exhibit).await.must();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_for_another_entry_settles_nothing() {
    let (world, ana, case, exhibit) = world().await;
    let liar = &world.liars[0];
    let acts = format!("/exhibits/{exhibit}/acts");
    let former = remember(liar, "POST", acts.clone());
    view(&ana, case, exhibit).await.must();
    instead(liar, "POST", acts, former.lock().unwrap().clone().unwrap());
    assert!(caught(&ana, view(&ana, case, exhibit).await).await.contains("another act"));

    let founding = remember(liar, "POST", "/v1/cases".to_owned());
    case_called(&ana, "First").await;
    instead(liar, "POST", "/v1/cases".to_owned(), founding.lock().unwrap().clone().unwrap());
    let new = custodia_client::NewCase {
        title: "Second".to_owned(),
        statement: statement(),
        review: custodia_tests::world::review(),
        parent: None,
    };
    assert!(caught(&ana, ana.create_case(new).await).await.contains("another act"));
    // The founding waits until it is answered truly; it was entered once.
    liar.be_honest();
    ana.deliver().await.must();
    assert_eq!(ana.cases().await.must().len(), 3);
    assert_eq!(ana.cases_at_server().await.must().cases.len(), 3);
    view(&ana, case, exhibit).await.must();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_without_its_proof_does_not_undo_what_was_entered() {
    let (world, ana, case, _) = world().await;
    let luc = world.device(1, "luc", Role::Prosecutor).await;
    ana.sync().await.must();
    let liar = &world.liars[0];
    let refused = r#"{"code":"not-permitted","message":"no","next":"ask","rule":"MEM-03"}"#;
    instead(liar, "POST", "/changes".to_owned(), Answer { status: 403, body: refused.into() });
    let joining = || vec![custodia_client::Joining { device: luc.certificate_id().unwrap(), terms: Terms::Full }];
    let added = ana.add_members(case, joining(), Vec::new(), &statement()).await;
    assert!(caught(&ana, added).await.contains("no receipt proves the refusal"));
    // A genuine refusal of another act is no proof either.
    liar.be_honest();
    ana.deliver().await.must();
    assert_eq!(ana.members(case).await.must().len(), 4, "the commit had won and is merged: two persons, two recovery devices");
    assert_eq!(luc.join_new_cases().await.must(), [case]);
    ana.refresh(case).await.must();
}

#[tokio::test(flavor = "multi_thread")]
async fn other_bytes_of_an_object_are_not_written_out() {
    let (world, ana, case, exhibit) = world().await;
    let liar = &world.liars[0];
    let opening = || Opening::Export { recipients: vec!["Court".to_owned()] };
    let opened = ana.open_exhibit(case, exhibit, opening(), Purpose::Trial, &statement()).await.must();
    let target = world.path("export");
    let objects = format!("/v1/cases/{case}/exhibits/{exhibit}/objects/");
    let lies: [(&str, Bytes); 5] = [
        ("flipped", |mut bytes, _| {
            bytes[77] ^= 1;
            bytes
        }),
        ("cut", |mut bytes, _| {
            bytes.truncate(bytes.len() / 2);
            bytes
        }),
        ("longer", |mut bytes, _| {
            bytes.push(0);
            bytes
        }),
        ("empty", |_, _| Vec::new()),
        ("another of the same exhibit", |_, other| other.to_vec()),
    ];
    for (what, lie) in lies {
        let objects = objects.clone();
        let mut other: Option<Vec<u8>> = None;
        liar.lie(move |asked, answer| {
            if !asked.target.starts_with(&objects) {
                return Told::Answer(answer);
            }
            let before = other.get_or_insert_with(|| answer.body.clone()).clone();
            Told::Answer(Answer { body: lie(answer.body, &before), ..answer })
        });
        let written = opened.export(&target, |_| {}).await;
        assert!(caught(&ana, written).await.contains("other bytes"), "{what}");
        assert!(!target.exists(), "{what}");
    }
    liar.be_honest();
    opened.export(&target, |_| {}).await.must();
    let left: Vec<_> = fs::read_dir(world.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with(".custodia-export")), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_breaks_off_does_not_look_finished() {
    let (world, ana, case, exhibit) = world().await;
    let opened = ana.open_exhibit(case, exhibit, Opening::View, Purpose::Investigation, &statement()).await.must();
    let objects = format!("/v1/cases/{case}/exhibits/{exhibit}/objects/");
    world.liars[0].lie(move |asked, answer| {
        if !asked.target.starts_with(&objects) {
            return Told::Answer(answer);
        }
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", answer.body.len());
        Told::Raw([head.as_bytes(), &answer.body[..answer.body.len() / 3]].concat())
    });
    let target = world.path("export");
    let broken = opened.export(&target, |_| {}).await;
    assert!(matches!(broken, Err(AgentError::Http(HttpError::Unavailable(_)))), "{broken:?}");
    assert!(!target.exists());
    let mut bytes = Vec::new();
    opened.write_file(0, &mut bytes).await.unwrap_err();
    assert!(bytes.is_empty(), "no segment is shown before it is whole");
    world.liars[0].be_honest();
    opened.write_file(0, &mut bytes).await.must();
    assert_eq!(bytes.len(), 9_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn swapped_dropped_and_repeated_segments_and_another_share_open_nothing() {
    let (world, ana, case, exhibit) = world().await;
    let liar = &world.liars[0];
    let lies: [(&str, Json); 5] = [
        ("swapped", |released| released["objects"].as_array_mut().unwrap().reverse()),
        ("dropped", |released| drop(released["objects"].as_array_mut().unwrap().pop())),
        ("repeated", |released| {
            let first = released["objects"][0].clone();
            released["objects"][1] = first;
        }),
        ("another manifest", |released| released["manifest_object"] = released["objects"][0].clone()),
        ("another share", |released| released["release_share"] = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=".into()),
    ];
    for (what, lie) in lies {
        altered(liar, "POST", format!("/exhibits/{exhibit}/acts"), lie);
        let said = caught(&ana, view(&ana, case, exhibit).await).await;
        assert!(said.contains("than those that were collected") || said.contains("than the one that was collected"), "{what}: {said}");
        let evidence = format!("{:?}", ana.evidence().await.must());
        assert!(!evidence.contains("release_share"), "a share is not kept as evidence");
    }
    liar.be_honest();
    view(&ana, case, exhibit).await.must();
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_not_of_the_contract_are_neither_believed_nor_held() {
    let (world, ana, case, exhibit) = world().await;
    let liar = &world.liars[0];
    let html = || b"<!doctype html><title>Sign in to the hotel</title>".to_vec();
    let told: [(&str, Answer); 6] = [
        ("a page", Answer::ok(html())),
        ("a page that says not found", Answer { status: 404, body: html() }),
        ("a page that leads elsewhere", Answer { status: 302, body: html() }),
        ("nothing", Answer::ok("")),
        ("half a body", Answer::ok(r#"{"exhibits":[{"exhi"#)),
        ("a code with another status", Answer { status: 404, body: br#"{"code":"internal","message":"","next":""}"#.to_vec() }),
    ];
    for (what, answer) in told {
        instead(liar, "GET", "/exhibits".to_owned(), answer);
        let said = caught(&ana, ana.exhibits(case).await).await;
        assert!(said.contains("not the JSON") || said.contains("without its reason"), "{what}: {said}");
    }
    about(liar, "GET", "/exhibits".to_owned(), |_, _| Told::Endless);
    assert!(caught(&ana, ana.exhibits(case).await).await.contains("over its limit"));
    about(liar, "GET", "/checkpoint".to_owned(), |_, _| Told::Endless);
    assert!(caught(&ana, ana.sync().await).await.contains("over its limit"));
    let raw = b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\nconnection: close\r\n\r\n".to_vec();
    about(liar, "GET", "/exhibits".to_owned(), move |_, _| Told::Raw(raw.clone()));
    assert!(caught(&ana, ana.exhibits(case).await).await.contains("over its limit"));
    // A server that is down is not one that lies.
    for told in [Answer { status: 500, body: html() }, Answer { status: 502, body: Vec::new() }] {
        instead(liar, "GET", "/exhibits".to_owned(), told);
        assert!(matches!(ana.exhibits(case).await, Err(AgentError::Http(HttpError::Unavailable(_)))));
    }
    liar.be_honest();
    view(&ana, case, exhibit).await.must();
}

#[tokio::test(flavor = "multi_thread")]
async fn words_of_the_server_cannot_play_tricks_on_a_terminal() {
    let (world, ana, case, _) = world().await;
    let told = serde_json::json!({"code": "not-found", "message": "\u{1b}[2Jgone\ncustodia: all is well", "next": "\u{202e}kcab"});
    instead(&world.liars[0], "GET", "/exhibits".to_owned(), Answer { status: 404, body: told.to_string().into_bytes() });
    let said = ana.exhibits(case).await.unwrap_err().to_string();
    assert!(!said.contains(['\u{1b}', '\n', '\u{202e}']), "{said:?}");
    assert!(said.contains("gone\\u{a}custodia"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_another_question_is_not_taken() {
    let (world, ana, case, exhibit) = world().await;
    let other_case = self::case(&ana).await;
    let liar = &world.liars[0];
    // The chain of one case in place of the other's, from the beginning.
    let chain = remember(liar, "GET", format!("/v1/cases/{other_case}/records"));
    ana.refresh(other_case).await.must();
    let other = add(&ana, &world, other_case, "other", 10).await;
    let chain = chain.lock().unwrap().clone().unwrap();
    view(&ana, case, exhibit).await.must();
    instead(liar, "GET", format!("/v1/cases/{case}/records"), chain);
    caught(&ana, ana.refresh(case).await).await;
    liar.be_honest();
    view(&ana, case, exhibit).await.must();
    view(&ana, other_case, other).await.must();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_lands_between_two_questions_is_no_misbehaviour() {
    let (world, ana, case, _) = world().await;
    let mut luc = world.device(1, "luc", Role::Prosecutor).await;
    world.rebind(&mut luc, 1).await;
    join(&luc, &ana, case, Terms::Full, Vec::new()).await;
    ana.add_members(case, Vec::new(), Vec::new(), &statement()).await.must();
    // Luc is told the chain as it stands; before he asks for the commits, one more is accepted.
    let (reached, mut waiting) = tokio::sync::mpsc::unbounded_channel();
    let (go, held) = oneshot::channel();
    let mut held = Some(held);
    about(&world.liars[1], "GET", format!("/v1/cases/{case}/records"), move |_, answer| match held.take() {
        Some(held) => {
            reached.send(()).unwrap();
            Told::Later(held, answer)
        }
        None => Told::Answer(answer),
    });
    let commit = async {
        waiting.recv().await.unwrap();
        ana.add_members(case, Vec::new(), Vec::new(), &statement()).await.must();
        go.send(()).unwrap();
    };
    let (refreshed, ()) = tokio::join!(luc.refresh(case), commit);
    refreshed.must();
    assert!(luc.evidence().await.must().is_empty());
    luc.add_members(case, Vec::new(), Vec::new(), &statement()).await.must();
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_withheld_and_reordered_commits_are_not_applied() {
    let (world, ana, case, exhibit) = world().await;
    let mut luc = world.device(1, "luc", Role::Prosecutor).await;
    world.rebind(&mut luc, 1).await;
    join(&luc, &ana, case, Terms::Full, Vec::new()).await;
    for _ in 0..2 {
        ana.add_members(case, Vec::new(), Vec::new(), &statement()).await.must();
    }
    let liar = &world.liars[1];
    let lies: [(&str, Json); 4] = [
        ("tags damaged", |page| {
            let commit = page["changes"][0]["commit"].as_str().unwrap().to_owned();
            let end = commit.trim_end_matches('=').len();
            let other = if commit.as_bytes()[end - 4] == b'A' { "B" } else { "A" };
            page["changes"][0]["commit"] = format!("{}{other}{}", &commit[..end - 4], &commit[end - 3..]).into();
        }),
        ("withheld", |page| page["changes"] = serde_json::json!([])),
        ("the first left out", |page| drop(page["changes"].as_array_mut().unwrap().remove(0))),
        ("swapped", |page| page["changes"].as_array_mut().unwrap().reverse()),
    ];
    for (what, lie) in lies {
        altered(liar, "GET", "/changes".to_owned(), lie);
        let refused = caught(&luc, luc.refresh(case).await).await;
        assert!(!refused.is_empty(), "{what}");
    }
    liar.be_honest();
    view(&luc, case, exhibit).await.must();
    assert_eq!(luc.members(case).await.must(), ana.members(case).await.must());
}

#[tokio::test(flavor = "multi_thread")]
async fn identity_records_that_are_withheld_are_missed_when_a_commit_names_them() {
    let (world, ana, case, _) = world().await;
    let mut luc = world.device(1, "luc", Role::Prosecutor).await;
    world.rebind(&mut luc, 1).await;
    join(&luc, &ana, case, Terms::Full, Vec::new()).await;
    luc.refresh(case).await.must();
    let registry = remember(&world.liars[1], "GET", "/v1/registry/records".to_owned());
    luc.refresh(case).await.must();
    // Somebody is revoked, a commit is judged by that, and Luc is still shown the registry of before.
    let eva = world.device(1, "eva", Role::Prosecutor).await;
    world.revoke(1, &eva).await;
    ana.add_members(case, Vec::new(), Vec::new(), &statement()).await.must();
    instead(&world.liars[1], "GET", "/v1/registry/records".to_owned(), registry.lock().unwrap().clone().unwrap());
    assert!(caught(&luc, luc.refresh(case).await).await.contains("identity records"));
    world.liars[1].be_honest();
    luc.refresh(case).await.must();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_welcome_for_another_group_is_not_joined() {
    let (world, ana, one, _) = world().await;
    let other = case_called(&ana, "Operation Beacon").await;
    let mut luc = world.device(1, "luc", Role::Prosecutor).await;
    world.rebind(&mut luc, 1).await;
    ana.sync().await.must();
    let joining = || vec![custodia_client::Joining { device: luc.certificate_id().unwrap(), terms: Terms::Full }];
    for case in [one, other] {
        ana.add_members(case, joining(), Vec::new(), &statement()).await.must();
    }
    let liar = &world.liars[1];
    let swap = |field: &'static str| {
        move |page: &mut serde_json::Value| {
            let (first, second) = (page["welcomes"][0][field].clone(), page["welcomes"][1][field].clone());
            page["welcomes"][0][field] = second;
            page["welcomes"][1][field] = first;
        }
    };
    for field in ["welcome", "case"] {
        altered(liar, "GET", "/v1/welcomes".to_owned(), swap(field));
        assert!(caught(&luc, luc.join_new_cases().await).await.contains("Welcome"), "{field}");
    }
    altered(liar, "GET", "/v1/welcomes".to_owned(), swap("ring_row"));
    luc.join_new_cases().await.unwrap_err();
    assert!(luc.cases().await.must().is_empty(), "nothing is half joined");
    liar.be_honest();
    assert_eq!(luc.join_new_cases().await.must().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_welcome_into_a_case_that_is_over_for_the_device_stands_in_no_way() {
    let (world, ana, case, _) = world().await;
    let mut luc = world.device(1, "luc", Role::Prosecutor).await;
    world.rebind(&mut luc, 1).await;
    ana.sync().await.must();
    let joining = vec![custodia_client::Joining { device: luc.certificate_id().unwrap(), terms: Terms::Full }];
    ana.add_members(case, joining, Vec::new(), &statement()).await.must();
    // The removal comes between the Welcome and the next question.
    let (asked, mut waiting) = tokio::sync::mpsc::unbounded_channel();
    let (go, held) = oneshot::channel();
    let mut held = Some(held);
    about(&world.liars[1], "GET", "/v1/welcomes".to_owned(), move |_, answer| match held.take() {
        Some(held) => {
            asked.send(answer.json()["welcomes"].as_array().unwrap().len()).unwrap();
            Told::Later(held, answer)
        }
        None => Told::Answer(answer),
    });
    let removing = async {
        assert_eq!(waiting.recv().await, Some(1));
        ana.remove_members(case, vec![luc.certificate_id().unwrap()], &statement()).await.must();
        go.send(()).unwrap();
    };
    let (joined, ()) = tokio::join!(luc.join_new_cases(), removing);
    assert!(joined.must().is_empty());
    case_called(&luc, "His own").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn key_packages_of_somebody_else_or_none_add_nobody() {
    let (world, ana, case, _) = world().await;
    let luc = world.device(1, "luc", Role::Prosecutor).await;
    let eva = world.device(1, "eva", Role::Prosecutor).await;
    ana.sync().await.must();
    let liar = &world.liars[0];
    let joining = |agent: &Agent| vec![custodia_client::Joining { device: agent.certificate_id().unwrap(), terms: Terms::Full }];
    let former = remember(liar, "POST", "/claim".to_owned());
    ana.add_members(case, joining(&eva), Vec::new(), &statement()).await.must();
    let evas = former.lock().unwrap().clone().unwrap().json()["packages"][0].clone();
    let before = ana.members(case).await.must();
    altered(liar, "POST", "/claim".to_owned(), move |page| page["packages"][0] = evas.clone());
    let added = ana.add_members(case, joining(&luc), Vec::new(), &statement()).await;
    assert!(caught(&ana, added).await.contains("key package of another device"));
    altered(liar, "POST", "/claim".to_owned(), |page| page["packages"] = serde_json::json!([]));
    let added = ana.add_members(case, joining(&luc), Vec::new(), &statement()).await;
    assert!(caught(&ana, added).await.contains("other key packages"));
    altered(liar, "POST", "/claim".to_owned(), |page| page["packages"][0] = "AAEABQ==".into());
    ana.add_members(case, joining(&luc), Vec::new(), &statement()).await.unwrap_err();
    assert_eq!(ana.members(case).await.must(), before);
    liar.be_honest();
    ana.add_members(case, joining(&luc), Vec::new(), &statement()).await.must();
    assert_eq!(luc.join_new_cases().await.must(), [case]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_attempt_of_a_removed_member_stands_in_the_log_as_refused() {
    let (world, ana, case, exhibit) = world().await;
    let luc = world.device(1, "luc", Role::Prosecutor).await;
    join(&luc, &ana, case, Terms::Full, Vec::new()).await;
    ana.remove_members(case, vec![luc.certificate_id().unwrap()], &statement()).await.must();
    let refused = view(&luc, case, exhibit).await;
    assert!(matches!(&refused, Err(AgentError::Http(HttpError::Refused { rule: Some(rule), receipt: Some(_), .. })) if rule == "ACC-03"));
    let log = ana.case_log(case).await.must();
    let last = log.entries.last().unwrap();
    assert_eq!((last.refused_by.as_deref(), last.exhibit), (Some("ACC-03"), Some(exhibit)));
    assert_eq!(last.person.as_ref().unwrap().to_string(), "fr-junalco/luc");
    view(&ana, case, exhibit).await.must();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_the_chain_did_not_make_is_not_come_back_into() {
    let world = World::behind(1).await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let luc = world.device(1, "luc", Role::Prosecutor).await;
    let case = case(&ana).await;
    join(&luc, &ana, case, Terms::Full, Vec::new()).await;
    let (liar, path) = (&world.liars[0], format!("/v1/cases/{case}/group"));
    let lost = async |luc: Agent| {
        luc.close().await.must();
        world.lose(1, "luc", Some(case)).await;
        world.reopen(1, "luc").await
    };
    let luc = lost(luc).await;
    let former = remember(liar, "GET", path.clone());
    luc.resync(case, &statement()).await.must();
    let former = former.lock().unwrap().clone().unwrap().json();
    ana.refresh(case).await.must();
    let luc = lost(luc).await;

    for field in ["group_info", "tree"] {
        let former = former[field].clone();
        altered(liar, "GET", path.clone(), move |page| page[field] = former.clone());
        let finding = caught(&luc, luc.resync(case, &statement()).await).await;
        assert!(finding.contains("group"), "{field}: {finding}");
    }
    altered(liar, "GET", path.clone(), |page| page["epoch"] = 1.into());
    assert!(matches!(luc.resync(case, &statement()).await, Err(AgentError::Http(HttpError::Stale { .. }))));
    liar.be_honest();
    luc.resync(case, &statement()).await.must();
    luc.refresh(case).await.must();
    assert_eq!(luc.members(case).await.must(), ana.members(case).await.must());
}
