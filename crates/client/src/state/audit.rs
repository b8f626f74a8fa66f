//! Rows of an auditor's device: the saved point of its replay, the entries that it read, what its watch has told.
//!
//! The file is encrypted and authenticated as a whole. The digest of the point shows beside that, that its parts belong together:
//!
//! ```text
//! digest = SHA-256("custodia/audit-point/v1" ‖ trust pin ‖ len ‖ checkpoint ‖ len ‖ state ‖ t ‖ i)      len: u64
//! t      = 32 zeros; for each row of audit_trail in order: t = SHA-256(t ‖ trails)
//! i      = 32 zeros; for each row of audit_identity in order: i = SHA-256(i ‖ idx u64 ‖ act)
//! ```

use custodia_core::custody::replay::{IdentityAct, SavedError, Trail};
use custodia_core::digest::Sha256Digest;
use custodia_core::finding::Finding;
use custodia_core::watch::{Act, Alert};
use sqlx::{Row as _, SqliteConnection};

use super::{StateError, fixed, signed, unsigned};
use crate::entries::AuditEntry;

/// The version of these rows.
const VERSION: i64 = 1;
/// How many trails lie in one row.
const TRAILS: usize = 1024;

/// Why a saved point is not gone on from.
#[derive(Debug, thiserror::Error)]
pub enum PointError {
    /// The database refused, or a row is damaged.
    #[error(transparent)]
    State(#[from] StateError),
    /// The replay's own part.
    #[error(transparent)]
    Saved(#[from] SavedError),
    /// A newer program wrote it.
    #[error("it has version {0}, which is newer than this program")]
    Newer(i64),
    /// It is of another log, or of another trust list.
    #[error("it is of another log than the one to which this device is bound")]
    OtherLog,
    /// Its parts do not belong together.
    #[error("it was altered: its parts are not those that were saved together")]
    Altered,
}

impl From<sqlx::Error> for PointError {
    fn from(error: sqlx::Error) -> Self {
        Self::State(error.into())
    }
}

/// A saved point as it lies in the state, its digest checked.
#[derive(Debug)]
pub struct PointRow {
    /// The checkpoint that was replayed.
    pub checkpoint: String,
    /// Index of the record by which the last reading is accounted for.
    pub reading: u64,
    /// The replay's state.
    pub state: String,
    /// One trail for each record, with what it did to the registry.
    pub trails: Vec<Trail>,
}

/// A record as a replay leaves it for later.
#[derive(Debug, Clone)]
pub struct KeptRecord {
    /// Its trail.
    pub trail: Trail,
    /// The act, if it could be read.
    pub act: Option<Act>,
}

/// What a replay adds to the rows.
#[derive(Debug)]
pub struct Advance<'a> {
    /// The pinned trust list.
    pub pin: String,
    /// The checkpoint that was replayed.
    pub checkpoint: &'a str,
    /// Index of the record by which this reading is accounted for.
    pub reading: u64,
    /// The replay's state as of it.
    pub state: &'a str,
    /// From which record on; 0 takes away what was saved before.
    pub from: u64,
    /// The records from there on.
    pub records: &'a [KeptRecord],
    /// The entries of those that could be read.
    pub entries: &'a [AuditEntry],
    /// What could not be checked of them.
    pub remarks: &'a [Finding],
    /// Records whose payload is not there any more.
    pub erased: &'a [u64],
}

async fn prepare(connection: &mut SqliteConnection) -> Result<(), StateError> {
    sqlx::raw_sql(include_str!("audit.sql")).execute(connection).await?;
    Ok(())
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, StateError> {
    serde_json::to_string(value).map_err(|_| StateError::Damaged("row of an audit"))
}

fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, StateError> {
    serde_json::from_str(text).map_err(|_| StateError::Damaged("row of an audit"))
}

/// Digests over the rows that only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Grown {
    trails: Sha256Digest,
    identity: Sha256Digest,
}

impl Grown {
    const fn empty() -> Self {
        Self { trails: Sha256Digest::from_bytes([0; 32]), identity: Sha256Digest::from_bytes([0; 32]) }
    }

    fn to_bytes(self) -> Vec<u8> {
        [self.trails.as_bytes().as_slice(), self.identity.as_bytes()].concat()
    }

