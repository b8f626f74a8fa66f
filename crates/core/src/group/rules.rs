//! The rules of case groups that MLS leaves to the application (RFC 9750 §8), as pure functions over facts.
//!
//! Every function returns the rule that is broken. None reads a clock: times and standings are positions in the log, so that
//! all members decide alike.

use std::collections::BTreeSet;

use super::context::{CommitContext, RingVersion};
use super::facts::{CommitFacts, Epoch, GroupId, KeyPackageFacts, LeafFacts, LeafIndex, Sender};
use super::xwing;
use crate::ids::{DeviceId, OfficeId, PersonId};
use crate::time::LogTime;

/// The one cipher suite: X-Wing, AES-256-GCM, SHA-384, Ed25519 (draft-ietf-mls-pq-ciphersuites; provisional code point).
pub const SUITE: u16 = 0x004E;
/// Most members of a group.
pub const MAX_MEMBERS: usize = 1000;
/// Longest handshake message (commit, Welcome, group info) in bytes.
pub const MAX_MESSAGE_LEN: usize = 8 * 1024 * 1024;
/// A key package may be added for so long after its `not_before`, in seconds: 90 days.
pub const MAX_KEY_PACKAGE_AGE: u64 = 90 * 86_400;
/// Longest lifetime of a key package from `not_before` to `not_after`, in seconds: 730 days.
pub const MAX_KEY_PACKAGE_LIFETIME: u64 = 730 * 86_400;
/// How far a key package may be dated before it was made, or after the log's time, in seconds: one hour.
pub const CLOCK_SKEW: u64 = 3600;
/// How long a record of the registry or the case may have stood in the log that a commit leaves out, in milliseconds: one hour.
pub const MAX_CONTEXT_LAG_MILLIS: u64 = 3_600_000;
/// Extension type that marks a last-resort key package (draft-ietf-mls-extensions).
pub const LAST_RESORT: u16 = 0x000A;

macro_rules! group_rules {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $sentence:literal;)*) => {
        /// A rule of case groups; see `docs/RULES.md`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum GroupRule { $(#[doc = $sentence] $name,)* }

        impl GroupRule {
            /// Every rule, by id.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The id, for example `GRP-03`.
            pub const fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            /// The rule as one sentence.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)* }
            }
        }
    };
}

group_rules! {
    NamesGroup = "GRP-01", "A commit names the group to which it is sent.";
    OnePerEpoch = "GRP-02", "A commit is made in the group's current epoch, so that each epoch has one commit.";
    ByValue = "GRP-03", "A commit carries its proposals by value.";
    AddOrRemove = "GRP-04", "A commit carries no proposal but Add and Remove, and an external commit besides that by which it enters.";
    HasPath = "GRP-05", "A commit carries an update path.";
    Resync = "GRP-06", "An external commit only resyncs: it adds nobody and removes exactly one leaf, the sender's own old one.";
    CertifiedKey = "GRP-07", "A leaf's key is the key of its certificate.";
    Succession = "GRP-08", "A leaf's certificate changes only to one of the same device, person and role.";
    SenderIsDevice = "GRP-09", "A commit is signed by the key of the device that delivers it.";
    Lifetime = "GRP-10", "An added key package lives at most 730 days, was made at most 90 days before and not after the log's time.";
    WellFormedKeys = "GRP-11", "Every new leaf key and init key is a well-formed X-Wing public key.";
    Extensions = "GRP-12", "A leaf carries no extension, and a key package none but last resort.";
    Limits = "GRP-13", "A message has at most 8 MiB and a group at most 1000 members.";
    ContextAdvances = "GRP-14", "A commit is judged at a log size and a registry sequence not before those of the previous commit.";
    RingRenewed = "GRP-15", "The ring version stays or grows by one; it grows at every removal, and a resync repeats it.";
    RecoveryPresent = "GRP-16", "After a commit, every office that has a member has a recovery leaf.";
    RemovesNamed = "GRP-17", "A commit removes every leaf that a leave or a revocation at or below its log size names.";
    WelcomeNamesGroup = "GRP-18", "A Welcome leads into the group and the epoch for which it was delivered.";
    Founding = "GRP-19", "A group is founded at epoch 0 with one leaf, the founder's.";
    OneLeafPerDevice = "GRP-20", "No device has two leaves in a group.";
    Suite = "GRP-21", "A group and its key packages use cipher suite 0x004E.";
    ContextIsRecent = "GRP-22", "No record of the registry or the case that a commit's log size leaves out has stood for more than one hour.";
}

