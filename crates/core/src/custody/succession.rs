//! Successor groups: a case goes on in a new group after a commit that its members cannot process; and what a replay keeps for it.
//!
//! The rules are in `rules::succession`. A commit is never undone: the successor group has at most the members of both the epochs before and after it,
//! so that whoever was removed stays removed.

use std::collections::{BTreeMap, BTreeSet};

use crate::digest::Sha256Digest;
use crate::group::facts::GroupId;
use crate::ids::{DeviceId, PersonId};

use super::facts::{DeviceFacts, LeafFacts};
use super::intent::GroupSeen;

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

/// What holds of the commit that a successor group leaves out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Who made it.
    pub author: PersonId,
    /// The devices that reported it, of those in `both` that have not left and are not revoked.
    pub reporters: Vec<DeviceFacts>,
    /// The persons of `both` who acted in the epoch that it begins, or later. Whoever was added by it came by a Welcome, and cannot tell.
    pub acknowledged_by: BTreeSet<PersonId>,
    /// The devices that were members before it and still are: members of both epochs, whom no later commit has removed. Good standing is that of the
    /// newest certificate.
    pub both: BTreeMap<DeviceId, LeafFacts>,
}

/// What holds of a successor group when it is founded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuccessionFacts {
    /// The founding device.
    pub founder: DeviceId,
    /// Whether the intent names exactly the bytes that come with it; a replay of records takes it as so.
    pub names_the_bytes: bool,
    /// The generation of the group that ends.
    pub generation: u32,
    /// The ring version in force.
    pub ring_version: u32,
    /// The commit that it leaves out; none if no such commit was accepted from that epoch.
    pub left_out: Option<LeftOut>,
    /// The members that the intent names, by the certificates that it names.
    pub members: Vec<LeafFacts>,
}

/// A commit that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Made {
    /// SHA-256 of the message.
    pub commit: Sha256Digest,
    /// Certificate id of its author.
    pub author: Sha256Digest,
}

type Transcripts = BTreeMap<(u32, u64), Vec<u8>>;

/// Transcript hashes as rows `[generation, epoch, hex]`, since the members of a JSON object have texts as names.
mod transcripts {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::Transcripts;
    use crate::custody::wire::Hex;

    pub(super) fn serialize<S: Serializer>(all: &Transcripts, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(all.iter().map(|((generation, epoch), hash)| (generation, epoch, Hex(hash.clone()))))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Transcripts, D::Error> {
        let rows = Vec::<(u32, u64, Hex)>::deserialize(deserializer)?;
        Ok(rows.into_iter().map(|(generation, epoch, Hex(hash))| ((generation, epoch), hash)).collect())
    }
}

/// The groups of one case: the commits of the current one, and what its members said of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    generation: u32,
    /// By the epoch from which they start.
    commits: BTreeMap<u64, Made>,
    /// Bad commit and reporting device.
    reports: BTreeSet<(Sha256Digest, DeviceId)>,
    /// The latest epoch in which each device acted.
    held: BTreeMap<DeviceId, u64>,
    /// The last epochs of the generations before.
    ended: Vec<u64>,
    /// The confirmed transcript hash that the first intent of each generation and epoch named; empty at epoch 0 (RFC 9420 §8.2).
    #[serde(with = "transcripts")]
    transcripts: Transcripts,
}

impl Line {
    pub(super) fn begun() -> Self {
        Self { transcripts: BTreeMap::from([((0, 0), Vec::new())]), ..Self::default() }
    }

    pub(super) const fn generation(&self) -> u32 {
        self.generation
    }

    /// A commit is accepted.
    pub(super) fn change(&mut self, epoch: u64, made: Made) {
        self.commits.insert(epoch, made);
    }

    /// A device could not process a commit.
    pub(super) fn report(&mut self, commit: Sha256Digest, reporter: DeviceId) {
        self.reports.insert((commit, reporter));
    }

    /// A device acted in an epoch.
    pub(super) fn hold(&mut self, device: DeviceId, seen: &GroupSeen) {
        let Some(group) = GroupId::from_bytes(&seen.id.0) else { return };
        self.transcripts.entry((group.generation, seen.epoch)).or_insert_with(|| seen.transcript.0.clone());
        if group.generation == self.generation {
            let held = self.held.entry(device).or_default();
            *held = seen.epoch.max(*held);
        }
    }

    /// Whether there was that group and epoch, with that transcript hash as far as another intent named it. `epoch` is the current one.
    pub(super) fn has_had(&self, group: GroupId, epoch: u64, seen: &GroupSeen) -> bool {
        let ended = usize::try_from(group.generation).ok().and_then(|generation| self.ended.get(generation)).copied();
        let last = if group.generation == self.generation { Some(epoch) } else { ended };
        let known = self.transcripts.get(&(group.generation, seen.epoch));
        last.is_some_and(|last| seen.epoch <= last) && known.is_none_or(|known| *known == seen.transcript.0)
    }

    /// The commit of that digest, if it was accepted from that epoch of the current group.
    pub(super) fn made(&self, epoch: u64, commit: Sha256Digest) -> Option<Made> {
        self.commits.get(&epoch).copied().filter(|made| made.commit == commit)
    }

    pub(super) fn has_reported(&self, commit: Sha256Digest, device: DeviceId) -> bool {
        self.reports.contains(&(commit, device))
    }

    /// Whether a device acted in an epoch after that one.
    pub(super) fn acted_after(&self, epoch: u64, device: DeviceId) -> bool {
        self.held.get(&device).is_some_and(|held| *held > epoch)
    }

    /// A successor group takes over from a group that stood at epoch `last`.
    pub(super) fn succeed(&mut self, generation: u32, last: u64, founding: Made) {
        self.ended.push(last);
        self.transcripts.insert((generation, 0), Vec::new());
        *self = Self {
            generation,
            commits: BTreeMap::from([(0, founding)]),
            ended: core::mem::take(&mut self.ended),
            transcripts: core::mem::take(&mut self.transcripts),
            ..Self::default()
        };
    }
}
