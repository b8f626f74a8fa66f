//! Cases as this device is in them: founding, listing; members and commits in the modules below.
//!
//! A case is one MLS group. Its ring key wraps the group shares of its exhibits and the reasons of its acts. Local state and the request that
//! changes the group are written in one transaction before anything is sent, and a commit is merged only when the log says that it won.

mod catch_up;
mod devices;
mod grant;
mod grants;
mod in_place;
mod joining;
mod judge;
mod leaving;
mod membership;
mod planning;
mod recovery;
mod resync;
mod succession;

use custodia_api::messages::{Cases, CreateCase};
use custodia_core::custody::body::{Add, Body, CaseCreate, Terms};
use custodia_core::custody::intent::{GroupSeen, SignedIntent, UnverifiedIntent};
use custodia_core::custody::kind::Kind;
use custodia_core::custody::wire::{Base64, Hex};
use custodia_core::digest::Sha256Digest;
use custodia_core::exhibit::keys::RingKey;
use custodia_core::exhibit::text::CalendarDate;
use custodia_core::group::context::{RingVersion, ring_commitment};
use custodia_core::group::facts::GroupId;
use custodia_core::identity::{Certificate, CertificateId, Role};
use custodia_core::ids::{CaseId, OfficeId};
use custodia_failpoint::fail_point;
use custodia_mls::{CaseGroup, MlsState};

use crate::agent::Agent;
use crate::clock::{random, random_secret};
use crate::error::AgentError;
use crate::http::to_json;
use crate::reasons::{Draft, Ring, Statement, line};
use crate::state::acts::OutboxRow;
use crate::state::keys::{CaseFile, Standing};
use crate::state::{self, acts, keys};

pub use membership::{Joining, MemberRow, MemberStanding};
pub use recovery::{LostDevice, RecoveryProgress, RecoveryRow};
pub use resync::Resynced;
pub use succession::Succession;

/// A case to be founded.
#[derive(Debug, Clone)]
pub struct NewCase {
    /// Its title: one line, readable to members only.
    pub title: String,
    /// Why it is founded.
    pub statement: Statement,
    /// When keeping it is reviewed.
    pub review: CalendarDate,
    /// The case of which it is a restricted part.
    pub parent: Option<CaseId>,
}

/// A case in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseSummary {
    /// The case.
    pub id: CaseId,
    /// Its title, if this device can read it.
    pub title: Option<String>,
    /// How this device stands in it.
    pub standing: Standing,
}

