use super::*;
use crate::digest::Sha256Digest;
use crate::group::facts::AddedLeaf;
use crate::ids::CaseId;

fn group() -> GroupId {
    GroupId::first(CaseId::from_bytes([9; 16]))
}

fn xwing() -> Vec<u8> {
    vec![7; xwing::PUBLIC_KEY_LEN]
}

fn leaf(index: u32) -> LeafFacts {
    let key = u8::try_from(index).unwrap();
    LeafFacts { index: LeafIndex(index), certificate: vec![key], signature_key: [key; 32], encryption_key: xwing(), extensions: Vec::new() }
}

fn package() -> KeyPackageFacts {
    KeyPackageFacts {
        reference: vec![5; 48],
        suite: SUITE,
        certificate: vec![5],
        signature_key: [5; 32],
        encryption_key: xwing(),
        init_key: xwing(),
        not_before: 1_000_000,
        not_after: 1_000_000 + MAX_KEY_PACKAGE_LIFETIME,
        last_resort: false,
        leaf_extensions: Vec::new(),
        extensions: Vec::new(),
    }
}

fn context(log_size: u64, ring: u32) -> CommitContext {
    CommitContext {
        log_size,
        log_root: Sha256Digest::from_bytes([u8::try_from(log_size).unwrap(); 32]),
        registry_sequence: log_size / 2,
        registry_commitment: Sha256Digest::from_bytes([u8::try_from(log_size / 2).unwrap(); 32]),
        ring_version: RingVersion::new(ring).unwrap(),
        ring_commitment: Sha256Digest::from_bytes([u8::try_from(ring).unwrap(); 32]),
    }
}

/// A commit of leaf 0 in a group of three that adds a fourth, at log size 12.
fn commit() -> CommitFacts {
    CommitFacts {
        group: group(),
        epoch: Epoch(4),
        sender: Sender::Member(LeafIndex(0)),
        sender_before: Some(leaf(0)),
        sender_after: Some(leaf(0)),
        added: vec![AddedLeaf { index: LeafIndex(3), key_package: package() }],
        removed: Vec::new(),
        by_reference: 0,
        other_proposals: Vec::new(),
        members_before: 3,
        context: context(12, 2),
        message_len: 5000,
    }
}

fn resync() -> CommitFacts {
    CommitFacts {
        sender: Sender::External(LeafIndex(1)),
        sender_before: None,
        sender_after: Some(leaf(1)),
        added: Vec::new(),
        removed: vec![leaf(1)],
        ..commit()
    }
}

fn standing() -> Standing {
    Standing { group: group(), epoch: Epoch(4), context: Some(context(10, 2)) }
}

fn broken(change: impl FnOnce(&mut CommitFacts)) -> GroupRule {
    let mut facts = commit();
    change(&mut facts);
    judge_structure(&facts, &standing()).unwrap_err().0
}

#[test]
fn ordinary_commit_and_resync_keep_every_structural_rule() {
    assert_eq!(judge_structure(&commit(), &standing()), Ok(()));
    assert_eq!(judge_structure(&resync(), &standing()), Ok(()));
}

#[test]
fn grp_01_commit_for_another_case_or_generation_is_refused() {
    assert_eq!(broken(|c| c.group.generation = 1), GroupRule::NamesGroup);
    assert_eq!(broken(|c| c.group.case = CaseId::from_bytes([8; 16])), GroupRule::NamesGroup);
}

#[test]
fn grp_02_commit_of_an_earlier_or_later_epoch_is_refused() {
    assert_eq!(broken(|c| c.epoch = Epoch(3)), GroupRule::OnePerEpoch);
    assert_eq!(broken(|c| c.epoch = Epoch(5)), GroupRule::OnePerEpoch);
}

#[test]
fn grp_03_proposal_by_reference_is_refused() {
    assert_eq!(broken(|c| c.by_reference = 1), GroupRule::ByValue);
}

#[test]
fn grp_04_other_proposal_is_refused() {
    assert_eq!(broken(|c| c.other_proposals = vec![7]), GroupRule::AddOrRemove);
}

