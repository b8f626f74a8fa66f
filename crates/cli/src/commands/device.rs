//! `custodia device …`: this device's keys, request, certificate, server.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use custodia_client::state::StateError;
use custodia_client::state::keys::Standing;
use custodia_client::{Agent, AgentError, NewDevice, StatePaths};
use custodia_core::digest::Sha256Digest;
use custodia_core::identity::{DeviceRequest, Role};
use custodia_core::ids::{CaseId, DeviceId, PersonId};
use custodia_failpoint::fail_point;

use serde::Serialize;

use super::{COST, agent, clock, day, get_in_touch, read_bytes, write_new};
use crate::failure::Failure;
use crate::settings::{ServerFlags, Settings};
use crate::terminal::{Answer, answer, note, passphrase, printable, printable_path};

/// Commands of a device.
#[derive(Subcommand)]
pub enum Command {
    /// Make this device's keys and write its request for a certificate.
    Init {
        /// Whose device it is: office/person, for example ro-diicot/ana.pop.
        #[arg(long)]
        person: PersonId,
        /// The person's name as it is to be shown.
        #[arg(long)]
        name: String,
        /// What the person calls the device.
        #[arg(long, default_value = "laptop")]
        label: String,
        /// prosecutor, auditor, recovery or administrator.
        #[arg(long, default_value = "prosecutor")]
        role: String,
        /// The request to write; it goes to the office.
        #[arg(long)]
        request: PathBuf,
    },
    /// Bind this device to its server and install the certificate that the office issued.
    Install {
        /// The certificate.
        certificate: PathBuf,
        #[command(flatten)]
        server: ServerFlags,
    },
    /// Renew this device's certificate: write the request for the office, or install what it issued and bring it into your cases.
    ///
    /// The device keeps its keys and everything that was given to it. Without any argument a renewal that was interrupted is finished.
    Renew {
        /// The certificate that the office issued on the request.
        certificate: Option<PathBuf>,
        /// The request to write; it goes to the office.
        #[arg(long, value_name = "FILE", conflicts_with = "certificate")]
        request: Option<PathBuf>,
    },
    /// Bring this device up to date: registry, new cases, changes of members.
    Sync,
    /// Show this device.
    Show,
}

/// A device that was made, and its request.
#[derive(Serialize)]
pub struct Asked {
    device: DeviceId,
    /// What the person and the office compare by voice.
    fingerprint: Sha256Digest,
    /// The file for the office.
    request: String,
}

impl Answer for Asked {
    fn text(&self) -> String {
        self.fingerprint.to_string()
    }
}

/// A certificate that was installed.
#[derive(Serialize)]
pub struct Installed {
    device: DeviceId,
    /// SHA-256 of the certificate.
    certificate: Sha256Digest,
}

impl Answer for Installed {
    fn text(&self) -> String {
        String::new()
    }
}

/// What a device learnt.
#[derive(Serialize)]
pub struct InTouch {
    /// How many records the log has, by the newest checkpoint that the server showed.
    records: u64,
    /// The cases that the device joined just now.
    joined: Vec<CaseId>,
}

impl Answer for InTouch {
    fn text(&self) -> String {
        String::new()
    }
}

/// A device.
#[derive(Serialize)]
pub struct Shown {
    device: DeviceId,
    /// office/person.
    person: PersonId,
    /// The person's name.
    name: String,
    role: &'static str,
    /// SHA-256 of its certificate; null before one is installed.
    certificate: Option<Sha256Digest>,
    /// The day on which its certificate ends.
    valid_until: Option<String>,
    /// The trust list that it has followed; null before it was in touch.
    trust_list: Option<Followed>,
}

/// A trust list.
#[derive(Serialize)]
struct Followed {
    number: u64,
    sha256: Sha256Digest,
}

/// A step of a renewal.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Renewal {
    /// The request was written.
    Asked(Asked),
    /// The new certificate counts.
    Renewed(Renewed),
}

