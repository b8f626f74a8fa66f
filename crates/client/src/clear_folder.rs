//! Private folders that hold evidence in clear for a while, and are taken away whatever happens.
//!
//! A folder is noted in the device's state before it is made. A process that is killed cannot clean up after itself; the next one that opens the
//! state does.

use std::fs;
use std::path::{Path, PathBuf};

use custodia_failpoint::fail_point;

use crate::clock::random;
use crate::error::AgentError;
use crate::open::ExportError;
use crate::state::{State, StateError, clear};

/// What the names of such folders begin with; 16 random hexadecimal digits follow.
const PREFIX: &str = ".custodia-clear-";

/// A folder of mode 0700 that is taken away with everything in it when it is dropped.
#[derive(Debug)]
pub(crate) struct ClearFolder(PathBuf);

impl ClearFolder {
    /// Makes one beside a file or folder that is to be, so that what it holds gets there by a rename.
    pub(crate) async fn beside(state: &State, target: &Path) -> Result<Self, AgentError> {
        let folder = place_beside(target)?;
        clear::note(&mut *state.connection().await, &folder).await?;
        fail_point!("agent.clear_folder.noted");
        Ok(Self::make(folder)?)
    }

    /// Makes one that nothing is noted of.
    pub(crate) fn make(folder: PathBuf) -> Result<Self, ExportError> {
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&folder).map_err(|source| ExportError::Io { path: folder.clone(), source })?;
        fail_point!("agent.clear_folder.made");
        Ok(Self(folder))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for ClearFolder {
    fn drop(&mut self) {
        // One that was renamed to its target is not there any more.
        if let Err(error) = remove(&self.0) {
            tracing::error!(folder = %self.0.display(), %error, "a working folder could not be taken away; it holds evidence in clear");
        }
    }
}

/// A name that nothing has, in the folder of `target`, whatever the next process's current folder is.
pub(crate) fn place_beside(target: &Path) -> Result<PathBuf, ExportError> {
    let target = std::path::absolute(target).map_err(|source| ExportError::Io { path: target.to_owned(), source })?;
    Ok(target.with_file_name(format!("{PREFIX}{}", hex::encode(random::<8>()))))
}

fn remove(folder: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Takes away what killed processes left. A folder that cannot be reached now, as on a disk that is not there, stays noted.
pub(crate) async fn sweep(state: &State) -> Result<(), StateError> {
    let mut connection = state.connection().await;
    for folder in clear::noted(&mut connection).await? {
        let ours = folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
        let reachable = folder.parent().is_some_and(Path::exists);
        if !ours || !reachable {
            continue;
        }
        if folder.exists() {
            tracing::warn!(folder = %folder.display(), "an interrupted command left evidence in clear; it is taken away");
        }
        match remove(&folder) {
            Ok(()) => clear::forget(&mut connection, &folder).await?,
            Err(error) => {
                tracing::error!(folder = %folder.display(), %error, "evidence in clear that a killed process left cannot be taken away");
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_working_folder_is_private_and_goes_with_its_content() {
        let temp = tempfile::tempdir().unwrap();
        let workspace = ClearFolder::make(place_beside(&temp.path().join("out.zip")).unwrap()).unwrap();
        fs::create_dir_all(workspace.path().join("a/b")).unwrap();
        fs::write(workspace.path().join("a/b/c"), b"evidence").unwrap();
        assert_eq!(fs::metadata(workspace.path()).unwrap().permissions().mode() & 0o777, 0o700);
        drop(workspace);
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
    }
}
