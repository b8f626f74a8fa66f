//! A report in one language as the caller made it: headings, paragraphs, tables. The JSON of `custodia-papers`' `Document`.
//!
//! Limits: the JSON is read as a whole, and [`crate::MOST_BYTES`] bounds it. Unknown members are passed over, an unknown block or run is an error.

use serde::{Deserialize, Serialize};

/// A whole report.
#[derive(Debug, Clone, Deserialize)]
pub struct Document {
    /// Code of its language.
    pub language: String,
    /// Its title.
    pub title: Text,
    /// The heading of the list of contents.
    pub contents: String,
    /// What only pages say.
    pub pages: PageWords,
    /// In reading order.
    pub blocks: Vec<Block>,
}

/// What only pages say, in the language of the report. `{names}` are filled in here.
#[derive(Debug, Clone, Deserialize)]
pub struct PageWords {
    /// At the foot of a page: `{page}`, `{pages}`.
    pub page: String,
    /// Which part it is: `{part}`, `{parts}`.
    pub part: String,
    /// That there are parts: `{parts}`.
    pub parts: String,
    /// A heading that a part repeats: `{heading}`.
    pub continued: String,
    /// That code points stand for characters.
    pub not_shown: String,
}

/// A piece of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "block", rename_all = "kebab-case")]
pub enum Block {
    /// A heading of level 2 or 3; the title is 1.
    Heading {
        /// 2 or 3.
        level: u8,
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
    /// What somebody wrote: any language and direction.
    Quoted(String),
    /// A digest, id, key or command, to be copied exactly.
    Code(String),
    /// Words of the verifier, in English.
    English(String),
    /// A line ends.
    Break,
}

impl Run {
    /// Its characters; a break has none.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Plain(text) | Self::Strong(text) | Self::Quoted(text) | Self::Code(text) | Self::English(text) => text,
            Self::Break => "",
        }
    }
}

impl Text {
    /// All of it as one line.
    pub fn as_line(&self) -> String {
        self.0.iter().map(|run| if matches!(run, Run::Break) { " " } else { run.as_str() }).collect()
    }
}

impl Block {
    /// Calls `f` on every text.
    pub fn each_text(&mut self, mut f: impl FnMut(&mut Text)) {
        match self {
            Self::Heading { text, .. } | Self::Paragraph { text } | Self::Notice { text, .. } => f(text),
            Self::List { points, .. } => points.iter_mut().for_each(f),
            Self::Facts { caption, rows } => {
                f(caption);
                for (name, value) in rows {
                    f(name);
                    f(value);
                }
            }
            Self::Table { caption, head, rows } => {
                f(caption);
                head.iter_mut().chain(rows.iter_mut().flat_map(|row| row.cells.iter_mut())).for_each(f);
            }
        }
    }

    /// Whether a row has another number of cells than the head.
    pub fn is_ragged(&self) -> bool {
        matches!(self, Self::Table { head, rows, .. } if head.is_empty() || rows.iter().any(|row| row.cells.len() != head.len()))
    }

    /// How long it is beside other blocks: one for each row, point or paragraph, and one more for every so many letters of it.
    pub fn length(&self) -> usize {
        match self {
            Self::Heading { text, .. } | Self::Paragraph { text } | Self::Notice { text, .. } => text.length(),
            Self::List { points, .. } => points.iter().map(Text::length).sum(),
            Self::Facts { rows, .. } => rows.iter().map(fact_length).sum(),
            Self::Table { rows, .. } => rows.iter().map(Row::length).sum(),
        }
    }
}

/// So many letters are as long as a row is by itself: the usual act of a custody.
const LETTERS_A_ROW: usize = 500;

impl Text {
    /// As [`Block::length`].
    pub fn length(&self) -> usize {
        1 + self.letters() / LETTERS_A_ROW
    }

    fn letters(&self) -> usize {
        self.0.iter().map(|run| run.as_str().len()).sum()
    }
}

impl Row {
    /// As [`Block::length`].
    pub fn length(&self) -> usize {
        1 + self.cells.iter().map(Text::letters).sum::<usize>() / LETTERS_A_ROW
    }
}

/// As [`Block::length`].
pub fn fact_length((name, value): &(Text, Text)) -> usize {
    1 + (name.letters() + value.letters()) / LETTERS_A_ROW
}
