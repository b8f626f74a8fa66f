//! A server that lies: a proxy between an agent and a real server, which tells what a test makes of the true answers.
//!
//! One request a connection, HTTP/1.1. What a request asks is passed on as it came, so signatures hold; only answers are lied about.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// What an agent asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// `GET`, `POST` or `PUT`.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Asked {
    /// Whether this is a request of that method whose path ends so, its query apart.
    pub fn is(&self, method: &str, path_ends: &str) -> bool {
        let path = self.target.split('?').next().unwrap_or_default();
        self.method == method && path.ends_with(path_ends)
    }
}

/// The true answer, or what is told in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// A success with this body.
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, body: body.into() }
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The same answer with another JSON body.
    #[must_use]
    pub fn with(self, json: &serde_json::Value) -> Self {
        Self { body: serde_json::to_vec(json).unwrap(), ..self }
    }

    fn bytes(&self) -> Vec<u8> {
        let head = format!(
            "HTTP/1.1 {} Told\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            self.status,
            self.body.len()
        );
        [head.as_bytes(), &self.body].concat()
    }
}

/// What an agent is told.
#[derive(Debug)]
pub enum Told {
    /// This answer.
    Answer(Answer),
    /// This answer, once somebody says so.
    Later(oneshot::Receiver<()>, Answer),
    /// These bytes and the end of the connection.
    Raw(Vec<u8>),
    /// A body without an end.
    Endless,
}

type Lie = Box<dyn FnMut(&Asked, Answer) -> Told + Send>;

struct Shared {
    upstream: Mutex<Option<SocketAddr>>,
    lie: Mutex<Option<Lie>>,
}

/// A proxy that lies as it is told to; until then it is honest.
pub struct Liar {
    /// Where it listens.
    pub addr: SocketAddr,
    shared: Arc<Shared>,
    listening: tokio::task::JoinHandle<()>,
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Liar {
    /// Listens on loopback; behind it there is nothing yet.
    pub async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { upstream: Mutex::new(None), lie: Mutex::new(None) });
        let serving = Arc::clone(&shared);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&serving);
                // A client that goes away in the middle ends its own connection only.
                tokio::spawn(async move { drop(serve(stream, &shared).await) });
            }
        });
        Self { addr, shared, listening }
    }

    /// Passes requests on to this server from now on.
    pub fn stand_before(&self, server: SocketAddr) {
        *self.shared.upstream.lock().unwrap() = Some(server);
    }

    /// The server that it passes requests on to.
    pub fn stands_before(&self) -> SocketAddr {
        self.shared.upstream.lock().unwrap().unwrap()
    }

    /// Asks the server behind it what anybody may ask.
    pub async fn public(&self, target: &str) -> Answer {
        let asked = Asked { method: "GET".to_owned(), target: target.to_owned(), body: Vec::new() };
        pass_on(&self.shared, &format!("GET {target} HTTP/1.1\r\nhost: {}", self.addr), &asked).await.unwrap()
    }

    /// Tells agents what `lie` makes of the true answers.
    pub fn lie(&self, lie: impl FnMut(&Asked, Answer) -> Told + Send + 'static) {
        *self.shared.lie.lock().unwrap() = Some(Box::new(lie));
    }

    /// Tells the truth again.
    pub fn be_honest(&self) {
        *self.shared.lie.lock().unwrap() = None;
    }
}

async fn serve(mut client: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let Some((head, asked)) = read_request(&mut client).await? else { return Ok(()) };
    let answer = pass_on(shared, &head, &asked).await?;
    let told = match shared.lie.lock().unwrap().as_mut() {
        Some(lie) => lie(&asked, answer),
        None => Told::Answer(answer),
    };
    match told {
        Told::Answer(answer) => client.write_all(&answer.bytes()).await?,
        Told::Later(said, answer) => {
            // Whoever was to say so may be gone; the answer is told all the same.
            let _ = said.await;
            client.write_all(&answer.bytes()).await?;
        }
        Told::Raw(bytes) => client.write_all(&bytes).await?,
        Told::Endless => {
            client.write_all(b"HTTP/1.1 200 Told\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n").await?;
            let piece = vec![b' '; 1 << 20];
            while client.write_all(&piece).await.is_ok() {}
        }
    }
    client.shutdown().await
}

async fn read_request(client: &mut TcpStream) -> std::io::Result<Option<(String, Asked)>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if client.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let mut body = bytes.split_off(end + 4);
    let head = String::from_utf8(bytes[..end].to_vec()).map_err(std::io::Error::other)?;
    let length = header(&head, "content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    while body.len() < length {
        if client.read_buf(&mut body).await? == 0 {
            return Ok(None);
        }
    }
    let mut words = head.split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    Ok(Some((head, Asked { method, target, body })))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
    lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// Asks the real server; only the `connection` header is another one.
async fn pass_on(shared: &Shared, head: &str, asked: &Asked) -> std::io::Result<Answer> {
    let upstream = shared.upstream.lock().unwrap().ok_or(std::io::ErrorKind::NotConnected)?;
    let mut lines = head.split("\r\n").filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let mut request = lines.next().unwrap_or_default().to_owned();
    request.push_str("\r\nconnection: close");
    for line in lines {
        request.extend(["\r\n", line]);
    }
    request.push_str("\r\n\r\n");
    let mut server = TcpStream::connect(upstream).await?;
    server.write_all(request.as_bytes()).await?;
    server.write_all(&asked.body).await?;
    let mut bytes = Vec::new();
    server.read_to_end(&mut bytes).await?;
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").ok_or(std::io::ErrorKind::InvalidData)?;
    let status = std::str::from_utf8(&bytes[..end]).ok().and_then(|head| head.split(' ').nth(1)?.parse().ok());
    Ok(Answer { status: status.ok_or(std::io::ErrorKind::InvalidData)?, body: bytes.split_off(end + 4) })
}
