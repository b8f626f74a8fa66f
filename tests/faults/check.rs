//! One checker that re-derives the world after every fault.
//!
//! Every acknowledged act stands in the log once, where its receipt says; the log replays; devices agree; evidence opens bit for bit; the case goes
//! on; nothing is half there, and nothing in clear.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use custodia_client::log_view::verify_own_receipt;
use custodia_client::open::Opening;
use custodia_client::passphrase::KeyFile;
use custodia_client::state::keys::Standing;
use custodia_client::state::{State, device};
use custodia_client::{Agent, AgentError, StatePaths};
use custodia_core::custody::intent::UnverifiedIntent;
use custodia_core::custody::kind::Purpose;
use custodia_core::custody::receipt::Receipt;
use custodia_core::ids::{CaseId, ExhibitId};
use custodia_core::log::LogKey;
use custodia_tests::world::{Must as _, PASSPHRASE, exhibit, statement};
use sqlx::{Connection as _, Row as _};

use crate::stage::{CANARY, Stage, evidence};

/// The devices of the world.
const HOMES: [&str; 4] = ["ro-diicot-ana", "fr-junalco-luc", "fr-junalco-eva", "ro-diicot-auditor"];

/// How many records a command adds to the log, however often it is killed and run again.
#[derive(Debug, Default, Clone)]
pub struct Effect {
    /// Of these kinds exactly so many.
    pub exactly: &'static [(&'static str, i64)],
    /// Of these at least so many: acts that are entered anew by each run, since each is an act of its own.
    pub at_least: &'static [(&'static str, i64)],
}

/// Checks everything; the server runs, and no agent.
pub async fn check(stage: &Stage, effect: &Effect) {
    let agents = everybody(stage).await;
    compare_kinds(stage, effect).await;
    let members = members(stage, &agents).await;
    let ana = &agents[HOMES[0]];
    let reader = if members.contains(&HOMES[1]) { HOMES[1] } else { HOMES[0] };
    opens_bit_for_bit(stage, &agents[reader]).await;
    goes_on(stage, ana, &members, &agents).await;

    let report = agents["ro-diicot-auditor"].audit(Purpose::LawfulnessCheck, &statement(), |_| {}).await.must();
    let failed: Vec<_> = report.failed().collect();
    assert!(failed.is_empty() && report.erased.is_empty(), "the replay is not clean: {failed:?}");
    for (_, agent) in agents {
        assert!(agent.evidence().await.must().is_empty(), "a device keeps evidence against an honest server");
        agent.close().await.must();
    }
    for home in HOMES {
        receipts_hold(stage, home).await;
    }
    nothing_left_over(stage);
}

/// Every device comes in touch: what waits is delivered, Welcomes are taken, its cases are followed.
async fn everybody(stage: &Stage) -> BTreeMap<&'static str, Agent> {
    let mut agents = BTreeMap::new();
    for home in HOMES {
        let agent = stage.agent(home).await;
        agent.deliver().await.must();
        agent.sync().await.must();
        agent.join_new_cases().await.must();
        agents.insert(home, agent);
    }
    agents
}

async fn compare_kinds(stage: &Stage, effect: &Effect) {
    let mut after = stage.kinds().await;
    for (kind, count) in &stage.before {
        let left = after.get(kind).copied().unwrap_or_default() - count;
        assert!(left >= 0, "records of kind {kind} are gone");
        after.insert(kind.clone(), left);
    }
    for (kind, count) in effect.exactly {
        assert_eq!(after.remove(*kind).unwrap_or_default(), *count, "records of kind {kind}: {after:?}");
    }
    for (kind, count) in effect.at_least {
        assert!(after.remove(*kind).unwrap_or_default() >= *count, "records of kind {kind}: {after:?}");
    }
    after.retain(|_, count| *count != 0);
    assert!(after.is_empty(), "records that nobody asked for: {after:?}");
}

/// Who is in the case by Ana's state; all of them see the same members, and nobody else sees any.
async fn members(stage: &Stage, agents: &BTreeMap<&'static str, Agent>) -> Vec<&'static str> {
    let ana = &agents[HOMES[0]];
    ana.refresh(stage.case).await.must();
    let seen = ana.members(stage.case).await.must();
    let mut inside = Vec::new();
    for home in HOMES {
        let agent = &agents[home];
        let knows = agent.cases().await.must().iter().any(|case| case.id == stage.case && case.standing == Standing::Member);
        let own = agent.certificate_id().unwrap();
        match agent.refresh(stage.case).await {
            Ok(()) => {
                assert!(knows && seen.iter().any(|member| member.certificate == own), "{home} is no member and is shown the case");
                assert_eq!(agent.members(stage.case).await.must(), seen, "{home} sees other members than Ana");
                inside.push(home);
            }
            Err(AgentError::NotMember(_) | AgentError::Http(_)) => {
                let left = stage.kinds().await.contains_key("member.leave");
                assert!(left || seen.iter().all(|member| member.certificate != own), "{home} is a member and cannot follow the case");
            }
            Err(other) => panic!("{home}: {other}"),
        }
    }
    inside
}

async fn files_of(agent: &Agent, case: CaseId, exhibit: ExhibitId) -> (String, BTreeMap<String, Vec<u8>>) {
    let opened = agent.open_exhibit(case, exhibit, Opening::View, Purpose::Investigation, &statement()).await.must();
    let mut files = BTreeMap::new();
    for (number, file) in opened.manifest().files().iter().enumerate() {
        let mut bytes = Vec::new();
        opened.write_file(number, &mut bytes).await.must();
        files.insert(String::from_utf8_lossy(file.raw_path()).into_owned(), bytes);
    }
    (opened.manifest().intake().title.as_str().to_owned(), files)
}

/// The files below a folder by their paths in it, that folder's name first.
pub fn files_below(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut waiting = vec![folder.to_owned()];
    let mut files = BTreeMap::new();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let name = path.strip_prefix(folder.parent().unwrap()).unwrap().to_string_lossy().into_owned();
            files.insert(name, fs::read(&path).unwrap());
        }
    }
    files
}

