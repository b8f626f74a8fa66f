//! What a grant says, read before anything of it is opened: `docs/spec/grants.md`. Its signature is [`crate::jws`]'s, sealing and opening the client's.

use std::collections::BTreeSet;

use super::wire::Base64Url;
use crate::digest::Sha256Digest;
use crate::ids::{CaseId, ExhibitId};
use crate::strict_json::{self, NotStrict};

/// The most keys of one grant: what a JWS of 192 KiB carries.
pub const MAX_KEYS: usize = 2048;

/// The payload of a grant. Not checked: who signed it, for whom it is, that what is sealed opens.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// The version of the format: 1.
    pub v: u8,
    /// The case.
    pub case: CaseId,
    /// Certificate id of the device that receives it.
    pub recipient: Sha256Digest,
    /// Versions of the ring keys that it carries.
    pub rings: Vec<u32>,
    /// Exhibits whose group shares it carries.
    pub exhibits: Vec<ExhibitId>,
    /// HPKE: encapsulated key, then ciphertext.
    pub sealed: Base64Url,
}

/// Why a payload is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// It is not of the one encoding.
    #[error(transparent)]
    Encoding(#[from] NotStrict),
    /// It names a key twice, ring version 0, or more keys than a grant carries.
    #[error("a grant names at most {MAX_KEYS} keys, none twice and no ring version 0")]
    Keys,
}

impl Payload {
    /// Reads a payload from its one encoding.
    ///
    /// # Errors
    /// [`PayloadError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, PayloadError> {
        let payload: Self = strict_json::read(bytes)?;
        let rings: BTreeSet<_> = payload.rings.iter().collect();
        let exhibits: BTreeSet<_> = payload.exhibits.iter().collect();
        let keys = payload.keys();
        if keys > MAX_KEYS || rings.len() + exhibits.len() != keys || rings.contains(&0) { Err(PayloadError::Keys) } else { Ok(payload) }
    }

    /// How many keys it names.
    pub fn keys(&self) -> usize {
        self.rings.len() + self.exhibits.len()
    }
}
