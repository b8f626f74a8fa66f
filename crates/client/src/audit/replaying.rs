//! A replay under way: records in, findings and entries out.

use std::collections::BTreeSet;

use custodia_core::custody::intent::SignedIntent;
use custodia_core::custody::receipt::{PartView, RecordView};
use custodia_core::custody::replay::{Replay, Replayed};
use custodia_core::digest::Sha256Digest;
use custodia_core::exhibit::AwsLcCipher;
use custodia_core::exhibit::keys::ReasonKey;
use custodia_core::exhibit::sealed_text::{SealedText, SealedTextPlace};
use custodia_core::finding::{Finding, Status};
use custodia_core::log::VerifiedCheckpoint;
use custodia_core::secret::Secret32;
use custodia_core::watch::Act;

use super::AuditReport;
use super::point::Earlier;
use crate::entries::{AuditEntry, Stated};
use crate::hpke::SealingKeyPair;
use crate::reasons::auditor_info;
use crate::state::audit::KeptRecord;

/// What the checks of a replay say where none of them failed. AUD-08 is the tree, which [`Replay::finish`] reports.
const PASSED: [(&str, &str); 8] = [
    ("AUD-01", "every record is of the format and stands at its index"),
    ("AUD-02", "every payload is there, or an erasure names its record"),
    ("AUD-03", "the log's time never goes back"),
    ("AUD-04", "every record stands in its chains after the one before, without a gap or fork"),
    ("AUD-05", "every act is signed under a certificate that an office announced"),
    ("AUD-06", "no act has two entries"),
    ("AUD-07", "every outcome is the one that the rules give: members, certificates, handling, states, what each actor had seen"),
    ("AUD-09", "every reason that is sealed to this auditor opens"),
];

/// Opens reasons that are sealed to one auditor.
pub(super) struct ReasonReader {
    /// All certificates that its device ever had.
    pub(super) own: BTreeSet<Sha256Digest>,
    pub(super) key: SealingKeyPair,
}

impl ReasonReader {
    pub(super) fn read(&self, intent: &SignedIntent) -> Stated {
        let Some(sealed) = &intent.sealed else { return Stated::NotAsked };
        let Some(wrap) = sealed.auditors.iter().find(|wrap| self.own.contains(&wrap.certificate)) else { return Stated::NotForThisReader };
        let opened = self.key.open(&auditor_info(intent.id), b"", &wrap.wrap.0).ok();
        let key = opened.and_then(|key| key.as_slice().try_into().ok()).map(Secret32::from_bytes).map(ReasonKey::from_secret);
        let place = SealedTextPlace { origin: &intent.origin, intent: intent.id };
        let text = key.and_then(|key| SealedText::open::<AwsLcCipher>(&place, &key, &sealed.message.0).ok());
        text.map_or(Stated::DoesNotOpen, Stated::Opened)
    }
}

pub(super) struct Replaying {
    checkpoint: VerifiedCheckpoint,
    replay: Replay,
    reader: ReasonReader,
    from: u64,
    earlier: Earlier,
    findings: Vec<Finding>,
    entries: Vec<AuditEntry>,
    erased: Vec<u64>,
    kept: Vec<KeptRecord>,
    taken: u64,
}

impl Replaying {
    /// Goes on from a replay of records before, or from an empty one.
    pub(super) fn new(checkpoint: VerifiedCheckpoint, replay: Replay, earlier: Earlier, reader: ReasonReader) -> Self {
        let from = replay.size().get();
        let (findings, entries, erased, kept) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { checkpoint, replay, reader, from, earlier, findings, entries, erased, kept, taken: from }
    }

    /// The first record that is still to be taken.
    pub(super) const fn next(&self) -> u64 {
        self.taken
    }

    /// How many records there are to replay.
    pub(super) fn size(&self) -> u64 {
        self.checkpoint.size().get()
    }

