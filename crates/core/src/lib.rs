//! Words and mathematics of Custodia: the log, custody, exhibits, dossiers.
//!
//! No I/O, clock, randomness or async: readers, times and random bytes come in as parameters. This crate is what a judge
//! must trust, so it stays small and is checked against other implementations (`docs/spec/`).

pub mod digest;
pub mod group;
pub mod ids;
pub mod secret;
pub mod time;
