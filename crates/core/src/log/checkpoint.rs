//! Checkpoints: a log's name, tree size and root hash in a note that the log itself signed. Source: C2SP tlog-checkpoint.
//!
//! ```text
//! <origin>                            a key name: no white space, no plus
//! <tree size, decimal>                0 to 2^48, no leading zeros
//! <base64 of the 32-byte root hash>   44 characters
//!
//! — <origin> base64(key id[4] ‖ Ed25519 signature[64])
//! ```
//!
//! Exactly three lines: extension lines are refused. The log's key has the origin as its name.

use core::fmt;
use core::str::FromStr;

use ed25519_dalek::SigningKey;

use super::cosignature::{Cosignature, CosignerKey};
use super::error::{Form, LogError};
use super::merkle::{LeafIndex, MerkleError, NodeHash, RootHash, TreeSize};
use super::note::{KeyKind, KeyName, NoteKey, NoteSignature, SignedNote, VerifierKey};
use super::proof::{ConsistencyProof, InclusionProof, verify_consistency, verify_inclusion};
use super::text::{base64_hash, decimal, to_base64};

/// The name of a log, such as `custody.example.org/log`; it is also the name of the log's key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(KeyName);

impl Origin {
    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The name of the log's key.
    pub const fn key_name(&self) -> &KeyName {
        &self.0
    }
}

impl FromStr for Origin {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self, LogError> {
        text.parse().map(Self)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({})", self.0)
    }
}

impl serde::Serialize for Origin {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for Origin {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What a checkpoint says. On its own it is a claim; [`VerifiedCheckpoint`] says who made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log.
    pub origin: Origin,
    /// The number of leaves.
    pub size: TreeSize,
    /// The root hash of the tree of that size.
    pub root: RootHash,
}

impl Checkpoint {
    /// Reads the text of a checkpoint's note.
    ///
    /// # Errors
    /// Not exactly three lines of the form above; over 2^48 leaves; 0 leaves with a root that is not the empty tree's.
    pub fn parse_body(text: &str) -> Result<Self, LogError> {
        let bad = |reason| LogError::malformed(Form::Checkpoint, reason);
        let lines: Vec<&str> = text.split('\n').take(5).collect();
        let &[origin, size, root, ""] = lines.as_slice() else {
            return Err(bad("it has not exactly three lines (extension lines are refused)"));
        };
        let origin = origin.parse()?;
        let size = decimal(size).ok_or_else(|| bad("the tree size is not a decimal without leading zeros"))?;
        let size = TreeSize::new(size).map_err(|_| bad("the tree size is over 2^48"))?;
        let root = base64_hash(root).map(RootHash::from_bytes).ok_or_else(|| bad("the root hash is not the Base64 of 32 bytes"))?;
        if size == TreeSize::ZERO && root != RootHash::empty() {
            return Err(bad("a tree of size 0 has not the root of the empty tree"));
        }
        Ok(Self { origin, size, root })
    }

    /// Writes the text of a checkpoint's note.
    pub fn to_body(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, to_base64(self.root.as_bytes()))
    }
}

/// A log's public key: of type 0x01, named as the origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogKey(VerifierKey);

impl LogKey {
    /// The log that the key speaks for.
    pub fn origin(&self) -> Origin {
        Origin(self.0.name().clone())
    }

    /// The key as a note's key.
    pub const fn verifier_key(&self) -> &VerifierKey {
        &self.0
    }
}

impl TryFrom<VerifierKey> for LogKey {
    type Error = LogError;

    fn try_from(key: VerifierKey) -> Result<Self, LogError> {
        match key.kind() {
            KeyKind::Ed25519 => Ok(Self(key)),
            KeyKind::CosignatureV1 => Err(LogError::KeyType { found: key.kind().type_byte() }),
        }
    }
}

impl FromStr for LogKey {
    type Err = LogError;

    fn from_str(vkey: &str) -> Result<Self, LogError> {
        vkey.parse::<VerifierKey>()?.try_into()
    }
}

impl fmt::Display for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A log's signing key. It does not remember what it signed: its holder must never sign two inconsistent checkpoints.
#[derive(Debug)]
pub struct LogSigner {
    origin: Origin,
    key: NoteKey,
}

impl LogSigner {
    /// Takes the signing key of the log `origin`.
    ///
    /// # Errors
    /// None that a key drawn at random can meet.
    pub fn new(origin: Origin, secret: SigningKey) -> Result<Self, LogError> {
        let key = NoteKey::new(origin.0.clone(), KeyKind::Ed25519, secret)?;
        Ok(Self { origin, key })
    }

    /// The log.
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The public half.
    pub fn log_key(&self) -> LogKey {
        LogKey(self.key.verifier_key().clone())
    }

    /// Signs that the log has this size and root.
    ///
    /// Not checked: that the tree is consistent with what was signed before.
    ///
    /// # Errors
    /// Size 0 with a root that is not the empty tree's.
    pub fn sign(&self, size: TreeSize, root: RootHash) -> Result<VerifiedCheckpoint, LogError> {
        let checkpoint = Checkpoint { origin: self.origin.clone(), size, root };
        let note = self.key.sign(&checkpoint.to_body())?;
        SignedCheckpoint::from_note(note)?.verify(&self.log_key())
    }
}

