//! One function for each parser of bytes that others send. It answers whether the bytes were accepted, and panics where a promise breaks:
//!
//! - no input panics (a debug build also notices overflow);
//! - what has one encoding by its specification is accepted in that encoding alone: written again it is the same bytes;
//! - everything else that is accepted and can be written reads back as the same value;
//! - what is longer than its limit is refused.
//!
//! `fuzz/run` drives these with a fuzzer's feedback, `tests/suite/parsers.rs` with fixed mutations of good inputs.

use std::io::Cursor;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use custodia_api::messages as http;
use custodia_api::signature::{Covered, Parameters};
use custodia_core::custody::grant::{MAX_KEYS, Payload};
use custodia_core::custody::intent::UnverifiedIntent;
use custodia_core::custody::receipt::{Receipt, RecordView};
use custodia_core::custody::record::{Commitment, Core, Place};
use custodia_core::digest::{Blake3Digest, Sha256Digest};
use custodia_core::exhibit::cobblestone;
use custodia_core::exhibit::intake::Intake;
use custodia_core::exhibit::keys::{ExhibitKey, ReasonKey};
use custodia_core::exhibit::manifest::Manifest;
use custodia_core::exhibit::sealed_text::{SealedText, SealedTextPlace};
use custodia_core::exhibit::segment::{Segment, SegmentPlan};
use custodia_core::exhibit::{AwsLcCipher, path};
use custodia_core::group::context::CommitContext;
use custodia_core::group::facts::{Epoch, GroupId};
use custodia_core::identity::{DeviceRequest, RootCertificate, UnverifiedCertificate, UnverifiedTrustList};
use custodia_core::ids::{CaseId, ExhibitId, IntentId};
use custodia_core::jws::{self, GeneralJws, MAX_JWS_BYTES, Typ, UnverifiedJws};
use custodia_core::log::checkpoint::SignedCheckpoint;
use custodia_core::log::note::{NoteSignature, SignedNote, VerifierKey};
use custodia_core::log::policy::Policy;
use custodia_core::log::proof_file::ProofFile;
use custodia_core::log::stamp::{MAX_STAMP_BYTES, StampRoots, StampedBytes, UnverifiedStamp};
use custodia_core::log::tile::{self, Tile};
use custodia_core::log::witness::{AddCheckpoint, judge};
use custodia_core::secret::Secret32;
use custodia_core::time::{ClaimedTime, LogTime};
use custodia_mls::{FollowedGroup, MlsError, MlsState, RingRow, StagedJoin, VerifiedKeyPackage};
use custodia_verify::Trust;
use custodia_verify::archive::Archive;

/// A parser under test.
pub struct Target {
    /// Its name, which is also that of the file in `fuzz_targets`.
    pub name: &'static str,
    /// Feeds it; true if it accepted the bytes.
    pub feed: fn(&[u8]) -> bool,
}

macro_rules! targets {
    ($($name:ident)*) => {
        /// Every target.
        pub const ALL: &[Target] = &[$(Target { name: stringify!($name), feed: $name }),*];
    };
}

targets! {
    note signature_lines checkpoint verifier_key tile_path tile_bytes proof_file add_checkpoint policy stamp
    statement intent intent_payload device_request trust_list trust_list_payload certificate record receipt
    manifest intake_form sealed_text segment file_name
    commit_context commit key_package group_info ring_row welcome grant
    archive dossier trust_file signature_input http_body claimed_time
}

fn text(bytes: &[u8]) -> Option<&str> {
    core::str::from_utf8(bytes).ok()
}

/// Reads JSON of a type, and the same value from what it is written as.
fn json<T: serde::de::DeserializeOwned + serde::Serialize + PartialEq + core::fmt::Debug>(bytes: &[u8]) -> Option<T> {
    let value: T = serde_json::from_slice(bytes).ok()?;
    let written = serde_json::to_vec(&value).expect("what was read can be written");
    assert_eq!(serde_json::from_slice::<T>(&written).expect("what was written can be read"), value);
    Some(value)
}

/// A signed note (C2SP signed-note).
pub fn note(bytes: &[u8]) -> bool {
    let Ok(note) = SignedNote::parse(bytes) else { return false };
    let lines: String = note.signatures().iter().map(ToString::to_string).collect();
    assert_eq!(format!("{}\n{lines}", note.text()).as_bytes(), bytes, "a note has one encoding");
    true
}

