//! The recovery ceremony: a device comes in the place of a lost one, by two officers and one commit; and what a replay keeps of it.
//!
//! The rules are in `rules::recovery`. A device held a range of ring versions and its grants; whoever comes in its place is given exactly that.

use std::collections::BTreeMap;

use crate::digest::Sha256Digest;
use crate::ids::{IntentId, OfficeId, PersonId};

use super::facts::{DeviceFacts, Membership};
use super::intent::SignedIntent;

/// A device is to come in the place of a lost one, by two persons: the commit that carries it out may follow the second record.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Recovery {
    /// The first officer, with a recovery device of the office.
    Propose {
        /// Certificate id of the device that is lost.
        lost: Sha256Digest,
        /// Certificate id of the device that comes in its place.
        device: Sha256Digest,
    },
    /// Another person.
    Confirm {
        /// Intent id of the proposal.
        proposal: IntentId,
        /// SHA-256 of the proposal's intent as text.
        digest: Sha256Digest,
    },
}

/// What a device held in a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The first ring version whose exhibits it could open without a grant.
    pub first_ring: u32,
    /// The last one that it was given.
    pub last_ring: u32,
    /// Whether it had left.
    pub left: bool,
}

impl Held {
    /// What a member holds while the ring stands at a version.
    pub const fn of(membership: Membership, ring_version: u32) -> Self {
        Self { first_ring: membership.first_ring, last_ring: ring_version, left: membership.left }
    }

    /// Whether it could open an exhibit: by its ring version, or by a grant.
    pub const fn could_open(self, granted: bool, exhibit_ring: u32) -> bool {
        granted || (self.first_ring <= exhibit_ring && exhibit_ring <= self.last_ring)
    }
}

/// What holds of the device that is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostFacts {
    /// The device.
    pub device: DeviceFacts,
    /// Whether its office revoked it.
    pub revoked: bool,
    /// What it held; none if it was never a member, or was removed before it was revoked or left.
    pub held: Option<Held>,
}

/// A recovery as it was proposed, and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposed {
    /// Its intent id.
    pub intent: IntentId,
    /// Who proposed it.
    pub person: PersonId,
    /// The office of that person.
    pub office: OfficeId,
    /// Certificate id of the lost device.
    pub lost: Sha256Digest,
    /// Certificate id of the device that comes in its place.
    pub device: Sha256Digest,
    /// Whether another person confirmed it.
    pub confirmed: bool,
    /// Whether a commit carried it out.
    pub done: bool,
}

/// What holds of a recovery at the moment when it is proposed, confirmed or carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryFacts {
    /// The device that is lost, if the registry knows it.
    pub lost: Option<LostFacts>,
    /// The device that comes in its place, if the registry knows it, and whether it is a member already.
    pub device: Option<(DeviceFacts, bool)>,
    /// Whether a prosecutor's device that has not left and is not revoked is a member.
    pub prosecutor_remains: bool,
    /// The proposal: the one that a confirmation names, or the one that an addition carries out.
    pub proposal: Option<Proposed>,
}

/// The recoveries of one case, as its records made them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recoveries {
    /// By the SHA-256 of the proposal's intent.
    proposed: BTreeMap<Sha256Digest, Proposed>,
    /// Devices that were removed after they left or were revoked, and what they held.
    former: BTreeMap<Sha256Digest, Held>,
    /// Devices that came in the place of another: that one, and what it held.
    replaced: BTreeMap<Sha256Digest, (Sha256Digest, Held)>,
}

impl Recoveries {
    /// Takes an accepted act of a recovery.
    pub fn apply(&mut self, intent: &SignedIntent, body: &Recovery, actor: &DeviceFacts) {
        match body {
            Recovery::Propose { lost, device } => {
                let (person, office) = (actor.person.clone(), actor.office.clone());
                let new = Proposed { intent: intent.id, person, office, lost: *lost, device: *device, confirmed: false, done: false };
                self.proposed.insert(intent.digest(), new);
            }
            Recovery::Confirm { digest, .. } => {
                if let Some(proposal) = self.proposed.get_mut(digest) {
                    proposal.confirmed = true;
                }
            }
        }
    }

    /// The proposal of that digest.
    pub fn named(&self, digest: &Sha256Digest) -> Option<&Proposed> {
        self.proposed.get(digest)
    }

    /// The confirmed recovery of a device by an office that no commit has carried out.
    pub fn waiting(&self, device: &Sha256Digest, office: &OfficeId) -> Option<&Proposed> {
        self.proposed.values().find(|one| one.device == *device && one.office == *office && one.confirmed && !one.done)
    }

    /// Remembers what a device held that was removed after it left or was revoked.
    pub fn retire(&mut self, device: Sha256Digest, held: Held) {
        self.former.insert(device, held);
    }

    /// What a device held that was removed after it left or was revoked.
    pub fn former(&self, device: &Sha256Digest) -> Option<Held> {
        self.former.get(device).copied()
    }

    /// Marks the recovery of a device as carried out; gives the lost one.
    pub fn carry_out(&mut self, device: Sha256Digest, office: &OfficeId, held: impl Fn(&Sha256Digest) -> Option<Held>) {
        let waiting = self.proposed.values_mut().find(|one| one.device == device && one.office == *office && one.confirmed && !one.done);
        let Some(proposal) = waiting else { return };
        proposal.done = true;
        let lost = proposal.lost;
        if let Some(held) = held(&lost).or_else(|| self.former(&lost)) {
            self.replaced.insert(device, (lost, held));
        }
    }

    /// The lost device in whose place a device came, and what that one held.
    pub fn replaced_by(&self, device: &Sha256Digest) -> Option<(Sha256Digest, Held)> {
        self.replaced.get(device).copied()
    }
}
