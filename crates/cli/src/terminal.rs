//! The terminal: passphrases in, words and tables out.

use std::fs::File;
use std::io::{IsTerminal as _, Read, Write as _};
use std::path::Path;
use std::sync::OnceLock;

use custodia_client::entries::{Fit, columns, wrapped};
use custodia_core::exhibit::path;

use crate::failure::Failure;

/// The longest passphrase that is read from a file descriptor, in bytes.
const MAX_PASSPHRASE_BYTES: usize = 4096;

/// What is done before the program ends because nobody reads on.
static BEFORE_LEAVING: OnceLock<Box<dyn Fn() + Send + Sync>> = OnceLock::new();

/// Has something done before the program ends because nobody reads on; the first to ask is heard.
pub fn before_leaving(last: impl Fn() + Send + Sync + 'static) {
    let _ = BEFORE_LEAVING.set(Box::new(last));
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

/// Writes a line of words to standard error.
pub fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Makes text of others safe for a terminal: no control characters, no changes of direction.
pub fn printable(text: &str) -> String {
    path::display(text.as_bytes())
}

/// Makes a path safe for a terminal; it need not be text.
pub fn printable_path(text: &Path) -> String {
    path::display(text.as_os_str().as_encoded_bytes())
}

/// Asks for a passphrase on the terminal, or reads one line from a file descriptor.
pub fn passphrase(fd: Option<u32>, what: &str, confirm: bool) -> Result<String, Failure> {
    match fd {
        Some(fd) => read_line(fd),
        None if std::io::stdin().is_terminal() => ask(what, confirm),
        None => Err(Failure::usage(
            format!("no terminal to ask for the passphrase of {what}"),
            "Give it on a file descriptor: --passphrase-fd 3 3< <(command that prints it).",
        )),
    }
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
        .map_err(|_| Failure::usage("the passphrase on the file descriptor is not UTF-8", "Write one line of text to it."))?;
    if text.is_empty() { Err(Failure::usage("the passphrase on the file descriptor is empty", "Write one line to it.")) } else { Ok(text) }
}

fn ask(what: &str, confirm: bool) -> Result<String, Failure> {
    let failed = |error: std::io::Error| Failure::usage(format!("the terminal gave no passphrase: {error}"), "");
    let first = rpassword::prompt_password(format!("Passphrase of {what}: ")).map_err(failed)?;
    if confirm && rpassword::prompt_password("The same again: ").map_err(failed)? != first {
        return Err(Failure::usage("the two passphrases differ", "Run the command again."));
    }
    Ok(first)
}

/// How many characters a line of standard output has, if it is a terminal.
pub fn width() -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(std::io::stdout())?;
    Some(usize::from(width.0))
}

/// Writes a paragraph, each line of it after `indent`; at a terminal the lines break between words.
pub fn say_indented(indent: &str, text: &str) {
    let room = width().map_or(usize::MAX - 1, |width| width.saturating_sub(indent.len()).max(20));
    for line in wrapped(text, room) {
        say(&format!("{indent}{line}"));
    }
}

/// Prints rows in columns; at a terminal no wider than it is, as far as ids stay whole.
pub fn table<const N: usize>(head: [&str; N], rows: Vec<[String; N]>) {
    let rows: Vec<[String; N]> = std::iter::once(head.map(str::to_owned)).chain(rows).collect();
    say(columns(&rows, width().map_or(Fit::Whole, Fit::Words)).trim_end());
}
