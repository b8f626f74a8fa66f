//! The kind-specific signed part of an intent: it binds the signature to the bytes of the act.

use crate::digest::{Blake3Digest, Sha256Digest};
use crate::exhibit::intake::DerivationForm;
use crate::exhibit::text::CalendarDate;
use crate::ids::{CaseId, DeviceId, ExhibitId, IntentId};

use crate::identity::RevocationReason;

use super::intent::GROUP_ID_BYTES;
use super::kind::Kind;
use super::recovery::Recovery;
use super::succession::GroupSucceed;
use super::wire::{Base64, Hex};

/// Europol handling code: how far an exhibit may travel without its originator's permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Handling {
    /// General: no restriction beyond the case.
    H0,
    /// Not in judicial proceedings without the provider's permission.
    H1,
    /// Not disseminated without the provider's permission.
    H2,
    /// Other restrictions, stated in the sealed reason.
    H3,
}

/// How an exhibit came from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DerivedHow {
    /// Bit for bit.
    Copy,
    /// A part.
    Extract,
    /// With parts made unreadable.
    Redaction,
    /// In another language.
    Translation,
    /// Speech or handwriting as text.
    Transcript,
}

impl From<DerivationForm> for DerivedHow {
    fn from(form: DerivationForm) -> Self {
        match form {
            DerivationForm::Copy => Self::Copy,
            DerivationForm::Extract => Self::Extract,
            DerivationForm::Redaction => Self::Redaction,
            DerivationForm::Translation => Self::Translation,
            DerivationForm::Transcript => Self::Transcript,
        }
    }
}

/// A link between the chains of two exhibits that names the other only by a salted commitment.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Derivation {
    /// How the one came from the other.
    pub how: DerivedHow,
    /// [`derivation_commitment`] of the other exhibit.
    pub other: Sha256Digest,
}

/// Names an exhibit to those who hold the salt: `SHA-256("custodia/derivation/v1" ‖ salt ‖ exhibit id)`.
pub fn derivation_commitment(salt: &[u8; 32], exhibit: ExhibitId) -> Sha256Digest {
    Sha256Digest::of(&[b"custodia/derivation/v1", salt, exhibit.as_bytes()])
}

/// An exhibit enters the case; binds manifest, objects and keys.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collection {
    /// Salted commitment to the manifest's bytes.
    pub manifest_commitment: Sha256Digest,
    /// Name of the sealed manifest's object.
    pub manifest_object: Blake3Digest,
    /// Number of segment objects.
    pub objects: u64,
    /// Digest of the segment objects' names in order (`docs/spec/exhibit.md`).
    pub objects_digest: Sha256Digest,
    /// Bytes of all segment objects together, sealed and padded.
    pub sealed_bytes: u64,
    /// Commitment to the exhibit key.
    pub exhibit_key_commitment: Sha256Digest,
    /// Commitment to the release share.
    pub release_share_commitment: Sha256Digest,
    /// Ring version under which the group share is wrapped.
    pub ring_version: u32,
    /// Handling code.
    pub handling: Handling,
    /// Date (YYYY-MM-DD) by which keeping the exhibit is reviewed (LED Art 5).
    pub review: String,
    /// The exhibit that this one came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub derivation: Option<Derivation>,
}

/// How an exhibit is viewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ViewMode {
    /// Streamed to a viewer; nothing is written.
    View,
}

/// A person views an exhibit.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consultation {
    /// How.
    pub mode: ViewMode,
}

/// Means of a transfer outside the system (Reg. (EU) 2023/1543 Art 19(6)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransferMeans {
    /// A USB stick or disk.
    Usb,
    /// A courier.
    Courier,
    /// Post.
    Post,
    /// Handed over in person.
    InPerson,
    /// Another information system.
    OtherSystem,
}

/// An exhibit, or the means to open it, goes to somebody.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "form", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Disclosure {
    /// Its files are written out by the actor.
    Export {},
    /// A device receives the means to open it.
    Grant {
        /// SHA-256 of the grant's JWS text.
        grant: Sha256Digest,
        /// Certificate id of the receiving device.
        device: Sha256Digest,
    },
    /// It goes into a dossier.
    Dossier {
        /// SHA-256 of the dossier's payload manifest.
        payload: Sha256Digest,
    },
    /// It travels outside the system.
    Transfer {
        /// How.
        means: TransferMeans,
    },
}

/// What is said about an exhibit changes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alteration {
    /// The new handling code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handling: Option<Handling>,
    /// The new review date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<String>,
}

/// This exhibit is the source of another.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Combination {
    /// The other exhibit.
    pub derivation: Derivation,
}

/// An exhibit is erased, by two persons: the act takes effect with the second record.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Erasure {
    /// The first person.
    Propose {
        /// Log indexes of records whose payloads are erased with it.
        records: Vec<u64>,
    },
    /// Another person.
    Confirm {
        /// Intent id of the proposal.
        proposal: IntentId,
        /// SHA-256 of the proposal's intent as text.
        digest: Sha256Digest,
    },
}

/// A body without members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// What an originator consents to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConsentTo {
    /// Use in judicial proceedings (handling code H1).
    JudicialUse,
    /// Passing on (handling code H2).
    Onward,
}

/// The originator consents.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// To what.
    pub to: ConsentTo,
}

/// What a device that joins may open of what came before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Terms {
    /// Founds the case.
    Founder,
    /// All that the adding member may open.
    Full,
    /// Chosen exhibits, each by a grant of its own.
    Chosen,
    /// Nothing.
    None,
    /// A member's own device that comes back on the terms that it had.
    Resync,
    /// In the place of a lost device: what that one could open, each exhibit by a grant of its own.
    Recovery,
}

