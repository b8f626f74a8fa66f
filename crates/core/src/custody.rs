//! Custody: what a device signs (intent), where it stands (record), what the tree commits to (leaf), what proves it (receipt).
//!
//! Formats: `docs/spec/custody.md`. Rules: `docs/RULES.md`.

pub mod body;
pub mod chain;
pub mod facts;
pub mod grant;
pub mod intent;
pub mod kind;
pub mod receipt;
pub mod record;
pub mod recovery;
pub mod registry_act;
pub mod replay;
pub mod rules;
pub mod succession;
pub mod wire;
pub mod world;

#[cfg(test)]
mod vectors;
