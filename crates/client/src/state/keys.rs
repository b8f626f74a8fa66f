//! Rows about case groups and their keys: MLS state, ring keys, granted shares, what the cases are called.

use custodia_core::group::context::CommitContext;
use custodia_core::group::facts::GroupId;
use custodia_core::ids::{CaseId, ExhibitId};
use custodia_core::secret::Secret32;
use custodia_mls::{MlsState, RowChanges, RowOwner};
use sqlx::{Row as _, SqliteConnection};

use super::{StateError, fixed, signed, unsigned};

/// How this device stands in a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Its founding was sent and is not answered.
    Founding,
    /// Member.
    Member,
    /// Removed, or gone.
    Left,
}

impl Standing {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Founding => "founding",
            Self::Member => "member",
            Self::Left => "left",
        }
    }
}

/// A case as this device knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseFile {
    /// The case.
    pub id: CaseId,
    /// Its title, once its founding entry's sealed reason was read.
    pub title: Option<String>,
    /// MLS group id.
    pub group_id: Vec<u8>,
    /// Ring version in force.
    pub ring_version: u32,
    /// How this device stands in it.
    pub standing: Standing,
}

fn read_case(row: &sqlx::sqlite::SqliteRow) -> Result<CaseFile, StateError> {
    Ok(CaseFile {
        id: CaseId::from_bytes(fixed(row.try_get(0)?, "case id")?),
        title: row.try_get(1)?,
        group_id: row.try_get(2)?,
        ring_version: row.try_get(3)?,
        standing: match row.try_get(4)? {
            "founding" => Standing::Founding,
            "member" => Standing::Member,
            _ => Standing::Left,
        },
    })
}

/// Writes a case, the row before replaced.
///
/// # Errors
/// What the database refuses.
pub async fn put_case(connection: &mut SqliteConnection, case: &CaseFile) -> Result<(), StateError> {
    sqlx::query(
        "INSERT INTO case_file (id, title, group_id, ring_version, standing) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE \
         SET title = excluded.title, group_id = excluded.group_id, ring_version = excluded.ring_version, standing = excluded.standing",
    )
    .bind(case.id.as_bytes().as_slice())
    .bind(&case.title)
    .bind(&case.group_id)
    .bind(case.ring_version)
    .bind(case.standing.as_str())
    .execute(connection)
    .await?;
    Ok(())
}

/// One case.
///
/// # Errors
/// [`StateError::Damaged`].
pub async fn case(connection: &mut SqliteConnection, id: CaseId) -> Result<Option<CaseFile>, StateError> {
    let row = sqlx::query("SELECT id, title, group_id, ring_version, standing FROM case_file WHERE id = ?")
        .bind(id.as_bytes().as_slice())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(read_case).transpose()
}

/// All cases.
///
/// # Errors
/// [`StateError::Damaged`].
pub async fn cases(connection: &mut SqliteConnection) -> Result<Vec<CaseFile>, StateError> {
    let rows = sqlx::query("SELECT id, title, group_id, ring_version, standing FROM case_file ORDER BY id").fetch_all(connection).await?;
    rows.iter().map(read_case).collect()
}

/// The context of the commit that began the current epoch; none at epoch 0.
///
/// # Errors
/// [`StateError::Damaged`].
pub async fn context(connection: &mut SqliteConnection, case: CaseId) -> Result<Option<CommitContext>, StateError> {
    let bytes: Option<Option<Vec<u8>>> = sqlx::query_scalar("SELECT context FROM case_file WHERE id = ?")
        .bind(case.as_bytes().as_slice())
        .fetch_optional(connection)
        .await?;
    let bytes = bytes.flatten();
    bytes.map(|bytes| CommitContext::decode(&bytes).map_err(|_| StateError::Damaged("commit context"))).transpose()
}

