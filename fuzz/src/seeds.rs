//! Good inputs, by taking the vectors apart: texts in JSON, what they hold in hexadecimal or Base64, what that holds again; entries of a dossier;
//! messages of a small case group. Every target keeps those that it accepts.

use std::collections::BTreeSet;
use std::io::Cursor;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use custodia_core::custody::record::Core;
use custodia_core::digest::Sha256Digest;
use custodia_core::group::context::{CommitContext, RingVersion};
use custodia_core::group::facts::GroupId;
use custodia_core::ids::DeviceId;
use custodia_core::secret::Secret32;
use custodia_core::time::LogTime;
use custodia_mls::{BuiltKeyPackage, CaseGroup, Changes, Device, DeviceSigner, KeyPackageUse, MlsState, VerifiedKeyPackage};
use custodia_verify::archive::Archive;
use ed25519_dalek::SigningKey;

use super::targets::{self, BODIES};

/// Longer pieces are left to the fuzzer.
const MOST: usize = 256 * 1024;

/// How deep pieces within pieces are looked for.
const DEPTH: usize = 8;

/// Every piece of `tests/vectors`, `fuzz/seeds` and `fuzz/regressions` (inputs that once broke a promise), by the folders' places.
pub fn all(vectors: &Path, fuzz: &Path) -> BTreeSet<Vec<u8>> {
    let mut pieces = BTreeSet::new();
    let mut waiting = [vectors.to_owned(), fuzz.join("seeds"), fuzz.join("regressions")].to_vec();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(std::fs::read_dir(&path).expect("a folder can be listed").map(|entry| entry.expect("an entry").path()));
        } else if let Ok(bytes) = std::fs::read(&path) {
            take_apart(bytes, DEPTH, &mut pieces);
        }
    }
    for message in messages().into_iter().chain(small()) {
        take_apart(message, DEPTH, &mut pieces);
    }
    let bodies: Vec<Vec<u8>> = pieces.iter().filter(|piece| piece.first() == Some(&b'{')).cloned().collect();
    for body in bodies {
        pieces.extend((0..BODIES).map(|which| [&[which][..], &body].concat()).filter(|body| targets::http_body(body)));
    }
    pieces
}

/// Keeps a piece and what lies within it.
fn take_apart(bytes: Vec<u8>, depth: usize, pieces: &mut BTreeSet<Vec<u8>>) {
    if depth == 0 || bytes.is_empty() || pieces.contains(&bytes) {
        return;
    }
    let deeper = |bytes: Vec<u8>, pieces: &mut _| take_apart(bytes, depth - 1, pieces);
    if let Ok(mut archive) = Archive::open(Cursor::new(&bytes)) {
        let names: Vec<String> = archive.names().map(str::to_owned).collect();
        for name in names {
            if let Ok(Some(content)) = archive.read(&name, MOST as u64) {
                deeper(content, pieces);
            }
        }
    }
    if let Ok(value) = serde_json::from_slice::<serde_json::Value>(&bytes) {
        values(&value, &mut |piece| deeper(piece, pieces));
    }
    if let Ok(core) = Core::from_bytes(&bytes) {
        deeper(core.intent.into_bytes(), pieces);
    }
    if let Ok(text) = core::str::from_utf8(&bytes) {
        let parts = text.split('.').filter(|_| text.matches('.').count() == 2);
        for part in parts.chain([text]) {
            let decoded = [hex::decode(part).ok(), STANDARD.decode(part).ok(), URL_SAFE_NO_PAD.decode(part).ok()];
            decoded.into_iter().flatten().for_each(|piece| deeper(piece, pieces));
        }
        // What a witness answers is the end of a note.
        text.rsplit_once("\n\n").into_iter().for_each(|(_, lines)| deeper(lines.into(), pieces));
        // A log's entries are one JSON value on each line.
        text.lines().filter(|line| line.starts_with('{')).for_each(|line| deeper(line.into(), pieces));
    }
    if bytes.len() <= MOST {
        pieces.insert(bytes);
    }
}

/// Texts and objects within a value.
fn values(value: &serde_json::Value, found: &mut impl FnMut(Vec<u8>)) {
    match value {
        serde_json::Value::String(text) => found(text.clone().into_bytes()),
        serde_json::Value::Array(items) => items.iter().for_each(|item| values(item, found)),
        serde_json::Value::Object(members) => {
            for member in members.values() {
                if member.is_object() {
                    found(member.to_string().into_bytes());
                }
                values(member, found);
            }
        }
        _ => {}
    }
}

