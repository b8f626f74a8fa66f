//! The exposure report: exactly what a person or a device has opened, and what it could open now. The answer to every revocation.
//!
//! "Opened" is what the log says: an accepted opening, which gave out the release share. "Could open" is what the rules would permit at that moment:
//! good standing, membership, a ring key or a grant, and a state that lets an exhibit be opened. What a device was only given the group's part of and
//! never opened is not exposed once it is removed: without an entry there is no release share.

use std::collections::{BTreeMap, BTreeSet};

use custodia_core::custody::facts::ExhibitState;
use custodia_core::custody::kind::{Kind, Purpose};
use custodia_core::custody::rules;
use custodia_core::identity::{AsOf, CertificateId, Registry};
use custodia_core::ids::{CaseId, DeviceId, ExhibitId, PersonId};
use custodia_core::time::LogTime;

use super::AuditReport;

/// Whose exposure is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// All devices that the person ever had.
    Person(PersonId),
    /// One device.
    Device(DeviceId),
}

/// An opening that stands in the log.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Opened {
    /// Its record.
    pub record: u64,
    /// The log's time.
    pub time: String,
    /// The device.
    pub device: DeviceId,
    /// `view`, or the form of the disclosure.
    pub how: String,
    /// For which purpose.
    pub purpose: Option<Purpose>,
}

/// One exhibit in the report.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ExposureRow {
    /// The exhibit.
    pub exhibit: ExhibitId,
    /// Its case.
    pub case: CaseId,
    /// The record by which one of the devices collected it: whoever collects has had the files.
    pub collected: Option<u64>,
    /// What was opened, in order.
    pub opened: Vec<Opened>,
    /// The devices that could open it now.
    pub could_open: Vec<DeviceId>,
    /// Why they could, or why none can.
    pub why: String,
}

/// What was opened and could be.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Exposure {
    /// The devices that are asked about, and whether each is in good standing.
    pub devices: BTreeMap<DeviceId, bool>,
    /// As of how many records.
    pub size: u64,
    /// Exhibits that were collected or opened, or could be opened.
    pub exhibits: Vec<ExposureRow>,
    /// Records that were erased, of which nobody can say whether they were openings by these devices.
    pub erased: Vec<u64>,
}

fn devices_of(subject: &Subject, registry: &Registry, report: &AuditReport) -> BTreeSet<DeviceId> {
    match subject {
        Subject::Device(device) => BTreeSet::from([*device]),
        Subject::Person(person) => {
            let acting = report.entries.iter().filter_map(|entry| registry.certificate(CertificateId::from_digest(entry.certificate)));
            let enrolled = registry.enrolled();
            acting.chain(enrolled).filter(|known| known.person() == person).map(custodia_core::identity::Certificate::device).collect()
        }
    }
}

impl Exposure {
    /// Reads the report's entries and what its replay knows, as of `now`.
    pub fn of(report: &AuditReport, subject: &Subject, now: LogTime) -> Self {
        let (registry, world) = (report.replay().registry(), report.replay().world());
        let at = registry.head().map(|head| AsOf { seq: head.seq, time: now.max(head.time) });
        let good = |device: DeviceId| at.is_some_and(|at| registry.current(device, at).is_some());
        let devices: BTreeMap<_, _> = devices_of(subject, registry, report).into_iter().map(|device| (device, good(device))).collect();
        let mut rows: BTreeMap<ExhibitId, ExposureRow> = BTreeMap::new();
        let row =
            |exhibit, case| ExposureRow { exhibit, case, collected: None, opened: Vec::new(), could_open: Vec::new(), why: String::new() };
        for entry in report.entries.iter().filter(|entry| entry.accepted()) {
            let known = registry.certificate(CertificateId::from_digest(entry.certificate));
            let (Some(exhibit), Some(known)) = (entry.exhibit, known) else { continue };
            if !devices.contains_key(&known.device()) {
                continue;
            }
            let how = match (entry.kind, entry.form.as_deref()) {
                (Kind::Consultation, _) => "view",
                (Kind::Disclosure, Some(form @ ("export" | "dossier"))) => form,
                (Kind::Collection, _) => {
                    rows.entry(exhibit).or_insert_with(|| row(exhibit, entry.case)).collected = Some(entry.index);
                    continue;
                }
                _ => continue,
            };
            let opened = Opened {
                record: entry.index,
                time: entry.time.to_string(),
                device: known.device(),
                how: how.to_owned(),
                purpose: entry.purpose,
            };
            rows.entry(exhibit).or_insert_with(|| row(exhibit, entry.case)).opened.push(opened);
        }
        for (id, exhibit) in world.exhibits() {
            let Some(case) = world.case(exhibit.case) else { continue };
            let member = |device: &DeviceId| case.membership(*device).filter(|membership| !membership.left);
            let opens = |device: &DeviceId| {
                let granted = exhibit.grants.contains(device);
                member(device).is_some_and(|membership| rules::may_open(membership.first_ring, granted, exhibit.ring_version))
            };
            let prosecutes = |device: &DeviceId| {
                let certificate = at.and_then(|at| registry.current(*device, at));
                certificate.is_some_and(|certificate| certificate.role() == custodia_core::identity::Role::Prosecutor)
            };
            let can_be_opened = matches!(exhibit.state, ExhibitState::Active | ExhibitState::Restricted);
            let could: Vec<DeviceId> =
                devices.keys().filter(|device| can_be_opened && opens(device) && prosecutes(device)).copied().collect();
            if could.is_empty() && !rows.contains_key(&id) {
                continue;
            }
            let why = match (exhibit.state, could.as_slice()) {
                (ExhibitState::Erased, _) => "it was erased",
                (ExhibitState::Quarantined, _) => "it is in quarantine",
                (_, []) if devices.keys().any(opens) => "the device is not in good standing, or its role does not open",
                (_, []) => "no device is a member with its ring key or a grant",
                (ExhibitState::Restricted, _) => {
                    "member with its ring key or a grant; restricted: for prosecution, trial and the defence only"
                }
                (ExhibitState::Active, _) => "member with its ring key or a grant",
            };
            let row = rows.entry(id).or_insert_with(|| row(id, exhibit.case));
            (row.could_open, row.why) = (could, why.to_owned());
        }
        Self { devices, size: report.size(), exhibits: rows.into_values().collect(), erased: report.erased.clone() }
    }
}
