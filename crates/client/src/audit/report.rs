//! The report for a supervisory authority (LED Art 25(3)): who, what, when, why, as one page of HTML without script, style sheet or picture of others.
//!
//! Everything that came from outside is escaped. There are no counts by person: LED Art 25(2) gives the purposes of a log, and how much somebody works is
//! none of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use custodia_core::exhibit::path::display;
use custodia_core::finding::{Finding, Status};

use super::AuditReport;
use crate::entries::{AuditEntry, Stated};

/// What was asked for, in words for the head of the page.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Which entries: by person, exhibit, case, time.
    pub entries: Vec<String>,
    /// The purpose of the reading.
    pub purpose: String,
    /// When the report was made, by this machine's clock.
    pub made: String,
}

const STYLE: &str = "body{font:1rem/1.5 sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem;color:#111;background:#fff}\
table{border-collapse:collapse;width:100%}caption{text-align:left;font-weight:bold;padding:.5rem 0}\
th,td{border:1px solid #767676;padding:.3rem .5rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}\
th{background:#f0f0f0}.failed{font-weight:bold}a{color:#00458b}";

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in display(text.as_bytes()).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

fn row(page: &mut String, head: &str, cells: &[String]) {
    let _ = writeln!(page, "<tr><th scope=\"row\">{head}</th><td>{}</td></tr>", cells.join("</td><td>"));
}

fn table(page: &mut String, caption: &str, head: &[&str], rows: impl FnOnce(&mut String)) {
    let head = head.join("</th><th scope=\"col\">");
    let _ = writeln!(page, "<table><caption>{caption}</caption><thead><tr><th scope=\"col\">{head}</th></tr></thead><tbody>");
    rows(page);
    page.push_str("</tbody></table>\n");
}

fn who(entry: &AuditEntry) -> String {
    let id = entry.person.as_ref().map(ToString::to_string).or_else(|| entry.office.as_ref().map(ToString::to_string));
    let name = entry.name.as_deref().unwrap_or("unknown");
    escaped(&id.map_or_else(|| name.to_owned(), |id| format!("{name} ({id})")))
}

fn what(entry: &AuditEntry) -> String {
    let form = entry.form.as_ref().map(|form| format!(" ({form})")).unwrap_or_default();
    let to = if entry.recipients.is_empty() { String::new() } else { format!(" to {}", entry.recipients.join("; ")) };
    let refused = entry.refused_by.as_ref().map(|rule| format!(" — refused by {rule}, attempts: {}", entry.attempts)).unwrap_or_default();
    escaped(&format!("{}{form}{to}{refused}", entry.kind))
}

fn why(entry: &AuditEntry) -> String {
    let stated = match &entry.stated {
        Stated::Opened(text) => {
            let reference = text.reference.as_ref().map(|reference| format!(" [{}]", reference.as_str())).unwrap_or_default();
            format!("{}{reference}", text.reason.as_str())
        }
        Stated::NotForThisReader => "(the reason is not sealed to this auditor)".to_owned(),
        Stated::DoesNotOpen => "(THE REASON DOES NOT OPEN)".to_owned(),
        Stated::NotAsked => String::new(),
    };
    let purpose = entry.purpose.map(|purpose| format!("{}: ", purpose.as_str())).unwrap_or_default();
    escaped(&format!("{purpose}{stated}"))
}

fn findings(page: &mut String, caption: &str, findings: &[&Finding]) {
    if findings.is_empty() {
        let _ = writeln!(page, "<p>{caption}: none.</p>");
        return;
    }
    table(page, caption, &["Check", "About", "Finding"], |page| {
        for finding in findings {
            row(page, &escaped(&finding.check), &[escaped(&finding.subject), escaped(&finding.text)]);
        }
    });
}

/// Links to the entries of each key, in order.
fn index(page: &mut String, title: &str, entries: &[AuditEntry], keys: impl Fn(&AuditEntry) -> Vec<String>) {
    let mut by: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for entry in entries {
        for key in keys(entry) {
            by.entry(key).or_default().push(entry.index);
        }
    }
    let _ = writeln!(page, "<h3>{title}</h3>\n<ul>");
    for (key, records) in by {
        let links: Vec<String> = records.iter().map(|index| format!("<a href=\"#r{index}\">{index}</a>")).collect();
        let _ = writeln!(page, "<li>{}: records {}</li>", escaped(&key), links.join(", "));
    }
    page.push_str("</ul>\n");
}

/// The report as one page of HTML.
pub fn to_html(report: &AuditReport, entries: &[AuditEntry], asked: &Asked) -> String {
    let origin = escaped(report.checkpoint().checkpoint().origin.as_str());
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>Audit of {origin}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>Audit of the log {origin}</h1>\n"
    );
    let of = |status| report.findings.iter().filter(move |finding| finding.status == status).collect::<Vec<_>>();
    let failed = of(Status::Failed);
    let verdict = if failed.is_empty() { "No check failed." } else { "CHECKS FAILED. Do not rely on the log before they are explained." };
    let _ =
        writeln!(page, "<p class=\"failed\">{verdict}</p>\n<p>Records 0 to {}, replayed by this device", report.size().saturating_sub(1));
    if report.from > 0 {
        let _ = write!(page, ", of which those before record {} at an earlier audit", report.from);
    }
    let _ = writeln!(page, ". Made {} for the purpose {}.", escaped(&asked.made), escaped(&asked.purpose));
    let which = if asked.entries.is_empty() { "all".to_owned() } else { asked.entries.join("; ") };
    let _ = writeln!(page, " This reading is record {} of the log. Entries shown: {}.</p>", report.reading, escaped(&which));
    page.push_str("<h2>Findings</h2>\n");
    findings(&mut page, "Checks that do not hold", &failed);
    findings(&mut page, "What was not checked", &of(Status::NotChecked));
    findings(&mut page, "Checks that hold", &of(Status::Passed));
    page.push_str(
        "<p>Not checked by any replay: whether what was collected is true; whether somebody who opened an exhibit kept a copy; times beyond the log's own \
         word and its stamps.</p>\n<h2>Entries: who, what, when, why</h2>\n",
    );
    table(&mut page, "In the order of the log", &["Record", "When (log)", "Who", "What", "Case", "Exhibit", "Why"], |page| {
        for entry in entries {
            let head = format!("<span id=\"r{0}\">{0}</span>", entry.index);
            let exhibit = entry.exhibit.map(|exhibit| exhibit.to_string()).unwrap_or_default();
            let cells = [entry.time.to_string(), who(entry), what(entry), entry.case.to_string(), exhibit, why(entry)];
            row(page, &head, &cells);
        }
    });
    page.push_str("<h2>Where to find</h2>\n");
    index(&mut page, "By person", entries, |entry| {
        let acting = entry.person.iter().map(ToString::to_string);
        acting.chain(entry.concerns.iter().map(|person| format!("{person} (concerned)"))).collect()
    });
    index(&mut page, "By case", entries, |entry| vec![entry.case.to_string()]);
    index(&mut page, "By exhibit", entries, |entry| entry.exhibit.iter().map(ToString::to_string).collect());
    if !report.erased.is_empty() {
        let erased: Vec<String> = report.erased.iter().map(ToString::to_string).collect();
        let _ = writeln!(page, "<p>Records whose content was erased: {}.</p>", erased.join(", "));
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}
