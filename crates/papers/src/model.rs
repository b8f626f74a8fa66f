//! The report's model: what a verifier found of one dossier and what the dossier states, without words of any language.
//!
//! It is plain data with one JSON form. [`crate::document()`] puts it into words; a program that makes another form of the report (PDF) reads this
//! JSON, or the [`crate::Document`] made from it. Nothing in it is proof.

use custodia_core::custody::intent::ClockSource;
use custodia_core::custody::kind::{Kind, Purpose};
use custodia_core::digest::{Blake3Digest, Sha256Digest};
use custodia_core::dossier::stamps::TimeIs;
use custodia_core::dossier::{Files, Withheld};
use custodia_core::exhibit::intake::Intake;
use custodia_core::exhibit::sealed_text::SealedText;
use custodia_core::finding::{Finding, Verdict};
use custodia_core::identity::Role;
use custodia_core::ids::{CaseId, ExhibitId};
use serde::{Deserialize, Serialize};

/// The version of the model's JSON.
pub const VERSION: u32 = 1;

/// Everything that a report says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportModel {
    /// [`VERSION`].
    pub version: u32,
    /// The dossier as a whole.
    pub dossier: DossierFacts,
    /// What the verifier found.
    pub verification: Verification,
    /// By which keys.
    pub keys: Keys,
    /// Exhibit by exhibit, in the dossier's order.
    pub exhibits: Vec<ExhibitFacts>,
    /// What is withheld, and on which ground.
    pub withheld: Vec<Withheld>,
}

/// The dossier as a whole, as its maker states it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DossierFacts {
    /// The case.
    pub case: CaseId,
    /// Its title in the last act of the exhibits that states one and that the dossier opens.
    pub case_title: Option<String>,
    /// The log's origin.
    pub origin: String,
    /// When it was made, by its maker's clock (RFC 3339).
    pub made: String,
    /// Who made it: `office/person`.
    pub by: String,
    /// The maker as the certificate showed them, if a disclosure of this dossier is genuine.
    pub maker: Option<Actor>,
    /// For whom.
    pub recipients: Vec<String>,
    /// The purpose of the disclosure.
    pub purpose: Option<Purpose>,
    /// Whether the files are in it.
    pub files: Files,
}

/// What the verifier found, and by when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verification {
    /// When the verifier ran (RFC 3339).
    pub at: String,
    /// The verdict.
    pub verdict: Verdict,
    /// The first finding that kept it from PASSED.
    pub obstacle: Option<Finding>,
    /// How many records the final checkpoint covers, if the log's signature held.
    pub tree_size: Option<u64>,
    /// All findings, in the order of the checks.
    pub findings: Vec<Finding>,
}

/// The keys by which it was verified: those that the verifier's own trust file pins, and those that follow from them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// The log's key as a vkey (C2SP signed-note).
    pub log: String,
    /// SHA-256 of the first trust list.
    pub trust_pin: String,
    /// Cosigners that the policy names.
    pub cosigners: Vec<CosignerKey>,
    /// Offices of the trust list in force at the end, with the roots of their certificates.
    pub offices: Vec<OfficeKeys>,
    /// Time stamps that are genuine.
    pub stamps: Vec<Stamp>,
}

/// A cosigner that the verifier's policy names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CosignerKey {
    /// Its key as a vkey.
    pub key: String,
    /// Whether it cosigned the final checkpoint.
    pub cosigned: bool,
}

/// An office and its roots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfficeKeys {
    /// Its id.
    pub id: String,
    /// Its name on the trust list.
    pub name: String,
    /// Its country.
    pub country: String,
    /// SHA-256 of each root certificate.
    pub roots: Vec<String>,
}

/// A genuine time stamp on a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stamp {
    /// How many records the stamped checkpoint covers.
    pub tree_size: u64,
    /// Who stamped.
    pub authority: String,
    /// Not before (RFC 3339, UTC).
    pub earliest: String,
    /// Not after (RFC 3339, UTC).
    pub latest: String,
}

