//! The files of `report/`, made from what a verifier finds in the dossier as it was written: what people read is what was verified.

use std::path::PathBuf;

use custodia_core::finding::Verdict;
use custodia_papers::transmission::{self, Transmission};
use custodia_papers::{Language, case_uco, html};
use custodia_verify::Trust;

use super::DossierError;
use super::custody::TagFiles;
use super::pdf::{self, NoPdf, ReportProgram};
use super::zip_file::Draft;

/// The folder of reports.
pub(super) const FOLDER: &str = "report/";
const CASE_UCO: &str = "report/case-uco.jsonld";
const TRANSMISSION: &str = "report/manifest-2025-1550.json";

/// What the files of `report/` are made with.
pub(super) struct Papers {
    /// By which keys the dossier is verified.
    pub(super) trust: Trust,
    /// In which languages the report is written.
    pub(super) languages: Vec<Language>,
    /// What the maker states of the transmission; none keeps the manifest that is there.
    pub(super) transmission: Option<Transmission>,
    /// When (RFC 3339).
    pub(super) at: String,
    /// What makes PDF of the reports, if it is there.
    pub(super) program: Option<ReportProgram>,
    /// Private, for the files of that program.
    pub(super) folder: PathBuf,
}

/// What the verifier said of a dossier that was just written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The verdict, by the maker's own trust.
    pub verdict: Verdict,
    /// The verdict and its ground in one sentence.
    pub sentence: String,
    /// The languages of the reports that have no PDF, and why.
    pub no_pdf: Vec<(Language, NoPdf)>,
}

/// The path of the report in a language.
fn report(language: Language) -> String {
    format!("{FOLDER}report.{}.html", language.code())
}

/// The languages of the reports that are there.
pub(super) fn languages(tags: &TagFiles) -> Vec<Language> {
    Language::ALL.into_iter().filter(|language| tags.contains_key(&report(*language))).collect()
}

/// Writes tag files, verifies the whole, and writes them again with the papers. Reports of what stood there before are left out.
pub(super) fn add(draft: &mut Draft, mut tags: TagFiles, papers: &Papers) -> Result<Found, DossierError> {
    tags.retain(|name, _| !name.starts_with(FOLDER) || (papers.transmission.is_none() && name == TRANSMISSION));
    draft.put_tags(&tags)?;
    let report_of_verifier = draft.verify(&papers.trust)?;
    let mut found = Found { verdict: report_of_verifier.verdict, sentence: report_of_verifier.sentence(), no_pdf: Vec::new() };
    let Some(model) = custodia_papers::model(&report_of_verifier, &papers.trust, &papers.at) else { return Ok(found) };
    for &language in &papers.languages {
        let document = custodia_papers::document(&model, language);
        tags.insert(report(language), html::render(&document).into_bytes());
        match papers.program.as_ref().ok_or(NoPdf::NoProgram).and_then(|program| pdf::make(program, &document, &papers.at, &papers.folder))
        {
            Ok(files) => tags.extend(files),
            Err(why) => found.no_pdf.push((language, why)),
        }
    }
    tags.insert(CASE_UCO.to_owned(), text(&case_uco::graph(&model)));
    if let Some(stated) = &papers.transmission {
        tags.insert(TRANSMISSION.to_owned(), text(&transmission::manifest(&model, stated)));
    }
    draft.put_tags(&tags)?;
    Ok(found)
}

fn text(json: &serde_json::Value) -> Vec<u8> {
    format!("{json:#}\n").into_bytes()
}
