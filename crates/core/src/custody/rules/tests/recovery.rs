//! The recovery ceremony: who proposes, who confirms, what may be carried out.

use std::collections::BTreeSet;

use super::*;
use crate::custody::recovery::{Held, LostFacts, PROPOSAL_MILLIS, Proposed, Recoveries, Recovery, RecoveryFacts};
use crate::ids::{DeviceId, ExhibitId, IntentId};
use crate::time::LogTime;

const GRANTED: ExhibitId = ExhibitId::from_bytes([7; 16]);
const OTHER: ExhibitId = ExhibitId::from_bytes([8; 16]);

fn held() -> Held {
    Held { first_ring: 1, last_ring: 3, granted: BTreeSet::from([GRANTED]), left: false }
}

/// Joost's lost device, and his new one.
fn place() -> RecoveryFacts {
    RecoveryFacts {
        lost: Some(LostFacts {
            device: DeviceFacts { good_standing: false, ..device("nl-om", Role::Prosecutor) },
            revoked: true,
            held: Some(held()),
        }),
        device: Some((device("nl-om", Role::Prosecutor), false)),
        prosecutor_remains: true,
        proposal: None,
    }
}

/// The officer of the office.
fn officer() -> DeviceFacts {
    DeviceFacts { person: "nl-om/safe".parse().unwrap(), ..device("nl-om", Role::Recovery) }
}

fn proposal() -> (Intent, Facts<'static>) {
    let [lost, device] = [b"lost", b"new!"].map(|name| Sha256Digest::of(&[name]));
    let intent = with(Body::CaseRecovery(Recovery::Propose { lost, device }));
    let facts = Facts { actor: officer(), recovery: Some(place()), exhibit: None, ..allowing(&intent) };
    (intent, facts)
}

fn proposed() -> Proposed {
    Proposed {
        intent: IntentId::from_bytes([3; 16]),
        person: "nl-om/safe".parse().unwrap(),
        office: "nl-om".parse().unwrap(),
        lost: (DeviceId::from_bytes([1; 16]), Sha256Digest::of(&[b"lost"])),
        device: (DeviceId::from_bytes([2; 16]), Sha256Digest::of(&[b"new!"])),
        time: allowing(&consultation()).log.time,
        confirmed: false,
        done: false,
    }
}

fn confirmation() -> (Intent, Facts<'static>) {
    let intent = with(Body::CaseRecovery(Recovery::Confirm { proposal: proposed().intent, digest: Sha256Digest::of(&[b"proposal"]) }));
    let recovery = RecoveryFacts { lost: None, device: None, prosecutor_remains: false, proposal: Some(proposed()) };
    let facts = Facts { recovery: Some(recovery), exhibit: None, ..allowing(&intent) };
    (intent, facts)
}

/// The commit that carries a recovery out.
fn carried_out() -> (Intent, Facts<'static>) {
    let intent = change(&[Terms::Recovery], 1, 5);
    let mut facts = Facts { actor: officer(), ..allowing_change(&intent) };
    let change = facts.change.as_mut().unwrap();
    change.removes = vec![LeafFacts { gone: true, ..leaf("nl-om", Role::Prosecutor) }];
    change.replacements = vec![RecoveryFacts { proposal: Some(Proposed { confirmed: true, ..proposed() }), ..place() }];
    (intent, facts)
}

fn place_of<'a>(facts: &'a mut Facts<'_>) -> &'a mut RecoveryFacts {
    facts.recovery.as_mut().unwrap()
}

