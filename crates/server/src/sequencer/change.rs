//! A commit: checked against the group as the server follows it, then applied in one step with all that goes with it.

use std::collections::BTreeSet;

use custodia_core::custody::body::{Add, Body, Disclosure, MemberChange, Terms};
use custodia_core::custody::facts::{ChangeFacts, ExhibitState, LeafFacts as MemberFacts};
use custodia_core::custody::intent::SignedIntent;
use custodia_core::custody::rules::{MEM_01, may_open};
use custodia_core::digest::Sha256Digest;
use custodia_core::group::context::CommitContext;
use custodia_core::group::facts::{CommitFacts, Epoch, GroupId, LeafFacts, LeafIndex, Sender};
use custodia_core::group::rules::{self, CertifiedLeaf, GroupRule, LeafRole};
use custodia_core::identity::{AsOf, Certificate, CertificateId, RegistrySeq, Role, Standing};
use custodia_core::ids::{CaseId, DeviceId, ExhibitId, OfficeId};
use custodia_core::log::merkle::TreeSize;
use custodia_failpoint::fail_point;
use custodia_mls::{CheckedCommit, FollowedGroup};

use super::acts::{ActFailure, BrokenRule};
use super::append::Growing;
use super::effects::{broken, of_mls};
use super::facts::parse_state;
use super::recovery;
use super::turn::read_frontier;
use super::{Act, ChangeMessage};
use crate::error::Refusal;
use crate::store::cases::{self, Commit, Member};
use crate::store::place::Place;
use crate::store::{Conn, StoreError, exhibits, log};

/// A commit that keeps every rule of MLS structure and of certificates; the custody rules judge its facts next.
pub(super) struct CheckedChange {
    pub facts: ChangeFacts,
    group: FollowedGroup,
    commit: CheckedCommit,
}

impl From<rules::Broken> for ActFailure {
    fn from(rules::Broken(rule): rules::Broken) -> Self {
        Self::Rule(BrokenRule { id: rule.id(), demands: rule.sentence().to_owned() })
    }
}

pub(super) fn id_of(leaf: &LeafFacts) -> Sha256Digest {
    Sha256Digest::of(&[&leaf.certificate])
}

/// Checks a commit. `following` are the acts that are entered with it: grants to those who join.
pub(super) async fn check(
    conn: &mut Conn,
    growing: &Growing,
    intent: &SignedIntent,
    body: &MemberChange,
    message: &ChangeMessage,
    following: &[Act],
) -> Result<CheckedChange, ActFailure> {
    let stored = cases::group(conn, intent.case).await?.ok_or(Refusal::NotFound("case"))?;
    if body.epoch != stored.place.epoch {
        return Err(Refusal::StaleEpoch { current: stored.place.epoch }.into());
    }
    let group = FollowedGroup::load(&stored.state).map_err(of_mls)?;
    let commit = group.check(&message.commit).map_err(of_mls)?;
    let facts = &commit.facts;
    let sender = growing.mirror.certificate(intent.signer()).ok_or(Refusal::UnknownDevice)?;
    rules::sender_is_device(facts, sender.key().as_bytes())?;
    let previous = CommitContext::decode(&stored.context).map_err(|_| StoreError::Corrupt("a commit's context"))?;
    let id = GroupId { case: intent.case, generation: stored.place.generation };
    rules::judge_structure(facts, &rules::Standing { group: id, epoch: Epoch(stored.place.epoch), context: Some(previous) })?;
    context_is_true(conn, growing, &facts.context).await?;
    context_is_recent(conn, growing, intent.case, &facts.context).await?;

    let members = cases::members(conn, intent.case).await?;
    judge_leaves(growing, &group, facts, &members)?;

    let matches = digests_match(body, message) && names_the_commit(body, facts, intent.signer());
    let actor = (sender.device(), sender.office());
    let owed = undisclosed(conn, growing, intent, actor, body, following).await?;
    let replacements = recovery::replacements(conn, growing, intent.case, actor.1, body).await?;
    let facts = change_facts(growing, body, &members, matches)?;
    let facts = ChangeFacts { undisclosed_for_full: owed.full, undisclosed_for_recovery: owed.recovery, replacements, ..facts };
    Ok(CheckedChange { facts, group, commit })
}

