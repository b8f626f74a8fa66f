//! One test for each file of `tests/vectors/log`.

use base64::Engine as _;
use serde_json::Value;

use super::super::*;
use super::{hash, octets, read, text};
use crate::digest::Sha256Digest;

macro_rules! vectors {
    ($file:literal) => {
        read(include_str!(concat!("../../../../../tests/vectors/log/", $file)))
    };
}

/// Runs every case and compares the name of the error; at least `least` cases must be there.
fn judge_all<E: core::fmt::Debug>(vectors: &Value, least: usize, judge: impl Fn(&Value) -> Result<(), E>) {
    let cases = vectors["cases"].as_array().unwrap();
    assert!(cases.len() >= least, "only {} cases", cases.len());
    for case in cases {
        let verdict = match judge(case) {
            Ok(()) => "ok".to_owned(),
            Err(error) => format!("{error:?}"),
        };
        let name = verdict.split(|c: char| !c.is_alphanumeric()).next().unwrap();
        assert_eq!(name, text(case, "expect"), "{}: {verdict}", text(case, "name"));
    }
}

fn hashes(list: &Value) -> Vec<NodeHash> {
    list.as_array().unwrap().iter().map(|digits| NodeHash::from_bytes(hash(digits))).collect()
}

fn keys<K: core::str::FromStr<Err = LogError>>(case: &Value) -> Vec<K> {
    case["keys"].as_array().unwrap().iter().map(|key| key.as_str().unwrap().parse().unwrap()).collect()
}

#[test]
fn merkle_proofs() {
    judge_all(&vectors!("merkle.json"), 140, |case| {
        let number = |field: &str| case[field].as_u64().unwrap();
        let root = |field: &str| RootHash::from_bytes(hash(&case[field]));
        if text(case, "kind") == "inclusion" {
            let (index, size) = (LeafIndex::new(number("index"))?, TreeSize::new(number("size"))?);
            let proof = InclusionProof::from_hashes(hashes(&case["proof"]))?;
            verify_inclusion(index, size, NodeHash::from_bytes(hash(&case["leaf"])), &proof, root("root"))
        } else {
            let (old, new) = (TreeSize::new(number("old"))?, TreeSize::new(number("new"))?);
            let proof = ConsistencyProof::from_hashes(hashes(&case["proof"]))?;
            verify_consistency(old, root("old_root"), new, root("new_root"), &proof)
        }
    });
}

#[test]
fn notes() {
    judge_all(&vectors!("note.json"), 34, |case| {
        let bytes = octets(case, "note");
        let note = SignedNote::parse(&bytes)?;
        assert_eq!(note.as_str().as_bytes(), bytes, "a note is kept verbatim");
        let verified = note.verify(&keys::<VerifierKey>(case))?;
        assert!(!verified.signers().is_empty());
        Ok::<(), LogError>(())
    });
}

#[test]
fn verifier_keys() {
    judge_all(&vectors!("vkeys.json"), 18, |case| {
        let key: VerifierKey = text(case, "vkey").parse()?;
        assert_eq!(key.to_string(), text(case, "vkey"));
        Ok::<(), LogError>(())
    });
}

#[test]
fn checkpoints() {
    judge_all(&vectors!("checkpoint.json"), 37, |case| {
        let signed = SignedCheckpoint::parse(text(case, "checkpoint").as_bytes())?;
        assert_eq!(signed.claim().to_body(), signed.note().text());
        let verified = signed.verify_any(&keys::<LogKey>(case))?;
        assert_eq!(verified.log_key().origin(), verified.checkpoint().origin);
        assert_eq!(verified.note().as_str(), text(case, "checkpoint"));
        Ok::<(), LogError>(())
    });
}

