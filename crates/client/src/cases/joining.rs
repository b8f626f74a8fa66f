//! Joining by Welcome: cases to which this device was added, and the successor groups of its own.

use std::collections::BTreeSet;

use custodia_api::messages::{Changes, WelcomeRow, Welcomes};
use custodia_core::custody::body::Body;
use custodia_core::digest::Sha256Digest;
use custodia_core::group::context::CommitContext;
use custodia_core::group::facts::{Epoch, GroupId, LeafFacts};
use custodia_core::identity::{AsOf, CertificateId, RegistrySeq};
use custodia_core::ids::CaseId;
use custodia_core::secret::Secret32;
use custodia_failpoint::fail_point;
use custodia_mls::{MlsError, MlsState, RingRow, StagedJoin};

use super::catch_up::ChangeRecord;
use super::{group_id, judge};
use crate::agent::Agent;
use crate::error::AgentError;
use crate::http::HttpError;
use crate::log_view::Misbehaviour;
use crate::state::keys::CaseFile;
use crate::state::{self, keys};

impl Agent {
    /// Joins the cases to which this device was welcomed, and says which.
    ///
    /// # Errors
    /// [`AgentError::Misbehaved`] and [`AgentError::PoisonCommit`] for a Welcome that is not what the case's chain says.
    pub async fn join_new_cases(&self) -> Result<Vec<CaseId>, AgentError> {
        let _turn = self.group_turn.lock().await;
        self.deliver_waiting().await?;
        self.sync().await?;
        let welcomes: Welcomes = self.link()?.http.get("/v1/welcomes").await?;
        let mut joined = Vec::new();
        for row in &welcomes.welcomes {
            let known = keys::case(&mut *self.state.connection().await, row.case).await?;
            let member = known.filter(|file| file.standing == keys::Standing::Member);
            if let Some(file) = member
                && !self.was_removed_before(&file, row).await?
            {
                continue;
            }
            match self.join_one(row).await {
                Ok(()) => joined.push(row.case),
                // Removed again before it came, or in the meantime: that stands in no way of the other cases.
                Err(AgentError::NotMember(case)) if case == row.case => {}
                Err(AgentError::Http(HttpError::NotFound { .. })) => {
                    tracing::warn!(case.id = %row.case, "a Welcome leads into a case of which this device is no member");
                }
                // The key package's keys are lost, or the Welcome was used up: `Agent::resync` brings the device in.
                Err(AgentError::Mls(MlsError::NoKeyPackage)) => {
                    tracing::warn!(case.id = %row.case, "a Welcome is for a key package that this device has not any more");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(joined)
    }

    async fn join_one(&self, row: &WelcomeRow) -> Result<(), AgentError> {
        self.follow_case(row.case).await?;
        let result = self.join(row).await;
        self.keeping_evidence(result).await?;
        self.catch_up(row.case).await
    }

    /// Whether this device, a member as far as it knows, was removed before the epoch into which a Welcome leads, by a commit that it then processes or
    /// as no member of a successor group. A Welcome by which it comes over to one it follows, if it can.
    ///
    /// Most Welcomes are those by which it came, of an epoch that its group has reached: they cost no question.
    async fn was_removed_before(&self, file: &CaseFile, row: &WelcomeRow) -> Result<bool, AgentError> {
        let generation = group_id(file)?.generation;
        match self.group(row.case).await {
            // A group that is lost is come back into by a resync, not by a Welcome that was used.
            Err(AgentError::GroupLost(_)) if generation >= row.generation => return Ok(false),
            Ok((_, group)) if (generation, group.epoch().0) >= (row.generation, row.epoch) => return Ok(false),
            Ok(_) | Err(AgentError::GroupLost(_)) => {}
            Err(error) => return Err(error),
        }
        self.follow_case(row.case).await?;
        if self.was_left_out(row.case, generation).await? {
            return Ok(true);
        }
        match self.catch_up(row.case).await {
            Ok(()) => Ok(false),
            Err(AgentError::NotMember(case)) if case == row.case => Ok(true),
            // Every command on that case says so; it stands in no way of the other cases.
            Err(error @ (AgentError::PoisonCommit { .. } | AgentError::GroupLost(_))) => {
                tracing::warn!(case.id = %row.case, %error, "a case cannot be followed");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Comes over to the successor group of a case, by the first Welcome that leads past the group held. The caller has the turn.
    pub(super) async fn join_successor(&self, case: CaseId) -> Result<(), AgentError> {
        let held = group_id(&self.case_file(case).await?)?.generation;
        let welcomes: Welcomes = self.link()?.http.get("/v1/welcomes").await?;
        let row = welcomes.welcomes.iter().find(|row| row.case == case && row.generation > held).ok_or(AgentError::GroupLost(case))?;
        let joined = match self.join(row).await {
            Err(AgentError::Mls(MlsError::NoKeyPackage)) => Err(AgentError::GroupLost(case)),
            joined => joined,
        };
        self.keeping_evidence(joined).await
    }

    async fn join(&self, row: &WelcomeRow) -> Result<(), AgentError> {
        let case = row.case;
        let bad = |finding| AgentError::from(Misbehaviour::shown(finding, format!("case {case}, epoch {}", row.epoch)));
        let before = row.epoch.checked_sub(1).ok_or_else(|| bad("a Welcome leads to an epoch that no commit begins"))?;
        let path = format!("/v1/cases/{case}/changes?from={before}&generation={}", row.generation);
        let changes: Changes = self.link()?.http.get(&path).await?;
        let change = changes.changes.iter().find(|change| change.epoch == before);
        let change = change.ok_or_else(|| bad("the commit that goes with a Welcome is withheld"))?;
        let entered = self.change_record(case, &change.commit.0).await?;
        let (named, ring_version) = match &entered.intent.body {
            Body::MemberChange(body) => (body.welcome, body.ring_version),
            Body::GroupSucceed(body) => (body.welcome, body.ring_version),
            _ => return Err(AgentError::Bug),
        };
        if named != Some(Sha256Digest::of(&[&row.welcome.0])) {
            return Err(bad("a Welcome is not the one that its record names"));
        }
        let context = custodia_mls::commit_context(&change.commit.0)?;
        self.check_registry(&context).await?;
        let group = GroupId { case, generation: row.generation };
        let mut mls = keys::load_mls(&mut *self.state.connection().await, Some(group)).await?;
        let opened = match &entered.intent.body {
            Body::GroupSucceed(body) => {
                self.check_succession(case, group, &entered, body, &context).await?;
                let opened = self.open_welcome(&mls, row, group, &entered, &context).await;
                if let Err(AgentError::PoisonCommit { rule }) = &opened {
                    self.report_commit(case, before, body.commit, rule).await;
                }
                opened?
            }
            _ => self.open_welcome(&mls, row, group, &entered, &context).await?,
        };
        let rows = mls.take_changes();
        let held = keys::case(&mut *self.state.connection().await, case).await?;
        let ended = held.as_ref().map(group_id).transpose()?.filter(|ended| *ended != group);
        let known = held.filter(|file| file.standing == keys::Standing::Member);
        let file = CaseFile {
            id: case,
            title: known.and_then(|file| file.title),
            group_id: group.to_bytes().to_vec(),
            ring_version,
            standing: keys::Standing::Member,
        };
        let mut connection = self.state.connection().await;
        let mut transaction = state::begin(&mut connection).await?;
        if let Some(ended) = ended {
            keys::forget_group(&mut transaction, ended).await?;
        }
        keys::write_mls(&mut transaction, &rows).await?;
        keys::put_case(&mut transaction, &file).await?;
        keys::put_ring_key(&mut transaction, case, ring_version, &opened).await?;
        keys::set_context(&mut transaction, case, &context).await?;
        fail_point!("agent.welcome.opened");
        transaction.commit().await.map_err(state::StateError::from)?;
        fail_point!("agent.welcome.joined");
        Ok(())
    }

    /// Opens a Welcome, judges everybody in the group, and opens the ring row; the group joined is in `mls`.
    async fn open_welcome(
        &self,
        mls: &MlsState,
        row: &WelcomeRow,
        group: GroupId,
        entered: &ChangeRecord,
        context: &CommitContext,
    ) -> Result<Secret32, AgentError> {
        let succeeds = matches!(entered.intent.body, Body::GroupSucceed(_));
        // Who is in the case has followed it so far: what of a successor group cannot be processed is its founder's fault.
        let fault = |error: MlsError| match error {
            MlsError::Malformed(_) | MlsError::Invalid { .. } | MlsError::Rejected(_) | MlsError::RingRow if succeeds => {
                AgentError::PoisonCommit { rule: error.to_string() }
            }
            other => other.into(),
        };
        let staged = StagedJoin::open(mls, &row.welcome.0, (group, Epoch(row.epoch))).map_err(fault)?;
        let believed = self.believed().await?;
        let registry = believed.registry.registry();
        let at = AsOf { seq: RegistrySeq::new(context.registry_sequence), time: entered.time };
        let shown = |leaf: &LeafFacts| CertificateId::of(&leaf.certificate).digest();
        judge::judge_members(registry, &staged.members, |leaf| {
            // Whoever was welcomed with us is judged at this commit; the others were judged when they came.
            let new = match &entered.intent.body {
                Body::MemberChange(body) => body.adds.iter().any(|add| add.certificate == shown(leaf)),
                _ => true,
            };
            new.then_some(at)
        })?;
        if let Body::GroupSucceed(body) = &entered.intent.body {
            let named: BTreeSet<Sha256Digest> = body.members.iter().copied().collect();
            if staged.members.len() != named.len() || !staged.members.iter().all(|leaf| named.contains(&shown(leaf))) {
                return Err(AgentError::PoisonCommit { rule: "SUC-04".to_owned() });
            }
        }
        let key = staged.open_ring_row(mls, &RingRow::from_bytes(&row.ring_row.0).map_err(fault)?, context).map_err(fault)?;
        drop(staged.accept());
        Ok(key)
    }
}