/// Keeps the context of another's commit that was merged; an own commit that lost goes with it.
///
/// # Errors
/// What the database refuses.
pub async fn set_context(connection: &mut SqliteConnection, case: CaseId, context: &CommitContext) -> Result<(), StateError> {
    sqlx::query("UPDATE case_file SET context = ?, pending_context = NULL WHERE id = ?")
        .bind(context.encode().to_vec())
        .bind(case.as_bytes().as_slice())
        .execute(connection)
        .await?;
    Ok(())
}

/// Keeps the context of an own commit that is to be sent.
///
/// # Errors
/// What the database refuses.
pub async fn set_pending_context(connection: &mut SqliteConnection, case: CaseId, context: &CommitContext) -> Result<(), StateError> {
    sqlx::query("UPDATE case_file SET pending_context = ? WHERE id = ?")
        .bind(context.encode().to_vec())
        .bind(case.as_bytes().as_slice())
        .execute(connection)
        .await?;
    Ok(())
}

/// The own commit won: its context is that of the epoch.
///
/// # Errors
/// What the database refuses.
pub async fn promote_context(connection: &mut SqliteConnection, case: CaseId) -> Result<(), StateError> {
    sqlx::query("UPDATE case_file SET context = pending_context, pending_context = NULL WHERE id = ? AND pending_context IS NOT NULL")
        .bind(case.as_bytes().as_slice())
        .execute(connection)
        .await?;
    Ok(())
}

/// Takes a case and its ring back, if its founding was refused.
///
/// # Errors
/// What the database refuses.
pub async fn forget_case(connection: &mut SqliteConnection, id: CaseId) -> Result<(), StateError> {
    for statement in ["DELETE FROM ring_key WHERE case_id = ?", "DELETE FROM case_file WHERE id = ?"] {
        sqlx::query(statement).bind(id.as_bytes().as_slice()).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Keeps a ring key.
///
/// # Errors
/// What the database refuses.
pub async fn put_ring_key(connection: &mut SqliteConnection, case: CaseId, version: u32, key: &Secret32) -> Result<(), StateError> {
    sqlx::query("INSERT INTO ring_key VALUES (?, ?, ?) ON CONFLICT (case_id, version) DO UPDATE SET key = excluded.key")
        .bind(case.as_bytes().as_slice())
        .bind(version)
        .bind(key.expose().as_slice())
        .execute(connection)
        .await?;
    Ok(())
}

/// A ring key, if this device has it.
///
/// # Errors
/// [`StateError::Damaged`].
pub async fn ring_key(connection: &mut SqliteConnection, case: CaseId, version: u32) -> Result<Option<Secret32>, StateError> {
    let key: Option<Vec<u8>> = sqlx::query_scalar("SELECT key FROM ring_key WHERE case_id = ? AND version = ?")
        .bind(case.as_bytes().as_slice())
        .bind(version)
        .fetch_optional(connection)
        .await?;
    key.map(|key| fixed(&key, "ring key").map(Secret32::from_bytes)).transpose()
}

/// All ring keys of a case that this device has, oldest first.
///
/// # Errors
/// [`StateError::Damaged`].
pub async fn ring_keys(connection: &mut SqliteConnection, case: CaseId) -> Result<Vec<(u32, Secret32)>, StateError> {
    let rows = sqlx::query("SELECT version, key FROM ring_key WHERE case_id = ? ORDER BY version")
        .bind(case.as_bytes().as_slice())
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, Secret32::from_bytes(fixed(row.try_get(1)?, "ring key")?)))).collect()
}

/// Keeps the group share of a chosen exhibit.
///
/// # Errors
/// What the database refuses.
pub async fn put_granted_share(
    connection: &mut SqliteConnection,
    case: CaseId,
    exhibit: ExhibitId,
    share: &Secret32,
) -> Result<(), StateError> {
    sqlx::query("INSERT INTO granted_share VALUES (?, ?, ?) ON CONFLICT (exhibit) DO NOTHING")
        .bind(exhibit.as_bytes().as_slice())
        .bind(case.as_bytes().as_slice())
        .bind(share.expose().as_slice())
        .execute(connection)
        .await?;
    Ok(())
}

