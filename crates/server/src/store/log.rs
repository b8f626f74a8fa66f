//! The log's rows: head, checkpoints, records, chains. Records are written by `records`; its tree's rows are in `tree`.

use std::collections::HashMap;

use custodia_core::custody::record::{ChainHead, ChainSeq, Commitment, PartCommitment, Place, Salt};
use custodia_core::digest::Sha256Digest;
use custodia_core::ids::{CaseId, DeviceId, ExhibitId, IntentId};
use custodia_core::log::merkle::{RootHash, TreeSize};
use custodia_core::time::LogTime;

use super::sql::{Fields, in_parts, sql, sql_groups};
use super::{Conn, Store, StoreError};

/// Where the log stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub size: TreeSize,
    pub root: RootHash,
    /// Time of the last record.
    pub time: LogTime,
}

fn head_of(mut row: Fields) -> Result<Head, StoreError> {
    Ok(Head {
        size: TreeSize::new(row.number()?).map_err(|_| StoreError::Corrupt("a tree of more than 2^48 leaves"))?,
        root: RootHash::from_bytes(row.array()?),
        time: time_of(row.number()?)?,
    })
}

fn time_of(millis: u64) -> Result<LogTime, StoreError> {
    LogTime::from_millis(millis).map_err(|_| StoreError::Corrupt("a time past the year 9999"))
}

/// The head; none before the log is begun.
pub(crate) async fn head(conn: &mut Conn) -> Result<Option<Head>, StoreError> {
    sql("SELECT size, root, time FROM log_head WHERE id = 1").row(conn).await?.map(head_of).transpose()
}

/// The head, held until the transaction ends: nobody else appends.
pub(crate) async fn lock_head(store: &Store, conn: &mut Conn) -> Result<Head, StoreError> {
    let row = if store.locks_rows() {
        sql("SELECT size, root, time FROM log_head WHERE id = 1 FOR UPDATE").row(conn).await?
    } else {
        sql("SELECT size, root, time FROM log_head WHERE id = 1").row(conn).await?
    };
    head_of(row.ok_or(StoreError::Corrupt("the log was never begun"))?)
}

/// Begins the log with the empty tree.
pub(crate) async fn begin(conn: &mut Conn, note: &str) -> Result<(), StoreError> {
    let root = RootHash::empty();
    sql("INSERT INTO log_head (id, size, root, time) VALUES (1, 0, $1, 0)").bytes(root.as_bytes()).run(conn).await?;
    insert_checkpoint(conn, TreeSize::ZERO, note).await
}

/// Compares and swaps the head; false if another process appended since it was read.
pub(crate) async fn swap_head(conn: &mut Conn, from: TreeSize, to: &Head) -> Result<bool, StoreError> {
    let changed = sql("UPDATE log_head SET size = $1, root = $2, time = $3 WHERE id = 1 AND size = $4")
        .number(to.size.get())
        .bytes(to.root.as_bytes())
        .number(to.time.millis())
        .number(from.get())
        .run(conn)
        .await?;
    Ok(changed == 1)
}

/// Stores the checkpoint of a size.
pub(crate) async fn insert_checkpoint(conn: &mut Conn, size: TreeSize, note: &str) -> Result<(), StoreError> {
    sql("INSERT INTO checkpoints (size, note) VALUES ($1, $2)").number(size.get()).text(note).run(conn).await?;
    Ok(())
}

/// The first checkpoint of a tree that has more than `index` leaves: the one that was signed in the turn of that record.
pub(crate) async fn checkpoint_including(conn: &mut Conn, index: u64) -> Result<Option<(TreeSize, String)>, StoreError> {
    let row = sql("SELECT size, note FROM checkpoints WHERE size > $1 ORDER BY size LIMIT 1").number(index).row(conn).await?;
    row.map(sized_note).transpose()
}

/// The checkpoint of exactly that size, if the log signed one.
pub(crate) async fn checkpoint_of(conn: &mut Conn, size: TreeSize) -> Result<Option<String>, StoreError> {
    let row = sql("SELECT note FROM checkpoints WHERE size = $1").number(size.get()).row(conn).await?;
    row.map(|mut row| row.text()).transpose()
}

/// The last checkpoint.
pub(crate) async fn last_checkpoint(conn: &mut Conn) -> Result<Option<(TreeSize, String)>, StoreError> {
    let row = sql("SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT 1").row(conn).await?;
    row.map(sized_note).transpose()
}

