//! Proofs that a leaf is in a tree, and that a tree is the beginning of another. Source: RFC 6962 §2.1, RFC 9162 §2.1.
//!
//! A proof is a plan first (the ranges of leaves whose roots it needs, which follow from the sizes alone), then their hashes
//! from storage. The verifier uses the plan for one thing only: how many hashes there must be.

use super::merkle::{LeafIndex, MerkleError, NodeHash, NodeId, Range, RootHash, TreeSize, node_hash};

/// The most hashes that a proof may carry before anything is compared: 63, as in C2SP tlog-witness.
pub const MAX_PROOF_HASHES: usize = 63;

fn inclusion_plan(index: LeafIndex, size: TreeSize) -> Result<Vec<Range>, MerkleError> {
    if !size.contains(index) {
        return Err(MerkleError::IndexOutsideTree { index: index.get(), size: size.get() });
    }
    let mut plan = Vec::new();
    let mut whole = Range { start: 0, end: size.get() };
    while whole.end - whole.start > 1 {
        let (left, right) = whole.split();
        let (inside, sibling) = if index.get() < left.end { (left, right) } else { (right, left) };
        plan.push(sibling);
        whole = inside;
    }
    plan.reverse();
    Ok(plan)
}

fn consistency_plan(old: TreeSize, new: TreeSize) -> Result<Vec<Range>, MerkleError> {
    if old > new {
        return Err(MerkleError::SizesReversed { old: old.get(), new: new.get() });
    }
    let mut plan = Vec::new();
    if old == TreeSize::ZERO || old == new {
        return Ok(plan);
    }
    let mut whole = Range { start: 0, end: new.get() };
    while whole.end != old.get() {
        let (left, right) = whole.split();
        let (inside, sibling) = if old.get() <= left.end { (left, right) } else { (right, left) };
        plan.push(sibling);
        whole = inside;
    }
    if whole.start > 0 {
        plan.push(whole);
    }
    plan.reverse();
    Ok(plan)
}

fn nodes_of(plan: &[Range]) -> Vec<NodeId> {
    plan.iter().flat_map(|range| range.nodes()).collect()
}

/// The stored nodes that [`inclusion_proof`] will ask for, so that they can be read in one query.
///
/// # Errors
/// The index is not in a tree of that size.
pub fn inclusion_nodes(index: LeafIndex, size: TreeSize) -> Result<Vec<NodeId>, MerkleError> {
    Ok(nodes_of(&inclusion_plan(index, size)?))
}

/// The stored nodes that [`consistency_proof`] will ask for, so that they can be read in one query.
///
/// # Errors
/// `old` is larger than `new`.
pub fn consistency_nodes(old: TreeSize, new: TreeSize) -> Result<Vec<NodeId>, MerkleError> {
    Ok(nodes_of(&consistency_plan(old, new)?))
}

/// The hashes beside the way from a leaf to the root, the leaf's sibling first; only read, not checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionProof(Vec<NodeHash>);

/// The hashes that lead to an older and to a newer root, in the order of RFC 6962 §2.1.2; only read, not checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsistencyProof(Vec<NodeHash>);

macro_rules! proof {
    ($name:ident) => {
        impl $name {
            /// Takes the hashes as they came; refuses more than 63 and checks nothing else.
            pub fn from_hashes(hashes: Vec<NodeHash>) -> Result<Self, MerkleError> {
                let found = hashes.len();
                if found > MAX_PROOF_HASHES {
                    return Err(MerkleError::ProofLength { expected: MAX_PROOF_HASHES, found });
                }
                Ok(Self(hashes))
            }

            /// The hashes in order.
            pub fn hashes(&self) -> &[NodeHash] {
                &self.0
            }
        }
    };
}

proof!(InclusionProof);
proof!(ConsistencyProof);

/// Makes the proof that the leaf at `index` is in the tree of `size`; `node` gives stored hashes.
///
/// Does not check the stored hashes: verify the proof against the signed root before it leaves.
///
/// # Errors
/// The index is not in the tree; or whatever `node` reports.
///
/// Source: RFC 6962 §2.1.1.
pub fn inclusion_proof<E: From<MerkleError>>(
    index: LeafIndex,
    size: TreeSize,
    mut node: impl FnMut(NodeId) -> Result<NodeHash, E>,
) -> Result<InclusionProof, E> {
    let plan = inclusion_plan(index, size)?;
    plan.into_iter().map(|range| range.hash(&mut node)).collect::<Result<_, E>>().map(InclusionProof)
}

