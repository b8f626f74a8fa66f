//! The registry: what it takes in, and what held when.

use super::world::{
    DIICOT, INSPECTION, PARQUET, STRANGER, TestDevice, at, draft, first_draft, first_unverified, pin, prosecutor, registry, signed,
};
use crate::identity::{
    AsOf, Certificate, Registry, RegistryError, RevocationReason, RevocationTarget, Role, Rule, Standing, TrustListDraft,
};

const JUNE: &str = "2026-06-01T00:00:00Z";

fn ana() -> TestDevice {
    prosecutor(&DIICOT, "ana.pop", 11)
}

fn auditor() -> TestDevice {
    TestDevice { role: 2, ..prosecutor(&INSPECTION, "lena", 31) }
}

fn with(devices: &[&TestDevice]) -> Registry {
    let mut registry = registry();
    for (seq, device) in (1..).zip(devices) {
        registry.enrol(device.certificate(), device.office.root_id(), at(seq, JUNE)).unwrap();
    }
    registry
}

fn rule_of<T>(result: Result<T, RegistryError>) -> Option<Rule> {
    result.err().and_then(|error| error.rule())
}

fn enrol(registry: &mut Registry, device: &TestDevice, seq: u64) -> Option<Rule> {
    rule_of(registry.enrol(device.certificate(), device.issuer.root_id(), at(seq, JUNE)))
}

fn later() -> AsOf {
    at(100, "2026-07-01T00:00:00Z")
}

#[test]
fn an_enrolled_device_is_good_from_its_record_on() {
    let registry = with(&[&ana()]);
    let id = ana().certificate().id();
    assert_eq!(registry.standing(id, at(0, JUNE)), Standing::Unknown);
    assert_eq!(registry.standing(id, at(1, JUNE)), Standing::Good);
    assert_eq!(registry.standing(id, at(9, "2027-06-01T00:00:00Z")), Standing::Expired);
    assert_eq!(registry.standing(id, at(9, "2025-12-01T00:00:00Z")), Standing::NotYetValid);
    assert_eq!(registry.acting(id, later()).unwrap().person().to_string(), "ro-diicot/ana.pop");
}

#[test]
fn idn_15_only_who_is_in_good_standing_acts() {
    let registry = registry();
    let refused = registry.acting(ana().certificate().id(), later()).unwrap_err();
    assert_eq!((refused.rule(), &refused), (Some(Rule::ActorInGoodStanding), &RegistryError::Standing(Standing::Unknown)));
}

#[test]
fn idn_09_only_a_root_of_the_devices_office_enrols_and_revokes() {
    let mut registry = registry();
    for signer in [PARQUET.root_id(), STRANGER.root_id(), ana().certificate().id()] {
        let refused = registry.enrol(ana().certificate(), signer, at(1, JUNE)).map(|_| ());
        assert_eq!(rule_of(refused), Some(Rule::OfficeRootSigns));
    }
    registry.enrol(ana().certificate(), DIICOT.root_id(), at(1, JUNE)).unwrap();
    let target = RevocationTarget::Device(ana().device_id());
    let refused = registry.revoke(target, RevocationReason::Lost, PARQUET.root_id(), at(2, JUNE));
    assert_eq!(rule_of(refused), Some(Rule::OfficeRootSigns));
    assert_eq!(registry.standing(ana().certificate().id(), later()), Standing::Good);
}

#[test]
fn idn_10_a_renewal_keeps_person_country_and_role() {
    let mut registry = with(&[&ana()]);
    assert_eq!(enrol(&mut registry, &TestDevice { local: "bob", seed: 12, ..ana() }, 2), Some(Rule::RenewalKeepsHolder));
    assert_eq!(enrol(&mut registry, &TestDevice { role: 3, seed: 12, ..ana() }, 2), Some(Rule::RenewalKeepsHolder));
    let moved = TestDevice { device: 11, seed: 12, ..prosecutor(&PARQUET, "ana.pop", 12) };
    assert_eq!(enrol(&mut registry, &moved, 2), Some(Rule::RenewalKeepsHolder));
    let renewed = TestDevice { not_after: "2027-01-31T00:00:00Z", ..ana() };
    assert_eq!(enrol(&mut registry, &renewed, 2), None);
    let new_keys = TestDevice { seed: 13, sealing: Some(vec![13; 1216]), name: "Ana Pop-Ionescu", ..ana() };
    assert_eq!(enrol(&mut registry, &new_keys, 3), None);
    assert_eq!(registry.certificates_of(ana().device_id()).count(), 3);
    let newest: Vec<_> = registry.devices(later()).map(Certificate::id).collect();
    assert_eq!(newest, [new_keys.certificate().id()]);
}

