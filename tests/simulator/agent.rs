//! A device: what it keeps, what it believes of the log, and how it follows its cases.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use custodia_core::custody::body::{Body, Erasure};
use custodia_core::custody::chain::ChainWalk;
use custodia_core::custody::intent::{ChainSeen, SignedIntent};
use custodia_core::custody::kind::Concern;
use custodia_core::custody::record::{Commitment, Outcome, Part};
use custodia_core::custody::registry_act;
use custodia_core::digest::Sha256Digest;
use custodia_core::group::facts::Epoch;
use custodia_core::group::rules;
use custodia_core::identity::{AsOf, Registry, RegistrySeq};
use custodia_core::ids::{CaseId, ExhibitId, IntentId};
use custodia_core::log::{LeafIndex, RootHash, TreeSize, VerifiedCheckpoint, leaf_hash, verify_consistency};

use crate::change::{BrokenBy, judge_leaves};
use crate::database::{Database, Entry, Submission, With, Wrapped};
use crate::group::{Commit, Group};
use crate::people::{CAST, Card};
use crate::sequencer::{Proven, Server};

/// The server broke its word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found(pub &'static str);

/// An exhibit as its case's chain shows it.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    pub head: ChainSeen,
    pub erased: bool,
    /// The erasure that was proposed last.
    pub proposal: Option<(IntentId, Sha256Digest)>,
}

/// A case that the device follows.
#[derive(Clone)]
pub struct Followed {
    walk: ChainWalk<CaseId>,
    /// The group, while this device is a leaf of it.
    pub group: Option<Group>,
    /// Ring keys by version; they are kept after a removal, as whoever was removed may keep them.
    pub rings: BTreeMap<u32, u64>,
    pub exhibits: BTreeMap<ExhibitId, Known>,
    /// Who left and is still a leaf, and at which index.
    pub left: BTreeMap<Sha256Digest, u64>,
}

#[derive(Clone)]
pub struct Agent {
    pub card: &'static Card,
    pub head: Option<VerifiedCheckpoint>,
    pub registry: Arc<Registry>,
    registry_walk: ChainWalk<CaseId>,
    /// The head up to which registry and cases were read: a receipt may show a newer one.
    pub read: Option<VerifiedCheckpoint>,
    /// Commitments of the registry's chain.
    pub registry_chain: Vec<Commitment>,
    pub cases: BTreeMap<CaseId, Followed>,
    /// Shares that were granted.
    pub grants: BTreeMap<ExhibitId, u64>,
    /// Written before anything is sent, taken out when its answer is known.
    pub outbox: VecDeque<Submission>,
    /// The place of every own act of which a receipt was verified.
    pub receipts: BTreeMap<IntentId, (u64, Commitment)>,
}

impl Agent {
    pub fn new(card: &'static Card) -> Self {
        Self {
            card,
            head: None,
            registry: Arc::new(Registry::new(CAST.pin)),
            registry_walk: ChainWalk::new(CaseId::REGISTRY),
            read: None,
            registry_chain: Vec::new(),
            cases: BTreeMap::new(),
            grants: BTreeMap::new(),
            outbox: VecDeque::new(),
            receipts: BTreeMap::new(),
        }
    }

    /// Size and root of the last verified checkpoint.
    pub fn seen(&self) -> (TreeSize, RootHash) {
        self.head.as_ref().map_or((TreeSize::ZERO, RootHash::empty()), |head| (head.size(), head.root()))
    }

    /// Compares a checkpoint with the newest known one; only a newer one, proven to append to it, takes its place.
    fn believe(&mut self, shown: &VerifiedCheckpoint, disk: &Database, newest: bool) -> Result<(), Found> {
        let (size, root) = self.seen();
        if shown.size() < size {
            return if newest { Err(Found("the log was rolled back to an earlier head")) } else { Ok(()) };
        }
        if shown.size() == size && shown.root() != root {
            return Err(Found("the log has two trees of one size"));
        }
        if let Some(head) = &self.head {
            let proof = disk.consistency(size).map_err(|_| Found("no consistency proof"))?;
            shown.extends(head, &proof).map_err(|_| Found("the newer tree does not only append to the older one"))?;
        }
        self.head = Some(shown.clone());
        Ok(())
    }

