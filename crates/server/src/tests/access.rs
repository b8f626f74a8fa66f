//! Every request as every kind of caller, against the table of `docs/ACCESS.md`.

use std::collections::BTreeMap;

use custodia_api::error::ErrorBody;
use custodia_api::messages::{
    Act, Changed, Changes, ClaimKeyPackages, Collect, GrantUpload, ReadLog, RecordsPage, RegistryAct, UploadKeyPackages, Welcomes,
};
use custodia_core::custody::body::{
    Body, Collection, Consultation, DeviceEnrol, Disclosure, GroupReport, Handling, LogRead, MemberChange, Nothing, Terms, ViewMode,
};
use custodia_core::custody::intent::ChainSeen;
use custodia_core::custody::kind::Purpose;
use custodia_core::custody::receipt::PartView;
use custodia_core::custody::wire::Base64;
use custodia_core::digest::{Blake3Digest, Sha256Digest};
use custodia_core::group::facts::{Epoch, GroupId};
use custodia_core::identity::Role;
use custodia_core::ids::{CaseId, ExhibitId};
use custodia_core::jws::{self, Typ};
use custodia_core::secret::Secret32;
use custodia_mls::{CaseGroup, Incoming, StagedJoin};

use super::cases::{change, context, empty_change, key_package, unreported};
use super::offices::{DIICOT, INSPECTION, device_certificate};
use super::world::{Answer, CASE, Request, TestDevice, World};
use crate::backends::Pair;
use crate::config::LimitsConfig;
use crate::http::ROUTES;
use crate::shares;

const PAGE: &str = include_str!("../../../../docs/ACCESS.md");
/// Identifiers that nobody drew.
const NO_CASE: CaseId = CaseId::from_bytes([0x0f; 16]);
const NO_EXHIBIT: ExhibitId = ExhibitId::from_bytes([0x0e; 16]);
const SHARE: [u8; 32] = [0x5e; 32];
pub(super) const OBJECT: &[u8] = b"sealed";

/// The table: by request and caller, what is answered.
fn table() -> BTreeMap<(String, String), String> {
    let rows: Vec<Vec<&str>> = PAGE
        .lines()
        .skip_while(|line| !line.starts_with("| request |"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let cells = |row: &Vec<&str>| {
        let request = row[0].trim_matches('`').to_owned();
        rows[0][1..]
            .iter()
            .zip(&row[1..])
            .map(|(caller, cell)| ((request.clone(), (*caller).to_owned()), (*cell).to_owned()))
            .collect::<Vec<_>>()
    };
    rows[2..].iter().flat_map(cells).collect()
}

/// What an answer is called in the table.
fn word(answer: &Answer, caller: &str) -> String {
    if (200..300).contains(&answer.status) {
        return "ok".to_owned();
    }
    let error: ErrorBody = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer.status, error.code.status());
    if let Some(receipt) = &error.receipt {
        let closed = |part: &PartView| matches!(part, PartView::Closed(_));
        assert!(closed(&receipt.record.case) && closed(&receipt.record.exhibit), "{caller} is shown a place in a chain");
    }
    let code = serde_json::to_value(error.code).unwrap();
    match (code.as_str().unwrap(), error.rule, error.receipt) {
        ("not-found", None, None) => "none".to_owned(),
        ("not-permitted", Some(rule), Some(_)) => rule,
        ("unknown-device", None, None) => "unknown".to_owned(),
        ("not-authenticated", None, None) => "unsigned".to_owned(),
        // Revoked or expired; whatever was a genuine act of the device is entered as refused.
        ("device-not-in-good-standing", None, None) => caller.to_owned(),
        ("device-not-in-good-standing", Some(rule), Some(_)) if rule == "ACC-01" => caller.to_owned(),
        (code, rule, _) => format!("{code} {rule:?} {}", error.message),
    }
}

/// A case, an exhibit in it that `object` belongs to, and the last record of its chain.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub case: CaseId,
    pub exhibit: ExhibitId,
    chain: ChainSeen,
}

pub(super) struct Scene {
    pub world: World,
    pub place: Place,
    /// Numbers for identifiers that must be new each time.
    fresh: u8,
}

