//! How a device stands and what its server shows, for `custodia doctor`: nothing is entered, stored or believed by looking.
//!
//! One thing is kept: what proves the server wrong, as at every other contact.

use std::path::Path;

pub use custodia_api::limits::MAX_SKEW_SECONDS;
use custodia_api::messages::{Consistency, ServerInfo};
use custodia_core::identity::{DeviceFields, Standing, UnverifiedCertificate};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::agent::Agent;
use crate::error::AgentError;
use crate::log_view::Relation;
use crate::state::{acts, device, keys};
use crate::sync::MAX_CHECKPOINT_BYTES;

/// The device as its own state shows it.
#[derive(Debug, Clone)]
pub struct OwnExamination {
    /// What its certificate says; none before one is installed. Its standing says whether anybody vouches for it.
    pub certificate: Option<DeviceFields>,
    /// How the certificate stands by the registry as this device last saw it.
    pub standing: Standing,
    /// Acts that were signed and whose answer is not known.
    pub waiting: usize,
    /// Cases of which it is a member.
    pub cases: usize,
    /// The server to which it is bound.
    pub server: Option<String>,
}

/// What the server shows.
#[derive(Debug, Clone)]
pub struct ServerExamination {
    /// Its version, as it says.
    pub version: String,
    /// Whether it shows another log or trust list than the one to which the device is bound; which.
    pub other: Option<&'static str>,
    /// How many records its log has.
    pub records: u64,
    /// How many of them this device has seen before.
    pub seen: u64,
    /// The server's clock minus this machine's, in seconds, as far as the answer's head says; to about a second.
    pub clock_difference: Option<i64>,
}

impl Agent {
    /// Looks at the device's own state.
    ///
    /// # Errors
    /// What the state refuses.
    pub async fn examine_own(&self) -> Result<OwnExamination, AgentError> {
        let certificate = self.device.certificate.as_ref().and_then(|der| UnverifiedCertificate::parse(der).ok());
        let standing = match self.own_certificate().await {
            Ok(_) => Standing::Good,
            Err(AgentError::OwnStanding(standing)) => standing,
            Err(AgentError::OutOfValidity { clock }) if certificate.as_ref().is_some_and(|own| clock < own.claims().not_before) => {
                Standing::NotYetValid
            }
            Err(AgentError::OutOfValidity { .. }) => Standing::Expired,
            Err(_) => Standing::Unknown,
        };
        let mut connection = self.state.connection().await;
        let waiting = acts::waiting(&mut connection).await?.len();
        let cases = keys::cases(&mut connection).await?.iter().filter(|case| case.standing == keys::Standing::Member).count();
        let server = device::server(&mut connection).await?.map(|server| server.url);
        Ok(OwnExamination { certificate: certificate.map(|certificate| certificate.claims().clone()), standing, waiting, cases, server })
    }

    /// Asks the server for its head and proves that it extends the one that this device knows; the device goes on knowing the old one.
    ///
    /// # Errors
    /// [`AgentError::NotBound`]; nobody answers; [`AgentError::Misbehaved`] for a log that was rolled back or forked.
    pub async fn examine_server(&self) -> Result<ServerExamination, AgentError> {
        let result = self.look_at_server().await;
        self.keeping_evidence(result).await
    }

    async fn look_at_server(&self) -> Result<ServerExamination, AgentError> {
        let http = &self.link()?.http;
        let row = device::server(&mut *self.state.connection().await).await?.ok_or(AgentError::NotBound)?;
        let shown: ServerInfo = http.get("/v1/server").await?;
        let bound = ServerInfo { origin: row.origin, log_key: row.log_key, trust_pin: row.trust_pin, version: String::new() };
        let other = match crate::agent::same_server(&bound, &shown) {
            Err(AgentError::OtherServer(what)) => Some(what),
            _ => None,
        };
        let before = self.clock.seconds();
        let (text, date) = http.get_text_dated("/checkpoint", MAX_CHECKPOINT_BYTES).await?;
        let now = u64::midpoint(before, self.clock.seconds());
        let date = date.and_then(|date| OffsetDateTime::parse(&date, &Rfc2822).ok());
        let clock_difference = date.map(|date| date.unix_timestamp().saturating_sub(i64::try_from(now).unwrap_or(i64::MAX)));
        let mut log = self.believed().await?.log.clone();
        let seen = log.seen().size;
        let records = match log.relate(&text)? {
            Relation::Known(shown) => shown.size().get(),
            Relation::Older(_) => return Err(log.against_head("the log was rolled back to an earlier head", &text).into()),
            Relation::Newer(shown) => {
                let proof: Consistency = match seen {
                    0 => Consistency { proof: Vec::new() },
                    _ => http.get(&format!("/v1/log/consistency?from={seen}&to={}", shown.size().get())).await?,
                };
                log.advance(shown.clone(), &proof)?;
                shown.size().get()
            }
        };
        Ok(ServerExamination { version: shown.version, other, records, seen, clock_difference })
    }
}

/// How many bytes are free for this user on the disk of a folder, or of the nearest folder above it that exists; none if the system does not say.
pub fn free_bytes(folder: &Path) -> Option<u64> {
    let existing = folder.ancestors().find(|path| path.exists())?;
    let existing = if existing.as_os_str().is_empty() { Path::new(".") } else { existing };
    let disk = rustix::fs::statvfs(existing).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}
