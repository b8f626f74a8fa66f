//! Acts: the intent with its sealed reason, signed by this device.
//!
//! A reason is sealed once under a fresh key; that key is wrapped under the case's ring key and sealed to every auditor competent for the actor's
//! office by the trust list that this device knows. So the server reads nothing, and all readers read the same.

use custodia_core::custody::body::Body;
use custodia_core::custody::intent::{AuditorWrap, ChainSeen, GroupSeen, Intent, RingWrap, Sealed, SignedIntent};
use custodia_core::custody::kind::Purpose;
use custodia_core::custody::wire::Base64Url;
use custodia_core::exhibit::keys::{ReasonKey, RingKey, RingVersion};
use custodia_core::exhibit::sealed_text::{SealedText, SealedTextPlace};
use custodia_core::exhibit::text::{Line, Prose};
use custodia_core::exhibit::wrap::{ReasonKeyWrap, WrappedSecret, unwrap, wrap};
use custodia_core::exhibit::{AwsLcCipher, ExhibitError, Part, Salt};
use custodia_core::ids::{CaseId, ExhibitId, IntentId};

use crate::agent::{Agent, Believed};
use crate::clock::{random, random_secret};
use crate::error::AgentError;
use crate::hpke;

/// What a person states with an act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Why: at most 8192 bytes, not blank.
    pub reason: String,
    /// Legal reference or file number: one line of at most 512 bytes.
    pub reference: Option<String>,
}

/// The ring key under which a reason is wrapped.
pub(crate) struct Ring {
    pub(crate) version: u32,
    pub(crate) key: RingKey,
}

/// An act of a case, before it is signed.
pub(crate) struct Draft<'a> {
    pub(crate) case: CaseId,
    pub(crate) exhibit: Option<ExhibitId>,
    pub(crate) purpose: Option<Purpose>,
    pub(crate) recipients: Vec<String>,
    pub(crate) group: Option<GroupSeen>,
    pub(crate) chain_seen: Option<ChainSeen>,
    pub(crate) body: Body,
    pub(crate) statement: &'a Statement,
    pub(crate) case_title: Option<&'a str>,
    pub(crate) exhibit_title: Option<&'a str>,
    /// None only for a device that comes back without it.
    pub(crate) ring: Option<&'a Ring>,
}

/// A line of text, or the error that names it.
pub(crate) fn line<const MOST: usize>(what: &'static str, text: &str) -> Result<Line<MOST>, AgentError> {
    Line::new(text).map_err(|_| AgentError::Input { what, problem: "is not one line of 1 to 512 bytes without control characters" })
}

/// A statement within its limits; to be checked before anything is read, sent or used up for it.
pub(crate) fn checked(statement: &Statement) -> Result<(Prose<8192>, Option<Line<512>>), AgentError> {
    let problem = "is not a text of 1 to 8192 bytes whose only control characters are line feed and tab";
    let reason = Prose::new(&statement.reason).map_err(|_| AgentError::Input { what: "the reason", problem })?;
    Ok((reason, statement.reference.as_deref().map(|text| line("the legal reference", text)).transpose()?))
}

fn sealed_text(draft: &Draft<'_>) -> Result<SealedText, AgentError> {
    let (reason, reference) = checked(draft.statement)?;
    Ok(SealedText {
        reason,
        reference,
        case_title: draft.case_title.map(|text| line("the case's title", text)).transpose()?,
        exhibit_title: draft.exhibit_title.map(|text| line("the exhibit's title", text)).transpose()?,
    })
}

/// HPKE `info` under which a reason key is sealed to an auditor: `"custodia/reason-key/auditor/v1" ‖ intent id (16)`.
pub(crate) fn auditor_info(intent: IntentId) -> Vec<u8> {
    [&b"custodia/reason-key/auditor/v1"[..], intent.as_bytes()].concat()
}

