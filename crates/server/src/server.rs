//! Making a server, running it, stopping it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use custodia_core::log::checkpoint::LogKey;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::clock::{Clock, MachineClock};
use crate::collector::Collector;
use crate::config::{Problem, ServerConfig, lies_within};
use crate::durable;
use crate::error::StartError;
use crate::head_file::HeadFile;
use crate::http::{self, Shared};
use crate::keys::{self, Keks};
use crate::nonces::used_up_before_the_answer;
use crate::sequencer::Waiting;
use crate::store::{Store, log};
use crate::strangers::Strangers;
use crate::tls;
use crate::vault::Vault;

/// How long objects of an erased exhibit that could not be deleted are left before it is tried again.
const DELETE_AGAIN: Duration = Duration::from_mins(10);

/// A vault's server.
#[derive(Debug)]
pub struct Server;

/// A server that runs; dropping this does not stop it.
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    handle: ServerHandle,
    serving: JoinHandle<std::io::Result<()>>,
    sequencing: Sequencing,
    deleting: JoinHandle<()>,
    collecting: Vec<JoinHandle<()>>,
    #[cfg(test)]
    collector: Arc<Collector>,
    vault: Arc<Vault>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Running({})", self.addr)
    }
}

impl Running {
    /// Takes no more requests, answers those that wait, and ends.
    ///
    /// # Errors
    /// What ended the server before.
    pub async fn stop(self) -> Result<(), StartError> {
        self.handle.stop(true).await;
        self.wait().await
    }

    /// Its database, to be written past the server.
    #[cfg(test)]
    pub(crate) fn store(&self) -> &Store {
        &self.vault.store
    }

    /// What collects cosignatures and stamps, to take a turn now.
    #[cfg(test)]
    pub(crate) fn collector(&self) -> Arc<Collector> {
        Arc::clone(&self.collector)
    }

    /// Takes the turn of an idle server now.
    #[cfg(test)]
    pub(crate) async fn idle_turn(&self) {
        crate::sequencer::idle_turn(&self.vault).await;
    }

    /// Waits until the server ends by itself or by a signal (SIGINT, SIGTERM).
    ///
    /// # Errors
    /// What ended it.
    pub async fn wait(self) -> Result<(), StartError> {
        let ended = self.serving.await.unwrap_or_else(|_| Err(std::io::Error::other("the server's task ended")));
        // Every request has its answer by now: no act waits.
        self.sequencing.stop().await;
        self.deleting.abort();
        for task in self.collecting {
            task.abort();
            let _ = task.await;
        }
        self.vault.store.close().await;
        ended.map_err(StartError::io("serve on", Path::new("the listening address")))
    }
}