/// The signature lines that a witness answers.
pub fn signature_lines(bytes: &[u8]) -> bool {
    let Ok(lines) = NoteSignature::parse_lines(bytes) else { return false };
    let written: String = lines.iter().map(ToString::to_string).collect();
    assert_eq!(written.as_bytes(), bytes, "signature lines have one encoding");
    true
}

/// A checkpoint (C2SP tlog-checkpoint).
pub fn checkpoint(bytes: &[u8]) -> bool {
    let Ok(checkpoint) = SignedCheckpoint::parse(bytes) else { return false };
    assert_eq!(checkpoint.claim().to_body(), checkpoint.note().text(), "a checkpoint has one encoding");
    assert_eq!(checkpoint.note().as_str().as_bytes(), bytes);
    true
}

/// A verifier key of a trust file or policy.
pub fn verifier_key(bytes: &[u8]) -> bool {
    let Some(key) = text(bytes).and_then(|text| text.parse::<VerifierKey>().ok()) else { return false };
    assert_eq!(key.to_string().as_bytes(), bytes, "a verifier key has one encoding");
    true
}

/// The path of a tile.
pub fn tile_path(bytes: &[u8]) -> bool {
    let Some(tile) = text(bytes).and_then(|text| Tile::parse_path(text).ok()) else { return false };
    assert_eq!(tile.to_string().as_bytes(), bytes, "a tile has one path");
    assert_eq!(tile.nodes().len(), usize::from(tile.width()));
    true
}

/// Contents of a tile: the first two bytes choose kind and width.
pub fn tile_bytes(bytes: &[u8]) -> bool {
    let Some(([kind, width], rest)) = bytes.split_first_chunk::<2>() else { return false };
    let content = if kind % 2 == 0 { tile::TileContent::Entries } else { tile::TileContent::Hashes { level: 0 } };
    let tile = Tile::new(content, 0, u16::from(*width) + 1).expect("a width of 1 to 256");
    if kind % 2 == 0 {
        let Ok(entries) = tile.read_entries(rest) else { return false };
        assert_eq!(entries.len(), usize::from(tile.width()));
        assert_eq!(tile::write_entries(entries.iter().copied()).expect("each came from a bundle"), rest, "a bundle has one encoding");
        for entry in entries {
            if let Ok(commitment) = Commitment::from_entry(entry) {
                assert_eq!(commitment.entry().as_slice(), entry);
            }
        }
    } else {
        let Ok(hashes) = tile.read_hashes(rest) else { return false };
        assert_eq!(tile::write_hashes(hashes.hashes()), rest, "a tile has one encoding");
    }
    true
}

/// A proof that goes with an entry.
pub fn proof_file(bytes: &[u8]) -> bool {
    let Ok(proof) = ProofFile::parse(bytes) else { return false };
    assert_eq!(proof.to_text().as_bytes(), bytes, "a proof file has one encoding");
    true
}

/// A request to a witness.
pub fn add_checkpoint(bytes: &[u8]) -> bool {
    let Ok(request) = AddCheckpoint::parse(bytes) else { return false };
    assert_eq!(request.to_text().as_bytes(), bytes, "a request to a witness has one encoding");
    let _ = judge(&request, &[], None);
    true
}

/// A policy of witnesses and auditors.
pub fn policy(bytes: &[u8]) -> bool {
    let Ok(policy) = Policy::parse(bytes) else { return false };
    let _ = policy.quorum_met(&[]);
    true
}

/// An authority's answer, under the roots and for the checkpoint of `tests/vectors/stamps`.
pub fn stamp(bytes: &[u8]) -> bool {
    static WORLD: LazyLock<(StampedBytes, StampRoots)> = LazyLock::new(|| {
        let file: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/vectors/stamps/cases.json")).expect("the vectors are JSON");
        let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
        let key = text(&file["log"]).parse().expect("the log's key");
        let checkpoint = SignedCheckpoint::parse(text(&file["checkpoint"]).as_bytes()).and_then(|signed| signed.verify(&key));
        let roots = [text(&file["roots"]["root"]), text(&file["roots"]["root-rsa"])].concat();
        (StampedBytes::of(&checkpoint.expect("a checkpoint")), StampRoots::parse(&roots).expect("roots"))
    });
    let Ok(stamp) = UnverifiedStamp::parse(bytes) else { return false };
    assert!(bytes.len() <= MAX_STAMP_BYTES);
    if let Ok(genuine) = stamp.verify(&WORLD.0, &WORLD.1) {
        assert!(genuine.earliest() <= genuine.latest() && !genuine.authority().is_empty());
    }
    true
}

