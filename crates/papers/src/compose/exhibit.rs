//! One exhibit: what was recorded at intake, its files, its custody.

use custodia_core::exhibit::intake::Intake;

use super::{Page, custody, moment};
use crate::document::{Row, Text, Tone};
use crate::model::{ExhibitFacts, FileFacts};
use crate::words::Words;

pub(super) fn section(page: &mut Page, exhibit: &ExhibitFacts) {
    let words = page.words;
    let id = format!("exhibit-{}", exhibit.id);
    let heading = Text::plain(words.get("exhibit.heading")).and(" ");
    if let Some(intake) = &exhibit.intake {
        let number = heading.quoted(intake.exhibit_number.as_str()).and(": ");
        page.heading(2, id, number.quoted(intake.title.as_str()));
        intake_facts(page, exhibit, intake);
        page.heading(3, format!("files-{}", exhibit.id), Text::plain(words.get("files.heading")));
        let rows = exhibit.files.iter().map(|file| file_row(words, file)).collect();
        page.table("files.caption", &["files.path", "files.size", "files.digests"], rows);
    } else {
        page.heading(2, id, heading.code(exhibit.id.to_string()));
        page.notice(Tone::Bad, Text::plain(words.get("exhibit.no_manifest")));
    }
    page.heading(3, format!("custody-{}", exhibit.id), Text::plain(words.get("custody.heading")));
    custody::table(page, &exhibit.acts);
}

fn intake_facts(page: &mut Page, exhibit: &ExhibitFacts, intake: &Intake) {
    let words = page.words;
    page.heading(3, format!("intake-{}", exhibit.id), Text::plain(words.get("intake.heading")));
    page.paragraph(Text::plain(words.get("intake.word")));
    page.facts("intake.caption", description(words, exhibit, intake));
    page.facts("origin.caption", origin(words, intake));
    page.facts("basis.caption", basis(words, intake));
}

fn description(words: Words, exhibit: &ExhibitFacts, intake: &Intake) -> Vec<(&'static str, Text)> {
    let mut rows = vec![
        ("intake.number", Text::quote(intake.exhibit_number.as_str())),
        ("intake.id", Text::new().code(exhibit.id.to_string())),
        ("intake.title", Text::quote(intake.title.as_str())),
    ];
    if let Some(root) = &intake.root_exhibit_number {
        rows.insert(1, ("intake.root", Text::quote(root.as_str())));
    }
    rows.extend(intake.description.iter().map(|text| ("intake.description", Text::quote(text.as_str()))));
    rows.push(("intake.kind", Text::plain(words.of("exhibit_kind", intake.kind.as_str()))));
    rows.extend(intake.seal_number.iter().map(|seal| ("intake.seal", Text::quote(seal.as_str()))));
    let handling = Text::plain(format!("{}: {}", intake.handling.as_str(), words.of("handling", intake.handling.as_str())));
    let restricted = intake.handling_restriction.iter().fold(handling, |text, more| text.line().quoted(more.as_str()));
    rows.push(("intake.handling", restricted));
    let (source, information) = (intake.evaluation.source.as_str(), intake.evaluation.information.as_str());
    let evaluation = Text::plain(format!("{source}: {}", words.of("reliability", source)))
        .line()
        .and(format!("{information}: {}", words.of("accuracy", information)));
    rows.push(("intake.evaluation", evaluation));
    let categories: Vec<String> = intake.person_categories.iter().map(|one| words.of("category", one.as_str())).collect();
    let categories = if categories.is_empty() { words.get("word.none").to_owned() } else { categories.join(", ") };
    rows.push(("intake.categories", Text::plain(categories)));
    rows.push(("intake.special", yes(words, intake.special_category)));
    rows.push(("intake.child", yes(words, intake.child)));
    if let Some(from) = intake.derived_from {
        let text = Text::plain(format!("{}: ", words.of("derivation", from.how.as_str()))).code(from.exhibit.to_string());
        rows.push(("intake.derived", text));
    }
    rows.push(("intake.review", Text::plain(intake.review_date.to_string())));
    rows
}

