//! Case groups as they grow: a commit that adds, one that removes, a join, at 10, 100 and 500 devices.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use custodia_core::digest::Sha256Digest;
use custodia_core::group::context::{CommitContext, RingVersion, ring_commitment};
use custodia_core::group::facts::GroupId;
use custodia_core::ids::CaseId;
use custodia_core::secret::Secret32;
use custodia_core::time::LogTime;
use custodia_mls::{
    BuiltKeyPackage, CaseGroup, Changes, Device, DeviceSigner, Incoming, KeyPackageUse, MlsState, StagedJoin, VerifiedKeyPackage,
};
use ed25519_dalek::SigningKey;
use serde_json::json;

use crate::{number, tell};

const CASE: GroupId = GroupId::first(CaseId::from_bytes([0xca; 16]));
/// Bytes of a device's certificate.
const CERTIFICATE: usize = 900;

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

struct Party {
    device: Device,
    state: MlsState,
}

impl Party {
    fn new(number: u32) -> Self {
        let mut seed = [7; 32];
        seed[..4].copy_from_slice(&number.to_be_bytes());
        let mut certificate = vec![7; CERTIFICATE];
        certificate[..4].copy_from_slice(&number.to_be_bytes());
        Self { device: Device { certificate, signer: DeviceSigner::new(SigningKey::from_bytes(&seed)) }, state: MlsState::new() }
    }

    fn package(&self) -> VerifiedKeyPackage {
        let built = BuiltKeyPackage::build(&self.state, &self.device, KeyPackageUse::Once, now()).unwrap();
        VerifiedKeyPackage::parse(&built.bytes, LogTime::from_millis(now() * 1000).unwrap()).unwrap()
    }
}

fn context(size: u64) -> CommitContext {
    let version = RingVersion::FIRST;
    CommitContext {
        log_size: size,
        log_root: Sha256Digest::of(&[&size.to_be_bytes()]),
        registry_sequence: size,
        registry_commitment: Sha256Digest::of(&[&size.to_le_bytes()]),
        ring_version: version,
        ring_commitment: ring_commitment(CASE.case, version, &Secret32::from_bytes([1; 32])),
    }
}

fn timed<T>(into: &mut Duration, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let done = work();
    *into += begun.elapsed();
    done
}

fn one(devices: u32) {
    let mut took = [Duration::ZERO; 7];
    let [create, packages, add, join, add_one, process, remove] = &mut took;
    let founder = Party::new(0);
    let founded = timed(create, || CaseGroup::found(&founder.state, &founder.device, CASE, now()).unwrap());
    let group_info = founded.group_info.len();
    let joiners: Vec<Party> = (1..devices).map(Party::new).collect();
    let kept: Vec<VerifiedKeyPackage> = timed(packages, || joiners.iter().map(Party::package).collect());
    let mut group = founded.group;
    let all = timed(add, || {
        let prepared =
            group.prepare_commit(&founder.state, &founder.device, Changes { add: kept, remove: Vec::new() }, &context(1)).unwrap();
        group.merge_pending(&founder.state).unwrap();
        prepared
    });
    let welcome = all.welcome.as_ref().unwrap();
    let member = joiners.first().unwrap();
    let mut theirs = timed(join, || StagedJoin::open(&member.state, welcome, (CASE, all.new_epoch)).unwrap().accept());

    let last = Party::new(devices);
    let package = last.package();
    let single = timed(add_one, || {
        let prepared =
            group.prepare_commit(&founder.state, &founder.device, Changes { add: vec![package], remove: Vec::new() }, &context(2)).unwrap();
        group.merge_pending(&founder.state).unwrap();
        prepared
    });
    timed(process, || match theirs.process(&member.state, &single.commit).unwrap() {
        Incoming::Other(commit) => theirs.merge(&member.state, *commit).unwrap(),
        Incoming::Own => panic!("a member takes another's commit"),
    });
    let leaf = single.facts.added[0].index;
    let removal = timed(remove, || {
        let prepared =
            group.prepare_commit(&founder.state, &founder.device, Changes { add: Vec::new(), remove: vec![leaf] }, &context(3)).unwrap();
        group.merge_pending(&founder.state).unwrap();
        prepared
    });
    let ms = took.map(|took| took.as_secs_f64() * 1000.0);
    tell(&json!({
        "devices": devices, "create": ms[0], "packages": ms[1], "add_all": ms[2], "join": ms[3], "add_one": ms[4], "process": ms[5], "remove": ms[6],
        "group_info_bytes": group_info, "welcome_bytes": welcome.len(), "commit_add_bytes": single.commit.len(), "commit_remove_bytes": removal.commit.len(),
    }));
}

/// Prints one line for each size and round.
pub fn measure() {
    for _ in 0..number("--rounds", 3) {
        for devices in [10, 100, 500] {
            one(devices);
        }
    }
}
