//! What this process knows since its own last turn, so that an opening asks the database for next to nothing.
//!
//! Cases, members, exhibits, grants and the ends of chains change by records alone. While the head is the one with which this process ended its
//! last turn, nobody has entered a record since, and what was read then still holds. Another head, an act that changes more than the log, and
//! a turn that comes to nothing let all of it be forgotten.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use custodia_core::custody::record::{ChainHead, ChainSeq, Commitment, Record};
use custodia_core::digest::Sha256Digest;
use custodia_core::ids::{CaseId, DeviceId, ExhibitId};
use custodia_core::log::merkle::Frontier;
use custodia_core::time::LogTime;

use crate::store::cases::{Case, Member};
use crate::store::exhibits::Exhibit;
use crate::store::log::{self, Head, Heads};
use crate::store::place::Place;
use crate::store::{Conn, StoreError, cases, exhibits};

/// The most facts that are kept from one turn to the next.
const MOST: usize = 50_000;
/// How often what grew old is looked for, in milliseconds.
const TIDY_EVERY: u64 = 1000;

#[derive(Default)]
struct Facts {
    cases: HashMap<CaseId, Option<Case>>,
    members: HashMap<(CaseId, DeviceId), Option<Member>>,
    transcripts: HashMap<(CaseId, Place), Option<Vec<u8>>>,
    exhibits: HashMap<ExhibitId, Option<Exhibit>>,
    chain_places: HashMap<(ExhibitId, u64), Option<Sha256Digest>>,
    grants: HashMap<(ExhibitId, DeviceId), bool>,
    case_heads: HashMap<CaseId, Option<ChainHead>>,
    exhibit_heads: HashMap<ExhibitId, Option<ChainHead>>,
    /// Welcomes that lead to this place or an earlier one were forgotten.
    welcomed: HashMap<(CaseId, DeviceId), Place>,
}

impl Facts {
    fn len(&self) -> usize {
        self.members.len() + self.transcripts.len() + self.exhibits.len() + self.chain_places.len() + self.grants.len()
    }
}

#[derive(Default)]
struct Inner {
    /// Where the last turn ended; none during a turn and after one that came to nothing.
    at: Option<(Head, Frontier)>,
    tidied: u64,
    facts: Facts,
}

/// What is known. Only the turn that holds the head asks.
#[derive(Default)]
pub(crate) struct Known(Mutex<Inner>);

