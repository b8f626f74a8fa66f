//! Proof files: an inclusion proof and its checkpoint in one text. Source: C2SP tlog-proof.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra <base64>                         optional, 1 to 4096 bytes; nobody signed it
//! index <decimal>
//! <base64 of a 32-byte hash>             none to 63, the leaf's sibling first
//!
//! <a checkpoint, verbatim>
//! ```

use super::checkpoint::{LogKey, SignedCheckpoint, VerifiedCheckpoint};
use super::error::{Form, LogError};
use super::merkle::{LeafIndex, NodeHash};
use super::note::MAX_NOTE_BYTES;
use super::policy::{Policy, PolicyVerdict};
use super::proof::{InclusionProof, MAX_PROOF_HASHES};
use super::text::{base64, base64_hash, decimal, to_base64};

/// The most bytes of the extra data, decoded.
pub const MAX_EXTRA_BYTES: usize = 4096;

/// The most bytes of a proof file: a note's, and 16 KiB before it.
pub const MAX_PROOF_FILE_BYTES: usize = MAX_NOTE_BYTES + 16 * 1024;

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";

/// A proof file as it came; nothing in it has been verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofFile {
    extra: Option<Vec<u8>>,
    index: LeafIndex,
    proof: InclusionProof,
    checkpoint: SignedCheckpoint,
}

impl ProofFile {
    /// Puts a proof beside its checkpoint; does not check that they fit.
    pub const fn new(index: LeafIndex, proof: InclusionProof, checkpoint: SignedCheckpoint) -> Self {
        Self { extra: None, index, proof, checkpoint }
    }

    /// Adds data that nobody signs, of 1 to 4096 bytes.
    ///
    /// # Errors
    /// Empty or too long.
    pub fn with_extra(self, extra: Vec<u8>) -> Result<Self, LogError> {
        if extra.is_empty() || extra.len() > MAX_EXTRA_BYTES {
            return Err(LogError::malformed(Form::ProofFile, "the extra data has not 1 to 4096 bytes"));
        }
        Ok(Self { extra: Some(extra), ..self })
    }

    /// Reads a proof file; checks form and limits only.
    ///
    /// # Errors
    /// [`LogError::TooLarge`] or [`LogError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, LogError> {
        let bad = |reason| LogError::malformed(Form::ProofFile, reason);
        if bytes.len() > MAX_PROOF_FILE_BYTES {
            return Err(LogError::TooLarge { form: Form::ProofFile, limit: MAX_PROOF_FILE_BYTES });
        }
        let text = core::str::from_utf8(bytes).map_err(|_| bad("it is not UTF-8"))?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or_else(|| bad("no empty line before the checkpoint"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(FIRST_LINE) {
            return Err(bad("the first line is not c2sp.org/tlog-proof@v1"));
        }
        let extra = lines.next_if(|line| line.starts_with("extra")).map(parse_extra).transpose()?;
        let index = lines.next().and_then(|line| line.strip_prefix("index ")).and_then(decimal);
        let index = index.ok_or_else(|| bad("no line with an index"))?;
        let index = LeafIndex::new(index).map_err(|_| bad("the index is not below 2^48"))?;
        let mut hashes = Vec::new();
        for line in lines {
            if hashes.len() == MAX_PROOF_HASHES {
                return Err(bad("it has more than 63 hashes"));
            }
            hashes.push(base64_hash(line).map(NodeHash::from_bytes).ok_or_else(|| bad("a hash is not the Base64 of 32 bytes"))?);
        }
        let proof = InclusionProof::from_hashes(hashes)?;
        Ok(Self { extra, index, proof, checkpoint: SignedCheckpoint::parse(checkpoint.as_bytes())? })
    }

    /// Writes the file.
    pub fn to_text(&self) -> String {
        let mut lines = vec![FIRST_LINE.to_owned()];
        lines.extend(self.extra.iter().map(|extra| format!("extra {}", to_base64(extra))));
        lines.push(format!("index {}", self.index));
        lines.extend(self.proof.hashes().iter().map(|hash| to_base64(hash.as_bytes())));
        format!("{}\n\n{}", lines.join("\n"), self.checkpoint.note().as_str())
    }

    /// The extra data; nobody signed it.
    pub fn extra(&self) -> Option<&[u8]> {
        self.extra.as_deref()
    }

    /// The index that the file claims.
    pub const fn index(&self) -> LeafIndex {
        self.index
    }

    /// The proof; not verified.
    pub const fn proof(&self) -> &InclusionProof {
        &self.proof
    }

    /// The checkpoint; not verified.
    pub const fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }

    /// Checks that the log signed the checkpoint and that its tree has `leaf` at the file's index.
    ///
    /// Not checked: cosignatures, and that `leaf` was hashed from the entry in question.
    ///
    /// # Errors
    /// As for [`SignedCheckpoint::verify`]; [`LogError::Proof`].
    pub fn verify(&self, leaf: NodeHash, key: &LogKey) -> Result<VerifiedCheckpoint, LogError> {
        let checkpoint = self.checkpoint.verify(key)?;
        checkpoint.includes(self.index, leaf, &self.proof)?;
        Ok(checkpoint)
    }

    /// Checks the same under a policy, with its witnesses' cosignatures.
    ///
    /// # Errors
    /// As for [`Policy::judge`]; [`LogError::Proof`]. A quorum that is not met is part of the verdict.
    pub fn judge(&self, leaf: NodeHash, policy: &Policy) -> Result<PolicyVerdict, LogError> {
        let verdict = policy.judge(&self.checkpoint)?;
        verdict.checkpoint.includes(self.index, leaf, &self.proof)?;
        Ok(verdict)
    }
}

fn parse_extra(line: &str) -> Result<Vec<u8>, LogError> {
    let bad = LogError::malformed(Form::ProofFile, "the extra data is not the Base64 of 1 to 4096 bytes");
    let text = line.strip_prefix("extra ").filter(|text| text.len() <= MAX_EXTRA_BYTES.div_ceil(3) * 4);
    let extra = text.and_then(base64).filter(|extra| (1..=MAX_EXTRA_BYTES).contains(&extra.len()));
    extra.ok_or(bad)
}
