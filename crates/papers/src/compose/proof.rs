//! What was verified, by which keys, what that does not prove, and how to verify it oneself.

use custodia_core::finding::{Finding, Status, Verdict};

use super::{Page, moment};
use crate::document::{Block, Row, Text, Tone};
use crate::model::ReportModel;

/// Every check of `docs/spec/dossier.md`, integrity first.
pub(crate) const CHECKS: [&str; 20] = [
    "DOS-01", "DOS-02", "DOS-03", "CHN-01", "CHN-02", "CHN-03", "CHN-04", "CHN-05", "EXH-01", "EXH-02", "EXH-03", "EXH-04", "LOG-01",
    "LOG-02", "LOG-03", "LOG-04", "LOG-05", "LOG-06", "LOG-07", "TRU-01",
];

pub(super) fn verdict(page: &mut Page, model: &ReportModel) {
    let (words, verification) = (page.words, &model.verification);
    page.heading(2, "verdict", Text::plain(words.get("verdict.heading")));
    let last = verification.tree_size.unwrap_or_default().saturating_sub(1).to_string();
    let (tone, key) = match verification.verdict {
        Verdict::Passed => (Tone::Good, "verdict.passed"),
        Verdict::Indeterminate => (Tone::Open, "verdict.indeterminate"),
        Verdict::Failed => (Tone::Bad, "verdict.failed"),
    };
    let mut text = Text::new().strong(verification.verdict.to_string()).and(". ").and(words.fill(key, &[("record", &last)]));
    if let Some(obstacle) = &verification.obstacle {
        text = what(page, text.line(), &obstacle.check);
        text = detail(text, obstacle);
    }
    page.notice(tone, text);
    page.paragraph(Text::plain(words.fill("verdict.when", &[("moment", &moment(&verification.at)), ("keys", words.get("keys.heading"))])));
}

/// The check's id and what it checks.
fn what(page: &Page, text: Text, check: &str) -> Text {
    let text = text.code(check).and(" ");
    if CHECKS.contains(&check) { text.and(page.words.of("check", check)) } else { text }
}

fn detail(text: Text, finding: &Finding) -> Text {
    text.line().english(&format!("{}: {}", finding.subject, finding.text))
}

pub(super) fn checks(page: &mut Page, model: &ReportModel) {
    let words = page.words;
    page.heading(2, "checks", Text::plain(words.get("checks.heading")));
    page.paragraph(Text::plain(words.get("checks.intro")));
    let findings = &model.verification.findings;
    let mut ids: Vec<&str> = CHECKS.to_vec();
    ids.extend(findings.iter().map(|finding| finding.check.as_str()).filter(|id| !CHECKS.contains(id)));
    ids.dedup();
    let mut rows = Vec::new();
    for id in ids {
        let of_check: Vec<&Finding> = findings.iter().filter(|finding| finding.check == id).collect();
        let Some(worst) = of_check.iter().map(|finding| finding.status).max() else { continue };
        let result = match worst {
            Status::Passed => "status.passed",
            Status::NotChecked => "status.not_checked",
            Status::Failed => "status.failed",
        };
        let mut text = Text::new().strong(words.get(result));
        for finding in of_check.iter().filter(|finding| finding.status != Status::Passed) {
            text = detail(text, finding);
        }
        let what = if CHECKS.contains(&id) { Text::plain(words.of("check", id)) } else { Text::new() };
        rows.push(Row { marked: worst == Status::Failed, cells: vec![Text::new().code(id), what, text] });
    }
    page.table("checks.caption", &["checks.id", "checks.what", "checks.result"], rows);
}

pub(super) fn keys(page: &mut Page, model: &ReportModel) {
    let (words, keys) = (page.words, &model.keys);
    page.heading(2, "keys", Text::plain(words.get("keys.heading")));
    page.paragraph(Text::plain(words.get("keys.intro")));
    let rows = vec![("keys.log", Text::new().code(keys.log.as_str())), ("keys.pin", Text::new().code(keys.trust_pin.as_str()))];
    page.facts("keys.caption", rows);
    if keys.cosigners.is_empty() {
        page.paragraph(Text::plain(words.get("keys.no_cosigners")));
    } else {
        let rows = keys.cosigners.iter().map(|cosigner| {
            let said = if cosigner.cosigned { "keys.cosigned" } else { "keys.not_cosigned" };
            Row::of(vec![Text::new().code(cosigner.key.as_str()), Text::plain(words.get(said))])
        });
        page.table("keys.cosigners", &["keys.cosigner", "checks.result"], rows.collect());
    }
    let rows = keys.offices.iter().map(|office| {
        let roots = office.roots.iter().fold(Text::new(), |text, root| text.line().code(root.as_str()));
        Row::of(vec![Text::quote(&office.name).and(" (").code(office.id.as_str()).and(")"), Text::plain(office.country.as_str()), roots])
    });
    page.table("keys.offices", &["keys.office", "keys.country", "keys.root"], rows.collect());
    if keys.stamps.is_empty() {
        page.paragraph(Text::plain(words.get("keys.no_stamps")));
        return;
    }
    let rows = keys.stamps.iter().map(|stamp| {
        let records = Text::plain(stamp.tree_size.to_string());
        let earliest = Text::plain(moment(&stamp.earliest));
        let time = if stamp.earliest == stamp.latest { earliest } else { earliest.and(" – ").and(moment(&stamp.latest)) };
        Row::of(vec![Text::quote(&stamp.authority), time, records])
    });
    page.table("keys.stamps", &["keys.authority", "keys.moment", "keys.records"], rows.collect());
}

pub(super) fn limits(page: &mut Page) {
    let words = page.words;
    page.heading(2, "limits", Text::plain(words.get("limits.heading")));
    let points = ["limits.times", "limits.truth", "limits.copies", "limits.withheld", "limits.revocation", "limits.report"];
    let points = points.iter().map(|key| Text::plain(words.get(key))).collect();
    page.blocks.push(Block::List { ordered: false, points });
}

pub(super) fn by_yourself(page: &mut Page) {
    let words = page.words;
    page.heading(2, "verify", Text::plain(words.get("self.heading")));
    let points = vec![
        Text::plain(words.get("self.program")),
        Text::plain(words.get("self.trust")),
        Text::plain(words.get("self.run")).and(" ").code("custodia-verify DOSSIER.zip --trust TRUST.toml"),
        Text::plain(words.get("self.answer")),
    ];
    page.blocks.push(Block::List { ordered: true, points });
}
