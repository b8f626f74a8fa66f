//! A commit that this device cannot process is reported; and the case goes on in a successor group.
//!
//! A commit is never undone. The successor group is founded by a member of the last good epoch, with the members of both epochs, under a new ring
//! key; the others come over by Welcome, as far as their own view of both epochs allows it.

use std::collections::BTreeSet;

use custodia_api::messages::{Act, ChangeRow, Changes as ChangesPage, SucceedGroup, Welcomes};
use custodia_core::custody::body::{Body, GroupReport, MemberChange, Terms};
use custodia_core::custody::facts::DeviceFacts;
use custodia_core::custody::intent::SignedIntent;
use custodia_core::custody::kind::Kind;
use custodia_core::custody::rules::is_reported;
use custodia_core::custody::succession::GroupSucceed;
use custodia_core::custody::wire::Base64;
use custodia_core::digest::Sha256Digest;
use custodia_core::exhibit::keys::RingKey;
use custodia_core::group::context::RingVersion;
use custodia_core::group::facts::{GroupId, LeafFacts};
use custodia_core::identity::CertificateId;
use custodia_core::ids::{CaseId, PersonId};
use custodia_failpoint::fail_point;
use custodia_mls::{CaseGroup, Changes};

use super::membership::Joining;
use crate::agent::Agent;
use crate::clock::random_secret;
use crate::error::AgentError;
use crate::http::to_json;
use crate::log_view::Misbehaviour;
use crate::reasons::{Draft, Ring, Statement};
use crate::state::acts::OutboxRow;
use crate::state::{self, acts, keys};

/// Where a case's groups stand by its chain.
#[derive(Default)]
pub(super) struct Line {
    pub(super) generation: u32,
    pub(super) epoch: u64,
    pub(super) ring_version: u32,
    /// The last good epoch of each generation that ended.
    ended: Vec<u64>,
    /// The device that founded the last successor group.
    pub(super) founder: Option<Sha256Digest>,
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

impl Agent {
    /// Follows the groups of a case along its chain.
    pub(super) async fn line(&self, case: CaseId) -> Result<Line, AgentError> {
        let mut line = Line::default();
        for act in self.case_acts(case, &[Kind::CaseCreate, Kind::MemberChange, Kind::GroupSucceed]).await? {
            match &act.body {
                Body::CaseCreate(body) => line.ring_version = body.ring_version,
                Body::MemberChange(body) => (line.epoch, line.ring_version) = (body.epoch + 1, body.ring_version),
                Body::GroupSucceed(body) => {
                    line.ended.push(body.epoch);
                    (line.generation, line.epoch, line.ring_version) = (body.generation, 1, body.ring_version);
                    line.founder = Some(act.signer());
                }
                _ => {}
            }
        }
        Ok(line)
    }

    /// Generation of the group that this device holds: 0 for the first group of the case.
    ///
    /// # Errors
    /// [`AgentError::NotMember`].
    pub async fn generation(&self, case: CaseId) -> Result<u32, AgentError> {
        Ok(self.group(case).await?.1.id().generation)
    }

    /// Reports a commit that this device cannot process, once. The caller has the turn.
    pub(super) async fn report_commit(&self, case: CaseId, row: &ChangeRow, rule: &str) -> Result<(), AgentError> {
        let commit = Sha256Digest::of(&[&row.commit.0]);
        let own = self.certificate_id()?;
        let known = self.case_acts(case, &[Kind::GroupReport]).await?;
        let is_ours = |act: &SignedIntent| act.signer() == own && matches!(&act.body, Body::GroupReport(body) if body.commit == commit);
        if known.iter().any(is_ours) {
            return Ok(());
        }
        let error: String = rule.chars().filter(|c| matches!(c, ' '..='~')).take(200).collect();
        let file = self.case_file(case).await?;
        let ring = self.ring(&file).await?;
        let statement = Statement { reason: "This device cannot process the commit; its program reports it.".to_owned(), reference: None };
        let intent = self
            .sign_act(Draft {
                case,
                exhibit: None,
                purpose: None,
                recipients: Vec::new(),
                group: Some(self.group_seen(case).await?),
                chain_seen: None,
                body: Body::GroupReport(GroupReport { epoch: row.epoch, commit, error }),
                statement: &statement,
                case_title: file.title.as_deref(),
                exhibit_title: None,
                ring: &ring,
            })
            .await?;
        let body = to_json(&Act { intent: intent.text().to_owned() })?;
        self.enter(&intent, format!("/v1/cases/{case}/acts"), body).await?;
        self.follow_case(case).await.map(drop)
    }