impl Scene {
    fn fresh(&mut self) -> u8 {
        self.fresh += 1;
        self.fresh
    }

    /// A collection of one object.
    fn collection(&mut self, device: &TestDevice, case: CaseId, exhibit: ExhibitId, ring_version: u32) -> Collect {
        let names = vec![Blake3Digest::of(OBJECT)];
        let body = Collection {
            manifest_commitment: Sha256Digest::of(&[b"manifest"]),
            manifest_object: names[0],
            objects: 1,
            objects_digest: shares::objects_digest(&names),
            sealed_bytes: OBJECT.len() as u64,
            exhibit_key_commitment: Sha256Digest::of(&[b"key"]),
            release_share_commitment: shares::commitment(exhibit, &Secret32::from_bytes(SHARE)),
            ring_version,
            handling: Handling::H0,
            review: "2030-01-01".to_owned(),
            derivation: None,
        };
        let intent = self.intent(device, case, Some(exhibit), Body::Collection(body));
        Collect { intent, objects: names, release_share: Base64(SHARE.to_vec()), group_share: Base64(vec![3; 104]), source: None }
    }

    /// A signed intent; openings and disclosures name purpose, recipient and the exhibit's last record.
    pub fn intent(&mut self, device: &TestDevice, case: CaseId, exhibit: Option<ExhibitId>, body: Body) -> String {
        let opening = matches!(body, Body::Consultation(_) | Body::Disclosure(_));
        let log_read = matches!(body, Body::LogRead(_));
        let disclosure = matches!(body, Body::Disclosure(_));
        let mut intent = self.world.intent(case, body);
        intent.exhibit = exhibit;
        intent.purpose = opening.then_some(Purpose::Investigation).or_else(|| log_read.then_some(Purpose::LawfulnessCheck));
        intent.recipients = if disclosure { vec!["ro-diicot/person".to_owned()] } else { Vec::new() };
        intent.chain_seen = opening.then_some(self.place.chain);
        intent.sign(device.id(), &device.key).unwrap().text().to_owned()
    }

