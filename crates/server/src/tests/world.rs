//! A server on a temporary folder, a clock that tests set, and devices that sign what they send.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use custodia_api::error::{ErrorBody, ErrorCode};
use custodia_api::messages::{Acknowledged, CreateCase, RegistryAct};
use custodia_api::signature::{Covered, Parameters, content_digest};
use custodia_core::custody::body::{Add, Body, CaseCreate, DeviceEnrol, DeviceRevoke, Terms, TrustListBody};
use custodia_core::custody::intent::{ClockSource, GroupSeen, Intent, RingWrap, Sealed, Seen};
use custodia_core::custody::kind::Kind;
use custodia_core::custody::receipt::Receipt;
use custodia_core::custody::record::Commitment;
use custodia_core::custody::wire::{Base64, Base64Url, Hex};
use custodia_core::digest::Sha256Digest;
use custodia_core::group::context::{RingVersion, ring_commitment};
use custodia_core::group::facts::GroupId;
use custodia_core::identity::{RevocationReason, Role};
use custodia_core::ids::{CaseId, IntentId};
use custodia_core::log::checkpoint::{LogKey, SignedCheckpoint, VerifiedCheckpoint};
use custodia_core::log::cosignature::{CosignatureTime, Cosigner};
use custodia_core::log::merkle::{LeafIndex, NodeHash, RootHash, leaf_hash};
use custodia_core::log::proof::InclusionProof;
use custodia_core::secret::Secret32;
use custodia_core::time::LogTime;
use custodia_mls::{CaseGroup, Device, DeviceSigner, MlsState};
use ed25519_dalek::SigningKey;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::offices::{self, DIICOT, INSPECTION, TestOffice, key};
use crate::backends::{Pair, Stores};
use crate::clock::Clock;
use crate::config::{DataConfig, KekConfig, LimitsConfig, ServerConfig, StoreConfig, WitnessesConfig};
use crate::server::{Running, Server};

/// A clock that stands still until a test moves it.
pub struct TestClock(AtomicU64);

impl Clock for TestClock {
    fn now(&self) -> LogTime {
        LogTime::from_millis(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

impl TestClock {
    pub fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    /// Sets it, to whatever it should show.
    pub fn set(&self, seconds: u64) {
        self.0.store(seconds * 1000, Ordering::SeqCst);
    }

    pub fn seconds(&self) -> u64 {
        self.now().seconds()
    }
}

pub struct World {
    _folder: tempfile::TempDir,
    pub stores: Stores,
    pub config: ServerConfig,
    pub clock: Arc<TestClock>,
    pub log_key: LogKey,
    pub running: Option<Running>,
    /// The time by which certificates are made.
    pub born: u64,
    intents: u64,
}

pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> T {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        serde_json::from_slice(&self.body).unwrap()
    }

    #[track_caller]
    pub fn refused(&self, code: ErrorCode) -> ErrorBody {
        let body: ErrorBody =
            serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{} {}", self.status, String::from_utf8_lossy(&self.body)));
        assert_eq!(body.code, code, "{body:?}");
        assert_eq!(self.status, code.status());
        assert!(!body.next.is_empty());
        body
    }
}

/// A person's device.
pub struct TestDevice {
    pub key: SigningKey,
    pub certificate: Vec<u8>,
    pub seed: u8,
    pub mls: MlsState,
    nonce: std::cell::Cell<u64>,
}

impl TestDevice {
    pub fn id(&self) -> Sha256Digest {
        Sha256Digest::of(&[&self.certificate])
    }

    pub fn mls_device(&self) -> Device {
        Device { certificate: self.certificate.clone(), signer: DeviceSigner::new(self.key.clone()) }
    }

    pub fn parameters(&self, created: u64) -> Parameters {
        self.nonce.set(self.nonce.get() + 1);
        let mut nonce = [self.seed; 16];
        nonce[..8].copy_from_slice(&self.nonce.get().to_be_bytes());
        Parameters { created, nonce, keyid: self.id() }
    }
}

/// A request before it is sent, so that tests can damage it.
pub struct Request {
    pub method: &'static str,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

pub const ORIGIN: &str = "custody.example.org/log";

impl World {
    pub async fn on(pair: Pair) -> Self {
        Self::with_limits(pair, LimitsConfig::default()).await
    }

    pub async fn with_limits(pair: Pair, limits: LimitsConfig) -> Self {
        #[derive(serde::Deserialize)]
        struct Section {
            store: StoreConfig,
        }

        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let stores = pair.fresh(folder.path());
        let born = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let config = ServerConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            authorities: Vec::new(),
            origin: ORIGIN.parse().unwrap(),
            trust_pin: offices::first_list(born).digest(),
            data: DataConfig { database: stores.database.clone(), log_key: at("keys/log.key"), head_file: at("head/head.json") },
            store: toml::from_str::<Section>(&stores.store).unwrap().store,
            kek: KekConfig { folders: vec![at("kek-a"), at("kek-b")] },
            limits,
            tls: None,
            witnesses: Some(WitnessesConfig { policy: at("policy"), every_seconds: 3600, timeout_seconds: 10, tls_authorities: None }),
            stamps: None,
        };
        std::fs::write(at("policy"), format!("witness w1 {}\nquorum w1\n", witness(1).cosigner_key())).unwrap();
        let log_key = Server::init(&config).await.unwrap();
        let clock = Arc::new(TestClock(AtomicU64::new(born * 1000)));
        let mut world = Self { _folder: folder, stores, config, clock, log_key, running: None, born, intents: 0 };
        world.start().await;
        world
    }

    pub async fn start(&mut self) {
        self.running = Some(Server::run_by(&self.config, self.clock.clone()).await.unwrap());
    }

    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await.unwrap();
        }
    }

