//! The facts over which an act is judged, read inside the turn. A replay gathers the same from records alone (`custody::world`).

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use custodia_core::custody::body::{Body, Disclosure, Erasure, Handling};
use custodia_core::custody::facts::{
    CaseFacts, ChangeFacts, DeviceFacts, ExhibitFacts, ExhibitState, Facts, LogFacts, Membership, Proposal,
};
use custodia_core::custody::intent::{Intent, SignedIntent, UnverifiedIntent};
use custodia_core::custody::record::Core;
use custodia_core::digest::Sha256Digest;
use custodia_core::group::facts::GroupId;
use custodia_core::identity::Role;
use custodia_core::ids::{DeviceId, ExhibitId, OfficeId};
use custodia_core::log::merkle::{RootHash, TreeSize};

use super::append::Growing;
use super::turn::read_frontier;
use super::{recovery, succession};
use crate::error::Refusal;
use crate::store::place::Place;
use crate::store::{Conn, StoreError, exhibits, recoveries};
use crate::vault::Vault;

/// Roots of this log at earlier sizes. They never change, and a turn that finds another log enters nothing.
#[derive(Debug, Default)]
pub(crate) struct Roots(Mutex<HashMap<TreeSize, RootHash>>);

impl Roots {
    /// The most that are kept; acts name recent ones.
    const MOST: usize = 4096;

    /// Keeps the root with which a turn began.
    pub(super) fn learn(&self, size: TreeSize, root: RootHash) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= Self::MOST {
            known.clear();
        }
        known.insert(size, root);
    }

    /// The root at a size that the log has.
    async fn at(&self, conn: &mut Conn, size: TreeSize) -> Result<RootHash, StoreError> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&size).copied();
        if let Some(root) = known {
            return Ok(root);
        }
        let root = read_frontier(conn, size).await?.root();
        self.learn(size, root);
        Ok(root)
    }
}

/// What holds of the log.
pub(super) async fn log_facts<'a>(
    vault: &'a Vault,
    conn: &mut Conn,
    growing: &Growing,
    intent: &Intent,
) -> Result<LogFacts<'a>, StoreError> {
    let seen = TreeSize::new(intent.seen.size).ok().filter(|size| *size <= growing.start);
    let root_at_seen = match seen {
        Some(size) => Some(Sha256Digest::from_bytes(*vault.roots.at(conn, size).await?.as_bytes())),
        None => None,
    };
    Ok(LogFacts { origin: vault.signer.origin().as_str(), time: growing.time, root_at_seen })
}

/// All facts for an act of a device.
pub(super) async fn gather<'a>(
    vault: &'a Vault,
    conn: &mut Conn,
    growing: &Growing,
    intent: &SignedIntent,
    change: Option<ChangeFacts>,
) -> Result<Facts<'a>, Refusal> {
    let log = log_facts(vault, conn, growing, intent).await?;
    let (actor, _) = growing.mirror.device_facts(intent.signer(), growing.time).ok_or(Refusal::UnknownDevice)?;
    let case = case_facts(conn, growing, intent, actor.id).await?;
    let exhibit = exhibit_facts(conn, growing, intent, &actor).await?;
    let parent = parent_facts(conn, growing, intent, actor.id).await?;
    let recovery = match &intent.body {
        Body::CaseRecovery(body) => Some(recovery::facts(conn, growing, intent.case, body).await?),
        _ => None,
    };
    let succession = match &intent.body {
        Body::GroupSucceed(body) => succession::facts(conn, growing, intent.case, body, &actor).await?,
        _ => None,
    };
    Ok(Facts { log, actor, case, parent, exhibit, change, recovery, succession })
}

async fn parent_facts(
    conn: &mut Conn,
    growing: &Growing,
    intent: &SignedIntent,
    actor: DeviceId,
) -> Result<Option<Membership>, StoreError> {
    let Body::CaseCreate(body) = &intent.body else { return Ok(None) };
    let Some(parent) = body.parent else { return Ok(None) };
    let member = growing.known.member(conn, parent, actor).await?;
    Ok(member.map(|member| Membership { first_ring: member.first_ring, left: member.left.is_some() }))
}

/// The offices that have placed a hold on an exhibit and not lifted it.
pub(super) async fn holds(conn: &mut Conn, growing: &Growing, exhibit: ExhibitId) -> Result<BTreeSet<OfficeId>, StoreError> {
    let mut offices = BTreeSet::new();
    for (placed, signer) in exhibits::hold_acts(conn, exhibit).await? {
        let office = growing.mirror.certificate(signer).ok_or(StoreError::Corrupt("an act of a device that nobody enrolled"))?.office();
        if placed {
            offices.insert(office.clone());
        } else {
            offices.remove(office);
        }
    }
    Ok(offices)
}