#[test]
fn cosignatures() {
    let log: LogKey = text(&vectors!("example.json"), "log_vkey").parse().unwrap();
    judge_all(&vectors!("cosignature.json"), 19, |case| {
        let key: CosignerKey = text(case, "key").parse()?;
        let checkpoint = SignedCheckpoint::parse(text(case, "checkpoint").as_bytes())?.verify(&log)?;
        let found = checkpoint.cosignatures(core::slice::from_ref(&key))?;
        let first = found.first().ok_or(LogError::NotSigned { key: key.name().to_string() })?;
        assert_eq!(first.time().seconds(), case["time"].as_u64().unwrap());
        Ok::<(), LogError>(())
    });
}

#[test]
fn policies() {
    judge_all(&vectors!("policy.json"), 54, |case| {
        let policy = Policy::parse(&octets(case, "policy"))?;
        let verdict = policy.judge(&SignedCheckpoint::parse(text(case, "checkpoint").as_bytes())?)?;
        assert_eq!(Some(verdict.quorum_met), case["quorum"].as_bool(), "{}", text(case, "name"));
        Ok::<(), LogError>(())
    });
}

#[test]
fn proof_files() {
    judge_all(&vectors!("proof.json"), 32, |case| {
        let file = ProofFile::parse(text(case, "file").as_bytes())?;
        assert_eq!(file.to_text(), text(case, "file"), "{}", text(case, "name"));
        let leaf = leaf_hash(&hex::decode(text(case, "entry")).unwrap());
        file.verify(leaf, &text(case, "key").parse()?)?;
        Ok::<(), LogError>(())
    });
}

#[test]
fn tiles() {
    judge_all(&vectors!("tiles.json"), 50, |case| {
        let tile = Tile::parse_path(text(case, "path"))?;
        assert_eq!(tile.to_string(), text(case, "path"));
        if text(case, "kind") == "path" {
            let content = match case["content"].as_u64() {
                Some(level) => TileContent::Hashes { level: u8::try_from(level).unwrap() },
                None => TileContent::Entries,
            };
            assert_eq!((tile.content(), tile.index()), (content, case["index"].as_u64().unwrap()));
            assert_eq!(u64::from(tile.width()), case["width"].as_u64().unwrap());
            assert_eq!(tile.nodes().len(), usize::from(tile.width()));
            return Ok(());
        }
        let bytes = hex::decode(text(case, "bytes")).unwrap();
        let leaves: Vec<NodeHash> = if tile.content() == TileContent::Entries {
            let entries = tile.read_entries(&bytes)?;
            assert_eq!(tile::write_entries(entries.iter().copied())?, bytes);
            entries.into_iter().map(leaf_hash).collect()
        } else {
            let hashes = tile.read_hashes(&bytes)?;
            assert_eq!(tile::write_hashes(hashes.hashes()), bytes);
            hashes.hashes().to_vec()
        };
        let mut frontier = Frontier::empty();
        for leaf in leaves {
            frontier.append(leaf)?;
        }
        assert_eq!(frontier.root(), RootHash::from_bytes(hash(&case["root"])));
        Ok::<(), LogError>(())
    });
}

