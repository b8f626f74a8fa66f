//! A case group as a member holds it.
//!
//! Every function works on an [`MlsState`] in memory; what it changed is durable only when the caller has written
//! [`MlsState::take_changes`] in its transaction. After an error, or a rollback, drop group and state and load them again.

mod commit;
mod join;
pub(crate) mod resync;

use custodia_core::digest::Sha256Digest;
use custodia_core::group::context::{CommitContext, RingVersion};
use custodia_core::group::facts::{Epoch, GroupId, LeafFacts, LeafIndex};
use custodia_core::secret::Secret32;
use openmls::group::{MlsGroup, PublicGroup};
use openmls::prelude::{GroupId as MlsGroupId, NewGroupError};
use openmls_traits::OpenMlsProvider as _;

pub use commit::{Changes, Incoming, PreparedCommit, ProcessedCommit};
pub use join::StagedJoin;
pub use resync::PreparedResync;

use crate::{Device, MlsError, MlsState, RingRow, facts, message, ring, suite};

/// The MLS group of a case, as one of its members (or a removed one) holds it.
#[derive(Debug)]
pub struct CaseGroup {
    id: GroupId,
    mls: MlsGroup,
}

/// A new group, and what the server needs to follow it.
#[derive(Debug)]
pub struct Founded {
    /// The group at epoch 0.
    pub group: CaseGroup,
    /// Signed `GroupInfo` with the one-leaf tree, an `MLSMessage`.
    pub group_info: Vec<u8>,
}

impl CaseGroup {
    /// Founds a group with this device as its only member. `now` in seconds since 1970, by the device's clock.
    ///
    /// # Errors
    /// `AlreadyMember` if the state has a group of that id.
    pub fn found(state: &MlsState, device: &Device, id: GroupId, now: u64) -> Result<Founded, MlsError> {
        let config = suite::create_config(now)?;
        let mls =
            MlsGroup::new_with_group_id(state, &device.signer, &config, mls_id(id), device.credential()?).map_err(|error| match error {
                NewGroupError::GroupAlreadyExists => MlsError::AlreadyMember(id),
                other => MlsError::bug("found a group")(other),
            })?;
        let info = mls.export_group_info(state.crypto(), &device.signer, true).map_err(MlsError::bug("sign a group info"))?;
        Ok(Founded { group: Self { id, mls }, group_info: message::encode(&info)? })
    }

    /// Loads a group; `None` if the state has none of that id.
    pub fn load(state: &MlsState, id: GroupId) -> Result<Option<Self>, MlsError> {
        let mls = MlsGroup::load(state.storage(), &mls_id(id)).map_err(|_| MlsError::Stored)?;
        Ok(mls.map(|mls| Self { id, mls }))
    }

    /// Erases the group's secrets, after this device was removed or a successor group has taken over.
    pub fn erase(mut self, state: &MlsState) -> Result<(), MlsError> {
        self.mls.delete(state.storage()).map_err(|_| MlsError::Stored)
    }

    /// The group's id.
    pub const fn id(&self) -> GroupId {
        self.id
    }

    /// The current epoch. A pending commit does not count.
    pub fn epoch(&self) -> Epoch {
        Epoch(self.mls.epoch().as_u64())
    }

    /// Whether this device is a member in the current epoch.
    pub fn is_member(&self) -> bool {
        self.mls.is_active()
    }

    /// This device's leaf.
    pub fn own_leaf(&self) -> LeafIndex {
        LeafIndex(self.mls.own_leaf_index().u32())
    }

    /// All leaves in the order of the tree.
    pub fn members(&self) -> Result<Vec<LeafFacts>, MlsError> {
        facts::leaves(self.public())
    }

    /// The confirmed transcript hash of the current epoch: 48 bytes, empty at epoch 0.
    pub fn confirmed_transcript_hash(&self) -> &[u8] {
        self.public().group_context().confirmed_transcript_hash()
    }

    /// SHA-256 of the epoch authenticator (RFC 9420 §8.7), which two people can compare to know that they are in the same epoch.
    pub fn epoch_authenticator(&self) -> Sha256Digest {
        Sha256Digest::of(&[self.mls.epoch_authenticator().as_slice()])
    }

    /// A signed `GroupInfo` of the current epoch without the tree, an `MLSMessage`, by which a device can resync.
    pub fn group_info(&self, state: &MlsState, device: &Device) -> Result<Vec<u8>, MlsError> {
        self.require_member()?;
        let info = self.mls.export_group_info(state.crypto(), &device.signer, false).map_err(MlsError::bug("sign a group info"))?;
        message::encode(&info)
    }

    /// The key that wraps ring key `version` in the current epoch.
    pub fn ring_wrap_key(&self, state: &MlsState, version: RingVersion) -> Result<Secret32, MlsError> {
        self.require_member()?;
        let context = ring::exporter_context(self.id, version);
        let mut key = self.mls.export_secret(state.crypto(), ring::LABEL, &context, 32).map_err(MlsError::bug("export a key"))?;
        ring::secret(&mut key)
    }

    /// Opens the ring row of the current epoch, and compares the key with the commitment in the context of the commit that began it.
    ///
    /// # Errors
    /// `RingRow` if the row is for another place, does not open, or opens to another key.
    pub fn open_ring_row(&self, state: &MlsState, row: &RingRow, context: &CommitContext) -> Result<Secret32, MlsError> {
        row.open(state, &self.ring_wrap_key(state, context.ring_version)?, (self.id, self.epoch()), context)
    }

    fn public(&self) -> &PublicGroup {
        self.mls.public_group()
    }

    fn require_member(&self) -> Result<(), MlsError> {
        if self.is_member() { Ok(()) } else { Err(MlsError::NotMember(self.id)) }
    }
}

fn mls_id(id: GroupId) -> MlsGroupId {
    MlsGroupId::from_slice(&id.to_bytes())
}

#[cfg(test)]
mod tests;
