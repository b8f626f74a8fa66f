//! What a command works with: each setting from a flag, else the environment, else the user's configuration, else the machine's.
//!
//! ```text
//! --home FOLDER  >  CUSTODIA_HOME  >  $XDG_CONFIG_HOME/custodia/config.toml  >  /etc/custodia/config.toml  >  default
//! ```
//! `CUSTODIA_CONFIG` names one file that is read instead of both. `config/agent.toml` explains every key; an unknown one is refused with file
//! and line. How a passphrase is given is never configured.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;
use custodia_client::ServerInfo;
use custodia_client::http::ServerAddress;
use custodia_client::witnessed::Demand;
use custodia_core::log::policy::{MAX_POLICY_BYTES, Policy};
use toml::de::{DeTable, DeValue};

use crate::failure::{Code, Failure};
use crate::terminal::{Manners, printable_path};

/// The machine's configuration.
const SYSTEM: &str = "/etc/custodia/config.toml";

/// The longest configuration that is read, in bytes.
const MAX_CONFIG_BYTES: usize = 64 * 1024;

/// Flags of every command.
#[derive(Args, Clone, Default)]
pub struct Flags {
    /// Folder of the device's encrypted state. [env: `CUSTODIA_HOME`; default: custodia in the user's data folder]
    #[arg(long, global = true, value_name = "FOLDER", help_heading = "Everywhere")]
    pub home: Option<PathBuf>,
    /// Read the passphrase as one line from this file descriptor instead of asking for it.
    #[arg(long, global = true, value_name = "N", help_heading = "Everywhere")]
    pub passphrase_fd: Option<u32>,
    /// Data as JSON on standard output (`custodia schema` describes it), words and errors as JSON on standard error. [env: `CUSTODIA_JSON`]
    #[arg(long, global = true, value_name = "YES", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true, help_heading = "Everywhere")]
    pub json: Option<bool>,
    /// Say nothing but data and errors. [env: `CUSTODIA_QUIET`]
    #[arg(long, short, global = true, value_name = "YES", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true, help_heading = "Everywhere")]
    pub quiet: Option<bool>,
    /// Ask nothing, even at a terminal. [env: `CUSTODIA_NO_INPUT`]
    #[arg(long, global = true, value_name = "YES", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true, help_heading = "Everywhere")]
    pub no_input: Option<bool>,
}

/// Flags of a command that speaks to a server to which the device is not bound yet, or as an office.
#[derive(Args, Clone, Default)]
pub struct ServerFlags {
    /// The server's address. [env: `CUSTODIA_SERVER`]
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// The authorities (PEM) by which the server's TLS certificate is judged. [env: `CUSTODIA_TLS_AUTHORITY`]
    #[arg(long, value_name = "FILE")]
    pub tls_authority: Option<PathBuf>,
    #[command(flatten)]
    pub card: CardFlag,
}

/// The flag of what an office gives out about its server.
#[derive(Args, Clone, Default)]
pub struct CardFlag {
    /// server.json as given out with the server: origin, log key, trust pin. [env: `CUSTODIA_CARD`]
    #[arg(long, value_name = "FILE")]
    pub card: Option<PathBuf>,
}

/// One setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    Home,
    Server,
    TlsAuthority,
    Card,
    Policy,
    FreshnessSeconds,
    Json,
    Quiet,
    NoInput,
    Log,
}

impl Key {
    pub const ALL: [Self; 10] = [
        Self::Home,
        Self::Server,
        Self::TlsAuthority,
        Self::Card,
        Self::Policy,
        Self::FreshnessSeconds,
        Self::Json,
        Self::Quiet,
        Self::NoInput,
        Self::Log,
    ];

    /// Its name in a configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Home => "home",
            Self::Server => "server",
            Self::TlsAuthority => "tls-authority",
            Self::Card => "card",
            Self::Policy => "policy",
            Self::FreshnessSeconds => "freshness-seconds",
            Self::Json => "json",
            Self::Quiet => "quiet",
            Self::NoInput => "no-input",
            Self::Log => "log",
        }
    }

    /// Its name in the environment.
    pub fn variable(self) -> String {
        format!("CUSTODIA_{}", self.name().replace('-', "_").to_uppercase())
    }

    /// Whether it is yes or no.
    const fn is_switch(self) -> bool {
        matches!(self, Self::Json | Self::Quiet | Self::NoInput)
    }

    /// Whether it is a number.
    const fn is_number(self) -> bool {
        matches!(self, Self::FreshnessSeconds)
    }

    fn default(self) -> Option<OsString> {
        match self {
            Self::Home => Some(below_user("XDG_DATA_HOME", ".local/share", |name| std::env::var_os(name))?.join("custodia").into()),
            Self::Json | Self::Quiet | Self::NoInput => Some("false".into()),
            Self::Log => Some("warn".into()),
            Self::Server | Self::TlsAuthority | Self::Card | Self::Policy | Self::FreshnessSeconds => None,
        }
    }
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Flag(&'static str),
    Environment(String),
    File { path: PathBuf, line: usize },
    Default,
}

