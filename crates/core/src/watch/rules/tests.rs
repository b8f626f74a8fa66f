//! Each rule tells of what it is for, and of nothing else.

use ed25519_dalek::SigningKey;

use super::acts::patterns;
use super::heads::{self, Waiting};
use super::standing;
use super::*;
use crate::custody::kind::{Kind, Purpose};
use crate::digest::Sha256Digest;
use crate::ids::{CaseId, DeviceId, ExhibitId};
use crate::log::merkle::{Frontier, RootHash, TreeSize, leaf_hash};
use crate::log::{LogSigner, VerifiedCheckpoint};
use crate::time::LogTime;
use crate::watch::{Act, Alert, Limits, OfficeHours, Opening};

/// Monday, 23 November 2026, 10:00 UTC.
const MONDAY: u64 = 1_795_428_000;
const MINUTE: u64 = 60;
const HOUR: u64 = 3600;
const CASE: CaseId = CaseId::from_bytes([1; 16]);

const fn device(number: u8) -> DeviceId {
    DeviceId::from_bytes([number; 16])
}

const fn exhibit(number: u8) -> ExhibitId {
    ExhibitId::from_bytes([number; 16])
}

/// An act of Ana's device 1, so many seconds after Monday at ten.
fn act(index: u64, after: u64, kind: Kind, of: u8) -> Act {
    Act {
        index,
        time: LogTime::from_millis((MONDAY + after) * 1000).unwrap(),
        actor: Some((device(1), "ro-diicot/ana".parse().unwrap())),
        kind,
        opening: None,
        granted_to: None,
        ended: Vec::new(),
        case: CASE,
        exhibit: Some(exhibit(of)),
        purpose: None,
        refused_by: None,
        attempts: 1,
        reason: None,
        to_be_erased: false,
        review: None,
    }
}

fn opening(index: u64, after: u64, of: u8, how: Opening) -> Act {
    let kind = if how == Opening::View { Kind::Consultation } else { Kind::Disclosure };
    Act { opening: Some(how), purpose: Some(Purpose::Trial), review: Some("2027-01-01".to_owned()), ..act(index, after, kind, of) }
}

fn view(index: u64, after: u64, of: u8) -> Act {
    opening(index, after, of, Opening::View)
}

fn removal(index: u64, after: u64) -> Act {
    let luc = Some((device(3), "ro-diicot/luc".parse().unwrap()));
    Act { exhibit: None, actor: luc, ended: vec![device(1)], ..act(index, after, Kind::MemberChange, 0) }
}

fn refused(act: Act) -> Act {
    Act { refused_by: Some("ACC-03".to_owned()), ..act }
}

/// Which rules tell of which records.
fn told(acts: &[Act], limits: &Limits) -> Vec<(String, Vec<u64>)> {
    patterns(acts, 0, limits).into_iter().map(|alert| (alert.rule, alert.records)).collect()
}

fn one(rule: Rule, records: &[u64]) -> Vec<(String, Vec<u64>)> {
    vec![(rule.id.to_owned(), records.to_vec())]
}

const NONE: [(String, Vec<u64>); 0] = [];

fn signed(leaves: &[&str]) -> VerifiedCheckpoint {
    let signer = LogSigner::new("vault.example/log".parse().unwrap(), SigningKey::from_bytes(&[9; 32])).unwrap();
    let mut tree = Frontier::empty();
    for leaf in leaves {
        tree.append(leaf_hash(leaf.as_bytes())).unwrap();
    }
    signer.sign(tree.size(), tree.root()).unwrap()
}

fn id(alert: Option<Alert>) -> Option<String> {
    alert.map(|alert| alert.rule)
}

#[test]
fn wat_01_two_signed_checkpoints_that_cannot_both_be_are_a_fork() {
    let (held, same, other) = (signed(&["a", "b"]), signed(&["a", "b"]), signed(&["a", "c"]));
    assert_eq!(heads::two_roots(&held, &same), None);
    assert_eq!(id(heads::two_roots(&held, &other)).as_deref(), Some("WAT-01"));
    assert_eq!(heads::two_roots(&held, &signed(&["a"])), None);
    let replayed = |size: TreeSize| (size.get() <= 2).then(|| if size.get() == 2 { held.root() } else { RootHash::empty() });
    let found = heads::fork(&other, "be-fp's witness", replayed).unwrap();
    assert!(found.fails && found.text.contains("be-fp's witness") && found.subject == "checkpoint of size 2");
    assert_eq!(heads::fork(&same, "x", replayed), None);
    assert_eq!(heads::fork(&signed(&["a", "b", "c"]), "x", replayed), None, "a size that was not replayed");
    assert_ne!(heads::no_extension(&held, &signed(&["a", "c", "d"])).key(), heads::no_extension(&held, &signed(&["x", "c", "d"])).key());
}

