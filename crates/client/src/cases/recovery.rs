//! The recovery ceremony: a device in the place of a lost one, by two officers, in the sight of every member.
//!
//! One officer proposes with a recovery device of the office, another person confirms, a recovery device carries it out: a commit that adds the new
//! device and removes the lost one, with one disclosure for each exhibit that the lost one could open. Each step is a record; running the command
//! again goes on where the case's chain stands.

use std::collections::{BTreeMap, BTreeSet};

use custodia_api::messages::{Act, ExhibitStateText, GrantUpload};
use custodia_core::custody::body::{Add, Body, Disclosure, MemberChange, Terms};
use custodia_core::custody::facts::Membership;
use custodia_core::custody::intent::SignedIntent;
use custodia_core::custody::kind::{Kind, Purpose};
use custodia_core::custody::recovery::{Held, Recovery};
use custodia_core::digest::Sha256Digest;
use custodia_core::identity::{Certificate, CertificateId, Role, Standing};
use custodia_core::ids::{CaseId, ExhibitId, PersonId};
use custodia_failpoint::fail_point;

use super::membership::{Joining, MemberRow};
use crate::agent::Agent;
use crate::error::AgentError;
use crate::http::to_json;
use crate::reasons::{Draft, Ring, Statement};
use crate::state::keys::CaseFile;
use crate::state::{head, keys};

/// How far a recovery has come by this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecoveryProgress {
    /// It waits for another person's confirmation.
    Proposed,
    /// It is confirmed; a recovery device of the office carries it out.
    Confirmed,
    /// The new device is a member, and the lost one is none.
    Done,
}

/// A recovery in a case, as its chain tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryRow {
    /// Certificate id of the lost device.
    pub lost: Sha256Digest,
    /// The person of the lost device.
    pub lost_person: PersonId,
    /// Certificate id of the device in its place.
    pub device: Sha256Digest,
    /// The person of the device in its place.
    pub person: PersonId,
    /// Who proposed it.
    pub proposed_by: PersonId,
    /// Who confirmed it, if anybody has.
    pub confirmed_by: Option<PersonId>,
    /// How far it has come.
    pub progress: RecoveryProgress,
    proposal: SignedIntent,
}

