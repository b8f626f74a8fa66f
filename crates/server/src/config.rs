//! The configuration: one TOML text, read strictly. `config/custodia.toml` explains every key.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use custodia_core::digest::Sha256Digest;
use custodia_core::log::checkpoint::Origin;

mod witnesses;

pub(crate) use witnesses::read_policy;
pub use witnesses::{StampAuthority, StampsConfig, WitnessesConfig};

/// How a server is set up. Paths are as written in the file; a relative one counts from the working folder.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// Address and port on which requests are taken.
    pub listen: SocketAddr,
    /// What clients name in `Host`, and sign; the address of `listen` if empty.
    #[serde(default)]
    pub authorities: Vec<String>,
    /// The log's origin; it never changes.
    #[serde(deserialize_with = "origin")]
    pub origin: Origin,
    /// SHA-256 of the payload of the first trust list.
    pub trust_pin: Sha256Digest,
    /// Where state lies.
    pub data: DataConfig,
    /// Where objects lie.
    pub store: StoreConfig,
    /// Key-encryption keys of the release shares.
    pub kek: KekConfig,
    /// Limits.
    #[serde(default)]
    pub limits: LimitsConfig,
    /// TLS; without it plain HTTP, which is for loopback alone.
    #[serde(default)]
    pub tls: Option<TlsConfig>,
    /// Who cosigns the log's heads; without it nobody is asked, and no cosignature is taken.
    #[serde(default)]
    pub witnesses: Option<WitnessesConfig>,
    /// Who stamps them.
    #[serde(default)]
    pub stamps: Option<StampsConfig>,
}

/// Where state lies.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// `sqlite:` and a path, or `postgres://…`.
    pub database: String,
    /// The log's signing key.
    pub log_key: PathBuf,
    /// The head file: the largest head that this process saw or signed. Each process has its own.
    pub head_file: PathBuf,
}

/// Where objects lie: exactly one of the two.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum StoreConfig {
    /// A folder.
    Folder(PathBuf),
    /// A bucket.
    S3(S3Config),
}

/// An S3 bucket, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Config {
    /// Its name.
    pub bucket: String,
    /// Its region.
    pub region: String,
    /// Address of the service, if it is not Amazon's.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Whether the service may be reached without TLS.
    #[serde(default)]
    pub allow_http: bool,
    /// What stands before the name of every object, for a bucket that holds other things too.
    #[serde(default)]
    pub prefix: Option<String>,
    /// The file with the keys of the service; without it they come from the environment (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`) or
    /// the machine's role.
    #[serde(default)]
    pub credentials: Option<PathBuf>,
    /// How many seconds the service may stay silent before a request is given up.
    #[serde(default = "silence_seconds")]
    pub silence_seconds: u64,
}

const fn silence_seconds() -> u64 {
    20
}

/// Key-encryption keys.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KekConfig {
    /// Folders that each hold every key: one for a demonstration, two in production, on different disks.
    pub folders: Vec<PathBuf>,
}

/// Limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Memory for objects that are being taken in, in MiB; an upload waits until there is room for it. At least 72, the largest object.
    pub upload_mib: u32,
    /// Memory for objects that are being given out, in MiB; at least 72.
    pub download_mib: u32,
    /// Refusals of one device that are entered in the log within an hour; further ones are counted, and one record stands for them.
    pub refusals_per_hour: u64,
    /// Requests of one address within a minute that are refused for their signature, with the reason; further ones are answered 429.
    pub refused_per_minute: NonZeroU32,
    /// Threads that take requests.
    pub workers: usize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            upload_mib: 72,
            download_mib: 72,
            refusals_per_hour: 20,
            refused_per_minute: NonZeroU32::new(240).expect("not zero"),
            workers: 2,
        }
    }
}

/// TLS.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, counted from 1; none if it concerns the whole.
    pub line: Option<usize>,
    /// The key, such as `data.database`; empty if none is known.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub next: String,
}

impl Problem {
    /// What is wrong with the roots of time-stamping authorities.
    pub(crate) fn of_roots(message: String) -> Self {
        Self { line: None, key: "stamps.tsa_roots".to_owned(), message, next: "Name a file of certificates in PEM.".to_owned() }
    }

