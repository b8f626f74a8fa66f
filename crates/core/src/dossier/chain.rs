//! Checks LOG-02 and CHN-01 to CHN-05: one exhibit's chain, from its collection to the dossier's own disclosure.

use std::collections::BTreeMap;

use crate::custody::body::{Body, Collection, Disclosure};
use crate::custody::chain::ChainWalk;
use crate::custody::facts::{CaseFacts, DeviceFacts, ExhibitFacts, Facts, LogFacts, Membership};
use crate::custody::intent::{SignedIntent, UnverifiedIntent};
use crate::custody::receipt::{OpenedRecord, RecordView};
use crate::custody::record::{Core, Outcome};
use crate::custody::rules;
use crate::custody::world::World;
use crate::digest::Sha256Digest;
use crate::finding::{Finding, Status};
use crate::identity::{CertificateId, Standing};
use crate::ids::{CaseId, ExhibitId, PersonId};
use crate::log::{InclusionProof, LeafIndex, RootHash, VerifiedCheckpoint, leaf_hash};
use crate::time::LogTime;

use super::registry::RegistryAt;

/// What a dossier gives of one exhibit's chain.
#[derive(Debug, Clone, Copy)]
pub struct ChainInput<'a> {
    /// The exhibit.
    pub exhibit: ExhibitId,
    /// The case that the dossier names.
    pub case: CaseId,
    /// The log's origin.
    pub origin: &'a str,
    /// Records in chain order.
    pub views: &'a [RecordView],
    /// Their inclusion proofs.
    pub proofs: &'a [InclusionProof],
    /// SHA-256 of the payload manifest.
    pub payload: Sha256Digest,
}

/// One act as it is shown to a judge; its signature verified.
#[derive(Debug, Clone)]
pub struct ShownAct {
    /// The core part of its record.
    pub core: Core,
    /// What the device signed.
    pub intent: SignedIntent,
    /// Who acted.
    pub person: PersonId,
    /// The name in the certificate.
    pub name: String,
}

/// What the chain says, as far as it was genuine.
#[derive(Debug, Default)]
pub struct ChainOutput {
    /// Acts in order.
    pub acts: Vec<ShownAct>,
    /// What the collection signed.
    pub collection: Option<Collection>,
    /// The index and the log's time of every record whose content is given.
    pub times: Vec<(u64, LogTime)>,
    /// All findings.
    pub findings: Vec<Finding>,
}

/// Checks the chain record by record and never stops at the first fault.
pub fn check(input: &ChainInput<'_>, checkpoint: &VerifiedCheckpoint, registry: &RegistryAt) -> ChainOutput {
    let mut output = ChainOutput::default();
    let mut walk = Walk {
        chain: ChainWalk::new(input.exhibit),
        roots: BTreeMap::from([(0, digest(RootHash::empty())), (checkpoint.size().get(), digest(checkpoint.root()))]),
        commitments: Vec::new(),
    };
    if input.views.len() != input.proofs.len() {
        output.fail("LOG-02", "chain", "the number of inclusion proofs is not that of the records");
    }
    for (number, view) in input.views.iter().enumerate() {
        let subject = format!("record {} ({number} of the chain)", view.index);
        match view.open() {
            Ok(opened) => check_record(input, number, &subject, &opened, view.index, checkpoint, registry, &mut walk, &mut output),
            Err(error) => output.fail("CHN-01", &subject, error.to_string()),
        }
    }
    check_ends(input, &mut output);
    check_rules(registry, &mut output);
    output.summarise(input.views.len());
    output
}

struct Walk {
    chain: ChainWalk<ExhibitId>,
    /// The root at each size that is known from the checkpoint or from what an actor had seen.
    roots: BTreeMap<u64, Sha256Digest>,
    commitments: Vec<Sha256Digest>,
}

