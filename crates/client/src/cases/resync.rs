//! Coming back into a case whose group this device lost: an external commit that removes its own old leaf (`docs/spec/groups.md` §8).
//!
//! ```text
//! chain followed ─► group of the server compared with it ─► external commit, its intent ─► outbox ─► the group anew, on the terms as before
//! ```
//! Server and chain must agree on the epoch and on who is in the case, and every leaf is judged as at a join. What the device had (ring keys,
//! granted shares, its acts) it still has. A ring key that it lacks comes with the next commit of any colleague, whose agent makes one when it sees
//! that somebody came back ([`Agent::answer_resync`]); until then the device follows the case and opens and adds nothing.

use std::collections::BTreeSet;

use custodia_api::messages::{ChangeMembers, GroupState};
use custodia_core::custody::body::{Add, Body, MemberChange, Terms};
use custodia_core::custody::intent::GroupSeen;
use custodia_core::custody::kind::Kind;
use custodia_core::custody::wire::{Base64, Hex};
use custodia_core::digest::Sha256Digest;
use custodia_core::exhibit::keys::RingKey;
use custodia_core::group::context::{CommitContext, RingVersion, ring_commitment};
use custodia_core::group::facts::GroupId;
use custodia_core::identity::CertificateId;
use custodia_core::ids::{CaseId, DeviceId};
use custodia_failpoint::fail_point;
use custodia_mls::{CaseGroup, MlsError, PreparedResync};

use super::{group_id, judge};
use crate::agent::Agent;
use crate::error::AgentError;
use crate::http::{HttpError, to_json};
use crate::log_view::Misbehaviour;
use crate::reasons::{Draft, Ring, Statement};
use crate::state::acts::OutboxRow;
use crate::state::keys::CaseFile;
use crate::state::{self, acts, keys};

/// How often an external commit is made anew where colleagues' commits come first.
const MOST_TRIES: u32 = 5;

/// How a device stands in a case after it asked to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resynced {
    /// Its group was whole; nothing was done.
    NotNeeded,
    /// It is back, and has the case's key.
    Back,
    /// It is back; the case's key comes with a colleague's next commit.
    AwaitsKey,
}

/// What the case's chain says of the group.
struct OfChain {
    group: GroupId,
    epoch: u64,
    ring_version: RingVersion,
    ring_commitment: Sha256Digest,
    devices: BTreeSet<DeviceId>,
}

impl Agent {
    /// Comes back into a case of which this device is a member and whose group it has lost, or cannot follow any more.
    ///
    /// # Errors
    /// [`AgentError::PoisonCommit`] if no colleague has followed the commit at which this device stands either: then nothing is wrong with
    /// its state. [`AgentError::Misbehaved`] if server and chain disagree; what a rule or the server refuses.
    pub async fn resync(&self, case: CaseId, statement: &Statement) -> Result<Resynced, AgentError> {
        let _turn = self.group_turn.lock().await;
        match self.catch_up(case).await {
            Ok(()) => return Ok(Resynced::NotNeeded),
            Err(AgentError::GroupLost(_) | AgentError::NotMember(_) | AgentError::Mls(MlsError::Stored)) => {}
            Err(poison @ AgentError::PoisonCommit { .. }) => self.others_go_on(case, poison).await?,
            Err(other) => return Err(other),
        }
        crate::reasons::checked(statement)?;
        let mut tries = 0;
        loop {
            tries += 1;
            match self.come_back(case, statement).await {
                Err(AgentError::Http(HttpError::Stale { .. })) if tries < MOST_TRIES => {}
                came => break came?,
            }
        }
        fail_point!("agent.resync.entered");
        self.catch_up(case).await?;
        let file = self.case_file(case).await?;
        Ok(if self.ring(&file).await.is_ok() { Resynced::Back } else { Resynced::AwaitsKey })
    }

    /// Whether a colleague who did not make the commit at which this device is stuck has acted under it. If nobody has, nothing is wrong with this
    /// device, and whoever came back would acknowledge the commit (SUC-03).
    async fn others_go_on(&self, case: CaseId, poison: AgentError) -> Result<(), AgentError> {
        let left_out = self.left_out(case, self.stuck_at(case).await?).await?;
        if left_out.acknowledged_by.iter().any(|person| *person != left_out.author) { Ok(()) } else { Err(poison) }
    }