/// A device joins.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Add {
    /// Its certificate id.
    pub certificate: Sha256Digest,
    /// On which terms.
    pub terms: Terms,
}

/// A case and its group are founded.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseCreate {
    /// MLS group id.
    pub group_id: Hex,
    /// SHA-256 of the GroupInfo of epoch 0.
    pub group_info: Sha256Digest,
    /// The first ring version: 1.
    pub ring_version: u32,
    /// Commitment to the ring key.
    pub ring_commitment: Sha256Digest,
    /// SHA-256 of the ring row.
    pub ring_row: Sha256Digest,
    /// The founding device.
    pub members: Vec<Add>,
    /// The case of which this is a restricted part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<CaseId>,
    /// Date (YYYY-MM-DD) of the next review (LED Art 5).
    pub review: String,
}

/// One commit.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberChange {
    /// The epoch that the commit starts from.
    pub epoch: u64,
    /// SHA-256 of the commit message.
    pub commit: Sha256Digest,
    /// SHA-256 of the Welcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub welcome: Option<Sha256Digest>,
    /// Ring version from the new epoch on.
    pub ring_version: u32,
    /// Commitment to that ring key.
    pub ring_commitment: Sha256Digest,
    /// SHA-256 of the ring row; absent for a resync.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring_row: Option<Sha256Digest>,
    /// Devices that join.
    pub adds: Vec<Add>,
    /// Certificate ids of devices that are removed.
    pub removes: Vec<Sha256Digest>,
    /// Whether this is a device's own return by external commit.
    pub resync: bool,
}

/// A member could not process a commit.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupReport {
    /// The epoch that the commit starts from.
    pub epoch: u64,
    /// SHA-256 of the commit.
    pub commit: Sha256Digest,
    /// What went wrong: at most 200 bytes of printable ASCII.
    pub error: String,
}

/// An office announces a certificate.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceEnrol {
    /// The certificate, DER.
    pub certificate: Base64,
}

/// An office revokes a device.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceRevoke {
    /// The device, under all its certificates.
    pub device: DeviceId,
    /// Why.
    pub reason: RevocationReason,
}

/// A trust list comes into force.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustListBody {
    /// The signed list, as text.
    pub list: String,
}

/// A new log continues an old one.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogOrigin {
    /// The old log's origin.
    pub previous: String,
    /// Its last known size.
    pub size: u64,
    /// Its last known root hash.
    pub root: Sha256Digest,
}

/// A range of the log is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogRead {
    /// First index.
    pub from: u64,
    /// One past the last index.
    pub to: u64,
}

impl Body {
    /// What does not fit among the values, beside their types.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let is_date = |text: &String| CalendarDate::parse(text).is_ok();
        let (holds, problem) = match self {
            Self::Collection(body) => (body.ring_version > 0 && is_date(&body.review), "has ring version 0, or a review date that is none"),
            Self::Alteration(body) => (body.review.as_ref().is_none_or(is_date), "has a review date that is none"),
            Self::CaseCreate(body) => (
                body.group_id.0.len() == GROUP_ID_BYTES && body.ring_version > 0 && is_date(&body.review),
                "has a group id of other than 20 bytes, ring version 0, or a review date that is none",
            ),
            Self::MemberChange(body) => (body.ring_version > 0, "has ring version 0"),
            Self::GroupSucceed(body) => (body.ring_version > 0 && body.generation > 0, "has ring version 0 or generation 0"),
            Self::GroupReport(body) => (
                body.error.len() <= 200 && body.error.bytes().all(|c| matches!(c, b' '..=b'~')),
                "has an error of more than 200 bytes, or not of printable ASCII",
            ),
            _ => (true, ""),
        };
        if holds { Ok(()) } else { Err(problem) }
    }
}

macro_rules! bodies {
    ($($kind:ident($body:ty)),* $(,)?) => {
        /// The body of an intent, by kind.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[expect(missing_docs, reason = "each variant is named for its kind and documented at its type")]
        pub enum Body {
            $($kind($body)),*
        }

        impl Body {
            /// The kind that this body belongs to.
            pub const fn kind(&self) -> Kind {
                match self { $(Self::$kind(_) => Kind::$kind),* }
            }

            pub(super) fn from_json(kind: Kind, json: &str) -> Result<Self, serde_json::Error> {
                match kind { $(Kind::$kind => serde_json::from_str(json).map(Self::$kind)),* }
            }

            pub(super) fn to_json(&self) -> serde_json::Result<String> {
                match self { $(Self::$kind(body) => serde_json::to_string(body)),* }
            }
        }
    };
}

bodies! {
    Collection(Collection),
    Consultation(Consultation),
    Disclosure(Disclosure),
    Alteration(Alteration),
    Combination(Combination),
    Erasure(Erasure),
    HoldPlace(Nothing),
    HoldLift(Nothing),
    RestrictionPlace(Nothing),
    RestrictionLift(Nothing),
    ConsentGive(Consent),
    CaseCreate(CaseCreate),
    CaseRecovery(Recovery),
    MemberChange(MemberChange),
    MemberLeave(Nothing),
    GroupReport(GroupReport),
    GroupSucceed(GroupSucceed),
    DeviceEnrol(DeviceEnrol),
    DeviceRevoke(DeviceRevoke),
    TrustList(TrustListBody),
    LogOrigin(LogOrigin),
    LogRead(LogRead),
}
