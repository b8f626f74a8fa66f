//! Judging a successor group by the case's chain: by the functions by which an auditor's replay builds its world.

use custodia_core::custody::body::Body;
use custodia_core::custody::facts::DeviceFacts;
use custodia_core::custody::intent::SignedIntent;
use custodia_core::custody::kind::Kind;
use custodia_core::custody::rules::judge_succession;
use custodia_core::custody::succession::{GroupSucceed, LeftOut, SuccessionFacts};
use custodia_core::custody::world::World;
use custodia_core::digest::Sha256Digest;
use custodia_core::group::context::CommitContext;
use custodia_core::group::facts::GroupId;
use custodia_core::identity::{AsOf, CertificateId, Registry, RegistrySeq, Standing};
use custodia_core::ids::CaseId;
use custodia_core::time::LogTime;

use super::Commit;
use crate::agent::Agent;
use crate::cases::catch_up::ChangeRecord;
use crate::error::AgentError;
use crate::log_view::Misbehaviour;
use crate::state::{self, head};

impl Agent {
    /// The accepted acts of a case's chain, up to an index of the log or to the chain's end.
    async fn acts_before(&self, case: CaseId, before: Option<u64>) -> Result<Vec<(LogTime, SignedIntent)>, AgentError> {
        let views = head::acts(&mut *self.state.connection().await, case, &Kind::ALL).await?;
        let believed = self.believed().await?;
        let mut acts = Vec::with_capacity(views.len());
        for view in views.iter().take_while(|view| before.is_none_or(|before| view.index < before)) {
            let opened = view.open().map_err(|_| state::StateError::Damaged("record"))?;
            let record = crate::sync::read_record(&believed, view, opened)?;
            acts.extend(record.opened.core.map(|core| core.time).zip(record.intent));
        }
        Ok(acts)
    }

    /// What holds of a commit of the current group, by all that this device knows now.
    pub(in crate::cases) async fn left_out(&self, case: CaseId, commit: Commit) -> Result<LeftOut, AgentError> {
        let acts = self.acts_before(case, None).await?;
        let believed = self.believed().await?;
        let at = believed.registry.as_of(self.now()).ok_or(AgentError::NotEnrolled)?;
        let registry = believed.registry.registry();
        let (devices, standing) = (|one: &Sha256Digest| device_at(registry, at, one), |device| registry.current(device, at).is_some());
        world_of(registry, &acts).left_out(case, commit, &devices, &standing).ok_or(AgentError::Bug)
    }

    /// Judges a successor group by the case's chain and the registry, as they stood at its record: whether it might be founded at all.
    ///
    /// # Errors
    /// [`AgentError::Misbehaved`]: server and founder have broken a rule that everybody can check.
    pub(in crate::cases) async fn check_succession(
        &self,
        case: CaseId,
        group: GroupId,
        entered: &ChangeRecord,
        body: &GroupSucceed,
        context: &CommitContext,
    ) -> Result<(), AgentError> {
        self.judge_recency(case, context, entered).await?;
        let acts = self.acts_before(case, Some(entered.index)).await?;
        let at = self.registry_before(entered.index, entered.time).await?;
        let names_the_bytes = body.generation == group.generation
            && body.ring_version == context.ring_version.number()
            && body.ring_commitment == context.ring_commitment;
        let judged = judged(self.believed().await?.registry.registry(), &acts, &entered.intent, at, names_the_bytes);
        let finding = "a successor group was founded against the rules";
        let shown = |rule| Misbehaviour::shown(finding, format!("{rule}: case {case}, record {}", entered.index)).into();
        self.keeping_evidence(judged.map_err(shown)).await
    }

    /// The registry as it stood before an index of the log.
    async fn registry_before(&self, index: u64, time: LogTime) -> Result<AsOf, AgentError> {
        let next = head::first_record_from(&mut *self.state.connection().await, CaseId::REGISTRY, index).await?;
        let newest = self.believed().await?.registry.as_of(time).ok_or(AgentError::NotEnrolled)?;
        let Some(next) = next else { return Ok(newest) };
        let place = next.open().ok().and_then(|opened| opened.case).ok_or(state::StateError::Damaged("record"))?;
        Ok(AsOf { seq: RegistrySeq::new(place.seq.0.saturating_sub(1)), time })
    }
}

/// What the acts of a case's chain make of it.
fn world_of(registry: &Registry, acts: &[(LogTime, SignedIntent)]) -> World {
    let devices = |certificate: &Sha256Digest| {
        let known = registry.certificate(CertificateId::from_digest(*certificate))?;
        Some((DeviceFacts::of(known, true), false))
    };
    let mut world = World::default();
    for (time, act) in acts {
        if let Some((actor, _)) = devices(&act.signer()) {
            world.apply(act, &actor, *time, &devices);
        }
    }
    world
}

/// Judges the founding of a successor group over the acts before it; the rule that it breaks.
fn judged(
    registry: &Registry,
    before: &[(LogTime, SignedIntent)],
    founding: &SignedIntent,
    at: AsOf,
    names_the_bytes: bool,
) -> Result<(), &'static str> {
    let world = world_of(registry, before);
    let (devices, standing) = (|one: &Sha256Digest| device_at(registry, at, one), |device| registry.current(device, at).is_some());
    let (founder, _) = devices(&founding.signer()).ok_or("ACC-01")?;
    let facts = world.succession_facts(founding, founder.id, &devices, &standing).ok_or("SUC-01")?;
    let Body::GroupSucceed(body) = &founding.body else { return Err("SUC-01") };
    judge_succession(body, &SuccessionFacts { names_the_bytes, ..facts }).map_err(|rule| rule.id)
}

/// What the rules ask of a device as of a moment, and whether it was revoked.
fn device_at(registry: &Registry, at: AsOf, certificate: &Sha256Digest) -> Option<(DeviceFacts, bool)> {
    let id = CertificateId::from_digest(*certificate);
    let standing = registry.standing(id, at);
    Some((DeviceFacts::of(registry.certificate(id)?, standing == Standing::Good), matches!(standing, Standing::Revoked(_))))
}

#[cfg(test)]
mod tests;
