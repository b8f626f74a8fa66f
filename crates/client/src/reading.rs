//! Members' reading: what happened in an own case, and proofs of single records for others.

use std::collections::BTreeMap;

use custodia_core::custody::intent::SignedIntent;
use custodia_core::custody::record::{ChainId, Commitment};
use custodia_core::exhibit::keys::RingKey;
use custodia_core::ids::CaseId;
use custodia_core::log::{LeafIndex, LogError, LogKey, ProofFile, leaf_hash};

use crate::agent::Agent;
use crate::entries::{AuditEntry, Stated};
use crate::error::AgentError;
use crate::http::HttpError;
use crate::reasons::open_reason;
use crate::state::{self, head, keys};
use crate::sync::{ChainRecord, read_record};
use crate::tiles::Tiles;

/// The chain of a case as a member reads it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct CaseLog {
    /// Every record whose payload is there, in the chain's order.
    pub entries: Vec<AuditEntry>,
    /// Indexes of records whose payload was erased.
    pub erased: Vec<u64>,
}

/// What a proof file shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct ProvenRecord {
    /// Index in the log.
    pub index: u64,
    /// Commitment of the record that stands there.
    pub commitment: Commitment,
    /// The number of records in the tree of the checkpoint.
    pub tree_size: u64,
}

/// Why a proof file does not show that the log holds a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The file, the log's signature or the proof.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The file does not carry the entry that it proves.
    #[error("the proof file does not hold a log entry as its extra data, so it does not say what it proves")]
    NoEntry,
}

impl Agent {
    /// The log of an own case from its founding to now, with the reasons that this device can read.
    ///
    /// # Errors
    /// [`AgentError::Misbehaved`] for a chain that does not hold; what the server or the state refuses.
    pub async fn case_log(&self, case: CaseId) -> Result<CaseLog, AgentError> {
        self.sync().await?;
        self.follow_case(case).await?;
        self.entries_of(case, case).await
    }

    /// A chain of an own case, as far as this device has followed it, with the reasons that it can read.
    pub(crate) async fn entries_of(&self, case: CaseId, chain: impl ChainId) -> Result<CaseLog, AgentError> {
        let rings = self.reading_keys(case).await?;
        let records = self.records_of(chain).await?;
        let believed = self.believed().await?;
        let mut log = CaseLog { entries: Vec::with_capacity(records.len()), erased: Vec::new() };
        for record in &records {
            match (&record.opened.core, &record.intent) {
                (Some(core), Some(intent)) => {
                    let stated = stated(intent, &rings);
                    log.entries.push(AuditEntry::new(core, intent, believed.registry.registry(), stated));
                }
                _ => log.erased.push(record.view.index),
            }
        }
        Ok(log)
    }

    /// The records of a chain as far as this device has followed it.
    pub(crate) async fn records_of(&self, chain: impl ChainId) -> Result<Vec<ChainRecord>, AgentError> {
        let views = head::records(&mut *self.state.connection().await, chain).await?;
        let believed = self.believed().await?;
        let mut records = Vec::with_capacity(views.len());
        for view in &views {
            let opened = view.open().map_err(|_| state::StateError::Damaged("record"))?;
            records.push(read_record(&believed, view, opened)?);
        }
        Ok(records)
    }

    /// The ring keys of a case that this device has, by version.
    pub(crate) async fn reading_keys(&self, case: CaseId) -> Result<BTreeMap<u32, RingKey>, AgentError> {
        let keys = keys::ring_keys(&mut *self.state.connection().await, case).await?;
        Ok(keys.into_iter().map(|(version, key)| (version, RingKey::from_secret(key))).collect())
    }

    /// A C2SP `tlog-proof` file that the record at an index, one of an own case, stands in the log: for anybody, offline.
    ///
    /// The file's extra data is the 33-byte log entry. It shows that a commitment stands there, not what was committed to.
    ///
    /// # Errors
    /// [`AgentError::NotEligible`] if the case has no record at that index; [`AgentError::Misbehaved`] if the log does not prove it.
    pub async fn prove(&self, case: CaseId, index: u64) -> Result<String, AgentError> {
        self.sync().await?;
        self.follow_case(case).await?;
        let view = head::first_record_from(&mut *self.state.connection().await, case, index).await?;
        let absent = || HttpError::NotFound {
            message: "the case has no record at this index".to_owned(),
            next: "`custodia log show` lists its records".to_owned(),
        };
        let view = view.filter(|view| view.index == index).ok_or_else(absent)?;
        let commitment = view.open().map_err(|_| state::StateError::Damaged("record"))?.commitment;
        let checkpoint = self.believed().await?.log.head().cloned().ok_or(AgentError::Bug)?;
        let mut tiles = Tiles::of(checkpoint.clone());
        let proof = tiles.prove(&self.link()?.http, index, commitment).await;
        let proof = self.keeping_evidence(proof).await?;
        let index = LeafIndex::new(index).map_err(|_| AgentError::Bug)?;
        let file = ProofFile::new(index, proof, checkpoint.signed().clone()).with_extra(commitment.entry().to_vec());
        Ok(file.map_err(|_| AgentError::Bug)?.to_text())
    }
}

