//! `custodia device …`: this device's keys, request, certificate, server.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use custodia_client::state::StateError;
use custodia_client::state::keys::Standing;
use custodia_client::{Agent, AgentError, NewDevice, StatePaths};
use custodia_core::digest::Sha256Digest;
use custodia_core::identity::{DeviceRequest, Role};
use custodia_core::ids::PersonId;
use custodia_failpoint::fail_point;

use super::{COST, address, agent, agent_in_touch, clock, day, home, read_bytes, server_card, write_new};
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
    note("Send the request to your office, and compare this fingerprint with them by voice:");
    say(&asked.fingerprint().to_string());
    note("What they issue: `custodia device renew CERTIFICATE`. Until the present certificate ends, go on working with it.");
    Ok(())
}

/// Number and SHA-256 of the trust list in force, as this device has followed it.
async fn followed_list(agent: &Agent) -> Option<(u64, Sha256Digest)> {
    let registry = agent.registry().await.ok()?;
    let list = registry.trust_list(registry.head()?.seq)?;
    Some((list.number(), list.digest()))
}

/// Follows every case; a colleague who came back into one is given its key.
async fn keep_up(agent: &Agent) -> Result<(), Failure> {
    for case in agent.cases().await?.iter().filter(|case| case.standing == Standing::Member) {
        match agent.refresh(case.id).await {
            // One case that needs something of its own does not keep the others from being followed.
            Err(error @ (AgentError::GroupLost(_) | AgentError::NotMember(_))) => {
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
    let ends = agent.certificate_ends()?.map(day).unwrap_or_default();
    note(&format!("The certificate stands in the log and is valid until {ends}; cases that show it from now on: {}.", cases.len()));
    Ok(())
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
        Command::Renew { certificate: None, request: Some(path) } => ask_for_renewal(&agent(options).await?, &path),
        Command::Renew { certificate, request: None } => {
            let mut agent = agent(options).await?;
            if let Some(path) = certificate {
                agent.install_certificate(&read_bytes(&path)?).await?;
            }
            renew(&agent).await
        }
        Command::Renew { .. } => {
            Err(Failure::usage("--request goes with no certificate", "First ask, then install what the office issued."))
        }
        Command::Sync => {
            let agent = agent_in_touch(options).await?;
            keep_up(&agent).await?;
            agent.renew_leaves().await?;
            Ok(())
        }
        Command::Show => {
            let agent = agent(options).await?;
            let request = agent.device_request()?;
            let wanted = request.wanted();
            let certificate = agent.certificate_id().map_or_else(|_| "none yet".to_owned(), |id| id.to_string());
            let ends = agent.certificate_ends()?.map(day);
            let list = followed_list(&agent).await;
            if options.json {
                let shown = serde_json::json!({"device": agent.device_id(), "person": wanted.person, "role": wanted.role.as_str(), "certificate": certificate, "valid_until": ends, "trust_list": list.as_ref().map(|list| list.0)});
                say(&shown.to_string());
            } else {
                say(&format!(
                    "device       {}\nperson       {} ({})\nrole         {}\ncertificate  {certificate}\nvalid until  {}\ntrust list   {}",
                    agent.device_id(),
                    wanted.name,
                    wanted.person,
                    wanted.role,
                    ends.as_deref().unwrap_or("-"),
                    list.map_or_else(|| "none yet".to_owned(), |(number, digest)| format!("number {number}, SHA-256 {digest}"))
                ));
            }
            Ok(())
        }
    }
}
