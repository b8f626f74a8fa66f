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
use custodia_core::identity::TrustPin;
use custodia_core::log::VerifiedCheckpoint;
use custodia_core::secret::Secret32;

use super::AuditReport;
use crate::entries::{AuditEntry, Stated};
use crate::hpke::SealingKeyPair;
use crate::reasons::auditor_info;

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
    findings: Vec<Finding>,
    entries: Vec<AuditEntry>,
    erased: Vec<u64>,
    taken: u64,
}

impl Replaying {
    pub(super) fn new(checkpoint: VerifiedCheckpoint, pin: TrustPin, reader: ReasonReader) -> Self {
        let replay = Replay::new(checkpoint.checkpoint().origin.clone(), pin);
        Self { checkpoint, replay, reader, findings: Vec::new(), entries: Vec::new(), erased: Vec::new(), taken: 0 }
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
        self.entries.push(AuditEntry::new(&record.core, &record.intent, self.replay.registry(), stated));
    }

    fn actor(&self, intent: &SignedIntent) -> String {
        let signer = custodia_core::identity::CertificateId::from_digest(intent.signer());
        self.replay.registry().certificate(signer).map_or_else(|| signer.to_string(), |device| device.person().to_string())
    }

    pub(super) fn finish(mut self, reading: u64) -> AuditReport {
        let subject = format!("{} records", self.size());
        self.findings.extend(self.replay.finish(&self.checkpoint));
        for (check, text) in PASSED {
            if !self.findings.iter().any(|finding| finding.check == check && finding.status == Status::Failed) {
                self.findings.push(Finding::passed(check, subject.clone(), text));
            }
        }
        let unread = self.entries.iter().filter(|entry| entry.stated == Stated::NotForThisReader).count();
        if unread > 0 {
            let text = "they are not sealed to this auditor, so this audit says nothing of them";
            self.findings.push(Finding::not_checked("AUD-09", format!("{unread} reasons"), text));
        }
        AuditReport {
            checkpoint: self.checkpoint,
            replay: self.replay,
            reading,
            findings: self.findings,
            entries: self.entries,
            erased: self.erased,
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
