//! The two pairs of database and object store on which everything that touches either is tested, and what stock tools say of both.
//!
//! SQLite and a folder need nothing. PostgreSQL 15 and Ceph RGW are those of `tests/backends up`, which `tests/run` calls; each test has a
//! database and a prefix in the bucket of its own.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where Debian puts the programs of PostgreSQL.
const POSTGRES: &str = "/usr/lib/postgresql/15/bin";

/// A database and an object store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pair {
    /// A SQLite file and a folder.
    SqliteAndFolder,
    /// PostgreSQL 15 and Ceph RGW.
    PostgresAndCeph,
}

/// Runs each function, a test of one [`Pair`], on both.
#[macro_export]
macro_rules! on_both_pairs {
    ($($name:ident),+ $(,)?) => {
        mod on_sqlite_and_folder {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(super::Pair::SqliteAndFolder).await;
            })+
        }
        mod on_postgres_and_ceph {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(super::Pair::PostgresAndCeph).await;
            })+
        }
    };
}

/// One test's own database and place for objects; both empty at first.
#[derive(Debug)]
pub struct Stores {
    /// The value of `data.database`.
    pub database: String,
    /// The TOML of `[store]`.
    pub store: String,
    folder: PathBuf,
    /// Name of database and prefix, and the backends; none for SQLite and folder.
    real: Option<(String, Backends)>,
}

/// A copy of a whole database at one moment.
#[derive(Debug)]
pub enum Backup {
    /// The files of SQLite, write-ahead log included.
    Files(Vec<(PathBuf, Vec<u8>)>),
    /// The name of another database.
    Database(String),
}

/// PostgreSQL and Ceph RGW that run, as `tests/backends` wrote it down.
#[derive(Debug, Clone)]
pub struct Backends {
    /// Port of PostgreSQL.
    pub postgres: u16,
    /// Port of the gateway.
    pub s3: u16,
    /// The bucket.
    pub bucket: String,
    /// The file with the gateway's keys.
    pub credentials: PathBuf,
}

impl Backends {
    /// Finds those that run, or says how to start them. `CUSTODIA_BACKENDS` may name a file about others, as `tests/garage` does.
    pub fn find() -> Self {
        let program = std::env::current_exe().unwrap();
        let text = match std::env::var_os("CUSTODIA_BACKENDS") {
            Some(file) => std::fs::read_to_string(file).ok(),
            None => program.ancestors().find_map(|folder| std::fs::read_to_string(folder.join("backends/addresses")).ok()),
        };
        let missing = "PostgreSQL and Ceph RGW do not run. Start them with `tests/backends up`, and stop them with `tests/backends down`; \
                       `tests/run` does both";
        let text = text.expect(missing);
        let value = |name: &str| text.lines().find_map(|line| line.split_once('=').filter(|(key, _)| *key == name)).expect(missing).1;
        let found = Self {
            postgres: value("postgres").parse().unwrap(),
            s3: value("s3").parse().unwrap(),
            bucket: value("bucket").to_owned(),
            credentials: PathBuf::from(value("credentials")),
        };
        for port in [found.postgres, found.s3] {
            std::net::TcpStream::connect(("127.0.0.1", port)).expect(missing);
        }
        found
    }

    /// An empty database, and an empty part of the bucket.
    pub fn fresh(self, folder: &Path) -> Stores {
        let name = unique();
        self.postgres("createdb", &[&name]);
        Stores {
            database: format!("postgres://custodia@127.0.0.1:{}/{name}", self.postgres),
            store: self.store(self.s3, &name),
            folder: folder.to_owned(),
            real: Some((name, self)),
        }
    }

    /// Key id and secret of the gateway.
    pub fn keys(&self) -> (String, String) {
        let text = std::fs::read_to_string(&self.credentials).unwrap();
        let value = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap().split('"').nth(1).unwrap().to_owned();
        (value("access_key_id"), value("secret_access_key"))
    }

    /// The TOML of `[store]` for a prefix, by way of a port: the gateway's own or a proxy's.
    pub fn store(&self, port: u16, prefix: &str) -> String {
        format!(
            "[store.s3]\nbucket = \"{}\"\nregion = \"default\"\nendpoint = \"http://127.0.0.1:{port}\"\nallow_http = true\n\
             prefix = \"{prefix}\"\ncredentials = \"{}\"\n",
            self.bucket,
            self.credentials.display()
        )
    }

    /// One request to the gateway by curl; answers the status.
    pub fn s3(&self, method: &str, key: &str, body: Option<&Path>) -> u16 {
        let (id, secret) = self.keys();
        let mut curl = Command::new("curl");
        curl.args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "-K", "-", "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"]);
        match (method, body) {
            ("HEAD", _) => curl.arg("-I"),
            (_, Some(file)) => curl.arg("-T").arg(file),
            _ => curl.args(["-X", method]),
        };
        curl.arg(format!("http://127.0.0.1:{}/{}/{key}", self.s3, self.bucket));
        let mut child = curl.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let settings = format!("aws-sigv4 = \"aws:amz:default:s3\"\nuser = \"{id}:{secret}\"\n");
        child.stdin.take().unwrap().write_all(settings.as_bytes()).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().parse().unwrap()
    }

    /// Runs a program of PostgreSQL as the role `custodia`.
    pub fn postgres(&self, program: &str, arguments: &[&str]) -> Vec<u8> {
        let mut command = Command::new(format!("{POSTGRES}/{program}"));
        command.args(["-h", "127.0.0.1", "-p", &self.postgres.to_string(), "-U", "custodia"]).args(arguments);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }
}

