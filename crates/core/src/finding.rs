//! What a verifier says, one line for each check; it never stops at the first.

use core::fmt;

/// What became of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It was made and holds.
    Passed,
    /// It could not be made, or what it needs is not there.
    NotChecked,
    /// It was made and does not hold.
    Failed,
}

/// One line of a verifier.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Finding {
    /// Id of the check (`docs/spec/dossier.md`, `docs/RULES.md`).
    pub check: String,
    /// What became of it.
    pub status: Status,
    /// What it was about: a record's index, a file, a certificate.
    pub subject: String,
    /// What was found, in a sentence.
    pub text: String,
}

impl Finding {
    /// A check that holds.
    pub fn passed(check: &str, subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self { check: check.to_owned(), status: Status::Passed, subject: subject.into(), text: text.into() }
    }

    /// A check that does not hold.
    pub fn failed(check: &str, subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self { status: Status::Failed, ..Self::passed(check, subject, text) }
    }

    /// A check that could not be made.
    pub fn not_checked(check: &str, subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self { status: Status::NotChecked, ..Self::passed(check, subject, text) }
    }
}

/// What all findings say together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verdict {
    /// Every check that the policy demands was made and holds.
    Passed,
    /// Something that the policy demands could not be checked, and nothing failed.
    Indeterminate,
    /// A check does not hold.
    Failed,
}

impl Verdict {
    /// FAILED if any failed; else INDETERMINATE if any in `demanded` was not checked; else PASSED.
    pub fn of(findings: &[Finding], demanded: impl Fn(&Finding) -> bool) -> Self {
        if findings.iter().any(|finding| finding.status == Status::Failed) {
            Self::Failed
        } else if findings.iter().any(|finding| finding.status == Status::NotChecked && demanded(finding)) {
            Self::Indeterminate
        } else {
            Self::Passed
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passed => "PASSED",
            Self::Indeterminate => "INDETERMINATE",
            Self::Failed => "FAILED",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_outweighs_everything_and_a_missing_demand_outweighs_success() {
        let passed = Finding::passed("A-1", "", "");
        let missing = Finding::not_checked("A-2", "", "");
        let failed = Finding::failed("A-3", "", "");
        assert_eq!(Verdict::of(std::slice::from_ref(&passed), |_| true), Verdict::Passed);
        assert_eq!(Verdict::of(&[passed.clone(), missing.clone()], |_| true), Verdict::Indeterminate);
        assert_eq!(Verdict::of(&[passed.clone(), missing.clone()], |_| false), Verdict::Passed);
        assert_eq!(Verdict::of(&[passed, missing, failed], |_| false), Verdict::Failed);
    }
}
