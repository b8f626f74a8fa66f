//! One checker that re-derives the world from the records after every step: acknowledged = present, once, in order, openable, proven.
//!
//! It keeps a replay of its own and the [`Model`], reads every new record from its stored bytes, and compares what the server, the rules and
//! the model say. It believes nothing that the server or an agent remembers.

use custodia_core::custody::body::{Body, Consultation, ViewMode};
use custodia_core::custody::intent::{ChainSeen, ClockSource, Intent, Seen};
use custodia_core::custody::kind::Purpose;
use custodia_core::custody::record::{Commitment, Outcome, Part};
use custodia_core::custody::replay::Replay;
use custodia_core::digest::Sha256Digest;
use custodia_core::finding::Status;
use custodia_core::ids::{CaseId, ExhibitId, IntentId};
use custodia_core::log::{LeafIndex, RootHash, VerifiedCheckpoint, leaf_hash};
use custodia_core::time::LogTime;

use crate::acting::exhibit_key;
use crate::agent::Agent;
use crate::database::{Database, Entry};
use crate::group::id_of;
use crate::model::Model;
use crate::offices;
use crate::people::{CAST, Card};
use crate::sequencer::would_release;

/// What does not hold, in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong(pub String);

fn demand(holds: bool, sentence: impl FnOnce() -> String) -> Result<(), Wrong> {
    if holds { Ok(()) } else { Err(Wrong(sentence())) }
}

/// An act whose receipt somebody holds.
#[derive(Debug, Clone, Copy)]
struct Acknowledged {
    signer: Sha256Digest,
    intent: IntentId,
    index: u64,
    commitment: Commitment,
}

#[derive(Clone)]
pub struct Checker {
    replay: Replay,
    model: Model,
    known: Vec<Commitment>,
    checkpoint: Option<VerifiedCheckpoint>,
    acknowledged: Vec<Acknowledged>,
    /// How often it was asked; it takes turns in what it reads again.
    round: usize,
}

impl Checker {
    pub fn new() -> Self {
        let replay = Replay::new(CAST.origin.clone(), CAST.pin);
        Self { replay, model: Model::default(), known: Vec::new(), checkpoint: None, acknowledged: Vec::new(), round: 0 }
    }

    /// Notes that somebody was given a receipt.
    pub fn acknowledge(&mut self, signer: Sha256Digest, intent: IntentId, (index, commitment): (u64, Commitment)) {
        self.acknowledged.push(Acknowledged { signer, intent, index, commitment });
    }

    /// Where the acknowledged acts stand, without the world's beginning.
    pub fn acknowledged_indexes(&self) -> Vec<usize> {
        self.acknowledged.iter().map(|one| usize::try_from(one.index).unwrap()).collect()
    }

    /// Forgets all but what was acknowledged: the next check begins with the first record.
    pub fn anew(&self) -> Self {
        Self { acknowledged: self.acknowledged.clone(), ..Self::new() }
    }

    /// Checks everything that does not depend on what devices keep.
    pub fn check(&mut self, disk: &Database, now: LogTime) -> Result<(), Wrong> {
        self.round += 1;
        self.old_records(disk)?;
        for index in self.known.len()..disk.entries.len() {
            self.new_record(&disk.entries[index])?;
        }
        self.tree(disk)?;
        self.acknowledged_stand(disk)?;
        self.who_may_open(disk, now.max(disk.time))
    }

    fn old_records(&self, disk: &Database) -> Result<(), Wrong> {
        demand(disk.entries.len() >= self.known.len(), || {
            format!("the log had {} records and has {}", self.known.len(), disk.entries.len())
        })?;
        for (index, known) in self.known.iter().enumerate() {
            let entry = &disk.entries[index];
            // The bytes of an eighth of them at a time; the tree is compared as a whole below.
            let stands = entry.commitment == *known && (index % 8 != self.round % 8 || entry.record.commitment() == *known);
            demand(stands, || format!("record {index} is another than it was"))?;
        }
        Ok(())
    }

    /// Reads a record, replays it, and asks the model.
    fn new_record(&mut self, entry: &Entry) -> Result<(), Wrong> {
        let index = self.known.len();
        let step = self.replay.step(&entry.record.view(&[Part::Core, Part::Case, Part::Exhibit]));
        let kind = entry.intent.kind();
        for finding in &step.findings {
            // A replay of records cannot repeat what was judged over a commit's own bytes.
            let of_commit = matches!(&entry.record.core.outcome, Outcome::Refused(rule) if of_commit(rule.as_str()));
            let known = finding.status == Status::NotChecked && of_commit;
            demand(known, || format!("{kind}: {} {}: {}", finding.check, finding.subject, finding.text))?;
        }
        let read = step.record.map(|record| (record.intent.signer(), record.intent.id));
        demand(read == Some((entry.intent.signer(), entry.intent.id)), || {
            format!("record {index} holds another intent than its row says")
        })?;
        let (accepted, allowed) = (entry.record.core.outcome == Outcome::Accepted, self.model.allows(entry));
        demand(accepted == allowed, || {
            let said = if allowed { "should be accepted" } else { "should be refused" };
            format!(
                "record {index}, {kind} of {}: the model says it {said}, the log says {:?}",
                name(&entry.intent.signer()),
                entry.record.core.outcome
            )
        })?;
        self.model.take(entry);
        self.known.push(entry.record.commitment());
        Ok(())
    }

