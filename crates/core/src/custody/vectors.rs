//! One test for each file of `tests/vectors/custody` but the receipts, which the agent reads.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{SigningKey, VerifyingKey};
use serde_json::Value;

use super::body::derivation_commitment;
use super::chain::{ChainFault, ChainWalk};
use super::intent::{Intent, IntentError, UnverifiedIntent};
use super::receipt::RecordView;
use super::record::{ChainId, ChainSeq, Commitment, Core, Outcome, Part, Place, Record, RecordError, RuleId, Salt};
use crate::digest::Sha256Digest;
use crate::ids::{CaseId, ExhibitId};
use crate::log::leaf_hash;
use crate::time::LogTime;

macro_rules! vectors {
    ($file:literal) => {
        include_str!(concat!("../../../../tests/vectors/custody/", $file))
    };
}

/// Runs every case and compares its answer; at least `least` cases must be there.
fn judge_all(file: &str, least: usize, judge: impl Fn(&Value) -> Result<(), String>) {
    let file: Value = serde_json::from_str(file).unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert!(cases.len() >= least, "only {} cases", cases.len());
    for case in cases {
        let answer = judge(case).err().unwrap_or_else(|| "ok".to_owned());
        assert_eq!(answer.split(['(', ' ']).next().unwrap(), text(case, "expect"), "{}: {answer}", text(case, "name"));
    }
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().unwrap()
}

fn named(error: &impl core::fmt::Debug) -> String {
    format!("{error:?}")
}

#[test]
fn intents_are_read_signed_and_refused_as_their_vectors_say() {
    judge_all(vectors!("intents.json"), 160, |case| {
        let read = UnverifiedIntent::parse(text(case, "intent")).map_err(|error| named(&error))?;
        let signer = read.signer();
        assert_eq!(signer.to_string(), text(case, "signer"));
        let signed = read.verify(&VerifyingKey::from_bytes(&array(&case["key"])).unwrap()).map_err(|error: IntentError| named(&error))?;
        // The same statement, signed here, is the same text.
        let again = Intent::clone(&signed).sign(signer, &SigningKey::from_bytes(&array(&case["seed"]))).unwrap();
        assert_eq!(again.text(), text(case, "intent"));
        Ok(())
    });
}

fn place<Id: ChainId>(value: &Value) -> Place<Id> {
    let seq = ChainSeq(value["seq"].as_u64().unwrap());
    let previous = (seq.0 > 0).then(|| Commitment(Sha256Digest::from_bytes(array(&value["previous"]))));
    Place { chain: Id::from_array(array(&value["chain"])), seq, previous }
}

fn record(case: &Value) -> Record {
    let outcome = case["rule"].as_str().map_or(Outcome::Accepted, |rule| Outcome::Refused(RuleId::new(rule).unwrap()));
    Record {
        core: Core {
            index: case["index"].as_u64().unwrap(),
            time: LogTime::from_millis(case["time"].as_u64().unwrap()).unwrap(),
            outcome,
            attempts: case["attempts"].as_u64().unwrap().try_into().unwrap(),
            intent: text(case, "intent").to_owned(),
        },
        case: place(&case["case"]),
        exhibit: (!case["exhibit"].is_null()).then(|| place(&case["exhibit"])),
        salts: ["core", "case", "exhibit"].map(|part| Salt(array(&case["salts"][part]))),
    }
}

#[test]
fn records_have_the_bytes_and_commitments_of_their_vectors() {
    judge_all(vectors!("records.json"), 53, |case| {
        let refused = |error: RecordError| named(&error);
        match text(case, "kind") {
            "core" => Core::from_bytes(&bytes(&case["bytes"])).map(drop).map_err(refused),
            "place" => Place::<CaseId>::from_bytes(&bytes(&case["bytes"])).map(drop).map_err(refused),
            "entry" => Commitment::from_entry(&bytes(&case["bytes"])).map(drop).map_err(refused),
            "view" => {
                let view: RecordView = serde_json::from_str(text(case, "view")).map_err(|_| "Json".to_owned())?;
                let same = view.open().map_err(refused)?.commitment.0.to_string() == text(case, "commitment");
                if same { Ok(()) } else { Err("OtherCommitment".to_owned()) }
            }
            _ => {
                let made = record(case);
                for (name, part) in [("core", Part::Core), ("case", Part::Case), ("exhibit", Part::Exhibit)] {
                    assert_eq!(hex::encode(made.part_bytes(part)), text(&case["bytes"], name), "{name}");
                    assert_eq!(made.part_commitment(part).0.to_string(), text(&case["commitments"], name), "{name}");
                }
                assert_eq!(made.commitment().0.to_string(), text(case, "commitment"));
                assert_eq!(hex::encode(made.commitment().entry()), text(case, "entry"));
                assert_eq!(leaf_hash(&made.commitment().entry()).to_string(), text(case, "leaf"));
                assert_eq!(Core::from_bytes(&made.part_bytes(Part::Core)), Ok(made.core));
                Ok(())
            }
        }
    });
}

fn walk<Id: ChainId>(case: &Value, place: impl Fn(&super::receipt::OpenedRecord) -> Option<Place<Id>>) -> Result<(), String> {
    let mut walk = ChainWalk::new(Id::from_array(array(&case["chain"])));
    let mut faults: Vec<ChainFault> = Vec::new();
    for view in case["views"].as_array().unwrap() {
        let view: RecordView = serde_json::from_value(view.clone()).unwrap();
        let opened = view.open().unwrap();
        faults.extend(walk.step(view.index, &opened, place(&opened)));
    }
    faults.first().map_or(Ok(()), |fault| Err(named(fault)))
}

#[test]
fn chains_are_followed_as_far_as_their_vectors_say() {
    judge_all(vectors!("chains.json"), 17, |case| {
        if text(case, "which") == "case" {
            walk::<CaseId>(case, |opened| opened.case)
        } else {
            walk::<ExhibitId>(case, |opened| opened.exhibit.flatten())
        }
    });
}

#[test]
fn derivations_have_the_names_of_their_vectors() {
    judge_all(vectors!("derivations.json"), 12, |case| {
        let made = derivation_commitment(&array(&case["salt"]), ExhibitId::from_bytes(array(&case["exhibit"])));
        if made.to_string() == text(case, "other") { Ok(()) } else { Err("Other".to_owned()) }
    });
}

#[test]
fn worked_example_of_the_specification() {
    let file: Value = serde_json::from_str(vectors!("records.json")).unwrap();
    let example = file["cases"].as_array().unwrap().iter().find(|case| case["name"] == "leave").unwrap();
    let document = include_str!("../../../../docs/spec/custody.md");
    let payload = text(example, "intent").split('.').nth(1).unwrap();
    let payload = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    let shown = |what: &str| assert!(document.contains(what), "docs/spec/custody.md does not show {what}");
    shown(payload.split("\"sealed\"").next().unwrap());
    shown(text(&example["bytes"], "case"));
    for part in ["core", "case", "exhibit"] {
        shown(text(&example["salts"], part));
        shown(text(&example["commitments"], part));
    }
    for value in ["commitment", "entry", "leaf"] {
        shown(text(example, value));
    }
}
