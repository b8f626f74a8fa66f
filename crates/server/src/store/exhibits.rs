//! Exhibits: who takes one in, which objects are stored, what state it is in, and its wrapped release share.

use custodia_core::digest::{Blake3Digest, Sha256Digest};
use custodia_core::ids::{CaseId, DeviceId, ExhibitId};

use super::sql::{Fields, sql};
use super::{Conn, StoreError};

/// For whom an exhibit id is reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Intake {
    pub case: CaseId,
    pub device: DeviceId,
}

/// Reserves an exhibit id if it is free; answers for whom it is reserved now.
pub(crate) async fn reserve(conn: &mut Conn, exhibit: ExhibitId, wanted: Intake) -> Result<Intake, StoreError> {
    sql("INSERT INTO intakes (exhibit_id, case_id, device) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
        .bytes(exhibit.as_bytes())
        .bytes(wanted.case.as_bytes())
        .bytes(wanted.device.as_bytes())
        .run(conn)
        .await?;
    intake(conn, exhibit).await?.ok_or(StoreError::Corrupt("a reservation that was just made is missing"))
}

/// For whom an exhibit id is reserved.
pub(crate) async fn intake(conn: &mut Conn, exhibit: ExhibitId) -> Result<Option<Intake>, StoreError> {
    let row = sql("SELECT case_id, device FROM intakes WHERE exhibit_id = $1").bytes(exhibit.as_bytes()).row(conn).await?;
    row.map(|mut row| Ok(Intake { case: row.case()?, device: row.device()? })).transpose()
}

/// Notes that an object is durably stored.
pub(crate) async fn insert_object(conn: &mut Conn, exhibit: ExhibitId, name: Blake3Digest, size: u64) -> Result<(), StoreError> {
    sql("INSERT INTO objects (exhibit_id, name, size) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
        .bytes(exhibit.as_bytes())
        .bytes(name.as_bytes())
        .number(size)
        .run(conn)
        .await?;
    Ok(())
}

/// Forgets an object that the store has lost or deleted.
pub(crate) async fn forget_object(conn: &mut Conn, exhibit: ExhibitId, name: Blake3Digest) -> Result<(), StoreError> {
    let statement = sql("DELETE FROM objects WHERE exhibit_id = $1 AND name = $2");
    statement.bytes(exhibit.as_bytes()).bytes(name.as_bytes()).run(conn).await?;
    Ok(())
}

/// The objects stored for an exhibit, with their sizes in bytes.
pub(crate) async fn objects(conn: &mut Conn, exhibit: ExhibitId) -> Result<Vec<(Blake3Digest, u64)>, StoreError> {
    let rows = sql("SELECT name, size FROM objects WHERE exhibit_id = $1 ORDER BY name").bytes(exhibit.as_bytes()).rows(conn).await?;
    rows.into_iter().map(|mut row| Ok((row.blake3()?, row.number()?))).collect()
}

/// Whether an object is stored for an exhibit.
pub(crate) async fn has_object(conn: &mut Conn, exhibit: ExhibitId, name: Blake3Digest) -> Result<bool, StoreError> {
    let statement = sql("SELECT size FROM objects WHERE exhibit_id = $1 AND name = $2");
    statement.bytes(exhibit.as_bytes()).bytes(name.as_bytes()).exists(conn).await
}

/// A release share under a KEK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WrappedShare {
    pub kek: Vec<u8>,
    pub wrap: Vec<u8>,
}

/// An exhibit as it is kept; without its list of objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exhibit {
    pub id: ExhibitId,
    pub case: CaseId,
    /// Index of its collection.
    pub index: u64,
    /// As in the contract: `quarantined`, `active`, `restricted`, `erased`.
    pub state: String,
    pub held: bool,
    /// `H0` to `H3`.
    pub handling: String,
    /// The office that collected it.
    pub originator: String,
    pub consent_judicial: bool,
    pub consent_onward: bool,
    pub ring_version: u32,
    pub group_share: Vec<u8>,
    pub manifest_object: Blake3Digest,
    pub sealed_bytes: u64,
    pub share_commitment: Sha256Digest,
    /// None once it is erased.
    pub share: Option<WrappedShare>,
}

