//! The trust list: which offices there are, and what each may certify. Signed by offices, never by the server.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::fmt;
use core::str::FromStr;
use ed25519_dalek::SigningKey;

use super::certificate::{Certificate, CertificateError, CertificateId, Role, UnverifiedCertificate};
use super::root::RootCertificate;
use super::rules::Rule;
use super::text::{Country, ShownName};
use super::x509::Malformed;
use crate::digest::{DigestTextError, Sha256Digest};
use crate::ids::OfficeId;
use crate::jws::{GeneralJws, JwsError, Typ};
use crate::time::{ClaimedTime, LogTime};

mod path;
mod payload;

use payload::Payload;

const MAX_PAYLOAD_BYTES: usize = 256 * 1024;
const MAX_NUMBER: u64 = (1 << 53) - 1;
const MAX_OFFICES: usize = 64;
const MAX_ROOTS: usize = 4;

/// The SHA-256 of the payload of the first trust list, learnt out of band.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrustPin(Sha256Digest);

impl TrustPin {
    /// Takes the digest.
    pub const fn new(digest: Sha256Digest) -> Self {
        Self(digest)
    }
}

impl fmt::Display for TrustPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for TrustPin {
    type Err = DigestTextError;

    fn from_str(text: &str) -> Result<Self, DigestTextError> {
        text.parse().map(Self)
    }
}

/// A root of an office and the time in which it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfficeRoot {
    /// The certificate.
    pub certificate: RootCertificate,
    /// From when on it counts.
    pub from: ClaimedTime,
    /// From when on it no longer counts.
    pub until: ClaimedTime,
}

impl OfficeRoot {
    /// Whether it counts at that time.
    pub fn in_force(&self, at: LogTime) -> bool {
        self.in_force_millis(i128::from(at.millis()))
    }

    fn in_force_millis(&self, at: i128) -> bool {
        (self.from.millis()..self.until.millis()).contains(&at)
    }
}

/// An office as a trust list has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Office {
    /// Its id.
    pub id: OfficeId,
    /// Its name.
    pub name: ShownName,
    /// Its country.
    pub country: Country,
    /// The roles that it may certify, at least one.
    pub roles: Vec<Role>,
    /// Its roots, 1 to 4.
    pub roots: Vec<OfficeRoot>,
    /// The offices whose entries its auditors may read.
    pub supervises: Vec<OfficeId>,
}

/// What a new trust list is to say; the number and the link to the last come by themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustListDraft {
    /// The signers' time.
    pub issued: ClaimedTime,
    /// How many of these offices must sign the next list (and this one, if it is the first).
    pub threshold: u16,
    /// The offices, 1 to 64.
    pub offices: Vec<Office>,
}

/// A trust list that has its form; whether anybody signed it is not checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnverifiedTrustList {
    jws: GeneralJws,
    list: List,
}

/// A trust list that is the pinned one or that enough offices of the list before have signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustList {
    text: String,
    list: List,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct List {
    digest: Sha256Digest,
    number: u64,
    previous: Option<Sha256Digest>,
    issued: ClaimedTime,
    threshold: u16,
    offices: Vec<Office>,
}

