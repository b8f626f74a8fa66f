//! What a person sees who gives `custodia` bad input, or whose server is bad: a process each, its exit code and its words.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]
#![cfg(unix)]

mod files;
mod server_and_state;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use custodia_core::identity::Role;
use custodia_core::ids::{CaseId, ExhibitId};
use custodia_tests::world::{Must as _, PASSPHRASE, World, case, exhibit};

/// How a process ended, and what it said.
#[derive(Debug)]
struct Ended {
    code: i32,
    out: String,
    err: String,
}

impl Ended {
    /// Ended with this code and says each of these on standard error, without anything that could deceive.
    #[track_caller]
    fn says(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        for word in words {
            assert!(self.err.contains(word), "{word}: {self:?}");
        }
        self.is_harmless();
    }

    #[track_caller]
    fn is_harmless(&self) {
        for text in [&self.out, &self.err] {
            assert!(!text.contains(['\u{1b}', '\u{202e}', '\r', '\u{7}']), "{self:?}");
        }
    }
}

fn command<S: AsRef<OsStr>>(program: &Path, home: &Path, words: &[S]) -> Command {
    let mut command = Command::new(program);
    command.args(words).arg("--home").arg(home).args(["--passphrase-fd", "0"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(mut command: Command, passphrase: &str) -> Ended {
    let mut child = command.spawn().unwrap();
    // A command that asks for no passphrase may have ended already.
    let _ = child.stdin.take().unwrap().write_all(format!("{passphrase}\n").as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
}

/// Runs `custodia` with Ana's device.
fn custodia<S: AsRef<OsStr>>(world: &World, words: &[S]) -> Ended {
    run(command(Path::new(env!("CARGO_BIN_EXE_custodia")), world.state_of(0, "ana").folder(), words), PASSPHRASE)
}

/// Words of a command, some of them paths.
macro_rules! words {
    ($($word:expr),* $(,)?) => { [$(OsString::from($word)),*] };
}
use words;

/// Ana's case with one exhibit; her device is closed, so that processes can use it.
async fn world() -> (World, CaseId, ExhibitId) {
    let world = World::behind(1).await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let case = case(&ana).await;
    let folder = world.path("phone");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("\u{202e}gpj.exe\n\u{1b}[2J"), vec![7; 9_000_000]).unwrap();
    let collected = ana.add_exhibit(exhibit(case, &folder, "phone"), |_| {}).await.must();
    ana.close().await.must();
    (world, case, collected.exhibit)
}

fn form(world: &World) -> PathBuf {
    let path = world.path("form.toml");
    let text = include_str!("../../intake-form.toml");
    let filled = [
        ("exhibit_number = \"\"", "exhibit_number = \"RO-2\""),
        ("\ntitle = \"\"", "\ntitle = \"A copy\""),
        ("review_date = \"\"", "review_date = \"2031-01-01\""),
        ("\nby = \"\"", "\nby = \"Ana Pop\""),
        ("\nat = \"\"", "\nat = \"2026-03-02T10:00:00+02:00\""),
        ("\nplace = \"\"", "\nplace = \"Cluj\""),
        ("\nperson = \"\"", "\nperson = \"a witness\""),
        ("\nmethod = \"\"", "\nmethod = \"export\""),
        ("\nidentifier = \"\"", "\nidentifier = \"W-7\""),
        ("\nauthority = \"\"", "\nauthority = \"Tribunal\""),
        ("\nstate = \"\"", "\nstate = \"RO\""),
        ("\nvalid_from = \"\"", "\nvalid_from = \"2026-01-01\""),
    ];
    let text = filled.iter().fold(text.to_owned(), |text, (empty, full)| {
        assert!(text.contains(empty), "{empty}");
        text.replacen(empty, full, 1)
    });
    fs::write(&path, text).unwrap();
    path
}

fn open(case: CaseId, exhibit: ExhibitId) -> [OsString; 8] {
    words!["exhibit", "open", case.to_string(), exhibit.to_string(), "--purpose", "investigation", "--reason", "Reading"]
}

fn add(case: CaseId, source: &Path, form: &Path) -> [OsString; 8] {
    words!["exhibit", "add", case.to_string(), source, "--form", form, "--reason", "Collected"]
}

/// How many records the log has: what was refused on the device added none.
async fn records(world: &World) -> u64 {
    let agent = world.reopen(0, "ana").await;
    agent.sync().await.must();
    let size = agent.log_size().await.must();
    agent.close().await.must();
    size
}
