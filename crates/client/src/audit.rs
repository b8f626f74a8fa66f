//! Auditing: an auditor's device reads the whole log, replays it, opens the reasons that are sealed to it, and says what it found.
//!
//! ```text
//! sync ─► checkpoint of size n ─► log.read [0, n) entered, its receipt verified ─► records 0 … n-1 ─► Replay ─► findings, entries
//! ```
//! The reading is itself a record; it stands at n or beyond, so it is not part of what it reads. A device that has replayed the log before goes on from
//! its saved point (`point`): it fetches what is new, and answers from what it kept for the rest. An [`AuditReport`] comes only from such a
//! replay, and only an auditor's key that is given one cosigns ([`AuditorKey::cosign`]).

mod exposure;
mod key;
mod point;
mod replaying;
mod report;
mod watch;

use custodia_api::messages::{CosignaturesKept, LogPage, ReadLog};
use custodia_core::custody::body::{Body, LogRead};
use custodia_core::custody::intent::{AuditorWrap, Intent, Sealed, SignedIntent};
use custodia_core::custody::kind::Purpose;
use custodia_core::custody::replay::Replay;
use custodia_core::custody::wire::Base64Url;
use custodia_core::exhibit::keys::ReasonKey;
use custodia_core::exhibit::sealed_text::{SealedText, SealedTextPlace};
use custodia_core::exhibit::text::Prose;
use custodia_core::exhibit::{AwsLcCipher, Salt};
use custodia_core::finding::{Finding, Status};
use custodia_core::ids::{CaseId, IntentId};
use custodia_core::log::VerifiedCheckpoint;

use crate::agent::Agent;
use crate::clock::{random, random_secret};
use crate::entries::AuditEntry;
use crate::error::AgentError;
use crate::hpke::{self, SealingKeyPair};
use crate::http::to_json;
use crate::log_view::{Entry, Misbehaviour};
use crate::reasons::{Statement, auditor_info, line};
use crate::state::audit::KeptRecord;

use point::Earlier;
use replaying::{ReasonReader, Replaying};

pub use exposure::{Exposure, ExposureRow, Subject};
pub use key::{AuditorKey, AuditorKeyError};
pub use report::{Asked, to_html};
pub use watch::{PolicyError, Told, Turn, Watch, WatchSettings};

/// How far an audit has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditProgress {
    /// Records replayed.
    pub records: u64,
    /// Records in all.
    pub of: u64,
}

/// What a replay of the whole log found.
pub struct AuditReport {
    checkpoint: VerifiedCheckpoint,
    replay: Replay,
    /// Index of the record by which this reading is accounted for.
    pub reading: u64,
    /// The first record that was replayed now; those before it were at an earlier audit.
    pub from: u64,
    /// Findings, those of single records first.
    pub findings: Vec<Finding>,
    /// Every record that could be read, in index order.
    pub entries: Vec<AuditEntry>,
    /// Indexes of records whose payload is not there any more.
    pub erased: Vec<u64>,
    /// What the records from `from` on leave for later.
    kept: Vec<KeptRecord>,
    /// What could not be checked of them.
    remarks: Vec<Finding>,
}

impl core::fmt::Debug for AuditReport {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("AuditReport").field("size", &self.size()).field("findings", &self.findings).finish_non_exhaustive()
    }
}

impl AuditReport {
    /// How many records were replayed.
    pub fn size(&self) -> u64 {
        self.checkpoint.size().get()
    }

    /// The checkpoint whose tree was replayed.
    pub const fn checkpoint(&self) -> &VerifiedCheckpoint {
        &self.checkpoint
    }

    /// Cases, members, exhibits and registry as the replay left them.
    pub const fn replay(&self) -> &Replay {
        &self.replay
    }

    /// The entries of the records that were replayed now.
    fn new_entries(&self) -> &[AuditEntry] {
        &self.entries[self.entries.partition_point(|entry| entry.index < self.from)..]
    }

    /// The checks that do not hold.
    pub fn failed(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.status == Status::Failed)
    }

    /// The whole report as JSON, with these entries of it.
    pub fn to_json(&self, entries: &[AuditEntry]) -> serde_json::Value {
        serde_json::json!({
            "origin": self.checkpoint.checkpoint().origin,
            "size": self.size(),
            "continued_from": self.from,
            "checkpoint": self.checkpoint.note().as_str(),
            "reading": self.reading,
            "findings": self.findings,
            "erased": self.erased,
            "entries": entries,
        })
    }
}

