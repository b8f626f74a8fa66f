//! Changing a group: one commit, the intent that explains it, the Welcome, the ring row and the grants, stored together and sent together.

use custodia_api::messages::ChangeMembers;
use custodia_core::custody::body::{Body, MemberChange, Terms};
use custodia_core::custody::intent::SignedIntent;
use custodia_core::custody::kind::{Kind, Purpose};
use custodia_core::custody::record::{ChainId, Core};
use custodia_core::custody::wire::Base64;
use custodia_core::digest::Sha256Digest;
use custodia_core::exhibit::keys::RingKey;
use custodia_core::group::context::{CommitContext, RingVersion, ring_commitment};
use custodia_core::identity::{Certificate, CertificateId, Role, Standing as Worth};
use custodia_core::ids::{CaseId, DeviceId, ExhibitId, PersonId};
use custodia_core::secret::Secret32;
use custodia_core::time::LogTime;
use custodia_failpoint::fail_point;
use custodia_mls::Changes;

use crate::agent::Agent;
use crate::clock::random_secret;
use crate::error::AgentError;
use crate::http::to_json;
use crate::reasons::{Draft, Ring, Statement};
use crate::state::acts::OutboxRow;
use crate::state::{self, acts, keys};

/// A device that is to join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Joining {
    /// Its certificate id.
    pub device: Sha256Digest,
    /// What it may open of what came before.
    pub terms: Terms,
}

/// A member as a person sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRow {
    /// The device.
    pub device: DeviceId,
    /// Certificate id of its leaf.
    pub certificate: Sha256Digest,
    /// Certificate id by which it acts now: that of its leaf, unless it was renewed since.
    pub current: Sha256Digest,
    /// Until when that one is valid.
    pub ends: LogTime,
    /// The person.
    pub person: PersonId,
    /// Role of the device.
    pub role: Role,
    /// What the person calls the device.
    pub label: String,
    /// Whether it may still act.
    pub standing: MemberStanding,
}

/// Whether a device that has a leaf in the group may still act. Who may not goes with the next change of the members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemberStanding {
    /// It may.
    Good,
    /// It has left.
    Left,
    /// Its office has revoked it.
    Revoked,
    /// Its certificate has expired.
    Expired,
    /// Its certificate does not count for another reason, such as a change of the trust list.
    NotInForce,
}

impl MemberStanding {
    /// As a person reads it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Left => "has left",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::NotInForce => "not in force",
        }
    }
}

impl Agent {
    /// The members of a case by the epoch that this device holds.
    ///
    /// # Errors
    /// [`AgentError::NotMember`].
    pub async fn members(&self, case: CaseId) -> Result<Vec<MemberRow>, AgentError> {
        let (_, group) = self.group(case).await?;
        let left = self.left(case, None).await?;
        let believed = self.believed().await?;
        let registry = believed.registry.registry();
        let at = believed.registry.as_of(self.now()).ok_or(AgentError::NotEnrolled)?;
        let standing = |current: &Certificate| match registry.standing(current.id(), at) {
            _ if left.contains(&current.device()) => MemberStanding::Left,
            Worth::Good => MemberStanding::Good,
            Worth::Revoked(_) => MemberStanding::Revoked,
            Worth::Expired => MemberStanding::Expired,
            _ => MemberStanding::NotInForce,
        };
        let rows = group.members()?.into_iter().filter_map(|leaf| {
            let certificate = registry.certificate(CertificateId::of(&leaf.certificate))?;
            let newest = registry.certificates_of(certificate.device()).filter(|one| registry.standing(one.id(), at) == Worth::Good).last();
            let current = newest.unwrap_or(certificate);
            Some(MemberRow {
                device: certificate.device(),
                certificate: certificate.id().digest(),
                current: current.id().digest(),
                standing: standing(current),
                ends: current.fields().not_after,
                person: certificate.person().clone(),
                role: certificate.role(),
                label: certificate.fields().label.to_string(),
            })
        });
        Ok(rows.collect())
    }

