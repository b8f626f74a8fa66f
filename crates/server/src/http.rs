//! The HTTP surface. Handlers are thin: parse, call the vault, map a refusal to its body. `docs/spec/http.md` is the page for others.

mod cases;
mod exhibits;
mod log;

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError, web};

use crate::error::Refusal;
use crate::strangers::Strangers;
use crate::vault::Vault;

/// What every handler shares.
pub(crate) struct Shared {
    pub vault: Arc<Vault>,
    /// What clients may name as this server.
    pub authorities: Vec<String>,
    /// Bounds what is refused before anybody knows who sent it.
    pub strangers: Strangers,
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.code().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::build(self.status_code()).insert_header(("cache-control", "no-store")).json(self.body())
    }
}

/// A JSON answer that nobody may keep: some hold shares.
fn json(body: &impl serde::Serialize) -> HttpResponse {
    HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(body)
}

/// The query `?from=NUMBER`.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct From {
    #[serde(default)]
    from: u64,
}

/// The query `?from=EPOCH&generation=GENERATION`.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct FromEpoch {
    #[serde(default)]
    from: u64,
    generation: Option<u32>,
}

/// One path with its method and the function that answers it.
macro_rules! routes {
    ($($method:ident $path:literal => $handler:path),* $(,)?) => {
        /// Every path with its method, as `docs/spec/http.md` and `openapi.json` list them.
        #[cfg(test)]
        pub(crate) const ROUTES: &[(&str, &str)] = &[$((stringify!($method), $path)),*];

        /// Adds the routes to an application.
        pub(crate) fn configure(service: &mut web::ServiceConfig) {
            service.app_data(web::QueryConfig::default().error_handler(|error, _| Refusal::Malformed(format!("the query: {error}")).into()));
            $(service.route($path, web::$method().to($handler));)*
            service.default_service(web::to(nothing));
        }
    };
}

routes! {
    get "/v1/server" => log::server,
    get "/v1/openapi.json" => log::openapi,
    get "/checkpoint" => log::checkpoint,
    get "/tile/{path:.*}" => log::tile,
    get "/v1/log/consistency" => log::consistency,
    get "/v1/log/kept" => log::kept,
    post "/v1/log/cosignatures" => log::cosignatures,
    get "/v1/log/records" => log::records,
    post "/v1/log/read" => log::read,
    post "/v1/registry" => log::registry,
    get "/v1/registry/records" => log::registry_records,
    post "/v1/key-packages" => cases::upload_key_packages,
    get "/v1/key-packages/count" => cases::count_key_packages,
    post "/v1/key-packages/claim" => cases::claim_key_packages,
    get "/v1/welcomes" => cases::welcomes,
    get "/v1/cases" => cases::list,
    post "/v1/cases" => cases::create,
    get "/v1/cases/{case}/records" => cases::records,
    get "/v1/cases/{case}/changes" => cases::changes,
    post "/v1/cases/{case}/changes" => cases::change,
    get "/v1/cases/{case}/group" => cases::group,
    post "/v1/cases/{case}/succession" => cases::succeed,
    post "/v1/cases/{case}/acts" => cases::act,
    get "/v1/cases/{case}/grants" => cases::grants,
    post "/v1/cases/{case}/grants" => cases::grant,
    get "/v1/cases/{case}/exhibits" => exhibits::list,
    get "/v1/cases/{case}/exhibits/{exhibit}" => exhibits::show,
    post "/v1/cases/{case}/exhibits/{exhibit}" => exhibits::collect,
    post "/v1/cases/{case}/exhibits/{exhibit}/acts" => exhibits::act,
    get "/v1/cases/{case}/exhibits/{exhibit}/records" => exhibits::records,
    get "/v1/cases/{case}/exhibits/{exhibit}/objects" => exhibits::objects,
    put "/v1/cases/{case}/exhibits/{exhibit}/objects/{name}" => exhibits::put_object,
    get "/v1/cases/{case}/exhibits/{exhibit}/objects/{name}" => exhibits::get_object,
}

async fn nothing() -> Result<HttpResponse, Refusal> {
    Err(Refusal::NotFound("path"))
}

/// An identifier in a path.
fn id<T: core::str::FromStr>(text: &str, what: &'static str) -> Result<T, Refusal> {
    text.parse().map_err(|_| Refusal::Malformed(format!("the path holds no {what}")))
}
