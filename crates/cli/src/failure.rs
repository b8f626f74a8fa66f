//! Every failure of a command: what is wrong, what to do next, and which exit code says whose matter it is.

use custodia_client::AgentError;
use custodia_client::dossier::DossierError;
use custodia_client::http::HttpError;
use custodia_client::office::OfficeError;
use custodia_client::open::ExportError;
use custodia_client::passphrase::PassphraseError;
use custodia_client::state::StateError;

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
    /// The server misbehaves.
    Misbehaved = 10,
}

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What is wrong.
    pub message: String,
    /// What to do next; empty if the message says it.
    pub next: String,
    /// Whether the device's state could not be read or written: then the folder is to be named.
    pub of_state: bool,
}

impl Failure {
    /// A failure with its next step.
    pub fn new(exit: Exit, message: impl Into<String>, next: impl Into<String>) -> Self {
        Self { exit, message: message.into(), next: next.into(), of_state: false }
    }

    /// Words or files of the command that cannot be used.
    pub fn usage(message: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message, next)
    }

    /// A file that the system does not let us read or write.
    pub fn file(path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::usage(format!("{}: {error}", path.display()), "Check the path and its permissions.")
    }
}

fn exit_of(error: &AgentError) -> Exit {
    match error {
        AgentError::Http(error) => match error {
            HttpError::Address(_) | HttpError::NotTaken { .. } => Exit::Usage,
            HttpError::Refused { .. } => Exit::NotPermitted,
            HttpError::Stale { .. } => Exit::Conflict,
            HttpError::NotFound { .. } => Exit::NotFound,
            HttpError::NotAuthenticated { .. } => Exit::NotAuthenticated,
            HttpError::ObjectsMissing | HttpError::Unavailable(_) => Exit::TryAgain,
            HttpError::Misbehaved(_) => Exit::Misbehaved,
        },
        AgentError::Misbehaved(_) => Exit::Misbehaved,
        AgentError::State(StateError::InUse(_)) => Exit::TryAgain,
        AgentError::State(StateError::Exists(_))
        | AgentError::Export(ExportError::Exists(_))
        | AgentError::Dossier(DossierError::Exists(_)) => Exit::Conflict,
        AgentError::State(StateError::Absent(_)) | AgentError::NotMember(_) => Exit::NotFound,
        AgentError::State(StateError::Copied(_))
        | AgentError::Cloned
        | AgentError::OtherServer(_)
        | AgentError::NotEnrolled
        | AgentError::NotBound
        | AgentError::OwnStanding(_)
        | AgentError::Passphrase(_) => Exit::NotAuthenticated,
        AgentError::NoKey(_) | AgentError::NotEligible(_) | AgentError::NoRecovery(_) => Exit::NotPermitted,
        AgentError::Input { .. }
        | AgentError::Intake(_)
        | AgentError::Export(_)
        | AgentError::Dossier(_)
        | AgentError::NotOurCertificate(_) => Exit::Usage,
        AgentError::Exhibit(_) => Exit::NotVerified,
        _ => Exit::Unexpected,
    }
}

fn next_of(exit: Exit) -> &'static str {
    match exit {
        Exit::TryAgain => "Run the same command again; what was done is not done twice.",
        Exit::Misbehaved => "Do not go on with this server. Tell your office and an auditor; the evidence is kept in the device's state.",
        Exit::NotPermitted => "The refusal itself stands in the log. docs/RULES.md says what each rule demands.",
        _ => "",
    }
}

impl From<AgentError> for Failure {
    fn from(error: AgentError) -> Self {
        let exit = exit_of(&error);
        let of_state = matches!(error, AgentError::State(StateError::Database(_)));
        Self { of_state, ..Self::new(exit, error.to_string(), next_of(exit)) }
    }
}

impl From<OfficeError> for Failure {
    fn from(error: OfficeError) -> Self {
        let exit = match &error {
            OfficeError::Passphrase(PassphraseError::WrongPassphrase) => Exit::NotAuthenticated,
            OfficeError::Exists => Exit::Conflict,
            _ => Exit::Usage,
        };
        Self::new(exit, error.to_string(), "")
    }
}