impl Agent {
    /// The recoveries of a case, oldest first, as far as this device has followed its chain.
    ///
    /// # Errors
    /// What the state refuses.
    pub async fn recoveries(&self, case: CaseId) -> Result<Vec<RecoveryRow>, AgentError> {
        let acts = self.case_acts(case, &[Kind::CaseRecovery, Kind::MemberChange]).await?;
        let believed = self.believed().await?;
        let person = |certificate: &Sha256Digest| {
            let known = believed.registry.registry().certificate(CertificateId::from_digest(*certificate));
            known.map(|known| known.person().clone())
        };
        let mut rows: Vec<RecoveryRow> = Vec::new();
        for act in acts {
            match &act.body {
                Body::CaseRecovery(Recovery::Propose { lost, device }) => {
                    let known = (person(lost), person(device), person(&act.signer()));
                    let (Some(lost_person), Some(new_person), Some(proposed_by)) = known else { continue };
                    rows.push(RecoveryRow {
                        lost: *lost,
                        lost_person,
                        device: *device,
                        person: new_person,
                        proposed_by,
                        confirmed_by: None,
                        progress: RecoveryProgress::Proposed,
                        proposal: act,
                    });
                }
                Body::CaseRecovery(Recovery::Confirm { digest, .. }) => {
                    if let Some(row) = rows.iter_mut().find(|row| row.proposal.digest() == *digest) {
                        row.confirmed_by = person(&act.signer());
                        row.progress = RecoveryProgress::Confirmed;
                    }
                }
                Body::MemberChange(body) => {
                    for add in body.adds.iter().filter(|add| add.terms == Terms::Recovery) {
                        let confirmed = |row: &&mut RecoveryRow| row.device == add.certificate && row.progress == RecoveryProgress::Confirmed;
                        if let Some(row) = rows.iter_mut().find(confirmed) {
                            row.progress = RecoveryProgress::Done;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(rows)
    }

    /// The prosecutors' devices of a case that were revoked, or whose person has left: those in whose place another may come.
    ///
    /// # Errors
    /// What the state refuses.
    pub async fn lost_devices(&self, case: CaseId) -> Result<Vec<MemberRow>, AgentError> {
        let acts = self.case_acts(case, &[Kind::CaseCreate, Kind::MemberChange]).await?;
        let added: BTreeSet<Sha256Digest> = acts.iter().flat_map(|act| added(&act.body)).map(|add| add.certificate).collect();
        let left = self.left(case, None).await?;
        let believed = self.believed().await?;
        let at = believed.registry.as_of(self.now()).ok_or(AgentError::NotEnrolled)?;
        let registry = believed.registry.registry();
        let lost = added.into_iter().filter_map(|certificate| {
            let id = CertificateId::from_digest(certificate);
            let gone = left.contains(&certificate) || matches!(registry.standing(id, at), Standing::Revoked(_));
            let known = registry.certificate(id).filter(|known| gone && known.role() == Role::Prosecutor)?;
            let (person, label) = (known.person().clone(), known.fields().label.to_string());
            Some(MemberRow { certificate, person, role: known.role(), label })
        });
        Ok(lost.collect())
    }

    /// Takes the next step of a recovery with a recovery device of the office: proposes it, or carries it out once another person confirmed it.
    ///
    /// # Errors
    /// [`AgentError::NotEligible`] for another device; what a rule or the server refuses.
    pub async fn recover(
        &self,
        case: CaseId,
        lost: Sha256Digest,
        device: Sha256Digest,
        statement: &Statement,
    ) -> Result<RecoveryProgress, AgentError> {
        let _turn = self.group_turn.lock().await;
        self.require_recovery_device().await?;
        self.catch_up(case).await?;
        let known = self.recoveries(case).await?.into_iter().rev().find(|row| row.lost == lost && row.device == device);
        match known {
            Some(row) if row.progress == RecoveryProgress::Confirmed => self.carry_out(case, &row, statement).await,
            Some(row) => Ok(row.progress),
            None => {
                self.enter_recovery(case, Recovery::Propose { lost, device }, statement).await?;
                fail_point!("agent.recovery.proposed");
                Ok(RecoveryProgress::Proposed)
            }
        }
    }

    /// Confirms, as another person, the recovery that brings a person back; a recovery device of the office carries it out at once.
    ///
    /// # Errors
    /// [`AgentError::NotEligible`] if nothing waits; what a rule or the server refuses.
    pub async fn confirm_recovery(&self, case: CaseId, person: &PersonId, statement: &Statement) -> Result<RecoveryProgress, AgentError> {
        let _turn = self.group_turn.lock().await;
        self.catch_up(case).await?;
        let own = self.own_certificate().await?;
        let mut rows = self.recoveries(case).await?.into_iter().rev().filter(|row| row.person == *person || row.lost_person == *person);
        let row = rows.next().ok_or(AgentError::NotEligible("nobody has proposed to recover a device of this person in this case"))?;
        if row.progress == RecoveryProgress::Proposed {
            let confirm = Recovery::Confirm { proposal: row.proposal.id, digest: row.proposal.digest() };
            self.enter_recovery(case, confirm, statement).await?;
            fail_point!("agent.recovery.confirmed");
        }
        let carries_out = own.role() == Role::Recovery && own.office() == row.proposed_by.office();
        match row.progress {
            RecoveryProgress::Done => Ok(RecoveryProgress::Done),
            _ if carries_out => self.carry_out(case, &row, statement).await,
            _ => Ok(RecoveryProgress::Confirmed),
        }
    }

    async fn require_recovery_device(&self) -> Result<(), AgentError> {
        match self.own_certificate().await?.role() {
            Role::Recovery => Ok(()),
            _ => Err(AgentError::NotEligible("a recovery is proposed and carried out with a recovery device of the person's office")),
        }
    }

    async fn enter_recovery(&self, case: CaseId, body: Recovery, statement: &Statement) -> Result<(), AgentError> {
        let file = self.case_file(case).await?;
        let ring = self.ring(&file).await?;
        let intent = self
            .sign_act(Draft {
                case,
                exhibit: None,
                purpose: None,
                recipients: Vec::new(),
                group: Some(self.group_seen(case).await?),
                chain_seen: None,
                body: Body::CaseRecovery(body),
                statement,
                case_title: file.title.as_deref(),
                exhibit_title: None,
                ring: &ring,
            })
            .await?;
        let body = to_json(&Act { intent: intent.text().to_owned() })?;
        self.enter(&intent, format!("/v1/cases/{case}/acts"), body).await.map(drop)
    }

    async fn carry_out(&self, case: CaseId, row: &RecoveryRow, statement: &Statement) -> Result<RecoveryProgress, AgentError> {
        let joining = vec![Joining { device: row.device, terms: Terms::Recovery }];
        self.change_members(case, joining, Vec::new(), Vec::new(), statement).await?;
        Ok(RecoveryProgress::Done)
    }

    /// The grant to a device in the place of a lost one: the ring keys and exhibits that one had, as far as this device has them, and a
    /// disclosure for each exhibit.
    pub(super) async fn grants_in_place(
        &self,
        file: &CaseFile,
        device: Sha256Digest,
        statement: &Statement,
        ring: &Ring,
    ) -> Result<Vec<(SignedIntent, GrantUpload)>, AgentError> {
        let recoveries = self.recoveries(file.id).await?;
        let waiting = recoveries.iter().find(|row| row.device == device && row.progress == RecoveryProgress::Confirmed);
        let lost = waiting.ok_or(AgentError::NotEligible("the recovery of this device is not confirmed"))?.lost;
        let held = self.held(file, lost).await?.ok_or(AgentError::NotEligible("the device that is lost was never in this case"))?;
        let rings: Vec<_> = keys::ring_keys(&mut *self.state.connection().await, file.id)
            .await?
            .into_iter()
            .filter(|(version, _)| (held.first_ring..=held.last_ring).contains(version))
            .collect();
        let (mut given, mut shares) = (Vec::new(), Vec::new());
        for row in self.exhibit_rows(file.id).await? {
            if row.state == ExhibitStateText::Erased {
                continue;
            }
            self.follow_exhibit(file.id, row.exhibit).await?;
            if !held.could_open(self.was_granted(row.exhibit, lost).await?, row.ring_version) {
                continue;
            }
            let Some(share) = self.group_share(file.id, &row).await? else { continue };
            if !rings.iter().any(|(version, _)| *version == row.ring_version) {
                shares.push((row.exhibit, share.secret().clone()));
            }
            // A restricted exhibit is handed over for what it may still be used for.
            let restricted = row.state == ExhibitStateText::Restricted;
            given.push((row.exhibit, if restricted { Purpose::Prosecution } else { Purpose::Investigation }));
        }
        let mut all = Vec::with_capacity(given.len());
        if given.is_empty() {
            return Ok(all);
        }
        let recipient: Certificate = self.device_certificate(device).await?;
        let grant = self.sign_grant(file.id, &recipient, &rings, &shares)?;
        for (exhibit, purpose) in given {
            let intent = self.disclose_grant(file, exhibit, &recipient, &grant, (purpose, statement), ring).await?;
            let upload = GrantUpload { intent: intent.text().to_owned(), grant: grant.clone() };
            all.push((intent, upload));
        }
        Ok(all)
    }

    /// Whether an exhibit whose chain was followed was granted to a device.
    async fn was_granted(&self, exhibit: ExhibitId, to: Sha256Digest) -> Result<bool, AgentError> {
        let views = head::acts(&mut *self.state.connection().await, exhibit, &[Kind::Disclosure]).await?;
        let believed = self.believed().await?;
        for view in views {
            let opened = view.open().map_err(|_| crate::state::StateError::Damaged("record"))?;
            let intent = crate::sync::read_record(&believed, &view, opened)?.intent;
            if intent.is_some_and(|intent| matches!(&intent.body, Body::Disclosure(Disclosure::Grant { device, .. }) if *device == to)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What a device holds in a case, or held when it was removed, by the case's chain.
    async fn held(&self, file: &CaseFile, of: Sha256Digest) -> Result<Option<Held>, AgentError> {
        let mut case = Rings::default();
        for act in self.case_acts(file.id, &[Kind::CaseCreate, Kind::MemberChange, Kind::GroupSucceed]).await? {
            match &act.body {
                Body::CaseCreate(body) => {
                    case.ring = body.ring_version;
                    case.members.extend(body.members.iter().map(|add| (add.certificate, 1)));
                }
                Body::MemberChange(body) => case.change(act.signer(), body),
                Body::GroupSucceed(body) => {
                    case.ring = body.ring_version;
                    case.members.retain(|certificate, _| body.members.contains(certificate));
                }
                _ => {}
            }
        }
        let of_member = |first_ring| Held::of(Membership { first_ring, left: false }, case.ring);
        Ok(case.members.get(&of).map(|first| of_member(*first)).or_else(|| case.former.get(&of).copied()))
    }
}

fn added(body: &Body) -> &[Add] {
    match body {
        Body::CaseCreate(body) => &body.members,
        Body::MemberChange(body) => &body.adds,
        _ => &[],
    }
}

/// From which ring version on each device of a case could open, commit by commit.
#[derive(Default)]
struct Rings {
    ring: u32,
    members: BTreeMap<Sha256Digest, u32>,
    former: BTreeMap<Sha256Digest, Held>,
}

impl Rings {
    fn change(&mut self, signer: Sha256Digest, body: &MemberChange) {
        let granter = self.members.get(&signer).copied();
        let returning = body.removes.first().and_then(|certificate| self.members.get(certificate)).copied();
        let removes: BTreeSet<Sha256Digest> = body.removes.iter().copied().collect();
        for certificate in removes {
            if let Some(first_ring) = self.members.remove(&certificate) {
                self.former.insert(certificate, Held::of(Membership { first_ring, left: false }, self.ring));
            }
        }
        self.ring = body.ring_version;
        for add in &body.adds {
            let kept = match add.terms {
                Terms::Full => granter,
                Terms::Resync => returning,
                Terms::Founder | Terms::Chosen | Terms::None | Terms::Recovery => None,
            };
            self.members.insert(add.certificate, kept.unwrap_or(body.ring_version));
        }
    }
}
