//! The rules of the recovery ceremony.

use super::{RCV_01, RCV_02, RCV_03, RCV_04};
use super::{Rule, demand};
use crate::custody::facts::{DeviceFacts, LeafFacts};
use crate::custody::recovery::{Proposed, Recovery, RecoveryFacts};
use crate::identity::Role;
use crate::time::LogTime;

/// Judges a proposal or its confirmation.
///
/// # Errors
/// The rule that the act breaks.
pub(super) fn judge(body: &Recovery, actor: &DeviceFacts, facts: &RecoveryFacts, time: LogTime) -> Result<(), Rule> {
    match body {
        Recovery::Propose { .. } => {
            demand(RCV_01, actor.role == Role::Recovery)?;
            judge_place(actor, facts)
        }
        Recovery::Confirm { proposal, .. } => demand(
            RCV_03,
            facts
                .proposal
                .as_ref()
                .is_some_and(|found| found.intent == *proposal && !found.confirmed && found.stands_at(time) && may_confirm(actor, found)),
        ),
    }
}

/// Another person: with a recovery device of the proposer's office, or a prosecutor, who could add the device alone.
fn may_confirm(actor: &DeviceFacts, proposal: &Proposed) -> bool {
    let officer = match actor.role {
        Role::Recovery => actor.office == proposal.office,
        Role::Prosecutor => true,
        Role::Auditor | Role::Administrator => false,
    };
    officer && actor.person != proposal.person
}

/// Judges one addition in the place of a lost device, at the moment of its commit: everything holds still.
pub(super) fn judge_replacement(actor: &DeviceFacts, facts: &RecoveryFacts, time: LogTime) -> Result<(), Rule> {
    let confirmed = |found: &Proposed| found.confirmed && found.stands_at(time) && found.office == actor.office;
    demand(RCV_04, actor.role == Role::Recovery && facts.proposal.as_ref().is_some_and(confirmed))?;
    judge_place(actor, facts)
}

/// Judges which device may come in the place of which.
fn judge_place(officer: &DeviceFacts, facts: &RecoveryFacts) -> Result<(), Rule> {
    let (Some(lost), Some((device, member))) = (&facts.lost, &facts.device) else { return Err(RCV_01) };
    let Some(held) = &lost.held else { return Err(RCV_01) };
    let of_the_office = lost.device.office == officer.office && device.office == officer.office;
    let of_prosecutors = lost.device.role == Role::Prosecutor && device.role == Role::Prosecutor;
    demand(RCV_01, of_the_office && of_prosecutors && device.good_standing && !member && (lost.revoked || held.left))?;
    let own = device.person == lost.device.person && !held.left;
    demand(RCV_02, own || !facts.prosecutor_remains)
}

/// Whether one of these is a prosecutor who works on the case still.
pub fn prosecutor_remains(members: &[LeafFacts]) -> bool {
    members.iter().any(|leaf| leaf.device.role == Role::Prosecutor && !leaf.gone)
}
