//! Requests to the server: signed, limited, and sent again where that is harmless.
//!
//! Every act carries an intent id, so a request that broke half-way is sent again as it is and answered with the first answer. TLS takes
//! X25519MLKEM768 alone; plain HTTP is spoken to loopback alone.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use custodia_api::error::{ErrorBody, ErrorCode};
use custodia_api::limits::{MAX_JSON_BYTES, MAX_OBJECT_BYTES};
use custodia_api::signature::{Covered, Parameters, content_digest};
use custodia_core::custody::receipt::Receipt;
use custodia_core::digest::Sha256Digest;
use ed25519_dalek::SigningKey;
use futures::StreamExt as _;
use reqwest::header::{CONTENT_TYPE, RANGE};
use reqwest::{Method, Request, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::{Clock, random};

mod address;

pub use address::ServerAddress;
use address::{is_loopback, tls, tls_error, tls_failure};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the server may stay silent within one answer; a long answer may take longer as a whole.
const READ_TIMEOUT: Duration = Duration::from_mins(1);
/// Pauses before the second and later attempts.
const PAUSES: [Duration; 4] = [Duration::from_millis(200), Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

/// Why a request did not lead to what was asked for, by whose fault it is.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address cannot be used; the caller's fault.
    #[error("the server's address cannot be used: {0}")]
    Address(&'static str),
    /// A rule refused the act.
    #[error("refused by rule {}: {message}. {next}", rule.as_deref().unwrap_or("of access"))]
    Refused {
        /// Id of the rule.
        rule: Option<String>,
        /// What is wrong.
        message: String,
        /// What to do next.
        next: String,
        /// The receipt of the refusal's own entry; not verified here.
        receipt: Option<Box<Receipt>>,
    },
    /// Another commit won the epoch.
    #[error("another change of the members came first; the group is now in epoch {epoch}")]
    Stale {
        /// The group's current epoch.
        epoch: u64,
    },
    /// No such thing, or none that this device may know of.
    #[error("{message}. {next}")]
    NotFound {
        /// What is not there.
        message: String,
        /// What to do next.
        next: String,
    },
    /// The server does not accept this device, its certificate or its clock.
    #[error("{message}. {next}")]
    NotAuthenticated {
        /// Which of these.
        code: ErrorCode,
        /// What is wrong.
        message: String,
        /// What to do next.
        next: String,
    },
    /// Objects of a collection are not all stored.
    #[error("the server does not hold all objects of the exhibit yet")]
    ObjectsMissing,
    /// The server does not take the request as this program made it.
    #[error("the server does not take the request ({code:?}): {message}. {next}")]
    NotTaken {
        /// Its code.
        code: ErrorCode,
        /// What is wrong.
        message: String,
        /// What to do next.
        next: String,
    },
    /// No answer, or none that is whole; nothing is known about what became of the act.
    #[error("the server does not answer: {0}")]
    Unavailable(String),
    /// An answer that is not of the contract.
    #[error("the server's answer is not of the contract: {0}")]
    Misbehaved(&'static str),
}

impl HttpError {
    /// Whether the same request may yet succeed.
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    fn from_body(body: ErrorBody) -> Self {
        let ErrorBody { code, message, next, rule, epoch, receipt } = body;
        match code {
            ErrorCode::NotPermitted => Self::Refused { rule, message, next, receipt },
            ErrorCode::StaleEpoch => epoch.map_or(Self::Misbehaved("a stale epoch without the current one"), |epoch| Self::Stale { epoch }),
            ErrorCode::NotFound => Self::NotFound { message, next },
            ErrorCode::NotAuthenticated
            | ErrorCode::ClockSkew
            | ErrorCode::Replayed
            | ErrorCode::UnknownDevice
            | ErrorCode::DeviceNotInGoodStanding => Self::NotAuthenticated { code, message, next },
            ErrorCode::ObjectsMissing => Self::ObjectsMissing,
            ErrorCode::TooMany | ErrorCode::Unavailable | ErrorCode::Internal => Self::Unavailable(message),
            ErrorCode::Malformed | ErrorCode::TooLarge | ErrorCode::Conflict | ErrorCode::DigestMismatch => {
                Self::NotTaken { code, message, next }
            }
        }
    }
}

/// By whom requests are signed.
#[derive(Clone)]
pub struct RequestKey {
    /// Certificate id of the device.
    pub certificate: Sha256Digest,
    /// The device's key.
    pub key: SigningKey,
}

impl core::fmt::Debug for RequestKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("RequestKey").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// What of a body is covered by the request's signature.
enum Body<'a> {
    None,
    Json(&'a str),
    /// Its BLAKE3 digest is the last part of the path.
    Object(Bytes),
}

/// One server, spoken to by one device or by nobody yet.
#[derive(Debug, Clone)]
pub struct Http {
    client: reqwest::Client,
    base: Url,
    authority: String,
    clock: Clock,
    signer: Option<Arc<RequestKey>>,
}

impl Http {
    /// Prepares requests to a server; nothing is sent.
    ///
    /// # Errors
    /// [`HttpError::Address`]: not `http` or `https`, a path or credentials in it, plain HTTP beyond loopback.
    pub fn new(address: &ServerAddress, clock: Clock) -> Result<Self, HttpError> {
        let base = Url::parse(&address.url).map_err(|_| HttpError::Address("it is not a URL"))?;
        if base.path() != "/"
            || base.query().is_some()
            || base.fragment().is_some()
            || !base.username().is_empty()
            || base.password().is_some()
        {
            return Err(HttpError::Address("it names more than scheme, host and port"));
        }
        let host = base.host_str().ok_or(HttpError::Address("it names no host"))?.to_ascii_lowercase();
        match base.scheme() {
            "https" => {}
            "http" if is_loopback(&base) => {}
            "http" => return Err(HttpError::Address("plain HTTP is spoken to this machine alone; use https")),
            _ => return Err(HttpError::Address("it begins neither with https:// nor with http://")),
        }
        let authority = base.port().map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls(&address.tls_roots)?)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .http1_only()
            .build()
            .map_err(|_| HttpError::Address("TLS cannot be set up"))?;
        Ok(Self { client, base, authority, clock, signer: None })
    }

    /// The same server, spoken to by this device.
    #[must_use]
    pub fn signed_by(self, signer: RequestKey) -> Self {
        Self { signer: Some(Arc::new(signer)), ..self }
    }

    fn request(&self, method: &Method, target: &str, body: &Body<'_>) -> Result<Request, HttpError> {
        let url = self.base.join(target).map_err(|_| HttpError::Address("a path cannot be joined to it"))?;
        let digest = match body {
            Body::Json(text) => Some(content_digest(text.as_bytes())),
            Body::None | Body::Object(_) => None,
        };
        let headers = self.signer.as_ref().map(|signer| {
            let covered = Covered {
                method: method.as_str(),
                authority: &self.authority,
                path: url.path(),
                query: url.query().unwrap_or_default(),
                content_digest: digest.as_deref(),
            };
            Parameters { created: self.clock.seconds(), nonce: random(), keyid: signer.certificate }.sign(&covered, &signer.key)
        });
        let mut request = self.client.request(method.clone(), url);
        if let Some(digest) = digest {
            request = request.header("content-digest", digest);
        }
        if let Some(headers) = headers {
            request = request.header("signature-input", headers.input).header("signature", headers.signature);
        }
        request = match body {
            Body::None => request,
            Body::Json(text) => request.header(CONTENT_TYPE, "application/json").body((*text).to_owned()),
            Body::Object(bytes) => request.header(CONTENT_TYPE, "application/octet-stream").body(bytes.clone()),
        };
        request.build().map_err(|_| HttpError::Address("a request cannot be made for it"))
    }

    /// One attempt; an answer that is not a success becomes an error.
    async fn attempt(&self, method: &Method, target: &str, body: &Body<'_>, range: Option<&str>) -> Result<Response, HttpError> {
        let mut request = self.request(method, target, body)?;
        if let Some(range) = range {
            request.headers_mut().insert(RANGE, range.parse().expect("a range of two numbers is a header value"));
        }
        let answer = self.client.execute(request).await.map_err(|error| self.unanswered(error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let bytes = read_limited(answer, 1024 * 1024).await?;
        let parsed: Result<ErrorBody, _> = serde_json::from_slice(&bytes);
        Err(match parsed {
            Ok(body) if body.code.status() == status.as_u16() => HttpError::from_body(body),
            _ if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                HttpError::Unavailable(format!("it answers {status}"))
            }
            _ => HttpError::Misbehaved("a refusal without its reason"),
        })
    }

    /// A request that was not answered; what takes plain HTTP for broken TLS hangs up without a word.
    fn unanswered(&self, error: reqwest::Error) -> HttpError {
        if self.base.scheme() == "http" && !error.is_connect() && !error.is_timeout() {
            let text = "it broke off. If it speaks TLS at that address, begin the address with https://";
            return HttpError::Unavailable(text.to_owned());
        }
        unavailable(error)
    }

    /// Sends until there is an answer, a few times.
    async fn send(&self, method: Method, target: &str, body: Body<'_>, range: Option<&str>, limit: usize) -> Result<Bytes, HttpError> {
        let mut pauses = PAUSES.into_iter();
        loop {
            let answer = match self.attempt(&method, target, &body, range).await {
                Ok(answer) if range.is_some() && answer.status() != StatusCode::PARTIAL_CONTENT => {
                    return Err(HttpError::Misbehaved("a whole object where a range was asked for"));
                }
                Ok(answer) => read_limited(answer, limit).await,
                Err(error) => Err(error),
            };
            match (answer, pauses.next()) {
                (Err(error), Some(pause)) if error.is_passing() => {
                    tracing::debug!(path = target, %error, "a request is sent again");
                    tokio::time::sleep(pause).await;
                }
                (answer, _) => return answer,
            }
        }
    }

    /// `GET` of a JSON answer.
    ///
    /// # Errors
    /// Every variant but [`HttpError::Stale`].
    pub async fn get<T: DeserializeOwned>(&self, target: &str) -> Result<T, HttpError> {
        let bytes = self.send(Method::GET, target, Body::None, None, MAX_JSON_BYTES).await?;
        serde_json::from_slice(&bytes).map_err(|_| HttpError::Misbehaved("not the JSON that the path promises"))
    }

    /// `GET` of a text, at most `limit` bytes.
    ///
    /// # Errors
    /// Every variant but [`HttpError::Stale`].
    pub async fn get_text(&self, target: &str, limit: usize) -> Result<String, HttpError> {
        let bytes = self.send(Method::GET, target, Body::None, None, limit).await?;
        String::from_utf8(bytes.into()).map_err(|_| HttpError::Misbehaved("not text"))
    }

    /// `POST` of a JSON body; the same text is sent at every attempt.
    ///
    /// # Errors
    /// Every variant.
    pub async fn post_text<T: DeserializeOwned>(&self, target: &str, body: &str) -> Result<T, HttpError> {
        let bytes = self.send(Method::POST, target, Body::Json(body), None, MAX_JSON_BYTES).await?;
        serde_json::from_slice(&bytes).map_err(|_| HttpError::Misbehaved("not the JSON that the path promises"))
    }

    /// `POST` of a body of the contract.
    ///
    /// # Errors
    /// Every variant.
    pub async fn post<T: DeserializeOwned>(&self, target: &str, body: &(impl Serialize + Sync)) -> Result<T, HttpError> {
        self.post_text(target, &to_json(body)?).await
    }

    /// `PUT` of an object under the path that ends with its name; the caller computed the name from these bytes.
    ///
    /// # Errors
    /// Every variant but [`HttpError::Stale`].
    pub async fn put_object(&self, target: &str, object: Bytes) -> Result<(), HttpError> {
        self.send(Method::PUT, target, Body::Object(object), None, MAX_JSON_BYTES).await.map(drop)
    }

    /// `GET` of a whole object. That its digest is its name is for the caller to check.
    ///
    /// # Errors
    /// Every variant but [`HttpError::Stale`].
    pub async fn object(&self, target: &str) -> Result<Bytes, HttpError> {
        self.send(Method::GET, target, Body::None, None, MAX_OBJECT_BYTES).await
    }

    /// `GET` of `length` bytes of an object from `offset` on. Fewer bytes come back at the object's end.
    ///
    /// # Errors
    /// Every variant but [`HttpError::Stale`].
    pub async fn object_range(&self, target: &str, offset: u64, length: usize) -> Result<Bytes, HttpError> {
        let last = offset + length as u64 - 1;
        self.send(Method::GET, target, Body::None, Some(&format!("bytes={offset}-{last}")), length).await
    }
}

/// A body as the text that is signed and sent.
///
/// # Errors
/// [`HttpError::NotTaken`] if it exceeds what the server reads.
pub(crate) fn to_json(body: &impl Serialize) -> Result<String, HttpError> {
    let text = serde_json::to_string(body).expect("bodies of the contract serialise");
    if text.len() > MAX_JSON_BYTES {
        return Err(HttpError::NotTaken {
            code: ErrorCode::TooLarge,
            message: "the request would exceed 16 MiB".to_owned(),
            next: "Divide it into smaller acts".to_owned(),
        });
    }
    Ok(text)
}

#[expect(clippy::needless_pass_by_value, reason = "the form that map_err asks for")]
fn unavailable(error: reqwest::Error) -> HttpError {
    // The URL holds nothing secret but stays out: it is long, and the caller knows it.
    let mut text = String::new();
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&error);
    while let Some(inner) = cause {
        if let Some(tls) = tls_error(inner) {
            return HttpError::Unavailable(tls_failure(tls));
        }
        text = inner.to_string();
        cause = inner.source();
    }
    HttpError::Unavailable(if text.is_empty() { "the connection broke".to_owned() } else { text })
}

/// Reads an answer, refusing more than `limit` bytes before they are held.
async fn read_limited(answer: Response, limit: usize) -> Result<Bytes, HttpError> {
    let declared = answer.content_length();
    if declared.is_some_and(|length| length > limit as u64) {
        return Err(HttpError::Misbehaved("an answer over its limit"));
    }
    let mut bytes = BytesMut::with_capacity(usize::try_from(declared.unwrap_or(0)).unwrap_or(0));
    let mut stream = answer.bytes_stream();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(unavailable)?;
        if bytes.len() + chunk.len() > limit {
            return Err(HttpError::Misbehaved("an answer over its limit"));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

#[cfg(test)]
mod tests;
