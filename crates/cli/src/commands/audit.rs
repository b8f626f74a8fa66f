//! `custodia audit`: a replay of the whole log by an auditor, its answers, and the cosignature after a clean one.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use custodia_client::audit::AuditorKey;
use custodia_client::entries::{EntryFilter, to_csv, to_table};
use custodia_core::custody::kind::Purpose;
use custodia_core::finding::Status;
use custodia_core::ids::PersonId;
use custodia_core::time::{ClaimedTime, LogTime};

use super::{COST, Reason, agent_in_touch, clock};
use crate::DeviceOptions;
use crate::failure::{Exit, Failure};
use crate::terminal::{note, passphrase, printable, say, width};

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
    #[arg(long)]
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
            Exit::NotFound,
            format!("no record concerns the {what} {}", printable(text)),
            "The reading itself is entered.",
        )),
        _ => Err(Failure::usage(format!("{} begins the ids of several {what}s", printable(text)), "Give more of it.")),
    }
}

/// Replays, answers, and cosigns if asked; exit code 3 if a check does not hold.
pub async fn run(options: Options, device: &DeviceOptions) -> Result<ExitCode, Failure> {
    if let Some(Command::Key { folder, name }) = options.command {
        std::fs::create_dir_all(&folder).map_err(|error| Failure::file(&folder, &error))?;
        let passphrase = passphrase(device.passphrase_fd, "the cosigning key", true)?;
        let key = AuditorKey::create(&folder, &name, &passphrase, COST).map_err(|error| Failure::usage(error.to_string(), ""))?;
        say(&key.cosigner_key().to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let missing = || Failure::usage("reading the log needs --purpose and --reason", "Both are entered in the log.");
    let (purpose, reason) = (options.purpose.ok_or_else(missing)?, options.reason.ok_or_else(missing)?);
    let (from, to) = (millis(options.from.as_deref())?, millis(options.to.as_deref())?);
    let agent = agent_in_touch(device).await?;
    let report = agent.audit(purpose, &Reason { reason, reference: None }.into(), |_| {}).await?;
    let filter = EntryFilter {
        person: options.person,
        exhibit: begun(options.exhibit.as_deref(), "exhibit", report.entries.iter().filter_map(|entry| entry.exhibit))?,
        case: begun(options.case.as_deref(), "case", report.entries.iter().map(|entry| entry.case))?,
        from,
        to,
        kind: None,
    };
    let entries = filter.select(&report.entries);
    if device.json {
        say(&report.to_json(&entries).to_string());
    } else if options.csv {
        say(to_csv(&entries).trim_end());
    } else {
        say(to_table(&entries, width()).trim_end());
    }
    if entries.len() < report.entries.len() {
        note(&format!("{} of {} entries are what was asked for.", entries.len(), report.entries.len()));
    }
    for finding in report.findings.iter().filter(|finding| finding.status != Status::Passed) {
        let mark = if finding.status == Status::Failed { "FAILED     " } else { "not checked" };
        note(&format!("{mark}  {}  {}: {}", finding.check, printable(&finding.subject), printable(&finding.text)));
    }
    let failed = report.failed().count();
    if failed > 0 {
        note(&format!("{} records replayed; {failed} checks do not hold. Nothing is cosigned.", report.size()));
        return Ok(ExitCode::from(Exit::NotVerified as u8));
    }
    note(&format!("{} records replayed: chains, signatures, certificates, memberships and rules hold at every index.", report.size()));
    if let (Some(folder), Some(file)) = (options.cosign, options.checkpoint) {
        let passphrase = passphrase(device.passphrase_fd, "the cosigning key", false)?;
        let refused =
            |error: custodia_client::audit::AuditorKeyError| Failure::new(Exit::NotVerified, error.to_string(), "Nothing was cosigned.");
        let mut key = AuditorKey::open(&folder, &passphrase).map_err(refused)?;
        let cosigned = key.cosign(&report, &clock()).map_err(refused)?;
        custodia_client::durable_file::replace(&file, cosigned.as_bytes()).map_err(|error| Failure::file(&file, &error))?;
        note(&format!("Cosigned up to record {}: {}", report.size().saturating_sub(1), file.display()));
    }
    Ok(ExitCode::SUCCESS)
}
