//! What is refused, by whom, and for which fault.

use openmls::prelude::LeafNodeIndex;

use super::*;

fn other_case() -> GroupId {
    GroupId::first(CaseId::from_bytes([0xcb; 16]))
}

#[test]
fn welcome_into_another_group_or_epoch_than_claimed_is_refused() {
    let mut world = World::with_members(1);
    world.parties.push(Party::new(7));
    let package = world.parties[1].key_package(KeyPackageUse::LastResort);
    world.parties[1].save();
    let prepared = world.parties[0].commit(Changes { add: vec![package], remove: Vec::new() }, &context(1, 1));
    let welcome = prepared.welcome.as_ref().unwrap();
    for claimed in [(other_case(), prepared.new_epoch), (CASE, Epoch(7)), (GroupId { generation: 1, ..CASE }, prepared.new_epoch)] {
        let joined = StagedJoin::open(&world.parties[1].state, welcome, claimed);
        assert!(matches!(joined, Err(MlsError::Rejected(Broken(GroupRule::WelcomeNamesGroup)))));
        world.parties[1].crash();
    }
    let joined = StagedJoin::open(&Party::new(8).state, welcome, (CASE, prepared.new_epoch));
    assert!(matches!(joined, Err(MlsError::NoKeyPackage)), "for another device");
    let joined = StagedJoin::open(&world.parties[1].state, &prepared.commit, (CASE, prepared.new_epoch));
    assert!(matches!(joined, Err(MlsError::Malformed("Welcome"))));
    let mut damaged = welcome.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let joined = StagedJoin::open(&world.parties[1].state, &damaged, (CASE, prepared.new_epoch));
    assert!(matches!(joined, Err(MlsError::Invalid { .. })));
}

#[test]
fn member_is_not_welcomed_a_second_time() {
    let mut world = World::with_members(1);
    world.parties.push(Party::new(7));
    let package = world.parties[1].key_package(KeyPackageUse::LastResort);
    let prepared = world.parties[0].commit(Changes { add: vec![package], remove: Vec::new() }, &context(1, 1));
    let (welcome, claimed) = (prepared.welcome.as_ref().unwrap(), (CASE, prepared.new_epoch));
    drop(StagedJoin::open(&world.parties[1].state, welcome, claimed).unwrap().accept());
    assert!(matches!(StagedJoin::open(&world.parties[1].state, welcome, claimed), Err(MlsError::AlreadyMember(CASE))));
}

#[test]
fn commit_of_an_earlier_epoch_is_named_stale_by_server_and_member() {
    let mut world = World::with_members(2);
    let first = world.parties[0].commit(Changes::default(), &context(2, 1));
    world.deliver(0, &first);
    let stale =
        |error| matches!(error, MlsError::OtherEpoch { message, group } if message == first.facts.epoch && group == first.new_epoch);
    assert!(stale(world.server.check(&first.commit).unwrap_err()));
    assert!(stale(world.parties[1].group().process(&world.parties[1].state, &first.commit).unwrap_err()));
}

#[test]
fn commit_for_another_group_is_refused_by_server_and_member() {
    let world = World::with_members(1);
    let other = Party::new(5);
    let mut group = CaseGroup::found(&other.state, &other.device, other_case(), now()).unwrap().group;
    let commit = group.prepare_commit(&other.state, &other.device, Changes::default(), &context(1, 1)).unwrap().commit;
    let refused = |error| matches!(error, MlsError::Rejected(Broken(GroupRule::NamesGroup)));
    assert!(refused(world.server.check(&commit).unwrap_err()));
    assert!(refused(world.parties[0].group().process(&world.parties[0].state, &commit).unwrap_err()));
}

