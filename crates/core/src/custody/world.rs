//! What the accepted records of a log make together: cases, members, exhibits, chains. A replay builds it record by record.

use std::collections::{BTreeMap, BTreeSet};

use crate::digest::Sha256Digest;
use crate::group::facts::GroupId;
use crate::ids::{CaseId, DeviceId, ExhibitId, OfficeId};

use super::body::{Add, Body, Collection, ConsentTo, Disclosure, Erasure, Handling, MemberChange};
use super::facts::{CaseFacts, ChangeFacts, DeviceFacts, ExhibitFacts, ExhibitState, LeafFacts, Membership, Proposal};
use super::intent::{GroupSeen, Intent, SignedIntent};
use super::record::{ChainHead, ChainSeq, Commitment, Place};
use super::recovery::Recoveries;
use super::rules::{self, Rule};
use super::succession::Line;
use crate::time::LogTime;

mod change;
mod recovery;
mod succession;

/// A device in a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// The certificate by which it came; the registry knows those that followed it.
    pub certificate: Sha256Digest,
    /// What it is there.
    pub membership: Membership,
    /// From which epoch of the current group on; from 0 if it came over from the group before.
    pub since: u64,
}

/// A case as its records made it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The current ring version.
    pub ring_version: u32,
    /// The office that founded it.
    pub founder: OfficeId,
    /// Leaves by device.
    pub members: BTreeMap<DeviceId, Member>,
    /// The epoch of its group: the number of commits that were accepted.
    pub epoch: u64,
    /// The day by which keeping it is reviewed.
    pub review: String,
    /// The case's groups.
    line: Line,
    /// Devices in the place of lost ones.
    recoveries: Recoveries,
}

/// An exhibit as its records made it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exhibit {
    /// The case.
    pub case: CaseId,
    /// The state.
    pub state: ExhibitState,
    /// Offices whose holds forbid erasure.
    pub holds: BTreeSet<OfficeId>,
    /// The erasure that was proposed last, until it takes effect.
    pub proposal: Option<Proposal>,
    /// The handling code.
    pub handling: Handling,
    /// The day by which keeping it is reviewed.
    pub review: String,
    /// Ring version of the group share.
    pub ring_version: u32,
    /// The office that collected it.
    pub originator: OfficeId,
    /// Devices that hold a grant.
    pub grants: BTreeSet<DeviceId>,
    /// Consents of the originator.
    pub consents: Vec<ConsentTo>,
}

/// Everything, from the records applied so far.
#[derive(Debug, Clone, Default)]
pub struct World {
    cases: BTreeMap<CaseId, Case>,
    exhibits: BTreeMap<ExhibitId, Exhibit>,
    /// Commitments by sequence number. A chain begins with the first record that names its id, accepted or refused.
    case_chains: BTreeMap<CaseId, Vec<Commitment>>,
    exhibit_chains: BTreeMap<ExhibitId, Vec<Commitment>>,
    /// Disclosures that additions of the running commit still owe: actor, recipient, exhibit; and the rule that asks for it.
    owed: BTreeMap<(Sha256Digest, Sha256Digest, ExhibitId), Rule>,
    /// The collection, just applied, of an exhibit that was made from another.
    derived: Option<SignedIntent>,
}

/// Finds a device by any of its certificates: what holds of it at the moment of judging, and whether it was revoked.
pub type DeviceLookup<'a> = &'a dyn Fn(&Sha256Digest) -> Option<(DeviceFacts, bool)>;
/// Says whether a device has a certificate in good standing at the moment of judging.
pub type StandingLookup<'a> = &'a dyn Fn(DeviceId) -> bool;

impl World {
    /// Takes up again what a replay had made of cases and exhibits; their chains are extended by [`Self::extend_chains`].
    pub(super) fn of(cases: BTreeMap<CaseId, Case>, exhibits: BTreeMap<ExhibitId, Exhibit>) -> Self {
        Self { cases, exhibits, ..Self::default() }
    }

    /// A case, if it was founded.
    pub fn case(&self, id: CaseId) -> Option<&Case> {
        self.cases.get(&id)
    }