/// A device under its new certificate.
#[derive(Serialize)]
pub struct Renewed {
    device: DeviceId,
    /// SHA-256 of the certificate.
    certificate: Sha256Digest,
    /// The day on which it ends.
    valid_until: String,
    /// The cases that show it from now on.
    cases: Vec<CaseId>,
}

impl Answer for Renewal {
    fn text(&self) -> String {
        match self {
            Self::Asked(asked) => asked.text(),
            Self::Renewed(_) => String::new(),
        }
    }
}

impl Answer for Shown {
    fn text(&self) -> String {
        let certificate = self.certificate.map_or_else(|| "none yet".to_owned(), |id| id.to_string());
        let Self { device, person, name, role, .. } = self;
        let until = self.valid_until.as_deref().unwrap_or("-");
        let list = self.trust_list.as_ref();
        let list = list.map_or_else(|| "none yet".to_owned(), |list| format!("number {}, SHA-256 {}", list.number, list.sha256));
        format!(
            "device       {device}\nperson       {} ({person})\nrole         {role}\ncertificate  {certificate}\nvalid until  {until}\ntrust list   {list}",
            printable(name)
        )
    }
}

/// The device that an interrupted `device init` with the same words made: one without a certificate.
async fn begun(paths: &StatePaths, passphrase: &str, new: &NewDevice, exists: StateError) -> Result<Agent, Failure> {
    let other = || Failure::from(AgentError::State(exists));
    let Ok(agent) = Agent::open(paths, passphrase, clock()).await else { return Err(other()) };
    let request = agent.device_request()?;
    let wanted = request.wanted();
    let same = (&wanted.person, &wanted.name, &wanted.label, wanted.role) == (&new.person, &new.name, &new.label, new.role);
    if same && agent.certificate_id().is_err() { Ok(agent) } else { Err(other()) }
}

/// Writes the request for a new certificate; one that an interrupted run wrote serves as well.
fn ask_for_renewal(agent: &Agent, path: &Path) -> Result<(), Failure> {
    agent.certificate_id()?;
    let mut asked = agent.renewal_request()?;
    let there = std::fs::read_to_string(path).ok().and_then(|text| DeviceRequest::parse(text.trim()).ok());
    match there {
        Some(there) if there.wanted().device == agent.device_id() && there.key() == asked.key() => asked = there,
        _ => write_new(path, asked.text().as_bytes())?,
    }
    note(
        "Send the request to your office, and compare this fingerprint with them by voice. What they issue: `custodia device renew CERTIFICATE`.",
    );
    note("Until the present certificate ends, go on working with it.");
    answer(&Renewal::Asked(Asked { device: agent.device_id(), fingerprint: asked.fingerprint(), request: printable_path(path) }))
}

/// The trust list in force, as this device has followed it.
async fn followed_list(agent: &Agent) -> Option<Followed> {
    let registry = agent.registry().await.ok()?;
    let list = registry.trust_list(registry.head()?.seq)?;
    Some(Followed { number: list.number(), sha256: list.digest() })
}

/// Follows every case; a colleague who came back into one is given its key.
async fn keep_up(agent: &Agent) -> Result<(), Failure> {
    for case in agent.cases().await?.iter().filter(|case| case.standing == Standing::Member) {
        match agent.refresh(case.id).await {
            // One case that needs something of its own does not keep the others from being followed.
            Err(error @ (AgentError::GroupLost(_) | AgentError::NotMember(_) | AgentError::PoisonCommit { .. })) => {
                let failure = Failure::from(error);
                note(&format!("{}. {}", failure.message, failure.next));
            }
            refreshed => refreshed?,
        }
    }
    Ok(())
}

