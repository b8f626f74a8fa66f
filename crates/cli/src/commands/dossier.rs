//! `custodia dossier …`: what goes to court.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Subcommand;
use custodia_client::Agent;
use custodia_client::dossier::NewDossier;
use custodia_core::custody::kind::Purpose;
use custodia_core::dossier::{Files, Withheld};
use custodia_core::ids::{CaseId, ExhibitId};

use serde::Serialize;

use super::exhibit::find_exhibit;
use super::{Reason, agent_in_touch, find_case, read_text};
use crate::failure::Failure;
use crate::settings::Settings;
use crate::terminal::{Answer, answer, note, printable, printable_path};

/// Commands of dossiers.
#[derive(Subcommand)]
pub enum Command {
    /// Make a dossier of chosen exhibits; making it is itself a disclosure in the log.
    Make {
        /// The case: id, the beginning of it, or title.
        case: String,
        /// The exhibits' ids or the beginnings of them.
        #[arg(required = true)]
        exhibits: Vec<String>,
        /// The file to write.
        #[arg(long)]
        to: PathBuf,
        /// For whom: office/person, or in words, such as a court.
        #[arg(long = "recipient", required = true)]
        recipients: Vec<String>,
        /// prosecution, trial, defence-access or another purpose of opening.
        #[arg(long)]
        purpose: Purpose,
        /// Leave the files away; only their digests go into it.
        #[arg(long)]
        digests_only: bool,
        /// An exhibit of the case that is not given, and on what ground; may be given several times. Write unnamed=GROUND where that it exists is
        /// withheld too.
        #[arg(long = "withheld", value_name = "EXHIBIT=GROUND")]
        withheld: Vec<String>,
        #[command(flatten)]
        reason: Reason,
    },
    /// Put an auditor's cosigned checkpoint into a dossier; the payload stays as it is.
    Attach {
        /// The dossier.
        dossier: PathBuf,
        /// The file that `custodia audit --cosign` wrote.
        checkpoint: PathBuf,
    },
}

/// A dossier that was made.
#[derive(Serialize)]
pub struct Made {
    /// Its file.
    path: String,
    /// The record by which each exhibit in it was disclosed.
    disclosures: Vec<Disclosure>,
}

#[derive(Serialize)]
struct Disclosure {
    exhibit: ExhibitId,
    record: u64,
}

impl Answer for Made {
    fn text(&self) -> String {
        self.path.clone()
    }
}

/// The checkpoint with which a dossier now ends.
#[derive(Serialize)]
pub struct Attached {
    /// How many records it covers.
    records: u64,
    /// Who signed it, the log first.
    signatures: Vec<String>,
}

impl Answer for Attached {
    fn text(&self) -> String {
        String::new()
    }
}

/// Runs a command of dossiers.
pub async fn run(command: Command, settings: &Settings) -> Result<(), Failure> {
    match command {
        Command::Make { case, exhibits, to, recipients, purpose, digests_only, withheld, reason } => {
            let agent = agent_in_touch(settings).await?;
            let case = find_case(&agent, &case).await?;
            let mut chosen = Vec::with_capacity(exhibits.len());
            for exhibit in &exhibits {
                chosen.push(find_exhibit(&agent, case, exhibit).await?);
            }
            let withheld = find_withheld(&agent, case, &withheld).await?;
            let named = withheld.iter().filter_map(|one| one.exhibit);
            let accounted: BTreeSet<ExhibitId> = chosen.iter().copied().chain(named).collect();
            let new = NewDossier {
                case,
                exhibits: chosen,
                recipients,
                purpose,
                statement: reason.into(),
                files: if digests_only { Files::Digests } else { Files::Included },
                withheld,
                target: to,
            };
            let made = agent.make_dossier(&new, &|_| {}).await?;
            for (exhibit, index) in &made.disclosures {
                note(&format!("Exhibit {exhibit}: the disclosure is record {index}."));
            }
            if purpose == Purpose::DefenceAccess {
                let exhibits = agent.exhibits(case).await?;
                for row in exhibits.iter().filter(|row| !accounted.contains(&row.exhibit)) {
                    note(&format!("Exhibit {} of the case is neither in it nor named as withheld.", row.exhibit));
                }
            }
            note("Until an auditor cosigns a later checkpoint, a verifier says: completeness not attested.");
            let disclosure = |(exhibit, record)| Disclosure { exhibit, record };
            answer(&Made { path: printable_path(&made.path), disclosures: made.disclosures.into_iter().map(disclosure).collect() })
        }
        Command::Attach { dossier, checkpoint } => {
            let agent = agent_in_touch(settings).await?;
            let attached = agent.attach_cosignature(&dossier, &read_text(&checkpoint)?).await?;
            note(&format!(
                "The dossier now ends with a checkpoint of {} records, signed by: {}",
                attached.tree_size,
                attached.signatures.join(", ")
            ));
            answer(&Attached { records: attached.tree_size, signatures: attached.signatures })
        }
    }
}

/// Reads `EXHIBIT=GROUND` and `unnamed=GROUND`.
async fn find_withheld(agent: &Agent, case: CaseId, texts: &[String]) -> Result<Vec<Withheld>, Failure> {
    let mut withheld = Vec::with_capacity(texts.len());
    for text in texts {
        let Some((exhibit, ground)) = text.split_once('=').filter(|(exhibit, _)| !exhibit.is_empty()) else {
            let next = "Write --withheld EXHIBIT=GROUND, or unnamed=GROUND where that it exists is withheld too.";
            return Err(Failure::usage(format!("--withheld {}: it names no exhibit", printable(text)), next));
        };
        let exhibit = if exhibit == "unnamed" { None } else { Some(find_exhibit(agent, case, exhibit).await?) };
        withheld.push(Withheld { exhibit, ground: ground.to_owned() });
    }
    Ok(withheld)
}
