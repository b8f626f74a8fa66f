//! Cosignatures: a witness or auditor says that, at a time, it saw this checkpoint and nothing inconsistent before.
//! Source: C2SP tlog-cosignature, the Ed25519 form (type 0x04).
//!
//! ```text
//! signature = time, u64 big-endian [8] ‖ Ed25519 [64]     in a signature line, after the key id
//! message   = cosignature/v1 ⏎
//!             time <seconds, decimal> ⏎
//!             <the checkpoint's three lines>
//! ```

use core::fmt;
use core::str::FromStr;

use ed25519_dalek::SigningKey;

use super::checkpoint::{Checkpoint, VerifiedCheckpoint};
use super::error::{Form, LogError};
use super::note::{KeyKind, KeyName, NoteKey, NoteSignature, VerifierKey};
use crate::time::LogTime;

/// When a cosigner signed: seconds since 1970-01-01T00:00:00Z, 1 to 2^63-1. It is the cosigner's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CosignatureTime(u64);

impl CosignatureTime {
    /// Takes seconds since 1970; refuses 0 and what is over 2^63-1.
    pub fn from_seconds(seconds: u64) -> Result<Self, LogError> {
        if seconds == 0 || i64::try_from(seconds).is_err() {
            return Err(LogError::malformed(Form::Cosignature, "the time is 0 or over 2^63-1"));
        }
        Ok(Self(seconds))
    }

    /// Seconds since 1970.
    pub const fn seconds(self) -> u64 {
        self.0
    }
}

impl TryFrom<LogTime> for CosignatureTime {
    type Error = LogError;

    fn try_from(time: LogTime) -> Result<Self, LogError> {
        Self::from_seconds(time.seconds())
    }
}

fn message(time: CosignatureTime, checkpoint: &Checkpoint) -> String {
    format!("cosignature/v1\ntime {}\n{}", time.0, checkpoint.to_body())
}

/// A cosigner's public key: of type 0x04.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CosignerKey(VerifierKey);

impl CosignerKey {
    /// The cosigner's name. The signature does not cover it: one key must not serve two cosigners.
    pub const fn name(&self) -> &KeyName {
        self.0.name()
    }

    /// The key as a note's key.
    pub const fn verifier_key(&self) -> &VerifierKey {
        &self.0
    }

    /// Checks that a signature line is this cosigner's cosignature of `checkpoint`.
    ///
    /// Not checked: that the log signed the checkpoint, or that the time is not in the future.
    ///
    /// # Errors
    /// [`LogError::NotSigned`] where the line names another key, [`LogError::BadSignature`] or [`LogError::Malformed`]
    /// where it names this one and is not its cosignature.
    pub fn verify(&self, checkpoint: &Checkpoint, line: &NoteSignature) -> Result<Cosignature, LogError> {
        if !self.0.is_named_by(line) {
            return Err(self.0.not_signed());
        }
        let bad = LogError::malformed(Form::Cosignature, "it has not 8 bytes of time and 64 of signature");
        let (time, signature) = line.bytes().split_first_chunk::<8>().ok_or(bad.clone())?;
        let signature = signature.try_into().map_err(|_| bad)?;
        let time = CosignatureTime::from_seconds(u64::from_be_bytes(*time))?;
        self.0.check(message(time, checkpoint).as_bytes(), signature)?;
        Ok(Cosignature { key: self.clone(), time, line: line.clone() })
    }
}

impl TryFrom<VerifierKey> for CosignerKey {
    type Error = LogError;

    fn try_from(key: VerifierKey) -> Result<Self, LogError> {
        match key.kind() {
            KeyKind::CosignatureV1 => Ok(Self(key)),
            KeyKind::Ed25519 => Err(LogError::KeyType { found: key.kind().type_byte() }),
        }
    }
}

impl FromStr for CosignerKey {
    type Err = LogError;

    fn from_str(vkey: &str) -> Result<Self, LogError> {
        vkey.parse::<VerifierKey>()?.try_into()
    }
}

impl fmt::Display for CosignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A cosignature that was checked: this key signed the checkpoint, and says that it was at this time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosignature {
    key: CosignerKey,
    time: CosignatureTime,
    line: NoteSignature,
}

impl Cosignature {
    /// The cosigner.
    pub const fn key(&self) -> &CosignerKey {
        &self.key
    }

    /// The cosigner's own time.
    pub const fn time(&self) -> CosignatureTime {
        self.time
    }

    /// The line to put under the checkpoint.
    pub const fn line(&self) -> &NoteSignature {
        &self.line
    }
}

/// A cosigner's signing key. It does not remember what it signed: its holder must have checked consistency and stored the
/// new head before the cosignature leaves.
#[derive(Debug)]
pub struct Cosigner(NoteKey);

impl Cosigner {
    /// Takes the signing key of the cosigner `name`.
    ///
    /// # Errors
    /// None that a key drawn at random can meet.
    pub fn new(name: KeyName, secret: SigningKey) -> Result<Self, LogError> {
        NoteKey::new(name, KeyKind::CosignatureV1, secret).map(Self)
    }

    /// The public half.
    pub fn cosigner_key(&self) -> CosignerKey {
        CosignerKey(self.0.verifier_key().clone())
    }

    /// Cosigns a checkpoint that the log signed.
    pub fn cosign(&self, checkpoint: &VerifiedCheckpoint, time: CosignatureTime) -> Cosignature {
        let line = self.0.sign_message(message(time, checkpoint.checkpoint()).as_bytes(), &time.0.to_be_bytes());
        Cosignature { key: self.cosigner_key(), time, line }
    }
}