    /// Adds devices, with the recovery device of each new office on the same terms; `chosen` are the exhibits of terms `chosen`.
    ///
    /// # Errors
    /// [`AgentError::NotEligible`], [`AgentError::NoRecovery`]; what a rule or the server refuses.
    pub async fn add_members(
        &self,
        case: CaseId,
        joining: Vec<Joining>,
        chosen: Vec<ExhibitId>,
        statement: &Statement,
    ) -> Result<(), AgentError> {
        let _turn = self.group_turn.lock().await;
        self.catch_up(case).await?;
        self.change_members(case, joining, chosen, Vec::new(), statement).await
    }

    /// Removes devices, by certificate id; the ring key is renewed.
    ///
    /// # Errors
    /// [`AgentError::NotEligible`] for who is no member; what a rule or the server refuses.
    pub async fn remove_members(&self, case: CaseId, devices: Vec<Sha256Digest>, statement: &Statement) -> Result<(), AgentError> {
        let _turn = self.group_turn.lock().await;
        self.catch_up(case).await?;
        self.change_members(case, Vec::new(), Vec::new(), devices, statement).await
    }

    /// Whether a device of this person was removed from the case at some time, by the case's chain.
    ///
    /// # Errors
    /// What the state refuses.
    pub async fn was_removed(&self, case: CaseId, person: &PersonId) -> Result<bool, AgentError> {
        let acts = self.case_acts(case, &[Kind::MemberChange]).await?;
        let believed = self.believed().await?;
        let registry = believed.registry.registry();
        let theirs = |id: &Sha256Digest| registry.certificate(CertificateId::from_digest(*id)).is_some_and(|one| one.person() == person);
        Ok(acts.iter().any(|act| matches!(&act.body, Body::MemberChange(body) if body.removes.iter().any(theirs))))
    }

    /// Makes and delivers one commit. The caller has the turn and has caught up.
    pub(crate) async fn change_members(
        &self,
        case: CaseId,
        joining: Vec<Joining>,
        chosen: Vec<ExhibitId>,
        removing: Vec<Sha256Digest>,
        statement: &Statement,
    ) -> Result<(), AgentError> {
        crate::reasons::checked(statement)?;
        self.sync().await?;
        let file = self.case_file(case).await?;
        let (mut mls, mut group) = self.group(case).await?;
        let members = group.members()?;
        let planned = self.plan(case, &members, joining, removing).await?;

        let partial = planned.adds.iter().any(|add| matches!(add.terms, Terms::Chosen | Terms::None | Terms::Recovery));
        let renew = partial || !planned.removes.is_empty();
        let (version, key) = self.next_ring(&file, renew).await?;
        let context = self.commit_context(case, version, &key).await?;
        let epoch = group.epoch();
        let changes = Changes { add: planned.packages, remove: planned.removes.iter().map(|(_, leaf)| *leaf).collect() };
        let prepared = group.prepare_commit(&mls, &self.mls_device()?, changes, &context)?;
        let row = group.seal_ring_row(&mls, version, &key)?.as_bytes().to_vec();
        let rows = mls.take_changes();
        drop((group, mls));

        let body = MemberChange {
            epoch: epoch.0,
            commit: Sha256Digest::of(&[&prepared.commit]),
            welcome: prepared.welcome.as_ref().map(|welcome| Sha256Digest::of(&[welcome])),
            ring_version: version.number(),
            ring_commitment: context.ring_commitment,
            ring_row: Some(Sha256Digest::of(&[&row])),
            adds: planned.adds.clone(),
            removes: planned.removes.iter().map(|(certificate, _)| *certificate).collect(),
            resync: false,
        };
        // Under the key of the new epoch, so that whoever joins can read why.
        let ring = Ring { version: version.number(), key: RingKey::from_secret(key.clone()) };
        let intent = self
            .sign_act(Draft {
                case,
                exhibit: None,
                purpose: None,
                recipients: Vec::new(),
                group: Some(self.group_seen(case).await?),
                chain_seen: None,
                body: Body::MemberChange(body),
                statement,
                case_title: file.title.as_deref(),
                exhibit_title: None,
                ring: Some(&ring),
            })
            .await?;
        let mut granted = self.grants_for(&file, &planned.adds, &chosen, Purpose::Investigation, statement, &ring).await?;
        for add in planned.adds.iter().filter(|add| add.terms == Terms::Recovery) {
            granted.extend(self.grants_in_place(&file, add.certificate, statement, &ring).await?);
        }
        let request = ChangeMembers {
            intent: intent.text().to_owned(),
            commit: Base64(prepared.commit),
            welcome: prepared.welcome.map(Base64),
            ring_row: Some(Base64(row)),
            group_info: Base64(prepared.group_info),
            grants: granted.iter().map(|(_, upload)| upload.clone()).collect(),
        };
        let outbox = OutboxRow { intent: intent.id, path: format!("/v1/cases/{case}/changes"), body: to_json(&request)? };
        fail_point!("agent.commit.prepared");
        {
            let mut connection = self.state.connection().await;
            let mut transaction = state::begin(&mut connection).await?;
            keys::write_mls(&mut transaction, &rows).await?;
            keys::put_ring_key(&mut transaction, case, version.number(), &key).await?;
            keys::set_pending_context(&mut transaction, case, &context).await?;
            acts::insert(&mut transaction, &intent).await?;
            for (grant, _) in &granted {
                acts::insert(&mut transaction, grant).await?;
            }
            acts::post(&mut transaction, &outbox).await?;
            fail_point!("agent.commit.written");
            transaction.commit().await.map_err(state::StateError::from)?;
        }
        fail_point!("agent.commit.kept");
        self.deliver_waiting().await.map(drop)
    }