#[test]
fn grp_05_commit_without_path_is_refused() {
    assert_eq!(broken(|c| c.sender_after = None), GroupRule::HasPath);
}

#[test]
fn grp_06_external_commit_only_resyncs() {
    let refused = |change: fn(&mut CommitFacts)| {
        let mut facts = resync();
        change(&mut facts);
        judge_structure(&facts, &standing()).unwrap_err().0 == GroupRule::Resync
    };
    assert!(refused(|c| c.removed.clear()), "a stranger enters");
    assert!(refused(|c| c.removed = vec![leaf(2)]), "another's leaf goes");
    assert!(refused(|c| c.removed.push(leaf(2))), "another's leaf goes, too");
    assert!(refused(|c| c.added = commit().added), "it adds");
}

#[test]
fn grp_07_leaf_key_that_is_not_the_certificates_is_refused() {
    let mut certified = certified(0, "ro-diicot", LeafRole::Person);
    assert_eq!(leaf_key_is_certified(&leaf(0), &certified), Ok(()));
    certified.key = [1; 32];
    assert_eq!(leaf_key_is_certified(&leaf(0), &certified), Err(Broken(GroupRule::CertifiedKey)));
}

#[test]
fn grp_08_certificate_of_another_device_person_or_role_does_not_succeed() {
    let old = certified(0, "ro-diicot", LeafRole::Person);
    assert_eq!(succeeds(&old, &CertifiedLeaf { key: [99; 32], ..old.clone() }), Ok(()));
    for new in [
        CertifiedLeaf { device: DeviceId::from_bytes([99; 16]), ..old.clone() },
        CertifiedLeaf { person: "ro-diicot/p9".parse().unwrap(), ..old.clone() },
        CertifiedLeaf { role: LeafRole::Recovery, ..old.clone() },
    ] {
        assert_eq!(succeeds(&old, &new), Err(Broken(GroupRule::Succession)));
    }
}

#[test]
fn grp_09_commit_that_another_device_delivers_is_refused() {
    assert_eq!(sender_is_device(&commit(), &[0; 32]), Ok(()));
    assert_eq!(sender_is_device(&commit(), &[1; 32]), Err(Broken(GroupRule::SenderIsDevice)));
    assert_eq!(sender_is_device(&resync(), &[1; 32]), Ok(()));
    assert_eq!(sender_is_device(&resync(), &[0; 32]), Err(Broken(GroupRule::SenderIsDevice)));
}

#[test]
fn grp_10_key_package_lifetime_is_bounded_by_the_logs_time() {
    let at = |seconds: u64| LogTime::from_millis(seconds * 1000).unwrap();
    let made = package().not_before;
    assert_eq!(key_package_is_timely(&package(), at(made)), Ok(()));
    assert_eq!(key_package_is_timely(&package(), at(made - CLOCK_SKEW)), Ok(()));
    assert_eq!(key_package_is_timely(&package(), at(made + MAX_KEY_PACKAGE_AGE)), Ok(()));
    let late = Err(Broken(GroupRule::Lifetime));
    assert_eq!(key_package_is_timely(&package(), at(made - CLOCK_SKEW - 1)), late, "from the future");
    assert_eq!(key_package_is_timely(&package(), at(made + MAX_KEY_PACKAGE_AGE + 1)), late, "old");
    let long = KeyPackageFacts { not_after: package().not_after + 1, ..package() };
    assert_eq!(key_package_is_timely(&long, at(made)), late, "long");
    let backward = KeyPackageFacts { not_after: made - 1, ..package() };
    assert_eq!(key_package_is_timely(&backward, at(made)), late, "ends before it begins");
    let expired = KeyPackageFacts { not_after: made + 10, ..package() };
    assert_eq!(key_package_is_timely(&expired, at(made + 10)), late, "expired");
}

#[test]
fn grp_11_malformed_xwing_key_anywhere_is_refused() {
    let bad = || vec![0xff; xwing::PUBLIC_KEY_LEN];
    assert_eq!(broken(|c| c.added[0].key_package.init_key = bad()), GroupRule::WellFormedKeys);
    assert_eq!(broken(|c| c.added[0].key_package.encryption_key = bad()), GroupRule::WellFormedKeys);
    assert_eq!(broken(|c| c.sender_after.as_mut().unwrap().encryption_key = bad()), GroupRule::WellFormedKeys);
}

