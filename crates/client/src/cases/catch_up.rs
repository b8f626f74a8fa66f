//! Catching up with a case: its chain, the commits of others in the order of the log, successor groups, grants.

use custodia_api::messages::{ChangeRow, Changes};
use custodia_core::custody::body::{Body, MemberChange};
use custodia_core::custody::intent::SignedIntent;
use custodia_core::custody::kind::Kind;
use custodia_core::custody::record::Commitment;
use custodia_core::digest::Sha256Digest;
use custodia_core::exhibit::keys::RingKey;
use custodia_core::group::context::{CommitContext, RingVersion};
use custodia_core::group::facts::Epoch;
use custodia_core::group::rules::{self, Standing};
use custodia_core::identity::CertificateId;
use custodia_core::ids::CaseId;
use custodia_core::secret::Secret32;
use custodia_core::time::LogTime;
use custodia_failpoint::fail_point;
use custodia_mls::{CaseGroup, Incoming, MlsError, MlsState, RingRow, RowChanges};

use super::{group_id, judge};
use crate::agent::Agent;
use crate::error::AgentError;
use crate::log_view::Misbehaviour;
use crate::state::keys::CaseFile;
use crate::state::{self, head, keys};

/// What processing one commit changes.
struct Processed {
    rows: RowChanges,
    ring: Option<(u32, Secret32)>,
    context: CommitContext,
    removed: bool,
}

/// The record of a commit.
pub(super) struct ChangeRecord {
    pub(super) intent: SignedIntent,
    pub(super) time: LogTime,
    pub(super) index: u64,
}

impl Agent {
    /// Brings this device up to date with a case: head, registry, chain, commits, grants; a colleague who came back is given the case's key, and a
    /// commit that was reported and that this device has followed is acknowledged.
    ///
    /// # Errors
    /// [`AgentError::PoisonCommit`] for a commit that cannot be followed, which is reported; [`AgentError::Misbehaved`] where commits and chain disagree.
    pub async fn refresh(&self, case: CaseId) -> Result<(), AgentError> {
        let _turn = self.group_turn.lock().await;
        Box::pin(self.catch_up(case)).await?;
        if !Box::pin(self.answer_resync(case)).await? {
            Box::pin(self.answer_report(case)).await?;
        }
        Ok(())
    }

    /// As [`Agent::refresh`], for a caller that has the turn.
    pub(crate) async fn catch_up(&self, case: CaseId) -> Result<(), AgentError> {
        self.deliver_waiting().await?;
        self.sync().await?;
        self.follow_case(case).await?;
        loop {
            let behind = group_id(&self.case_file(case).await?)?.generation < self.line(case).await?.generation;
            match self.apply_changes(case).await {
                // What this device cannot follow any more has ended; it comes over by its Welcome.
                Err(AgentError::GroupLost(_) | AgentError::PoisonCommit { .. }) if behind => {}
                caught_up => self.keeping_evidence(caught_up).await?,
            }
            if !behind {
                break;
            }
            self.join_successor(case).await?;
        }
        self.read_title(case).await?;
        self.take_grants(case).await
    }

    /// Applies commits until the group stands where the case's chain says that it stands, or at its last good epoch if it has ended.
    ///
    /// The chain says which commits were accepted: a server that withholds one gets no new evidence sealed to the removed. Commits are asked for
    /// after the chain was followed, so whatever the chain names must be among them; what was entered in between is looked up in the chain anew.
    async fn apply_changes(&self, case: CaseId) -> Result<(), AgentError> {
        loop {
            let line = self.line(case).await?;
            let (_, group) = self.group(case).await?;
            let (generation, epoch) = (group.id().generation, group.epoch().0);
            let missing = "a successor group was founded, and its record is missing from the case's chain";
            let should =
                line.last_of(generation).ok_or_else(|| Misbehaviour::shown(missing, format!("case {case}, generation {generation}")))?;
            let ended = generation < line.generation;
            // Of a group that ended, what came after the last good epoch counts no more.
            if !group.is_member() || epoch == should || (ended && epoch > should) {
                return Ok(());
            }
            let at = || format!("case {case}: the group stands at epoch {epoch}, the chain at {should}");
            if epoch > should {
                return Err(Misbehaviour::shown("a commit was accepted, and its record is missing from the case's chain", at()).into());
            }
            let changes: Changes = self.link()?.http.get(&format!("/v1/cases/{case}/changes?from={epoch}&generation={generation}")).await?;
            if changes.changes.is_empty() {
                return Err(Misbehaviour::shown("a commit that stands in the case's chain is withheld", at()).into());
            }
            for row in changes.changes.iter().take_while(|row| !ended || row.epoch < should) {
                let processed = self.process_change(case, row).await;
                if let Err(AgentError::PoisonCommit { rule }) = &processed {
                    self.report_commit(case, row.epoch, Sha256Digest::of(&[&row.commit.0]), rule).await;
                }
                processed?;
            }
        }
    }

