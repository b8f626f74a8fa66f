//! The intake record: what is recorded about an exhibit when it is collected.
//!
//! It is what the uploader states. Nothing here says that it is true; the custody log says who stated it and when.
//! Words follow ISO/IEC 27037, Directive (EU) 2016/680 (LED), Europol's handling and evaluation codes, and CASE/UCO.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::ManifestRule;
use super::text::{CalendarDate, Line, Prose};
use crate::ids::ExhibitId;
use crate::time::ClaimedTime;

/// A line of a form: up to 512 bytes.
pub type FormLine = Line<512>;

macro_rules! word_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Every word that a manifest may hold here.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word as the manifest writes it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }
    };
}

word_enum! {
    /// What kind of thing an exhibit is.
    ExhibitKind {
        /// A document or a set of documents.
        Document = "document",
        /// An export of chats.
        ChatExport = "chat_export",
        /// An extraction of a phone.
        PhoneImage = "phone_image",
        /// An image of a disk or another data carrier.
        DiskImage = "disk_image",
        /// Moving pictures.
        Video = "video",
        /// Sound.
        Audio = "audio",
        /// The recorded interview of a person.
        RecordedInterview = "recorded_interview",
        /// Records of a bank or payment service.
        BankRecords = "bank_records",
        /// Anything else; the description says what.
        Other = "other",
    }
}

word_enum! {
    /// A handling code of Europol: what the recipient may do.
    HandlingCode {
        /// General: for prevention and combating of crime.
        H0 = "H0",
        /// Not in judicial proceedings without the provider's permission.
        H1 = "H1",
        /// Not to be disseminated without the provider's permission.
        H2 = "H2",
        /// Another restriction, given as text.
        H3 = "H3",
    }
}

word_enum! {
    /// How reliable the source is (4x4 evaluation).
    SourceReliability {
        /// No doubt of authenticity, trustworthiness and competence, or always reliable so far.
        A = "A",
        /// Reliable in most instances.
        B = "B",
        /// Unreliable in most instances.
        C = "C",
        /// Cannot be assessed.
        X = "X",
    }
}

word_enum! {
    /// How accurate the information is (4x4 evaluation).
    InformationAccuracy {
        /// Accuracy not in doubt.
        One = "1",
        /// Known personally to the source, not to the official who passes it on.
        Two = "2",
        /// Not known personally to the source, but corroborated.
        Three = "3",
        /// Not known personally to the source and not corroborated.
        Four = "4",
    }
}

word_enum! {
    /// Categories of persons whose data an exhibit holds (LED Art 6).
    PersonCategory {
        /// Serious grounds to believe that they committed or will commit an offence.
        Suspect = "suspect",
        /// Convicted of an offence.
        Convicted = "convicted",
        /// Victim, or facts give reason to believe so.
        Victim = "victim",
        /// May be called on to testify.
        Witness = "witness",
        /// Another party, such as a contact or associate.
        Other = "other",
    }
}

word_enum! {
    /// The instrument on which an exhibit was obtained.
    LegalBasisType {
        /// A joint investigation team's agreement.
        Jit = "jit",
        /// A European Investigation Order (Directive 2014/41/EU).
        Eio = "eio",
        /// A European Production Order certificate (Regulation (EU) 2023/1543).
        Epoc = "epoc",
        /// A European Preservation Order certificate (Regulation (EU) 2023/1543).
        EpocPr = "epoc_pr",
        /// A request for mutual legal assistance.
        Mla = "mla",
        /// A warrant or order of a national court or prosecutor.
        Warrant = "warrant",
        /// Another basis; its identifier says which.
        Other = "other",
    }
}

word_enum! {
    /// How an exhibit was made from another.
    DerivationForm {
        /// A complete copy.
        Copy = "copy",
        /// A part.
        Extract = "extract",
        /// A version with parts made unreadable.
        Redaction = "redaction",
        /// A translation.
        Translation = "translation",
        /// A transcript.
        Transcript = "transcript",
    }
}

