//! The receipt: a record, opened in parts, with the proof that the log holds it.

use crate::digest::Sha256Digest;
use crate::ids::{CaseId, ExhibitId};
use crate::strict_json;

use super::intent::Intent;
use super::record::{Commitment, Core, Part, PartCommitment, Place, Record, RecordError, Salt};
use super::wire::{Base64, Hex};

/// A part of a record as it is shown: opened, or only its commitment.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
pub enum PartView {
    /// The bytes and their salt.
    #[serde(deserialize_with = "strict_json::object")]
    Opened(OpenedPart),
    /// The commitment alone.
    #[serde(deserialize_with = "strict_json::object")]
    Closed(ClosedPart),
}

/// The bytes of a part, and the salt by which they were committed to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenedPart {
    /// The bytes; empty for an absent exhibit place.
    pub bytes: Base64,
    /// 32 bytes.
    pub salt: Hex,
}

/// The commitment of a part that is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClosedPart {
    /// The commitment.
    pub commitment: PartCommitment,
}

/// A record as it is shown to somebody; nothing is checked.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RecordView {
    /// Index in the log, as claimed by whoever shows it.
    pub index: u64,
    /// The core part.
    pub core: PartView,
    /// The place in the case's chain.
    pub case: PartView,
    /// The place in the exhibit's chain.
    pub exhibit: PartView,
}

impl<'de> serde::Deserialize<'de> for RecordView {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Members {
            index: u64,
            core: PartView,
            case: PartView,
            exhibit: PartView,
        }
        let Members { index, core, case, exhibit } = strict_json::object(deserializer)?;
        Ok(Self { index, core, case, exhibit })
    }
}

/// A record as it is shown, and the proof that a log holds it; nothing is checked.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Version: 1.
    pub v: u8,
    /// The record.
    pub record: RecordView,
    /// RFC 6962 inclusion proof, at most 48 hashes.
    pub proof: Vec<Sha256Digest>,
    /// The signed checkpoint of a tree that includes the record.
    pub checkpoint: String,
}

/// The opened parts of a record, consistent with its commitment.
///
/// Only what is opened is known; whether a log holds the commitment is another question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedRecord {
    /// The commitment that the parts make together.
    pub commitment: Commitment,
    /// The core part, if opened; its index equals the view's.
    pub core: Option<Core>,
    /// The place in the case's chain, if opened.
    pub case: Option<Place<CaseId>>,
    /// The place in the exhibit's chain, if opened; `Some(None)` says that the record concerns no exhibit.
    pub exhibit: Option<Option<Place<ExhibitId>>>,
}

impl PartView {
    /// The commitment, computed if the part is opened.
    fn commitment(&self, part: Part) -> Result<PartCommitment, RecordError> {
        match self {
            Self::Closed(closed) => Ok(closed.commitment),
            Self::Opened(opened) => {
                let salt = opened.salt.0.as_slice().try_into().map_err(|_| RecordError::SALT)?;
                Ok(part.commit(&Salt(salt), &opened.bytes.0))
            }
        }
    }

    fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Opened(opened) => Some(&opened.bytes.0),
            Self::Closed(_) => None,
        }
    }
}

impl RecordView {
    /// Computes the commitment and reads what is opened.
    ///
    /// # Errors
    /// A part that is not of the format, or a core part with another index than the view's.
    pub fn open(&self) -> Result<OpenedRecord, RecordError> {
        let commitment = Commitment::of_parts(
            self.core.commitment(Part::Core)?,
            self.case.commitment(Part::Case)?,
            self.exhibit.commitment(Part::Exhibit)?,
        );
        let core = self.core.bytes().map(Core::from_bytes).transpose()?;
        if core.as_ref().is_some_and(|core| core.index != self.index) {
            return Err(RecordError::INDEX);
        }
        let case = self.case.bytes().map(Place::from_bytes).transpose()?;
        let exhibit = match self.exhibit.bytes() {
            None => None,
            Some([]) => Some(None),
            Some(bytes) => Some(Some(Place::from_bytes(bytes)?)),
        };
        Ok(OpenedRecord { commitment, core, case, exhibit })
    }
}

