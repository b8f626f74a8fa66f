//! What the records of a case make of its recoveries.

use super::{Case, DeviceLookup, Exhibit, World};
use crate::custody::body::{Add, Body, Disclosure, MemberChange, Terms};
use crate::custody::facts::LeafFacts;
use crate::custody::intent::Intent;
use crate::custody::recovery::{Held, LostFacts, Proposed, Recovery, RecoveryFacts};
use crate::custody::rules;
use crate::digest::Sha256Digest;
use crate::ids::OfficeId;

impl World {
    /// The facts of a recovery that is proposed or confirmed.
    pub fn recovery_facts(&self, intent: &Intent, devices: DeviceLookup<'_>) -> Option<RecoveryFacts> {
        let Body::CaseRecovery(body) = &intent.body else { return None };
        let case = self.cases.get(&intent.case)?;
        Some(match body {
            Recovery::Propose { lost, device } => case.recovery(lost, device, None, devices),
            Recovery::Confirm { digest, .. } => {
                RecoveryFacts { lost: None, device: None, prosecutor_remains: false, proposal: case.recoveries.named(digest).cloned() }
            }
        })
    }

    pub(super) fn replacements(case: &Case, body: &MemberChange, actor: &OfficeId, devices: DeviceLookup<'_>) -> Vec<RecoveryFacts> {
        let replacing = body.adds.iter().filter(|add| add.terms == Terms::Recovery);
        let facts = |add: &Add| match case.recoveries.waiting(&add.certificate, actor) {
            Some(waiting) => case.recovery(&waiting.lost, &add.certificate, Some(waiting.clone()), devices),
            None => RecoveryFacts { lost: None, device: None, prosecutor_remains: false, proposal: None },
        };
        replacing.map(facts).collect()
    }

    /// Whether a grant is to a device in the place of one that could open the exhibit.
    pub(super) fn restores(&self, intent: &Intent, exhibit: &Exhibit) -> bool {
        let Body::Disclosure(Disclosure::Grant { device, .. }) = &intent.body else { return false };
        let replaced = self.cases.get(&exhibit.case).and_then(|case| case.recoveries.replaced_by(device));
        replaced.is_some_and(|(lost, held)| held.could_open(exhibit.grants.contains(&lost), exhibit.ring_version))
    }
}

impl Case {
    /// What holds of a recovery.
    fn recovery(&self, lost: &Sha256Digest, device: &Sha256Digest, proposal: Option<Proposed>, devices: DeviceLookup<'_>) -> RecoveryFacts {
        let leaves: Vec<LeafFacts> = self
            .members
            .iter()
            .filter_map(|(certificate, membership)| {
                let (device, revoked) = devices(certificate)?;
                Some(LeafFacts { device, gone: revoked || membership.left })
            })
            .collect();
        let held = self.members.get(lost).map(|membership| Held::of(*membership, self.ring_version));
        let held = held.or_else(|| self.recoveries.former(lost));
        RecoveryFacts {
            lost: devices(lost).map(|(device, revoked)| LostFacts { device, revoked, held }),
            device: devices(device).map(|(facts, _)| (facts, self.members.contains_key(device))),
            prosecutor_remains: rules::prosecutor_remains(leaves.iter()),
            proposal,
        }
    }
}
