//! A server, two offices that trust each other, and devices of their people, all in one temporary folder.

use std::path::{Path, PathBuf};

use crate::backends::{Pair, Stores};
use custodia_api::messages::ServerInfo;
use custodia_client::announce::OfficeDesk;
use custodia_client::http::ServerAddress;
use custodia_client::office::{NewOffice, Office};
use custodia_client::passphrase::Cost;
use custodia_client::seal::NewExhibit;
use custodia_client::{Agent, Clock, NewCase, NewDevice, StatePaths, Statement};
use custodia_core::custody::intent::ClockSource;
use custodia_core::exhibit::intake::Intake;
use custodia_core::exhibit::text::CalendarDate;
use custodia_core::identity::{OfficeRoot, Role, TrustListDraft};
use custodia_core::ids::CaseId;
use custodia_core::time::{ClaimedTime, LogTime};
use custodia_server::{Running, Server, ServerConfig};
use tempfile::TempDir;
use time::OffsetDateTime;

/// Shows what went wrong in words; the whole error may hold a receipt.
pub trait Must<T> {
    /// The value, or a panic with the error's sentence.
    fn must(self) -> T;
}

impl<T, E: std::fmt::Display> Must<T> for Result<T, E> {
    #[track_caller]
    fn must(self) -> T {
        self.unwrap_or_else(|error| panic!("{error}"))
    }
}

/// The cheapest passphrase that the format permits: tests guess none.
const COST: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };
/// The passphrase of everybody.
pub const PASSPHRASE: &str = "correct horse battery staple";

/// A server that runs, and the offices that it knows.
pub struct World {
    folder: TempDir,
    running: Running,
    /// What the offices gave out about the server.
    pub info: ServerInfo,
    /// The offices, in the order of [`OFFICES`].
    pub offices: Vec<Office>,
    desk: OfficeDesk,
}

/// Id and country of the offices.
pub const OFFICES: [(&str, &str); 2] = [("ro-diicot", "RO"), ("fr-junalco", "FR")];

fn clock() -> Clock {
    Clock::new(ClockSource::Os, OffsetDateTime::now_utc)
}

fn now() -> LogTime {
    LogTime::from_millis(u64::try_from(OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000).unwrap()).unwrap()
}

fn claimed(offset_days: i64) -> ClaimedTime {
    let moment = OffsetDateTime::now_utc().replace_nanosecond(0).unwrap() + time::Duration::days(offset_days);
    ClaimedTime::parse(&moment.format(&time::format_description::well_known::Rfc3339).unwrap()).unwrap()
}

fn office(folder: &Path, id: &str, country: &str) -> Office {
    let directory = folder.join("offices").join(id);
    std::fs::create_dir_all(&directory).unwrap();
    let day = 24 * 60 * 60 * 1000;
    let new = NewOffice {
        id: id.parse().unwrap(),
        country: country.parse().unwrap(),
        name: id.parse().unwrap(),
        from: LogTime::from_millis(now().millis() - 2 * day).unwrap(),
        years: 5,
    };
    Office::found(&directory, &new, PASSPHRASE, COST).unwrap()
}

fn config(folder: &Path, stores: &Stores, pin: &str) -> ServerConfig {
    let path = |name: &str| folder.join("server").join(name);
    let text = format!(
        "listen = \"127.0.0.1:0\"\norigin = \"vault.example/log\"\ntrust_pin = \"{pin}\"\n\
         [data]\ndatabase = \"{}\"\nlog_key = \"{}\"\nhead_file = \"{}\"\n\
         {}[kek]\nfolders = [\"{}\"]\n",
        stores.database,
        path("secret/log.key").display(),
        path("head/head").display(),
        stores.store,
        path("kek").display(),
    );
    ServerConfig::parse(&text).unwrap_or_else(|problems| panic!("{problems:?}"))
}

impl World {
    /// A world with both offices on the trust list and a recovery device of each enrolled, on SQLite and a folder.
    pub async fn new() -> Self {
        Self::on(Pair::SqliteAndFolder).await
    }

