//! A commit, checked by the server as `crates/server/src/sequencer/change.rs` does, over plain facts.

use std::collections::BTreeSet;
use std::sync::Arc;

use custodia_core::custody::body::{Body, Disclosure, MemberChange, Terms};
use custodia_core::custody::facts::{ChangeFacts, ExhibitState};
use custodia_core::custody::intent::SignedIntent;
use custodia_core::custody::record::Outcome;
use custodia_core::custody::rules::may_open;
use custodia_core::custody::world::Exhibit;
use custodia_core::digest::Sha256Digest;
use custodia_core::group::context::CommitContext;
use custodia_core::group::facts::{CommitFacts, Epoch, LeafFacts, LeafIndex};
use custodia_core::group::rules::{self, Broken, CertifiedLeaf, GroupRule};
use custodia_core::identity::{AsOf, CertificateId, Registry, RegistrySeq, Standing};
use custodia_core::ids::{CaseId, DeviceId, ExhibitId};
use custodia_core::time::LogTime;

use crate::database::{Act, Database, Entry};
use crate::group::{Commit, Group, certified, id_of};
use crate::sequencer::{Failure, device};

impl From<Broken> for Failure {
    fn from(Broken(rule): Broken) -> Self {
        Self::Rule(0, rule.id().to_owned())
    }
}

/// Why a member or the server refuses a commit: the rule's id.
pub struct BrokenBy(pub String);

impl From<Broken> for BrokenBy {
    fn from(Broken(rule): Broken) -> Self {
        Self(rule.id().to_owned())
    }
}

/// The leaves after a commit, judged by the registry as the commit's context names it: the same for the server and every member.
/// `entered` is the time of the commit's own record.
pub fn judge_leaves(
    registry: &Registry,
    group: &Group,
    commit: &CommitFacts,
    left: &BTreeSet<Sha256Digest>,
    entered: LogTime,
) -> Result<Vec<CertifiedLeaf>, BrokenBy> {
    let at = AsOf { seq: RegistrySeq::new(commit.context.registry_sequence), time: entered };
    let known = |leaf: &LeafFacts| registry.certificate(CertificateId::of(&leaf.certificate)).map(|known| certified(leaf.index, known));
    let before: Vec<CertifiedLeaf> = group.leaves.iter().map(known).collect::<Option<_>>().ok_or(Broken(GroupRule::CertifiedKey))?;
    let gone = |leaf: &&LeafFacts| {
        let standing = registry.standing(CertificateId::of(&leaf.certificate), at);
        left.contains(&id_of(leaf)) || matches!(standing, Standing::Revoked(_))
    };
    let named: Vec<LeafIndex> = group.leaves.iter().filter(gone).map(|leaf| leaf.index).collect();
    let certify = |leaf: &LeafFacts| {
        let acting = registry.acting(CertificateId::of(&leaf.certificate), at);
        acting.map(|known| certified(leaf.index, known)).map_err(|_| BrokenBy("IDN-15".to_owned()))
    };
    rules::judge_certified(commit, &before, &named, entered, certify)
}

/// Checks a commit. `following` are the acts that are entered with it.
pub fn check(
    disk: &Database,
    intent: &SignedIntent,
    body: &MemberChange,
    commit: &Commit,
    following: &[Act],
    time: LogTime,
) -> Result<ChangeFacts, Failure> {
    let group = disk.groups.get(&intent.case).ok_or(Failure::Rule(0, "ACC-03".to_owned()))?;
    // Before anything is said about the group: who is no member learns nothing of it.
    let actor = device(disk, &intent.signer(), time).map(|(facts, _)| facts).filter(|facts| facts.good_standing);
    let actor = actor.ok_or(Failure::Rule(0, "ACC-01".to_owned()))?;
    let membership = disk.world.case_facts(intent, actor.id).and_then(|case| case.actor);
    if membership.is_none_or(|membership| membership.left) {
        return Err(Failure::Rule(0, "ACC-03".to_owned()));
    }
    if body.epoch != group.epoch {
        return Err(Failure::Stale);
    }
    let facts = &commit.facts;
    let sender = disk.registry.certificate(CertificateId::from_digest(intent.signer())).ok_or(Failure::Other("unknown device"))?;
    rules::sender_is_device(facts, sender.key().as_bytes())?;
    rules::judge_structure(facts, &rules::Standing { group: group.id, epoch: Epoch(group.epoch), context: group.context })?;
    let untrue = || Failure::from(Broken(GroupRule::ContextAdvances));
    if !context_is_true(disk, &facts.context) {
        return Err(untrue());
    }
    let left_out = [CaseId::REGISTRY, intent.case].into_iter().filter_map(|case| disk.first_time_from(case, facts.context.log_size)).min();
    rules::context_is_recent(left_out, time)?;
    let left = left_at(disk, intent.case, facts.context.log_size);
    judge_leaves(&disk.registry, group, facts, &left, time).map_err(|BrokenBy(rule)| Failure::Rule(0, rule))?;

    let devices = |certificate: &Sha256Digest| device(disk, certificate, time);
    let mut change = disk.world.change_facts(intent, &actor, body, &devices).ok_or(Failure::Rule(0, "MEM-01".to_owned()))?;
    change.intent_matches_commit &= matches(body, commit);
    change.undisclosed_for_full = undisclosed(disk, intent, actor.id, body, following);
    Ok(change)
}

