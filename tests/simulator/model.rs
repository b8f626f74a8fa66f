//! Who may do what, said a second time and as simply as possible: sets of names, no ring versions, no code of the rules.
//!
//! The model is fed the records of the log in order. Before each it says whether the act should be accepted; what the log says must agree.

use std::collections::{BTreeMap, BTreeSet};

use custodia_core::custody::body::{Body, ConsentTo, Disclosure, Erasure, Handling, Terms};
use custodia_core::custody::intent::Intent;
use custodia_core::custody::kind::Purpose;
use custodia_core::custody::record::Outcome;
use custodia_core::digest::Sha256Digest;
use custodia_core::identity::Role;
use custodia_core::ids::{CaseId, ExhibitId};

use crate::database::{Act, Entry, With};
use crate::people::{BORN, CAST, Card, DAY, card};

type Device = Sha256Digest;

#[derive(Debug, Default, Clone)]
struct Case {
    founder: usize,
    inside: BTreeSet<Device>,
    left: BTreeSet<Device>,
    epoch: u64,
    renewals: u32,
}

#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each asked for by one sentence")]
struct Exhibit {
    case: CaseId,
    office: usize,
    handling: Handling,
    holds: BTreeSet<usize>,
    restricted: bool,
    erased: bool,
    judicial: bool,
    onward: bool,
    proposed: Option<(Device, Sha256Digest)>,
    /// Who was inside when it was collected, and has been ever since.
    present: BTreeSet<Device>,
    granted: BTreeSet<Device>,
}

#[derive(Debug, Default, Clone)]
pub struct Model {
    /// With the index of the record.
    enrolled: BTreeMap<Device, u64>,
    revoked: BTreeSet<Device>,
    cases: BTreeMap<CaseId, Case>,
    exhibits: BTreeMap<ExhibitId, Exhibit>,
    /// Chain and time in milliseconds of every record.
    records: Vec<(CaseId, u64)>,
}

impl Model {
    /// Whether a device is one that may act at that time, in milliseconds.
    fn good(&self, device: &Device, millis: u64) -> bool {
        let seconds = millis / 1000;
        let valid = (BORN - 10 * DAY..=card(device).until).contains(&seconds);
        self.enrolled.contains_key(device) && !self.revoked.contains(device) && valid
    }

    fn inside(&self, device: &Device, case: CaseId) -> bool {
        self.cases.get(&case).is_some_and(|case| case.inside.contains(device) && !case.left.contains(device))
    }

    fn gone(&self, device: &Device, case: &Case) -> bool {
        self.revoked.contains(device) || case.left.contains(device)
    }

    /// Whether a device has the means to open an exhibit: it was there when it came, or somebody granted it since it is inside.
    fn has_means(&self, device: &Device, exhibit: ExhibitId) -> bool {
        self.exhibits.get(&exhibit).is_some_and(|exhibit| exhibit.present.contains(device) || exhibit.granted.contains(device))
    }

    /// Whether a device may open an exhibit for that purpose at that time.
    pub fn may_open(&self, device: &Device, id: ExhibitId, purpose: Purpose, millis: u64) -> bool {
        let Some(exhibit) = self.exhibits.get(&id) else { return false };
        let for_court = matches!(purpose, Purpose::Prosecution | Purpose::Trial | Purpose::DefenceAccess);
        card(device).role == Role::Prosecutor
            && self.good(device, millis)
            && self.inside(device, exhibit.case)
            && self.has_means(device, id)
            && !exhibit.erased
            && (!exhibit.restricted || for_court)
    }

    /// Every exhibit that was collected.
    pub fn exhibits(&self) -> impl Iterator<Item = (ExhibitId, CaseId)> {
        self.exhibits.iter().map(|(id, exhibit)| (*id, exhibit.case))
    }

    /// The devices that a case counts as inside, whether they left or not.
    pub fn leaves(&self, case: CaseId) -> BTreeSet<Device> {
        self.cases.get(&case).map(|case| case.inside.clone()).unwrap_or_default()
    }

    /// Whether the act of a record should be accepted.
    pub fn allows(&self, entry: &Entry) -> bool {
        let (intent, signer, millis) = (&entry.intent, entry.intent.signer(), entry.record.core.time.millis());
        match &intent.body {
            Body::TrustList(_) => self.records.is_empty(),
            Body::DeviceEnrol(body) => {
                let id = Sha256Digest::of(&[&body.certificate.0]);
                let valid = (BORN - 10 * DAY..=card(&id).until).contains(&(millis / 1000));
                !self.enrolled.contains_key(&id) && CAST.roots[card(&id).office] == signer && valid
            }
            Body::DeviceRevoke(body) => {
                let of = CAST.devices.iter().find(|card| card.device == body.device).expect("only devices of the cast are revoked");
                // The roots of the offices are on the list for 2000 days.
                let in_force = millis / 1000 <= BORN + 2000 * DAY;
                self.enrolled.contains_key(&of.id) && !self.revoked.contains(&of.id) && CAST.roots[of.office] == signer && in_force
            }
            _ if !self.good(&signer, millis) => false,
            Body::LogRead(_) => match card(&signer).role {
                Role::Auditor => true,
                Role::Prosecutor => self.inside(&signer, intent.case),
                _ => false,
            },
            Body::CaseCreate(body) => {
                let parent = body.parent.is_none_or(|parent| self.inside(&signer, parent));
                card(&signer).role == Role::Prosecutor && !self.cases.contains_key(&intent.case) && parent
            }
            Body::MemberChange(_) => self.allows_change(entry, millis),
            Body::MemberLeave(_) => card(&signer).role == Role::Prosecutor && self.inside(&signer, intent.case),
            Body::Collection(body) => {
                let ring = self.cases.get(&intent.case).map(|case| case.renewals + 1);
                card(&signer).role == Role::Prosecutor
                    && self.inside(&signer, intent.case)
                    && intent.exhibit.is_some_and(|id| !self.exhibits.contains_key(&id))
                    && ring == Some(body.ring_version)
            }
            _ => self.allows_on_exhibit(intent, &signer, millis),
        }
    }

