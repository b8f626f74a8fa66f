//! Case groups: plain facts about MLS messages, and the rules that judge them.
//!
//! Nothing here knows an MLS library. The crate `custodia-mls` turns messages into facts; client and server pass the same facts
//! to the same rules, so that all members decide alike. The format is `docs/spec/groups.md`, the rules are rows of `docs/RULES.md`.

pub mod context;
pub mod facts;
pub mod rules;
pub mod xwing;

#[cfg(test)]
mod vectors;
