//! What this device believes of the log: one key, one newest head, and everything else only by proof against it.
//!
//! Checked: the log's signature under the pinned key, that heads only grow, receipts. Not checked without a policy of witnesses: that others
//! see the same log, and that the head is recent.

use custodia_api::messages::Consistency;
use custodia_core::custody::intent::{Seen, SignedIntent};
use custodia_core::custody::receipt::{OpenedRecord, Receipt};
use custodia_core::custody::record::{Commitment, Outcome, Place};
use custodia_core::digest::Sha256Digest;
use custodia_core::ids::{CaseId, ExhibitId};
use custodia_core::log::{
    ConsistencyProof, InclusionProof, LeafIndex, LogKey, NodeHash, RootHash, SignedCheckpoint, VerifiedCheckpoint, leaf_hash,
};
use custodia_core::time::LogTime;

/// The most hashes of a proof in a receipt.
const MAX_RECEIPT_HASHES: usize = 48;

/// A server or log that breaks its word, with the bytes that show it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the server breaks its word: {finding}. Nothing was accepted from it; the evidence is kept")]
pub struct Misbehaviour {
    /// What is wrong, in one sentence.
    pub finding: &'static str,
    /// What this device held before.
    pub held: String,
    /// What the server showed.
    pub shown: String,
}

impl Misbehaviour {
    /// A finding that what the server showed proves by itself.
    pub fn shown(finding: &'static str, shown: impl Into<String>) -> Self {
        Self { finding, held: String::new(), shown: shown.into() }
    }
}

/// How a verified checkpoint lies to the newest one known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relation {
    /// The same tree, or the first one seen.
    Known(VerifiedCheckpoint),
    /// A smaller tree: right in an old receipt, a rollback where the newest was asked for.
    Older(VerifiedCheckpoint),
    /// A larger tree, not yet proven to contain the known one.
    Newer(VerifiedCheckpoint),
}

/// The log as one device knows it.
#[derive(Debug, Clone)]
pub struct LogView {
    key: LogKey,
    head: Option<VerifiedCheckpoint>,
}

impl LogView {
    /// Takes the pinned key and the checkpoint that was newest when the device last ran.
    ///
    /// # Errors
    /// The stored checkpoint is not of this log.
    pub fn new(key: LogKey, head: Option<&str>) -> Result<Self, Misbehaviour> {
        let head = head.map(|text| verify(&key, text)).transpose()?;
        Ok(Self { key, head })
    }

    /// The newest head.
    pub const fn head(&self) -> Option<&VerifiedCheckpoint> {
        self.head.as_ref()
    }

    /// The pinned key.
    pub const fn key(&self) -> &LogKey {
        &self.key
    }

    /// The head as an intent names it.
    pub fn seen(&self) -> Seen {
        match &self.head {
            None => Seen { size: 0, root: digest(RootHash::empty()) },
            Some(head) => Seen { size: head.size().get(), root: digest(head.root()) },
        }
    }

    /// Verifies a checkpoint and compares it with the newest known one.
    ///
    /// # Errors
    /// It is not signed by the pinned key, or shows another tree of the same size.
    pub fn relate(&self, text: &str) -> Result<Relation, Misbehaviour> {
        let shown = verify(&self.key, text)?;
        let Some(head) = &self.head else { return Ok(Relation::Known(shown)) };
        match shown.size().cmp(&head.size()) {
            core::cmp::Ordering::Less => Ok(Relation::Older(shown)),
            core::cmp::Ordering::Greater => Ok(Relation::Newer(shown)),
            core::cmp::Ordering::Equal if shown.root() == head.root() => Ok(Relation::Known(shown)),
            core::cmp::Ordering::Equal => Err(self.against_head("the log has two trees of one size: it was forked", text)),
        }
    }

    /// Takes a first or larger head, if the proof shows that it only appends to the known one.
    ///
    /// # Errors
    /// The proof does not hold.
    pub fn advance(&mut self, newer: VerifiedCheckpoint, proof: &Consistency) -> Result<(), Misbehaviour> {
        if let Some(head) = &self.head {
            prove(head, &newer, proof)?;
        }
        self.head = Some(newer);
        Ok(())
    }

    /// Checks that the known head contains an older tree, such as that of an old receipt.
    ///
    /// # Errors
    /// The proof does not hold, or there is no head to check against.
    pub fn contains(&self, older: &VerifiedCheckpoint, proof: &Consistency) -> Result<(), Misbehaviour> {
        let head = self.head.as_ref().ok_or_else(|| Misbehaviour::shown("there is no head to check against", older.note().as_str()))?;
        prove(older, head, proof)
    }

    /// The finding that a checkpoint contradicts the known head, both kept as evidence.
    pub fn against_head(&self, finding: &'static str, shown: &str) -> Misbehaviour {
        let held = self.head.as_ref().map_or_else(String::new, |head| head.note().as_str().to_owned());
        Misbehaviour { finding, held, shown: shown.to_owned() }
    }
}

