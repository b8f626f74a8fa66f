//! Passphrases and states, servers that err or lie, and those whom a server rightly refuses.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use super::{command, custodia, open, records, run, words, world};
use custodia_client::Agent;
use custodia_core::identity::Role;
use custodia_core::ids::{CaseId, ExhibitId};
use custodia_tests::liar::{Answer, Told};
use custodia_tests::world::{Must as _, PASSPHRASE, World, statement};

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_passphrase_and_an_absent_or_used_state_are_told_apart_and_change_nothing() {
    let (world, case, exhibit) = world().await;
    let program = Path::new(env!("CARGO_BIN_EXE_custodia"));
    let home = world.state_of(0, "ana");
    let files = || [home.database(), home.key_file()].map(|path| fs::read(path).unwrap());
    let before = files();
    for wrong in ["correct horse battery stapl", "Correct horse battery staple", " "] {
        run(command(program, home.folder(), &open(case, exhibit)), wrong).says(4, &["wrong passphrase", "Nothing was changed"]);
    }
    run(command(program, home.folder(), &open(case, exhibit)), "").says(2, &["passphrase", "is empty"]);
    assert!(files() == before);
    run(command(program, &world.path("nowhere"), &open(case, exhibit)), PASSPHRASE)
        .says(6, &["there is no device's state in", "custodia device init", "--home"]);
    assert!(!world.path("nowhere").exists());
    let agent = world.reopen(0, "ana").await;
    custodia(&world, &open(case, exhibit)).says(7, &["in use by another process", "Run the same command again"]);
    agent.close().await.must();
    fs::write(home.key_file(), b"{}").unwrap();
    custodia(&world, &open(case, exhibit)).says(2, &["malformed key file", "state.key"]);
    fs::write(home.key_file(), &before[1]).unwrap();
    custodia(&world, &open(case, exhibit)).says(0, &["stands in the log as record"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_of_a_server_has_its_exit_code_and_is_over_when_the_server_is_right() {
    let (world, case, exhibit) = world().await;
    let liar = &world.liars[0];
    let works = || {
        liar.be_honest();
        custodia(&world, &open(case, exhibit)).says(0, &["No witness is configured"]);
    };
    let old = Answer::ok(liar.public("/checkpoint").await.body);
    works();
    // Told here once for each exit code; what an agent makes of every lie is tested beside the agent.
    let tell = |method: &'static str, path_has: &'static str, answer: Answer| {
        liar.lie(move |asked, honest| {
            let about = asked.method == method && asked.target.contains(path_has);
            Told::Answer(if about { answer.clone() } else { honest })
        });
    };
    tell("GET", "/checkpoint", old);
    custodia(&world, &open(case, exhibit)).says(10, &["rolled back", "Do not go on with this server", "evidence is kept"]);
    works();
    tell("GET", "/objects/", Answer::ok("not what was stored"));
    let file = [&open(case, exhibit)[..], &words!["--file", "phone/\\u{202e}gpj.exe\\u{a}\\u{1b}[2J"]].concat();
    let ended = custodia(&world, &file);
    ended.says(10, &["other bytes than those of the object"]);
    assert!(ended.out.is_empty());
    works();
    tell("GET", "/v1/welcomes", Answer::ok("<!doctype html>"));
    custodia(&world, &open(case, exhibit)).says(10, &["not of the contract", "Another program may answer"]);
    works();
    tell("GET", "/v1/welcomes", Answer { status: 503, body: Vec::new() });
    custodia(&world, &open(case, exhibit)).says(7, &["503", "Run the same command again"]);
    works();
    custodia(&world, &open(case, ExhibitId::from_bytes([1; 16]))).says(6, &["no such exhibit"]);
    custodia(&world, &open(CaseId::from_bytes([1; 16]), exhibit)).says(6, &["no case is called"]);

    // The store itself is damaged: the server says so, and gives nothing out.
    let store = world.path("server/objects").join(exhibit.to_string());
    let objects: Vec<_> = fs::read_dir(&store).unwrap().map(|entry| entry.unwrap().path()).collect();
    let whole: Vec<_> = objects.iter().map(|path| fs::read(path).unwrap()).collect();
    for path in &objects {
        fs::write(path, b"damaged").unwrap();
    }
    let ended = custodia(&world, &file);
    ended.says(3, &["holds other bytes under that object's name", "Tell the operator"]);
    assert!(ended.out.is_empty());
    for (path, bytes) in objects.iter().zip(whole) {
        fs::write(path, bytes).unwrap();
    }
    works();
}

/// Luc joins Ana's case, opens nothing, and is removed again.
async fn removed(world: &World, case: CaseId) -> Agent {
    let ana = world.reopen(0, "ana").await;
    let luc = world.device(1, "luc", Role::Prosecutor).await;
    ana.sync().await.must();
    let joining =
        vec![custodia_client::Joining { device: luc.certificate_id().unwrap(), terms: custodia_core::custody::body::Terms::Full }];
    ana.add_members(case, joining, Vec::new(), &statement()).await.must();
    assert_eq!(luc.join_new_cases().await.must(), [case]);
    ana.remove_members(case, vec![luc.certificate_id().unwrap()], &statement()).await.must();
    ana.close().await.must();
    luc
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_member_and_a_revoked_device_are_refused_and_told_why() {
    let (world, case, exhibit) = world().await;
    let luc = removed(&world, case).await;
    luc.close().await.must();
    let program = Path::new(env!("CARGO_BIN_EXE_custodia"));
    let home = world.state_of(1, "luc");
    let before = records(&world).await;
    run(command(program, home.folder(), &open(case, exhibit)), PASSPHRASE)
        .says(5, &["refused by rule ACC-03", "stands in the log", "docs/RULES.md"]);
    assert_eq!(records(&world).await, before + 1, "the attempt is a record");
    let luc = world.reopen(1, "luc").await;
    world.revoke(1, &luc).await;
    luc.close().await.must();
    run(command(program, home.folder(), &open(case, exhibit)), PASSPHRASE).says(4, &["revoked", "Ask your office to enrol another device"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_device_is_not_installed() {
    let (world, case, exhibit) = world().await;
    let eva = world.device(0, "eva", Role::Prosecutor).await;
    let devices = eva.devices().await.must();
    let theirs = devices.iter().find(|device| device.id().digest() == eva.certificate_id().unwrap()).unwrap();
    let (certificate, card) = (world.path("eva.der"), world.path("server.json"));
    fs::write(&certificate, theirs.der()).unwrap();
    fs::write(&card, serde_json::to_vec(&world.info).unwrap()).unwrap();
    let install = words!["device", "install", &certificate, "--server", world.address().url, "--card", &card];
    custodia(&world, &install).says(2, &["not for this device: it certifies another key", "Install the file that your office issued"]);
    // A server that is not the one of the card gets nothing.
    let mut other = world.info.clone();
    other.trust_pin = custodia_core::digest::Sha256Digest::of(&[b"another list"]);
    fs::write(&card, serde_json::to_vec(&other).unwrap()).unwrap();
    custodia(&world, &install).says(4, &["shows another trust list"]);
    custodia(&world, &open(case, exhibit)).says(0, &[]);
}
