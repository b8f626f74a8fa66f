//! Cases: founding, commits, Welcomes, grants, key packages, acts on a case.

use actix_web::{HttpResponse, web};
use custodia_api::messages::{
    Acknowledged, Act as ActRequest, ChangeMembers, Changed, ClaimKeyPackages, CreateCase, GrantUpload, SucceedGroup, UploadKeyPackages,
};
use custodia_core::custody::intent::UnverifiedIntent;
use custodia_core::custody::kind::Kind;
use custodia_core::ids::CaseId;

use super::{From, FromEpoch, Shared, id, json};
use crate::auth::{ActOf, Caller, Signed};
use crate::error::Refusal;
use crate::sequencer::{Act, Attachment, ChangeMessage};
use crate::vault::Vault;

/// The most grants that go with one commit.
const MAX_GRANTS: usize = 4096;

pub(super) async fn upload_key_packages(shared: web::Data<Shared>, request: Signed<UploadKeyPackages>) -> Result<HttpResponse, Refusal> {
    Ok(json(&shared.vault.upload_key_packages(&request.caller, request.body).await?))
}

pub(super) async fn count_key_packages(shared: web::Data<Shared>, caller: Caller) -> Result<HttpResponse, Refusal> {
    Ok(json(&shared.vault.count_key_packages(&caller).await?))
}

pub(super) async fn claim_key_packages(shared: web::Data<Shared>, request: Signed<ClaimKeyPackages>) -> Result<HttpResponse, Refusal> {
    Ok(json(&shared.vault.claim_key_packages(&request.body.devices).await?))
}

pub(super) async fn welcomes(shared: web::Data<Shared>, caller: Caller) -> Result<HttpResponse, Refusal> {
    Ok(json(&shared.vault.welcomes(&caller).await?))
}

pub(super) async fn list(shared: web::Data<Shared>, caller: Caller) -> Result<HttpResponse, Refusal> {
    Ok(json(&shared.vault.cases(&caller).await?))
}

pub(super) async fn create(shared: web::Data<Shared>, request: ActOf<CreateCase>) -> Result<HttpResponse, Refusal> {
    let ActOf { caller, body, nonce } = request;
    let case = UnverifiedIntent::parse(&body.intent).map_err(|error| Refusal::Malformed(error.to_string()))?.unverified().case;
    let intent = Vault::intent_of(&caller, &body.intent, case)?;
    if intent.kind() != Kind::CaseCreate {
        return Err(Refusal::Malformed("only case.create is taken here".to_owned()));
    }
    let attachment = Attachment::Founding { group_info: body.group_info.0, ring_row: body.ring_row.0 };
    let receipt = shared.vault.enter_one(Some(nonce), Act { intent, attachment }).await?;
    Ok(json(&Acknowledged { receipt }))
}

pub(super) async fn records(
    shared: web::Data<Shared>,
    caller: Caller,
    case: web::Path<String>,
    from: web::Query<From>,
) -> Result<HttpResponse, Refusal> {
    Ok(json(&shared.vault.records(&caller, id(&case, "case id")?, None, from.from).await?))
}

pub(super) async fn changes(
    shared: web::Data<Shared>,
    caller: Caller,
    case: web::Path<String>,
    from: web::Query<FromEpoch>,
) -> Result<HttpResponse, Refusal> {
    Ok(json(&shared.vault.changes(&caller, id(&case, "case id")?, from.generation, from.from).await?))
}

pub(super) async fn group(shared: web::Data<Shared>, caller: Caller, case: web::Path<String>) -> Result<HttpResponse, Refusal> {
    Ok(json(&shared.vault.group(&caller, id(&case, "case id")?).await?))
}

pub(super) async fn change(
    shared: web::Data<Shared>,
    case: web::Path<String>,
    request: ActOf<ChangeMembers>,
) -> Result<HttpResponse, Refusal> {
    let ActOf { caller, body, nonce } = request;
    let case: CaseId = id(&case, "case id")?;
    if body.grants.len() > MAX_GRANTS {
        return Err(Refusal::TooLarge("the list of grants"));
    }
    let intent = Vault::intent_of(&caller, &body.intent, case)?;
    if intent.kind() != Kind::MemberChange {
        return Err(Refusal::Malformed("only member.change is taken here".to_owned()));
    }
    let message = ChangeMessage {
        commit: body.commit.0,
        welcome: body.welcome.map(|bytes| bytes.0),
        ring_row: body.ring_row.map(|bytes| bytes.0),
        group_info: body.group_info.0,
    };
    let mut acts = vec![Act { intent, attachment: Attachment::Change(message) }];
    for grant in body.grants {
        acts.push(grant_act(&caller, case, grant)?);
    }
    Ok(json(&Changed { receipts: shared.vault.enter(Some(nonce), acts).await? }))
}

pub(super) async fn succeed(
    shared: web::Data<Shared>,
    case: web::Path<String>,
    request: ActOf<SucceedGroup>,
) -> Result<HttpResponse, Refusal> {
    let ActOf { caller, body, nonce } = request;
    let intent = Vault::intent_of(&caller, &body.intent, id(&case, "case id")?)?;
    if intent.kind() != Kind::GroupSucceed {
        return Err(Refusal::Malformed("only group.succeed is taken here".to_owned()));
    }
    let message = ChangeMessage {
        commit: body.commit.0,
        welcome: body.welcome.map(|bytes| bytes.0),
        ring_row: Some(body.ring_row.0),
        group_info: body.group_info.0,
    };
    let act = Act { intent, attachment: Attachment::Succession { founding: body.founding.0, message } };
    Ok(json(&Acknowledged { receipt: shared.vault.enter_one(Some(nonce), act).await? }))
}

fn grant_act(caller: &Caller, case: CaseId, grant: GrantUpload) -> Result<Act, Refusal> {
    let intent = Vault::intent_of(caller, &grant.intent, case)?;
    if intent.kind() != Kind::Disclosure {
        return Err(Refusal::Malformed("a grant is accounted for by a disclosure".to_owned()));
    }
    Ok(Act { intent, attachment: Attachment::Grant { jws: grant.grant } })
}

pub(super) async fn grant(
    shared: web::Data<Shared>,
    case: web::Path<String>,
    request: ActOf<GrantUpload>,
) -> Result<HttpResponse, Refusal> {
    let ActOf { caller, body, nonce } = request;
    let act = grant_act(&caller, id(&case, "case id")?, body)?;
    Ok(json(&Acknowledged { receipt: shared.vault.enter_one(Some(nonce), act).await? }))
}

pub(super) async fn act(shared: web::Data<Shared>, case: web::Path<String>, request: ActOf<ActRequest>) -> Result<HttpResponse, Refusal> {
    let ActOf { caller, body, nonce } = request;
    let intent = Vault::intent_of(&caller, &body.intent, id(&case, "case id")?)?;
    if !matches!(intent.kind(), Kind::MemberLeave | Kind::GroupReport | Kind::CaseRecovery) {
        return Err(Refusal::Malformed("only case.recovery, member.leave and group.report are taken here".to_owned()));
    }
    let receipt = shared.vault.enter_one(Some(nonce), Act { intent, attachment: Attachment::None }).await?;
    Ok(json(&Acknowledged { receipt }))
}

pub(super) async fn grants(
    shared: web::Data<Shared>,
    caller: Caller,
    case: web::Path<String>,
    from: web::Query<From>,
) -> Result<HttpResponse, Refusal> {
    Ok(json(&shared.vault.grants(&caller, id(&case, "case id")?, from.from).await?))
}
