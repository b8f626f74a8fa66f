//! `custodia audit`: a replay of the whole log by an auditor, its answers, and the cosignature after a clean one.
//!
//! `watch` stays with the log; `exposure` answers what somebody has opened and could open.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use custodia_client::Agent;
use custodia_client::audit::{Asked, AuditProgress, AuditReport, AuditorKey, to_html};
use custodia_client::entries::{AuditEntry, EntryFilter, to_csv, to_ndjson, to_table};
use custodia_core::custody::kind::Purpose;
use custodia_core::finding::Status;
use custodia_core::ids::PersonId;
use custodia_core::time::{ClaimedTime, LogTime};

use serde::{Serialize, Serializer};

use super::{COST, Reason, agent_in_touch, clock, write_new};
use crate::failure::{Code, Failure};
use crate::settings::Settings;
use crate::terminal::{Answer, answer, bar, note, passphrase, printable, printable_path, width};

mod exposure;
mod watch;

/// Options of `custodia audit`.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Options {
    #[command(subcommand)]
    command: Option<Command>,
    /// Why the log is read: lawfulness-check, self-monitoring, integrity-security or criminal-proceedings.
    #[arg(long, required = true)]
    purpose: Option<Purpose>,
    /// Why: sealed to the auditors.
    #[arg(long, required = true)]
    reason: Option<String>,
    /// Only entries of this person (office/person).
    #[arg(long)]
    person: Option<PersonId>,
    /// Only entries of this exhibit: its id or the beginning of it.
    #[arg(long)]
    exhibit: Option<String>,
    /// Only entries of this case: its id or the beginning of it.
    #[arg(long)]
    case: Option<String>,
    /// Only entries from this time on (RFC 3339).
    #[arg(long)]
    from: Option<String>,
    /// Only entries before this time (RFC 3339).
    #[arg(long)]
    to: Option<String>,
    /// Print the entries as CSV.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print the entries as JSON, one a line.
    #[arg(long, conflicts_with_all = ["json", "csv"])]
    ndjson: bool,
    /// Write the report for a supervisory authority to this file, as HTML.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Replay from the first record on, whatever this device replayed before.
    #[arg(long)]
    from_start: bool,
    /// After a clean replay, cosign the checkpoint with the key in this folder, and send it to the server.
    #[arg(long, value_name = "FOLDER")]
    cosign: Option<PathBuf>,
    /// Write the cosigned checkpoint to this file too.
    #[arg(long, value_name = "FILE", requires = "cosign")]
    checkpoint: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Make an auditor's cosigning key, used for nothing else; prints what a trust file's policy names.
    Key {
        /// The folder to make.
        folder: PathBuf,
        /// The name by which verifiers know it, such as eu-audit.example/auditor.
        #[arg(long)]
        name: String,
    },
    /// Stay with the log: replay what is new, and tell what the rules of watching (WAT-…) find, each once.
    Watch(watch::Options),
    /// What a person or a device has opened, and what they could open now.
    Exposure(exposure::Options),
}

fn millis(text: Option<&str>) -> Result<Option<LogTime>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let time = ClaimedTime::parse(text).map_err(|error| Failure::usage(error.to_string(), ""))?;
    let time = u64::try_from(time.millis()).ok().and_then(|millis| LogTime::from_millis(millis).ok());
    time.map(Some).ok_or_else(|| Failure::usage("the time lies before 1970", ""))
}

/// The one id among those of the log that begins so.
fn begun<Id: ToString + Ord + Copy>(text: Option<&str>, what: &str, ids: impl Iterator<Item = Id>) -> Result<Option<Id>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let found: BTreeSet<Id> = ids.filter(|id| id.to_string().starts_with(text)).collect();
    match (found.first(), found.len()) {
        (Some(id), 1) => Ok(Some(*id)),
        (None, _) => Err(Failure::new(
            Code::NotFound,
            format!("no record concerns the {what} {}", printable(text)),
            "The reading itself is entered.",
        )),
        _ => Err(Failure::new(Code::Ambiguous, format!("{} begins the ids of several {what}s", printable(text)), "Give more of it.")),
    }
}

