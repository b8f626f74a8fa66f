//! Certificates that are renewed, and that end, while a case runs.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use custodia_client::entries::Stated;
use custodia_client::http::HttpError;
use custodia_client::{Agent, AgentError, MemberRow, MemberStanding};
use custodia_core::custody::body::Terms;
use custodia_core::custody::kind::{Kind, Purpose};
use custodia_core::identity::Role;
use custodia_core::ids::CaseId;
use custodia_tests::backends::Pair;
use custodia_tests::on_both_pairs;
use custodia_tests::world::{Must as _, World, case, statement};

use crate::agent::{add, case_of_two, join, view};

/// Everything that `custodia device renew CERTIFICATE` does.
pub async fn renew(world: &World, office: usize, agent: &mut Agent) -> Vec<CaseId> {
    let certificate = world.issue(office, agent, 300).await;
    install(agent, &certificate).await
}

/// The same with a certificate that was issued.
pub async fn install(agent: &mut Agent, certificate: &[u8]) -> Vec<CaseId> {
    agent.install_certificate(certificate).await.must();
    agent.sync().await.must();
    agent.own_certificate().await.must();
    agent.publish_key_packages().await.must();
    agent.join_new_cases().await.must();
    agent.renew_leaves().await.must()
}

async fn row_of(reader: &Agent, case: CaseId, of: &Agent) -> MemberRow {
    reader.refresh(case).await.must();
    let rows = reader.members(case).await.must();
    rows.into_iter().find(|row| row.device == of.device_id()).unwrap()
}

/// Whatever was done, an auditor's replay finds nothing against it.
pub async fn nothing_is_found(auditor: &Agent) {
    let report = auditor.audit(Purpose::LawfulnessCheck, &statement(), |_| {}).await.must();
    assert_eq!(report.failed().collect::<Vec<_>>(), Vec::<&custodia_core::finding::Finding>::new());
    assert!(report.entries.iter().all(|entry| matches!(entry.stated, Stated::Opened(_) | Stated::NotAsked)));
}

async fn a_renewed_device_goes_on_in_its_case_and_opens_what_was_given_to_it_before(pair: Pair) {
    let world = World::on(pair).await;
    let mut auditor = world.device(1, "auditor", Role::Auditor).await;
    let mut ana = world.device(0, "ana", Role::Prosecutor).await;
    let mut luc = world.device(1, "luc", Role::Prosecutor).await;
    let case = case(&ana).await;
    let chosen = add(&ana, &world, case, "chosen", 10).await;
    let late = add(&ana, &world, case, "late", 20).await;
    join(&luc, &ana, case, Terms::Chosen, vec![chosen]).await;
    // Sealed to the certificate that ends, and taken only under the next one.
    ana.grant_exhibits(case, &"fr-junalco/luc".parse().unwrap(), &[late], Purpose::Prosecution, &statement()).await.must();
    let before = luc.certificate_id().unwrap();

    assert_eq!(renew(&world, 1, &mut luc).await, [case]);
    assert_ne!(luc.certificate_id().unwrap(), before);
    assert_eq!(luc.renew_leaves().await.must(), [], "once is enough");
    let row = row_of(&ana, case, &luc).await;
    assert_eq!((row.certificate, row.current), (luc.certificate_id().unwrap(), luc.certificate_id().unwrap()));
    assert_eq!(view(&luc, case, chosen).await.must().len(), 10);
    assert_eq!(view(&luc, case, late).await.must().len(), 20);
    let closed = add(&ana, &world, case, "after", 30).await;
    assert_eq!(view(&luc, case, closed).await.must().len(), 30);
    let his = add(&luc, &world, case, "his", 40).await;
    assert_eq!(view(&ana, case, his).await.must().len(), 40);

    // The founder and the auditor too, one after the other.
    assert_eq!(renew(&world, 0, &mut ana).await, [case]);
    renew(&world, 1, &mut auditor).await;
    assert_eq!(view(&ana, case, his).await.must().len(), 40);
    nothing_is_found(&auditor).await;
    let gone = row_of(&ana, case, &luc).await.certificate;
    ana.remove_members(case, vec![gone], &statement()).await.must();
    assert!(view(&luc, case, chosen).await.is_err(), "a renewal keeps nobody in");
    nothing_is_found(&auditor).await;
}

