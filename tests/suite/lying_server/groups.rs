//! What a case group is told: commits, the identities by which they are judged, Welcomes, key packages, the group to come back into.

use custodia_client::http::HttpError;
use custodia_client::{Agent, AgentError, Joining};
use custodia_core::custody::body::Terms;
use custodia_core::identity::Role;
use custodia_tests::liar::Told;
use custodia_tests::world::{Must as _, World, case, case_called, statement};
use tokio::sync::oneshot;

use super::{Json, about, altered, caught, instead, member_behind_the_other, remember, world};
use crate::agent::{join, view};

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_lands_between_two_questions_is_no_misbehaviour() {
    let (world, ana, case, _) = world().await;
    let luc = member_behind_the_other(&world, &ana, case).await;
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
    let luc = member_behind_the_other(&world, &ana, case).await;
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
    let luc = member_behind_the_other(&world, &ana, case).await;
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
    let joining = || vec![Joining { device: luc.certificate_id().unwrap(), terms: Terms::Full }];
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
    let joining = vec![Joining { device: luc.certificate_id().unwrap(), terms: Terms::Full }];
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
    let joining = |agent: &Agent| vec![Joining { device: agent.certificate_id().unwrap(), terms: Terms::Full }];
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
