//! The saved point of a replay: what it has to keep so that it can go on later, as if it had never stopped.
//!
//! ```text
//! state      {"v":1,"size":u64,"time":u64|null,"missing":[u64],"erased":[u64],"cases":{id: …},"exhibits":{id: …}}    as of the last record
//! trail      one for each record, never changed afterwards, 114 bytes:
//!            commitment (32) ‖ case (16) ‖ 0 or 1, exhibit (1 + 16) ‖ 0 or 1, certificate id, intent id (1 + 32 + 16)
//! identity   (index, time, intent) of each record that changed the registry
//! ```
//! Tree, roots and chains are made anew from the trails, and the registry by judging its records again from the pinned trust list on. So the root
//! of the restored tree shows whether the commitments are those that were replayed; that the rest was not altered is for the keeper to see to.

use std::collections::{BTreeMap, BTreeSet};

use super::{Commitment, ExhibitId, Replay};
use crate::custody::intent::UnverifiedIntent;
use crate::custody::receipt::OpenedRecord;
use crate::custody::registry_act;
use crate::custody::wire::Reader;
use crate::custody::world::{Case, Exhibit, World};
use crate::digest::Sha256Digest;
use crate::identity::TrustPin;
use crate::ids::{CaseId, IntentId};
use crate::log::Origin;
use crate::log::merkle::leaf_hash;
use crate::time::{LogTime, as_millis};

/// The version of the form above that this program writes and reads.
const VERSION: u32 = 1;

/// What one record leaves for those after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trail {
    /// What the leaf commits to.
    pub commitment: Commitment,
    /// The chain of its case, or of the registry.
    pub case: CaseId,
    /// The chain of its exhibit.
    pub exhibit: Option<ExhibitId>,
    /// The certificate that signed, and the act; none if the payload was not there.
    pub act: Option<(Sha256Digest, IntentId)>,
    /// What it did to the registry, if anything; kept beside the bytes of the trail.
    pub identity: Option<IdentityAct>,
}

/// An accepted act of the registry.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityAct {
    /// The log's time.
    #[serde(with = "as_millis")]
    pub time: LogTime,
    /// The intent's compact JWS.
    pub intent: String,
}

/// Why a saved point is not gone on from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SavedError {
    /// A newer program wrote it.
    #[error("it has version {0}, which is newer than this program")]
    Newer(u32),
    /// It is not of the form.
    #[error("it is not of the form in which this program writes it: {0}")]
    Malformed(&'static str),
    /// The registry does not accept the record again.
    #[error("its record {index} does not stand as an identity record: {fault}")]
    Identity {
        /// Where.
        index: u64,
        /// Why not.
        fault: String,
    },
    /// The replay stands within an act of several records.
    #[error("it ends within an act of several records")]
    WithinAnAct,
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    v: u32,
    size: u64,
    time: Option<u64>,
    missing: BTreeSet<u64>,
    erased: BTreeSet<u64>,
    cases: BTreeMap<CaseId, Case>,
    exhibits: BTreeMap<ExhibitId, Exhibit>,
}

/// The version alone, read before the rest.
#[derive(serde::Deserialize)]
struct Versioned {
    v: u32,
}

impl Trail {
    /// The length of its bytes.
    pub const BYTES: usize = 114;

    /// Of a record whose places are opened.
    pub(super) fn of(opened: &OpenedRecord) -> Self {
        Self {
            commitment: opened.commitment,
            case: opened.case.map_or(CaseId::REGISTRY, |place| place.chain),
            exhibit: opened.exhibit.flatten().map(|place| place.chain),
            act: None,
            identity: None,
        }
    }

