//! The object store: does it keep, give back, refuse and delete as one must?

use std::sync::Arc;

use bytes::Bytes;
use object_store::aws::{AwsAuthorizer, AwsCredential};
use object_store::client::{HttpClient, HttpConnector as _, HttpRequest, HttpRequestBody, ReqwestConnector};
use object_store::path::Path;
use object_store::{ClientOptions, Error, ObjectStore, ObjectStoreExt as _, PutMode};

use super::{Finding, Grade};
use crate::config::{S3Config, StoreConfig};
use crate::keys;
use crate::objects::{self, Objects};

/// Contenders for one name.
const CONTENDERS: u8 = 8;
/// About as long as a sealed segment.
const SEGMENT: usize = 8 << 20;

pub(super) async fn examine(config: &StoreConfig) -> Vec<Finding> {
    let store = match Objects::open(config) {
        Ok(store) => store.store(),
        Err(error) => return vec![unusable(error.to_string())],
    };
    let Ok(name) = keys::random::<16>() else { return vec![unusable("the system gives no random bytes".to_owned())] };
    let folder = format!("doctor-{}", u128::from_be_bytes(name));
    let at = |name: &str| Path::from_iter([folder.as_str(), name]);
    let mut findings = vec![keeps(&*store, &at("kept")).await];
    if findings[0].grade != Grade::Bad {
        findings.push(create_twice(&*store, &at("kept")).await);
        findings.push(create_race(&*store, &at("race")).await);
        if let StoreConfig::S3(s3) = config {
            match Raw::new(s3, &folder).await {
                Ok(raw) => findings.extend(raw.examine().await),
                Err(error) => findings.push(unusable(error)),
            }
        }
    }
    findings.push(deletes(&*store, &[at("kept"), at("race"), at("wrong")]).await);
    findings
}

fn unusable(found: String) -> Finding {
    Finding::new(Grade::Bad, "object store", found, "It cannot be used. Mend what the message names.")
}

/// Writes a segment and reads it back, whole and in part.
async fn keeps(store: &dyn ObjectStore, at: &Path) -> Finding {
    let about = "object store: write and read";
    let bytes: Bytes = (0..SEGMENT).map(|place| u8::try_from(place % 251).unwrap_or_default()).collect::<Vec<u8>>().into();
    let tried = async {
        store.put(at, bytes.clone().into()).await?;
        let whole = store.get(at).await?.bytes().await?;
        let part = store.get_range(at, 1000..5000).await?;
        Ok::<_, Error>(whole == bytes && part == bytes.slice(1000..5000) && store.head(at).await?.size == SEGMENT as u64)
    };
    match tried.await {
        Ok(true) => Finding::new(Grade::Good, about, "8 MiB came back whole and in part", "Objects are kept as they were given."),
        Ok(false) => Finding::new(Grade::Bad, about, "other bytes came back", "Do not use this store: it does not keep what it is given."),
        Err(error) => Finding::new(Grade::Bad, about, error.to_string(), "It cannot be used. Mend what the message names."),
    }
}

