//! Segments: the content stream of an exhibit, padded, cut into 8 MiB and sealed piece by piece.
//!
//! ```text
//! stream: file 0 │ file 1 │ … │ zeros up to a PADMÉ length
//!         ├── segment 0: 8 MiB ──┼── segment 1: 8 MiB ──┼─ last: 1 B to 8 MiB ─┤
//! context of a segment, 44 bytes:
//! "custodia/segment/v1" (19) ‖ exhibit id (16) ‖ index (u64) ‖ 0x01 if it is the last, else 0x00 (1)
//! ```
//!
//! A segment is one Cobblestone-256 message under the exhibit key and one stored object, whose name is its BLAKE3 digest.

use core::ops::Range;

use sha2::Digest as _;
use zeroize::Zeroize;

use super::cobblestone::{self, ChunkCipher, HEADER_LEN, Opener, Salt, in_part};
use super::keys::ExhibitKey;
use super::padding::{is_zeros, padme};
use super::{ExhibitError, Part};
use crate::digest::{Blake3Digest, Sha256Digest};
use crate::ids::ExhibitId;

/// Bytes of stream in every segment but the last: 8 MiB.
pub const SEGMENT_LEN: u64 = 8 * 1024 * 1024;
/// Bytes of the object of a full segment.
pub const MAX_SEGMENT_OBJECT_LEN: u64 = match cobblestone::encrypted_len(SEGMENT_LEN) {
    Ok(len) => len,
    Err(_) => unreachable!(),
};
/// The longest content stream: 16 TiB, which are 2^21 segments.
pub const MAX_STREAM_LEN: u64 = 1 << 44;

const SEGMENT_LABEL: &[u8] = b"custodia/segment/v1";
const OBJECT_LIST_LABEL: &[u8] = b"custodia/object-list/v1";

/// The place of a segment in its exhibit, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentIndex(u64);

impl SegmentIndex {
    /// The number, from 0.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// How the content stream of one exhibit is padded and cut; made from the true length of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentPlan {
    stream_len: u64,
    padded_len: u64,
}

impl SegmentPlan {
    /// Plans a stream of `stream_len` bytes; an empty stream is padded like any other, so there is always a segment.
    ///
    /// # Errors
    /// [`ExhibitError::Limit`] beyond [`MAX_STREAM_LEN`].
    pub const fn new(stream_len: u64) -> Result<Self, ExhibitError> {
        if stream_len > MAX_STREAM_LEN {
            return Err(ExhibitError::Limit { part: Part::Stream, most: MAX_STREAM_LEN, unit: "bytes" });
        }
        Ok(Self { stream_len, padded_len: padme(stream_len) })
    }

    /// Bytes of all files together.
    pub const fn stream_len(&self) -> u64 {
        self.stream_len
    }

    /// Bytes of the stream with its padding.
    pub const fn padded_len(&self) -> u64 {
        self.padded_len
    }

    /// Number of segments, at least 1.
    pub const fn segment_count(&self) -> u64 {
        self.padded_len.div_ceil(SEGMENT_LEN)
    }

    /// The segment at a place, if the plan has it.
    pub const fn segment(&self, index: u64) -> Option<SegmentIndex> {
        if index < self.segment_count() { Some(SegmentIndex(index)) } else { None }
    }

    /// All segments in order.
    pub fn segments(&self) -> impl Iterator<Item = SegmentIndex> + use<> {
        (0..self.segment_count()).map(SegmentIndex)
    }

    /// The segments that hold a range of the stream, each with the range of its plaintext to take.
    ///
    /// # Errors
    /// [`ExhibitError::Bug`] if the range is reversed or ends after the true end of the stream.
    pub fn segments_for(&self, range: Range<u64>) -> Result<impl Iterator<Item = (SegmentIndex, Range<u64>)> + use<>, ExhibitError> {
        if range.start > range.end || range.end > self.stream_len {
            return Err(ExhibitError::Bug { part: Part::Stream, why: "a range lies within the stream" });
        }
        let indexes = if range.is_empty() { 0..0 } else { range.start / SEGMENT_LEN..range.end.div_ceil(SEGMENT_LEN) };
        Ok(indexes.map(move |index| {
            let begin = index * SEGMENT_LEN;
            (SegmentIndex(index), range.start.max(begin) - begin..range.end.min(begin + SEGMENT_LEN) - begin)
        }))
    }

    /// Whether this is the last segment.
    pub const fn is_last(&self, index: SegmentIndex) -> bool {
        index.0 + 1 == self.segment_count()
    }

    /// The range of the padded stream that a segment holds; empty for an index of a longer plan.
    pub fn range_of(&self, index: SegmentIndex) -> Range<u64> {
        let at = |index: u64| index.saturating_mul(SEGMENT_LEN).min(self.padded_len);
        at(index.0)..at(index.0.saturating_add(1))
    }

    /// Bytes of a segment's plaintext, padding included.
    pub fn segment_len(&self, index: SegmentIndex) -> u64 {
        let range = self.range_of(index);
        range.end - range.start
    }

    /// Bytes of a segment's plaintext that are content; the rest is padding.
    pub fn content_len(&self, index: SegmentIndex) -> u64 {
        let range = self.range_of(index);
        range.end.min(self.stream_len).saturating_sub(range.start)
    }

    /// Bytes of a segment's object.
    pub fn object_len(&self, index: SegmentIndex) -> u64 {
        cobblestone::encrypted_len(self.segment_len(index)).expect("a segment is far below the longest message")
    }
}

