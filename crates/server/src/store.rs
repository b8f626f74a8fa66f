//! The database: all SQL of the server, one text for SQLite and PostgreSQL.
//!
//! It is trusted to keep what it was given and to keep transactions apart. What a corrupted or rolled-back database can do: make the server
//! stop (its root no longer matches what was signed, or the head file is ahead of it). It can open nothing.

pub(crate) mod cases;
pub(crate) mod devices;
pub(crate) mod doctor;
pub(crate) mod exhibits;
pub(crate) mod log;
pub(crate) mod place;
pub(crate) mod refusals;
mod sql;
pub(crate) mod tree;

use sqlx::AnyConnection;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{Any, AnyPool, Connection as _, Transaction};
use tokio::sync::{Mutex, MutexGuard};

pub(crate) use sql::StoreError;

/// A connection, within a transaction or not.
pub(crate) type Conn = AnyConnection;

/// Which database it is; the queries do not ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Backend {
    Sqlite,
    Postgres,
}

/// The pool of connections.
pub(crate) struct Store {
    pool: AnyPool,
    backend: Backend,
    /// SQLite lets one transaction write at a time: whoever waits does so here, in order, and not in SQLite's busy loop.
    writer: Mutex<()>,
}

/// A transaction that writes; dropped without [`Write::commit`] it leaves no trace.
pub(crate) struct Write<'a> {
    transaction: Transaction<'static, Any>,
    _turn: Option<MutexGuard<'a, ()>>,
}

impl Store {
    /// Connects, and brings the schema up to date.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let store = Self::connect(url).await?;
        let migrated = migrator(store.backend).run(&store.pool).await;
        migrated.map_err(|error| StoreError::Unavailable(sqlx::Error::Migrate(Box::new(error))))?;
        Ok(store)
    }

    /// Connects; the database may hold anything.
    async fn connect(url: &str) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let backend = if url.starts_with("sqlite:") { Backend::Sqlite } else { Backend::Postgres };
        let options: AnyConnectOptions = url.parse()?;
        let setup: &'static [&'static str] = match backend {
            Backend::Sqlite => &[
                "PRAGMA journal_mode = WAL",
                "PRAGMA synchronous = FULL",
                "PRAGMA foreign_keys = ON",
                "PRAGMA secure_delete = ON",
                "PRAGMA busy_timeout = 10000",
            ],
            Backend::Postgres => &["SET synchronous_commit = on"],
        };
        let pool = AnyPoolOptions::new()
            .max_connections(8)
            .after_connect(move |conn, _| {
                Box::pin(async move {
                    for statement in setup {
                        sqlx::raw_sql(*statement).execute(&mut *conn).await?;
                    }
                    Ok(())
                })
            })
            // SQLite takes a transaction back by itself when the disk is full; sqlx goes on counting it, and would never begin another.
            .after_release(|conn, _| {
                Box::pin(async move {
                    if conn.is_in_transaction() {
                        conn.ping().await?;
                    }
                    Ok(!conn.is_in_transaction())
                })
            })
            .connect_with(options)
            .await?;
        Ok(Self { pool, backend, writer: Mutex::new(()) })
    }

    /// A connection for reading.
    pub async fn read(&self) -> Result<sqlx::pool::PoolConnection<Any>, StoreError> {
        Ok(self.pool.acquire().await?)
    }

    /// A transaction that writes.
    pub async fn write(&self) -> Result<Write<'_>, StoreError> {
        let (begin, turn) = match self.backend {
            Backend::Sqlite => ("BEGIN IMMEDIATE", Some(self.writer.lock().await)),
            Backend::Postgres => ("BEGIN", None),
        };
        Ok(Write { transaction: self.pool.begin_with(begin).await?, _turn: turn })
    }

    /// Whether a row must be locked by name (`FOR UPDATE`), because a writing transaction does not exclude others.
    pub const fn locks_rows(&self) -> bool {
        matches!(self.backend, Backend::Postgres)
    }

    /// Waits for connections to end; nothing is answered afterwards.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

impl Write<'_> {
    /// The connection inside the transaction.
    pub fn conn(&mut self) -> &mut Conn {
        &mut self.transaction
    }

    /// Begins a part that can be taken back alone.
    pub async fn part(&mut self) -> Result<Transaction<'_, Any>, StoreError> {
        Ok((*self.transaction).begin().await?)
    }

    /// Makes it durable.
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.transaction.commit().await?)
    }
}

fn migrator(backend: Backend) -> Migrator {
    let texts = match backend {
        Backend::Sqlite => [
            (1, "vault", include_str!("../../../migrations/sqlite/0001_vault.sql")),
            (3, "successors", include_str!("../../../migrations/sqlite/0003_successors.sql")),
        ],
        Backend::Postgres => [
            (1, "vault", include_str!("../../../migrations/postgres/0001_vault.sql")),
            (3, "successors", include_str!("../../../migrations/postgres/0003_successors.sql")),
        ],
    };
    let migration = |(number, name, text): (i64, &'static str, &'static str)| {
        Migration::new(number, name.into(), MigrationType::Simple, sqlx::SqlSafeStr::into_sql_str(text), false)
    };
    Migrator::with_migrations(texts.into_iter().map(migration).collect())
}

#[cfg(test)]
mod tests;
