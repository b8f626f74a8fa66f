//! Following a chain: each record must continue the one before, and the last one must be proven by the log.

use custodia_core::custody::record::{ChainHead, ChainId, Commitment, Place};

/// How far a chain was followed. The commitments link all records back to the first; only the last one needs a proof of the log.
#[derive(Debug, Clone, Copy)]
pub struct Follower<Id> {
    chain: Id,
    head: Option<ChainHead>,
    last_index: Option<u64>,
}

impl<Id: ChainId> Follower<Id> {
    /// Continues a chain after `head`, or begins it.
    pub const fn after(chain: Id, head: Option<ChainHead>) -> Self {
        Self { chain, head, last_index: None }
    }

    /// The last record followed.
    pub const fn head(&self) -> Option<ChainHead> {
        self.head
    }

    /// The sequence number of the next record.
    pub const fn next_seq(&self) -> u64 {
        match self.head {
            None => 0,
            Some(head) => head.seq.0 + 1,
        }
    }

    /// Takes the next record.
    ///
    /// # Errors
    /// Which link does not hold; the fault of whoever shows the chain.
    pub fn follow(&mut self, index: u64, place: &Place<Id>, commitment: Commitment) -> Result<(), &'static str> {
        if place.chain != self.chain {
            return Err("a record of another chain stands in this one");
        }
        if *place != Place::after(self.chain, self.head) {
            return Err("a record does not continue the one before it in its chain");
        }
        if self.last_index.is_some_and(|last| last >= index) {
            return Err("records of a chain stand in the log in another order");
        }
        self.head = Some(ChainHead { seq: place.seq, commitment });
        self.last_index = Some(index);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use custodia_core::custody::record::ChainSeq;
    use custodia_core::digest::Sha256Digest;
    use custodia_core::ids::CaseId;

    use super::*;

    const CASE: CaseId = CaseId::from_bytes([1; 16]);

    fn commitment(seed: u8) -> Commitment {
        Commitment(Sha256Digest::of(&[&[seed]]))
    }

    fn followed() -> Follower<CaseId> {
        let mut follower = Follower::after(CASE, None);
        follower.follow(4, &Place::after(CASE, None), commitment(1)).unwrap();
        follower
    }

    #[test]
    fn a_chain_is_followed_record_by_record() {
        let mut follower = followed();
        let second = Place::after(CASE, follower.head());
        follower.follow(9, &second, commitment(2)).unwrap();
        assert_eq!(follower.head(), Some(ChainHead { seq: ChainSeq(1), commitment: commitment(2) }));
        assert_eq!(follower.next_seq(), 2);
    }

    #[test]
    fn gaps_repetitions_forks_and_foreign_records_are_noticed() {
        let head = followed().head();
        let good = Place::after(CASE, head);
        let bad = [
            Place { seq: ChainSeq(2), ..good },
            Place { seq: ChainSeq(0), previous: None, ..good },
            Place { previous: Some(commitment(9)), ..good },
            Place { chain: CaseId::from_bytes([2; 16]), ..good },
        ];
        for place in bad {
            assert!(followed().follow(9, &place, commitment(2)).is_err(), "{place:?}");
        }
    }

    #[test]
    fn a_record_that_stands_earlier_in_the_log_than_the_one_before_is_noticed() {
        let place = Place::after(CASE, followed().head());
        assert!(followed().follow(4, &place, commitment(2)).is_err());
        assert!(followed().follow(3, &place, commitment(2)).is_err());
    }
}
