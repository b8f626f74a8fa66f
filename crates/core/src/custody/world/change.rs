//! What a commit's record makes of a case: members, grants that end, disclosures that are owed.

use std::collections::BTreeSet;

use super::{DeviceLookup, Member, World};
use crate::custody::body::{Add, MemberChange, Terms};
use crate::custody::facts::{DeviceFacts, ExhibitState, Membership};
use crate::custody::rules;
use crate::custody::succession::Made;
use crate::digest::Sha256Digest;
use crate::ids::{CaseId, DeviceId};

impl World {
    /// Applies an accepted commit.
    pub(super) fn change_members(
        &mut self,
        id: CaseId,
        signer: Sha256Digest,
        actor: &DeviceFacts,
        body: &MemberChange,
        devices: DeviceLookup<'_>,
    ) {
        let Some(case) = self.cases.get_mut(&id) else { return };
        let device_of = |certificate: &Sha256Digest| devices(certificate).map(|(device, _)| device.id);
        // Who comes back on the terms that it had is the actor itself.
        let own = case.membership(actor.id);
        let own_since = case.members.get(&actor.id).map(|member| member.since);
        case.line.change(body.epoch, Made { commit: body.commit, author: signer });
        if !body.resync {
            case.retire(id, &body.removes, &self.exhibits, devices);
        }
        let removed: BTreeSet<DeviceId> = body.removes.iter().filter_map(device_of).collect();
        case.members.retain(|device, _| !removed.contains(device));
        // Who is removed loses what was granted; who comes back has only what is granted anew. A resync is the same membership.
        if !body.resync {
            for exhibit in self.exhibits.values_mut().filter(|exhibit| exhibit.case == id) {
                exhibit.grants.retain(|device| !removed.contains(device));
            }
        }
        case.ring_version = body.ring_version;
        case.epoch = body.epoch.saturating_add(1);
        for Add { certificate, terms } in &body.adds {
            let kept = match terms {
                Terms::Full | Terms::Resync => own,
                Terms::Founder | Terms::Chosen | Terms::None | Terms::Recovery => None,
            };
            let first_ring = kept.map_or(body.ring_version, |membership| membership.first_ring);
            let Some(device) = device_of(certificate) else { continue };
            let membership = Membership { first_ring, left: false };
            // A resync is the same membership.
            let since = own_since.filter(|_| *terms == Terms::Resync).unwrap_or(case.epoch);
            case.members.insert(device, Member { certificate: *certificate, membership, since });
            if *terms == Terms::Recovery {
                case.recoveries.carry_out(device, &actor.office);
            }
            let replaced = case.recoveries.replaced_by(device);
            let rule = match terms {
                Terms::Full => rules::MEM_07,
                Terms::Recovery => rules::RCV_05,
                Terms::Founder | Terms::Chosen | Terms::None | Terms::Resync => continue,
            };
            let Some(granter) = own else { continue };
            let given = |exhibit, ring| *terms == Terms::Full || replaced.is_some_and(|held| held.could_open(exhibit, ring));
            let open = self.exhibits.iter().filter(|(exhibit, known)| {
                known.case == id
                    && known.state != ExhibitState::Erased
                    && given(**exhibit, known.ring_version)
                    && rules::may_open(granter.first_ring, known.grants.contains(&actor.id), known.ring_version)
            });
            self.owed.extend(open.map(|(exhibit, _)| ((signer, *certificate, *exhibit), rule)));
        }
    }
}
