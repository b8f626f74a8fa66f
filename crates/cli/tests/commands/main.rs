//! The `custodia` binary as people run it: at a real terminal, and without one.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

mod cases;
mod demo;
mod readme;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use custodia_core::identity::Role;
use custodia_tests::world::{Must as _, PASSPHRASE, World, case, exhibit};

const CUSTODIA: &str = env!("CARGO_BIN_EXE_custodia");

/// Runs a command with nobody at a terminal.
fn custodia(words: &[&str]) -> Output {
    Command::new(CUSTODIA).args(words).stdin(Stdio::null()).output().unwrap()
}

/// Runs a command line at a pseudo-terminal of its own, typing `answers`; gives what the terminal showed, and whether it succeeded.
fn at_terminal(line: &str, answers: &str) -> (String, bool) {
    let mut script = Command::new("script")
        .args(["--quiet", "--return", "--flush", "--command", line, "/dev/null"])
        .env("SHELL", "/bin/sh")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    script.stdin.take().unwrap().write_all(answers.as_bytes()).unwrap();
    let output = script.wait_with_output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.success())
}

/// The command line of a device's command, its passphrase on a file descriptor.
fn line(world: &World, home: &Path, words: &str) -> String {
    let passphrase = world.path("passphrase");
    fs::write(&passphrase, format!("{PASSPHRASE}\n")).unwrap();
    format!("{CUSTODIA} --home {} --passphrase-fd 3 {words} 3< {}", home.display(), passphrase.display())
}

const ANSWERS: &str = "RO-1\n\nThe phone\n\nfax\nphone_image\n\nAna Pop\n2026-03-02T10:00:00+02:00\nCluj\na witness\n\nphysical image\n\n\n\njit\nJIT-7\nDIICOT\n\
                       RO\n2026-01-01\n\nH0\nA\n1\nvictim\nno\nyes\n\n2031-01-01\n";

#[tokio::test(flavor = "multi_thread")]
async fn an_intake_is_asked_for_at_a_terminal_and_seals_what_was_answered() {
    let world = World::new().await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let case = case(&ana).await;
    let home = world.state_of(0, "ana").folder().to_owned();
    let source = world.path("note.txt");
    fs::write(&source, b"seen at the station").unwrap();
    ana.close().await.must();
    let add = line(&world, &home, &format!("exhibit add {case} {} --reason 'Collected under warrant'", source.display()));

    let refused = at_terminal(&add, &format!("{ANSWERS}no\n"));
    assert!(!refused.1 && refused.0.contains("nothing was sealed"), "{}", refused.0);
    let silent = at_terminal(&add.replace("exhibit add", "exhibit add --no-input"), "");
    assert!(!silent.1 && silent.0.contains("the intake lacks --exhibit-number"), "{}", silent.0);
    let (shown, sealed) = at_terminal(&add, &format!("{ANSWERS}yes\n"));
    assert!(sealed, "{shown}");
    assert!(shown.contains("\"fax\" is not one of document, chat_export"), "{shown}");
    assert!(shown.contains("title                                  The phone"), "the summary: {shown}");

    let ana = world.reopen(0, "ana").await;
    let titles = ana.exhibit_titles(case).await.must();
    assert_eq!(titles.iter().map(|(_, title)| title.as_str()).collect::<Vec<_>>(), ["The phone"], "one exhibit, and only one");
    ana.close().await.must();
}

#[test]
fn without_a_terminal_missing_fields_and_flags_are_named() {
    let asked = custodia(&["exhibit", "add", "case", "file", "--reason", "why"]);
    assert_eq!(asked.status.code(), Some(2));
    let said = String::from_utf8(asked.stderr).unwrap();
    assert!(said.contains("the intake lacks --exhibit-number, --title, --kind (document, "), "{said}");
    assert!(said.contains("exhibit add --template"), "what to do next: {said}");
    for (words, flag) in [(&["case", "create", "--title", "x"][..], "--review"), (&["exhibit", "open", "a", "b"], "--purpose")] {
        let asked = custodia(words);
        assert_eq!(asked.status.code(), Some(2));
        assert!(String::from_utf8(asked.stderr).unwrap().contains(flag));
    }
    let template = custodia(&["exhibit", "add", "--template"]);
    assert!(template.status.success() && String::from_utf8(template.stdout).unwrap().contains("exhibit_number = "));
}

