//! Who sends a request: the signature of RFC 9421, checked before a body is read, and a nonce that serves once.
//!
//! A handler that takes a [`Caller`] or a [`Signed`] body cannot be reached without these checks, nor by a device that is revoked or expired;
//! a genuine act that such a device signs is entered as refused.

use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_LENGTH, HOST};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, web};
use custodia_api::limits::{MAX_JSON_BYTES, MAX_SKEW_SECONDS};
use custodia_api::signature::{Covered, Parameters, content_digest};
use custodia_core::digest::Sha256Digest;
use custodia_core::identity::{Certificate, Standing};
use custodia_core::ids::DeviceId;
use custodia_core::time::LogTime;
use futures::StreamExt as _;
use futures::future::LocalBoxFuture;

use crate::error::{REVOKED, Refusal};
use crate::http::Shared;
use crate::nonces::Nonce;
use crate::registry::Mirror;
use crate::store::devices;
use crate::vault::Vault;

/// A device whose request signature verified, whose certificate is in good standing, and whose nonce was fresh.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    id: Sha256Digest,
    certificate: Certificate,
    mirror: Arc<Mirror>,
}

impl Caller {
    /// The certificate id.
    pub const fn id(&self) -> Sha256Digest {
        self.id
    }

    /// The certificate.
    pub const fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The device, whatever its certificate is.
    pub fn device(&self) -> DeviceId {
        self.certificate.device()
    }

    /// A certificate of the caller's device: what was signed before a renewal is delivered after it.
    pub fn own_certificate(&self, id: Sha256Digest) -> Option<&Certificate> {
        self.mirror.certificate(id).filter(|certificate| certificate.device() == self.device())
    }

    /// The ids of the device's other certificates.
    pub fn other_certificates(&self) -> impl Iterator<Item = Sha256Digest> {
        self.mirror.registry().certificates_of(self.device()).map(|certificate| certificate.id().digest()).filter(|id| *id != self.id)
    }
}

/// A JSON body whose digest the signature covers, and who sent it; the nonce is used up.
pub(crate) struct Signed<T> {
    pub caller: Caller,
    pub body: T,
}

/// The same for an act, whose nonce is used up by the turn that enters it.
pub(crate) struct ActOf<T> {
    pub caller: Caller,
    pub body: T,
    pub nonce: Arc<Nonce>,
}

/// What a request claims, once its signature verified; the certificate need not be in good standing.
struct Verified {
    caller: Caller,
    standing: Standing,
    parameters: Parameters,
    now: u64,
    content_digest: Option<String>,
}

/// The one value of a header; a header that stands twice is as good as none.
fn header<'a>(request: &'a HttpRequest, name: &'static str) -> Result<&'a str, Refusal> {
    let mut values = request.headers().get_all(name);
    let value = values.next().filter(|_| values.next().is_none()).and_then(|value| value.to_str().ok());
    value.ok_or_else(|| Refusal::NotAuthenticated(format!("the request has not exactly one readable {name} header")))
}

/// The authority that was signed: `Host`, or `:authority` under HTTP/2. Forwarding headers do not count.
fn authority(request: &HttpRequest) -> Result<String, Refusal> {
    match request.uri().authority() {
        Some(authority) => Ok(authority.as_str().to_owned()),
        None => header(request, HOST.as_str()).map(str::to_owned),
    }
}

/// Where the device is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judged {
    /// Here alone.
    Here,
    /// Again within the turn that enters its act, by the registry of that moment.
    InItsTurn,
}

/// The registry of this moment. A device that the one in memory has in good standing needs no look at the database if its act is judged again.
async fn mirror(vault: &Vault, judged: Judged, keyid: Sha256Digest, now: LogTime) -> Result<Arc<Mirror>, Refusal> {
    let current = vault.registry.current();
    if judged == Judged::InItsTurn && current.standing(keyid, now) == Standing::Good {
        return Ok(current);
    }
    let mut conn = vault.store.read().await?;
    Ok(vault.registry.refreshed(&mut conn).await?)
}

