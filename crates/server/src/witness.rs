//! A witness: cosigns the heads of logs that it knows, each only if it extends what it cosigned before (C2SP tlog-witness).
//!
//! ```text
//! POST /add-checkpoint ──► core::log::witness::judge ──► state: durable before anything is signed ──► cosignature
//!                                                  └───► evidence: what the log signed and must not have
//! ```
//! It sees tree heads and nothing else. Its key and its state belong together: `custodia witness key` makes both, and a witness whose state was
//! lost or set back must be given up with its key, for it could cosign two histories.

mod state;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use custodia_core::log::cosignature::{CosignatureTime, Cosigner, CosignerKey};
use custodia_core::log::witness::{AddCheckpoint, MAX_ADD_CHECKPOINT_BYTES, Verdict, judge};
use custodia_core::log::{LogKey, VerifiedCheckpoint};
use custodia_failpoint::fail_point;
use tokio::task::JoinHandle;

pub use state::{CosignedLog, Evidence, Status, status};

use crate::auth::read_body_into;
use crate::clock::{Clock, MachineClock};
use crate::config::{TlsConfig, read_policy};
use crate::durable;
use crate::error::StartError;
use crate::keys;
use crate::tls;
use state::State;

/// The media type of a tree size in an answer.
const SIZE: &str = "text/x.tlog.size";
const TEXT: &str = "text/plain; charset=utf-8";

/// How a witness is set up.
#[derive(Debug, Clone)]
pub struct WitnessConfig {
    /// Its key's file.
    pub key: PathBuf,
    /// The folder of its state.
    pub state: PathBuf,
    /// Address and port on which requests are taken.
    pub listen: SocketAddr,
    /// A C2SP tlog-policy file, whose log lines say which logs it witnesses.
    pub logs: PathBuf,
    /// TLS; without it plain HTTP, which is for loopback alone.
    pub tls: Option<TlsConfig>,
}

/// Makes a witness's key and its empty state in a folder: `witness.key` and `state`.
///
/// # Errors
/// There is one already; the name cannot be that of a key; what the file system refuses.
pub fn create(folder: &Path, name: &str) -> Result<CosignerKey, StartError> {
    let path = folder.join("witness.key");
    let name = name.parse().map_err(|_| StartError::Key { path: path.clone(), message: "the name cannot be that of a key" })?;
    durable::make_private_folder(folder).map_err(StartError::io("make the folder", folder))?;
    let key = keys::create_witness_key(&path, name)?.cosigner_key();
    State::create(&folder.join("state"), &key)?;
    Ok(key)
}

/// A witness that runs; dropping this does not stop it.
pub struct RunningWitness {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Its key.
    pub key: CosignerKey,
    handle: ServerHandle,
    serving: JoinHandle<std::io::Result<()>>,
    witness: web::Data<Witness>,
}

impl std::fmt::Debug for RunningWitness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RunningWitness({})", self.addr)
    }
}

impl RunningWitness {
    /// Takes no more requests, answers those that wait, and ends.
    ///
    /// # Errors
    /// What ended it before.
    pub async fn stop(self) -> Result<(), StartError> {
        self.handle.stop(true).await;
        self.wait().await
    }

    /// Waits until it ends by itself or by a signal (SIGINT, SIGTERM).
    ///
    /// # Errors
    /// What ended it.
    pub async fn wait(self) -> Result<(), StartError> {
        let ended = self.serving.await.unwrap_or_else(|_| Err(std::io::Error::other("the witness's task ended")));
        // The threads that took requests may end a moment later.
        self.witness.state.lock().unwrap_or_else(PoisonError::into_inner).leave();
        ended.map_err(StartError::io("serve on", Path::new("the listening address")))
    }
}

/// Starts a witness that [`create`] made.
///
/// # Errors
/// Its files are not there, do not belong together, or are in use by another process; the address cannot be listened on.
pub async fn run(config: &WitnessConfig) -> Result<RunningWitness, StartError> {
    run_by(config, Arc::new(MachineClock)).await
}

