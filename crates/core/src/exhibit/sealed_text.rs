//! The sealed text of an intent: reason, legal reference and titles, readable only with the intent's reason key.
//!
//! ```text
//! plaintext: length of the JSON (u32) ‖ JSON ‖ zeros up to a multiple of 256 bytes; at most 16384 bytes
//! context, 66 bytes: "custodia/reason/v1" (18) ‖ SHA-256(origin of the log) (32) ‖ intent id (16)
//! ```
//!
//! One Cobblestone-256 message under a fresh reason key, so it opens to one text for colleagues and auditors alike.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::cobblestone::{self, ChunkCipher, Salt, in_part};
use super::keys::ReasonKey;
use super::padding::{is_zeros, prefixed};
use super::text::{Line, Prose};
use super::{ExhibitError, Part};
use crate::digest::Sha256Digest;
use crate::ids::IntentId;

/// The longest plaintext, length and padding included: 16 KiB.
pub const MAX_SEALED_TEXT_LEN: usize = 16 * 1024;

const REASON_LABEL: &[u8] = b"custodia/reason/v1";
const STEP: usize = 256;
const PREFIX_LEN: usize = 4;

/// What an actor states with an act; the titles are those at the time of the act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedText {
    /// Why the act is done; never blank.
    pub reason: Prose<8192>,
    /// The legal reference or file number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Line<512>>,
    /// The title of the case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case_title: Option<Line<512>>,
    /// The title of the exhibit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exhibit_title: Option<Line<512>>,
}

/// The act that a sealed text belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealedTextPlace<'o> {
    /// The origin line of the log.
    pub origin: &'o str,
    /// The intent.
    pub intent: IntentId,
}

impl SealedTextPlace<'_> {
    fn context(&self) -> Vec<u8> {
        let origin = Sha256Digest::of(&[self.origin.as_bytes()]);
        [REASON_LABEL, origin.as_bytes(), self.intent.as_bytes()].concat()
    }
}

impl SealedText {
    /// Seals the text for one intent.
    ///
    /// # Errors
    /// [`ExhibitError::Limit`] if it does not fit in 16 KiB.
    pub fn seal<C: ChunkCipher>(&self, place: &SealedTextPlace<'_>, key: &ReasonKey, salt: &Salt) -> Result<Vec<u8>, ExhibitError> {
        let json = Zeroizing::new(super::write_json(Part::SealedText, self)?);
        let padded = (PREFIX_LEN + json.len()).next_multiple_of(STEP);
        if padded > MAX_SEALED_TEXT_LEN {
            return Err(ExhibitError::Limit { part: Part::SealedText, most: MAX_SEALED_TEXT_LEN as u64, unit: "bytes" });
        }
        let len = u32::try_from(json.len()).expect("it was limited above");
        let plaintext = Zeroizing::new(prefixed(len.to_be_bytes(), &json, padded));
        cobblestone::seal::<C>(key.expose(), salt, &place.context(), &plaintext).map_err(in_part(Part::SealedText))
    }

    /// Opens the text of one intent.
    ///
    /// # Errors
    /// [`ExhibitError::Malformed`] for a length that no sealed text has, [`ExhibitError::WrongKeyOrContext`],
    /// [`ExhibitError::Altered`]; [`ExhibitError::Misbehaved`] or [`ExhibitError::Json`] for an authentic text that its author made wrongly.
    pub fn open<C: ChunkCipher>(place: &SealedTextPlace<'_>, key: &ReasonKey, sealed: &[u8]) -> Result<Self, ExhibitError> {
        cobblestone::plaintext_len(sealed.len() as u64).map_err(in_part(Part::SealedText))?;
        if !is_sealed_len(sealed.len()) {
            return Err(ExhibitError::Malformed { part: Part::SealedText, why: "its plaintext has 256 to 16384 bytes in steps of 256" });
        }
        let plaintext = cobblestone::open::<C>(key.expose(), &place.context(), sealed).map_err(in_part(Part::SealedText))?;
        let plaintext = Zeroizing::new(plaintext);
        let json = content_of(&plaintext).ok_or(ExhibitError::Misbehaved {
            part: Part::SealedText,
            why: "the length names the JSON, then come fewest zeros up to a multiple of 256",
        })?;
        super::read_json(Part::SealedText, json)
    }
}

/// Whether a sealed text can have so many bytes.
pub fn is_sealed_len(bytes: usize) -> bool {
    let fits = |len: u64| len > 0 && len <= MAX_SEALED_TEXT_LEN as u64 && len.is_multiple_of(STEP as u64);
    cobblestone::plaintext_len(bytes as u64).is_ok_and(fits)
}

fn content_of(plaintext: &[u8]) -> Option<&[u8]> {
    let (prefix, rest) = plaintext.split_first_chunk::<PREFIX_LEN>()?;
    let (json, padding) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*prefix)).ok()?)?;
    (padding.len() < STEP && is_zeros(padding)).then_some(json)
}
