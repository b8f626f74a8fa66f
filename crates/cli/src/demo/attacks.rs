//! The demo's attacks: things are broken from outside, as a thief or a dishonest operator would, and each is caught.
//!
//! Before each attack the same step is shown to succeed; afterwards what was broken is put back and it succeeds again.

use std::fs;
use std::path::{Path, PathBuf};

use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

use crate::failure::{Code, Exit, Failure};

use super::stage::{Stage, tell};
use super::story::Work;

fn failed(text: impl Into<String>) -> Failure {
    Failure::new(Code::DemoFailed, text, "")
}

fn database(error: &sqlx::Error) -> Failure {
    failed(format!("the database of the demo: {error}"))
}

/// Runs all attacks.
pub async fn run(stage: &mut Stage, work: &Work) -> Result<(), Failure> {
    stage.part("Somebody breaks things on purpose");
    match target(stage, work)? {
        Some(target) => {
            flipped_bit(stage, work, &target)?;
            swapped_object(stage, work, &target)?;
        }
        None => tell("All files are empty: there is no byte in storage to break."),
    }
    removed_record(stage).await?;
    forged_signature(stage).await?;
    second_log(stage, work)
}

/// What storage attacks are to break: the largest file of all exhibits.
struct Target {
    exhibit: String,
    file: String,
}

/// Joost streams the file.
fn read_evidence(stage: &Stage, work: &Work, target: &Target) -> Result<(), String> {
    let words =
        ["exhibit", "open", &work.case, &target.exhibit, "--file", &target.file, "--purpose", "investigation", "--reason", "Control"];
    stage.tried("joost", &words)
}

/// None if all files are empty: then there is no byte to break.
fn target(stage: &Stage, work: &Work) -> Result<Option<Target>, Failure> {
    let mut largest = (0, None);
    for exhibit in &work.exhibits {
        let words = ["exhibit", "open", &work.case, exhibit, "--json", "--purpose", "investigation", "--reason", "Control"];
        let manifest: serde_json::Value = serde_json::from_str(&stage.ok("joost", &words)?).map_err(|error| failed(error.to_string()))?;
        for file in manifest["files"].as_array().into_iter().flatten() {
            let size = file["size"].as_u64().unwrap_or_default();
            if size > largest.0 {
                let file = file["path"].as_str().unwrap_or_default().to_owned();
                largest = (size, Some(Target { exhibit: exhibit.clone(), file }));
            }
        }
    }
    Ok(largest.1)
}

/// The stored objects of an exhibit, the largest first: its segments, then its manifest.
fn objects(stage: &Stage, exhibit: &str) -> Result<Vec<PathBuf>, Failure> {
    let folder = stage.folder().join("server/objects").join(exhibit);
    let mut paths = Vec::new();
    for entry in fs::read_dir(&folder).map_err(|error| Failure::file(&folder, &error))? {
        paths.push(entry.map_err(|error| Failure::file(&folder, &error))?.path());
    }
    paths.sort_by_key(|path| std::cmp::Reverse(path.metadata().map_or(0, |metadata| metadata.len())));
    Ok(paths)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure::file(path, &error))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    fs::write(path, bytes).map_err(|error| Failure::file(path, &error))
}

/// Shows a step to succeed, breaks one stored object, shows the step to fail, and puts the object back.
fn broken_object(
    stage: &Stage,
    work: &Work,
    target: &Target,
    what: &str,
    broken: impl FnOnce(&[u8]) -> Result<Vec<u8>, Failure>,
) -> Result<(), Failure> {
    read_evidence(stage, work, target).map_err(|said| failed(format!("the untampered exhibit did not open: {said}")))?;
    let object = objects(stage, &target.exhibit)?.into_iter().next().ok_or_else(|| failed("the exhibit has no object"))?;
    let genuine = read(&object)?;
    write(&object, &broken(&genuine)?)?;
    let caught = read_evidence(stage, work, target);
    write(&object, &genuine)?;
    match caught {
        Ok(()) => Err(failed(format!("{what} was not noticed"))),
        Err(said) => {
            tell(&format!("{what}: caught. {}", decisive(&said)));
            read_evidence(stage, work, target).map_err(|said| failed(format!("put back, the exhibit did not open: {said}")))
        }
    }
}

fn flipped_bit(stage: &Stage, work: &Work, target: &Target) -> Result<(), Failure> {
    broken_object(stage, work, target, "One bit of an object flipped in storage", |genuine| {
        let mut bytes = genuine.to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        Ok(bytes)
    })
}

fn swapped_object(stage: &Stage, work: &Work, target: &Target) -> Result<(), Failure> {
    let other = work.exhibits.iter().find(|exhibit| **exhibit != target.exhibit).ok_or_else(|| failed("there is one exhibit alone"))?;
    let other = objects(stage, other)?.into_iter().next().ok_or_else(|| failed("the exhibit has no object"))?;
    let foreign = read(&other)?;
    broken_object(stage, work, target, "A segment replaced by one of another exhibit", |_| Ok(foreign))
}

/// From the first record on: an audit that goes on from its saved point does not fetch again what it has replayed.
fn audit(stage: &Stage) -> Result<(), String> {
    stage.tried("auditor", &["audit", "--from-start", "--purpose", "integrity-security", "--reason", "Control"])
}

