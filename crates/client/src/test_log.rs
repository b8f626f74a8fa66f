//! A small log in memory for tests: two offices, a prosecutor, an auditor, one case, one exhibit. It enters whatever it is given.

use std::collections::HashMap;
use std::path::Path;

use custodia_core::custody::body::{
    Add, Body, CaseCreate, Collection, DeviceEnrol, Disclosure, Handling, LogRead, Nothing, Terms, TrustListBody,
};
use custodia_core::custody::intent::{
    AuditorWrap, ChainSeen, ClockSource, GroupSeen, Intent, RingWrap, Sealed, Seen, SignedIntent, UnverifiedIntent,
};
use custodia_core::custody::kind::{Concern, Kind, Purpose};
use custodia_core::custody::receipt::RecordView;
use custodia_core::custody::record::{ChainHead, ChainId, ChainSeq, Commitment, Core, Outcome, Part, Place, Record, Salt as PartSalt};
use custodia_core::custody::wire::{Base64, Base64Url, Hex};
use custodia_core::digest::{Blake3Digest, Sha256Digest};
use custodia_core::exhibit::keys::{ReasonKey, RingKey, RingVersion};
use custodia_core::exhibit::sealed_text::{SealedText, SealedTextPlace};
use custodia_core::exhibit::text::Prose;
use custodia_core::exhibit::wrap::{ReasonKeyWrap, wrap};
use custodia_core::exhibit::{AwsLcCipher, Salt};
use custodia_core::group::facts::GroupId;
use custodia_core::identity::{self, DeviceRequestDraft, OfficeRoot, Role, TrustListDraft, TrustPin};
use custodia_core::ids::{CaseId, DeviceId, ExhibitId, IntentId};
use custodia_core::jws::Typ;
use custodia_core::log::{
    Frontier, InclusionProof, LeafIndex, LogSigner, MerkleError, NodeHash, NodeId, VerifiedCheckpoint, inclusion_proof, leaf_hash,
};
use custodia_core::secret::Secret32;
use custodia_core::time::{ClaimedTime, LogTime};
use ed25519_dalek::SigningKey;
use tempfile::TempDir;

use crate::clock::{random, random_secret};
use crate::hpke::{self, SealingKeyPair};
use crate::office::{NewOffice, Office};
use crate::passphrase::TEST_COST;
use crate::reasons::auditor_info;

pub(crate) const ORIGIN: &str = "vault.example/log";
const START: u64 = 1_795_467_845_000;
pub(crate) const CASE: CaseId = CaseId::from_bytes([5; 16]);
pub(crate) const EXHIBIT: ExhibitId = ExhibitId::from_bytes([6; 16]);

fn claimed(text: &str) -> ClaimedTime {
    ClaimedTime::parse(text).unwrap()
}

pub(crate) struct Member {
    pub(crate) key: SigningKey,
    pub(crate) sealing: SealingKeyPair,
    pub(crate) id: Sha256Digest,
}

/// The ring key of the case.
pub(crate) fn ring_key() -> RingKey {
    RingKey::from_secret(Secret32::from_bytes([7; 32]))
}

pub(crate) struct World {
    pub(crate) signer: LogSigner,
    frontier: Frontier,
    nodes: HashMap<NodeId, NodeHash>,
    pub(crate) views: Vec<RecordView>,
    case_chains: HashMap<CaseId, Vec<Commitment>>,
    exhibit_chain: Vec<Commitment>,
    pub(crate) pin: TrustPin,
    pub(crate) prosecutor: Member,
    pub(crate) auditor: Member,
    /// Others of the prosecutor's office, enrolled if asked for: two prosecutors and a recovery device.
    pub(crate) luc: Member,
    pub(crate) eva: Member,
    pub(crate) safe: Member,
    _folder: TempDir,
}

fn office(folder: &Path, id: &str, country: &str) -> Office {
    let path = folder.join(id);
    std::fs::create_dir(&path).unwrap();
    let from = LogTime::from_millis(1_767_225_600_000).unwrap();
    let new = NewOffice { id: id.parse().unwrap(), country: country.parse().unwrap(), name: id.parse().unwrap(), from, years: 10 };
    Office::found(&path, &new, "p", TEST_COST).unwrap()
}

