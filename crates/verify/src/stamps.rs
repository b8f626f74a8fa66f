//! LOG-05 and LOG-06: the stamped checkpoints of a dossier and their time stamps, read one at a time.

use std::io::{Read, Seek};

use custodia_core::dossier::stamps::{self, GenuineStamp, StampTimes, StampedFiles};
use custodia_core::finding::Finding;
use custodia_core::log::VerifiedCheckpoint;
use custodia_core::log::note::MAX_NOTE_BYTES;
use custodia_core::log::stamp::{MAX_STAMP_BYTES, StampRoots};

use crate::archive::{Archive, ArchiveError};

/// The most bytes of a consistency proof: 63 lines of 64 digits.
const MAX_PROOF_BYTES: u64 = 63 * 65;

/// Checks every file of the folder; the genuine stamps come back.
pub(crate) fn check<R: Read + Seek>(
    archive: &mut Archive<R>,
    last: &VerifiedCheckpoint,
    roots: &StampRoots,
    findings: &mut Vec<Finding>,
) -> Result<StampTimes, ArchiveError> {
    let (sorted, strangers) = stamps::sort(archive.names());
    let count = sorted.len();
    let mut faults: Vec<Finding> = strangers
        .into_iter()
        .map(|name| Finding::failed("LOG-05", format!("{}{name}", stamps::FOLDER), "a file of this name has no place there"))
        .collect();
    let (mut judged, mut genuine) = (Vec::new(), Vec::new());
    for (size, files) in sorted {
        if let Err(text) = check_one(archive, size, &files, last, roots, &mut judged, &mut genuine)? {
            faults.push(Finding::failed("LOG-05", format!("stamped checkpoint of {size} records"), text));
        }
    }
    if faults.is_empty() && count > 0 {
        let text = "each is the log's own, and the final checkpoint appends to it";
        faults.push(Finding::passed("LOG-05", crate::report::count(count, "stamped checkpoint"), text));
    }
    findings.append(&mut faults);
    findings.append(&mut judged);
    Ok(StampTimes::new(genuine))
}

/// One checkpoint and its stamps; the inner error is what is wrong by LOG-05, and then its stamps are not judged.
fn check_one<R: Read + Seek>(
    archive: &mut Archive<R>,
    size: u64,
    files: &StampedFiles,
    last: &VerifiedCheckpoint,
    roots: &StampRoots,
    judged: &mut Vec<Finding>,
    genuine: &mut Vec<GenuineStamp>,
) -> Result<Result<(), String>, ArchiveError> {
    let (note, proof) = (stamps::note(size), stamps::proof(size));
    for (name, limit) in [(&note, MAX_NOTE_BYTES as u64), (&proof, MAX_PROOF_BYTES)] {
        if archive.size(name).is_some_and(|size| size > limit) {
            return Ok(Err(format!("{name} is larger than {limit} bytes")));
        }
    }
    let note = archive.read(&note, MAX_NOTE_BYTES as u64)?.unwrap_or_default();
    let proof = archive.read(&proof, MAX_PROOF_BYTES)?.unwrap_or_default();
    let stamped = match stamps::check_checkpoint(size, files, &note, &proof, last) {
        Ok(stamped) => stamped,
        Err(text) => return Ok(Err(text)),
    };
    for &number in &files.stamps {
        let name = stamps::stamp(size, number);
        if archive.size(&name).is_some_and(|size| size > MAX_STAMP_BYTES as u64) {
            judged.push(Finding::failed("LOG-06", name, format!("it is larger than {MAX_STAMP_BYTES} bytes")));
            continue;
        }
        let response = archive.read(&name, MAX_STAMP_BYTES as u64)?.unwrap_or_default();
        let (finding, stamp) = stamps::check_stamp(size, number, &response, &stamped, roots);
        judged.push(finding);
        genuine.extend(stamp);
    }
    Ok(Ok(()))
}
