//! Successor groups: what is reported, by whom, and who comes over.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::custody::succession::{GroupSucceed, LeftOut, SuccessionFacts};
use crate::ids::PersonId;

const PEOPLE: [&str; 4] = ["nl-om/joost", "nl-om/safe", "ro-diicot/ana", "ro-diicot/safe"];
const EVA: &str = "ro-diicot/eva";

fn id(person: &str) -> DeviceId {
    let digest = Sha256Digest::of(&[person.as_bytes()]);
    DeviceId::from_bytes(digest.as_bytes()[..16].try_into().unwrap())
}

fn member(person: &str) -> LeafFacts {
    let role = if person.ends_with("/safe") { Role::Recovery } else { Role::Prosecutor };
    let office = person.split('/').next().unwrap();
    LeafFacts { device: DeviceFacts { id: id(person), person: person.parse().unwrap(), ..device(office, role) }, gone: false }
}

fn devices(people: &[&str]) -> Vec<DeviceFacts> {
    people.iter().map(|person| member(person).device).collect()
}

/// Joost founds the successor group; Eva's commit is left out, and so is Eva.
fn succession() -> (Intent, Facts<'static>) {
    let digest = Sha256Digest::of(&[]);
    let intent = with(Body::GroupSucceed(GroupSucceed {
        generation: 1,
        epoch: 3,
        bad: digest,
        group_info: digest,
        commit: digest,
        welcome: Some(digest),
        ring_version: 5,
        ring_commitment: digest,
        ring_row: digest,
        members: PEOPLE.iter().map(|person| Sha256Digest::of(&[person.as_bytes()])).collect(),
    }));
    let both: BTreeMap<_, _> = PEOPLE.into_iter().chain([EVA]).map(|person| (id(person), member(person))).collect();
    let eva: PersonId = EVA.parse().unwrap();
    let succession = SuccessionFacts {
        founder: id("nl-om/joost"),
        names_the_bytes: true,
        generation: 0,
        ring_version: 4,
        left_out: Some(LeftOut {
            author: eva.clone(),
            reporters: devices(&["nl-om/joost", "ro-diicot/ana"]),
            acknowledged_by: BTreeSet::from([eva]),
            both,
        }),
        members: PEOPLE.into_iter().map(member).collect(),
    };
    let facts = Facts { succession: Some(succession), exhibit: None, ..allowing(&intent) };
    (intent, facts)
}

#[track_caller]
fn judged(expected: Result<(), Rule>, change: impl FnOnce(&mut GroupSucceed, &mut SuccessionFacts)) {
    let (mut intent, mut facts) = succession();
    assert_eq!(judge(&intent, &facts), Ok(()));
    let Body::GroupSucceed(body) = &mut intent.body else { panic!("a succession") };
    change(body, facts.succession.as_mut().unwrap());
    assert_eq!(judge(&intent, &facts), expected);
}

#[track_caller]
fn breaks_of_bad(rule: Rule, change: impl FnOnce(&mut LeftOut)) {
    judged(Err(rule), |_, facts| change(facts.left_out.as_mut().unwrap()));
}

fn reported_by(people: &'static [&'static str]) -> impl FnOnce(&mut LeftOut) {
    |bad| bad.reporters = devices(people)
}

#[test]
fn suc_01_a_successor_group_is_the_next_generation_under_a_new_ring_key() {
    judged(Err(SUC_01), |body, _| body.generation = 2);
    judged(Err(SUC_01), |body, _| body.ring_version = 4);
    judged(Err(SUC_01), |body, _| body.ring_version = 6);
    judged(Err(SUC_01), |_, facts| facts.names_the_bytes = false);
    judged(Err(SUC_01), |_, facts| facts.generation = u32::MAX);
    let (intent, facts) = succession();
    only_this_breaks(SUC_01, &intent, &facts, |facts| facts.succession = None);
}

#[test]
fn suc_02_a_commit_is_left_out_that_two_persons_or_a_recovery_device_reported() {
    judged(Err(SUC_02), |_, facts| facts.left_out = None);
    breaks_of_bad(SUC_02, reported_by(&[]));
    breaks_of_bad(SUC_02, reported_by(&["nl-om/joost"]));
    breaks_of_bad(SUC_02, reported_by(&["nl-om/joost", "nl-om/joost"]));
    breaks_of_bad(SUC_02, reported_by(&["nl-om/joost", EVA]));
    judged(Ok(()), |_, facts| facts.left_out.as_mut().unwrap().reporters = devices(&["nl-om/safe"]));
    breaks_of_bad(SUC_02, |bad| {
        bad.reporters = devices(&["nl-om/safe"]);
        bad.author = "nl-om/safe".parse().unwrap();
    });
}

#[test]
fn suc_03_nobody_else_has_acted_after_the_bad_commit() {
    breaks_of_bad(SUC_03, |bad| {
        bad.acknowledged_by.insert("ro-diicot/safe".parse().unwrap());
    });
}

#[test]
fn suc_04_the_members_of_both_epochs_come_over_and_no_others() {
    judged(Err(SUC_04), |_, facts| facts.members.push(member("nl-om/removed")));
    judged(Err(SUC_04), |_, facts| facts.members.push(member("nl-om/joost")));
    judged(Err(SUC_04), |_, facts| {
        facts.members.remove(2);
    });
    judged(Err(SUC_04), |_, facts| {
        facts.members.remove(0);
    });
    judged(Err(SUC_04), |_, facts| facts.founder = id(EVA));
    judged(Err(SUC_04), |_, facts| {
        facts.members.push(member(EVA));
        facts.founder = id(EVA);
    });
    judged(Err(SUC_04), |_, facts| facts.members[2].gone = true);
    judged(Err(SUC_04), |_, facts| facts.members[2].device.good_standing = false);
    breaks_of_bad(SUC_04, |bad| bad.both.get_mut(&id("ro-diicot/ana")).unwrap().gone = true);
    judged(Ok(()), |_, facts| facts.members.push(member(EVA)));
    // Who was revoked, left, or let the certificate end does not come over, and stands in nobody's way.
    for stays_behind in [|leaf: &mut LeafFacts| leaf.gone = true, |leaf: &mut LeafFacts| leaf.device.good_standing = false] {
        judged(Ok(()), |_, facts| {
            facts.members.remove(2);
            stays_behind(facts.left_out.as_mut().unwrap().both.get_mut(&id("ro-diicot/ana")).unwrap());
        });
    }
}

#[test]
fn mem_05_a_successor_group_without_a_recovery_leaf_is_refused() {
    judged(Err(MEM_05), |_, facts| {
        facts.members.remove(1);
        facts.left_out.as_mut().unwrap().both.get_mut(&id("nl-om/safe")).unwrap().gone = true;
    });
}
