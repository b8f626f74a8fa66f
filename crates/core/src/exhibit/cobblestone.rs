//! Cobblestone-256: a message of any length in AES-256-GCM chunks of 16 KiB, with key commitment and random access.
//!
//! ```text
//! 0        24              56
//! ┌────────┬───────────────┬──────────────────┬─────┬────────────────────────────┬─────┐
//! │ salt   │ commitment 32 │ chunk 0: 16384 B │ tag │ … last chunk: 0 to 16383 B │ tag │
//! └────────┴───────────────┴──────────────────┴─────┴────────────────────────────┴─────┘
//! key 32 ‖ base nonce 12 ‖ commitment 32 = HKDF-Expand-SHA-512(input key,
//!     "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM" ‖ 0x00 ‖ salt ‖ context)
//! nonce of chunk k = base nonce XOR k (big-endian); no associated data; the last chunk is always short
//! ```
//!
//! Plain AES-GCM does not commit: one ciphertext can be made that opens under two keys to two texts. Here the commitment
//! is checked before any chunk is opened, so one message has one key, one context and one plaintext.
//!
//! Source: C2SP chunked-encryption, <https://c2sp.org/chunked-encryption>.

use core::ops::Range;

use hkdf::hmac::{Hmac, Mac};
use sha2::Sha512;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use super::{ExhibitError, Part};

/// Plaintext bytes in every chunk but the last.
pub const CHUNK_LEN: usize = 16 * 1024;
/// Bytes of an AES-GCM tag.
pub const TAG_LEN: usize = 16;
/// Bytes before the first chunk: salt and commitment.
pub const HEADER_LEN: usize = 56;
/// The longest plaintext: 2^38 chunks, the last one short.
pub const MAX_PLAINTEXT_LEN: u64 = (1 << 52) - 1;

/// How many message bytes are shown at once while a message is sealed: still in the cache, and from the first byte on at multiples of a power of
/// two, which BLAKE3 needs to hash many of its chunks side by side. Shown chunk by chunk, whose ends are 16 bytes off, it takes three times as long.
const SHOWN_LEN: usize = 128 * 1024;
const SALT_LEN: usize = 24;
const SEALED_CHUNK_LEN: usize = CHUNK_LEN + TAG_LEN;
const INFO_PREFIX: &[u8] = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0";

/// The cipher refused: a tag does not match, or lengths disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkRefused;

/// AES-256-GCM of one chunk, with a 96-bit nonce, no associated data and a 128-bit tag (NIST SP 800-38D).
///
/// Input and output are separate buffers of equal length, so that a chunk is read once and written once.
pub trait ChunkCipher: Sized {
    /// Prepares the key of one message.
    fn new(key: &[u8; 32]) -> Self;

    /// Encrypts `plaintext` into `ciphertext` and `tag`.
    fn seal(&self, nonce: &[u8; 12], plaintext: &[u8], ciphertext: &mut [u8], tag: &mut [u8; TAG_LEN]) -> Result<(), ChunkRefused>;

    /// Checks `tag` and decrypts `ciphertext` into `plaintext`; on refusal `plaintext` holds nothing of use.
    fn open(&self, nonce: &[u8; 12], ciphertext: &[u8], tag: &[u8; TAG_LEN], plaintext: &mut [u8]) -> Result<(), ChunkRefused>;
}

/// The 24-byte salt of one message; drawn at random by the caller, never used twice under one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Salt([u8; SALT_LEN]);

impl Salt {
    /// Takes 24 bytes that the caller drew at random.
    pub const fn from_bytes(bytes: [u8; SALT_LEN]) -> Self {
        Self(bytes)
    }

    /// The 24 bytes.
    pub const fn as_bytes(&self) -> &[u8; SALT_LEN] {
        &self.0
    }
}

