//! Exhibits: objects in and out, collections, openings and other acts.

use actix_web::body::SizedStream;
use actix_web::http::header::{CONTENT_RANGE, RANGE};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use custodia_api::limits::MAX_OBJECT_BYTES;
use custodia_api::messages::{Acknowledged, Act as ActRequest, Collect};
use custodia_core::custody::body::{Body, Erasure};
use custodia_core::ids::{CaseId, ExhibitId};

use super::{From, Shared, id, json};
use crate::auth::{ActOf, Caller, declared_length, read_body_into};
use crate::error::Refusal;
use crate::sequencer::{Act, Attachment, acts};
use crate::vault::{Range, Vault};

/// How much of an object the connection is handed at once.
const PIECE: usize = 64 * 1024;

type Exhibit = web::Path<(String, String)>;
type Object = web::Path<(String, String, String)>;

fn ids(path: &(String, String)) -> Result<(CaseId, ExhibitId), Refusal> {
    Ok((id(&path.0, "case id")?, id(&path.1, "exhibit id")?))
}

pub(super) async fn list(
    shared: web::Data<Shared>,
    caller: Caller,
    case: web::Path<String>,
    from: web::Query<From>,
) -> Result<HttpResponse, Refusal> {
    Ok(json(&shared.vault.exhibits(&caller, id(&case, "case id")?, from.from).await?))
}

pub(super) async fn show(shared: web::Data<Shared>, caller: Caller, path: Exhibit) -> Result<HttpResponse, Refusal> {
    let (case, exhibit) = ids(&path)?;
    Ok(json(&shared.vault.exhibit(&caller, case, exhibit).await?))
}

pub(super) async fn collect(shared: web::Data<Shared>, path: Exhibit, request: ActOf<Collect>) -> Result<HttpResponse, Refusal> {
    let (case, exhibit) = ids(&path)?;
    let receipt = shared.vault.collect(&request.caller, request.nonce, case, exhibit, request.body).await?;
    Ok(json(&Acknowledged { receipt }))
}

pub(super) async fn act(shared: web::Data<Shared>, path: Exhibit, request: ActOf<ActRequest>) -> Result<HttpResponse, Refusal> {
    let (case, exhibit) = ids(&path)?;
    let vault = &shared.vault;
    let intent = Vault::intent_of(&request.caller, &request.body.intent, case)?;
    if intent.exhibit != Some(exhibit) {
        return Err(Refusal::Malformed("the intent names another exhibit than the path".to_owned()));
    }
    let receipt = vault.enter_one(Some(request.nonce), Act { intent: intent.clone(), attachment: Attachment::None }).await?;
    if acts::opens(&intent.body) {
        return Ok(json(&vault.release(&intent, receipt).await?));
    }
    if matches!(intent.body, Body::Erasure(Erasure::Confirm { .. })) {
        vault.delete_erased_objects().await;
    }
    Ok(json(&Acknowledged { receipt }))
}

pub(super) async fn records(
    shared: web::Data<Shared>,
    caller: Caller,
    path: Exhibit,
    from: web::Query<From>,
) -> Result<HttpResponse, Refusal> {
    let (case, exhibit) = ids(&path)?;
    Ok(json(&shared.vault.records(&caller, case, Some(exhibit), from.from).await?))
}

pub(super) async fn objects(shared: web::Data<Shared>, caller: Caller, path: Exhibit) -> Result<HttpResponse, Refusal> {
    let (case, exhibit) = ids(&path)?;
    Ok(json(&shared.vault.stored_objects(&caller, case, exhibit).await?))
}

pub(super) async fn put_object(
    shared: web::Data<Shared>,
    caller: Caller,
    path: Object,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Refusal> {
    let (case, exhibit, name) = (id(&path.0, "case id")?, id(&path.1, "exhibit id")?, id(&path.2, "object name")?);
    let length = match declared_length(&request)? {
        Some(length) if (1..=MAX_OBJECT_BYTES).contains(&length) => length,
        Some(0) => return Err(Refusal::Malformed("an object is not empty".to_owned())),
        Some(_) => return Err(Refusal::TooLarge("the object")),
        None => return Err(Refusal::Malformed("an object comes with its content-length".to_owned())),
    };
    // Who may not upload does not get to fill memory.
    shared.vault.require_member(&caller, case).await?;
    let room = shared.vault.uploads.room_for(length as u64).await?;
    let bytes = read_body_into(&request, payload.into_inner(), MAX_OBJECT_BYTES, "the object", room.buffer()).await?;
    shared.vault.put_object(&caller, case, exhibit, name, room.hold(bytes)).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub(super) async fn get_object(
    shared: web::Data<Shared>,
    caller: Caller,
    path: Object,
    request: HttpRequest,
) -> Result<HttpResponse, Refusal> {
    let (case, exhibit, name) = (id(&path.0, "case id")?, id(&path.1, "exhibit id")?, id(&path.2, "object name")?);
    let malformed = || Refusal::Malformed("a range is written bytes=FIRST-LAST, one only".to_owned());
    let range = match request.headers().get(RANGE) {
        None => None,
        Some(value) => Some(value.to_str().ok().and_then(byte_range).ok_or_else(malformed)?),
    };
    let (bytes, size) = shared.vault.get_object(&caller, case, exhibit, name, range.clone()).await?;
    let mut answer = match &range {
        None => HttpResponse::Ok(),
        Some(range) => {
            let mut answer = HttpResponse::PartialContent();
            answer.insert_header((CONTENT_RANGE, format!("bytes {}-{}/{size}", range.start, range.end - 1)));
            answer
        }
    };
    Ok(answer.content_type("application/octet-stream").insert_header(("cache-control", "private, no-store")).body(in_pieces(bytes)))
}

/// A body that is handed to the connection piece by piece, since it copies what it is handed.
fn in_pieces(mut bytes: Bytes) -> SizedStream<impl futures::Stream<Item = Result<Bytes, Refusal>>> {
    let length = bytes.len() as u64;
    SizedStream::new(
        length,
        futures::stream::iter(core::iter::from_fn(move || {
            let piece = bytes.split_to(bytes.len().min(PIECE));
            (!piece.is_empty()).then_some(Ok(piece))
        })),
    )
}

/// Reads `bytes=FIRST-LAST`, both included. Source: RFC 9110 §14.1.2.
fn byte_range(text: &str) -> Option<Range> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let digits = |text: &str| if text.bytes().all(|c| c.is_ascii_digit()) { text.parse::<u64>().ok() } else { None };
    let (first, last) = (digits(first)?, digits(last)?);
    (first <= last).then(|| first..last.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_closed_range_is_read() {
        assert_eq!(byte_range("bytes=0-9"), Some(0..10));
        assert_eq!(byte_range("bytes=5-5"), Some(5..6));
        for bad in ["bytes=5-4", "bytes=-5", "bytes=5-", "bytes=0-1,3-4", "items=0-1", "bytes=+1-2", "", "bytes=-"] {
            assert_eq!(byte_range(bad), None, "{bad}");
        }
    }
}