#[expect(clippy::too_many_arguments, reason = "one walk over one chain; the parts are named where they come from")]
fn check_record(
    input: &ChainInput<'_>,
    number: usize,
    subject: &str,
    opened: &OpenedRecord,
    index: u64,
    checkpoint: &VerifiedCheckpoint,
    registry: &RegistryAt,
    walk: &mut Walk,
    output: &mut ChainOutput,
) {
    let leaf = leaf_hash(&opened.commitment.entry());
    let proven = LeafIndex::new(index).ok().zip(input.proofs.get(number));
    if proven.is_none_or(|(index, proof)| checkpoint.includes(index, leaf, proof).is_err()) {
        output.fail("LOG-02", subject, "it is not proven to be in the log at this index");
    }
    for fault in walk.chain.step(index, opened, opened.exhibit.flatten()) {
        output.fail("CHN-01", subject, fault.to_string());
    }
    let Some(core) = &opened.core else {
        output.fail("CHN-01", subject, "its content is not given");
        walk.commitments.push(opened.commitment.0);
        return;
    };
    output.times.push((index, core.time));
    if let Some(act) = check_intent(input, subject, core, registry, output) {
        check_seen(subject, &act, index, walk, output);
        output.acts.push(act);
    }
    walk.commitments.push(opened.commitment.0);
}

fn check_intent(input: &ChainInput<'_>, subject: &str, core: &Core, registry: &RegistryAt, output: &mut ChainOutput) -> Option<ShownAct> {
    let intent = match UnverifiedIntent::parse(&core.intent) {
        Ok(intent) => intent,
        Err(error) => {
            output.fail("CHN-02", subject, error.to_string());
            return None;
        }
    };
    let signer = CertificateId::from_digest(intent.signer());
    let Some(certificate) = registry.certificate(signer) else {
        output.fail("CHN-02", subject, format!("no office announced the certificate {signer} of its actor"));
        return None;
    };
    let intent = match intent.verify(certificate.key()) {
        Ok(intent) => intent,
        Err(error) => {
            output.fail("CHN-02", subject, error.to_string());
            return None;
        }
    };
    let standing = registry.standing(signer, core.index, core.time);
    if core.outcome == Outcome::Accepted && standing != Standing::Good {
        output.fail("CHN-02", subject, format!("its actor's certificate was not in good standing: {standing:?}"));
    }
    // What a refused intent says was refused, perhaps for just that: it stands in the chain and proves nothing against it.
    let here = intent.origin == input.origin && intent.case == input.case;
    if intent.exhibit != Some(input.exhibit) || (core.outcome == Outcome::Accepted && !here) {
        output.fail("CHN-02", subject, "its intent is for another log, case or exhibit");
    }
    let (person, name) = (certificate.person().clone(), certificate.fields().name.to_string());
    Some(ShownAct { core: core.clone(), intent, person, name })
}

/// Of an accepted act: `seen` names no larger tree than the record's own index, and no tree of another root than others name for its size;
/// `chain_seen` stands on the chain before it.
fn check_seen(subject: &str, act: &ShownAct, index: u64, walk: &mut Walk, output: &mut ChainOutput) {
    if act.core.outcome != Outcome::Accepted {
        return;
    }
    let seen = act.intent.seen;
    if seen.size > index || *walk.roots.entry(seen.size).or_insert(seen.root) != seen.root {
        output.fail("CHN-04", subject, "the checkpoint that its actor had seen is not one of this log");
    }
    let stands = act.intent.chain_seen.is_none_or(|seen| {
        let known = usize::try_from(seen.seq).ok().and_then(|seq| walk.commitments.get(seq));
        known == Some(&seen.commitment)
    });
    if !stands {
        output.fail("CHN-04", subject, "the record that its actor had seen last does not stand on this chain");
    }
}

