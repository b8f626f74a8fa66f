//! A replay of the whole log: every leaf, signature, certificate as of its time, chain, rule and `seen`, in index order.
//!
//! Checks, by id: AUD-01 form and index, AUD-02 payload present or erased by a record, AUD-03 time, AUD-04 chains, AUD-05 signature and
//! certificate, AUD-06 one entry for one act, AUD-07 the outcome is the one that the rules give, AUD-08 the tree has the signed root.

use std::collections::BTreeSet;

use crate::digest::Sha256Digest;
use crate::finding::Finding;
use crate::identity::{AsOf, CertificateId, Registry, RegistrySeq, Standing, TrustPin};
use crate::ids::{CaseId, ExhibitId, IntentId};
use crate::log::merkle::{Frontier, LeafIndex, RootHash, TreeSize, leaf_hash};
use crate::log::{Origin, VerifiedCheckpoint};
use crate::time::LogTime;

use super::body::{Body, Erasure};
use super::facts::{DeviceFacts, Facts, LogFacts};
use super::intent::{IntentError, SignedIntent, UnverifiedIntent};
use super::kind::Concern;
use super::receipt::{OpenedRecord, RecordView};
use super::record::{Commitment, Core, Outcome, RecordError};
use super::registry_act;
use super::rules;
use super::world::World;

mod saved;

pub use saved::{IdentityAct, SavedError, Trail};

/// A record that a replay has passed, for those who ask who did what.
#[derive(Debug, Clone)]
pub struct Replayed {
    /// Index in the log.
    pub index: LeafIndex,
    /// The core part.
    pub core: Core,
    /// The intent, its signature verified.
    pub intent: SignedIntent,
}

/// What one step of a replay found.
#[derive(Debug, Default)]
pub struct Step {
    /// What does not hold or could not be checked; empty for a clean record.
    pub findings: Vec<Finding>,
    /// The record, if it could be read and its signature verified.
    pub record: Option<Replayed>,
    /// What it leaves in a saved point; none for a record that is not even in the tree.
    pub trail: Option<Trail>,
}

/// A record as far as it can be looked at before its turn, by any thread: its parts, its intent, and the signature if the certificate is known already.
pub struct Prepared {
    index: u64,
    opened: Result<OpenedRecord, RecordError>,
    intent: Option<PreparedIntent>,
}

enum PreparedIntent {
    /// An act of the registry, or one whose certificate was not known yet.
    Unverified(Result<UnverifiedIntent, IntentError>),
    /// What came of the signature under the certificate that the intent names by its digest.
    Verified(Result<SignedIntent, IntentError>),
}

/// The state of a replay up to some size.
#[derive(Clone)]
pub struct Replay {
    origin: Origin,
    pin: TrustPin,
    registry: Registry,
    world: World,
    frontier: Frontier,
    roots: Vec<RootHash>,
    last_time: Option<LogTime>,
    acts: BTreeSet<(Sha256Digest, IntentId)>,
    missing: BTreeSet<u64>,
    erased: BTreeSet<u64>,
}

impl Replay {
    /// Starts at the empty log.
    pub fn new(origin: Origin, pin: TrustPin) -> Self {
        Self {
            origin,
            registry: Registry::new(pin),
            pin,
            world: World::default(),
            frontier: Frontier::empty(),
            roots: vec![RootHash::empty()],
            last_time: None,
            acts: BTreeSet::new(),
            missing: BTreeSet::new(),
            erased: BTreeSet::new(),
        }
    }

    /// How many records were replayed.
    pub fn size(&self) -> TreeSize {
        self.frontier.size()
    }

    /// The registry as it stands.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Cases and exhibits as they stand.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The time of the last record whose payload was there.
    pub const fn last_time(&self) -> Option<LogTime> {
        self.last_time
    }

    /// The records whose payloads an erasure destroys, in order.
    pub fn erased(&self) -> impl Iterator<Item = u64> {
        self.erased.iter().copied()
    }

