//! Successor groups: checked like a founding and a commit at once, and put in the place of the group that ends in the same transaction.

use std::collections::{BTreeMap, BTreeSet};

use custodia_core::custody::body::Body;
use custodia_core::custody::facts::{DeviceFacts, LeafFacts as MemberFacts};
use custodia_core::custody::intent::{SignedIntent, UnverifiedIntent};
use custodia_core::custody::record::Core;
use custodia_core::custody::rules::SUC_01;
use custodia_core::custody::succession::{GroupSucceed, LeftOut, SuccessionFacts};
use custodia_core::digest::Sha256Digest;
use custodia_core::group::facts::{Epoch, GroupId};
use custodia_core::group::rules::{self, GroupRule};
use custodia_core::ids::{CaseId, DeviceId};
use custodia_failpoint::fail_point;
use custodia_mls::{CheckedCommit, FollowedGroup};

use super::ChangeMessage;
use super::acts::ActFailure;
use super::append::Growing;
use super::change;
use super::effects::{broken, of_mls};
use super::recovery;
use crate::error::Refusal;
use crate::store::cases::{self, Commit};
use crate::store::place::Place;
use crate::store::{Conn, StoreError, log};

/// A successor group that keeps every rule.
pub(super) struct CheckedSuccessor {
    group: FollowedGroup,
    commit: CheckedCommit,
}

/// What holds of a successor group; whether its bytes are those named, [`check`] sees.
pub(super) async fn facts(
    conn: &mut Conn,
    growing: &Growing,
    case: CaseId,
    body: &GroupSucceed,
    founder: &DeviceFacts,
) -> Result<Option<SuccessionFacts>, StoreError> {
    let (Some(current), Some(known)) = (cases::place(conn, case).await?, cases::case(conn, case).await?) else { return Ok(None) };
    let leaf = |certificate: &Sha256Digest| {
        let (device, revoked) = growing.mirror.device_facts(*certificate, growing.time)?;
        Some(MemberFacts { device, gone: revoked })
    };
    let Some(members) = body.members.iter().map(leaf).collect::<Option<Vec<_>>>() else { return Ok(None) };
    let bad = match Place::named(current.generation, body.epoch) {
        Some(at) => cases::commits_from(conn, case, at, 1).await?.pop().filter(|row| row.place == at),
        None => None,
    };
    let left_out = match bad.filter(|row| Sha256Digest::of(&[&row.message]) == body.bad) {
        Some(row) => Some(left_out(conn, growing, case, &row, body.bad).await?),
        None => None,
    };
    Ok(Some(SuccessionFacts {
        founder: founder.id,
        names_the_bytes: true,
        generation: current.generation,
        ring_version: known.ring_version,
        left_out,
        members,
    }))
}

