//! Case groups: key packages, commits, Welcomes; one commit for each epoch.

use custodia_api::error::ErrorCode;
use custodia_api::messages::{
    Acknowledged, Act, Cases, ChangeMembers, Changed, Changes, ClaimKeyPackages, ClaimedKeyPackages, KeyPackageCount, RecordsPage,
    UploadKeyPackages, Welcomes,
};
use custodia_core::custody::body::{Add, Body, MemberChange, Nothing, Terms};
use custodia_core::custody::intent::GroupSeen;
use custodia_core::custody::succession::GroupSucceed;
use custodia_core::custody::wire::{Base64, Hex};
use custodia_core::digest::Sha256Digest;
use custodia_core::group::context::{CommitContext, RingVersion, ring_commitment};
use custodia_core::group::facts::GroupId;
use custodia_core::group::rules::MAX_CONTEXT_LAG_MILLIS;
use custodia_core::identity::Role;
use custodia_core::ids::CaseId;
use custodia_mls::{BuiltKeyPackage, CaseGroup, KeyPackageUse, StagedJoin, VerifiedKeyPackage};

use super::offices::DIICOT;
use super::world::{CASE, TestDevice, World, ring_key};
use crate::backends::Pair;
use crate::clock::Clock as _;
use crate::on_both_pairs;

pub async fn context(world: &World, device: &TestDevice, case: CaseId, ring: u8) -> CommitContext {
    let seen = world.seen().await;
    let page: RecordsPage = world.get(device, "/v1/registry/records?from=0").await.json();
    let last = page.records.last().unwrap().open().unwrap();
    let version = RingVersion::new(u32::from(ring)).unwrap();
    CommitContext {
        log_size: seen.size,
        log_root: seen.root,
        registry_sequence: last.case.unwrap().seq.0,
        registry_commitment: last.commitment.0,
        ring_version: version,
        ring_commitment: ring_commitment(case, version, &ring_key(ring)),
    }
}

/// What an intent says of a commit of any bytes.
pub fn empty_change() -> MemberChange {
    let digest = Sha256Digest::of(&[b"commit"]);
    MemberChange {
        epoch: 0,
        commit: digest,
        welcome: None,
        ring_version: 1,
        ring_commitment: digest,
        ring_row: Some(digest),
        adds: Vec::new(),
        removes: Vec::new(),
        resync: false,
    }
}

/// What an intent says of a successor group of one device, after a commit that nobody has reported.
pub fn unreported(device: &TestDevice) -> GroupSucceed {
    let digest = Sha256Digest::of(&[b"commit"]);
    GroupSucceed {
        generation: 1,
        epoch: 0,
        bad: digest,
        group_info: digest,
        commit: digest,
        welcome: None,
        ring_version: 3,
        ring_commitment: digest,
        ring_row: digest,
        members: vec![device.id()],
    }
}

/// A commit of `device` that adds those whose key packages are given, on full terms while the ring stays, else on none.
pub async fn change(world: &mut World, device: &TestDevice, ring: u8, joining: &[(&TestDevice, Vec<u8>)], terms: Terms) -> ChangeMembers {
    let context = context(world, device, CASE, ring).await;
    let mut group = CaseGroup::load(&device.mls, GroupId::first(CASE)).unwrap().unwrap();
    let epoch = group.epoch().0;
    let add = joining.iter().map(|(_, package)| VerifiedKeyPackage::parse(package, world.clock.now()).unwrap()).collect();
    let changes = custodia_mls::Changes { add, remove: Vec::new() };
    let prepared = group.prepare_commit(&device.mls, &device.mls_device(), changes, &context).unwrap();
    let row = vec![7; 104];
    let body = MemberChange {
        epoch,
        commit: Sha256Digest::of(&[&prepared.commit]),
        welcome: prepared.welcome.as_ref().map(|welcome| Sha256Digest::of(&[welcome])),
        ring_version: u32::from(ring),
        ring_commitment: context.ring_commitment,
        ring_row: Some(Sha256Digest::of(&[&row])),
        adds: joining.iter().map(|(device, _)| Add { certificate: device.id(), terms }).collect(),
        removes: Vec::new(),
        resync: false,
    };
    let intent = world.intent(CASE, Body::MemberChange(body)).sign(device.id(), &device.key).unwrap();
    ChangeMembers {
        intent: intent.text().to_owned(),
        commit: Base64(prepared.commit),
        welcome: prepared.welcome.map(Base64),
        ring_row: Some(Base64(row)),
        group_info: Base64(prepared.group_info),
        grants: Vec::new(),
    }
}

