//! The recovery ceremony: its facts, read inside the turn, and what its records change. `custody::world::recovery` does the same for a replay.

use custodia_core::custody::body::{Add, MemberChange, Terms};
use custodia_core::custody::facts::{LeafFacts, Membership};
use custodia_core::custody::intent::SignedIntent;
use custodia_core::custody::recovery::{Held, LostFacts, Proposed, Recovery, RecoveryFacts};
use custodia_core::custody::rules;
use custodia_core::digest::Sha256Digest;
use custodia_core::ids::{CaseId, DeviceId, OfficeId};
use custodia_failpoint::fail_point;

use super::append::Growing;
use crate::error::Refusal;
use crate::store::{Conn, StoreError, cases, recoveries};

/// What holds of a recovery that is proposed or confirmed.
pub(super) async fn facts(conn: &mut Conn, growing: &Growing, case: CaseId, body: &Recovery) -> Result<RecoveryFacts, StoreError> {
    match body {
        Recovery::Propose { lost, device } => place(conn, growing, case, (*lost, *device), None).await,
        Recovery::Confirm { digest, .. } => {
            let named = recoveries::named(conn, case, *digest).await?;
            let proposal = named.map(|row| proposed(growing, &row)).transpose()?;
            Ok(RecoveryFacts { proposal, ..RecoveryFacts::nothing() })
        }
    }
}

/// What holds of each device that joins by a commit of an office in the place of a lost one.
pub(super) async fn replacements(
    conn: &mut Conn,
    growing: &Growing,
    case: CaseId,
    office: &OfficeId,
    body: &MemberChange,
) -> Result<Vec<RecoveryFacts>, StoreError> {
    let mut all = Vec::new();
    for add in replacing(body) {
        all.push(match waiting(conn, growing, case, office, add.certificate).await? {
            Some((row, proposal)) => place(conn, growing, case, (row.lost.1, add.certificate), Some(proposal)).await?,
            None => RecoveryFacts::nothing(),
        });
    }
    Ok(all)
}

/// What the lost device held in whose place a device joins by a commit of an office.
pub(super) async fn held_by_lost(
    conn: &mut Conn,
    growing: &Growing,
    case: CaseId,
    office: &OfficeId,
    device: Sha256Digest,
) -> Result<Option<Held>, StoreError> {
    match waiting(conn, growing, case, office, device).await? {
        Some((row, _)) => held(conn, case, row.lost.0).await,
        None => Ok(None),
    }
}

/// Stores what an accepted record of a recovery says.
pub(super) async fn enter(conn: &mut Conn, growing: &Growing, intent: &SignedIntent, body: &Recovery, index: u64) -> Result<(), Refusal> {
    match body {
        Recovery::Propose { lost, device } => {
            let named = |certificate: Sha256Digest| {
                let device = growing.mirror.device(certificate).ok_or(Refusal::UnknownDevice)?;
                Ok::<_, Refusal>((device, certificate))
            };
            let new = recoveries::Recovery {
                digest: intent.digest(),
                intent: intent.id,
                proposer: intent.signer(),
                lost: named(*lost)?,
                device: named(*device)?,
                time: growing.time,
                confirmed: false,
                done: false,
            };
            recoveries::propose(conn, intent.case, &new, index).await?;
        }
        Recovery::Confirm { digest, .. } => recoveries::confirm(conn, intent.case, *digest, index).await?,
    }
    fail_point!("server.recovery.entered");
    Ok(())
}

/// Marks the recoveries that a commit carries out; once it has removed whom it removes.
pub(super) async fn carry_out(
    conn: &mut Conn,
    growing: &Growing,
    intent: &SignedIntent,
    body: &MemberChange,
    index: u64,
) -> Result<(), StoreError> {
    let Some(actor) = growing.mirror.certificate(intent.signer()) else { return Ok(()) };
    for add in replacing(body) {
        let Some((row, _)) = waiting(conn, growing, intent.case, actor.office(), add.certificate).await? else { continue };
        recoveries::carry_out(conn, intent.case, &row, index).await?;
    }
    Ok(())
}