    async fn process_change(&self, case: CaseId, row: &ChangeRow) -> Result<(), AgentError> {
        let entered = match self.change_record(case, &row.commit.0).await {
            // It may have been entered after the chain was followed.
            Err(AgentError::Misbehaved(_)) => {
                self.sync().await?;
                self.follow_case(case).await?;
                self.change_record(case, &row.commit.0).await?
            }
            found => found?,
        };
        let body = change_body(&entered.intent)?;
        let named = custodia_mls::commit_context(&row.commit.0)?;
        self.check_registry(&named).await?;
        self.judge_recency(case, &named, &entered).await?;
        let ChangeRecord { intent, time, .. } = &entered;
        let time = *time;
        let file = self.case_file(case).await?;
        let context = keys::context(&mut *self.state.connection().await, case).await?;
        let left = self.left(case, Some(intent.id)).await?;
        let (mls, group) = self.group(case).await?;
        if Epoch(row.epoch) != group.epoch() {
            return Err(Misbehaviour::shown("commits of a case are shown out of order", format!("case {case}, epoch {}", row.epoch)).into());
        }
        let processed = {
            let believed = self.believed().await?;
            let standing = Standing { group: group.id(), epoch: group.epoch(), context };
            process(mls, group, row, &standing, |facts, members| {
                let registry = believed.registry.registry();
                let mut gone = judge::revoked(registry, members, &facts.context, time);
                let has_left = |certificate: &[u8]| {
                    registry.certificate(CertificateId::of(certificate)).is_some_and(|known| left.contains(&known.device()))
                };
                gone.extend(members.iter().filter(|leaf| has_left(&leaf.certificate)).map(|leaf| leaf.index));
                judge::judge(registry, facts, &standing, members, &gone, time)
            })?
        };
        let mut connection = self.state.connection().await;
        let mut transaction = state::begin(&mut connection).await?;
        keys::write_mls(&mut transaction, &processed.rows).await?;
        let standing = if processed.removed { keys::Standing::Left } else { file.standing };
        keys::put_case(&mut transaction, &CaseFile { ring_version: body.ring_version, standing, ..file }).await?;
        if let Some((version, key)) = &processed.ring {
            keys::put_ring_key(&mut transaction, case, *version, key).await?;
        }
        keys::set_context(&mut transaction, case, &processed.context).await?;
        fail_point!("agent.change.processed");
        transaction.commit().await.map_err(state::StateError::from)?;
        fail_point!("agent.change.kept");
        if processed.removed { Err(AgentError::NotMember(case)) } else { Ok(()) }
    }

    /// Rule GRP-22, over the two chains by which a commit is judged.
    pub(super) async fn judge_recency(&self, case: CaseId, context: &CommitContext, entered: &ChangeRecord) -> Result<(), AgentError> {
        let mut left_out: Option<LogTime> = None;
        for chain in [CaseId::REGISTRY, case] {
            let first = head::first_record_from(&mut *self.state.connection().await, chain, context.log_size).await?;
            let Some(view) = first.filter(|view| view.index < entered.index) else { continue };
            let core = view.open().map_err(|_| state::StateError::Damaged("record"))?.core;
            left_out = left_out.into_iter().chain(core.map(|core| core.time)).min();
        }
        rules::context_is_recent(left_out, entered.time).map_err(|broken| AgentError::PoisonCommit { rule: broken.0.id().to_owned() })
    }

    /// A commit names the registry by which it is judged: this device must have read it up to exactly that record.
    pub(super) async fn check_registry(&self, context: &CommitContext) -> Result<(), AgentError> {
        let named = Some(Commitment(context.registry_commitment));
        let known = async || head::commitment_at(&mut *self.state.connection().await, CaseId::REGISTRY, context.registry_sequence).await;
        if known().await? == named {
            return Ok(());
        }
        self.sync().await?;
        if known().await? == named {
            return Ok(());
        }
        let finding = "a commit was accepted under identity records that this server does not show";
        Err(Misbehaviour::shown(finding, format!("record {} of the registry", context.registry_sequence)).into())
    }