fn yes(words: Words, holds: bool) -> Text {
    Text::plain(words.get(if holds { "word.yes" } else { "word.no" }))
}

/// Who collected it, from whom or what, and how it was acquired: what the defence asks first.
fn origin(words: Words, intake: &Intake) -> Vec<(&'static str, Text)> {
    let (collected, acquisition) = (&intake.collected, &intake.acquisition);
    let mut rows = vec![
        ("origin.by", Text::quote(collected.by.as_str())),
        ("origin.at", Text::plain(moment(collected.at.as_str()))),
        ("origin.place", Text::quote(collected.place.as_str())),
    ];
    rows.extend(intake.source.person.iter().map(|person| ("origin.person", Text::quote(person.as_str()))));
    if let Some(device) = &intake.source.device {
        rows.push(("origin.device", Text::quote(device.make.as_str()).and(" ").quoted(device.model.as_str())));
        rows.extend(device.serial.iter().map(|serial| ("origin.serial", Text::quote(serial.as_str()))));
        let clock = match device.clock_deviation_seconds {
            Some(seconds) => words.fill("origin.deviation", &[("seconds", &format!("{seconds:+}"))]),
            None => words.get("origin.not_measured").to_owned(),
        };
        rows.push(("origin.clock", Text::plain(clock)));
    }
    rows.push(("origin.method", Text::quote(acquisition.method.as_str())));
    let tool = match (&acquisition.tool, &acquisition.tool_version) {
        (Some(tool), Some(version)) => Text::quote(tool.as_str()).and(" ").quoted(version.as_str()),
        (Some(tool), None) => Text::quote(tool.as_str()),
        (None, Some(version)) => Text::quote(version.as_str()),
        (None, None) => Text::plain(words.get("word.not_stated")),
    };
    rows.push(("origin.tool", tool));
    let blocker = acquisition.write_blocker.as_ref();
    rows.push(("origin.blocker", blocker.map_or_else(|| Text::plain(words.get("word.none")), |blocker| Text::quote(blocker.as_str()))));
    rows
}

fn basis(words: Words, intake: &Intake) -> Vec<(&'static str, Text)> {
    let basis = &intake.legal_basis;
    let from = basis.valid_from.to_string();
    let valid = match &basis.valid_to {
        Some(until) => words.fill("basis.from_to", &[("from", &from), ("until", &until.to_string())]),
        None => words.fill("basis.from_on", &[("from", &from)]),
    };
    vec![
        ("basis.type", Text::plain(words.of("legal", basis.kind.as_str()))),
        ("basis.identifier", Text::quote(basis.identifier.as_str())),
        ("basis.authority", Text::quote(basis.authority.as_str()).and(format!(" ({})", String::from(basis.state)))),
        ("basis.valid", Text::plain(valid)),
    ]
}

fn file_row(words: Words, file: &FileFacts) -> Row {
    let mut path = Text::new().shown(file.path.as_str()).line().and(file.media_type.as_str());
    if let Some(modified) = &file.modified {
        path = path.line().and(words.fill("files.modified", &[("moment", &moment(modified))]));
    }
    let digests = Text::plain("SHA-256 ").code(file.sha256.to_string()).line().and("BLAKE3 ").code(file.blake3.to_string());
    Row::of(vec![path, Text::plain(words.fill("files.bytes", &[("bytes", &grouped(file.size))])), digests])
}

/// Digits in groups of three, by narrow spaces that do not break.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn digits_are_grouped_by_three() {
        for (number, shown) in [(0, "0"), (999, "999"), (1000, "1\u{202f}000"), (12_345_678, "12\u{202f}345\u{202f}678")] {
            assert_eq!(grouped(number), shown);
        }
    }
}
