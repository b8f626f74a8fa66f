//! The log: its Merkle tree, and the C2SP texts in which heads, proofs and trust in it are written.
//!
//! `docs/spec/log.md` has the byte tables, the limits and a worked example. Everything that comes from outside is first a
//! type that has only been read ([`SignedNote`], [`SignedCheckpoint`], [`ProofFile`]); [`VerifiedCheckpoint`] comes only
//! from a check of the log's own signature, and a proof is only ever judged against one or against a root given by hand.
//!
//! ```text
//! merkle       the tree: sizes, hashes, frontier                  (RFC 6962, RFC 9162)
//! proof        inclusion and consistency: made and verified       (RFC 6962, RFC 9162)
//! tile         the tree and its entries as files for everybody    (C2SP tlog-tiles)
//! note         text with signatures, keys                         (C2SP signed-note)
//! checkpoint   a head of the tree, signed by the log              (C2SP tlog-checkpoint)
//! cosignature  what a witness or auditor adds, with a time        (C2SP tlog-cosignature)
//! policy       which logs and cosigners a verifier demands        (C2SP tlog-policy)
//! stamp        time stamps on checkpoints, under pinned roots     (RFC 3161; with the feature aws-lc-rs)
//! witness      what is sent to a witness, and its judgement       (C2SP tlog-witness)
//! proof_file   inclusion proof and checkpoint in one file         (C2SP tlog-proof)
//! ```

pub mod checkpoint;
pub mod cosignature;
pub mod merkle;
pub mod note;
pub mod policy;
pub mod proof;
pub mod proof_file;
#[cfg(feature = "aws-lc-rs")]
pub mod stamp;
pub mod tile;
pub mod witness;

mod error;
#[cfg(test)]
mod tests;
mod text;

pub use checkpoint::{Checkpoint, LogKey, LogSigner, Origin, SignedCheckpoint, VerifiedCheckpoint};
pub use cosignature::{Cosignature, CosignatureTime, Cosigner, CosignerKey};
pub use error::{Form, LogError};
pub use merkle::{Frontier, LeafIndex, MerkleError, NodeHash, NodeId, RootHash, TreeSize, leaf_hash, node_hash};
pub use note::{KeyId, KeyKind, KeyName, NoteKey, NoteSignature, SignedNote, VerifiedNote, VerifierKey};
pub use policy::{Policy, PolicyVerdict};
pub use proof::{
    ConsistencyProof, InclusionProof, consistency_nodes, consistency_proof, inclusion_nodes, inclusion_proof, verify_consistency,
    verify_inclusion,
};
pub use proof_file::ProofFile;
pub use tile::{Tile, TileContent};
pub use witness::AddCheckpoint;
