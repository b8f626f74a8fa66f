//! The intake by questions: one a line, again until the answer fits; a summary before anything is sealed.

use std::io::{BufRead, Write};

use custodia_core::exhibit::intake::Intake;
use toml::{Table, Value};

use super::fields::{FIELDS, Field, Need};
use super::{complete, get, set};
use crate::failure::{Code, Failure};
use crate::terminal::printable;

/// The longest answer, in bytes.
const MAX_ANSWER_BYTES: u64 = 32 * 1024;

/// Asks for every field, shows what was answered, and asks whether that is what is to be sealed.
pub fn ask(answers: &mut impl BufRead, out: &mut impl Write) -> Result<Intake, Failure> {
    let mut table = Table::new();
    for field in FIELDS {
        if (field.need)(&table) != Need::Never {
            ask_field(field, &mut table, answers, out)?;
        }
    }
    let intake = complete(&table)?;
    write(out, "\nTo be sealed with the evidence:\n")?;
    for field in FIELDS {
        if let Some(value) = get(&table, field.key) {
            write(out, &format!("  {:<38} {}\n", field.key, printable(&shown(value))))?;
        }
    }
    loop {
        write(out, "Is this right, and is the exhibit to be sealed? [yes, no]: ")?;
        match line(answers)?.as_str() {
            "yes" => return Ok(intake),
            "no" => return Err(Failure::new(Code::Declined, "nothing was sealed, as you asked", "")),
            _ => {}
        }
    }
}

fn ask_field(field: &Field, table: &mut Table, answers: &mut impl BufRead, out: &mut impl Write) -> Result<(), Failure> {
    let must = (field.need)(table) == Need::Must;
    let words = field.words().map(|words| format!(" [{words}]")).unwrap_or_default();
    let skip = if must { "" } else { " (Enter: none)" };
    loop {
        write(out, &format!("{}{words}{skip}: ", field.ask))?;
        let answer = line(answers)?;
        if answer.is_empty() && !must {
            return Ok(());
        }
        let read = if answer.is_empty() { Err("an answer is needed".to_owned()) } else { field.read(&answer, table) };
        match read {
            Ok(value) => {
                set(table, field.key, value);
                return Ok(());
            }
            Err(problem) => write(out, &format!("  {}\n", printable(&problem)))?,
        }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Boolean(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::Array(words) => words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        Value::Integer(number) => number.to_string(),
        Value::Float(_) | Value::Datetime(_) | Value::Table(_) => String::new(),
    }
}

fn line(answers: &mut impl BufRead) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let read = std::io::Read::take(answers, MAX_ANSWER_BYTES).read_until(b'\n', &mut bytes).map_err(|error| gone(&error.to_string()))?;
    if read == 0 {
        return Err(gone("it was closed"));
    }
    String::from_utf8(bytes).map(|text| text.trim().to_owned()).map_err(|_| gone("an answer is not text in UTF-8"))
}

fn write(out: &mut impl Write, text: &str) -> Result<(), Failure> {
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| gone(&error.to_string()))
}

fn gone(problem: &str) -> Failure {
    Failure::new(
        Code::InputNeeded,
        format!("the terminal gave no answer: {problem}"),
        "Nothing was sealed. Run the command again, or give flags or a form.",
    )
}
