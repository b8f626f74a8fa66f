//! At every contact: the log's head, the registry, chains. What a server shows is believed only as far as the log proves it.

use core::fmt;

use custodia_api::messages::{Consistency, RecordsPage};
use custodia_core::custody::body::Body;
use custodia_core::custody::intent::{SignedIntent, UnverifiedIntent};
use custodia_core::custody::kind::Kind;
use custodia_core::custody::receipt::{OpenedRecord, Receipt, RecordView};
use custodia_core::custody::record::{ChainId, Outcome, Place};
use custodia_core::identity::CertificateId;
use custodia_core::ids::{CaseId, ExhibitId};
use custodia_core::jws::{Typ, UnverifiedJws};
use custodia_core::log::VerifiedCheckpoint;
use custodia_failpoint::fail_point;

use crate::agent::{Agent, Believed};
use crate::chain::Follower;
use crate::error::AgentError;
use crate::http::HttpError;
use crate::log_view::{Entry, Misbehaviour, Relation, proven, verify_own_receipt, verify_receipt};
use crate::state::{self, acts, head};

/// The longest checkpoint that is read, in bytes.
pub(crate) const MAX_CHECKPOINT_BYTES: usize = 64 * 1024;
/// How many pages of one chain are read at a stretch; the rest waits for the next contact.
const MAX_PAGES: usize = 4096;

impl Agent {
    /// Verifies the log's newest head and replays what is new in the registry.
    ///
    /// # Errors
    /// [`AgentError::Misbehaved`] for a rollback, a fork, a broken chain or a forged record; what the server or the state refuses.
    pub async fn sync(&self) -> Result<(), AgentError> {
        let mut believed = self.believed().await?;
        let synced = self.sync_believed(&mut believed).await;
        drop(believed);
        self.keeping_evidence(synced).await
    }

    /// How many records the log has by the newest head that this device verified. That nobody was shown a newer one is not checked.
    ///
    /// # Errors
    /// [`AgentError::NotBound`].
    pub async fn log_size(&self) -> Result<u64, AgentError> {
        Ok(self.believed().await?.log.seen().size)
    }

