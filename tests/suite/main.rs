//! End-to-end tests and tidy.

mod agent;
mod bad_files;
mod custody;
mod dossier;
mod lying_server;
mod oracle;
mod parsers;
mod recovery;
mod succession;
mod tidy;
