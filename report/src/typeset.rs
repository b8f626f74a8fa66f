//! One PDF from one sheet: typst lays it out, and writes PDF/A-2a and PDF/UA-1 or refuses.
//!
//! typst sees two files, the template and the sheet as JSON, and nothing else: no disk, no network, no clock. Texts reach the template as strings of
//! that JSON, so typst never reads them as markup.

use std::collections::BTreeSet;

use serde::Serialize;
use time::OffsetDateTime;
use typst::diag::{FileError, FileResult, SourceDiagnostic};
use typst::foundations::{Bytes, Datetime, Duration, Smart};
use typst::layout::{Frame, FrameItem};
use typst::syntax::{FileId, RootedPath, Source, VirtualPath, VirtualRoot};
use typst::text::{Font, FontBook, TextItem};
use typst::utils::LazyHash;
use typst::{Feature, Features, Library, LibraryExt as _, World};
use typst_layout::PagedDocument;
use typst_pdf::{PdfOptions, PdfStandard, PdfStandards, Timestamp};
use unicode_segmentation::UnicodeSegmentation as _;

use crate::fonts::Fonts;

/// What the program calls itself in a PDF.
const CREATOR: &str = concat!("custodia-report ", env!("CARGO_PKG_VERSION"));

/// How a sheet becomes no PDF.
#[derive(Debug, thiserror::Error)]
pub enum TypesetError {
    /// Clusters that no font shows although each letter is in one: write them as code points and set the sheet again.
    #[error("no font shows {}", .0.iter().map(|cluster| cluster.escape_unicode().to_string()).collect::<Vec<_>>().join(", "))]
    NotShown(BTreeSet<String>),
    /// typst could not lay it out, or what it laid out is no PDF/A-2a or PDF/UA-1.
    #[error("typst: {0}")]
    Refused(String),
    /// The time of making cannot be written in a PDF.
    #[error("{0} cannot be the date of a PDF")]
    Date(OffsetDateTime),
}

/// The template, the sheet and the fonts: all that typst can see.
struct Desk<'f> {
    library: LazyHash<Library>,
    fonts: &'f Fonts,
    template: Source,
    sheet_id: FileId,
    sheet: Bytes,
}

fn file(name: &str) -> FileId {
    let path = VirtualPath::new(name).expect("the names of our two files are paths");
    RootedPath::new(VirtualRoot::Project, path).intern()
}

impl World for Desk<'_> {
    fn library(&self) -> &LazyHash<Library> {
        &self.library
    }

    fn book(&self) -> &LazyHash<FontBook> {
        self.fonts.book()
    }

    fn main(&self) -> FileId {
        self.template.id()
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        if id == self.template.id() { Ok(self.template.clone()) } else { Err(FileError::AccessDenied) }
    }

    fn file(&self, id: FileId) -> FileResult<Bytes> {
        if id == self.sheet_id { Ok(self.sheet.clone()) } else { Err(FileError::AccessDenied) }
    }

    fn font(&self, index: usize) -> Option<Font> {
        self.fonts.get(index)
    }

    fn today(&self, _: Option<Duration>) -> Option<Datetime> {
        None
    }
}

/// Sets the sheet with the template and writes the PDF. `identity` names the document for ever: the same sheet, the same bytes.
pub fn pdf(sheet: &impl Serialize, identity: &str, made: OffsetDateTime, fonts: &Fonts) -> Result<Vec<u8>, TypesetError> {
    let timestamp = timestamp(made).ok_or(TypesetError::Date(made))?;
    let document = lay_out(sheet, fonts)?;
    let standards =
        PdfStandards::new(&[PdfStandard::A_2a, PdfStandard::Ua_1]).map_err(|e| TypesetError::Refused(e.message().to_string()))?;
    let options = PdfOptions {
        ident: Smart::Custom(identity.to_owned()),
        creator: Smart::Custom(Some(CREATOR.to_owned())),
        timestamp: Some(timestamp),
        standards,
        ..PdfOptions::default()
    };
    typst_pdf::pdf(&document, &options).map_err(|errors| refused(&errors))
}

/// Sets the sheet with the template. No text of the pages has a glyph that stands for a missing one.
pub fn lay_out(sheet: &impl Serialize, fonts: &Fonts) -> Result<PagedDocument, TypesetError> {
    let json = serde_json::to_vec(sheet).map_err(|e| TypesetError::Refused(e.to_string()))?;
    let desk = Desk {
        library: LazyHash::new(Library::builder().with_features(Features::from_iter([Feature::A11yExtras])).build()),
        fonts,
        template: Source::new(file("/report.typ"), include_str!("report.typ").to_owned()),
        sheet_id: file("/sheet.json"),
        sheet: Bytes::new(json),
    };
    let laid_out = typst::compile::<PagedDocument>(&desk);
    let document = laid_out.output.map_err(|errors| refused(&errors))?;
    if let Some(warning) = laid_out.warnings.first() {
        return Err(TypesetError::Refused(said(warning)));
    }
    let mut not_shown = BTreeSet::new();
    for page in document.pages() {
        each_text(&page.frame, &mut |text| {
            for glyph in text.glyphs.iter().filter(|glyph| glyph.id == 0) {
                not_shown.extend(text.text[glyph.range()].graphemes(true).map(str::to_owned));
            }
        });
    }
    if not_shown.is_empty() { Ok(document) } else { Err(TypesetError::NotShown(not_shown)) }
}

/// All text of the pages in the order in which it is painted.
#[cfg(test)]
pub fn text_of(document: &PagedDocument) -> String {
    let mut all = String::new();
    for page in document.pages() {
        each_text(&page.frame, &mut |text| all.push_str(&text.text));
    }
    all
}

/// Gives back what typst remembers of sheets that it has set.
pub fn forget() {
    typst::comemo::evict(0);
}

fn refused(errors: &[SourceDiagnostic]) -> TypesetError {
    TypesetError::Refused(errors.iter().map(said).collect::<Vec<_>>().join("; "))
}

fn said(diagnostic: &SourceDiagnostic) -> String {
    let hints = diagnostic.hints.iter().map(|hint| format!(" ({})", hint.v));
    std::iter::once(diagnostic.message.to_string()).chain(hints).collect()
}

fn each_text(frame: &Frame, f: &mut impl FnMut(&TextItem)) {
    for (_, item) in frame.items() {
        match item {
            FrameItem::Group(group) => each_text(&group.frame, f),
            FrameItem::Text(text) => f(text),
            _ => {}
        }
    }
}

fn timestamp(made: OffsetDateTime) -> Option<Timestamp> {
    let (year, month, day) = made.to_calendar_date();
    let (hour, minute, second) = made.to_hms();
    let datetime = Datetime::from_ymd_hms(year, u8::from(month), day, hour, minute, second)?;
    if made.offset().is_utc() {
        return Some(Timestamp::new_utc(datetime));
    }
    Timestamp::new_local(datetime, i32::from(made.offset().whole_minutes()))
}
