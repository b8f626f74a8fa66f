//! Offices: what they issue is accepted by the judging side and by a tool that this project did not write.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use custodia_core::identity::{
    self, AsOf, DeviceRequest, DeviceRequestDraft, OfficeRoot, Registry, RegistrySeq, Role, Standing, TrustList, TrustListDraft, TrustPin,
    UnverifiedTrustList,
};
use custodia_core::ids::DeviceId;
use custodia_core::time::ClaimedTime;

use super::*;
use crate::hpke::{SealingKeyPair, seal};
use crate::passphrase::TEST_COST;

const SECONDS: u64 = 1_767_225_600; // 2026-01-01T00:00:00Z

fn days_on(days: u64) -> LogTime {
    LogTime::from_millis((SECONDS + days * 86_400) * 1000).unwrap()
}

fn claimed(text: &str) -> ClaimedTime {
    ClaimedTime::parse(text).unwrap()
}

fn new(id: &str, country: &str, name: &str) -> NewOffice {
    NewOffice { id: id.parse().unwrap(), country: country.parse().unwrap(), name: name.parse().unwrap(), from: days_on(0), years: 20 }
}

fn diicot(directory: &Path) -> Office {
    Office::found(directory, &new("ro-diicot", "RO", "Direcția DIICOT"), "p", TEST_COST).unwrap()
}

fn request(person: &str, role: Role, sealing: Option<&SealingKeyPair>) -> DeviceRequest {
    let draft = DeviceRequestDraft {
        device: DeviceId::from_bytes([7; 16]),
        person: person.parse().unwrap(),
        name: "Ștefan Țurcanu".parse().unwrap(),
        label: "laptop".parse().unwrap(),
        role,
        sealing_key: sealing.map(|pair| pair.public().clone()),
        time: claimed("2026-01-02T10:00:00+02:00"),
    };
    draft.sign(&SigningKey::from_bytes(&[9; 32])).unwrap()
}

fn list_of(office: &Office) -> TrustList {
    let root =
        OfficeRoot { certificate: office.root().clone(), from: claimed("2026-01-01T00:00:00Z"), until: claimed("2040-01-01T00:00:00Z") };
    let on_list = identity::Office {
        id: office.root().office().clone(),
        name: office.root().name().clone(),
        country: office.root().country(),
        roles: vec![Role::Prosecutor, Role::Administrator],
        roots: vec![root],
        supervises: vec![],
    };
    let mut list = TrustListDraft { issued: claimed("2026-01-02T00:00:00Z"), threshold: 1, offices: vec![on_list] }.first().unwrap();
    office.sign_list(&mut list);
    let pin = TrustPin::new(list.digest());
    UnverifiedTrustList::parse(list.to_json().as_bytes()).unwrap().verify_first(&pin).unwrap()
}

#[test]
fn a_device_that_asked_is_certified_enrolled_and_reached_by_sealing() {
    let directory = tempfile::tempdir().unwrap();
    let office = diicot(directory.path());
    let sealing = SealingKeyPair::generate().unwrap();
    let request = DeviceRequest::parse(request("ro-diicot/stefan", Role::Prosecutor, Some(&sealing)).text()).unwrap();
    let certificate = office.issue(&request, days_on(1), 397).unwrap();
    let list = list_of(&office);
    let mut registry = Registry::new(TrustPin::new(list.digest()));
    let at = |seq, time| AsOf { seq: RegistrySeq::new(seq), time };
    let text = UnverifiedTrustList::parse(list.to_json().as_bytes()).unwrap();
    registry.apply_trust_list(text, office.root().id(), at(0, days_on(2))).unwrap();
    let enrolled = registry.enrol(certificate, office.root().id(), at(1, days_on(2))).unwrap().clone();
    assert_eq!(enrolled.person().to_string(), "ro-diicot/stefan");
    assert_eq!(registry.standing(enrolled.id(), at(1, days_on(398))), Standing::Good);
    assert_eq!(registry.standing(enrolled.id(), at(1, days_on(399))), Standing::Expired);
    let sealed = seal(enrolled.sealing_key().unwrap(), b"use", b"", b"hello").unwrap();
    assert_eq!(*sealing.open(b"use", b"", &sealed).unwrap(), b"hello");
}

#[test]
fn an_office_opens_again_with_its_passphrase_only() {
    let directory = tempfile::tempdir().unwrap();
    let root = diicot(directory.path()).root().clone();
    assert_eq!(Office::open(directory.path(), "p").unwrap().root(), &root);
    let wrong = Office::open(directory.path(), "q").unwrap_err();
    assert!(matches!(wrong, OfficeError::Passphrase(PassphraseError::WrongPassphrase)));
}

