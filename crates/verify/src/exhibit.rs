//! One exhibit of a dossier: its chain, its manifest, its files, its reasons.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek};

use custodia_core::custody::body::Collection;
use custodia_core::custody::record::Outcome;
use custodia_core::digest::Sha256Digest;
use custodia_core::dossier::chain::{self, ChainInput, ShownAct};
use custodia_core::dossier::stamps::{GenuineStamp, TimeIs};
use custodia_core::dossier::{Files, Index, ReasonKeys, names_its_source, paths};
use custodia_core::exhibit::file_digest::FileDigests;
use custodia_core::exhibit::keys::ReasonKey;
use custodia_core::exhibit::manifest::{CommittedManifest, Manifest, ManifestCommitment};
use custodia_core::exhibit::sealed_text::{SealedText, SealedTextPlace};
use custodia_core::exhibit::{AwsLcCipher, path};
use custodia_core::finding::{Finding, Status};
use custodia_core::ids::ExhibitId;
use custodia_core::secret::Secret32;

use crate::archive::{Archive, ArchiveError};
use crate::bag::MAX_TEXT_BYTES;
use crate::{Trusted, parse_proof, read_views, text_lines};

/// One act of an exhibit's chain with the reason that the dossier opens.
#[derive(Debug)]
pub struct ReportedAct {
    /// The act.
    pub act: ShownAct,
    /// What the actor stated, if the dossier gives the reason key.
    pub text: Option<SealedText>,
    /// What time stamps make of the log's time of it.
    pub time: ActTime,
}

/// What stands for an act's time.
#[derive(Debug, Clone)]
pub struct ActTime {
    /// Proven, stated or contradicted.
    pub is: TimeIs,
    /// The latest stamp of a checkpoint without it.
    pub after: Option<GenuineStamp>,
    /// The earliest stamp of a checkpoint with it.
    pub before: Option<GenuineStamp>,
}

/// What was found of one exhibit.
#[derive(Debug)]
pub struct ExhibitReport {
    /// The exhibit.
    pub id: ExhibitId,
    /// The manifest, if it opens the commitment that the collection signed.
    pub manifest: Option<Manifest>,
    /// Acts in the order of the chain.
    pub acts: Vec<ReportedAct>,
    /// Findings.
    pub findings: Vec<Finding>,
}

/// What the checks of one exhibit need from the whole dossier.
pub(crate) struct Context<'a> {
    pub id: ExhibitId,
    pub index: &'a Index,
    pub payload: Sha256Digest,
    pub trusted: &'a Trusted<'a>,
    pub digests: &'a BTreeMap<String, FileDigests>,
}

pub(crate) fn check<R: Read + Seek>(archive: &mut Archive<R>, context: &Context<'_>) -> Result<ExhibitReport, ArchiveError> {
    let mut findings = Vec::new();
    let views = read_views(archive, &paths::chain(context.id), "CHN-01", &mut findings)?;
    let proofs = archive.read(&paths::chain_proofs(context.id), MAX_TEXT_BYTES)?.unwrap_or_default();
    let hashes = |line: &str| parse_proof(line.split(' ').filter(|_| !line.is_empty()));
    // One more than there are records is too many, however many more there are.
    let proofs = text_lines(&proofs).and_then(|lines| lines.take(views.len() + 1).map(hashes).collect::<Option<Vec<_>>>());
    let input = ChainInput {
        exhibit: context.id,
        case: context.index.case,
        origin: &context.index.origin,
        views: &views,
        proofs: proofs.as_deref().unwrap_or_default(),
        payload: context.payload,
    };
    let trusted = context.trusted;
    let output = chain::check(&input, &trusted.checkpoint, &trusted.registry);
    findings.extend(output.findings);
    findings.extend(trusted.times.check(&output.times, views.len(), trusted.trust.times));
    let commitment = output.collection.as_ref().map(|collection| ManifestCommitment::from_digest(collection.manifest_commitment));
    let manifest = check_manifest(archive, context, commitment.as_ref(), &mut findings)?;
    if let (Some(manifest), Some(collection)) = (&manifest, &output.collection) {
        check_source(collection, manifest, &mut findings);
    }
    if let Some(manifest) = &manifest {
        check_files(archive, context, manifest, &mut findings)?;
    }
    let acts = open_reasons(archive, context, output.acts, &mut findings)?;
    for finding in &mut findings {
        finding.subject = format!("exhibit {}: {}", context.id, finding.subject);
    }
    Ok(ExhibitReport { id: context.id, manifest, acts, findings })
}

fn check_manifest<R: Read + Seek>(
    archive: &mut Archive<R>,
    context: &Context<'_>,
    commitment: Option<&ManifestCommitment>,
    findings: &mut Vec<Finding>,
) -> Result<Option<Manifest>, ArchiveError> {
    let Some(json) = archive.read(&paths::manifest(context.id), MAX_TEXT_BYTES)? else {
        findings.push(Finding::failed("EXH-01", "manifest", "it is missing"));
        return Ok(None);
    };
    let Some(commitment) = commitment else {
        findings.push(Finding::failed("EXH-01", "manifest", "no collection record says what it must be"));
        return Ok(None);
    };
    match CommittedManifest::open(json, commitment, context.id, context.index.case) {
        Ok(manifest) => {
            findings.push(Finding::passed("EXH-01", "manifest", "it is the one that the collection signed"));
            Ok(Some(Manifest::clone(&manifest)))
        }
        Err(error) => {
            findings.push(Finding::failed("EXH-01", "manifest", error.to_string()));
            Ok(None)
        }
    }
}

