//! Successor groups: a case goes on in a new group after a commit that its members cannot process; and what a replay keeps for it.
//!
//! The rules are in `rules::succession`. A commit is never undone: the successor group begins at the epoch before it, with at most the members of both
//! the epochs before and after, so that whoever was removed stays removed.

use std::collections::{BTreeMap, BTreeSet};

use crate::digest::Sha256Digest;
use crate::ids::PersonId;

use super::body::MemberChange;
use super::facts::{DeviceFacts, LeafFacts, Membership};

/// A successor group is founded: its GroupInfo, and the one commit that adds the others.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupSucceed {
    /// Generation of the new group.
    pub generation: u32,
    /// The last good epoch of the group before: the one from which the bad commit starts.
    pub epoch: u64,
    /// SHA-256 of the bad commit.
    pub bad: Sha256Digest,
    /// SHA-256 of the GroupInfo of epoch 0.
    pub group_info: Sha256Digest,
    /// SHA-256 of the commit from epoch 0 to epoch 1, which adds the others.
    pub commit: Sha256Digest,
    /// SHA-256 of the Welcome; absent if nobody is added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub welcome: Option<Sha256Digest>,
    /// Ring version from epoch 1 on.
    pub ring_version: u32,
    /// Commitment to that ring key.
    pub ring_commitment: Sha256Digest,
    /// SHA-256 of the ring row.
    pub ring_row: Sha256Digest,
    /// Certificate ids of all members of epoch 1.
    pub members: Vec<Sha256Digest>,
}

/// What holds of a successor group when it is founded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuccessionFacts {
    /// Certificate id of the founding device.
    pub founder: Sha256Digest,
    /// Whether the intent names exactly the bytes that come with it; a replay of records takes it as so.
    pub names_the_bytes: bool,
    /// The generation of the group that ends.
    pub generation: u32,
    /// The ring version in force.
    pub ring_version: u32,
    /// Who made the bad commit; none if no such commit was accepted from that epoch.
    pub author: Option<PersonId>,
    /// The devices that reported it.
    pub reporters: Vec<DeviceFacts>,
    /// The persons among them who acted in the epoch that it begins, or later.
    pub acknowledged_by: BTreeSet<PersonId>,
    /// The members of both the epochs before and after it, by certificate id.
    pub both: BTreeMap<Sha256Digest, LeafFacts>,
}

/// A commit that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// SHA-256 of the message.
    pub commit: Sha256Digest,
    /// Certificate id of its author.
    pub author: Sha256Digest,
}

/// From which epoch on, and up to which, a device was a member.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Span {
    certificate: Sha256Digest,
    membership: Membership,
    from: u64,
    until: Option<u64>,
}

/// The commits of a case's group in its current generation, who was a member when, and what members said of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    generation: u32,
    commits: BTreeMap<u64, Made>,
    spans: Vec<Span>,
    /// Bad commit and reporting device.
    reports: BTreeSet<(Sha256Digest, Sha256Digest)>,
    /// The latest epoch in which each device acted.
    held: BTreeMap<Sha256Digest, u64>,
    /// The last epochs of the generations before.
    ended: Vec<u64>,
}

impl Line {
    /// The generation.
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// The last epoch of an earlier generation.
    pub fn ended_at(&self, generation: u32) -> Option<u64> {
        self.ended.get(usize::try_from(generation).ok()?).copied()
    }

    /// A device is a member from an epoch on.
    pub fn enter(&mut self, certificate: Sha256Digest, membership: Membership, from: u64) {
        self.spans.push(Span { certificate, membership, from, until: None });
    }

    /// A commit is accepted; who joins is entered by [`Self::enter`].
    pub fn change(&mut self, author: Sha256Digest, body: &MemberChange) {
        self.commits.insert(body.epoch, Made { commit: body.commit, author });
        for span in self.spans.iter_mut().filter(|span| span.until.is_none() && body.removes.contains(&span.certificate)) {
            span.until = Some(body.epoch.saturating_add(1));
        }
    }

    /// A member has left.
    pub fn leave(&mut self, certificate: &Sha256Digest) {
        for span in self.spans.iter_mut().filter(|span| span.certificate == *certificate) {
            span.membership.left = true;
        }
    }

    /// A device could not process a commit.
    pub fn report(&mut self, commit: Sha256Digest, reporter: Sha256Digest) {
        self.reports.insert((commit, reporter));
    }

    /// A device acted in an epoch of a generation.
    pub fn hold(&mut self, certificate: Sha256Digest, generation: u32, epoch: u64) {
        if generation == self.generation {
            let held = self.held.entry(certificate).or_default();
            *held = epoch.max(*held);
        }
    }

    /// The commit that was accepted from an epoch.
    pub fn made(&self, epoch: u64) -> Option<Made> {
        self.commits.get(&epoch).copied()
    }

    /// Who reported a commit.
    pub fn reporters(&self, commit: Sha256Digest) -> impl Iterator<Item = Sha256Digest> {
        self.reports.iter().filter(move |(bad, _)| *bad == commit).map(|(_, reporter)| *reporter)
    }

    /// Who acted in an epoch after that one.
    pub fn held_after(&self, epoch: u64) -> impl Iterator<Item = Sha256Digest> {
        self.held.iter().filter(move |(_, held)| **held > epoch).map(|(certificate, _)| *certificate)
    }

    /// The members of both an epoch and the one that its commit begins, with what they were.
    pub fn in_both(&self, epoch: u64) -> BTreeMap<Sha256Digest, Membership> {
        let stays = |span: &&Span| span.from <= epoch && span.until.is_none_or(|until| until > epoch.saturating_add(1));
        self.spans.iter().filter(stays).map(|span| (span.certificate, span.membership)).collect()
    }

    /// A successor group takes over with these members; gives what they are in it.
    pub fn succeed(&mut self, body: &GroupSucceed, last: u64, author: Sha256Digest) -> BTreeMap<Sha256Digest, Membership> {
        let both = self.in_both(body.epoch);
        let members: BTreeMap<_, _> = body.members.iter().filter_map(|id| Some((*id, *both.get(id)?))).collect();
        let mut ended = core::mem::take(&mut self.ended);
        ended.push(last);
        *self = Self { generation: body.generation, ended, ..Self::default() };
        self.commits.insert(0, Made { commit: body.commit, author });
        // Epoch 0 has the founder alone in its tree; for a group after this one, all were there when it was founded.
        for (certificate, membership) in &members {
            self.enter(*certificate, *membership, 0);
        }
        members
    }
}
