//! From OpenMLS's types to the facts of `custodia_core::group::facts`; one way for the server and for members.

use std::collections::BTreeSet;

use custodia_core::group::context::CommitContext;
use custodia_core::group::facts::{AddedLeaf, CommitFacts, Epoch, GroupId, KeyPackageFacts, LeafFacts, LeafIndex, Sender};
use openmls::group::{GroupContext, PublicGroup, StagedCommit};
use openmls::prelude::{KeyPackage, LeafNode, LeafNodeIndex, Proposal, ProposalOrRefType, Sender as MlsSender};
use openmls_traits::crypto::OpenMlsCrypto;
use tls_codec::{Serialize as _, VLBytes};

use crate::{MlsError, credential, message};

pub(crate) fn group_id(context: &GroupContext) -> Result<GroupId, MlsError> {
    GroupId::from_bytes(context.group_id().as_slice()).ok_or(MlsError::Malformed("group id"))
}

pub(crate) fn epoch(context: &GroupContext) -> Epoch {
    Epoch(context.epoch().as_u64())
}

pub(crate) fn leaf(index: LeafIndex, node: &LeafNode) -> Result<LeafFacts, MlsError> {
    Ok(LeafFacts {
        index,
        certificate: credential::certificate(node.credential())?,
        signature_key: signature_key(node)?,
        encryption_key: encryption_key(node)?,
        extensions: node.extensions().iter().map(|extension| extension.extension_type().into()).collect(),
    })
}

/// All leaves, in the order of the tree.
pub(crate) fn leaves(group: &PublicGroup) -> Result<Vec<LeafFacts>, MlsError> {
    group.treesync().full_leaves().map(|(index, node)| leaf(LeafIndex(index.u32()), node)).collect()
}

pub(crate) fn leaf_at(group: &PublicGroup, index: LeafIndex) -> Result<LeafFacts, MlsError> {
    let node = group.leaf(LeafNodeIndex::new(index.0)).ok_or(MlsError::Malformed("leaf index"))?;
    leaf(index, node)
}

pub(crate) fn key_package(package: &KeyPackage, crypto: &impl OpenMlsCrypto) -> Result<KeyPackageFacts, MlsError> {
    let node = package.leaf_node();
    let lifetime = package.life_time();
    Ok(KeyPackageFacts {
        reference: package.hash_ref(crypto).map_err(MlsError::bug("hash a key package"))?.as_slice().to_vec(),
        suite: package.ciphersuite().into(),
        certificate: credential::certificate(node.credential())?,
        signature_key: signature_key(node)?,
        encryption_key: encryption_key(node)?,
        init_key: package.hpke_init_key().as_slice().to_vec(),
        not_before: lifetime.not_before(),
        not_after: lifetime.not_after(),
        last_resort: package.last_resort(),
        leaf_extensions: node.extensions().iter().map(|extension| extension.extension_type().into()).collect(),
        extensions: package.extensions().iter().map(|extension| extension.extension_type().into()).collect(),
    })
}

/// The facts of a staged commit. `before` is the group as it was; `sender` and `aad` come from the message that MLS verified.
pub(crate) fn commit(
    before: &PublicGroup,
    sender: &MlsSender,
    aad: &[u8],
    staged: &StagedCommit,
    message_len: usize,
    crypto: &impl OpenMlsCrypto,
) -> Result<CommitFacts, MlsError> {
    let external = match sender {
        MlsSender::Member(_) => false,
        MlsSender::NewMemberCommit => true,
        MlsSender::External(_) | MlsSender::NewMemberProposal => return Err(MlsError::Malformed("commit's sender")),
    };
    let mut free = FreeLeaves::of(before);
    let (mut packages, mut removed, mut other_proposals, mut by_reference) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for queued in staged.queued_proposals() {
        by_reference += usize::from(queued.proposal_or_ref_type() == ProposalOrRefType::Reference);
        match queued.proposal() {
            Proposal::Add(add) => packages.push(key_package(add.key_package(), crypto)?),
            Proposal::Remove(remove) => {
                let index = LeafIndex(remove.removed().u32());
                removed.push(leaf_at(before, index)?);
                free.vacate(index);
            }
            Proposal::ExternalInit(_) if external => {}
            other => other_proposals.push(other.proposal_type().into()),
        }
    }
    // OpenMLS keeps proposals by type, so their order is that of the message only within a type.
    removed.sort_unstable_by_key(|leaf| leaf.index);
    // An external joiner takes its leaf after the proposals are applied (RFC 9420 §12.4.3.2); it may not add (`GRP-06`).
    let added = packages.into_iter().map(|key_package| AddedLeaf { index: free.take(), key_package }).collect();
    let sender = match sender {
        MlsSender::Member(index) => Sender::Member(LeafIndex(index.u32())),
        _ => Sender::External(free.take()),
    };
    let sender_before = match sender {
        Sender::Member(index) => Some(leaf_at(before, index)?),
        Sender::External(_) => None,
    };
    let sender_after = staged.update_path_leaf_node().map(|node| leaf(sender.leaf(), node)).transpose()?;
    Ok(CommitFacts {
        group: group_id(before.group_context())?,
        epoch: epoch(before.group_context()),
        sender,
        sender_before,
        sender_after,
        added,
        removed,
        by_reference,
        other_proposals,
        members_before: before.treesync().full_leaves().count(),
        context: CommitContext::decode(aad).map_err(|_| MlsError::Malformed("commit context"))?,
        message_len,
    })
}

/// Which leaf is taken next: the leftmost that no member holds (RFC 9420 §7.7).
struct FreeLeaves(BTreeSet<u32>);

impl FreeLeaves {
    fn of(group: &PublicGroup) -> Self {
        Self(group.treesync().full_leaves().map(|(index, _)| index.u32()).collect())
    }

    fn vacate(&mut self, index: LeafIndex) {
        self.0.remove(&index.0);
    }

    fn take(&mut self) -> LeafIndex {
        let free = (0..).zip(&self.0).find(|(expected, held)| expected != *held).map(|(expected, _)| expected);
        let index = free.unwrap_or_else(|| u32::try_from(self.0.len()).unwrap_or(u32::MAX));
        self.0.insert(index);
        LeafIndex(index)
    }
}

fn signature_key(node: &LeafNode) -> Result<[u8; 32], MlsError> {
    node.signature_key().as_slice().try_into().map_err(|_| MlsError::Malformed("signature key"))
}

fn encryption_key(node: &LeafNode) -> Result<Vec<u8>, MlsError> {
    let vector = node.encryption_key().tls_serialize_detached().map_err(MlsError::bug("encode a key"))?;
    let key: VLBytes = message::exactly(&vector).ok_or(MlsError::Malformed("encryption key"))?;
    Ok(key.into())
}
