//! The custody files of a dossier: chains, registry and their proofs in one checkpoint.

use std::collections::BTreeMap;
use std::time::Duration;

use custodia_core::custody::receipt::{ClosedPart, PartView, RecordView};
use custodia_core::custody::record::{Commitment, Part, Salt};
use custodia_core::dossier::paths;
use custodia_core::ids::{CaseId, ExhibitId};
use custodia_core::log::{InclusionProof, VerifiedCheckpoint};

use super::bag::text_lines;
use crate::agent::Agent;
use crate::error::AgentError;
use crate::state::{self, head};
use crate::tiles::Tiles;

/// The custody files by name.
pub(super) type TagFiles = BTreeMap<String, Vec<u8>>;

impl Agent {
    /// The custody files of exhibits whose chains end, for the dossier, with the given records.
    pub(super) async fn custody_files(
        &self,
        case: CaseId,
        lasts: &[(ExhibitId, u64)],
        wait: Duration,
    ) -> Result<(VerifiedCheckpoint, TagFiles), AgentError> {
        let mut chains = Vec::with_capacity(lasts.len());
        for &(exhibit, last) in lasts {
            self.follow_exhibit(case, exhibit).await?;
            let views = head::records(&mut *self.state.connection().await, exhibit).await?;
            chains.push((exhibit, shown_up_to(&views, last)?));
        }
        let last = lasts.iter().map(|(_, last)| *last).max().ok_or(AgentError::Bug)?;
        let cosigned = self.final_checkpoint(last, wait).await?;
        // After the chains, so that the tree holds all of them and the registry is complete up to it.
        self.sync().await?;
        let believed = self.believed().await?;
        let head = believed.log.head().cloned().ok_or(AgentError::Bug)?;
        let key = believed.log.key().to_string();
        drop(believed);
        let checkpoint = cosigned.unwrap_or(head);
        let mut tags = self.proven_files(&checkpoint, &chains).await?;
        let stamped = self.stamped_around(&indexes(&chains), &checkpoint).await?;
        tags.extend(self.stamped_files(&stamped, &checkpoint).await?);
        for (exhibit, views) in &chains {
            tags.insert(paths::chain(*exhibit), lines(views));
        }
        tags.insert(paths::LOG.to_owned(), format!("{key}\n").into_bytes());
        Ok((checkpoint, tags))
    }

    /// The files that change with the checkpoint: itself, the proofs of the chains' records, the registry up to it and its proof.
    pub(super) async fn proven_files(
        &self,
        checkpoint: &VerifiedCheckpoint,
        chains: &[(ExhibitId, Vec<RecordView>)],
    ) -> Result<TagFiles, AgentError> {
        let mut tags = TagFiles::new();
        let mut tiles = Tiles::of(checkpoint.clone());
        for (exhibit, views) in chains {
            let mut proofs = Vec::with_capacity(views.len());
            for view in views {
                proofs.push(self.proof(&mut tiles, view).await?);
            }
            tags.insert(paths::chain_proofs(*exhibit), proofs_text(&proofs));
        }
        let registry = head::records(&mut *self.state.connection().await, CaseId::REGISTRY).await?;
        let within = registry.iter().filter(|view| view.index < checkpoint.size().get());
        let registry: Vec<RecordView> = within.map(|view| show_only(view, &[Part::Core, Part::Case])).collect::<Result<_, _>>()?;
        let last = registry.last().ok_or(AgentError::Bug)?;
        let proof = self.proof(&mut tiles, last).await?;
        tags.insert(paths::REGISTRY_PROOF.to_owned(), proof_lines(&proof));
        tags.insert(paths::REGISTRY.to_owned(), lines(&registry));
        tags.insert(paths::CHECKPOINT.to_owned(), checkpoint.note().as_str().as_bytes().to_vec());
        Ok(tags)
    }

    async fn proof(&self, tiles: &mut Tiles, view: &RecordView) -> Result<InclusionProof, AgentError> {
        let proof = tiles.prove(&self.link()?.http, view.index, commitment(view)?).await;
        self.keeping_evidence(proof).await
    }
}

/// The indexes of all records of some chains.
pub(super) fn indexes(chains: &[(ExhibitId, Vec<RecordView>)]) -> Vec<u64> {
    chains.iter().flat_map(|(_, views)| views).map(|view| view.index).collect()
}

fn commitment(view: &RecordView) -> Result<Commitment, AgentError> {
    Ok(view.open().map_err(|_| state::StateError::Damaged("record"))?.commitment)
}

/// The chain up to and with the record at index `last`, without the places in the case's chain.
fn shown_up_to(views: &[RecordView], last: u64) -> Result<Vec<RecordView>, AgentError> {
    let end = views.iter().position(|view| view.index == last).ok_or(AgentError::Bug)?;
    views[..=end].iter().map(|view| show_only(view, &[Part::Core, Part::Exhibit])).collect()
}

/// Shows the record with no more than these parts opened; what was closed before stays closed.
pub(super) fn show_only(view: &RecordView, parts: &[Part]) -> Result<RecordView, AgentError> {
    let show = |part: Part, shown: &PartView| match shown {
        PartView::Opened(opened) if !parts.contains(&part) => {
            let salt = opened.salt.0.as_slice().try_into().map_err(|_| state::StateError::Damaged("record"))?;
            Ok::<_, AgentError>(PartView::Closed(ClosedPart { commitment: part.commit(&Salt(salt), &opened.bytes.0) }))
        }
        shown => Ok(shown.clone()),
    };
    Ok(RecordView {
        index: view.index,
        core: show(Part::Core, &view.core)?,
        case: show(Part::Case, &view.case)?,
        exhibit: show(Part::Exhibit, &view.exhibit)?,
    })
}

/// One JSON text a line.
pub(super) fn lines(views: &[RecordView]) -> Vec<u8> {
    let json = |view: &RecordView| serde_json::to_string(view).expect("texts and numbers serialise");
    text_lines(views.iter().map(json)).into_bytes()
}

fn hashes(proof: &InclusionProof) -> Vec<String> {
    proof.hashes().iter().map(|hash| hex::encode(hash.as_bytes())).collect()
}

/// One proof a line, hashes separated by a space.
pub(super) fn proofs_text(proofs: &[InclusionProof]) -> Vec<u8> {
    text_lines(proofs.iter().map(|proof| hashes(proof).join(" "))).into_bytes()
}

/// One hash a line.
pub(super) fn proof_lines(proof: &InclusionProof) -> Vec<u8> {
    text_lines(hashes(proof).into_iter()).into_bytes()
}
