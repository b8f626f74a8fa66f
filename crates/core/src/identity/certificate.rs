//! The certificate of a device: the form, and the type that says that an office vouched for it.

use core::fmt;
use core::str::FromStr;

use ed25519_dalek::VerifyingKey;
use x509_cert::der::asn1::OctetString;
use x509_cert::der::{Encode as _, Tag};
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages};

use super::oid;
use super::rules::Rule;
use super::text::{Country, DeviceLabel, ShownName};
use super::x509::{self, Malformed};
use crate::digest::{DigestTextError, Sha256Digest};
use crate::ids::{DeviceId, OfficeId, PersonId};
use crate::time::LogTime;

const LONGEST_DAYS: u64 = 397;

/// The SHA-256 of a certificate's DER: `x5t#S256` of a JWS, `keyid` of an HTTP signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct CertificateId(Sha256Digest);

impl CertificateId {
    /// The id of the certificate with this DER, whose form is not looked at.
    pub fn of(der: &[u8]) -> Self {
        Self(Sha256Digest::of(&[der]))
    }

    /// Takes a digest that somebody says is of a certificate.
    pub const fn from_digest(digest: Sha256Digest) -> Self {
        Self(digest)
    }

    /// The digest.
    pub const fn digest(&self) -> Sha256Digest {
        self.0
    }
}

impl fmt::Display for CertificateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for CertificateId {
    type Err = DigestTextError;

    fn from_str(text: &str) -> Result<Self, DigestTextError> {
        text.parse().map(Self)
    }
}

/// What a device may do for its person and office.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Be a member of cases.
    Prosecutor,
    /// Read the entries of offices that its office supervises.
    Auditor,
    /// Be the visible recovery leaf of its office.
    Recovery,
    /// Operate for its office; opens nothing.
    Administrator,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 4] = [Self::Prosecutor, Self::Auditor, Self::Recovery, Self::Administrator];

    /// The word in requests and trust lists.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prosecutor => "prosecutor",
            Self::Auditor => "auditor",
            Self::Recovery => "recovery",
            Self::Administrator => "administrator",
        }
    }

    /// Whether a device of this role must have a sealing key.
    pub const fn needs_sealing_key(self) -> bool {
        !matches!(self, Self::Administrator)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An X-Wing encapsulation key for sealing, 1216 bytes (ML-KEM-768 1184, X25519 32).
///
/// Only the length is checked; `client::hpke` checks the rest when it seals.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SealingPublicKey(Box<[u8; Self::BYTES]>);

impl SealingPublicKey {
    /// The length in bytes.
    pub const BYTES: usize = 1216;

    /// Takes 1216 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.to_vec().try_into().ok().map(Self)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl fmt::Debug for SealingPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingPublicKey(sha256 {})", Sha256Digest::of(&[self.0.as_slice()]))
    }
}

/// What a certificate says of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceFields {
    /// The device, the same through all renewals.
    pub device: DeviceId,
    /// The person that it acts for.
    pub person: PersonId,
    /// The country of the person's office.
    pub country: Country,
    /// What it may do.
    pub role: Role,
    /// The person's name as it is shown.
    pub name: ShownName,
    /// What the person calls the device.
    pub label: DeviceLabel,
    /// The key with which it signs.
    pub key: VerifyingKey,
    /// The key to which others seal; only an administrator may have none.
    pub sealing_key: Option<SealingPublicKey>,
    /// The first second of the validity.
    pub not_before: LogTime,
    /// The last second of the validity.
    pub not_after: LogTime,
}

/// A device certificate that has its form. Nobody has vouched for what it says: not even its signature is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnverifiedCertificate {
    pub(super) id: CertificateId,
    pub(super) der: Vec<u8>,
    pub(super) issuer: Vec<u8>,
    pub(super) issuer_key_id: [u8; 20],
    pub(super) purpose: &'static [u8],
    pub(super) fields: DeviceFields,
}

