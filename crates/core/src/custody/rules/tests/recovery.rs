//! The recovery ceremony: who proposes, who confirms, what may be carried out.

use super::*;
use crate::custody::recovery::{Held, LostFacts, Proposed, Recovery, RecoveryFacts};
use crate::ids::IntentId;

fn held() -> Held {
    Held { first_ring: 1, last_ring: 3, left: false }
}

/// Joost's lost device, and his new one.
fn place() -> RecoveryFacts {
    RecoveryFacts {
        lost: Some(LostFacts { device: DeviceFacts { good_standing: false, ..device("nl-om", Role::Prosecutor) }, revoked: true, held: Some(held()) }),
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
        lost: Sha256Digest::of(&[b"lost"]),
        device: Sha256Digest::of(&[b"new!"]),
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
    let could = |granted, ring| held().could_open(granted, ring);
    assert_eq!([could(false, 1), could(false, 3), could(false, 4), could(true, 4)], [true, true, false, true]);
}
