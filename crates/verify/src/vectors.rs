//! The dossiers of `tests/vectors/dossier`, made by the second implementation, get the verdicts that their file names.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use custodia_core::finding::{Status, Verdict};

use super::{Report, Trust, verify};

/// The checks in the order of `docs/spec/dossier.md`.
const ORDER: [&str; 14] = [
    "DOS-01", "DOS-02", "DOS-03", "LOG-01", "LOG-02", "LOG-03", "TRU-01", "CHN-01", "CHN-02", "CHN-03", "CHN-04", "EXH-01", "EXH-02",
    "EXH-03",
];

/// The first check, in the order of the page, that keeps the verdict from PASSED.
fn first(report: &Report) -> Option<&'static str> {
    let status = match report.verdict {
        Verdict::Passed => return None,
        Verdict::Indeterminate => Status::NotChecked,
        Verdict::Failed => Status::Failed,
    };
    ORDER.into_iter().find(|check| report.findings.iter().any(|finding| finding.check == *check && finding.status == status))
}

#[test]
fn dossiers_get_the_verdict_of_their_vectors() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/dossier");
    let file: serde_json::Value = serde_json::from_slice(&fs::read(folder.join("cases.json")).unwrap()).unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert!(cases.len() >= 80);
    let mut wrong = Vec::new();
    for case in cases {
        let text = |member: &str| case[member].as_str().unwrap();
        let dossier = fs::read(folder.join(text("dossier"))).unwrap();
        let report = verify(Cursor::new(dossier), &Trust::parse(text("trust")).unwrap()).unwrap();
        if (report.verdict.to_string().as_str(), first(&report)) != (text("expect"), case["first"].as_str()) {
            wrong.push(format!("{}: {:?} {}", text("name"), first(&report), report.to_text(true)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
