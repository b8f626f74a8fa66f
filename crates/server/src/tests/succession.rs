//! Successor groups, as a founder makes them.

use custodia_api::error::ErrorCode;
use custodia_api::messages::{Acknowledged, Act, CaseRow, Cases, ChangeMembers, Changed, Changes, SucceedGroup, Welcomes};
use custodia_core::custody::body::{Add, Body, GroupReport, MemberChange, Terms};
use custodia_core::custody::intent::GroupSeen;
use custodia_core::custody::succession::GroupSucceed;
use custodia_core::custody::wire::{Base64, Hex};
use custodia_core::digest::Sha256Digest;
use custodia_core::group::facts::{Epoch, GroupId};
use custodia_core::identity::Role;
use custodia_core::ids::CaseId;
use custodia_mls::{CaseGroup, MlsState, StagedJoin, VerifiedKeyPackage};

use super::cases::{context, key_package};
use super::offices::DIICOT;
use super::world::{TestDevice, World};
use crate::backends::Pair;
use crate::clock::Clock as _;
use crate::on_both_pairs;

fn digest(bytes: &[u8]) -> Sha256Digest {
    Sha256Digest::of(&[bytes])
}

/// Makes a commit of a device and enters it; gives its digest.
async fn commit(world: &mut World, device: &TestDevice, case: CaseId, joining: &[(&TestDevice, Vec<u8>)]) -> Sha256Digest {
    let context = context(world, device, case, 1).await;
    let mut group = CaseGroup::load(&device.mls, GroupId::first(case)).unwrap().unwrap();
    let add = joining.iter().map(|(_, package)| VerifiedKeyPackage::parse(package, world.clock.now()).unwrap()).collect();
    let changes = custodia_mls::Changes { add, remove: Vec::new() };
    let prepared = group.prepare_commit(&device.mls, &device.mls_device(), changes, &context).unwrap();
    let row = vec![7; 104];
    let body = MemberChange {
        epoch: group.epoch().0,
        commit: digest(&prepared.commit),
        welcome: prepared.welcome.as_deref().map(digest),
        ring_version: 1,
        ring_commitment: context.ring_commitment,
        ring_row: Some(digest(&row)),
        adds: joining.iter().map(|(device, _)| Add { certificate: device.id(), terms: Terms::Full }).collect(),
        removes: Vec::new(),
        resync: false,
    };
    let commit = body.commit;
    let request = ChangeMembers {
        intent: signed(world, device, case, &group, Body::MemberChange(body)),
        commit: Base64(prepared.commit),
        welcome: prepared.welcome.map(Base64),
        ring_row: Some(Base64(row)),
        group_info: Base64(prepared.group_info),
        grants: Vec::new(),
    };
    world.post(device, &format!("/v1/cases/{case}/changes"), &request).await.json::<Changed>();
    group.merge_pending(&device.mls).unwrap();
    commit
}

fn signed(world: &mut World, device: &TestDevice, case: CaseId, group: &CaseGroup, body: Body) -> String {
    let mut intent = world.intent(case, body);
    let transcript = Hex(group.confirmed_transcript_hash().to_vec());
    intent.group = Some(GroupSeen { id: Hex(group.id().to_bytes().to_vec()), epoch: group.epoch().0, transcript });
    intent.sign(device.id(), &device.key).unwrap().text().to_owned()
}