#[test]
fn wat_02_a_head_smaller_than_one_that_was_signed_is_a_rollback() {
    let (small, large) = (signed(&["a"]), signed(&["a", "b"]));
    assert_eq!(id(heads::rollback(&large, &small)).as_deref(), Some("WAT-02"));
    assert_eq!((heads::rollback(&small, &large), heads::rollback(&large, &large)), (None, None));
}

#[test]
fn wat_03_a_head_that_others_have_passed_or_nobody_vouches_for_is_told() {
    let newer = signed(&["a", "b", "c"]);
    let size = |size| TreeSize::new(size).unwrap();
    assert_eq!(id(heads::shown_newer(&newer, "the witness", size(2))).as_deref(), Some("WAT-03"));
    assert_eq!(heads::shown_newer(&newer, "the witness", size(3)), None);
    let limits = Limits { freshness_seconds: 600, ..Limits::default() };
    let behind = Some(Waiting { index: 5, seconds: 1000 });
    let vouched = |now| heads::not_vouched(Some((5, 900)), behind, now, &limits);
    assert_eq!(
        (vouched(1600), id(vouched(1601)).as_deref()),
        (None, Some("WAT-03")),
        "it waits since the record, not since the cosignature"
    );
    assert_eq!(heads::not_vouched(Some((5, 900)), None, 9999, &limits), None, "a log in which nothing happens is not frozen");
    assert_eq!(id(heads::not_vouched(None, behind, 1601, &limits)).as_deref(), Some("WAT-03"), "nobody ever vouched");
}

#[test]
fn wat_04_a_record_that_waits_too_long_for_a_stamp_is_told_once() {
    let first = Some(Waiting { index: 7, seconds: 1000 });
    let limits = Limits { stamp_seconds: 300, ..Limits::default() };
    assert_eq!(heads::not_stamped(first, 1300, &limits), None);
    let (early, late) = (heads::not_stamped(first, 1301, &limits).unwrap(), heads::not_stamped(first, 9000, &limits).unwrap());
    assert_eq!((early.rule.as_str(), early.key()), ("WAT-04", late.key()));
    assert_eq!((heads::not_stamped(None, 9000, &limits), heads::not_stamped(first, 9000, &Limits::default())), (None, None));
}

#[test]
fn wat_05_a_witness_that_stays_behind_is_named() {
    let first = Some(Waiting { index: 7, seconds: 1000 });
    let limits = Limits { witness_seconds: 300, ..Limits::default() };
    assert_eq!(heads::not_cosigned("w1", first, 1300, &limits), None);
    let found = heads::not_cosigned("w1", first, 1301, &limits).unwrap();
    assert_eq!((found.rule.as_str(), found.subject.as_str(), found.records.as_slice()), ("WAT-05", "witness w1", &[7][..]));
    assert_eq!(heads::not_cosigned("w1", first, 9000, &Limits::default()), None, "not asked for");
}

#[test]
fn wat_07_a_review_day_is_past_when_it_has_ended() {
    let at = |seconds| LogTime::from_millis(seconds * 1000).unwrap();
    assert!(standing::is_past("2026-11-22", at(MONDAY)));
    assert!(!standing::is_past("2026-11-23", at(MONDAY)) && !standing::is_past("2027-01-01", at(MONDAY)));
    assert!(!standing::is_past("soon", at(MONDAY)), "what is no day is for the replay to find");
}

#[test]
fn wat_08_an_attempt_in_the_hours_after_a_removal_is_told() {
    let limits = Limits { removal_hours: 2, ..Limits::default() };
    let acts = |after| [removal(4, 0), refused(view(5, after, 1))];
    assert_eq!(told(&acts(HOUR), &limits), one(WAT_08, &[4, 5]));
    assert_eq!(told(&acts(3 * HOUR), &limits), NONE);
    let elsewhere = [removal(4, 0), Act { case: CaseId::from_bytes([2; 16]), ..refused(view(5, HOUR, 1)) }];
    assert_eq!(told(&elsewhere, &limits), NONE, "a removal from one case is none from another");
    let revoked = Act { actor: None, case: CaseId::REGISTRY, kind: Kind::DeviceRevoke, ..removal(4, 0) };
    assert_eq!(told(&[revoked, refused(view(5, HOUR, 1))], &limits), one(WAT_08, &[4, 5]), "a revocation is one from every case");
    let failed = [refused(removal(4, 0)), refused(view(5, HOUR, 1))];
    assert_eq!(told(&failed, &limits), NONE, "a removal that was refused");
    assert_eq!(told(&[removal(4, 0), view(5, HOUR, 1)], &limits), NONE, "whoever was let is for the replay to judge");
}

