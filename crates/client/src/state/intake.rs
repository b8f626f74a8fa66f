//! Rows of the intake journal: what must be durable before a segment's first byte leaves this machine.

use custodia_core::digest::{Blake3Digest, Sha256Digest};
use custodia_core::ids::{CaseId, ExhibitId};
use custodia_core::secret::Secret32;
use sqlx::{Row as _, SqliteConnection};

use super::{StateError, fixed, signed, unsigned};

/// An intake that was begun and whose collection is not in the log yet.
#[derive(Debug, Clone)]
pub struct IntakeRow {
    /// The exhibit that it will be.
    pub exhibit: ExhibitId,
    /// Its case.
    pub case: CaseId,
    /// What was chosen: digest of the paths, by which a repeated intake is known.
    pub source: Vec<u8>,
    /// The files as they were looked at, as JSON.
    pub entries: Vec<u8>,
    /// The group share.
    pub group_share: Secret32,
    /// The release share.
    pub release_share: Secret32,
}

/// A segment that was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentRow {
    /// Its place in the stream.
    pub number: u64,
    /// The salt with which it was, and is ever, sealed.
    pub salt: [u8; 24],
    /// Tells its content from every other; see [`crate::seal`] for what is digested.
    pub plain_digest: Blake3Digest,
    /// The object's name.
    pub object: Blake3Digest,
    /// The object's size in bytes.
    pub object_bytes: u64,
}

/// Begins an intake.
///
/// # Errors
/// What the database refuses.
pub async fn begin(connection: &mut SqliteConnection, row: &IntakeRow) -> Result<(), StateError> {
    sqlx::query("INSERT INTO intake VALUES (?, ?, ?, ?, ?, ?)")
        .bind(row.exhibit.as_bytes().as_slice())
        .bind(row.case.as_bytes().as_slice())
        .bind(&row.source)
        .bind(&row.entries)
        .bind(row.group_share.expose().as_slice())
        .bind(row.release_share.expose().as_slice())
        .execute(connection)
        .await?;
    Ok(())
}

/// The intake of the same files into the same case, if one was begun.
///
/// # Errors
/// [`StateError::Damaged`].
pub async fn find(connection: &mut SqliteConnection, case: CaseId, source: &[u8]) -> Result<Option<IntakeRow>, StateError> {
    let row = sqlx::query("SELECT exhibit, entries, group_share, release_share FROM intake WHERE case_id = ? AND source = ?")
        .bind(case.as_bytes().as_slice())
        .bind(source)
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(IntakeRow {
        exhibit: ExhibitId::from_bytes(fixed(row.try_get(0)?, "exhibit id")?),
        case,
        source: source.to_owned(),
        entries: row.try_get(1)?,
        group_share: Secret32::from_bytes(fixed(row.try_get(2)?, "group share")?),
        release_share: Secret32::from_bytes(fixed(row.try_get(3)?, "release share")?),
    }))
}

