//! Opening: first the entry in the log, then the key, then the bytes.
//!
//! ```text
//! intent (purpose, sealed reason) ─► server ─► receipt + release share
//! receipt verified ─► share = commitment? ─► exhibit key = commitment? ─► manifest = commitment? ─► segments, each named and authenticated
//! ```
//! The receipt is verified before the share is used, so that nobody can be made to open without an entry that they can prove.

mod export;
mod fetching;
mod writing;

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

use custodia_api::messages::{Act, ExhibitRow, Released};
use custodia_core::custody::body::{Body, Collection, Consultation, Disclosure, ViewMode};
use custodia_core::custody::intent::{ChainSeen, SignedIntent};
use custodia_core::custody::kind::Purpose;
use custodia_core::custody::record::Outcome;
use custodia_core::digest::Blake3Digest;
use custodia_core::dossier::names_its_source;
use custodia_core::exhibit::cobblestone::HEADER_LEN;
use custodia_core::exhibit::file_digest::FileDigester;
use custodia_core::exhibit::keys::{ExhibitKey, ExhibitKeyCommitment, GroupShare, ReleaseShare, ReleaseShareCommitment};
use custodia_core::exhibit::manifest::{CommittedManifest, FileEntry, ManifestCommitment, open_sealed};
use custodia_core::exhibit::segment::{ObjectListDigest, Segment, SegmentIndex, SegmentPlan};
use custodia_core::exhibit::{AwsLcCipher, ExhibitError};
use custodia_core::ids::{CaseId, ExhibitId};
use custodia_core::secret::Secret32;
use custodia_failpoint::fail_point;
use futures::StreamExt as _;

use crate::agent::Agent;
use crate::custody::OnExhibit;
use crate::error::AgentError;
use crate::http::{Http, HttpError, to_json};
use crate::log_view::{Entry, Misbehaviour};
use crate::reasons::Statement;
use crate::seal::object_path;
use crate::state::{State, acts, head, intake, keys};

pub use export::{ExportError, ExportedFile};
use fetching::named_object;

/// The most bytes of one range.
const MAX_RANGE: u64 = 64 * 1024 * 1024;

/// For what an exhibit is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// A person views it; nothing is written.
    View,
    /// Its files are written out, for these recipients.
    Export {
        /// Persons `office/local`, or outside recipients in words.
        recipients: Vec<String>,
    },
}

/// An exhibit that this device has opened, by an entry that the log holds.
pub struct OpenedExhibit {
    case: CaseId,
    exhibit: ExhibitId,
    state: Arc<State>,
    http: Http,
    key: Arc<ExhibitKey>,
    plan: SegmentPlan,
    manifest: CommittedManifest,
    objects: Vec<Blake3Digest>,
    entry: Entry,
}

impl core::fmt::Debug for OpenedExhibit {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("OpenedExhibit").field("exhibit", &self.exhibit).field("index", &self.entry.index).finish_non_exhaustive()
    }
}

