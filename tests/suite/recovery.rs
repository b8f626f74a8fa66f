//! Somebody who lost every device comes back; a case whose last prosecutor left goes on. Against a real server, with an auditor's replay after it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

use std::fs;

use custodia_client::http::HttpError;
use custodia_client::{Agent, AgentError, Joining, RecoveryProgress};
use custodia_core::custody::body::Terms;
use custodia_core::custody::kind::Purpose;
use custodia_core::identity::Role;
use custodia_core::ids::{CaseId, ExhibitId};
use custodia_tests::backends::Pair;
use custodia_tests::on_both_pairs;
use custodia_tests::world::{Must as _, World, case, exhibit, statement};

use crate::agent::{join, view};
use crate::dossier;
use crate::renewal::renew;

async fn collect(agent: &Agent, world: &World, case: CaseId, name: &str) -> ExhibitId {
    let folder = world.path(name);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("note.txt"), name).unwrap();
    agent.add_exhibit(exhibit(case, &folder, name), |_| {}).await.must().exhibit
}

async fn opens(agent: &Agent, case: CaseId, exhibit: ExhibitId, text: &str) -> bool {
    match view(agent, case, exhibit).await {
        Ok(bytes) => {
            assert_eq!(bytes, text.as_bytes());
            true
        }
        Err(AgentError::NoKey(_)) => false,
        Err(AgentError::Http(HttpError::Refused { rule, .. })) if rule.as_deref() == Some("ACC-05") => false,
        Err(other) => panic!("{text}: {other}"),
    }
}

fn refused_by(result: &Result<impl std::fmt::Debug, AgentError>, expected: &str) {
    match result {
        Err(AgentError::Http(HttpError::Refused { rule, .. })) => assert_eq!(rule.as_deref(), Some(expected)),
        other => panic!("{other:?} is not refused by {expected}"),
    }
}

/// The replay of the whole log finds nothing.
async fn replays(world: &World) {
    let auditor = world.device(0, "auditor", Role::Auditor).await;
    let report = auditor.audit(Purpose::LawfulnessCheck, &statement(), |_| {}).await.must();
    let failed: Vec<_> = report.failed().collect();
    assert!(failed.is_empty(), "{failed:?}");
}