/// Starts a witness under a clock of the caller's.
///
/// # Errors
/// As for [`run`].
#[expect(clippy::unused_async, reason = "it needs the runtime, as whoever calls it sees by this")]
pub async fn run_by(config: &WitnessConfig, clock: Arc<dyn Clock>) -> Result<RunningWitness, StartError> {
    let place = config.listen.to_string();
    if config.tls.is_none() && !config.listen.ip().is_loopback() {
        return Err(StartError::Tls(format!("without a certificate, {place} would take requests in the clear; listen on 127.0.0.1")));
    }
    let cosigner = keys::read_witness_key(&config.key)?;
    let logs = read_policy(&config.logs).map_err(|error| StartError::Log(format!("{}: {error}", config.logs.display())))?;
    let logs: Vec<LogKey> = logs.logs().iter().map(|log| log.key.clone()).collect();
    if logs.is_empty() {
        return Err(StartError::Log(format!("{}: it has no log line, so there is nothing to witness", config.logs.display())));
    }
    let tls = config.tls.as_ref().map(tls::load_for_anybody).transpose()?;
    let key = cosigner.cosigner_key();
    let state = State::open(&config.state, &key)?;
    let listener = std::net::TcpListener::bind(config.listen).map_err(StartError::io("listen on", Path::new(&place)))?;
    let addr = listener.local_addr().map_err(StartError::io("listen on", Path::new(&place)))?;
    let witness = web::Data::new(Witness { cosigner, logs, clock, state: Mutex::new(state) });
    let serving = witness.clone();
    let server = HttpServer::new(move || App::new().app_data(serving.clone()).route("/add-checkpoint", web::post().to(add_checkpoint)))
        .workers(1)
        .client_request_timeout(Duration::from_secs(10))
        .shutdown_timeout(10);
    let server = match tls {
        Some(tls) => server.listen_rustls_0_23(listener, tls),
        None => server.listen(listener),
    };
    let server = server.map_err(StartError::io("listen on", Path::new(&addr.to_string())))?.run();
    let handle = server.handle();
    tracing::info!(witness.key = %key, witness.address = %addr, "the witness takes checkpoints");
    Ok(RunningWitness { addr, key, handle, serving: tokio::spawn(server), witness })
}

struct Witness {
    cosigner: Cosigner,
    logs: Vec<LogKey>,
    clock: Arc<dyn Clock>,
    /// Held from the look at what was cosigned until the new head is durable: two requests never pass each other.
    state: Mutex<State>,
}

async fn add_checkpoint(witness: web::Data<Witness>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    match read_body_into(&request, payload.into_inner(), MAX_ADD_CHECKPOINT_BYTES, "the body", Vec::new()).await {
        Err(refusal) => said(refusal.code().status(), refusal.to_string()),
        Ok(bytes) => match web::block(move || witness.answer(&bytes)).await {
            Ok(answer) => answer.into(),
            Err(_) => said(503, "the witness is stopping".to_owned()),
        },
    }
}

fn said(status: u16, text: String) -> HttpResponse {
    Said { status, media: TEXT, text: text + "\n" }.into()
}

/// An answer before it is HTTP.
struct Said {
    status: u16,
    media: &'static str,
    text: String,
}

impl From<Said> for HttpResponse {
    fn from(said: Said) -> Self {
        let status = StatusCode::from_u16(said.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::build(status).insert_header(("cache-control", "no-store")).content_type(said.media).body(said.text)
    }
}

impl Witness {
    fn answer(&self, bytes: &[u8]) -> Said {
        let words = |status, text: String| Said { status, media: TEXT, text: text + "\n" };
        let request = match AddCheckpoint::parse(bytes) {
            Ok(request) => request,
            Err(error) => return words(400, error.to_string()),
        };
        // A thread that panicked while it held the state wrote nothing since, or whole files.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let verdict = judge(&request, &self.logs, state.held(request.origin()));
        if let Some(finding) = verdict.finding()
            && let Err(error) = state.keep_evidence(finding, &request, bytes, self.key_of(request.origin()), self.clock.now())
        {
            tracing::error!(%error, "evidence against a log could not be kept");
        }
        match verdict {
            Verdict::Cosign(checkpoint) => self.cosign(&mut state, &checkpoint),
            Verdict::Malformed(error) => words(400, error.to_string()),
            Verdict::NotSigned(error) => words(403, error.to_string()),
            Verdict::UnknownLog => words(404, format!("the log {:?} is not known here", request.origin())),
            Verdict::Conflict(size, _) => Said { status: 409, media: SIZE, text: format!("{size}\n") },
            Verdict::Unproven => words(422, "the proof does not lead from the tree that was cosigned to this one".to_owned()),
        }
    }

    /// A key of that log, by which anybody can judge what it signed.
    fn key_of(&self, origin: &str) -> String {
        let key = self.logs.iter().find(|key| key.verifier_key().name().as_str() == origin);
        key.map_or_else(String::new, ToString::to_string)
    }

    fn cosign(&self, state: &mut State, checkpoint: &VerifiedCheckpoint) -> Said {
        let failed = |text: &str| Said { status: 503, media: TEXT, text: format!("{text}\n") };
        let Ok(time) = CosignatureTime::try_from(self.clock.now()) else { return failed("the witness's clock shows no time") };
        if let Err(error) = state.remember(checkpoint) {
            tracing::error!(%error, "the state could not be written, so nothing is cosigned until the witness was started again");
            return failed("the witness cannot write down what it would cosign");
        }
        fail_point!("witness.state.durable");
        Said { status: 200, media: TEXT, text: self.cosigner.cosign(checkpoint, time).line().to_string() }
    }
}
