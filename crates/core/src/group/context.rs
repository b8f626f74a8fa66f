//! The commit context: what a commit's MLS `authenticated_data` says about the log, the registry and the ring.

use crate::digest::Sha256Digest;
use crate::ids::CaseId;
use crate::secret::Secret32;

/// The version of a case's ring key; 1 is the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RingVersion(u32);

impl RingVersion {
    /// The version that a case begins with.
    pub const FIRST: Self = Self(1);

    /// Takes a version; refuses 0.
    pub const fn new(version: u32) -> Option<Self> {
        if version == 0 { None } else { Some(Self(version)) }
    }

    /// The number.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The version after this one, if there is any left.
    pub const fn next(self) -> Option<Self> {
        match self.0.checked_add(1) {
            Some(version) => Some(Self(version)),
            None => None,
        }
    }
}

/// `SHA-256("custodia/ring/v1" ‖ case id (16) ‖ ring version (u32) ‖ ring key (32))`: binds a commit to one ring key.
pub fn ring_commitment(case: CaseId, version: RingVersion, key: &Secret32) -> Sha256Digest {
    Sha256Digest::of(&[b"custodia/ring/v1", case.as_bytes(), &version.0.to_be_bytes(), key.expose()])
}

/// Why bytes are no commit context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContextError {
    /// Not exactly 117 bytes.
    #[error("a commit context has 117 bytes, this one has {0}")]
    Length(usize),
    /// The first byte is not 1.
    #[error("a commit context of version {0} is not known")]
    Version(u8),
    /// A ring version of 0.
    #[error("a ring version begins at 1")]
    RingVersion,
}

/// By which log, registry and ring a commit is to be judged; the whole of its MLS `authenticated_data`.
///
/// ```text
/// offset  size  field
///      0     1  version, 1
///      1     8  log size: number of records (u64)
///      9    32  root hash of the log at that size
///     41     8  sequence number of the registry's last record at that size (u64)
///     49    32  commitment of that record
///     81     4  ring version in the epoch that the commit begins (u32, not 0)
///     85    32  ring commitment, see [`ring_commitment`]
///    117        end
/// ```
///
/// Whether root and registry are true is *not* known from these bytes: the server compares them with its log, a member
/// with proofs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitContext {
    /// Number of records of the log.
    pub log_size: u64,
    /// Root hash of the log at that size.
    pub log_root: Sha256Digest,
    /// Sequence number of the registry's last record at that size.
    pub registry_sequence: u64,
    /// Commitment of that record.
    pub registry_commitment: Sha256Digest,
    /// Ring version in the new epoch.
    pub ring_version: RingVersion,
    /// Commitment to the ring key of that version.
    pub ring_commitment: Sha256Digest,
}

impl CommitContext {
    /// Length of the encoding.
    pub const LEN: usize = 117;
    const VERSION: u8 = 1;

    /// The 117 bytes.
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[0] = Self::VERSION;
        out[1..9].copy_from_slice(&self.log_size.to_be_bytes());
        out[9..41].copy_from_slice(self.log_root.as_bytes());
        out[41..49].copy_from_slice(&self.registry_sequence.to_be_bytes());
        out[49..81].copy_from_slice(self.registry_commitment.as_bytes());
        out[81..85].copy_from_slice(&self.ring_version.number().to_be_bytes());
        out[85..117].copy_from_slice(self.ring_commitment.as_bytes());
        out
    }

    /// Reads exactly one context; one encoding for one value.
    ///
    /// # Errors
    /// If the length, the version or the ring version is not as drawn above.
    pub fn decode(bytes: &[u8]) -> Result<Self, ContextError> {
        let bytes: &[u8; Self::LEN] = bytes.try_into().map_err(|_| ContextError::Length(bytes.len()))?;
        if bytes[0] != Self::VERSION {
            return Err(ContextError::Version(bytes[0]));
        }
        Ok(Self {
            log_size: u64::from_be_bytes(field(bytes, 1)),
            log_root: Sha256Digest::from_bytes(field(bytes, 9)),
            registry_sequence: u64::from_be_bytes(field(bytes, 41)),
            registry_commitment: Sha256Digest::from_bytes(field(bytes, 49)),
            ring_version: RingVersion::new(u32::from_be_bytes(field(bytes, 81))).ok_or(ContextError::RingVersion)?,
            ring_commitment: Sha256Digest::from_bytes(field(bytes, 85)),
        })
    }
}

fn field<const N: usize>(bytes: &[u8; CommitContext::LEN], at: usize) -> [u8; N] {
    core::array::from_fn(|i| bytes[at + i])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> CommitContext {
        CommitContext {
            log_size: 7,
            log_root: Sha256Digest::from_bytes([1; 32]),
            registry_sequence: 5,
            registry_commitment: Sha256Digest::from_bytes([2; 32]),
            ring_version: RingVersion::FIRST,
            ring_commitment: Sha256Digest::from_bytes([3; 32]),
        }
    }

    #[test]
    fn commit_context_has_the_bytes_of_the_specification() {
        let text = format!(
            "01{}{}{}{}{}{}",
            "0000000000000007",
            "01".repeat(32),
            "0000000000000005",
            "02".repeat(32),
            "00000001",
            "03".repeat(32)
        );
        assert_eq!(hex::encode(context().encode()), text);
        assert_eq!(CommitContext::decode(&context().encode()), Ok(context()));
    }

    #[test]
    fn commit_context_of_another_length_version_or_ring_is_refused() {
        let good = context().encode();
        assert_eq!(CommitContext::decode(&good[..116]), Err(ContextError::Length(116)));
        assert_eq!(CommitContext::decode(&[&good[..], &[0]].concat()), Err(ContextError::Length(118)));
        assert_eq!(CommitContext::decode(&[]), Err(ContextError::Length(0)));
        let mut other = good;
        other[0] = 2;
        assert_eq!(CommitContext::decode(&other), Err(ContextError::Version(2)));
        let mut other = good;
        other[81..85].fill(0);
        assert_eq!(CommitContext::decode(&other), Err(ContextError::RingVersion));
    }

    #[test]
    fn ring_commitment_has_the_value_of_the_specification() {
        let commitment = ring_commitment(CaseId::from_bytes([0x11; 16]), RingVersion::FIRST, &Secret32::from_bytes([0x22; 32]));
        assert_eq!(commitment.to_string(), "3f67f826c330829d7893e5fd3d6068d479cfc4de3294f229ef1677ba47c3f77b");
    }
}