#[test]
fn an_office_is_never_founded_over_another() {
    let directory = tempfile::tempdir().unwrap();
    diicot(directory.path());
    let before = fs::read(directory.path().join(KEY_FILE)).unwrap();
    let again = Office::found(directory.path(), &new("fr-parquet", "FR", "Parquet"), "q", TEST_COST).unwrap_err();
    assert!(matches!(again, OfficeError::Exists));
    assert_eq!(fs::read(directory.path().join(KEY_FILE)).unwrap(), before);
}

#[test]
fn a_root_in_the_file_of_another_office_is_noticed() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    diicot(one.path());
    let other = diicot(two.path());
    let path = one.path().join(KEY_FILE);
    let mut file: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    file["root"] = STANDARD.encode(other.root().der()).into();
    fs::write(&path, file.to_string()).unwrap();
    assert!(matches!(Office::open(one.path(), "p").unwrap_err(), OfficeError::Damaged(_)));
    for bad in ["", "{}", &" ".repeat(key_file::MAX_BYTES + 1)] {
        fs::write(&path, bad).unwrap();
        assert!(matches!(Office::open(one.path(), "p").unwrap_err(), OfficeError::Damaged(_) | OfficeError::File(_)));
    }
}

#[test]
fn requests_of_other_offices_and_impossible_validities_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let office = diicot(directory.path());
    let foreign = office.issue(&request("fr-parquet/stefan", Role::Administrator, None), days_on(1), 90).unwrap_err();
    assert!(matches!(foreign, OfficeError::OtherOffice { .. }));
    let own = request("ro-diicot/stefan", Role::Administrator, None);
    for (from, days) in [(1, 0), (1, 398), (20 * 365 - 10, 11)] {
        assert!(matches!(office.issue(&own, days_on(from), days).unwrap_err(), OfficeError::Validity), "{from} {days}");
    }
    let before = LogTime::from_millis((SECONDS - 1) * 1000).unwrap();
    assert!(matches!(office.issue(&own, before, 10).unwrap_err(), OfficeError::Validity));
    for years in [0, 21] {
        let office = NewOffice { years, ..new("ro-dna", "RO", "DNA") };
        let elsewhere = tempfile::tempdir().unwrap();
        assert!(matches!(Office::found(elsewhere.path(), &office, "p", TEST_COST).unwrap_err(), OfficeError::Validity));
    }
}

fn pem(path: &Path, label: &str, der: &[u8]) -> PathBuf {
    let body = STANDARD.encode(der);
    let lines: Vec<_> = body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    fs::write(path, format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))).unwrap();
    path.to_owned()
}

fn openssl(arguments: &[&str], files: &[&Path]) -> (bool, String) {
    let output = Command::new("openssl").args(arguments).args(files).output().expect("openssl is installed (tests/run does it)");
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn openssl_accepts_what_an_office_issues_and_refuses_what_another_does() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let office = diicot(directory.path());
    let elsewhere = tempfile::tempdir().unwrap();
    let other = diicot(elsewhere.path());
    let sealing = SealingKeyPair::generate().unwrap();
    let request = request("ro-diicot/stefan", Role::Prosecutor, Some(&sealing));
    let root = pem(&file("root.pem"), "CERTIFICATE", office.root().der());
    let leaf = pem(&file("leaf.pem"), "CERTIFICATE", office.issue(&request, days_on(1), 90).unwrap().der());
    let foreign = pem(&file("foreign.pem"), "CERTIFICATE", other.issue(&request, days_on(1), 90).unwrap().der());
    let time = (SECONDS + 30 * 86_400).to_string();
    let late = (SECONDS + 92 * 86_400).to_string();
    let verify = |time: &str, leaf: &Path| {
        openssl(&["verify", "-x509_strict", "-check_ss_sig", "-attime", time, "-CAfile", root.to_str().unwrap()], &[leaf])
    };
    assert_eq!(verify(&time, &leaf), (true, format!("{}: OK\n", leaf.display())));
    assert!(!verify(&time, &foreign).0);
    let (accepted, words) = verify(&late, &leaf);
    assert!(!accepted && words.contains("expired"), "{words}");
    let (read, text) = openssl(&["x509", "-noout", "-text", "-nameopt", "utf8,sep_comma_plus", "-in"], &[&leaf]);
    assert!(read && text.contains("Ștefan Țurcanu") && text.contains("1.3.6.1.4.1.32473.1.1"), "{text}");
    let key = pem(&file("key.pem"), "PRIVATE KEY", &key_file::pkcs8(&office.key));
    let (read, text) = openssl(&["pkey", "-noout", "-text", "-in"], &[&key]);
    assert!(read && text.starts_with("ED25519 Private-Key"), "{text}");
}
