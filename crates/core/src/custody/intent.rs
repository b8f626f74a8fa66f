//! The intent: one act, signed by the device that does it.

use core::ops::Deref;

use ed25519_dalek::{SigningKey, VerifyingKey};
use serde_json::value::RawValue;

use crate::digest::Sha256Digest;
use crate::exhibit::sealed_text;
use crate::exhibit::wrap::WRAPPED_LEN;
use crate::ids::{CaseId, ExhibitId, IntentId};
use crate::jws::{self, JwsError, Typ, UnverifiedJws};
use crate::time::ClaimedTime;

use super::body::Body;
use super::kind::{Concern, Kind, Purpose};
use super::wire::{Base64Url, Hex};

/// The most recipients of one act.
pub const MAX_RECIPIENTS: usize = 64;
/// The longest text of one recipient, in bytes.
pub const MAX_RECIPIENT_BYTES: usize = 128;
/// The most auditors to whom one reason is sealed.
pub const MAX_AUDITORS: usize = 32;
/// Length of an MLS group id here, in bytes (`docs/spec/groups.md` §2).
pub const GROUP_ID_BYTES: usize = 20;
/// Length of a confirmed transcript hash of the suite, in bytes: SHA-384.
pub const TRANSCRIPT_BYTES: usize = 48;
/// Length of an auditor's wrap, in bytes: X-Wing `enc`, and a key of 32 bytes with its tag.
pub const AUDITOR_WRAP_BYTES: usize = 1120 + 32 + 16;

/// Where an actor's time comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClockSource {
    /// The operating system, not known to be disciplined.
    Os,
    /// The operating system, which says that it follows NTP.
    Ntp,
    /// Typed in by the actor.
    Manual,
}

/// The epoch that a device holds (RFC 9420 §8.1).
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupSeen {
    /// MLS group id.
    pub id: Hex,
    /// Epoch.
    pub epoch: u64,
    /// Confirmed transcript hash (RFC 9420 §8.2): empty in epoch 0.
    pub transcript: Hex,
}

/// The last checkpoint that a device verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// Tree size.
    pub size: u64,
    /// Root hash of that tree.
    pub root: Sha256Digest,
}

/// The last record of an exhibit's chain that a device knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainSeen {
    /// Its sequence number.
    pub seq: u64,
    /// Its commitment.
    pub commitment: Sha256Digest,
}

/// The reason key wrapped under the ring key.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RingWrap {
    /// Ring version.
    pub version: u32,
    /// The wrap (`docs/spec/exhibit.md`).
    pub wrap: Base64Url,
}

/// The reason key sealed to one auditor by HPKE.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditorWrap {
    /// The auditor's certificate id.
    pub certificate: Sha256Digest,
    /// HPKE encapsulated key and ciphertext (`docs/spec/identity.md`).
    pub wrap: Base64Url,
}

/// Reason, legal reference and titles, readable by the case's members and by its auditors alone.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    /// One Cobblestone-256 message.
    pub message: Base64Url,
    /// The reason key for members; absent for `log.read`, whose actor need not be in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring: Option<RingWrap>,
    /// The reason key for auditors.
    pub auditors: Vec<AuditorWrap>,
    /// Number of the trust list by which the auditors were chosen.
    pub trust_list: u64,
}

impl Sealed {
    /// Whether every part has a length that can be opened, and ring versions begin with 1.
    fn fits(&self) -> bool {
        let ring = self.ring.as_ref().is_none_or(|ring| ring.version > 0 && ring.wrap.0.len() == WRAPPED_LEN);
        ring && sealed_text::is_sealed_len(self.message.0.len()) && self.auditors.iter().all(|one| one.wrap.0.len() == AUDITOR_WRAP_BYTES)
    }
}

/// What a device states when it acts. Its form is right; nobody has judged whether the act is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// The log's origin.
    pub origin: String,
    /// The intent's id.
    pub id: IntentId,
    /// The case, or [`CaseId::REGISTRY`].
    pub case: CaseId,
    /// The exhibit, for kinds that concern one.
    pub exhibit: Option<ExhibitId>,
    /// The purpose code.
    pub purpose: Option<Purpose>,
    /// Persons (`office/local`) or outside recipients.
    pub recipients: Vec<String>,
    /// The actor's clock.
    pub time: ClaimedTime,
    /// Where that time comes from.
    pub clock: ClockSource,
    /// The epoch that the device holds.
    pub group: Option<GroupSeen>,
    /// The last checkpoint that the device verified.
    pub seen: Seen,
    /// The exhibit's last record that the device knows.
    pub chain_seen: Option<ChainSeen>,
    /// What was done, bound to its bytes.
    pub body: Body,
    /// The sealed reason.
    pub sealed: Option<Sealed>,
}

