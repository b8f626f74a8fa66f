//! Performing one submission: repeated acts find their first answer, new ones are judged, entered and take effect.

use std::sync::Arc;

use custodia_core::custody::body::{Body, Disclosure};
use custodia_core::custody::intent::SignedIntent;
use custodia_core::custody::kind::Concern;
use custodia_core::custody::rules;
use custodia_core::group::facts::GroupId;
use custodia_core::ids::DeviceId;

use super::append::{self, Growing};
use super::{Act, Attachment, change, effects, facts, succession};
use crate::error::Refusal;
use crate::registry::RegistryFault;
use crate::store::log::{self, Earlier};
use crate::store::place::Place;
use crate::store::{Conn, StoreError};
use crate::vault::Vault;

/// Why a submission was not entered.
pub(super) enum Failure {
    /// A rule refuses the act with that number; its refusal is to be entered.
    Rule { act: usize, rule: String, demands: String },
    /// The same intent was refused before, or was accepted and may not be answered again now.
    Earlier { index: u64, rule: String, demands: String },
    /// Anything else; nothing is entered.
    Other(Refusal),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Other(error.into())
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Other(refusal)
    }
}

/// A rule that was broken.
pub(super) struct BrokenRule {
    pub id: &'static str,
    pub demands: String,
}

impl From<rules::Rule> for BrokenRule {
    fn from(rule: rules::Rule) -> Self {
        Self { id: rule.id, demands: rule.demands.to_owned() }
    }
}

/// Why a single act was not performed.
pub(super) enum ActFailure {
    Rule(BrokenRule),
    Other(Refusal),
}

impl From<StoreError> for ActFailure {
    fn from(error: StoreError) -> Self {
        Self::Other(error.into())
    }
}

impl From<Refusal> for ActFailure {
    fn from(refusal: Refusal) -> Self {
        Self::Other(refusal)
    }
}

impl From<BrokenRule> for ActFailure {
    fn from(rule: BrokenRule) -> Self {
        Self::Rule(rule)
    }
}

impl From<rules::Rule> for ActFailure {
    fn from(rule: rules::Rule) -> Self {
        Self::Rule(rule.into())
    }
}

/// Whether an accepted act gives leave to read the exhibit's objects.
pub(crate) const fn opens(body: &Body) -> bool {
    matches!(body, Body::Consultation(_) | Body::Disclosure(Disclosure::Export {} | Disclosure::Dossier { .. }))
}

/// An opening that is handed in alone: it changes nothing but the log. It is judged before anything is written, so nothing has to be taken back.
pub(super) fn alone(acts: &[Act]) -> Option<&SignedIntent> {
    match acts {
        [Act { intent, attachment: Attachment::None }] if opens(&intent.body) => Some(intent),
        _ => None,
    }
}

/// Performs an opening that was never sent before; answers its index. Its record is still to be written.
pub(super) async fn perform_opening(vault: &Vault, conn: &mut Conn, growing: &mut Growing, intent: &SignedIntent) -> Result<u64, Failure> {
    let facts = facts::gather(vault, conn, growing, intent, None).await?;
    if let Err(rule) = rules::judge(intent, &facts) {
        return Err(Failure::Rule { act: 0, rule: rule.id.to_owned(), demands: rule.demands.to_owned() });
    }
    forget_welcomes(conn, growing, intent, facts.actor.id).await?;
    Ok(append::accepted(conn, growing, intent, true).await?)
}

/// Whoever acts in a case has used the Welcomes that led there.
async fn forget_welcomes(conn: &mut Conn, growing: &Growing, intent: &SignedIntent, actor: DeviceId) -> Result<(), StoreError> {
    match intent.group.as_ref().and_then(|seen| Place::named(GroupId::from_bytes(&seen.id.0)?.generation, seen.epoch)) {
        Some(at) => growing.known.forget_welcomes(conn, intent.case, actor, at).await,
        None => Ok(()),
    }
}

