//! Real processes in one folder: the server, and a process for everything that a person does, each with a home of its own in that folder.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_custodia");

pub struct Stage {
    folder: TempDir,
    address: String,
    server: Option<Child>,
    /// What the agents said in their diagnostics.
    pub said: Vec<u8>,
}

impl Stage {
    pub fn open() -> Self {
        let folder = TempDir::new().unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        for name in ["home", "temporary", "xdg", "given", "kept"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder, address, server: None, said: Vec::new() }
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn path(&self, name: &str) -> String {
        self.at(name).display().to_string()
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Writes a file that a person brings along.
    pub fn give(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.at("given").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .env_clear()
            .env("CUSTODIA_LOG", "trace")
            .env("HOME", self.at("home"))
            .env("TMPDIR", self.at("temporary"))
            .current_dir(self.at("home"));
        for name in ["XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"] {
            command.env(name, self.at("xdg"));
        }
        command
    }

    fn output(&mut self, home: &str, passphrases: &str, words: &[&str]) -> Output {
        let mut command = self.command();
        command.args(words).args(["--passphrase-fd", "0"]);
        if !home.is_empty() {
            command.arg("--home").arg(self.at(home));
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A command that asks for no passphrase may have ended already.
        let _ = child.stdin.take().unwrap().write_all(passphrases.as_bytes());
        let output = child.wait_with_output().unwrap();
        self.said.extend_from_slice(&output.stderr);
        output
    }

    /// Runs a command that must succeed; gives what it printed.
    #[track_caller]
    pub fn ok(&mut self, home: &str, passphrases: &str, words: &[&str]) -> String {
        let output = self.output(home, passphrases, words);
        assert!(output.status.success(), "{words:?} ended with {}: {}", output.status, last_lines(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// Runs a command that must fail.
    #[track_caller]
    pub fn fails(&mut self, home: &str, passphrases: &str, words: &[&str]) {
        let output = self.output(home, passphrases, words);
        let code = output.status.code();
        assert!(code.is_some_and(|code| code != 0 && code != 101), "{words:?} ended with {code:?}: {}", last_lines(&output.stderr));
    }

    pub fn serve(&mut self) {
        let (out, log) = (File::create(self.at("server.out")).unwrap(), File::create(self.at("server.log")).unwrap());
        let config = self.at("server/custodia.toml");
        let mut command = self.command();
        command.arg("serve").arg("--config").arg(config).stdin(Stdio::null()).stdout(out).stderr(log);
        self.server = Some(command.spawn().unwrap());
        let begun = Instant::now();
        while TcpStream::connect(&self.address).is_err() {
            assert!(begun.elapsed() < Duration::from_mins(1), "{}", last_lines(&fs::read(self.at("server.log")).unwrap()));
            // The processor is the server's meanwhile.
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The memory of the live server: every mapping that it can write.
    pub fn server_memory(&self) -> Vec<Vec<u8>> {
        use std::os::unix::fs::FileExt as _;
        let id = self.server.as_ref().unwrap().id();
        let maps = fs::read_to_string(format!("/proc/{id}/maps")).unwrap();
        let memory = File::open(format!("/proc/{id}/mem")).unwrap();
        let mut found = Vec::new();
        for line in maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|rights| rights.starts_with("rw"))) {
            let (start, end) = line.split(' ').next().and_then(|range| range.split_once('-')).unwrap();
            let [start, end] = [start, end].map(|text| u64::from_str_radix(text, 16).unwrap());
            // Page by page: a guard page cannot be read, and what follows it can.
            let mut region = Vec::new();
            let (mut page, empty) = ([0; 4096], [0; 4096]);
            for at in (start..end).step_by(page.len()) {
                match memory.read_exact_at(&mut page, at) {
                    Ok(()) if page != empty => region.extend_from_slice(&page),
                    _ => found.push(std::mem::take(&mut region)),
                }
            }
            found.push(region);
        }
        found
    }

    pub fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop();
    }
}

fn last_lines(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let lines: Vec<&str> = said.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

/// Every file below a folder, with its content; a link is its target's path.
pub fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut waiting = vec![folder.to_owned()];
    let mut found = Vec::new();
    while let Some(path) = waiting.pop() {
        let Ok(kind) = fs::symlink_metadata(&path) else { continue };
        if kind.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if kind.is_file() {
            found.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    found
}
