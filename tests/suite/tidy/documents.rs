//! What the documents keep to: rules agree with code and tests, and links lead somewhere.

use super::{Source, example, refuse, root, sources, words};
use std::collections::BTreeSet;

/// Where every rule has its row.
const RULES: &str = "docs/RULES.md";

/// Names of encodings that look like a rule id.
const NOT_RULES: &[&str] = &["UTF-16", "UTF-32"];

/// Is of the form `AAA-00` or `AAAA-00`.
fn is_rule_id(word: &str) -> bool {
    let Some((letters, digits)) = word.split_once('-') else { return false };
    (3..=4).contains(&letters.len())
        && letters.bytes().all(|byte| byte.is_ascii_uppercase())
        && digits.len() == 2
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !NOT_RULES.contains(&word)
}

/// The rule ids in a text.
fn rule_ids(text: &str) -> BTreeSet<String> {
    words(text, |character| character.is_alphanumeric() || character == '-').filter(|word| is_rule_id(word)).map(str::to_owned).collect()
}

/// The names of the functions in a text.
fn functions(text: &str) -> impl Iterator<Item = &str> {
    text.split("fn ").skip(1).filter_map(|rest| words(rest, |character| character.is_alphanumeric() || character == '_').next())
}

/// The rule ids that a text of tests carries: named outright, or by a function `aaa_00_…`.
fn tested_ids(tests: &str) -> BTreeSet<String> {
    let mut ids = rule_ids(tests);
    for name in functions(tests) {
        if let [letters, digits, _] = name.splitn(3, '_').collect::<Vec<_>>()[..] {
            ids.extend(rule_ids(&format!("{}-{digits}", letters.to_uppercase())));
        }
    }
    ids
}

/// The code of a source file, and its tests: a file of tests has no code.
fn code_and_tests(file: &Source) -> (&str, &str) {
    let of_tests = file.path.starts_with("tests/")
        || file.path.contains("/tests/")
        || file.path.ends_with("/tests.rs")
        || file.path.ends_with("/vectors.rs");
    match file.text.find("#[cfg(test)]") {
        _ if of_tests => ("", &file.text),
        Some(start) => file.text.split_at(start),
        None => (&file.text, ""),
    }
}

/// Is one of the files that hold the rules: `rules.rs`, `rules_….rs`, or anything in a folder `rules`.
fn holds_rules(path: &str) -> bool {
    path.starts_with("crates/core/src/")
        && path.rsplit_once('/').is_some_and(|(folder, name)| name.starts_with("rules") || folder.split('/').any(|part| part == "rules"))
}

/// The rule ids in the first cell of a table's row.
fn first_cell_ids(row: &str) -> BTreeSet<String> {
    rule_ids(row.split('|').next().unwrap_or_default())
}

/// Where the rules of the code, their rows in the document and the tests that name them do not agree.
fn disagreements(rust: &[Source], document: &str) -> Vec<String> {
    let mut code = BTreeSet::new();
    let mut tested = BTreeSet::new();
    let mut names = BTreeSet::new();
    for file in rust {
        let (program, tests) = code_and_tests(file);
        if holds_rules(&file.path) {
            code.extend(rule_ids(program));
        }
        tested.extend(tested_ids(tests));
        names.extend(functions(tests));
    }
    let rules: Vec<&str> =
        document.lines().filter_map(|line| line.strip_prefix('|')).filter(|row| !first_cell_ids(row).is_empty()).collect();
    let rows: Vec<String> = rules.iter().flat_map(|row| first_cell_ids(row)).collect();
    let documented: BTreeSet<String> = rows.iter().cloned().collect();
    let mut faults = Vec::new();
    faults.extend(code.difference(&documented).map(|id| format!("{id} is in the code and has no row in {RULES}")));
    faults.extend(documented.difference(&code).map(|id| format!("{id} has a row in {RULES} and is not in the code")));
    faults.extend(code.difference(&tested).map(|id| format!("{id} is in the code and no test names it")));
    faults.extend(
        documented.iter().filter(|id| rows.iter().filter(|row| row == id).count() > 1).map(|id| format!("{id} has two rows in {RULES}")),
    );
    for row in rules {
        let quoted = row.trim_end().trim_end_matches('|').rsplit('|').next().unwrap_or_default().split('`').nth(1);
        faults.extend(
            quoted
                .filter(|test| !is_rule_id(test) && !names.contains(test))
                .map(|test| format!("{RULES} names a test that does not exist: {test}")),
        );
    }
    faults
}