pub async fn key_package(world: &World, device: &TestDevice) -> Vec<u8> {
    let built = BuiltKeyPackage::build(&device.mls, &device.mls_device(), KeyPackageUse::Once, world.clock.seconds()).unwrap();
    let upload = UploadKeyPackages { one_time: vec![Base64(built.bytes)], last_resort: None };
    assert_eq!(world.post(device, "/v1/key-packages", &upload).await.json::<KeyPackageCount>().one_time, 1);
    let claim = ClaimKeyPackages { devices: vec![device.id()] };
    world.post(device, "/v1/key-packages/claim", &claim).await.json::<ClaimedKeyPackages>().packages.remove(0).0
}

/// A case with its founder and a recovery device.
pub async fn with_recovery(world: &mut World) -> (TestDevice, TestDevice) {
    world.begin().await;
    let ana = world.prosecutor(11).await;
    let recovery = world.enrol(DIICOT, Role::Recovery, 12).await;
    world.found(&ana, CASE).await;
    let package = key_package(world, &recovery).await;
    let request = change(world, &ana, 1, &[(&recovery, package)], Terms::Full).await;
    let changed: Changed = world.post(&ana, &path(), &request).await.json();
    world.verify(&changed.receipts[0]);
    CaseGroup::load(&ana.mls, GroupId::first(CASE)).unwrap().unwrap().merge_pending(&ana.mls).unwrap();
    (ana, recovery)
}

pub fn path() -> String {
    format!("/v1/cases/{CASE}/changes")
}

async fn who_is_added_joins_by_the_welcome_and_one_of_two_commits_wins(pair: Pair) {
    let mut world = World::on(pair).await;
    let (ana, recovery) = with_recovery(&mut world).await;
    let welcomes: Welcomes = world.get(&recovery, "/v1/welcomes").await.json();
    assert_eq!(welcomes.welcomes.len(), 1);
    let row = &welcomes.welcomes[0];
    assert_eq!((row.case, row.epoch), (CASE, 1));
    let claimed = (GroupId::first(CASE), custodia_core::group::facts::Epoch(row.epoch));
    drop(StagedJoin::open(&recovery.mls, &row.welcome.0, claimed).unwrap().accept());

    let (one, other) = (change(&mut world, &ana, 1, &[], Terms::None).await, change(&mut world, &recovery, 1, &[], Terms::None).await);
    // A member brings another's commit as its own.
    let mut stolen = one.clone();
    stolen.intent = {
        let intent = custodia_core::custody::intent::UnverifiedIntent::parse(&one.intent).unwrap();
        let mut intent = intent.unverified().clone();
        intent.id = world.next_intent();
        intent.sign(recovery.id(), &recovery.key).unwrap().text().to_owned()
    };
    let refused = world.post(&recovery, &path(), &stolen).await.refused(ErrorCode::NotPermitted);
    assert_eq!(refused.rule.as_deref(), Some("GRP-09"));
    let changes = path();
    let (one, other) = tokio::join!(world.post(&ana, &changes, &one), world.post(&recovery, &changes, &other));
    let (won, lost) = if one.status == 200 { (one, other) } else { (other, one) };
    world.verify(&won.json::<Changed>().receipts[0]);
    assert_eq!(lost.refused(ErrorCode::StaleEpoch).epoch, Some(2));
    let log: Changes = world.get(&ana, &format!("{changes}?from=1")).await.json();
    assert_eq!((log.epoch, log.changes.len(), log.changes[0].epoch), (2, 1, 1));
    let cases: Cases = world.get(&ana, "/v1/cases").await.json();
    assert_eq!((cases.cases[0].epoch, cases.cases[0].members.len()), (2, 2));
    world.stop().await;
}

async fn a_commit_is_refused_by_the_rule_that_it_breaks_and_changes_nothing(pair: Pair) {
    let mut world = World::on(pair).await;
    world.begin().await;
    let ana = world.prosecutor(11).await;
    let ion = world.prosecutor(13).await;
    world.found(&ana, CASE).await;
    let package = key_package(&world, &ion).await;
    // An office with a member has no recovery device.
    let request = change(&mut world, &ana, 1, &[(&ion, package)], Terms::Full).await;
    let refused = world.post(&ana, &path(), &request).await.refused(ErrorCode::NotPermitted);
    assert_eq!(refused.rule.as_deref(), Some("GRP-16"));
    // The commit of another device, brought by somebody who is no member.
    let mut stolen = request.clone();
    stolen.intent = {
        let intent = custodia_core::custody::intent::UnverifiedIntent::parse(&request.intent).unwrap();
        let mut intent = intent.unverified().clone();
        intent.id = world.next_intent();
        intent.sign(ion.id(), &ion.key).unwrap().text().to_owned()
    };
    let refused = world.post(&ion, &path(), &stolen).await.refused(ErrorCode::NotPermitted);
    assert_eq!(refused.rule.as_deref(), Some("ACC-03"));
    let cases: Cases = world.get(&ana, "/v1/cases").await.json();
    assert_eq!((cases.cases[0].epoch, cases.cases[0].members.len()), (0, 1));
    world.stop().await;
}

