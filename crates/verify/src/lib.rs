//! custodia-verify, the judge's offline verifier: one dossier, one trust file, one verdict.
//!
//! It opens no connection, writes nothing, and takes no key from the dossier. Checks: `docs/spec/dossier.md`.

pub mod archive;
pub mod arguments;
mod bag;
mod exhibit;
pub mod report;
mod stamps;
pub mod trust;
#[cfg(test)]
mod vectors;

use std::collections::BTreeSet;
use std::io::{Read, Seek};

use custodia_core::custody::receipt::RecordView;
use custodia_core::digest::Sha256Digest;
use custodia_core::dossier::registry::{self, RegistryAt};
use custodia_core::dossier::stamps::{GenuineStamp, StampTimes};
use custodia_core::dossier::{Index, VERSION, paths, withheld_fault};
use custodia_core::finding::{Finding, Status, Verdict};
use custodia_core::log::note::MAX_NOTE_BYTES;
use custodia_core::log::policy::PolicyWitness;
use custodia_core::log::{InclusionProof, NodeHash, SignedCheckpoint, VerifiedCheckpoint, VerifierKey};
use custodia_core::strict_json;

use archive::{Archive, ArchiveError};
use bag::{Bag, MAX_TEXT_BYTES, MOST_FAULTS};
pub use exhibit::{ExhibitReport, ReportedAct};
pub use trust::Trust;

/// The largest `dossier.json`, in bytes.
const MAX_INDEX_BYTES: u64 = 16 << 20;
/// The longest proof of one leaf: 63 lines of 64 digits.
const MAX_PROOF_BYTES: u64 = 63 * 65;

/// What a verification found.
#[derive(Debug)]
pub struct Report {
    /// The verdict.
    pub verdict: Verdict,
    /// What the dossier says of itself, if it could be read.
    pub index: Option<Index>,
    /// The size of the final checkpoint's tree, if the log's signature held.
    pub tree_size: Option<u64>,
    /// Names of the cosigners whose signatures on the final checkpoint held.
    pub cosigners: Vec<String>,
    /// Who was who, if there was a checkpoint to read the registry by.
    pub registry: Option<RegistryAt>,
    /// Exhibit by exhibit.
    pub exhibits: Vec<ExhibitReport>,
    /// Genuine time stamps of good checkpoints of the log, by size and number.
    pub stamps: Vec<GenuineStamp>,
    /// All findings, those of the whole dossier first and then exhibit by exhibit.
    pub findings: Vec<Finding>,
    first: Option<Finding>,
}

/// The checks in the order of `docs/spec/dossier.md`.
pub const ORDER: [&str; 20] = [
    "DOS-01", "DOS-02", "DOS-03", "LOG-01", "LOG-02", "LOG-03", "LOG-04", "LOG-05", "LOG-06", "LOG-07", "TRU-01", "CHN-01", "CHN-02",
    "CHN-03", "CHN-04", "CHN-05", "EXH-01", "EXH-02", "EXH-03", "EXH-04",
];

/// Verifies a dossier by a trust file. Memory does not grow with the files in it.
///
/// # Errors
/// [`ArchiveError`] if the file cannot be read at all; everything else is a finding.
pub fn verify<R: Read + Seek>(dossier: R, trust: &Trust) -> Result<Report, ArchiveError> {
    let mut report = Report::empty();
    match check(dossier, trust, &mut report) {
        Ok(()) => {}
        // Nothing that was found in a file of another form is said of it.
        Err(ArchiveError::Malformed(text)) => {
            report = Report { findings: vec![Finding::failed("DOS-01", "archive", text)], ..Report::empty() }
        }
        Err(error) => return Err(error),
    }
    let is_demanded = |finding: &Finding| is_demanded(finding, trust);
    report.verdict = Verdict::of(&report.findings, is_demanded);
    report.first = first(&report, is_demanded);
    Ok(report)
}

fn check<R: Read + Seek>(dossier: R, trust: &Trust, report: &mut Report) -> Result<(), ArchiveError> {
    let mut archive = Archive::open(dossier)?;
    let bag = bag::check(&mut archive)?;
    report.findings.push(Finding::passed("DOS-01", "archive", "the entries follow each other without gap, overlap, link or second name"));
    report.findings.extend(bag.findings.iter().cloned());
    let index = read_index(&mut archive, trust, &mut report.findings)?;
    let Some(checkpoint) = check_checkpoint(&mut archive, trust, report)? else {
        report.index = index;
        return Ok(());
    };
    let times = stamps::check(&mut archive, &checkpoint, &trust.tsa_roots, &mut report.findings)?;
    if let Some(index) = &index {
        let registry = check_registry(&mut archive, &checkpoint, trust, &mut report.findings)?;
        let trusted = Trusted { trust, checkpoint, registry, times: &times };
        check_exhibits(&mut archive, &bag, index, &trusted, report)?;
        report.registry = Some(trusted.registry);
    }
    report.index = index;
    report.stamps = times.stamps().to_vec();
    Ok(())
}

