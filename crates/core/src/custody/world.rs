//! What the accepted records of a log make together: cases, members, exhibits, chains. A replay builds it record by record.

use std::collections::{BTreeMap, BTreeSet};

use crate::digest::Sha256Digest;
use crate::group::facts::GroupId;
use crate::ids::{CaseId, ExhibitId, OfficeId};

use super::body::{Add, Body, Collection, ConsentTo, Disclosure, Erasure, Handling, MemberChange, Terms};
use super::facts::{CaseFacts, ChangeFacts, DeviceFacts, ExhibitFacts, ExhibitState, LeafFacts, Membership, Proposal};
use super::intent::{GroupSeen, Intent, SignedIntent};
use super::record::{ChainHead, ChainSeq, Commitment, Place};
use super::recovery::{Held, LostFacts, Proposed, Recoveries, Recovery, RecoveryFacts};
use super::succession::{Line, SuccessionFacts};
use super::rules;

/// A case as its records made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The current ring version.
    pub ring_version: u32,
    /// The office that founded it.
    pub founder: OfficeId,
    /// Leaves by certificate id.
    pub members: BTreeMap<Sha256Digest, Membership>,
    /// The group's epoch: the number of commits that were accepted.
    pub epoch: u64,
    /// The confirmed transcript hash that the first intent of each epoch named.
    transcripts: BTreeMap<(u32, u64), Vec<u8>>,
    /// Devices in the place of lost ones.
    recoveries: Recoveries,
    /// The group's commits, in its current generation.
    line: Line,
}

/// An exhibit as its records made it.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Certificate ids of devices that hold a grant.
    pub grants: BTreeSet<Sha256Digest>,
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
    /// Disclosures that full-history additions of the running commit still owe: actor, recipient, exhibit.
    owed: BTreeSet<(Sha256Digest, Sha256Digest, ExhibitId)>,
    /// The collection, just applied, of an exhibit that was made from another.
    derived: Option<SignedIntent>,
}

/// What a device is at the moment of judging: its facts, and whether it was revoked.
pub type DeviceLookup<'a> = &'a dyn Fn(&Sha256Digest) -> Option<(DeviceFacts, bool)>;

impl World {
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

    /// Whether a commit's full-history additions still owe disclosures (rule MEM-07); they must follow it at once.
    pub fn owes_disclosures(&self) -> bool {
        !self.owed.is_empty()
    }

    /// Whether this act pays one of the disclosures owed.
    pub fn pays_owed(&self, intent: &Intent, signer: Sha256Digest) -> bool {
        matches!((&intent.body, intent.exhibit), (Body::Disclosure(Disclosure::Grant { device, .. }), Some(exhibit))
            if self.owed.contains(&(signer, *device, exhibit)))
    }

    /// Forgets what is owed, once it was reported.
    pub fn forgive(&mut self) {
        self.owed.clear();
    }

