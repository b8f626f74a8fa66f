//! The ZIP file: entries stored one after the other, no folders, no data descriptors, ZIP64 where needed, all with the same old date.
//!
//! Written beside the target, synced and renamed; memory does not grow with the files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use custodia_core::digest::Sha256Digest;
use custodia_core::dossier::paths;
use custodia_failpoint::fail_point;
use tempfile::NamedTempFile;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::bag::{Bag, Content, parse_list, tag_manifest};
use super::{DossierError, folder_of, io as at};

/// The folder in which everything lies.
const ROOT: &str = "dossier/";
/// The largest tag file that is read, in bytes.
const MAX_TAG_BYTES: u64 = 1 << 28;
/// From this size on an entry's lengths need ZIP64.
const ZIP64_FROM: u64 = 0xffff_ffff;

/// The file that is written, and where, so that an error says it.
struct Writer {
    zip: ZipWriter<BufWriter<NamedTempFile>>,
    path: PathBuf,
}

/// Writes a dossier where there is nothing; `folder` is a private one on the same file system.
pub(super) fn write(bag: &Bag, folder: &Path, target: &Path) -> Result<(), DossierError> {
    let mut zip = begin(folder)?;
    for (name, bytes) in &bag.all_tags() {
        zip.put(name, bytes)?;
    }
    for (name, content) in &bag.payload {
        match content {
            Content::Bytes(bytes) => zip.put(name, bytes)?,
            Content::File { path, size, sha256 } => zip.put_file(name, path, *size, *sha256)?,
        }
    }
    let file = zip.finish()?;
    fail_point!("agent.dossier.written");
    file.persist_noclobber(target).map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => DossierError::Exists(target.to_owned()),
        _ => DossierError::Io { path: target.to_owned(), source: error.error },
    })?;
    sync_folder(target)
}

/// Writes a dossier anew with other tag files, in place of the old one; the payload is copied as it is. The tag manifest follows.
pub(super) fn replace_tags(dossier: &Path, folder: &Path, tags: &BTreeMap<String, Vec<u8>>) -> Result<(), DossierError> {
    let mut old = open(dossier)?;
    let list = read(&mut old, paths::TAG_MANIFEST)?.and_then(|list| parse_list(&String::from_utf8_lossy(&list)));
    let mut digests = list.ok_or_else(|| DossierError::Malformed("its list of tag files cannot be read".to_owned()))?;
    digests.extend(tags.iter().map(|(name, bytes)| (name.clone(), Sha256Digest::of(&[bytes]))));
    let list = tag_manifest(&digests).into_bytes();
    let mut zip = begin(folder)?;
    for number in 0..old.len() {
        let mut entry = old.by_index(number).map_err(malformed)?;
        let full = entry.name().map_err(malformed)?.into_owned();
        let name = full.strip_prefix(ROOT).ok_or_else(|| DossierError::Malformed(format!("the entry {full:?} lies outside {ROOT}")))?;
        if entry.compression() != CompressionMethod::Stored || entry.is_dir() {
            return Err(DossierError::Malformed(format!("the entry {full:?} is compressed or a folder")));
        }
        if name == paths::TAG_MANIFEST {
            zip.put(name, &list)?;
        } else if let Some(bytes) = tags.get(name) {
            zip.put(name, bytes)?;
        } else {
            let size = entry.size();
            zip.copy(name, size, &mut entry)?;
        }
    }
    let file = zip.finish()?;
    fail_point!("agent.attaching.written");
    file.persist(dossier).map_err(|error| DossierError::Io { path: dossier.to_owned(), source: error.error })?;
    sync_folder(dossier)
}

pub(super) type Archive = ZipArchive<BufReader<File>>;

/// Opens a dossier for reading some of its tag files; nothing of it is verified.
pub(super) fn open(dossier: &Path) -> Result<Archive, DossierError> {
    let file = File::open(dossier).map_err(at(dossier))?;
    ZipArchive::new(BufReader::new(file)).map_err(malformed)
}

/// Reads one entry of at most 256 MiB; none if it is not there.
pub(super) fn read(archive: &mut Archive, name: &str) -> Result<Option<Vec<u8>>, DossierError> {
    let mut entry = match archive.by_name(&format!("{ROOT}{name}")) {
        Ok(entry) => entry,
        Err(zip::result::ZipError::FileNotFound) => return Ok(None),
        Err(error) => return Err(malformed(error)),
    };
    if entry.size() > MAX_TAG_BYTES || entry.compression() != CompressionMethod::Stored {
        return Err(DossierError::Malformed(format!("the entry {name:?} is compressed or larger than any list")));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(|error| DossierError::Malformed(error.to_string()))?;
    Ok(Some(bytes))
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

impl Writer {
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

    /// Writes the directory and flushes all to the disk.
    fn finish(self) -> Result<NamedTempFile, DossierError> {
        let Self { zip, path } = self;
        let error = unwritable(&path);
        let file = zip.finish().map_err(|problem| error(&problem))?.into_inner().map_err(|problem| error(&problem))?;
        file.as_file().sync_all().map_err(|problem| error(&problem))?;
        Ok(file)
    }
}

fn sync_folder(target: &Path) -> Result<(), DossierError> {
    let folder = folder_of(target);
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))
}