/// What the checks of exhibits build on.
pub(crate) struct Trusted<'a> {
    trust: &'a Trust,
    checkpoint: VerifiedCheckpoint,
    registry: RegistryAt,
    times: &'a StampTimes,
}

/// Whether a check that was not made stands in the way of PASSED. A dossier of digests says itself that it has no files to compare; cosigners
/// beyond the quorum and stamps by strangers are listed so that nobody takes them for checked; times are demanded by the trust file alone.
fn is_demanded(finding: &Finding, trust: &Trust) -> bool {
    match finding.check.as_str() {
        "EXH-02" | "LOG-04" | "LOG-06" => false,
        "LOG-07" => trust.times.is_demanded,
        _ => true,
    }
}

fn first(report: &Report, is_demanded: impl Fn(&Finding) -> bool) -> Option<Finding> {
    let obstacles = report.findings.iter().filter(|finding| match report.verdict {
        Verdict::Passed => false,
        Verdict::Indeterminate => finding.status == Status::NotChecked && is_demanded(finding),
        Verdict::Failed => finding.status == Status::Failed,
    });
    let place = |finding: &&Finding| ORDER.iter().position(|check| *check == finding.check).unwrap_or(ORDER.len());
    obstacles.min_by_key(place).cloned()
}

/// The one member that tells a newer format, of an object that is JSON as a whole.
fn claimed_version(bytes: &[u8]) -> Option<u32> {
    #[derive(serde::Deserialize)]
    struct Version {
        version: u32,
    }
    let whole: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    // The struct, since it refuses a member that stands twice.
    whole.is_object().then(|| serde_json::from_slice::<Version>(bytes).ok())?.map(|claimed| claimed.version)
}

fn read_index<R: Read + Seek>(archive: &mut Archive<R>, trust: &Trust, findings: &mut Vec<Finding>) -> Result<Option<Index>, ArchiveError> {
    if archive.size(paths::INDEX).is_some_and(|size| size > MAX_INDEX_BYTES) {
        findings.push(Finding::failed("DOS-03", paths::INDEX, format!("it is larger than {MAX_INDEX_BYTES} bytes")));
        return Ok(None);
    }
    let Some(bytes) = archive.read(paths::INDEX, MAX_INDEX_BYTES)? else {
        findings.push(Finding::failed("DOS-03", paths::INDEX, "it is missing"));
        return Ok(None);
    };
    if let Some(version) = claimed_version(&bytes).filter(|version| *version > VERSION) {
        let text =
            format!("the dossier is of version {version}, made by a newer program; this one reads version {VERSION}: get a newer verifier");
        findings.push(Finding::not_checked("DOS-03", paths::INDEX, text));
        return Ok(None);
    }
    match strict_json::read::<Index>(&bytes) {
        Ok(index) if !names_its_payload(archive, &index) => {
            findings.push(Finding::failed(
                "DOS-03",
                paths::INDEX,
                "it names an exhibit twice, or the payload holds what belongs to none of its exhibits",
            ));
            Ok(None)
        }
        Ok(index) if index.origin == trust.origin.as_str() && !index.exhibits.is_empty() => {
            if let Some(fault) = withheld_fault(&index.exhibits, &index.withheld) {
                findings.push(Finding::failed("DOS-03", paths::INDEX, format!("it {fault}")));
                return Ok(None);
            }
            let text = format!("{} of case {}", report::count(index.exhibits.len(), "exhibit"), index.case);
            findings.push(Finding::passed("DOS-03", paths::INDEX, text));
            Ok(Some(index))
        }
        Ok(index) => {
            let text = format!("it names the log {:?} and {}", index.origin, report::count(index.exhibits.len(), "exhibit"));
            findings.push(Finding::failed("DOS-03", paths::INDEX, text));
            Ok(None)
        }
        Err(error) => {
            findings.push(Finding::failed("DOS-03", paths::INDEX, error.to_string()));
            Ok(None)
        }
    }
}