/// Reads a reason with the ring key that its act names.
fn stated(intent: &SignedIntent, rings: &BTreeMap<u32, RingKey>) -> Stated {
    let Some(sealed) = &intent.sealed else { return Stated::NotAsked };
    let ring = sealed.ring.as_ref().and_then(|ring| rings.get(&ring.version));
    match ring.map(|ring| open_reason(&intent.origin, intent, ring)) {
        None => Stated::NotForThisReader,
        Some(Ok(text)) => Stated::Opened(text),
        Some(Err(_)) => Stated::DoesNotOpen,
    }
}

/// Checks a proof file by the log's key alone.
///
/// Not checked: cosignatures; that the record in question has this commitment (its opened parts show that).
///
/// # Errors
/// [`ProofError`].
pub fn verify_proof(file: &str, key: &LogKey) -> Result<ProvenRecord, ProofError> {
    let file = ProofFile::parse(file.as_bytes())?;
    let entry = file.extra().and_then(|entry| Commitment::from_entry(entry).ok());
    let commitment = entry.ok_or(ProofError::NoEntry)?;
    let checkpoint = file.verify(leaf_hash(&commitment.entry()), key)?;
    Ok(ProvenRecord { index: file.index().get(), commitment, tree_size: checkpoint.size().get() })
}

#[cfg(test)]
mod tests {
    use custodia_core::digest::Sha256Digest;
    use custodia_core::log::{Frontier, InclusionProof, LogSigner};
    use ed25519_dalek::SigningKey;

    use super::*;

    fn commitment(seed: u8) -> Commitment {
        Commitment(Sha256Digest::of(&[&[seed]]))
    }

    fn file(extra: Option<Vec<u8>>) -> (String, LogKey) {
        let signer = LogSigner::new("vault.example/log".parse().unwrap(), SigningKey::from_bytes(&[1; 32])).unwrap();
        let mut frontier = Frontier::empty();
        let leaves = [commitment(1), commitment(2)].map(|one| leaf_hash(&one.entry()));
        for leaf in leaves {
            frontier.append(leaf).unwrap();
        }
        let checkpoint = signer.sign(frontier.size(), frontier.root()).unwrap();
        let proof = InclusionProof::from_hashes(vec![leaves[0]]).unwrap();
        let file = ProofFile::new(LeafIndex::new(1).unwrap(), proof, checkpoint.signed().clone());
        let file = extra.map_or(file.clone(), |extra| file.with_extra(extra).unwrap());
        (file.to_text(), signer.log_key())
    }

    #[test]
    fn a_proof_file_shows_which_record_stands_where() {
        let (text, key) = file(Some(commitment(2).entry().to_vec()));
        let proven = verify_proof(&text, &key).unwrap();
        assert_eq!(proven, ProvenRecord { index: 1, commitment: commitment(2), tree_size: 2 });
    }

    #[test]
    fn a_proof_file_for_another_entry_index_or_log_is_refused() {
        let (text, key) = file(Some(commitment(3).entry().to_vec()));
        assert!(matches!(verify_proof(&text, &key), Err(ProofError::Log(LogError::Proof(_)))));
        let (text, _) = file(Some(commitment(2).entry().to_vec()));
        assert!(verify_proof(&text.replacen("index 1", "index 0", 1), &key).is_err());
        let other = LogSigner::new("vault.example/log".parse().unwrap(), SigningKey::from_bytes(&[2; 32])).unwrap();
        assert!(matches!(verify_proof(&text, &other.log_key()), Err(ProofError::Log(_))));
        for extra in [None, Some(vec![1; 32]), Some(vec![2; 33])] {
            let (text, key) = file(extra);
            assert_eq!(verify_proof(&text, &key), Err(ProofError::NoEntry));
        }
    }
}
