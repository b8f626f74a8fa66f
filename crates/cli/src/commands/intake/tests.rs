use std::io::Cursor;

use clap::{Args as _, FromArgMatches as _};

use super::*;

/// Flags of a whole intake.
const WHOLE: &[&str] = &[
    "--exhibit-number=RO-1",
    "--title=Phone",
    "--kind=phone_image",
    "--collected-by=Ana Pop",
    "--collected-at=2026-03-02T10:00:00+02:00",
    "--collected-place=Cluj",
    "--device-make=Fairphone",
    "--device-model=5",
    "--clock-deviation-seconds=-3",
    "--method=physical image",
    "--legal-basis=jit",
    "--legal-identifier=JIT-7",
    "--legal-authority=DIICOT",
    "--legal-state=RO",
    "--legal-valid-from=2026-01-01",
    "--handling=H0",
    "--source-evaluation=A",
    "--information-evaluation=1",
    "--person-categories=victim, suspect",
    "--special-category=no",
    "--child=yes",
    "--review=2031-01-01",
];

fn flags(words: &[&str]) -> Flags {
    let command = Flags::augment_args(Command::new("add").no_binary_name(true));
    Flags::from_arg_matches(&command.try_get_matches_from(words).unwrap()).unwrap()
}

fn form(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("form.toml");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

/// The template with every required line filled in.
fn filled() -> String {
    let mut text = TEMPLATE.to_owned();
    for (line, answer) in [
        ("exhibit_number = \"\"", "RO-1"),
        ("\ntitle = \"\"", "Phone"),
        ("review_date = \"\"", "2031-01-01"),
        ("\nby = \"\"", "Ana Pop"),
        ("\nat = \"\"", "2026-03-02T10:00:00+02:00"),
        ("\nplace = \"\"", "Cluj"),
        ("\nperson = \"\"", "a witness"),
        ("\nmethod = \"\"", "export"),
        ("identifier = \"\"", "JIT-7"),
        ("authority = \"\"", "DIICOT"),
        ("\nstate = \"\"", "RO"),
        ("valid_from = \"\"", "2026-01-01"),
    ] {
        assert!(text.contains(line), "{line}");
        text = text.replacen(line, &line.replace("\"\"", &format!("{answer:?}")), 1);
    }
    text
}

fn answers(text: &str) -> (Result<Intake, Failure>, String) {
    let mut out = Vec::new();
    let asked = ask(&mut Cursor::new(text), &mut out);
    (asked, String::from_utf8(out).unwrap())
}

const ANSWERS: &str = "RO-1\n\nPhone\n\nphone_image\n\nAna Pop\n2026-03-02T10:00:00+02:00\nCluj\n\nFairphone\n5\n\n-3\nphysical image\n\n\n\njit\nJIT-7\nDIICOT\nRO\n\
                       2026-01-01\n\nH0\nA\n1\nvictim, suspect\nno\nyes\n\n2031-01-01\n";

#[test]
fn flags_and_questions_end_in_the_same_intake() {
    let by_flags = given(None, &flags(WHOLE)).unwrap().unwrap();
    let (asked, out) = answers(&format!("{ANSWERS}yes\n"));
    assert_eq!(asked.unwrap(), by_flags, "{out}");
    assert!(out.contains("Kind of thing [document, chat_export, "));
    assert!(out.contains("acquisition.method                     physical image"), "the summary: {out}");
}

#[test]
fn the_template_is_a_form_of_every_field_and_flags_override_it() {
    for field in FIELDS {
        let name = field.key.rsplit('.').next().unwrap();
        assert!(TEMPLATE.lines().any(|line| line.trim_start_matches("# ").starts_with(&format!("{name} ="))), "{}", field.key);
    }
    let (_folder, path) = form(&filled());
    let plain = given(Some(&path), &flags(&[])).unwrap().unwrap();
    assert_eq!(plain.title.as_str(), "Phone");
    let flagged = given(Some(&path), &flags(&["--title=Tablet", "--handling=H1"])).unwrap().unwrap();
    assert_eq!((flagged.title.as_str(), flagged.handling.as_str()), ("Tablet", "H1"));
    assert_eq!(Intake { title: plain.title.clone(), handling: plain.handling, ..flagged }, plain, "nothing else changes");
}

#[test]
fn what_is_missing_or_wrong_is_named_with_what_is_allowed() {
    let message = |words: &[&str]| given(None, &flags(words)).err().unwrap().message;
    let without = |flag: &str| WHOLE.iter().copied().filter(|word| !word.starts_with(flag)).collect::<Vec<_>>();
    assert_eq!(message(&without("--title")), "the intake lacks --title");
    assert!(message(&["--title=x"]).contains("--kind (document, chat_export, "));
    assert_eq!(message(&without("--device-make")), "the intake lacks --device-make");
    let nobody: Vec<_> = without("--device").into_iter().filter(|word| !word.starts_with("--clock")).collect();
    assert_eq!(message(&nobody), "the intake lacks --source-person or --device-make");
    let with = |flag: &str| message(&[without(flag.split('=').next().unwrap()), vec![flag]].concat());
    assert!(with("--kind=photo").starts_with("--kind: \"photo\" is not one of document, chat_export, "));
    assert!(with("--collected-at=yesterday").starts_with("--collected-at: "));
    assert!(with("--child=perhaps").contains("neither yes nor no"));
    assert!(with("--legal-valid-to=2025-01-01").contains("end before it begins"));
    assert!(with("--legal-state=Romania").contains("two upper-case letters"));
    assert!(with("--handling=H3").contains("lacks --handling-restriction"));
    assert!(with("--handling-restriction=x").contains("--handling-restriction does not go"));
    assert!(with("--derived-from=00000000000000000000000000000001").contains("--how (copy, extract, redaction, "));

    let refused = |change: &str, to: &str| {
        let text = filled();
        assert!(text.contains(change), "{change}");
        let (_folder, path) = form(&text.replacen(change, to, 1));
        given(Some(&path), &flags(&[])).err().unwrap().message
    };
    assert!(refused("kind = \"document\"", "kind = \"photo\"").contains("kind: \"photo\" is not one of document"));
    assert!(refused("child = false", "child = \"no\"").contains("child: it is true or false"));
    assert!(refused("child = false", "kid = false").contains("there is no field kid"));
    assert!(refused("title = \"Phone\"", "title = \"\"").ends_with("the intake lacks --title"));
    assert!(nothing_given().message.contains("--exhibit-number, --title, --kind ("));
}

#[test]
fn a_bad_answer_is_asked_for_again_and_nothing_is_sealed_without_a_yes() {
    let stumbling = ANSWERS.replacen("phone_image\n", "phone\n\nphone_image\n", 1);
    let (asked, out) = answers(&format!("{stumbling}perhaps\nyes\n"));
    assert_eq!(asked.unwrap(), given(None, &flags(WHOLE)).unwrap().unwrap());
    assert_eq!(out.matches("Kind of thing [").count(), 3, "{out}");
    assert!(out.contains("\"phone\" is not one of document") && out.contains("an answer is needed"));
    assert_eq!(out.matches("is the exhibit to be sealed?").count(), 2);
    assert!(answers(&format!("{ANSWERS}no\n")).0.err().unwrap().message.contains("nothing was sealed"));
    for cut in [ANSWERS, "RO-1\n", ""] {
        assert!(answers(cut).0.err().unwrap().message.contains("gave no answer"));
    }
}