    /// The same on a pair of stores.
    pub async fn on(pair: Pair) -> Self {
        let folder = TempDir::new().unwrap();
        let offices: Vec<Office> = OFFICES.iter().map(|(id, country)| office(folder.path(), id, country)).collect();
        let entry = |office: &Office| custodia_core::identity::Office {
            id: office.root().office().clone(),
            name: office.root().name().clone(),
            country: office.root().country(),
            roles: Role::ALL.to_vec(),
            roots: vec![OfficeRoot { certificate: office.root().clone(), from: claimed(-1), until: claimed(700) }],
            supervises: OFFICES.iter().map(|(id, _)| id.parse().unwrap()).collect(),
        };
        let draft = TrustListDraft { issued: claimed(0), threshold: 2, offices: offices.iter().map(entry).collect() };
        let mut list = draft.first().unwrap();
        for office in &offices {
            office.sign_list(&mut list);
        }

        let stores = pair.fresh(&folder.path().join("server"));
        let config = config(folder.path(), &stores, &list.digest().to_string());
        let log_key = Server::init(&config).await.must();
        let running = Server::run(&config).await.must();
        let info = ServerInfo {
            origin: log_key.origin().to_string(),
            log_key: log_key.to_string(),
            trust_pin: list.digest(),
            version: String::new(),
        };
        let address = ServerAddress { url: format!("http://{}", running.addr), tls_roots: Vec::new() };
        let desk = OfficeDesk::new(&address, &info, clock()).unwrap();
        desk.trust_list(&offices[0], &list).await.must();
        let world = Self { folder, running, info, offices, desk };
        for place in 0..OFFICES.len() {
            world.device(place, "recovery", Role::Recovery).await;
        }
        world
    }

    /// A folder of the world for a test's own files.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where the server is.
    pub fn address(&self) -> ServerAddress {
        ServerAddress { url: format!("http://{}", self.running.addr), tls_roots: Vec::new() }
    }

    /// Where a device's state lies.
    pub fn state_of(&self, office: usize, local: &str) -> StatePaths {
        StatePaths::in_folder(self.path(&format!("devices/{}-{local}", OFFICES[office].0)))
    }

    /// A new device, enrolled, bound, synchronised, with key packages at the server.
    pub async fn device(&self, office: usize, local: &str, role: Role) -> Agent {
        let new = NewDevice {
            person: format!("{}/{local}", OFFICES[office].0).parse().unwrap(),
            name: local.parse().unwrap(),
            label: "laptop".parse().unwrap(),
            role,
            cost: COST,
        };
        let mut agent = Agent::create(&self.state_of(office, local), PASSPHRASE, new, clock()).await.must();
        let from = LogTime::from_millis(now().millis() - 60_000).unwrap();
        let certificate = self.offices[office].issue(&agent.device_request().unwrap(), from, 300).unwrap();
        self.desk.enrol(&self.offices[office], &certificate).await.must();
        agent.bind(&self.address(), &self.info).await.must();
        agent.install_certificate(certificate.der()).await.must();
        agent.sync().await.must();
        agent.publish_key_packages().await.must();
        agent
    }

    /// Opens a device's state again, as after a restart.
    pub async fn reopen(&self, office: usize, local: &str) -> Agent {
        Agent::open(&self.state_of(office, local), PASSPHRASE, clock()).await.must()
    }

    /// Revokes a device.
    pub async fn revoke(&self, office: usize, agent: &Agent) {
        let reason = custodia_core::identity::RevocationReason::Lost;
        self.desk.revoke(&self.offices[office], agent.device_id(), reason).await.must();
    }
}

/// Why somebody acts.
pub fn statement() -> Statement {
    Statement { reason: "Needed for the hearing".to_owned(), reference: Some("123/P/2026".to_owned()) }
}

/// A day of review.
pub fn review() -> CalendarDate {
    CalendarDate::parse("2031-01-01").unwrap()
}

/// A case founded by an agent.
pub async fn case(agent: &Agent) -> CaseId {
    let new = NewCase { title: "Operation Lighthouse".to_owned(), statement: statement(), review: review(), parent: None };
    agent.create_case(new).await.must()
}

/// What is recorded about any exhibit of a test.
pub fn intake(title: &str) -> Intake {
    let json = format!(
        r#"{{"exhibit_number":"RO-1","title":"{title}","kind":"chat_export",
        "collected":{{"by":"Ana Pop, DIICOT","at":"2026-03-02T10:00:00+02:00","place":"Cluj"}},
        "source":{{"person":"a witness"}},
        "acquisition":{{"method":"export"}},
        "legal_basis":{{"type":"jit","identifier":"JIT-7","authority":"DIICOT","state":"RO","valid_from":"2026-01-01"}},
        "handling":"H0","evaluation":{{"source":"A","information":"1"}},"person_categories":[],
        "special_category":false,"child":false,"review_date":"2031-01-01"}}"#
    );
    serde_json::from_str(&json).unwrap()
}

/// An exhibit of a folder.
pub fn exhibit(case: CaseId, folder: &Path, title: &str) -> NewExhibit {
    NewExhibit { case, sources: vec![folder.to_owned()], intake: intake(title), statement: statement(), fresh: false }
}
