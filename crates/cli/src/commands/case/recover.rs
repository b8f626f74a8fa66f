//! `custodia case recover`: the ceremony by which somebody who lost every device comes back.

use clap::Args;
use custodia_client::{Agent, MemberRow, RecoveryProgress, RecoveryRow};
use custodia_core::digest::Sha256Digest;
use custodia_core::ids::{CaseId, PersonId};

use super::super::{Reason, find_case};
use crate::failure::{Exit, Failure};
use crate::terminal::{note, printable};

/// What is recovered, and which of the two officers you are.
#[derive(Args)]
pub struct Recover {
    /// Id, the beginning of it, or title.
    case: String,
    /// office/person: who comes back, with a new device that the office has enrolled.
    #[arg(long)]
    person: PersonId,
    /// The lost device, by the beginning of its certificate id; needed where several are lost, or where the person takes the place of another.
    #[arg(long, conflicts_with = "confirm")]
    lost: Option<String>,
    /// Confirm, as another person, what an officer of the office has proposed.
    #[arg(long)]
    confirm: bool,
    #[command(flatten)]
    reason: Reason,
}

/// Takes the next step of a recovery.
pub async fn run(agent: &Agent, words: Recover) -> Result<(), Failure> {
    let Recover { case, person, lost, confirm, reason } = words;
    let case = find_case(agent, &case).await?;
    agent.refresh(case).await?;
    let progress = if confirm {
        agent.confirm_recovery(case, &person, &reason.into()).await?
    } else {
        let (lost, device) = match waiting(agent, case, &person, lost.as_deref()).await? {
            Some(row) => (row.lost, row.device),
            None => (lost_device(agent, case, &person, lost.as_deref()).await?, new_device(agent, case, &person).await?),
        };
        agent.recover(case, lost, device, &reason.into()).await?
    };
    note(&match progress {
        RecoveryProgress::Proposed => format!(
            "The recovery of {person} is proposed and stands in the log. Another person confirms it with --confirm: another recovery officer of \
             the office, or a prosecutor of the case. Then run this command again."
        ),
        RecoveryProgress::Confirmed => {
            format!("The recovery of {person} is confirmed. A recovery officer of the office runs the command again to carry it out.")
        }
        RecoveryProgress::Done => {
            format!("{person} is back: the new device may open what the lost one could, exhibit by exhibit, and the lost one nothing more.")
        }
    });
    Ok(())
}

/// The recovery of the person that was proposed last, if the new device still waits for it.
async fn waiting(agent: &Agent, case: CaseId, person: &PersonId, lost: Option<&str>) -> Result<Option<RecoveryRow>, Failure> {
    let named = |row: &RecoveryRow| lost.is_none_or(|lost| row.lost.to_string().starts_with(lost));
    Ok(agent.recoveries(case).await?.into_iter().rev().find(|row| row.person == *person && named(row)))
}

/// The device that is lost: the one named, or the only one of the person that was revoked.
async fn lost_device(agent: &Agent, case: CaseId, person: &PersonId, named: Option<&str>) -> Result<Sha256Digest, Failure> {
    let lost = agent.lost_devices(case).await?;
    let fits = |row: &&MemberRow| match named {
        Some(text) => row.certificate.to_string().starts_with(text),
        None => row.person == *person,
    };
    let mut found = lost.iter().filter(fits);
    match (found.next(), found.next()) {
        (Some(row), None) => Ok(row.certificate),
        (None, _) => Err(Failure::new(
            Exit::NotFound,
            format!("no device of {person} in this case was revoked"),
            "The office revokes the lost device first: `custodia office revoke`. A device of a prosecutor who left is named with --lost.",
        )),
        (Some(_), Some(_)) => {
            let rows: Vec<String> = lost.iter().filter(fits).map(|row| format!("{} ({})", short(row.certificate), printable(&row.label))).collect();
            Err(Failure::usage(format!("several devices are lost: {}", rows.join(", ")), "Name one with --lost."))
        }
    }
}

/// The person's device in good standing that is not in the case.
async fn new_device(agent: &Agent, case: CaseId, person: &PersonId) -> Result<Sha256Digest, Failure> {
    let members = agent.members(case).await?;
    let devices = agent.devices().await?;
    let fits = |id: Sha256Digest| !members.iter().any(|member| member.certificate == id);
    let mut found = devices.iter().filter(|device| *device.person() == *person).map(|device| device.id().digest()).filter(|id| fits(*id));
    match (found.next(), found.next()) {
        (Some(device), None) => Ok(device),
        (None, _) => Err(Failure::new(
            Exit::NotFound,
            format!("{person} has no new device in good standing"),
            "Their office enrols one: `custodia office issue`. The person installs the certificate, which uploads its key packages.",
        )),
        (Some(_), Some(_)) => Err(Failure::new(
            Exit::Conflict,
            format!("{person} has several new devices"),
            "Recover one; the person adds the others with `custodia case add`.",
        )),
    }
}

/// A recovery in one line, for `case show`.
pub fn told(row: &RecoveryRow) -> String {
    let place = format!("{} ({}) in the place of {} ({})", row.person, short(row.device), row.lost_person, short(row.lost));
    let confirmed = row.confirmed_by.as_ref().map_or_else(|| "waits for a second person".to_owned(), |person| format!("confirmed by {person}"));
    let done = match row.progress {
        RecoveryProgress::Done => "carried out",
        RecoveryProgress::Confirmed => "not carried out yet",
        RecoveryProgress::Proposed => "nothing has changed yet",
    };
    format!("recovery: {place}, proposed by {}, {confirmed}; {done}", row.proposed_by)
}

fn short(certificate: Sha256Digest) -> String {
    certificate.to_string()[..16].to_owned()
}
