//! The log: receipts, repetition, refusals as records, restarts, the head file, tiles.

use custodia_api::error::ErrorCode;
use custodia_api::messages::{Acknowledged, Act, Consistency, LogPage, ReadLog, RecordsPage};
use custodia_core::custody::body::{Body, LogRead, Nothing};
use custodia_core::custody::kind::Purpose;
use custodia_core::custody::record::Outcome;
use custodia_core::ids::CaseId;
use custodia_core::log::merkle::{NodeHash, TreeSize, leaf_hash};
use custodia_core::log::proof::{ConsistencyProof, verify_consistency};

use super::offices::DIICOT;
use super::world::{CASE, World};
use crate::backends::Pair;
use crate::config::LimitsConfig;
use crate::on_both_pairs;

async fn the_first_record_is_the_pinned_trust_list_and_nothing_else(pair: Pair) {
    let mut world = World::on(pair).await;
    let certificate = super::offices::device_certificate(DIICOT, custodia_core::identity::Role::Prosecutor, 11, world.born);
    let body =
        Body::DeviceEnrol(custodia_core::custody::body::DeviceEnrol { certificate: custodia_core::custody::wire::Base64(certificate) });
    world.registry(DIICOT, body).await.refused(ErrorCode::NotAuthenticated);
    // A list that is well signed but not the pinned one: made a day earlier.
    let other = super::offices::first_list(world.born - 86_400).to_json();
    let other = Body::TrustList(custodia_core::custody::body::TrustListBody { list: other });
    let intent = world.intent(CaseId::REGISTRY, other);
    let root = DIICOT.root_id(world.born - 86_400).digest();
    let signed = intent.sign(root, &super::offices::key(DIICOT.seed)).unwrap();
    world.post_registry(signed.text()).await.refused(ErrorCode::NotAuthenticated);
    assert_eq!(world.checkpoint().await.size(), TreeSize::ZERO);
    let receipt = world.begin().await;
    world.verify(&receipt);
    assert_eq!(receipt.record.index, 0);
    world.stop().await;
}

async fn a_repeated_act_has_one_record_and_the_same_receipt(pair: Pair) {
    let mut world = World::on(pair).await;
    world.begin().await;
    let ana = world.prosecutor(11).await;
    let request = world.founding(&ana, CASE);
    let first: Acknowledged = world.post(&ana, "/v1/cases", &request).await.json();
    world.verify(&first.receipt);
    world.stop().await;
    world.start().await;
    let again: Acknowledged = world.post(&ana, "/v1/cases", &request).await.json();
    assert_eq!(again.receipt, first.receipt);

    // The same intent id with other content.
    let mut leave = world.intent(CASE, Body::MemberLeave(Nothing {}));
    let founding = custodia_core::custody::intent::UnverifiedIntent::parse(&request.intent).unwrap();
    leave.id = founding.unverified().id;
    let leave = leave.sign(ana.id(), &ana.key).unwrap();
    let act = Act { intent: leave.text().to_owned() };
    world.post(&ana, &format!("/v1/cases/{CASE}/acts"), &act).await.refused(ErrorCode::Conflict);
    assert_eq!(world.checkpoint().await.size().get(), 3);
    world.stop().await;
}

async fn an_intent_serves_only_its_own_sender_case_and_path(pair: Pair) {
    let mut world = World::on(pair).await;
    world.begin().await;
    let (ana, ion) = (world.prosecutor(11).await, world.prosecutor(12).await);
    let request = world.founding(&ana, CASE);
    world.post(&ion, "/v1/cases", &request).await.refused(ErrorCode::NotAuthenticated);
    let act = Act { intent: request.intent.clone() };
    world.post(&ana, &format!("/v1/cases/{CASE}/acts"), &act).await.refused(ErrorCode::Malformed);
    let other = CaseId::from_bytes([7; 16]);
    world.post(&ana, &format!("/v1/cases/{other}/acts"), &act).await.refused(ErrorCode::Malformed);
    // The attachments are bound by digest: other bytes are refused by a rule, and the refusal is a record.
    let mut forged = request.clone();
    forged.ring_row.0[0] ^= 1;
    let body = world.post(&ana, "/v1/cases", &forged).await.refused(ErrorCode::NotPermitted);
    assert_eq!(body.rule.as_deref(), Some("MEM-01"));
    world.stop().await;
}

