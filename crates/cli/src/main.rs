//! `custodia`: commands, output and exit codes. The one place that composes server, agent and verifier.

mod commands;
mod demo;
mod failure;
mod terminal;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use failure::Failure;

/// A vault in which prosecutors of several states share evidence: sealed on their own devices, every access on record.
#[derive(Parser)]
#[command(name = "custodia", version, propagate_version = true, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    device: DeviceOptions,
}

/// Which device acts.
#[derive(Args, Clone)]
pub struct DeviceOptions {
    /// Folder of the device's encrypted state.
    #[arg(long, global = true, env = "CUSTODIA_HOME", value_name = "FOLDER")]
    home: Option<PathBuf>,
    /// Read the passphrase as one line from this file descriptor instead of asking for it.
    #[arg(long, global = true, value_name = "N")]
    passphrase_fd: Option<u32>,
    /// Print data as JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Watch the whole idea work on real files, and attacks on it fail.
    Demo(demo::Options),
    /// An office: its root, its people's certificates, the trust list.
    #[command(subcommand)]
    Office(commands::office::Command),
    /// This device: its keys, its certificate, its server.
    #[command(subcommand)]
    Device(commands::device::Command),
    /// Run the server, or prepare one.
    Serve(commands::serve::Options),
    /// Try out the database and the object store of a server's configuration before they are trusted.
    Doctor(commands::doctor::Options),
    /// Cases and their members.
    #[command(subcommand)]
    Case(commands::case::Command),
    /// Evidence: take it in, list it, open it, write it out.
    #[command(subcommand)]
    Exhibit(commands::exhibit::Command),
    /// The custody log of a case.
    #[command(subcommand)]
    Log(commands::log::Command),
    /// Replay the whole log and answer who did what, when and why.
    Audit(Box<commands::audit::Options>),
    /// Make a dossier for a court, or add an auditor's cosignature to one.
    #[command(subcommand)]
    Dossier(commands::dossier::Command),
    /// Check a dossier offline, by your own trust file.
    Verify(commands::verify::Options),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    let level = std::env::var("CUSTODIA_LOG").unwrap_or_else(|_| "warn".to_owned());
    tracing_subscriber::fmt().with_env_filter(level).with_writer(std::io::stderr).with_target(false).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            terminal::note(&format!("custodia: no runtime: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let home = commands::home(&cli.device);
    match runtime.block_on(run(cli)) {
        Ok(code) => code,
        Err(Failure { exit, message, next, of_state }) => {
            terminal::note(&format!("custodia: {message}"));
            if of_state && let Ok(home) = home {
                terminal::note(&format!("  The state lies in {}.", home.display()));
            }
            if !next.is_empty() {
                terminal::note(&format!("  {next}"));
            }
            ExitCode::from(exit as u8)
        }
    }
}

async fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let device = &cli.device;
    match cli.command {
        Command::Demo(options) => return demo::run(&options).await,
        Command::Verify(options) => return commands::verify::run(&options, device),
        Command::Audit(options) => return commands::audit::run(*options, device).await,
        Command::Office(command) => commands::office::run(command, device).await?,
        Command::Device(command) => commands::device::run(command, device).await?,
        Command::Serve(options) => commands::serve::run(options).await?,
        Command::Doctor(options) => commands::doctor::run(&options).await?,
        Command::Case(command) => Box::pin(commands::case::run(command, device)).await?,
        Command::Exhibit(command) => Box::pin(commands::exhibit::run(command, device)).await?,
        Command::Log(command) => commands::log::run(command, device).await?,
        Command::Dossier(command) => commands::dossier::run(command, device).await?,
    }
    Ok(ExitCode::SUCCESS)
}
