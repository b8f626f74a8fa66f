//! What a device signs: intents of every kind, and commits with all that goes with them.

use std::sync::Arc;

use custodia_core::custody::body::{
    Add, Body, CaseCreate, Collection, DeviceEnrol, DeviceRevoke, Disclosure, Handling, MemberChange, Terms, TrustListBody,
};
use custodia_core::custody::intent::{ClockSource, GroupSeen, Intent, RingWrap, Sealed, Seen, SignedIntent};
use custodia_core::custody::kind::{Concern, Kind, Purpose};
use custodia_core::custody::wire::{Base64, Base64Url, Hex};
use custodia_core::digest::{Blake3Digest, Sha256Digest};
use custodia_core::group::context::{CommitContext, RingVersion};
use custodia_core::group::facts::{AddedLeaf, CommitFacts, Epoch, GroupId, LeafIndex, Sender};
use custodia_core::identity::RevocationReason;
use custodia_core::ids::{CaseId, ExhibitId, IntentId};

use crate::agent::Agent;
use crate::choices::Choices;
use crate::database::{Act, Submission, With, Wrapped};
use crate::group::{Commit, Group, id_of};
use crate::offices;
use crate::people::{CAST, Card, root_key};

/// How a commit is made wrong on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    None,
    /// The ring key stays although somebody must not read on or back.
    OldRing,
    /// An addition with full history leaves a disclosure out.
    Undisclosed,
    /// It leaves in who left or was revoked.
    LeavesTheGone,
}

/// A commit that a device wants to make.
pub struct Change {
    pub adds: Vec<(&'static Card, Terms)>,
    pub removes: Vec<Sha256Digest>,
    /// Exhibits to grant to those who join on chosen terms.
    pub chosen: Vec<ExhibitId>,
    pub flaw: Flaw,
}

fn digest(root: custodia_core::log::RootHash) -> Sha256Digest {
    Sha256Digest::from_bytes(*root.as_bytes())
}

fn ring_commitment(key: u64) -> Sha256Digest {
    Sha256Digest::of(&[b"ring", &key.to_be_bytes()])
}

/// What commits to the two shares of an exhibit.
pub fn exhibit_key(group_share: u64, release_share: u64) -> Sha256Digest {
    Sha256Digest::of(&[b"key", &group_share.to_be_bytes(), &release_share.to_be_bytes()])
}

fn sealed(kind: Kind) -> Option<Sealed> {
    let ring = (kind != Kind::LogRead).then(|| RingWrap { version: 1, wrap: Base64Url(vec![0; 104]) });
    let sealed = || Sealed { message: Base64Url(vec![0; 56 + 256 + 16]), ring, auditors: Vec::new(), trust_list: 0 };
    kind.needs_reason().then(sealed)
}

impl Agent {
    /// An act as this device would state it now: the form is right, whether it is allowed is for others to say.
    pub fn intent(&self, id: IntentId, case: CaseId, exhibit: Option<ExhibitId>, body: Body, purpose: Purpose, now: u64) -> Intent {
        let kind = body.kind();
        let (size, root) = self.seen();
        let followed = self.cases.get(&case);
        let in_group = matches!(kind.concern(), Concern::Case | Concern::Exhibit) && kind != Kind::CaseCreate;
        let of = |group: &Group| {
            let transcript = group.transcripts.last().expect("an epoch has its hash").clone();
            GroupSeen { id: Hex(group.id.to_bytes().to_vec()), epoch: group.epoch, transcript: Hex(transcript) }
        };
        // Who is in no group, or no longer, can only state its beginning.
        let stranger = || GroupSeen { id: Hex(GroupId::first(case).to_bytes().to_vec()), epoch: 0, transcript: Hex(Vec::new()) };
        let group = followed.and_then(|followed| followed.group.as_ref()).map_or_else(stranger, of);
        let chain_seen = exhibit.filter(|_| kind != Kind::Collection).and_then(|id| followed?.exhibits.get(&id)).map(|known| known.head);
        Intent {
            origin: CAST.origin.as_str().to_owned(),
            id,
            case,
            exhibit,
            purpose: kind.needs_purpose().then_some(purpose),
            recipients: if kind == Kind::Disclosure { vec!["Court".to_owned()] } else { Vec::new() },
            time: offices::claimed(now),
            clock: ClockSource::Os,
            group: in_group.then_some(group),
            seen: Seen { size: size.get(), root: digest(root) },
            chain_seen,
            body,
            sealed: sealed(kind),
        }
    }

