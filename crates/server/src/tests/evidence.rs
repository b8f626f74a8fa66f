//! Evidence: intake, collection, openings, objects, erasure.

use custodia_api::error::ErrorCode;
use custodia_api::messages::{Acknowledged, Act, Changed, Collect, ExhibitRow, Exhibits, Objects, RecordsPage, Released};
use custodia_core::custody::body::{Body, Collection, Consultation, Erasure, Handling, Nothing, Terms, ViewMode};
use custodia_core::custody::intent::{ChainSeen, Intent, UnverifiedIntent};
use custodia_core::custody::kind::Purpose;
use custodia_core::custody::wire::Base64;
use custodia_core::digest::{Blake3Digest, Sha256Digest};
use custodia_core::ids::ExhibitId;
use custodia_core::secret::Secret32;

use super::cases::{self, change, key_package, with_recovery};
use super::world::{Answer, CASE, TestDevice, World};
use crate::backends::Pair;
use crate::on_both_pairs;
use crate::shares;

const EXHIBIT: ExhibitId = ExhibitId::from_bytes([0xe1; 16]);
const SHARE: [u8; 32] = [0x5e; 32];
pub const MANIFEST: &[u8] = b"sealed manifest";
pub const SEGMENTS: [&[u8]; 2] = [b"sealed segment one", b"sealed segment two"];

pub fn exhibit() -> String {
    format!("/v1/cases/{CASE}/exhibits/{EXHIBIT}")
}

pub fn object(bytes: &[u8]) -> String {
    format!("{}/objects/{}", exhibit(), Blake3Digest::of(bytes))
}

/// Under what an object lies in the store.
pub fn key(bytes: &[u8]) -> String {
    format!("{EXHIBIT}/{}", Blake3Digest::of(bytes))
}

pub fn collection(world: &mut World, device: &TestDevice) -> Collect {
    let names: Vec<Blake3Digest> = SEGMENTS.iter().map(|segment| Blake3Digest::of(segment)).collect();
    let body = Collection {
        manifest_commitment: Sha256Digest::of(&[b"manifest"]),
        manifest_object: Blake3Digest::of(MANIFEST),
        objects: 2,
        objects_digest: shares::objects_digest(&names),
        sealed_bytes: SEGMENTS.iter().map(|segment| segment.len() as u64).sum(),
        exhibit_key_commitment: Sha256Digest::of(&[b"key"]),
        release_share_commitment: shares::commitment(EXHIBIT, &Secret32::from_bytes(SHARE)),
        ring_version: 1,
        handling: Handling::H0,
        review: "2030-01-01".to_owned(),
        derivation: None,
    };
    let mut intent = world.intent(CASE, Body::Collection(body));
    intent.exhibit = Some(EXHIBIT);
    let intent = intent.sign(device.id(), &device.key).unwrap();
    Collect {
        intent: intent.text().to_owned(),
        objects: names,
        release_share: Base64(SHARE.to_vec()),
        group_share: Base64(vec![3; 104]),
        source: None,
    }
}

/// A member with one collected exhibit.
pub async fn collected(world: &mut World) -> TestDevice {
    world.begin().await;
    let ana = world.prosecutor(11).await;
    world.found(&ana, CASE).await;
    collect(world, &ana).await;
    ana
}

async fn collect(world: &mut World, ana: &TestDevice) {
    for bytes in SEGMENTS.into_iter().chain([MANIFEST]) {
        assert_eq!(world.put(ana, &object(bytes), bytes).await.status, 204);
    }
    let request = collection(world, ana);
    let receipt = world.post(ana, &exhibit(), &request).await.json::<Acknowledged>().receipt;
    world.verify(&receipt);
}

/// Two members, of whom the first has collected an exhibit.
async fn collected_by_one_of_two(world: &mut World) -> (TestDevice, TestDevice) {
    let (ana, _) = with_recovery(world).await;
    let ion = world.prosecutor(13).await;
    let package = key_package(world, &ion).await;
    let request = change(world, &ana, 1, &[(&ion, package)], Terms::Full).await;
    world.post(&ana, &cases::path(), &request).await.json::<Changed>();
    collect(world, &ana).await;
    (ana, ion)
}

/// Proposes to erase the exhibit, with the payloads of some records.
async fn propose(world: &mut World, device: &TestDevice, records: Vec<u64>) -> (Act, Erasure) {
    let proposal = act(world, device, Body::Erasure(Erasure::Propose { records }), Some(Purpose::VictimProtection)).await;
    let intent = UnverifiedIntent::parse(&proposal.intent).unwrap().unverified().id;
    let digest = Sha256Digest::of(&[proposal.intent.as_bytes()]);
    (proposal, Erasure::Confirm { proposal: intent, digest })
}

