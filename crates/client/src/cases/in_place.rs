//! What a device in the place of a lost one is given: the ring keys and exhibits that one had, by the case's chain and those of its exhibits.

use std::collections::{BTreeMap, BTreeSet};

use custodia_api::messages::{ExhibitStateText, GrantUpload};
use custodia_core::custody::body::{Body, Disclosure, MemberChange, Terms};
use custodia_core::custody::facts::Membership;
use custodia_core::custody::intent::SignedIntent;
use custodia_core::custody::kind::{Kind, Purpose};
use custodia_core::custody::recovery::Held;
use custodia_core::digest::Sha256Digest;
use custodia_core::identity::{Certificate, CertificateId, Registry};
use custodia_core::ids::{CaseId, DeviceId, ExhibitId};

use super::recovery::{RecoveryProgress, RecoveryRow};
use crate::agent::Agent;
use crate::error::AgentError;
use crate::reasons::{Ring, Statement};
use crate::state::keys::{self, CaseFile};

impl Agent {
    /// The grant to a device in the place of a lost one: the ring keys and exhibits that one had, as far as this device has them, and a
    /// disclosure for each exhibit.
    pub(super) async fn grants_in_place(
        &self,
        file: &CaseFile,
        device: Sha256Digest,
        statement: &Statement,
        ring: &Ring,
    ) -> Result<Vec<(SignedIntent, GrantUpload)>, AgentError> {
        let recipient: Certificate = self.device_certificate(device).await?;
        let recoveries = self.recoveries(file.id).await?;
        let waiting = |row: &&RecoveryRow| row.new_device == recipient.device() && row.progress == RecoveryProgress::Confirmed;
        let lost =
            recoveries.iter().find(waiting).ok_or(AgentError::NotEligible("the recovery of this device is not confirmed"))?.lost_device;
        let stay = self.stay(file.id, lost).await?.ok_or(AgentError::NotEligible("the device that is lost was never in this case"))?;
        let mut granted = BTreeSet::new();
        let rows = self.exhibit_rows(file.id).await?;
        for row in &rows {
            self.follow_exhibit(file.id, row.exhibit).await?;
            if self.was_granted(row.exhibit, lost, stay).await? {
                granted.insert(row.exhibit);
            }
        }
        let held = Held::of(Membership { first_ring: stay.first_ring, left: false }, stay.last_ring, granted);
        let rings: Vec<_> = keys::ring_keys(&mut *self.state.connection().await, file.id)
            .await?
            .into_iter()
            .filter(|(version, _)| (held.first_ring..=held.last_ring).contains(version))
            .collect();
        let (mut given, mut shares) = (Vec::new(), Vec::new());
        for row in rows {
            if row.state == ExhibitStateText::Erased || !held.could_open(row.exhibit, row.ring_version) {
                continue;
            }
            let mut held_shares = self.group_shares(file.id, &row).await?;
            if held_shares.len() > 1 {
                let several = "colleagues gave this device different keys for an exhibit; another recovery device of the office carries the recovery out";
                return Err(AgentError::NotEligible(several));
            }
            let Some(share) = held_shares.pop() else { continue };
            if !rings.iter().any(|(version, _)| *version == row.ring_version) {
                shares.push((row.exhibit, share.secret().clone()));
            }
            // A restricted exhibit is handed over for what it may still be used for.
            let restricted = row.state == ExhibitStateText::Restricted;
            given.push((row.exhibit, if restricted { Purpose::Prosecution } else { Purpose::Investigation }));
        }
        let mut all = Vec::with_capacity(given.len());
        if given.is_empty() {
            return Ok(all);
        }
        let grant = self.sign_grant(file.id, &recipient, &rings, &shares)?;
        for (exhibit, purpose) in given {
            let intent = self.disclose_grant(file, exhibit, &recipient, &grant, (purpose, statement), ring).await?;
            let upload = GrantUpload { intent: intent.text().to_owned(), grant: grant.clone() };
            all.push((intent, upload));
        }
        Ok(all)
    }

    /// Whether an exhibit whose chain was followed was granted to a device while it was in the case, the last time.
    async fn was_granted(&self, exhibit: ExhibitId, to: DeviceId, stay: Stay) -> Result<bool, AgentError> {
        let acts = self.acts_of(exhibit, &[Kind::Disclosure]).await?;
        let believed = self.believed().await?;
        let registry = believed.registry.registry();
        Ok(acts.iter().filter(|(core, _)| core.index > stay.since).any(|(_, act)| match &act.body {
            Body::Disclosure(Disclosure::Grant { device, .. }) => device_of(registry, device) == Some(to),
            _ => false,
        }))
    }

    /// How a device is in a case, or was when it was removed last, by the case's chain.
    async fn stay(&self, case: CaseId, of: DeviceId) -> Result<Option<Stay>, AgentError> {
        let acts = self.acts_of(case, &[Kind::CaseCreate, Kind::MemberChange]).await?;
        let believed = self.believed().await?;
        let registry = believed.registry.registry();
        let mut stays = Stays::default();
        for (core, act) in &acts {
            match &act.body {
                Body::CaseCreate(body) => {
                    stays.ring = body.ring_version;
                    let founder = Stay { first_ring: 1, last_ring: body.ring_version, since: core.index };
                    let devices = body.members.iter().filter_map(|add| device_of(registry, &add.certificate));
                    stays.members.extend(devices.map(|device| (device, founder)));
                }
                Body::MemberChange(body) => stays.change(registry, act.signer(), body, core.index),
                _ => {}
            }
        }
        let present = stays.members.get(&of).map(|stay| Stay { last_ring: stays.ring, ..*stay });
        Ok(present.or_else(|| stays.former.get(&of).copied()))
    }
}

fn device_of(registry: &Registry, certificate: &Sha256Digest) -> Option<DeviceId> {
    registry.certificate(CertificateId::from_digest(*certificate)).map(Certificate::device)
}

/// One stay of a device in a case: the ring versions of its time, and the record by which it came.
#[derive(Clone, Copy)]
struct Stay {
    first_ring: u32,
    last_ring: u32,
    since: u64,
}

/// The stays of all devices of a case, commit by commit.
#[derive(Default)]
struct Stays {
    ring: u32,
    members: BTreeMap<DeviceId, Stay>,
    former: BTreeMap<DeviceId, Stay>,
}

impl Stays {
    fn change(&mut self, registry: &Registry, signer: Sha256Digest, body: &MemberChange, index: u64) {
        // Who comes back on the terms that it had is the actor itself.
        let own = device_of(registry, &signer).and_then(|device| self.members.get(&device)).copied();
        for device in body.removes.iter().filter_map(|certificate| device_of(registry, certificate)) {
            let stay = self.members.remove(&device);
            self.former.extend(stay.map(|stay| (device, Stay { last_ring: self.ring, ..stay })));
        }
        self.ring = body.ring_version;
        for add in &body.adds {
            let Some(device) = device_of(registry, &add.certificate) else { continue };
            let anew = Stay { first_ring: body.ring_version, last_ring: body.ring_version, since: index };
            let stay = match add.terms {
                Terms::Full => Stay { first_ring: own.map_or(body.ring_version, |own| own.first_ring), ..anew },
                Terms::Resync => own.unwrap_or(anew),
                Terms::Founder | Terms::Chosen | Terms::None | Terms::Recovery => anew,
            };
            self.members.insert(device, stay);
        }
    }
}
