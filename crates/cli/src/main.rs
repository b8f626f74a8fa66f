//! `custodia`: commands, output and exit codes. The one place that composes server, agent and verifier.

mod commands;
mod demo;
mod failure;
mod schema;
mod settings;
mod terminal;

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand};

use failure::{Code, Failure};
use settings::{Flags, Settings};
use terminal::Manners;

/// A vault in which prosecutors of several states share evidence: sealed on their own devices, every access on record.
#[derive(Parser)]
#[command(name = "custodia", version, propagate_version = true, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    flags: Flags,
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
    /// Look this device over, or try out the database and the object store of a server's configuration; nothing is changed.
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
    /// A witness: cosign the heads of logs that only append, and keep evidence against those that do not.
    #[command(subcommand)]
    Witness(commands::witness::Command),
    /// What this program works with: flags, environment, configurations.
    #[command(subcommand)]
    Config(commands::config::Command),
    /// Print a script that completes commands and flags in a shell.
    Completions(commands::manual::Completions),
    /// Write the manual pages, one for each command.
    Man(commands::manual::Pages),
    /// Describe the JSON that commands write under --json, as JSON Schema.
    Schema(commands::schema::Options),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => return misread(&error),
        Err(help) => {
            let _ = help.print();
            return ExitCode::SUCCESS;
        }
    };
    let settings = match Settings::resolve(&cli.flags) {
        Ok(settings) => settings,
        Err(failure) => {
            terminal::behave(Manners { json: cli.flags.json == Some(true), ..Manners::default() });
            return ended(&failure, None);
        }
    };
    let manners = settings.manners();
    terminal::behave(manners);
    let diagnostics = tracing_subscriber::fmt().with_env_filter(settings.log()).with_writer(std::io::stderr).with_target(false);
    if manners.json {
        diagnostics.json().init();
    } else {
        diagnostics.init();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return ended(&Failure::new(Code::Machine, format!("no runtime: {error}"), ""), None),
    };
    let code = match runtime.block_on(run(cli.command, &settings)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => ended(&failure, Some(&settings)),
    };
    drop(runtime);
    outlive_threads();
    code
}

/// Waits, for a second at most, until this is the program's only thread.
///
/// A database's thread answers that it has closed and ends a moment later. OpenSSL, which SQLCipher uses, clears up after a thread when the thread ends,
/// and after the program when that ends; both at once end in a damaged heap, and a command that did everything right in a signal.
fn outlive_threads() {
    let until = Instant::now() + Duration::from_secs(1);
    while std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() > 1) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Says why a command failed; its exit code.
fn ended(failure: &Failure, settings: Option<&Settings>) -> ExitCode {
    let home = settings.filter(|_| failure.of_state).and_then(|settings| settings.home().ok());
    let message = match home {
        Some(home) => format!("{} (the state lies in {})", failure.message, home.display()),
        None => failure.message.clone(),
    };
    terminal::fail(&Failure { message, rule: failure.rule.clone(), next: failure.next.clone(), ..*failure });
    ExitCode::from(failure.code.exit() as u8)
}

/// Says which words of a command cannot be used, as any other failure is said.
fn misread(error: &clap::Error) -> ExitCode {
    let asks_json = |word: &OsString| word == "--json" || word == "--json=true";
    let json =
        std::env::args_os().skip(1).any(|word| asks_json(&word)) || std::env::var_os("CUSTODIA_JSON").is_some_and(|value| value == "true");
    terminal::behave(Manners { json, ..Manners::default() });
    let is_help = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if is_help && !json {
        let _ = error.print();
    }
    let text = error.render().to_string();
    let (message, usage) = text.split_once("\n\nUsage: custodia").unwrap_or((&text, ""));
    let message = message.split("\n\nFor more information").next().unwrap_or_default().trim_start_matches("error: ").trim();
    let message = if is_help { "no command is given".to_owned() } else { message.replace("\n\n", "\n") };
    let is_command = |word: &&str| word.starts_with(|letter: char| letter.is_ascii_lowercase());
    let command: Vec<&str> = usage.split_whitespace().take_while(is_command).collect();
    let next = if command.is_empty() { String::new() } else { format!("`custodia help {}` shows what it takes.", command.join(" ")) };
    ended(&Failure::usage(message, next), None)
}

async fn run(command: Command, settings: &Settings) -> Result<(), Failure> {
    match command {
        Command::Demo(options) => demo::run(&options).await,
        Command::Verify(options) => commands::verify::run(&options),
        Command::Audit(options) => Box::pin(commands::audit::run(*options, settings)).await,
        Command::Office(command) => commands::office::run(command, settings).await,
        Command::Device(command) => Box::pin(commands::device::run(command, settings)).await,
        Command::Serve(options) => commands::serve::run(options).await,
        Command::Doctor(options) => commands::doctor::run(&options, settings).await,
        Command::Case(command) => Box::pin(commands::case::run(command, settings)).await,
        Command::Exhibit(command) => Box::pin(commands::exhibit::run(command, settings)).await,
        Command::Log(command) => commands::log::run(command, settings).await,
        Command::Dossier(command) => Box::pin(commands::dossier::run(command, settings)).await,
        Command::Witness(command) => commands::witness::run(command).await,
        Command::Config(command) => commands::config::run(&command, settings),
        Command::Completions(options) => commands::manual::complete(&options, &mut Cli::command()),
        Command::Man(options) => commands::manual::pages(&options, Cli::command()),
        Command::Schema(options) => commands::schema::run(&options),
    }
}