    /// Checks the receipt of an own act, and remembers its place.
    pub fn settle(&mut self, intent: &SignedIntent, proven: &Proven, disk: &Database) -> Result<(u64, Commitment), Found> {
        let opened = proven.view.open().map_err(|_| Found("a receipt's record is not of the format"))?;
        let core = opened.core.as_ref().ok_or(Found("a receipt that does not show the act"))?;
        if core.intent != intent.text() || opened.fits(intent).is_err() {
            return Err(Found("the receipt is for another act than the one that was sent"));
        }
        let index = LeafIndex::new(core.index).map_err(|_| Found("an index past every tree"))?;
        let leaf = leaf_hash(&opened.commitment.entry());
        proven.checkpoint.includes(index, leaf, &proven.proof).map_err(|_| Found("a receipt's proof does not hold"))?;
        self.believe(&proven.checkpoint, disk, false)?;
        let place = (core.index, opened.commitment);
        if *self.receipts.entry(intent.id).or_insert(place) != place {
            return Err(Found("an act has two places"));
        }
        Ok(place)
    }

    /// Comes in touch: the newest head, the registry, every case of which it is a member.
    pub fn sync(&mut self, server: &Server) -> Result<(), Found> {
        let disk = &server.disk;
        self.believe(&disk.checkpoint, disk, true)?;
        for entry in disk.chain(CaseId::REGISTRY, u64::try_from(self.registry_chain.len()).unwrap()) {
            walk(&mut self.registry_walk, entry, disk)?;
            let seq = RegistrySeq::new(u64::try_from(self.registry_chain.len()).unwrap());
            self.registry_chain.push(entry.commitment);
            let of_registry = entry.intent.kind().concern() == Concern::Registry;
            if of_registry && entry.record.core.outcome == Outcome::Accepted {
                registry_act::apply(Arc::make_mut(&mut self.registry), &entry.intent, AsOf { seq, time: entry.record.core.time })
                    .map_err(|_| Found("an identity record that its rules refuse"))?;
            }
        }
        self.read.clone_from(&self.head);
        let member_of = disk.world.cases().filter(|(_, case)| case.members.contains_key(&self.card.device)).map(|(id, _)| id);
        let cases: BTreeSet<CaseId> = member_of.collect();
        for case in cases {
            self.follow(case, disk)?;
        }
        for grant in disk.grants.iter().filter(|grant| grant.device == self.card.id) {
            self.grants.insert(grant.exhibit, grant.share);
        }
        let mut own = self.receipts.iter();
        let stands = |(id, (index, commitment)): (&IntentId, &(u64, Commitment))| {
            let entry = disk.entries.get(usize::try_from(*index).unwrap());
            entry.is_some_and(|entry| entry.commitment == *commitment && entry.intent.id == *id)
        };
        if own.all(stands) { Ok(()) } else { Err(Found("a record that was acknowledged is missing")) }
    }

    fn follow(&mut self, case: CaseId, disk: &Database) -> Result<(), Found> {
        let new = || Followed {
            walk: ChainWalk::new(case),
            group: None,
            rings: BTreeMap::new(),
            exhibits: BTreeMap::new(),
            left: BTreeMap::new(),
        };
        let mut followed = self.cases.remove(&case).unwrap_or_else(new);
        let from = followed.walk.head().map_or(0, |head| head.seq.0 + 1);
        for entry in disk.chain(case, from) {
            walk(&mut followed.walk, entry, disk)?;
            self.take(&mut followed, entry, disk)?;
        }
        self.cases.insert(case, followed);
        Ok(())
    }