impl Agent {
    /// Replays the whole log up to the head at this moment: from this device's saved point on, if it has one. The entry names the whole log, which is
    /// what the answer shows.
    ///
    /// Not checked: witnesses' cosignatures and stamps; commits against their bytes, which auditors do not see; payloads of records before the point.
    ///
    /// # Errors
    /// A purpose that is not one of LED Art 25(2); what a rule refuses, such as a device that is not an auditor's; [`AgentError::SavedPoint`] for a
    /// point that was altered or is of another log or a newer program; [`AgentError::Misbehaved`] for a log that was rolled back or forked, or that
    /// withholds records: that is an alert besides, as of a watch. What is wrong with the records is no error but a finding.
    pub async fn audit(
        &self,
        purpose: Purpose,
        statement: &Statement,
        progress: impl Fn(AuditProgress) + Send,
    ) -> Result<AuditReport, AgentError> {
        let audited = self.audit_from(true, purpose, statement, progress).await;
        self.raising_misbehaviour(audited).await
    }

    /// Reads and replays the whole log from its first record on, whatever was saved; a saved point is replaced.
    ///
    /// # Errors
    /// As [`Self::audit`], but for the saved point.
    pub async fn audit_from_start(
        &self,
        purpose: Purpose,
        statement: &Statement,
        progress: impl Fn(AuditProgress) + Send,
    ) -> Result<AuditReport, AgentError> {
        let audited = self.audit_from(false, purpose, statement, progress).await;
        self.raising_misbehaviour(audited).await
    }

    async fn audit_from(
        &self,
        from_saved_point: bool,
        purpose: Purpose,
        statement: &Statement,
        progress: impl Fn(AuditProgress) + Send,
    ) -> Result<AuditReport, AgentError> {
        let point = if from_saved_point { self.saved_point().await? } else { None };
        let earlier = if point.is_some() { self.earlier().await? } else { Earlier::default() };
        let (checkpoint, entry) = self.enter_reading(purpose, statement, 0).await?;
        let replay = match point {
            Some(point) => {
                self.keeping_evidence(Self::is_beginning_of(&point, &checkpoint).map_err(AgentError::from)).await?;
                point.replay
            }
            None => self.empty_replay(&checkpoint).await?,
        };
        let report = self.replay_on(checkpoint, replay, earlier, entry.index, progress).await?;
        self.keep_point(&report, None).await?;
        Ok(report)
    }

    async fn empty_replay(&self, checkpoint: &VerifiedCheckpoint) -> Result<Replay, AgentError> {
        Ok(Replay::new(checkpoint.checkpoint().origin.clone(), self.pin().await?))
    }

    /// Fetches the records from a replay's size to a checkpoint, whose reading stands in the log, and replays them.
    async fn replay_on(
        &self,
        checkpoint: VerifiedCheckpoint,
        replay: Replay,
        earlier: Earlier,
        reading: u64,
        progress: impl Fn(AuditProgress) + Send,
    ) -> Result<AuditReport, AgentError> {
        let reader = ReasonReader { own: self.own_certificates().await?, key: SealingKeyPair::from_private(self.device.sealing.clone()) };
        let mut replaying = Replaying::new(checkpoint, replay, earlier, reader);
        let size = replaying.size();
        while replaying.next() < size {
            let next = replaying.next();
            let target = format!("/v1/log/records?from={next}");
            let page: LogPage = self.link()?.http.get(&target).await?;
            if page.records.is_empty() {
                let withheld = Misbehaviour::shown("records are withheld from a reading that stands in the log", target);
                return self.keeping_evidence(Err(withheld.into())).await;
            }
            let most = usize::try_from(size - next).unwrap_or(usize::MAX);
            let views: Vec<_> = page.records.into_iter().take(most).collect();
            // Signatures and reasons of a page are work for a thread of its own.
            let worked = tokio::task::spawn_blocking(move || {
                replaying.take(&views);
                replaying
            });
            replaying = worked.await.map_err(|_| AgentError::Bug)?;
            progress(AuditProgress { records: replaying.next(), of: size });
        }
        Ok(replaying.finish(reading))
    }