/// A checkpoint as it came, verbatim; nobody has checked who signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    note: SignedNote,
    claim: Checkpoint,
}

impl SignedCheckpoint {
    /// Reads a checkpoint; checks form and limits only.
    ///
    /// # Errors
    /// [`LogError::TooLarge`] or [`LogError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, LogError> {
        Self::from_note(SignedNote::parse(bytes)?)
    }

    fn from_note(note: SignedNote) -> Result<Self, LogError> {
        let claim = Checkpoint::parse_body(note.text())?;
        Ok(Self { note, claim })
    }

    /// What it claims; enough to choose a key, not to believe it.
    pub const fn claim(&self) -> &Checkpoint {
        &self.claim
    }

    /// The note, exactly as it came.
    pub const fn note(&self) -> &SignedNote {
        &self.note
    }

    /// Looks for the log's own signature and checks it.
    ///
    /// # Errors
    /// As for [`SignedCheckpoint::verify_any`].
    pub fn verify(&self, key: &LogKey) -> Result<VerifiedCheckpoint, LogError> {
        self.verify_any(core::slice::from_ref(key))
    }

    /// Looks for the log's own signature under any of the keys that have the checkpoint's origin as their name.
    ///
    /// Cosignatures do not count, and are not checked here.
    ///
    /// # Errors
    /// [`LogError::UnknownLog`] where no key has the origin as its name, [`LogError::NotSigned`] where none of those that do
    /// signed, [`LogError::BadSignature`] where a line names one of them and does not verify.
    pub fn verify_any(&self, keys: &[LogKey]) -> Result<VerifiedCheckpoint, LogError> {
        let own: Vec<&VerifierKey> = keys.iter().map(|key| &key.0).filter(|key| key.name() == &self.claim.origin.0).collect();
        if own.is_empty() {
            return Err(LogError::UnknownLog { found: self.claim.origin.to_string() });
        }
        let mut signer = None;
        for key in &own {
            if self.note.is_signed_by(key)? {
                signer = signer.or(Some(LogKey((*key).clone())));
            }
        }
        match signer {
            Some(log_key) => Ok(VerifiedCheckpoint { signed: self.clone(), log_key }),
            None => Err(own[0].not_signed()),
        }
    }
}

/// A checkpoint that the log itself signed, under a key that the caller chose to believe.
///
/// Not said: that others see the same tree (cosignatures do), or that it is recent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedCheckpoint {
    signed: SignedCheckpoint,
    log_key: LogKey,
}

impl VerifiedCheckpoint {
    /// Origin, size and root.
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.signed.claim
    }

    /// The number of leaves.
    pub const fn size(&self) -> TreeSize {
        self.signed.claim.size
    }

    /// The root hash.
    pub const fn root(&self) -> RootHash {
        self.signed.claim.root
    }

    /// The key under which the log's signature was checked.
    pub const fn log_key(&self) -> &LogKey {
        &self.log_key
    }

    /// The note, exactly as it came.
    pub const fn note(&self) -> &SignedNote {
        &self.signed.note
    }

    /// The same as not yet verified, to be sent on.
    pub const fn signed(&self) -> &SignedCheckpoint {
        &self.signed
    }

    /// Adds a signature line, such as a cosignature that was checked before.
    ///
    /// # Errors
    /// The note would pass its limits, or the line names the log's key and does not verify.
    pub fn with_signature(&self, signature: &NoteSignature) -> Result<Self, LogError> {
        SignedCheckpoint::from_note(self.note().with_signature(signature)?)?.verify(&self.log_key)
    }

    /// Checks that `leaf` is the leaf at `index` of this tree.
    ///
    /// # Errors
    /// As for [`verify_inclusion`].
    pub fn includes(&self, index: LeafIndex, leaf: NodeHash, proof: &InclusionProof) -> Result<(), MerkleError> {
        verify_inclusion(index, self.size(), leaf, proof, self.root())
    }

    /// Checks that this tree only appends to the tree of `older`.
    ///
    /// # Errors
    /// [`LogError::UnknownLog`] where `older` is of another log; otherwise as for [`verify_consistency`].
    pub fn extends(&self, older: &Self, proof: &ConsistencyProof) -> Result<(), LogError> {
        if older.checkpoint().origin != self.checkpoint().origin {
            return Err(LogError::UnknownLog { found: older.checkpoint().origin.to_string() });
        }
        Ok(verify_consistency(older.size(), older.root(), self.size(), self.root(), proof)?)
    }

    /// The cosignatures of the given cosigners on this checkpoint, every one checked; lines of others are passed over.
    ///
    /// # Errors
    /// [`LogError::BadSignature`] where a line names one of the keys and does not verify.
    pub fn cosignatures(&self, keys: &[CosignerKey]) -> Result<Vec<Cosignature>, LogError> {
        let mut found = Vec::new();
        for key in keys {
            for line in self.note().signatures().iter().filter(|line| key.verifier_key().is_named_by(line)) {
                found.push(key.verify(self.checkpoint(), line)?);
            }
        }
        Ok(found)
    }
}
