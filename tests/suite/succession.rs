//! A member's commit that nobody can process: agents report it, and the case goes on in a successor group; and reports that are not true.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

use custodia_client::{Agent, AgentError, Resynced};
use custodia_core::custody::body::Terms;
use custodia_core::custody::kind::Purpose;
use custodia_core::digest::Sha256Digest;
use custodia_core::finding::Finding;
use custodia_core::identity::Role;
use custodia_core::ids::{CaseId, ExhibitId};
use custodia_tests::backends::Pair;
use custodia_tests::on_both_pairs;
use custodia_tests::poison::Rogue;
use custodia_tests::world::{Must as _, World, case, statement};

use crate::agent::{add, join, view};

/// The replay of the whole log finds nothing; the reasons of whom no program obliges are not read.
async fn replays(auditor: &Agent) {
    let report = auditor.audit(Purpose::LawfulnessCheck, &statement(), |_| {}).await.must();
    assert_eq!(report.failed().collect::<Vec<_>>(), Vec::<&Finding>::new());
}

async fn finds_poison(agent: &Agent, case: CaseId) {
    let found = agent.refresh(case).await;
    assert!(matches!(found, Err(AgentError::PoisonCommit { .. })), "{found:?}");
}

/// A device of that office makes a commit that nobody can process, and that removes these devices.
async fn poisoned_by(world: &World, agent: Agent, (office, local): (usize, &str), case: CaseId, removing: &[Sha256Digest]) {
    agent.refresh(case).await.must();
    agent.close().await.must();
    Rogue::open(world, office, local, case).await.poison(removing).await;
}

async fn opens(agent: &Agent, case: CaseId, exhibit: ExhibitId, size: usize) {
    assert_eq!(view(agent, case, exhibit).await.must().len(), size);
}

fn not_eligible<T: core::fmt::Debug>(result: Result<T, AgentError>, because: &str) {
    match result {
        Err(AgentError::NotEligible(text)) if text.contains(because) => {}
        other => panic!("{because}: {other:?}"),
    }
}

async fn persons(agent: &Agent, case: CaseId) -> Vec<String> {
    let mut persons: Vec<_> = agent.members(case).await.must().iter().map(|member| member.person.to_string()).collect();
    persons.sort_unstable();
    persons
}

async fn a_case_goes_on_in_a_successor_group_after_a_poison_commit_and_the_removed_stay_removed(pair: Pair) {
    let world = World::on(pair).await;
    let auditor = world.device(0, "auditor", Role::Auditor).await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let ion = world.device(0, "ion", Role::Prosecutor).await;
    let luc = world.device(1, "luc", Role::Prosecutor).await;
    let eva = world.device(1, "eva", Role::Prosecutor).await;
    let max = world.device(0, "max", Role::Prosecutor).await;
    let case = case(&ana).await;
    let before = add(&ana, &world, case, "before", 10).await;
    for agent in [&ion, &luc, &eva] {
        join(agent, &ana, case, Terms::Full, Vec::new()).await;
    }
    // Max was given one exhibit of what came before, and what comes later.
    join(&max, &ana, case, Terms::Chosen, vec![before]).await;
    let between = add(&ana, &world, case, "between", 20).await;
    for agent in [&ana, &ion, &luc, &max] {
        agent.refresh(case).await.must();
    }
    let sound = ana.succeed(case, &statement()).await.must();
    assert_eq!((sound.generation, sound.changed), (0, false));

    // Eva's commit removes Luc, and nobody can process it.
    poisoned_by(&world, eva, (1, "eva"), case, &[luc.certificate_id().unwrap()]).await;
    finds_poison(&ana, case).await;
    finds_poison(&ana, case).await;
    not_eligible(ana.succeed(case, &statement()).await, "reports");
    assert!(matches!(ana.resync(case, &statement()).await, Err(AgentError::PoisonCommit { .. })), "nobody goes on");
    finds_poison(&ion, case).await;
    let founded = ana.succeed(case, &statement()).await.must();
    assert_eq!((founded.generation, founded.changed), (1, true));
    assert_eq!(founded.left_out.iter().map(ToString::to_string).collect::<Vec<_>>(), ["fr-junalco/eva"]);
    let again = ana.succeed(case, &statement()).await.must();
    assert_eq!((again.generation, again.changed), (1, false));

    // The others come over, but for whom the commit removed and who made it.
    ion.refresh(case).await.must();
    assert_eq!(max.join_new_cases().await.must(), [], "it was in the case");
    let expected = ["fr-junalco/recovery", "ro-diicot/ana", "ro-diicot/ion", "ro-diicot/max", "ro-diicot/recovery"];
    for agent in [&ana, &ion, &max] {
        assert_eq!(persons(agent, case).await, expected);
        assert_eq!(agent.generation(case).await.must(), 1);
        // What one could open, one opens: by the ring, and by the grant.
        opens(agent, case, before, 10).await;
        opens(agent, case, between, 20).await;
    }
    let after = add(&ion, &world, case, "after", 30).await;
    opens(&ana, case, after, 30).await;
    opens(&max, case, after, 30).await;
    let eva = world.reopen(1, "eva").await;
    for gone in [&luc, &eva] {
        assert!(gone.refresh(case).await.is_err());
        for exhibit in [before, between, after] {
            assert!(view(gone, case, exhibit).await.is_err());
        }
    }
    // The case is whole: a commit, and somebody who is brought back on purpose.
    ana.refresh(case).await.must();
    join(&luc, &ana, case, Terms::Full, Vec::new()).await;
    for (exhibit, size) in [(before, 10), (between, 20), (after, 30)] {
        opens(&luc, case, exhibit, size).await;
    }
    ion.refresh(case).await.must();
    // The recovery device, which was away all the while, comes by both Welcomes, and holds what it held.
    let safe = world.reopen(0, "recovery").await;
    safe.join_new_cases().await.must();
    safe.refresh(case).await.must();
    assert_eq!(safe.generation(case).await.must(), 1);
    ana.close().await.must();
    // A lost group is come back into, in the new generation too.
    world.lose(0, "ana", Some(case)).await;
    let ana = world.reopen(0, "ana").await;
    assert_eq!(ana.resync(case, &statement()).await.must(), Resynced::Back);
    opens(&ana, case, before, 10).await;
    replays(&auditor).await;
}

