//! The words of the report, one catalogue for each language: `languages/<code>.json`, an object of texts by key.
//!
//! A text may hold `{names}` that are filled in; every language has the same keys with the same names in them (a test).

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

/// A language of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    En,
    /// French.
    Fr,
    /// German.
    De,
    /// Dutch.
    Nl,
    /// Romanian.
    Ro,
}

/// There is no report in that language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownLanguage;

impl core::fmt::Display for UnknownLanguage {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("reports are written in en, fr, de, nl and ro")
    }
}

impl core::error::Error for UnknownLanguage {}

impl Language {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::En, Self::Fr, Self::De, Self::Nl, Self::Ro];

    /// Its code (BCP 47).
    pub const fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Fr => "fr",
            Self::De => "de",
            Self::Nl => "nl",
            Self::Ro => "ro",
        }
    }

    /// The language of a locale such as `fr_BE.UTF-8`, if there is a report in it.
    pub fn of_locale(locale: &str) -> Option<Self> {
        locale.split(['_', '.', '@', '-']).next().and_then(|code| code.to_ascii_lowercase().parse().ok())
    }

    pub(crate) fn words(self) -> Words {
        static ALL: OnceLock<BTreeMap<Language, BTreeMap<String, String>>> = OnceLock::new();
        let all = ALL.get_or_init(|| Self::ALL.into_iter().map(|language| (language, language.catalogue())).collect());
        Words(&all[&self])
    }

    fn catalogue(self) -> BTreeMap<String, String> {
        let text = match self {
            Self::En => include_str!("../languages/en.json"),
            Self::Fr => include_str!("../languages/fr.json"),
            Self::De => include_str!("../languages/de.json"),
            Self::Nl => include_str!("../languages/nl.json"),
            Self::Ro => include_str!("../languages/ro.json"),
        };
        serde_json::from_str(text).expect("the catalogues are objects of texts, as a test reads them")
    }
}

impl FromStr for Language {
    type Err = UnknownLanguage;

    fn from_str(text: &str) -> Result<Self, UnknownLanguage> {
        Self::ALL.into_iter().find(|language| language.code() == text).ok_or(UnknownLanguage)
    }
}

/// The texts of one language.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words(&'static BTreeMap<String, String>);

impl Words {
    /// The text of a key; the key itself where there is none, which the tests rule out.
    pub(crate) fn get(self, key: &str) -> &str {
        self.0.get(key).map_or(key, String::as_str)
    }

    /// The text of `<group>.<word>`, for a word of a fixed list.
    pub(crate) fn of(self, group: &str, word: &str) -> String {
        let key = format!("{group}.{word}");
        self.get(&key).to_owned()
    }

    /// The text of a key with its names filled in.
    pub(crate) fn fill(self, key: &str, values: &[(&str, &str)]) -> String {
        let mut filled = String::new();
        let mut rest = self.get(key);
        while let Some((before, name, after)) = next_name(rest) {
            filled.push_str(before);
            filled.push_str(values.iter().find(|(known, _)| *known == name).map_or(name, |(_, value)| value));
            rest = after;
        }
        filled + rest
    }

    #[cfg(test)]
    pub(crate) fn all(self) -> &'static BTreeMap<String, String> {
        self.0
    }
}

/// Text before the next `{name}`, the name, and what follows.
pub(crate) fn next_name(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('{')?;
    let (name, after) = rest.split_once('}')?;
    Some((before, name, after))
}
