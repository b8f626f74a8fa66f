//! Dossiers without a server: the bag, the ZIP file's form, and what attaching changes.

use std::fs;
use std::path::Path;

use custodia_core::custody::body::Consent;
use custodia_core::custody::record::Part;
use custodia_core::dossier::chain::ChainInput;
use custodia_core::exhibit::file_digest::FileDigests;
use custodia_core::exhibit::intake::Intake;
use custodia_core::exhibit::manifest::{CommittedManifest, FileEntry, Manifest, ManifestSalt};
use custodia_core::exhibit::text::MediaType;
use custodia_core::finding::Status;
use custodia_core::log::{CosignatureTime, Cosigner, VerifiedCheckpoint};
use ed25519_dalek::SigningKey;

use super::custody::{lines, proof_lines, proofs_text, show_only};
use super::*;
use crate::clear_folder::place_beside;
use crate::test_log::{CASE, EXHIBIT, ORIGIN, World, ring_key};

mod papers;

const INTAKE: &str = include_str!("../../../../tests/vectors/exhibit/intake.json");
const FILES: [(&str, &[u8]); 3] = [("chat.txt", b"the chat"), ("photos/1.jpg", b"a photo"), ("photos/empty", b"")];

fn manifest() -> (CommittedManifest, Sha256Digest) {
    let entry = |(name, bytes): (&str, &[u8])| {
        FileEntry::new(name.as_bytes(), MediaType::parse("application/octet-stream").unwrap(), &FileDigests::of(bytes), None)
    };
    let mut intake: Intake = serde_json::from_str(INTAKE).unwrap();
    intake.derived_from = None;
    let manifest = Manifest::new(EXHIBIT, CASE, ManifestSalt::from_bytes([4; 32]), intake, FILES.map(entry).to_vec()).unwrap();
    let (manifest, commitment) = CommittedManifest::new(manifest).unwrap();
    (manifest, *commitment.digest())
}

/// The payload as the maker lays it out, the files in `folder`.
fn payload(world: &World, folder: &Path) -> Bag {
    let (manifest, _) = manifest();
    let mut bag = Bag::default();
    bag.payload.insert(paths::manifest(EXHIBIT), Content::Bytes(manifest.json().to_vec()));
    for (name, bytes) in FILES {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        let digests = FileDigests::of(bytes);
        bag.payload.insert(paths::file(EXHIBIT, name), Content::File { path, size: digests.size, sha256: digests.sha256 });
    }
    let names = serde_json::to_vec(&FILES.map(|(name, _)| name)).unwrap();
    bag.payload.insert(paths::file_names(EXHIBIT), Content::Bytes(names));
    let keys: std::collections::BTreeMap<u64, String> = world
        .exhibit_records()
        .iter()
        .map(|view| {
            let core = view.open().unwrap().core.unwrap();
            let intent = custodia_core::custody::intent::UnverifiedIntent::parse(&core.intent).unwrap();
            let intent = intent.verify(&world.prosecutor.key.verifying_key()).unwrap();
            (view.index, hex::encode(reason_key(&intent, &ring_key()).unwrap().secret().expose()))
        })
        .collect();
    bag.payload.insert(paths::reasons(EXHIBIT), Content::Bytes(serde_json::to_vec(&keys).unwrap()));
    let index = Index {
        version: VERSION,
        case: CASE,
        origin: ORIGIN.to_owned(),
        made: ClaimedTime::parse("2026-11-23T21:05:00+01:00").unwrap(),
        by: "nl-om/joost".parse().unwrap(),
        recipients: vec!["Court of Antwerp".to_owned()],
        exhibits: vec![EXHIBIT],
        files: Files::Included,
        withheld: vec![Withheld { exhibit: None, ground: "another investigation".to_owned() }],
    };
    bag.payload.insert(paths::INDEX.to_owned(), Content::Bytes(serde_json::to_vec(&index).unwrap()));
    bag
}

