//! The vectors: every file has at least three bad cases for one good one, each with a name of its own.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Files that are no cases to accept or refuse: answers that are looked up, and what other vectors are read with.
const TABLES: &[(&str, &str)] = &[
    ("exhibit/intake.json", "the intake of the worked manifest"),
    ("exhibit/path.json", "how raw paths are shown and exported; a few are refused"),
    ("exhibit/plan.json", "how streams of given lengths are padded and cut; lengths over the limit are refused"),
    ("exhibit/salamander.json", "one message and the two keys under which plain AES-GCM would open it"),
    ("grants/sealed.json", "keys and grants that grants.json is read with"),
    ("identity/hpke.json", "HPKE with X-Wing as its draft prints it"),
    ("identity/list.json", "the trust list under which issued.json is judged"),
    ("log/example.json", "the worked example"),
    ("log/foreign.json", "answers that other projects print"),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

/// Vector files that are this project's own, by their path below `tests/vectors`.
fn files(below: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(below).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        let name = path.strip_prefix(folder()).expect("it lies below").display().to_string();
        if path.is_dir() && name != "foreign" {
            files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "json") {
            found.push(name);
        }
    }
}

/// Whether a case is one to accept, and its name. A policy that is read and not met refuses, too.
fn judged(case: &Value) -> (bool, Option<&str>) {
    let said = ["expect", "result", "verdict"].iter().find_map(|member| case[*member].as_str());
    let said = said.or_else(|| case["wantErr"].as_bool().map(|refused| if refused { "refused" } else { "ok" }));
    let good = said.is_some_and(|word| ["ok", "good", "PASSED"].contains(&word)) && case["quorum"] != Value::Bool(false);
    (good, case["name"].as_str())
}

/// The lists of cases of a file: `cases`, or lists named for what they judge.
fn cases(file: &Value) -> Vec<(&str, &Vec<Value>)> {
    let lists = ["cases", "devices", "roots", "firsts", "successors", "inclusion", "consistency"];
    lists.iter().filter_map(|list| Some((*list, file[*list].as_array()?))).collect()
}

#[expect(clippy::print_stdout, reason = "the numbers are what this test is for")]
#[test]
fn every_vector_file_has_three_bad_cases_for_one_good_one_each_named_for_its_fault() {
    let mut names = Vec::new();
    files(&folder(), &mut names);
    names.sort();
    let (mut faults, mut all_good, mut all_bad) = (Vec::new(), 0, 0);
    for (table, _) in TABLES {
        if !names.contains(&(*table).to_owned()) {
            faults.push(format!("{table} is excused and not there; take it out of TABLES"));
        }
    }
    for name in names.iter().filter(|name| TABLES.iter().all(|(table, _)| table != name)) {
        let text = std::fs::read_to_string(folder().join(name)).expect("a vector file is text");
        let file: Value = serde_json::from_str(&text).expect("a vector file is JSON");
        let (mut good, mut bad) = (0, 0);
        let lists = cases(&file);
        for (list, cases) in &lists {
            let mut seen = BTreeSet::new();
            for case in *cases {
                let (is_good, called) = judged(case);
                *(if is_good { &mut good } else { &mut bad }) += 1;
                match called {
                    None | Some("") => faults.push(format!("{name}: a case of {list} has no name")),
                    Some(called) if !seen.insert(called) => faults.push(format!("{name}: two cases of {list} are named {called}")),
                    Some(_) => {}
                }
            }
        }
        println!("{name:30} {good:4} good {bad:4} bad");
        if lists.is_empty() {
            faults.push(format!("{name} has no list of cases; write them as docs/spec/README.md says, or excuse the file in TABLES"));
        } else if bad < 3 * good {
            faults.push(format!("{name}: {good} good and only {bad} bad cases; write {} more that are refused", 3 * good - bad));
        }
        (all_good, all_bad) = (all_good + good, all_bad + bad);
    }
    println!("{all_good} good, {all_bad} bad");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(all_good + all_bad >= 1_300, "vectors are gone: {all_good} good, {all_bad} bad");
}