async fn a_commit_that_leaves_out_a_revocation_of_an_hour_ago_is_refused(pair: Pair) {
    let mut world = World::on(pair).await;
    let (ana, _) = with_recovery(&mut world).await;
    let ion = world.prosecutor(13).await;
    let kept_back = change(&mut world, &ana, 1, &[], Terms::None).await;
    world.revoke(&ion).await;
    world.clock.advance(MAX_CONTEXT_LAG_MILLIS / 1000 + 1);
    let refused = world.post(&ana, &path(), &kept_back).await.refused(ErrorCode::NotPermitted);
    assert_eq!(refused.rule.as_deref(), Some("GRP-22"));
    // The same commit over what stands now is accepted.
    CaseGroup::load(&ana.mls, GroupId::first(CASE)).unwrap().unwrap().clear_pending(&ana.mls).unwrap();
    let request = change(&mut world, &ana, 1, &[], Terms::None).await;
    world.post(&ana, &path(), &request).await.json::<Changed>();
    world.stop().await;
}

async fn a_key_package_that_was_made_while_the_log_stood_still_joins(pair: Pair) {
    let mut world = World::on(pair).await;
    // Nothing is entered overnight, and in the morning a device brings a fresh key package.
    world.clock.set(world.born - 12 * 3600);
    let (ana, _) = with_recovery(&mut world).await;
    let ion = world.prosecutor(13).await;
    world.clock.set(world.born);
    let package = key_package(&world, &ion).await;
    let request = change(&mut world, &ana, 2, &[(&ion, package)], Terms::None).await;
    world.post(&ana, &path(), &request).await.json::<Changed>();
    world.stop().await;
}

async fn an_intent_under_an_epoch_or_transcript_that_the_group_never_had_is_refused(pair: Pair) {
    let mut world = World::on(pair).await;
    let (ana, _) = with_recovery(&mut world).await;
    let path = format!("/v1/cases/{CASE}/acts");
    for wrong in [
        |seen: &mut GroupSeen| (seen.epoch, seen.transcript) = (2, Hex(vec![0; 48])),
        |seen: &mut GroupSeen| (seen.epoch, seen.transcript) = (1, Hex(vec![0; 48])),
        |seen: &mut GroupSeen| seen.id = Hex(GroupId { case: CASE, generation: 1 }.to_bytes().to_vec()),
    ] {
        let mut intent = world.intent(CASE, Body::MemberLeave(Nothing {}));
        wrong(intent.group.as_mut().unwrap());
        let act = Act { intent: intent.sign(ana.id(), &ana.key).unwrap().text().to_owned() };
        let refused = world.post(&ana, &path, &act).await.refused(ErrorCode::NotPermitted);
        assert_eq!(refused.rule.as_deref(), Some("REC-07"));
    }
    // An epoch that has passed still names itself truly: the device had not heard of the next one.
    let intent = world.intent(CASE, Body::MemberLeave(Nothing {})).sign(ana.id(), &ana.key).unwrap();
    world.post(&ana, &path, &Act { intent: intent.text().to_owned() }).await.json::<Acknowledged>();
    world.stop().await;
}

async fn a_key_package_of_another_device_is_refused(pair: Pair) {
    let mut world = World::on(pair).await;
    world.begin().await;
    let (ana, ion) = (world.prosecutor(11).await, world.prosecutor(12).await);
    let built = BuiltKeyPackage::build(&ana.mls, &ana.mls_device(), KeyPackageUse::Once, world.clock.seconds()).unwrap();
    let upload = UploadKeyPackages { one_time: vec![Base64(built.bytes.clone())], last_resort: None };
    world.post(&ion, "/v1/key-packages", &upload).await.refused(ErrorCode::Malformed);
    let upload = UploadKeyPackages { one_time: Vec::new(), last_resort: Some(Base64(built.bytes)) };
    world.post(&ana, "/v1/key-packages", &upload).await.refused(ErrorCode::Malformed);
    let claim = ClaimKeyPackages { devices: vec![ana.id()] };
    world.post(&ion, "/v1/key-packages/claim", &claim).await.refused(ErrorCode::NotFound);
    world.stop().await;
}

on_both_pairs![
    who_is_added_joins_by_the_welcome_and_one_of_two_commits_wins,
    a_commit_is_refused_by_the_rule_that_it_breaks_and_changes_nothing,
    a_commit_that_leaves_out_a_revocation_of_an_hour_ago_is_refused,
    a_key_package_that_was_made_while_the_log_stood_still_joins,
    an_intent_under_an_epoch_or_transcript_that_the_group_never_had_is_refused,
    a_key_package_of_another_device_is_refused,
];
