//! The recovery ceremony: a device comes in the place of a lost one, by two officers and one commit; and what a replay keeps of it.
//!
//! The rules are in `rules::recovery`. A device held a range of ring versions and its grants; whoever comes in its place is given exactly that.

use std::collections::{BTreeMap, BTreeSet};

use crate::digest::Sha256Digest;
use crate::ids::{DeviceId, ExhibitId, IntentId, OfficeId, PersonId};
use crate::time::LogTime;

use super::facts::{DeviceFacts, Membership};

/// For how long after its record a proposal may be confirmed and carried out, in milliseconds: 30 days.
pub const PROPOSAL_MILLIS: u64 = 30 * 24 * 60 * 60 * 1000;

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
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// The first ring version whose exhibits it could open without a grant.
    pub first_ring: u32,
    /// The last one that it was given.
    pub last_ring: u32,
    /// Exhibits that were granted to it.
    pub granted: BTreeSet<ExhibitId>,
    /// Whether it had left.
    pub left: bool,
}

impl Held {
    /// What a member holds while the ring stands at a version.
    pub const fn of(membership: Membership, ring_version: u32, granted: BTreeSet<ExhibitId>) -> Self {
        Self { first_ring: membership.first_ring, last_ring: ring_version, granted, left: membership.left }
    }

    /// Whether it could open an exhibit: by the ring version of that one, or by a grant.
    pub fn could_open(&self, exhibit: ExhibitId, exhibit_ring: u32) -> bool {
        (self.first_ring..=self.last_ring).contains(&exhibit_ring) || self.granted.contains(&exhibit)
    }
}

/// What holds of the device that is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostFacts {
    /// The device.
    pub device: DeviceFacts,
    /// Whether its office revoked it.
    pub revoked: bool,
    /// What it held; none if it was never a member, or was removed when it was neither revoked nor had left.
    pub held: Option<Held>,
}

/// A recovery as it was proposed, and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposed {
    /// Its intent id.
    pub intent: IntentId,
    /// Who proposed it.
    pub person: PersonId,
    /// The office of that person.
    pub office: OfficeId,
    /// The lost device, and the certificate by which the proposal names it.
    pub lost: (DeviceId, Sha256Digest),
    /// The device that comes in its place, and the certificate by which the proposal names it.
    pub device: (DeviceId, Sha256Digest),
    /// The time of its record.
    #[serde(with = "crate::time::as_millis")]
    pub time: LogTime,
    /// Whether another person confirmed it.
    pub confirmed: bool,
    /// Whether a commit carried it out.
    pub done: bool,
}

impl Proposed {
    /// Whether it may still be confirmed and carried out at a time.
    pub const fn stands_at(&self, time: LogTime) -> bool {
        !self.done && time.millis().saturating_sub(self.time.millis()) <= PROPOSAL_MILLIS
    }
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

impl RecoveryFacts {
    /// Of an act that names no device and no proposal that is known.
    pub const fn nothing() -> Self {
        Self { lost: None, device: None, prosecutor_remains: false, proposal: None }
    }
}

/// The recoveries of one case, as its records made them.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recoveries {
    /// By the SHA-256 of the proposal's intent.
    proposed: BTreeMap<Sha256Digest, Proposed>,
    /// Devices that were removed when they had left or were revoked, and what they held.
    former: BTreeMap<DeviceId, Held>,
    /// Devices that came in the place of another, and what that one held.
    replaced: BTreeMap<DeviceId, Held>,
}

impl Recoveries {
    /// Takes a proposal; it takes the place of every other for the same lost or the same new device that was not carried out.
    pub fn propose(&mut self, digest: Sha256Digest, new: Proposed) {
        self.proposed.retain(|_, one| one.done || (one.lost.0 != new.lost.0 && one.device.0 != new.device.0));
        self.proposed.insert(digest, new);
    }

    /// Takes a confirmation.
    pub fn confirm(&mut self, digest: &Sha256Digest) {
        if let Some(proposal) = self.proposed.get_mut(digest) {
            proposal.confirmed = true;
        }
    }

    /// The proposal of that digest.
    pub fn named(&self, digest: &Sha256Digest) -> Option<&Proposed> {
        self.proposed.get(digest)
    }

    /// The confirmed recovery of a device by an office that no commit has carried out.
    pub fn waiting(&self, device: DeviceId, office: &OfficeId) -> Option<&Proposed> {
        self.proposed.values().find(|one| one.device.0 == device && one.office == *office && one.confirmed && !one.done)
    }

    /// Remembers what a device held that is removed; only for whom had left or was revoked.
    pub fn retire(&mut self, device: DeviceId, held: Held, gone: bool) {
        if gone {
            self.former.insert(device, held);
        } else {
            self.former.remove(&device);
        }
    }

    /// What a device held that was removed when it had left or was revoked.
    pub fn former(&self, device: DeviceId) -> Option<&Held> {
        self.former.get(&device)
    }

    /// Marks the recovery of a device as carried out, once the commit has removed the lost one.
    pub fn carry_out(&mut self, device: DeviceId, office: &OfficeId) {
        let mut all = self.proposed.values_mut();
        let waiting = all.find(|one| one.device.0 == device && one.office == *office && one.confirmed && !one.done);
        let Some(proposal) = waiting else { return };
        proposal.done = true;
        if let Some(held) = self.former.get(&proposal.lost.0) {
            self.replaced.insert(device, held.clone());
        }
    }

    /// What the lost device held in whose place a device came last.
    pub fn replaced_by(&self, device: DeviceId) -> Option<&Held> {
        self.replaced.get(&device)
    }
}
