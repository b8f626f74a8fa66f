//! A member that does not keep to the rules: it signs what no agent would, with the keys of its device.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use custodia_api::error::ErrorBody;
use custodia_api::messages::{Act, ChangeMembers, SucceedGroup};
use custodia_api::signature::{Covered, Parameters, content_digest};
use custodia_client::passphrase::KeyFile;
use custodia_client::state::{State, acts, device, head, keys};
use custodia_core::custody::body::{Body, GroupReport, MemberChange};
use custodia_core::custody::intent::{ClockSource, GroupSeen, Intent, RingWrap, Sealed, Seen, SignedIntent, UnverifiedIntent};
use custodia_core::custody::kind::Kind;
use custodia_core::custody::succession::GroupSucceed;
use custodia_core::custody::wire::{Base64, Base64Url, Hex};
use custodia_core::digest::Sha256Digest;
use custodia_core::group::context::{CommitContext, RingVersion, ring_commitment};
use custodia_core::group::facts::{GroupId, LeafFacts};
use custodia_core::ids::{CaseId, IntentId};
use custodia_core::log::checkpoint::{LogKey, SignedCheckpoint};
use custodia_core::secret::Secret32;
use custodia_mls::{CaseGroup, Changes, Device, DeviceSigner, MlsState};
use ed25519_dalek::{Signer as _, SigningKey};
use time::OffsetDateTime;

use crate::world::{Must as _, PASSPHRASE, World, get};

/// The last byte of the confirmation tag, from the end of a commit: a membership tag of 48 bytes with its length comes after it.
const CONFIRMATION_TAG: usize = 50;

/// A member of a case by its device's state, which no agent holds open and which was just brought up to date.
pub struct Rogue {
    server: SocketAddr,
    log: LogKey,
    case: CaseId,
    state: State,
    signing: SigningKey,
    certificate: Vec<u8>,
}

impl Rogue {
    /// Takes a device's state.
    pub async fn open(world: &World, office: usize, local: &str, case: CaseId) -> Self {
        let paths = world.state_of(office, local);
        let key = KeyFile::parse(&std::fs::read(paths.key_file()).unwrap()).unwrap().unlock(PASSPHRASE).unwrap();
        let state = State::open(&paths, &key).await.must();
        let row = device::load(&mut *state.connection().await).await.must();
        Self {
            server: world.address().url.strip_prefix("http://").unwrap().parse().unwrap(),
            log: world.info.log_key.parse().unwrap(),
            case,
            signing: SigningKey::from_bytes(row.signing_key.expose()),
            certificate: row.certificate.unwrap(),
            state,
        }
    }

    /// Leaves the state to an agent.
    pub async fn close(self) {
        self.state.close().await.must();
    }

    fn certificate_id(&self) -> Sha256Digest {
        Sha256Digest::of(&[&self.certificate])
    }

    /// Makes and delivers a commit, rightly made and rightly signed but for a confirmation tag that no server can check; it removes the devices
    /// named.
    pub async fn poison(self, removing: &[Sha256Digest]) {
        let seen = self.seen();
        let (mls, mut held) = self.group().await;
        let (body, request) = {
            let mut connection = self.state.connection().await;
            let file = keys::case(&mut connection, self.case).await.must().unwrap();
            let ring_key = keys::ring_key(&mut connection, self.case, file.ring_version).await.must().unwrap();
            let registry = head::chain_head(&mut connection, CaseId::REGISTRY).await.must().unwrap();
            let renewed = !removing.is_empty();
            let ring_version = RingVersion::new(file.ring_version + u32::from(renewed)).unwrap();
            let ring_key = if renewed { Secret32::from_bytes([0x66; 32]) } else { ring_key };
            let context = CommitContext {
                log_size: seen.size,
                log_root: seen.root,
                registry_sequence: registry.seq.0,
                registry_commitment: registry.commitment.0,
                ring_version,
                ring_commitment: ring_commitment(self.case, ring_version, &ring_key),
            };
            let is_removed = |leaf: &LeafFacts| removing.contains(&Sha256Digest::of(&[&leaf.certificate]));
            let remove = held.members().unwrap().iter().filter(|leaf| is_removed(leaf)).map(|leaf| leaf.index).collect();
            let epoch = held.epoch().0;
            let device = Device { certificate: self.certificate.clone(), signer: DeviceSigner::new(self.signing.clone()) };
            let prepared = held.prepare_commit(&mls, &device, Changes { add: Vec::new(), remove }, &context).unwrap();
            let (mut commit, mut group_info) = (prepared.commit, prepared.group_info);
            let ring_row = held.seal_ring_row(&mls, ring_version, &ring_key).unwrap().as_bytes().to_vec();
            let damaged = commit.len() - CONFIRMATION_TAG;
            commit[damaged] ^= 1;
            damage_group_info(&mut group_info, &self.signing);
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
            let request = ChangeMembers {
                intent: String::new(),
                commit: Base64(commit),
                welcome: None,
                ring_row: Some(Base64(ring_row)),
                group_info: Base64(group_info),
                grants: Vec::new(),
            };
            (body, request)
        };
        let intent = self.sign(seen, Body::MemberChange(body)).await;
        let path = format!("/v1/cases/{}/changes", self.case);
        let answer = self.post(&path, &ChangeMembers { intent: intent.text().to_owned(), ..request });
        assert!(answer.is_ok(), "the commit was not accepted: {answer:?}");
        self.close().await;
    }

