//! Appending one record: its place in the log and in its chains, salts, commitment, leaf.

use std::sync::Arc;

use custodia_core::custody::intent::{SignedIntent, UnverifiedIntent};
use custodia_core::custody::kind::Concern;
use custodia_core::custody::record::{Core, Outcome, Place, Record, RuleId, Salt};
use custodia_core::ids::CaseId;
use custodia_core::log::merkle::{Frontier, NodeHash, NodeId, TreeSize, leaf_hash};
use custodia_core::time::LogTime;

use super::known::Known;
use crate::error::Refusal;
use crate::keys;
use crate::registry::Mirror;
use crate::store::log::IntentKey;
use crate::store::records::{self, NewRecord};
use crate::store::{Conn, StoreError, refusals};
use crate::vault::Vault;

/// An hour, in milliseconds.
const HOUR: u64 = 60 * 60 * 1000;
/// The most counts that one turn enters.
const MOST_COUNTED: u64 = 64;

/// What grows during a turn and is set back when an act is taken back.
#[derive(Clone)]
pub(super) struct Growing {
    pub frontier: Frontier,
    /// The time of every record of the turn: not before the last record's.
    pub time: LogTime,
    /// Shared with all requests until an identity act changes it.
    pub mirror: Arc<Mirror>,
    /// The size with which the turn began: the last that was signed.
    pub start: TreeSize,
    /// Nodes that became complete in this turn; stored before its root is read back.
    pub nodes: Vec<(NodeId, NodeHash)>,
    /// The records of this turn, in order.
    pub records: Vec<Arc<NewRecord>>,
    /// How many of them are written.
    written: usize,
    pub known: Arc<Known>,
}

impl Growing {
    pub const fn new(frontier: Frontier, time: LogTime, mirror: Arc<Mirror>, known: Arc<Known>) -> Self {
        let start = frontier.size();
        Self { frontier, time, mirror, start, nodes: Vec::new(), records: Vec::new(), written: 0, known }
    }

    /// Whether an intent was entered in this turn.
    pub fn holds(&self, (signer, intent): IntentKey) -> bool {
        self.records.iter().any(|new| new.signer == signer && new.intent == intent)
    }

    /// Writes the records that are not written yet.
    pub async fn write(&mut self, conn: &mut Conn) -> Result<(), StoreError> {
        records::insert_records(conn, &self.records[self.written..]).await?;
        self.written = self.records.len();
        Ok(())
    }
}

/// Appends an accepted act, to be written by [`Growing::write`]; answers its index.
pub(super) async fn accepted(conn: &mut Conn, growing: &mut Growing, intent: &SignedIntent, opens: bool) -> Result<u64, Refusal> {
    append(conn, growing, intent, (Outcome::Accepted, 1), opens).await
}

/// Appends the refusal of an act, or only counts it if the device has had too many within the hour; then there is no index.
pub(super) async fn refusal(
    vault: &Vault,
    conn: &mut Conn,
    growing: &mut Growing,
    intent: &SignedIntent,
    rule: &str,
) -> Result<Option<u64>, Refusal> {
    let since = growing.time.millis().saturating_sub(HOUR);
    if refusals::refusals_since(conn, intent.signer(), since).await? >= vault.limits.refusals_per_hour {
        tracing::warn!(rule, device.certificate = %intent.signer(), "an act was refused; the device's refusals of this hour fill their limit");
        refusals::count_refusal(conn, intent.signer(), growing.time, rule, intent.text()).await?;
        return Ok(None);
    }
    let index = append(conn, growing, intent, (refused_by(rule)?, 1), false).await?;
    growing.write(conn).await?;
    Ok(Some(index))
}

/// Appends one record for each device whose refusals were counted for an hour.
pub(super) async fn counted_refusals(conn: &mut Conn, growing: &mut Growing) -> Result<(), Refusal> {
    for counted in refusals::take_counted(conn, growing.time.millis().saturating_sub(HOUR), MOST_COUNTED).await? {
        let intent = UnverifiedIntent::parse(&counted.intent).ok();
        let certificate = growing.mirror.certificate(counted.signer);
        let intent = intent.zip(certificate).and_then(|(intent, certificate)| intent.verify(certificate.key()).ok());
        let intent = intent.ok_or(StoreError::Corrupt("a counted refusal"))?;
        append(conn, growing, &intent, (refused_by(&counted.rule)?, counted.attempts), false).await?;
    }
    Ok(growing.write(conn).await?)
}

fn refused_by(rule: &str) -> Result<Outcome, Refusal> {
    RuleId::new(rule).map(Outcome::Refused).map_err(|_| Refusal::Internal("a rule's id does not fit a record"))
}

async fn append(
    conn: &mut Conn,
    growing: &mut Growing,
    intent: &SignedIntent,
    (outcome, attempts): (Outcome, u32),
    opens: bool,
) -> Result<u64, Refusal> {
    let index = growing.frontier.size().get();
    let accepted = outcome == Outcome::Accepted;
    let heads = growing.known.heads(conn, intent.case, intent.exhibit).await?;
    let no_random = |_| Refusal::Unavailable("the system gives no random bytes".to_owned());
    let salt = || keys::random::<32>().map(Salt).map_err(no_random);
    let record = Record {
        core: Core { index, time: growing.time, outcome, attempts, intent: intent.text().to_owned() },
        case: Place::after(intent.case, heads.case),
        exhibit: intent.exhibit.map(|id| Place::after(id, heads.exhibit)),
        salts: [salt()?, salt()?, salt()?],
    };
    let commitment = record.commitment();
    let leaf = leaf_hash(&commitment.entry());
    let nodes = growing.frontier.append(leaf).map_err(|_| Refusal::Unavailable("the log is full".to_owned()))?;
    growing.nodes.extend(nodes);
    growing.known.appended(&record, commitment);
    growing.records.push(Arc::new(NewRecord {
        record,
        commitment,
        kind: intent.kind().as_str(),
        signer: intent.signer(),
        intent: intent.id,
        intent_digest: intent.digest(),
        opens,
    }));
    let changes_registry = accepted && intent.kind().concern() == Concern::Registry;
    if intent.case == CaseId::REGISTRY && !changes_registry {
        Arc::make_mut(&mut growing.mirror).pass_over();
    }
    Ok(index)
}
