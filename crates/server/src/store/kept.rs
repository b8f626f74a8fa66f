//! Kept checkpoints: cosignatures and stamps. A corrupted row is noticed by whoever verifies what it holds.

use custodia_core::log::cosignature::Cosignature;
use custodia_core::log::merkle::TreeSize;

use super::sql::{Fields, sql};
use super::{Conn, StoreError};

/// What a checkpoint is kept for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum With {
    /// A stamp.
    Stamp,
    /// A cosignature.
    Cosignature,
}

/// From which size on, or up to which, a kept checkpoint is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    AtLeast(u64),
    AtMost(u64),
}

fn size_of(mut row: Fields) -> Result<Option<TreeSize>, StoreError> {
    let size = row.number_or_null()?;
    size.map(TreeSize::new).transpose().map_err(|_| StoreError::Corrupt("a tree of more than 2^48 leaves"))
}

/// The size of the nearest checkpoint within a bound that has a stamp, or a cosignature.
pub(crate) async fn nearest(conn: &mut Conn, bound: Bound, with: With) -> Result<Option<TreeSize>, StoreError> {
    let statement = match (bound, with) {
        (Bound::AtLeast(size), With::Stamp) => sql("SELECT MIN(size) FROM stamps WHERE size >= $1").number(size),
        (Bound::AtLeast(size), With::Cosignature) => sql("SELECT MIN(size) FROM cosignatures WHERE size >= $1").number(size),
        (Bound::AtMost(size), With::Stamp) => sql("SELECT MAX(size) FROM stamps WHERE size <= $1").number(size),
        (Bound::AtMost(size), With::Cosignature) => sql("SELECT MAX(size) FROM cosignatures WHERE size <= $1").number(size),
    };
    statement.row(conn).await?.map_or(Ok(None), size_of)
}

/// The signature lines of a checkpoint's cosignatures, in the order of their keys.
pub(crate) async fn cosignature_lines(conn: &mut Conn, size: TreeSize) -> Result<Vec<String>, StoreError> {
    let rows = sql("SELECT line FROM cosignatures WHERE size = $1 ORDER BY vkey").number(size.get()).rows(conn).await?;
    rows.into_iter().map(|mut row| row.text()).collect()
}

/// The keys by which a checkpoint is cosigned, as text.
pub(crate) async fn cosigners(conn: &mut Conn, size: TreeSize) -> Result<Vec<String>, StoreError> {
    let rows = sql("SELECT vkey FROM cosignatures WHERE size = $1").number(size.get()).rows(conn).await?;
    rows.into_iter().map(|mut row| row.text()).collect()
}

/// The stamps of a checkpoint, in the order of their authorities.
pub(crate) async fn stamps(conn: &mut Conn, size: TreeSize) -> Result<Vec<Vec<u8>>, StoreError> {
    let rows = sql("SELECT response FROM stamps WHERE size = $1 ORDER BY authority").number(size.get()).rows(conn).await?;
    rows.into_iter().map(|mut row| row.bytes()).collect()
}

/// Keeps a cosignature that was verified; the first of its key stays.
pub(crate) async fn insert_cosignature(conn: &mut Conn, size: TreeSize, cosignature: &Cosignature) -> Result<(), StoreError> {
    sql("INSERT INTO cosignatures (size, vkey, line, time_s) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING")
        .number(size.get())
        .text(&cosignature.key().to_string())
        .text(&cosignature.line().to_string())
        .number(cosignature.time().seconds())
        .run(conn)
        .await?;
    Ok(())
}

/// Keeps a stamp that was checked; the first of its authority stays.
pub(crate) async fn insert_stamp(
    conn: &mut Conn,
    size: TreeSize,
    authority: &str,
    response: &[u8],
    seconds: u64,
) -> Result<(), StoreError> {
    sql("INSERT INTO stamps (size, authority, response, time_s) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING")
        .number(size.get())
        .text(authority)
        .bytes(response)
        .number(seconds)
        .run(conn)
        .await?;
    Ok(())
}

/// The last checkpoint that somebody vouched for: its size, and the time of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Last {
    pub size: TreeSize,
    /// Seconds since 1970, by the cosigner's or the authority's clock.
    pub seconds: u64,
}

fn last_of(mut row: Fields) -> Result<Last, StoreError> {
    let size = TreeSize::new(row.number()?).map_err(|_| StoreError::Corrupt("a tree of more than 2^48 leaves"))?;
    Ok(Last { size, seconds: row.number()? })
}

/// The largest checkpoint that a key cosigned.
pub(crate) async fn last_cosigned(conn: &mut Conn, vkey: &str) -> Result<Option<Last>, StoreError> {
    let row = sql("SELECT size, time_s FROM cosignatures WHERE vkey = $1 ORDER BY size DESC LIMIT 1").text(vkey).row(conn).await?;
    row.map(last_of).transpose()
}

/// The largest checkpoint that an authority stamped.
pub(crate) async fn last_stamped(conn: &mut Conn, authority: &str) -> Result<Option<Last>, StoreError> {
    let row = sql("SELECT size, time_s FROM stamps WHERE authority = $1 ORDER BY size DESC LIMIT 1").text(authority).row(conn).await?;
    row.map(last_of).transpose()
}