async fn confirm(world: &mut World, device: &TestDevice, confirmation: Erasure) -> Answer {
    let confirmation = act(world, device, Body::Erasure(confirmation), Some(Purpose::VictimProtection)).await;
    world.post(device, &format!("{}/acts", exhibit()), &confirmation).await
}

async fn act(world: &mut World, device: &TestDevice, body: Body, purpose: Option<Purpose>) -> Act {
    let page: RecordsPage = world.get(device, &format!("{}/records?from=0", exhibit())).await.json();
    let last = page.records.last().unwrap().open().unwrap();
    let mut intent: Intent = world.intent(CASE, body);
    intent.exhibit = Some(EXHIBIT);
    intent.purpose = purpose;
    intent.chain_seen = Some(ChainSeen { seq: last.exhibit.unwrap().unwrap().seq.0, commitment: last.commitment.0 });
    Act { intent: intent.sign(device.id(), &device.key).unwrap().text().to_owned() }
}

pub async fn consultation(world: &mut World, device: &TestDevice) -> Act {
    act(world, device, Body::Consultation(Consultation { mode: ViewMode::View }), Some(Purpose::Investigation)).await
}

async fn an_exhibit_opens_only_after_an_entry_and_its_share_is_the_collectors(pair: Pair) {
    let mut world = World::on(pair).await;
    let ana = collected(&mut world).await;
    world.get(&ana, &object(SEGMENTS[0])).await.refused(ErrorCode::NotFound);
    let request = consultation(&mut world, &ana).await;
    let acts = format!("{}/acts", exhibit());
    let released: Released = world.post(&ana, &acts, &request).await.json();
    world.verify(&released.receipt);
    assert_eq!(released.release_share.0, SHARE);
    assert_eq!(released.manifest_object, Blake3Digest::of(MANIFEST));
    for (name, segment) in released.objects.iter().zip(SEGMENTS) {
        let answer = world.get(&ana, &format!("{}/objects/{name}", exhibit())).await;
        assert_eq!((answer.status, answer.body.as_slice()), (200, segment));
    }
    let mut part = world.request(&ana, "GET", &object(SEGMENTS[0]), Vec::new());
    part.headers.push(("range".to_owned(), "bytes=7-13".to_owned()));
    let answer = world.send(&part).await;
    assert_eq!((answer.status, answer.body.as_slice()), (206, &b"segment"[..]));
    let mut beyond = world.request(&ana, "GET", &object(SEGMENTS[0]), Vec::new());
    beyond.headers.push(("range".to_owned(), "bytes=7-999".to_owned()));
    world.send(&beyond).await.refused(ErrorCode::Malformed);

    // A retry has the same receipt; a day later the share is not given again for the old intent.
    let again: Released = world.post(&ana, &acts, &request).await.json();
    assert_eq!(again.receipt, released.receipt);
    world.clock.advance(25 * 3600);
    let late = world.post(&ana, &acts, &request).await.refused(ErrorCode::NotPermitted);
    assert_eq!(late.rule.as_deref(), Some("REC-06"));
    world.stop().await;
}

async fn a_collection_waits_for_every_object_and_is_exactly_what_was_signed(pair: Pair) {
    let mut world = World::on(pair).await;
    world.begin().await;
    let ana = world.prosecutor(11).await;
    world.found(&ana, CASE).await;
    let request = collection(&mut world, &ana);
    world.post(&ana, &exhibit(), &request).await.refused(ErrorCode::ObjectsMissing);
    world.put(&ana, &object(MANIFEST), SEGMENTS[0]).await.refused(ErrorCode::DigestMismatch);
    for bytes in [SEGMENTS[0], MANIFEST] {
        assert_eq!(world.put(&ana, &object(bytes), bytes).await.status, 204);
        assert_eq!(world.put(&ana, &object(bytes), bytes).await.status, 204, "uploading again is harmless");
    }
    world.post(&ana, &exhibit(), &request).await.refused(ErrorCode::ObjectsMissing);
    assert_eq!(world.put(&ana, &object(SEGMENTS[1]), SEGMENTS[1]).await.status, 204);
    let listed: Objects = world.get(&ana, &format!("{}/objects", exhibit())).await.json();
    assert_eq!(listed.objects.len(), 3);

    let mut reordered = request.clone();
    reordered.objects.reverse();
    world.post(&ana, &exhibit(), &reordered).await.refused(ErrorCode::DigestMismatch);
    let mut other_share = request.clone();
    other_share.release_share.0[0] ^= 1;
    world.post(&ana, &exhibit(), &other_share).await.refused(ErrorCode::DigestMismatch);
    world.post(&ana, &exhibit(), &request).await.json::<Acknowledged>();
    world.put(&ana, &object(b"more"), b"more").await.refused(ErrorCode::Conflict);
    let exhibits: Exhibits = world.get(&ana, &format!("/v1/cases/{CASE}/exhibits")).await.json();
    let later = exhibits.exhibits[0].index + 1;
    assert!(world.get(&ana, &format!("/v1/cases/{CASE}/exhibits?from={later}")).await.json::<Exhibits>().exhibits.is_empty());
    let one: ExhibitRow = world.get(&ana, &format!("/v1/cases/{CASE}/exhibits/{}", exhibits.exhibits[0].exhibit)).await.json();
    assert_eq!(one, exhibits.exhibits[0]);
    assert_eq!(exhibits.exhibits.len(), 1);
    world.stop().await;
}

