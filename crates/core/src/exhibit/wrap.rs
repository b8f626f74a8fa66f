//! Wraps: a 32-byte secret sealed under another key, bound to what it is for.
//!
//! ```text
//! wrapped secret, 104 bytes: salt (24) ‖ commitment (32) ‖ one Cobblestone chunk: ciphertext (32) ‖ tag (16)
//! context of the wrap of
//!   a group share   under K_v:              "custodia/group-share/v1"   ‖ case id ‖ ring version (u32) ‖ exhibit id
//!   a ring key      under an exporter key:  "custodia/ring-key/v1"      ‖ case id ‖ ring version (u32) ‖ epoch (u64)
//!   a release share under a KEK:            "custodia/release-share/v1" ‖ exhibit id ‖ KEK id (16)
//!   a reason key    under K_v:              "custodia/reason-key/v1"    ‖ case id ‖ ring version (u32) ‖ intent id
//! ```

use core::fmt;

use super::cobblestone::{self, ChunkCipher, HEADER_LEN, Salt, TAG_LEN, in_part};
use super::keys::{GroupShare, KekId, KeyEncryptionKey, ReasonKey, ReleaseShare, RingKey, RingVersion};
use super::{ExhibitError, Part};
use crate::ids::{CaseId, ExhibitId, IntentId};
use crate::secret::Secret32;

/// Bytes of every wrapped secret.
pub const WRAPPED_LEN: usize = HEADER_LEN + 32 + TAG_LEN;

/// A secret sealed under another key; says nothing about whether it opens.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct WrappedSecret([u8; WRAPPED_LEN]);

impl WrappedSecret {
    /// Takes the 104 bytes as they were stored or sent.
    ///
    /// # Errors
    /// [`ExhibitError::Malformed`] for another length.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, ExhibitError> {
        bytes.try_into().map(Self).map_err(|_| ExhibitError::Malformed { part: Part::Wrap, why: "a wrapped key has 104 bytes" })
    }

    /// The 104 bytes.
    pub const fn as_bytes(&self) -> &[u8; WRAPPED_LEN] {
        &self.0
    }
}

impl fmt::Debug for WrappedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WrappedSecret(…)")
    }
}

/// One use of wrapping: which secret under which key, bound to which place. The four uses are the types of this module.
pub trait WrapUse: sealed::Use {}

mod sealed {
    use crate::secret::Secret32;

    pub trait Use {
        type Under;
        type Content;
        fn context(&self) -> Vec<u8>;
        fn under(key: &Self::Under) -> &[u8; 32];
        fn secret(content: &Self::Content) -> &Secret32;
        fn content(secret: Secret32) -> Self::Content;
    }
}

macro_rules! wrap_use {
    ($(#[$doc:meta])* $name:ident: $content:ident under $under:ident, $label:literal,
     $($(#[$field_doc:meta])* $field:ident: $type:ty => $bytes:expr,)+) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)+
        }

        impl WrapUse for $name {}

        impl sealed::Use for $name {
            type Under = $under;
            type Content = $content;

            fn context(&self) -> Vec<u8> {
                let mut context = $label.to_vec();
                $(let $field = &self.$field; context.extend_from_slice(&$bytes[..]);)+
                context
            }

            fn under(key: &$under) -> &[u8; 32] {
                key.expose()
            }

            fn secret(content: &$content) -> &Secret32 {
                content.secret()
            }

            fn content(secret: Secret32) -> $content {
                $content::from_secret(secret)
            }
        }
    };
}

wrap_use! {
    /// The group share of an exhibit under a ring key of its case.
    GroupShareWrap: GroupShare under RingKey, b"custodia/group-share/v1",
    /// The case whose ring it is.
    case: CaseId => case.as_bytes(),
    /// The ring key's version.
    version: RingVersion => version.0.to_be_bytes(),
    /// The exhibit whose share it is.
    exhibit: ExhibitId => exhibit.as_bytes(),
}

wrap_use! {
    /// The release share of an exhibit under a key-encryption key of the server.
    ReleaseShareWrap: ReleaseShare under KeyEncryptionKey, b"custodia/release-share/v1",
    /// The exhibit whose share it is.
    exhibit: ExhibitId => exhibit.as_bytes(),
    /// The key-encryption key.
    kek: KekId => kek.as_bytes(),
}

wrap_use! {
    /// The reason key of an intent under a ring key of its case.
    ReasonKeyWrap: ReasonKey under RingKey, b"custodia/reason-key/v1",
    /// The case whose ring it is.
    case: CaseId => case.as_bytes(),
    /// The ring key's version.
    version: RingVersion => version.0.to_be_bytes(),
    /// The intent whose reason it seals.
    intent: IntentId => intent.as_bytes(),
}

/// Wraps a secret for one use.
///
/// # Errors
/// [`ExhibitError::Bug`] if the cipher refuses to encrypt.
pub fn wrap<C: ChunkCipher, U: WrapUse>(
    place: &U,
    under: &U::Under,
    content: &U::Content,
    salt: &Salt,
) -> Result<WrappedSecret, ExhibitError> {
    let message =
        cobblestone::seal::<C>(U::under(under), salt, &place.context(), U::secret(content).expose()).map_err(in_part(Part::Wrap))?;
    WrappedSecret::from_slice(&message)
}

/// Opens a wrap for one use. That the secret is the right one is told by its commitment, not by this.
///
/// # Errors
/// [`ExhibitError::WrongKeyOrContext`] for another key or another use, [`ExhibitError::Altered`].
pub fn unwrap<C: ChunkCipher, U: WrapUse>(place: &U, under: &U::Under, wrapped: &WrappedSecret) -> Result<U::Content, ExhibitError> {
    let plaintext = cobblestone::open::<C>(U::under(under), &place.context(), &wrapped.0).map_err(in_part(Part::Wrap))?;
    let plaintext = zeroize::Zeroizing::new(plaintext);
    let secret = plaintext.as_slice().try_into().expect("a message of 104 bytes holds 32");
    Ok(U::content(Secret32::from_bytes(secret)))
}
