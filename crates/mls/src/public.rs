//! A case group as the delivery service follows it: public state in one blob, no secrets.

use std::sync::PoisonError;

use custodia_core::digest::Sha256Digest;
use custodia_core::group::facts::{CommitFacts, Epoch, GroupId, LeafFacts};
use custodia_core::group::rules;
use openmls::group::{ProposalStore, PublicGroup, StagedCommit};
use openmls::prelude::{LeafNodeIndex, ProcessedMessageContent, Verifiable as _};
use openmls_memory_storage::MemoryStorage;
use openmls_rust_crypto::RustCrypto;
use tls_codec::{Deserialize as _, Serialize as _, VLBytes};

use crate::group::resync::decode_group_info;
use crate::{MlsError, facts, message};

/// Longest blob in bytes.
pub const MAX_BLOB_LEN: usize = 64 * 1024 * 1024;

/// The public state of a group at one epoch, followed by commits from epoch 0.
///
/// A [`PublicGroup`] checks signatures, trees and transcript, but neither membership tag nor confirmation tag nor what is
/// encrypted: a commit that it follows may be one that no member can process. Who delivers it is compared by `GRP-09`.
///
/// ```text
/// blob: size  field
///          1  version, 2
///         20  group id
///          4  number of rows (u32)
///        then, sorted by key, for each row:
///          4  length of key (u32), key
///          4  length of value (u32), value
///         32  SHA-256 of everything before
/// ```
/// Keys and values are OpenMLS 0.9's own (`openmls_memory_storage` 0.6): the blob is private to a server and no exchange format. OpenMLS panics on
/// some damaged values, so damage is noticed before it reads them.
#[derive(Debug)]
pub struct FollowedGroup {
    id: GroupId,
    public: PublicGroup,
    storage: MemoryStorage,
    crypto: RustCrypto,
}

/// A commit that MLS has verified as far as the public state allows and that awaits the caller's judgement.
#[derive(Debug)]
pub struct CheckedCommit {
    /// What it does; a member that can process it sees the same.
    pub facts: CommitFacts,
    staged: Box<StagedCommit>,
}

impl FollowedGroup {
    const VERSION: u8 = 2;

    /// Begins to follow a group from its founder's signed `GroupInfo` with the one-leaf tree.
    ///
    /// # Errors
    /// `Rejected` by `GRP-01` if it is of another group, by `GRP-19` if it is not epoch 0 with one leaf, by `GRP-11`, `12` or `21`.
    pub fn found(id: GroupId, group_info: &[u8]) -> Result<Self, MlsError> {
        let info = decode_group_info(group_info)?;
        if facts::group_id(info.group_context())? != id {
            return Err(rules::Broken(rules::GroupRule::NamesGroup).into());
        }
        let (crypto, storage) = (RustCrypto::default(), MemoryStorage::default());
        let tree = info.extensions().ratchet_tree().ok_or(MlsError::Malformed("group info"))?.ratchet_tree().clone();
        let (public, _) =
            PublicGroup::from_external(&crypto, &storage, tree, info, ProposalStore::new()).map_err(MlsError::invalid("group info"))?;
        let group = Self { id, public, storage, crypto };
        rules::founds_group(group.epoch(), &group.members()?)?;
        Ok(group)
    }

    /// Loads a group from its blob.
    ///
    /// # Errors
    /// `TooLarge`, or `Stored` if the bytes are not such a blob.
    pub fn load(blob: &[u8]) -> Result<Self, MlsError> {
        if blob.len() > MAX_BLOB_LEN {
            return Err(MlsError::TooLarge { what: "group state", len: blob.len(), limit: MAX_BLOB_LEN });
        }
        let (id, rows) = parse_blob(blob).ok_or(MlsError::Stored)?;
        let storage = MemoryStorage { values: rows.into_iter().collect::<std::collections::HashMap<_, _>>().into() };
        let mls_id = openmls::group::GroupId::from_slice(&id.to_bytes());
        let public = PublicGroup::load(&storage, &mls_id).ok().flatten().ok_or(MlsError::Stored)?;
        if facts::group_id(public.group_context())? != id {
            return Err(MlsError::Stored);
        }
        Ok(Self { id, public, storage, crypto: RustCrypto::default() })
    }

    /// The blob: the same bytes for the same state.
    pub fn to_blob(&self) -> Vec<u8> {
        let values = self.storage.values.read().unwrap_or_else(PoisonError::into_inner);
        let mut rows: Vec<_> = values.iter().collect();
        rows.sort_unstable();
        let mut out = vec![Self::VERSION];
        out.extend(self.id.to_bytes());
        out.extend(length(rows.len()));
        for (key, value) in rows {
            for part in [key, value] {
                out.extend(length(part.len()));
                out.extend(part);
            }
        }
        let digest = Sha256Digest::of(&[&out]);
        out.extend(digest.as_bytes());
        out
    }

    /// The group's id.
    pub const fn id(&self) -> GroupId {
        self.id
    }

    /// The current epoch.
    pub fn epoch(&self) -> Epoch {
        facts::epoch(self.public.group_context())
    }

    /// All leaves in the order of the tree: the access-control list.
    pub fn members(&self) -> Result<Vec<LeafFacts>, MlsError> {
        facts::leaves(&self.public)
    }

    /// The confirmed transcript hash of the current epoch: 48 bytes, empty at epoch 0.
    pub fn confirmed_transcript_hash(&self) -> &[u8] {
        self.public.group_context().confirmed_transcript_hash()
    }