#[test]
fn wat_09_a_burst_of_openings_before_a_removal_is_told_with_the_removal() {
    let limits = Limits { removal_hours: 2, removal_openings: 3, ..Limits::default() };
    let burst = [opening(1, 0, 1, Opening::Export), opening(2, 60, 2, Opening::Export), view(3, 120, 3), removal(4, HOUR)];
    let found = patterns(&burst, 4, &limits);
    assert_eq!(told(&burst, &limits), one(WAT_09, &[1, 2, 3, 4]));
    assert!(!found[0].fails && found[0].text.contains("3 exhibits, 2 by export"), "{}", found[0].text);
    assert_eq!(told(&[view(1, 0, 1), view(2, 60, 1), view(3, 120, 3), removal(4, HOUR)], &limits), NONE, "two exhibits");
    assert_eq!(told(&[view(1, 0, 1), view(2, 60, 2), view(3, 120, 3), removal(4, 4 * HOUR)], &limits), NONE, "long before");
}

#[test]
fn wat_10_many_exhibits_opened_by_one_device_are_told_once() {
    let limits = Limits { openings: 3, ..Limits::default() };
    let acts: Vec<Act> = (0..6).map(|n| view(u64::from(n), u64::from(n) * MINUTE, n)).collect();
    assert_eq!(told(&acts, &limits), one(WAT_10, &[0, 1, 2]), "when the third is opened, and not again");
    assert_eq!(patterns(&acts, 3, &limits), [], "nor when the watch goes on from a later record");
    let same: Vec<Act> = (0..6).map(|n| view(n, n * MINUTE, 1)).collect();
    assert_eq!(told(&same, &limits), NONE, "one exhibit again and again");
    let slow: Vec<Act> = (0..6).map(|n| view(u64::from(n), u64::from(n) * 31 * MINUTE, n)).collect();
    assert_eq!(told(&slow, &limits), NONE);
    assert_eq!(told(&acts, &Limits { openings: 0, ..limits }), NONE, "switched off");
}

#[test]
fn wat_11_an_opening_outside_declared_hours_is_told_only_where_hours_are_declared() {
    assert_eq!(told(&[view(1, 12 * HOUR, 1)], &Limits::default()), NONE);
    let day = OfficeHours { office: None, from_minute: 8 * 60, to_minute: 18 * 60, utc_offset_minutes: 120, weekends: false };
    let limits = |hours: &[&OfficeHours]| Limits { hours: hours.iter().map(|one| (*one).clone()).collect(), ..Limits::default() };
    assert_eq!(told(&[view(1, 0, 1)], &limits(&[&day])), NONE, "noon in Bucharest");
    assert_eq!(told(&[view(1, 6 * HOUR, 1)], &limits(&[&day])), one(WAT_11, &[1]), "six in the evening there");
    assert_eq!(told(&[view(1, 5 * 24 * HOUR, 1)], &limits(&[&day])), one(WAT_11, &[1]), "a Saturday");
    let own = OfficeHours { office: Some("ro-diicot".parse().unwrap()), from_minute: 0, to_minute: 1440, weekends: true, ..day.clone() };
    assert_eq!(told(&[view(1, 5 * 24 * HOUR, 1)], &limits(&[&day, &own])), NONE, "the office's own line counts");
    let other = OfficeHours { office: Some("be-fp".parse().unwrap()), from_minute: 0, to_minute: 0, ..day };
    assert_eq!(told(&[view(1, 0, 1)], &limits(&[&other])), NONE);
}

#[test]
fn wat_12_an_export_soon_after_the_grant_is_told() {
    let ana: crate::ids::PersonId = "ro-diicot/ana".parse().unwrap();
    let grant = |by: (u8, &str)| Act {
        actor: Some((device(by.0), by.1.parse().unwrap())),
        granted_to: Some((device(1), ana.clone())),
        ..act(1, 0, Kind::Disclosure, 1)
    };
    let export = |after, of| opening(2, after, of, Opening::Export);
    let found = |by, export| patterns(&[grant(by), export], 0, &Limits::default());
    let to_other = found((3, "ro-diicot/luc"), export(MINUTE, 1));
    assert!(to_other.len() == 1 && to_other[0].rule == "WAT-12" && to_other[0].text.contains("ro-diicot/luc had granted it"));
    let to_self = found((2, "ro-diicot/ana"), export(MINUTE, 1));
    assert!(to_self[0].text.contains("another device of the same person"));
    assert_eq!(found((3, "ro-diicot/luc"), export(2 * HOUR, 1)), []);
    assert_eq!(found((3, "ro-diicot/luc"), export(MINUTE, 2)), [], "another exhibit");
    assert_eq!(found((3, "ro-diicot/luc"), view(2, MINUTE, 1)), [], "a view");
}

