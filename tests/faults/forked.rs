//! A device that has proved a fork: no later process of it cosigns, and the watch goes on telling.

use std::fs;

use custodia_client::audit::AuditorKey;
use custodia_client::open::Opening;
use custodia_core::custody::kind::Purpose;
use custodia_core::custody::wire::Base64;
use custodia_core::log::{LogSigner, RootHash, TreeSize};
use custodia_tests::world::{COST, Must as _, PASSPHRASE, statement};
use ed25519_dalek::SigningKey;

use crate::kill::command;
use crate::stage::{Scene, words};

const AUDITOR: &str = "ro-diicot-auditor";
const LUC: &str = "fr-junalco-luc";

/// A checkpoint of two records that never were, signed by the world's log.
fn forked(scene: &Scene) -> String {
    let text = fs::read_to_string(scene.world.path("server/secret/log.key")).unwrap();
    // PRIVATE+KEY+name+id+Base64 of a byte for the kind and the seed.
    let Base64(bytes) = serde_json::from_value(text.trim_end().splitn(5, '+').last().unwrap().into()).unwrap();
    let key = SigningKey::from_bytes(bytes[1..].try_into().unwrap());
    let signer = LogSigner::new(scene.world.info.origin.parse().unwrap(), key).unwrap();
    signer.sign(TreeSize::new(2).unwrap(), RootHash::from_bytes([1; 32])).unwrap().note().as_str().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_has_proved_a_fork_cosigns_nothing_in_any_later_process() {
    let scene = Scene::open().await;
    let (key, note, rules) = (scene.work("auditor-key"), scene.work("other.note"), scene.work("rules.toml"));
    drop(AuditorKey::create(key.as_ref(), "audit.example/auditor", PASSPHRASE, COST).must());
    fs::write(&note, forked(&scene)).unwrap();
    fs::write(&rules, format!("others = [{note:?}]\n")).unwrap();
    let stage = scene.leave().await;
    let server = stage.serve(None);
    let watch = command(&["audit", "watch", "--once", "--purpose", "lawfulness-check", "--cosign", &key]);
    let cosigned = || fs::read(stage.path("work/auditor-key/cosigned")).unwrap();
    let act = async || {
        let luc = stage.agent(LUC).await;
        luc.open_exhibit(stage.case, stage.first, Opening::View, Purpose::Investigation, &statement()).await.must();
        luc.close().await.must();
    };

    let ended = stage.run(AUDITOR, &watch, None);
    assert!(ended.succeeded() && !cosigned().is_empty(), "{ended:?}");
    let before = cosigned();
    act().await;
    let ended = stage.run(AUDITOR, &[watch.clone(), words(&["--rules", &rules])].concat(), None);
    assert!(ended.code == Some(3) && ended.stdout.contains("WAT-01"), "{ended:?}");

    // Nobody shows the other tree any more, and what the log shows is clean.
    act().await;
    let ended = stage.run(AUDITOR, &watch, None);
    assert!(ended.code == Some(3) && ended.stderr.contains("clean") && !ended.stderr.contains("NOT CLEAN"), "{ended:?}");
    assert!(ended.stderr.contains("nothing is cosigned by this device any more") && ended.stderr.contains("WAT-01"), "{ended:?}");
    let file = stage.path("work/checkpoint").display().to_string();
    let audit = command(&["audit", "--purpose", "lawfulness-check", "--cosign", &key, "--checkpoint", &file]);
    let ended = stage.run(AUDITOR, &audit, None);
    let evidence = stage.home(AUDITOR).join("evidence");
    assert!(ended.code == Some(3) && ended.stderr.contains(&evidence.display().to_string()), "{ended:?}");
    assert!(cosigned() == before && !stage.path("work/checkpoint").exists(), "nothing left this device");
    assert_eq!(fs::read_dir(evidence).unwrap().count(), 2);
    server.stop();
}