/// A signed statement, for each of its uses.
pub fn statement(bytes: &[u8]) -> bool {
    let Some(text) = text(bytes) else { return false };
    let uses = [Typ::Intent, Typ::Grant, Typ::TrustList, Typ::DeviceRequest];
    let accepted = uses.into_iter().filter(|typ| UnverifiedJws::parse(text, *typ).is_ok()).count();
    assert!(accepted <= 1, "a statement for one use does not serve another");
    assert!(accepted == 0 || text.len() <= MAX_JWS_BYTES);
    accepted == 1
}

/// An intent with the body of its kind.
pub fn intent(bytes: &[u8]) -> bool {
    let Some(intent) = text(bytes).and_then(|text| UnverifiedIntent::parse(text).ok()) else { return false };
    let payload = intent.unverified().payload().expect("what was read keeps the shape of its kind");
    let key = ed25519_dalek::SigningKey::from_bytes(&[9; 32]);
    let again = jws::sign(Typ::Intent, intent.signer(), &payload, &key);
    let again = UnverifiedIntent::parse(again.text()).expect("what was written can be read");
    assert_eq!(again.unverified(), intent.unverified());
    assert_eq!(again.unverified().payload().expect("it was written before"), payload);
    true
}

/// The payload of an intent, whoever signs it.
pub fn intent_payload(bytes: &[u8]) -> bool {
    let key = ed25519_dalek::SigningKey::from_bytes(&[9; 32]);
    intent(jws::sign(Typ::Intent, Sha256Digest::of(&[b"certificate"]), bytes, &key).text().as_bytes())
}

/// The payload of a trust list that nobody has signed yet.
pub fn trust_list_payload(bytes: &[u8]) -> bool {
    trust_list(GeneralJws::unsigned(Typ::TrustList, bytes).to_json().as_bytes())
}

/// A device's request for a certificate.
pub fn device_request(bytes: &[u8]) -> bool {
    let Some(request) = text(bytes).and_then(|text| DeviceRequest::parse(text).ok()) else { return false };
    assert_eq!(request.text().as_bytes(), bytes);
    true
}

/// A trust list with its signatures.
pub fn trust_list(bytes: &[u8]) -> bool {
    let Ok(list) = UnverifiedTrustList::parse(bytes) else { return false };
    let again = UnverifiedTrustList::parse(list.to_json().as_bytes()).expect("what was written can be read");
    assert_eq!((again.digest(), again.to_json()), (list.digest(), list.to_json()));
    true
}

/// A certificate of a device or a root.
pub fn certificate(bytes: &[u8]) -> bool {
    let device = UnverifiedCertificate::parse(bytes).inspect(|certificate| assert_eq!(certificate.der(), bytes)).is_ok();
    let root = RootCertificate::parse(bytes).inspect(|root| assert_eq!(root.der(), bytes)).is_ok();
    assert!(!(device && root), "a root is no device");
    device || root
}

/// Parts of a record.
pub fn record(bytes: &[u8]) -> bool {
    if let Ok(core) = Core::from_bytes(bytes) {
        assert_eq!(core.to_bytes(), bytes, "a core part has one encoding");
        return true;
    }
    let Ok(place) = Place::<CaseId>::from_bytes(bytes) else { return false };
    assert_eq!(place.to_bytes(), bytes, "a place has one encoding");
    true
}

/// A record as it is shown, alone or with its proof.
pub fn receipt(bytes: &[u8]) -> bool {
    let view = json::<Receipt>(bytes).map(|receipt| receipt.record).or_else(|| json::<RecordView>(bytes));
    view.is_some_and(|view| view.open().is_ok())
}

