//! The fields of an intake: their names in form and flags, how they are asked for, when, and the one check of each.

use custodia_core::exhibit::intake::{
    DerivationForm, ExhibitKind, FormLine, HandlingCode, InformationAccuracy, LegalBasisType, PersonCategory, SourceReliability, StateCode,
};
use custodia_core::exhibit::text::{CalendarDate, Line, Prose};
use custodia_core::ids::ExhibitId;
use custodia_core::time::ClaimedTime;
use toml::{Table, Value};

use super::get;

/// How a field is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Text,
    Word(&'static [&'static str]),
    Words(&'static [&'static str]),
    YesNo,
    Number,
}

/// Whether a field is asked for, as far as the rest is known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Need {
    Must,
    May,
    Never,
}

/// One field.
pub struct Field {
    /// Its name in the form, with dots.
    pub key: &'static str,
    /// Its flag.
    pub flag: &'static str,
    /// What it is, for a person.
    pub ask: &'static str,
    pub form: Form,
    pub need: fn(&Table) -> Need,
    /// With what it goes, if not with everything.
    pub only: &'static str,
    fits: fn(Value, &Table) -> Result<(), String>,
}

impl Field {
    /// The words that are allowed, as one text.
    pub fn words(&self) -> Option<String> {
        match self.form {
            Form::Word(words) => Some(words.join(", ")),
            Form::Words(words) => Some(format!("{}; several with commas, or none", words.join(", "))),
            Form::YesNo => Some("yes, no".to_owned()),
            Form::Text | Form::Number => None,
        }
    }

    /// Reads the field from a flag or an answer.
    pub fn read(&self, text: &str, table: &Table) -> Result<Value, String> {
        let text = text.trim();
        let value = match self.form {
            Form::Text | Form::Word(_) => Value::String(text.to_owned()),
            Form::Words(_) => {
                let words = text.split(',').map(str::trim).filter(|word| !word.is_empty() && *word != "none");
                Value::Array(words.map(|word| Value::String(word.to_owned())).collect())
            }
            Form::YesNo => match text {
                "yes" | "true" => Value::Boolean(true),
                "no" | "false" => Value::Boolean(false),
                _ => return Err(format!("{text:?} is neither yes nor no")),
            },
            Form::Number => Value::Integer(text.parse().map_err(|_| format!("{text:?} is not a whole number"))?),
        };
        self.check(value, table)
    }

    /// Checks a value that a form, a flag or an answer gave.
    pub fn check(&self, value: Value, table: &Table) -> Result<Value, String> {
        // TOML writes dates and times without quotes too.
        let value = match value {
            Value::Datetime(time) if self.form == Form::Text => Value::String(time.to_string()),
            value => value,
        };
        let unknown = |words: &[&str], value: &Value| match value.as_str() {
            Some(word) if words.contains(&word) => None,
            Some(word) => Some(format!("{word:?} is not one of {}", words.join(", "))),
            None => Some(format!("it is one of {}, in quotes", words.join(", "))),
        };
        let problem = match (self.form, &value) {
            (Form::Word(words), value) => unknown(words, value),
            (Form::Words(words), Value::Array(values)) => values.iter().find_map(|value| unknown(words, value)),
            (Form::Words(words), _) => Some(format!("it is a list of {}", words.join(", "))),
            (Form::YesNo, Value::Boolean(_)) | (Form::Number, Value::Integer(_)) | (Form::Text, Value::String(_)) => None,
            (Form::YesNo, _) => Some("it is true or false".to_owned()),
            (Form::Number, _) => Some("it is a whole number".to_owned()),
            (Form::Text, _) => Some("it is a text in quotes".to_owned()),
        };
        match problem {
            Some(problem) => Err(problem),
            None => (self.fits)(value.clone(), table).map(|()| value),
        }
    }
}

/// The check that the intake's own type makes.
macro_rules! of {
    ($type:ty) => {
        |value, _| value.try_into::<$type>().map(drop).map_err(|error| error.message().trim().to_owned())
    };
}

const fn must(_: &Table) -> Need {
    Need::Must
}

const fn may(_: &Table) -> Need {
    Need::May
}

/// Asked for only beside a field that was given.
fn beside(table: &Table, keys: &[&str], need: Need) -> Need {
    if keys.iter().any(|key| get(table, key).is_some()) { need } else { Need::Never }
}

const DEVICE: [&str; 4] = ["source.device.make", "source.device.model", "source.device.serial", "source.device.clock_deviation_seconds"];

fn device(table: &Table) -> Need {
    if get(table, "source.person").is_some() && beside(table, &DEVICE, Need::Must) == Need::Never { Need::May } else { Need::Must }
}

#[expect(clippy::unnecessary_wraps, reason = "the form of a check")]
fn any(_: Value, _: &Table) -> Result<(), String> {
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "the form of a check")]
fn ends_after_it_begins(value: Value, table: &Table) -> Result<(), String> {
    let read = |value: &Value| value.as_str().map(CalendarDate::parse);
    let end = read(&value).ok_or("it is a text in quotes")?.map_err(|error| error.to_string())?;
    match get(table, "legal_basis.valid_from").and_then(read) {
        Some(Ok(begin)) if end < begin => Err("the legal basis would end before it begins".to_owned()),
        _ => Ok(()),
    }
}

