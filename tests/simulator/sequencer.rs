//! The server: one turn for what waits, judged by the rules of the core, as `crates/server/src/sequencer` takes it over SQL.

use std::sync::Arc;

use custodia_core::custody::body::{Body, Disclosure, Erasure};
use custodia_core::custody::facts::{ChangeFacts, DeviceFacts, Facts, LogFacts};
use custodia_core::custody::intent::{Intent, SignedIntent, UnverifiedIntent};
use custodia_core::custody::kind::Concern;
use custodia_core::custody::receipt::RecordView;
use custodia_core::custody::record::{Outcome, Part, RuleId};
use custodia_core::custody::{registry_act, rules};
use custodia_core::digest::Sha256Digest;
use custodia_core::identity::{AsOf, CertificateId, Registry, RegistrySeq, Standing};
use custodia_core::ids::{CaseId, ExhibitId};
use custodia_core::log::{InclusionProof, RootHash, TreeSize, VerifiedCheckpoint};
use custodia_core::time::LogTime;

use crate::change;
use crate::database::{Database, Grant, Shares, Submission, With};
use crate::group::Group;
use crate::people::{CAST, log_time};

/// How far the clocks of sender and server may lie apart, in seconds.
const MAX_SKEW: u64 = 300;

/// When the server dies in a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    Never,
    BeforeCommit,
    /// The commit stands, the head file does not know of it, and no answer leaves.
    AfterCommit,
}

/// A record with the proof that the log holds it.
#[derive(Debug, Clone)]
pub struct Proven {
    pub view: RecordView,
    pub proof: InclusionProof,
    pub checkpoint: VerifiedCheckpoint,
}

/// What a sender hears.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Every act stands.
    Accepted(Vec<Proven>),
    /// A rule refused an act: the record of the refusal, or of the earlier entry that may not be answered again now.
    Refused(String, Box<Proven>),
    /// Another commit came first; nothing was entered.
    StaleEpoch,
    /// Nothing was entered: the clocks lie apart, or an intent's id was used for something else.
    NotEntered(&'static str),
    /// Nobody knows.
    None,
}

/// Why a submission was not performed.
pub enum Failure {
    Rule(usize, String),
    Earlier(String, u64),
    Stale,
    Other(&'static str),
}

#[derive(Clone)]
pub struct Server {
    pub disk: Database,
    /// Size and root of the largest head that the process remembers outside the database.
    pub head_file: (TreeSize, RootHash),
    /// Its clock, in seconds.
    pub clock: u64,
}

impl Server {
    pub fn begun(clock: u64) -> Self {
        let disk = Database::begun();
        Self { head_file: (disk.size(), disk.checkpoint.root()), disk, clock }
    }

    /// Takes a submission that was sent when the sender's clock said `created`.
    pub fn receive(&mut self, acts: &Submission, created: u64, death: Death) -> Answer {
        if self.clock.abs_diff(created) > MAX_SKEW {
            return Answer::NotEntered("the clocks lie apart");
        }
        if !acts.iter().all(|act| self.verifies(&act.intent)) {
            return Answer::NotEntered("no device of the registry signed this");
        }
        if !self.extends_head_file() {
            return Answer::NotEntered("the database is behind the head file");
        }
        let mut next = self.disk.clone();
        let outcome = enter(&mut next, acts, self.clock);
        if death == Death::BeforeCommit {
            return Answer::None;
        }
        if next.size() > self.disk.size() {
            next.sign();
            self.disk = next;
            if death == Death::AfterCommit {
                return Answer::None;
            }
            self.head_file = (self.disk.size(), self.disk.checkpoint.root());
        }
        match outcome {
            Ok(indexes) => Answer::Accepted(indexes.into_iter().map(|index| self.prove(index)).collect()),
            Err(Failure::Rule(_, rule)) => Answer::Refused(rule, self.prove(self.disk.size().get() - 1).into()),
            Err(Failure::Earlier(rule, index)) => Answer::Refused(rule, self.prove(index).into()),
            Err(Failure::Stale) => Answer::StaleEpoch,
            Err(Failure::Other(reason)) => Answer::NotEntered(reason),
        }
    }

    /// Starts again after a death: compares, and remembers the head that it will show.
    pub fn start(&mut self) -> bool {
        let starts = self.extends_head_file();
        if starts {
            self.head_file = (self.disk.size(), self.disk.checkpoint.root());
        }
        starts
    }

