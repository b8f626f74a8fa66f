//! `custodia device …`: this device's keys, request, certificate, server.

use std::path::PathBuf;

use clap::Subcommand;
use custodia_client::state::StateError;
use custodia_client::{Agent, AgentError, NewDevice, StatePaths};
use custodia_core::digest::Sha256Digest;
use custodia_core::identity::Role;
use custodia_core::ids::{CaseId, DeviceId, PersonId};
use custodia_failpoint::fail_point;

use serde::Serialize;

use super::{COST, agent, clock, get_in_touch, read_bytes, write_new};
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
}

impl Answer for Shown {
    fn text(&self) -> String {
        let certificate = self.certificate.map_or_else(|| "none yet".to_owned(), |id| id.to_string());
        let Self { device, person, name, role, .. } = self;
        format!("device       {device}\nperson       {} ({person})\nrole         {role}\ncertificate  {certificate}", printable(name))
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
        Command::Sync => {
            let agent = agent(settings).await?;
            let joined = get_in_touch(&agent).await?;
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
            })
        }
    }
}
