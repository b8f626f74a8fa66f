//! What is too large, cut, forged or by the wrong people, sent over HTTP: refused by its code or rule, and nothing of it stands.

use custodia_api::error::ErrorCode;
use custodia_api::limits::{MAX_JSON_BYTES, MAX_KEY_PACKAGES};
use custodia_api::messages::{
    Act, Cases, ChangeMembers, ClaimKeyPackages, ClaimedKeyPackages, GrantUpload, KeyPackageCount, RegistryAct, UploadKeyPackages,
};
use custodia_core::custody::body::{Add, Body, DeviceEnrol, Terms};
use custodia_core::custody::intent::UnverifiedIntent;
use custodia_core::custody::wire::Base64;
use custodia_core::digest::Sha256Digest;
use custodia_core::group::facts::GroupId;
use custodia_core::identity::Role;
use custodia_core::jws::MAX_JWS_BYTES;
use custodia_mls::{BuiltKeyPackage, CaseGroup, Device, DeviceSigner, KeyPackageUse};
use ed25519_dalek::Signer as _;
use tokio::io::AsyncWriteExt as _;

use super::cases::{change, context, key_package, path, with_recovery};
use super::offices::{self, DIICOT, INSPECTION, TestOffice};
use super::world::{CASE, TestDevice, World};
use crate::backends::Pair;

fn once(packages: impl IntoIterator<Item = Vec<u8>>) -> UploadKeyPackages {
    UploadKeyPackages { one_time: packages.into_iter().map(Base64).collect(), last_resort: None }
}

