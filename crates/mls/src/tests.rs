//! Devices and a small world for the tests of this crate. Certificates are opaque bytes here.

mod foreign;

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use custodia_core::digest::Sha256Digest;
use custodia_core::group::context::{CommitContext, RingVersion, ring_commitment};
use custodia_core::group::facts::GroupId;
use custodia_core::ids::CaseId;
use custodia_core::secret::Secret32;
use custodia_core::time::LogTime;

use crate::{BuiltKeyPackage, CaseGroup, Changes, Device, DeviceSigner, FollowedGroup, Incoming};
use crate::{KeyPackageUse, MlsState, PreparedCommit, RingRow, StagedJoin, VerifiedKeyPackage};

pub(crate) const CASE: GroupId = GroupId::first(CaseId::from_bytes([0xca; 16]));

/// OpenMLS compares lifetimes with the system clock, so tests cannot choose the time.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub(crate) fn log_time() -> LogTime {
    LogTime::from_millis(now() * 1000).unwrap()
}

/// A device with its rows "on disk".
pub(crate) struct Party {
    pub(crate) device: Device,
    pub(crate) state: MlsState,
    pub(crate) disk: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Party {
    pub(crate) fn new(seed: u8) -> Self {
        let signer = DeviceSigner::new(ed25519_dalek::SigningKey::from_bytes(&[seed; 32]));
        Self { device: Device { certificate: vec![seed; 700], signer }, state: MlsState::new(), disk: BTreeMap::new() }
    }

    /// Commits the transaction.
    pub(crate) fn save(&mut self) {
        let changes = self.state.take_changes();
        self.disk.extend(changes.put);
        for key in changes.delete {
            self.disk.remove(&key);
        }
    }

    /// Loses whatever was not saved.
    pub(crate) fn crash(&mut self) {
        self.state = MlsState::from_rows(self.disk.clone());
    }

    pub(crate) fn group(&self) -> CaseGroup {
        CaseGroup::load(&self.state, CASE).unwrap().unwrap()
    }

    pub(crate) fn key_package(&self, kind: KeyPackageUse) -> VerifiedKeyPackage {
        let built = BuiltKeyPackage::build(&self.state, &self.device, kind, now()).unwrap();
        VerifiedKeyPackage::parse(&built.bytes, log_time()).unwrap()
    }

    pub(crate) fn commit(&mut self, changes: Changes, context: &CommitContext) -> PreparedCommit {
        let prepared = self.group().prepare_commit(&self.state, &self.device, changes, context).unwrap();
        self.save();
        prepared
    }
}

pub(crate) fn ring_key(version: u32) -> Secret32 {
    Secret32::from_bytes([u8::try_from(version).unwrap(); 32])
}

pub(crate) fn context(log_size: u64, ring: u32) -> CommitContext {
    let version = RingVersion::new(ring).unwrap();
    CommitContext {
        log_size,
        log_root: Sha256Digest::of(&[&log_size.to_be_bytes()]),
        registry_sequence: log_size,
        registry_commitment: Sha256Digest::of(&[&log_size.to_le_bytes()]),
        ring_version: version,
        ring_commitment: ring_commitment(CASE.case, version, &ring_key(ring)),
    }
}

/// A server that follows the group, and its members. Every commit goes through all of them and must show the same facts to all.
pub(crate) struct World {
    pub(crate) server: FollowedGroup,
    pub(crate) parties: Vec<Party>,
}

impl World {
    /// Party 0 founds the group and adds the others, one commit each.
    pub(crate) fn with_members(count: u8) -> Self {
        let mut parties: Vec<Party> = (1..=count).map(Party::new).collect();
        let founded = CaseGroup::found(&parties[0].state, &parties[0].device, CASE, now()).unwrap();
        parties[0].save();
        let server = FollowedGroup::found(CASE, &founded.group_info).unwrap();
        let mut world = Self { server, parties };
        for (index, size) in (1..usize::from(count)).zip(1..) {
            world.add(0, index, &context(size, 1));
        }
        world
    }

    pub(crate) fn add(&mut self, committer: usize, joiner: usize, context: &CommitContext) {
        let package = self.parties[joiner].key_package(KeyPackageUse::Once);
        self.parties[joiner].save();
        let prepared = self.parties[committer].commit(Changes { add: vec![package], remove: Vec::new() }, context);
        self.deliver(committer, &prepared);
        let claimed = (CASE, prepared.new_epoch);
        let party = &mut self.parties[joiner];
        let staged = StagedJoin::open(&party.state, prepared.welcome.as_ref().unwrap(), claimed).unwrap();
        assert_eq!(staged.members, self.server.members().unwrap());
        assert_eq!(staged.own_leaf(), prepared.facts.added[0].index);
        drop(staged.accept());
        party.save();
        self.check();
    }

    /// Lets the server and every member take a commit, and compares the facts.
    pub(crate) fn deliver(&mut self, committer: usize, prepared: &PreparedCommit) {
        let checked = self.server.check(&prepared.commit).unwrap();
        assert_eq!(checked.facts, prepared.facts, "server and committer see the same");
        for (index, party) in self.parties.iter_mut().enumerate() {
            let Some(mut group) = CaseGroup::load(&party.state, CASE).unwrap().filter(CaseGroup::is_member) else { continue };
            match group.process(&party.state, &prepared.commit).unwrap() {
                Incoming::Own => {
                    assert_eq!(index, committer);
                    group.merge_pending(&party.state).unwrap();
                }
                Incoming::Other(commit) => {
                    assert_eq!(commit.facts, prepared.facts, "member {index} and committer see the same");
                    group.merge(&party.state, *commit).unwrap();
                }
            }
            party.save();
        }
        self.server.apply(checked).unwrap();
        self.server = FollowedGroup::load(&self.server.to_blob()).unwrap();
    }

    /// Everybody who is a member agrees with the server, also after loading anew.
    pub(crate) fn check(&mut self) {
        for party in &mut self.parties {
            party.crash();
            let Some(group) = CaseGroup::load(&party.state, CASE).unwrap().filter(CaseGroup::is_member) else { continue };
            assert_eq!(group.epoch(), self.server.epoch());
            assert_eq!(group.members().unwrap(), self.server.members().unwrap());
            assert_eq!(group.confirmed_transcript_hash(), self.server.confirmed_transcript_hash());
        }
    }
}

pub(crate) fn ring_row(party: &Party, version: u32) -> RingRow {
    let version = RingVersion::new(version).unwrap();
    party.group().seal_ring_row(&party.state, version, &ring_key(version.number())).unwrap()
}
