//! The report for people as PDF/A-2a and PDF/UA-1.
//!
//! ```text
//! Document (JSON) ─► parts ─► sheet: texts that the fonts can show, widths ─► template, typst ─► PDF
//! ```
//! It adds no statement of its own about the evidence, but that a text is shown in code points and which part of how many a file is.
//! It is a program of its own ([decision 16](../../docs/decisions/0016-pdf-by-a-program-of-its-own.md)).

// `report/check` compiles this crate with Clippy, which says so.
#![cfg_attr(clippy, deny(warnings))]

use std::collections::BTreeSet;
use std::path::PathBuf;

use time::OffsetDateTime;

mod document;
mod fonts;
mod legible;
mod parts;
mod sheet;
#[cfg(test)]
mod tests;
mod typeset;

use document::Document;
use fonts::Fonts;
use legible::{Legible, wants_a_glyph};
use sheet::{Head, Sheet, sheet};
pub use typeset::TypesetError;

/// The largest document that is read: 1 GiB of JSON.
pub const MOST_BYTES: u64 = 1 << 30;

/// How long one file is at most, in rows of tables, points and paragraphs; long texts count for several.
pub const ROWS_A_PART: usize = 2_500;

/// How often a part is set again because fonts did not show what they name. Each time at least one cluster more is written as code points.
const MOST_TRIES: usize = 8;

/// How the PDF is made.
#[derive(Debug, Clone)]
pub struct Options {
    /// The date of making in the PDF.
    pub made: OffsetDateTime,
    /// Folders with more fonts.
    pub fonts: Vec<PathBuf>,
    /// [`ROWS_A_PART`].
    pub rows_a_part: usize,
}

/// One file of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PdfFile {
    /// `report.<language>.pdf`, or `report.<language>.<n>.pdf` with n from 1 in a report of parts.
    pub name: String,
    /// The PDF.
    pub bytes: Vec<u8>,
}

/// Why there is no PDF.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// What was read is no report.
    #[error("this is no report in the form that this program knows: {0}. Program and `custodia` must be of one version")]
    Malformed(#[from] serde_json::Error),
    /// Its language has no code of two letters. The code is part of the files' names.
    #[error("the report's language is {0:?}, which is no code of two letters, such as en")]
    Language(String),
    /// A row of a table has too few or too many cells.
    #[error("a table has a row of another length than its head. Program and `custodia` must be of one version")]
    Ragged,
    /// A part could not be set.
    #[error("part {part} of {parts} could not be set: {why}")]
    Typeset {
        /// Counted from 1.
        part: usize,
        /// How many.
        parts: usize,
        /// Why.
        why: TypesetError,
    },
    /// The caller could not take a file.
    #[error(transparent)]
    Written(#[from] std::io::Error),
}

/// Makes the PDF of the report in `json`, part by part, and hands each file to `take` as soon as it is made. The same input gives the same bytes.
pub fn report(json: &[u8], options: &Options, mut take: impl FnMut(PdfFile) -> std::io::Result<()>) -> Result<(), ReportError> {
    let mut document: Document = serde_json::from_slice(json)?;
    if document.blocks.iter().any(document::Block::is_ragged) {
        return Err(ReportError::Ragged);
    }
    if !is_code(&document.language) {
        return Err(ReportError::Language(document.language));
    }
    let fonts = Fonts::embedded();
    let fonts = if options.fonts.is_empty() { fonts } else { fonts.with_folders(&options.fonts, &letters(&mut document)) };
    let identity = format!("{:032x}", typst::utils::hash128(json));
    let Document { language, title, contents, pages, blocks } = document;
    let parts = parts::split(blocks, options.rows_a_part);
    let count = parts.len();
    let head = Head { language: &language, title: &title, contents: &contents, words: &pages, parts: count };
    for (at, part) in parts.into_iter().enumerate() {
        let number = at + 1;
        let identity = format!("{identity}/{number}");
        let bytes = set(options.made, &fonts, &identity, |legible| sheet(&head, number, &part, legible))
            .map_err(|why| ReportError::Typeset { part: number, parts: count, why })?;
        typeset::forget();
        let name = if count == 1 { format!("report.{language}.pdf") } else { format!("report.{language}.{number}.pdf") };
        take(PdfFile { name, bytes })?;
    }
    Ok(())
}

fn is_code(language: &str) -> bool {
    language.len() == 2 && language.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// Sets one part, and again with code points for what no font showed.
fn set(made: OffsetDateTime, fonts: &Fonts, identity: &str, sheet: impl Fn(&mut Legible<'_>) -> Sheet) -> Result<Vec<u8>, TypesetError> {
    let mut refused = BTreeSet::new();
    for _ in 1..MOST_TRIES {
        let sheet = sheet(&mut Legible::new(fonts, &refused));
        match typeset::pdf(&sheet, identity, made, fonts) {
            Err(TypesetError::NotShown(clusters)) if clusters.iter().any(|cluster| !refused.contains(cluster)) => refused.extend(clusters),
            done => return done,
        }
    }
    typeset::pdf(&sheet(&mut Legible::new(fonts, &refused)), identity, made, fonts)
}

/// Every character of the document that needs a glyph.
fn letters(document: &mut Document) -> BTreeSet<char> {
    let mut letters = BTreeSet::new();
    let mut collect =
        |text: &mut document::Text| letters.extend(text.0.iter().flat_map(|run| run.as_str().chars()).filter(|c| wants_a_glyph(*c)));
    collect(&mut document.title);
    document.blocks.iter_mut().for_each(|block| block.each_text(&mut collect));
    letters
}
