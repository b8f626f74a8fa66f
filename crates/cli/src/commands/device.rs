//! `custodia device …`: this device's keys, request, certificate, server.

use std::path::PathBuf;

use clap::Subcommand;
use custodia_client::state::StateError;
use custodia_client::{Agent, AgentError, NewDevice, StatePaths};
use custodia_core::identity::Role;
use custodia_core::ids::PersonId;
use custodia_failpoint::fail_point;

use super::{COST, address, agent, agent_in_touch, clock, home, read_bytes, server_card, write_new};
use crate::DeviceOptions;
use crate::failure::Failure;
use crate::terminal::{note, passphrase, say};

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
        /// The server's address.
        #[arg(long)]
        server: String,
        /// The authorities (PEM) by which the server's TLS certificate is judged.
        #[arg(long, value_name = "FILE")]
        tls_authority: Option<PathBuf>,
        /// server.json as the office gave it out: the log that this device will hold the server to.
        #[arg(long)]
        card: PathBuf,
    },
    /// Bring this device up to date: registry, new cases, changes of members.
    Sync,
    /// Show this device.
    Show,
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
pub async fn run(command: Command, options: &DeviceOptions) -> Result<(), Failure> {
    match command {
        Command::Init { person, name, label, role, request } => {
            let role = Role::ALL.into_iter().find(|known| known.as_str() == role);
            let role = role.ok_or_else(|| Failure::usage("not a role", "Use prosecutor, auditor, recovery or administrator."))?;
            let bad = |what: &'static str| move |error: custodia_core::identity::TextError| Failure::usage(format!("{what}: {error}"), "");
            let (name, label) = (name.parse().map_err(bad("--name"))?, label.parse().map_err(bad("--label"))?);
            let new = NewDevice { person, name, label, role, cost: COST };
            let paths = StatePaths::in_folder(home(options)?);
            let passphrase = passphrase(options.passphrase_fd, "the new device", true)?;
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
            say(&asked.fingerprint().to_string());
            Ok(())
        }
        Command::Install { certificate, server, tls_authority, card } => {
            let mut agent = agent(options).await?;
            let der = read_bytes(&certificate)?;
            agent.bind(&address(server, tls_authority.as_deref())?, &server_card(&card)?).await?;
            agent.install_certificate(&der).await?;
            agent.sync().await?;
            agent.own_certificate().await?;
            agent.publish_key_packages().await?;
            note("The certificate is installed and stands in the log.");
            Ok(())
        }
        Command::Sync => {
            agent_in_touch(options).await?;
            Ok(())
        }
        Command::Show => {
            let agent = agent(options).await?;
            let request = agent.device_request()?;
            let wanted = request.wanted();
            let certificate = agent.certificate_id().map_or_else(|_| "none yet".to_owned(), |id| id.to_string());
            if options.json {
                let shown = serde_json::json!({"device": agent.device_id(), "person": wanted.person, "role": wanted.role.as_str(), "certificate": certificate});
                say(&shown.to_string());
            } else {
                say(&format!(
                    "device       {}\nperson       {} ({})\nrole         {}\ncertificate  {certificate}",
                    agent.device_id(),
                    wanted.name,
                    wanted.person,
                    wanted.role
                ));
            }
            Ok(())
        }
    }
}
