//! Who comes and goes by a commit: what was asked for, and what group and registry make of it.

use std::collections::BTreeSet;

use custodia_api::messages::{ClaimKeyPackages, ClaimedKeyPackages};
use custodia_core::custody::body::Add;
use custodia_core::custody::wire::Base64;
use custodia_core::digest::Sha256Digest;
use custodia_core::group::facts::{LeafFacts, LeafIndex};
use custodia_core::identity::{Certificate, CertificateId, Role, Standing as Worth};
use custodia_core::ids::CaseId;
use custodia_mls::VerifiedKeyPackage;

use super::membership::Joining;
use crate::agent::Agent;
use crate::error::AgentError;
use crate::log_view::Misbehaviour;

/// What a commit is to do, resolved against group and registry.
pub(super) struct Planned {
    pub adds: Vec<Add>,
    pub packages: Vec<VerifiedKeyPackage>,
    pub removes: Vec<(Sha256Digest, LeafIndex)>,
}

impl Agent {
    /// Resolves who joins and who goes: recovery devices of new offices are added, whoever left or was revoked is removed.
    pub(super) async fn plan(
        &self,
        case: CaseId,
        members: &[LeafFacts],
        mut joining: Vec<Joining>,
        removing: Vec<Sha256Digest>,
    ) -> Result<Planned, AgentError> {
        let mut removing: BTreeSet<Sha256Digest> = removing.into_iter().collect();
        removing.extend(self.gone(case, members).await?);
        let at_leaf = |certificate: &Sha256Digest| {
            members.iter().find(|leaf| CertificateId::of(&leaf.certificate).digest() == *certificate).map(|leaf| leaf.index)
        };
        let removes = removing
            .iter()
            .map(|certificate| at_leaf(certificate).map(|leaf| (*certificate, leaf)))
            .collect::<Option<Vec<_>>>()
            .ok_or(AgentError::NotEligible("a device that is to be removed is no member of the case"))?;
        if self.devices_by(removing.iter().copied()).await?.contains(&self.device.id) {
            return Err(AgentError::NotEligible("a device does not remove itself; it leaves"));
        }
        self.with_recovery(members, &removing, &mut joining).await?;
        let present = self.devices_by(members.iter().map(|leaf| CertificateId::of(&leaf.certificate).digest())).await?;
        if !present.is_disjoint(&self.devices_by(joining.iter().map(|one| one.device)).await?) {
            return Err(AgentError::NotEligible("a device that is to join is a member already"));
        }
        let packages = self.claim(&joining).await?;
        let adds = joining.into_iter().map(|one| Add { certificate: one.device, terms: one.terms }).collect();
        Ok(Planned { adds, packages, removes })
    }

    /// Adds the recovery device of each office that would otherwise have a member and none.
    async fn with_recovery(
        &self,
        members: &[LeafFacts],
        removing: &BTreeSet<Sha256Digest>,
        joining: &mut Vec<Joining>,
    ) -> Result<(), AgentError> {
        let devices = self.devices().await?;
        let find = |id: Sha256Digest| devices.iter().find(|device| device.id().digest() == id);
        let mut covered: BTreeSet<_> = {
            let believed = self.believed().await?;
            let registry = believed.registry.registry();
            let staying = members.iter().map(|leaf| CertificateId::of(&leaf.certificate)).filter(|id| !removing.contains(&id.digest()));
            let recovery = staying.filter_map(|id| registry.certificate(id)).filter(|one| one.role() == Role::Recovery);
            recovery.map(|one| one.office().clone()).collect()
        };
        let eligible = |device: &&Certificate| matches!(device.role(), Role::Prosecutor | Role::Recovery);
        let mut wanted = Vec::new();
        for one in joining.iter() {
            let device = find(one.device)
                .filter(eligible)
                .ok_or(AgentError::NotEligible("a device that is to join is not a prosecutor's or recovery device in good standing"))?;
            if device.role() == Role::Recovery {
                covered.insert(device.office().clone());
            } else {
                wanted.push((device.office().clone(), one.terms));
            }
        }
        for (office, terms) in wanted {
            if !covered.contains(&office) {
                let recovery = self.recovery_devices(&office).await?;
                joining.extend(recovery.iter().map(|device| Joining { device: device.id().digest(), terms }));
                covered.insert(office);
            }
        }
        Ok(())
    }

    /// Members that left or were revoked, by what this device knows.
    async fn gone(&self, case: CaseId, members: &[LeafFacts]) -> Result<Vec<Sha256Digest>, AgentError> {
        let left = self.left(case, None).await?;
        let believed = self.believed().await?;
        let at = believed.registry.as_of(self.now()).ok_or(AgentError::NotEnrolled)?;
        let registry = believed.registry.registry();
        let leaves = members.iter().filter_map(|leaf| registry.certificate(CertificateId::of(&leaf.certificate)));
        let gone = leaves.filter(|leaf| left.contains(&leaf.device()) || matches!(registry.standing(leaf.id(), at), Worth::Revoked(_)));
        Ok(gone.map(|leaf| leaf.id().digest()).collect())
    }

    /// Takes one key package of each device and checks that it is of that device.
    pub(super) async fn claim(&self, joining: &[Joining]) -> Result<Vec<VerifiedKeyPackage>, AgentError> {
        if joining.is_empty() {
            return Ok(Vec::new());
        }
        let asked = ClaimKeyPackages { devices: joining.iter().map(|one| one.device).collect() };
        let claimed: ClaimedKeyPackages = self.link()?.http.post("/v1/key-packages/claim", &asked).await?;
        if claimed.packages.len() != asked.devices.len() {
            let other = Misbehaviour::shown(
                "other key packages than those asked for",
                format!("{} of {}", claimed.packages.len(), asked.devices.len()),
            );
            return self.keeping_evidence(Err(other.into())).await;
        }
        let now = self.now();
        let packages = asked
            .devices
            .iter()
            .zip(claimed.packages)
            .map(|(device, Base64(shown))| {
                let package = VerifiedKeyPackage::parse(&shown, now)?;
                let own = CertificateId::of(&package.facts().certificate).digest() == *device;
                let other =
                    || Misbehaviour { finding: "a key package of another device", held: device.to_string(), shown: hex::encode(&shown) };
                if own { Ok(package) } else { Err(other().into()) }
            })
            .collect();
        self.keeping_evidence(packages).await
    }
}
