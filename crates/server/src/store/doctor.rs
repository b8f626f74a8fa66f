//! The database, tried out: is it durable, does it take back, does it keep writers apart?

use sqlx::Connection as _;

use super::sql::sql;
use super::{Backend, Store, StoreError};
use crate::doctor::{Finding, Grade};

/// Tries out the database at an address of the driver's form.
pub(crate) async fn examine(url: &str) -> Vec<Finding> {
    let store = match Store::connect(url).await {
        Ok(store) => store,
        Err(error) => return vec![unusable(&error)],
    };
    let mut findings = match settings(&store).await {
        Ok(findings) => findings,
        Err(error) => vec![unusable(&error)],
    };
    findings.push(trial(&store).await.unwrap_or_else(|error| unusable(&error)));
    let mut left = store.read().await;
    if let Ok(conn) = &mut left {
        let _ = sql("DROP TABLE IF EXISTS custodia_doctor").run(conn).await;
    }
    drop(left);
    store.close().await;
    findings
}

fn unusable(error: &StoreError) -> Finding {
    Finding::new(Grade::Bad, "database", error.to_string(), "It cannot be used. Mend what the message names.")
}

async fn text(store: &Store, statement: &'static str) -> Result<String, StoreError> {
    let mut conn = store.read().await?;
    sql(statement).row(&mut conn).await?.map_or_else(|| Ok(String::new()), |mut row| row.text())
}

async fn settings(store: &Store) -> Result<Vec<Finding>, StoreError> {
    let about = "database: durability";
    let kept = "What was committed survives a crash of the machine.";
    match store.backend {
        Backend::Sqlite => {
            let version = text(store, "SELECT sqlite_version()").await?;
            let journal = text(store, "PRAGMA journal_mode").await?;
            let mut conn = store.read().await?;
            let level = sql("PRAGMA synchronous").row(&mut conn).await?.map_or(Ok(0), |mut row| row.number())?;
            let (grade, meaning) = if journal == "wal" && level >= 2 {
                (Grade::Good, kept)
            } else {
                (Grade::Bad, "A crash of the machine can lose acknowledged entries: use a local disk, not a network folder.")
            };
            Ok(vec![
                Finding::new(
                    Grade::Note,
                    "database: kind",
                    format!("SQLite {version}"),
                    "It serves one process; use PostgreSQL for several.",
                ),
                Finding::new(grade, about, format!("journal {journal}, synchronous {level}"), meaning),
            ])
        }
        Backend::Postgres => {
            let version = text(store, "SELECT current_setting('server_version')").await?;
            let fsync = text(store, "SELECT current_setting('fsync')").await?;
            let pages = text(store, "SELECT current_setting('full_page_writes')").await?;
            let commit = text(store, "SELECT current_setting('synchronous_commit')").await?;
            let standbys = text(store, "SELECT current_setting('synchronous_standby_names')").await?;
            let recovering = text(store, "SELECT CASE WHEN pg_is_in_recovery() THEN 'yes' ELSE 'no' END").await?;
            let durable = fsync == "on" && pages == "on" && !["off", "local"].contains(&commit.as_str());
            let (grade, meaning) = if durable {
                (Grade::Good, kept)
            } else {
                (
                    Grade::Bad,
                    "A crash of the machine can lose acknowledged entries: set fsync, full_page_writes and synchronous_commit to on.",
                )
            };
            let (standby, standby_meaning) = if standbys.is_empty() {
                ("none".to_owned(), "Without a synchronous replica a lost disk loses acknowledged entries, and the log ends.")
            } else {
                (standbys, "A replica that is named here holds every acknowledged entry.")
            };
            let mut findings = vec![
                Finding::new(Grade::Good, "database: kind", format!("PostgreSQL {version}"), "It serves several processes."),
                Finding::new(grade, about, format!("fsync {fsync}, full_page_writes {pages}, synchronous_commit {commit}"), meaning),
                Finding::new(Grade::Note, "database: synchronous replicas", standby, standby_meaning),
            ];
            if recovering != "no" {
                let meaning = "It takes no entries: name the primary.";
                findings.push(Finding::new(Grade::Bad, "database: role", "a replica", meaning));
            }
            Ok(findings)
        }
    }
}

/// Takes a transaction back, violates a key within a part, and lets a second writer try while the first holds the row.
async fn trial(store: &Store) -> Result<Finding, StoreError> {
    let about = "database: transactions";
    let bad = |found: &str| Ok(Finding::new(Grade::Bad, about, found, "Two writers could fork the log: do not use this database."));
    let mut conn = store.read().await?;
    sql("DROP TABLE IF EXISTS custodia_doctor").run(&mut conn).await?;
    sql("CREATE TABLE custodia_doctor (id BIGINT PRIMARY KEY, size BIGINT NOT NULL)").run(&mut conn).await?;
    sql("INSERT INTO custodia_doctor (id, size) VALUES (1, 0)").run(&mut conn).await?;
    drop(conn);

    let mut first = store.write().await?;
    let locked = if store.locks_rows() {
        sql("SELECT size FROM custodia_doctor WHERE id = 1 FOR UPDATE")
    } else {
        sql("SELECT size FROM custodia_doctor WHERE id = 1")
    };
    locked.row(first.conn()).await?;
    sql("UPDATE custodia_doctor SET size = 7 WHERE id = 1").run(first.conn()).await?;
    let mut part = first.part().await?;
    let twice = sql("INSERT INTO custodia_doctor (id, size) VALUES (1, 1)").run(&mut part).await;
    part.rollback().await?;
    if !matches!(twice, Err(StoreError::Exists)) {
        return bad("a key can be used twice");
    }
    if second_writer_enters(store).await? {
        return bad("a second writer is not held back by the first");
    }
    drop(first);
    let mut conn = store.read().await?;
    let size = sql("SELECT size FROM custodia_doctor WHERE id = 1").row(&mut conn).await?.map_or(Ok(99), |mut row| row.number())?;
    if size != 0 {
        return bad("a transaction that was taken back left something");
    }
    Ok(Finding::new(Grade::Good, about, "taken back whole, keys hold, one writer at a time", "Several processes keep one log."))
}

async fn second_writer_enters(store: &Store) -> Result<bool, StoreError> {
    let mut conn = store.read().await?;
    if store.locks_rows() {
        let mut second = conn.begin().await?;
        let asked = sql("SELECT size FROM custodia_doctor WHERE id = 1 FOR UPDATE NOWAIT").row(&mut second).await;
        second.rollback().await?;
        return Ok(asked.is_ok());
    }
    sql("PRAGMA busy_timeout = 0").row(&mut conn).await?;
    let asked = sql("BEGIN IMMEDIATE").run(&mut conn).await;
    if asked.is_ok() {
        sql("ROLLBACK").run(&mut conn).await?;
    }
    sql("PRAGMA busy_timeout = 10000").row(&mut conn).await?;
    Ok(asked.is_ok())
}
