//! Compact JWS (RFC 7515) with EdDSA (RFC 8037): the signed statements of devices and offices.
//!
//! ```text
//! BASE64URL(header) '.' BASE64URL(payload) '.' BASE64URL(signature, 64 bytes)
//! header = {"alg":"EdDSA","typ":"custodia-…+jws","x5t#S256":"BASE64URL(SHA-256 of the signer's certificate)"}
//! ```
//! The header has these three members and no other. `typ` names the use and is always compared, so a signature made
//! for one use never serves another. Signed bytes are kept verbatim; nothing is canonicalised.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use crate::digest::Sha256Digest;
use crate::strict_json;

mod general;

pub use general::{GeneralJws, MAX_GENERAL_JWS_BYTES, MAX_SIGNATURES};

/// The longest compact JWS that is read, in bytes.
pub const MAX_JWS_BYTES: usize = 192 * 1024;

/// What a statement is for; the JWS header's `typ`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Typ {
    /// A custody act: `custodia-intent+jws`.
    Intent,
    /// Keys of exhibits handed to a device: `custodia-grant+jws`.
    Grant,
    /// A trust list, signed by offices of the list before: `custodia-trust-list+jws`.
    TrustList,
    /// A device's request for a certificate: `custodia-device-request+jws`.
    DeviceRequest,
}

impl Typ {
    /// The text in the header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Intent => "custodia-intent+jws",
            Self::Grant => "custodia-grant+jws",
            Self::TrustList => "custodia-trust-list+jws",
            Self::DeviceRequest => "custodia-device-request+jws",
        }
    }
}

/// Why a JWS was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// Not three parts of unpadded base64url, or too long, or the header has other members.
    #[error("malformed JWS: {0}")]
    Malformed(&'static str),
    /// A signature made for another use.
    #[error("the JWS was signed for another use than {expected}")]
    WrongTyp {
        /// The `typ` that was asked for.
        expected: &'static str,
    },
    /// The signature does not verify under the given key.
    #[error("the JWS signature does not verify")]
    BadSignature,
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    #[serde(rename = "x5t#S256")]
    x5t: String,
}

impl Header {
    /// Reads a header of the given use; gives the SHA-256 of the signer's certificate.
    fn read(bytes: &[u8], typ: Typ) -> Result<Sha256Digest, JwsError> {
        let header: Self = strict_json::read(bytes).map_err(|_| {
            JwsError::Malformed("the header is not an object of exactly alg, typ and x5t#S256, in that order and without white space")
        })?;
        if header.alg != "EdDSA" {
            return Err(JwsError::Malformed("alg is not EdDSA"));
        }
        if header.typ != typ.as_str() {
            return Err(JwsError::WrongTyp { expected: typ.as_str() });
        }
        let x5t = URL_SAFE_NO_PAD.decode(&header.x5t).ok().and_then(|bytes| bytes.try_into().ok());
        x5t.map(Sha256Digest::from_bytes).ok_or(JwsError::Malformed("x5t#S256 is not 32 bytes in base64url"))
    }
}

fn header_text(typ: Typ, certificate: Sha256Digest) -> String {
    let header = Header { alg: "EdDSA".to_owned(), typ: typ.as_str().to_owned(), x5t: URL_SAFE_NO_PAD.encode(certificate.as_bytes()) };
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header).expect("a struct of strings serialises"))
}

/// A JWS whose form and `typ` are right and whose signature nobody has checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnverifiedJws {
    text: String,
    payload: Vec<u8>,
    signer: Sha256Digest,
    signing_input: usize,
    signature: [u8; 64],
}

/// A JWS whose signature verified under a key that the caller chose.
///
/// Says nothing about whose key it was: the caller looked that up by [`UnverifiedJws::signer`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedJws {
    text: String,
    payload: Vec<u8>,
    signer: Sha256Digest,
}

impl UnverifiedJws {
    /// Reads a compact JWS of the given use.
    ///
    /// # Errors
    /// [`JwsError::Malformed`] and [`JwsError::WrongTyp`].
    pub fn parse(text: &str, typ: Typ) -> Result<Self, JwsError> {
        if text.len() > MAX_JWS_BYTES {
            return Err(JwsError::Malformed("longer than 196608 bytes"));
        }
        let mut parts = text.split('.');
        let (Some(header), Some(payload), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(JwsError::Malformed("not three parts joined by dots"));
        };
        let signing_input = header.len() + 1 + payload.len();
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| JwsError::Malformed("not unpadded base64url"));
        let signer = Header::read(&decode(header)?, typ)?;
        let signature = decode(signature)?.try_into().map_err(|_| JwsError::Malformed("the signature is not 64 bytes"))?;
        let payload = decode(payload)?;
        Ok(Self { text: text.to_owned(), payload, signer, signing_input, signature })
    }

    /// The SHA-256 of the certificate that the signer says is theirs.
    pub fn signer(&self) -> Sha256Digest {
        self.signer
    }

    /// The payload, which nobody has vouched for yet; only to find the key by which it must verify.
    pub fn unverified_payload(&self) -> &[u8] {
        &self.payload
    }

    /// Checks the signature (`verify_strict`: the set of signatures on which all tools agree).
    ///
    /// # Errors
    /// [`JwsError::BadSignature`].
    pub fn verify(self, key: &VerifyingKey) -> Result<VerifiedJws, JwsError> {
        let signature = Signature::from_bytes(&self.signature);
        key.verify_strict(&self.text.as_bytes()[..self.signing_input], &signature).map_err(|_| JwsError::BadSignature)?;
        Ok(VerifiedJws { text: self.text, payload: self.payload, signer: self.signer })
    }
}