/// Whoever had left below that size, by the case's chain.
pub fn left_at(disk: &Database, case: CaseId, size: u64) -> BTreeSet<Sha256Digest> {
    let mut left = BTreeSet::new();
    for entry in disk.chain(case, 0).filter(|entry| entry.record.core.outcome == Outcome::Accepted) {
        match &entry.intent.body {
            Body::MemberLeave(_) if entry.record.core.index < size => {
                left.insert(entry.intent.signer());
            }
            Body::MemberChange(body) => body.removes.iter().for_each(|gone| {
                left.remove(gone);
            }),
            _ => {}
        }
    }
    left
}

fn context_is_true(disk: &Database, context: &CommitContext) -> bool {
    let root = disk.root_at(context.log_size).is_some_and(|root| root.as_bytes() == context.log_root.as_bytes());
    let head = disk.chain(CaseId::REGISTRY, 0).filter(|entry| entry.record.core.index < context.log_size).last();
    let named =
        |entry: &Arc<Entry>| entry.record.case.seq.0 == context.registry_sequence && entry.commitment.0 == context.registry_commitment;
    root && head.is_some_and(named)
}

fn matches(body: &MemberChange, commit: &Commit) -> bool {
    let facts = &commit.facts;
    let set = |digests: Vec<Sha256Digest>| digests.into_iter().collect::<BTreeSet<_>>();
    let added = facts.added.iter().map(|added| Sha256Digest::of(&[&added.key_package.certificate])).collect();
    let removed = facts.removed.iter().map(id_of).collect();
    body.commit == commit.digest()
        && body.welcome == commit.welcome()
        && body.ring_row == Some(commit.ring_row())
        && set(body.adds.iter().map(|add| add.certificate).collect()) == set(added)
        && set(body.removes.clone()) == set(removed)
        && body.ring_version == facts.context.ring_version.number()
        && body.ring_commitment == facts.context.ring_commitment
}

/// How many disclosures full-history additions still owe: one for each exhibit that the actor may open.
fn undisclosed(disk: &Database, intent: &SignedIntent, actor: DeviceId, body: &MemberChange, following: &[Act]) -> usize {
    let disclosed: BTreeSet<(Sha256Digest, ExhibitId)> = following
        .iter()
        .filter(|act| act.intent.signer() == intent.signer() && act.intent.case == intent.case)
        .filter_map(|act| match &act.intent.body {
            Body::Disclosure(Disclosure::Grant { device, .. }) => act.intent.exhibit.map(|exhibit| (*device, exhibit)),
            _ => None,
        })
        .collect();
    let Some(case) = disk.world.case(intent.case) else { return 0 };
    let first_ring = case.membership(actor).map_or(u32::MAX, |membership| membership.first_ring);
    let open = |exhibit: &Exhibit| {
        exhibit.case == intent.case
            && exhibit.state != ExhibitState::Erased
            && may_open(first_ring, exhibit.grants.contains(&actor), exhibit.ring_version)
    };
    let full = body.adds.iter().filter(|add| add.terms == Terms::Full);
    full.map(|add| disk.world.exhibits().filter(|(id, exhibit)| open(exhibit) && !disclosed.contains(&(add.certificate, *id))).count())
        .sum()
}