/// A rule is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}", .0.id(), .0.sentence())]
pub struct Broken(pub GroupRule);

fn require(holds: bool, rule: GroupRule) -> Result<(), Broken> {
    if holds { Ok(()) } else { Err(Broken(rule)) }
}

/// Where a group stands before a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The group.
    pub group: GroupId,
    /// Its current epoch.
    pub epoch: Epoch,
    /// The context of the commit that began this epoch; `None` at epoch 0.
    pub context: Option<CommitContext>,
}

/// Applies every rule that needs no certificate: `GRP-01` to `06`, `11` to `15`, `21`.
///
/// Not judged here: certificates and lifetimes ([`judge_certified`]), who delivers ([`sender_is_device`]), whether the context is
/// true.
///
/// # Errors
/// The first rule that is broken.
pub fn judge_structure(commit: &CommitFacts, standing: &Standing) -> Result<(), Broken> {
    names_group(commit, standing.group)?;
    follows_epoch(commit, standing.epoch)?;
    carries_by_value(commit)?;
    only_adds_and_removes(commit)?;
    has_path(commit)?;
    only_resyncs(commit)?;
    within_limits(commit)?;
    for added in &commit.added {
        key_package_is_sound(&added.key_package)?;
    }
    if let Some(leaf) = &commit.sender_after {
        leaf_is_sound(leaf)?;
    }
    context_advances(commit, standing.context.as_ref())?;
    ring_is_renewed(commit, standing.context.as_ref())
}

/// `GRP-01`.
pub fn names_group(commit: &CommitFacts, group: GroupId) -> Result<(), Broken> {
    require(commit.group == group, GroupRule::NamesGroup)
}

/// `GRP-02`.
pub fn follows_epoch(commit: &CommitFacts, current: Epoch) -> Result<(), Broken> {
    require(commit.epoch == current, GroupRule::OnePerEpoch)
}

/// `GRP-03`.
pub fn carries_by_value(commit: &CommitFacts) -> Result<(), Broken> {
    require(commit.by_reference == 0, GroupRule::ByValue)
}

/// `GRP-04`.
pub fn only_adds_and_removes(commit: &CommitFacts) -> Result<(), Broken> {
    require(commit.other_proposals.is_empty(), GroupRule::AddOrRemove)
}

/// `GRP-05`.
pub fn has_path(commit: &CommitFacts) -> Result<(), Broken> {
    require(commit.sender_after.is_some(), GroupRule::HasPath)
}

/// `GRP-06`. The old leaf is the one with the sender's key; that both are certified for one device is `GRP-08`.
pub fn only_resyncs(commit: &CommitFacts) -> Result<(), Broken> {
    if let Sender::Member(_) = commit.sender {
        return Ok(());
    }
    let own = match (commit.removed.as_slice(), &commit.sender_after) {
        ([old], Some(new)) => old.signature_key == new.signature_key,
        _ => false,
    };
    require(own && commit.added.is_empty(), GroupRule::Resync)
}

/// `GRP-13`.
pub fn within_limits(commit: &CommitFacts) -> Result<(), Broken> {
    let members = (1..=MAX_MEMBERS).contains(&commit.members_after());
    require(members && commit.message_len <= MAX_MESSAGE_LEN, GroupRule::Limits)
}

/// `GRP-11`, `GRP-12` and `GRP-21` for a key package.
pub fn key_package_is_sound(package: &KeyPackageFacts) -> Result<(), Broken> {
    require(package.suite == SUITE, GroupRule::Suite)?;
    let keys = [&package.encryption_key, &package.init_key];
    require(keys.iter().all(|key| xwing::is_well_formed(key)), GroupRule::WellFormedKeys)?;
    let marked: &[u16] = if package.last_resort { &[LAST_RESORT] } else { &[] };
    require(package.leaf_extensions.is_empty() && package.extensions == marked, GroupRule::Extensions)
}

/// `GRP-11` and `GRP-12` for a leaf.
pub fn leaf_is_sound(leaf: &LeafFacts) -> Result<(), Broken> {
    require(xwing::is_well_formed(&leaf.encryption_key), GroupRule::WellFormedKeys)?;
    require(leaf.extensions.is_empty(), GroupRule::Extensions)
}

/// `GRP-10`: at an upload, a fetch and an Add, by the log's time at that position, never by a member's clock.
pub fn key_package_is_timely(package: &KeyPackageFacts, now: LogTime) -> Result<(), Broken> {
    let now = now.seconds();
    let range = package.not_after.checked_sub(package.not_before);
    let bounded = range.is_some_and(|range| range <= MAX_KEY_PACKAGE_LIFETIME);
    let begun = package.not_before <= now.saturating_add(CLOCK_SKEW);
    let fresh = now.saturating_sub(package.not_before) <= MAX_KEY_PACKAGE_AGE && now < package.not_after;
    require(bounded && begun && fresh, GroupRule::Lifetime)
}