/// Stores a collected exhibit.
pub(crate) async fn insert_exhibit(conn: &mut Conn, new: &Exhibit, names: &[u8]) -> Result<(), StoreError> {
    sql("INSERT INTO exhibits (exhibit_id, case_id, idx, state, held, handling, originator, consent_judicial, consent_onward, ring_version, \
         group_share, manifest_object, sealed_bytes, share_commitment, kek, share, names) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)")
    .bytes(new.id.as_bytes())
    .bytes(new.case.as_bytes())
    .number(new.index)
    .text(&new.state)
    .flag(new.held)
    .text(&new.handling)
    .text(&new.originator)
    .flag(new.consent_judicial)
    .flag(new.consent_onward)
    .number(u64::from(new.ring_version))
    .bytes(&new.group_share)
    .bytes(new.manifest_object.as_bytes())
    .number(new.sealed_bytes)
    .bytes(new.share_commitment.as_bytes())
    .bytes_or_null(new.share.as_ref().map(|share| &share.kek))
    .bytes_or_null(new.share.as_ref().map(|share| &share.wrap))
    .bytes(names)
    .run(conn)
    .await?;
    Ok(())
}

macro_rules! select_exhibits {
    ($rest:literal) => {
        concat!(
            "SELECT exhibit_id, case_id, idx, state, held, handling, originator, consent_judicial, consent_onward, ring_version, group_share, \
             manifest_object, sealed_bytes, share_commitment, kek, share FROM exhibits ",
            $rest
        )
    };
}

fn exhibit_of(mut row: Fields) -> Result<Exhibit, StoreError> {
    Ok(Exhibit {
        id: row.exhibit()?,
        case: row.case()?,
        index: row.number()?,
        state: row.text()?,
        held: row.flag()?,
        handling: row.text()?,
        originator: row.text()?,
        consent_judicial: row.flag()?,
        consent_onward: row.flag()?,
        ring_version: row.small()?,
        group_share: row.bytes()?,
        manifest_object: row.blake3()?,
        sealed_bytes: row.number()?,
        share_commitment: row.sha256()?,
        share: row.bytes_or_null()?.zip(row.bytes_or_null()?).map(|(kek, wrap)| WrappedShare { kek, wrap }),
    })
}

/// An exhibit by its id.
pub(crate) async fn exhibit(conn: &mut Conn, exhibit: ExhibitId) -> Result<Option<Exhibit>, StoreError> {
    sql(select_exhibits!("WHERE exhibit_id = $1")).bytes(exhibit.as_bytes()).row(conn).await?.map(exhibit_of).transpose()
}

/// Exhibits of a case that were collected at an index or later, in that order, at most `most`.
pub(crate) async fn exhibits_from(conn: &mut Conn, case: CaseId, index: u64, most: u64) -> Result<Vec<Exhibit>, StoreError> {
    let statement = sql(select_exhibits!("WHERE case_id = $1 AND idx >= $2 ORDER BY idx LIMIT $3"));
    let rows = statement.bytes(case.as_bytes()).number(index).number(most).rows(conn).await?;
    rows.into_iter().map(exhibit_of).collect()
}

/// The exhibits of a case, in order of collection.
pub(crate) async fn exhibits_of(conn: &mut Conn, case: CaseId) -> Result<Vec<Exhibit>, StoreError> {
    let rows = sql(select_exhibits!("WHERE case_id = $1 ORDER BY idx")).bytes(case.as_bytes()).rows(conn).await?;
    rows.into_iter().map(exhibit_of).collect()
}

/// What an opening gives out.
pub(crate) struct Openable {
    pub manifest_object: Blake3Digest,
    pub share_commitment: Sha256Digest,
    /// None once it is erased.
    pub share: Option<WrappedShare>,
    /// Names of the segment objects in order.
    pub names: Vec<Blake3Digest>,
}

/// What an opening of an exhibit gives out.
pub(crate) async fn openable(conn: &mut Conn, exhibit: ExhibitId) -> Result<Option<Openable>, StoreError> {
    let statement = sql("SELECT manifest_object, share_commitment, kek, share, names FROM exhibits WHERE exhibit_id = $1");
    let Some(mut row) = statement.bytes(exhibit.as_bytes()).row(conn).await? else { return Ok(None) };
    let (manifest_object, share_commitment) = (row.blake3()?, row.sha256()?);
    let share = row.bytes_or_null()?.zip(row.bytes_or_null()?).map(|(kek, wrap)| WrappedShare { kek, wrap });
    let bytes = row.bytes()?;
    let (names, rest) = bytes.as_chunks::<32>();
    if !rest.is_empty() {
        return Err(StoreError::Corrupt("names"));
    }
    Ok(Some(Openable {
        manifest_object,
        share_commitment,
        share,
        names: names.iter().map(|name| Blake3Digest::from_bytes(*name)).collect(),
    }))
}

