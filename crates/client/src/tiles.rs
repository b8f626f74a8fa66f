//! Inclusion proofs of any record, made from the log's public tiles. Source: C2SP tlog-tiles.
//!
//! Tiles prove nothing: every proof made from them is verified against the signed checkpoint before it is given out.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use custodia_core::custody::record::Commitment;
use custodia_core::log::merkle::MerkleError;
use custodia_core::log::tile::TileHashes;
use custodia_core::log::{
    InclusionProof, LeafIndex, LogError, NodeId, Tile, TreeSize, VerifiedCheckpoint, inclusion_nodes, inclusion_proof, leaf_hash,
};

use crate::error::AgentError;
use crate::http::Http;
use crate::log_view::Misbehaviour;

/// The tiles of one tree that were fetched so far; each is asked for once.
pub(crate) struct Tiles {
    checkpoint: VerifiedCheckpoint,
    held: HashMap<Tile, TileHashes>,
}

impl Tiles {
    /// No tiles yet of the tree of a checkpoint.
    pub(crate) fn of(checkpoint: VerifiedCheckpoint) -> Self {
        Self { checkpoint, held: HashMap::new() }
    }

    /// The proof that a record stands at an index of the tree, verified.
    pub(crate) async fn prove(&mut self, http: &Http, index: u64, record: Commitment) -> Result<InclusionProof, AgentError> {
        let bad = || Misbehaviour::shown("the log's tiles do not lead from a record to the signed tree", format!("record {index}"));
        let leaf = LeafIndex::new(index).map_err(|_| bad())?;
        for tile in needed(leaf, self.checkpoint.size()).map_err(|_| bad())? {
            if let Entry::Vacant(place) = self.held.entry(tile) {
                let bytes = http.object(&format!("/{tile}")).await?;
                place.insert(tile.read_hashes(&bytes).map_err(|_| bad())?);
            }
        }
        Ok(self.assemble(leaf, record).map_err(|_| bad())?)
    }

    fn assemble(&self, leaf: LeafIndex, record: Commitment) -> Result<InclusionProof, LogError> {
        let size = self.checkpoint.size();
        let proof = inclusion_proof(leaf, size, |node: NodeId| {
            let tile = Tile::holding(node, size)?;
            self.held.get(&tile).and_then(|hashes| hashes.node(node)).ok_or(LogError::Proof(MerkleError::RootMismatch))
        })?;
        self.checkpoint.includes(leaf, leaf_hash(&record.entry()), &proof)?;
        Ok(proof)
    }
}

/// The tiles from which the proof of a leaf is made, each once.
fn needed(leaf: LeafIndex, size: TreeSize) -> Result<Vec<Tile>, LogError> {
    let mut tiles = Vec::new();
    for node in inclusion_nodes(leaf, size)? {
        let tile = Tile::holding(node, size)?;
        if !tiles.contains(&tile) {
            tiles.push(tile);
        }
    }
    Ok(tiles)
}

#[cfg(test)]
mod tests {
    use custodia_core::digest::Sha256Digest;
    use custodia_core::log::tile::write_hashes;
    use custodia_core::log::{Frontier, LogSigner, NodeHash};
    use ed25519_dalek::SigningKey;

    use super::*;

    fn record(index: u64) -> Commitment {
        Commitment(Sha256Digest::of(&[&index.to_be_bytes()]))
    }

    /// A log of some records, and its tiles as a server gives them.
    fn grown(size: u64) -> (VerifiedCheckpoint, HashMap<NodeId, NodeHash>) {
        let signer = LogSigner::new("vault.example/log".parse().unwrap(), SigningKey::from_bytes(&[1; 32])).unwrap();
        let (mut frontier, mut nodes) = (Frontier::empty(), HashMap::new());
        for index in 0..size {
            nodes.extend(frontier.append(leaf_hash(&record(index).entry())).unwrap());
        }
        (signer.sign(frontier.size(), frontier.root()).unwrap(), nodes)
    }

    fn fetched(checkpoint: &VerifiedCheckpoint, nodes: &HashMap<NodeId, NodeHash>, leaf: LeafIndex) -> Tiles {
        let mut tiles = Tiles::of(checkpoint.clone());
        for tile in needed(leaf, checkpoint.size()).unwrap() {
            assert!(tile.is_within(checkpoint.size()), "{tile}");
            let hashes: Vec<_> = tile.nodes().map(|node| nodes[&node]).collect();
            tiles.held.insert(tile, tile.read_hashes(&write_hashes(&hashes)).unwrap());
        }
        tiles
    }

    #[test]
    fn every_record_is_proven_from_few_tiles() {
        for size in [1, 2, 255, 256, 257, 600, 1024] {
            let (checkpoint, nodes) = grown(size);
            for index in [0, 1, 254, 255, 256, size / 2, size - 1].into_iter().filter(|index| *index < size) {
                let leaf = LeafIndex::new(index).unwrap();
                let tiles = fetched(&checkpoint, &nodes, leaf);
                assert!(tiles.held.len() <= 4, "{} tiles for {index} of {size}", tiles.held.len());
                tiles.assemble(leaf, record(index)).unwrap();
                assert!(tiles.assemble(leaf, record(index + 1)).is_err(), "another record is proven");
            }
        }
    }

    #[test]
    fn a_changed_or_missing_tile_proves_nothing() {
        let (checkpoint, mut nodes) = grown(300);
        let leaf = LeafIndex::new(7).unwrap();
        assert!(Tiles::of(checkpoint.clone()).assemble(leaf, record(7)).is_err());
        let sibling = NodeId::new(0, 6).unwrap();
        nodes.insert(sibling, leaf_hash(b"another"));
        assert!(fetched(&checkpoint, &nodes, leaf).assemble(leaf, record(7)).is_err());
    }
}
