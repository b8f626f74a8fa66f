//! What is recorded about an exhibit, given in three ways: a form, flags, questions at a terminal.
//!
//! All three fill one table, field by field, and each field has one check. The table becomes an [`Intake`] in one place ([`complete`]), so no
//! way in accepts what another refuses. A flag overrides the form.

mod fields;
mod questions;

use std::path::Path;

use clap::{Arg, ArgMatches, Command};
use custodia_core::exhibit::intake::Intake;
use toml::{Table, Value};

use super::read_text;
use crate::failure::{Code, Failure};
use fields::{FIELDS, Field, Need};

pub use questions::ask;

/// An empty intake form with every field explained.
pub const TEMPLATE: &str = include_str!("../../intake-form.toml");

const NEXT: &str = "Give them as flags or in a form (`custodia exhibit add --template` prints one); at a terminal, without form and flags, they are asked for.";

/// The intake's flags that were given, as text.
pub struct Flags(Vec<(&'static Field, String)>);

impl Flags {
    /// Whether none was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl clap::Args for Flags {
    fn augment_args(command: Command) -> Command {
        let flag = |field: &'static Field| {
            let help = match field.words() {
                Some(words) => format!("{}: {words}", field.ask),
                None => field.ask.to_owned(),
            };
            Arg::new(field.flag).long(field.flag).help(help).help_heading("Intake").allow_hyphen_values(true)
        };
        command.args(FIELDS.iter().map(flag))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |field: &'static Field| matches.get_one::<String>(field.flag).map(|text| (field, text.clone()));
        Ok(Self(FIELDS.iter().filter_map(given).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Reads form and flags; none if neither was given.
pub fn given(form: Option<&Path>, flags: &Flags) -> Result<Option<Intake>, Failure> {
    if form.is_none() && flags.0.is_empty() {
        return Ok(None);
    }
    let mut table = form.map(read_form).transpose()?.unwrap_or_default();
    for (field, text) in &flags.0 {
        let wrong = |problem| Failure::usage(format!("--{}: {problem}", field.flag), "");
        let value = field.read(text, &table).map_err(wrong)?;
        set(&mut table, field.key, value);
    }
    complete(&table).map(Some)
}

/// The error of an intake for which nothing was given and nobody can be asked.
pub fn nothing_given() -> Failure {
    missing(&Table::new())
}

fn read_form(path: &Path) -> Result<Table, Failure> {
    let wrong =
        |problem: String| Failure::malformed(path, problem, "`custodia exhibit add --template` prints a form with every field explained.");
    let form: Table = toml::from_str(&read_text(path)?).map_err(|error| wrong(error.to_string()))?;
    let mut table = Table::new();
    for (key, value) in leaves(&form) {
        let field = FIELDS.iter().find(|field| field.key == key).ok_or_else(|| wrong(format!("there is no field {key}")))?;
        // A line that was left as it is in the template says nothing.
        if value.as_str() == Some("") {
            continue;
        }
        let value = field.check(value, &table).map_err(|problem| wrong(format!("{key}: {problem}")))?;
        set(&mut table, field.key, value);
    }
    Ok(table)
}

/// Every value that is not itself a table, with its dotted name, in the order of [`FIELDS`] where it has one.
fn leaves(form: &Table) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    let mut waiting = vec![(String::new(), form.clone())];
    while let Some((prefix, table)) = waiting.pop() {
        for (name, value) in table {
            match value {
                Value::Table(inner) => waiting.push((format!("{prefix}{name}."), inner)),
                value => all.push((format!("{prefix}{name}"), value)),
            }
        }
    }
    all.sort_by_key(|(key, _)| FIELDS.iter().position(|field| field.key == *key));
    all
}

fn get<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    let (folder, name) = key.rsplit_once('.').unwrap_or(("", key));
    let inner = folder.split('.').filter(|part| !part.is_empty()).try_fold(table, |table, part| table.get(part)?.as_table())?;
    inner.get(name)
}

fn set(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((folder, rest)) => {
            let inner = table.entry(folder).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                set(inner, rest, value);
            }
        }
    }
}

/// What is asked for and was not given.
fn lacking(table: &Table) -> Vec<&'static Field> {
    FIELDS.iter().filter(|field| get(table, field.key).is_none() && (field.need)(table) == Need::Must).collect()
}

fn missing(table: &Table) -> Failure {
    let name = |field: &&Field| match field.words() {
        None if field.flag == "device-make" && get(table, "source.device").is_none() => "--source-person or --device-make".to_owned(),
        Some(words) => format!("--{} ({words})", field.flag),
        None => format!("--{}", field.flag),
    };
    let names: Vec<String> = lacking(table).iter().map(name).collect();
    Failure::new(Code::IntakeIncomplete, format!("the intake lacks {}", names.join(", ")), NEXT)
}

/// Makes the intake of what was given, or names what is missing or does not fit.
fn complete(table: &Table) -> Result<Intake, Failure> {
    if !lacking(table).is_empty() {
        return Err(missing(table));
    }
    if let Some(field) = FIELDS.iter().find(|field| get(table, field.key).is_some() && (field.need)(table) == Need::Never) {
        return Err(Failure::new(Code::IntakeIncomplete, format!("--{} does not go with the rest of the intake", field.flag), field.only));
    }
    let mut table = table.clone();
    for (key, empty) in [("person_categories", Value::Array(Vec::new())), ("source", Value::Table(Table::new()))] {
        table.entry(key).or_insert(empty);
    }
    let intake: Intake = table
        .try_into()
        .map_err(|error: toml::de::Error| Failure::new(Code::IntakeIncomplete, format!("the intake: {}", error.message()), ""))?;
    intake.check().map_err(|rule| Failure::new(Code::IntakeIncomplete, format!("the intake: {rule}"), ""))?;
    Ok(intake)
}

#[cfg(test)]
mod tests;
