//! Taking evidence in: scan, read, seal, upload, collect. Running the same intake again goes on where it ended.

pub mod scan;

mod pipeline;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use custodia_api::messages::{Collect, Objects};
use custodia_core::custody::body::{Body, Collection, Handling};
use custodia_core::custody::wire::Base64;
use custodia_core::digest::{Blake3Digest, Sha256Digest};
use custodia_core::exhibit::file_digest::FileDigests;
use custodia_core::exhibit::intake::{HandlingCode, Intake};
use custodia_core::exhibit::keys::{ExhibitKey, ExhibitKeyCommitment, GroupShare, ReleaseShare, ReleaseShareCommitment, RingVersion};
use custodia_core::exhibit::manifest::{CommittedManifest, FileEntry, Manifest, ManifestCommitment, ManifestSalt};
use custodia_core::exhibit::segment::{ObjectListDigest, SegmentPlan};
use custodia_core::exhibit::text::MediaType;
use custodia_core::exhibit::wrap::{GroupShareWrap, wrap};
use custodia_core::exhibit::{AwsLcCipher, ExhibitError, Salt};
use custodia_core::ids::{CaseId, ExhibitId};
use custodia_core::time::ClaimedTime;
use custodia_failpoint::fail_point;
use time::format_description::well_known::Rfc3339;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::agent::Agent;
use crate::clock::{random, random_secret};
use crate::custody::Source;
use crate::error::AgentError;
use crate::http::{Http, HttpError, to_json};
use crate::reasons::{Draft, Statement};
use crate::state::intake::{self, IntakeRow};
use crate::state::{acts, head};
use pipeline::{Job, PipelineError, Running};
use scan::{IntakeError, SourceFile, scan};

/// How many objects are uploaded at once.
const UPLOADS: usize = 4;

/// Evidence to be taken in.
#[derive(Debug, Clone)]
pub struct NewExhibit {
    /// The case.
    pub case: CaseId,
    /// Files and folders.
    pub sources: Vec<PathBuf>,
    /// What is recorded about it.
    pub intake: Intake,
    /// Why it is collected.
    pub statement: Statement,
    /// Begin anew even if an intake of the same files was begun: a new exhibit with new keys.
    pub fresh: bool,
}

/// How far an intake, or an export, has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Segments done.
    pub segments: u64,
    /// Segments in all.
    pub of: u64,
}

/// An exhibit that stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CollectedExhibit {
    /// The exhibit.
    pub exhibit: ExhibitId,
    /// Index of its collection in the log.
    pub index: u64,
    /// Whether an earlier intake of the same files, unchanged, had collected it.
    pub before: bool,
}

impl From<PipelineError> for AgentError {
    fn from(error: PipelineError) -> Self {
        match error {
            PipelineError::Intake(error) => error.into(),
            PipelineError::Exhibit(error) => error.into(),
        }
    }
}

