//! Successor groups: checked like a founding and a commit at once, and put in the place of the group that ends in the same transaction.

use std::collections::{BTreeMap, BTreeSet};

use custodia_core::custody::facts::LeafFacts as MemberFacts;
use custodia_core::custody::intent::{GroupSeen, SignedIntent};
use custodia_core::custody::rules::SUC_01;
use custodia_core::custody::succession::{GroupSucceed, SuccessionFacts};
use custodia_core::digest::Sha256Digest;
use custodia_core::group::facts::{Epoch, GroupId, LeafFacts};
use custodia_core::group::rules::{self, GroupRule};
use custodia_failpoint::fail_point;
use custodia_mls::{CheckedCommit, FollowedGroup};

use super::ChangeMessage;
use super::acts::ActFailure;
use super::append::Growing;
use super::change;
use super::effects::{broken, of_mls};
use crate::error::Refusal;
use crate::store::cases::{self, Commit, Place};
use crate::store::{Conn, StoreError, successors};

/// A successor group that keeps every rule of MLS structure and of certificates; the custody rules judge the rest.
pub(super) struct CheckedSuccessor {
    group: FollowedGroup,
    commit: CheckedCommit,
}

fn id_of(leaf: &LeafFacts) -> Sha256Digest {
    Sha256Digest::of(&[&leaf.certificate])
}

/// What holds of a successor group; that its bytes are those named, [`check`] has seen.
pub(super) async fn facts(
    conn: &mut Conn,
    growing: &Growing,
    intent: &SignedIntent,
    body: &GroupSucceed,
) -> Result<SuccessionFacts, StoreError> {
    let current = cases::place(conn, intent.case).await?;
    let generation = current.map_or(0, |place| place.generation);
    let ring_version = cases::case(conn, intent.case).await?.map_or(0, |case| case.ring_version);
    let at = Place { generation, epoch: body.epoch.min(u64::from(u32::MAX)) };
    let device = |certificate| growing.mirror.device_facts(certificate, growing.time);
    let person = |certificate| device(certificate).map(|(device, _)| device.person);
    let made = successors::author(conn, intent.case, at).await?.filter(|(message, _)| Sha256Digest::of(&[message]) == body.bad);
    let reporters = successors::reporters(conn, intent.case, body.bad).await?;
    let mut both = BTreeMap::new();
    for (certificate, membership) in successors::in_both(conn, intent.case, at).await? {
        if let Some((facts, revoked)) = device(certificate) {
            both.insert(certificate, MemberFacts { device: facts, gone: revoked || membership.left });
        }
    }
    let held = successors::held_after(conn, intent.case, at).await?;
    Ok(SuccessionFacts {
        founder: intent.signer(),
        names_the_bytes: true,
        generation,
        ring_version,
        author: made.and_then(|(_, author)| person(author)),
        reporters: reporters.into_iter().filter_map(|id| device(id)).map(|(device, _)| device).collect(),
        acknowledged_by: held.into_iter().filter(|id| both.contains_key(id)).filter_map(person).collect(),
        both,
    })
}

