//! The rows of the log's tree: its complete nodes, by level and index.

use std::collections::HashMap;

use custodia_core::log::merkle::{NodeHash, NodeId};

use super::sql::{in_parts, sql, sql_groups};
use super::{Conn, StoreError};

/// Stores nodes that became complete.
pub(crate) async fn insert_nodes(conn: &mut Conn, nodes: &[(NodeId, NodeHash)]) -> Result<(), StoreError> {
    for part in in_parts(nodes) {
        let mut statement = sql_groups("INSERT INTO nodes (level, idx, hash) VALUES ", 3, part.len(), "");
        for (id, hash) in part {
            statement = statement.number(u64::from(id.level())).number(id.index()).bytes(hash.as_bytes());
        }
        statement.run(conn).await?;
    }
    Ok(())
}

/// Places in one question.
const ASKED_AT_ONCE: usize = 12;
const SELECT_NODES: &str = "SELECT level, idx, hash FROM nodes WHERE (level = $1 AND idx = $2) OR (level = $3 AND idx = $4) \
     OR (level = $5 AND idx = $6) OR (level = $7 AND idx = $8) OR (level = $9 AND idx = $10) OR (level = $11 AND idx = $12) \
     OR (level = $13 AND idx = $14) OR (level = $15 AND idx = $16) OR (level = $17 AND idx = $18) OR (level = $19 AND idx = $20) \
     OR (level = $21 AND idx = $22) OR (level = $23 AND idx = $24)";

/// Stored nodes by their places; what the tree does not have is an error.
pub(crate) struct Nodes(HashMap<NodeId, NodeHash>);

impl Nodes {
    /// Reads the nodes named, as many with one question as a root or a proof of a usual tree needs.
    pub async fn read(conn: &mut Conn, ids: impl IntoIterator<Item = NodeId>) -> Result<Self, StoreError> {
        let ids: Vec<NodeId> = ids.into_iter().collect();
        let mut nodes = HashMap::with_capacity(ids.len());
        for some in ids.chunks(ASKED_AT_ONCE) {
            let mut question = sql(SELECT_NODES);
            // The last place is asked for again where there are fewer.
            for place in 0..ASKED_AT_ONCE {
                let id = some[place.min(some.len() - 1)];
                question = question.number(u64::from(id.level())).number(id.index());
            }
            for mut row in question.rows(conn).await? {
                let id =
                    u8::try_from(row.number()?).ok().zip(Some(row.number()?)).and_then(|(level, index)| NodeId::new(level, index).ok());
                let hash = NodeHash::from_bytes(row.array()?);
                nodes.insert(id.ok_or(StoreError::Corrupt("a node past the largest tree"))?, hash);
            }
        }
        if ids.iter().all(|id| nodes.contains_key(id)) {
            Ok(Self(nodes))
        } else {
            Err(StoreError::Corrupt("a node of the tree is missing"))
        }
    }

    /// Reads neighbours of one level, `count` of them from `first` on.
    pub async fn read_row(conn: &mut Conn, first: NodeId, count: u16) -> Result<Vec<NodeHash>, StoreError> {
        let rows = sql("SELECT hash FROM nodes WHERE level = $1 AND idx >= $2 AND idx < $3 ORDER BY idx")
            .number(u64::from(first.level()))
            .number(first.index())
            .number(first.index() + u64::from(count))
            .rows(conn)
            .await?;
        let hashes: Vec<NodeHash> = rows.into_iter().map(|mut row| row.array().map(NodeHash::from_bytes)).collect::<Result<_, _>>()?;
        if hashes.len() == usize::from(count) { Ok(hashes) } else { Err(StoreError::Corrupt("a node of the tree is missing")) }
    }

    /// One of the nodes read.
    pub fn get(&self, id: NodeId) -> Result<NodeHash, StoreError> {
        self.0.get(&id).copied().ok_or(StoreError::Corrupt("a node of the tree is missing"))
    }
}
