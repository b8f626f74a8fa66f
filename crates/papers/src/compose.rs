//! The model in the words of one language.

mod custody;
mod exhibit;
mod proof;

#[cfg(test)]
pub(crate) use proof::CHECKS;

use custodia_core::dossier::Files;

use crate::document::{Block, Document, PageWords, Row, Text, Tone};
use crate::model::{Actor, ReportModel};
use crate::words::{Language, Words};

/// Puts the model into words.
pub fn document(model: &ReportModel, language: Language) -> Document {
    let words = language.words();
    let mut page = Page { words, blocks: Vec::new() };
    page.notice(Tone::Note, Text::plain(words.fill("doc.notice", &[("section", words.get("self.heading"))])));
    proof::verdict(&mut page, model);
    summary(&mut page, model);
    for exhibit in &model.exhibits {
        exhibit::section(&mut page, exhibit);
    }
    withheld(&mut page, model);
    proof::checks(&mut page, model);
    proof::keys(&mut page, model);
    proof::limits(&mut page);
    proof::by_yourself(&mut page);
    let title = match &model.dossier.case_title {
        Some(title) => Text::plain(words.get("doc.title")).and(" ").quoted(title),
        None => Text::plain(words.get("doc.title")).and(" ").code(model.dossier.case.to_string()),
    };
    Document {
        language,
        title,
        skip: words.get("doc.skip").to_owned(),
        contents: words.get("doc.contents").to_owned(),
        pages: page_words(words),
        blocks: page.blocks,
    }
}

fn page_words(words: Words) -> PageWords {
    let get = |key| words.get(key).to_owned();
    PageWords {
        page: get("pages.page"),
        part: get("pages.part"),
        parts: get("pages.parts"),
        continued: get("pages.continued"),
        not_shown: get("pages.not_shown"),
    }
}

/// The document so far.
struct Page {
    words: Words,
    blocks: Vec<Block>,
}

impl Page {
    fn heading(&mut self, level: u8, id: impl Into<String>, text: Text) {
        self.blocks.push(Block::Heading { level, id: id.into(), text });
    }

    fn paragraph(&mut self, text: Text) {
        self.blocks.push(Block::Paragraph { text });
    }

    fn notice(&mut self, tone: Tone, text: Text) {
        self.blocks.push(Block::Notice { tone, text });
    }

    fn facts(&mut self, caption: &str, rows: Vec<(&str, Text)>) {
        let rows = rows.into_iter().map(|(name, value)| (Text::plain(self.words.get(name)), value)).collect();
        self.blocks.push(Block::Facts { caption: Text::plain(self.words.get(caption)), rows });
    }

    fn table(&mut self, caption: &str, head: &[&str], rows: Vec<Row>) {
        let head = head.iter().map(|key| Text::plain(self.words.get(key))).collect();
        self.blocks.push(Block::Table { caption: Text::plain(self.words.get(caption)), head, rows });
    }
}

impl Row {
    fn of(cells: Vec<Text>) -> Self {
        Self { marked: false, cells }
    }
}

/// A moment of RFC 3339 for people: date, time, zone.
fn moment(rfc3339: &str) -> String {
    let spaced = rfc3339.replacen('T', " ", 1);
    match spaced.strip_suffix('Z') {
        Some(utc) => format!("{utc} UTC"),
        None => match spaced.char_indices().nth_back(5) {
            Some((at, '+' | '-')) => format!("{} {}", &spaced[..at], &spaced[at..]),
            _ => spaced,
        },
    }
}

/// Name, person id and role, office and country: as the certificate and the trust list of that time showed them.
fn person(words: Words, actor: &Actor) -> Text {
    let office = actor.office_name.as_deref().unwrap_or(&actor.office);
    let text = Text::quote(&actor.name).and(" (").code(actor.person.as_str()).and(")").line();
    let text = match actor.role {
        Some(role) => text.and(format!("{}, ", words.of("role", role.as_str()))),
        None => text,
    };
    let text = text.quoted(office);
    match &actor.country {
        Some(country) => text.and(format!(" ({country})")),
        None => text,
    }
}

fn list(texts: &[String]) -> Text {
    texts.iter().fold(Text::new(), |text, one| text.line().quoted(one))
}

fn summary(page: &mut Page, model: &ReportModel) {
    let (words, dossier) = (page.words, &model.dossier);
    page.heading(2, "dossier", Text::plain(words.get("summary.heading")));
    let mut rows = vec![("summary.case", Text::new().code(dossier.case.to_string()))];
    if let Some(title) = &dossier.case_title {
        rows.push(("summary.case_title", Text::quote(title)));
    }
    rows.push(("summary.made", Text::plain(moment(&dossier.made))));
    let by = dossier.maker.as_ref().filter(|maker| maker.person == dossier.by);
    rows.push(("summary.by", by.map_or_else(|| Text::new().code(dossier.by.as_str()), |maker| person(words, maker))));
    rows.push(("summary.recipients", list(&dossier.recipients)));
    if let Some(purpose) = dossier.purpose {
        rows.push(("summary.purpose", Text::plain(words.of("purpose", purpose.as_str()))));
    }
    rows.push(("summary.exhibits", Text::plain(model.exhibits.len().to_string())));
    let files = if dossier.files == Files::Included { "summary.files_included" } else { "summary.files_digests" };
    rows.push(("summary.files", Text::plain(words.get(files))));
    rows.push(("summary.log", Text::new().code(dossier.origin.as_str())));
    page.facts("summary.caption", rows);
}

fn withheld(page: &mut Page, model: &ReportModel) {
    let words = page.words;
    page.heading(2, "withheld", Text::plain(words.get("withheld.heading")));
    if model.withheld.is_empty() {
        page.paragraph(Text::plain(words.get("withheld.none")));
        return;
    }
    page.paragraph(Text::plain(words.get("withheld.word")));
    let rows = model.withheld.iter().map(|withheld| {
        let exhibit = match withheld.exhibit {
            Some(exhibit) => Text::new().code(exhibit.to_string()),
            None => Text::plain(words.get("withheld.unnamed")),
        };
        Row::of(vec![exhibit, Text::quote(&withheld.ground)])
    });
    page.table("withheld.caption", &["withheld.exhibit", "withheld.ground"], rows.collect());
}

#[cfg(test)]
mod tests {
    use super::moment;

    #[test]
    fn moments_keep_their_zone() {
        for (rfc3339, shown) in [
            ("2026-11-23T20:04:05Z", "2026-11-23 20:04:05 UTC"),
            ("2026-11-23T20:04:05.123Z", "2026-11-23 20:04:05.123 UTC"),
            ("2026-11-23T21:04:05+01:00", "2026-11-23 21:04:05 +01:00"),
            ("2026-11-23T15:04:05.5-05:30", "2026-11-23 15:04:05.5 -05:30"),
            ("no time", "no time"),
        ] {
            assert_eq!(moment(rfc3339), shown);
        }
    }
}
