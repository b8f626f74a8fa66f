//! Kept checkpoints: what is given out, and cosignatures that somebody brings.

use custodia_api::messages::Kept;
use custodia_core::custody::wire::Base64;
use custodia_core::log::checkpoint::SignedCheckpoint;
use custodia_core::log::cosignature::{Cosignature, CosignerKey};
use custodia_core::log::merkle::TreeSize;
use custodia_core::log::policy::Policy;

use super::Vault;
use crate::error::Refusal;
use crate::store::kept::{self, Bound, With};
use crate::store::log;

/// What came of cosignatures that somebody brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Brought {
    /// By how many of the keys among the lines a cosignature stands now, whether it came before or not.
    pub standing: u64,
    /// How many of them did not stand before.
    pub new: u64,
}

impl Vault {
    /// The nearest kept checkpoint within a bound, with all cosignatures and stamps.
    pub async fn kept(&self, bound: Bound, with: Option<With>) -> Result<Kept, Refusal> {
        let mut conn = self.store.read().await?;
        let mut sizes = Vec::with_capacity(2);
        for wanted in [With::Cosignature, With::Stamp] {
            if with.is_none_or(|with| with == wanted) {
                sizes.extend(kept::nearest(&mut conn, bound, wanted).await?);
            }
        }
        let nearest = match bound {
            Bound::AtLeast(_) => sizes.into_iter().min(),
            Bound::AtMost(_) => sizes.into_iter().max(),
        };
        let size = nearest.ok_or(Refusal::NotFound("kept checkpoint"))?;
        let note = log::checkpoint_of(&mut conn, size).await?.ok_or(Refusal::Internal("a kept checkpoint has no note"))?;
        let checkpoint = note + &kept::cosignature_lines(&mut conn, size).await?.concat();
        let stamps = kept::stamps(&mut conn, size).await?.into_iter().map(Base64).collect();
        Ok(Kept { checkpoint, stamps })
    }

    /// Keeps those of a checkpoint's cosignatures that are by keys of the policy and verify; others are passed over. Of a key whose cosignature of that
    /// size stands already no line is verified, and nothing is written where nothing is new.
    ///
    /// # Errors
    /// No checkpoint; one that this log never signed.
    pub async fn keep_cosignatures(&self, note: &[u8]) -> Result<Brought, Refusal> {
        let sent = SignedCheckpoint::parse(note).map_err(|error| Refusal::Malformed(error.to_string()))?;
        let size = sent.claim().size;
        let mut conn = self.store.read().await?;
        let own = log::checkpoint_of(&mut conn, size).await?;
        let known = kept::cosigners(&mut conn, size).await?;
        drop(conn);
        let own = own.and_then(|own| SignedCheckpoint::parse(own.as_bytes()).ok());
        if own.is_none_or(|own| own.claim() != sent.claim()) {
            if sent.verify(&self.signer.log_key()).is_ok() {
                let size = size.get();
                tracing::error!(log.size = size, "somebody holds a checkpoint that this log's key signed, and this database does not");
            }
            return Err(Refusal::NotFound("checkpoint of this log"));
        }
        let keys = self.policy.iter().flat_map(Policy::witnesses).map(|witness| &witness.key);
        let lines = sent.note().signatures();
        let named = |key: &&CosignerKey| lines.iter().any(|line| key.verifier_key().is_named_by(line));
        let (standing, missing): (Vec<_>, Vec<_>) = keys.filter(named).partition(|key| known.contains(&key.to_string()));
        // A line that names another key is passed over before anything is verified, so each line is verified at most once.
        let new: Vec<Cosignature> =
            missing.into_iter().filter_map(|key| lines.iter().find_map(|line| key.verify(sent.claim(), line).ok())).collect();
        self.store_cosignatures(size, &new).await?;
        let (standing, new) = (standing.len() as u64, new.len() as u64);
        Ok(Brought { standing: standing + new, new })
    }

    /// Stores cosignatures of the log's own checkpoint of that size; those that stand already change nothing.
    pub(crate) async fn store_cosignatures(&self, size: TreeSize, cosignatures: &[Cosignature]) -> Result<(), Refusal> {
        if cosignatures.is_empty() {
            return Ok(());
        }
        let mut write = self.store.write().await?;
        for cosignature in cosignatures {
            kept::insert_cosignature(write.conn(), size, cosignature).await?;
        }
        write.commit().await?;
        Ok(())
    }
}
