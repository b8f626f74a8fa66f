//! Replays of a small log: what they find, what they read, what is cosigned.

use std::path::Path;

use custodia_core::custody::body::{Add, CaseCreate, DeviceEnrol, Nothing, Terms, TrustListBody};
use custodia_core::custody::intent::{ClockSource, GroupSeen, RingWrap, Seen, UnverifiedIntent};
use custodia_core::custody::kind::Kind;
use custodia_core::custody::receipt::{ClosedPart, PartView, RecordView};
use custodia_core::custody::record::{ChainHead, ChainSeq, Commitment, Core, Outcome, Part, Place, Record, RuleId, Salt as PartSalt};
use custodia_core::custody::wire::{Base64, Hex};
use custodia_core::digest::Sha256Digest;
use custodia_core::identity::{self, DeviceRequestDraft, OfficeRoot, Role, TrustListDraft, TrustPin};
use custodia_core::ids::DeviceId;
use custodia_core::jws::Typ;
use custodia_core::log::{CosignerKey, Frontier, LogSigner, SignedCheckpoint, leaf_hash};
use custodia_core::time::{ClaimedTime, LogTime};
use ed25519_dalek::SigningKey;
use tempfile::TempDir;
use time::OffsetDateTime;

use super::*;
use crate::clock::Clock;
use crate::entries::{EntryFilter, Stated};
use crate::office::{NewOffice, Office};
use crate::passphrase::TEST_COST;

const ORIGIN: &str = "vault.example/log";
const START: u64 = 1_795_467_845_000;
const CASE: CaseId = CaseId::from_bytes([5; 16]);

fn claimed(text: &str) -> ClaimedTime {
    ClaimedTime::parse(text).unwrap()
}

fn clock() -> Clock {
    Clock::new(ClockSource::Manual, || OffsetDateTime::from_unix_timestamp(1_795_467_900).unwrap())
}

struct Member {
    key: SigningKey,
    sealing: SealingKeyPair,
    id: Sha256Digest,
}

