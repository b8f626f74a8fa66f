//! Commits: prepared, pending, merged; and those of others, processed, judged by the caller, merged.

use custodia_core::group::context::{CommitContext, RingVersion};
use custodia_core::group::facts::{CommitFacts, Epoch, GroupId, LeafIndex};
use custodia_core::secret::Secret32;
use openmls::group::StagedCommit;
use openmls::prelude::{CreateCommitError, LeafNodeIndex, LeafNodeParameters, ProcessedMessageContent, Sender};
use openmls_traits::OpenMlsProvider as _;

use super::CaseGroup;
use crate::{Device, MlsError, MlsState, RingRow, VerifiedKeyPackage, facts, message, ring, suite};

/// What a commit is to do; with neither additions nor removals it renews the committer's leaf.
#[derive(Debug, Default)]
pub struct Changes {
    /// Devices to add.
    pub add: Vec<VerifiedKeyPackage>,
    /// Leaves to remove; never the committer's own.
    pub remove: Vec<LeafIndex>,
}

/// A commit that waits in the group's state for the answer of the server. It is *not* in effect until it is merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedCommit {
    /// The commit, an `MLSMessage`.
    pub commit: Vec<u8>,
    /// The Welcome for everybody who is added, an `MLSMessage`; `None` if nobody is.
    pub welcome: Option<Vec<u8>>,
    /// A signed `GroupInfo` of the epoch that it begins, by which a device that lost the group can resync; see [`CaseGroup::group_info`].
    pub group_info: Vec<u8>,
    /// The epoch that it begins.
    pub new_epoch: Epoch,
    /// What it does, as server and members will see it. Not judged yet: the committer applies the same rules first.
    pub facts: CommitFacts,
}

/// Another member's commit that MLS has verified and that awaits the caller's judgement.
#[derive(Debug)]
pub struct ProcessedCommit {
    /// What it does.
    pub facts: CommitFacts,
    staged: Box<StagedCommit>,
}

impl ProcessedCommit {
    /// Whether it removes this device.
    pub fn removes_us(&self) -> bool {
        self.staged.self_removed()
    }

    /// Opens the ring row that came with the commit, before the commit is merged.
    ///
    /// # Errors
    /// `RingRow` if it does not open to the commitment in the commit's context, `NotMember` if the commit removes this device.
    pub fn open_ring_row(&self, state: &MlsState, row: &RingRow) -> Result<Secret32, MlsError> {
        if self.removes_us() {
            return Err(MlsError::NotMember(self.facts.group));
        }
        let context = &self.facts.context;
        let wrap = staged_wrap_key(state, &self.staged, self.facts.group, context.ring_version)?;
        row.open(state, &wrap, (self.facts.group, self.facts.epoch.next()), context)
    }
}

/// A commit from the log, as this member meets it.
#[derive(Debug)]
pub enum Incoming {
    /// This device's own pending commit: it has won; merge the pending commit.
    Own,
    /// Another's: judge its facts, then merge it.
    Other(Box<ProcessedCommit>),
}

impl CaseGroup {
    /// Makes a commit, always with an update path that carries the device's current certificate, and leaves it pending.
    ///
    /// # Errors
    /// `CommitPending` if there is one already; `Malformed` or `Invalid` for changes that MLS does not allow, such as removing
    /// oneself or a device that is a member already. Rules are not applied here.
    pub fn prepare_commit(
        &mut self,
        state: &MlsState,
        device: &Device,
        changes: Changes,
        context: &CommitContext,
    ) -> Result<PreparedCommit, MlsError> {
        self.require_member()?;
        if self.mls.pending_commit().is_some() {
            return Err(MlsError::CommitPending);
        }
        let refused = MlsError::invalid::<CreateCommitError>;
        let leaf =
            LeafNodeParameters::builder().with_credential_with_key(device.credential()?).with_capabilities(suite::capabilities()).build();
        self.mls.set_aad(context.encode().to_vec());
        let bundle = self
            .mls
            .commit_builder()
            .consume_proposal_store(false)
            .force_self_update(true)
            .leaf_node_parameters(leaf)
            .propose_adds(changes.add.into_iter().map(|add| add.package))
            .propose_removals(changes.remove.into_iter().map(|index| LeafNodeIndex::new(index.0)))
            .load_psks(state.storage())
            .map_err(refused("commit"))?
            .create_group_info(false)
            .build(state.rand(), state.crypto(), &device.signer, |_| true)
            .map_err(refused("commit"))?
            .stage_commit(state)
            .map_err(MlsError::bug("store a commit"))?;
        let (commit, welcome, _) = bundle.into_messages();
        let commit = message::encode(&commit)?;
        let facts = self.pending_facts(state, context, commit.len())?;
        Ok(PreparedCommit {
            commit,
            welcome: welcome.as_ref().map(message::encode).transpose()?,
            group_info: self.group_info_to_come(state, device)?,
            new_epoch: self.epoch().next(),
            facts,
        })
    }

