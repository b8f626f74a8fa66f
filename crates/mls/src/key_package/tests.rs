use custodia_core::group::rules::{CLOCK_SKEW, MAX_KEY_PACKAGE_AGE, MAX_KEY_PACKAGE_LIFETIME, SUITE};
use openmls::prelude::{Ciphersuite, Lifetime};
use openmls_traits::signatures::Signer as _;

use super::*;
use crate::tests::{Party, log_time, now};

/// Where the init key begins: version and wire format, version and suite, then the vector's length in two bytes.
const INIT_KEY: usize = 2 + 2 + 2 + 2 + 2;
/// The signature: a length in two bytes, and 64.
const SIGNATURE: usize = 66;

fn build(kind: KeyPackageUse) -> BuiltKeyPackage {
    let party = Party::new(3);
    BuiltKeyPackage::build(&party.state, &party.device, kind, now()).unwrap()
}

fn rejected(bytes: &[u8]) -> GroupRule {
    match VerifiedKeyPackage::parse(bytes, log_time()) {
        Err(MlsError::Rejected(Broken(rule))) => rule,
        other => panic!("{other:?}"),
    }
}

/// Signs a changed key package anew, as a dishonest device could.
fn sign_anew(bytes: &mut [u8], party: &Party) {
    let at = bytes.len() - SIGNATURE;
    let content = &bytes[4..at];
    assert!((64..0x4000).contains(&content.len()), "a length in two bytes");
    let length = (0x4000 | u16::try_from(content.len()).unwrap()).to_be_bytes();
    let label = b"MLS 1.0 KeyPackageTBS";
    let signed = [&[u8::try_from(label.len()).unwrap()], &label[..], &length, content].concat();
    let signature = party.device.signer.sign(&signed).unwrap();
    bytes[at + 2..].copy_from_slice(&signature);
}

fn with_lifetime(not_before: u64, not_after: u64) -> Vec<u8> {
    with_suite(suite::SUITE, Lifetime::init(not_before, not_after))
}

fn with_suite(suite: Ciphersuite, lifetime: Lifetime) -> Vec<u8> {
    let party = Party::new(3);
    let capabilities =
        openmls::prelude::Capabilities::new(None, Some(&[suite]), None, None, Some(&[openmls::prelude::CredentialType::X509]));
    let bundle = KeyPackage::builder()
        .key_package_lifetime(lifetime)
        .leaf_node_capabilities(capabilities)
        .build(suite, &party.state, &party.device.signer, party.device.credential().unwrap())
        .unwrap();
    message::encode(&MlsMessageOut::from(bundle.key_package().clone())).unwrap()
}

#[test]
fn built_key_package_is_accepted_with_the_facts_that_its_builder_saw() {
    for (kind, last_resort) in [(KeyPackageUse::Once, false), (KeyPackageUse::LastResort, true)] {
        let built = build(kind);
        let parsed = VerifiedKeyPackage::parse(&built.bytes, log_time()).unwrap();
        assert_eq!(parsed.facts(), &built.facts);
        assert_eq!((built.facts.suite, built.facts.last_resort), (SUITE, last_resort));
        assert_eq!((built.facts.reference.len(), built.facts.init_key.len()), (48, 1216));
        assert_eq!(built.facts.certificate, vec![3; 700]);
        assert_ne!(built.facts.init_key, built.facts.encryption_key);
    }
}

#[test]
fn signing_anew_what_did_not_change_keeps_a_key_package() {
    let built = build(KeyPackageUse::Once);
    let mut same = built.bytes.clone();
    sign_anew(&mut same, &Party::new(3));
    assert_eq!(same, built.bytes, "Ed25519 is deterministic, so the helper signs what MLS signs");
}

#[test]
fn key_package_with_a_malformed_xwing_key_is_refused_by_grp_11() {
    let mut bytes = build(KeyPackageUse::Once).bytes;
    bytes[INIT_KEY..INIT_KEY + 3].fill(0xff);
    assert!(matches!(VerifiedKeyPackage::parse(&bytes, log_time()), Err(MlsError::Invalid { .. })), "not signed anew");
    sign_anew(&mut bytes, &Party::new(3));
    assert_eq!(rejected(&bytes), GroupRule::WellFormedKeys);
}

#[test]
fn key_package_with_a_long_old_or_future_lifetime_is_refused_by_grp_10() {
    let now = now();
    assert_eq!(rejected(&with_lifetime(now - 10, now + MAX_KEY_PACKAGE_LIFETIME)), GroupRule::Lifetime);
    assert_eq!(rejected(&with_lifetime(now - MAX_KEY_PACKAGE_AGE - 100, now + 1000)), GroupRule::Lifetime);
    assert_eq!(rejected(&with_lifetime(now + CLOCK_SKEW + 100, now + CLOCK_SKEW + 1000)), GroupRule::Lifetime);
    assert_eq!(rejected(&with_lifetime(now - 1000, now - 10)), GroupRule::Lifetime);
    assert!(VerifiedKeyPackage::parse(&with_lifetime(now - 10, now + 1000), log_time()).is_ok());
}

#[test]
fn key_package_is_refused_by_the_logs_time_even_if_this_clock_would_take_it() {
    let bytes = build(KeyPackageUse::Once).bytes;
    let later = LogTime::from_millis((now() + MAX_KEY_PACKAGE_AGE + CLOCK_SKEW) * 1000).unwrap();
    assert!(matches!(VerifiedKeyPackage::parse(&bytes, later), Err(MlsError::Rejected(Broken(GroupRule::Lifetime)))));
}

#[test]
fn key_package_of_another_suite_is_refused_by_grp_21() {
    let classical = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;
    assert_eq!(rejected(&with_suite(classical, suite::lifetime(now()))), GroupRule::Suite);
}

#[test]
fn key_package_that_is_cut_damaged_too_long_or_something_else_is_refused() {
    let bytes = build(KeyPackageUse::Once).bytes;
    for cut in [0, 1, 4, 700, bytes.len() - 1] {
        assert!(matches!(VerifiedKeyPackage::parse(&bytes[..cut], log_time()), Err(MlsError::Malformed("key package"))), "{cut}");
    }
    for at in (0..bytes.len()).step_by(61) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert!(VerifiedKeyPackage::parse(&damaged, log_time()).is_err(), "byte {at}");
    }
    let large = vec![0; MAX_KEY_PACKAGE_LEN + 1];
    assert!(matches!(VerifiedKeyPackage::parse(&large, log_time()), Err(MlsError::TooLarge { what: "key package", .. })));
}

#[test]
fn certificate_beyond_its_limit_makes_no_key_package() {
    let mut party = Party::new(3);
    party.device.certificate = vec![1; crate::MAX_CERTIFICATE_LEN + 1];
    let built = BuiltKeyPackage::build(&party.state, &party.device, KeyPackageUse::Once, now());
    assert!(matches!(built, Err(MlsError::TooLarge { what: "certificate", .. })));
    party.device.certificate.clear();
    let built = BuiltKeyPackage::build(&party.state, &party.device, KeyPackageUse::Once, now());
    assert!(matches!(built, Err(MlsError::Malformed("certificate"))));
}

#[test]
fn erased_key_package_leaves_no_row() {
    let mut party = Party::new(3);
    let built = BuiltKeyPackage::build(&party.state, &party.device, KeyPackageUse::LastResort, now()).unwrap();
    party.save();
    assert_eq!(party.disk.len(), 1);
    BuiltKeyPackage::erase(&party.state, &built.facts.reference).unwrap();
    party.save();
    assert!(party.disk.is_empty());
}
