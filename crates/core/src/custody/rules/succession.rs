//! The rules of successor groups.

use std::collections::BTreeSet;

use super::{Rule, demand};
use super::{SUC_01, SUC_02, SUC_03, SUC_04};
use crate::custody::facts::{DeviceFacts, LeafFacts};
use crate::custody::succession::{GroupSucceed, SuccessionFacts};
use crate::digest::Sha256Digest;
use crate::identity::Role;
use crate::ids::PersonId;

/// Judges the founding of a successor group.
///
/// # Errors
/// The rule that the act breaks.
pub(super) fn judge(body: &GroupSucceed, facts: &SuccessionFacts) -> Result<(), Rule> {
    let next = Some(body.generation) == facts.generation.checked_add(1) && Some(body.ring_version) == facts.ring_version.checked_add(1);
    demand(SUC_01, next && facts.names_the_bytes)?;
    let author = facts.author.as_ref().ok_or(SUC_02)?;
    demand(SUC_02, is_reported(&facts.reporters, author))?;
    demand(SUC_03, facts.acknowledged_by.iter().all(|person| person == author))?;
    let named: BTreeSet<Sha256Digest> = body.members.iter().copied().collect();
    let once = named.len() == body.members.len();
    let stays = |leaf: &LeafFacts| !leaf.gone;
    let may_go = |leaf: &LeafFacts| leaf.device.person == *author;
    let all_there = facts.both.iter().all(|(id, leaf)| !stays(leaf) || may_go(leaf) || named.contains(id));
    let no_others = named.iter().all(|id| facts.both.get(id).is_some_and(stays));
    let founds = facts.both.get(&facts.founder).is_some_and(|leaf| !may_go(leaf)) && named.contains(&facts.founder);
    demand(SUC_04, once && all_there && no_others && founds)
}

/// Whether a commit counts as reported: by devices of two persons, or by a recovery device; never by its author's.
pub fn is_reported(reporters: &[DeviceFacts], author: &PersonId) -> bool {
    let others = || reporters.iter().filter(|device| device.person != *author);
    let persons: BTreeSet<&PersonId> = others().map(|device| &device.person).collect();
    persons.len() >= 2 || others().any(|device| device.role == Role::Recovery)
}
