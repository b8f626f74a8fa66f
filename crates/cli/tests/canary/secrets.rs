//! Keys that a test can know, read from the states of the devices and the folders of the server.

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;

use custodia_client::passphrase::KeyFile;
use custodia_client::seal::NewExhibit;
use custodia_client::state::{State, device, keys};
use custodia_client::{Agent, Clock, StatePaths, Statement};
use custodia_core::custody::intent::ClockSource;
use custodia_core::exhibit::keys::{ExhibitKey, GroupShare, ReleaseShare};
use custodia_core::ids::{CaseId, ExhibitId};
use custodia_core::secret::Secret32;
use sqlx::Row as _;
use time::OffsetDateTime;

use crate::search::Needle;
use crate::stage::Stage;
use crate::story::Texts;

/// Keys, by who may hold them.
pub struct Secrets {
    /// Of devices and their group states.
    pub device: Vec<Needle>,
    /// Of the case: ring keys, group shares, exhibit keys.
    pub case: Vec<Needle>,
    /// Release shares: in the server's memory while it hands them out.
    pub release: Vec<Needle>,
    /// The server's own.
    pub server: Vec<Needle>,
}

/// What an interrupted intake left in the journal.
pub struct Interrupted {
    pub exhibit: String,
    group: Secret32,
    release: Secret32,
}

fn paths(stage: &Stage, home: &str) -> StatePaths {
    StatePaths::in_folder(stage.at(&format!("devices/{home}")))
}

async fn state(stage: &Stage, texts: &Texts, home: &str) -> State {
    let paths = paths(stage, home);
    let key = KeyFile::parse(&fs::read(paths.key_file()).unwrap()).unwrap().unlock(&texts.passphrase(home)).unwrap();
    State::open(&paths, &key).await.unwrap()
}

/// Begins an intake, and lets go of it after its first segment; then reads its shares from the journal.
pub async fn interrupted_intake(stage: &Stage, texts: &Texts, case: &str, source: &str, statement: &[String; 2]) -> Interrupted {
    let clock = Clock::new(ClockSource::Os, OffsetDateTime::now_utc);
    let agent = Agent::open(&paths(stage, "ana"), &texts.passphrase("ana"), clock).await.unwrap();
    let case: CaseId = case.parse().unwrap();
    let intake = toml::from_str(&fs::read_to_string(stage.at("given/form.toml")).unwrap()).unwrap();
    let [reason, reference] = statement.clone();
    let statement = Statement { reason, reference: Some(reference) };
    let new = NewExhibit { case, sources: vec![PathBuf::from(source)], intake, statement, fresh: false };
    let (told, hear) = tokio::sync::oneshot::channel();
    let told = Mutex::new(Some(told));
    {
        let adding = agent.add_exhibit(new, |progress| {
            if progress.segments >= 1
                && let Some(told) = told.lock().unwrap().take()
            {
                let _heard = told.send(());
            }
        });
        tokio::select! {
            done = adding => panic!("the intake ended before it could be interrupted: {}", done.is_ok()),
            heard = hear => heard.unwrap(),
        }
    }
    agent.close().await.unwrap();
    let state = state(stage, texts, "ana").await;
    let row =
        sqlx::query("SELECT exhibit, group_share, release_share FROM intake").fetch_one(&mut *state.connection().await).await.unwrap();
    let share = |column: usize| Secret32::from_bytes(row.get::<&[u8], _>(column).try_into().unwrap());
    let exhibit = ExhibitId::from_bytes(row.get::<&[u8], _>(0).try_into().unwrap()).to_string();
    let interrupted = Interrupted { exhibit, group: share(1), release: share(2) };
    state.close().await.unwrap();
    interrupted
}

/// Reads every state.
pub async fn collect(stage: &Stage, texts: &Texts, case: &str, interrupted: &Interrupted) -> Secrets {
    let case: CaseId = case.parse().unwrap();
    let mut secrets = Secrets { device: Vec::new(), case: Vec::new(), release: Vec::new(), server: Vec::new() };
    for home in ["ana", "luc", "eva", "recovery", "recovery-fr", "auditor"] {
        let key_file = KeyFile::parse(&fs::read(paths(stage, home).key_file()).unwrap()).unwrap();
        secrets.device.push(Needle::key(format!("state key of {home}"), key_file.unlock(&texts.passphrase(home)).unwrap().expose()));
        let state = state(stage, texts, home).await;
        let mut connection = state.connection().await;
        let own = device::load(&mut connection).await.unwrap();
        secrets.device.push(Needle::key(format!("signing key of {home}"), own.signing_key.expose()));
        secrets.device.push(Needle::key(format!("sealing key of {home}"), own.sealing_seed.expose()));
        for (version, key) in keys::ring_keys(&mut connection, case).await.unwrap() {
            secrets.case.push(Needle::key(format!("ring key {version} of {home}"), key.expose()));
        }
        for row in sqlx::query("SELECT key, value FROM mls").fetch_all(&mut *connection).await.unwrap() {
            let name = String::from_utf8_lossy(&row.get::<Vec<u8>, _>(0)).chars().take_while(char::is_ascii_alphabetic).collect::<String>();
            if let Ok(value) = serde_json::from_slice(&row.get::<Vec<u8>, _>(1)) {
                group_secrets(&format!("{name} of {home}"), false, &value, &mut secrets.device);
            }
        }
        drop(connection);
        state.close().await.unwrap();
    }
    let exhibit: ExhibitId = interrupted.exhibit.parse().unwrap();
    let (group, release) = (GroupShare::from_secret(interrupted.group.clone()), ReleaseShare::from_secret(interrupted.release.clone()));
    secrets.case.push(Needle::key("group share", interrupted.group.expose()));
    secrets.case.push(Needle::key("exhibit key", ExhibitKey::derive(&group, &release, exhibit).secret().expose()));
    secrets.release.push(Needle::key("release share", interrupted.release.expose()));
    for (path, bytes) in crate::stage::files(&stage.at("server/kek")) {
        if path.extension().is_some_and(|ending| ending == "kek") {
            secrets.server.push(Needle::key("key-encryption key", &bytes));
        }
    }
    let log_key = fs::read_to_string(stage.at("server/keys/log.key")).unwrap();
    secrets.server.push(Needle::key("log key", log_key.trim_end().splitn(5, '+').last().unwrap().as_bytes()));
    assert!(
        secrets.server.len() == 2 && secrets.case.len() > 6 && secrets.device.len() > 40,
        "{} {} {}",
        secrets.server.len(),
        secrets.case.len(),
        secrets.device.len()
    );
    secrets
}

/// Bytes below members whose name says that they are secret, in a row of OpenMLS.
fn group_secrets(place: &str, secret: bool, value: &serde_json::Value, found: &mut Vec<Needle>) {
    match value {
        serde_json::Value::Object(members) => {
            // The group's context stands beside the secrets that were made under it, and is public.
            for (name, value) in members.iter().filter(|(name, _)| *name != "serialized_context") {
                let names_secret =
                    ["secret", "private", "membership_key", "confirmation_key", "resumption_psk"].iter().any(|word| name.contains(word));
                group_secrets(&format!("{place}.{name}"), secret || names_secret, value, found);
            }
        }
        serde_json::Value::Array(items) => {
            let bytes: Option<Vec<u8>> = items.iter().map(|item| item.as_u64().and_then(|number| u8::try_from(number).ok())).collect();
            match bytes {
                Some(bytes) if secret && bytes.len() >= 32 => found.push(Needle::key(place, &bytes[..32])),
                _ => items.iter().for_each(|item| group_secrets(place, secret, item, found)),
            }
        }
        _ => {}
    }
}