    /// An exhibit, if it was collected.
    pub fn exhibit(&self, id: ExhibitId) -> Option<&Exhibit> {
        self.exhibits.get(&id)
    }

    /// All cases.
    pub fn cases(&self) -> impl Iterator<Item = (CaseId, &Case)> {
        self.cases.iter().map(|(id, case)| (*id, case))
    }

    /// All exhibits.
    pub fn exhibits(&self) -> impl Iterator<Item = (ExhibitId, &Exhibit)> {
        self.exhibits.iter().map(|(id, exhibit)| (*id, exhibit))
    }

    /// The rule by which a commit's additions still owe disclosures, MEM-07 or RCV-05; they must follow it at once.
    pub fn owes_disclosures(&self) -> Option<Rule> {
        self.owed.values().next().copied()
    }

    /// Whether this act may stand before all that is owed is paid: it is one of the grants that come with the commit, in whichever order.
    pub fn goes_with_owed(&self, intent: &Intent, signer: Sha256Digest) -> bool {
        let grant = matches!(&intent.body, Body::Disclosure(Disclosure::Grant { .. }));
        grant && self.owed.keys().all(|(actor, ..)| *actor == signer)
    }

    /// Forgets what is owed, once it was reported.
    pub fn forgive(&mut self) {
        self.owed.clear();
    }

    /// Judges, before an accepted act is applied, what it owes to the one before it (rule REC-09).
    ///
    /// # Errors
    /// `REC-09`: the source's record of a derived exhibit is missing here, or stands here alone.
    pub fn judge_succession(&self, intent: &SignedIntent) -> Result<(), Rule> {
        match &self.derived {
            Some(collection) => rules::judge_derivation(collection, Some(intent)),
            None if matches!(intent.body, Body::Combination(_)) => Err(rules::REC_09),
            None => Ok(()),
        }
    }

    /// Whether the last collection still owes the record on its source's chain.
    pub fn owes_source(&self) -> bool {
        self.derived.is_some()
    }

    /// The actor's membership in the parent that a new case names.
    pub fn parent_facts(&self, intent: &Intent, actor: DeviceId) -> Option<Membership> {
        let Body::CaseCreate(body) = &intent.body else { return None };
        self.cases.get(&body.parent?)?.membership(actor)
    }

    /// The case's facts for an actor.
    pub fn case_facts(&self, intent: &Intent, actor: DeviceId) -> Option<CaseFacts> {
        let case = self.cases.get(&intent.case)?;
        Some(CaseFacts {
            ring_version: case.ring_version,
            founder: case.founder.clone(),
            epoch_stands: intent.group.as_ref().is_none_or(|seen| case.has_had(intent.case, seen)),
            actor: case.membership(actor),
        })
    }

    /// The exhibit's facts for an actor.
    pub fn exhibit_facts(&self, intent: &Intent, actor: &DeviceFacts, devices: DeviceLookup<'_>) -> Option<ExhibitFacts> {
        let id = intent.exhibit?;
        let exhibit = self.exhibits.get(&id)?;
        let chain = self.exhibit_chains.get(&id).map_or(&[][..], Vec::as_slice);
        let stands = |seq: u64| usize::try_from(seq).ok().and_then(|seq| chain.get(seq));
        let recipient = match &intent.body {
            Body::Disclosure(Disclosure::Grant { device, .. }) => devices(device).map(|(facts, _)| {
                let member = self.cases.get(&exhibit.case).and_then(|case| case.membership(facts.id));
                (facts, member.is_some_and(|membership| !membership.left))
            }),
            _ => None,
        };
        Some(ExhibitFacts {
            case: exhibit.case,
            state: exhibit.state,
            held: !exhibit.holds.is_empty(),
            held_by_actor: exhibit.holds.contains(&actor.office),
            proposal: exhibit.proposal.clone(),
            handling: exhibit.handling,
            ring_version: exhibit.ring_version,
            originator: exhibit.originator.clone(),
            chain_seen_stands: intent.chain_seen.is_some_and(|seen| stands(seen.seq).is_some_and(|c| c.0 == seen.commitment)),
            granted: exhibit.grants.contains(&actor.id),
            restored: self.restores(intent, (id, exhibit), devices),
            consent_judicial: exhibit.consents.iter().any(|&to| rules::consent_lifts(to, Handling::H1)),
            consent_onward: exhibit.consents.iter().any(|&to| rules::consent_lifts(to, Handling::H2)),
            recipient,
        })
    }

