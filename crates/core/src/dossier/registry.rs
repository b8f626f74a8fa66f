//! Check TRU-01: the registry chain of a dossier, replayed from the pinned trust list.

use crate::custody::chain::ChainWalk;
use crate::custody::intent::UnverifiedIntent;
use crate::custody::kind::Concern;
use crate::custody::receipt::RecordView;
use crate::custody::record::Outcome;
use crate::custody::registry_act;
use crate::finding::Finding;
use crate::identity::{AsOf, Certificate, CertificateId, Registry, RegistrySeq, Standing, TrustList, TrustPin};
use crate::ids::CaseId;
use crate::log::VerifiedCheckpoint;
use crate::log::{InclusionProof, LeafIndex, leaf_hash};
use crate::time::LogTime;

/// The registry as it stood at every index of the log, up to the last record given.
#[derive(Debug)]
pub struct RegistryAt {
    registry: Registry,
    indexes: Vec<u64>,
}

impl RegistryAt {
    /// A certificate that was ever enrolled.
    pub fn certificate(&self, id: CertificateId) -> Option<&Certificate> {
        self.registry.certificate(id)
    }

    /// The trust list that counted for the record at `index`; for a log's size, the one in force at its end.
    pub fn trust_list(&self, index: u64) -> Option<&TrustList> {
        let before = self.indexes.partition_point(|&registry| registry < index).checked_sub(1)?;
        self.registry.trust_list(RegistrySeq::new(before as u64))
    }

    /// What a certificate was worth for the record at `index`.
    pub fn standing(&self, id: CertificateId, index: u64, time: LogTime) -> Standing {
        let before = self.indexes.partition_point(|&registry| registry < index);
        match before.checked_sub(1) {
            None => Standing::Unknown,
            Some(last) => self.registry.standing(id, AsOf { seq: RegistrySeq::new(last as u64), time }),
        }
    }
}

/// Replays the chain; the last record must be in the checkpoint's tree, and links carry that back to all before.
///
/// Whether later registry records exist is not known from this: an auditor's cosignature says so.
pub fn replay(views: &[RecordView], proof: &InclusionProof, checkpoint: &VerifiedCheckpoint, pin: TrustPin) -> (RegistryAt, Vec<Finding>) {
    let mut at = RegistryAt { registry: Registry::new(pin), indexes: Vec::with_capacity(views.len()) };
    let mut findings = Vec::new();
    let mut walk = ChainWalk::new(CaseId::REGISTRY);
    for (number, view) in views.iter().enumerate() {
        let subject = format!("registry record {number}");
        if let Err(text) = replay_one(&mut at, view, &mut walk, &pin) {
            findings.push(Finding::failed("TRU-01", subject, text));
        }
    }
    let proven = views.last().zip(walk.head()).is_some_and(|(view, head)| {
        let index = LeafIndex::new(view.index);
        index.is_ok_and(|index| checkpoint.includes(index, leaf_hash(&head.commitment.entry()), proof).is_ok())
    });
    if !proven {
        findings.push(Finding::failed("TRU-01", "registry", "its last record is not proven to be in the log"));
    }
    if findings.is_empty() {
        let text = format!("{} identity records, from the pinned trust list on, are linked and genuine", views.len());
        findings.push(Finding::passed("TRU-01", "registry", text));
    }
    (at, findings)
}

fn replay_one(at: &mut RegistryAt, view: &RecordView, walk: &mut ChainWalk<CaseId>, pin: &TrustPin) -> Result<(), String> {
    let opened = view.open().map_err(|error| error.to_string())?;
    let faults = walk.step(view.index, &opened, opened.case);
    let seq = RegistrySeq::new(at.indexes.len() as u64);
    // Where an index goes back, which fails the chain, the record still stands after the one before it.
    at.indexes.push(at.indexes.last().map_or(view.index, |&last| last.max(view.index)));
    if let Some(fault) = faults.first() {
        return Err(fault.to_string());
    }
    let core = opened.core.ok_or("its content is not given")?;
    if core.outcome != Outcome::Accepted {
        return Ok(());
    }
    let intent = UnverifiedIntent::parse(&core.intent).map_err(|error| error.to_string())?;
    if intent.unverified().kind().concern() == Concern::Log {
        // A reading of the whole log stands in this chain and says nothing of who is who.
        return Ok(());
    }
    let intent = registry_act::verify(&at.registry, pin, intent).map_err(|error| error.to_string())?;
    let as_of = AsOf { seq, time: core.time };
    registry_act::apply(&mut at.registry, &intent, as_of).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::custody::body::{Body, LogRead};
    use crate::custody::intent::{ClockSource, Intent, Sealed, Seen};
    use crate::custody::kind::Purpose;
    use crate::custody::record::{Core, Part, Place, Record, Salt};
    use crate::custody::wire::Base64Url;
    use crate::digest::Sha256Digest;
    use crate::finding::Status;
    use crate::ids::IntentId;
    use crate::log::{Frontier, LogSigner, RootHash};
    use crate::time::ClaimedTime;

    fn reading() -> Intent {
        Intent {
            origin: "vault.example/log".to_owned(),
            id: IntentId::from_bytes([1; 16]),
            case: CaseId::REGISTRY,
            exhibit: None,
            purpose: Some(Purpose::LawfulnessCheck),
            recipients: Vec::new(),
            time: ClaimedTime::parse("2026-11-23T21:04:05+01:00").unwrap(),
            clock: ClockSource::Os,
            group: None,
            seen: Seen { size: 0, root: Sha256Digest::from_bytes(*RootHash::empty().as_bytes()) },
            chain_seen: None,
            body: Body::LogRead(LogRead { from: 0, to: 1 }),
            sealed: Some(Sealed { message: Base64Url(vec![1; 56 + 256 + 16]), ring: None, auditors: Vec::new(), trust_list: 1 }),
        }
    }

    #[test]
    fn a_reading_of_the_whole_log_continues_the_registry_chain_and_changes_nothing() {
        let intent = reading().sign(Sha256Digest::of(&[b"auditor"]), &SigningKey::from_bytes(&[7; 32])).unwrap();
        let core = Core {
            index: 0,
            time: LogTime::from_millis(1_795_467_845_000).unwrap(),
            outcome: Outcome::Accepted,
            attempts: 1,
            intent: intent.text().to_owned(),
        };
        let record = Record {
            core,
            case: Place::after(CaseId::REGISTRY, None),
            exhibit: None,
            salts: [Salt([1; 32]), Salt([2; 32]), Salt([3; 32])],
        };
        let mut frontier = Frontier::empty();
        frontier.append(leaf_hash(&record.commitment().entry())).unwrap();
        let signer = LogSigner::new("vault.example/log".parse().unwrap(), SigningKey::from_bytes(&[8; 32])).unwrap();
        let checkpoint = signer.sign(frontier.size(), frontier.root()).unwrap();
        let proof = InclusionProof::from_hashes(Vec::new()).unwrap();
        let pin = TrustPin::new(Sha256Digest::of(&[b"list"]));
        let (at, findings) = replay(&[record.view(&[Part::Core, Part::Case])], &proof, &checkpoint, pin);
        assert!(findings.iter().all(|finding| finding.status == Status::Passed), "{findings:?}");
        assert!(at.registry.head().is_none());
    }
}
