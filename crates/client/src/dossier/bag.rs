//! The bag (RFC 8493): payload and tag files by their names below the dossier's folder, and the lists that name them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use custodia_core::digest::Sha256Digest;
use custodia_core::dossier::paths;
use custodia_core::ids::{CaseId, ExhibitId, OfficeId};
use custodia_core::time::ClaimedTime;

/// The longest name of an entry that verifiers take, in bytes.
const MAX_NAME_BYTES: usize = 1024;

const DECLARATION: &[u8] = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";

/// What stands in an entry.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// These bytes.
    Bytes(Vec<u8>),
    /// A file in the working folder, which must still have this size and digest when it is written.
    File {
        /// Where.
        path: PathBuf,
        /// In bytes.
        size: u64,
        /// Of its bytes.
        sha256: Sha256Digest,
    },
}

impl Content {
    pub(super) const fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { size, .. } => *size,
        }
    }

    pub(super) fn sha256(&self) -> Sha256Digest {
        match self {
            Self::Bytes(bytes) => Sha256Digest::of(&[bytes]),
            Self::File { sha256, .. } => *sha256,
        }
    }
}

/// A dossier's content; `tags` are without the list of them, which follows from the rest.
#[derive(Debug, Default)]
pub(super) struct Bag {
    pub(super) payload: BTreeMap<String, Content>,
    pub(super) tags: BTreeMap<String, Vec<u8>>,
}

impl Bag {
    /// `manifest-sha256.txt`, which the disclosures name by its digest.
    pub(super) fn manifest(&self) -> String {
        list(self.payload.iter().map(|(name, content)| (name.as_str(), content.sha256())))
    }

    /// Adds the bag's declaration, description and list of payload files.
    pub(super) fn describe(&mut self, office: &OfficeId, made: &ClaimedTime, case: CaseId) {
        let octets: u64 = self.payload.values().map(Content::size).sum();
        let info = format!(
            "Source-Organization: {office}\nBagging-Date: {}\nPayload-Oxum: {octets}.{}\nExternal-Identifier: {case}\n",
            &made.as_str()[..10],
            self.payload.len()
        );
        self.tags.insert(paths::BAGIT.to_owned(), DECLARATION.to_vec());
        self.tags.insert(paths::BAG_INFO.to_owned(), info.into_bytes());
        self.tags.insert(paths::MANIFEST.to_owned(), self.manifest().into_bytes());
    }
}

/// `tagmanifest-sha256.txt`.
pub(super) fn tag_manifest(digests: &BTreeMap<String, Sha256Digest>) -> String {
    list(digests.iter().map(|(name, digest)| (name.as_str(), *digest)))
}

/// One line for each file: digest, two spaces, name. Names have no line break and no `%`, so none is escaped.
fn list<'a>(files: impl Iterator<Item = (&'a str, Sha256Digest)>) -> String {
    text_lines(files.map(|(name, digest)| format!("{digest}  {name}")))
}

/// Each line with its line feed.
pub(super) fn text_lines(lines: impl Iterator<Item = String>) -> String {
    lines.fold(String::new(), |text, line| text + &line + "\n")
}

/// The entry's name for a file that was exported under `exported`: the same, or `=~` and its number where the whole name would be longer
/// than verifiers take. Exported names never hold `=~` and eight digits alone, so no two are one.
pub(super) fn entry_name(exhibit: ExhibitId, number: usize, exported: &str) -> String {
    if paths::file(exhibit, exported).len() <= MAX_NAME_BYTES { exported.to_owned() } else { format!("=~{number:08}") }
}