    /// The facts of a commit as its intent names it; whether the intent matches the commit's bytes is not known here and taken as so.
    ///
    /// None if it names a device that the registry does not know.
    pub fn change_facts(
        &self,
        intent: &Intent,
        actor: &DeviceFacts,
        body: &MemberChange,
        devices: DeviceLookup<'_>,
    ) -> Option<ChangeFacts> {
        let case = self.cases.get(&intent.case)?;
        let leaf = |certificate: &Sha256Digest| {
            let (device, revoked) = devices(certificate)?;
            let left = case.membership(device.id).is_some_and(|membership| membership.left);
            Some(LeafFacts { device, gone: revoked || left })
        };
        let adds: Vec<LeafFacts> = body.adds.iter().map(|add| leaf(&add.certificate)).collect::<Option<_>>()?;
        let removes: Vec<LeafFacts> = body.removes.iter().map(leaf).collect::<Option<_>>()?;
        let staying = case.members.iter().filter(|(device, _)| removes.iter().all(|leaf| leaf.device.id != **device));
        let mut after: Vec<LeafFacts> = staying.map(|(_, member)| leaf(&member.certificate)).collect::<Option<_>>()?;
        after.extend(adds.iter().cloned());
        let removed_are_members = removes.iter().all(|leaf| case.members.contains_key(&leaf.device.id));
        let once = after.iter().map(|leaf| leaf.device.id).collect::<BTreeSet<_>>().len() == after.len();
        let follows = body.epoch == case.epoch;
        Some(ChangeFacts {
            intent_matches_commit: follows && removed_are_members && once,
            adds,
            removes,
            after,
            undisclosed_for_full: 0,
            undisclosed_for_recovery: 0,
            replacements: self.replacements(intent.case, body, actor, devices),
        })
    }

    /// The place that the next record of a case takes.
    pub fn next_in_case(&self, id: CaseId) -> Place<CaseId> {
        Place::after(id, self.case_chains.get(&id).and_then(|chain| head(chain)))
    }

    /// The place that the next record of an exhibit takes.
    pub fn next_in_exhibit(&self, id: ExhibitId) -> Place<ExhibitId> {
        Place::after(id, self.exhibit_chains.get(&id).and_then(|chain| head(chain)))
    }

    /// Puts a record's commitment at the end of its chains, accepted or not.
    pub fn extend_chains(&mut self, case: CaseId, exhibit: Option<ExhibitId>, commitment: Commitment) {
        self.case_chains.entry(case).or_default().push(commitment);
        if let Some(id) = exhibit {
            self.exhibit_chains.entry(id).or_default().push(commitment);
        }
    }

