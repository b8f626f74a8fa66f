//! A device as MLS sees it: a certificate and the key that it certifies.

use core::fmt;

use ed25519_dalek::{Signer as _, SigningKey};
use openmls::prelude::{CredentialWithKey, SignaturePublicKey, SignatureScheme};
use openmls_traits::signatures::{Signer, SignerError};

use crate::{MlsError, credential};

/// The device's Ed25519 key, signing for MLS only. `Debug` shows the public half.
pub struct DeviceSigner(SigningKey);

impl DeviceSigner {
    /// Takes the device's key.
    pub fn new(key: SigningKey) -> Self {
        Self(key)
    }

    /// The public key.
    pub fn public_key(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }
}

impl fmt::Debug for DeviceSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DeviceSigner").field(&self.0.verifying_key()).finish()
    }
}

impl Signer for DeviceSigner {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        // MLS hands over SignContent: "MLS 1.0 " ‖ label ‖ content, so no signature here fits another use of the key.
        Ok(self.0.sign(payload).to_bytes().to_vec())
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

/// A device that acts in groups: its current certificate (DER) and its key. That they belong together is not checked here (`GRP-07`).
#[derive(Debug)]
pub struct Device {
    /// The current certificate in DER; the next commit puts it into the device's leaf.
    pub certificate: Vec<u8>,
    /// The key.
    pub signer: DeviceSigner,
}

impl Device {
    pub(crate) fn credential(&self) -> Result<CredentialWithKey, MlsError> {
        Ok(CredentialWithKey {
            credential: credential::of_certificate(&self.certificate)?,
            signature_key: SignaturePublicKey::from(self.signer.public_key().to_vec()),
        })
    }
}
