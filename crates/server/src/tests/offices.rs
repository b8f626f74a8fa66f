//! Offices and device certificates made from fixed seeds (`docs/spec/identity.md`).

use custodia_core::digest::Sha256Digest;
use custodia_core::identity::{
    ARCS, CertificateId, Office, OfficeRoot, Role, RootCertificate, TrustListDraft, UnverifiedTrustList, key_identifier,
};
use custodia_core::ids::DeviceId;
use custodia_core::time::ClaimedTime;
use ed25519_dalek::{Signer as _, SigningKey};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, DnValue, IsCa, Issuer, KeyIdMethod, KeyUsagePurpose,
    PKCS_ED25519, PublicKeyData, SerialNumber, SignatureAlgorithm,
};
use time::OffsetDateTime;

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

struct TestKey(SigningKey, [u8; 32]);

impl TestKey {
    fn new(seed: u8) -> Self {
        Self(key(seed), key(seed).verifying_key().to_bytes())
    }
}

impl PublicKeyData for TestKey {
    fn der_bytes(&self) -> &[u8] {
        &self.1
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}

impl rcgen::SigningKey for TestKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.0.sign(message).to_bytes().to_vec())
    }
}

fn printable(text: &str) -> DnValue {
    DnValue::PrintableString(text.try_into().unwrap())
}

fn serial(seed: &[u8]) -> SerialNumber {
    let mut bytes: [u8; 16] = *Sha256Digest::of(&[seed]).as_bytes().first_chunk().unwrap();
    bytes[0] = bytes[0] & 0x3f | 0x40;
    SerialNumber::from_slice(&bytes)
}

fn moment(seconds: u64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(i64::try_from(seconds).unwrap()).unwrap()
}

pub fn claimed(seconds: u64) -> ClaimedTime {
    let text = moment(seconds).format(&time::format_description::well_known::Rfc3339).unwrap();
    ClaimedTime::parse(&text).unwrap()
}

const DAY: u64 = 86_400;

/// An office with one root.
#[derive(Clone, Copy)]
pub struct TestOffice {
    pub id: &'static str,
    pub country: &'static str,
    pub seed: u8,
}

pub const DIICOT: TestOffice = TestOffice { id: "ro-diicot", country: "RO", seed: 1 };
pub const INSPECTION: TestOffice = TestOffice { id: "eu-inspection", country: "BE", seed: 3 };

impl TestOffice {
    fn params(self, now: u64) -> CertificateParams {
        let mut params = CertificateParams::default();
        let mut subject = DistinguishedName::new();
        subject.push(DnType::CountryName, printable(self.country));
        subject.push(DnType::OrganizationName, self.id);
        subject.push(DnType::CommonName, "Office");
        params.distinguished_name = subject;
        params.not_before = moment(now - 30 * DAY);
        params.not_after = moment(now + 3000 * DAY);
        params.serial_number = Some(serial(&[self.seed]));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
        params.key_identifier_method = KeyIdMethod::PreSpecified(key_identifier(&key(self.seed).verifying_key()).to_vec());
        params
    }

    fn root(self, now: u64) -> RootCertificate {
        let certificate = self.params(now).self_signed(&TestKey::new(self.seed)).unwrap();
        RootCertificate::parse(certificate.der()).unwrap()
    }

    pub fn root_id(self, now: u64) -> CertificateId {
        self.root(now).id()
    }

    pub fn on_list(self, roles: &[Role], supervises: &[&str], now: u64) -> Office {
        Office {
            id: self.id.parse().unwrap(),
            name: "Office".parse().unwrap(),
            country: self.country.parse().unwrap(),
            roles: roles.to_vec(),
            roots: vec![OfficeRoot { certificate: self.root(now), from: claimed(now - 20 * DAY), until: claimed(now + 2000 * DAY) }],
            supervises: supervises.iter().map(|id| id.parse().unwrap()).collect(),
        }
    }
}

/// The first trust list: DIICOT, and an inspection that supervises it.
pub fn first_list(now: u64) -> UnverifiedTrustList {
    let offices = vec![
        DIICOT.on_list(&[Role::Prosecutor, Role::Recovery, Role::Administrator], &[], now),
        INSPECTION.on_list(&[Role::Auditor], &["ro-diicot"], now),
    ];
    let mut list = TrustListDraft { issued: claimed(now - DAY), threshold: 2, offices }.first().unwrap();
    for office in [DIICOT, INSPECTION] {
        list.sign(office.root_id(now), &key(office.seed));
    }
    list
}

/// One DER value of fewer than 65536 bytes.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    let head: &[u8] = match content.len() {
        0..=0x7f => &[tag, low],
        0x80..=0xff => &[tag, 0x81, low],
        _ => &[tag, 0x82, high, low],
    };
    [head, content].concat()
}

pub fn device_id(seed: u8) -> DeviceId {
    DeviceId::from_bytes([seed; 16])
}

/// A device certificate whose keys and ids come from `seed`.
pub fn device_certificate(office: TestOffice, role: Role, seed: u8, now: u64) -> Vec<u8> {
    let mut params = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CountryName, printable(office.country));
    subject.push(DnType::OrganizationName, office.id);
    subject.push(DnType::OrganizationalUnitName, "laptop");
    subject.push(DnType::CommonName, "Ana Pop");
    subject.push(DnType::CustomDnType(vec![0, 9, 2342, 19_200_300, 100, 1, 1]), format!("person-{seed}"));
    subject.push(DnType::CustomDnType(vec![2, 5, 4, 5]), printable(&device_id(seed).to_string()));
    params.distinguished_name = subject;
    params.not_before = moment(now - 10 * DAY);
    params.not_after = moment(now + 100 * DAY);
    params.serial_number = Some(serial(&[seed, office.seed]));
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.key_identifier_method = KeyIdMethod::PreSpecified(key_identifier(&key(seed).verifying_key()).to_vec());
    params.use_authority_key_identifier_extension = true;
    let arc = &ARCS[0];
    let mut purposes = CustomExtension::from_oid_content(&[2, 5, 29, 37], der(0x30, &der(0x06, arc.role(role).as_bytes())));
    purposes.set_criticality(true);
    let oid: Vec<u64> = arc.sealing_key().arcs().map(u64::from).collect();
    params.custom_extensions = vec![purposes, CustomExtension::from_oid_content(&oid, der(0x04, &[seed; 1216]))];
    let issuer = office.params(now);
    let issuer = Issuer::from_params(&issuer, TestKey::new(office.seed));
    params.signed_by(&TestKey::new(seed), &issuer).unwrap().der().to_vec()
}
