//! What the template gets: one part with every text made printable, and the widths of the columns.

use serde::Serialize;

use crate::document::{Block, PageWords, Row, Run, Text};
use crate::legible::Legible;
use crate::parts::Part;

/// The JSON that `report.typ` reads.
#[derive(Debug, Serialize)]
pub struct Sheet {
    /// Code of the language.
    pub language: String,
    /// The title as one line, for the document's own data.
    pub name: String,
    /// The title.
    pub title: Text,
    /// The number of the part, from 1.
    pub number: usize,
    /// Which part of how many; none in a report of one part.
    pub part: Option<String>,
    /// `Page {page} of {pages}`.
    pub page: String,
    /// The heading of the list of contents.
    pub contents: String,
    /// What stands before everything else.
    pub notices: Vec<String>,
    /// The report.
    pub blocks: Vec<SheetBlock>,
}

/// A block, and how wide its columns are beside each other; empty where it has none.
#[derive(Debug, Serialize)]
pub struct SheetBlock {
    #[serde(flatten)]
    block: Block,
    widths: Vec<usize>,
}

/// What all parts of a report have in common.
pub struct Head<'a> {
    /// Code of the language.
    pub language: &'a str,
    /// The title.
    pub title: &'a Text,
    /// The heading of the list of contents.
    pub contents: &'a str,
    /// What only pages say.
    pub words: &'a PageWords,
    /// How many parts there are.
    pub parts: usize,
}

/// Makes the texts of a part printable, the `number`th from 1.
pub fn sheet(head: &Head<'_>, number: usize, part: &Part, legible: &mut Legible<'_>) -> Sheet {
    let Head { words, parts, .. } = *head;
    let mut blocks = part.blocks.clone();
    for block in &mut blocks[..part.repeated] {
        block.each_text(|text| *text = Text(vec![Run::Plain(words.continued.replace("{heading}", &text.as_line()))]));
    }
    for block in &mut blocks {
        block.each_text(|text| make_printable(text, legible));
    }
    let mut title = head.title.clone();
    make_printable(&mut title, legible);
    let filled = |text: &str| text.replace("{part}", &number.to_string()).replace("{parts}", &parts.to_string());
    let in_parts = (parts > 1).then(|| filled(&words.parts));
    let not_shown = legible.substituted().then(|| words.not_shown.clone());
    Sheet {
        language: head.language.to_owned(),
        name: crate::legible::as_name(&title),
        title,
        number,
        part: (parts > 1).then(|| filled(&words.part)),
        page: words.page.clone(),
        contents: head.contents.to_owned(),
        notices: in_parts.into_iter().chain(not_shown).collect(),
        blocks: blocks.into_iter().map(|block| SheetBlock { widths: widths(&block), block }).collect(),
    }
}

fn make_printable(text: &mut Text, legible: &mut Legible<'_>) {
    for run in &mut text.0 {
        match run {
            Run::Plain(text) | Run::Strong(text) | Run::English(text) => *text = legible.text(text),
            Run::Quoted(text) => *text = legible.quoted(text),
            Run::Code(text) => *text = legible.code(text),
            Run::Break => {}
        }
    }
}

/// How many letters a row of a table holds, its columns taken together.
const LETTERS_A_ROW: usize = 100;
/// The narrowest column, and what more than makes it no better, in letters.
const NARROWEST: usize = 7;
const WIDEST: usize = 50;

fn widths(block: &Block) -> Vec<usize> {
    match block {
        Block::Facts { .. } => vec![28, 72],
        Block::Table { head, rows, .. } => share(&(0..head.len()).map(|column| wish(&head[column], rows, column)).collect::<Vec<_>>()),
        _ => Vec::new(),
    }
}

/// The least that a column takes, the longest word of its head, and at which width nine of ten cells need few lines: the ninth decile of their longest lines.
fn wish(head: &Text, rows: &[Row], column: usize) -> (usize, usize) {
    let mut lengths: Vec<usize> = rows.iter().filter_map(|row| row.cells.get(column)).map(longest_line).collect();
    lengths.sort_unstable();
    let most = lengths.get(lengths.len().saturating_sub(1) * 9 / 10).copied().unwrap_or(0);
    // The head is bold, and a cell has a margin.
    let word = head.as_line().split_whitespace().map(|word| word.chars().count() * 6 / 5 + 2).max().unwrap_or(0);
    let least = word.max(NARROWEST);
    (least, most.clamp(least, WIDEST.max(least)))
}

/// Gives each column the least that it takes, and what is left as each lacks.
fn share(wishes: &[(usize, usize)]) -> Vec<usize> {
    let least: usize = wishes.iter().map(|(least, _)| least).sum();
    let lacking: usize = wishes.iter().map(|(least, most)| most - least).sum();
    let left = LETTERS_A_ROW.saturating_sub(least);
    wishes.iter().map(|(least, most)| 10 * least + 10 * left * (most - least) / lacking.max(1)).collect()
}

/// In letters of the text font; those of a code are wider, and it may be broken after every eight.
fn longest_line(text: &Text) -> usize {
    text.0
        .split(|run| matches!(run, Run::Break))
        .map(|line| {
            line.iter()
                .map(|run| if let Run::Code(code) = run { code.chars().count().min(40) * 5 / 4 } else { run.as_str().chars().count() })
                .sum()
        })
        .max()
        .unwrap_or(0)
}
