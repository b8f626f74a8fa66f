//! An I/O sweep: the n-th write, sync or rename of a process fails, for every n until the command ends by itself.
//!
//! The program is the product's own; `shim.c` stands between it and the system. After each failure the same command, run again, ends well, and the
//! checker finds the world whole: nothing was acknowledged that is not there. The suite takes some n of each command; `tests/sweep` takes every one.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::check::check;
use crate::kill::{Step, Victim, addition, device, export, founding, intake, joining, making, opening};
use crate::process::Variables;
use crate::stage::{Scene, Stage};

/// How many failures of each kind of call of one command the suite plays.
const SAMPLE: usize = 2;

/// What a call fails with, by turns: a disk that gives up, and one that is full. The numbers of Linux.
const ERRORS: [u64; 2] = [5, 28];

/// The shim, and the file by which it is told what fails.
struct Shim {
    control: File,
    variables: [(&'static str, PathBuf); 2],
    _folder: TempDir,
}

impl Shim {
    fn build() -> Self {
        let folder = TempDir::new().unwrap();
        let (library, control) = (folder.path().join("shim.so"), folder.path().join("control"));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/faults/shim.c");
        let built = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).output().unwrap();
        assert!(built.status.success(), "the shim does not build: {}", String::from_utf8_lossy(&built.stderr));
        fs::write(&control, [0; 4096]).unwrap();
        let file = OpenOptions::new().read(true).write(true).open(&control).unwrap();
        Self { control: file, variables: [("LD_PRELOAD", library), ("CUSTODIA_IO_FAULT", control)], _folder: folder }
    }

    fn variables(&self) -> &Variables {
        &self.variables
    }

    fn number(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        self.control.read_exact_at(&mut bytes, at).unwrap();
        u64::from_ne_bytes(bytes)
    }

    /// From now on calls are counted, and the one of that number fails.
    fn arm(&self, target: u64, error: u64) {
        for (at, number) in [(8, 0), (24, 0), (0, 0), (16, error), (8, target)] {
            self.control.write_all_at(&number.to_ne_bytes(), at).unwrap();
        }
    }

    /// The kinds of the calls that were counted last, in order.
    fn calls(&self) -> Vec<u8> {
        let mut calls = vec![0; 3584];
        self.control.read_exact_at(&mut calls, 512).unwrap();
        calls.truncate(usize::try_from(self.number(0)).unwrap());
        calls
    }

    /// Nothing fails any more. Gives what failed, and how many calls were counted.
    fn disarm(&self) -> (Option<String>, u64) {
        self.control.write_all_at(&0_u64.to_ne_bytes(), 8).unwrap();
        let mut text = [0; 480];
        self.control.read_exact_at(&mut text, 32).unwrap();
        let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
        let fired = self.number(24) == 1;
        (fired.then(|| String::from_utf8_lossy(text).into_owned()), self.number(0))
    }
}

/// The size of the log that the server's head file remembers.
fn head_file(stage: &Stage) -> i64 {
    let text = String::from_utf8_lossy(&fs::read(stage.path("server/head/head")).unwrap()).into_owned();
    // Of its two lines one may be half written, or older.
    let sizes = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()?["size"].as_i64());
    sizes.max().unwrap()
}

/// One failure; gives which call it was, if there were so many, and how many there were.
async fn one(stage: &Stage, step: &Step, victim: Victim, shim: &Shim, (target, error): (u64, u64)) -> (Option<String>, u64) {
    stage.restore();
    let (of_agent, of_server): (&Variables, &Variables) = match victim {
        Victim::Agent => (shim.variables(), &[]),
        Victim::Server => (&[], shim.variables()),
    };
    let mut server = stage.serve_with(None, of_server);
    shim.arm(target, error);
    let mut ended = stage.run_with(step.home, &step.words, None, of_agent);
    let (failed, count) = shim.disarm();
    let mut said = String::new();
    if !ended.succeeded() {
        assert!(failed.is_some(), "nothing failed: {ended:?}");
        assert!(ended.code.is_some_and(|code| code != 101) && !ended.stderr.contains("panic"), "{failed:?}: {ended:?}");
        assert!(victim == Victim::Agent || ended.code == Some(7), "a server's trouble is no fault of the caller: {failed:?}: {ended:?}");
        if server.has_ended() {
            said += &server.stop().1;
            server = stage.serve(None);
        }
        let again = stage.run(step.home, &step.words, None);
        let done = again.succeeded() || again.code.is_some_and(|code| step.done.contains(&code));
        assert!(done, "again after {failed:?} failed with {error}: {again:?}, after {ended:?}");
        ended = again;
    }
    said += &server.stop().1;
    assert_eq!(head_file(stage), stage.kinds().await.values().sum::<i64>(), "the head file does not know what was acknowledged");
    let server = stage.serve(None);
    (step.holds)(stage, &ended);
    check(stage, &step.effect).await;
    said += &server.stop().1;
    assert!(!said.contains("panic"), "{failed:?}: {said}");
    (failed, count)
}

