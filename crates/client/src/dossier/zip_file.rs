//! The ZIP file: entries stored one after the other, no folders, no data descriptors, ZIP64 where needed, all with the same old date.
//!
//! Written beside the target, read back by the verifier, synced and renamed; memory does not grow with the files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use custodia_core::digest::Sha256Digest;
use custodia_core::dossier::paths;
use custodia_failpoint::fail_point;
use custodia_verify::{Report, Trust};
use tempfile::NamedTempFile;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::bag::{Bag, Content, tag_manifest};
use super::custody::TagFiles;
use super::{DossierError, folder_of, io as at};

/// The folder in which everything lies.
const ROOT: &str = "dossier/";
/// The largest tag file that is read, in bytes; verifiers read no larger one.
const MAX_TAG_BYTES: u64 = 1 << 30;
/// From this size on an entry's lengths need ZIP64.
const ZIP64_FROM: u64 = 0xffff_ffff;

/// The file that is written, and where, so that an error says it.
struct Writer<W: Write + Seek = BufWriter<NamedTempFile>> {
    zip: ZipWriter<W>,
    path: PathBuf,
}

/// A dossier that is being written and has no name yet: its payload is on the disk, and its tag files may be written after it more than once.
///
/// ```text
/// payload entries │ tag entries │ directory of all
///                 └ payload_end: here the directory of the payload alone is put back before other tag files are written
/// ```
pub(super) struct Draft {
    file: NamedTempFile,
    path: PathBuf,
    payload_end: u64,
    directory: Vec<u8>,
}

impl Draft {
    /// Writes a payload into a file of the folder, which is private.
    pub(super) fn of_payload(bag: &Bag, folder: &Path) -> Result<Self, DossierError> {
        let mut zip = begin(folder)?;
        for (name, content) in &bag.payload {
            match content {
                Content::Bytes(bytes) => zip.put(name, bytes)?,
                Content::File { path, size, sha256 } => zip.put_file(name, path, *size, *sha256)?,
            }
        }
        Self::of(zip)
    }

    /// Copies another dossier's payload, and gives its tag files but the list of them. Nothing is verified but checksums.
    pub(super) fn of_dossier(dossier: &Path, folder: &Path) -> Result<(Self, TagFiles), DossierError> {
        let mut old = open(dossier)?;
        let (mut zip, mut tags) = (begin(folder)?, TagFiles::new());
        for number in 0..old.len() {
            let mut entry = old.by_index(number).map_err(malformed)?;
            let full = entry.name().map_err(malformed)?.into_owned();
            let name = full.strip_prefix(ROOT).ok_or_else(|| DossierError::Malformed(format!("the entry {full:?} lies outside {ROOT}")))?;
            if entry.compression() != CompressionMethod::Stored || entry.is_dir() {
                return Err(DossierError::Malformed(format!("the entry {full:?} is compressed or a folder")));
            }
            let size = entry.size();
            if name.starts_with("data/") {
                zip.copy(name, size, &mut entry)?;
            } else if name != paths::TAG_MANIFEST {
                tags.insert(name.to_owned(), read_entry(&mut entry, name, size)?);
            }
        }
        Ok((Self::of(zip)?, tags))
    }

    fn of(zip: Writer) -> Result<Self, DossierError> {
        let Writer { zip, path } = zip;
        let file = zip.finish().map_err(|problem| unwritable(&path)(&problem))?;
        let file = file.into_inner().map_err(|problem| unwritable(&path)(&problem))?;
        let mut reopened = file.reopen().map_err(at(&path))?;
        let archive = ZipArchive::new(BufReader::new(&mut reopened)).map_err(|problem| unwritable(&path)(&problem))?;
        let payload_end = archive.central_directory_start();
        drop(archive);
        let mut directory = Vec::new();
        reopened.seek(SeekFrom::Start(payload_end)).map_err(at(&path))?;
        reopened.read_to_end(&mut directory).map_err(at(&path))?;
        Ok(Self { file, path, payload_end, directory })
    }

    /// Writes these tag files, and the list of them, after the payload, in the place of those before.
    pub(super) fn put_tags(&mut self, tags: &TagFiles) -> Result<(), DossierError> {
        let file = self.file.as_file_mut();
        let restored = file.set_len(self.payload_end).and_then(|()| file.seek(SeekFrom::Start(self.payload_end)));
        restored.and_then(|_| file.write_all(&self.directory)).map_err(at(&self.path))?;
        let digests: BTreeMap<String, Sha256Digest> = tags.iter().map(|(name, bytes)| (name.clone(), Sha256Digest::of(&[bytes]))).collect();
        let list = tag_manifest(&digests).into_bytes();
        let reopened = self.file.reopen().map_err(at(&self.path))?;
        let zip = ZipWriter::new_append(reopened).map_err(|problem| unwritable(&self.path)(&problem))?;
        let mut zip = Writer { zip, path: self.path.clone() };
        for (name, bytes) in tags.iter().map(|(name, bytes)| (name.as_str(), bytes)).chain([(paths::TAG_MANIFEST, &list)]) {
            zip.put(name, bytes)?;
        }
        zip.zip.finish().map(drop).map_err(|problem| unwritable(&self.path)(&problem))
    }

    /// Reads the whole dossier back, as a judge's verifier does.
    pub(super) fn verify(&self, trust: &Trust) -> Result<Report, DossierError> {
        let file = self.file.reopen().map_err(at(&self.path))?;
        custodia_verify::verify(BufReader::with_capacity(1 << 16, file), trust).map_err(|problem| unwritable(&self.path)(&problem))
    }

