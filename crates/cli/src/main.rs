//! `custodia`: commands, output and exit codes.

fn main() {}
