//! `custodia exhibit …`: evidence is taken in, listed, opened, written out.

pub mod acts;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use custodia_client::http::HttpError;
use custodia_client::open::{ExportError, ExportedFile, OpenedExhibit, Opening};
use custodia_client::seal::NewExhibit;
use custodia_client::{Agent, AgentError, Statement};
use custodia_core::custody::body::Handling;
use custodia_core::custody::kind::Purpose;
use custodia_core::digest::{Blake3Digest, Sha256Digest};
use custodia_core::exhibit::path;
use custodia_core::ids::{CaseId, ExhibitId};
use serde::{Serialize, Serializer};

use super::intake::{self, Flags, TEMPLATE};
use super::{Reason, agent_in_touch, find_case};
use crate::failure::{Code, Failure};
use crate::settings::Settings;
use crate::terminal::{Answer, answer, bar, may_ask, note, printable, printable_path, show_progress, table};

/// Commands of evidence.
#[derive(Subcommand)]
pub enum Command {
    /// Take files or folders in as one exhibit. Interrupted, the same command goes on where it stopped.
    ///
    /// What is recorded about it is given by a form, by flags (which override the form), or, at a terminal with neither, by questions.
    Add(Box<Add>),
    /// List the exhibits of a case.
    List {
        /// The case.
        case: String,
    },
    /// Open an exhibit for viewing: one file to standard output, nothing to the disk. Without --file, list its files.
    ///
    /// A file's bytes are no JSON: under --json, --file needs --viewer.
    Open {
        /// The case.
        case: String,
        /// The exhibit's id or the beginning of it.
        exhibit: String,
        /// Which file, by its path in the exhibit.
        #[arg(long)]
        file: Option<String>,
        /// A command that is given the file on its standard input, such as "less" or "mpv -"; nothing touches the disk.
        #[arg(long, requires = "file")]
        viewer: Option<String>,
        /// Why it is opened: investigation, prosecution, trial, defence-access, victim-protection, mutual-assistance.
        #[arg(long)]
        purpose: Purpose,
        #[command(flatten)]
        reason: Reason,
    },
    /// Write an exhibit's files to a new folder; this is a disclosure.
    Export {
        /// The case.
        case: String,
        /// The exhibit's id or the beginning of it.
        exhibit: String,
        /// The folder to make.
        #[arg(long)]
        to: PathBuf,
        /// For whom: office/person, or in words.
        #[arg(long = "recipient", required = true)]
        recipients: Vec<String>,
        /// Why: as for open.
        #[arg(long)]
        purpose: Purpose,
        #[command(flatten)]
        reason: Reason,
    },
    #[command(flatten)]
    Act(acts::Command),
}

/// Options of an intake.
#[derive(Args)]
pub struct Add {
    /// The case: id, the beginning of it, or title.
    #[arg(required_unless_present = "template")]
    case: Option<String>,
    /// Files and folders.
    #[arg(required_unless_present = "template")]
    sources: Vec<PathBuf>,
    /// Print an empty intake form (TOML) with every field explained, and do nothing else.
    #[arg(long, conflicts_with_all = ["case", "sources", "form", "fresh", "reason", "reference"])]
    template: bool,
    /// The filled-in intake form.
    #[arg(long)]
    form: Option<PathBuf>,
    /// Begin anew even if an intake of the same files was interrupted.
    #[arg(long)]
    fresh: bool,
    /// Why: one or more sentences, sealed to the case's members and auditors.
    #[arg(long, required_unless_present = "template")]
    reason: Option<String>,
    /// File number or legal reference.
    #[arg(long)]
    reference: Option<String>,
    #[command(flatten)]
    intake: Flags,
}

/// Runs a command of evidence.
pub async fn run(command: Command, settings: &Settings) -> Result<(), Failure> {
    if let Command::Add(new) = command {
        return add(*new, settings).await;
    }
    if let Command::Open { file: Some(_), viewer: None, .. } = &command
        && settings.manners().json
    {
        return Err(Failure::usage("the bytes of a file are no JSON", "Leave --json away, or --file, or give the file to a --viewer."));
    }
    let agent = agent_in_touch(settings).await?;
    match command {
        Command::List { case } => list(&agent, find_case(&agent, &case).await?).await,
        Command::Open { case, exhibit, file, viewer, purpose, reason } => {
            let case = find_case(&agent, &case).await?;
            let exhibit = find_exhibit(&agent, case, &exhibit).await?;
            let opened = agent.open_exhibit(case, exhibit, Opening::View, purpose, &reason.into()).await?;
            note(&format!("Your opening stands in the log as record {}.", opened.entry().index));
            match file {
                None => answer(&Opened(opened)),
                Some(name) => {
                    let number = find_file(&opened, &name)?;
                    match viewer {
                        Some(viewer) => {
                            view(&opened, number, &viewer).await?;
                            answer(&Viewed { record: opened.entry().index, file: name })
                        }
                        None => Ok(opened.write_file(number, &mut std::io::stdout()).await?),
                    }
                }
            }
        }
        Command::Export { case, exhibit, to, recipients, purpose, reason } => {
            refuse_existing(&to)?;
            let case = find_case(&agent, &case).await?;
            let exhibit = find_exhibit(&agent, case, &exhibit).await?;
            let opened = agent.open_exhibit(case, exhibit, Opening::Export { recipients }, purpose, &reason.into()).await?;
            note(&format!("The disclosure stands in the log as record {}.", opened.entry().index));
            let bar = bar("opening and writing", "segments");
            let files = opened.export(&to, |progress| show_progress(&bar, progress)).await;
            bar.finish_and_clear();
            let record = opened.entry().index;
            let file = |file: ExportedFile| WrittenFile {
                path: file.name,
                collected_as: file.collected_as,
                size: file.digests.size,
                sha256: file.digests.sha256,
                blake3: file.digests.blake3,
            };
            answer(&Exported { record, folder: printable_path(&to), files: files?.into_iter().map(file).collect() })
        }
        Command::Act(command) => acts::run(command, &agent).await,
        Command::Add(_) => Ok(()),
    }
}

