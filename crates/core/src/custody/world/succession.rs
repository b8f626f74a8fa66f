//! Successor groups, as a replay finds their facts and applies them.

use std::collections::BTreeMap;

use super::{DeviceLookup, Member, StandingLookup, World};
use crate::custody::body::Body;
use crate::custody::facts::{DeviceFacts, LeafFacts};
use crate::custody::intent::Intent;
use crate::custody::succession::{GroupSucceed, LeftOut, Made, SuccessionFacts};
use crate::digest::Sha256Digest;
use crate::ids::{CaseId, DeviceId};

impl World {
    /// What holds of a commit of a case's current group that a successor group is to leave out; none if no such commit was accepted from that epoch.
    pub fn left_out(
        &self,
        case: CaseId,
        (epoch, commit): (u64, Sha256Digest),
        devices: DeviceLookup<'_>,
        standing: StandingLookup<'_>,
    ) -> Option<LeftOut> {
        let case = self.cases.get(&case)?;
        let made = case.line.made(epoch, commit)?;
        let (author, _) = devices(&made.author)?;
        let before = case.members.iter().filter(|(_, member)| member.since <= epoch);
        let leaf = |(id, member): (&DeviceId, &Member)| {
            let (device, revoked) = devices(&member.certificate)?;
            Some((
                *id,
                LeafFacts { gone: revoked || member.membership.left, device: DeviceFacts { good_standing: standing(*id), ..device } },
            ))
        };
        let both: BTreeMap<DeviceId, LeafFacts> = before.filter_map(leaf).collect();
        let reported = both.iter().filter(|(id, leaf)| !leaf.gone && case.line.has_reported(commit, **id));
        let acted = both.iter().filter(|(id, _)| case.line.acted_after(epoch, **id));
        Some(LeftOut {
            author: author.person,
            reporters: reported.map(|(_, leaf)| leaf.device.clone()).collect(),
            acknowledged_by: acted.map(|(_, leaf)| leaf.device.person.clone()).collect(),
            both,
        })
    }

    /// The facts of a successor group.
    pub fn succession_facts(
        &self,
        intent: &Intent,
        founder: DeviceId,
        devices: DeviceLookup<'_>,
        standing: StandingLookup<'_>,
    ) -> Option<SuccessionFacts> {
        let Body::GroupSucceed(body) = &intent.body else { return None };
        let case = self.cases.get(&intent.case)?;
        let leaf = |certificate: &Sha256Digest| devices(certificate).map(|(device, revoked)| LeafFacts { device, gone: revoked });
        Some(SuccessionFacts {
            founder,
            names_the_bytes: true,
            generation: case.line.generation(),
            ring_version: case.ring_version,
            left_out: self.left_out(intent.case, (body.epoch, body.bad), devices, standing),
            members: body.members.iter().map(leaf).collect::<Option<_>>()?,
        })
    }

    /// A successor group takes over: its members are on the terms that they had, everybody else is in the case no more, and their grants end.
    pub(super) fn succeed_group(&mut self, id: CaseId, signer: Sha256Digest, body: &GroupSucceed, devices: DeviceLookup<'_>) {
        let Some(case) = self.cases.get_mut(&id) else { return };
        let device_of = |certificate: &Sha256Digest| devices(certificate).map(|(device, _)| device.id);
        let named: BTreeMap<DeviceId, Sha256Digest> = body.members.iter().filter_map(|one| Some((device_of(one)?, *one))).collect();
        let dropped = case.members.iter().filter(|(device, _)| !named.contains_key(device));
        let dropped: Vec<Sha256Digest> = dropped.map(|(_, member)| member.certificate).collect();
        case.retire(id, &dropped, &self.exhibits, devices);
        case.members.retain(|device, _| named.contains_key(device));
        for (device, member) in &mut case.members {
            (member.certificate, member.since) = (named[device], 0);
        }
        for exhibit in self.exhibits.values_mut().filter(|exhibit| exhibit.case == id) {
            exhibit.grants.retain(|device| case.members.contains_key(device));
        }
        case.line.succeed(body.generation, case.epoch, Made { commit: body.commit, author: signer });
        case.ring_version = body.ring_version;
        case.epoch = 1;
    }
}
