//! The facts over which an act is judged, read inside the turn. A replay gathers the same from records alone (`custody::world`).

use custodia_core::custody::body::{Body, Disclosure, Handling};
use custodia_core::custody::facts::{CaseFacts, ChangeFacts, ExhibitFacts, ExhibitState, Facts, LogFacts, Membership};
use custodia_core::custody::intent::{Intent, SignedIntent};
use custodia_core::digest::Sha256Digest;
use custodia_core::group::facts::GroupId;
use custodia_core::ids::OfficeId;
use custodia_core::log::merkle::TreeSize;

use super::append::Growing;
use super::turn::read_frontier;
use crate::error::Refusal;
use crate::store::{Conn, StoreError, cases, exhibits, log};
use crate::vault::Vault;

/// What holds of the log.
pub(super) async fn log_facts<'a>(
    vault: &'a Vault,
    conn: &mut Conn,
    growing: &Growing,
    intent: &Intent,
) -> Result<LogFacts<'a>, StoreError> {
    let seen = TreeSize::new(intent.seen.size).ok().filter(|size| *size <= growing.start);
    let root_at_seen = match seen {
        Some(size) => Some(Sha256Digest::from_bytes(*read_frontier(conn, size).await?.root().as_bytes())),
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
    let case = case_facts(conn, intent).await?;
    let exhibit = exhibit_facts(conn, growing, intent).await?;
    Ok(Facts { log, actor, case, exhibit, change })
}

async fn case_facts(conn: &mut Conn, intent: &SignedIntent) -> Result<Option<CaseFacts>, StoreError> {
    let Some(case) = cases::case(conn, intent.case).await? else { return Ok(None) };
    let member = cases::member(conn, intent.case, intent.signer()).await?;
    let actor = member.map(|member| Membership { first_ring: member.first_ring, left: member.left.is_some() });
    let epoch_stands = match &intent.group {
        None => true,
        Some(seen) => {
            let transcript = cases::transcript(conn, intent.case, seen.epoch).await?;
            seen.id.0 == GroupId::first(intent.case).to_bytes() && transcript.as_ref() == Some(&seen.transcript.0)
        }
    };
    Ok(Some(CaseFacts { ring_version: case.ring_version, founder: office(&case.founder)?, epoch_stands, actor }))
}

async fn exhibit_facts(conn: &mut Conn, growing: &Growing, intent: &SignedIntent) -> Result<Option<ExhibitFacts>, StoreError> {
    let Some(id) = intent.exhibit else { return Ok(None) };
    let Some(exhibit) = exhibits::exhibit(conn, id).await? else { return Ok(None) };
    let chain_seen_stands = match intent.chain_seen {
        Some(seen) => log::exhibit_chain_at(conn, id, seen.seq).await? == Some(seen.commitment),
        None => false,
    };
    let recipient = match &intent.body {
        Body::Disclosure(Disclosure::Grant { device, .. }) => match growing.mirror.device_facts(*device, growing.time) {
            Some((facts, _)) => {
                let member = cases::member(conn, exhibit.case, *device).await?;
                Some((facts, member.is_some_and(|member| member.left.is_none())))
            }
            None => None,
        },
        _ => None,
    };
    Ok(Some(ExhibitFacts {
        case: exhibit.case,
        state: parse_state(&exhibit.state)?,
        held: exhibit.held,
        handling: parse_handling(&exhibit.handling)?,
        ring_version: exhibit.ring_version,
        originator: office(&exhibit.originator)?,
        chain_seen_stands,
        granted: cases::is_granted(conn, id, intent.signer()).await?,
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
