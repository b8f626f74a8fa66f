//! What roots and device certificates have in common, read from DER and compared with the profile.

use ed25519_dalek::VerifyingKey;
use x509_cert::der::asn1::{ObjectIdentifier, OctetString};
use x509_cert::der::{Decode, Encode, Tag, Tagged as _};
use x509_cert::ext::Extension;
use x509_cert::name::Name;
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_cert::time::Time;
use x509_cert::{Certificate, Version};

use super::oid;
use crate::digest::Sha256Digest;
use crate::time::LogTime;

/// The longest certificate that is read, in bytes of DER.
pub const MAX_CERTIFICATE_BYTES: usize = 4096;

/// A certificate does not have the form of the profile; the issuing office's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {fault}")]
pub struct Malformed {
    /// The field, as `docs/spec/identity.md` names it.
    pub field: &'static str,
    /// What is wrong with it.
    pub fault: &'static str,
}

impl Malformed {
    pub(super) const fn new(field: &'static str, fault: &'static str) -> Self {
        Self { field, fault }
    }
}

/// The key identifier of an Ed25519 key: the first 20 bytes of the SHA-256 of its 32 bytes.
///
/// Source: RFC 7093 §2, method 1.
pub fn key_identifier(key: &VerifyingKey) -> [u8; 20] {
    let digest = Sha256Digest::of(&[key.as_bytes()]);
    *digest.as_bytes().first_chunk().expect("a SHA-256 has more than 20 bytes")
}

/// The parts of a certificate of either kind whose form is checked; the signature is not.
pub(super) struct Parts {
    pub issuer: Name,
    pub subject: Name,
    pub not_before: LogTime,
    pub not_after: LogTime,
    pub key: VerifyingKey,
    pub extensions: Extensions,
    pub signed: Vec<u8>,
    pub signature: [u8; 64],
}

/// Reads the common form. `longest_days` bounds the validity.
pub(super) fn read(der: &[u8], longest_days: u64) -> Result<Parts, Malformed> {
    if der.len() > MAX_CERTIFICATE_BYTES {
        return Err(Malformed::new("certificate", "longer than 4096 bytes"));
    }
    let certificate = Certificate::from_der(der).map_err(|_| Malformed::new("certificate", "not a DER certificate"))?;
    if certificate.to_der().ok().as_deref() != Some(der) {
        return Err(Malformed::new("certificate", "not in canonical DER"));
    }
    let body = certificate.tbs_certificate;
    let signed = body.to_der().map_err(|_| Malformed::new("certificate", "not in canonical DER"))?;
    if body.version != Version::V3 || body.issuer_unique_id.is_some() || body.subject_unique_id.is_some() {
        return Err(Malformed::new("version", "not X.509 version 3, or with unique ids"));
    }
    if !matches!(body.serial_number.as_bytes(), [0x40..=0x7f, rest @ ..] if rest.len() == 15) {
        return Err(Malformed::new("serial", "not 16 bytes, the first 40 to 7f"));
    }
    ed25519_algorithm(&body.signature, "signature algorithm")?;
    ed25519_algorithm(&certificate.signature_algorithm, "signature algorithm")?;
    ed25519_algorithm(&body.subject_public_key_info.algorithm, "key")?;
    let signature =
        certificate.signature.as_bytes().and_then(|bytes| bytes.try_into().ok()).ok_or(Malformed::new("signature", "not 64 bytes"))?;
    let key = body
        .subject_public_key_info
        .subject_public_key
        .as_bytes()
        .and_then(verifying_key)
        .ok_or(Malformed::new("key", "not a usable Ed25519 key"))?;
    let not_before = moment(body.validity.not_before)?;
    let not_after = moment(body.validity.not_after)?;
    if not_after < not_before || not_after.seconds() - not_before.seconds() > longest_days * 86_400 {
        return Err(Malformed::new("validity", "ends before it begins, or is longer than permitted"));
    }
    let extensions = Extensions::new(body.extensions.unwrap_or_default())?;
    Ok(Parts { issuer: body.issuer, subject: body.subject, not_before, not_after, key, extensions, signed, signature })
}

/// An Ed25519 key from 32 bytes; refuses those of small order, under which signatures prove nothing.
pub(super) fn verifying_key(bytes: &[u8]) -> Option<VerifyingKey> {
    let key = VerifyingKey::from_bytes(bytes.try_into().ok()?).ok()?;
    (!key.is_weak() && key.to_edwards().compress().as_bytes() == key.as_bytes()).then_some(key)
}

