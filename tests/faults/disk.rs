//! A full disk, on small file systems of their own: the server's database, objects and head file, a device's state, the target of an export.
//!
//! Each command meets a disk with no room, with a little, with more, until there is enough. Short of that it says where there is no room, and
//! nothing is half done; with room again the same command succeeds.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use custodia_core::custody::kind::Purpose;
use custodia_tests::world::{Must as _, exhibit, statement};
use tempfile::TempDir;

use crate::check::{Effect, check, files_below};
use crate::stage::{LONG, Scene, Stage, evidence, words};

const INSIDE: &str = "CUSTODIA_TEST_MOUNTS";

/// Room that is left on the disk, in KiB, from round to round.
const ROOM: [u64; 9] = [0, 4, 32, 128, 512, 2048, 9 * 1024, 18 * 1024, 40 * 1024];

/// Runs the test again in a mount namespace of its own, where it may mount and leaves nothing mounted. True inside.
fn may_mount(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let allowed = |flags: &str| Command::new("unshare").args([flags, "true"]).output().is_ok_and(|output| output.status.success());
    let flags = ["-rm", "-m"].into_iter().find(|flags| allowed(flags)).expect(
        "this test mounts small file systems: it needs `unshare` (package util-linux) and user namespaces \
         (`sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000`), or root",
    );
    let program = std::env::current_exe().unwrap();
    let inner = Command::new("unshare").arg(flags).arg(program).args([test, "--exact", "--nocapture"]).env(INSIDE, "1").status().unwrap();
    assert!(inner.success(), "it failed in its mount namespace, see above");
    false
}

/// A file system of a few megabytes.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: &Path, mebibytes: u32) -> Self {
        fs::create_dir_all(at).unwrap();
        let size = format!("size={mebibytes}m,mode=700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at).output().unwrap();
        assert!(mounted.status.success(), "no file system can be mounted here: {}", String::from_utf8_lossy(&mounted.stderr));
        Self(at.to_owned())
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }

    /// Fills it up to so much room.
    fn fill(&self, room_kib: u64) {
        let mut file = File::create(self.ballast()).unwrap();
        let block = vec![1; 4096];
        while file.write_all(&block).is_ok() {}
        let length = file.metadata().unwrap().len();
        file.set_len(length.saturating_sub(room_kib * 1024)).unwrap();
    }

    fn free(&self) {
        let _ = fs::remove_file(self.ballast());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// A command that meets a full disk.
struct Starving<'a> {
    stage: &'a Stage,
    disk: &'a Disk,
    home: &'a str,
    words: Vec<String>,
    effect: Effect,
    /// Whether the server's diagnostics, and not the command, name the place.
    at_the_server: bool,
    /// What an error names.
    place: String,
    /// What else must hold once it has succeeded.
    holds: fn(&Stage),
}

impl Starving<'_> {
    async fn play(&self) {
        let Self { stage, disk, home, words, effect, at_the_server, place, holds } = self;
        let mut refused = 0;
        for room in ROOM {
            disk.free();
            stage.restore();
            let server = stage.serve(None);
            disk.fill(room);
            let first = stage.run(home, words, None);
            disk.free();
            let again = stage.run(home, words, None);
            let (_, said) = server.stop();
            assert!(first.succeeded() || again.succeeded(), "with room again: {again:?}, after {first:?} with {room} KiB\n{said}");
            if !first.succeeded() {
                refused += 1;
                assert!(first.code.is_some_and(|code| code != 101), "{first:?}");
                let named = if *at_the_server { &said } else { &first.stderr };
                assert!(named.contains(place.as_str()), "with {room} KiB nobody names {place}: {first:?}\n{said}");
                assert!(!at_the_server || first.code == Some(7), "{first:?}");
            }
            let server = stage.serve(None);
            holds(stage);
            check(stage, effect).await;
            server.stop();
            if first.succeeded() {
                break;
            }
        }
        assert!(refused > 0, "the disk was never full");
    }
}

const ANA: &str = "ro-diicot-ana";
const LUC: &str = "fr-junalco-luc";

fn command(parts: &[&str]) -> Vec<String> {
    words(&[parts, &["--reason", "Joint investigation"]].concat())
}

