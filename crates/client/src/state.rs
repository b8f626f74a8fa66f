//! The device's private state: one SQLite file, encrypted as a whole, used by one process at a time.
//!
//! The file's key is 32 random bytes that the caller has unwrapped (`passphrase`). Beside the database lies a lock file; whoever holds its
//! exclusive lock owns the state. A copy is refused: the database records the inode and birth time of the file that it was made in, and a
//! copied or restored file has others. A rolled-back disk image keeps both; that is noticed when the log shows an act of this device that
//! the state does not know (`cases`).

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use custodia_core::secret::Secret32;
use custodia_failpoint::fail_point;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Row as _, Sqlite, SqliteConnection, Transaction};
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};

use crate::durable_file;

pub mod acts;
pub mod audit;
pub mod clear;
pub mod device;
pub mod head;
pub mod intake;
pub mod keys;

const FORMAT: i64 = 1;

/// Where the state of one device lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatePaths {
    folder: PathBuf,
}

impl StatePaths {
    /// The state in a folder of its own.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The encrypted database.
    pub fn database(&self) -> PathBuf {
        self.folder.join("state.db")
    }

    /// The database while it is made; a state is there once it has its name.
    fn unfinished(&self) -> PathBuf {
        self.folder.join("state.db.new")
    }

    /// The key file: the database's key wrapped under the passphrase.
    pub fn key_file(&self) -> PathBuf {
        self.folder.join("state.key")
    }

    /// The file whose lock says who uses the state.
    pub fn lock_file(&self) -> PathBuf {
        self.folder.join("state.lock")
    }
}

/// Why the state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another process holds it.
    #[error("the device's state in {0} is in use by another process; close that one first")]
    InUse(PathBuf),
    /// There is one already.
    #[error("there is already a device's state in {0}")]
    Exists(PathBuf),
    /// There is none.
    #[error("there is no device's state in {0}")]
    Absent(PathBuf),
    /// The key does not open it, or the file is damaged: SQLCipher cannot tell which.
    #[error("the state's key does not open {0}: the key file belongs to another state, or the file is damaged")]
    NotOpened(PathBuf),
    /// It is a copy, which must never act as a second device.
    #[error(
        "{0} is a copy or was restored from a backup; a copied device is refused because two devices with one key would break the case \
         groups. Enrol this machine as a new device; a colleague or the recovery device gives it access again"
    )]
    Copied(PathBuf),
    /// Written by a newer program.
    #[error("the state has format {0}, which is newer than this program")]
    Newer(i64),
    /// A row is not of the form in which this program writes it.
    #[error("the state holds a damaged {0}")]
    Damaged(&'static str),
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database refused.
    #[error("the state's database: {0}")]
    Database(#[from] sqlx::Error),
}

/// The open state; dropping it closes the file and releases the lock.
pub struct State {
    /// None only while it is being closed.
    connection: Mutex<Option<SqliteConnection>>,
    _lock: File,
}

impl core::fmt::Debug for State {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("State(…)")
    }
}

/// An error of the database with the file in which it happened.
fn named(path: &Path, error: StateError) -> StateError {
    match error {
        StateError::Database(source) => StateError::Io { path: path.to_owned(), source: std::io::Error::other(source) },
        other => other,
    }
}

/// What tells a file from its copy: inode number and birth time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileIdentity {
    inode: i64,
    birth_seconds: i64,
    birth_nanos: i64,
}

impl FileIdentity {
    fn of(path: &Path) -> Result<Self, StateError> {
        let metadata = fs::metadata(path).map_err(io(path))?;
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&metadata).cast_signed();
        #[cfg(not(unix))]
        let inode = 0;
        // A file system without birth times leaves the inode alone to tell.
        let birth = metadata.created().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        Ok(Self { inode, birth_seconds: birth.as_secs().cast_signed(), birth_nanos: birth.subsec_nanos().into() })
    }
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> StateError {
    let path = path.to_owned();
    move |source| StateError::Io { path, source }
}