    async fn sync_believed(&self, believed: &mut Believed) -> Result<(), AgentError> {
        let link = self.link()?;
        let text = link.http.get_text("/checkpoint", MAX_CHECKPOINT_BYTES).await?;
        if let Relation::Older(_) = believed.log.relate(&text)? {
            return Err(believed.log.against_head("the log was rolled back to an earlier head", &text).into());
        }
        self.believe_checkpoint(believed, &text).await?;
        for _ in 0..MAX_PAGES {
            let page: RecordsPage = link.http.get(&format!("/v1/registry/records?from={}", believed.registry.next_seq())).await?;
            let mut registry = believed.registry.clone();
            for view in &page.records {
                registry.take(view)?;
            }
            let done = self.check_page_head(believed, &page, registry.head().map(|head| head.commitment), "/v1/registry/records").await?;
            let mut connection = self.state.connection().await;
            let mut transaction = state::begin(&mut connection).await?;
            for view in &page.records {
                let opened = view.open().map_err(|_| state::StateError::Damaged("record"))?;
                let place = opened.case.ok_or(state::StateError::Damaged("record"))?;
                head::insert_record(&mut transaction, &place, opened.commitment, view, None).await?;
                fail_point!("agent.registry.followed");
            }
            transaction.commit().await.map_err(state::StateError::from)?;
            believed.registry = registry;
            if done {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Takes a checkpoint into the log view: the same, an older one that the head contains, or a newer one that contains the head.
    async fn believe_checkpoint(&self, believed: &mut Believed, text: &str) -> Result<VerifiedCheckpoint, AgentError> {
        let http = &self.link()?.http;
        let consistency = async |from: u64, to: u64| -> Result<Consistency, AgentError> {
            // An empty older tree is the beginning of every tree, and needs no proof.
            if from == 0 {
                return Ok(Consistency { proof: Vec::new() });
            }
            Ok(http.get(&format!("/v1/log/consistency?from={from}&to={to}")).await?)
        };
        let known = believed.log.seen().size;
        let shown = match believed.log.relate(text)? {
            Relation::Known(shown) if believed.log.head().is_some() => return Ok(shown),
            Relation::Known(shown) => {
                believed.log.advance(shown.clone(), &Consistency { proof: Vec::new() })?;
                shown
            }
            Relation::Older(shown) => {
                believed.log.contains(&shown, &consistency(shown.size().get(), known).await?)?;
                return Ok(shown);
            }
            Relation::Newer(shown) => {
                let proof = consistency(known, shown.size().get()).await?;
                believed.log.advance(shown.clone(), &proof)?;
                shown
            }
        };
        head::set_checkpoint(&mut *self.state.connection().await, text).await?;
        fail_point!("agent.head.kept");
        Ok(shown)
    }

    /// Takes a checkpoint that somebody else handed over, such as an auditor's, if it is one of the log that this device knows.
    pub(crate) async fn believe_shown(&self, text: &str) -> Result<VerifiedCheckpoint, AgentError> {
        let mut believed = self.believed().await?;
        let shown = self.believe_checkpoint(&mut believed, text).await;
        drop(believed);
        self.keeping_evidence(shown).await
    }

    /// Checks the proof of a chain's last record that comes with a page; says whether the page ends with that record.
    async fn check_page_head(
        &self,
        believed: &mut Believed,
        page: &RecordsPage,
        followed: Option<custodia_core::custody::record::Commitment>,
        target: &str,
    ) -> Result<bool, AgentError> {
        let Some(head) = &page.head else {
            return if followed.is_none() {
                Ok(true)
            } else {
                Err(Misbehaviour::shown("a chain is shown without its head", target).into())
            };
        };
        let (record, _) = proven(believed.log.key(), head)?;
        self.believe_checkpoint(believed, &head.checkpoint).await?;
        if Some(record.commitment) == followed {
            return Ok(true);
        }
        if page.records.is_empty() {
            let shown = serde_json::to_string(head).unwrap_or_default();
            return Err(Misbehaviour::shown("a chain's head does not continue what this device has followed", shown).into());
        }
        Ok(false)
    }

    /// Follows a case's chain to its end and keeps the new records; they come back with their intents, verified.
    pub(crate) async fn follow_case(&self, case: CaseId) -> Result<Vec<ChainRecord>, AgentError> {
        let followed = self.follow(case, &format!("/v1/cases/{case}/records"), |opened| opened.case).await;
        self.keeping_evidence(followed).await
    }

    /// Follows an exhibit's chain to its end.
    pub(crate) async fn follow_exhibit(&self, case: CaseId, exhibit: ExhibitId) -> Result<Vec<ChainRecord>, AgentError> {
        let target = format!("/v1/cases/{case}/exhibits/{exhibit}/records");
        let followed = self.follow(exhibit, &target, |opened| opened.exhibit.flatten()).await;
        self.keeping_evidence(followed).await
    }

    async fn follow<Id: ChainId + fmt::Debug>(
        &self,
        chain: Id,
        target: &str,
        place_of: impl Fn(&OpenedRecord) -> Option<Place<Id>>,
    ) -> Result<Vec<ChainRecord>, AgentError> {
        let http = &self.link()?.http;
        let mut all = Vec::new();
        // Asked for before the page, which must therefore hold what was acknowledged.
        let acknowledged = {
            let mut connection = self.state.connection().await;
            let next = Follower::after(chain, head::chain_head(&mut connection, chain).await?).next_seq();
            head::acknowledged_from(&mut connection, chain, next).await?
        };
        for _ in 0..MAX_PAGES {
            let known = head::chain_head(&mut *self.state.connection().await, chain).await?;
            let mut follower = Follower::after(chain, known);
            let page: RecordsPage = http.get(&format!("{target}?from={}", follower.next_seq())).await?;
            let mut believed = self.believed().await?;
            // Whoever signed may have been enrolled, or renewed, after the registry was read.
            if page.records.iter().any(|view| is_by_unknown(&believed, view)) {
                self.sync_believed(&mut believed).await?;
            }
            let mut kept = Vec::with_capacity(page.records.len());
            for view in &page.records {
                let bad = |finding| Misbehaviour::shown(finding, serde_json::to_string(view).unwrap_or_default());
                let opened = view.open().map_err(|_| bad("a record is not of the format"))?;
                let place = place_of(&opened).ok_or_else(|| bad("a record is shown without its place in the chain"))?;
                follower.follow(view.index, &place, opened.commitment).map_err(bad)?;
                if acknowledged.get(&place.seq.0).is_some_and(|commitment| *commitment != opened.commitment) {
                    return Err(bad("a record stands where the server acknowledged another one of this device").into());
                }
                let record = read_record(&believed, view, opened)?;
                let own = record.intent.as_ref().is_some_and(|intent| self.is_own(&believed, intent.signer()));
                kept.push((place, record, own));
            }
            let done = self.check_page_head(&mut believed, &page, follower.head().map(|head| head.commitment), target).await?;
            drop(believed);
            let mut connection = self.state.connection().await;
            let mut transaction = state::begin(&mut connection).await?;
            for (place, record, own) in &kept {
                if *own {
                    refuse_clone(&mut transaction, record).await?;
                }
                head::insert_record(&mut transaction, place, record.opened.commitment, &record.view, record.accepted()).await?;
                fail_point!("agent.chain.followed");
            }
            transaction.commit().await.map_err(state::StateError::from)?;
            all.extend(kept.into_iter().map(|(_, record, _)| record));
            if done {
                let shown = follower.head().map_or(0, |head| head.seq.0 + 1);
                if acknowledged.keys().next_back().is_some_and(|last| *last >= shown) {
                    let finding = "a record that the server acknowledged to this device is missing from its chain";
                    return Err(Misbehaviour::shown(finding, format!("{target}: {shown} records")).into());
                }
                break;
            }
        }
        Ok(all)
    }

    /// Verifies the receipt of an own act and believes its checkpoint.
    pub(crate) async fn accept_receipt(&self, receipt: &Receipt, sent: &SignedIntent) -> Result<Entry, AgentError> {
        let accepted = async {
            let mut believed = self.believed().await?;
            let entry = verify_own_receipt(believed.log.key(), receipt, sent)?;
            self.believe_checkpoint(&mut believed, &receipt.checkpoint).await?;
            drop(believed);
            self.remember_acknowledged(&entry).await?;
            Ok(entry)
        };
        let accepted = accepted.await;
        self.keeping_evidence(accepted).await
    }

    /// Remembers where an own act stands in its chains, so that a server which drops it later is found out.
    async fn remember_acknowledged(&self, entry: &Entry) -> Result<(), AgentError> {
        let mut connection = self.state.connection().await;
        let taken = match &entry.case {
            Some(place) => !head::acknowledge(&mut connection, place, entry.commitment).await?,
            None => false,
        };
        let taken = match &entry.exhibit {
            Some(place) => !head::acknowledge(&mut connection, place, entry.commitment).await? || taken,
            None => taken,
        };
        if taken {
            return Err(Misbehaviour::shown("a receipt gives an act the place of another record", entry.intent.as_str()).into());
        }
        Ok(())
    }

    /// The error of a request for an act: a refusal by a rule counts only with the receipt that proves its entry.
    ///
    /// # Errors
    /// The error itself as `Ok`; [`AgentError::Misbehaved`] for a refusal that is not proven.
    pub(crate) async fn proven_refusal(&self, error: HttpError, sent: &SignedIntent) -> Result<AgentError, AgentError> {
        if let HttpError::Refused { rule, receipt, .. } = &error {
            let checked = self.check_refusal(rule.as_deref(), receipt.as_deref(), sent).await;
            self.keeping_evidence(checked).await?;
        }
        Ok(error.into())
    }

    async fn check_refusal(&self, rule: Option<&str>, receipt: Option<&Receipt>, sent: &SignedIntent) -> Result<(), AgentError> {
        let bad = |finding| {
            let shown = receipt.map(|receipt| serde_json::to_string(receipt).unwrap_or_default()).unwrap_or_default();
            Misbehaviour { finding, held: sent.text().to_owned(), shown }
        };
        let receipt = receipt.ok_or_else(|| bad("an act is said to be refused, and no receipt proves the refusal"))?;
        let mut believed = self.believed().await?;
        let entry = verify_receipt(believed.log.key(), receipt)?;
        self.believe_checkpoint(&mut believed, &receipt.checkpoint).await?;
        drop(believed);
        if entry.intent != sent.text() && !self.goes_with(&entry.intent, sent).await? {
            return Err(bad("the receipt of a refusal is for another act than the one that was sent").into());
        }
        match &entry.outcome {
            // An act that was entered before and may not be answered again now.
            Outcome::Accepted => Ok(()),
            Outcome::Refused(entered) if Some(entered.as_str()) == rule => Ok(()),
            Outcome::Refused(_) => Err(bad("a refusal names another rule than its entry").into()),
        }
    }

    /// Whether an intent is one of this device's that may go with another in one request: the disclosures of a commit's grants.
    async fn goes_with(&self, text: &str, sent: &SignedIntent) -> Result<bool, AgentError> {
        let Ok(intent) = UnverifiedIntent::parse(text) else { return Ok(false) };
        let own = acts::text(&mut *self.state.connection().await, intent.unverified().id).await?;
        Ok(matches!(sent.body, Body::MemberChange(_)) && intent.unverified().case == sent.case && own.as_deref() == Some(text))
    }

    /// Keeps the evidence of a misbehaviour before it is reported.
    pub(crate) async fn keeping_evidence<T>(&self, result: Result<T, AgentError>) -> Result<T, AgentError> {
        if let Err(AgentError::Misbehaved(misbehaviour)) = &result {
            self.link()?.http.keep_evidence(misbehaviour).await;
        }
        result
    }
}

/// A record of a chain that this device has followed, with its intent verified under a certificate of the registry.
#[derive(Debug, Clone)]
pub struct ChainRecord {
    /// The record as it was shown.
    pub view: RecordView,
    /// Its opened parts.
    pub opened: OpenedRecord,
    /// The intent; none if the record's payload was erased.
    pub intent: Option<SignedIntent>,
}

impl ChainRecord {
    /// The kind of its act, if that was accepted.
    pub(crate) fn accepted(&self) -> Option<Kind> {
        let accepted = self.opened.core.as_ref().is_some_and(|core| core.outcome == Outcome::Accepted);
        self.intent.as_ref().filter(|_| accepted).map(|intent| intent.kind())
    }
}

/// An act of this device that its state does not know was signed by a copy of the device.
async fn refuse_clone(connection: &mut sqlx::SqliteConnection, record: &ChainRecord) -> Result<(), AgentError> {
    let Some(intent) = &record.intent else { return Ok(()) };
    match acts::text(connection, intent.id).await? {
        Some(text) if text == intent.text() => Ok(()),
        _ => Err(AgentError::Cloned),
    }
}

/// Whether a record names a signer whose certificate the registry, as far as it was read, does not hold.
fn is_by_unknown(believed: &Believed, view: &RecordView) -> bool {
    let core = view.open().ok().and_then(|opened| opened.core);
    let signer = core.and_then(|core| UnverifiedJws::parse(&core.intent, Typ::Intent).ok().map(|intent| intent.signer()));
    signer.is_some_and(|signer| believed.registry.registry().certificate(CertificateId::from_digest(signer)).is_none())
}

/// Opens a record's intent and checks its signature. Whether the act was allowed is for the rules to judge, not here.
pub(crate) fn read_record(believed: &Believed, view: &RecordView, opened: OpenedRecord) -> Result<ChainRecord, Misbehaviour> {
    let bad = |finding| Misbehaviour::shown(finding, serde_json::to_string(view).unwrap_or_default());
    let Some(core) = &opened.core else { return Ok(ChainRecord { view: view.clone(), opened, intent: None }) };
    let intent = UnverifiedIntent::parse(&core.intent).map_err(|_| bad("a record holds no intent of the format"))?;
    let registry = believed.registry.registry();
    let signer = registry.certificate(CertificateId::from_digest(intent.signer()));
    let signer = signer.ok_or_else(|| bad("a record is signed by a device that the registry does not know"))?;
    let intent = intent.verify(signer.key()).map_err(|_| bad("the signature of a record's intent does not verify"))?;
    let chains_fit = opened.case.is_none_or(|place| place.chain == intent.case)
        && opened.exhibit.flatten().is_none_or(|place| Some(place.chain) == intent.exhibit);
    if !chains_fit {
        return Err(bad("a record stands in another chain than its intent names"));
    }
    Ok(ChainRecord { view: view.clone(), opened, intent: Some(intent) })
}
