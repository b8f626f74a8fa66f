//! JSON with one encoding for one value: exactly the bytes that this format writes, so that no two readers can differ.
//!
//! Reading parses, writes what it understood, and compares. That refuses white space, other member orders, repeated or unknown
//! members, `null` for what is absent, other spellings of numbers and escapes, and arrays in place of objects.
//!
//! Source: `docs/spec/README.md`, *Conventions*.

use core::fmt;
use core::marker::PhantomData;
use std::io;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// Bytes are not the one encoding of a value of the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the JSON of this form at line {line}, column {column}")]
pub struct NotStrict {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
}

/// Reads a value from exactly the bytes that `serde_json` writes for it; the caller has checked the length.
///
/// # Errors
/// [`NotStrict`], with the first place at which the bytes differ.
pub fn read<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, NotStrict> {
    let value: T = serde_json::from_slice(bytes).map_err(|error| NotStrict { line: error.line(), column: error.column() })?;
    same(bytes, &value)?;
    Ok(value)
}

/// Checks that the bytes are exactly those that are written for the value.
///
/// # Errors
/// [`NotStrict`].
pub fn same<T: Serialize>(bytes: &[u8], value: &T) -> Result<(), NotStrict> {
    let mut rest = Compare { rest: bytes };
    let same = serde_json::to_writer(&mut rest, value).is_ok() && rest.rest.is_empty();
    if same { Ok(()) } else { Err(NotStrict { line: 1, column: bytes.len() - rest.rest.len() + 1 }) }
}

/// Reads a struct from an object alone: what is derived takes an array of its members too.
///
/// # Errors
/// Those of the struct; an array or another value.
pub fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Object<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }
    deserializer.deserialize_map(Object(PhantomData))
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