    /// The signed tree is the one that the records make, and only appends to the one before.
    fn tree(&mut self, disk: &Database) -> Result<(), Wrong> {
        let signed = &disk.checkpoint;
        for finding in self.replay.finish(signed) {
            demand(finding.status == Status::Passed, || format!("{} {}: {}", finding.check, finding.subject, finding.text))?;
        }
        if let Some(before) = &self.checkpoint {
            let proof = disk.consistency(before.size()).map_err(|error| Wrong(format!("no consistency proof: {error}")))?;
            signed.extends(before, &proof).map_err(|error| Wrong(format!("the tree does not only append: {error}")))?;
        }
        self.checkpoint = Some(signed.clone());
        Ok(())
    }

    /// Every acknowledged act has its place, and a proof for it.
    fn acknowledged_stand(&self, disk: &Database) -> Result<(), Wrong> {
        for (place, one) in self.acknowledged.iter().enumerate() {
            let Acknowledged { signer, intent, index, commitment } = one;
            let gone = || format!("the act {intent} of {} was acknowledged at {index} and does not stand there", name(signer));
            let entry = disk.entries.get(usize::try_from(*index).unwrap()).ok_or_else(|| Wrong(gone()))?;
            let same = entry.commitment == *commitment && entry.intent.id == *intent && entry.intent.signer() == *signer;
            demand(same && disk.acts.get(&(*signer, *intent)) == Some(index), gone)?;
            // The newest, and by turns the others.
            if place + 3 < self.acknowledged.len() && place % 8 != self.round % 8 {
                continue;
            }
            let proof = disk.inclusion(*index, disk.size()).map_err(|_| Wrong(gone()))?;
            let leaf = leaf_hash(&commitment.entry());
            disk.checkpoint.includes(LeafIndex::new(*index).unwrap(), leaf, &proof).map_err(|_| Wrong(gone()))?;
        }
        Ok(())
    }

    /// The rules give the release share exactly to whom the model says.
    fn who_may_open(&self, disk: &Database, time: LogTime) -> Result<(), Wrong> {
        let purpose = if self.round.is_multiple_of(2) { Purpose::Investigation } else { Purpose::Trial };
        for (exhibit, case) in self.model.exhibits() {
            for device in &CAST.devices {
                let question = question(disk, case, exhibit, purpose, time);
                let released = would_release(disk, exhibit, &question, device.id, time).is_some();
                let may = self.model.may_open(&device.id, exhibit, purpose, time.millis());
                demand(released == may, || opening(device, exhibit, released, may))?;
            }
        }
        Ok(())
    }

    /// Whoever may open an exhibit can, with both shares, and nobody else; every device has come in touch.
    pub fn who_can_open(&self, disk: &Database, agents: &[Agent], time: LogTime) -> Result<(), Wrong> {
        for (exhibit, case) in self.model.exhibits() {
            let collection =
                disk.entries.iter().find(|entry| matches!(entry.intent.body, Body::Collection(_)) && entry.intent.exhibit == Some(exhibit));
            let Some(Body::Collection(body)) = collection.map(|entry| &entry.intent.body) else {
                return Err(Wrong("no collection".to_owned()));
            };
            for agent in agents {
                let question = question(disk, case, exhibit, Purpose::Trial, time);
                let release = would_release(disk, exhibit, &question, agent.card.id, time);
                let group = disk.shares.get(&exhibit).and_then(|shares| agent.group_share(case, exhibit, &shares.wrapped));
                let opened = release.zip(group).is_some_and(|(release, group)| exhibit_key(group, release) == body.exhibit_key_commitment);
                let may = self.model.may_open(&agent.card.id, exhibit, Purpose::Trial, time.millis());
                demand(opened == may, || opening(agent.card, exhibit, opened, may))?;
            }
        }
        Ok(())
    }

    /// Every device that is a leaf sees the members that the model sees.
    pub fn members_agree(&self, agents: &[Agent]) -> Result<(), Wrong> {
        for agent in agents {
            for (case, followed) in &agent.cases {
                // Whoever was removed is shown nothing more of the case.
                let inside = self.model.leaves(*case);
                let Some(group) = followed.group.as_ref().filter(|_| inside.contains(&agent.card.id)) else { continue };
                let leaves = group.leaves.iter().map(id_of).collect();
                demand(inside == leaves, || format!("{} sees other members of {case} than there are", agent.card.name))?;
            }
        }
        Ok(())
    }
}

/// Whether a rule is one over a commit's bytes, its Welcome, or what came beside it.
fn of_commit(rule: &str) -> bool {
    rule.starts_with("GRP-") || matches!(rule, "MEM-01" | "MEM-07" | "IDN-15")
}

fn name(signer: &Sha256Digest) -> &'static str {
    CAST.devices.iter().find(|card| card.id == *signer).map_or("an office", |card| card.name)
}

fn opening(device: &Card, exhibit: ExhibitId, opened: bool, may: bool) -> String {
    let (opens, allows) = (if opened { "opens" } else { "does not open" }, if may { "may" } else { "may not" });
    format!("{} {opens} exhibit {exhibit} and {allows}", device.name)
}

/// The question whether somebody may open an exhibit, as of its newest record.
fn question(disk: &Database, case: CaseId, exhibit: ExhibitId, purpose: Purpose, time: LogTime) -> Intent {
    let place = disk.world.next_in_exhibit(exhibit);
    let head = place.previous.map(|commitment| ChainSeen { seq: place.seq.0 - 1, commitment: commitment.0 });
    Intent {
        origin: CAST.origin.as_str().to_owned(),
        id: IntentId::from_bytes([0; 16]),
        case,
        exhibit: Some(exhibit),
        purpose: Some(purpose),
        recipients: Vec::new(),
        time: offices::claimed(time.seconds()),
        clock: ClockSource::Os,
        group: None,
        seen: Seen { size: 0, root: Sha256Digest::from_bytes(*RootHash::empty().as_bytes()) },
        chain_seen: head,
        body: Body::Consultation(Consultation { mode: ViewMode::View }),
        sealed: None,
    }
}
