//! The plain facts over which the rules judge. A server reads them from its database, a replay from what it replayed; both judge alike.

use crate::digest::Sha256Digest;
use crate::identity::{Certificate, Role};
use crate::ids::{CaseId, DeviceId, IntentId, OfficeId, PersonId};
use crate::time::LogTime;

use super::body::Handling;
use super::recovery::RecoveryFacts;
use super::succession::SuccessionFacts;

/// What holds of the log at the moment of judging.
#[derive(Debug, Clone, Copy)]
pub struct LogFacts<'a> {
    /// Its origin.
    pub origin: &'a str,
    /// The time that the record will carry.
    pub time: LogTime,
    /// Root hash at the size that the intent names in `seen`; none if the log is smaller.
    pub root_at_seen: Option<Sha256Digest>,
}

/// What holds of a device. Its certificates change, and all that a case knows of it stays: a case knows devices, never certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceFacts {
    /// The device, through every renewal of its certificate.
    pub id: DeviceId,
    /// Whether the certificate by which it is named is known, in force and not revoked at the record's time.
    pub good_standing: bool,
    /// The role that its certificate gives.
    pub role: Role,
    /// The office that issued it.
    pub office: OfficeId,
    /// The person for whom it acts.
    pub person: PersonId,
}

impl DeviceFacts {
    /// What a certificate says of its device; its standing is for the caller to know.
    pub fn of(certificate: &Certificate, good_standing: bool) -> Self {
        Self {
            id: certificate.device(),
            good_standing,
            role: certificate.role(),
            office: certificate.office().clone(),
            person: certificate.person().clone(),
        }
    }
}

/// What a device is in a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Membership {
    /// The first ring version whose exhibits it may open without a grant.
    pub first_ring: u32,
    /// Whether it has left; it is still a leaf until the next commit.
    pub left: bool,
}

/// What holds of the named case, seen from the actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseFacts {
    /// The current ring version.
    pub ring_version: u32,
    /// The office that founded it.
    pub founder: OfficeId,
    /// Whether the group, epoch and transcript hash that the intent names, if any, are ones that the case's group had.
    pub epoch_stands: bool,
    /// The actor's membership, if it is a leaf of the group.
    pub actor: Option<Membership>,
}

/// Whether and how an exhibit can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExhibitState {
    /// Not released yet (Reg. (EU) 2023/969 Art 17(3)).
    Quarantined,
    /// In use.
    Active,
    /// Kept as evidence only (LED Art 16(3)).
    Restricted,
    /// Gone; its records stay.
    Erased,
}

/// An erasure that waits for another person's confirmation.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// Its intent id.
    pub intent: IntentId,
    /// SHA-256 of its intent as text.
    pub digest: Sha256Digest,
    /// Who proposed it.
    pub person: PersonId,
    /// Log indexes of the records whose payloads are erased with it.
    pub records: Vec<u64>,
}

/// What holds of the named exhibit, seen from the actor.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each asked by one rule")]
pub struct ExhibitFacts {
    /// The case that it belongs to.
    pub case: CaseId,
    /// Its state.
    pub state: ExhibitState,
    /// Whether a hold forbids erasure.
    pub held: bool,
    /// Whether the actor's office has placed a hold that was not lifted.
    pub held_by_actor: bool,
    /// The erasure that was proposed last, if any.
    pub proposal: Option<Proposal>,
    /// Its handling code.
    pub handling: Handling,
    /// Ring version of its group share.
    pub ring_version: u32,
    /// The office whose device collected it.
    pub originator: OfficeId,
    /// Whether the record named in `chain_seen` stands on its chain.
    pub chain_seen_stands: bool,
    /// Whether the actor holds a grant for it.
    pub granted: bool,
    /// Whether the originator consented to use before a court (H1).
    pub consent_judicial: bool,
    /// Whether the originator consented to passing it on (H2).
    pub consent_onward: bool,
    /// For a grant: whether the receiving device came in the place of one that could open this exhibit.
    pub restored: bool,
    /// For a grant: the receiving device, if the registry knows it, and whether it is a member (or joins in the same commit).
    pub recipient: Option<(DeviceFacts, bool)>,
}

/// A device that joins, or is removed, by a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafFacts {
    /// The device.
    pub device: DeviceFacts,
    /// Whether it left or was revoked: then anybody may remove it, and the next commit must.
    pub gone: bool,
}

/// What holds of a commit, beside the structural rules of the group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeFacts {
    /// Whether group id, digests, epoch, adds and removes in the intent are those of the commit, its Welcome and ring row.
    pub intent_matches_commit: bool,
    /// Devices that join, in the order of the intent.
    pub adds: Vec<LeafFacts>,
    /// Devices that are removed.
    pub removes: Vec<LeafFacts>,
    /// Members that remain and are not removed, the joining ones included.
    pub after: Vec<LeafFacts>,
    /// Exhibits that the actor may open, for which a full-history addition needs a disclosure, and those disclosed with this commit, per add.
    pub undisclosed_for_full: usize,
    /// As many of the exhibits that a lost device and the actor could open, per device in a lost one's place.
    pub undisclosed_for_recovery: usize,
    /// For each device that joins in the place of a lost one, what holds of that recovery.
    pub replacements: Vec<RecoveryFacts>,
}

/// All facts for one intent.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// The log.
    pub log: LogFacts<'a>,
    /// The actor's device.
    pub actor: DeviceFacts,
    /// The case, if it exists.
    pub case: Option<CaseFacts>,
    /// The actor's membership in the parent that a new case names, if that case exists and the actor is a leaf of its group.
    pub parent: Option<Membership>,
    /// The exhibit, if it exists.
    pub exhibit: Option<ExhibitFacts>,
    /// The commit, for `member.change`.
    pub change: Option<ChangeFacts>,
    /// The recovery, for `case.recovery`.
    pub recovery: Option<RecoveryFacts>,
    /// The successor group, for `group.succeed`.
    pub succession: Option<SuccessionFacts>,
}
