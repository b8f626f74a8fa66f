//! Devices that lost the group of their case, or never had it, and come back.

use custodia_client::http::HttpError;
use custodia_client::{AgentError, Joining, Resynced};
use custodia_core::custody::body::Terms;
use custodia_core::identity::Role;
use custodia_tests::backends::Pair;
use custodia_tests::on_both_pairs;
use custodia_tests::world::{Must as _, World, case, statement};

use crate::agent::{add, case_of_two, join, view};
use crate::renewal::{nothing_is_found, renew};

async fn a_member_that_lost_its_group_comes_back_and_opens_what_it_could_and_no_more(pair: Pair) {
    let world = World::on(pair).await;
    let auditor = world.device(0, "auditor", Role::Auditor).await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let luc = world.device(1, "luc", Role::Prosecutor).await;
    let case = case(&ana).await;
    let hidden = add(&ana, &world, case, "hidden", 10).await;
    let chosen = add(&ana, &world, case, "chosen", 20).await;
    join(&luc, &ana, case, Terms::Chosen, vec![chosen]).await;
    luc.close().await.must();
    world.lose(1, "luc", Some(case)).await;

    let luc = world.reopen(1, "luc").await;
    assert!(matches!(view(&luc, case, chosen).await, Err(AgentError::GroupLost(lost)) if lost == case));
    ana.add_members(case, Vec::new(), Vec::new(), &statement()).await.must();
    let meanwhile = add(&ana, &world, case, "meanwhile", 30).await;
    assert_eq!(luc.resync(case, &statement()).await.must(), Resynced::Back);
    assert_eq!(luc.resync(case, &statement()).await.must(), Resynced::NotNeeded);
    for (exhibit, size) in [(chosen, 20), (meanwhile, 30)] {
        assert_eq!(view(&luc, case, exhibit).await.must().len(), size);
    }
    assert!(view(&luc, case, hidden).await.is_err(), "to come back is not to be given more");
    ana.refresh(case).await.must();
    let his = add(&luc, &world, case, "his", 40).await;
    assert_eq!(view(&ana, case, his).await.must().len(), 40);
    assert_eq!(luc.members(case).await.must(), ana.members(case).await.must());
    nothing_is_found(&auditor).await;
}

async fn who_cannot_open_the_welcome_comes_in_without_it_and_is_given_the_key_by_a_colleague(pair: Pair) {
    let world = World::on(pair).await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let luc = world.device(1, "luc", Role::Prosecutor).await;
    let case = case(&ana).await;
    let chosen = add(&ana, &world, case, "chosen", 10).await;
    let joining = vec![Joining { device: luc.certificate_id().must(), terms: Terms::Chosen }];
    ana.sync().await.must();
    ana.add_members(case, joining, vec![chosen], &statement()).await.must();
    luc.close().await.must();
    world.lose(1, "luc", None).await;

    let luc = world.reopen(1, "luc").await;
    assert_eq!(luc.join_new_cases().await.must(), [], "the Welcome cannot be opened, and keeps nothing else from being done");
    assert_eq!(luc.cases_at_server().await.must().cases.len(), 1);
    assert_eq!(luc.resync(case, &statement()).await.must(), Resynced::AwaitsKey);
    assert!(matches!(view(&luc, case, chosen).await, Err(AgentError::NoRing(_))));
    let folder = world.path("his");
    std::fs::create_dir_all(&folder).must();
    std::fs::write(folder.join("note.txt"), "his").must();
    let refused = luc.add_exhibit(custodia_tests::world::exhibit(case, &folder, "his"), |_| {}).await;
    assert!(matches!(refused, Err(AgentError::NoRing(_))), "nothing is added without the key");

    ana.refresh(case).await.must();
    assert_eq!(view(&luc, case, chosen).await.must().len(), 10);
    let later = add(&ana, &world, case, "later", 20).await;
    assert_eq!(view(&luc, case, later).await.must().len(), 20);
    let own = add(&luc, &world, case, "own", 30).await;
    assert_eq!(view(&ana, case, own).await.must().len(), 30);
    ana.refresh(case).await.must();
    luc.refresh(case).await.must();
    assert_eq!(luc.members(case).await.must(), ana.members(case).await.must());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_comes_back_after_its_certificate_was_renewed_does_both_at_once() {
    let world = World::days_ago(20).await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let luc = world.device_for(1, "luc", Role::Prosecutor, 10).await;
    let case = case(&ana).await;
    join(&luc, &ana, case, Terms::Full, Vec::new()).await;
    luc.close().await.must();
    world.lose(1, "luc", Some(case)).await;
    world.time.pass(15);
    let mut luc = world.reopen(1, "luc").await;
    assert!(matches!(luc.resync(case, &statement()).await, Err(AgentError::Http(HttpError::NotAuthenticated { .. }))));
    assert_eq!(renew(&world, 1, &mut luc).await, [], "a group that is lost is renewed by coming back");
    assert_eq!(luc.resync(case, &statement()).await.must(), Resynced::Back);
    assert_eq!(luc.renew_leaves().await.must(), []);
    let exhibit = add(&ana, &world, case, "one", 10).await;
    assert_eq!(view(&luc, case, exhibit).await.must().len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_device_does_not_come_back() {
    let world = World::new().await;
    let (ana, luc, case) = case_of_two(&world).await;
    let row = luc.members(case).await.must().into_iter().find(|row| row.device == luc.device_id());
    luc.close().await.must();
    ana.remove_members(case, row.map(|row| row.certificate).into_iter().collect(), &statement()).await.must();
    world.lose(1, "luc", Some(case)).await;
    let luc = world.reopen(1, "luc").await;
    assert!(matches!(luc.resync(case, &statement()).await, Err(AgentError::Http(HttpError::NotFound { .. }))));
}

on_both_pairs![
    a_member_that_lost_its_group_comes_back_and_opens_what_it_could_and_no_more,
    who_cannot_open_the_welcome_comes_in_without_it_and_is_given_the_key_by_a_colleague,
];
