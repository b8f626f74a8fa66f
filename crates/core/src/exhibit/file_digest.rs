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

    /// Ends a file whose halves were digested apart.
    pub fn of_halves(whole: WholeDigester, mut pieces: PiecesDigester) -> Self {
        pieces.end_leaf();
        Self {
            size: pieces.size,
            sha256: Sha256Digest::from_bytes(whole.0.finalize().into()),
            blake3: Blake3Digest::from_bytes(pieces.blake3.finalize().into()),
            tree: pieces.tree.root(),
        }
    }
}

/// Digests a file as its bytes come.
#[derive(Clone, Default)]
pub struct FileDigester {
    whole: WholeDigester,
    pieces: PiecesDigester,
}

impl FileDigester {
    /// Begins a file.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes; any cutting of a file gives the same digests. Best called with runs that are still in the cache.
    pub fn update(&mut self, bytes: &[u8]) {
        self.pieces.take(bytes, Some(&mut self.whole.0));
    }

    /// How many bytes were taken so far, and their BLAKE3 digest.
    pub fn so_far(&self) -> (u64, Blake3Digest) {
        (self.pieces.size, Blake3Digest::from_bytes(self.pieces.blake3.finalize().into()))
    }

    /// Ends the file.
    pub fn finish(self) -> FileDigests {
        FileDigests::of_halves(self.whole, self.pieces)
    }
}

/// The half of a file's digests that is one long chain, for a thread of its own: SHA-256.
#[derive(Clone, Default)]
pub struct WholeDigester(Sha256);

impl WholeDigester {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}

/// The other half: BLAKE3 and the tree. It must be given the same bytes.
#[derive(Clone, Default)]
pub struct PiecesDigester {
    size: u64,
    blake3: blake3::Hasher,
    tree: TreeRoot,
    leaf: Option<Sha256>,
    leaf_len: usize,
}

impl PiecesDigester {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.take(bytes, None);
    }

    fn take(&mut self, mut bytes: &[u8], mut whole: Option<&mut Sha256>) {
        while !bytes.is_empty() {
            // Runs end at multiples of their length in the file, wherever the caller cuts: BLAKE3 is several times faster on such.
            let (hot, rest) = bytes.split_at(bytes.len().min(HOT_LEN - self.leaf_len % HOT_LEN));
            let leaf = self.leaf.get_or_insert_with(|| Sha256::new_with_prefix([0]));
            match &mut whole {
                Some(whole) => update_both(whole, leaf, self.leaf_len, hot),
                None => leaf.update(hot),
            }
            self.blake3.update(hot);
            self.leaf_len += hot.len();
            self.size += hot.len() as u64;
            if self.leaf_len == TREE_LEAF_LEN {
                self.end_leaf();
            }
            bytes = rest;
        }
    }

    fn end_leaf(&mut self) {
        if let Some(leaf) = self.leaf.take() {
            self.tree.push(leaf.finalize().into());
        }
        self.leaf_len = 0;
    }
}

/// Bytes of a block of SHA-256.
const BLOCK: usize = 64;

/// Gives the same bytes to the file's digest and to the leaf's, block by block in turn: a processor that is waiting for the rounds of one works
/// on those of the other, which has a byte more before it. `before` is how many bytes of the leaf came before.
fn update_both(whole: &mut Sha256, leaf: &mut Sha256, before: usize, hot: &[u8]) {
    let within = before % BLOCK;
    let (head, whole_rest) = hot.split_at(((BLOCK - within) % BLOCK).min(hot.len()));
    whole.update(head);
    let (head, leaf_rest) = hot.split_at((BLOCK - 1 - within).min(hot.len()));
    leaf.update(head);
    let (of_whole, of_leaf) = (whole_rest.chunks_exact(BLOCK), leaf_rest.chunks_exact(BLOCK));
    let pairs = of_whole.len().min(of_leaf.len());
    for (one, other) in of_whole.zip(of_leaf) {
        whole.update(one);
        leaf.update(other);
    }
    whole.update(&whole_rest[pairs * BLOCK..]);
    leaf.update(&leaf_rest[pairs * BLOCK..]);
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
