//! Small files that are whole or not there, whatever stops the machine.
//!
//! Written beside their place with mode 0600, flushed, moved into place, and the directory flushed.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use custodia_failpoint::fail_point;
use tempfile::NamedTempFile;

/// Puts a file in place of one that may exist; after an error the old one or the new one is there, whole.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = directory_of(path);
    written_beside(directory, bytes)?.persist(path)?;
    flush_directory(directory)
}

/// Puts a file where there is none.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] when there is one, which stays as it was.
pub fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = directory_of(path);
    written_beside(directory, bytes)?.persist_noclobber(path)?;
    flush_directory(directory)
}

/// Reads a file of at most `most` bytes.
///
/// # Errors
/// [`io::ErrorKind::FileTooLarge`] when it is longer.
pub fn read(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    io::Read::read_to_end(&mut io::Read::take(File::open(path)?, limit), &mut bytes)?;
    if bytes.len() > most { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A temporary file is made with mode 0600 and is removed when it does not reach its place.
fn written_beside(directory: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    fail_point!("agent.file.written_beside");
    Ok(file)
}

fn flush_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_is_replaced_whole_and_only_its_owner_reads_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(read(&path, 3).unwrap(), b"two");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(names(directory.path()), ["key"]);
    }

    #[test]
    fn a_file_that_exists_is_not_created_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        create(&path, b"one").unwrap();
        assert_eq!(create(&path, b"two").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(read(&path, 100).unwrap(), b"one");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(names(directory.path()), ["key"]);
    }

    #[test]
    fn a_file_longer_than_permitted_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        create(&path, b"1234").unwrap();
        assert_eq!(read(&path, 3).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
