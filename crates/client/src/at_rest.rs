//! Small secrets at rest: AES-256-GCM with a random nonce, and base64 in JSON.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use custodia_core::secret::Secret32;
use zeroize::Zeroizing;

/// The operating system gave no random bytes, or the library refused a key of 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gives no random bytes")]
pub(crate) struct NoRandomness;

/// The bytes were not sealed under this key with these additional data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DoesNotOpen;

/// Draws random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

fn aead(key: &Secret32) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key.expose()).ok().map(LessSafeKey::new)
}

/// Seals `secret`; gives the nonce and ciphertext ‖ tag.
pub(crate) fn seal(key: &Secret32, aad: &[u8], secret: &[u8]) -> Result<([u8; 12], Vec<u8>), NoRandomness> {
    let nonce: [u8; 12] = random()?;
    let mut bytes = secret.to_vec();
    let sealed =
        aead(key).and_then(|aead| aead.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut bytes).ok());
    sealed.map(|()| (nonce, bytes)).ok_or(NoRandomness)
}

/// Opens what [`seal`] made.
pub(crate) fn open(key: &Secret32, nonce: [u8; 12], aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, DoesNotOpen> {
    let mut bytes = Zeroizing::new(sealed.to_vec());
    let aead = aead(key).ok_or(DoesNotOpen)?;
    let opened = aead.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut bytes);
    let length = opened.map_err(|_| DoesNotOpen)?.len();
    bytes.truncate(length);
    Ok(bytes)
}

/// Bytes as canonical base64 in JSON, for `#[serde(with = "…")]`.
pub(crate) mod base64_text {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(crate) fn serialize<S: Serializer>(bytes: &impl AsRef<[u8]>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, T: TryFrom<Vec<u8>>>(deserializer: D) -> Result<T, D::Error> {
        let bytes = STANDARD.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)?;
        bytes.try_into().map_err(|_| D::Error::custom("of another length"))
    }
}
