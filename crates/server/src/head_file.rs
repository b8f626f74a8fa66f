//! The head file: the largest head of the log that this process saw or signed, kept outside the database.
//!
//! It is what stops a server whose database was set back: such a server would sign a second history. JSON, one line:
//!
//! ```text
//! {"origin":"custody.example.org/log","size":7,"root":"<64 hexadecimal digits>"}
//! ```
//! Replaced as a whole and flushed to disk before any answer that depends on it leaves.

use std::io;
use std::path::{Path, PathBuf};

use custodia_core::log::checkpoint::Origin;
use custodia_core::log::merkle::{RootHash, TreeSize};

use crate::durable;

/// Size and root that were seen.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SeenHead {
    pub origin: Origin,
    pub size: TreeSize,
    pub root: RootHash,
}

/// The file and what it holds.
#[derive(Debug)]
pub(crate) struct HeadFile {
    path: PathBuf,
    seen: SeenHead,
}

impl HeadFile {
    /// Makes the file for a log that begins.
    pub fn create(path: &Path, origin: Origin) -> io::Result<Self> {
        let seen = SeenHead { origin, size: TreeSize::ZERO, root: RootHash::empty() };
        let mut file = Self { path: path.to_owned(), seen: seen.clone() };
        file.write(seen)?;
        Ok(file)
    }

    /// Reads the file; refuses one of another log.
    pub fn open(path: &Path, origin: &Origin) -> io::Result<Self> {
        let seen: SeenHead = serde_json::from_slice(&std::fs::read(path)?)?;
        if seen.origin != *origin {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("it belongs to the log {}", seen.origin)));
        }
        Ok(Self { path: path.to_owned(), seen })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was seen last.
    pub const fn seen(&self) -> &SeenHead {
        &self.seen
    }

    /// Remembers a head. The caller has checked that it extends what was seen.
    pub fn remember(&mut self, size: TreeSize, root: RootHash) -> io::Result<()> {
        self.write(SeenHead { origin: self.seen.origin.clone(), size, root })
    }

    fn write(&mut self, seen: SeenHead) -> io::Result<()> {
        durable::replace(&self.path, &serde_json::to_vec(&seen)?)?;
        self.seen = seen;
        Ok(())
    }
}
