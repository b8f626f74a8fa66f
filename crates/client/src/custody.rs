//! Acts on an exhibit that open nothing, and what its chain makes of it: state, holds, consents, where it came from.
//!
//! Nothing here trusts the server's word on an exhibit: [`ExhibitStatus`] comes from the verified chain alone, by the same functions by which an
//! auditor's replay builds the world.

use custodia_api::messages::Act;
use custodia_core::custody::body::{
    Alteration, Body, Combination, Consent, ConsentTo, Derivation, DerivedHow, Disclosure, Erasure, Handling, Nothing, TransferMeans,
    derivation_commitment,
};
use custodia_core::custody::facts::DeviceFacts;
use custodia_core::custody::intent::{ChainSeen, SignedIntent};
use custodia_core::custody::kind::Purpose;
use custodia_core::custody::record::Outcome;
use custodia_core::custody::world::{self, World};
use custodia_core::digest::Sha256Digest;
use custodia_core::exhibit::intake::DerivedFrom;
use custodia_core::exhibit::manifest::{Manifest, ManifestSalt};
use custodia_core::exhibit::text::CalendarDate;
use custodia_core::identity::CertificateId;
use custodia_core::ids::{CaseId, ExhibitId};

use crate::agent::Agent;
use crate::entries::AuditEntry;
use crate::error::AgentError;
use crate::http::{HttpError, to_json};
use crate::log_view::{Entry, Misbehaviour};
use crate::reasons::{Draft, Statement};
use crate::state::intake;
use crate::state::keys::Standing;

/// What is done to an exhibit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CustodyAct {
    /// Forbids erasure until the own office lifts it again.
    PlaceHold,
    /// Lifts the own office's hold.
    LiftHold,
    /// Restricts opening to prosecution, trial and the defence.
    PlaceRestriction,
    /// Ends a restriction.
    LiftRestriction,
    /// The originator consents to a use that the handling code bars.
    Consent {
        /// To which use.
        to: ConsentTo,
        /// Whom it names; may be empty.
        recipients: Vec<String>,
    },
    /// What is said about the exhibit changes; its bytes never do.
    Alter {
        /// The new handling code.
        handling: Option<Handling>,
        /// The new day of review.
        review: Option<CalendarDate>,
    },
    /// It travels outside the system.
    Transfer {
        /// How.
        means: TransferMeans,
        /// To whom.
        recipients: Vec<String>,
        /// For which purpose.
        purpose: Purpose,
    },
    /// Proposes to erase it; another person confirms.
    ProposeErasure {
        /// For which purpose.
        purpose: Purpose,
    },
    /// Confirms the erasure that another person proposed last.
    ConfirmErasure {
        /// For which purpose.
        purpose: Purpose,
    },
}

/// An exhibit as its verified chain makes it.
#[derive(Debug, Clone)]
pub struct ExhibitStatus {
    /// State, handling code, holds, consents, a proposal to erase.
    pub standing: world::Exhibit,
    /// Every act on it, refused ones too, in the chain's order.
    pub entries: Vec<AuditEntry>,
    /// What it was made from, and what was made from it.
    pub derivations: Vec<KnownDerivation>,
}

/// A link to another exhibit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownDerivation {
    /// Index of the record that holds it.
    pub index: u64,
    /// Whether the other was made from this one.
    pub is_source: bool,
    /// How the one was made from the other.
    pub how: DerivedHow,
    /// The other exhibit, if this device holds the manifest that names it: the chain alone does not.
    pub other: Option<ExhibitId>,
}

/// What of an act on an exhibit differs from act to act.
pub(crate) struct OnExhibit<'a> {
    pub(crate) body: Body,
    pub(crate) purpose: Option<Purpose>,
    pub(crate) recipients: Vec<String>,
    pub(crate) statement: &'a Statement,
}

/// The source of an exhibit that is about to be collected.
pub(crate) struct Source {
    case: CaseId,
    from: DerivedFrom,
}

