//! `custodia doctor`: try out the database and the object store of a configuration.

use std::path::PathBuf;

use clap::Args;
use custodia_server::doctor::{Grade, examine};

use super::serve::parse;
use crate::failure::{Exit, Failure};
use crate::terminal::say;

/// Options of `custodia doctor`.
#[derive(Args)]
pub struct Options {
    /// The configuration, such as config/custodia.toml.
    #[arg(long)]
    config: PathBuf,
}

/// Tries everything, prints a table, and fails if anything in it is bad.
pub async fn run(options: &Options) -> Result<(), Failure> {
    let findings = examine(&parse(&options.config)?).await;
    let about = findings.iter().map(|finding| finding.about.len()).max().unwrap_or(0);
    for finding in &findings {
        say(&format!("{:5} {:about$}  {}", finding.grade, finding.about, finding.found));
        say(&format!("{:5} {:about$}  {}", "", "", finding.meaning));
    }
    let bad = findings.iter().filter(|finding| finding.grade == Grade::Bad).count();
    if bad == 0 {
        return Ok(());
    }
    Err(Failure::new(Exit::NotVerified, format!("{bad} of {} findings are bad", findings.len()), "Mend them before a log begins here."))
}
