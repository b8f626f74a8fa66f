//! Judging a commit as every member judges it: by the registry at the position that the commit names, never by this machine's clock.

use custodia_core::group::context::CommitContext;
use custodia_core::group::facts::{CommitFacts, LeafFacts, LeafIndex};
use custodia_core::group::rules::{self, Broken, CertifiedLeaf, LeafRole, Standing};
use custodia_core::identity::{AsOf, Certificate, CertificateId, Registry, RegistrySeq, Role, Standing as Worth};
use custodia_core::time::LogTime;

use crate::error::AgentError;

/// What a leaf's certificate says, if it was in good standing at `at`; with none, whoever was once enrolled counts.
pub(super) fn certify(registry: &Registry, leaf: &LeafFacts, at: Option<AsOf>) -> Result<CertifiedLeaf, AgentError> {
    let id = CertificateId::of(&leaf.certificate);
    let poison = |rule: &str| AgentError::PoisonCommit { rule: rule.to_owned() };
    let certificate = registry.certificate(id).ok_or_else(|| poison("IDN-15 (a leaf's certificate is not enrolled)"))?;
    if at.is_some_and(|at| registry.standing(id, at) != Worth::Good) {
        return Err(poison("IDN-15 (a leaf's certificate was not in good standing)"));
    }
    certified(certificate, leaf.index).ok_or_else(|| poison("MEM-02 (a leaf's role has no place in a case)"))
}

fn certified(certificate: &Certificate, index: LeafIndex) -> Option<CertifiedLeaf> {
    let role = match certificate.role() {
        Role::Prosecutor => LeafRole::Person,
        Role::Recovery => LeafRole::Recovery,
        Role::Auditor | Role::Administrator => return None,
    };
    Some(CertifiedLeaf {
        index,
        person: certificate.person().clone(),
        device: certificate.device(),
        role,
        key: certificate.key().to_bytes(),
    })
}

/// Applies all rules to a commit that MLS has verified. `time` is the log's time of the commit's record.
pub(super) fn judge(
    registry: &Registry,
    facts: &CommitFacts,
    standing: &Standing,
    members: &[LeafFacts],
    gone: &[LeafIndex],
    time: LogTime,
) -> Result<(), AgentError> {
    let broken = |broken: Broken| AgentError::PoisonCommit { rule: broken.0.id().to_owned() };
    rules::judge_structure(facts, standing).map_err(broken)?;
    let at = AsOf { seq: RegistrySeq::new(facts.context.registry_sequence), time };
    let before = members.iter().map(|leaf| certify(registry, leaf, None)).collect::<Result<Vec<_>, _>>()?;
    rules::judge_certified::<JudgeError>(facts, &before, gone, time, |leaf| Ok(certify(registry, leaf, Some(at))?))
        .map(drop)
        .map_err(JudgeError::into_agent)
}

/// Judges all members of a group that this device joins; `moment` says at which position a leaf's certificate must be good, if at any.
pub(super) fn judge_members(
    registry: &Registry,
    members: &[LeafFacts],
    moment: impl Fn(&LeafFacts) -> Option<AsOf>,
) -> Result<(), AgentError> {
    rules::judge_members::<JudgeError>(members, |leaf| Ok(certify(registry, leaf, moment(leaf))?)).map(drop).map_err(JudgeError::into_agent)
}

/// A rule of groups that is broken, or one of identity.
pub(super) enum JudgeError {
    Broken(Broken),
    Agent(AgentError),
}

impl JudgeError {
    fn into_agent(self) -> AgentError {
        match self {
            Self::Broken(broken) => AgentError::PoisonCommit { rule: broken.0.id().to_owned() },
            Self::Agent(error) => error,
        }
    }
}

impl From<Broken> for JudgeError {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

impl From<AgentError> for JudgeError {
    fn from(error: AgentError) -> Self {
        Self::Agent(error)
    }
}

/// The leaves of devices that were revoked as of a commit's position.
pub(super) fn revoked(registry: &Registry, members: &[LeafFacts], context: &CommitContext, time: LogTime) -> Vec<LeafIndex> {
    let at = AsOf { seq: RegistrySeq::new(context.registry_sequence), time };
    let is_revoked = |leaf: &&LeafFacts| matches!(registry.standing(CertificateId::of(&leaf.certificate), at), Worth::Revoked(_));
    members.iter().filter(is_revoked).map(|leaf| leaf.index).collect()
}
