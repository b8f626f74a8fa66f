//! A witness over HTTP: what it answers, what it remembers, what it keeps as evidence.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use custodia_core::log::cosignature::CosignatureTime;
use custodia_core::log::note::NoteSignature;
use custodia_core::log::witness::MAX_ADD_CHECKPOINT_BYTES;
use custodia_core::log::{
    AddCheckpoint, ConsistencyProof, CosignerKey, Frontier, LogSigner, MerkleError, NodeHash, NodeId, RootHash, SignedCheckpoint, TreeSize,
    VerifiedCheckpoint, consistency_proof, leaf_hash,
};
use ed25519_dalek::SigningKey;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::witness::{self, RunningWitness, WitnessConfig};

pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// A witness's folder, and a policy that names a log.
    pub fn new(name: &str, log: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("logs"), format!("log {log}\nquorum none\n")).unwrap();
        witness::create(&folder.path().join("witness"), name).unwrap();
        Self { folder }
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().join("witness/state")
    }

    pub fn config(&self) -> WitnessConfig {
        WitnessConfig {
            key: self.folder.path().join("witness/witness.key"),
            state: self.state(),
            listen: "127.0.0.1:0".parse().unwrap(),
            logs: self.folder.path().join("logs"),
            tls: None,
        }
    }

    pub async fn run(&self) -> RunningWitness {
        witness::run(&self.config()).await.unwrap()
    }
}

const NAME: &str = "witness.example/w1";

fn signer() -> LogSigner {
    LogSigner::new("log.example.org".parse().unwrap(), SigningKey::from_bytes(&[7; 32])).unwrap()
}

/// A log whose leaves from the fourth on are of a word's.
struct Log {
    roots: Vec<RootHash>,
    nodes: HashMap<NodeId, NodeHash>,
}

impl Log {
    fn new(word: &str) -> Self {
        let mut frontier = Frontier::empty();
        let mut log = Self { roots: vec![RootHash::empty()], nodes: HashMap::new() };
        for index in 0..9 {
            let word = if index < 3 { "" } else { word };
            log.nodes.extend(frontier.append(leaf_hash(format!("{index}{word}").as_bytes())).unwrap());
            log.roots.push(frontier.root());
        }
        log
    }

    fn head(&self, size: u64) -> VerifiedCheckpoint {
        signer().sign(TreeSize::new(size).unwrap(), self.roots[usize::try_from(size).unwrap()]).unwrap()
    }

    fn proof(&self, old: u64, new: u64) -> ConsistencyProof {
        let (old, new) = (TreeSize::new(old).unwrap(), TreeSize::new(new).unwrap());
        consistency_proof(old, new, |id| self.nodes.get(&id).copied().ok_or(MerkleError::RootMismatch)).unwrap()
    }

    fn request(&self, old: u64, new: u64) -> String {
        AddCheckpoint::new(TreeSize::new(old).unwrap(), self.proof(old, new), self.head(new).note().clone()).to_text()
    }
}

async fn send(witness: &RunningWitness, method: &str, path: &str, body: &[u8]) -> (u16, String, String) {
    let mut stream = tokio::net::TcpStream::connect(witness.addr).await.unwrap();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: w\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    let _ = stream.write_all(body).await;
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let media = head.lines().find_map(|line| line.strip_prefix("content-type: ")).unwrap_or_default();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), media.to_owned(), body.to_owned())
}

async fn add(witness: &RunningWitness, body: &str) -> (u16, String, String) {
    send(witness, "POST", "/add-checkpoint", body.as_bytes()).await
}

fn cosigned(key: &CosignerKey, head: &VerifiedCheckpoint, answer: &(u16, String, String)) -> CosignatureTime {
    assert_eq!(answer.0, 200, "{answer:?}");
    let lines = NoteSignature::parse_lines(answer.2.as_bytes()).unwrap();
    assert_eq!(lines.len(), 1);
    key.verify(head.checkpoint(), &lines[0]).unwrap().time()
}

fn size(size: u64) -> (u16, String, String) {
    (409, "text/x.tlog.size".to_owned(), format!("{size}\n"))
}

