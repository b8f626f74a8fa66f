//! The program as a process.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, mpsc};

use custodia_client::http::ServerAddress;

const PROGRAM: &str = env!("CARGO_BIN_EXE_custodia");

/// A command of the program, run to its end.
pub fn custodia(words: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(PROGRAM).args(words).envs(environment.iter().copied()).stdin(Stdio::null()).output().unwrap()
}

/// What a command said on both of its channels.
pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// `custodia serve`; killed when it is dropped.
pub struct ServerProcess {
    child: Child,
    pub listens: SocketAddr,
    said: Arc<Mutex<String>>,
}

impl ServerProcess {
    /// Starts it and waits until it takes requests.
    pub fn start(config: &Path) -> Self {
        Self::start_with(config, &[])
    }

    pub fn start_with(config: &Path, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "--config"]).arg(config).envs(environment.iter().copied());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let said = Arc::new(Mutex::new(String::new()));
        let (tell, told) = mpsc::channel();
        let kept = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in lines {
                if let Some((_, address)) = line.strip_prefix("custodia serves ").and_then(|rest| rest.rsplit_once(" on ")) {
                    let _ = tell.send(address.parse().unwrap());
                }
                kept.lock().unwrap().extend([line.as_str(), "\n"]);
            }
        });
        let Ok(listens) = told.recv() else { panic!("the server ended: {}", said.lock().unwrap()) };
        Self { child, listens, said }
    }

    /// Where clients find it, without TLS.
    pub fn address(&self) -> ServerAddress {
        ServerAddress { url: format!("http://{}", self.listens), tls_roots: Vec::new() }
    }

    /// Everything that it wrote to its diagnostics.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// The words of its command line and of its environment's names, as every process of the machine may read the former.
    pub fn command_line(&self) -> String {
        let bytes = std::fs::read(format!("/proc/{}/cmdline", self.child.id())).unwrap();
        String::from_utf8_lossy(&bytes).replace('\0', " ")
    }
}

impl ServerProcess {
    /// Ends it without warning, and waits until it is gone.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.kill();
    }
}