    /// The request of a route as a device sends it about a place.
    pub async fn request(&mut self, method: &str, path: &str, device: &TestDevice, place: Place, member: bool) -> Request {
        let Place { case, exhibit, .. } = place;
        let name = Blake3Digest::of(OBJECT);
        let target = path
            .replace("{case}", &case.to_string())
            .replace("{exhibit}", &exhibit.to_string())
            .replace("{name}", &name.to_string())
            .replace("{path}", "0/000.p/1");
        let query = match path {
            "/v1/log/consistency" => "?from=1&to=2",
            "/v1/log/kept" => "?at_least=1",
            _ => "",
        };
        let body = match (method, path) {
            ("get", _) => Vec::new(),
            ("put", _) => {
                let fresh = ExhibitId::from_bytes([self.fresh(); 16]);
                let target = target.replace(&exhibit.to_string(), &fresh.to_string());
                return self.world.request(device, "PUT", &target, OBJECT.to_vec());
            }
            ("post", "/v1/log/cosignatures") => self.world.cosigned().await.into_bytes(),
            ("post", "/v1/log/read") => {
                let intent = self.intent(device, case, None, Body::LogRead(LogRead { from: 0, to: 1 }));
                json(&ReadLog { intent })
            }
            ("post", "/v1/registry") => {
                let seed = self.fresh();
                let certificate = device_certificate(DIICOT, Role::Prosecutor, seed, self.world.clock.seconds());
                let intent = self.world.intent(CaseId::REGISTRY, Body::DeviceEnrol(DeviceEnrol { certificate: Base64(certificate) }));
                let signed = intent.sign(DIICOT.root_id(self.world.born).digest(), &super::offices::key(DIICOT.seed)).unwrap();
                json(&RegistryAct { intent: signed.text().to_owned() })
            }
            ("post", "/v1/key-packages") => json(&UploadKeyPackages { one_time: Vec::new(), last_resort: None }),
            ("post", "/v1/key-packages/claim") => json(&ClaimKeyPackages { devices: Vec::new() }),
            ("post", "/v1/cases") => {
                let new = CaseId::from_bytes([self.fresh(); 16]);
                json(&self.world.founding(device, new))
            }
            ("post", "/v1/cases/{case}/changes") if member => json(&change(&mut self.world, device, 2, &[], Terms::None).await),
            ("post", "/v1/cases/{case}/changes") => {
                let intent = self.intent(device, case, None, Body::MemberChange(empty_change()));
                let some = "Y29tbWl0";
                json(&serde_json::json!({"intent": intent, "commit": some, "ring_row": some, "group_info": some, "grants": []}))
            }
            ("post", "/v1/cases/{case}/succession") => {
                let intent = self.intent(device, case, None, Body::GroupSucceed(unreported(device)));
                let some = "Y29tbWl0";
                let message = serde_json::json!({"intent": intent, "founding": some, "commit": some, "ring_row": some, "group_info": some});
                message.to_string().into_bytes()
            }
            ("post", "/v1/cases/{case}/acts") => {
                let report = GroupReport { epoch: 0, commit: Sha256Digest::of(&[b"commit"]), error: "cannot be processed".to_owned() };
                json(&Act { intent: self.intent(device, case, None, Body::GroupReport(report)) })
            }
            ("post", "/v1/cases/{case}/grants") => {
                let grant = jws::sign(Typ::Grant, device.id(), b"sealed to a device", &device.key).text().to_owned();
                let digest = Sha256Digest::of(&[grant.as_bytes()]);
                let to = Disclosure::Grant { grant: digest, device: self.recipient() };
                let intent = self.intent(device, case, Some(exhibit), Body::Disclosure(to));
                json(&GrantUpload { intent, grant })
            }
            ("post", "/v1/cases/{case}/exhibits/{exhibit}") => {
                let fresh = ExhibitId::from_bytes([self.fresh(); 16]);
                let target = target.replace(&exhibit.to_string(), &fresh.to_string());
                if member {
                    self.world.put(device, &format!("{target}/objects/{name}"), OBJECT).await;
                }
                let body = json(&self.collection(device, case, fresh, 2));
                return self.world.request(device, "POST", &target, body);
            }
            ("post", "/v1/cases/{case}/exhibits/{exhibit}/acts") => {
                let opening = Body::Consultation(Consultation { mode: ViewMode::View });
                json(&Act { intent: self.intent(device, case, Some(exhibit), opening) })
            }
            _ => panic!("no request is known for {method} {path}; write one, and its row in docs/ACCESS.md"),
        };
        let method = if method == "get" { "GET" } else { "POST" };
        self.world.request(device, method, &format!("{target}{query}"), body)
    }

    fn recipient(&self) -> Sha256Digest {
        Sha256Digest::of(&[&device_certificate(DIICOT, Role::Recovery, RECOVERY, self.world.born)])
    }

    /// Sends every request as one caller, and compares with the table; those who are no members get the same about what does not exist.
    async fn compare(&mut self, caller: &str, device: &TestDevice, faults: &mut Vec<String>) {
        let table = table();
        let member = ["member", "recovery"].contains(&caller);
        // An auditor becomes a reader by this.
        let (reading, others): (Vec<_>, Vec<_>) = ROUTES.iter().partition(|(_, path)| *path == "/v1/log/read");
        for &&(method, route) in others.iter().chain(&reading) {
            let path = route.replace("{path:.*}", "{path}");
            let request = format!("{method} {path}");
            let Some(expected) = table.get(&(request.clone(), caller.to_owned())) else {
                faults.push(format!("{request} has no row for {caller}"));
                continue;
            };
            let answer = self.ask(method, &path, caller, device, self.place, member).await;
            let said = word(&answer, caller);
            if said != *expected {
                faults.push(format!("{request} as {caller}: {said}, not {expected}"));
            }
            if member || !path.contains("{case}") || (caller == "reader" && said == "ok") {
                continue;
            }
            let nowhere = Place { case: NO_CASE, exhibit: NO_EXHIBIT, ..self.place };
            let other = self.ask(method, &path, caller, device, nowhere, false).await;
            if told(&answer) != told(&other) {
                faults.push(format!("{request} as {caller} tells a case apart from none: {} and {}", told(&answer), told(&other)));
            }
        }
    }

