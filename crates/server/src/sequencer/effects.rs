//! What an accepted act changes beside the log. It mirrors `custody::world`, by which a replay finds every difference.

use custodia_core::custody::body::{Body, CaseCreate, ConsentTo, Disclosure, Erasure, Handling, Terms};
use custodia_core::custody::facts::{DeviceFacts, ExhibitState, Facts, Proposal};
use custodia_core::custody::intent::SignedIntent;
use custodia_core::custody::rules::{MEM_01, consent_lifts};
use custodia_core::digest::Sha256Digest;
use custodia_core::group::context::{CommitContext, RingVersion};
use custodia_core::group::facts::GroupId;
use custodia_core::group::rules::{Broken, GroupRule};
use custodia_core::ids::ExhibitId;
use custodia_core::jws::{Typ, UnverifiedJws};
use custodia_mls::{FollowedGroup, MlsError};

use super::acts::{ActFailure, BrokenRule};
use super::append::Growing;
use super::change::{self, CheckedChange};
use super::collect;
use super::facts::{self, handling_text, state_text};
use super::recovery;
use super::{Act, Attachment};
use crate::error::Refusal;
use crate::store::{Conn, cases, exhibits, log};
use crate::vault::Vault;

/// Applies an accepted act that stands at `index`.
pub(super) async fn apply(
    vault: &Vault,
    conn: &mut Conn,
    growing: &Growing,
    act: &Act,
    index: u64,
    facts: &Facts<'_>,
    commit: Option<CheckedChange>,
) -> Result<(), ActFailure> {
    let (intent, actor) = (&act.intent, &facts.actor);
    match (&intent.body, &act.attachment, intent.exhibit) {
        (Body::CaseCreate(body), Attachment::Founding { group_info, ring_row }, _) => {
            found(conn, intent, body, group_info, ring_row, index, actor).await
        }
        (Body::MemberChange(body), Attachment::Change(message), _) => {
            let commit = commit.ok_or(Refusal::Internal("a commit was not checked"))?;
            change::apply(conn, growing, intent, body, commit, index, message).await
        }
        (Body::Collection(body), Attachment::Intake(intake), Some(exhibit)) => {
            collect::apply(vault, conn, intent, exhibit, body, intake, index, actor).await
        }
        (Body::Disclosure(Disclosure::Grant { grant, device }), Attachment::Grant { jws }, Some(exhibit)) => {
            check_grant(vault, intent, *grant, jws)?;
            let device = growing.mirror.device(*device).ok_or(Refusal::UnknownDevice)?;
            let row = cases::Grant { case: intent.case, exhibit, device, index, digest: *grant, jws };
            Ok(cases::insert_grant(conn, &row).await?)
        }
        // Its own effects follow in `succession`.
        (Body::GroupSucceed(_), Attachment::Succession { .. }, _) | (Body::Combination(_), Attachment::Source, _) => Ok(()),
        (
            Body::CaseCreate(_)
            | Body::MemberChange(_)
            | Body::Collection(_)
            | Body::Combination(_)
            | Body::GroupSucceed(_)
            | Body::Disclosure(Disclosure::Grant { .. }),
            ..,
        ) => Err(Refusal::Malformed("this kind of act has a path of its own, with what belongs to it".to_owned()).into()),
        (Body::CaseRecovery(body), ..) => Ok(recovery::enter(conn, growing, intent, body, index).await?),
        (Body::MemberLeave(_), ..) => Ok(cases::mark_left(conn, intent.case, actor.id, index).await?),
        (Body::LogRead(body), ..) => Ok(log::insert_log_read(conn, index, actor.id, intent.case, body.from..body.to).await?),
        (Body::HoldPlace(_) | Body::HoldLift(_), _, Some(exhibit)) => {
            let held = !facts::holds(conn, growing, exhibit).await?.is_empty();
            Ok(exhibits::set_held(conn, exhibit, held).await?)
        }
        (Body::Erasure(Erasure::Propose { records }), _, Some(exhibit)) => check_erasable(conn, exhibit, records).await,
        (Body::Erasure(Erasure::Confirm { .. }), _, Some(exhibit)) => {
            let proposal = facts.exhibit.as_ref().and_then(|exhibit| exhibit.proposal.as_ref());
            erase(conn, exhibit, proposal.ok_or(Refusal::Internal("an erasure without its proposal"))?).await
        }
        (body, _, Some(exhibit)) => on_exhibit(conn, exhibit, body).await,
        _ => Ok(()),
    }
}

async fn on_exhibit(conn: &mut Conn, id: ExhibitId, body: &Body) -> Result<(), ActFailure> {
    let (restricted, active) = (state_text(ExhibitState::Restricted), state_text(ExhibitState::Active));
    match body {
        Body::RestrictionPlace(_) => exhibits::change_state(conn, id, active, restricted).await?,
        Body::RestrictionLift(_) => exhibits::change_state(conn, id, restricted, active).await?,
        Body::Alteration(body) => {
            if let Some(handling) = body.handling {
                exhibits::set_handling(conn, id, handling_text(handling)).await?;
            }
        }
        Body::ConsentGive(body) => consent(conn, id, body.to).await?,
        _ => {}
    }
    Ok(())
}

