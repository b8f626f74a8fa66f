//! A report in one language: headings, paragraphs, tables. What renders it (HTML here, PDF in `report/`) adds no word and drops none.

use custodia_core::exhibit::path;
use serde::{Deserialize, Serialize};

use crate::words::Language;

/// A whole report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// Its language.
    pub language: Language,
    /// Its title.
    pub title: Text,
    /// The text of the link that skips the list of contents.
    pub skip: String,
    /// The heading of the list of contents, which a renderer makes of the headings of level 2.
    pub contents: String,
    /// What only pages of paper say.
    pub pages: PageWords,
    /// In reading order.
    pub blocks: Vec<Block>,
}

/// What a form in pages says beside the report: a page has a number, and a long report comes in several files. `{names}` are left in for whoever makes the pages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageWords {
    /// At the foot of a page: `{page}`, `{pages}`.
    pub page: String,
    /// Which part it is: `{part}`, `{parts}`.
    pub part: String,
    /// That there are parts: `{parts}`.
    pub parts: String,
    /// A heading that a part repeats: `{heading}`.
    pub continued: String,
    /// That code points of Unicode stand for what cannot be printed.
    pub not_shown: String,
}

/// A piece of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "block", rename_all = "kebab-case")]
pub enum Block {
    /// A heading.
    Heading {
        /// 2 or 3; the title is 1. No level is skipped.
        level: u8,
        /// A name that occurs once: ASCII letters, digits and `-`.
        id: String,
        /// What it says.
        text: Text,
    },
    /// A paragraph.
    Paragraph {
        /// What it says.
        text: Text,
    },
    /// What a reader must not overlook.
    Notice {
        /// How it is meant.
        tone: Tone,
        /// What it says.
        text: Text,
    },
    /// A list of points.
    List {
        /// Whether their order matters.
        ordered: bool,
        /// Point by point.
        points: Vec<Text>,
    },
    /// Names and values, one pair a row.
    Facts {
        /// What they are about.
        caption: Text,
        /// Row by row: name, value.
        rows: Vec<(Text, Text)>,
    },
    /// A table; the first cell of each row heads it.
    Table {
        /// What it lists.
        caption: Text,
        /// Heads of the columns.
        head: Vec<Text>,
        /// Row by row; each has as many cells as the head.
        rows: Vec<Row>,
    },
}

/// How a notice is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tone {
    /// To be known.
    Note,
    /// A verdict of PASSED.
    Good,
    /// A verdict of INDETERMINATE.
    Open,
    /// A verdict of FAILED.
    Bad,
}

/// A row of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Whether it stands out, as a refused act does; its cells say why.
    pub marked: bool,
    /// Cell by cell.
    pub cells: Vec<Text>,
}

/// A text of runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Text(pub Vec<Run>);

/// A run of characters of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "run", content = "text", rename_all = "kebab-case")]
pub enum Run {
    /// Words of the report, in its language.
    Plain(String),
    /// The same, set off.
    Strong(String),
    /// What somebody wrote: any language and direction; deceptive characters are escaped already.
    Quoted(String),
    /// A digest, id, key or command, to be copied exactly.
    Code(String),
    /// Words of the verifier, in English.
    English(String),
    /// A line ends.
    Break,
}

impl Text {
    /// Nothing yet.
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self::new().and(text)
    }

    pub(crate) fn quote(text: &str) -> Self {
        Self::new().quoted(text)
    }

    /// Adds words of the report.
    pub(crate) fn and(mut self, text: impl Into<String>) -> Self {
        self.0.push(Run::Plain(text.into()));
        self
    }

    pub(crate) fn strong(mut self, text: impl Into<String>) -> Self {
        self.0.push(Run::Strong(text.into()));
        self
    }

    /// Adds what somebody wrote, made harmless ([`path::display`]); its line breaks stay line breaks.
    pub(crate) fn quoted(mut self, text: &str) -> Self {
        for (number, line) in text.split('\n').enumerate() {
            if number > 0 {
                self.0.push(Run::Break);
            }
            self.0.push(Run::Quoted(path::display(line.as_bytes())));
        }
        self
    }

    /// Adds what was made harmless before, such as the path of a file.
    pub(crate) fn shown(mut self, text: impl Into<String>) -> Self {
        self.0.push(Run::Quoted(text.into()));
        self
    }

    pub(crate) fn code(mut self, text: impl Into<String>) -> Self {
        self.0.push(Run::Code(text.into()));
        self
    }

    pub(crate) fn english(mut self, text: &str) -> Self {
        self.0.push(Run::English(path::display(text.as_bytes())));
        self
    }

    /// Begins a new line, unless nothing stands there yet.
    pub(crate) fn line(mut self) -> Self {
        if !self.0.is_empty() {
            self.0.push(Run::Break);
        }
        self
    }
}
