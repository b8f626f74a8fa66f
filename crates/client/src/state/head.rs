//! Rows about the log: the newest verified checkpoint, records of chains (the registry's among them), evidence against a server.

use std::collections::BTreeMap;

use custodia_core::custody::kind::Kind;
use custodia_core::custody::receipt::RecordView;
use custodia_core::custody::record::{ChainHead, ChainId, ChainSeq, Commitment, Place};
use custodia_core::digest::Sha256Digest;
use sqlx::{Row as _, SqliteConnection};

use super::{StateError, fixed, signed, unsigned};

/// The newest verified checkpoint, as text.
///
/// # Errors
/// What the database refuses.
pub async fn checkpoint(connection: &mut SqliteConnection) -> Result<Option<String>, StateError> {
    Ok(sqlx::query_scalar("SELECT checkpoint FROM log_head").fetch_optional(connection).await?)
}

/// Replaces the newest verified checkpoint; that it extends the one before was checked by the caller.
///
/// # Errors
/// What the database refuses.
pub async fn set_checkpoint(connection: &mut SqliteConnection, text: &str) -> Result<(), StateError> {
    sqlx::query("INSERT INTO log_head VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET checkpoint = excluded.checkpoint")
        .bind(text)
        .execute(connection)
        .await?;
    Ok(())
}

/// What proves a server wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// When it was found, by this machine's clock.
    pub at: String,
    /// What is wrong, in one sentence.
    pub finding: String,
    /// What this device held, usually a signed checkpoint.
    pub held: String,
    /// What the server showed.
    pub shown: String,
}

/// Keeps evidence for ever.
///
/// # Errors
/// What the database refuses.
pub async fn keep_evidence(connection: &mut SqliteConnection, evidence: &Evidence) -> Result<(), StateError> {
    sqlx::query("INSERT INTO evidence (at, finding, held, shown) VALUES (?, ?, ?, ?)")
        .bind(&evidence.at)
        .bind(&evidence.finding)
        .bind(&evidence.held)
        .bind(&evidence.shown)
        .execute(connection)
        .await?;
    Ok(())
}

/// All evidence, oldest first.
///
/// # Errors
/// What the database refuses.
pub async fn evidence(connection: &mut SqliteConnection) -> Result<Vec<Evidence>, StateError> {
    let rows = sqlx::query("SELECT at, finding, held, shown FROM evidence ORDER BY id").fetch_all(connection).await?;
    rows.iter()
        .map(|row| Ok(Evidence { at: row.try_get(0)?, finding: row.try_get(1)?, held: row.try_get(2)?, shown: row.try_get(3)? }))
        .collect()
}

fn read_view(text: &str) -> Result<RecordView, StateError> {
    serde_json::from_str(text).map_err(|_| StateError::Damaged("record"))
}

