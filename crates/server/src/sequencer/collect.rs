//! A collection: entered only when every object that it names is durably stored and list and share are the ones signed for.

use std::collections::BTreeMap;

use custodia_core::custody::body::Collection;
use custodia_core::custody::facts::{DeviceFacts, ExhibitState};
use custodia_core::custody::intent::SignedIntent;
use custodia_core::digest::Blake3Digest;
use custodia_core::ids::ExhibitId;

use super::Intake;
use super::acts::ActFailure;
use super::facts::{handling_text, state_text};
use crate::error::Refusal;
use crate::shares;
use crate::store::{Conn, exhibits};
use crate::vault::Vault;

/// Stores the exhibit of an accepted collection that stands at `index`.
#[expect(clippy::too_many_arguments, reason = "called from one place; a struct would only repeat the names")]
pub(super) async fn apply(
    vault: &Vault,
    conn: &mut Conn,
    intent: &SignedIntent,
    exhibit: ExhibitId,
    body: &Collection,
    intake: &Intake,
    index: u64,
    actor: &DeviceFacts,
) -> Result<(), ActFailure> {
    let names = &intake.objects;
    let missing_all = Refusal::ObjectsMissing { missing: names.len() + 1 };
    let reserved = exhibits::intake(conn, exhibit).await?.ok_or(missing_all)?;
    if reserved != (exhibits::Intake { case: intent.case, device: actor.id }) {
        return Err(Refusal::Conflict("this exhibit's id is reserved for another device or case").into());
    }
    let stored: BTreeMap<Blake3Digest, u64> = exhibits::objects(conn, exhibit).await?.into_iter().collect();
    let missing = names.iter().chain([&body.manifest_object]).filter(|name| !stored.contains_key(name)).count();
    if missing > 0 {
        return Err(Refusal::ObjectsMissing { missing }.into());
    }
    let sealed_bytes: u64 = names.iter().filter_map(|name| stored.get(name)).sum();
    let counted = u64::try_from(names.len()).ok() == Some(body.objects) && sealed_bytes == body.sealed_bytes;
    if !counted || shares::objects_digest(names) != body.objects_digest {
        return Err(Refusal::DigestMismatch("the list of objects is not the one that the intent names").into());
    }
    if shares::commitment(exhibit, &intake.release_share) != body.release_share_commitment {
        return Err(Refusal::DigestMismatch("the release share is not the one that the intent commits to").into());
    }
    let row = exhibits::Exhibit {
        id: exhibit,
        case: intent.case,
        index,
        state: state_text(ExhibitState::Active).to_owned(),
        held: false,
        handling: handling_text(body.handling).to_owned(),
        originator: actor.office.as_str().to_owned(),
        consent_judicial: false,
        consent_onward: false,
        ring_version: body.ring_version,
        group_share: intake.group_share.clone(),
        manifest_object: body.manifest_object,
        sealed_bytes,
        share_commitment: body.release_share_commitment,
        share: Some(shares::wrap(&vault.keks, exhibit, &intake.release_share)?),
    };
    let names: Vec<u8> = names.iter().flat_map(|name| *name.as_bytes()).collect();
    Ok(exhibits::insert_exhibit(conn, &row, &names).await?)
}