    fn trails(&mut self, row: &[u8]) {
        self.trails = Sha256Digest::of(&[self.trails.as_bytes(), row]);
    }

    fn identity(&mut self, index: u64, act: &str) {
        self.identity = Sha256Digest::of(&[self.identity.as_bytes(), &index.to_be_bytes(), act.as_bytes()]);
    }
}

/// Reads the trails, and the digests over their rows.
async fn trails(connection: &mut SqliteConnection) -> Result<(Vec<Trail>, Grown), PointError> {
    let mut grown = Grown::empty();
    let mut trails = Vec::new();
    for row in sqlx::query("SELECT from_idx, trails FROM audit_trail ORDER BY from_idx").fetch_all(&mut *connection).await? {
        let bytes: Vec<u8> = row.try_get(1)?;
        if unsigned(row.try_get(0)?, "index")? != trails.len() as u64 || !bytes.len().is_multiple_of(Trail::BYTES) {
            return Err(PointError::Altered);
        }
        grown.trails(&bytes);
        for bytes in bytes.chunks(Trail::BYTES) {
            trails.push(Trail::from_bytes(bytes)?);
        }
    }
    for row in sqlx::query("SELECT idx, act FROM audit_identity ORDER BY idx").fetch_all(&mut *connection).await? {
        let (index, act): (u64, String) = (unsigned(row.try_get(0)?, "index")?, row.try_get(1)?);
        grown.identity(index, &act);
        let trail = usize::try_from(index).ok().and_then(|index| trails.get_mut(index)).ok_or(PointError::Altered)?;
        trail.identity = Some(read::<IdentityAct>(&act)?);
    }
    Ok((trails, grown))
}

fn digest(pin: &str, checkpoint: &str, state: &str, grown: Grown) -> Sha256Digest {
    let length = |text: &str| (text.len() as u64).to_be_bytes();
    let parts: [&[u8]; 7] = [
        b"custodia/audit-point/v1",
        pin.as_bytes(),
        &length(checkpoint),
        checkpoint.as_bytes(),
        &length(state),
        state.as_bytes(),
        &grown.to_bytes(),
    ];
    Sha256Digest::of(&parts)
}

/// The saved point, if there is one.
///
/// # Errors
/// [`PointError::Newer`], [`PointError::Altered`], what the database refuses.
pub async fn point(connection: &mut SqliteConnection, pin: &str) -> Result<Option<PointRow>, PointError> {
    prepare(connection).await?;
    let row = sqlx::query("SELECT version, checkpoint, reading, state, digest FROM audit_point").fetch_optional(&mut *connection).await?;
    let Some(row) = row else { return Ok(None) };
    let version: i64 = row.try_get(0)?;
    if version != VERSION {
        return Err(PointError::Newer(version));
    }
    let (checkpoint, state): (String, String) = (row.try_get(1)?, row.try_get(3)?);
    let kept: [u8; 32] = fixed(row.try_get(4)?, "digest of a saved point")?;
    let (trails, grown) = trails(connection).await?;
    if digest(pin, &checkpoint, &state, grown) != Sha256Digest::from_bytes(kept) {
        return Err(PointError::Altered);
    }
    Ok(Some(PointRow { checkpoint, reading: unsigned(row.try_get(2)?, "index")?, state, trails }))
}

/// Takes away the saved point and all that belongs to it; what a watch told stays, and it looks at every record again.
///
/// # Errors
/// What the database refuses.
pub async fn forget(connection: &mut SqliteConnection) -> Result<(), StateError> {
    prepare(connection).await?;
    sqlx::raw_sql(
        "DELETE FROM audit_point; DELETE FROM audit_trail; DELETE FROM audit_identity; DELETE FROM audit_entry; DELETE FROM audit_remark; \
         DELETE FROM audit_erased; DELETE FROM audit_watch",
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Moves the point on. To be called in a transaction, after the alerts of the same turn.
///
/// # Errors
/// What the database refuses.
pub async fn advance(connection: &mut SqliteConnection, new: &Advance<'_>) -> Result<(), PointError> {
    if new.from == 0 {
        forget(connection).await?;
    }
    prepare(connection).await?;
    let mut grown = grown_so_far(connection).await?;
    for (place, records) in new.records.chunks(TRAILS).enumerate() {
        let from = new.from + (place * TRAILS) as u64;
        let bytes: Vec<u8> = records.iter().flat_map(|record| record.trail.to_bytes()).collect();
        grown.trails(&bytes);
        sqlx::query("INSERT INTO audit_trail VALUES (?, ?)").bind(signed(from)).bind(bytes).execute(&mut *connection).await?;
        for (index, record) in (from..).zip(records) {
            if let Some(act) = &record.trail.identity {
                let insert = sqlx::query("INSERT INTO audit_identity VALUES (?, ?)");
                let act = json(act)?;
                grown.identity(index, &act);
                insert.bind(signed(index)).bind(act).execute(&mut *connection).await?;
            }
        }
    }
    for entry in new.entries {
        let place = entry.index.checked_sub(new.from).and_then(|place| usize::try_from(place).ok());
        let Some(act) = place.and_then(|place| new.records.get(place)).and_then(|record| record.act.as_ref()) else { continue };
        sqlx::query("INSERT INTO audit_entry VALUES (?, ?, ?, ?)")
            .bind(signed(entry.index))
            .bind(signed(entry.time.millis()))
            .bind(json(entry)?)
            .bind(json(act)?)
            .execute(&mut *connection)
            .await?;
    }
    for finding in new.remarks {
        sqlx::query("INSERT INTO audit_remark (finding) VALUES (?)").bind(json(finding)?).execute(&mut *connection).await?;
    }
    for index in new.erased {
        sqlx::query("INSERT INTO audit_erased VALUES (?) ON CONFLICT DO NOTHING").bind(signed(*index)).execute(&mut *connection).await?;
        sqlx::query("DELETE FROM audit_entry WHERE idx = ?").bind(signed(*index)).execute(&mut *connection).await?;
    }
    let digest = digest(&new.pin, new.checkpoint, new.state, grown);
    sqlx::query("INSERT OR REPLACE INTO audit_point VALUES (1, ?, ?, ?, ?, ?, ?)")
        .bind(VERSION)
        .bind(new.checkpoint)
        .bind(signed(new.reading))
        .bind(new.state)
        .bind(grown.to_bytes())
        .bind(digest.as_bytes().to_vec())
        .execute(connection)
        .await?;
    Ok(())
}

/// The digests over the rows up to the point.
async fn grown_so_far(connection: &mut SqliteConnection) -> Result<Grown, PointError> {
    let kept: Option<Vec<u8>> = sqlx::query_scalar("SELECT rows_digest FROM audit_point").fetch_optional(connection).await?;
    let Some(kept) = kept else { return Ok(Grown::empty()) };
    let kept: [u8; 64] = fixed(&kept, "digest of a saved point")?;
    let (trails, identity) = kept.split_at(32);
    let half = |bytes: &[u8]| fixed(bytes, "digest of a saved point").map(Sha256Digest::from_bytes);
    Ok(Grown { trails: half(trails)?, identity: half(identity)? })
}

/// The entries of the records before the point that can still be read, in order.
///
/// # Errors
/// [`StateError::Damaged`].
pub async fn entries(connection: &mut SqliteConnection) -> Result<Vec<AuditEntry>, StateError> {
    let rows: Vec<String> = sqlx::query_scalar("SELECT entry FROM audit_entry ORDER BY idx").fetch_all(connection).await?;
    rows.iter().map(|text| read(text)).collect()
}

/// The acts of the records before the point from a time on (milliseconds), in order.
///
/// # Errors
/// [`StateError::Damaged`].
pub async fn acts_since(connection: &mut SqliteConnection, millis: u64) -> Result<Vec<Act>, StateError> {
    prepare(connection).await?;
    let rows: Vec<String> =
        sqlx::query_scalar("SELECT act FROM audit_entry WHERE time >= ? ORDER BY idx").bind(signed(millis)).fetch_all(connection).await?;
    rows.iter().map(|text| read(text)).collect()
}

/// The time of the first record from an index on that was read, in milliseconds.
///
/// # Errors
/// What the database refuses.
pub async fn time_from(connection: &mut SqliteConnection, index: u64) -> Result<Option<(u64, u64)>, StateError> {
    prepare(connection).await?;
    let row = sqlx::query("SELECT idx, time FROM audit_entry WHERE idx >= ? ORDER BY idx LIMIT 1").bind(signed(index));
    let row = row.fetch_optional(connection).await?;
    row.map(|row| Ok((unsigned(row.try_get(0)?, "index")?, unsigned(row.try_get(1)?, "time")?))).transpose()
}

/// What earlier audits could not check.
///
/// # Errors
/// [`StateError::Damaged`].
pub async fn remarks(connection: &mut SqliteConnection) -> Result<Vec<Finding>, StateError> {
    let rows: Vec<String> = sqlx::query_scalar("SELECT finding FROM audit_remark ORDER BY id").fetch_all(connection).await?;
    rows.iter().map(|text| read(text)).collect()
}

/// Records whose payload was not there at an earlier audit, or was erased since.
///
/// # Errors
/// [`StateError::Damaged`].
pub async fn erased(connection: &mut SqliteConnection) -> Result<Vec<u64>, StateError> {
    let rows: Vec<i64> = sqlx::query_scalar("SELECT idx FROM audit_erased ORDER BY idx").fetch_all(connection).await?;
    rows.into_iter().map(|index| unsigned(index, "index")).collect()
}

/// Writes alerts down that are not known yet; to be called in the transaction that moves the point on.
///
/// # Errors
/// What the database refuses.
pub async fn raise(connection: &mut SqliteConnection, found: &str, alerts: &[Alert]) -> Result<(), StateError> {
    prepare(connection).await?;
    for alert in alerts {
        sqlx::query("INSERT INTO audit_alert (key, found, alert) VALUES (?, ?, ?) ON CONFLICT (key) DO NOTHING")
            .bind(alert.key())
            .bind(found)
            .bind(json(alert)?)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// The record up to which a watch has looked for patterns; 0 if it never did.
///
/// # Errors
/// What the database refuses.
pub async fn looked(connection: &mut SqliteConnection) -> Result<u64, StateError> {
    prepare(connection).await?;
    let looked: Option<i64> = sqlx::query_scalar("SELECT looked FROM audit_watch").fetch_optional(connection).await?;
    looked.map_or(Ok(0), |looked| unsigned(looked, "index"))
}

/// Notes up to which record a watch has looked; to be called in the transaction in which it raises what it saw, after the point was moved.
///
/// # Errors
/// What the database refuses.
pub async fn set_looked(connection: &mut SqliteConnection, index: u64) -> Result<(), StateError> {
    prepare(connection).await?;
    sqlx::query("INSERT OR REPLACE INTO audit_watch VALUES (1, ?)").bind(signed(index)).execute(connection).await?;
    Ok(())
}

/// The first alert, told or not, that proves a fork or a rollback (WAT-01, WAT-02): id, when it was found, and the alert.
///
/// # Errors
/// [`StateError::Damaged`].
pub async fn first_proof(connection: &mut SqliteConnection) -> Result<Option<(i64, String, Alert)>, StateError> {
    prepare(connection).await?;
    let proofs = "SELECT id, found, alert FROM audit_alert WHERE key LIKE 'WAT-01 %' OR key LIKE 'WAT-02 %' ORDER BY id";
    for row in sqlx::query(proofs).fetch_all(connection).await? {
        let alert: Alert = read(row.try_get::<&str, _>(2)?)?;
        if alert.fails {
            return Ok(Some((row.try_get(0)?, row.try_get(1)?, alert)));
        }
    }
    Ok(None)
}

/// The alerts that were not told yet, oldest first: id, when it was found, and the alert.
///
/// # Errors
/// [`StateError::Damaged`].
pub async fn untold(connection: &mut SqliteConnection) -> Result<Vec<(i64, String, Alert)>, StateError> {
    prepare(connection).await?;
    let rows = sqlx::query("SELECT id, found, alert FROM audit_alert WHERE told = 0 ORDER BY id").fetch_all(connection).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?, read(row.try_get::<&str, _>(2)?)?))).collect()
}

/// Notes that an alert was told.
///
/// # Errors
/// What the database refuses.
pub async fn told(connection: &mut SqliteConnection, id: i64) -> Result<(), StateError> {
    sqlx::query("UPDATE audit_alert SET told = 1 WHERE id = ?").bind(id).execute(connection).await?;
    Ok(())
}