/// The custody files at the log's present head.
fn custody(world: &World, chain: usize) -> custody::TagFiles {
    let shown = |views: Vec<_>, parts: &[Part]| views.iter().map(|view| show_only(view, parts).unwrap()).collect::<Vec<_>>();
    let chain = shown(world.exhibit_records()[..chain].to_vec(), &[Part::Core, Part::Exhibit]);
    let registry = shown(world.registry_records(), &[Part::Core, Part::Case]);
    let proofs: Vec<_> = chain.iter().map(|view| world.proof(view.index)).collect();
    custody::TagFiles::from([
        (paths::LOG.to_owned(), format!("{}\n", world.signer.log_key()).into_bytes()),
        (paths::CHECKPOINT.to_owned(), world.checkpoint().note().as_str().as_bytes().to_vec()),
        (paths::REGISTRY.to_owned(), lines(&registry)),
        (paths::REGISTRY_PROOF.to_owned(), proof_lines(&world.proof(registry.last().unwrap().index))),
        (paths::chain(EXHIBIT), lines(&chain)),
        (paths::chain_proofs(EXHIBIT), proofs_text(&proofs)),
    ])
}

/// A case with one exhibit, opened, and a dossier of it at `target`.
fn made(target: &Path) -> World {
    let mut world = World::new();
    world.act(world.founding(), false);
    world.act(world.collection(manifest().1), false);
    world.act(world.reading(), true);
    world.act(world.disclosure(Disclosure::Export {}), false);
    let workspace = ClearFolder::make(place_beside(target).unwrap()).unwrap();
    let mut bag = payload(&world, workspace.path());
    let payload = Sha256Digest::of(&[bag.manifest().as_bytes()]);
    world.act(world.disclosure(Disclosure::Dossier { payload }), false);
    bag.tags = custody(&world, 3);
    bag.describe(&"nl-om".parse().unwrap(), &ClaimedTime::parse("2026-11-23T21:05:00+01:00").unwrap(), CASE);
    write(&bag, workspace.path(), target).unwrap();
    world
}

/// What a judge pins who knows no auditor, or one.
fn trust(world: &World, policy: &str) -> Trust {
    let key = world.signer.log_key();
    let text = format!("origin = {ORIGIN:?}\nlog = \"{key}\"\ntrust_pin = \"{}\"\npolicy = \"\"\"\n{policy}\"\"\"\n", world.pin);
    Trust::parse(&text).unwrap()
}

/// Writes the dossier without papers.
fn write(bag: &Bag, folder: &Path, target: &Path) -> Result<(), DossierError> {
    let mut draft = Draft::of_payload(bag, folder)?;
    draft.put_tags(&bag.tags)?;
    draft.publish(target)
}

/// Puts other tag files into the dossier, without papers.
fn replace(target: &Path, tags: &custody::TagFiles) -> Result<(), DossierError> {
    let (mut draft, mut all) = Draft::of_dossier(target, folder_of(target))?;
    all.extend(tags.clone());
    draft.put_tags(&all)?;
    draft.replace(target)
}

/// Reads a list of a bag.
fn parse_list(text: &str) -> Option<std::collections::BTreeMap<String, Sha256Digest>> {
    text.lines().map(|line| line.split_once("  ").and_then(|(digest, name)| Some((name.to_owned(), digest.parse().ok()?)))).collect()
}

fn u16_at(bytes: &[u8], at: usize) -> usize {
    u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap()).into()
}