    /// Judges, before an accepted act is applied, what it owes to the one before it (rule REC-09).
    ///
    /// # Errors
    /// `REC-09`: the source's record of a derived exhibit is missing here, or stands here alone.
    pub fn judge_succession(&self, intent: &SignedIntent) -> Result<(), rules::Rule> {
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
    pub fn parent_facts(&self, intent: &Intent, signer: Sha256Digest) -> Option<Membership> {
        let Body::CaseCreate(body) = &intent.body else { return None };
        self.cases.get(&body.parent?)?.members.get(&signer).copied()
    }

    /// The case's facts for an actor.
    pub fn case_facts(&self, intent: &Intent, signer: Sha256Digest) -> Option<CaseFacts> {
        let case = self.cases.get(&intent.case)?;
        Some(CaseFacts {
            ring_version: case.ring_version,
            founder: case.founder.clone(),
            epoch_stands: intent.group.as_ref().is_none_or(|seen| case.has_had(intent.case, seen)),
            actor: case.members.get(&signer).copied(),
        })
    }

    /// The exhibit's facts for an actor.
    pub fn exhibit_facts(&self, intent: &Intent, signer: Sha256Digest, devices: DeviceLookup<'_>) -> Option<ExhibitFacts> {
        let exhibit = self.exhibits.get(&intent.exhibit?)?;
        let chain = intent.exhibit.and_then(|id| self.exhibit_chains.get(&id)).map_or(&[][..], Vec::as_slice);
        let stands = |seq: u64| usize::try_from(seq).ok().and_then(|seq| chain.get(seq));
        let recipient = match &intent.body {
            Body::Disclosure(Disclosure::Grant { device, .. }) => devices(device).map(|(facts, _)| {
                let member = self.cases.get(&exhibit.case).and_then(|case| case.members.get(device));
                (facts, member.is_some_and(|membership| !membership.left))
            }),
            _ => None,
        };
        let office = devices(&signer).map(|(actor, _)| actor.office);
        Some(ExhibitFacts {
            case: exhibit.case,
            state: exhibit.state,
            held: !exhibit.holds.is_empty(),
            held_by_actor: office.is_some_and(|office| exhibit.holds.contains(&office)),
            proposal: exhibit.proposal.clone(),
            handling: exhibit.handling,
            ring_version: exhibit.ring_version,
            originator: exhibit.originator.clone(),
            chain_seen_stands: intent.chain_seen.is_some_and(|seen| stands(seen.seq).is_some_and(|c| c.0 == seen.commitment)),
            granted: exhibit.grants.contains(&signer),
            restored: self.restores(intent, exhibit),
            consent_judicial: exhibit.consents.iter().any(|&to| rules::consent_lifts(to, Handling::H1)),
            consent_onward: exhibit.consents.iter().any(|&to| rules::consent_lifts(to, Handling::H2)),
            recipient,
        })
    }

    /// The facts of a commit as its intent names it; whether the intent matches the commit's bytes is not known here and taken as so.
    ///
    /// None if it names a device that the registry does not know.
    pub fn change_facts(&self, intent: &Intent, signer: &Sha256Digest, body: &MemberChange, devices: DeviceLookup<'_>) -> Option<ChangeFacts> {
        let case = self.cases.get(&intent.case)?;
        let leaf = |certificate: &Sha256Digest| {
            let (device, revoked) = devices(certificate)?;
            let left = case.members.get(certificate).is_some_and(|membership| membership.left);
            Some(LeafFacts { device, gone: revoked || left })
        };
        let adds: Vec<LeafFacts> = body.adds.iter().map(|add| leaf(&add.certificate)).collect::<Option<_>>()?;
        let removes: Vec<LeafFacts> = body.removes.iter().map(leaf).collect::<Option<_>>()?;
        let removed_are_members = body.removes.iter().all(|certificate| case.members.contains_key(certificate));
        let added_are_new =
            body.adds.iter().all(|add| !case.members.contains_key(&add.certificate) || body.removes.contains(&add.certificate));
        let staying = case.members.keys().filter(|certificate| !body.removes.contains(certificate)).map(leaf);
        let mut after: Vec<LeafFacts> = staying.collect::<Option<_>>()?;
        after.extend(adds.iter().cloned());
        let follows = body.epoch == case.epoch;
        let actor = &devices(signer)?.0.office;
        Some(ChangeFacts {
            intent_matches_commit: follows && removed_are_members && added_are_new,
            adds,
            removes,
            after,
            undisclosed_for_full: 0,
            undisclosed_for_recovery: 0,
            replacements: self.replacements(case, body, actor, devices),
        })
    }

    /// The facts of a successor group.
    pub fn succession_facts(&self, intent: &Intent, signer: Sha256Digest, devices: DeviceLookup<'_>) -> Option<SuccessionFacts> {
        let Body::GroupSucceed(body) = &intent.body else { return None };
        let case = self.cases.get(&intent.case)?;
        let person = |certificate: Sha256Digest| devices(&certificate).map(|(device, _)| device.person);
        let made = case.line.made(body.epoch).filter(|made| made.commit == body.bad);
        let both = case.line.in_both(body.epoch);
        let acknowledged = case.line.held_after(body.epoch).filter(|id| both.contains_key(id));
        let leaf = |(certificate, membership): (Sha256Digest, Membership)| {
            let (device, revoked) = devices(&certificate)?;
            Some((certificate, LeafFacts { device, gone: revoked || membership.left }))
        };
        Some(SuccessionFacts {
            founder: signer,
            names_the_bytes: true,
            generation: case.line.generation(),
            ring_version: case.ring_version,
            author: made.and_then(|made| person(made.author)),
            reporters: case.line.reporters(body.bad).filter_map(|id| devices(&id)).map(|(device, _)| device).collect(),
            acknowledged_by: acknowledged.filter_map(person).collect(),
            both: both.iter().map(|(id, membership)| (*id, *membership)).filter_map(leaf).collect(),
        })
    }

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

    fn replacements(&self, case: &Case, body: &MemberChange, actor: &OfficeId, devices: DeviceLookup<'_>) -> Vec<RecoveryFacts> {
        let replacing = body.adds.iter().filter(|add| add.terms == Terms::Recovery);
        let facts = |add: &Add| match case.recoveries.waiting(&add.certificate, actor) {
            Some(waiting) => case.recovery(&waiting.lost, &add.certificate, Some(waiting.clone()), devices),
            None => RecoveryFacts { lost: None, device: None, prosecutor_remains: false, proposal: None },
        };
        replacing.map(facts).collect()
    }

    /// Whether a grant is to a device in the place of one that could open the exhibit.
    fn restores(&self, intent: &Intent, exhibit: &Exhibit) -> bool {
        let Body::Disclosure(Disclosure::Grant { device, .. }) = &intent.body else { return false };
        let replaced = self.cases.get(&exhibit.case).and_then(|case| case.recoveries.replaced_by(device));
        replaced.is_some_and(|(lost, held)| held.could_open(exhibit.grants.contains(&lost), exhibit.ring_version))
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

    /// Applies an accepted act of a case; its chains are extended by [`Self::extend_chains`] afterwards.
    ///
    /// `revoked` are those devices that the act removes and that were revoked before. Judges nothing: the caller did, or reports what it
    /// found and goes on.
    pub fn apply(&mut self, intent: &SignedIntent, actor: &DeviceFacts, revoked: &BTreeSet<Sha256Digest>) {
        let (signer, office) = (intent.signer(), &actor.office);
        self.derived = matches!(&intent.body, Body::Collection(Collection { derivation: Some(_), .. })).then(|| intent.clone());
        if let (Some(case), Some(seen)) = (self.cases.get_mut(&intent.case), &intent.group) {
            if let Some(group) = GroupId::from_bytes(&seen.id.0) {
                case.transcripts.entry((group.generation, seen.epoch)).or_insert_with(|| seen.transcript.0.clone());
                case.line.hold(signer, group.generation, seen.epoch);
            }
        }
        match (&intent.body, intent.exhibit) {
            (Body::CaseCreate(body), _) => {
                let founder = Membership { first_ring: 1, left: false };
                let members = body.members.iter().map(|add| (add.certificate, founder)).collect();
                let mut line = Line::default();
                for add in &body.members {
                    line.enter(add.certificate, founder, 0);
                }
                // The transcript hash of a group at its creation is empty (RFC 9420 §8.2).
                let transcripts = BTreeMap::from([((0, 0), Vec::new())]);
                let case = Case { ring_version: body.ring_version, founder: office.clone(), members, epoch: 0, transcripts, recoveries: Recoveries::default(), line };
                self.cases.entry(intent.case).or_insert(case);
            }
            (Body::MemberChange(body), _) => self.change_members(intent.case, signer, body, office, revoked),
            (Body::GroupReport(body), _) => {
                if let Some(case) = self.cases.get_mut(&intent.case) {
                    case.line.report(body.commit, signer);
                }
            }
            (Body::GroupSucceed(body), _) => {
                if let Some(case) = self.cases.get_mut(&intent.case) {
                    case.members = case.line.succeed(body, case.epoch, signer);
                    case.ring_version = body.ring_version;
                    case.epoch = 1;
                    case.transcripts.insert((body.generation, 0), Vec::new());
                }
            }
            (Body::CaseRecovery(body), _) => {
                if let Some(case) = self.cases.get_mut(&intent.case) {
                    case.recoveries.apply(intent, body, actor);
                }
            }
            (Body::MemberLeave(_), _) => {
                if let Some(case) = self.cases.get_mut(&intent.case) {
                    case.line.leave(&signer);
                    if let Some(membership) = case.members.get_mut(&signer) {
                        membership.left = true;
                    }
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
                    exhibit.apply(intent, body, actor);
                }
            }
            _ => {}
        }
    }

    fn change_members(&mut self, id: CaseId, signer: Sha256Digest, body: &MemberChange, office: &OfficeId, revoked: &BTreeSet<Sha256Digest>) {
        let Some(case) = self.cases.get_mut(&id) else { return };
        let granter = case.members.get(&signer).copied();
        let returning = body.removes.first().and_then(|certificate| case.members.get(certificate)).copied();
        for add in body.adds.iter().filter(|add| add.terms == Terms::Recovery) {
            let (members, ring) = (&case.members, case.ring_version);
            let held = |lost: &Sha256Digest| members.get(lost).map(|membership| Held::of(*membership, ring));
            case.recoveries.carry_out(add.certificate, office, held);
        }
        for certificate in &body.removes {
            let removed = case.members.remove(certificate);
            if let Some(membership) = removed.filter(|membership| membership.left || revoked.contains(certificate)) {
                case.recoveries.retire(*certificate, Held::of(membership, case.ring_version));
            }
        }
        case.ring_version = body.ring_version;
        case.epoch = body.epoch.saturating_add(1);
        case.line.change(signer, body);
        for Add { certificate, terms } in &body.adds {
            let kept = match terms {
                Terms::Full => granter,
                Terms::Resync => returning,
                Terms::Founder | Terms::Chosen | Terms::None | Terms::Recovery => None,
            };
            let first_ring = kept.map_or(body.ring_version, |membership| membership.first_ring);
            let membership = Membership { first_ring, left: false };
            case.members.insert(*certificate, membership);
            case.line.enter(*certificate, membership, case.epoch);
            let replaced = case.recoveries.replaced_by(certificate);
            let given = |exhibit: &Exhibit| match terms {
                Terms::Full => true,
                Terms::Recovery => {
                    replaced.is_some_and(|(lost, held)| held.could_open(exhibit.grants.contains(&lost), exhibit.ring_version))
                }
                _ => false,
            };
            if let Some(granter) = granter {
                let open = self.exhibits.iter().filter(|(_, exhibit)| {
                    exhibit.case == id
                        && exhibit.state != ExhibitState::Erased
                        && given(exhibit)
                        && rules::may_open(granter.first_ring, exhibit.grants.contains(&signer), exhibit.ring_version)
                });
                self.owed.extend(open.map(|(exhibit, _)| (signer, *certificate, *exhibit)));
            }
        }
    }
}

fn head(chain: &[Commitment]) -> Option<ChainHead> {
    let seq = ChainSeq(u64::try_from(chain.len().checked_sub(1)?).ok()?);
    chain.last().map(|&commitment| ChainHead { seq, commitment })
}

impl Case {
    /// What holds of a recovery.
    fn recovery(&self, lost: &Sha256Digest, device: &Sha256Digest, proposal: Option<Proposed>, devices: DeviceLookup<'_>) -> RecoveryFacts {
        let leaves: Vec<LeafFacts> = self.members.iter().filter_map(|(certificate, membership)| {
            let (device, revoked) = devices(certificate)?;
            Some(LeafFacts { device, gone: revoked || membership.left })
        }).collect();
        let held = self.members.get(lost).map(|membership| Held::of(*membership, self.ring_version));
        let held = held.or_else(|| self.recoveries.former(lost));
        RecoveryFacts {
            lost: devices(lost).map(|(device, revoked)| LostFacts { device, revoked, held }),
            device: devices(device).map(|(facts, _)| (facts, self.members.contains_key(device))),
            prosecutor_remains: rules::prosecutor_remains(leaves.iter()),
            proposal,
        }
    }

    /// Whether its group had that epoch, with that transcript hash as far as another intent named it.
    fn has_had(&self, id: CaseId, seen: &GroupSeen) -> bool {
        let Some(group) = GroupId::from_bytes(&seen.id.0).filter(|group| group.case == id) else { return false };
        let last = if group.generation == self.line.generation() { Some(self.epoch) } else { self.line.ended_at(group.generation) };
        let known = self.transcripts.get(&(group.generation, seen.epoch));
        last.is_some_and(|last| seen.epoch <= last) && known.is_none_or(|known| *known == seen.transcript.0)
    }
}

impl Exhibit {
    fn apply(&mut self, intent: &SignedIntent, body: &Body, actor: &DeviceFacts) {
        match body {
            Body::Disclosure(Disclosure::Grant { device, .. }) => {
                self.grants.insert(*device);
            }
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