    /// Founds a successor group, if the commit that this device cannot process is reported by devices of two persons, or by a recovery device. The
    /// author of that commit is left out. Gives the new generation; if it was founded by this device already, that one.
    ///
    /// # Errors
    /// [`AgentError::NotEligible`] while the group is sound or a report is missing; what a rule or the server refuses.
    pub async fn succeed(&self, case: CaseId, statement: &Statement) -> Result<u32, AgentError> {
        let _turn = self.group_turn.lock().await;
        crate::reasons::checked(statement)?;
        match self.catch_up(case).await {
            Err(AgentError::PoisonCommit { .. }) => {}
            Err(other) => return Err(other),
            Ok(()) => {
                let line = self.line(case).await?;
                let ours = line.founder.is_some() && line.founder == self.certificate_id().ok();
                return if ours { Ok(line.generation) } else { Err(AgentError::NotEligible("the case's group is sound: no commit stands that this device cannot process")) };
            }
        }
        let (_, group) = self.group(case).await?;
        let (id, epoch) = (group.id(), group.epoch().0);
        let page: ChangesPage =
            self.link()?.http.get(&format!("/v1/cases/{case}/changes?from={epoch}&generation={}", id.generation)).await?;
        let row = page.changes.iter().find(|row| row.epoch == epoch).ok_or(AgentError::Bug)?;
        let bad = Sha256Digest::of(&[&row.commit.0]);
        let record = self.change_record(case, &row.commit.0).await?.intent;
        let Body::MemberChange(body) = &record.body else { return Err(AgentError::Bug) };
        let author = self.author_of_reported(case, bad, record.signer()).await?;
        let members = group.members()?;
        let joining = self.both(case, &members, body, Some(&author)).await?;
        let own = self.certificate_id()?;
        if !joining.contains(&own) {
            return Err(AgentError::NotEligible("this device is no member of both epochs, or made the commit itself"));
        }
        let named: Vec<Sha256Digest> = joining.into_iter().filter(|one| *one != own).collect();
        let adds: Vec<Joining> = named.iter().map(|device| Joining { device: *device, terms: Terms::Full }).collect();
        let packages = self.claim(&adds).await?;
        let line = self.line(case).await?;
        let version = RingVersion::new(line.ring_version.saturating_add(1)).ok_or(state::StateError::Damaged("ring version"))?;
        let key = random_secret();
        let context = self.commit_context(case, version, &key).await?;
        let next = GroupId { case, generation: id.generation.saturating_add(1) };
        let mut mls = keys::load_mls(&mut *self.state.connection().await, Some(next)).await?;
        let (group_info, prepared, ring_row, rows) = {
            let device = self.mls_device()?;
            let founded = CaseGroup::found(&mls, &device, next, self.clock.seconds())?;
            let mut new = founded.group;
            let prepared = new.prepare_commit(&mls, &device, Changes { add: packages, remove: Vec::new() }, &context)?;
            let row = new.seal_ring_row(&mls, version, &key)?.as_bytes().to_vec();
            drop(new);
            (founded.group_info, prepared, row, mls.take_changes())
        };
        let mut all = vec![own];
        all.extend(&named);
        let body = GroupSucceed {
            generation: next.generation,
            epoch,
            bad,
            group_info: Sha256Digest::of(&[&group_info]),
            commit: Sha256Digest::of(&[&prepared.commit]),
            welcome: prepared.welcome.as_ref().map(|welcome| Sha256Digest::of(&[welcome])),
            ring_version: version.number(),
            ring_commitment: context.ring_commitment,
            ring_row: Sha256Digest::of(&[&ring_row]),
            members: all,
        };
        let file = self.case_file(case).await?;
        let ring = Ring { version: version.number(), key: RingKey::from_secret(key.clone()) };
        let intent = self
            .sign_act(Draft {
                case,
                exhibit: None,
                purpose: None,
                recipients: Vec::new(),
                group: Some(self.group_seen(case).await?),
                chain_seen: None,
                body: Body::GroupSucceed(body),
                statement,
                case_title: file.title.as_deref(),
                exhibit_title: None,
                ring: &ring,
            })
            .await?;
        let request = SucceedGroup {
            intent: intent.text().to_owned(),
            group_info: Base64(group_info),
            commit: Base64(prepared.commit),
            welcome: prepared.welcome.map(Base64),
            ring_row: Base64(ring_row),
        };
        let outbox = OutboxRow { intent: intent.id, path: format!("/v1/cases/{case}/succession"), body: to_json(&request)? };
        {
            let mut connection = self.state.connection().await;
            let mut transaction = state::begin(&mut connection).await?;
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
        Ok(next.generation)
    }

    /// The author of a commit that is reported as the rules demand.
    async fn author_of_reported(&self, case: CaseId, bad: Sha256Digest, author: Sha256Digest) -> Result<PersonId, AgentError> {
        let reports = self.case_acts(case, &[Kind::GroupReport]).await?;
        let believed = self.believed().await?;
        let registry = believed.registry.registry();
        let facts = |certificate: Sha256Digest| {
            let known = registry.certificate(CertificateId::from_digest(certificate))?;
            let (role, office, person) = (known.role(), known.office().clone(), known.person().clone());
            Some(DeviceFacts { good_standing: true, role, office, person })
        };
        let author = facts(author).ok_or(AgentError::Bug)?.person;
        let about = |act: &&SignedIntent| matches!(&act.body, Body::GroupReport(body) if body.commit == bad);
        let reporters: Vec<DeviceFacts> = reports.iter().filter(about).filter_map(|act| facts(act.signer())).collect();
        if is_reported(&reporters, &author) {
            return Ok(author);
        }
        Err(AgentError::NotEligible(
            "a successor group needs the report of devices of two persons, or of a recovery device; this device has reported, and others report when they next come in touch",
        ))
    }

    /// The members of both the epoch that this device holds and the one that a commit begins, without those gone, and without a person.
    async fn both(
        &self,
        case: CaseId,
        members: &[LeafFacts],
        commit: &MemberChange,
        without: Option<&PersonId>,
    ) -> Result<BTreeSet<Sha256Digest>, AgentError> {
        let gone = self.gone(case, members).await?;
        let believed = self.believed().await?;
        let registry = believed.registry.registry();
        let is_left_out = |id: CertificateId| registry.certificate(id).is_some_and(|known| Some(known.person()) == without);
        let ids = members.iter().map(|leaf| CertificateId::of(&leaf.certificate));
        let staying = ids.filter(|id| !is_left_out(*id)).map(|id| id.digest());
        Ok(staying.filter(|id| !commit.removes.contains(id) && !gone.contains(id)).collect())
    }

    /// Refuses a successor group with anybody whom this device's own view of both epochs does not have.
    pub(super) async fn check_successor(&self, case: CaseId, body: &GroupSucceed, shown: &[LeafFacts]) -> Result<(), AgentError> {
        let (_, group) = self.group(case).await?;
        let acts = self.case_acts(case, &[Kind::MemberChange]).await?;
        let bad = acts.iter().find_map(|act| match &act.body {
            Body::MemberChange(change) if change.commit == body.bad => Some(change),
            _ => None,
        });
        let bad = bad.ok_or_else(|| Misbehaviour::shown("a successor group leaves out a commit that never stood", body.bad.to_string()))?;
        let allowed = self.both(case, &group.members()?, bad, None).await?;
        let in_place = group.epoch().0 != body.epoch || shown.iter().all(|leaf| allowed.contains(&CertificateId::of(&leaf.certificate).digest()));
        if in_place { Ok(()) } else { Err(AgentError::PoisonCommit { rule: "SUC-04".to_owned() }) }
    }

    /// Comes over to the successor group of a case, by the Welcome that waits. The caller has the turn.
    pub(super) async fn join_successor(&self, case: CaseId) -> Result<(), AgentError> {
        let own = self.generation(case).await?;
        let welcomes: Welcomes = self.link()?.http.get("/v1/welcomes").await?;
        let row = welcomes.welcomes.iter().find(|row| row.case == case && row.generation > own).ok_or(AgentError::NotMember(case))?;
        let joined = self.join(row).await;
        self.keeping_evidence(joined).await
    }
}
