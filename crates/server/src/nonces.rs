//! Nonces of requests: each serves once.
//!
//! Those of requests that change nothing are remembered by the process. Those of acts are written down durably *in the turn that enters the act*, so
//! that an act costs one flush of the database and not two; whatever else becomes of such a request, its nonce is written down before it is answered.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::HttpMessage as _;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web;
use custodia_core::digest::Sha256Digest;

use crate::error::Refusal;
use crate::http::Shared;
use crate::store::{Conn, StoreError, devices};
use crate::vault::Vault;

/// Whose nonce, and which.
pub(crate) type Key = (Sha256Digest, [u8; 16]);

/// Nonces of requests that change nothing, in memory: a replay within this process is refused, and the number held is bounded.
#[derive(Debug, Default)]
pub(crate) struct NonceCache(Mutex<HashMap<Key, u64>>);

impl NonceCache {
    const MOST: usize = 200_000;

    /// Remembers a nonce until `expires`.
    ///
    /// # Errors
    /// [`Refusal::Replayed`], or [`Refusal::TooMany`] if no more can be remembered.
    pub fn remember(&self, keyid: Sha256Digest, nonce: [u8; 16], now: u64, expires: u64) -> Result<(), Refusal> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= Self::MOST {
            held.retain(|_, until| *until >= now);
        }
        if held.len() >= Self::MOST {
            return Err(Refusal::TooMany("the server remembers as many requests as it can"));
        }
        match held.insert((keyid, nonce), expires) {
            Some(until) if until >= now => Err(Refusal::Replayed),
            _ => Ok(()),
        }
    }
}

/// Nonces of acts that are under way in this process.
#[derive(Debug, Clone, Default)]
pub(crate) struct UnderWay(Arc<Mutex<HashSet<Key>>>);

/// The nonce of an act that is under way. Nobody else has it while this lives.
#[derive(Debug)]
pub(crate) struct Nonce {
    keyid: Sha256Digest,
    value: [u8; 16],
    /// The moment after which the request would be refused for its age.
    expires: u64,
    /// A turn has tried to write it down.
    tried: AtomicBool,
    used: AtomicBool,
    under_way: UnderWay,
}

impl UnderWay {
    /// Takes the nonce of an act.
    ///
    /// # Errors
    /// [`Refusal::Replayed`]: a request with it is under way. One that was used before is found when it is written down.
    pub fn take(&self, keyid: Sha256Digest, value: [u8; 16], expires: u64) -> Result<Arc<Nonce>, Refusal> {
        if !self.0.lock().unwrap_or_else(PoisonError::into_inner).insert((keyid, value)) {
            return Err(Refusal::Replayed);
        }
        Ok(Arc::new(Nonce { keyid, value, expires, tried: AtomicBool::new(false), used: AtomicBool::new(false), under_way: self.clone() }))
    }
}

impl Drop for Nonce {
    fn drop(&mut self) {
        self.under_way.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&(self.keyid, self.value));
    }
}

impl Nonce {
    /// By what it is known again.
    pub const fn key(&self) -> Key {
        (self.keyid, self.value)
    }

    async fn remember(&self, conn: &mut Conn) -> Result<bool, StoreError> {
        devices::remember_nonce(conn, self.keyid, &self.value, self.expires).await
    }

    /// The turn that wrote it down has committed.
    pub fn is_used(&self) {
        self.used.store(true, Ordering::Release);
    }

    /// Uses it up by a transaction of its own, if no turn did. A turn of which nobody knows whether it committed may have: that is no replay, and such
    /// a turn has no other answer than that it failed.
    ///
    /// # Errors
    /// [`Refusal::Replayed`]; a database that does not answer.
    pub async fn use_up(&self, vault: &Vault) -> Result<(), Refusal> {
        if self.used.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut write = vault.store.write().await?;
        devices::forget_nonces(write.conn(), vault.clock.now().seconds()).await?;
        let fresh = self.remember(write.conn()).await?;
        write.commit().await?;
        self.is_used();
        if fresh || self.tried.load(Ordering::Acquire) { Ok(()) } else { Err(Refusal::Replayed) }
    }
}

/// Writes nonces down within a turn; answers those that were not used before. They count as used once the turn has committed: see
/// [`Nonce::is_used`].
pub(crate) async fn write_down(conn: &mut Conn, nonces: &[Arc<Nonce>]) -> Result<HashSet<Key>, StoreError> {
    let row = |nonce: &Arc<Nonce>| {
        nonce.tried.store(true, Ordering::Release);
        (nonce.keyid, nonce.value, nonce.expires)
    };
    devices::remember_nonces(conn, &nonces.iter().map(row).collect::<Vec<_>>()).await
}

/// Lets no answer to an act leave before its nonce is used up, whether or not there was a turn.
pub(crate) async fn used_up_before_the_answer<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let shared = request.app_data::<web::Data<Shared>>().cloned();
    let answer = next.call(request).await?;
    let nonce = answer.request().extensions().get::<Arc<Nonce>>().cloned();
    let (Some(shared), Some(nonce)) = (shared, nonce) else { return Ok(answer.map_into_left_body()) };
    match nonce.use_up(&shared.vault).await {
        Ok(()) => Ok(answer.map_into_left_body()),
        Err(refusal) => Ok(answer.error_response(refusal).map_into_right_body()),
    }
}
