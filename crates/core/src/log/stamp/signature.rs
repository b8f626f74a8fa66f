//! Digests and signatures of stamps and of the certificates behind them, by AWS-LC.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{self as algorithms, UnparsedPublicKey, VerificationAlgorithm};
use x509_cert::der::Tag;
use x509_cert::der::asn1::ObjectIdentifier;

use super::der::{Algorithm, Elements, sequence};
use super::error::StampError;

const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
const SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const RSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const RSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12");
const RSA_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const ECDSA_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Bits of an RSA modulus.
const RSA_BITS: core::ops::RangeInclusive<usize> = 2048..=4096;

/// A digest algorithm that is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Digest {
    Sha256,
    Sha384,
    Sha512,
}

impl Digest {
    /// None if it is another.
    pub fn named(algorithm: &Algorithm<'_>) -> Option<Self> {
        let digest = match algorithm.oid {
            SHA256 => Self::Sha256,
            SHA384 => Self::Sha384,
            SHA512 => Self::Sha512,
            _ => return None,
        };
        algorithm.is_plain().then_some(digest)
    }

    /// The digest of bytes.
    pub fn of(self, bytes: &[u8]) -> digest::Digest {
        let algorithm = match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, bytes)
    }
}

/// The SHA-1 of bytes, by which RFC 2634 names a certificate that the signature covers as well.
pub(super) fn sha1(bytes: &[u8]) -> digest::Digest {
    digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes)
}

/// How a signature was made, as far as that is said apart from the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Rsa(Digest),
    Ecdsa(Digest),
    Ed25519,
}

impl Scheme {
    /// None if it is another. `digest` is what the signer digests by, for an algorithm that does not say.
    pub fn named(algorithm: &Algorithm<'_>, digest: Option<Digest>) -> Option<Self> {
        let (scheme, fits) = match algorithm.oid {
            RSA => (Self::Rsa(digest?), algorithm.is_plain()),
            RSA_SHA256 => (Self::Rsa(Digest::Sha256), algorithm.is_plain()),
            RSA_SHA384 => (Self::Rsa(Digest::Sha384), algorithm.is_plain()),
            RSA_SHA512 => (Self::Rsa(Digest::Sha512), algorithm.is_plain()),
            ECDSA_SHA256 => (Self::Ecdsa(Digest::Sha256), algorithm.is_bare()),
            ECDSA_SHA384 => (Self::Ecdsa(Digest::Sha384), algorithm.is_bare()),
            ECDSA_SHA512 => (Self::Ecdsa(Digest::Sha512), algorithm.is_bare()),
            ED25519 => (Self::Ed25519, algorithm.is_bare()),
            _ => return None,
        };
        fits.then_some(scheme)
    }
}

/// A public key of a kind that is accepted, in the form that its algorithm takes.
#[derive(Debug, Clone)]
pub(super) enum PublicKey {
    Rsa(Vec<u8>),
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl PublicKey {
    /// Reads a `SubjectPublicKeyInfo`; none if the key is of another kind.
    pub fn read(info: &[u8]) -> Result<Option<Self>, StampError> {
        const WHAT: &str = "a public key";
        let mut parts = sequence(info, WHAT)?;
        let algorithm = parts.algorithm()?;
        let [0, key @ ..] = parts.expect(Tag::BitString)?.value else {
            return Err(StampError::Malformed(WHAT));
        };
        parts.finish()?;
        let curve = || Elements::new(algorithm.parameters?.whole, WHAT).ok()?.oid().ok();
        let key = key.to_vec();
        Ok(match algorithm.oid {
            RSA if algorithm.is_plain() && RSA_BITS.contains(&modulus_bits(&key)?) => Some(Self::Rsa(key)),
            EC if key.first() == Some(&4) && curve() == Some(P256) => Some(Self::P256(key)),
            EC if key.first() == Some(&4) && curve() == Some(P384) => Some(Self::P384(key)),
            ED25519 if algorithm.is_bare() => Some(Self::Ed25519(key)),
            _ => None,
        })
    }

    /// Whether the signature is this key's over the message, made in that way.
    pub fn verifies(&self, scheme: Scheme, message: &[u8], signature: &[u8]) -> bool {
        use Digest::{Sha256, Sha384, Sha512};
        let (algorithm, key): (&'static dyn VerificationAlgorithm, _) = match (self, scheme) {
            (Self::Rsa(key), Scheme::Rsa(Sha256)) => (&algorithms::RSA_PKCS1_2048_8192_SHA256, key),
            (Self::Rsa(key), Scheme::Rsa(Sha384)) => (&algorithms::RSA_PKCS1_2048_8192_SHA384, key),
            (Self::Rsa(key), Scheme::Rsa(Sha512)) => (&algorithms::RSA_PKCS1_2048_8192_SHA512, key),
            (Self::P256(key), Scheme::Ecdsa(Sha256)) => (&algorithms::ECDSA_P256_SHA256_ASN1, key),
            (Self::P256(key), Scheme::Ecdsa(Sha384)) => (&algorithms::ECDSA_P256_SHA384_ASN1, key),
            (Self::P256(key), Scheme::Ecdsa(Sha512)) => (&algorithms::ECDSA_P256_SHA512_ASN1, key),
            (Self::P384(key), Scheme::Ecdsa(Sha256)) => (&algorithms::ECDSA_P384_SHA256_ASN1, key),
            (Self::P384(key), Scheme::Ecdsa(Sha384)) => (&algorithms::ECDSA_P384_SHA384_ASN1, key),
            (Self::P384(key), Scheme::Ecdsa(Sha512)) => (&algorithms::ECDSA_P384_SHA512_ASN1, key),
            (Self::Ed25519(key), Scheme::Ed25519) => (&algorithms::ED25519, key),
            _ => return false,
        };
        UnparsedPublicKey::new(algorithm, key).verify(message, signature).is_ok()
    }
}

/// Bits of the modulus of an `RSAPublicKey` (RFC 8017 A.1.1).
fn modulus_bits(key: &[u8]) -> Result<usize, StampError> {
    let mut parts = sequence(key, "an RSA key")?;
    let modulus = parts.integer()?;
    let digits = modulus.strip_prefix(&[0]).unwrap_or(modulus);
    parts.integer()?;
    parts.finish()?;
    Ok(digits.len() * 8 - digits.first().map_or(0, |first| first.leading_zeros() as usize))
}
