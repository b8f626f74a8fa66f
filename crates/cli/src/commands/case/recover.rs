//! `custodia case recover`: the ceremony by which somebody who lost every device comes back.

use clap::Args;
use custodia_client::{Agent, LostDevice, RecoveryProgress, RecoveryRow};
use custodia_core::digest::Sha256Digest;
use custodia_core::identity::Certificate;
use custodia_core::ids::{CaseId, PersonId};
use serde::Serialize;

use super::super::{Reason, find_case};
use crate::failure::{Code, Failure};
use crate::terminal::{Answer, answer, note, printable};

/// What is recovered, and which of the two officers you are.
#[derive(Args)]
pub struct Recover {
    /// Id, the beginning of it, or title.
    case: String,
    /// office/person: who comes back, with a new device that the office has enrolled.
    #[arg(long)]
    person: PersonId,
    /// The lost device, by the beginning of its certificate id; needed where several are lost, or where the person takes the place of another.
    #[arg(long, value_name = "CERTIFICATE", conflicts_with = "confirm")]
    lost: Option<String>,
    /// The new device, by the beginning of its certificate id; needed where the person has several.
    #[arg(long, value_name = "CERTIFICATE", conflicts_with = "confirm")]
    device: Option<String>,
    /// Confirm, as another person, what an officer of the office has proposed.
    #[arg(long)]
    confirm: bool,
    #[command(flatten)]
    reason: Reason,
}

/// How far a recovery has come.
#[derive(Serialize)]
pub struct Recovering {
    case: CaseId,
    /// office/person: who comes back.
    person: PersonId,
    /// proposed, confirmed or done.
    progress: RecoveryProgress,
}

impl Answer for Recovering {
    fn text(&self) -> String {
        String::new()
    }
}

/// Takes the next step of a recovery.
pub async fn run(agent: &Agent, words: Recover) -> Result<(), Failure> {
    let Recover { case, person, lost, device, confirm, reason } = words;
    let case = find_case(agent, &case).await?;
    agent.refresh(case).await?;
    let progress = if confirm {
        agent.confirm_recovery(case, &person, &reason.into()).await?
    } else {
        let (lost, device) = match proposed(agent, case, &person, (lost.as_deref(), device.as_deref())).await? {
            Some(row) => (row.lost, row.device),
            None => (lost_device(agent, case, &person, lost.as_deref()).await?, new_device(agent, case, &person, device.as_deref()).await?),
        };
        agent.recover(case, lost, device, &reason.into()).await?
    };
    note(&match progress {
        RecoveryProgress::Proposed => format!(
            "The recovery of {person} is proposed and stands in the log. Within 30 days another person confirms it with --confirm: another \
             recovery officer of the office, or a prosecutor of the case. Then run this command again."
        ),
        RecoveryProgress::Confirmed => {
            format!("The recovery of {person} is confirmed. A recovery officer of the office runs the command again to carry it out.")
        }
        RecoveryProgress::Done => {
            format!("{person} is back: the new device may open what the lost one could, exhibit by exhibit, and the lost one nothing more.")
        }
        RecoveryProgress::Ended => format!("The recovery of {person} leads nowhere any more; propose it again."),
    });
    answer(&Recovering { case, person, progress })
}

/// The recovery of the person that was proposed last and leads on, or is done while the new device is in the case.
async fn proposed(
    agent: &Agent,
    case: CaseId,
    person: &PersonId,
    (lost, device): (Option<&str>, Option<&str>),
) -> Result<Option<RecoveryRow>, Failure> {
    let members = agent.members(case).await?;
    let named = |id: Sha256Digest, text: Option<&str>| text.is_none_or(|text| id.to_string().starts_with(text));
    let stands = |row: &RecoveryRow| match row.progress {
        RecoveryProgress::Proposed | RecoveryProgress::Confirmed => true,
        RecoveryProgress::Done => members.iter().any(|member| member.device == row.new_device),
        RecoveryProgress::Ended => false,
    };
    let fits = |row: &RecoveryRow| row.person == *person && stands(row) && named(row.lost, lost) && named(row.device, device);
    Ok(agent.recoveries(case).await?.into_iter().rev().find(fits))
}

