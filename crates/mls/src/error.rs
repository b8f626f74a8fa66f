//! One error for the crate; a variant says whose fault it is.

use custodia_core::group::facts::{Epoch, GroupId};
use custodia_core::group::rules::{Broken, GroupRule};
use openmls::group::{ProcessMessageError, StageCommitError};
use openmls::prelude::{ExternalCommitValidationError, ProposalValidationError, PublicProcessMessageError};
use openmls::treesync::errors::LeafNodeValidationError;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why an operation on a case group was not done.
#[derive(Debug, thiserror::Error)]
pub enum MlsError {
    /// The bytes are not what they should be; the sender's fault.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// The bytes are more than the limit; nothing was decoded.
    #[error("{what} of {len} bytes, at most {limit}")]
    TooLarge {
        /// What the bytes claim to be.
        what: &'static str,
        /// Their number.
        len: usize,
        /// The limit.
        limit: usize,
    },
    /// A rule of case groups is broken; the sender's fault.
    #[error("refused by {0}")]
    Rejected(#[from] Broken),
    /// MLS refuses the message (signature, tree, path, confirmation tag); the sender's fault. A member that meets this
    /// in a commit of the log has met a poison commit, and reports it.
    #[error("MLS refuses the {what}")]
    Invalid {
        /// What was refused.
        what: &'static str,
        /// OpenMLS's reason.
        source: Source,
    },
    /// The message is of another epoch than the group; read the log.
    #[error("message of epoch {message}, the group is at {group}")]
    OtherEpoch {
        /// The message's epoch.
        message: Epoch,
        /// The group's epoch.
        group: Epoch,
    },
    /// This machine's clock lies outside the lifetime of an added key package. It says nothing about the commit:
    /// correct the clock, or resync; never report the commit.
    #[error("this machine's clock lies outside a key package's lifetime")]
    LocalClock,
    /// This device was removed from the group.
    #[error("this device is no member of {0} any more")]
    NotMember(GroupId),
    /// This device is in the group already.
    #[error("this device is a member of {0} already")]
    AlreadyMember(GroupId),
    /// A commit of this device waits to be merged or cleared first.
    #[error("a commit of this device is pending")]
    CommitPending,
    /// There is no commit to be merged.
    #[error("no commit of this device is pending")]
    NoCommitPending,
    /// No key package of this device belongs to the Welcome: used before, or for another device.
    #[error("no key package of this device belongs to the Welcome")]
    NoKeyPackage,
    /// A ring row does not open to the commitment of its commit; the committer's fault, reported like a poison commit.
    #[error("the ring row does not open to its commitment")]
    RingRow,
    /// Stored rows do not make a group: damaged, or of another version.
    #[error("the stored state of the group is damaged")]
    Stored,
    /// OpenMLS failed where it should not.
    #[error("MLS failed to {what}")]
    Bug {
        /// What was attempted.
        what: &'static str,
        /// OpenMLS's reason.
        source: Source,
    },
}

impl MlsError {
    pub(crate) fn bug<E: std::error::Error + Send + Sync + 'static>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Bug { what, source: Box::new(source) }
    }

    pub(crate) fn invalid<E: std::error::Error + Send + Sync + 'static>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Invalid { what, source: Box::new(source) }
    }

    pub(crate) fn of_member<E: std::error::Error + Send + Sync + 'static>(error: ProcessMessageError<E>) -> Self {
        match error {
            ProcessMessageError::InvalidCommit(stage) => Self::of_stage(stage),
            ProcessMessageError::StorageError(_) => Self::Stored,
            other => Self::Invalid { what: "commit", source: Box::new(other) },
        }
    }

    pub(crate) fn of_follower(error: PublicProcessMessageError) -> Self {
        match error {
            PublicProcessMessageError::InvalidCommit(stage) => Self::of_stage(stage),
            other => Self::Invalid { what: "commit", source: Box::new(other) },
        }
    }

    fn of_stage(error: StageCommitError) -> Self {
        let leaf = match &error {
            StageCommitError::MissingProposal
            | StageCommitError::ExternalCommitValidation(ExternalCommitValidationError::ReferencedProposal) => {
                return Broken(GroupRule::ByValue).into();
            }
            StageCommitError::RequiredPathNotFound | StageCommitError::ExternalCommitValidation(ExternalCommitValidationError::NoPath) => {
                return Broken(GroupRule::HasPath).into();
            }
            StageCommitError::LeafNodeValidation(leaf)
            | StageCommitError::ProposalValidationError(ProposalValidationError::LeafNodeValidation(leaf)) => Some(leaf),
            _ => None,
        };
        match leaf {
            Some(LeafNodeValidationError::Lifetime(_)) => Self::LocalClock,
            _ => Self::Invalid { what: "commit", source: Box::new(error) },
        }
    }
}
