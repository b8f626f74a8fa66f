//! What a witness answers, case by case of C2SP tlog-witness; and which heads a policy's quorum has, and since when.

use std::collections::HashMap;

use ed25519_dalek::SigningKey;

use super::super::witness::{Finding, Verdict, judge};
use super::super::*;

/// A tree of so many leaves, each the hash of its index and of a word.
struct Tree {
    roots: Vec<RootHash>,
    nodes: HashMap<NodeId, NodeHash>,
}

impl Tree {
    fn new(leaves: u64, word: &str) -> Self {
        let mut frontier = Frontier::empty();
        let mut tree = Self { roots: vec![RootHash::empty()], nodes: HashMap::new() };
        for index in 0..leaves {
            // The first three leaves are the same in every tree.
            let word = if index < 3 { "" } else { word };
            tree.nodes.extend(frontier.append(leaf_hash(format!("{index}{word}").as_bytes())).unwrap());
            tree.roots.push(frontier.root());
        }
        tree
    }

    fn checkpoint(&self, size: u64) -> VerifiedCheckpoint {
        log(7).sign(TreeSize::new(size).unwrap(), self.roots[usize::try_from(size).unwrap()]).unwrap()
    }

    fn proof(&self, old: u64, new: u64) -> ConsistencyProof {
        let (old, new) = (TreeSize::new(old).unwrap(), TreeSize::new(new).unwrap());
        consistency_proof(old, new, |id| self.nodes.get(&id).copied().ok_or(MerkleError::RootMismatch)).unwrap()
    }

    fn request(&self, old: u64, new: u64) -> AddCheckpoint {
        AddCheckpoint::new(TreeSize::new(old).unwrap(), self.proof(old, new), self.checkpoint(new).note().clone())
    }
}

fn log(seed: u8) -> LogSigner {
    LogSigner::new("log.example.org".parse().unwrap(), SigningKey::from_bytes(&[seed; 32])).unwrap()
}

fn answer(request: &AddCheckpoint, held: Option<&VerifiedCheckpoint>) -> Verdict {
    judge(request, &[log(7).log_key()], held.map(VerifiedCheckpoint::signed))
}

#[test]
fn a_head_that_extends_what_was_cosigned_is_cosigned_and_the_same_again() {
    let tree = Tree::new(9, "");
    for (held, new) in [(0, 1), (0, 9), (1, 2), (3, 8), (8, 8), (8, 9)] {
        let before = (held > 0).then(|| tree.checkpoint(held));
        let request = tree.request(held, new);
        assert_eq!(AddCheckpoint::parse(request.to_text().as_bytes()).unwrap(), request);
        let Verdict::Cosign(cosigned) = answer(&request, before.as_ref()) else { panic!("{held} to {new}") };
        assert_eq!(cosigned.size().get(), new);
    }
    // A log of which it cosigned the empty tree is known to it.
    assert!(matches!(answer(&tree.request(0, 0), None), Verdict::Cosign(_)));
    assert!(matches!(answer(&tree.request(0, 4), Some(&tree.checkpoint(0))), Verdict::Cosign(_)));
}

#[test]
fn another_size_is_answered_by_the_witness_s_own() {
    let tree = Tree::new(9, "");
    for (old, new) in [(0, 9), (2, 9), (3, 3), (7, 9), (0, 2)] {
        let found = answer(&tree.request(old, new), Some(&tree.checkpoint(5)));
        assert_eq!(found, Verdict::Conflict(TreeSize::new(5).unwrap(), None), "{old} to {new}");
    }
    assert_eq!(answer(&tree.request(3, 9), None), Verdict::Conflict(TreeSize::ZERO, None));
}

#[test]
fn two_roots_of_one_size_are_a_fork_whatever_size_was_named() {
    let (tree, other) = (Tree::new(9, ""), Tree::new(9, "other"));
    for old in [0, 3, 5] {
        let request = AddCheckpoint::new(TreeSize::new(old).unwrap(), tree.proof(5, 5), other.checkpoint(5).note().clone());
        let found = answer(&request, Some(&tree.checkpoint(5)));
        assert_eq!(found, Verdict::Conflict(TreeSize::new(5).unwrap(), Some(Finding::Fork)));
        assert_eq!(found.finding(), Some(Finding::Fork));
    }
}

#[test]
fn a_proof_that_does_not_prove_is_refused() {
    let (tree, other) = (Tree::new(9, ""), Tree::new(9, "other"));
    let held = tree.checkpoint(5);
    let five = TreeSize::new(5).unwrap();
    for proof in [other.proof(5, 9), tree.proof(4, 9), tree.proof(5, 5), tree.proof(5, 8)] {
        for checkpoint in [tree.checkpoint(9), other.checkpoint(9)] {
            assert_eq!(answer(&AddCheckpoint::new(five, proof.clone(), checkpoint.note().clone()), Some(&held)), Verdict::Unproven);
        }
    }
    // From nothing, and from the same, there is nothing to prove, and so nothing to send.
    let some = tree.proof(5, 9);
    assert_eq!(answer(&AddCheckpoint::new(TreeSize::ZERO, some.clone(), held.note().clone()), None), Verdict::Unproven);
    assert_eq!(answer(&AddCheckpoint::new(five, some, held.note().clone()), Some(&held)), Verdict::Unproven);
}