#[test]
fn grp_12_extension_in_leaf_or_key_package_is_refused() {
    assert_eq!(broken(|c| c.added[0].key_package.leaf_extensions = vec![1]), GroupRule::Extensions);
    assert_eq!(broken(|c| c.added[0].key_package.extensions = vec![1]), GroupRule::Extensions);
    assert_eq!(broken(|c| c.sender_after.as_mut().unwrap().extensions = vec![1]), GroupRule::Extensions);
    let last = KeyPackageFacts { last_resort: true, extensions: vec![LAST_RESORT], ..package() };
    assert_eq!(key_package_is_sound(&last), Ok(()));
}

#[test]
fn grp_13_commit_or_group_beyond_its_limit_is_refused() {
    assert_eq!(broken(|c| c.message_len = MAX_MESSAGE_LEN + 1), GroupRule::Limits);
    assert_eq!(broken(|c| c.members_before = MAX_MEMBERS), GroupRule::Limits);
    let full = CommitFacts { members_before: MAX_MEMBERS, ..resync() };
    assert_eq!(judge_structure(&full, &standing()), Ok(()), "a resync leaves the number as it is");
}

#[test]
fn grp_14_context_before_the_previous_commits_is_refused() {
    assert_eq!(broken(|c| c.context = context(9, 2)), GroupRule::ContextAdvances);
    assert_eq!(broken(|c| c.context.registry_sequence = 4), GroupRule::ContextAdvances);
    let fork = |c: &mut CommitFacts| c.context = CommitContext { log_root: Sha256Digest::from_bytes([0; 32]), ..context(10, 2) };
    assert_eq!(broken(fork), GroupRule::ContextAdvances);
    let fork = |c: &mut CommitFacts| {
        c.context.registry_sequence = 5;
        c.context.registry_commitment = Sha256Digest::from_bytes([0; 32]);
    };
    assert_eq!(broken(fork), GroupRule::ContextAdvances);
}

#[test]
fn grp_22_context_that_leaves_out_an_hour_old_record_is_refused() {
    let at = |millis| LogTime::from_millis(millis).unwrap();
    let judged = |left_out| context_is_recent(left_out, at(MAX_CONTEXT_LAG_MILLIS + 1));
    assert_eq!((judged(None), judged(Some(at(1))), judged(Some(at(0)))), (Ok(()), Ok(()), Err(Broken(GroupRule::ContextIsRecent))));
}

#[test]
fn grp_15_removal_without_a_new_ring_key_is_refused() {
    assert_eq!(broken(|c| c.removed = vec![leaf(1)]), GroupRule::RingRenewed);
    let mut renewed = commit();
    renewed.removed = vec![leaf(1)];
    renewed.context = context(12, 3);
    assert_eq!(judge_structure(&renewed, &standing()), Ok(()));
    assert_eq!(broken(|c| c.context = context(12, 4)), GroupRule::RingRenewed, "a version is left out");
    assert_eq!(broken(|c| c.context = context(12, 1)), GroupRule::RingRenewed, "an old version");
    let other_key = |c: &mut CommitFacts| c.context.ring_commitment = Sha256Digest::from_bytes([0; 32]);
    assert_eq!(broken(other_key), GroupRule::RingRenewed, "one version, two keys");
    let same_key = |c: &mut CommitFacts| c.context.ring_version = RingVersion::new(3).unwrap();
    assert_eq!(broken(same_key), GroupRule::RingRenewed, "two versions, one key");
    let resync = CommitFacts { context: context(12, 3), ..resync() };
    assert_eq!(ring_is_renewed(&resync, standing().context.as_ref()), Err(Broken(GroupRule::RingRenewed)), "a resync renews");
}

#[test]
fn grp_15_first_commit_begins_with_ring_version_one() {
    let first = |generation, ring| {
        let facts = CommitFacts { group: GroupId { generation, ..group() }, context: context(1, ring), ..commit() };
        ring_is_renewed(&facts, None)
    };
    assert_eq!(first(0, 1), Ok(()));
    assert_eq!(first(0, 2), Err(Broken(GroupRule::RingRenewed)));
    assert_eq!(first(1, 7), Ok(()));
}

