//! Limits too large for a vector, and rules of the types that no text can show.

use ed25519_dalek::SigningKey;

use super::super::*;

fn log() -> LogSigner {
    LogSigner::new("log.example.org".parse().unwrap(), SigningKey::from_bytes(&[7; 32])).unwrap()
}

fn witness() -> Cosigner {
    Cosigner::new("witness.example.org".parse().unwrap(), SigningKey::from_bytes(&[8; 32])).unwrap()
}

fn at(seconds: u64) -> CosignatureTime {
    CosignatureTime::from_seconds(seconds).unwrap()
}

#[test]
fn what_is_over_a_limit_is_refused_for_its_size() {
    let over = |limit: usize| vec![b'#'; limit + 1];
    let size_of = |error: LogError| match error {
        LogError::TooLarge { limit, .. } => limit,
        other => panic!("{other}"),
    };
    assert_eq!(size_of(SignedNote::parse(&over(note::MAX_NOTE_BYTES)).unwrap_err()), note::MAX_NOTE_BYTES);
    assert_eq!(size_of(NoteSignature::parse_lines(&over(note::MAX_NOTE_BYTES)).unwrap_err()), note::MAX_NOTE_BYTES);
    assert_eq!(size_of(ProofFile::parse(&over(proof_file::MAX_PROOF_FILE_BYTES)).unwrap_err()), proof_file::MAX_PROOF_FILE_BYTES);
    let request = AddCheckpoint::parse(&over(witness::MAX_ADD_CHECKPOINT_BYTES)).unwrap_err();
    assert_eq!(size_of(request), witness::MAX_ADD_CHECKPOINT_BYTES);
    assert_eq!(size_of(Policy::parse(&over(policy::MAX_POLICY_BYTES)).unwrap_err()), policy::MAX_POLICY_BYTES);
    let bundle = Tile::new(TileContent::Entries, 0, 1).unwrap();
    size_of(bundle.read_entries(&over(256 * 65_537)).unwrap_err());
    size_of(tile::write_entries([over(65_535).as_slice()]).unwrap_err());
}

#[test]
fn sixteen_post_quantum_cosignatures_fit_under_a_checkpoint() {
    let mut checkpoint = log().sign(TreeSize::ZERO, RootHash::empty()).unwrap();
    for number in 0..16 {
        use base64::Engine as _;
        let line = format!("— w{number} {}\n", base64::engine::general_purpose::STANDARD.encode([number; 5000]));
        checkpoint = checkpoint.with_signature(&NoteSignature::parse_lines(line.as_bytes()).unwrap()[0]).unwrap();
    }
    assert_eq!(checkpoint.note().signatures().len(), 17);
}

#[test]
fn frontier_stops_at_2_to_the_48() {
    let full = TreeSize::new(merkle::MAX_TREE_SIZE).unwrap();
    let mut frontier = Frontier::load(full, |_| Ok::<_, MerkleError>(leaf_hash(b""))).unwrap();
    let before = frontier.clone();
    assert_eq!(frontier.append(leaf_hash(b"")), Err(MerkleError::SizeLimit { size: merkle::MAX_TREE_SIZE }));
    assert_eq!(frontier, before);
    let last = LeafIndex::new(merkle::MAX_TREE_SIZE - 1).unwrap();
    assert_eq!(inclusion_nodes(last, full).unwrap().len(), 48);
    let almost = TreeSize::new(merkle::MAX_TREE_SIZE - 1).unwrap();
    let mut frontier = Frontier::load(almost, |_| Ok::<_, MerkleError>(leaf_hash(b""))).unwrap();
    let completed = frontier.append(leaf_hash(b"")).unwrap();
    assert_eq!(completed.last().unwrap().0, NodeId::new(48, 0).unwrap());
    assert_eq!(frontier.size(), full);
}

#[test]
fn node_past_the_largest_tree_has_no_name() {
    NodeId::new(49, 0).unwrap_err();
    NodeId::new(48, 1).unwrap_err();
    NodeId::new(0, merkle::MAX_TREE_SIZE).unwrap_err();
    NodeId::new(0, merkle::MAX_TREE_SIZE - 1).unwrap();
}

#[test]
fn sizes_and_indexes_in_json_keep_their_limits() {
    assert_eq!(serde_json::from_str::<TreeSize>("3").unwrap().get(), 3);
    serde_json::from_str::<TreeSize>("281474976710657").unwrap_err();
    serde_json::from_str::<LeafIndex>("281474976710656").unwrap_err();
    serde_json::from_str::<Origin>("\"a log\"").unwrap_err();
    let root = serde_json::to_string(&RootHash::empty()).unwrap();
    assert_eq!(serde_json::from_str::<RootHash>(&root).unwrap(), RootHash::empty());
}