    /// The ratchet tree (`optional<Node> ratchet_tree<V>`), for a device that resyncs.
    pub fn ratchet_tree(&self) -> Result<Vec<u8>, MlsError> {
        self.public.export_ratchet_tree().tls_serialize_detached().map_err(MlsError::bug("encode a tree"))
    }

    /// Verifies a commit as far as the public state allows. Changes nothing.
    ///
    /// # Errors
    /// `OtherEpoch` (the epoch has its commit already); `Rejected` by `GRP-01` or `GRP-03`; `Malformed`, `TooLarge`, `Invalid`;
    /// `LocalClock` if this server's clock lies outside an added key package's lifetime.
    pub fn check(&self, commit: &[u8]) -> Result<CheckedCommit, MlsError> {
        let public = message::decode_commit_for(commit, self.id, self.epoch())?;
        let processed = self.public.process_message(&self.crypto, public).map_err(MlsError::of_follower)?;
        let (sender, aad) = (processed.sender().clone(), processed.aad().to_vec());
        let ProcessedMessageContent::StagedCommitMessage(staged) = processed.into_content() else {
            return Err(MlsError::Malformed("commit"));
        };
        let facts = facts::commit(&self.public, &sender, &aad, &staged, commit.len(), &self.crypto)?;
        Ok(CheckedCommit { facts, staged })
    }

    /// Follows a commit, after the caller has judged its facts; then store [`to_blob`](Self::to_blob) in the same transaction.
    ///
    /// # Errors
    /// `OtherEpoch` if the group has moved since it was checked.
    pub fn apply(&mut self, commit: CheckedCommit) -> Result<(), MlsError> {
        if commit.facts.epoch != self.epoch() || commit.facts.group != self.id {
            return Err(MlsError::OtherEpoch { message: commit.facts.epoch, group: self.epoch() });
        }
        self.public.merge_commit(&self.storage, *commit.staged).map_err(MlsError::bug("follow a commit"))
    }

    /// Checks a `GroupInfo` that a member uploads for resyncs: of the current epoch, with the true context and confirmation tag,
    /// signed by a leaf. Returns that leaf. Its external key cannot be checked here; see [`CaseGroup::agrees_with`](crate::CaseGroup::agrees_with).
    pub fn check_group_info(&self, group_info: &[u8]) -> Result<LeafFacts, MlsError> {
        const FAULT: MlsError = MlsError::Malformed("group info");
        let info = decode_group_info(group_info)?;
        if info.epoch() != self.public.group_context().epoch() {
            return Err(MlsError::OtherEpoch { message: Epoch(info.epoch().as_u64()), group: self.epoch() });
        }
        if info.group_context() != self.public.group_context() || info.extensions().external_pub().is_none() {
            return Err(FAULT);
        }
        // GroupInfoTBS = GroupContext ‖ extensions ‖ confirmation tag ‖ signer (u32); OpenMLS shows the first two.
        let tbs = info.unsigned_payload().map_err(MlsError::bug("encode a group info"))?;
        let skip = [
            info.group_context().tls_serialize_detached().map_err(MlsError::bug("encode a group info"))?,
            info.extensions().tls_serialize_detached().map_err(MlsError::bug("encode a group info"))?,
        ]
        .concat();
        let mut tail = tbs.strip_prefix(skip.as_slice()).ok_or(FAULT)?;
        let tag = VLBytes::tls_deserialize(&mut tail).map_err(|_| FAULT)?;
        let signer = u32::from_be_bytes(tail.try_into().map_err(|_| FAULT)?);
        let ours = self.public.confirmation_tag().tls_serialize_detached().map_err(MlsError::bug("encode a tag"))?;
        if tag.tls_serialize_detached().map_err(MlsError::bug("encode a tag"))? != ours {
            return Err(FAULT);
        }
        let leaf = self.public.leaf(LeafNodeIndex::new(signer)).ok_or(FAULT)?;
        let key = leaf.signature_key().clone().into_signature_public_key_enriched(self.public.ciphersuite().signature_algorithm());
        info.verify_no_out(&self.crypto, &key).map_err(MlsError::invalid("group info"))?;
        facts::leaf(custodia_core::group::facts::LeafIndex(signer), leaf)
    }
}

fn length(len: usize) -> [u8; 4] {
    u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes()
}

type Rows = Vec<(Vec<u8>, Vec<u8>)>;

fn parse_blob(blob: &[u8]) -> Option<(GroupId, Rows)> {
    let (content, digest) = blob.split_last_chunk::<32>()?;
    (Sha256Digest::of(&[content]).as_bytes() == digest).then_some(())?;
    let (version, rest) = content.split_first()?;
    let (id, rest) = rest.split_first_chunk::<{ GroupId::LEN }>()?;
    let (count, mut rest) = rest.split_first_chunk::<4>()?;
    (*version == FollowedGroup::VERSION).then_some(())?;
    let mut rows = Rows::new();
    for _ in 0..u32::from_be_bytes(*count) {
        let key = take(&mut rest)?;
        if rows.last().is_some_and(|(last, _)| *last >= key) {
            return None;
        }
        rows.push((key, take(&mut rest)?));
    }
    rest.is_empty().then_some((GroupId::from_bytes(id)?, rows))
}

fn take(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let (len, tail) = rest.split_first_chunk::<4>()?;
    let (part, tail) = tail.split_at_checked(usize::try_from(u32::from_be_bytes(*len)).ok()?)?;
    *rest = tail;
    Some(part.to_vec())
}