/// Changes the state of an exhibit, if it is in the first one.
pub(crate) async fn change_state(conn: &mut Conn, exhibit: ExhibitId, from: &str, to: &str) -> Result<(), StoreError> {
    let statement = sql("UPDATE exhibits SET state = $1 WHERE exhibit_id = $2 AND state = $3");
    statement.text(to).bytes(exhibit.as_bytes()).text(from).run(conn).await?;
    Ok(())
}

/// Places or lifts a hold.
pub(crate) async fn set_held(conn: &mut Conn, exhibit: ExhibitId, held: bool) -> Result<(), StoreError> {
    sql("UPDATE exhibits SET held = $1 WHERE exhibit_id = $2").flag(held).bytes(exhibit.as_bytes()).run(conn).await?;
    Ok(())
}

/// Accepted acts that placed (true) or lifted a hold, in order, with who signed them.
pub(crate) async fn hold_acts(conn: &mut Conn, exhibit: ExhibitId) -> Result<Vec<(bool, Sha256Digest)>, StoreError> {
    let statement = sql("SELECT kind, signer FROM records WHERE exhibit_id = $1 AND kind IN ('hold.place', 'hold.lift') AND rule = '' \
                         ORDER BY exhibit_seq");
    let rows = statement.bytes(exhibit.as_bytes()).rows(conn).await?;
    rows.into_iter().map(|mut row| Ok((row.text()? == "hold.place", row.sha256()?))).collect()
}

/// The core part of the last accepted erasure record, proposal or confirmation.
pub(crate) async fn last_erasure(conn: &mut Conn, exhibit: ExhibitId) -> Result<Option<Vec<u8>>, StoreError> {
    let statement =
        sql("SELECT core FROM records WHERE exhibit_id = $1 AND kind = 'erasure' AND rule = '' ORDER BY exhibit_seq DESC LIMIT 1");
    let row = statement.bytes(exhibit.as_bytes()).row(conn).await?;
    row.map_or(Ok(None), |mut row| row.bytes_or_null())
}

/// Whether the record at an index is a consultation of this exhibit.
pub(crate) async fn is_consultation(conn: &mut Conn, exhibit: ExhibitId, index: u64) -> Result<bool, StoreError> {
    let statement = sql("SELECT idx FROM records WHERE idx = $1 AND exhibit_id = $2 AND kind = 'consultation'");
    statement.number(index).bytes(exhibit.as_bytes()).exists(conn).await
}

/// Exhibits that were erased and of which objects may be left in the store.
pub(crate) async fn erased_with_objects(conn: &mut Conn) -> Result<Vec<ExhibitId>, StoreError> {
    let statement = sql("SELECT exhibit_id FROM exhibits WHERE state = 'erased' \
                         AND EXISTS (SELECT 1 FROM objects WHERE objects.exhibit_id = exhibits.exhibit_id)");
    statement.rows(conn).await?.into_iter().map(|mut row| row.exhibit()).collect()
}

/// Sets the handling code.
pub(crate) async fn set_handling(conn: &mut Conn, exhibit: ExhibitId, handling: &str) -> Result<(), StoreError> {
    sql("UPDATE exhibits SET handling = $1 WHERE exhibit_id = $2").text(handling).bytes(exhibit.as_bytes()).run(conn).await?;
    Ok(())
}

/// Notes the originator's consent to judicial use (H1).
pub(crate) async fn consent_to_judicial_use(conn: &mut Conn, exhibit: ExhibitId) -> Result<(), StoreError> {
    sql("UPDATE exhibits SET consent_judicial = 1 WHERE exhibit_id = $1").bytes(exhibit.as_bytes()).run(conn).await?;
    Ok(())
}

/// Notes the originator's consent to passing it on (H2).
pub(crate) async fn consent_to_passing_on(conn: &mut Conn, exhibit: ExhibitId) -> Result<(), StoreError> {
    sql("UPDATE exhibits SET consent_onward = 1 WHERE exhibit_id = $1").bytes(exhibit.as_bytes()).run(conn).await?;
    Ok(())
}

/// Erases: the release share is gone, the row says so.
pub(crate) async fn erase(conn: &mut Conn, exhibit: ExhibitId) -> Result<(), StoreError> {
    sql("UPDATE exhibits SET state = 'erased', kek = NULL, share = NULL WHERE exhibit_id = $1").bytes(exhibit.as_bytes()).run(conn).await?;
    Ok(())
}
