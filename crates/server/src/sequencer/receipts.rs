//! The receipts of a turn, made of what the turn holds: the same that would be read from the database afterwards.

use std::collections::HashMap;

use custodia_core::log::merkle::{Frontier, MerkleError, NodeHash, NodeId, TreeSize};

use super::Stands;
use super::append::Growing;
use crate::store::log::StoredRecord;
use crate::vault::{Shown, receipt_of};

/// The turn's records, and every node that a proof of one of them needs: a sibling is complete since this turn, or one of the largest before it.
pub(super) struct Receipts {
    start: TreeSize,
    size: TreeSize,
    checkpoint: String,
    nodes: HashMap<NodeId, NodeHash>,
}

impl Receipts {
    /// Takes up the tree before the turn, what grew on it, and the checkpoint that was signed.
    pub fn new(before: &Frontier, growing: &Growing, checkpoint: String) -> Self {
        let nodes = before.complete().chain(growing.nodes.iter().copied()).collect();
        Self { start: growing.start, size: growing.frontier.size(), checkpoint, nodes }
    }

    /// Where the act at an index stands.
    pub fn of(&self, growing: &Growing, index: u64) -> Stands {
        let new = index.checked_sub(self.start.get()).and_then(|place| growing.records.get(usize::try_from(place).ok()?));
        let node = |id: NodeId| self.nodes.get(&id).copied().ok_or(MerkleError::RootMismatch);
        new.and_then(|new| receipt_of(StoredRecord::from(&**new), self.size, self.checkpoint.clone(), node, Shown::All).ok())
            .map_or(Stands::Earlier(index), |receipt| Stands::New(Box::new(receipt)))
    }
}
