//! The rules of successor groups.

use std::collections::BTreeSet;

use super::{MEM_05, Rule, SUC_01, SUC_02, SUC_03, SUC_04, demand, every_office_can_recover};
use crate::custody::facts::{DeviceFacts, LeafFacts};
use crate::custody::succession::{GroupSucceed, LeftOut, SuccessionFacts};
use crate::identity::Role;
use crate::ids::{DeviceId, PersonId};

/// Judges the founding of a successor group. Who joins it judges so too, by the case's chain.
///
/// # Errors
/// The rule that the act breaks.
pub fn judge_succession(body: &GroupSucceed, facts: &SuccessionFacts) -> Result<(), Rule> {
    let next = Some(body.generation) == facts.generation.checked_add(1) && Some(body.ring_version) == facts.ring_version.checked_add(1);
    demand(SUC_01, next && facts.names_the_bytes)?;
    let bad = facts.left_out.as_ref().ok_or(SUC_02)?;
    demand(SUC_02, is_reported(&bad.reporters, &bad.author))?;
    demand(SUC_03, bad.acknowledged_by.iter().all(|person| *person == bad.author))?;
    demand(SUC_04, takes_over(facts, bad))?;
    demand(MEM_05, every_office_can_recover(&facts.members))
}

/// Whether exactly those come over who may.
fn takes_over(facts: &SuccessionFacts, bad: &LeftOut) -> bool {
    let is_authors = |leaf: &LeafFacts| leaf.device.person == bad.author;
    let may_stay = |leaf: &LeafFacts| !leaf.gone && leaf.device.good_standing;
    let named: BTreeSet<DeviceId> = facts.members.iter().map(|leaf| leaf.device.id).collect();
    let once = named.len() == facts.members.len();
    let all_there = bad.both.iter().all(|(id, leaf)| !may_stay(leaf) || is_authors(leaf) || named.contains(id));
    let no_others = facts.members.iter().all(|leaf| may_stay(leaf) && bad.both.get(&leaf.device.id).is_some_and(may_stay));
    let founds = named.contains(&facts.founder) && bad.both.get(&facts.founder).is_some_and(|leaf| !is_authors(leaf));
    once && all_there && no_others && founds
}

/// Whether a commit counts as reported: by devices of two persons, or by a recovery device; never by its author's.
pub fn is_reported(reporters: &[DeviceFacts], author: &PersonId) -> bool {
    let others = || reporters.iter().filter(|device| device.person != *author);
    let persons: BTreeSet<&PersonId> = others().map(|device| &device.person).collect();
    persons.len() >= 2 || others().any(|device| device.role == Role::Recovery)
}
