//! The vectors in `tests/vectors/identity`: made here from fixed keys, and judged from the files as a stranger would.
//!
//! When one of the tests says that a file differs, the text after "BEGIN" is what belongs in it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyUsagePurpose, SerialNumber,
};
use serde::{Deserialize, Serialize};

use super::world::{
    DIICOT, INSPECTION, PARQUET, STRANGER, TestDevice, TestOffice, draft, first_draft, first_list, first_unverified, key, log_time,
    octet_string, oid, pin, prosecutor, purposes, signed,
};
use crate::identity::{Role, RootCertificate, TrustListError, TrustPin, UnverifiedCertificate, UnverifiedTrustList};
use crate::jws::{GeneralJws, Typ};

const AT: &str = "2026-06-01T00:00:00Z";

#[derive(Serialize, Deserialize)]
struct Certificates {
    pin: String,
    trust_list: String,
    at: String,
    devices: Vec<Case>,
    roots: Vec<Case>,
}

#[derive(Serialize, Deserialize)]
struct TrustLists {
    pin: String,
    first: String,
    firsts: Vec<Case>,
    successors: Vec<Case>,
}

#[derive(Serialize, Deserialize)]
struct Case {
    name: String,
    /// Base64 of a certificate, or the text of a trust list.
    input: String,
    /// `good`, or the rule that refuses (`form` when it is none) and the words.
    verdict: String,
}

fn case(name: &str, input: String, verdict: String) -> Case {
    Case { name: name.to_owned(), input, verdict }
}

fn judge_device(der: &[u8]) -> String {
    let read = UnverifiedCertificate::parse(der).map_err(Into::into);
    match read.and_then(|certificate| first_list().certify(certificate, log_time(AT))) {
        Ok(_) => "good".to_owned(),
        Err(error) => format!("{} {error}", error.rule()),
    }
}

fn judge_root(der: &[u8]) -> String {
    RootCertificate::parse(der).map_or_else(|fault| format!("form {fault}"), |_| "good".to_owned())
}

fn judge_list(text: &str, verify: impl FnOnce(UnverifiedTrustList) -> Result<(), TrustListError>) -> String {
    match UnverifiedTrustList::parse(text.as_bytes()).and_then(verify) {
        Ok(()) => "good".to_owned(),
        Err(error) => format!("{} {error}", error.rule().map_or("form", |rule| rule.id())),
    }
}

fn judge_first(text: &str) -> String {
    judge_list(text, |list| list.verify_first(&pin()).map(|_| ()))
}

fn judge_successor(text: &str) -> String {
    judge_list(text, |list| list.verify_successor(&first_list()).map(|_| ()))
}

fn good() -> TestDevice {
    prosecutor(&DIICOT, "ana.pop", 11)
}

/// The good device with its parameters changed.
fn changed(change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
    let mut params = good().params();
    change(&mut params);
    good().sign(&params)
}

fn critical(tail: &[u64]) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(&oid(tail), octet_string(b"?"));
    extension.set_criticality(true);
    extension
}

fn flipped_last_byte(mut der: Vec<u8>) -> Vec<u8> {
    let last = der.len() - 1;
    der[last - 40] ^= 1;
    der
}

fn good_devices() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("a prosecutor", good().der()),
        ("a recovery device", TestDevice { role: 3, ..good() }.der()),
        ("an administrator without sealing key", TestDevice { role: 4, sealing: None, ..good() }.der()),
        ("an auditor", TestDevice { role: 2, ..prosecutor(&INSPECTION, "lena", 31) }.der()),
        ("a name in another script", TestDevice { name: "Θεοδώρα Παπαδοπούλου", ..good() }.der()),
        (
            "an unknown extension that is not critical",
            changed(|params| {
                params.custom_extensions.push(CustomExtension::from_oid_content(&oid(&[2, 99]), octet_string(b"?")));
            }),
        ),
        ("397 days", TestDevice { not_before: "2026-01-01T00:00:00Z", not_after: "2027-02-02T00:00:00Z", ..good() }.der()),
    ]
}