impl Agent {
    /// Opens an exhibit: enters the act in the log, verifies the receipt, and only then derives the key and opens the manifest.
    ///
    /// # Errors
    /// [`AgentError::NoKey`] before anything is entered; what a rule refuses; [`AgentError::Misbehaved`] if the receipt, the share or the objects
    /// are not what they must be.
    pub async fn open_exhibit(
        &self,
        case: CaseId,
        exhibit: ExhibitId,
        opening: Opening,
        purpose: Purpose,
        statement: &Statement,
    ) -> Result<OpenedExhibit, AgentError> {
        match self.refresh(case).await {
            Err(AgentError::Http(not_found @ HttpError::NotFound { .. })) => {
                return self.attempt(case, exhibit, opening, purpose, statement, not_found).await;
            }
            refreshed => refreshed?,
        }
        let row = self.exhibit_row(case, exhibit).await?;
        self.follow_exhibit(case, exhibit).await?;
        let collection = self.collection(exhibit).await?;
        let seen = self.chain_seen(exhibit).await?;
        let intent = self.sign_opening((case, exhibit, seen), opening, purpose, statement).await?;
        let shares = self.group_shares(case, &row).await?;
        if shares.is_empty() {
            return Err(AgentError::NoKey(exhibit));
        }
        acts::insert(&mut *self.state.connection().await, &intent).await?;
        fail_point!("agent.opening.kept");
        let (released, entry) = self.released(&intent).await?;
        let objects = check_objects(&collection, &released);
        let objects = self.keeping_evidence(objects.map_err(AgentError::from)).await?;
        let release = check_share(&collection, exhibit, &released);
        let release = self.keeping_evidence(release.map_err(AgentError::from)).await?;
        let key = self.settle_key(exhibit, shares, &release, &ExhibitKeyCommitment::from_digest(collection.exhibit_key_commitment)).await?;

        let http = self.link()?.http.clone();
        let sealed = named_object(&http, case, exhibit, collection.manifest_object).await?;
        let json = open_sealed::<AwsLcCipher>(&key, exhibit, &collection.manifest_object, &sealed)?;
        let commitment = ManifestCommitment::from_digest(collection.manifest_commitment);
        let manifest = CommittedManifest::open(json, &commitment, exhibit, case)?;
        if !names_its_source(&collection, &manifest) {
            let why = "it names as its source what the collection committed to";
            return Err(ExhibitError::Misbehaved { part: custodia_core::exhibit::Part::Manifest, why }.into());
        }
        let plan = manifest.plan();
        if plan.segment_count() != objects.len() as u64 {
            let why = "the manifest's length asks for as many segments as were collected";
            return Err(ExhibitError::Misbehaved { part: custodia_core::exhibit::Part::Manifest, why }.into());
        }
        let title = manifest.intake().title.as_str();
        intake::put_exhibit(&mut *self.state.connection().await, exhibit, case, title, Some(manifest.json())).await?;
        fail_point!("agent.opening.opened");
        Ok(OpenedExhibit { case, exhibit, state: Arc::clone(&self.state), http, key: Arc::new(key), plan, manifest, objects, entry })
    }

    /// The exhibit's key: of several group shares that colleagues granted, the one that makes the key which was committed to. The others go.
    async fn settle_key(
        &self,
        exhibit: ExhibitId,
        shares: Vec<GroupShare>,
        release: &ReleaseShare,
        commitment: &ExhibitKeyCommitment,
    ) -> Result<ExhibitKey, AgentError> {
        let several = shares.len() > 1;
        let mut unfit = AgentError::NoKey(exhibit);
        for share in shares {
            let key = ExhibitKey::derive(&share, release, exhibit);
            match commitment.check(exhibit, &key) {
                Ok(()) if several => {
                    keys::settle_granted_share(&mut *self.state.connection().await, exhibit, share.secret()).await?;
                    return Ok(key);
                }
                Ok(()) => return Ok(key),
                Err(error) => unfit = error.into(),
            }
        }
        Err(unfit)
    }

    /// Sends an opening, already written down, and verifies its receipt.
    pub(crate) async fn released(&self, intent: &SignedIntent) -> Result<(Released, Entry), AgentError> {
        let exhibit = intent.exhibit.ok_or(AgentError::Bug)?;
        let path = format!("/v1/cases/{}/exhibits/{exhibit}/acts", intent.case);
        let request = to_json(&Act { intent: intent.text().to_owned() })?;
        let released: Released = match self.link()?.http.post_text(&path, &request).await {
            Ok(released) => released,
            Err(error) => return Err(self.proven_refusal(error, intent).await?),
        };
        fail_point!("agent.opening.answered");
        let entry = self.accept_receipt(&released.receipt, intent).await?;
        if entry.outcome != Outcome::Accepted {
            let shown = serde_json::to_string(&released.receipt).unwrap_or_default();
            let refused = Misbehaviour::shown("a share was given out for an act that was refused", shown);
            return self.keeping_evidence(Err(refused.into())).await;
        }
        acts::answered(&mut *self.state.connection().await, intent.id, Some(&released.receipt)).await?;
        fail_point!("agent.opening.receipt_kept");
        Ok((released, entry))
    }

    /// Sends an opening although the server knows no such case for this device, which was a member of it: whoever was removed is refused by a rule,
    /// and the attempt stands in the log. Of an exhibit that this device never saw, what is reported is `not_found`.
    async fn attempt(
        &self,
        case: CaseId,
        exhibit: ExhibitId,
        opening: Opening,
        purpose: Purpose,
        statement: &Statement,
        not_found: HttpError,
    ) -> Result<OpenedExhibit, AgentError> {
        let known = self.exhibits_of_chain(case).await?;
        let Some(seen) = known.into_iter().find_map(|(known, seen)| (known == exhibit).then_some(seen)) else {
            return Err(not_found.into());
        };
        let intent = self.sign_opening((case, exhibit, seen), opening, purpose, statement).await?;
        acts::insert(&mut *self.state.connection().await, &intent).await?;
        self.released(&intent).await?;
        let finding = "an exhibit is released of a case that the server says it does not know";
        self.keeping_evidence(Err(Misbehaviour::shown(finding, exhibit.to_string()).into())).await
    }

