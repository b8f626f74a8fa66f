//! JWS in JSON general serialisation: one payload, signatures of several.
//!
//! ```text
//! {"payload":BASE64URL,"signatures":[{"protected":BASE64URL(header),"signature":BASE64URL(64 bytes)}, …]}
//! ```
//! Each header is as in a compact JWS; there is no unprotected one. Source: RFC 7515 §7.2.1.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use super::{Header, JwsError, Typ, header_text};
use crate::digest::Sha256Digest;
use crate::strict_json;

/// The longest JWS in general serialisation that is read, in bytes.
pub const MAX_GENERAL_JWS_BYTES: usize = 512 * 1024;

/// The most signatures on one payload.
pub const MAX_SIGNATURES: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    payload: String,
    signatures: Vec<SignatureForm>,
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureForm {
    protected: String,
    signature: String,
}

/// A payload with signatures, each naming its signer's certificate; none of them is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneralJws {
    form: Form,
    typ: Typ,
    payload: Vec<u8>,
    signers: Vec<(Sha256Digest, [u8; 64])>,
}

impl GeneralJws {
    /// Puts a payload up for signing.
    pub fn unsigned(typ: Typ, payload: &[u8]) -> Self {
        let form = Form { payload: URL_SAFE_NO_PAD.encode(payload), signatures: Vec::new() };
        Self { form, typ, payload: payload.to_vec(), signers: Vec::new() }
    }

    /// Reads a JWS of the given use, with at most [`MAX_SIGNATURES`] signatures, possibly none.
    ///
    /// # Errors
    /// [`JwsError::Malformed`] and [`JwsError::WrongTyp`].
    pub fn parse(text: &[u8], typ: Typ) -> Result<Self, JwsError> {
        if text.len() > MAX_GENERAL_JWS_BYTES {
            return Err(JwsError::Malformed("longer than 524288 bytes"));
        }
        let form: Form = strict_json::read(text).map_err(|_| JwsError::Malformed("not the JSON general serialisation"))?;
        if form.signatures.len() > MAX_SIGNATURES {
            return Err(JwsError::Malformed("more than 64 signatures"));
        }
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| JwsError::Malformed("not unpadded base64url"));
        let payload = decode(&form.payload)?;
        let mut signers = Vec::with_capacity(form.signatures.len());
        for one in &form.signatures {
            let signer = Header::read(&decode(&one.protected)?, typ)?;
            let signature = decode(&one.signature)?.try_into().map_err(|_| JwsError::Malformed("the signature is not 64 bytes"))?;
            signers.push((signer, signature));
        }
        Ok(Self { form, typ, payload, signers })
    }

    /// The JSON text; the parts that were signed stand in it as they were read.
    pub fn to_json(&self) -> String {
        serde_json::to_string(&self.form).expect("a struct of strings serialises")
    }

    /// The payload, which nobody has vouched for yet.
    pub fn unverified_payload(&self) -> &[u8] {
        &self.payload
    }

    /// The SHA-256 of each signer's certificate, as they say, in order.
    pub fn signers(&self) -> impl ExactSizeIterator<Item = Sha256Digest> {
        self.signers.iter().map(|(signer, _)| *signer)
    }

    /// Checks the signature at a place in [`Self::signers`].
    ///
    /// # Errors
    /// [`JwsError::BadSignature`], also when there is none at that place.
    pub fn verify(&self, at: usize, key: &VerifyingKey) -> Result<(), JwsError> {
        let (Some(one), Some((_, signature))) = (self.form.signatures.get(at), self.signers.get(at)) else {
            return Err(JwsError::BadSignature);
        };
        let input = signing_input(&one.protected, &self.form.payload);
        key.verify_strict(input.as_bytes(), &Signature::from_bytes(signature)).map_err(|_| JwsError::BadSignature)
    }

    /// Adds a signature; the caller looks whether there is one by this signer, and whether there are too many.
    pub fn sign(&mut self, certificate: Sha256Digest, key: &SigningKey) {
        let protected = header_text(self.typ, certificate);
        let signature = key.sign(signing_input(&protected, &self.form.payload).as_bytes()).to_bytes();
        self.form.signatures.push(SignatureForm { protected, signature: URL_SAFE_NO_PAD.encode(signature) });
        self.signers.push((certificate, signature));
    }
}

fn signing_input(protected: &str, payload: &str) -> String {
    format!("{protected}.{payload}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn signed() -> GeneralJws {
        let mut jws = GeneralJws::unsigned(Typ::TrustList, b"{}");
        jws.sign(Sha256Digest::of(&[b"one"]), &key(1));
        jws.sign(Sha256Digest::of(&[b"two"]), &key(2));
        jws
    }

    #[test]
    fn signatures_of_two_read_back_and_verify_each_under_its_key() {
        let jws = GeneralJws::parse(signed().to_json().as_bytes(), Typ::TrustList).unwrap();
        assert_eq!(jws, signed());
        assert_eq!(jws.signers().collect::<Vec<_>>(), [Sha256Digest::of(&[b"one"]), Sha256Digest::of(&[b"two"])]);
        jws.verify(0, &key(1).verifying_key()).unwrap();
        jws.verify(1, &key(2).verifying_key()).unwrap();
        assert_eq!(jws.verify(0, &key(2).verifying_key()), Err(JwsError::BadSignature));
        assert_eq!(jws.verify(2, &key(2).verifying_key()), Err(JwsError::BadSignature));
    }

    #[test]
    fn one_signature_is_that_of_the_compact_form() {
        let compact = crate::jws::sign(Typ::TrustList, Sha256Digest::of(&[b"one"]), b"{}", &key(1));
        let form = signed().form;
        assert_eq!(compact.text(), format!("{}.{}.{}", form.signatures[0].protected, form.payload, form.signatures[0].signature));
    }

    #[test]
    fn other_uses_and_other_forms_are_refused() {
        let json = signed().to_json();
        assert!(matches!(GeneralJws::parse(json.as_bytes(), Typ::Intent), Err(JwsError::WrongTyp { .. })));
        let with_header = json.replacen("\"signature\"", "\"header\":{},\"signature\"", 1);
        let twice = json.replacen("\"payload\"", "\"payload\":\"e30\",\"payload\"", 1);
        let padded = json.replacen("\"e30\"", "\"e30=\"", 1);
        for bad in ["", "{}", "[]", &json[1..], &with_header, &twice, &padded] {
            assert!(matches!(GeneralJws::parse(bad.as_bytes(), Typ::TrustList), Err(JwsError::Malformed(_))), "{bad}");
        }
    }

    #[test]
    fn limits_hold_before_decoding() {
        let long = vec![b' '; MAX_GENERAL_JWS_BYTES + 1];
        assert_eq!(GeneralJws::parse(&long, Typ::TrustList), Err(JwsError::Malformed("longer than 524288 bytes")));
        let mut many = signed();
        for _ in 0..MAX_SIGNATURES {
            many.sign(Sha256Digest::of(&[b"one"]), &key(1));
        }
        assert_eq!(GeneralJws::parse(many.to_json().as_bytes(), Typ::TrustList), Err(JwsError::Malformed("more than 64 signatures")));
    }
}
