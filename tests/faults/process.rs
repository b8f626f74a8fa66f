//! Processes of the program, and their end by SIGKILL at a fail point.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use custodia_tests::world::PASSPHRASE;

const PROGRAM: &str = env!("CARGO_BIN_EXE_custodia");

/// When a process is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The count-th time that it reaches a fail point, whichever.
    Point(u64),
    /// After so much time, wherever it is.
    Time(Duration),
}

/// How long to leave the processor to a process before looking again whether it has come up or gone down; neither can be waited for.
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

/// Where a process was that was killed after a time.
pub const AT_A_TIME: &str = "a random time";

/// What a process finds in its environment beside what all find.
pub type Variables = [(&'static str, PathBuf)];

fn command(moment: Option<Moment>, variables: &Variables) -> Command {
    let mut command = Command::new(PROGRAM);
    command.envs(variables.iter().cloned());
    command.env_remove("CUSTODIA_FAIL_AT").env("CUSTODIA_LOG", "error").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(Moment::Point(count)) = moment {
        command.env("CUSTODIA_FAIL_AT", format!("*:{count}"));
    }
    command
}

/// Reads what a process says until it ends; at a fail point it is killed. Gives the point and everything else that was said.
fn listen(stderr: ChildStderr, kill: impl Fn()) -> (Option<String>, String) {
    let (mut point, mut said) = (None, String::new());
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        if let Some(name) = line.strip_prefix("fail point ") {
            point = Some(name.to_owned());
            kill();
        } else {
            said.push_str(&line);
            said.push('\n');
        }
    }
    (point, said)
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; none if it was killed.
    pub code: Option<i32>,
    /// The fail point at which it was killed, or that it was killed after a time.
    pub point: Option<String>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    pub fn succeeded(&self) -> bool {
        self.code == Some(0)
    }
}

/// Runs a command of a device until it ends, or is killed at the moment.
pub fn run(home: &Path, words: &[String], moment: Option<Moment>, variables: &Variables) -> Ended {
    let mut command = command(moment, variables);
    command.args(words).arg("--home").arg(home).args(["--passphrase-fd", "0"]);
    let mut child = command.spawn().unwrap();
    // A command that asks for no passphrase may have ended already.
    let _ = child.stdin.take().unwrap().write_all(format!("{PASSPHRASE}\n{PASSPHRASE}\n").as_bytes());
    let (stderr, mut stdout) = (child.stderr.take().unwrap(), child.stdout.take().unwrap());
    let child = Arc::new(Mutex::new(child));
    let reading = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stdout.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    });
    if let Some(Moment::Time(time)) = moment {
        let child = Arc::clone(&child);
        std::thread::spawn(move || {
            std::thread::sleep(time);
            let _ = child.lock().unwrap().kill();
        });
    }
    let (point, stderr) = listen(stderr, || child.lock().unwrap().kill().unwrap());
    let status = child.lock().unwrap().wait().unwrap();
    let by_time = (status.code().is_none() && point.is_none()).then(|| AT_A_TIME.to_owned());
    Ended { code: status.code(), point: point.or(by_time), stdout: reading.join().unwrap(), stderr }
}

/// The server as a process. One that is killed at its moment is started again at once, this time to stay.
pub struct ServerProcess {
    child: Arc<Mutex<Child>>,
    watching: JoinHandle<(Option<String>, String)>,
}

impl ServerProcess {
    /// Starts it and waits until it listens, or until it was killed before that and runs again.
    pub fn start(config: &Path, address: SocketAddr, moment: Option<Moment>, variables: &Variables) -> Self {
        let mut child = serve(config, moment, variables);
        let stderr = child.stderr.take().unwrap();
        let child = Arc::new(Mutex::new(child));
        let (held, config): (_, PathBuf) = (Arc::clone(&child), config.to_owned());
        let by_time = Arc::new(AtomicBool::new(false));
        let timely = Arc::clone(&by_time);
        let watching = std::thread::spawn(move || {
            let killed = || {
                let mut held = held.lock().unwrap();
                held.kill().unwrap();
                held.wait().unwrap();
            };
            let (point, mut said) = listen(stderr, killed);
            let by_time = timely.load(Ordering::SeqCst).then(|| AT_A_TIME.to_owned());
            let point = point.or(by_time);
            if point.is_some() {
                let mut again = serve(&config, None, &[]);
                let stderr = again.stderr.take().unwrap();
                *held.lock().unwrap() = again;
                said += &listen(stderr, || panic!("a server without a moment reached one")).1;
            }
            (point, said)
        });
        let server = Self { child, watching };
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(30), "the server does not listen");
            std::thread::sleep(BETWEEN_LOOKS);
        }
        if let Some(Moment::Time(time)) = moment {
            let child = Arc::clone(&server.child);
            std::thread::spawn(move || {
                std::thread::sleep(time);
                by_time.store(true, Ordering::SeqCst);
                let _ = child.lock().unwrap().kill();
            });
        }
        server
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&self) -> bool {
        self.watching.is_finished()
    }

    /// Kills it; gives the fail point at which it was killed before, and what it said.
    pub fn stop(self) -> (Option<String>, String) {
        // Between the death at a fail point and the new start the old process is there, dead: the new one is killed by the second attempt.
        while !self.watching.is_finished() {
            let _ = self.child.lock().unwrap().kill();
            std::thread::sleep(BETWEEN_LOOKS);
        }
        let _ = self.child.lock().unwrap().wait();
        self.watching.join().unwrap()
    }
}

fn serve(config: &Path, moment: Option<Moment>, variables: &Variables) -> Child {
    let mut command = command(moment, variables);
    command.arg("serve").arg("--config").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
}
