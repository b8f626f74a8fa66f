//! Recoveries: what was proposed, confirmed and carried out, and what devices held that were removed.

use std::collections::BTreeSet;

use custodia_core::custody::recovery::Held;
use custodia_core::digest::Sha256Digest;
use custodia_core::ids::{CaseId, DeviceId, ExhibitId, IntentId};
use custodia_core::time::LogTime;

use super::sql::{Fields, sql};
use super::{Conn, StoreError};

/// A recovery as it was proposed.
pub(crate) struct Recovery {
    /// SHA-256 of the proposal's intent.
    pub digest: Sha256Digest,
    pub intent: IntentId,
    /// Certificate id of the proposer.
    pub proposer: Sha256Digest,
    /// The lost device, and the certificate by which it was named.
    pub lost: (DeviceId, Sha256Digest),
    /// The device in its place, and the certificate by which it was named.
    pub device: (DeviceId, Sha256Digest),
    /// The time of its record.
    pub time: LogTime,
    pub confirmed: bool,
    pub done: bool,
}

/// Stores a proposal, in the place of every other for the same lost or the same new device that was not carried out.
pub(crate) async fn propose(conn: &mut Conn, case: CaseId, new: &Recovery, index: u64) -> Result<(), StoreError> {
    sql("DELETE FROM recoveries WHERE case_id = $1 AND done_idx IS NULL AND (lost_device = $2 OR device = $3)")
        .bytes(case.as_bytes())
        .bytes(new.lost.0.as_bytes())
        .bytes(new.device.0.as_bytes())
        .run(conn)
        .await?;
    sql("INSERT INTO recoveries (case_id, digest, intent_id, proposer, lost_device, lost_certificate, device, certificate, idx, time_ms) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
    .bytes(case.as_bytes())
    .bytes(new.digest.as_bytes())
    .bytes(new.intent.as_bytes())
    .bytes(new.proposer.as_bytes())
    .bytes(new.lost.0.as_bytes())
    .bytes(new.lost.1.as_bytes())
    .bytes(new.device.0.as_bytes())
    .bytes(new.device.1.as_bytes())
    .number(index)
    .number(new.time.millis())
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

/// Marks a proposal as carried out, with the removal of the lost device that counts for it: the last one.
pub(crate) async fn carry_out(conn: &mut Conn, case: CaseId, row: &Recovery, index: u64) -> Result<(), StoreError> {
    sql("UPDATE recoveries SET done_idx = $1, removed_idx = \
         (SELECT MAX(idx) FROM former_members WHERE case_id = $2 AND device = $3) WHERE case_id = $4 AND digest = $5")
    .number(index)
    .bytes(case.as_bytes())
    .bytes(row.lost.0.as_bytes())
    .bytes(case.as_bytes())
    .bytes(row.digest.as_bytes())
    .run(conn)
    .await?;
    Ok(())
}

fn recovery_of(mut row: Fields) -> Result<Recovery, StoreError> {
    Ok(Recovery {
        digest: row.sha256()?,
        intent: row.intent()?,
        proposer: row.sha256()?,
        lost: (row.device()?, row.sha256()?),
        device: (row.device()?, row.sha256()?),
        time: LogTime::from_millis(row.number()?).map_err(|_| StoreError::Corrupt("a time past the year 9999"))?,
        confirmed: row.number_or_null()?.is_some(),
        done: row.number_or_null()?.is_some(),
    })
}

/// The proposal of that digest.
pub(crate) async fn named(conn: &mut Conn, case: CaseId, digest: Sha256Digest) -> Result<Option<Recovery>, StoreError> {
    let statement =
        sql("SELECT digest, intent_id, proposer, lost_device, lost_certificate, device, certificate, time_ms, confirmed_idx, done_idx \
                         FROM recoveries WHERE case_id = $1 AND digest = $2");
    statement.bytes(case.as_bytes()).bytes(digest.as_bytes()).row(conn).await?.map(recovery_of).transpose()
}

/// The confirmed recoveries of a device that no commit has carried out.
pub(crate) async fn waiting(conn: &mut Conn, case: CaseId, device: DeviceId) -> Result<Vec<Recovery>, StoreError> {
    let statement = sql(
        "SELECT digest, intent_id, proposer, lost_device, lost_certificate, device, certificate, time_ms, confirmed_idx, done_idx \
                         FROM recoveries WHERE case_id = $1 AND device = $2 AND confirmed_idx IS NOT NULL AND done_idx IS NULL ORDER BY digest",
    );
    statement.bytes(case.as_bytes()).bytes(device.as_bytes()).rows(conn).await?.into_iter().map(recovery_of).collect()
}

/// What the lost device held in whose place a device came last.
pub(crate) async fn replaced_by(conn: &mut Conn, case: CaseId, device: DeviceId) -> Result<Option<Held>, StoreError> {
    let statement = sql("SELECT lost_device, removed_idx FROM recoveries \
                         WHERE case_id = $1 AND device = $2 AND removed_idx IS NOT NULL ORDER BY done_idx DESC LIMIT 1");
    let Some(mut row) = statement.bytes(case.as_bytes()).bytes(device.as_bytes()).row(conn).await? else { return Ok(None) };
    let (lost, removed) = (row.device()?, row.number()?);
    let row = sql("SELECT idx, first_ring, last_ring, had_left FROM former_members WHERE case_id = $1 AND device = $2 AND idx = $3");
    let row = row.bytes(case.as_bytes()).bytes(lost.as_bytes()).number(removed).row(conn).await?;
    held_of(conn, case, lost, row.ok_or(StoreError::Corrupt("a recovery in the place of a device that nobody removed"))?).await.map(Some)
}

/// Remembers what a device held that a commit at `index` removes, and whether it had left or was revoked.
pub(crate) async fn retire(conn: &mut Conn, case: CaseId, device: DeviceId, held: &Held, gone: bool, index: u64) -> Result<(), StoreError> {
    sql("INSERT INTO former_members (case_id, device, idx, first_ring, last_ring, had_left, gone) VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bytes(case.as_bytes())
        .bytes(device.as_bytes())
        .number(index)
        .number(u64::from(held.first_ring))
        .number(u64::from(held.last_ring))
        .flag(held.left)
        .flag(gone)
        .run(conn)
        .await?;
    for exhibit in &held.granted {
        sql("INSERT INTO former_grants (case_id, device, idx, exhibit_id) VALUES ($1, $2, $3, $4)")
            .bytes(case.as_bytes())
            .bytes(device.as_bytes())
            .number(index)
            .bytes(exhibit.as_bytes())
            .run(conn)
            .await?;
    }
    Ok(())
}

/// What a device held when it was removed last, if it had left or was revoked by then.
pub(crate) async fn former(conn: &mut Conn, case: CaseId, device: DeviceId) -> Result<Option<Held>, StoreError> {
    let statement = sql("SELECT gone, idx, first_ring, last_ring, had_left FROM former_members \
                         WHERE case_id = $1 AND device = $2 ORDER BY idx DESC LIMIT 1");
    let Some(mut row) = statement.bytes(case.as_bytes()).bytes(device.as_bytes()).row(conn).await? else { return Ok(None) };
    if row.flag()? { held_of(conn, case, device, row).await.map(Some) } else { Ok(None) }
}

/// From the fields `idx`, `first_ring`, `last_ring` and `had_left`.
async fn held_of(conn: &mut Conn, case: CaseId, device: DeviceId, mut row: Fields) -> Result<Held, StoreError> {
    let (index, first_ring, last_ring, left) = (row.number()?, row.small()?, row.small()?, row.flag()?);
    let statement = sql("SELECT exhibit_id FROM former_grants WHERE case_id = $1 AND device = $2 AND idx = $3");
    let rows = statement.bytes(case.as_bytes()).bytes(device.as_bytes()).number(index).rows(conn).await?;
    let granted = rows.into_iter().map(|mut row| row.exhibit()).collect::<Result<BTreeSet<ExhibitId>, _>>()?;
    Ok(Held { first_ring, last_ring, granted, left })
}