/// The device that is lost: the one named, or the only one of the person that was revoked.
async fn lost_device(agent: &Agent, case: CaseId, person: &PersonId, named: Option<&str>) -> Result<Sha256Digest, Failure> {
    let lost = agent.lost_devices(case).await?;
    let fits = |row: &&LostDevice| match named {
        Some(text) => row.certificate.to_string().starts_with(text),
        None => row.person == *person,
    };
    let found: Vec<&LostDevice> = lost.iter().filter(fits).collect();
    match found.as_slice() {
        [row] => Ok(row.certificate),
        [] => Err(Failure::new(
            Code::NotFound,
            match named {
                Some(text) => format!("no device whose certificate id begins with {text} is lost to this case"),
                None => format!("no device of {person} in this case was revoked"),
            },
            "The office revokes the lost device first: `custodia office revoke`. A device of a prosecutor who left is named with --lost.",
        )),
        several => {
            let rows: Vec<String> = several.iter().map(|row| format!("{} ({})", short(row.certificate), printable(&row.label))).collect();
            Err(Failure::new(Code::Ambiguous, format!("several devices are lost: {}", rows.join(", ")), "Name one with --lost."))
        }
    }
}

/// The person's device in good standing that is not in the case.
async fn new_device(agent: &Agent, case: CaseId, person: &PersonId, named: Option<&str>) -> Result<Sha256Digest, Failure> {
    let members = agent.members(case).await?;
    let is_new = |device: &Certificate| *device.person() == *person && members.iter().all(|member| member.device != device.device());
    let fits = |device: &Certificate| is_new(device) && named.is_none_or(|text| device.id().to_string().starts_with(text));
    let found: Vec<Certificate> = agent.devices().await?.into_iter().filter(fits).collect();
    match found.as_slice() {
        [device] => Ok(device.id().digest()),
        [] => Err(Failure::new(
            Code::NotFound,
            format!("{person} has no new device in good standing"),
            "Their office enrols one: `custodia office issue`. The person installs the certificate, which uploads its key packages.",
        )),
        several => {
            let rows: Vec<String> = several
                .iter()
                .map(|device| format!("{} ({})", short(device.id().digest()), printable(&device.fields().label.to_string())))
                .collect();
            let next = "Name one with --device; the person adds the others with `custodia case add`.";
            Err(Failure::new(Code::Ambiguous, format!("{person} has several new devices: {}", rows.join(", ")), next))
        }
    }
}

/// A recovery, for `case show`.
#[derive(Serialize)]
pub struct Told {
    /// office/person: who comes back.
    person: PersonId,
    /// Certificate id of the new device.
    device: Sha256Digest,
    /// office/person of the lost device.
    lost_person: PersonId,
    /// Certificate id of the lost device.
    lost: Sha256Digest,
    proposed_by: PersonId,
    /// Null while nobody has confirmed it.
    confirmed_by: Option<PersonId>,
    progress: RecoveryProgress,
}

impl From<RecoveryRow> for Told {
    fn from(row: RecoveryRow) -> Self {
        let RecoveryRow { lost, lost_person, device, person, proposed_by, confirmed_by, progress, .. } = row;
        Self { person, device, lost_person, lost, proposed_by, confirmed_by, progress }
    }
}

impl Told {
    /// In one line.
    pub fn line(&self) -> String {
        let place = format!("{} ({}) in the place of {} ({})", self.person, short(self.device), self.lost_person, short(self.lost));
        let confirmed = match &self.confirmed_by {
            Some(person) => format!("confirmed by {person}"),
            None => "confirmed by nobody".to_owned(),
        };
        let progress = match self.progress {
            RecoveryProgress::Proposed => "waits for a second person",
            RecoveryProgress::Confirmed => "not carried out yet",
            RecoveryProgress::Done => "carried out",
            RecoveryProgress::Ended => "leads nowhere any more",
        };
        format!("recovery: {place}, proposed by {}, {confirmed}; {progress}", self.proposed_by)
    }
}

fn short(certificate: Sha256Digest) -> String {
    certificate.to_string()[..16].to_owned()
}
