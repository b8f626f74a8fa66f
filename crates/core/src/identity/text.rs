//! Texts that people read in certificates: limited, and without characters that show other than what is there.

use core::fmt;
use core::str::FromStr;

/// A text that may not stand in a certificate or trust list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TextError(&'static str);

/// Characters that are invisible, change the direction of writing, or have no agreed meaning.
fn is_deceptive(c: char) -> bool {
    let point = u32::from(c);
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || (point & 0xfffe) == 0xfffe
        || matches!(
            point,
            0xad | 0x34f
                | 0x61c
                | 0x115f
                | 0x1160
                | 0x17b4
                | 0x17b5
                | 0x180e
                | 0x200b..=0x200f
                | 0x2028..=0x202e
                | 0x2060..=0x206f
                | 0x3164
                | 0xe000..=0xf8ff
                | 0xfdd0..=0xfdef
                | 0xfe00..=0xfe0f
                | 0xfeff
                | 0xffa0
                | 0xfff9..=0xfffb
                | 0xe_0000..=0xe_0fff
                | 0xf_0000..=0x10_ffff
        )
}

fn shown_text(text: &str, most: usize) -> Result<(), TextError> {
    if text.len() > 4 * most || text.chars().count() > most {
        return Err(TextError("too long"));
    }
    if text.is_empty() || text.starts_with(' ') || text.ends_with(' ') || text.contains("  ") {
        return Err(TextError("empty, or with spaces at an end or doubled"));
    }
    if text.chars().any(is_deceptive) {
        return Err(TextError("contains a control, invisible or direction-changing character"));
    }
    Ok(())
}

macro_rules! shown_text {
    ($(#[$doc:meta])* $name:ident, $most:literal) => {
        $(#[$doc])*
        ///
        /// Normalisation and look-alike letters are not checked.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = TextError;

            fn from_str(text: &str) -> Result<Self, TextError> {
                shown_text(text, $most)?;
                Ok(Self(text.to_owned()))
            }
        }

        text_type!($name);
    };
}

macro_rules! text_type {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

shown_text! {
    /// The name of a person or office as it is shown, 1 to 64 characters.
    ShownName, 64
}
shown_text! {
    /// What a person calls one of their devices, 1 to 32 characters.
    DeviceLabel, 32
}

/// A country: two upper-case letters of ISO 3166-1. Whether the code is assigned is not checked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

impl Country {
    /// The two letters.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).expect("two ASCII letters")
    }
}

impl FromStr for Country {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        match text.as_bytes() {
            [a @ b'A'..=b'Z', b @ b'A'..=b'Z'] => Ok(Self([*a, *b])),
            _ => Err(TextError("a country is two upper-case letters")),
        }
    }
}

text_type!(Country);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_union_are_accepted() {
        for name in ["Ana Pop", "Ștefan Țurcanu", "Θεοδώρα Παπαδοπούλου", "Иванка Петрова", "O’Neill-Müller, LL.M.", "J", "王"]
        {
            assert_eq!(name.parse::<ShownName>().unwrap().as_str(), name);
        }
    }

    #[test]
    fn names_that_show_other_than_they_are_are_refused() {
        for name in [
            "",
            " Ana",
            "Ana ",
            "Ana  Pop",
            "Ana\tPop",
            "Ana\u{a0}Pop",
            "Ana\u{202e}poP",
            "Ana\u{2066}Pop",
            "Ana\u{200b}Pop",
            "Ana\u{feff}Pop",
            "Ana\nPop",
            "Ana\0",
            "Ana\u{e000}",
            "Ana\u{ffff}",
            "Ana\u{e0041}",
            "Ana\u{3164}",
        ] {
            assert!(name.parse::<ShownName>().is_err(), "{name:?}");
        }
    }

    #[test]
    fn lengths_count_characters() {
        assert!("Ș".repeat(64).parse::<ShownName>().is_ok());
        assert!("a".repeat(65).parse::<ShownName>().is_err());
        assert!("a".repeat(32).parse::<DeviceLabel>().is_ok());
        assert!("a".repeat(33).parse::<DeviceLabel>().is_err());
    }

    #[test]
    fn a_country_is_two_upper_case_letters() {
        assert_eq!("RO".parse::<Country>().unwrap().as_str(), "RO");
        for bad in ["ro", "R", "ROU", "R1", "ŞŢ", ""] {
            assert!(bad.parse::<Country>().is_err(), "{bad}");
        }
    }
}
