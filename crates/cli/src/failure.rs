//! Every failure of a command: what is wrong, what to do next, and which exit code says whose matter it is.
//!
//! One place turns an error's kind into its [`Code`]. No code is chosen by `_`: an error that is new to the agent has none, and the program does
//! not build until it has one.

mod codes;

use custodia_client::AgentError;
use custodia_client::audit::AuditorKeyError;
use custodia_client::dossier::DossierError;
use custodia_client::http::{ErrorCode, HttpError};
use custodia_client::office::OfficeError;
use custodia_client::open::ExportError;
use custodia_client::passphrase::PassphraseError;
use custodia_client::seal::scan::IntakeError;
use custodia_client::state::StateError;
use custodia_server::StartError;
use serde::Serialize;

use crate::terminal::printable_path;

pub use codes::Code;

/// Exit codes; a code never changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Something that nobody expected.
    Unexpected = 1,
    /// The command's words or files are not usable.
    Usage = 2,
    /// A verification did not pass.
    NotVerified = 3,
    /// Not authenticated, or revoked.
    NotAuthenticated = 4,
    /// Not permitted.
    NotPermitted = 5,
    /// Not found.
    NotFound = 6,
    /// Try again.
    TryAgain = 7,
    /// Something else was there first.
    Conflict = 8,
    /// Some of it is done, and some is not.
    PartlyDone = 9,
    /// The server misbehaves.
    Misbehaved = 10,
}

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    /// Its stable code.
    pub code: Code,
    /// What is wrong.
    pub message: String,
    /// What to do next.
    pub next: String,
    /// The rule that refused, if one did.
    pub rule: Option<String>,
    /// Whether the device's state could not be read or written: then the folder is to be named.
    pub of_state: bool,
}

/// An error as it is written to standard error under `--json`.
#[derive(Serialize)]
pub struct ErrorOutput {
    /// The stable code of the error; docs/ERRORS.md lists them.
    pub code: &'static str,
    /// The exit code of the command.
    pub exit: u8,
    /// What is wrong.
    pub message: String,
    /// What to do next.
    pub next: String,
    /// The rule that refused the act, such as ACC-08; docs/RULES.md says what each demands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

impl Failure {
    /// A failure with its next step; of an empty one the code knows it.
    pub fn new(code: Code, message: impl Into<String>, next: impl Into<String>) -> Self {
        let next = Some(next.into()).filter(|next| !next.is_empty()).unwrap_or_else(|| code.next().to_owned());
        Self { code, message: message.into(), next, rule: None, of_state: false }
    }

    /// Words of the command that cannot be used.
    pub fn usage(message: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(Code::Usage, message, next)
    }

    /// A file that the system does not let us read or write.
    pub fn file(path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::new(Code::FileUnusable, format!("{}: {error}", printable_path(path)), "")
    }

    /// A file whose content is not of its form.
    pub fn malformed(path: &std::path::Path, problem: impl core::fmt::Display, next: &str) -> Self {
        Self::new(Code::FileMalformed, format!("{}: {}", printable_path(path), problem.to_string().trim_end()), next)
    }

