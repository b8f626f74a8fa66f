//! `custodia verify`: the same function as `custodia-verify`.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use clap::Args;
use custodia_core::finding::Verdict;
use custodia_verify::{Report, Trust};
use serde::{Serialize, Serializer};

use super::read_text;
use crate::failure::{Code, Failure};
use crate::terminal::{Answer, answer};

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

/// What a verifier says of a dossier.
#[derive(Serialize)]
#[serde(transparent)]
pub struct Verified {
    #[serde(serialize_with = "as_json")]
    report: Report,
    #[serde(skip)]
    details: bool,
}

fn as_json<S: Serializer>(report: &Report, serializer: S) -> Result<S::Ok, S::Error> {
    report.to_json().serialize(serializer)
}

impl Answer for Verified {
    fn text(&self) -> String {
        self.report.to_text(self.details)
    }
}

/// Verifies a dossier, and fails unless it is PASSED.
pub fn run(options: &Options) -> Result<(), Failure> {
    let trust = Trust::parse(&read_text(&options.trust)?)
        .map_err(|error| Failure::malformed(&options.trust, error, "docs/spec/dossier.md shows a trust file."))?;
    let file = File::open(&options.dossier).map_err(|error| Failure::file(&options.dossier, &error))?;
    let report = custodia_verify::verify(BufReader::new(file), &trust).map_err(|error| Failure::malformed(&options.dossier, error, ""))?;
    let verified = Verified { report, details: options.details };
    answer(&verified)?;
    match verified.report.verdict {
        Verdict::Passed => Ok(()),
        Verdict::Indeterminate => Err(Failure::new(Code::DossierIndeterminate, "the dossier is INDETERMINATE", "")),
        Verdict::Failed => Err(Failure::new(Code::DossierFailed, "the dossier is FAILED", "")),
    }
}