    /// Its bytes; what it did to the registry is not in them.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = Vec::with_capacity(Self::BYTES);
        bytes.extend(self.commitment.0.as_bytes());
        bytes.extend(self.case.as_bytes());
        bytes.push(self.exhibit.is_some().into());
        bytes.extend(self.exhibit.map_or([0; 16], |exhibit| *exhibit.as_bytes()));
        bytes.push(self.act.is_some().into());
        bytes.extend(self.act.map_or([0; 32], |(signer, _)| *signer.as_bytes()));
        bytes.extend(self.act.map_or([0; 16], |(_, act)| *act.as_bytes()));
        bytes.try_into().expect("the fields have fixed lengths")
    }

    /// Reads [`Self::to_bytes`].
    ///
    /// # Errors
    /// [`SavedError::Malformed`] for another length or a flag that is neither 0 nor 1.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SavedError> {
        let malformed = || SavedError::Malformed("a record's trail");
        let mut reader = Reader(bytes);
        let mut read = || {
            let commitment = Commitment(Sha256Digest::from_bytes(reader.array()?));
            let case = CaseId::from_bytes(reader.array()?);
            let (of_exhibit, exhibit) = (flag(reader.u8()?)?, ExhibitId::from_bytes(reader.array()?));
            let (of_act, signer, act) = (flag(reader.u8()?)?, Sha256Digest::from_bytes(reader.array()?), reader.array()?);
            let act = of_act.then(|| (signer, IntentId::from_bytes(act)));
            Some(Self { commitment, case, exhibit: of_exhibit.then_some(exhibit), act, identity: None })
        };
        let trail = read().ok_or_else(malformed)?;
        if reader.0.is_empty() { Ok(trail) } else { Err(malformed()) }
    }
}

const fn flag(byte: u8) -> Option<bool> {
    match byte {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

impl Replay {
    /// The state as of the last record, to be kept beside the trails of all records.
    ///
    /// That the replay was clean so far is for the caller to know.
    ///
    /// # Errors
    /// [`SavedError::WithinAnAct`]: a checkpoint never ends there, nor does a point.
    pub fn save(&self) -> Result<String, SavedError> {
        if self.world.owes_source() || self.world.owes_disclosures().is_some() {
            return Err(SavedError::WithinAnAct);
        }
        let state = State {
            v: VERSION,
            size: self.size().get(),
            time: self.last_time.map(LogTime::millis),
            missing: self.missing.clone(),
            erased: self.erased.clone(),
            cases: self.world.cases().map(|(id, case)| (id, case.clone())).collect(),
            exhibits: self.world.exhibits().map(|(id, exhibit)| (id, exhibit.clone())).collect(),
        };
        Ok(serde_json::to_string(&state).expect("texts, numbers and lists have a form in JSON"))
    }

    /// Takes up a replay where [`Self::save`] left it; compare [`Self::root_at`] its size with the checkpoint that was replayed.
    ///
    /// # Errors
    /// Whatever is not as this program writes it, and an identity record that does not stand.
    pub fn restore(origin: Origin, pin: TrustPin, state: &str, trails: impl IntoIterator<Item = Trail>) -> Result<Self, SavedError> {
        let malformed = |_| SavedError::Malformed("its state");
        let Versioned { v } = serde_json::from_str(state).map_err(malformed)?;
        if v > VERSION {
            return Err(SavedError::Newer(v));
        }
        let state: State = serde_json::from_str(state).map_err(malformed)?;
        let mut replay = Self::new(origin, pin);
        replay.world = World::of(state.cases, state.exhibits);
        for trail in trails {
            replay.resume(trail)?;
        }
        if replay.size().get() != state.size {
            return Err(SavedError::Malformed("as many trails as records"));
        }
        let time = |millis| LogTime::from_millis(millis).map_err(|_| SavedError::Malformed("its time"));
        replay.last_time = state.time.map(time).transpose()?;
        (replay.missing, replay.erased) = (state.missing, state.erased);
        Ok(replay)
    }

    /// Takes in what a record left.
    fn resume(&mut self, trail: Trail) -> Result<(), SavedError> {
        let index = self.size().get();
        if let Some(act) = trail.identity {
            let refused = |fault: String| SavedError::Identity { index, fault };
            let intent = UnverifiedIntent::parse(&act.intent).map_err(|error| refused(error.to_string()))?;
            let intent = registry_act::verify(&self.registry, &self.pin, intent).map_err(|error| refused(error.to_string()))?;
            let at = self.next_as_of(act.time);
            registry_act::apply(&mut self.registry, &intent, at).map_err(|error| refused(error.to_string()))?;
        }
        self.frontier.append(leaf_hash(&trail.commitment.entry())).map_err(|_| SavedError::Malformed("a tree of this size"))?;
        self.roots.push(self.frontier.root());
        self.acts.extend(trail.act);
        self.world.extend_chains(trail.case, trail.exhibit, trail.commitment);
        Ok(())
    }
}