    async fn come_back(&self, case: CaseId, statement: &Statement) -> Result<(), AgentError> {
        self.sync().await?;
        let state: GroupState = self.link()?.http.get(&format!("/v1/cases/{case}/group")).await?;
        // After the group: whatever epoch it has, its record stands.
        self.follow_case(case).await?;
        let chain = self.of_chain(case).await?;
        if (state.generation, state.epoch) < (chain.group.generation, chain.epoch) {
            // A colleague committed in between; the group is asked for again.
            return Err(HttpError::Stale { epoch: chain.epoch }.into());
        }
        let (context, prepared) = self.prepare_resync(&state, &chain).await?;
        self.check_against_chain(case, &state, &chain, &prepared).await?;

        let known = keys::case(&mut *self.state.connection().await, case).await?;
        let lost = known.as_ref().map(group_id).transpose()?;
        let title = known.and_then(|file| file.title);
        let own = self.certificate_id()?;
        let ring = self.known_ring(case, &chain).await?;
        let body = MemberChange {
            epoch: prepared.epoch.0,
            commit: Sha256Digest::of(&[&prepared.commit]),
            welcome: None,
            ring_version: chain.ring_version.number(),
            ring_commitment: chain.ring_commitment,
            ring_row: None,
            adds: vec![Add { certificate: own, terms: Terms::Resync }],
            removes: vec![CertificateId::of(&prepared.replaces).digest()],
            resync: true,
        };
        let group = chain.group;
        let intent = self
            .sign_act(Draft {
                case,
                exhibit: None,
                purpose: None,
                recipients: Vec::new(),
                group: Some(GroupSeen {
                    id: Hex(group.to_bytes().to_vec()),
                    epoch: prepared.epoch.0,
                    transcript: Hex(prepared.transcript.clone()),
                }),
                chain_seen: None,
                body: Body::MemberChange(body),
                statement,
                case_title: title.as_deref(),
                exhibit_title: None,
                ring: ring.as_ref(),
            })
            .await?;
        let request = ChangeMembers {
            intent: intent.text().to_owned(),
            commit: Base64(prepared.commit),
            welcome: None,
            ring_row: None,
            group_info: Base64(prepared.group_info),
            grants: Vec::new(),
        };
        let outbox = OutboxRow { intent: intent.id, path: format!("/v1/cases/{case}/changes"), body: to_json(&request)? };
        let file = CaseFile {
            id: case,
            title,
            group_id: group.to_bytes().to_vec(),
            ring_version: chain.ring_version.number(),
            standing: keys::Standing::Member,
        };
        {
            let mut connection = self.state.connection().await;
            let mut transaction = state::begin(&mut connection).await?;
            // The group before is lost in any case; if this commit does not win its epoch, the next one starts from nothing as well.
            for group in lost.into_iter().chain([group]) {
                keys::forget_group(&mut transaction, group).await?;
            }
            keys::write_mls(&mut transaction, &prepared.changes).await?;
            keys::put_case(&mut transaction, &file).await?;
            keys::set_pending_context(&mut transaction, case, &context).await?;
            acts::insert(&mut transaction, &intent).await?;
            acts::post(&mut transaction, &outbox).await?;
            fail_point!("agent.resync.written");
            transaction.commit().await.map_err(state::StateError::from)?;
        }
        fail_point!("agent.resync.kept");
        self.deliver_waiting().await.map(drop)
    }

    async fn prepare_resync(&self, state: &GroupState, chain: &OfChain) -> Result<(CommitContext, PreparedResync), AgentError> {
        let context = self.context_naming(chain.ring_version, chain.ring_commitment).await?;
        let mls = keys::load_mls(&mut *self.state.connection().await, None).await?;
        let prepared = CaseGroup::prepare_resync(&mls, &self.mls_device()?, chain.group, &state.group_info.0, &state.tree.0, &context);
        let prepared = prepared.map_err(|error| Misbehaviour::shown("a group by which no member can come back", error.to_string()).into());
        Ok((context, self.keeping_evidence(prepared).await?))
    }