impl Agent {
    /// Enters an act on an exhibit in the log.
    ///
    /// # Errors
    /// [`AgentError::NotEligible`] for a confirmation of nothing; what a rule refuses, which stands in the log as refused.
    pub async fn act_on_exhibit(
        &self,
        case: CaseId,
        exhibit: ExhibitId,
        act: CustodyAct,
        statement: &Statement,
    ) -> Result<Entry, AgentError> {
        let _turn = self.group_turn.lock().await;
        self.catch_up(case).await?;
        self.follow_exhibit(case, exhibit).await?;
        let plain = |body| OnExhibit { body, purpose: None, recipients: Vec::new(), statement };
        let act = match act {
            CustodyAct::PlaceHold => plain(Body::HoldPlace(Nothing {})),
            CustodyAct::LiftHold => plain(Body::HoldLift(Nothing {})),
            CustodyAct::PlaceRestriction => plain(Body::RestrictionPlace(Nothing {})),
            CustodyAct::LiftRestriction => plain(Body::RestrictionLift(Nothing {})),
            CustodyAct::Consent { to, recipients } => OnExhibit { recipients, ..plain(Body::ConsentGive(Consent { to })) },
            CustodyAct::Alter { handling: None, review: None } => {
                return Err(AgentError::Input { what: "an alteration", problem: "changes nothing" });
            }
            CustodyAct::Alter { handling, review } => {
                plain(Body::Alteration(Alteration { handling, review: review.map(|day| day.to_string()) }))
            }
            CustodyAct::Transfer { means, recipients, purpose } => {
                OnExhibit { purpose: Some(purpose), recipients, ..plain(Body::Disclosure(Disclosure::Transfer { means })) }
            }
            CustodyAct::ProposeErasure { purpose } => {
                OnExhibit { purpose: Some(purpose), ..plain(Body::Erasure(Erasure::Propose { records: Vec::new() })) }
            }
            CustodyAct::ConfirmErasure { purpose } => {
                let proposal = self.standing_of(exhibit).await?.proposal;
                let proposal = proposal.ok_or(AgentError::NotEligible("nobody has proposed to erase this exhibit"))?;
                let confirm = Erasure::Confirm { proposal: proposal.intent, digest: proposal.digest };
                OnExhibit { purpose: Some(purpose), ..plain(Body::Erasure(confirm)) }
            }
        };
        let intent = self.sign_on_exhibit(case, exhibit, act).await?;
        let body = to_json(&Act { intent: intent.text().to_owned() })?;
        self.enter(&intent, format!("/v1/cases/{case}/exhibits/{exhibit}/acts"), body).await
    }

    /// Signs an act on an exhibit whose chain was followed; nothing is stored or sent.
    pub(crate) async fn sign_on_exhibit(&self, case: CaseId, exhibit: ExhibitId, act: OnExhibit<'_>) -> Result<SignedIntent, AgentError> {
        let seen = self.chain_seen(exhibit).await?;
        self.sign_on_exhibit_after(case, exhibit, seen, act).await
    }

    /// The same after a record of the exhibit's chain that the caller knows.
    pub(crate) async fn sign_on_exhibit_after(
        &self,
        case: CaseId,
        exhibit: ExhibitId,
        seen: ChainSeen,
        act: OnExhibit<'_>,
    ) -> Result<SignedIntent, AgentError> {
        let file = self.case_file(case).await?;
        let ring = self.ring(&file).await?;
        let titles = intake::titles(&mut *self.state.connection().await, case).await?;
        let title = titles.iter().find(|(one, _)| *one == exhibit).map(|(_, title)| title.as_str());
        self.sign_act(Draft {
            case,
            exhibit: Some(exhibit),
            purpose: act.purpose,
            recipients: act.recipients,
            group: Some(self.group_seen(case).await?),
            chain_seen: Some(seen),
            body: act.body,
            statement: act.statement,
            case_title: file.title.as_deref(),
            exhibit_title: title,
            ring: Some(&ring),
        })
        .await
    }

    /// What the chain of an exhibit makes of it, up to now.
    ///
    /// # Errors
    /// [`AgentError::Misbehaved`] for a chain that does not hold; what the server or the state refuses.
    pub async fn exhibit_status(&self, case: CaseId, exhibit: ExhibitId) -> Result<ExhibitStatus, AgentError> {
        self.sync().await?;
        self.follow_exhibit(case, exhibit).await?;
        let standing = self.standing_of(exhibit).await?;
        let entries = self.entries_of(case, exhibit).await?.entries;
        Ok(ExhibitStatus { standing, entries, derivations: self.derivations(exhibit).await? })
    }

    /// The case of this device's that holds an exhibit: `near`, or another.
    pub(crate) async fn source(&self, near: CaseId, from: DerivedFrom) -> Result<Source, AgentError> {
        let others = self.cases().await?.into_iter().filter(|case| case.standing == Standing::Member && case.id != near);
        for case in core::iter::once(near).chain(others.map(|case| case.id)) {
            match self.exhibit_row(case, from.exhibit).await {
                Ok(_) => return Ok(Source { case, from }),
                Err(AgentError::Http(HttpError::NotFound { .. })) => {}
                Err(error) => return Err(error),
            }
        }
        Err(AgentError::NotEligible("the exhibit that it was made from is in none of your cases"))
    }

