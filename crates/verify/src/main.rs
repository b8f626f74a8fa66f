//! `custodia-verify DOSSIER --trust FILE`: exit code 0 PASSED, 3 FAILED or INDETERMINATE, 1 unreadable, 2 usage.

use std::fs::File;
use std::io::{BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use custodia_core::finding::Verdict;
use custodia_verify::Trust;
use custodia_verify::arguments::{self, Asked, Options, ReportForm};

const USAGE: &str = "\
custodia-verify: checks a dossier offline, by what your own trust file pins.

Usage: custodia-verify DOSSIER --trust FILE [--simple | --details | --json]

  --trust FILE  your trust file; nothing in a dossier adds to it
  --simple      the verdict in one sentence, and what it does not prove
  --details     every check on every record
  --json        the report for programs
  --version     the version of this program

It reads the dossier as one file and extracts nothing; it opens no connection and writes no file.

Exit code: 0 PASSED; 3 FAILED or INDETERMINATE; 1 a file could not be read; 2 these words were not understood.
";

/// The most bytes of a trust file.
const MAX_TRUST_BYTES: u64 = 4 * 1024 * 1024;

fn main() -> ExitCode {
    let mut out = std::io::stdout();
    let mut err = std::io::stderr();
    let (text, code) = match arguments::read(std::env::args_os().skip(1)) {
        Ok(Asked::Help) => (USAGE.to_owned(), ExitCode::SUCCESS),
        Ok(Asked::Version) => (format!("custodia-verify {}\n", env!("CARGO_PKG_VERSION")), ExitCode::SUCCESS),
        Ok(Asked::Verify(options)) => match run(&options) {
            Ok((text, Verdict::Passed)) => (text, ExitCode::SUCCESS),
            Ok((text, _)) => (text, ExitCode::from(3)),
            Err(text) => {
                let _ = writeln!(err, "custodia-verify: {text}");
                return ExitCode::FAILURE;
            }
        },
        Err(text) => {
            let _ = write!(err, "custodia-verify: {text}.\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() { ExitCode::FAILURE } else { code }
}

fn run(options: &Options) -> Result<(String, Verdict), String> {
    let shown = |path: &Path| path.display().to_string();
    let trust = read_trust(&options.trust).map_err(|problem| format!("{}: {problem}", shown(&options.trust)))?;
    let file = File::open(&options.dossier).map_err(|error| format!("{}: {error}", shown(&options.dossier)))?;
    let report = custodia_verify::verify(BufReader::new(file), &trust).map_err(|error| format!("{}: {error}", shown(&options.dossier)))?;
    let text = match options.form {
        ReportForm::Simple => report.to_simple_text(),
        ReportForm::Default => report.to_text(false),
        ReportForm::Details => report.to_text(true),
        ReportForm::Json => format!("{:#}\n", report.to_json()),
    };
    Ok((text, report.verdict))
}

fn read_trust(path: &Path) -> Result<Trust, String> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(MAX_TRUST_BYTES + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > MAX_TRUST_BYTES {
        return Err(format!("a trust file has no more than {MAX_TRUST_BYTES} bytes"));
    }
    Trust::parse(&text).map_err(|error| error.to_string())
}
