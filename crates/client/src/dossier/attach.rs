//! An auditor's cosignature is attached to a dossier that was made before.
//!
//! The auditor's checkpoint is usually of a larger tree: then the proofs are made anew for it from the log's tiles and the registry is extended up
//! to it. The payload and the chains stay byte for byte.

use std::collections::BTreeMap;
use std::path::Path;

use custodia_core::custody::receipt::RecordView;
use custodia_core::custody::record::Commitment;
use custodia_core::dossier::{Index, VERSION, paths};
use custodia_core::ids::ExhibitId;
use custodia_core::log::{LogKey, SignedCheckpoint, VerifiedCheckpoint};
use custodia_core::strict_json;

use super::custody::TagFiles;
use super::{DossierError, zip_file};
use crate::agent::Agent;
use crate::clear_folder::ClearFolder;
use crate::error::AgentError;

/// What a dossier holds after attaching.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// The number of records in the tree of its checkpoint.
    pub tree_size: u64,
    /// Names of the keys whose signature lines stand under the checkpoint, the log's own first.
    pub signatures: Vec<String>,
}

/// What attaching needs of a dossier; nothing of it is verified.
pub(super) struct Present {
    pub(super) index: Index,
    pub(super) checkpoint: Vec<u8>,
    pub(super) registry: Vec<RecordView>,
    pub(super) chains: Vec<(ExhibitId, Vec<RecordView>)>,
}

impl Agent {
    /// Puts a cosigned checkpoint in place of the dossier's own.
    ///
    /// Not checked: the cosignatures themselves, which verifiers judge by their own policy.
    ///
    /// # Errors
    /// [`DossierError::TooOld`] if the tree does not hold the dossier's last record; [`DossierError::Malformed`] if the file is no dossier
    /// of this log; [`AgentError::Misbehaved`] if the checkpoint is not one of the log that this device knows, or the log does not prove
    /// the dossier's records. Then the file is as it was.
    pub async fn attach_cosignature(&self, dossier: &Path, cosigned: &str) -> Result<Attached, AgentError> {
        let path = dossier.to_owned();
        let present = tokio::task::spawn_blocking(move || read(&path)).await.map_err(|_| AgentError::Bug)??;
        if present.index.origin != self.link()?.origin {
            return Err(DossierError::Malformed(format!("it is of the log {}", present.index.origin)).into());
        }
        self.sync().await?;
        let key = self.believed().await?.log.key().clone();
        // What is not of this log at all is the caller's mistake; what the log signed and contradicts is evidence.
        SignedCheckpoint::parse(cosigned.as_bytes()).and_then(|shown| shown.verify(&key)).map_err(DossierError::NotOfThisLog)?;
        let shown = self.believe_shown(cosigned).await?;
        let (checkpoint, tags) = if let Some(merged) = merged(&present, &shown, &key)? {
            let note = merged.note().as_str().as_bytes().to_vec();
            (merged, BTreeMap::from([(paths::CHECKPOINT.to_owned(), note)]))
        } else {
            let tags = self.proven_files(&shown, &present.chains).await?;
            same_registry(&present, &tags)?;
            (shown, tags)
        };
        let signatures = checkpoint.note().signatures().iter().map(|line| line.name().to_string()).collect();
        let workspace = ClearFolder::beside(&self.state, dossier).await?;
        let (path, folder) = (dossier.to_owned(), workspace.path().to_owned());
        tokio::task::spawn_blocking(move || zip_file::replace_tags(&path, &folder, &tags)).await.map_err(|_| AgentError::Bug)??;
        Ok(Attached { tree_size: checkpoint.size().get(), signatures })
    }
}

/// Reads what attaching needs.
pub(super) fn read(dossier: &Path) -> Result<Present, DossierError> {
    let malformed = |text: &str| DossierError::Malformed(text.to_owned());
    let mut archive = zip_file::open(dossier)?;
    let mut file = |name: &str| zip_file::read(&mut archive, name)?.ok_or_else(|| malformed(&format!("{name} is missing")));
    let index: Index = strict_json::read(&file(paths::INDEX)?).map_err(|error| DossierError::Malformed(error.to_string()))?;
    if index.version != VERSION {
        return Err(malformed("it is of another version than this program makes"));
    }
    let checkpoint = file(paths::CHECKPOINT)?;
    let registry = views(&file(paths::REGISTRY)?)?;
    let mut chains = Vec::with_capacity(index.exhibits.len());
    for &exhibit in &index.exhibits {
        chains.push((exhibit, views(&file(&paths::chain(exhibit))?)?));
    }
    Ok(Present { index, checkpoint, registry, chains })
}

/// Reads one record view a line.
fn views(text: &[u8]) -> Result<Vec<RecordView>, DossierError> {
    let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).map(serde_json::from_slice);
    let views: Vec<RecordView> = lines.collect::<Result<_, _>>().map_err(|error| DossierError::Malformed(error.to_string()))?;
    commitments(&views).map(|_| views)
}

fn commitments(views: &[RecordView]) -> Result<Vec<Commitment>, DossierError> {
    let opened = views.iter().map(|view| view.open().map(|opened| opened.commitment));
    opened.collect::<Result<_, _>>().map_err(|error| DossierError::Malformed(error.to_string()))
}

/// The dossier's own checkpoint with the shown one's further signature lines, if both are of one tree; none if the proofs must be made anew.
pub(super) fn merged(present: &Present, shown: &VerifiedCheckpoint, key: &LogKey) -> Result<Option<VerifiedCheckpoint>, DossierError> {
    let last = present.chains.iter().flat_map(|(_, views)| views).map(|view| view.index).max().unwrap_or_default();
    if shown.size().get() <= last {
        return Err(DossierError::TooOld { size: shown.size().get(), last });
    }
    let malformed = |error: custodia_core::log::LogError| DossierError::Malformed(error.to_string());
    let own = SignedCheckpoint::parse(&present.checkpoint).and_then(|own| own.verify(key)).map_err(malformed)?;
    if (own.size(), own.root()) != (shown.size(), shown.root()) {
        return Ok(None);
    }
    let mut merged = own;
    for line in shown.note().signatures() {
        if !merged.note().signatures().contains(line) {
            merged = merged.with_signature(line).map_err(malformed)?;
        }
    }
    Ok(Some(merged))
}

/// The registry for the new tree and the dossier's own are one chain: the shorter begins the longer.
pub(super) fn same_registry(present: &Present, tags: &TagFiles) -> Result<(), DossierError> {
    let new = views(tags.get(paths::REGISTRY).map(Vec::as_slice).unwrap_or_default())?;
    let (old, new) = (commitments(&present.registry)?, commitments(&new)?);
    let agree = old.starts_with(&new) || new.starts_with(&old);
    if agree { Ok(()) } else { Err(DossierError::Malformed("its registry is not the one that this device knows".to_owned())) }
}