fn u32_at(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

/// Reads a small ZIP file by its local headers alone: name and bytes of each entry, in order.
fn entries(zip: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut at = 0;
    let mut entries = Vec::new();
    while &zip[at..at + 4] == b"PK\x03\x04" {
        assert_eq!(u16_at(zip, at + 6) & 0x9, 0, "neither encrypted nor with a data descriptor");
        assert_eq!(u16_at(zip, at + 8), 0, "stored");
        let (packed, size) = (u32_at(zip, at + 18), u32_at(zip, at + 22));
        assert_eq!(packed, size);
        let start = at + 30 + u16_at(zip, at + 26) + u16_at(zip, at + 28);
        let name = String::from_utf8(zip[at + 30..at + 30 + u16_at(zip, at + 26)].to_vec()).unwrap();
        assert!(name.starts_with("dossier/") && !name.ends_with('/'), "{name}");
        entries.push((name["dossier/".len()..].to_owned(), zip[start..start + size].to_vec()));
        at = start + size;
    }
    assert_eq!(&zip[at..at + 4], b"PK\x01\x02", "the directory follows the last entry");
    assert_eq!(&zip[zip.len() - 22..zip.len() - 18], b"PK\x05\x06", "nothing follows the directory");
    assert_eq!(u32_at(zip, zip.len() - 6), at);
    entries
}

fn read(target: &Path) -> std::collections::BTreeMap<String, Vec<u8>> {
    let all = entries(&fs::read(target).unwrap());
    let count = all.len();
    let map: std::collections::BTreeMap<_, _> = all.into_iter().collect();
    assert_eq!(map.len(), count, "no name occurs twice");
    map
}

fn check_lists(files: &std::collections::BTreeMap<String, Vec<u8>>) {
    let list = |name: &str| parse_list(core::str::from_utf8(&files[name]).unwrap()).unwrap();
    let listed: std::collections::BTreeMap<_, _> = [list(paths::MANIFEST), list(paths::TAG_MANIFEST)].into_iter().flatten().collect();
    for (name, bytes) in files.iter().filter(|(name, _)| *name != paths::TAG_MANIFEST) {
        assert_eq!(listed[name], Sha256Digest::of(&[bytes]), "{name}");
    }
    assert_eq!(listed.len() + 1, files.len());
}

fn cosigned(checkpoint: &VerifiedCheckpoint, seed: u8) -> VerifiedCheckpoint {
    let cosigner = Cosigner::new(format!("auditor.example/{seed}").parse().unwrap(), SigningKey::from_bytes(&[seed; 32])).unwrap();
    let time = CosignatureTime::from_seconds(1_795_467_900).unwrap();
    checkpoint.with_signature(cosigner.cosign(checkpoint, time).line()).unwrap()
}

#[test]
fn a_dossier_is_one_bag_of_stored_entries_that_follow_each_other() {
    let temp = tempfile::tempdir().unwrap();
    let target = temp.path().join("d.zip");
    made(&target);
    let files = read(&target);
    check_lists(&files);
    for (name, bytes) in FILES {
        assert_eq!(files[&paths::file(EXHIBIT, name)], bytes);
    }
    assert_eq!(files[paths::BAGIT], b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n");
    let octets: usize = files.iter().filter(|(name, _)| name.starts_with("data/")).map(|(_, bytes)| bytes.len()).sum();
    let info = String::from_utf8(files[paths::BAG_INFO].clone()).unwrap();
    assert!(info.contains(&format!("Payload-Oxum: {octets}.7\n")) && info.contains("Bagging-Date: 2026-11-23\n"), "{info}");
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn nothing_is_overwritten_and_a_file_that_changed_makes_no_dossier() {
    let temp = tempfile::tempdir().unwrap();
    let target = temp.path().join("d.zip");
    let world = World::new();
    let folder = temp.path().join("files");
    let bag = payload(&world, &folder);
    fs::write(&target, b"mine").unwrap();
    assert!(matches!(write(&bag, folder_of(&target), &target), Err(DossierError::Exists(_))));
    assert_eq!(fs::read(&target).unwrap(), b"mine");
    fs::remove_file(&target).unwrap();
    for other in [&b"the chaT"[..], b"the chat and more", b"the"] {
        fs::write(folder.join("chat.txt"), other).unwrap();
        assert!(matches!(write(&bag, folder_of(&target), &target), Err(DossierError::Changed(name)) if name.ends_with("chat.txt")));
    }
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1, "only the files are there");
}

#[test]
fn a_name_longer_than_verifiers_take_is_replaced_by_its_number() {
    let long = "x/".repeat(500);
    assert_eq!(bag::entry_name(EXHIBIT, 12, "a/b"), "a/b");
    assert_eq!(bag::entry_name(EXHIBIT, 12, &long), "=~00000012");
    assert!(paths::file(EXHIBIT, &"x".repeat(900)).len() < 1024);
}

#[test]
fn closing_a_part_keeps_the_records_commitment() {
    let world = World::new();
    for view in &world.views {
        let before = view.open().unwrap();
        for parts in [&[Part::Core, Part::Exhibit][..], &[Part::Core], &[]] {
            let shown = show_only(view, parts).unwrap();
            let after = shown.open().unwrap();
            assert_eq!(after.commitment, before.commitment);
            assert_eq!((after.case.is_some(), after.core.is_some()), (false, parts.contains(&Part::Core)));
            assert_eq!(show_only(&shown, &[Part::Core, Part::Case, Part::Exhibit]).unwrap(), shown, "what is closed stays closed");
        }
    }
}

#[test]
fn a_cosignature_of_the_same_tree_is_added_beside_those_that_are_there() {
    let temp = tempfile::tempdir().unwrap();
    let target = temp.path().join("d.zip");
    let world = made(&target);
    let before = read(&target);
    for seed in [1, 2, 2] {
        let present = attach::read(&target).unwrap();
        let shown = cosigned(&world.checkpoint(), seed);
        let merged = attach::merged(&present, &shown, &world.signer.log_key()).unwrap().expect("one tree");
        let note = merged.note().as_str().as_bytes().to_vec();
        replace(&target, &custody::TagFiles::from([(paths::CHECKPOINT.to_owned(), note)])).unwrap();
    }
    let after = read(&target);
    check_lists(&after);
    let note = SignedNoteLines::of(&after[paths::CHECKPOINT]);
    assert_eq!(note.0, [ORIGIN, "auditor.example/1", "auditor.example/2"]);
    let changed: Vec<&String> = after.iter().filter(|(name, bytes)| before[*name] != **bytes).map(|(name, _)| name).collect();
    assert_eq!(changed, [paths::CHECKPOINT, paths::TAG_MANIFEST]);
}

/// Names on the signature lines of a note.
struct SignedNoteLines(Vec<String>);

impl SignedNoteLines {
    fn of(note: &[u8]) -> Self {
        let note = custodia_core::log::SignedNote::parse(note).unwrap();
        Self(note.signatures().iter().map(|line| line.name().to_string()).collect())
    }
}

#[test]
fn a_cosignature_of_a_larger_tree_brings_its_own_proofs_and_registry() {
    let temp = tempfile::tempdir().unwrap();
    let target = temp.path().join("d.zip");
    let mut world = made(&target);
    let before = read(&target);
    world.act(world.reading(), true);
    world.act(world.disclosure(Disclosure::Export {}), false);
    let present = attach::read(&target).unwrap();
    let shown = cosigned(&world.checkpoint(), 1);
    assert!(attach::merged(&present, &shown, &world.signer.log_key()).unwrap().is_none());
    let mut tags = custody(&world, 3);
    attach::same_registry(&present, &tags).unwrap();
    tags.insert(paths::CHECKPOINT.to_owned(), shown.note().as_str().as_bytes().to_vec());
    replace(&target, &tags).unwrap();
    let after = read(&target);
    check_lists(&after);
    for (name, bytes) in before.iter().filter(|(name, _)| name.starts_with("data/") || name.ends_with("chain.ndjson")) {
        assert_eq!(after[name], *bytes, "{name}");
    }
    assert!(after[paths::REGISTRY].starts_with(&before[paths::REGISTRY]) && after[paths::REGISTRY] != before[paths::REGISTRY]);
    assert_ne!(after[&paths::chain_proofs(EXHIBIT)], before[&paths::chain_proofs(EXHIBIT)]);
}

#[test]
fn an_older_checkpoint_and_another_logs_registry_are_not_attached() {
    let temp = tempfile::tempdir().unwrap();
    let (target, foreign) = (temp.path().join("d.zip"), temp.path().join("other.zip"));
    let mut world = World::new();
    world.act(world.founding(), false);
    let older = world.checkpoint();
    let world = made(&target);
    let other = made(&foreign);
    let present = attach::read(&target).unwrap();
    let refused = attach::merged(&present, &older, &world.signer.log_key());
    assert!(matches!(refused, Err(DossierError::TooOld { size: 4, last: 7 })), "{refused:?}");
    assert!(attach::same_registry(&present, &custody(&other, 3)).is_err(), "offices with other keys");
}

#[test]
fn an_act_that_the_chains_own_rules_refuse_is_reported_to_the_judge() {
    let broken = |handling, consents: &[ConsentTo]| -> Vec<String> {
        let mut world = World::new();
        world.act(world.founding(), false);
        let mut collection = world.collection(manifest().1);
        let Body::Collection(body) = &mut collection.body else { panic!("a collection") };
        body.handling = handling;
        world.act(collection, false);
        for &to in consents {
            let mut consent = world.disclosure(Disclosure::Export {});
            (consent.purpose, consent.body) = (None, Body::ConsentGive(Consent { to }));
            world.act(consent, false);
        }
        let payload = Sha256Digest::of(&[b"payload"]);
        world.act(world.disclosure(Disclosure::Dossier { payload }), false);
        let (views, registry) = (world.exhibit_records(), world.registry_records());
        let proofs: Vec<_> = views.iter().map(|view| world.proof(view.index)).collect();
        let checkpoint = world.checkpoint();
        let last = world.proof(registry.last().unwrap().index);
        let (registry, _) = custodia_core::dossier::registry::replay(&registry, &last, &checkpoint, world.pin);
        let input = ChainInput { exhibit: EXHIBIT, case: CASE, origin: ORIGIN, views: &views, proofs: &proofs, payload };
        let findings = custodia_core::dossier::chain::check(&input, &checkpoint, &registry).findings;
        findings
            .iter()
            .filter(|finding| finding.status != Status::Passed)
            .map(|finding| format!("{} {}", finding.check, finding.text))
            .collect()
    };
    assert_eq!(broken(Handling::H0, &[]), [""; 0]);
    assert_eq!(broken(Handling::H1, &[ConsentTo::JudicialUse]), [""; 0]);
    for consents in [&[][..], &[ConsentTo::Onward]] {
        let broken = broken(Handling::H1, consents);
        assert!(matches!(broken.as_slice(), [one] if one.starts_with("CHN-05") && one.contains("ACC-06")), "{broken:?}");
    }
}

#[test]
fn what_is_no_dossier_stays_as_it_was() {
    let temp = tempfile::tempdir().unwrap();
    let target = temp.path().join("d.zip");
    made(&target);
    let good = fs::read(&target).unwrap();
    let chat = good.windows(8).position(|window| window == b"the chat").unwrap();
    let mut damaged = good.clone();
    damaged[chat] ^= 1;
    let tags = custody::TagFiles::from([(paths::CHECKPOINT.to_owned(), b"x".to_vec())]);
    for bad in [damaged, good[..good.len() / 2].to_vec(), b"no ZIP file at all".to_vec()] {
        fs::write(&target, &bad).unwrap();
        assert!(matches!(replace(&target, &tags), Err(DossierError::Malformed(_))));
        assert_eq!(fs::read(&target).unwrap(), bad);
    }
    assert!(matches!(attach::read(&target), Err(DossierError::Malformed(_))));
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1);
}
