//! Watching: what an auditor who stays with a log is told of, as it shows. Each rule says what it shows and what it does not; none scores a person.
//!
//! A rule looks at plain facts (acts, checkpoints, what a replay made of the log) and answers with alerts. What was told once is known by its
//! [`Alert::key`], so that nobody is told twice. Rules: [`rules`] and `docs/RULES.md`.

use crate::custody::body::{Body, Disclosure};
use crate::custody::facts::ExhibitState;
use crate::custody::intent::SignedIntent;
use crate::custody::kind::{Kind, Purpose};
use crate::custody::record::{Core, Outcome};
use crate::custody::world::World;
use crate::digest::Sha256Digest;
use crate::identity::{CertificateId, Registry};
use crate::ids::{CaseId, DeviceId, ExhibitId, PersonId};
use crate::time::{LogTime, as_millis};

pub mod rules;

/// What somebody is to look at.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alert {
    /// Id of the rule (`WAT-…`), or of a replay's check (`AUD-…`).
    pub rule: String,
    /// Whether something does not hold, as against a pattern that a person may explain.
    pub fails: bool,
    /// What it is about.
    pub subject: String,
    /// What was seen, in a sentence.
    pub text: String,
    /// The records that show it, by index.
    pub records: Vec<u64>,
    /// What tells this occurrence from another one of the same rule and subject.
    pub mark: String,
}

impl Alert {
    fn of(rule: rules::Rule, subject: impl Into<String>, mark: &impl ToString, text: impl Into<String>) -> Self {
        Self {
            rule: rule.id.to_owned(),
            fails: rule.fails,
            subject: subject.into(),
            text: text.into(),
            records: Vec::new(),
            mark: mark.to_string(),
        }
    }

    fn with_records(self, records: impl IntoIterator<Item = u64>) -> Self {
        Self { records: records.into_iter().collect(), ..self }
    }

    /// One text for one occurrence.
    pub fn key(&self) -> String {
        format!("{} {} {}", self.rule, self.subject, self.mark)
    }
}

/// How an exhibit was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Opening {
    /// On a screen.
    View,
    /// Into files.
    Export,
    /// Into a dossier.
    Dossier,
}

/// An act as the rules look at it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Act {
    /// Index in the log.
    pub index: u64,
    /// The log's time.
    #[serde(with = "as_millis")]
    pub time: LogTime,
    /// Device and person; none for an office's own acts.
    pub actor: Option<(DeviceId, PersonId)>,
    /// What was done.
    pub kind: Kind,
    /// How the exhibit was opened, if that is what was asked for.
    pub opening: Option<Opening>,
    /// To whose device a grant went.
    pub granted_to: Option<(DeviceId, PersonId)>,
    /// The devices that were removed or revoked, or left.
    pub ended: Vec<DeviceId>,
    /// The case.
    pub case: CaseId,
    /// The exhibit.
    pub exhibit: Option<ExhibitId>,
    /// For which purpose.
    pub purpose: Option<Purpose>,
    /// The rule that refused it; none if it took effect.
    pub refused_by: Option<String>,
    /// How many attempts the record stands for.
    pub attempts: u32,
    /// SHA-256 of the reason, if it opens to this auditor.
    pub reason: Option<Sha256Digest>,
    /// Whether the exhibit's erasure was proposed at that time.
    pub to_be_erased: bool,
    /// The exhibit's review day at that time.
    pub review: Option<String>,
}

