//! `kill -9` in the founding of a successor group, and in coming over to it.

use custodia_client::AgentError;
use custodia_core::custody::body::Terms;
use custodia_tests::poison::Rogue;
use custodia_tests::world::{Must as _, statement};

use crate::check::Effect;
use crate::kill::{Step, command, play};
use crate::stage::Scene;

/// Eva has made a commit that nobody can process; Ana and Luc have reported it, and Eva's agent is closed.
async fn poisoned() -> Scene {
    let scene = Scene::open().await;
    scene.add(&scene.eva, Terms::Full).await;
    assert_eq!(scene.eva.join_new_cases().await.must(), [scene.case]);
    for agent in [&scene.ana, &scene.luc, &scene.eva] {
        agent.refresh(scene.case).await.must();
    }
    let Scene { world, ana, luc, eva, auditor, case, first, address } = scene;
    eva.close().await.must();
    Rogue::open(&world, 1, "eva", case).await.poison(&[]).await;
    for agent in [&ana, &luc] {
        assert!(matches!(agent.refresh(case).await, Err(AgentError::PoisonCommit { .. })));
    }
    let eva = world.reopen(1, "eva").await;
    Scene { world, ana, luc, eva, auditor, case, first, address }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_a_succession_the_successor_group_is_founded_once() {
    let scene = poisoned().await;
    let words = command(&["case", "succeed", &scene.case.to_string()]);
    let effect = Effect { exactly: &[("group.succeed", 1)], at_least: &[] };
    let step = Step { words, ..Step::new("ro-diicot-ana", &[], effect) };
    let agent = ["agent.successor.written", "agent.successor.kept", "agent.outbox.settled"];
    play(scene, step, &agent, &["server.successor.founded"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_coming_over_to_a_successor_group_the_member_is_there() {
    let scene = poisoned().await;
    assert_eq!(scene.ana.succeed(scene.case, &statement()).await.must().generation, 1);
    let step = Step::new("fr-junalco-luc", &["case", "show", &scene.case.to_string()], Effect::default());
    play(scene, step, &["agent.welcome.opened", "agent.welcome.joined"], &["server.welcomes.read"]).await;
}
