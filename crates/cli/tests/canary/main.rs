//! Nothing that is secret is written where it does not belong: planted texts and known keys are searched in everything that a story leaves behind.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod search;
mod secrets;
mod stage;
mod story;

use std::path::Path;

use search::{Needle, Needles};
use secrets::Secrets;
use stage::{Stage, files};
use story::Texts;

/// Fails with every place in which something was found.
#[track_caller]
fn assert_clean(what: &str, needles: &Needles, places: &[(String, Vec<u8>)]) {
    assert!(!places.is_empty(), "{what}: nothing was searched");
    let found: Vec<String> = places
        .iter()
        .flat_map(|(place, bytes)| needles.found_in(bytes).into_iter().map(move |name| format!("{name} in {place}")))
        .collect();
    assert!(found.is_empty(), "{what} ({} needles):\n{}", needles.len(), found.join("\n"));
}

/// The files below some folders, and their names.
fn below(stage: &Stage, folders: &[&str]) -> Vec<(String, Vec<u8>)> {
    let all = folders.iter().flat_map(|folder| files(&stage.at(folder)));
    all.flat_map(|(path, bytes)| {
        let name = path.display().to_string();
        [(format!("the name of {name}"), name.clone().into_bytes()), (name, bytes)]
    })
    .collect()
}

/// Files in the system's temporary folder that the story may have made.
fn strays(stage: &Stage, since: std::time::SystemTime) -> Vec<(String, Vec<u8>)> {
    const MOST: u64 = 4 << 20;
    let own = stage.at("");
    let mut waiting = vec![std::env::temp_dir(), Path::new("/tmp").to_owned(), Path::new("/var/tmp").to_owned()];
    waiting.dedup();
    let mut found = Vec::new();
    // Others work there too, so whatever vanishes meanwhile was theirs.
    while let Some(path) = waiting.pop() {
        let Ok(about) = std::fs::symlink_metadata(&path) else { continue };
        if own.starts_with(&path) && path.starts_with(&own) {
            continue;
        }
        if about.is_dir() {
            waiting.extend(std::fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
        } else if about.is_file() && about.len() < MOST && about.modified().is_ok_and(|time| time >= since) {
            found.extend(std::fs::read(&path).ok().map(|bytes| (path.display().to_string(), bytes)));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_secret_is_found_in_what_server_and_agents_leave_behind() {
    let begun = std::time::SystemTime::now();
    let mut stage = Stage::open();
    let texts = Texts::new();
    let secrets = story::play(&mut stage, &texts).await;

    // The server's memory, while it lives.
    let memory: Vec<(String, Vec<u8>)> =
        stage.server_memory().into_iter().enumerate().map(|(number, bytes)| (format!("region {number} of memory"), bytes)).collect();
    stage.stop();
    let evidence: Vec<Needle> = texts.secret().iter().flat_map(|text| Needle::text(text)).collect();
    let passphrases: Vec<Needle> = texts.passphrases().iter().flat_map(|text| Needle::text(text)).collect();
    let Secrets { device, case, release, server } = secrets;
    let without_release = [evidence.clone(), passphrases.clone(), device.clone(), case.clone()].concat();
    assert_clean("the server's memory", &Needles::new(without_release.clone()), &memory);

    // What it wrote. Its own keys lie in folders of their own.
    let server_files = below(
        &stage,
        &["server/db", "server/objects", "server/head", "server/server.json", "server/custodia.toml", "server.log", "server.out"],
    );
    let everything = Needles::new([without_release, release.clone(), server].concat());
    assert_clean("the server's files and diagnostics", &everything, &server_files);

    // What the agents left, but for what they were asked to write out.
    let agents = Needles::new([evidence.clone(), passphrases.clone(), device.clone(), case.clone(), release.clone()].concat());
    let kept = below(&stage, &["home", "temporary", "xdg", "offices", "devices", "kept"]);
    assert_clean("the agents' files", &agents, &kept);
    let diagnostics =
        Needles::new([passphrases, device, case, release, texts.evidence().iter().flat_map(|text| Needle::text(text)).collect()].concat());
    assert_clean("the agents' diagnostics", &diagnostics, &[("standard error".to_owned(), stage.said.clone())]);
    assert_clean("temporary folders", &agents, &[strays(&stage, begun), vec![(String::new(), Vec::new())]].concat());

    // The search can find: what the server is shown by design is there, and what was written out on purpose is found where it was written.
    let shown = |places: &[(String, Vec<u8>)], text: &str| {
        let needles = Needles::new(Needle::text(text).to_vec());
        places.iter().any(|(_, bytes)| needles.found_in(bytes).iter().any(|name| name == text))
    };
    for text in texts.shown() {
        assert!(shown(&server_files, text), "{text} is in the server's database, as the README says");
    }
    assert!(shown(&memory, &texts.name), "the name in an enrolled certificate is in memory");
    let mut exported = below(&stage, &["export"]);
    exported.retain(|(_, bytes)| bytes.len() < 1 << 20);
    for text in [&texts.content, &texts.file_name] {
        assert!(shown(&exported, text), "{text} was written out");
    }
    let names = Needles::new(Needle::text(&texts.name).to_vec());
    assert_clean("the devices' states", &names, &below(&stage, &["devices"]));
}
