//! Time stamps (RFC 3161) on checkpoints: asked for, read, and verified by roots that the caller pins.
//!
//! `docs/spec/witnesses.md` §3 has the rules. An answer is first [`UnverifiedStamp`], which has only been read;
//! [`VerifiedStamp`] comes only from a check against roots and the stamped bytes of one checkpoint.
//!
//! ```text
//! error         why a stamp is not believed, and whether that is a fault
//! der           elements of DER with their bytes as they came
//! token         the form: TimeStampResp, SignedData, TSTInfo
//! signature     digests, keys and signatures
//! certificate   certificates, and the path to a pinned root
//! ```

mod certificate;
mod der;
mod error;
mod signature;
#[cfg(test)]
mod tests;
mod token;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use x509_cert::der::Tag;
use x509_cert::der::asn1::ObjectIdentifier;

use super::VerifiedCheckpoint;
use crate::digest::Sha256Digest;
use crate::time::LogTime;
use certificate::{Certificate, Path};
use der::{Elements, sequence};
pub use error::{StampError, StampFault};
use signature::{Digest, Scheme};
use token::Token;

/// The most bytes of an answer.
pub const MAX_STAMP_BYTES: usize = 64 * 1024;
/// The most bytes of the text of pinned roots.
pub const MAX_ROOTS_BYTES: usize = 1024 * 1024;
/// The most pinned roots.
const MAX_ROOTS: usize = 256;

const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SIGNING_CERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.12");
const SIGNING_CERTIFICATE_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");

/// A limit that was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// What is too large.
    pub what: &'static str,
    /// The most bytes.
    pub bytes: usize,
}

/// The bytes of a checkpoint that an authority stamps: the note with the log's own signature line alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StampedBytes(Vec<u8>);

impl StampedBytes {
    /// The stamped bytes of a checkpoint; cosignatures are not in them.
    pub fn of(checkpoint: &VerifiedCheckpoint) -> Self {
        let note = checkpoint.note();
        let key = checkpoint.log_key().verifier_key();
        let own = note.signatures().iter().find(|line| key.is_named_by(line)).expect("a verified checkpoint bears its log's signature");
        Self(format!("{}\n{own}", note.text()).into_bytes())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A question to an authority (`TimeStampReq`, RFC 3161 §2.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StampRequest {
    imprint: Sha256Digest,
    nonce: [u8; 8],
}

impl StampRequest {
    /// Asks for a stamp of these bytes. The nonce must be drawn at random; its first byte is made one that DER takes as it is.
    pub fn new(bytes: &StampedBytes, mut nonce: [u8; 8]) -> Self {
        nonce[0] = nonce[0] & 0x7f | 0x40;
        Self { imprint: Sha256Digest::of(&[bytes.as_bytes()]), nonce }
    }

    /// The question in DER, to be sent as `application/timestamp-query`.
    ///
    /// ```text
    /// SEQUENCE { version 1, SEQUENCE { SEQUENCE { sha256, NULL }, imprint }, nonce, certReq TRUE }
    /// ```
    pub fn to_der(&self) -> Vec<u8> {
        const SHA256: [u8; 15] = [0x30, 13, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0];
        let imprint = [&SHA256[..], &[4, 32], self.imprint.as_bytes()].concat();
        let body = [&[2, 1, 1, 0x30, 49][..], &imprint, &[2, 8], &self.nonce, &[1, 1, 0xff]].concat();
        [&[0x30, u8::try_from(body.len()).expect("67 bytes")][..], &body].concat()
    }

    /// Whether a stamp repeats this question's nonce, as the answer to it must.
    pub fn is_answered_by(&self, stamp: &VerifiedStamp) -> bool {
        stamp.nonce.as_deref() == Some(&self.nonce)
    }
}

/// The roots of the time-stamping authorities that the caller believes.
#[derive(Debug, Clone, Default)]
pub struct StampRoots(Vec<Certificate>);

impl StampRoots {
    /// Reads certificates in PEM (RFC 7468); text outside their blocks is passed over. A text without any is no roots.
    ///
    /// # Errors
    /// [`StampError::TooLarge`]; [`StampError::Malformed`] if a block is not a certificate or does not end.
    pub fn parse(pem: &str) -> Result<Self, StampError> {
        const WHAT: &str = "a root in PEM";
        const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
        const END: &str = "-----END CERTIFICATE-----";
        if pem.len() > MAX_ROOTS_BYTES {
            return Err(StampError::TooLarge(Limit { what: "text of roots", bytes: MAX_ROOTS_BYTES }));
        }
        let mut roots = Vec::new();
        let mut lines = pem.lines().map(str::trim_ascii);
        while lines.by_ref().any(|line| line == BEGIN) {
            let mut block = String::new();
            loop {
                match lines.next().ok_or(StampError::Malformed(WHAT))? {
                    END => break,
                    line => block.push_str(line),
                }
            }
            let der = STANDARD.decode(block).map_err(|_| StampError::Malformed(WHAT))?;
            roots.push(Certificate::read(&der)?);
            if roots.len() > MAX_ROOTS {
                return Err(StampError::Malformed("more than 256 roots"));
            }
        }
        Ok(Self(roots))
    }

    /// Whether none is pinned.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The subjects of the roots, as RFC 4514 writes them.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(Certificate::name)
    }
}

/// An authority's answer, read; nobody has checked who made it, nor of what it is a stamp.
pub struct UnverifiedStamp<'a>(Token<'a>);

/// A genuine stamp of one checkpoint by an authority that leads to a pinned root.
///
/// Not said: that no certificate of its path had been revoked; no revocation list is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedStamp {
    authority: String,
    serial: Vec<u8>,
    earliest: LogTime,
    latest: LogTime,
    nonce: Option<Vec<u8>>,
}