    /// The same, signed.
    pub fn sign(
        &self,
        choices: &mut Choices,
        case: CaseId,
        exhibit: Option<ExhibitId>,
        body: Body,
        purpose: Purpose,
        now: u64,
    ) -> Option<SignedIntent> {
        let id = IntentId::from_bytes(choices.bytes());
        self.intent(id, case, exhibit, body, purpose, now).sign(self.card.id, &self.card.key).ok()
    }

    /// Founds a case.
    pub fn found(&self, choices: &mut Choices, case: CaseId, parent: Option<CaseId>, now: u64) -> Option<Submission> {
        let ring_key = choices.next();
        let read = self.read.as_ref()?;
        let context = CommitContext {
            log_size: read.size().get(),
            log_root: digest(read.root()),
            registry_sequence: u64::try_from(self.registry_chain.len()).unwrap().checked_sub(1)?,
            registry_commitment: self.registry_chain.last()?.0,
            ring_version: RingVersion::FIRST,
            ring_commitment: ring_commitment(ring_key),
        };
        let group = Group::found(case, self.card.leaf(LeafIndex(0), choices.next()), context);
        let body = Body::CaseCreate(CaseCreate {
            group_id: Hex(group.id.to_bytes().to_vec()),
            group_info: Sha256Digest::of(&[b"info"]),
            ring_version: 1,
            ring_commitment: ring_commitment(ring_key),
            ring_row: Sha256Digest::of(&[b"row"]),
            members: vec![Add { certificate: self.card.id, terms: Terms::Founder }],
            parent,
            review: "2031-01-01".to_owned(),
        });
        let intent = self.sign(choices, case, None, body, Purpose::Investigation, now)?;
        Some(Arc::new(vec![Act { intent, with: With::Founding(group.into(), ring_key) }]))
    }

    /// Takes an exhibit in, its group share under the newest ring key that this device knows.
    pub fn collect(&self, choices: &mut Choices, case: CaseId, exhibit: ExhibitId, handling: Handling, now: u64) -> Option<Submission> {
        let (version, key) = self.cases.get(&case)?.rings.last_key_value()?;
        let (group_share, release_share) = (choices.next(), choices.next());
        let body = Body::Collection(Collection {
            manifest_commitment: Sha256Digest::of(&[b"manifest"]),
            manifest_object: Blake3Digest::of(b"manifest"),
            objects: 1,
            objects_digest: Sha256Digest::of(&[b"objects"]),
            sealed_bytes: 1,
            exhibit_key_commitment: exhibit_key(group_share, release_share),
            release_share_commitment: Sha256Digest::of(&[&release_share.to_be_bytes()]),
            ring_version: *version,
            handling,
            review: "2031-01-01".to_owned(),
            derivation: None,
        });
        let intent = self.sign(choices, case, Some(exhibit), body, Purpose::Investigation, now)?;
        let with = With::Intake(release_share, Wrapped::under(*version, *key, group_share));
        Some(Arc::new(vec![Act { intent, with }]))
    }

    /// Grants an exhibit whose group share this device has.
    pub fn grant(&self, choices: &mut Choices, case: CaseId, exhibit: ExhibitId, to: &Card, share: u64, now: u64) -> Option<Act> {
        let body = Body::Disclosure(Disclosure::Grant { grant: Sha256Digest::of(&[&share.to_be_bytes()]), device: to.id });
        let intent = self.sign(choices, case, Some(exhibit), body, Purpose::Prosecution, now)?;
        Some(Act { intent, with: With::Grant(share) })
    }

