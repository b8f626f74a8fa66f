//! The agent's engine: device, case groups, sealing, store, sync, dossiers.
//!
//! Knows no terminal and no HTML: times, passphrases and directories come in as parameters.

pub mod durable_file;
pub mod hpke;
pub mod office;
pub mod passphrase;

mod at_rest;