    /// Applies an accepted act of a case, at its record's time; its chains are extended by [`Self::extend_chains`] afterwards.
    ///
    /// Judges nothing: the caller did, or reports what it found and goes on.
    pub fn apply(&mut self, intent: &SignedIntent, actor: &DeviceFacts, time: LogTime, devices: DeviceLookup<'_>) {
        let (signer, office) = (intent.signer(), &actor.office);
        let device_of = |certificate: &Sha256Digest| devices(certificate).map(|(device, _)| device.id);
        self.derived = matches!(&intent.body, Body::Collection(Collection { derivation: Some(_), .. })).then(|| intent.clone());
        if let (Some(case), Some(seen)) = (self.cases.get_mut(&intent.case), &intent.group) {
            case.line.hold(actor.id, seen);
        }
        match (&intent.body, intent.exhibit) {
            (Body::CaseCreate(body), _) => {
                let membership = Membership { first_ring: 1, left: false };
                let founder =
                    |add: &Add| Some((device_of(&add.certificate)?, Member { certificate: add.certificate, membership, since: 0 }));
                let members = body.members.iter().filter_map(founder).collect();
                let case = Case {
                    ring_version: body.ring_version,
                    founder: office.clone(),
                    members,
                    epoch: 0,
                    review: body.review.clone(),
                    line: Line::begun(),
                    recoveries: Recoveries::default(),
                };
                self.cases.entry(intent.case).or_insert(case);
            }
            (Body::MemberChange(body), _) => self.change_members(intent.case, signer, actor, body, devices),
            (Body::CaseRecovery(body), _) => self.apply_recovery(intent, body, actor, time, devices),
            (Body::GroupReport(body), _) => {
                if let Some(case) = self.cases.get_mut(&intent.case) {
                    case.line.report(body.commit, actor.id);
                }
            }
            (Body::GroupSucceed(body), _) => self.succeed_group(intent.case, signer, body, devices),
            (Body::MemberLeave(_), _) => {
                if let Some(member) = self.cases.get_mut(&intent.case).and_then(|case| case.members.get_mut(&actor.id)) {
                    member.membership.left = true;
                }
            }
            (Body::Collection(body), Some(id)) => {
                let exhibit = Exhibit {
                    case: intent.case,
                    state: ExhibitState::Active,
                    holds: BTreeSet::new(),
                    proposal: None,
                    handling: body.handling,
                    review: body.review.clone(),
                    ring_version: body.ring_version,
                    originator: office.clone(),
                    grants: BTreeSet::new(),
                    consents: Vec::new(),
                };
                self.exhibits.entry(id).or_insert(exhibit);
            }
            (body, Some(id)) => {
                if let Body::Disclosure(Disclosure::Grant { device, .. }) = body {
                    self.owed.remove(&(signer, *device, id));
                }
                if let Some(exhibit) = self.exhibits.get_mut(&id) {
                    exhibit.apply(intent, body, actor, device_of);
                }
            }
            _ => {}
        }
    }
}

fn head(chain: &[Commitment]) -> Option<ChainHead> {
    let seq = ChainSeq(u64::try_from(chain.len().checked_sub(1)?).ok()?);
    chain.last().map(|&commitment| ChainHead { seq, commitment })
}

impl Case {
    /// Generation of its current group: 0 for the first.
    pub const fn generation(&self) -> u32 {
        self.line.generation()
    }

    /// What a device is here, if it is a leaf of the group.
    pub fn membership(&self, device: DeviceId) -> Option<Membership> {
        self.members.get(&device).map(|member| member.membership)
    }

    /// Whether its group had that epoch, with that transcript hash as far as another intent named it.
    fn has_had(&self, id: CaseId, seen: &GroupSeen) -> bool {
        let group = GroupId::from_bytes(&seen.id.0).filter(|group| group.case == id);
        group.is_some_and(|group| self.line.has_had(group, self.epoch, seen))
    }
}

impl Exhibit {
    fn apply(&mut self, intent: &SignedIntent, body: &Body, actor: &DeviceFacts, device_of: impl Fn(&Sha256Digest) -> Option<DeviceId>) {
        match body {
            Body::Disclosure(Disclosure::Grant { device, .. }) => self.grants.extend(device_of(device)),
            Body::Alteration(body) => {
                self.handling = body.handling.unwrap_or(self.handling);
                self.review = body.review.clone().unwrap_or_else(|| core::mem::take(&mut self.review));
            }
            Body::Erasure(Erasure::Propose { records }) => {
                let (person, records) = (actor.person.clone(), records.clone());
                self.proposal = Some(Proposal { intent: intent.id, digest: intent.digest(), person, records });
            }
            Body::Erasure(Erasure::Confirm { .. }) => self.state = ExhibitState::Erased,
            Body::HoldPlace(_) => {
                self.holds.insert(actor.office.clone());
            }
            Body::HoldLift(_) => {
                self.holds.remove(&actor.office);
            }
            Body::RestrictionPlace(_) if self.state == ExhibitState::Active => self.state = ExhibitState::Restricted,
            Body::RestrictionLift(_) if self.state == ExhibitState::Restricted => self.state = ExhibitState::Active,
            Body::ConsentGive(body) => self.consents.push(body.to),
            _ => {}
        }
    }
}
