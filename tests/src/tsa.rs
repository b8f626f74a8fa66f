//! A time-stamping authority of the tests: `openssl ts` under a root of its own, by call or over HTTP on loopback.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const CONFIG: &str = "\
[req]
distinguished_name = none
prompt = no
[none]
CN = unused
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
[signer]
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
[tsa]
serial = serial
crypto_device = builtin
signer_cert = signer.pem
signer_key = signer.key
certs = signer.pem
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
accuracy = secs:1
ess_cert_id_chain = no
ess_cert_id_alg = sha256
";

/// The authority: its files lie in a folder of its own.
#[derive(Debug)]
pub struct Tsa {
    folder: tempfile::TempDir,
    /// One stamp at a time: they share a file of serial numbers.
    turn: Mutex<()>,
}

fn openssl(folder: &Path, words: &[&str]) {
    let output = Command::new("openssl").current_dir(folder).args(words).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "openssl {words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Tsa {
    /// Makes a root, and a signer under it; keys on P-256, good for a hundred days.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        std::fs::write(at.join("openssl.cnf"), CONFIG).unwrap();
        std::fs::write(at.join("serial"), "01\n").unwrap();
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-config", "openssl.cnf"];
        let root =
            ["-x509", "-extensions", "root", "-subj", "/CN=root of the tests", "-days", "100", "-keyout", "root.key", "-out", "root.pem"];
        openssl(at, &[&["req"][..], &key, &root].concat());
        let request = ["-subj", "/CN=time stamps of the tests", "-keyout", "signer.key", "-out", "signer.csr"];
        openssl(at, &[&["req"][..], &key, &request].concat());
        let issue = ["x509", "-req", "-in", "signer.csr", "-CA", "root.pem", "-CAkey", "root.key", "-set_serial", "2", "-days", "100"];
        openssl(at, &[&issue[..], &["-extfile", "openssl.cnf", "-extensions", "signer", "-out", "signer.pem"]].concat());
        Self { folder, turn: Mutex::new(()) }
    }

    /// The root's certificate, PEM.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root.pem")
    }

    /// Answers a `TimeStampReq` with a `TimeStampResp`, both DER.
    #[must_use]
    pub fn reply(&self, query: &[u8]) -> Vec<u8> {
        let _turn = self.turn.lock().unwrap();
        let at = self.folder.path();
        std::fs::write(at.join("query"), query).unwrap();
        openssl(at, &["ts", "-reply", "-config", "openssl.cnf", "-section", "tsa", "-queryfile", "query", "-out", "reply"]);
        std::fs::read(at.join("reply")).unwrap()
    }

    /// A stamp of these bytes' SHA-256, with the signer's certificate in it.
    #[must_use]
    pub fn stamp(&self, bytes: &[u8]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("data"), bytes).unwrap();
        openssl(folder.path(), &["ts", "-query", "-data", "data", "-sha256", "-cert", "-out", "query"]);
        self.reply(&std::fs::read(folder.path().join("query")).unwrap())
    }

    /// Whether `openssl ts -verify` accepts a stamp of these bytes under this root.
    #[must_use]
    pub fn verifies(&self, stamp: &[u8], bytes: &[u8]) -> bool {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("data"), bytes).unwrap();
        std::fs::write(folder.path().join("stamp"), stamp).unwrap();
        let mut command = Command::new("openssl");
        command.current_dir(folder.path()).args(["ts", "-verify", "-data", "data", "-in", "stamp", "-CAfile"]).arg(self.root());
        command.stdin(Stdio::null()).output().unwrap().status.success()
    }

    /// Answers on loopback by HTTP, until its runtime ends; gives the address.
    pub async fn serve(self: Arc<Self>) -> String {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/tsa", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&self).answer(stream));
            }
        });
        url
    }

    async fn answer(self: Arc<Self>, mut stream: TcpStream) {
        let Some(query) = read_body(&mut stream).await else { return };
        let reply = tokio::task::spawn_blocking(move || self.reply(&query)).await.unwrap();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/timestamp-reply\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            reply.len()
        );
        let _ = stream.write_all(&[head.as_bytes(), &reply].concat()).await;
    }
}

impl Default for Tsa {
    fn default() -> Self {
        Self::new()
    }
}

/// The body of a request with a `content-length`; none if the connection ends before.
pub async fn read_body(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok())?;
            if bytes.len() >= end + 4 + length {
                return Some(bytes[end + 4..end + 4 + length].to_vec());
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