/// A case in which one recovery device has made a commit and the other has reported it, and a founder's request without the first.
pub(super) async fn good(world: &mut World, founder: &TestDevice, case: CaseId, safes: [&TestDevice; 2]) -> SucceedGroup {
    let [author, reporter] = safes;
    world.found(founder, case).await;
    let packages = [(author, key_package(world, author).await), (reporter, key_package(world, reporter).await)];
    commit(world, founder, case, &packages).await;
    let welcomes: Welcomes = world.get(author, "/v1/welcomes").await.json();
    let welcome = &welcomes.welcomes.iter().find(|row| row.case == case).unwrap().welcome.0;
    drop(StagedJoin::open(&author.mls, welcome, (GroupId::first(case), Epoch(1))).unwrap().accept());
    let bad = commit(world, author, case, &[]).await;
    let group = CaseGroup::load(&founder.mls, GroupId::first(case)).unwrap().unwrap();
    let report = Body::GroupReport(GroupReport { epoch: 1, commit: bad, error: "MLS refuses the commit".to_owned() });
    let intent = signed(world, reporter, case, &group, report);
    world.post(reporter, &format!("/v1/cases/{case}/acts"), &Act { intent }).await.json::<Acknowledged>();

    let next = GroupId { case, generation: 1 };
    let context = context(world, founder, case, 2).await;
    let mls = MlsState::new();
    let founded = CaseGroup::found(&mls, &founder.mls_device(), next, world.clock.seconds()).unwrap();
    let mut new = founded.group;
    let package = VerifiedKeyPackage::parse(&key_package(world, reporter).await, world.clock.now()).unwrap();
    let changes = custodia_mls::Changes { add: vec![package], remove: Vec::new() };
    let prepared = new.prepare_commit(&mls, &founder.mls_device(), changes, &context).unwrap();
    let row = vec![8; 104];
    let body = GroupSucceed {
        generation: 1,
        epoch: 1,
        bad,
        group_info: digest(&founded.group_info),
        commit: digest(&prepared.commit),
        welcome: prepared.welcome.as_deref().map(digest),
        ring_version: 2,
        ring_commitment: context.ring_commitment,
        ring_row: digest(&row),
        members: vec![founder.id(), reporter.id()],
    };
    SucceedGroup {
        intent: signed(world, founder, case, &group, Body::GroupSucceed(body)),
        founding: Base64(founded.group_info),
        commit: Base64(prepared.commit),
        welcome: prepared.welcome.map(Base64),
        ring_row: Base64(row),
        group_info: Base64(prepared.group_info),
    }
}

async fn a_successor_group_takes_the_place_of_the_one_before_with_its_own_bytes_and_no_others(pair: Pair) {
    let mut world = World::on(pair).await;
    world.begin().await;
    let ana = world.prosecutor(11).await;
    let (author, reporter) = (world.enrol(DIICOT, Role::Recovery, 12).await, world.enrol(DIICOT, Role::Recovery, 13).await);
    let at = async |world: &World, device: &TestDevice, case: CaseId| {
        let cases: Cases = world.get(device, "/v1/cases").await.json();
        let row = cases.cases.into_iter().find(|row| row.case == case);
        row.map(|CaseRow { generation, epoch, members, .. }| (generation, epoch, members.len()))
    };
    // Other bytes than the intent names, of whatever: refused, and the group stands as before.
    for (seed, damage) in
        [(0xc1, (|request| request.ring_row = Base64(vec![9; 104])) as fn(&mut SucceedGroup)), (0xc2, |request| request.welcome = None)]
    {
        let case = CaseId::from_bytes([seed; 16]);
        let mut request = good(&mut world, &ana, case, [&author, &reporter]).await;
        damage(&mut request);
        let refused = world.post(&ana, &format!("/v1/cases/{case}/succession"), &request).await.refused(ErrorCode::NotPermitted);
        assert_eq!(refused.rule.as_deref(), Some("SUC-01"));
        assert_eq!(at(&world, &ana, case).await, Some((0, 2, 3)));
    }
    let case = CaseId::from_bytes([0xc3; 16]);
    let request = good(&mut world, &ana, case, [&author, &reporter]).await;
    let path = format!("/v1/cases/{case}/succession");
    let first = world.post(&ana, &path, &request).await.json::<Acknowledged>();
    assert_eq!(world.post(&ana, &path, &request).await.json::<Acknowledged>().receipt.record, first.receipt.record, "once");
    assert_eq!(at(&world, &ana, case).await, Some((1, 1, 2)));
    assert_eq!((at(&world, &reporter, case).await, at(&world, &author, case).await), (Some((1, 1, 2)), None));
    let welcomes: Welcomes = world.get(&reporter, "/v1/welcomes").await.json();
    let waits: Vec<_> = welcomes.welcomes.iter().filter(|row| row.case == case).map(|row| (row.generation, row.epoch)).collect();
    assert_eq!(waits, [(1, 1)], "it has acted in the group that ended: the Welcome to that one is used");
    let earlier: Changes = world.get(&ana, &format!("/v1/cases/{case}/changes?from=0&generation=0")).await.json();
    let current: Changes = world.get(&ana, &format!("/v1/cases/{case}/changes")).await.json();
    assert_eq!((earlier.changes.len(), current.changes.len(), current.generation, current.epoch), (2, 1, 1, 1));
    world.stop().await;
}

on_both_pairs![a_successor_group_takes_the_place_of_the_one_before_with_its_own_bytes_and_no_others];