fn sized_note(mut row: Fields) -> Result<(TreeSize, String), StoreError> {
    let size = TreeSize::new(row.number()?).map_err(|_| StoreError::Corrupt("a tree of more than 2^48 leaves"))?;
    Ok((size, row.text()?))
}

pub(super) const CASE_CHAIN: u64 = 0;
pub(super) const EXHIBIT_CHAIN: u64 = 1;

/// The last records of the two chains in which a record stands.
pub(crate) struct Heads {
    pub case: Option<ChainHead>,
    pub exhibit: Option<ChainHead>,
}

/// Where the chains of a case and an exhibit end.
pub(crate) async fn heads(conn: &mut Conn, case: CaseId, exhibit: Option<ExhibitId>) -> Result<Heads, StoreError> {
    let rows = sql("SELECT kind, seq, commitment FROM chains WHERE (kind = 0 AND id = $1) OR (kind = 1 AND id = $2)")
        .bytes(case.as_bytes())
        .bytes(exhibit.as_ref().map_or(&[][..], |id| id.as_bytes().as_slice()))
        .rows(conn)
        .await?;
    let mut heads = Heads { case: None, exhibit: None };
    for mut row in rows {
        let kind = row.number()?;
        let head = Some(ChainHead { seq: ChainSeq(row.number()?), commitment: Commitment(row.sha256()?) });
        if kind == CASE_CHAIN { heads.case = head } else { heads.exhibit = head }
    }
    Ok(heads)
}

async fn chain_head(conn: &mut Conn, kind: u64, id: &[u8; 16]) -> Result<Option<ChainHead>, StoreError> {
    let row = sql("SELECT seq, commitment FROM chains WHERE kind = $1 AND id = $2").number(kind).bytes(id).row(conn).await?;
    row.map(|mut row| Ok(ChainHead { seq: ChainSeq(row.number()?), commitment: Commitment(row.sha256()?) })).transpose()
}

/// The last record of a case's chain, or of the registry's.
pub(crate) async fn case_head(conn: &mut Conn, case: CaseId) -> Result<Option<ChainHead>, StoreError> {
    chain_head(conn, CASE_CHAIN, case.as_bytes()).await
}

/// The last record of an exhibit's chain.
pub(crate) async fn exhibit_head(conn: &mut Conn, exhibit: ExhibitId) -> Result<Option<ChainHead>, StoreError> {
    chain_head(conn, EXHIBIT_CHAIN, exhibit.as_bytes()).await
}

/// The commitment of the record with that number in an exhibit's chain.
pub(crate) async fn exhibit_chain_at(conn: &mut Conn, exhibit: ExhibitId, seq: u64) -> Result<Option<Sha256Digest>, StoreError> {
    let row = sql("SELECT commitment FROM records WHERE exhibit_id = $1 AND exhibit_seq = $2").bytes(exhibit.as_bytes()).number(seq);
    row.row(conn).await?.map(|mut row| row.sha256()).transpose()
}

/// The registry's last record among the first `size` records of the log: number and commitment.
pub(crate) async fn registry_head_at(conn: &mut Conn, size: u64) -> Result<Option<ChainHead>, StoreError> {
    let row = sql("SELECT case_seq, commitment FROM records WHERE case_id = $1 AND idx < $2 ORDER BY case_seq DESC LIMIT 1")
        .bytes(CaseId::REGISTRY.as_bytes())
        .number(size)
        .row(conn)
        .await?;
    row.map(|mut row| Ok(ChainHead { seq: ChainSeq(row.number()?), commitment: Commitment(row.sha256()?) })).transpose()
}

/// The time of a chain's first record at or above an index; the registry's chain has the reserved case id.
pub(crate) async fn first_time_from(conn: &mut Conn, case: CaseId, index: u64) -> Result<Option<LogTime>, StoreError> {
    let row =
        sql("SELECT time FROM records WHERE case_id = $1 AND idx >= $2 ORDER BY case_seq LIMIT 1").bytes(case.as_bytes()).number(index);
    row.row(conn).await?.map(|mut row| time_of(row.number()?)).transpose()
}

/// By what an intent is known again: who signed it, and its id.
pub(crate) type IntentKey = (Sha256Digest, IntentId);

/// What an intent that was sent before led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Earlier {
    pub index: u64,
    pub intent_digest: Sha256Digest,
    /// Id of the rule that refused it; none if it was accepted.
    pub rule: Option<String>,
}

