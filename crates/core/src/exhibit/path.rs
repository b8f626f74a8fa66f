//! Paths of files within an exhibit: what is refused, how a dangerous one is shown, under which name it is exported.
//!
//! Evidence keeps its names, however strange: line breaks, direction marks, bytes that are not UTF-8. Only what could
//! leave the exhibit's own folder is refused. Everything else is kept verbatim and made harmless where it is shown or written.

use std::fmt::Write as _;

use super::{ExhibitError, ManifestRule, Part};
use crate::digest::Sha256Digest;

/// The longest path, in bytes.
pub const MAX_PATH_LEN: usize = 4096;
/// The longest component of a path, in bytes.
pub const MAX_COMPONENT_LEN: usize = 1024;
/// The longest component of an exported name, in bytes.
pub const MAX_EXPORT_COMPONENT_LEN: usize = 255;

/// Checks that a path stays within its exhibit: relative, `/` between components, none empty, `.` or `..`, no NUL.
///
/// Does not look at anything else: see [`display`] and [`export_name`] before showing or writing it.
pub fn check(path: &[u8]) -> Result<(), ManifestRule> {
    if path.len() > MAX_PATH_LEN {
        return Err(ManifestRule::PathLength);
    }
    for component in path.split(|&byte| byte == b'/') {
        if component.len() > MAX_COMPONENT_LEN {
            return Err(ManifestRule::PathLength);
        }
        if component.is_empty() || component == b"." || component == b".." || component.contains(&0) {
            return Err(ManifestRule::PathForm);
        }
    }
    Ok(())
}

/// Characters that move, hide or reorder what stands around them; the table is in the specification.
fn is_deceptive(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// Shows any bytes on one line of a terminal or page: what could deceive is written as an escape, and so is `\`.
///
/// `\\` for a backslash, `\u{…}` with lower-case hexadecimal digits for a deceptive character, `\xHH` for a byte that is not
/// UTF-8. Two different names never look the same in code points; look-alike letters of other alphabets stay as they are.
pub fn display(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => shown.push_str("\\\\"),
                c if is_deceptive(c) => write!(shown, "\\u{{{:x}}}", u32::from(c)).expect("a string takes all"),
                c => shown.push(c),
            }
        }
        for byte in chunk.invalid() {
            write!(shown, "\\x{byte:02x}").expect("a string takes all");
        }
    }
    shown
}

/// The name under which a file is written at export, safe on Linux, macOS and Windows and in a `BagIt` manifest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExportName(String);

impl ExportName {
    /// The relative path with forward slashes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Maps a path to the name for export; a harmless path maps to itself.
///
/// In each component, every byte of a deceptive character, of what is not UTF-8, of `= % \ : * ? " < > |`, of a trailing dot
/// or space, and the first byte of a name that Windows reserves (`CON`, `NUL`, `COM1`, …) is written `=HH`. A component that is
/// then longer than 255 bytes is cut at a whole character or escape to at most 220 and ends in `=~` and 32 digits of its SHA-256.
/// Different paths get different names; names that differ only by case or Unicode form still collide on some systems,
/// so the writer creates files only where none is.
///
/// # Errors
/// [`ExhibitError::Rejected`] for a path that [`check`] refuses; [`ExhibitError::Limit`] if the name exceeds 4096 bytes.
pub fn export_name(path: &[u8]) -> Result<ExportName, ExhibitError> {
    check(path).map_err(|rule| ExhibitError::Rejected { rule, file: None })?;
    let components: Vec<String> = path.split(|&byte| byte == b'/').map(export_component).collect();
    let name = components.join("/");
    if name.len() > MAX_PATH_LEN {
        return Err(ExhibitError::Limit { part: Part::Path, most: MAX_PATH_LEN as u64, unit: "bytes" });
    }
    Ok(ExportName(name))
}

fn export_component(component: &[u8]) -> String {
    const CUT_LEN: usize = 220;
    let mut name = String::with_capacity(component.len());
    let mut cut = 0;
    let mut at = 0;
    let end = component.len();
    for chunk in component.utf8_chunks() {
        for c in chunk.valid().chars() {
            let bytes = &component[at..at + c.len_utf8()];
            at += bytes.len();
            let reserved = at == bytes.len() && is_reserved(component);
            let trailing = at == end && matches!(c, '.' | ' ');
            if reserved || trailing || is_deceptive(c) || "=%\\:;*?\"<>|".contains(c) {
                escape(&mut name, bytes);
            } else {
                name.push(c);
            }
            if name.len() <= CUT_LEN {
                cut = name.len();
            }
        }
        for byte in chunk.invalid() {
            escape(&mut name, &[*byte]);
            at += 1;
            if name.len() <= CUT_LEN {
                cut = name.len();
            }
        }
    }
    if name.len() > MAX_EXPORT_COMPONENT_LEN {
        name.truncate(cut);
        name.push_str("=~");
        name.push_str(&Sha256Digest::of(&[component]).to_string()[..32]);
    }
    name
}

fn escape(name: &mut String, bytes: &[u8]) {
    for byte in bytes {
        write!(name, "={byte:02X}").expect("a string takes all");
    }
}

/// Device names of Windows, with any extension.
fn is_reserved(component: &[u8]) -> bool {
    let stem = component.split(|&byte| byte == b'.').next().unwrap_or_default().trim_ascii_end();
    let numbered = |prefix: &[u8]| stem.len() == 4 && stem[..3].eq_ignore_ascii_case(prefix) && stem[3].is_ascii_digit();
    [&b"CON"[..], b"PRN", b"AUX", b"NUL", b"CONIN$", b"CONOUT$"].iter().any(|name| stem.eq_ignore_ascii_case(name))
        || numbered(b"COM")
        || numbered(b"LPT")
}