/// An auditor's cosigning key.
#[derive(Serialize)]
pub struct CosignerKey {
    /// The public key, as the policy of a verifier's trust file names it.
    key: String,
}

impl Answer for CosignerKey {
    fn text(&self) -> String {
        self.key.clone()
    }
}

/// What a replay found, with the entries that were asked for.
#[derive(Serialize)]
#[serde(transparent)]
pub struct Replayed {
    #[serde(serialize_with = "as_json")]
    report: (AuditReport, Vec<AuditEntry>),
    #[serde(skip)]
    form: Form,
}

/// How entries are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Table,
    Csv,
    Lines,
}

fn as_json<S: Serializer>((report, entries): &(AuditReport, Vec<AuditEntry>), serializer: S) -> Result<S::Ok, S::Error> {
    report.to_json(entries).serialize(serializer)
}

impl Answer for Replayed {
    fn text(&self) -> String {
        match self.form {
            Form::Table => to_table(&self.report.1, width()),
            Form::Csv => to_csv(&self.report.1),
            Form::Lines => to_ndjson(&self.report.1),
        }
    }
}

/// Makes a cosigning key.
fn make_key(folder: &Path, name: &str, settings: &Settings) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|error| Failure::file(folder, &error))?;
    let passphrase = passphrase(settings.passphrase_fd, "the cosigning key", true)?;
    let key = AuditorKey::create(folder, name, &passphrase, COST)?;
    answer(&CosignerKey { key: key.cosigner_key().to_string() })
}

fn open_key(folder: &Path, settings: &Settings) -> Result<AuditorKey, Failure> {
    let passphrase = passphrase(settings.passphrase_fd, "the cosigning key", false)?;
    Ok(AuditorKey::open(folder, &passphrase)?)
}

/// Replays and shows how far it is.
async fn replay(agent: &Agent, purpose: Purpose, reason: String, from_start: bool) -> Result<AuditReport, Failure> {
    let bar = bar("replaying", "records");
    let show = |progress: AuditProgress| {
        bar.set_length(progress.of);
        bar.set_position(progress.records);
    };
    let statement = Reason { reason, reference: None }.into();
    let report =
        if from_start { agent.audit_from_start(purpose, &statement, show).await } else { agent.audit(purpose, &statement, show).await };
    bar.finish_and_clear();
    let report = report?;
    if report.from > 0 {
        note(&format!("Continued from record {}: those before it this device replayed at an earlier audit.", report.from));
    }
    Ok(report)
}

/// Says what does not hold and what was not checked; how many checks failed.
fn tell_findings(report: &AuditReport) -> usize {
    for finding in report.findings.iter().filter(|finding| finding.status != Status::Passed) {
        let mark = if finding.status == Status::Failed { "FAILED     " } else { "not checked" };
        note(&format!("{mark}  {}  {}: {}", finding.check, printable(&finding.subject), printable(&finding.text)));
    }
    report.failed().count()
}

/// Why this device cosigns nothing any more: it once proved this log forked or rolled back.
async fn proof_in_the_way(agent: &Agent, evidence: &Path) -> Result<Option<Failure>, Failure> {
    let Some(proof) = agent.proof_against_log().await? else { return Ok(None) };
    let (alert, found) = (&proof.alert, &proof.found);
    let message = format!(
        "nothing is cosigned by this device any more: at {found} it wrote down {}, {}: {}",
        alert.rule,
        printable(&alert.subject),
        printable(&alert.text)
    );
    let next = format!(
        "The checkpoints that disagree lie in {}, or in the folder that the watch was given. Once both are explained, go on with a new device.",
        printable_path(evidence)
    );
    Ok(Some(Failure::new(Code::AuditFailed, message, next)))
}

/// Where a watch keeps checkpoints that disagree, unless it is given another folder.
fn evidence_of(settings: &Settings) -> Result<PathBuf, Failure> {
    Ok(settings.home()?.join("evidence"))
}