impl Agent {
    /// Takes files in as one exhibit. `progress` is told after each stored segment.
    ///
    /// If an intake of the same files into the same case was begun, it goes on: segments are read again and compared, and what the server holds
    /// is not sent again. If it was finished, and no file changed since, the exhibit that it made is the answer.
    ///
    /// # Errors
    /// [`AgentError::Intake`] for files that cannot be taken in or that changed; what the server or a rule refuses. Nothing is entered in the log
    /// unless everything is stored.
    pub async fn add_exhibit(&self, new: NewExhibit, progress: impl Fn(Progress) + Send + Sync) -> Result<CollectedExhibit, AgentError> {
        crate::reasons::checked(&new.statement)?;
        new.intake.check().map_err(|rule| ExhibitError::Rejected { rule, file: None })?;
        let sources = new.sources.clone();
        let files = tokio::task::spawn_blocking(move || scan(&sources)).await.map_err(|_| AgentError::Bug)??;
        {
            let _turn = self.group_turn.lock().await;
            Box::pin(self.catch_up(new.case)).await?;
            self.ring(&self.case_file(new.case).await?).await?;
        }
        if !new.fresh
            && let Some(collected) = self.collected_before(&new, &files).await?
        {
            return Ok(collected);
        }
        let source = match new.intake.derived_from {
            None => None,
            Some(from) => {
                let source = self.source(new.case, from).await?;
                self.check_source_handling(&source, handling(new.intake.handling)).await?;
                Some(source)
            }
        };
        let row = self.begin_or_resume(&new, &files).await?;
        fail_point!("agent.intake.begun");
        let plan = SegmentPlan::new(files.iter().map(|file| file.size).sum())?;
        let release = ReleaseShare::from_secret(row.release_share.clone());
        let group = GroupShare::from_secret(row.group_share.clone());
        let key = ExhibitKey::derive(&group, &release, row.exhibit);

        let (objects, sealed_bytes, digests) = self.seal_and_store(&row, &key, plan, files.clone(), progress).await?;
        let entries = files.iter().zip(&digests).map(|(file, digest)| describe(file, digest)).collect();
        let salt = ManifestSalt::from_bytes(random());
        let manifest = Manifest::new(row.exhibit, new.case, salt, new.intake.clone(), entries)?;
        let (manifest, commitment) = CommittedManifest::new(manifest)?;
        let (manifest_object, object) = manifest.seal::<AwsLcCipher>(&key, &Salt::from_bytes(random()))?;
        self.link()?.http.put_object(&object_path(new.case, row.exhibit, manifest_object), object.into()).await?;

        fail_point!("agent.manifest.stored");
        let stored = Stored { objects, sealed_bytes, manifest_object, manifest, salt, commitment, source };
        Box::pin(self.collect(&new, &row, (&group, &release, &key), stored)).await
    }

    /// The exhibit as which this device collected the same files, unchanged, into the same case: a run that ended before it could say so.
    async fn collected_before(&self, new: &NewExhibit, files: &[SourceFile]) -> Result<Option<CollectedExhibit>, AgentError> {
        let source = source_id(&new.sources, files);
        let known = intake::collected(&mut *self.state.connection().await, new.case, &source, &entries_of(files)).await?;
        let Some(exhibit) = known else { return Ok(None) };
        self.follow_exhibit(new.case, exhibit).await?;
        let first = head::first_record(&mut *self.state.connection().await, exhibit).await?;
        Ok(first.map(|view| CollectedExhibit { exhibit, index: view.index, before: true }))
    }

    /// Finds the journal of an intake of the same files, or begins one.
    async fn begin_or_resume(&self, new: &NewExhibit, files: &[SourceFile]) -> Result<IntakeRow, AgentError> {
        let entries = entries_of(files);
        let source = source_id(&new.sources, files);
        let mut connection = self.state.connection().await;
        if let Some(row) = intake::find(&mut connection, new.case, &source).await? {
            if !new.fresh {
                return if row.entries == entries {
                    Ok(row)
                } else {
                    Err(IntakeError::OtherFiles("a size, a time of change or a name differs").into())
                };
            }
            intake::end(&mut connection, row.exhibit).await?;
        }
        let row = IntakeRow {
            exhibit: ExhibitId::from_bytes(random()),
            case: new.case,
            source,
            entries,
            group_share: random_secret(),
            release_share: random_secret(),
        };
        intake::begin(&mut connection, &row).await?;
        Ok(row)
    }

