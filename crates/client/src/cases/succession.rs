//! A commit that this device cannot process is reported; and the case goes on in a successor group.
//!
//! A commit is never undone. The successor group is founded by a member of the last good epoch, with the members of both epochs, under a new ring
//! key; the others come over by Welcome, each after judging by the case's chain that the group was founded rightly. What a device held of the case
//! (ring keys, granted shares, its acts) it still holds.

mod judging;

use std::collections::BTreeSet;

use custodia_api::messages::{Act, SucceedGroup};
use custodia_core::custody::body::{Body, GroupReport, Terms};
use custodia_core::custody::facts::LeafFacts;
use custodia_core::custody::intent::SignedIntent;
use custodia_core::custody::kind::Kind;
use custodia_core::custody::rules::{every_office_can_recover, is_reported};
use custodia_core::custody::succession::{GroupSucceed, LeftOut};
use custodia_core::custody::wire::Base64;
use custodia_core::digest::Sha256Digest;
use custodia_core::exhibit::keys::RingKey;
use custodia_core::group::context::RingVersion;
use custodia_core::group::facts::GroupId;
use custodia_core::identity::Role;
use custodia_core::ids::{CaseId, PersonId};
use custodia_failpoint::fail_point;
use custodia_mls::{CaseGroup, Changes, MlsState};

use super::group_id;
use super::membership::Joining;
use crate::agent::Agent;
use crate::clock::random_secret;
use crate::error::AgentError;
use crate::http::{HttpError, to_json};
use crate::reasons::{Draft, Ring, Statement};
use crate::state::acts::OutboxRow;
use crate::state::{self, acts, keys};

/// Where a case's groups stand by its chain.
#[derive(Default)]
pub(super) struct Line {
    pub(super) generation: u32,
    epoch: u64,
    /// The last good epoch of each generation that ended.
    ended: Vec<u64>,
    /// The commit by which the newest successor group was founded.
    founding: Option<Sha256Digest>,
}

impl Line {
    /// The epoch to which a group of that generation leads: the current one, or the last good one.
    pub(super) fn last_of(&self, generation: u32) -> Option<u64> {
        if generation == self.generation {
            return Some(self.epoch);
        }
        self.ended.get(usize::try_from(generation).ok()?).copied()
    }
}

/// A commit of the current group: the epoch from which it starts, and the SHA-256 of the message.
pub(super) type Commit = (u64, Sha256Digest);

/// How a case goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Succession {
    /// Generation of the group in which it does.
    pub generation: u32,
    /// Whether this call founded that group.
    pub changed: bool,
    /// Who is not in the new group any more, with any device: the author of the commit, and who could not come over.
    pub left_out: BTreeSet<PersonId>,
}

impl Agent {
    /// Follows the groups of a case along its chain.
    pub(super) async fn line(&self, case: CaseId) -> Result<Line, AgentError> {
        let mut line = Line::default();
        for act in self.case_acts(case, &[Kind::MemberChange, Kind::GroupSucceed]).await? {
            match &act.body {
                Body::MemberChange(body) => line.epoch = body.epoch + 1,
                Body::GroupSucceed(body) => {
                    line.ended.push(body.epoch);
                    (line.generation, line.epoch, line.founding) = (body.generation, 1, Some(body.commit));
                }
                _ => {}
            }
        }
        Ok(line)
    }

