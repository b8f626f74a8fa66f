//! Texts of others, so that a page can show every one of their characters.
//!
//! PDF/A takes no glyph that stands for "not in this font", and no letter that a reader cannot map back to text. So what no font at hand can show, and
//! what would not be seen (controls, marks of direction, joiners, private letters), is written as its code points: `⟨U+5F20 U+4E09⟩`.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

use icu_properties::CodePointMapData;
use icu_properties::props::{BidiClass, BinaryProperty as _, DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup};
use unicode_segmentation::UnicodeSegmentation as _;

use crate::document::Text;
use crate::fonts::Fonts;

/// Stands where a long word may be broken; the template puts a gap there that nobody sees. A text of others cannot bring one: theirs is written out.
pub const BREAK: char = '\u{200B}';

/// Around what runs from right to left (Unicode Bidirectional Algorithm, UAX 9).
const FIRST_STRONG_ISOLATE: char = '\u{2068}';
const POP_ISOLATE: char = '\u{2069}';

/// Around code points. A text that has them itself gets them written out, so that nobody can feign a code point.
const OPEN: char = '⟨';
const CLOSE: char = '⟩';

/// The longest run of letters without a place to break, in clusters: it fits the narrowest column.
const LONGEST_RUN: usize = 14;

/// The same for digests and keys: they break into groups of eight.
const LONGEST_CODE_RUN: usize = 8;

/// The most combining marks on one letter; more would leave the line.
const MOST_MARKS: usize = 3;

/// Writes texts so that the fonts can show them, and remembers whether code points had to stand in.
pub struct Legible<'f> {
    fonts: &'f Fonts,
    refused: &'f BTreeSet<String>,
    shown: HashMap<String, bool>,
    substituted: bool,
}

impl<'f> Legible<'f> {
    /// For these fonts; `refused` are clusters that a first layout could not show although the fonts name their letters.
    pub fn new(fonts: &'f Fonts, refused: &'f BTreeSet<String>) -> Self {
        Self { fonts, refused, shown: HashMap::new(), substituted: false }
    }

    /// Whether code points stand for letters anywhere in what was written so far.
    pub fn substituted(&self) -> bool {
        self.substituted
    }

    /// The text with its line breaks, tabs as four spaces, long words breakable, and code points for what cannot be shown.
    pub fn text(&mut self, text: &str) -> String {
        self.write(text, LONGEST_RUN)
    }

    /// What somebody wrote: the same, and a text that runs from right to left moves nothing of what stands around it. The marks for that are never
    /// painted.
    pub fn quoted(&mut self, text: &str) -> String {
        let written = self.write(text, LONGEST_RUN);
        if written.chars().any(runs_to_the_left) { format!("{FIRST_STRONG_ISOLATE}{written}{POP_ISOLATE}") } else { written }
    }

    /// A digest, id or key: the same, breakable after every eight letters.
    pub fn code(&mut self, text: &str) -> String {
        self.write(text, LONGEST_CODE_RUN)
    }

    fn write(&mut self, text: &str, longest_run: usize) -> String {
        let mut out = String::with_capacity(text.len());
        let mut pending: Vec<char> = Vec::new();
        let mut run = 0;
        for cluster in text.graphemes(true) {
            let plain = match cluster {
                "\n" => "\n",
                "\t" => "    ",
                cluster if self.shows(cluster) => cluster,
                cluster => {
                    pending.extend(cluster.chars());
                    continue;
                }
            };
            if self.flush(&mut pending, &mut out) {
                run = 0;
            }
            if plain.chars().all(char::is_whitespace) {
                run = 0;
            } else if run == longest_run {
                out.push(BREAK);
                run = 1;
            } else {
                run += 1;
            }
            out.push_str(plain);
        }
        self.flush(&mut pending, &mut out);
        out
    }

    /// Writes the code points that wait; true if there were any.
    fn flush(&mut self, pending: &mut Vec<char>, out: &mut String) -> bool {
        if pending.is_empty() {
            return false;
        }
        self.substituted = true;
        // A place to break before the bracket, and the spaces within it are places too.
        if out.chars().last().is_some_and(|c| !c.is_whitespace()) {
            out.push(BREAK);
        }
        out.push(OPEN);
        for (at, c) in pending.drain(..).enumerate() {
            let gap = if at == 0 { "" } else { " " };
            write!(out, "{gap}U+{:04X}", u32::from(c)).expect("a string takes all");
        }
        out.push(CLOSE);
        out.push(BREAK);
        true
    }

