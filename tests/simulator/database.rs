//! The server's database in memory: records, tree, chains, groups, shares. A turn works on a copy and puts it in place, or does not.

use std::collections::BTreeMap;
use std::sync::Arc;

use custodia_core::custody::intent::SignedIntent;
use custodia_core::custody::record::{Commitment, Core, Outcome, Record, Salt};
use custodia_core::custody::world::World;
use custodia_core::digest::Sha256Digest;
use custodia_core::identity::{AsOf, Registry, RegistrySeq};
use custodia_core::ids::{CaseId, ExhibitId, IntentId};
use custodia_core::log::{
    ConsistencyProof, Frontier, InclusionProof, LeafIndex, MerkleError, NodeHash, NodeId, RootHash, TreeSize, VerifiedCheckpoint,
    consistency_proof, inclusion_proof, leaf_hash,
};
use custodia_core::time::LogTime;

use crate::group::{Commit, Group};
use crate::people::{CAST, log_signer, log_time};

/// What comes with an intent and is bound to it by digest.
#[derive(Debug, Clone)]
pub enum With {
    Nothing,
    /// The group and its ring key of version 1.
    Founding(Arc<Group>, u64),
    Commit(Arc<Commit>),
    /// The release share, and the group share under the ring key.
    Intake(u64, Wrapped),
    /// The share, for the device that the intent names.
    Grant(u64),
}

/// A group share as the server keeps it: only who has the ring key can tell the share from it.
#[derive(Debug, Clone, Copy)]
pub struct Wrapped {
    pub ring_version: u32,
    ring_key: u64,
    share: u64,
}

impl Wrapped {
    pub const fn under(ring_version: u32, ring_key: u64, share: u64) -> Self {
        Self { ring_version, ring_key, share }
    }

    /// The share, for who has the key.
    pub fn open(&self, ring_key: u64) -> Option<u64> {
        (ring_key == self.ring_key).then_some(self.share)
    }
}

/// An intent as its device signed it, and what comes with it.
#[derive(Debug, Clone)]
pub struct Act {
    pub intent: SignedIntent,
    pub with: With,
}

/// Entered together or not at all.
pub type Submission = Arc<Vec<Act>>;

/// A record as it is stored, and the submission in which its act came.
#[derive(Debug, Clone)]
pub struct Entry {
    pub record: Record,
    /// Computed once, when it was stored; the checker computes it again.
    pub commitment: Commitment,
    pub intent: SignedIntent,
    pub came_in: Submission,
}

/// The shares of an exhibit.
#[derive(Debug, Clone, Copy)]
pub struct Shares {
    /// None once the exhibit was erased.
    pub release: Option<u64>,
    pub wrapped: Wrapped,
}

/// A grant that was entered.
#[derive(Debug, Clone, Copy)]
pub struct Grant {
    pub exhibit: ExhibitId,
    pub device: Sha256Digest,
    pub share: u64,
}

#[derive(Clone)]
pub struct Database {
    pub entries: Vec<Arc<Entry>>,
    nodes: BTreeMap<NodeId, NodeHash>,
    frontier: Frontier,
    /// The root at each size.
    roots: Vec<RootHash>,
    /// The time of the last record.
    pub time: LogTime,
    pub world: World,
    pub registry: Arc<Registry>,
    /// By device and intent.
    pub acts: BTreeMap<(Sha256Digest, IntentId), u64>,
    pub groups: BTreeMap<CaseId, Group>,
    /// The group after each commit, by the commit's index: what a Welcome leads into.
    pub welcomes: BTreeMap<u64, Arc<Group>>,
    pub shares: BTreeMap<ExhibitId, Shares>,
    pub grants: Vec<Grant>,
    pub checkpoint: VerifiedCheckpoint,
}

impl Database {
    pub fn begun() -> Self {
        let frontier = Frontier::empty();
        Self {
            entries: Vec::new(),
            nodes: BTreeMap::new(),
            checkpoint: log_signer().sign(TreeSize::ZERO, frontier.root()).unwrap(),
            roots: vec![frontier.root()],
            frontier,
            time: log_time(0),
            world: World::default(),
            registry: Arc::new(Registry::new(CAST.pin)),
            acts: BTreeMap::new(),
            groups: BTreeMap::new(),
            welcomes: BTreeMap::new(),
            shares: BTreeMap::new(),
            grants: Vec::new(),
        }
    }

    pub fn size(&self) -> TreeSize {
        self.frontier.size()
    }

    pub fn root_at(&self, size: u64) -> Option<RootHash> {
        usize::try_from(size).ok().and_then(|size| self.roots.get(size)).copied()
    }

    /// The moment after the last record of the registry's chain.
    pub fn as_of(&self, time: LogTime) -> AsOf {
        AsOf { seq: RegistrySeq::new(self.world.next_in_case(CaseId::REGISTRY).seq.0.saturating_sub(1)), time }
    }

    /// Puts a record at the end of the log and of its chains; what it changes is for the caller.
    pub fn append(&mut self, act: &Act, came_in: &Submission, outcome: Outcome, time: LogTime) -> u64 {
        let (index, intent) = (self.size().get(), &act.intent);
        let salt = |part: u8| Salt(*Sha256Digest::of(&[b"salt", &[part], &index.to_be_bytes(), intent.id.as_bytes()]).as_bytes());
        let record = Record {
            core: Core { index, time, outcome, attempts: 1, intent: intent.text().to_owned() },
            case: self.world.next_in_case(intent.case),
            exhibit: intent.exhibit.map(|id| self.world.next_in_exhibit(id)),
            salts: [salt(0), salt(1), salt(2)],
        };
        self.store(Entry { commitment: record.commitment(), record, intent: intent.clone(), came_in: came_in.clone() });
        index
    }

    /// Stores a record as it is.
    pub fn store(&mut self, entry: Entry) {
        let (index, commitment) = (self.size().get(), entry.commitment);
        self.time = entry.record.core.time;
        self.acts.insert((entry.intent.signer(), entry.intent.id), index);
        self.world.extend_chains(entry.intent.case, entry.intent.exhibit, commitment);
        self.nodes.extend(self.frontier.append(leaf_hash(&commitment.entry())).unwrap());
        self.roots.push(self.frontier.root());
        self.entries.push(Arc::new(entry));
    }

    /// Signs what is there.
    pub fn sign(&mut self) {
        self.checkpoint = log_signer().sign(self.size(), self.frontier.root()).unwrap();
    }

    fn node(&self, id: NodeId) -> Result<NodeHash, MerkleError> {
        self.nodes.get(&id).copied().ok_or(MerkleError::RootMismatch)
    }

    pub fn inclusion(&self, index: u64, size: TreeSize) -> Result<InclusionProof, MerkleError> {
        inclusion_proof(LeafIndex::new(index)?, size, |id| self.node(id))
    }

    pub fn consistency(&self, old: TreeSize) -> Result<ConsistencyProof, MerkleError> {
        consistency_proof(old, self.size(), |id| self.node(id))
    }

    /// The records of a case's chain from a number on.
    pub fn chain(&self, case: CaseId, from: u64) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries.iter().filter(move |entry| entry.record.case.chain == case && entry.record.case.seq.0 >= from)
    }

    /// The time of the first record of a chain that stands at or above an index.
    pub fn first_time_from(&self, case: CaseId, index: u64) -> Option<LogTime> {
        let from = self.entries.get(usize::try_from(index).unwrap()..).unwrap_or_default();
        from.iter().find(|entry| entry.record.case.chain == case).map(|entry| entry.record.core.time)
    }
}