/// The context names a tree of this log and the registry's true head in it; else members would judge by different sets.
pub(super) async fn context_is_true(conn: &mut Conn, growing: &Growing, context: &CommitContext) -> Result<(), ActFailure> {
    let untrue = || broken(GroupRule::ContextAdvances);
    let size = TreeSize::new(context.log_size).ok().filter(|size| *size <= growing.start).ok_or_else(untrue)?;
    let root = read_frontier(conn, size).await?.root();
    let registry = log::registry_head_at(conn, context.log_size).await?.ok_or_else(untrue)?;
    let holds = *root.as_bytes() == *context.log_root.as_bytes()
        && registry.seq.0 == context.registry_sequence
        && registry.commitment.0 == context.registry_commitment;
    if holds { Ok(()) } else { Err(untrue()) }
}

/// What the context leaves out of the registry and the case has not stood for long.
pub(super) async fn context_is_recent(conn: &mut Conn, growing: &Growing, case: CaseId, context: &CommitContext) -> Result<(), ActFailure> {
    let registry = log::first_time_from(conn, CaseId::REGISTRY, context.log_size).await?;
    let case = log::first_time_from(conn, case, context.log_size).await?;
    Ok(rules::context_is_recent(registry.into_iter().chain(case).min(), growing.time)?)
}

/// Judges every leaf's certificate by the registry that the commit names, at the time that its record will carry: exactly as members do.
pub(super) fn judge_leaves(growing: &Growing, group: &FollowedGroup, facts: &CommitFacts, members: &[Member]) -> Result<(), ActFailure> {
    let time = growing.time;
    let at = AsOf { seq: RegistrySeq::new(facts.context.registry_sequence), time };
    let leaves = group.members().map_err(of_mls)?;
    let registry = growing.mirror.registry();
    let known =
        |leaf: &LeafFacts| registry.certificate(CertificateId::of(&leaf.certificate)).map(|known| certified_leaf(leaf.index, known));
    let before: Vec<CertifiedLeaf> = leaves.iter().map(known).collect::<Option<_>>().ok_or_else(|| broken(GroupRule::CertifiedKey))?;
    let gone = |leaf: &&LeafFacts| {
        let device = registry.certificate(CertificateId::of(&leaf.certificate)).map(Certificate::device);
        let left = members.iter().find(|member| Some(member.device) == device).and_then(|member| member.left);
        let standing = registry.standing(CertificateId::of(&leaf.certificate), at);
        left.is_some_and(|index| index < facts.context.log_size) || matches!(standing, Standing::Revoked(_))
    };
    let named: Vec<LeafIndex> = leaves.iter().filter(gone).map(|leaf| leaf.index).collect();
    let certify = |leaf: &LeafFacts| {
        let certificate = registry.acting(CertificateId::of(&leaf.certificate), at).map_err(|error| match error.rule() {
            Some(rule) => ActFailure::Rule(BrokenRule { id: rule.id(), demands: error.to_string() }),
            None => broken(GroupRule::CertifiedKey),
        })?;
        Ok(certified_leaf(leaf.index, certificate))
    };
    rules::judge_certified(facts, &before, &named, growing.time, certify).map(|_| ())
}

fn certified_leaf(index: LeafIndex, certificate: &Certificate) -> CertifiedLeaf {
    let role = if certificate.role() == Role::Recovery { LeafRole::Recovery } else { LeafRole::Person };
    CertifiedLeaf { index, person: certificate.person().clone(), device: certificate.device(), role, key: certificate.key().to_bytes() }
}

fn digests_match(body: &MemberChange, message: &ChangeMessage) -> bool {
    let digest = |bytes: &Vec<u8>| Sha256Digest::of(&[bytes]);
    let welcomes = body.adds.iter().any(|add| add.terms != Terms::Resync);
    body.commit == digest(&message.commit)
        && body.welcome == message.welcome.as_ref().map(digest)
        && body.ring_row == message.ring_row.as_ref().map(digest)
        && message.welcome.is_some() == welcomes
        && message.ring_row.is_some() != body.resync
}

