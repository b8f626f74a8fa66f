//! The record: an intent, its place in the log and in its chains; and the leaf that commits to it in parts.

use core::fmt;

use crate::digest::Sha256Digest;
use crate::ids::{CaseId, ExhibitId};
use crate::jws::MAX_JWS_BYTES;
use crate::log::merkle::LeafIndex;
use crate::time::LogTime;

use super::wire::Reader;

const VERSION: u8 = 1;
/// Length of a place, in bytes.
pub const PLACE_BYTES: usize = 57;
/// Length of a log entry, in bytes: version and commitment.
pub const ENTRY_BYTES: usize = 33;

/// Bytes are not a part of a record in this format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed record: {0}")]
pub struct RecordError(&'static str);

impl RecordError {
    pub(super) const SALT: Self = Self("a salt is 32 bytes");
    pub(super) const INDEX: Self = Self("the core part holds another index than the one it is shown under");
    pub(super) const CHAIN: Self = Self("a place is in another chain than the intent names, or missing");
}

/// The commitment of a whole record, `C`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Commitment(pub Sha256Digest);

/// The commitment of one part of a record, `c_x`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct PartCommitment(pub Sha256Digest);

/// A salt of 32 random bytes: whoever lacks it cannot test a guess against a commitment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt(pub [u8; 32]);

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(…)")
    }
}

/// Which part of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Intent, index, time, outcome.
    Core,
    /// Place in the case's chain.
    Case,
    /// Place in the exhibit's chain; empty bytes if the record concerns none.
    Exhibit,
}

impl Part {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Core => b"core",
            Self::Case => b"case",
            Self::Exhibit => b"exhibit",
        }
    }

    /// `SHA-256("custodia/part/" ‖ x ‖ salt ‖ bytes)`.
    pub fn commit(self, salt: &Salt, bytes: &[u8]) -> PartCommitment {
        PartCommitment(Sha256Digest::of(&[b"custodia/part/", self.label(), &salt.0, bytes]))
    }
}

impl Commitment {
    /// `SHA-256("custodia/leaf/v1" ‖ c_core ‖ c_case ‖ c_exhibit)`.
    pub fn of_parts(core: PartCommitment, case: PartCommitment, exhibit: PartCommitment) -> Self {
        Self(Sha256Digest::of(&[b"custodia/leaf/v1", core.0.as_bytes(), case.0.as_bytes(), exhibit.0.as_bytes()]))
    }

    /// The leaf data of the tree: `0x01 ‖ C`.
    pub fn entry(self) -> [u8; ENTRY_BYTES] {
        let mut entry = [VERSION; ENTRY_BYTES];
        entry[1..].copy_from_slice(self.0.as_bytes());
        entry
    }

    /// Reads leaf data back.
    ///
    /// # Errors
    /// Any other length or version.
    pub fn from_entry(entry: &[u8]) -> Result<Self, RecordError> {
        let [VERSION, digest @ ..] = entry else { return Err(RecordError("not an entry of version 1")) };
        let digest = digest.try_into().map_err(|_| RecordError("an entry is 33 bytes"))?;
        Ok(Self(Sha256Digest::from_bytes(digest)))
    }
}

/// Id of a rule that refused an act; 1 to 15 of `A-Z 0-9 -`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RuleId(String);

impl RuleId {
    /// Takes a rule's id.
    ///
    /// # Errors
    /// Another length or other characters.
    pub fn new(text: &str) -> Result<Self, RecordError> {
        let fits = (1..=15).contains(&text.len());
        let plain = text.bytes().all(|c| matches!(c, b'A'..=b'Z' | b'0'..=b'9' | b'-'));
        if fits && plain { Ok(Self(text.to_owned())) } else { Err(RecordError("a rule id is 1 to 15 of A-Z, 0-9 and '-'")) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What became of an act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It took effect.
    Accepted,
    /// A rule refused it; nothing but this record came of it.
    Refused(RuleId),
}

/// The core part: what was stated, where it stands, what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Core {
    /// Index in the log.
    pub index: u64,
    /// The log's time.
    pub time: LogTime,
    /// What became of the act.
    pub outcome: Outcome,
    /// How many attempts this record stands for; more than one only for counted refusals.
    pub attempts: u32,
    /// The intent's compact JWS, verbatim; not checked here.
    pub intent: String,
}

impl Core {
    /// Writes the bytes that are committed to.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (outcome, rule) = match &self.outcome {
            Outcome::Accepted => (0, ""),
            Outcome::Refused(rule) => (1, rule.as_str()),
        };
        let rule_length = u8::try_from(rule.len()).expect("a rule id is at most 15 bytes");
        let length = u32::try_from(self.intent.len()).expect("an intent is at most 196608 bytes");
        let mut bytes = vec![VERSION];
        bytes.extend(self.index.to_be_bytes());
        bytes.extend(self.time.millis().to_be_bytes());
        bytes.extend([outcome, rule_length]);
        bytes.extend(rule.as_bytes());
        bytes.extend(self.attempts.to_be_bytes());
        bytes.extend(length.to_be_bytes());
        bytes.extend(self.intent.as_bytes());
        bytes
    }

    /// Reads the bytes; the intent stays unread text.
    ///
    /// # Errors
    /// Another version, a length that does not fit, an outcome or rule id of no known form, bytes left over.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        let short = RecordError("the core part ends early");
        let mut reader = Reader(bytes);
        if reader.u8() != Some(VERSION) {
            return Err(RecordError("not a core part of version 1"));
        }
        let index = reader.u64().ok_or(short)?;
        if LeafIndex::new(index).is_err() {
            return Err(RecordError("no log has so many records"));
        }
        let time = LogTime::from_millis(reader.u64().ok_or(short)?).map_err(|_| RecordError("the time lies past the year 9999"))?;
        let outcome = reader.u8().ok_or(short)?;
        let rule_length = usize::from(reader.u8().ok_or(short)?);
        let rule = core::str::from_utf8(reader.take(rule_length).ok_or(short)?).map_err(|_| RecordError("the rule id is not ASCII"))?;
        let outcome = match (outcome, rule) {
            (0, "") => Outcome::Accepted,
            (1, rule) => Outcome::Refused(RuleId::new(rule)?),
            _ => return Err(RecordError("the outcome is neither accepted nor refused by a rule")),
        };
        let attempts = reader.u32().ok_or(short)?;
        if attempts == 0 || (attempts > 1 && outcome == Outcome::Accepted) {
            return Err(RecordError("only refusals are counted, from one"));
        }
        let length = reader.u32().ok_or(short)? as usize;
        if length == 0 || length > MAX_JWS_BYTES || length != reader.0.len() {
            return Err(RecordError("the intent's length is not that of the bytes that follow"));
        }
        let intent = core::str::from_utf8(reader.0).map_err(|_| RecordError("the intent is not text"))?;
        Ok(Self { index, time, outcome, attempts, intent: intent.to_owned() })
    }
}