#[tokio::test]
async fn a_witness_answers_as_the_standard_says_and_remembers_over_a_restart() {
    let log = Log::new("");
    let place = Place::new(NAME, &signer().log_key().to_string());
    let witness = place.run().await;
    let key = witness.key.clone();
    assert_eq!(add(&witness, &log.request(2, 3)).await, size(0));
    let time = cosigned(&key, &log.head(3), &add(&witness, &log.request(0, 3)).await);
    assert!(time.seconds() > 1_700_000_000);
    // An answer that got lost is asked for again: from nothing it names its size, from there it signs again.
    assert_eq!(add(&witness, &log.request(0, 3)).await, size(3));
    cosigned(&key, &log.head(3), &add(&witness, &log.request(3, 3)).await);
    cosigned(&key, &log.head(8), &add(&witness, &log.request(3, 8)).await);
    assert_eq!(add(&witness, &log.request(3, 8)).await, size(8));

    let other = LogSigner::new("other.example.org".parse().unwrap(), SigningKey::from_bytes(&[7; 32])).unwrap();
    let unknown = other.sign(TreeSize::new(9).unwrap(), log.roots[9]).unwrap();
    assert_eq!(add(&witness, &format!("old 0\n\n{}", unknown.note().as_str())).await.0, 404);
    let forger = LogSigner::new("log.example.org".parse().unwrap(), SigningKey::from_bytes(&[8; 32])).unwrap();
    let forged = forger.sign(TreeSize::new(9).unwrap(), log.roots[9]).unwrap();
    assert_eq!(add(&witness, &format!("old 8\n\n{}", forged.note().as_str())).await.0, 403);
    assert_eq!(add(&witness, &log.request(8, 9).replacen("old 8", "old 9", 1)).await, size(8));
    assert_eq!(add(&witness, &log.request(3, 5).replacen("old 3", "old 8", 1)).await.0, 400);
    assert_eq!(add(&witness, "old 8\n\nno checkpoint").await.0, 400);
    assert_eq!(add(&witness, &"a".repeat(MAX_ADD_CHECKPOINT_BYTES + 1)).await.0, 413);
    assert_eq!(send(&witness, "GET", "/add-checkpoint", b"").await.0, 404);
    assert_eq!(send(&witness, "POST", "/", log.request(8, 9).as_bytes()).await.0, 404);
    witness.stop().await.unwrap();

    let witness = place.run().await;
    assert_eq!(add(&witness, &log.request(3, 9)).await, size(8));
    cosigned(&key, &log.head(9), &add(&witness, &log.request(8, 9)).await);
    witness.stop().await.unwrap();
    let status = witness::status(&place.state()).unwrap();
    assert_eq!((status.vkey, status.logs[0].size, status.evidence.len()), (key.to_string(), 9, 0));
}

#[tokio::test]
async fn a_fork_and_a_proof_that_does_not_prove_are_refused_and_kept_so_that_anybody_can_judge() {
    let (log, other) = (Log::new(""), Log::new("other"));
    let place = Place::new(NAME, &signer().log_key().to_string());
    let witness = place.run().await;
    cosigned(&witness.key, &log.head(5), &add(&witness, &log.request(0, 5)).await);
    // Rolled back, then grown another way: to the same size, and past it.
    assert_eq!(add(&witness, &log.request(0, 3)).await, size(5));
    assert!(witness::status(&place.state()).unwrap().evidence.is_empty(), "an old head proves nothing");
    for _ in 0..2 {
        assert_eq!(add(&witness, &other.request(3, 5)).await, size(5));
        assert_eq!(add(&witness, &other.request(5, 9)).await.0, 422);
    }
    witness.stop().await.unwrap();

    let status = witness::status(&place.state()).unwrap();
    let mut found: Vec<_> = status.evidence.iter().map(|one| (one.finding.as_str(), one.cosigned, one.shown)).collect();
    found.sort_unstable();
    assert_eq!(found, [("fork", 5, 5), ("unproven", 5, 9)], "the same is kept once");
    for evidence in &status.evidence {
        let note = |name: &str| SignedCheckpoint::parse(&std::fs::read(evidence.folder.join(name)).unwrap()).unwrap();
        let verified = |name: &str| note(name).verify(&signer().log_key()).unwrap();
        assert_eq!(verified("cosigned").checkpoint(), log.head(5).checkpoint());
        assert_eq!(verified("shown").checkpoint(), other.head(evidence.shown).checkpoint());
        let request = AddCheckpoint::parse(&std::fs::read(evidence.folder.join("request")).unwrap()).unwrap();
        assert_eq!(request.checkpoint(), note("shown").note());
        let finding = std::fs::read_to_string(evidence.folder.join("finding.json")).unwrap();
        assert!(finding.contains(&signer().log_key().to_string()), "{finding}");
    }
    // It goes on with the log that it cosigned.
    let witness = place.run().await;
    cosigned(&witness.key, &log.head(9), &add(&witness, &log.request(5, 9)).await);
    witness.stop().await.unwrap();
}

