//! The database: all SQL of the server, one text for SQLite and PostgreSQL.
//!
//! It is trusted to keep what it was given and to keep transactions apart. What a corrupted or rolled-back database can do: make the server
//! stop (its root no longer matches what was signed, or the head file is ahead of it). It can open nothing.

pub(crate) mod cases;
pub(crate) mod devices;
pub(crate) mod doctor;
pub(crate) mod exhibits;
pub(crate) mod kept;
pub(crate) mod log;
pub(crate) mod place;
pub(crate) mod records;
pub(crate) mod recoveries;
pub(crate) mod refusals;
mod sql;
pub(crate) mod tree;

use sqlx::AnyConnection;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{Any, AnyPool, Connection as _, Transaction};

pub(crate) use sql::StoreError;

/// A connection, within a transaction or not.
pub(crate) type Conn = AnyConnection;

/// Which database it is; the queries do not ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Backend {
    Sqlite,
    Postgres,
}

/// The pools of connections.
pub(crate) struct Store {
    readers: AnyPool,
    /// SQLite lets one transaction write at a time: whoever waits does so here, in order, and not in SQLite's busy loop. It is one connection, so
    /// that what it has read stays in its cache. PostgreSQL's readers write too.
    writers: AnyPool,
    backend: Backend,
}

/// A transaction that writes; dropped without [`Write::commit`] it leaves no trace.
pub(crate) struct Write(Transaction<'static, Any>);

impl Store {
    /// Connects, and brings the schema up to date.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let store = Self::connect(url).await?;
        let migrated = migrator(store.backend).run(&store.writers).await;
        migrated.map_err(|error| StoreError::Unavailable(sqlx::Error::Migrate(Box::new(error))))?;
        Ok(store)
    }

    /// Connects; the database may hold anything.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let backend = if url.starts_with("sqlite:") { Backend::Sqlite } else { Backend::Postgres };
        let options: AnyConnectOptions = url.parse()?;
        let setup: &'static [&'static str] = match backend {
            Backend::Sqlite => &[
                "PRAGMA journal_mode = WAL",
                "PRAGMA synchronous = FULL",
                "PRAGMA foreign_keys = ON",
                "PRAGMA secure_delete = ON",
                // Pages that many acts touch go from the log of writes into the file once for all of them: 32 MiB, in pages of 4 KiB.
                "PRAGMA wal_autocheckpoint = 8192",
                // In KiB.
                "PRAGMA cache_size = -16384",
                "PRAGMA busy_timeout = 10000",
            ],
            Backend::Postgres => &["SET synchronous_commit = on"],
        };
        let pool = |connections| {
            AnyPoolOptions::new()
                .max_connections(connections)
                // A file does not hang up; a server may have.
                .test_before_acquire(backend == Backend::Postgres)
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
        };
        let writers = pool(if backend == Backend::Sqlite { 1 } else { 8 }).connect_with(options.clone()).await?;
        let readers = if backend == Backend::Sqlite { pool(8).connect_with(options).await? } else { writers.clone() };
        Ok(Self { readers, writers, backend })
    }

    /// A connection for reading.
    pub async fn read(&self) -> Result<sqlx::pool::PoolConnection<Any>, StoreError> {
        Ok(self.readers.acquire().await?)
    }

    /// A transaction that writes.
    pub async fn write(&self) -> Result<Write, StoreError> {
        let begin = match self.backend {
            Backend::Sqlite => "BEGIN IMMEDIATE",
            Backend::Postgres => "BEGIN",
        };
        Ok(Write(self.writers.begin_with(begin).await?))
    }

    /// Whether a row must be locked by name (`FOR UPDATE`), because a writing transaction does not exclude others.
    pub const fn locks_rows(&self) -> bool {
        matches!(self.backend, Backend::Postgres)
    }

    /// Waits for connections to end; nothing is answered afterwards.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writers.close().await;
    }
}

impl Write {
    /// The connection inside the transaction.
    pub fn conn(&mut self) -> &mut Conn {
        &mut self.0
    }

    /// Begins a part that can be taken back alone.
    pub async fn part(&mut self) -> Result<Transaction<'_, Any>, StoreError> {
        Ok((*self.0).begin().await?)
    }

    /// Makes it durable.
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.0.commit().await?)
    }
}

fn migrator(backend: Backend) -> Migrator {
    let texts = match backend {
        Backend::Sqlite => [
            ("vault", include_str!("../../../migrations/sqlite/0001_vault.sql")),
            ("recoveries", include_str!("../../../migrations/sqlite/0002_recoveries.sql")),
            ("successors", include_str!("../../../migrations/sqlite/0003_successors.sql")),
            ("kept checkpoints", include_str!("../../../migrations/sqlite/0004_kept_checkpoints.sql")),
        ],
        Backend::Postgres => [
            ("vault", include_str!("../../../migrations/postgres/0001_vault.sql")),
            ("recoveries", include_str!("../../../migrations/postgres/0002_recoveries.sql")),
            ("successors", include_str!("../../../migrations/postgres/0003_successors.sql")),
            ("kept checkpoints", include_str!("../../../migrations/postgres/0004_kept_checkpoints.sql")),
        ],
    };
    let migration = |(number, (name, text)): (i64, (&'static str, &'static str))| {
        Migration::new(number, name.into(), MigrationType::Simple, sqlx::SqlSafeStr::into_sql_str(text), false)
    };
    Migrator::with_migrations((1..).zip(texts).map(migration).collect())
}

#[cfg(test)]
mod tests;