/// A sequence number in a chain, from 0 without a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct ChainSeq(pub u64);

/// A place in a chain: which chain, which number, and the record before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<Id> {
    /// The chain.
    pub chain: Id,
    /// The number in it.
    pub seq: ChainSeq,
    /// Commitment of the chain's previous record; none for number 0.
    pub previous: Option<Commitment>,
}

/// The head of a chain: its last record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainHead {
    /// Its number.
    pub seq: ChainSeq,
    /// Its commitment.
    pub commitment: Commitment,
}

/// An id of 16 bytes that names a chain.
pub trait ChainId: Copy + Eq + fmt::Debug {
    /// The bytes.
    fn to_array(self) -> [u8; 16];
    /// From the bytes.
    fn from_array(bytes: [u8; 16]) -> Self;
}

impl ChainId for CaseId {
    fn to_array(self) -> [u8; 16] {
        *self.as_bytes()
    }
    fn from_array(bytes: [u8; 16]) -> Self {
        Self::from_bytes(bytes)
    }
}

impl ChainId for ExhibitId {
    fn to_array(self) -> [u8; 16] {
        *self.as_bytes()
    }
    fn from_array(bytes: [u8; 16]) -> Self {
        Self::from_bytes(bytes)
    }
}

impl<Id: ChainId> Place<Id> {
    /// The place after `head`, or the first one.
    pub fn after(chain: Id, head: Option<ChainHead>) -> Self {
        match head {
            None => Self { chain, seq: ChainSeq(0), previous: None },
            Some(head) => Self { chain, seq: ChainSeq(head.seq.0 + 1), previous: Some(head.commitment) },
        }
    }

    /// Writes the 57 bytes that are committed to.
    pub fn to_bytes(&self) -> Vec<u8> {
        let previous = self.previous.map_or([0; 32], |commitment| *commitment.0.as_bytes());
        [&[VERSION][..], &self.chain.to_array(), &self.seq.0.to_be_bytes(), &previous].concat()
    }

    /// Reads the bytes.
    ///
    /// # Errors
    /// Another length or version; a first record that names a previous one, a later one that names none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        if bytes.len() != PLACE_BYTES {
            return Err(RecordError("a place is 57 bytes"));
        }
        let mut reader = Reader(bytes);
        let (Some(VERSION), Some(chain), Some(seq), Some(previous)) = (reader.u8(), reader.array(), reader.u64(), reader.array::<32>())
        else {
            return Err(RecordError("not a place of version 1"));
        };
        let previous = (previous != [0; 32]).then(|| Commitment(Sha256Digest::from_bytes(previous)));
        if previous.is_some() != (seq > 0) {
            return Err(RecordError("exactly the first record of a chain names no previous one"));
        }
        Ok(Self { chain: Id::from_array(chain), seq: ChainSeq(seq), previous })
    }
}

/// A record in full, with the salts by which its parts are committed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The core part.
    pub core: Core,
    /// The place in the case's chain.
    pub case: Place<CaseId>,
    /// The place in the exhibit's chain.
    pub exhibit: Option<Place<ExhibitId>>,
    /// The salts of core, case and exhibit.
    pub salts: [Salt; 3],
}

impl Record {
    /// The bytes of one part.
    pub fn part_bytes(&self, part: Part) -> Vec<u8> {
        match part {
            Part::Core => self.core.to_bytes(),
            Part::Case => self.case.to_bytes(),
            Part::Exhibit => self.exhibit.map_or_else(Vec::new, |place| place.to_bytes()),
        }
    }

    /// The salt of one part.
    pub fn salt(&self, part: Part) -> &Salt {
        match part {
            Part::Core => &self.salts[0],
            Part::Case => &self.salts[1],
            Part::Exhibit => &self.salts[2],
        }
    }

    /// The commitment of one part.
    pub fn part_commitment(&self, part: Part) -> PartCommitment {
        part.commit(self.salt(part), &self.part_bytes(part))
    }

    /// The commitment of the record.
    pub fn commitment(&self) -> Commitment {
        Commitment::of_parts(self.part_commitment(Part::Core), self.part_commitment(Part::Case), self.part_commitment(Part::Exhibit))
    }
}

#[cfg(test)]
pub(super) mod tests;
