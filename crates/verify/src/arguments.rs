//! The words of the command line: `custodia-verify DOSSIER --trust FILE [--simple | --details | --json]`, in any order.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// What is asked.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    /// To verify a dossier.
    Verify(Options),
    /// To explain the program.
    Help,
    /// To name its version.
    Version,
}

/// A verification.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    /// The dossier.
    pub dossier: PathBuf,
    /// The trust file.
    pub trust: PathBuf,
    /// How to report.
    pub form: ReportForm,
}

/// How to report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportForm {
    /// One sentence, and what it does not prove.
    Simple,
    /// The custody, and check by check what is not merely repeated for each record.
    Default,
    /// Every finding.
    Details,
    /// JSON (`docs/spec/dossier.md`).
    Json,
}

/// Reads the words after the program's name.
///
/// # Errors
/// What was not understood, in a sentence. Nothing is guessed: a word that is not known, or said twice, is refused.
pub fn read(words: impl Iterator<Item = OsString>) -> Result<Asked, String> {
    let (mut dossier, mut trust, mut form) = (None, None, None);
    let mut words = words.peekable();
    let mut only_names = false;
    while let Some(word) = words.next() {
        let text = word.to_str().filter(|_| !only_names);
        match text {
            Some("--") => only_names = true,
            Some("-h" | "--help") => return Ok(Asked::Help),
            Some("-V" | "--version") => return Ok(Asked::Version),
            Some("--trust") => {
                let file = words.next().filter(|file| !file.is_empty()).ok_or("--trust needs the path of your trust file after it")?;
                once(&mut trust, file, "--trust")?;
            }
            Some(option) if option.starts_with("--trust=") => {
                let file = option.strip_prefix("--trust=").filter(|file| !file.is_empty());
                once(&mut trust, file.ok_or("--trust= needs the path of your trust file after it")?.into(), "--trust")?;
            }
            Some("--simple") => once(&mut form, ReportForm::Simple, "the kind of report")?,
            Some("--details") => once(&mut form, ReportForm::Details, "the kind of report")?,
            Some("--json") => once(&mut form, ReportForm::Json, "the kind of report")?,
            Some(option) if option.starts_with('-') && option.len() > 1 => return Err(format!("the option {option:?} is not known")),
            _ => once(&mut dossier, word, "the dossier")?,
        }
    }
    let path = |found: Option<OsString>, missing: &str| {
        found.filter(|word| word.as_os_str() != OsStr::new("")).map(PathBuf::from).ok_or_else(|| missing.to_owned())
    };
    Ok(Asked::Verify(Options {
        dossier: path(dossier, "the path of the dossier is missing")?,
        trust: path(trust, "--trust is missing: a verdict is by your own trust file")?,
        form: form.unwrap_or(ReportForm::Default),
    }))
}

fn once<T>(place: &mut Option<T>, value: T, what: &str) -> Result<(), String> {
    if place.is_some() {
        return Err(format!("{what} is given twice"));
    }
    *place = Some(value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_words(words: &[&str]) -> Result<Asked, String> {
        read(words.iter().map(OsString::from))
    }

    #[test]
    fn words_may_come_in_any_order() {
        let expected = |form| Ok(Asked::Verify(Options { dossier: "d.zip".into(), trust: "t.toml".into(), form }));
        assert_eq!(read_words(&["d.zip", "--trust", "t.toml"]), expected(ReportForm::Default));
        assert_eq!(read_words(&["--simple", "--trust=t.toml", "d.zip"]), expected(ReportForm::Simple));
        assert_eq!(read_words(&["--trust", "t.toml", "--json", "--", "d.zip"]), expected(ReportForm::Json));
        assert_eq!(read_words(&["d.zip", "--details", "--trust", "t.toml"]), expected(ReportForm::Details));
        let dashed = Asked::Verify(Options { dossier: "--json".into(), trust: "-t".into(), form: ReportForm::Default });
        assert_eq!(read_words(&["--trust", "-t", "--", "--json"]), Ok(dashed));
        assert_eq!((read_words(&["--help"]), read_words(&["-V"])), (Ok(Asked::Help), Ok(Asked::Version)));
    }

    #[test]
    fn nothing_is_guessed() {
        for (words, named) in [
            (&["d.zip"][..], "--trust is missing"),
            (&["--trust", "t"], "dossier is missing"),
            (&["d.zip", "--trust"], "after it"),
            (&["d.zip", "--trust="], "after it"),
            (&["d.zip", "--trust", "t", "--trust", "u"], "twice"),
            (&["d.zip", "e.zip", "--trust", "t"], "twice"),
            (&["d.zip", "--trust", "t", "--json", "--simple"], "twice"),
            (&["d.zip", "--trust", "t", "--verbose"], "not known"),
            (&["", "--trust", "t"], "dossier is missing"),
        ] {
            let refused = read_words(words).unwrap_err();
            assert!(refused.contains(named), "{words:?}: {refused}");
        }
    }
}
