//! One time-stamping authority and its turns (RFC 3161 over HTTP).
//!
//! Before a stamp is kept, its form, status, imprint and nonce are compared with what was asked for. Whether it leads to a root is for verifiers,
//! who pin roots of their own; where the configuration pins some too, only what they accept is kept.

use std::sync::Arc;

use custodia_core::log::checkpoint::VerifiedCheckpoint;
use custodia_core::log::stamp::{StampRequest, StampRoots, StampedBytes, UnverifiedStamp};

use super::Lately;
use super::ask::Peer;
use crate::error::Refusal;
use crate::keys::random;
use crate::store::{StoreError, kept};
use crate::vault::Vault;

/// An authority that is asked.
pub(super) struct Authority {
    name: String,
    peer: Peer,
    roots: Option<Arc<StampRoots>>,
}

impl Authority {
    pub const fn new(name: String, peer: Peer, roots: Option<Arc<StampRoots>>) -> Self {
        Self { name, peer, roots }
    }

    /// Whether it is to be asked: it has not stamped this head, and no head lately.
    pub async fn is_due(&self, vault: &Vault, head: &VerifiedCheckpoint, lately: &Lately) -> Result<bool, StoreError> {
        let mut conn = vault.store.read().await?;
        let last = kept::last_stamped(&mut conn, &self.name).await?;
        Ok(last.is_none_or(|last| last.size < head.size() && !lately.includes(last.seconds)))
    }

    /// Asks it for a stamp of this head, and keeps it.
    pub async fn turn(&self, vault: &Vault, head: &VerifiedCheckpoint) {
        let trouble = self.stamp(vault, head).await.err();
        self.peer.report(&self.name, trouble);
    }

    async fn stamp(&self, vault: &Vault, head: &VerifiedCheckpoint) -> Result<(), String> {
        let words = |error: StoreError| Refusal::from(error).to_string();
        let stamped = StampedBytes::of(head);
        let request = StampRequest::new(&stamped, random().map_err(|error| error.to_string())?);
        let answer = self.peer.ask("application/timestamp-query", request.to_der()).await?;
        if answer.status != 200 {
            return Err(format!("it answers {}", answer.status));
        }
        let stamp = UnverifiedStamp::parse(&answer.body).map_err(|error| error.to_string())?;
        if !stamp.answers(&request) {
            return Err("its stamp is of other bytes, or answers another question".to_owned());
        }
        if let Some(roots) = &self.roots {
            stamp.verify(&stamped, roots).map_err(|error| error.to_string())?;
        }
        let mut write = vault.store.write().await.map_err(words)?;
        let seconds = stamp.stated_seconds();
        kept::insert_stamp(write.conn(), head.size(), &self.name, &answer.body, seconds).await.map_err(words)?;
        write.commit().await.map_err(words)
    }
}