/// The first second that `UTCTime` cannot say: 2050-01-01T00:00:00Z.
const YEAR_2050: u64 = 2_524_608_000;

/// A time in the one form that RFC 5280 §4.1.2.5 leaves it: `UTCTime` up to 2049, `GeneralizedTime` after.
fn moment(time: Time) -> Result<LogTime, Malformed> {
    let refused = Malformed::new("validity", "not a time from 1970 to 9999, or not UTCTime before 2050 and GeneralizedTime from then on");
    let seconds = time.to_unix_duration().as_secs();
    if matches!(time, Time::UtcTime(_)) != (seconds < YEAR_2050) {
        return Err(refused);
    }
    LogTime::from_millis(seconds.checked_mul(1000).ok_or(refused)?).map_err(|_| refused)
}

fn ed25519_algorithm(algorithm: &AlgorithmIdentifierOwned, field: &'static str) -> Result<(), Malformed> {
    if algorithm.oid != oid::ED25519 || algorithm.parameters.is_some() {
        return Err(Malformed::new(field, "not Ed25519 without parameters"));
    }
    Ok(())
}

/// The texts of a name that has exactly these attributes, in this order.
pub(super) fn texts<const N: usize>(
    name: &Name,
    field: &'static str,
    form: [(ObjectIdentifier, Tag); N],
) -> Result<[String; N], Malformed> {
    if name.0.len() != N {
        return Err(Malformed::new(field, "does not have exactly the attributes of the profile"));
    }
    let mut texts = [const { String::new() }; N];
    for ((relative, (kind, tag)), text) in name.0.iter().zip(form).zip(&mut texts) {
        let [attribute] = relative.0.as_slice() else {
            return Err(Malformed::new(field, "has a relative name of several attributes"));
        };
        if attribute.oid != kind || attribute.value.tag() != tag {
            return Err(Malformed::new(field, "has an attribute or string type that the profile does not have in this place"));
        }
        let value = core::str::from_utf8(attribute.value.value());
        value.map_err(|_| Malformed::new(field, "has a text that is not UTF-8"))?.clone_into(text);
    }
    Ok(texts)
}

/// The extensions of a certificate; the profile takes out those that it knows.
pub(super) struct Extensions(Vec<Extension>);

impl Extensions {
    fn new(extensions: Vec<Extension>) -> Result<Self, Malformed> {
        for (at, one) in extensions.iter().enumerate() {
            if extensions.iter().skip(at + 1).any(|other| other.extn_id == one.extn_id) {
                return Err(Malformed::new("extensions", "one occurs twice"));
            }
        }
        Ok(Self(extensions))
    }

    /// Takes out an extension, if it is there; its value must be in canonical DER and its criticality as given.
    pub fn take<T>(&mut self, kind: ObjectIdentifier, field: &'static str, critical: bool) -> Result<Option<T>, Malformed>
    where
        T: for<'a> Decode<'a> + Encode,
    {
        let Some(at) = self.0.iter().position(|extension| extension.extn_id == kind) else {
            return Ok(None);
        };
        let extension = self.0.swap_remove(at);
        if extension.critical != critical {
            return Err(Malformed::new(field, if critical { "not critical" } else { "critical" }));
        }
        let bytes = extension.extn_value.as_bytes();
        let value = T::from_der(bytes).map_err(|_| Malformed::new(field, "does not decode"))?;
        if value.to_der().ok().as_deref() != Some(bytes) {
            return Err(Malformed::new(field, "not in canonical DER"));
        }
        Ok(Some(value))
    }

    /// As [`Self::take`], and it must be there.
    pub fn require<T>(&mut self, kind: ObjectIdentifier, field: &'static str, critical: bool) -> Result<T, Malformed>
    where
        T: for<'a> Decode<'a> + Encode,
    {
        self.take(kind, field, critical)?.ok_or(Malformed::new(field, "missing"))
    }

    /// Takes out the subject key identifier, which must be that of the key.
    pub fn subject_key_id(&mut self, key: &VerifyingKey) -> Result<(), Malformed> {
        let field = "SubjectKeyIdentifier";
        let id: OctetString = self.require(oid::SUBJECT_KEY_ID, field, false)?;
        if id.as_bytes() == key_identifier(key) { Ok(()) } else { Err(Malformed::new(field, "not that of the key")) }
    }

    /// Ends the reading: what is left must not be critical.
    pub fn finish(self) -> Result<(), Malformed> {
        if self.0.iter().any(|extension| extension.critical) {
            return Err(Malformed::new("extensions", "a critical one is not in the profile"));
        }
        Ok(())
    }
}
