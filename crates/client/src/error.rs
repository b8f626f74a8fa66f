//! Why an operation of the agent was not done; a variant says whose fault it is.

use std::path::Path;

use custodia_core::custody::intent::IntentError;
use custodia_core::exhibit::path::display;
use custodia_core::identity::{RequestError, Standing};
use custodia_core::ids::{CaseId, ExhibitId, OfficeId};
use custodia_core::time::LogTime;
use custodia_mls::MlsError;

use crate::http::HttpError;
use crate::log_view::Misbehaviour;
use crate::state::StateError;

/// A path as it may be shown: on one line, without what could deceive on a terminal.
pub(crate) fn shown(path: &Path) -> String {
    display(path.as_os_str().as_encoded_bytes())
}

/// Why an operation of the agent was not done.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The device's private state.
    #[error(transparent)]
    State(#[from] StateError),
    /// The request did not lead to what was asked for.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The server or its log breaks its word; the evidence is kept in the state.
    #[error(transparent)]
    Misbehaved(#[from] Misbehaviour),
    /// A group operation failed.
    #[error("case group: {0}")]
    Mls(#[from] MlsError),
    /// The device is bound to no server yet.
    #[error("this device is bound to no server yet; bind it with the server's address and the fingerprint that the office gave out")]
    NotBound,
    /// The server at that address shows another log or trust list than the one to which this device is bound.
    #[error("the server shows another {0} than the one to which this device is bound; nothing was sent to it")]
    OtherServer(&'static str),
    /// The device has no certificate yet.
    #[error("this device has no certificate yet; its office issues one for the device's request")]
    NotEnrolled,
    /// The certificate is for another device, key or request.
    #[error("the certificate is not for this device: {0}")]
    NotOurCertificate(&'static str),
    /// The own certificate cannot be used now.
    #[error("this device's certificate is not in good standing ({0:?}); its office can tell why, and renew it")]
    OwnStanding(Standing),
    /// The own certificate is out of its validity, if this machine's clock is right.
    #[error(
        "by this machine's clock, which shows {clock}, this device's certificate has expired or is not valid yet; set the clock if it is wrong, \
         else ask the office for a new certificate"
    )]
    OutOfValidity {
        /// What the clock shows.
        clock: LogTime,
    },
    /// The office has no recovery device.
    #[error("the office {0} has no recovery device in good standing; enrol one first: without it a lost device would lose the case")]
    NoRecovery(OfficeId),
    /// This device is not in the case.
    #[error("this device is not a member of case {0}")]
    NotMember(CaseId),
    /// The device is a member, and what it held of the group is lost.
    #[error("this device has lost the group of case {0}, of which it is a member")]
    GroupLost(CaseId),
    /// The device came back into the case and has not been given its key again.
    #[error(
        "this device came back into case {0} and has not been given its key again yet; it comes with the next contact of a colleague's device"
    )]
    NoRing(CaseId),
    /// There is no such device, or it may not join.
    #[error("{0}")]
    NotEligible(&'static str),
    /// This device has no key for the exhibit.
    #[error("this device was not given the key of exhibit {0}; a member who may open it can grant it")]
    NoKey(ExhibitId),
    /// A text is too long or not of its form; the caller's fault.
    #[error("{what} {problem}")]
    Input {
        /// Which text.
        what: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The log holds an act of this device that this state never signed.
    #[error(
        "the log holds an act of this device that its state does not know: this state was restored from an older copy, or another \
         copy is in use. It is refused; enrol this machine as a new device and have the office revoke this one"
    )]
    Cloned,
    /// A member's commit that no member can process.
    #[error(
        "the case's group was given a commit that this device cannot follow ({rule}); it was not applied, and is reported. Nothing of the case is \
         lost: it goes on in a new group once a second person's device, or a recovery device, has reported the commit too"
    )]
    PoisonCommit {
        /// The rule, or MLS.
        rule: String,
    },
    /// Files cannot be taken in.
    #[error(transparent)]
    Intake(#[from] crate::seal::scan::IntakeError),
    /// Files cannot be written out.
    #[error(transparent)]
    Export(#[from] crate::open::ExportError),
    /// A dossier cannot be written or changed.
    #[error(transparent)]
    Dossier(#[from] crate::dossier::DossierError),
    /// Something sealed does not open, or is not what was committed to.
    #[error(transparent)]
    Exhibit(#[from] custodia_core::exhibit::ExhibitError),
    /// A key could not be sealed or opened.
    #[error(transparent)]
    Hpke(#[from] crate::hpke::HpkeError),
    /// The key file and its passphrase.
    #[error(transparent)]
    Passphrase(#[from] crate::passphrase::PassphraseError),
    /// An intent could not be made.
    #[error(transparent)]
    Intent(#[from] IntentError),
    /// A device request could not be made.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The saved point of earlier audits is not gone on from.
    #[error("the saved point of earlier audits is not gone on from: {0}")]
    SavedPoint(#[from] crate::state::audit::PointError),
    /// A worker of this program ended early.
    #[error("a worker of this program ended early; this is a fault of the program")]
    Bug,
}
