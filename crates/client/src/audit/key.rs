//! An auditor's cosigning key, used for nothing else, and the last head that it cosigned.
//!
//! ```text
//! auditor.key   {"v":1,"vkey":text,"wrap":KeyFile,"nonce":b64 of 12,"sealed":b64 of 48}
//!               sealed = AES-256-GCM(key of wrap, nonce, Ed25519 seed (32), "custodia/auditor-key/v1" ‖ vkey)
//! cosigned      the last checkpoint that was cosigned, with that cosignature; empty before the first
//! auditor.lock  whose lock says that the key is in use
//! ```
//! `cosigned` is durable before a cosignature leaves, so that the key never contradicts itself. A folder that was restored from an older copy
//! forgets what it cosigned since; that is not noticed here.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use custodia_core::log::{CosignatureTime, Cosigner, CosignerKey, KeyName, LogError, SignedCheckpoint};
use custodia_core::secret::Secret32;
use custodia_failpoint::fail_point;
use ed25519_dalek::SigningKey;

use super::AuditReport;
use crate::at_rest::{self, base64_text};
use crate::clock::{Clock, random_secret};
use crate::durable_file;
use crate::passphrase::{Cost, KeyFile, PassphraseError};

const LABEL: &[u8] = b"custodia/auditor-key/v1";
const MAX_KEY_BYTES: usize = 16 * 1024;
const MAX_NOTE_BYTES: usize = 128 * 1024;