fn device(seed: u8) -> Device {
    Device { certificate: vec![seed; 700], signer: DeviceSigner::new(SigningKey::from_bytes(&[seed; 32])) }
}

/// Messages of a group with a joiner. Lifetimes are judged by the machine's clock, so they are made anew each time.
fn messages() -> Vec<Vec<u8>> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let time = LogTime::from_millis(now * 1000).expect("a year of four digits");
    let (founder, joiner) = ((device(3), MlsState::new()), (device(4), MlsState::new()));
    let id = GroupId::first(targets::CASE);
    let founded = CaseGroup::found(&founder.1, &founder.0, id, now).expect("a group is founded");
    let package = BuiltKeyPackage::build(&joiner.1, &joiner.0, KeyPackageUse::Once, now).expect("a key package is built");
    let version = RingVersion::new(1).expect("versions begin with one");
    let digest = Sha256Digest::of(&[b"seed"]);
    let context = CommitContext {
        log_size: 7,
        log_root: digest,
        registry_sequence: 3,
        registry_commitment: digest,
        ring_version: version,
        ring_commitment: digest,
    };
    let mut group = CaseGroup::load(&founder.1, id).expect("the state is read").expect("the group is there");
    let row = group.seal_founding_ring_row(&founder.1, &Secret32::from_bytes([9; 32])).expect("a row is sealed");
    let add = vec![VerifiedKeyPackage::parse(&package.bytes, time).expect("it was built a moment ago")];
    let commit = group.prepare_commit(&founder.1, &founder.0, Changes { add, remove: Vec::new() }, &context).expect("a commit");
    let welcome = commit.welcome.unwrap_or_default();
    vec![package.bytes, founded.group_info, row.as_bytes().to_vec(), commit.commit, welcome, context.encode().to_vec()]
}

/// What no vector holds.
fn small() -> Vec<Vec<u8>> {
    let id = DeviceId::from_bytes([0x11; 16]);
    let digest = Sha256Digest::of(&[b"seed"]);
    let covered = custodia_api::signature::Covered { method: "GET", authority: "a", path: "/", query: "", content_digest: None };
    let parameters = custodia_api::signature::Parameters { created: 1_795_467_845, nonce: [7; 16], keyid: digest };
    let key = SigningKey::from_bytes(&[9; 32]);
    let with_digest = custodia_api::signature::Covered { content_digest: Some("sha-256=:AAAA:"), ..covered };
    let entry = [&[0, 33, 1][..], digest.as_bytes()].concat();
    let texts = [
        r#"{"intent":"a.b.c"}"#.to_owned(),
        r#"{"one_time":["AAAA"],"last_resort":"AAAA"}"#.to_owned(),
        format!(r#"{{"devices":["{digest}"]}}"#),
        r#"{"intent":"a.b.c","group_info":"AAAA","ring_row":"AAAA"}"#.to_owned(),
        r#"{"intent":"a.b.c","commit":"AAAA","welcome":"AAAA","ring_row":"AAAA","group_info":"AAAA","grants":[{"intent":"a.b.c","grant":"a.b.c"}]}"#.to_owned(),
        r#"{"intent":"a.b.c","grant":"a.b.c"}"#.to_owned(),
        format!(r#"{{"intent":"a.b.c","objects":["{digest}"],"release_share":"AAAA","group_share":"AAAA"}}"#),
        format!(r#"{{"origin":"o","log_key":"k","trust_pin":"{digest}","version":"1"}}"#),
        format!(r#"{{"cases":[{{"case":"{id}","epoch":1,"exhibits":2,"members":["{digest}"]}}]}}"#),
        r#"{"epoch":2,"changes":[{"epoch":1,"commit":"AAAA","ring_row":"AAAA","index":5}]}"#.to_owned(),
        format!(r#"{{"welcomes":[{{"case":"{id}","epoch":1,"welcome":"AAAA","ring_row":"AAAA"}}]}}"#),
        r#"{"code":"stale-epoch","message":"m","next":"n","epoch":3}"#.to_owned(),
        parameters.sign(&covered, &key).input,
        parameters.sign(&with_digest, &key).input,
        "2026-03-02T10:00:00+02:00".to_owned(),
    ];
    let hashes = [&[1, 1][..], digest.as_bytes(), digest.as_bytes()].concat();
    let entries = [&[0, 1][..], &entry, &entry].concat();
    texts.into_iter().map(String::into_bytes).chain([hashes, entries]).collect()
}
