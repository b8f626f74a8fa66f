//! The digests of one file: SHA-256, BLAKE3 and an RFC 6962 tree over leaves of 1 MiB, in one pass.

use sha2::{Digest as _, Sha256};

use crate::digest::{Blake3Digest, Sha256Digest};

/// Bytes of file in every leaf of the tree but the last.
pub const TREE_LEAF_LEN: usize = 1024 * 1024;

/// How many bytes go through all digests before the next ones are touched; they stay in the second-level cache.
const HOT_LEN: usize = 64 * 1024;

/// Size and digests of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileDigests {
    /// Bytes of the file.
    pub size: u64,
    /// SHA-256 of the file.
    pub sha256: Sha256Digest,
    /// BLAKE3 of the file; a plaintext digest, never an object's name.
    pub blake3: Blake3Digest,
    /// Root of the RFC 6962 SHA-256 tree over leaves of 1 MiB, the last one shorter; of an empty file SHA-256 of nothing.
    pub tree: Sha256Digest,
}

impl FileDigests {
    /// Digests a whole file in memory.
    pub fn of(bytes: &[u8]) -> Self {
        let mut digester = FileDigester::new();
        digester.update(bytes);
        digester.finish()
    }
}

/// Digests a file as its bytes come.
#[derive(Clone, Default)]
pub struct FileDigester {
    size: u64,
    sha256: Sha256,
    blake3: blake3::Hasher,
    tree: TreeRoot,
    leaf: Option<Sha256>,
    leaf_len: usize,
}

impl FileDigester {
    /// Begins a file.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes; any cutting of a file gives the same digests. Best called with runs that are still in the cache.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (hot, rest) = bytes.split_at(bytes.len().min(HOT_LEN).min(TREE_LEAF_LEN - self.leaf_len));
            self.sha256.update(hot);
            self.blake3.update(hot);
            self.leaf.get_or_insert_with(|| Sha256::new_with_prefix([0])).update(hot);
            self.leaf_len += hot.len();
            self.size += hot.len() as u64;
            if self.leaf_len == TREE_LEAF_LEN {
                self.end_leaf();
            }
            bytes = rest;
        }
    }

    /// Ends the file.
    pub fn finish(mut self) -> FileDigests {
        self.end_leaf();
        FileDigests {
            size: self.size,
            sha256: Sha256Digest::from_bytes(self.sha256.finalize().into()),
            blake3: Blake3Digest::from_bytes(self.blake3.finalize().into()),
            tree: self.tree.root(),
        }
    }

    fn end_leaf(&mut self) {
        if let Some(leaf) = self.leaf.take() {
            self.tree.push(leaf.finalize().into());
        }
        self.leaf_len = 0;
    }
}

/// The root of an RFC 6962 tree, leaf by leaf. To be replaced by `log::merkle`'s frontier when both are in one tree of source.
#[derive(Clone, Default)]
struct TreeRoot {
    /// Roots of the complete subtrees, the largest first: one for each bit of `leaves`.
    stack: Vec<[u8; 32]>,
    leaves: u64,
}

impl TreeRoot {
    fn push(&mut self, leaf: [u8; 32]) {
        let mut right = leaf;
        for _ in 0..self.leaves.trailing_ones() {
            let left = self.stack.pop().expect("one subtree for each bit");
            right = node(&left, &right);
        }
        self.stack.push(right);
        self.leaves += 1;
    }

    /// Source: RFC 6962 §2.1.
    fn root(mut self) -> Sha256Digest {
        let Some(mut right) = self.stack.pop() else { return Sha256Digest::of(&[]) };
        while let Some(left) = self.stack.pop() {
            right = node(&left, &right);
        }
        Sha256Digest::from_bytes(right)
    }
}

fn node(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    *Sha256Digest::of(&[&[1], left, right]).as_bytes()
}
