//! Asking somebody else over HTTP, and remembering how that went.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Url};

use crate::config::Problem;
use crate::error::StartError;

/// The longest answer that is read, in bytes: a stamp is at most 64 KiB, 100 signature lines are shorter than a note.
const MAX_ANSWER_BYTES: usize = 128 * 1024;

/// How others are reached: time limit and TLS authorities.
pub(super) struct Way {
    client: Client,
}

impl Way {
    pub fn new(section: &str, timeout_seconds: u64, tls_authorities: Option<&Path>) -> Result<Self, StartError> {
        let key = format!("{section}.tls_authorities");
        let wrong = |message: String| {
            let next = "Name a file of certificates in PEM.".to_owned();
            StartError::Config(vec![Problem { line: None, key: key.clone(), message, next }])
        };
        let limit = Duration::from_secs(timeout_seconds);
        let mut builder = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).connect_timeout(limit).timeout(limit);
        if let Some(path) = tls_authorities {
            let text = std::fs::read(path).map_err(|error| wrong(format!("{}: {error}", path.display())))?;
            let roots = reqwest::Certificate::from_pem_bundle(&text).map_err(|error| wrong(format!("{}: {error}", path.display())))?;
            builder = builder.tls_certs_only(roots);
        }
        Ok(Self { client: builder.build().map_err(|error| wrong(error.to_string()))? })
    }

    /// Somebody at a URL.
    pub fn to(&self, key: &str, url: &str) -> Result<Peer, StartError> {
        let usable = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = usable.ok_or_else(|| {
            let next = "Write an address that begins with https:// or http://.".to_owned();
            StartError::Config(vec![Problem { line: None, key: key.to_owned(), message: format!("{url:?} is no such address"), next }])
        })?;
        Ok(Peer { client: self.client.clone(), url, said: Mutex::default() })
    }
}

/// What somebody answered.
pub(super) struct Answered {
    pub status: u16,
    pub media: String,
    pub body: Vec<u8>,
}

/// Somebody who is asked, and what was wrong the last time.
pub(super) struct Peer {
    client: Client,
    url: Url,
    said: Mutex<Option<String>>,
}

impl Peer {
    /// Sends a body and reads the answer, within the time limit.
    ///
    /// # Errors
    /// Why there is no answer, in words.
    pub async fn ask(&self, media: &'static str, body: impl Into<Bytes>) -> Result<Answered, String> {
        let request = self.client.post(self.url.clone()).header(CONTENT_TYPE, media).body(body.into());
        let answer = request.send().await.map_err(|error| no_answer(&error))?;
        let status = answer.status().as_u16();
        let media = answer.headers().get(CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default().to_owned();
        let mut body = Vec::new();
        let mut parts = answer.bytes_stream();
        while let Some(part) = parts.next().await {
            let part = part.map_err(|error| no_answer(&error))?;
            if body.len() + part.len() > MAX_ANSWER_BYTES {
                return Err(format!("its answer is over {MAX_ANSWER_BYTES} bytes"));
            }
            body.extend_from_slice(&part);
        }
        Ok(Answered { status, media, body })
    }

    /// Logs what is wrong, or that nothing is any more, once for each change.
    pub fn report(&self, who: &str, trouble: Option<String>) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if *said == trouble {
            return;
        }
        if let Some(trouble) = &trouble {
            tracing::warn!(peer = who, trouble, "no cosignature or stamp came; it is asked for again at the next turn");
        } else {
            tracing::info!(peer = who, "cosignatures or stamps come again");
        }
        *said = trouble;
    }
}

/// Why no answer came: the innermost reason, without the address.
fn no_answer(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it does not answer in time".to_owned();
    }
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    format!("it cannot be reached: {inner}")
}
