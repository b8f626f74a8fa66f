//! `custodia log …`: the custody log of a case, and proofs of single records.

use std::path::PathBuf;

use clap::Subcommand;
use custodia_client::entries::{EntryFilter, to_table};
use custodia_client::{Statement, verify_proof};
use custodia_core::custody::kind::Purpose;
use custodia_core::log::LogKey;

use custodia_client::entries::AuditEntry;
use custodia_core::digest::Sha256Digest;
use serde::Serialize;

use super::exhibit::find_exhibit;
use super::{agent_in_touch, find_case, read_text, write_new};
use crate::failure::{Code, Failure};
use crate::settings::{CardFlag, Settings};
use crate::terminal::{Answer, answer, note, printable_path, width};

/// Commands of the log.
#[derive(Subcommand)]
pub enum Command {
    /// Show who did what, when and why in a case of yours. That you read it is itself entered.
    Show {
        /// The case: id, the beginning of it, or title.
        case: String,
        /// Only this exhibit: its id or the beginning of it.
        #[arg(long)]
        exhibit: Option<String>,
        /// Why the log is read: lawfulness-check, self-monitoring, integrity-security or criminal-proceedings.
        #[arg(long)]
        purpose: Purpose,
        /// Why: sealed to the auditors.
        #[arg(long)]
        reason: String,
    },
    /// Write a proof that the log holds a record (C2SP tlog-proof).
    Prove {
        /// The case.
        case: String,
        /// The record's index.
        index: u64,
        /// The file to write.
        #[arg(long)]
        to: PathBuf,
    },
    /// Check a proof offline.
    Verify {
        /// The proof.
        proof: PathBuf,
        #[command(flatten)]
        card: CardFlag,
    },
}

/// Who did what, when and why.
#[derive(Serialize)]
#[serde(transparent)]
pub struct Entries(Vec<AuditEntry>);

impl Answer for Entries {
    fn text(&self) -> String {
        to_table(&self.0, width())
    }
}

/// A proof that was written.
#[derive(Serialize)]
pub struct Proof {
    /// The record that it proves.
    record: u64,
    /// Its file.
    path: String,
}

impl Answer for Proof {
    fn text(&self) -> String {
        String::new()
    }
}

/// What a proof proves.
#[derive(Serialize)]
pub struct Proven {
    /// The log.
    origin: String,
    /// The record's commitment, the leaf of the log.
    commitment: Sha256Digest,
    /// The record's index.
    record: u64,
    /// How many records the log had.
    records: u64,
}

impl Answer for Proven {
    fn text(&self) -> String {
        let Self { origin, commitment, record, records } = self;
        format!("The log {origin} holds {commitment} as record {record} of {records}.")
    }
}

/// Runs a command of the log.
pub async fn run(command: Command, settings: &Settings) -> Result<(), Failure> {
    match command {
        Command::Show { case, exhibit, purpose, reason } => {
            let agent = agent_in_touch(settings).await?;
            let case = find_case(&agent, &case).await?;
            agent.refresh(case).await?;
            let exhibit = match exhibit {
                Some(exhibit) => Some(find_exhibit(&agent, case, &exhibit).await?),
                None => None,
            };
            let reading = agent.enter_case_reading(case, purpose, &Statement { reason, reference: None }).await?;
            note(&format!("That you read it is record {reading}."));
            let mut log = agent.case_log(case).await?;
            log.entries.retain(|entry| entry.index < reading);
            answer(&Entries(EntryFilter { exhibit, ..EntryFilter::default() }.select(&log.entries)))
        }
        Command::Prove { case, index, to } => {
            let agent = agent_in_touch(settings).await?;
            let case = find_case(&agent, &case).await?;
            write_new(&to, agent.prove(case, index).await?.as_bytes())?;
            note(&format!("Anybody checks it with the log's key: custodia log verify {} --card server.json", printable_path(&to)));
            answer(&Proof { record: index, path: printable_path(&to) })
        }
        Command::Verify { proof, card } => {
            let key: LogKey = settings.card(&card)?.log_key.parse().map_err(|error: custodia_core::log::LogError| {
                Failure::new(Code::FileMalformed, format!("the log's key in server.json: {error}"), "")
            })?;
            let proven = verify_proof(&read_text(&proof)?, &key)
                .map_err(|error| Failure::new(Code::ProofFailed, format!("{}: {error}", printable_path(&proof)), ""))?;
            answer(&Proven {
                origin: key.origin().to_string(),
                commitment: proven.commitment.0,
                record: proven.index,
                records: proven.tree_size,
            })
        }
    }
}
