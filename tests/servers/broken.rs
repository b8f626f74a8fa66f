//! A database that breaks in the middle of an append: what was asked for is entered once.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use custodia_core::identity::Role;
use custodia_core::log::checkpoint::{LogKey, SignedCheckpoint};
use custodia_tests::backends::Backends;
use custodia_tests::proxy::{Fault, Proxy};
use custodia_tests::world::{World, case, case_called, get};
use tokio::sync::oneshot;

use crate::process::ServerProcess;

/// What the database is sent in the turn of an append and never else: the checkpoint, before it commits.
const CHECKPOINT: &[u8] = b"vault.example/log\n";

/// A PostgreSQL of this test's own.
struct Postgres {
    _folder: tempfile::TempDir,
    place: PathBuf,
    port: u16,
}

fn backends(words: &[&str], place: &Path) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/backends");
    let output = Command::new(script).arg("postgres").args(words).arg(place).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

impl Postgres {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Its processes run as another user, who must pass.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        let place = folder.path().join("postgres");
        let port = backends(&["up"], &place).trim().parse().unwrap();
        Self { _folder: folder, place, port }
    }

    /// Stops it without warning, and starts it again.
    fn crash(&self) {
        backends(&["crash"], &self.place);
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        backends(&["down"], &self.place);
    }
}

/// A world whose server, a process, reaches its database through the proxy.
async fn world(postgres: u16, proxy: &Proxy) -> (World, ServerProcess) {
    let own = Backends { postgres, ..Backends::find() };
    let mut world = World::with(|folder| {
        let mut stores = own.fresh(folder);
        stores.by_way_of(Some(proxy.port), None);
        stores
    })
    .await;
    let server = ServerProcess::start(&world.further("behind-proxy", |text| text));
    world.hand_over(server.address()).await;
    (world, server)
}

fn size(world: &World, server: &ServerProcess) -> u64 {
    let key: LogKey = world.info.log_key.parse().unwrap();
    SignedCheckpoint::parse(&get(server.listens, "/checkpoint")).unwrap().verify(&key).unwrap().size().get()
}

/// Holds the next append before it commits; answers when it is held, and what lets it go.
fn hold(proxy: &Proxy) -> (oneshot::Receiver<()>, oneshot::Sender<()>) {
    let ((tell, told), (go, wait)) = (oneshot::channel(), oneshot::channel());
    proxy.set(Fault::Hold(CHECKPOINT, Some(tell), Some(wait)));
    (told, go)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_crashes_in_the_middle_of_an_append_loses_nothing_and_enters_it_once_on_postgres_and_ceph() {
    let postgres = Postgres::new();
    let proxy = Proxy::to(postgres.port).await;
    let (world, server) = world(postgres.port, &proxy).await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let before = size(&world, &server);
    let (held, go) = hold(&proxy);
    let (founded, ()) = tokio::join!(case(&ana), async {
        held.await.unwrap();
        postgres.crash();
        // The held connection died with the database.
        drop(go);
    });
    // The case, and its first change: the recovery device joins.
    assert_eq!(size(&world, &server), before + 2);
    let again = case_called(&ana, "Operation Beacon").await;
    assert_ne!(founded, again);
    assert_eq!(size(&world, &server), before + 4);
    assert_eq!(ana.cases_at_server().await.unwrap().cases.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_whose_commit_is_never_acknowledged_is_entered_once_on_postgres_and_ceph() {
    let backends = Backends::find();
    let proxy = Proxy::to(backends.postgres).await;
    let (world, server) = world(backends.postgres, &proxy).await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let before = size(&world, &server);
    let (held, go) = hold(&proxy);
    let (_, ()) = tokio::join!(case(&ana), async {
        held.await.unwrap();
        // The database commits; the server never hears of it.
        proxy.set(Fault::LostAnswer(b"COMMIT"));
        go.send(()).unwrap();
    });
    assert!(proxy.is_quiet(), "the answer was lost");
    assert!(server.said().contains("a turn was not entered"), "the server noticed: {}", server.said());
    assert_eq!(size(&world, &server), before + 2);
    assert_eq!(ana.cases_at_server().await.unwrap().cases.len(), 1);
}