/// A manifest.
pub fn manifest(bytes: &[u8]) -> bool {
    let Ok(manifest) = Manifest::parse(bytes) else { return false };
    let written = manifest.to_json().expect("what was read can be written");
    assert_eq!(Manifest::parse(&written).expect("what was written can be read"), manifest);
    for file in manifest.files() {
        let _ = path::display(file.raw_path());
        let _ = path::export_name(file.raw_path());
    }
    let _ = manifest.plan().segment_count();
    true
}

/// An intake form, as TOML by a person or as JSON in a manifest.
pub fn intake_form(bytes: &[u8]) -> bool {
    if json::<Intake>(bytes).is_some() {
        return true;
    }
    let Some(intake) = text(bytes).and_then(|text| toml::from_str::<Intake>(text).ok()) else { return false };
    let written = serde_json::to_vec(&intake).expect("what was read can be written");
    assert_eq!(json::<Intake>(&written).expect("what was written can be read"), intake);
    true
}

/// A sealed reason, under the keys and places of `tests/vectors/exhibit/reason.json`.
pub fn sealed_text(bytes: &[u8]) -> bool {
    let place = SealedTextPlace { origin: "custodia.example/log1", intent: IntentId::from_bytes([0x17; 16]) };
    SealedText::open::<AwsLcCipher>(&place, &ReasonKey::from_secret(Secret32::from_bytes([5; 32])), bytes).is_ok()
}

/// A sealed message of any context, and a segment of the length that it has.
pub fn segment(bytes: &[u8]) -> bool {
    let key = ExhibitKey::from_secret(Secret32::from_bytes([7; 32]));
    let length = cobblestone::plaintext_len(bytes.len() as u64).is_ok();
    let plan = SegmentPlan::new(bytes.len() as u64).expect("an input is no longer than a stream");
    if let Some(index) = plan.segments().next() {
        let segment = Segment::new(ExhibitId::from_bytes([0xe1; 16]), &plan, index).expect("the plan has it");
        let mut out = Vec::new();
        assert!(segment.open::<AwsLcCipher>(&key, &Blake3Digest::of(bytes), bytes, &mut out).is_err(), "nobody sealed this");
    }
    length
}

/// A path of a file in an exhibit.
pub fn file_name(bytes: &[u8]) -> bool {
    let shown = path::display(bytes);
    assert!(!shown.chars().any(char::is_control), "{shown:?}");
    let named = path::export_name(bytes);
    let checked = path::check(bytes).is_ok();
    if let Ok(name) = named {
        let name = name.as_str();
        assert!(checked && !name.starts_with('/') && name.split('/').all(|part| !["", ".", ".."].contains(&part)), "{name:?}");
    }
    checked
}

/// What a commit says of log, registry and ring.
pub fn commit_context(bytes: &[u8]) -> bool {
    let Ok(context) = CommitContext::decode(bytes) else { return false };
    assert_eq!(context.encode().as_slice(), bytes, "a commit context has one encoding");
    true
}

/// A commit, read without its group.
pub fn commit(bytes: &[u8]) -> bool {
    let envelope = custodia_mls::commit_envelope(bytes).is_ok();
    let context = custodia_mls::commit_context(bytes).is_ok();
    assert!(envelope || !context);
    envelope
}

/// A key package. Its lifetime is compared with the machine's clock.
pub fn key_package(bytes: &[u8]) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() * 1000);
    VerifiedKeyPackage::parse(bytes, LogTime::from_millis(now).expect("a year of four digits")).is_ok()
}

/// The case of [`group_info`].
pub const CASE: CaseId = CaseId::from_bytes([0xca; 16]);

/// A founding `GroupInfo`.
pub fn group_info(bytes: &[u8]) -> bool {
    let Ok(group) = FollowedGroup::found(GroupId::first(CASE), bytes) else { return false };
    let blob = group.to_blob();
    assert_eq!(FollowedGroup::load(&blob).expect("what is followed can be stored").to_blob(), blob);
    true
}

/// A row with a wrapped ring key.
pub fn ring_row(bytes: &[u8]) -> bool {
    let Ok(row) = RingRow::from_bytes(bytes) else { return false };
    assert_eq!(row.as_bytes().as_slice(), bytes, "a ring row has one encoding");
    true
}

/// A Welcome before a device that has none of its key packages. That one is there counts as accepted: what lies deeper is sealed to it.
pub fn welcome(bytes: &[u8]) -> bool {
    let opened = StagedJoin::open(&MlsState::new(), bytes, (GroupId::first(CASE), Epoch(1)));
    assert!(opened.is_err(), "nobody can open this");
    matches!(opened, Err(MlsError::NoKeyPackage))
}

