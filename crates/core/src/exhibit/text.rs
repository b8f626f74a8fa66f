//! Texts with limits: what an official typed, never blank, never longer than its field allows.

use core::fmt;

/// A text does not keep the limits of its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TextError(&'static str);

macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $why:literal, $allowed:expr) => {
        $(#[$doc])*
        ///
        /// Direction marks and look-alike letters are allowed: show it with [`crate::exhibit::path::display`].
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name<const MOST: usize>(String);

        impl<const MOST: usize> $name<MOST> {
            /// Checks the text against the limits of the type.
            pub fn new(text: &str) -> Result<Self, TextError> {
                Self::try_from(text.to_owned())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<const MOST: usize> TryFrom<String> for $name<MOST> {
            type Error = TextError;

            fn try_from(text: String) -> Result<Self, TextError> {
                let allowed: fn(char) -> bool = $allowed;
                if text.len() > MOST || text.trim().is_empty() || !text.chars().all(|c| !c.is_control() || allowed(c)) {
                    return Err(TextError($why));
                }
                Ok(Self(text))
            }
        }

        impl<const MOST: usize> From<$name<MOST>> for String {
            fn from(text: $name<MOST>) -> Self {
                text.0
            }
        }

        impl<const MOST: usize> fmt::Debug for $name<MOST> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
}

text_type! {
    /// One line of 1 to `MOST` bytes of UTF-8, not blank, without control characters. `Debug` does not show it.
    Line, "a line is not blank, keeps its length limit and has no control characters", |_| false
}
text_type! {
    /// Text of 1 to `MOST` bytes of UTF-8, not blank; line feed and tab are its only control characters. `Debug` does not show it.
    Prose, "a text is not blank, keeps its length limit and has no control characters but line feed and tab", |c| matches!(c, '\n' | '\t')
}

/// A day of the Gregorian calendar, `YYYY-MM-DD`, years 1900 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CalendarDate(time::Date);

impl CalendarDate {
    const FORM: &'static [time::format_description::BorrowedFormatItem<'static>] =
        time::macros::format_description!("[year]-[month]-[day]");

    /// Reads `YYYY-MM-DD`.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let date = time::Date::parse(text, Self::FORM).ok().filter(|date| text.len() == 10 && (1900..=9999).contains(&date.year()));
        date.map(Self).ok_or(TextError("a date is written YYYY-MM-DD, from the year 1900"))
    }
}

impl fmt::Display for CalendarDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.0.year(), u8::from(self.0.month()), self.0.day())
    }
}

impl TryFrom<String> for CalendarDate {
    type Error = TextError;

    fn try_from(text: String) -> Result<Self, TextError> {
        Self::parse(&text)
    }
}

impl From<CalendarDate> for String {
    fn from(date: CalendarDate) -> Self {
        date.to_string()
    }
}

/// A media type as its uploader names it (RFC 6838 §4.2), without parameters, in lower case; not checked against the bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MediaType(String);

impl MediaType {
    /// Reads `type/subtype`.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let first = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
        let name = |name: &str| {
            let bytes = name.as_bytes();
            (1..=127).contains(&bytes.len()) && first(bytes[0]) && bytes.iter().all(|&c| first(c) || b"!#$&-^_.+".contains(&c))
        };
        let good = text.split_once('/').is_some_and(|(kind, sub)| name(kind) && name(sub));
        if good { Ok(Self(text.to_owned())) } else { Err(TextError("a media type is type/subtype in lower case, without parameters")) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for MediaType {
    type Error = TextError;

    fn try_from(text: String) -> Result<Self, TextError> {
        Self::parse(&text)
    }
}

impl From<MediaType> for String {
    fn from(media_type: MediaType) -> Self {
        media_type.0
    }
}
