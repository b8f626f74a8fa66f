//! What a witness cosigned last of each log, and the evidence that it keeps.
//!
//! ```text
//! cosigned.json     {"v":1,"vkey":text,"cosigned":[checkpoint as its log signed it, …]}
//! lock              whose lock says that the state is in use
//! evidence/<id>/    cosigned, shown: two checkpoints, each as the log signed it
//!                   request: what was sent, with the proof, as it came
//!                   finding.json: {"finding":"fork"|"unproven","log_key":text,"at":seconds since 1970}
//! ```
//! `cosigned.json` is replaced as a whole, and durable before a cosignature leaves. A write that failed leaves it unknown which of two files a
//! crash would show: then nothing is cosigned any more until a new start has read and written it again. The id of evidence is drawn from
//! the two checkpoints, so that the same is kept once.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use custodia_core::digest::Sha256Digest;
use custodia_core::log::note::MAX_NOTE_BYTES;
use custodia_core::log::witness::{AddCheckpoint, Finding};
use custodia_core::log::{CosignerKey, SignedCheckpoint, VerifiedCheckpoint};
use custodia_core::time::LogTime;

use crate::durable;
use crate::error::StartError;

/// How many folders of evidence there may be for another proof that does not prove to be kept; anybody can send such.
const MOST_UNPROVEN: usize = 1000;
/// How many there may be for another fork to be kept: above what proofs can fill, and so many that one more says nothing new.
const MOST_IN_ALL: usize = 2000;
/// The longest state that is read: 64 logs, each with a note of the usual length many times over.
const MAX_STATE_BYTES: u64 = 64 * MAX_NOTE_BYTES as u64;

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    v: u8,
    vkey: String,
    cosigned: Vec<String>,
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct FindingText {
    finding: String,
    log_key: String,
    at: u64,
}

/// The state, held by this process alone.
#[derive(Debug)]
pub(super) struct State {
    folder: PathBuf,
    vkey: String,
    cosigned: Vec<SignedCheckpoint>,
    /// A write failed.
    unknown: bool,
    /// None once the witness has ended.
    lock: Option<File>,
}

fn place(folder: &Path) -> PathBuf {
    folder.join("cosigned.json")
}

fn evidence_in(folder: &Path) -> PathBuf {
    folder.join("evidence")
}

fn lock(folder: &Path) -> Result<File, StartError> {
    let path = folder.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
    let file = file.map_err(StartError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StartError::Key { path: folder.to_owned(), message: "another process uses it" }),
        Err(TryLockError::Error(source)) => Err(StartError::io("lock", &path)(source)),
    }
}

/// Reads the state and checks its form; the witness that wrote it is its only author.
fn read(folder: &Path) -> Result<(String, Vec<SignedCheckpoint>), StartError> {
    let path = place(folder);
    let bad = |message: &'static str| StartError::Key { path: path.clone(), message };
    let bytes = match durable::read_secret(&path, MAX_STATE_BYTES) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(bad("it is missing, so nobody knows what this key cosigned; a witness that lost its state needs a new key"));
        }
        read => read.map_err(StartError::io("read the witness's state in", &path))?,
    };
    let Text { v: 1, vkey, cosigned } = serde_json::from_slice(&bytes).map_err(|_| bad("it is not of the format"))? else {
        return Err(bad("it is of a version that this program does not know"));
    };
    let cosigned: Result<_, _> = cosigned.iter().map(|note| SignedCheckpoint::parse(note.as_bytes())).collect();
    Ok((vkey, cosigned.map_err(|_| bad("it holds what is no checkpoint"))?))
}

/// A checkpoint as its log alone signed it: what others wrote below is not ours to keep.
fn by_its_log(checkpoint: &VerifiedCheckpoint) -> String {
    let note = checkpoint.note();
    let key = checkpoint.log_key().verifier_key();
    let lines = note.signatures().iter().filter(|line| key.is_named_by(line)).map(ToString::to_string);
    format!("{}\n{}", note.text(), lines.collect::<String>())
}

impl State {
    pub fn create(folder: &Path, key: &CosignerKey) -> Result<(), StartError> {
        durable::make_private_folder(folder).map_err(StartError::io("make the folder", folder))?;
        let text = Text { v: 1, vkey: key.to_string(), cosigned: Vec::new() };
        let text = serde_json::to_vec(&text).map_err(|error| StartError::io("write", folder)(error.into()))?;
        let path = place(folder);
        durable::write_new_secret(&path, &text).map_err(StartError::io("write the witness's state in", &path))
    }

    /// Opens the state of that key.
    pub fn open(folder: &Path, key: &CosignerKey) -> Result<Self, StartError> {
        let lock = lock(folder)?;
        let (vkey, cosigned) = read(folder)?;
        if vkey != key.to_string() {
            return Err(StartError::Key { path: place(folder), message: "it is the state of another key" });
        }
        let mut state = Self { folder: folder.to_owned(), vkey, cosigned, unknown: false, lock: Some(lock) };
        // What was read need not have reached the disk: a flush of it may have failed. Written anew, it has.
        let path = place(folder);
        state.write().map_err(StartError::io("write the witness's state in", &path))?;
        Ok(state)
    }

    fn write(&mut self) -> io::Result<()> {
        let cosigned = self.cosigned.iter().map(|checkpoint| checkpoint.note().as_str().to_owned()).collect();
        let text = serde_json::to_vec(&Text { v: 1, vkey: self.vkey.clone(), cosigned })?;
        let written = durable::replace(&place(&self.folder), &text);
        self.unknown |= written.is_err();
        written
    }