impl Server {
    /// Makes folders, log key, key-encryption keys, database and head file for a log that begins; overwrites nothing. Answers the log's key,
    /// which judges and agents pin.
    ///
    /// # Errors
    /// Any of these exists already or cannot be made.
    pub async fn init(config: &ServerConfig) -> Result<LogKey, StartError> {
        refuse_misplaced_keks(config)?;
        for file in [&config.data.log_key, &config.data.head_file].into_iter().chain(config.sqlite_file().as_ref()) {
            if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                durable::make_private_folder(folder).map_err(StartError::io("make the folder", folder))?;
            }
        }
        if config.data.head_file.exists() {
            let exists = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
            return Err(StartError::io("begin a log beside", &config.data.head_file)(exists));
        }
        let store = Store::open(&config.database_url()).await?;
        let mut write = store.write().await?;
        if log::head(write.conn()).await?.is_some() {
            return Err(StartError::Log("the database holds a log already; nothing was changed".to_owned()));
        }
        let signer = keys::create_log_key(&config.data.log_key, &config.origin)?;
        Keks::create(&config.kek.folders)?;
        let empty = signer
            .sign(custodia_core::log::merkle::TreeSize::ZERO, custodia_core::log::merkle::RootHash::empty())
            .map_err(|error| StartError::Log(error.to_string()))?;
        log::begin(write.conn(), empty.note().as_str()).await?;
        write.commit().await?;
        store.close().await;
        let head_file = &config.data.head_file;
        HeadFile::create(head_file, config.origin.clone()).map_err(StartError::io("write the head file", head_file))?;
        Ok(signer.log_key())
    }

    /// Starts a server that [`Server::init`] made.
    ///
    /// Needs a Tokio runtime; requests are taken, and acts entered, on threads of their own.
    ///
    /// # Errors
    /// Anything that the configuration names is not there or does not fit. A database behind its head file is no error: the server reads and
    /// refuses to append.
    pub async fn run(config: &ServerConfig) -> Result<Running, StartError> {
        Self::run_by(config, Arc::new(MachineClock)).await
    }

    /// Starts a server under a clock of the caller's.
    ///
    /// # Errors
    /// As for [`Server::run`].
    pub async fn run_by(config: &ServerConfig, clock: Arc<dyn Clock>) -> Result<Running, StartError> {
        refuse_misplaced_keks(config)?;
        let tls = config.tls.as_ref().map(tls::load).transpose()?;
        let (vault, waiting) = Vault::open(config, clock).await?;
        let collector = Arc::new(Collector::new(config, Arc::clone(&vault))?);
        let listener =
            std::net::TcpListener::bind(config.listen).map_err(StartError::io("listen on", Path::new(&config.listen.to_string())))?;
        let addr = listener.local_addr().map_err(StartError::io("listen on", Path::new(&config.listen.to_string())))?;
        let authorities = if config.authorities.is_empty() { vec![addr.to_string()] } else { config.authorities.clone() };
        let shared =
            web::Data::new(Shared { vault: Arc::clone(&vault), authorities, strangers: Strangers::new(config.limits.refused_per_minute) });
        let sequencing = Sequencing::start(waiting, &vault)?;
        let collecting = collector.run();
        let deleting = tokio::spawn(delete_erased(Arc::clone(&vault)));
        let server = HttpServer::new(move || {
            App::new().app_data(shared.clone()).wrap(from_fn(used_up_before_the_answer)).configure(http::configure)
        })
        .workers(config.limits.workers)
        .client_request_timeout(Duration::from_secs(10))
        .shutdown_timeout(10);
        let server = match tls {
            Some(tls) => server.listen_rustls_0_23(listener, tls),
            None => server.listen(listener),
        };
        let server = server.map_err(StartError::io("listen on", Path::new(&addr.to_string())))?.run();
        let handle = server.handle();
        tracing::info!(server.address = %addr, log.origin = %config.origin, "the server takes requests");
        Ok(Running {
            addr,
            handle,
            serving: tokio::spawn(server),
            sequencing,
            deleting,
            collecting,
            #[cfg(test)]
            collector,
            vault,
        })
    }
}

/// The sequencer on a thread of its own. A turn waits for the database a dozen times; on a runtime of several threads each of these wake-ups would wake
/// a second thread, which finds no work.
struct Sequencing {
    stop: oneshot::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl Sequencing {
    fn start(waiting: Waiting, vault: &Arc<Vault>) -> Result<Self, StartError> {
        let failed = StartError::io("start the thread of", Path::new("the sequencer"));
        let (stop, stopped) = oneshot::channel();
        let vault = Arc::clone(vault);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let started = runtime.and_then(|runtime| {
            std::thread::Builder::new().name("sequencer".to_owned()).spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = waiting.run(vault) => {}
                        Ok(()) = stopped => {}
                    }
                });
            })
        });
        Ok(Self { stop, thread: started.map_err(failed)? })
    }

    /// Ends it; whatever it holds of the database is given back.
    async fn stop(self) {
        let _ = self.stop.send(());
        let _ = tokio::task::spawn_blocking(|| self.thread.join()).await;
    }
}

/// An erasure deletes its objects once it is durable; what a crash or an unreachable store left is deleted by this, now and ever again.
async fn delete_erased(vault: Arc<Vault>) {
    loop {
        vault.delete_erased_objects().await;
        tokio::time::sleep(DELETE_AGAIN).await;
    }
}

/// No key-encryption key lies where objects or the database lie: one stolen copy would hold both.
fn refuse_misplaced_keks(config: &ServerConfig) -> Result<(), StartError> {
    let misplaced = |folder: &Path| config.kek_neighbours().iter().any(|other| lies_within(folder, other) || lies_within(other, folder));
    let problems: Vec<Problem> = config
        .kek
        .folders
        .iter()
        .filter(|folder| misplaced(folder))
        .map(|folder| Problem {
            line: None,
            key: "kek.folders".to_owned(),
            message: format!("{} lies with the objects or the database", folder.display()),
            next: "Put the keys in a folder of their own, outside of objects, database and their backups.".to_owned(),
        })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(StartError::Config(problems)) }
}
