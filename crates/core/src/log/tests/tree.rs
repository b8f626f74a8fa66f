//! The tree against a naive recursion of RFC 6962 §2.1, for every small size.

use std::collections::BTreeMap;

use super::super::*;
use crate::digest::Sha256Digest;

fn entry(number: u64) -> Vec<u8> {
    [&[1], Sha256Digest::of(&[format!("entry {number}").as_bytes()]).as_bytes().as_slice()].concat()
}

fn leaves(size: u64) -> Vec<NodeHash> {
    (0..size).map(|number| leaf_hash(&entry(number))).collect()
}

/// `MTH`, `PATH` and `SUBPROOF` word for word, over the leaves `start..end`; hashes are remembered, or the tests would be slow.
struct Naive {
    leaves: Vec<NodeHash>,
    known: BTreeMap<(usize, usize), NodeHash>,
}

impl Naive {
    fn over(leaves: &[NodeHash]) -> Self {
        Self { leaves: leaves.to_vec(), known: BTreeMap::new() }
    }

    /// Where the right part begins.
    fn split(start: usize, end: usize) -> usize {
        let mut k = 1;
        while k * 2 < end - start {
            k *= 2;
        }
        start + k
    }

    fn mth(&mut self, start: usize, end: usize) -> NodeHash {
        if start == end {
            return NodeHash::from_bytes(*Sha256Digest::of(&[]).as_bytes());
        }
        if end - start == 1 {
            return self.leaves[start];
        }
        if let Some(&hash) = self.known.get(&(start, end)) {
            return hash;
        }
        let middle = Self::split(start, end);
        let hash = node_hash(self.mth(start, middle), self.mth(middle, end));
        self.known.insert((start, end), hash);
        hash
    }

    fn root(&mut self, size: usize) -> RootHash {
        RootHash::from_bytes(*self.mth(0, size).as_bytes())
    }

    fn path(&mut self, m: usize, start: usize, end: usize) -> Vec<NodeHash> {
        if end - start == 1 {
            return Vec::new();
        }
        let middle = Self::split(start, end);
        let (mut path, sibling) = if m < middle {
            (self.path(m, start, middle), self.mth(middle, end))
        } else {
            (self.path(m, middle, end), self.mth(start, middle))
        };
        path.push(sibling);
        path
    }

    fn subproof(&mut self, m: usize, start: usize, end: usize, whole: bool) -> Vec<NodeHash> {
        if m == end {
            return if whole { Vec::new() } else { vec![self.mth(start, end)] };
        }
        let middle = Self::split(start, end);
        let (mut proof, sibling) = if m <= middle {
            (self.subproof(m, start, middle, whole), self.mth(middle, end))
        } else {
            (self.subproof(m, middle, end, false), self.mth(start, middle))
        };
        proof.push(sibling);
        proof
    }
}

fn root_of(leaves: &[NodeHash]) -> RootHash {
    Naive::over(leaves).root(leaves.len())
}

/// What a server stores while leaves are appended.
struct Store(BTreeMap<NodeId, NodeHash>);

impl Store {
    fn of(leaves: &[NodeHash]) -> Self {
        let (mut frontier, mut stored) = (Frontier::empty(), BTreeMap::new());
        for &leaf in leaves {
            for (id, hash) in frontier.append(leaf).unwrap() {
                assert_eq!(stored.insert(id, hash), None, "a stored node never changes");
            }
        }
        Self(stored)
    }

    fn get(&self, id: NodeId) -> Result<NodeHash, MerkleError> {
        self.0.get(&id).copied().ok_or(MerkleError::SizeLimit { size: id.index() })
    }
}

fn size(number: usize) -> TreeSize {
    TreeSize::new(number as u64).unwrap()
}

fn index(number: usize) -> LeafIndex {
    LeafIndex::new(number as u64).unwrap()
}

#[test]
fn frontier_has_the_root_of_every_size_and_can_be_taken_up_again() {
    let leaves = leaves(300);
    let store = Store::of(&leaves);
    let mut naive = Naive::over(&leaves);
    let mut frontier = Frontier::empty();
    for (count, &leaf) in leaves.iter().enumerate() {
        assert_eq!(frontier.root(), naive.root(count));
        assert_eq!(Frontier::load(size(count), |id| store.get(id)).unwrap(), frontier);
        let mut asked = Vec::new();
        Frontier::load(size(count), |id| store.get(id).inspect(|_| asked.push(id))).unwrap();
        assert_eq!(asked, Frontier::nodes(size(count)));
        frontier.append(leaf).unwrap();
    }
    assert_eq!(frontier.size().get(), 300);
}

#[test]
fn inclusion_proofs_are_those_of_the_rfc_for_every_leaf_of_every_small_tree() {
    let leaves = leaves(130);
    let store = Store::of(&leaves);
    let mut naive = Naive::over(&leaves);
    for count in 1..=leaves.len() {
        let tree = &leaves[..count];
        let root = naive.root(count);
        for place in 0..count {
            let mut asked = Vec::new();
            let proof = inclusion_proof(index(place), size(count), |id| store.get(id).inspect(|_| asked.push(id))).unwrap();
            assert_eq!(proof.hashes(), naive.path(place, 0, count), "leaf {place} of {count}");
            asked.sort_unstable();
            let mut needed = inclusion_nodes(index(place), size(count)).unwrap();
            needed.sort_unstable();
            assert_eq!(asked, needed);
            verify_inclusion(index(place), size(count), tree[place], &proof, root).unwrap();
            // A proof is for one place and one leaf (the larger trees would only make the test slow).
            for near in [place.wrapping_sub(1), place + 1].into_iter().filter(|&near| near < count && count < 40) {
                verify_inclusion(index(near), size(count), tree[place], &proof, root).unwrap_err();
                verify_inclusion(index(place), size(count), tree[near], &proof, root).unwrap_err();
            }
        }
    }
}

