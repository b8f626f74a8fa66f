//! The few words that a PDF needs beside the report's own: `words/<language>.json`, one object of texts for each language.

use serde::Deserialize;

/// The words of one language. `{names}` are filled in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Words {
    /// At the foot of a page: `{page}`, `{pages}`.
    pub page: String,
    /// Which part: `{part}`, `{parts}`.
    pub part: String,
    /// A heading that a part repeats: `{heading}`.
    pub continued: String,
    /// That there are parts: `{parts}`.
    pub parts: String,
    /// That code points stand for characters.
    pub not_shown: String,
}

/// The languages that reports are written in.
#[cfg(test)]
pub const LANGUAGES: [&str; 5] = ["en", "fr", "de", "nl", "ro"];

/// The words of a language, if reports are written in it.
pub fn of(language: &str) -> Option<Words> {
    let text = match language {
        "en" => include_str!("../words/en.json"),
        "fr" => include_str!("../words/fr.json"),
        "de" => include_str!("../words/de.json"),
        "nl" => include_str!("../words/nl.json"),
        "ro" => include_str!("../words/ro.json"),
        _ => return None,
    };
    Some(serde_json::from_str(text).expect("each file has exactly these words, as a test reads them all"))
}
