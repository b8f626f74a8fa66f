//! One witness and its turns (C2SP tlog-witness).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use custodia_core::log::checkpoint::VerifiedCheckpoint;
use custodia_core::log::merkle::TreeSize;
use custodia_core::log::note::NoteSignature;
use custodia_core::log::witness::AddCheckpoint;
use custodia_core::log::{Cosignature, CosignerKey};

use super::ask::{Answered, Peer};
use super::{Lately, head};
use crate::error::Refusal;
use crate::store::{StoreError, kept};
use crate::vault::Vault;

/// Why a witness gave no cosignature.
enum Trouble {
    /// It did not answer, or not in the form.
    Words(String),
    /// It says that it has seen what this log's database does not hold.
    Contradicts(String),
    /// Another process has shown it a newer head; all is well.
    Ahead,
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Words(Refusal::from(error).to_string())
    }
}

/// A witness that is asked.
pub(super) struct AskedWitness {
    key: CosignerKey,
    peer: Peer,
    /// What it said that contradicts the database, at the last turn.
    contradicts: Mutex<Option<String>>,
    /// Whether it has answered in this process so that it was compared with the database.
    answered: AtomicBool,
}

impl AskedWitness {
    pub fn new(key: CosignerKey, peer: Peer) -> Self {
        Self { key, peer, contradicts: Mutex::default(), answered: AtomicBool::new(false) }
    }

    pub const fn key(&self) -> &CosignerKey {
        &self.key
    }

    pub fn contradiction(&self) -> Option<String> {
        self.contradicts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether it is to be asked: it has not cosigned this head, and no head lately; or it contradicts, or was not yet compared in this process.
    pub async fn is_due(&self, vault: &Vault, head: &VerifiedCheckpoint, lately: &Lately) -> Result<bool, StoreError> {
        if !self.answered.load(Ordering::Acquire) || self.contradiction().is_some() {
            return Ok(true);
        }
        let mut conn = vault.store.read().await?;
        let last = kept::last_cosigned(&mut conn, &self.key.to_string()).await?;
        Ok(last.is_none_or(|last| last.size < head.size() && !lately.includes(last.seconds)))
    }

    /// Asks it for this head, and keeps its cosignature.
    pub async fn turn(&self, vault: &Vault, head: &VerifiedCheckpoint) {
        let cosigned = match self.cosignature(vault, head).await {
            Ok(cosignature) => {
                vault.store_cosignatures(head.size(), &[cosignature]).await.map_err(|error| Trouble::Words(error.to_string()))
            }
            Err(trouble) => Err(trouble),
        };
        let compared = !matches!(cosigned, Err(Trouble::Words(_)));
        let (trouble, contradicts) = match cosigned {
            Ok(()) | Err(Trouble::Ahead) => (None, None),
            Err(Trouble::Words(words)) => (Some(words), self.contradiction()),
            Err(Trouble::Contradicts(words)) => (Some(words.clone()), Some(words)),
        };
        if contradicts.is_some() && contradicts != self.contradiction() {
            tracing::error!(witness = %self.key.name(), trouble, "a witness contradicts this log's database");
        }
        *self.contradicts.lock().unwrap_or_else(PoisonError::into_inner) = contradicts;
        self.answered.fetch_or(compared, Ordering::AcqRel);
        self.peer.report(self.key.name().as_str(), trouble);
    }

    async fn cosignature(&self, vault: &Vault, head: &VerifiedCheckpoint) -> Result<Cosignature, Trouble> {
        let mut conn = vault.store.read().await?;
        let last = kept::last_cosigned(&mut conn, &self.key.to_string()).await?;
        drop(conn);
        let mut old = last.map_or(TreeSize::ZERO, |last| last.size);
        let first = self.ask(vault, head, old).await?;
        let Some(size) = named_size(&first) else { return self.judge(head, old, &first) };
        if size > head.size() {
            // Another process may have shown it a head that was signed since.
            if size <= super::head(vault).await?.size() {
                return Err(Trouble::Ahead);
            }
            return Err(Trouble::Contradicts(format!("it has cosigned {size} records of this log")));
        }
        let other_tree = || Trouble::Contradicts(format!("it has cosigned another tree of {size} records of this log"));
        // Asked from the size that it has: only another root of that size is answered so.
        if size == old && size == head.size() {
            return Err(other_tree());
        }
        old = size;
        let second = self.ask(vault, head, old).await?;
        match named_size(&second) {
            None => self.judge(head, old, &second),
            Some(size) if size == head.size() && size == old => Err(other_tree()),
            Some(size) if size > old && size <= head_size(vault).await? => Err(Trouble::Ahead),
            Some(size) => Err(Trouble::Words(format!("it names one size after another, the last {size}"))),
        }
    }

    async fn ask(&self, vault: &Vault, head: &VerifiedCheckpoint, old: TreeSize) -> Result<Answered, Trouble> {
        let proof = vault.consistency_proof(old, head.size()).await?;
        let request = AddCheckpoint::new(old, proof, head.note().clone()).to_text();
        self.peer.ask("text/plain; charset=utf-8", request).await.map_err(Trouble::Words)
    }

    fn judge(&self, head: &VerifiedCheckpoint, old: TreeSize, answer: &Answered) -> Result<Cosignature, Trouble> {
        let words = |text: &str| Err(Trouble::Words(text.to_owned()));
        match answer.status {
            200 => {
                let Ok(lines) = NoteSignature::parse_lines(&answer.body) else { return words("what it answers are no signature lines") };
                let mut own = lines.iter().filter(|line| self.key.verifier_key().is_named_by(line));
                let verified = own.find_map(|line| self.key.verify(head.checkpoint(), line).ok());
                verified.map_or_else(|| words("no cosignature in its answer verifies under its key"), Ok)
            }
            403 => words("it does not accept this log's signature: it knows another key of this log"),
            404 => words("it does not know this log: its operator must add the log's key"),
            409 => words("it answers 409 without a size"),
            422 => Err(Trouble::Contradicts(format!("it does not accept the proof from {old} to {} records", head.size()))),
            status => Err(Trouble::Words(format!("it answers {status}"))),
        }
    }
}

async fn head_size(vault: &Vault) -> Result<TreeSize, StoreError> {
    Ok(head(vault).await?.size())
}

/// The size that a witness names in a 409.
fn named_size(answer: &Answered) -> Option<TreeSize> {
    if answer.status != 409 || answer.media.split(';').next().is_none_or(|media| media.trim() != "text/x.tlog.size") {
        return None;
    }
    let text = core::str::from_utf8(&answer.body).ok()?.strip_suffix('\n')?;
    let plain = text == "0" || (!text.starts_with('0') && !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit()));
    plain.then(|| text.parse().ok())?.and_then(|size| TreeSize::new(size).ok())
}