    /// The address under which a request was signed, to start again on the same port.
    pub fn signed_address(request: &Request) -> SocketAddr {
        request.headers[0].1.parse().unwrap()
    }

    pub fn addr(&self) -> SocketAddr {
        self.running.as_ref().unwrap().addr
    }

    /// Sends bytes over one connection, reads until the server closes it.
    pub async fn send(&self, request: &Request) -> Answer {
        let mut text = format!("{} {} HTTP/1.1\r\nconnection: close\r\n", request.method, request.path);
        for (name, value) in &request.headers {
            text.extend([name, ": ", value, "\r\n"]);
        }
        text.push_str("\r\n");
        let mut stream = tokio::net::TcpStream::connect(self.addr()).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        // A server that refuses early may close before it has read everything.
        let _ = stream.write_all(&request.body).await;
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or_else(|| panic!("no answer to {}", request.path));
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(!head.to_lowercase().contains("transfer-encoding"), "{head}");
        Answer { status, body: bytes[end + 4..].to_vec() }
    }

    pub fn request(&self, device: &TestDevice, method: &'static str, path: &str, body: Vec<u8>) -> Request {
        let authority = self.addr().to_string();
        let with_digest = method == "POST";
        let digest = content_digest(&body);
        let (bare, query) = path.split_once('?').unwrap_or((path, ""));
        let covered = Covered { method, authority: &authority, path: bare, query, content_digest: with_digest.then_some(digest.as_str()) };
        let signed = device.parameters(self.clock.seconds()).sign(&covered, &device.key);
        let mut headers = vec![
            ("host".to_owned(), authority.clone()),
            ("signature-input".to_owned(), signed.input),
            ("signature".to_owned(), signed.signature),
        ];
        if with_digest {
            headers.push(("content-digest".to_owned(), digest));
        }
        if method != "GET" {
            headers.push(("content-length".to_owned(), body.len().to_string()));
        }
        Request { method, path: path.to_owned(), headers, body }
    }

    pub async fn get(&self, device: &TestDevice, path: &str) -> Answer {
        self.send(&self.request(device, "GET", path, Vec::new())).await
    }