async fn server_disk(test: &str, folder: &str, place: &str, upload: bool) {
    if !may_mount(test) {
        return;
    }
    let scene = Scene::open().await;
    let (source, form) = scene.second();
    let case = scene.case.to_string();
    let stage = scene.leave().await;
    let disk = Disk::mount(&stage.path(folder), 64);
    let adding = command(&["exhibit", "add", &case, &source, "--form", &form]);
    let founding = command(&["case", "create", "--title", "Another", "--review", "2031-01-01"]);
    let (words, exactly): (_, &[_]) =
        if upload { (adding, &[("collection", 1)]) } else { (founding, &[("case.create", 1), ("member.change", 1)]) };
    let effect = Effect { exactly, at_least: &[] };
    let (stage, disk) = (&stage, &disk);
    Starving { stage, disk, home: ANA, words, effect, at_the_server: true, place: place.to_owned(), holds: |_| {} }.play().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_without_room_refuses_and_appends_once_when_there_is_room() {
    server_disk("disk::a_database_without_room_refuses_and_appends_once_when_there_is_room", "server/db", "data.database", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_store_without_room_refuses_and_takes_the_object_when_there_is_room() {
    server_disk(
        "disk::an_object_store_without_room_refuses_and_takes_the_object_when_there_is_room",
        "server/objects",
        "store.folder",
        true,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_file_without_room_is_written_over_itself() {
    if !may_mount("disk::a_head_file_without_room_is_written_over_itself") {
        return;
    }
    let stage = Scene::open().await.leave().await;
    let disk = Disk::mount(&stage.path("server/head"), 64);
    stage.restore();
    let server = stage.serve(None);
    disk.fill(0);
    let founded = stage.run(ANA, &command(&["case", "create", "--title", "Another", "--review", "2031-01-01"]), None);
    let (_, said) = server.stop();
    assert!(founded.succeeded(), "{founded:?}\n{said}");
    let server = stage.serve(None);
    check(&stage, &Effect { exactly: &[("case.create", 1), ("member.change", 1)], at_least: &[] }).await;
    server.stop();
}

/// A scene in which Ana's state lies on a disk of its own.
async fn state_disk() -> (Scene, Disk) {
    let folder = TempDir::new().unwrap();
    let disk = Disk::mount(&folder.path().join("devices").join(ANA), 64);
    (Scene::open_in(folder).await, disk)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_without_room_loses_no_intake() {
    if !may_mount("disk::a_state_without_room_loses_no_intake") {
        return;
    }
    let (scene, disk) = state_disk().await;
    let (source, form) = scene.second();
    let words = command(&["exhibit", "add", &scene.case.to_string(), &source, "--form", &form]);
    let stage = scene.leave().await;
    let effect = Effect { exactly: &[("collection", 1)], at_least: &[] };
    let (stage, disk, place) = (&stage, &disk, stage.home(ANA).display().to_string());
    Starving { stage, disk, home: ANA, words, effect, at_the_server: false, place, holds: |_| {} }.play().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_without_room_loses_no_commit() {
    if !may_mount("disk::a_state_without_room_loses_no_commit") {
        return;
    }
    let (scene, disk) = state_disk().await;
    let words = command(&["case", "add", &scene.case.to_string(), "fr-junalco/eva", "--history", "full"]);
    let stage = scene.leave().await;
    let effect = Effect { exactly: &[("member.change", 1), ("disclosure", 1)], at_least: &[] };
    let (stage, disk, place) = (&stage, &disk, stage.home(ANA).display().to_string());
    Starving { stage, disk, home: ANA, words, effect, at_the_server: false, place, holds: |_| {} }.play().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_made_whole_or_not_at_all_without_room() {
    if !may_mount("disk::a_device_is_made_whole_or_not_at_all_without_room") {
        return;
    }
    let scene = Scene::open().await;
    let request = scene.work("request");
    let words = words(&["device", "init", "--person", "ro-diicot/ion", "--name", "Ion", "--request", &request]);
    let new = scene.world.path("devices/new");
    fs::create_dir_all(&new).unwrap();
    let stage = scene.leave().await;
    let disk = Disk::mount(&new, 8);
    let (stage, disk, place) = (&stage, &disk, new.display().to_string());
    let effect = Effect::default();
    Starving { stage, disk, home: "new", words, effect, at_the_server: false, place, holds: |_| {} }.play().await;
}

/// Luc writes an exhibit of two segments to a disk of its own.
async fn target_disk(test: &str, parts: &[&str], target: &str, effect: Effect, holds: fn(&Stage)) {
    if !may_mount(test) {
        return;
    }
    let scene = Scene::open().await;
    let source = scene.world.path("evidence/second");
    evidence(&source, LONG);
    let second = scene.ana.add_exhibit(exhibit(scene.case, &source, "second"), |_| {}).await.must().exhibit;
    // Opened once, so that the command itself finds nothing new to learn.
    drop(scene.luc.open_exhibit(scene.case, second, custodia_client::open::Opening::View, Purpose::Trial, &statement()).await.must());
    let (case, second, target) = (scene.case.to_string(), second.to_string(), scene.work(target));
    let words = command(&[parts, &[&case, &second, "--purpose", "trial", "--to", &target, "--recipient", "Court"]].concat());
    let stage = scene.leave().await;
    let disk = Disk::mount(&stage.path("work"), 64);
    let (stage, disk, place) = (&stage, &disk, stage.path("work").display().to_string());
    Starving { stage, disk, home: LUC, words, effect, at_the_server: false, place, holds }.play().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_without_room_leaves_nothing_and_is_whole_when_there_is_room() {
    let test = "disk::an_export_without_room_leaves_nothing_and_is_whole_when_there_is_room";
    let effect = Effect { exactly: &[], at_least: &[("disclosure", 1)] };
    let holds = |stage: &Stage| assert!(files_below(&stage.path("work/out/second")) == files_below(&stage.path("evidence/second")));
    target_disk(test, &["exhibit", "export"], "out", effect, holds).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dossier_without_room_leaves_nothing_and_is_whole_when_there_is_room() {
    let test = "disk::a_dossier_without_room_leaves_nothing_and_is_whole_when_there_is_room";
    let effect = Effect { exactly: &[], at_least: &[("disclosure", 2)] };
    target_disk(test, &["dossier", "make"], "out.zip", effect, |stage| assert!(stage.path("work/out.zip").is_file())).await;
}