    /// Whether the database extends what the head file remembers; else a second history would be signed.
    pub fn extends_head_file(&self) -> bool {
        let (size, root) = self.head_file;
        self.disk.root_at(size.get()) == Some(root)
    }

    /// A record, fully opened, with its proof under the newest checkpoint.
    pub fn prove(&self, index: u64) -> Proven {
        let disk = &self.disk;
        let view = disk.entries[usize::try_from(index).unwrap()].record.view(&[Part::Core, Part::Case, Part::Exhibit]);
        Proven { view, proof: disk.inclusion(index, disk.size()).unwrap(), checkpoint: disk.checkpoint.clone() }
    }

    fn verifies(&self, intent: &SignedIntent) -> bool {
        let Ok(unverified) = UnverifiedIntent::parse(intent.text()) else { return false };
        if intent.kind().concern() == Concern::Registry {
            return registry_act::verify(&self.disk.registry, &CAST.pin, unverified).is_ok();
        }
        let certificate = self.disk.registry.certificate(CertificateId::from_digest(intent.signer()));
        certificate.is_some_and(|certificate| unverified.verify(certificate.key()).is_ok())
    }
}

/// Whether an accepted act gives out the release share.
pub const fn opens(body: &Body) -> bool {
    matches!(body, Body::Consultation(_) | Body::Disclosure(Disclosure::Export {} | Disclosure::Dossier { .. }))
}

/// Enters a submission; a refusal by a rule is a record, and nothing else comes of it.
fn enter(next: &mut Database, acts: &Submission, clock: u64) -> Result<Vec<u64>, Failure> {
    let (before, time) = (next.clone(), log_time(clock).max(next.time));
    let outcome = perform(next, acts, time);
    if let Err(failure) = &outcome {
        *next = before;
        if let Failure::Rule(act, rule) = failure {
            next.append(&acts[*act], acts, Outcome::Refused(RuleId::new(rule).unwrap()), time);
        }
    }
    outcome
}

fn perform(next: &mut Database, acts: &Submission, time: LogTime) -> Result<Vec<u64>, Failure> {
    let mut indexes = Vec::new();
    for (at, act) in acts.iter().enumerate() {
        let intent = &act.intent;
        if let Some(&index) = next.acts.get(&(intent.signer(), intent.id)) {
            repeated(next, intent, index, time)?;
            indexes.push(index);
            continue;
        }
        if at > 0 && indexes.last().is_some_and(|index| *index + 1 != next.size().get()) {
            return Err(Failure::Other("a part of this was entered before"));
        }
        perform_one(next, acts, at, time).map_err(|failure| match failure {
            Failure::Rule(_, rule) => Failure::Rule(at, rule),
            other => other,
        })?;
        let index = next.append(act, acts, Outcome::Accepted, time);
        if let (Body::MemberChange(_), With::Commit(_)) = (&intent.body, &act.with) {
            next.welcomes.insert(index, next.groups[&intent.case].clone().into());
        }
        indexes.push(index);
    }
    Ok(indexes)
}

/// A retry gets the first answer; a share only if every check passes now.
fn repeated(next: &Database, intent: &SignedIntent, index: u64, time: LogTime) -> Result<(), Failure> {
    let earlier = &next.entries[usize::try_from(index).unwrap()];
    if earlier.intent.digest() != intent.digest() {
        return Err(Failure::Other("this device used the intent's id before, with other content"));
    }
    if let Outcome::Refused(rule) = &earlier.record.core.outcome {
        return Err(Failure::Earlier(rule.as_str().to_owned(), index));
    }
    if opens(&intent.body) {
        judge(next, intent, intent.signer(), time, None).map_err(|rule| Failure::Earlier(rule, index))?;
    }
    Ok(())
}

fn perform_one(next: &mut Database, acts: &Submission, at: usize, time: LogTime) -> Result<(), Failure> {
    let rule = |rule: String| Failure::Rule(at, rule);
    let (intent, with) = (&acts[at].intent, &acts[at].with);
    if intent.kind().concern() == Concern::Registry {
        rules::judge_log(intent, &log_facts(next, intent, time)).map_err(|broken| rule(broken.id.to_owned()))?;
        let at = AsOf { seq: RegistrySeq::new(next.world.next_in_case(CaseId::REGISTRY).seq.0), time };
        return registry_act::apply(Arc::make_mut(&mut next.registry), intent, at).map_err(|error| match error {
            registry_act::RegistryActError::Registry(error) => rule(error.rule().map_or("IDN-00", |rule| rule.id()).to_owned()),
            _ => Failure::Other("malformed"),
        });
    }
    let change = match (&intent.body, with) {
        (Body::MemberChange(body), With::Commit(commit)) => Some(change::check(next, intent, body, commit, &acts[at + 1..], time)?),
        _ => None,
    };
    judge(next, intent, intent.signer(), time, change).map_err(rule)?;
    let (actor, _) = device(next, &intent.signer(), time).expect("it was judged");
    let (registry, at) = (Arc::clone(&next.registry), next.as_of(time));
    next.world.apply(intent, &actor, time, &|certificate| device_as_of(&registry, certificate, at));
    take_effect(next, intent, with);
    Ok(())
}

/// What an accepted act changes beside cases, exhibits and chains.
fn take_effect(next: &mut Database, intent: &SignedIntent, with: &With) {
    match (&intent.body, with, intent.exhibit) {
        (_, With::Founding(group, _), _) => {
            next.groups.insert(intent.case, Group::clone(group));
        }
        (_, With::Commit(commit), _) => next.groups.get_mut(&intent.case).expect("it was checked").apply(commit),
        (_, With::Intake(release, wrapped), Some(id)) => {
            next.shares.insert(id, Shares { release: Some(*release), wrapped: *wrapped });
        }
        (Body::Disclosure(Disclosure::Grant { device, .. }), With::Grant(share), Some(exhibit)) => {
            next.grants.push(Grant { exhibit, device: *device, share: *share });
        }
        (Body::Erasure(Erasure::Confirm { .. }), _, Some(id)) => {
            if let Some(shares) = next.shares.get_mut(&id) {
                shares.release = None;
            }
        }
        _ => {}
    }
}

fn log_facts(disk: &Database, intent: &Intent, time: LogTime) -> LogFacts<'static> {
    let seen = disk.root_at(intent.seen.size).map(|root| Sha256Digest::from_bytes(*root.as_bytes()));
    LogFacts { origin: CAST.origin.as_str(), time, root_at_seen: seen }
}