fn check_source(collection: &Collection, manifest: &Manifest, findings: &mut Vec<Finding>) {
    match manifest.intake().derived_from {
        _ if !names_its_source(collection, manifest) => {
            let text = "the exhibit from which it was made is not the one that the collection commits to";
            findings.push(Finding::failed("EXH-04", "manifest", text));
        }
        Some(from) => {
            let text = format!("it is a {} of exhibit {}, as the collection commits to", from.how.as_str(), from.exhibit);
            findings.push(Finding::passed("EXH-04", "manifest", text));
        }
        None => {}
    }
}

fn check_files<R: Read + Seek>(
    archive: &mut Archive<R>,
    context: &Context<'_>,
    manifest: &Manifest,
    findings: &mut Vec<Finding>,
) -> Result<(), ArchiveError> {
    let names = archive.read(&paths::file_names(context.id), MAX_TEXT_BYTES)?.unwrap_or_default();
    let names: Vec<String> = match serde_json::from_slice(&names) {
        Ok(names) => names,
        Err(error) => {
            findings.push(Finding::failed("EXH-02", "files.json", error.to_string()));
            return Ok(());
        }
    };
    let folder = paths::file(context.id, "");
    let there: BTreeSet<&str> = context.digests.range(folder.clone()..).map_while(|(name, _)| name.strip_prefix(&folder)).collect();
    if names.iter().map(String::as_str).collect::<BTreeSet<_>>() != there || names.len() != there.len() {
        findings.push(Finding::failed("EXH-02", "files.json", "it does not name each file that is there once, and no other"));
    }
    if context.index.files == Files::Digests {
        if !there.is_empty() {
            findings.push(Finding::failed("EXH-02", "files", "the dossier says that it holds digests only, and holds files"));
        }
        let text = "the files are not in this dossier: what the manifest says of them was committed to, but no bytes were compared";
        findings.push(Finding::not_checked("EXH-02", "files", text));
        return Ok(());
    }
    if names.len() != manifest.files().len() {
        findings.push(Finding::failed("EXH-02", "files.json", "it does not name one entry for each file of the manifest"));
    }
    let before = findings.len();
    for (file, name) in manifest.files().iter().zip(&names) {
        let shown = path::display(file.raw_path());
        match context.digests.get(&paths::file(context.id, name)) {
            None => findings.push(Finding::failed("EXH-02", shown, "the file is missing")),
            Some(found) if *found != file.digests() => {
                findings.push(Finding::failed("EXH-02", shown, "its bytes are not those that were collected"));
            }
            Some(_) => {}
        }
    }
    if findings.len() == before {
        let text = "every file has the size, SHA-256, BLAKE3 and tree root that were collected";
        findings.push(Finding::passed("EXH-02", crate::report::count(names.len(), "file"), text));
    }
    Ok(())
}

fn open_reasons<R: Read + Seek>(
    archive: &mut Archive<R>,
    context: &Context<'_>,
    acts: Vec<ShownAct>,
    findings: &mut Vec<Finding>,
) -> Result<Vec<ReportedAct>, ArchiveError> {
    let keys = archive.read(&paths::reasons(context.id), MAX_TEXT_BYTES)?.unwrap_or_default();
    let mut keys = match serde_json::from_slice(&keys) {
        Ok(ReasonKeys(keys)) => keys,
        Err(error) => {
            findings.push(Finding::failed("EXH-03", "reasons.json", error.to_string()));
            BTreeMap::new()
        }
    };
    let mut reported = Vec::with_capacity(acts.len());
    for act in acts {
        let key = keys.remove(&act.core.index.to_string()).map(|key| ReasonKey::from_secret(Secret32::from_bytes(*key.as_bytes())));
        let place = SealedTextPlace { origin: &act.intent.origin, intent: act.intent.id };
        let text =
            key.zip(act.intent.sealed.as_ref()).map(|(key, sealed)| SealedText::open::<AwsLcCipher>(&place, &key, &sealed.message.0));
        let text = match text {
            Some(Err(error)) => {
                findings.push(Finding::failed("EXH-03", format!("record {}", act.core.index), error.to_string()));
                None
            }
            Some(Ok(text)) => Some(text),
            None => None,
        };
        let bound = context.trusted.times.around(act.core.index, act.core.time, context.trusted.trust.times.window_millis);
        let time = ActTime { is: bound.is, after: bound.after.cloned(), before: bound.before.cloned() };
        reported.push(ReportedAct { act, text, time });
    }
    for index in keys.keys() {
        findings.push(Finding::failed("EXH-03", format!("record {index}"), "a reason key is given for it, and it is no act of this chain"));
    }
    let failed = findings.iter().any(|finding| finding.check == "EXH-03" && finding.status == Status::Failed);
    let opened = reported.iter().filter(|act| act.text.is_some()).count();
    if !failed && opened > 0 {
        findings.push(Finding::passed("EXH-03", format!("{opened} reasons"), "each reason given is the one that its actor signed"));
    }
    Ok(reported)
}

impl ReportedAct {
    /// Whether the act took effect.
    pub fn accepted(&self) -> bool {
        self.act.core.outcome == Outcome::Accepted
    }
}