#[test]
fn commit_with_a_proposal_by_reference_is_refused_by_a_server_that_never_keeps_proposals() {
    let mut world = World::with_members(3);
    let mut proposer = world.parties[1].group();
    let (proposal, _) =
        proposer.mls.propose_remove_member(&world.parties[1].state, &world.parties[1].device.signer, LeafNodeIndex::new(2)).unwrap();
    let proposal = message::encode(&proposal).unwrap();
    assert!(matches!(world.server.check(&proposal), Err(MlsError::Malformed("commit"))));
    assert!(matches!(world.parties[0].group().process(&world.parties[0].state, &proposal), Err(MlsError::Malformed("commit"))));

    // A committer that does not follow the rules takes it up by reference.
    let party = &mut world.parties[0];
    let mut group = party.group();
    let openmls::prelude::MlsMessageBodyIn::PublicMessage(inner) = message::decode(&proposal, "proposal", 100_000).unwrap() else {
        panic!("a PublicMessage")
    };
    let processed = group.mls.process_message(&party.state, inner).unwrap();
    let openmls::prelude::ProcessedMessageContent::ProposalMessage(queued) = processed.into_content() else { panic!("a proposal") };
    group.mls.store_pending_proposal(party.state.storage(), *queued).unwrap();
    group.mls.set_aad(context(3, 2).encode().to_vec());
    let (commit, ..) = group.mls.commit_to_pending_proposals(&party.state, &party.device.signer).unwrap();
    let commit = message::encode(&commit).unwrap();
    let refused = |error| matches!(error, MlsError::Rejected(Broken(GroupRule::ByValue)));
    assert!(refused(world.server.check(&commit).unwrap_err()));
    assert!(refused(world.parties[2].group().process(&world.parties[2].state, &commit).unwrap_err()));
}

#[test]
fn changed_byte_anywhere_in_a_commit_is_refused_by_members() {
    let mut world = World::with_members(2);
    let prepared = world.parties[0].commit(Changes::default(), &context(2, 1));
    let party = &world.parties[1];
    for at in (0..prepared.commit.len()).step_by(97).chain(prepared.commit.len() - 120..prepared.commit.len()) {
        let mut damaged = prepared.commit.clone();
        damaged[at] ^= 1;
        assert!(party.group().process(&party.state, &damaged).is_err(), "byte {at}");
    }
    assert!(party.group().process(&party.state, &[&prepared.commit[..], &[0]].concat()).is_err());
    assert!(party.group().process(&party.state, &prepared.commit).is_ok());
}

/// Why `GRP-09` exists: the last 98 bytes of a commit are tags that a server cannot check.
#[test]
fn damaged_tags_pass_the_server_so_it_must_know_who_delivers() {
    let mut world = World::with_members(2);
    let prepared = world.parties[0].commit(Changes::default(), &context(2, 1));
    for from_end in [1, 50] {
        let mut damaged = prepared.commit.clone();
        let at = damaged.len() - from_end;
        damaged[at] ^= 1;
        let checked = world.server.check(&damaged).unwrap();
        assert_eq!(checked.facts, prepared.facts);
        let refused = world.parties[1].group().process(&world.parties[1].state, &damaged);
        assert!(matches!(refused, Err(MlsError::Invalid { .. })));
    }
}

/// The poison case: rightly signed by a member, but what it encrypts opens for nobody.
#[test]
fn poison_commit_of_a_member_passes_the_server_and_is_refused_by_members() {
    use openmls_traits::signatures::Signer as _;
    use tls_codec::{Serialize as _, VLBytes};
    /// Signature, confirmation tag and membership tag, each with its length.
    const TAIL: usize = 66 + 49 + 49;

    let mut world = World::with_members(2);
    let party = &world.parties[0];
    let group_context = party.group().public().group_context().tls_serialize_detached().unwrap();
    let prepared = party.group().prepare_commit(&party.state.fork(), &party.device, Changes::default(), &context(2, 1)).unwrap();
    let sign_anew = |commit: &mut Vec<u8>| {
        let at = commit.len() - TAIL;
        let content = VLBytes::new([&commit[..at], &group_context].concat()).tls_serialize_detached().unwrap();
        let label = VLBytes::new(b"MLS 1.0 FramedContentTBS".to_vec()).tls_serialize_detached().unwrap();
        let signature = party.device.signer.sign(&[label, content].concat()).unwrap();
        commit[at + 2..at + 66].copy_from_slice(&signature);
    };
    let mut same = prepared.commit.clone();
    sign_anew(&mut same);
    assert_eq!(same, prepared.commit, "the helper signs what MLS signs");

    let mut poison = prepared.commit.clone();
    let last_ciphertext_byte = poison.len() - TAIL - 1;
    poison[last_ciphertext_byte] ^= 1;
    assert!(matches!(world.server.check(&poison), Err(MlsError::Invalid { .. })), "not signed anew");
    sign_anew(&mut poison);
    let checked = world.server.check(&poison).unwrap();
    assert_eq!(checked.facts, prepared.facts);
    let refused = world.parties[1].group().process(&world.parties[1].state, &poison);
    assert!(matches!(refused, Err(MlsError::Invalid { .. })));
    world.server.apply(checked).unwrap();
    assert_eq!(world.server.epoch(), prepared.new_epoch, "the server follows it: hence reports and successor groups");
}

