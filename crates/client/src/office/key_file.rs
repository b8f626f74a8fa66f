//! The file that holds an office: its root certificate, and its private key under a passphrase.
//!
//! ```text
//! {"v":1,"root":b64 DER,"wrap":KeyFile,"nonce":b64 of 12,"sealed":b64 of 64}
//! sealed = AES-256-GCM(key of wrap, nonce, PKCS#8 (48), "custodia/office-key/v1" ‖ certificate id)
//! ```
//! Source: `docs/spec/identity.md` §7; the PKCS#8 is RFC 8410 §7.

use custodia_core::identity::RootCertificate;
use ed25519_dalek::SigningKey;
use zeroize::Zeroizing;

use super::OfficeError;
use crate::at_rest::{self, base64_text};
use crate::passphrase::{Cost, KeyFile, PassphraseError};

/// The longest file that is read, in bytes.
pub(super) const MAX_BYTES: usize = 16 * 1024;

const LABEL: &[u8] = b"custodia/office-key/v1";

/// `SEQUENCE { 0, { Ed25519 }, OCTET STRING { OCTET STRING of 32 } }` up to the 32 bytes.
const PKCS8_HEAD: [u8; 16] = [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfficeKeyFile {
    v: u8,
    #[serde(with = "base64_text")]
    root: Vec<u8>,
    wrap: KeyFile,
    #[serde(with = "base64_text")]
    nonce: [u8; 12],
    #[serde(with = "base64_text")]
    sealed: Vec<u8>,
}

/// The private key as PKCS#8, 48 bytes.
pub(super) fn pkcs8(key: &SigningKey) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(48));
    bytes.extend_from_slice(&PKCS8_HEAD);
    bytes.extend_from_slice(key.as_bytes());
    bytes
}

fn signing_key(pkcs8: &[u8]) -> Option<SigningKey> {
    let seed = pkcs8.strip_prefix(&PKCS8_HEAD)?;
    Some(SigningKey::from_bytes(seed.try_into().ok()?))
}

fn aad(root: &RootCertificate) -> Vec<u8> {
    [LABEL, root.id().digest().as_bytes()].concat()
}

impl OfficeKeyFile {
    pub(super) fn seal(root: &RootCertificate, key: &SigningKey, passphrase: &str, cost: Cost) -> Result<Self, OfficeError> {
        let (wrap, wrapping) = KeyFile::create(passphrase, cost)?;
        let sealed = at_rest::seal(&wrapping, &aad(root), &pkcs8(key));
        let (nonce, sealed) = sealed.map_err(|_| PassphraseError::Unavailable)?;
        Ok(Self { v: 1, root: root.der().to_vec(), wrap, nonce, sealed })
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a struct of texts and numbers serialises")
    }

    pub(super) fn parse(text: &[u8]) -> Result<Self, OfficeError> {
        let file: Self = serde_json::from_slice(text).map_err(|_| OfficeError::Damaged("not a file of an office"))?;
        if file.v == 1 { Ok(file) } else { Err(OfficeError::Damaged("not version 1")) }
    }

    pub(super) fn open(&self, passphrase: &str) -> Result<(RootCertificate, SigningKey), OfficeError> {
        let root = RootCertificate::parse(&self.root).map_err(|_| OfficeError::Damaged("its root is not a root certificate"))?;
        let wrapping = self.wrap.unlock(passphrase)?;
        let key = at_rest::open(&wrapping, self.nonce, &aad(&root), &self.sealed);
        let key = key.map_err(|_| OfficeError::Damaged("its key does not belong to its root or passphrase"))?;
        let key = signing_key(&key).ok_or(OfficeError::Damaged("its key is not an Ed25519 key"))?;
        if key.verifying_key() != *root.key() {
            return Err(OfficeError::Damaged("its key is not that of its root"));
        }
        Ok((root, key))
    }
}
