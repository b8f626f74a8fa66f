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
mod strict_json;
pub mod text;
pub mod wrap;

#[cfg(any(test, feature = "aws-lc-rs"))]
pub use aws_lc::AwsLcCipher;
pub use cobblestone::{ChunkCipher, ChunkRefused, Salt};
pub use error::{ExhibitError, ManifestRule, Part};

#[cfg(test)]
mod tests;
