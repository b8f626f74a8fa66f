//! What an office tells the registry: trust lists, enrolments, revocations. Each is an intent that the office's root signs.
//!
//! An office holds a server to its word as devices do: beside its key lies the newest checkpoint that it verified, each announcement names it, and the
//! receipt's checkpoint must extend it. So no second log is kept for an office alone, with revocations that nobody else sees.

use std::path::{Path, PathBuf};

use custodia_api::messages::{Acknowledged, Consistency, RegistryAct, ServerInfo};
use custodia_core::custody::body::{Body, DeviceEnrol, DeviceRevoke, TrustListBody};
use custodia_core::custody::intent::{Intent, UnverifiedIntent};
use custodia_core::custody::record::Outcome;
use custodia_core::custody::wire::Base64;
use custodia_core::digest::Sha256Digest;
use custodia_core::identity::{RevocationReason, UnverifiedCertificate, UnverifiedTrustList};
use custodia_core::ids::{CaseId, DeviceId, IntentId};
use custodia_core::jws::Typ;
use custodia_core::log::LogKey;

use crate::clock::{Clock, random};
use crate::durable_file;
use crate::error::AgentError;
use crate::http::{Http, HttpError, ServerAddress};
use crate::log_view::{Entry, LogView, Relation, verify_own_receipt, verify_receipt};
use crate::office::Office;
use crate::state::StateError;

/// The longest checkpoint that is kept, in bytes.
const MAX_CHECKPOINT_BYTES: usize = 64 * 1024;

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> StateError {
    let path = path.to_owned();
    move |source| StateError::Io { path, source }
}

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
        let announced = self.entered(office, body).await;
        if let Err(AgentError::Misbehaved(misbehaviour)) = &announced {
            let path = office.directory().join(format!("evidence-{}.json", hex::encode(random::<4>())));
            let evidence = serde_json::json!({"finding": misbehaviour.finding, "held": misbehaviour.held, "shown": misbehaviour.shown});
            durable_file::create(&path, evidence.to_string().as_bytes()).map_err(io(&path))?;
        }
        announced
    }

    /// Where an office keeps the newest checkpoint of this log.
    fn head_file(&self, office: &Office) -> PathBuf {
        let digest = Sha256Digest::of(&[self.origin.as_bytes()]).to_string();
        office.directory().join(format!("log-{}.checkpoint", &digest[..16]))
    }

    fn view(&self, office: &Office) -> Result<LogView, AgentError> {
        let path = self.head_file(office);
        let text = match durable_file::read(&path, MAX_CHECKPOINT_BYTES) {
            Ok(bytes) => Some(String::from_utf8(bytes).map_err(|_| StateError::Damaged("checkpoint of the office"))?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(io(&path)(error).into()),
        };
        Ok(LogView::new(self.log_key.clone(), text.as_deref()).map_err(|_| StateError::Damaged("checkpoint of the office"))?)
    }

    /// Takes the checkpoint of a new entry, if it extends what this office saw before.
    async fn follow(&self, office: &Office, mut view: LogView, checkpoint: &str) -> Result<(), AgentError> {
        let known = view.seen().size;
        let (shown, proof) = match view.relate(checkpoint)? {
            Relation::Known(shown) if view.head().is_none() => (shown, Consistency { proof: Vec::new() }),
            Relation::Newer(shown) => {
                let target = format!("/v1/log/consistency?from={known}&to={}", shown.size().get());
                (shown, self.http.get(&target).await?)
            }
            Relation::Known(_) | Relation::Older(_) => {
                return Err(view.against_head("the log was rolled back: a new entry stands where it ended before", checkpoint).into());
            }
        };
        view.advance(shown, &proof)?;
        let path = self.head_file(office);
        Ok(durable_file::replace(&path, checkpoint.as_bytes()).map_err(io(&path))?)
    }

    async fn entered(&self, office: &Office, body: Body) -> Result<Entry, AgentError> {
        let view = self.view(office)?;
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
            seen: view.seen(),
            chain_seen: None,
            body,
            sealed: None,
        };
        let signed = office.sign(Typ::Intent, &intent.payload()?);
        let signed = UnverifiedIntent::parse(signed.text())?.verify(office.root().key())?;
        let act = RegistryAct { intent: signed.text().to_owned() };
        let answer: Acknowledged = match self.http.post("/v1/registry", &act).await {
            Ok(answer) => answer,
            // Refused, it is an entry all the same: of the log that this office saw, or the server has another one.
            Err(HttpError::Refused { receipt: Some(receipt), rule, message, next }) => {
                verify_receipt(&self.log_key, &receipt)?;
                self.follow(office, view, &receipt.checkpoint).await?;
                return Err(HttpError::Refused { receipt: Some(receipt), rule, message, next }.into());
            }
            Err(error) => return Err(error.into()),
        };
        let entry = verify_own_receipt(&self.log_key, &answer.receipt, &signed)?;
        self.follow(office, view, &answer.receipt.checkpoint).await?;
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