    /// Runs the pipeline; gives the objects' names in order, their bytes together, and the digests of the files.
    async fn seal_and_store(
        &self,
        row: &IntakeRow,
        key: &ExhibitKey,
        plan: SegmentPlan,
        files: Vec<SourceFile>,
        progress: impl Fn(Progress) + Send + Sync,
    ) -> Result<(Vec<Blake3Digest>, u64, Vec<FileDigests>), AgentError> {
        let journal = intake::segments(&mut *self.state.connection().await, row.exhibit).await?;
        let stored: HashSet<Blake3Digest> =
            if journal.is_empty() { HashSet::new() } else { self.stored_objects(row.case, row.exhibit).await? };
        let journal: HashMap<u64, _> = journal.into_iter().map(|segment| (segment.number, segment)).collect();
        let job = Job { exhibit: row.exhibit, key: key.clone(), plan, files, journal, stored };
        let Running { mut segments, digests } = pipeline::start(job);

        let http = &self.link()?.http;
        let slots = Arc::new(Semaphore::new(UPLOADS));
        let mut uploads: JoinSet<Result<(), HttpError>> = JoinSet::new();
        let mut names = Vec::new();
        let mut sealed_bytes = 0;
        while let Some(segment) = segments.recv().await {
            let segment = segment?;
            if !segment.journalled {
                intake::add_segment(&mut *self.state.connection().await, row.exhibit, &segment.row).await?;
                fail_point!("agent.segment.journalled");
            }
            names.push(segment.row.object);
            sealed_bytes += segment.row.object_bytes;
            if let Some(object) = segment.object {
                let slot = Arc::clone(&slots).acquire_owned().await.map_err(|_| AgentError::Bug)?;
                let path = object_path(row.case, row.exhibit, segment.row.object);
                uploads.spawn(upload(http.clone(), path, object, slot));
            }
            while let Some(done) = uploads.try_join_next() {
                done.map_err(|_| AgentError::Bug)??;
            }
            progress(Progress { segments: names.len() as u64 - uploads.len() as u64, of: plan.segment_count() });
        }
        // The reader says why it ended early, if it did.
        let digests = digests.await.map_err(|_| AgentError::Bug)??;
        while let Some(done) = uploads.join_next().await {
            done.map_err(|_| AgentError::Bug)??;
            progress(Progress { segments: names.len() as u64 - uploads.len() as u64, of: plan.segment_count() });
        }
        if names.len() as u64 == plan.segment_count() { Ok((names, sealed_bytes, digests)) } else { Err(AgentError::Bug) }
    }

