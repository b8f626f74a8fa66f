//! Fuzz targets for every parser of bytes that others send. `fuzz/README.md` says how to run them.

pub mod seeds;
pub mod targets;
