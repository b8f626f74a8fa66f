//! Tiles: the tree's hashes and entries as files that never change. Source: C2SP tlog-tiles.
//!
//! ```text
//! tile/<level>/<index>[.p/<width>]     width × 32-byte hashes: the nodes (8·level, index·256 + 0..width)
//! tile/entries/<index>[.p/<width>]     width × (u16 big-endian length ‖ entry): the leaves index·256 + 0..width
//! ```
//!
//! `<level>` is 0 to 6, since a tree has at most 2^48 leaves; `<index>` is decimal in groups of three digits, all but the
//! last with an `x` before them (1234067 is `x001/x234/067`), as few groups as possible; a full tile has width 256 and no
//! suffix. One tile has one path.

use core::fmt;

use super::error::{Form, LogError};
use super::merkle::{NodeHash, NodeId, TreeSize, complete_subtree};
use super::text::decimal;

/// The hashes or entries of a full tile.
pub const FULL_WIDTH: u16 = 256;

/// The most bytes of an entry, as its length has two bytes.
pub const MAX_ENTRY_BYTES: usize = 65_535;

const MAX_BUNDLE_BYTES: usize = 256 * (2 + MAX_ENTRY_BYTES);

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TileContent {
    /// Hashes of complete subtrees of `256^level` leaves.
    Hashes {
        /// 0 to 6.
        level: u8,
    },
    /// The entries themselves.
    Entries,
}

/// The name of a tile or entry bundle. `Display` writes its path without a leading slash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tile {
    content: TileContent,
    index: u64,
    width: u16,
}

impl Tile {
    /// Names a tile by what it holds, its index and its width of 1 to 256.
    ///
    /// # Errors
    /// A width out of range, or a tile that no tree of 2^48 leaves has.
    pub fn new(content: TileContent, index: u64, width: u16) -> Result<Self, LogError> {
        let tile = Self { content, index, width };
        let bad = |reason| LogError::malformed(Form::TilePath, reason);
        if !(1..=FULL_WIDTH).contains(&width) {
            return Err(bad("the width is not 1 to 256"));
        }
        let end = index.checked_mul(256).ok_or_else(|| bad("the index is too large"))? + u64::from(width);
        if tile.node_level() > 48 || NodeId::new(tile.node_level(), end - 1).is_err() {
            return Err(bad("no tree of 2^48 leaves has such a tile"));
        }
        Ok(tile)
    }

    /// The tile in which the hashes of `node` stand, as wide as a tree of `size` makes it.
    ///
    /// # Errors
    /// The node is not complete in a tree of that size.
    pub fn holding(node: NodeId, size: TreeSize) -> Result<Self, LogError> {
        let level = node.level() / 8;
        let index = (node.index() << (node.level() % 8)) / 256;
        let complete = size.get() >> (8 * level);
        let width = u16::try_from(complete.saturating_sub(index * 256)).map_or(FULL_WIDTH, |width| width.min(FULL_WIDTH));
        let tile = Self::new(TileContent::Hashes { level }, index, width)?;
        let known = (node.index() + 1) << node.level();
        if known > size.get() {
            return Err(LogError::malformed(Form::Tile, "the node is not complete in a tree of that size"));
        }
        Ok(tile)
    }