/// Looks for an intent by signer and id.
pub(crate) async fn earlier(conn: &mut Conn, signer: Sha256Digest, intent: IntentId) -> Result<Option<Earlier>, StoreError> {
    let row = sql("SELECT idx, intent_digest, rule FROM records WHERE signer = $1 AND intent_id = $2")
        .bytes(signer.as_bytes())
        .bytes(intent.as_bytes())
        .row(conn)
        .await?;
    row.map(earlier_in).transpose()
}

/// Looks for intents by signer and id; those that were never sent are left out.
pub(crate) async fn earlier_of(conn: &mut Conn, wanted: &[IntentKey]) -> Result<HashMap<IntentKey, Earlier>, StoreError> {
    let mut found = HashMap::new();
    for part in in_parts(wanted) {
        let head = "SELECT signer, intent_id, idx, intent_digest, rule FROM records WHERE (signer, intent_id) IN (VALUES ";
        let mut statement = sql_groups(head, 2, part.len(), ")");
        for (signer, intent) in part {
            statement = statement.bytes(signer.as_bytes()).bytes(intent.as_bytes());
        }
        for mut row in statement.rows(conn).await? {
            let key = (row.sha256()?, IntentId::from_bytes(row.array()?));
            found.insert(key, earlier_in(row)?);
        }
    }
    Ok(found)
}

fn earlier_in(mut row: Fields) -> Result<Earlier, StoreError> {
    let (index, intent_digest, rule) = (row.number()?, row.sha256()?, row.text()?);
    Ok(Earlier { index, intent_digest, rule: (!rule.is_empty()).then_some(rule) })
}

/// Whether the device may read an exhibit's objects: an accepted opening of its own stands in the log.
pub(crate) async fn has_opened(conn: &mut Conn, exhibit: ExhibitId, signer: Sha256Digest) -> Result<bool, StoreError> {
    sql("SELECT idx FROM records WHERE exhibit_id = $1 AND signer = $2 AND opens = 1 LIMIT 1")
        .bytes(exhibit.as_bytes())
        .bytes(signer.as_bytes())
        .exists(conn)
        .await
}

/// A record as it is read back; a payload that was erased has no core part.
pub(crate) struct StoredRecord {
    pub index: u64,
    pub core: Option<(Vec<u8>, Salt)>,
    pub c_core: PartCommitment,
    pub case: Place<CaseId>,
    pub case_salt: Salt,
    pub exhibit: Option<Place<ExhibitId>>,
    pub exhibit_salt: Salt,
    pub commitment: Commitment,
}

macro_rules! select_records {
    ($rest:literal) => {
        concat!(
            "SELECT idx, core, core_salt, c_core, case_id, case_seq, case_previous, case_salt, exhibit_id, exhibit_seq, exhibit_previous, \
             exhibit_salt, commitment FROM records ",
            $rest
        )
    };
}

fn stored(mut row: Fields) -> Result<StoredRecord, StoreError> {
    let commitment = |bytes| Commitment(Sha256Digest::from_bytes(bytes));
    let index = row.number()?;
    let (core, salt) = (row.bytes_or_null()?, row.array_or_null()?);
    let c_core = PartCommitment(row.sha256()?);
    let case = Place { chain: row.case()?, seq: ChainSeq(row.number()?), previous: row.array_or_null()?.map(commitment) };
    let case_salt = Salt(row.array()?);
    let (exhibit, seq, previous) = (row.array_or_null()?, row.number_or_null()?, row.array_or_null()?);
    let exhibit = exhibit.zip(seq).map(|(chain, seq)| Place {
        chain: ExhibitId::from_bytes(chain),
        seq: ChainSeq(seq),
        previous: previous.map(commitment),
    });
    let exhibit_salt = Salt(row.array()?);
    let commitment = Commitment(row.sha256()?);
    Ok(StoredRecord { index, core: core.zip(salt.map(Salt)), c_core, case, case_salt, exhibit, exhibit_salt, commitment })
}

fn stored_all(rows: Vec<Fields>) -> Result<Vec<StoredRecord>, StoreError> {
    rows.into_iter().map(stored).collect()
}

/// The record at an index.
pub(crate) async fn record(conn: &mut Conn, index: u64) -> Result<Option<StoredRecord>, StoreError> {
    sql(select_records!("WHERE idx = $1")).number(index).row(conn).await?.map(stored).transpose()
}

