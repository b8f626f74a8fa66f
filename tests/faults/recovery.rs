//! `kill -9` in the recovery ceremony: in the proposal, and in the confirmation that carries it out.

use custodia_core::custody::body::Terms;
use custodia_core::identity::Role;
use custodia_tests::world::{Must as _, statement};

use crate::check::Effect;
use crate::kill::{Step, command, play};
use crate::process::Ended;
use crate::stage::{CANARY, Scene, Stage, words};

const SAFE: &str = "ro-diicot-recovery";
const VAULT: &str = "ro-diicot-vault";

/// Ion has lost his device, his office has revoked it and certified another; a second officer's recovery device is in the case.
async fn lost() -> Scene {
    let scene = Scene::open().await;
    let vault = scene.world.device(0, "vault", Role::Recovery).await;
    let ion = scene.world.device(0, "ion", Role::Prosecutor).await;
    scene.add(&vault, Terms::Full).await;
    scene.add(&ion, Terms::Full).await;
    assert_eq!(vault.join_new_cases().await.must(), [scene.case]);
    scene.world.revoke(0, &ion).await;
    let again = scene.world.second_device(0, "ion").await;
    // Both officers are up to date, so that the kills are those of the ceremony.
    let safe = scene.world.reopen(0, "recovery").await;
    assert_eq!(safe.join_new_cases().await.must(), [scene.case]);
    for officer in [&safe, &vault] {
        officer.refresh(scene.case).await.must();
    }
    for agent in [safe, vault, ion, again] {
        agent.close().await.must();
    }
    scene
}

fn recovery(scene: &Scene, more: &[&str]) -> Vec<String> {
    command(&[&["case", "recover", &scene.case.to_string(), "--person", "ro-diicot/ion"][..], more].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_the_proposal_of_a_recovery_it_is_proposed_once() {
    let scene = lost().await;
    let effect = Effect { exactly: &[("case.recovery", 1)], at_least: &[] };
    let step = Step { words: recovery(&scene, &[]), ..Step::new(SAFE, &[], effect) };
    play(scene, step, &["agent.act.kept", "agent.recovery.proposed"], &["server.recovery.entered"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_a_recovery_it_is_taken_once() {
    let scene = lost().await;
    let safe = scene.world.reopen(0, "recovery").await;
    let lost = safe.lost_devices(scene.case).await.must()[0].certificate;
    let again = scene.world.reopen(0, "ion-again").await;
    safe.recover(scene.case, lost, again.certificate_id().unwrap(), &statement()).await.must();
    for agent in [safe, again] {
        agent.close().await.must();
    }
    let effect = Effect { exactly: &[("case.recovery", 1), ("member.change", 1), ("disclosure", 1)], at_least: &[("consultation", 1)] };
    let holds = |stage: &Stage, _: &Ended| {
        let first = stage.first.to_string();
        let reading =
            command(&["exhibit", "open", &stage.case.to_string(), &first, "--purpose", "investigation", "--file", "first/inner/note.txt"]);
        for words in [words(&["device", "sync"]), reading] {
            let ended = stage.run("ro-diicot-ion-again", &words, None);
            assert!(ended.succeeded(), "{words:?}: {ended:?}");
            if words[0] == "exhibit" {
                assert_eq!(ended.stdout, CANARY);
            }
        }
    };
    let step = Step { words: recovery(&scene, &["--confirm"]), holds, ..Step::new(VAULT, &[], effect) };
    let agent = ["agent.recovery.confirmed", "agent.commit.kept", "agent.outbox.settled"];
    play(scene, step, &agent, &["server.recovery.entered", "server.commit.accepted"]).await;
}
