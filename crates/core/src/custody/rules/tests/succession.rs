//! Successor groups: what is reported, by whom, and who comes over.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::custody::succession::{GroupSucceed, SuccessionFacts};

fn id(name: &str) -> Sha256Digest {
    Sha256Digest::of(&[name.as_bytes()])
}

fn member(person: &str, role: Role) -> LeafFacts {
    let office = person.split('/').next().unwrap();
    LeafFacts { device: DeviceFacts { person: person.parse().unwrap(), ..device(office, role) }, gone: false }
}

/// Joost founds the successor group; Eva's commit is left out, and so is Eva.
fn succession() -> (Intent, Facts<'static>) {
    let digest = Sha256Digest::of(&[]);
    let people = ["nl-om/joost", "nl-om/safe", "ro-diicot/ana", "ro-diicot/safe"];
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
        members: people.iter().map(|person| id(person)).collect(),
    }));
    let role = |person: &str| if person.ends_with("/safe") { Role::Recovery } else { Role::Prosecutor };
    let mut both: BTreeMap<_, _> = people.iter().map(|person| (id(person), member(person, role(person)))).collect();
    both.insert(id("ro-diicot/eva"), member("ro-diicot/eva", Role::Prosecutor));
    let reporters = ["nl-om/joost", "ro-diicot/ana"].map(|person| member(person, Role::Prosecutor).device);
    let succession = SuccessionFacts {
        founder: id("nl-om/joost"),
        names_the_bytes: true,
        generation: 0,
        ring_version: 4,
        author: Some("ro-diicot/eva".parse().unwrap()),
        reporters: reporters.to_vec(),
        acknowledged_by: BTreeSet::from(["ro-diicot/eva".parse().unwrap()]),
        both,
    };
    let facts = Facts { succession: Some(succession), exhibit: None, ..allowing(&intent) };
    (intent, facts)
}

#[track_caller]
fn breaks(rule: Rule, change: impl FnOnce(&mut GroupSucceed, &mut SuccessionFacts)) {
    let (mut intent, mut facts) = succession();
    assert_eq!(judge(&intent, &facts), Ok(()));
    let Body::GroupSucceed(body) = &mut intent.body else { panic!("a succession") };
    change(body, facts.succession.as_mut().unwrap());
    assert_eq!(judge(&intent, &facts), Err(rule));
}

#[test]
fn suc_01_a_successor_group_is_the_next_generation_under_a_new_ring_key() {
    breaks(SUC_01, |body, _| body.generation = 2);
    breaks(SUC_01, |body, _| body.ring_version = 4);
    breaks(SUC_01, |body, _| body.ring_version = 6);
    breaks(SUC_01, |_, facts| facts.names_the_bytes = false);
    breaks(SUC_01, |_, facts| facts.generation = u32::MAX);
}

#[test]
fn suc_02_a_commit_is_left_out_that_two_persons_or_a_recovery_device_reported() {
    breaks(SUC_02, |_, facts| facts.author = None);
    breaks(SUC_02, |_, facts| facts.reporters.clear());
    breaks(SUC_02, |_, facts| facts.reporters.truncate(1));
    breaks(SUC_02, |_, facts| facts.reporters[1].person = facts.reporters[0].person.clone());
    breaks(SUC_02, |_, facts| facts.reporters[1].person = facts.author.clone().unwrap());
    let (intent, mut facts) = succession();
    facts.succession.as_mut().unwrap().reporters = vec![member("nl-om/safe", Role::Recovery).device];
    assert_eq!(judge(&intent, &facts), Ok(()), "a recovery device alone");
}

#[test]
fn suc_03_nobody_else_has_acted_after_the_bad_commit() {
    breaks(SUC_03, |_, facts| {
        facts.acknowledged_by.insert("ro-diicot/ana".parse().unwrap());
    });
}

#[test]
fn suc_04_the_members_of_both_epochs_come_over_and_no_others() {
    breaks(SUC_04, |body, _| {
        body.members.pop();
    });
    breaks(SUC_04, |body, _| body.members.push(id("nl-om/removed")));
    breaks(SUC_04, |body, _| body.members.push(body.members[0]));
    breaks(SUC_04, |body, _| body.members.retain(|member| *member != id("nl-om/joost")));
    breaks(SUC_04, |_, facts| facts.founder = id("ro-diicot/eva"));
    breaks(SUC_04, |_, facts| facts.both.get_mut(&id("ro-diicot/ana")).unwrap().gone = true);
    let (mut intent, facts) = succession();
    let Body::GroupSucceed(body) = &mut intent.body else { panic!("a succession") };
    body.members.push(id("ro-diicot/eva"));
    assert_eq!(judge(&intent, &facts), Ok(()), "the author may come over too");
    let (mut intent, mut facts) = succession();
    let Body::GroupSucceed(body) = &mut intent.body else { panic!("a succession") };
    body.members.retain(|member| *member != id("ro-diicot/ana"));
    facts.succession.as_mut().unwrap().both.get_mut(&id("ro-diicot/ana")).unwrap().gone = true;
    assert_eq!(judge(&intent, &facts), Ok(()), "who was revoked does not come over");
}