impl Act {
    /// Of a record that a replay has just passed; `reason` is its text, if it opens to this auditor.
    pub fn of(core: &Core, intent: &SignedIntent, registry: &Registry, world: &World, reason: Option<&str>) -> Self {
        let holder = |certificate: &Sha256Digest| {
            registry.certificate(CertificateId::from_digest(*certificate)).map(|known| (known.device(), known.person().clone()))
        };
        let actor = holder(&intent.signer());
        let device = |certificate: &Sha256Digest| holder(certificate).map(|(device, _)| device);
        let exhibit = intent.exhibit.and_then(|id| world.exhibit(id));
        Self {
            index: core.index,
            time: core.time,
            kind: intent.kind(),
            opening: match &intent.body {
                Body::Consultation(_) => Some(Opening::View),
                Body::Disclosure(Disclosure::Export {}) => Some(Opening::Export),
                Body::Disclosure(Disclosure::Dossier { .. }) => Some(Opening::Dossier),
                _ => None,
            },
            granted_to: match &intent.body {
                Body::Disclosure(Disclosure::Grant { device, .. }) => holder(device),
                _ => None,
            },
            ended: match &intent.body {
                Body::MemberChange(body) if !body.resync => body.removes.iter().filter_map(device).collect(),
                Body::MemberLeave(_) => actor.iter().map(|(device, _)| *device).collect(),
                Body::DeviceRevoke(body) => vec![body.device],
                _ => Vec::new(),
            },
            actor,
            case: intent.case,
            exhibit: intent.exhibit,
            purpose: intent.purpose,
            refused_by: match &core.outcome {
                Outcome::Accepted => None,
                Outcome::Refused(rule) => Some(rule.as_str().to_owned()),
            },
            attempts: core.attempts,
            reason: reason.map(|text| Sha256Digest::of(&[text.as_bytes()])),
            to_be_erased: exhibit.is_some_and(|exhibit| exhibit.proposal.is_some() && exhibit.state != ExhibitState::Erased),
            review: exhibit.map(|exhibit| exhibit.review.clone()),
        }
    }

    /// Whether it took effect.
    pub const fn accepted(&self) -> bool {
        self.refused_by.is_none()
    }

    /// Device, person and exhibit of an opening that took effect.
    fn opened(&self) -> Option<(DeviceId, &PersonId, ExhibitId, Opening)> {
        let (device, person) = self.actor.as_ref()?;
        Some((*device, person, self.exhibit?, self.opening?)).filter(|_| self.accepted())
    }
}

/// When an office works, by its local time.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfficeHours {
    /// The office; absent: every office that has no line of its own.
    #[serde(default)]
    pub office: Option<crate::ids::OfficeId>,
    /// The first minute of the day, counted from midnight.
    pub from_minute: u16,
    /// The minute with which the work ends.
    pub to_minute: u16,
    /// How many minutes its clocks are ahead of UTC; summer time is not known here.
    pub utc_offset_minutes: i16,
    /// Whether Saturdays and Sundays are working days.
    #[serde(default)]
    pub weekends: bool,
}

/// From what on something is told. All of it is the auditor's own choice, and told with each alert.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// WAT-03: how old the newest checkpoint that others vouched for may be, in seconds, while the log has records behind it.
    pub freshness_seconds: u64,
    /// WAT-04: how long a record may wait for a stamp, in seconds; 0: stamps are not asked for.
    pub stamp_seconds: u64,
    /// WAT-05: how long a witness may go without cosigning, in seconds, while there are records for it to cosign; 0: not asked for.
    pub witness_seconds: u64,
    /// WAT-08, WAT-09: how many hours before and after a removal count.
    pub removal_hours: u64,
    /// WAT-09: how many exhibits opened before a removal are told of.
    pub removal_openings: usize,
    /// WAT-10, WAT-13: the window in minutes.
    pub window_minutes: u64,
    /// WAT-10: how many exhibits one device opens in the window; 0: not told.
    pub openings: usize,
    /// WAT-11: the offices' hours; none: not told.
    pub hours: Vec<OfficeHours>,
    /// WAT-12: how many minutes after a grant an export is told of; 0: not told.
    pub grant_minutes: u64,
    /// WAT-13: how many refused attempts of one device in the window; 0: not told.
    pub refusals: usize,
    /// WAT-14: on how many exhibits one person gives the same reason word for word; 0: not told.
    pub same_reason: usize,
    /// WAT-14: within how many days.
    pub same_reason_days: u64,
    /// WAT-15: within how many minutes two devices of one person open exhibits; 0: not told.
    pub two_devices_minutes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            freshness_seconds: 3600,
            stamp_seconds: 0,
            witness_seconds: 0,
            removal_hours: 24,
            removal_openings: 3,
            window_minutes: 60,
            openings: 20,
            hours: Vec::new(),
            grant_minutes: 60,
            refusals: 5,
            same_reason: 10,
            same_reason_days: 30,
            two_devices_minutes: 0,
        }
    }
}

impl Limits {
    /// How far back the rules look, in milliseconds.
    pub fn lookback_millis(&self) -> u64 {
        let minutes =
            [self.removal_hours * 60, self.window_minutes, self.grant_minutes, self.same_reason_days * 1440, self.two_devices_minutes];
        minutes.into_iter().max().unwrap_or_default().saturating_mul(60_000)
    }
}
