//! The second implementation (`tests/oracle`, Python, written from `docs/spec/` alone) judges every vector as the files say.

use std::path::Path;
use std::process::{Command, Output};

/// Runs a program of `tests/oracle` under the Python that `tests/oracle/install` made.
fn oracle(program: &str, arguments: &[&str]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in a folder of the workspace");
    let python =
        Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("cargo's folder for tests lies in target").join("tools/oracle/bin/python");
    assert!(python.exists(), "{} is missing: run tests/oracle/install, or tests/run", python.display());
    let program = root.join("tests/oracle").join(program);
    Command::new(python).arg("-B").arg(program).args(arguments).output().expect("Python runs")
}

#[test]
fn the_second_implementation_judges_every_vector_as_its_file_says() {
    let output = oracle("check", &[]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let count = text.lines().last().and_then(|line| line.split(' ').nth(2)).and_then(|count| count.parse().ok());
    assert!(count.is_some_and(|count: u32| count >= 2700), "{text}");
}

#[test]
fn the_second_implementation_still_makes_the_vectors_that_it_made() {
    let output = oracle("make", &["--compare"]);
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
}
