//! Cases of the command line as text: what is typed, what is said, how it ends. `cases/README.md` explains the files.
//!
//! All files are one story in one folder, with a real server and a process for every command. What commands write under `--json` is judged by
//! the program's own schemas and Python's `jsonschema`.

mod matching;
mod script;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use matching::Bindings;
use script::{Case, Script};

const PROGRAM: &str = env!("CARGO_BIN_EXE_custodia");

/// What stands before every command: the program with two lines of passphrases where a terminal would ask.
const PRELUDE: &str = r#"custodia() { "$PROGRAM" --passphrase-fd 3 "$@" 3< <(printf '%s\n%s\n' "$PASSPHRASE" "$PASSPHRASE"); }"#;

/// Commands whose JSON, or whose refusal, no case shows, and where it is shown instead.
const ELSEWHERE: &[(&str, &str)] = &[
    ("demo", "it takes half a minute: the last gate of tests/run runs it"),
    ("witness serve", "it runs on: the walkthrough of docs/WITNESSES.md starts it, and tests/faults kills it"),
];

/// The folder in which the story happens, its server, and what was written as JSON so far.
struct Stage {
    folder: tempfile::TempDir,
    server: Option<Child>,
    bindings: Bindings,
    commands: Vec<String>,
    documents: Vec<serde_json::Value>,
    /// Commands that answered under `--json`, and commands that were refused something.
    answered: BTreeSet<String>,
    refused: BTreeSet<String>,
    faults: Vec<String>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Stage {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
        let names = Command::new(PROGRAM).arg("schema").env("CUSTODIA_CONFIG", "/dev/null").output().unwrap();
        let mut commands: Vec<String> = String::from_utf8(names.stdout).unwrap().lines().map(str::to_owned).collect();
        commands.sort_by_key(|name| std::cmp::Reverse(name.len()));
        Self {
            folder,
            server: None,
            bindings: Bindings::from([("PORT".to_owned(), port)]),
            commands,
            documents: Vec::new(),
            answered: BTreeSet::new(),
            refused: BTreeSet::new(),
            faults: Vec::new(),
        }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().current_dir(self.folder.path()).env("PATH", std::env::var_os("PATH").unwrap()).env("PROGRAM", PROGRAM);
        command.env("HOME", self.folder.path()).env("PASSPHRASE", "a passphrase").env("CUSTODIA_CONFIG", "/dev/null");
        command.env("LC_ALL", "C.UTF-8").envs(&self.bindings);
        command
    }

    /// Starts the server of a folder that `serve init` made, and waits until it says that it listens.
    fn serve(&mut self, folder: &str) {
        let mut command = self.command(PROGRAM);
        command.args(["serve", "--json", "--config", &format!("{folder}/custodia.toml")]).stdin(Stdio::null());
        let mut server = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        self.server = Some(server);
        self.take_document("serve", &line, "serve");
        self.answered.insert("serve".to_owned());
    }

    fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    /// The command that a line runs, if it runs one of ours.
    fn name(&self, line: &str) -> Option<String> {
        let words = line.split("custodia ").nth(1)?;
        self.commands.iter().find(|name| words.starts_with(name.as_str())).cloned()
    }

    fn take_document(&mut self, name: &str, text: &str, place: &str) {
        match serde_json::from_str::<serde_json::Value>(text) {
            Ok(json) => self.documents.push(serde_json::json!({"schema": name, "place": place, "document": json})),
            Err(error) => self.faults.push(format!("{place}: not JSON ({error}): {text}")),
        }
    }

    fn run(&mut self, script: &Script, case: &Case) {
        let place = format!("{}:{}", script.name, case.line);
        match case.command.strip_prefix("@ ") {
            Some(words) if words.starts_with("serve ") => return self.serve(&words[6..]),
            Some("stop") => return self.stop(),
            Some(words) if words.starts_with("set ") => {
                let (name, value) = words[4..].split_once('=').unwrap();
                let value = self.bindings.iter().fold(value.to_owned(), |text, (name, value)| text.replace(&format!("${name}"), value));
                self.bindings.insert(name.to_owned(), value);
                return;
            }
            Some(other) => panic!("{place}: no such direction: {other}"),
            None => {}
        }
        let Output { status, stdout, stderr } =
            self.command("bash").args(["-c", &format!("{PRELUDE}\n{}", case.command)]).stdin(Stdio::null()).output().unwrap();
        let (out, err) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
        let code = status.code().unwrap_or(-1);
        if let Some(name) = self.name(&case.command) {
            if case.command.contains(" --json") {
                // Diagnostics are JSON too, of the form of the library that writes them.
                for line in err.lines().filter(|line| !line.starts_with("{\"timestamp\":")) {
                    let kind = if line.starts_with("{\"note\":") { "note" } else { "error" };
                    self.take_document(kind, line, &place);
                }
                // A watch writes one document a line.
                let lines = if name == "audit watch" { out.lines().collect() } else { vec![out.as_str()] };
                for document in lines.into_iter().filter(|document| !document.is_empty()) {
                    self.take_document(&name, document, &place);
                    self.answered.insert(name.clone());
                }
            }
            if code != 0 {
                self.refused.insert(name);
            }
        }
        let told = matching::lines(&case.out, &out, &mut self.bindings)
            .map_err(|fault| format!("standard output: {fault}"))
            .and_then(|()| matching::lines(&case.err, &err, &mut self.bindings).map_err(|fault| format!("standard error: {fault}")))
            .and_then(|()| if code == case.code { Ok(()) } else { Err(format!("it ended with {code}, not {}", case.code)) });
        if let Err(fault) = told {
            let shown = script::shown(&case.command, &out, &err, code, &self.bindings);
            self.faults.push(format!("{place}: {fault}\n{shown}"));
        }
    }

    /// Judges everything that was written as JSON by the schemas of `docs/schema`, with no member that they do not name.
    fn judge(&mut self) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let python = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("tools/oracle/bin/python");
        assert!(python.exists(), "{} is missing: run tests/oracle/install, or tests/run", python.display());
        let documents = self.folder.path().join("documents.json");
        fs::write(&documents, serde_json::to_vec(&self.documents).unwrap()).unwrap();
        let mut judge = Command::new(python);
        judge.arg("-B").arg(root.join("crates/cli/tests/commands/cases/judge.py")).arg(root.join("docs/schema")).arg(&documents);
        let output = judge.output().unwrap();
        if !output.status.success() {
            self.faults.push(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned());
        }
    }

    /// Commands that no case shows to answer, or to refuse.
    fn look_for_gaps(&mut self) {
        for name in self.commands.iter().filter(|name| !ELSEWHERE.iter().any(|(one, _)| one == name)) {
            if !["error", "note"].contains(&name.as_str()) && !self.answered.contains(name) {
                self.faults.push(format!("no case shows what `custodia {name} --json` answers"));
            }
            if !["error", "note"].contains(&name.as_str()) && !self.refused.contains(name) {
                self.faults.push(format!("no case shows a refusal of `custodia {name}`"));
            }
        }
    }
}

#[test]
fn every_case_of_the_command_line_is_as_its_text_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/commands/cases");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    let mut stage = Stage::open();
    let mut count = 0;
    for path in &paths {
        let script = Script::read(path);
        for case in &script.cases {
            stage.run(&script, case);
            count += 1;
        }
    }
    stage.judge();
    stage.look_for_gaps();
    assert!(stage.faults.is_empty(), "{} of {count} cases:\n{}", stage.faults.len(), stage.faults.join("\n"));
    assert!(count >= 40, "{count} cases");
}