    /// The same, as it is written under `--json`.
    pub fn output(&self) -> ErrorOutput {
        let (message, next, rule) = (self.message.clone(), self.next.clone(), self.rule.clone());
        ErrorOutput { code: self.code.as_str(), exit: self.code.exit() as u8, message, next, rule }
    }
}

const fn code_of(error: &AgentError) -> Code {
    match error {
        AgentError::State(error) => code_of_state(error),
        AgentError::Http(error) => code_of_http(error),
        AgentError::Misbehaved(_) => Code::LogBroken,
        AgentError::Mls(_) | AgentError::PoisonCommit { .. } => Code::GroupMessage,
        AgentError::NotBound | AgentError::NotEnrolled => Code::NotEnrolled,
        AgentError::OtherServer(_) => Code::OtherServer,
        AgentError::NotOurCertificate(_) => Code::CertificateNotOurs,
        AgentError::OwnStanding(_) | AgentError::OutOfValidity { .. } => Code::NotInGoodStanding,
        AgentError::NoRecovery(_) => Code::NoRecovery,
        AgentError::NotMember(_) => Code::NotMember,
        AgentError::NotEligible(_) => Code::NotEligible,
        AgentError::NoKey(_) => Code::NoKey,
        AgentError::NoRing(_) => Code::NoRing,
        AgentError::GroupLost(_) => Code::GroupLost,
        AgentError::Input { .. } | AgentError::Intent(_) => Code::TextRefused,
        AgentError::Cloned => Code::StateCopied,
        AgentError::Intake(error) => code_of_intake(error),
        AgentError::Export(error) => code_of_export(error),
        AgentError::Dossier(error) => code_of_dossier(error),
        AgentError::Exhibit(_) => Code::ExhibitDamaged,
        AgentError::Hpke(_) => Code::KeyNotOpened,
        AgentError::Passphrase(error) => code_of_passphrase(error),
        AgentError::SavedPoint(_) => Code::SavedPointRefused,
        AgentError::Request(_) | AgentError::Bug => Code::Unexpected,
    }
}

const fn code_of_http(error: &HttpError) -> Code {
    match error {
        HttpError::Address(_) => Code::ServerAddress,
        HttpError::Refused { .. } => Code::Refused,
        HttpError::Stale { .. } => Code::StaleEpoch,
        HttpError::NotFound { .. } => Code::NotFound,
        HttpError::NotAuthenticated { code, .. } | HttpError::NotTaken { code, .. } => code_of_server(*code),
        HttpError::ObjectDamaged { .. } => Code::ObjectDamaged,
        HttpError::ObjectsMissing => Code::ObjectsMissing,
        HttpError::Unavailable(_) => Code::Unavailable,
        HttpError::Misbehaved(_) => Code::AnswerBroken,
    }
}

/// The code of a server's own code.
const fn code_of_server(code: ErrorCode) -> Code {
    match code {
        ErrorCode::Malformed | ErrorCode::TooLarge | ErrorCode::DigestMismatch => Code::RequestNotTaken,
        ErrorCode::NotAuthenticated | ErrorCode::Replayed => Code::NotAuthenticated,
        ErrorCode::ClockSkew => Code::ClockSkew,
        ErrorCode::UnknownDevice => Code::UnknownDevice,
        ErrorCode::DeviceNotInGoodStanding => Code::NotInGoodStanding,
        ErrorCode::NotPermitted => Code::Refused,
        ErrorCode::NotFound => Code::NotFound,
        ErrorCode::StaleEpoch => Code::StaleEpoch,
        ErrorCode::Conflict => Code::Conflicting,
        ErrorCode::ObjectsMissing => Code::ObjectsMissing,
        ErrorCode::ObjectDamaged => Code::ObjectDamaged,
        ErrorCode::TooMany | ErrorCode::Unavailable | ErrorCode::Internal => Code::Unavailable,
    }
}

const fn code_of_state(error: &StateError) -> Code {
    match error {
        StateError::InUse(_) => Code::InUse,
        StateError::Exists(_) => Code::Exists,
        StateError::Absent(_) => Code::NoState,
        StateError::Copied(_) => Code::StateCopied,
        StateError::NotOpened(_) | StateError::Damaged(_) => Code::StateDamaged,
        StateError::Newer(_) => Code::StateNewer,
        StateError::Io { .. } | StateError::Database(_) => Code::StateUnusable,
    }
}

const fn code_of_passphrase(error: &PassphraseError) -> Code {
    match error {
        PassphraseError::Malformed(_) => Code::KeyFileMalformed,
        PassphraseError::WrongPassphrase => Code::WrongPassphrase,
        PassphraseError::Empty => Code::PassphraseUnusable,
        PassphraseError::Unavailable => Code::Machine,
    }
}

const fn code_of_intake(error: &IntakeError) -> Code {
    match error {
        IntakeError::NotAFile { .. } | IntakeError::Unreadable { .. } | IntakeError::Nothing | IntakeError::TooMany { .. } => {
            Code::EvidenceUnusable
        }
        IntakeError::Changed { .. } | IntakeError::OtherFiles(_) => Code::EvidenceChanged,
    }
}

const fn code_of_export(error: &ExportError) -> Code {
    match error {
        ExportError::Exists(_) => Code::Exists,
        ExportError::Io { .. } | ExportError::SameName(_) => Code::TargetUnusable,
        ExportError::Writing(_) => Code::ViewerFailed,
        ExportError::Digests(_) => Code::ExhibitDamaged,
    }
}

const fn code_of_dossier(error: &DossierError) -> Code {
    match error {
        DossierError::Exists(_) => Code::Exists,
        DossierError::Trust(_) => Code::FileMalformed,
        DossierError::Io { .. } | DossierError::Unwritable { .. } | DossierError::Changed(_) => Code::TargetUnusable,
        DossierError::Malformed(_) | DossierError::NotOfThisLog(_) | DossierError::TooOld { .. } => Code::DossierUnusable,
        DossierError::NotCosigned { .. } => Code::NotCosigned,
    }
}

/// What to do next, where the error knows it better than its code; empty elsewhere.
const fn next_of(error: &AgentError) -> &'static str {
    match error {
        AgentError::State(StateError::Exists(_)) => "Go on with that one, or name another folder with --home.",
        AgentError::Http(HttpError::Refused { receipt: Some(_), .. }) => {
            "The refusal itself stands in the log. docs/RULES.md says what each rule demands."
        }
        AgentError::Export(ExportError::Exists(_)) | AgentError::Dossier(DossierError::Exists(_)) => "Name another target with --to.",
        AgentError::Intake(IntakeError::Unreadable { .. }) => "Check the path and its permissions. Nothing was entered in the log.",
        _ => "",
    }
}

