//! An auditor's cosignature is attached to a dossier that was made before.
//!
//! The auditor's checkpoint is usually of a larger tree: then the proofs are made anew for it from the log's tiles and the registry is extended up
//! to it. The payload and the chains stay byte for byte.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use custodia_core::custody::receipt::RecordView;
use custodia_core::custody::record::Commitment;
use custodia_core::dossier::{Index, VERSION, paths, stamps};
use custodia_core::finding::Verdict;
use custodia_core::ids::ExhibitId;
use custodia_core::log::{LogKey, SignedCheckpoint, VerifiedCheckpoint};
use custodia_core::strict_json;

use super::DossierError;
use super::custody::{TagFiles, indexes};
use super::kept;
use super::papers::{self, Found, Papers};
use super::pdf::ReportProgram;
use super::zip_file::{self, Draft};
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
    /// What the verifier now says of it.
    pub found: Found,
}

/// What attaching needs of a dossier; nothing of it is verified.
pub(super) struct Present {
    pub(super) index: Index,
    pub(super) checkpoint: Vec<u8>,
    pub(super) registry: Vec<RecordView>,
    pub(super) chains: Vec<(ExhibitId, Vec<RecordView>)>,
    /// The files of the stamped checkpoints.
    pub(super) stamped: TagFiles,
}

impl Present {
    /// The index of its last record.
    fn last(&self) -> u64 {
        indexes(&self.chains).into_iter().max().unwrap_or_default()
    }
}

impl Agent {
    /// Puts a cosigned checkpoint in place of the dossier's own, the one given or the one that the server keeps, and the stamped checkpoints around
    /// its records; its reports are made anew. `trust` and `program` are as in [`super::NewDossier`].
    ///
    /// Not checked beyond that trust: the cosignatures, which verifiers judge by their own policy.
    ///
    /// # Errors
    /// [`DossierError::TooOld`] if the tree does not hold the dossier's last record; [`DossierError::Malformed`] if the file is no dossier
    /// of this log, or no longer verifies; [`DossierError::NotCosigned`] if none was given and the server keeps none; [`AgentError::Misbehaved`] if the checkpoint is not one of the log that this device knows, or the log does not prove
    /// the dossier's records. Then the file is as it was.
    pub async fn attach_cosignature(
        &self,
        dossier: &Path,
        cosigned: Option<&str>,
        trust: Option<&str>,
        program: Option<ReportProgram>,
    ) -> Result<Attached, AgentError> {
        let trust = self.trust(trust).await?;
        let path = dossier.to_owned();
        let present = tokio::task::spawn_blocking(move || read(&path)).await.map_err(|_| AgentError::Bug)??;
        if present.index.origin != self.link()?.origin {
            return Err(DossierError::Malformed(format!("it is of the log {}", present.index.origin)).into());
        }
        self.sync().await?;
        let key = self.believed().await?.log.key().clone();
        let shown = if let Some(cosigned) = cosigned {
            // What is not of this log at all is the caller's mistake; what the log signed and contradicts is evidence.
            SignedCheckpoint::parse(cosigned.as_bytes()).and_then(|shown| shown.verify(&key)).map_err(DossierError::NotOfThisLog)?;
            self.believe_shown(cosigned).await?
        } else {
            let last = present.last();
            self.final_checkpoint(last, Duration::ZERO).await?.ok_or(DossierError::NotCosigned { last })?
        };
        let (checkpoint, mut tags) = if let Some(merged) = merged(&present, &shown, &key)? {
            let note = merged.note().as_str().as_bytes().to_vec();
            (merged, BTreeMap::from([(paths::CHECKPOINT.to_owned(), note)]))
        } else {
            let tags = self.proven_files(&shown, &present.chains).await?;
            same_registry(&present, &tags)?;
            (shown, tags)
        };
        let around = self.stamped_around(&indexes(&present.chains), &checkpoint).await?;
        let stamped = kept::together(kept::present(&present.stamped, &key), around);
        tags.extend(self.stamped_files(&stamped, &checkpoint).await?);
        let signatures = checkpoint.note().signatures().iter().map(|line| line.name().to_string()).collect();
        let workspace = ClearFolder::beside(&self.state, dossier).await?;
        let papers = Papers {
            trust,
            languages: Vec::new(),
            transmission: None,
            at: self.clock.claimed().as_str().to_owned(),
            program,
            folder: workspace.path().to_owned(),
        };
        let path = dossier.to_owned();
        let replaced = tokio::task::spawn_blocking(move || replace_tags(&path, tags, papers));
        let found = replaced.await.map_err(|_| AgentError::Bug)??;
        Ok(Attached { tree_size: checkpoint.size().get(), signatures, found })
    }
}

/// Writes a dossier anew with other tag files, in place of the old one; the payload is copied as it is, and the reports say what is found now, in the
/// languages that are there.
pub(super) fn replace_tags(dossier: &Path, tags: TagFiles, mut papers: Papers) -> Result<Found, DossierError> {
    let (mut draft, mut all) = Draft::of_dossier(dossier, &papers.folder)?;
    all.retain(|name, _| !name.starts_with(stamps::FOLDER));
    all.extend(tags);
    papers.languages = papers::languages(&all);
    let found = papers::add(&mut draft, all, &papers)?;
    if found.verdict == Verdict::Failed {
        return Err(DossierError::Malformed(found.sentence));
    }
    draft.replace(dossier).map(|()| found)
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
    let mut stamped = TagFiles::new();
    for name in zip_file::names(&archive, stamps::FOLDER) {
        if let Some(bytes) = zip_file::read(&mut archive, &name)? {
            stamped.insert(name, bytes);
        }
    }
    Ok(Present { index, checkpoint, registry, chains, stamped })
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
    let last = present.last();
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
