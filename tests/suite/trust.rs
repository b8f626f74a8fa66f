//! Trust lists that change while a case runs: a new root, an office that leaves.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use custodia_client::announce::OfficeDesk;
use custodia_client::http::{HttpError, ServerAddress};
use custodia_client::{Agent, AgentError, MemberStanding};
use custodia_core::identity::{Role, Standing, TrustList};
use custodia_server::Clock as _;
use custodia_tests::liar::Told;
use custodia_tests::world::{Must as _, World, statement};

use crate::agent::{add, case_of_two, view};
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
    let (mut ana, luc, case) = case_of_two(&world).await;
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
    let (ana, luc, case) = case_of_two(&world).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_trust_list_that_is_published_again_is_found_done_under_its_first_record() {
    let world = World::days_ago(9).await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let (own, other) = (&world.offices[0], &world.offices[1]);
    let list = world.next_list(&followed(&ana).await, &[&[(own, 700)], &[(other, 700)]]);
    // Nobody answers, and the intent is too old to be entered when somebody does.
    let nobody = ServerAddress { url: "http://127.0.0.1:1".to_owned(), tls_roots: Vec::new() };
    let desk = OfficeDesk::new(&nobody, &world.info, world.time.clock()).unwrap();
    let unanswered = desk.trust_list(own, &list).await;
    assert!(matches!(&unanswered, Err(AgentError::Http(error)) if error.is_passing()), "{unanswered:?}");
    world.time.pass(2);
    let entered = world.desk().trust_list(own, &list).await.must().index;
    assert_eq!(followed(&ana).await.number(), 2);

    // At once, after the log went on, and days later.
    assert_eq!(world.desk().trust_list(own, &list).await.must().index, entered);
    let size = ana.log_size().await.must();
    world.issue(0, &ana, 300).await;
    assert_eq!(world.desk().trust_list(own, &list).await.must().index, entered);
    world.time.pass(2);
    assert_eq!(world.desk().trust_list(own, &list).await.must().index, entered);
    ana.sync().await.must();
    assert_eq!(ana.log_size().await.must(), size + 1, "the certificate alone is new");

    // Who did not publish it is refused, and again when asked again.
    for _ in 0..2 {
        let refused = world.desk().trust_list(other, &list).await;
        assert!(matches!(&refused, Err(AgentError::Http(HttpError::Refused { rule: Some(rule), .. })) if rule == "IDN-02"), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trust_list_whose_acknowledgement_is_lost_is_entered_once() {
    let world = World::behind(1).await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let (own, other) = (&world.offices[0], &world.offices[1]);
    let list = world.next_list(&followed(&ana).await, &[&[(own, 700)], &[(other, 700)]]);
    let before = ana.log_size().await.must();
    world.liars[0].lie(|asked, answer| if asked.is("POST", "/v1/registry") { Told::Raw(Vec::new()) } else { Told::Answer(answer) });
    let unanswered = world.desk().trust_list(own, &list).await;
    assert!(matches!(&unanswered, Err(AgentError::Http(error)) if error.is_passing()), "{unanswered:?}");
    world.liars[0].be_honest();
    assert_eq!(world.desk().trust_list(own, &list).await.must().index, before);
    assert_eq!(followed(&ana).await.number(), 2);
    assert_eq!(ana.log_size().await.must(), before + 1);
}