async fn a_refusal_is_a_record_and_too_many_are_only_counted(pair: Pair) {
    let limits = LimitsConfig { refusals_per_hour: 2, ..LimitsConfig::default() };
    let mut world = World::with_limits(pair, limits).await;
    world.begin().await;
    let (ana, ion) = (world.prosecutor(11).await, world.prosecutor(12).await);
    world.found(&ana, CASE).await;
    let path = format!("/v1/cases/{CASE}/acts");
    for attempt in 0..4 {
        let leave = world.intent(CASE, Body::MemberLeave(Nothing {})).sign(ion.id(), &ion.key).unwrap();
        let act = Act { intent: leave.text().to_owned() };
        let answer = world.post(&ion, &path, &act).await;
        if attempt >= 2 {
            answer.refused(ErrorCode::TooMany);
            continue;
        }
        let body = answer.refused(ErrorCode::NotPermitted);
        assert_eq!(body.rule.as_deref(), Some("ACC-03"));
        let receipt = body.receipt.unwrap();
        world.verify(&receipt);
        let opened = receipt.record.open().unwrap();
        assert!(matches!(opened.core.unwrap().outcome, Outcome::Refused(rule) if rule.as_str() == "ACC-03"));
        assert_eq!(opened.case, None, "a stranger does not learn the place in the case's chain");
        // Sending it again answers the same record.
        let again = world.post(&ion, &path, &act).await.refused(ErrorCode::NotPermitted);
        assert_eq!(again.receipt, Some(receipt));
    }
    // An hour later one record stands for the two that were counted.
    world.clock.advance(3601);
    let leave = world.intent(CASE, Body::MemberLeave(Nothing {})).sign(ion.id(), &ion.key).unwrap();
    world.post(&ion, &path, &Act { intent: leave.text().to_owned() }).await.refused(ErrorCode::NotPermitted);
    let page: RecordsPage = world.get(&ana, &format!("/v1/cases/{CASE}/records?from=1")).await.json();
    let attempts: Vec<u32> = page.records.iter().map(|record| record.open().unwrap().core.unwrap().attempts).collect();
    assert_eq!(attempts, [1, 1, 2, 1]);
    world.stop().await;
}

async fn chains_are_linked_and_end_in_the_receipt_of_their_head(pair: Pair) {
    let mut world = World::on(pair).await;
    world.begin().await;
    let ana = world.prosecutor(11).await;
    world.prosecutor(12).await;
    world.found(&ana, CASE).await;
    let page: RecordsPage = world.get(&ana, "/v1/registry/records?from=0").await.json();
    assert_eq!(page.records.len(), 3);
    let mut previous = None;
    for (seq, record) in page.records.iter().enumerate() {
        let opened = record.open().unwrap();
        let place = opened.case.unwrap();
        assert_eq!((place.chain, place.seq.0, place.previous), (CaseId::REGISTRY, seq as u64, previous));
        previous = Some(opened.commitment);
    }
    assert_eq!(Some(world.verify(page.head.as_ref().unwrap())), previous);
    let page: RecordsPage = world.get(&ana, "/v1/registry/records?from=2").await.json();
    assert_eq!(page.records.len(), 1);
    let page: RecordsPage = world.get(&ana, &format!("/v1/cases/{CASE}/records?from=0")).await.json();
    assert_eq!(page.records.len(), 1);
    let ion = world.prosecutor(13).await;
    world.get(&ion, &format!("/v1/cases/{CASE}/records?from=0")).await.refused(ErrorCode::NotFound);
    world.stop().await;
}

async fn tiles_recompute_the_root_and_trees_are_consistent(pair: Pair) {
    let mut world = World::on(pair).await;
    world.begin().await;
    for seed in 20..25 {
        world.prosecutor(seed).await;
    }
    let checkpoint = world.checkpoint().await;
    assert_eq!(checkpoint.size().get(), 6);
    let tile = world.public("/tile/0/000.p/6").await;
    let entries = world.public("/tile/entries/000.p/6").await;
    assert_eq!((tile.body.len(), entries.body.len()), (6 * 32, 6 * 35));
    let mut frontier = custodia_core::log::merkle::Frontier::empty();
    for (hash, entry) in tile.body.chunks(32).zip(entries.body.chunks(35)) {
        let leaf = leaf_hash(&entry[2..]);
        assert_eq!(leaf.as_bytes(), hash);
        frontier.append(leaf).unwrap();
        let size = frontier.size();
        let proof: Consistency = world.public(&format!("/v1/log/consistency?from={size}&to=6")).await.json();
        let proof = ConsistencyProof::from_hashes(proof.proof.iter().map(|hash| NodeHash::from_bytes(*hash.as_bytes())).collect());
        verify_consistency(size, frontier.root(), checkpoint.size(), checkpoint.root(), &proof.unwrap()).unwrap();
    }
    assert_eq!(frontier.root(), checkpoint.root());
    world.public("/tile/0/000.p/7").await.refused(ErrorCode::NotFound);
    world.public("/tile/0/0").await.refused(ErrorCode::Malformed);
    world.public("/v1/log/consistency?from=3&to=7").await.refused(ErrorCode::NotFound);
    world.public("/v1/log/consistency?from=4&to=3").await.refused(ErrorCode::Malformed);
    world.stop().await;
}

