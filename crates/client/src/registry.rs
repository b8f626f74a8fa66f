//! The registry as this device has replayed it: who is who, by records that it checked itself.

use custodia_core::custody::body::Body;
use custodia_core::custody::intent::{SignedIntent, UnverifiedIntent};
use custodia_core::custody::receipt::RecordView;
use custodia_core::custody::record::{ChainHead, Outcome};
use custodia_core::identity::{
    AsOf, CertificateId, Registry, RegistrySeq, RevocationTarget, TrustPin, UnverifiedCertificate, UnverifiedTrustList,
};
use custodia_core::ids::CaseId;
use custodia_core::time::LogTime;
use ed25519_dalek::VerifyingKey;

use crate::chain::Follower;
use crate::log_view::Misbehaviour;

/// The registry up to the last record that was fetched.
#[derive(Debug, Clone)]
pub struct RegistryView {
    registry: Registry,
    follower: Follower<CaseId>,
    last: Option<AsOf>,
}

impl RegistryView {
    /// An empty registry whose first trust list must have the pinned digest.
    pub fn new(pin: TrustPin) -> Self {
        Self { registry: Registry::new(pin), follower: Follower::after(CaseId::REGISTRY, None), last: None }
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
            apply(&mut registry, &core.intent, at).map_err(bad)?;
            self.registry = registry;
        }
        self.follower = follower;
        self.last = Some(at);
        Ok(())
    }
}

fn apply(registry: &mut Registry, intent: &str, at: AsOf) -> Result<(), &'static str> {
    let unverified = UnverifiedIntent::parse(intent).map_err(|_| "an identity record holds no intent of the format")?;
    let signer = CertificateId::from_digest(unverified.signer());
    match unverified.unverified().body.clone() {
        Body::TrustList(body) => {
            let list = UnverifiedTrustList::parse(body.list.as_bytes()).map_err(|_| "a trust list is not of the format")?;
            // The first list brings its own roots; the pin decides whether they count.
            let key = known_root(registry, signer, at).or_else(|| {
                let roots = list.claimed_offices().iter().flat_map(|office| &office.roots);
                roots.filter(|_| at.seq.get() == 0).find(|root| root.certificate.id() == signer).map(|root| *root.certificate.key())
            });
            verified(unverified, key)?;
            registry.apply_trust_list(list, signer, at).map(drop).map_err(|_| "a trust list was accepted against the rules")
        }
        Body::DeviceEnrol(body) => {
            verified(unverified, known_root(registry, signer, at))?;
            let certificate =
                UnverifiedCertificate::parse(&body.certificate.0).map_err(|_| "an enrolled certificate is not of the format")?;
            registry.enrol(certificate, signer, at).map(drop).map_err(|_| "a device was enrolled against the rules")
        }
        Body::DeviceRevoke(body) => {
            verified(unverified, known_root(registry, signer, at))?;
            let target = RevocationTarget::Device(body.device);
            registry.revoke(target, body.reason, signer, at).map_err(|_| "a device was revoked against the rules")
        }
        Body::LogOrigin(_) => Ok(()),
        _ => Err("an act of another kind stands among the identity records"),
    }
}

fn known_root(registry: &Registry, root: CertificateId, at: AsOf) -> Option<VerifyingKey> {
    registry.trust_list(at.seq).and_then(|list| list.root(root)).map(|(_, root)| *root.certificate.key())
}

fn verified(intent: UnverifiedIntent, key: Option<VerifyingKey>) -> Result<SignedIntent, &'static str> {
    let key = key.ok_or("an identity record is signed by nobody on the trust list")?;
    intent.verify(&key).map_err(|_| "the signature of an identity record does not verify")
}
