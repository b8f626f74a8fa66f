//! From files to stored objects in constant memory: one thread reads and digests, one seals, and several uploads run at once.
//!
//! ```text
//! reader: files ─► padded segment of 8 MiB ─► sealer: digest, seal, name ─► journal (durable) ─► PUT, four at a time
//!           └─ SHA-256, BLAKE3, tree, while the bytes are hot                        └─ resumed: compare, skip what is stored
//! ```
//! At most twelve buffers of a segment are alive at any time, about 100 MiB.
//!
//! A segment is known again by a digest that costs no pass of its own over the bytes: BLAKE3 over, for each file that has bytes in it, how far the
//! file is read at the segment's end and the BLAKE3 of the file up to there. With the sizes of the files, which the journal holds, it tells the
//! segment's content from every other; the padding is zeros, or nothing is sealed.

use std::collections::{HashMap, HashSet};
use std::io::Read as _;
use std::sync::Arc;

use bytes::Bytes;
use custodia_core::digest::Blake3Digest;
use custodia_core::exhibit::file_digest::{FileDigester, FileDigests};
use custodia_core::exhibit::keys::ExhibitKey;
use custodia_core::exhibit::segment::{Segment, SegmentPlan};
use custodia_core::exhibit::{AwsLcCipher, ExhibitError, Salt};
use custodia_core::ids::ExhibitId;
use tokio::sync::mpsc;

use super::scan::{IntakeError, SourceFile, unreadable};
use crate::buffers::{Buffers, Lent};
use crate::clock::random;
use crate::state::intake::SegmentRow;

/// How much is read and digested at once.
const READ: usize = 1024 * 1024;
/// Segments that wait between two stages.
const WAITING: usize = 2;

/// Why a segment was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PipelineError {
    #[error(transparent)]
    Intake(#[from] IntakeError),
    #[error(transparent)]
    Exhibit(#[from] ExhibitError),
}

/// What the sealer needs to know.
pub(crate) struct Job {
    pub(crate) exhibit: ExhibitId,
    pub(crate) key: ExhibitKey,
    pub(crate) plan: SegmentPlan,
    pub(crate) files: Vec<SourceFile>,
    /// Segments that an earlier run sealed.
    pub(crate) journal: HashMap<u64, SegmentRow>,
    /// Objects that the server holds.
    pub(crate) stored: HashSet<Blake3Digest>,
}

/// A sealed segment on its way to the journal and the server.
pub(crate) struct SealedSegment {
    pub(crate) row: SegmentRow,
    /// Whether the journal has it already.
    pub(crate) journalled: bool,
    /// The bytes; none if the server holds them.
    pub(crate) object: Option<Bytes>,
}

struct Plain {
    index: u64,
    padded: Lent,
    digest: Blake3Digest,
}

/// The running stages; dropping the receiver stops them.
pub(crate) struct Running {
    pub(crate) segments: mpsc::Receiver<Result<SealedSegment, PipelineError>>,
    pub(crate) digests: tokio::task::JoinHandle<Result<Vec<FileDigests>, IntakeError>>,
}

/// Starts reading and sealing.
pub(crate) fn start(job: Job) -> Running {
    let job = Arc::new(job);
    let (plain_out, plain_in) = mpsc::channel(WAITING);
    let (sealed_out, segments) = mpsc::channel(WAITING);
    let reading = Arc::clone(&job);
    let digests = tokio::task::spawn_blocking(move || read(&reading, &plain_out));
    tokio::task::spawn_blocking(move || seal(&job, plain_in, &sealed_out));
    Running { segments, digests }
}

/// Fills segments with the files laid end to end; the end of the stream is padded with zeros.
struct Filler<'a> {
    plan: &'a SegmentPlan,
    out: &'a mpsc::Sender<Plain>,
    buffers: Buffers,
    index: u64,
    buffer: Lent,
    filled: usize,
    /// What of the files' digests stands for the segment.
    marks: blake3::Hasher,
}

/// The stage after this one is gone: it has said why.
struct Stopped;