    /// The root hash at a size that was replayed.
    pub fn root_at(&self, size: TreeSize) -> Option<RootHash> {
        usize::try_from(size.get()).ok().and_then(|size| self.roots.get(size)).copied()
    }

    /// Does for a record what needs nothing of the records before it; most of a replay's work.
    ///
    /// A certificate is named by its digest, so a signature that holds under it now holds under it at the record's turn.
    pub fn prepare(&self, view: &RecordView) -> Prepared {
        let opened = view.open();
        let core = opened.as_ref().ok().and_then(|opened| opened.core.as_ref());
        let intent = core.map(|core| match UnverifiedIntent::parse(&core.intent) {
            Ok(intent) if intent.unverified().kind().concern() != Concern::Registry => {
                match self.registry.certificate(CertificateId::from_digest(intent.signer())) {
                    Some(certificate) => PreparedIntent::Verified(intent.verify(certificate.key())),
                    None => PreparedIntent::Unverified(Ok(intent)),
                }
            }
            parsed => PreparedIntent::Unverified(parsed),
        });
        Prepared { index: view.index, opened, intent }
    }

    /// Takes the next record.
    ///
    /// After a finding the replay goes on as well as it can, so that one fault does not hide another.
    pub fn step(&mut self, view: &RecordView) -> Step {
        self.step_prepared(self.prepare(view))
    }

    /// The same for a record that [`Self::prepare`] has looked at, in this replay and not later than now.
    pub fn step_prepared(&mut self, prepared: Prepared) -> Step {
        let index = self.frontier.size().get();
        let subject = format!("record {index}");
        let mut step = Step::default();
        let opened = match prepared.opened {
            Ok(opened) if prepared.index == index => opened,
            Ok(_) => {
                step.fail(
                    "AUD-01",
                    &subject,
                    format!("the record given has index {}: one is missing, repeated or out of order", prepared.index),
                );
                return step;
            }
            Err(error) => {
                step.fail("AUD-01", &subject, error.to_string());
                return step;
            }
        };
        if self.frontier.append(leaf_hash(&opened.commitment.entry())).is_err() {
            step.fail("AUD-01", &subject, "the log exceeds the largest tree size");
            return step;
        }
        self.roots.push(self.frontier.root());
        step.trail = Some(Trail::of(&opened));
        let (Some(core), Some(intent)) = (opened.core.clone(), prepared.intent) else {
            self.missing.insert(index);
            self.pass_over(&subject, &opened, &mut step);
            return step;
        };
        if self.last_time.is_some_and(|last| core.time < last) {
            step.fail("AUD-03", &subject, "its time lies before that of the record before it");
        }
        self.last_time = self.last_time.max(Some(core.time));
        if let Some(intent) = self.verify_intent(&subject, intent, &mut step) {
            self.replay_core(&subject, core, intent, &opened, &mut step);
        }
        step
    }

    /// Compares the replayed tree with a checkpoint of the same size, and reports payloads that are missing without an erasure.
    pub fn finish(&self, checkpoint: &VerifiedCheckpoint) -> Vec<Finding> {
        let mut findings = Vec::new();
        let subject = format!("checkpoint of size {}", checkpoint.size().get());
        if checkpoint.size() == self.size() && self.root_at(self.size()) == Some(checkpoint.root()) {
            findings.push(Finding::passed("AUD-08", subject, "the records replayed make exactly the tree that the log signed"));
        } else {
            findings.push(Finding::failed("AUD-08", subject, "the records replayed do not make the tree that the log signed"));
        }
        for index in self.missing.difference(&self.erased) {
            findings.push(Finding::failed("AUD-02", format!("record {index}"), "its payload is missing and no erasure names it"));
        }
        if self.world.owes_source() {
            findings.push(Finding::failed("REC-09", "end of the log", "an exhibit made from another has no record on the other's chain"));
        }
        if let Some(rule) = self.world.owes_disclosures() {
            findings.push(Finding::failed(rule.id, "end of the log", "an addition was not accounted for exhibit by exhibit"));
        }
        findings
    }