/// Makes the proof that the tree of `old` leaves is the beginning of the tree of `new`; `node` gives stored hashes.
///
/// It is empty where `old` is 0 or equals `new`. Does not check the stored hashes.
///
/// # Errors
/// `old` is larger than `new`; or whatever `node` reports.
///
/// Source: RFC 6962 §2.1.2.
pub fn consistency_proof<E: From<MerkleError>>(
    old: TreeSize,
    new: TreeSize,
    mut node: impl FnMut(NodeId) -> Result<NodeHash, E>,
) -> Result<ConsistencyProof, E> {
    let plan = consistency_plan(old, new)?;
    plan.into_iter().map(|range| range.hash(&mut node)).collect::<Result<_, E>>().map(ConsistencyProof)
}

/// Checks that `leaf` is the leaf at `index` of the tree of `size` whose root is `root`.
///
/// Not checked: that `root` is a root of the log (a signed checkpoint says so), nor that `leaf` was hashed from an entry.
///
/// # Errors
/// The index is not in the tree, the number of hashes is not exactly the one needed, or the way does not end at `root`.
///
/// Source: RFC 9162 §2.1.3.2.
pub fn verify_inclusion(
    index: LeafIndex,
    size: TreeSize,
    leaf: NodeHash,
    proof: &InclusionProof,
    root: RootHash,
) -> Result<(), MerkleError> {
    check_length(inclusion_plan(index, size)?.len(), proof.0.len())?;
    let (mut place, mut last, mut hash) = (index.get(), size.get() - 1, leaf);
    for &sibling in &proof.0 {
        if place & 1 == 1 || place == last {
            hash = node_hash(sibling, hash);
            // A node without a right neighbour is carried up unchanged to where it has a left one.
            let carried = place.trailing_zeros();
            place = shift_right(place, carried);
            last = shift_right(last, carried);
        } else {
            hash = node_hash(hash, sibling);
        }
        place >>= 1;
        last >>= 1;
    }
    if last == 0 && hash.as_bytes() == root.as_bytes() { Ok(()) } else { Err(MerkleError::RootMismatch) }
}

/// Checks that the tree of `old` leaves and root `old_root` is the beginning of the tree of `new` leaves and root `new_root`.
///
/// An empty old tree is the beginning of every tree: then nothing is learnt about `new_root`. Not checked: that either root
/// was signed by anybody.
///
/// # Errors
/// `old` is larger than `new`, the number of hashes is not exactly the one needed, a tree of 0 leaves has not the empty
/// root, or the proof does not lead to one of the roots.
///
/// Source: RFC 9162 §2.1.4.2; for sizes 0 and `old == new` C2SP tlog-witness.
pub fn verify_consistency(
    old: TreeSize,
    old_root: RootHash,
    new: TreeSize,
    new_root: RootHash,
    proof: &ConsistencyProof,
) -> Result<(), MerkleError> {
    check_length(consistency_plan(old, new)?.len(), proof.0.len())?;
    if old == TreeSize::ZERO && old_root != RootHash::empty() {
        return Err(MerkleError::OldRootMismatch);
    }
    if old == new {
        return if old_root == new_root { Ok(()) } else { Err(MerkleError::RootMismatch) };
    }
    if old == TreeSize::ZERO {
        return Ok(());
    }
    let (first, rest) = if old.get().is_power_of_two() {
        (NodeHash::from_bytes(*old_root.as_bytes()), proof.0.as_slice())
    } else {
        let (first, rest) = proof.0.split_first().ok_or(MerkleError::OldRootMismatch)?;
        (*first, rest)
    };
    let complete = (old.get() - 1).trailing_ones();
    let (mut place, mut last) = (shift_right(old.get() - 1, complete), shift_right(new.get() - 1, complete));
    let (mut old_hash, mut new_hash) = (first, first);
    for &sibling in rest {
        if place & 1 == 1 || place == last {
            old_hash = node_hash(sibling, old_hash);
            new_hash = node_hash(sibling, new_hash);
            let carried = place.trailing_zeros();
            place = shift_right(place, carried);
            last = shift_right(last, carried);
        } else {
            new_hash = node_hash(new_hash, sibling);
        }
        place >>= 1;
        last >>= 1;
    }
    if old_hash.as_bytes() != old_root.as_bytes() {
        return Err(MerkleError::OldRootMismatch);
    }
    if last == 0 && new_hash.as_bytes() == new_root.as_bytes() { Ok(()) } else { Err(MerkleError::RootMismatch) }
}

/// Shifts by what may be the whole width: `0.trailing_zeros()` is 64.
const fn shift_right(number: u64, by: u32) -> u64 {
    match number.checked_shr(by) {
        Some(shifted) => shifted,
        None => 0,
    }
}

const fn check_length(expected: usize, found: usize) -> Result<(), MerkleError> {
    if expected == found { Ok(()) } else { Err(MerkleError::ProofLength { expected, found }) }
}
