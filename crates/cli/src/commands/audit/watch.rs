//! `custodia audit watch`: an auditor's device that stays with the log and tells what the rules of watching find, each once.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use custodia_client::Agent;
use custodia_client::audit::{AuditorKey, Told, Turn, Watch, WatchSettings};
use custodia_core::custody::kind::Purpose;
use custodia_core::watch::Limits;

use super::{cosign, evidence_of, open_key, proof_in_the_way};
use crate::commands::{Reason, agent, read_text};
use crate::failure::{Code, Failure};
use crate::settings::Settings;
use crate::terminal::{manners, note, printable, printable_path, say};

/// Options of `custodia audit watch`.
#[derive(Args)]
pub struct Options {
    /// Why the log is read: lawfulness-check, self-monitoring, integrity-security or criminal-proceedings. Entered at every turn that has new records.
    #[arg(long)]
    purpose: Purpose,
    /// Why: sealed to the auditors.
    #[arg(long)]
    reason: String,
    /// What is told and from what on; config/audit-watch.toml explains every key.
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// How many seconds pass between two turns.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    every: u64,
    /// One turn; fails if something that was told does not hold.
    #[arg(long)]
    once: bool,
    /// The folder for checkpoints that disagree. Without it: evidence in the folder of the device's state.
    #[arg(long, value_name = "FOLDER")]
    evidence: Option<PathBuf>,
    /// After each clean turn with new records, cosign the checkpoint with the key in this folder, and send it to the server. Nothing is cosigned any
    /// more once this device has proved the log forked or rolled back.
    #[arg(long, value_name = "FOLDER")]
    cosign: Option<PathBuf>,
}

/// A file of rules.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Rules {
    policy: Option<String>,
    others: Vec<PathBuf>,
    limits: Limits,
}

impl Rules {
    fn read(path: &Path) -> Result<Self, Failure> {
        let next = "config/audit-watch.toml explains every key.";
        toml::from_str(&read_text(path)?).map_err(|error| {
            let problem = format!("{}: {}", printable_path(path), error.to_string().trim_end());
            Failure::new(Code::ConfigMalformed, problem, next)
        })
    }
}

/// Watches, once or until it is stopped.
pub async fn run(options: Options, settings: &Settings) -> Result<(), Failure> {
    let rules = options.rules.as_deref().map(Rules::read).transpose()?.unwrap_or_default();
    let agent = agent(settings).await?;
    let policy = match &rules.policy {
        None => None,
        Some(text) => Some(agent.policy_of_log(text).await.map_err(|error| {
            Failure::new(
                Code::ConfigMalformed,
                format!("the policy of the rules: {error}"),
                "docs/spec/log.md §6 shows a policy; write it without its log line.",
            )
        })?),
    };
    let evidence = match options.evidence {
        Some(folder) => folder,
        None => evidence_of(settings)?,
    };
    let statement = Reason { reason: options.reason, reference: None }.into();
    let mut watch = Watch::new(WatchSettings {
        purpose: options.purpose,
        statement,
        limits: rules.limits,
        policy,
        others: rules.others,
        evidence: evidence.clone(),
    });
    let mut key = options.cosign.as_deref().map(|folder| open_key(folder, settings)).transpose()?;
    let mut said = Vec::new();
    loop {
        match turn(&agent, &mut watch, key.as_mut().map(|key| (key, evidence.as_path())), &mut said).await {
            Ok(Done { failing, refused }) if options.once => {
                return match (failing, refused) {
                    (0, None) => Ok(()),
                    (0, Some(refused)) => Err(refused),
                    _ => Err(Failure::new(Code::WatchFound, format!("{failing} of what was told does not hold"), "")),
                };
            }
            // The watch goes on telling.
            Ok(Done { refused: Some(refused), .. }) => say_once(format!("{} {}", refused.message, refused.next), &mut said),
            Ok(_) => {}
            Err(failure) if !options.once && passes(&failure) => {
                note(&format!("{} Tried again in {} seconds.", failure.message, options.every));
            }
            Err(failure) => return Err(failure),
        }
        tokio::time::sleep(Duration::from_secs(options.every)).await;
    }
}

/// Whether a later turn may go better.
const fn passes(failure: &Failure) -> bool {
    matches!(failure.code, Code::Unavailable | Code::ClockSkew)
}

/// What a turn came to.
struct Done {
    /// How many of the alerts told say that something does not hold.
    failing: usize,
    /// Why nothing was cosigned that is clean.
    refused: Option<Failure>,
}

/// One turn; the key cosigns what is clean, unless this device has a proof against the log; its notes lie in the folder beside the key.
async fn turn(agent: &Agent, watch: &mut Watch, key: Option<(&mut AuditorKey, &Path)>, said: &mut Vec<String>) -> Result<Done, Failure> {
    // What was found is told even if the turn then ended badly.
    let turn = agent.watch_turn(watch).await;
    let mut failing = 0;
    for told in agent.untold().await? {
        say(&line(&told)?);
        failing += usize::from(told.alert.fails);
        agent.note_told(&told).await?;
    }
    let turn = turn?;
    tell(&turn, said);
    let mut refused = None;
    if let (Some((key, evidence)), Some(report)) = (key, watch.report().filter(|_| turn.clean))
        && key.last_cosigned().is_none_or(|last| last.claim().size.get() < report.size())
    {
        refused = proof_in_the_way(agent, evidence).await?;
        if refused.is_none() {
            cosign(agent, key, report, None, evidence).await?;
        }
    }
    Ok(Done { failing, refused })
}

/// Says what stays as it is, the first time only.
fn say_once(what: String, said: &mut Vec<String>) {
    if !said.contains(&what) {
        note(&what);
        said.push(what);
    }
}

/// Says what was read, and once what is not looked at.
fn tell(turn: &Turn, said: &mut Vec<String>) {
    if let Some(reading) = turn.reading {
        let state = if turn.clean { "clean" } else { "NOT CLEAN: the saved point stays where it was" };
        note(&format!("{} records replayed up to {}, entered as record {reading}: {state}.", turn.replayed, turn.size));
    }
    for what in &turn.unchecked {
        say_once(format!("not checked  {}", printable(what)), said);
    }
}

fn line(told: &Told) -> Result<String, Failure> {
    if manners().json {
        return serde_json::to_string(told).map_err(|error| Failure::new(Code::Unexpected, error.to_string(), ""));
    }
    let alert = &told.alert;
    let mark = if alert.fails { "FAILS " } else { "notice" };
    let records: Vec<String> = alert.records.iter().map(ToString::to_string).collect();
    let records = if records.is_empty() { String::new() } else { format!(" (records {})", records.join(", ")) };
    Ok(format!("{}  {mark}  {}  {}: {}{records}", told.found, alert.rule, printable(&alert.subject), printable(&alert.text)))
}