async fn consent(conn: &mut Conn, id: ExhibitId, to: ConsentTo) -> Result<(), ActFailure> {
    if consent_lifts(to, Handling::H1) {
        exhibits::consent_to_judicial_use(conn, id).await?;
    }
    if consent_lifts(to, Handling::H2) {
        exhibits::consent_to_passing_on(conn, id).await?;
    }
    Ok(())
}

/// Only payloads of this exhibit's consultations are erased: they changed nothing but the log, so that a replay does not miss them.
async fn check_erasable(conn: &mut Conn, id: ExhibitId, records: &[u64]) -> Result<(), ActFailure> {
    for &index in records {
        if !exhibits::is_consultation(conn, id, index).await? {
            return Err(Refusal::Malformed(format!("record {index} is no consultation of this exhibit")).into());
        }
    }
    Ok(())
}

/// Destroys the release share and the payloads named; objects follow once the turn is durable.
async fn erase(conn: &mut Conn, id: ExhibitId, proposal: &Proposal) -> Result<(), ActFailure> {
    for &index in &proposal.records {
        log::erase_payload(conn, index).await?;
    }
    Ok(exhibits::erase(conn, id).await?)
}

/// A rule of case groups as the reason of a refusal.
pub(super) fn broken(rule: GroupRule) -> ActFailure {
    BrokenRule { id: rule.id(), demands: rule.sentence().to_owned() }.into()
}

/// What MLS makes of a message, as a refusal: a rule's is entered, the rest is not of the contract.
pub(super) fn of_mls(error: MlsError) -> ActFailure {
    match error {
        MlsError::Rejected(Broken(rule)) => broken(rule),
        // This server's clock lies outside an added key package's lifetime.
        MlsError::LocalClock => broken(GroupRule::Lifetime),
        MlsError::OtherEpoch { group, .. } => Refusal::StaleEpoch { current: group.0 }.into(),
        MlsError::TooLarge { .. } => Refusal::TooLarge("the MLS message").into(),
        MlsError::Malformed(_) | MlsError::Invalid { .. } => Refusal::Malformed(error.to_string()).into(),
        other => {
            tracing::error!(error = %other, "a followed group cannot be used");
            Refusal::Internal("a followed group cannot be used").into()
        }
    }
}

async fn found(
    conn: &mut Conn,
    intent: &SignedIntent,
    body: &CaseCreate,
    group_info: &[u8],
    ring_row: &[u8],
    index: u64,
    actor: &DeviceFacts,
) -> Result<(), ActFailure> {
    let id = GroupId::first(intent.case);
    let group = FollowedGroup::found(id, group_info).map_err(of_mls)?;
    let leaves = group.members().map_err(of_mls)?;
    let own_leaf = leaves.iter().all(|leaf| Sha256Digest::of(&[&leaf.certificate]) == intent.signer());
    let own_member = matches!(body.members.as_slice(), [add] if add.certificate == intent.signer() && add.terms == Terms::Founder);
    if !own_leaf || !own_member || body.ring_version != 1 {
        return Err(broken(GroupRule::Founding));
    }
    let matches = body.group_id.0 == id.to_bytes()
        && body.group_info == Sha256Digest::of(&[group_info])
        && body.ring_row == Sha256Digest::of(&[ring_row]);
    if !matches {
        return Err(MEM_01.into());
    }
    let registry = log::registry_head_at(conn, intent.seen.size).await?;
    let context = CommitContext {
        log_size: intent.seen.size,
        log_root: intent.seen.root,
        registry_sequence: registry.map_or(0, |head| head.seq.0),
        registry_commitment: registry.map_or(Sha256Digest::from_bytes([0; 32]), |head| head.commitment.0),
        ring_version: RingVersion::FIRST,
        ring_commitment: body.ring_commitment,
    };
    let new = cases::NewCase {
        case: intent.case,
        index,
        founder: actor.office.as_str(),
        parent: body.parent,
        ring_row,
        context: &context.encode(),
        group: &group.to_blob(),
        group_info,
        founding: (actor.id, intent.signer()),
    };
    Ok(cases::insert_case(conn, &new).await?)
}

/// The grant's text must be the one that the intent names, signed by the same device. What it seals, the server cannot see.
fn check_grant(vault: &Vault, intent: &SignedIntent, digest: Sha256Digest, jws: &str) -> Result<(), ActFailure> {
    let malformed = |error: custodia_core::jws::JwsError| Refusal::Malformed(format!("grant: {error}"));
    if Sha256Digest::of(&[jws.as_bytes()]) != digest {
        return Err(Refusal::DigestMismatch("the grant is not the one that the intent names").into());
    }
    let grant = UnverifiedJws::parse(jws, Typ::Grant).map_err(malformed)?;
    if grant.signer() != intent.signer() {
        return Err(Refusal::Malformed("the grant is signed by another device than the intent".to_owned()).into());
    }
    let mirror = vault.registry.current();
    let certificate = mirror.certificate(intent.signer()).ok_or(Refusal::UnknownDevice)?;
    grant.verify(certificate.key()).map_err(malformed)?;
    Ok(())
}