/// Performs the acts of one submission, and writes their records; answers their indexes.
pub(super) async fn perform(vault: &Vault, conn: &mut Conn, growing: &mut Growing, acts: &[Act]) -> Result<Vec<u64>, Failure> {
    let mut indexes = Vec::with_capacity(acts.len());
    let mut repeated = 0;
    for (at, act) in acts.iter().enumerate() {
        let intent = &act.intent;
        if let Some(earlier) = log::earlier(conn, intent.signer(), intent.id).await? {
            repeat(vault, conn, growing, intent, &earlier).await?;
            indexes.push(earlier.index);
            repeated += 1;
            continue;
        }
        if repeated > 0 {
            return Err(Failure::Other(Refusal::Conflict("a part of this was entered before, with other acts beside it")));
        }
        let outcome = perform_one(vault, conn, growing, act, &acts[at + 1..]).await;
        indexes.push(outcome.map_err(|failure| match failure {
            ActFailure::Rule(BrokenRule { id, demands }) => Failure::Rule { act: at, rule: id.to_owned(), demands },
            ActFailure::Other(refusal) => Failure::Other(refusal),
        })?);
    }
    if repeated > 0 && repeated < acts.len() {
        return Err(Failure::Other(Refusal::Conflict("a part of this was entered before, with other acts beside it")));
    }
    Ok(indexes)
}

/// A retry gets the first answer; a share only if every check passes now.
async fn repeat(vault: &Vault, conn: &mut Conn, growing: &Growing, intent: &SignedIntent, earlier: &Earlier) -> Result<(), Failure> {
    if earlier.intent_digest != intent.digest() {
        return Err(Failure::Other(Refusal::Conflict("this device used the intent's id before, with other content")));
    }
    let index = earlier.index;
    if let Some(rule) = &earlier.rule {
        return Err(Failure::Earlier { index, rule: rule.clone(), demands: "The same intent was refused before.".to_owned() });
    }
    if opens(&intent.body) {
        let facts = facts::gather(vault, conn, growing, intent, None).await?;
        if let Err(rule) = rules::judge(intent, &facts) {
            return Err(Failure::Earlier { index, rule: rule.id.to_owned(), demands: rule.demands.to_owned() });
        }
    }
    Ok(())
}

async fn perform_one(vault: &Vault, conn: &mut Conn, growing: &mut Growing, act: &Act, following: &[Act]) -> Result<u64, ActFailure> {
    let intent = &act.intent;
    if intent.kind().concern() == Concern::Registry {
        return registry_act(vault, conn, growing, intent).await;
    }
    let commit = match (&intent.body, &act.attachment) {
        (Body::MemberChange(body), Attachment::Change(message)) => {
            // Before anything is said about the group: who is no member learns nothing of it.
            rules::judge_actor(intent, &facts::gather(vault, conn, growing, intent, None).await?)?;
            Some(change::check(conn, growing, intent, body, message, following).await?)
        }
        _ => None,
    };
    let successor = match (&intent.body, &act.attachment) {
        (Body::GroupSucceed(body), Attachment::Succession { founding, message }) => {
            // Whether the case may go on in a new group at all comes before what the new group is.
            rules::judge(intent, &facts::gather(vault, conn, growing, intent, None).await?)?;
            Some(succession::check(conn, growing, intent, body, founding, message).await?)
        }
        _ => None,
    };
    let facts = facts::gather(vault, conn, growing, intent, commit.as_ref().map(|commit| commit.facts.clone())).await?;
    rules::judge(intent, &facts)?;
    rules::judge_derivation(intent, following.first().map(|next| &next.intent))?;
    let index = append::accepted(conn, growing, intent, opens(&intent.body)).await?;
    growing.write(conn).await?;
    effects::apply(vault, conn, growing, act, index, &facts, commit).await?;
    if let (Some(successor), Body::GroupSucceed(body), Attachment::Succession { message, .. }) = (successor, &intent.body, &act.attachment)
    {
        succession::apply(conn, growing, intent, body, successor, message, index).await?;
    }
    growing.known.forget();
    forget_welcomes(conn, growing, intent, facts.actor.id).await?;
    Ok(index)
}

async fn registry_act(vault: &Vault, conn: &mut Conn, growing: &mut Growing, intent: &SignedIntent) -> Result<u64, ActFailure> {
    let log = facts::log_facts(vault, conn, growing, intent).await?;
    rules::judge_log(intent, &log)?;
    Arc::make_mut(&mut growing.mirror).apply(intent, growing.time).map_err(|fault| match fault {
        RegistryFault::Rule { id, demands } => ActFailure::Rule(BrokenRule { id, demands }),
        RegistryFault::Malformed(message) => ActFailure::Other(Refusal::Malformed(message)),
    })?;
    let index = append::accepted(conn, growing, intent, false).await?;
    growing.write(conn).await?;
    growing.known.forget();
    Ok(index)
}
