//! A server, two offices that trust each other, and devices of their people, all in one temporary folder.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use custodia_api::messages::ServerInfo;
use custodia_client::announce::OfficeDesk;
use custodia_client::http::ServerAddress;
use custodia_client::office::{NewOffice, Office};
use custodia_client::passphrase::{Cost, KeyFile};
use custodia_client::seal::NewExhibit;
use custodia_client::state::{State, keys};
use custodia_client::{Agent, Clock, NewCase, NewDevice, StatePaths, Statement};
use custodia_core::custody::intent::ClockSource;
use custodia_core::exhibit::intake::Intake;
use custodia_core::exhibit::text::CalendarDate;
use custodia_core::group::facts::GroupId;
use custodia_core::identity::{OfficeRoot, Role, TrustList, TrustListDraft, UnverifiedTrustList};
use custodia_core::ids::CaseId;
use custodia_core::time::{ClaimedTime, LogTime};
use custodia_server::{Clock as _, Running, Server, ServerConfig};
use tempfile::TempDir;
use time::OffsetDateTime;

use crate::backends::{Pair, Stores};
use crate::liar::Liar;

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
pub const COST: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };
/// The passphrase of everybody.
pub const PASSPHRASE: &str = "correct horse battery staple";

/// A server that runs, and the offices that it knows.
pub struct World {
    /// The time of its server, offices and agents.
    pub time: Shifted,
    folder: TempDir,
    running: Option<Running>,
    address: ServerAddress,
    /// The text of the server's configuration.
    pub settings: String,
    /// Where the server stores.
    pub stores: Stores,
    /// What stands between agents and the server; agents go to the first one unless they are bound anew.
    pub liars: Vec<Liar>,
    /// What the offices gave out about the server.
    pub info: ServerInfo,
    /// The offices, in the order of [`OFFICES`].
    pub offices: Vec<Office>,
}

/// Id and country of the offices.
pub const OFFICES: [(&str, &str); 2] = [("ro-diicot", "RO"), ("fr-junalco", "FR")];

/// The machine's clock.
pub fn clock() -> Clock {
    Clock::new(ClockSource::Os, OffsetDateTime::now_utc)
}

/// The machine's time less some days, which tests let pass. It never lies ahead of the machine's: MLS compares key packages with that one.
#[derive(Debug, Clone, Default)]
pub struct Shifted(Arc<AtomicI64>);

impl Shifted {
    fn moment(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc() - time::Duration::days(self.0.load(Ordering::SeqCst))
    }

    fn claimed(&self, offset_days: i64) -> ClaimedTime {
        let moment = self.moment().replace_nanosecond(0).unwrap() + time::Duration::days(offset_days);
        ClaimedTime::parse(&moment.format(&time::format_description::well_known::Rfc3339).unwrap()).unwrap()
    }

    /// This time as an agent's clock.
    pub fn clock(&self) -> Clock {
        let time = self.clone();
        Clock::new(ClockSource::Os, move || time.moment())
    }

    /// Lets days pass, at most those by which it lies behind.
    pub fn pass(&self, days: i64) {
        assert!(self.0.fetch_sub(days, Ordering::SeqCst) >= days, "the machine's time is the last");
    }
}

impl custodia_server::Clock for Shifted {
    fn now(&self) -> LogTime {
        LogTime::from_millis(u64::try_from(self.moment().unix_timestamp_nanos() / 1_000_000).unwrap()).unwrap()
    }
}

fn office(folder: &Path, id: &str, country: &str, now: LogTime) -> Office {
    let directory = folder.join("offices").join(id);
    std::fs::create_dir_all(&directory).unwrap();
    let day = 24 * 60 * 60 * 1000;
    let new = NewOffice {
        id: id.parse().unwrap(),
        country: country.parse().unwrap(),
        name: id.parse().unwrap(),
        from: LogTime::from_millis(now.millis() - 2 * day).unwrap(),
        years: 5,
    };
    Office::found(&directory, &new, PASSPHRASE, COST).unwrap()
}

fn settings(folder: &Path, listen: &str, authorities: &[String], stores: &Stores, pin: &str) -> String {
    let path = |name: &str| folder.join("server").join(name);
    format!(
        "listen = \"{listen}\"\nauthorities = {authorities:?}\norigin = \"vault.example/log\"\ntrust_pin = \"{pin}\"\n\
         [data]\ndatabase = \"{}\"\nlog_key = \"{}\"\nhead_file = \"{}\"\n\
         {}[kek]\nfolders = [\"{}\"]\n",
        stores.database,
        path("secret/log.key").display(),
        path("head/head").display(),
        stores.store,
        path("kek").display(),
    )
}

