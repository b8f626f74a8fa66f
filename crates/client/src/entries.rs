//! Who did what, when, why: records of the log as a person reads them, for an auditor of the whole log and for a member of one case.
//!
//! An entry is made only from a record whose intent's signature was verified. Whether the act was allowed, the outcome and the findings say.

mod columns;
mod output;

use std::collections::BTreeSet;

use custodia_core::custody::body::{Alteration, Body, CaseCreate, Collection, Disclosure, Erasure, MemberChange};
use custodia_core::custody::intent::{ClockSource, SignedIntent};
use custodia_core::custody::kind::{Kind, Purpose};
use custodia_core::custody::record::{Core, Outcome};
use custodia_core::custody::recovery::Recovery;
use custodia_core::digest::Sha256Digest;
use custodia_core::exhibit::sealed_text::SealedText;
use custodia_core::identity::{Certificate, CertificateId, Registry};
use custodia_core::ids::{CaseId, ExhibitId, OfficeId, PersonId};
use custodia_core::time::{ClaimedTime, LogTime};

pub use columns::{Fit, columns, wrapped};
pub use output::{to_csv, to_ndjson, to_table};

/// What the actor stated, as far as this reader can read it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "status", content = "text", rename_all = "kebab-case")]
pub enum Stated {
    /// The reason and the titles as they were at the time of the act.
    Opened(SealedText),
    /// It is not sealed to this reader, or the reader was not given the ring key.
    NotForThisReader,
    /// It is sealed to this reader and does not open: a finding against its actor.
    DoesNotOpen,
    /// Acts of this kind carry none.
    NotAsked,
}

/// One record of the log.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AuditEntry {
    /// Index in the log.
    pub index: u64,
    /// The log's time.
    #[serde(with = "as_text")]
    pub time: LogTime,
    /// The time that the actor stated.
    pub claimed_time: ClaimedTime,
    /// Where that time comes from.
    pub clock: ClockSource,
    /// What was done.
    pub kind: Kind,
    /// In which form: of a disclosure, a consent, an alteration, a derivation, which step of an erasure; or which devices came and went.
    pub form: Option<String>,
    /// The persons whose devices the act enrols, revokes, adds or removes.
    pub concerns: Vec<PersonId>,
    /// The rule that refused it; none if it took effect.
    pub refused_by: Option<String>,
    /// How many attempts the record stands for.
    pub attempts: u32,
    /// Who acted; none for an office's own acts.
    pub person: Option<PersonId>,
    /// The name in the certificate, of the person or the office.
    pub name: Option<String>,
    /// The office.
    pub office: Option<OfficeId>,
    /// The certificate under which the act's signature was verified.
    pub certificate: Sha256Digest,
    /// The case, or [`CaseId::REGISTRY`].
    pub case: CaseId,
    /// The exhibit.
    pub exhibit: Option<ExhibitId>,
    /// For which purpose.
    pub purpose: Option<Purpose>,
    /// To whom.
    pub recipients: Vec<String>,
    /// The reason and the titles.
    pub stated: Stated,
}

/// The log's time as RFC 3339.
mod as_text {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use super::{ClaimedTime, LogTime};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
    pub(super) fn serialize<S: Serializer>(time: &LogTime, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(time)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<LogTime, D::Error> {
        let millis = ClaimedTime::deserialize(deserializer)?.millis();
        u64::try_from(millis).ok().and_then(|millis| LogTime::from_millis(millis).ok()).ok_or_else(|| D::Error::custom("a time of no log"))
    }
}

impl AuditEntry {
    /// Makes the entry of a record whose intent was verified; names come from the registry's certificates.
    pub(crate) fn new(core: &Core, intent: &SignedIntent, registry: &Registry, stated: Stated) -> Self {
        let signer = CertificateId::from_digest(intent.signer());
        let device = registry.certificate(signer);
        let root = registry.head().and_then(|head| registry.trust_list(head.seq)).and_then(|list| list.root(signer));
        let name = device.map(|device| device.fields().name.to_string()).or_else(|| root.map(|(office, _)| office.name.to_string()));
        Self {
            index: core.index,
            time: core.time,
            claimed_time: intent.time.clone(),
            clock: intent.clock,
            kind: intent.kind(),
            form: form(&intent.body).or_else(|| devices(&intent.body, registry).map(|(text, _)| text)),
            concerns: devices(&intent.body, registry).map(|(_, persons)| persons).unwrap_or_default(),
            refused_by: match &core.outcome {
                Outcome::Accepted => None,
                Outcome::Refused(rule) => Some(rule.as_str().to_owned()),
            },
            attempts: core.attempts,
            person: device.map(|device| device.person().clone()),
            name,
            office: device.map(|device| device.office().clone()).or_else(|| root.map(|(office, _)| office.id.clone())),
            certificate: intent.signer(),
            case: intent.case,
            exhibit: intent.exhibit,
            purpose: intent.purpose,
            recipients: intent.recipients.clone(),
            stated,
        }
    }