fn built(world: &World, device: &TestDevice) -> Vec<u8> {
    BuiltKeyPackage::build(&device.mls, &device.mls_device(), KeyPackageUse::Once, world.clock.seconds()).unwrap().bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_lists_and_numbers_over_their_limits_are_refused_and_leave_no_trace() {
    let mut world = World::on(Pair::SqliteAndFolder).await;
    world.begin().await;
    let ana = world.prosecutor(11).await;
    world.found(&ana, CASE).await;
    let size = world.checkpoint().await.size();

    // By its declared length, and without one.
    let mut declared = world.request(&ana, "POST", "/v1/key-packages", Vec::new());
    declared.headers.last_mut().unwrap().1 = (MAX_JSON_BYTES + 1).to_string();
    world.send(&declared).await.refused(ErrorCode::TooLarge);
    let mut chunked = world.request(&ana, "POST", "/v1/key-packages", Vec::new());
    *chunked.headers.last_mut().unwrap() = ("transfer-encoding".to_owned(), "chunked".to_owned());
    let piece = [format!("{:x}\r\n", 1 << 20).into_bytes(), vec![b' '; 1 << 20], b"\r\n".to_vec()].concat();
    chunked.body = [piece.repeat(17), b"0\r\n\r\n".to_vec()].concat();
    world.send(&chunked).await.refused(ErrorCode::TooLarge);
    let identity = RegistryAct { intent: "a".repeat(MAX_JWS_BYTES + 2048) };
    world.post_registry(&identity.intent).await.refused(ErrorCode::TooLarge);

    let acts = format!("/v1/cases/{CASE}/acts");
    world.post(&ana, &acts, &Act { intent: "a".repeat(MAX_JWS_BYTES + 1) }).await.refused(ErrorCode::Malformed);
    let deep = world.request(&ana, "POST", &acts, vec![b'['; 1 << 20]);
    world.send(&deep).await.refused(ErrorCode::Malformed);
    let unknown = world.request(&ana, "POST", &acts, br#"{"intent":"x","surprise":1}"#.to_vec());
    world.send(&unknown).await.refused(ErrorCode::Malformed);

    world.post(&ana, "/v1/key-packages", &once(vec![vec![0]; MAX_KEY_PACKAGES + 1])).await.refused(ErrorCode::TooLarge);
    world.post(&ana, "/v1/key-packages", &once([vec![0; 1 << 20]])).await.refused(ErrorCode::TooLarge);
    let many = (0..=MAX_KEY_PACKAGES).map(|number| Sha256Digest::of(&[&number.to_be_bytes()])).collect();
    world.post(&ana, "/v1/key-packages/claim", &ClaimKeyPackages { devices: many }).await.refused(ErrorCode::Malformed);
    let grant = GrantUpload { intent: String::new(), grant: String::new() };
    let change = ChangeMembers {
        intent: String::new(),
        commit: Base64(Vec::new()),
        welcome: None,
        ring_row: None,
        group_info: Base64(Vec::new()),
        grants: vec![grant; 4097],
    };
    world.post(&ana, &path(), &change).await.refused(ErrorCode::TooLarge);
    for number in ["18446744073709551615", "9223372036854775808"] {
        world.get(&ana, &format!("/v1/cases/{CASE}/records?from={number}")).await.refused(ErrorCode::Malformed);
    }
    assert_eq!(world.get(&ana, "/v1/cases/x/records?from=0").await.status, 400);
    assert_eq!(world.get(&ana, &format!("/v1/cases/{CASE}/records?from=-1")).await.status, 400);

    assert_eq!(world.checkpoint().await.size(), size);
    assert_eq!(world.get(&ana, "/v1/key-packages/count").await.json::<KeyPackageCount>().one_time, 0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_breaks_off_is_not_entered_and_can_be_sent_whole() {
    let mut world = World::on(Pair::SqliteAndFolder).await;
    world.begin().await;
    let ana = world.prosecutor(11).await;
    let founding = world.founding(&ana, CASE);
    let request = world.request(&ana, "POST", "/v1/cases", serde_json::to_vec(&founding).unwrap());
    let size = world.checkpoint().await.size();
    for sent in [0, 1, request.body.len() / 2, request.body.len() - 1] {
        let mut text = format!("{} {} HTTP/1.1\r\n", request.method, request.path);
        for (name, value) in &request.headers {
            text.extend([name, ": ", value, "\r\n"]);
        }
        text.push_str("\r\n");
        let mut stream = tokio::net::TcpStream::connect(world.addr()).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream.write_all(&request.body[..sent]).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await;
        assert!(!rest.starts_with(b"HTTP/1.1 200"));
    }
    assert_eq!(world.checkpoint().await.size(), size);
    assert_eq!(world.send(&request).await.status, 200);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_re_dated_request_and_an_intent_sent_anew_by_another_are_refused() {
    let mut world = World::on(Pair::SqliteAndFolder).await;
    world.begin().await;
    let (ana, ion) = (world.prosecutor(11).await, world.prosecutor(12).await);
    let size = world.checkpoint().await.size();
    let mut later = world.request(&ana, "GET", "/v1/cases", Vec::new());
    let created = world.clock.seconds();
    let input = &mut later.headers.iter_mut().find(|(name, _)| name == "signature-input").unwrap().1;
    assert!(input.contains(&created.to_string()));
    *input = input.replace(&created.to_string(), &(created + 1).to_string());
    world.send(&later).await.refused(ErrorCode::NotAuthenticated);
    // Ana's intent in a request that Ion signs; then with a character of it changed.
    let founding = world.founding(&ana, CASE);
    world.post(&ion, "/v1/cases", &founding).await.refused(ErrorCode::NotAuthenticated);
    let mut cut = founding.clone();
    cut.intent.pop();
    world.post(&ana, "/v1/cases", &cut).await.refused(ErrorCode::Malformed);
    let mut changed = founding.clone();
    let at = changed.intent.len() - 10;
    let other = if changed.intent.as_bytes()[at] == b'A' { "B" } else { "A" };
    changed.intent.replace_range(at..=at, other);
    world.post(&ana, "/v1/cases", &changed).await.refused(ErrorCode::NotAuthenticated);
    assert_eq!(world.checkpoint().await.size(), size);
    assert_eq!(world.post(&ana, "/v1/cases", &founding).await.status, 200);
    world.stop().await;
}

const NOWHERE: TestOffice = TestOffice { id: "xx-nowhere", country: "RO", seed: 9 };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_of_unknown_offices_other_roles_and_other_keys_get_nowhere() {
    let mut world = World::on(Pair::SqliteAndFolder).await;
    world.begin().await;
    let ana = world.prosecutor(11).await;
    let enrol = |office, role, seed, born| {
        Body::DeviceEnrol(DeviceEnrol { certificate: Base64(offices::device_certificate(office, role, seed, born)) })
    };
    // An office that is on no list; one that is, for another's device; one for a role that it may not give; and another person for a device that exists.
    let size = world.checkpoint().await.size();
    let unknown = enrol(NOWHERE, Role::Prosecutor, 40, world.born);
    world.registry(NOWHERE, unknown.clone()).await.refused(ErrorCode::NotAuthenticated);
    assert_eq!(world.checkpoint().await.size(), size);
    let foreign = enrol(INSPECTION, Role::Auditor, 41, world.born);
    let beyond = enrol(DIICOT, Role::Auditor, 42, world.born);
    let twice = enrol(INSPECTION, Role::Auditor, 11, world.born);
    for (office, body, rule) in
        [(DIICOT, unknown, "IDN-06"), (DIICOT, foreign, "IDN-09"), (DIICOT, beyond, "IDN-07"), (INSPECTION, twice, "IDN-10")]
    {
        let refused = world.registry(office, body).await.refused(ErrorCode::NotPermitted);
        assert_eq!(refused.rule.as_deref(), Some(rule));
        assert!(refused.receipt.is_some());
    }
    // A device of another role does not found, and does not join.
    let auditor = world.auditor(43).await;
    let founding = world.founding(&auditor, CASE);
    assert_eq!(world.post(&auditor, "/v1/cases", &founding).await.refused(ErrorCode::NotPermitted).rule.as_deref(), Some("ACC-02"));
    // A key package of Ana's certificate under another key, by whomever it comes.
    let ion = world.prosecutor(12).await;
    let mixed = Device { certificate: ana.certificate.clone(), signer: DeviceSigner::new(ion.key.clone()) };
    let mixed = BuiltKeyPackage::build(&ion.mls, &mixed, KeyPackageUse::Once, world.clock.seconds()).unwrap().bytes;
    for device in [&ana, &ion] {
        world.post(device, "/v1/key-packages", &once([mixed.clone()])).await.refused(ErrorCode::Malformed);
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_an_auditor_or_revoked_is_not_added_even_by_a_key_package_from_before() {
    let mut world = World::on(Pair::SqliteAndFolder).await;
    let (ana, _recovery) = with_recovery(&mut world).await;
    let (auditor, ion) = (world.auditor(43).await, world.prosecutor(14).await);
    let packages = [key_package(&world, &auditor).await, key_package(&world, &ion).await];
    let revoked = offices::device_id(ion.seed);
    let body = custodia_core::custody::body::DeviceRevoke { device: revoked, reason: custodia_core::identity::RevocationReason::Lost };
    assert_eq!(world.registry(DIICOT, Body::DeviceRevoke(body)).await.status, 200);
    for (device, package) in [&auditor, &ion].into_iter().zip(packages) {
        let request = change(&mut world, &ana, 1, &[(device, package)], Terms::Full).await;
        let rule = world.post(&ana, &path(), &request).await.refused(ErrorCode::NotPermitted).rule;
        // The auditors' office may have no recovery device either, which is noticed first.
        assert!(matches!(rule.as_deref(), Some("MEM-02" | "IDN-15" | "GRP-16")), "{rule:?}");
        CaseGroup::load(&ana.mls, GroupId::first(CASE)).unwrap().unwrap().clear_pending(&ana.mls).unwrap();
    }
    let claim = ClaimKeyPackages { devices: vec![ion.id()] };
    world.post(&ana, "/v1/key-packages/claim", &claim).await.refused(ErrorCode::NotFound);
    let cases: Cases = world.get(&ana, "/v1/cases").await.json();
    assert_eq!((cases.cases[0].epoch, cases.cases[0].members.len()), (1, 2));
    world.stop().await;
}

/// Where the init key begins: version and wire format, version and suite, then the vector's length in two bytes.
const INIT_KEY: usize = 2 + 2 + 2 + 2 + 2;
const XWING_KEY: usize = 1216;
/// A signature: a length in two bytes, and 64.
const SIGNATURE: usize = 66;

/// `SignWithLabel` of RFC 9420 over `content`, written where the signature stands.
fn sign(device: &TestDevice, label: &str, content: &[u8]) -> [u8; 64] {
    let label = format!("MLS 1.0 {label}");
    let length = (0x4000 | u16::try_from(content.len()).unwrap()).to_be_bytes();
    device.key.sign(&[&[u8::try_from(label.len()).unwrap()], label.as_bytes(), &length, content].concat()).to_bytes()
}

/// A key package that its own device changed and signed anew, leaf and all, as a dishonest one could.
fn changed(world: &World, device: &TestDevice, change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut bytes = built(world, device);
    change(&mut bytes);
    let end = bytes.len() - SIGNATURE;
    // No extensions: one byte of length stands between the leaf and the signature.
    let leaf = INIT_KEY + XWING_KEY..end - 1;
    let signed = sign(device, "LeafNodeTBS", &bytes[leaf.start..leaf.end - SIGNATURE]);
    bytes[leaf.end - 64..leaf.end].copy_from_slice(&signed);
    let signed = sign(device, "KeyPackageTBS", &bytes[4..end]);
    bytes[end + 2..].copy_from_slice(&signed);
    bytes
}

/// Where the leaf's lifetime stands: two times, one before now and one after.
fn lifetime(world: &World, bytes: &[u8]) -> usize {
    let now = world.clock.seconds();
    let time = |at: usize| u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap());
    let around = |at: &usize| (now - 86_400..=now).contains(&time(*at)) && (now..now + 800 * 86_400).contains(&time(at + 8));
    (INIT_KEY + XWING_KEY..bytes.len() - 16).find(around).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_packages_that_are_expired_reused_for_a_century_or_malformed_serve_nobody() {
    let mut world = World::on(Pair::SqliteAndFolder).await;
    world.begin().await;
    let ana = world.prosecutor(11).await;
    let untouched = built(&world, &ana);
    let same = changed(&world, &ana, |_| {});
    assert_eq!(same.len(), untouched.len());
    let upload = async |package: Vec<u8>| world.post(&ana, "/v1/key-packages", &once([package])).await;
    let now = world.clock.seconds();
    let century = changed(&world, &ana, |bytes| {
        let at = lifetime(&world, bytes);
        bytes[at + 8..at + 16].copy_from_slice(&(now + 100 * 365 * 86_400).to_be_bytes());
    });
    let expired = changed(&world, &ana, |bytes| {
        let at = lifetime(&world, bytes);
        bytes[at + 8..at + 16].copy_from_slice(&(now - 1).to_be_bytes());
    });
    let malformed = changed(&world, &ana, |bytes| bytes[INIT_KEY..INIT_KEY + 3].fill(0xff));
    for (package, rule) in [(century, "GRP-10"), (expired, "GRP-10"), (malformed, "GRP-11")] {
        let refused = upload(package).await.refused(ErrorCode::Malformed);
        assert!(refused.message.contains(rule), "{}", refused.message);
    }
    let mut cut = untouched.clone();
    cut.pop();
    upload(cut).await.refused(ErrorCode::Malformed);

    // Signed anew without a change it is taken, so the refusals above are for the change; and it is given out once.
    assert_eq!(upload(same).await.json::<KeyPackageCount>().one_time, 1);
    let claim = ClaimKeyPackages { devices: vec![ana.id()] };
    let claimed: ClaimedKeyPackages = world.post(&ana, "/v1/key-packages/claim", &claim).await.json();
    assert_eq!(claimed.packages.len(), 1);
    world.post(&ana, "/v1/key-packages/claim", &claim).await.refused(ErrorCode::NotFound);
    // One that grew too old while it waited is thrown away.
    assert_eq!(upload(untouched).await.json::<KeyPackageCount>().one_time, 1);
    world.clock.advance(95 * 86_400);
    world.post(&ana, "/v1/key-packages/claim", &claim).await.refused(ErrorCode::NotFound);
    assert_eq!(world.get(&ana, "/v1/key-packages/count").await.json::<KeyPackageCount>().one_time, 0);
    world.stop().await;
}

/// A commit's request, delivered by somebody under an intent of their own.
fn delivered_by(world: &mut World, device: &TestDevice, request: &ChangeMembers, commit: Vec<u8>) -> ChangeMembers {
    let mut intent = UnverifiedIntent::parse(&request.intent).unwrap().unverified().clone();
    intent.id = world.next_intent();
    if let Body::MemberChange(body) = &mut intent.body {
        body.commit = Sha256Digest::of(&[&commit]);
    }
    let intent = intent.sign(device.id(), &device.key).unwrap().text().to_owned();
    ChangeMembers { intent, commit: Base64(commit), ..request.clone() }
}

/// A commit of a device that puts another certificate into its leaf.
async fn commit_as(world: &World, device: &TestDevice, certificate: &[u8]) -> Vec<u8> {
    let context = context(world, device, CASE, 1).await;
    let posing = Device { certificate: certificate.to_vec(), signer: DeviceSigner::new(device.key.clone()) };
    let mut group = CaseGroup::load(&device.mls, GroupId::first(CASE)).unwrap().unwrap();
    let commit = group.prepare_commit(&device.mls, &posing, custodia_mls::Changes::default(), &context).unwrap().commit;
    group.clear_pending(&device.mls).unwrap();
    commit
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_that_are_damaged_by_strangers_or_with_another_credential_do_not_move_the_group() {
    let mut world = World::on(Pair::SqliteAndFolder).await;
    let (ana, recovery) = with_recovery(&mut world).await;
    let stranger = world.prosecutor(14).await;
    let forget = || CaseGroup::load(&ana.mls, GroupId::first(CASE)).unwrap().unwrap().clear_pending(&ana.mls).unwrap();
    let good = change(&mut world, &ana, 1, &[], Terms::None).await;
    let refused = async |world: &World, by: &TestDevice, request: &ChangeMembers| {
        world.post(by, &path(), request).await.refused(ErrorCode::NotPermitted).rule.unwrap()
    };
    // The tags at the end, which a server cannot check: on the way, and by others who deliver a copy of their own.
    let mut damaged = good.commit.0.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let on_the_way = ChangeMembers { commit: Base64(damaged.clone()), ..good.clone() };
    assert_eq!(refused(&world, &ana, &on_the_way).await, "MEM-01");
    for (device, rule) in [(&stranger, "ACC-03"), (&recovery, "GRP-09")] {
        let copy = delivered_by(&mut world, device, &good, damaged.clone());
        assert_eq!(refused(&world, device, &copy).await, rule);
    }
    // A request that a rule refused has had its answer; the commit itself is fine under an intent of its own.
    let whole = delivered_by(&mut world, &ana, &good, good.commit.0.clone());
    forget();
    let posing = commit_as(&world, &ana, &stranger.certificate).await;
    let mut changed = delivered_by(&mut world, &ana, &good, posing);
    let mut intent = UnverifiedIntent::parse(&changed.intent).unwrap().unverified().clone();
    if let Body::MemberChange(body) = &mut intent.body {
        body.adds = vec![Add { certificate: stranger.id(), terms: Terms::Resync }];
        body.removes = vec![ana.id()];
    }
    changed.intent = intent.sign(ana.id(), &ana.key).unwrap().text().to_owned();
    let rule = refused(&world, &ana, &changed).await;
    assert!(matches!(rule.as_str(), "GRP-07" | "GRP-08"), "{rule}");
    let cases: Cases = world.get(&ana, "/v1/cases").await.json();
    assert_eq!((cases.cases[0].epoch, cases.cases[0].members.len()), (1, 2));
    assert_eq!(world.post(&ana, &path(), &whole).await.status, 200);
    // Its epoch has its commit now.
    let again = delivered_by(&mut world, &ana, &good, good.commit.0.clone());
    assert_eq!(world.post(&ana, &path(), &again).await.refused(ErrorCode::StaleEpoch).epoch, Some(2));
    world.stop().await;
}
