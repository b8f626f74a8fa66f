//! The fonts that pages are set in: those within the program, and more from folders that the caller names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use typst::foundations::Bytes;
use typst::text::{Font, FontBook, FontStretch, FontStyle, FontWeight};
use typst::utils::LazyHash;

/// The families of the program's own fonts. Libertinus Serif has Latin, Greek, Cyrillic and Hebrew; `DejaVu` Sans Mono adds Armenian, Georgian, Arabic, Lao and signs.
const FAMILIES: [&str; 2] = ["Libertinus Serif", "DejaVu Sans Mono"];

/// Larger font files are passed over.
const MOST_BYTES: u64 = 64 << 20;
/// More files than this are not looked at.
const MOST_FILES: usize = 20_000;
/// Folders in folders, so that a loop of links ends.
const MOST_DEPTH: usize = 8;

/// Fonts in a fixed order, and typst's index of them.
pub struct Fonts {
    book: LazyHash<FontBook>,
    fonts: Vec<Font>,
}

impl Fonts {
    /// The fonts within the program.
    pub fn embedded() -> Self {
        let fonts = typst_assets::fonts().flat_map(|data| Font::iter(Bytes::new(data)));
        Self::of(fonts.filter(|font| FAMILIES.contains(&font.info().family.as_str())).collect())
    }

    fn of(fonts: Vec<Font>) -> Self {
        Self { book: LazyHash::new(FontBook::from_fonts(&fonts)), fonts }
    }

    /// Adds fonts from the folders, files in order of their paths, for as long as characters of `wanted` are covered by none.
    ///
    /// Taken are upright fonts of normal weight with outlines whose makers permit embedding. A folder that cannot be read adds nothing.
    pub fn with_folders(self, folders: &[PathBuf], wanted: &BTreeSet<char>) -> Self {
        let mut missing: BTreeSet<char> = wanted.iter().copied().filter(|c| !self.covers(*c)).collect();
        let mut fonts = self.fonts;
        for path in folders.iter().flat_map(|folder| font_files(folder)) {
            if missing.is_empty() {
                break;
            }
            let Ok(data) = std::fs::read(&path) else { continue };
            for font in Font::iter(Bytes::new(data)).filter(usable) {
                let before = missing.len();
                missing.retain(|c| !font.info().coverage.contains(u32::from(*c)));
                if missing.len() < before {
                    fonts.push(font);
                }
            }
        }
        Self::of(fonts)
    }

    fn covers(&self, c: char) -> bool {
        self.fonts.iter().any(|font| font.info().coverage.contains(u32::from(c)))
    }

    /// Whether one font alone has every character of the cluster. That it has them joined only the layout tells.
    pub fn cover(&self, cluster: &str) -> bool {
        self.fonts.iter().any(|font| cluster.chars().all(|c| font.info().coverage.contains(u32::from(c))))
    }

    /// typst's index.
    pub fn book(&self) -> &LazyHash<FontBook> {
        &self.book
    }

    /// The font of that index.
    pub fn get(&self, index: usize) -> Option<Font> {
        self.fonts.get(index).cloned()
    }
}

fn usable(font: &Font) -> bool {
    let variant = font.info().variant;
    let upright = variant.style == FontStyle::Normal && variant.weight == FontWeight::REGULAR && variant.stretch == FontStretch::NORMAL;
    upright
        && !font.info().is_last_resort()
        && ttf_parser::Face::parse(font.data(), font.index()).is_ok_and(|face| {
            let outlines = face.tables().glyf.is_some() || face.tables().cff.is_some();
            let permitted = !matches!(face.permissions(), Some(ttf_parser::Permissions::Restricted));
            outlines && permitted && face.is_subsetting_allowed() && face.is_outline_embedding_allowed()
        })
}

/// The font files below a folder, sorted by path.
fn font_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            let Ok(about) = std::fs::metadata(&path) else { continue };
            if about.is_dir() && depth < MOST_DEPTH {
                open.push((path, depth + 1));
            } else if about.is_file() && about.len() <= MOST_BYTES && is_font_name(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    found.truncate(MOST_FILES);
    found
}

fn is_font_name(path: &Path) -> bool {
    path.extension().is_some_and(|end| ["ttf", "otf", "ttc", "otc"].iter().any(|font| end.eq_ignore_ascii_case(font)))
}
