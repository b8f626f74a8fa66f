//! The terminal: passphrases in, data and words out.
//!
//! Data goes to standard output, in words for people or as JSON; everything else goes to standard error: under `--json` one JSON object a
//! line, under `--quiet` only what failed.

use std::fs::File;
use std::io::{IsTerminal as _, Read, Write as _};
use std::path::Path;
use std::sync::OnceLock;

use custodia_client::entries::{Fit, columns, wrapped};
use custodia_client::seal::Progress;
use custodia_core::exhibit::path;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::failure::{Code, Failure};

/// The longest passphrase that is read from a file descriptor, in bytes.
const MAX_PASSPHRASE_BYTES: usize = 4096;

/// How this process speaks; decided once, from flags, environment and configuration.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manners {
    /// Data, words and errors as JSON.
    pub json: bool,
    /// No words but those of an error.
    pub quiet: bool,
    /// Nobody is asked anything.
    pub no_input: bool,
}

/// What is done before the program ends because nobody reads on.
static BEFORE_LEAVING: OnceLock<Box<dyn Fn() + Send + Sync>> = OnceLock::new();

/// Has something done before the program ends because nobody reads on; the first to ask is heard.
pub fn before_leaving(last: impl Fn() + Send + Sync + 'static) {
    let _ = BEFORE_LEAVING.set(Box::new(last));
}

static MANNERS: OnceLock<Manners> = OnceLock::new();

/// Decides how this process speaks; the first decision stays.
pub fn behave(manners: Manners) {
    let _ = MANNERS.set(manners);
}

/// How this program behaves, as the settings said.
pub fn manners() -> Manners {
    MANNERS.get().copied().unwrap_or_default()
}

/// The data that a command answers with: one type a command, in words and as JSON. `docs/schema` describes the JSON.
pub trait Answer: Serialize {
    /// The answer for a person; empty where the words on standard error say it all.
    fn text(&self) -> String;
}

/// Writes a command's data to standard output.
pub fn answer(data: &impl Answer) -> Result<(), Failure> {
    if manners().json {
        let json = serde_json::to_string(data).map_err(|error| Failure::new(Code::Unexpected, error.to_string(), ""))?;
        say(&json);
    } else {
        let text = data.text();
        if !text.is_empty() {
            say(text.trim_end_matches('\n'));
        }
    }
    Ok(())
}

/// Writes a line of data to standard output; a reader that went away ends the program quietly.
pub fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    if writeln!(out, "{text}").and_then(|()| out.flush()).is_err() {
        if let Some(last) = BEFORE_LEAVING.get() {
            last();
        }
        std::process::exit(0);
    }
}

/// Words as they are written to standard error under `--json`.
#[derive(Serialize)]
pub struct NoteOutput<'a> {
    /// What happened, or what is to be known.
    note: &'a str,
}

/// Writes a line of words to standard error.
pub fn note(text: &str) {
    let manners = manners();
    if manners.quiet {
        return;
    }
    match serde_json::to_string(&NoteOutput { note: text }) {
        Ok(json) if manners.json => complain(&json),
        _ => complain(text),
    }
}

/// Writes a line of words that nobody may miss to standard error, under `--quiet` too.
pub fn warn(text: &str) {
    match serde_json::to_string(&NoteOutput { note: text }) {
        Ok(json) if manners().json => complain(&json),
        _ => complain(text),
    }
}

/// Writes a line to standard error, whatever the manners.
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Writes an error and its next step to standard error.
pub fn fail(failure: &Failure) {
    match serde_json::to_string(&failure.output()) {
        Ok(json) if manners().json => complain(&json),
        _ => complain(&format!("custodia: {}\n  {}", failure.message, failure.next)),
    }
}