/// Cosigns a clean report of a log against which this device has no proof, writes the note to a file if one is named, and sends it to the server.
async fn cosign(agent: &Agent, key: &mut AuditorKey, report: &AuditReport, file: Option<&Path>, evidence: &Path) -> Result<(), Failure> {
    if let Some(refused) = proof_in_the_way(agent, evidence).await? {
        return Err(refused);
    }
    let cosigned = key.cosign(report, &clock())?;
    if let Some(file) = file {
        custodia_client::durable_file::replace(file, cosigned.as_bytes()).map_err(|error| Failure::file(file, &error))?;
    }
    let last = report.size().saturating_sub(1);
    match (agent.publish_cosignatures(&cosigned).await, file) {
        (Ok(0), _) => note("The server's policy does not name this key: it keeps no cosignature of it. Give the checkpoint out yourself."),
        (Ok(_), None) => note(&format!("Cosigned up to record {last}; the server keeps it.")),
        (Ok(_), Some(_)) => note("The server keeps the cosignature."),
        (Err(error), None) => return Err(error.into()),
        (Err(error), Some(_)) => note(&format!("The server was not given the cosignature: {error}")),
    }
    if let Some(file) = file {
        note(&format!("Cosigned up to record {last}: {}", file.display()));
    }
    Ok(())
}

/// Replays, answers, and cosigns if asked; fails if a check does not hold.
pub async fn run(options: Options, settings: &Settings) -> Result<(), Failure> {
    match options.command {
        Some(Command::Key { folder, name }) => return make_key(&folder, &name, settings),
        Some(Command::Watch(options)) => return watch::run(options, settings).await,
        Some(Command::Exposure(options)) => return exposure::run(options, settings).await,
        None => {}
    }
    let missing = || Failure::usage("reading the log needs --purpose and --reason", "Both are entered in the log.");
    let (purpose, reason) = (options.purpose.ok_or_else(missing)?, options.reason.ok_or_else(missing)?);
    let (from, to) = (millis(options.from.as_deref())?, millis(options.to.as_deref())?);
    let agent = agent_in_touch(settings).await?;
    let report = replay(&agent, purpose, reason, options.from_start).await?;
    let filter = EntryFilter {
        person: options.person,
        exhibit: begun(options.exhibit.as_deref(), "exhibit", report.entries.iter().filter_map(|entry| entry.exhibit))?,
        case: begun(options.case.as_deref(), "case", report.entries.iter().map(|entry| entry.case))?,
        from,
        to,
        kind: None,
    };
    let entries = filter.select(&report.entries);
    if let Some(file) = &options.report {
        let asked = Asked { entries: filter.in_words(), purpose: purpose.as_str().to_owned(), made: clock().claimed().as_str().to_owned() };
        write_new(file, to_html(&report, &entries, &asked).as_bytes())?;
        note(&format!("The report for a supervisory authority: {}", printable_path(file)));
    }
    let form = match (options.csv, options.ndjson) {
        (true, _) => Form::Csv,
        (_, true) => Form::Lines,
        _ => Form::Table,
    };
    let replayed = Replayed { report: (report, entries), form };
    answer(&replayed)?;
    let (report, entries) = &replayed.report;
    if entries.len() < report.entries.len() {
        note(&format!("{} of {} entries are what was asked for.", entries.len(), report.entries.len()));
    }
    let failed = tell_findings(report);
    if failed > 0 {
        return Err(Failure::new(Code::AuditFailed, format!("{} records replayed; {failed} checks do not hold", report.size()), ""));
    }
    note(&format!("{} records replayed: chains, signatures, certificates, memberships and rules hold at every index.", report.size()));
    if let Some(folder) = options.cosign {
        let mut key = open_key(&folder, settings)?;
        cosign(&agent, &mut key, report, options.checkpoint.as_deref(), &evidence_of(settings)?).await?;
    }
    Ok(())
}
