//! What is to be taken in: every file is looked at before the first byte is read.
//!
//! Only regular files and folders are taken. A symbolic link, device, socket or pipe ends the intake with its path named, because leaving it out
//! silently would make the exhibit another one than the person saw. Empty files are evidence and are taken; empty folders leave no trace.

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::shown;

/// The most files of one exhibit.
pub const MAX_FILES: usize = 200_000;
/// How deep folders may lie in each other.
const MAX_DEPTH: usize = 128;

/// Why files cannot be taken in. Nothing was entered in the log; the journal, if there is one, stays.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// It is neither a file nor a folder.
    #[error("{} is a {what}; only files and folders are taken in. Take it out, or copy what it points to beside it", shown(path))]
    NotAFile {
        /// Which.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// The system does not let us read it.
    #[error("{} cannot be read: {source}", shown(path))]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It changed while it was read, or since the intake began.
    #[error(
        "{} changed ({what}) while it was taken in; evidence must hold still. Work on a copy that nothing writes to, and begin anew",
        shown(path)
    )]
    Changed {
        /// Which.
        path: PathBuf,
        /// How.
        what: &'static str,
    },
    /// The files are other ones than when the intake began.
    #[error("the files are not those with which this intake began ({0}); begin anew, which makes a new exhibit")]
    OtherFiles(&'static str),
    /// There is nothing to take in.
    #[error("there is no file to take in")]
    Nothing,
    /// Too many files, or folders too deep.
    #[error("more than {limit} {what}; divide it into several exhibits")]
    TooMany {
        /// The limit.
        limit: usize,
        /// Of what.
        what: &'static str,
    },
}

/// A regular file as it was when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SourceFile {
    /// Where it lies; kept as bytes, since a path need not be text.
    #[serde(serialize_with = "path_bytes")]
    pub path: PathBuf,
    /// Its path in the exhibit: the names from the chosen file or folder on, as the system has them.
    pub name: Vec<Vec<u8>>,
    /// Its size in bytes.
    pub size: u64,
    /// When it was last written, nanoseconds since 1970; 0 where the file system does not say.
    pub modified_nanos: u64,
    /// Its identity in the file system; 0 where there is none.
    pub inode: u64,
}

/// A path as the bytes that the system has.
fn path_bytes<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(path.as_os_str().as_encoded_bytes(), serializer)
}

impl SourceFile {
    /// Opens the file, if it is still the one that was looked at.
    pub(crate) fn open(&self) -> Result<fs::File, IntakeError> {
        let file = fs::File::open(&self.path).map_err(unreadable(&self.path))?;
        self.unchanged(&file)?;
        Ok(file)
    }

    /// Compares what the open file is now with what was looked at.
    pub(crate) fn unchanged(&self, file: &fs::File) -> Result<(), IntakeError> {
        let now = file.metadata().map_err(unreadable(&self.path))?;
        let changed = |what| Err(IntakeError::Changed { path: self.path.clone(), what });
        if !now.is_file() || inode(&now) != self.inode {
            return changed("another file took its place");
        }
        if now.len() != self.size {
            return changed("its size");
        }
        if modified_nanos(&now) != self.modified_nanos {
            return changed("it was written to");
        }
        Ok(())
    }

    /// When it was last written.
    pub fn modified(&self) -> Option<SystemTime> {
        (self.modified_nanos > 0).then(|| UNIX_EPOCH + Duration::from_nanos(self.modified_nanos))
    }
}

/// Looks at files and folders, all that lies in the folders included, in the order of their names' bytes.
///
/// Follows no link. The bytes of the files are not read.
///
/// # Errors
/// Whatever is not a file or folder, or cannot be looked at; more than 200 000 files; none at all.
pub fn scan(sources: &[PathBuf]) -> Result<Vec<SourceFile>, IntakeError> {
    let mut files = Vec::new();
    for source in sources {
        // A path such as `.` has no name of its own; its real one is the folder's.
        let path = fs::canonicalize(source.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))
            .and_then(|parent| match source.file_name() {
                Some(name) => Ok(parent.join(name)),
                None => fs::canonicalize(source),
            })
            .map_err(unreadable(source))?;
        let name = path.file_name().map(bytes_of).into_iter().collect();
        look(&path, name, 0, &mut files)?;
    }
    files.sort_by(|one: &SourceFile, other| one.name.cmp(&other.name));
    if files.is_empty() { Err(IntakeError::Nothing) } else { Ok(files) }
}

fn look(path: &Path, name: Vec<Vec<u8>>, depth: usize, files: &mut Vec<SourceFile>) -> Result<(), IntakeError> {
    let metadata = fs::symlink_metadata(path).map_err(unreadable(path))?;
    if metadata.is_file() {
        if files.len() >= MAX_FILES {
            return Err(IntakeError::TooMany { limit: MAX_FILES, what: "files" });
        }
        files.push(SourceFile {
            path: path.to_owned(),
            name,
            size: metadata.len(),
            modified_nanos: modified_nanos(&metadata),
            inode: inode(&metadata),
        });
        return Ok(());
    }
    if !metadata.is_dir() {
        return Err(IntakeError::NotAFile { path: path.to_owned(), what: kind(&metadata) });
    }
    if depth >= MAX_DEPTH {
        return Err(IntakeError::TooMany { limit: MAX_DEPTH, what: "folders in each other" });
    }
    for entry in fs::read_dir(path).map_err(unreadable(path))? {
        let entry = entry.map_err(unreadable(path))?;
        let mut inner = name.clone();
        inner.push(bytes_of(&entry.file_name()));
        look(&entry.path(), inner, depth + 1, files)?;
    }
    Ok(())
}