impl Agent {
    /// Founds a case with this device as founder, and adds the recovery devices of its office.
    ///
    /// A case that this device founded with the same title, review and parent is the answer, completed where a run was interrupted.
    ///
    /// # Errors
    /// [`AgentError::NoRecovery`] before anything is sent; what the server or a rule refuses.
    pub async fn create_case(&self, new: NewCase) -> Result<CaseId, AgentError> {
        let _turn = self.group_turn.lock().await;
        self.deliver_waiting().await?;
        self.sync().await?;
        let own = self.own_certificate().await?;
        let recovery = self.recovery_devices(own.office()).await?;
        let _checked = line::<512>("the case's title", &new.title)?;
        if let Some(case) = self.founded_before(&new).await? {
            self.catch_up(case).await?;
            self.add_recovery(case, &own, &recovery, &new.statement).await?;
            return Ok(case);
        }

        let case = CaseId::from_bytes(random());
        let group = GroupId::first(case);
        let key = random_secret();
        let (group_info, ring_row, changes) = {
            let mut mls = MlsState::new();
            let founded = CaseGroup::found(&mls, &self.mls_device()?, group, self.clock.seconds())?;
            let row = founded.group.seal_founding_ring_row(&mls, &key)?;
            (founded.group_info, row.as_bytes().to_vec(), mls.take_changes())
        };
        let body = CaseCreate {
            group_id: Hex(group.to_bytes().to_vec()),
            group_info: Sha256Digest::of(&[&group_info]),
            ring_version: 1,
            ring_commitment: ring_commitment(case, RingVersion::FIRST, &key),
            ring_row: Sha256Digest::of(&[&ring_row]),
            members: vec![Add { certificate: own.id().digest(), terms: Terms::Founder }],
            parent: new.parent,
            review: new.review.to_string(),
        };
        let ring = Ring { version: 1, key: RingKey::from_secret(key.clone()) };
        let intent = self
            .sign_act(Draft {
                case,
                exhibit: None,
                purpose: None,
                recipients: Vec::new(),
                group: None,
                chain_seen: None,
                body: Body::CaseCreate(body),
                statement: &new.statement,
                case_title: Some(&new.title),
                exhibit_title: None,
                ring: Some(&ring),
            })
            .await?;
        let request = CreateCase { intent: intent.text().to_owned(), group_info: Base64(group_info), ring_row: Base64(ring_row) };
        let row = OutboxRow { intent: intent.id, path: "/v1/cases".to_owned(), body: to_json(&request)? };
        let file = CaseFile {
            id: case,
            title: Some(new.title.clone()),
            group_id: group.to_bytes().to_vec(),
            ring_version: 1,
            standing: Standing::Founding,
        };
        {
            let mut connection = self.state.connection().await;
            let mut transaction = state::begin(&mut connection).await?;
            keys::write_mls(&mut transaction, &changes).await?;
            keys::put_case(&mut transaction, &file).await?;
            keys::put_ring_key(&mut transaction, case, 1, &key).await?;
            acts::insert(&mut transaction, &intent).await?;
            acts::post(&mut transaction, &row).await?;
            transaction.commit().await.map_err(state::StateError::from)?;
        }
        fail_point!("agent.founding.kept");
        self.deliver_waiting().await?;
        fail_point!("agent.founding.entered");
        self.add_recovery(case, &own, &recovery, &new.statement).await?;
        Ok(case)
    }

    /// Adds those recovery devices that are not in the case yet.
    async fn add_recovery(
        &self,
        case: CaseId,
        own: &Certificate,
        recovery: &[Certificate],
        statement: &Statement,
    ) -> Result<(), AgentError> {
        let leaves = self.group(case).await?.1.members()?;
        let members = self.devices_by(leaves.iter().map(|leaf| CertificateId::of(&leaf.certificate).digest())).await?;
        let missing = recovery.iter().filter(|device| !members.contains(&device.device()));
        let adding: Vec<_> = missing.map(|device| Joining { device: device.id().digest(), terms: Terms::Full }).collect();
        if own.role() == Role::Recovery || adding.is_empty() {
            return Ok(());
        }
        self.change_members(case, adding, Vec::new(), Vec::new(), statement).await
    }

    /// The case that this device founded by the same words: a run that was interrupted, or ended before it could say so.
    async fn founded_before(&self, new: &NewCase) -> Result<Option<CaseId>, AgentError> {
        let mut connection = self.state.connection().await;
        for text in acts::texts(&mut connection, Kind::CaseCreate).await? {
            let intent = UnverifiedIntent::parse(&text).map_err(|_| state::StateError::Damaged("act"))?;
            let intent = intent.verify(&self.device.key.verifying_key()).map_err(|_| state::StateError::Damaged("act"))?;
            let Body::CaseCreate(body) = &intent.body else { continue };
            let file = keys::case(&mut connection, intent.case).await?;
            let named = file.is_some_and(|file| file.standing == Standing::Member && file.title.as_deref() == Some(&new.title));
            if named && body.parent == new.parent && body.review == new.review.to_string() {
                return Ok(Some(intent.case));
            }
        }
        Ok(None)
    }

    /// The recovery devices of an office in good standing.
    pub(crate) async fn recovery_devices(&self, office: &OfficeId) -> Result<Vec<Certificate>, AgentError> {
        let believed = self.believed().await?;
        let at = believed.registry.as_of(self.now()).ok_or(AgentError::NotEnrolled)?;
        let found: Vec<Certificate> = believed.registry.registry().devices_of(office, Role::Recovery, at).cloned().collect();
        if found.is_empty() { Err(AgentError::NoRecovery(office.clone())) } else { Ok(found) }
    }