/// The payload as it stands in the JWS.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    v: u8,
    origin: String,
    id: IntentId,
    kind: Kind,
    case: CaseId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exhibit: Option<ExhibitId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    purpose: Option<Purpose>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    recipients: Vec<String>,
    time: ClaimedTime,
    clock: ClockSource,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<GroupSeen>,
    seen: Seen,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    chain_seen: Option<ChainSeen>,
    body: Box<RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealed: Option<Sealed>,
}

/// Why an intent was refused before anybody judged the act.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntentError {
    /// The JWS around it.
    #[error("intent: {0}")]
    Jws(#[from] JwsError),
    /// The payload is not one of this format.
    #[error("malformed intent: {0}")]
    Malformed(String),
    /// Its kind asks for a member that is absent, or forbids one that is present.
    #[error("malformed intent: {kind} {problem}")]
    Shape {
        /// The kind.
        kind: Kind,
        /// What is missing or too much.
        problem: &'static str,
    },
}

/// An intent whose form is right and whose signature nobody has checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnverifiedIntent {
    jws: UnverifiedJws,
    intent: Intent,
}

/// An intent whose signature verified under a key that the caller found for [`UnverifiedIntent::signer`].
///
/// Says nothing about whether that certificate was in good standing or the act allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIntent {
    text: String,
    signer: Sha256Digest,
    intent: Intent,
}

impl Intent {
    /// What was done.
    pub const fn kind(&self) -> Kind {
        self.body.kind()
    }

    /// Checks the presence of members against the table of kinds.
    fn check_shape(&self) -> Result<(), IntentError> {
        let kind = self.kind();
        let demand = |holds: bool, problem| if holds { Ok(()) } else { Err(IntentError::Shape { kind, problem }) };
        let concern = kind.concern();
        demand(self.exhibit.is_some() == (concern == Concern::Exhibit), "names an exhibit exactly if it concerns one")?;
        demand(self.purpose.is_some() == kind.needs_purpose(), "carries a purpose code exactly if one is asked for")?;
        let fitting = self.purpose.is_none_or(|purpose| purpose.serves_log_reading() == (kind == Kind::LogRead));
        demand(fitting, "carries a purpose code of the other use (evidence, or reading the log)")?;
        demand(self.sealed.is_some() == kind.needs_reason(), "carries a sealed reason exactly if one is asked for")?;
        let registry = concern == Concern::Registry;
        demand(
            if registry { self.case == CaseId::REGISTRY } else { concern == Concern::Log || self.case != CaseId::REGISTRY },
            "names the wrong chain",
        )?;
        let in_group = matches!(concern, Concern::Case | Concern::Exhibit) && kind != Kind::CaseCreate;
        demand(self.group.is_some() == in_group, "names the epoch held exactly if it acts in a group")?;
        let continues = concern == Concern::Exhibit && kind != Kind::Collection;
        demand(self.chain_seen.is_some() == continues, "names the exhibit's last known record exactly if the chain has one")?;
        demand(self.recipients.is_empty() || matches!(kind, Kind::Disclosure | Kind::ConsentGive), "has no recipients")?;
        let named = self.recipients.iter().all(|text| (1..=MAX_RECIPIENT_BYTES).contains(&text.len()));
        demand(
            self.recipients.len() <= MAX_RECIPIENTS && named,
            "has more than 64 recipients, or one that is empty or longer than 128 bytes",
        )?;
        demand(kind != Kind::Disclosure || !self.recipients.is_empty(), "names at least one recipient (LED Art 25(1))")?;
        // A device that comes back may have lost the ring key together with the group.
        let returns = matches!(&self.body, Body::MemberChange(body) if body.resync);
        let for_members = self.sealed.as_ref().is_none_or(|sealed| returns || sealed.ring.is_some() == (kind != Kind::LogRead));
        demand(for_members, "seals its reason to the case's members exactly if it is an act within a case")?;
        let auditors = self.sealed.as_ref().map_or(0, |sealed| sealed.auditors.len());
        demand(auditors <= MAX_AUDITORS, "seals its reason to more than 32 auditors")?;
        let transcript = |group: &GroupSeen| if group.epoch == 0 { 0 } else { TRANSCRIPT_BYTES };
        let of_group = |group: &GroupSeen| group.id.0.len() == GROUP_ID_BYTES && group.transcript.0.len() == transcript(group);
        demand(self.group.as_ref().is_none_or(of_group), "names a group or transcript of a length that its epoch does not have")?;
        demand(self.sealed.as_ref().is_none_or(Sealed::fits), "carries a sealed reason or wrap of a length that none has")?;
        self.body.check().or_else(|problem| demand(false, problem))
    }

