//! Sealing to a device's key: HPKE with X-Wing, one message to one context.
//!
//! ```text
//! sealed = enc (1120) ‖ ciphertext (plaintext + 16)
//! KEM 0x647a X-Wing, KDF 0x0002 HKDF-SHA384, AEAD 0x0002 AES-256-GCM, mode base
//! ```
//! Who sealed is not known: whoever needs that signs. Source: `docs/spec/identity.md` §2.3, RFC 9180 §6.1,
//! draft-connolly-cfrg-xwing-kem-06.

use custodia_core::identity::SealingPublicKey;
use custodia_core::secret::Secret32;
use hpke_rs::{Hpke, HpkePrivateKey, HpkePublicKey, Mode};
use hpke_rs_crypto::HpkeCrypto as _;
use hpke_rs_crypto::types::{AeadAlgorithm, KdfAlgorithm, KemAlgorithm};
use hpke_rs_rust_crypto::HpkeRustCrypto;
use zeroize::Zeroizing;

use crate::at_rest;

/// The length of the encapsulated key in bytes.
pub const ENC_BYTES: usize = 1120;
/// By how much a sealed message is longer than its plaintext.
pub const OVERHEAD_BYTES: usize = ENC_BYTES + 16;
/// The longest plaintext, in bytes.
pub const MAX_PLAINTEXT_BYTES: usize = 1024 * 1024;

/// Why something was not sealed or not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HpkeError {
    /// The recipient's 1216 bytes are not an X-Wing key.
    #[error("the recipient's sealing key is not an X-Wing key")]
    BadRecipientKey,
    /// The plaintext is longer than 1 MiB, or what is to be opened is not of a possible length.
    #[error("not of a length that can be sealed")]
    Length,
    /// It was sealed to another key, for another use, or was changed: nobody can tell which.
    #[error("it was not sealed to this key for this use, or was changed")]
    DoesNotOpen,
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random bytes")]
    NoRandomness,
}

/// A device's sealing key: 32 private bytes and the public key that they give.
#[derive(Debug, Clone)]
pub struct SealingKeyPair {
    private: Secret32,
    public: SealingPublicKey,
}

impl SealingKeyPair {
    /// Draws a new key pair.
    ///
    /// # Errors
    /// [`HpkeError::NoRandomness`].
    pub fn generate() -> Result<Self, HpkeError> {
        Ok(Self::from_private(Secret32::from_bytes(at_rest::random().map_err(|_| HpkeError::NoRandomness)?)))
    }

    /// The key pair of 32 private bytes.
    pub fn from_private(private: Secret32) -> Self {
        let (public, _) = HpkeRustCrypto::kem_key_gen_derand(KemAlgorithm::XWingDraft06, private.expose()).expect("32 bytes are a seed");
        let public = SealingPublicKey::from_bytes(&public).expect("an X-Wing key has 1216 bytes");
        Self { private, public }
    }

    /// The private bytes, to be stored.
    pub fn private(&self) -> &Secret32 {
        &self.private
    }

    /// The public key, to be certified.
    pub fn public(&self) -> &SealingPublicKey {
        &self.public
    }