macro_rules! fields {
    ($($key:literal $flag:literal $form:expr, $need:expr, $fits:expr, $ask:literal $(only $only:literal)?;)+) => {
        /// Every field, in the order in which they are asked for.
        pub const FIELDS: &[Field] = &[$(
            Field { key: $key, flag: $flag, ask: $ask, form: $form, need: $need, only: concat!($($only)?), fits: $fits },
        )+];
    };
}

fields! {
    "exhibit_number" "exhibit-number" Form::Text, must, of!(Line<64>), "Exhibit number, as your office writes it";
    "root_exhibit_number" "root-exhibit-number" Form::Text, may, of!(Line<64>), "Number of the exhibit that it is part of";
    "title" "title" Form::Text, must, of!(FormLine), "Title";
    "description" "description" Form::Text, may, of!(Prose<16384>), "Description";
    "kind" "kind" Form::Word(ExhibitKind::WORDS), must, any, "Kind of thing";
    "seal_number" "seal-number" Form::Text, may, of!(Line<64>), "Number of the physical seal";
    "collected.by" "collected-by" Form::Text, must, of!(FormLine), "Who collected it";
    "collected.at" "collected-at" Form::Text, must, of!(ClaimedTime), "When it was collected, with zone, such as 2026-09-28T14:30:00+02:00";
    "collected.place" "collected-place" Form::Text, must, of!(FormLine), "Where it was collected";
    "source.person" "source-person" Form::Text, may, of!(FormLine), "From whom, if from a person or body";
    "source.device.make" "device-make" Form::Text, device, of!(Line<128>), "Maker of the device that it was collected from";
    "source.device.model" "device-model" Form::Text, |table| beside(table, &DEVICE, Need::Must), of!(Line<128>), "Model of that device" only "It describes a device.";
    "source.device.serial" "device-serial" Form::Text, |table| beside(table, &DEVICE, Need::May), of!(Line<128>), "Its serial number, IMEI or the like" only "It describes a device.";
    "source.device.clock_deviation_seconds" "clock-deviation-seconds" Form::Number, |table| beside(table, &DEVICE, Need::May), any, "Its clock minus true time, in whole seconds" only "It describes a device.";
    "acquisition.method" "method" Form::Text, must, of!(FormLine), "Method of acquisition, such as physical image, or export by the service provider";
    "acquisition.tool" "tool" Form::Text, may, of!(Line<128>), "Tool of acquisition";
    "acquisition.tool_version" "tool-version" Form::Text, may, of!(Line<64>), "Version of that tool";
    "acquisition.write_blocker" "write-blocker" Form::Text, may, of!(Line<128>), "Write blocker";
    "legal_basis.type" "legal-basis" Form::Word(LegalBasisType::WORDS), must, any, "Legal basis";
    "legal_basis.identifier" "legal-identifier" Form::Text, must, of!(Line<128>), "Its identifier, such as a file number";
    "legal_basis.authority" "legal-authority" Form::Text, must, of!(FormLine), "Authority that issued it";
    "legal_basis.state" "legal-state" Form::Text, must, of!(StateCode), "State of that authority, two upper-case letters";
    "legal_basis.valid_from" "legal-valid-from" Form::Text, must, of!(CalendarDate), "First day on which it is valid, YYYY-MM-DD";
    "legal_basis.valid_to" "legal-valid-to" Form::Text, may, ends_after_it_begins, "Last day on which it is valid, YYYY-MM-DD";
    "handling" "handling" Form::Word(HandlingCode::WORDS), must, any, "Handling code (H0 general; H1 not in court, H2 not passed on without the provider's permission; H3 as stated)";
    "handling_restriction" "handling-restriction" Form::Text, |table| if get(table, "handling").and_then(Value::as_str) == Some("H3") { Need::Must } else { Need::Never }, of!(Prose<4096>), "What the restriction is" only "It goes with handling code H3.";
    "evaluation.source" "source-evaluation" Form::Word(SourceReliability::WORDS), must, any, "Evaluation of the source (A no doubt, B mostly reliable, C mostly unreliable, X cannot be assessed)";
    "evaluation.information" "information-evaluation" Form::Word(InformationAccuracy::WORDS), must, any, "Evaluation of the information (1 not in doubt, 2 known to the source, 3 corroborated, 4 not corroborated)";
    "person_categories" "person-categories" Form::Words(PersonCategory::WORDS), may, any, "Whose data it holds";
    "special_category" "special-category" Form::YesNo, must, any, "Does it hold special categories of data (health, sexual life, origin, beliefs; LED Art 10)";
    "child" "child" Form::YesNo, must, any, "Does it concern a child, or somebody whose age is uncertain";
    "derived_from.exhibit" "derived-from" Form::Text, may, of!(ExhibitId), "Id of the exhibit that it was made from";
    "derived_from.how" "how" Form::Word(DerivationForm::WORDS), |table| beside(table, &["derived_from.exhibit"], Need::Must), any, "How it was made from that exhibit" only "It goes with --derived-from.";
    "review_date" "review" Form::Text, must, of!(CalendarDate), "Day on which the need to keep it is reviewed, YYYY-MM-DD";
}
