//! Offices, roots and devices made from fixed seeds, so that every byte is the same in every run.

use ed25519_dalek::{Signer as _, SigningKey};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, DnValue, IsCa, Issuer, KeyIdMethod, KeyUsagePurpose,
    PKCS_ED25519, PublicKeyData, SerialNumber, SignatureAlgorithm,
};
use time::OffsetDateTime;

use crate::digest::Sha256Digest;
use crate::identity::{
    AsOf, CertificateId, Country, DeviceLabel, Office, OfficeRoot, Registry, RegistrySeq, Role, RootCertificate, ShownName, TrustList,
    TrustListDraft, TrustPin, UnverifiedCertificate, UnverifiedTrustList, key_identifier,
};
use crate::ids::DeviceId;
use crate::time::{ClaimedTime, LogTime};

pub const ARC: [u64; 7] = [1, 3, 6, 1, 4, 1, 32473];
pub const NOT_BEFORE: &str = "2026-01-01T00:00:00Z";
pub const NOT_AFTER: &str = "2026-12-31T23:59:59Z";

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub struct TestKey(SigningKey, Vec<u8>);

impl TestKey {
    pub fn new(seed: u8) -> Self {
        Self(key(seed), key(seed).verifying_key().as_bytes().to_vec())
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
    fn sign(&self, msg: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.0.sign(msg).to_bytes().to_vec())
    }
}

pub fn claimed(text: &str) -> ClaimedTime {
    ClaimedTime::parse(text).unwrap()
}

pub fn log_time(text: &str) -> LogTime {
    LogTime::from_millis(claimed(text).millis().try_into().unwrap()).unwrap()
}

pub fn moment(text: &str) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(i64::try_from(claimed(text).millis() / 1000).unwrap()).unwrap()
}

fn serial(seed: &[u8]) -> SerialNumber {
    let mut bytes: [u8; 16] = *Sha256Digest::of(&[seed]).as_bytes().first_chunk().unwrap();
    bytes[0] = bytes[0] & 0x3f | 0x40;
    SerialNumber::from_slice(&bytes)
}

fn printable(text: &str) -> DnValue {
    DnValue::PrintableString(text.try_into().unwrap())
}

/// An office with one root.
#[derive(Clone)]
pub struct TestOffice {
    pub id: &'static str,
    pub country: &'static str,
    pub name: &'static str,
    pub seed: u8,
}

pub const DIICOT: TestOffice = TestOffice { id: "ro-diicot", country: "RO", name: "DIICOT", seed: 1 };
pub const PARQUET: TestOffice = TestOffice { id: "fr-parquet", country: "FR", name: "Parquet de Paris", seed: 2 };
pub const INSPECTION: TestOffice = TestOffice { id: "eu-inspection", country: "BE", name: "Inspection", seed: 3 };
pub const STRANGER: TestOffice = TestOffice { id: "xx-stranger", country: "XX", name: "Stranger", seed: 4 };

impl TestOffice {
    pub fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::default();
        let mut subject = DistinguishedName::new();
        subject.push(DnType::CountryName, printable(self.country));
        subject.push(DnType::OrganizationName, self.id);
        subject.push(DnType::CommonName, self.name);
        params.distinguished_name = subject;
        params.not_before = moment("2025-01-01T00:00:00Z");
        params.not_after = moment("2040-01-01T00:00:00Z");
        params.serial_number = Some(serial(&[self.seed]));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
        params.key_identifier_method = KeyIdMethod::PreSpecified(key_identifier(&key(self.seed).verifying_key()).to_vec());
        params
    }

    pub fn root_der_of(&self, params: &CertificateParams) -> Vec<u8> {
        params.self_signed(&TestKey::new(self.seed)).unwrap().der().to_vec()
    }

    pub fn root(&self) -> RootCertificate {
        RootCertificate::parse(&self.root_der_of(&self.params())).unwrap()
    }

    pub fn root_id(&self) -> CertificateId {
        self.root().id()
    }

    pub fn on_list(&self, roles: &[Role], supervises: &[&str]) -> Office {
        Office {
            id: self.id.parse().unwrap(),
            name: self.name.parse().unwrap(),
            country: self.country.parse().unwrap(),
            roles: roles.to_vec(),
            roots: vec![OfficeRoot {
                certificate: self.root(),
                from: claimed("2025-06-01T00:00:00Z"),
                until: claimed("2039-01-01T00:00:00Z"),
            }],
            supervises: supervises.iter().map(|id| id.parse().unwrap()).collect(),
        }
    }
}

/// A device certificate to be; tests change what they need.
#[derive(Clone)]
pub struct TestDevice {
    pub office: TestOffice,
    pub issuer: TestOffice,
    pub local: &'static str,
    pub country: &'static str,
    pub name: &'static str,
    pub label: &'static str,
    pub device: u8,
    pub seed: u8,
    pub role: u64,
    pub not_before: &'static str,
    pub not_after: &'static str,
    pub sealing: Option<Vec<u8>>,
}

