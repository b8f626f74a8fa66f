//! `custodia schema`: what commands write under `--json`.

use clap::Args;
use serde::Serialize;

use crate::failure::{Code, Failure};
use crate::schema;
use crate::terminal::{Answer, answer, printable};

/// Options of `custodia schema`.
#[derive(Args)]
pub struct Options {
    /// The command, such as `case list`; `error` and `note` describe the lines on standard error. Without it: every name that has a schema.
    command: Vec<String>,
}

/// One schema, or the names of all.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Described {
    /// A JSON Schema (draft 2020-12).
    One(serde_json::Value),
    /// What has a schema.
    Names(Vec<&'static str>),
}

impl Answer for Described {
    fn text(&self) -> String {
        match self {
            Self::One(schema) => format!("{schema:#}"),
            Self::Names(names) => names.join("\n"),
        }
    }
}

/// Prints a schema, or the names of all.
pub fn run(options: &Options) -> Result<(), Failure> {
    if options.command.is_empty() {
        return answer(&Described::Names(schema::names().collect()));
    }
    let name = options.command.join(" ");
    let unknown = || Failure::new(Code::NotFound, format!("no command is called {}", printable(&name)), "`custodia schema` lists them.");
    answer(&Described::One(schema::of(&name).ok_or_else(unknown)?))
}