/// Gives a file to a viewer, which may end before it has read everything.
async fn view(opened: &OpenedExhibit, number: usize, viewer: &str) -> Result<(), Failure> {
    let failed = |problem: String| Failure::new(Code::ViewerFailed, format!("the viewer {}: {problem}", printable(viewer)), "");
    let mut program = std::process::Command::new("sh");
    let mut running =
        program.args(["-c", viewer]).stdin(std::process::Stdio::piped()).spawn().map_err(|error| failed(error.to_string()))?;
    let mut input = running.stdin.take().ok_or_else(|| failed("it takes no input".to_owned()))?;
    let written = opened.write_file(number, &mut input).await;
    drop(input);
    let ended = running.wait().map_err(|error| failed(error.to_string()))?;
    if !ended.success() {
        return Err(failed(ended.to_string()));
    }
    match written {
        // It ended well before it had read everything, as a pager does.
        Err(AgentError::Export(ExportError::Writing(_))) => Ok(()),
        other => Ok(other?),
    }
}

async fn add(new: Add, settings: &Settings) -> Result<(), Failure> {
    let (Some(case), Some(reason)) = (new.case, new.reason) else {
        if !new.intake.is_empty() {
            return Err(Failure::usage(
                "--template goes with no field of the intake",
                "Give the fields beside --form, or leave --template away.",
            ));
        }
        return answer(&Added::Template { template: TEMPLATE });
    };
    // What was given is judged, and what nobody can be asked for is missed, before anything is asked of the server.
    let given = intake::given(new.form.as_deref(), &new.intake)?;
    if given.is_none() && !may_ask() {
        return Err(intake::nothing_given());
    }
    let agent = agent_in_touch(settings).await?;
    let case = find_case(&agent, &case).await?;
    agent.refresh(case).await?;
    let intake = match given {
        Some(intake) => intake,
        None => intake::ask(&mut std::io::stdin().lock(), &mut std::io::stderr().lock())?,
    };
    let bar = bar("sealing and storing", "segments");
    let statement = Statement { reason, reference: new.reference };
    let new = NewExhibit { case, sources: new.sources, intake, statement, fresh: new.fresh };
    let collected = agent.add_exhibit(new, |progress| show_progress(&bar, progress)).await;
    bar.finish_and_clear();
    let collected = collected?;
    if collected.before {
        let index = collected.index;
        note(&format!(
            "These files, unchanged, were collected before, as record {index}; nothing was done. --fresh makes another exhibit."
        ));
    } else {
        note(&format!("Sealed and stored; the collection is record {} of the log.", collected.index));
    }
    answer(&Added::Collected { exhibit: collected.exhibit, record: collected.index, before: collected.before })
}

fn refuse_existing(target: &Path) -> Result<(), Failure> {
    if target.exists() {
        return Err(Failure::new(
            Code::Exists,
            format!("{} exists already", printable_path(target)),
            "Nothing was opened; name a new folder with --to.",
        ));
    }
    Ok(())
}

/// Finds an exhibit of a case by its id or the beginning of it.
pub async fn find_exhibit(agent: &Agent, case: CaseId, text: &str) -> Result<ExhibitId, Failure> {
    let known: Vec<ExhibitId> = match agent.exhibits(case).await {
        Ok(rows) => rows.iter().map(|row| row.exhibit).collect(),
        // Whoever was removed may still know an exhibit; the attempt is for the server to refuse and for the log to hold.
        Err(AgentError::Http(HttpError::NotFound { .. })) => {
            agent.exhibits_of_chain(case).await?.into_iter().map(|(exhibit, _)| exhibit).collect()
        }
        Err(error) => return Err(error.into()),
    };
    let mut found = known.into_iter().filter(|exhibit| exhibit.to_string().starts_with(text));
    match (found.next(), found.next()) {
        (Some(exhibit), None) => Ok(exhibit),
        (None, _) => Err(Failure::new(Code::NotFound, "the case has no such exhibit", "`custodia exhibit list` shows its exhibits.")),
        (Some(_), Some(_)) => Err(Failure::new(Code::Ambiguous, "this names several exhibits", "")),
    }
}