#[tokio::test]
async fn evidence_has_an_end_and_what_strangers_send_leaves_room_for_forks() {
    let (log, other) = (Log::new(""), Log::new("other"));
    let place = Place::new(NAME, &signer().log_key().to_string());
    let witness = place.run().await;
    cosigned(&witness.key, &log.head(5), &add(&witness, &log.request(0, 5)).await);
    let folder = place.state().join("evidence");
    let fill = |from: usize, to: usize| (from..to).for_each(|number| std::fs::create_dir_all(folder.join(format!("f{number}"))).unwrap());
    let count = || std::fs::read_dir(&folder).unwrap().count();
    fill(0, 1000);
    assert_eq!(add(&witness, &other.request(5, 9)).await.0, 422);
    assert_eq!(count(), 1000, "no room for another proof that does not prove");
    assert_eq!(add(&witness, &other.request(3, 5)).await, size(5));
    assert_eq!(count(), 1001, "a fork is kept");
    let third = signer().sign(TreeSize::new(5).unwrap(), RootHash::from_bytes([5; 32])).unwrap();
    fill(1000, 1999);
    assert_eq!(add(&witness, &format!("old 5\n\n{}", third.note().as_str())).await, size(5));
    assert_eq!(count(), 2000, "and has an end too");
    witness.stop().await.unwrap();
}

#[tokio::test]
async fn lines_of_others_are_not_kept_with_a_head() {
    let log = Log::new("");
    let place = Place::new(NAME, &signer().log_key().to_string());
    let witness = place.run().await;
    let line = super::world::witness(2).cosign(&log.head(3), CosignatureTime::from_seconds(5).unwrap());
    assert_eq!(add(&witness, &format!("{}{}", log.request(0, 3), line.line())).await.0, 200);
    witness.stop().await.unwrap();
    let text = std::fs::read_to_string(place.state().join("cosigned.json")).unwrap();
    assert!(text.contains("log.example.org") && !text.contains("witness.example/w2"), "{text}");
}

async fn refuses_to_start(config: &WitnessConfig) -> String {
    witness::run(config).await.unwrap_err().to_string()
}

fn copy(from: &Path, to: &Path) {
    std::fs::copy(from, to).unwrap();
}

#[tokio::test]
async fn a_witness_without_its_own_state_does_not_start() {
    let log = signer().log_key().to_string();
    let (place, other) = (Place::new(NAME, &log), Place::new("witness.example/w2", &log));
    let running = place.run().await;
    assert!(refuses_to_start(&place.config()).await.contains("another process"));
    running.stop().await.unwrap();
    assert!(refuses_to_start(&WitnessConfig { state: other.state(), ..place.config() }).await.contains("another key"));
    let state = place.state().join("cosigned.json");
    copy(&state, &place.state().join("away"));
    std::fs::remove_file(&state).unwrap();
    assert!(refuses_to_start(&place.config()).await.contains("needs a new key"));
    std::fs::write(&state, "{}").unwrap();
    refuses_to_start(&place.config()).await;
    copy(&place.state().join("away"), &state);
    place.run().await.stop().await.unwrap();
    assert!(witness::create(&place.folder.path().join("witness"), NAME).is_err(), "nothing is overwritten");
    let open = WitnessConfig { listen: "0.0.0.0:0".parse().unwrap(), ..place.config() };
    assert!(refuses_to_start(&open).await.contains("in the clear"));
    std::fs::write(place.folder.path().join("logs"), "quorum none\n").unwrap();
    assert!(refuses_to_start(&place.config()).await.contains("no log line"));
}

#[tokio::test]
async fn after_a_failed_write_nothing_is_cosigned_until_a_new_start() {
    let log = Log::new("");
    let place = Place::new(NAME, &signer().log_key().to_string());
    let witness = place.run().await;
    cosigned(&witness.key, &log.head(3), &add(&witness, &log.request(0, 3)).await);
    let beside = place.state().join("cosigned.new");
    std::fs::create_dir(&beside).unwrap();
    assert_eq!(add(&witness, &log.request(3, 5)).await.0, 503);
    std::fs::remove_dir(&beside).unwrap();
    for request in [log.request(3, 5), log.request(3, 3), log.request(5, 5)] {
        assert_ne!(add(&witness, &request).await.0, 200, "what a crash would show is not known");
    }
    witness.stop().await.unwrap();
    let witness = place.run().await;
    cosigned(&witness.key, &log.head(5), &add(&witness, &log.request(3, 5)).await);
    witness.stop().await.unwrap();
}