/// A device of a prosecutor; its keys and id come from `seed`.
pub fn prosecutor(office: &TestOffice, local: &'static str, seed: u8) -> TestDevice {
    TestDevice {
        office: office.clone(),
        issuer: office.clone(),
        local,
        country: office.country,
        name: "Ana Pop",
        label: "laptop",
        device: seed,
        seed,
        role: 1,
        not_before: NOT_BEFORE,
        not_after: NOT_AFTER,
        sealing: Some(vec![seed; 1216]),
    }
}

pub fn oid(tail: &[u64]) -> Vec<u64> {
    [&ARC, tail].concat()
}

pub fn octet_string(bytes: &[u8]) -> Vec<u8> {
    use x509_cert::der::{Encode as _, asn1::OctetString};
    OctetString::new(bytes).unwrap().to_der().unwrap()
}

/// `ExtendedKeyUsage` with the given purposes.
pub fn purposes(oids: &[Vec<u64>]) -> CustomExtension {
    use x509_cert::der::{Encode as _, asn1::ObjectIdentifier};
    let text = |oid: &Vec<u64>| oid.iter().map(u64::to_string).collect::<Vec<_>>().join(".");
    let oids = oids.iter().map(|oid| ObjectIdentifier::new(&text(oid)).unwrap()).collect::<Vec<_>>();
    let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, 37], oids.to_der().unwrap());
    extension.set_criticality(true);
    extension
}

impl TestDevice {
    pub fn device_id(&self) -> DeviceId {
        DeviceId::from_bytes([self.device; 16])
    }

    pub fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::default();
        let mut subject = DistinguishedName::new();
        subject.push(DnType::CountryName, printable(self.country));
        subject.push(DnType::OrganizationName, self.office.id);
        subject.push(DnType::OrganizationalUnitName, self.label);
        subject.push(DnType::CommonName, self.name);
        subject.push(DnType::CustomDnType(vec![0, 9, 2342, 19_200_300, 100, 1, 1]), self.local);
        subject.push(DnType::CustomDnType(vec![2, 5, 4, 5]), printable(&self.device_id().to_string()));
        params.distinguished_name = subject;
        params.not_before = moment(self.not_before);
        params.not_after = moment(self.not_after);
        params.serial_number = Some(serial(&[self.seed, self.device, u8::try_from(self.role).unwrap()]));
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.key_identifier_method = KeyIdMethod::PreSpecified(key_identifier(&key(self.seed).verifying_key()).to_vec());
        params.use_authority_key_identifier_extension = true;
        params.custom_extensions = vec![purposes(&[oid(&[1, self.role])])];
        if let Some(sealing) = &self.sealing {
            params.custom_extensions.push(CustomExtension::from_oid_content(&oid(&[2, 1]), octet_string(sealing)));
        }
        params
    }

    pub fn sign(&self, params: &CertificateParams) -> Vec<u8> {
        let issuer = self.issuer.params();
        let issuer = Issuer::from_params(&issuer, TestKey::new(self.issuer.seed));
        params.signed_by(&TestKey::new(self.seed), &issuer).unwrap().der().to_vec()
    }

    pub fn der(&self) -> Vec<u8> {
        self.sign(&self.params())
    }

    pub fn certificate(&self) -> UnverifiedCertificate {
        UnverifiedCertificate::parse(&self.der()).unwrap()
    }
}

pub fn draft(issued: &str, threshold: u16, offices: Vec<Office>) -> TrustListDraft {
    TrustListDraft { issued: claimed(issued), threshold, offices }
}

/// Three offices, two of which must sign; the inspection supervises DIICOT.
pub fn first_draft() -> TrustListDraft {
    let offices = vec![
        DIICOT.on_list(&[Role::Prosecutor, Role::Recovery, Role::Administrator], &[]),
        PARQUET.on_list(&[Role::Prosecutor, Role::Recovery], &[]),
        INSPECTION.on_list(&[Role::Auditor], &["ro-diicot"]),
    ];
    draft("2026-01-02T00:00:00Z", 2, offices)
}

pub fn signed(mut list: UnverifiedTrustList, offices: &[&TestOffice]) -> UnverifiedTrustList {
    for office in offices {
        list.sign(office.root_id(), &key(office.seed));
    }
    list
}

pub fn first_unverified() -> UnverifiedTrustList {
    signed(first_draft().first().unwrap(), &[&DIICOT, &PARQUET])
}

pub fn pin() -> TrustPin {
    TrustPin::new(first_unverified().digest())
}

pub fn first_list() -> TrustList {
    first_unverified().verify_first(&pin()).unwrap()
}

pub fn at(seq: u64, time: &str) -> AsOf {
    AsOf { seq: RegistrySeq::new(seq), time: log_time(time) }
}

/// A registry that has the first list as record 0.
pub fn registry() -> Registry {
    let mut registry = Registry::new(pin());
    registry.apply_trust_list(first_unverified(), DIICOT.root_id(), at(0, "2026-01-03T00:00:00Z")).unwrap();
    registry
}

pub fn texts() -> (Country, ShownName, DeviceLabel) {
    ("RO".parse().unwrap(), "Ana Pop".parse().unwrap(), "laptop".parse().unwrap())
}
