//! Words and mathematics of Custodia: the log, custody, exhibits, dossiers.
//!
//! No I/O, clock, randomness or async: readers, times and random bytes come in as parameters. This crate is what a judge
//! must trust, so it stays small and is checked against other implementations (`docs/spec/`).

pub mod custody;
pub mod digest;
pub mod dossier;
pub mod exhibit;
pub mod finding;
pub mod group;
pub mod identity;
pub mod ids;
pub mod jws;
pub mod log;
pub mod secret;
pub mod strict_json;
pub mod time;
pub mod watch;
