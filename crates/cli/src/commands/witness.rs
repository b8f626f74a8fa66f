//! `custodia witness`: cosign the heads of logs (C2SP tlog-witness), and show what was cosigned and found.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Subcommand;
use custodia_server::witness::{self, WitnessConfig};
use custodia_server::{StartError, TlsConfig};
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::failure::{Code, Failure};
use crate::terminal::{Answer, answer, note, printable, printable_path, table};

/// Commands of a witness.
#[derive(Subcommand)]
pub enum Command {
    /// Make a witness's key and its empty state; prints the line by which policies name it.
    Key {
        /// The folder to make.
        folder: PathBuf,
        /// The name by which verifiers know it, such as witness.example/w1.
        #[arg(long)]
        name: String,
    },
    /// Cosign what the logs of a policy file show, as long as each only appends.
    Serve {
        /// The key: witness.key of the folder that `custodia witness key` made.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// What was cosigned, and evidence: `state` of the same folder.
        #[arg(long, value_name = "FOLDER")]
        state: PathBuf,
        /// Address and port on which checkpoints are taken; loopback unless there is a certificate.
        #[arg(long)]
        listen: SocketAddr,
        /// A C2SP tlog-policy file: its `log` lines say which logs are witnessed.
        #[arg(long, value_name = "FILE")]
        logs: PathBuf,
        /// The certificate chain for TLS, PEM.
        #[arg(long, value_name = "FILE", requires = "tls_key")]
        tls_certificate: Option<PathBuf>,
        /// Its private key, PEM.
        #[arg(long, value_name = "FILE", requires = "tls_certificate")]
        tls_key: Option<PathBuf>,
    },
    /// Show what was cosigned last of each log, and the evidence against logs that were forked; a running witness is not disturbed.
    Status {
        /// The witness's state.
        #[arg(long, value_name = "FOLDER")]
        state: PathBuf,
    },
}

/// A key that was made.
#[derive(Serialize)]
pub struct Made {
    /// The public key, as policies name it.
    key: String,
    /// The line of a policy; the URL is to be put behind it.
    policy_line: String,
}

impl Answer for Made {
    fn text(&self) -> String {
        self.policy_line.clone()
    }
}

/// A witness that runs.
#[derive(Serialize)]
pub struct Witnessing {
    /// Its public key.
    key: String,
    /// Where it listens.
    address: String,
}

impl Answer for Witnessing {
    fn text(&self) -> String {
        String::new()
    }
}

/// What a witness has cosigned and found.
#[derive(Serialize)]
pub struct Shown {
    key: String,
    logs: Vec<Log>,
    evidence: Vec<Evidence>,
}

#[derive(Serialize)]
struct Log {
    origin: String,
    size: u64,
}

#[derive(Serialize)]
struct Evidence {
    /// fork or unproven.
    finding: String,
    origin: String,
    cosigned: u64,
    shown: u64,
    /// RFC 3339, UTC.
    at: String,
    folder: String,
}

impl Answer for Shown {
    fn text(&self) -> String {
        let logs = self.logs.iter().map(|log| [printable(&log.origin), log.size.to_string()]).collect();
        let text = format!("{}\n\n{}", self.key, table(["LOG", "COSIGNED RECORDS"], logs));
        if self.evidence.is_empty() {
            return text + "\n\nNo log has shown what does not go together.";
        }
        let row = |one: &Evidence| {
            [
                one.finding.clone(),
                printable(&one.origin),
                one.cosigned.to_string(),
                one.shown.to_string(),
                one.at.clone(),
                one.folder.clone(),
            ]
        };
        let rows = self.evidence.iter().map(row).collect();
        let found = table(["FINDING", "LOG", "COSIGNED", "SHOWN", "AT", "FILES"], rows);
        format!(
            "{text}\n\n{found}\n\n\
             fork: the log signed two trees of one size; both signatures are in the files, and anybody can judge them.\n\
             unproven: a head came with a proof that does not prove. Ask the log for a good one between the two; if it has none, it was forked."
        )
    }
}

/// Runs a command of a witness.
pub async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Key { folder, name } => {
            let key = witness::create(&folder, &name).map_err(unusable)?;
            note(&format!(
                "Whoever has {} can cosign in this witness's name. Keep it with its state; copies of either are not to be used.",
                printable_path(&folder)
            ));
            answer(&Made { key: key.to_string(), policy_line: format!("witness {} {key}", key.name()) })
        }
        Command::Serve { key, state, listen, logs, tls_certificate, tls_key } => {
            let tls = tls_certificate.zip(tls_key).map(|(certificate, key)| TlsConfig { certificate, key });
            let running = witness::run(&WitnessConfig { key, state, listen, logs, tls }).await.map_err(unusable)?;
            note(&format!("custodia witnesses as {} on {}", running.key.name(), running.addr));
            answer(&Witnessing { key: running.key.to_string(), address: running.addr.to_string() })?;
            running.wait().await.map_err(unusable)
        }
        Command::Status { state } => {
            let status = witness::status(&state).map_err(unusable)?;
            let logs = status.logs.into_iter().map(|log| Log { origin: log.origin, size: log.size }).collect();
            let evidence = status.evidence.into_iter().map(|one| Evidence {
                finding: one.finding,
                origin: one.origin,
                cosigned: one.cosigned,
                shown: one.shown,
                at: rfc3339(one.at),
                folder: printable_path(&one.folder),
            });
            answer(&Shown { key: status.vkey, logs, evidence: evidence.collect() })
        }
    }
}

/// A time in seconds since 1970, as text.
fn rfc3339(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_else(|| seconds.to_string())
}

/// A witness's files are its own, and not the configuration of a server.
#[expect(clippy::needless_pass_by_value, reason = "the form that map_err asks for")]
fn unusable(error: StartError) -> Failure {
    match &error {
        StartError::Io { source, .. } if source.kind() == std::io::ErrorKind::AlreadyExists => {
            Failure::new(Code::Exists, error.to_string(), "")
        }
        _ => Failure::new(Code::WitnessUnusable, error.to_string(), ""),
    }
}
