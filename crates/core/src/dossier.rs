//! The dossier: what goes to court, and the checks by which anybody verifies it offline.
//!
//! Format and check ids: `docs/spec/dossier.md`. Reading the archive and its bag is `custodia-verify`'s; here are the checks over what it read.

pub mod chain;
pub mod registry;
#[cfg(feature = "aws-lc-rs")]
pub mod stamps;

use std::collections::BTreeMap;

use crate::custody::body::{Collection, DerivedHow, derivation_commitment};
use crate::digest::Sha256Digest;
use crate::exhibit::manifest::Manifest;
use crate::ids::{CaseId, ExhibitId, PersonId};
use crate::time::ClaimedTime;

/// The version of `dossier.json` that this code makes and reads.
pub const VERSION: u32 = 1;

/// Whether a manifest names as its source exactly the exhibit that the collection commits to, or both name none.
pub fn names_its_source(collection: &Collection, manifest: &Manifest) -> bool {
    match (&collection.derivation, manifest.intake().derived_from) {
        (None, None) => true,
        (Some(derivation), Some(from)) => {
            let other = derivation_commitment(manifest.salt().as_bytes(), from.exhibit);
            derivation.how == DerivedHow::from(from.how) && derivation.other == other
        }
        _ => false,
    }
}

/// Whether a dossier holds the files themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Files {
    /// It does.
    Included,
    /// It holds their digests in the manifest alone.
    Digests,
}

/// An exhibit that is not given, and why (Dir. 2012/13/EU Art 7).
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withheld {
    /// The exhibit, unless its existence is withheld too.
    pub exhibit: Option<ExhibitId>,
    /// The ground.
    pub ground: String,
}

/// What is wrong with the exhibits that a dossier says it withholds, beside those that it gives; the dossier is the sentence's subject.
pub fn withheld_fault(given: &[ExhibitId], withheld: &[Withheld]) -> Option<&'static str> {
    let mut named: Vec<ExhibitId> = withheld.iter().filter_map(|one| one.exhibit).collect();
    let count = named.len();
    named.sort_unstable();
    named.dedup();
    if named.len() < count {
        return Some("withholds an exhibit twice");
    }
    if given.iter().any(|exhibit| named.binary_search(exhibit).is_ok()) {
        return Some("withholds an exhibit that it gives");
    }
    withheld.iter().any(|one| one.ground.trim().is_empty()).then_some("withholds something on no ground")
}

/// `dossier.json`: what the dossier says of itself; nothing in it is proof.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// [`VERSION`].
    pub version: u32,
    /// The case.
    pub case: CaseId,
    /// The log's origin.
    pub origin: String,
    /// When it was made, by its maker's clock.
    pub made: ClaimedTime,
    /// Who made it.
    pub by: PersonId,
    /// For whom.
    pub recipients: Vec<String>,
    /// The exhibits in it.
    pub exhibits: Vec<ExhibitId>,
    /// Whether the files are in it.
    pub files: Files,
    /// What is withheld ([`withheld_fault`] finds none).
    pub withheld: Vec<Withheld>,
}

/// `reasons.json`: reason keys by the index of their records, in decimal as it stands there. No index is given twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReasonKeys(pub BTreeMap<String, Sha256Digest>);

impl<'de> serde::Deserialize<'de> for ReasonKeys {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Once;

        impl<'de> serde::de::Visitor<'de> for Once {
            type Value = ReasonKeys;

            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str("reason keys by index, each once")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut members: A) -> Result<ReasonKeys, A::Error> {
                let mut keys = BTreeMap::new();
                while let Some((index, key)) = members.next_entry::<String, Sha256Digest>()? {
                    if keys.contains_key(&index) {
                        return Err(serde::de::Error::custom(format!("record {index:?} is given two reason keys")));
                    }
                    keys.insert(index, key);
                }
                Ok(ReasonKeys(keys))
            }
        }

        deserializer.deserialize_map(Once)
    }
}

/// Paths of a dossier's entries, below its folder.
pub mod paths {
    use crate::ids::ExhibitId;