#[tokio::test(flavor = "multi_thread")]
async fn acts_on_an_exhibit_are_commands_and_are_told_in_words() {
    let world = World::new().await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let case = case(&ana).await;
    let folder = world.path("evidence");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("note.txt"), b"seen at the station").unwrap();
    let exhibit = ana.add_exhibit(exhibit(case, &folder, "note"), |_| {}).await.must().exhibit;
    let home = world.state_of(0, "ana").folder().to_owned();
    ana.close().await.must();
    let run = |words: &str| {
        let line = line(&world, &home, &format!("exhibit {}", words.replace('X', &format!("{case} {exhibit}"))));
        let output = Command::new("sh").args(["-c", &line]).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code(), said)
    };
    let (code, said) = run("open X --file evidence/note.txt --purpose investigation --reason x --viewer 'tr a-z A-Z'");
    assert!(code == Some(0) && said.contains("SEEN AT THE STATION"), "a viewer reads the file from its input: {said}");
    let (code, said) = run("open X --file evidence/note.txt --purpose investigation --reason x --viewer 'exit 3'");
    assert!(code == Some(1) && said.contains("the viewer exit 3"), "{said}");
    let (code, said) = run("open X --file note.txt --purpose investigation --reason x");
    assert!(code == Some(6) && said.contains("it has, for example, evidence/note.txt"), "{said}");
    for (words, told) in [
        ("hold X --reason trial", "nobody erases it until your office lifts the hold"),
        ("restrict X --reason old", "opens for prosecution, trial and the defence only"),
        ("restrict X --lift --reason new", "The restriction has ended"),
        ("consent X --to judicial-use --reason asked", "Your office has consented"),
        ("alter X --handling H1 --review 2032-01-01 --reason asked", "is changed"),
        ("transfer X --means courier --recipient 'Forensic lab' --purpose investigation --reason analysis", "The transfer is recorded"),
    ] {
        let (code, said) = run(words);
        assert!(code == Some(0) && said.contains(told), "{words}: {said}");
    }
    let (code, said) = run("erase X --purpose victim-protection --reason asked");
    assert!(code == Some(5) && said.contains("ACC-08"), "a hold refuses an erasure: {said}");
    for (words, named) in [
        ("consent X --to all --reason x", "judicial-use"),
        ("transfer X --means fax --reason x", "courier"),
        ("alter X --reason x", "--handling"),
    ] {
        let (code, said) = run(words);
        assert!(code == Some(2) && said.contains(named), "{words}: {said}");
    }
    run("hold X --lift --reason over");
    run("erase X --purpose victim-protection --reason asked");
    let (code, state) = run("show X");
    assert!(code == Some(0) && state.contains("acts on it stand in the log") && !state.contains("Forensic lab"), "{state}");
    let (code, shown) = run("show X --purpose self-monitoring --reason 'Who had it'");
    assert_eq!(code, Some(0), "{shown}");
    for words in [
        "state        active",
        "handling     H1, collected by ro-diicot",
        "review       2032-01-01",
        "holds        none",
        "consent      to judicial-use, record ",
        "erasure      proposed by ro-diicot/ana",
        "disclosure (transfer (courier))",
        "alteration (handling H1, review 2032-01-01)",
        "refused by ACC-08",
        "erasure (proposed)",
        "hold.lift",
        "Forensic lab",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let (_, shown) = run("show X --json 2>&-");
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((shown["state"].as_str(), shown["handling"].as_str()), (Some("active"), Some("H1")));
}