/// What members did about a commit: read from the case's chain after it, up to the first act that acknowledges it.
async fn left_out(conn: &mut Conn, growing: &Growing, case: CaseId, bad: &Commit, digest: Sha256Digest) -> Result<LeftOut, StoreError> {
    const PAGE: u64 = 256;
    let corrupt = || StoreError::Corrupt("the record of a commit");
    let parse = |core: &[u8]| {
        let core = Core::from_bytes(core).map_err(|_| StoreError::Corrupt("a record's core part"))?;
        UnverifiedIntent::parse(&core.intent).map_err(|_| StoreError::Corrupt("a record's intent"))
    };
    let record = log::record(conn, bad.index).await?.ok_or_else(corrupt)?;
    let (core, _) = record.core.as_ref().ok_or_else(corrupt)?;
    let author = growing.mirror.certificate(parse(core)?.signer()).ok_or_else(corrupt)?.person().clone();

    let mut both = BTreeMap::new();
    for member in cases::members(conn, case).await?.into_iter().filter(|member| member.since < bad.index) {
        let (device, revoked) = growing.mirror.device_facts(member.certificate, growing.time).ok_or_else(corrupt)?;
        let good_standing = growing.mirror.registry().current(member.device, growing.mirror.as_of(growing.time)).is_some();
        let leaf = MemberFacts { device: DeviceFacts { good_standing, ..device }, gone: revoked || member.left.is_some() };
        both.insert(member.device, leaf);
    }

    let (mut reporters, mut acknowledged_by) = (BTreeMap::new(), BTreeSet::new());
    let mut next = record.case.seq.0 + 1;
    while acknowledged_by.iter().all(|person| *person == author) {
        let page = log::accepted_in_case(conn, case, next, PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        next = last + 1;
        // An erased payload was a consultation's.
        for core in page.iter().filter_map(|(_, core)| core.as_ref()) {
            let intent = parse(core)?;
            let device = growing.mirror.device(intent.signer());
            let Some(leaf) = device.and_then(|device| both.get(&device)) else { continue };
            match &intent.unverified().body {
                Body::GroupReport(report) if report.commit == digest && !leaf.gone => {
                    reporters.insert(leaf.device.id, leaf.device.clone());
                }
                _ => {}
            }
            let seen = intent.unverified().group.as_ref();
            let group = seen.and_then(|seen| GroupId::from_bytes(&seen.id.0));
            if group.is_some_and(|group| group.generation == bad.place.generation) && seen.is_some_and(|seen| seen.epoch > bad.place.epoch)
            {
                acknowledged_by.insert(leaf.device.person.clone());
            }
        }
    }
    Ok(LeftOut { author, reporters: reporters.into_values().collect(), acknowledged_by, both })
}

/// Checks the group at epoch 0 and the commit that adds the others.
pub(super) async fn check(
    conn: &mut Conn,
    growing: &Growing,
    intent: &SignedIntent,
    body: &GroupSucceed,
    founding: &[u8],
    message: &ChangeMessage,
) -> Result<CheckedSuccessor, ActFailure> {
    let id = GroupId { case: intent.case, generation: body.generation };
    let group = FollowedGroup::found(id, founding).map_err(of_mls)?;
    if group.members().map_err(of_mls)?.iter().any(|leaf| change::id_of(leaf) != intent.signer()) {
        return Err(broken(GroupRule::Founding));
    }
    let commit = group.check(&message.commit).map_err(of_mls)?;
    let facts = &commit.facts;
    let sender = growing.mirror.certificate(intent.signer()).ok_or(Refusal::UnknownDevice)?;
    rules::sender_is_device(facts, sender.key().as_bytes())?;
    rules::judge_structure(facts, &rules::Standing { group: id, epoch: Epoch(0), context: None })?;
    change::context_is_true(conn, growing, &facts.context).await?;
    change::context_is_recent(conn, growing, intent.case, &facts.context).await?;
    change::judge_leaves(growing, &group, facts, &[])?;

    let digest = |bytes: &Vec<u8>| Sha256Digest::of(&[bytes]);
    let mut members: BTreeSet<Sha256Digest> = facts.added.iter().map(|added| change::id_of(&added.leaf())).collect();
    members.insert(intent.signer());
    let matches = body.group_info == Sha256Digest::of(&[founding])
        && body.commit == digest(&message.commit)
        && body.welcome == message.welcome.as_ref().map(digest)
        && message.welcome.is_some() != facts.added.is_empty()
        && Some(body.ring_row) == message.ring_row.as_ref().map(digest)
        && body.members.iter().copied().collect::<BTreeSet<_>>() == members
        && body.members.len() == facts.added.len() + 1
        && body.ring_version == facts.context.ring_version.number()
        && body.ring_commitment == facts.context.ring_commitment;
    if matches { Ok(CheckedSuccessor { group, commit }) } else { Err(SUC_01.into()) }
}

/// Puts the successor group in the place of the one that ends; nobody follows that one any more.
pub(super) async fn apply(
    conn: &mut Conn,
    growing: &Growing,
    intent: &SignedIntent,
    body: &GroupSucceed,
    successor: CheckedSuccessor,
    message: &ChangeMessage,
    index: u64,
) -> Result<(), ActFailure> {
    let CheckedSuccessor { mut group, commit } = successor;
    let before = cases::place(conn, intent.case).await?.ok_or(Refusal::NotFound("case"))?;
    let context = commit.facts.context.encode().to_vec();
    group.apply(commit).map_err(of_mls)?;
    change::leads_back(&group, &message.group_info, intent)?;
    let made = Place { generation: body.generation, epoch: 0 };
    let next = cases::Group { place: made.next(), context, state: group.to_blob(), info: message.group_info.clone() };
    if !cases::swap_group(conn, intent.case, before, &next).await? {
        return Err(Refusal::StaleEpoch { current: before.epoch }.into());
    }
    let device_of = |certificate: Sha256Digest| growing.mirror.device(certificate).ok_or(Refusal::UnknownDevice);
    let named = body.members.iter().map(|one| Ok((device_of(*one)?, *one))).collect::<Result<BTreeMap<DeviceId, _>, Refusal>>()?;
    for member in cases::members(conn, intent.case).await? {
        if let Some(certificate) = named.get(&member.device) {
            cases::take_over(conn, intent.case, member.device, *certificate).await?;
        } else {
            recovery::retire(conn, growing, intent.case, member.certificate, index).await?;
            cases::remove_member(conn, intent.case, member.device).await?;
            cases::end_membership(conn, intent.case, member.device).await?;
        }
    }
    cases::forget_welcomes_past(conn, intent.case, Place { epoch: body.epoch, ..before }).await?;
    cases::set_ring_version(conn, intent.case, body.ring_version).await?;
    let founder = device_of(intent.signer())?;
    let welcomed: Vec<DeviceId> = named.into_keys().filter(|device| *device != founder).collect();
    let row = Commit {
        place: made,
        message: message.commit.clone(),
        welcome: message.welcome.clone(),
        ring_row: message.ring_row.clone(),
        index,
    };
    cases::insert_commit(conn, intent.case, &row, group.confirmed_transcript_hash(), &welcomed).await?;
    fail_point!("server.successor.founded");
    Ok(())
}
