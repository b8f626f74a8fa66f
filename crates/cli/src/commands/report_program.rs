//! Where the program is that makes PDF of reports.

use std::env;
use std::path::{Path, PathBuf};

use clap::Args;
use custodia_client::dossier::{Found, Language, NoPdf, ReportProgram};
use serde::Serialize;

use crate::failure::Failure;
use crate::terminal::{note, printable, printable_path};

/// Its file's name.
const NAME: &str = "custodia-report";

/// What makes PDF of the reports.
#[derive(Args)]
pub struct Printing {
    /// The program custodia-report, which makes PDF of the reports; without it, the one beside this program or on PATH.
    #[arg(long, value_name = "FILE")]
    report_program: Option<PathBuf>,
    /// A folder with fonts for characters that the program's own lack; may be given several times.
    #[arg(long = "report-fonts", value_name = "FOLDER")]
    report_fonts: Vec<PathBuf>,
}

impl Printing {
    /// The program that is named, or one that is found. What is named must be there; that none is found is said with the dossier.
    pub fn program(self) -> Result<Option<ReportProgram>, Failure> {
        let path = match self.report_program {
            Some(named) => Some(absolute(&named, Path::is_file)?),
            None => beside().into_iter().chain(on_path()).find(|path| path.is_file()),
        };
        let fonts = self.report_fonts.into_iter().map(|folder| absolute(&folder, Path::is_dir)).collect::<Result<_, _>>()?;
        Ok(path.map(|path| ReportProgram { path, fonts }))
    }
}

/// The path from the root, since the program runs in a folder of its own.
fn absolute(path: &Path, there: fn(&Path) -> bool) -> Result<PathBuf, Failure> {
    let whole = std::path::absolute(path).ok().filter(|path| there(path));
    whole.ok_or_else(|| Failure::usage(format!("{}: it is not there", printable_path(path)), "Nothing was entered in the log."))
}

fn beside() -> Option<PathBuf> {
    Some(env::current_exe().ok()?.parent()?.join(NAME))
}

fn on_path() -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).filter(|folder| folder.is_absolute()).map(|folder| folder.join(NAME)).collect::<Vec<_>>().into_iter()
}

/// A report without a PDF.
#[derive(Serialize)]
pub struct WithoutPdf {
    language: Language,
    why: String,
}

/// Says which reports have no PDF, and gives them for the answer.
pub fn say_what_has_no_pdf(found: &Found) -> Vec<WithoutPdf> {
    if found.no_pdf.iter().any(|(_, why)| *why == NoPdf::NoProgram) {
        note("The reports have no PDF: custodia-report is neither beside this program nor on PATH, and --report-program names none.");
    }
    for (language, why) in found.no_pdf.iter().filter(|(_, why)| *why != NoPdf::NoProgram) {
        note(&format!("The report in {} has no PDF: {}", language.code(), printable(&why.to_string())));
    }
    found.no_pdf.iter().map(|(language, why)| WithoutPdf { language: *language, why: why.to_string() }).collect()
}
