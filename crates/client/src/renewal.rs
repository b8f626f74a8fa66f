//! Renewing this device's certificate: the same device, person, role and keys under a new certificate.
//!
//! ```text
//! renewal_request ─► office issues and enrols ─► install_certificate ─► publish_key_packages ─► renew_leaves: one commit a case
//! ```
//! Log, server and colleagues know the *device*: from the moment of the enrolment it acts under the new certificate everywhere, an expired one
//! forgotten. What remains is the leaf in each group, which still shows the certificate before; any commit of this device brings the new one
//! along, and [`Agent::renew_leaves`] makes one where none was made. Killed anywhere, the same steps again go on where it stopped.

use std::collections::BTreeSet;

use custodia_core::digest::Sha256Digest;
use custodia_core::identity::{CertificateId, DeviceRequest, DeviceRequestDraft, UnverifiedCertificate};
use custodia_core::ids::CaseId;
use custodia_core::time::LogTime;
use custodia_failpoint::fail_point;

use crate::agent::{Agent, Believed};
use crate::error::AgentError;
use crate::http::HttpError;
use crate::reasons::Statement;
use crate::state::{self, device, keys};

/// How often a commit is made anew where colleagues' commits come first.
const MOST_TRIES: u32 = 5;

impl Agent {
    /// Asks for a new certificate: what this device asked for once, under the same keys, signed now.
    ///
    /// # Errors
    /// The stored request is damaged.
    pub fn renewal_request(&self) -> Result<DeviceRequest, AgentError> {
        let draft = DeviceRequestDraft { time: self.clock.claimed(), ..self.device_request()?.wanted().clone() };
        Ok(draft.sign(&self.device.key)?)
    }

    /// Keeps the certificate that the office issued, the first one or a later one. Whether it is enrolled shows at the next [`Agent::sync`].
    ///
    /// # Errors
    /// [`AgentError::NotOurCertificate`] if it is for another key, device, person or role than this device asked for, or older than the one that
    /// it has.
    pub async fn install_certificate(&mut self, der: &[u8]) -> Result<(), AgentError> {
        let certificate = UnverifiedCertificate::parse(der).map_err(|_| AgentError::NotOurCertificate("it is not of the format"))?;
        let request = self.device_request()?;
        let (claims, wanted) = (certificate.claims(), request.wanted());
        let demand = |holds: bool, problem| if holds { Ok(()) } else { Err(AgentError::NotOurCertificate(problem)) };
        demand(claims.key == self.device.key.verifying_key(), "it certifies another key")?;
        demand(claims.device == self.device.id, "it names another device")?;
        demand(claims.person == wanted.person, "it names another person")?;
        demand(claims.role == wanted.role, "it gives another role")?;
        demand(!wanted.role.needs_sealing_key() || claims.sealing_key == wanted.sealing_key, "it holds another sealing key")?;
        let since = self.present_certificate()?.map(|present| present.claims().not_before);
        demand(since.is_none_or(|since| claims.not_before >= since), "it is older than the one that this device has")?;
        device::set_certificate(&mut *self.state.connection().await, der).await?;
        fail_point!("agent.certificate.installed");
        self.take_certificate(der.to_vec());
        Ok(())
    }

    fn present_certificate(&self) -> Result<Option<UnverifiedCertificate>, AgentError> {
        let parsed = self.device.certificate.as_deref().map(UnverifiedCertificate::parse).transpose();
        Ok(parsed.map_err(|_| state::StateError::Damaged("certificate"))?)
    }

    /// Until when this device's certificate is valid, and whether that has passed by this machine's clock; none without a certificate.
    ///
    /// # Errors
    /// The stored certificate is damaged.
    pub fn certificate_ends(&self) -> Result<Option<LogTime>, AgentError> {
        Ok(self.present_certificate()?.map(|present| present.claims().not_after))
    }

    /// How many whole days this device's certificate is still valid by this machine's clock; negative once it has ended.
    ///
    /// # Errors
    /// As for [`Agent::certificate_ends`].
    pub fn certificate_days(&self) -> Result<Option<i64>, AgentError> {
        const DAY: i64 = 24 * 60 * 60;
        let now = self.clock.seconds().cast_signed();
        Ok(self.certificate_ends()?.map(|ends| (ends.seconds().cast_signed() - now).div_euclid(DAY)))
    }

    /// Whether a certificate is, or was, this device's.
    pub(crate) fn is_own(&self, believed: &Believed, id: Sha256Digest) -> bool {
        let known = believed.registry.registry().certificate(CertificateId::from_digest(id));
        known.is_some_and(|certificate| certificate.device() == self.device.id) || self.certificate_id().ok() == Some(id)
    }

    /// The ids of all certificates that this device ever had: what was sealed to it under any of them is for it.
    pub(crate) async fn own_certificates(&self) -> Result<BTreeSet<Sha256Digest>, AgentError> {
        let believed = self.believed().await?;
        let known = believed.registry.registry().certificates_of(self.device.id).map(|certificate| certificate.id().digest());
        Ok(known.chain(self.certificate_id()).collect())
    }

    /// Brings this device's certificate into the groups in which its leaf still shows an earlier one, and says which cases these were.
    ///
    /// # Errors
    /// What a rule or the server refuses; cases renewed before stay so.
    pub async fn renew_leaves(&self) -> Result<Vec<CaseId>, AgentError> {
        let cases = keys::cases(&mut *self.state.connection().await).await?;
        let mut renewed = Vec::new();
        for case in cases.iter().filter(|case| case.standing == keys::Standing::Member) {
            if self.renew_leaf(case.id).await? {
                renewed.push(case.id);
                fail_point!("agent.leaf.renewed");
            }
        }
        Ok(renewed)
    }

    async fn renew_leaf(&self, case: CaseId) -> Result<bool, AgentError> {
        let statement = Statement { reason: "The certificate of this device was renewed.".to_owned(), reference: None };
        let _turn = self.group_turn.lock().await;
        let mut tries = 0;
        loop {
            match self.catch_up(case).await {
                // It was removed meanwhile; or it comes back by a resync, or comes over to a successor group, which brings the certificate along.
                Err(AgentError::NotMember(_) | AgentError::GroupLost(_) | AgentError::PoisonCommit { .. }) => return Ok(false),
                caught_up => caught_up?,
            }
            let (_, group) = self.group(case).await?;
            let own = group.own_leaf();
            let shown = group.members()?.into_iter().find(|leaf| leaf.index == own).map(|leaf| leaf.certificate);
            drop(group);
            if shown == self.device.certificate {
                return Ok(tries > 0);
            }
            tries += 1;
            match self.change_members(case, Vec::new(), Vec::new(), Vec::new(), &statement).await {
                Err(AgentError::Http(HttpError::Stale { .. })) if tries < MOST_TRIES => {}
                made => return made.map(|()| true),
            }
        }
    }
}