/// Remembers what a member held whom a commit removes; before it does, and before the grants of that one end.
pub(super) async fn retire(
    conn: &mut Conn,
    growing: &Growing,
    case: CaseId,
    certificate: Sha256Digest,
    index: u64,
) -> Result<(), StoreError> {
    let Some((device, revoked)) = growing.mirror.device_facts(certificate, growing.time) else { return Ok(()) };
    let Some(held) = held_by_member(conn, case, device.id).await? else { return Ok(()) };
    recoveries::retire(conn, case, device.id, &held, revoked || held.left, index).await
}

fn replacing(body: &MemberChange) -> impl Iterator<Item = &Add> {
    body.adds.iter().filter(|add| add.terms == Terms::Recovery)
}

/// The confirmed recovery of a device by an office.
async fn waiting(
    conn: &mut Conn,
    growing: &Growing,
    case: CaseId,
    office: &OfficeId,
    device: Sha256Digest,
) -> Result<Option<(recoveries::Recovery, Proposed)>, StoreError> {
    let Some(device) = growing.mirror.device(device) else { return Ok(None) };
    for row in recoveries::waiting(conn, case, device).await? {
        let proposal = proposed(growing, &row)?;
        if proposal.office == *office {
            return Ok(Some((row, proposal)));
        }
    }
    Ok(None)
}

fn proposed(growing: &Growing, row: &recoveries::Recovery) -> Result<Proposed, StoreError> {
    let proposer = growing.mirror.certificate(row.proposer).ok_or(StoreError::Corrupt("a recovery that nobody proposed"))?;
    Ok(Proposed {
        intent: row.intent,
        person: proposer.person().clone(),
        office: proposer.office().clone(),
        lost: row.lost,
        device: row.device,
        time: row.time,
        confirmed: row.confirmed,
        done: row.done,
    })
}

/// What a member holds.
async fn held_by_member(conn: &mut Conn, case: CaseId, device: DeviceId) -> Result<Option<Held>, StoreError> {
    let (member, stored) = (cases::member(conn, case, device).await?, cases::case(conn, case).await?);
    let (Some(member), Some(stored)) = (member, stored) else { return Ok(None) };
    let membership = Membership { first_ring: member.first_ring, left: member.left.is_some() };
    Ok(Some(Held::of(membership, stored.ring_version, cases::granted_to(conn, case, device).await?)))
}

/// What a device holds, or held when it was removed, if it had left or was revoked by then.
async fn held(conn: &mut Conn, case: CaseId, device: DeviceId) -> Result<Option<Held>, StoreError> {
    match held_by_member(conn, case, device).await? {
        Some(held) => Ok(Some(held)),
        None => recoveries::former(conn, case, device).await,
    }
}

/// What holds of the lost device, and of the one that comes in its place.
async fn place(
    conn: &mut Conn,
    growing: &Growing,
    case: CaseId,
    (lost, device): (Sha256Digest, Sha256Digest),
    proposal: Option<Proposed>,
) -> Result<RecoveryFacts, StoreError> {
    let facts = |certificate| growing.mirror.device_facts(certificate, growing.time);
    let members = cases::members(conn, case).await?;
    let leaves = members.iter().filter_map(|member| {
        let (device, revoked) = facts(member.certificate)?;
        Some(LeafFacts { device, gone: revoked || member.left.is_some() })
    });
    let is_member = |device: DeviceId| members.iter().any(|member| member.device == device);
    let lost = match facts(lost) {
        Some((device, revoked)) => Some(LostFacts { held: held(conn, case, device.id).await?, device, revoked }),
        None => None,
    };
    Ok(RecoveryFacts {
        lost,
        device: facts(device).map(|(device, _)| (device.clone(), is_member(device.id))),
        prosecutor_remains: rules::prosecutor_remains(&leaves.collect::<Vec<_>>()),
        proposal,
    })
}