/// Bytes of the message that seals `plaintext_len` bytes.
///
/// # Errors
/// [`ExhibitError::Limit`] beyond [`MAX_PLAINTEXT_LEN`].
pub const fn encrypted_len(plaintext_len: u64) -> Result<u64, ExhibitError> {
    if plaintext_len > MAX_PLAINTEXT_LEN {
        return Err(ExhibitError::Limit { part: Part::Message, most: MAX_PLAINTEXT_LEN, unit: "bytes" });
    }
    Ok(HEADER_LEN as u64 + plaintext_len + (plaintext_len / CHUNK_LEN as u64 + 1) * TAG_LEN as u64)
}

/// Bytes that a message of `encrypted_len` bytes seals; says nothing about whether it opens.
///
/// # Errors
/// [`ExhibitError::Malformed`] for a length that no message has: cut within header or tag, or at the end of a full chunk.
pub const fn plaintext_len(encrypted_len: u64) -> Result<u64, ExhibitError> {
    const WHY: ExhibitError = ExhibitError::Malformed { part: Part::Message, why: "no message has this length" };
    if encrypted_len < (HEADER_LEN + TAG_LEN) as u64 {
        return Err(WHY);
    }
    let body = encrypted_len - HEADER_LEN as u64;
    let (full, rest) = (body / SEALED_CHUNK_LEN as u64, body % SEALED_CHUNK_LEN as u64);
    if rest < TAG_LEN as u64 {
        return Err(WHY);
    }
    let len = full * CHUNK_LEN as u64 + (rest - TAG_LEN as u64);
    if len > MAX_PLAINTEXT_LEN { Err(WHY) } else { Ok(len) }
}

/// What the key derivation gives for one message.
struct Derived<C> {
    cipher: C,
    base_nonce: [u8; 12],
    commitment: [u8; 32],
}

impl<C: ChunkCipher> Derived<C> {
    /// HKDF-Expand (RFC 5869 §2.3) for 76 bytes, which are two blocks; the `hkdf` crate refuses input keys of 32 bytes.
    fn new(input_key: &[u8; 32], salt: &[u8; SALT_LEN], context: &[u8]) -> Self {
        let block = |previous: &[u8], number: u8| -> Zeroizing<[u8; 64]> {
            let mut mac = <Hmac<Sha512> as Mac>::new_from_slice(input_key).expect("HMAC takes keys of any length");
            for part in [previous, INFO_PREFIX, salt, context, &[number]] {
                mac.update(part);
            }
            let mut bytes = mac.finalize().into_bytes();
            let out = Zeroizing::new(bytes.into());
            bytes.zeroize();
            out
        };
        let first = block(&[], 1);
        let second = block(&first[..], 2);
        let mut base_nonce = [0; 12];
        base_nonce.copy_from_slice(&first[32..44]);
        let mut commitment = [0; 32];
        commitment[..20].copy_from_slice(&first[44..]);
        commitment[20..].copy_from_slice(&second[..12]);
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(&first[..32]);
        Self { cipher: C::new(&key), base_nonce, commitment }
    }

    fn nonce(&self, chunk: u64) -> [u8; 12] {
        let mut nonce = self.base_nonce;
        for (byte, count) in nonce[4..].iter_mut().zip(chunk.to_be_bytes()) {
            *byte ^= count;
        }
        nonce
    }
}

