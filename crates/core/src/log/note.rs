//! Signed notes: a text, an empty line, and signature lines. Source: C2SP signed-note.
//!
//! ```text
//! text, each line ended by U+000A
//!                                                        the last empty line of the note
//! — <key name> base64(key id[4] ‖ signature[n])          one or more
//! ```
//!
//! A note is UTF-8 without control characters below U+0020 other than the newline. Limits: 128 KiB for a note, 16 KiB for
//! its text, 100 signatures of at most 8 KiB each (decoded), key names of at most 255 bytes.

mod key;

use core::fmt;

use super::error::{Form, LogError};
use super::text::{base64, to_base64};

pub use key::{KeyId, KeyKind, KeyName, MAX_KEY_NAME_BYTES, NoteKey, VerifierKey};

/// The most bytes of a note; room for 16 post-quantum signatures.
pub const MAX_NOTE_BYTES: usize = 128 * 1024;

/// The most bytes of a note's text.
pub const MAX_TEXT_BYTES: usize = 16 * 1024;

/// The most signature lines of a note.
pub const MAX_SIGNATURES: usize = 100;

/// The most bytes of one signature without the key id.
pub const MAX_SIGNATURE_BYTES: usize = 8 * 1024;

/// One signature line; only read, not verified. `Display` writes the line with its newline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    name: KeyName,
    id: KeyId,
    bytes: Vec<u8>,
}

impl NoteSignature {
    /// The key name that the line claims.
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// The key id that the line claims.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The signature without the key id; what it means depends on the key.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn parse_line(line: &str) -> Result<Self, LogError> {
        let bad = |reason| LogError::malformed(Form::Note, reason);
        let rest = line.strip_prefix("— ").ok_or_else(|| bad("a signature line does not begin with an em dash and a space"))?;
        let (name, signature) = rest.split_once(' ').ok_or_else(|| bad("a signature line has no signature"))?;
        if signature.len() > (4 + MAX_SIGNATURE_BYTES).div_ceil(3) * 4 {
            return Err(LogError::TooLarge { form: Form::Note, limit: MAX_SIGNATURE_BYTES });
        }
        let signature = base64(signature).ok_or_else(|| bad("a signature is not Base64"))?;
        match signature.split_first_chunk::<4>() {
            Some((id, bytes)) if !bytes.is_empty() => Ok(Self { name: name.parse()?, id: KeyId::from_bytes(*id), bytes: bytes.to_vec() }),
            _ => Err(bad("a signature has fewer than 5 bytes")),
        }
    }

    /// Reads the signature lines of a witness's answer: 1 to 100 lines, each ended by a newline.
    ///
    /// # Errors
    /// Larger than a note may be, or not such lines.
    pub fn parse_lines(bytes: &[u8]) -> Result<Vec<Self>, LogError> {
        let text = read_text(bytes)?;
        parse_signatures(text)
    }
}

impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signature = [self.id.as_bytes().as_slice(), &self.bytes].concat();
        writeln!(f, "— {} {}", self.name, to_base64(&signature))
    }
}

/// Checks what holds for every byte of a note before anything in it is looked at.
fn read_text(bytes: &[u8]) -> Result<&str, LogError> {
    if bytes.len() > MAX_NOTE_BYTES {
        return Err(LogError::TooLarge { form: Form::Note, limit: MAX_NOTE_BYTES });
    }
    if bytes.iter().any(|&c| c < b' ' && c != b'\n') {
        return Err(LogError::malformed(Form::Note, "it has a control character other than the newline"));
    }
    core::str::from_utf8(bytes).map_err(|_| LogError::malformed(Form::Note, "it is not UTF-8"))
}

fn parse_signatures(lines: &str) -> Result<Vec<NoteSignature>, LogError> {
    let lines = lines.strip_suffix('\n').ok_or(LogError::malformed(Form::Note, "it does not end with a signature line and a newline"))?;
    if lines.split('\n').count() > MAX_SIGNATURES {
        return Err(LogError::malformed(Form::Note, "it has more than 100 signatures"));
    }
    lines.split('\n').map(NoteSignature::parse_line).collect()
}

/// A note as it came, verbatim, with its parts found; nobody has checked a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedNote {
    note: String,
    text_end: usize,
    signatures: Vec<NoteSignature>,
}

impl SignedNote {
    /// Reads a note; checks form and limits only.
    ///
    /// # Errors
    /// [`LogError::TooLarge`] or [`LogError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, LogError> {
        let note = read_text(bytes)?;
        let empty_line = note.rfind("\n\n").ok_or(LogError::malformed(Form::Note, "no empty line before the signatures"))?;
        let text_end = empty_line + 1;
        if text_end > MAX_TEXT_BYTES {
            return Err(LogError::TooLarge { form: Form::Note, limit: MAX_TEXT_BYTES });
        }
        let signatures = parse_signatures(&note[text_end + 1..])?;
        Ok(Self { note: note.to_owned(), text_end, signatures })
    }

    /// The text that was signed, with its last newline.
    pub fn text(&self) -> &str {
        &self.note[..self.text_end]
    }

    /// All signature lines, known or not, in order.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// The note exactly as it came.
    pub fn as_str(&self) -> &str {
        &self.note
    }

    /// The same text with one more signature line; a line that is already there is not repeated.
    ///
    /// # Errors
    /// The note would pass its limits.
    pub fn with_signature(&self, signature: &NoteSignature) -> Result<Self, LogError> {
        if self.signatures.contains(signature) {
            return Ok(self.clone());
        }
        Self::parse(format!("{}{signature}", self.note).as_bytes())
    }

    /// Checks the note under keys of type 0x01; lines of other keys are passed over.
    ///
    /// # Errors
    /// [`LogError::BadSignature`] where a line names one of the keys and does not verify, [`LogError::NotSigned`] where no
    /// line names any, [`LogError::KeyType`] where a key is of another kind.
    pub fn verify(&self, keys: &[VerifierKey]) -> Result<VerifiedNote, LogError> {
        let mut signers: Vec<VerifierKey> = Vec::new();
        for key in keys {
            if key.kind() != KeyKind::Ed25519 {
                return Err(LogError::KeyType { found: key.kind().type_byte() });
            }
            if self.is_signed_by(key)? && !signers.contains(key) {
                signers.push(key.clone());
            }
        }
        if signers.is_empty() {
            let names: Vec<&str> = keys.iter().map(|key| key.name().as_str()).collect();
            return Err(LogError::NotSigned { key: names.join(" or ") });
        }
        Ok(VerifiedNote { note: self.clone(), signers })
    }

    /// Whether `key` (of type 0x01) signed the text; every line that names it must verify.
    pub(super) fn is_signed_by(&self, key: &VerifierKey) -> Result<bool, LogError> {
        let mut found = false;
        for line in self.signatures.iter().filter(|line| key.is_named_by(line)) {
            let signature = line.bytes.as_slice().try_into().map_err(|_| key.bad_signature())?;
            key.check(self.text().as_bytes(), signature)?;
            found = true;
        }
        Ok(found)
    }
}

/// A note whose text at least one of the given keys signed; it says which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedNote {
    note: SignedNote,
    signers: Vec<VerifierKey>,
}

impl VerifiedNote {
    /// The text that was signed.
    pub fn text(&self) -> &str {
        self.note.text()
    }

    /// The keys that signed it, at least one, in the order in which they were given.
    pub fn signers(&self) -> &[VerifierKey] {
        &self.signers
    }

    /// The note with all its lines.
    pub const fn note(&self) -> &SignedNote {
        &self.note
    }
}
