mod recovery;
mod succession;
mod together;

use super::*;
use crate::custody::body::{Add, Alteration, Collection, Consent, Consultation, Erasure, LogRead, Nothing, TransferMeans, ViewMode};
use crate::custody::facts::{DeviceFacts, LogFacts, Membership};
use crate::custody::intent::tests::consultation;
use crate::custody::wire::Hex;
use crate::digest::{Blake3Digest, Sha256Digest};
use crate::ids::DeviceId;
use crate::time::LogTime;

fn device(office: &str, role: Role) -> DeviceFacts {
    let person = format!("{office}/joost").parse().unwrap();
    DeviceFacts { id: DeviceId::from_bytes([7; 16]), good_standing: true, role, office: office.parse().unwrap(), person }
}

fn leaf(office: &str, role: Role) -> LeafFacts {
    LeafFacts { device: device(office, role), gone: false }
}

/// Facts under which `intent` is allowed: the actor is a prosecutor of the founding office with full history.
fn allowing(intent: &Intent) -> Facts<'static> {
    let time = u64::try_from(intent.time.millis()).unwrap();
    Facts {
        log: LogFacts { origin: "custodia.example/log", time: LogTime::from_millis(time).unwrap(), root_at_seen: Some(intent.seen.root) },
        actor: device("nl-om", Role::Prosecutor),
        case: Some(CaseFacts {
            ring_version: 4,
            founder: "nl-om".parse().unwrap(),
            epoch_stands: true,
            actor: Some(Membership { first_ring: 1, left: false }),
        }),
        parent: None,
        exhibit: Some(ExhibitFacts {
            case: intent.case,
            state: ExhibitState::Active,
            held: false,
            held_by_actor: false,
            proposal: None,
            handling: Handling::H0,
            ring_version: 2,
            originator: "nl-om".parse().unwrap(),
            chain_seen_stands: true,
            granted: false,
            restored: false,
            consent_judicial: false,
            consent_onward: false,
            recipient: Some((device("ro-diicot", Role::Prosecutor), true)),
        }),
        change: None,
        recovery: None,
        succession: None,
    }
}

fn with(body: Body) -> Intent {
    Intent { body, ..consultation() }
}

fn collection(ring_version: u32) -> Intent {
    let digest = Sha256Digest::of(&[]);
    with(Body::Collection(Collection {
        manifest_commitment: digest,
        manifest_object: Blake3Digest::of(b""),
        objects: 1,
        objects_digest: digest,
        sealed_bytes: 1,
        exhibit_key_commitment: digest,
        release_share_commitment: digest,
        ring_version,
        handling: Handling::H0,
        review: "2031-01-01".to_owned(),
        derivation: None,
    }))
}

fn change(terms: &[Terms], removes: usize, ring_version: u32) -> Intent {
    let digest = Sha256Digest::of(&[]);
    with(Body::MemberChange(MemberChange {
        epoch: 1,
        commit: digest,
        welcome: None,
        ring_version,
        ring_commitment: digest,
        ring_row: Some(digest),
        adds: terms.iter().map(|&terms| Add { certificate: digest, terms }).collect(),
        removes: vec![digest; removes],
        resync: false,
    }))
}

fn allowing_change(intent: &Intent) -> Facts<'static> {
    let Body::MemberChange(body) = &intent.body else { panic!("a change") };
    let after = vec![leaf("nl-om", Role::Prosecutor), leaf("nl-om", Role::Recovery)];
    let change = ChangeFacts {
        intent_matches_commit: true,
        adds: vec![leaf("nl-om", Role::Prosecutor); body.adds.len()],
        removes: vec![leaf("ro-diicot", Role::Prosecutor); body.removes.len()],
        after,
        undisclosed_for_full: 0,
        undisclosed_for_recovery: 0,
        replacements: Vec::new(),
    };
    Facts { change: Some(change), exhibit: None, ..allowing(intent) }
}

/// The act is allowed, and breaks exactly `rule` once the facts are changed.
#[track_caller]
fn only_this_breaks(rule: Rule, intent: &Intent, facts: &Facts<'_>, change: impl FnOnce(&mut Facts<'_>)) {
    assert_eq!(judge(intent, facts), Ok(()));
    let mut changed = facts.clone();
    change(&mut changed);
    assert_eq!(judge(intent, &changed), Err(rule));
}

#[test]
fn rec_01_an_intent_for_another_log_is_refused() {
    let intent = consultation();
    only_this_breaks(REC_01, &intent, &allowing(&intent), |facts| facts.log.origin = "elsewhere.example/log");
}

