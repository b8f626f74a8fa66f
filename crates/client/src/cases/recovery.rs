//! The recovery ceremony: a device in the place of a lost one, by two officers, in the sight of every member.
//!
//! One officer proposes with a recovery device of the office, another person confirms, a recovery device carries it out: a commit that adds the new
//! device and removes the lost one, with one disclosure for each exhibit that the lost one could open. Each step is a record; running the command
//! again goes on where the case's chain stands.

use std::collections::{BTreeMap, BTreeSet};

use custodia_api::messages::Act;
use custodia_core::custody::body::{Add, Body, Terms};
use custodia_core::custody::intent::SignedIntent;
use custodia_core::custody::kind::Kind;
use custodia_core::custody::recovery::{Proposed, Recoveries, Recovery};
use custodia_core::digest::Sha256Digest;
use custodia_core::identity::{Certificate, CertificateId, Role, Standing};
use custodia_core::ids::{CaseId, DeviceId, PersonId};
use custodia_failpoint::fail_point;

use super::membership::Joining;
use crate::agent::Agent;
use crate::error::AgentError;
use crate::http::to_json;
use crate::reasons::{Draft, Statement};

/// How far a recovery has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecoveryProgress {
    /// It waits for another person's confirmation.
    Proposed,
    /// It is confirmed; a recovery device of the office carries it out.
    Confirmed,
    /// The new device is a member, and the lost one is none.
    Done,
    /// It leads nowhere any more: 30 days have gone by, or a later proposal took its place.
    Ended,
}

/// A device in whose place another may come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostDevice {
    /// The device.
    pub device: DeviceId,
    /// The certificate by which it came into the case last.
    pub certificate: Sha256Digest,
    /// The person.
    pub person: PersonId,
    /// What the person called it.
    pub label: String,
}