    async fn ask(&mut self, method: &str, path: &str, caller: &str, device: &TestDevice, place: Place, member: bool) -> Answer {
        let mut request = self.request(method, path, device, place, member).await;
        if caller == "unsigned" {
            request.headers.retain(|(name, _)| !name.starts_with("signature"));
        }
        let answer = self.world.send(&request).await;
        if member && request.method == "POST" && path == "/v1/cases/{case}/changes" && answer.status == 200 {
            CaseGroup::load(&device.mls, GroupId::first(CASE)).unwrap().unwrap().merge_pending(&device.mls).unwrap();
        }
        answer
    }

    /// Brings a member's group up to date.
    async fn follow(&self, device: &TestDevice) {
        let mut group = CaseGroup::load(&device.mls, GroupId::first(CASE)).unwrap().unwrap();
        let path = format!("/v1/cases/{CASE}/changes?from={}", group.epoch().0);
        for row in self.world.get(device, &path).await.json::<Changes>().changes {
            let Incoming::Other(commit) = group.process(&device.mls, &row.commit.0).unwrap() else { panic!("another's commit") };
            group.merge(&device.mls, *commit).unwrap();
        }
    }
}

/// What an answer tells, but for the receipt of the refusal's own record, which differs each time.
fn told(answer: &Answer) -> String {
    let mut body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if let Some(receipt) = body.get_mut("receipt") {
        *receipt = "a receipt".into();
    }
    format!("{} {body}", answer.status)
}

fn json(body: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(body).unwrap()
}

const RECOVERY: u8 = 12;

/// Ana's case with a recovery device and three members, of whom one is removed; an exhibit; everybody else.
pub(super) async fn scene() -> (Scene, BTreeMap<&'static str, TestDevice>) {
    let limits = LimitsConfig { refusals_per_hour: 10_000, refused_per_minute: 10_000.try_into().unwrap(), ..LimitsConfig::default() };
    let mut world = World::with_limits(Pair::SqliteAndFolder, limits).await;
    world.begin().await;
    let mut people = BTreeMap::new();
    people.insert("member", world.prosecutor(11).await);
    people.insert("recovery", world.enrol(DIICOT, Role::Recovery, RECOVERY).await);
    for (name, seed) in [("left", 13), ("removed", 14), ("revoked", 15), ("outsider", 16)] {
        people.insert(name, world.prosecutor(seed).await);
    }
    people.insert("spare", world.enrol(DIICOT, Role::Recovery, 17).await);
    people.insert("auditor", world.auditor(18).await);
    people.insert("reader", world.enrol(INSPECTION, Role::Auditor, 19).await);
    people.insert("admin", world.enrol(DIICOT, Role::Administrator, 20).await);
    let mut unknown = world.prosecutor(21).await;
    unknown.certificate[20] ^= 1;
    people.insert("unknown", unknown);

    let (ana, recovery, removed) = (&people["member"], &people["recovery"], &people["removed"]);
    world.found(ana, CASE).await;
    let mut joining = Vec::new();
    for name in ["recovery", "left", "removed", "revoked"] {
        let package = key_package(&world, &people[name]).await;
        joining.push((&people[name], package));
    }
    let request = change(&mut world, ana, 1, &joining, Terms::Full).await;
    world.post(ana, &super::cases::path(), &request).await.json::<Changed>();
    CaseGroup::load(&ana.mls, GroupId::first(CASE)).unwrap().unwrap().merge_pending(&ana.mls).unwrap();
    let welcomes: Welcomes = world.get(recovery, "/v1/welcomes").await.json();
    drop(StagedJoin::open(&recovery.mls, &welcomes.welcomes[0].welcome.0, (GroupId::first(CASE), Epoch(1))).unwrap().accept());

    // An exhibit, before the removal renews the ring.
    let exhibit = ExhibitId::from_bytes([0xe1; 16]);
    let place = Place { case: CASE, exhibit, chain: ChainSeen { seq: 0, commitment: Sha256Digest::of(&[]) } };
    let mut scene = Scene { world, place, fresh: 100 };
    let path = format!("/v1/cases/{CASE}/exhibits/{exhibit}");
    assert_eq!(scene.world.put(ana, &format!("{path}/objects/{}", Blake3Digest::of(OBJECT)), OBJECT).await.status, 204);
    let collection = scene.collection(ana, CASE, exhibit, 1);
    assert_eq!(scene.world.post(ana, &path, &collection).await.status, 200);
    let page: RecordsPage = scene.world.get(ana, &format!("{path}/records")).await.json();
    let last = page.records.last().unwrap().open().unwrap();
    scene.place.chain = ChainSeen { seq: last.exhibit.unwrap().unwrap().seq.0, commitment: last.commitment.0 };

    assert_eq!(scene.world.bring("/v1/log/cosignatures", scene.world.cosigned().await.as_bytes()).await.status, 200);
    remove(&mut scene, ana, removed).await;
    scene.follow(recovery).await;
    (scene, people)
}