/// `GRP-14`. That size and root belong together is judged where the log is known.
pub fn context_advances(commit: &CommitFacts, previous: Option<&CommitContext>) -> Result<(), Broken> {
    let Some(previous) = previous else { return Ok(()) };
    let now = &commit.context;
    let log = now.log_size > previous.log_size || (now.log_size == previous.log_size && now.log_root == previous.log_root);
    let registry = now.registry_sequence > previous.registry_sequence
        || (now.registry_sequence == previous.registry_sequence && now.registry_commitment == previous.registry_commitment);
    require(log && registry, GroupRule::ContextAdvances)
}

/// `GRP-22`: by records alone, so that all members decide alike.
///
/// `left_out` is the recorded time of the first record of the registry's or the case's chain that stands at or above the context's log
/// size and before the commit's own record, `entered` that of the commit's record.
pub fn context_is_recent(left_out: Option<LogTime>, entered: LogTime) -> Result<(), Broken> {
    let stood = left_out.map_or(0, |time| entered.millis().saturating_sub(time.millis()));
    require(stood <= MAX_CONTEXT_LAG_MILLIS, GroupRule::ContextIsRecent)
}

/// `GRP-15`. The first commit of a group names version 1 in generation 0, and any version in a successor group.
///
/// Whether an addition is full history, and so may leave the version, is judged with the grants.
pub fn ring_is_renewed(commit: &CommitFacts, previous: Option<&CommitContext>) -> Result<(), Broken> {
    let now = &commit.context;
    let holds = match (previous, commit.sender) {
        (None, Sender::Member(_)) => commit.group.generation > 0 || now.ring_version == RingVersion::FIRST,
        (None, Sender::External(_)) => false,
        (Some(previous), sender) => {
            let same = now.ring_version == previous.ring_version && now.ring_commitment == previous.ring_commitment;
            let next = previous.ring_version.next() == Some(now.ring_version) && now.ring_commitment != previous.ring_commitment;
            match sender {
                Sender::External(_) => same,
                Sender::Member(_) => next || (same && commit.removed.is_empty()),
            }
        }
    };
    require(holds, GroupRule::RingRenewed)
}

/// `GRP-18`.
pub fn welcome_names_group(joined: (GroupId, Epoch), claimed: (GroupId, Epoch)) -> Result<(), Broken> {
    require(joined == claimed, GroupRule::WelcomeNamesGroup)
}

/// `GRP-19`, with `GRP-11` and `GRP-12` for the founder's leaf.
pub fn founds_group(epoch: Epoch, leaves: &[LeafFacts]) -> Result<(), Broken> {
    let [leaf] = leaves else { return Err(Broken(GroupRule::Founding)) };
    require(epoch == Epoch(0) && leaf.index == LeafIndex(0), GroupRule::Founding)?;
    leaf_is_sound(leaf)
}

/// `GRP-09`: `key` is that of the certificate by which the delivering request was authenticated.
///
/// The server needs it because without membership and confirmation tags it would follow a damaged copy of a member's commit.
pub fn sender_is_device(commit: &CommitFacts, key: &[u8; 32]) -> Result<(), Broken> {
    let leaf = commit.sender_before.as_ref().or(commit.sender_after.as_ref());
    require(leaf.is_some_and(|leaf| leaf.signature_key == *key), GroupRule::SenderIsDevice)
}

/// Whether a leaf is a person's own or an office's recovery device. Other roles have no leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeafRole {
    /// A device of a person who works on the case.
    Person,
    /// The recovery device of an office.
    Recovery,
}

/// A leaf whose certificate was valid, not expired and not revoked at the commit's position in the log. Only that check makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertifiedLeaf {
    /// Its place.
    pub index: LeafIndex,
    /// The person, with their office.
    pub person: PersonId,
    /// The device.
    pub device: DeviceId,
    /// What the certificate's role lets it be here.
    pub role: LeafRole,
    /// The certificate's Ed25519 key.
    pub key: [u8; 32],
}

/// `GRP-07`.
pub fn leaf_key_is_certified(leaf: &LeafFacts, certified: &CertifiedLeaf) -> Result<(), Broken> {
    require(leaf.index == certified.index && leaf.signature_key == certified.key, GroupRule::CertifiedKey)
}