    fn replay_core(&mut self, subject: &str, core: Core, intent: SignedIntent, opened: &OpenedRecord, step: &mut Step) {
        if !self.acts.insert((intent.signer(), intent.id)) {
            step.fail("AUD-06", subject, format!("the act {} of this device has an entry already", intent.id));
        }
        self.check_chains(subject, &intent, opened, step);
        let expected = self.judge(&intent, &core);
        match (&core.outcome, &expected) {
            (Outcome::Accepted, Err(rule)) => step.fail("AUD-07", subject, format!("it was accepted against rule {rule}")),
            (Outcome::Accepted, Ok(())) | (Outcome::Refused(_), Err(_)) => {}
            (Outcome::Refused(rule), Ok(())) => step.findings.push(Finding::not_checked(
                "AUD-07",
                subject,
                format!("it was refused by {}, which a replay of records cannot repeat", rule.as_str()),
            )),
        }
        if core.outcome == Outcome::Accepted {
            self.apply(&intent, &core, subject, step);
        }
        self.world.extend_chains(intent.case, intent.exhibit, opened.commitment);
        let index = LeafIndex::new(core.index).expect("the frontier holds it");
        if let Some(trail) = &mut step.trail {
            trail.act = Some((intent.signer(), intent.id));
            trail.identity = (core.outcome == Outcome::Accepted && intent.kind().concern() == Concern::Registry)
                .then(|| IdentityAct { time: core.time, intent: intent.text().to_owned() });
        }
        step.record = Some(Replayed { index, core, intent });
    }

    /// Takes a record whose payload is not there: what it did is not known, and its links stand.
    fn pass_over(&mut self, subject: &str, opened: &OpenedRecord, step: &mut Step) {
        let (Some(case), Some(exhibit)) = (opened.case, opened.exhibit) else {
            step.fail("AUD-04", subject, "its places in its chains are not given");
            return;
        };
        let follows = case == self.world.next_in_case(case.chain)
            && exhibit.is_none_or(|exhibit| exhibit == self.world.next_in_exhibit(exhibit.chain));
        if !follows {
            step.fail("AUD-04", subject, "its place in a chain is not the one after the last record");
        }
        self.world.extend_chains(case.chain, exhibit.map(|exhibit| exhibit.chain), opened.commitment);
    }

    fn as_of(&self, time: LogTime) -> Option<AsOf> {
        self.registry.head().map(|head| AsOf { seq: head.seq, time })
    }

    fn verify_intent(&self, subject: &str, intent: PreparedIntent, step: &mut Step) -> Option<SignedIntent> {
        let intent = match intent {
            PreparedIntent::Verified(verified) => {
                return verified.map_err(|error| step.fail("AUD-05", subject, error.to_string())).ok();
            }
            PreparedIntent::Unverified(Ok(intent)) => intent,
            PreparedIntent::Unverified(Err(error)) => {
                step.fail("AUD-01", subject, error.to_string());
                return None;
            }
        };
        let verified = if intent.unverified().kind().concern() == Concern::Registry {
            registry_act::verify(&self.registry, &self.pin, intent).map_err(|error| error.to_string())
        } else {
            let signer = CertificateId::from_digest(intent.signer());
            match self.registry.certificate(signer) {
                None => Err(format!("its actor's certificate {signer} was never enrolled")),
                Some(certificate) => intent.verify(certificate.key()).map_err(|error| error.to_string()),
            }
        };
        verified.map_err(|error| step.fail("AUD-05", subject, error)).ok()
    }

    fn check_chains(&self, subject: &str, intent: &SignedIntent, opened: &OpenedRecord, step: &mut Step) {
        if opened.case != Some(self.world.next_in_case(intent.case)) {
            step.fail("AUD-04", subject, "its place in the case's chain is not the one after the last record");
        }
        if opened.exhibit != Some(intent.exhibit.map(|id| self.world.next_in_exhibit(id))) {
            step.fail("AUD-04", subject, "its place in the exhibit's chain is not the one after the last record");
        }
    }

    /// The facts of a device as of `time`, and whether it was revoked.
    fn device(&self, certificate: &Sha256Digest, time: LogTime) -> Option<(DeviceFacts, bool)> {
        device(&self.registry, self.as_of(time), certificate)
    }

