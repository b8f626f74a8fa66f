//! The Merkle tree of RFC 6962 with SHA-256, without storage: what must be stored, what must be read, what follows.
//!
//! ```text
//! level 2          h(2,0)                 node (level, index) covers the leaves
//! level 1     h(1,0)     h(1,1)           index·2^level .. (index+1)·2^level
//! level 0   h0    h1   h2    h3   h4      (complete subtrees only: h4 stands alone until h5 comes)
//! ```
//!
//! A server stores the hash of each complete subtree once ([`Frontier::append`] names them) and never changes it. A root or
//! a proof is a fold of at most a few dozen of those. Source: RFC 6962 §2.1, RFC 9162 §2.1.

use core::fmt;

use crate::digest::Sha256Digest;

/// The most leaves of a tree: 2^48.
pub const MAX_TREE_SIZE: u64 = 1 << 48;

/// Why a size, an index or a proof was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MerkleError {
    /// The tree would have more than 2^48 leaves.
    #[error("{size} is over the largest tree size, 2^48")]
    SizeLimit {
        /// The size or index asked for.
        size: u64,
    },
    /// There is no such leaf in a tree of that size.
    #[error("there is no leaf {index} in a tree of {size}")]
    IndexOutsideTree {
        /// The leaf index.
        index: u64,
        /// The tree size.
        size: u64,
    },
    /// The "old" tree is larger than the "new" one: a rollback, or the two were exchanged.
    #[error("the older tree ({old}) is larger than the newer ({new})")]
    SizesReversed {
        /// The older size.
        old: u64,
        /// The newer size.
        new: u64,
    },
    /// The proof has not the number of hashes that its sizes demand.
    #[error("the proof has {found} hashes where {expected} are needed")]
    ProofLength {
        /// The number that follows from index and sizes.
        expected: usize,
        /// The number that came.
        found: usize,
    },
    /// The proof does not lead to the root of the (newer) tree.
    #[error("the proof does not lead to the root hash")]
    RootMismatch,
    /// The proof does not lead to the root of the older tree: the log was rewritten, or the proof is wrong.
    #[error("the proof does not lead to the older root hash")]
    OldRootMismatch,
}

/// How many leaves a tree has: 0 to 2^48.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct TreeSize(u64);

/// The place of a leaf, counted from 0; below 2^48.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct LeafIndex(u64);

impl TreeSize {
    /// The empty tree.
    pub const ZERO: Self = Self(0);

    /// Takes a number of leaves; refuses more than 2^48.
    pub const fn new(size: u64) -> Result<Self, MerkleError> {
        if size > MAX_TREE_SIZE { Err(MerkleError::SizeLimit { size }) } else { Ok(Self(size)) }
    }

    /// The number of leaves.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Whether the tree has a leaf at `index`.
    pub const fn contains(self, index: LeafIndex) -> bool {
        index.0 < self.0
    }

    /// The index that the next leaf will have.
    pub const fn next_index(self) -> Result<LeafIndex, MerkleError> {
        LeafIndex::new(self.0)
    }
}

impl LeafIndex {
    /// Takes an index; refuses 2^48 and above.
    pub const fn new(index: u64) -> Result<Self, MerkleError> {
        if index >= MAX_TREE_SIZE { Err(MerkleError::SizeLimit { size: index }) } else { Ok(Self(index)) }
    }

    /// The index.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The size of the smallest tree that has this leaf.
    pub const fn size_after(self) -> TreeSize {
        TreeSize(self.0 + 1)
    }
}