/// Tables whose last column names tests.
const TEST_TABLES: &[&str] = &["docs/THREATS.md", "docs/BAD-INPUT.md"];

/// The names of tests in the last cell of a table's row: sentences in backticks, words joined by underscores.
fn tests_of_row(row: &str) -> Vec<&str> {
    let last = row.trim_end().trim_end_matches('|').rsplit('|').next().unwrap_or_default();
    let is_sentence = |word: &&str| {
        word.matches('_').count() >= 2 && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    last.split('`').skip(1).step_by(2).filter(is_sentence).collect()
}

/// Tests that a document names and the tree does not have; for `each_row`, also rows that name none.
fn absent_tests(document: &Source, names: &BTreeSet<&str>, each_row: bool) -> Vec<String> {
    let is_row = |line: &&str| line.starts_with('|') && !line.starts_with("| ---");
    let heads: BTreeSet<usize> =
        document.text.lines().enumerate().filter(|(_, line)| line.starts_with("| ---")).map(|(at, _)| at - 1).collect();
    let mut faults = Vec::new();
    for (_, row) in document.text.lines().enumerate().filter(|(at, line)| is_row(line) && !heads.contains(at)) {
        let tests = tests_of_row(row);
        if each_row && tests.is_empty() {
            faults.push(format!("{} names no test: {row}", document.path));
        }
        let absent = tests.into_iter().filter(|test| !names.contains(test));
        faults.extend(absent.map(|test| format!("{} names a test that does not exist: {test}", document.path)));
    }
    faults
}

/// The targets of a Markdown text's links, inline and by reference, outside fenced code.
fn link_targets(text: &str) -> Vec<&str> {
    let mut fenced = false;
    let mut targets = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            targets.extend(line.split("](").skip(1).filter_map(|rest| rest.split(')').next()));
            targets.extend(line.strip_prefix('[').and_then(|line| line.split_once("]: ")).map(|(_, target)| target));
        }
    }
    targets.into_iter().filter_map(|target| target.split_whitespace().next()).collect()
}

/// The relative links of a document that lead nowhere; `exists` is asked for paths relative to the root.
fn dead_links(document: &Source, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let folder = document.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    link_targets(&document.text)
        .into_iter()
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:") && !target.starts_with('#'))
        .filter(|target| !exists(&format!("{folder}/{}", target.split('#').next().unwrap_or_default())))
        .map(|target| format!("{}: {target}", document.path))
        .collect()
}

#[test]
fn every_rule_has_code_a_row_and_a_test() {
    let Some(document) = sources(&[RULES], ".md").pop() else { return };
    let rust: Vec<_> = sources(&["crates", "tests"], ".rs").into_iter().filter(|file| !file.path.starts_with("tests/suite/tidy")).collect();
    refuse(
        &disagreements(&rust, &document.text),
        "A rule is one function in core with an id, one row in docs/RULES.md and a test that names the id: bring the three together.",
    );
}

#[test]
fn the_rows_of_the_rules_say_what_the_code_says() {
    let Some(document) = sources(&[RULES], ".md").pop() else { return };
    let custody = custodia_core::custody::rules::ALL.iter().map(|rule| (rule.id, rule.demands));
    let group = custodia_core::group::rules::GroupRule::ALL.iter().map(|rule| (rule.id(), rule.sentence()));
    let watch = custodia_core::watch::rules::ALL.iter().map(|rule| (rule.id, rule.says));
    let lacking: Vec<_> = custody
        .chain(group)
        .chain(watch)
        .filter(|(id, sentence)| !document.text.lines().any(|line| line.starts_with(&format!("| {id} | {sentence} |"))))
        .map(|(id, sentence)| format!("{id}: {sentence}"))
        .collect();
    refuse(&lacking, "Give the rule's row in docs/RULES.md the sentence that the code has.");
}