impl Known {
    fn held<T>(&self, ask: impl FnOnce(&mut Inner) -> T) -> T {
        ask(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Begins a turn at a head; answers its tree if this process ended its last turn there, and forgets everything otherwise.
    pub fn begin(&self, head: &Head) -> Option<Frontier> {
        self.held(|inner| {
            let frontier = inner.at.take().filter(|(at, _)| at == head).map(|(_, frontier)| frontier);
            if frontier.is_none() || inner.facts.len() > MOST {
                inner.facts = Facts::default();
            }
            frontier
        })
    }

    /// Ends a turn that has committed.
    pub fn end(&self, head: Head, frontier: Frontier) {
        self.held(|inner| inner.at = Some((head, frontier)));
    }

    /// Forgets the facts: one may have changed.
    pub fn forget(&self) {
        self.held(|inner| inner.facts = Facts::default());
    }

    /// Whether it is time to look for what grew old.
    pub fn is_untidy(&self, time: LogTime) -> bool {
        self.held(|inner| {
            let untidy = time.millis().saturating_sub(inner.tidied) >= TIDY_EVERY;
            if untidy {
                inner.tidied = time.millis();
            }
            untidy
        })
    }

    async fn fact<K: Eq + Hash, V: Clone>(
        &self,
        of: impl Fn(&mut Facts) -> &mut HashMap<K, V>,
        key: K,
        read: impl Future<Output = Result<V, StoreError>>,
    ) -> Result<V, StoreError> {
        if let Some(known) = self.held(|inner| of(&mut inner.facts).get(&key).cloned()) {
            return Ok(known);
        }
        let found = read.await?;
        self.held(|inner| of(&mut inner.facts).insert(key, found.clone()));
        Ok(found)
    }

    pub async fn case(&self, conn: &mut Conn, case: CaseId) -> Result<Option<Case>, StoreError> {
        self.fact(|facts| &mut facts.cases, case, cases::case(conn, case)).await
    }

    pub async fn member(&self, conn: &mut Conn, case: CaseId, device: DeviceId) -> Result<Option<Member>, StoreError> {
        self.fact(|facts| &mut facts.members, (case, device), cases::member(conn, case, device)).await
    }

    pub async fn transcript(&self, conn: &mut Conn, case: CaseId, at: Place) -> Result<Option<Vec<u8>>, StoreError> {
        self.fact(|facts| &mut facts.transcripts, (case, at), cases::transcript(conn, case, at)).await
    }

    pub async fn exhibit(&self, conn: &mut Conn, exhibit: ExhibitId) -> Result<Option<Exhibit>, StoreError> {
        self.fact(|facts| &mut facts.exhibits, exhibit, exhibits::exhibit(conn, exhibit)).await
    }

    /// The commitment at a place of an exhibit's chain; none past its end.
    pub async fn chain_place(&self, conn: &mut Conn, exhibit: ExhibitId, seq: u64) -> Result<Option<Sha256Digest>, StoreError> {
        self.fact(|facts| &mut facts.chain_places, (exhibit, seq), log::exhibit_chain_at(conn, exhibit, seq)).await
    }

    pub async fn is_granted(&self, conn: &mut Conn, exhibit: ExhibitId, device: DeviceId) -> Result<bool, StoreError> {
        self.fact(|facts| &mut facts.grants, (exhibit, device), cases::is_granted(conn, exhibit, device)).await
    }

    /// Where the chains of a case and an exhibit end, records included that are not written yet.
    pub async fn heads(&self, conn: &mut Conn, case: CaseId, exhibit: Option<ExhibitId>) -> Result<Heads, StoreError> {
        let known_case = self.held(|inner| inner.facts.case_heads.get(&case).copied());
        let known_exhibit = exhibit.map_or(Some(None), |id| self.held(|inner| inner.facts.exhibit_heads.get(&id).copied()));
        if let (Some(case), Some(exhibit)) = (known_case, known_exhibit) {
            return Ok(Heads { case, exhibit });
        }
        let stored = log::heads(conn, case, exhibit).await?;
        let heads = Heads { case: known_case.unwrap_or(stored.case), exhibit: known_exhibit.unwrap_or(stored.exhibit) };
        self.held(|inner| {
            inner.facts.case_heads.insert(case, heads.case);
            if let Some(id) = exhibit {
                inner.facts.exhibit_heads.insert(id, heads.exhibit);
            }
        });
        Ok(heads)
    }

    /// A record was appended: its chains end in it.
    pub fn appended(&self, record: &Record, commitment: Commitment) {
        self.held(|inner| {
            let head = |seq: ChainSeq| Some(ChainHead { seq, commitment });
            inner.facts.case_heads.insert(record.case.chain, head(record.case.seq));
            if let Some(place) = record.exhibit {
                inner.facts.exhibit_heads.insert(place.chain, head(place.seq));
                inner.facts.chain_places.insert((place.chain, place.seq.0), Some(commitment.0));
            }
        });
    }

    /// Forgets Welcomes that a device has used, unless that was done.
    pub async fn forget_welcomes(&self, conn: &mut Conn, case: CaseId, device: DeviceId, at: Place) -> Result<(), StoreError> {
        let done = self.held(|inner| inner.facts.welcomed.get(&(case, device)).is_some_and(|done| *done >= at));
        if !done {
            cases::forget_welcomes(conn, case, device, at).await?;
            self.held(|inner| inner.facts.welcomed.insert((case, device), at));
        }
        Ok(())
    }
}