/// Seals `plaintext` into `out`, replacing what it held, and shows the message's bytes to `written`, run after run, while they are hot.
///
/// `out` is not cleared first: a buffer that already has the message's length is written once and never zeroed.
///
/// # Errors
/// [`ExhibitError::Limit`] for a plaintext that is too long; [`ExhibitError::Bug`] if the cipher refuses to encrypt.
pub fn seal_into<C: ChunkCipher>(
    key: &[u8; 32],
    salt: &Salt,
    context: &[u8],
    plaintext: &[u8],
    out: &mut Vec<u8>,
    mut written: impl FnMut(&[u8]),
) -> Result<(), ExhibitError> {
    const WHY: ExhibitError = ExhibitError::Bug { part: Part::Message, why: "the cipher must encrypt any chunk" };
    let total = usize::try_from(encrypted_len(plaintext.len() as u64)?).map_err(|_| ExhibitError::Limit {
        part: Part::Message,
        most: usize::MAX as u64,
        unit: "bytes",
    })?;
    let derived = Derived::<C>::new(key, &salt.0, context);
    out.resize(total, 0);
    let (salt_out, rest) = out.split_at_mut(SALT_LEN);
    salt_out.copy_from_slice(&salt.0);
    rest[..HEADER_LEN - SALT_LEN].copy_from_slice(&derived.commitment);
    let (mut sealed, mut shown) = (HEADER_LEN, 0);
    let (full, last) = plaintext.as_chunks::<CHUNK_LEN>();
    let chunks = full.iter().map(<[u8; CHUNK_LEN]>::as_slice).chain(core::iter::once(last));
    for (number, chunk) in (0..).zip(chunks) {
        let end = sealed + chunk.len() + TAG_LEN;
        let (ciphertext, tag) = out[sealed..end].split_last_chunk_mut().expect("it was cut to hold a tag");
        derived.cipher.seal(&derived.nonce(number), chunk, ciphertext, tag).map_err(|_| WHY)?;
        sealed = end;
        if sealed - shown >= SHOWN_LEN {
            written(&out[shown..shown + SHOWN_LEN]);
            shown += SHOWN_LEN;
        }
    }
    written(&out[shown..]);
    Ok(())
}