/// Ana removes a member; the ring is renewed.
async fn remove(scene: &mut Scene, ana: &TestDevice, gone: &TestDevice) {
    let context = context(&scene.world, ana, CASE, 2).await;
    let mut group = CaseGroup::load(&ana.mls, GroupId::first(CASE)).unwrap().unwrap();
    let leaf = group.members().unwrap().into_iter().find(|leaf| leaf.certificate == gone.certificate).unwrap().index;
    let changes = custodia_mls::Changes { add: Vec::new(), remove: vec![leaf] };
    let prepared = group.prepare_commit(&ana.mls, &ana.mls_device(), changes, &context).unwrap();
    let row = vec![7; 104];
    let body = MemberChange {
        epoch: group.epoch().0,
        commit: Sha256Digest::of(&[&prepared.commit]),
        welcome: None,
        ring_version: 2,
        ring_commitment: context.ring_commitment,
        ring_row: Some(Sha256Digest::of(&[&row])),
        adds: Vec::new(),
        removes: vec![gone.id()],
        resync: false,
    };
    let intent = scene.intent(ana, CASE, None, Body::MemberChange(body));
    let request = custodia_api::messages::ChangeMembers {
        intent,
        commit: Base64(prepared.commit),
        welcome: None,
        ring_row: Some(Base64(row)),
        group_info: Base64(prepared.group_info),
        grants: Vec::new(),
    };
    scene.world.post(ana, &super::cases::path(), &request).await.json::<Changed>();
    group.merge_pending(&ana.mls).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_answers_each_caller_as_the_page_says() {
    let (mut scene, people) = scene().await;
    let ana = &people["member"];
    let mut faults = Vec::new();
    let own = CaseId::from_bytes([0xdd; 16]);
    scene.world.found(&people["outsider"], own).await;
    let read = scene.intent(&people["reader"], CASE, None, Body::LogRead(LogRead { from: 0, to: 1 }));
    assert_eq!(scene.world.post(&people["reader"], "/v1/log/read", &ReadLog { intent: read }).await.status, 200);

    scene.compare("recovery", &people["recovery"], &mut faults).await;
    scene.follow(ana).await;
    for caller in ["member", "removed", "outsider", "spare", "auditor", "reader", "admin", "unknown"] {
        scene.compare(caller, &people[caller], &mut faults).await;
    }
    scene.compare("unsigned", &people["outsider"], &mut faults).await;

    let left = &people["left"];
    let leave = scene.intent(left, CASE, None, Body::MemberLeave(Nothing {}));
    assert_eq!(scene.world.post(left, &format!("/v1/cases/{CASE}/acts"), &Act { intent: leave }).await.status, 200);
    scene.compare("left", left, &mut faults).await;
    assert_eq!(scene.world.revoke(&people["revoked"]).await.status, 200);
    scene.compare("revoked", &people["revoked"], &mut faults).await;
    scene.world.clock.advance(101 * 86_400);
    scene.compare("expired", ana, &mut faults).await;

    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let rows: std::collections::BTreeSet<String> = table().into_keys().map(|(request, _)| request).collect();
    assert_eq!(rows.len(), ROUTES.len(), "a row of docs/ACCESS.md has no route, or stands twice");
    scene.world.stop().await;
}