    /// Reports a commit that it has followed.
    pub async fn report(&self, (epoch, commit): (u64, Sha256Digest)) {
        let seen = self.seen();
        let error = "MLS refuses the commit".to_owned();
        let intent = self.sign(seen, Body::GroupReport(GroupReport { epoch, commit, error })).await;
        let path = format!("/v1/cases/{}/acts", self.case);
        let answer = self.post(&path, &Act { intent: intent.text().to_owned() });
        assert!(answer.is_ok(), "{answer:?}");
    }

    /// Tries to found a successor group without that commit; gives the rule that refuses it.
    pub async fn succeed(&self, (epoch, bad): (u64, Sha256Digest)) -> Option<String> {
        let seen = self.seen();
        let digest = |bytes: &[u8]| Sha256Digest::of(&[bytes]);
        let ring_version = keys::case(&mut *self.state.connection().await, self.case).await.must().unwrap().ring_version + 1;
        let members = self.group().await.1.members().unwrap().iter().map(|leaf| digest(&leaf.certificate)).collect();
        let body = GroupSucceed {
            generation: 1,
            epoch,
            bad,
            group_info: digest(b"group info"),
            commit: digest(b"commit"),
            welcome: None,
            ring_version,
            ring_commitment: digest(b"ring"),
            ring_row: digest(b"row"),
            members,
        };
        let intent = self.sign(seen, Body::GroupSucceed(body)).await;
        let request = SucceedGroup {
            intent: intent.text().to_owned(),
            founding: Base64(b"group info".to_vec()),
            commit: Base64(b"commit".to_vec()),
            welcome: None,
            ring_row: Base64(b"row".to_vec()),
            group_info: Base64(b"group info".to_vec()),
        };
        let path = format!("/v1/cases/{}/succession", self.case);
        self.post(&path, &request).err().and_then(|error| error.rule)
    }

    /// The last commit of the case's chain: the epoch from which it starts, and its SHA-256.
    pub async fn last_commit(&self) -> (u64, Sha256Digest) {
        let views = head::acts(&mut *self.state.connection().await, self.case, &[Kind::MemberChange]).await.must();
        let core = views.last().unwrap().open().unwrap().core.unwrap();
        match &UnverifiedIntent::parse(&core.intent).unwrap().unverified().body {
            Body::MemberChange(body) => (body.epoch, body.commit),
            other => panic!("{other:?}"),
        }
    }

    fn seen(&self) -> Seen {
        let checkpoint = SignedCheckpoint::parse(&get(self.server, "/checkpoint")).unwrap().verify(&self.log).unwrap();
        Seen { size: checkpoint.size().get(), root: Sha256Digest::from_bytes(*checkpoint.root().as_bytes()) }
    }

    async fn group(&self) -> (MlsState, CaseGroup) {
        let mut connection = self.state.connection().await;
        let file = keys::case(&mut connection, self.case).await.must().unwrap();
        let id = GroupId::from_bytes(&file.group_id).unwrap();
        let mls = keys::load_mls(&mut connection, Some(id)).await.must();
        let group = CaseGroup::load(&mls, id).unwrap().unwrap();
        (mls, group)
    }

