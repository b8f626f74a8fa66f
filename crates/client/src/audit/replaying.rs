//! A replay under way: records in, findings and entries out.

use custodia_core::custody::intent::SignedIntent;
use custodia_core::custody::receipt::{PartView, RecordView};
use custodia_core::custody::replay::Replay;
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
    pub(super) own: Sha256Digest,
    pub(super) key: SealingKeyPair,
}

impl ReasonReader {
    pub(super) fn read(&self, intent: &SignedIntent) -> Stated {
        let Some(sealed) = &intent.sealed else { return Stated::NotAsked };
        let Some(wrap) = sealed.auditors.iter().find(|wrap| wrap.certificate == self.own) else { return Stated::NotForThisReader };
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

    pub(super) fn take(&mut self, view: &RecordView) {
        let index = self.taken;
        self.taken += 1;
        let step = self.replay.step(view);
        self.findings.extend(step.findings);
        if matches!(view.core, PartView::Closed(_)) {
            self.erased.push(index);
        }
        let Some(record) = step.record else { return };
        let stated = self.reader.read(&record.intent);
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