    async fn sign_opening(
        &self,
        (case, exhibit, seen): (CaseId, ExhibitId, ChainSeen),
        opening: Opening,
        purpose: Purpose,
        statement: &Statement,
    ) -> Result<SignedIntent, AgentError> {
        let (body, recipients) = match opening {
            Opening::View => (Body::Consultation(Consultation { mode: ViewMode::View }), Vec::new()),
            Opening::Export { recipients } => (Body::Disclosure(Disclosure::Export {}), recipients),
        };
        self.sign_on_exhibit_after(case, exhibit, seen, OnExhibit { body, purpose: Some(purpose), recipients, statement }).await
    }

    /// The exhibits of a case by the case's chain as far as this device has followed it, each with the last record of its own chain.
    ///
    /// # Errors
    /// What the state refuses.
    pub async fn exhibits_of_chain(&self, case: CaseId) -> Result<Vec<(ExhibitId, ChainSeen)>, AgentError> {
        let mut last = BTreeMap::new();
        for record in self.records_of(case).await? {
            if let Some(place) = record.opened.exhibit.flatten() {
                last.insert(place.chain, ChainSeen { seq: place.seq.0, commitment: record.opened.commitment.0 });
            }
        }
        Ok(last.into_iter().collect())
    }

    /// What the first record of an exhibit's chain, its collection, commits to.
    async fn collection(&self, exhibit: ExhibitId) -> Result<Collection, AgentError> {
        let bad = |finding| AgentError::from(Misbehaviour::shown(finding, exhibit.to_string()));
        let view = head::first_record(&mut *self.state.connection().await, exhibit).await?;
        let view = view.ok_or_else(|| bad("an exhibit is shown without a chain"))?;
        let opened = view.open().map_err(|_| crate::state::StateError::Damaged("record"))?;
        let accepted = opened.core.as_ref().is_some_and(|core| core.outcome == Outcome::Accepted);
        let believed = self.believed().await?;
        let record = crate::sync::read_record(&believed, &view, opened)?;
        match record.intent.map(|intent| intent.body.clone()) {
            Some(Body::Collection(body)) if accepted => Ok(body),
            _ => Err(bad("an exhibit's chain does not begin with its collection")),
        }
    }

    /// What this device calls the exhibits of a case: those that it took in or opened.
    ///
    /// # Errors
    /// What the state refuses.
    pub async fn exhibit_titles(&self, case: CaseId) -> Result<Vec<(ExhibitId, String)>, AgentError> {
        Ok(intake::titles(&mut *self.state.connection().await, case).await?)
    }

    /// The exhibits of a case as the server lists them; states and sizes are its word, proven only when one is opened.
    ///
    /// # Errors
    /// What the server refuses.
    pub async fn exhibits(&self, case: CaseId) -> Result<Vec<ExhibitRow>, AgentError> {
        self.exhibit_rows(case).await
    }
}

/// Compares the objects that the server names with those that the collection commits to.
fn check_objects(collection: &Collection, released: &Released) -> Result<Vec<Blake3Digest>, Misbehaviour> {
    let shown = || serde_json::to_string(&released.receipt).unwrap_or_default();
    let fits = released.manifest_object == collection.manifest_object
        && released.objects.len() as u64 == collection.objects
        && *ObjectListDigest::of(&released.objects).digest() == collection.objects_digest;
    if fits {
        Ok(released.objects.clone())
    } else {
        Err(Misbehaviour::shown("the server names other objects than those that were collected", shown()))
    }
}

