//! The keys of signed notes: their names, ids and kinds, public and secret halves.

use core::fmt;
use core::str::FromStr;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use super::{NoteSignature, SignedNote};
use crate::digest::Sha256Digest;
use crate::log::error::{Form, LogError};
use crate::log::text::{base64, to_base64};

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

    /// Takes the four bytes of a signature line.
    pub(super) const fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(bytes)
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
    pub(in crate::log) fn check(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), LogError> {
        let signature = Signature::from_bytes(signature);
        self.key.verify_strict(message, &signature).map_err(|_| self.bad_signature())
    }

    pub(in crate::log) fn bad_signature(&self) -> LogError {
        LogError::BadSignature { key: self.name.to_string() }
    }

    pub(in crate::log) fn not_signed(&self) -> LogError {
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
    pub(in crate::log) fn sign_message(&self, message: &[u8], prefix: &[u8]) -> NoteSignature {
        let signature = self.secret.sign(message).to_bytes();
        NoteSignature { name: self.public.name.clone(), id: self.public.id, bytes: [prefix, &signature].concat() }
    }
}

impl fmt::Debug for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteKey({})", self.public)
    }
}
