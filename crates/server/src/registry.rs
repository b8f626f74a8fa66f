//! The registry in memory: rebuilt from the registry chain's records at the start, brought up to date before it is asked.

use std::sync::{Arc, PoisonError, RwLock};

use custodia_core::custody::facts::DeviceFacts;
use custodia_core::custody::intent::{SignedIntent, UnverifiedIntent};
use custodia_core::custody::kind::Concern;
use custodia_core::custody::record::{Core, Outcome};
use custodia_core::custody::registry_act::{self, RegistryActError};
use custodia_core::digest::Sha256Digest;
use custodia_core::identity::{AsOf, Certificate, CertificateId, Registry, RegistrySeq, Standing, TrustPin};
use custodia_core::ids::{CaseId, DeviceId};
use custodia_core::time::LogTime;

use crate::error::Refusal;
use crate::store::{Conn, StoreError, log};

/// The registry, and how far in its chain it has read.
#[derive(Debug, Clone)]
pub(crate) struct Mirror {
    registry: Registry,
    pin: TrustPin,
    /// Number of the next record in the chain; refused ones count too.
    next: u64,
}

/// Why a registry act was refused.
pub(crate) enum RegistryFault {
    /// By a rule.
    Rule { id: &'static str, demands: String },
    /// It is not of the form that its kind asks for.
    Malformed(String),
}

impl Mirror {
    const fn new(pin: TrustPin) -> Self {
        Self { registry: Registry::new(pin), pin, next: 0 }
    }

    /// The moment after the last record read.
    pub fn as_of(&self, time: LogTime) -> AsOf {
        AsOf { seq: RegistrySeq::new(self.next.saturating_sub(1)), time }
    }

    /// The registry itself.
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// A certificate that was ever enrolled.
    pub fn certificate(&self, id: Sha256Digest) -> Option<&Certificate> {
        self.registry.certificate(CertificateId::from_digest(id))
    }

    /// The device that a certificate was ever enrolled for.
    pub fn device(&self, id: Sha256Digest) -> Option<DeviceId> {
        self.certificate(id).map(Certificate::device)
    }

    /// What it is worth now.
    pub fn standing(&self, id: Sha256Digest, time: LogTime) -> Standing {
        self.registry.standing(CertificateId::from_digest(id), self.as_of(time))
    }

    /// What the rules ask of a device, and whether it was revoked.
    pub fn device_facts(&self, id: Sha256Digest, time: LogTime) -> Option<(DeviceFacts, bool)> {
        let certificate = self.certificate(id)?;
        let standing = self.standing(id, time);
        let facts = DeviceFacts::of(certificate, standing == Standing::Good);
        Some((facts, matches!(standing, Standing::Revoked(_))))
    }

    /// Checks the signature of an identity act under the root that it names.
    pub fn verify(&self, intent: UnverifiedIntent) -> Result<SignedIntent, Refusal> {
        registry_act::verify(&self.registry, &self.pin, intent).map_err(|error| match error {
            RegistryActError::Malformed(_) | RegistryActError::OtherKind => Refusal::Malformed(error.to_string()),
            other => Refusal::NotAuthenticated(other.to_string()),
        })
    }

    /// Applies an identity act, or says why it is refused; then nothing changed. It will stand at the next place of the chain.
    pub fn apply(&mut self, intent: &SignedIntent, time: LogTime) -> Result<(), RegistryFault> {
        let at = AsOf { seq: RegistrySeq::new(self.next), time };
        registry_act::apply(&mut self.registry, intent, at).map_err(|error| match error {
            RegistryActError::Registry(fault) => match fault.rule() {
                Some(rule) => RegistryFault::Rule { id: rule.id(), demands: fault.to_string() },
                None => RegistryFault::Malformed(fault.to_string()),
            },
            other => RegistryFault::Malformed(other.to_string()),
        })?;
        self.next += 1;
        Ok(())
    }

    /// Passes over a record of the chain that changes nothing: a refused one, or a reading of the whole log.
    pub fn pass_over(&mut self) {
        self.next += 1;
    }

    /// Reads what the chain holds beyond what was read.
    async fn catch_up(&mut self, conn: &mut Conn) -> Result<(), StoreError> {
        const PAGE: u64 = 256;
        let head = log::case_head(conn, CaseId::REGISTRY).await?;
        while head.is_some_and(|head| head.seq.0 >= self.next) {
            for stored in log::case_records(conn, CaseId::REGISTRY, self.next, PAGE).await? {
                let (bytes, _) = stored.core.ok_or(StoreError::Corrupt("an identity record without payload"))?;
                let core = Core::from_bytes(&bytes).map_err(|_| StoreError::Corrupt("an identity record's core part"))?;
                self.take(&core)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, core: &Core) -> Result<(), StoreError> {
        let intent = UnverifiedIntent::parse(&core.intent).map_err(|_| StoreError::Corrupt("an identity record's intent"))?;
        if core.outcome != Outcome::Accepted || intent.unverified().kind().concern() != Concern::Registry {
            self.pass_over();
            return Ok(());
        }
        let intent = self.verify(intent).map_err(|_| StoreError::Corrupt("an identity record's signature"))?;
        self.apply(&intent, core.time).map_err(|_| StoreError::Corrupt("an identity record that its rules refuse"))
    }
}

/// The registry as all requests see it.
pub(crate) struct SharedRegistry(RwLock<Arc<Mirror>>);

impl SharedRegistry {
    pub fn new(pin: TrustPin) -> Self {
        Self(RwLock::new(Arc::new(Mirror::new(pin))))
    }

    /// As it was last read.
    pub fn current(&self) -> Arc<Mirror> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// As the database has it: one look at the chain's head if nothing changed.
    pub async fn refreshed(&self, conn: &mut Conn) -> Result<Arc<Mirror>, StoreError> {
        let current = self.current();
        let head = log::case_head(conn, CaseId::REGISTRY).await?;
        if head.map_or(0, |head| head.seq.0 + 1) == current.next {
            return Ok(current);
        }
        let mut mirror = Mirror::clone(&current);
        mirror.catch_up(conn).await?;
        Ok(self.offer(Arc::new(mirror)))
    }

    /// Takes a registry that was read further, unless a later one is here already; answers the later of the two.
    pub fn offer(&self, mirror: Arc<Mirror>) -> Arc<Mirror> {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if mirror.next > held.next {
            *held = mirror;
        }
        Arc::clone(&held)
    }
}