pub(crate) fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> IntakeError {
    let path = path.to_owned();
    move |source| IntakeError::Unreadable { path, source }
}

fn modified_nanos(metadata: &Metadata) -> u64 {
    let since = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(0)
}

#[cfg(unix)]
fn bytes_of(name: &std::ffi::OsStr) -> Vec<u8> {
    std::os::unix::ffi::OsStrExt::as_bytes(name).to_vec()
}

#[cfg(not(unix))]
fn bytes_of(name: &std::ffi::OsStr) -> Vec<u8> {
    name.as_encoded_bytes().to_vec()
}

#[cfg(unix)]
fn inode(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn inode(_: &Metadata) -> u64 {
    0
}

fn kind(metadata: &Metadata) -> &'static str {
    let kind = metadata.file_type();
    if kind.is_symlink() {
        return "symbolic link";
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        if kind.is_socket() {
            return "socket";
        }
        if kind.is_fifo() {
            return "named pipe";
        }
        if kind.is_block_device() || kind.is_char_device() {
            return "device";
        }
    }
    "special file"
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn names(files: &[SourceFile]) -> Vec<String> {
        files.iter().map(|file| String::from_utf8_lossy(&file.name.join(&b'/')).into_owned()).collect()
    }

    fn folder() -> (TempDir, PathBuf) {
        let temp = TempDir::new().unwrap();
        let folder = temp.path().join("phone");
        fs::create_dir_all(folder.join("chat/old")).unwrap();
        fs::write(folder.join("chat/old/1.txt"), b"one").unwrap();
        fs::write(folder.join("b"), b"").unwrap();
        fs::write(folder.join("a"), b"two").unwrap();
        (temp, folder)
    }

    #[test]
    fn a_folder_is_taken_whole_in_the_order_of_names() {
        let (_temp, folder) = folder();
        let files = scan(&[folder]).unwrap();
        assert_eq!(names(&files), ["phone/a", "phone/b", "phone/chat/old/1.txt"]);
        assert_eq!(files[1].size, 0, "an empty file is evidence");
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_not_text_is_taken_and_journalled_as_it_is() {
        use std::os::unix::ffi::OsStrExt as _;
        let (_temp, folder) = folder();
        let odd = folder.join(std::ffi::OsStr::from_bytes(b"bad\xff\n.txt"));
        fs::write(&odd, b"x").unwrap();
        let files = scan(&[odd]).unwrap();
        assert_eq!(files[0].name, [b"bad\xff\n.txt".to_vec()]);
        assert!(serde_json::to_vec(&files).is_ok(), "the journal keeps it");
    }

    #[test]
    fn single_files_bear_their_own_names() {
        let (_temp, folder) = folder();
        let files = scan(&[folder.join("b"), folder.join("a")]).unwrap();
        assert_eq!(names(&files), ["a", "b"]);
    }

    #[test]
    fn nothing_to_take_in_and_absent_files_are_refused() {
        let temp = TempDir::new().unwrap();
        assert!(matches!(scan(&[temp.path().to_owned()]), Err(IntakeError::Nothing)));
        assert!(matches!(scan(&[]), Err(IntakeError::Nothing)));
        assert!(matches!(scan(&[temp.path().join("none")]), Err(IntakeError::Unreadable { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn links_sockets_and_devices_end_the_intake_with_their_path() {
        let (_temp, folder) = folder();
        let link = folder.join("chat/link");
        std::os::unix::fs::symlink(folder.join("a"), &link).unwrap();
        let Err(IntakeError::NotAFile { path, what }) = scan(std::slice::from_ref(&folder)) else { panic!("a link was followed") };
        assert_eq!((path, what), (fs::canonicalize(folder.join("chat")).unwrap().join("link"), "symbolic link"));
        assert!(matches!(scan(std::slice::from_ref(&link)), Err(IntakeError::NotAFile { .. })), "a link given by hand is one too");
        fs::remove_file(link).unwrap();

        let _socket = std::os::unix::net::UnixListener::bind(folder.join("s")).unwrap();
        assert!(matches!(scan(&[folder]), Err(IntakeError::NotAFile { what: "socket", .. })));
        assert!(matches!(scan(&[PathBuf::from("/dev/null")]), Err(IntakeError::NotAFile { what: "device", .. })));
    }

    #[cfg(unix)]
    #[test]
    fn names_are_kept_byte_for_byte() {
        use std::os::unix::ffi::OsStrExt as _;
        let (_temp, folder) = folder();
        let odd: [&[u8]; 4] = [b"new\nline", "\u{202e}gpj.exe".as_bytes(), &[b'x'; 255], b"latin\xe9"];
        for name in odd {
            fs::write(folder.join(std::ffi::OsStr::from_bytes(name)), b"x").unwrap();
        }
        let files = scan(&[folder]).unwrap();
        for name in odd {
            assert!(files.iter().any(|file| file.name.last().is_some_and(|last| last == name)), "{name:?}");
        }
    }

    #[test]
    fn a_file_that_changed_since_it_was_looked_at_is_noticed() {
        let (_temp, folder) = folder();
        let file = scan(&[folder.join("a")]).unwrap().remove(0);
        file.open().unwrap();
        fs::write(&file.path, b"more").unwrap();
        assert!(matches!(file.open(), Err(IntakeError::Changed { what: "its size", .. })));
        fs::remove_file(&file.path).unwrap();
        assert!(matches!(file.open(), Err(IntakeError::Unreadable { .. })));
    }
}