#[test]
fn rcv_01_only_a_revoked_device_of_the_office_is_replaced_and_by_a_recovery_device() {
    let (intent, facts) = proposal();
    let breaks = |change: fn(&mut Facts<'_>)| only_this_breaks(RCV_01, &intent, &facts, change);
    breaks(|facts| facts.actor.role = Role::Prosecutor);
    breaks(|facts| facts.actor.office = "ro-diicot".parse().unwrap());
    breaks(|facts| facts.recovery = None);
    breaks(|facts| place_of(facts).lost = None);
    breaks(|facts| place_of(facts).device = None);
    breaks(|facts| place_of(facts).lost.as_mut().unwrap().revoked = false);
    breaks(|facts| place_of(facts).lost.as_mut().unwrap().held = None);
    breaks(|facts| place_of(facts).lost.as_mut().unwrap().device.role = Role::Recovery);
    breaks(|facts| place_of(facts).device.as_mut().unwrap().0.role = Role::Recovery);
    breaks(|facts| place_of(facts).device.as_mut().unwrap().0.good_standing = false);
    breaks(|facts| place_of(facts).device.as_mut().unwrap().0.office = "ro-diicot".parse().unwrap());
    breaks(|facts| place_of(facts).device.as_mut().unwrap().1 = true);
}

#[test]
fn rcv_02_a_device_comes_back_to_the_same_person_unless_no_prosecutor_is_left() {
    let (intent, facts) = proposal();
    let another = |facts: &mut Facts<'_>| place_of(facts).device.as_mut().unwrap().0.person = "nl-om/marieke".parse().unwrap();
    let left = |facts: &mut Facts<'_>| place_of(facts).lost.as_mut().unwrap().held = Some(Held { left: true, ..held() });
    only_this_breaks(RCV_02, &intent, &facts, another);
    only_this_breaks(RCV_02, &intent, &facts, left);
    for change in [another, left] {
        let mut last = facts.clone();
        change(&mut last);
        place_of(&mut last).prosecutor_remains = false;
        assert_eq!(judge(&intent, &last), Ok(()));
    }
    let mut left_and_not_revoked = facts.clone();
    left(&mut left_and_not_revoked);
    place_of(&mut left_and_not_revoked).prosecutor_remains = false;
    place_of(&mut left_and_not_revoked).lost.as_mut().unwrap().revoked = false;
    assert_eq!(judge(&intent, &left_and_not_revoked), Ok(()), "who has left is not revoked for it");
}

#[test]
fn rcv_03_a_recovery_is_confirmed_once_by_another_person_and_exactly_as_proposed() {
    let (intent, facts) = confirmation();
    let breaks = |change: fn(&mut Proposed)| {
        only_this_breaks(RCV_03, &intent, &facts, |facts| change(place_of(facts).proposal.as_mut().unwrap()));
    };
    breaks(|proposal| proposal.person = "nl-om/joost".parse().unwrap());
    breaks(|proposal| proposal.intent = IntentId::from_bytes([4; 16]));
    breaks(|proposal| proposal.confirmed = true);
    breaks(|proposal| proposal.done = true);
    breaks(|proposal| proposal.time = earlier(proposal.time, PROPOSAL_MILLIS + 1));
    let mut on_the_last_day = facts.clone();
    let proposal = place_of(&mut on_the_last_day).proposal.as_mut().unwrap();
    proposal.time = earlier(proposal.time, PROPOSAL_MILLIS);
    assert_eq!(judge(&intent, &on_the_last_day), Ok(()));
    only_this_breaks(RCV_03, &intent, &facts, |facts| place_of(facts).proposal = None);
    let by = |office: &str, role, person: &str| {
        let actor = DeviceFacts { person: person.parse().unwrap(), ..device(office, role) };
        judge(&intent, &Facts { actor, ..facts.clone() })
    };
    assert_eq!(by("ro-diicot", Role::Prosecutor, "ro-diicot/ana"), Ok(()), "a prosecutor of any office in the case");
    assert_eq!(by("nl-om", Role::Recovery, "nl-om/vault"), Ok(()));
    assert_eq!(by("nl-om", Role::Recovery, "nl-om/safe"), Err(RCV_03), "the proposer with another device");
    assert_eq!(by("ro-diicot", Role::Recovery, "ro-diicot/safe"), Err(RCV_03));
}

#[test]
fn rcv_04_a_recovery_device_adds_only_whom_two_persons_named_and_once() {
    let (intent, facts) = carried_out();
    let breaks = |rule, change: fn(&mut RecoveryFacts)| {
        only_this_breaks(rule, &intent, &facts, |facts| change(&mut facts.change.as_mut().unwrap().replacements[0]));
    };
    breaks(RCV_04, |replacement| replacement.proposal = None);
    breaks(RCV_04, |replacement| replacement.proposal.as_mut().unwrap().confirmed = false);
    breaks(RCV_04, |replacement| replacement.proposal.as_mut().unwrap().done = true);
    breaks(RCV_04, |replacement| {
        let proposal = replacement.proposal.as_mut().unwrap();
        proposal.time = earlier(proposal.time, PROPOSAL_MILLIS + 1);
    });
    breaks(RCV_04, |replacement| replacement.proposal.as_mut().unwrap().office = "ro-diicot".parse().unwrap());
    breaks(RCV_01, |replacement| replacement.lost.as_mut().unwrap().revoked = false);
    breaks(RCV_02, |replacement| replacement.device.as_mut().unwrap().0.person = "nl-om/marieke".parse().unwrap());
    only_this_breaks(RCV_04, &intent, &facts, |facts| facts.actor.role = Role::Prosecutor);
    for terms in [Terms::Full, Terms::Chosen, Terms::None] {
        let plain = change(&[terms], 0, if terms == Terms::Full { 4 } else { 5 });
        only_this_breaks(RCV_04, &plain, &allowing_change(&plain), |facts| facts.actor = officer());
    }
}

#[test]
fn rcv_05_a_device_in_a_lost_ones_place_is_given_what_that_one_had_and_no_more() {
    let (intent, facts) = carried_out();
    only_this_breaks(RCV_05, &intent, &facts, |facts| facts.change.as_mut().unwrap().undisclosed_for_recovery = 1);
    let digest = Sha256Digest::of(&[]);
    let grant = with(Body::Disclosure(Disclosure::Grant { grant: digest, device: digest }));
    let mut restores = Facts { actor: officer(), ..allowing(&grant) };
    restores.exhibit.as_mut().unwrap().restored = true;
    only_this_breaks(RCV_05, &grant, &restores, |facts| facts.exhibit.as_mut().unwrap().restored = false);
    restores.exhibit.as_mut().unwrap().handling = Handling::H2;
    assert_eq!(judge(&grant, &restores), Ok(()), "what comes back is not passed on");
    let could = |exhibit, ring| held().could_open(exhibit, ring);
    assert_eq!([could(OTHER, 1), could(OTHER, 3), could(OTHER, 4), could(GRANTED, 4)], [true, true, false, true]);
}

fn earlier(time: LogTime, by: u64) -> LogTime {
    LogTime::from_millis(time.millis() - by).unwrap()
}

/// The proposal by which a device, told by one byte, comes in the place of another.
fn of(lost: u8, device: u8) -> (Sha256Digest, Proposed) {
    let named = |byte| (DeviceId::from_bytes([byte; 16]), Sha256Digest::of(&[&[byte]]));
    (Sha256Digest::of(&[b"proposal", &[lost, device]]), Proposed { lost: named(lost), device: named(device), ..proposed() })
}

#[test]
fn a_later_proposal_for_either_device_takes_the_place_of_one_that_is_not_carried_out() {
    let mut recoveries = Recoveries::default();
    let all = [of(1, 2), of(3, 4), of(1, 5), of(6, 5)];
    for (digest, proposal) in all.clone() {
        recoveries.propose(digest, proposal);
    }
    let stand = all.each_ref().map(|(digest, _)| recoveries.named(digest).is_some());
    assert_eq!(stand, [false, true, false, true]);
    // One that was carried out stays as it is.
    recoveries.confirm(&all[1].0);
    recoveries.carry_out(DeviceId::from_bytes([4; 16]), &"nl-om".parse().unwrap());
    let (again, proposal) = of(3, 7);
    recoveries.propose(again, proposal);
    assert!(recoveries.named(&all[1].0).is_some_and(|done| done.done) && recoveries.named(&again).is_some());
}

#[test]
fn what_a_device_held_is_kept_only_while_its_last_removal_was_of_one_that_was_gone() {
    let (lost, office) = (DeviceId::from_bytes([1; 16]), "nl-om".parse().unwrap());
    let mut recoveries = Recoveries::default();
    recoveries.retire(lost, held(), true);
    assert_eq!(recoveries.former(lost), Some(&held()));
    let (digest, proposal) = of(1, 2);
    recoveries.propose(digest, proposal);
    assert!(recoveries.waiting(DeviceId::from_bytes([2; 16]), &office).is_none(), "nobody has confirmed it");
    recoveries.confirm(&digest);
    assert!(recoveries.waiting(DeviceId::from_bytes([2; 16]), &"ro-diicot".parse().unwrap()).is_none());
    recoveries.carry_out(DeviceId::from_bytes([2; 16]), &office);
    // Whoever was added again, and then removed on purpose, stays removed; who came in that place before keeps what it was given.
    recoveries.retire(lost, Held { last_ring: 9, ..held() }, false);
    assert_eq!(recoveries.former(lost), None);
    assert_eq!(recoveries.replaced_by(DeviceId::from_bytes([2; 16])), Some(&held()));
}
