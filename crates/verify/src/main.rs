//! `custodia-verify DOSSIER --trust FILE [--details | --json]`: exit code 0 PASSED, 3 FAILED or INDETERMINATE, 1 unreadable, 2 usage.

use std::fs::File;
use std::io::{BufReader, Write as _};
use std::process::ExitCode;

use custodia_core::finding::Verdict;
use custodia_verify::Trust;

const USAGE: &str = "\
custodia-verify: checks a dossier offline, by what your own trust file pins.

Usage: custodia-verify DOSSIER --trust FILE [--details | --json]

Exit code: 0 PASSED; 3 FAILED or INDETERMINATE; 1 a file could not be read; 2 these words were not understood.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut out = std::io::stdout();
    let mut err = std::io::stderr();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (dossier, trust, mode) = match words.as_slice() {
        [dossier, "--trust", trust] | ["--trust", trust, dossier] => (*dossier, *trust, ""),
        [dossier, "--trust", trust, mode @ ("--json" | "--details")] => (*dossier, *trust, *mode),
        ["--help" | "-h"] => {
            let _ = out.write_all(USAGE.as_bytes());
            return ExitCode::SUCCESS;
        }
        _ => {
            let _ = err.write_all(USAGE.as_bytes());
            return ExitCode::from(2);
        }
    };
    match run(dossier, trust, mode) {
        Ok((text, verdict)) => {
            let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            if written.is_err() {
                return ExitCode::FAILURE;
            }
            if verdict == Verdict::Passed { ExitCode::SUCCESS } else { ExitCode::from(3) }
        }
        Err(text) => {
            let _ = writeln!(err, "custodia-verify: {text}");
            ExitCode::FAILURE
        }
    }
}

fn run(dossier: &str, trust: &str, mode: &str) -> Result<(String, Verdict), String> {
    let text =
        std::fs::read_to_string(trust).map_err(|error| format!("{trust}: {error}. Give the path of your trust file after --trust."))?;
    let trust = Trust::parse(&text).map_err(|error| error.to_string())?;
    let file = File::open(dossier).map_err(|error| format!("{dossier}: {error}. Give the path of the dossier first."))?;
    let report = custodia_verify::verify(BufReader::new(file), &trust).map_err(|error| format!("{dossier}: {error}"))?;
    let text = if mode == "--json" { format!("{:#}\n", report.to_json()) } else { report.to_text(mode == "--details") };
    Ok((text, report.verdict))
}