#[test]
fn every_test_that_a_document_names_exists() {
    let rust = sources(&["crates", "tests", "report/src"], ".rs");
    let names: BTreeSet<&str> = rust.iter().flat_map(|file| functions(code_and_tests(file).1)).collect();
    let documents: Vec<_> = TEST_TABLES.iter().flat_map(|path| sources(&[path], ".md")).collect();
    assert_eq!(documents.len(), TEST_TABLES.len());
    let faults: Vec<_> =
        documents.iter().flat_map(|document| absent_tests(document, &names, document.path.ends_with("BAD-INPUT.md"))).collect();
    refuse(&faults, "Name the test that shows it as it is called now, or write it.");
}

#[test]
fn every_relative_link_of_the_documents_resolves() {
    let faults: Vec<_> = sources(&["README.md", "docs"], ".md")
        .iter()
        .flat_map(|document| dead_links(document, |path| root().join(path.trim_start_matches('/')).exists()))
        .collect();
    refuse(&faults, "Correct the path, or write the page that it promises.");
}

#[test]
fn a_rule_without_row_or_code_or_test_is_reported() {
    let rules = example("crates/core/src/custody/rules.rs", "/// CUS-01\n#[cfg(test)]\nmod tests {\n// CUS-01\n}");
    let suite = example("tests/suite/a.rs", "// GRP-02");
    let elsewhere = example("crates/core/src/log.rs", "// LOG-77 is no rule here");
    let row = "| Id | Rule |\n| --- | --- |\n| `CUS-01` | one, see GRP-02 |\n";
    let faults = |files: [Source; 3], document: &str| disagreements(&files, document);
    assert_eq!(faults([rules, suite, elsewhere], row), Vec::<String>::new());
    let rules = |text: &str| [example("crates/core/src/custody/rules_case.rs", text), example("a.rs", ""), example("b.rs", "")];
    assert_eq!(faults(rules("CUS-01"), row), ["CUS-01 is in the code and no test names it"]);
    assert_eq!(faults(rules(""), row), ["CUS-01 has a row in docs/RULES.md and is not in the code"]);
    assert_eq!(faults(rules("CASE-02\n#[cfg(test)] CASE-02"), "").len(), 1, "no row");
    assert_eq!(faults(rules("CUS-01\n#[cfg(test)] fn cus_01_holds() {}"), row), Vec::<String>::new());
    let named = "| CUS-01 | one | `cus_01_held` |";
    assert_eq!(faults(rules("CUS-01\n#[cfg(test)] fn cus_01_held() {}"), named), Vec::<String>::new());
    assert_eq!(
        faults(rules("CUS-01\n#[cfg(test)] fn cus_01_holds() {}"), named),
        ["docs/RULES.md names a test that does not exist: cus_01_held"]
    );
    assert_eq!(faults(rules("CUS-01\n#[cfg(test)] CUS-01"), &row.repeat(2)), ["CUS-01 has two rows in docs/RULES.md"]);
}

#[test]
fn rule_ids_are_told_from_what_looks_like_them() {
    let found = rule_ids("CUS-01 (CASE-12), `LOG-03`: SHA-256 UTF-16 ED-01 abc-01 ABCDE-01 CUS-1 CUS-001 X-CUS-01");
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["CASE-12", "CUS-01", "LOG-03"]);
}

#[test]
fn a_test_that_is_named_and_absent_or_not_named_is_reported() {
    let table = "| a | test |\n| --- | --- |\n| x | `it_is_there_now`, `log_view` tests |\n| `not_a_test` | `it_is_gone` |\n| y | none |\n";
    let names = BTreeSet::from(["it_is_there_now"]);
    let faults = absent_tests(&example("docs/a.md", table), &names, false);
    assert_eq!(faults, ["docs/a.md names a test that does not exist: it_is_gone"]);
    assert_eq!(absent_tests(&example("docs/a.md", table), &names, true).len(), 2);
}

#[test]
fn a_dead_link_is_reported_and_a_living_one_is_not() {
    let text = "[a](spec/log.md#bytes) [b](../README.md \"title\") [c](https://example.org/x) [d](#here) [e](gone.md)\n[f]: lost.md\n```\n[g](code.md)\n```\n";
    let known = ["docs/spec/log.md", "docs/../README.md"];
    let faults = dead_links(&example("docs/a.md", text), |path| known.contains(&path));
    assert_eq!(faults, ["docs/a.md: gone.md", "docs/a.md: lost.md"]);
}