/// Whether the intent names exactly those whom the commit adds and removes, and is signed under the certificate that the committer's leaf
/// has from now on. A device that returns removes its old leaf and adds its new one; one that renews its certificate does neither.
fn names_the_commit(body: &MemberChange, facts: &CommitFacts, signer: Sha256Digest) -> bool {
    let external = matches!(facts.sender, Sender::External(_));
    let own_new = facts.sender_after.as_ref().map(id_of);
    let mut added: Vec<Sha256Digest> = facts.added.iter().map(|added| id_of(&added.leaf())).collect();
    let removed: Vec<Sha256Digest> = facts.removed.iter().map(id_of).collect();
    if external {
        added.extend(own_new);
    }
    let returning = |add: &Add| (add.terms == Terms::Resync) == (own_new == Some(add.certificate));
    let set = |digests: &[Sha256Digest]| digests.iter().copied().collect::<BTreeSet<_>>();
    let adds: Vec<Sha256Digest> = body.adds.iter().map(|add| add.certificate).collect();
    let once = adds.len() == added.len() && body.removes.len() == removed.len();
    once && own_new == Some(signer)
        && set(&adds) == set(&added)
        && set(&body.removes) == set(&removed)
        && body.adds.iter().all(|add| returning(add) && add.terms != Terms::Founder)
        && body.resync == external
        && body.ring_version == facts.context.ring_version.number()
        && body.ring_commitment == facts.context.ring_commitment
}

/// How many disclosures additions still owe.
#[derive(Default)]
struct Owed {
    full: usize,
    recovery: usize,
}

/// Additions with full history owe one for each exhibit that the actor may open; those in a lost device's place, for each that both may open.
async fn undisclosed(
    conn: &mut Conn,
    growing: &Growing,
    intent: &SignedIntent,
    (actor, office): (DeviceId, &OfficeId),
    body: &MemberChange,
    following: &[Act],
) -> Result<Owed, StoreError> {
    let mut owed = Owed::default();
    let full: Vec<Sha256Digest> = body.adds.iter().filter(|add| add.terms == Terms::Full).map(|add| add.certificate).collect();
    let mut in_place = Vec::new();
    for add in body.adds.iter().filter(|add| add.terms == Terms::Recovery) {
        let held = recovery::held_by_lost(conn, growing, intent.case, office, add.certificate).await?;
        in_place.extend(held.map(|held| (add.certificate, held)));
    }
    if full.is_empty() && in_place.is_empty() {
        return Ok(owed);
    }
    let disclosed: BTreeSet<(Sha256Digest, ExhibitId)> = following
        .iter()
        .filter(|act| act.intent.signer() == intent.signer() && act.intent.case == intent.case)
        .filter_map(|act| match &act.intent.body {
            Body::Disclosure(Disclosure::Grant { device, .. }) => act.intent.exhibit.map(|exhibit| (*device, exhibit)),
            _ => None,
        })
        .collect();
    let first_ring = cases::member(conn, intent.case, actor).await?.map_or(u32::MAX, |member| member.first_ring);
    for exhibit in exhibits::exhibits_of(conn, intent.case).await? {
        let granted = cases::is_granted(conn, exhibit.id, actor).await?;
        if parse_state(&exhibit.state)? != ExhibitState::Erased && may_open(first_ring, granted, exhibit.ring_version) {
            let missing = |device: &Sha256Digest| !disclosed.contains(&(*device, exhibit.id));
            owed.full += full.iter().filter(|device| missing(device)).count();
            let owing = in_place.iter().filter(|(_, held)| held.could_open(exhibit.id, exhibit.ring_version));
            owed.recovery += owing.filter(|(device, _)| missing(device)).count();
        }
    }
    Ok(owed)
}

fn change_facts(growing: &Growing, body: &MemberChange, members: &[Member], matches: bool) -> Result<ChangeFacts, ActFailure> {
    let leaf = |certificate: &Sha256Digest| {
        let (device, revoked) = growing.mirror.device_facts(*certificate, growing.time).ok_or(MEM_01)?;
        let left = members.iter().any(|member| member.device == device.id && member.left.is_some());
        Ok::<_, ActFailure>(MemberFacts { device, gone: revoked || left })
    };
    let adds: Vec<MemberFacts> = body.adds.iter().map(|add| leaf(&add.certificate)).collect::<Result<_, _>>()?;
    let removes: Vec<MemberFacts> = body.removes.iter().map(leaf).collect::<Result<_, _>>()?;
    let is_removed = |device: DeviceId| removes.iter().any(|leaf: &MemberFacts| leaf.device.id == device);
    let staying = members.iter().filter(|member| !is_removed(member.device));
    let mut after: Vec<MemberFacts> = staying.map(|member| leaf(&member.certificate)).collect::<Result<_, _>>()?;
    after.extend(adds.iter().cloned());
    let removed_are_members = removes.iter().all(|leaf| members.iter().any(|member| member.device == leaf.device.id));
    let once = after.iter().map(|leaf| leaf.device.id).collect::<BTreeSet<_>>().len() == after.len();
    let intent_matches_commit = matches && removed_are_members && once;
    let (undisclosed_for_full, undisclosed_for_recovery, replacements) = (0, 0, Vec::new());
    Ok(ChangeFacts { intent_matches_commit, adds, removes, after, undisclosed_for_full, undisclosed_for_recovery, replacements })
}