/// Whether the index names each exhibit once, and every payload file belongs to the index or to one of them.
fn names_its_payload<R: Read + Seek>(archive: &Archive<R>, index: &Index) -> bool {
    let mut known = BTreeSet::from([paths::INDEX.to_owned()]);
    let once = index.exhibits.iter().all(|&id| known.insert(paths::manifest(id)));
    known.extend(index.exhibits.iter().flat_map(|&id| [paths::file_names(id), paths::reasons(id), paths::file(id, "")]));
    // The folder of an exhibit's files, its last slash too.
    let folder = |name: &str| name.match_indices('/').nth(3).map(|(at, _)| name[..=at].to_owned());
    let belongs = |name: &str| known.contains(name) || folder(name).is_some_and(|folder| known.contains(&folder));
    once && archive.names().filter(|name| name.starts_with("data/")).all(belongs)
}

fn check_checkpoint<R: Read + Seek>(
    archive: &mut Archive<R>,
    trust: &Trust,
    report: &mut Report,
) -> Result<Option<VerifiedCheckpoint>, ArchiveError> {
    let limit = MAX_NOTE_BYTES as u64;
    let problem = match archive.size(paths::CHECKPOINT) {
        None => Some("it is missing".to_owned()),
        Some(size) => (size > limit).then(|| format!("it is larger than {limit} bytes")),
    };
    let bytes = if problem.is_none() { archive.read(paths::CHECKPOINT, limit)?.unwrap_or_default() } else { Vec::new() };
    let checkpoint = match SignedCheckpoint::parse(&bytes).and_then(|signed| signed.verify(&trust.log)) {
        Ok(checkpoint) => checkpoint,
        Err(error) => {
            report.findings.push(Finding::failed("LOG-01", paths::CHECKPOINT, problem.unwrap_or_else(|| error.to_string())));
            return Ok(None);
        }
    };
    let size = checkpoint.size().get();
    report.tree_size = Some(size);
    report.findings.push(Finding::passed(
        "LOG-01",
        format!("checkpoint of {size} records"),
        "it is signed by the log's key that this verifier pins",
    ));
    check_cosignatures(trust, &checkpoint, report);
    Ok(Some(checkpoint))
}

/// LOG-03, the quorum that the policy demands, and LOG-04, the cosignatures beyond it.
fn check_cosignatures(trust: &Trust, checkpoint: &VerifiedCheckpoint, report: &mut Report) {
    let Some(policy) = &trust.policy else {
        let text = "completeness not attested: the trust file's policy demands no cosignature, so nobody but the log vouches for it";
        report.findings.push(Finding::not_checked("LOG-03", "policy", text));
        report.findings.extend(strangers(checkpoint, &[]));
        return;
    };
    let cosignatures = match policy.cosignatures(checkpoint) {
        Ok(cosignatures) => cosignatures,
        Err(error) => {
            report.findings.push(Finding::failed("LOG-03", paths::CHECKPOINT, error.to_string()));
            return;
        }
    };
    report.cosigners = cosignatures.iter().map(|cosignature| cosignature.key().name().to_string()).collect();
    report.findings.push(if policy.quorum_met(&cosignatures) {
        Finding::passed("LOG-03", report.cosigners.join(", "), "the cosignatures that the policy demands are there")
    } else {
        let text = "completeness not attested: the cosignatures that the policy demands are not there";
        Finding::not_checked("LOG-03", "policy", text)
    });
    let missing = policy.witnesses().iter().filter(|known| cosignatures.iter().all(|found| *found.key() != known.key));
    report.findings.extend(missing.map(|witness| {
        let text = "the policy names it, and it did not cosign this checkpoint";
        Finding::not_checked("LOG-04", witness.key.name().to_string(), text)
    }));
    report.findings.extend(strangers(checkpoint, policy.witnesses()));
}

/// Signature lines of the checkpoint by keys that the trust file does not name.
fn strangers(checkpoint: &VerifiedCheckpoint, known: &[PolicyWitness]) -> Vec<Finding> {
    let log = checkpoint.log_key().verifier_key();
    let keys: Vec<&VerifierKey> = known.iter().map(|witness| witness.key.verifier_key()).chain([log]).collect();
    let lines = checkpoint.note().signatures().iter().filter(|line| !keys.iter().any(|key| key.is_named_by(line)));
    let text = "the checkpoint bears its signature, and the trust file does not name its key: it counts for nothing";
    lines.map(|line| Finding::not_checked("LOG-04", line.name().to_string(), text)).collect()
}