#[test]
fn commit_without_a_commit_context_is_refused_by_server_and_member() {
    let world = World::with_members(2);
    let party = &world.parties[0];
    let mut group = party.group();
    group.mls.set_aad(b"hello".to_vec());
    let bundle = group.mls.self_update(&party.state, &party.device.signer, openmls::prelude::LeafNodeParameters::default()).unwrap();
    let commit = message::encode(bundle.commit()).unwrap();
    assert!(matches!(world.server.check(&commit), Err(MlsError::Malformed("commit context"))));
    let refused = world.parties[1].group().process(&world.parties[1].state, &commit);
    assert!(matches!(refused, Err(MlsError::Malformed("commit context"))));
}

#[test]
fn credential_that_is_not_one_certificate_is_refused_by_server_and_member() {
    use openmls::prelude::{Credential, CredentialType, CredentialWithKey, LeafNodeParameters};
    let world = World::with_members(2);
    let party = &world.parties[0];
    for content in [vec![], vec![0], vec![1, 7, 1, 8], vec![0x40, 1, 7], vec![2, 7]] {
        let mut group = CaseGroup::load(&party.state.fork(), CASE).unwrap().unwrap();
        let credential = CredentialWithKey {
            credential: Credential::new(CredentialType::X509, content.clone()),
            signature_key: party.device.credential().unwrap().signature_key,
        };
        group.mls.set_aad(context(2, 1).encode().to_vec());
        let leaf = LeafNodeParameters::builder().with_credential_with_key(credential).build();
        let trial = party.state.fork();
        let bundle = group.mls.self_update(&trial, &party.device.signer, leaf).unwrap();
        let commit = message::encode(bundle.commit()).unwrap();
        let refused = |error| matches!(error, MlsError::Malformed("credential" | "certificate"));
        assert!(refused(world.server.check(&commit).unwrap_err()), "{content:?}");
        assert!(refused(world.parties[1].group().process(&world.parties[1].state, &commit).unwrap_err()), "{content:?}");
    }
}

#[test]
fn founder_cannot_hand_the_server_a_later_or_a_foreign_group() {
    let world = World::with_members(2);
    let party = &world.parties[0];
    let later = party.group().mls.export_group_info(party.state.crypto(), &party.device.signer, true).unwrap();
    let later = message::encode(&later).unwrap();
    assert!(matches!(FollowedGroup::found(CASE, &later), Err(MlsError::Rejected(Broken(GroupRule::Founding)))));
    let other = Party::new(5);
    let founded = CaseGroup::found(&other.state, &other.device, CASE, now()).unwrap();
    let foreign = FollowedGroup::found(other_case(), &founded.group_info);
    assert!(matches!(foreign, Err(MlsError::Rejected(Broken(GroupRule::NamesGroup)))));
    let mut damaged = founded.group_info.clone();
    *damaged.last_mut().unwrap() ^= 1;
    assert!(matches!(FollowedGroup::found(CASE, &damaged), Err(MlsError::Invalid { .. })));
}

#[test]
fn group_info_of_another_epoch_or_signer_is_refused() {
    let mut world = World::with_members(2);
    let (state, device) = (&world.parties[0].state, &world.parties[0].device);
    let info = world.parties[0].group().group_info(state, device).unwrap();
    let mut damaged = info.clone();
    *damaged.last_mut().unwrap() ^= 1;
    assert!(matches!(world.server.check_group_info(&damaged), Err(MlsError::Invalid { .. })));
    let forged = world.parties[0].group().group_info(state, &Party::new(77).device).unwrap();
    assert!(matches!(world.server.check_group_info(&forged), Err(MlsError::Invalid { .. })));
    let update = world.parties[0].commit(Changes::default(), &context(2, 1));
    world.deliver(0, &update);
    assert!(matches!(world.server.check_group_info(&info), Err(MlsError::OtherEpoch { .. })));
    assert!(!world.parties[1].group().agrees_with(&world.parties[1].state, &world.parties[1].device, &info).unwrap());
}

