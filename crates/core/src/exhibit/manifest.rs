//! The manifest: what an exhibit consists of, and what was recorded at intake.
//!
//! ```text
//! sealed manifest: one Cobblestone-256 message under the exhibit key, one object
//! plaintext: length of the JSON (u64) ‖ JSON ‖ zeros up to a PADMÉ length
//! context, 36 bytes: "custodia/manifest/v1" (20) ‖ exhibit id (16)
//! commitment: SHA-256("custodia/manifest-commitment/v1" ‖ salt (32) ‖ JSON)
//! ```
//!
//! The JSON has one encoding for one value, and its bytes are kept verbatim. A [`Manifest`] is well formed and keeps every
//! [`ManifestRule`], whoever made it; a [`CommittedManifest`] is also the one that the log's record commits to.

mod file_entry;

use core::fmt;
use core::ops::Deref;
use std::collections::HashSet;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::cobblestone::{self, ChunkCipher, Salt, in_part};
use super::intake::Intake;
use super::keys::ExhibitKey;
use super::padding::{is_zeros, padme, prefixed};
use super::segment::{SEGMENT_LEN, SegmentPlan, check_name};
use super::{ExhibitError, ManifestRule, Part};
use crate::digest::{Blake3Digest, Sha256Digest};
use crate::ids::{CaseId, ExhibitId, lower_hex};

pub use file_entry::FileEntry;

/// The longest manifest, in bytes of JSON: 64 MiB.
pub const MAX_MANIFEST_LEN: u64 = 64 * 1024 * 1024;
/// The most files of an exhibit.
pub const MAX_FILES: usize = 200_000;

const MANIFEST_LABEL: &[u8] = b"custodia/manifest/v1";
const COMMITMENT_LABEL: &[u8] = b"custodia/manifest-commitment/v1";
const PREFIX_LEN: u64 = 8;

/// The 32 random bytes that hide a manifest behind its commitment; they stand in the manifest itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ManifestSalt([u8; 32]);

impl ManifestSalt {
    /// Takes 32 bytes that the caller drew at random.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes; they salt the names of a derivation too.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Serialize for ManifestSalt {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}

impl<'de> Deserialize<'de> for ManifestSalt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        lower_hex(&text).map(Self).ok_or_else(|| serde::de::Error::custom("a salt is 64 lower-case hexadecimal digits"))
    }
}

/// A well-formed manifest that keeps every rule; not yet known to be the one that the log commits to.
///
/// It has no deserialiser of its own: [`Manifest::parse`] is the only way in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest(Fields);

/// The JSON of a manifest, unchecked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    version: u8,
    exhibit: ExhibitId,
    case: CaseId,
    salt: ManifestSalt,
    stream_len: u64,
    segment_size: u64,
    intake: Intake,
    #[serde(deserialize_with = "limited_files")]
    files: Vec<FileEntry>,
}

impl Manifest {
    /// Describes an exhibit; lays the files end to end in the order given.
    ///
    /// # Errors
    /// [`ExhibitError::Rejected`] for the first rule that is broken.
    pub fn new(exhibit: ExhibitId, case: CaseId, salt: ManifestSalt, intake: Intake, files: Vec<FileEntry>) -> Result<Self, ExhibitError> {
        let mut fields = Fields { version: 1, exhibit, case, salt, stream_len: 0, segment_size: SEGMENT_LEN, intake, files };
        for file in &mut fields.files {
            file.offset = fields.stream_len;
            fields.stream_len = fields.stream_len.saturating_add(file.size);
        }
        fields.check()?;
        Ok(Self(fields))
    }

    /// Reads a manifest from its JSON.
    ///
    /// # Errors
    /// [`ExhibitError::Limit`] before anything is decoded, [`ExhibitError::Json`], [`ExhibitError::Rejected`] for the first rule that is broken.
    pub fn parse(json: &[u8]) -> Result<Self, ExhibitError> {
        check_json_len(json)?;
        let fields: Fields = super::read_json(Part::Manifest, json)?;
        fields.check()?;
        Ok(Self(fields))
    }

    /// The JSON, to be sealed, committed to and kept verbatim.
    ///
    /// # Errors
    /// [`ExhibitError::Limit`] beyond 64 MiB.
    pub fn to_json(&self) -> Result<Vec<u8>, ExhibitError> {
        let json = super::write_json(Part::Manifest, &self.0)?;
        check_json_len(&json)?;
        Ok(json)
    }

    /// The exhibit.
    pub fn exhibit(&self) -> ExhibitId {
        self.0.exhibit
    }

