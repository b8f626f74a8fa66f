//! Who vouches for the log's heads: witnesses, and time-stamping authorities.

use std::path::{Path, PathBuf};

use custodia_core::log::LogKey;
use custodia_core::log::policy::{MAX_POLICY_BYTES, Policy};
use custodia_core::log::stamp::StampRoots;

/// Witnesses.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessesConfig {
    /// A C2SP tlog-policy file. Witnesses with a URL are asked; of those without, such as auditors, cosignatures are taken when somebody brings them.
    pub policy: PathBuf,
    /// How often they are asked while there are new records, in seconds.
    #[serde(default = "two_minutes")]
    pub every_seconds: u64,
    /// How long one of them may take to answer, in seconds.
    #[serde(default = "ten_seconds")]
    pub timeout_seconds: u64,
    /// The authorities (PEM) by which their TLS certificates are judged; without it those of the machine.
    #[serde(default)]
    pub tls_authorities: Option<PathBuf>,
}

/// Time-stamping authorities (RFC 3161).
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StampsConfig {
    /// Whom to ask.
    pub authorities: Vec<StampAuthority>,
    /// How often they are asked while there are new records, in seconds.
    #[serde(default = "five_minutes")]
    pub every_seconds: u64,
    /// How long one of them may take to answer, in seconds.
    #[serde(default = "twenty_seconds")]
    pub timeout_seconds: u64,
    /// The authorities (PEM) by which their TLS certificates are judged; without it those of the machine.
    #[serde(default)]
    pub tls_authorities: Option<PathBuf>,
    /// Roots of the time-stamping authorities (PEM): only stamps that lead to them are kept. Without it, that is for verifiers alone.
    #[serde(default)]
    pub tsa_roots: Option<PathBuf>,
}

/// A time-stamping authority.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StampAuthority {
    /// What it is called here; its stamps are kept under this name.
    pub name: String,
    /// Where it takes requests.
    pub url: String,
}

const fn ten_seconds() -> u64 {
    10
}

const fn twenty_seconds() -> u64 {
    20
}

const fn two_minutes() -> u64 {
    120
}

const fn five_minutes() -> u64 {
    300
}

/// What is wrong with a key of one of the two: the key, the fault, what to do.
type Fault = (&'static str, String, &'static str);

fn period(key: &'static str, seconds: u64, most: u64, faults: &mut Vec<Fault>) {
    if !(1..=most).contains(&seconds) {
        let next = if most == 600 { "Write a number from 1 to 600." } else { "Write a number from 1 to 86400." };
        faults.push((key, format!("{seconds} is out of range"), next));
    }
}

impl WitnessesConfig {
    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        period("witnesses.every_seconds", self.every_seconds, 86_400, &mut faults);
        period("witnesses.timeout_seconds", self.timeout_seconds, 600, &mut faults);
        faults
    }

    /// Reads the policy.
    ///
    /// # Errors
    /// It cannot be read, or is no policy; or names logs, and `own` (where it is known) is not among them.
    pub(crate) fn read_policy(&self, own: Option<&LogKey>) -> Result<Policy, String> {
        let said = |error: &dyn std::fmt::Display| format!("{}: {error}", self.policy.display());
        let policy = read_policy(&self.policy).map_err(|error| said(&error))?;
        if own.is_some_and(|own| !policy.logs().is_empty() && policy.logs().iter().all(|log| log.key != *own)) {
            return Err(said(&"its log lines do not name the key of this log"));
        }
        Ok(policy)
    }
}

/// Reads a policy file; no more of it than a policy may have.
pub(crate) fn read_policy(path: &Path) -> Result<Policy, String> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    file.take(MAX_POLICY_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Policy::parse(&bytes).map_err(|error| error.to_string())
}

impl StampsConfig {
    /// Reads the pinned roots, if there are any.
    ///
    /// # Errors
    /// The file cannot be read, or holds no certificate.
    pub(crate) fn read_roots(&self) -> Result<Option<StampRoots>, String> {
        let Some(path) = &self.tsa_roots else { return Ok(None) };
        let said = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| said(&error))?;
        let roots = StampRoots::parse(&text).map_err(|error| said(&error))?;
        if roots.is_empty() { Err(said(&"it holds no certificate")) } else { Ok(Some(roots)) }
    }

    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        period("stamps.every_seconds", self.every_seconds, 86_400, &mut faults);
        period("stamps.timeout_seconds", self.timeout_seconds, 600, &mut faults);
        if self.authorities.is_empty() {
            faults.push(("stamps.authorities", "no authority is named".to_owned(), "Name at least one, or leave [stamps] out."));
        }
        for (place, authority) in self.authorities.iter().enumerate() {
            if authority.name.is_empty() || self.authorities[..place].iter().any(|other| other.name == authority.name) {
                let message = format!("an authority has no name of its own: {:?}", authority.name);
                faults.push(("stamps.authorities", message, "Give each a name by which you know it."));
            }
        }
        faults
    }
}
