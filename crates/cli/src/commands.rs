//! One file a command, and what they share: the device at work, its clock, the statement of a reason.

pub mod audit;
pub mod case;
pub mod config;
pub mod device;
pub mod doctor;
pub mod dossier;
pub mod exhibit;
mod intake;
pub mod log;
pub mod manual;
pub mod office;
mod report_program;
pub mod schema;
pub mod serve;
pub mod verify;
pub mod witness;

use std::path::Path;

use clap::Args;
use custodia_client::passphrase::Cost;
use custodia_client::witnessed::{Demand, Vouched};
use custodia_client::{Agent, Clock, StatePaths, Statement};
use custodia_core::custody::intent::ClockSource;
use custodia_core::ids::CaseId;
use custodia_core::time::LogTime;
use serde::Serialize;
use time::{OffsetDateTime, UtcOffset};

use crate::failure::{Code, Failure};
use crate::settings::Settings;
use crate::terminal::{self, Answer, printable_path};

/// Why an act is done; it is sealed to the case's members and auditors.
#[derive(Args)]
pub struct Reason {
    /// Why: one or more sentences, sealed to the case's members and auditors.
    #[arg(long)]
    reason: String,
    /// File number or legal reference.
    #[arg(long)]
    reference: Option<String>,
}

impl From<Reason> for Statement {
    fn from(reason: Reason) -> Self {
        Self { reason: reason.reason, reference: reason.reference }
    }
}

/// An act that stands in the log.
#[derive(Serialize)]
pub struct Entered {
    /// The index of its record.
    pub record: u64,
}

impl Answer for Entered {
    fn text(&self) -> String {
        String::new()
    }
}

/// The operating system's clock, with the machine's zone.
pub fn clock() -> Clock {
    Clock::new(ClockSource::Os, || {
        let zone = chrono::Local::now().offset().local_minus_utc();
        OffsetDateTime::now_utc().to_offset(UtcOffset::from_whole_seconds(zone).unwrap_or(UtcOffset::UTC))
    })
}

/// Opens the device's state under its passphrase.
pub async fn agent(settings: &Settings) -> Result<Agent, Failure> {
    let folder = settings.home()?;
    let passphrase = terminal::passphrase(settings.passphrase_fd, "this device", false)?;
    let agent = Agent::open(&StatePaths::in_folder(folder), &passphrase, clock()).await?;
    warn_of_end(&agent)?;
    Ok(agent)
}

/// Says so when the device's certificate ends soon, or has ended.
fn warn_of_end(agent: &Agent) -> Result<(), Failure> {
    let (Some(days), Some(ends)) = (agent.certificate_days()?, agent.certificate_ends()?) else { return Ok(()) };
    let next = "Renew it: `custodia device renew --request FILE`, and send the file to your office.";
    if days < 0 {
        terminal::note(&format!(
            "This device's certificate ended on {}: until it is renewed, the server takes nothing from it. {next}",
            day(ends)
        ));
    } else if days < WARN_DAYS {
        terminal::note(&format!("This device's certificate ends on {}, in {days} days. {next}", day(ends)));
    }
    Ok(())
}

/// The day of a time.
pub fn day(time: LogTime) -> String {
    time.to_string().chars().take(10).collect()
}

/// Opens the device and brings it up to date with log, registry and its cases.
pub async fn agent_in_touch(settings: &Settings) -> Result<Agent, Failure> {
    let agent = agent(settings).await?;
    get_in_touch(&agent, settings).await?;
    Ok(agent)
}

/// Brings a device up to date with log, registry and its cases; gives those that it joined.
pub async fn get_in_touch(agent: &Agent, settings: &Settings) -> Result<Vec<CaseId>, Failure> {
    let demand = settings.demand()?;
    agent.deliver().await?;
    agent.sync().await?;
    agent.publish_key_packages().await?;
    let joined = agent.join_new_cases().await?;
    // Said wherever something of the server's is shown: a server that stands still looks like one where nothing happens.
    say_who_vouches(agent, demand.as_ref()).await?;
    Ok(joined)
}

