//! What an MLS message says, in plain bytes and numbers.
//!
//! Facts are *parsed and, where MLS can, verified by MLS* (signatures, tree hashes; members also membership and confirmation tags).
//! They are not yet judged: certificates are bytes here, and no rule has been applied.

use core::fmt;

use super::context::CommitContext;
use crate::ids::CaseId;

/// The MLS group id of a case group: 16 bytes of the case id, then the generation as u32.
///
/// Generation 0 is the group that a case begins with; every successor group counts one more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId {
    /// The case.
    pub case: CaseId,
    /// 0 for the first group of the case.
    pub generation: u32,
}

impl GroupId {
    /// Length of the encoding in bytes.
    pub const LEN: usize = 20;

    /// The first group of a case.
    pub const fn first(case: CaseId) -> Self {
        Self { case, generation: 0 }
    }

    /// The 20 bytes.
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[..16].copy_from_slice(self.case.as_bytes());
        out[16..].copy_from_slice(&self.generation.to_be_bytes());
        out
    }

    /// Reads 20 bytes; `None` for any other length and for the registry's reserved case id, which has no group.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::LEN] = bytes.try_into().ok()?;
        let (case, generation) = bytes.split_first_chunk::<16>()?;
        let case = CaseId::from_bytes(*case);
        (case != CaseId::REGISTRY).then_some(())?;
        Some(Self { case, generation: u32::from_be_bytes(generation.try_into().ok()?) })
    }
}

impl fmt::Debug for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GroupId({self})")
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.case, self.generation)
    }
}

/// An epoch of a group; 0 at its creation, one more with every commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The epoch that a commit made in this one begins.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The place of a leaf in a group's tree. A freed place is taken again, so it names a device only together with an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeafIndex(pub u32);

/// A leaf: one device in one group at one epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafFacts {
    /// Its place; for an added leaf the place that it will have.
    pub index: LeafIndex,
    /// The device certificate in DER, as the credential carries it. Not parsed, not validated.
    pub certificate: Vec<u8>,
    /// The Ed25519 key by which MLS verifies this leaf. Not yet compared with the certificate's key (`GRP-07`).
    pub signature_key: [u8; 32],
    /// The X-Wing public key to which path secrets are encrypted. Not yet known to be well formed (`GRP-11`).
    pub encryption_key: Vec<u8>,
    /// Types of the extensions in the leaf.
    pub extensions: Vec<u16>,
}

/// A key package whose two signatures MLS has verified under the key that it itself names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPackageFacts {
    /// Its `KeyPackageRef` (RFC 9420 §5.2), 48 bytes in suite 0x004E.
    pub reference: Vec<u8>,
    /// The MLS cipher suite.
    pub suite: u16,
    /// The certificate, in DER.
    pub certificate: Vec<u8>,
    /// The leaf's Ed25519 key.
    pub signature_key: [u8; 32],
    /// The leaf's X-Wing key.
    pub encryption_key: Vec<u8>,
    /// The X-Wing key to which a Welcome is encrypted.
    pub init_key: Vec<u8>,
    /// Start of the lifetime, seconds since 1970-01-01T00:00:00Z.
    pub not_before: u64,
    /// End of the lifetime, seconds since 1970-01-01T00:00:00Z.
    pub not_after: u64,
    /// Whether it may be used more than once.
    pub last_resort: bool,
    /// Types of the extensions in the leaf.
    pub leaf_extensions: Vec<u16>,
    /// Types of the extensions in the key package.
    pub extensions: Vec<u16>,
}

/// Who signed a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// The member at that leaf.
    Member(LeafIndex),
    /// A device that enters by an external commit, at the leaf that it takes.
    External(LeafIndex),
}

impl Sender {
    /// The sender's leaf after the commit.
    pub const fn leaf(self) -> LeafIndex {
        match self {
            Self::Member(index) | Self::External(index) => index,
        }
    }
}

/// An Add proposal: the key package, and where the leaf will stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedLeaf {
    /// The place: the leftmost that is free (RFC 9420 §7.7).
    pub index: LeafIndex,
    /// The key package.
    pub key_package: KeyPackageFacts,
}

impl AddedLeaf {
    /// The leaf that it becomes.
    pub fn leaf(&self) -> LeafFacts {
        let package = &self.key_package;
        LeafFacts {
            index: self.index,
            certificate: package.certificate.clone(),
            signature_key: package.signature_key,
            encryption_key: package.encryption_key.clone(),
            extensions: package.leaf_extensions.clone(),
        }
    }
}

/// What a commit does. The same on the server and on every member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitFacts {
    /// The group in which it was made.
    pub group: GroupId,
    /// The epoch in which it was made; the one it begins is the next.
    pub epoch: Epoch,
    /// Who signed it.
    pub sender: Sender,
    /// The sender's leaf before the commit; `None` for an external commit.
    pub sender_before: Option<LeafFacts>,
    /// The sender's leaf after the commit; `None` if the commit has no update path.
    pub sender_after: Option<LeafFacts>,
    /// The leaves that it adds, in order.
    pub added: Vec<AddedLeaf>,
    /// The leaves that it removes, as they stood before.
    pub removed: Vec<LeafFacts>,
    /// How many of its proposals are by reference.
    pub by_reference: usize,
    /// Types of its proposals that are neither Add, Remove nor, in an external commit, `ExternalInit`.
    pub other_proposals: Vec<u16>,
    /// Number of members before it.
    pub members_before: usize,
    /// Its `authenticated_data`.
    pub context: CommitContext,
    /// Length of the message in bytes.
    pub message_len: usize,
}

impl CommitFacts {
    /// Number of members after the commit.
    pub fn members_after(&self) -> usize {
        let entered = usize::from(matches!(self.sender, Sender::External(_)));
        (self.members_before + self.added.len() + entered).saturating_sub(self.removed.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_id_is_case_and_generation() {
        let group = GroupId { case: CaseId::from_bytes([0xab; 16]), generation: 2 };
        assert_eq!(hex::encode(group.to_bytes()), format!("{}00000002", "ab".repeat(16)));
        assert_eq!(GroupId::from_bytes(&group.to_bytes()), Some(group));
    }

    #[test]
    fn group_id_of_another_length_or_of_the_registry_is_refused() {
        assert_eq!(GroupId::from_bytes(&[1; 19]), None);
        assert_eq!(GroupId::from_bytes(&[1; 21]), None);
        assert_eq!(GroupId::from_bytes(&[0; 20]), None);
    }
}