impl Filler<'_> {
    fn segment_len(&self) -> usize {
        let len = self.plan.segment(self.index).map_or(0, |index| self.plan.segment_len(index));
        usize::try_from(len).expect("a segment has at most 8 MiB")
    }

    /// Where the next bytes go.
    fn room(&mut self) -> &mut [u8] {
        let len = self.segment_len();
        if self.filled == 0 {
            self.buffer.resize(len, 0);
        }
        &mut self.buffer[self.filled..len]
    }

    fn mark(&mut self, digester: &FileDigester) {
        let (read, digest) = digester.so_far();
        self.marks.update(&read.to_be_bytes()).update(digest.as_bytes());
    }

    /// Takes what stands in the room now, of the file that the digester has read up to there.
    fn advance(&mut self, by: usize, digester: &FileDigester) -> Result<(), Stopped> {
        self.filled += by;
        if self.filled < self.segment_len() {
            return Ok(());
        }
        self.mark(digester);
        self.end_segment()
    }

    fn end_segment(&mut self) -> Result<(), Stopped> {
        let digest = Blake3Digest::from_bytes(self.marks.finalize().into());
        self.marks.reset();
        let padded = core::mem::replace(&mut self.buffer, self.buffers.take());
        self.out.blocking_send(Plain { index: self.index, padded, digest }).map_err(|_| Stopped)?;
        self.index += 1;
        self.filled = 0;
        Ok(())
    }

    fn pad(&mut self) -> Result<(), Stopped> {
        while self.index < self.plan.segment_count() {
            self.room().fill(0);
            self.end_segment()?;
        }
        Ok(())
    }
}

fn read(job: &Job, out: &mpsc::Sender<Plain>) -> Result<Vec<FileDigests>, IntakeError> {
    let buffers = Buffers::default();
    let buffer = buffers.take();
    let mut filler = Filler { plan: &job.plan, out, buffers, index: 0, buffer, filled: 0, marks: blake3::Hasher::new() };
    let mut digests = Vec::with_capacity(job.files.len());
    for source in &job.files {
        let Ok(digest) = read_file(source, &mut filler)? else { return Ok(Vec::new()) };
        digests.push(digest);
    }
    if filler.pad().is_err() {
        return Ok(Vec::new());
    }
    Ok(digests)
}

fn read_file(source: &SourceFile, filler: &mut Filler<'_>) -> Result<Result<FileDigests, Stopped>, IntakeError> {
    let mut file = source.open()?;
    let mut digester = FileDigester::new();
    let mut left = source.size;
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(READ);
        let room = filler.room();
        let end = room.len().min(most);
        let read = file.read(&mut room[..end]).map_err(unreadable(&source.path))?;
        if read == 0 {
            return Err(IntakeError::Changed { path: source.path.clone(), what: "it became shorter" });
        }
        digester.update(&room[..read]);
        left -= read as u64;
        if filler.advance(read, &digester).is_err() {
            return Ok(Err(Stopped));
        }
    }
    if file.read(&mut [0]).map_err(unreadable(&source.path))? != 0 {
        return Err(IntakeError::Changed { path: source.path.clone(), what: "it grew" });
    }
    source.unchanged(&file)?;
    filler.mark(&digester);
    Ok(Ok(digester.finish()))
}

fn seal(job: &Job, mut plain: mpsc::Receiver<Plain>, out: &mpsc::Sender<Result<SealedSegment, PipelineError>>) {
    let buffers = Buffers::default();
    while let Some(plain) = plain.blocking_recv() {
        let sealed = seal_one(job, &plain, &buffers);
        let failed = sealed.is_err();
        if out.blocking_send(sealed).is_err() || failed {
            return;
        }
    }
}

/// Seals one padded segment, with the salt of the journal if it has one: the same bytes then make the same object.
fn seal_one(job: &Job, Plain { index, padded, digest }: &Plain, buffers: &Buffers) -> Result<SealedSegment, PipelineError> {
    let place = job
        .plan
        .segment(*index)
        .ok_or(ExhibitError::Bug { part: custodia_core::exhibit::Part::Segment, why: "a segment index lies within its plan" })?;
    let segment = Segment::new(job.exhibit, &job.plan, place)?;
    let earlier = job.journal.get(index);
    if let Some(row) = earlier {
        if row.plain_digest != *digest {
            return Err(IntakeError::OtherFiles("their content differs from what was sealed before").into());
        }
        if job.stored.contains(&row.object) {
            return Ok(SealedSegment { row: *row, journalled: true, object: None });
        }
    }
    let salt = earlier.map_or_else(random, |row| row.salt);
    let mut object = buffers.take();
    let name = segment.seal::<AwsLcCipher>(&job.key, &Salt::from_bytes(salt), padded, &mut object)?;
    if earlier.is_some_and(|row| row.object != name) {
        return Err(IntakeError::OtherFiles("sealing them again made another object").into());
    }
    let row = SegmentRow { number: *index, salt, plain_digest: *digest, object: name, object_bytes: object.len() as u64 };
    Ok(SealedSegment { row, journalled: earlier.is_some(), object: Some(Bytes::from_owner(object)) })
}

#[cfg(test)]
mod tests;
