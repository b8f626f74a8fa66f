//! Reads a dossier's ZIP so strictly that no two tools can see different files in it.
//!
//! ```text
//! header entry │ header entry │ … │ directory │ (ZIP64 end record, locator) │ end record
//! 0            └ each begins where the one before ends ┘ └ none of them has a comment, a gap or a field nobody needs
//! ```
//! Entries are stored, and each local header says what the directory says, in the same order. So an entry that one tool would show and another
//! would not has no place. Source: `docs/spec/dossier.md`; APPNOTE.TXT 6.3, whose sections are named below.

mod strict;

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};

use strict::{Directory, ends_early};

/// The folder in which everything lies.
pub const ROOT: &str = "dossier/";

/// Why an archive was not read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It is no ZIP file, or not one of the strict form.
    #[error("the file is not a dossier: {0}")]
    Malformed(String),
    /// The file could not be read.
    #[error("the file could not be read: {0}")]
    Io(#[from] io::Error),
}

/// A dossier whose entries are known; the bytes of none are checked yet.
pub struct Archive<R> {
    source: R,
    entries: BTreeMap<String, Extent>,
}

/// Where an entry's bytes lie in the file.
#[derive(Debug, Clone, Copy)]
struct Extent {
    start: u64,
    length: u64,
    crc: u32,
}

fn malformed(text: impl Into<String>) -> ArchiveError {
    ArchiveError::Malformed(text.into())
}

impl<R: Read + Seek> Archive<R> {
    /// Reads the central directory and checks that entries, headers and names have the strict form.
    ///
    /// # Errors
    /// [`ArchiveError`]; the text says which entry and what is wrong with it.
    pub fn open(mut source: R) -> Result<Self, ArchiveError> {
        let directory = Directory::find(&mut source)?;
        let listed = directory.read(&mut source)?;
        let mut entries = BTreeMap::new();
        let mut expected = 0;
        for entry in listed {
            if entry.header != expected {
                return Err(malformed(format!("the entry {:?} overlaps another or leaves a gap before it", entry.name)));
            }
            let start = entry.check_header(&mut source)?;
            expected = start.checked_add(entry.length).filter(|end| *end <= directory.start).ok_or_else(ends_early)?;
            let inner = entry.name[ROOT.len()..].to_owned();
            if entries.insert(inner, Extent { start, length: entry.length, crc: entry.crc }).is_some() {
                return Err(malformed(format!("two entries have the name {:?}", entry.name)));
            }
        }
        let is_folder = |name: &String| name.match_indices('/').any(|(at, _)| entries.contains_key(&name[..at]));
        if let Some(name) = entries.keys().find(|name| is_folder(name)) {
            return Err(malformed(format!("the entry {name:?} lies in a folder that is an entry")));
        }
        if expected != directory.start {
            return Err(malformed("bytes that belong to no entry stand before the directory"));
        }
        Ok(Self { source, entries })
    }

    /// Names within the dossier folder, in byte order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// The size of an entry in bytes.
    pub fn size(&self, name: &str) -> Option<u64> {
        self.entries.get(name).map(|extent| extent.length)
    }

    /// Reads an entry of at most `limit` bytes into memory; none if it is not there.
    ///
    /// # Errors
    /// [`ArchiveError`], also if it is larger.
    pub fn read(&mut self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, ArchiveError> {
        let Some(size) = self.size(name) else { return Ok(None) };
        if size > limit {
            return Err(malformed(format!("the entry {name:?} is larger than {limit} bytes")));
        }
        let mut bytes = Vec::new();
        self.stream(name, |chunk| bytes.extend_from_slice(chunk))?;
        Ok(Some(bytes))
    }

    /// Passes an entry's bytes on, piece by piece, in constant memory.
    ///
    /// # Errors
    /// [`ArchiveError`]; an entry that is not there passes on nothing.
    pub fn stream(&mut self, name: &str, mut each: impl FnMut(&[u8])) -> Result<(), ArchiveError> {
        let Some(extent) = self.entries.get(name).copied() else { return Ok(()) };
        self.source.seek(SeekFrom::Start(extent.start))?;
        let mut rest = extent.length;
        let mut buffer = vec![0; 1 << 20];
        let mut crc = crc32fast::Hasher::new();
        while rest > 0 {
            let wanted = usize::try_from(rest).unwrap_or(usize::MAX).min(buffer.len());
            self.source.read_exact(&mut buffer[..wanted])?;
            crc.update(&buffer[..wanted]);
            each(&buffer[..wanted]);
            rest -= wanted as u64;
        }
        if crc.finalize() == extent.crc {
            Ok(())
        } else {
            Err(malformed(format!("the entry {name:?} has another CRC-32 than its header says")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Cursor, Write as _};
    use zip::write::SimpleFileOptions;
    use zip::{CompressionMethod, ZipWriter};

    fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        for (name, bytes) in entries {
            writer.start_file(*name, options).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn refusal(bytes: Vec<u8>) -> String {
        match Archive::open(Cursor::new(bytes)) {
            Ok(_) => panic!("accepted"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_strict_archive_is_read_entry_by_entry() {
        let mut archive = Archive::open(Cursor::new(zipped(&[("dossier/a", b"one"), ("dossier/b/c", b"")]))).unwrap();
        assert_eq!(archive.names().collect::<Vec<_>>(), ["a", "b/c"]);
        assert_eq!(archive.read("a", 3).unwrap(), Some(b"one".to_vec()));
        assert_eq!(archive.read("absent", 3).unwrap(), None);
        assert!(archive.read("a", 2).is_err());
    }

    #[test]
    fn names_that_leave_the_folder_are_refused() {
        for name in ["a", "/dossier/a", "dossier/../a", "dossier//a", "dossier/./a", "dossier/a\\b", "dossier/a\nb", "Dossier/a"] {
            assert!(refusal(zipped(&[(name, b"x")])).contains("lies outside"), "{name}");
        }
    }

    #[test]
    fn bytes_between_before_or_after_entries_are_refused() {
        let good = zipped(&[("dossier/a", b"one"), ("dossier/b", b"two")]);
        let mut before = b"junk".to_vec();
        before.extend(&good);
        refusal(before);
        let mut after = good.clone();
        after.extend(b"junk");
        refusal(after);
        refusal(good[..good.len() - 1].to_vec());
        refusal(Vec::new());
    }

    #[test]
    fn a_local_header_with_another_name_is_refused() {
        let mut bytes = zipped(&[("dossier/a", b"one")]);
        bytes[30 + 8] = b'z';
        assert!(refusal(bytes).contains("another name"));
    }

    #[test]
    fn an_entry_larger_than_the_file_is_a_fault_of_the_archive() {
        let mut bytes = zipped(&[("dossier/a", b"one"), ("dossier/b", b"two")]);
        let first = bytes.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
        for (header, size) in [(0, 18), (first, 20)] {
            bytes[header + size + 3] = 0x10;
            bytes[header + size + 7] = 0x10;
        }
        assert!(refusal(bytes).starts_with("the file is not a dossier"));
    }

    #[test]
    fn a_directory_entry_that_points_at_anothers_bytes_is_refused() {
        let mut bytes = zipped(&[("dossier/a", b"one"), ("dossier/b", b"two")]);
        let second = bytes.windows(4).rposition(|window| window == b"PK\x01\x02").unwrap();
        bytes[second + 42..second + 46].fill(0);
        refusal(bytes);
    }
}
