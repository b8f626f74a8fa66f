//! The dossiers of `tests/vectors/dossier`, made by the second implementation, get the verdicts that their file names.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use custodia_core::finding::{Status, Verdict};
use custodia_core::log::{KeyKind, VerifierKey};

use super::{Report, Trust, verify};

#[test]
fn dossiers_get_the_verdict_of_their_vectors() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/dossier");
    let file: serde_json::Value = serde_json::from_slice(&fs::read(folder.join("cases.json")).unwrap()).unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert!(cases.len() >= 210);
    let mut wrong = Vec::new();
    for case in cases {
        let text = |member: &str| case[member].as_str().unwrap();
        let dossier = fs::read(folder.join(text("dossier"))).unwrap();
        let report = verify(Cursor::new(dossier), &Trust::parse(text("trust")).unwrap()).unwrap();
        let first = report.first_obstacle().map(|finding| finding.check.as_str());
        if (report.verdict.to_string().as_str(), first) != (text("expect"), case["first"].as_str()) {
            wrong.push(format!("{}: {first:?} {}", text("name"), report.to_text(true)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A vector's dossier, judged by its trust file after `change`.
fn judged(name: &str, change: impl FnOnce(String) -> String) -> Report {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/dossier");
    let file: serde_json::Value = serde_json::from_slice(&fs::read(folder.join("cases.json")).unwrap()).unwrap();
    let case = file["cases"].as_array().unwrap().iter().find(|case| case["name"] == name).unwrap();
    let trust = change(case["trust"].as_str().unwrap().to_owned());
    let dossier = fs::read(folder.join(case["dossier"].as_str().unwrap())).unwrap();
    verify(Cursor::new(dossier), &Trust::parse(&trust).unwrap()).unwrap()
}

#[test]
fn what_the_policy_does_not_demand_is_listed_as_not_checked_and_does_not_stand_in_the_way() {
    let whole = judged("whole", |trust| trust);
    let open: Vec<_> = whole.findings.iter().filter(|finding| finding.status == Status::NotChecked).map(|one| one.check.as_str()).collect();
    assert_eq!((whole.verdict, open.as_slice()), (Verdict::Passed, &["LOG-07"][..]), "{}", whole.to_text(true));
    assert!(whole.to_text(false).contains("time only stated by the log\n"), "{}", whole.to_text(false));

    // A witness that the policy names and its quorum can do without.
    let public = *custodia_core::digest::Sha256Digest::of(&[b"any 32 bytes name a key"]).as_bytes();
    let key = VerifierKey::new("witness.example/w".parse().unwrap(), KeyKind::CosignatureV1, &public).unwrap();
    let named = judged("whole", |trust| trust.replacen("quorum ", &format!("witness spare {key}\\nquorum "), 1));
    assert_eq!(named.verdict, Verdict::Passed);
    assert!(named.to_text(false).contains("not checked  LOG-04  witness.example/w: the policy names it"), "{}", named.to_text(false));

    // Whoever demands nobody is told of the auditor that cosigned all the same, and that it counts for nothing.
    let nobody = judged("whole", |trust| format!("{}policy = \"\"\n", trust.split("policy = ").next().unwrap()));
    assert_eq!((nobody.verdict, nobody.first_obstacle().unwrap().check.as_str()), (Verdict::Indeterminate, "LOG-03"));
    assert!(nobody.to_text(false).contains("it counts for nothing"), "{}", nobody.to_text(false));
}

#[test]
fn the_report_says_where_an_exhibit_comes_from_and_what_is_withheld() {
    let mut report = judged("whole", |trust| trust);
    let index = report.index.as_mut().unwrap();
    index.withheld = vec![
        custodia_core::dossier::Withheld { exhibit: None, ground: "protection of\u{202e} a witness".to_owned() },
        custodia_core::dossier::Withheld { exhibit: Some(index.exhibits[0]), ground: "not yet translated".to_owned() },
    ];
    let text = report.to_text(false);
    let named = format!("Withheld: exhibit {}, on the ground: not yet translated\n", report.index.as_ref().unwrap().exhibits[0]);
    let hidden = "Withheld: an exhibit that is not named, on the ground: protection of\\u{202e} a witness\n";
    for line in [named.as_str(), hidden, "collected by ", "acquired by ", "legal basis "] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}
