//! JSON with one encoding for one value: exactly the bytes that this format writes, so that no two readers can differ.
//!
//! Reading parses, writes what it understood, and compares. That refuses white space, other key orders, repeated or unknown
//! keys, `null` for what is absent, other spellings of numbers and escapes, and arrays in place of objects.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{ExhibitError, Part};

/// Writes a value; keys in the order of the type, no white space, escapes as ECMAScript's `JSON.stringify` makes them.
pub(super) fn write<T: Serialize>(part: Part, value: &T) -> Result<Vec<u8>, ExhibitError> {
    serde_json::to_vec(value).map_err(|_| ExhibitError::Bug { part, why: "every value of the type can be written" })
}

/// Reads a value from exactly the bytes that [`write`] gives for it; the caller has checked the length.
pub(super) fn read<T: Serialize + DeserializeOwned>(part: Part, bytes: &[u8]) -> Result<T, ExhibitError> {
    let value: T =
        serde_json::from_slice(bytes).map_err(|error| ExhibitError::Json { part, line: error.line(), column: error.column() })?;
    let mut rest = Compare { rest: bytes };
    let same = serde_json::to_writer(&mut rest, &value).is_ok() && rest.rest.is_empty();
    if same { Ok(value) } else { Err(ExhibitError::Json { part, line: 1, column: bytes.len() - rest.rest.len() + 1 }) }
}

/// Compares what is written with what was read, without keeping it.
struct Compare<'b> {
    rest: &'b [u8],
}

impl io::Write for Compare<'_> {
    fn write(&mut self, written: &[u8]) -> io::Result<usize> {
        self.rest = self.rest.strip_prefix(written).ok_or(io::ErrorKind::InvalidData)?;
        Ok(written.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