    /// Makes a commit with its grants; none if this device is no leaf of the group, or cannot name one of those concerned.
    pub fn commit(
        &self,
        choices: &mut Choices,
        case: CaseId,
        change: &Change,
        share: impl Fn(ExhibitId) -> Option<u64>,
        now: u64,
    ) -> Option<Submission> {
        let followed = self.cases.get(&case)?;
        let group = followed.group.as_ref()?;
        let own = group.leaf_of(&self.card.id)?.clone();
        let removed = change.removes.iter().map(|id| group.leaf_of(id).cloned()).collect::<Option<Vec<_>>>()?;
        let partial = change.adds.iter().any(|(_, terms)| *terms != Terms::Full);
        let renews = (partial || !removed.is_empty()) && change.flaw != Flaw::OldRing;
        let (version, old_key) = followed.rings.last_key_value()?;
        let ring_key = if renews { choices.next() } else { *old_key };
        let ring_version = RingVersion::new(version + u32::from(renews))?;
        let read = self.read.as_ref()?;
        let context = CommitContext {
            log_size: read.size().get(),
            log_root: digest(read.root()),
            registry_sequence: u64::try_from(self.registry_chain.len()).unwrap().checked_sub(1)?,
            registry_commitment: self.registry_chain.last()?.0,
            ring_version,
            ring_commitment: ring_commitment(ring_key),
        };
        let places = group.free_places(&removed, change.adds.len());
        let add = |(place, (card, _)): (LeafIndex, &(&'static Card, Terms)), number| AddedLeaf {
            index: place,
            key_package: card.key_package(number, now - 3600),
        };
        let added: Vec<AddedLeaf> = places.into_iter().zip(&change.adds).map(|pair| add(pair, choices.next())).collect();
        let facts = CommitFacts {
            group: group.id,
            epoch: Epoch(group.epoch),
            sender: Sender::Member(own.index),
            sender_after: Some(self.card.leaf(own.index, choices.next())),
            sender_before: Some(own),
            added,
            removed,
            by_reference: 0,
            other_proposals: Vec::new(),
            members_before: group.leaves.len(),
            context,
            message_len: 1000,
        };
        let commit = Commit { facts, number: choices.next(), ring_key };
        let body = Body::MemberChange(MemberChange {
            epoch: group.epoch,
            commit: commit.digest(),
            welcome: commit.welcome(),
            ring_version: ring_version.number(),
            ring_commitment: context.ring_commitment,
            ring_row: Some(commit.ring_row()),
            adds: change.adds.iter().map(|(card, terms)| Add { certificate: card.id, terms: *terms }).collect(),
            removes: commit.facts.removed.iter().map(id_of).collect(),
            resync: false,
        });
        let intent = self.sign(choices, case, None, body, Purpose::Investigation, now)?;
        let mut acts = vec![Act { intent, with: With::Commit(commit.into()) }];
        for (card, terms) in &change.adds {
            let named: Vec<ExhibitId> = match terms {
                Terms::Full => followed.exhibits.iter().filter(|(_, known)| !known.erased).map(|(id, _)| *id).collect(),
                Terms::Chosen => change.chosen.clone(),
                _ => Vec::new(),
            };
            for exhibit in named {
                if let Some(share) = share(exhibit) {
                    acts.push(self.grant(choices, case, exhibit, card, share, now)?);
                }
            }
        }
        if change.flaw == Flaw::Undisclosed && acts.len() > 1 {
            acts.pop();
        }
        Some(Arc::new(acts))
    }
}

/// An identity record of an office.
pub fn of_office(choices: &mut Choices, office: usize, body: Body, seen: Seen, now: u64) -> Submission {
    let intent = Intent {
        origin: CAST.origin.as_str().to_owned(),
        id: IntentId::from_bytes(choices.bytes()),
        case: CaseId::REGISTRY,
        exhibit: None,
        purpose: None,
        recipients: Vec::new(),
        time: offices::claimed(now),
        clock: ClockSource::Os,
        group: None,
        seen,
        chain_seen: None,
        body,
        sealed: None,
    };
    let intent = intent.sign(CAST.roots[office], &root_key(office)).unwrap();
    Arc::new(vec![Act { intent, with: With::Nothing }])
}

pub fn trust_list() -> Body {
    Body::TrustList(TrustListBody { list: CAST.list.clone() })
}

pub fn enrol(card: &Card) -> Body {
    Body::DeviceEnrol(DeviceEnrol { certificate: Base64(card.certificate.clone()) })
}

pub fn revoke(card: &Card) -> Body {
    Body::DeviceRevoke(DeviceRevoke { device: card.device, reason: RevocationReason::Lost })
}
