use custodia_core::custody::body::{Body, Consultation, ViewMode};
use custodia_core::custody::facts::LogFacts;
use custodia_core::custody::intent::{ClockSource, Intent, UnverifiedIntent};
use custodia_core::custody::kind::Purpose;
use custodia_core::custody::record::{Core, Part, Record, Salt};
use custodia_core::custody::rules::judge_log;
use custodia_core::ids::IntentId;
use custodia_core::log::{Frontier, LogSigner, NodeHash, NodeId, TreeSize, consistency_proof, inclusion_proof};
use custodia_core::time::ClaimedTime;
use ed25519_dalek::SigningKey;
use std::collections::HashMap;

use super::*;

const CASE: CaseId = CaseId::from_bytes([1; 16]);

/// A small log that keeps its nodes.
struct Log {
    signer: LogSigner,
    frontier: Frontier,
    nodes: HashMap<NodeId, NodeHash>,
}

impl Log {
    fn new(seed: u8) -> Self {
        let signer = LogSigner::new("vault.example/log".parse().unwrap(), SigningKey::from_bytes(&[seed; 32])).unwrap();
        Self { signer, frontier: Frontier::empty(), nodes: HashMap::new() }
    }

    fn append(&mut self, entry: &[u8]) {
        self.nodes.extend(self.frontier.append(leaf_hash(entry)).unwrap());
    }

    fn grown(seed: u8, entries: u8) -> Self {
        let mut log = Self::new(seed);
        for entry in 0..entries {
            log.append(&[entry]);
        }
        log
    }

    fn checkpoint(&self) -> String {
        self.signer.sign(self.frontier.size(), self.frontier.root()).unwrap().note().as_str().to_owned()
    }

    fn consistency(&self, from: u64) -> Consistency {
        let proof = consistency_proof(TreeSize::new(from).unwrap(), self.frontier.size(), |node| {
            Ok::<_, custodia_core::log::MerkleError>(self.nodes[&node])
        })
        .unwrap();
        Consistency { proof: proof.hashes().iter().map(|hash| Sha256Digest::from_bytes(*hash.as_bytes())).collect() }
    }

    fn receipt(&self, record: &Record) -> Receipt {
        let index = LeafIndex::new(record.core.index).unwrap();
        let proof =
            inclusion_proof(index, self.frontier.size(), |node| Ok::<_, custodia_core::log::MerkleError>(self.nodes[&node])).unwrap();
        Receipt {
            v: 1,
            record: record.view(&[Part::Core, Part::Case, Part::Exhibit]),
            proof: proof.hashes().iter().map(|hash| Sha256Digest::from_bytes(*hash.as_bytes())).collect(),
            checkpoint: self.checkpoint(),
        }
    }
}

fn view(log: &Log) -> LogView {
    LogView::new(log.signer.log_key(), Some(&log.checkpoint())).unwrap()
}

fn newer(view: &LogView, log: &Log) -> VerifiedCheckpoint {
    let Relation::Newer(newer) = view.relate(&log.checkpoint()).unwrap() else { panic!("not newer") };
    newer
}

fn intent() -> SignedIntent {
    let intent = Intent {
        origin: "vault.example/log".to_owned(),
        id: IntentId::from_bytes([3; 16]),
        case: CASE,
        exhibit: None,
        purpose: Some(Purpose::Investigation),
        recipients: Vec::new(),
        time: ClaimedTime::parse("2026-11-23T21:04:05+01:00").unwrap(),
        clock: ClockSource::Os,
        group: None,
        seen: Seen { size: 0, root: digest(RootHash::empty()) },
        chain_seen: None,
        body: Body::Consultation(Consultation { mode: ViewMode::View }),
        sealed: None,
    };
    // A registry act is the one kind that signs without reason and group.
    let body = custodia_core::custody::body::TrustListBody { list: "{}".to_owned() };
    let intent = Intent { case: CaseId::REGISTRY, purpose: None, body: Body::TrustList(body), ..intent };
    intent.sign(Sha256Digest::of(&[b"certificate"]), &SigningKey::from_bytes(&[8; 32])).unwrap()
}

fn entered(log: &mut Log, intent: &SignedIntent) -> Record {
    let record = Record {
        core: Core {
            index: log.frontier.size().get(),
            time: LogTime::from_millis(1_795_467_845_000).unwrap(),
            outcome: Outcome::Accepted,
            attempts: 1,
            intent: intent.text().to_owned(),
        },
        case: Place::after(intent.case, None),
        exhibit: None,
        salts: [Salt([1; 32]), Salt([2; 32]), Salt([3; 32])],
    };
    log.append(&record.commitment().entry());
    record
}

#[test]
fn a_head_that_only_appends_is_believed() {
    let mut log = Log::grown(1, 5);
    let mut view = view(&log);
    log.append(b"more");
    let next = newer(&view, &log);
    view.advance(next, &log.consistency(5)).unwrap();
    assert_eq!(view.seen().size, 6);
    assert!(matches!(view.relate(&log.checkpoint()).unwrap(), Relation::Known(_)));
}