    /// The `GroupInfo` of the epoch that the pending commit begins, made over a copy in which that commit is in effect.
    fn group_info_to_come(&self, state: &MlsState, device: &Device) -> Result<Vec<u8>, MlsError> {
        let trial = state.fork();
        let mut group = Self::load(&trial, self.id)?.ok_or(MlsError::Stored)?;
        group.merge_pending(&trial)?;
        group.group_info(&trial, device)
    }

    fn pending_facts(&self, state: &MlsState, context: &CommitContext, len: usize) -> Result<CommitFacts, MlsError> {
        let staged = self.mls.pending_commit().ok_or(MlsError::NoCommitPending)?;
        let sender = Sender::Member(self.mls.own_leaf_index());
        facts::commit(self.public(), &sender, &context.encode(), staged, len, state.crypto())
    }

    /// Whether a commit of this device is pending, for example after a crash.
    pub fn has_pending_commit(&self) -> bool {
        self.mls.pending_commit().is_some()
    }

    /// Wraps ring key `version` for the epoch that the pending commit begins.
    pub fn seal_ring_row(&self, state: &MlsState, version: RingVersion, key: &Secret32) -> Result<RingRow, MlsError> {
        let staged = self.mls.pending_commit().ok_or(MlsError::NoCommitPending)?;
        let wrap = staged_wrap_key(state, staged, self.id, version)?;
        RingRow::seal(state, &wrap, (self.id, self.epoch().next(), version), key)
    }

    /// Wraps the first ring key for epoch 0, in which no commit has named a ring yet; the founding intent commits to it.
    pub fn seal_founding_ring_row(&self, state: &MlsState, key: &Secret32) -> Result<RingRow, MlsError> {
        let wrap = self.ring_wrap_key(state, RingVersion::FIRST)?;
        RingRow::seal(state, &wrap, (self.id, self.epoch(), RingVersion::FIRST), key)
    }

    /// Puts the pending commit into effect: it has won its epoch.
    pub fn merge_pending(&mut self, state: &MlsState) -> Result<(), MlsError> {
        if !self.has_pending_commit() {
            return Err(MlsError::NoCommitPending);
        }
        self.mls.merge_pending_commit(state).map_err(MlsError::bug("merge a commit"))
    }

    /// Forgets the pending commit: another has won the epoch. Never call it before the log says so.
    pub fn clear_pending(&mut self, state: &MlsState) -> Result<(), MlsError> {
        self.mls.clear_pending_commit(state.storage()).map_err(|_| MlsError::Stored)
    }

    /// Verifies a commit from the log by MLS: signature, membership and confirmation tags, path. Changes nothing yet.
    ///
    /// A pending commit of this device stays until another's is merged.
    ///
    /// # Errors
    /// `OtherEpoch` if it is not of the current one; `LocalClock` if this machine's clock is wrong; `Malformed`, `Invalid` or
    /// `Rejected` if the commit is one that no member can process.
    pub fn process(&mut self, state: &MlsState, commit: &[u8]) -> Result<Incoming, MlsError> {
        self.require_member()?;
        let public = message::decode_commit_for(commit, self.id, self.epoch())?;
        let processed = self.mls.process_message(state, public).map_err(MlsError::of_member)?;
        let (sender, aad) = (processed.sender().clone(), processed.aad().to_vec());
        let staged = match processed.into_content() {
            ProcessedMessageContent::StagedCommitMessage(staged) => staged,
            ProcessedMessageContent::OwnPendingCommit => return Ok(Incoming::Own),
            _ => return Err(MlsError::Malformed("commit")),
        };
        let facts = facts::commit(self.public(), &sender, &aad, &staged, commit.len(), state.crypto())?;
        Ok(Incoming::Other(Box::new(ProcessedCommit { facts, staged })))
    }

    /// Puts another's commit into effect, after the caller has judged its facts. A pending commit of this device is dropped.
    ///
    /// # Errors
    /// `OtherEpoch` if the group has moved since it was processed.
    pub fn merge(&mut self, state: &MlsState, commit: ProcessedCommit) -> Result<(), MlsError> {
        if commit.facts.epoch != self.epoch() || commit.facts.group != self.id {
            return Err(MlsError::OtherEpoch { message: commit.facts.epoch, group: self.epoch() });
        }
        self.mls.merge_staged_commit(state, *commit.staged).map_err(MlsError::bug("merge a commit"))
    }
}

fn staged_wrap_key(state: &MlsState, staged: &StagedCommit, group: GroupId, version: RingVersion) -> Result<Secret32, MlsError> {
    let context = ring::exporter_context(group, version);
    let mut key = staged.export_secret(state.crypto(), ring::LABEL, &context, 32).map_err(MlsError::bug("export a key"))?;
    ring::secret(&mut key)
}
