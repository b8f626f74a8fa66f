//! Entries as text for a terminal and as CSV for a spreadsheet.
//!
//! ```text
//! CSV   RFC 4180: a header, CRLF after every row, cells with a comma, quote or line break in quotes, quotes doubled
//! ```
//! A cell that a spreadsheet would take for a formula (it begins with `=`, `+`, `-`, `@`, a tab or a carriage return) gets a `'` before it,
//! since reasons and recipients are texts of others.

use std::collections::BTreeSet;

use custodia_core::exhibit::path::display;
use custodia_core::exhibit::text::Line;

use super::columns::{Fit, columns};
use super::{AuditEntry, Stated};

const COLUMNS: [&str; 23] = [
    "index",
    "time",
    "claimed_time",
    "clock",
    "kind",
    "form",
    "outcome",
    "rule",
    "attempts",
    "person",
    "name",
    "office",
    "certificate",
    "case",
    "exhibit",
    "purpose",
    "recipients",
    "reason_status",
    "reason",
    "reference",
    "case_title",
    "exhibit_title",
    "concerns",
];

/// Writes the entries as CSV.
pub fn to_csv(entries: &[AuditEntry]) -> String {
    let mut csv = COLUMNS.join(",");
    csv.push_str("\r\n");
    for entry in entries {
        let cells = cells(entry).map(|cell| csv_cell(&cell));
        csv.push_str(&cells.join(","));
        csv.push_str("\r\n");
    }
    csv
}

/// Writes the entries as JSON, one a line.
pub fn to_ndjson(entries: &[AuditEntry]) -> String {
    let line = |entry| serde_json::to_string(entry).expect("an entry is texts and numbers") + "\n";
    entries.iter().map(line).collect()
}

fn cells(entry: &AuditEntry) -> [String; 23] {
    let (status, text) = match &entry.stated {
        Stated::Opened(text) => ("opened", Some(text)),
        Stated::NotForThisReader => ("not-for-this-reader", None),
        Stated::DoesNotOpen => ("does-not-open", None),
        Stated::NotAsked => ("not-asked", None),
    };
    let line = |line: Option<&str>| line.unwrap_or_default().to_owned();
    [
        entry.index.to_string(),
        entry.time.to_string(),
        entry.claimed_time.as_str().to_owned(),
        word(&entry.clock),
        entry.kind.to_string(),
        line(entry.form.as_deref()),
        outcome(entry).to_owned(),
        line(entry.refused_by.as_deref()),
        entry.attempts.to_string(),
        shown(entry.person.as_ref()),
        line(entry.name.as_deref()),
        shown(entry.office.as_ref()),
        entry.certificate.to_string(),
        entry.case.to_string(),
        shown(entry.exhibit.as_ref()),
        entry.purpose.map_or("", |purpose| purpose.as_str()).to_owned(),
        entry.recipients.join("; "),
        status.to_owned(),
        line(text.map(|text| text.reason.as_str())),
        line(text.and_then(|text| text.reference.as_ref()).map(Line::as_str)),
        line(text.and_then(|text| text.case_title.as_ref()).map(Line::as_str)),
        line(text.and_then(|text| text.exhibit_title.as_ref()).map(Line::as_str)),
        entry.concerns.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
    ]
}

fn shown(value: Option<&impl ToString>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}

/// The word that a fieldless value has in JSON.
pub(super) fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

const fn outcome(entry: &AuditEntry) -> &'static str {
    if entry.accepted() { "accepted" } else { "refused" }
}

fn csv_cell(text: &str) -> String {
    let harmless = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() };
    if harmless.contains(['"', ',', '\r', '\n']) { format!("\"{}\"", harmless.replace('"', "\"\"")) } else { harmless }
}