    pub async fn put(&self, device: &TestDevice, path: &str, body: &[u8]) -> Answer {
        self.send(&self.request(device, "PUT", path, body.to_vec())).await
    }

    pub async fn post(&self, device: &TestDevice, path: &str, body: &impl serde::Serialize) -> Answer {
        self.send(&self.request(device, "POST", path, serde_json::to_vec(body).unwrap())).await
    }

    pub async fn public(&self, path: &str) -> Answer {
        let headers = vec![("host".to_owned(), self.addr().to_string())];
        self.send(&Request { method: "GET", path: path.to_owned(), headers, body: Vec::new() }).await
    }

    pub async fn registry(&mut self, office: TestOffice, body: Body) -> Answer {
        let intent = self.intent(CaseId::REGISTRY, body);
        let signed = intent.sign(office.root_id(self.born).digest(), &key(office.seed)).unwrap();
        self.post_registry(signed.text()).await
    }

    pub async fn post_registry(&self, intent: &str) -> Answer {
        self.bring("/v1/registry", &serde_json::to_vec(&RegistryAct { intent: intent.to_owned() }).unwrap()).await
    }

    /// Brings in the pinned trust list.
    pub async fn begin(&mut self) -> Receipt {
        let list = offices::first_list(self.born).to_json();
        self.registry(DIICOT, Body::TrustList(TrustListBody { list })).await.json::<Acknowledged>().receipt
    }

    pub async fn enrol(&mut self, office: TestOffice, role: Role, seed: u8) -> TestDevice {
        let certificate = offices::device_certificate(office, role, seed, self.born);
        let body = Body::DeviceEnrol(DeviceEnrol { certificate: Base64(certificate.clone()) });
        self.registry(office, body).await.json::<Acknowledged>();
        TestDevice { key: key(seed), certificate, seed, mls: MlsState::new(), nonce: std::cell::Cell::new(0) }
    }

    pub async fn prosecutor(&mut self, seed: u8) -> TestDevice {
        self.enrol(DIICOT, Role::Prosecutor, seed).await
    }

    pub async fn auditor(&mut self, seed: u8) -> TestDevice {
        self.enrol(INSPECTION, Role::Auditor, seed).await
    }

    pub async fn revoke(&mut self, device: &TestDevice) -> Answer {
        let body = DeviceRevoke { device: offices::device_id(device.seed), reason: RevocationReason::Lost };
        self.registry(DIICOT, Body::DeviceRevoke(body)).await
    }

    /// The turn that an idle server takes by itself.
    pub async fn idle_turn(&self) {
        self.running.as_ref().unwrap().idle_turn().await;
    }

    pub fn next_intent(&mut self) -> IntentId {
        self.intents += 1;
        let mut id = [0; 16];
        id[8..].copy_from_slice(&self.intents.to_be_bytes());
        IntentId::from_bytes(id)
    }

    /// An intent with what every kind carries; `seen` is the empty tree.
    pub fn intent(&mut self, case: CaseId, body: Body) -> Intent {
        let kind = body.kind();
        let in_group = case != CaseId::REGISTRY && !matches!(body, Body::CaseCreate(_) | Body::LogRead(_));
        Intent {
            origin: ORIGIN.to_owned(),
            id: self.next_intent(),
            case,
            exhibit: None,
            purpose: None,
            recipients: Vec::new(),
            time: offices::claimed(self.clock.seconds()),
            clock: ClockSource::Os,
            group: in_group.then(|| GroupSeen { id: Hex(GroupId::first(case).to_bytes().to_vec()), epoch: 0, transcript: Hex(Vec::new()) }),
            seen: Seen { size: 0, root: Sha256Digest::from_bytes(*RootHash::empty().as_bytes()) },
            chain_seen: None,
            body,
            sealed: kind.needs_reason().then(|| Sealed {
                message: Base64Url(vec![1; 56 + 256 + 16]),
                ring: (kind != Kind::LogRead).then(|| RingWrap { version: 1, wrap: Base64Url(vec![2; 104]) }),
                auditors: Vec::new(),
                trust_list: 1,
            }),
        }
    }

