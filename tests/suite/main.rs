//! End-to-end tests and tidy.

mod agent;
mod audit;
mod bad_files;
mod clocks;
mod custody;
mod dossier;
mod lying_server;
mod oracle;
mod parsers;
mod recovery;
mod renewal;
mod resync;
mod succession;
mod tidy;
mod trust;
mod vectors;
