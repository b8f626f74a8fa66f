//! Case groups over OpenMLS: turns its types into the plain facts that `custodia-core`'s rules judge.
//!
//! A member holds a [`CaseGroup`] over an [`MlsState`], the delivery service a [`FollowedGroup`] in one blob. Both hand out the
//! same [`CommitFacts`](custodia_core::group::facts::CommitFacts) for the same commit, before anything is changed. What this
//! crate does *not* do: validate certificates, apply rules about persons (`custodia_core::group::rules`), store, send.
//!
//! No I/O and no SQL. OpenMLS reads the system clock when it meets a key package's lifetime; see [`MlsError::LocalClock`].
//! The format is `docs/spec/groups.md`.

mod credential;
mod error;
mod facts;
mod group;
mod key_package;
mod message;
mod public;
mod ring;
mod signer;
mod state;
mod suite;

#[cfg(test)]
mod tests;

pub use credential::MAX_CERTIFICATE_LEN;
pub use error::MlsError;
pub use group::{CaseGroup, Changes, Founded, Incoming, PreparedCommit, PreparedResync, ProcessedCommit, StagedJoin};
pub use key_package::{BuiltKeyPackage, KeyPackageUse, MAX_KEY_PACKAGE_LEN, VerifiedKeyPackage};
pub use message::{CommitEnvelope, commit_context, commit_envelope};
pub use public::{CheckedCommit, FollowedGroup, MAX_BLOB_LEN};
pub use ring::RingRow;
pub use signer::{Device, DeviceSigner};
pub use state::{MlsState, RowChanges, RowOwner};