/// Seals `plaintext` into a new buffer; see [`seal_into`].
pub fn seal<C: ChunkCipher>(key: &[u8; 32], salt: &Salt, context: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, ExhibitError> {
    let mut out = Vec::new();
    seal_into::<C>(key, salt, context, plaintext, &mut out, |_| ())?;
    Ok(out)
}

/// Opens a whole message into `out`, replacing what it held; after an error `out` is empty.
///
/// # Errors
/// [`ExhibitError::Malformed`] for a length that no message has, [`ExhibitError::WrongKeyOrContext`] before any chunk is opened,
/// [`ExhibitError::Altered`] for the first chunk that does not authenticate.
pub fn open_into<C: ChunkCipher>(key: &[u8; 32], context: &[u8], message: &[u8], out: &mut Vec<u8>) -> Result<(), ExhibitError> {
    let opened = message
        .first_chunk()
        .ok_or(ExhibitError::Malformed { part: Part::Message, why: "no message has this length" })
        .and_then(|header| Opener::<C>::new(key, context, header, message.len() as u64))
        .and_then(|opener| opener.open_chunks(0..opener.chunk_count(), &message[HEADER_LEN..], out));
    if opened.is_err() {
        out.zeroize();
    }
    opened
}

/// Opens a whole message into a new buffer; see [`open_into`].
pub fn open<C: ChunkCipher>(key: &[u8; 32], context: &[u8], message: &[u8]) -> Result<Vec<u8>, ExhibitError> {
    let mut out = Vec::new();
    open_into::<C>(key, context, message, &mut out)?;
    Ok(out)
}

/// A message whose commitment has been checked, ready to open any chunk.
///
/// The length is the one that the caller states. It is authenticated only by opening the last chunk; every other
/// chunk proves its own place and content, nothing more.
pub struct Opener<C> {
    derived: Derived<C>,
    plaintext_len: u64,
}

impl<C: ChunkCipher> Opener<C> {
    /// Derives the message's key and checks the commitment in constant time.
    ///
    /// # Errors
    /// [`ExhibitError::Malformed`] for a length that no message has, [`ExhibitError::WrongKeyOrContext`] if the commitment differs.
    pub fn new(key: &[u8; 32], context: &[u8], header: &[u8; HEADER_LEN], message_len: u64) -> Result<Self, ExhibitError> {
        let plaintext_len = plaintext_len(message_len)?;
        let (salt, commitment) = header.split_first_chunk().expect("the header holds a salt");
        let derived = Derived::<C>::new(key, salt, context);
        if !bool::from(derived.commitment.as_slice().ct_eq(commitment)) {
            return Err(ExhibitError::WrongKeyOrContext { part: Part::Message });
        }
        Ok(Self { derived, plaintext_len })
    }

    /// Bytes of plaintext, if the stated length is true.
    pub fn plaintext_len(&self) -> u64 {
        self.plaintext_len
    }

    /// Chunks of the message, at least 1.
    pub fn chunk_count(&self) -> u64 {
        self.plaintext_len / CHUNK_LEN as u64 + 1
    }

    /// The chunks that hold a range of the plaintext; none for an empty range.
    ///
    /// # Errors
    /// [`ExhibitError::Bug`] if the range is reversed or ends after the plaintext.
    pub fn chunks_for(&self, range: &Range<u64>) -> Result<Range<u64>, ExhibitError> {
        if range.start > range.end || range.end > self.plaintext_len {
            return Err(ExhibitError::Bug { part: Part::Message, why: "a range lies within the plaintext" });
        }
        let first = range.start / CHUNK_LEN as u64;
        Ok(if range.is_empty() { first..first } else { first..(range.end - 1) / CHUNK_LEN as u64 + 1 })
    }

    /// Where a run of chunks lies in the message, as byte offsets.
    ///
    /// # Errors
    /// [`ExhibitError::Bug`] for chunks that the message does not have.
    pub fn span_of(&self, chunks: &Range<u64>) -> Result<Range<u64>, ExhibitError> {
        if chunks.start > chunks.end || chunks.end > self.chunk_count() {
            return Err(ExhibitError::Bug { part: Part::Message, why: "chunks lie within the message" });
        }
        let total = encrypted_len(self.plaintext_len)?;
        let at = |chunk: u64| total.min(HEADER_LEN as u64 + chunk * SEALED_CHUNK_LEN as u64);
        Ok(at(chunks.start)..at(chunks.end))
    }

    /// Opens a run of chunks from exactly the bytes that [`Opener::span_of`] names, into `out`, replacing what it held.
    ///
    /// # Errors
    /// [`ExhibitError::Bug`] for other bytes than that span, [`ExhibitError::Altered`] for the first chunk that does not
    /// authenticate; `out` is then empty.
    pub fn open_chunks(&self, chunks: Range<u64>, sealed: &[u8], out: &mut Vec<u8>) -> Result<(), ExhibitError> {
        let span = self.span_of(&chunks)?;
        if span.end - span.start != sealed.len() as u64 {
            return Err(ExhibitError::Bug { part: Part::Message, why: "a run of chunks comes whole" });
        }
        out.resize(sealed.len() - sealed.len().div_ceil(SEALED_CHUNK_LEN) * TAG_LEN, 0);
        let mut rest = out.as_mut_slice();
        for (number, piece) in chunks.zip(sealed.chunks(SEALED_CHUNK_LEN)) {
            let (ciphertext, tag) = piece.split_last_chunk().expect("every chunk of a valid length holds a tag");
            let (plaintext, after) = rest.split_at_mut(ciphertext.len());
            if self.derived.cipher.open(&self.derived.nonce(number), ciphertext, tag, plaintext).is_err() {
                out.zeroize();
                return Err(ExhibitError::Altered { part: Part::Message, chunk: number });
            }
            rest = after;
        }
        Ok(())
    }

    /// Authenticates the stated length by opening the last chunk, given by its bytes.
    pub fn check_end(&self, last_chunk: &[u8]) -> Result<(), ExhibitError> {
        let last = self.chunk_count() - 1;
        let mut out = Vec::new();
        let opened = self.open_chunks(last..last + 1, last_chunk, &mut out);
        out.zeroize();
        opened
    }
}

/// Names the part that an error of the message layer is about.
pub(super) fn in_part(part: Part) -> impl Fn(ExhibitError) -> ExhibitError {
    move |error| match error {
        ExhibitError::Malformed { part: Part::Message, why } => ExhibitError::Malformed { part, why },
        ExhibitError::WrongKeyOrContext { part: Part::Message } => ExhibitError::WrongKeyOrContext { part },
        ExhibitError::Altered { part: Part::Message, chunk } => ExhibitError::Altered { part, chunk },
        ExhibitError::Bug { part: Part::Message, why } => ExhibitError::Bug { part, why },
        other => other,
    }
}
