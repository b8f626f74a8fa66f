//! Key packages: made by a device, checked by the server at upload and fetch and by a member before it adds.

use custodia_core::group::facts::KeyPackageFacts;
use custodia_core::group::rules::{self, Broken, GroupRule};
use custodia_core::time::LogTime;
use openmls::prelude::{KeyPackage, KeyPackageIn, KeyPackageRef, KeyPackageVerifyError, MlsMessageBodyIn, MlsMessageOut, ProtocolVersion};
use openmls_rust_crypto::RustCrypto;
use openmls_traits::OpenMlsProvider as _;
use openmls_traits::storage::StorageProvider as _;
use tls_codec::{Serialize as _, VLBytes};

use crate::{Device, MlsError, MlsState, facts, message, suite};

/// Longest key package in bytes.
pub const MAX_KEY_PACKAGE_LEN: usize = 16 * 1024;

/// How often a key package may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPackageUse {
    /// Once; its private key is erased when the device joins by it.
    Once,
    /// Whenever no other is left; its private key stays until the device replaces it.
    LastResort,
}

/// A key package that this device made; its private keys are in the [`MlsState`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltKeyPackage {
    /// The `MLSMessage` to upload.
    pub bytes: Vec<u8>,
    /// What it says.
    pub facts: KeyPackageFacts,
}

impl BuiltKeyPackage {
    /// Makes a key package. `now` in seconds since 1970, by the device's clock.
    pub fn build(state: &MlsState, device: &Device, kind: KeyPackageUse, now: u64) -> Result<Self, MlsError> {
        let mut builder = KeyPackage::builder().key_package_lifetime(suite::lifetime(now)).leaf_node_capabilities(suite::capabilities());
        if kind == KeyPackageUse::LastResort {
            builder = builder.mark_as_last_resort();
        }
        let bundle =
            builder.build(suite::SUITE, state, &device.signer, device.credential()?).map_err(MlsError::bug("make a key package"))?;
        let package = bundle.key_package().clone();
        let facts = facts::key_package(&package, state.crypto())?;
        Ok(Self { bytes: message::encode(&MlsMessageOut::from(package))?, facts })
    }

    /// Erases the private keys of a key package that is no longer offered, by its reference.
    pub fn erase(state: &MlsState, reference: &[u8]) -> Result<(), MlsError> {
        let vector = VLBytes::from(reference).tls_serialize_detached().map_err(MlsError::bug("encode a reference"))?;
        let reference: KeyPackageRef = message::exactly(&vector).ok_or(MlsError::Malformed("key package reference"))?;
        state.storage().delete_key_package(&reference).map_err(|_| MlsError::Stored)
    }
}

/// A key package whose signatures MLS verified and that keeps `GRP-10`, `11`, `12` and `21`.
///
/// Its certificate is *not* validated, nor is its key compared with the certificate's.
#[derive(Debug, Clone)]
pub struct VerifiedKeyPackage {
    pub(crate) package: KeyPackage,
    facts: KeyPackageFacts,
}

impl VerifiedKeyPackage {
    /// Checks an uploaded or fetched key package at the log's time `now`.
    ///
    /// # Errors
    /// `TooLarge`, `Malformed`, `Invalid` (signatures), or `Rejected` with the rule.
    pub fn parse(bytes: &[u8], now: LogTime) -> Result<Self, MlsError> {
        let MlsMessageBodyIn::KeyPackage(package) = message::decode(bytes, "key package", MAX_KEY_PACKAGE_LEN)? else {
            return Err(MlsError::Malformed("key package"));
        };
        let crypto = RustCrypto::default();
        let package = validate(package, &crypto)?;
        let facts = facts::key_package(&package, &crypto)?;
        rules::key_package_is_sound(&facts)?;
        rules::key_package_is_timely(&facts, now)?;
        Ok(Self { package, facts })
    }

    /// What it says.
    pub fn facts(&self) -> &KeyPackageFacts {
        &self.facts
    }
}

fn validate(package: KeyPackageIn, crypto: &RustCrypto) -> Result<KeyPackage, MlsError> {
    package.validate(crypto, ProtocolVersion::Mls10).map_err(|error| match error {
        // By this machine's clock; the rule proper is judged on the log's time.
        KeyPackageVerifyError::LifetimeError(_) | KeyPackageVerifyError::MissingLifetime => Broken(GroupRule::Lifetime).into(),
        other => MlsError::Invalid { what: "key package", source: Box::new(other) },
    })
}

#[cfg(test)]
mod tests;
