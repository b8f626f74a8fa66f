//! The papers of a dossier: made of what the verifier finds, changing nothing else.

use custodia_core::digest::Sha256Digest;
use custodia_core::finding::Verdict;

use super::*;
use crate::dossier::{ReportProgram, papers};

fn papers(trust: Trust, languages: &[Language], transmission: Option<Transmission>) -> Papers {
    let at = "2026-11-23T21:05:09+01:00".to_owned();
    Papers { trust, languages: languages.to_vec(), transmission, at, program: None, folder: std::env::temp_dir() }
}

/// Adds papers to a dossier as attaching does.
fn with_papers(target: &Path, papers: &Papers) -> Found {
    let (mut draft, tags) = Draft::of_dossier(target, folder_of(target)).unwrap();
    let found = papers::add(&mut draft, tags, papers).unwrap();
    draft.replace(target).unwrap();
    found
}

#[test]
fn what_people_read_is_what_the_verifier_found_and_the_dossier_with_it_still_verifies() {
    let temp = tempfile::tempdir().unwrap();
    let target = temp.path().join("d.zip");
    let world = made(&target);
    let before = read(&target);
    let stated = Transmission { order: Some("EPOC 7".to_owned()), ..Transmission::default() };
    let found = with_papers(&target, &papers(trust(&world, ""), &Language::ALL, Some(stated)));
    assert_eq!(found.verdict, Verdict::Indeterminate, "{}", found.sentence);
    let after = read(&target);
    check_lists(&after);
    let report = custodia_verify::verify(std::io::Cursor::new(fs::read(&target).unwrap()), &trust(&world, "")).unwrap();
    assert_eq!((report.verdict, report.sentence()), (found.verdict, found.sentence), "the papers change nothing");
    let manifest = report.exhibits[0].manifest.clone().unwrap();
    for language in Language::ALL {
        let page = core::str::from_utf8(&after[&format!("report/report.{}.html", language.code())]).unwrap();
        let files = manifest.files().iter().map(|file| file.digests().sha256.to_string());
        let key = world.signer.log_key().to_string();
        for text in files.chain(["INDETERMINATE".to_owned(), key, world.pin.to_string(), "another investigation".to_owned()]) {
            assert!(page.contains(&text), "{} {text}", language.code());
        }
        assert_eq!(page.matches("<tr").count(), page.matches("</tr>").count());
    }
    let graph: serde_json::Value = serde_json::from_slice(&after["report/case-uco.jsonld"]).unwrap();
    let acts = graph["@graph"].as_array().unwrap().iter().filter(|node| node["@type"] == "case-investigation:InvestigativeAction");
    assert_eq!(acts.count(), report.exhibits[0].acts.len() + 1);
    assert_eq!(after.keys().filter(|name| !before.contains_key(*name)).count(), Language::ALL.len() + 2);

    // Attached: the reports say what is found now, in the languages that were there; the manifest stays, what else was made of them goes.
    let note = cosigned(&world.checkpoint(), 1).note().as_str().as_bytes().to_vec();
    let stale = "report/report.fr.pdf".to_owned();
    replace(&target, &custody::TagFiles::from([(paths::CHECKPOINT.to_owned(), note), (stale.clone(), b"%PDF".to_vec())])).unwrap();
    let auditor = Cosigner::new("auditor.example/1".parse().unwrap(), SigningKey::from_bytes(&[1; 32])).unwrap().cosigner_key();
    let demanding = trust(&world, &format!("witness auditor {auditor}\nquorum auditor\n"));
    let (_, tags) = Draft::of_dossier(&target, folder_of(&target)).unwrap();
    assert_eq!(papers::languages(&tags), Language::ALL);
    let found = with_papers(&target, &papers(demanding, &[Language::Fr], None));
    assert_eq!(found.verdict, Verdict::Passed, "{}", found.sentence);
    let attached = read(&target);
    assert!(!attached.contains_key(&stale) && !attached.contains_key("report/report.en.html"));
    assert_eq!(attached["report/manifest-2025-1550.json"], after["report/manifest-2025-1550.json"]);
    assert!(core::str::from_utf8(&attached["report/report.fr.html"]).unwrap().contains("PASSED"));
}