    /// Reads a path such as `tile/0/x001/234.p/7`; each tile has only one.
    ///
    /// # Errors
    /// [`LogError::Malformed`].
    pub fn parse_path(path: &str) -> Result<Self, LogError> {
        let bad = || LogError::malformed(Form::TilePath, "it is not tile/<level or entries>/<index>[.p/<width>]");
        if path.len() > 64 {
            return Err(LogError::TooLarge { form: Form::TilePath, limit: 64 });
        }
        let (kind, rest) = path.strip_prefix("tile/").and_then(|rest| rest.split_once('/')).ok_or_else(bad)?;
        let content = match kind {
            "entries" => TileContent::Entries,
            level => {
                let level = decimal(level).and_then(|level| u8::try_from(level).ok()).filter(|&level| level < 64);
                TileContent::Hashes { level: level.ok_or_else(bad)? }
            }
        };
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, decimal(width).and_then(|width| u16::try_from(width).ok()).ok_or_else(bad)?),
            None => (rest, FULL_WIDTH),
        };
        let index = index.split('/').map(|group| group.strip_prefix('x').unwrap_or(group)).try_fold(0_u64, |index, group| {
            let digits = group.len() == 3 && group.bytes().all(|c| c.is_ascii_digit());
            let group = if digits { group.parse().ok() } else { None };
            index.checked_mul(1000)?.checked_add(group?)
        });
        let tile = Self::new(content, index.ok_or_else(bad)?, width)?;
        if tile.to_string() == path { Ok(tile) } else { Err(bad()) }
    }

    /// What it holds.
    pub const fn content(self) -> TileContent {
        self.content
    }

    /// Its place among the tiles of its content, counted from 0.
    pub const fn index(self) -> u64 {
        self.index
    }

    /// The number of its hashes or entries: 256 if full, less if partial.
    pub const fn width(self) -> u16 {
        self.width
    }

    const fn node_level(self) -> u8 {
        match self.content {
            TileContent::Hashes { level } => level.saturating_mul(8),
            TileContent::Entries => 0,
        }
    }

    /// The stored nodes whose hashes it holds, in order; for an entry bundle the leaves, whose index is the entry's.
    #[expect(clippy::missing_panics_doc, reason = "the nodes' range was checked when the tile was named")]
    pub fn nodes(self) -> impl ExactSizeIterator<Item = NodeId> {
        (0..self.width)
            .map(move |place| NodeId::new(self.node_level(), self.index * 256 + u64::from(place)).expect("checked when the tile was named"))
    }

    /// Whether a tree of `size` has all that the tile holds. Such a tile never changes again.
    pub const fn is_within(self, size: TreeSize) -> bool {
        size.get() >> self.node_level() >= self.index * 256 + self.width as u64
    }

    /// Reads the hashes of this tile; not checked against any root.
    ///
    /// # Errors
    /// It is an entry bundle, or there are not exactly width × 32 bytes.
    pub fn read_hashes(self, bytes: &[u8]) -> Result<TileHashes, LogError> {
        let TileContent::Hashes { level } = self.content else {
            return Err(LogError::malformed(Form::Tile, "it is an entry bundle"));
        };
        if bytes.len() != usize::from(self.width) * 32 {
            return Err(LogError::malformed(Form::Tile, "it has not 32 bytes for each hash"));
        }
        let hashes = bytes.as_chunks::<32>().0.iter().map(|hash| NodeHash::from_bytes(*hash)).collect();
        Ok(TileHashes { level, index: self.index, hashes })
    }

    /// Reads the entries of this bundle; not checked against any leaf hash.
    ///
    /// # Errors
    /// It is a hash tile, or the bytes are not exactly width entries.
    pub fn read_entries(self, bytes: &[u8]) -> Result<Vec<&[u8]>, LogError> {
        let bad = |reason| LogError::malformed(Form::EntryBundle, reason);
        if self.content != TileContent::Entries {
            return Err(bad("it is a hash tile"));
        }
        if bytes.len() > MAX_BUNDLE_BYTES {
            return Err(LogError::TooLarge { form: Form::EntryBundle, limit: MAX_BUNDLE_BYTES });
        }
        let (mut rest, mut entries) = (bytes, Vec::with_capacity(usize::from(self.width)));
        for _ in 0..self.width {
            let (length, after) = rest.split_first_chunk::<2>().ok_or_else(|| bad("an entry's length is missing"))?;
            let (entry, after) =
                after.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or_else(|| bad("an entry is cut off"))?;
            entries.push(entry);
            rest = after;
        }
        if rest.is_empty() { Ok(entries) } else { Err(bad("it has more entries than its width")) }
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.content {
            TileContent::Hashes { level } => write!(f, "tile/{level}/")?,
            TileContent::Entries => f.write_str("tile/entries/")?,
        }
        let mut group = 1;
        while self.index / group >= 1000 {
            group *= 1000;
        }
        while group > 1 {
            write!(f, "x{:03}/", self.index / group % 1000)?;
            group /= 1000;
        }
        write!(f, "{:03}", self.index % 1000)?;
        if self.width < FULL_WIDTH { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

/// Writes the content of a hash tile: the hashes one after another.
pub fn write_hashes(hashes: &[NodeHash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

/// Writes the content of an entry bundle: each entry after its length.
///
/// # Errors
/// An entry is over 65,535 bytes.
pub fn write_entries<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, LogError> {
    let mut bytes = Vec::new();
    for entry in entries {
        let length = u16::try_from(entry.len()).map_err(|_| LogError::TooLarge { form: Form::EntryBundle, limit: MAX_ENTRY_BYTES })?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Ok(bytes)
}

/// The hashes of one tile, as they came: a proof made from them is worth nothing before it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TileHashes {
    level: u8,
    index: u64,
    hashes: Vec<NodeHash>,
}

impl TileHashes {
    /// The hashes in order.
    pub fn hashes(&self) -> &[NodeHash] {
        &self.hashes
    }

    /// The hash of a node of the tile's own level or up to seven above, folded from the hashes; `None` if it is not here.
    pub fn node(&self, node: NodeId) -> Option<NodeHash> {
        if node.level() / 8 != self.level {
            return None;
        }
        let count = 1_usize << (node.level() % 8);
        let start = (node.index() << (node.level() % 8)).checked_sub(self.index * 256)?;
        let start = usize::try_from(start).ok()?;
        complete_subtree(self.hashes.get(start..start.checked_add(count)?)?)
    }
}