    /// Whether the act took effect.
    pub const fn accepted(&self) -> bool {
        self.refused_by.is_none()
    }
}

fn form(body: &Body) -> Option<String> {
    match body {
        Body::Disclosure(Disclosure::Export {}) => Some("export".to_owned()),
        Body::Disclosure(Disclosure::Grant { .. }) => Some("grant".to_owned()),
        Body::Disclosure(Disclosure::Dossier { .. }) => Some("dossier".to_owned()),
        Body::Disclosure(Disclosure::Transfer { means }) => Some(format!("transfer ({})", output::word(means))),
        Body::ConsentGive(body) => Some(output::word(&body.to)),
        Body::Alteration(Alteration { handling, review }) => {
            let handling = handling.map(|code| format!("handling {}", output::word(&code)));
            let review = review.as_ref().map(|day| format!("review {day}"));
            Some(handling.into_iter().chain(review).collect::<Vec<_>>().join(", "))
        }
        Body::Combination(body) => Some(format!("source of a {}", output::word(&body.derivation.how))),
        Body::Collection(Collection { derivation: Some(derivation), .. }) => Some(format!("a {}", output::word(&derivation.how))),
        Body::Erasure(Erasure::Propose { .. }) => Some("proposed".to_owned()),
        Body::Erasure(Erasure::Confirm { .. }) | Body::CaseRecovery(Recovery::Confirm { .. }) => Some("confirmed".to_owned()),
        Body::GroupReport(body) => Some(format!("commit of epoch {}: {}", body.epoch, body.error)),
        _ => None,
    }
}

/// Which devices an act brings in or takes out, in words, and whose they are.
fn devices(body: &Body, registry: &Registry) -> Option<(String, Vec<PersonId>)> {
    let holder = |id: CertificateId| registry.certificate(id);
    let named = |device: Option<&Certificate>| device.map_or_else(|| "an unknown device".to_owned(), |device| device.person().to_string());
    let persons = |devices: &[Option<&Certificate>]| {
        let all: BTreeSet<PersonId> = devices.iter().flatten().map(|device| device.person().clone()).collect();
        all.into_iter().collect()
    };
    match body {
        Body::DeviceEnrol(body) => {
            let device = holder(CertificateId::of(&body.certificate.0));
            let role = device.map(|device| format!(", {}", device.role())).unwrap_or_default();
            Some((format!("{}{role}", named(device)), persons(&[device])))
        }
        Body::CaseRecovery(Recovery::Propose { lost, device }) => {
            let [lost, new] = [lost, device].map(|id| holder(CertificateId::from_digest(*id)));
            let label = |device: Option<&Certificate>| device.map_or_else(String::new, |device| format!(" ({})", device.fields().label));
            let text = format!("proposes {}{} in the place of {}{}", named(new), label(new), named(lost), label(lost));
            Some((text, persons(&[lost, new])))
        }
        Body::GroupSucceed(body) => {
            let members: Vec<_> = body.members.iter().map(|id| holder(CertificateId::from_digest(*id))).collect();
            let names: BTreeSet<String> = members.iter().map(|device| named(*device)).collect();
            let names = names.into_iter().collect::<Vec<_>>().join(", ");
            Some((format!("generation {} after epoch {}: {names}", body.generation, body.epoch), persons(&members)))
        }
        Body::DeviceRevoke(body) => {
            let device = registry.certificates_of(body.device).last();
            Some((format!("{}, {}", named(device), output::word(&body.reason)), persons(&[device])))
        }
        Body::CaseCreate(CaseCreate { members: adds, .. }) | Body::MemberChange(MemberChange { adds, .. }) => {
            let removes = if let Body::MemberChange(body) = body { body.removes.as_slice() } else { &[] };
            let added = adds.iter().map(|add| {
                let device = holder(CertificateId::from_digest(add.certificate));
                (device, format!("adds {} ({})", named(device), output::word(&add.terms)))
            });
            let removed = removes.iter().map(|certificate| {
                let device = holder(CertificateId::from_digest(*certificate));
                (device, format!("removes {}", named(device)))
            });
            let (devices, words): (Vec<_>, Vec<_>) = added.chain(removed).unzip();
            (!words.is_empty()).then(|| (words.join(", "), persons(&devices)))
        }
        _ => None,
    }
}

/// Which entries are asked for; what is absent admits all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntryFilter {
    /// Acts by this person, acts that name this person as a recipient, and acts on this person's devices.
    pub person: Option<PersonId>,
    /// Acts on this exhibit.
    pub exhibit: Option<ExhibitId>,
    /// Acts of this case.
    pub case: Option<CaseId>,
    /// From this time of the log on.
    pub from: Option<LogTime>,
    /// Before this time of the log.
    pub to: Option<LogTime>,
    /// Acts of this kind.
    pub kind: Option<Kind>,
}

