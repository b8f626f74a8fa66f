//! A proxy between the server and one of its stores, which breaks the connection in the manner that a test asks for.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// What goes wrong from now on.
#[derive(Debug)]
pub enum Fault {
    /// Nothing.
    None,
    /// Every connection is cut.
    Down,
    /// Questions arrive, answers never come.
    Silent,
    /// A question is not passed on, and answered by `503 Service Unavailable`.
    Busy,
    /// An answer is cut after that many bytes.
    CutAfter(usize),
    /// Once: what holds these bytes is passed on; when its answer comes, the connection is cut instead.
    LostAnswer(&'static [u8]),
    /// Once: what holds these bytes waits, after the first message was sent, until the second comes; then it is passed on.
    Hold(&'static [u8], Option<oneshot::Sender<()>>, Option<oneshot::Receiver<()>>),
}

/// The proxy; it ends with its runtime.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Where it listens.
    pub port: u16,
    fault: Arc<Mutex<Fault>>,
}

/// What is done with a question.
enum Step {
    Pass,
    Cut,
    Busy,
    PassAndCut,
    Hold(oneshot::Sender<()>, oneshot::Receiver<()>),
}

impl Proxy {
    /// A proxy for what listens on that port of this machine.
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let proxy = Self { port: listener.local_addr().unwrap().port(), fault: Arc::new(Mutex::new(Fault::None)) };
        let shared = proxy.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                if !matches!(*shared.fault.lock().unwrap(), Fault::Down) {
                    tokio::spawn(shared.clone().connect(near, port));
                }
            }
        });
        proxy
    }

    /// Sets what goes wrong from now on.
    pub fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    /// Whether nothing goes wrong from now on; what happens once has then happened.
    pub fn is_quiet(&self) -> bool {
        matches!(*self.fault.lock().unwrap(), Fault::None)
    }

    async fn connect(self, near: TcpStream, port: u16) {
        let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
        let (from_near, to_near) = near.into_split();
        let (from_far, to_far) = far.into_split();
        let to_near = Arc::new(tokio::sync::Mutex::new(to_near));
        let cut = Arc::new(Mutex::new(false));
        // Whichever direction ends first ends both, and both connections are dropped.
        tokio::select! {
            () = self.questions(from_near, to_far, &to_near, &cut) => {}
            () = self.answers(from_far, &to_near, &cut) => {}
        }
    }

    fn step(&self, bytes: &[u8]) -> Step {
        let holds = |wanted: &[u8]| bytes.windows(wanted.len()).any(|window| window == wanted);
        let mut fault = self.fault.lock().unwrap();
        match &mut *fault {
            Fault::Down => Step::Cut,
            Fault::Busy => Step::Busy,
            Fault::LostAnswer(wanted) if holds(wanted) => {
                *fault = Fault::None;
                Step::PassAndCut
            }
            Fault::Hold(wanted, told, go) if holds(wanted) => match (told.take(), go.take()) {
                (Some(told), Some(go)) => {
                    *fault = Fault::None;
                    Step::Hold(told, go)
                }
                _ => Step::Pass,
            },
            _ => Step::Pass,
        }
    }

    async fn questions(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        near: &tokio::sync::Mutex<OwnedWriteHalf>,
        cut: &Mutex<bool>,
    ) {
        let mut bytes = vec![0; 1 << 16];
        loop {
            let Ok(length @ 1..) = from.read(&mut bytes).await else { return };
            match self.step(&bytes[..length]) {
                Step::Pass => {}
                Step::Cut => return,
                Step::Busy => {
                    let _ = near
                        .lock()
                        .await
                        .write_all(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                        .await;
                    return;
                }
                Step::PassAndCut => *cut.lock().unwrap() = true,
                Step::Hold(told, go) => {
                    let _ = told.send(());
                    let _ = go.await;
                }
            }
            if to.write_all(&bytes[..length]).await.is_err() {
                return;
            }
        }
    }

    async fn answers(&self, mut from: OwnedReadHalf, near: &tokio::sync::Mutex<OwnedWriteHalf>, cut: &Mutex<bool>) {
        let (mut bytes, mut passed) = (vec![0; 1 << 16], 0);
        loop {
            let Ok(mut length @ 1..) = from.read(&mut bytes).await else { return };
            if *cut.lock().unwrap() {
                return;
            }
            let (mut silent, mut last) = (false, false);
            match *self.fault.lock().unwrap() {
                Fault::Down => return,
                Fault::Silent => silent = true,
                Fault::CutAfter(most) => {
                    last = passed + length >= most;
                    length = length.min(most.saturating_sub(passed));
                    passed += length;
                }
                _ => passed = 0,
            }
            if silent {
                continue;
            }
            if near.lock().await.write_all(&bytes[..length]).await.is_err() || last {
                return;
            }
        }
    }
}
