//! `custodia doctor` on both pairs of stores, and `custodia serve begin` on what it found good.

use std::path::Path;

use custodia_tests::backends::{Backends, Pair};
use custodia_tests::world::get;

use crate::process::{ServerProcess, custodia, said};

fn config(folder: &Path, database: &str, store: &str) -> String {
    let at = |name: &str| folder.join(name).display().to_string();
    let path = folder.join("custodia.toml");
    let text = format!(
        "listen = \"127.0.0.1:0\"\norigin = \"vault.example/log\"\ntrust_pin = \"{}\"\n[data]\ndatabase = \"{database}\"\n\
         log_key = \"{}\"\nhead_file = \"{}\"\n{store}[kek]\nfolders = [\"{}\"]\n",
        "0".repeat(64),
        at("keys/log.key"),
        at("head/head.json"),
        at("kek"),
    );
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// The line that says what was found about something.
fn line<'a>(text: &'a str, about: &str) -> &'a str {
    text.lines().find(|line| line.contains(about)).unwrap_or_else(|| panic!("{about}: {text}"))
}

#[test]
fn the_doctor_finds_sqlite_and_a_folder_good_and_a_log_begins_there() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("db")).unwrap();
    let stores = Pair::SqliteAndFolder.fresh(folder.path());
    let config = config(folder.path(), &stores.database, &stores.store);
    let output = custodia(&["doctor", "--config", &config], &[]);
    let text = said(&output);
    assert!(output.status.success(), "{text}");
    for about in ["database: durability", "database: transactions", "store: write and read", "store: create at once", "store: delete"] {
        assert!(line(&text, about).starts_with("good"), "{text}");
    }
    assert!(std::fs::read_dir(folder.path().join("objects")).unwrap().all(|left| left.unwrap().path().is_dir()), "nothing is left");
    begins(folder.path(), &config);
}

#[test]
fn the_doctor_tells_what_postgres_and_ceph_do_and_refuses_a_database_that_is_not_durable() {
    let folder = tempfile::tempdir().unwrap();
    let stores = Pair::PostgresAndCeph.fresh(folder.path());
    let config = config(folder.path(), &stores.database, &stores.store);
    let output = custodia(&["doctor", "--config", &config], &[]);
    let text = said(&output);
    // The tests' PostgreSQL runs without fsync.
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(line(&text, "database: durability").starts_with("BAD") && text.contains("1 of "), "{text}");
    for about in [
        "database: transactions",
        "store: write and read",
        "store: create twice",
        "store: create at once",
        "store: unsigned request",
        "store: wrong signature",
        "store: versions",
        "store: object lock",
        "store: delete",
    ] {
        assert!(line(&text, about).starts_with("good"), "{about}: {text}");
    }
    begins(folder.path(), &config);
}

#[test]
fn the_doctor_names_a_store_that_does_not_answer_and_keys_that_do_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let backends = Backends::find();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let database = format!("sqlite:{}", folder.path().join("no/such/folder/db.sqlite").display());
    let config = config(folder.path(), &database, &backends.store(nobody, "doctor"));
    let output = custodia(&["doctor", "--config", &config], &[]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(line(&text, "database ").starts_with("BAD"), "{text}");
    assert!(line(&text, "store: write and read").starts_with("BAD"), "{text}");
    assert!(!text.contains(&backends.keys().1), "no secret");
}

/// A log that begins by the configuration, once, and is served.
fn begins(folder: &Path, config: &str) {
    let card = folder.join("server.json").display().to_string();
    let output = custodia(&["serve", "begin", "--config", config, "--card", &card], &[]);
    assert!(output.status.success(), "{}", said(&output));
    let key = String::from_utf8(output.stdout).unwrap();
    assert!(std::fs::read_to_string(&card).unwrap().contains(key.trim()));
    let again = custodia(&["serve", "begin", "--config", config, "--card", &card], &[]);
    assert!(!again.status.success() && said(&again).contains("head"), "{}", said(&again));
    let server = ServerProcess::start(Path::new(config));
    assert!(String::from_utf8(get(server.listens, "/checkpoint")).unwrap().starts_with("vault.example/log\n0\n"));
}