#[test]
fn idn_11_a_key_belongs_to_one_device() {
    let mut registry = with(&[&ana()]);
    let other = prosecutor(&PARQUET, "marie", 21);
    assert_eq!(enrol(&mut registry, &TestDevice { seed: 11, ..other.clone() }, 2), Some(Rule::KeyBelongsToOneDevice));
    assert_eq!(enrol(&mut registry, &TestDevice { sealing: ana().sealing, ..other.clone() }, 2), Some(Rule::KeyBelongsToOneDevice));
    assert_eq!(enrol(&mut registry, &TestDevice { seed: DIICOT.seed, ..other.clone() }, 2), Some(Rule::KeyBelongsToOneDevice));
    assert_eq!(enrol(&mut registry, &other, 2), None);
}

#[test]
fn idn_12_a_revoked_device_takes_all_its_certificates_with_it_and_does_not_come_back() {
    let renewed = TestDevice { seed: 12, sealing: Some(vec![12; 1216]), ..ana() };
    let mut registry = with(&[&ana(), &renewed]);
    registry.revoke(RevocationTarget::Device(ana().device_id()), RevocationReason::KeyCompromise, DIICOT.root_id(), at(5, JUNE)).unwrap();
    for device in [ana(), renewed] {
        let id = device.certificate().id();
        assert_eq!(registry.standing(id, at(4, JUNE)), Standing::Good);
        let Standing::Revoked(revocation) = registry.standing(id, at(5, JUNE)) else { panic!("{id} is not revoked") };
        assert_eq!((revocation.since, revocation.reason), (at(5, JUNE), RevocationReason::KeyCompromise));
    }
    let again = TestDevice { seed: 13, sealing: Some(vec![13; 1216]), ..ana() };
    assert_eq!(enrol(&mut registry, &again, 6), Some(Rule::RevokedStaysRevoked));
    let stolen_key = TestDevice { device: 14, sealing: Some(vec![14; 1216]), ..ana() };
    assert_eq!(enrol(&mut registry, &stolen_key, 6), Some(Rule::KeyBelongsToOneDevice));
    assert_eq!(registry.devices(later()).count(), 0);
}

#[test]
fn idn_13_nothing_is_enrolled_or_revoked_twice() {
    let renewed = TestDevice { seed: 12, sealing: Some(vec![12; 1216]), ..ana() };
    let mut registry = with(&[&ana(), &renewed]);
    assert_eq!(enrol(&mut registry, &ana(), 3), Some(Rule::OncePerSubject));
    let one = RevocationTarget::Certificate(ana().certificate().id());
    let all = RevocationTarget::Device(ana().device_id());
    let revoke = |registry: &mut Registry, target, seq| {
        rule_of(registry.revoke(target, RevocationReason::Superseded, DIICOT.root_id(), at(seq, JUNE)))
    };
    assert_eq!(revoke(&mut registry, one, 3), None);
    assert_eq!(registry.standing(renewed.certificate().id(), later()), Standing::Good);
    assert_eq!(revoke(&mut registry, one, 4), Some(Rule::OncePerSubject));
    assert_eq!(revoke(&mut registry, all, 4), None);
    assert_eq!(revoke(&mut registry, all, 5), Some(Rule::OncePerSubject));
    let nobody = RevocationTarget::Device(prosecutor(&DIICOT, "nobody", 99).device_id());
    assert_eq!(revoke(&mut registry, nobody, 5), Some(Rule::OncePerSubject));
}

#[test]
fn records_out_of_order_are_the_callers_mistake() {
    let mut registry = with(&[&ana()]);
    let other = prosecutor(&PARQUET, "marie", 21);
    for place in [at(1, JUNE), at(0, JUNE), at(2, "2026-05-31T23:59:59Z")] {
        let refused = registry.enrol(other.certificate(), PARQUET.root_id(), place).map(|_| ());
        assert_eq!(refused, Err(RegistryError::OutOfOrder));
    }
    registry.enrol(other.certificate(), PARQUET.root_id(), at(7, JUNE)).unwrap();
    assert_eq!(registry.head(), Some(at(7, JUNE)));
}