/// Writes the entries as a table, safe to print on a terminal: one line for each entry, or, for a terminal of some width, fewer and narrower columns.
pub fn to_table(entries: &[AuditEntry], width: Option<usize>) -> String {
    match width {
        None => {
            let header = ["INDEX", "TIME", "ACT", "OUTCOME", "BY", "CASE", "EXHIBIT", "PURPOSE", "RECIPIENTS", "REASON"].map(str::to_owned);
            let rows: Vec<_> = core::iter::once(header).chain(entries.iter().map(row)).collect();
            columns(&rows, Fit::Whole)
        }
        Some(width) => {
            let header = ["INDEX", "TIME", "ACT", "BY", "CASE", "EXHIBIT", "WHY"].map(str::to_owned);
            let ids = (
                shortest(entries.iter().map(|entry| entry.case.to_string())),
                shortest(entries.iter().filter_map(|entry| entry.exhibit.map(|exhibit| exhibit.to_string()))),
            );
            let rows: Vec<_> = core::iter::once(header).chain(entries.iter().map(|entry| narrow_row(entry, ids))).collect();
            columns(&rows, Fit::Characters(width))
        }
    }
}

/// How many characters of these ids tell them apart; commands take the beginning of an id.
fn shortest(ids: impl Iterator<Item = String>) -> usize {
    let ids: BTreeSet<String> = ids.collect();
    let apart = |length: &usize| ids.iter().map(|id| id.get(..*length)).collect::<BTreeSet<_>>().len() == ids.len();
    (8..32).find(apart).unwrap_or(32)
}

/// The same as [`row`] in fewer cells: outcome with the act, purpose, recipients and reason together, and ids as short as they can be.
fn narrow_row(entry: &AuditEntry, (case_length, exhibit_length): (usize, usize)) -> [String; 7] {
    let [index, time, act, outcome, by, case, exhibit, purpose, recipients, reason] = row(entry);
    let cut = |id: String, length: usize| id.get(..length).map_or(id.clone(), str::to_owned);
    let given = |text: String| (text != "-").then_some(text);
    let act = if entry.accepted() { act } else { format!("{act} {outcome}") };
    let why = [given(purpose), given(recipients).map(|to| format!("to {to}")), given(reason)];
    let why = why.into_iter().flatten().collect::<Vec<_>>().join(": ");
    // A day and a time of day: the line can be broken between them.
    [
        index,
        time.replacen('T', " ", 1),
        act,
        by,
        cut(case, case_length),
        cut(exhibit, exhibit_length),
        if why.is_empty() { "-".to_owned() } else { why },
    ]
}

fn row(entry: &AuditEntry) -> [String; 10] {
    let dash = |text: String| if text.is_empty() { "-".to_owned() } else { display(text.as_bytes()) };
    let act = entry.form.as_ref().map_or_else(|| entry.kind.to_string(), |form| format!("{} ({form})", entry.kind));
    let repeated = if entry.attempts > 1 { format!(" x{}", entry.attempts) } else { String::new() };
    let outcome = entry.refused_by.as_ref().map_or_else(|| outcome(entry).to_owned(), |rule| format!("refused by {rule}{repeated}"));
    let name = entry.name.clone().unwrap_or_default();
    let id = entry.person.as_ref().map(ToString::to_string).or_else(|| entry.office.as_ref().map(ToString::to_string));
    let reason = match &entry.stated {
        Stated::Opened(text) => text.reason.as_str().to_owned(),
        Stated::NotForThisReader => "(not sealed to this reader)".to_owned(),
        Stated::DoesNotOpen => "(DOES NOT OPEN)".to_owned(),
        Stated::NotAsked => String::new(),
    };
    [
        entry.index.to_string(),
        entry.time.to_string(),
        act,
        outcome,
        dash(id.map_or_else(|| name.clone(), |id| format!("{name} ({id})"))),
        entry.case.to_string(),
        dash(shown(entry.exhibit.as_ref())),
        dash(entry.purpose.map_or("", |purpose| purpose.as_str()).to_owned()),
        dash(entry.recipients.join("; ")),
        dash(reason),
    ]
}

#[cfg(test)]
mod tests {
    use custodia_core::exhibit::text::Prose;

