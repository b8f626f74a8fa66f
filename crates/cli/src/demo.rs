//! `custodia demo`: two states work one case, with the real server and a real process for every person.
//!
//! Everything goes through the command line that users have; nothing here reaches into server or agent.

mod attacks;
mod evidence;
mod stage;
mod story;

use std::path::PathBuf;

use clap::Args;

use serde::Serialize;

use crate::failure::Failure;
use crate::terminal::{Answer, answer, indented};

use stage::Stage;

/// Options of the demo.
#[derive(Args)]
pub struct Options {
    /// A folder with files of your own to use as evidence; each folder or file in it becomes an exhibit. Without it: a fictional sample case.
    #[arg(long, value_name = "FOLDER")]
    evidence: Option<PathBuf>,
    /// Keep the demo's folder, to look around in it afterwards.
    #[arg(long)]
    keep: bool,
}

/// One line of what the demo tells, after it happened.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Told {
    /// A part begins.
    Part {
        title: String,
        /// Since the demo began.
        seconds: f32,
    },
    /// Something happened.
    Happened(String),
    /// How the demo ended, what to try next, where its folder is.
    End(String),
}

impl Answer for Told {
    fn text(&self) -> String {
        match self {
            Self::Part { title, seconds } => format!("\n== {title}  ({seconds:.1} s)"),
            Self::Happened(text) => indented("   ", text),
            Self::End(text) => text.clone(),
        }
    }
}

/// Runs the demo; fails if anything that it claims did not happen.
pub async fn run(options: &Options) -> Result<(), Failure> {
    let exhibits = evidence::gather(options.evidence.as_deref())?;
    for left_out in &exhibits.left_out {
        answer(&Told::Happened(format!("Left out, since it cannot be evidence: {left_out}")))?;
    }
    let mut stage = Stage::open(options.keep)?;
    exhibits.write_forms(stage.folder())?;
    stage.end_whatever_happens()?;
    let played = play(&mut stage, &exhibits).await;
    let folder = stage.close();
    match played {
        Ok(()) => {
            answer(&Told::End(NEXT.to_owned()))?;
        }
        Err(failure) => {
            answer(&Told::End("\nThe demo stopped: something that it claims did not happen.".to_owned()))?;
            return Err(failure);
        }
    }
    if let Some([folder, court]) = folder {
        let kept = format!("\nThe demo's folders were kept: {}, and the court's: {}", folder.display(), court.display());
        answer(&Told::End(kept))?;
    }
    Ok(())
}

const NEXT: &str = "
Everything above happened as it says. What to try next:
  custodia demo --evidence FOLDER      the same on files of your own
  custodia demo --keep                 keep the folder, and look at what the server holds
  custodia help                        all commands; the README tells how to set up a vault";

async fn play(stage: &mut Stage, exhibits: &evidence::Evidence) -> Result<(), Failure> {
    story::prepare(stage)?;
    let work = story::work(stage, exhibits)?;
    story::custody(stage, &work)?;
    story::judge(stage, &work)?;
    attacks::run(stage, &work).await
}