impl<'a> UnverifiedStamp<'a> {
    /// Reads a `TimeStampResp` (a `.tsr` file); checks form and limits only.
    ///
    /// # Errors
    /// [`StampError::TooLarge`], [`StampError::Malformed`], [`StampError::NotGranted`].
    pub fn parse(response: &'a [u8]) -> Result<Self, StampError> {
        if response.len() > MAX_STAMP_BYTES {
            return Err(StampError::TooLarge(Limit { what: "time stamp", bytes: MAX_STAMP_BYTES }));
        }
        token::read(response).map(Self)
    }

    /// Whether it is of what was asked for: the digest of the same bytes, and the same nonce. Who signed it is not looked at.
    pub fn answers(&self, request: &StampRequest) -> bool {
        let info = &self.0.info;
        let is_sha256 = matches!(Digest::named(&info.imprint_algorithm), Some(Digest::Sha256));
        is_sha256 && info.imprint == request.imprint.as_bytes() && info.nonce == Some(&request.nonce)
    }

    /// The time that it states, in seconds since 1970; whether that is true is for [`Self::verify`].
    pub const fn stated_seconds(&self) -> u64 {
        self.0.info.time / 1000
    }

    /// Checks every rule of `docs/spec/witnesses.md` §3 against the stamped bytes of a checkpoint and the pinned roots.
    ///
    /// # Errors
    /// [`StampError::OtherImprint`], whoever signed; [`StampError::UnknownAuthority`] if no path of names and signatures leads to a root;
    /// else [`StampError::Rejected`].
    pub fn verify(&self, stamped: &StampedBytes, roots: &StampRoots) -> Result<VerifiedStamp, StampError> {
        let Token { info, certificates, signer, .. } = &self.0;
        let imprint = Digest::named(&info.imprint_algorithm);
        if imprint.is_some_and(|digest| digest.of(stamped.as_bytes()).as_ref() != info.imprint) {
            return Err(StampError::OtherImprint);
        }
        let second = info.time / 1000;
        let certificate = certificates.iter().find(|certificate| signer.id.names(certificate)).ok_or(StampError::UnknownAuthority)?;
        let path = certificate::path(certificate, certificates, &roots.0, second);
        if path == Path::None {
            return Err(StampError::UnknownAuthority);
        }
        if imprint.is_none() {
            return Err(StampError::Rejected(StampFault::Digest));
        }
        self.check_signature(certificate).map_err(StampError::Rejected)?;
        let above = if let Path::Faulty(fault) = path { Some(fault) } else { None };
        if let Some(fault) = certificate.signer_fault(second).or(above) {
            return Err(StampError::Rejected(fault));
        }
        let (earliest, latest) = (info.time.checked_sub(info.accuracy), info.time.checked_add(info.accuracy));
        let bound = |millis: Option<u64>| millis.and_then(|millis| LogTime::from_millis(millis).ok());
        let bounds = bound(earliest).zip(bound(latest));
        let (earliest, latest) = bounds.ok_or(StampError::Malformed("the accuracy"))?;
        let nonce = info.nonce.map(<[u8]>::to_vec);
        Ok(VerifiedStamp { authority: certificate.name(), serial: info.serial.to_vec(), earliest, latest, nonce })
    }