/// The erasure of an exhibit that was proposed last; before it is erased, only proposals stand on its chain.
async fn proposal(conn: &mut Conn, growing: &Growing, exhibit: ExhibitId) -> Result<Option<Proposal>, StoreError> {
    let Some(core) = exhibits::last_erasure(conn, exhibit).await? else { return Ok(None) };
    let corrupt = || StoreError::Corrupt("a proposal to erase");
    let core = Core::from_bytes(&core).map_err(|_| corrupt())?;
    let intent = UnverifiedIntent::parse(&core.intent).map_err(|_| corrupt())?;
    let Body::Erasure(Erasure::Propose { records }) = &intent.unverified().body else { return Ok(None) };
    let proposer = growing.mirror.certificate(intent.signer()).ok_or_else(corrupt)?;
    Ok(Some(Proposal {
        intent: intent.unverified().id,
        digest: Sha256Digest::of(&[core.intent.as_bytes()]),
        person: proposer.person().clone(),
        records: records.clone(),
    }))
}

async fn case_facts(conn: &mut Conn, growing: &Growing, intent: &SignedIntent, actor: DeviceId) -> Result<Option<CaseFacts>, StoreError> {
    let known = &growing.known;
    let Some(case) = known.case(conn, intent.case).await? else { return Ok(None) };
    let member = known.member(conn, intent.case, actor).await?;
    let actor = member.map(|member| Membership { first_ring: member.first_ring, left: member.left.is_some() });
    let epoch_stands = match &intent.group {
        None => true,
        Some(seen) => {
            let group = GroupId::from_bytes(&seen.id.0).filter(|group| group.case == intent.case);
            match group.and_then(|group| Place::named(group.generation, seen.epoch)) {
                Some(at) => known.transcript(conn, intent.case, at).await?.as_ref() == Some(&seen.transcript.0),
                None => false,
            }
        }
    };
    Ok(Some(CaseFacts { ring_version: case.ring_version, founder: office(&case.founder)?, epoch_stands, actor }))
}

async fn exhibit_facts(
    conn: &mut Conn,
    growing: &Growing,
    intent: &SignedIntent,
    actor: &DeviceFacts,
) -> Result<Option<ExhibitFacts>, StoreError> {
    let Some(id) = intent.exhibit else { return Ok(None) };
    let Some(exhibit) = growing.known.exhibit(conn, id).await? else { return Ok(None) };
    let chain_seen_stands = match intent.chain_seen {
        Some(seen) => growing.known.chain_place(conn, id, seen.seq).await? == Some(seen.commitment),
        None => false,
    };
    let recipient = match &intent.body {
        Body::Disclosure(Disclosure::Grant { device, .. }) => match growing.mirror.device_facts(*device, growing.time) {
            Some((facts, _)) => {
                let member = growing.known.member(conn, exhibit.case, facts.id).await?;
                Some((facts, member.is_some_and(|member| member.left.is_none())))
            }
            None => None,
        },
        _ => None,
    };
    let held_by_actor = exhibit.held && holds(conn, growing, id).await?.contains(&actor.office);
    let proposal = match &intent.body {
        Body::Erasure(Erasure::Confirm { .. }) => proposal(conn, growing, id).await?,
        _ => None,
    };
    let restored = match &recipient {
        Some((device, _)) if actor.role == Role::Recovery => {
            let held = recoveries::replaced_by(conn, exhibit.case, device.id).await?;
            held.is_some_and(|held| held.could_open(id, exhibit.ring_version))
        }
        _ => false,
    };
    Ok(Some(ExhibitFacts {
        case: exhibit.case,
        state: parse_state(&exhibit.state)?,
        held: exhibit.held,
        held_by_actor,
        proposal,
        handling: parse_handling(&exhibit.handling)?,
        ring_version: exhibit.ring_version,
        originator: office(&exhibit.originator)?,
        chain_seen_stands,
        granted: growing.known.is_granted(conn, id, actor.id).await?,
        restored,
        consent_judicial: exhibit.consent_judicial,
        consent_onward: exhibit.consent_onward,
        recipient,
    }))
}

fn office(text: &str) -> Result<OfficeId, StoreError> {
    text.parse().map_err(|_| StoreError::Corrupt("an office's id"))
}

/// The state as it stands in a row.
pub(crate) const fn state_text(state: ExhibitState) -> &'static str {
    match state {
        ExhibitState::Quarantined => "quarantined",
        ExhibitState::Active => "active",
        ExhibitState::Restricted => "restricted",
        ExhibitState::Erased => "erased",
    }
}

/// Reads a state from a row.
pub(crate) fn parse_state(text: &str) -> Result<ExhibitState, StoreError> {
    [ExhibitState::Quarantined, ExhibitState::Active, ExhibitState::Restricted, ExhibitState::Erased]
        .into_iter()
        .find(|state| state_text(*state) == text)
        .ok_or(StoreError::Corrupt("an exhibit's state"))
}

/// The handling code as it stands in a row.
pub(crate) const fn handling_text(handling: Handling) -> &'static str {
    match handling {
        Handling::H0 => "H0",
        Handling::H1 => "H1",
        Handling::H2 => "H2",
        Handling::H3 => "H3",
    }
}

/// Reads a handling code from a row.
pub(crate) fn parse_handling(text: &str) -> Result<Handling, StoreError> {
    [Handling::H0, Handling::H1, Handling::H2, Handling::H3]
        .into_iter()
        .find(|handling| handling_text(*handling) == text)
        .ok_or(StoreError::Corrupt("an exhibit's handling code"))
}