/// Says what holds of the log that the server shows.
async fn say_who_vouches(agent: &Agent, demand: Option<&Demand>) -> Result<(), Failure> {
    let vouched = match demand {
        None => None,
        Some(demand) => Some(agent.vouched(demand).await?),
    };
    let size = agent.log_size().await?;
    let shown = format!("The server shows a log of {size} records.");
    match vouched {
        None => terminal::note(&format!("{shown} No witness is configured, so nobody checked that there is no newer one.")),
        Some(vouched) => {
            let (holds, words) = vouched_words(&vouched, size);
            if holds { terminal::note(&format!("{shown} {words}")) } else { terminal::warn(&format!("WARNING: {shown} {words}")) }
        }
    }
    Ok(())
}

/// Whether the device's demand is met, and what holds, in words.
pub fn vouched_words(vouched: &Vouched, size: u64) -> (bool, String) {
    match vouched {
        Vouched::ByNobody => (
            false,
            "No checkpoint of it meets the quorum of your policy: nobody vouches that others see the same log. Ask the operator which \
             witnesses do not answer, and a colleague what they see."
                .to_owned(),
        ),
        Vouched::Upto { since: None, .. } => {
            (true, "Your policy asks for no cosignature, so nobody checked that there is no newer one.".to_owned())
        }
        Vouched::Upto { size: upto, since: Some(since), stale } => {
            let time = LogTime::from_millis(since.saturating_mul(1000)).map_or_else(|_| format!("{since} s"), |time| time.to_string());
            let rest = match size.saturating_sub(*upto) {
                0 => "all of them".to_owned(),
                rest => format!("the first {upto} of them, and nobody the {rest} behind"),
            };
            let words = format!("The quorum of your policy has cosigned {rest}; it was complete at {time}");
            if *stale {
                return (
                    false,
                    format!(
                        "{words}, which is not what you demand (freshness-seconds), or a clock is wrong. Ask the operator which witnesses do not answer."
                    ),
                );
            }
            (true, format!("{words}."))
        }
    }
}

/// From how many days before its end on a certificate is spoken of.
const WARN_DAYS: i64 = 30;

/// How much work one guess of a passphrase costs.
pub const COST: Cost = Cost::DEFAULT;

/// Reads a file of at most 16 MiB; of a longer one, or of a device without an end, no more is read.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let limit = 16 * 1024 * 1024;
    custodia_client::durable_file::read(path, limit).map_err(|error| match error.kind() {
        std::io::ErrorKind::FileTooLarge => Failure::malformed(path, "larger than 16 MiB", ""),
        _ => Failure::file(path, &error),
    })
}

/// Reads a text file of at most 16 MiB.
pub fn read_text(path: &Path) -> Result<String, Failure> {
    String::from_utf8(read_bytes(path)?).map_err(|_| Failure::malformed(path, "not text in UTF-8", ""))
}

/// Writes a file that must not exist yet.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    custodia_client::durable_file::create(path, bytes).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::new(Code::Exists, format!("{}: exists already", printable_path(path)), ""),
        _ => Failure::file(path, &error),
    })
}

/// Finds a case by its id, the beginning of its id, or its title.
pub async fn find_case(agent: &Agent, text: &str) -> Result<CaseId, Failure> {
    let cases = agent.cases().await?;
    let mut found = cases.iter().filter(|case| case.id.to_string().starts_with(text) || case.title.as_deref() == Some(text));
    match (found.next(), found.next()) {
        (Some(case), None) => Ok(case.id),
        (None, _) => Err(Failure::new(
            Code::NotFound,
            format!("no case is called {}", terminal::printable(text)),
            "`custodia case list` shows yours.",
        )),
        (Some(_), Some(_)) => Err(Failure::new(Code::Ambiguous, format!("{} names several cases", terminal::printable(text)), "")),
    }
}
