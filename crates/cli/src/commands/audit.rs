//! `custodia audit`: a replay of the whole log by an auditor, its answers, and the cosignature after a clean one.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use custodia_client::audit::{AuditProgress, AuditReport, AuditorKey};
use custodia_client::entries::{AuditEntry, EntryFilter, to_csv, to_table};
use custodia_core::custody::kind::Purpose;
use custodia_core::finding::Status;
use custodia_core::ids::PersonId;
use custodia_core::time::{ClaimedTime, LogTime};

use serde::{Serialize, Serializer};

use super::{COST, Reason, agent_in_touch, clock};
use crate::failure::{Code, Failure};
use crate::settings::Settings;
use crate::terminal::{Answer, answer, bar, note, passphrase, printable, width};

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
    /// After a clean replay, cosign the checkpoint with the key in this folder.
    #[arg(long, value_name = "FOLDER", requires = "checkpoint")]
    cosign: Option<PathBuf>,
    /// The file to write the cosigned checkpoint to.
    #[arg(long, value_name = "FILE")]
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
    csv: bool,
}

fn as_json<S: Serializer>((report, entries): &(AuditReport, Vec<AuditEntry>), serializer: S) -> Result<S::Ok, S::Error> {
    report.to_json(entries).serialize(serializer)
}

impl Answer for Replayed {
    fn text(&self) -> String {
        if self.csv { to_csv(&self.report.1) } else { to_table(&self.report.1, width()) }
    }
}

/// Replays, answers, and cosigns if asked; fails if a check does not hold.
pub async fn run(options: Options, settings: &Settings) -> Result<(), Failure> {
    if let Some(Command::Key { folder, name }) = options.command {
        std::fs::create_dir_all(&folder).map_err(|error| Failure::file(&folder, &error))?;
        let passphrase = passphrase(settings.passphrase_fd, "the cosigning key", true)?;
        let key = AuditorKey::create(&folder, &name, &passphrase, COST)?;
        return answer(&CosignerKey { key: key.cosigner_key().to_string() });
    }
    let missing = || Failure::usage("reading the log needs --purpose and --reason", "Both are entered in the log.");
    let (purpose, reason) = (options.purpose.ok_or_else(missing)?, options.reason.ok_or_else(missing)?);
    let (from, to) = (millis(options.from.as_deref())?, millis(options.to.as_deref())?);
    let agent = agent_in_touch(settings).await?;
    let bar = bar("replaying", "records");
    let show = |progress: AuditProgress| {
        bar.set_length(progress.of);
        bar.set_position(progress.records);
    };
    let report = agent.audit(purpose, &Reason { reason, reference: None }.into(), show).await;
    bar.finish_and_clear();
    let report = report?;
    let filter = EntryFilter {
        person: options.person,
        exhibit: begun(options.exhibit.as_deref(), "exhibit", report.entries.iter().filter_map(|entry| entry.exhibit))?,
        case: begun(options.case.as_deref(), "case", report.entries.iter().map(|entry| entry.case))?,
        from,
        to,
        kind: None,
    };
    let entries = filter.select(&report.entries);
    let replayed = Replayed { report: (report, entries), csv: options.csv };
    answer(&replayed)?;
    let (report, entries) = &replayed.report;
    if entries.len() < report.entries.len() {
        note(&format!("{} of {} entries are what was asked for.", entries.len(), report.entries.len()));
    }
    for finding in report.findings.iter().filter(|finding| finding.status != Status::Passed) {
        let mark = if finding.status == Status::Failed { "FAILED     " } else { "not checked" };
        note(&format!("{mark}  {}  {}: {}", finding.check, printable(&finding.subject), printable(&finding.text)));
    }
    let failed = report.failed().count();
    if failed > 0 {
        return Err(Failure::new(Code::AuditFailed, format!("{} records replayed; {failed} checks do not hold", report.size()), ""));
    }
    note(&format!("{} records replayed: chains, signatures, certificates, memberships and rules hold at every index.", report.size()));
    if let (Some(folder), Some(file)) = (options.cosign, options.checkpoint) {
        let passphrase = passphrase(settings.passphrase_fd, "the cosigning key", false)?;
        let mut key = AuditorKey::open(&folder, &passphrase)?;
        let cosigned = key.cosign(report, &clock())?;
        custodia_client::durable_file::replace(&file, cosigned.as_bytes()).map_err(|error| Failure::file(&file, &error))?;
        note(&format!("Cosigned up to record {}: {}", report.size().saturating_sub(1), file.display()));
    }
    Ok(())
}