    /// The case.
    pub fn case(&self) -> CaseId {
        self.0.case
    }

    /// The salt of its commitment, which also salts the names of a derivation.
    pub fn salt(&self) -> &ManifestSalt {
        &self.0.salt
    }

    /// What was recorded at intake.
    pub fn intake(&self) -> &Intake {
        &self.0.intake
    }

    /// The files in the order of the content stream; at least one.
    pub fn files(&self) -> &[FileEntry] {
        &self.0.files
    }

    /// How the content stream is padded and cut.
    pub fn plan(&self) -> SegmentPlan {
        SegmentPlan::new(self.0.stream_len).expect("a manifest keeps rule StreamLength")
    }
}

impl Fields {
    fn check(&self) -> Result<(), ExhibitError> {
        let whole = |rule| Err(ExhibitError::Rejected { rule, file: None });
        if self.version != 1 {
            return whole(ManifestRule::Version);
        }
        if self.segment_size != SEGMENT_LEN {
            return whole(ManifestRule::SegmentSize);
        }
        if self.files.is_empty() || self.files.len() > MAX_FILES {
            return whole(ManifestRule::FileCount);
        }
        self.intake.check_of(self.exhibit).or_else(whole)?;
        let mut end = 0_u64;
        for (place, file) in (0..).zip(&self.files) {
            let of_file = |rule| ExhibitError::Rejected { rule, file: Some(place) };
            file.check().map_err(of_file)?;
            if file.offset != end {
                return Err(of_file(ManifestRule::Offsets));
            }
            end = end.checked_add(file.size).ok_or(of_file(ManifestRule::StreamLength))?;
        }
        if self.stream_len != end || SegmentPlan::new(end).is_err() {
            return whole(ManifestRule::StreamLength);
        }
        self.check_paths_together()
    }

    /// No path twice, no file where another path needs a folder.
    fn check_paths_together(&self) -> Result<(), ExhibitError> {
        let mut paths = HashSet::with_capacity(self.files.len());
        for (place, file) in (0..).zip(&self.files) {
            if !paths.insert(file.raw_path()) {
                return Err(ExhibitError::Rejected { rule: ManifestRule::PathTwice, file: Some(place) });
            }
        }
        for (place, file) in (0..).zip(&self.files) {
            let raw = file.raw_path();
            let mut folders = (0..raw.len()).filter(|&at| raw[at] == b'/').map(|at| &raw[..at]);
            if folders.any(|folder| paths.contains(folder)) {
                return Err(ExhibitError::Rejected { rule: ManifestRule::PathInsideFile, file: Some(place) });
            }
        }
        Ok(())
    }
}

fn check_json_len(json: &[u8]) -> Result<(), ExhibitError> {
    if json.len() as u64 > MAX_MANIFEST_LEN {
        return Err(ExhibitError::Limit { part: Part::Manifest, most: MAX_MANIFEST_LEN, unit: "bytes" });
    }
    Ok(())
}

/// Reads at most [`MAX_FILES`] files and allocates for no more than have come.
fn limited_files<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<FileEntry>, D::Error> {
    struct Files;
    impl<'de> Visitor<'de> for Files {
        type Value = Vec<FileEntry>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {MAX_FILES} files")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut files = Vec::new();
            while let Some(file) = seq.next_element()? {
                if files.len() == MAX_FILES {
                    return Err(serde::de::Error::invalid_length(MAX_FILES + 1, &self));
                }
                files.push(file);
            }
            Ok(files)
        }
    }
    deserializer.deserialize_seq(Files)
}

/// The salted commitment to a manifest; stands in the signed `collection` intent and says nothing of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ManifestCommitment(Sha256Digest);

impl ManifestCommitment {
    /// Commits to the verbatim JSON of a manifest under the salt that stands in it.
    pub fn of(salt: &ManifestSalt, json: &[u8]) -> Self {
        Self(Sha256Digest::of(&[COMMITMENT_LABEL, &salt.0, json]))
    }

    /// Takes a commitment as it was signed; checks nothing.
    pub const fn from_digest(digest: Sha256Digest) -> Self {
        Self(digest)
    }

    /// The digest.
    pub const fn digest(&self) -> &Sha256Digest {
        &self.0
    }
}

/// A manifest that a given commitment opens to, with its verbatim bytes. Whether the log holds that commitment is the caller's to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedManifest {
    manifest: Manifest,
    json: Vec<u8>,
}

