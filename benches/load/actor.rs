//! A device that founds a case, collects an exhibit and then opens it again and again, with no state of its own between.

use custodia_api::messages::{Acknowledged, Act, Collect, CreateCase, Released, UploadKeyPackages};
use custodia_client::Clock;
use custodia_client::hpke::SealingKeyPair;
use custodia_client::http::{Http, RequestKey};
use custodia_client::log_view::{Entry, verify_own_receipt};
use custodia_core::custody::body::{Add, Body, CaseCreate, Collection, Consultation, Handling, Terms, ViewMode};
use custodia_core::custody::intent::{ChainSeen, GroupSeen, Intent, RingWrap, Sealed, Seen, SignedIntent};
use custodia_core::custody::kind::Purpose;
use custodia_core::custody::receipt::Receipt;
use custodia_core::custody::wire::{Base64, Base64Url, Hex};
use custodia_core::digest::{Blake3Digest, Sha256Digest};
use custodia_core::exhibit::keys::{ReleaseShare, ReleaseShareCommitment};
use custodia_core::exhibit::segment::ObjectListDigest;
use custodia_core::group::context::{RingVersion, ring_commitment};
use custodia_core::group::facts::GroupId;
use custodia_core::identity::{DeviceRequestDraft, Role};
use custodia_core::ids::{CaseId, DeviceId, ExhibitId, IntentId};
use custodia_core::log::{LogKey, RootHash};
use custodia_core::secret::Secret32;
use custodia_core::time::LogTime;
use custodia_mls::{BuiltKeyPackage, CaseGroup, Device, DeviceSigner, KeyPackageUse, MlsState};
use custodia_tests::world::{Must as _, OFFICES, World, clock};
use ed25519_dalek::{SigningKey, VerifyingKey};

pub struct Actor {
    http: Http,
    key: SigningKey,
    certificate: Vec<u8>,
    log_key: LogKey,
    clock: Clock,
    case: CaseId,
    exhibit: ExhibitId,
    intents: u64,
    number: u8,
    seen: Seen,
    collection: Sha256Digest,
    /// Receipts of what was entered so far.
    pub receipts: Vec<Receipt>,
}

impl Actor {
    /// A new device of the first office, certified and in the registry.
    pub async fn enrolled(world: &World, number: u8) -> Self {
        let key = SigningKey::from_bytes(&[number + 100; 32]);
        let clock = clock();
        let draft = DeviceRequestDraft {
            device: DeviceId::from_bytes([number + 1; 16]),
            person: format!("{}/bench{number}", OFFICES[0].0).parse().unwrap(),
            name: "bench".parse().unwrap(),
            label: "bench".parse().unwrap(),
            role: Role::Prosecutor,
            sealing_key: Some(SealingKeyPair::from_private(Secret32::from_bytes([number; 32])).public().clone()),
            time: clock.claimed(),
        };
        let from = LogTime::from_millis(clock.millis() - 60_000).unwrap();
        let certificate = world.offices[0].issue(&draft.sign(&key).unwrap(), from, 300).must();
        world.desk().enrol(&world.offices[0], &certificate).await.must();
        let signer = RequestKey { certificate: Sha256Digest::of(&[certificate.der()]), key: key.clone() };
        let http = Http::new(&world.address(), clock.clone()).must().signed_by(signer);
        let empty = Seen { size: 0, root: Sha256Digest::from_bytes(*RootHash::empty().as_bytes()) };
        Self {
            http,
            key,
            certificate: certificate.der().to_vec(),
            log_key: world.info.log_key.parse().unwrap(),
            clock,
            case: CaseId::from_bytes([number + 1; 16]),
            exhibit: ExhibitId::from_bytes([number + 1; 16]),
            intents: 0,
            number,
            seen: empty,
            collection: Sha256Digest::of(&[]),
            receipts: Vec::new(),
        }
    }

    pub fn http(&self) -> &Http {
        &self.http
    }

    pub fn verifying_key(&self) -> VerifyingKey {
        self.key.verifying_key()
    }

    /// Its certificate's id.
    pub fn id(&self) -> Sha256Digest {
        Sha256Digest::of(&[&self.certificate])
    }

    fn device(&self) -> Device {
        Device { certificate: self.certificate.clone(), signer: DeviceSigner::new(self.key.clone()) }
    }

    /// Acts on an exhibit of somebody else's case from now on; whoever holds the case adds it after this, by the key package that it leaves.
    pub async fn become_colleague(&mut self, case: CaseId, exhibit: ExhibitId, collection: Sha256Digest) {
        let package = BuiltKeyPackage::build(&MlsState::new(), &self.device(), KeyPackageUse::LastResort, self.clock.seconds()).must();
        let upload = UploadKeyPackages { one_time: Vec::new(), last_resort: Some(Base64(package.bytes)) };
        let _: serde_json::Value = self.http.post("/v1/key-packages", &upload).await.must();
        (self.case, self.exhibit, self.collection) = (case, exhibit, collection);
    }

