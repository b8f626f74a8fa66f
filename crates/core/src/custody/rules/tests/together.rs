//! Acts that rest on another one: the second person of an erasure, the office of a hold, a parent, a source; and acts that rest on none.

use super::*;
use crate::custody::body::{CaseCreate, Combination, Derivation, DerivedHow};
use crate::custody::facts::Proposal;
use crate::ids::CaseId;

/// A confirmation of another person's proposal.
pub fn confirmation() -> (Intent, Facts<'static>) {
    let (proposal, digest) = (crate::ids::IntentId::from_bytes([3; 16]), Sha256Digest::of(&[b"proposal"]));
    let intent = with(Body::Erasure(Erasure::Confirm { proposal, digest }));
    let mut facts = allowing(&intent);
    let person = "nl-om/marieke".parse().unwrap();
    facts.exhibit.as_mut().unwrap().proposal = Some(Proposal { intent: proposal, digest, person, records: vec![] });
    (intent, facts)
}

#[test]
fn acc_12_an_erasure_is_confirmed_by_another_person_and_exactly_as_proposed() {
    let (intent, proposed) = confirmation();
    let change = |change: fn(&mut Proposal)| {
        only_this_breaks(ACC_12, &intent, &proposed, |facts| change(facts.exhibit.as_mut().unwrap().proposal.as_mut().unwrap()));
    };
    change(|proposal| proposal.person = "nl-om/joost".parse().unwrap());
    change(|proposal| proposal.digest = Sha256Digest::of(&[b"other"]));
    change(|proposal| proposal.intent = crate::ids::IntentId::from_bytes([4; 16]));
    only_this_breaks(ACC_12, &intent, &proposed, |facts| facts.exhibit.as_mut().unwrap().proposal = None);
    let mut of_another_office = proposed.clone();
    of_another_office.actor = device("ro-diicot", Role::Prosecutor);
    assert_eq!(judge(&intent, &of_another_office), Ok(()), "the second person may be of any office");
}

#[test]
fn acc_13_a_hold_is_lifted_by_the_office_that_placed_it() {
    let intent = with(Body::HoldLift(Nothing {}));
    let mut own = allowing(&intent);
    let exhibit = own.exhibit.as_mut().unwrap();
    (exhibit.held, exhibit.held_by_actor) = (true, true);
    only_this_breaks(ACC_13, &intent, &own, |facts| facts.exhibit.as_mut().unwrap().held_by_actor = false);
}

/// The founding of a case, or of a restricted part of one.
pub fn founding(parent: Option<CaseId>) -> Body {
    let digest = Sha256Digest::of(&[]);
    Body::CaseCreate(CaseCreate {
        group_id: Hex(vec![]),
        group_info: digest,
        ring_version: 1,
        ring_commitment: digest,
        ring_row: digest,
        members: vec![],
        parent,
        review: "2031-01-01".to_owned(),
    })
}

#[test]
fn rec_08_a_restricted_part_names_a_parent_of_its_founder() {
    let found = with(founding(Some(CaseId::from_bytes([8; 16]))));
    let member = Some(Membership { first_ring: 3, left: false });
    let before = Facts { case: None, exhibit: None, parent: member, ..allowing(&found) };
    only_this_breaks(REC_08, &found, &before, |facts| facts.parent = None);
    only_this_breaks(REC_08, &found, &before, |facts| facts.parent = Some(Membership { first_ring: 1, left: true }));
}

#[test]
fn rec_09_a_derived_exhibit_stands_in_both_chains() {
    let derivation = |how| Derivation { how, other: Sha256Digest::of(&[b"salted"]) };
    let sign = |intent: Intent, signer: u8| {
        let key = ed25519_dalek::SigningKey::from_bytes(&[signer; 32]);
        intent.sign(Sha256Digest::of(&[&[signer]]), &key).unwrap()
    };
    let mut collected = collection(4);
    (collected.purpose, collected.chain_seen) = (None, None);
    let plain = sign(collected.clone(), 1);
    assert_eq!(judge_derivation(&plain, None), Ok(()), "an exhibit that was made from no other owes nothing");
    let Body::Collection(body) = &mut collected.body else { panic!("a collection") };
    body.derivation = Some(derivation(DerivedHow::Redaction));
    let collected = sign(collected, 1);
    let source = |how| {
        let source = Intent { purpose: None, ..with(Body::Combination(Combination { derivation: derivation(how) })) };
        Intent { exhibit: Some(crate::ids::ExhibitId::from_bytes([0x5c; 16])), ..source }
    };
    assert_eq!(judge_derivation(&collected, Some(&sign(source(DerivedHow::Redaction), 1))), Ok(()));
    let same = Intent { exhibit: collected.exhibit, ..source(DerivedHow::Redaction) };
    let others = [sign(source(DerivedHow::Copy), 1), sign(source(DerivedHow::Redaction), 2), sign(same, 1), plain];
    for other in others.iter().map(Some).chain([None]) {
        assert_eq!(judge_derivation(&collected, other), Err(REC_09));
    }
}

#[test]
fn leaving_and_holding_ask_for_membership_alone() {
    let leave = with(Body::MemberLeave(Nothing {}));
    assert_eq!(judge(&leave, &allowing(&leave)), Ok(()));
    let hold = with(Body::HoldPlace(Nothing {}));
    assert_eq!(judge(&hold, &allowing(&hold)), Ok(()));
    assert_eq!(judge(&with(Body::Consultation(Consultation { mode: ViewMode::View })), &allowing(&consultation())), Ok(()));
}
