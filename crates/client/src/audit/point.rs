//! The saved point: where a replay goes on, in the device's encrypted state.
//!
//! ```text
//! saved: checkpoint, state, trails, entries ─► the log signed that checkpoint ─► restored tree has its root ─► records from its size on
//! ```
//! It moves on only behind a replay in which nothing failed, in one transaction with all that belongs to it.

use custodia_core::custody::replay::Replay;
use custodia_core::finding::Finding;
use custodia_core::identity::TrustPin;
use custodia_core::log::{LogKey, SignedCheckpoint, VerifiedCheckpoint};
use custodia_core::watch::Alert;
use custodia_failpoint::fail_point;

use super::AuditReport;
use crate::agent::Agent;
use crate::entries::AuditEntry;
use crate::error::AgentError;
use crate::log_view::Misbehaviour;
use crate::state::audit::{self, Advance, PointError, PointRow};
use crate::state::{self, device};

/// What earlier audits read and could not check.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    pub(super) entries: Vec<AuditEntry>,
    pub(super) remarks: Vec<Finding>,
    pub(super) erased: Vec<u64>,
}

/// A replay as an earlier audit left it.
pub(super) struct SavedPoint {
    pub(super) checkpoint: VerifiedCheckpoint,
    pub(super) replay: Replay,
    /// Index of the record by which the last reading is accounted for.
    pub(super) reading: u64,
}

/// Takes up the replay of a saved point, if the log signed its checkpoint and what it goes on from makes that tree.
pub(super) fn restored(row: PointRow, key: &LogKey, pin: TrustPin) -> Result<SavedPoint, PointError> {
    let PointRow { checkpoint, reading, state, trails } = row;
    let signed = SignedCheckpoint::parse(checkpoint.as_bytes()).and_then(|signed| signed.verify(key));
    let checkpoint = signed.map_err(|_| PointError::OtherLog)?;
    let replay = Replay::restore(checkpoint.checkpoint().origin.clone(), pin, &state, trails)?;
    let same = replay.size() == checkpoint.size() && replay.root_at(replay.size()) == Some(checkpoint.root());
    if same { Ok(SavedPoint { checkpoint, replay, reading }) } else { Err(PointError::Altered) }
}

/// What a report leaves in the state.
pub(super) fn advance<'a>(report: &'a AuditReport, state: &'a str, pin: String) -> Advance<'a> {
    Advance {
        pin,
        checkpoint: report.checkpoint.note().as_str(),
        reading: report.reading,
        state,
        from: report.from,
        records: &report.kept,
        entries: report.new_entries(),
        remarks: &report.remarks,
        erased: &report.erased,
    }
}

impl Agent {
    /// The pinned trust list, by which the registry is judged.
    pub(super) async fn pin(&self) -> Result<TrustPin, AgentError> {
        let server = device::server(&mut *self.state.connection().await).await?.ok_or(AgentError::NotBound)?;
        Ok(TrustPin::new(server.trust_pin))
    }

    /// The saved point, everything about it checked that can be.
    pub(super) async fn saved_point(&self) -> Result<Option<SavedPoint>, AgentError> {
        let pin = self.pin().await?;
        let row = audit::point(&mut *self.state.connection().await, &pin.to_string()).await?;
        let Some(row) = row else { return Ok(None) };
        let key = self.believed().await?.log.key().clone();
        // A hash for each record: work for a thread of its own.
        let restored = tokio::task::spawn_blocking(move || restored(row, &key, pin)).await.map_err(|_| AgentError::Bug)?;
        Ok(Some(restored?))
    }

    /// What earlier audits read, for those who ask about the whole log.
    pub(super) async fn earlier(&self) -> Result<Earlier, AgentError> {
        let mut connection = self.state.connection().await;
        Ok(Earlier {
            entries: audit::entries(&mut connection).await?,
            remarks: audit::remarks(&mut connection).await?,
            erased: audit::erased(&mut connection).await?,
        })
    }

    /// The tree that was replayed before is the beginning of the one that is to be.
    pub(super) fn is_beginning_of(point: &SavedPoint, head: &VerifiedCheckpoint) -> Result<(), Misbehaviour> {
        let (held, shown) = (point.checkpoint.note().as_str().to_owned(), head.note().as_str().to_owned());
        let finding = match point.checkpoint.size().cmp(&head.size()) {
            core::cmp::Ordering::Greater => "the log was rolled back behind what this device has replayed",
            core::cmp::Ordering::Equal if point.checkpoint.root() != head.root() => "the log has two trees of one size: it was forked",
            // Of a larger tree the replay itself shows it: its own tree must have the signed root.
            _ => return Ok(()),
        };
        Err(Misbehaviour { finding, held, shown })
    }

    /// Moves the point on behind a report without a failed check, and writes down what a watch found and how far it has looked, in one transaction;
    /// of a plain audit there is no watch. After a failed check the point stays, and is forgotten if the replay began with the first record.
    pub(super) async fn keep_point(&self, report: &AuditReport, watch: Option<&[Alert]>) -> Result<(), AgentError> {
        let clean = report.failed().next().is_none();
        let state = report.replay.save();
        let pin = self.pin().await?.to_string();
        let found = self.clock.claimed().as_str().to_owned();
        let mut connection = self.state.connection().await;
        let mut transaction = state::begin(&mut connection).await?;
        audit::raise(&mut transaction, &found, watch.unwrap_or_default()).await?;
        match (clean, state) {
            (true, Ok(state)) => {
                audit::advance(&mut transaction, &advance(report, &state, pin)).await?;
                if watch.is_some() {
                    audit::set_looked(&mut transaction, report.size()).await?;
                }
            }
            _ if report.from == 0 => audit::forget(&mut transaction).await?,
            _ => {}
        }
        fail_point!("agent.audit.before_saving");
        transaction.commit().await.map_err(state::StateError::from)?;
        fail_point!("agent.audit.saved");
        Ok(())
    }
}

#[cfg(test)]
mod tests;
