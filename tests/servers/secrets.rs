//! Passwords and keys of the stores stand in no command line, diagnostic or error.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use custodia_core::identity::Role;
use custodia_tests::backends::{Backends, Pair};
use custodia_tests::world::{World, case, exhibit};

use crate::process::{ServerProcess, custodia, said};

const PASSWORD: &str = "correct-Horse_battery9";
const WRONG: &str = "wrong-Horse_battery9";

#[tokio::test(flavor = "multi_thread")]
async fn a_password_and_the_keys_of_the_bucket_are_used_and_never_shown_on_postgres_and_ceph() {
    let backends = Backends::find();
    let mut world = World::on(Pair::PostgresAndCeph).await;
    let database = world.stores.database.rsplit('/').next().unwrap().to_owned();
    let port = backends.postgres.to_string();
    let psql = |role: &str, database: &str, statement: &str| {
        let mut command = Command::new("/usr/lib/postgresql/15/bin/psql");
        command.args(["-q", "-h", "127.0.0.1", "-p", &port, "-U", role, "-d", database, "-c", statement]);
        assert!(command.status().unwrap().success(), "{statement}");
    };
    psql("postgres", "postgres", &format!("ALTER ROLE guarded PASSWORD '{PASSWORD}'"));
    psql("postgres", "postgres", "GRANT custodia TO guarded");

    let file = |name: &str, content: &str| {
        let path = world.path(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path.display().to_string()
    };
    let good = file("pgpass", &format!("127.0.0.1:{port}:{database}:guarded:{PASSWORD}\n"));
    let bad = file("pgpass-bad", &format!("127.0.0.1:{port}:{database}:guarded:{WRONG}\n"));
    let (id, key) = backends.keys();
    let other_key: String = key.chars().rev().collect();
    let bad_keys = file("s3-bad.toml", &format!("access_key_id = \"{id}\"\nsecret_access_key = \"{other_key}\"\n"));
    let secrets = [PASSWORD, WRONG, key.as_str(), other_key.as_str()];
    let as_guarded = |text: String| text.replace("postgres://custodia@", "postgres://guarded@");

    // What works is told in every detail, and shows none of them.
    let config = world.further("guarded", as_guarded);
    let server = ServerProcess::start_with(&config, &[("PGPASSFILE", &good), ("CUSTODIA_LOG", "trace")]);
    let running = server.address();
    world.hand_over(running).await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let shared = case(&ana).await;
    let folder = world.path("evidence");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("note.txt"), b"seen at the station").unwrap();
    ana.add_exhibit(exhibit(shared, &folder, "note"), |_| {}).await.unwrap();
    let told = server.said();
    assert!(told.contains("TRACE") && told.contains("log_head") && told.contains(&backends.bucket), "every detail was told");
    for secret in secrets {
        assert!(!told.contains(secret), "the diagnostics show a secret");
        assert!(!server.command_line().contains(secret));
    }
    drop(server);

    // What does not work says so, and shows none of them either.
    let refused = custodia(&["serve", "--config", config.to_str().unwrap()], &[("PGPASSFILE", &bad), ("CUSTODIA_LOG", "debug")]);
    let text = said(&refused);
    assert!(!refused.status.success() && text.contains("password authentication failed for user \"guarded\""), "{text}");
    assert!(secrets.iter().all(|secret| !text.contains(secret)));

    let credentials = backends.credentials.display().to_string();
    let config = world.further("other-key", |text| text.replace(&credentials, &bad_keys));
    let server = ServerProcess::start_with(&config, &[("CUSTODIA_LOG", "debug")]);
    world.hand_over(server.address()).await;
    let eva = world.device(0, "eva", Role::Prosecutor).await;
    let own = case(&eva).await;
    let error = eva.add_exhibit(exhibit(own, &folder, "note"), |_| {}).await.err().unwrap().to_string();
    assert!(error.contains("the object store does not answer"), "{error}");
    let told = server.said();
    // Ceph goes on with SignatureDoesNotMatch, Garage with AccessDenied.
    assert!(told.contains("403 Forbidden"), "{told}");
    assert!(secrets.iter().all(|secret| !told.contains(secret) && !error.contains(secret)));
}
