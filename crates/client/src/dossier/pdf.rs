//! The report as PDF, by `custodia-report`: a program of its own (decision 16), which gets the same document as the HTML.
//!
//! It gets the report on standard input, a folder within the private one, and nothing of this process's environment. What it says is not believed
//! beyond the names of its files.

use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use custodia_papers::Document;

use super::custody::TagFiles;
use super::papers::FOLDER;

/// How long the program may take for one language. 100,000 acts take it some minutes.
const PATIENCE: Duration = Duration::from_mins(30);
/// How often it is asked whether it has ended.
const GLANCE: Duration = Duration::from_millis(10);
/// The largest file that is taken: what verifiers read of a tag file.
const MAX_FILE_BYTES: u64 = 1 << 30;
/// How much of its words is kept.
const MAX_WORDS: u64 = 64 * 1024;
/// The most of its complaint that is shown, in characters.
const MOST_SHOWN: usize = 500;

/// The program that makes PDF of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportProgram {
    /// Its file.
    pub path: PathBuf,
    /// Folders with fonts for what its own lack.
    pub fonts: Vec<PathBuf>,
}

/// Why there is no PDF of a report. The dossier is whole without.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPdf {
    /// No program was named.
    #[error("no program custodia-report was found")]
    NoProgram,
    /// The program did not run, or what it wrote cannot be read.
    #[error("{program}: {problem}")]
    NotRun {
        /// Its file.
        program: String,
        /// What the system says.
        problem: String,
    },
    /// The program ended with a complaint.
    #[error("{program} ended with {status} and said: {said}")]
    Failed {
        /// Its file.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The beginning of what it wrote to standard error.
        said: String,
    },
    /// The program was ended.
    #[error("{program} did not end within {} minutes", PATIENCE.as_secs() / 60)]
    TooSlow {
        /// Its file.
        program: String,
    },
    /// What it wrote is not what it is asked for.
    #[error("{program} wrote something else than PDF files of this report: {what}")]
    Strange {
        /// Its file.
        program: String,
        /// The name that it gave.
        what: String,
    },
}

/// The PDF files of a report by their paths in the dossier. `made` is RFC 3339; `folder` is private.
pub(super) fn make(program: &ReportProgram, document: &Document, made: &str, folder: &Path) -> Result<TagFiles, NoPdf> {
    let name = || program.path.display().to_string();
    let not_run = |error: std::io::Error| NoPdf::NotRun { program: name(), problem: error.to_string() };
    let json = serde_json::to_vec(document).expect("a document is plain data");
    let output = tempfile::tempdir_in(folder).map_err(not_run)?;
    let mut command = Command::new(&program.path);
    command.arg("--made").arg(made).arg("--output").arg(output.path());
    for fonts in &program.fonts {
        command.arg("--fonts").arg(fonts);
    }
    command.env_clear().current_dir(output.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(not_run)?;
    let mut stdin = child.stdin.take().expect("it is piped");
    // It may end without reading all: then its complaint counts, not ours.
    let writer = thread::spawn(move || stdin.write_all(&json).ok());
    let named = words_of(child.stdout.take().expect("it is piped"));
    let complaint = words_of(child.stderr.take().expect("it is piped"));
    let Some(status) = ended(&mut child).map_err(not_run)? else { return Err(NoPdf::TooSlow { program: name() }) };
    let _ = writer.join();
    let (named, complaint) = (named.join().unwrap_or_default(), complaint.join().unwrap_or_default());
    if !status.success() {
        return Err(NoPdf::Failed { program: name(), status, said: complaint.trim().chars().take(MOST_SHOWN).collect() });
    }
    let strange = |what: &str| NoPdf::Strange { program: name(), what: what.chars().take(MOST_SHOWN).collect() };
    let mut files = TagFiles::new();
    for line in named.lines() {
        if !is_name(line, document.language.code()) {
            return Err(strange(line));
        }
        let mut bytes = Vec::new();
        let file = std::fs::File::open(output.path().join(line)).map_err(not_run)?;
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(not_run)?;
        if !bytes.starts_with(b"%PDF-") || bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(strange(line));
        }
        files.insert(format!("{FOLDER}{line}"), bytes);
    }
    if files.is_empty() { Err(strange("nothing")) } else { Ok(files) }
}

/// Reads the beginning of what a program says, and lets the rest pass, so that it is never held up.
fn words_of(mut from: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut words = Vec::new();
        let _ = from.by_ref().take(MAX_WORDS).read_to_end(&mut words);
        let _ = std::io::copy(&mut from, &mut std::io::sink());
        String::from_utf8_lossy(&words).into_owned()
    })
}

/// Waits for the program; none if it had to be ended.
fn ended(child: &mut Child) -> std::io::Result<Option<ExitStatus>> {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= until {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(GLANCE);
    }
}

/// Whether it is `report.<language>.pdf`, or `report.<language>.<n>.pdf` with n from 1.
fn is_name(name: &str, language: &str) -> bool {
    let Some(rest) = name.strip_prefix("report.").and_then(|rest| rest.strip_prefix(language)).and_then(|rest| rest.strip_suffix(".pdf"))
    else {
        return false;
    };
    let number = |text: &str| text.len() <= 6 && !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    rest.is_empty() || rest.strip_prefix('.').is_some_and(|text| !text.is_empty() && number(text))
}