async fn an_exhibit_id_is_reserved_for_the_device_and_case_that_came_first(pair: Pair) {
    let mut world = World::on(pair).await;
    let ana = collected(&mut world).await;
    let ion = world.prosecutor(12).await;
    world.put(&ion, &object(SEGMENTS[0]), SEGMENTS[0]).await.refused(ErrorCode::NotFound);
    let own = custodia_core::ids::CaseId::from_bytes([0xcb; 16]);
    world.found(&ion, own).await;
    let path = format!("/v1/cases/{own}/exhibits/{EXHIBIT}/objects/{}", Blake3Digest::of(SEGMENTS[0]));
    world.put(&ion, &path, SEGMENTS[0]).await.refused(ErrorCode::Conflict);
    world.get(&ion, &path).await.refused(ErrorCode::NotFound);
    world.get(&ion, &format!("/v1/cases/{own}/exhibits/{EXHIBIT}/objects")).await.refused(ErrorCode::NotFound);
    world.get(&ana, &format!("/v1/cases/{own}/exhibits")).await.refused(ErrorCode::NotFound);
    world.stop().await;
}

async fn an_object_that_was_damaged_in_the_store_is_not_given_out(pair: Pair) {
    let mut world = World::on(pair).await;
    let ana = collected(&mut world).await;
    let request = consultation(&mut world, &ana).await;
    world.post(&ana, &format!("{}/acts", exhibit()), &request).await.json::<Released>();
    world.stores.overwrite_object(&key(SEGMENTS[0]), b"forged segment one");
    world.get(&ana, &object(SEGMENTS[0])).await.refused(ErrorCode::ObjectDamaged);
    world.stop().await;
}

async fn an_object_that_the_store_acknowledged_and_lost_is_asked_for_again_before_anything_is_entered(pair: Pair) {
    let mut world = World::on(pair).await;
    world.begin().await;
    let ana = world.prosecutor(11).await;
    world.found(&ana, CASE).await;
    for bytes in SEGMENTS.into_iter().chain([MANIFEST]) {
        assert_eq!(world.put(&ana, &object(bytes), bytes).await.status, 204);
    }
    let size = world.checkpoint().await.size();
    let request = collection(&mut world, &ana);
    for lost in [SEGMENTS[1], MANIFEST] {
        world.stores.lose_object(&key(lost));
        world.post(&ana, &exhibit(), &request).await.refused(ErrorCode::ObjectsMissing);
        let listed: Objects = world.get(&ana, &format!("{}/objects", exhibit())).await.json();
        assert!(!listed.objects.contains(&Blake3Digest::of(lost)), "the agent sees what to upload");
        assert_eq!(world.put(&ana, &object(lost), lost).await.status, 204);
    }
    assert_eq!(world.checkpoint().await.size(), size);
    world.post(&ana, &exhibit(), &request).await.json::<Acknowledged>();
    // What is lost afterwards is said to be gone, to whoever may read it, and a repeated collection has its first answer.
    let opening = consultation(&mut world, &ana).await;
    world.post(&ana, &format!("{}/acts", exhibit()), &opening).await.json::<Released>();
    world.stores.lose_object(&key(SEGMENTS[0]));
    world.get(&ana, &object(SEGMENTS[0])).await.refused(ErrorCode::NotFound);
    world.post(&ana, &exhibit(), &request).await.json::<Acknowledged>();
    world.stop().await;
}

