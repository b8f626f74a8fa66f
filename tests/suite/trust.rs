//! Trust lists that change while a case runs: a new root, an office that leaves.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use custodia_client::{Agent, AgentError, MemberStanding};
use custodia_core::custody::body::Terms;
use custodia_core::identity::{Role, Standing, TrustList};
use custodia_server::Clock as _;
use custodia_tests::world::{Must as _, World, case, statement};

use crate::agent::{add, join, view};
use crate::renewal::{install, nothing_is_found};

/// The list in force as a device has followed it.
async fn followed(agent: &Agent) -> TrustList {
    agent.sync().await.must();
    let registry = agent.registry().await.must();
    registry.trust_list(registry.head().unwrap().seq).unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_ends_takes_its_certificates_along_and_the_next_one_renews_them() {
    let world = World::days_ago(20).await;
    let auditor = world.device(1, "auditor", Role::Auditor).await;
    let mut ana = world.device(0, "ana", Role::Prosecutor).await;
    let luc = world.device(1, "luc", Role::Prosecutor).await;
    let case = case(&ana).await;
    join(&luc, &ana, case, Terms::Full, Vec::new()).await;
    let first = add(&ana, &world, case, "first", 10).await;

    let next = world.another_root(0);
    let (old, other) = (&world.offices[0], &world.offices[1]);
    let list = world.next_list(&followed(&ana).await, &[&[(old, 5), (&next, 700)], &[(other, 700)]]);
    world.desk().trust_list(other, &list).await.must();
    assert_eq!((followed(&ana).await.number(), followed(&luc).await.number()), (2, 2));
    view(&ana, case, first).await.must();

    world.time.pass(6);
    assert!(matches!(ana.own_certificate().await, Err(AgentError::OwnStanding(Standing::RootNotInForce))));
    assert!(view(&ana, case, first).await.is_err());
    let meanwhile = add(&luc, &world, case, "meanwhile", 20).await;
    luc.add_members(case, Vec::new(), Vec::new(), &statement()).await.must();
    let refused = world.desk().enrol(old, &old.issue(&ana.renewal_request().unwrap(), world.time.now(), 10).unwrap()).await;
    assert!(refused.is_err(), "the root that ended vouches for nobody");

    let certificate = world.issue_by(&next, &ana, 300).await;
    assert_eq!(install(&mut ana, &certificate).await, [case]);
    for exhibit in [first, meanwhile] {
        view(&ana, case, exhibit).await.must();
    }
    nothing_is_found(&auditor).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_devices_of_an_office_that_leaves_the_list_are_refused_and_the_founder_removes_them() {
    let world = World::new().await;
    let auditor = world.device(0, "auditor", Role::Auditor).await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let luc = world.device(1, "luc", Role::Prosecutor).await;
    let case = case(&ana).await;
    join(&luc, &ana, case, Terms::Full, Vec::new()).await;
    let first = add(&ana, &world, case, "first", 10).await;

    let list = world.next_list(&followed(&ana).await, &[&[(&world.offices[0], 700)]]);
    world.desk().trust_list(&world.offices[0], &list).await.must();
    assert!(view(&luc, case, first).await.is_err());
    ana.refresh(case).await.must();
    let rows = ana.members(case).await.must();
    let gone: Vec<_> = rows.iter().filter(|row| row.standing == MemberStanding::NotInForce).map(|row| row.certificate).collect();
    assert_eq!(gone.len(), 2, "luc and the recovery device of the office");
    ana.remove_members(case, gone, &statement()).await.must();
    assert_eq!(ana.members(case).await.must().len(), 2);
    let after = add(&ana, &world, case, "after", 10).await;
    view(&ana, case, after).await.must();
    nothing_is_found(&auditor).await;
}
