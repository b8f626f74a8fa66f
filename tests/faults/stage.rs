//! One prepared world, played once and put back for every kill: a case of two states with an exhibit, its server and its devices in one folder.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use custodia_client::{Agent, Joining, ServerInfo, StatePaths};
use custodia_core::custody::body::Terms;
use custodia_core::identity::Role;
use custodia_core::ids::{CaseId, ExhibitId};
use custodia_tests::world::{Must as _, PASSPHRASE, World, case, clock, exhibit, statement};
use tempfile::TempDir;

use crate::process::{Ended, Moment, ServerProcess, Variables, run};

/// Stands in every piece of evidence; nowhere else may it be found in clear.
pub const CANARY: &str = "canary-7f3a-evidence-in-clear";

/// Length of the evidence that is to be taken in: two segments.
pub const LONG: usize = 8 * 1024 * 1024 + 4096;

/// The world while it is prepared, with its people's agents in this process.
pub struct Scene {
    pub world: World,
    pub ana: Agent,
    pub luc: Agent,
    pub eva: Agent,
    pub auditor: Agent,
    pub case: CaseId,
    pub first: ExhibitId,
    pub address: SocketAddr,
}

/// Writes a folder of evidence: the canary and as many bytes.
pub fn evidence(folder: &Path, size: usize) {
    fs::create_dir_all(folder.join("inner")).unwrap();
    let bytes: Vec<u8> = (0..size).map(|at| u8::try_from(at % 241).unwrap()).collect();
    fs::write(folder.join("bytes.bin"), bytes).unwrap();
    fs::write(folder.join("inner/note.txt"), CANARY).unwrap();
    fs::write(folder.join("empty"), b"").unwrap();
}

/// An intake form.
const FORM: &str = r#"
exhibit_number = "RO-2"
title = "second"
kind = "chat_export"
handling = "H0"
person_categories = []
special_category = false
child = false
review_date = "2031-01-01"
[collected]
by = "Ana Pop, DIICOT"
at = "2026-03-02T10:00:00+02:00"
place = "Cluj"
[source]
person = "a witness"
[acquisition]
method = "export"
[legal_basis]
type = "jit"
identifier = "JIT-7"
authority = "DIICOT"
state = "RO"
valid_from = "2026-01-01"
[evaluation]
source = "A"
information = "1"
"#;

impl Scene {
    /// Ana has founded a case and taken one exhibit in, Luc has joined it with full history; Eva and an auditor are enrolled.
    pub async fn open() -> Self {
        Self::open_in(TempDir::new().unwrap()).await
    }

    /// The same in a folder of which parts may be prepared.
    pub async fn open_in(folder: TempDir) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let world = World::listening(&address.to_string(), folder).await;
        let ana = world.device(0, "ana", Role::Prosecutor).await;
        let luc = world.device(1, "luc", Role::Prosecutor).await;
        let eva = world.device(1, "eva", Role::Prosecutor).await;
        let auditor = world.device(0, "auditor", Role::Auditor).await;
        let case = case(&ana).await;
        let source = world.path("evidence/first");
        evidence(&source, 100);
        let first = ana.add_exhibit(exhibit(case, &source, "first"), |_| {}).await.must().exhibit;
        fs::create_dir_all(world.path("work")).unwrap();
        let scene = Self { world, ana, luc, eva, auditor, case, first, address };
        scene.add(&scene.luc, Terms::Full).await;
        assert_eq!(scene.luc.join_new_cases().await.must(), [case]);
        scene
    }

    /// Ana adds a device.
    pub async fn add(&self, device: &Agent, terms: Terms) {
        let chosen = if terms == Terms::Chosen { vec![self.first] } else { Vec::new() };
        self.ana.sync().await.must();
        let joining = vec![Joining { device: device.certificate_id().unwrap(), terms }];
        self.ana.add_members(self.case, joining, chosen, &statement()).await.must();
    }

    /// A path for a command's own files.
    pub fn work(&self, name: &str) -> String {
        self.world.path("work").join(name).display().to_string()
    }

    /// Writes evidence of two segments and its form; gives their paths.
    pub fn second(&self) -> (String, String) {
        let (source, form) = (self.world.path("evidence/second"), self.world.path("evidence/form.toml"));
        evidence(&source, LONG);
        fs::write(&form, FORM).unwrap();
        (source.display().to_string(), form.display().to_string())
    }

    /// Everybody leaves; the world is kept as it is now.
    pub async fn leave(self) -> Stage {
        let Self { world, ana, luc, eva, auditor, case, first, address } = self;
        for agent in [ana, luc, eva, auditor] {
            agent.close().await.must();
        }
        let info = world.info.clone();
        let folder = world.into_folder().await;
        let kept = TempDir::new().unwrap();
        for part in PARTS {
            put_back(&folder.path().join(part), &kept.path().join(part));
        }
        let stage = Stage { folder, kept, address, info, case, first, before: BTreeMap::new() };
        let before = stage.kinds().await;
        Stage { before, ..stage }
    }
}