    /// The request that founds a case.
    pub fn founding(&mut self, device: &TestDevice, case: CaseId) -> CreateCase {
        let id = GroupId::first(case);
        let founded = CaseGroup::found(&device.mls, &device.mls_device(), id, self.clock.seconds()).unwrap();
        let ring_row = vec![9; 104];
        let ring = ring_commitment(case, RingVersion::FIRST, &ring_key(1));
        let body = CaseCreate {
            group_id: Hex(id.to_bytes().to_vec()),
            group_info: Sha256Digest::of(&[&founded.group_info]),
            ring_version: 1,
            ring_commitment: ring,
            ring_row: Sha256Digest::of(&[&ring_row]),
            members: vec![Add { certificate: device.id(), terms: Terms::Founder }],
            parent: None,
            review: "2030-01-01".to_owned(),
        };
        let intent = self.intent(case, Body::CaseCreate(body)).sign(device.id(), &device.key).unwrap();
        CreateCase { intent: intent.text().to_owned(), group_info: Base64(founded.group_info), ring_row: Base64(ring_row) }
    }

    pub async fn found(&mut self, device: &TestDevice, case: CaseId) -> Receipt {
        let request = self.founding(device, case);
        self.post(device, "/v1/cases", &request).await.json::<Acknowledged>().receipt
    }

    pub async fn checkpoint(&self) -> VerifiedCheckpoint {
        let answer = self.public("/checkpoint").await;
        SignedCheckpoint::parse(&answer.body).unwrap().verify(&self.log_key).unwrap()
    }

    /// The last checkpoint with the cosignature of the policy's witness.
    pub async fn cosigned(&self) -> String {
        let checkpoint = self.checkpoint().await;
        let time = CosignatureTime::from_seconds(self.clock.seconds()).unwrap();
        checkpoint.with_signature(witness(1).cosign(&checkpoint, time).line()).unwrap().note().as_str().to_owned()
    }

    /// Brings a text to a path, signed by nobody.
    pub async fn bring(&self, path: &str, body: &[u8]) -> Answer {
        let headers = vec![("host".to_owned(), self.addr().to_string()), ("content-length".to_owned(), body.len().to_string())];
        self.send(&Request { method: "POST", path: path.to_owned(), headers, body: body.to_vec() }).await
    }

    pub async fn seen(&self) -> Seen {
        let checkpoint = self.checkpoint().await;
        Seen { size: checkpoint.size().get(), root: Sha256Digest::from_bytes(*checkpoint.root().as_bytes()) }
    }

    /// Verifies a receipt as an agent does; answers the record's commitment.
    #[track_caller]
    pub fn verify(&self, receipt: &Receipt) -> Commitment {
        let opened = receipt.record.open().unwrap();
        let checkpoint = SignedCheckpoint::parse(receipt.checkpoint.as_bytes()).unwrap().verify(&self.log_key).unwrap();
        let hashes = receipt.proof.iter().map(|hash| NodeHash::from_bytes(*hash.as_bytes())).collect();
        let proof = InclusionProof::from_hashes(hashes).unwrap();
        checkpoint.includes(LeafIndex::new(receipt.record.index).unwrap(), leaf_hash(&opened.commitment.entry()), &proof).unwrap();
        opened.commitment
    }
}

/// A witness's key.
pub fn witness(number: u8) -> Cosigner {
    Cosigner::new(format!("witness.example/w{number}").parse().unwrap(), SigningKey::from_bytes(&[0x70 + number; 32])).unwrap()
}

pub fn ring_key(version: u8) -> Secret32 {
    Secret32::from_bytes([version; 32])
}

pub const CASE: CaseId = CaseId::from_bytes([0xca; 16]);