    /// Signs an act in the epoch that the device holds; the reason is one that nobody can open.
    async fn sign(&self, seen: Seen, body: Body) -> SignedIntent {
        let group = {
            let (_, group) = self.group().await;
            let transcript = Hex(group.confirmed_transcript_hash().to_vec());
            GroupSeen { id: Hex(group.id().to_bytes().to_vec()), epoch: group.epoch().0, transcript }
        };
        let now = OffsetDateTime::now_utc().replace_nanosecond(0).unwrap();
        let time = now.format(&time::format_description::well_known::Rfc3339).unwrap();
        let intent = Intent {
            origin: self.log.origin().to_string(),
            id: IntentId::from_bytes(fresh()),
            case: self.case,
            exhibit: None,
            purpose: None,
            recipients: Vec::new(),
            time: custodia_core::time::ClaimedTime::parse(&time).unwrap(),
            clock: ClockSource::Os,
            group: Some(group),
            seen,
            chain_seen: None,
            body,
            sealed: Some(Sealed {
                message: Base64Url(vec![1; 56 + 256 + 16]),
                ring: Some(RingWrap { version: 1, wrap: Base64Url(vec![2; 104]) }),
                auditors: Vec::new(),
                trust_list: 1,
            }),
        };
        let intent = intent.sign(self.certificate_id(), &self.signing).unwrap();
        // The device knows what it signed, as a device with this fault would.
        acts::insert(&mut *self.state.connection().await, &intent).await.must();
        intent
    }

    fn post(&self, path: &str, body: &impl serde::Serialize) -> Result<(), ErrorBody> {
        let body = serde_json::to_vec(body).unwrap();
        let created = u64::try_from(OffsetDateTime::now_utc().unix_timestamp()).unwrap();
        let parameters = Parameters { created, nonce: fresh(), keyid: self.certificate_id() };
        let (authority, digest) = (self.server.to_string(), content_digest(&body));
        let covered = Covered { method: "POST", authority: &authority, path, query: "", content_digest: Some(&digest) };
        let signed = parameters.sign(&covered, &self.signing);
        let mut stream = std::net::TcpStream::connect(self.server).unwrap();
        let (input, signature, length) = (signed.input, signed.signature, body.len());
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\nsignature-input: {input}\r\nsignature: {signature}\r\n\
             content-digest: {digest}\r\ncontent-length: {length}\r\n\r\n"
        )
        .unwrap();
        stream.write_all(&body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        if answer.starts_with(b"HTTP/1.1 200") {
            return Ok(());
        }
        let head = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        Err(serde_json::from_slice(&answer[head + 4..]).unwrap())
    }
}

/// An intent id or nonce that no other has: they are counted.
fn fresh() -> [u8; 16] {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut id = [0x66; 16];
    id[8..].copy_from_slice(&COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    id
}

/// The GroupInfo with the confirmation tag damaged in the same way, signed anew, as who makes such a commit would: the server compares the two tags.
///
/// ```text
/// MLSMessage: version (2) ‖ wire format (2) ‖ GroupInfoTBS = context ‖ extensions ‖ tag (1 + 48) ‖ signer (4) ‖ signature (2 + 64)
/// ```
/// Source: RFC 9420 §5.1.2 (`SignWithLabel`), §12.4.3.
fn damage_group_info(info: &mut [u8], key: &SigningKey) {
    const HEAD: usize = 4;
    const SIGNATURE: usize = 64;
    const LABEL: &[u8] = b"MLS 1.0 GroupInfoTBS";
    let end = info.len() - SIGNATURE - 2;
    info[end - 5] ^= 1;
    let tbs = &info[HEAD..end];
    let length = match u32::try_from(tbs.len()).unwrap() {
        short @ 64..=0x3fff => (0x4000 | u16::try_from(short).unwrap()).to_be_bytes().to_vec(),
        long => (0x8000_0000 | long).to_be_bytes().to_vec(),
    };
    let content = [&[u8::try_from(LABEL.len()).unwrap()], LABEL, &length, tbs].concat();
    info[end + 2..].copy_from_slice(&key.sign(&content).to_bytes());
}