#[test]
fn rec_02_a_checkpoint_that_is_not_of_this_log_is_refused() {
    let intent = consultation();
    only_this_breaks(REC_02, &intent, &allowing(&intent), |facts| facts.log.root_at_seen = None);
    only_this_breaks(REC_02, &intent, &allowing(&intent), |facts| facts.log.root_at_seen = Some(Sha256Digest::of(&[b"fork"])));
}

#[test]
fn rec_03_a_chain_head_that_never_stood_is_refused() {
    let intent = consultation();
    only_this_breaks(REC_03, &intent, &allowing(&intent), |facts| facts.exhibit.as_mut().unwrap().chain_seen_stands = false);
}

#[test]
fn rec_04_a_case_is_founded_once() {
    let found = with(together::founding(None));
    let before = Facts { case: None, exhibit: None, ..allowing(&found) };
    only_this_breaks(REC_04, &found, &before, |facts| facts.case = allowing(&consultation()).case);
}

#[test]
fn rec_05_an_exhibit_is_collected_once_and_belongs_to_its_case() {
    let intent = consultation();
    only_this_breaks(REC_05, &intent, &allowing(&intent), |facts| facts.exhibit = None);
    only_this_breaks(REC_05, &intent, &allowing(&intent), |facts| {
        facts.exhibit.as_mut().unwrap().case = crate::ids::CaseId::from_bytes([9; 16]);
    });
    let collect = collection(4);
    let before = Facts { exhibit: None, ..allowing(&collect) };
    only_this_breaks(REC_05, &collect, &before, |facts| facts.exhibit = allowing(&consultation()).exhibit);
}

#[test]
fn rec_06_an_opening_signed_long_ago_or_ahead_of_time_is_refused() {
    let intent = consultation();
    for millis in [-OLDEST_OPENING_MILLIS - 1, NEWEST_OPENING_MILLIS + 1] {
        only_this_breaks(REC_06, &intent, &allowing(&intent), |facts| {
            facts.log.time = LogTime::from_millis(u64::try_from(intent.time.millis() - millis).unwrap()).unwrap();
        });
    }
    let mut edge = allowing(&intent);
    edge.log.time = LogTime::from_millis(u64::try_from(intent.time.millis() + OLDEST_OPENING_MILLIS).unwrap()).unwrap();
    assert_eq!(judge(&intent, &edge), Ok(()));
}

#[test]
fn rec_07_an_epoch_that_the_group_never_had_is_refused() {
    let intent = consultation();
    only_this_breaks(REC_07, &intent, &allowing(&intent), |facts| facts.case.as_mut().unwrap().epoch_stands = false);
}

#[test]
fn acc_01_a_device_out_of_good_standing_is_refused() {
    let intent = consultation();
    only_this_breaks(ACC_01, &intent, &allowing(&intent), |facts| facts.actor.good_standing = false);
}

#[test]
fn acc_02_roles_do_only_what_is_theirs() {
    let intent = consultation();
    for role in [Role::Auditor, Role::Administrator, Role::Recovery] {
        only_this_breaks(ACC_02, &intent, &allowing(&intent), |facts| facts.actor.role = role);
    }
    let granting = with(Body::Disclosure(Disclosure::Grant { grant: Sha256Digest::of(&[]), device: Sha256Digest::of(&[]) }));
    let mut recovering = allowing(&granting);
    recovering.actor.role = Role::Recovery;
    recovering.exhibit.as_mut().unwrap().restored = true;
    only_this_breaks(ACC_02, &granting, &recovering, |facts| facts.actor.role = Role::Auditor);
    let exporting = with(Body::Disclosure(Disclosure::Export {}));
    only_this_breaks(ACC_02, &exporting, &allowing(&exporting), |facts| facts.actor.role = Role::Recovery);
}

#[test]
fn acc_03_strangers_and_those_who_left_are_refused() {
    let intent = consultation();
    only_this_breaks(ACC_03, &intent, &allowing(&intent), |facts| facts.case.as_mut().unwrap().actor = None);
    // Whoever has no place in a case is told the same of one that does not exist.
    only_this_breaks(ACC_03, &intent, &allowing(&intent), |facts| facts.case = None);
    only_this_breaks(ACC_03, &intent, &allowing(&intent), |facts| {
        facts.case.as_mut().unwrap().actor = Some(Membership { first_ring: 1, left: true });
    });
    let read = with(Body::LogRead(LogRead { from: 0, to: 9 }));
    only_this_breaks(ACC_03, &read, &allowing(&read), |facts| facts.case.as_mut().unwrap().actor = None);
    let mut auditor = allowing(&read);
    auditor.actor.role = Role::Auditor;
    auditor.case = None;
    assert_eq!(judge(&read, &auditor), Ok(()));
}

