//! The public log, the registry, and the whole log for auditors.

use actix_web::{HttpRequest, HttpResponse, web};
use custodia_api::messages::{Acknowledged, CosignaturesKept, ReadLog, RegistryAct};
use custodia_core::custody::intent::UnverifiedIntent;
use custodia_core::custody::kind::Kind;
use custodia_core::jws::MAX_JWS_BYTES;
use custodia_core::log::note::MAX_NOTE_BYTES;
use custodia_core::log::tile::{FULL_WIDTH, Tile};

use super::{From, Shared, json};
use crate::auth::{ActOf, Caller, count_stranger, read_body_into};
use crate::error::Refusal;
use crate::sequencer::{Act, Attachment};
use crate::store::kept::{Bound, With};
use crate::vault::Vault;

pub(super) async fn server(shared: web::Data<Shared>) -> HttpResponse {
    json(&shared.vault.info())
}

pub(super) async fn openapi() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(include_str!("../../openapi.json"))
}

pub(super) async fn checkpoint(shared: web::Data<Shared>) -> Result<HttpResponse, Refusal> {
    let note = shared.vault.checkpoint().await?;
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").insert_header(("cache-control", "no-cache")).body(note))
}

pub(super) async fn tile(shared: web::Data<Shared>, request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let path = request.uri().path().trim_start_matches('/');
    let tile = Tile::parse_path(path).map_err(|error| Refusal::Malformed(error.to_string()))?;
    let bytes = shared.vault.tile(tile).await?;
    // A full tile never changes; a partial one does not either, but soon nobody asks for it.
    let keep = if tile.width() == FULL_WIDTH { "public, max-age=31536000, immutable" } else { "public, max-age=3600" };
    Ok(HttpResponse::Ok().content_type("application/octet-stream").insert_header(("cache-control", keep)).body(bytes))
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sizes {
    from: u64,
    to: u64,
}

pub(super) async fn consistency(shared: web::Data<Shared>, sizes: web::Query<Sizes>) -> Result<HttpResponse, Refusal> {
    Ok(json(&shared.vault.consistency(sizes.from, sizes.to).await?))
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    at_least: Option<u64>,
    at_most: Option<u64>,
    with: Option<With>,
}

pub(super) async fn kept(shared: web::Data<Shared>, wanted: web::Query<Wanted>) -> Result<HttpResponse, Refusal> {
    let bound = match (wanted.at_least, wanted.at_most) {
        (Some(size), None) => Bound::AtLeast(size),
        (None, Some(size)) => Bound::AtMost(size),
        _ => return Err(Refusal::Malformed("the query names at_least or at_most, one of the two".to_owned())),
    };
    Ok(json(&shared.vault.kept(bound, wanted.with).await?))
}

pub(super) async fn cosignatures(shared: web::Data<Shared>, request: HttpRequest, payload: web::Payload) -> Result<HttpResponse, Refusal> {
    let kept = async {
        let note = read_body_into(&request, payload.into_inner(), MAX_NOTE_BYTES, "the body", Vec::new()).await?;
        shared.vault.keep_cosignatures(&note).await
    };
    let kept = kept.await;
    // Nobody signs the request: what brings nothing new is bounded by its address.
    match kept {
        Ok(brought) => {
            if brought.new == 0 {
                count_stranger(&shared, &request, &"it brings nothing that is kept")?;
            }
            Ok(json(&CosignaturesKept { kept: brought.standing }))
        }
        Err(refusal) => {
            count_stranger(&shared, &request, &refusal)?;
            Err(refusal)
        }
    }
}

pub(super) async fn registry(shared: web::Data<Shared>, request: HttpRequest, payload: web::Payload) -> Result<HttpResponse, Refusal> {
    let bytes = read_body_into(&request, payload.into_inner(), MAX_JWS_BYTES + 1024, "the body", Vec::new()).await?;
    let act: RegistryAct = serde_json::from_slice(&bytes).map_err(|error| Refusal::Malformed(error.to_string()))?;
    let receipt = shared.vault.enter_registry(&act.intent).await?;
    Ok(json(&Acknowledged { receipt }))
}

pub(super) async fn registry_records(shared: web::Data<Shared>, _caller: Caller, from: web::Query<From>) -> Result<HttpResponse, Refusal> {
    Ok(json(&shared.vault.registry_records(from.from).await?))
}

pub(super) async fn read(shared: web::Data<Shared>, request: ActOf<ReadLog>) -> Result<HttpResponse, Refusal> {
    let intent = UnverifiedIntent::parse(&request.body.intent).map_err(|error| Refusal::Malformed(error.to_string()))?;
    let case = intent.unverified().case;
    if intent.unverified().kind() != Kind::LogRead {
        return Err(Refusal::Malformed("only log.read is taken here".to_owned()));
    }
    let intent = Vault::intent_of(&request.caller, &request.body.intent, case)?;
    let receipt = shared.vault.enter_one(Some(request.nonce), Act { intent, attachment: Attachment::None }).await?;
    Ok(json(&Acknowledged { receipt }))
}

pub(super) async fn records(shared: web::Data<Shared>, caller: Caller, from: web::Query<From>) -> Result<HttpResponse, Refusal> {
    Ok(json(&shared.vault.log_records(&caller, from.from).await?))
}
