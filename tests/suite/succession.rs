//! A member's commit that nobody can process: two agents report it, and the case goes on in a successor group.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

use custodia_client::{Agent, AgentError};
use custodia_core::custody::body::Terms;
use custodia_core::identity::Role;
use custodia_tests::backends::Pair;
use custodia_tests::on_both_pairs;
use custodia_tests::poison::poison;
use custodia_tests::world::{Must as _, World, case, statement};

use crate::agent::{join, view};
use crate::recovery::{collect, opens, replays};

fn server(world: &World) -> std::net::SocketAddr {
    world.address().url.strip_prefix("http://").unwrap().parse().unwrap()
}

async fn finds_poison(agent: &Agent, case: custodia_core::ids::CaseId) {
    let found = agent.refresh(case).await;
    assert!(matches!(found, Err(AgentError::PoisonCommit { .. })), "{found:?}");
}

async fn a_case_goes_on_in_a_successor_group_after_a_poison_commit_and_the_removed_stay_removed(pair: Pair) {
    let world = World::on(pair).await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let ion = world.device(0, "ion", Role::Prosecutor).await;
    let luc = world.device(1, "luc", Role::Prosecutor).await;
    let eva = world.device(1, "eva", Role::Prosecutor).await;
    let case = case(&ana).await;
    let before = collect(&ana, &world, case, "before").await;
    for agent in [&ion, &luc, &eva] {
        join(agent, &ana, case, Terms::Full, Vec::new()).await;
    }
    for agent in [&ana, &ion, &luc, &eva] {
        agent.refresh(case).await.must();
    }
    assert!(matches!(ana.succeed(case, &statement()).await, Err(AgentError::NotEligible(_))), "the group is sound");

    // Eva's commit removes Luc, and nobody can process it.
    eva.close().await.must();
    poison(server(&world), &world.info.log_key, &world.state_of(1, "eva"), case, &[luc.certificate_id().unwrap()]).await;
    finds_poison(&ana, case).await;
    finds_poison(&ana, case).await;
    assert!(matches!(ana.succeed(case, &statement()).await, Err(AgentError::NotEligible(_))), "one report, however often it is made");
    finds_poison(&ion, case).await;
    assert_eq!(ana.succeed(case, &statement()).await.must(), 1);
    assert_eq!(ana.succeed(case, &statement()).await.must(), 1, "once");

    // The others come over, but for whom the commit removed and who made it.
    ion.refresh(case).await.must();
    let members = ion.members(case).await.must();
    let persons: Vec<String> = members.iter().map(|member| member.person.to_string()).collect();
    assert_eq!(members.len(), 4, "{persons:?}");
    assert!(!persons.iter().any(|person| person.ends_with("/luc") || person.ends_with("/eva")), "{persons:?}");
    assert_eq!((ion.generation(case).await.must(), ana.members(case).await.must()), (1, members));
    assert!(opens(&ion, case, before, "before").await);
    let after = collect(&ion, &world, case, "after").await;
    assert!(opens(&ana, case, after, "after").await);
    for gone in [&luc, &world.reopen(1, "eva").await] {
        assert!(gone.refresh(case).await.is_err());
        assert!(view(gone, case, after).await.is_err());
    }
    // The case is whole: a commit, and somebody who is brought back on purpose.
    ana.refresh(case).await.must();
    join(&luc, &ana, case, Terms::Full, Vec::new()).await;
    assert!(opens(&luc, case, before, "before").await && opens(&luc, case, after, "after").await);
    ion.refresh(case).await.must();
    // The recovery device, which was away all the while.
    let safe = world.reopen(0, "recovery").await;
    safe.join_new_cases().await.must();
    safe.refresh(case).await.must();
    assert_eq!(safe.generation(case).await.must(), 1);
    replays(&world).await;
}

on_both_pairs![a_case_goes_on_in_a_successor_group_after_a_poison_commit_and_the_removed_stay_removed];