    /// The group that the server gives is the one that the case's chain has made.
    async fn check_against_chain(
        &self,
        case: CaseId,
        state: &GroupState,
        chain: &OfChain,
        prepared: &PreparedResync,
    ) -> Result<(), AgentError> {
        let shown = self.devices_by(prepared.members.iter().map(|leaf| CertificateId::of(&leaf.certificate).digest())).await?;
        let at_epoch = prepared.epoch.0 == chain.epoch && state.epoch == chain.epoch && state.generation == chain.group.generation;
        let agrees = at_epoch && shown == chain.devices;
        let checked = if agrees && prepared.members.len() == shown.len() {
            let believed = self.believed().await?;
            let at = believed.registry.as_of(self.now());
            let own = self.certificate_id()?;
            judge::judge_members(believed.registry.registry(), &prepared.members, |leaf| {
                at.filter(|_| CertificateId::of(&leaf.certificate).digest() == own)
            })
        } else {
            let at = format!("case {case}: the chain stands at epoch {}, the group shown at {}", chain.epoch, prepared.epoch.0);
            Err(Misbehaviour::shown("another group is shown than the one that the case's chain has made", at).into())
        };
        self.keeping_evidence(checked).await
    }

    async fn of_chain(&self, case: CaseId) -> Result<OfChain, AgentError> {
        let missing = || Misbehaviour::shown("a case is shown without its founding", case.to_string());
        let mut of_chain: Option<OfChain> = None;
        for act in self.case_acts(case, &[Kind::CaseCreate, Kind::MemberChange, Kind::GroupSucceed]).await? {
            let (ring, commitment) = match &act.body {
                Body::CaseCreate(body) => (body.ring_version, body.ring_commitment),
                Body::MemberChange(body) => (body.ring_version, body.ring_commitment),
                Body::GroupSucceed(body) => (body.ring_version, body.ring_commitment),
                _ => continue,
            };
            let ring_version = RingVersion::new(ring).ok_or_else(missing)?;
            if let Body::GroupSucceed(body) = &act.body {
                let group = GroupId { case, generation: body.generation };
                let devices = self.devices_by(body.members.iter().copied()).await?;
                of_chain = Some(OfChain { group, epoch: 1, ring_version, ring_commitment: commitment, devices });
                continue;
            }
            let (adds, removes, epoch) = match &act.body {
                Body::MemberChange(body) => (&body.adds, body.removes.as_slice(), body.epoch + 1),
                Body::CaseCreate(body) => (&body.members, &[][..], 0),
                _ => continue,
            };
            let group = of_chain.as_ref().map_or(GroupId::first(case), |before| before.group);
            let mut devices = of_chain.map(|before| before.devices).unwrap_or_default();
            for gone in self.devices_by(removes.iter().copied()).await? {
                devices.remove(&gone);
            }
            devices.extend(self.devices_by(adds.iter().map(|add| add.certificate)).await?);
            of_chain = Some(OfChain { group, epoch, ring_version, ring_commitment: commitment, devices });
        }
        Ok(of_chain.ok_or_else(missing)?)
    }

    /// The ring key in force, if this device has it.
    async fn known_ring(&self, case: CaseId, chain: &OfChain) -> Result<Option<Ring>, AgentError> {
        let version = chain.ring_version;
        let key = keys::ring_key(&mut *self.state.connection().await, case, version.number()).await?;
        let key = key.filter(|key| ring_commitment(case, version, key) == chain.ring_commitment);
        Ok(key.map(|key| Ring { version: version.number(), key: RingKey::from_secret(key) }))
    }

    /// If the newest commit of a case is a colleague's return, makes one that carries the case's key to them; says whether it did.
    ///
    /// The caller has the turn and has caught up.
    pub(super) async fn answer_resync(&self, case: CaseId) -> Result<bool, AgentError> {
        let acts = self.case_acts(case, &[Kind::MemberChange, Kind::GroupSucceed]).await?;
        let returned = acts.last().filter(|act| matches!(&act.body, Body::MemberChange(body) if body.resync));
        let Some(returned) = returned else { return Ok(false) };
        let own = self.is_own(&*self.believed().await?, returned.signer());
        let file = self.case_file(case).await?;
        if own || self.ring(&file).await.is_err() || self.own_certificate().await.is_err() {
            return Ok(false);
        }
        let statement =
            Statement { reason: "A device came back into the case; this commit carries the case's key to it.".to_owned(), reference: None };
        match self.change_members(case, Vec::new(), Vec::new(), Vec::new(), &statement).await {
            // Another colleague was first, which serves as well.
            Err(AgentError::Http(HttpError::Stale { .. })) => Ok(false),
            made => made.map(|()| true),
        }
    }
}