/// A log in memory that enters whatever it is given.
struct World {
    signer: LogSigner,
    frontier: Frontier,
    views: Vec<RecordView>,
    registry: Vec<Commitment>,
    case: Vec<Commitment>,
    pin: TrustPin,
    prosecutor: Member,
    auditor: Member,
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
    fn new() -> Self {
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
        let mut world = Self {
            signer: LogSigner::new(ORIGIN.parse().unwrap(), SigningKey::from_bytes(&[9; 32])).unwrap(),
            frontier: Frontier::empty(),
            views: Vec::new(),
            registry: Vec::new(),
            case: Vec::new(),
            pin: TrustPin::new(list.digest()),
            prosecutor,
            auditor,
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

    /// Seals a reason to the auditor, under a ring wrap that nobody opens.
    fn sealed(&self, intent: IntentId, reason: &str, ring: bool) -> Sealed {
        let key = ReasonKey::from_secret(random_secret());
        let text = SealedText { reason: Prose::new(reason).unwrap(), reference: None, case_title: None, exhibit_title: None };
        let place = SealedTextPlace { origin: ORIGIN, intent };
        let message = text.seal::<AwsLcCipher>(&place, &key, &Salt::from_bytes(random())).unwrap();
        let wrap = hpke::seal(self.auditor.sealing.public(), &auditor_info(intent), b"", key.secret().expose()).unwrap();
        Sealed {
            message: Base64Url(message),
            ring: ring.then(|| RingWrap { version: 1, wrap: Base64Url(vec![0; 104]) }),
            auditors: vec![AuditorWrap { certificate: self.auditor.id, wrap: Base64Url(wrap) }],
            trust_list: 1,
        }
    }

    fn founding(&self) -> Intent {
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

    fn leaving(&self) -> Intent {
        let mut intent = self.draft(CASE, Body::MemberLeave(Nothing {}));
        intent.group = Some(GroupSeen { id: Hex(vec![1; 20]), epoch: 0, transcript: Hex(vec![0; 48]) });
        intent.sealed = Some(self.sealed(intent.id, "retired", true));
        intent
    }

    fn reading(&self) -> Intent {
        let mut intent = self.draft(CaseId::REGISTRY, Body::LogRead(LogRead { from: 0, to: self.frontier.size().get() }));
        intent.purpose = Some(Purpose::LawfulnessCheck);
        intent.sealed = Some(self.sealed(intent.id, "yearly check", false));
        intent
    }

    fn act(&mut self, intent: Intent, by_auditor: bool) {
        let actor = if by_auditor { &self.auditor } else { &self.prosecutor };
        let signed = intent.sign(actor.id, &actor.key).unwrap();
        self.append(&signed, Outcome::Accepted);
    }

    fn append(&mut self, intent: &SignedIntent, outcome: Outcome) {
        let chain = if intent.case == CaseId::REGISTRY { &mut self.registry } else { &mut self.case };
        let head = chain.last().map(|&commitment| ChainHead { seq: ChainSeq(chain.len() as u64 - 1), commitment });
        let index = self.frontier.size().get();
        let core =
            Core { index, time: LogTime::from_millis(START + index).unwrap(), outcome, attempts: 1, intent: intent.text().to_owned() };
        let salts = [PartSalt([1; 32]), PartSalt([2; 32]), PartSalt([3; 32])];
        let record = Record { core, case: Place::after(intent.case, head), exhibit: None, salts };
        chain.push(record.commitment());
        self.frontier.append(leaf_hash(&record.commitment().entry())).unwrap();
        self.views.push(record.view(&[Part::Core, Part::Case, Part::Exhibit]));
    }

    fn checkpoint(&self) -> VerifiedCheckpoint {
        self.signer.sign(self.frontier.size(), self.frontier.root()).unwrap()
    }

    fn audit_of(&self, views: &[RecordView]) -> AuditReport {
        let reader = ReasonReader { own: self.auditor.id, key: self.auditor.sealing.clone() };
        let mut replaying = Replaying::new(self.checkpoint(), self.pin, reader);
        views.iter().for_each(|view| replaying.take(view));
        replaying.finish(self.views.len() as u64)
    }

    fn audit(&self) -> AuditReport {
        self.audit_of(&self.views)
    }
}

fn failed(report: &AuditReport) -> Vec<&str> {
    report.failed().map(|finding| finding.check.as_str()).collect()
}

fn ordinary() -> World {
    let mut world = World::new();
    world.act(world.founding(), false);
    world.act(world.reading(), true);
    world.act(world.leaving(), false);
    world
}

#[test]
fn a_genuine_log_is_replayed_without_a_failed_finding_and_its_reasons_are_read() {
    let report = ordinary().audit();
    assert_eq!(failed(&report), [""; 0], "{:?}", report.findings);
    assert_eq!(report.size(), 6);
    let kinds: Vec<Kind> = report.entries.iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [Kind::TrustList, Kind::DeviceEnrol, Kind::DeviceEnrol, Kind::CaseCreate, Kind::LogRead, Kind::MemberLeave]);
    assert_eq!(report.entries[0].office.as_ref().map(ToString::to_string), Some("nl-om".to_owned()));
    assert_eq!(report.entries[0].stated, Stated::NotAsked);
    assert!(matches!(&report.entries[4].stated, Stated::Opened(text) if text.reason.as_str() == "yearly check"));
    let of_ida = EntryFilter { person: Some("eu-inspection/ida".parse().unwrap()), ..EntryFilter::default() };
    assert_eq!(of_ida.select(&report.entries).iter().map(|entry| entry.index).collect::<Vec<_>>(), [4]);
    let json = report.to_json(&report.entries);
    assert_eq!((&json["size"], &json["entries"][3]["kind"]), (&6.into(), &"case.create".into()));
}

#[test]
fn a_reason_that_does_not_open_is_a_finding_against_its_actor() {
    let mut world = World::new();
    let mut intent = world.founding();
    intent.sealed = Some(world.sealed(IntentId::from_bytes([0; 16]), "another act's reason", true));
    world.act(intent, false);
    let report = world.audit();
    assert_eq!(failed(&report), ["AUD-09"]);
    assert!(report.failed().all(|finding| finding.text.contains("nl-om/joost") && finding.subject == "record 3"));
    assert_eq!(report.entries[3].stated, Stated::DoesNotOpen);
}

#[test]
fn a_reason_that_is_not_sealed_to_this_auditor_is_not_checked() {
    let mut world = World::new();
    let mut intent = world.founding();
    intent.sealed.as_mut().unwrap().auditors.clear();
    world.act(intent, false);
    let report = world.audit();
    assert_eq!(failed(&report), [""; 0]);
    let unchecked = report.findings.iter().find(|finding| finding.status == Status::NotChecked).unwrap();
    assert_eq!((unchecked.check.as_str(), unchecked.subject.as_str()), ("AUD-09", "1 reasons"));
    assert_eq!(report.entries[3].stated, Stated::NotForThisReader);
}

#[test]
fn an_act_without_membership_a_missing_and_a_swapped_record_are_found() {
    let mut world = World::new();
    world.act(world.founding(), false);
    world.act(world.leaving(), true);
    assert_eq!(failed(&world.audit()), ["AUD-07"], "an auditor acts in a case");

    let world = ordinary();
    assert!(failed(&world.audit_of(&world.views[..5])).contains(&"AUD-08"));
    let mut swapped = world.views.clone();
    swapped.swap(4, 5);
    let report = world.audit_of(&swapped);
    assert!(failed(&report).contains(&"AUD-01") && failed(&report).contains(&"AUD-08"));
    let mut closed = world.views.clone();
    closed[4] = without_core(&closed[4]);
    let report = world.audit_of(&closed);
    assert_eq!((failed(&report), report.erased.as_slice()), (vec!["AUD-02"], &[4][..]));
}

/// The record as it is shown after its payload was erased.
fn without_core(view: &RecordView) -> RecordView {
    let PartView::Opened(core) = &view.core else { panic!("opened") };
    let salt = PartSalt(core.salt.0.as_slice().try_into().unwrap());
    let commitment = Part::Core.commit(&salt, &core.bytes.0);
    RecordView { core: PartView::Closed(ClosedPart { commitment }), ..view.clone() }
}

#[test]
fn a_refusal_by_a_rule_that_a_replay_cannot_repeat_is_not_checked() {
    let mut world = World::new();
    let founding = world.founding();
    let signed = founding.sign(world.prosecutor.id, &world.prosecutor.key).unwrap();
    world.append(&signed, Outcome::Refused(RuleId::new("GRP-01").unwrap()));
    let report = world.audit();
    assert_eq!(failed(&report), [""; 0]);
    assert!(report.findings.iter().any(|finding| finding.check == "AUD-07" && finding.status == Status::NotChecked));
    assert_eq!(report.entries[3].refused_by.as_deref(), Some("GRP-01"));
}

fn cosigners_of(note: &str, world: &World, key: &CosignerKey) -> usize {
    let checkpoint = SignedCheckpoint::parse(note.as_bytes()).unwrap().verify(&world.signer.log_key()).unwrap();
    checkpoint.cosignatures(core::slice::from_ref(key)).unwrap().len()
}

#[test]
fn a_clean_replay_is_cosigned_again_and_again_as_the_log_grows() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = ordinary();
    let mut key = AuditorKey::create(folder.path(), "inspection.example/auditor", "p", TEST_COST).unwrap();
    let public = key.cosigner_key();
    assert_eq!(cosigners_of(&key.cosign(&world.audit(), &clock()).unwrap(), &world, &public), 1);
    assert!(matches!(AuditorKey::open(folder.path(), "p"), Err(AuditorKeyError::InUse(_))));
    drop(key);
    world.act(world.reading(), true);
    let mut key = AuditorKey::open(folder.path(), "p").unwrap();
    assert_eq!(key.cosigner_key(), public);
    assert_eq!(key.last_cosigned().unwrap().claim().size.get(), 6);
    key.cosign(&world.audit(), &clock()).unwrap();
    key.cosign(&world.audit(), &clock()).unwrap();
    assert_eq!(key.last_cosigned().unwrap().claim().size.get(), 7);
}

#[test]
fn faults_rollbacks_forks_and_other_logs_are_not_cosigned() {
    let folder = tempfile::tempdir().unwrap();
    let mut key = AuditorKey::create(folder.path(), "inspection.example/auditor", "p", TEST_COST).unwrap();
    let world = ordinary();
    let faulty = world.audit_of(&world.views[..5]);
    assert!(matches!(key.cosign(&faulty, &clock()), Err(AuditorKeyError::NotClean { .. })));
    assert!(key.last_cosigned().is_none());
    key.cosign(&world.audit(), &clock()).unwrap();
    let before = std::fs::read(folder.path().join("cosigned")).unwrap();

    let mut smaller = World::new();
    smaller.act(smaller.founding(), false);
    assert!(matches!(key.cosign(&smaller.audit(), &clock()), Err(AuditorKeyError::Rollback { cosigned: 6, size: 4 })));
    let mut forked = ordinary();
    forked.act(forked.reading(), true);
    assert!(matches!(key.cosign(&forked.audit(), &clock()), Err(AuditorKeyError::Fork(6))));
    assert_eq!(std::fs::read(folder.path().join("cosigned")).unwrap(), before);
}

#[test]
fn an_auditors_key_is_not_overwritten_nor_used_without_its_memory() {
    let folder = tempfile::tempdir().unwrap();
    let name = "inspection.example/auditor";
    AuditorKey::create(folder.path(), name, "p", TEST_COST).unwrap();
    assert!(matches!(AuditorKey::create(folder.path(), name, "p", TEST_COST), Err(AuditorKeyError::Exists(_))));
    assert!(matches!(AuditorKey::open(folder.path(), "q"), Err(AuditorKeyError::Passphrase(_))));
    assert!(matches!(AuditorKey::create(&folder.path().join("x"), "two words", "p", TEST_COST), Err(AuditorKeyError::Name(_))));
    let cosigned = folder.path().join("cosigned");
    let foreign = ordinary().checkpoint().note().as_str().to_owned();
    std::fs::write(&cosigned, foreign).unwrap();
    assert!(matches!(AuditorKey::open(folder.path(), "p"), Err(AuditorKeyError::Damaged(_))), "it bears no cosignature of this key");
    std::fs::remove_file(&cosigned).unwrap();
    assert!(matches!(AuditorKey::open(folder.path(), "p"), Err(AuditorKeyError::Io { .. })));
    let path = folder.path().join("auditor.key");
    let text = std::fs::read_to_string(&path).unwrap().replace("inspection", "inspectiom");
    std::fs::write(&path, text).unwrap();
    std::fs::write(&cosigned, b"").unwrap();
    assert!(matches!(AuditorKey::open(folder.path(), "p"), Err(AuditorKeyError::Damaged(_))), "the name was changed");
}