    /// Refuses to give what is made from another office's exhibit a handling code of one's own.
    pub(crate) async fn check_source_handling(&self, source: &Source, handling: Handling) -> Result<(), AgentError> {
        self.follow_exhibit(source.case, source.from.exhibit).await?;
        let standing = self.standing_of(source.from.exhibit).await?;
        if standing.handling == handling || *self.own_certificate().await?.office() == standing.originator {
            return Ok(());
        }
        Err(AgentError::NotEligible(
            "the exhibit that it was made from has another handling code, which only the office that collected it may change",
        ))
    }

    /// The record on the source's chain, and how the new exhibit's collection names the source. The caller has the turn.
    pub(crate) async fn sign_source(
        &self,
        source: &Source,
        derived: ExhibitId,
        salt: &ManifestSalt,
        statement: &Statement,
    ) -> Result<(Derivation, SignedIntent), AgentError> {
        let how = DerivedHow::from(source.from.how);
        let exhibit = source.from.exhibit;
        self.catch_up(source.case).await?;
        self.follow_exhibit(source.case, exhibit).await?;
        let of_derived = Derivation { how, other: derivation_commitment(salt.as_bytes(), derived) };
        let body = Body::Combination(Combination { derivation: of_derived });
        let act = OnExhibit { body, purpose: None, recipients: Vec::new(), statement };
        let intent = self.sign_on_exhibit(source.case, exhibit, act).await?;
        Ok((Derivation { how, other: derivation_commitment(salt.as_bytes(), exhibit) }, intent))
    }

    /// Replays what was followed of an exhibit's chain.
    async fn standing_of(&self, exhibit: ExhibitId) -> Result<world::Exhibit, AgentError> {
        let records = self.records_of(exhibit).await?;
        let believed = self.believed().await?;
        let registry = believed.registry.registry();
        let mut world = World::default();
        for record in &records {
            let core = record.opened.core.as_ref().filter(|core| core.outcome == Outcome::Accepted);
            let (Some(intent), Some(core)) = (record.intent.as_ref(), core) else { continue };
            let Some(signer) = registry.certificate(CertificateId::from_digest(intent.signer())) else { continue };
            let devices = |certificate: &Sha256Digest| {
                let known = registry.certificate(CertificateId::from_digest(*certificate))?;
                Some((DeviceFacts::of(known, true), false))
            };
            world.apply(intent, &DeviceFacts::of(signer, true), core.time, &devices);
        }
        let found = world.exhibit(exhibit).cloned();
        found.ok_or_else(|| Misbehaviour::shown("an exhibit is shown whose chain holds no collection", exhibit.to_string()).into())
    }

    async fn derivations(&self, exhibit: ExhibitId) -> Result<Vec<KnownDerivation>, AgentError> {
        let manifests = intake::manifests(&mut *self.state.connection().await).await?;
        let manifests: Vec<Manifest> = manifests.iter().filter_map(|json| Manifest::parse(json).ok()).collect();
        let mut found = Vec::new();
        for record in self.records_of(exhibit).await? {
            let accepted = record.opened.core.as_ref().is_some_and(|core| core.outcome == Outcome::Accepted);
            let Some(intent) = record.intent.filter(|_| accepted) else { continue };
            let (is_source, derivation) = match &intent.body {
                Body::Collection(body) => (false, body.derivation.as_ref()),
                Body::Combination(body) => (true, Some(&body.derivation)),
                _ => (false, None),
            };
            let Some(Derivation { how, other }) = derivation else { continue };
            // The manifest of what was made names the source, and its salt opens both commitments.
            let pairs = manifests.iter().filter_map(|manifest| Some((manifest, manifest.intake().derived_from?.exhibit)));
            let named = pairs.map(|(made, source)| if is_source { (made, source, made.exhibit()) } else { (made, made.exhibit(), source) });
            let mut named = named.filter(|(made, own, named)| *own == exhibit && commits(other, made.salt(), *named));
            found.push(KnownDerivation { index: record.view.index, is_source, how: *how, other: named.next().map(|(_, _, other)| other) });
        }
        Ok(found)
    }
}

fn commits(commitment: &Sha256Digest, salt: &ManifestSalt, exhibit: ExhibitId) -> bool {
    *commitment == derivation_commitment(salt.as_bytes(), exhibit)
}