/// A record that the log holds, as a receipt proved it.
///
/// Not checked: the intent's signature, if it is not the reader's own intent; how the checkpoint lies to others.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Index in the log.
    pub index: u64,
    /// The log's time.
    pub time: LogTime,
    /// What became of the act.
    pub outcome: Outcome,
    /// The intent's compact JWS.
    pub intent: String,
    /// The record's commitment.
    pub commitment: Commitment,
    /// Its place in the case's chain, if opened.
    pub case: Option<Place<CaseId>>,
    /// Its place in the exhibit's chain, if opened and present.
    pub exhibit: Option<Place<ExhibitId>>,
    /// The checkpoint that holds it.
    pub checkpoint: VerifiedCheckpoint,
}

/// Checks a receipt against the log's key: parts, index, inclusion, signature.
///
/// # Errors
/// Whatever of these does not hold, or a closed core.
pub fn verify_receipt(key: &LogKey, receipt: &Receipt) -> Result<Entry, Misbehaviour> {
    let bad = |finding| Misbehaviour::shown(finding, serde_json::to_string(receipt).unwrap_or_default());
    if receipt.v != 1 {
        return Err(bad("a receipt of a version that this program does not know"));
    }
    let (record, checkpoint) = proven(key, receipt)?;
    let core = record.core.ok_or_else(|| bad("a receipt that does not show the act"))?;
    Ok(Entry {
        index: core.index,
        time: core.time,
        outcome: core.outcome,
        intent: core.intent,
        commitment: record.commitment,
        case: record.case,
        exhibit: record.exhibit.flatten(),
        checkpoint,
    })
}

/// Opens a receipt's record and checks that the checkpoint's tree holds its commitment; the core may be closed.
///
/// # Errors
/// Malformed parts, a checkpoint of another log, a proof that does not hold.
pub fn proven(key: &LogKey, receipt: &Receipt) -> Result<(OpenedRecord, VerifiedCheckpoint), Misbehaviour> {
    let bad = |finding| Misbehaviour::shown(finding, serde_json::to_string(receipt).unwrap_or_default());
    if receipt.proof.len() > MAX_RECEIPT_HASHES {
        return Err(bad("a receipt's proof is longer than any tree is high"));
    }
    let record = receipt.record.open().map_err(|_| bad("a receipt's record is not of the format"))?;
    let checkpoint = verify(key, &receipt.checkpoint)?;
    let index = LeafIndex::new(receipt.record.index).map_err(|_| bad("a receipt's index lies past every tree"))?;
    let proof =
        InclusionProof::from_hashes(receipt.proof.iter().copied().map(hash).collect()).map_err(|_| bad("a receipt's proof is too long"))?;
    checkpoint
        .includes(index, leaf_hash(&record.commitment.entry()), &proof)
        .map_err(|_| bad("a receipt's proof does not lead from the record to the checkpoint"))?;
    Ok((record, checkpoint))
}

/// Checks that a receipt is for exactly the intent that was sent.
///
/// # Errors
/// Whatever of [`verify_receipt`] does not hold, or another intent.
pub fn verify_own_receipt(key: &LogKey, receipt: &Receipt, sent: &SignedIntent) -> Result<Entry, Misbehaviour> {
    let entry = verify_receipt(key, receipt)?;
    let (record, _) = proven(key, receipt)?;
    let bad = |finding| Misbehaviour { finding, held: sent.text().to_owned(), shown: serde_json::to_string(receipt).unwrap_or_default() };
    if entry.intent != sent.text() {
        return Err(bad("the receipt is for another act than the one that was sent"));
    }
    if record.fits(sent).is_err() {
        return Err(bad("the act was entered in another chain than the one that it names"));
    }
    Ok(entry)
}

fn verify(key: &LogKey, text: &str) -> Result<VerifiedCheckpoint, Misbehaviour> {
    let bad = |finding| Misbehaviour { finding, held: key.to_string(), shown: text.to_owned() };
    SignedCheckpoint::parse(text.as_bytes())
        .map_err(|_| bad("a checkpoint is not of the format"))?
        .verify(key)
        .map_err(|_| bad("a checkpoint is not signed by the log that this device is bound to"))
}

fn prove(older: &VerifiedCheckpoint, newer: &VerifiedCheckpoint, proof: &Consistency) -> Result<(), Misbehaviour> {
    let bad = |finding| Misbehaviour { finding, held: older.note().as_str().to_owned(), shown: newer.note().as_str().to_owned() };
    let hashes = proof.proof.iter().copied().map(hash).collect();
    let proof = ConsistencyProof::from_hashes(hashes).map_err(|_| bad("a consistency proof is too long"))?;
    newer.extends(older, &proof).map_err(|_| bad("the log does not show that its newer tree only appends to the older one"))
}

fn hash(digest: Sha256Digest) -> NodeHash {
    NodeHash::from_bytes(*digest.as_bytes())
}

fn digest(root: RootHash) -> Sha256Digest {
    Sha256Digest::from_bytes(*root.as_bytes())
}

#[cfg(test)]
mod tests;