/// The group shares of chosen exhibits of a case that this device was granted.
///
/// # Errors
/// [`StateError::Damaged`].
pub async fn granted_shares(connection: &mut SqliteConnection, case: CaseId) -> Result<Vec<(ExhibitId, Secret32)>, StateError> {
    let rows = sqlx::query("SELECT exhibit, share FROM granted_share WHERE case_id = ? ORDER BY exhibit")
        .bind(case.as_bytes().as_slice())
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| {
            let exhibit = ExhibitId::from_bytes(fixed(row.try_get(0)?, "exhibit id")?);
            Ok((exhibit, Secret32::from_bytes(fixed(row.try_get(1)?, "granted share")?)))
        })
        .collect()
}

/// The granted share of one exhibit, if there is one.
///
/// # Errors
/// [`StateError::Damaged`].
pub async fn granted_share(connection: &mut SqliteConnection, case: CaseId, exhibit: ExhibitId) -> Result<Option<Secret32>, StateError> {
    let bytes: Option<Vec<u8>> = sqlx::query_scalar("SELECT share FROM granted_share WHERE case_id = ? AND exhibit = ?")
        .bind(case.as_bytes().as_slice())
        .bind(exhibit.as_bytes().as_slice())
        .fetch_optional(connection)
        .await?;
    bytes.map(|bytes| Ok(Secret32::from_bytes(fixed(&bytes, "granted share")?))).transpose()
}

/// From which index on grants are still to be taken.
///
/// # Errors
/// [`StateError::Damaged`].
pub async fn grants_from(connection: &mut SqliteConnection, case: CaseId) -> Result<u64, StateError> {
    let index: Option<i64> = sqlx::query_scalar("SELECT grants_from FROM case_file WHERE id = ?")
        .bind(case.as_bytes().as_slice())
        .fetch_optional(connection)
        .await?;
    unsigned(index.unwrap_or(0), "index")
}

/// Notes that every grant before an index was taken.
///
/// # Errors
/// What the database refuses.
pub async fn set_grants_from(connection: &mut SqliteConnection, case: CaseId, index: u64) -> Result<(), StateError> {
    sqlx::query("UPDATE case_file SET grants_from = ? WHERE id = ?")
        .bind(signed(index))
        .bind(case.as_bytes().as_slice())
        .execute(connection)
        .await?;
    Ok(())
}

/// Loads the MLS state of one group together with the device's own key packages; or the latter alone.
///
/// # Errors
/// What the database refuses.
pub async fn load_mls(connection: &mut SqliteConnection, group: Option<GroupId>) -> Result<MlsState, StateError> {
    let owner = group.map(|group| group.to_bytes().to_vec()).unwrap_or_default();
    let rows = sqlx::query("SELECT key, value FROM mls WHERE owner = ? OR owner = x''").bind(owner).fetch_all(connection).await?;
    let rows: Vec<(Vec<u8>, Vec<u8>)> = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, StateError>>()?;
    Ok(MlsState::from_rows(rows))
}

/// Erases the secrets of a group that a successor has taken the place of.
///
/// # Errors
/// What the database refuses.
pub async fn erase_group(connection: &mut SqliteConnection, group: GroupId) -> Result<(), StateError> {
    sqlx::query("DELETE FROM mls WHERE owner = ?").bind(group.to_bytes().to_vec()).execute(connection).await?;
    Ok(())
}

/// Writes what an operation changed.
///
/// # Errors
/// What the database refuses.
pub async fn write_mls(connection: &mut SqliteConnection, changes: &RowChanges) -> Result<(), StateError> {
    for (key, value) in &changes.put {
        let owner = match MlsState::owner(key) {
            RowOwner::Group(group) => group.to_bytes().to_vec(),
            RowOwner::Device => Vec::new(),
        };
        sqlx::query("INSERT INTO mls VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value")
            .bind(key)
            .bind(owner)
            .bind(value)
            .execute(&mut *connection)
            .await?;
    }
    for key in &changes.delete {
        sqlx::query("DELETE FROM mls WHERE key = ?").bind(key).execute(&mut *connection).await?;
    }
    Ok(())
}