    /// Sends a checkpoint with cosignatures to the server, which keeps those by keys of its policy; says how many stand there now.
    ///
    /// # Errors
    /// What the server refuses, such as a checkpoint that it never signed.
    pub async fn publish_cosignatures(&self, note: &str) -> Result<u64, AgentError> {
        let kept: CosignaturesKept = self.link()?.http.post_text("/v1/log/cosignatures", note).await?;
        Ok(kept.kept)
    }

    /// Enters the reading of everything from a record up to the newest head, and gives that head.
    async fn enter_reading(&self, purpose: Purpose, statement: &Statement, from: u64) -> Result<(VerifiedCheckpoint, Entry), AgentError> {
        let _turn = self.group_turn.lock().await;
        self.deliver_waiting().await?;
        self.sync().await?;
        let checkpoint = self.believed().await?.log.head().cloned().ok_or(AgentError::Bug)?;
        let intent = self.sign_reading(CaseId::REGISTRY, purpose, (from, checkpoint.size().get()), statement).await?;
        let body = to_json(&ReadLog { intent: intent.text().to_owned() })?;
        let entry = self.enter(&intent, "/v1/log/read".to_owned(), body).await?;
        Ok((checkpoint, entry))
    }

    /// Enters that a person reads the log of an own case, and says as which record: what stands before it is what they read.
    ///
    /// The device itself follows its cases at every contact, and need not be asked; that somebody looks is what this accounts for.
    ///
    /// # Errors
    /// A purpose that is not one of LED Art 25(2); what a rule refuses.
    pub async fn enter_case_reading(&self, case: CaseId, purpose: Purpose, statement: &Statement) -> Result<u64, AgentError> {
        let _turn = self.group_turn.lock().await;
        self.deliver_waiting().await?;
        self.sync().await?;
        let size = self.log_size().await?;
        let intent = self.sign_reading(case, purpose, (0, size), statement).await?;
        let body = to_json(&ReadLog { intent: intent.text().to_owned() })?;
        Ok(self.enter(&intent, "/v1/log/read".to_owned(), body).await?.index)
    }

    /// Signs `log.read` of `[from, to)` of a case, or of the whole log by the registry's id; its reason is sealed to the auditors competent for the
    /// own office, and to the own device.
    async fn sign_reading(
        &self,
        case: CaseId,
        purpose: Purpose,
        (from, to): (u64, u64),
        statement: &Statement,
    ) -> Result<SignedIntent, AgentError> {
        if !purpose.serves_log_reading() {
            let problem = "is not one for reading the log: lawfulness-check, self-monitoring, integrity-security or criminal-proceedings";
            return Err(AgentError::Input { what: "the purpose", problem });
        }
        let own = self.own_certificate().await?;
        let own_id = own.id().digest();
        let sealing = own.sealing_key().ok_or(AgentError::NotEligible("only a device that has a sealing key reads the log"))?;
        let id = IntentId::from_bytes(random());
        let origin = self.link()?.origin.clone();
        let bad = |_| AgentError::Input { what: "the reason", problem: "is blank, too long or has control characters" };
        let text = SealedText {
            reason: Prose::new(&statement.reason).map_err(bad)?,
            reference: statement.reference.as_deref().map(|text| line("the legal reference", text)).transpose()?,
            case_title: None,
            exhibit_title: None,
        };
        let key = ReasonKey::from_secret(random_secret());
        let place = SealedTextPlace { origin: &origin, intent: id };
        let message = text.seal::<AwsLcCipher>(&place, &key, &Salt::from_bytes(random()))?;
        let believed = self.believed().await?;
        let (mut auditors, trust_list) = self.seal_to_auditors(&believed, &own, id, &key)?;
        let seen = believed.log.seen();
        drop(believed);
        if auditors.iter().all(|wrap| wrap.certificate != own_id) {
            let wrap = Base64Url(hpke::seal(sealing, &auditor_info(id), b"", key.secret().expose())?);
            auditors.push(AuditorWrap { certificate: own_id, wrap });
        }
        let intent = Intent {
            origin,
            id,
            case,
            exhibit: None,
            purpose: Some(purpose),
            recipients: Vec::new(),
            time: self.clock.claimed(),
            clock: self.clock.source(),
            group: None,
            seen,
            chain_seen: None,
            body: Body::LogRead(LogRead { from, to }),
            sealed: Some(Sealed { message: Base64Url(message), ring: None, auditors, trust_list }),
        };
        Ok(intent.sign(own_id, &self.device.key)?)
    }
}

#[cfg(test)]
mod tests;
