//! Refused acts of a device: those of the last hour, and those beyond its limit, which are counted until one record stands for them.

use custodia_core::digest::Sha256Digest;
use custodia_core::time::LogTime;

use super::sql::sql;
use super::{Conn, StoreError};

/// How many refusals of a signer the log holds since `time`.
pub(crate) async fn refusals_since(conn: &mut Conn, signer: Sha256Digest, time: u64) -> Result<u64, StoreError> {
    let row = sql("SELECT COUNT(*) FROM records WHERE signer = $1 AND time >= $2 AND rule <> ''").bytes(signer.as_bytes()).number(time);
    row.row(conn).await?.map_or(Ok(0), |mut row| row.number())
}

/// Refused acts that are counted and not entered yet.
pub(crate) struct Counted {
    pub signer: Sha256Digest,
    pub attempts: u32,
    /// Of the last of them.
    pub rule: String,
    pub intent: String,
}

/// Counts one more refused act of a signer.
pub(crate) async fn count_refusal(conn: &mut Conn, signer: Sha256Digest, now: LogTime, rule: &str, intent: &str) -> Result<(), StoreError> {
    sql("INSERT INTO counted_refusals (signer, since, attempts, rule, intent) VALUES ($1, $2, 1, $3, $4) \
         ON CONFLICT (signer) DO UPDATE SET attempts = counted_refusals.attempts + 1, rule = excluded.rule, intent = excluded.intent")
    .bytes(signer.as_bytes())
    .number(now.millis())
    .text(rule)
    .text(intent)
    .run(conn)
    .await?;
    Ok(())
}

/// Takes out up to `most` counts that began at or before `until`.
pub(crate) async fn take_counted(conn: &mut Conn, until: u64, most: u64) -> Result<Vec<Counted>, StoreError> {
    let statement = sql("SELECT signer, attempts, rule, intent FROM counted_refusals WHERE since <= $1 ORDER BY since LIMIT $2");
    let rows = statement.number(until).number(most).rows(conn).await?;
    let counted = rows
        .into_iter()
        .map(|mut row| Ok(Counted { signer: row.sha256()?, attempts: row.small()?, rule: row.text()?, intent: row.text()? }))
        .collect::<Result<Vec<_>, StoreError>>()?;
    for one in &counted {
        sql("DELETE FROM counted_refusals WHERE signer = $1").bytes(one.signer.as_bytes()).run(conn).await?;
    }
    Ok(counted)
}