#[test]
fn a_rolled_back_log_is_seen_as_older() {
    let log = Log::grown(1, 5);
    assert!(matches!(view(&log).relate(&Log::grown(1, 4).checkpoint()).unwrap(), Relation::Older(_)));
}

#[test]
fn two_trees_of_one_size_are_a_fork_with_both_heads_as_evidence() {
    let log = Log::grown(1, 5);
    let mut other = Log::grown(1, 4);
    other.append(b"something else");
    let fork = view(&log).relate(&other.checkpoint()).unwrap_err();
    assert_eq!((fork.held, fork.shown), (log.checkpoint(), other.checkpoint()));
}

#[test]
fn a_larger_tree_that_does_not_contain_the_known_one_is_refused() {
    let log = Log::grown(1, 5);
    let mut other = Log::grown(1, 4);
    other.append(b"something else");
    other.append(b"and more");
    let mut view = view(&log);
    let next = newer(&view, &other);
    for proof in [other.consistency(5), Consistency { proof: Vec::new() }] {
        assert!(view.advance(next.clone(), &proof).is_err());
    }
    assert_eq!(view.seen().size, 5, "the head stays what it was");
}

#[test]
fn a_checkpoint_of_another_key_is_refused() {
    assert!(view(&Log::grown(1, 5)).relate(&Log::grown(2, 6).checkpoint()).is_err());
    assert!(LogView::new(Log::new(1).signer.log_key(), Some(&Log::grown(2, 1).checkpoint())).is_err());
}

#[test]
fn the_receipt_of_the_act_that_was_sent_is_accepted() {
    let mut log = Log::grown(1, 3);
    let intent = intent();
    let record = entered(&mut log, &intent);
    log.append(b"later");
    let entry = verify_own_receipt(&log.signer.log_key(), &log.receipt(&record), &intent).unwrap();
    assert_eq!((entry.index, entry.commitment), (3, record.commitment()));
}

#[test]
fn damaged_receipts_and_receipts_for_other_acts_are_refused() {
    let mut log = Log::grown(1, 3);
    let (intent, key) = (intent(), log.signer.log_key());
    let record = entered(&mut log, &intent);
    let good = log.receipt(&record);

    let mut other_index = record.clone();
    other_index.core.index = 2;
    let mut other_outcome = record.clone();
    other_outcome.core.outcome = Outcome::Refused(custodia_core::custody::record::RuleId::new("ACC-01").unwrap());
    let bad = [
        Receipt { v: 2, ..good.clone() },
        Receipt { proof: Vec::new(), ..good.clone() },
        Receipt { proof: vec![Sha256Digest::of(&[]); 49], ..good.clone() },
        Receipt { checkpoint: Log::grown(1, 4).checkpoint(), ..good.clone() },
        Receipt { checkpoint: Log::grown(2, 4).checkpoint(), ..good.clone() },
        Receipt { record: other_index.view(&[Part::Core]), ..good.clone() },
        Receipt { record: other_outcome.view(&[Part::Core, Part::Case]), ..good.clone() },
        Receipt { record: record.view(&[Part::Case]), ..good.clone() },
    ];
    for receipt in bad {
        assert!(verify_own_receipt(&key, &receipt, &intent).is_err(), "{receipt:?}");
    }

    let mut another = Log::grown(1, 3);
    let mut foreign = entered(&mut another, &intent);
    foreign.core.intent = "another.act.entirely".to_owned();
    let mut another = Log::grown(1, 3);
    another.append(&foreign.commitment().entry());
    assert!(verify_own_receipt(&key, &another.receipt(&foreign), &intent).is_err());
}

/// What becomes of a receipt from `tests/vectors/custody`, whose intent must verify under the given key.
fn judge_receipt(case: &serde_json::Value) -> Result<(), &'static str> {
    let text = |member: &str| case[member].as_str().unwrap();
    let receipt: Receipt = serde_json::from_str(text("receipt")).map_err(|_| "Json")?;
    let key: LogKey = text("log").parse().unwrap();
    let (record, checkpoint) = proven(&key, &receipt).map_err(|_| "Misbehaviour")?;
    let Some(core) = record.core else { return Ok(()) };
    let actor = hex::decode(text("key")).unwrap().as_slice().try_into().unwrap();
    let actor = ed25519_dalek::VerifyingKey::from_bytes(&actor).unwrap();
    let intent = UnverifiedIntent::parse(&core.intent).and_then(|intent| intent.verify(&actor)).map_err(|_| "Intent")?;
    verify_own_receipt(&key, &receipt, &intent).map_err(|_| "Misbehaviour")?;
    let facts = LogFacts { origin: checkpoint.checkpoint().origin.as_str(), time: core.time, root_at_seen: Some(intent.seen.root) };
    judge_log(&intent, &facts).map_err(|rule| rule.id)
}

#[test]
fn receipts_are_believed_and_refused_as_their_vectors_say() {
    let file: serde_json::Value = serde_json::from_str(include_str!("../../../../tests/vectors/custody/receipts.json")).unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert!(cases.len() >= 28);
    for case in cases {
        assert_eq!(judge_receipt(case).err().unwrap_or("ok"), case["expect"].as_str().unwrap(), "{}", case["name"]);
    }
}