async fn one_recovery_device_reports_for_all_and_a_second_poison_ends_the_second_group(pair: Pair) {
    let world = World::on(pair).await;
    let auditor = world.device(0, "auditor", Role::Auditor).await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let luc = world.device(1, "luc", Role::Prosecutor).await;
    let case = case(&ana).await;
    join(&luc, &ana, case, Terms::Full, Vec::new()).await;
    let evidence = add(&ana, &world, case, "evidence", 10).await;
    let safe = world.reopen(0, "recovery").await;
    assert_eq!(safe.join_new_cases().await.must(), [case]);
    poisoned_by(&world, luc, (1, "luc"), case, &[]).await;
    // The author's own word counts for nothing, nor does one person's.
    finds_poison(&ana, case).await;
    not_eligible(ana.succeed(case, &statement()).await, "reports");
    finds_poison(&safe, case).await;
    assert_eq!(ana.succeed(case, &statement()).await.must().generation, 1);
    safe.refresh(case).await.must();
    assert_eq!(persons(&safe, case).await, ["fr-junalco/recovery", "ro-diicot/ana", "ro-diicot/recovery"]);

    // Luc is taken in again, and does it again.
    let luc = world.reopen(1, "luc").await;
    ana.sync().await.must();
    join(&luc, &ana, case, Terms::Full, Vec::new()).await;
    poisoned_by(&world, luc, (1, "luc"), case, &[]).await;
    finds_poison(&ana, case).await;
    finds_poison(&safe, case).await;
    assert_eq!(safe.succeed(case, &statement()).await.must().generation, 2, "a recovery device may found it too");
    ana.refresh(case).await.must();
    assert_eq!(ana.generation(case).await.must(), 2);
    opens(&ana, case, evidence, 10).await;
    replays(&auditor).await;
}

async fn false_reports_end_no_group_once_somebody_else_has_followed_the_commit(pair: Pair) {
    let world = World::on(pair).await;
    let auditor = world.device(0, "auditor", Role::Auditor).await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let ion = world.device(0, "ion", Role::Prosecutor).await;
    let luc = world.device(1, "luc", Role::Prosecutor).await;
    let eva = world.device(1, "eva", Role::Prosecutor).await;
    let case = case(&ana).await;
    for agent in [&ion, &luc, &eva] {
        join(agent, &ana, case, Terms::Full, Vec::new()).await;
    }
    for agent in [luc, eva] {
        agent.refresh(case).await.must();
        agent.close().await.must();
    }
    ana.add_members(case, Vec::new(), Vec::new(), &statement()).await.must();
    ion.refresh(case).await.must();
    ion.close().await.must();
    let holds = Rogue::open(&world, 0, "ion", case).await;
    let good = holds.last_commit().await;
    holds.close().await;

    // Luc and Eva say that Ana's last commit, which they could follow, cannot be followed. One of them alone is not heard.
    let (luc, eva) = (Rogue::open(&world, 1, "luc", case).await, Rogue::open(&world, 1, "eva", case).await);
    luc.report(good).await;
    assert_eq!(luc.succeed(good).await.as_deref(), Some("SUC-02"));
    eva.report(good).await;
    // Ana's word does not count, since the commit is hers; Ion's agent has followed it too, and says so by itself, once.
    let ion = world.reopen(0, "ion").await;
    let size = async |agent: &Agent| {
        agent.refresh(case).await.must();
        agent.sync().await.must();
        agent.log_size().await.must()
    };
    let before = size(&ana).await;
    assert_eq!(size(&ana).await, before);
    assert_eq!((size(&ion).await, size(&ion).await, size(&ana).await), (before + 1, before + 1, before + 1));
    for liar in [&luc, &eva] {
        assert_eq!(liar.succeed(good).await.as_deref(), Some("SUC-03"));
    }
    // A commit that never stood, and one of an epoch that nobody reaches.
    assert_eq!(luc.succeed((good.0, Sha256Digest::of(&[b"another"]))).await.as_deref(), Some("SUC-02"));
    assert_eq!(luc.succeed((u64::MAX >> 1, good.1)).await.as_deref(), Some("SUC-02"));
    luc.close().await;
    eva.close().await;
    for agent in [ana, ion, world.reopen(1, "luc").await, world.reopen(1, "eva").await] {
        agent.refresh(case).await.must();
        assert_eq!(agent.generation(case).await.must(), 0);
    }
    replays(&auditor).await;
}

on_both_pairs![
    a_case_goes_on_in_a_successor_group_after_a_poison_commit_and_the_removed_stay_removed,
    false_reports_end_no_group_once_somebody_else_has_followed_the_commit,
    one_recovery_device_reports_for_all_and_a_second_poison_ends_the_second_group,
];
