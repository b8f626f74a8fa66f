//! The demo, where it does not go its usual way; `tests/run` runs it whole.

use std::fs;
use std::io::{BufRead as _, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use super::CUSTODIA;

/// Whether some process was started with this text in its command line.
fn runs(text: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok()).any(|line| String::from_utf8_lossy(&line).contains(text))
}

fn demo(temporary: &Path, words: &[&str]) -> Command {
    let mut demo = Command::new(CUSTODIA);
    demo.arg("demo").args(words).env("TMPDIR", temporary).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    demo
}

/// A demo whose server runs, and what it says from there on.
fn begun(temporary: &Path) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = demo(temporary, &[]).spawn().unwrap();
    let mut told = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(told.by_ref().map(Result::unwrap).any(|line| line.contains("It holds no key of anybody")));
    assert!(runs(temporary.to_str().unwrap()), "the server is started with its folder");
    (child, told)
}

#[test]
fn a_demo_that_does_not_come_to_its_end_leaves_no_process_and_no_folder() {
    let temporary = tempfile::tempdir().unwrap();
    let nothing_is_left = |after: &str| {
        assert!(!runs(temporary.path().to_str().unwrap()), "after {after}");
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0, "after {after}");
    };
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let (mut child, _told) = begun(temporary.path());
        assert!(Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(code));
        nothing_is_left(signal);
    }
    let (mut child, told) = begun(temporary.path());
    drop(told);
    child.wait().unwrap();
    nothing_is_left("nobody read on");
}

#[test]
fn evidence_that_is_none_is_named_before_anything_begins() {
    let (temporary, evidence) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::os::unix::fs::symlink("/etc/hostname", evidence.path().join("link\u{202e}")).unwrap();
    fs::create_dir(evidence.path().join("empty")).unwrap();
    let output = demo(temporary.path(), &["--evidence", evidence.path().to_str().unwrap()]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    for words in ["nothing in this folder can be evidence", "link\\u{202e} is a symbolic link", "empty: there is no file to take in"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
}