async fn connect(stage: &Stage) -> Result<SqliteConnection, Failure> {
    let url = format!("sqlite:{}", stage.folder().join("server/db/custodia.sqlite").display());
    SqliteConnection::connect(&url).await.map_err(|error| database(&error))
}

/// The record that is attacked: Ana's opening of the first exhibit.
const RECORD: &str = "13";

/// Runs statements on the server's database while the server is down.
async fn alter(stage: &Stage, statements: &[String]) -> Result<(), Failure> {
    let mut connection = connect(stage).await?;
    for statement in statements {
        let changed = sqlx::query(AssertSqlSafe(statement.clone())).execute(&mut connection).await.map_err(|error| database(&error))?;
        let counts = ["DELETE", "UPDATE", "INSERT"].iter().any(|word| statement.starts_with(word));
        if counts && changed.rows_affected() != 1 {
            return Err(failed(format!("the attack changed {} rows: {statement}", changed.rows_affected())));
        }
    }
    connection.close().await.map_err(|error| database(&error))
}

/// Stops the server, lets `attack` work on its database, starts it again, shows the auditor's replay to fail, and puts the record back.
///
/// The rest of the database stays as it is: set back as a whole, it would be caught as a rollback.
async fn attacked_database(stage: &mut Stage, what: &str, attack: String) -> Result<(), Failure> {
    audit(stage).map_err(|said| failed(format!("the untampered log did not replay: {said}")))?;
    stage.stop_server();
    alter(stage, &[format!("CREATE TABLE kept AS SELECT * FROM records WHERE idx = {RECORD}"), attack]).await?;
    // A server that refuses to start on such a database has caught it too.
    let caught = match stage.start_server("server") {
        Ok(()) => audit(stage),
        Err(refused) => Err(refused.message),
    };
    stage.stop_server();
    let mut connection = connect(stage).await?;
    sqlx::query(AssertSqlSafe(format!("DELETE FROM records WHERE idx = {RECORD}")))
        .execute(&mut connection)
        .await
        .map_err(|error| database(&error))?;
    connection.close().await.map_err(|error| database(&error))?;
    alter(stage, &["INSERT INTO records SELECT * FROM kept".to_owned(), "DROP TABLE kept".to_owned()]).await?;
    stage.start_server("server")?;
    match caught {
        Ok(()) => Err(failed(format!("{what} was not noticed"))),
        Err(said) => {
            tell(&format!("{what}: caught. {}", decisive(&said)));
            audit(stage).map_err(|said| failed(format!("put back, the log did not replay: {said}")))
        }
    }
}

/// The line of an output that says what was found.
fn decisive(said: &str) -> &str {
    let line = |mark: &str| said.lines().find(|line| line.starts_with(mark));
    line("FAILED").or_else(|| line("custodia: ")).or_else(|| said.lines().next()).unwrap_or_default().trim()
}

async fn removed_record(stage: &mut Stage) -> Result<(), Failure> {
    attacked_database(stage, "A record deleted from the database", format!("DELETE FROM records WHERE idx = {RECORD}")).await
}

async fn forged_signature(stage: &mut Stage) -> Result<(), Failure> {
    // The signature is the end of the intent, and the intent the end of the core part.
    let forged = "substr(core, 1, length(core) - 20) || CAST('AAAAAAAAAAAAAAAAAAAA' AS BLOB)";
    attacked_database(
        stage,
        "A signature forged in the database",
        format!("UPDATE records SET core = CAST({forged} AS BLOB) WHERE idx = {RECORD}"),
    )
    .await
}

/// The operator runs two copies of the log and shows Joost one, then the other.
fn second_log(stage: &mut Stage, work: &Work) -> Result<(), Failure> {
    stage.tried("joost", &["device", "sync"]).map_err(|said| failed(format!("Joost's device was not in touch: {said}")))?;
    stage.stop_server();
    let second = stage.folder().join("second");
    copy(&stage.folder().join("server"), &second)?;
    let config = second.join("custodia.toml");
    let text = String::from_utf8_lossy(&read(&config)?).replace(&stage.path("server"), &stage.path("second"));
    write(&config, text.as_bytes())?;
    let open = |stage: &Stage, home: &str| {
        stage.tried(home, &["exhibit", "open", &work.case, &work.exhibits[0], "--purpose", "investigation", "--reason", "Control"])
    };
    stage.start_server("server")?;
    open(stage, "joost").map_err(|said| failed(format!("Joost could not go on with the first log: {said}")))?;
    stage.stop_server();
    stage.start_server("second")?;
    open(stage, "ana").map_err(|said| failed(format!("Ana could not go on with the second log: {said}")))?;
    let said = stage.refused("joost", &["device", "sync"], Exit::Misbehaved)?;
    tell(&format!("A second log shown to one client: caught. {}", decisive(&said)));
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let io = |error: std::io::Error| Failure::file(from, &error);
    fs::create_dir_all(to).map_err(io)?;
    for entry in fs::read_dir(from).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy(&path, &target)?;
        } else {
            fs::copy(&path, &target).map_err(io)?;
        }
    }
    Ok(())
}
