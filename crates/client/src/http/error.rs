//! Why a request did not lead to what was asked for. What the server says is shown as words of others: on one line, never endless.

use custodia_api::error::{ErrorBody, ErrorCode};
use custodia_core::custody::receipt::Receipt;
use custodia_core::exhibit::path;

/// Why a request did not lead to what was asked for, by whose fault it is.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address cannot be used; the caller's fault.
    #[error("the server's address cannot be used: {0}")]
    Address(&'static str),
    /// A rule refused the act.
    #[error("refused by rule {}: {message}. {next}", rule.as_deref().unwrap_or("of access"))]
    Refused {
        /// Id of the rule.
        rule: Option<String>,
        /// What is wrong.
        message: String,
        /// What to do next.
        next: String,
        /// The receipt of the refusal's own entry; not verified here.
        receipt: Option<Box<Receipt>>,
    },
    /// Another commit won the epoch.
    #[error("another change of the members came first; the group is now in epoch {epoch}")]
    Stale {
        /// The group's current epoch.
        epoch: u64,
    },
    /// No such thing, or none that this device may know of.
    #[error("{message}. {next}")]
    NotFound {
        /// What is not there.
        message: String,
        /// What to do next.
        next: String,
    },
    /// The server does not accept this device, its certificate or its clock.
    #[error("{message}. {next}")]
    NotAuthenticated {
        /// Which of these.
        code: ErrorCode,
        /// What is wrong.
        message: String,
        /// What to do next.
        next: String,
    },
    /// The server's store holds other bytes under an object's name, and the server says so.
    #[error("{message}. {next}")]
    ObjectDamaged {
        /// What is wrong.
        message: String,
        /// What to do next.
        next: String,
    },
    /// Objects of a collection are not all stored.
    #[error("the server does not hold all objects of the exhibit yet")]
    ObjectsMissing,
    /// The server does not take the request as this program made it.
    #[error("the server does not take the request ({code:?}): {message}. {next}")]
    NotTaken {
        /// Its code.
        code: ErrorCode,
        /// What is wrong.
        message: String,
        /// What to do next.
        next: String,
    },
    /// No answer, or none that is whole; nothing is known about what became of the act.
    #[error("the server does not answer: {0}")]
    Unavailable(String),
    /// An answer that is not of the contract.
    #[error("the server's answer is not of the contract: {0}")]
    Misbehaved(&'static str),
}

impl HttpError {
    /// Whether the same request may yet succeed.
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    pub(super) fn from_body(body: ErrorBody) -> Self {
        let ErrorBody { code, message, next, rule, epoch, receipt } = body;
        let (message, next) = (of_others(&message), of_others(&next));
        let rule = rule.as_deref().map(of_others);
        match code {
            ErrorCode::NotPermitted => Self::Refused { rule, message, next, receipt },
            ErrorCode::StaleEpoch => epoch.map_or(Self::Misbehaved("a stale epoch without the current one"), |epoch| Self::Stale { epoch }),
            ErrorCode::NotFound => Self::NotFound { message, next },
            ErrorCode::NotAuthenticated
            | ErrorCode::ClockSkew
            | ErrorCode::Replayed
            | ErrorCode::UnknownDevice
            | ErrorCode::DeviceNotInGoodStanding => Self::NotAuthenticated { code, message, next },
            ErrorCode::ObjectsMissing => Self::ObjectsMissing,
            ErrorCode::ObjectDamaged => Self::ObjectDamaged { message, next },
            ErrorCode::TooMany | ErrorCode::Unavailable | ErrorCode::Internal => Self::Unavailable(message),
            ErrorCode::Malformed | ErrorCode::TooLarge | ErrorCode::Conflict | ErrorCode::DigestMismatch => {
                Self::NotTaken { code, message, next }
            }
        }
    }
}

/// A sentence of the server's as it may be shown: on one line, without what could deceive on a terminal, and not endless.
fn of_others(text: &str) -> String {
    const MOST: usize = 500;
    let text: String = text.chars().take(MOST).collect();
    path::display(text.trim_end_matches('.').as_bytes())
}
