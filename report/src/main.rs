//! `custodia-report`: reads a report as JSON on standard input, writes it as PDF into a folder, and names each file on standard output.

#![cfg_attr(clippy, deny(warnings))]

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use custodia_report::{MOST_BYTES, Options, ROWS_A_PART, report};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const HELP: &str = "\
Writes a report as PDF/A-2a and PDF/UA-1. `custodia dossier make` calls it.

  custodia-report --made TIME --output FOLDER [--fonts FOLDER]... [--rows N] < document.json

  --made TIME      when the dossier was made (RFC 3339): the date in the PDF
  --output FOLDER  an existing folder; the files are named report.<language>.pdf, or report.<language>.<n>.pdf if there are parts
  --fonts FOLDER   a folder with fonts that are used where the program's own lack a character, such as /usr/share/fonts/truetype/noto
  --rows N         how many rows one file has at most, long ones counted as several (2500)

The names of the files are written to standard output, one a line, each when the file is whole.
";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // Nobody is left to tell if standard error is closed.
            let _ = writeln!(std::io::stderr(), "custodia-report: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let Some((options, output)) = arguments(std::env::args().skip(1))? else {
        return std::io::stdout().write_all(HELP.as_bytes()).map_err(|e| e.to_string());
    };
    let mut json = Vec::new();
    std::io::stdin().lock().take(MOST_BYTES + 1).read_to_end(&mut json).map_err(|e| format!("standard input: {e}"))?;
    if json.len() as u64 > MOST_BYTES {
        return Err(format!("the report has more than {MOST_BYTES} bytes of JSON"));
    }
    report(&json, &options, |file| {
        let path = output.join(&file.name);
        std::fs::write(&path, &file.bytes).map_err(|e| std::io::Error::new(e.kind(), format!("{}: {e}", path.display())))?;
        writeln!(std::io::stdout(), "{}", file.name)
    })
    .map_err(|e| e.to_string())
}

/// The options and the output folder; none if help is asked for.
fn arguments(mut words: impl Iterator<Item = String>) -> Result<Option<(Options, PathBuf)>, String> {
    let (mut made, mut output, mut fonts, mut rows_a_part) = (None, None, Vec::new(), ROWS_A_PART);
    while let Some(word) = words.next() {
        if word == "--help" || word == "-h" {
            return Ok(None);
        }
        let value = words.next().ok_or_else(|| format!("{word}: what follows it? See --help"))?;
        match word.as_str() {
            "--made" => made = Some(OffsetDateTime::parse(&value, &Rfc3339).map_err(|e| format!("--made {value}: {e}"))?),
            "--output" => output = Some(PathBuf::from(value)),
            "--fonts" => fonts.push(PathBuf::from(value)),
            "--rows" => {
                rows_a_part = value.parse().ok().filter(|rows| *rows > 0).ok_or_else(|| format!("--rows {value}: a number from 1"))?;
            }
            _ => return Err(format!("{word}: no such option. See --help")),
        }
    }
    let made = made.ok_or("--made is missing. See --help")?;
    let output = output.ok_or("--output is missing. See --help")?;
    Ok(Some((Options { made, fonts, rows_a_part }, output)))
}
