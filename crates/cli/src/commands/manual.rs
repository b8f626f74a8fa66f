//! `custodia completions` and `custodia man`: made from the commands themselves, so they say what the program does.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;
use serde::Serialize;

use super::write_new;
use crate::failure::{Code, Failure};
use crate::terminal::{Answer, answer, note, printable_path};

/// Options of `custodia completions`.
#[derive(Args)]
pub struct Completions {
    /// bash, zsh, fish or another shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// A script of completions.
#[derive(Serialize)]
pub struct Script {
    /// For which shell.
    shell: String,
    /// The script.
    script: String,
}

impl Answer for Script {
    fn text(&self) -> String {
        self.script.clone()
    }
}

/// Prints a script of completions.
pub fn complete(options: &Completions, command: &mut clap::Command) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, command, "custodia", &mut script);
    answer(&Script { shell: options.shell.to_string(), script: String::from_utf8_lossy(&script).into_owned() })
}

/// Options of `custodia man`.
#[derive(Args)]
pub struct Pages {
    /// The folder to write them to, such as ~/.local/share/man/man1; it is made if it does not exist.
    folder: PathBuf,
}

/// The pages that were written.
#[derive(Serialize)]
pub struct Written {
    /// Their paths.
    pages: Vec<String>,
}

impl Answer for Written {
    fn text(&self) -> String {
        String::new()
    }
}

/// Writes the manual pages.
pub fn pages(options: &Pages, command: clap::Command) -> Result<(), Failure> {
    std::fs::create_dir_all(&options.folder).map_err(|error| Failure::file(&options.folder, &error))?;
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut written = Vec::new();
    for (name, page) in rendered(&command).map_err(|error| Failure::new(Code::Unexpected, error.to_string(), ""))? {
        let path = options.folder.join(format!("{name}.1"));
        write_new(&path, &page)?;
        written.push(printable_path(&path));
    }
    note(&format!("{} pages lie in {}; read one: man -l {}", written.len(), printable_path(&options.folder), written[0]));
    answer(&Written { pages: written })
}

/// A command's page and those below it, by name, such as `custodia-case-list`.
fn rendered(command: &clap::Command) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    let mut pages = vec![(name, page)];
    for sub in command.get_subcommands() {
        pages.extend(rendered(sub)?);
    }
    Ok(pages)
}
