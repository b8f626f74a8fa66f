//! Joining by a Welcome: everything is shown to the caller before the group may be used.

use custodia_core::group::context::CommitContext;
use custodia_core::group::facts::{Epoch, GroupId, LeafFacts, LeafIndex};
use custodia_core::group::rules::{self, Broken, GroupRule};
use custodia_core::secret::Secret32;
use openmls::group::{MlsGroup, ProcessedWelcome};
use openmls::prelude::{JoinBuilder, MlsMessageBodyIn, WelcomeError};
use openmls_traits::OpenMlsProvider as _;

use super::{CaseGroup, mls_id};
use crate::{MlsError, MlsState, RingRow, facts, message, suite};

/// A Welcome that MLS has verified and that awaits the caller's judgement of *all* members.
#[derive(Debug)]
pub struct StagedJoin {
    /// Every leaf. Neither certificates nor keys are judged yet.
    pub members: Vec<LeafFacts>,
    /// Who made the Welcome.
    pub welcomed_by: LeafIndex,
    group: CaseGroup,
}

impl StagedJoin {
    /// Opens a Welcome that was delivered for `claimed`: the group, and the epoch that the commit in the log begins.
    ///
    /// `state` now holds the group and has used a one-time key package up; after an error, or if the caller refuses, it must
    /// be dropped without writing its changes.
    ///
    /// # Errors
    /// `NoKeyPackage`; `Rejected` by `GRP-18` if it leads elsewhere; `AlreadyMember`; `Malformed`; `Invalid`.
    pub fn open(state: &MlsState, welcome: &[u8], claimed: (GroupId, Epoch)) -> Result<Self, MlsError> {
        let MlsMessageBodyIn::Welcome(welcome) = message::decode(welcome, "Welcome", rules::MAX_MESSAGE_LEN)? else {
            return Err(MlsError::Malformed("Welcome"));
        };
        if welcome.ciphersuite() != suite::SUITE {
            return Err(Broken(GroupRule::Suite).into());
        }
        let processed = ProcessedWelcome::new_from_welcome(state, &suite::join_config(), welcome).map_err(refused)?;
        let context = processed.unverified_group_info().group_context();
        rules::welcome_names_group((facts::group_id(context)?, facts::epoch(context)), claimed)?;
        if !processed.psks().is_empty() || *context.extensions() != suite::group_extensions()? {
            return Err(MlsError::Malformed("Welcome"));
        }
        let known = MlsGroup::load(state.storage(), &mls_id(claimed.0)).map_err(|_| MlsError::Stored)?;
        if known.is_some_and(|group| group.is_active()) {
            return Err(MlsError::AlreadyMember(claimed.0));
        }
        // An expired leaf of another member must not lock a joiner out: lifetimes are judged when a leaf is added (GRP-10).
        let staged = JoinBuilder::new(state, processed).skip_lifetime_validation().replace_old_group().build().map_err(refused)?;
        let welcomed_by = LeafIndex(staged.welcome_sender_index().u32());
        let group = CaseGroup { id: claimed.0, mls: staged.into_group(state).map_err(refused)? };
        Ok(Self { members: group.members()?, welcomed_by, group })
    }

    /// This device's leaf.
    pub fn own_leaf(&self) -> LeafIndex {
        self.group.own_leaf()
    }

    /// Opens the ring row of the commit by which this device was added; see [`CaseGroup::open_ring_row`].
    pub fn open_ring_row(&self, state: &MlsState, row: &RingRow, context: &CommitContext) -> Result<Secret32, MlsError> {
        self.group.open_ring_row(state, row, context)
    }

    /// Joins, after the caller has judged all members.
    pub fn accept(self) -> CaseGroup {
        self.group
    }
}

fn refused<E: std::error::Error + Send + Sync + 'static>(error: WelcomeError<E>) -> MlsError {
    match error {
        WelcomeError::NoMatchingKeyPackage => MlsError::NoKeyPackage,
        WelcomeError::StorageError(_) => MlsError::Stored,
        other => MlsError::invalid("Welcome")(other),
    }
}
