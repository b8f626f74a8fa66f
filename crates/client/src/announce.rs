//! What an office tells the registry: trust lists, enrolments, revocations. Each is an intent that the office's root signs.
//!
//! An office holds a server to its word as devices do: beside its key lies the newest checkpoint that it verified, each announcement names it, and the
//! receipt's checkpoint must extend it. So no second log is kept for an office alone, with revocations that nobody else sees.

use std::path::{Path, PathBuf};

use custodia_api::messages::{Acknowledged, Consistency, RegistryAct, ServerInfo};
use custodia_core::custody::body::{Body, DeviceEnrol, DeviceRevoke, TrustListBody};
use custodia_core::custody::intent::{Intent, SignedIntent, UnverifiedIntent};
use custodia_core::custody::record::Outcome;
use custodia_core::custody::wire::Base64;
use custodia_core::digest::Sha256Digest;
use custodia_core::identity::{RevocationReason, UnverifiedCertificate, UnverifiedTrustList};
use custodia_core::ids::{CaseId, DeviceId, IntentId};
use custodia_core::jws::{MAX_JWS_BYTES, Typ};
use custodia_core::log::LogKey;

use crate::clock::{Clock, random};
use crate::durable_file;
use crate::error::AgentError;
use crate::http::{ErrorCode, Http, HttpError, ServerAddress};
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

    /// Announces a trust list that enough offices have signed; what this office announced before is found done, under the record that it has.
    ///
    /// The intent is kept beside the office's key before it leaves, and sent again as it is: no two records of one list come from an answer that was
    /// lost. One that was refused is forgotten.
    ///
    /// # Errors
    /// What a rule refuses; a receipt that does not prove the entry.
    pub async fn trust_list(&self, office: &Office, list: &UnverifiedTrustList) -> Result<Entry, AgentError> {
        let path = self.kept_file(office, list);
        let kept = self.kept(office, &path)?;
        let again = kept.is_some();
        let intent = match kept {
            Some(intent) => intent,
            None => self.keep(office, list, &path)?,
        };
        match self.announce(office, intent, again).await {
            // Too old to be entered now, so it was not entered before.
            Err(AgentError::Http(HttpError::NotAuthenticated { code: ErrorCode::ClockSkew, .. })) if again => {
                std::fs::remove_file(&path).map_err(io(&path))?;
                self.announce(office, self.keep(office, list, &path)?, false).await
            }
            Err(refused @ AgentError::Http(HttpError::Refused { .. })) => {
                std::fs::remove_file(&path).map_err(io(&path))?;
                Err(refused)
            }
            ended => ended,
        }
    }

    /// Announces a device's certificate.
    ///
    /// # Errors
    /// As for [`OfficeDesk::trust_list`].
    pub async fn enrol(&self, office: &Office, certificate: &UnverifiedCertificate) -> Result<Entry, AgentError> {
        let intent = self.sign(office, Body::DeviceEnrol(DeviceEnrol { certificate: Base64(certificate.der().to_vec()) }))?;
        self.announce(office, intent, false).await
    }

    /// Revokes a device, for ever.
    ///
    /// # Errors
    /// As for [`OfficeDesk::trust_list`].
    pub async fn revoke(&self, office: &Office, device: DeviceId, reason: RevocationReason) -> Result<Entry, AgentError> {
        let intent = self.sign(office, Body::DeviceRevoke(DeviceRevoke { device, reason }))?;
        self.announce(office, intent, false).await
    }

    /// Where an office keeps what it announces of a list with these signatures, for this log.
    fn kept_file(&self, office: &Office, list: &UnverifiedTrustList) -> PathBuf {
        let digest = Sha256Digest::of(&[self.origin.as_bytes(), b"\n", list.to_json().as_bytes()]).to_string();
        office.directory().join(format!("trust-list-{}.jws", &digest[..16]))
    }

    fn kept(&self, office: &Office, path: &Path) -> Result<Option<SignedIntent>, AgentError> {
        match durable_file::read(path, MAX_JWS_BYTES) {
            Ok(bytes) => {
                let intent = String::from_utf8(bytes).ok().and_then(|text| UnverifiedIntent::parse(&text).ok());
                let intent = intent.and_then(|intent| intent.verify(office.root().key()).ok());
                Ok(Some(
                    intent.filter(|intent| intent.origin == self.origin).ok_or(StateError::Damaged("kept announcement of the office"))?,
                ))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io(path)(error).into()),
        }
    }

    fn keep(&self, office: &Office, list: &UnverifiedTrustList, path: &Path) -> Result<SignedIntent, AgentError> {
        let intent = self.sign(office, Body::TrustList(TrustListBody { list: list.to_json() }))?;
        durable_file::create(path, intent.text().as_bytes()).map_err(io(path))?;
        Ok(intent)
    }

    /// Sends an intent; `again` if it may have been entered by an earlier attempt.
    async fn announce(&self, office: &Office, intent: SignedIntent, again: bool) -> Result<Entry, AgentError> {
        let announced = self.entered(office, &intent, again).await;
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

    /// Takes the checkpoint of an entry, if it extends what this office saw before; that of an earlier attempt may be a part of it.
    async fn follow(&self, office: &Office, mut view: LogView, checkpoint: &str, again: bool) -> Result<(), AgentError> {
        let known = view.seen().size;
        let consistency = async |from: u64, to: u64| self.http.get(&format!("/v1/log/consistency?from={from}&to={to}")).await;
        let (shown, proof) = match view.relate(checkpoint)? {
            Relation::Known(shown) if view.head().is_none() => (shown, Consistency { proof: Vec::new() }),
            Relation::Newer(shown) => {
                let proof = consistency(known, shown.size().get()).await?;
                (shown, proof)
            }
            Relation::Known(_) if again => return Ok(()),
            Relation::Older(shown) if again => return Ok(view.contains(&shown, &consistency(shown.size().get(), known).await?)?),
            Relation::Known(_) | Relation::Older(_) => {
                return Err(view.against_head("the log was rolled back: a new entry stands where it ended before", checkpoint).into());
            }
        };
        view.advance(shown, &proof)?;
        let path = self.head_file(office);
        Ok(durable_file::replace(&path, checkpoint.as_bytes()).map_err(io(&path))?)
    }

    fn sign(&self, office: &Office, body: Body) -> Result<SignedIntent, AgentError> {
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
            seen: self.view(office)?.seen(),
            chain_seen: None,
            body,
            sealed: None,
        };
        let signed = office.sign(Typ::Intent, &intent.payload()?);
        Ok(UnverifiedIntent::parse(signed.text())?.verify(office.root().key())?)
    }

    async fn entered(&self, office: &Office, signed: &SignedIntent, again: bool) -> Result<Entry, AgentError> {
        let view = self.view(office)?;
        let act = RegistryAct { intent: signed.text().to_owned() };
        let answer: Acknowledged = match self.http.post("/v1/registry", &act).await {
            Ok(answer) => answer,
            // Refused, it is an entry all the same: of the log that this office saw, or the server has another one.
            Err(HttpError::Refused { receipt: Some(receipt), rule, message, next }) => {
                verify_receipt(&self.log_key, &receipt)?;
                self.follow(office, view, &receipt.checkpoint, again).await?;
                return Err(HttpError::Refused { receipt: Some(receipt), rule, message, next }.into());
            }
            Err(error) => return Err(error.into()),
        };
        let entry = verify_own_receipt(&self.log_key, &answer.receipt, signed)?;
        self.follow(office, view, &answer.receipt.checkpoint, again).await?;
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
