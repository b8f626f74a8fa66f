//! Appending one record: its place in the log and in its chains, salts, commitment, leaf.

use std::sync::Arc;

use custodia_core::custody::intent::SignedIntent;
use custodia_core::custody::kind::Concern;
use custodia_core::custody::record::{Core, Outcome, Place, Record, RuleId, Salt};
use custodia_core::ids::CaseId;
use custodia_core::log::merkle::{Frontier, TreeSize, leaf_hash};
use custodia_core::time::LogTime;

use crate::error::Refusal;
use crate::keys;
use crate::registry::Mirror;
use crate::store::Conn;
use crate::store::log::{self, NewRecord};
use crate::vault::Vault;

/// An hour, in milliseconds.
const HOUR: u64 = 60 * 60 * 1000;

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
}

/// Appends an accepted act; answers its index.
pub(super) async fn accepted(conn: &mut Conn, growing: &mut Growing, intent: &SignedIntent, opens: bool) -> Result<u64, Refusal> {
    append(conn, growing, intent, Outcome::Accepted, opens).await
}

/// Appends the refusal of an act, unless the device has had too many within the hour.
pub(super) async fn refusal(
    vault: &Vault,
    conn: &mut Conn,
    growing: &mut Growing,
    intent: &SignedIntent,
    rule: &str,
) -> Result<u64, Refusal> {
    let since = growing.time.millis().saturating_sub(HOUR);
    if log::refusals_since(conn, intent.signer(), since).await? >= vault.limits.refusals_per_hour {
        tracing::warn!(rule, device.certificate = %intent.signer(), "an act was refused; the device's refusals of this hour fill their limit");
        return Err(Refusal::TooMany("this device had too many acts refused within the hour"));
    }
    let rule = RuleId::new(rule).map_err(|_| Refusal::Internal("a rule's id does not fit a record"))?;
    append(conn, growing, intent, Outcome::Refused(rule), false).await
}

async fn append(conn: &mut Conn, growing: &mut Growing, intent: &SignedIntent, outcome: Outcome, opens: bool) -> Result<u64, Refusal> {
    let index = growing.frontier.size().get();
    let accepted = outcome == Outcome::Accepted;
    let exhibit = match intent.exhibit {
        Some(id) => Some(Place::after(id, log::exhibit_head(conn, id).await?)),
        None => None,
    };
    let no_random = |_| Refusal::Unavailable("the system gives no random bytes".to_owned());
    let salt = || keys::random::<32>().map(Salt).map_err(no_random);
    let record = Record {
        core: Core { index, time: growing.time, outcome, attempts: 1, intent: intent.text().to_owned() },
        case: Place::after(intent.case, log::case_head(conn, intent.case).await?),
        exhibit,
        salts: [salt()?, salt()?, salt()?],
    };
    let new = NewRecord {
        record: &record,
        kind: intent.kind().as_str(),
        signer: intent.signer(),
        intent: intent.id,
        intent_digest: intent.digest(),
        opens,
    };
    log::insert_record(conn, &new).await?;
    let leaf = leaf_hash(&record.commitment().entry());
    let nodes = growing.frontier.append(leaf).map_err(|_| Refusal::Unavailable("the log is full".to_owned()))?;
    log::insert_nodes(conn, &nodes).await?;
    let changes_registry = accepted && intent.kind().concern() == Concern::Registry;
    if intent.case == CaseId::REGISTRY && !changes_registry {
        Arc::make_mut(&mut growing.mirror).pass_over();
    }
    Ok(index)
}