#[test]
fn worked_example_of_the_specification() {
    use ed25519_dalek::SigningKey;
    let example = vectors!("example.json");
    let log = LogSigner::new("custody.example.org/log".parse().unwrap(), SigningKey::from_bytes(&hash(&example["log_seed"]))).unwrap();
    let witness =
        Cosigner::new("witness.example.org/w1".parse().unwrap(), SigningKey::from_bytes(&hash(&example["witness_seed"]))).unwrap();
    assert_eq!(log.log_key().to_string(), text(&example, "log_vkey"));
    assert_eq!(witness.cosigner_key().to_string(), text(&example, "witness_vkey"));

    let entries: Vec<Vec<u8>> = example["entries"].as_array().unwrap().iter().map(|e| hex::decode(e.as_str().unwrap()).unwrap()).collect();
    let (mut frontier, mut stored) = (Frontier::empty(), std::collections::BTreeMap::new());
    for entry in &entries {
        stored.extend(frontier.append(leaf_hash(entry)).unwrap());
    }
    assert_eq!(stored.values().filter(|&&node| hashes(&example["leaves"]).contains(&node)).count(), 3);
    assert_eq!(stored[&NodeId::new(1, 0).unwrap()], NodeHash::from_bytes(hash(&example["node_1_0"])));
    assert_eq!(frontier.root(), RootHash::from_bytes(hash(&example["root"])));

    let (index, old, new) = (LeafIndex::new(1).unwrap(), TreeSize::new(2).unwrap(), TreeSize::new(3).unwrap());
    let node = |id: NodeId| Ok::<_, MerkleError>(stored[&id]);
    let inclusion = inclusion_proof(index, new, node).unwrap();
    assert_eq!(inclusion.hashes(), hashes(&example["inclusion_of_1"]));
    assert_eq!(consistency_proof(old, new, node).unwrap().hashes(), hashes(&example["consistency_2_to_3"]));

    let checkpoint = log.sign(new, frontier.root()).unwrap();
    let time = CosignatureTime::from_seconds(example["time"].as_u64().unwrap()).unwrap();
    let checkpoint = checkpoint.with_signature(witness.cosign(&checkpoint, time).line()).unwrap();
    assert_eq!(checkpoint.note().as_str(), text(&example, "checkpoint"));
    let file = ProofFile::new(index, inclusion, checkpoint.signed().clone());
    assert_eq!(file.to_text(), text(&example, "proof_file"));
    let policy = Policy::parse(text(&example, "policy").as_bytes()).unwrap();
    assert!(file.judge(leaf_hash(&entries[1]), &policy).unwrap().quorum_met);
    let bundle = tile::write_entries(entries.iter().map(Vec::as_slice)).unwrap();
    assert_eq!(hex::encode(bundle), text(&example, "bundle"));

    // The document shows these very bytes.
    let document = include_str!("../../../../../docs/spec/log.md");
    for shown in
        ["checkpoint", "proof_file", "policy", "log_vkey", "witness_vkey", "root", "node_1_0", "log_seed", "witness_seed", "bundle"]
    {
        assert!(document.contains(text(&example, shown)), "docs/spec/log.md does not show {shown}");
    }
    for shown in ["entries", "leaves"].iter().flat_map(|&list| example[list].as_array().unwrap()) {
        assert!(document.contains(shown.as_str().unwrap()), "docs/spec/log.md does not show {shown}");
    }
}

#[test]
fn known_answers_of_other_projects() {
    let foreign = vectors!("foreign.json");
    let leaves: Vec<NodeHash> =
        foreign["leaves"].as_array().unwrap().iter().map(|leaf| leaf_hash(&hex::decode(leaf.as_str().unwrap()).unwrap())).collect();
    let (mut frontier, mut stored) = (Frontier::empty(), std::collections::BTreeMap::new());
    let roots = foreign["roots"].as_array().unwrap();
    assert_eq!(roots.len(), leaves.len() + 1);
    for (size, root) in roots.iter().enumerate() {
        assert_eq!(frontier.root().to_string(), root.as_str().unwrap());
        if let Some(&leaf) = leaves.get(size) {
            stored.extend(frontier.append(leaf).unwrap());
        }
    }
    let node = |id: NodeId| Ok::<_, MerkleError>(stored[&id]);
    let joined = |hashes: &[NodeHash]| hashes.iter().map(ToString::to_string).collect::<String>();
    for case in foreign["inclusion"].as_array().unwrap() {
        let (index, size) = (LeafIndex::new(case["index"].as_u64().unwrap()), TreeSize::new(case["size"].as_u64().unwrap()));
        assert_eq!(joined(inclusion_proof(index.unwrap(), size.unwrap(), node).unwrap().hashes()), text(case, "proof"));
    }
    for case in foreign["consistency"].as_array().unwrap() {
        let (old, new) = (TreeSize::new(case["old"].as_u64().unwrap()), TreeSize::new(case["new"].as_u64().unwrap()));
        assert_eq!(joined(consistency_proof(old.unwrap(), new.unwrap(), node).unwrap().hashes()), text(case, "proof"));
    }
}