/// Keeps a verified record under its place in a chain; `act` is the kind of an accepted act.
///
/// # Errors
/// What the database refuses, a second record at one place among it.
pub async fn insert_record<Id: ChainId>(
    connection: &mut SqliteConnection,
    place: &Place<Id>,
    commitment: Commitment,
    view: &RecordView,
    act: Option<Kind>,
) -> Result<(), StateError> {
    let text = serde_json::to_string(view).map_err(|_| StateError::Damaged("record"))?;
    sqlx::query("INSERT INTO chain_record (chain, seq, idx, act, commitment, view) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(place.chain.to_array().to_vec())
        .bind(signed(place.seq.0))
        .bind(signed(view.index))
        .bind(act.map_or("", Kind::as_str))
        .bind(commitment.0.as_bytes().as_slice())
        .bind(text)
        .execute(connection)
        .await?;
    Ok(())
}

/// Records of the accepted acts of some kinds in a chain, in order.
///
/// # Errors
/// [`StateError::Damaged`].
pub async fn acts(connection: &mut SqliteConnection, chain: impl ChainId, kinds: &[Kind]) -> Result<Vec<RecordView>, StateError> {
    let kinds: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
    let kinds = serde_json::to_string(&kinds).map_err(|_| StateError::Damaged("record"))?;
    let rows: Vec<String> =
        sqlx::query_scalar("SELECT view FROM chain_record WHERE chain = ? AND act IN (SELECT value FROM json_each(?)) ORDER BY seq")
            .bind(chain.to_array().to_vec())
            .bind(kinds)
            .fetch_all(connection)
            .await?;
    rows.iter().map(|text| read_view(text)).collect()
}

/// All records of a chain that this device has followed, in order.
///
/// # Errors
/// [`StateError::Damaged`].
pub async fn records(connection: &mut SqliteConnection, chain: impl ChainId) -> Result<Vec<RecordView>, StateError> {
    let rows: Vec<String> = sqlx::query_scalar("SELECT view FROM chain_record WHERE chain = ? ORDER BY seq")
        .bind(chain.to_array().to_vec())
        .fetch_all(connection)
        .await?;
    rows.iter().map(|text| read_view(text)).collect()
}

/// The first record of a chain at or above an index of the log.
///
/// # Errors
/// [`StateError::Damaged`].
pub async fn first_record_from(
    connection: &mut SqliteConnection,
    chain: impl ChainId,
    index: u64,
) -> Result<Option<RecordView>, StateError> {
    let row: Option<String> = sqlx::query_scalar("SELECT view FROM chain_record WHERE chain = ? AND idx >= ? ORDER BY idx LIMIT 1")
        .bind(chain.to_array().to_vec())
        .bind(signed(index))
        .fetch_optional(connection)
        .await?;
    row.map(|text| read_view(&text)).transpose()
}

/// The first record of a chain, if this device has followed it.
///
/// # Errors
/// [`StateError::Damaged`].
pub async fn first_record(connection: &mut SqliteConnection, chain: impl ChainId) -> Result<Option<RecordView>, StateError> {
    let row: Option<String> = sqlx::query_scalar("SELECT view FROM chain_record WHERE chain = ? AND seq = 0")
        .bind(chain.to_array().to_vec())
        .fetch_optional(connection)
        .await?;
    row.map(|text| read_view(&text)).transpose()
}

/// The commitment of a record that this device has followed, by its place.
///
/// # Errors
/// [`StateError::Damaged`].
pub async fn commitment_at(connection: &mut SqliteConnection, chain: impl ChainId, seq: u64) -> Result<Option<Commitment>, StateError> {
    let Ok(seq) = i64::try_from(seq) else { return Ok(None) };
    let row: Option<Vec<u8>> = sqlx::query_scalar("SELECT commitment FROM chain_record WHERE chain = ? AND seq = ?")
        .bind(chain.to_array().to_vec())
        .bind(seq)
        .fetch_optional(connection)
        .await?;
    row.map(|bytes| Ok(Commitment(Sha256Digest::from_bytes(fixed(&bytes, "commitment")?)))).transpose()
}

/// Remembers where an own act stands by its receipt; says whether nothing else is known to stand there.
///
/// # Errors
/// What the database refuses.
pub async fn acknowledge<Id: ChainId>(
    connection: &mut SqliteConnection,
    place: &Place<Id>,
    commitment: Commitment,
) -> Result<bool, StateError> {
    if let Some(followed) = commitment_at(connection, place.chain, place.seq.0).await? {
        return Ok(followed == commitment);
    }
    // A receipt may name any number: it comes from the server.
    let seq = i64::try_from(place.seq.0).map_err(|_| StateError::Damaged("sequence number"))?;
    sqlx::query("INSERT INTO acknowledged VALUES (?, ?, ?) ON CONFLICT (chain, seq) DO NOTHING")
        .bind(place.chain.to_array().to_vec())
        .bind(seq)
        .bind(commitment.0.as_bytes().as_slice())
        .execute(&mut *connection)
        .await?;
    let known = acknowledged_from(connection, place.chain, place.seq.0).await?;
    Ok(known.get(&place.seq.0) == Some(&commitment))
}

/// Where own acts stand in a chain by their receipts, from a place on: commitments by sequence number.
///
/// # Errors
/// [`StateError::Damaged`].
pub async fn acknowledged_from(
    connection: &mut SqliteConnection,
    chain: impl ChainId,
    from: u64,
) -> Result<BTreeMap<u64, Commitment>, StateError> {
    let rows = sqlx::query("SELECT seq, commitment FROM acknowledged WHERE chain = ? AND seq >= ?")
        .bind(chain.to_array().to_vec())
        .bind(signed(from))
        .fetch_all(connection)
        .await?;
    let read = |row: &sqlx::sqlite::SqliteRow| {
        let commitment = Commitment(Sha256Digest::from_bytes(fixed(row.try_get(1)?, "commitment")?));
        Ok((unsigned(row.try_get(0)?, "sequence number")?, commitment))
    };
    rows.iter().map(read).collect()
}

/// The head of a chain as far as this device has followed it.
///
/// # Errors
/// [`StateError::Damaged`].
pub async fn chain_head(connection: &mut SqliteConnection, chain: impl ChainId) -> Result<Option<ChainHead>, StateError> {
    let row = sqlx::query("SELECT seq, commitment FROM chain_record WHERE chain = ? ORDER BY seq DESC LIMIT 1")
        .bind(chain.to_array().to_vec())
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(ChainHead {
        seq: ChainSeq(unsigned(row.try_get(0)?, "sequence number")?),
        commitment: Commitment(Sha256Digest::from_bytes(fixed(row.try_get(1)?, "commitment")?)),
    }))
}