    fn shows(&mut self, cluster: &str) -> bool {
        if let [b' '..=b'~'] = cluster.as_bytes() {
            return true;
        }
        if let Some(known) = self.shown.get(cluster) {
            return *known;
        }
        let marks = cluster.chars().filter(|c| is_mark(*c)).count();
        let shows = marks <= MOST_MARKS
            && !cluster.starts_with(is_mark)
            && !cluster.chars().any(is_hidden)
            && !self.refused.contains(cluster)
            && self.fonts.cover(cluster);
        self.shown.insert(cluster.to_owned(), shows);
        shows
    }
}

/// A printable text as one line without any of our marks, for a document's own data.
pub fn as_name(text: &Text) -> String {
    text.as_line().replace([BREAK, FIRST_STRONG_ISOLATE, POP_ISOLATE], "")
}

fn category(c: char) -> GeneralCategory {
    CodePointMapData::<GeneralCategory>::new().get(c)
}

fn runs_to_the_left(c: char) -> bool {
    matches!(CodePointMapData::<BidiClass>::new().get(c), BidiClass::RightToLeft | BidiClass::ArabicLetter)
}

fn is_mark(c: char) -> bool {
    GeneralCategoryGroup::Mark.contains(category(c))
}

/// Whether a character leaves no mark of its own on the page, or is nobody's letter.
fn is_hidden(c: char) -> bool {
    matches!(c, OPEN | CLOSE | BREAK | '\u{FFFC}' | '\u{FFFD}')
        || GeneralCategoryGroup::Other.contains(category(c))
        || matches!(category(c), GeneralCategory::LineSeparator | GeneralCategory::ParagraphSeparator)
        || (category(c) == GeneralCategory::SpaceSeparator && !matches!(c, ' ' | '\u{A0}' | '\u{202F}'))
        || DefaultIgnorableCodePoint::for_char(c)
}

/// The characters of a text that no page shows as they are, whatever the fonts. For choosing fonts.
pub fn wants_a_glyph(c: char) -> bool {
    !c.is_whitespace() && !is_hidden(c)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{BREAK, Legible};
    use crate::fonts::Fonts;

    #[test]
    fn texts_are_written_so_that_every_character_is_seen() {
        let (fonts, none) = (Fonts::embedded(), BTreeSet::new());
        for (text, printable) in [
            ("", ""),
            ("plain text", "plain text"),
            ("two\nlines\tand a tab", "two\nlines    and a tab"),
            ("张三 li", "⟨U+5F20 U+4E09⟩| li"),
            ("a张b", "a|⟨U+5F20⟩|b"),
            ("a\u{202e}b", "a|⟨U+202E⟩|b"),
            ("\r\n", "⟨U+000D U+000A⟩|"),
            ("a\u{200b}b\u{feff}", "a|⟨U+200B⟩|b|⟨U+FEFF⟩|"),
            ("soft\u{ad}hyphen", "soft|⟨U+00AD⟩|hyphen"),
            ("⟨", "⟨U+27E8⟩|"),
            ("\u{301}e", "⟨U+0301⟩|e"),
            ("e\u{301}", "e\u{301}"),
            ("\u{2003}", "⟨U+2003⟩|"),
        ] {
            let mut legible = Legible::new(&fonts, &none);
            assert_eq!(legible.text(text).replace(BREAK, "|"), printable, "{text:?}");
            assert_eq!(legible.substituted(), printable.contains("U+"), "{text:?}");
        }
    }

    #[test]
    fn long_words_may_break_and_codes_break_by_eight() {
        let (fonts, none) = (Fonts::embedded(), BTreeSet::new());
        let mut legible = Legible::new(&fonts, &none);
        let word = "Donaudampfschifffahrt".repeat(4);
        let broken = legible.text(&word);
        assert!(broken.split(BREAK).all(|piece| piece.chars().count() <= 14));
        assert_eq!(broken.replace(BREAK, ""), word);
        assert_eq!(legible.code("0123456789abcdef01").replace(BREAK, "|"), "01234567|89abcdef|01");
    }

    #[test]
    fn a_cluster_that_a_layout_did_not_show_is_written_out() {
        let (fonts, refused) = (Fonts::embedded(), BTreeSet::from(["e\u{301}".to_owned()]));
        assert_eq!(Legible::new(&fonts, &refused).text("e\u{301}e"), format!("⟨U+0065 U+0301⟩{BREAK}e"));
    }
}
