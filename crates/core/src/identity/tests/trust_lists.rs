//! Trust lists: which are accepted, and by whom.

use super::world::{DIICOT, INSPECTION, PARQUET, STRANGER, claimed, draft, first_draft, first_list, first_unverified, key, pin, signed};
use crate::digest::Sha256Digest;
use crate::identity::{Role, Rule, TrustListDraft, TrustListError, TrustPin, UnverifiedTrustList};

fn second_draft() -> TrustListDraft {
    let mut offices = first_draft().offices;
    offices.push(STRANGER.on_list(&[Role::Prosecutor], &[]));
    draft("2026-02-01T00:00:00Z", 3, offices)
}

#[test]
fn the_pinned_list_is_accepted_and_read_back_from_its_text() {
    let list = first_list();
    let again = UnverifiedTrustList::parse(list.to_json().as_bytes()).unwrap().verify_first(&pin()).unwrap();
    assert_eq!(again, list);
    assert_eq!((list.number(), list.threshold(), list.offices().len()), (1, 2, 3));
}

#[test]
fn idn_01_another_list_than_the_pinned_one_is_refused() {
    let refused = first_unverified().verify_first(&TrustPin::new(Sha256Digest::of(&[b"other"]))).unwrap_err();
    assert_eq!(
        (refused.rule(), &refused),
        (Some(Rule::FirstListIsPinned), &TrustListError::NotPinned { found: first_unverified().digest() })
    );
}

#[test]
fn a_list_signed_by_offices_of_the_last_follows_it() {
    let list = signed(second_draft().after(&first_list()).unwrap(), &[&PARQUET, &INSPECTION]);
    let list = list.verify_successor(&first_list()).unwrap();
    assert_eq!((list.number(), list.offices().len()), (2, 4));
}

#[test]
fn idn_02_a_list_that_does_not_follow_is_refused() {
    let second = signed(second_draft().after(&first_list()).unwrap(), &[&PARQUET, &INSPECTION]).verify_successor(&first_list()).unwrap();
    let skips = signed(second_draft().after(&second).unwrap(), &[&PARQUET, &DIICOT]).verify_successor(&first_list()).unwrap_err();
    assert_eq!(skips, TrustListError::DoesNotFollow("it is not the next number"));
    let again = signed(second_draft().after(&first_list()).unwrap(), &[&PARQUET, &DIICOT]).verify_successor(&second).unwrap_err();
    assert_eq!(again, TrustListError::DoesNotFollow("it is not the next number"));
    let mut other = first_draft();
    other.threshold = 1;
    let other = signed(other.first().unwrap(), &[&DIICOT]);
    let other_pin = TrustPin::new(other.digest());
    let other = other.verify_first(&other_pin).unwrap();
    let elsewhere = signed(second_draft().after(&other).unwrap(), &[&PARQUET, &DIICOT]).verify_successor(&first_list()).unwrap_err();
    assert_eq!(
        (elsewhere.rule(), &elsewhere),
        (Some(Rule::ListFollowsTheLast), &TrustListError::DoesNotFollow("it names another list as the one before"))
    );
    let mut early = second_draft();
    early.issued = claimed("2026-01-01T23:59:59Z");
    let early = signed(early.after(&first_list()).unwrap(), &[&PARQUET, &DIICOT]).verify_successor(&first_list()).unwrap_err();
    assert_eq!(early, TrustListError::DoesNotFollow("it was issued before"));
}

#[test]
fn idn_03_too_few_foreign_doubled_and_bad_signatures_are_refused() {
    let verify = |list: UnverifiedTrustList| list.verify_successor(&first_list()).unwrap_err();
    let unsigned = || second_draft().after(&first_list()).unwrap();
    assert_eq!(verify(unsigned()), TrustListError::TooFewSignatures { signed: 0, needed: 2 });
    assert_eq!(verify(signed(unsigned(), &[&DIICOT])), TrustListError::TooFewSignatures { signed: 1, needed: 2 });
    let twice = verify(signed(unsigned(), &[&DIICOT, &DIICOT]));
    assert_eq!(twice, TrustListError::SignedTwice { office: "ro-diicot".parse().unwrap() });
    // An office that the new list adds does not decide on it.
    let stranger = verify(signed(unsigned(), &[&DIICOT, &PARQUET, &STRANGER]));
    assert_eq!(stranger, TrustListError::UnknownSigner { certificate: STRANGER.root_id() });
    let mut forged = signed(unsigned(), &[&DIICOT, &PARQUET]);
    forged.sign(INSPECTION.root_id(), &key(DIICOT.seed));
    let forged = verify(forged);
    assert_eq!(
        (forged.rule(), &forged),
        (Some(Rule::ListIsSigned), &TrustListError::BadSignature { office: "eu-inspection".parse().unwrap() })
    );
}

#[test]
fn idn_03_a_root_signs_only_while_it_is_in_force() {
    let mut first = first_draft();
    first.offices[0].roots[0].until = claimed("2026-01-15T00:00:00Z");
    let first = signed(first.first().unwrap(), &[&DIICOT, &PARQUET]);
    let its_pin = TrustPin::new(first.digest());
    let first = first.verify_first(&its_pin).unwrap();
    let late = signed(second_draft().after(&first).unwrap(), &[&DIICOT, &PARQUET]).verify_successor(&first).unwrap_err();
    assert_eq!(late, TrustListError::UnknownSigner { certificate: DIICOT.root_id() });
}

#[test]
fn lists_without_their_form_are_refused() {
    fn broken(change: impl FnOnce(&mut TrustListDraft)) -> TrustListError {
        let mut draft = first_draft();
        change(&mut draft);
        draft.first().unwrap_err()
    }
    for refused in [
        broken(|draft| draft.threshold = 0),
        broken(|draft| draft.threshold = 4),
        broken(|draft| draft.offices.clear()),
        broken(|draft| draft.offices.push(DIICOT.on_list(&[Role::Prosecutor], &[]))),
        broken(|draft| draft.offices[0].roles.clear()),
        broken(|draft| draft.offices[0].roles.push(Role::Prosecutor)),
        broken(|draft| draft.offices[0].supervises.push("fr-parquet".parse().unwrap())),
        broken(|draft| draft.offices[2].supervises.push("xx-nobody".parse().unwrap())),
        broken(|draft| draft.offices[0].country = "BG".parse().unwrap()),
        broken(|draft| draft.offices[0].name = "Other".parse().unwrap()),
        broken(|draft| draft.offices[0].roots.clear()),
        broken(|draft| draft.offices[0].roots = PARQUET.on_list(&[Role::Prosecutor], &[]).roots),
        broken(|draft| draft.offices[0].roots[0].until = claimed("2041-01-01T00:00:00Z")),
        broken(|draft| draft.offices[0].roots[0].until = claimed("2025-06-01T00:00:00Z")),
        broken(|draft| draft.offices[0].roots = vec![draft.offices[0].roots[0].clone(); 2]),
    ] {
        assert!(matches!(refused, TrustListError::Malformed(_)), "{refused}");
        assert_eq!(refused.rule(), None);
    }
}
