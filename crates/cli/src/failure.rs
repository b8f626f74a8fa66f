//! Every failure of a command: what is wrong, what to do next, and which exit code says whose matter it is.

use custodia_client::AgentError;
use custodia_client::dossier::DossierError;
use custodia_client::http::HttpError;
use custodia_client::office::OfficeError;
use custodia_client::open::ExportError;
use custodia_client::passphrase::PassphraseError;
use custodia_client::seal::scan::IntakeError;
use custodia_client::state::StateError;

use crate::terminal::printable_path;

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
        Self::usage(format!("{}: {error}", printable_path(path)), "Check the path and its permissions.")
    }
}

fn exit_of(error: &AgentError) -> Exit {
    match error {
        AgentError::Http(error) => exit_of_http(error),
        AgentError::Misbehaved(_) => Exit::Misbehaved,
        AgentError::State(error) => exit_of_state(error),
        AgentError::Cloned
        | AgentError::OtherServer(_)
        | AgentError::NotEnrolled
        | AgentError::NotBound
        | AgentError::OwnStanding(_)
        | AgentError::OutOfValidity { .. }
        | AgentError::Passphrase(PassphraseError::WrongPassphrase | PassphraseError::Empty | PassphraseError::Unavailable) => {
            Exit::NotAuthenticated
        }
        AgentError::NotMember(_) => Exit::NotFound,
        AgentError::NoRing(_) => Exit::TryAgain,
        AgentError::NoKey(_) | AgentError::NotEligible(_) | AgentError::NoRecovery(_) => Exit::NotPermitted,
        AgentError::GroupLost(_) | AgentError::Export(ExportError::Exists(_)) | AgentError::Dossier(DossierError::Exists(_)) => {
            Exit::Conflict
        }
        AgentError::Export(ExportError::Digests(_)) | AgentError::Exhibit(_) | AgentError::PoisonCommit { .. } | AgentError::Mls(_) => {
            Exit::NotVerified
        }
        AgentError::Passphrase(PassphraseError::Malformed(_))
        | AgentError::Input { .. }
        | AgentError::Intake(_)
        | AgentError::NotOurCertificate(_)
        | AgentError::Intent(_)
        | AgentError::Export(_)
        | AgentError::Dossier(_) => Exit::Usage,
        _ => Exit::Unexpected,
    }
}

const fn exit_of_http(error: &HttpError) -> Exit {
    match error {
        HttpError::Address(_) | HttpError::NotTaken { .. } => Exit::Usage,
        HttpError::Refused { .. } => Exit::NotPermitted,
        HttpError::Stale { .. } => Exit::Conflict,
        HttpError::NotFound { .. } => Exit::NotFound,
        HttpError::NotAuthenticated { .. } => Exit::NotAuthenticated,
        HttpError::ObjectDamaged { .. } => Exit::NotVerified,
        HttpError::ObjectsMissing | HttpError::Unavailable(_) => Exit::TryAgain,
        HttpError::Misbehaved(_) => Exit::Misbehaved,
    }
}

const fn exit_of_state(error: &StateError) -> Exit {
    match error {
        StateError::InUse(_) => Exit::TryAgain,
        StateError::Exists(_) => Exit::Conflict,
        StateError::Absent(_) => Exit::NotFound,
        StateError::Copied(_) => Exit::NotAuthenticated,
        _ => Exit::Unexpected,
    }
}

/// What to do next, where the error's own words do not say it.
fn next_of(error: &AgentError, exit: Exit) -> &'static str {
    match error {
        AgentError::State(StateError::Absent(_)) => {
            "Make one: custodia device init --person OFFICE/PERSON --name NAME --request FILE. If there is one elsewhere, name its folder with --home."
        }
        AgentError::State(StateError::Exists(_)) => "Go on with that one, or name another folder with --home.",
        AgentError::State(StateError::NotOpened(_) | StateError::Damaged(_)) => {
            "Nothing was changed. Enrol this machine as a new device; a colleague or the recovery device gives it access again."
        }
        AgentError::State(StateError::Newer(_)) => "Use the newer program that wrote it.",
        AgentError::State(StateError::Io { .. }) => "Check the folder, its permissions and the space on its disk.",
        AgentError::Passphrase(PassphraseError::WrongPassphrase) => "Nothing was changed. Type it again; nobody can recover it for you.",
        AgentError::Passphrase(PassphraseError::Malformed(_)) => "Put back state.key as it was; without it the state opens no more.",
        AgentError::NotBound | AgentError::NotEnrolled => {
            "Install the certificate: custodia device install CERTIFICATE --server URL --card server.json."
        }
        AgentError::GroupLost(_) => "Bring it back: custodia case resync CASE --reason WHY.",
        AgentError::NoRing(_) => "A colleague runs `custodia device sync`; then run the same command again.",
        AgentError::NotMember(_) => "`custodia case list` shows your cases; a member can add you.",
        AgentError::NotOurCertificate(_) => "Install the file that your office issued for this device's own request.",
        AgentError::Http(HttpError::Misbehaved(_)) => {
            "Another program may answer at that address: check it. If it is the vault's, tell your office and an auditor; what it answered is kept."
        }
        AgentError::Http(HttpError::Refused { receipt: Some(_), .. }) => {
            "The refusal itself stands in the log. docs/RULES.md says what each rule demands."
        }
        AgentError::PoisonCommit { .. } => "Nothing of it was applied. Tell your office and a colleague of the case.",
        AgentError::Exhibit(_) | AgentError::Export(ExportError::Digests(_)) => {
            "Nothing of it is left on the disk. Tell whoever collected the exhibit, and an auditor."
        }
        AgentError::Export(ExportError::Exists(_)) | AgentError::Dossier(DossierError::Exists(_)) => "Name another target with --to.",
        AgentError::Export(ExportError::Io { .. }) | AgentError::Dossier(DossierError::Io { .. }) => {
            "Check the path, its permissions and the space on its disk. Nothing unfinished was left there."
        }
        AgentError::Intake(IntakeError::Unreadable { .. }) => "Check the path and its permissions. Nothing was entered in the log.",
        AgentError::Intake(IntakeError::Changed { .. } | IntakeError::OtherFiles(_)) => {
            "Begin anew with --fresh, once nothing writes to them. Nothing was entered in the log."
        }
        AgentError::Intake(_) => "Nothing was entered in the log.",
        AgentError::Input { .. } => "Nothing was sent.",
        _ => match exit {
            Exit::TryAgain => "Run the same command again; what was done is not done twice.",
            Exit::Misbehaved => {
                "Do not go on with this server. Tell your office and an auditor; the evidence is kept with the device's state, or in the office's folder."
            }
            _ => "",
        },
    }
}

impl From<AgentError> for Failure {
    fn from(error: AgentError) -> Self {
        let exit = exit_of(&error);
        let of_state = matches!(error, AgentError::State(StateError::Database(_)));
        Self { of_state, ..Self::new(exit, error.to_string(), next_of(&error, exit)) }
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
