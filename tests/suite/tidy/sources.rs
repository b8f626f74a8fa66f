//! What source files keep to: size, names, words, and no test that is switched off.

use super::{Source, example, refuse, sources, words};

/// A file above this is never one idea.
const LINES_MOST: usize = 500;

/// A file above this needs a reason in `LONG`.
const LINES_USUAL: usize = 400;

/// Files of 401 to 500 lines, each with the reason why it is one idea.
const LONG: &[(&str, &str)] =
    &[("crates/core/src/custody/body.rs", "the bodies of all kinds, side by side as in the table of the specification")];

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["util", "utils", "helper", "helpers"];

/// Code that is not finished or a test that does not run. In pieces, so that this file does not find itself.
const UNFINISHED: &[&str] = &[concat!("#[ign", "ore"), concat!("to", "do!("), concat!("unimpl", "emented!(")];

/// Words that promise too much or belong to another trade; a word that begins with one counts too.
const AVOIDED: &[&str] = &["blockchain", "ledger", "tamper-proof", "kick", "utils"];

/// Where an avoided word may stand, because it quotes: path, word, reason.
const QUOTED: &[(&str, &str, &str)] = &[];

/// Files that are too long, or listed as long without being so.
fn too_long(files: &[Source], long: &[(&str, &str)]) -> Vec<String> {
    let lines = |file: &Source| file.text.lines().count();
    let listed = |path: &str| long.iter().any(|(known, _)| *known == path);
    let over = files
        .iter()
        .filter(|file| lines(file) > LINES_MOST || (lines(file) > LINES_USUAL && !listed(&file.path)))
        .map(|file| format!("{}: {} lines", file.path, lines(file)));
    let stale = long
        .iter()
        .filter(|(path, _)| !files.iter().any(|file| file.path == *path && lines(file) > LINES_USUAL))
        .map(|(path, _)| format!("{path}: listed in LONG, but it is not long"));
    over.chain(stale).collect()
}

/// Files or folders whose name says nothing.
fn named_emptily(files: &[Source]) -> Vec<String> {
    let stem = |part: &str| part.split('.').next().unwrap_or_default().to_lowercase();
    files
        .iter()
        .filter(|file| file.path.split('/').any(|part| EMPTY_NAMES.contains(&stem(part).as_str())))
        .map(|file| file.path.clone())
        .collect()
}

/// The lines of a file that hold one of `needles`.
fn lines_with(file: &Source, needles: &[&str]) -> Vec<String> {
    let hits = file.text.lines().enumerate().filter(|(_, line)| needles.iter().any(|needle| line.contains(needle)));
    hits.map(|(index, line)| format!("{}:{}: {}", file.path, index + 1, line.trim())).collect()
}

/// The avoided words of a file that it does not quote.
fn avoided_words(file: &Source, quoted: &[(&str, &str, &str)]) -> Vec<String> {
    let mut faults = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let line = line.to_lowercase();
        for word in words(&line, |character| character.is_alphanumeric() || character == '-') {
            for avoided in
                AVOIDED.iter().filter(|avoided| word.split('-').any(|part| part.starts_with(**avoided)) || word.starts_with(**avoided))
            {
                if !quoted.iter().any(|(path, quoted, _)| *path == file.path && quoted == avoided) {
                    faults.push(format!("{}:{}: {word}", file.path, index + 1));
                }
            }
        }
    }
    faults
}

#[test]
fn no_source_file_is_longer_than_one_idea() {
    let files = sources(&["crates"], ".rs");
    assert!(files.len() >= 9, "the walk finds the sources");
    refuse(
        &too_long(&files, LONG),
        "Give one of the file's ideas a module of its own; above 400 lines a reason in LONG, above 500 none helps.",
    );
}

#[test]
fn no_file_or_folder_has_an_empty_name() {
    refuse(&named_emptily(&sources(&["crates", "tests", "docs"], "")), "Name the file for what is inside.");
}

#[test]
fn no_code_is_unfinished_and_no_test_is_switched_off() {
    let faults: Vec<_> = sources(&["crates", "tests"], ".rs").iter().flat_map(|file| lines_with(file, UNFINISHED)).collect();
    refuse(&faults, "Finish it, or take it out: a test that does not run says nothing.");
}

#[test]
fn words_to_avoid_do_not_occur() {
    let faults: Vec<_> = sources(&["crates", "docs"], "").iter().flat_map(|file| avoided_words(file, QUOTED)).collect();
    refuse(&faults, "Say log, chain, tamper-evident, remove, or what the thing does; a quotation of a law goes to QUOTED with its reason.");
}

#[test]
fn a_long_file_is_reported_unless_listed_and_never_above_the_most() {
    let of = |lines: usize| [example("crates/a/src/a.rs", &"x\n".repeat(lines))];
    let listed = [("crates/a/src/a.rs", "one table")];
    assert_eq!(too_long(&of(400), &[]).len(), 0);
    assert_eq!(too_long(&of(401), &[]).len(), 1);
    assert_eq!(too_long(&of(500), &listed).len(), 0);
    assert_eq!(too_long(&of(501), &listed).len(), 1);
    assert_eq!(too_long(&of(400), &listed).len(), 1, "the list shrinks with the file");
}

#[test]
fn an_empty_name_is_reported_for_files_and_folders() {
    let files = ["crates/a/src/utils.rs", "crates/a/src/helpers/b.rs", "tests/suite/Util.rs", "crates/a/src/reutilise.rs"];
    assert_eq!(named_emptily(&files.map(|path| example(path, ""))).len(), 3);
}

#[test]
fn unfinished_code_is_reported_with_its_line() {
    for needle in UNFINISHED {
        let faults = lines_with(&example("a.rs", &format!("fn a() {{\n    {needle}\n}}")), UNFINISHED);
        assert_eq!(faults, [format!("a.rs:2: {needle}")]);
    }
    assert!(lines_with(&example("a.rs", "fn ignore() {}\n// nothing left to do!"), UNFINISHED).is_empty());
}

#[test]
fn an_avoided_word_is_reported_in_any_form_unless_quoted() {
    let faults = |text: &str| avoided_words(&example("docs/a.md", text), &[("docs/a.md", "ledger", "a statute says it")]).len();
    for text in ["a Blockchain", "kicked_out", "mod io_utils", "is tamper-proof.", "TAMPER-PROOF", "non-blockchain"] {
        assert_eq!(faults(text), 1, "{text}");
    }
    assert_eq!(faults("the ledgers of Art. 1; acknowledger; sidekick; tamper-evident"), 0);
}
