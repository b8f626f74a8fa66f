//! `custodia verify`: the same function as `custodia-verify`.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use custodia_core::finding::Verdict;
use custodia_verify::Trust;

use super::read_text;
use crate::DeviceOptions;
use crate::failure::{Exit, Failure};
use crate::terminal::{printable_path, say};

/// Options of `custodia verify`.
#[derive(Args)]
pub struct Options {
    /// The dossier.
    dossier: PathBuf,
    /// Your own trust file: the log's key, the first trust list's pin, the policy.
    #[arg(long)]
    trust: PathBuf,
    /// Every check, also those that passed for each exhibit.
    #[arg(long)]
    details: bool,
}

/// Verifies a dossier; exit code 3 unless PASSED.
pub fn run(options: &Options, device: &DeviceOptions) -> Result<ExitCode, Failure> {
    let trust = Trust::parse(&read_text(&options.trust)?)
        .map_err(|error| Failure::usage(error.to_string(), "docs/spec/dossier.md shows a trust file."))?;
    let file = File::open(&options.dossier).map_err(|error| Failure::file(&options.dossier, &error))?;
    let report = custodia_verify::verify(BufReader::new(file), &trust)
        .map_err(|error| Failure::usage(format!("{}: {error}", printable_path(&options.dossier)), ""))?;
    let text = if device.json { report.to_json().to_string() } else { report.to_text(options.details) };
    say(text.trim_end());
    Ok(if report.verdict == Verdict::Passed { ExitCode::SUCCESS } else { ExitCode::from(Exit::NotVerified as u8) })
}