impl Agent {
    /// Seals the reason and signs the act; nothing is stored or sent.
    pub(crate) async fn sign_act(&self, draft: Draft<'_>) -> Result<SignedIntent, AgentError> {
        let own = self.own_certificate().await?;
        let id = IntentId::from_bytes(random());
        let origin = self.link()?.origin.clone();
        let key = ReasonKey::from_secret(random_secret());
        let salt = || Salt::from_bytes(random());
        let message = sealed_text(&draft)?.seal::<AwsLcCipher>(&SealedTextPlace { origin: &origin, intent: id }, &key, &salt())?;
        let ring = match draft.ring {
            None => None,
            Some(Ring { version, key: ring }) => {
                let place = ReasonKeyWrap { case: draft.case, version: RingVersion(*version), intent: id };
                let wrapped = wrap::<AwsLcCipher, _>(&place, ring, &key, &salt())?;
                Some(RingWrap { version: *version, wrap: Base64Url(wrapped.as_bytes().to_vec()) })
            }
        };
        let believed = self.believed().await?;
        let (auditors, trust_list) = self.seal_to_auditors(&believed, &own, id, &key)?;
        let seen = believed.log.seen();
        drop(believed);
        let sealed = Sealed { message: Base64Url(message), ring, auditors, trust_list };
        let intent = Intent {
            origin,
            id,
            case: draft.case,
            exhibit: draft.exhibit,
            purpose: draft.purpose,
            recipients: draft.recipients,
            time: self.clock.claimed(),
            clock: self.clock.source(),
            group: draft.group,
            seen,
            chain_seen: draft.chain_seen,
            body: draft.body,
            sealed: Some(sealed),
        };
        Ok(intent.sign(self.certificate_id()?, &self.device.key)?)
    }

    pub(crate) fn seal_to_auditors(
        &self,
        believed: &Believed,
        own: &custodia_core::identity::Certificate,
        intent: IntentId,
        key: &ReasonKey,
    ) -> Result<(Vec<AuditorWrap>, u64), AgentError> {
        let registry = believed.registry.registry();
        let at = believed.registry.as_of(self.now()).ok_or(AgentError::NotEnrolled)?;
        let number = registry.trust_list(at.seq).map_or(0, custodia_core::identity::TrustList::number);
        let wraps = registry
            .auditors_competent_for(own.office(), at)
            .filter_map(|auditor| auditor.sealing_key().map(|sealing| (auditor.id().digest(), sealing)))
            .map(|(certificate, sealing)| {
                let wrap = hpke::seal(sealing, &auditor_info(intent), b"", key.secret().expose())?;
                Ok(AuditorWrap { certificate, wrap: Base64Url(wrap) })
            })
            .collect::<Result<_, AgentError>>()?;
        Ok((wraps, number))
    }
}

/// Opens the reason of an act with a ring key of its case.
///
/// # Errors
/// [`ExhibitError`] if it does not open: a finding against its actor.
pub(crate) fn open_reason(origin: &str, intent: &SignedIntent, ring: &RingKey) -> Result<SealedText, ExhibitError> {
    let missing = ExhibitError::Bug { part: Part::SealedText, why: "the kinds whose reasons are opened carry one" };
    let sealed = intent.sealed.as_ref().ok_or(missing)?;
    let key = reason_key(intent, ring)?;
    SealedText::open::<AwsLcCipher>(&SealedTextPlace { origin, intent: intent.id }, &key, &sealed.message.0)
}

/// The key of an act's reason, unwrapped with the ring key that the act names.
///
/// # Errors
/// As for [`open_reason`].
pub(crate) fn reason_key(intent: &SignedIntent, ring: &RingKey) -> Result<ReasonKey, ExhibitError> {
    let missing = ExhibitError::Bug { part: Part::SealedText, why: "the kinds whose reasons members open carry a wrap for them" };
    let wrapped = intent.sealed.as_ref().and_then(|sealed| sealed.ring.as_ref()).ok_or(missing)?;
    let place = ReasonKeyWrap { case: intent.case, version: RingVersion(wrapped.version), intent: intent.id };
    unwrap::<AwsLcCipher, _>(&place, ring, &WrappedSecret::from_slice(&wrapped.wrap.0)?)
}
