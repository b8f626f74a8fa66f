//! `custodia exhibit …`: evidence is taken in, listed, opened, written out.

mod acts;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use custodia_client::http::HttpError;
use custodia_client::open::{ExportError, OpenedExhibit, Opening};
use custodia_client::seal::{NewExhibit, Progress};
use custodia_client::{Agent, AgentError, Statement};
use custodia_core::custody::kind::Purpose;
use custodia_core::exhibit::path;
use custodia_core::ids::{CaseId, ExhibitId};
use indicatif::{ProgressBar, ProgressStyle};

use super::intake::{self, Flags, TEMPLATE};
use super::{Reason, agent_in_touch, find_case};
use crate::DeviceOptions;
use crate::failure::{Exit, Failure};
use crate::terminal::{note, printable, printable_path, say, table};

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
    #[arg(long, exclusive = true)]
    template: bool,
    /// The filled-in intake form.
    #[arg(long)]
    form: Option<PathBuf>,
    /// Ask nothing, even at a terminal.
    #[arg(long)]
    no_input: bool,
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
pub async fn run(command: Command, options: &DeviceOptions) -> Result<(), Failure> {
    if let Command::Add(new) = command {
        return add(*new, options).await;
    }
    let agent = agent_in_touch(options).await?;
    match command {
        Command::List { case } => list(&agent, find_case(&agent, &case).await?, options).await,
        Command::Open { case, exhibit, file, viewer, purpose, reason } => {
            let case = find_case(&agent, &case).await?;
            let exhibit = find_exhibit(&agent, case, &exhibit).await?;
            let opened = agent.open_exhibit(case, exhibit, Opening::View, purpose, &reason.into()).await?;
            note(&format!("Your opening stands in the log as record {}.", opened.entry().index));
            match file {
                None => {
                    list_files(&opened, options);
                    Ok(())
                }
                Some(name) => {
                    let number = find_file(&opened, &name)?;
                    match viewer {
                        Some(viewer) => view(&opened, number, &viewer).await,
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
            let bar = bar("opening and writing");
            let files = opened.export(&to, |progress| show_progress(&bar, progress)).await;
            bar.finish_and_clear();
            for file in files? {
                say(&format!("{}  {}", file.digests.sha256, printable(&file.name)));
            }
            Ok(())
        }
        Command::Act(command) => acts::run(command, &agent, options).await,
        Command::Add(_) => Ok(()),
    }
}

/// Gives a file to a viewer, which may end before it has read everything.
async fn view(opened: &OpenedExhibit, number: usize, viewer: &str) -> Result<(), Failure> {
    let failed = |problem: String| {
        Failure::new(Exit::Unexpected, format!("the viewer {}: {problem}", printable(viewer)), "Try the command on another file by itself.")
    };
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

async fn add(new: Add, options: &DeviceOptions) -> Result<(), Failure> {
    let (Some(case), Some(reason)) = (new.case, new.reason) else {
        say(TEMPLATE.trim_end());
        return Ok(());
    };
    // What was given is judged, and what nobody can be asked for is missed, before anything is asked of the server.
    let given = intake::given(new.form.as_deref(), &new.intake)?;
    if given.is_none() && (new.no_input || !std::io::stdin().is_terminal()) {
        return Err(intake::nothing_given());
    }
    let agent = agent_in_touch(options).await?;
    let case = find_case(&agent, &case).await?;
    agent.refresh(case).await?;
    let intake = match given {
        Some(intake) => intake,
        None => intake::ask(&mut std::io::stdin().lock(), &mut std::io::stderr().lock())?,
    };
    let bar = bar("sealing and storing");
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
    say(&collected.exhibit.to_string());
    Ok(())
}

fn refuse_existing(target: &Path) -> Result<(), Failure> {
    if target.exists() {
        return Err(Failure::new(
            Exit::Conflict,
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
        (None, _) => Err(Failure::new(Exit::NotFound, "the case has no such exhibit", "`custodia exhibit list` shows its exhibits.")),
        (Some(_), Some(_)) => Err(Failure::usage("this names several exhibits", "Give the whole id.")),
    }
}

async fn list(agent: &Agent, case: CaseId, options: &DeviceOptions) -> Result<(), Failure> {
    let rows = agent.exhibits(case).await?;
    let titles = agent.exhibit_titles(case).await?;
    let title = |id: ExhibitId| titles.iter().find(|(exhibit, _)| *exhibit == id).map(|(_, title)| title.clone());
    if options.json {
        let rows: Vec<_> = rows
            .iter()
            .map(|row| serde_json::json!({"exhibit": row.exhibit, "title": title(row.exhibit), "state": row.state, "held": row.held, "handling": row.handling, "record": row.index, "sealed_bytes": row.sealed_bytes}))
            .collect();
        say(&serde_json::Value::from(rows).to_string());
        return Ok(());
    }
    let cells = |row: &custodia_client::ExhibitRow| {
        let title = title(row.exhibit).map_or_else(|| "(not opened on this device)".to_owned(), |title| printable(&title));
        let state = format!("{:?}{}", row.state, if row.held { ", held" } else { "" }).to_lowercase();
        [row.exhibit.to_string(), state, format!("{:?}", row.handling), row.index.to_string(), row.sealed_bytes.to_string(), title]
    };
    table(["EXHIBIT", "STATE", "HANDLING", "RECORD", "SEALED BYTES", "TITLE"], rows.iter().map(cells).collect());
    Ok(())
}

fn list_files(opened: &OpenedExhibit, options: &DeviceOptions) {
    if options.json {
        let text = String::from_utf8_lossy(opened.manifest().json()).into_owned();
        say(&text);
        return;
    }
    let intake = opened.manifest().intake();
    say(&format!("{}  {}", printable(intake.exhibit_number.as_str()), printable(intake.title.as_str())));
    for file in opened.manifest().files() {
        let digests = file.digests();
        say(&format!("{:>12}  {}  {}", digests.size, digests.sha256, path::display(file.raw_path())));
    }
}

fn find_file(opened: &OpenedExhibit, name: &str) -> Result<usize, Failure> {
    let found =
        opened.manifest().files().iter().position(|file| file.raw_path() == name.as_bytes() || path::display(file.raw_path()) == name);
    found.ok_or_else(|| {
        let some: Vec<String> = opened.manifest().files().iter().take(5).map(|file| path::display(file.raw_path())).collect();
        let has = format!("the exhibit has no file {}; it has, for example, {}", printable(name), some.join(", "));
        Failure::new(Exit::NotFound, has, "Open it without --file to list its files.")
    })
}

fn bar(what: &'static str) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{msg} {bar:40} {pos}/{len} segments, {eta} to go").unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style).with_message(what)
}

fn show_progress(bar: &ProgressBar, progress: Progress) {
    bar.set_length(progress.of);
    bar.set_position(progress.segments);
}