/// Ends an intake whose collection is in the log: from now on the same files are known to be this exhibit.
///
/// # Errors
/// What the database refuses.
pub async fn collect(connection: &mut SqliteConnection, exhibit: ExhibitId) -> Result<(), StateError> {
    let row = sqlx::query("SELECT case_id, source, entries FROM intake WHERE exhibit = ?")
        .bind(exhibit.as_bytes().as_slice())
        .fetch_optional(&mut *connection)
        .await?;
    if let Some(row) = row {
        let (case, source, entries): (Vec<u8>, Vec<u8>, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        sqlx::query(
            "INSERT INTO collected VALUES (?, ?, ?, ?) \
             ON CONFLICT (case_id, source) DO UPDATE SET entries = excluded.entries, exhibit = excluded.exhibit",
        )
        .bind(case)
        .bind(source)
        .bind(Sha256Digest::of(&[&entries]).as_bytes().as_slice())
        .bind(exhibit.as_bytes().as_slice())
        .execute(&mut *connection)
        .await?;
    }
    end(connection, exhibit).await
}

/// The exhibit as which the same files, unchanged, were collected into a case; `entries` as in [`IntakeRow`].
///
/// # Errors
/// [`StateError::Damaged`].
pub async fn collected(
    connection: &mut SqliteConnection,
    case: CaseId,
    source: &[u8],
    entries: &[u8],
) -> Result<Option<ExhibitId>, StateError> {
    let exhibit: Option<Vec<u8>> = sqlx::query_scalar("SELECT exhibit FROM collected WHERE case_id = ? AND source = ? AND entries = ?")
        .bind(case.as_bytes().as_slice())
        .bind(source)
        .bind(Sha256Digest::of(&[entries]).as_bytes().as_slice())
        .fetch_optional(connection)
        .await?;
    exhibit.map(|id| Ok(ExhibitId::from_bytes(fixed(&id, "exhibit id")?))).transpose()
}

/// Ends an intake that a fresh one replaces.
///
/// # Errors
/// What the database refuses.
pub async fn end(connection: &mut SqliteConnection, exhibit: ExhibitId) -> Result<(), StateError> {
    sqlx::query("DELETE FROM intake WHERE exhibit = ?").bind(exhibit.as_bytes().as_slice()).execute(connection).await?;
    Ok(())
}

/// Journals a sealed segment. It is durable when this returns.
///
/// # Errors
/// What the database refuses.
pub async fn add_segment(connection: &mut SqliteConnection, exhibit: ExhibitId, row: &SegmentRow) -> Result<(), StateError> {
    sqlx::query("INSERT INTO intake_segment VALUES (?, ?, ?, ?, ?, ?)")
        .bind(exhibit.as_bytes().as_slice())
        .bind(signed(row.number))
        .bind(row.salt.as_slice())
        .bind(row.plain_digest.as_bytes().as_slice())
        .bind(row.object.as_bytes().as_slice())
        .bind(signed(row.object_bytes))
        .execute(connection)
        .await?;
    Ok(())
}

/// The journalled segments in order.
///
/// # Errors
/// [`StateError::Damaged`].
pub async fn segments(connection: &mut SqliteConnection, exhibit: ExhibitId) -> Result<Vec<SegmentRow>, StateError> {
    let rows = sqlx::query("SELECT number, salt, plain_digest, object, object_bytes FROM intake_segment WHERE exhibit = ? ORDER BY number")
        .bind(exhibit.as_bytes().as_slice())
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| {
            Ok(SegmentRow {
                number: unsigned(row.try_get(0)?, "segment number")?,
                salt: fixed(row.try_get(1)?, "salt")?,
                plain_digest: Blake3Digest::from_bytes(fixed(row.try_get(2)?, "digest")?),
                object: Blake3Digest::from_bytes(fixed(row.try_get(3)?, "object name")?),
                object_bytes: unsigned(row.try_get(4)?, "object size")?,
            })
        })
        .collect()
}

/// Keeps what an exhibit is called, and its manifest once it was opened.
///
/// # Errors
/// What the database refuses.
pub async fn put_exhibit(
    connection: &mut SqliteConnection,
    exhibit: ExhibitId,
    case: CaseId,
    title: &str,
    manifest: Option<&[u8]>,
) -> Result<(), StateError> {
    sqlx::query(
        "INSERT INTO exhibit VALUES (?, ?, ?, ?) \
         ON CONFLICT (id) DO UPDATE SET title = excluded.title, manifest = coalesce(excluded.manifest, manifest)",
    )
    .bind(exhibit.as_bytes().as_slice())
    .bind(case.as_bytes().as_slice())
    .bind(title)
    .bind(manifest)
    .execute(connection)
    .await?;
    Ok(())
}

/// The manifests of exhibits that this device took in or opened, as JSON.
///
/// # Errors
/// What the database refuses.
pub async fn manifests(connection: &mut SqliteConnection) -> Result<Vec<Vec<u8>>, StateError> {
    Ok(sqlx::query_scalar("SELECT manifest FROM exhibit WHERE manifest IS NOT NULL").fetch_all(connection).await?)
}

/// What this device knows the exhibits of a case to be called.
///
/// # Errors
/// [`StateError::Damaged`].
pub async fn titles(connection: &mut SqliteConnection, case: CaseId) -> Result<Vec<(ExhibitId, String)>, StateError> {
    let rows =
        sqlx::query("SELECT id, title FROM exhibit WHERE case_id = ?").bind(case.as_bytes().as_slice()).fetch_all(connection).await?;
    rows.iter().map(|row| Ok((ExhibitId::from_bytes(fixed(row.try_get(0)?, "exhibit id")?), row.try_get(1)?))).collect()
}
