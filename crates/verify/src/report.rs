//! The report for people: one sentence first, then the custody, then check by check; and the same as JSON.

use std::fmt::Write as _;

use custodia_core::custody::body::{Body, Disclosure};
use custodia_core::custody::record::Outcome;
use custodia_core::dossier::stamps::{GenuineStamp, TimeIs};
use custodia_core::exhibit::intake::Intake;
use custodia_core::exhibit::path;
use custodia_core::finding::{Finding, Status, Verdict};
use custodia_core::time::LogTime;

use crate::exhibit::ReportedAct;
use crate::{ExhibitReport, Report};

/// What no verdict proves; every report says it.
const NOT_PROVEN: &str = "\
What this does not prove: that the log's times are right beyond what time stamps say, that no certificate of a time-stamping authority had
been revoked (no such list is asked for), that what was collected is true, or that somebody who opened an exhibit kept no copy of it.";

impl Report {
    /// The verdict and its ground in one sentence.
    pub fn sentence(&self) -> String {
        match (self.verdict, self.first_obstacle()) {
            (Verdict::Passed, _) => format!(
                "PASSED: the custody of {} is complete and genuine up to record {} of the log, attested by {}.",
                count(self.exhibits.len(), "exhibit"),
                self.tree_size.unwrap_or_default().saturating_sub(1),
                self.cosigners.join(", ")
            ),
            (verdict, Some(finding)) => {
                format!("{verdict}: {} ({}, {}).", finding.text.trim_end_matches('.'), finding.check, finding.subject)
            }
            (verdict, None) => format!("{verdict}: nothing was checked."),
        }
    }

    /// The verdict in one sentence and what it does not prove, safe to print on a terminal.
    pub fn to_simple_text(&self) -> String {
        format!("{}\n\n{NOT_PROVEN}\n", printable(&self.sentence()))
    }

    /// The report as text, safe to print on a terminal.
    pub fn to_text(&self, detailed: bool) -> String {
        let mut text = format!("{}\n", printable(&self.sentence()));
        if let Some(index) = &self.index {
            let _ = writeln!(
                text,
                "\nDossier of case {}, made {} by {} for {}.",
                index.case,
                index.made.as_str(),
                index.by,
                printable(&index.recipients.join(", "))
            );
            if index.withheld.is_empty() {
                text.push_str("Withheld: nothing is named, which does not prove that there is nothing.\n");
            }
            for withheld in &index.withheld {
                let exhibit =
                    withheld.exhibit.map_or_else(|| "an exhibit that is not named".to_owned(), |exhibit| format!("exhibit {exhibit}"));
                let _ = writeln!(text, "Withheld: {exhibit}, on the ground: {}", printable(&withheld.ground));
            }
        }
        for exhibit in &self.exhibits {
            exhibit.write(&mut text);
        }
        section(&mut text, "Integrity: are the bytes and the chain what was signed?", self.integrity(), detailed);
        section(&mut text, "Trust: who vouches for it?", self.trust(), detailed);
        let _ = writeln!(text, "\n{NOT_PROVEN}");
        text
    }

    /// The report as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "verdict": self.verdict,
            "first": self.first_obstacle().map(|finding| &finding.check),
            "sentence": self.sentence(),
            "tree_size": self.tree_size,
            "cosigners": self.cosigners,
            "stamps": self.stamps.iter().map(stamp_json).collect::<Vec<_>>(),
            "dossier": self.index,
            "exhibits": self.exhibits.iter().map(ExhibitReport::to_json).collect::<Vec<_>>(),
            "findings": self.findings,
        })
    }
}

fn section<'a>(text: &mut String, title: &str, findings: impl Iterator<Item = &'a Finding>, detailed: bool) {
    let _ = writeln!(text, "\n{title}");
    for finding in findings {
        if !detailed && finding.status == Status::Passed && finding.subject.starts_with("exhibit ") && finding.check.starts_with("LOG") {
            continue;
        }
        let mark = match finding.status {
            Status::Passed => "passed     ",
            Status::NotChecked => "not checked",
            Status::Failed => "FAILED     ",
        };
        let _ = writeln!(text, "  {mark}  {}  {}: {}", finding.check, printable(&finding.subject), printable(&finding.text));
    }
}

impl ExhibitReport {
    fn write(&self, text: &mut String) {
        let _ = writeln!(text, "\nExhibit {}", self.id);
        if let Some(manifest) = &self.manifest {
            let intake = manifest.intake();
            let _ = writeln!(text, "  {}  {}", printable(intake.exhibit_number.as_str()), printable(intake.title.as_str()));
            for line in origin(intake) {
                let _ = writeln!(text, "    {}", printable(&line));
            }
            for file in manifest.files() {
                let digests = file.digests();
                let _ = writeln!(text, "    {:>12} bytes  SHA-256 {}  {}", digests.size, digests.sha256, path::display(file.raw_path()));
            }
        }
        let _ = writeln!(text, "  Custody:");
        for act in &self.acts {
            let _ = writeln!(text, "    {}\n      {}", act.line(), act.time_line());
        }
    }

    fn to_json(&self) -> serde_json::Value {
        let manifest = self.manifest.as_ref().and_then(|manifest| manifest.to_json().ok());
        let manifest: Option<serde_json::Value> = manifest.and_then(|json| serde_json::from_slice(&json).ok());
        serde_json::json!({
            "exhibit": self.id,
            "manifest": manifest,
            "custody": self.acts.iter().map(ReportedAct::to_json).collect::<Vec<_>>(),
        })
    }
}