    /// Takes the next records: what each needs nothing of the others for is done by all processors, the rest in order.
    pub(super) fn take(&mut self, views: &[RecordView]) {
        let mut steps = Vec::with_capacity(views.len());
        for (prepared, view) in on_all_processors(views, |view| self.replay.prepare(view)).into_iter().zip(views) {
            let step = self.replay.step_prepared(prepared);
            self.findings.extend(step.findings);
            if matches!(view.core, PartView::Closed(_)) {
                self.erased.push(self.taken);
            }
            self.kept.extend(step.trail.map(|trail| KeptRecord { trail, act: None }));
            steps.push((self.taken, step.record));
            self.taken += 1;
        }
        let stated = on_all_processors(&steps, |(_, record)| record.as_ref().map(|record| self.reader.read(&record.intent)));
        for ((index, record), stated) in steps.into_iter().zip(stated) {
            let (Some(record), Some(stated)) = (record, stated) else { continue };
            self.note(index, &record, stated);
        }
    }

    fn note(&mut self, index: u64, record: &Replayed, stated: Stated) {
        if stated == Stated::DoesNotOpen {
            let text = format!("the reason that its actor {} sealed to this auditor does not open", self.actor(&record.intent));
            self.findings.push(Finding::failed("AUD-09", format!("record {index}"), text));
        }
        let reason = if let Stated::Opened(text) = &stated { Some(text.reason.as_str()) } else { None };
        let act = Act::of(&record.core, &record.intent, self.replay.registry(), self.replay.world(), reason);
        let place = usize::try_from(index - self.from).ok();
        if let Some(kept) = place.and_then(|place| self.kept.get_mut(place)) {
            kept.act = Some(act);
        }
        self.entries.push(AuditEntry::new(&record.core, &record.intent, self.replay.registry(), stated));
    }

    fn actor(&self, intent: &SignedIntent) -> String {
        let signer = custodia_core::identity::CertificateId::from_digest(intent.signer());
        self.replay.registry().certificate(signer).map_or_else(|| signer.to_string(), |device| device.person().to_string())
    }

    pub(super) fn finish(mut self, reading: u64) -> AuditReport {
        let subject = format!("{} records", self.size());
        let remarks: Vec<Finding> = self.findings.iter().filter(|finding| finding.status == Status::NotChecked).cloned().collect();
        self.findings.splice(0..0, self.earlier.remarks);
        self.findings.extend(self.replay.finish(&self.checkpoint));
        for (check, text) in PASSED {
            if !self.findings.iter().any(|finding| finding.check == check && finding.status == Status::Failed) {
                self.findings.push(Finding::passed(check, subject.clone(), text));
            }
        }
        if self.from > 0 {
            let text =
                "this device replayed them before and did not fetch them again, so whether their payloads are still there is not checked";
            self.findings.push(Finding::not_checked("AUD-02", format!("{} earlier records", self.from), text));
        }
        // What an erasure destroys, this device forgets too.
        let erased_since: Vec<u64> = self.replay.erased().filter(|index| *index < self.from).collect();
        let mut entries = self.earlier.entries;
        entries.retain(|entry| erased_since.binary_search(&entry.index).is_err());
        entries.append(&mut self.entries);
        let mut erased = self.earlier.erased;
        erased.extend(erased_since.into_iter().chain(self.erased));
        erased.sort_unstable();
        erased.dedup();
        let unread = entries.iter().filter(|entry| entry.stated == Stated::NotForThisReader).count();
        if unread > 0 {
            let text = "they are not sealed to this auditor, so this audit says nothing of them";
            self.findings.push(Finding::not_checked("AUD-09", format!("{unread} reasons"), text));
        }
        AuditReport {
            checkpoint: self.checkpoint,
            replay: self.replay,
            reading,
            from: self.from,
            findings: self.findings,
            entries,
            erased,
            kept: self.kept,
            remarks,
        }
    }
}

/// Does something for each, on as many threads as there are processors; the results are in order.
fn on_all_processors<T: Sync, R: Send>(all: &[T], each: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, core::num::NonZeroUsize::get);
    let each = &each;
    std::thread::scope(|scope| {
        let parts: Vec<_> = all
            .chunks(all.len().div_ceil(threads).max(1))
            .map(|part| scope.spawn(move || part.iter().map(each).collect::<Vec<_>>()))
            .collect();
        parts.into_iter().flat_map(|part| part.join().expect("a check does not panic")).collect()
    })
}
