//! The head file: the largest head of the log that this process saw or signed, kept outside the database.
//!
//! It is what stops a server whose database was set back: such a server would sign a second history. Two places of 4096 bytes, each a line of
//! JSON, spaces and a line feed; `check` is the SHA-256 of the line without it.
//!
//! ```text
//! {"origin":"custody.example.org/log","size":7,"root":"<64 hexadecimal digits>","check":"<64 hexadecimal digits>"}
//! {"origin":"custody.example.org/log","size":9,"root":"<64 hexadecimal digits>","check":"<64 hexadecimal digits>"}
//! ```
//! The places are written by turns, each over what it held, and flushed to disk before any answer that depends on it leaves. A place that is half
//! written says so by its check; then nothing was answered yet, and the other place holds what was answered before. So one flush is enough where
//! a new file and a rename take four, and a disk that is full takes nothing away.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use custodia_core::digest::Sha256Digest;
use custodia_core::log::checkpoint::Origin;
use custodia_core::log::merkle::{RootHash, TreeSize};
use custodia_failpoint::fail_point;

/// Bytes of a place: a block of the file system, so that no write touches both.
const PLACE_LEN: usize = 4096;
/// Places of the file.
const PLACES: usize = 2;

/// Size and root that were seen.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SeenHead {
    pub origin: Origin,
    pub size: TreeSize,
    pub root: RootHash,
}

/// A place as it is written.
#[derive(serde::Serialize, serde::Deserialize)]
struct Line {
    origin: Origin,
    size: TreeSize,
    root: RootHash,
    check: Sha256Digest,
}

impl SeenHead {
    fn check(&self) -> io::Result<Sha256Digest> {
        Ok(Sha256Digest::of(&[&serde_json::to_vec(self)?]))
    }

    /// The bytes of a place.
    fn to_place(&self) -> io::Result<Vec<u8>> {
        let line = Line { origin: self.origin.clone(), size: self.size, root: self.root, check: self.check()? };
        let mut bytes = serde_json::to_vec(&line)?;
        if bytes.len() >= PLACE_LEN {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the log's origin is too long for the head file"));
        }
        bytes.resize(PLACE_LEN - 1, b' ');
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads a place; none if it is not whole.
    fn of_place(bytes: &[u8]) -> Option<Self> {
        let Line { origin, size, root, check } = serde_json::from_slice(bytes).ok()?;
        let seen = Self { origin, size, root };
        seen.check().is_ok_and(|found| found == check).then_some(seen)
    }
}

/// The file and what it holds.
#[derive(Debug)]
pub(crate) struct HeadFile {
    path: PathBuf,
    file: File,
    seen: SeenHead,
    /// The place that holds it.
    place: usize,
}

impl HeadFile {
    /// Makes the file for a log that begins.
    pub fn create(path: &Path, origin: Origin) -> io::Result<Self> {
        let seen = SeenHead { origin, size: TreeSize::ZERO, root: RootHash::empty() };
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all_at(&seen.to_place()?.repeat(PLACES), 0)?;
        file.sync_all()?;
        let folder = path.parent().ok_or_else(|| io::Error::other("a file lies in a folder"))?;
        File::open(folder)?.sync_all()?;
        Ok(Self { path: path.to_owned(), file, seen, place: 0 })
    }

    /// Reads the file, and flushes what it says; refuses one of another log, and one of which no place is whole.
    pub fn open(path: &Path, origin: &Origin) -> io::Result<Self> {
        let invalid = |text: String| io::Error::new(io::ErrorKind::InvalidData, text);
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let mut bytes = vec![0; PLACE_LEN * PLACES];
        file.read_exact_at(&mut bytes, 0)
            .map_err(|error| if error.kind() == io::ErrorKind::UnexpectedEof { invalid("it is cut short".to_owned()) } else { error })?;
        let whole = bytes.chunks(PLACE_LEN).enumerate().filter_map(|(place, bytes)| Some((place, SeenHead::of_place(bytes)?)));
        let largest = whole.max_by_key(|(_, seen)| seen.size);
        let (place, seen) = largest.ok_or_else(|| invalid("neither of its two lines is whole".to_owned()))?;
        if seen.origin != *origin {
            return Err(invalid(format!("it belongs to the log {}", seen.origin)));
        }
        // What was read need not have reached the disk: a flush of it may have failed. Written anew, it has.
        let place = (place + 1) % PLACES;
        file.write_all_at(&seen.to_place()?, (place * PLACE_LEN) as u64)?;
        file.sync_data()?;
        Ok(Self { path: path.to_owned(), file, seen, place })
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
        let seen = SeenHead { origin: self.seen.origin.clone(), size, root };
        let place = (self.place + 1) % PLACES;
        if std::fs::metadata(&self.path)?.ino() != self.file.metadata()?.ino() {
            return Err(io::Error::other("another file took its place while the server ran"));
        }
        self.file.write_all_at(&seen.to_place()?, (place * PLACE_LEN) as u64)?;
        fail_point!("server.head.written");
        self.file.sync_data()?;
        (self.seen, self.place) = (seen, place);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Origin {
        "custody.example.org/log".parse().unwrap()
    }

    fn at(size: u64) -> (TreeSize, RootHash) {
        (TreeSize::new(size).unwrap(), RootHash::from_bytes([u8::try_from(size).unwrap(); 32]))
    }

    fn remembered(path: &Path, sizes: &[u64]) {
        let mut file = HeadFile::create(path, origin()).unwrap();
        for size in sizes {
            let (size, root) = at(*size);
            file.remember(size, root).unwrap();
        }
    }

    #[test]
    fn what_was_remembered_last_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("head");
        remembered(&path, &[1, 7, 9]);
        let mut file = HeadFile::open(&path, &origin()).unwrap();
        assert_eq!((file.seen().size, file.seen().root), at(9));
        file.remember(at(10).0, at(10).1).unwrap();
        assert_eq!(HeadFile::open(&path, &origin()).unwrap().seen(), file.seen());
        assert!(HeadFile::open(&path, &"another.example/log".parse().unwrap()).is_err());
        assert!(HeadFile::create(&path, origin()).is_err(), "a head file is never begun twice");
    }

    #[test]
    fn a_place_that_is_half_written_leaves_what_was_answered_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("head");
        remembered(&path, &[1, 7, 9]);
        let whole = std::fs::read(&path).unwrap();
        // The third remembered head stands in the second place, whose first half was overwritten by a fourth.
        let torn = SeenHead { origin: origin(), size: at(11).0, root: at(11).1 }.to_place().unwrap();
        let mut bytes = whole.clone();
        bytes[PLACE_LEN..PLACE_LEN + 70].copy_from_slice(&torn[..70]);
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(HeadFile::open(&path, &origin()).unwrap().seen().size, at(7).0);
        bytes[3] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert!(HeadFile::open(&path, &origin()).is_err(), "no place is whole");
        std::fs::write(&path, &whole[..PLACE_LEN + 5]).unwrap();
        assert!(HeadFile::open(&path, &origin()).is_err(), "a file that was cut");
    }

    #[test]
    fn a_file_that_was_exchanged_under_a_running_server_is_not_written_past() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("head");
        let mut file = HeadFile::create(&path, origin()).unwrap();
        let copy = folder.path().join("copy");
        std::fs::copy(&path, &copy).unwrap();
        std::fs::rename(&copy, &path).unwrap();
        assert!(file.remember(at(1).0, at(1).1).is_err());
        assert_eq!(file.seen().size, TreeSize::ZERO);
    }
}
