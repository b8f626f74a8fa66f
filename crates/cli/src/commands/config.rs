//! `custodia config …`: what this program works with, and where each setting comes from.

use clap::Subcommand;
use serde::Serialize;

use crate::failure::Failure;
use crate::settings::{Key, Settings, places};
use crate::terminal::{Answer, answer, printable, table};

/// Commands of the configuration.
#[derive(Subcommand)]
pub enum Command {
    /// Show every setting that has a value.
    Show {
        /// Also where each comes from, and which files are read.
        #[arg(long)]
        origin: bool,
    },
}

/// The settings.
#[derive(Serialize)]
pub struct Shown {
    settings: Vec<Setting>,
    /// The files that are read, those that count more first; one need not exist.
    files: Vec<String>,
    #[serde(skip)]
    origin: bool,
}

/// One setting.
#[derive(Serialize)]
struct Setting {
    /// Its name in a configuration.
    key: &'static str,
    /// Its value; null if it has none.
    value: Option<String>,
    /// Where the value comes from: a flag, the environment, a file with its line, or the default.
    origin: Option<String>,
    /// Its name in the environment.
    variable: String,
}

impl Answer for Shown {
    fn text(&self) -> String {
        let value = |setting: &Setting| setting.value.as_deref().map_or_else(|| "(none)".to_owned(), printable);
        if !self.origin {
            let line = |setting: &Setting| format!("{} = {}", setting.key, value(setting));
            return self.settings.iter().filter(|setting| setting.value.is_some()).map(line).collect::<Vec<_>>().join("\n");
        }
        let row = |setting: &Setting| {
            let origin = setting.origin.clone().unwrap_or_else(|| format!("{} is not set", setting.variable));
            [setting.key.to_owned(), value(setting), origin]
        };
        format!(
            "{}\n\nread, those above count more: {}",
            table(["KEY", "VALUE", "FROM"], self.settings.iter().map(row).collect()),
            self.files.join(", ")
        )
    }
}

/// Runs a command of the configuration.
pub fn run(command: &Command, settings: &Settings) -> Result<(), Failure> {
    let Command::Show { origin } = command;
    let shown = Key::ALL.into_iter().map(|key| {
        let found = settings.get(key);
        Setting {
            key: key.name(),
            value: found.map(|(value, _)| value.to_string_lossy().into_owned()),
            origin: found.map(|(_, origin)| origin.to_string()),
            variable: key.variable(),
        }
    });
    let files = places(|name| std::env::var_os(name)).iter().map(|path| crate::terminal::printable_path(path)).collect();
    answer(&Shown { settings: shown.collect(), files, origin: *origin })
}