#[test]
fn consistency_proofs_are_those_of_the_rfc_for_every_pair_of_small_trees() {
    let leaves = leaves(70);
    let store = Store::of(&leaves);
    let mut naive = Naive::over(&leaves);
    let roots: Vec<RootHash> = (0..=leaves.len()).map(|count| naive.root(count)).collect();
    for new in 0..=leaves.len() {
        for old in 0..=new {
            let mut asked = Vec::new();
            let proof = consistency_proof(size(old), size(new), |id| store.get(id).inspect(|_| asked.push(id))).unwrap();
            let expected = if old == 0 { Vec::new() } else { naive.subproof(old, 0, new, true) };
            assert_eq!(proof.hashes(), expected, "{old} to {new}");
            asked.sort_unstable();
            let mut needed = consistency_nodes(size(old), size(new)).unwrap();
            needed.sort_unstable();
            assert_eq!(asked, needed);
            verify_consistency(size(old), roots[old], size(new), roots[new], &proof).unwrap();
            if old > 0 && old < new {
                verify_consistency(size(old), roots[old - 1], size(new), roots[new], &proof).unwrap_err();
                verify_consistency(size(old), roots[old], size(new), roots[new - 1], &proof).unwrap_err();
                verify_consistency(size(new), roots[new], size(old), roots[old], &proof).unwrap_err();
            }
        }
    }
}

/// Every proof that differs from `hashes` in one bit, in order, or by one hash.
fn mutations(hashes: &[NodeHash]) -> Vec<Vec<NodeHash>> {
    let mut all = Vec::new();
    for place in 0..hashes.len() {
        for bit in 0..256 {
            let mut bytes = *hashes[place].as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let mut changed = hashes.to_vec();
            changed[place] = NodeHash::from_bytes(bytes);
            all.push(changed);
        }
        let mut without = hashes.to_vec();
        let removed = without.remove(place);
        all.push(without);
        let mut twice = hashes.to_vec();
        twice.insert(place, removed);
        all.push(twice);
        if place > 0 {
            let mut exchanged = hashes.to_vec();
            exchanged.swap(place - 1, place);
            all.push(exchanged);
        }
    }
    all.push([hashes, &[NodeHash::from_bytes([0; 32])]].concat());
    all
}

#[test]
fn no_mutated_inclusion_proof_is_accepted() {
    let leaves = leaves(13);
    let store = Store::of(&leaves);
    for count in [1, 2, 3, 5, 7, 8, 9, 13] {
        let root = root_of(&leaves[..count]);
        for (place, &leaf) in leaves[..count].iter().enumerate() {
            let proof = inclusion_proof(index(place), size(count), |id| store.get(id)).unwrap();
            for changed in mutations(proof.hashes()) {
                let changed = InclusionProof::from_hashes(changed).unwrap();
                verify_inclusion(index(place), size(count), leaf, &changed, root).unwrap_err();
            }
        }
    }
}

#[test]
fn no_mutated_consistency_proof_is_accepted() {
    let leaves = leaves(9);
    let store = Store::of(&leaves);
    for new in 1..=9 {
        for old in 0..=new {
            let proof = consistency_proof(size(old), size(new), |id| store.get(id)).unwrap();
            let (old_root, new_root) = (root_of(&leaves[..old]), root_of(&leaves[..new]));
            for changed in mutations(proof.hashes()) {
                let changed = ConsistencyProof::from_hashes(changed).unwrap();
                verify_consistency(size(old), old_root, size(new), new_root, &changed).unwrap_err();
            }
        }
    }
}

#[test]
fn proof_made_from_tiles_is_the_proof_made_from_nodes() {
    let leaves = leaves(600);
    let store = Store::of(&leaves);
    let whole = size(leaves.len());
    let from_tiles = |id: NodeId| -> Result<NodeHash, LogError> {
        let tile = Tile::holding(id, whole)?;
        assert!(tile.is_within(whole));
        let tile = Tile::parse_path(&tile.to_string())?;
        let hashes: Vec<NodeHash> = tile.nodes().map(|id| store.0[&id]).collect();
        Ok(tile.read_hashes(&tile::write_hashes(&hashes))?.node(id).unwrap())
    };
    for (&id, &hash) in &store.0 {
        assert_eq!(from_tiles(id).unwrap(), hash);
    }
    for place in [0, 1, 255, 256, 300, 511, 512, 599] {
        let proof = inclusion_proof(index(place), whole, from_tiles).unwrap();
        verify_inclusion(index(place), whole, leaves[place], &proof, root_of(&leaves)).unwrap();
    }
    let incomplete = NodeId::new(9, 1).unwrap();
    Tile::holding(incomplete, whole).unwrap_err();
    Tile::holding(NodeId::new(0, 600).unwrap(), whole).unwrap_err();
}

#[test]
fn forged_leaf_in_a_tile_gives_a_proof_that_does_not_verify() {
    let leaves = leaves(300);
    let store = Store::of(&leaves);
    let forged = leaf_hash(b"forged");
    let from_forged = |id: NodeId| Ok::<_, MerkleError>(if id == NodeId::new(0, 6)? { forged } else { store.0[&id] });
    let proof = inclusion_proof(index(6), size(300), from_forged).unwrap();
    let refused = verify_inclusion(index(6), size(300), forged, &proof, root_of(&leaves));
    assert_eq!(refused, Err(MerkleError::RootMismatch));
    let beside = inclusion_proof(index(7), size(300), from_forged).unwrap();
    let refused = verify_inclusion(index(7), size(300), leaves[7], &beside, root_of(&leaves));
    assert_eq!(refused, Err(MerkleError::RootMismatch));
}
