//! The bag (RFC 8493): its declaration, and every payload and tag file listed once with its SHA-256.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;

use custodia_core::digest::Sha256Digest;
use custodia_core::dossier::paths;
use custodia_core::exhibit::file_digest::{FileDigests, PiecesDigester, WholeDigester};
use custodia_core::finding::Finding;

use crate::archive::{Archive, ArchiveError};
use crate::text_lines;

/// The largest list or record file that is read into memory, in bytes.
pub const MAX_TEXT_BYTES: u64 = 1 << 30;

/// How many faults of one list are told; who reads on after that learns nothing more.
pub const MOST_FAULTS: usize = 1000;

/// Pieces that wait for the other thread.
const PIECES_AHEAD: usize = 4;

const DECLARATION: &[u8] = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";

/// The digests of every entry, computed in one pass, and what the bag's lists say of them.
pub struct Bag {
    /// Digests by entry name.
    pub digests: BTreeMap<String, FileDigests>,
    /// DOS-02.
    pub findings: Vec<Finding>,
}

/// Digests every entry once and compares the bag's lists with what is there.
///
/// # Errors
/// [`ArchiveError`] if the file cannot be read; what does not agree is a finding.
pub fn check<R: Read + Seek>(archive: &mut Archive<R>) -> Result<Bag, ArchiveError> {
    let digests = digest_all(archive)?;
    let mut findings = Vec::new();
    if archive.read(paths::BAGIT, MAX_TEXT_BYTES)?.as_deref() != Some(DECLARATION) {
        findings.push(Finding::failed("DOS-02", paths::BAGIT, "it does not declare a bag of version 1.0 in UTF-8"));
    }
    let is_payload = |name: &str| name.starts_with("data/");
    let is_tag = |name: &str| !is_payload(name) && name != paths::TAG_MANIFEST;
    compare(archive, paths::MANIFEST, &digests, is_payload, &mut findings)?;
    compare(archive, paths::TAG_MANIFEST, &digests, is_tag, &mut findings)?;
    if findings.is_empty() {
        findings.push(Finding::passed(
            "DOS-02",
            crate::report::count(digests.len(), "file"),
            "every file is listed once with its SHA-256, none is missing or extra",
        ));
    }
    Ok(Bag { digests, findings })
}

/// Reads every entry once: this thread reads, and takes CRC-32 and SHA-256; another takes the other digests of the same bytes.
fn digest_all<R: Read + Seek>(archive: &mut Archive<R>) -> Result<BTreeMap<String, FileDigests>, ArchiveError> {
    let names: Vec<String> = archive.names().map(str::to_owned).collect();
    // None ends an entry.
    let (to_other, pieces) = sync_channel::<Option<Arc<Vec<u8>>>>(PIECES_AHEAD);
    let (whole, others) = thread::scope(|scope| {
        let other = scope.spawn(move || {
            let (mut ended, mut digester) = (Vec::new(), PiecesDigester::default());
            for piece in pieces {
                match piece {
                    Some(bytes) => digester.update(&bytes),
                    None => ended.push(core::mem::take(&mut digester)),
                }
            }
            ended
        });
        let mut whole = Vec::with_capacity(names.len());
        let read = names.iter().try_for_each(|name| {
            let mut digester = WholeDigester::default();
            archive.stream(name, |chunk| {
                let chunk = Arc::new(chunk.to_vec());
                // The other thread takes everything until this sender is gone.
                let _taken = to_other.send(Some(Arc::clone(&chunk)));
                digester.update(&chunk);
            })?;
            let _taken = to_other.send(None);
            whole.push(digester);
            Ok::<_, ArchiveError>(())
        });
        drop(to_other);
        let others = other.join().expect("digesting does not panic");
        read.map(|()| (whole, others))
    })?;
    Ok(names
        .into_iter()
        .zip(whole.into_iter().zip(others))
        .map(|(name, (whole, others))| (name, FileDigests::of_halves(whole, others)))
        .collect())
}

fn compare<R: Read + Seek>(
    archive: &mut Archive<R>,
    list: &str,
    digests: &BTreeMap<String, FileDigests>,
    covers: impl Fn(&str) -> bool,
    findings: &mut Vec<Finding>,
) -> Result<(), ArchiveError> {
    let Some(text) = archive.read(list, MAX_TEXT_BYTES)? else {
        findings.push(Finding::failed("DOS-02", list, "the list is missing"));
        return Ok(());
    };
    let Some(lines) = text_lines(&text) else {
        findings.push(Finding::failed("DOS-02", list, "the list is not UTF-8, or its last line does not end"));
        return Ok(());
    };
    let mut listed = BTreeSet::new();
    for line in lines {
        if findings.len() >= MOST_FAULTS {
            return Ok(());
        }
        let Some((digest, name)) = line.split_once("  ").and_then(|(digest, name)| Some((digest.parse::<Sha256Digest>().ok()?, name)))
        else {
            findings.push(Finding::failed("DOS-02", list, format!("a line is not a digest, two spaces and a name: {line:?}")));
            continue;
        };
        if !covers(name) || !listed.insert(name.to_owned()) {
            findings.push(Finding::failed("DOS-02", name, format!("{list} names it twice, or it does not belong there")));
        }
        match digests.get(name) {
            None => findings.push(Finding::failed("DOS-02", name, format!("{list} names it, and it is missing"))),
            Some(found) if found.sha256 != digest => {
                findings.push(Finding::failed("DOS-02", name, format!("its SHA-256 is not the one in {list}")));
            }
            Some(_) => {}
        }
    }
    for name in digests.keys().filter(|name| covers(name) && !listed.contains(*name)).take(MOST_FAULTS) {
        findings.push(Finding::failed("DOS-02", name, format!("it is not listed in {list}")));
    }
    Ok(())
}