/// One exhibit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExhibitFacts {
    /// The exhibit.
    pub id: ExhibitId,
    /// What was recorded at intake; none if the manifest is not the one that the collection signed.
    pub intake: Option<Intake>,
    /// Its files in the order of the manifest.
    pub files: Vec<FileFacts>,
    /// The whole custody, act by act, refused ones too.
    pub acts: Vec<Act>,
}

/// One file of an exhibit, as the manifest describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileFacts {
    /// Its path, deceptive characters escaped.
    pub path: String,
    /// The media type that the collector named.
    pub media_type: String,
    /// In bytes.
    pub size: u64,
    /// Of its bytes.
    pub sha256: Sha256Digest,
    /// Of its bytes.
    pub blake3: Blake3Digest,
    /// When it was last modified, as its source said (RFC 3339).
    pub modified: Option<String>,
}

/// One act of an exhibit's custody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Act {
    /// Its index in the log.
    pub record: u64,
    /// What was done.
    pub kind: Kind,
    /// What the kind does not say.
    pub detail: Detail,
    /// How many attempts the record stands for; more than one for counted refusals only.
    pub attempts: u32,
    /// The rule that refused it; nothing but this record came of it.
    pub refused_by: Option<RefusedBy>,
    /// Who acted.
    pub actor: Actor,
    /// Why, as a code.
    pub purpose: Option<Purpose>,
    /// For whom.
    pub recipients: Vec<String>,
    /// When.
    pub time: ActTime,
    /// What the actor stated, with the titles as they then were; none if the dossier does not open it.
    pub stated: Option<SealedText>,
}

/// What an act's kind does not say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "form", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Detail {
    /// Nothing more.
    None {},
    /// Files were written out.
    Export {},
    /// A device was given the means to open it.
    Grant {
        /// Whose device, if it is known: `office/person`.
        person: Option<String>,
        /// The name in its certificate.
        name: Option<String>,
    },
    /// It went into a dossier.
    Dossier {
        /// SHA-256 of that dossier's list of payload files.
        payload: Sha256Digest,
        /// Whether that is this dossier.
        this: bool,
    },
    /// It travelled outside the system.
    Transfer {
        /// How: `usb`, `courier`, `post`, `in-person`, `other-system`.
        means: String,
    },
    /// What is said about it changed.
    Alteration {
        /// The new handling code.
        handling: Option<String>,
        /// The new review date.
        review: Option<String>,
    },
    /// Another exhibit was made from it.
    Source {
        /// How: `copy`, `extract`, `redaction`, `translation`, `transcript`.
        how: String,
    },
    /// Its erasure was proposed.
    ErasureProposed {},
    /// Its erasure was confirmed by another person.
    ErasureConfirmed {},
    /// The originator consented to use in judicial proceedings.
    ConsentJudicial {},
    /// The originator consented to passing it on.
    ConsentOnward {},
}

/// A rule that refused an act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusedBy {
    /// Its id.
    pub rule: String,
    /// What it demands, in English; none for a rule that this program does not know.
    pub demands: Option<String>,
}

/// A person as the certificate under which they acted showed them, and their office as the trust list then named it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actor {
    /// `office/person`.
    pub person: String,
    /// Name in the certificate.
    pub name: String,
    /// Role in the certificate.
    pub role: Option<Role>,
    /// Id of the office.
    pub office: String,
    /// Name of the office on the trust list in force at the act.
    pub office_name: Option<String>,
    /// Country in the certificate.
    pub country: Option<String>,
    /// SHA-256 of the certificate.
    pub certificate: String,
}

/// When an act was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActTime {
    /// The log's time (RFC 3339, UTC).
    pub log: String,
    /// The actor's own time with its zone (RFC 3339).
    pub claimed: String,
    /// Where the actor's time comes from.
    pub clock: ClockSource,
    /// What stamps make of the log's time.
    pub is: TimeIs,
    /// The latest stamp of a checkpoint without the record.
    pub after: Option<Bound>,
    /// The earliest stamp of a checkpoint with it.
    pub before: Option<Bound>,
}

/// What a stamp says of a record's time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    /// The earliest time of the stamp before the record, or the latest of the one after it (RFC 3339, UTC).
    pub time: String,
    /// Who stamped.
    pub authority: String,
}