    /// The cases that this device knows.
    ///
    /// # Errors
    /// What the state refuses.
    pub async fn cases(&self) -> Result<Vec<CaseSummary>, AgentError> {
        let files = keys::cases(&mut *self.state.connection().await).await?;
        Ok(files.into_iter().map(|file| CaseSummary { id: file.id, title: file.title, standing: file.standing }).collect())
    }

    /// What the server says of the cases of which this device is a member; nothing of it is proven.
    ///
    /// # Errors
    /// What the server refuses.
    pub async fn cases_at_server(&self) -> Result<Cases, AgentError> {
        Ok(self.link()?.http.get("/v1/cases").await?)
    }

    /// The case of which an own case is a restricted part, as its founding act names it.
    ///
    /// # Errors
    /// [`AgentError::Misbehaved`] for a chain that does not hold; what the server or the state refuses.
    pub async fn parent_of(&self, case: CaseId) -> Result<Option<CaseId>, AgentError> {
        self.follow_case(case).await?;
        let acts = self.case_acts(case, &[Kind::CaseCreate]).await?;
        Ok(acts.iter().find_map(|act| if let Body::CaseCreate(body) = &act.body { body.parent } else { None }))
    }

    /// The case as this device knows it.
    pub(crate) async fn case_file(&self, case: CaseId) -> Result<CaseFile, AgentError> {
        let file = keys::case(&mut *self.state.connection().await, case).await?;
        file.filter(|file| file.standing == Standing::Member).ok_or(AgentError::NotMember(case))
    }

    /// The ring key in force.
    pub(crate) async fn ring(&self, file: &CaseFile) -> Result<Ring, AgentError> {
        let key = keys::ring_key(&mut *self.state.connection().await, file.id, file.ring_version).await?;
        let key = key.ok_or(AgentError::NoRing(file.id))?;
        Ok(Ring { version: file.ring_version, key: RingKey::from_secret(key) })
    }

    /// Loads the group for reading; what is done to it is not written.
    pub(crate) async fn group(&self, case: CaseId) -> Result<(MlsState, CaseGroup), AgentError> {
        let file = keys::case(&mut *self.state.connection().await, case).await?.ok_or(AgentError::NotMember(case))?;
        let id = group_id(&file)?;
        let mls = keys::load_mls(&mut *self.state.connection().await, Some(id)).await?;
        match CaseGroup::load(&mls, id)? {
            Some(group) => Ok((mls, group)),
            None => Err(self.case_file(case).await.map_or_else(|error| error, |file| AgentError::GroupLost(file.id))),
        }
    }

    /// The epoch that this device holds, as an intent names it.
    pub(crate) async fn group_seen(&self, case: CaseId) -> Result<GroupSeen, AgentError> {
        let (_, group) = self.group(case).await?;
        Ok(GroupSeen {
            id: Hex(group.id().to_bytes().to_vec()),
            epoch: group.epoch().0,
            transcript: Hex(group.confirmed_transcript_hash().to_vec()),
        })
    }

    /// Signs, stores and delivers an act that changes nothing but the log.
    pub(crate) async fn enter(&self, intent: &SignedIntent, path: String, body: String) -> Result<crate::log_view::Entry, AgentError> {
        {
            let mut connection = self.state.connection().await;
            let mut transaction = state::begin(&mut connection).await?;
            acts::insert(&mut transaction, intent).await?;
            acts::post(&mut transaction, &OutboxRow { intent: intent.id, path, body }).await?;
            transaction.commit().await.map_err(state::StateError::from)?;
        }
        fail_point!("agent.act.kept");
        self.deliver_waiting().await?.ok_or(AgentError::Bug)
    }
}

/// The group that the device holds of a case, or held.
pub(crate) fn group_id(file: &CaseFile) -> Result<GroupId, AgentError> {
    Ok(GroupId::from_bytes(&file.group_id).filter(|group| group.case == file.id).ok_or(state::StateError::Damaged("group id of a case"))?)
}