macro_rules! number {
    ($name:ident) => {
        impl TryFrom<u64> for $name {
            type Error = MerkleError;

            fn try_from(number: u64) -> Result<Self, MerkleError> {
                Self::new(number)
            }
        }

        impl From<$name> for u64 {
            fn from(number: $name) -> Self {
                number.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(TreeSize);
number!(LeafIndex);

macro_rules! tree_hash {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(Sha256Digest);

        impl $name {
            /// Takes 32 bytes that are said to be such a hash; checks nothing.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(Sha256Digest::from_bytes(bytes))
            }

            /// The 32 bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
    };
}

tree_hash! {
    /// The hash of a leaf or of an inner node. It names no place: a proof gives it one.
    NodeHash
}
tree_hash! {
    /// The hash of a whole tree. It means nothing without the tree's size.
    RootHash
}

impl RootHash {
    /// The root of the empty tree: SHA-256 of nothing.
    pub fn empty() -> Self {
        Self(Sha256Digest::of(&[]))
    }
}

/// Hashes an entry as a leaf: SHA-256(0x00 ‖ entry). Source: RFC 6962 §2.1.
pub fn leaf_hash(entry: &[u8]) -> NodeHash {
    NodeHash(Sha256Digest::of(&[&[0x00], entry]))
}

/// Hashes two neighbours: SHA-256(0x01 ‖ left ‖ right). Source: RFC 6962 §2.1.
pub fn node_hash(left: NodeHash, right: NodeHash) -> NodeHash {
    NodeHash(Sha256Digest::of(&[&[0x01], left.as_bytes(), right.as_bytes()]))
}

/// The place of a complete subtree: it covers the leaves `index·2^level` up to, not including, `(index+1)·2^level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId {
    level: u8,
    index: u64,
}

impl NodeId {
    /// Names a place; refuses one that ends past leaf 2^48.
    pub const fn new(level: u8, index: u64) -> Result<Self, MerkleError> {
        if level > 48 || index >= MAX_TREE_SIZE >> level { Err(MerkleError::SizeLimit { size: index }) } else { Ok(Self { level, index }) }
    }

    /// The height of the subtree: 0 for a leaf, at most 48.
    pub const fn level(self) -> u8 {
        self.level
    }

    /// The place among the nodes of that level, counted from 0.
    pub const fn index(self) -> u64 {
        self.index
    }
}

/// The leaves `start..end` of a tree, where the hash of the range is one that RFC 6962 defines: `start` is a multiple of the
/// smallest power of two that is at least `end - start`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    pub(super) start: u64,
    pub(super) end: u64,
}

impl Range {
    /// Divides where RFC 6962 does: the left part has the largest power of two leaves that is smaller than the whole.
    pub(super) const fn split(self) -> (Self, Self) {
        let middle = self.start + (1 << (self.end - self.start - 1).ilog2());
        (Self { start: self.start, end: middle }, Self { start: middle, end: self.end })
    }

    /// The complete subtrees that make up the range, from the left: one for each bit of its length.
    pub(super) fn nodes(self) -> impl DoubleEndedIterator<Item = NodeId> {
        let length = self.end - self.start;
        (0..=48_u8).rev().filter(move |level| length >> level & 1 == 1).map(move |level| {
            let before = length >> level >> 1 << 1;
            NodeId { level, index: (self.start >> level) + before }
        })
    }

    /// Folds the stored hashes of the range's nodes; the range is not empty.
    pub(super) fn hash<E>(self, node: &mut impl FnMut(NodeId) -> Result<NodeHash, E>) -> Result<NodeHash, E> {
        let mut from_the_right = self.nodes().rev();
        let first = from_the_right.next().expect("a range of the plan has at least one leaf");
        from_the_right.try_fold(node(first)?, |right, id| Ok(node_hash(node(id)?, right)))
    }
}

/// The right edge of a growing tree: the complete subtrees that make it up, at most 49 hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// From the left, so the largest first; one for each bit of `size`.
    nodes: Vec<NodeHash>,
}

impl Frontier {
    /// The empty tree.
    pub const fn empty() -> Self {
        Self { size: 0, nodes: Vec::new() }
    }

    /// The stored nodes that [`Frontier::load`] will ask for, so that they can be read in one query.
    pub fn nodes(size: TreeSize) -> Vec<NodeId> {
        Range { start: 0, end: size.0 }.nodes().collect()
    }

    /// Takes up a stored tree of `size` leaves. Compare [`Frontier::root`] with the root that was signed.
    ///
    /// # Errors
    /// Whatever `node` reports.
    pub fn load<E>(size: TreeSize, node: impl FnMut(NodeId) -> Result<NodeHash, E>) -> Result<Self, E> {
        let nodes = Range { start: 0, end: size.0 }.nodes().map(node).collect::<Result<_, E>>()?;
        Ok(Self { size: size.0, nodes })
    }

    /// Appends a leaf and returns every node that is now complete, the leaf itself first: exactly these are to be stored.
    ///
    /// # Errors
    /// The tree has 2^48 leaves; then nothing changed.
    pub fn append(&mut self, leaf: NodeHash) -> Result<Vec<(NodeId, NodeHash)>, MerkleError> {
        let index = self.size().next_index()?.0;
        let mut completed = vec![(NodeId { level: 0, index }, leaf)];
        let mut hash = leaf;
        for level in 1..=48 {
            if index >> (level - 1) & 1 == 0 {
                break;
            }
            let Some(left) = self.nodes.pop() else { break };
            hash = node_hash(left, hash);
            completed.push((NodeId { level, index: index >> level }, hash));
        }
        self.nodes.push(hash);
        self.size = index + 1;
        Ok(completed)
    }

    /// Its complete subtrees, the largest first, with their places.
    pub fn complete(&self) -> impl Iterator<Item = (NodeId, NodeHash)> {
        Range { start: 0, end: self.size }.nodes().zip(self.nodes.iter().copied())
    }

    /// The number of leaves.
    pub const fn size(&self) -> TreeSize {
        TreeSize(self.size)
    }

    /// The root hash.
    pub fn root(&self) -> RootHash {
        match self.nodes.split_last() {
            None => RootHash::empty(),
            Some((&last, rest)) => RootHash(rest.iter().rev().fold(last, |right, &left| node_hash(left, right)).0),
        }
    }
}

/// Folds 2^n neighbouring hashes of one level into the hash of the subtree n levels above; `None` for any other number.
pub(super) fn complete_subtree(hashes: &[NodeHash]) -> Option<NodeHash> {
    if !hashes.len().is_power_of_two() {
        return None;
    }
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        row = row.chunks_exact(2).map(|pair| node_hash(pair[0], pair[1])).collect();
    }
    row.first().copied()
}
