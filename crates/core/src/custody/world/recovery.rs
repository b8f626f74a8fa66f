//! What the records of a case make of its recoveries.

use std::collections::{BTreeMap, BTreeSet};

use super::{Case, DeviceLookup, Exhibit, World};
use crate::custody::body::{Add, Body, Disclosure, MemberChange, Terms};
use crate::custody::facts::{DeviceFacts, LeafFacts};
use crate::custody::intent::{Intent, SignedIntent};
use crate::custody::recovery::{Held, LostFacts, Proposed, Recovery, RecoveryFacts};
use crate::custody::rules;
use crate::digest::Sha256Digest;
use crate::ids::{CaseId, DeviceId, ExhibitId};
use crate::time::LogTime;

impl World {
    /// The facts of a recovery that is proposed or confirmed.
    pub fn recovery_facts(&self, intent: &Intent, devices: DeviceLookup<'_>) -> Option<RecoveryFacts> {
        let Body::CaseRecovery(body) = &intent.body else { return None };
        let case = self.cases.get(&intent.case)?;
        Some(match body {
            Recovery::Propose { lost, device } => self.place(intent.case, lost, device, None, devices),
            Recovery::Confirm { digest, .. } => {
                RecoveryFacts { proposal: case.recoveries.named(digest).cloned(), ..RecoveryFacts::nothing() }
            }
        })
    }

    /// What holds of each device that a commit adds in the place of a lost one.
    pub(super) fn replacements(
        &self,
        id: CaseId,
        body: &MemberChange,
        actor: &DeviceFacts,
        devices: DeviceLookup<'_>,
    ) -> Vec<RecoveryFacts> {
        let waiting = |add: &Add| self.cases.get(&id)?.recoveries.waiting(devices(&add.certificate)?.0.id, &actor.office);
        let facts = |add: &Add| match waiting(add) {
            Some(waiting) => self.place(id, &waiting.lost.1, &add.certificate, Some(waiting.clone()), devices),
            None => RecoveryFacts::nothing(),
        };
        body.adds.iter().filter(|add| add.terms == Terms::Recovery).map(facts).collect()
    }

    /// Whether a grant is to a device in the place of one that could open the exhibit.
    pub(super) fn restores(&self, intent: &Intent, (id, exhibit): (ExhibitId, &Exhibit), devices: DeviceLookup<'_>) -> bool {
        let Body::Disclosure(Disclosure::Grant { device, .. }) = &intent.body else { return false };
        let Some((recipient, _)) = devices(device) else { return false };
        let replaced = self.cases.get(&exhibit.case).and_then(|case| case.recoveries.replaced_by(recipient.id));
        replaced.is_some_and(|held| held.could_open(id, exhibit.ring_version))
    }

    /// What holds of a recovery: of the lost device, and of the one that comes in its place.
    fn place(
        &self,
        id: CaseId,
        lost: &Sha256Digest,
        device: &Sha256Digest,
        proposal: Option<Proposed>,
        devices: DeviceLookup<'_>,
    ) -> RecoveryFacts {
        let Some(case) = self.cases.get(&id) else { return RecoveryFacts::nothing() };
        let leaves = case.members.values().filter_map(|member| {
            let (device, revoked) = devices(&member.certificate)?;
            Some(LeafFacts { device, gone: revoked || member.membership.left })
        });
        let held = |device: DeviceId| match case.membership(device) {
            Some(membership) => Some(Held::of(membership, case.ring_version, granted_to(&self.exhibits, id, device))),
            None => case.recoveries.former(device).cloned(),
        };
        RecoveryFacts {
            lost: devices(lost).map(|(device, revoked)| LostFacts { held: held(device.id), device, revoked }),
            device: devices(device).map(|(facts, _)| (facts.clone(), case.members.contains_key(&facts.id))),
            prosecutor_remains: rules::prosecutor_remains(&leaves.collect::<Vec<_>>()),
            proposal,
        }
    }

    /// Takes an accepted act of a recovery.
    pub(super) fn apply_recovery(
        &mut self,
        intent: &SignedIntent,
        body: &Recovery,
        actor: &DeviceFacts,
        time: LogTime,
        devices: DeviceLookup<'_>,
    ) {
        let Some(case) = self.cases.get_mut(&intent.case) else { return };
        let named = |certificate: &Sha256Digest| devices(certificate).map(|(device, _)| (device.id, *certificate));
        match body {
            Recovery::Propose { lost, device } => {
                let (Some(lost), Some(device)) = (named(lost), named(device)) else { return };
                let (person, office) = (actor.person.clone(), actor.office.clone());
                let new = Proposed { intent: intent.id, person, office, lost, device, time, confirmed: false, done: false };
                case.recoveries.propose(intent.digest(), new);
            }
            Recovery::Confirm { digest, .. } => case.recoveries.confirm(digest),
        }
    }
}

impl Case {
    /// Remembers what the devices held that are removed. Before they are, and before their grants end.
    pub(super) fn retire(
        &mut self,
        id: CaseId,
        removed: &[Sha256Digest],
        exhibits: &BTreeMap<ExhibitId, Exhibit>,
        devices: DeviceLookup<'_>,
    ) {
        for certificate in removed {
            let Some((device, revoked)) = devices(certificate) else { continue };
            let Some(membership) = self.membership(device.id) else { continue };
            let held = Held::of(membership, self.ring_version, granted_to(exhibits, id, device.id));
            self.recoveries.retire(device.id, held, revoked || membership.left);
        }
    }
}

/// The exhibits of a case that are granted to a device.
fn granted_to(exhibits: &BTreeMap<ExhibitId, Exhibit>, case: CaseId, device: DeviceId) -> BTreeSet<ExhibitId> {
    let granted = exhibits.iter().filter(|(_, exhibit)| exhibit.case == case && exhibit.grants.contains(&device));
    granted.map(|(id, _)| *id).collect()
}