    /// Whether a successor group was founded after a generation without this device.
    pub(super) async fn was_left_out(&self, case: CaseId, generation: u32) -> Result<bool, AgentError> {
        for act in self.case_acts(case, &[Kind::GroupSucceed]).await? {
            if let Body::GroupSucceed(body) = &act.body
                && body.generation > generation
                && !self.devices_by(body.members.iter().copied()).await?.contains(&self.device.id)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Generation of the group that this device holds: 0 for the first group of the case.
    ///
    /// # Errors
    /// [`AgentError::NotMember`].
    pub async fn generation(&self, case: CaseId) -> Result<u32, AgentError> {
        Ok(group_id(&self.case_file(case).await?)?.generation)
    }

    /// Reports a commit that this device cannot process, once. What hinders the report is no second error: the next contact tries again.
    pub(super) async fn report_commit(&self, case: CaseId, epoch: u64, commit: Sha256Digest, rule: &str) {
        if let Err(error) = self.try_report(case, epoch, commit, rule).await {
            tracing::warn!(case.id = %case, %error, "a commit that cannot be processed could not be reported");
        }
    }

    async fn try_report(&self, case: CaseId, epoch: u64, commit: Sha256Digest, rule: &str) -> Result<(), AgentError> {
        let known = self.case_acts(case, &[Kind::GroupReport]).await?;
        let believed = self.believed().await?;
        let is_ours = |act: &SignedIntent| {
            self.is_own(&believed, act.signer()) && matches!(&act.body, Body::GroupReport(body) if body.commit == commit)
        };
        let reported = known.iter().any(is_ours);
        drop(believed);
        if reported {
            return Ok(());
        }
        let error: String = rule.chars().filter(|c| matches!(c, ' '..='~')).take(200).collect();
        let file = self.case_file(case).await?;
        let ring = self.ring(&file).await?;
        let statement = Statement { reason: "This device cannot process the commit; its program reports it.".to_owned(), reference: None };
        let body = Body::GroupReport(GroupReport { epoch, commit, error });
        let intent = self.sign_in_group(case, body, &statement, &ring).await?;
        let body = to_json(&Act { intent: intent.text().to_owned() })?;
        self.enter(&intent, format!("/v1/cases/{case}/acts"), body).await?;
        self.follow_case(case).await.map(drop)
    }

    /// Signs an act of the case in the epoch that this device holds.
    async fn sign_in_group(&self, case: CaseId, body: Body, statement: &Statement, ring: &Ring) -> Result<SignedIntent, AgentError> {
        let file = self.case_file(case).await?;
        self.sign_act(Draft {
            case,
            exhibit: None,
            purpose: None,
            recipients: Vec::new(),
            group: Some(self.group_seen(case).await?),
            chain_seen: None,
            body,
            statement,
            case_title: file.title.as_deref(),
            exhibit_title: None,
            ring: Some(ring),
        })
        .await
    }

    /// The commit at which this device is stuck, by the case's chain: the one after its epoch, or the founding of a successor group.
    pub(super) async fn stuck_at(&self, case: CaseId) -> Result<Commit, AgentError> {
        let line = self.line(case).await?;
        if group_id(&self.case_file(case).await?)?.generation < line.generation {
            return Ok((0, line.founding.ok_or(AgentError::Bug)?));
        }
        let stuck = self.group(case).await?.1.epoch().0;
        let mut commits = Vec::new();
        for act in self.case_acts(case, &[Kind::MemberChange, Kind::GroupSucceed]).await? {
            match &act.body {
                Body::MemberChange(body) => commits.push((body.epoch, body.commit)),
                _ => commits.clear(),
            }
        }
        commits.into_iter().find(|(epoch, _)| *epoch == stuck).ok_or(AgentError::Bug)
    }

    /// Founds a successor group, if the commit that this device cannot process is reported by devices of two persons, or by a recovery device, and
    /// nobody has acknowledged it. The author of that commit is left out. Does nothing if this device follows the case.
    ///
    /// # Errors
    /// [`AgentError::NotEligible`] while a report is missing, or if others go on; what a rule or the server refuses.
    pub async fn succeed(&self, case: CaseId, statement: &Statement) -> Result<Succession, AgentError> {
        let _turn = self.group_turn.lock().await;
        crate::reasons::checked(statement)?;
        match self.catch_up(case).await {
            Err(AgentError::PoisonCommit { .. }) => {}
            Err(other) => return Err(other),
            Ok(()) => return self.goes_on(case).await,
        }
        match self.found_successor(case, statement).await {
            // A colleague was first, which serves as well.
            Err(AgentError::Http(HttpError::Refused { rule, .. })) if rule.as_deref() == Some("SUC-01") => {
                self.catch_up(case).await?;
                self.goes_on(case).await
            }
            founded => founded,
        }
    }

    /// The group is sound, or a successor group goes on already.
    async fn goes_on(&self, case: CaseId) -> Result<Succession, AgentError> {
        Ok(Succession { generation: self.generation(case).await?, changed: false, left_out: BTreeSet::new() })
    }

    async fn found_successor(&self, case: CaseId, statement: &Statement) -> Result<Succession, AgentError> {
        let (epoch, bad) = self.stuck_at(case).await?;
        let left_out = self.left_out(case, (epoch, bad)).await?;
        let staying = who_stays(&left_out);
        self.may_found(&left_out, &staying)?;
        let persons: BTreeSet<&PersonId> = staying.iter().map(|leaf| &leaf.device.person).collect();
        let gone = left_out.both.values().map(|leaf| &leaf.device.person).filter(|person| !persons.contains(person)).cloned().collect();
        let members = self.certificates_of(&staying).await?;
        let joining: Vec<Joining> = members[1..].iter().map(|device| Joining { device: *device, terms: Terms::Full }).collect();
        let packages = self.claim(&joining).await?;
        let generation = self.line(case).await?.generation.saturating_add(1);
        let current = self.ring_in_force(case).await?;
        let version = current.next().ok_or(state::StateError::Damaged("ring version"))?;
        let key = random_secret();
        let context = self.commit_context(case, version, &key).await?;
        let next = GroupId { case, generation };
        let (group_info, prepared, ring_row, rows) = {
            let mut mls = MlsState::new();
            let device = self.mls_device()?;
            let founded = CaseGroup::found(&mls, &device, next, self.clock.seconds())?;
            let mut new = founded.group;
            let prepared = new.prepare_commit(&mls, &device, Changes { add: packages, remove: Vec::new() }, &context)?;
            let row = new.seal_ring_row(&mls, version, &key)?.as_bytes().to_vec();
            drop(new);
            (founded.group_info, prepared, row, mls.take_changes())
        };
        let body = GroupSucceed {
            generation,
            epoch,
            bad,
            group_info: Sha256Digest::of(&[&group_info]),
            commit: Sha256Digest::of(&[&prepared.commit]),
            welcome: prepared.welcome.as_ref().map(|welcome| Sha256Digest::of(&[welcome])),
            ring_version: version.number(),
            ring_commitment: context.ring_commitment,
            ring_row: Sha256Digest::of(&[&ring_row]),
            members,
        };
        let ring = Ring { version: version.number(), key: RingKey::from_secret(key.clone()) };
        let intent = self.sign_in_group(case, Body::GroupSucceed(body), statement, &ring).await?;
        let request = SucceedGroup {
            intent: intent.text().to_owned(),
            founding: Base64(group_info),
            commit: Base64(prepared.commit),
            welcome: prepared.welcome.map(Base64),
            ring_row: Base64(ring_row),
            group_info: Base64(prepared.group_info),
        };
        let outbox = OutboxRow { intent: intent.id, path: format!("/v1/cases/{case}/succession"), body: to_json(&request)? };
        {
            let mut connection = self.state.connection().await;
            let mut transaction = state::begin(&mut connection).await?;
            keys::forget_group(&mut transaction, next).await?;
            keys::write_mls(&mut transaction, &rows).await?;
            keys::put_ring_key(&mut transaction, case, version.number(), &key).await?;
            keys::set_pending_context(&mut transaction, case, &context).await?;
            acts::insert(&mut transaction, &intent).await?;
            acts::post(&mut transaction, &outbox).await?;
            fail_point!("agent.successor.written");
            transaction.commit().await.map_err(state::StateError::from)?;
        }
        fail_point!("agent.successor.kept");
        self.deliver_waiting().await?;
        self.follow_case(case).await?;
        Ok(Succession { generation, changed: true, left_out: gone })
    }

    /// The certificates by which the members of a successor group come, this device's own first.
    async fn certificates_of(&self, staying: &[LeafFacts]) -> Result<Vec<Sha256Digest>, AgentError> {
        let believed = self.believed().await?;
        let at = believed.registry.as_of(self.now()).ok_or(AgentError::NotEnrolled)?;
        let others = staying.iter().map(|leaf| leaf.device.id).filter(|device| *device != self.device.id);
        let current = others.filter_map(|device| believed.registry.registry().current(device, at));
        Ok(core::iter::once(self.certificate_id()?).chain(current.map(|certificate| certificate.id().digest())).collect())
    }

    /// The ring version in force by the case's chain.
    async fn ring_in_force(&self, case: CaseId) -> Result<RingVersion, AgentError> {
        let mut version = None;
        for act in self.case_acts(case, &[Kind::CaseCreate, Kind::MemberChange, Kind::GroupSucceed]).await? {
            version = match &act.body {
                Body::CaseCreate(body) => Some(body.ring_version),
                Body::MemberChange(body) => Some(body.ring_version),
                Body::GroupSucceed(body) => Some(body.ring_version),
                _ => version,
            };
        }
        Ok(version.and_then(RingVersion::new).ok_or(state::StateError::Damaged("ring version"))?)
    }

    /// What the rules would refuse is said before anything is made, with what to do.
    fn may_found(&self, bad: &LeftOut, staying: &[LeafFacts]) -> Result<(), AgentError> {
        if !is_reported(&bad.reporters, &bad.author) {
            return Err(AgentError::NotEligible(
                "a successor group needs the reports of devices of two persons, or of a recovery device, and not of the commit's author. This \
                 device has reported the commit; a colleague's does at its next contact (`custodia device sync`)",
            ));
        }
        if bad.acknowledged_by.iter().any(|person| *person != bad.author) {
            return Err(AgentError::NotEligible(
                "a colleague has followed the commit that this device cannot, and has gone on; come back by `custodia case resync`",
            ));
        }
        if !staying.iter().any(|leaf| leaf.device.id == self.device.id && leaf.device.person != bad.author) {
            return Err(AgentError::NotEligible(
                "this device may not found the successor group: it was no member both before and after the commit, or its person made that commit",
            ));
        }
        Ok(())
    }

    /// If a commit was reported that this device has followed, and nobody but its author has acted after it, makes one that changes nothing: so it is
    /// acknowledged, and a false report ends no group. Says whether it did.
    ///
    /// The caller has the turn and has caught up.
    pub(super) async fn answer_report(&self, case: CaseId) -> Result<bool, AgentError> {
        let reported: BTreeSet<Sha256Digest> = self
            .case_acts(case, &[Kind::GroupReport])
            .await?
            .iter()
            .filter_map(|act| if let Body::GroupReport(body) = &act.body { Some(body.commit) } else { None })
            .collect();
        if reported.is_empty() {
            return Ok(false);
        }
        let mut commits = Vec::new();
        for act in self.case_acts(case, &[Kind::MemberChange, Kind::GroupSucceed]).await? {
            match &act.body {
                Body::MemberChange(body) => commits.push((body.epoch, body.commit, act.signer())),
                Body::GroupSucceed(body) => commits = vec![(0, body.commit, act.signer())],
                _ => {}
            }
        }
        let file = self.case_file(case).await?;
        let own = self.own_certificate().await.ok();
        for (epoch, commit, author) in commits.iter().copied().filter(|(_, commit, _)| reported.contains(commit)) {
            // A commit of another device after it has most often answered already; who made it is asked only if none has.
            if commits.iter().any(|(later, _, other)| *later > epoch && *other != author) {
                continue;
            }
            let bad = self.left_out(case, (epoch, commit)).await?;
            let answers = own.as_ref().is_some_and(|own| *own.person() != bad.author && bad.both.contains_key(&own.device()));
            let unanswered = !bad.reporters.is_empty() && bad.acknowledged_by.iter().all(|person| *person == bad.author);
            if answers && unanswered && self.ring(&file).await.is_ok() {
                let statement = Statement {
                    reason: "A commit was reported that this device has followed; this commit acknowledges it.".to_owned(),
                    reference: None,
                };
                return match self.change_members(case, Vec::new(), Vec::new(), Vec::new(), &statement).await {
                    // Another colleague was first, which serves as well.
                    Err(AgentError::Http(HttpError::Stale { .. })) => Ok(false),
                    made => made.map(|()| true),
                };
            }
        }
        Ok(false)
    }
}

/// Who comes over: every device of both epochs that is in good standing, without the author's; but an office that has a member keeps its recovery
/// device, even if that is the author's.
fn who_stays(bad: &LeftOut) -> Vec<LeafFacts> {
    let may_stay = bad.both.values().filter(|leaf| !leaf.gone && leaf.device.good_standing).cloned();
    let (authors, mut staying): (Vec<LeafFacts>, Vec<LeafFacts>) = may_stay.partition(|leaf| leaf.device.person == bad.author);
    if !every_office_can_recover(&staying) {
        staying.extend(authors.into_iter().filter(|leaf| leaf.device.role == Role::Recovery));
    }
    staying
}
