//! What can be wrong with a text of the log, and whose fault it is.

use core::fmt;

use super::merkle::MerkleError;

/// The form that a text or a string of bytes should have had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A key name or an origin.
    KeyName,
    /// A verifier key (vkey).
    VerifierKey,
    /// A signed note.
    Note,
    /// A checkpoint's body.
    Checkpoint,
    /// A cosignature's time and signature.
    Cosignature,
    /// A `tlog-proof` file.
    ProofFile,
    /// The path of a tile or entry bundle.
    TilePath,
    /// The hashes of a tile.
    Tile,
    /// An entry bundle.
    EntryBundle,
    /// A policy file.
    Policy,
    /// A request to a witness.
    AddCheckpoint,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeyName => "key name",
            Self::VerifierKey => "verifier key",
            Self::Note => "signed note",
            Self::Checkpoint => "checkpoint",
            Self::Cosignature => "cosignature",
            Self::ProofFile => "proof file",
            Self::TilePath => "tile path",
            Self::Tile => "tile",
            Self::EntryBundle => "entry bundle",
            Self::Policy => "policy file",
            Self::AddCheckpoint => "request to a witness",
        })
    }
}

/// Why a text of the log was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// Whoever wrote it did not keep to the form.
    #[error("malformed {form}: {reason}")]
    Malformed {
        /// What it should have been.
        form: Form,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// It is larger than anybody needs; refused before it was decoded.
    #[error("{form} is over the limit of {limit} bytes")]
    TooLarge {
        /// What it should have been.
        form: Form,
        /// The most bytes.
        limit: usize,
    },
    /// A line of a policy file breaks the form; the fault of whoever configured it.
    #[error("policy file, line {line}: {reason}")]
    PolicyLine {
        /// Counted from 1.
        line: usize,
        /// The rule that the line breaks.
        reason: &'static str,
    },
    /// A well-formed key of a type that cannot be used here; the fault of whoever configured it.
    #[error("a key of signature type 0x{found:02x} cannot be used for this")]
    KeyType {
        /// The signature type byte of C2SP signed-note.
        found: u8,
    },
    /// A known key's signature does not verify: the text was changed, or the signer is broken.
    #[error("the signature of {key} does not verify")]
    BadSignature {
        /// The key's name.
        key: String,
    },
    /// There is no signature of the key that must have signed.
    #[error("there is no signature of {key}")]
    NotSigned {
        /// The key's name.
        key: String,
    },
    /// The checkpoint belongs to a log for which there is no key.
    #[error("the checkpoint is of the log {found}, which is not known here")]
    UnknownLog {
        /// The checkpoint's origin.
        found: String,
    },
    /// A proof does not hold: whoever made it, or the log, is wrong.
    #[error(transparent)]
    Proof(#[from] MerkleError),
}

impl LogError {
    pub(super) const fn malformed(form: Form, reason: &'static str) -> Self {
        Self::Malformed { form, reason }
    }
}
