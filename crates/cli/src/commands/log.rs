//! `custodia log …`: the custody log of a case, and proofs of single records.

use std::path::PathBuf;

use clap::Subcommand;
use custodia_client::entries::{EntryFilter, to_table};
use custodia_client::{Statement, verify_proof};
use custodia_core::custody::kind::Purpose;
use custodia_core::log::LogKey;

use super::exhibit::find_exhibit;
use super::{agent_in_touch, find_case, read_text, server_card, write_new};
use crate::DeviceOptions;
use crate::failure::{Exit, Failure};
use crate::terminal::{note, printable_path, say, width};

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
        /// server.json as given out with the server: it holds the log's key.
        #[arg(long)]
        card: PathBuf,
    },
}

/// Runs a command of the log.
pub async fn run(command: Command, options: &DeviceOptions) -> Result<(), Failure> {
    match command {
        Command::Show { case, exhibit, purpose, reason } => {
            let agent = agent_in_touch(options).await?;
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
            let entries = EntryFilter { exhibit, ..EntryFilter::default() }.select(&log.entries);
            if options.json {
                let json = serde_json::to_string(&entries).map_err(|error| Failure::new(Exit::Unexpected, error.to_string(), ""))?;
                say(&json);
            } else {
                say(to_table(&entries, width()).trim_end());
            }
            Ok(())
        }
        Command::Prove { case, index, to } => {
            let agent = agent_in_touch(options).await?;
            let case = find_case(&agent, &case).await?;
            write_new(&to, agent.prove(case, index).await?.as_bytes())?;
            note(&format!("Anybody checks it with the log's key: custodia log verify {} --card server.json", printable_path(&to)));
            Ok(())
        }
        Command::Verify { proof, card } => {
            let key: LogKey = server_card(&card)?
                .log_key
                .parse()
                .map_err(|error: custodia_core::log::LogError| Failure::usage(format!("the log's key: {error}"), ""))?;
            let proven = verify_proof(&read_text(&proof)?, &key)
                .map_err(|error| Failure::new(Exit::NotVerified, format!("{}: {error}", printable_path(&proof)), "Do not rely on it."))?;
            say(&format!("The log {} holds {} as record {} of {}.", key.origin(), proven.commitment.0, proven.index, proven.tree_size));
            Ok(())
        }
    }
}
