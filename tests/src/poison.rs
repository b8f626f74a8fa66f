//! A member whose commits nobody can process: rightly made and rightly signed, but for a confirmation tag that no server can check.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;

use custodia_api::messages::ChangeMembers;
use custodia_api::signature::{Covered, Parameters, content_digest};
use custodia_client::StatePaths;
use custodia_client::passphrase::KeyFile;
use custodia_client::state::{State, acts, device, head, keys};
use custodia_core::custody::body::{Body, MemberChange};
use custodia_core::custody::intent::{ClockSource, GroupSeen, Intent, RingWrap, Sealed, Seen};
use custodia_core::custody::wire::{Base64, Base64Url, Hex};
use custodia_core::digest::Sha256Digest;
use custodia_core::group::context::{CommitContext, RingVersion, ring_commitment};
use custodia_core::group::facts::GroupId;
use custodia_core::ids::{CaseId, IntentId};
use custodia_core::log::checkpoint::{LogKey, SignedCheckpoint};
use custodia_core::secret::Secret32;
use custodia_mls::{CaseGroup, Changes, Device, DeviceSigner};
use ed25519_dalek::SigningKey;
use time::OffsetDateTime;

use crate::world::{Must as _, PASSPHRASE, get};

/// The last byte of the confirmation tag, from the end of a commit: a membership tag of 48 bytes with its length comes after it.
const CONFIRMATION_TAG: usize = 50;

/// Makes and delivers such a commit by the device in a folder, which no agent holds open; it removes the devices named. The device has just been
/// brought up to date.
pub async fn poison(server: SocketAddr, log_key: &str, paths: &StatePaths, case: CaseId, removing: &[Sha256Digest]) {
    let key = KeyFile::parse(&std::fs::read(paths.key_file()).unwrap()).unwrap().unlock(PASSPHRASE).unwrap();
    let state = State::open(paths, &key).await.must();
    let mut connection = state.connection().await;
    let row = device::load(&mut connection).await.must();
    let signing = SigningKey::from_bytes(row.signing_key.expose());
    let certificate = row.certificate.unwrap();
    let signer = Sha256Digest::of(&[&certificate]);
    let file = keys::case(&mut connection, case).await.must().unwrap();
    let ring_key = keys::ring_key(&mut connection, case, file.ring_version).await.must().unwrap();
    let registry = head::chain_head(&mut connection, CaseId::REGISTRY).await.must().unwrap();
    let log: LogKey = log_key.parse().unwrap();
    let checkpoint = SignedCheckpoint::parse(&get(server, "/checkpoint")).unwrap().verify(&log).unwrap();
    let seen = Seen { size: checkpoint.size().get(), root: Sha256Digest::from_bytes(*checkpoint.root().as_bytes()) };

    let renewed = !removing.is_empty();
    let ring_version = RingVersion::new(file.ring_version + u32::from(renewed)).unwrap();
    let ring_key = if renewed { Secret32::from_bytes([0x66; 32]) } else { ring_key };
    let context = CommitContext {
        log_size: seen.size,
        log_root: seen.root,
        registry_sequence: registry.seq.0,
        registry_commitment: registry.commitment.0,
        ring_version,
        ring_commitment: ring_commitment(case, ring_version, &ring_key),
    };
    let group = GroupId::from_bytes(&file.group_id).unwrap();
    let mls = keys::load_mls(&mut connection, Some(group)).await.must();
    let mut held = CaseGroup::load(&mls, group).unwrap().unwrap();
    let is_removed = |leaf: &custodia_core::group::facts::LeafFacts| removing.contains(&Sha256Digest::of(&[&leaf.certificate]));
    let remove = held.members().unwrap().iter().filter(|leaf| is_removed(leaf)).map(|leaf| leaf.index).collect();
    let (epoch, transcript) = (held.epoch().0, held.confirmed_transcript_hash().to_vec());
    let device = Device { certificate, signer: DeviceSigner::new(signing.clone()) };
    let mut commit = held.prepare_commit(&mls, &device, Changes { add: Vec::new(), remove }, &context).unwrap().commit;
    let ring_row = held.seal_ring_row(&mls, ring_version, &ring_key).unwrap().as_bytes().to_vec();
    let damaged = commit.len() - CONFIRMATION_TAG;
    commit[damaged] ^= 1;

    let body = MemberChange {
        epoch,
        commit: Sha256Digest::of(&[&commit]),
        welcome: None,
        ring_version: ring_version.number(),
        ring_commitment: context.ring_commitment,
        ring_row: Some(Sha256Digest::of(&[&ring_row])),
        adds: Vec::new(),
        removes: removing.to_vec(),
        resync: false,
    };
    let now = OffsetDateTime::now_utc().replace_nanosecond(0).unwrap();
    let time = now.format(&time::format_description::well_known::Rfc3339).unwrap();
    let intent = Intent {
        origin: log.origin().to_string(),
        id: IntentId::from_bytes([0x66; 16]),
        case,
        exhibit: None,
        purpose: None,
        recipients: Vec::new(),
        time: custodia_core::time::ClaimedTime::parse(&time).unwrap(),
        clock: ClockSource::Os,
        group: Some(GroupSeen { id: Hex(group.to_bytes().to_vec()), epoch, transcript: Hex(transcript) }),
        seen,
        chain_seen: None,
        body: Body::MemberChange(body),
        // What nobody can open.
        sealed: Some(Sealed {
            message: Base64Url(vec![1; 56 + 256 + 16]),
            ring: Some(RingWrap { version: ring_version.number(), wrap: Base64Url(vec![2; 104]) }),
            auditors: Vec::new(),
            trust_list: 1,
        }),
    };
    let intent = intent.sign(signer, &signing).unwrap();
    // The device knows what it signed, as a device with this fault would.
    acts::insert(&mut connection, &intent).await.must();
    drop(connection);
    state.close().await.must();
    let request = ChangeMembers {
        intent: intent.text().to_owned(),
        commit: Base64(commit),
        welcome: None,
        ring_row: Some(Base64(ring_row)),
        grants: Vec::new(),
    };
    let created = u64::try_from(now.unix_timestamp()).unwrap();
    let parameters = Parameters { created, nonce: [0x66; 16], keyid: signer };
    post(server, &format!("/v1/cases/{case}/changes"), &serde_json::to_vec(&request).unwrap(), &parameters, &signing);
}

fn post(server: SocketAddr, path: &str, body: &[u8], parameters: &Parameters, key: &SigningKey) {
    let (authority, digest) = (server.to_string(), content_digest(body));
    let covered = Covered { method: "POST", authority: &authority, path, query: "", content_digest: Some(&digest) };
    let signed = parameters.sign(&covered, key);
    let mut stream = std::net::TcpStream::connect(server).unwrap();
    let (input, signature, length) = (signed.input, signed.signature, body.len());
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\nsignature-input: {input}\r\nsignature: {signature}\r\n\
         content-digest: {digest}\r\ncontent-length: {length}\r\n\r\n"
    )
    .unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"), "the commit was not accepted: {}", String::from_utf8_lossy(&answer));
}