#[test]
fn wat_13_repeated_refusals_are_told_with_their_attempts() {
    let limits = Limits { refusals: 5, ..Limits::default() };
    let acts = [refused(view(1, 0, 1)), Act { attempts: 4, ..refused(view(2, MINUTE, 1)) }, refused(view(3, 2 * MINUTE, 1))];
    assert_eq!(told(&acts, &limits), one(WAT_13, &[1, 2]));
    assert_eq!(told(&acts[1..], &limits), one(WAT_13, &[2, 3]));
    assert_eq!(told(&acts[..1], &limits), NONE);
    let spread = [acts[0].clone(), Act { attempts: 4, ..refused(view(2, 2 * HOUR, 1)) }];
    assert_eq!(told(&spread, &limits), NONE);
}

#[test]
fn wat_14_a_reason_that_repeats_word_for_word_is_told() {
    let limits = Limits { same_reason: 3, ..Limits::default() };
    let with = |index: u64, of: u8, reason: &str| Act {
        reason: Some(Sha256Digest::of(&[reason.as_bytes()])),
        ..view(index, index * 20 * HOUR, of)
    };
    let acts = [with(1, 1, "trial"), with(2, 2, "trial"), with(3, 3, "trial"), with(4, 4, "trial")];
    assert_eq!(told(&acts, &limits), one(WAT_14, &[1, 2, 3]));
    assert!(!patterns(&acts, 0, &limits)[0].text.contains("trial"), "the reason itself is not told: it was sealed");
    assert_eq!(told(&[with(1, 1, "trial"), with(2, 2, "the second trial"), with(3, 3, "trial")], &limits), NONE);
    assert_eq!(told(&[view(1, 0, 1), view(2, 60, 2), view(3, 120, 3)], &limits), NONE, "reasons that are not sealed to this auditor");
}

#[test]
fn wat_15_two_devices_of_one_person_are_told_only_if_asked_for() {
    let other = |index, after| Act { actor: Some((device(2), "ro-diicot/ana".parse().unwrap())), ..view(index, after, 2) };
    let acts = [view(1, 0, 1), other(2, MINUTE), view(3, 2 * MINUTE, 1)];
    assert_eq!(told(&acts, &Limits::default()), NONE);
    let limits = Limits { two_devices_minutes: 10, ..Limits::default() };
    assert_eq!(told(&acts, &limits), one(WAT_15, &[1, 2]), "once, and not at every turn");
    assert_eq!(told(&[view(1, 0, 1), other(2, HOUR)], &limits), NONE);
    let luc = Act { actor: Some((device(2), "ro-diicot/luc".parse().unwrap())), ..view(2, MINUTE, 2) };
    assert_eq!(told(&[view(1, 0, 1), luc], &limits), NONE);
}

#[test]
fn wat_16_a_purpose_that_does_not_fit_how_the_exhibit_stands_is_told() {
    let for_purpose = |purpose, act: Act| Act { purpose: Some(purpose), ..act };
    let erased = Act { to_be_erased: true, ..view(1, 0, 1) };
    let past = Act { review: Some("2026-11-22".to_owned()), ..view(1, 0, 1) };
    let limits = Limits::default();
    assert_eq!(told(std::slice::from_ref(&erased), &limits), one(WAT_16, &[1]));
    assert_eq!(told(&[for_purpose(Purpose::DefenceAccess, erased)], &limits), NONE);
    assert_eq!(told(&[for_purpose(Purpose::Investigation, past.clone())], &limits), one(WAT_16, &[1]));
    assert_eq!(told(&[past], &limits), NONE, "a trial goes on");
    assert_eq!(told(&[for_purpose(Purpose::Investigation, view(1, 0, 1))], &limits), NONE);
}

#[test]
fn every_rule_says_what_it_does_not_show_and_has_its_own_id() {
    for (place, rule) in ALL.iter().enumerate() {
        assert_eq!(rule.id, format!("WAT-{:02}", place + 1));
        let admits = ["not", "cannot", "looks the same", "permit"];
        assert!(admits.iter().any(|word| rule.says.contains(word)), "{}", rule.id);
    }
    assert!(Limits::default().lookback_millis() >= 30 * 24 * 3_600_000);
}
