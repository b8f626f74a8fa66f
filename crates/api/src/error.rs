//! What a refused request answers: a stable code, a sentence, the next step, and the rule or receipt if there is one.

use custodia_core::custody::receipt::Receipt;

/// Stable codes; a code never changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// The request is not of this contract (400).
    Malformed,
    /// A part exceeds its limit (413).
    TooLarge,
    /// No, or no good, request signature (401).
    NotAuthenticated,
    /// The request's `created` lies too far from the server's clock (401).
    ClockSkew,
    /// The request's nonce was used before (401).
    Replayed,
    /// The device's certificate is unknown to the registry (401).
    UnknownDevice,
    /// The device is revoked or its certificate expired (401).
    DeviceNotInGoodStanding,
    /// A rule refused the act; `rule` names it, `receipt` proves the entry if the refusal was recorded (403).
    NotPermitted,
    /// No such thing, or none that this device may know of (404).
    NotFound,
    /// Another commit won the epoch; `epoch` is the current one (409).
    StaleEpoch,
    /// The id was used with other content (409).
    Conflict,
    /// An object's bytes do not have the digest that is its name (422).
    DigestMismatch,
    /// Objects that the collection names are not all stored; upload them and send it again (422).
    ObjectsMissing,
    /// The object store holds other bytes under the object's name; nothing of them is given out, and asking again does not help (500).
    ObjectDamaged,
    /// Too many requests (429).
    TooMany,
    /// A store or the database does not answer; try again (503).
    Unavailable,
    /// A fault of the server; it is in its diagnostics (500).
    Internal,
}

impl ErrorCode {
    /// The HTTP status that carries this code.
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::NotAuthenticated | Self::ClockSkew | Self::Replayed | Self::UnknownDevice | Self::DeviceNotInGoodStanding => 401,
            Self::NotPermitted => 403,
            Self::NotFound => 404,
            Self::StaleEpoch | Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::DigestMismatch | Self::ObjectsMissing => 422,
            Self::TooMany => 429,
            Self::ObjectDamaged | Self::Internal => 500,
            Self::Unavailable => 503,
        }
    }
}

/// The body of every answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ErrorBody {
    /// The stable code.
    pub code: ErrorCode,
    /// What is wrong, with which part; one sentence without secrets.
    pub message: String,
    /// What to do next.
    pub next: String,
    /// The rule that refused (`docs/RULES.md`).
    #[serde(default, deserialize_with = "crate::present", skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The current epoch, for [`ErrorCode::StaleEpoch`].
    #[serde(default, deserialize_with = "crate::present", skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// The receipt of the refusal's own entry.
    #[serde(default, deserialize_with = "crate::present", skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Box<Receipt>>,
}