/// One segment of one exhibit: everything that its sealing is bound to but the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment<'p> {
    exhibit: ExhibitId,
    plan: &'p SegmentPlan,
    index: SegmentIndex,
}

impl<'p> Segment<'p> {
    /// Names a segment of the plan.
    ///
    /// # Errors
    /// [`ExhibitError::Bug`] if the plan has no such segment.
    pub fn new(exhibit: ExhibitId, plan: &'p SegmentPlan, index: SegmentIndex) -> Result<Self, ExhibitError> {
        plan.segment(index.0).ok_or(ExhibitError::Bug { part: Part::Segment, why: "a segment index lies within its plan" })?;
        Ok(Self { exhibit, plan, index })
    }

    pub(super) fn context(&self) -> [u8; 44] {
        let mut context = [0; 44];
        context[..19].copy_from_slice(SEGMENT_LABEL);
        context[19..35].copy_from_slice(self.exhibit.as_bytes());
        context[35..43].copy_from_slice(&self.index.0.to_be_bytes());
        context[43] = u8::from(self.plan.is_last(self.index));
        context
    }

    /// Where the padding of an honest segment begins in its plaintext.
    fn content_end(&self) -> usize {
        usize::try_from(self.plan.content_len(self.index)).expect("a segment has at most 8 MiB")
    }

    /// Seals the padded plaintext into `out` (see [`cobblestone::seal_into`]) and gives the object's name, hashed while hot.
    ///
    /// # Errors
    /// [`ExhibitError::Bug`] unless the plaintext has the segment's length and zeros as padding.
    pub fn seal<C: ChunkCipher>(
        &self,
        key: &ExhibitKey,
        salt: &Salt,
        padded: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Blake3Digest, ExhibitError> {
        if padded.len() as u64 != self.plan.segment_len(self.index) || !is_zeros(&padded[self.content_end()..]) {
            return Err(ExhibitError::Bug { part: Part::Segment, why: "a segment has the plan's length and ends in zeros" });
        }
        let mut name = blake3::Hasher::new();
        cobblestone::seal_into::<C>(key.expose(), salt, &self.context(), padded, out, |bytes| {
            name.update(bytes);
        })
        .map_err(in_part(Part::Segment))?;
        Ok(Blake3Digest::from_bytes(name.finalize().into()))
    }

    /// Opens the whole object into `out` and gives the content without padding; proves the object's name too.
    ///
    /// # Errors
    /// In this order: [`ExhibitError::Malformed`] for another length than the plan's, [`ExhibitError::WrongName`],
    /// [`ExhibitError::WrongKeyOrContext`], [`ExhibitError::Altered`], [`ExhibitError::Misbehaved`] for padding that is not zeros.
    pub fn open<'o, C: ChunkCipher>(
        &self,
        key: &ExhibitKey,
        name: &Blake3Digest,
        object: &[u8],
        out: &'o mut Vec<u8>,
    ) -> Result<&'o [u8], ExhibitError> {
        self.check_object_len(object.len() as u64)?;
        check_name(name, object)?;
        cobblestone::open_into::<C>(key.expose(), &self.context(), object, out).map_err(in_part(Part::Segment))?;
        let end = self.content_end();
        if !is_zeros(&out[end..]) {
            out.zeroize();
            return Err(ExhibitError::Misbehaved { part: Part::Segment, why: "the padding is zeros" });
        }
        Ok(&out[..end])
    }

    /// Prepares reading ranges of the object: what is read so is authenticated chunk by chunk, but the name is not proven.
    ///
    /// # Errors
    /// [`ExhibitError::Malformed`] if the object has another length than the plan's, [`ExhibitError::WrongKeyOrContext`].
    pub fn open_ranges<C: ChunkCipher>(
        &self,
        key: &ExhibitKey,
        header: &[u8; HEADER_LEN],
        object_len: u64,
    ) -> Result<Opener<C>, ExhibitError> {
        self.check_object_len(object_len)?;
        Opener::new(key.expose(), &self.context(), header, object_len).map_err(in_part(Part::Segment))
    }

    fn check_object_len(&self, len: u64) -> Result<(), ExhibitError> {
        if len == self.plan.object_len(self.index) {
            Ok(())
        } else {
            Err(ExhibitError::Malformed { part: Part::Segment, why: "the object has the length that the plan gives" })
        }
    }
}

/// Checks that an object is the one that was named.
///
/// # Errors
/// [`ExhibitError::WrongName`].
pub fn check_name(named: &Blake3Digest, object: &[u8]) -> Result<(), ExhibitError> {
    let found = Blake3Digest::of(object);
    if found == *named { Ok(()) } else { Err(ExhibitError::WrongName { named: *named, found }) }
}

/// SHA-256 over the names of an exhibit's segments in order; stands in the signed `collection` intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct ObjectListDigest(Sha256Digest);

impl ObjectListDigest {
    /// Digests the names: label ‖ count (u64) ‖ each name (32 bytes).
    pub fn of(names: &[Blake3Digest]) -> Self {
        let mut state = sha2::Sha256::new();
        state.update(OBJECT_LIST_LABEL);
        state.update((names.len() as u64).to_be_bytes());
        for name in names {
            state.update(name.as_bytes());
        }
        Self(Sha256Digest::from_bytes(state.finalize().into()))
    }

    /// Takes a digest as it was signed; checks nothing.
    pub const fn from_digest(digest: Sha256Digest) -> Self {
        Self(digest)
    }

    /// The digest.
    pub const fn digest(&self) -> &Sha256Digest {
        &self.0
    }
}