/// `GRP-08`: the sender's leaf before and after, or in a resync the removed and the new one.
pub fn succeeds(old: &CertifiedLeaf, new: &CertifiedLeaf) -> Result<(), Broken> {
    let same = old.person == new.person && old.device == new.device && old.role == new.role;
    require(same, GroupRule::Succession)
}

/// `GRP-16` and `GRP-20` over all leaves as they are after the commit.
pub fn membership_is_sound(after: &[CertifiedLeaf]) -> Result<(), Broken> {
    let mut devices = BTreeSet::new();
    require(after.iter().all(|leaf| devices.insert(leaf.device)), GroupRule::OneLeafPerDevice)?;
    let offices =
        |role| -> BTreeSet<&OfficeId> { after.iter().filter(|leaf| leaf.role == role).map(|leaf| leaf.person.office()).collect() };
    require(offices(LeafRole::Person).is_subset(&offices(LeafRole::Recovery)), GroupRule::RecoveryPresent)
}

/// `GRP-17`: `named` are the leaves of devices that left or were revoked at or below the commit's log size.
pub fn removes_named(commit: &CommitFacts, named: &[LeafIndex]) -> Result<(), Broken> {
    let removed: BTreeSet<LeafIndex> = commit.removed.iter().map(|leaf| leaf.index).collect();
    require(named.iter().all(|index| removed.contains(index)), GroupRule::RemovesNamed)
}

/// Applies the rules that need certificates to a commit: `GRP-07`, `08`, `10`, `16`, `17`, `20`; returns the leaves after it.
///
/// `before` are all leaves before the commit, as an earlier judgement returned them. `now` is the recorded time of the
/// commit's own record. `certify` judges a leaf's certificate at that size, or returns the rule of identity that it breaks; it
/// is asked for the sender's new leaf and for every added one. The sender's old certificate may have expired: it was judged when it
/// entered.
///
/// # Errors
/// The first rule that is broken, or what `certify` returned.
pub fn judge_certified<E: From<Broken>>(
    commit: &CommitFacts,
    before: &[CertifiedLeaf],
    named: &[LeafIndex],
    now: LogTime,
    mut certify: impl FnMut(&LeafFacts) -> Result<CertifiedLeaf, E>,
) -> Result<Vec<CertifiedLeaf>, E> {
    let new = commit.sender_after.as_ref().ok_or(Broken(GroupRule::HasPath))?;
    let old = match commit.sender {
        Sender::Member(_) => commit.sender_before.as_ref(),
        Sender::External(_) => commit.removed.first(),
    };
    let old = old.ok_or(Broken(GroupRule::Resync))?;
    let old_certified = before.iter().find(|leaf| leaf.index == old.index).ok_or(Broken(GroupRule::Succession))?;
    leaf_key_is_certified(old, old_certified)?;
    let sender = certify(new)?;
    leaf_key_is_certified(new, &sender)?;
    succeeds(old_certified, &sender)?;
    let gone = |leaf: &&CertifiedLeaf| leaf.index == old.index || commit.removed.iter().any(|removed| removed.index == leaf.index);
    let mut after: Vec<CertifiedLeaf> = before.iter().filter(|leaf| !gone(leaf)).cloned().collect();
    after.push(sender);
    for added in &commit.added {
        key_package_is_timely(&added.key_package, now)?;
        let leaf = added.leaf();
        let certified = certify(&leaf)?;
        leaf_key_is_certified(&leaf, &certified)?;
        after.push(certified);
    }
    after.sort_unstable_by_key(|leaf| leaf.index);
    removes_named(commit, named)?;
    membership_is_sound(&after)?;
    Ok(after)
}

/// Judges all members of a group that a device joins or comes back to: `GRP-07`, `11`, `12`, `16`, `20`; returns them.
///
/// `certify` must not refuse a member only because its certificate has expired since it entered: that would lock joiners out.
///
/// # Errors
/// The first rule that is broken, or what `certify` returned.
pub fn judge_members<E: From<Broken>>(
    members: &[LeafFacts],
    mut certify: impl FnMut(&LeafFacts) -> Result<CertifiedLeaf, E>,
) -> Result<Vec<CertifiedLeaf>, E> {
    let mut all = Vec::with_capacity(members.len());
    for leaf in members {
        leaf_is_sound(leaf)?;
        let certified = certify(leaf)?;
        leaf_key_is_certified(leaf, &certified)?;
        all.push(certified);
    }
    membership_is_sound(&all)?;
    Ok(all)
}

#[cfg(test)]
mod tests;