    use super::*;
    use crate::entries::tests::entry;

    fn with_reason(reason: &str) -> AuditEntry {
        let mut entry = entry(0);
        let Stated::Opened(text) = &mut entry.stated else { panic!("opened") };
        text.reason = Prose::new(reason).unwrap();
        entry
    }

    /// Reads CSV by RFC 4180 alone.
    fn read(csv: &str) -> Vec<Vec<String>> {
        let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
        let mut chars = csv.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '"' if quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
                '"' => quoted = !quoted,
                ',' if !quoted => row.push(core::mem::take(&mut cell)),
                '\r' if !quoted => {
                    assert_eq!(chars.next(), Some('\n'));
                    row.push(core::mem::take(&mut cell));
                    rows.push(core::mem::take(&mut row));
                }
                c => cell.push(c),
            }
        }
        assert!(cell.is_empty() && row.is_empty(), "every row ends with CRLF");
        rows
    }

    #[test]
    fn csv_reads_back_whatever_a_reason_holds() {
        for reason in ["plain", "a, b", "he said \"no\"", "two\nlines", "\"", "ends with \"quotes\""] {
            let rows = read(&to_csv(&[with_reason(reason), entry(1)]));
            assert_eq!(rows.len(), 3);
            assert!(rows.iter().all(|row| row.len() == COLUMNS.len()));
            let column = COLUMNS.iter().position(|name| *name == "reason").unwrap();
            assert_eq!(rows[1][column], reason);
            assert_eq!(rows[1][16], "be-fp/anna; Court of Antwerp");
        }
    }

    #[test]
    fn no_cell_begins_a_formula() {
        for reason in ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1"] {
            let mut dangerous = with_reason(reason);
            dangerous.recipients = vec![reason.to_owned()];
            let rows = read(&to_csv(&[dangerous]));
            for cell in rows.iter().flatten() {
                assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell}");
            }
            assert_eq!(rows[1][18], format!("'{reason}"));
        }
    }

    #[test]
    fn a_table_has_one_line_for_each_entry_and_no_control_characters() {
        let mut entry = with_reason("two\nlines \u{202e}turned");
        entry.refused_by = Some("ACC-03".to_owned());
        entry.attempts = 4;
        let entries = [entry.clone(), AuditEntry { stated: Stated::DoesNotOpen, ..entry }];
        let table = to_table(&entries, None);
        assert_eq!(table.lines().count(), 3);
        assert!(table.contains("refused by ACC-03 x4") && table.contains("(DOES NOT OPEN)") && table.contains("Joost (nl-om/joost)"));
        assert!(table.chars().all(|c| c == '\n' || !(c.is_control() || c == '\u{202e}')));

        // For a terminal: in fewer columns, none of them cut off.
        let narrow = to_table(&entries, Some(100));
        assert!(narrow.lines().all(|line| line.chars().count() <= 100), "{narrow}");
        let words: Vec<&str> = narrow.split_whitespace().collect();
        for word in ["refused", "ACC-03", "x4", "(nl-om/joost)", "NOT", "OPEN)", "two\\u{a}lines"] {
            assert!(words.contains(&word), "{word}\n{narrow}");
        }
        assert!(narrow.contains(&format!(" {} ", &entries[0].case.to_string()[..8])), "{narrow}");
        assert!(!narrow.contains(&entries[0].case.to_string()), "{narrow}");
    }

    #[test]
    fn ids_are_shown_as_short_as_they_can_be_told_apart() {
        let ids = |ids: &[&str]| shortest(ids.iter().map(|id| (*id).to_owned()));
        assert_eq!(ids(&["00112233445566778899aabbccddeeff", "00112233445566778899aabbccddeeff"]), 8);
        assert_eq!(ids(&["00112233445566778899aabbccddeeff", "001122334455667788aaaabbccddeeff"]), 19);
        assert_eq!(ids(&[]), 8);
    }
}
