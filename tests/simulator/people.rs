//! Who acts: three offices, their people's devices with certificates, and the log as it stands once they are enrolled.

use std::sync::LazyLock;

use custodia_core::digest::Sha256Digest;
use custodia_core::group::facts::{KeyPackageFacts, LeafFacts, LeafIndex};
use custodia_core::group::rules::SUITE;
use custodia_core::identity::{Role, TrustListDraft, TrustPin};
use custodia_core::ids::DeviceId;
use custodia_core::log::{LogSigner, Origin};
use custodia_core::time::LogTime;
use ed25519_dalek::SigningKey;

use crate::offices::{self, DIICOT, INSPECTION, TestOffice};

/// When the log begins, in seconds since 1970.
pub const BORN: u64 = 1_780_000_000;
pub const DAY: u64 = 86_400;

const JUNALCO: TestOffice = TestOffice { id: "fr-junalco", country: "FR", seed: 2 };

/// The offices; a device names its own by place.
pub const OFFICES: [TestOffice; 3] = [DIICOT, JUNALCO, INSPECTION];

/// A device and what everybody knows of it.
pub struct Card {
    pub name: &'static str,
    pub office: usize,
    pub role: Role,
    pub device: DeviceId,
    pub certificate: Vec<u8>,
    /// The certificate's id.
    pub id: Sha256Digest,
    pub key: SigningKey,
    /// The last second of its certificate.
    pub until: u64,
}

/// Name, office and role of every device; the last one is not enrolled at the beginning.
const DEVICES: [(&str, usize, Role); 8] = [
    ("ana", 0, Role::Prosecutor),
    ("ion", 0, Role::Prosecutor),
    ("ro-safe", 0, Role::Recovery),
    ("luc", 1, Role::Prosecutor),
    ("eva", 1, Role::Prosecutor),
    ("fr-safe", 1, Role::Recovery),
    ("ines", 2, Role::Auditor),
    ("mia", 1, Role::Prosecutor),
];

/// How many of them are enrolled at the beginning.
pub const ENROLLED: usize = DEVICES.len() - 1;

/// Everything that is the same in every run.
pub struct Cast {
    pub devices: Vec<Card>,
    /// The first trust list as text.
    pub list: String,
    pub pin: TrustPin,
    /// Certificate ids of the offices' roots.
    pub roots: Vec<Sha256Digest>,
    pub origin: Origin,
}

/// The cast, made once.
pub static CAST: LazyLock<Cast> = LazyLock::new(|| {
    let prosecutors = [Role::Prosecutor, Role::Recovery];
    let mut entries: Vec<_> = OFFICES[..2].iter().map(|office| office.on_list(&prosecutors, &[], BORN)).collect();
    entries.push(INSPECTION.on_list(&[Role::Auditor], &["ro-diicot", "fr-junalco"], BORN));
    let mut list = TrustListDraft { issued: offices::claimed(BORN - DAY), threshold: 2, offices: entries }.first().unwrap();
    for office in &OFFICES[..2] {
        list.sign(office.root_id(BORN), &offices::key(office.seed));
    }
    let card = |(place, (name, office, role)): (usize, (&'static str, usize, Role))| {
        let seed = 10 + u8::try_from(place).unwrap();
        let certificate = offices::device_certificate(OFFICES[office], role, seed, BORN);
        let id = Sha256Digest::of(&[&certificate]);
        Card { name, office, role, device: offices::device_id(seed), certificate, id, key: offices::key(seed), until: BORN + 100 * DAY }
    };
    Cast {
        devices: DEVICES.into_iter().enumerate().map(card).collect(),
        pin: TrustPin::new(list.digest()),
        list: list.to_json(),
        roots: OFFICES.iter().map(|office| office.root_id(BORN).digest()).collect(),
        origin: "vault.example/log".parse().unwrap(),
    }
});

/// The log's signer.
pub fn log_signer() -> LogSigner {
    LogSigner::new(CAST.origin.clone(), SigningKey::from_bytes(&[200; 32])).unwrap()
}

/// The root key of an office.
pub fn root_key(office: usize) -> SigningKey {
    offices::key(OFFICES[office].seed)
}

/// A device by its certificate id.
pub fn card(id: &Sha256Digest) -> &'static Card {
    CAST.devices.iter().find(|card| card.id == *id).expect("only devices of the cast act")
}

pub fn log_time(seconds: u64) -> LogTime {
    LogTime::from_millis(seconds * 1000).unwrap()
}

/// A well-formed X-Wing key, another one for each number.
fn encryption_key(number: u64) -> Vec<u8> {
    let mut key = vec![0; 1184];
    key.extend([7; 24]);
    key.extend(number.to_be_bytes());
    key
}

impl Card {
    /// Its leaf, with a key of that number.
    pub fn leaf(&self, place: LeafIndex, number: u64) -> LeafFacts {
        LeafFacts {
            index: place,
            certificate: self.certificate.clone(),
            signature_key: self.key.verifying_key().to_bytes(),
            encryption_key: encryption_key(number),
            extensions: Vec::new(),
        }
    }

    /// A key package made at that time.
    pub fn key_package(&self, number: u64, made: u64) -> KeyPackageFacts {
        KeyPackageFacts {
            reference: number.to_be_bytes().to_vec(),
            suite: SUITE,
            certificate: self.certificate.clone(),
            signature_key: self.key.verifying_key().to_bytes(),
            encryption_key: encryption_key(number),
            init_key: encryption_key(!number),
            not_before: made,
            not_after: made + 60 * DAY,
            last_resort: false,
            leaf_extensions: Vec::new(),
            extensions: Vec::new(),
        }
    }
}
