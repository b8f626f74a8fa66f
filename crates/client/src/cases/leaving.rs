//! Leaving a case, and what becomes of a case whose last prosecutor leaves.

use std::collections::BTreeSet;

use custodia_core::custody::body::{Body, Nothing};
use custodia_core::identity::Role;
use custodia_core::ids::{CaseId, PersonId};

use super::membership::MemberStanding;
use crate::agent::Agent;
use crate::error::AgentError;
use crate::http::to_json;
use crate::reasons::{Draft, Statement};

impl Agent {
    /// Who could bring anybody in once this device has left, if no other prosecutor's remains: the persons with recovery devices of the own office.
    /// None while one remains.
    ///
    /// # Errors
    /// [`AgentError::NotMember`]; what the state refuses.
    pub async fn officers_after_leaving(&self, case: CaseId) -> Result<Option<BTreeSet<PersonId>>, AgentError> {
        let own = self.own_certificate().await?;
        let members = self.members(case).await?;
        let staying = || members.iter().filter(|member| !matches!(member.standing, MemberStanding::Left | MemberStanding::Revoked));
        if staying().any(|member| member.role == Role::Prosecutor && member.device != own.device()) {
            return Ok(None);
        }
        let officers = staying().filter(|member| member.role == Role::Recovery && member.person.office() == own.office());
        Ok(Some(officers.map(|member| member.person.clone()).collect()))
    }

    /// Leaves a case: from now on the server gives this device nothing, and the next commit of a colleague removes its leaf.
    ///
    /// # Errors
    /// What a rule or the server refuses.
    pub async fn leave(&self, case: CaseId, statement: &Statement) -> Result<(), AgentError> {
        let _turn = self.group_turn.lock().await;
        self.catch_up(case).await?;
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
                body: Body::MemberLeave(Nothing {}),
                statement,
                case_title: file.title.as_deref(),
                exhibit_title: None,
                ring: Some(&ring),
            })
            .await?;
        let body = to_json(&custodia_api::messages::Act { intent: intent.text().to_owned() })?;
        self.enter(&intent, format!("/v1/cases/{case}/acts"), body).await.map(drop)
    }
}
