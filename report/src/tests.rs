//! Whole reports, set in this process. `report/check` judges the PDFs by other programs.

use std::path::PathBuf;

use serde_json::{Value, json};
use time::macros::datetime;

use crate::document::{PageWords, Run};
use crate::fonts::Fonts;
use crate::{Options, PdfFile, ReportError, TypesetError, report, typeset};

const NOT_SHOWN: &str = "Letters are written as code points, such as ⟨U+0041⟩.";

fn options() -> Options {
    Options { made: datetime!(2026-11-28 09:00:00 +1), fonts: Vec::new(), rows_a_part: 2500 }
}

fn text(kind: &str, text: &str) -> Value {
    json!([{ "run": kind, "text": text }])
}

/// A report whose one table has the texts in its second column.
fn document(texts: &[&str]) -> Value {
    let rows: Vec<Value> = texts.iter().map(|t| json!({"marked": false, "cells": [text("plain", "1"), text("quoted", t)]})).collect();
    json!({
        "language": "en",
        "title": [{"run": "plain", "text": "Report on "}, {"run": "quoted", "text": texts.first()}],
        "skip": "Skip", "contents": "Contents",
        "pages": {"page": "{page} of {pages}", "part": "Part {part} of {parts}", "parts": "{parts} parts", "continued": "{heading} again", "not_shown": NOT_SHOWN},
        "blocks": [
            {"block": "heading", "level": 2, "id": "custody", "text": text("plain", "Custody")},
            {"block": "heading", "level": 3, "id": "acts", "text": text("quoted", texts.last().expect("a text"))},
            {"block": "table", "caption": text("plain", "Acts"), "head": [text("plain", "Record"), text("plain", "Why")], "rows": rows},
        ],
    })
}

fn made(document: &Value, options: &Options) -> Result<Vec<PdfFile>, ReportError> {
    let mut files = Vec::new();
    report(document.to_string().as_bytes(), options, |file| {
        files.push(file);
        Ok(())
    })?;
    Ok(files)
}

/// What the pages show, without white space.
fn shown(document: &Value, options: &Options) -> String {
    let mut document: crate::document::Document = serde_json::from_value(document.clone()).expect("a report");
    let fonts = Fonts::embedded().with_folders(&options.fonts, &crate::letters(&mut document));
    let refused = std::collections::BTreeSet::new();
    let part = crate::parts::Part { blocks: document.blocks, repeated: 0 };
    let mut legible = crate::Legible::new(&fonts, &refused);
    let head = crate::Head { language: "en", title: &document.title, contents: &document.contents, words: &document.pages, parts: 1 };
    let sheet = crate::sheet(&head, 1, &part, &mut legible);
    let pages = typeset::lay_out(&sheet, &fonts).expect("it is set");
    typeset::text_of(&pages).split_whitespace().collect()
}

#[test]
fn texts_of_others_are_shown_as_written_and_never_read_as_markup() {
    let hostile = [
        "#set page(fill: red)",
        "#panic(1)",
        "*bold* _it_ = head",
        "@ref <label>",
        "$x^2$",
        "`raw` ```rust x```",
        "] } ) [",
        "\\u{41} \\ #",
        "// gone /* gone */",
        "-- --- ... ~ \"q\" 'q'",
        "#let x = read(\"/etc/passwd\")",
        "https://example.org/",
        "- item + item / term: x",
        "ﬁ fi ffl",
    ];
    let expected: String = hostile.concat().split_whitespace().collect();
    let shown = shown(&document(&hostile), &options());
    for text in hostile {
        let text: String = text.split_whitespace().collect();
        assert!(shown.contains(&text), "{text} is not in {shown}");
    }
    assert!(shown.len() > expected.len());
    assert_eq!(made(&document(&hostile), &options()).expect("a PDF").len(), 1);
}

