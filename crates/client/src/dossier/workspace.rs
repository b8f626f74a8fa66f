//! A private folder beside the target, for evidence in clear that is on its way into the dossier.

use std::fs;
use std::path::{Path, PathBuf};

use super::{DossierError, folder_of, io};
use crate::clock::random;

/// A folder of mode 0700 that is taken away with everything in it when it is dropped.
#[derive(Debug)]
pub(super) struct Workspace(PathBuf);

impl Workspace {
    pub(super) fn beside(target: &Path) -> Result<Self, DossierError> {
        let folder = folder_of(target).join(format!(".custodia-dossier-{}", hex::encode(random::<8>())));
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&folder).map_err(io(&folder))?;
        Ok(Self(folder))
    }

    pub(super) fn folder(&self) -> &Path {
        &self.0
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::error!(%error, "a dossier's working folder could not be taken away; it holds evidence in clear");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_working_folder_is_private_and_goes_with_its_content() {
        let temp = tempfile::tempdir().unwrap();
        let workspace = Workspace::beside(&temp.path().join("out.zip")).unwrap();
        fs::create_dir_all(workspace.folder().join("a/b")).unwrap();
        fs::write(workspace.folder().join("a/b/c"), b"evidence").unwrap();
        assert_eq!(fs::metadata(workspace.folder()).unwrap().permissions().mode() & 0o777, 0o700);
        drop(workspace);
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
    }
}
