//! What is sent to a witness, and how a witness judges it. Source: C2SP tlog-witness.
//!
//! ```text
//! old <tree size, decimal>               the size that the witness has, 0 if none
//! <base64 of a 32-byte hash>             none to 63: the consistency proof from there to the checkpoint's size
//!
//! <checkpoint, as the log signed it>
//! ```
//!
//! [`judge`] is the whole of a witness but for its key, clock and disk: the caller makes what it may cosign durable, then signs.

use super::checkpoint::{LogKey, SignedCheckpoint, VerifiedCheckpoint};
use super::error::{Form, LogError};
use super::merkle::{NodeHash, TreeSize};
use super::note::{MAX_NOTE_BYTES, SignedNote};
use super::proof::{ConsistencyProof, MAX_PROOF_HASHES, verify_consistency};
use super::text::{base64_hash, decimal, to_base64};

/// The most bytes of a request: a note's, and 4 KiB before it.
pub const MAX_ADD_CHECKPOINT_BYTES: usize = MAX_NOTE_BYTES + 4 * 1024;

/// A request as it came; nothing in it has been verified. The checkpoint may be of any log, and so have lines that Custodia's have not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    old: TreeSize,
    proof: ConsistencyProof,
    checkpoint: SignedNote,
}

impl AddCheckpoint {
    /// Puts the parts together; does not check that they fit.
    pub const fn new(old: TreeSize, proof: ConsistencyProof, checkpoint: SignedNote) -> Self {
        Self { old, proof, checkpoint }
    }

    /// Reads a request; checks form and limits only.
    ///
    /// # Errors
    /// [`LogError::TooLarge`] or [`LogError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, LogError> {
        let bad = |reason| LogError::malformed(Form::AddCheckpoint, reason);
        if bytes.len() > MAX_ADD_CHECKPOINT_BYTES {
            return Err(LogError::TooLarge { form: Form::AddCheckpoint, limit: MAX_ADD_CHECKPOINT_BYTES });
        }
        let text = core::str::from_utf8(bytes).map_err(|_| bad("it is not UTF-8"))?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or_else(|| bad("no empty line before the checkpoint"))?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old ")).and_then(decimal);
        let old = old.ok_or_else(|| bad("the first line is not `old` and a decimal without leading zeros"))?;
        let old = TreeSize::new(old).map_err(|_| bad("the old size is over 2^48"))?;
        let mut hashes = Vec::new();
        for line in lines {
            if hashes.len() == MAX_PROOF_HASHES {
                return Err(bad("it has more than 63 hashes"));
            }
            hashes.push(base64_hash(line).map(NodeHash::from_bytes).ok_or_else(|| bad("a line is not the Base64 of 32 bytes"))?);
        }
        let proof = ConsistencyProof::from_hashes(hashes)?;
        Ok(Self { old, proof, checkpoint: SignedNote::parse(checkpoint.as_bytes())? })
    }

    /// Writes the request.
    pub fn to_text(&self) -> String {
        let hashes: String = self.proof.hashes().iter().map(|hash| to_base64(hash.as_bytes()) + "\n").collect();
        format!("old {}\n{hashes}\n{}", self.old, self.checkpoint.as_str())
    }

    /// The size that whoever asks believes the witness to have.
    pub const fn old(&self) -> TreeSize {
        self.old
    }

    /// The log that it claims to be of: the first line of the checkpoint.
    pub fn origin(&self) -> &str {
        self.checkpoint.text().split('\n').next().unwrap_or_default()
    }

    /// The checkpoint, exactly as it came.
    pub const fn checkpoint(&self) -> &SignedNote {
        &self.checkpoint
    }
}

/// What a witness that was asked may be holding in its hands: two checkpoints that the log signed, of which it cosigned the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// They have one size and two roots: the log was forked, and its own two signatures say so.
    Fork,
    /// The proof between them does not prove. Whoever asked may have made it badly; the log must show a good one, or was forked.
    Unproven,
}

/// How a request is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It may be cosigned, once it is durable that it is the newest one (200).
    Cosign(Box<VerifiedCheckpoint>),
    /// It is none that can be judged (400).
    Malformed(LogError),
    /// No line by a key of that log verifies (403).
    NotSigned(LogError),
    /// The log is not known (404).
    UnknownLog,
    /// The old size is not the witness's, or the roots of one size differ (409); the witness's size.
    Conflict(TreeSize, Option<Finding>),
    /// The proof does not prove (422).
    Unproven,
}

impl Verdict {
    /// What is to be kept as evidence, with the checkpoint that was cosigned before.
    pub const fn finding(&self) -> Option<Finding> {
        match self {
            Self::Conflict(_, finding) => *finding,
            Self::Unproven => Some(Finding::Unproven),
            _ => None,
        }
    }
}

/// Judges a request. `keys` are those of the logs that the witness knows, `held` the newest checkpoint that it cosigned of the request's log.
///
/// Not checked: that `held` is of that log; the caller looks it up by [`AddCheckpoint::origin`].
pub fn judge(request: &AddCheckpoint, keys: &[LogKey], held: Option<&SignedCheckpoint>) -> Verdict {
    if keys.iter().all(|key| key.verifier_key().name().as_str() != request.origin()) {
        return Verdict::UnknownLog;
    }
    let shown = match SignedCheckpoint::parse(request.checkpoint.as_str().as_bytes()) {
        Ok(shown) => shown,
        Err(error) => return Verdict::Malformed(error),
    };
    let shown = match shown.verify_any(keys) {
        Ok(shown) => shown,
        Err(error) => return Verdict::NotSigned(error),
    };
    if request.old > shown.size() {
        return Verdict::Malformed(LogError::malformed(Form::AddCheckpoint, "the old size is larger than the checkpoint's"));
    }
    let held = held.map(SignedCheckpoint::claim);
    let size = held.map_or(TreeSize::ZERO, |held| held.size);
    // Whatever old size was named: these are two trees of one size.
    let fork = held.is_some_and(|held| held.size == shown.size() && held.root != shown.root()).then_some(Finding::Fork);
    if request.old != size || fork.is_some() {
        return Verdict::Conflict(size, fork);
    }
    let proven = match held {
        Some(held) => verify_consistency(held.size, held.root, shown.size(), shown.root(), &request.proof).is_ok(),
        // Of a log that it never saw there is nothing to prove.
        None => request.proof.hashes().is_empty(),
    };
    if proven { Verdict::Cosign(Box::new(shown)) } else { Verdict::Unproven }
}