/// Checks the group at epoch 0 and the commit that adds the others.
pub(super) async fn check(
    conn: &mut Conn,
    growing: &Growing,
    intent: &SignedIntent,
    body: &GroupSucceed,
    group_info: &[u8],
    founding: &ChangeMessage,
) -> Result<CheckedSuccessor, ActFailure> {
    let id = GroupId { case: intent.case, generation: body.generation };
    let group = FollowedGroup::found(id, group_info).map_err(of_mls)?;
    if group.members().map_err(of_mls)?.iter().any(|leaf| id_of(leaf) != intent.signer()) {
        return Err(broken(GroupRule::Founding));
    }
    let commit = group.check(&founding.commit).map_err(of_mls)?;
    let facts = &commit.facts;
    let sender = growing.mirror.certificate(intent.signer()).ok_or(Refusal::UnknownDevice)?;
    rules::sender_is_device(facts, sender.key().as_bytes())?;
    rules::judge_structure(facts, &rules::Standing { group: id, epoch: Epoch(0), context: None })?;
    change::context_is_true(conn, growing, &facts.context).await?;
    change::context_is_recent(conn, growing, intent.case, &facts.context).await?;
    change::judge_leaves(conn, growing, &group, facts, &[]).await?;

    let digest = |bytes: &Vec<u8>| Sha256Digest::of(&[bytes]);
    let mut members: Vec<Sha256Digest> = facts.added.iter().map(|added| id_of(&added.leaf())).collect();
    members.push(intent.signer());
    let set = |ids: &[Sha256Digest]| ids.iter().copied().collect::<BTreeSet<_>>();
    let matches = body.group_info == Sha256Digest::of(&[group_info])
        && body.commit == digest(&founding.commit)
        && body.welcome == founding.welcome.as_ref().map(digest)
        && founding.welcome.is_some() != facts.added.is_empty()
        && Some(body.ring_row) == founding.ring_row.as_ref().map(digest)
        && set(&body.members) == set(&members)
        && body.members.len() == members.len()
        && body.ring_version == facts.context.ring_version.number()
        && body.ring_commitment == facts.context.ring_commitment;
    if !matches {
        return Err(SUC_01.into());
    }
    Ok(CheckedSuccessor { group, commit })
}

/// Puts the successor group in the place of the one that ends; nobody follows that one any more.
pub(super) async fn apply(
    conn: &mut Conn,
    intent: &SignedIntent,
    body: &GroupSucceed,
    successor: CheckedSuccessor,
    founding: &ChangeMessage,
    index: u64,
) -> Result<(), ActFailure> {
    let CheckedSuccessor { mut group, commit } = successor;
    let before = cases::place(conn, intent.case).await?.ok_or(Refusal::NotFound("case"))?;
    let last_good = Place { generation: before.generation, epoch: body.epoch };
    let kept: BTreeMap<_, _> = successors::in_both(conn, intent.case, last_good).await?.into_iter().collect();
    let context = commit.facts.context.encode().to_vec();
    group.apply(commit).map_err(of_mls)?;
    let made = Place { generation: body.generation, epoch: 0 };
    let next = cases::Group { place: made.next(), context, state: group.to_blob() };
    if !cases::swap_group(conn, intent.case, before, &next).await? {
        return Err(Refusal::StaleEpoch { current: before.epoch }.into());
    }
    successors::end_all(conn, intent.case, made).await?;
    for certificate in &body.members {
        let membership = kept.get(certificate).ok_or(Refusal::Internal("a member of the successor group was none before"))?;
        cases::insert_member(conn, intent.case, *certificate, membership.first_ring, index, made).await?;
    }
    cases::forget_ended_welcomes(conn, intent.case, last_good).await?;
    cases::set_ring_version(conn, intent.case, body.ring_version).await?;
    let welcomed: Vec<Sha256Digest> = body.members.iter().copied().filter(|id| *id != intent.signer()).collect();
    let row = Commit {
        place: made,
        message: founding.commit.clone(),
        welcome: founding.welcome.clone(),
        ring_row: founding.ring_row.clone(),
        index,
    };
    cases::insert_commit(conn, intent.case, &row, group.confirmed_transcript_hash(), &welcomed).await?;
    fail_point!("server.successor.founded");
    Ok(())
}

/// An accepted act shows in which epoch its device is: the Welcomes before that are used up, and the epoch is acknowledged.
pub(super) async fn held(conn: &mut Conn, intent: &SignedIntent, seen: &GroupSeen) -> Result<(), StoreError> {
    let Some(GroupId { generation, .. }) = GroupId::from_bytes(&seen.id.0) else { return Ok(()) };
    let at = Place { generation, epoch: seen.epoch };
    cases::forget_welcomes(conn, intent.case, intent.signer(), at).await?;
    successors::hold(conn, intent.case, intent.signer(), at).await
}
