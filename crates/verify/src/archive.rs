//! Reads a dossier's ZIP so strictly that no two tools can see different files in it.
//!
//! Entries are stored, lie one after the other from the first byte to the central directory without gap or overlap, and each
//! local header names what the central directory names. So an entry that one tool would show and another would not has no place.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};

use zip::{CompressionMethod, ZipArchive};

/// The folder in which everything lies.
pub const ROOT: &str = "dossier/";
/// The most entries of a dossier.
const MAX_ENTRIES: usize = 1_000_000;
/// The longest name of an entry, in bytes.
const MAX_NAME_BYTES: usize = 1024;
const LOCAL_HEADER_BYTES: u64 = 30;
/// Of the number of the disk in an entry of the directory (APPNOTE 4.3.12).
const DISK_NUMBER_AT: u64 = 34;
/// The one flag that an entry may have: its name is UTF-8.
const UTF8_FLAG: u16 = 0x0800;
const LOCAL_HEADER_SIGNATURE: &[u8] = b"PK\x03\x04";

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
    pub fn open(source: R) -> Result<Self, ArchiveError> {
        let mut zip = ZipArchive::new(source).map_err(|error| malformed(error.to_string()))?;
        if zip.len() > MAX_ENTRIES {
            return Err(malformed("it has more than 1000000 entries"));
        }
        let mut entries = BTreeMap::new();
        let mut headers = Vec::with_capacity(zip.len());
        for index in 0..zip.len() {
            let file = zip.by_index_raw(index).map_err(|error| malformed(error.to_string()))?;
            let name = file.name().map_err(|error| malformed(error.to_string()))?.into_owned();
            let plain = file.compression() == CompressionMethod::Stored && !file.encrypted() && file.size() == file.compressed_size();
            if !plain {
                return Err(malformed(format!("the entry {name:?} is compressed or encrypted")));
            }
            if file.is_symlink() || file.is_dir() {
                return Err(malformed(format!("the entry {name:?} is a link or a folder")));
            }
            let start = file.data_start().ok_or_else(|| malformed(format!("the entry {name:?} has no data")))?;
            let inner = name.strip_prefix(ROOT).filter(|inner| is_safe(inner));
            let inner = inner.ok_or_else(|| malformed(format!("the entry {name:?} lies outside {ROOT}")))?.to_owned();
            let (at, listed) = (file.header_start(), file.central_header_start());
            headers.push(Header { at, listed, start, end: start + file.size(), crc: file.crc32(), name });
            if entries.insert(inner, Extent { start, length: file.size(), crc: file.crc32() }).is_some() {
                return Err(malformed("two entries have one name"));
            }
        }
        let directory = zip.central_directory_start();
        let mut source = zip.into_inner();
        check_layout(&mut source, &mut headers, directory)?;
        check_end(&mut source)?;
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

/// Whether a name is a plain relative path: no empty, `.` or `..` component, no backslash, no control character.
fn is_safe(name: &str) -> bool {
    let plain = |c: char| c != '\\' && !c.is_control();
    name.len() <= MAX_NAME_BYTES && name.chars().all(plain) && name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// What the directory says of an entry, to be compared with its own header.
struct Header {
    at: u64,
    /// Where the directory lists it.
    listed: u64,
    start: u64,
    end: u64,
    crc: u32,
    name: String,
}

/// Entries follow each other from byte 0 to the directory, and each local header says of its entry what the directory says.
fn check_layout<R: Read + Seek>(source: &mut R, headers: &mut [Header], directory: u64) -> Result<(), ArchiveError> {
    headers.sort_unstable_by_key(|header| header.at);
    let mut expected = 0;
    for Header { at: header, listed, start, end, crc, name } in headers.iter() {
        if *header != expected || *start < header + LOCAL_HEADER_BYTES {
            return Err(malformed(format!("the entry {name:?} overlaps another or leaves a gap before it")));
        }
        let mut bytes = [0; 30];
        source.seek(SeekFrom::Start(*header))?;
        source.read_exact(&mut bytes).map_err(ends_early)?;
        let named = usize::from(u16::from_le_bytes([bytes[26], bytes[27]]));
        let mut local = vec![0; named];
        source.read_exact(&mut local).map_err(ends_early)?;
        if &bytes[..4] != LOCAL_HEADER_SIGNATURE || local != name.as_bytes() {
            return Err(malformed(format!("the entry {name:?} has another name in its own header")));
        }
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let (flags, stored) = (u16::from_le_bytes([bytes[6], bytes[7]]), bytes[8..10] == [0, 0]);
        let is_size = |size: u32| u64::from(size) == end - start || size == u32::MAX;
        if flags & !UTF8_FLAG != 0 || !stored || word(14) != *crc || !is_size(word(18)) || !is_size(word(22)) {
            return Err(malformed(format!("the entry {name:?} has another method, CRC-32 or size in its own header")));
        }
        let mut disk = [0; 2];
        source.seek(SeekFrom::Start(listed + DISK_NUMBER_AT))?;
        source.read_exact(&mut disk)?;
        if disk != [0, 0] {
            return Err(malformed(format!("the entry {name:?} is said to lie on another disk")));
        }
        expected = *end;
    }
    if expected == directory { Ok(()) } else { Err(malformed("bytes that belong to no entry stand before the directory")) }
}

/// A header that lies beyond the end of the file is the fault of who made it, not of the disk.
fn ends_early(error: io::Error) -> ArchiveError {
    if error.kind() == io::ErrorKind::UnexpectedEof { malformed("it ends before an entry that its directory names") } else { error.into() }
}

/// The file ends with the end-of-directory record, without comment.
fn check_end<R: Read + Seek>(source: &mut R) -> Result<(), ArchiveError> {
    let mut end = [0; 22];
    source.seek(SeekFrom::End(-22))?;
    source.read_exact(&mut end)?;
    let plain = end.starts_with(b"PK\x05\x06") && end.ends_with(&[0, 0]);
    if plain { Ok(()) } else { Err(malformed("something stands after the directory")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Cursor, Write as _};
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

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
