//! The registry as this device has replayed it: who is who, by records that it checked itself.

use custodia_core::custody::intent::UnverifiedIntent;
use custodia_core::custody::kind::Kind;
use custodia_core::custody::receipt::RecordView;
use custodia_core::custody::record::{ChainHead, Outcome};
use custodia_core::custody::registry_act;
use custodia_core::identity::{AsOf, CertificateId, Registry, RegistrySeq, TrustPin};
use custodia_core::ids::CaseId;
use custodia_core::time::LogTime;

use crate::chain::Follower;
use crate::log_view::Misbehaviour;

/// The registry up to the last record that was fetched.
#[derive(Debug, Clone)]
pub struct RegistryView {
    registry: Registry,
    pin: TrustPin,
    follower: Follower<CaseId>,
    last: Option<AsOf>,
}

impl RegistryView {
    /// An empty registry whose first trust list must have the pinned digest.
    pub fn new(pin: TrustPin) -> Self {
        Self { registry: Registry::new(pin), pin, follower: Follower::after(CaseId::REGISTRY, None), last: None }
    }

    /// Who is who.
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Sequence number of the next record.
    pub const fn next_seq(&self) -> u64 {
        self.follower.next_seq()
    }

    /// The last record, which a commit names.
    pub const fn head(&self) -> Option<ChainHead> {
        self.follower.head()
    }

    /// The whole registry as far as it was replayed, judged at a time; none if it is empty.
    ///
    /// A clock that lies before the last record counts as that record's time.
    pub fn as_of(&self, time: LogTime) -> Option<AsOf> {
        self.last.map(|last| AsOf { seq: last.seq, time: last.time.max(time) })
    }

    /// Takes the chain's next record: link, office's signature and rules. A refused record only continues the chain.
    ///
    /// # Errors
    /// What does not hold; the record should never have been accepted or shown.
    pub fn take(&mut self, view: &RecordView) -> Result<(), Misbehaviour> {
        let bad = |finding| Misbehaviour::shown(finding, serde_json::to_string(view).unwrap_or_default());
        let opened = view.open().map_err(|_| bad("an identity record is not of the format"))?;
        let (Some(core), Some(place)) = (opened.core, opened.case) else { return Err(bad("an identity record is not shown in full")) };
        let mut follower = self.follower;
        follower.follow(core.index, &place, opened.commitment).map_err(bad)?;
        let at = AsOf { seq: RegistrySeq::new(place.seq.0), time: core.time };
        if self.last.is_some_and(|last| last.time > at.time) {
            return Err(bad("an identity record bears an earlier time than the one before it"));
        }
        if core.outcome == Outcome::Accepted {
            let mut registry = self.registry.clone();
            apply(&mut registry, &self.pin, &core.intent, at).map_err(bad)?;
            self.registry = registry;
        }
        self.follower = follower;
        self.last = Some(at);
        Ok(())
    }
}

/// Verifies and applies an accepted record. The start of a log and readings of it stand in this chain too and change nobody's standing.
fn apply(registry: &mut Registry, pin: &TrustPin, intent: &str, at: AsOf) -> Result<(), &'static str> {
    let unverified = UnverifiedIntent::parse(intent).map_err(|_| "an identity record holds no intent of the format")?;
    match unverified.unverified().kind() {
        Kind::LogOrigin => return Ok(()),
        Kind::LogRead => {
            let reader = registry.certificate(CertificateId::from_digest(unverified.signer()));
            let reader = reader.ok_or("a reading of the log is signed by a device that the registry does not know")?;
            return unverified.verify(reader.key()).map(drop).map_err(|_| "the signature of a reading of the log does not verify");
        }
        _ => {}
    }
    let signed =
        registry_act::verify(registry, pin, unverified).map_err(|_| "an identity record is not signed by a root on the trust list")?;
    registry_act::apply(registry, &signed, at).map_err(|_| "an identity record was accepted against the rules")
}