#[test]
fn a_damaged_payload_is_found_when_it_is_read_back() {
    let temp = tempfile::tempdir().unwrap();
    let target = temp.path().join("d.zip");
    let world = made(&target);
    let mut replaced = custody::TagFiles::new();
    replaced.insert(paths::chain_proofs(EXHIBIT), b"\n".to_vec());
    let none = Papers { folder: temp.path().to_owned(), ..papers(trust(&world, ""), &[], None) };
    let before = fs::read(&target).unwrap();
    let refused = attach::replace_tags(&target, replaced, none);
    assert!(matches!(&refused, Err(DossierError::Malformed(text)) if text.contains("LOG-02")), "{refused:?}");
    assert_eq!(fs::read(&target).unwrap(), before);
}

/// A program that does what `script` says; the folder for the PDF is its fourth argument.
fn program(folder: &Path, script: &str) -> ReportProgram {
    use std::os::unix::fs::PermissionsExt as _;
    // Each has a file of its own: several are made before the first runs.
    let path = folder.join(format!("custodia-report-{}", Sha256Digest::of(&[script.as_bytes()])));
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    ReportProgram { path, fonts: vec!["/fonts".into()] }
}

#[test]
fn the_pdf_of_a_program_goes_into_the_dossier_in_all_its_parts() {
    let temp = tempfile::tempdir().unwrap();
    let target = temp.path().join("d.zip");
    let world = made(&target);
    let good = r#"
        [ "$1 $2 $3 $5 $6" = "--made 2026-11-23T21:05:09+01:00 --output --fonts /fonts" ] || exit 1
        [ -z "$HOME" ] || exit 2
        cat >"$4/read" && grep -q '"language":"fr"' "$4/read" || exit 3
        for n in 1 2; do printf '%%PDF-1.7 part %s' $n >"$4/report.fr.$n.pdf"; echo "report.fr.$n.pdf"; done"#;
    let with = Papers {
        program: Some(program(temp.path(), good)),
        folder: temp.path().to_owned(),
        ..papers(trust(&world, ""), &[Language::Fr], None)
    };
    let found = with_papers(&target, &with);
    assert_eq!(found.no_pdf, Vec::new());
    let after = read(&target);
    check_lists(&after);
    for number in 1..=2 {
        assert_eq!(after[&format!("report/report.fr.{number}.pdf")], format!("%PDF-1.7 part {number}").into_bytes());
    }
    assert!(!after.contains_key("report/read"));
    let report = custodia_verify::verify(std::io::Cursor::new(fs::read(&target).unwrap()), &trust(&world, "")).unwrap();
    assert_eq!(report.verdict, found.verdict);
    let left: Vec<_> = fs::read_dir(temp.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "nothing is left in the private folder: {left:?}");
}

#[test]
fn a_program_that_is_missing_or_fails_is_said_and_loses_no_dossier() {
    let temp = tempfile::tempdir().unwrap();
    let target = temp.path().join("d.zip");
    let world = made(&target);
    let missing = || Some(ReportProgram { path: temp.path().join("missing"), fonts: Vec::new() });
    for (program, said) in [
        (None, "no program custodia-report was found"),
        (missing(), "missing: No such file or directory"),
        (Some(program(temp.path(), "exec <&-; echo no font shows it >&2; exit 3")), "and said: no font shows it"),
        (Some(program(temp.path(), "cat >/dev/null")), "something else than PDF files of this report: nothing"),
        (Some(program(temp.path(), "cat >/dev/null; echo ../d.zip")), "something else than PDF files of this report: ../d.zip"),
        (Some(program(temp.path(), "cat >/dev/null; echo report.en.pdf")), "something else than PDF files of this report: report.en.pdf"),
        (
            Some(program(temp.path(), "cat >/dev/null; echo report.fr.0.pdf")),
            "something else than PDF files of this report: report.fr.0.pdf",
        ),
        (Some(program(temp.path(), "cat >/dev/null; echo report.fr.pdf")), "No such file or directory"),
        (
            Some(program(temp.path(), "cat >/dev/null; echo text >\"$4/report.fr.pdf\"; echo report.fr.pdf")),
            "something else than PDF files of this report: report.fr.pdf",
        ),
    ] {
        let with = Papers { program, folder: temp.path().to_owned(), ..papers(trust(&world, ""), &[Language::Fr], None) };
        let found = with_papers(&target, &with);
        let [(Language::Fr, why)] = found.no_pdf.as_slice() else { panic!("{said}: {:?}", found.no_pdf) };
        assert!(why.to_string().contains(said), "{why} is not {said}");
        let after = read(&target);
        check_lists(&after);
        assert!(after.contains_key("report/report.fr.html") && after.keys().all(|name| !name.contains(".pdf")), "{said}");
        assert_eq!(found.verdict, Verdict::Indeterminate);
    }
}
