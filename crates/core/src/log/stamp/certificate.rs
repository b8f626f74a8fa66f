//! Certificates of time-stamping authorities (RFC 5280), and the path from the one that signed to a root that is pinned.

use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode as _, Tag};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage};
use x509_cert::name::Name;
use x509_cert::time::Validity;

use super::der::{Elements, built, plain, sequence};
use super::error::{StampError, StampFault};
use super::signature::{PublicKey, Scheme};

/// The most intermediates between the signer's certificate and the root.
const MAX_INTERMEDIATES: usize = 4;

const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
const CERTIFICATE_POLICIES: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.32");
const SUBJECT_KEY_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.14");
/// `id-kp-timeStamping`.
const TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");

/// A certificate whose parts are read; its signature is not verified.
#[derive(Debug, Clone)]
pub(super) struct Certificate {
    /// The whole certificate.
    pub der: Vec<u8>,
    pub serial: Vec<u8>,
    pub issuer: Vec<u8>,
    pub subject: Vec<u8>,
    pub key_id: Option<Vec<u8>>,
    /// None if it is of a kind that is not accepted.
    pub key: Option<PublicKey>,
    validity: core::ops::RangeInclusive<u64>,
    authority: Option<BasicConstraints>,
    key_usage: Option<KeyUsage>,
    only_time_stamping: bool,
    has_unknown_critical: bool,
    signed: Vec<u8>,
    scheme: Option<Scheme>,
    signature: Vec<u8>,
}

impl Certificate {
    /// Reads a certificate; what it says of itself is not judged.
    pub fn read(der: &[u8]) -> Result<Self, StampError> {
        const WHAT: &str = "a certificate";
        let bad = |_| StampError::Malformed(WHAT);
        let mut outer = sequence(der, WHAT)?;
        let body = outer.expect(Tag::Sequence)?;
        let outer_algorithm = outer.algorithm()?;
        let [0, signature @ ..] = outer.expect(Tag::BitString)?.value else { return Err(StampError::Malformed(WHAT)) };
        outer.finish()?;
        let mut parts = Elements::new(body.value, WHAT)?;
        let _version = parts.optional(built(0))?;
        let serial = parts.integer()?;
        let algorithm = parts.algorithm()?;
        let issuer = parts.expect(Tag::Sequence)?;
        let validity = Validity::from_der(parts.expect(Tag::Sequence)?.whole).map_err(bad)?;
        let subject = parts.expect(Tag::Sequence)?;
        let key = parts.expect(Tag::Sequence)?;
        let _unique_ids = (parts.optional(plain(1))?, parts.optional(plain(2))?);
        let extensions = parts.optional(built(3))?;
        parts.finish()?;
        let scheme = Scheme::named(&algorithm, None).filter(|scheme| Scheme::named(&outer_algorithm, None) == Some(*scheme));
        let seconds = |time: x509_cert::time::Time| time.to_unix_duration().as_secs();
        let mut certificate = Self {
            der: der.to_vec(),
            serial: serial.to_vec(),
            issuer: issuer.whole.to_vec(),
            subject: subject.whole.to_vec(),
            key_id: None,
            key: PublicKey::read(key.whole)?,
            validity: seconds(validity.not_before)..=seconds(validity.not_after),
            authority: None,
            key_usage: None,
            only_time_stamping: false,
            has_unknown_critical: false,
            signed: body.whole.to_vec(),
            scheme,
            signature: signature.to_vec(),
        };
        if let Some(extensions) = extensions {
            certificate.read_extensions(extensions.value)?;
        }
        Ok(certificate)
    }

    fn read_extensions(&mut self, list: &[u8]) -> Result<(), StampError> {
        const WHAT: &str = "a certificate's extensions";
        let bad = |_| StampError::Malformed(WHAT);
        let mut list = sequence(list, WHAT)?;
        let mut seen = Vec::new();
        while let Some(element) = list.next()? {
            let extension = Extension::from_der(element.whole).map_err(bad)?;
            let value = extension.extn_value.as_bytes();
            match extension.extn_id {
                BASIC_CONSTRAINTS => self.authority = Some(BasicConstraints::from_der(value).map_err(bad)?).filter(|basic| basic.ca),
                KEY_USAGE => self.key_usage = Some(KeyUsage::from_der(value).map_err(bad)?),
                EXTENDED_KEY_USAGE => {
                    let usage = ExtendedKeyUsage::from_der(value).map_err(bad)?;
                    self.only_time_stamping = extension.critical && usage.0 == [TIME_STAMPING];
                }
                SUBJECT_KEY_ID => {
                    let mut id = Elements::new(value, WHAT)?;
                    self.key_id = Some(id.expect(Tag::OctetString)?.value.to_vec());
                }
                CERTIFICATE_POLICIES => {}
                _ => self.has_unknown_critical |= extension.critical,
            }
            if seen.contains(&extension.extn_id) {
                return Err(StampError::Malformed(WHAT));
            }
            seen.push(extension.extn_id);
        }
        Ok(())
    }

