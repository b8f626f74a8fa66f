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

use core::fmt;
use core::str::FromStr;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use super::error::{Form, LogError};
use super::text::{base64, to_base64};
use crate::digest::Sha256Digest;

/// The most bytes of a note; room for 16 post-quantum signatures.
pub const MAX_NOTE_BYTES: usize = 128 * 1024;

/// The most bytes of a note's text.
pub const MAX_TEXT_BYTES: usize = 16 * 1024;

/// The most signature lines of a note.
pub const MAX_SIGNATURES: usize = 100;

/// The most bytes of one signature without the key id.
pub const MAX_SIGNATURE_BYTES: usize = 8 * 1024;

/// The most bytes of a key name.
pub const MAX_KEY_NAME_BYTES: usize = 255;

/// The name of a key: 1 to 255 bytes of UTF-8 without white space, control characters below U+0020 and `+`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

impl KeyName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyName {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self, LogError> {
        if text.len() > MAX_KEY_NAME_BYTES {
            return Err(LogError::TooLarge { form: Form::KeyName, limit: MAX_KEY_NAME_BYTES });
        }
        if text.is_empty() || text.chars().any(|c| c.is_whitespace() || c < ' ' || c == '+') {
            return Err(LogError::malformed(Form::KeyName, "it is empty, or has a space, a control character or a plus"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyName({})", self.0)
    }
}

/// Four bytes that tell keys of one name apart. Anybody can make a key with a given id: it proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 4]);

impl KeyId {
    fn of(name: &KeyName, kind: KeyKind, key: &[u8; 32]) -> Self {
        let digest = Sha256Digest::of(&[name.0.as_bytes(), b"\n", &[kind.type_byte()], key]);
        let [a, b, c, d, ..] = *digest.as_bytes();
        Self([a, b, c, d])
    }

    /// The four bytes, big-endian.
    pub const fn as_bytes(&self) -> &[u8; 4] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

/// What a key signs; one key is for one kind only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// Type 0x01: Ed25519 over the note's text.
    Ed25519,
    /// Type 0x04: Ed25519 over a time and a checkpoint's text (C2SP tlog-cosignature, version 1).
    CosignatureV1,
}

impl KeyKind {
    /// The signature type byte.
    pub const fn type_byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::CosignatureV1 => 0x04,
        }
    }
}

/// A public key with its name and kind; as text a vkey: `<name>+<id, 8 hex digits>+<base64(type ‖ 32-byte key)>`.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: KeyName,
    kind: KeyKind,
    id: KeyId,
    key: VerifyingKey,
}

impl VerifierKey {
    /// Puts a name and a kind beside an Ed25519 public key of 32 bytes.
    ///
    /// # Errors
    /// The bytes are no point of the curve, are not its one encoding, or are of small order.
    pub fn new(name: KeyName, kind: KeyKind, key: &[u8; 32]) -> Result<Self, LogError> {
        let bad = || LogError::malformed(Form::VerifierKey, "not an Ed25519 public key");
        let point = VerifyingKey::from_bytes(key).map_err(|_| bad())?;
        if point.is_weak() || point.to_edwards().compress().as_bytes() != key {
            return Err(bad());
        }
        Ok(Self { id: KeyId::of(&name, kind, key), name, kind, key: point })
    }

    /// The key's name.
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// The key's id, which follows from name, kind and key.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// What the key signs.
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The 32-byte public key.
    pub fn public_key(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// Whether a signature line names this key; the signature itself is not checked.
    pub fn is_named_by(&self, signature: &NoteSignature) -> bool {
        self.name == signature.name && self.id == signature.id
    }

    /// Checks a signature over `message` by the strict rules (canonical encodings, no small order).
    pub(super) fn check(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), LogError> {
        let signature = Signature::from_bytes(signature);
        self.key.verify_strict(message, &signature).map_err(|_| self.bad_signature())
    }

    pub(super) fn bad_signature(&self) -> LogError {
        LogError::BadSignature { key: self.name.to_string() }
    }

    pub(super) fn not_signed(&self) -> LogError {
        LogError::NotSigned { key: self.name.to_string() }
    }
}

impl FromStr for VerifierKey {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self, LogError> {
        let bad = |reason| LogError::malformed(Form::VerifierKey, reason);
        // Room for a post-quantum key, so that its type can be named in the refusal.
        if text.len() > 4096 {
            return Err(LogError::TooLarge { form: Form::VerifierKey, limit: 4096 });
        }
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(bad("it is not name+id+key"));
        };
        let name: KeyName = name.parse()?;
        let id = crate::ids::lower_hex(id).map(KeyId).ok_or_else(|| bad("the id is not 8 lower-case hexadecimal digits"))?;
        let key = base64(key).ok_or_else(|| bad("the key is not Base64"))?;
        let (kind, key) = match key.split_first() {
            Some((0x01, key)) => (KeyKind::Ed25519, key),
            Some((0x04, key)) => (KeyKind::CosignatureV1, key),
            Some((&found, _)) => return Err(LogError::KeyType { found }),
            None => return Err(bad("the key is empty")),
        };
        let key = key.try_into().map_err(|_| bad("the key has not 32 bytes"))?;
        let verifier = Self::new(name, kind, key)?;
        if verifier.id != id {
            return Err(bad("the id is not that of the name and key"));
        }
        Ok(verifier)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![self.kind.type_byte()];
        key.extend_from_slice(self.key.as_bytes());
        write!(f, "{}+{}+{}", self.name, self.id, to_base64(&key))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

/// A signing key with its name and kind. `Debug` shows the public half; the secret is wiped when dropped.
pub struct NoteKey {
    public: VerifierKey,
    secret: SigningKey,
}

impl NoteKey {
    /// Puts a name and a kind beside a signing key.
    ///
    /// # Errors
    /// None that a key drawn at random can meet.
    pub fn new(name: KeyName, kind: KeyKind, secret: SigningKey) -> Result<Self, LogError> {
        Ok(Self { public: VerifierKey::new(name, kind, secret.verifying_key().as_bytes())?, secret })
    }

    /// The public half.
    pub const fn verifier_key(&self) -> &VerifierKey {
        &self.public
    }

    /// Signs `text` as a note of its own, with a key of type 0x01.
    ///
    /// # Errors
    /// The key is of another kind, or the text is not one that a note can have.
    pub fn sign(&self, text: &str) -> Result<SignedNote, LogError> {
        if self.public.kind != KeyKind::Ed25519 {
            return Err(LogError::KeyType { found: self.public.kind.type_byte() });
        }
        let line = self.sign_message(text.as_bytes(), &[]);
        SignedNote::parse(format!("{text}\n{line}").as_bytes())
    }

    /// Signs `message` and puts `prefix` before the 64 bytes of the signature.
    pub(super) fn sign_message(&self, message: &[u8], prefix: &[u8]) -> NoteSignature {
        let signature = self.secret.sign(message).to_bytes();
        NoteSignature { name: self.public.name.clone(), id: self.public.id, bytes: [prefix, &signature].concat() }
    }
}

impl fmt::Debug for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteKey({})", self.public)
    }
}

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
            Some((id, bytes)) if !bytes.is_empty() => Ok(Self { name: name.parse()?, id: KeyId(*id), bytes: bytes.to_vec() }),
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
        let signature = [self.id.0.as_slice(), &self.bytes].concat();
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
            if key.kind != KeyKind::Ed25519 {
                return Err(LogError::KeyType { found: key.kind.type_byte() });
            }
            if self.is_signed_by(key)? && !signers.contains(key) {
                signers.push(key.clone());
            }
        }
        if signers.is_empty() {
            let names: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
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