/// What a command changes.
const PARTS: [&str; 4] = ["server", "devices", "offices", "work"];

/// The kept world.
pub struct Stage {
    folder: TempDir,
    kept: TempDir,
    address: SocketAddr,
    pub info: ServerInfo,
    pub case: CaseId,
    pub first: ExhibitId,
    /// How many records of each kind the log held, those of refusals under their own names.
    pub before: BTreeMap<String, i64>,
}

impl Stage {
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The server's address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where a device lies.
    pub fn home(&self, name: &str) -> PathBuf {
        self.path("devices").join(name)
    }

    /// Opens a device in this process.
    pub async fn agent(&self, name: &str) -> Agent {
        Agent::open(&StatePaths::in_folder(self.home(name)), PASSPHRASE, clock()).await.must()
    }

    /// Starts the server on what the folder holds.
    pub fn serve(&self, moment: Option<Moment>) -> ServerProcess {
        self.serve_with(moment, &[])
    }

    /// The same in an environment of its own.
    pub fn serve_with(&self, moment: Option<Moment>, variables: &Variables) -> ServerProcess {
        ServerProcess::start(&self.path("server/custodia.toml"), self.address, moment, variables)
    }

    /// Runs a command of a device.
    pub fn run(&self, home: &str, words: &[String], moment: Option<Moment>) -> Ended {
        self.run_with(home, words, moment, &[])
    }

    /// The same in an environment of its own.
    pub fn run_with(&self, home: &str, words: &[String], moment: Option<Moment>, variables: &Variables) -> Ended {
        run(&self.home(home), words, moment, variables)
    }

    /// Puts everything back as it was when the scene was left. Files keep their identity, without which a device's state would be a copy.
    pub fn restore(&self) {
        for part in PARTS {
            put_back(&self.kept.path().join(part), &self.path(part));
        }
    }

    /// How many records of each kind the log holds; a refused one counts under its rule.
    pub async fn kinds(&self) -> BTreeMap<String, i64> {
        use sqlx::{Connection as _, Row as _};
        let url = format!("sqlite:{}", self.path("server/db/custodia.sqlite").display());
        let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
        let rows = sqlx::query("SELECT kind || ' ' || rule, count(*) FROM records GROUP BY 1").fetch_all(&mut connection).await.unwrap();
        let kinds = rows.iter().map(|row| (row.get::<String, _>(0).trim_end().to_owned(), row.get(1))).collect();
        connection.close().await.unwrap();
        kinds
    }
}

/// Makes `to` what `from` is; a file that is there is written anew in its place.
fn put_back(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(to).unwrap().map(Result::unwrap) {
        let (path, kept) = (entry.path(), from.join(entry.file_name()));
        if path.is_dir() && !kept.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else if path.is_file() && !kept.is_file() {
            fs::remove_file(path).unwrap();
        }
    }
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            put_back(&path, &target);
            continue;
        }
        let new = !target.exists();
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).open(&target).unwrap();
        file.write_all(&fs::read(&path).unwrap()).unwrap();
        if new {
            file.set_permissions(fs::metadata(&path).unwrap().permissions()).unwrap();
        }
    }
}

/// The words of a command.
pub fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