impl VerifiedJws {
    /// The compact text exactly as it was signed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The payload.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The SHA-256 of the signer's certificate.
    pub fn signer(&self) -> Sha256Digest {
        self.signer
    }
}

/// Signs `payload` for one use, naming the signer's certificate by its SHA-256.
pub fn sign(typ: Typ, certificate: Sha256Digest, payload: &[u8], key: &SigningKey) -> VerifiedJws {
    let mut text = format!("{}.{}", header_text(typ, certificate), URL_SAFE_NO_PAD.encode(payload));
    let signature = key.sign(text.as_bytes());
    text.push('.');
    text.push_str(&URL_SAFE_NO_PAD.encode(signature.to_bytes()));
    VerifiedJws { text, payload: payload.to_vec(), signer: certificate }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn signed() -> VerifiedJws {
        sign(Typ::Intent, Sha256Digest::of(&[b"certificate"]), br#"{"v":1}"#, &key(7))
    }

    #[test]
    fn a_signed_statement_reads_back_and_verifies() {
        let jws = UnverifiedJws::parse(signed().text(), Typ::Intent).unwrap();
        assert_eq!(jws.signer(), Sha256Digest::of(&[b"certificate"]));
        assert_eq!(jws.verify(&key(7).verifying_key()).unwrap(), signed());
    }

    #[test]
    fn a_statement_for_one_use_does_not_serve_another() {
        let refused = UnverifiedJws::parse(signed().text(), Typ::Grant);
        assert_eq!(refused, Err(JwsError::WrongTyp { expected: "custodia-grant+jws" }));
    }

    #[test]
    fn another_key_does_not_verify_it() {
        let jws = UnverifiedJws::parse(signed().text(), Typ::Intent).unwrap();
        assert_eq!(jws.verify(&key(8).verifying_key()), Err(JwsError::BadSignature));
    }

    #[test]
    fn every_changed_character_is_refused() {
        let text = signed().text().to_owned();
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            let accepted = UnverifiedJws::parse(&changed, Typ::Intent).and_then(|jws| jws.verify(&key(7).verifying_key()));
            assert!(accepted.is_err(), "the change at {at} was accepted: {changed}");
        }
    }

    #[test]
    fn foreign_headers_are_refused() {
        let x5t = URL_SAFE_NO_PAD.encode([1; 32]);
        for header in [
            format!(r#"{{"alg":"none","typ":"custodia-intent+jws","x5t#S256":"{x5t}"}}"#),
            format!(r#"{{"alg":"EdDSA","typ":"custodia-intent+jws","x5t#S256":"{x5t}","crit":["b64"]}}"#),
            format!(r#"{{"alg":"EdDSA","typ":"custodia-intent+jws","x5t#S256":"{x5t}","jwk":{{}}}}"#),
            format!(r#"{{"alg":"EdDSA","alg":"EdDSA","typ":"custodia-intent+jws","x5t#S256":"{x5t}"}}"#),
            r#"{"alg":"EdDSA","typ":"custodia-intent+jws","x5t#S256":"AAAA"}"#.to_owned(),
            r#"{"alg":"EdDSA","typ":"custodia-intent+jws"}"#.to_owned(),
        ] {
            let text = format!("{}.e30.{}", URL_SAFE_NO_PAD.encode(&header), URL_SAFE_NO_PAD.encode([0; 64]));
            assert!(matches!(UnverifiedJws::parse(&text, Typ::Intent), Err(JwsError::Malformed(_))), "{header}");
        }
    }

    #[test]
    fn damaged_forms_are_refused() {
        let text = signed().text().to_owned();
        for bad in [
            String::new(),
            "..".to_owned(),
            format!("{text}."),
            format!("{text}="),
            format!(" {text}"),
            text.replace('.', ""),
            "a".repeat(MAX_JWS_BYTES + 1),
        ] {
            assert!(matches!(UnverifiedJws::parse(&bad, Typ::Intent), Err(JwsError::Malformed(_))));
        }
    }
}