    /// The subject as RFC 4514 writes it.
    pub fn name(&self) -> String {
        Name::from_der(&self.subject).map_or_else(|_| "an authority without a readable name".to_owned(), |name| name.to_string())
    }

    /// Whether it is signed by the key of `above`, which has the name of its issuer.
    fn is_issued_by(&self, above: &Self) -> bool {
        let signed = |key: &PublicKey, scheme| key.verifies(scheme, &self.signed, &self.signature);
        self.issuer == above.subject && above.key.as_ref().zip(self.scheme).is_some_and(|(key, scheme)| signed(key, scheme))
    }

    /// What keeps it from being the certificate of a stamp's signer at that second.
    pub fn signer_fault(&self, second: u64) -> Option<StampFault> {
        let signs = |usage: &KeyUsage| usage.digital_signature() || usage.non_repudiation();
        if !self.only_time_stamping {
            return Some(StampFault::ExtendedKeyUsage);
        }
        if !self.key_usage.as_ref().is_none_or(signs) {
            return Some(StampFault::KeyUsage);
        }
        if !self.validity.contains(&second) {
            return Some(StampFault::Validity);
        }
        self.has_unknown_critical.then_some(StampFault::CriticalExtension)
    }

    /// What keeps it from standing above a signer at that second, with that many intermediates between them.
    fn authority_fault(&self, second: u64, between: usize) -> Option<StampFault> {
        let reaches = |basic: &BasicConstraints| basic.path_len_constraint.is_none_or(|most| between <= usize::from(most));
        if !self.authority.as_ref().is_some_and(reaches) || !self.key_usage.as_ref().is_none_or(KeyUsage::key_cert_sign) {
            return Some(StampFault::NotAnAuthority);
        }
        (!self.validity.contains(&second)).then_some(StampFault::Validity)
    }
}

/// What became of the search for a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Path {
    /// A path whose certificates all keep to the rules.
    Good,
    /// There are paths, by name and signature; none keeps to the rules.
    Faulty(StampFault),
    /// No path.
    None,
}

/// Looks for a path from `signer` by at most four of `certificates` to one of `roots`.
///
/// Each pair of certificates is compared once, so that the work is bounded by their number, not by that of the paths.
pub(super) fn path(signer: &Certificate, certificates: &[Certificate], roots: &[Certificate], second: u64) -> Path {
    let all: Vec<&Certificate> = core::iter::once(signer).chain(certificates).collect();
    let links = |above: &[Certificate]| -> Vec<Vec<bool>> {
        all.iter().map(|below| above.iter().map(|above| below.is_issued_by(above)).collect()).collect()
    };
    let search = Search { up: links(certificates), home: links(roots), certificates, roots };
    if !search.reaches_a_root(|_| None, &mut None) {
        return Path::None;
    }
    let mut fault = None;
    let judge = |judged: Judged<'_>| match judged {
        Judged::Intermediate(certificate, between) => {
            let unknown = certificate.has_unknown_critical.then_some(StampFault::CriticalExtension);
            certificate.authority_fault(second, between).or(unknown)
        }
        Judged::Root(certificate, between) => certificate.authority_fault(second, between),
    };
    if search.reaches_a_root(judge, &mut fault) { Path::Good } else { Path::Faulty(fault.unwrap_or(StampFault::NotAnAuthority)) }
}

/// A certificate above a signer, with the number of intermediates between them.
enum Judged<'a> {
    Intermediate(&'a Certificate, usize),
    Root(&'a Certificate, usize),
}

/// Who issued whom: `up[0]` and `home[0]` are of the signer, those after it of the certificates in order.
struct Search<'a> {
    up: Vec<Vec<bool>>,
    home: Vec<Vec<bool>>,
    certificates: &'a [Certificate],
    roots: &'a [Certificate],
}

impl Search<'_> {
    /// Goes up step by step through every certificate in which `fault_of` finds no fault; keeps the first fault.
    fn reaches_a_root(&self, fault_of: impl Fn(Judged<'_>) -> Option<StampFault>, first: &mut Option<StampFault>) -> bool {
        let mut here = vec![0];
        for between in 0..=MAX_INTERMEDIATES {
            let issues = |links: &[Vec<bool>], above: usize| here.iter().any(|&below| links[below][above]);
            for (_, root) in self.roots.iter().enumerate().filter(|(at, _)| issues(&self.home, *at)) {
                match fault_of(Judged::Root(root, between)) {
                    None => return true,
                    fault => *first = first.or(fault),
                }
            }
            let mut next = Vec::new();
            for (at, certificate) in self.certificates.iter().enumerate().filter(|(at, _)| issues(&self.up, *at)) {
                match fault_of(Judged::Intermediate(certificate, between)) {
                    None => next.push(at + 1),
                    fault => *first = first.or(fault),
                }
            }
            here = next;
        }
        false
    }
}
