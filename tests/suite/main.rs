//! End-to-end tests and tidy.

mod agent;
mod custody;
mod dossier;
mod tidy;
