//! Case groups as plain facts: what MLS would say of a commit, without its cryptography.
//!
//! A [`Commit`] stands for the MLS message and its ring row. Who is a leaf after it can open the row, nobody else; that is all that the
//! simulator takes from MLS on trust.

use custodia_core::digest::Sha256Digest;
use custodia_core::group::context::CommitContext;
use custodia_core::group::facts::{CommitFacts, GroupId, LeafFacts, LeafIndex};
use custodia_core::group::rules::{CertifiedLeaf, LeafRole};
use custodia_core::identity::{Certificate, Role};
use custodia_core::ids::CaseId;

/// A commit with its ring row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    pub facts: CommitFacts,
    /// Makes its bytes unlike those of any other.
    pub number: u64,
    /// The ring key of the version that its context names, as its ring row holds it.
    pub ring_key: u64,
}

impl Commit {
    /// Digest of what stands for its bytes.
    pub fn digest(&self) -> Sha256Digest {
        Sha256Digest::of(&[b"commit", &self.number.to_be_bytes(), &self.facts.context.encode()])
    }

    /// Digest of its ring row.
    pub fn ring_row(&self) -> Sha256Digest {
        Sha256Digest::of(&[b"row", &self.ring_key.to_be_bytes()])
    }

    /// Digest of its Welcome, if somebody joins.
    pub fn welcome(&self) -> Option<Sha256Digest> {
        (!self.facts.added.is_empty()).then(|| Sha256Digest::of(&[b"welcome", &self.number.to_be_bytes()]))
    }
}

/// A group at an epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub id: GroupId,
    pub epoch: u64,
    /// By place.
    pub leaves: Vec<LeafFacts>,
    /// That of the last commit.
    pub context: Option<CommitContext>,
    /// Confirmed transcript hashes from epoch 0 on; the first is empty.
    pub transcripts: Vec<Vec<u8>>,
}

pub fn id_of(leaf: &LeafFacts) -> Sha256Digest {
    Sha256Digest::of(&[&leaf.certificate])
}

impl Group {
    pub fn found(case: CaseId, leaf: LeafFacts, context: CommitContext) -> Self {
        Self { id: GroupId::first(case), epoch: 0, leaves: vec![leaf], context: Some(context), transcripts: vec![Vec::new()] }
    }

    pub fn leaf_of(&self, certificate: &Sha256Digest) -> Option<&LeafFacts> {
        self.leaves.iter().find(|leaf| id_of(leaf) == *certificate)
    }

    /// The places that so many added leaves take after the removals: the leftmost that are free (RFC 9420 §7.7).
    pub fn free_places(&self, removed: &[LeafFacts], count: usize) -> Vec<LeafIndex> {
        let taken = |place: u32| {
            let stays = |leaf: &&LeafFacts| !removed.iter().any(|gone| gone.index == leaf.index);
            self.leaves.iter().filter(stays).any(|leaf| leaf.index.0 == place)
        };
        (0..).filter(|place| !taken(*place)).take(count).map(LeafIndex).collect()
    }

    /// Goes on to the next epoch; judges nothing.
    pub fn apply(&mut self, commit: &Commit) {
        let facts = &commit.facts;
        let gone = |leaf: &LeafFacts| facts.removed.iter().chain(&facts.sender_before).any(|gone| gone.index == leaf.index);
        self.leaves.retain(|leaf| !gone(leaf));
        self.leaves.extend(facts.sender_after.iter().cloned());
        self.leaves.extend(facts.added.iter().map(custodia_core::group::facts::AddedLeaf::leaf));
        self.leaves.sort_unstable_by_key(|leaf| leaf.index);
        let last = self.transcripts.last().expect("an epoch has its hash");
        let next = Sha256Digest::of(&[b"transcript", last, commit.digest().as_bytes()]);
        self.transcripts.push([&next.as_bytes()[..], &next.as_bytes()[..16]].concat());
        self.epoch += 1;
        self.context = Some(facts.context);
    }
}

/// A leaf with what its certificate says; that it stands is for the caller to know.
pub fn certified(place: LeafIndex, certificate: &Certificate) -> CertifiedLeaf {
    let role = if certificate.role() == Role::Recovery { LeafRole::Recovery } else { LeafRole::Person };
    let key = certificate.key().to_bytes();
    CertifiedLeaf { index: place, person: certificate.person().clone(), device: certificate.device(), role, key }
}