    /// What is wrong with the witnesses' policy.
    pub(crate) fn of_policy(message: String) -> Self {
        let next = "Name a C2SP tlog-policy file; docs/WITNESSES.md shows one.".to_owned();
        Self { line: None, key: "witnesses.policy".to_owned(), message, next }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}. {}", self.message, self.next)
    }
}

fn origin<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Origin, D::Error> {
    let text = <String as serde::Deserialize>::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

impl ServerConfig {
    /// Reads a configuration.
    ///
    /// Does not look at the folders and files that it names.
    ///
    /// # Errors
    /// Every problem found; a text that cannot be read as TOML of this form has one.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let config: Self = toml::from_str(text).map_err(|error| vec![unreadable(text, &error)])?;
        let problems = config.problems(text);
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }

    fn problems(&self, text: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut report = |key: &str, message: String, next: &str| {
            problems.push(Problem { line: line_of(text, key), key: key.to_owned(), message, next: next.to_owned() });
        };
        if let Some(wrong) = self.authorities.iter().find(|name| name.is_empty() || name.contains(|c: char| c == '/' || c.is_whitespace()))
        {
            let next = "Write what clients put into `Host`: a name, and the port if it is not the usual one.";
            report("authorities", format!("{wrong:?} is not a host"), next);
        }
        let database = &self.data.database;
        if !["sqlite:", "postgres://", "postgresql://"].iter().any(|scheme| database.starts_with(scheme)) {
            let next = "Write sqlite: and the path of a file, or postgres://user@host/database.";
            report("data.database", "the database is neither SQLite nor PostgreSQL".to_owned(), next);
        }
        if has_password(database) {
            let next = "Take it out of the address, and name a file of the form of ~/.pgpass by PGPASSFILE in the server's environment.";
            report("data.database", "the database's password stands in the configuration".to_owned(), next);
        }
        if let StoreConfig::S3(s3) = &self.store
            && !(1..=600).contains(&s3.silence_seconds)
        {
            report("store.s3.silence_seconds", format!("{} is out of range", s3.silence_seconds), "Write a number from 1 to 600.");
        }
        if self.kek.folders.is_empty() {
            report("kek.folders", "no folder for key-encryption keys is named".to_owned(), "Name one folder, or two on different disks.");
        }
        for folder in &self.kek.folders {
            if let Some(holder) = self.kek_neighbours().iter().find(|holder| lies_within(folder, holder) || lies_within(holder, folder)) {
                let message =
                    format!("{} lies with {}, so one stolen copy would hold both ciphertext and key", folder.display(), holder.display());
                report("kek.folders", message, "Put the keys in a folder of their own, outside of objects, database and their backups.");
            }
        }
        for (key, number) in [("limits.upload_mib", self.limits.upload_mib), ("limits.download_mib", self.limits.download_mib)] {
            if !(72..=65_536).contains(&number) {
                report(key, format!("{number} is out of range"), "Write a number from 72, the largest object, to 65536.");
            }
        }
        if !(1..=256).contains(&self.limits.workers) {
            report("limits.workers", format!("{} is out of range", self.limits.workers), "Write a number from 1 to 256.");
        }
        let faults = [self.witnesses.as_ref().map(WitnessesConfig::faults), self.stamps.as_ref().map(StampsConfig::faults)];
        for (key, message, next) in faults.into_iter().flatten().flatten() {
            report(key, message, next);
        }
        if self.tls.is_none() && !self.listen.ip().is_loopback() {
            let message = format!("without TLS, {} would take requests in the clear", self.listen);
            report("listen", message, "Listen on 127.0.0.1, or configure [tls].");
        }
        problems
    }

    /// What else is wrong once the machine is looked at: TLS and the keys of the bucket, which must be there before a log begins. What
    /// [`Server::init`](crate::Server::init) makes (database, log key, head file, folders) is not asked for.
    pub fn problems_on_this_machine(&self, text: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut report = |key: &str, message: String, next: &str| {
            problems.push(Problem { line: line_of(text, key), key: key.to_owned(), message, next: next.to_owned() });
        };
        if let Some(tls) = &self.tls {
            let readable = |path: &Path| std::fs::File::open(path).err().map(|error| format!("{}: {error}", path.display()));
            match (readable(&tls.certificate), readable(&tls.key)) {
                (None, None) => {
                    if let Err(error) = crate::tls::load(tls) {
                        report("tls.certificate", error.to_string(), "Name a certificate chain and its own private key, both as PEM.");
                    }
                }
                (certificate, key) => {
                    for (name, problem) in [("tls.certificate", certificate), ("tls.key", key)] {
                        if let Some(problem) = problem {
                            report(name, problem, "Check the path and its permissions.");
                        }
                    }
                }
            }
        }
        if let StoreConfig::S3(S3Config { credentials: Some(path), .. }) = &self.store
            && let Err(error) = std::fs::File::open(path)
        {
            report("store.s3.credentials", format!("{}: {error}", path.display()), "Check the path and its permissions.");
        }
        if let Some(witnesses) = &self.witnesses
            && let Err(message) = witnesses.read_policy(None)
        {
            problems.push(Problem { line: line_of(text, "witnesses.policy"), ..Problem::of_policy(message) });
        }
        if let Some(stamps) = &self.stamps
            && let Err(message) = stamps.read_roots()
        {
            problems.push(Problem { line: line_of(text, "stamps.tsa_roots"), ..Problem::of_roots(message) });
        }
        problems
    }

    /// Folders in which no key-encryption key may lie: the one of the objects and the one of the database.
    pub(crate) fn kek_neighbours(&self) -> Vec<PathBuf> {
        let objects = match &self.store {
            StoreConfig::Folder(folder) => Some(folder.clone()),
            StoreConfig::S3(_) => None,
        };
        let database = self.sqlite_file().and_then(|file| file.parent().map(Path::to_owned));
        [objects, database].into_iter().flatten().filter(|folder| !folder.as_os_str().is_empty()).collect()
    }

    /// The database's file, for SQLite.
    pub(crate) fn sqlite_file(&self) -> Option<PathBuf> {
        let rest = self.data.database.strip_prefix("sqlite:")?;
        let path = rest.strip_prefix("//").unwrap_or(rest).split('?').next().unwrap_or_default();
        (!path.is_empty()).then(|| PathBuf::from(path))
    }

    /// The database's address as the driver takes it: a file that does not exist is made.
    pub(crate) fn database_url(&self) -> String {
        match self.sqlite_file() {
            Some(file) => format!("sqlite://{}?mode=rwc", file.display()),
            None => self.data.database.clone(),
        }
    }
}

