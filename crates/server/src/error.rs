//! Two errors: why a server does not start, and why an act or a request is not done.

use std::io;
use std::path::{Path, PathBuf};

use custodia_api::error::{ErrorBody, ErrorCode};
use custodia_core::custody::receipt::Receipt;
use custodia_core::custody::rules::ACC_01;
use custodia_core::time::LogTime;

use crate::config::Problem;
use crate::objects::ObjectError;
use crate::store::StoreError;

/// Why a server could not be made or started. The operator reads it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration has problems.
    #[error("the configuration cannot be used: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Config(Vec<Problem>),
    /// A file or folder.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was attempted.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A key file is not what it should be.
    #[error("{} cannot be used: {message}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        message: &'static str,
    },
    /// The database.
    #[error("database: {0}")]
    Database(String),
    /// The object store.
    #[error("object store: {0}")]
    Objects(String),
    /// What the database holds is not a log that this server can continue.
    #[error("{0}")]
    Log(String),
    /// TLS certificate or key.
    #[error("TLS: {0}")]
    Tls(String),
}

impl StartError {
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        Self::Database(error.to_string())
    }
}

/// Why a revoked device's certificate does not count.
pub(crate) const REVOKED: &str = "it was revoked";

/// Why a request was not done; each answers one code of the contract.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The request is not of the contract, or bytes are not those that the intent names.
    #[error("{0}")]
    Malformed(String),
    /// Longer than the limit.
    #[error("{0} is longer than this server reads")]
    TooLarge(&'static str),
    /// No good signature.
    #[error("{0}")]
    NotAuthenticated(String),
    /// Signed at a time that is too far from the server's clock.
    #[error("this was signed at {signed}, and the server's clock shows {now}: one of the two clocks is wrong")]
    ClockSkew {
        /// The sender's time.
        signed: LogTime,
        /// The server's.
        now: LogTime,
    },
    /// The nonce was used.
    #[error("this request was sent before")]
    Replayed,
    /// The registry does not know the certificate.
    #[error("no office has enrolled this device's certificate")]
    UnknownDevice,
    /// Revoked, expired or no longer covered by the trust list.
    #[error("this device's certificate is not in good standing: {standing}")]
    NotInGoodStanding {
        /// Why.
        standing: &'static str,
        /// The refusal's own record, if the request held a genuine act.
        receipt: Option<Box<Receipt>>,
    },
    /// A rule refused the act.
    #[error("{demands}")]
    Rule {
        /// Its id.
        rule: String,
        /// What it demands.
        demands: String,
        /// The refusal's own record, if it was entered.
        receipt: Option<Box<Receipt>>,
    },
    /// Nothing that this device may know of.
    #[error("there is no such {0}, or this device may not know of it")]
    NotFound(&'static str),
    /// Another commit won the epoch.
    #[error("another commit won this epoch")]
    StaleEpoch {
        /// The group's epoch now.
        current: u64,
    },
    /// The id was used with other content.
    #[error("{0}")]
    Conflict(&'static str),
    /// Bytes do not have the digest that is their name.
    #[error("{0}")]
    DigestMismatch(&'static str),
    /// Objects are not all stored.
    #[error("{missing} of the objects named are not stored")]
    ObjectsMissing {
        /// How many.
        missing: usize,
    },
    /// The store holds other bytes under an object's name.
    #[error("the object store holds other bytes under that object's name; they are not given out")]
    ObjectDamaged,
    /// Too many.
    #[error("{0}")]
    TooMany(&'static str),
    /// A store does not answer, or the server stopped appending.
    #[error("{0}")]
    Unavailable(String),
    /// A fault of this program.
    #[error("the server failed: {0}")]
    Internal(&'static str),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NumberTooLarge => Self::Malformed("a number is larger than 2^63".to_owned()),
            StoreError::Unavailable(source) => {
                tracing::error!(error = %source, "the database (data.database of the configuration) does not answer");
                Self::Unavailable("the database does not answer".to_owned())
            }
            StoreError::Exists => {
                tracing::error!("a row was written twice");
                Self::Internal("a row was written twice")
            }
            StoreError::Corrupt(what) => {
                tracing::error!(what, "the database holds a row that this program did not write");
                Self::Internal("the database holds a row that this program did not write")
            }
        }
    }
}

impl From<ObjectError> for Refusal {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::NotItsName => Self::DigestMismatch("the bytes do not have the digest that is the object's name"),
            ObjectError::Missing => Self::NotFound("object"),
            ObjectError::Range => Self::Malformed("the range does not lie within the object".to_owned()),
            ObjectError::Damaged => {
                tracing::error!("the object store holds other bytes under an object's name");
                Self::ObjectDamaged
            }
            ObjectError::Unavailable(source) => {
                tracing::error!(error = %source, "the object store (store.folder or store.s3 of the configuration) does not answer");
                Self::Unavailable("the object store does not answer".to_owned())
            }
        }
    }
}

impl Refusal {
    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Malformed(_) => ErrorCode::Malformed,
            Self::TooLarge(_) => ErrorCode::TooLarge,
            Self::NotAuthenticated(_) => ErrorCode::NotAuthenticated,
            Self::ClockSkew { .. } => ErrorCode::ClockSkew,
            Self::Replayed => ErrorCode::Replayed,
            Self::UnknownDevice => ErrorCode::UnknownDevice,
            Self::NotInGoodStanding { .. } => ErrorCode::DeviceNotInGoodStanding,
            Self::Rule { .. } => ErrorCode::NotPermitted,
            Self::NotFound(_) => ErrorCode::NotFound,
            Self::StaleEpoch { .. } => ErrorCode::StaleEpoch,
            Self::Conflict(_) => ErrorCode::Conflict,
            Self::DigestMismatch(_) => ErrorCode::DigestMismatch,
            Self::ObjectsMissing { .. } => ErrorCode::ObjectsMissing,
            Self::ObjectDamaged => ErrorCode::ObjectDamaged,
            Self::TooMany(_) => ErrorCode::TooMany,
            Self::Unavailable(_) => ErrorCode::Unavailable,
            Self::Internal(_) => ErrorCode::Internal,
        }
    }

    /// What to do next.
    fn next(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "Correct the request; sending it again as it is will not help.",
            Self::TooLarge(_) => "Send less at one time.",
            Self::NotAuthenticated(_) => "Sign the request with the device's key as docs/spec/http.md describes.",
            Self::ClockSkew { .. } => "Set the clock that is wrong, then sign and send it again; if it is the server's, tell the operator.",
            Self::Replayed => "Sign the request again with a fresh nonce.",
            Self::UnknownDevice => "Ask your office to enrol this device.",
            Self::NotInGoodStanding { standing: REVOKED, .. } => {
                "Revoked is for ever. Ask your office to enrol another device; a colleague of the case, or the recovery device, gives that one access."
            }
            Self::NotInGoodStanding { .. } => "Ask your office for a new certificate.",
            Self::Rule { .. } => "Read the rule in docs/RULES.md; if you think that it does not apply, ask your office.",
            Self::NotFound(_) => "Check the identifier; if it is right, ask a member of the case.",
            Self::StaleEpoch { .. } => "Fetch the changes of the case, apply them, and make the commit again.",
            Self::Conflict(_) => "Draw a new identifier and begin again.",
            Self::DigestMismatch(_) => "Read the source again and compare; then send it again.",
            Self::ObjectsMissing { .. } => "Upload the missing objects, then send the same request again.",
            Self::ObjectDamaged => {
                "Tell the operator, who restores the object from a replica or backup; its name proves that it is the right one."
            }
            Self::TooMany(_) => "Wait, then send it again.",
            Self::Unavailable(_) => "Send the same request again later; nothing was done, or it was done once.",
            Self::Internal(_) => "Tell the operator the time of the request; it stands in the diagnostics.",
        }
    }

    /// The body of the answer.
    pub fn body(&self) -> ErrorBody {
        let (rule, epoch, receipt) = match self {
            Self::Rule { rule, receipt, .. } => (Some(rule.clone()), None, receipt.clone()),
            Self::NotInGoodStanding { receipt: Some(receipt), .. } => (Some(ACC_01.id.to_owned()), None, Some(receipt.clone())),
            Self::StaleEpoch { current } => (None, Some(*current), None),
            _ => (None, None, None),
        };
        ErrorBody { code: self.code(), message: self.to_string(), next: self.next().to_owned(), rule, epoch, receipt }
    }
}
