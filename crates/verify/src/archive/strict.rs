//! The records of a ZIP file in the one form that a dossier may have. Numbers in brackets are sections of APPNOTE.TXT 6.3.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use super::{ArchiveError, ROOT, malformed};

/// The most entries of a dossier.
const MAX_ENTRIES: u64 = 1_000_000;
/// The longest name of an entry below the folder, in bytes.
const MAX_NAME_BYTES: usize = 1024;
/// The one flag that an entry may have: its name is UTF-8.
const UTF8_FLAG: u16 = 0x0800;
/// Kind of the extra field that holds what does not fit into 32 bits (4.5.3).
const ZIP64_KIND: u16 = 1;
const LOCAL_BYTES: usize = 30;
const LISTED_BYTES: usize = 46;
const END_BYTES: usize = 22;
const LOCATOR_BYTES: usize = 20;
const END64_BYTES: usize = 56;

/// Numbers of a record, little-endian, by their offset in it.
struct Record<'a>(&'a [u8]);

impl Record<'_> {
    fn bytes<const N: usize>(&self, at: usize) -> [u8; N] {
        self.0[at..at + N].try_into().expect("a slice of that length")
    }

    fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.bytes(at))
    }

    fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.bytes(at))
    }

    fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.bytes(at))
    }
}

/// Where the central directory lies, as the records at the end of the file say.
pub(super) struct Directory {
    pub start: u64,
    bytes: u64,
    entries: u64,
}

impl Directory {
    /// Reads the end record (4.3.16), and the ZIP64 end record (4.3.14) and its locator (4.3.15) where there are any.
    pub fn find<R: Read + Seek>(source: &mut R) -> Result<Self, ArchiveError> {
        let length = source.seek(SeekFrom::End(0))?;
        let mut tail = vec![0; usize::try_from(length).map_or(usize::MAX, |length| length).min(END64_BYTES + LOCATOR_BYTES + END_BYTES)];
        source.seek(SeekFrom::Start(length - tail.len() as u64))?;
        source.read_exact(&mut tail)?;
        let no_end = || malformed("it does not end with the end record of a ZIP file, without comment and in one part");
        let at = tail.len().checked_sub(END_BYTES).ok_or_else(no_end)?;
        let end = Record(&tail[at..]);
        if !end.0.starts_with(b"PK\x05\x06") || end.u32(4) != 0 || end.u16(8) != end.u16(10) || end.u16(20) != 0 {
            return Err(no_end());
        }
        let short =
            [(u64::from(end.u16(10)), u64::from(u16::MAX)), (end.u32(12).into(), u32::MAX.into()), (end.u32(16).into(), u32::MAX.into())];
        let is_zip64 = at.checked_sub(LOCATOR_BYTES).is_some_and(|locator| tail[locator..].starts_with(b"PK\x06\x07"));
        let (entries, bytes, start, records) = if is_zip64 {
            let no_end = || malformed("its end record of ZIP64 does not say the same as its end record, of one part");
            let locator = Record(&tail[at - LOCATOR_BYTES..at]);
            let record =
                Record(tail.get(..END64_BYTES).filter(|_| tail.len() == END64_BYTES + LOCATOR_BYTES + END_BYTES).ok_or_else(no_end)?);
            let here = length - tail.len() as u64;
            let placed = locator.u32(4) == 0 && locator.u64(8) == here && locator.u32(16) == 1 && record.0.starts_with(b"PK\x06\x06");
            let full = [record.u64(32), record.u64(40), record.u64(48)];
            let same = full.iter().zip(short).all(|(full, (short, most))| short == *full || short == most);
            if !placed || !same || record.u64(4) != 44 || record.u64(16) != 0 || record.u64(24) != full[0] {
                return Err(no_end());
            }
            (full[0], full[1], full[2], here)
        } else {
            (short[0].0, short[1].0, short[2].0, length - END_BYTES as u64)
        };
        if entries > MAX_ENTRIES {
            return Err(malformed(format!("it has more than {MAX_ENTRIES} entries")));
        }
        if start.checked_add(bytes) != Some(records) {
            return Err(malformed("its directory does not lie where its end says"));
        }
        Ok(Self { start, bytes, entries })
    }

    /// Reads the directory's entries (4.3.12), which follow each other and fill it.
    pub fn read<R: Read + Seek>(&self, source: &mut R) -> Result<Vec<Listed>, ArchiveError> {
        source.seek(SeekFrom::Start(self.start))?;
        let mut directory = BufReader::new(source.take(self.bytes));
        let mut listed = Vec::new();
        for _ in 0..self.entries {
            listed.push(Listed::read(&mut directory)?);
        }
        if directory.read(&mut [0])? == 0 { Ok(listed) } else { Err(malformed("its directory holds more than its end says")) }
    }
}

/// What the directory says of an entry.
pub(super) struct Listed {
    pub name: String,
    flags: u16,
    pub crc: u32,
    pub length: u64,
    /// Where its local header begins.
    pub header: u64,
}