#[test]
fn who_signed_is_looked_at_before_what_is_signed() {
    let tree = Tree::new(9, "");
    let size = TreeSize::new(9).unwrap();
    let by = |signer: &LogSigner| {
        let note = signer.sign(size, tree.roots[9]).unwrap().note().clone();
        answer(&AddCheckpoint::new(TreeSize::ZERO, tree.proof(0, 9), note), None)
    };
    let foreign = LogSigner::new("other.example.org".parse().unwrap(), SigningKey::from_bytes(&[7; 32])).unwrap();
    assert_eq!(by(&foreign), Verdict::UnknownLog);
    assert!(matches!(by(&log(8)), Verdict::NotSigned(_)));
    // Of a log that is unknown, nothing more is read: its checkpoints may have lines and a name that ours have not.
    let text = tree.checkpoint(9).note().as_str().replacen("log.example.org\n", "go.sum database tree\n", 1);
    let request = AddCheckpoint::parse(format!("old 0\n\n{text}").as_bytes()).unwrap();
    assert_eq!(answer(&request, None), Verdict::UnknownLog);
    let text = tree.checkpoint(9).note().as_str().replacen("\n\n", "\nan extension line\n\n", 1);
    let request = AddCheckpoint::parse(format!("old 0\n\n{text}").as_bytes()).unwrap();
    assert!(matches!(answer(&request, None), Verdict::Malformed(_)));
    let larger = AddCheckpoint::new(size, tree.proof(0, 5), tree.checkpoint(5).note().clone());
    assert!(matches!(answer(&larger, Some(&tree.checkpoint(9))), Verdict::Malformed(_)));
}

#[test]
fn what_is_no_request_is_not_read() {
    let note = Tree::new(1, "").checkpoint(1).note().as_str().to_owned();
    let hash = format!("{}=\n", "A".repeat(43));
    let many = |count: usize| format!("old 0\n{}\n{note}", hash.repeat(count));
    assert!(AddCheckpoint::parse(many(63).as_bytes()).is_ok());
    let bad = [
        many(64),
        format!("old 00\n\n{note}"),
        format!("old -1\n\n{note}"),
        format!("old 281474976710657\n\n{note}"),
        format!("old  0\n\n{note}"),
        format!("0\n\n{note}"),
        format!("old 0\n{note}"),
        format!("old 0\nAAAA\n\n{note}"),
        format!("old 0\r\n\r\n{note}"),
        "old 0\n\n".to_owned(),
        String::new(),
    ];
    for text in bad {
        assert!(AddCheckpoint::parse(text.as_bytes()).is_err(), "{text:?}");
    }
    assert!(AddCheckpoint::parse(b"old 0\n\n\xff").is_err());
}

#[test]
fn a_quorum_is_as_new_as_the_kth_newest_of_its_members() {
    let head = Tree::new(3, "").checkpoint(3);
    let witness = |number: u8| Cosigner::new(format!("w{number}").parse().unwrap(), SigningKey::from_bytes(&[number; 32])).unwrap();
    let at = |number: u8, seconds: u64| witness(number).cosign(&head, CosignatureTime::from_seconds(seconds).unwrap());
    let lines = (1..=4).map(|number| format!("witness w{number} {}\n", witness(number).cosigner_key())).collect::<Vec<_>>().concat();
    let policy = |rest: &str| Policy::parse(format!("{lines}{rest}").as_bytes()).unwrap();
    let two = policy("group g 2 w1 w2 w3\nquorum g\n");
    let since = |policy: &Policy, found: &[Cosignature]| policy.quorum_time(found).map(CosignatureTime::seconds);
    assert_eq!(since(&two, &[at(1, 50)]), None);
    assert_eq!(since(&two, &[at(1, 50), at(2, 70)]), Some(50));
    assert_eq!(since(&two, &[at(1, 50), at(2, 70), at(3, 60)]), Some(60));
    assert_eq!(since(&two, &[at(1, 50), at(1, 90), at(2, 70)]), Some(70));
    assert_eq!(since(&two, &[at(1, 50), at(4, 90)]), None);
    let nested = policy("group g 2 w1 w2 w3\ngroup h all g w4\nquorum h\n");
    assert_eq!(since(&nested, &[at(1, 50), at(2, 70), at(4, 40)]), Some(40));
    assert_eq!(since(&nested, &[at(1, 50), at(2, 70)]), None);
    assert_eq!(since(&policy("quorum none\n"), &[at(1, 50)]), None);

    let keys: Vec<CosignerKey> = (1..=4).map(|number| witness(number).cosigner_key()).collect();
    assert!(two.would_be_met_by(&[&keys[0], &keys[2]]) && !two.would_be_met_by(&[&keys[0], &keys[3]]));
    assert!(nested.would_be_met_by(&[&keys[0], &keys[2], &keys[3]]) && !nested.would_be_met_by(&[&keys[0], &keys[1], &keys[2]]));
    assert!(policy("quorum none\n").would_be_met_by(&[&keys[0]]) && !policy("quorum none\n").would_be_met_by(&[]));
}