/// What the rules ask of a device, and whether it was revoked.
pub fn device(disk: &Database, certificate: &Sha256Digest, time: LogTime) -> Option<(DeviceFacts, bool)> {
    device_as_of(&disk.registry, certificate, disk.as_of(time))
}

fn device_as_of(registry: &Registry, certificate: &Sha256Digest, at: AsOf) -> Option<(DeviceFacts, bool)> {
    let id = CertificateId::from_digest(*certificate);
    let known = registry.certificate(id)?;
    let standing = registry.standing(id, at);
    Some((DeviceFacts::of(known, standing == Standing::Good), matches!(standing, Standing::Revoked(_))))
}

/// Judges an act of a device over what the database holds.
pub fn judge(disk: &Database, intent: &Intent, signer: Sha256Digest, time: LogTime, change: Option<ChangeFacts>) -> Result<(), String> {
    let devices = |certificate: &Sha256Digest| device(disk, certificate, time);
    let Some((actor, _)) = devices(&signer) else { return Err(rules::ACC_01.id.to_owned()) };
    let facts = Facts {
        log: log_facts(disk, intent, time),
        case: disk.world.case_facts(intent, actor.id),
        parent: disk.world.parent_facts(intent, actor.id),
        exhibit: disk.world.exhibit_facts(intent, &actor, &devices),
        succession: disk
            .world
            .succession_facts(intent, actor.id, &devices, &|device| disk.registry.current(device, disk.as_of(time)).is_some()),
        actor,
        change,
        recovery: disk.world.recovery_facts(intent, &devices),
    };
    rules::judge(intent, &facts).map_err(|rule| rule.id.to_owned())
}

/// Whether the server would give out the release share if the device asked for it now.
pub fn would_release(disk: &Database, exhibit: ExhibitId, question: &Intent, signer: Sha256Digest, time: LogTime) -> Option<u64> {
    judge(disk, question, signer, time, None).ok()?;
    disk.shares.get(&exhibit)?.release
}
