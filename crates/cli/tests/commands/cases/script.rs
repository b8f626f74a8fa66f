//! The files of cases, read line by line.

use std::fmt::Write as _;
use std::path::Path;

use super::matching::{self, Bindings};

/// One file.
pub struct Script {
    pub name: String,
    pub cases: Vec<Case>,
}

/// One command, or a direction to the stage (`@ serve FOLDER`, `@ stop`), and what is expected of it.
#[derive(Default)]
pub struct Case {
    /// The line in the file.
    pub line: usize,
    pub command: String,
    pub out: Vec<String>,
    pub err: Vec<String>,
    pub code: i32,
}

impl Script {
    /// Reads a file; a line that is of no form ends the test.
    pub fn read(path: &Path) -> Self {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(path).unwrap();
        let mut cases: Vec<Case> = Vec::new();
        let mut lines = text.lines().enumerate();
        while let Some((at, line)) = lines.next() {
            let last =
                |cases: &mut Vec<Case>| cases.len().checked_sub(1).unwrap_or_else(|| panic!("{name}:{}: before any command", at + 1));
            match line.split_at_checked(2).unwrap_or((line, "")) {
                ("$ ", command) => {
                    let mut command = command.to_owned();
                    while command.ends_with('\\') {
                        command = format!("{}\n{}", command, lines.next().unwrap().1);
                    }
                    cases.push(Case { line: at + 1, command, ..Case::default() });
                }
                ("@ ", _) => cases.push(Case { line: at + 1, command: line.to_owned(), ..Case::default() }),
                ("> " | ">", text) => {
                    let last = last(&mut cases);
                    cases[last].out.push(text.to_owned());
                }
                ("! " | "!", text) => {
                    let last = last(&mut cases);
                    cases[last].err.push(text.to_owned());
                }
                ("? ", code) => {
                    let last = last(&mut cases);
                    cases[last].code = code.parse().unwrap();
                }
                _ if line.is_empty() || line.starts_with('#') => {}
                _ => panic!("{name}:{}: {line}", at + 1),
            }
        }
        Self { name, cases }
    }
}

/// What a command said, in the form of a file: to be read, compared, and taken over if it is right.
pub fn shown(command: &str, out: &str, err: &str, code: i32, bindings: &Bindings) -> String {
    let mut text = format!("$ {command}\n");
    for (mark, said) in [('>', out), ('!', err)] {
        for line in said.lines() {
            text.push_str(format!("{mark} {}", matching::named(line, bindings)).trim_end());
            text.push('\n');
        }
    }
    if code != 0 {
        let _ = writeln!(text, "? {code}");
    }
    text
}