    /// The record that explains a commit, by the commit's digest.
    pub(super) async fn change_record(&self, case: CaseId, commit: &[u8]) -> Result<ChangeRecord, AgentError> {
        let digest = Sha256Digest::of(&[commit]);
        let views = head::acts(&mut *self.state.connection().await, case, &[Kind::MemberChange, Kind::GroupSucceed]).await?;
        let believed = self.believed().await?;
        for view in views.iter().rev() {
            let opened = view.open().map_err(|_| state::StateError::Damaged("record"))?;
            let Some(time) = opened.core.as_ref().map(|core| core.time) else { continue };
            let record = crate::sync::read_record(&believed, view, opened)?;
            if let Some(intent) = record.intent
                && explains(&intent.body) == Some(digest)
            {
                return Ok(ChangeRecord { intent, time, index: view.index });
            }
        }
        Err(Misbehaviour::shown("a commit is shown for which no record stands in the case's chain", hex::encode(commit)).into())
    }

    /// Learns the case's title from the newest reason that this device can read.
    async fn read_title(&self, case: CaseId) -> Result<(), AgentError> {
        let file = self.case_file(case).await?;
        if file.title.is_some() {
            return Ok(());
        }
        let origin = self.link()?.origin.clone();
        for act in self.case_acts(case, &Kind::ALL).await?.iter().rev() {
            let Some(wrap) = act.sealed.as_ref().and_then(|sealed| sealed.ring.as_ref()) else { continue };
            let key = keys::ring_key(&mut *self.state.connection().await, case, wrap.version).await?;
            let Some(key) = key else { continue };
            let title = crate::reasons::open_reason(&origin, act, &RingKey::from_secret(key)).ok().and_then(|text| text.case_title);
            if let Some(title) = title {
                let file = CaseFile { title: Some(title.as_str().to_owned()), ..file };
                return Ok(keys::put_case(&mut *self.state.connection().await, &file).await?);
            }
        }
        Ok(())
    }
}

/// The digest of the commit that an act explains.
const fn explains(body: &Body) -> Option<Sha256Digest> {
    match body {
        Body::MemberChange(body) => Some(body.commit),
        Body::GroupSucceed(body) => Some(body.commit),
        _ => None,
    }
}

fn change_body(intent: &SignedIntent) -> Result<&MemberChange, AgentError> {
    match &intent.body {
        Body::MemberChange(body) => Ok(body),
        _ => Err(AgentError::Bug),
    }
}

/// Processes one commit over the loaded state; what it changed comes back and is durable only when the caller has written it.
fn process(
    mut mls: MlsState,
    mut group: CaseGroup,
    row: &ChangeRow,
    standing: &Standing,
    judge: impl FnOnce(&custodia_core::group::facts::CommitFacts, &[custodia_core::group::facts::LeafFacts]) -> Result<(), AgentError>,
) -> Result<Processed, AgentError> {
    let members = group.members()?;
    let incoming = group.process(&mls, &row.commit.0).map_err(|error| match error {
        MlsError::Malformed(_) | MlsError::Invalid { .. } | MlsError::Rejected(_) => AgentError::PoisonCommit { rule: error.to_string() },
        other => other.into(),
    })?;
    let context = custodia_mls::commit_context(&row.commit.0)?;
    let (ring, removed) = match incoming {
        Incoming::Own => {
            group.merge_pending(&mls)?;
            (None, false)
        }
        Incoming::Other(commit) => {
            judge(&commit.facts, &members)?;
            let removed = commit.removes_us();
            let ring = if removed { None } else { open_row(&mls, &commit, row, standing)? };
            group.merge(&mls, *commit)?;
            (ring, removed)
        }
    };
    drop(group);
    Ok(Processed { rows: mls.take_changes(), ring, context, removed })
}

/// A commit by a member carries a ring row that opens to its commitment; a resync carries none and repeats the version.
fn open_row(
    mls: &MlsState,
    commit: &custodia_mls::ProcessedCommit,
    row: &ChangeRow,
    standing: &Standing,
) -> Result<Option<(u32, Secret32)>, AgentError> {
    let version = commit.facts.context.ring_version;
    let Some(bytes) = &row.ring_row else {
        let before = standing.context.map_or(RingVersion::FIRST, |context| context.ring_version);
        let repeats = version == before;
        return if repeats { Ok(None) } else { Err(AgentError::PoisonCommit { rule: "a renewed ring without its row".to_owned() }) };
    };
    let poison = |error: MlsError| AgentError::PoisonCommit { rule: error.to_string() };
    let key = commit.open_ring_row(mls, &RingRow::from_bytes(&bytes.0).map_err(poison)?).map_err(poison)?;
    Ok(Some((version.number(), key)))
}