fn unvouched_devices() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("an office that is not on the list", prosecutor(&STRANGER, "ana.pop", 11).der()),
        ("issued by another office", TestDevice { issuer: PARQUET, ..good() }.der()),
        ("issued under the office's name by another key", TestDevice { issuer: TestOffice { seed: 9, ..DIICOT }, ..good() }.der()),
        ("a signature by another key under the root's key identifier", {
            let mut impostor = TestOffice { seed: 9, ..DIICOT }.params();
            impostor.key_identifier_method = DIICOT.params().key_identifier_method;
            let issuer = rcgen::Issuer::from_params(&impostor, super::world::TestKey::new(9));
            good().params().signed_by(&super::world::TestKey::new(11), &issuer).unwrap().der().to_vec()
        }),
        ("a changed signature", flipped_last_byte(good().der())),
        ("another country than its office", TestDevice { country: "BG", ..good() }.der()),
        ("a role that its office may not certify", TestDevice { role: 2, ..good() }.der()),
        ("expired", TestDevice { not_after: "2026-05-31T23:59:59Z", ..good() }.der()),
        ("not yet valid", TestDevice { not_before: "2026-06-01T00:00:01Z", ..good() }.der()),
    ]
}

fn malformed_devices() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("an authority as a device", changed(|params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)))),
        ("no BasicConstraints", changed(|params| params.is_ca = IsCa::NoCa)),
        ("a key usage too many", changed(|params| params.key_usages.push(KeyUsagePurpose::KeyCertSign))),
        ("no key usage", changed(|params| params.key_usages.clear())),
        ("two roles", changed(|params| params.custom_extensions[0] = purposes(&[oid(&[1, 1]), oid(&[1, 2])]))),
        (
            "a role and another purpose",
            changed(|params| {
                params.custom_extensions[0] = purposes(&[oid(&[1, 1]), vec![1, 3, 6, 1, 5, 5, 7, 3, 2]]);
            }),
        ),
        ("an unknown role", changed(|params| params.custom_extensions[0] = purposes(&[oid(&[1, 9])]))),
        ("a role of another arc", changed(|params| params.custom_extensions[0] = purposes(&[vec![1, 3, 6, 1, 4, 1, 32474, 1, 1]]))),
        ("no role", changed(|params| drop(params.custom_extensions.remove(0)))),
        ("a role that is not critical", changed(|params| params.custom_extensions[0].set_criticality(false))),
        (
            "two ExtendedKeyUsage extensions",
            changed(|params| {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            }),
        ),
        ("no sealing key", TestDevice { sealing: None, ..good() }.der()),
        ("a sealing key of 1215 bytes", TestDevice { sealing: Some(vec![11; 1215]), ..good() }.der()),
        ("a sealing key of 1217 bytes", TestDevice { sealing: Some(vec![11; 1217]), ..good() }.der()),
        ("a critical sealing key", changed(|params| params.custom_extensions[1].set_criticality(true))),
        (
            "a sealing key without its inner OCTET STRING",
            changed(|params| {
                params.custom_extensions[1] = CustomExtension::from_oid_content(&oid(&[2, 1]), vec![11; 1216]);
            }),
        ),
        ("an unknown critical extension", changed(|params| params.custom_extensions.push(critical(&[2, 99])))),
        ("397 days and a second", TestDevice { not_after: "2027-02-02T00:00:01Z", ..good() }.der()),
        (
            "an end before the beginning",
            TestDevice { not_before: "2026-06-02T00:00:00Z", not_after: "2026-05-01T00:00:00Z", ..good() }.der(),
        ),
        ("a short serial", changed(|params| params.serial_number = Some(SerialNumber::from(77_u64)))),
        ("a serial with a low first byte", changed(|params| params.serial_number = Some(SerialNumber::from_slice(&[0x3f; 16])))),
        ("a key identifier of another key", changed(|params| params.key_identifier_method = KeyIdMethod::PreSpecified(vec![1; 20]))),
        ("no authority key identifier", changed(|params| params.use_authority_key_identifier_extension = false)),
        ("a name that turns the direction of writing", TestDevice { name: "Ana\u{202e}poP", ..good() }.der()),
        (
            "a name of 65 characters",
            TestDevice { name: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", ..good() }.der(),
        ),
        ("a label with a control character", TestDevice { label: "lap\ntop", ..good() }.der()),
        ("a local id in capitals", TestDevice { local: "Ana.Pop", ..good() }.der()),
        ("a country in small letters", TestDevice { country: "ro", ..good() }.der()),
        ("a subject with an attribute too many", changed(|params| params.distinguished_name.push(rcgen::DnType::LocalityName, "Cluj"))),
        (
            "a subject without person",
            changed(|params| {
                params.distinguished_name.remove(rcgen::DnType::CustomDnType(vec![0, 9, 2342, 19_200_300, 100, 1, 1]));
            }),
        ),
        ("a byte too many", [good().der(), vec![0]].concat()),
        ("cut in the middle", good().der()[..600].to_vec()),
    ]
}

