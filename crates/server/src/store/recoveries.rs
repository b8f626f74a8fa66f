//! Recoveries: what was proposed, confirmed and carried out, and what devices held that are gone.

use custodia_core::custody::recovery::Held;
use custodia_core::digest::Sha256Digest;
use custodia_core::ids::{CaseId, IntentId};

use super::sql::{Fields, sql};
use super::{Conn, StoreError};

/// A recovery as it was proposed.
pub(crate) struct Recovery {
    /// SHA-256 of the proposal's intent.
    pub digest: Sha256Digest,
    pub intent: IntentId,
    /// Certificate id of the proposer.
    pub proposer: Sha256Digest,
    pub lost: Sha256Digest,
    pub device: Sha256Digest,
    pub confirmed: bool,
    pub done: bool,
}

/// Stores a proposal.
pub(crate) async fn propose(conn: &mut Conn, case: CaseId, new: &Recovery, index: u64) -> Result<(), StoreError> {
    sql("INSERT INTO recoveries (case_id, digest, intent_id, proposer, lost, device, idx) VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bytes(case.as_bytes())
        .bytes(new.digest.as_bytes())
        .bytes(new.intent.as_bytes())
        .bytes(new.proposer.as_bytes())
        .bytes(new.lost.as_bytes())
        .bytes(new.device.as_bytes())
        .number(index)
        .run(conn)
        .await?;
    Ok(())
}

/// Marks a proposal as confirmed.
pub(crate) async fn confirm(conn: &mut Conn, case: CaseId, digest: Sha256Digest, index: u64) -> Result<(), StoreError> {
    sql("UPDATE recoveries SET confirmed_idx = $1 WHERE case_id = $2 AND digest = $3")
        .number(index)
        .bytes(case.as_bytes())
        .bytes(digest.as_bytes())
        .run(conn)
        .await?;
    Ok(())
}

/// Marks a proposal as carried out, with what the lost device held.
pub(crate) async fn carry_out(conn: &mut Conn, case: CaseId, digest: Sha256Digest, held: Held, index: u64) -> Result<(), StoreError> {
    sql("UPDATE recoveries SET done_idx = $1, first_ring = $2, last_ring = $3 WHERE case_id = $4 AND digest = $5")
        .number(index)
        .number(u64::from(held.first_ring))
        .number(u64::from(held.last_ring))
        .bytes(case.as_bytes())
        .bytes(digest.as_bytes())
        .run(conn)
        .await?;
    Ok(())
}

fn recovery_of(mut row: Fields) -> Result<Recovery, StoreError> {
    Ok(Recovery {
        digest: row.sha256()?,
        intent: row.intent()?,
        proposer: row.sha256()?,
        lost: row.sha256()?,
        device: row.sha256()?,
        confirmed: row.number_or_null()?.is_some(),
        done: row.number_or_null()?.is_some(),
    })
}

/// The proposal of that digest.
pub(crate) async fn named(conn: &mut Conn, case: CaseId, digest: Sha256Digest) -> Result<Option<Recovery>, StoreError> {
    let statement = sql("SELECT digest, intent_id, proposer, lost, device, confirmed_idx, done_idx FROM recoveries \
                         WHERE case_id = $1 AND digest = $2");
    statement.bytes(case.as_bytes()).bytes(digest.as_bytes()).row(conn).await?.map(recovery_of).transpose()
}

/// The confirmed recoveries of a device that no commit has carried out.
pub(crate) async fn waiting(conn: &mut Conn, case: CaseId, device: Sha256Digest) -> Result<Vec<Recovery>, StoreError> {
    let statement = sql("SELECT digest, intent_id, proposer, lost, device, confirmed_idx, done_idx FROM recoveries \
                         WHERE case_id = $1 AND device = $2 AND confirmed_idx IS NOT NULL AND done_idx IS NULL ORDER BY digest");
    statement.bytes(case.as_bytes()).bytes(device.as_bytes()).rows(conn).await?.into_iter().map(recovery_of).collect()
}

/// The lost device in whose place a device came last, and what that one held.
pub(crate) async fn replaced_by(conn: &mut Conn, case: CaseId, device: Sha256Digest) -> Result<Option<(Sha256Digest, Held)>, StoreError> {
    let statement = sql("SELECT lost, first_ring, last_ring FROM recoveries \
                         WHERE case_id = $1 AND device = $2 AND done_idx IS NOT NULL ORDER BY done_idx DESC LIMIT 1");
    let row = statement.bytes(case.as_bytes()).bytes(device.as_bytes()).row(conn).await?;
    row.map(|mut row| Ok((row.sha256()?, Held { first_ring: row.small()?, last_ring: row.small()?, left: false }))).transpose()
}

/// Remembers what a device held that is removed after it left or was revoked.
pub(crate) async fn retire(conn: &mut Conn, case: CaseId, certificate: Sha256Digest, held: Held) -> Result<(), StoreError> {
    sql("INSERT INTO former_members (case_id, certificate, first_ring, last_ring, had_left) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (case_id, certificate) DO UPDATE SET first_ring = excluded.first_ring, last_ring = excluded.last_ring, \
         had_left = excluded.had_left")
    .bytes(case.as_bytes())
    .bytes(certificate.as_bytes())
    .number(u64::from(held.first_ring))
    .number(u64::from(held.last_ring))
    .flag(held.left)
    .run(conn)
    .await?;
    Ok(())
}

/// What a device held that was removed after it left or was revoked.
pub(crate) async fn former(conn: &mut Conn, case: CaseId, certificate: Sha256Digest) -> Result<Option<Held>, StoreError> {
    let statement = sql("SELECT first_ring, last_ring, had_left FROM former_members WHERE case_id = $1 AND certificate = $2");
    let row = statement.bytes(case.as_bytes()).bytes(certificate.as_bytes()).row(conn).await?;
    row.map(|mut row| Ok(Held { first_ring: row.small()?, last_ring: row.small()?, left: row.flag()? })).transpose()
}