impl core::fmt::Display for Origin {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "--{name}"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::File { path, line } => write!(f, "{} line {line}", printable_path(path)),
            Self::Default => f.write_str("default"),
        }
    }
}

/// Every setting that has a value, with where it comes from.
#[derive(Debug, Clone)]
pub struct Settings {
    found: BTreeMap<Key, (OsString, Origin)>,
    /// From where the passphrase is read.
    pub passphrase_fd: Option<u32>,
}

/// A folder of the user's: the variable if it is set to an absolute path, else the place below the home folder.
fn below_user(variable: &str, otherwise: &str, environment: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let named = environment(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    named.or_else(|| environment("HOME").filter(|home| !home.is_empty()).map(|home| PathBuf::from(home).join(otherwise)))
}

/// The configurations that are read, those that count more first.
pub fn places(environment: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    if let Some(path) = environment("CUSTODIA_CONFIG") {
        return vec![path.into()];
    }
    let user = below_user("XDG_CONFIG_HOME", ".config", environment).map(|folder| folder.join("custodia/config.toml"));
    user.into_iter().chain([SYSTEM.into()]).collect()
}

impl Settings {
    /// Puts flags, environment and configurations together.
    pub fn resolve(flags: &Flags) -> Result<Self, Failure> {
        let environment = |name: &str| std::env::var_os(name);
        Self::of(flags, environment, &places(environment), std::env::var_os("CUSTODIA_CONFIG").is_some())
    }

    fn of(flags: &Flags, environment: impl Fn(&str) -> Option<OsString>, files: &[PathBuf], must_exist: bool) -> Result<Self, Failure> {
        let mut found = BTreeMap::new();
        let switch = |given: Option<bool>| given.map(|yes| OsString::from(yes.to_string()));
        let given = [
            (Key::Home, "home", flags.home.clone().map(OsString::from)),
            (Key::Json, "json", switch(flags.json)),
            (Key::Quiet, "quiet", switch(flags.quiet)),
            (Key::NoInput, "no-input", switch(flags.no_input)),
        ];
        for (key, name, value) in given {
            found.extend(value.map(|value| (key, (value, Origin::Flag(name)))));
        }
        for key in Key::ALL {
            let variable = key.variable();
            if let Some(value) = environment(&variable).filter(|value| !value.is_empty()) {
                if key.is_switch() && !matches!(value.to_str(), Some("true" | "false")) {
                    let problem = format!("{variable} is neither true nor false");
                    return Err(Failure::new(Code::ConfigMalformed, problem, "Set it to true or false, or unset it."));
                }
                found.entry(key).or_insert((value, Origin::Environment(variable)));
            }
        }
        for path in files {
            for (key, value, line) in read(path, must_exist)? {
                found.entry(key).or_insert((value.into(), Origin::File { path: path.clone(), line }));
            }
        }
        for key in Key::ALL {
            if let Some(value) = key.default() {
                found.entry(key).or_insert((value, Origin::Default));
            }
        }
        Ok(Self { found, passphrase_fd: flags.passphrase_fd })
    }

    /// A value and where it comes from.
    pub fn get(&self, key: Key) -> Option<&(OsString, Origin)> {
        self.found.get(&key)
    }

    fn path(&self, key: Key) -> Option<PathBuf> {
        self.get(key).map(|(value, _)| value.into())
    }

    fn is(&self, key: Key) -> bool {
        self.get(key).is_some_and(|(value, _)| value == "true")
    }

    /// How the process is to speak.
    pub fn manners(&self) -> Manners {
        Manners { json: self.is(Key::Json), quiet: self.is(Key::Quiet), no_input: self.is(Key::NoInput) }
    }

    /// Which diagnostics are written; none where quiet is asked for and nothing else is said.
    pub fn log(&self) -> String {
        match self.get(Key::Log) {
            Some((_, Origin::Default)) if self.is(Key::Quiet) => "off".to_owned(),
            Some((value, _)) => value.to_string_lossy().into_owned(),
            None => String::new(),
        }
    }

    /// Folder of the device's state.
    pub fn home(&self) -> Result<PathBuf, Failure> {
        self.path(Key::Home).ok_or_else(|| Failure::usage("there is no home folder", "Name the device's folder with --home."))
    }

    /// The server's address, and by which authorities its TLS is judged.
    pub fn address(&self, flags: &ServerFlags) -> Result<ServerAddress, Failure> {
        let server = flags.server.clone().or_else(|| self.get(Key::Server).map(|(value, _)| value.to_string_lossy().into_owned()));
        let server = server.ok_or_else(|| Failure::new(Code::ServerNotNamed, "the server's address is not named", ""))?;
        let authorities = flags.tls_authority.clone().or_else(|| self.path(Key::TlsAuthority));
        let text = authorities.map(|path| std::fs::read(&path).map_err(|error| Failure::file(&path, &error))).transpose()?;
        ServerAddress::new(server, text.as_deref()).map_err(|error| Failure::new(Code::ServerAddress, error.to_string(), ""))
    }

    /// What is demanded of the log beside its own signature; none if no policy is configured.
    pub fn demand(&self) -> Result<Option<Demand>, Failure> {
        let Some(path) = self.path(Key::Policy) else { return Ok(None) };
        let bytes = custodia_client::durable_file::read(&path, MAX_POLICY_BYTES).map_err(|error| Failure::file(&path, &error))?;
        let next = "It is a C2SP tlog-policy file; docs/WITNESSES.md shows one.";
        let policy = Policy::parse(&bytes).map_err(|error| Failure::malformed(&path, error, next))?;
        let freshness = self.get(Key::FreshnessSeconds).map(|(value, origin)| {
            let seconds = value.to_str().and_then(|text| text.parse().ok()).filter(|seconds| *seconds > 0);
            let problem = || format!("freshness-seconds ({origin}) is not a number of seconds above 0");
            seconds.ok_or_else(|| Failure::new(Code::ConfigMalformed, problem(), "Write a whole number, such as 3600."))
        });
        Ok(Some(Demand { policy, freshness_seconds: freshness.transpose()? }))
    }

    /// What an office gives out about its server: origin, log key, trust pin.
    pub fn card(&self, flag: &CardFlag) -> Result<ServerInfo, Failure> {
        let path = flag.card.clone().or_else(|| self.path(Key::Card));
        let path = path.ok_or_else(|| Failure::new(Code::ServerNotNamed, "server.json is not named", ""))?;
        let text = crate::commands::read_text(&path)?;
        let next = "It is the server.json that `custodia serve init` wrote.";
        serde_json::from_str(&text).map_err(|error| Failure::malformed(&path, error, next))
    }
}

/// The settings of one file; none if there is no file that this user can see, and none was asked for.
fn read(path: &Path, must_exist: bool) -> Result<Vec<(Key, String, usize)>, Failure> {
    if !must_exist && path.symlink_metadata().is_err() {
        return Ok(Vec::new());
    }
    let bytes = custodia_client::durable_file::read(path, MAX_CONFIG_BYTES).map_err(|error| Failure::file(path, &error))?;
    let text = String::from_utf8(bytes).map_err(|_| wrong(path, 1, "it is not text in UTF-8"))?;
    let line = |at: usize| text.get(..at).unwrap_or_default().matches('\n').count() + 1;
    let table = DeTable::parse(&text).map_err(|error| wrong(path, error.span().map_or(1, |span| line(span.start)), error.message()))?;
    let mut settings = Vec::new();
    for (name, value) in table.get_ref() {
        let line = line(name.span().start);
        let key = Key::ALL.into_iter().find(|key| key.name() == name.get_ref());
        let key = key.ok_or_else(|| wrong(path, line, &format!("there is no key {}", name.get_ref())))?;
        let text = match value.get_ref() {
            DeValue::Boolean(yes) if key.is_switch() => yes.to_string(),
            DeValue::Integer(number) if key.is_number() => number.as_str().to_owned(),
            _ if key.is_number() => return Err(wrong(path, line, &format!("{} is a number", key.name()))),
            DeValue::String(text) if !key.is_switch() => text.to_string(),
            _ if key.is_switch() => return Err(wrong(path, line, &format!("{} is true or false", key.name()))),
            _ => return Err(wrong(path, line, &format!("{} is a text in quotes", key.name()))),
        };
        settings.push((key, text, line));
    }
    Ok(settings)
}

fn wrong(path: &Path, line: usize, problem: &str) -> Failure {
    let message = format!("{} line {line}: {}", printable_path(path), crate::terminal::printable(problem.trim_end()));
    Failure::new(Code::ConfigMalformed, message, "Mend that line; config/agent.toml explains every key.")
}

#[cfg(test)]
mod tests;