    /// The payload that is signed, for a signer that keeps its key to itself.
    ///
    /// # Errors
    /// [`IntentError::Shape`] if the members do not fit the kind: what cannot be read back is not signed.
    pub fn payload(&self) -> Result<Vec<u8>, IntentError> {
        self.check_shape()?;
        let body = self.body.to_json().and_then(RawValue::from_string).expect("structs of texts and numbers serialise");
        let payload = Payload {
            v: 1,
            origin: self.origin.clone(),
            id: self.id,
            kind: self.kind(),
            case: self.case,
            exhibit: self.exhibit,
            purpose: self.purpose,
            recipients: self.recipients.clone(),
            time: self.time.clone(),
            clock: self.clock,
            group: self.group.clone(),
            seen: self.seen,
            chain_seen: self.chain_seen,
            body,
            sealed: self.sealed.clone(),
        };
        Ok(serde_json::to_vec(&payload).expect("structs of texts and numbers serialise"))
    }

    /// Signs the intent as the device, or office root, whose certificate id is given.
    ///
    /// # Errors
    /// As for [`Intent::payload`].
    pub fn sign(self, certificate: Sha256Digest, key: &SigningKey) -> Result<SignedIntent, IntentError> {
        let jws = jws::sign(Typ::Intent, certificate, &self.payload()?, key);
        Ok(SignedIntent { text: jws.text().to_owned(), signer: certificate, intent: self })
    }
}

impl UnverifiedIntent {
    /// Reads a compact JWS, its payload and the body of its kind.
    ///
    /// # Errors
    /// Every variant of [`IntentError`] but a bad signature.
    pub fn parse(text: &str) -> Result<Self, IntentError> {
        let jws = UnverifiedJws::parse(text, Typ::Intent)?;
        let malformed = |error: serde_json::Error| IntentError::Malformed(error.to_string());
        let payload: Payload = serde_json::from_slice(jws.unverified_payload()).map_err(malformed)?;
        if payload.v != 1 {
            return Err(IntentError::Malformed(format!("version {} is newer than this program", payload.v)));
        }
        let body = Body::from_json(payload.kind, payload.body.get()).map_err(malformed)?;
        let intent = Intent {
            origin: payload.origin,
            id: payload.id,
            case: payload.case,
            exhibit: payload.exhibit,
            purpose: payload.purpose,
            recipients: payload.recipients,
            time: payload.time,
            clock: payload.clock,
            group: payload.group,
            seen: payload.seen,
            chain_seen: payload.chain_seen,
            body,
            sealed: payload.sealed,
        };
        intent.check_shape()?;
        if intent.payload()? != jws.unverified_payload() {
            return Err(IntentError::Malformed("the payload is not the one encoding of what it says".to_owned()));
        }
        Ok(Self { jws, intent })
    }

    /// The certificate id that the header names.
    pub fn signer(&self) -> Sha256Digest {
        self.jws.signer()
    }

    /// What nobody has vouched for yet; to find the certificate by which it must verify.
    pub fn unverified(&self) -> &Intent {
        &self.intent
    }

    /// Checks the signature.
    ///
    /// # Errors
    /// [`JwsError::BadSignature`].
    pub fn verify(self, key: &VerifyingKey) -> Result<SignedIntent, IntentError> {
        let jws = self.jws.verify(key)?;
        Ok(SignedIntent { text: jws.text().to_owned(), signer: jws.signer(), intent: self.intent })
    }
}

impl SignedIntent {
    /// The compact JWS exactly as it was signed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The certificate id of the signer.
    pub fn signer(&self) -> Sha256Digest {
        self.signer
    }

    /// SHA-256 of the compact text, by which a retry with other content is told from a repetition.
    pub fn digest(&self) -> Sha256Digest {
        Sha256Digest::of(&[self.text.as_bytes()])
    }
}

impl Deref for SignedIntent {
    type Target = Intent;

    fn deref(&self) -> &Intent {
        &self.intent
    }
}

#[cfg(test)]
pub(super) mod tests;
