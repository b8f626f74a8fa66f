//! End-to-end tests and tidy.

mod agent;
mod dossier;
mod parsers;
mod tidy;