/// Everything recorded at intake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intake {
    /// The exhibit's number as the office writes it.
    pub exhibit_number: Line<64>,
    /// The number of the exhibit that this one is part of; absent if it is itself the root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_exhibit_number: Option<Line<64>>,
    /// The title.
    pub title: FormLine,
    /// The description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Prose<16384>>,
    /// The kind of thing.
    pub kind: ExhibitKind,
    /// Who collected it, when and where.
    pub collected: Collected,
    /// From whom or from which device it was collected.
    pub source: Source,
    /// How it was acquired.
    pub acquisition: Acquisition,
    /// The number of the physical seal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal_number: Option<Line<64>>,
    /// The legal basis.
    pub legal_basis: LegalBasis,
    /// The handling code.
    pub handling: HandlingCode,
    /// What the restriction is; with code H3 and only with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handling_restriction: Option<Prose<4096>>,
    /// The evaluation (LED Art 7).
    pub evaluation: Evaluation,
    /// Categories of the persons whose data it holds, in the order of the type; may be empty.
    pub person_categories: BTreeSet<PersonCategory>,
    /// Whether it holds special categories of data (LED Art 10).
    pub special_category: bool,
    /// Whether it concerns a child; also where the age is uncertain (Directive 2011/36/EU Art 13(2)).
    pub child: bool,
    /// The exhibit that it was made from; absent if it was collected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub derived_from: Option<DerivedFrom>,
    /// When the need to keep it is reviewed (LED Art 5).
    pub review_date: CalendarDate,
}

/// Who collected an exhibit, when and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collected {
    /// The person, with office; need not have an account here.
    pub by: FormLine,
    /// When, with the zone of the place.
    pub at: ClaimedTime,
    /// Where.
    pub place: FormLine,
}

/// From whom or what an exhibit was collected: a person, a device or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The person or body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<FormLine>,
    /// The device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<SourceDevice>,
}

/// The device that an exhibit was collected from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceDevice {
    /// The maker.
    pub make: Line<128>,
    /// The model.
    pub model: Line<128>,
    /// The serial number, IMEI or the like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<Line<128>>,
    /// The device's clock minus true time, in whole seconds; absent if it was not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_deviation_seconds: Option<i64>,
}

/// How an exhibit was acquired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acquisition {
    /// The method, such as "physical image" or "export by the service provider".
    pub method: FormLine,
    /// The tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<Line<128>>,
    /// The version of the tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_version: Option<Line<64>>,
    /// The write blocker; absent if none was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_blocker: Option<Line<128>>,
}

/// The legal basis on which an exhibit was obtained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LegalBasis {
    /// The instrument.
    #[serde(rename = "type")]
    pub kind: LegalBasisType,
    /// Its identifier, such as a file number.
    pub identifier: Line<128>,
    /// The authority that issued it.
    pub authority: FormLine,
    /// The state of that authority.
    pub state: StateCode,
    /// The first day on which it is valid.
    pub valid_from: CalendarDate,
    /// The last day on which it is valid; absent if it has no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<CalendarDate>,
}

/// The evaluation of source and information.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// The source.
    pub source: SourceReliability,
    /// The information.
    pub information: InformationAccuracy,
}

/// The exhibit that another was made from, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DerivedFrom {
    /// The original.
    pub exhibit: ExhibitId,
    /// The form of the derivation.
    pub how: DerivationForm,
}

/// A state: two upper-case letters as in ISO 3166-1 alpha-2; whether it is assigned is not checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StateCode([u8; 2]);

impl TryFrom<String> for StateCode {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match *text.as_bytes() {
            [a, b] if a.is_ascii_uppercase() && b.is_ascii_uppercase() => Ok(Self([a, b])),
            _ => Err("a state is two upper-case letters"),
        }
    }
}

impl From<StateCode> for String {
    fn from(code: StateCode) -> Self {
        code.0.iter().map(|&letter| char::from(letter)).collect()
    }
}

impl Intake {
    /// Checks what the types cannot say, before anything is sealed.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn check(&self) -> Result<(), ManifestRule> {
        if (self.handling == HandlingCode::H3) != self.handling_restriction.is_some() {
            return Err(ManifestRule::RestrictionText);
        }
        if self.legal_basis.valid_to.is_some_and(|end| end < self.legal_basis.valid_from) {
            return Err(ManifestRule::LegalValidity);
        }
        if self.source.person.is_none() && self.source.device.is_none() {
            return Err(ManifestRule::SourceNamed);
        }
        Ok(())
    }

    /// As [`Self::check`], for the exhibit that it describes.
    pub(super) fn check_of(&self, exhibit: ExhibitId) -> Result<(), ManifestRule> {
        self.check()?;
        if self.derived_from.is_some_and(|original| original.exhibit == exhibit) { Err(ManifestRule::DerivedFromItself) } else { Ok(()) }
    }
}
