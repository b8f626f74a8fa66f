//! The README's walkthrough, run as it stands: every office, person and the judge in one folder, with a shell.

use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

const README: &str = include_str!("../../../../README.md");
const WITNESSES: &str = include_str!("../../../../docs/WITNESSES.md");
const RECOVERY: &str = include_str!("../../../../docs/RECOVERY.md");

/// What a reader's machine adds to the lines: the programs, passphrases where the terminal would ask for them, and a port that is free.
const MACHINE: &str = r#"
set -euo pipefail
custodia() {
    # What goes on in the background is the program itself, so that the shell's job is it.
    case "$1 $2" in "serve --config" | "witness serve") exec "$PROGRAM" "$@";; esac
    "$PROGRAM" --passphrase-fd 3 "$@" 3< <(printf 'a passphrase\na passphrase\n')
    if [ "$1 $2" = "serve init" ]; then sed -i "s/:8443/:$PORT/" server/custodia.toml; fi
}
custodia-verify() { "$PROGRAM" verify "$@"; }
"#;

#[test]
fn the_walkthroughs_of_the_readme_of_the_recovery_and_of_the_witness_run_as_they_stand() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("evidence")).unwrap();
    fs::write(folder.path().join("evidence/chat.txt"), "see you at the station").unwrap();
    let lines_of = |text: &'static str| text.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let lines = [README.split("## Setting up a vault").nth(1).unwrap(), RECOVERY, WITNESSES].map(lines_of).concat();
    let free = || TcpListener::bind("127.0.0.1:0").unwrap();
    let (one, two) = (free(), free());
    let [port, witness] = [&one, &two].map(|listener| listener.local_addr().unwrap().port().to_string());
    drop((one, two));
    let lines = lines.replace("127.0.0.1:8443", &format!("127.0.0.1:{port}")).replace("127.0.0.1:8444", &format!("127.0.0.1:{witness}"));
    fs::write(folder.path().join("walkthrough.sh"), format!("{MACHINE}{lines}")).unwrap();
    let (said, told) = (folder.path().join("said"), folder.path().join("told"));
    let mut shell = Command::new("bash")
        .arg("walkthrough.sh")
        .current_dir(folder.path())
        .env("PROGRAM", env!("CARGO_BIN_EXE_custodia"))
        .env("PORT", &port)
        .stdin(Stdio::null())
        .stdout(fs::File::create(&said).unwrap())
        .stderr(fs::File::create(&told).unwrap())
        .process_group(0)
        .spawn()
        .unwrap();
    let ended = shell.wait().unwrap();
    // The server goes on in the shell's group.
    Command::new("kill").args(["--", &format!("-{}", shell.id())]).status().unwrap();
    let (said, told) = (fs::read_to_string(said).unwrap(), fs::read_to_string(told).unwrap());
    assert!(ended.success(), "{said}\n{told}");
    assert_eq!(said.matches("see you at the station").count(), 2, "{said}\n{told}");
    for words in [
        "see you at the station",
        "consultation",
        "disclosure (grant)",
        "PASSED: the custody of 1 exhibit is complete",
        "waits for a second person",
        "The quorum of your policy has cosigned all of them",
        "No log has shown what does not go together",
    ] {
        assert!(said.contains(words), "{words}\n{said}\n{told}");
    }
}
