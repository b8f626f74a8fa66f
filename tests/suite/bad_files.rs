//! Files that cannot, or must not, be taken in as they are; odd names on their way in and out again.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]
#![cfg(unix)]

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use custodia_client::open::Opening;
use custodia_client::seal::scan::IntakeError;
use custodia_client::{Agent, AgentError};
use custodia_core::custody::kind::Purpose;
use custodia_core::digest::Sha256Digest;
use custodia_core::identity::Role;
use custodia_core::ids::CaseId;
use custodia_tests::liar::{Liar, Told};
use custodia_tests::world::{Must as _, World, case, exhibit, statement};
use tokio::sync::{mpsc, oneshot};

/// A world behind a liar, Ana, her case, and a folder for evidence.
async fn world() -> (World, Agent, CaseId, PathBuf) {
    let world = World::behind(1).await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let case = case(&ana).await;
    let folder = world.path("phone");
    fs::create_dir_all(&folder).unwrap();
    (world, ana, case, folder)
}

/// Holds the next answer to a kind of request; gives the sign that it is held, and what lets it go.
fn hold(liar: &Liar, method: &'static str, path_has: &'static str) -> (mpsc::UnboundedReceiver<()>, oneshot::Sender<()>) {
    let (reached, waiting) = mpsc::unbounded_channel();
    let (go, held) = oneshot::channel();
    let mut held = Some(held);
    liar.lie(move |asked, answer| {
        if asked.method != method || !asked.target.contains(path_has) {
            return Told::Answer(answer);
        }
        match held.take() {
            Some(held) => {
                reached.send(()).unwrap();
                Told::Later(held, answer)
            }
            None => Told::Answer(answer),
        }
    });
    (waiting, go)
}

/// Takes the folder in while `change` is done to it, once that request's answer is on its way.
async fn add_while(
    (world, ana, case, folder): (&World, &Agent, CaseId, &Path),
    (method, path_has): (&'static str, &'static str),
    change: impl FnOnce(),
) -> AgentError {
    let (mut waiting, go) = hold(&world.liars[0], method, path_has);
    let changing = async {
        waiting.recv().await.unwrap();
        change();
        go.send(()).unwrap();
    };
    let (added, ()) = tokio::join!(ana.add_exhibit(exhibit(case, folder, "phone"), |_| {}), changing);
    world.liars[0].be_honest();
    added.unwrap_err()
}