async fn somebody_who_lost_every_device_opens_what_they_could_and_nothing_more(pair: Pair) {
    let world = World::on(pair).await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let luc = world.device(1, "luc", Role::Prosecutor).await;
    let safe = world.reopen(1, "recovery").await;
    let foreign = world.reopen(0, "recovery").await;
    let case = case(&ana).await;
    let hidden = collect(&ana, &world, case, "hidden").await;
    let chosen = collect(&ana, &world, case, "chosen").await;
    join(&luc, &ana, case, Terms::Chosen, vec![chosen]).await;
    for officer in [&safe, &foreign] {
        assert_eq!(officer.join_new_cases().await.must(), [case]);
    }
    let later = collect(&ana, &world, case, "later").await;

    // Luc's only device is lost. His office revokes it, and certifies a new one.
    let lost = luc.certificate_id().unwrap();
    let person = "fr-junalco/luc".parse().unwrap();
    let again = world.second_device(1, "luc").await;
    let eva = world.device(1, "eva", Role::Prosecutor).await;
    let stranger = world.device(0, "stranger", Role::Prosecutor).await;
    let new = again.certificate_id().unwrap();
    refused_by(&safe.recover(case, lost, new, &statement()).await, "RCV-01");
    world.revoke(1, &luc).await;
    assert!(view(&luc, case, later).await.is_err(), "a revoked device is refused at once");
    // What was lost comes back to the person, and to nobody else.
    refused_by(&safe.recover(case, lost, eva.certificate_id().unwrap(), &statement()).await, "RCV-02");
    // A commit of others removes it, which ends what was granted to it; and something is collected that it never had.
    ana.add_members(case, Vec::new(), Vec::new(), &statement()).await.must();
    let between = collect(&ana, &world, case, "between").await;

    // Nobody alone: not the officer, who can neither add nor confirm; not a prosecutor by these means.
    assert!(matches!(ana.recover(case, lost, new, &statement()).await, Err(AgentError::NotEligible(_))));
    safe.refresh(case).await.must();
    let alone = vec![Joining { device: new, terms: Terms::None }];
    refused_by(&safe.add_members(case, alone, Vec::new(), &statement()).await, "RCV-04");
    assert_eq!(safe.recover(case, lost, new, &statement()).await.must(), RecoveryProgress::Proposed);
    assert_eq!(safe.recover(case, lost, new, &statement()).await.must(), RecoveryProgress::Proposed, "once");
    refused_by(&safe.confirm_recovery(case, &person, &statement()).await, "RCV-03");
    // Nor an officer of another office, by confirming or by an own proposal.
    refused_by(&foreign.confirm_recovery(case, &person, &statement()).await, "RCV-03");
    refused_by(&foreign.recover(case, lost, stranger.certificate_id().unwrap(), &statement()).await, "RCV-01");
    assert_eq!(ana.confirm_recovery(case, &person, &statement()).await.must(), RecoveryProgress::Confirmed);
    assert_eq!(safe.recover(case, lost, new, &statement()).await.must(), RecoveryProgress::Done);
    assert_eq!(safe.recover(case, lost, new, &statement()).await.must(), RecoveryProgress::Done, "once");

    assert_eq!(again.join_new_cases().await.must(), [case]);
    assert_eq!(again.cases().await.must()[0].title.as_deref(), Some("Operation Lighthouse"));
    for (exhibit, text, expected) in
        [(hidden, "hidden", false), (chosen, "chosen", true), (later, "later", true), (between, "between", false)]
    {
        assert_eq!(opens(&again, case, exhibit, text).await, expected, "{text}");
    }
    // The officer hands out nothing else afterwards.
    refused_by(&safe.grant_exhibits(case, &person, &[chosen], Purpose::Prosecution, &statement()).await, "RCV-05");
    // A colleague gives what was collected in between; what comes from now on opens as for everybody.
    ana.refresh(case).await.must();
    ana.grant_exhibits(case, &person, &[between], Purpose::Prosecution, &statement()).await.must();
    let after = collect(&ana, &world, case, "after").await;
    assert!(opens(&again, case, between, "between").await && opens(&again, case, after, "after").await);

    // Every member sees it.
    ana.refresh(case).await.must();
    let rows = ana.recoveries(case).await.must();
    assert_eq!((rows.len(), rows[0].lost, rows[0].device, rows[0].progress), (1, lost, new, RecoveryProgress::Done));
    assert_eq!(rows[0].proposed_by.to_string(), "fr-junalco/recovery");
    assert_eq!(rows[0].confirmed_by.as_ref().map(ToString::to_string).as_deref(), Some("ro-diicot/ana"));
    // Before a court the exhibit's chain holds, with the recovery device's grant in it; only an auditor's word is missing.
    let judged = dossier::verify(&dossier::dossier_of(&world, &again, case, chosen).await, &dossier::trust(&world));
    assert_eq!(judged.first_obstacle().map(|finding| finding.check.as_str()), Some("LOG-03"), "{}", judged.to_text(true));
    replays(&world).await;
}

async fn a_renewed_device_gives_what_its_last_stay_had_and_a_proposal_ends_after_thirty_days(pair: Pair) {
    let world = World::on_days_ago(pair, 90).await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let mut luc = world.device(1, "luc", Role::Prosecutor).await;
    let safe = world.reopen(1, "recovery").await;
    let case = case(&ana).await;
    let first = collect(&ana, &world, case, "first").await;
    let second = collect(&ana, &world, case, "second").await;
    let third = collect(&ana, &world, case, "third").await;
    // Luc was in the case before, with the first exhibit; that grant ended with his removal, and he came again with the second.
    join(&luc, &ana, case, Terms::Chosen, vec![first]).await;
    assert_eq!(safe.join_new_cases().await.must(), [case]);
    ana.remove_members(case, vec![luc.certificate_id().unwrap()], &statement()).await.must();
    join(&luc, &ana, case, Terms::None, Vec::new()).await;
    let person = "fr-junalco/luc".parse().unwrap();
    ana.grant_exhibits(case, &person, &[second], Purpose::Prosecution, &statement()).await.must();
    let lost = luc.certificate_id().unwrap();
    assert_eq!(renew(&world, 1, &mut luc).await, [case]);
    ana.refresh(case).await.must();
    // The grant of the third names the certificate that he has now; the proposal names the one before.
    ana.grant_exhibits(case, &person, &[third], Purpose::Prosecution, &statement()).await.must();
    world.revoke(1, &luc).await;
    let again = world.second_device(1, "luc").await;
    let new = again.certificate_id().unwrap();
    safe.refresh(case).await.must();
    assert_eq!(safe.recover(case, lost, new, &statement()).await.must(), RecoveryProgress::Proposed);
    world.time.pass(31);
    safe.refresh(case).await.must();
    assert_eq!(safe.recoveries(case).await.must()[0].progress, RecoveryProgress::Ended);
    let late = ana.confirm_recovery(case, &person, &statement()).await;
    assert!(matches!(late, Err(AgentError::NotEligible(_))), "{late:?}");
    assert_eq!(safe.recover(case, lost, new, &statement()).await.must(), RecoveryProgress::Proposed);
    assert_eq!(ana.confirm_recovery(case, &person, &statement()).await.must(), RecoveryProgress::Confirmed);
    // Confirmed and not carried out in time, it ends as well, and what is proposed anew needs a new confirmation.
    world.time.pass(31);
    assert_eq!(safe.recover(case, lost, new, &statement()).await.must(), RecoveryProgress::Proposed);
    assert_eq!(ana.confirm_recovery(case, &person, &statement()).await.must(), RecoveryProgress::Confirmed);
    assert_eq!(safe.recover(case, lost, new, &statement()).await.must(), RecoveryProgress::Done);
    safe.refresh(case).await.must();
    let progress: Vec<_> = safe.recoveries(case).await.must().iter().map(|row| row.progress).collect();
    assert_eq!(progress, [RecoveryProgress::Ended, RecoveryProgress::Ended, RecoveryProgress::Done]);
    assert_eq!(again.join_new_cases().await.must(), [case]);
    for (exhibit, text, expected) in [(first, "first", false), (second, "second", true), (third, "third", true)] {
        assert_eq!(opens(&again, case, exhibit, text).await, expected, "{text}");
    }
    replays(&world).await;
}