impl CommittedManifest {
    /// Reads the JSON and checks it against the commitment, the exhibit and the case of the record.
    ///
    /// # Errors
    /// Those of [`Manifest::parse`]; [`ExhibitError::NotCommitted`]; [`ExhibitError::Rejected`] with rule `OtherExhibit`.
    pub fn open(json: Vec<u8>, commitment: &ManifestCommitment, exhibit: ExhibitId, case: CaseId) -> Result<Self, ExhibitError> {
        let manifest = Manifest::parse(&json)?;
        let found = ManifestCommitment::of(&manifest.0.salt, &json);
        if !bool::from(found.0.as_bytes().ct_eq(commitment.0.as_bytes())) {
            return Err(ExhibitError::NotCommitted { part: Part::Manifest });
        }
        if manifest.0.exhibit != exhibit || manifest.0.case != case {
            return Err(ExhibitError::Rejected { rule: ManifestRule::OtherExhibit, file: None });
        }
        Ok(Self { manifest, json })
    }

    /// Commits to a manifest that was made here.
    pub fn new(manifest: Manifest) -> Result<(Self, ManifestCommitment), ExhibitError> {
        let json = manifest.to_json()?;
        let commitment = ManifestCommitment::of(&manifest.0.salt, &json);
        Ok((Self { manifest, json }, commitment))
    }

    /// The verbatim JSON.
    pub fn json(&self) -> &[u8] {
        &self.json
    }

    /// Seals the manifest into an object and gives its name.
    ///
    /// # Errors
    /// [`ExhibitError::Bug`] if the cipher refuses to encrypt.
    pub fn seal<C: ChunkCipher>(&self, key: &ExhibitKey, salt: &Salt) -> Result<(Blake3Digest, Vec<u8>), ExhibitError> {
        let len = self.json.len() as u64;
        let padded = usize::try_from(padme(PREFIX_LEN + len)).expect("a manifest has at most 64 MiB");
        let plaintext = Zeroizing::new(prefixed(len.to_be_bytes(), &self.json, padded));
        let object =
            cobblestone::seal::<C>(key.expose(), salt, &context(self.manifest.0.exhibit), &plaintext).map_err(in_part(Part::Manifest))?;
        Ok((Blake3Digest::of(&object), object))
    }
}

impl Deref for CommittedManifest {
    type Target = Manifest;

    fn deref(&self) -> &Manifest {
        &self.manifest
    }
}

fn context(exhibit: ExhibitId) -> [u8; 36] {
    let mut context = [0; 36];
    context[..20].copy_from_slice(MANIFEST_LABEL);
    context[20..].copy_from_slice(exhibit.as_bytes());
    context
}

/// Opens a sealed manifest to its JSON, which is neither parsed nor checked against its commitment: see [`CommittedManifest::open`].
///
/// # Errors
/// In this order: [`ExhibitError::Limit`], [`ExhibitError::Malformed`], [`ExhibitError::WrongName`],
/// [`ExhibitError::WrongKeyOrContext`], [`ExhibitError::Altered`], [`ExhibitError::Misbehaved`] for wrong length or padding.
pub fn open_sealed<C: ChunkCipher>(
    key: &ExhibitKey,
    exhibit: ExhibitId,
    name: &Blake3Digest,
    object: &[u8],
) -> Result<Vec<u8>, ExhibitError> {
    let most = padme(PREFIX_LEN + MAX_MANIFEST_LEN);
    if object.len() as u64 > cobblestone::encrypted_len(most)? {
        return Err(ExhibitError::Limit { part: Part::Manifest, most, unit: "bytes" });
    }
    cobblestone::plaintext_len(object.len() as u64).map_err(in_part(Part::Manifest))?;
    check_name(name, object)?;
    let mut plaintext = cobblestone::open::<C>(key.expose(), &context(exhibit), object).map_err(in_part(Part::Manifest))?;
    let end = content_end(&plaintext).ok_or(ExhibitError::Misbehaved {
        part: Part::Manifest,
        why: "the length names the JSON, then come zeros up to the PADMÉ length",
    })?;
    plaintext.truncate(end);
    plaintext.drain(..8);
    Ok(plaintext)
}

fn content_end(plaintext: &[u8]) -> Option<usize> {
    let (prefix, _) = plaintext.split_first_chunk::<8>()?;
    let content = u64::from_be_bytes(*prefix);
    let end = content.checked_add(PREFIX_LEN).filter(|_| content <= MAX_MANIFEST_LEN)?;
    let padding = plaintext.get(usize::try_from(end).ok()?..)?;
    (padme(end) == plaintext.len() as u64 && is_zeros(padding)).then(|| plaintext.len() - padding.len())
}
