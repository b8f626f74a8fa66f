//! Keys and shares of an exhibit, each a type of its own, and the commitments to them.
//!
//! ```text
//! EK = HKDF-SHA-512(salt: none, input: group share ‖ release share, info: "custodia/exhibit-key/v1" ‖ exhibit id), 32 bytes
//! commitment to EK            = SHA-256("custodia/exhibit-key-commitment/v1"    ‖ exhibit id ‖ EK)
//! commitment to release share = SHA-256("custodia/release-share-commitment/v1"  ‖ exhibit id ‖ release share)
//! ```

use hkdf::Hkdf;
use sha2::Sha512;
use subtle::ConstantTimeEq;

use super::{ExhibitError, Part};
use crate::digest::Sha256Digest;
use crate::ids::ExhibitId;
use crate::secret::Secret32;

const EXHIBIT_KEY_LABEL: &[u8] = b"custodia/exhibit-key/v1";
const EXHIBIT_KEY_COMMITMENT_LABEL: &[u8] = b"custodia/exhibit-key-commitment/v1";
const RELEASE_SHARE_COMMITMENT_LABEL: &[u8] = b"custodia/release-share-commitment/v1";

macro_rules! secret_type {
    ($($(#[$doc:meta])* $name:ident,)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name(Secret32);

        impl $name {
            /// Takes 32 bytes that were drawn, derived or unwrapped as this secret.
            pub const fn from_secret(secret: Secret32) -> Self {
                Self(secret)
            }

            /// The secret, to store it encrypted.
            pub const fn secret(&self) -> &Secret32 {
                &self.0
            }

            /// The bytes, for the one computation that needs them.
            pub(super) const fn expose(&self) -> &[u8; 32] {
                self.0.expose()
            }
        }
    )+};
}

secret_type! {
    /// The share of an exhibit key that travels only inside the case's group, wrapped under a ring key.
    GroupShare,
    /// The share of an exhibit key that the server keeps and gives out only with a durable custody entry.
    ReleaseShare,
    /// The key that seals the segments and the manifest of one exhibit.
    ExhibitKey,
    /// A key of a case's ring, `K_v`: wraps group shares and reason keys.
    RingKey,
    /// A key-encryption key of the server for a period: wraps release shares.
    KeyEncryptionKey,
    /// The fresh key of one intent's sealed reason.
    ReasonKey,
}

/// The version of a case's ring key; renewed at every removal and at every addition without full history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct RingVersion(pub u32);

/// Names a key-encryption key of the server; 16 random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KekId([u8; 16]);

impl KekId {
    /// Takes 16 bytes as they are; the caller draws them at random.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl ExhibitKey {
    /// Derives the key of an exhibit from its two shares; checks neither share (see [`ExhibitKeyCommitment::check`]).
    ///
    /// Source: RFC 5869, with SHA-512.
    pub fn derive(group: &GroupShare, release: &ReleaseShare, exhibit: ExhibitId) -> Self {
        let mut input = zeroize::Zeroizing::new([0; 64]);
        input[..32].copy_from_slice(group.expose());
        input[32..].copy_from_slice(release.expose());
        let mut key = zeroize::Zeroizing::new([0; 32]);
        Hkdf::<Sha512>::new(None, &input[..])
            .expand_multi_info(&[EXHIBIT_KEY_LABEL, exhibit.as_bytes()], &mut key[..])
            .expect("HKDF gives 32 bytes at any time");
        Self(Secret32::from_bytes(*key))
    }
}

macro_rules! commitment_type {
    ($($(#[$doc:meta])* $name:ident,)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(Sha256Digest);

        impl $name {
            /// Takes a commitment as it was signed; checks nothing.
            pub const fn from_digest(digest: Sha256Digest) -> Self {
                Self(digest)
            }

            /// The digest.
            pub const fn digest(&self) -> &Sha256Digest {
                &self.0
            }

            /// Compares in constant time.
            fn same(&self, other: &Self, part: Part) -> Result<(), ExhibitError> {
                let same = self.0.as_bytes().ct_eq(other.0.as_bytes());
                if bool::from(same) { Ok(()) } else { Err(ExhibitError::NotCommitted { part }) }
            }
        }
    )+};
}

commitment_type! {
    /// The commitment to an exhibit key; stands in the signed `collection` intent.
    ExhibitKeyCommitment,
    /// The commitment to a release share; stands in the signed `collection` intent.
    ReleaseShareCommitment,
}

impl ExhibitKeyCommitment {
    /// Commits to the key of an exhibit.
    pub fn of(exhibit: ExhibitId, key: &ExhibitKey) -> Self {
        Self(Sha256Digest::of(&[EXHIBIT_KEY_COMMITMENT_LABEL, exhibit.as_bytes(), key.expose()]))
    }

    /// Checks a derived key before anything is opened with it.
    ///
    /// # Errors
    /// [`ExhibitError::NotCommitted`]: one of the two shares is not the uploader's.
    pub fn check(&self, exhibit: ExhibitId, key: &ExhibitKey) -> Result<(), ExhibitError> {
        self.same(&Self::of(exhibit, key), Part::ExhibitKey)
    }
}

impl ReleaseShareCommitment {
    /// Commits to the release share of an exhibit.
    pub fn of(exhibit: ExhibitId, share: &ReleaseShare) -> Self {
        Self(Sha256Digest::of(&[RELEASE_SHARE_COMMITMENT_LABEL, exhibit.as_bytes(), share.expose()]))
    }

    /// Checks a share as the server gave it.
    ///
    /// # Errors
    /// [`ExhibitError::NotCommitted`]: the server gave another share than the uploader left.
    pub fn check(&self, exhibit: ExhibitId, share: &ReleaseShare) -> Result<(), ExhibitError> {
        self.same(&Self::of(exhibit, share), Part::ReleaseShare)
    }
}