    /// Leaves the state to others; nothing is remembered any more.
    pub fn leave(&mut self) {
        self.lock = None;
    }

    /// The newest checkpoint of a log that was cosigned, or was about to be.
    pub fn held(&self, origin: &str) -> Option<&SignedCheckpoint> {
        self.cosigned.iter().find(|checkpoint| checkpoint.claim().origin.as_str() == origin)
    }

    /// Remembers durably what is about to be cosigned; the caller has judged that it extends what is held.
    pub fn remember(&mut self, checkpoint: &VerifiedCheckpoint) -> io::Result<()> {
        if self.unknown || self.lock.is_none() {
            return Err(io::Error::other("an earlier write failed, or the witness has ended; start it again"));
        }
        let claim = checkpoint.checkpoint();
        if self.held(claim.origin.as_str()).is_some_and(|held| held.claim() == claim) {
            return Ok(());
        }
        let own = SignedCheckpoint::parse(by_its_log(checkpoint).as_bytes()).map_err(io::Error::other)?;
        self.cosigned.retain(|held| held.claim().origin != claim.origin);
        self.cosigned.push(own);
        self.write()
    }

    /// Logs and keeps two checkpoints that do not go together, if both are the log's; the same two once. Where there is enough evidence, it is logged
    /// alone.
    pub fn keep_evidence(&self, finding: Finding, request: &AddCheckpoint, bytes: &[u8], log_key: String, now: LogTime) -> io::Result<()> {
        let Some(held) = self.held(request.origin()) else { return Ok(()) };
        let (cosigned, shown) = (held.note().as_str(), request.checkpoint().as_str());
        let pair = Sha256Digest::of(&[held.note().text().as_bytes(), b"\n", request.checkpoint().text().as_bytes()]).to_string();
        let (folder, id) = (evidence_in(&self.folder), &pair[..16]);
        durable::make_private_folder(&folder)?;
        if folder.join(id).exists() {
            return Ok(());
        }
        let (word, most) = if finding == Finding::Fork { ("fork", MOST_IN_ALL) } else { ("unproven", MOST_UNPROVEN) };
        tracing::error!(log.origin = request.origin(), finding = word, evidence = id, "a log signed what does not go together");
        if fs::read_dir(&folder)?.count() >= most {
            return Ok(());
        }
        let beside = folder.join(format!(".{id}"));
        if beside.exists() {
            fs::remove_dir_all(&beside)?;
        }
        durable::make_private_folder(&beside)?;
        let text = serde_json::to_vec(&FindingText { finding: word.to_owned(), log_key, at: now.seconds() })?;
        let files: [(&str, &[u8]); 4] =
            [("cosigned", cosigned.as_bytes()), ("shown", shown.as_bytes()), ("request", bytes), ("finding.json", &text)];
        for (name, content) in files {
            durable::write_new_secret(&beside.join(name), content)?;
        }
        fs::rename(&beside, folder.join(id))?;
        File::open(&folder)?.sync_all()
    }
}

/// What a witness has cosigned and found, as its state says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Its key.
    pub vkey: String,
    /// By log, what it cosigned last.
    pub logs: Vec<CosignedLog>,
    /// What it keeps as evidence, oldest first.
    pub evidence: Vec<Evidence>,
}

/// What was cosigned last of one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CosignedLog {
    /// The log.
    pub origin: String,
    /// How many records it had.
    pub size: u64,
}

/// Two checkpoints of one log that do not go together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// `fork` or `unproven`.
    pub finding: String,
    /// The log.
    pub origin: String,
    /// The size that had been cosigned.
    pub cosigned: u64,
    /// The size that was shown.
    pub shown: u64,
    /// When, in seconds since 1970.
    pub at: u64,
    /// The folder with the files.
    pub folder: PathBuf,
}

/// Reads a witness's state; a witness that runs meanwhile is not disturbed.
///
/// # Errors
/// The state is missing or not of the format.
pub fn status(folder: &Path) -> Result<Status, StartError> {
    let (vkey, cosigned) = read(folder)?;
    let logs = cosigned
        .iter()
        .map(|checkpoint| CosignedLog { origin: checkpoint.claim().origin.to_string(), size: checkpoint.claim().size.get() });
    let mut evidence = Vec::new();
    let kept = evidence_in(folder);
    if kept.exists() {
        for entry in fs::read_dir(&kept).map_err(StartError::io("read", &kept))? {
            let path = entry.map_err(StartError::io("read", &kept))?.path();
            if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')) {
                evidence.push(read_evidence(&path)?);
            }
        }
    }
    evidence.sort_by(|a: &Evidence, b| (a.at, &a.folder).cmp(&(b.at, &b.folder)));
    Ok(Status { vkey, logs: logs.collect(), evidence })
}

fn read_evidence(folder: &Path) -> Result<Evidence, StartError> {
    let bad = |message: &'static str| StartError::Key { path: folder.to_owned(), message };
    let file = |name: &str| durable::read_secret(&folder.join(name), MAX_NOTE_BYTES as u64).map_err(StartError::io("read", folder));
    let checkpoint = |name: &str| SignedCheckpoint::parse(&file(name)?).map_err(|_| bad("its files are not of the format"));
    let (cosigned, shown) = (checkpoint("cosigned")?, checkpoint("shown")?);
    let text: FindingText = serde_json::from_slice(&file("finding.json")?).map_err(|_| bad("its finding is not of the format"))?;
    Ok(Evidence {
        finding: text.finding,
        origin: shown.claim().origin.to_string(),
        cosigned: cosigned.claim().size.get(),
        shown: shown.claim().size.get(),
        at: text.at,
        folder: folder.to_owned(),
    })
}