#[test]
fn stranger_cannot_enter_by_resync() {
    let world = World::with_members(2);
    let info = world.parties[0].group().group_info(&world.parties[0].state, &world.parties[0].device).unwrap();
    let tree = world.server.ratchet_tree().unwrap();
    for cut in [0, 1, tree.len() / 2, tree.len() - 1] {
        assert!(matches!(resync::decode_tree(&tree[..cut]), Err(MlsError::Malformed("ratchet tree"))), "cut at {cut}");
    }
    let stranger = Party::new(99);
    let resync = CaseGroup::prepare_resync(&stranger.state, &stranger.device, CASE, &info, &tree, &context(2, 1));
    assert!(matches!(resync, Err(MlsError::Rejected(Broken(GroupRule::Resync)))));

    // One that does not ask this crate is refused by the rule.
    let (_, bundle) = openmls::prelude::ExternalCommitBuilder::new()
        .with_ratchet_tree(resync::decode_tree(&tree).unwrap())
        .with_config(suite::join_config())
        .with_aad(context(2, 1).encode().to_vec())
        .build_group(&stranger.state, resync::decode_group_info(&info).unwrap(), stranger.device.credential().unwrap())
        .unwrap()
        .leaf_node_parameters(openmls::prelude::LeafNodeParameters::builder().with_capabilities(suite::capabilities()).build())
        .load_psks(stranger.state.storage())
        .unwrap()
        .build(stranger.state.rand(), stranger.state.crypto(), &stranger.device.signer, |_| true)
        .unwrap()
        .finalize(&stranger.state)
        .unwrap();
    let facts = world.server.check(&message::encode(bundle.commit()).unwrap()).unwrap().facts;
    assert_eq!(facts.sender, Sender::External(LeafIndex(2)));
    let standing = Standing { group: CASE, epoch: world.server.epoch(), context: Some(context(1, 1)) };
    assert_eq!(judge_structure(&facts, &standing), Err(Broken(GroupRule::Resync)));
}

#[test]
fn damaged_blob_is_refused() {
    let blob = World::with_members(2).server.to_blob();
    assert_eq!(FollowedGroup::load(&blob).unwrap().to_blob(), blob, "one state, one blob");
    for cut in [0, 1, 20, 25, blob.len() / 2, blob.len() - 1] {
        assert!(matches!(FollowedGroup::load(&blob[..cut]), Err(MlsError::Stored)), "cut at {cut}");
    }
    assert!(FollowedGroup::load(&[&blob[..], &[0]].concat()).is_err());
    // OpenMLS would panic on some of these: what is damaged is noticed before it reads a row.
    for at in (0..25).chain((25..blob.len()).step_by(7)) {
        let mut damaged = blob.clone();
        damaged[at] ^= 1;
        assert!(matches!(FollowedGroup::load(&damaged), Err(MlsError::Stored)), "byte {at}");
    }
    assert!(FollowedGroup::load(&[0xff; 64]).is_err());
}

#[test]
fn member_cannot_be_added_twice_nor_remove_itself() {
    let world = World::with_members(2);
    let party = &world.parties[0];
    let package = world.parties[1].key_package(KeyPackageUse::Once);
    let twice = Changes { add: vec![package], remove: Vec::new() };
    assert!(matches!(party.group().prepare_commit(&party.state, &party.device, twice, &context(2, 1)), Err(MlsError::Invalid { .. })));
    for index in [0, 9] {
        let remove = Changes { add: Vec::new(), remove: vec![LeafIndex(index)] };
        let refused = party.group().prepare_commit(&party.state, &party.device, remove, &context(2, 1));
        assert!(matches!(refused, Err(MlsError::Invalid { .. })), "leaf {index}");
    }
}

#[test]
fn message_beyond_the_limit_is_refused_before_it_is_decoded() {
    let world = World::with_members(1);
    let large = vec![0; custodia_core::group::rules::MAX_MESSAGE_LEN + 1];
    assert!(matches!(world.server.check(&large), Err(MlsError::TooLarge { what: "commit", .. })));
    assert!(matches!(crate::commit_envelope(&[]), Err(MlsError::Malformed("commit"))));
    let joined = StagedJoin::open(&world.parties[0].state, &large, (CASE, Epoch(1)));
    assert!(matches!(joined, Err(MlsError::TooLarge { what: "Welcome", .. })));
}