/// Why an auditor's key was not made, opened or used.
#[derive(Debug, thiserror::Error)]
pub enum AuditorKeyError {
    /// There is one already.
    #[error("there is already an auditor's key in {0}; nothing is overwritten")]
    Exists(PathBuf),
    /// Another process uses it.
    #[error("the auditor's key in {0} is in use by another process; close that one first")]
    InUse(PathBuf),
    /// A file is not of the form in which this program writes it.
    #[error("the auditor's {0}; it is not used")]
    Damaged(&'static str),
    /// The passphrase.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// The name cannot be that of a key.
    #[error("the key's name: {0}")]
    Name(LogError),
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The audit found faults.
    #[error("{count} checks of the audit failed, the first {check} of {subject}; such a log is not cosigned")]
    NotClean {
        /// How many.
        count: usize,
        /// The first one's id.
        check: String,
        /// What it was about.
        subject: String,
    },
    /// The key belongs to another log.
    #[error("this key cosigns the log {0}; make one key for each log")]
    OtherLog(String),
    /// It has cosigned a larger tree.
    #[error("this key cosigned a tree of {cosigned} records before, so one of {size} is a rollback and is not cosigned")]
    Rollback {
        /// The size cosigned before.
        cosigned: u64,
        /// The size of the report.
        size: u64,
    },
    /// It has cosigned another tree of that size.
    #[error(
        "the log was forked: this key cosigned another tree of {0} records before. Nothing is cosigned; keep the file `cosigned`, \
         it is evidence"
    )]
    Fork(u64),
    /// The clock shows no time that a cosignature can carry, or the note would grow too long.
    #[error("the cosignature cannot be made: {0}")]
    Cosignature(#[from] LogError),
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyText {
    v: u8,
    vkey: String,
    wrap: KeyFile,
    #[serde(with = "base64_text")]
    nonce: [u8; 12],
    #[serde(with = "base64_text")]
    sealed: Vec<u8>,
}

/// An auditor's cosigning key; while it is open, no other process uses it.
#[derive(Debug)]
pub struct AuditorKey {
    cosigner: Cosigner,
    last: Option<SignedCheckpoint>,
    folder: PathBuf,
    _lock: File,
}

fn key_path(folder: &Path) -> PathBuf {
    folder.join("auditor.key")
}

fn cosigned_path(folder: &Path) -> PathBuf {
    folder.join("cosigned")
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> AuditorKeyError {
    let path = path.to_owned();
    move |source| AuditorKeyError::Io { path, source }
}

fn lock(folder: &Path) -> Result<File, AuditorKeyError> {
    let path = folder.join("auditor.lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(io(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(AuditorKeyError::InUse(folder.to_owned())),
        Err(TryLockError::Error(source)) => Err(AuditorKeyError::Io { path, source }),
    }
}

fn aad(vkey: &str) -> Vec<u8> {
    [LABEL, vkey.as_bytes()].concat()
}

impl AuditorKey {
    /// Draws a key and writes it into a folder, which is made if it is absent. `name` is what verifiers' policies will call it, such as
    /// `inspection.example/auditor`.
    ///
    /// # Errors
    /// [`AuditorKeyError::Exists`], [`AuditorKeyError::Name`], an empty passphrase, what the file system refuses.
    pub fn create(folder: &Path, name: &str, passphrase: &str, cost: Cost) -> Result<Self, AuditorKeyError> {
        let name: KeyName = name.parse().map_err(AuditorKeyError::Name)?;
        let seed = random_secret();
        let cosigner = Cosigner::new(name, SigningKey::from_bytes(seed.expose())).map_err(AuditorKeyError::Name)?;
        let vkey = cosigner.cosigner_key().to_string();
        let (wrap, wrapping) = KeyFile::create(passphrase, cost)?;
        let (nonce, sealed) = at_rest::seal(&wrapping, &aad(&vkey), seed.expose()).map_err(|_| PassphraseError::Unavailable)?;
        let text = serde_json::to_vec(&KeyText { v: 1, vkey, wrap, nonce, sealed }).expect("a struct of texts and numbers serialises");
        fs::create_dir_all(folder).map_err(io(folder))?;
        let lock = lock(folder)?;
        let (key, cosigned) = (key_path(folder), cosigned_path(folder));
        if key.exists() {
            return Err(AuditorKeyError::Exists(folder.to_owned()));
        }
        // The record of what was cosigned comes first: a key without one is refused.
        durable_file::replace(&cosigned, b"").map_err(io(&cosigned))?;
        durable_file::create(&key, &text).map_err(io(&key))?;
        Ok(Self { cosigner, last: None, folder: folder.to_owned(), _lock: lock })
    }

    /// Opens the key in a folder.
    ///
    /// # Errors
    /// A wrong passphrase, [`AuditorKeyError::InUse`], [`AuditorKeyError::Damaged`], what the file system refuses.
    pub fn open(folder: &Path, passphrase: &str) -> Result<Self, AuditorKeyError> {
        let (key, cosigned) = (key_path(folder), cosigned_path(folder));
        let text = durable_file::read(&key, MAX_KEY_BYTES).map_err(io(&key))?;
        let lock = lock(folder)?;
        let text: KeyText = serde_json::from_slice(&text).map_err(|_| AuditorKeyError::Damaged("key file is not of the format"))?;
        if text.v != 1 {
            return Err(AuditorKeyError::Damaged("key file is not of version 1"));
        }
        let wrapping = text.wrap.unlock(passphrase)?;
        let foreign = AuditorKeyError::Damaged("key does not belong to its name or passphrase");
        let seed = at_rest::open(&wrapping, text.nonce, &aad(&text.vkey), &text.sealed);
        let seed = seed.ok().and_then(|seed| seed.as_slice().try_into().ok().map(Secret32::from_bytes)).ok_or(foreign)?;
        let named: CosignerKey = text.vkey.parse().map_err(|_| AuditorKeyError::Damaged("key has no name"))?;
        let cosigner = Cosigner::new(named.name().clone(), SigningKey::from_bytes(seed.expose())).map_err(AuditorKeyError::Name)?;
        if cosigner.cosigner_key() != named {
            return Err(AuditorKeyError::Damaged("key is not the one that its file names"));
        }
        let last = durable_file::read(&cosigned, MAX_NOTE_BYTES).map_err(io(&cosigned))?;
        let last = if last.is_empty() { None } else { Some(own_checkpoint(&last, &named)?) };
        Ok(Self { cosigner, last, folder: folder.to_owned(), _lock: lock })
    }

    /// The public half, for verifiers' policies.
    pub fn cosigner_key(&self) -> CosignerKey {
        self.cosigner.cosigner_key()
    }

    /// The last checkpoint that it cosigned.
    pub const fn last_cosigned(&self) -> Option<&SignedCheckpoint> {
        self.last.as_ref()
    }

    /// Cosigns the checkpoint of a report without a failed finding; gives the checkpoint's note with the cosignature added.
    ///
    /// # Errors
    /// [`AuditorKeyError::NotClean`]; [`AuditorKeyError::Rollback`], [`AuditorKeyError::Fork`] or [`AuditorKeyError::OtherLog`] if it
    /// contradicts what the key cosigned before. Then nothing was signed.
    pub fn cosign(&mut self, report: &AuditReport, clock: &Clock) -> Result<String, AuditorKeyError> {
        if let Some(first) = report.failed().next() {
            let (check, subject) = (first.check.clone(), first.subject.clone());
            return Err(AuditorKeyError::NotClean { count: report.failed().count(), check, subject });
        }
        if let Some(last) = &self.last {
            extends(last, report)?;
        }
        let time = CosignatureTime::from_seconds(clock.seconds())?;
        let cosignature = self.cosigner.cosign(&report.checkpoint, time);
        let note = report.checkpoint.with_signature(cosignature.line())?;
        let path = cosigned_path(&self.folder);
        durable_file::replace(&path, note.note().as_str().as_bytes()).map_err(io(&path))?;
        fail_point!("agent.cosignature.recorded");
        self.last = Some(note.signed().clone());
        Ok(note.note().as_str().to_owned())
    }
}

/// Reads the last cosigned checkpoint; it must bear this key's own cosignature.
fn own_checkpoint(bytes: &[u8], key: &CosignerKey) -> Result<SignedCheckpoint, AuditorKeyError> {
    let damaged = AuditorKeyError::Damaged("record of what it cosigned was changed");
    let Ok(checkpoint) = SignedCheckpoint::parse(bytes) else { return Err(damaged) };
    let own = checkpoint.note().signatures().iter().any(|line| key.verify(checkpoint.claim(), line).is_ok());
    if own { Ok(checkpoint) } else { Err(damaged) }
}

/// The replayed log holds exactly the tree that was cosigned before.
fn extends(last: &SignedCheckpoint, report: &AuditReport) -> Result<(), AuditorKeyError> {
    let (last, size) = (last.claim(), report.size());
    if last.origin != report.checkpoint.checkpoint().origin {
        return Err(AuditorKeyError::OtherLog(last.origin.to_string()));
    }
    if last.size.get() > size {
        return Err(AuditorKeyError::Rollback { cosigned: last.size.get(), size });
    }
    if report.replay.root_at(last.size) == Some(last.root) { Ok(()) } else { Err(AuditorKeyError::Fork(last.size.get())) }
}
