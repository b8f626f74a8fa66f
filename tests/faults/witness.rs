//! A witness killed between its durable state and its answer: it never signs two histories, and goes on where it was.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use custodia_core::log::{
    AddCheckpoint, ConsistencyProof, CosignerKey, Frontier, LogSigner, NoteSignature, TreeSize, VerifiedCheckpoint, leaf_hash,
};
use ed25519_dalek::SigningKey;

/// A witness's process, and where it listens.
struct Witness {
    child: Child,
    address: String,
}

/// Starts one; at its moment it says so on standard error and stands still.
fn start(folder: &Path, moment: Option<(&str, u32)>) -> Witness {
    let mut command = Command::new(env!("CARGO_BIN_EXE_custodia"));
    command.current_dir(folder).args(["witness", "serve", "--json", "--quiet", "--listen", "127.0.0.1:0", "--logs", "logs"]);
    command.args(["--key", "w/witness.key", "--state", "w/state"]).env_remove("CUSTODIA_FAIL_AT");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some((point, count)) = moment {
        command.env("CUSTODIA_FAIL_AT", format!("{point}:{count}"));
    }
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let told: serde_json::Value = serde_json::from_str(&line).unwrap();
    Witness { child, address: told["address"].as_str().unwrap().to_owned() }
}

impl Witness {
    fn connect(&self, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let head = format!("POST /add-checkpoint HTTP/1.1\r\nhost: w\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        stream
    }

    /// The answer's status and body.
    fn ask(&self, body: &str) -> (u16, String) {
        let mut text = String::new();
        self.connect(body).read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// Asks, waits until it has reached its moment, and kills it.
    fn ask_and_kill(mut self, body: &str) {
        let stream = self.connect(body);
        let mut said = String::new();
        BufReader::new(self.child.stderr.take().unwrap()).read_line(&mut said).unwrap();
        assert!(said.starts_with("fail point "), "{said}");
        self.kill();
        drop(stream);
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Heads of a log of so many leaves, each of a word.
fn head(leaves: u64, word: &str) -> VerifiedCheckpoint {
    let signer = LogSigner::new("log.example.org".parse().unwrap(), SigningKey::from_bytes(&[7; 32])).unwrap();
    let mut frontier = Frontier::empty();
    for index in 0..leaves {
        frontier.append(leaf_hash(format!("{index}{word}").as_bytes())).unwrap();
    }
    signer.sign(frontier.size(), frontier.root()).unwrap()
}

fn request(old: u64, head: &VerifiedCheckpoint) -> String {
    let nothing = ConsistencyProof::from_hashes(Vec::new()).unwrap();
    AddCheckpoint::new(TreeSize::new(old).unwrap(), nothing, head.note().clone()).to_text()
}

#[test]
fn a_witness_killed_between_its_state_and_its_answer_signs_the_same_again_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let words = ["witness", "key", "w", "--name", "witness.example/w1", "--json", "--quiet"];
    let made = Command::new(env!("CARGO_BIN_EXE_custodia")).current_dir(folder.path()).args(words).output().unwrap();
    let made: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    let key: CosignerKey = made["key"].as_str().unwrap().parse().unwrap();
    let (one, other) = (head(3, ""), head(3, "other"));
    std::fs::write(folder.path().join("logs"), format!("log {}\nquorum none\n", one.log_key())).unwrap();
    let cosigned = |answer: &(u16, String), head: &VerifiedCheckpoint| {
        assert_eq!(answer.0, 200, "{answer:?}");
        key.verify(head.checkpoint(), &NoteSignature::parse_lines(answer.1.as_bytes()).unwrap()[0]).unwrap();
    };

    // The start writes the state once; the second time is the request's, and it dies before the new state is in place: nothing was signed.
    start(folder.path(), Some(("server.file.written_beside", 2))).ask_and_kill(&request(0, &other));
    // It dies once the state is durable, before it signs.
    start(folder.path(), Some(("witness.state.durable", 1))).ask_and_kill(&request(0, &one));
    let witness = start(folder.path(), None);
    assert_eq!(witness.ask(&request(0, &one)), (409, "3\n".to_owned()));
    for old in [0, 3] {
        assert_eq!(witness.ask(&request(old, &other)), (409, "3\n".to_owned()), "another tree of that size");
    }
    cosigned(&witness.ask(&request(3, &one)), &one);
    witness.kill();
    let witness = start(folder.path(), None);
    cosigned(&witness.ask(&request(3, &one)), &one);
    witness.kill();
}