    /// Opens what was sealed to this key with the same `info` and `aad`.
    ///
    /// # Errors
    /// [`HpkeError::Length`] and [`HpkeError::DoesNotOpen`].
    pub fn open(&self, info: &[u8], aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, HpkeError> {
        self.open_with(&suite(), info, aad, sealed)
    }

    fn open_with(&self, suite: &Suite, info: &[u8], aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, HpkeError> {
        if !(OVERHEAD_BYTES..=OVERHEAD_BYTES + MAX_PLAINTEXT_BYTES).contains(&sealed.len()) {
            return Err(HpkeError::Length);
        }
        let (enc, ciphertext) = sealed.split_at(ENC_BYTES);
        let private = HpkePrivateKey::new(self.private.expose().to_vec());
        let opened = suite.open(enc, &private, info, aad, ciphertext, None, None, None);
        opened.map(Zeroizing::new).map_err(|_| HpkeError::DoesNotOpen)
    }
}

/// Seals `plaintext` so that only the holder of the private key opens it, and only with the same `info` and `aad`.
///
/// `info` begins with the label of the use. The same input gives other bytes each time.
///
/// # Errors
/// [`HpkeError::Length`] and [`HpkeError::BadRecipientKey`].
pub fn seal(recipient: &SealingPublicKey, info: &[u8], aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, HpkeError> {
    if plaintext.len() > MAX_PLAINTEXT_BYTES {
        return Err(HpkeError::Length);
    }
    let key = HpkePublicKey::new(recipient.as_bytes().to_vec());
    let sealed = suite().seal(&key, info, aad, plaintext, None, None, None);
    let (mut sealed, ciphertext) = sealed.map_err(|_| HpkeError::BadRecipientKey)?;
    sealed.extend_from_slice(&ciphertext);
    Ok(sealed)
}

type Suite = Hpke<HpkeRustCrypto>;

fn suite() -> Suite {
    Hpke::new(Mode::Base, KemAlgorithm::XWingDraft06, KdfAlgorithm::HkdfSha384, AeadAlgorithm::Aes256Gcm)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VECTOR: &str = include_str!("../../../tests/vectors/identity/hpke.json");

    fn pair(seed: u8) -> SealingKeyPair {
        SealingKeyPair::from_private(Secret32::from_bytes([seed; 32]))
    }

    #[test]
    fn vectors_of_the_draft_and_of_a_second_implementation_open() {
        let vector: serde_json::Value = serde_json::from_str(VECTOR).unwrap();
        let bytes = |name: &str| hex::decode(vector[name].as_str().unwrap()).unwrap();
        let pair = SealingKeyPair::from_private(Secret32::from_bytes(bytes("private_key").try_into().unwrap()));
        assert_eq!(pair.public().as_bytes().as_slice(), bytes("public_key"));
        let sealed = |name: &str| [bytes("enc"), bytes(name)].concat();
        let (info, aad) = (bytes("info"), bytes("aad"));
        assert_eq!(*pair.open(&info, &aad, &sealed("ciphertext_kdf2_aead2")).unwrap(), bytes("plaintext"));
        let of_the_draft = Hpke::new(Mode::Base, KemAlgorithm::XWingDraft06, KdfAlgorithm::HkdfSha256, AeadAlgorithm::ChaCha20Poly1305);
        assert_eq!(*pair.open_with(&of_the_draft, &info, &aad, &sealed("ciphertext_kdf1_aead3")).unwrap(), bytes("plaintext"));
    }

    #[test]
    fn what_is_sealed_opens_with_the_same_key_use_and_data() {
        let pair = SealingKeyPair::generate().unwrap();
        for plaintext in [&b""[..], b"a key of thirty-two bytes, or not"] {
            let sealed = seal(pair.public(), b"custodia/test/v1", b"aad", plaintext).unwrap();
            assert_eq!(sealed.len(), plaintext.len() + OVERHEAD_BYTES);
            assert_eq!(*pair.open(b"custodia/test/v1", b"aad", &sealed).unwrap(), plaintext);
        }
        let twice = [(); 2].map(|()| seal(pair.public(), b"i", b"a", b"p").unwrap());
        assert_ne!(twice[0], twice[1]);
    }

    #[test]
    fn another_key_use_or_data_and_every_damage_are_refused() {
        let sealed = seal(pair(1).public(), b"use", b"aad", b"secret").unwrap();
        assert_eq!(pair(2).open(b"use", b"aad", &sealed), Err(HpkeError::DoesNotOpen));
        assert_eq!(pair(1).open(b"other", b"aad", &sealed), Err(HpkeError::DoesNotOpen));
        assert_eq!(pair(1).open(b"use", b"", &sealed), Err(HpkeError::DoesNotOpen));
        for place in [0, 1087, 1088, 1119, 1120, sealed.len() - 1] {
            let mut damaged = sealed.clone();
            damaged[place] ^= 1;
            assert_eq!(pair(1).open(b"use", b"aad", &damaged), Err(HpkeError::DoesNotOpen), "{place}");
        }
        assert_eq!(pair(1).open(b"use", b"aad", &sealed[..sealed.len() - 1]), Err(HpkeError::DoesNotOpen));
        for cut in [0, ENC_BYTES, OVERHEAD_BYTES - 1] {
            assert_eq!(pair(1).open(b"use", b"aad", &sealed[..cut]), Err(HpkeError::Length));
        }
    }

    #[test]
    fn lengths_and_keys_that_cannot_be_are_refused() {
        let long = vec![0; MAX_PLAINTEXT_BYTES + 1];
        assert_eq!(seal(pair(1).public(), b"", b"", &long), Err(HpkeError::Length));
        let sealed = vec![0; OVERHEAD_BYTES + MAX_PLAINTEXT_BYTES + 1];
        assert_eq!(pair(1).open(b"", b"", &sealed), Err(HpkeError::Length));
        let no_key = SealingPublicKey::from_bytes(&[0xff; 1216]).unwrap();
        assert_eq!(seal(&no_key, b"", b"", b""), Err(HpkeError::BadRecipientKey));
    }

    #[test]
    fn a_key_pair_shows_no_private_bytes() {
        assert!(!format!("{:?}", pair(0x41)).contains("65, 65"));
    }
}
