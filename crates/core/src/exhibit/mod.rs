//! Exhibits: how their bytes are sealed, named and described (`docs/spec/exhibit.md`).
//!
//! ```text
//! files ──► stream ──► segments of 8 MiB ──► one Cobblestone-256 message each ──► object, named by its BLAKE3
//!    └────► manifest (names, offsets, digests, intake) ──► one message ──► object; its salted commitment is in the log
//! group share + release share ──► exhibit key; shares travel wrapped, each wrap bound to what it is for
//! ```
//!
//! Start at [`segment`] for content, [`manifest`] for the description, [`keys`] for shares and wraps. Nothing here reads a
//! clock or draws random bytes: salts and keys are parameters, and so is the AES-256-GCM of one chunk ([`ChunkCipher`]).

#![expect(clippy::missing_panics_doc, reason = "each `expect` here names an invariant that no caller can break")]

#[cfg(any(test, feature = "aws-lc-rs"))]
mod aws_lc;
pub mod cobblestone;
mod error;
pub mod file_digest;
pub mod intake;
pub mod keys;
pub mod manifest;
pub mod padding;
pub mod path;
pub mod sealed_text;
pub mod segment;
pub mod text;
pub mod wrap;

#[cfg(any(test, feature = "aws-lc-rs"))]
pub use aws_lc::AwsLcCipher;
pub use cobblestone::{ChunkCipher, ChunkRefused, Salt};
pub use error::{ExhibitError, ManifestRule, Part};

/// Writes the JSON of a part: members in the order of the type, no white space, escapes as ECMAScript's `JSON.stringify` makes them.
fn write_json<T: serde::Serialize>(part: Part, value: &T) -> Result<Vec<u8>, ExhibitError> {
    serde_json::to_vec(value).map_err(|_| ExhibitError::Bug { part, why: "every value of the type can be written" })
}

/// Reads the JSON of a part from exactly the bytes that [`write_json`] gives for it; the caller has checked the length.
fn read_json<T: serde::Serialize + serde::de::DeserializeOwned>(part: Part, bytes: &[u8]) -> Result<T, ExhibitError> {
    crate::strict_json::read(bytes).map_err(|crate::strict_json::NotStrict { line, column }| ExhibitError::Json { part, line, column })
}

#[cfg(test)]
mod tests;