fn at(addr: SocketAddr) -> ServerAddress {
    ServerAddress { url: format!("http://{addr}"), tls_roots: Vec::new() }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

fn parsed(settings: &str) -> ServerConfig {
    ServerConfig::parse(settings).unwrap_or_else(|problems| panic!("{problems:?}"))
}

impl World {
    /// A world with both offices on the trust list and a recovery device of each enrolled, on SQLite and a folder.
    pub async fn new() -> Self {
        Self::on(Pair::SqliteAndFolder).await
    }

    /// The same on a pair of stores.
    pub async fn on(pair: Pair) -> Self {
        Self::with(|folder| pair.fresh(folder)).await
    }

    /// The same on stores that the caller makes; what lies in files lies below the folder.
    pub async fn with(stores: impl FnOnce(&Path) -> Stores) -> Self {
        Self::founded("127.0.0.1:0", TempDir::new().unwrap(), 0, Shifted::default(), stores).await
    }

    /// As [`World::new`], so many days ago; [`Shifted::pass`] brings it nearer.
    pub async fn days_ago(days: i64) -> Self {
        Self::on_days_ago(Pair::SqliteAndFolder, days).await
    }

    /// The same on a pair of stores.
    pub async fn on_days_ago(pair: Pair, days: i64) -> Self {
        let time = Shifted(Arc::new(AtomicI64::new(days)));
        Self::founded("127.0.0.1:0", TempDir::new().unwrap(), 0, time, |folder| pair.fresh(folder)).await
    }

    /// As [`World::new`], with so many proxies before the server, honest until they are told otherwise; agents are bound to the first.
    pub async fn behind(liars: usize) -> Self {
        Self::founded("127.0.0.1:0", TempDir::new().unwrap(), liars, Shifted::default(), |folder| Pair::SqliteAndFolder.fresh(folder)).await
    }

    /// As [`World::new`] in a folder of the caller's, with a server whose address outlives it: a process of `custodia serve` may take its place.
    pub async fn listening(listen: &str, folder: TempDir) -> Self {
        Self::listening_with(listen, folder, |folder| Pair::SqliteAndFolder.fresh(folder)).await
    }

    /// The same on stores of the caller's.
    pub async fn listening_with(listen: &str, folder: TempDir, stores: impl FnOnce(&Path) -> Stores) -> Self {
        Self::founded(listen, folder, 0, Shifted::default(), stores).await
    }

    async fn founded(listen: &str, folder: TempDir, liars: usize, time: Shifted, stores: impl FnOnce(&Path) -> Stores) -> Self {
        let mut proxies = Vec::new();
        for _ in 0..liars {
            proxies.push(Liar::new().await);
        }
        let offices: Vec<Office> = OFFICES.iter().map(|(id, country)| office(folder.path(), id, country, time.now())).collect();
        let entry = |office: &Office| custodia_core::identity::Office {
            id: office.root().office().clone(),
            name: office.root().name().clone(),
            country: office.root().country(),
            roles: Role::ALL.to_vec(),
            roots: vec![OfficeRoot { certificate: office.root().clone(), from: time.claimed(-1), until: time.claimed(700) }],
            supervises: OFFICES.iter().map(|(id, _)| id.parse().unwrap()).collect(),
        };
        let draft = TrustListDraft { issued: time.claimed(0), threshold: 2, offices: offices.iter().map(entry).collect() };
        let mut list = draft.first().unwrap();
        for office in &offices {
            office.sign_list(&mut list);
        }

        let stores = stores(&folder.path().join("server"));
        let authorities: Vec<String> = proxies.iter().map(|liar| liar.addr.to_string()).collect();
        let settings = settings(folder.path(), listen, &authorities, &stores, &list.digest().to_string());
        std::fs::create_dir_all(folder.path().join("server")).unwrap();
        std::fs::write(folder.path().join("server/custodia.toml"), &settings).unwrap();
        let config = parsed(&settings);
        let log_key = Server::init(&config).await.must();
        let running = Server::run_by(&config, Arc::new(time.clone())).await.must();
        let info = ServerInfo {
            origin: log_key.origin().to_string(),
            log_key: log_key.to_string(),
            trust_pin: list.digest(),
            version: String::new(),
        };
        for liar in &proxies {
            liar.stand_before(running.addr);
        }
        let address = at(proxies.first().map_or(running.addr, |liar| liar.addr));
        let world = Self { time, folder, running: Some(running), address, settings, stores, liars: proxies, info, offices };
        world.desk().trust_list(&world.offices[0], &list).await.must();
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
        self.address.clone()
    }

    /// Stops the server and leaves the folder: `server/custodia.toml`, `devices`, `offices`.
    pub async fn into_folder(self) -> TempDir {
        if let Some(running) = self.running {
            running.stop().await.must();
        }
        self.folder
    }

    /// Binds an agent to another of the proxies.
    pub async fn rebind(&self, agent: &mut Agent, liar: usize) {
        agent.bind(&at(self.liars[liar].addr), &self.info).await.must();
    }

    /// Stops the server, copies all that it has, and starts both: two logs of one origin under one key. All proxies stay with the first.
    pub async fn second_log(mut self) -> (Self, Running) {
        if let Some(running) = self.running.take() {
            running.stop().await.must();
        }
        let (first, second) = (self.path("server"), self.path("second"));
        copy(&first, &second);
        let other = self.settings.replace(&first.display().to_string(), &second.display().to_string());
        let (running, second) = (Server::run(&parsed(&self.settings)).await.must(), Server::run(&parsed(&other)).await.must());
        for liar in &self.liars {
            liar.stand_before(running.addr);
        }
        self.running = Some(running);
        (self, second)
    }

    /// Stops the server of this process; another one at that address serves from now on.
    pub async fn hand_over(&mut self, address: ServerAddress) {
        if let Some(running) = self.running.take() {
            running.stop().await.must();
        }
        self.address = address;
    }

    /// The configuration of a further process: `settings` after `change`, with a head file of its own, a copy of the first one's.
    pub fn further(&self, name: &str, change: impl FnOnce(String) -> String) -> PathBuf {
        let (first, own) = (self.path("server/head/head"), self.path(&format!("server/head-{name}/head")));
        std::fs::create_dir_all(own.parent().unwrap()).unwrap();
        std::fs::copy(&first, &own).unwrap();
        let text = self.settings.replace(&first.display().to_string(), &own.display().to_string());
        let path = self.path(&format!("{name}.toml"));
        std::fs::write(&path, change(text)).unwrap();
        path
    }

    /// By which the offices announce.
    pub fn desk(&self) -> OfficeDesk {
        OfficeDesk::new(&self.address, &self.info, self.time.clock()).unwrap()
    }

    /// Where a device's state lies.
    pub fn state_of(&self, office: usize, local: &str) -> StatePaths {
        StatePaths::in_folder(self.path(&format!("devices/{}-{local}", OFFICES[office].0)))
    }

    /// A new device, enrolled, bound, synchronised, with key packages at the server.
    pub async fn device(&self, office: usize, local: &str, role: Role) -> Agent {
        self.device_at(&self.address, office, local, role).await
    }

    /// The same by way of one of several servers.
    pub async fn device_at(&self, address: &ServerAddress, office: usize, local: &str, role: Role) -> Agent {
        let agent = self.unbound(office, local, role).await;
        self.enrolled(address, office, agent, 300).await
    }

    /// A new device whose certificate is valid for so many days.
    pub async fn device_for(&self, office: usize, local: &str, role: Role, days: u16) -> Agent {
        let agent = self.unbound(office, local, role).await;
        self.enrolled(&self.address, office, agent, days).await
    }

    /// Issues a certificate for a device, the first or a later one, and enrols it.
    pub async fn issue(&self, office: usize, agent: &Agent, days: u16) -> Vec<u8> {
        self.issue_by(&self.offices[office], agent, days).await
    }

    /// The same under one of several roots.
    pub async fn issue_by(&self, office: &Office, agent: &Agent, days: u16) -> Vec<u8> {
        let from = LogTime::from_millis(self.time.now().millis() - 60_000).unwrap();
        let certificate = office.issue(&agent.renewal_request().unwrap(), from, days).unwrap();
        self.desk().enrol(office, &certificate).await.must();
        certificate.der().to_vec()
    }

    /// A further device of a prosecutor; it lies in a folder `<local>-again`.
    pub async fn second_device(&self, office: usize, local: &str) -> Agent {
        let new = NewDevice {
            person: format!("{}/{local}", OFFICES[office].0).parse().unwrap(),
            name: local.parse().unwrap(),
            label: "new laptop".parse().unwrap(),
            role: Role::Prosecutor,
            cost: COST,
        };
        let agent = Agent::create(&self.state_of(office, &format!("{local}-again")), PASSPHRASE, new, self.time.clock()).await.must();
        self.enrolled(&self.address, office, agent, 300).await
    }

    async fn enrolled(&self, address: &ServerAddress, office: usize, mut agent: Agent, days: u16) -> Agent {
        let certificate = self.issue(office, &agent, days).await;
        agent.bind(address, &self.info).await.must();
        agent.install_certificate(&certificate).await.must();
        agent.sync().await.must();
        agent.publish_key_packages().await.must();
        agent
    }

    /// A new device that no server knows yet.
    pub async fn unbound(&self, office: usize, local: &str, role: Role) -> Agent {
        let new = NewDevice {
            person: format!("{}/{local}", OFFICES[office].0).parse().unwrap(),
            name: local.parse().unwrap(),
            label: "laptop".parse().unwrap(),
            role,
            cost: COST,
        };
        Agent::create(&self.state_of(office, local), PASSPHRASE, new, self.time.clock()).await.must()
    }

    /// Opens a device's state again, as after a restart.
    pub async fn reopen(&self, office: usize, local: &str) -> Agent {
        Agent::open(&self.state_of(office, local), PASSPHRASE, self.time.clock()).await.must()
    }

    /// Takes what a closed device holds of a case's group out of its state; for no case, the private keys of its key packages.
    pub async fn lose(&self, office: usize, local: &str, case: Option<CaseId>) {
        let paths = self.state_of(office, local);
        let key = KeyFile::parse(&std::fs::read(paths.key_file()).unwrap()).unwrap().unlock(PASSPHRASE).unwrap();
        let state = State::open(&paths, &key).await.must();
        match case {
            Some(case) => {
                let mut connection = state.connection().await;
                let group = keys::case(&mut connection, case).await.must().and_then(|file| GroupId::from_bytes(&file.group_id)).unwrap();
                keys::forget_group(&mut connection, group).await.must();
            }
            None => keys::forget_key_packages(&mut *state.connection().await).await.must(),
        }
        state.close().await.must();
    }

    /// A further root of one of the offices, with a key of its own; no list names it yet.
    pub fn another_root(&self, place: usize) -> Office {
        let (id, country) = OFFICES[place];
        office(&self.path("further"), id, country, self.time.now())
    }

    /// The next trust list: these offices with their roots, each until so many days from now; signed by both offices of the list before.
    pub fn next_list(&self, before: &TrustList, offices: &[&[(&Office, i64)]]) -> UnverifiedTrustList {
        let root = |(office, until): &(&Office, i64)| OfficeRoot {
            certificate: office.root().clone(),
            from: self.time.claimed(-1),
            until: self.time.claimed(*until),
        };
        let entry = |roots: &&[(&Office, i64)]| custodia_core::identity::Office {
            id: roots[0].0.root().office().clone(),
            name: roots[0].0.root().name().clone(),
            country: roots[0].0.root().country(),
            roles: Role::ALL.to_vec(),
            roots: roots.iter().map(root).collect(),
            supervises: offices.iter().map(|roots| roots[0].0.root().office().clone()).collect(),
        };
        let draft = TrustListDraft { issued: self.time.claimed(0), threshold: 1, offices: offices.iter().map(entry).collect() };
        let mut list = draft.after(before).unwrap();
        for office in &self.offices {
            office.sign_list(&mut list);
        }
        list
    }

    /// Revokes a device.
    pub async fn revoke(&self, office: usize, agent: &Agent) {
        let reason = custodia_core::identity::RevocationReason::Lost;
        self.desk().revoke(&self.offices[office], agent.device_id(), reason).await.must();
    }
}

/// The body of a public page of a server; plain HTTP.
pub fn get(server: SocketAddr, path: &str) -> Vec<u8> {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(server).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {server}\r\nconnection: close\r\n\r\n").unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    assert!(bytes.starts_with(b"HTTP/1.1 200"), "{path}: {}", String::from_utf8_lossy(&bytes));
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    bytes.split_off(head + 4)
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
    case_called(agent, "Operation Lighthouse").await
}

/// A case of that title, since the same title again is the same case.
pub async fn case_called(agent: &Agent, title: &str) -> CaseId {
    let new = NewCase { title: title.to_owned(), statement: statement(), review: review(), parent: None };
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