    fn judge(&mut self, intent: &SignedIntent, core: &Core) -> Result<(), String> {
        let log = self.log_facts(intent, core);
        if intent.kind().concern() == Concern::Registry {
            rules::judge_log(intent, &log).map_err(|rule| rule.id.to_owned())?;
            let at = self.next_as_of(core.time);
            // A refused act leaves the registry as it was; one that the log refused must not change it either.
            return match core.outcome {
                Outcome::Accepted => registry_act::apply(&mut self.registry, intent, at),
                Outcome::Refused(_) => registry_act::apply(&mut self.registry.clone(), intent, at),
            }
            .map_err(|error| error.to_string());
        }
        let devices = |certificate: &Sha256Digest| self.device(certificate, core.time);
        let Some((actor, _)) = devices(&intent.signer()) else { return Err(rules::ACC_01.id.to_owned()) };
        let change = match &intent.body {
            Body::MemberChange(body) => self.world.change_facts(intent, &actor, body, &devices),
            _ => None,
        };
        let case = self.world.case_facts(intent, actor.id);
        let exhibit = self.world.exhibit_facts(intent, &actor, &devices);
        let parent = self.world.parent_facts(intent, actor.id);
        let recovery = self.world.recovery_facts(intent, &devices);
        let as_of = self.as_of(core.time);
        let standing = |device| as_of.is_some_and(|at| self.registry.current(device, at).is_some());
        let succession = self.world.succession_facts(intent, actor.id, &devices, &standing);
        rules::judge(intent, &Facts { log, actor, case, parent, exhibit, change, recovery, succession }).map_err(|rule| rule.id.to_owned())
    }

    fn log_facts(&self, intent: &SignedIntent, core: &Core) -> LogFacts<'_> {
        let size = TreeSize::new(intent.seen.size).ok().filter(|size| size.get() <= core.index);
        let root_at_seen = size.and_then(|size| self.root_at(size)).map(|root| Sha256Digest::from_bytes(*root.as_bytes()));
        LogFacts { origin: self.origin.as_str(), time: core.time, root_at_seen }
    }

    fn next_as_of(&self, time: LogTime) -> AsOf {
        AsOf { seq: RegistrySeq::new(self.world.next_in_case(CaseId::REGISTRY).seq.0), time }
    }

    fn apply(&mut self, intent: &SignedIntent, core: &Core, subject: &str, step: &mut Step) {
        if let Some(rule) = self.world.owes_disclosures().filter(|_| !self.world.goes_with_owed(intent, intent.signer())) {
            step.fail(rule.id, subject, "the addition before it was not accounted for exhibit by exhibit");
            self.world.forgive();
        }
        if let Err(rule) = self.world.judge_succession(intent) {
            step.fail(rule.id, subject, rule.demands);
        }
        if let (Body::Erasure(Erasure::Confirm { .. }), Some(exhibit)) = (&intent.body, intent.exhibit) {
            let proposal = self.world.exhibit(exhibit).and_then(|exhibit| exhibit.proposal.as_ref());
            self.erased.extend(proposal.into_iter().flat_map(|proposal| &proposal.records));
        }
        if let Some((actor, _)) = self.device(&intent.signer(), core.time) {
            let (registry, as_of) = (&self.registry, self.as_of(core.time));
            self.world.apply(intent, &actor, core.time, &|certificate| device(registry, as_of, certificate));
        }
    }
}

fn device(registry: &Registry, at: Option<AsOf>, certificate: &Sha256Digest) -> Option<(DeviceFacts, bool)> {
    let id = CertificateId::from_digest(*certificate);
    let standing = registry.standing(id, at?);
    let facts = DeviceFacts::of(registry.certificate(id)?, standing == Standing::Good);
    Some((facts, matches!(standing, Standing::Revoked(_))))
}

impl Step {
    fn fail(&mut self, check: &str, subject: &str, text: impl Into<String>) {
        self.findings.push(Finding::failed(check, subject, text));
    }
}