/// Why a trust list was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustListError {
    /// The signature envelope has not its form or is for another use.
    #[error(transparent)]
    Jws(#[from] JwsError),
    /// The payload has not its form.
    #[error("malformed trust list: {0}")]
    Malformed(&'static str),
    /// A root in it has not its form.
    #[error("malformed trust list: a root of {office}: {fault}")]
    MalformedRoot {
        /// The office.
        office: OfficeId,
        /// The fault of the certificate.
        fault: Malformed,
    },
    /// The first list is not the pinned one.
    #[error("the first trust list is {found}, not the pinned one")]
    NotPinned {
        /// The SHA-256 of its payload.
        found: Sha256Digest,
    },
    /// It is not the list after the one that decides on it.
    #[error("the trust list does not follow the last: {0}")]
    DoesNotFollow(&'static str),
    /// A signature names a certificate that is not a root, in force when it was issued, of an office that decides.
    #[error("the trust list is signed with {certificate}, which is no root in force of an office that decides on it")]
    UnknownSigner {
        /// The certificate that the signature names.
        certificate: CertificateId,
    },
    /// An office signed twice.
    #[error("{office} signed the trust list twice")]
    SignedTwice {
        /// The office.
        office: OfficeId,
    },
    /// A signature does not verify.
    #[error("the signature of {office} on the trust list does not verify")]
    BadSignature {
        /// The office whose root it names.
        office: OfficeId,
    },
    /// Too few offices signed.
    #[error("{signed} offices signed the trust list, {needed} must")]
    TooFewSignatures {
        /// How many did.
        signed: usize,
        /// How many must.
        needed: u16,
    },
}

impl TrustListError {
    /// The rule that refused it; none if it has not even its form.
    pub const fn rule(&self) -> Option<Rule> {
        match self {
            Self::Jws(_) | Self::Malformed(_) | Self::MalformedRoot { .. } => None,
            Self::NotPinned { .. } => Some(Rule::FirstListIsPinned),
            Self::DoesNotFollow(_) => Some(Rule::ListFollowsTheLast),
            Self::UnknownSigner { .. } | Self::SignedTwice { .. } | Self::BadSignature { .. } | Self::TooFewSignatures { .. } => {
                Some(Rule::ListIsSigned)
            }
        }
    }
}

impl TrustListDraft {
    /// Makes it list 1, still without signatures. Its [`UnverifiedTrustList::digest`] is what others pin.
    ///
    /// # Errors
    /// [`TrustListError::Malformed`] when a limit is broken.
    pub fn first(self) -> Result<UnverifiedTrustList, TrustListError> {
        self.propose(1, None)
    }

    /// Makes it the list after `last`, still without signatures.
    ///
    /// # Errors
    /// [`TrustListError::Malformed`] when a limit is broken.
    pub fn after(self, last: &TrustList) -> Result<UnverifiedTrustList, TrustListError> {
        self.propose(last.number() + 1, Some(last.digest()))
    }

    fn propose(self, number: u64, previous: Option<Sha256Digest>) -> Result<UnverifiedTrustList, TrustListError> {
        let bytes = Payload::of(&self, number, previous).to_json();
        let list = List::read(&bytes)?;
        Ok(UnverifiedTrustList { jws: GeneralJws::unsigned(Typ::TrustList, &bytes), list })
    }
}

impl UnverifiedTrustList {
    /// Reads a trust list of at most 512 KiB with a payload of at most 256 KiB; it may have no signatures yet.
    ///
    /// Source: `docs/spec/identity.md` §4.
    ///
    /// # Errors
    /// [`TrustListError::Jws`], [`TrustListError::Malformed`] and [`TrustListError::MalformedRoot`].
    pub fn parse(text: &[u8]) -> Result<Self, TrustListError> {
        let jws = GeneralJws::parse(text, Typ::TrustList)?;
        let list = List::read(jws.unverified_payload())?;
        Ok(Self { jws, list })
    }

    /// The SHA-256 of the payload: what the next list names, and of list 1 the pin.
    pub fn digest(&self) -> Sha256Digest {
        self.list.digest
    }

    /// The number that it claims.
    pub fn claimed_number(&self) -> u64 {
        self.list.number
    }

    /// The time at which it says it was issued.
    pub fn claimed_issued(&self) -> &ClaimedTime {
        &self.list.issued
    }

    /// The offices that it names, for those who are asked to sign.
    pub fn claimed_offices(&self) -> &[Office] {
        &self.list.offices
    }

    /// The JSON text, with the signatures that it has.
    pub fn to_json(&self) -> String {
        self.jws.to_json()
    }

    /// Adds the signature of an office's root; whether that root decides is found when the list is verified.
    pub fn sign(&mut self, root: CertificateId, key: &SigningKey) {
        self.jws.sign(root.digest(), key);
    }

    /// Accepts list 1: the pinned one, signed by as many of its own offices as it says.
    ///
    /// # Errors
    /// [`TrustListError`] names the fault.
    pub fn verify_first(self, pin: &TrustPin) -> Result<TrustList, TrustListError> {
        if self.list.digest != pin.0 {
            return Err(TrustListError::NotPinned { found: self.list.digest });
        }
        if self.list.number != 1 {
            return Err(TrustListError::DoesNotFollow("it is not number 1"));
        }
        self.signed_by(&self.list)?;
        Ok(self.accept())
    }

    /// Accepts the list after `last`: it names it, and enough offices of `last` signed.
    ///
    /// # Errors
    /// [`TrustListError`] names the fault.
    pub fn verify_successor(self, last: &TrustList) -> Result<TrustList, TrustListError> {
        if self.list.number != last.list.number + 1 {
            return Err(TrustListError::DoesNotFollow("it is not the next number"));
        }
        if self.list.previous != Some(last.list.digest) {
            return Err(TrustListError::DoesNotFollow("it names another list as the one before"));
        }
        if self.list.issued.millis() < last.list.issued.millis() {
            return Err(TrustListError::DoesNotFollow("it was issued before"));
        }
        self.signed_by(&last.list)?;
        Ok(self.accept())
    }

    fn accept(self) -> TrustList {
        TrustList { text: self.jws.to_json(), list: self.list }
    }

    fn signed_by(&self, deciding: &List) -> Result<(), TrustListError> {
        let issued = self.list.issued.millis();
        let mut signed: Vec<&OfficeId> = Vec::new();
        for (at, signer) in self.jws.signers().enumerate() {
            let certificate = CertificateId::from_digest(signer);
            let (office, root) = deciding.root(certificate).ok_or(TrustListError::UnknownSigner { certificate })?;
            if !root.in_force_millis(issued) {
                return Err(TrustListError::UnknownSigner { certificate });
            }
            if signed.contains(&&office.id) {
                return Err(TrustListError::SignedTwice { office: office.id.clone() });
            }
            let verified = self.jws.verify(at, root.certificate.key());
            verified.map_err(|_| TrustListError::BadSignature { office: office.id.clone() })?;
            signed.push(&office.id);
        }
        if signed.len() < usize::from(deciding.threshold) {
            return Err(TrustListError::TooFewSignatures { signed: signed.len(), needed: deciding.threshold });
        }
        Ok(())
    }
}

impl List {
    fn root(&self, certificate: CertificateId) -> Option<(&Office, &OfficeRoot)> {
        let roots = self.offices.iter().flat_map(|office| office.roots.iter().map(move |root| (office, root)));
        roots.into_iter().find(|(_, root)| root.certificate.id() == certificate)
    }
}

impl TrustList {
    /// The JSON text with its signatures.
    pub fn to_json(&self) -> &str {
        &self.text
    }

    /// The SHA-256 of the payload.
    pub fn digest(&self) -> Sha256Digest {
        self.list.digest
    }

    /// The number, from 1.
    pub fn number(&self) -> u64 {
        self.list.number
    }

    /// The signers' time.
    pub fn issued(&self) -> &ClaimedTime {
        &self.list.issued
    }

    /// How many of its offices must sign the next list.
    pub fn threshold(&self) -> u16 {
        self.list.threshold
    }

    /// The offices.
    pub fn offices(&self) -> &[Office] {
        &self.list.offices
    }

    /// An office by its id.
    pub fn office(&self, id: &OfficeId) -> Option<&Office> {
        self.list.offices.iter().find(|office| office.id == *id)
    }

    /// A root by its certificate's id, with its office; it need not be in force.
    pub fn root(&self, certificate: CertificateId) -> Option<(&Office, &OfficeRoot)> {
        self.list.root(certificate)
    }

    /// Decides whether an office of this list vouches for a device certificate at a moment.
    ///
    /// Revocation is not looked at. Source: `docs/spec/identity.md` §5, RFC 5280 §6.
    ///
    /// # Errors
    /// [`CertificateError`] names the fault.
    pub fn certify(&self, certificate: UnverifiedCertificate, at: LogTime) -> Result<Certificate, CertificateError> {
        let fields = certificate.claims();
        let id = fields.person.office();
        let office = self.office(id).ok_or_else(|| CertificateError::UnknownOffice { office: id.clone() })?;
        let issuer = office.roots.iter().find(|root| {
            root.in_force(at) && root.certificate.subject() == certificate.issuer && root.certificate.key_id() == certificate.issuer_key_id
        });
        let root = issuer.ok_or_else(|| CertificateError::UnknownIssuer { office: id.clone() })?;
        path::validate(&certificate, &root.certificate, at)?;
        if fields.country != office.country {
            return Err(CertificateError::CountryMismatch { certificate: fields.country, office: office.country });
        }
        if !office.roles.contains(&fields.role) {
            return Err(CertificateError::RoleNotPermitted { office: id.clone(), role: fields.role });
        }
        Ok(Certificate { root: root.certificate.id(), inner: certificate })
    }
}

fn root_certificate(office: &OfficeId, text: &str) -> Result<RootCertificate, TrustListError> {
    let der = STANDARD.decode(text).map_err(|_| TrustListError::Malformed("a root is not base64"))?;
    RootCertificate::parse(&der).map_err(|fault| TrustListError::MalformedRoot { office: office.clone(), fault })
}