/// Records from an index on, at most `most`.
pub(crate) async fn records_from(conn: &mut Conn, from: u64, before: u64, most: u64) -> Result<Vec<StoredRecord>, StoreError> {
    let statement = sql(select_records!("WHERE idx >= $1 AND idx < $2 ORDER BY idx LIMIT $3"));
    stored_all(statement.number(from).number(before).number(most).rows(conn).await?)
}

/// Records of a case's chain, or of the registry's, from a number on, at most `most`.
pub(crate) async fn case_records(conn: &mut Conn, case: CaseId, from: u64, most: u64) -> Result<Vec<StoredRecord>, StoreError> {
    let statement = sql(select_records!("WHERE case_id = $1 AND case_seq >= $2 ORDER BY case_seq LIMIT $3"));
    stored_all(statement.bytes(case.as_bytes()).number(from).number(most).rows(conn).await?)
}

/// Accepted records of a case's chain from a number on, at most `most`: number and core part, none if it was erased.
pub(crate) async fn accepted_in_case(
    conn: &mut Conn,
    case: CaseId,
    from: u64,
    most: u64,
) -> Result<Vec<(u64, Option<Vec<u8>>)>, StoreError> {
    let rows = sql("SELECT case_seq, core FROM records WHERE case_id = $1 AND case_seq >= $2 AND rule = '' ORDER BY case_seq LIMIT $3")
        .bytes(case.as_bytes())
        .number(from)
        .number(most)
        .rows(conn)
        .await?;
    rows.into_iter().map(|mut row| Ok((row.number()?, row.bytes_or_null()?))).collect()
}

/// Records of an exhibit's chain from a number on, at most `most`.
pub(crate) async fn exhibit_records(conn: &mut Conn, exhibit: ExhibitId, from: u64, most: u64) -> Result<Vec<StoredRecord>, StoreError> {
    let statement = sql(select_records!("WHERE exhibit_id = $1 AND exhibit_seq >= $2 ORDER BY exhibit_seq LIMIT $3"));
    stored_all(statement.bytes(exhibit.as_bytes()).number(from).number(most).rows(conn).await?)
}

/// Commitments of the records `from` up to, not including, `to`, in order.
pub(crate) async fn commitments(conn: &mut Conn, from: u64, to: u64) -> Result<Vec<Commitment>, StoreError> {
    let statement = sql("SELECT commitment FROM records WHERE idx >= $1 AND idx < $2 ORDER BY idx");
    let rows = statement.number(from).number(to).rows(conn).await?;
    rows.into_iter().map(|mut row| row.sha256().map(Commitment)).collect()
}

/// Destroys the payload of a record: core and its salt. The rest stays.
pub(crate) async fn erase_payload(conn: &mut Conn, index: u64) -> Result<(), StoreError> {
    sql("UPDATE records SET core = NULL, core_salt = NULL WHERE idx = $1").number(index).run(conn).await?;
    Ok(())
}

/// Notes that a device may read a range of the log.
pub(crate) async fn insert_log_read(
    conn: &mut Conn,
    index: u64,
    device: DeviceId,
    case: CaseId,
    range: core::ops::Range<u64>,
) -> Result<(), StoreError> {
    sql("INSERT INTO log_reads (idx, device, case_id, from_idx, to_idx) VALUES ($1, $2, $3, $4, $5)")
        .number(index)
        .bytes(device.as_bytes())
        .bytes(case.as_bytes())
        .number(range.start)
        .number(range.end)
        .run(conn)
        .await?;
    Ok(())
}

/// Where the reading that stands in the log and covers `index` ends; none if no entry of that device covers it.
pub(crate) async fn log_read_until(conn: &mut Conn, device: DeviceId, case: CaseId, index: u64) -> Result<Option<u64>, StoreError> {
    let row = sql("SELECT to_idx FROM log_reads WHERE device = $1 AND case_id = $2 AND from_idx <= $3 AND to_idx > $3 \
                   ORDER BY to_idx DESC LIMIT 1")
    .bytes(device.as_bytes())
    .bytes(case.as_bytes())
    .number(index)
    .row(conn)
    .await?;
    row.map(|mut row| row.number()).transpose()
}

/// Whether an entry of that device accounts for reading a case, or for [`CaseId::REGISTRY`] the whole log.
pub(crate) async fn has_read(conn: &mut Conn, device: DeviceId, case: CaseId) -> Result<bool, StoreError> {
    sql("SELECT idx FROM log_reads WHERE device = $1 AND case_id = $2 LIMIT 1")
        .bytes(device.as_bytes())
        .bytes(case.as_bytes())
        .exists(conn)
        .await
}