    fn allows_on_exhibit(&self, intent: &Intent, signer: &Device, millis: u64) -> bool {
        let Some((id, exhibit)) = intent.exhibit.and_then(|id| Some((id, self.exhibits.get(&id)?))) else { return false };
        let who = card(signer);
        if exhibit.erased || exhibit.case != intent.case || !self.inside(signer, intent.case) {
            return false;
        }
        let late = i128::from(millis) - intent.time.millis();
        let timely = (-10 * 60 * 1000..=24 * 60 * 60 * 1000).contains(&late);
        let opens = |purpose: Option<Purpose>| purpose.is_some_and(|purpose| self.may_open(signer, id, purpose, millis)) && timely;
        if let Body::Disclosure(Disclosure::Grant { device, .. }) = &intent.body {
            let for_court = matches!(intent.purpose, Some(Purpose::Prosecution | Purpose::Trial | Purpose::DefenceAccess));
            // A recovery device hands on by the ceremony alone, which nobody plays here.
            let hands_on = who.role == Role::Prosecutor && self.has_means(signer, id) && timely;
            let takes = matches!(card(device).role, Role::Prosecutor | Role::Recovery)
                && self.good(device, millis)
                && self.inside(device, exhibit.case);
            return hands_on && takes && (!exhibit.restricted || for_court) && (exhibit.handling != Handling::H2 || exhibit.onward);
        }
        if who.role != Role::Prosecutor {
            return false;
        }
        match &intent.body {
            Body::Consultation(_) | Body::Disclosure(Disclosure::Export {}) => opens(intent.purpose),
            Body::Disclosure(Disclosure::Dossier { .. }) => opens(intent.purpose) && (exhibit.handling != Handling::H1 || exhibit.judicial),
            Body::Disclosure(Disclosure::Transfer { .. }) => opens(intent.purpose) && (exhibit.handling != Handling::H2 || exhibit.onward),
            Body::HoldPlace(_) | Body::RestrictionPlace(_) | Body::RestrictionLift(_) => true,
            Body::HoldLift(_) => exhibit.holds.contains(&who.office),
            Body::ConsentGive(_) => who.office == exhibit.office,
            Body::Alteration(body) => body.handling.is_none() || who.office == exhibit.office,
            Body::Erasure(Erasure::Propose { .. }) => exhibit.holds.is_empty() && who.office == exhibit.office,
            Body::Erasure(Erasure::Confirm { digest, .. }) => {
                let other = exhibit.proposed.as_ref().is_some_and(|(person, proposal)| person != signer && proposal == digest);
                exhibit.holds.is_empty() && other
            }
            _ => false,
        }
    }

    /// Whether a commit for the current epoch should be accepted, with what came beside it.
    fn allows_change(&self, entry: &Entry, millis: u64) -> bool {
        let (intent, signer) = (&entry.intent, entry.intent.signer());
        let Body::MemberChange(body) = &intent.body else { return false };
        let Some(case) = self.cases.get(&intent.case) else { return false };
        let commit = entry.came_in.iter().find_map(|act| if let With::Commit(commit) = &act.with { Some(commit) } else { None });
        let Some(commit) = commit else { return false };
        let fits = |card: &Card| matches!(card.role, Role::Prosecutor | Role::Recovery);
        let who = card(&signer);
        let mut after = case.inside.clone();
        let removable = |gone: &Device| {
            case.inside.contains(gone) && (self.gone(gone, case) || who.office == case.founder || card(gone).office == who.office)
        };
        let removals = body.removes.iter().all(removable);
        body.removes.iter().for_each(|gone| {
            after.remove(gone);
        });
        let size = commit.facts.context.log_size;
        // Whoever joins was enrolled in the log that the commit has seen.
        let known = |device: &Device| self.enrolled.get(device).is_some_and(|index| *index < size);
        let fits_in = |device: &Device| fits(card(device)) && known(device) && self.good(device, millis);
        let additions = body.adds.iter().all(|add| fits_in(&add.certificate) && after.insert(add.certificate));
        let nobody_gone = after.iter().all(|device| !self.gone(device, case));
        let safe =
            |device: &Device| after.iter().any(|other| card(other).role == Role::Recovery && card(other).office == card(device).office);
        let everybody_safe = after.iter().all(safe);
        let renews = !body.removes.is_empty() || body.adds.iter().any(|add| add.terms != Terms::Full);
        let ring = body.ring_version == case.renewals + 1 + u32::from(renews);
        let size = usize::try_from(size).unwrap();
        let left_out =
            self.records[size.min(self.records.len())..].iter().filter(|(chain, _)| *chain == CaseId::REGISTRY || *chain == intent.case);
        let recent = left_out.map(|(_, time)| millis - time).all(|stood| stood <= 3_600_000);
        // What joins was made for a time, and a commit may have waited.
        let fresh = commit.facts.added.iter().all(|added| millis / 1000 < added.key_package.not_after);
        let full = body.adds.iter().filter(|add| add.terms == Terms::Full);
        let disclosed = full.flat_map(|add| self.exhibits.iter().map(move |(id, exhibit)| (add.certificate, *id, exhibit))).all(
            |(device, id, exhibit)| {
                exhibit.case != intent.case || exhibit.erased || !self.has_means(&signer, id) || is_disclosed(&entry.came_in, device, id)
            },
        );
        let alone = who.role == Role::Prosecutor || body.adds.is_empty();
        fits(who)
            && alone
            && self.inside(&signer, intent.case)
            && body.epoch == case.epoch
            && removals
            && additions
            && nobody_gone
            && everybody_safe
            && ring
            && recent
            && fresh
            && disclosed
    }

