//! One file of an exhibit as the manifest describes it.

use core::ops::Range;

use serde::{Deserialize, Deserializer, Serialize};

use crate::digest::{Blake3Digest, Sha256Digest};
use crate::exhibit::file_digest::FileDigests;
use crate::exhibit::text::MediaType;
use crate::exhibit::{ManifestRule, path};
use crate::time::ClaimedTime;

/// The raw bytes of a file's path, where they are not UTF-8; as text lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
struct RawPath(Vec<u8>);

impl Serialize for RawPath {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for RawPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        hex::decode(&text).map(Self).map_err(|_| serde::de::Error::custom("path bytes are hexadecimal digits"))
    }
}

/// One file of an exhibit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path_bytes: Option<RawPath>,
    media_type: MediaType,
    pub(super) size: u64,
    sha256: Sha256Digest,
    blake3: Blake3Digest,
    tree: Sha256Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    modified: Option<ClaimedTime>,
    pub(super) offset: u64,
}

impl FileEntry {
    /// Describes a file by its raw path and digests; [`Manifest::new`](super::Manifest::new) sets its offset and checks its path.
    pub fn new(path: &[u8], media_type: MediaType, digests: &FileDigests, modified: Option<ClaimedTime>) -> Self {
        let (text, raw) = match core::str::from_utf8(path) {
            Ok(text) => (text.to_owned(), None),
            Err(_) => (path::display(path), Some(RawPath(path.to_owned()))),
        };
        Self {
            path: text,
            path_bytes: raw,
            media_type,
            size: digests.size,
            sha256: digests.sha256,
            blake3: digests.blake3,
            tree: digests.tree,
            modified,
            offset: 0,
        }
    }

    /// The path exactly as it was collected; show it with [`path::display`], write it under [`path::export_name`].
    pub fn raw_path(&self) -> &[u8] {
        self.path_bytes.as_ref().map_or(self.path.as_bytes(), |raw| &raw.0)
    }

    /// The media type that the uploader named.
    pub fn media_type(&self) -> &MediaType {
        &self.media_type
    }

    /// Size and digests of the plaintext.
    pub fn digests(&self) -> FileDigests {
        FileDigests { size: self.size, sha256: self.sha256, blake3: self.blake3, tree: self.tree }
    }

    /// When the file was last modified, as its source said.
    pub fn modified(&self) -> Option<&ClaimedTime> {
        self.modified.as_ref()
    }

    /// Where the file lies in the content stream.
    pub fn range(&self) -> Range<u64> {
        self.offset..self.offset.saturating_add(self.size)
    }

    pub(super) fn check(&self) -> Result<(), ManifestRule> {
        path::check(self.raw_path())?;
        if let Some(RawPath(raw)) = &self.path_bytes
            && (core::str::from_utf8(raw).is_ok() || self.path != path::display(raw))
        {
            return Err(ManifestRule::PathBytes);
        }
        if self.size == 0 && self.digests() != FileDigests::of(&[]) {
            return Err(ManifestRule::TreeOfSize);
        }
        Ok(())
    }
}
