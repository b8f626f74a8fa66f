//! A world whose server is a process of its own, as an operator runs it.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use custodia_client::http::ServerAddress;
use custodia_tests::backends::Pair;
use custodia_tests::world::World;
use tempfile::TempDir;

use crate::option;

pub struct Stage {
    pub world: World,
    server: Child,
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Stage {
    /// A world on SQLite and a folder, or on the database that `--database` names.
    pub async fn open() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let stores = |folder: &Path| {
            let mut stores = Pair::SqliteAndFolder.fresh(folder);
            stores.database = option("--database").unwrap_or(stores.database);
            stores
        };
        let mut world = World::listening_with(&address, TempDir::new().unwrap(), stores).await;
        world.hand_over(ServerAddress { url: format!("http://{address}"), tls_roots: Vec::new() }).await;
        let program = option("--program").unwrap();
        let mut server = Command::new(program);
        server.args(["serve", "--config"]).arg(world.path("server/custodia.toml")).env("CUSTODIA_LOG", "error");
        // Whatever happens below, the process ends with the stage.
        let stage = Self { world, server: server.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap() };
        for _ in 0..400 {
            if std::net::TcpStream::connect(&address).is_ok() {
                return stage;
            }
            std::thread::sleep(std::time::Duration::from_millis(25));
        }
        panic!("the server does not answer");
    }

    /// The most memory of the server, in MiB.
    pub fn server_peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.server.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().split(' ').next().unwrap().parse::<u64>().unwrap() / 1024
    }
}
