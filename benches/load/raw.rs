//! What the database can do by itself: one row, one commit, as durable as ours.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::{AnyConnection, Connection as _};
use tokio::sync::Mutex;

/// Bytes of a row: about those of a record.
const ROW: usize = 2048;

async fn connect(url: &str) -> AnyConnection {
    let mut connection = AnyConnection::connect(url).await.unwrap();
    let setup: &[&'static str] = if url.starts_with("sqlite:") {
        &["PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL"]
    } else {
        &["SET synchronous_commit = on"]
    };
    for statement in setup {
        sqlx::raw_sql(*statement).execute(&mut connection).await.unwrap();
    }
    connection
}

/// So many clients commit rows for so long; gives what each commit took. SQLite writes one transaction at a time, so its clients wait in line for
/// one connection, which is faster than its own busy loop; PostgreSQL gives each client one.
pub async fn commits(url: &str, clients: usize, time: Duration) -> (Vec<Duration>, f64) {
    sqlx::any::install_default_drivers();
    let mut first = connect(url).await;
    for statement in
        ["DROP TABLE IF EXISTS bench", "CREATE TABLE bench (client BIGINT, number BIGINT, body BYTEA, PRIMARY KEY (client, number))"]
    {
        sqlx::raw_sql(statement).execute(&mut first).await.unwrap();
    }
    let mut connections = vec![Arc::new(Mutex::new(first))];
    while connections.len() < clients {
        let next = if url.starts_with("sqlite:") { Arc::clone(&connections[0]) } else { Arc::new(Mutex::new(connect(url).await)) };
        connections.push(next);
    }
    let begun = Instant::now();
    let tasks: Vec<_> = connections
        .into_iter()
        .zip(0_i64..)
        .map(|(connection, client)| {
            tokio::spawn(async move {
                let (mut took, body) = (Vec::new(), vec![7_u8; ROW]);
                while begun.elapsed() < time {
                    let asked = Instant::now();
                    let statement = sqlx::query("INSERT INTO bench (client, number, body) VALUES ($1, $2, $3)");
                    let number = i64::try_from(took.len()).unwrap();
                    statement.bind(client).bind(number).bind(body.clone()).execute(&mut *connection.lock().await).await.unwrap();
                    took.push(asked.elapsed());
                }
                took
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    (all, begun.elapsed().as_secs_f64())
}
