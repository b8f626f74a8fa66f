//! The demo's stage: a temporary folder, the server's process, and a process for everything that a person does.

use std::ffi::OsStr;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};

use super::Told;
use crate::failure::{Code, Exit, Failure};
use crate::settings::Key;
use crate::terminal::{answer, before_leaving, note};

/// One passphrase for all people of the demo, twice for a command that opens two keys; it is written to each process's standard input.
const PASSPHRASE: &str = "demo: correct horse battery staple\ndemo: correct horse battery staple\n";

/// The stage.
pub struct Stage {
    folder: PathBuf,
    /// Where the judge keeps what the court pins: not with anything that the others write.
    court: PathBuf,
    keep: bool,
    program: PathBuf,
    /// Address of the server.
    pub address: String,
    processes: Arc<Mutex<Processes>>,
    begun: Instant,
}

/// What runs besides the demo itself.
#[derive(Default)]
struct Processes {
    server: Option<Child>,
    /// The command that is waited for.
    command: Option<u32>,
    /// Whether the demo was told to end: nothing is started any more.
    over: bool,
}

impl Processes {
    /// Ends the server as a power cut would: no farewell.
    fn stop_server(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    fn end(&mut self) {
        self.over = true;
        self.stop_server();
        if let Some(command) = self.command {
            let _ = Command::new("sh").args(["-c", &format!("kill -KILL {command}")]).stderr(Stdio::null()).status();
        }
    }
}

/// Told to end, the demo says nothing more: the task that heard the signal ends the program once nothing runs any more.
fn await_the_end() -> ! {
    loop {
        std::thread::park();
    }
}

fn remove(folders: &[PathBuf]) {
    for folder in folders {
        let _ = std::fs::remove_dir_all(folder);
    }
}

fn locked(processes: &Mutex<Processes>) -> MutexGuard<'_, Processes> {
    processes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The words of a command, as far as they are text.
fn shown<S: AsRef<OsStr>>(words: &[S]) -> String {
    words.iter().map(|word| word.as_ref().to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Tells what just happened, after it did.
pub fn tell(text: &str) {
    let _ = answer(&Told::Happened(text.to_owned()));
}

fn unexpected(text: impl Into<String>) -> Failure {
    Failure::new(Code::DemoFailed, text, "")
}

impl Stage {
    /// Makes the folder; nothing runs yet.
    pub fn open(keep: bool) -> Result<Self, Failure> {
        let program = std::env::current_exe().map_err(|error| unexpected(format!("this program does not find itself: {error}")))?;
        let temporary = |prefix| tempfile::Builder::new().prefix(prefix).tempdir();
        let no_folder = |error| unexpected(format!("no temporary folder: {error}"));
        let folder = temporary("custodia-demo-").map_err(no_folder)?;
        let court = temporary("custodia-court-").map_err(no_folder)?;
        // A port that was free a moment ago; the demo says so if somebody else took it since.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = port.map_err(|error| unexpected(format!("no free port on loopback: {error}")))?.port();
        Ok(Self {
            folder: folder.keep(),
            court: court.keep(),
            keep,
            program,
            address: format!("127.0.0.1:{port}"),
            processes: Arc::default(),
            begun: Instant::now(),
        })
    }

    /// Leaves nothing behind when the demo is interrupted, told to end, or nobody reads what it says any more, either.
    pub fn end_whatever_happens(&self) -> Result<(), Failure> {
        let (processes, folders) = (Arc::clone(&self.processes), [self.folder.clone(), self.court.clone()]);
        before_leaving(move || {
            locked(&processes).stop_server();
            remove(&folders);
        });
        for (kind, code) in [(SignalKind::interrupt(), 130), (SignalKind::terminate(), 143), (SignalKind::hangup(), 129)] {
            let mut told = signal(kind).map_err(|error| unexpected(format!("signals are not heard: {error}")))?;
            let (processes, folders) = (Arc::clone(&self.processes), [self.folder.clone(), self.court.clone()]);
            tokio::spawn(async move {
                if told.recv().await.is_some() {
                    locked(&processes).end();
                    while locked(&processes).command.is_some() {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                    remove(&folders);
                    note("\nThe demo was ended: nothing runs any more, and its folders are gone.");
                    std::process::exit(code);
                }
            });
        }
        Ok(())
    }

    /// The judge's trust file.
    pub fn trust_file(&self) -> PathBuf {
        self.court.join("trust.toml")
    }

    /// The demo's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A path in the demo's folder, as text.
    pub fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// The server's address as agents are told it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Announces a part of the demo.
    pub fn part(&self, title: &str) {
        let _ = answer(&Told::Part { title: title.to_owned(), seconds: self.begun.elapsed().as_secs_f32() });
    }

    /// Runs a command that must succeed, and returns its standard output.
    pub fn ok<S: AsRef<OsStr>>(&self, home: &str, words: &[S]) -> Result<String, Failure> {
        let output = self.output(Some(home), words)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(unexpected(format!("`custodia {}` was to succeed and ended with {}:\n{}", shown(words), output.status, said.trim_end())))
    }

    /// Runs a command and tells whether it succeeded; if not, what it said.
    pub fn tried<S: AsRef<OsStr>>(&self, home: &str, words: &[S]) -> Result<(), String> {
        match self.output(Some(home), words) {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(failure) => Err(failure.message),
        }
    }

    /// Runs a command that must be refused with this exit code, and returns the sentence that says why.
    pub fn refused<S: AsRef<OsStr>>(&self, home: &str, words: &[S], exit: Exit) -> Result<String, Failure> {
        let output = self.output(Some(home), words)?;
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        if output.status.code() == Some(i32::from(exit as u8)) {
            let why = said.lines().find_map(|line| line.strip_prefix("custodia: "));
            why.map(str::to_owned).ok_or_else(|| unexpected(format!("`custodia {}` was refused without a reason:\n{said}", shown(words))))
        } else {
            Err(unexpected(format!(
                "`custodia {}` was to be refused with code {} and ended with {}:\n{said}",
                shown(words),
                exit as u8,
                output.status
            )))
        }
    }

    /// This program, with nothing of what the person who runs the demo has configured.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        for key in Key::ALL {
            command.env_remove(key.variable());
        }
        command.env("CUSTODIA_CONFIG", "/dev/null");
        command
    }

    fn output<S: AsRef<OsStr>>(&self, home: Option<&str>, words: &[S]) -> Result<Output, Failure> {
        let mut command = self.command();
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.args(["--passphrase-fd", "0"]);
        if let Some(home) = home.filter(|home| !home.is_empty()) {
            command.arg("--home").arg(self.folder.join(home));
        }
        let mut processes = locked(&self.processes);
        if processes.over {
            drop(processes);
            await_the_end();
        }
        let mut child = command.spawn().map_err(|error| unexpected(format!("a process did not start: {error}")))?;
        processes.command = Some(child.id());
        drop(processes);
        if let Some(mut stdin) = child.stdin.take() {
            // A command that asks for no passphrase may have ended already.
            let _ = stdin.write_all(PASSPHRASE.as_bytes());
        }
        let output = child.wait_with_output();
        let mut processes = locked(&self.processes);
        processes.command = None;
        if processes.over {
            drop(processes);
            await_the_end();
        }
        drop(processes);
        output.map_err(|error| unexpected(format!("a process did not end: {error}")))
    }

    /// Runs `custodia verify` and returns its verdict's sentence, if it ended with this exit code.
    pub fn verdict(&self, dossier: &str, trust: &str, code: i32) -> Result<String, Failure> {
        let output = self.output(None, &["verify", dossier, "--trust", trust])?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.code() == Some(code) {
            return Ok(said.lines().next().unwrap_or_default().to_owned());
        }
        let error = String::from_utf8_lossy(&output.stderr);
        Err(unexpected(format!("`custodia verify` was to end with {code} and ended with {}:\n{said}{error}", output.status)))
    }

    /// Starts the server from a folder that `serve init` made, and waits for its first answer.
    pub fn start_server(&mut self, folder: &str) -> Result<(), Failure> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.folder.join("server.log"));
        let log = log.map_err(|error| Failure::file(&self.folder, &error))?;
        let config = self.folder.join(folder).join("custodia.toml");
        let mut command = self.command();
        command.arg("serve").arg("--config").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut processes = locked(&self.processes);
        if processes.over {
            drop(processes);
            await_the_end();
        }
        processes.server = Some(command.spawn().map_err(|error| unexpected(format!("the server did not start: {error}")))?);
        drop(processes);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(20) {
            if let Some(status) = locked(&self.processes).server.as_mut().and_then(|server| server.try_wait().ok().flatten()) {
                let said = std::fs::read_to_string(self.folder.join("server.log")).unwrap_or_default();
                return Err(unexpected(format!("the server ended with {status}:\n{said}")));
            }
            if std::net::TcpStream::connect(&self.address).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(unexpected("the server did not listen within 20 seconds"))
    }

    /// Stops the server as a power cut would: no farewell.
    pub fn stop_server(&mut self) {
        locked(&self.processes).stop_server();
    }

    /// Leaves nothing running, and nothing on the disk unless it is to be kept; answers the folders if they were.
    pub fn close(mut self) -> Option<[PathBuf; 2]> {
        self.stop_server();
        if self.keep {
            return Some([self.folder.clone(), self.court.clone()]);
        }
        remove(&[self.folder.clone(), self.court.clone()]);
        None
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop_server();
    }
}
