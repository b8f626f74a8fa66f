//! Export: files appear whole and checked, or not at all.
//!
//! Everything is written into a folder beside the target under a temporary name, flushed to the disk and compared with the manifest; the rename to the
//! target's name is the last step. What failed is taken away again, since it is evidence in clear.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use custodia_core::exhibit::file_digest::FileDigests;
use custodia_core::exhibit::path::export_name;
use custodia_failpoint::fail_point;
use futures::StreamExt as _;
use tokio::sync::mpsc;

use super::writing::{Planned, write_all};
use super::{OpenedExhibit, entry_name};
use crate::clear_folder::ClearFolder;
use crate::error::{AgentError, shown};
use crate::seal::Progress;

/// Why files were not written out.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// There is something at the target.
    #[error("{} exists already; nothing is overwritten", shown(.0))]
    Exists(PathBuf),
    /// The system refuses to write.
    #[error("{}: {source}", shown(path))]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The viewer took no more.
    #[error("the viewer takes no more: {0}")]
    Writing(std::io::Error),
    /// A file's content has other digests than the manifest records.
    #[error("{0} does not have the digests that were recorded when it was collected; it was not written out")]
    Digests(String),
    /// Two names are one on this file system.
    #[error("{0} has the same name as another file on this file system; export to one that tells upper from lower case")]
    SameName(String),
}

/// A file that was written out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedFile {
    /// Its path in the target folder.
    pub name: String,
    /// The path that was collected, made safe to show.
    pub collected_as: String,
    /// Size and digests, compared with the manifest.
    pub digests: FileDigests,
}

pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> ExportError {
    let path = path.to_owned();
    move |source| ExportError::Io { path, source }
}

impl OpenedExhibit {
    /// Writes all files into a new folder.
    ///
    /// # Errors
    /// [`ExportError::Exists`]; what does not fetch, open or write. Then nothing is left behind.
    pub async fn export(&self, target: &Path, progress: impl Fn(Progress) + Send + Sync) -> Result<Vec<ExportedFile>, AgentError> {
        let planned = self
            .manifest
            .files()
            .iter()
            .map(|entry| Ok(Planned { name: export_name(entry.raw_path())?, shown: entry_name(entry), digests: entry.digests() }))
            .collect::<Result<Vec<_>, AgentError>>()?;
        refuse_existing(target)?;
        let temporary = ClearFolder::beside(&self.state, target).await?;
        let folder = temporary.path().to_owned();
        let (out, contents) = mpsc::channel(1);
        let writer = tokio::task::spawn_blocking(move || write_all(&folder, planned, contents));
        let length = self.plan.stream_len();
        let wanted: Vec<_> = self.plan.segments_for(0..length)?.collect();
        let of = wanted.len() as u64;
        let mut segments = Box::pin(self.fetch(wanted));
        let mut done = 0;
        let mut failed = None;
        while let Some(content) = segments.next().await {
            match content {
                // A writer that has ended says why below.
                Ok(content) => {
                    if out.send(content).await.is_err() {
                        break;
                    }
                }
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
            done += 1;
            progress(Progress { segments: done, of });
        }
        drop(out);
        let written = writer.await.map_err(|_| AgentError::Bug)?;
        if let Some(error) = failed {
            return Err(error);
        }
        let files = written?;
        become_target(&temporary, target)?;
        Ok(files)
    }
}

fn refuse_existing(target: &Path) -> Result<(), ExportError> {
    if target.symlink_metadata().is_ok() { Err(ExportError::Exists(target.to_owned())) } else { Ok(()) }
}

fn become_target(temporary: &ClearFolder, target: &Path) -> Result<(), ExportError> {
    refuse_existing(target)?;
    fail_point!("agent.export.written");
    fs::rename(temporary.path(), target).map_err(io(target))?;
    fail_point!("agent.export.in_place");
    sync_folder(target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

pub(super) fn sync_folder(folder: &Path) -> Result<(), ExportError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io(folder))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::clear_folder::place_beside;

    fn planned(files: &[(&str, &[u8])]) -> Vec<Planned> {
        let plan = |(name, bytes): &(&str, &[u8])| Planned {
            name: export_name(name.as_bytes()).unwrap(),
            shown: (*name).to_owned(),
            digests: FileDigests::of(bytes),
        };
        files.iter().map(plan).collect()
    }

    /// Writes in a thread, since the writer blocks on its channel.
    async fn write(target: &Path, planned: Vec<Planned>, pieces: &[&[u8]]) -> Result<Vec<ExportedFile>, ExportError> {
        refuse_existing(target)?;
        let temporary = ClearFolder::make(place_beside(target)?)?;
        let folder = temporary.path().to_owned();
        let (out, contents) = mpsc::channel(8);
        for piece in pieces {
            out.send(piece.to_vec()).await.unwrap();
        }
        drop(out);
        let files = tokio::task::spawn_blocking(move || write_all(&folder, planned, contents)).await.unwrap()?;
        become_target(&temporary, target)?;
        Ok(files)
    }

    #[tokio::test]
    async fn files_are_cut_from_the_stream_and_compared() {
        let temp = TempDir::new().unwrap();
        let target = temp.path().join("out");
        let files = write(&target, planned(&[("a/x", b"one"), ("b", b""), ("c", b"two!")]), &[b"on", b"etwo", b"!"]).await.unwrap();
        assert_eq!(files.len(), 3);
        assert_eq!(fs::read(target.join("a/x")).unwrap(), b"one");
        assert_eq!(fs::read(target.join("b")).unwrap(), b"");
        assert_eq!(fs::read(target.join("c")).unwrap(), b"two!");
    }

    #[tokio::test]
    async fn other_bytes_a_short_stream_and_an_existing_target_leave_nothing_behind() {
        let temp = TempDir::new().unwrap();
        let target = temp.path().join("out");
        for pieces in [&[&b"onX"[..]][..], &[b"on"], &[]] {
            let failed = write(&target, planned(&[("a", b"one")]), pieces).await;
            assert!(matches!(failed, Err(ExportError::Digests(_))));
            assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
        }
        fs::create_dir(&target).unwrap();
        assert!(matches!(write(&target, planned(&[("a", b"one")]), &[b"one"]).await, Err(ExportError::Exists(_))));
        assert_eq!(fs::read_dir(&target).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn names_cannot_lead_out_of_the_target() {
        for bad in ["../x", "/x", "a/../../x", "."] {
            assert!(export_name(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
