//! Files that must survive a crash, and secrets that nobody else may read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use custodia_failpoint::fail_point;

/// Writes a secret to a file that must not exist yet, readable by its owner alone (0600).
pub(crate) fn write_new_secret(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or_else(|| io::Error::other("a file lies in a folder"))?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    File::open(folder)?.sync_all()
}

/// Puts a file in place of one that may exist, readable by its owner alone (0600): after a crash the old one or the new one is there, whole.
///
/// # Errors
/// Which of the two would be there after a crash is then not known.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or_else(|| io::Error::other("a file lies in a folder"))?;
    let beside = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fail_point!("server.file.written_beside");
    fs::rename(&beside, path)?;
    File::open(folder)?.sync_all()
}

/// Reads a secret; refuses a file that group or others may read or write, and one longer than `limit` bytes.
pub(crate) fn read_secret(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let metadata = fs::metadata(path)?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "others than its owner may read it; run chmod 600 on it"));
    }
    if metadata.len() > limit {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is longer than a key"));
    }
    fs::read(path)
}

/// Makes a folder, and those above it, readable by its owner alone (0700).
pub(crate) fn make_private_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}