#[test]
fn notes_and_texts_of_other_projects() {
    let foreign = vectors!("foreign.json");
    for case in foreign["notes"].as_array().unwrap() {
        let note = SignedNote::parse(text(case, "note").as_bytes()).unwrap();
        let key: VerifierKey = text(case, "key").parse().unwrap();
        assert_eq!(note.verify(&[key]).unwrap().text(), note.text(), "{}", text(case, "name"));
    }
    for case in foreign["checkpoints"].as_array().unwrap() {
        let signed = SignedCheckpoint::parse(text(case, "checkpoint").as_bytes()).unwrap();
        assert_eq!(signed.claim().origin.as_str(), text(case, "origin"));
        assert_eq!(signed.claim().size.get(), case["size"].as_u64().unwrap());
        let time = signed.note().signatures()[1].bytes().first_chunk::<8>().copied().map(u64::from_be_bytes);
        assert_eq!(time, case["time"].as_u64());
    }
    for case in foreign["tree_of_70000"].as_array().unwrap() {
        let tile = Tile::parse_path(case[0].as_str().unwrap()).unwrap();
        assert_eq!(Some(tile.is_within(TreeSize::new(70_000).unwrap())), case[1].as_bool(), "{tile}");
    }
}

#[test]
fn transparency_dev_test_data() {
    let foreign = vectors!("transparency-dev.json");
    // Some hashes are placeholders of another length: each is made one of 32 bytes, alike where they are alike, and a
    // hash of no bytes at all cannot be held by our types.
    let hash = |text: &Value| -> [u8; 32] {
        let bytes = base64::engine::general_purpose::STANDARD.decode(text.as_str().unwrap()).unwrap();
        bytes.as_slice().try_into().unwrap_or_else(|_| *Sha256Digest::of(&[b"placeholder", &bytes]).as_bytes())
    };
    let no_hash = |case: &Value| text(case, "root").is_empty() || text(case, "leafHash").is_empty();
    let hashes = |list: &Value| list.as_array().unwrap().iter().map(|text| NodeHash::from_bytes(hash(text))).collect::<Vec<_>>();
    let number = |case: &Value, field: &str| case[field].as_u64().unwrap();
    let inclusion = |case: &Value| {
        let (index, size) = (LeafIndex::new(number(case, "leafIdx"))?, TreeSize::new(number(case, "treeSize"))?);
        let proof = InclusionProof::from_hashes(hashes(&case["proof"]))?;
        verify_inclusion(index, size, NodeHash::from_bytes(hash(&case["leafHash"])), &proof, RootHash::from_bytes(hash(&case["root"])))
    };
    let consistency = |case: &Value| {
        let (old, new) = (TreeSize::new(number(case, "size1"))?, TreeSize::new(number(case, "size2"))?);
        let proof = ConsistencyProof::from_hashes(hashes(&case["proof"]))?;
        let (old_root, new_root) = (RootHash::from_bytes(hash(&case["root1"])), RootHash::from_bytes(hash(&case["root2"])));
        verify_consistency(old, old_root, new, new_root, &proof)
    };
    // The one difference: we know the root of the empty tree, so two equal placeholders do not pass for it.
    let stricter = "consistency/additional/sizes-are-equal-and-proof-is-not-empty-where-both-sizes-are-zero";
    let inclusions = foreign["inclusion"].as_array().unwrap().iter().filter(|case| !no_hash(case)).map(|case| (case, inclusion(case)));
    let consistencies = foreign["consistency"].as_array().unwrap().iter().map(|case| (case, consistency(case)));
    let mut count = 0;
    for (case, verdict) in inclusions.chain(consistencies) {
        let wanted = case["wantErr"].as_bool().unwrap() || text(case, "name") == stricter;
        assert_eq!(verdict.is_err(), wanted, "{}: {verdict:?}", text(case, "name"));
        count += 1;
    }
    assert_eq!(count, 184);
}
