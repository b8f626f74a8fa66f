//! Writing files out: one thread writes, one digests, a few flush, so that the disk works while there are still bytes to come.
//!
//! ```text
//! contents ─► writer: cuts the stream into files ─► digester: each file's digests ─► compared with the manifest
//!                     └─► flushers: fsync of a file that is whole, and of a long one on its way
//! ```
//! Nothing counts before all of them have ended well; the caller renames the folder only then.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use custodia_core::exhibit::file_digest::{FileDigester, FileDigests};
use custodia_core::exhibit::path::ExportName;
use custodia_failpoint::fail_point;
use tokio::sync::mpsc;

use super::export::{ExportError, ExportedFile, io, sync_folder};

/// A file to be written.
pub(super) struct Planned {
    pub(super) name: ExportName,
    /// The path that was collected, made safe to show.
    pub(super) shown: String,
    pub(super) digests: FileDigests,
}

/// Flushes that are under way at once: a file system flushes many small files together in about the time of one.
const FLUSHERS: usize = 16;
/// How much of a long file is written before the disk is told to begin.
const FLUSH_EVERY: u64 = 64 * 1024 * 1024;

/// What the digester is given.
enum Piece<C> {
    Bytes(Arc<C>, Range<usize>),
    EndOfFile,
}

/// A file to be flushed, and where it lies.
type Flush = (File, PathBuf);

/// Cuts the content into the files, in order; each is flushed, and compared with what is planned.
pub(super) fn write_all<C: Deref<Target = [u8]> + Send + Sync>(
    temporary: &Path,
    planned: Vec<Planned>,
    contents: mpsc::Receiver<C>,
) -> Result<Vec<ExportedFile>, ExportError> {
    let (to_digest, pieces) = sync_channel(1);
    let (to_flush, flushes) = sync_channel(FLUSHERS);
    let flushes = Mutex::new(flushes);
    let (written, digests, flushed) = thread::scope(|scope| {
        let digesting = scope.spawn(move || digest(&pieces));
        let flushing: Vec<_> = (0..FLUSHERS.min(planned.len() + 1)).map(|_| scope.spawn(|| flush(&flushes))).collect();
        let written = Writer { contents, to_digest, to_flush }.write(temporary, &planned);
        let digests = digesting.join().expect("digesting does not panic");
        let flushed: Result<Vec<()>, _> = flushing.into_iter().map(|one| one.join().expect("flushing does not panic")).collect();
        (written, digests, flushed)
    });
    let folders = written?;
    flushed?;
    let compared = planned.into_iter().zip(digests).map(|(Planned { name, shown, digests }, found)| {
        if found != digests {
            return Err(ExportError::Digests(shown));
        }
        Ok(ExportedFile { name: name.as_str().to_owned(), collected_as: shown, digests })
    });
    let files = compared.collect::<Result<_, _>>()?;
    for folder in &folders {
        sync_folder(folder)?;
    }
    Ok(files)
}

/// The digests of the files that ended.
fn digest<C: Deref<Target = [u8]>>(pieces: &Receiver<Piece<C>>) -> Vec<FileDigests> {
    let mut ended = Vec::new();
    let mut digester = FileDigester::new();
    for piece in pieces {
        match piece {
            Piece::Bytes(content, range) => digester.update(&content[range]),
            Piece::EndOfFile => ended.push(core::mem::take(&mut digester).finish()),
        }
    }
    ended
}

/// Flushes what comes; after a failure it takes the rest and flushes no more.
fn flush(flushes: &Mutex<Receiver<Flush>>) -> Result<(), ExportError> {
    let mut outcome = Ok(());
    loop {
        let next = flushes.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((file, path)) = next else { return outcome };
        if outcome.is_ok() {
            outcome = file.sync_all().map_err(io(&path));
        }
    }
}

struct Writer<C> {
    contents: mpsc::Receiver<C>,
    to_digest: SyncSender<Piece<C>>,
    to_flush: SyncSender<Flush>,
}

impl<C: Deref<Target = [u8]>> Writer<C> {
    /// Writes the files; gives the folders that were made.
    fn write(mut self, temporary: &Path, planned: &[Planned]) -> Result<std::collections::BTreeSet<PathBuf>, ExportError> {
        let mut folders = std::collections::BTreeSet::new();
        let mut content: Option<Arc<C>> = None;
        let mut at = 0;
        for Planned { name, shown, digests } in planned {
            let path = temporary.join(name.as_str());
            let folder = path.parent().unwrap_or(temporary);
            if !folders.contains(folder) {
                fs::create_dir_all(folder).map_err(io(folder))?;
                folders.extend(folder.ancestors().take_while(|one| one.starts_with(temporary)).map(Path::to_owned));
            }
            let mut file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(|source| match source.kind() {
                std::io::ErrorKind::AlreadyExists => ExportError::SameName(shown.clone()),
                _ => ExportError::Io { path: path.clone(), source },
            })?;
            let (mut left, mut unflushed) = (digests.size, 0);
            while left > 0 {
                let here = if let Some(here) = content.take().filter(|content| at < content.len()) {
                    here
                } else {
                    at = 0;
                    // The stream ended early: whoever sends it says why.
                    Arc::new(self.contents.blocking_recv().ok_or_else(|| ExportError::Digests(shown.clone()))?)
                };
                let take = usize::try_from(left).unwrap_or(usize::MAX).min(here.len() - at);
                // The digester ends when this writer does.
                let _ended = self.to_digest.send(Piece::Bytes(Arc::clone(&here), at..at + take));
                file.write_all(&here[at..at + take]).map_err(io(&path))?;
                fail_point!("agent.export.in_a_file");
                at += take;
                left -= take as u64;
                unflushed += take as u64;
                content = Some(here);
                if unflushed >= FLUSH_EVERY && left > 0 {
                    let copy = file.try_clone().map_err(io(&path))?;
                    let _ended = self.to_flush.send((copy, path.clone()));
                    unflushed = 0;
                }
            }
            let _ended = self.to_digest.send(Piece::EndOfFile);
            let _ended = self.to_flush.send((file, path));
        }
        Ok(folders)
    }
}