fn lock(paths: &StatePaths) -> Result<File, StateError> {
    let path = paths.lock_file();
    let file = private().create(true).truncate(false).write(true).open(&path).map_err(io(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StateError::InUse(paths.folder.clone())),
        Err(TryLockError::Error(source)) => Err(StateError::Io { path, source }),
    }
}

/// Options that make a file readable to its owner alone.
fn private() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Connects with the key as the first statement. Statements are never logged: the first one holds the key.
async fn connect(path: &Path, key: &Secret32) -> Result<SqliteConnection, StateError> {
    // Nothing here reads a page, so that SQLCipher's own diagnostics are off before a wrong key is noticed.
    let options = SqliteConnectOptions::new()
        .filename(path)
        .pragma("key", format!("\"x'{}'\"", hex::encode(key.expose())))
        .pragma("cipher_log_level", "NONE")
        .disable_statement_logging();
    // SQLITE_NOTADB is what a wrong key looks like; anything else, such as a full disk, says nothing about the key.
    let not_opened = |error: sqlx::Error| match &error {
        sqlx::Error::Database(database) if database.code().as_deref() != Some("26") => named(path, error.into()),
        _ => StateError::NotOpened(path.to_owned()),
    };
    let mut connection = options.connect().await.map_err(not_opened)?;
    let prepared = sqlx::raw_sql(
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; \
         PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = ON; SELECT count(*) FROM sqlite_master",
    )
    .execute(&mut connection)
    .await;
    match prepared {
        Ok(_) => Ok(connection),
        Err(error) => {
            // Its thread has ended before the process can; see `State::drop`.
            let _ = connection.close().await;
            Err(not_opened(error))
        }
    }
}