fn next(registry: &mut Registry, draft: TrustListDraft, seq: u64) -> Result<(), RegistryError> {
    let before = registry.trust_list(registry.head().unwrap().seq).unwrap();
    let list = signed(draft.after(before).unwrap(), &[&DIICOT, &PARQUET]);
    registry.apply_trust_list(list, DIICOT.root_id(), at(seq, JUNE))
}

fn second(change: impl FnOnce(&mut TrustListDraft)) -> TrustListDraft {
    let mut next = draft("2026-05-01T00:00:00Z", 2, first_draft().offices);
    change(&mut next);
    next
}

#[test]
fn a_new_list_changes_what_stands_from_its_record_on() {
    let mut registry = with(&[&ana(), &auditor()]);
    let lena = auditor().certificate().id();
    next(&mut registry, second(|list| list.offices.truncate(2)), 5).unwrap();
    assert_eq!((registry.standing(lena, at(4, JUNE)), registry.standing(lena, at(5, JUNE))), (Standing::Good, Standing::OfficeRemoved));
    next(&mut registry, second(|list| list.offices[0].roles.retain(|role| *role != Role::Prosecutor)), 6).unwrap();
    let ana = ana().certificate().id();
    assert_eq!((registry.standing(ana, at(5, JUNE)), registry.standing(ana, at(6, JUNE))), (Standing::Good, Standing::RoleWithdrawn));
    let expired = second(|list| list.offices[0].roots[0].until = super::world::claimed("2026-06-15T00:00:00Z"));
    next(&mut registry, expired, 7).unwrap();
    assert_eq!(registry.standing(ana, at(7, JUNE)), Standing::Good);
    assert_eq!(registry.standing(ana, at(7, "2026-06-15T00:00:00Z")), Standing::RootNotInForce);
    assert_eq!(registry.standing(ana, at(4, "2026-06-15T00:00:00Z")), Standing::Good);
}

#[test]
fn idn_04_a_list_from_the_future_is_refused() {
    let mut registry = registry();
    let ahead = |time: &str| TrustListDraft { issued: super::world::claimed(time), ..second(|_| ()) };
    let refused = next(&mut registry, ahead("2026-06-01T00:05:00.001Z"), 1).unwrap_err();
    assert_eq!(refused.rule(), Some(Rule::ListIsNotFromTheFuture));
    next(&mut registry, ahead("2026-06-01T00:05:00Z"), 1).unwrap();
}

#[test]
fn idn_14_a_list_is_brought_by_an_office_that_decides() {
    let mut empty = Registry::new(pin());
    let refused = empty.apply_trust_list(first_unverified(), STRANGER.root_id(), at(0, JUNE));
    assert_eq!(rule_of(refused), Some(Rule::ListIsBroughtByAnOffice));
    let mut registry = registry();
    let with_stranger = second(|list| list.offices.push(STRANGER.on_list(&[Role::Prosecutor], &[])));
    let list = signed(with_stranger.after(registry.trust_list(at(0, JUNE).seq).unwrap()).unwrap(), &[&DIICOT, &PARQUET]);
    let refused = registry.apply_trust_list(list, STRANGER.root_id(), at(1, JUNE));
    assert_eq!(rule_of(refused), Some(Rule::ListIsBroughtByAnOffice));
}

#[test]
fn idn_06_without_a_list_nobody_enrols() {
    assert_eq!(enrol(&mut Registry::new(pin()), &ana(), 0), Some(Rule::OfficeIssued));
}

#[test]
fn auditors_are_competent_for_the_offices_that_theirs_supervises() {
    let registry = with(&[&ana(), &auditor()]);
    let competent =
        |office: &str, when| registry.auditors_competent_for(&office.parse().unwrap(), when).map(Certificate::id).collect::<Vec<_>>();
    assert_eq!(competent("ro-diicot", later()), [auditor().certificate().id()]);
    assert!(competent("fr-parquet", later()).is_empty());
    assert!(competent("ro-diicot", at(1, JUNE)).is_empty());
    assert!(competent("ro-diicot", at(9, "2027-02-01T00:00:00Z")).is_empty());
    assert_eq!(registry.devices_of(&"ro-diicot".parse().unwrap(), Role::Prosecutor, later()).count(), 1);
}
