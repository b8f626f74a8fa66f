//! What an office tells the registry: trust lists, enrolments, revocations. Each is an intent that the office's root signs.

use custodia_api::messages::{Acknowledged, RegistryAct, ServerInfo};
use custodia_core::custody::body::{Body, DeviceEnrol, DeviceRevoke, TrustListBody};
use custodia_core::custody::intent::{Intent, Seen, UnverifiedIntent};
use custodia_core::custody::record::Outcome;
use custodia_core::custody::wire::Base64;
use custodia_core::digest::Sha256Digest;
use custodia_core::identity::{RevocationReason, UnverifiedCertificate, UnverifiedTrustList};
use custodia_core::ids::{CaseId, DeviceId, IntentId};
use custodia_core::jws::Typ;
use custodia_core::log::{LogKey, RootHash};

use crate::clock::{Clock, random};
use crate::error::AgentError;
use crate::http::{Http, HttpError, ServerAddress};
use crate::log_view::{Entry, verify_own_receipt};
use crate::office::Office;

/// An office's link to a server whose log it knows.
#[derive(Debug)]
pub struct OfficeDesk {
    http: Http,
    log_key: LogKey,
    origin: String,
    clock: Clock,
}

impl OfficeDesk {
    /// Prepares announcements to the log that `expected` names; nothing is sent.
    ///
    /// # Errors
    /// The address or the log key cannot be used.
    pub fn new(address: &ServerAddress, expected: &ServerInfo, clock: Clock) -> Result<Self, AgentError> {
        let log_key: LogKey = expected.log_key.parse().map_err(|_| AgentError::OtherServer("kind of log key"))?;
        Ok(Self { http: Http::new(address, clock.clone())?, log_key, origin: expected.origin.clone(), clock })
    }

    /// Announces a trust list that enough offices have signed.
    ///
    /// # Errors
    /// What a rule refuses; a receipt that does not prove the entry.
    pub async fn trust_list(&self, office: &Office, list: &UnverifiedTrustList) -> Result<Entry, AgentError> {
        self.announce(office, Body::TrustList(TrustListBody { list: list.to_json() })).await
    }

    /// Announces a device's certificate.
    ///
    /// # Errors
    /// As for [`OfficeDesk::trust_list`].
    pub async fn enrol(&self, office: &Office, certificate: &UnverifiedCertificate) -> Result<Entry, AgentError> {
        self.announce(office, Body::DeviceEnrol(DeviceEnrol { certificate: Base64(certificate.der().to_vec()) })).await
    }

    /// Revokes a device, for ever.
    ///
    /// # Errors
    /// As for [`OfficeDesk::trust_list`].
    pub async fn revoke(&self, office: &Office, device: DeviceId, reason: RevocationReason) -> Result<Entry, AgentError> {
        self.announce(office, Body::DeviceRevoke(DeviceRevoke { device, reason })).await
    }

    async fn announce(&self, office: &Office, body: Body) -> Result<Entry, AgentError> {
        let intent = Intent {
            origin: self.origin.clone(),
            id: IntentId::from_bytes(random()),
            case: CaseId::REGISTRY,
            exhibit: None,
            purpose: None,
            recipients: Vec::new(),
            time: self.clock.claimed(),
            clock: self.clock.source(),
            group: None,
            // An office keeps no view of the log; its people's devices do.
            seen: Seen { size: 0, root: Sha256Digest::from_bytes(*RootHash::empty().as_bytes()) },
            chain_seen: None,
            body,
            sealed: None,
        };
        let signed = office.sign(Typ::Intent, &intent.payload()?);
        let signed = UnverifiedIntent::parse(signed.text())?.verify(office.root().key())?;
        let act = RegistryAct { intent: signed.text().to_owned() };
        let answer: Acknowledged = self.http.post("/v1/registry", &act).await?;
        let entry = verify_own_receipt(&self.log_key, &answer.receipt, &signed)?;
        match &entry.outcome {
            Outcome::Accepted => Ok(entry),
            Outcome::Refused(rule) => Err(HttpError::Refused {
                rule: Some(rule.as_str().to_owned()),
                message: "the announcement was entered as refused".to_owned(),
                next: "See what the rule demands".to_owned(),
                receipt: Some(Box::new(answer.receipt)),
            }
            .into()),
        }
    }
}