fn on_list(office: &Office, roles: Vec<Role>, supervises: &[&str]) -> identity::Office {
    let root =
        OfficeRoot { certificate: office.root().clone(), from: claimed("2026-01-02T00:00:00Z"), until: claimed("2035-01-01T00:00:00Z") };
    identity::Office {
        id: office.root().office().clone(),
        name: office.root().name().clone(),
        country: office.root().country(),
        roles,
        roots: vec![root],
        supervises: supervises.iter().map(|id| id.parse().unwrap()).collect(),
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::founded(false)
    }

    /// With the others of the prosecutor's office enrolled.
    pub(crate) fn with_colleagues() -> Self {
        Self::founded(true)
    }

    fn founded(colleagues: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (om, inspection) = (office(folder.path(), "nl-om", "NL"), office(folder.path(), "eu-inspection", "BE"));
        let offices =
            vec![on_list(&inspection, vec![Role::Auditor], &["nl-om"]), on_list(&om, vec![Role::Prosecutor, Role::Recovery], &[])];
        let mut list = TrustListDraft { issued: claimed("2026-01-02T00:00:00Z"), threshold: 1, offices }.first().unwrap();
        om.sign_list(&mut list);
        inspection.sign_list(&mut list);
        let mut enrolments = Vec::new();
        let mut device = |seed: u8, office: &Office, person: &str, role: Role| {
            let key = SigningKey::from_bytes(&[seed; 32]);
            let sealing = SealingKeyPair::generate().unwrap();
            let draft = DeviceRequestDraft {
                device: DeviceId::from_bytes([seed; 16]),
                person: person.parse().unwrap(),
                name: "Joost".parse().unwrap(),
                label: "laptop".parse().unwrap(),
                role,
                sealing_key: Some(sealing.public().clone()),
                time: claimed("2026-01-03T10:00:00+01:00"),
            };
            let certificate = office.issue(&draft.sign(&key).unwrap(), LogTime::from_millis(START - 1000).unwrap(), 300).unwrap();
            let id = certificate.id().digest();
            enrolments.push((office.root().office().clone(), certificate));
            Member { key, sealing, id }
        };
        let prosecutor = device(1, &om, "nl-om/joost", Role::Prosecutor);
        let auditor = device(2, &inspection, "eu-inspection/ida", Role::Auditor);
        let (luc, eva) = (device(3, &om, "nl-om/luc", Role::Prosecutor), device(4, &om, "nl-om/eva", Role::Prosecutor));
        let safe = device(5, &om, "nl-om/safe", Role::Recovery);
        enrolments.truncate(if colleagues { 5 } else { 2 });
        let mut world = Self {
            signer: LogSigner::new(ORIGIN.parse().unwrap(), SigningKey::from_bytes(&[9; 32])).unwrap(),
            frontier: Frontier::empty(),
            nodes: HashMap::new(),
            views: Vec::new(),
            case_chains: HashMap::new(),
            exhibit_chain: Vec::new(),
            pin: TrustPin::new(list.digest()),
            prosecutor,
            auditor,
            luc,
            eva,
            safe,
            _folder: folder,
        };
        world.announce(&om, Body::TrustList(TrustListBody { list: list.to_json() }));
        for (office, certificate) in enrolments {
            let office = if office == *om.root().office() { &om } else { &inspection };
            world.announce(office, Body::DeviceEnrol(DeviceEnrol { certificate: Base64(certificate.der().to_vec()) }));
        }
        world
    }

    fn seen(&self) -> Seen {
        Seen { size: self.frontier.size().get(), root: Sha256Digest::from_bytes(*self.frontier.root().as_bytes()) }
    }

    fn draft(&self, case: CaseId, body: Body) -> Intent {
        Intent {
            origin: ORIGIN.to_owned(),
            id: IntentId::from_bytes(random()),
            case,
            exhibit: None,
            purpose: None,
            recipients: Vec::new(),
            time: claimed("2026-11-23T21:04:05+01:00"),
            clock: ClockSource::Os,
            group: None,
            seen: self.seen(),
            chain_seen: None,
            body,
            sealed: None,
        }
    }

    fn announce(&mut self, office: &Office, body: Body) {
        let signed = office.sign(Typ::Intent, &self.draft(CaseId::REGISTRY, body).payload().unwrap());
        let signed = UnverifiedIntent::parse(signed.text()).unwrap().verify(office.root().key()).unwrap();
        self.append(&signed, Outcome::Accepted);
    }

    /// Seals a reason to the auditor, and under the ring key unless it is for reading the log.
    pub(crate) fn sealed(&self, intent: IntentId, reason: &str, ring: bool) -> Sealed {
        let key = ReasonKey::from_secret(random_secret());
        let text = SealedText { reason: Prose::new(reason).unwrap(), reference: None, case_title: None, exhibit_title: None };
        let place = SealedTextPlace { origin: ORIGIN, intent };
        let message = text.seal::<AwsLcCipher>(&place, &key, &Salt::from_bytes(random())).unwrap();
        let sealed_key = hpke::seal(self.auditor.sealing.public(), &auditor_info(intent), b"", key.secret().expose()).unwrap();
        let place = ReasonKeyWrap { case: CASE, version: RingVersion(1), intent };
        let wrapped = wrap::<AwsLcCipher, _>(&place, &ring_key(), &key, &Salt::from_bytes(random())).unwrap();
        Sealed {
            message: Base64Url(message),
            ring: ring.then(|| RingWrap { version: 1, wrap: Base64Url(wrapped.as_bytes().to_vec()) }),
            auditors: vec![AuditorWrap { certificate: self.auditor.id, wrap: Base64Url(sealed_key) }],
            trust_list: 1,
        }
    }

    pub(crate) fn founding(&self) -> Intent {
        let digest = Sha256Digest::of(&[b"x"]);
        let body = CaseCreate {
            group_id: Hex(vec![1; 20]),
            group_info: digest,
            ring_version: 1,
            ring_commitment: digest,
            ring_row: digest,
            members: vec![Add { certificate: self.prosecutor.id, terms: Terms::Founder }],
            parent: None,
            review: "2027-01-01".to_owned(),
        };
        let mut intent = self.draft(CASE, Body::CaseCreate(body));
        intent.sealed = Some(self.sealed(intent.id, "a new case", true));
        intent
    }

    pub(crate) fn in_case(&self, body: Body, reason: &str) -> Intent {
        let mut intent = self.draft(CASE, body);
        intent.group = Some(GroupSeen { id: Hex(GroupId::first(CASE).to_bytes().to_vec()), epoch: 0, transcript: Hex(Vec::new()) });
        intent.sealed = Some(self.sealed(intent.id, reason, true));
        if intent.kind().concern() == Concern::Exhibit {
            intent.exhibit = Some(EXHIBIT);
            let last = self.exhibit_chain.last().map(|last| (self.exhibit_chain.len() as u64 - 1, last.0));
            intent.chain_seen = last.map(|(seq, commitment)| ChainSeen { seq, commitment });
        }
        if intent.kind() == Kind::Disclosure {
            intent.purpose = Some(Purpose::Trial);
            intent.recipients = vec!["Court of Antwerp".to_owned()];
        }
        intent
    }

    pub(crate) fn leaving(&self) -> Intent {
        self.in_case(Body::MemberLeave(Nothing {}), "retired")
    }

    pub(crate) fn collection(&self, manifest_commitment: Sha256Digest) -> Intent {
        let digest = Sha256Digest::of(&[b"x"]);
        let body = Collection {
            manifest_commitment,
            manifest_object: Blake3Digest::of(b"manifest"),
            objects: 1,
            objects_digest: digest,
            sealed_bytes: 1,
            exhibit_key_commitment: digest,
            release_share_commitment: digest,
            ring_version: 1,
            handling: Handling::H0,
            review: "2027-01-01".to_owned(),
            derivation: None,
        };
        self.in_case(Body::Collection(body), "seized")
    }

    pub(crate) fn disclosure(&self, disclosure: Disclosure) -> Intent {
        self.in_case(Body::Disclosure(disclosure), "for the trial")
    }

    pub(crate) fn reading(&self) -> Intent {
        let mut intent = self.draft(CaseId::REGISTRY, Body::LogRead(LogRead { from: 0, to: self.frontier.size().get() }));
        intent.purpose = Some(Purpose::LawfulnessCheck);
        intent.sealed = Some(self.sealed(intent.id, "yearly check", false));
        intent
    }

    pub(crate) fn act(&mut self, intent: Intent, by_auditor: bool) {
        let actor = if by_auditor { &self.auditor } else { &self.prosecutor };
        let signed = intent.sign(actor.id, &actor.key).unwrap();
        self.append(&signed, Outcome::Accepted);
    }

    pub(crate) fn append(&mut self, intent: &SignedIntent, outcome: Outcome) {
        let case_chain = self.case_chains.entry(intent.case).or_default();
        let index = self.frontier.size().get();
        let core =
            Core { index, time: LogTime::from_millis(START + index).unwrap(), outcome, attempts: 1, intent: intent.text().to_owned() };
        let exhibit = intent.exhibit.map(|exhibit| next(exhibit, &self.exhibit_chain));
        let salts = [PartSalt([1; 32]), PartSalt([2; 32]), PartSalt([3; 32])];
        let record = Record { core, case: next(intent.case, case_chain), exhibit, salts };
        case_chain.push(record.commitment());
        self.exhibit_chain.extend(exhibit.map(|_| record.commitment()));
        self.nodes.extend(self.frontier.append(leaf_hash(&record.commitment().entry())).unwrap());
        self.views.push(record.view(&[Part::Core, Part::Case, Part::Exhibit]));
    }

    /// The records of the exhibit's chain.
    pub(crate) fn exhibit_records(&self) -> Vec<RecordView> {
        self.views.iter().filter(|view| view.open().unwrap().exhibit.flatten().is_some()).cloned().collect()
    }

    /// The records of the registry.
    pub(crate) fn registry_records(&self) -> Vec<RecordView> {
        let of_registry = |view: &&RecordView| view.open().unwrap().case.is_some_and(|place| place.chain == CaseId::REGISTRY);
        self.views.iter().filter(of_registry).cloned().collect()
    }

    /// The proof that a record is in the whole tree.
    pub(crate) fn proof(&self, index: u64) -> InclusionProof {
        let index = LeafIndex::new(index).unwrap();
        inclusion_proof(index, self.frontier.size(), |node| Ok::<_, MerkleError>(self.nodes[&node])).unwrap()
    }

    pub(crate) fn checkpoint(&self) -> VerifiedCheckpoint {
        self.signer.sign(self.frontier.size(), self.frontier.root()).unwrap()
    }
}

/// The place after the last record of a chain.
fn next<Id: ChainId>(id: Id, chain: &[Commitment]) -> Place<Id> {
    Place::after(id, chain.last().map(|&commitment| ChainHead { seq: ChainSeq(chain.len() as u64 - 1), commitment }))
}