fn roots() -> Vec<(&'static str, Vec<u8>)> {
    let changed = |change: &dyn Fn(&mut CertificateParams)| {
        let mut params = DIICOT.params();
        change(&mut params);
        DIICOT.root_der_of(&params)
    };
    let moment = super::world::moment;
    vec![
        ("a root", DIICOT.root().der().to_vec()),
        ("a root that may have authorities under it", changed(&|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained))),
        ("a root that is no authority", changed(&|params| params.is_ca = IsCa::ExplicitNoCa)),
        ("a root that may not sign records", changed(&|params| params.key_usages = vec![KeyUsagePurpose::KeyCertSign])),
        ("a root of more than twenty years", changed(&|params| params.not_after = moment("2045-01-02T00:00:00Z"))),
        ("a root with an unknown critical extension", changed(&|params| params.custom_extensions.push(critical(&[2, 99])))),
        ("a root with a changed signature", flipped_last_byte(DIICOT.root().der().to_vec())),
        ("a device certificate as a root", good().der()),
    ]
}

fn certificates() -> Certificates {
    let devices = [good_devices(), unvouched_devices(), malformed_devices()].concat();
    let with = |judge: fn(&[u8]) -> String| move |(name, der): (&str, Vec<u8>)| case(name, STANDARD.encode(&der), judge(&der));
    Certificates {
        pin: pin().to_string(),
        trust_list: first_list().to_json().to_owned(),
        at: AT.to_owned(),
        devices: devices.into_iter().map(with(judge_device)).collect(),
        roots: roots().into_iter().map(with(judge_root)).collect(),
    }
}

fn trust_lists() -> TrustLists {
    let first = first_unverified().to_json();
    let second = || draft("2026-02-01T00:00:00Z", 2, first_draft().offices);
    let unsigned = || second().after(&first_list()).unwrap();
    let both: [&TestOffice; 2] = [&DIICOT, &PARQUET];
    let envelope = |typ: Typ, payload: &[u8]| {
        let mut jws = GeneralJws::unsigned(typ, payload);
        for office in both {
            jws.sign(office.root_id().digest(), &key(office.seed));
        }
        jws.to_json()
    };
    let payload = GeneralJws::parse(unsigned().to_json().as_bytes(), Typ::TrustList).unwrap().unverified_payload().to_vec();
    let payload_text = String::from_utf8(payload.clone()).unwrap();
    let rewritten = |from: &str, to: &str| {
        assert!(payload_text.contains(from));
        envelope(Typ::TrustList, payload_text.replacen(from, to, 1).as_bytes())
    };
    let mut forged = signed(unsigned(), &both);
    forged.sign(INSPECTION.root_id(), &key(DIICOT.seed));
    let other_first = {
        let mut other = first_draft();
        other.threshold = 1;
        signed(other.first().unwrap(), &both)
    };
    let after_other = second().after(&other_first.clone().verify_first(&TrustPin::new(other_first.digest())).unwrap()).unwrap();
    let mut early = second();
    early.issued = super::world::claimed("2026-01-01T00:00:00Z");
    let firsts = vec![
        ("the pinned list", first.clone()),
        ("another list", other_first.to_json()),
        ("the pinned list with one signature of two", signed(first_draft().first().unwrap(), &[&DIICOT]).to_json()),
        ("the pinned list signed twice by one office", signed(first_draft().first().unwrap(), &[&DIICOT, &DIICOT]).to_json()),
    ];
    let successors = vec![
        ("signed by two of three", signed(unsigned(), &both).to_json()),
        ("signed by all", signed(unsigned(), &[&DIICOT, &PARQUET, &INSPECTION]).to_json()),
        ("not signed", unsigned().to_json()),
        ("too few signatures", signed(unsigned(), &[&DIICOT]).to_json()),
        ("the same office twice", signed(unsigned(), &[&DIICOT, &DIICOT]).to_json()),
        ("a signer who is not on the last list", signed(unsigned(), &[&DIICOT, &PARQUET, &STRANGER]).to_json()),
        ("a forged signature beside enough good ones", forged.to_json()),
        ("another list before", signed(after_other, &both).to_json()),
        ("the first list again", first.clone()),
        ("issued before the last", signed(early.after(&first_list()).unwrap(), &both).to_json()),
        ("a number skipped", rewritten("\"number\":2", "\"number\":3")),
        ("signed for another use", envelope(Typ::Intent, &payload)),
        ("version 2", rewritten("\"v\":1", "\"v\":2")),
        ("an unknown member", rewritten("\"v\":1", "\"v\":1,\"admin\":true")),
        ("a member twice", rewritten("\"v\":1", "\"v\":1,\"v\":1")),
        ("no list before", rewritten(&format!("\"previous\":\"{}\"", first_list().digest()), "\"previous\":null")),
        ("a threshold of none", rewritten("\"threshold\":2", "\"threshold\":0")),
        ("a threshold above the offices", rewritten("\"threshold\":2", "\"threshold\":4")),
        ("an unknown role", rewritten("\"administrator\"", "\"emperor\"")),
        ("an office that supervises nobody known", rewritten("\"supervises\":[\"ro-diicot\"]", "\"supervises\":[\"xx-nobody\"]")),
        ("an office with another country than its root", rewritten("\"country\":\"RO\"", "\"country\":\"BG\"")),
        ("a name that hides a character", rewritten("\"DIICOT\"", "\"DII\u{200b}COT\"")),
    ];
    TrustLists {
        pin: pin().to_string(),
        first,
        firsts: firsts.into_iter().map(|(name, text)| case(name, text.clone(), judge_first(&text))).collect(),
        successors: successors.into_iter().map(|(name, text)| case(name, text.clone(), judge_successor(&text))).collect(),
    }
}

