//! `custodia serve`: run the server, prepare one, or check a configuration.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use custodia_client::ServerInfo;
use custodia_core::digest::Sha256Digest;
use custodia_server::{Problem, Server, ServerConfig};

use serde::Serialize;

use super::{read_text, write_new};
use crate::failure::{Code, Failure};
use crate::terminal::{Answer, answer, note, printable_path};

/// Options of `custodia serve`.
#[derive(Args)]
pub struct Options {
    #[command(subcommand)]
    command: Option<Command>,
    /// The configuration, such as config/custodia.toml.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Only check the configuration, and say what is wrong in which line.
    #[arg(long)]
    check: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Make a server in a new folder on embedded defaults: SQLite and local files.
    Init {
        /// The folder to make.
        folder: PathBuf,
        /// Address and port to listen on; loopback unless TLS is configured.
        #[arg(long, default_value = "127.0.0.1:8443")]
        listen: SocketAddr,
        /// The log's origin: the name under which it is known for ever.
        #[arg(long)]
        origin: String,
        /// SHA-256 of the first trust list, as `custodia office trust-list` printed it.
        #[arg(long)]
        trust_pin: Sha256Digest,
    },
    /// Begin the log of a configuration that you wrote: make its keys and head file, and the tables in its database.
    Begin {
        /// The configuration, such as config/custodia.toml.
        #[arg(long)]
        config: PathBuf,
        /// Where to write what offices and devices are given about this server.
        #[arg(long, value_name = "FILE")]
        card: PathBuf,
    },
}

/// A server that runs, or whose configuration is usable.
#[derive(Serialize)]
pub struct Serving {
    /// The log's origin.
    origin: String,
    /// Where it listens; null if the configuration was only checked.
    address: Option<String>,
}

impl Answer for Serving {
    fn text(&self) -> String {
        String::new()
    }
}

/// A log that begins.
#[derive(Serialize)]
pub struct Begun {
    /// The log's public key, as a verifier's trust file names it.
    log_key: String,
    /// The server's configuration.
    config: String,
    /// What offices and devices are given.
    card: String,
}

impl Answer for Begun {
    fn text(&self) -> String {
        self.log_key.clone()
    }
}

/// Runs the server until it is stopped, or the command below it.
pub async fn run(options: Options) -> Result<(), Failure> {
    match options.command {
        Some(Command::Init { folder, listen, origin, trust_pin }) => return init(&folder, listen, &origin, trust_pin).await,
        Some(Command::Begin { config, card }) => return begin(&config, &card).await,
        None => {}
    }
    let path = options.config.ok_or_else(|| Failure::usage("no configuration is named", "Name it with --config."))?;
    let config = parse(&path)?;
    if options.check {
        let problems = config.problems_on_this_machine(&read_text(&path)?);
        if !problems.is_empty() {
            return Err(unusable(&path, &problems));
        }
        note(&format!("{} is usable.", path.display()));
        return answer(&Serving { origin: config.origin.to_string(), address: None });
    }
    let running = Server::run(&config).await?;
    note(&format!("custodia serves {} on {}", config.origin, running.addr));
    answer(&Serving { origin: config.origin.to_string(), address: Some(running.addr.to_string()) })?;
    Ok(running.wait().await?)
}

/// Reads a configuration, or says what is wrong in which line.
pub fn parse(path: &Path) -> Result<ServerConfig, Failure> {
    ServerConfig::parse(&read_text(path)?).map_err(|problems| unusable(path, &problems))
}

fn unusable(path: &Path, problems: &[Problem]) -> Failure {
    let lines: Vec<String> = problems.iter().map(|problem| format!("{}: {problem}", path.display())).collect();
    Failure::new(Code::ConfigMalformed, lines.join("\n"), "Mend these and check again with `custodia serve --check --config FILE`.")
}

async fn init(folder: &Path, listen: SocketAddr, origin: &str, trust_pin: Sha256Digest) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|error| Failure::file(folder, &error))?;
    let folder = folder.canonicalize().map_err(|error| Failure::file(folder, &error))?;
    let at = |name: &str| quoted(&folder.join(name).display().to_string());
    let text = format!(
        "# Every key is explained in config/custodia.toml.\nlisten = \"{listen}\"\norigin = {}\ntrust_pin = \"{trust_pin}\"\n\n[data]\ndatabase = {}\nlog_key = {}\nhead_file = {}\n\n[store]\nfolder = {}\n\n[kek]\nfolders = [{}]\n",
        quoted(origin),
        quoted(&format!("sqlite:{}", folder.join("db/custodia.sqlite").display())),
        at("keys/log.key"),
        at("head/head.json"),
        at("objects"),
        at("kek"),
    );
    let path = folder.join("custodia.toml");
    write_new(&path, text.as_bytes())?;
    begin(&path, &folder.join("server.json")).await
}

async fn begin(path: &Path, card: &Path) -> Result<(), Failure> {
    let config = parse(path)?;
    let key = Server::init(&config).await?;
    let info =
        ServerInfo { origin: config.origin.to_string(), log_key: key.to_string(), trust_pin: config.trust_pin, version: String::new() };
    let text = serde_json::to_string_pretty(&info).map_err(|error| Failure::new(Code::Unexpected, error.to_string(), ""))?;
    write_new(card, text.as_bytes())?;
    note(&format!("The log begins. Give {} to offices and devices by another way than this server.", card.display()));
    note(&format!("Start it: custodia serve --config {}", path.display()));
    answer(&Begun { log_key: key.to_string(), config: printable_path(path), card: printable_path(card) })
}

/// A basic string of TOML; those of JSON are such.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