/// Judges each accepted act by the rules that the exhibit's own chain can answer: state, holds, handling code, consents, the second person.
///
/// What else a rule asks for (membership, ring versions, who receives a grant) is taken as it should be: an auditor's replay judges that.
fn check_rules(registry: &RegistryAt, output: &mut ChainOutput) {
    let mut world = World::default();
    let mut broken = Vec::new();
    let facts_of = |signer: &Sha256Digest| {
        let certificate = registry.certificate(CertificateId::from_digest(*signer))?;
        Some(DeviceFacts::of(certificate, true))
    };
    let devices = |certificate: &Sha256Digest| facts_of(certificate).map(|facts| (facts, false));
    for act in output.acts.iter().filter(|act| act.core.outcome == Outcome::Accepted) {
        let intent = &act.intent;
        let Some(actor) = facts_of(&intent.signer()) else { continue };
        let ring_version = if let Body::Collection(body) = &intent.body { body.ring_version } else { 0 };
        let membership = Some(Membership { first_ring: 0, left: false });
        let exhibit = world.exhibit_facts(intent, &actor, &devices);
        let facts = Facts {
            log: LogFacts { origin: &intent.origin, time: act.core.time, root_at_seen: Some(intent.seen.root) },
            case: Some(CaseFacts { ring_version, founder: actor.office.clone(), epoch_stands: true, actor: membership }),
            actor: actor.clone(),
            parent: None,
            exhibit: exhibit.map(|exhibit| ExhibitFacts {
                chain_seen_stands: true,
                restored: true,
                recipient: exhibit.recipient.map(|(device, _)| (device, true)),
                ..exhibit
            }),
            change: None,
            recovery: None,
            succession: None,
        };
        if let Err(rule) = rules::judge(intent, &facts) {
            broken.push((act.core.index, rule));
        }
        world.apply(intent, &actor, act.core.time, &devices);
    }
    for (index, rule) in broken {
        output.fail("CHN-05", &format!("record {index}"), format!("it was accepted against rule {}: {}", rule.id, rule.demands));
    }
}

fn digest(root: RootHash) -> Sha256Digest {
    Sha256Digest::from_bytes(*root.as_bytes())
}

fn check_ends(input: &ChainInput<'_>, output: &mut ChainOutput) {
    let accepted = || output.acts.iter().filter(|act| act.core.outcome == Outcome::Accepted);
    let collection = match accepted().next().map(|act| &act.intent.body) {
        Some(Body::Collection(collection)) => Some(collection.clone()),
        _ => None,
    };
    let own = |act: &ShownAct| {
        matches!(&act.intent.body, Body::Disclosure(Disclosure::Dossier { payload }) if *payload == input.payload)
            && act.core.outcome == Outcome::Accepted
    };
    let ends = output.acts.last().is_some_and(own);
    if collection.is_none() {
        output.fail("CHN-03", "chain", "its first accepted record is not the collection of the exhibit");
    }
    if !ends {
        output.fail(
            "CHN-03",
            "chain",
            "its last record is not the disclosure of this payload: records are missing at the end, or the payload was changed",
        );
    }
    output.collection = collection;
}

impl ChainOutput {
    fn fail(&mut self, check: &str, subject: &str, text: impl Into<String>) {
        self.findings.push(Finding::failed(check, subject, text));
    }

    /// Says of each check without a failure that it passed.
    fn summarise(&mut self, records: usize) {
        for (check, text) in [
            ("LOG-02", "every record is in the log at its index"),
            ("CHN-01", "the records are linked without a gap, in the order of index and time"),
            ("CHN-02", "every act is signed by a device that an office announced and that was in good standing"),
            ("CHN-03", "the chain begins with the collection and ends with the disclosure of this payload"),
            ("CHN-04", "what each actor had seen of log and chain agrees with them"),
            ("CHN-05", "every act was allowed by the state, holds, handling code and consents that the chain shows"),
        ] {
            if !self.findings.iter().any(|finding| finding.check == check && finding.status == Status::Failed) {
                self.findings.push(Finding::passed(check, format!("{records} records"), text));
            }
        }
    }
}