impl EntryFilter {
    /// Whether the entry is asked for.
    pub fn admits(&self, entry: &AuditEntry) -> bool {
        let concerns = |person: &PersonId| {
            let named = entry.recipients.iter().any(|text| *text == person.to_string());
            named || entry.person.as_ref() == Some(person) || entry.concerns.contains(person)
        };
        self.person.as_ref().is_none_or(concerns)
            && self.exhibit.is_none_or(|exhibit| entry.exhibit == Some(exhibit))
            && self.case.is_none_or(|case| entry.case == case)
            && self.from.is_none_or(|from| entry.time >= from)
            && self.to.is_none_or(|to| entry.time < to)
            && self.kind.is_none_or(|kind| entry.kind == kind)
    }

    /// What is asked for, in words.
    pub fn in_words(&self) -> Vec<String> {
        let said = |what: &str, value: Option<String>| value.map(|value| format!("{what} {value}"));
        let all = [
            said("person", self.person.as_ref().map(ToString::to_string)),
            said("exhibit", self.exhibit.map(|id| id.to_string())),
            said("case", self.case.map(|id| id.to_string())),
            said("from", self.from.map(|time| time.to_string())),
            said("before", self.to.map(|time| time.to_string())),
            said("kind", self.kind.map(|kind| kind.to_string())),
        ];
        all.into_iter().flatten().collect()
    }

    /// The entries that are asked for, in order.
    pub fn select(&self, entries: &[AuditEntry]) -> Vec<AuditEntry> {
        entries.iter().filter(|entry| self.admits(entry)).cloned().collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use custodia_core::exhibit::text::Prose;

    use super::*;

    pub(crate) fn entry(index: u64) -> AuditEntry {
        AuditEntry {
            index,
            time: LogTime::from_millis(1_795_467_845_000 + index * 1000).unwrap(),
            claimed_time: ClaimedTime::parse("2026-11-23T21:04:05+01:00").unwrap(),
            clock: ClockSource::Os,
            kind: Kind::Disclosure,
            form: Some("export".to_owned()),
            concerns: vec!["ro-diicot/ana".parse().unwrap()],
            refused_by: None,
            attempts: 1,
            person: Some("nl-om/joost".parse().unwrap()),
            name: Some("Joost".to_owned()),
            office: Some("nl-om".parse().unwrap()),
            certificate: Sha256Digest::of(&[b"c"]),
            case: CaseId::from_bytes([1; 16]),
            exhibit: Some(ExhibitId::from_bytes([2; 16])),
            purpose: Some(Purpose::Trial),
            recipients: vec!["be-fp/anna".to_owned(), "Court of Antwerp".to_owned()],
            stated: Stated::Opened(SealedText {
                reason: Prose::new("why").unwrap(),
                reference: None,
                case_title: None,
                exhibit_title: None,
            }),
        }
    }

    #[test]
    fn each_filter_admits_what_it_names_and_nothing_else() {
        let all = [entry(0), entry(1), AuditEntry { kind: Kind::Consultation, exhibit: None, person: None, ..entry(2) }];
        let indexes = |filter: EntryFilter| filter.select(&all).iter().map(|entry| entry.index).collect::<Vec<_>>();
        let filter = EntryFilter::default;
        assert_eq!(indexes(filter()), [0, 1, 2]);
        assert_eq!(indexes(EntryFilter { person: Some("nl-om/joost".parse().unwrap()), ..filter() }), [0, 1]);
        assert_eq!(indexes(EntryFilter { person: Some("be-fp/anna".parse().unwrap()), ..filter() }), [0, 1, 2], "a recipient");
        assert_eq!(
            indexes(EntryFilter { person: Some("ro-diicot/ana".parse().unwrap()), ..filter() }),
            [0, 1, 2],
            "a device that came or went"
        );
        assert_eq!(indexes(EntryFilter { person: Some("be-fp/an".parse().unwrap()), ..filter() }), [0; 0]);
        assert_eq!(indexes(EntryFilter { exhibit: Some(ExhibitId::from_bytes([2; 16])), ..filter() }), [0, 1]);
        assert_eq!(indexes(EntryFilter { case: Some(CaseId::from_bytes([9; 16])), ..filter() }), [0; 0]);
        assert_eq!(indexes(EntryFilter { kind: Some(Kind::Consultation), ..filter() }), [2]);
        assert_eq!(indexes(EntryFilter { from: Some(entry(1).time), to: Some(entry(2).time), ..filter() }), [1]);
    }

    #[test]
    fn an_entry_is_json_with_the_words_of_the_specification() {
        let json = serde_json::to_value(entry(3)).unwrap();
        assert_eq!(json["kind"], "disclosure");
        assert_eq!(json["form"], "export");
        assert_eq!(json["purpose"], "trial");
        assert_eq!(json["time"], "2026-11-23T21:04:08Z");
        assert_eq!(json["stated"]["status"], "opened");
        assert_eq!(json["stated"]["text"]["reason"], "why");
        let closed = AuditEntry { stated: Stated::NotForThisReader, ..entry(3) };
        assert_eq!(serde_json::to_value(closed).unwrap()["stated"]["status"], "not-for-this-reader");
    }
}