fn certified(index: u32, office: &str, role: LeafRole) -> CertifiedLeaf {
    let key = u8::try_from(index).unwrap();
    CertifiedLeaf {
        index: LeafIndex(index),
        person: format!("{office}/p{index}").parse().unwrap(),
        device: DeviceId::from_bytes([key; 16]),
        role,
        key: [key; 32],
    }
}

#[test]
fn grp_16_office_without_recovery_leaf_is_refused() {
    let ro = certified(0, "ro-diicot", LeafRole::Person);
    let ro_recovery = certified(1, "ro-diicot", LeafRole::Recovery);
    let de = certified(2, "de-gba", LeafRole::Person);
    assert_eq!(membership_is_sound(&[ro.clone(), ro_recovery.clone()]), Ok(()));
    assert_eq!(membership_is_sound(std::slice::from_ref(&ro_recovery)), Ok(()));
    assert_eq!(membership_is_sound(std::slice::from_ref(&ro)), Err(Broken(GroupRule::RecoveryPresent)));
    assert_eq!(membership_is_sound(&[ro, ro_recovery, de]), Err(Broken(GroupRule::RecoveryPresent)));
}

#[test]
fn grp_17_commit_that_leaves_a_revoked_leaf_is_refused() {
    let facts = CommitFacts { removed: vec![leaf(1)], ..commit() };
    assert_eq!(removes_named(&facts, &[LeafIndex(1)]), Ok(()));
    assert_eq!(removes_named(&facts, &[LeafIndex(1), LeafIndex(2)]), Err(Broken(GroupRule::RemovesNamed)));
}

#[test]
fn grp_18_welcome_into_another_group_or_epoch_is_refused() {
    let claimed = (group(), Epoch(5));
    assert_eq!(welcome_names_group(claimed, claimed), Ok(()));
    assert_eq!(welcome_names_group((group(), Epoch(6)), claimed), Err(Broken(GroupRule::WelcomeNamesGroup)));
    let successor = GroupId { generation: 1, ..group() };
    assert_eq!(welcome_names_group((successor, Epoch(5)), claimed), Err(Broken(GroupRule::WelcomeNamesGroup)));
}

#[test]
fn grp_19_group_that_begins_later_or_with_more_leaves_is_refused() {
    assert_eq!(founds_group(Epoch(0), &[leaf(0)]), Ok(()));
    let refused = Err(Broken(GroupRule::Founding));
    assert_eq!(founds_group(Epoch(1), &[leaf(0)]), refused);
    assert_eq!(founds_group(Epoch(0), &[leaf(0), leaf(1)]), refused);
    assert_eq!(founds_group(Epoch(0), &[leaf(1)]), refused);
    assert_eq!(founds_group(Epoch(0), &[]), refused);
}

#[test]
fn grp_20_second_leaf_of_a_device_is_refused() {
    let one = certified(1, "ro-diicot", LeafRole::Recovery);
    let again = CertifiedLeaf { index: LeafIndex(2), key: [2; 32], ..one.clone() };
    assert_eq!(membership_is_sound(&[one, again]), Err(Broken(GroupRule::OneLeafPerDevice)));
}

#[test]
fn grp_21_other_cipher_suite_is_refused() {
    assert_eq!(broken(|c| c.added[0].key_package.suite = 1), GroupRule::Suite);
}

/// Certifies a leaf by its key; leaf 3, the added one, is a recovery device.
#[expect(clippy::unnecessary_wraps, reason = "the shape of every certifier")]
fn certify(leaf: &LeafFacts) -> Result<CertifiedLeaf, Broken> {
    let role = if leaf.index == LeafIndex(3) { LeafRole::Recovery } else { LeafRole::Person };
    Ok(CertifiedLeaf { key: leaf.signature_key, ..certified(leaf.index.0, "ro-diicot", role) })
}

fn before() -> Vec<CertifiedLeaf> {
    (0..3).map(|index| certified(index, "ro-diicot", LeafRole::Person)).collect()
}