fn compare(file: &str, committed: &str, made: &impl Serialize) {
    let made = serde_json::to_string_pretty(made).unwrap() + "\n";
    assert!(made == committed, "tests/vectors/identity/{file} differs\nBEGIN {file}\n{made}END {file}");
}

const CERTIFICATES: &str = include_str!("../../../../../tests/vectors/identity/certificates.json");
const TRUST_LISTS: &str = include_str!("../../../../../tests/vectors/identity/trust-lists.json");

#[test]
fn certificate_vectors_are_those_made_here() {
    compare("certificates.json", CERTIFICATES, &certificates());
}

#[test]
fn trust_list_vectors_are_those_made_here() {
    compare("trust-lists.json", TRUST_LISTS, &trust_lists());
}

#[test]
fn certificate_vectors_are_judged_as_their_files_say() {
    let file: Certificates = serde_json::from_str(CERTIFICATES).unwrap();
    let list = UnverifiedTrustList::parse(file.trust_list.as_bytes()).unwrap().verify_first(&file.pin.parse().unwrap()).unwrap();
    for one in &file.devices {
        let read = UnverifiedCertificate::parse(&STANDARD.decode(&one.input).unwrap()).map_err(Into::into);
        let verdict = read.and_then(|certificate| list.certify(certificate, log_time(&file.at)));
        let verdict = verdict.map_or_else(|error| format!("{} {error}", error.rule()), |_| "good".to_owned());
        assert_eq!(verdict, one.verdict, "{}", one.name);
    }
    for one in &file.roots {
        assert_eq!(judge_root(&STANDARD.decode(&one.input).unwrap()), one.verdict, "{}", one.name);
    }
    let good = file.devices.iter().filter(|one| one.verdict == "good").count();
    assert_eq!((good, file.devices.len() - good), (good_devices().len(), unvouched_devices().len() + malformed_devices().len()));
}

#[test]
fn trust_list_vectors_are_judged_as_their_files_say() {
    let file: TrustLists = serde_json::from_str(TRUST_LISTS).unwrap();
    let pin: TrustPin = file.pin.parse().unwrap();
    let first = UnverifiedTrustList::parse(file.first.as_bytes()).unwrap().verify_first(&pin).unwrap();
    for one in &file.firsts {
        assert_eq!(judge_list(&one.input, |list| list.verify_first(&pin).map(|_| ())), one.verdict, "{}", one.name);
    }
    for one in &file.successors {
        assert_eq!(judge_list(&one.input, |list| list.verify_successor(&first).map(|_| ())), one.verdict, "{}", one.name);
    }
    assert_eq!(file.successors.iter().filter(|one| one.verdict == "good").count(), 2);
}

#[test]
fn every_role_has_its_own_word_and_purpose() {
    for role in Role::ALL {
        assert_eq!(serde_json::to_string(&role).unwrap(), format!("\"{role}\""));
        assert_eq!(crate::identity::ARCS[0].role(role).to_string(), format!("1.3.6.1.4.1.32473.1.{}", role as u8 + 1));
    }
}
