//! Tidy: what the house promises about its own shape, checked on the working tree.
//!
//! Every check is a function from text to faults, so that one test can feed it something bad and another runs it on
//! the tree. A failure says what to do about it.

mod arrows;
mod documents;
mod failpoints;
mod manifests;
mod sources;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file of the tree, under its path relative to the root with forward slashes.
struct Source {
    path: String,
    text: String,
}

/// The root of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in a folder of the workspace").to_owned()
}

/// The text of a file that must exist.
fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect(path)
}

/// The files below some files or folders that end in `suffix`, sorted; what does not exist holds none.
fn sources(starts: &[&str], suffix: &str) -> Vec<Source> {
    let root = root();
    let mut pending: Vec<PathBuf> = starts.iter().map(|start| root.join(start)).collect();
    let mut found = Vec::new();
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending.extend(fs::read_dir(&path).expect("a folder can be listed").map(|entry| entry.expect("an entry can be read").path()));
        } else if path.is_file() && path.to_string_lossy().ends_with(suffix) {
            let relative = path.strip_prefix(&root).expect("the walk stays below the root");
            let text = fs::read(&path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).expect("a file can be read");
            found.push(Source { path: relative.to_string_lossy().replace('\\', "/"), text });
        }
    }
    found.sort_by(|left, right| left.path.cmp(&right.path));
    found
}

/// What cargo prints when run on this workspace, without the network.
fn cargo(arguments: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO")).args(arguments).args(["--offline", "--locked"]).current_dir(root()).output().expect("cargo runs");
    assert!(output.status.success(), "cargo {arguments:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}

/// Fails with every fault and the way out of it.
fn refuse(faults: &[String], advice: &str) {
    assert!(faults.is_empty(), "\n{}\n{advice}\n", faults.join("\n"));
}

/// A file that exists only in the test of a check.
fn example(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}

/// The pieces of a text between characters that cannot belong to a word of its kind.
fn words(text: &str, belongs: fn(char) -> bool) -> impl Iterator<Item = &str> {
    text.split(move |character| !belongs(character)).filter(|word| !word.is_empty())
}