impl From<AgentError> for Failure {
    fn from(error: AgentError) -> Self {
        let of_state = matches!(error, AgentError::State(StateError::Database(_)));
        let failure = Self::new(code_of(&error), error.to_string(), next_of(&error));
        let rule = match error {
            AgentError::Http(HttpError::Refused { rule, .. }) => rule,
            AgentError::PoisonCommit { rule } => Some(rule),
            _ => None,
        };
        Self { rule, of_state, ..failure }
    }
}

impl From<OfficeError> for Failure {
    fn from(error: OfficeError) -> Self {
        let code = match &error {
            OfficeError::Exists => Code::Exists,
            OfficeError::File(_) => Code::FileUnusable,
            OfficeError::Damaged(_) => Code::FileMalformed,
            OfficeError::Passphrase(error) => code_of_passphrase(error),
            OfficeError::OtherOffice { .. } | OfficeError::Validity => Code::RequestUnusable,
            OfficeError::Bug(_) => Code::Unexpected,
        };
        Self::new(code, error.to_string(), "")
    }
}

impl From<AuditorKeyError> for Failure {
    fn from(error: AuditorKeyError) -> Self {
        let code = match &error {
            AuditorKeyError::Exists(_) => Code::Exists,
            AuditorKeyError::InUse(_) => Code::InUse,
            AuditorKeyError::Damaged(_) => Code::FileMalformed,
            AuditorKeyError::Passphrase(error) => code_of_passphrase(error),
            AuditorKeyError::Name(_) => Code::TextRefused,
            AuditorKeyError::Io { .. } => Code::FileUnusable,
            AuditorKeyError::NotClean { .. }
            | AuditorKeyError::OtherLog(_)
            | AuditorKeyError::Rollback { .. }
            | AuditorKeyError::Fork(_)
            | AuditorKeyError::Cosignature(_) => Code::CosigningRefused,
        };
        Self::new(code, error.to_string(), "")
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let code = match &error {
            StartError::Config(_) => Code::ConfigMalformed,
            StartError::Io { .. }
            | StartError::Key { .. }
            | StartError::Database(_)
            | StartError::Objects(_)
            | StartError::Log(_)
            | StartError::Tls(_) => Code::ServerFailed,
        };
        Self::new(code, error.to_string(), "")
    }
}
