//! Walking along a chain: each record follows the one before it, or is told why not.

use crate::time::LogTime;

use super::receipt::OpenedRecord;
use super::record::{ChainHead, ChainId, Place};

/// Why a record does not follow the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChainFault {
    /// Its place is closed, in another chain, of another number, or names another record before it.
    #[error("it does not follow the record before it in the chain")]
    NotNext,
    /// Its index is not greater.
    #[error("its index is not greater than that of the record before it")]
    Index,
    /// Its time is earlier.
    #[error("its time lies before that of the record before it")]
    Time,
}

/// How far a reader has come along one chain.
#[derive(Debug, Clone)]
pub struct ChainWalk<Id> {
    chain: Id,
    head: Option<ChainHead>,
    index: Option<u64>,
    time: Option<LogTime>,
}

impl<Id: ChainId> ChainWalk<Id> {
    /// Stands before the chain's first record.
    pub const fn new(chain: Id) -> Self {
        Self { chain, head: None, index: None, time: None }
    }

    /// The last record passed.
    pub const fn head(&self) -> Option<ChainHead> {
        self.head
    }

    /// Passes the record at `index`, whose place in this chain is `place`; says all that is wrong with it and goes on from it.
    ///
    /// Not checked: whether a log holds the record, and its time if its core is closed.
    pub fn step(&mut self, index: u64, opened: &OpenedRecord, place: Option<Place<Id>>) -> Vec<ChainFault> {
        let next = Place::after(self.chain, self.head);
        let time = opened.core.as_ref().map(|core| core.time);
        let mut faults = Vec::new();
        if place != Some(next) {
            faults.push(ChainFault::NotNext);
        }
        if self.index.is_some_and(|last| last >= index) {
            faults.push(ChainFault::Index);
        }
        if self.time.zip(time).is_some_and(|(last, time)| last > time) {
            faults.push(ChainFault::Time);
        }
        self.head = Some(ChainHead { seq: next.seq, commitment: opened.commitment });
        self.index = Some(index);
        self.time = time.or(self.time);
        faults
    }
}