    /// Takes one record of a case.
    fn take(&self, followed: &mut Followed, entry: &Entry, disk: &Database) -> Result<(), Found> {
        let (intent, index) = (&entry.intent, entry.record.core.index);
        if let Some(place) = &entry.record.exhibit {
            let head = ChainSeen { seq: place.seq.0, commitment: entry.commitment.0 };
            if let Some(known) = followed.exhibits.get_mut(&place.chain) {
                known.head = head;
            }
            if let (Outcome::Accepted, Body::Collection(_)) = (&entry.record.core.outcome, &intent.body) {
                let known = Known { head, erased: false, proposal: None };
                followed.exhibits.entry(place.chain).or_insert(known);
            }
        }
        if entry.record.core.outcome != Outcome::Accepted {
            return Ok(());
        }
        match (&intent.body, intent.exhibit) {
            (Body::CaseCreate(_), _) if intent.signer() == self.card.id => {
                let With::Founding(group, ring) = &with(entry) else { return Err(Found("a founding without its group")) };
                followed.group = Some(Group::clone(group));
                followed.rings.insert(1, *ring);
            }
            (Body::MemberChange(body), _) => {
                let With::Commit(commit) = &with(entry) else { return Err(Found("a commit is not given")) };
                if body.commit != commit.digest() {
                    return Err(Found("a commit is not the one that its record names"));
                }
                self.take_commit(followed, commit, entry, disk)?;
                for gone in &body.removes {
                    followed.left.remove(gone);
                }
            }
            (Body::MemberLeave(_), _) => {
                followed.left.insert(intent.signer(), index);
            }
            (Body::Erasure(erasure), Some(id)) => {
                if let Some(known) = followed.exhibits.get_mut(&id) {
                    match erasure {
                        Erasure::Propose { .. } => known.proposal = Some((intent.id, intent.digest())),
                        Erasure::Confirm { .. } => known.erased = true,
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn take_commit(&self, followed: &mut Followed, commit: &Arc<Commit>, entry: &Entry, disk: &Database) -> Result<(), Found> {
        let (context, core) = (&commit.facts.context, &entry.record.core);
        match &mut followed.group {
            Some(group) => {
                self.context_is_true(commit, disk)?;
                let standing = rules::Standing { group: group.id, epoch: Epoch(group.epoch), context: group.context };
                rules::judge_structure(&commit.facts, &standing).map_err(|_| Found("a commit was accepted against the rules of groups"))?;
                let left = followed.left.iter().filter(|(_, at)| **at < context.log_size).map(|(id, _)| *id).collect();
                judge_leaves(&self.registry, group, &commit.facts, &left, core.time)
                    .map_err(|BrokenBy(_)| Found("a commit was accepted against the rules of certificates"))?;
                group.apply(commit);
            }
            none => {
                let added = commit.facts.added.iter().any(|added| added.key_package.certificate == self.card.certificate);
                if !added {
                    return Ok(());
                }
                let group = disk.welcomes.get(&core.index).ok_or(Found("there is no Welcome"))?;
                *none = Some(Group::clone(group));
            }
        }
        let ring = Sha256Digest::of(&[b"ring", &commit.ring_key.to_be_bytes()]);
        if ring != context.ring_commitment {
            return Err(Found("a ring row does not open to its commitment"));
        }
        if followed.group.as_ref().is_some_and(|group| group.leaf_of(&self.card.id).is_some()) {
            followed.rings.insert(context.ring_version.number(), commit.ring_key);
        } else {
            followed.group = None;
        }
        Ok(())
    }

    /// The context's tree is one of this log, and its registry exactly the one that this device has read.
    fn context_is_true(&self, commit: &Commit, disk: &Database) -> Result<(), Found> {
        let context = &commit.facts.context;
        let untrue = Found("a commit names a tree or registry that never was");
        let size = TreeSize::new(context.log_size).map_err(|_| untrue)?;
        let (head, root) = self.seen();
        let proof = disk.consistency(size).map_err(|_| untrue)?;
        verify_consistency(size, RootHash::from_bytes(*context.log_root.as_bytes()), head, root, &proof).map_err(|_| untrue)?;
        let known = self.registry_chain.get(usize::try_from(context.registry_sequence).unwrap());
        if known.is_some_and(|known| known.0 == context.registry_commitment) { Ok(()) } else { Err(untrue) }
    }

    /// The group share, if this device has the means to it.
    pub fn group_share(&self, case: CaseId, exhibit: ExhibitId, wrapped: &Wrapped) -> Option<u64> {
        let by_ring =
            self.cases.get(&case).and_then(|followed| followed.rings.get(&wrapped.ring_version)).and_then(|key| wrapped.open(*key));
        self.grants.get(&exhibit).copied().or(by_ring)
    }
}

/// What came with the act of a record.
pub fn with(entry: &Entry) -> With {
    let act = entry.came_in.iter().find(|act| act.intent.id == entry.intent.id);
    act.map_or(With::Nothing, |act| act.with.clone())
}

/// Passes one record of a chain: opened, in the tree, and after the one before it.
fn walk(chain: &mut ChainWalk<CaseId>, entry: &Entry, disk: &Database) -> Result<(), Found> {
    let opened = entry.record.view(&[Part::Core, Part::Case, Part::Exhibit]).open().map_err(|_| Found("a record is not of the format"))?;
    let index = entry.record.core.index;
    let proof = disk.inclusion(index, disk.size()).map_err(|_| Found("a record without proof"))?;
    let place = LeafIndex::new(index).map_err(|_| Found("an index past every tree"))?;
    disk.checkpoint
        .includes(place, leaf_hash(&opened.commitment.entry()), &proof)
        .map_err(|_| Found("a record that the tree does not hold"))?;
    if chain.step(index, &opened, opened.case).is_empty() { Ok(()) } else { Err(Found("a record does not follow the one before it")) }
}