#[test]
fn key_of_one_kind_is_not_taken_for_the_other() {
    let log_vkey = log().log_key().to_string();
    let witness_vkey = witness().cosigner_key().to_string();
    assert_eq!(log_vkey.parse::<CosignerKey>(), Err(LogError::KeyType { found: 1 }));
    assert_eq!(witness_vkey.parse::<LogKey>(), Err(LogError::KeyType { found: 4 }));
    let key = NoteKey::new("w.example.org".parse().unwrap(), KeyKind::CosignatureV1, SigningKey::from_bytes(&[8; 32])).unwrap();
    assert_eq!(key.sign("text\n"), Err(LogError::KeyType { found: 4 }));
}

#[test]
fn debug_of_a_signing_key_shows_only_the_public_half() {
    let shown = format!("{:?} {:?}", log(), witness());
    assert!(shown.contains("log.example.org+"));
    assert!(!shown.contains("7, 7"), "{shown}");
    assert!(!shown.contains("0707"), "{shown}");
}

#[test]
fn text_that_no_note_can_have_is_not_signed() {
    let key = NoteKey::new("k.example.org".parse().unwrap(), KeyKind::Ed25519, SigningKey::from_bytes(&[7; 32])).unwrap();
    for text in ["no newline at its end", "tab\t\n", "carriage return\r\n", ""] {
        assert!(matches!(key.sign(text), Err(LogError::Malformed { .. })), "{text:?}");
    }
    assert!(log().sign(TreeSize::ZERO, RootHash::from_bytes([1; 32])).is_err());
}

#[test]
fn line_added_twice_stands_once_and_the_logs_own_bad_line_is_refused() {
    let checkpoint = log().sign(TreeSize::ZERO, RootHash::empty()).unwrap();
    let cosignature = witness().cosign(&checkpoint, at(1));
    let once = checkpoint.with_signature(cosignature.line()).unwrap();
    assert_eq!(once.with_signature(cosignature.line()).unwrap(), once);
    let other = log().sign(TreeSize::new(1).unwrap(), RootHash::from_bytes([1; 32])).unwrap();
    let refused = checkpoint.with_signature(&other.note().signatures()[0]);
    assert_eq!(refused, Err(LogError::BadSignature { key: "log.example.org".into() }));
}

#[test]
fn checkpoint_extends_an_older_one_of_its_own_log_only() {
    let leaves = [leaf_hash(b"a"), leaf_hash(b"b")];
    let (mut frontier, mut stored) = (Frontier::empty(), std::collections::BTreeMap::new());
    stored.extend(frontier.append(leaves[0]).unwrap());
    let older = log().sign(frontier.size(), frontier.root()).unwrap();
    stored.extend(frontier.append(leaves[1]).unwrap());
    let newer = log().sign(frontier.size(), frontier.root()).unwrap();
    let proof = consistency_proof(older.size(), newer.size(), |id| Ok::<_, MerkleError>(stored[&id])).unwrap();
    newer.extends(&older, &proof).unwrap();
    let rollback = older.extends(&newer, &proof);
    assert_eq!(rollback, Err(LogError::Proof(MerkleError::SizesReversed { old: 2, new: 1 })));
    let elsewhere = LogSigner::new("else.example.org".parse().unwrap(), SigningKey::from_bytes(&[9; 32])).unwrap();
    let same_tree = elsewhere.sign(older.size(), older.root()).unwrap();
    assert_eq!(newer.extends(&same_tree, &proof), Err(LogError::UnknownLog { found: "else.example.org".into() }));
}

#[test]
fn one_flipped_bit_anywhere_in_a_cosigned_checkpoint_is_noticed() {
    let (log, witness) = (log(), witness());
    let checkpoint = log.sign(TreeSize::new(1).unwrap(), RootHash::from_bytes([1; 32])).unwrap();
    let checkpoint = checkpoint.with_signature(witness.cosign(&checkpoint, at(1_795_467_845)).line()).unwrap();
    let bytes = checkpoint.note().as_str().as_bytes();
    let read = |bytes: &[u8]| -> Result<usize, LogError> {
        let checkpoint = SignedCheckpoint::parse(bytes)?.verify(&log.log_key())?;
        Ok(checkpoint.cosignatures(&[witness.cosigner_key()])?.len())
    };
    assert_eq!(read(bytes), Ok(1));
    for place in 0..bytes.len() * 8 {
        let mut changed = bytes.to_vec();
        changed[place / 8] ^= 1 << (place % 8);
        assert_ne!(read(&changed), Ok(1), "bit {place}");
    }
}

#[test]
fn group_of_a_policy_can_be_asked_for_by_name() {
    let (log, witness) = (log(), witness());
    let text = format!("log {}\nwitness w {}\ngroup auditors any w\nquorum none\n", log.log_key(), witness.cosigner_key());
    let policy = Policy::parse(text.as_bytes()).unwrap();
    assert!(!policy.demands_cosignatures());
    let checkpoint = log.sign(TreeSize::ZERO, RootHash::empty()).unwrap();
    let cosignature = witness.cosign(&checkpoint, at(1));
    assert_eq!(policy.witnessed(b"auditors", &[]), Some(false));
    assert_eq!(policy.witnessed(b"auditors", core::slice::from_ref(&cosignature)), Some(true));
    assert_eq!(policy.witnessed(b"nobody", &[cosignature]), None);
}