#[test]
fn acc_04_the_exhibits_state_is_kept() {
    let intent = consultation();
    for state in [ExhibitState::Quarantined, ExhibitState::Restricted, ExhibitState::Erased] {
        only_this_breaks(ACC_04, &intent, &allowing(&intent), |facts| facts.exhibit.as_mut().unwrap().state = state);
    }
    let trial = Intent { purpose: Some(Purpose::Trial), ..consultation() };
    let mut restricted = allowing(&trial);
    restricted.exhibit.as_mut().unwrap().state = ExhibitState::Restricted;
    only_this_breaks(ACC_04, &trial, &restricted, |facts| facts.exhibit.as_mut().unwrap().state = ExhibitState::Erased);
}

#[test]
fn acc_05_what_came_before_a_member_stays_closed_without_a_grant() {
    let intent = consultation();
    let late = |facts: &mut Facts<'_>| facts.case.as_mut().unwrap().actor = Some(Membership { first_ring: 3, left: false });
    only_this_breaks(ACC_05, &intent, &allowing(&intent), late);
    let mut granted = allowing(&intent);
    late(&mut granted);
    granted.exhibit.as_mut().unwrap().granted = true;
    only_this_breaks(ACC_05, &intent, &granted, |facts| facts.exhibit.as_mut().unwrap().granted = false);
}

#[test]
fn acc_06_h1_blocks_a_dossier_until_the_originator_consents() {
    let intent = with(Body::Disclosure(Disclosure::Dossier { payload: Sha256Digest::of(&[]) }));
    let mut consented = allowing(&intent);
    let exhibit = consented.exhibit.as_mut().unwrap();
    (exhibit.handling, exhibit.consent_judicial) = (Handling::H1, true);
    only_this_breaks(ACC_06, &intent, &consented, |facts| facts.exhibit.as_mut().unwrap().consent_judicial = false);
    assert!(consent_lifts(ConsentTo::JudicialUse, Handling::H1) && !consent_lifts(ConsentTo::Onward, Handling::H1));
}

#[test]
fn acc_07_h2_blocks_passing_on_until_the_originator_consents() {
    let grant = Disclosure::Grant { grant: Sha256Digest::of(&[]), device: Sha256Digest::of(&[]) };
    for body in [grant, Disclosure::Transfer { means: TransferMeans::Usb }] {
        let intent = with(Body::Disclosure(body));
        let mut consented = allowing(&intent);
        let exhibit = consented.exhibit.as_mut().unwrap();
        (exhibit.handling, exhibit.consent_onward) = (Handling::H2, true);
        only_this_breaks(ACC_07, &intent, &consented, |facts| facts.exhibit.as_mut().unwrap().consent_onward = false);
    }
    assert!(consent_lifts(ConsentTo::Onward, Handling::H2) && !consent_lifts(ConsentTo::JudicialUse, Handling::H2));
}

#[test]
fn acc_08_a_held_exhibit_is_not_erased() {
    let proposal = with(Body::Erasure(Erasure::Propose { records: vec![] }));
    only_this_breaks(ACC_08, &proposal, &allowing(&proposal), |facts| facts.exhibit.as_mut().unwrap().held = true);
    let (confirmation, proposed) = together::confirmation();
    only_this_breaks(ACC_08, &confirmation, &proposed, |facts| facts.exhibit.as_mut().unwrap().held = true);
}

#[test]
fn acc_09_only_the_originator_consents_recodes_or_proposes_erasure() {
    let foreign = |facts: &mut Facts<'_>| facts.actor.office = "ro-diicot".parse().unwrap();
    let consent = with(Body::ConsentGive(Consent { to: ConsentTo::Onward }));
    only_this_breaks(ACC_09, &consent, &allowing(&consent), foreign);
    let erasure = with(Body::Erasure(Erasure::Propose { records: vec![] }));
    only_this_breaks(ACC_09, &erasure, &allowing(&erasure), foreign);
    let recode = with(Body::Alteration(Alteration { handling: Some(Handling::H0), review: None }));
    only_this_breaks(ACC_09, &recode, &allowing(&recode), foreign);
    let review = with(Body::Alteration(Alteration { handling: None, review: Some("2032-01-01".to_owned()) }));
    let mut by_another = allowing(&review);
    foreign(&mut by_another);
    assert_eq!(judge(&review, &by_another), Ok(()));
}

#[test]
fn acc_10_grants_go_to_members_in_good_standing_who_may_hold_evidence() {
    let intent = with(Body::Disclosure(Disclosure::Grant { grant: Sha256Digest::of(&[]), device: Sha256Digest::of(&[]) }));
    let revoked = DeviceFacts { good_standing: false, ..device("ro-diicot", Role::Prosecutor) };
    for recipient in [
        None,
        Some((device("ro-diicot", Role::Prosecutor), false)),
        Some((device("ro-diicot", Role::Auditor), true)),
        Some((device("ro-diicot", Role::Administrator), true)),
        Some((revoked, true)),
    ] {
        only_this_breaks(ACC_10, &intent, &allowing(&intent), |facts| facts.exhibit.as_mut().unwrap().recipient = recipient);
    }
}