    /// Flushes all to the disk and gives it its name, where there is nothing.
    pub(super) fn publish(self, target: &Path) -> Result<(), DossierError> {
        let file = self.synced()?;
        fail_point!("agent.dossier.written");
        file.persist_noclobber(target).map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => DossierError::Exists(target.to_owned()),
            _ => DossierError::Io { path: target.to_owned(), source: error.error },
        })?;
        sync_folder(target)
    }

    /// Flushes all to the disk and puts it in the place of the dossier that it was made from.
    pub(super) fn replace(self, dossier: &Path) -> Result<(), DossierError> {
        let file = self.synced()?;
        fail_point!("agent.attaching.written");
        file.persist(dossier).map_err(|error| DossierError::Io { path: dossier.to_owned(), source: error.error })?;
        sync_folder(dossier)
    }

    fn synced(self) -> Result<NamedTempFile, DossierError> {
        self.file.as_file().sync_all().map_err(|problem| unwritable(&self.path)(&problem))?;
        Ok(self.file)
    }
}

pub(super) type Archive = ZipArchive<BufReader<File>>;

/// Opens a dossier for reading some of its tag files; nothing of it is verified.
pub(super) fn open(dossier: &Path) -> Result<Archive, DossierError> {
    let file = File::open(dossier).map_err(at(dossier))?;
    ZipArchive::new(BufReader::new(file)).map_err(malformed)
}

/// The names of the entries that begin so.
pub(super) fn names(archive: &Archive, beginning: &str) -> Vec<String> {
    let below = archive.file_names().filter_map(|name| name.ok()?.strip_prefix(ROOT).map(str::to_owned));
    below.filter(|name| name.starts_with(beginning)).collect()
}

/// Reads one entry of at most 1 GiB; none if it is not there.
pub(super) fn read(archive: &mut Archive, name: &str) -> Result<Option<Vec<u8>>, DossierError> {
    let mut entry = match archive.by_name(&format!("{ROOT}{name}")) {
        Ok(entry) => entry,
        Err(zip::result::ZipError::FileNotFound) => return Ok(None),
        Err(error) => return Err(malformed(error)),
    };
    if entry.compression() != CompressionMethod::Stored {
        return Err(DossierError::Malformed(format!("the entry {name:?} is compressed")));
    }
    let size = entry.size();
    read_entry(&mut entry, name, size).map(Some)
}

fn read_entry(entry: &mut impl Read, name: &str, size: u64) -> Result<Vec<u8>, DossierError> {
    if size > MAX_TAG_BYTES {
        return Err(DossierError::Malformed(format!("the entry {name:?} is larger than any list")));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(|error| DossierError::Malformed(error.to_string()))?;
    Ok(bytes)
}

fn malformed(error: impl core::fmt::Display) -> DossierError {
    DossierError::Malformed(error.to_string())
}

fn unwritable(path: &Path) -> impl Fn(&dyn core::fmt::Display) -> DossierError {
    move |problem| DossierError::Unwritable { path: path.to_owned(), problem: problem.to_string() }
}

/// A file of mode 0600 in the folder.
fn begin(folder: &Path) -> Result<Writer, DossierError> {
    let file = tempfile::Builder::new().prefix("dossier-").tempfile_in(folder).map_err(at(folder))?;
    let path = file.path().to_owned();
    Ok(Writer { zip: ZipWriter::new(BufWriter::with_capacity(1 << 20, file)), path })
}

impl<W: Write + Seek> Writer<W> {
    fn start(&mut self, name: &str, size: u64) -> Result<(), DossierError> {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(size >= ZIP64_FROM);
        self.zip.start_file(format!("{ROOT}{name}"), options).map_err(|error| unwritable(&self.path)(&error))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), DossierError> {
        self.zip.write_all(bytes).map_err(|error| unwritable(&self.path)(&error))
    }

    fn put(&mut self, name: &str, bytes: &[u8]) -> Result<(), DossierError> {
        self.start(name, bytes.len() as u64)?;
        self.write(bytes)
    }

    fn put_file(&mut self, name: &str, path: &Path, size: u64, sha256: Sha256Digest) -> Result<(), DossierError> {
        self.start(name, size)?;
        let mut file = File::open(path).map_err(at(path))?;
        let (mut context, mut buffer, mut found) = (Context::new(&SHA256), vec![0; 1 << 20], 0);
        loop {
            let length = file.read(&mut buffer).map_err(at(path))?;
            if length == 0 {
                break;
            }
            found += length as u64;
            if found > size {
                return Err(DossierError::Changed(name.to_owned()));
            }
            context.update(&buffer[..length]);
            self.write(&buffer[..length])?;
        }
        if found == size && context.finish().as_ref() == sha256.as_bytes() { Ok(()) } else { Err(DossierError::Changed(name.to_owned())) }
    }

    /// Copies an entry of another dossier; reading to the end compares its checksum.
    fn copy(&mut self, name: &str, size: u64, entry: &mut impl Read) -> Result<(), DossierError> {
        self.start(name, size)?;
        let mut buffer = vec![0; 1 << 20];
        loop {
            match entry.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(length) => self.write(&buffer[..length])?,
                Err(error) => return Err(DossierError::Malformed(error.to_string())),
            }
        }
    }
}

fn sync_folder(target: &Path) -> Result<(), DossierError> {
    let folder = folder_of(target);
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))
}