    async fn stored_objects(&self, case: CaseId, exhibit: ExhibitId) -> Result<HashSet<Blake3Digest>, AgentError> {
        let held: Result<Objects, HttpError> = self.link()?.http.get(&format!("/v1/cases/{case}/exhibits/{exhibit}/objects")).await;
        match held {
            Ok(held) => Ok(held.objects.into_iter().collect()),
            Err(HttpError::NotFound { .. }) => Ok(HashSet::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// Enters the collection. A member may have been removed while the bytes travelled, so the case is caught up with again.
    async fn collect(
        &self,
        new: &NewExhibit,
        row: &IntakeRow,
        (group, release, key): (&GroupShare, &ReleaseShare, &ExhibitKey),
        stored: Stored,
    ) -> Result<CollectedExhibit, AgentError> {
        let _turn = self.group_turn.lock().await;
        self.catch_up(new.case).await?;
        let file = self.case_file(new.case).await?;
        let ring = self.ring(&file).await?;
        let place = GroupShareWrap { case: new.case, version: RingVersion(ring.version), exhibit: row.exhibit };
        let wrapped = wrap::<AwsLcCipher, _>(&place, &ring.key, group, &Salt::from_bytes(random()))?;
        let title = new.intake.title.as_str().to_owned();
        let (derivation, source) = match &stored.source {
            None => (None, None),
            Some(source) => Some(self.sign_source(source, row.exhibit, &stored.salt, &new.statement).await?).unzip(),
        };
        let body = Collection {
            manifest_commitment: *stored.commitment.digest(),
            manifest_object: stored.manifest_object,
            objects: stored.objects.len() as u64,
            objects_digest: *ObjectListDigest::of(&stored.objects).digest(),
            sealed_bytes: stored.sealed_bytes,
            exhibit_key_commitment: *ExhibitKeyCommitment::of(row.exhibit, key).digest(),
            release_share_commitment: *ReleaseShareCommitment::of(row.exhibit, release).digest(),
            ring_version: ring.version,
            handling: handling(new.intake.handling),
            review: new.intake.review_date.to_string(),
            derivation,
        };
        let intent = self
            .sign_act(Draft {
                case: new.case,
                exhibit: Some(row.exhibit),
                purpose: None,
                recipients: Vec::new(),
                group: Some(self.group_seen(new.case).await?),
                chain_seen: None,
                body: Body::Collection(body),
                statement: &new.statement,
                case_title: file.title.as_deref(),
                exhibit_title: Some(&title),
                ring: Some(&ring),
            })
            .await?;
        let request = Collect {
            intent: intent.text().to_owned(),
            objects: stored.objects,
            release_share: Base64(row.release_share.expose().to_vec()),
            group_share: Base64(wrapped.as_bytes().to_vec()),
            source: source.as_ref().map(|source| source.text().to_owned()),
        };
        let path = format!("/v1/cases/{}/exhibits/{}", new.case, row.exhibit);
        {
            let mut connection = self.state.connection().await;
            intake::put_exhibit(&mut connection, row.exhibit, new.case, &title, Some(stored.manifest.json())).await?;
            if let Some(source) = &source {
                acts::insert(&mut connection, source).await?;
            }
        }
        let entry = self.enter(&intent, path, to_json(&request)?).await?;
        Ok(CollectedExhibit { exhibit: row.exhibit, index: entry.index, before: false })
    }
}

/// What stands in the store when an exhibit is collected.
struct Stored {
    objects: Vec<Blake3Digest>,
    sealed_bytes: u64,
    manifest_object: Blake3Digest,
    manifest: CommittedManifest,
    salt: ManifestSalt,
    commitment: ManifestCommitment,
    /// What the exhibit was made from.
    source: Option<Source>,
}

async fn upload(http: Http, path: String, object: Bytes, slot: tokio::sync::OwnedSemaphorePermit) -> Result<(), HttpError> {
    let sent = http.put_object(&path, object).await;
    fail_point!("agent.segment.stored");
    drop(slot);
    sent
}

pub(crate) fn object_path(case: CaseId, exhibit: ExhibitId, name: Blake3Digest) -> String {
    format!("/v1/cases/{case}/exhibits/{exhibit}/objects/{name}")
}

/// The files as they were looked at, as the journal holds them.
fn entries_of(files: &[SourceFile]) -> Vec<u8> {
    serde_json::to_vec(files).expect("bytes and numbers serialise")
}

/// By what a repeated intake is known: where its files lie.
fn source_id(sources: &[PathBuf], files: &[SourceFile]) -> Vec<u8> {
    let mut paths: Vec<&[u8]> = sources.iter().map(|path| path.as_os_str().as_encoded_bytes()).collect();
    paths.sort_unstable();
    let first = files.first().map_or(&b""[..], |file| file.path.as_os_str().as_encoded_bytes());
    let mut parts = vec![first];
    for path in paths {
        parts.extend([&b"\0"[..], path]);
    }
    Sha256Digest::of(&parts).as_bytes().to_vec()
}

fn describe(file: &SourceFile, digests: &FileDigests) -> FileEntry {
    let modified = file.modified().and_then(|time| {
        let text = time::OffsetDateTime::from(time).replace_nanosecond(0).ok()?.format(&Rfc3339).ok()?;
        ClaimedTime::parse(&text).ok()
    });
    FileEntry::new(&file.name.join(&b'/'), media_type(file), digests, modified)
}

/// A media type by the name's ending: a hint for viewers, not a claim about the bytes.
fn media_type(file: &SourceFile) -> MediaType {
    let name = file.name.last().map(Vec::as_slice).unwrap_or_default().to_ascii_lowercase();
    let ending = name.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    let text = match ending {
        b"txt" | b"log" => "text/plain",
        b"csv" => "text/csv",
        b"json" => "application/json",
        b"xml" => "application/xml",
        b"htm" | b"html" => "text/html",
        b"pdf" => "application/pdf",
        b"jpg" | b"jpeg" => "image/jpeg",
        b"png" => "image/png",
        b"gif" => "image/gif",
        b"webp" => "image/webp",
        b"heic" => "image/heic",
        b"mp3" => "audio/mpeg",
        b"ogg" | b"opus" => "audio/ogg",
        b"wav" => "audio/wav",
        b"m4a" => "audio/mp4",
        b"mp4" | b"m4v" => "video/mp4",
        b"webm" => "video/webm",
        b"mov" => "video/quicktime",
        b"zip" => "application/zip",
        b"eml" => "message/rfc822",
        _ => "application/octet-stream",
    };
    MediaType::parse(text).expect("every type in the table has the form")
}

const fn handling(code: HandlingCode) -> Handling {
    match code {
        HandlingCode::H0 => Handling::H0,
        HandlingCode::H1 => Handling::H1,
        HandlingCode::H2 => Handling::H2,
        HandlingCode::H3 => Handling::H3,
    }
}
