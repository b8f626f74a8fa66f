//! The manifest as a type: what it gives back, what it commits to, what it refuses before decoding.

use super::super::file_digest::FileDigests;
use super::super::manifest::{
    CommittedManifest, FileEntry, MAX_FILES, MAX_MANIFEST_LEN, Manifest, ManifestCommitment, ManifestSalt, open_sealed,
};
use super::super::text::{CalendarDate, Line, MediaType, Prose};
use super::super::{ExhibitError, ManifestRule, Part};
use super::vectors::INTAKE;
use super::{Aes, CASE, EXHIBIT, OTHER_EXHIBIT, exhibit_key, outcome, salt};
use crate::ids::CaseId;
use crate::time::ClaimedTime;

pub(super) fn manifest(paths: &[&[u8]]) -> Result<Manifest, ExhibitError> {
    let modified = ClaimedTime::parse("2026-03-01T22:14:05+02:00").unwrap();
    let files = paths
        .iter()
        .map(|path| {
            let content: Vec<u8> = path.iter().copied().cycle().take(path.len() * 100).collect();
            FileEntry::new(path, MediaType::parse("image/jpeg").unwrap(), &FileDigests::of(&content), Some(modified.clone()))
        })
        .collect();
    Manifest::new(EXHIBIT, CASE, ManifestSalt::from_bytes([0x5a; 32]), serde_json::from_str(INTAKE).unwrap(), files)
}

#[test]
fn manifest_comes_back_through_seal_and_commitment() {
    let (committed, commitment) = CommittedManifest::new(manifest(&[b"photos/1.jpg", b"photos/\xff.jpg", b"a\nb"]).unwrap()).unwrap();
    let (name, object) = committed.seal::<Aes>(&exhibit_key(), &salt(9)).unwrap();
    let json = open_sealed::<Aes>(&exhibit_key(), EXHIBIT, &name, &object).unwrap();
    let opened = CommittedManifest::open(json, &commitment, EXHIBIT, CASE).unwrap();
    assert_eq!(opened, committed);
    assert_eq!(opened.files()[1].raw_path(), b"photos/\xff.jpg");
    assert_eq!(opened.files()[1].range(), 1200..2400);
    assert_eq!(opened.plan().stream_len(), opened.files()[2].range().end);
}

#[test]
fn manifest_of_another_commitment_exhibit_or_case_is_refused() {
    let (committed, commitment) = CommittedManifest::new(manifest(&[b"a"]).unwrap()).unwrap();
    let json = committed.json().to_vec();
    let other_salt = ManifestCommitment::of(&ManifestSalt::from_bytes([1; 32]), &json);
    let refused = CommittedManifest::open(json.clone(), &other_salt, EXHIBIT, CASE);
    assert_eq!(refused, Err(ExhibitError::NotCommitted { part: Part::Manifest }));
    let rule = Err(ExhibitError::Rejected { rule: ManifestRule::OtherExhibit, file: None });
    assert_eq!(CommittedManifest::open(json.clone(), &commitment, OTHER_EXHIBIT, CASE), rule);
    assert_eq!(CommittedManifest::open(json, &commitment, EXHIBIT, CaseId::REGISTRY), rule);
}

#[test]
fn too_large_or_too_many_is_refused_before_decoding() {
    let too_long = vec![b' '; usize::try_from(MAX_MANIFEST_LEN).unwrap() + 1];
    assert_eq!(outcome(&Manifest::parse(&too_long)), "limit of manifest");
    let json = String::from_utf8(manifest(&[b"a"]).unwrap().to_json().unwrap()).unwrap();
    let (head, files) = json.split_once("\"files\":[").unwrap();
    let one = files.strip_suffix("]}").unwrap();
    let many = format!("{head}\"files\":[{}]}}", vec![one; 1000].join(","));
    assert_eq!(outcome(&Manifest::parse(many.as_bytes())), "rejected by Offsets");
    assert_eq!(outcome(&manifest(&[])), "rejected by FileCount");
    let entry = FileEntry::new(b"a", MediaType::parse("a/b").unwrap(), &FileDigests::of(b""), None);
    let all =
        Manifest::new(EXHIBIT, CASE, ManifestSalt::from_bytes([0; 32]), serde_json::from_str(INTAKE).unwrap(), vec![entry; MAX_FILES + 1]);
    assert_eq!(outcome(&all), "rejected by FileCount");
}

#[test]
fn texts_of_an_intake_keep_their_limits() {
    for bad in ["", "  ", "a\nb", "a\u{7}", &"x".repeat(65)] {
        assert!(Line::<64>::new(bad).is_err(), "{bad:?}");
    }
    assert!(Prose::<64>::new("a\n\tb").is_ok() && Prose::<64>::new("a\r\n").is_err());
    assert!(Line::<64>::new("עדות \u{200f}1").is_ok());
    for bad in ["2026-02-29", "2026-2-03", "1899-12-31", "+2026-01-01", "2026-01-01T00:00:00Z", "12026-01-01"] {
        assert!(CalendarDate::parse(bad).is_err(), "{bad}");
    }
    assert_eq!(CalendarDate::parse("2028-02-29").unwrap().to_string(), "2028-02-29");
    for bad in ["text", "text/", "/plain", "Text/plain", "text/plain; charset=utf-8", "text/pla in", "text/a/b", ".a/b"] {
        assert!(MediaType::parse(bad).is_err(), "{bad}");
    }
    assert!(MediaType::parse("application/vnd.openxmlformats-officedocument.wordprocessingml.document").is_ok());
}