/// Some calls of each kind, spread over the run: the numbers by which they fail.
fn sample(calls: &[u8]) -> Vec<u64> {
    let mut by_kind: BTreeMap<u8, Vec<u64>> = BTreeMap::new();
    for (number, kind) in (1..).zip(calls) {
        by_kind.entry(*kind).or_default().push(number);
    }
    let spread = |numbers: &Vec<u64>| -> Vec<u64> {
        let count = SAMPLE.min(numbers.len());
        (1..=count).map(|part| numbers[numbers.len() * part / count - 1]).collect()
    };
    by_kind.values().flat_map(spread).collect()
}

/// Every n, or those that the suite takes; drawn names of files are not told.
async fn sweep(scene: Scene, step: Step, victim: Victim) {
    let (stage, shim) = (scene.leave().await, Shim::build());
    let (_, count) = one(&stage, &step, victim, &shim, (u64::MAX, ERRORS[0])).await;
    assert!(count > 0, "the {victim:?} writes nothing");
    let every = std::env::var_os("CUSTODIA_SWEEP").is_some();
    let targets = if every { (1..=count + 8).collect() } else { sample(&shim.calls()) };
    let mut failed: BTreeMap<String, u32> = BTreeMap::new();
    for (round, target) in targets.iter().enumerate() {
        // Not every run makes exactly as many calls: the last may not be reached.
        let (Some(call), _) = one(&stage, &step, victim, &shim, (*target, ERRORS[round % 2])).await else { continue };
        let (kind, path) = call.split_once(' ').unwrap_or((&call, ""));
        let file = path.rsplit('/').next().unwrap_or_default();
        let file = if file.starts_with('.') || file.contains('#') || file.len() >= 32 { "(drawn)" } else { file };
        *failed.entry(format!("{kind} {file}")).or_default() += 1;
    }
    let failures = usize::try_from(failed.values().sum::<u32>()).unwrap();
    #[expect(clippy::print_stdout, reason = "the numbers are what this test is for")]
    {
        println!("{failures} failures of the {victim:?} in {count} calls of {:?}: {failed:?}", &step.words[..2]);
    }
    let expected = targets.len().min(usize::try_from(count).unwrap());
    assert!(failures + 8 >= expected && failures * 2 >= expected, "{failures} of {expected} calls were reached");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_survives_every_failing_write_of_the_server() {
    sweep(Scene::open().await, founding(), Victim::Server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_survives_every_failing_write_of_the_server() {
    let scene = Scene::open().await;
    let step = intake(&scene);
    sweep(scene, step, Victim::Server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intake_survives_every_failing_write_of_the_agent() {
    let scene = Scene::open().await;
    let step = intake(&scene);
    sweep(scene, step, Victim::Agent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_survives_every_failing_write_of_the_agent() {
    let scene = Scene::open().await;
    let step = addition(&scene);
    sweep(scene, step, Victim::Agent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_survives_every_failing_write_of_the_agent() {
    let scene = Scene::open().await;
    let step = joining(&scene).await;
    sweep(scene, step, Victim::Agent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opening_survives_every_failing_write_of_the_agent() {
    let scene = Scene::open().await;
    let step = opening(&scene);
    sweep(scene, step, Victim::Agent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_survives_every_failing_write_of_the_agent() {
    let scene = Scene::open().await;
    let step = export(&scene);
    sweep(scene, step, Victim::Agent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dossier_survives_every_failing_write_of_the_agent() {
    let scene = Scene::open().await;
    let step = making(&scene);
    sweep(scene, step, Victim::Agent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_made_whole_whichever_write_fails() {
    let scene = Scene::open().await;
    let step = device(&scene);
    sweep(scene, step, Victim::Agent).await;
}