async fn whoever_was_removed_before_the_device_was_lost_stays_removed(pair: Pair) {
    let world = World::on(pair).await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let luc = world.device(1, "luc", Role::Prosecutor).await;
    let safe = world.reopen(1, "recovery").await;
    let case = case(&ana).await;
    join(&luc, &ana, case, Terms::Full, Vec::new()).await;
    assert_eq!(safe.join_new_cases().await.must(), [case]);
    ana.remove_members(case, vec![luc.certificate_id().unwrap()], &statement()).await.must();
    world.revoke(1, &luc).await;
    let again = world.second_device(1, "luc").await;
    safe.sync().await.must();
    let proposed = safe.recover(case, luc.certificate_id().unwrap(), again.certificate_id().unwrap(), &statement()).await;
    refused_by(&proposed, "RCV-01");
    replays(&world).await;
}

async fn a_case_whose_last_prosecutor_left_is_closed_and_goes_on_with_another(pair: Pair) {
    let world = World::on(pair).await;
    let vault = world.device(0, "vault", Role::Recovery).await;
    let safe = world.reopen(0, "recovery").await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let ion = world.device(0, "ion", Role::Prosecutor).await;
    let case = case(&ana).await;
    for officer in [&safe, &vault] {
        assert_eq!(officer.join_new_cases().await.must(), [case]);
    }
    let evidence = collect(&ana, &world, case, "evidence").await;
    let (left, new) = (ana.certificate_id().unwrap(), ion.certificate_id().unwrap());
    // While a prosecutor is there, that one decides who comes.
    refused_by(&safe.recover(case, left, new, &statement()).await, "RCV-01");
    let officers = ana.officers_after_leaving(case).await.must().unwrap();
    assert_eq!(officers.iter().map(ToString::to_string).collect::<Vec<_>>(), ["ro-diicot/recovery", "ro-diicot/vault"]);
    ana.leave(case, &statement()).await.must();
    assert!(view(&ana, case, evidence).await.is_err(), "who has left opens nothing");

    let person = "ro-diicot/ion".parse().unwrap();
    assert_eq!(safe.recover(case, left, new, &statement()).await.must(), RecoveryProgress::Proposed);
    assert_eq!(
        vault.confirm_recovery(case, &person, &statement()).await.must(),
        RecoveryProgress::Done,
        "the second officer carries it out"
    );
    assert_eq!(ion.join_new_cases().await.must(), [case]);
    assert!(opens(&ion, case, evidence, "evidence").await);
    collect(&ion, &world, case, "further").await;
    replays(&world).await;
}

on_both_pairs![
    a_case_whose_last_prosecutor_left_is_closed_and_goes_on_with_another,
    somebody_who_lost_every_device_opens_what_they_could_and_nothing_more,
    a_renewed_device_gives_what_its_last_stay_had_and_a_proposal_ends_after_thirty_days,
    whoever_was_removed_before_the_device_was_lost_stays_removed,
];