/// The exhibits of a case.
#[derive(Serialize)]
#[serde(transparent)]
pub struct Exhibits(Vec<Row>);

#[derive(Serialize)]
struct Row {
    exhibit: ExhibitId,
    /// Null where it was not opened on this device.
    title: Option<String>,
    /// active, restricted, quarantined or erased.
    state: String,
    /// Whether an office's hold forbids erasing it.
    held: bool,
    /// H0, H1, H2 or H3.
    handling: Handling,
    /// The record of its collection.
    record: u64,
    /// How many bytes the server keeps.
    sealed_bytes: u64,
}

impl Answer for Exhibits {
    fn text(&self) -> String {
        let cells = |row: &Row| {
            let title = row.title.as_deref().map_or_else(|| "(not opened on this device)".to_owned(), printable);
            let state = format!("{}{}", row.state, if row.held { ", held" } else { "" });
            let (exhibit, handling) = (row.exhibit.to_string(), format!("{:?}", row.handling));
            [exhibit, state, handling, row.record.to_string(), row.sealed_bytes.to_string(), title]
        };
        let head = ["EXHIBIT", "STATE", "HANDLING", "RECORD", "SEALED BYTES", "TITLE"];
        table(head, self.0.iter().map(cells).collect())
    }
}

async fn list(agent: &Agent, case: CaseId) -> Result<(), Failure> {
    let titles = agent.exhibit_titles(case).await?;
    let row = |row: custodia_client::ExhibitRow| Row {
        exhibit: row.exhibit,
        title: titles.iter().find(|(exhibit, _)| *exhibit == row.exhibit).map(|(_, title)| title.clone()),
        state: format!("{:?}", row.state).to_lowercase(),
        held: row.held,
        handling: row.handling,
        record: row.index,
        sealed_bytes: row.sealed_bytes,
    };
    answer(&Exhibits(agent.exhibits(case).await?.into_iter().map(row).collect()))
}

/// An exhibit that was taken in, or the empty form of an intake.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Added {
    Collected {
        exhibit: ExhibitId,
        /// The record of its collection.
        record: u64,
        /// Whether these files, unchanged, had been collected before; then nothing was done.
        before: bool,
    },
    Template {
        /// The form, TOML.
        template: &'static str,
    },
}

impl Answer for Added {
    fn text(&self) -> String {
        match self {
            Self::Collected { exhibit, .. } => exhibit.to_string(),
            Self::Template { template } => (*template).to_owned(),
        }
    }
}

/// An exhibit that was opened: its manifest, as docs/spec/exhibit.md draws it.
struct Opened(OpenedExhibit);

impl Serialize for Opened {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let manifest: serde_json::Value = serde_json::from_slice(self.0.manifest().json()).map_err(serde::ser::Error::custom)?;
        manifest.serialize(serializer)
    }
}

impl Answer for Opened {
    fn text(&self) -> String {
        let intake = self.0.manifest().intake();
        let head = format!("{}  {}", printable(intake.exhibit_number.as_str()), printable(intake.title.as_str()));
        let files = self.0.manifest().files().iter().map(|file| {
            let digests = file.digests();
            format!("{:>12}  {}  {}", digests.size, digests.sha256, path::display(file.raw_path()))
        });
        std::iter::once(head).chain(files).collect::<Vec<_>>().join("\n")
    }
}

/// A file that a viewer was given.
#[derive(Serialize)]
pub struct Viewed {
    /// The record of the opening.
    record: u64,
    /// The file's path in the exhibit, as it was asked for.
    file: String,
}

impl Answer for Viewed {
    fn text(&self) -> String {
        String::new()
    }
}

/// An exhibit whose files were written out.
#[derive(Serialize)]
pub struct Exported {
    /// The record of the disclosure.
    record: u64,
    /// The folder that was made.
    folder: String,
    files: Vec<WrittenFile>,
}

#[derive(Serialize)]
struct WrittenFile {
    /// Its path in the folder.
    path: String,
    /// The path that was collected, made safe to show.
    collected_as: String,
    size: u64,
    sha256: Sha256Digest,
    blake3: Blake3Digest,
}

impl Answer for Exported {
    fn text(&self) -> String {
        self.files.iter().map(|file| format!("{}  {}", file.sha256, printable(&file.path))).collect::<Vec<_>>().join("\n")
    }
}

fn find_file(opened: &OpenedExhibit, name: &str) -> Result<usize, Failure> {
    let found =
        opened.manifest().files().iter().position(|file| file.raw_path() == name.as_bytes() || path::display(file.raw_path()) == name);
    found.ok_or_else(|| {
        let some: Vec<String> = opened.manifest().files().iter().take(5).map(|file| path::display(file.raw_path())).collect();
        let has = format!("the exhibit has no file {}; it has, for example, {}", printable(name), some.join(", "));
        Failure::new(Code::NotFound, has, "Open it without --file to list its files.")
    })
}
