//! `custodia doctor`: looks this device over, or tries out the database and the object store of a server's configuration.

use std::path::{Path, PathBuf};

use clap::Args;
use custodia_client::examine::{MAX_SKEW_SECONDS, OwnExamination, ServerExamination, free_bytes};
use custodia_client::witnessed::Demand;
use custodia_client::{Agent, AgentError};
use custodia_core::identity::Standing;
use custodia_core::time::LogTime;
use custodia_server::doctor::{Grade, examine};
use serde::Serialize;
use time::OffsetDateTime;

use super::serve::parse;
use super::vouched_words;
use crate::failure::{Code, Failure};
use crate::settings::Settings;
use crate::terminal::{Answer, answer, printable, printable_path};

/// A certificate that ends within so many days is worth a note.
const RENEW_WITHIN_DAYS: i64 = 14;
/// So much free space a device should have; an export needs as much as the exhibit.
const LITTLE_SPACE_BYTES: u64 = 1 << 30;

/// Options of `custodia doctor`.
#[derive(Args)]
pub struct Options {
    /// The configuration of a server, such as config/custodia.toml: its database and object store are tried out. Without it this device is.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// What the doctor found.
#[derive(Serialize)]
#[serde(transparent)]
pub struct Examined(Vec<Finding>);

/// One thing that was looked at.
#[derive(Serialize)]
struct Finding {
    /// good, note or BAD.
    #[serde(serialize_with = "as_word")]
    grade: Grade,
    /// What was looked at.
    about: String,
    /// What was seen.
    found: String,
    /// What that means, or what to do.
    meaning: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn as_word<S: serde::Serializer>(grade: &Grade, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(grade)
}

impl Finding {
    fn new(grade: Grade, about: &str, found: impl Into<String>, meaning: impl Into<String>) -> Self {
        Self { grade, about: about.to_owned(), found: found.into(), meaning: meaning.into() }
    }
}

impl Answer for Examined {
    fn text(&self) -> String {
        let about = self.0.iter().map(|finding| finding.about.len()).max().unwrap_or(0);
        let two = |finding: &Finding| {
            let Finding { grade, about: what, found, meaning } = finding;
            format!("{grade:5} {what:about$}  {found}\n{:5} {:about$}  {meaning}", "", "")
        };
        self.0.iter().map(two).collect::<Vec<_>>().join("\n")
    }
}

/// Tries everything, prints a table, and fails if anything in it is bad.
pub async fn run(options: &Options, settings: &Settings) -> Result<(), Failure> {
    let findings = match &options.config {
        Some(config) => of_server(config).await?,
        None => of_device(settings).await?,
    };
    let bad = findings.iter().filter(|finding| finding.grade == Grade::Bad).count();
    let of = findings.len();
    answer(&Examined(findings))?;
    if bad == 0 { Ok(()) } else { Err(Failure::new(Code::DoctorBad, format!("{bad} of {of} findings are bad"), "")) }
}

async fn of_server(config: &Path) -> Result<Vec<Finding>, Failure> {
    let findings = examine(&parse(config)?).await;
    Ok(findings.into_iter().map(|finding| Finding::new(finding.grade, finding.about, finding.found, finding.meaning)).collect())
}

async fn of_device(settings: &Settings) -> Result<Vec<Finding>, Failure> {
    let home = settings.home()?;
    let mut findings = vec![folder(&home), space(&home)];
    let agent = match super::agent(settings).await {
        Ok(agent) => agent,
        // What keeps the state shut is a finding; a missing passphrase is not: then nothing was looked at.
        Err(failure) if matches!(failure.code, Code::InputNeeded | Code::PassphraseUnusable) => return Err(failure),
        Err(failure) => {
            findings.push(Finding::new(Grade::Bad, "state", failure.message, failure.next));
            return Ok(findings);
        }
    };
    let own = agent.examine_own().await?;
    let waiting = match own.waiting {
        0 => Finding::new(Grade::Good, "state", format!("it opens; cases: {}", own.cases), "Nothing waits to be sent."),
        waiting => {
            Finding::new(Grade::Note, "state", format!("{waiting} acts wait for an answer"), "`custodia device sync` sends them again.")
        }
    };
    findings.push(waiting);
    findings.push(certificate(&own));
    findings.extend(server(&agent, &own, settings).await);
    Ok(findings)
}

/// Who may look into the state's folder.
fn folder(home: &Path) -> Finding {
    use std::os::unix::fs::PermissionsExt as _;
    let shown = printable_path(home);
    match home.metadata() {
        Err(error) => Finding::new(Grade::Bad, "folder", format!("{shown}: {error}"), "Name the device's folder with --home."),
        Ok(metadata) if metadata.permissions().mode() & 0o022 != 0 => {
            let next = format!("Others may put files there: chmod go-w {shown}");
            Finding::new(Grade::Bad, "folder", format!("{shown} is open to writing by others"), next)
        }
        Ok(_) => Finding::new(Grade::Good, "folder", shown, "Nobody else may write there; the state is encrypted."),
    }
}

fn space(home: &Path) -> Finding {
    match free_bytes(home) {
        Some(free) if free < LITTLE_SPACE_BYTES => {
            Finding::new(Grade::Note, "disk", format!("{} MiB are free", free >> 20), "Make room before you export or make a dossier.")
        }
        Some(free) => Finding::new(Grade::Good, "disk", format!("{} MiB are free", free >> 20), "Exports need as much as the exhibit has."),
        None => Finding::new(Grade::Note, "disk", "the system does not say how much is free", "Look yourself before you export."),
    }
}

fn certificate(own: &OwnExamination) -> Finding {
    let Some(fields) = &own.certificate else {
        return Finding::new(Grade::Bad, "certificate", "none is installed", Code::NotEnrolled.next());
    };
    let who = printable(&format!("{} ({}), {}", fields.name, fields.person, fields.role));
    let days = days_until(fields.not_after);
    match own.standing {
        Standing::Good if days < RENEW_WITHIN_DAYS => {
            Finding::new(Grade::Note, "certificate", format!("{who}: {days} days are left"), "Ask your office for another in time.")
        }
        Standing::Good => Finding::new(Grade::Good, "certificate", format!("{who}: {days} days are left"), "It is in good standing."),
        standing => {
            let found = format!("{who}: not in good standing ({standing:?}), by what this device last saw");
            Finding::new(Grade::Bad, "certificate", found, Code::NotInGoodStanding.next())
        }
    }
}

fn days_until(time: LogTime) -> i64 {
    let end = i64::try_from(time.seconds()).unwrap_or(i64::MAX);
    end.saturating_sub(OffsetDateTime::now_utc().unix_timestamp()).div_euclid(86_400)
}

/// The way to the server, its log and its clock.
async fn server(agent: &Agent, own: &OwnExamination, settings: &Settings) -> Vec<Finding> {
    let Some(url) = &own.server else {
        return vec![Finding::new(Grade::Bad, "server", "the device is bound to none", Code::NotEnrolled.next())];
    };
    let demand = match settings.demand() {
        Ok(demand) => demand,
        Err(failure) => return vec![Finding::new(Grade::Bad, "policy", failure.message, failure.next)],
    };
    let shown = match agent.examine_server().await {
        Ok(shown) => shown,
        Err(error) => {
            let about = if matches!(error, AgentError::Misbehaved(_)) { "log" } else { "server" };
            let failure = Failure::from(error);
            return vec![Finding::new(Grade::Bad, about, failure.message, failure.next)];
        }
    };
    let tls = if url.starts_with("https:") { "over TLS with X25519MLKEM768" } else { "without TLS, on this machine alone" };
    let way = match shown.other {
        Some(what) => Finding::new(Grade::Bad, "server", format!("{url} shows another {what}"), Code::OtherServer.next()),
        None => Finding::new(Grade::Good, "server", format!("{url}, version {}", printable(&shown.version)), format!("It answers, {tls}.")),
    };
    let mut findings = vec![way, log(&shown, demand.is_some()), clock(&shown)];
    if let Some(demand) = demand {
        findings.push(witnesses(agent, &demand, shown.records).await);
    }
    findings
}

/// Who beside the log vouches for it.
async fn witnesses(agent: &Agent, demand: &Demand, records: u64) -> Finding {
    match agent.vouched(demand).await {
        Err(error) => {
            let failure = Failure::from(error);
            Finding::new(Grade::Bad, "witnesses", failure.message, failure.next)
        }
        Ok(vouched) => {
            let (holds, words) = vouched_words(&vouched, records);
            Finding::new(if holds { Grade::Good } else { Grade::Bad }, "witnesses", words, "By the policy of this device's configuration.")
        }
    }
}

fn log(shown: &ServerExamination, witnessed: bool) -> Finding {
    let ServerExamination { records, seen, .. } = shown;
    let meaning = if witnessed {
        "It extends what this device has seen."
    } else {
        "It extends what this device has seen. No witness is configured, so nobody checked that there is no newer one."
    };
    Finding::new(Grade::Good, "log", format!("{records} records, {} of them new to this device", records.saturating_sub(*seen)), meaning)
}

fn clock(shown: &ServerExamination) -> Finding {
    let Some(difference) = shown.clock_difference else {
        return Finding::new(Grade::Note, "clock", "the server's answer does not say its time", "Compare the clocks yourself.");
    };
    let found = match difference {
        0 => "this machine and the server show the same second".to_owned(),
        _ => format!("this machine is {} s {} the server", difference.abs(), if difference > 0 { "behind" } else { "ahead of" }),
    };
    match difference.unsigned_abs() {
        apart if apart >= MAX_SKEW_SECONDS => Finding::new(Grade::Bad, "clock", found, Code::ClockSkew.next()),
        apart if apart >= MAX_SKEW_SECONDS / 2 => {
            Finding::new(Grade::Note, "clock", found, "Set the clock before the server refuses requests.")
        }
        _ => Finding::new(Grade::Good, "clock", found, "Requests are taken, and times in the log can be compared."),
    }
}