/// The payload of a grant, whoever signs it.
pub fn grant(bytes: &[u8]) -> bool {
    let Ok(payload) = Payload::parse(bytes) else { return false };
    assert_eq!(serde_json::to_vec(&payload).expect("what was read can be written"), bytes, "a grant has one encoding");
    assert!(payload.keys() <= MAX_KEYS);
    true
}

/// The most that is read of an entry here.
const ENTRY: u64 = 1 << 20;

/// A ZIP file.
pub fn archive(bytes: &[u8]) -> bool {
    let Ok(mut archive) = Archive::open(Cursor::new(bytes)) else { return false };
    let names: Vec<String> = archive.names().map(str::to_owned).collect();
    for name in &names {
        if let Ok(Some(content)) = archive.read(name, ENTRY) {
            assert_eq!(Some(content.len() as u64), archive.size(name), "{name}");
        }
    }
    true
}

/// Whom the judge of [`dossier`] trusts.
const TRUST: &str = include_str!("../seeds/trust.toml");

/// A whole dossier before a judge's verifier.
pub fn dossier(bytes: &[u8]) -> bool {
    let trust = Trust::parse(TRUST).expect("the judge's own file");
    let Ok(report) = custodia_verify::verify(Cursor::new(bytes), &trust) else { return false };
    let _ = (report.sentence(), report.to_text(true), report.to_json());
    report.verdict != custodia_core::finding::Verdict::Failed
}

/// A judge's trust file: their own, and yet typed by hand.
pub fn trust_file(bytes: &[u8]) -> bool {
    text(bytes).is_some_and(|text| Trust::parse(text).is_ok())
}

/// `Signature-Input` of a request.
pub fn signature_input(bytes: &[u8]) -> bool {
    let Some(text) = text(bytes) else { return false };
    let key = ed25519_dalek::SigningKey::from_bytes(&[9; 32]);
    let mut accepted = 0;
    for content_digest in [None, Some("sha-256=:AAAA:")] {
        let Ok(parameters) = Parameters::parse(text, content_digest.is_some()) else { continue };
        let covered = Covered { method: "GET", authority: "vault.example", path: "/", query: "", content_digest };
        let headers = parameters.sign(&covered, &key);
        assert_eq!(headers.input, text, "the parameters of a signature have one encoding");
        assert!(parameters.verify(&covered, &headers.signature, &key.verifying_key()).is_ok());
        let _ = parameters.verify(&covered, text, &key.verifying_key());
        accepted += 1;
    }
    assert!(accepted <= 1);
    accepted == 1
}

/// Bodies of requests and answers; the first byte chooses which.
pub fn http_body(bytes: &[u8]) -> bool {
    let Some((which, rest)) = bytes.split_first() else { return false };
    macro_rules! bodies {
        ($($number:literal => $type:ty)*) => {
            match which { $($number => json::<$type>(rest).is_some(),)* _ => false }
        };
    }
    bodies! {
        0 => http::RegistryAct  1 => http::ReadLog  2 => http::UploadKeyPackages  3 => http::ClaimKeyPackages
        4 => http::CreateCase  5 => http::ChangeMembers  6 => http::GrantUpload  7 => http::Collect  8 => http::Act
        9 => http::ServerInfo  10 => http::Acknowledged  11 => http::RecordsPage  12 => http::Consistency  13 => http::LogPage
        14 => http::KeyPackageCount  15 => http::ClaimedKeyPackages  16 => http::Cases  17 => http::Changed  18 => http::Changes
        19 => http::Welcomes  20 => http::Grants  21 => http::Objects  22 => http::Exhibits  23 => http::Released
        24 => custodia_api::error::ErrorBody  25 => http::GroupState
    }
}

/// How many kinds of bodies [`http_body`] knows.
pub const BODIES: u8 = 25;

/// A time as a person's machine claims it.
pub fn claimed_time(bytes: &[u8]) -> bool {
    let Some(time) = text(bytes).and_then(|text| ClaimedTime::parse(text).ok()) else { return false };
    assert_eq!(time.as_str().as_bytes(), bytes, "a claimed time is kept as it was written");
    true
}