impl State {
    /// Makes the state of a new device in the folder, which is made if it is absent: the key file, then the database, whole or not at all.
    ///
    /// What an interrupted making left is taken away: without a database there is no device, and nobody was told of its keys.
    ///
    /// # Errors
    /// [`StateError::Exists`] if there is one; [`StateError::InUse`]; what the file system refuses.
    pub async fn create(paths: &StatePaths, key: &Secret32, key_file: &str, device: &device::DeviceRow) -> Result<Self, StateError> {
        fs::create_dir_all(&paths.folder).map_err(io(&paths.folder))?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(&paths.folder, fs::Permissions::from_mode(0o700)).map_err(io(&paths.folder))?;
        }
        let lock = lock(paths)?;
        let (unfinished, database) = (paths.unfinished(), paths.database());
        if database.exists() {
            return Err(StateError::Exists(paths.folder.clone()));
        }
        durable_file::replace(&paths.key_file(), key_file.as_bytes()).map_err(io(&paths.key_file()))?;
        fail_point!("agent.state.key_written");
        for ending in ["", "-wal", "-shm", "-journal"] {
            let mut path = unfinished.as_os_str().to_owned();
            path.push(ending);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(Path::new(&path))(error)),
                _ => {}
            }
        }
        private().create_new(true).write(true).open(&unfinished).map_err(io(&unfinished))?;
        let made = Self::make(&unfinished, key, device).await;
        made.map_err(|error| named(&unfinished, error))?;
        fail_point!("agent.state.database_made");
        fs::rename(&unfinished, &database).map_err(io(&database))?;
        File::open(&paths.folder).and_then(|folder| folder.sync_all()).map_err(io(&paths.folder))?;
        fail_point!("agent.state.made");
        Self::open_locked(database, key, lock).await
    }

    /// Fills a new database and closes it.
    async fn make(path: &Path, key: &Secret32, device: &device::DeviceRow) -> Result<(), StateError> {
        let mut connection = connect(path, key).await?;
        let identity = FileIdentity::of(path)?;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::raw_sql(include_str!("state/schema.sql")).execute(&mut *transaction).await?;
        sqlx::query("INSERT INTO home VALUES (1, ?, ?, ?, ?)")
            .bind(FORMAT)
            .bind(identity.inode)
            .bind(identity.birth_seconds)
            .bind(identity.birth_nanos)
            .execute(&mut *transaction)
            .await?;
        device::insert(&mut transaction, device).await?;
        transaction.commit().await?;
        // All must lie in the one file that gets its name: closing would pass over a checkpoint that found no room.
        let unfinished: i64 = sqlx::query_scalar("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut connection).await?;
        if unfinished != 0 {
            return Err(StateError::Io { path: path.to_owned(), source: std::io::Error::other("it cannot be completed") });
        }
        Ok(connection.close().await?)
    }

    /// Opens the state.
    ///
    /// # Errors
    /// [`StateError::Absent`], [`StateError::InUse`], [`StateError::NotOpened`], [`StateError::Copied`], [`StateError::Newer`].
    pub async fn open(paths: &StatePaths, key: &Secret32) -> Result<Self, StateError> {
        let database = paths.database();
        if !database.exists() {
            return Err(StateError::Absent(paths.folder.clone()));
        }
        Self::open_locked(database, key, lock(paths)?).await
    }

    async fn open_locked(database: PathBuf, key: &Secret32, lock: File) -> Result<Self, StateError> {
        let state = Self { connection: Mutex::new(Some(connect(&database, key).await?)), _lock: lock };
        let mut connection = state.connection().await;
        let home = sqlx::query("SELECT format, inode, birth_seconds, birth_nanos FROM home WHERE one = 1")
            .fetch_one(&mut *connection)
            .await
            .map_err(|_| StateError::Damaged("record of its own file"))?;
        drop(connection);
        let format: i64 = home.try_get(0)?;
        if format != FORMAT {
            return Err(StateError::Newer(format));
        }
        let recorded = FileIdentity { inode: home.try_get(1)?, birth_seconds: home.try_get(2)?, birth_nanos: home.try_get(3)? };
        if recorded != FileIdentity::of(&database)? {
            return Err(StateError::Copied(database));
        }
        Ok(state)
    }

    /// Closes the file; a mere drop does so too, and keeps its thread waiting meanwhile.
    ///
    /// # Errors
    /// What the database refuses.
    pub async fn close(mut self) -> Result<(), StateError> {
        match self.connection.get_mut().take() {
            Some(connection) => Ok(connection.close().await?),
            None => Ok(()),
        }
    }

    /// The one connection, for reading, or for [`begin`].
    pub async fn connection(&self) -> MappedMutexGuard<'_, SqliteConnection> {
        MutexGuard::map(self.connection.lock().await, |connection| connection.as_mut().expect("only close and drop take it"))
    }
}

impl Drop for State {
    /// Waits until the database's own thread has ended. Else it may still work when the process ends and OpenSSL, which SQLCipher uses, takes its
    /// tables down: then a command that did everything right ends by a signal.
    fn drop(&mut self) {
        let Some(connection) = self.connection.get_mut().take() else { return };
        // On a thread of its own, since this one may belong to a runtime.
        let closing = std::thread::spawn(move || {
            if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() {
                // What it refuses concerns nobody any more: everything acknowledged was committed.
                let _ = runtime.block_on(connection.close());
            }
        });
        let _ = closing.join();
    }
}

/// Begins a transaction; dropping it without `commit` takes everything back.
///
/// # Errors
/// What the database refuses.
pub async fn begin(connection: &mut SqliteConnection) -> Result<Transaction<'_, Sqlite>, StateError> {
    Ok(connection.begin_with("BEGIN IMMEDIATE").await?)
}

/// Takes a blob of a fixed width out of a row.
pub(crate) fn fixed<const N: usize>(bytes: &[u8], what: &'static str) -> Result<[u8; N], StateError> {
    bytes.try_into().map_err(|_| StateError::Damaged(what))
}

/// SQLite's integers are signed; counts and indexes of this program never reach 2^63.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).expect("indexes, sizes and counts lie below 2^63")
}

/// The way back from [`signed`].
pub(crate) fn unsigned(number: i64, what: &'static str) -> Result<u64, StateError> {
    u64::try_from(number).map_err(|_| StateError::Damaged(what))
}

#[cfg(test)]
mod tests;