    /// The ring key of the next epoch: a fresh one, or the one in force.
    async fn next_ring(&self, file: &keys::CaseFile, renew: bool) -> Result<(RingVersion, Secret32), AgentError> {
        let current = RingVersion::new(file.ring_version).ok_or(state::StateError::Damaged("ring version"))?;
        if renew {
            return Ok((current.next().ok_or(state::StateError::Damaged("ring version"))?, random_secret()));
        }
        Ok((current, self.ring(file).await?.key.secret().clone()))
    }

    /// By what the commit is to be judged: the newest head, and the registry at that head.
    pub(super) async fn commit_context(&self, case: CaseId, version: RingVersion, key: &Secret32) -> Result<CommitContext, AgentError> {
        self.context_naming(version, ring_commitment(case, version, key)).await
    }

    /// The same, for a ring key that is known by its commitment.
    pub(super) async fn context_naming(&self, version: RingVersion, commitment: Sha256Digest) -> Result<CommitContext, AgentError> {
        let believed = self.believed().await?;
        let seen = believed.log.seen();
        let registry = believed.registry.head().ok_or(AgentError::NotEnrolled)?;
        Ok(CommitContext {
            log_size: seen.size,
            log_root: seen.root,
            registry_sequence: registry.seq.0,
            registry_commitment: registry.commitment.0,
            ring_version: version,
            ring_commitment: commitment,
        })
    }

    /// The accepted acts of some kinds in a case's chain as far as this device has followed it.
    pub(crate) async fn case_acts(&self, case: CaseId, kinds: &[Kind]) -> Result<Vec<SignedIntent>, AgentError> {
        Ok(self.acts_of(case, kinds).await?.into_iter().map(|(_, act)| act).collect())
    }

    /// The accepted acts of some kinds in a chain as far as this device has followed it, each with its record's core.
    pub(super) async fn acts_of(&self, chain: impl ChainId, kinds: &[Kind]) -> Result<Vec<(Core, SignedIntent)>, AgentError> {
        let views = state::head::acts(&mut *self.state.connection().await, chain, kinds).await?;
        let believed = self.believed().await?;
        let mut acts = Vec::with_capacity(views.len());
        for view in views {
            let opened = view.open().map_err(|_| state::StateError::Damaged("record"))?;
            let record = crate::sync::read_record(&believed, &view, opened)?;
            acts.extend(record.opened.core.zip(record.intent));
        }
        Ok(acts)
    }
}