    /// The bag's declaration.
    pub const BAGIT: &str = "bagit.txt";
    /// What the bag is.
    pub const BAG_INFO: &str = "bag-info.txt";
    /// SHA-256 of every payload file.
    pub const MANIFEST: &str = "manifest-sha256.txt";
    /// SHA-256 of every tag file but itself.
    pub const TAG_MANIFEST: &str = "tagmanifest-sha256.txt";
    /// The index.
    pub const INDEX: &str = "data/dossier.json";
    /// The log's key, as a hint.
    pub const LOG: &str = "custody/log.txt";
    /// The final checkpoint with its cosignatures.
    pub const CHECKPOINT: &str = "custody/checkpoint";
    /// The registry chain.
    pub const REGISTRY: &str = "custody/registry.ndjson";
    /// Inclusion proof of the registry's last record.
    pub const REGISTRY_PROOF: &str = "custody/registry.proof";

    /// An exhibit's manifest.
    pub fn manifest(exhibit: ExhibitId) -> String {
        format!("data/exhibits/{exhibit}/manifest.json")
    }

    /// Names of the exhibit's file entries in manifest order.
    pub fn file_names(exhibit: ExhibitId) -> String {
        format!("data/exhibits/{exhibit}/files.json")
    }

    /// One file's entry.
    pub fn file(exhibit: ExhibitId, name: &str) -> String {
        format!("data/exhibits/{exhibit}/files/{name}")
    }

    /// Reason keys that the maker opens.
    pub fn reasons(exhibit: ExhibitId) -> String {
        format!("data/exhibits/{exhibit}/reasons.json")
    }

    /// An exhibit's chain.
    pub fn chain(exhibit: ExhibitId) -> String {
        format!("custody/exhibits/{exhibit}/chain.ndjson")
    }

    /// Inclusion proofs of its records.
    pub fn chain_proofs(exhibit: ExhibitId) -> String {
        format!("custody/exhibits/{exhibit}/chain.proof")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::custody::body::{Derivation, Handling};
    use crate::digest::Blake3Digest;
    use crate::exhibit::file_digest::FileDigests;
    use crate::exhibit::intake::Intake;
    use crate::exhibit::manifest::{FileEntry, ManifestSalt};
    use crate::exhibit::text::MediaType;

    fn collection(derivation: Option<Derivation>) -> Collection {
        let digest = Sha256Digest::of(&[]);
        Collection {
            manifest_commitment: digest,
            manifest_object: Blake3Digest::of(b""),
            objects: 1,
            objects_digest: digest,
            sealed_bytes: 1,
            exhibit_key_commitment: digest,
            release_share_commitment: digest,
            ring_version: 1,
            handling: Handling::H1,
            review: "2031-01-01".to_owned(),
            derivation,
        }
    }

    #[test]
    fn a_source_counts_only_if_manifest_and_collection_name_the_same() {
        let salt = ManifestSalt::from_bytes([4; 32]);
        let mut intake: Intake = serde_json::from_str(include_str!("../../../tests/vectors/exhibit/intake.json")).unwrap();
        let source = intake.derived_from.unwrap().exhibit;
        let manifest = |intake: &Intake| {
            let file = FileEntry::new(b"a", MediaType::parse("text/plain").unwrap(), &FileDigests::of(b"a"), None);
            let (exhibit, case) = (ExhibitId::from_bytes([1; 16]), CaseId::from_bytes([2; 16]));
            Manifest::new(exhibit, case, salt, intake.clone(), vec![file]).unwrap()
        };
        let named = manifest(&intake);
        let extract = |salt: [u8; 32], exhibit| Derivation { how: DerivedHow::Extract, other: derivation_commitment(&salt, exhibit) };
        assert!(names_its_source(&collection(Some(extract([4; 32], source))), &named));
        let copy = Derivation { how: DerivedHow::Copy, ..extract([4; 32], source) };
        for other in [Some(copy), Some(extract([5; 32], source)), Some(extract([4; 32], ExhibitId::from_bytes([9; 16]))), None] {
            assert!(!names_its_source(&collection(other), &named));
        }
        intake.derived_from = None;
        assert!(names_its_source(&collection(None), &manifest(&intake)));
        assert!(!names_its_source(&collection(Some(extract([4; 32], source))), &manifest(&intake)));
    }
}