#[test]
fn what_no_font_shows_is_written_in_code_points_and_the_report_says_so() {
    let note: String = NOT_SHOWN.split_whitespace().collect();
    let texts = document(&[
        "张三",
        "evil \u{202e}fdp.exe",
        "a\u{200b}b\u{7}",
        "ሰላም",
        "🙂",
        "\u{e000}",
        "Z\u{351}\u{36b}\u{343}\u{36a}",
        "⟨U+0041⟩",
    ]);
    let shown = shown(&texts, &options());
    for code in [
        "⟨U+5F20U+4E09⟩",
        "⟨U+202E⟩fdp.exe",
        "a⟨U+200B⟩b⟨U+0007⟩",
        "⟨U+1230U+120B",
        "⟨U+1F642⟩",
        "⟨U+E000⟩",
        "⟨U+005AU+0351",
        "⟨U+27E8⟩U+0041⟨U+27E9⟩",
    ] {
        assert!(shown.contains(code), "{code} is not in {shown}");
    }
    assert!(shown.contains(&note));
    assert_eq!(made(&texts, &options()).expect("a PDF").len(), 1);
}

#[test]
fn names_of_many_countries_need_no_code_points() {
    let names = [
        "Ștefan Țurcanu",
        "Étienne Lefèvre",
        "Jörg Weiß",
        "Σοφία",
        "Олена Коваленко",
        "Nguyễn Thị Ánh",
        "Łukasz Żółć",
        "Đorđe",
        "Arman Արամ",
        "გიორგი",
        "محمد",
        "דוד כהן",
        "e\u{301}",
    ];
    let shown = shown(&document(&names), &options());
    assert!(!shown.contains("⟨U+"), "{shown}");
    assert_eq!(made(&document(&names), &options()).expect("a PDF").len(), 1);
}

#[test]
fn a_missing_glyph_that_got_as_far_as_the_layout_is_found_there() {
    let sheet = json!({"language": "en", "name": "x", "title": text("plain", "x 张"), "part": null, "number": 1, "page": "{page}", "contents": "c", "notices": [], "blocks": []});
    let fonts = Fonts::embedded();
    match typeset::pdf(&sheet, "x", options().made, &fonts) {
        Err(TypesetError::NotShown(clusters)) => assert_eq!(clusters.into_iter().collect::<Vec<_>>(), ["张"]),
        other => panic!("{:?}", other.map(|bytes| bytes.len())),
    }
}

#[test]
fn the_same_report_gives_the_same_bytes_and_another_gives_others() {
    let [one, again, other] = ["a", "a", "b"].map(|t| made(&document(&[t]), &options()).expect("a PDF"));
    assert_eq!(one, again);
    assert_ne!(one, other);
    let later = Options { made: datetime!(2026-11-28 09:00:01 +1), ..options() };
    assert_ne!(one, made(&document(&["a"]), &later).expect("a PDF"));
}