impl OpenedRecord {
    /// Whether the places that are opened are in the chains that the intent names.
    ///
    /// # Errors
    /// A place in another chain, an exhibit's place that is missing, or one too many.
    pub fn fits(&self, intent: &Intent) -> Result<(), RecordError> {
        let case = self.case.is_none_or(|place| place.chain == intent.case);
        let exhibit = self.exhibit.is_none_or(|place| place.map(|place| place.chain) == intent.exhibit);
        if case && exhibit { Ok(()) } else { Err(RecordError::CHAIN) }
    }
}

impl Record {
    /// Shows the record with the given parts opened and the commitments of the others.
    pub fn view(&self, opened: &[Part]) -> RecordView {
        let show = |part: Part| {
            if opened.contains(&part) {
                PartView::Opened(OpenedPart { bytes: Base64(self.part_bytes(part)), salt: Hex(self.salt(part).0.to_vec()) })
            } else {
                PartView::Closed(ClosedPart { commitment: self.part_commitment(part) })
            }
        };
        RecordView { index: self.core.index, core: show(Part::Core), case: show(Part::Case), exhibit: show(Part::Exhibit) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::custody::record::tests::record;

    #[test]
    fn every_choice_of_opened_parts_has_the_records_commitment() {
        let record = record();
        let choices: [&[Part]; 4] = [&[], &[Part::Core], &[Part::Core, Part::Exhibit], &[Part::Core, Part::Case, Part::Exhibit]];
        for opened in choices {
            assert_eq!(record.view(opened).open().unwrap().commitment, record.commitment());
        }
        let opened = record.view(&[Part::Core, Part::Exhibit]).open().unwrap();
        assert_eq!(opened.core, Some(record.core));
        assert_eq!(opened.exhibit, Some(record.exhibit));
        assert_eq!(opened.case, None);
    }

    #[test]
    fn an_absent_exhibit_is_shown_as_absent() {
        let mut record = record();
        record.exhibit = None;
        assert_eq!(record.view(&[Part::Exhibit]).open().unwrap().exhibit, Some(None));
    }

    #[test]
    fn a_view_under_another_index_is_refused() {
        let mut view = record().view(&[Part::Core]);
        view.index += 1;
        assert_eq!(view.open(), Err(RecordError::INDEX));
    }

    #[test]
    fn a_short_salt_is_refused() {
        let mut view = record().view(&[Part::Core]);
        let PartView::Opened(opened) = &mut view.core else { panic!("opened") };
        opened.salt.0.pop();
        assert_eq!(view.open(), Err(RecordError::SALT));
    }

    #[test]
    fn a_view_reads_back_from_json_and_unknown_members_are_refused() {
        let view = record().view(&[Part::Core]);
        let json = serde_json::to_string(&view).unwrap();
        assert_eq!(serde_json::from_str::<RecordView>(&json).unwrap(), view);
        let both = json.replacen(r#""salt":"#, r#""commitment":"","salt":"#, 1);
        assert!(serde_json::from_str::<RecordView>(&both).is_err());
    }

    #[test]
    fn an_array_stands_for_no_view_and_for_no_part() {
        let RecordView { index, core, case, exhibit } = record().view(&[Part::Core]);
        let array = serde_json::json!([index, core, case, exhibit]);
        assert!(serde_json::from_value::<RecordView>(array).is_err());
        let PartView::Opened(OpenedPart { bytes, salt }) = &core else { panic!("opened") };
        let view = serde_json::json!({"index": index, "core": [bytes, salt], "case": case, "exhibit": exhibit});
        assert!(serde_json::from_value::<RecordView>(view).is_err());
    }
}
