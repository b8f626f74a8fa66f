//! Writing records, those of a turn at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use custodia_core::custody::record::{ChainHead, Commitment, Outcome, Part, Record};
use custodia_core::digest::Sha256Digest;
use custodia_core::ids::IntentId;

use super::log::{CASE_CHAIN, EXHIBIT_CHAIN, StoredRecord};
use super::sql::{Sql, in_parts, sql_groups};
use super::{Conn, StoreError};

/// A record as it is stored, and what is looked for in it.
#[derive(Debug)]
pub(crate) struct NewRecord {
    pub record: Record,
    pub commitment: Commitment,
    pub kind: &'static str,
    pub signer: Sha256Digest,
    pub intent: IntentId,
    pub intent_digest: Sha256Digest,
    /// Whether it gives leave to read an exhibit's objects.
    pub opens: bool,
}

/// Stores records, in the order of their indexes, and lets their chains end in them.
pub(crate) async fn insert_records(conn: &mut Conn, new: &[Arc<NewRecord>]) -> Result<(), StoreError> {
    for part in in_parts(new) {
        let mut statement = sql_groups(
            "INSERT INTO records (idx, time, kind, rule, signer, intent_id, intent_digest, case_id, case_seq, exhibit_id, exhibit_seq, \
             opens, core, core_salt, case_salt, exhibit_salt, case_previous, exhibit_previous, c_core, commitment) VALUES ",
            20,
            part.len(),
            "",
        );
        for new in part {
            statement = bind_record(statement, new);
        }
        statement.run(conn).await?;
    }
    move_chains(conn, new).await
}

fn bind_record(statement: Sql, new: &NewRecord) -> Sql {
    let record = &new.record;
    let rule = match &record.core.outcome {
        Outcome::Accepted => "",
        Outcome::Refused(rule) => rule.as_str(),
    };
    let previous = |commitment: Option<Commitment>| commitment.map(|commitment| *commitment.0.as_bytes());
    statement
        .number(record.core.index)
        .number(record.core.time.millis())
        .text(new.kind)
        .text(rule)
        .bytes(new.signer.as_bytes())
        .bytes(new.intent.as_bytes())
        .bytes(new.intent_digest.as_bytes())
        .bytes(record.case.chain.as_bytes())
        .number(record.case.seq.0)
        .bytes_or_null(record.exhibit.map(|place| *place.chain.as_bytes()))
        .number_or_null(record.exhibit.map(|place| place.seq.0))
        .flag(new.opens)
        .bytes(record.core.to_bytes())
        .bytes(record.salt(Part::Core).0)
        .bytes(record.salt(Part::Case).0)
        .bytes(record.salt(Part::Exhibit).0)
        .bytes_or_null(previous(record.case.previous))
        .bytes_or_null(record.exhibit.and_then(|place| previous(place.previous)))
        .bytes(record.part_commitment(Part::Core).0.as_bytes())
        .bytes(new.commitment.0.as_bytes())
}

macro_rules! move_chains {
    ($before:literal) => {
        concat!(
            " ON CONFLICT (kind, id) DO UPDATE SET seq = excluded.seq, commitment = excluded.commitment WHERE chains.seq + ",
            $before,
            " = excluded.seq"
        )
    };
}

/// A chain that grew by so many records, and where it ends now.
struct Moved {
    chain: (u64, [u8; 16]),
    by: u64,
    to: ChainHead,
}

/// Lets each chain end in the last of the records that stand in it; it must have ended just before the first of them.
async fn move_chains(conn: &mut Conn, new: &[Arc<NewRecord>]) -> Result<(), StoreError> {
    let mut chains: BTreeMap<(u64, [u8; 16]), (u64, ChainHead)> = BTreeMap::new();
    for new in new {
        let case = (CASE_CHAIN, *new.record.case.chain.as_bytes(), new.record.case.seq);
        let exhibit = new.record.exhibit.map(|place| (EXHIBIT_CHAIN, *place.chain.as_bytes(), place.seq));
        for (kind, id, seq) in [Some(case), exhibit].into_iter().flatten() {
            let to = ChainHead { seq, commitment: new.commitment };
            chains.entry((kind, id)).and_modify(|moved| *moved = (moved.0 + 1, to)).or_insert((1, to));
        }
    }
    let moved = chains.into_iter().map(|(chain, (by, to))| Moved { chain, by, to });
    let (by_one, further): (Vec<_>, Vec<_>) = moved.partition(|moved| moved.by == 1);
    for part in in_parts(&by_one) {
        run_moves(conn, part, sql_groups(INSERT_CHAINS, 4, part.len(), move_chains!("1")), None).await?;
    }
    for moved in &further {
        run_moves(conn, core::slice::from_ref(moved), sql_groups(INSERT_CHAINS, 4, 1, move_chains!("$5")), Some(moved.by)).await?;
    }
    Ok(())
}

const INSERT_CHAINS: &str = "INSERT INTO chains (kind, id, seq, commitment) VALUES ";

async fn run_moves(conn: &mut Conn, moves: &[Moved], mut statement: Sql, by: Option<u64>) -> Result<(), StoreError> {
    for Moved { chain: (kind, id), to, .. } in moves {
        statement = statement.number(*kind).bytes(id).number(to.seq.0).bytes(to.commitment.0.as_bytes());
    }
    if let Some(by) = by {
        statement = statement.number(by);
    }
    if statement.run(conn).await? == moves.len() as u64 {
        Ok(())
    } else {
        Err(StoreError::Corrupt("a chain that does not end where its last record stands"))
    }
}

impl From<&NewRecord> for StoredRecord {
    fn from(new: &NewRecord) -> Self {
        let record = &new.record;
        Self {
            index: record.core.index,
            core: Some((record.core.to_bytes(), *record.salt(Part::Core))),
            c_core: record.part_commitment(Part::Core),
            case: record.case,
            case_salt: *record.salt(Part::Case),
            exhibit: record.exhibit,
            exhibit_salt: *record.salt(Part::Exhibit),
            commitment: new.commitment,
        }
    }
}
