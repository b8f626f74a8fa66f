//! Who may do what, and which record may follow which. `docs/RULES.md` lists every rule with its test.
//!
//! Rules of MLS structure are in `group::rules`, those of identity in `identity::rules`.

use super::body::{Body, Collection, ConsentTo, Disclosure, Erasure, Handling, MemberChange, Terms};
use super::facts::{CaseFacts, ChangeFacts, ExhibitFacts, ExhibitState, Facts, LeafFacts, LogFacts};
use super::intent::{Intent, SignedIntent};
use super::kind::{Concern, Kind, Purpose};
use crate::identity::Role;

mod recovery;
mod succession;

pub use recovery::prosecutor_remains;
pub use succession::{is_reported, judge_succession};

/// How long before the log's time the actor's time of an opening may lie, in milliseconds: 24 hours.
pub const OLDEST_OPENING_MILLIS: i128 = 24 * 60 * 60 * 1000;
/// How far after the log's time it may lie: 10 minutes.
pub const NEWEST_OPENING_MILLIS: i128 = 10 * 60 * 1000;

/// A rule that an act may break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rule {
    /// Its id, as in `docs/RULES.md`.
    pub id: &'static str,
    /// What it demands, as a sentence for the person whom it stops.
    pub demands: &'static str,
}

macro_rules! rules {
    ($($name:ident $id:literal $demands:literal)*) => {
        $(#[doc = $demands] pub const $name: Rule = Rule { id: $id, demands: $demands };)*
        /// All custody rules, in order.
        pub const ALL: &[Rule] = &[$($name),*];
    };
}

rules! {
    REC_01 "REC-01" "An intent names the origin of the log that it is for."
    REC_02 "REC-02" "The checkpoint that an intent has seen is one of this log."
    REC_03 "REC-03" "The record that an intent has seen on an exhibit's chain stands there."
    REC_04 "REC-04" "A case is founded once."
    REC_05 "REC-05" "An exhibit is collected once; every other act names one that exists in that case."
    REC_06 "REC-06" "An opening is signed no more than 24 hours before and 10 minutes after the log's time."
    REC_07 "REC-07" "The epoch that an intent names has begun in its case's group, with the transcript hash that every other intent names for it."
    REC_08 "REC-08" "A restricted part of a case names a parent that exists and of which its founder is a member."
    REC_09 "REC-09" "An exhibit that was made from another is collected together with the record of it on the other's chain, by the same device and of the same form."
    ACC_01 "ACC-01" "The actor's certificate is enrolled, in force and not revoked."
    ACC_02 "ACC-02" "The actor's role permits the act."
    ACC_03 "ACC-03" "The actor is a member of the case, which exists, and has not left it."
    ACC_04 "ACC-04" "The exhibit's state permits the act: nothing is opened in quarantine or after erasure, and a restricted exhibit is opened only for prosecution, trial or the defence."
    ACC_05 "ACC-05" "The actor may open this exhibit: it was collected under a ring key that the actor was given, or was granted to the actor since the actor last joined."
    ACC_06 "ACC-06" "An exhibit of handling code H1 goes into a dossier only with the originator's consent to judicial use."
    ACC_07 "ACC-07" "An exhibit of handling code H2 is passed on only with the originator's consent."
    ACC_08 "ACC-08" "An exhibit under a hold is not erased."
    ACC_09 "ACC-09" "Only the office that collected an exhibit consents to its use, changes its handling code or proposes its erasure."
    ACC_10 "ACC-10" "A grant goes to a device in good standing that is a prosecutor's or a recovery device and a member of the case."
    ACC_11 "ACC-11" "A new exhibit's group share is wrapped under the current ring key."
    ACC_12 "ACC-12" "An erasure takes effect when another person than the one who proposed it confirms exactly that proposal."
    ACC_13 "ACC-13" "A hold is lifted by the office that placed it."
    MEM_01 "MEM-01" "The intent names exactly what the commit, its Welcome and its ring row do."
    MEM_02 "MEM-02" "Only devices of prosecutors and recovery devices in good standing join."
    MEM_03 "MEM-03" "A member removes devices of the own office; the founding office removes any; everybody removes who left or was revoked."
    MEM_04 "MEM-04" "A commit removes every device that left or was revoked."
    MEM_05 "MEM-05" "Every office with a member has a recovery device in the group."
    MEM_06 "MEM-06" "The ring key is renewed at every removal and at every addition without full history, and only then; a resync repeats it."
    MEM_07 "MEM-07" "An addition with full history comes with one disclosure for every exhibit that the adding member may open."
    RCV_01 "RCV-01" "A recovery is proposed with a recovery device for a prosecutor's device of its office, in good standing and no member, in the place of a prosecutor's device of that office that was revoked or has left, and was not removed before that."
    RCV_02 "RCV-02" "The device in a lost one's place is the same person's, who has not left; only when no prosecutor is left in the case may it be another's, or the place that of one who left."
    RCV_03 "RCV-03" "A recovery may be carried out when another person than the one who proposed it confirms exactly that proposal, once, within 30 days and before a later one for the same device, with a recovery device of that office or as a prosecutor of the case."
    RCV_04 "RCV-04" "A recovery device adds a device only by a confirmed recovery of its office, carried out once and within 30 days of its proposal; nobody else adds one on such terms."
    RCV_05 "RCV-05" "A device in a lost one's place is given what that one could open, by one disclosure for each exhibit that the recovery device can open too; a recovery device grants nothing else."
    SUC_01 "SUC-01" "A successor group is the case's next generation, under the next ring version, and its record names exactly the bytes of its founding."
    SUC_02 "SUC-02" "A successor group leaves out a commit of the current group that devices of two persons, or a recovery device, have reported: members before and after it, and none of them its author's."
    SUC_03 "SUC-03" "No member before and after that commit but its author has acted in the epoch that it begins, or later."
    SUC_04 "SUC-04" "A successor group has every device that was a member before and after that commit and is in good standing, and no others; the author's may be left out, and do not found it."
}

/// Judges an act by every rule that concerns it; the first rule broken is the answer.
///
/// Does not check the intent's signature, nor that the facts are true. Registry acts are judged by [`judge_log`] and `identity::rules`.
///
/// # Errors
/// The rule that the act breaks.
pub fn judge(intent: &Intent, facts: &Facts<'_>) -> Result<(), Rule> {
    let kind = intent.kind();
    let Some(case) = judge_actor(intent, facts)? else {
        let Body::CaseCreate(body) = &intent.body else { return Ok(()) };
        demand(REC_04, facts.case.is_none())?;
        return demand(REC_08, body.parent.is_none() || facts.parent.is_some_and(|membership| !membership.left));
    };
    demand(REC_07, case.epoch_stands)?;
    match &intent.body {
        Body::Collection(body) => {
            demand(REC_05, facts.exhibit.is_none())?;
            demand(ACC_11, body.ring_version == case.ring_version)
        }
        Body::MemberChange(body) => {
            let change = facts.change.as_ref().ok_or(MEM_01)?;
            judge_change(body, case, change, facts)
        }
        Body::CaseRecovery(body) => recovery::judge(body, &facts.actor, facts.recovery.as_ref().ok_or(RCV_01)?, facts.log.time),
        Body::GroupSucceed(body) => judge_succession(body, facts.succession.as_ref().ok_or(SUC_01)?),
        _ if kind.concern() == Concern::Exhibit => {
            let exhibit = facts.exhibit.as_ref().filter(|exhibit| exhibit.case == intent.case).ok_or(REC_05)?;
            judge_exhibit(intent, facts, case, exhibit)
        }
        _ => Ok(()),
    }
}

/// Judges by the rules that look at the actor alone: log, standing, role, membership. They come before all others, so that whoever has no
/// place in a case learns nothing of it, not even whether it exists. Answers the case, if the act is one within a case.
///
/// # Errors
/// The rule that the act breaks.
pub fn judge_actor<'a>(intent: &Intent, facts: &'a Facts<'_>) -> Result<Option<&'a CaseFacts>, Rule> {
    let kind = intent.kind();
    judge_log(intent, &facts.log)?;
    demand(ACC_01, facts.actor.good_standing)?;
    demand(ACC_02, role_permits(facts.actor.role, kind, intent))?;
    if kind == Kind::CaseCreate || (kind == Kind::LogRead && facts.actor.role == Role::Auditor) {
        return Ok(None);
    }
    let case = facts.case.as_ref().ok_or(ACC_03)?;
    demand(ACC_03, case.actor.is_some_and(|membership| !membership.left))?;
    Ok((kind != Kind::LogRead).then_some(case))
}

/// Judges what every act owes to the log: that it is for this one, and has seen no other.
///
/// # Errors
/// `REC-01` or `REC-02`.
pub fn judge_log(intent: &Intent, log: &LogFacts<'_>) -> Result<(), Rule> {
    demand(REC_01, intent.origin == log.origin)?;
    demand(REC_02, log.root_at_seen == Some(intent.seen.root))
}

fn demand(rule: Rule, holds: bool) -> Result<(), Rule> {
    if holds { Ok(()) } else { Err(rule) }
}

fn role_permits(role: Role, kind: Kind, intent: &Intent) -> bool {
    let grant = matches!(intent.body, Body::Disclosure(Disclosure::Grant { .. }));
    match role {
        Role::Prosecutor => true,
        Role::Auditor => kind == Kind::LogRead,
        Role::Recovery => matches!(kind, Kind::MemberChange | Kind::GroupReport | Kind::GroupSucceed | Kind::CaseRecovery) || grant,
        Role::Administrator => false,
    }
}

fn judge_exhibit(intent: &Intent, facts: &Facts<'_>, case: &CaseFacts, exhibit: &ExhibitFacts) -> Result<(), Rule> {
    demand(REC_03, exhibit.chain_seen_stands)?;
    demand(ACC_04, exhibit.state != ExhibitState::Erased)?;
    match &intent.body {
        Body::Consultation(_) => judge_opening(intent, facts, case, exhibit),
        Body::Disclosure(disclosure) => {
            judge_opening(intent, facts, case, exhibit)?;
            let restores = facts.actor.role == Role::Recovery && exhibit.restored;
            demand(RCV_05, facts.actor.role != Role::Recovery || restores)?;
            let travels = matches!(disclosure, Disclosure::Grant { .. } | Disclosure::Transfer { .. });
            // What comes back to the office that could open it is not passed on.
            demand(ACC_07, !travels || restores || exhibit.handling != Handling::H2 || exhibit.consent_onward)?;
            match disclosure {
                Disclosure::Dossier { .. } => demand(ACC_06, exhibit.handling != Handling::H1 || exhibit.consent_judicial),
                Disclosure::Grant { .. } => demand(
                    ACC_10,
                    exhibit
                        .recipient
                        .as_ref()
                        .is_some_and(|(device, member)| *member && device.good_standing && may_hold_evidence(device.role)),
                ),
                Disclosure::Export {} | Disclosure::Transfer { .. } => Ok(()),
            }
        }
        Body::Erasure(body) => {
            demand(ACC_08, !exhibit.held)?;
            judge_erasure(body, facts, exhibit)
        }
        Body::HoldLift(_) => demand(ACC_13, exhibit.held_by_actor),
        Body::ConsentGive(_) => demand(ACC_09, facts.actor.office == exhibit.originator),
        Body::Alteration(body) => demand(ACC_09, body.handling.is_none() || facts.actor.office == exhibit.originator),
        _ => Ok(()),
    }
}

fn judge_erasure(body: &Erasure, facts: &Facts<'_>, exhibit: &ExhibitFacts) -> Result<(), Rule> {
    match body {
        Erasure::Propose { .. } => demand(ACC_09, facts.actor.office == exhibit.originator),
        Erasure::Confirm { proposal, digest } => demand(
            ACC_12,
            exhibit
                .proposal
                .as_ref()
                .is_some_and(|found| found.intent == *proposal && found.digest == *digest && found.person != facts.actor.person),
        ),
    }
}

/// Judges that an exhibit's origin stands in both chains: the act entered next is the record of it on the source's chain.
///
/// Whether the two salted commitments name each other's exhibit, only who holds the manifest can tell.
///
/// # Errors
/// `REC-09`; never for an act that is not the collection of an exhibit made from another.
pub fn judge_derivation(collection: &SignedIntent, next: Option<&SignedIntent>) -> Result<(), Rule> {
    let Body::Collection(Collection { derivation: Some(derivation), .. }) = &collection.body else { return Ok(()) };
    let of_it = |next: &SignedIntent| {
        matches!(&next.body, Body::Combination(source) if source.derivation.how == derivation.how)
            && next.signer() == collection.signer()
            && next.exhibit != collection.exhibit
    };
    demand(REC_09, next.is_some_and(of_it))
}

fn judge_opening(intent: &Intent, facts: &Facts<'_>, case: &CaseFacts, exhibit: &ExhibitFacts) -> Result<(), Rule> {
    let late = i128::from(facts.log.time.millis()) - intent.time.millis();
    demand(REC_06, (-NEWEST_OPENING_MILLIS..=OLDEST_OPENING_MILLIS).contains(&late))?;
    let evidence_only = matches!(intent.purpose, Some(Purpose::Prosecution | Purpose::Trial | Purpose::DefenceAccess));
    demand(
        ACC_04,
        match exhibit.state {
            ExhibitState::Active => true,
            ExhibitState::Restricted => evidence_only,
            ExhibitState::Quarantined | ExhibitState::Erased => false,
        },
    )?;
    let given = case.actor.is_some_and(|membership| may_open(membership.first_ring, exhibit.granted, exhibit.ring_version));
    demand(ACC_05, given)
}

/// Whether a member may open an exhibit: by its ring version, or by a grant.
pub const fn may_open(first_ring: u32, granted: bool, exhibit_ring: u32) -> bool {
    granted || exhibit_ring >= first_ring
}

/// Whether a consent to `to` is one that lifts a handling code's bar on this use.
pub const fn consent_lifts(to: ConsentTo, handling: Handling) -> bool {
    matches!((to, handling), (ConsentTo::JudicialUse, Handling::H1) | (ConsentTo::Onward, Handling::H2))
}

const fn may_hold_evidence(role: Role) -> bool {
    matches!(role, Role::Prosecutor | Role::Recovery)
}

fn judge_change(body: &MemberChange, case: &CaseFacts, change: &ChangeFacts, facts: &Facts<'_>) -> Result<(), Rule> {
    demand(MEM_01, change.intent_matches_commit)?;
    let fit_to_join = |leaf: &LeafFacts| leaf.device.good_standing && may_hold_evidence(leaf.device.role);
    demand(MEM_02, change.adds.iter().all(fit_to_join))?;
    let may_remove = |leaf: &LeafFacts| leaf.gone || facts.actor.office == case.founder || facts.actor.office == leaf.device.office;
    demand(MEM_03, change.removes.iter().all(may_remove))?;
    demand(MEM_04, change.after.iter().all(|leaf| !leaf.gone))?;
    demand(MEM_05, every_office_can_recover(&change.after))?;
    let partial = body.adds.iter().any(|add| matches!(add.terms, Terms::Chosen | Terms::None | Terms::Recovery));
    let renews = !body.resync && (partial || !body.removes.is_empty());
    demand(MEM_06, body.ring_version == case.ring_version + u32::from(renews))?;
    demand(MEM_07, change.undisclosed_for_full == 0)?;
    let by_recovery = facts.actor.role == Role::Recovery;
    demand(RCV_04, !by_recovery || body.adds.iter().all(|add| matches!(add.terms, Terms::Recovery | Terms::Resync)))?;
    for replacement in &change.replacements {
        recovery::judge_replacement(&facts.actor, replacement, facts.log.time)?;
    }
    demand(RCV_05, change.undisclosed_for_recovery == 0)
}

/// Whether each of these has a recovery device of its office beside it.
pub fn every_office_can_recover(members: &[LeafFacts]) -> bool {
    members
        .iter()
        .all(|member| members.iter().any(|other| other.device.role == Role::Recovery && other.device.office == member.device.office))
}

#[cfg(test)]
mod tests;
