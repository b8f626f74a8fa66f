//! What the log holds: an agent and an office believe heads, receipts and records only as far as they are proven.

use std::collections::HashMap;
use std::fs;

use custodia_client::AgentError;
use custodia_client::announce::OfficeDesk;
use custodia_client::http::{HttpError, ServerAddress};
use custodia_core::custody::body::Terms;
use custodia_core::identity::Role;
use custodia_core::time::LogTime;
use custodia_tests::liar::{Answer, Told};
use custodia_tests::world::{Must as _, OFFICES, case_called, clock, statement};

use super::{about, caught, instead, member_behind_the_other, remember, world};
use crate::agent::{add, join, view};

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
    let luc = member_behind_the_other(&world, &ana, case).await;
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
    let luc = member_behind_the_other(&world, &ana, case).await;
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
async fn an_answer_to_another_question_is_not_taken() {
    let (world, ana, case, exhibit) = world().await;
    let other_case = case_called(&ana, "Operation Beacon").await;
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