async fn a_device_whose_certificate_has_ended_is_refused_hinders_nobody_and_comes_back_by_renewal(pair: Pair) {
    let world = World::on_days_ago(pair, 20).await;
    let auditor = world.device(0, "auditor", Role::Auditor).await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let mut luc = world.device_for(1, "luc", Role::Prosecutor, 10).await;
    let eva = world.device(1, "eva", Role::Prosecutor).await;
    let case = case(&ana).await;
    join(&luc, &ana, case, Terms::Full, Vec::new()).await;
    let first = add(&ana, &world, case, "first", 10).await;
    view(&luc, case, first).await.must();
    assert_eq!(luc.certificate_days().must(), Some(9));

    world.time.pass(15);
    assert_eq!(luc.certificate_days().must(), Some(-6));
    assert!(matches!(view(&luc, case, first).await, Err(AgentError::Http(HttpError::NotAuthenticated { .. }))));
    assert!(matches!(luc.own_certificate().await, Err(AgentError::OutOfValidity { .. })));
    // The others go on, and whoever joins is not locked out by the leaf of a certificate that has ended.
    join(&eva, &ana, case, Terms::Full, Vec::new()).await;
    assert_eq!(row_of(&eva, case, &luc).await.standing, MemberStanding::Expired);
    let second = add(&eva, &world, case, "second", 20).await;
    view(&ana, case, second).await.must();

    assert_eq!(renew(&world, 1, &mut luc).await, [case]);
    assert_eq!(row_of(&eva, case, &luc).await.standing, MemberStanding::Good);
    for exhibit in [first, second] {
        view(&luc, case, exhibit).await.must();
    }
    nothing_is_found(&auditor).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_device_under_its_earlier_certificate_is_for_the_renewed_one() {
    let world = World::new().await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let mut luc = world.device(1, "luc", Role::Prosecutor).await;
    let case = case(&ana).await;
    let first = add(&ana, &world, case, "first", 10).await;
    let joining = vec![custodia_client::Joining { device: luc.certificate_id().unwrap(), terms: Terms::Full }];
    ana.sync().await.must();
    ana.add_members(case, joining, Vec::new(), &statement()).await.must();
    assert_eq!(renew(&world, 1, &mut luc).await, [case], "the Welcome was for the certificate before");
    assert_eq!(view(&luc, case, first).await.must().len(), 10);
    // A recovery device that was offline meanwhile does the same.
    let mut recovery = world.reopen(1, "recovery").await;
    assert_eq!(renew(&world, 1, &mut recovery).await, [case]);
    assert_eq!(row_of(&luc, case, &recovery).await.certificate, recovery.certificate_id().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn any_commit_brings_the_new_certificate_along_and_until_then_the_device_acts_all_the_same() {
    let world = World::new().await;
    let (mut ana, luc, case) = case_of_two(&world).await;
    let certificate = world.issue(0, &ana, 300).await;
    ana.install_certificate(&certificate).await.must();
    let exhibit = add(&ana, &world, case, "one", 10).await;
    view(&luc, case, exhibit).await.must();
    let row = row_of(&luc, case, &ana).await;
    assert_ne!((row.certificate, row.current), (ana.certificate_id().unwrap(), row.certificate));
    luc.add_members(case, Vec::new(), Vec::new(), &statement()).await.must();
    ana.add_members(case, Vec::new(), Vec::new(), &statement()).await.must();
    assert_eq!(row_of(&luc, case, &ana).await.certificate, ana.certificate_id().unwrap());
    assert_eq!(ana.renew_leaves().await.must(), []);
    // The record says no more than that the group changed: nobody came or went.
    let acts = luc.case_log(case).await.must().entries;
    let last = acts.iter().rfind(|entry| entry.kind == Kind::MemberChange).unwrap();
    assert_eq!((last.certificate, last.form.as_deref()), (ana.certificate_id().unwrap(), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_certificate_is_not_installed_again() {
    let world = World::days_ago(2).await;
    let mut ana = world.device(0, "ana", Role::Prosecutor).await;
    let first = world.issue(0, &ana, 300).await;
    ana.install_certificate(&first).await.must();
    world.time.pass(1);
    let second = world.issue(0, &ana, 300).await;
    ana.install_certificate(&second).await.must();
    assert!(matches!(ana.install_certificate(&first).await, Err(AgentError::NotOurCertificate(why)) if why.contains("older")));
    ana.sync().await.must();
    case(&ana).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_from_before_a_renewal_is_refused_as_a_copy() {
    let world = World::new().await;
    let mut ana = world.device(0, "ana", Role::Prosecutor).await;
    let case = case(&ana).await;
    ana.close().await.must();
    let database = world.state_of(0, "ana").database();
    let older = std::fs::read(&database).unwrap();
    ana = world.reopen(0, "ana").await;
    renew(&world, 0, &mut ana).await;
    ana.close().await.must();
    std::fs::write(&database, older).unwrap();
    let copy = world.reopen(0, "ana").await;
    assert!(matches!(copy.refresh(case).await, Err(AgentError::Cloned)));
}

on_both_pairs![
    a_renewed_device_goes_on_in_its_case_and_opens_what_was_given_to_it_before,
    a_device_whose_certificate_has_ended_is_refused_hinders_nobody_and_comes_back_by_renewal,
];
