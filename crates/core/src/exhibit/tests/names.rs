//! Paths: what is refused, what is shown, what is written.

use std::collections::HashMap;

use super::super::path::{MAX_EXPORT_COMPONENT_LEN, display, export_name};
use super::outcome;

#[test]
fn names_that_leave_the_exhibit_are_refused() {
    let long = vec![b'a'; 1025];
    let deep = "a/".repeat(2048) + "b";
    let bad: &[&[u8]] = &[b"", b"/", b"/a", b"a/", b"a//b", b".", b"..", b"a/..", b"../a", b"a/./b", b"a\0b", &long, deep.as_bytes()];
    for path in bad {
        assert!(outcome(&export_name(path)).starts_with("rejected by Path"), "{}", display(path));
    }
}

#[test]
fn exported_names_are_harmless_and_differ() {
    let long = "é".repeat(300);
    let longer = long.clone() + "x";
    let paths: &[&[u8]] = &[
        b"a.txt",
        b"...",
        b"a.",
        b"a ",
        b"a=",
        b"a=2E",
        b"a\\b",
        b"..\\..\\b",
        b"C:evil",
        b"CON",
        b"con.txt",
        b"COM1",
        b"COM",
        b"NUL .txt",
        b"a\nb",
        b"a%0Ab",
        b"\xff\xfe",
        b"a\xffb",
        "a\u{202e}gpj.exe".as_bytes(),
        "a\u{200b}".as_bytes(),
        b"-rf",
        b" a",
        b"~",
        b"d/e/f",
        long.as_bytes(),
        longer.as_bytes(),
        "Жалоба.pdf".as_bytes(),
    ];
    let mut seen = HashMap::new();
    for &path in paths {
        let name = export_name(path).unwrap().as_str().to_owned();
        for component in name.split('/') {
            assert!(component.len() <= MAX_EXPORT_COMPONENT_LEN && !component.ends_with(['.', ' ']), "{name}");
        }
        assert!(!name.contains(['\\', ':', '%', '\n', '\u{202e}', '\u{200b}']), "{name}");
        assert_eq!(seen.insert(name, path), None);
    }
    for same in ["a.txt", "d/e/f", "Жалоба.pdf", "-rf", "COM"] {
        assert_eq!(seen.get(same), Some(&same.as_bytes()));
    }
    assert_eq!(seen.get("=43ON"), Some(&b"CON".as_slice()));
    assert_eq!(seen.get("..=2E"), Some(&b"...".as_slice()));
    assert_eq!(seen.get("a=FFb"), Some(&b"a\xffb".as_slice()));
}

#[test]
fn shown_names_keep_to_one_line_and_do_not_reorder() {
    for (raw, shown) in [
        (b"a\nb".as_slice(), "a\\u{a}b"),
        (b"\x1b[2J", "\\u{1b}[2J"),
        (b"a\\xffb", "a\\\\xffb"),
        (b"a\xffb", "a\\xffb"),
        ("\u{202e}gpj.exe".as_bytes(), "\\u{202e}gpj.exe"),
        ("a\u{a0}b c".as_bytes(), "a\\u{a0}b c"),
        ("жалоба".as_bytes(), "жалоба"),
    ] {
        assert_eq!(display(raw), shown);
    }
}
