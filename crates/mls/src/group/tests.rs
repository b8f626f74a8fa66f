use custodia_core::group::facts::Sender;
use custodia_core::group::rules::{Broken, GroupRule, Standing, judge_structure};
use custodia_core::ids::CaseId;

use super::*;
use crate::tests::{CASE, Party, World, context, now, ring_key, ring_row};
use crate::{FollowedGroup, KeyPackageUse};

mod faults;

#[test]
fn server_and_members_see_the_same_facts_through_adding_updating_and_removing() {
    let mut world = World::with_members(4);
    let standing = Standing { group: CASE, epoch: world.server.epoch(), context: Some(context(3, 1)) };

    world.parties[1].device.certificate = vec![0xaa; 710];
    let update = world.parties[1].commit(Changes::default(), &context(4, 1));
    assert_eq!(update.welcome, None);
    assert_eq!(update.facts.sender, Sender::Member(LeafIndex(1)));
    assert_eq!(update.facts.sender_before.as_ref().unwrap().certificate, vec![2; 700]);
    assert_eq!(update.facts.sender_after.as_ref().unwrap().certificate, vec![0xaa; 710]);
    assert_eq!(judge_structure(&update.facts, &standing), Ok(()));
    world.deliver(1, &update);

    let remove = world.parties[2].commit(Changes { add: Vec::new(), remove: vec![LeafIndex(1), LeafIndex(3)] }, &context(5, 2));
    assert_eq!(remove.facts.removed[0].certificate, vec![0xaa; 710]);
    assert_eq!((remove.facts.removed.len(), remove.facts.members_after()), (2, 2));
    world.deliver(2, &remove);
    world.check();
    assert_eq!(world.server.members().unwrap().len(), 2);
}

#[test]
fn removed_member_gets_no_key_of_the_later_epoch_and_can_be_added_again() {
    let mut world = World::with_members(3);
    let remove = world.parties[0].commit(Changes { add: Vec::new(), remove: vec![LeafIndex(1)] }, &context(3, 2));
    let row = ring_row(&world.parties[0], 2);
    let removed = &world.parties[1];
    let Incoming::Other(commit) = removed.group().process(&removed.state, &remove.commit).unwrap() else { panic!("not its own") };
    assert!(commit.removes_us());
    assert!(matches!(commit.open_ring_row(&removed.state, &row), Err(MlsError::NotMember(_))));
    world.deliver(0, &remove);
    let removed = &world.parties[1];
    assert!(!removed.group().is_member());
    assert!(matches!(removed.group().ring_wrap_key(&removed.state, RingVersion::FIRST), Err(MlsError::NotMember(_))));
    assert!(matches!(removed.group().process(&removed.state, &remove.commit), Err(MlsError::NotMember(_))));

    world.add(2, 1, &context(4, 3));
    assert_eq!(world.parties[1].group().own_leaf(), LeafIndex(1), "the freed leaf is taken again");
}