impl Listed {
    fn read(directory: &mut impl Read) -> Result<Self, ArchiveError> {
        let mut fixed = [0; LISTED_BYTES];
        directory.read_exact(&mut fixed).map_err(at_the_end)?;
        let entry = Record(&fixed);
        if !fixed.starts_with(b"PK\x01\x02") {
            return Err(malformed("its directory is not one"));
        }
        let mut name = vec![0; entry.u16(28).into()];
        directory.read_exact(&mut name).map_err(at_the_end)?;
        let mut extra = vec![0; entry.u16(30).into()];
        directory.read_exact(&mut extra).map_err(at_the_end)?;
        let name = String::from_utf8(name).map_err(|_| malformed("the name of an entry is not UTF-8"))?;
        let wrong = |problem: &str| malformed(format!("the entry {name:?} {problem}"));
        let sizes = [entry.u32(24), entry.u32(20), entry.u32(42)];
        let [size, stored, header] = zip64(&extra, sizes).ok_or_else(|| wrong("has an extra field that it does not need"))?;
        let flags = entry.u16(8);
        if entry.u16(10) != 0 || flags & !UTF8_FLAG != 0 || size != stored || sizes[0] != sizes[1] {
            return Err(wrong("is compressed, encrypted or of unknown length"));
        }
        if flags & UTF8_FLAG == 0 && !name.is_ascii() {
            return Err(wrong("does not say that its name is UTF-8"));
        }
        if !is_file(entry.u32(38)) {
            return Err(wrong("is a link or a folder"));
        }
        if entry.u16(32) != 0 || entry.u16(34) != 0 {
            return Err(wrong("has a comment, or is said to lie on another disk"));
        }
        if !name.strip_prefix(ROOT).is_some_and(is_safe) {
            return Err(wrong(&format!("lies outside {ROOT}")));
        }
        Ok(Self { flags, crc: entry.u32(16), length: size, header, name })
    }

    /// Checks that the local header (4.3.7) says what the directory says; gives the offset of the first byte after it.
    pub fn check_header<R: Read + Seek>(&self, source: &mut R) -> Result<u64, ArchiveError> {
        source.seek(SeekFrom::Start(self.header))?;
        let mut fixed = [0; LOCAL_BYTES];
        source.read_exact(&mut fixed).map_err(at_the_end)?;
        let header = Record(&fixed);
        let mut rest = vec![0; usize::from(header.u16(26)) + usize::from(header.u16(28))];
        source.read_exact(&mut rest).map_err(at_the_end)?;
        let (name, extra) = rest.split_at(header.u16(26).into());
        if !fixed.starts_with(b"PK\x03\x04") || name != self.name.as_bytes() {
            return Err(malformed(format!("the entry {:?} has another name in its own header", self.name)));
        }
        let sizes = [header.u32(22), header.u32(18)];
        let is_size = sizes[0] == sizes[1] && zip64(extra, sizes) == Some([self.length; 2]);
        if header.u16(6) != self.flags || header.u16(8) != 0 || header.u32(14) != self.crc || !is_size {
            return Err(malformed(format!("the entry {:?} has another method, CRC-32 or size in its own header", self.name)));
        }
        Ok(self.header + (LOCAL_BYTES + rest.len()) as u64)
    }
}

/// The numbers of a header, those that do not fit into it from its extra field; none if that holds anything else, too few or too many.
fn zip64<const N: usize>(extra: &[u8], short: [u32; N]) -> Option<[u64; N]> {
    let mut rest = match extra.split_first_chunk::<4>() {
        None => extra,
        Some((head, rest)) => {
            let head = Record(head);
            (head.u16(0) == ZIP64_KIND && usize::from(head.u16(2)) == rest.len() && !rest.is_empty()).then_some(rest)?
        }
    };
    let mut full = short.map(u64::from);
    for number in full.iter_mut().filter(|number| **number == u64::from(u32::MAX)) {
        let (value, after) = rest.split_first_chunk::<8>()?;
        (*number, rest) = (u64::from_le_bytes(*value), after);
    }
    rest.is_empty().then_some(full)
}

/// Whether external attributes are those of a file: of Unix a regular one or none said, of DOS no folder and no label of a volume.
fn is_file(attributes: u32) -> bool {
    matches!(attributes >> 28, 0 | 8) && attributes & 0x18 == 0
}

/// A header that lies beyond the end of the file is the fault of who made it, not of the disk.
fn at_the_end(error: io::Error) -> ArchiveError {
    if error.kind() == io::ErrorKind::UnexpectedEof { ends_early() } else { error.into() }
}

pub(super) fn ends_early() -> ArchiveError {
    malformed("it ends before an entry that its directory names")
}

/// Whether a name is a plain relative path: no empty, `.` or `..` component, no backslash, no control character, no version of a file at its end
/// (`;1`), which some tools cut off.
fn is_safe(name: &str) -> bool {
    let plain = |c: char| c != '\\' && !c.is_control();
    let has_version = name.rsplit_once(';').is_some_and(|(_, version)| version.bytes().all(|digit| digit.is_ascii_digit()));
    let parts = name.split('/').all(|part| !matches!(part, "" | "." | ".."));
    name.len() <= MAX_NAME_BYTES && name.chars().all(plain) && parts && !has_version
}
