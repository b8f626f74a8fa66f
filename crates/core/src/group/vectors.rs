//! The files of `tests/vectors/groups` that need no MLS: group ids, commit contexts, ring commitments, X-Wing keys.

use serde_json::Value;

use super::context::{CommitContext, RingVersion, ring_commitment};
use super::facts::GroupId;
use super::xwing;
use crate::digest::Sha256Digest;
use crate::ids::CaseId;
use crate::secret::Secret32;

macro_rules! vectors {
    ($file:literal) => {
        include_str!(concat!("../../../../tests/vectors/groups/", $file))
    };
}

fn judge_all(file: &str, least: usize, judge: impl Fn(&Value) -> Result<(), String>) {
    let file: Value = serde_json::from_str(file).unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert!(cases.len() >= least, "only {} cases", cases.len());
    for case in cases {
        let answer = judge(case).err().unwrap_or_else(|| "ok".to_owned());
        assert_eq!(answer.split('(').next(), case["expect"].as_str(), "{}: {answer}", case["name"]);
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().unwrap()
}

fn version(value: &Value) -> RingVersion {
    RingVersion::new(value.as_u64().unwrap().try_into().unwrap()).unwrap()
}

fn only(holds: bool, answer: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(answer.to_owned()) }
}

#[test]
fn group_ids_are_written_and_refused_as_their_vectors_say() {
    judge_all(vectors!("ids.json"), 12, |case| {
        let id = GroupId::from_bytes(&bytes(&case["id"])).ok_or("GroupId")?;
        let said = (CaseId::from_bytes(array(&case["case"])), case["generation"].as_u64().unwrap());
        assert_eq!((id.case, u64::from(id.generation)), said);
        assert_eq!(id.to_bytes().to_vec(), bytes(&case["id"]));
        Ok(())
    });
}

#[test]
fn commit_contexts_are_written_and_refused_as_their_vectors_say() {
    judge_all(vectors!("contexts.json"), 12, |case| {
        let read = CommitContext::decode(&bytes(&case["bytes"])).map_err(|error| format!("{error:?}"))?;
        let number = |member: &str| case[member].as_str().unwrap().parse::<u64>().unwrap();
        let digest = |member: &str| Sha256Digest::from_bytes(array(&case[member]));
        let made = CommitContext {
            log_size: number("log_size"),
            log_root: digest("log_root"),
            registry_sequence: number("registry_sequence"),
            registry_commitment: digest("registry_commitment"),
            ring_version: version(&case["ring_version"]),
            ring_commitment: digest("ring_commitment"),
        };
        assert_eq!((read, made.encode().to_vec()), (made, bytes(&case["bytes"])));
        Ok(())
    });
}

#[test]
fn ring_keys_have_the_commitments_of_their_vectors() {
    judge_all(vectors!("rings.json"), 12, |case| {
        let key = Secret32::from_bytes(array(&case["key"]));
        let made = ring_commitment(CaseId::from_bytes(array(&case["case"])), version(&case["version"]), &key);
        let page = include_str!("../../../../docs/spec/groups.md");
        assert!(case["name"] != "of-the-page" || page.contains(&made.to_string()));
        only(made.to_string() == case["commitment"].as_str().unwrap(), "Other")
    });
}

#[test]
fn xwing_keys_are_well_formed_or_not_as_their_vectors_say() {
    judge_all(vectors!("keys.json"), 10, |case| only(xwing::is_well_formed(&bytes(&case["key"])), "Key"));
}
