//! `custodia dossier …`: what goes to court.

use std::path::PathBuf;

use clap::Subcommand;
use custodia_client::dossier::NewDossier;
use custodia_core::custody::kind::Purpose;
use custodia_core::dossier::{Files, Withheld};

use super::exhibit::find_exhibit;
use super::{Reason, agent_in_touch, find_case, read_text};
use crate::DeviceOptions;
use crate::failure::Failure;
use crate::terminal::{note, printable_path, say};

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
        /// The ground on which further exhibits are withheld; may be given several times.
        #[arg(long = "withheld", value_name = "GROUND")]
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

/// Runs a command of dossiers.
pub async fn run(command: Command, options: &DeviceOptions) -> Result<(), Failure> {
    match command {
        Command::Make { case, exhibits, to, recipients, purpose, digests_only, withheld, reason } => {
            let agent = agent_in_touch(options).await?;
            let case = find_case(&agent, &case).await?;
            let mut chosen = Vec::with_capacity(exhibits.len());
            for exhibit in &exhibits {
                chosen.push(find_exhibit(&agent, case, exhibit).await?);
            }
            let new = NewDossier {
                case,
                exhibits: chosen,
                recipients,
                purpose,
                statement: reason.into(),
                files: if digests_only { Files::Digests } else { Files::Included },
                withheld: withheld.into_iter().map(|ground| Withheld { exhibit: None, ground }).collect(),
                target: to,
            };
            let made = agent.make_dossier(&new, &|_| {}).await?;
            for (exhibit, index) in &made.disclosures {
                note(&format!("Exhibit {exhibit}: the disclosure is record {index}."));
            }
            note("Until an auditor cosigns a later checkpoint, a verifier says: completeness not attested.");
            say(&printable_path(&made.path));
            Ok(())
        }
        Command::Attach { dossier, checkpoint } => {
            let agent = agent_in_touch(options).await?;
            let attached = agent.attach_cosignature(&dossier, &read_text(&checkpoint)?).await?;
            note(&format!(
                "The dossier now ends with a checkpoint of {} records, signed by: {}",
                attached.tree_size,
                attached.signatures.join(", ")
            ));
            Ok(())
        }
    }
}