fn log_time() -> LogTime {
    LogTime::from_millis(package().not_before * 1000).unwrap()
}

fn judge(facts: &CommitFacts, named: &[LeafIndex]) -> Result<Vec<u32>, Broken> {
    let after = judge_certified(facts, &before(), named, log_time(), certify)?;
    Ok(after.iter().map(|leaf| leaf.index.0).collect())
}

#[test]
fn certified_commit_that_adds_the_recovery_device_is_accepted_and_without_it_refused() {
    assert_eq!(judge(&commit(), &[]), Ok(vec![0, 1, 2, 3]));
    let removing = CommitFacts { removed: vec![leaf(1)], ..commit() };
    assert_eq!(judge(&removing, &[LeafIndex(1)]), Ok(vec![0, 2, 3]));
    assert_eq!(judge(&commit(), &[LeafIndex(1)]), Err(Broken(GroupRule::RemovesNamed)));
    assert_eq!(judge(&CommitFacts { added: Vec::new(), ..commit() }, &[]), Err(Broken(GroupRule::RecoveryPresent)));
}

#[test]
fn certified_commit_is_judged_for_every_key_and_for_succession() {
    let facts = commit();
    let uncertified = |index| {
        judge_certified(&facts, &before(), &[], log_time(), move |leaf| {
            let certified = certify(leaf)?;
            Ok(if leaf.index == LeafIndex(index) { CertifiedLeaf { key: [77; 32], ..certified } } else { certified })
        })
    };
    assert_eq!(uncertified(3), Err(Broken(GroupRule::CertifiedKey)));
    assert_eq!(uncertified(0), Err(Broken(GroupRule::CertifiedKey)));
    let with = |change: fn(&mut CertifiedLeaf)| {
        let mut before = before();
        change(&mut before[0]);
        judge_certified(&facts, &before, &[], log_time(), certify)
    };
    assert_eq!(with(|old| old.device = DeviceId::from_bytes([88; 16])), Err(Broken(GroupRule::Succession)));
    assert_eq!(with(|old| old.index = LeafIndex(8)), Err(Broken(GroupRule::Succession)), "an unknown leaf");
    assert_eq!(with(|old| old.key = [88; 32]), Err(Broken(GroupRule::CertifiedKey)), "not the leaf that was judged");
}

#[test]
fn certified_resync_keeps_device_and_membership() {
    let resync = CommitFacts { sender: Sender::External(LeafIndex(1)), ..resync() };
    let mut before = before();
    before.push(certified(3, "ro-diicot", LeafRole::Recovery));
    let after = judge_certified::<Broken>(&resync, &before, &[], log_time(), certify).unwrap();
    assert_eq!(after, before);
    before[1].person = "ro-diicot/p9".parse().unwrap();
    let other = judge_certified(&resync, &before, &[], log_time(), certify);
    assert_eq!(other, Err(Broken(GroupRule::Succession)));
}

#[test]
fn certified_commit_that_adds_by_an_old_key_package_is_refused() {
    let late = LogTime::from_millis((package().not_before + MAX_KEY_PACKAGE_AGE + 1) * 1000).unwrap();
    assert_eq!(judge_certified(&commit(), &before(), &[], late, certify), Err(Broken(GroupRule::Lifetime)));
}

#[test]
fn joiner_judges_every_member() {
    let members = [leaf(0), leaf(1), leaf(3)];
    assert_eq!(judge_members::<Broken>(&members, certify).unwrap().len(), 3);
    assert_eq!(judge_members(&members[..2], certify), Err(Broken(GroupRule::RecoveryPresent)));
    let mut twice = members.clone();
    twice[1] = LeafFacts { index: LeafIndex(1), ..leaf(0) };
    assert_eq!(
        judge_members(&twice, |leaf| Ok(CertifiedLeaf { device: DeviceId::from_bytes([1; 16]), ..certify(leaf)? })),
        Err(Broken(GroupRule::OneLeafPerDevice))
    );
    let mut malformed = members;
    malformed[2].encryption_key.pop();
    assert_eq!(judge_members(&malformed, certify), Err(Broken(GroupRule::WellFormedKeys)));
}