    /// Takes a record as it stands in the log.
    pub fn take(&mut self, entry: &Entry) {
        let (intent, signer) = (&entry.intent, entry.intent.signer());
        self.records.push((intent.case, entry.record.core.time.millis()));
        if entry.record.core.outcome != Outcome::Accepted {
            return;
        }
        match &intent.body {
            Body::DeviceEnrol(body) => {
                self.enrolled.insert(Sha256Digest::of(&[&body.certificate.0]), entry.record.core.index);
            }
            Body::DeviceRevoke(body) => {
                self.revoked.extend(CAST.devices.iter().filter(|card| card.device == body.device).map(|card| card.id));
            }
            Body::CaseCreate(_) => {
                let case = Case { founder: card(&signer).office, inside: BTreeSet::from([signer]), ..Case::default() };
                self.cases.insert(intent.case, case);
            }
            Body::MemberChange(body) => {
                let case = self.cases.get_mut(&intent.case).expect("it was founded");
                case.epoch += 1;
                case.renewals = body.ring_version - 1;
                for gone in &body.removes {
                    case.inside.remove(gone);
                    case.left.remove(gone);
                    for exhibit in self.exhibits.values_mut().filter(|exhibit| exhibit.case == intent.case) {
                        exhibit.present.remove(gone);
                        exhibit.granted.remove(gone);
                    }
                }
                case.inside.extend(body.adds.iter().map(|add| add.certificate));
            }
            Body::MemberLeave(_) => {
                self.cases.get_mut(&intent.case).expect("it was founded").left.insert(signer);
            }
            Body::Collection(body) => {
                let exhibit = Exhibit {
                    case: intent.case,
                    office: card(&signer).office,
                    handling: body.handling,
                    holds: BTreeSet::new(),
                    restricted: false,
                    erased: false,
                    judicial: false,
                    onward: false,
                    proposed: None,
                    present: self.cases[&intent.case].inside.clone(),
                    granted: BTreeSet::new(),
                };
                self.exhibits.insert(intent.exhibit.expect("it names one"), exhibit);
            }
            _ => {
                if let Some(exhibit) = intent.exhibit.and_then(|id| self.exhibits.get_mut(&id)) {
                    exhibit.take(intent, &signer, entry.intent.digest());
                }
            }
        }
    }
}

impl Exhibit {
    fn take(&mut self, intent: &Intent, signer: &Device, digest: Sha256Digest) {
        match &intent.body {
            Body::Disclosure(Disclosure::Grant { device, .. }) => {
                self.granted.insert(*device);
            }
            Body::HoldPlace(_) => {
                self.holds.insert(card(signer).office);
            }
            Body::HoldLift(_) => {
                self.holds.remove(&card(signer).office);
            }
            Body::RestrictionPlace(_) => self.restricted = true,
            Body::RestrictionLift(_) => self.restricted = false,
            Body::Alteration(body) => self.handling = body.handling.unwrap_or(self.handling),
            Body::ConsentGive(body) if body.to == ConsentTo::JudicialUse => self.judicial = true,
            Body::ConsentGive(_) => self.onward = true,
            Body::Erasure(Erasure::Propose { .. }) => self.proposed = Some((*signer, digest)),
            Body::Erasure(Erasure::Confirm { .. }) => self.erased = true,
            _ => {}
        }
    }
}

fn is_disclosed(acts: &[Act], to: Device, exhibit: ExhibitId) -> bool {
    let discloses = |act: &Act| {
        act.intent.exhibit == Some(exhibit)
            && matches!(&act.intent.body, Body::Disclosure(Disclosure::Grant { device, .. }) if *device == to)
    };
    acts.iter().any(discloses)
}
