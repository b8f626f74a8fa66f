//! The registry in memory: rebuilt from the registry chain's records at the start, brought up to date before it is asked.

use std::sync::{Arc, PoisonError, RwLock};

use custodia_core::custody::body::Body;
use custodia_core::custody::facts::DeviceFacts;
use custodia_core::custody::intent::{Intent, UnverifiedIntent};
use custodia_core::custody::record::{Core, Outcome};
use custodia_core::digest::Sha256Digest;
use custodia_core::identity::{
    AsOf, Certificate, CertificateId, Registry, RegistryError, RegistrySeq, RevocationTarget, Standing, TrustPin, UnverifiedCertificate,
    UnverifiedTrustList,
};
use custodia_core::ids::CaseId;
use custodia_core::time::LogTime;
use ed25519_dalek::VerifyingKey;

use crate::store::{Conn, StoreError, log};

/// The registry, and how far in its chain it has read.
#[derive(Debug, Clone)]
pub(crate) struct Mirror {
    registry: Registry,
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
        Self { registry: Registry::new(pin), next: 0 }
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

    /// What it is worth now.
    pub fn standing(&self, id: Sha256Digest, time: LogTime) -> Standing {
        self.registry.standing(CertificateId::from_digest(id), self.as_of(time))
    }

    /// What the rules ask of a device, and whether it was revoked.
    pub fn device_facts(&self, id: Sha256Digest, time: LogTime) -> Option<(DeviceFacts, bool)> {
        let certificate = self.certificate(id)?;
        let standing = self.standing(id, time);
        let facts =
            DeviceFacts { good_standing: standing == Standing::Good, role: certificate.role(), office: certificate.office().clone() };
        Some((facts, matches!(standing, Standing::Revoked(_))))
    }

    /// The key of an office root on the trust list that counts now; for the very first list, of a root that it names itself.
    pub fn root_key(&self, id: Sha256Digest, intent: &Intent) -> Option<VerifyingKey> {
        let id = CertificateId::from_digest(id);
        if let Some(list) = self.registry.trust_list(RegistrySeq::new(self.next)) {
            return list.root(id).map(|(_, root)| *root.certificate.key());
        }
        let Body::TrustList(body) = &intent.body else { return None };
        let list = UnverifiedTrustList::parse(body.list.as_bytes()).ok()?;
        let mut roots = list.claimed_offices().iter().flat_map(|office| &office.roots);
        roots.find(|root| root.certificate.id() == id).map(|root| *root.certificate.key())
    }

    /// Applies an identity act, or says why it is refused; then nothing changed. It will stand at the next place of the chain.
    pub fn apply(&mut self, intent: &Intent, signer: Sha256Digest, time: LogTime) -> Result<(), RegistryFault> {
        let at = AsOf { seq: RegistrySeq::new(self.next), time };
        let signer = CertificateId::from_digest(signer);
        let registry = &mut self.registry;
        let malformed = |error: &dyn std::fmt::Display| RegistryFault::Malformed(error.to_string());
        let outcome = match &intent.body {
            Body::TrustList(body) => {
                let list = UnverifiedTrustList::parse(body.list.as_bytes()).map_err(|error| malformed(&error))?;
                registry.apply_trust_list(list, signer, at).map(|_| ())
            }
            Body::DeviceEnrol(body) => {
                let certificate = UnverifiedCertificate::parse(&body.certificate.0).map_err(|error| malformed(&error))?;
                registry.enrol(certificate, signer, at).map(|_| ())
            }
            Body::DeviceRevoke(body) => registry.revoke(RevocationTarget::Device(body.device), body.reason, signer, at),
            _ => return Err(RegistryFault::Malformed("this kind of act is not taken by the registry".to_owned())),
        };
        outcome.map_err(|error: RegistryError| match error.rule() {
            Some(rule) => RegistryFault::Rule { id: rule.id(), demands: error.to_string() },
            None => RegistryFault::Malformed(error.to_string()),
        })?;
        self.next += 1;
        Ok(())
    }

    /// Passes over a refused record of the chain.
    pub fn pass_over(&mut self) {
        self.next += 1;
    }

    /// Reads what the chain holds beyond what was read.
    pub async fn catch_up(&mut self, conn: &mut Conn) -> Result<(), StoreError> {
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
        if core.outcome != Outcome::Accepted {
            self.pass_over();
            return Ok(());
        }
        let intent = UnverifiedIntent::parse(&core.intent).map_err(|_| StoreError::Corrupt("an identity record's intent"))?;
        let signer = intent.signer();
        self.apply(intent.unverified(), signer, core.time).map_err(|_| StoreError::Corrupt("an identity record that its rules refuse"))
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
        Ok(self.offer(mirror))
    }

    /// Takes a registry that was read further, unless a later one is here already; answers the later of the two.
    pub fn offer(&self, mirror: Mirror) -> Arc<Mirror> {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if mirror.next > held.next {
            *held = Arc::new(mirror);
        }
        Arc::clone(&held)
    }
}