async fn a_database_that_was_set_back_is_not_appended_to(pair: Pair) {
    let mut world = World::on(pair).await;
    world.begin().await;
    world.stop().await;
    let backup = world.stores.backup();
    world.start().await;
    let acknowledged = world.prosecutor(11).await;
    world.stop().await;
    world.stores.restore(&backup);
    world.start().await;
    let certificate = super::offices::device_certificate(DIICOT, custodia_core::identity::Role::Prosecutor, 12, world.born);
    let body =
        Body::DeviceEnrol(custodia_core::custody::body::DeviceEnrol { certificate: custodia_core::custody::wire::Base64(certificate) });
    let refused = world.registry(DIICOT, body).await.refused(ErrorCode::Unavailable);
    assert!(refused.message.contains("behind the head file"), "{}", refused.message);
    assert_eq!(world.checkpoint().await.size().get(), 1, "nothing was signed");
    world.get(&acknowledged, "/v1/cases").await.refused(ErrorCode::UnknownDevice);
    world.stop().await;
}

async fn a_head_file_that_lags_after_a_crash_is_brought_up_to_date(pair: Pair) {
    let mut world = World::on(pair).await;
    world.begin().await;
    let head_file = world.config.data.head_file.clone();
    let before = std::fs::read(&head_file).unwrap();
    world.prosecutor(11).await;
    world.stop().await;
    // As if the process had died between the commit and the head file.
    std::fs::write(&head_file, before).unwrap();
    world.start().await;
    let ana = world.prosecutor(12).await;
    world.found(&ana, CASE).await;
    let text = std::fs::read_to_string(&head_file).unwrap();
    assert!(text.contains("\"size\":4"), "{text}");
    world.stop().await;
}

async fn many_at_once_each_get_their_own_record(pair: Pair) {
    let mut world = World::on(pair).await;
    world.begin().await;
    let ana = world.prosecutor(11).await;
    let requests: Vec<_> = (0..12_u8).map(|number| world.founding(&ana, CaseId::from_bytes([number + 1; 16]))).collect();
    let world = &world;
    let ana = &ana;
    let answers = futures::future::join_all(requests.iter().map(|request| world.post(ana, "/v1/cases", request))).await;
    let mut indexes: Vec<u64> = answers
        .iter()
        .map(|answer| {
            let receipt = answer.json::<Acknowledged>().receipt;
            world.verify(&receipt);
            receipt.record.index
        })
        .collect();
    indexes.sort_unstable();
    assert_eq!(indexes, (2..14).collect::<Vec<u64>>());
}

async fn an_auditor_reads_the_log_only_after_an_entry_that_says_so(pair: Pair) {
    let mut world = World::on(pair).await;
    world.begin().await;
    let ana = world.prosecutor(11).await;
    let auditor = world.auditor(30).await;
    world.found(&ana, CASE).await;
    world.get(&auditor, "/v1/log/records?from=0").await.refused(ErrorCode::NotFound);
    world.get(&auditor, &format!("/v1/cases/{CASE}/records?from=0")).await.refused(ErrorCode::NotFound);
    let mut read = world.intent(CaseId::REGISTRY, Body::LogRead(LogRead { from: 0, to: 3 }));
    read.purpose = Some(Purpose::LawfulnessCheck);
    let read = read.sign(auditor.id(), &auditor.key).unwrap();
    let request = ReadLog { intent: read.text().to_owned() };
    world.post(&auditor, "/v1/log/read", &request).await.json::<Acknowledged>();
    let page: LogPage = world.get(&auditor, "/v1/log/records?from=0").await.json();
    assert_eq!(page.records.len(), 3, "no further than the entry says");
    world.get(&auditor, "/v1/log/records?from=3").await.refused(ErrorCode::NotFound);
    world.get(&ana, "/v1/log/records?from=0").await.refused(ErrorCode::NotFound);
    world.stop().await;
}

async fn a_seen_checkpoint_that_never_was_is_refused(pair: Pair) {
    let mut world = World::on(pair).await;
    world.begin().await;
    let ana = world.prosecutor(11).await;
    world.found(&ana, CASE).await;
    let mut leave = world.intent(CASE, Body::MemberLeave(Nothing {}));
    leave.seen.size = 2;
    let leave = leave.sign(ana.id(), &ana.key).unwrap();
    let act = Act { intent: leave.text().to_owned() };
    let refused = world.post(&ana, &format!("/v1/cases/{CASE}/acts"), &act).await.refused(ErrorCode::NotPermitted);
    assert_eq!(refused.rule.as_deref(), Some("REC-02"));
    world.stop().await;
}

on_both_pairs![
    the_first_record_is_the_pinned_trust_list_and_nothing_else,
    a_repeated_act_has_one_record_and_the_same_receipt,
    an_intent_serves_only_its_own_sender_case_and_path,
    a_refusal_is_a_record_and_too_many_are_only_counted,
    chains_are_linked_and_end_in_the_receipt_of_their_head,
    tiles_recompute_the_root_and_trees_are_consistent,
    a_database_that_was_set_back_is_not_appended_to,
    a_head_file_that_lags_after_a_crash_is_brought_up_to_date,
    many_at_once_each_get_their_own_record,
    an_auditor_reads_the_log_only_after_an_entry_that_says_so,
    a_seen_checkpoint_that_never_was_is_refused,
];