/// A name that no other test has.
pub fn unique() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    format!("t{}_{}", std::process::id(), now.as_nanos())
}

impl Pair {
    /// An empty database, and a place for objects; what lies in files lies below `folder`.
    pub fn fresh(self, folder: &Path) -> Stores {
        let folder = folder.to_owned();
        match self {
            Self::SqliteAndFolder => Stores {
                database: format!("sqlite:{}", folder.join("db/custodia.sqlite").display()),
                store: format!("[store]\nfolder = \"{}\"\n", folder.join("objects").display()),
                folder,
                real: None,
            },
            Self::PostgresAndCeph => Backends::find().fresh(&folder),
        }
    }
}

impl Stores {
    /// The same stores, but the server reaches them by way of other ports: a proxy's.
    pub fn by_way_of(&mut self, postgres: Option<u16>, s3: Option<u16>) {
        let (_, backends) = self.real.as_ref().expect("files have no port");
        let port = |port: u16| format!("127.0.0.1:{port}");
        if let Some(proxy) = postgres {
            self.database = self.database.replace(&port(backends.postgres), &port(proxy));
        }
        if let Some(proxy) = s3 {
            self.store = self.store.replace(&port(backends.s3), &port(proxy));
        }
    }

    fn sqlite_files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let paths = std::fs::read_dir(self.folder.join("db")).unwrap().map(|entry| entry.unwrap().path());
        paths.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
    }

    /// Copies the database; nobody may be connected.
    pub fn backup(&self) -> Backup {
        match &self.real {
            None => Backup::Files(self.sqlite_files()),
            Some((name, backends)) => {
                let copy = unique();
                backends.postgres("createdb", &["-T", name, &copy]);
                Backup::Database(copy)
            }
        }
    }

    /// Sets the database back to a copy; nobody may be connected.
    pub fn restore(&self, backup: &Backup) {
        match (&self.real, backup) {
            (None, Backup::Files(files)) => {
                for (path, _) in self.sqlite_files() {
                    std::fs::remove_file(path).unwrap();
                }
                for (path, bytes) in files {
                    std::fs::write(path, bytes).unwrap();
                }
            }
            (Some((name, backends)), Backup::Database(copy)) => {
                backends.postgres("dropdb", &[name]);
                backends.postgres("createdb", &["-T", copy, name]);
            }
            _ => panic!("a backup goes back to the database that it was made of"),
        }
    }

    /// Whether these bytes occur anywhere in the database, as they are or in hexadecimal digits.
    pub fn database_holds(&self, bytes: &[u8]) -> bool {
        let contents = match &self.real {
            None => self.sqlite_files().into_iter().map(|(_, content)| content).collect(),
            Some((name, backends)) => vec![backends.postgres("pg_dump", &[name])],
        };
        let digits = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        let found = |content: &Vec<u8>, wanted: &[u8]| content.windows(wanted.len()).any(|window| window == wanted);
        contents.iter().any(|content| found(content, bytes) || found(content, digits.as_bytes()))
    }

    /// Where the objects of a folder store lie.
    pub fn objects_folder(&self) -> PathBuf {
        self.folder.join("objects")
    }

    /// Whether the store holds an object.
    pub fn object_exists(&self, key: &str) -> bool {
        match &self.real {
            None => self.objects_folder().join(key).exists(),
            Some((prefix, backends)) => match backends.s3("HEAD", &format!("{prefix}/{key}"), None) {
                200 => true,
                404 => false,
                other => panic!("the gateway answers {other} to a question for {key}"),
            },
        }
    }

    /// Puts other bytes in the place of an object.
    pub fn overwrite_object(&self, key: &str, bytes: &[u8]) {
        assert!(self.object_exists(key), "{key}");
        match &self.real {
            None => std::fs::write(self.objects_folder().join(key), bytes).unwrap(),
            Some((prefix, backends)) => {
                let file = self.folder.join("other-bytes");
                std::fs::write(&file, bytes).unwrap();
                assert_eq!(backends.s3("PUT", &format!("{prefix}/{key}"), Some(&file)), 200);
            }
        }
    }

    /// Loses an object.
    pub fn lose_object(&self, key: &str) {
        assert!(self.object_exists(key), "{key}");
        match &self.real {
            None => std::fs::remove_file(self.objects_folder().join(key)).unwrap(),
            Some((prefix, backends)) => assert_eq!(backends.s3("DELETE", &format!("{prefix}/{key}"), None), 204),
        }
    }
}
