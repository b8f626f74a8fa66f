//! `custodia dossier …`: what goes to court.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use custodia_client::Agent;
use custodia_client::dossier::{ACCESSIBLE_DAYS, Found, Language, NewDossier, Transmission};
use custodia_core::custody::kind::Purpose;
use custodia_core::dossier::{Files, Withheld};
use custodia_core::finding::Verdict;
use custodia_core::ids::{CaseId, ExhibitId};

use serde::Serialize;

use super::exhibit::find_exhibit;
use super::report_program::{Printing, WithoutPdf, say_what_has_no_pdf};
use super::{Reason, agent_in_touch, find_case, read_text};
use crate::failure::{Code, Failure};
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
        papers: Box<Papers>,
        #[command(flatten)]
        reason: Reason,
    },
    /// Put a cosigned checkpoint, and the time stamps since, into a dossier; the payload stays as it is.
    Attach {
        /// The dossier.
        dossier: PathBuf,
        /// The file that `custodia audit --cosign` wrote; without it, the smallest cosigned checkpoint that the server keeps and that includes the dossier.
        checkpoint: Option<PathBuf>,
        /// Your own trust file, by which the report says what was found; without it, what this device is bound to.
        #[arg(long, value_name = "FILE")]
        trust: Option<PathBuf>,
        #[command(flatten)]
        printing: Printing,
    },
}

/// What goes with a dossier for people and other programs.
#[derive(Args)]
pub struct Papers {
    /// Write a report in this language: en, fr, de, nl or ro; may be given several times. Without it, in the language of this machine, or in English.
    #[arg(long = "language", value_name = "LANGUAGE")]
    languages: Vec<Language>,
    /// Your own trust file, by which the report says what was found; without it, what this device is bound to.
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    #[command(flatten)]
    printing: Printing,
    /// By which means it goes to its recipients, in words, for the manifest of Regulation (EU) 2025/1550.
    #[arg(long, value_name = "TEXT")]
    means: Option<String>,
    /// The order that it answers; without it, the exhibits' legal bases.
    #[arg(long, value_name = "REFERENCE")]
    order: Option<String>,
    /// For how many days it is accessible, 10 to 45, where that is limited.
    #[arg(long, value_name = "DAYS", value_parser = accessible_days)]
    accessible_days: Option<u16>,
    /// Wait so long for a checkpoint that includes the dossier and that witnesses or auditors cosigned.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    wait: u64,
}

fn accessible_days(text: &str) -> Result<u16, String> {
    let days = text.parse().ok().filter(|days| ACCESSIBLE_DAYS.contains(days));
    days.ok_or_else(|| format!("it is {} to {} days", ACCESSIBLE_DAYS.start(), ACCESSIBLE_DAYS.end()))
}

impl Papers {
    /// The languages asked for, each once, or the one of this machine.
    fn languages(&self) -> Vec<Language> {
        let mut languages = self.languages.clone();
        languages.sort_unstable();
        languages.dedup();
        if languages.is_empty() {
            let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(|name| std::env::var(name).ok().filter(|text| !text.is_empty()));
            languages.push(locale.and_then(|locale| Language::of_locale(&locale)).unwrap_or(Language::En));
        }
        languages
    }
}

/// Says what the verifier found; a dossier that fails is there, and the command ends as `custodia verify` does.
fn say(found: &Found) {
    note(&format!("Verified as it was written: {}", printable(&found.sentence)));
}

/// A dossier that was made.
#[derive(Serialize)]
pub struct Made {
    /// Its file.
    path: String,
    /// The record by which each exhibit in it was disclosed.
    disclosures: Vec<Disclosure>,
    /// What the verifier said of it as it was written.
    verdict: Verdict,
    /// The reports that are there in HTML alone.
    without_pdf: Vec<WithoutPdf>,
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
    /// What the verifier now says of it.
    verdict: Verdict,
    /// The reports that are there in HTML alone.
    without_pdf: Vec<WithoutPdf>,
}

impl Answer for Attached {
    fn text(&self) -> String {
        String::new()
    }
}

/// Runs a command of dossiers.
pub async fn run(command: Command, settings: &Settings) -> Result<(), Failure> {
    match command {
        Command::Make { case, exhibits, to, recipients, purpose, digests_only, withheld, papers, reason } => {
            let trust = papers.trust.as_deref().map(read_text).transpose()?;
            let languages = papers.languages();
            let program = papers.printing.program()?;
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
                languages,
                report_program: program,
                transmission: Transmission { means: papers.means, order: papers.order, accessible_days: papers.accessible_days },
                trust,
                wait: Duration::from_secs(papers.wait),
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
            say(&made.found);
            let without_pdf = say_what_has_no_pdf(&made.found);
            let disclosure = |(exhibit, record)| Disclosure { exhibit, record };
            answer(&Made {
                path: printable_path(&made.path),
                disclosures: made.disclosures.into_iter().map(disclosure).collect(),
                verdict: made.found.verdict,
                without_pdf,
            })?;
            if made.found.verdict == Verdict::Failed {
                return Err(Failure::new(Code::DossierFailed, "the dossier was written, and it is FAILED", ""));
            }
            Ok(())
        }
        Command::Attach { dossier, checkpoint, trust, printing } => {
            let trust = trust.as_deref().map(read_text).transpose()?;
            let cosigned = checkpoint.as_deref().map(read_text).transpose()?;
            let program = printing.program()?;
            let agent = agent_in_touch(settings).await?;
            let attached = agent.attach_cosignature(&dossier, cosigned.as_deref(), trust.as_deref(), program).await?;
            note(&format!(
                "The dossier now ends with a checkpoint of {} records, signed by: {}",
                attached.tree_size,
                attached.signatures.join(", ")
            ));
            say(&attached.found);
            let without_pdf = say_what_has_no_pdf(&attached.found);
            answer(&Attached { records: attached.tree_size, signatures: attached.signatures, verdict: attached.found.verdict, without_pdf })
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
