//! Rows about folders that hold evidence in clear until a command has ended.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use sqlx::SqliteConnection;

use super::StateError;

/// Notes a folder before it is made.
///
/// # Errors
/// What the database refuses.
pub async fn note(connection: &mut SqliteConnection, folder: &Path) -> Result<(), StateError> {
    sqlx::query("INSERT INTO clear_folder VALUES (?)").bind(folder.as_os_str().as_bytes()).execute(connection).await?;
    Ok(())
}

/// The folders that were noted and are not known to be gone.
///
/// # Errors
/// What the database refuses.
pub async fn noted(connection: &mut SqliteConnection) -> Result<Vec<PathBuf>, StateError> {
    let paths: Vec<Vec<u8>> = sqlx::query_scalar("SELECT path FROM clear_folder").fetch_all(connection).await?;
    Ok(paths.into_iter().map(|path| PathBuf::from(OsString::from_vec(path))).collect())
}

/// A folder is gone.
///
/// # Errors
/// What the database refuses.
pub async fn forget(connection: &mut SqliteConnection, folder: &Path) -> Result<(), StateError> {
    sqlx::query("DELETE FROM clear_folder WHERE path = ?").bind(folder.as_os_str().as_bytes()).execute(connection).await?;
    Ok(())
}