/// A device certificate for which an office of a trust list vouched at one moment.
///
/// Says nothing of revocation or of other moments: [`super::Registry::standing`] does. Made only by
/// [`super::TrustList::certify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    pub(super) inner: UnverifiedCertificate,
    pub(super) root: CertificateId,
}

/// Why a device certificate was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// It does not have the form of the profile.
    #[error("malformed certificate: {0}")]
    Malformed(#[from] Malformed),
    /// Its office is not on the trust list.
    #[error("the office {office} is not on the trust list")]
    UnknownOffice {
        /// The office that the certificate names.
        office: OfficeId,
    },
    /// No root of its office in force at that time has its issuer's name and key.
    #[error("no root of {office} in force at that time issued the certificate")]
    UnknownIssuer {
        /// The office that the certificate names.
        office: OfficeId,
    },
    /// The root's key did not sign it.
    #[error("the root's signature on the certificate does not verify")]
    BadSignature,
    /// It has another country than its office.
    #[error("the certificate says {certificate}, its office is of {office}")]
    CountryMismatch {
        /// The country in the certificate.
        certificate: Country,
        /// The country on the trust list.
        office: Country,
    },
    /// Its office may not certify its role.
    #[error("the office {office} may not certify the role {role}")]
    RoleNotPermitted {
        /// The office.
        office: OfficeId,
        /// The role in the certificate.
        role: Role,
    },
    /// It is not valid yet.
    #[error("the certificate is valid only from {from}")]
    NotYetValid {
        /// The first second of the validity.
        from: LogTime,
    },
    /// It is no longer valid.
    #[error("the certificate was valid until {until}")]
    Expired {
        /// The last second of the validity.
        until: LogTime,
    },
}

impl CertificateError {
    /// The rule that refused it.
    pub const fn rule(&self) -> Rule {
        match self {
            Self::Malformed(_) => Rule::CertificateHasItsForm,
            Self::UnknownOffice { .. } | Self::UnknownIssuer { .. } | Self::BadSignature => Rule::OfficeIssued,
            Self::CountryMismatch { .. } | Self::RoleNotPermitted { .. } => Rule::WithinTheOffice,
            Self::NotYetValid { .. } | Self::Expired { .. } => Rule::WithinValidity,
        }
    }
}