#[test]
fn one_commit_adds_two_and_removes_one_at_the_leaves_that_its_facts_say() {
    let mut world = World::with_members(3);
    world.parties.extend([Party::new(11), Party::new(12)]);
    let add = vec![world.parties[3].key_package(KeyPackageUse::Once), world.parties[4].key_package(KeyPackageUse::LastResort)];
    let prepared = world.parties[0].commit(Changes { add, remove: vec![LeafIndex(1)] }, &context(3, 2));
    assert_eq!(prepared.facts.added.iter().map(|added| added.index.0).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(prepared.facts.members_after(), 4);
    world.deliver(0, &prepared);
    let expected: Vec<_> = prepared.facts.added.iter().map(custodia_core::group::facts::AddedLeaf::leaf).collect();
    let members = world.server.members().unwrap();
    assert!(expected.iter().all(|leaf| members.contains(leaf)));
}

#[test]
fn ring_row_opens_before_and_after_the_merge_and_for_the_joiner() {
    let mut world = World::with_members(2);
    world.parties.push(Party::new(9));
    let package = world.parties[2].key_package(KeyPackageUse::Once);
    let context = context(2, 2);
    let prepared = world.parties[0].commit(Changes { add: vec![package], remove: Vec::new() }, &context);
    let row = ring_row(&world.parties[0], 2);
    assert!(row.is_for(CASE, prepared.new_epoch, context.ring_version));
    let opens = |key: Secret32| key.expose() == ring_key(2).expose();

    let other = &world.parties[1];
    let Incoming::Other(commit) = other.group().process(&other.state, &prepared.commit).unwrap() else { panic!("not its own") };
    assert!(opens(commit.open_ring_row(&other.state, &row).unwrap()));
    let joiner = &world.parties[2];
    let staged = StagedJoin::open(&joiner.state, prepared.welcome.as_ref().unwrap(), (CASE, prepared.new_epoch)).unwrap();
    assert!(opens(staged.open_ring_row(&joiner.state, &row, &context).unwrap()));
    drop(staged.accept());
    world.parties[2].crash();
    world.deliver(0, &prepared);
    let other = &world.parties[1];
    assert!(opens(other.group().open_ring_row(&other.state, &row, &context).unwrap()));
}

#[test]
fn ring_row_of_another_key_version_or_epoch_does_not_open() {
    let mut world = World::with_members(2);
    let context = context(2, 2);
    let prepared = world.parties[0].commit(Changes::default(), &context);
    let committer = &world.parties[0];
    let other_key = committer.group().seal_ring_row(&committer.state, context.ring_version, &ring_key(9)).unwrap();
    let other_version = ring_row(committer, 3);
    let mut damaged = *ring_row(committer, 2).as_bytes();
    damaged[92] ^= 1;
    let damaged = RingRow::from_bytes(&damaged).unwrap();
    let good = ring_row(committer, 2);
    let other = &world.parties[1];
    let Incoming::Other(commit) = other.group().process(&other.state, &prepared.commit).unwrap() else { panic!("not its own") };
    for row in [other_key, other_version, damaged] {
        assert!(matches!(commit.open_ring_row(&other.state, &row), Err(MlsError::RingRow)));
    }
    world.deliver(0, &prepared);
    let update = world.parties[1].commit(Changes::default(), &crate::tests::context(3, 2));
    world.deliver(1, &update);
    let other = &world.parties[1];
    assert!(matches!(other.group().open_ring_row(&other.state, &good, &context), Err(MlsError::RingRow)), "an epoch late");
    assert!(RingRow::from_bytes(&good.as_bytes()[..92]).is_err());
}

#[test]
fn pending_commit_survives_a_crash_and_is_merged_after_it() {
    let mut world = World::with_members(2);
    let prepared = world.parties[0].commit(Changes::default(), &context(2, 1));
    world.parties[0].crash();
    assert!(world.parties[0].group().has_pending_commit());
    assert_eq!(world.parties[0].group().epoch(), world.server.epoch(), "pending is not in effect");
    world.deliver(0, &prepared);
    world.check();
    assert_eq!(world.parties[0].group().epoch(), prepared.new_epoch);
    assert!(!world.parties[0].group().has_pending_commit());
}

#[test]
fn operation_whose_changes_were_not_saved_has_not_happened() {
    let mut world = World::with_members(3);
    let lost = {
        let party = &world.parties[0];
        party.group().prepare_commit(&party.state, &party.device, Changes::default(), &context(3, 1)).unwrap()
    };
    world.parties[0].crash();
    assert!(!world.parties[0].group().has_pending_commit());
    let update = world.parties[1].commit(Changes::default(), &context(3, 1));
    let party = &world.parties[0];
    let Incoming::Other(commit) = party.group().process(&party.state, &update.commit).unwrap() else { panic!("not its own") };
    party.group().merge(&party.state, *commit).unwrap();
    world.parties[0].crash();
    world.deliver(1, &update);
    world.check();
    assert!(matches!(world.server.check(&lost.commit), Err(MlsError::OtherEpoch { .. })));
}

#[test]
fn join_that_was_not_saved_leaves_the_key_package_for_the_next_try() {
    let mut world = World::with_members(1);
    world.parties.push(Party::new(7));
    let package = world.parties[1].key_package(KeyPackageUse::Once);
    world.parties[1].save();
    let prepared = world.parties[0].commit(Changes { add: vec![package], remove: Vec::new() }, &context(1, 1));
    let (welcome, claimed) = (prepared.welcome.as_ref().unwrap(), (CASE, prepared.new_epoch));
    world.deliver(0, &prepared);
    drop(StagedJoin::open(&world.parties[1].state, welcome, claimed).unwrap());
    world.parties[1].crash();
    assert!(CaseGroup::load(&world.parties[1].state, CASE).unwrap().is_none());
    drop(StagedJoin::open(&world.parties[1].state, welcome, claimed).unwrap().accept());
    world.parties[1].save();
    world.check();
    let again = StagedJoin::open(&world.parties[1].state, welcome, claimed);
    assert!(matches!(again, Err(MlsError::NoKeyPackage)), "a one-time key package is used up");
}

#[test]
fn commit_that_lost_its_epoch_is_dropped_when_the_winner_is_merged() {
    let mut world = World::with_members(2);
    let winner = world.parties[0].commit(Changes::default(), &context(2, 1));
    let loser = world.parties[1].commit(Changes::default(), &context(2, 1));
    let again =
        world.parties[1].group().prepare_commit(&world.parties[1].state, &world.parties[1].device, Changes::default(), &context(2, 1));
    assert!(matches!(again, Err(MlsError::CommitPending)));
    world.deliver(0, &winner);
    world.check();
    assert!(!world.parties[1].group().has_pending_commit());
    assert!(matches!(world.server.check(&loser.commit), Err(MlsError::OtherEpoch { .. })));
    assert!(matches!(world.parties[1].group().merge_pending(&world.parties[1].state), Err(MlsError::NoCommitPending)));
    let update = world.parties[1].commit(Changes::default(), &context(3, 1));
    world.parties[1].group().clear_pending(&world.parties[1].state).unwrap();
    assert!(matches!(world.parties[1].group().merge_pending(&world.parties[1].state), Err(MlsError::NoCommitPending)));
    drop(update);
}

#[test]
fn device_that_lost_its_state_comes_back_at_its_own_leaf() {
    let mut world = World::with_members(3);
    world.parties[1].disk.clear();
    world.parties[1].crash();
    assert!(resync(&mut world).is_none(), "nothing changes before the commit wins");
}

#[test]
fn device_that_missed_a_commit_comes_back_over_its_old_state() {
    let mut world = World::with_members(3);
    let old = world.parties[1].disk.clone();
    let missed = world.parties[2].commit(Changes::default(), &context(2, 1));
    world.deliver(2, &missed);
    world.parties[1].disk = old;
    world.parties[1].crash();
    let before = resync(&mut world).unwrap();
    assert_eq!(before.epoch(), missed.facts.epoch, "nothing changes before the commit wins");
}

/// Party 1 of three resyncs; returns its group as it was after the commit was made and before it won.
fn resync(world: &mut World) -> Option<CaseGroup> {
    let info = world.parties[0].group().group_info(&world.parties[0].state, &world.parties[0].device).unwrap();
    assert_eq!(world.server.check_group_info(&info).unwrap().index, LeafIndex(0));
    assert!(world.parties[2].group().agrees_with(&world.parties[2].state, &world.parties[2].device, &info).unwrap());
    let tree = world.server.ratchet_tree().unwrap();

    let party = &world.parties[1];
    let resync = CaseGroup::prepare_resync(&party.state, &party.device, CASE, &info, &tree, &context(3, 1)).unwrap();
    let before = CaseGroup::load(&party.state, CASE).unwrap();
    let checked = world.server.check(&resync.commit).unwrap();
    let facts = checked.facts.clone();
    assert_eq!(facts.sender, Sender::External(LeafIndex(1)));
    assert_eq!(resync.own_leaf, LeafIndex(1));
    assert_eq!((facts.removed.len(), facts.added.len(), facts.members_after()), (1, 0, 3));
    let standing = Standing { group: CASE, epoch: world.server.epoch(), context: Some(context(2, 1)) };
    assert_eq!(judge_structure(&facts, &standing), Ok(()));
    for index in [0, 2] {
        let party = &mut world.parties[index];
        let mut group = party.group();
        let Incoming::Other(commit) = group.process(&party.state, &resync.commit).unwrap() else { panic!("not its own") };
        assert_eq!(commit.facts, facts);
        group.merge(&party.state, *commit).unwrap();
        party.save();
    }
    world.server.apply(checked).unwrap();
    world.parties[1].state.apply(resync.changes);
    world.parties[1].save();
    world.check();
    assert_eq!(world.server.members().unwrap(), resync.members);
    let update = world.parties[1].commit(Changes::default(), &context(4, 1));
    world.deliver(1, &update);
    world.check();
    before
}

#[test]
fn rows_name_the_group_that_owns_them() {
    let mut world = World::with_members(2);
    world.parties[1].key_package(KeyPackageUse::LastResort);
    world.parties[1].save();
    let owners: Vec<_> = world.parties[1].disk.keys().map(|key| MlsState::owner(key)).collect();
    assert!(owners.contains(&crate::RowOwner::Device));
    let of_group = world.parties[1].disk.iter().filter(|(key, _)| MlsState::owner(key) == crate::RowOwner::Group(CASE));
    let alone = MlsState::from_rows(of_group.map(|(key, value)| (key.clone(), value.clone())));
    assert!(CaseGroup::load(&alone, CASE).unwrap().is_some(), "a group loads from its own rows");
}

#[test]
fn same_group_is_not_founded_twice() {
    let party = Party::new(1);
    CaseGroup::found(&party.state, &party.device, CASE, now()).unwrap();
    assert!(matches!(CaseGroup::found(&party.state, &party.device, CASE, now()), Err(MlsError::AlreadyMember(CASE))));
}