#[test]
fn acc_11_new_evidence_is_not_wrapped_under_an_old_ring_key() {
    let intent = collection(4);
    let before = Facts { exhibit: None, ..allowing(&intent) };
    only_this_breaks(ACC_11, &intent, &before, |facts| facts.case.as_mut().unwrap().ring_version = 5);
}

#[test]
fn mem_01_an_intent_that_names_another_commit_is_refused() {
    let intent = change(&[Terms::Full], 0, 4);
    only_this_breaks(MEM_01, &intent, &allowing_change(&intent), |facts| facts.change.as_mut().unwrap().intent_matches_commit = false);
    only_this_breaks(MEM_01, &intent, &allowing_change(&intent), |facts| facts.change = None);
}

#[test]
fn mem_02_auditors_administrators_and_revoked_devices_do_not_join() {
    let intent = change(&[Terms::Full], 0, 4);
    for role in [Role::Auditor, Role::Administrator] {
        only_this_breaks(MEM_02, &intent, &allowing_change(&intent), |facts| facts.change.as_mut().unwrap().adds[0].device.role = role);
    }
    only_this_breaks(MEM_02, &intent, &allowing_change(&intent), |facts| {
        facts.change.as_mut().unwrap().adds[0].device.good_standing = false;
    });
}

#[test]
fn mem_03_a_guest_office_removes_only_its_own_devices_and_those_gone() {
    let intent = change(&[], 1, 5);
    let guest = |facts: &mut Facts<'_>| facts.actor.office = "be-fed".parse().unwrap();
    only_this_breaks(MEM_03, &intent, &allowing_change(&intent), guest);
    for allowed in [leaf("be-fed", Role::Prosecutor), LeafFacts { gone: true, ..leaf("nl-om", Role::Prosecutor) }] {
        let mut facts = allowing_change(&intent);
        guest(&mut facts);
        facts.change.as_mut().unwrap().removes[0] = allowed;
        assert_eq!(judge(&intent, &facts), Ok(()));
    }
}

#[test]
fn mem_04_who_left_or_was_revoked_does_not_survive_a_commit() {
    let intent = change(&[Terms::Full], 0, 4);
    only_this_breaks(MEM_04, &intent, &allowing_change(&intent), |facts| facts.change.as_mut().unwrap().after[0].gone = true);
}

#[test]
fn mem_05_an_office_without_a_recovery_leaf_is_refused() {
    let intent = change(&[Terms::Full], 0, 4);
    only_this_breaks(MEM_05, &intent, &allowing_change(&intent), |facts| {
        facts.change.as_mut().unwrap().after.push(leaf("ro-diicot", Role::Prosecutor));
    });
    only_this_breaks(MEM_05, &intent, &allowing_change(&intent), |facts| {
        facts.change.as_mut().unwrap().after.pop();
    });
}

#[test]
fn mem_06_the_ring_is_renewed_exactly_when_somebody_must_not_read_on_or_back() {
    for (terms, removes, renews) in [
        (&[Terms::Full][..], 0, false),
        (&[Terms::Chosen], 0, true),
        (&[Terms::None], 0, true),
        (&[], 1, true),
        (&[Terms::Full], 1, true),
        (&[], 0, false),
    ] {
        let right = change(terms, removes, 4 + u32::from(renews));
        assert_eq!(judge(&right, &allowing_change(&right)), Ok(()), "{terms:?} {removes}");
        for wrong in [4 + u32::from(!renews), 3, 6] {
            let wrong = change(terms, removes, wrong);
            assert_eq!(judge(&wrong, &allowing_change(&wrong)), Err(MEM_06), "{terms:?} {removes}");
        }
    }
    let mut resync = change(&[Terms::Resync], 1, 4);
    let Body::MemberChange(body) = &mut resync.body else { panic!("a change") };
    body.resync = true;
    assert_eq!(judge(&resync, &allowing_change(&resync)), Ok(()));
}

#[test]
fn mem_07_full_history_is_accounted_for_exhibit_by_exhibit() {
    let intent = change(&[Terms::Full], 0, 4);
    only_this_breaks(MEM_07, &intent, &allowing_change(&intent), |facts| facts.change.as_mut().unwrap().undisclosed_for_full = 1);
}

#[test]
fn rule_ids_are_unique() {
    let mut ids: Vec<_> = ALL.iter().map(|rule| rule.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), ALL.len());
}