impl UnverifiedCertificate {
    /// Reads a device certificate of at most 4096 bytes.
    ///
    /// Source: `docs/spec/identity.md` §2.2.
    ///
    /// # Errors
    /// [`Malformed`] names the field.
    pub fn parse(der: &[u8]) -> Result<Self, Malformed> {
        let mut parts = x509::read(der, LONGEST_DAYS)?;
        let basic: BasicConstraints = parts.extensions.require(oid::BASIC_CONSTRAINTS, "BasicConstraints", true)?;
        if basic.ca || basic.path_len_constraint.is_some() {
            return Err(Malformed::new("BasicConstraints", "an authority"));
        }
        let usage: KeyUsage = parts.extensions.require(oid::KEY_USAGE, "KeyUsage", true)?;
        if usage != KeyUsage(KeyUsages::DigitalSignature.into()) {
            return Err(Malformed::new("KeyUsage", "not exactly digitalSignature"));
        }
        let purposes: ExtendedKeyUsage = parts.extensions.require(oid::EXTENDED_KEY_USAGE, "ExtendedKeyUsage", true)?;
        let [purpose] = purposes.0.as_slice() else {
            return Err(Malformed::new("ExtendedKeyUsage", "not exactly one role"));
        };
        let (arc, role) = oid::role_of(purpose).ok_or(Malformed::new("ExtendedKeyUsage", "not a role"))?;
        parts.extensions.subject_key_id(&parts.key)?;
        let issuer_key_id = authority_key_id(&parts.extensions.require(oid::AUTHORITY_KEY_ID, "AuthorityKeyIdentifier", false)?)?;
        let sealing: Option<OctetString> = parts.extensions.take(*arc.sealing_key(), "sealing key", false)?;
        let sealing_key = match sealing {
            Some(bytes) => {
                let key = SealingPublicKey::from_bytes(bytes.as_bytes());
                Some(key.ok_or(Malformed::new("sealing key", "not 1216 bytes"))?)
            }
            None if role.needs_sealing_key() => return Err(Malformed::new("sealing key", "missing")),
            None => None,
        };
        parts.extensions.finish()?;
        let subject = subject(&parts.subject)?;
        let issuer = parts.issuer.to_der().map_err(|_| Malformed::new("issuer", "not in canonical DER"))?;
        Ok(Self {
            id: CertificateId::of(der),
            der: der.to_owned(),
            issuer,
            issuer_key_id,
            purpose: arc.role(role).as_bytes(),
            fields: DeviceFields {
                device: subject.device,
                person: subject.person,
                country: subject.country,
                role,
                name: subject.name,
                label: subject.label,
                key: parts.key,
                sealing_key,
                not_before: parts.not_before,
                not_after: parts.not_after,
            },
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

    /// What it says, for which nobody has vouched.
    pub fn claims(&self) -> &DeviceFields {
        &self.fields
    }
}

fn authority_key_id(authority: &AuthorityKeyIdentifier) -> Result<[u8; 20], Malformed> {
    let field = "AuthorityKeyIdentifier";
    if authority.authority_cert_issuer.is_some() || authority.authority_cert_serial_number.is_some() {
        return Err(Malformed::new(field, "has more than keyIdentifier"));
    }
    let id = authority.key_identifier.as_ref().and_then(|id| id.as_bytes().try_into().ok());
    id.ok_or(Malformed::new(field, "not 20 bytes"))
}

struct Subject {
    country: Country,
    label: DeviceLabel,
    name: ShownName,
    person: PersonId,
    device: DeviceId,
}

fn subject(name: &x509_cert::name::Name) -> Result<Subject, Malformed> {
    let form = [
        (oid::COUNTRY, Tag::PrintableString),
        (oid::ORGANISATION, Tag::Utf8String),
        (oid::UNIT, Tag::Utf8String),
        (oid::COMMON_NAME, Tag::Utf8String),
        (oid::USER_ID, Tag::Utf8String),
        (oid::SERIAL_NUMBER, Tag::PrintableString),
    ];
    let [country, office, label, name, local, device] = x509::texts(name, "subject", form)?;
    let office: OfficeId = office.parse().map_err(|_| Malformed::new("office", "not an office id"))?;
    Ok(Subject {
        country: country.parse().map_err(|_| Malformed::new("country", "not two upper-case letters"))?,
        label: label.parse().map_err(|_| Malformed::new("label", "not a text to be shown"))?,
        name: name.parse().map_err(|_| Malformed::new("name", "not a text to be shown"))?,
        person: PersonId::new(office, &local).map_err(|_| Malformed::new("person", "not a local id"))?,
        device: device.parse().map_err(|_| Malformed::new("device", "not a device id"))?,
    })
}

impl Certificate {
    /// The SHA-256 of the DER.
    pub fn id(&self) -> CertificateId {
        self.inner.id
    }

    /// The certificate as it was read.
    pub fn der(&self) -> &[u8] {
        &self.inner.der
    }

    /// The office root that issued it.
    pub fn root(&self) -> CertificateId {
        self.root
    }

    /// All that it says of the device.
    pub fn fields(&self) -> &DeviceFields {
        &self.inner.fields
    }

    /// The device, the same through all renewals.
    pub fn device(&self) -> DeviceId {
        self.inner.fields.device
    }

    /// The person that the device acts for.
    pub fn person(&self) -> &PersonId {
        &self.inner.fields.person
    }

    /// The person's office.
    pub fn office(&self) -> &OfficeId {
        self.inner.fields.person.office()
    }

    /// What the device may do.
    pub fn role(&self) -> Role {
        self.inner.fields.role
    }

    /// The key with which the device signs.
    pub fn key(&self) -> &VerifyingKey {
        &self.inner.fields.key
    }

    /// The key to which others seal for the device.
    pub fn sealing_key(&self) -> Option<&SealingPublicKey> {
        self.inner.fields.sealing_key.as_ref()
    }
}
