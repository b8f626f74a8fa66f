//! The root certificate of an office.

use ed25519_dalek::{Signature, VerifyingKey};
use x509_cert::der::{Encode as _, Tag};
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage, KeyUsages};

use super::certificate::CertificateId;
use super::oid;
use super::text::{Country, ShownName};
use super::x509::{self, Malformed, key_identifier};
use crate::ids::OfficeId;
use crate::time::LogTime;

const LONGEST_DAYS: u64 = 7305;

/// A root certificate that has its form and is signed by its own key.
///
/// Whether anybody trusts it is not said here: a trust list does that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootCertificate {
    id: CertificateId,
    der: Vec<u8>,
    subject: Vec<u8>,
    office: OfficeId,
    country: Country,
    name: ShownName,
    key: VerifyingKey,
    not_before: LogTime,
    not_after: LogTime,
}

impl RootCertificate {
    /// Reads a root certificate and checks its own signature.
    ///
    /// Source: `docs/spec/identity.md` §2.1.
    ///
    /// # Errors
    /// [`Malformed`] names the field.
    pub fn parse(der: &[u8]) -> Result<Self, Malformed> {
        let mut parts = x509::read(der, LONGEST_DAYS)?;
        let form = [(oid::COUNTRY, Tag::PrintableString), (oid::ORGANISATION, Tag::Utf8String), (oid::COMMON_NAME, Tag::Utf8String)];
        let [country, office, name] = x509::texts(&parts.subject, "subject", form)?;
        let country = country.parse().map_err(|_| Malformed::new("country", "not two upper-case letters"))?;
        let office = office.parse().map_err(|_| Malformed::new("office", "not an office id"))?;
        let name = name.parse().map_err(|_| Malformed::new("name", "not a text to be shown"))?;
        if parts.issuer != parts.subject {
            return Err(Malformed::new("issuer", "not the subject"));
        }
        let basic: BasicConstraints = parts.extensions.require(oid::BASIC_CONSTRAINTS, "BasicConstraints", true)?;
        if !basic.ca || basic.path_len_constraint != Some(0) {
            return Err(Malformed::new("BasicConstraints", "not an authority over end entities only"));
        }
        let usage: KeyUsage = parts.extensions.require(oid::KEY_USAGE, "KeyUsage", true)?;
        if usage != KeyUsage(KeyUsages::DigitalSignature | KeyUsages::KeyCertSign) {
            return Err(Malformed::new("KeyUsage", "not exactly digitalSignature and keyCertSign"));
        }
        parts.extensions.subject_key_id(&parts.key)?;
        parts.extensions.finish()?;
        let signature = Signature::from_bytes(&parts.signature);
        parts.key.verify_strict(&parts.signed, &signature).map_err(|_| Malformed::new("signature", "not by its own key"))?;
        let subject = parts.subject.to_der().map_err(|_| Malformed::new("subject", "not in canonical DER"))?;
        Ok(Self {
            id: CertificateId::of(der),
            der: der.to_owned(),
            subject,
            office,
            country,
            name,
            key: parts.key,
            not_before: parts.not_before,
            not_after: parts.not_after,
        })
    }

    /// The SHA-256 of the DER.
    pub fn id(&self) -> CertificateId {
        self.id
    }

    /// The certificate as it was read.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The DER of the subject: what its device certificates name as issuer.
    pub fn subject(&self) -> &[u8] {
        &self.subject
    }

    /// The office that it says it is of.
    pub fn office(&self) -> &OfficeId {
        &self.office
    }

    /// The country that it says the office is of.
    pub fn country(&self) -> Country {
        self.country
    }

    /// The office's name.
    pub fn name(&self) -> &ShownName {
        &self.name
    }

    /// The key under which device certificates, records and trust lists of the office verify.
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// The identifier of the key (RFC 7093).
    pub fn key_id(&self) -> [u8; 20] {
        key_identifier(&self.key)
    }

    /// The first second of the validity.
    pub fn not_before(&self) -> LogTime {
        self.not_before
    }

    /// The last second of the validity.
    pub fn not_after(&self) -> LogTime {
        self.not_after
    }
}