/// A bar on standard error that shows how many of the `things` are done, on a terminal only and not under `--quiet` or `--json`.
pub fn bar(what: &'static str, things: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(&format!("{{msg}} {{bar:40}} {{pos}}/{{len}} {things}, {{eta}} to go"))
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(0).with_style(style).with_message(what);
    let manners = manners();
    if manners.quiet || manners.json {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    bar
}

/// Moves a bar on.
pub fn show_progress(bar: &ProgressBar, progress: Progress) {
    bar.set_length(progress.of);
    bar.set_position(progress.segments);
}

/// Makes text of others safe for a terminal: no control characters, no changes of direction.
pub fn printable(text: &str) -> String {
    path::display(text.as_bytes())
}

/// Makes a path safe for a terminal; it need not be text.
pub fn printable_path(text: &Path) -> String {
    path::display(text.as_os_str().as_encoded_bytes())
}

/// Whether somebody can be asked.
pub fn may_ask() -> bool {
    !manners().no_input && std::io::stdin().is_terminal()
}

/// Asks for a passphrase on the terminal, or reads one line from a file descriptor.
pub fn passphrase(fd: Option<u32>, what: &str, confirm: bool) -> Result<String, Failure> {
    match fd {
        Some(fd) => read_line(fd),
        None if may_ask() => ask(what, confirm),
        None => Err(Failure::new(
            Code::InputNeeded,
            format!("nobody can be asked for the passphrase of {what}"),
            "Give it on a file descriptor: --passphrase-fd 3 3< <(command that prints it).",
        )),
    }
}

fn unusable(problem: impl Into<String>, next: &str) -> Failure {
    Failure::new(Code::PassphraseUnusable, problem, next)
}

/// Reads one line byte by byte, so that a second passphrase is still there for whoever asks next.
fn read_line(fd: u32) -> Result<String, Failure> {
    let path = std::path::PathBuf::from(format!("/dev/fd/{fd}"));
    let mut line = Vec::new();
    // Standard input is read as it is: opened anew it would ask for the permission of whoever opened it first.
    let mut file: Box<dyn Read> = match fd {
        0 => Box::new(std::io::stdin().lock()),
        _ => Box::new(File::open(&path).map_err(|error| Failure::file(&path, &error))?),
    };
    let mut byte = [0];
    while line.len() < MAX_PASSPHRASE_BYTES {
        let read = file.read(&mut byte).map_err(|error| Failure::file(&path, &error))?;
        if read == 0 || byte == [b'\n'] {
            break;
        }
        line.extend(byte);
    }
    let text = String::from_utf8(line)
        .map_err(|_| unusable("the passphrase on the file descriptor is not UTF-8", "Write one line of text to it."))?;
    if text.is_empty() { Err(unusable("the passphrase on the file descriptor is empty", "Write one line to it.")) } else { Ok(text) }
}

fn ask(what: &str, confirm: bool) -> Result<String, Failure> {
    let failed = |error: std::io::Error| unusable(format!("the terminal gave no passphrase: {error}"), "");
    let first = rpassword::prompt_password(format!("Passphrase of {what}: ")).map_err(failed)?;
    if confirm && rpassword::prompt_password("The same again: ").map_err(failed)? != first {
        return Err(unusable("the two passphrases differ", ""));
    }
    Ok(first)
}

/// How many characters a line of standard output has, if it is a terminal.
pub fn width() -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(std::io::stdout())?;
    Some(usize::from(width.0))
}

/// A paragraph, each line of it after `indent`; at a terminal the lines break between words.
pub fn indented(indent: &str, text: &str) -> String {
    let room = width().map_or(usize::MAX - 1, |width| width.saturating_sub(indent.len()).max(20));
    wrapped(text, room).iter().map(|line| format!("{indent}{line}")).collect::<Vec<_>>().join("\n")
}

/// Rows in columns; at a terminal no wider than it is, as far as ids stay whole.
pub fn table<const N: usize>(head: [&str; N], rows: Vec<[String; N]>) -> String {
    let rows: Vec<[String; N]> = std::iter::once(head.map(str::to_owned)).chain(rows).collect();
    columns(&rows, width().map_or(Fit::Whole, Fit::Words)).trim_end().to_owned()
}