async fn verify(shared: &Shared, request: &HttpRequest, with_digest: bool, judged: Judged) -> Result<Verified, Refusal> {
    let vault = &shared.vault;
    let refused = |error: custodia_api::signature::SignatureError| Refusal::NotAuthenticated(error.to_string());
    let parameters = Parameters::parse(header(request, "signature-input")?, with_digest).map_err(refused)?;
    let authority = authority(request)?;
    if !shared.authorities.contains(&authority) {
        return Err(Refusal::NotAuthenticated("the request was signed for another server's name".to_owned()));
    }
    let content_digest = if with_digest { Some(header(request, "content-digest")?.to_owned()) } else { None };
    let now = vault.clock.now();
    let mirror = mirror(vault, judged, parameters.keyid, now).await?;
    let certificate = mirror.certificate(parameters.keyid).ok_or(Refusal::UnknownDevice)?.clone();
    let covered = Covered {
        method: request.method().as_str(),
        authority: &authority,
        path: request.uri().path(),
        query: request.uri().query().unwrap_or_default(),
        content_digest: content_digest.as_deref(),
    };
    parameters.verify(&covered, header(request, "signature")?, certificate.key()).map_err(refused)?;
    if now.seconds().abs_diff(parameters.created) > MAX_SKEW_SECONDS {
        let signed = LogTime::from_millis(parameters.created.saturating_mul(1000)).unwrap_or(now);
        return Err(Refusal::ClockSkew { signed, now });
    }
    let standing = mirror.standing(parameters.keyid, now);
    let caller = Caller { id: parameters.keyid, certificate, mirror };
    Ok(Verified { caller, standing, parameters, now: now.seconds(), content_digest })
}

const fn standing_text(standing: Standing) -> &'static str {
    match standing {
        Standing::Good => "it is",
        Standing::Unknown => "nobody enrolled it",
        Standing::Revoked(_) => REVOKED,
        Standing::OfficeRemoved => "its office is not on the trust list",
        Standing::RootNotInForce => "the root that issued it is not in force",
        Standing::RoleWithdrawn => "its office may no longer certify its role",
        Standing::NotYetValid => "it is not valid yet",
        Standing::Expired => "it has expired",
    }
}

impl Verified {
    /// Refuses a certificate that is not in good standing.
    const fn demand_standing(&self) -> Result<(), Refusal> {
        match self.standing {
            Standing::Good => Ok(()),
            standing => Err(Refusal::NotInGoodStanding { standing: standing_text(standing), receipt: None }),
        }
    }

    /// The moment after which the request would be refused for its age.
    const fn expires(&self) -> u64 {
        self.parameters.created.saturating_add(MAX_SKEW_SECONDS)
    }

    /// Uses the nonce up, durably.
    async fn use_durably(self, vault: &Vault) -> Result<Caller, Refusal> {
        let mut write = vault.store.write().await?;
        devices::forget_nonces(write.conn(), self.now).await?;
        let fresh = devices::remember_nonce(write.conn(), self.caller.id, &self.parameters.nonce, self.expires()).await?;
        write.commit().await?;
        if fresh { Ok(self.caller) } else { Err(Refusal::Replayed) }
    }

    /// Keeps the nonce for the turn that enters the act.
    fn use_with_the_act(self, vault: &Vault) -> Result<(Caller, Arc<Nonce>), Refusal> {
        let nonce = vault.under_way.take(self.caller.id, self.parameters.nonce, self.expires())?;
        Ok((self.caller, nonce))
    }

    /// Uses the nonce up in this process.
    fn use_up(self, vault: &Vault) -> Result<Caller, Refusal> {
        vault.nonces.remember(self.caller.id, self.parameters.nonce, self.now, self.expires())?;
        Ok(self.caller)
    }
}

fn shared(request: &HttpRequest) -> Result<web::Data<Shared>, Refusal> {
    request.app_data::<web::Data<Shared>>().cloned().ok_or(Refusal::Internal("a route without the vault"))
}

/// Logs what was refused before anything could be entered, unless the address has had too much of that.
fn refused<'a>(shared: &'a Shared, request: &HttpRequest) -> impl Fn(Refusal) -> Refusal + use<'a> {
    let request = request.clone();
    move |refusal| count_stranger(shared, &request, &refusal).err().unwrap_or(refusal)
}