/// Makes the certificate that this device has the one that log, server and cases know.
async fn renew(agent: &Agent) -> Result<(), Failure> {
    agent.sync().await?;
    agent.own_certificate().await?;
    // What waited was signed under the certificate before; if that one has ended, the server refuses it, and it is done anew by its own command.
    if let Err(error) = agent.deliver().await {
        note(&format!("An act that waited was not entered: {error}"));
    }
    fail_point!("agent.renewal.enrolled");
    agent.publish_key_packages().await?;
    agent.join_new_cases().await?;
    let cases = agent.renew_leaves().await?;
    let valid_until = agent.certificate_ends()?.map(day).unwrap_or_default();
    note(&format!("The certificate stands in the log and is valid until {valid_until}; cases that show it from now on: {}.", cases.len()));
    answer(&Renewal::Renewed(Renewed { device: agent.device_id(), certificate: agent.certificate_id()?, valid_until, cases }))
}

/// Runs a command of a device.
pub async fn run(command: Command, settings: &Settings) -> Result<(), Failure> {
    match command {
        Command::Init { person, name, label, role, request } => {
            let role = Role::ALL.into_iter().find(|known| known.as_str() == role);
            let role = role.ok_or_else(|| Failure::usage("not a role", "Use prosecutor, auditor, recovery or administrator."))?;
            let bad = |what: &'static str| move |error: custodia_core::identity::TextError| Failure::usage(format!("{what}: {error}"), "");
            let (name, label) = (name.parse().map_err(bad("--name"))?, label.parse().map_err(bad("--label"))?);
            let new = NewDevice { person, name, label, role, cost: COST };
            let paths = StatePaths::in_folder(settings.home()?);
            let passphrase = passphrase(settings.passphrase_fd, "the new device", true)?;
            let agent = match Agent::create(&paths, &passphrase, new.clone(), clock()).await {
                Err(AgentError::State(StateError::Exists(folder))) => begun(&paths, &passphrase, &new, StateError::Exists(folder)).await?,
                made => made?,
            };
            let asked = agent.device_request()?;
            fail_point!("agent.request.before_writing");
            if !std::fs::read(&request).is_ok_and(|there| there == asked.text().as_bytes()) {
                write_new(&request, asked.text().as_bytes())?;
            }
            note("Send the request to your office, and compare this fingerprint with them by voice:");
            answer(&Asked { device: agent.device_id(), fingerprint: asked.fingerprint(), request: printable_path(&request) })
        }
        Command::Install { certificate, server } => {
            let (address, card) = (settings.address(&server)?, settings.card(&server.card)?);
            let mut agent = agent(settings).await?;
            let der = read_bytes(&certificate)?;
            agent.bind(&address, &card).await?;
            agent.install_certificate(&der).await?;
            agent.sync().await?;
            agent.own_certificate().await?;
            agent.publish_key_packages().await?;
            note("The certificate is installed and stands in the log.");
            answer(&Installed { device: agent.device_id(), certificate: agent.certificate_id()? })
        }
        Command::Renew { certificate: None, request: Some(path) } => ask_for_renewal(&agent(settings).await?, &path),
        Command::Renew { certificate, request: None } => {
            let mut agent = agent(settings).await?;
            if let Some(path) = certificate {
                agent.install_certificate(&read_bytes(&path)?).await?;
            }
            renew(&agent).await
        }
        Command::Renew { .. } => {
            Err(Failure::usage("--request goes with no certificate", "First ask, then install what the office issued."))
        }
        Command::Sync => {
            let agent = agent(settings).await?;
            let joined = get_in_touch(&agent, settings).await?;
            keep_up(&agent).await?;
            agent.renew_leaves().await?;
            answer(&InTouch { records: agent.log_size().await?, joined })
        }
        Command::Show => {
            let agent = agent(settings).await?;
            let request = agent.device_request()?;
            let wanted = request.wanted();
            answer(&Shown {
                device: agent.device_id(),
                person: wanted.person.clone(),
                name: wanted.name.to_string(),
                role: wanted.role.as_str(),
                certificate: agent.certificate_id().ok(),
                valid_until: agent.certificate_ends()?.map(day),
                trust_list: followed_list(&agent).await,
            })
        }
    }
}
