//! `custodia doctor`: tries a database and an object store out before anybody trusts them.
//!
//! It makes a table and objects of its own and takes them away again; a log that is there is not touched. What it finds says what the parts
//! do, not what they will do: nothing here replaces a backup or a second disk.

pub(crate) mod kept;
mod objects;

use core::fmt;

use crate::config::ServerConfig;
use crate::store;

/// What a finding is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// As it should be.
    Good,
    /// Custodia works with it; the operator should know.
    Note,
    /// Not to be trusted with a log.
    Bad,
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Good => "good",
            Self::Note => "note",
            Self::Bad => "BAD",
        })
    }
}

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is worth.
    pub grade: Grade,
    /// What was tried, such as `object store: create twice`.
    pub about: &'static str,
    /// What was seen.
    pub found: String,
    /// What that means.
    pub meaning: &'static str,
}

impl Finding {
    pub(crate) fn new(grade: Grade, about: &'static str, found: impl Into<String>, meaning: &'static str) -> Self {
        Self { grade, about, found: found.into(), meaning }
    }
}

/// Tries out what the configuration names, in this order: database, object store; and looks up what witnesses and authorities said last.
pub async fn examine(config: &ServerConfig) -> Vec<Finding> {
    let mut findings = store::doctor::examine(&config.database_url()).await;
    findings.extend(objects::examine(&config.store).await);
    findings.extend(kept::examine(config).await);
    findings
}