/// A GroupInfo is made for the epoch that has just begun, by its committer: whoever comes back by it comes back into this group.
pub(super) fn leads_back(group: &FollowedGroup, group_info: &[u8], intent: &SignedIntent) -> Result<(), ActFailure> {
    let signed_by = group.check_group_info(group_info);
    let signed_by = signed_by.map_err(|_| Refusal::Malformed("the GroupInfo is not of the epoch that the commit begins".to_owned()))?;
    if id_of(&signed_by) != intent.signer() {
        return Err(Refusal::Malformed("the GroupInfo is signed by another leaf than the commit's".to_owned()).into());
    }
    Ok(())
}

/// Applies a commit that was judged: group, members, ring version, commit and Welcomes.
pub(super) async fn apply(
    conn: &mut Conn,
    growing: &Growing,
    intent: &SignedIntent,
    body: &MemberChange,
    change: CheckedChange,
    index: u64,
    message: &ChangeMessage,
) -> Result<(), ActFailure> {
    let CheckedChange { mut group, commit, .. } = change;
    let context = commit.facts.context.encode().to_vec();
    group.apply(commit).map_err(of_mls)?;
    leads_back(&group, &message.group_info, intent)?;
    let made = Place { generation: group.id().generation, epoch: body.epoch };
    let next = cases::Group { place: made.next(), context, state: group.to_blob(), info: message.group_info.clone() };
    fail_point!("server.commit.applied");
    if !cases::swap_group(conn, intent.case, made, &next).await? {
        let current = cases::place(conn, intent.case).await?.map_or(0, |place| place.epoch);
        return Err(Refusal::StaleEpoch { current }.into());
    }
    let device_of = |certificate: Sha256Digest| growing.mirror.device(certificate).ok_or(Refusal::UnknownDevice);
    // Who comes back on the terms that it had is the actor itself.
    let own = cases::member(conn, intent.case, device_of(intent.signer())?).await?;
    for certificate in &body.removes {
        let device = device_of(*certificate)?;
        if !body.resync {
            recovery::retire(conn, growing, intent.case, *certificate, index).await?;
        }
        cases::remove_member(conn, intent.case, device).await?;
        if !body.resync {
            cases::end_membership(conn, intent.case, device).await?;
        }
    }
    recovery::carry_out(conn, growing, intent, body, index).await?;
    cases::set_ring_version(conn, intent.case, body.ring_version).await?;
    for add in &body.adds {
        let kept = match add.terms {
            Terms::Full | Terms::Resync => own,
            Terms::Founder | Terms::Chosen | Terms::None | Terms::Recovery => None,
        };
        let first_ring = kept.map_or(body.ring_version, |member| member.first_ring);
        // A resync is the same membership.
        let since = own.filter(|_| add.terms == Terms::Resync).map_or(index, |member| member.since);
        cases::insert_member(conn, intent.case, (device_of(add.certificate)?, add.certificate), first_ring, since).await?;
    }
    let welcomed = body.adds.iter().filter(|add| add.terms != Terms::Resync).map(|add| device_of(add.certificate));
    let welcomed: Vec<DeviceId> = welcomed.collect::<Result<_, _>>()?;
    let row = Commit {
        place: made,
        message: message.commit.clone(),
        welcome: message.welcome.clone(),
        ring_row: message.ring_row.clone(),
        index,
    };
    cases::insert_commit(conn, intent.case, &row, group.confirmed_transcript_hash(), &welcomed).await?;
    fail_point!("server.commit.accepted");
    Ok(())
}