/// Nothing was entered, and the same files as they are now can be taken in anew.
async fn nothing_was_entered(ana: &Agent, case: CaseId, folder: &Path, before: u64) {
    ana.sync().await.must();
    assert_eq!(ana.log_size().await.must(), before);
    assert!(ana.exhibits(case).await.must().is_empty());
    let mut again = exhibit(case, folder, "phone");
    again.fresh = true;
    ana.add_exhibit(again, |_| {}).await.must();
    assert_eq!(ana.exhibits(case).await.must().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_between_looking_and_reading_ends_the_intake_by_name() {
    type Change = fn(&Path);
    let append: Change = |path| fs::OpenOptions::new().append(true).open(path).unwrap().write_all(b"more").unwrap();
    let changes: [(&str, Change); 5] = [
        ("grew", append),
        ("cut", |path| fs::OpenOptions::new().write(true).open(path).unwrap().set_len(3).unwrap()),
        ("vanished", |path| fs::remove_file(path).unwrap()),
        ("replaced by a link", |path| {
            fs::rename(path, path.with_extension("old")).unwrap();
            std::os::unix::fs::symlink("/etc/hostname", path).unwrap();
        }),
        ("replaced by a copy", |path| {
            fs::copy(path, path.with_extension("copy")).unwrap();
            fs::rename(path.with_extension("copy"), path).unwrap();
        }),
    ];
    for (what, change) in changes {
        let (world, ana, case, folder) = world().await;
        let file = folder.join("chat\n.txt");
        fs::write(&file, b"seen at the station").unwrap();
        let before = ana.log_size().await.must();
        let said = add_while((&world, &ana, case, &folder), ("GET", "/checkpoint"), || change(&file)).await;
        let kind = matches!(said, AgentError::Intake(IntakeError::Changed { .. } | IntakeError::Unreadable { .. }));
        assert!(kind, "{what}: {said}");
        assert!(said.to_string().contains("chat\\u{a}.txt"), "{what}: {said}");
        let _ = fs::remove_file(&file);
        fs::write(&file, b"now it holds still").unwrap();
        nothing_was_entered(&ana, case, &folder, before).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_grows_or_vanishes_while_it_is_read_ends_the_intake() {
    // More than the pipeline reads ahead; sparse, so that it costs no disk.
    const SIZE: u64 = 160 << 20;
    type Change = fn(&Path);
    let changes: [(&str, &str, Change); 3] = [
        ("grew", "a", |path| fs::OpenOptions::new().append(true).open(path).unwrap().write_all(b"x").unwrap()),
        ("cut", "a", |path| fs::OpenOptions::new().write(true).open(path).unwrap().set_len(SIZE - 1).unwrap()),
        ("vanished", "b", |path| fs::remove_file(path).unwrap()),
    ];
    let (world, ana, case, folder) = world().await;
    let before = ana.log_size().await.must();
    for (what, name, change) in changes {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        fs::File::create(folder.join("a")).unwrap().set_len(SIZE).unwrap();
        fs::write(folder.join("b"), b"the next file").unwrap();
        let mut new = exhibit(case, &folder, "phone");
        new.fresh = true;
        let (mut waiting, go) = hold(&world.liars[0], "PUT", "/objects/");
        let changing = async {
            waiting.recv().await.unwrap();
            change(&folder.join(name));
            go.send(()).unwrap();
        };
        let (added, ()) = tokio::join!(ana.add_exhibit(new, |_| {}), changing);
        assert!(
            matches!(added, Err(AgentError::Intake(IntakeError::Changed { .. } | IntakeError::Unreadable { .. }))),
            "{what}: {added:?}"
        );
    }
    world.liars[0].be_honest();
    fs::remove_file(folder.join("a")).unwrap();
    fs::write(folder.join("b"), b"small").unwrap();
    nothing_was_entered(&ana, case, &folder, before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_neither_file_nor_folder_ends_the_intake_with_its_name_made_harmless() {
    let (_world, ana, case, folder) = world().await;
    fs::write(folder.join("note.txt"), b"x").unwrap();
    let before = ana.log_size().await.must();
    let odd = folder.join("\u{202e}gpj.exe\n\u{1b}[2J");
    let refused = async |what: &str, sources: Vec<PathBuf>| {
        let mut new = exhibit(case, &folder, "phone");
        new.sources = sources;
        let said = ana.add_exhibit(new, |_| {}).await.unwrap_err().to_string();
        assert!(said.contains(what), "{said}");
        assert!(!said.contains(['\n', '\u{202e}', '\u{1b}']), "{said:?}");
    };
    std::os::unix::fs::symlink(folder.join("note.txt"), &odd).unwrap();
    refused("symbolic link", vec![folder.clone()]).await;
    refused("symbolic link", vec![odd.clone()]).await;
    fs::remove_file(&odd).unwrap();
    assert!(Command::new("mkfifo").arg(&odd).status().unwrap().success());
    refused("named pipe", vec![folder.clone()]).await;
    fs::remove_file(&odd).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(&odd).unwrap();
    refused("socket", vec![folder.clone()]).await;
    drop(socket);
    fs::remove_file(&odd).unwrap();
    refused("device", vec!["/dev/null".into()]).await;
    refused("device", vec![folder.clone(), "/dev/zero".into()]).await;
    refused("cannot be read", vec![odd]).await;
    // A file of the system whose content is made while it is read, and one that cannot be read at all.
    refused("changed", vec!["/proc/version".into()]).await;
    let empty = folder.join("empty");
    fs::create_dir(&empty).unwrap();
    refused("no file to take in", vec![empty]).await;
    nothing_was_entered(&ana, case, &folder, before).await;
}

/// The SHA-256 of every file below a folder.
fn digests(folder: &Path) -> BTreeSet<Sha256Digest> {
    let mut all = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        assert!(!path.is_symlink());
        if path.is_dir() {
            all.extend(digests(&path));
        } else {
            all.insert(Sha256Digest::of(&[&fs::read(path).unwrap()]));
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn oddly_named_files_come_back_bit_for_bit_under_safe_names_inside_the_target() {
    let (world, ana, case, folder) = world().await;
    let long = [b'x'; 255];
    let names: [&[u8]; 14] = [
        b"new\nline",
        b"tab\tand \x1b[31mred",
        "\u{202e}gpj.exe".as_bytes(),
        &long,
        b"latin\xe9.txt",
        b"\xff\xfe\x80",
        b"...",
        b" ",
        b"back\\..\\..\\slash",
        b"CON",
        b"-rf",
        b"*?<>|\"",
        b"=2E",
        "Жалоба 苦情.pdf".as_bytes(),
    ];
    for (number, name) in names.iter().enumerate() {
        fs::write(folder.join(OsStr::from_bytes(name)), [u8::try_from(number).unwrap(); 10]).unwrap();
    }
    fs::write(folder.join("empty"), b"").unwrap();
    // `..` in what was typed is no part of any name.
    let typed = folder.join("deep/down");
    fs::create_dir_all(&typed).unwrap();
    fs::write(typed.join("inner"), b"inner").unwrap();
    let mut new = exhibit(case, &folder, "phone");
    new.sources = vec![typed.join("../..")];
    let collected = ana.add_exhibit(new, |_| {}).await.must();

    let opening = Opening::Export { recipients: vec!["Court".to_owned()] };
    let opened = ana.open_exhibit(case, collected.exhibit, opening, Purpose::Trial, &statement()).await.must();
    let kept: BTreeSet<Vec<u8>> = opened.manifest().files().iter().map(|file| file.raw_path().to_vec()).collect();
    for name in names {
        assert!(kept.contains(&[b"phone/", name].concat()), "{}", String::from_utf8_lossy(name));
    }
    let target = world.path("out/export");
    fs::create_dir(world.path("out")).unwrap();
    let files = opened.export(&target, |_| {}).await.must();
    assert_eq!(fs::read_dir(world.path("out")).unwrap().count(), 1, "nothing beside the target");
    assert_eq!(digests(&target), digests(&folder));
    for file in &files {
        let path = fs::canonicalize(target.join(&file.name)).unwrap();
        assert!(path.starts_with(fs::canonicalize(&target).unwrap()), "{}", file.name);
        for shown in [&file.name, &file.collected_as] {
            assert!(!shown.contains(['\n', '\t', '\u{1b}', '\u{202e}']), "{shown:?}");
        }
    }
    // What is there already is not written over, be it a link that leads nowhere.
    let link = world.path("out/link");
    std::os::unix::fs::symlink("/nowhere/at/all", &link).unwrap();
    assert!(opened.export(&link, |_| {}).await.unwrap_err().to_string().contains("exists already"));
    assert!(opened.export(&world.path("absent/export"), |_| {}).await.is_err());
}
