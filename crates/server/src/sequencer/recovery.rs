//! The recovery ceremony: its facts, read inside the turn, and what its records change.

use custodia_core::custody::body::{Add, MemberChange, Terms};
use custodia_core::custody::facts::{LeafFacts, Membership};
use custodia_core::custody::intent::SignedIntent;
use custodia_core::custody::recovery::{Held, LostFacts, Proposed, Recovery, RecoveryFacts};
use custodia_core::custody::rules;
use custodia_core::digest::Sha256Digest;
use custodia_core::ids::{CaseId, OfficeId};
use custodia_failpoint::fail_point;

use super::append::Growing;
use crate::store::cases::Member;
use crate::store::recoveries;
use crate::store::{Conn, StoreError, cases};

/// What holds of a recovery that is proposed or confirmed.
pub(super) async fn facts(conn: &mut Conn, growing: &Growing, case: CaseId, body: &Recovery) -> Result<RecoveryFacts, StoreError> {
    match body {
        Recovery::Propose { lost, device } => of_place(conn, growing, case, (*lost, *device), None).await,
        Recovery::Confirm { digest, .. } => {
            let named = recoveries::named(conn, case, *digest).await?;
            let proposal = named.map(|row| proposed(growing, &row)).transpose()?;
            Ok(RecoveryFacts { lost: None, device: None, prosecutor_remains: false, proposal })
        }
    }
}

/// What holds of each device that joins by this commit in the place of a lost one.
pub(super) async fn replacements(
    conn: &mut Conn,
    growing: &Growing,
    intent: &SignedIntent,
    body: &MemberChange,
) -> Result<Vec<RecoveryFacts>, StoreError> {
    let mut all = Vec::new();
    for add in replacing(body) {
        all.push(match waiting(conn, growing, intent, add.certificate).await? {
            Some(row) => {
                let proposal = Some(proposed(growing, &row)?);
                of_place(conn, growing, intent.case, (row.lost, row.device), proposal).await?
            }
            None => RecoveryFacts { lost: None, device: None, prosecutor_remains: false, proposal: None },
        });
    }
    Ok(all)
}

/// What the lost device held in whose place a device joins by this commit, and that device.
pub(super) async fn held_by_lost(
    conn: &mut Conn,
    growing: &Growing,
    intent: &SignedIntent,
    device: Sha256Digest,
) -> Result<Option<(Sha256Digest, Held)>, StoreError> {
    let Some(row) = waiting(conn, growing, intent, device).await? else { return Ok(None) };
    Ok(held(conn, intent.case, row.lost).await?.map(|held| (row.lost, held)))
}

/// Stores what an accepted record of a recovery says.
pub(super) async fn enter(conn: &mut Conn, intent: &SignedIntent, body: &Recovery, index: u64) -> Result<(), StoreError> {
    match body {
        Recovery::Propose { lost, device } => {
            let new = recoveries::Recovery {
                digest: intent.digest(),
                intent: intent.id,
                proposer: intent.signer(),
                lost: *lost,
                device: *device,
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

/// Marks the recoveries that a commit carries out; before the commit removes anybody.
pub(super) async fn carry_out(
    conn: &mut Conn,
    growing: &Growing,
    intent: &SignedIntent,
    body: &MemberChange,
    index: u64,
) -> Result<(), StoreError> {
    for add in replacing(body) {
        let Some(row) = waiting(conn, growing, intent, add.certificate).await? else { continue };
        if let Some(held) = held(conn, intent.case, row.lost).await? {
            recoveries::carry_out(conn, intent.case, row.digest, held, index).await?;
        }
    }
    Ok(())
}

/// Remembers what a member held that a commit removes after it left or was revoked.
pub(super) async fn retire(conn: &mut Conn, growing: &Growing, case: CaseId, certificate: Sha256Digest) -> Result<(), StoreError> {
    let (Some(member), Some(stored)) = (cases::member(conn, case, certificate).await?, cases::case(conn, case).await?) else {
        return Ok(());
    };
    let revoked = growing.mirror.device_facts(certificate, growing.time).is_some_and(|(_, revoked)| revoked);
    if revoked || member.left.is_some() {
        recoveries::retire(conn, case, certificate, Held::of(membership(member), stored.ring_version)).await?;
    }
    Ok(())
}

fn replacing(body: &MemberChange) -> impl Iterator<Item = &Add> {
    body.adds.iter().filter(|add| add.terms == Terms::Recovery)
}

/// The confirmed recovery of a device by the actor's office.
async fn waiting(
    conn: &mut Conn,
    growing: &Growing,
    intent: &SignedIntent,
    device: Sha256Digest,
) -> Result<Option<recoveries::Recovery>, StoreError> {
    let office = |certificate| growing.mirror.certificate(certificate).map(custodia_core::identity::Certificate::office);
    let own: Option<&OfficeId> = office(intent.signer());
    let rows = recoveries::waiting(conn, intent.case, device).await?;
    Ok(rows.into_iter().find(|row| own.is_some() && office(row.proposer) == own))
}

fn proposed(growing: &Growing, row: &recoveries::Recovery) -> Result<Proposed, StoreError> {
    let proposer = growing.mirror.certificate(row.proposer).ok_or(StoreError::Corrupt("a recovery that nobody proposed"))?;
    Ok(Proposed {
        intent: row.intent,
        person: proposer.person().clone(),
        office: proposer.office().clone(),
        lost: row.lost,
        device: row.device,
        confirmed: row.confirmed,
        done: row.done,
    })
}

fn membership(member: Member) -> Membership {
    Membership { first_ring: member.first_ring, left: member.left.is_some() }
}

/// What a device holds, or held when it was removed after it left or was revoked.
async fn held(conn: &mut Conn, case: CaseId, certificate: Sha256Digest) -> Result<Option<Held>, StoreError> {
    let (member, stored) = (cases::member(conn, case, certificate).await?, cases::case(conn, case).await?);
    match (member, stored) {
        (Some(member), Some(stored)) => Ok(Some(Held::of(membership(member), stored.ring_version))),
        _ => recoveries::former(conn, case, certificate).await,
    }
}

async fn of_place(
    conn: &mut Conn,
    growing: &Growing,
    case: CaseId,
    (lost, device): (Sha256Digest, Sha256Digest),
    proposal: Option<Proposed>,
) -> Result<RecoveryFacts, StoreError> {
    let held = held(conn, case, lost).await?;
    let members = cases::members(conn, case).await?;
    let leaf = |member: &Member| {
        let (device, revoked) = growing.mirror.device_facts(member.certificate, growing.time)?;
        Some(LeafFacts { device, gone: revoked || member.left.is_some() })
    };
    let leaves: Vec<LeafFacts> = members.iter().filter_map(leaf).collect();
    let is_member = members.iter().any(|member| member.certificate == device);
    let facts = |certificate| growing.mirror.device_facts(certificate, growing.time);
    Ok(RecoveryFacts {
        lost: facts(lost).map(|(device, revoked)| LostFacts { device, revoked, held }),
        device: facts(device).map(|(device, _)| (device, is_member)),
        prosecutor_remains: rules::prosecutor_remains(leaves.iter()),
        proposal,
    })
}