/// Takes the release share, if it is the one that the collection commits to.
fn check_share(collection: &Collection, exhibit: ExhibitId, released: &Released) -> Result<ReleaseShare, Misbehaviour> {
    // The share itself is a secret, and the commitment shows well enough which one was asked for.
    let bad = |finding| Misbehaviour {
        finding,
        held: collection.release_share_commitment.to_string(),
        shown: serde_json::to_string(&released.receipt).unwrap_or_default(),
    };
    let bytes: [u8; 32] = released.release_share.0.as_slice().try_into().map_err(|_| bad("a release share is not 32 bytes"))?;
    let share = ReleaseShare::from_secret(Secret32::from_bytes(bytes));
    ReleaseShareCommitment::from_digest(collection.release_share_commitment)
        .check(exhibit, &share)
        .map_err(|_| bad("the server released another share than the one that was collected"))?;
    Ok(share)
}

impl OpenedExhibit {
    /// What the exhibit consists of.
    pub fn manifest(&self) -> &CommittedManifest {
        &self.manifest
    }

    /// The entry in the log by which it was opened.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    fn file(&self, file: usize) -> Result<&FileEntry, AgentError> {
        self.manifest.files().get(file).ok_or(AgentError::Input { what: "the file", problem: "is not one of the exhibit" })
    }

    /// Streams one file to a viewer in constant memory; at the end its digests are compared with the manifest's.
    ///
    /// Each segment's name is proven and each chunk authenticated before a byte of it is written.
    ///
    /// # Errors
    /// What does not fetch, open or write. What was written before an error is authentic but not whole.
    pub async fn write_file(&self, file: usize, out: &mut (dyn Write + Send)) -> Result<(), AgentError> {
        let entry = self.file(file)?;
        let mut digester = FileDigester::new();
        let wanted: Vec<_> = self.plan.segments_for(entry.range())?.collect();
        let mut segments = Box::pin(self.fetch(wanted));
        while let Some(content) = segments.next().await {
            let content = content?;
            digester.update(&content);
            out.write_all(&content).map_err(ExportError::Writing)?;
        }
        if digester.finish() == entry.digests() { Ok(()) } else { Err(ExportError::Digests(entry_name(entry)).into()) }
    }

    /// Reads a range of one file. Every chunk is authenticated; that the segments are the objects named is not proven.
    ///
    /// # Errors
    /// A range outside the file or over 64 MiB; what does not fetch or open.
    pub async fn read_range(&self, file: usize, range: Range<u64>) -> Result<Vec<u8>, AgentError> {
        let entry = self.file(file)?;
        let size = entry.digests().size;
        if range.start > range.end || range.end > size || range.end - range.start > MAX_RANGE {
            return Err(AgentError::Input { what: "the range", problem: "lies outside the file or is longer than 64 MiB" });
        }
        let start = entry.range().start;
        let mut all = Vec::new();
        for (index, within) in self.plan.segments_for(start + range.start..start + range.end)? {
            all.extend(self.read_within(index, within).await?);
        }
        Ok(all)
    }

    async fn read_within(&self, index: SegmentIndex, within: Range<u64>) -> Result<Vec<u8>, AgentError> {
        let path = object_path(self.case, self.exhibit, self.object(index)?);
        let header: [u8; HEADER_LEN] = self
            .http
            .object_range(&path, 0, HEADER_LEN)
            .await?
            .as_ref()
            .try_into()
            .map_err(|_| HttpError::Misbehaved("fewer bytes than the range"))?;
        let opener =
            Segment::new(self.exhibit, &self.plan, index)?.open_ranges::<AwsLcCipher>(&self.key, &header, self.plan.object_len(index))?;
        let chunks = opener.chunks_for(&within)?;
        let span = opener.span_of(&chunks)?;
        let length = usize::try_from(span.end - span.start).map_err(|_| AgentError::Bug)?;
        let sealed = self.http.object_range(&path, span.start, length).await?;
        let mut plain = Vec::new();
        let first = chunks.start * custodia_core::exhibit::cobblestone::CHUNK_LEN as u64;
        opener.open_chunks(chunks, &sealed, &mut plain)?;
        let at = |offset: u64| usize::try_from(offset - first).expect("a range lies within a segment of 8 MiB");
        plain.get(at(within.start)..at(within.end)).map(<[u8]>::to_vec).ok_or(AgentError::Bug)
    }

    fn object(&self, index: SegmentIndex) -> Result<Blake3Digest, AgentError> {
        let at = usize::try_from(index.get()).map_err(|_| AgentError::Bug)?;
        self.objects.get(at).copied().ok_or(AgentError::Bug)
    }
}

fn entry_name(entry: &FileEntry) -> String {
    custodia_core::exhibit::path::display(entry.raw_path())
}