/// Where an exhibit comes from, as the intake states it: what the defence asks first.
fn origin(intake: &Intake) -> Vec<String> {
    let (collected, acquisition, basis) = (&intake.collected, &intake.acquisition, &intake.legal_basis);
    let mut from: Vec<String> = intake.source.person.iter().map(|person| person.as_str().to_owned()).collect();
    from.extend(intake.source.device.as_ref().map(|device| {
        let serial = device.serial.as_ref().map_or_else(String::new, |serial| format!(", serial {}", serial.as_str()));
        let clock = device.clock_deviation_seconds.map_or_else(String::new, |seconds| format!(", its clock {seconds:+} s off"));
        format!("{} {}{serial}{clock}", device.make.as_str(), device.model.as_str())
    }));
    let tool = acquisition.tool.as_ref().map_or_else(String::new, |tool| {
        format!(", with {} {}", tool.as_str(), acquisition.tool_version.as_ref().map_or("", |version| version.as_str()))
            .trim_end()
            .to_owned()
    });
    let blocker = acquisition.write_blocker.as_ref().map_or_else(String::new, |blocker| format!(", write blocker {}", blocker.as_str()));
    let until = basis.valid_to.as_ref().map_or_else(String::new, |until| format!(" to {until}"));
    vec![
        format!(
            "collected by {}, {}, at {}, from {}",
            collected.by.as_str(),
            collected.at.as_str(),
            collected.place.as_str(),
            from.join("; ")
        ),
        format!("acquired by {}{tool}{blocker}", acquisition.method.as_str()),
        format!(
            "legal basis {} {}, {} ({}), valid from {}{until}",
            basis.kind.as_str(),
            basis.identifier.as_str(),
            basis.authority.as_str(),
            String::from(basis.state),
            basis.valid_from
        ),
    ]
}

impl ReportedAct {
    fn line(&self) -> String {
        let core = &self.act.core;
        let intent = &self.act.intent;
        let form = match &intent.body {
            Body::Disclosure(Disclosure::Export {}) => " (export)",
            Body::Disclosure(Disclosure::Grant { .. }) => " (access given)",
            Body::Disclosure(Disclosure::Dossier { .. }) => " (dossier)",
            Body::Disclosure(Disclosure::Transfer { .. }) => " (outside the system)",
            _ => "",
        };
        let refused = match &core.outcome {
            Outcome::Accepted => String::new(),
            Outcome::Refused(rule) => format!(" REFUSED by {}", rule.as_str()),
        };
        let purpose = intent.purpose.map_or_else(String::new, |purpose| format!(", for {}", purpose.as_str()));
        let recipients = if intent.recipients.is_empty() { String::new() } else { format!(", to {}", intent.recipients.join(", ")) };
        let reason = self.text.as_ref().map_or_else(|| ", reason not given here".to_owned(), |text| format!(": {}", text.reason.as_str()));
        let line = format!(
            "{}  record {}  {}{form}{refused} by {} ({}){purpose}{recipients}{reason}",
            core.time,
            core.index,
            intent.kind(),
            self.act.name,
            self.act.person
        );
        printable(&line)
    }

    fn to_json(&self) -> serde_json::Value {
        let intent = &self.act.intent;
        serde_json::json!({
            "index": self.act.core.index,
            "time": self.act.core.time.to_string(),
            "kind": intent.kind(),
            "refused_by": match &self.act.core.outcome { Outcome::Accepted => None, Outcome::Refused(rule) => Some(rule.as_str()) },
            "person": self.act.person,
            "name": self.act.name,
            "certificate": intent.signer(),
            "purpose": intent.purpose,
            "recipients": intent.recipients,
            "claimed_time": intent.time,
            "stated": self.text,
            "time_is": self.time.is,
            "after": self.time.after.as_ref().map(|one| bound_json(one, one.stamp.earliest())),
            "before": self.time.before.as_ref().map(|one| bound_json(one, one.stamp.latest())),
        })
    }

    /// What bears the log's time out.
    fn time_line(&self) -> String {
        let after = self.time.after.as_ref().map(|one| format!("not before {} ({})", one.stamp.earliest(), one.stamp.authority()));
        let before = self.time.before.as_ref().map(|one| format!("not after {} ({})", one.stamp.latest(), one.stamp.authority()));
        let bounds = [after, before].into_iter().flatten().collect::<Vec<_>>().join(", ");
        let said = match (self.time.is, bounds.as_str()) {
            (TimeIs::Proven, _) => "time proven by stamps: ",
            (TimeIs::Contradicted, _) => "TIME CONTRADICTED by stamps: ",
            (TimeIs::Stated, "") => "time only stated by the log",
            (TimeIs::Stated, _) => "time only stated by the log; stamps say: ",
        };
        printable(&format!("{said}{bounds}"))
    }
}

fn stamp_json(one: &GenuineStamp) -> serde_json::Value {
    serde_json::json!({
        "size": one.size,
        "number": one.number,
        "authority": one.stamp.authority(),
        "serial": one.stamp.serial(),
        "earliest": one.stamp.earliest().to_string(),
        "latest": one.stamp.latest().to_string(),
    })
}

fn bound_json(one: &GenuineStamp, time: LogTime) -> serde_json::Value {
    serde_json::json!({"time": time.to_string(), "authority": one.stamp.authority(), "size": one.size})
}

/// A number of things, in words that fit one as well.
pub(crate) fn count(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

/// Escapes what would move the cursor, change direction or break a line.
fn printable(text: &str) -> String {
    path::display(text.as_bytes())
}