    fn intent(&mut self, body: Body) -> Intent {
        self.intents += 1;
        let mut id = [self.number + 1; 16];
        id[8..].copy_from_slice(&self.intents.to_be_bytes());
        let founding = matches!(body, Body::CaseCreate(_));
        let group = GroupSeen { id: Hex(GroupId::first(self.case).to_bytes().to_vec()), epoch: 0, transcript: Hex(Vec::new()) };
        Intent {
            origin: self.log_key.origin().to_string(),
            id: IntentId::from_bytes(id),
            case: self.case,
            exhibit: (!founding).then_some(self.exhibit),
            purpose: None,
            recipients: Vec::new(),
            time: self.clock.claimed(),
            clock: self.clock.source(),
            group: (!founding).then_some(group),
            seen: self.seen,
            chain_seen: None,
            sealed: body.kind().needs_reason().then(|| Sealed {
                message: Base64Url(vec![1; 56 + 256 + 16]),
                ring: Some(RingWrap { version: 1, wrap: Base64Url(vec![2; 104]) }),
                auditors: Vec::new(),
                trust_list: 1,
            }),
            body,
        }
    }

    fn sign(&self, intent: Intent) -> SignedIntent {
        intent.sign(self.id(), &self.key).unwrap()
    }

    fn take(&mut self, receipt: Receipt, sent: &SignedIntent) -> Entry {
        let entry = verify_own_receipt(&self.log_key, &receipt, sent).unwrap_or_else(|wrong| panic!("{}", wrong.finding));
        self.receipts.push(receipt);
        entry
    }

    /// Founds a case and collects an exhibit of two objects.
    pub async fn prepare(&mut self) {
        let group = GroupId::first(self.case);
        let founded = CaseGroup::found(&MlsState::new(), &self.device(), group, self.clock.seconds()).must();
        let ring_row = vec![9; 104];
        let body = CaseCreate {
            group_id: Hex(group.to_bytes().to_vec()),
            group_info: Sha256Digest::of(&[&founded.group_info]),
            ring_version: 1,
            ring_commitment: ring_commitment(self.case, RingVersion::FIRST, &Secret32::from_bytes([1; 32])),
            ring_row: Sha256Digest::of(&[&ring_row]),
            members: vec![Add { certificate: self.id(), terms: Terms::Founder }],
            parent: None,
            review: "2031-01-01".to_owned(),
        };
        let draft = self.intent(Body::CaseCreate(body));
        let intent = self.sign(draft);
        let create = CreateCase { intent: intent.text().to_owned(), group_info: Base64(founded.group_info), ring_row: Base64(ring_row) };
        let done: Acknowledged = self.http.post("/v1/cases", &create).await.must();
        self.take(done.receipt, &intent);

        let (segment, manifest): (&'static [u8], &'static [u8]) = (b"a sealed segment", b"a sealed manifest");
        let place = format!("/v1/cases/{}/exhibits/{}", self.case, self.exhibit);
        for object in [segment, manifest] {
            self.http.put_object(&format!("{place}/objects/{}", Blake3Digest::of(object)), object.into()).await.must();
        }
        let (names, share) = (vec![Blake3Digest::of(segment)], Secret32::from_bytes([5; 32]));
        let body = Collection {
            manifest_commitment: Sha256Digest::of(&[b"manifest"]),
            manifest_object: Blake3Digest::of(manifest),
            objects: 1,
            objects_digest: *ObjectListDigest::of(&names).digest(),
            sealed_bytes: segment.len() as u64,
            exhibit_key_commitment: Sha256Digest::of(&[b"key"]),
            release_share_commitment: *ReleaseShareCommitment::of(self.exhibit, &ReleaseShare::from_secret(share.clone())).digest(),
            ring_version: 1,
            handling: Handling::H0,
            review: "2031-01-01".to_owned(),
            derivation: None,
        };
        let draft = self.intent(Body::Collection(body));
        let intent = self.sign(draft);
        let collect = Collect {
            intent: intent.text().to_owned(),
            objects: names,
            release_share: Base64(share.expose().to_vec()),
            group_share: Base64(vec![3; 104]),
            source: None,
        };
        let done: Acknowledged = self.http.post(&place, &collect).await.must();
        let entry = self.take(done.receipt, &intent);
        self.collection = entry.commitment.0;
        let checkpoint = &entry.checkpoint;
        self.seen = Seen { size: checkpoint.size().get(), root: Sha256Digest::from_bytes(*checkpoint.root().as_bytes()) };
    }

    /// One act: an opening, signed, entered durably, its receipt verified.
    pub async fn open_once(&mut self) {
        let mut draft = self.intent(Body::Consultation(Consultation { mode: ViewMode::View }));
        draft.purpose = Some(Purpose::Investigation);
        draft.chain_seen = Some(ChainSeen { seq: 0, commitment: self.collection });
        let intent = self.sign(draft);
        let path = format!("/v1/cases/{}/exhibits/{}/acts", self.case, self.exhibit);
        let released: Released = self.http.post(&path, &Act { intent: intent.text().to_owned() }).await.must();
        self.take(released.receipt, &intent);
    }
}
