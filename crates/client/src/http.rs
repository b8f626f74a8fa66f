//! Requests to the server: signed, limited, and sent again where that is harmless.
//!
//! Every act carries an intent id, so a request that broke half-way is sent again as it is and answered with the first answer. TLS takes
//! X25519MLKEM768 alone; plain HTTP is spoken to loopback alone.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use custodia_api::error::ErrorBody;
use custodia_api::limits::{MAX_JSON_BYTES, MAX_OBJECT_BYTES};
use custodia_api::signature::{Covered, Parameters, content_digest};
use custodia_core::digest::Sha256Digest;
use ed25519_dalek::SigningKey;
use futures::StreamExt as _;
use reqwest::header::{CONTENT_TYPE, DATE, RANGE};
use reqwest::{Method, Request, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::{Clock, random};
use crate::log_view::Misbehaviour;
use crate::state::{State, head};

mod address;
mod error;

pub use address::ServerAddress;
use address::{is_loopback, tls, tls_error, tls_failure};
pub use custodia_api::error::ErrorCode;
pub use error::HttpError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the server may stay silent within one answer; a long answer may take longer as a whole.
const READ_TIMEOUT: Duration = Duration::from_mins(1);
/// How much of an answer that is not of the contract is kept as evidence.
const MAX_EVIDENCE_BYTES: usize = 64 * 1024;
/// Pauses before the second and later attempts.
const PAUSES: [Duration; 4] = [Duration::from_millis(200), Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

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
    /// Where misbehaviour is kept; weak, since a request under way must not keep a closed state in use.
    evidence: Option<Weak<State>>,
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
        Ok(Self { client, base, authority, clock, signer: None, evidence: None })
    }

    /// The same server, spoken to by this device.
    #[must_use]
    pub fn signed_by(self, signer: RequestKey) -> Self {
        Self { signer: Some(Arc::new(signer)), ..self }
    }

    /// The same server, whose misbehaviour is kept in this state.
    #[must_use]
    pub(crate) fn evidence_in(self, state: &Arc<State>) -> Self {
        Self { evidence: Some(Arc::downgrade(state)), ..self }
    }

    /// Keeps what proves the server wrong, if there is where to keep it. What was wrong is reported even if it cannot be kept.
    pub(crate) async fn keep_evidence(&self, misbehaviour: &Misbehaviour) {
        let Misbehaviour { finding, held, shown } = misbehaviour;
        tracing::error!(finding, "the server breaks its word");
        let Some(state) = self.evidence.as_ref().and_then(Weak::upgrade) else { return };
        let at = self.clock.claimed().as_str().to_owned();
        let evidence = head::Evidence { at, finding: (*finding).to_owned(), held: held.clone(), shown: shown.clone() };
        if let Err(error) = head::keep_evidence(&mut *state.connection().await, &evidence).await {
            tracing::error!(%error, "the evidence could not be kept");
        }
    }

    /// An answer that is not of the contract; its beginning is kept.
    async fn misbehaved(&self, finding: &'static str, target: &str, answer: &[u8]) -> HttpError {
        let beginning = &answer[..answer.len().min(MAX_EVIDENCE_BYTES)];
        let (held, shown) = (target.to_owned(), String::from_utf8_lossy(beginning).into_owned());
        self.keep_evidence(&Misbehaviour { finding, held, shown }).await;
        HttpError::Misbehaved(finding)
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
        let mut bytes = Vec::new();
        self.read_limited(answer, target, 1024 * 1024, &mut bytes).await?;
        let parsed: Result<ErrorBody, _> = serde_json::from_slice(&bytes);
        Err(match parsed {
            Ok(body) if body.code.status() == status.as_u16() => match HttpError::from_body(body) {
                HttpError::Misbehaved(finding) => self.misbehaved(finding, target, &bytes).await,
                error => error,
            },
            _ if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                HttpError::Unavailable(format!("it answers {status}"))
            }
            _ => self.misbehaved("a refusal without its reason", target, &bytes).await,
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
        let mut bytes = Vec::new();
        self.send_into(method, target, body, range, limit, &mut bytes).await?;
        Ok(bytes.into())
    }

    /// The same, with the answer in a buffer of the caller's, in the place of what that held.
    async fn send_into(
        &self,
        method: Method,
        target: &str,
        body: Body<'_>,
        range: Option<&str>,
        limit: usize,
        into: &mut Vec<u8>,
    ) -> Result<(), HttpError> {
        let mut pauses = PAUSES.into_iter();
        loop {
            let answer = match self.attempt(&method, target, &body, range).await {
                Ok(answer) if range.is_some() && answer.status() != StatusCode::PARTIAL_CONTENT => {
                    return Err(self.misbehaved("a whole object where a range was asked for", target, &[]).await);
                }
                Ok(answer) => self.read_limited(answer, target, limit, into).await,
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

    async fn parsed<T: DeserializeOwned>(&self, target: &str, bytes: &[u8]) -> Result<T, HttpError> {
        match serde_json::from_slice(bytes) {
            Ok(parsed) => Ok(parsed),
            Err(_) => Err(self.misbehaved("not the JSON that the path promises", target, bytes).await),
        }
    }

    /// Reads an answer in the place of what `into` held, refusing more than `limit` bytes before they are held.
    async fn read_limited(&self, answer: Response, target: &str, limit: usize, into: &mut Vec<u8>) -> Result<(), HttpError> {
        let declared = answer.content_length();
        if declared.is_some_and(|length| length > limit as u64) {
            return Err(self.misbehaved("an answer over its limit", target, &[]).await);
        }
        into.clear();
        into.reserve(usize::try_from(declared.unwrap_or(0)).unwrap_or(0));
        let mut stream = answer.bytes_stream();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(unavailable)?;
            if into.len() + chunk.len() > limit {
                return Err(self.misbehaved("an answer over its limit", target, into).await);
            }
            into.extend_from_slice(&chunk);
        }
        Ok(())
    }

    /// `GET` of a JSON answer.
    ///
    /// # Errors
    /// Every variant but [`HttpError::Stale`].
    pub async fn get<T: DeserializeOwned>(&self, target: &str) -> Result<T, HttpError> {
        let bytes = self.send(Method::GET, target, Body::None, None, MAX_JSON_BYTES).await?;
        self.parsed(target, &bytes).await
    }

    /// `GET` of a text, at most `limit` bytes.
    ///
    /// # Errors
    /// Every variant but [`HttpError::Stale`].
    pub async fn get_text(&self, target: &str, limit: usize) -> Result<String, HttpError> {
        let bytes = self.send(Method::GET, target, Body::None, None, limit).await?;
        match String::from_utf8(bytes.into()) {
            Ok(text) => Ok(text),
            Err(error) => Err(self.misbehaved("not text", target, error.as_bytes()).await),
        }
    }

    /// `GET` of a text, once, with the date that stands over the answer.
    ///
    /// # Errors
    /// Every variant but [`HttpError::Stale`].
    pub(crate) async fn get_text_dated(&self, target: &str, limit: usize) -> Result<(String, Option<String>), HttpError> {
        let answer = self.attempt(&Method::GET, target, &Body::None, None).await?;
        let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok()).map(str::to_owned);
        let mut bytes = Vec::new();
        self.read_limited(answer, target, limit, &mut bytes).await?;
        match String::from_utf8(bytes) {
            Ok(text) => Ok((text, date)),
            Err(error) => Err(self.misbehaved("not text", target, error.as_bytes()).await),
        }
    }

    /// `POST` of a JSON body; the same text is sent at every attempt.
    ///
    /// # Errors
    /// Every variant.
    pub async fn post_text<T: DeserializeOwned>(&self, target: &str, body: &str) -> Result<T, HttpError> {
        let bytes = self.send(Method::POST, target, Body::Json(body), None, MAX_JSON_BYTES).await?;
        self.parsed(target, &bytes).await
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

    /// As [`Self::object`], in the place of what a buffer held.
    pub(crate) async fn object_into(&self, target: &str, into: &mut Vec<u8>) -> Result<(), HttpError> {
        self.send_into(Method::GET, target, Body::None, None, MAX_OBJECT_BYTES, into).await
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

#[cfg(test)]
mod tests;