#[test]
fn a_long_report_comes_in_parts_that_say_which_they_are() {
    let texts: Vec<String> = (0..25).map(|n| format!("act {n}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let options = Options { rows_a_part: 10, ..options() };
    let names: Vec<String> = made(&document(&texts), &options).expect("PDFs").into_iter().map(|file| file.name).collect();
    assert_eq!(names, ["report.en.1.pdf", "report.en.2.pdf", "report.en.3.pdf"]);
}

#[test]
fn what_is_no_report_is_refused_with_the_reason() {
    let refused = |document: Value| made(&document, &options()).expect_err("no report");
    let mut unknown_block = document(&["a"]);
    unknown_block["blocks"][0]["block"] = json!("film");
    assert!(matches!(refused(unknown_block), ReportError::Malformed(_)));
    let mut unknown_language = document(&["a"]);
    unknown_language["language"] = json!("../x");
    assert!(matches!(refused(unknown_language), ReportError::Language(code) if code == "../x"));
    let mut ragged = document(&["a"]);
    ragged["blocks"][2]["rows"][0]["cells"] = json!([text("plain", "alone")]);
    assert!(matches!(refused(ragged), ReportError::Ragged));
    assert!(matches!(report(b"{", &options(), |_| Ok(())), Err(ReportError::Malformed(_))));
}

#[test]
fn a_file_that_cannot_be_taken_ends_the_report() {
    let full = || std::io::Error::from(std::io::ErrorKind::StorageFull);
    let options = Options { rows_a_part: 2, ..options() };
    let mut taken = 0;
    let failed = report(document(&["a", "b", "c"]).to_string().as_bytes(), &options, |_| {
        taken += 1;
        Err(full())
    });
    assert!(matches!(failed, Err(ReportError::Written(why)) if why.kind() == std::io::ErrorKind::StorageFull));
    assert_eq!(taken, 1);
}

/// The reports that the other program makes: one in each language.
#[test]
fn the_words_of_every_language_need_no_code_points() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("samples");
    for language in ["en", "fr", "de", "nl", "ro"] {
        let json = std::fs::read(folder.join(format!("{language}.json"))).expect("a vector");
        let mut document: crate::document::Document = serde_json::from_slice(&json).expect("a report");
        let (fonts, none) = (Fonts::embedded(), std::collections::BTreeSet::new());
        let mut words: Vec<String> = Vec::new();
        let own = |run: &Run| matches!(run, Run::Plain(_) | Run::Strong(_));
        for block in &mut document.blocks {
            block.each_text(|text| words.extend(text.0.iter().filter(|run| own(run)).map(|run| run.as_str().to_owned())));
        }
        let PageWords { page, part, parts, continued, not_shown } = &document.pages;
        for (text, names) in
            [(page, &["{page}", "{pages}"][..]), (part, &["{part}", "{parts}"]), (parts, &["{parts}"]), (continued, &["{heading}"])]
        {
            assert!(names.iter().all(|name| text.contains(name)), "{language}: {text}");
        }
        // Its example has the brackets, which stand for themselves here.
        words.extend([page, part, parts, continued, &not_shown.replace(['⟨', '⟩'], "")].map(Clone::clone));
        for text in words {
            let mut legible = crate::Legible::new(&fonts, &none);
            legible.text(&text);
            assert!(!legible.substituted(), "{language}: {text}");
        }
        assert!(not_shown.chars().all(|c| fonts.cover(&c.to_string())), "{language}");
    }
}

/// A folder of its own for fonts, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("custodia-report-{}-{name}", std::process::id()));
        std::fs::create_dir_all(path.join("deep")).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A font that the program has and does not use by itself.
fn new_computer_modern() -> Vec<u8> {
    let fonts = typst_assets::fonts().filter(|data| {
        typst::text::FontInfo::new(data, 0)
            .is_some_and(|info| info.family == "NewComputerModernMath" || info.family == "New Computer Modern Math")
    });
    fonts.last().expect("typst brings it").to_vec()
}

/// A letter that only that font has: double-struck.
const DOUBLE_STRUCK: &str = "𝕏";

#[test]
fn a_folder_of_fonts_shows_what_ours_lack() {
    let folder = Folder::new("more");
    std::fs::write(folder.0.join("deep/more.otf"), new_computer_modern()).expect("written");
    std::fs::write(folder.0.join("broken.ttf"), b"no font").expect("written");
    let without = shown(&document(&[DOUBLE_STRUCK]), &options());
    assert!(without.contains("⟨U+1D54F⟩"), "{without}");
    let with = Options { fonts: vec![folder.0.clone(), "/nonexistent".into()], ..options() };
    let shown = shown(&document(&[DOUBLE_STRUCK]), &with);
    assert!(shown.contains(DOUBLE_STRUCK) && !shown.contains("⟨U+"), "{shown}");
    assert_eq!(made(&document(&[DOUBLE_STRUCK]), &with).expect("a PDF").len(), 1);
}

#[test]
fn a_font_whose_maker_forbids_embedding_is_not_used() {
    let folder = Folder::new("forbidden");
    let mut font = new_computer_modern();
    // The table directory: 16 bytes a table from byte 12, with tag, checksum, offset, length. fsType stands at byte 8 of OS/2; 2 is "restricted".
    let tables = usize::from(u16::from_be_bytes([font[4], font[5]]));
    let entry = (0..tables).map(|n| 12 + 16 * n).find(|at| &font[*at..at + 4] == b"OS/2").expect("an OS/2 table");
    let offset = u32::from_be_bytes(font[entry + 8..entry + 12].try_into().expect("four bytes")) as usize;
    font[offset + 8..offset + 10].copy_from_slice(&[0, 2]);
    std::fs::write(folder.0.join("forbidden.otf"), font).expect("written");
    let with = Options { fonts: vec![folder.0.clone()], ..options() };
    assert!(shown(&document(&[DOUBLE_STRUCK]), &with).contains("⟨U+1D54F⟩"));
}