/// Logs a request of which nobody knows who sent it and that came to nothing.
///
/// # Errors
/// [`Refusal::TooMany`] if the address had too much of that; then it is not logged.
pub(crate) fn count_stranger(shared: &Shared, request: &HttpRequest, reason: &dyn std::fmt::Display) -> Result<(), Refusal> {
    let address = request.peer_addr().map(|address| address.ip());
    if !address.is_none_or(|address| shared.strangers.count(address)) {
        return Err(Refusal::TooMany("this address had too many requests refused within the minute"));
    }
    let path = request.match_pattern().unwrap_or_default();
    tracing::info!(http.method = %request.method(), http.route = path, %reason, "a request of nobody known was refused, or brought nothing");
    Ok(())
}

impl FromRequest for Caller {
    type Error = Refusal;
    type Future = LocalBoxFuture<'static, Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let shared = shared(&request)?;
            let verified = verify(&shared, &request, false, Judged::Here).await.map_err(refused(&shared, &request))?;
            verified.demand_standing().map_err(refused(&shared, &request))?;
            verified.use_up(&shared.vault).map_err(refused(&shared, &request))
        })
    }
}

/// A request whose signature and digest hold, with its body; its nonce is not used up yet.
async fn verified(shared: &Shared, request: &HttpRequest, payload: Payload, judged: Judged) -> Result<(Verified, Vec<u8>), Refusal> {
    let verified = verify(shared, request, true, judged).await.map_err(refused(shared, request))?;
    let bytes = read_body_into(request, payload, MAX_JSON_BYTES, "the body", Vec::new()).await?;
    if verified.content_digest.as_deref() != Some(content_digest(&bytes).as_str()) {
        return Err(refused(shared, request)(Refusal::NotAuthenticated("the body does not have its content-digest".to_owned())));
    }
    Ok((verified, bytes))
}

fn parsed<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(bytes).map_err(|error| Refusal::Malformed(error.to_string()))
}

impl<T: serde::de::DeserializeOwned + 'static> FromRequest for Signed<T> {
    type Error = Refusal;
    type Future = LocalBoxFuture<'static, Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let shared = shared(&request)?;
            let (verified, bytes) = verified(&shared, &request, payload, Judged::Here).await?;
            let standing = verified.demand_standing();
            let caller = verified.use_durably(&shared.vault).await.map_err(refused(&shared, &request))?;
            if let Err(refusal) = standing {
                return Err(shared.vault.enter_attempt(&caller, &bytes, refusal).await);
            }
            Ok(Self { caller, body: parsed(&bytes)? })
        })
    }
}

impl<T: serde::de::DeserializeOwned + 'static> FromRequest for ActOf<T> {
    type Error = Refusal;
    type Future = LocalBoxFuture<'static, Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let shared = shared(&request)?;
            let (verified, bytes) = verified(&shared, &request, payload, Judged::InItsTurn).await?;
            if let Err(refusal) = verified.demand_standing() {
                let caller = verified.use_durably(&shared.vault).await.map_err(refused(&shared, &request))?;
                return Err(shared.vault.enter_attempt(&caller, &bytes, refusal).await);
            }
            let (caller, nonce) = verified.use_with_the_act(&shared.vault).map_err(refused(&shared, &request))?;
            request.extensions_mut().insert(Arc::clone(&nonce));
            Ok(Self { caller, body: parsed(&bytes)?, nonce })
        })
    }
}

/// The length that a request declares.
pub(crate) fn declared_length(request: &HttpRequest) -> Result<Option<usize>, Refusal> {
    match request.headers().get(CONTENT_LENGTH) {
        None => Ok(None),
        Some(value) => {
            let length = value.to_str().ok().and_then(|text| text.parse().ok());
            length.map(Some).ok_or_else(|| Refusal::Malformed("content-length is no number".to_owned()))
        }
    }
}

/// Reads a body of at most `limit` bytes into a buffer; refuses a longer one before it is read, if it declares its length.
pub(crate) async fn read_body_into(
    request: &HttpRequest,
    mut payload: Payload,
    limit: usize,
    what: &'static str,
    mut bytes: Vec<u8>,
) -> Result<Vec<u8>, Refusal> {
    let declared = declared_length(request)?;
    if declared.is_some_and(|length| length > limit) {
        return Err(Refusal::TooLarge(what));
    }
    bytes.reserve(declared.unwrap_or_default());
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Refusal::Malformed("the body broke off".to_owned()))?;
        if bytes.len() + chunk.len() > limit {
            return Err(Refusal::TooLarge(what));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}