/// The line in which a key such as `tls.key` stands, counted from 1.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
    let mut within = "";
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            within = header.trim();
        } else if within == section && line.split('=').next().is_some_and(|left| left.trim() == name) {
            return Some(number + 1);
        }
    }
    None
}

/// Whether a database's address holds a password: `user:password@`, or `password=` behind the question mark.
fn has_password(database: &str) -> bool {
    let Some((_, rest)) = database.split_once("://") else { return false };
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let named = place.rsplit_once('@').is_some_and(|(who, _)| who.contains(':'));
    named || query.split('&').any(|part| part.starts_with("password="))
}

/// Everything that is wrong with a configuration, for people; empty if it can be used.
pub fn check(text: &str) -> Vec<Problem> {
    ServerConfig::parse(text).err().unwrap_or_default()
}

/// Whether a path lies within a folder or is it; links are followed as far as the paths exist.
pub(crate) fn lies_within(path: &Path, folder: &Path) -> bool {
    resolved(path).starts_with(resolved(folder))
}

/// The path without links: its longest existing part is resolved, the rest stays as it is.
fn resolved(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let existing = path.ancestors().find_map(|part| part.canonicalize().ok().map(|real| (part, real)));
    existing.map_or(path.clone(), |(part, real)| path.strip_prefix(part).map_or(path.clone(), |rest| real.join(rest)))
}

fn unreadable(text: &str, error: &toml::de::Error) -> Problem {
    let line = error.span().map(|span| text.get(..span.start).unwrap_or_default().matches('\n').count() + 1);
    let key = line.and_then(|line| text.lines().nth(line - 1)).and_then(|line| line.split_once('=')).map_or("", |(key, _)| key.trim());
    Problem {
        line,
        key: key.to_owned(),
        message: error.message().to_owned(),
        next: "Compare it with config/custodia.toml, which explains every key.".to_owned(),
    }
}

#[cfg(test)]
mod tests;
