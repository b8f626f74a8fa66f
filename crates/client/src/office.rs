//! The engine of an office: it founds a root, issues device certificates, and signs trust lists and records.
//!
//! It decides nothing: whether a request is to be granted is for the officer who compared its fingerprint.

use std::io;
use std::path::{Path, PathBuf};

use custodia_core::identity::{Country, DeviceRequest, RootCertificate, ShownName, UnverifiedCertificate, UnverifiedTrustList};
use custodia_core::ids::OfficeId;
use custodia_core::jws::{self, Typ, VerifiedJws};
use custodia_core::time::LogTime;
use ed25519_dalek::SigningKey;
use zeroize::Zeroizing;

use crate::passphrase::{Cost, PassphraseError};
use crate::{at_rest, durable_file};

mod issuing;
mod key_file;
#[cfg(test)]
mod tests;

use key_file::OfficeKeyFile;

/// The name of the file that holds the office's root and its wrapped key.
pub const KEY_FILE: &str = "office.key";

/// Why an office could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum OfficeError {
    /// There is an office in this directory already; its key is not replaced.
    #[error("there is an office here already")]
    Exists,
    /// The file of the office cannot be read or written.
    #[error("the office's file: {0}")]
    File(#[source] io::Error),
    /// The file of the office is not one, or was changed.
    #[error("the office's file is damaged: {0}")]
    Damaged(&'static str),
    /// The passphrase.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// The request is for another office.
    #[error("the request is for {wanted}, this office is {office}")]
    OtherOffice {
        /// The office that the request names.
        wanted: OfficeId,
        /// This office.
        office: OfficeId,
    },
    /// The validity asked for is not one that may be issued.
    #[error("the validity is not 1 to 397 days (for a root 1 to 20 years) within that of the root")]
    Validity,
    /// What was issued does not have the form that it must have: a bug.
    #[error("a certificate came out other than asked for: {0}")]
    Bug(String),
}

/// What a new office is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOffice {
    /// Its id, for ever.
    pub id: OfficeId,
    /// Its country.
    pub country: Country,
    /// Its name.
    pub name: ShownName,
    /// From when on its root is valid.
    pub from: LogTime,
    /// For how many years, 1 to 20 (of 365 days).
    pub years: u8,
}

/// An office whose key is open in memory.
#[derive(Debug)]
pub struct Office {
    key: SigningKey,
    root: RootCertificate,
    directory: PathBuf,
}

impl Office {
    /// Makes a root with a new key, and stores both in `directory` under a passphrase.
    ///
    /// # Errors
    /// [`OfficeError::Exists`] when there is an office; it stays as it was.
    pub fn found(directory: &Path, new: &NewOffice, passphrase: &str, cost: Cost) -> Result<Self, OfficeError> {
        let seed = Zeroizing::new(at_rest::random().map_err(|_| PassphraseError::Unavailable)?);
        let key = SigningKey::from_bytes(&seed);
        let root = issuing::root(new, &key)?;
        let file = OfficeKeyFile::seal(&root, &key, passphrase, cost)?;
        durable_file::create(&directory.join(KEY_FILE), file.to_json().as_bytes()).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => OfficeError::Exists,
            _ => OfficeError::File(error),
        })?;
        Ok(Self { key, root, directory: directory.to_owned() })
    }

    /// Opens the office in `directory`.
    ///
    /// # Errors
    /// [`OfficeError::Passphrase`], [`OfficeError::File`] and [`OfficeError::Damaged`].
    pub fn open(directory: &Path, passphrase: &str) -> Result<Self, OfficeError> {
        let text = durable_file::read(&directory.join(KEY_FILE), key_file::MAX_BYTES).map_err(OfficeError::File)?;
        let (root, key) = OfficeKeyFile::parse(&text)?.open(passphrase)?;
        Ok(Self { key, root, directory: directory.to_owned() })
    }

    /// Where its files lie.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The root certificate, which others put on a trust list.
    pub fn root(&self) -> &RootCertificate {
        &self.root
    }

    /// Issues a certificate for what a device asked, valid from the second of `from` for so many days.
    ///
    /// That the person is who they say, and that a renewal is of the same person, is not checked here; the registry
    /// refuses the latter.
    ///
    /// # Errors
    /// [`OfficeError::OtherOffice`] and [`OfficeError::Validity`].
    pub fn issue(&self, request: &DeviceRequest, from: LogTime, days: u16) -> Result<UnverifiedCertificate, OfficeError> {
        let wanted = request.wanted();
        if wanted.person.office() != self.root.office() {
            return Err(OfficeError::OtherOffice { wanted: wanted.person.office().clone(), office: self.root.office().clone() });
        }
        issuing::device(&self.root, &self.key, request, from, days)
    }

    /// Adds this office's signature to a trust list that its officer has read.
    pub fn sign_list(&self, list: &mut UnverifiedTrustList) {
        list.sign(self.root.id(), &self.key);
    }

    /// Signs a statement as the office: the intent of an identity record.
    pub fn sign(&self, typ: Typ, payload: &[u8]) -> VerifiedJws {
        jws::sign(typ, self.root.id().digest(), payload, &self.key)
    }
}
