//! Times: the log's recorded time and the actor's claimed time are different types.

use core::fmt;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A time is not one that this format can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a time is written as in RFC 3339 with seconds and an offset, for example 2026-11-23T21:04:05+01:00")]
pub struct TimeError;

/// The log's recorded time: whole milliseconds since 1970-01-01T00:00:00Z, at most the year 9999.
///
/// It is what the server says; only stamps on checkpoints bound it from outside.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogTime(u64);

impl LogTime {
    const MAX_MILLIS: u64 = 253_402_300_799_999;

    /// Takes milliseconds since 1970-01-01T00:00:00Z; refuses what lies past the year 9999.
    pub fn from_millis(millis: u64) -> Result<Self, TimeError> {
        if millis > Self::MAX_MILLIS { Err(TimeError) } else { Ok(Self(millis)) }
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since 1970-01-01T00:00:00Z.
    pub const fn seconds(self) -> u64 {
        self.0 / 1000
    }
}

impl fmt::Display for LogTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = i128::from(self.0) * 1_000_000;
        let moment = OffsetDateTime::from_unix_timestamp_nanos(nanos).map_err(|_| fmt::Error)?;
        f.write_str(&moment.format(&Rfc3339).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for LogTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogTime({self})")
    }
}

/// The log's time as its milliseconds, for `#[serde(with = "…")]` where no person reads it.
pub mod as_millis {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use super::LogTime;

    /// Writes the milliseconds.
    pub fn serialize<S: Serializer>(time: &LogTime, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(time.millis())
    }

    /// Reads them.
    ///
    /// # Errors
    /// A time past the year 9999.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<LogTime, D::Error> {
        LogTime::from_millis(u64::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// An actor's claimed time with its zone offset, kept as the text that was signed (RFC 3339, at most 35 bytes).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedTime {
    text: String,
    millis: i128,
}

impl ClaimedTime {
    /// Reads RFC 3339 text.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        if !is_one_spelling(text.as_bytes()) {
            return Err(TimeError);
        }
        let moment = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| TimeError)?;
        Ok(Self { text: text.to_owned(), millis: moment.unix_timestamp_nanos() / 1_000_000 })
    }

    /// The text as it was signed.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Milliseconds since 1970-01-01T00:00:00Z (negative before).
    pub const fn millis(&self) -> i128 {
        self.millis
    }
}

/// RFC 3339 leaves spellings open; here `T` and `Z` are capitals, there is no leap second, no year 0000, and at most nine digits of a second.
fn is_one_spelling(text: &[u8]) -> bool {
    let fraction = text.get(19..).unwrap_or_default();
    let digits = if let [b'.', rest @ ..] = fraction { rest.iter().take_while(|c| c.is_ascii_digit()).count() } else { 0 };
    text.len() <= 35
        && !text.starts_with(b"0000")
        && text.get(10) == Some(&b'T')
        && !text.contains(&b'z')
        && text.get(17) != Some(&b'6')
        && digits <= 9
}

impl serde::Serialize for ClaimedTime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> serde::Deserialize<'de> for ClaimedTime {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}
