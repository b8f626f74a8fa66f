//! `custodia audit exposure`: what a person or a device has opened, and what they could open now.

use clap::Args;
use custodia_client::audit::{Exposure, Subject};
use custodia_core::custody::kind::Purpose;
use custodia_core::ids::{DeviceId, PersonId};
use custodia_core::time::LogTime;

use super::{replay, tell_findings};
use crate::commands::{agent_in_touch, clock};
use crate::failure::{Code, Failure};
use crate::settings::Settings;
use crate::terminal::{Answer, answer, note, table};

/// Options of `custodia audit exposure`.
#[derive(Args)]
pub struct Options {
    /// Of this person's devices (office/person).
    #[arg(long, required_unless_present = "device", conflicts_with = "device")]
    person: Option<PersonId>,
    /// Of this device, by its id.
    #[arg(long)]
    device: Option<DeviceId>,
    /// Why the log is read: lawfulness-check, self-monitoring, integrity-security or criminal-proceedings.
    #[arg(long)]
    purpose: Purpose,
    /// Why: sealed to the auditors.
    #[arg(long)]
    reason: String,
}

impl Answer for Exposure {
    fn text(&self) -> String {
        let head = ["EXHIBIT", "CASE", "OPENED", "COULD OPEN NOW", "WHY"];
        let rows = self.exhibits.iter().map(|row| {
            let collected = row.collected.map(|record| format!("collected, record {record}"));
            let opened = row.opened.iter().map(|one| format!("{} {}, record {}", one.time, one.how, one.record));
            let opened: Vec<String> = collected.into_iter().chain(opened).collect();
            let could = row.could_open.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
            [row.exhibit.to_string(), row.case.to_string(), dash(opened.join("; ")), dash(could), row.why.clone()]
        });
        table(head, rows.collect())
    }
}

/// Replays, and answers for one person or device.
pub async fn run(options: Options, settings: &Settings) -> Result<(), Failure> {
    let (subject, name) = match (options.person, options.device) {
        (Some(person), _) => (Subject::Person(person.clone()), person.to_string()),
        (None, Some(device)) => (Subject::Device(device), device.to_string()),
        (None, None) => return Err(Failure::usage("the report needs --person or --device", "")),
    };
    let agent = agent_in_touch(settings).await?;
    let report = replay(&agent, options.purpose, options.reason, false).await?;
    let now = LogTime::from_millis(clock().millis()).map_err(|error| Failure::new(Code::Machine, error.to_string(), ""))?;
    let exposure = Exposure::of(&report, &subject, now);
    if exposure.devices.is_empty()
        || !exposure.devices.keys().all(|device| report.replay().registry().certificates_of(*device).next().is_some())
    {
        return Err(Failure::new(Code::NotFound, format!("the registry knows no device of {name}"), "The reading itself is entered."));
    }
    answer(&exposure)?;
    for (device, good) in &exposure.devices {
        note(&format!("Device {device} is {}.", if *good { "in good standing" } else { "not in good standing: it opens nothing now" }));
    }
    if !exposure.erased.is_empty() {
        let records: Vec<String> = exposure.erased.iter().map(ToString::to_string).collect();
        note(&format!("Whether the records {} were openings of theirs nobody can say: their content was erased.", records.join(", ")));
    }
    note("Whoever opened an exhibit may have kept a copy; whoever exported it has one.");
    match tell_findings(&report) {
        0 => Ok(()),
        failed => Err(Failure::new(Code::AuditFailed, format!("{} records replayed; {failed} checks do not hold", report.size()), "")),
    }
}