/// Every exhibit of the case has a title of its own, under which its source lies.
async fn opens_bit_for_bit(stage: &Stage, reader: &Agent) {
    let mut titles = Vec::new();
    for row in reader.exhibits(stage.case).await.must() {
        let (title, files) = files_of(reader, stage.case, row.exhibit).await;
        assert!(files == files_below(&stage.path("evidence").join(&title)), "{title} opens to other files than were collected");
        assert!(!titles.contains(&title), "{title} was collected twice");
        titles.push(title);
    }
    assert!(titles.iter().any(|title| title == "first"));
}

/// Another commit, another exhibit, and whoever is in the case follows and opens it.
async fn goes_on(stage: &Stage, ana: &Agent, inside: &[&'static str], agents: &BTreeMap<&'static str, Agent>) {
    ana.add_members(stage.case, Vec::new(), Vec::new(), &statement()).await.must();
    let source = stage.path("evidence/after");
    evidence(&source, 10);
    let after = ana.add_exhibit(exhibit(stage.case, &source, "after"), |_| {}).await.must();
    for home in inside {
        let agent = &agents[home];
        agent.refresh(stage.case).await.must();
        assert_eq!(agent.members(stage.case).await.must(), ana.members(stage.case).await.must());
    }
    let newest = &agents[inside.last().unwrap()];
    assert!(files_of(newest, stage.case, after.exhibit).await.1 == files_below(&source));
}

/// Every receipt that a device keeps verifies, and the record stands where it says; every act in the log is one that the device knows.
async fn receipts_hold(stage: &Stage, home: &str) {
    let paths = StatePaths::in_folder(stage.home(home));
    let key = KeyFile::parse(&fs::read(paths.key_file()).unwrap()).unwrap().unlock(PASSPHRASE).unwrap();
    let state = State::open(&paths, &key).await.must();
    let mut connection = state.connection().await;
    let device = device::load(&mut connection).await.must();
    let signing = ed25519_dalek::SigningKey::from_bytes(device.signing_key.expose()).verifying_key();
    let log: LogKey = stage.info.log_key.parse().unwrap();

    let url = format!("sqlite:{}", stage.path("server/db/custodia.sqlite").display());
    let mut server = sqlx::SqliteConnection::connect(&url).await.unwrap();
    let rows = sqlx::query("SELECT intent_id, idx, commitment FROM records").fetch_all(&mut server).await.unwrap();
    let records: BTreeMap<Vec<u8>, (i64, Vec<u8>)> = rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect();
    assert_eq!(records.len(), rows.len(), "an intent stands in the log twice");

    let acts = sqlx::query("SELECT intent, text, receipt FROM act").fetch_all(&mut *connection).await.unwrap();
    for act in &acts {
        let (id, text, receipt): (Vec<u8>, String, Option<String>) = (act.get(0), act.get(1), act.get(2));
        let Some(receipt) = receipt else { continue };
        let receipt: Receipt = serde_json::from_str(&receipt).unwrap();
        let intent = UnverifiedIntent::parse(&text).unwrap().verify(&signing).unwrap();
        let entry = verify_own_receipt(&log, &receipt, &intent).must();
        let (index, commitment) = records.get(&id).unwrap_or_else(|| panic!("{home}: an acknowledged act is gone"));
        assert_eq!((*index, commitment.as_slice()), (entry.index.cast_signed(), entry.commitment.0.as_bytes().as_slice()), "{home}");
    }
    let waiting: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(&mut *connection).await.unwrap();
    assert_eq!(waiting, 0, "{home}: an act waits that nobody will send");
    let own = custodia_core::digest::Sha256Digest::of(&[&device.certificate.unwrap()]);
    let signed: Vec<Vec<u8>> = sqlx::query_scalar("SELECT intent_id FROM records WHERE signer = ?")
        .bind(own.as_bytes().as_slice())
        .fetch_all(&mut server)
        .await
        .unwrap();
    for id in signed {
        assert!(acts.iter().any(|act| act.get::<Vec<u8>, _>(0) == id), "{home}: an act in the log that the device does not know");
    }
    server.close().await.unwrap();
    drop(connection);
    state.close().await.must();
}

/// Evidence in clear lies only where it was put on purpose, and no working folder is left.
fn nothing_left_over(stage: &Stage) {
    let found =
        Command::new("grep").args(["-rlaF", CANARY]).args(["server", "devices", "work"]).current_dir(stage.path("")).output().unwrap();
    for path in String::from_utf8_lossy(&found.stdout).lines() {
        assert!(path.starts_with("work/out"), "evidence in clear in {path}");
    }
    for part in ["server", "devices", "work"] {
        for path in names_below(&stage.path(part)) {
            let name = path.rsplit('/').next().unwrap_or_default();
            assert!(!name.starts_with(".custodia") && !name.contains('#'), "{path} is left over");
        }
    }
}

fn names_below(folder: &Path) -> Vec<String> {
    let mut waiting = vec![folder.to_owned()];
    let mut names = Vec::new();
    while let Some(path) = waiting.pop() {
        names.push(path.display().to_string());
        if path.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    names
}
