//! Resync: a member whose state is lost or stuck comes back by an external commit that removes its own old leaf.

use custodia_core::group::context::CommitContext;
use custodia_core::group::facts::{Epoch, GroupId, LeafFacts, LeafIndex};
use custodia_core::group::rules::{Broken, GroupRule, MAX_MESSAGE_LEN};
use openmls::group::ExternalCommitBuilder;
use openmls::messages::group_info::VerifiableGroupInfo;
use openmls::prelude::{LeafNodeParameters, MlsMessageBodyIn, RatchetTreeIn};
use openmls_traits::OpenMlsProvider as _;

use super::{CaseGroup, mls_id};
use crate::{Device, MlsError, MlsState, RowChanges, credential, facts, message, suite};

/// An external commit that awaits the answer of the server; the device's state is as it was.
#[derive(Debug)]
pub struct PreparedResync {
    /// The commit, an `MLSMessage`.
    pub commit: Vec<u8>,
    /// A signed `GroupInfo` of the epoch that it begins; see [`CaseGroup::group_info`].
    pub group_info: Vec<u8>,
    /// The epoch that it starts from.
    pub epoch: Epoch,
    /// The confirmed transcript hash of that epoch.
    pub transcript: Vec<u8>,
    /// The epoch that it begins.
    pub new_epoch: Epoch,
    /// The certificate of the leaf that it removes, in DER.
    pub replaces: Vec<u8>,
    /// Every leaf after it. Judge them all, as at a join, before the commit is sent.
    pub members: Vec<LeafFacts>,
    /// The leaf that this device takes.
    pub own_leaf: LeafIndex,
    /// What the state becomes *if the commit wins*: store it with the outbox, and then [`MlsState::apply`] it.
    pub changes: RowChanges,
}

impl CaseGroup {
    /// Prepares a resync in the epoch of a `GroupInfo` (as [`CaseGroup::group_info`] gives it) over the server's ratchet tree.
    ///
    /// `context` must repeat the ring version and commitment of the current epoch (`GRP-15`). Nothing in `state` changes.
    ///
    /// # Errors
    /// `Rejected` by `GRP-01` if the group info is of another group, by `GRP-06` if this device's key has no leaf in the tree;
    /// `TooLarge`, `Malformed`, `Invalid`.
    pub fn prepare_resync(
        state: &MlsState,
        device: &Device,
        id: GroupId,
        group_info: &[u8],
        tree: &[u8],
        context: &CommitContext,
    ) -> Result<PreparedResync, MlsError> {
        let info = decode_group_info(group_info)?;
        if info.group_id() != &mls_id(id) {
            return Err(Broken(GroupRule::NamesGroup).into());
        }
        let (epoch, transcript) = (facts::epoch(info.group_context()), info.group_context().confirmed_transcript_hash().to_vec());
        let tree = decode_tree(tree)?;
        let own = device.signer.public_key();
        let old = tree.leaves().find(|leaf| leaf.signature_key().as_slice() == own).ok_or(Broken(GroupRule::Resync))?;
        let replaces = credential::certificate(old.credential())?;
        let mut trial = state.fork();
        if let Some(old) = Self::load(&trial, id)? {
            old.erase(&trial)?;
        }
        let leaf = LeafNodeParameters::builder().with_capabilities(suite::capabilities()).build();
        let (mls, bundle) = ExternalCommitBuilder::new()
            .with_ratchet_tree(tree)
            .with_config(suite::join_config())
            .with_aad(context.encode().to_vec())
            .skip_lifetime_validation()
            .build_group(&trial, info, device.credential()?)
            .map_err(MlsError::invalid("group info"))?
            .leaf_node_parameters(leaf)
            .load_psks(trial.storage())
            .map_err(MlsError::invalid("resync"))?
            .create_group_info(false)
            .build(trial.rand(), trial.crypto(), &device.signer, |_| true)
            .map_err(MlsError::invalid("resync"))?
            .finalize(&trial)
            .map_err(MlsError::bug("store a resync"))?;
        let group = Self { id, mls };
        Ok(PreparedResync {
            commit: message::encode(bundle.commit())?,
            group_info: group.group_info(&trial, device)?,
            epoch,
            transcript,
            new_epoch: group.epoch(),
            replaces,
            members: group.members()?,
            own_leaf: group.own_leaf(),
            changes: trial.take_changes(),
        })
    }

    /// Whether a `GroupInfo` that someone uploaded for the current epoch names the same context and external key as this member's.
    ///
    /// A server cannot check the external key; with a wrong one every resync would be a poison commit of an innocent device.
    pub fn agrees_with(&self, state: &MlsState, device: &Device, group_info: &[u8]) -> Result<bool, MlsError> {
        let theirs = decode_group_info(group_info)?;
        let ours = decode_group_info(&self.group_info(state, device)?)?;
        Ok(theirs.group_context() == ours.group_context() && theirs.extensions().external_pub() == ours.extensions().external_pub())
    }
}

pub(crate) fn decode_group_info(bytes: &[u8]) -> Result<VerifiableGroupInfo, MlsError> {
    let MlsMessageBodyIn::GroupInfo(info) = message::decode(bytes, "group info", MAX_MESSAGE_LEN)? else {
        return Err(MlsError::Malformed("group info"));
    };
    if info.ciphersuite() != suite::SUITE {
        return Err(Broken(GroupRule::Suite).into());
    }
    facts::group_id(info.group_context())?;
    if *info.group_context().extensions() != suite::group_extensions()? {
        return Err(MlsError::Malformed("group info"));
    }
    Ok(info)
}

pub(crate) fn decode_tree(bytes: &[u8]) -> Result<RatchetTreeIn, MlsError> {
    if bytes.len() > MAX_MESSAGE_LEN {
        return Err(MlsError::TooLarge { what: "ratchet tree", len: bytes.len(), limit: MAX_MESSAGE_LEN });
    }
    message::exactly(bytes).ok_or(MlsError::Malformed("ratchet tree"))
}