async fn create(store: &dyn ObjectStore, at: &Path, byte: u8) -> Result<bool, Error> {
    match store.put_opts(at, vec![byte].into(), PutMode::Create.into()).await {
        Ok(_) => Ok(true),
        Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn create_twice(store: &dyn ObjectStore, at: &Path) -> Finding {
    let about = "object store: create twice";
    match create(store, at, 1).await {
        Ok(false) => Finding::new(Grade::Good, about, "the second is refused", "An object is not replaced by a conditional write."),
        Ok(true) => Finding::new(
            Grade::Note,
            about,
            "the second replaces the first",
            "Custodia does not rely on conditional writes: objects are named by their content.",
        ),
        Err(error) => {
            Finding::new(Grade::Note, about, error.to_string(), "Conditional writes are not offered; Custodia does not use them.")
        }
    }
}

async fn create_race(store: &dyn ObjectStore, at: &Path) -> Finding {
    let about = "object store: create at once";
    let outcomes = futures::future::join_all((0..CONTENDERS).map(|byte| create(store, at, byte))).await;
    let won: Vec<u8> = (0..CONTENDERS).zip(&outcomes).filter(|(_, outcome)| matches!(outcome, Ok(true))).map(|(byte, _)| byte).collect();
    let kept = match store.get(at).await {
        Ok(object) => object.bytes().await.ok().and_then(|bytes| bytes.first().copied()),
        Err(_) => None,
    };
    match (&won[..], kept) {
        ([winner], Some(kept)) if *winner == kept => {
            Finding::new(Grade::Good, about, format!("one of {CONTENDERS} wins, and is kept"), "Conditional writes exclude each other.")
        }
        ([], _) | (_, None) => {
            Finding::new(Grade::Note, about, "none is known to have won", "Conditional writes are not offered; Custodia does not use them.")
        }
        (several, Some(_)) => Finding::new(
            Grade::Note,
            about,
            format!("{} of {CONTENDERS} are told that they won", several.len()),
            "Custodia does not rely on conditional writes: objects are named by their content.",
        ),
    }
}

async fn deletes(store: &dyn ObjectStore, all: &[Path]) -> Finding {
    let about = "object store: delete";
    let meaning = "What is erased must go: give the server leave to delete objects.";
    for at in all {
        match store.delete(at).await {
            Ok(()) | Err(Error::NotFound { .. }) => {}
            Err(error) => return Finding::new(Grade::Bad, about, error.to_string(), meaning),
        }
        if !matches!(store.head(at).await, Err(Error::NotFound { .. })) {
            return Finding::new(Grade::Bad, about, "a deleted object is still there", meaning);
        }
    }
    Finding::new(Grade::Good, about, "what was deleted is gone", "An erased exhibit's objects go; see also the versions, if there are any.")
}

/// Requests that a well-behaved client never sends.
struct Raw {
    client: HttpClient,
    credential: Arc<AwsCredential>,
    region: String,
    bucket: String,
    folder: String,
}

impl Raw {
    async fn new(config: &S3Config, folder: &str) -> Result<Self, String> {
        let store = objects::bucket(config).map_err(|error| error.to_string())?;
        let options = ClientOptions::new().with_allow_http(config.allow_http);
        let endpoint = config.endpoint.clone().unwrap_or_else(|| format!("https://s3.{}.amazonaws.com", config.region));
        let prefix = config.prefix.as_ref().map(|prefix| format!("{prefix}/")).unwrap_or_default();
        Ok(Self {
            client: ReqwestConnector::default().connect(&options).map_err(|error| error.to_string())?,
            credential: store.credentials().get_credential().await.map_err(|error| error.to_string())?,
            region: config.region.clone(),
            bucket: format!("{}/{}", endpoint.trim_end_matches('/'), config.bucket),
            folder: format!("{prefix}{folder}"),
        })
    }

    /// Sends a request; `signed` by these keys over a body with that digest. Answers status and body.
    async fn send(
        &self,
        method: &str,
        url: &str,
        body: &'static [u8],
        signed: Option<(&AwsCredential, Option<[u8; 32]>)>,
    ) -> Result<(u16, String), String> {
        let mut request = HttpRequest::new(HttpRequestBody::from(Bytes::from_static(body)));
        *request.method_mut() = method.parse().map_err(|_| "no such method".to_owned())?;
        *request.uri_mut() = url.parse().map_err(|_| "the endpoint is no address".to_owned())?;
        if let Some((credential, digest)) = signed {
            let authorizer = AwsAuthorizer::new(credential, "s3", &self.region);
            authorizer.try_authorize(&mut request, digest.as_ref().map(|digest| &digest[..])).map_err(|error| error.to_string())?;
        }
        let answer = self.client.execute(request).await.map_err(|error| error.to_string())?;
        let status = answer.status().as_u16();
        let bytes = answer.into_body().bytes().await.map_err(|error| error.to_string())?;
        Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
    }

    async fn examine(&self) -> Vec<Finding> {
        let object = |name: &str| format!("{}/{}/{name}", self.bucket, self.folder);
        let other = AwsCredential { key_id: self.credential.key_id.clone(), secret_key: "another".to_owned(), token: None };
        let unsigned = self.send("GET", &object("kept"), b"", None).await;
        let stranger = self.send("GET", &object("kept"), b"", Some((&other, None))).await;
        let wrong = self.send("PUT", &object("wrong"), b"these bytes", Some((&self.credential, Some([7; 32])))).await;
        let versions = self.send("GET", &format!("{}?versioning", self.bucket), b"", Some((&self.credential, None))).await;
        let lock = self.send("GET", &format!("{}?object-lock", self.bucket), b"", Some((&self.credential, None))).await;
        vec![
            refuses("object store: unsigned request", unsigned, "Anybody who reaches the bucket can read its ciphertext: close it."),
            refuses("object store: wrong signature", stranger, "The store does not check who asks: do not use it."),
            wrong_checksum(wrong),
            setting(
                "object store: versions",
                versions,
                "Versions are on: what is erased stays as an older version until a lifecycle rule takes it.",
            ),
            setting(
                "object store: object lock",
                lock,
                "Locks are on: objects outlive a faulty server, and nothing is erased before its date.",
            ),
        ]
    }
}

type Answer = Result<(u16, String), String>;

fn refuses(about: &'static str, answer: Answer, otherwise: &'static str) -> Finding {
    match answer {
        Ok((401 | 403, _)) => Finding::new(Grade::Good, about, "refused", "Only who holds the keys is answered."),
        Ok((status, _)) => Finding::new(Grade::Bad, about, format!("answered with status {status}"), otherwise),
        Err(error) => Finding::new(Grade::Bad, about, error, "It cannot be used. Mend what the message names."),
    }
}

fn wrong_checksum(answer: Answer) -> Finding {
    let about = "object store: wrong checksum";
    match answer {
        Ok((400..=499, _)) => {
            Finding::new(Grade::Good, about, "refused", "Bytes that were damaged on the way are noticed by the store too.")
        }
        Ok((status, _)) => {
            let found = format!("accepted with status {status}");
            Finding::new(
                Grade::Note,
                about,
                found,
                "Damage on the way is noticed by Custodia alone, when an object is given out or scrubbed.",
            )
        }
        Err(error) => Finding::new(Grade::Note, about, error, "The store hangs up on it."),
    }
}

fn setting(about: &'static str, answer: Answer, on: &'static str) -> Finding {
    match answer {
        Ok((200, body)) if body.contains("Enabled") => Finding::new(Grade::Note, about, "on", on),
        Ok((200 | 404, _)) => Finding::new(Grade::Good, about, "off", "What is deleted is gone; keep backups by other means."),
        Ok((status, _)) => Finding::new(Grade::Note, about, format!("status {status}"), "The store does not tell; ask its operator."),
        Err(error) => Finding::new(Grade::Note, about, error, "The store does not tell; ask its operator."),
    }
}