/// A recovery in a case, as its chain tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryRow {
    /// The lost device.
    pub lost_device: DeviceId,
    /// The certificate by which the proposal names it.
    pub lost: Sha256Digest,
    /// Its person.
    pub lost_person: PersonId,
    /// The device in its place.
    pub new_device: DeviceId,
    /// The certificate by which the proposal names it.
    pub device: Sha256Digest,
    /// Its person.
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
        let acts = self.acts_of(case, &[Kind::CaseRecovery, Kind::MemberChange]).await?;
        let believed = self.believed().await?;
        let registry = believed.registry.registry();
        let known = |certificate: &Sha256Digest| registry.certificate(CertificateId::from_digest(*certificate));
        let (mut all, mut rows) = (Recoveries::default(), Vec::new());
        for (core, act) in acts {
            let Some(signer) = known(&act.signer()) else { continue };
            match &act.body {
                Body::CaseRecovery(Recovery::Propose { lost, device }) => {
                    let (Some(lost), Some(device)) = (known(lost), known(device)) else { continue };
                    all.propose(
                        act.digest(),
                        Proposed {
                            intent: act.id,
                            person: signer.person().clone(),
                            office: signer.office().clone(),
                            lost: (lost.device(), lost.id().digest()),
                            device: (device.device(), device.id().digest()),
                            time: core.time,
                            confirmed: false,
                            done: false,
                        },
                    );
                    rows.push(RecoveryRow {
                        lost_device: lost.device(),
                        lost: lost.id().digest(),
                        lost_person: lost.person().clone(),
                        new_device: device.device(),
                        device: device.id().digest(),
                        person: device.person().clone(),
                        proposed_by: signer.person().clone(),
                        confirmed_by: None,
                        progress: RecoveryProgress::Proposed,
                        proposal: act,
                    });
                }
                Body::CaseRecovery(Recovery::Confirm { digest, .. }) => {
                    all.confirm(digest);
                    if let Some(row) = rows.iter_mut().find(|row| row.proposal.digest() == *digest) {
                        row.confirmed_by = Some(signer.person().clone());
                    }
                }
                Body::MemberChange(body) => {
                    let replacing = body.adds.iter().filter(|add| add.terms == Terms::Recovery);
                    for device in replacing.filter_map(|add| known(&add.certificate)) {
                        all.carry_out(device.device(), signer.office());
                    }
                }
                _ => {}
            }
        }
        for row in &mut rows {
            row.progress = match all.named(&row.proposal.digest()) {
                Some(proposal) if proposal.done => RecoveryProgress::Done,
                Some(proposal) if !proposal.stands_at(self.now()) => RecoveryProgress::Ended,
                Some(proposal) if proposal.confirmed => RecoveryProgress::Confirmed,
                Some(_) => RecoveryProgress::Proposed,
                None => RecoveryProgress::Ended,
            };
        }
        Ok(rows)
    }

    /// The prosecutors' devices of a case that were revoked, or whose person has left: those in whose place another may come.
    ///
    /// # Errors
    /// What the state refuses.
    pub async fn lost_devices(&self, case: CaseId) -> Result<Vec<LostDevice>, AgentError> {
        let acts = self.case_acts(case, &[Kind::CaseCreate, Kind::MemberChange]).await?;
        let left = self.left(case, None).await?;
        let believed = self.believed().await?;
        let at = believed.registry.as_of(self.now()).ok_or(AgentError::NotEnrolled)?;
        let registry = believed.registry.registry();
        let known = |add: &Add| registry.certificate(CertificateId::from_digest(add.certificate));
        let added: BTreeMap<DeviceId, &Certificate> =
            acts.iter().flat_map(|act| added(&act.body)).filter_map(known).map(|one| (one.device(), one)).collect();
        let gone = |one: &&Certificate| left.contains(&one.device()) || matches!(registry.standing(one.id(), at), Standing::Revoked(_));
        let lost = added.into_values().filter(|one| one.role() == Role::Prosecutor).filter(gone).map(|one| LostDevice {
            device: one.device(),
            certificate: one.id().digest(),
            person: one.person().clone(),
            label: one.fields().label.to_string(),
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
        let named = self.devices_by([lost, device].into_iter()).await?;
        let same = |row: &RecoveryRow| BTreeSet::from([row.lost_device, row.new_device]) == named;
        match self.recoveries(case).await?.into_iter().rev().find(same) {
            Some(row) if row.progress == RecoveryProgress::Confirmed => self.carry_out(case, &row, statement).await,
            Some(row) if row.progress != RecoveryProgress::Ended => Ok(row.progress),
            _ => {
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
        let theirs = |row: &RecoveryRow| row.person == *person || row.lost_person == *person;
        let row = self.recoveries(case).await?.into_iter().rev().find(theirs);
        let row = row.ok_or(AgentError::NotEligible("nobody has proposed to recover a device of this person in this case"))?;
        if row.progress == RecoveryProgress::Ended {
            let ended =
                "the proposal to recover a device of this person leads nowhere any more (30 days went by); an officer proposes it again";
            return Err(AgentError::NotEligible(ended));
        }
        if row.progress == RecoveryProgress::Proposed {
            let confirm = Recovery::Confirm { proposal: row.proposal.id, digest: row.proposal.digest() };
            self.enter_recovery(case, confirm, statement).await?;
            fail_point!("agent.recovery.confirmed");
            self.follow_case(case).await?;
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
                ring: Some(&ring),
            })
            .await?;
        let body = to_json(&Act { intent: intent.text().to_owned() })?;
        self.enter(&intent, format!("/v1/cases/{case}/acts"), body).await.map(drop)
    }

    async fn carry_out(&self, case: CaseId, row: &RecoveryRow, statement: &Statement) -> Result<RecoveryProgress, AgentError> {
        // The device may have renewed its certificate since it was named.
        let newest = self.devices().await?.into_iter().find(|one| one.device() == row.new_device);
        let device = newest.ok_or(AgentError::NotEligible("the new device of the person is in good standing no more"))?.id().digest();
        let joining = vec![Joining { device, terms: Terms::Recovery }];
        self.change_members(case, joining, Vec::new(), Vec::new(), statement).await?;
        Ok(RecoveryProgress::Done)
    }
}

fn added(body: &Body) -> &[Add] {
    match body {
        Body::CaseCreate(body) => &body.members,
        Body::MemberChange(body) => &body.adds,
        _ => &[],
    }
}