fn check_registry<R: Read + Seek>(
    archive: &mut Archive<R>,
    checkpoint: &VerifiedCheckpoint,
    trust: &Trust,
    findings: &mut Vec<Finding>,
) -> Result<RegistryAt, ArchiveError> {
    let views = read_views(archive, paths::REGISTRY, "TRU-01", findings)?;
    let is_large = archive.size(paths::REGISTRY_PROOF).is_some_and(|size| size > MAX_PROOF_BYTES);
    let bytes = if is_large { None } else { archive.read(paths::REGISTRY_PROOF, MAX_PROOF_BYTES)? };
    // An empty line is a proof of no hashes.
    let proof = bytes.as_deref().and_then(|bytes| parse_proof(text_lines(if bytes == b"\n" { b"" } else { bytes })?));
    if proof.is_none() {
        findings.push(Finding::failed("TRU-01", paths::REGISTRY_PROOF, "it is missing, or not one hash a line"));
    }
    let proof = proof.unwrap_or_else(|| InclusionProof::from_hashes(vec![]).expect("no hashes are few enough"));
    let (registry, found) = registry::replay(&views, &proof, checkpoint, trust.pin);
    findings.extend(found);
    Ok(registry)
}

fn check_exhibits<R: Read + Seek>(
    archive: &mut Archive<R>,
    bag: &Bag,
    index: &Index,
    trusted: &Trusted<'_>,
    report: &mut Report,
) -> Result<(), ArchiveError> {
    let payload = bag.digests.get(paths::MANIFEST).map_or_else(|| Sha256Digest::of(&[]), |digests| digests.sha256);
    for &id in &index.exhibits {
        let context = exhibit::Context { id, index, payload, trusted, digests: &bag.digests };
        let exhibit = exhibit::check(archive, &context)?;
        report.findings.extend(exhibit.findings.iter().cloned());
        report.exhibits.push(exhibit);
    }
    Ok(())
}

/// Reads one record view a line; a line that is none is a finding.
fn read_views<R: Read + Seek>(
    archive: &mut Archive<R>,
    name: &str,
    check: &str,
    findings: &mut Vec<Finding>,
) -> Result<Vec<RecordView>, ArchiveError> {
    let Some(bytes) = archive.read(name, MAX_TEXT_BYTES)? else {
        findings.push(Finding::failed(check, name, "it is missing"));
        return Ok(vec![]);
    };
    let Some(lines) = text_lines(&bytes) else {
        findings.push(Finding::failed(check, name, "it is not UTF-8, or its last line does not end"));
        return Ok(vec![]);
    };
    let mut views = Vec::new();
    let mut faults = 0;
    for (number, line) in (1..).zip(lines) {
        match serde_json::from_str(line) {
            Ok(view) => views.push(view),
            Err(error) => {
                findings.push(Finding::failed(check, format!("{name} line {number}"), error.to_string()));
                faults += 1;
                if faults == MOST_FAULTS {
                    break;
                }
            }
        }
    }
    Ok(views)
}

fn parse_proof<'a>(words: impl Iterator<Item = &'a str>) -> Option<InclusionProof> {
    let hashes = words.map(|word| word.parse::<Sha256Digest>().ok().map(|digest| NodeHash::from_bytes(*digest.as_bytes())));
    InclusionProof::from_hashes(hashes.collect::<Option<_>>()?).ok()
}

/// The lines of a text file, each ended by a line feed; none if it is not UTF-8 or its last line does not end.
pub(crate) fn text_lines(bytes: &[u8]) -> Option<impl Iterator<Item = &str>> {
    let text = core::str::from_utf8(bytes).ok()?;
    (text.is_empty() || text.ends_with('\n')).then(|| text.split_terminator('\n'))
}

impl Report {
    const fn empty() -> Self {
        Self {
            verdict: Verdict::Failed,
            index: None,
            tree_size: None,
            cosigners: vec![],
            registry: None,
            exhibits: vec![],
            stamps: vec![],
            findings: vec![],
            first: None,
        }
    }

    /// Findings of integrity (DOS, CHN, EXH), apart from those of trust (LOG, TRU).
    pub fn integrity(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| !is_trust(finding))
    }

    /// Findings of trust (LOG, TRU).
    pub fn trust(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| is_trust(finding))
    }

    /// Of the findings that keep the verdict from PASSED, the first by [`ORDER`].
    pub fn first_obstacle(&self) -> Option<&Finding> {
        self.first.as_ref()
    }
}

fn is_trust(finding: &Finding) -> bool {
    finding.check.starts_with("LOG") || finding.check.starts_with("TRU")
}