async fn what_is_erased_opens_no_more_and_its_records_stay(pair: Pair) {
    let mut world = World::on(pair).await;
    let (ana, ion) = collected_by_one_of_two(&mut world).await;
    let acts = format!("{}/acts", exhibit());
    let opening = consultation(&mut world, &ana).await;
    let released: Released = world.post(&ana, &acts, &opening).await.json();
    let records = vec![released.receipt.record.index];

    let collection = released.receipt.record.index - 1;
    let (beyond, _) = propose(&mut world, &ana, vec![collection]).await;
    world.post(&ana, &acts, &beyond).await.refused(ErrorCode::Malformed);
    let hold = act(&mut world, &ana, Body::HoldPlace(Nothing {}), None).await;
    world.post(&ana, &acts, &hold).await.json::<Acknowledged>();
    let (proposal, confirmation) = propose(&mut world, &ana, records.clone()).await;
    assert_eq!(world.post(&ana, &acts, &proposal).await.refused(ErrorCode::NotPermitted).rule.as_deref(), Some("ACC-08"));
    let refused = confirm(&mut world, &ion, confirmation).await.refused(ErrorCode::NotPermitted);
    assert_eq!(refused.rule.as_deref(), Some("ACC-08"));
    let lift = act(&mut world, &ana, Body::HoldLift(Nothing {}), None).await;
    world.post(&ana, &acts, &lift).await.json::<Acknowledged>();
    let (proposal, confirmation) = propose(&mut world, &ana, records).await;
    let early = confirm(&mut world, &ion, confirmation.clone()).await.refused(ErrorCode::NotPermitted);
    assert_eq!(early.rule.as_deref(), Some("ACC-12"), "nothing was proposed yet");
    world.post(&ana, &acts, &proposal).await.json::<Acknowledged>();
    let alone = confirm(&mut world, &ana, confirmation.clone()).await.refused(ErrorCode::NotPermitted);
    assert_eq!(alone.rule.as_deref(), Some("ACC-12"), "nobody confirms their own proposal");
    let opening = consultation(&mut world, &ion).await;
    world.post(&ion, &acts, &opening).await.json::<Released>();
    confirm(&mut world, &ion, confirmation).await.json::<Acknowledged>();

    world.get(&ana, &object(SEGMENTS[0])).await.refused(ErrorCode::NotFound);
    let opening = consultation(&mut world, &ana).await;
    let refused = world.post(&ana, &acts, &opening).await.refused(ErrorCode::NotPermitted);
    assert_eq!(refused.rule.as_deref(), Some("ACC-04"));
    assert!(!world.stores.object_exists(&key(SEGMENTS[0])));
    let page: RecordsPage = world.get(&ana, &format!("{}/records?from=0", exhibit())).await.json();
    let mut previous = None;
    for record in &page.records {
        let opened = record.open().unwrap();
        assert_eq!(opened.exhibit.unwrap().unwrap().previous, previous);
        previous = Some(opened.commitment);
    }
    assert!(page.records[1].open().unwrap().core.is_none(), "the payload is gone, its commitment and links stay");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_that_an_erasure_could_not_delete_are_deleted_after_a_restart() {
    let mut world = World::on(Pair::SqliteAndFolder).await;
    let (ana, ion) = collected_by_one_of_two(&mut world).await;
    let folder = world.stores.objects_folder().join(EXHIBIT.to_string());
    let stuck = folder.join(Blake3Digest::of(SEGMENTS[0]).to_string());
    // A folder where the object was: the store cannot delete it as an object.
    std::fs::remove_file(&stuck).unwrap();
    std::fs::create_dir_all(stuck.join("in the way")).unwrap();
    let (proposal, confirmation) = propose(&mut world, &ana, Vec::new()).await;
    world.post(&ana, &format!("{}/acts", exhibit()), &proposal).await.json::<Acknowledged>();
    confirm(&mut world, &ion, confirmation).await.json::<Acknowledged>();
    assert!(stuck.exists(), "the erasure stands although an object could not be deleted");
    world.stop().await;
    std::fs::remove_dir_all(&stuck).unwrap();
    std::fs::write(&stuck, SEGMENTS[0]).unwrap();
    world.start().await;
    let deleted = async {
        while std::fs::read_dir(&folder).unwrap().next().is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), deleted).await.expect("what was left is deleted after the start");
    world.stop().await;
}

async fn the_database_holds_no_release_share_in_the_clear(pair: Pair) {
    let mut world = World::on(pair).await;
    let _ana = collected(&mut world).await;
    world.stop().await;
    assert!(world.stores.database_holds(&[3; 104]), "the wrapped group share is found, so a share in the clear would be");
    assert!(!world.stores.database_holds(&SHARE));
}

on_both_pairs![
    an_exhibit_opens_only_after_an_entry_and_its_share_is_the_collectors,
    a_collection_waits_for_every_object_and_is_exactly_what_was_signed,
    an_exhibit_id_is_reserved_for_the_device_and_case_that_came_first,
    an_object_that_was_damaged_in_the_store_is_not_given_out,
    an_object_that_the_store_acknowledged_and_lost_is_asked_for_again_before_anything_is_entered,
    what_is_erased_opens_no_more_and_its_records_stay,
    the_database_holds_no_release_share_in_the_clear,
];
