//! Kept checkpoints in a dossier: those with time stamps on both sides of every record, and the cosigned one with which it ends
//! (`docs/spec/witnesses.md`).
//!
//! ```text
//! records         a     b  c        d
//! stamped      0──┬──────────┬─────────┬──►   one question for each side of a gap between two stamped checkpoints serves every record in it
//! ```
//! What the server shows is believed by proof alone: the log's signature, and a consistency proof to the dossier's final checkpoint.

use std::collections::BTreeMap;
use std::time::Duration;

use custodia_api::messages::Consistency;
use custodia_core::dossier::stamps;
use custodia_core::log::stamp::StampedBytes;
use custodia_core::log::{ConsistencyProof, LogKey, NodeHash, SignedCheckpoint, VerifiedCheckpoint};

use super::bag::text_lines;
use super::custody::TagFiles;
use crate::agent::Agent;
use crate::error::AgentError;
use crate::kept::Side;
use crate::log_view::Misbehaviour;

/// How long to wait before a server is asked again for a checkpoint that it does not have yet.
const PAUSE: Duration = Duration::from_millis(500);

/// A checkpoint with its time stamps, each a `TimeStampResp` in DER.
#[derive(Debug, Clone)]
pub(super) struct Stamped {
    checkpoint: VerifiedCheckpoint,
    stamps: Vec<Vec<u8>>,
}

/// Stamped checkpoints by size.
pub(super) type StampedBySize = BTreeMap<u64, Stamped>;

impl Agent {
    /// The cosigned checkpoint with which a dossier may end: the smallest that includes the record, or a later one that is stamped too.
    /// Waits for one for so long; none if there is none by then.
    pub(super) async fn final_checkpoint(&self, last: u64, wait: Duration) -> Result<Option<VerifiedCheckpoint>, AgentError> {
        let ends = tokio::time::Instant::now() + wait;
        let least = Side::AtLeast(last + 1);
        let cosigned = loop {
            if let Some((checkpoint, _)) = self.kept(least, "cosignature").await? {
                break checkpoint;
            }
            if tokio::time::Instant::now() + PAUSE > ends {
                return Ok(None);
            }
            tokio::time::sleep(PAUSE).await;
        };
        let stamped = self.kept(least, "stamp").await?.map(|(checkpoint, _)| checkpoint.size());
        let later = match stamped.filter(|size| *size > cosigned.size()) {
            Some(size) => self.kept(Side::AtLeast(size.get()), "cosignature").await?.map(|(checkpoint, _)| checkpoint),
            None => None,
        };
        let chosen = later.unwrap_or(cosigned);
        // Compares it with what this device knows of the log, and proves that the one continues the other.
        self.believe_shown(chosen.note().as_str()).await.map(Some)
    }

    /// The nearest stamped checkpoints on both sides of each record, none larger than the final one.
    pub(super) async fn stamped_around(&self, records: &[u64], end: &VerifiedCheckpoint) -> Result<StampedBySize, AgentError> {
        let mut found = StampedBySize::new();
        let mut records = records.to_vec();
        records.sort_unstable();
        let mut rest = records.as_slice();
        while let Some(&record) = rest.first() {
            let before = self.kept(Side::AtMost(record), "stamp").await?;
            let after = self.kept(Side::AtLeast(record + 1), "stamp").await?;
            // No stamped checkpoint lies between the two, so they are the nearest of every record up to the second.
            let gap_ends = after.as_ref().map_or(u64::MAX, |(checkpoint, _)| checkpoint.size().get());
            for (checkpoint, stamps) in before.into_iter().chain(after) {
                if checkpoint.size() <= end.size() && !stamps.is_empty() {
                    found.insert(checkpoint.size().get(), Stamped { checkpoint, stamps });
                }
            }
            rest = &rest[rest.partition_point(|&record| record < gap_ends)..];
        }
        Ok(found)
    }

    /// Stamped checkpoints as files, each proven to begin the final one.
    pub(super) async fn stamped_files(&self, stamped: &StampedBySize, end: &VerifiedCheckpoint) -> Result<TagFiles, AgentError> {
        let mut files = TagFiles::new();
        for (size, one) in stamped {
            let proof = self.proof_of_beginning(&one.checkpoint, end).await;
            let proof = self.keeping_evidence(proof).await?;
            files.insert(stamps::note(*size), StampedBytes::of(&one.checkpoint).as_bytes().to_vec());
            let hashes = proof.hashes().iter().map(|hash| hex::encode(hash.as_bytes()));
            files.insert(stamps::proof(*size), text_lines(hashes).into_bytes());
            for (number, stamp) in (1..).zip(&one.stamps) {
                files.insert(stamps::stamp(*size, number), stamp.clone());
            }
        }
        Ok(files)
    }

    async fn proof_of_beginning(&self, older: &VerifiedCheckpoint, end: &VerifiedCheckpoint) -> Result<ConsistencyProof, AgentError> {
        let (from, to) = (older.size().get(), end.size().get());
        let bad = |finding| Misbehaviour { finding, held: end.note().as_str().to_owned(), shown: older.note().as_str().to_owned() };
        let hashes = if from == to || from == 0 {
            Vec::new()
        } else {
            let shown: Consistency = self.link()?.http.get(&format!("/v1/log/consistency?from={from}&to={to}")).await?;
            shown.proof.iter().map(|digest| NodeHash::from_bytes(*digest.as_bytes())).collect()
        };
        let proof = ConsistencyProof::from_hashes(hashes).map_err(|_| bad("a consistency proof is too long"))?;
        end.extends(older, &proof).map_err(|_| bad("a checkpoint that the log kept does not begin its present tree"))?;
        Ok(proof)
    }
}

/// The stamped checkpoints that a dossier holds already; what is not of this log, or lacks a part, is left out.
pub(super) fn present(tags: &TagFiles, key: &LogKey) -> StampedBySize {
    let mut found = StampedBySize::new();
    for (name, bytes) in tags {
        let Some(size) = name.strip_prefix(stamps::FOLDER).and_then(|size| size.parse::<u64>().ok()) else { continue };
        let Ok(checkpoint) = SignedCheckpoint::parse(bytes).and_then(|signed| signed.verify(key)) else { continue };
        let stamps: Vec<Vec<u8>> = (1..).map_while(|number| tags.get(&stamps::stamp(size, number)).cloned()).collect();
        if checkpoint.size().get() == size && !stamps.is_empty() {
            found.insert(size, Stamped { checkpoint, stamps });
        }
    }
    found
}

/// Both together; of one checkpoint every stamp once.
pub(super) fn together(mut old: StampedBySize, new: StampedBySize) -> StampedBySize {
    for (size, one) in new {
        match old.get_mut(&size) {
            Some(known) => known.stamps.extend(one.stamps.into_iter().filter(|stamp| !known.stamps.contains(stamp)).collect::<Vec<_>>()),
            None => drop(old.insert(size, one)),
        }
    }
    old
}