    /// The signed attributes are those of this content and this certificate, and the signature over them is its key's.
    fn check_signature(&self, certificate: &Certificate) -> Result<(), StampFault> {
        let Token { content, signer, .. } = &self.0;
        let attribute = |kind| signer.attributes.iter().find(|(found, _)| *found == kind).map(|(_, value)| value);
        let digest = Digest::named(&signer.digest).ok_or(StampFault::Digest)?;
        let is_content_type = attribute(CONTENT_TYPE)
            .is_some_and(|value| Elements::new(value.whole, "").is_ok_and(|mut one| one.oid().is_ok_and(|kind| kind == token::TST_INFO)));
        if !is_content_type {
            return Err(StampFault::ContentType);
        }
        let is_digest = |value: &der::Element<'_>| value.tag == Tag::OctetString && value.value == digest.of(content).as_ref();
        if !attribute(MESSAGE_DIGEST).is_some_and(is_digest) {
            return Err(StampFault::MessageDigest);
        }
        let named: Vec<bool> = [(SIGNING_CERTIFICATE, false), (SIGNING_CERTIFICATE_V2, true)]
            .into_iter()
            .filter_map(|(kind, second)| attribute(kind).map(|value| names_certificate(value.whole, second, certificate)))
            .collect();
        if named.is_empty() || named.contains(&false) {
            return Err(StampFault::SigningCertificate);
        }
        let scheme = Scheme::named(&signer.algorithm, Some(digest)).ok_or(StampFault::Signature)?;
        let verifies = certificate.key.as_ref().is_some_and(|key| key.verifies(scheme, &signer.signed, signer.signature));
        if verifies { Ok(()) } else { Err(StampFault::Signature) }
    }
}

/// Whether the first hash of a `SigningCertificate` (RFC 2634 §5.4) or `SigningCertificateV2` (RFC 5035 §3) is that of the certificate.
fn names_certificate(value: &[u8], is_second: bool, certificate: &Certificate) -> bool {
    let read = || -> Result<bool, StampError> {
        const WHAT: &str = "the signing certificate";
        let mut ids = Elements::new(sequence(value, WHAT)?.expect(Tag::Sequence)?.value, WHAT)?;
        let mut id = Elements::new(ids.expect(Tag::Sequence)?.value, WHAT)?;
        let (found, expected) = if is_second {
            let digest = match id.optional(Tag::Sequence)? {
                Some(algorithm) => Digest::named(&Elements::new(algorithm.whole, WHAT)?.algorithm()?),
                None => Some(Digest::Sha256),
            };
            let Some(digest) = digest else { return Ok(false) };
            (id.expect(Tag::OctetString)?, digest.of(&certificate.der))
        } else {
            (id.expect(Tag::OctetString)?, signature::sha1(&certificate.der))
        };
        Ok(found.value == expected.as_ref())
    };
    read().unwrap_or(false)
}

impl VerifiedStamp {
    /// A stamp that nobody verified, for tests of what is made of times.
    #[cfg(test)]
    pub(crate) fn for_test(authority: &str, earliest: LogTime, latest: LogTime) -> Self {
        Self { authority: authority.to_owned(), serial: vec![1], earliest, latest, nonce: None }
    }

    /// The subject of the signer's certificate, as RFC 4514 writes it.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The authority's number of this stamp, in hexadecimal.
    pub fn serial(&self) -> String {
        hex::encode(&self.serial)
    }

    /// The stamp was not made before.
    pub const fn earliest(&self) -> LogTime {
        self.earliest
    }

    /// The stamp was not made after.
    pub const fn latest(&self) -> LogTime {
        self.latest
    }
}
