//! Device certificates and requests: the form, and whether the list vouches.

use ed25519_dalek::SigningKey;

use super::world::{DIICOT, NOT_AFTER, NOT_BEFORE, TestDevice, claimed, first_list, key, log_time, prosecutor, texts};
use crate::identity::{
    CertificateError, DeviceRequest, DeviceRequestDraft, RequestError, Role, RootCertificate, Rule, SealingPublicKey, UnverifiedCertificate,
};
use crate::ids::DeviceId;
use crate::jws::{self, JwsError, Typ};

#[test]
fn a_certificate_of_an_office_says_who_the_device_acts_for() {
    let device = prosecutor(&DIICOT, "ana.pop", 11);
    let certificate = first_list().certify(device.certificate(), log_time("2026-06-01T00:00:00Z")).unwrap();
    let (country, name, label) = texts();
    assert_eq!(certificate.person().to_string(), "ro-diicot/ana.pop");
    assert_eq!((certificate.role(), certificate.device()), (Role::Prosecutor, device.device_id()));
    assert_eq!((certificate.fields().country, &certificate.fields().name, &certificate.fields().label), (country, &name, &label));
    assert_eq!(certificate.key(), &key(11).verifying_key());
    assert_eq!(certificate.sealing_key().unwrap().as_bytes(), &[11; 1216]);
    assert_eq!(certificate.root(), DIICOT.root_id());
}

#[test]
fn idn_08_both_ends_of_the_validity_count_and_nothing_beyond() {
    let certify = |time: &str| first_list().certify(prosecutor(&DIICOT, "ana.pop", 11).certificate(), log_time(time));
    certify(NOT_BEFORE).unwrap();
    certify(NOT_AFTER).unwrap();
    certify("2026-12-31T23:59:59.999Z").unwrap();
    let early = certify("2025-12-31T23:59:59.999Z").unwrap_err();
    assert_eq!(early, CertificateError::NotYetValid { from: log_time(NOT_BEFORE) });
    let late = certify("2027-01-01T00:00:00Z").unwrap_err();
    assert_eq!((&late, late.rule()), (&CertificateError::Expired { until: log_time(NOT_AFTER) }, Rule::WithinValidity));
}

#[test]
fn idn_06_a_root_that_is_not_in_force_vouches_for_nobody() {
    let mut device = prosecutor(&DIICOT, "ana.pop", 11);
    device.not_before = "2025-01-01T00:00:00Z";
    device.not_after = "2025-12-31T00:00:00Z";
    let refused = first_list().certify(device.certificate(), log_time("2025-05-31T23:59:59Z")).unwrap_err();
    assert_eq!((&refused, refused.rule()), (&CertificateError::UnknownIssuer { office: "ro-diicot".parse().unwrap() }, Rule::OfficeIssued));
    first_list().certify(device.certificate(), log_time("2025-06-01T00:00:00Z")).unwrap();
}

#[test]
fn idn_07_nobody_exceeds_their_office() {
    let certify = |device: TestDevice| first_list().certify(device.certificate(), log_time("2026-06-01T00:00:00Z")).unwrap_err();
    let abroad = certify(TestDevice { country: "BG", ..prosecutor(&DIICOT, "ana.pop", 11) });
    assert_eq!(abroad, CertificateError::CountryMismatch { certificate: "BG".parse().unwrap(), office: "RO".parse().unwrap() });
    let auditor = certify(TestDevice { role: 2, ..prosecutor(&DIICOT, "ana.pop", 11) });
    let expected = CertificateError::RoleNotPermitted { office: "ro-diicot".parse().unwrap(), role: Role::Auditor };
    assert_eq!((&auditor, auditor.rule(), abroad.rule()), (&expected, Rule::WithinTheOffice, Rule::WithinTheOffice));
}

#[test]
fn idn_05_every_changed_byte_is_refused() {
    let der = prosecutor(&DIICOT, "ana.pop", 11).der();
    let list = first_list();
    let time = log_time("2026-06-01T00:00:00Z");
    // The 1216 bytes of the sealing key are all alike to the reader: one in sixteen of them stands for the rest.
    let sealing = der.windows(1216).position(|window| window == [11; 1216]).unwrap();
    for place in (0..der.len()).filter(|place| !(sealing..sealing + 1216).contains(place) || place % 16 == 0) {
        let mut changed = der.clone();
        changed[place] ^= 1;
        let accepted = UnverifiedCertificate::parse(&changed).map_err(CertificateError::from).and_then(|cut| list.certify(cut, time));
        assert!(accepted.is_err(), "the change at {place} was accepted");
    }
    for cut in [0, 1, der.len() / 2, der.len() - 1] {
        assert!(UnverifiedCertificate::parse(&der[..cut]).is_err());
    }
    assert!(UnverifiedCertificate::parse(&[der, vec![0]].concat()).is_err());
    assert_eq!(UnverifiedCertificate::parse(&[0x30; 4097]).unwrap_err().fault, "longer than 4096 bytes");
}

#[test]
fn a_root_and_a_device_certificate_are_never_taken_for_one_another() {
    assert_eq!(UnverifiedCertificate::parse(DIICOT.root().der()).unwrap_err().field, "validity");
    assert_eq!(RootCertificate::parse(&prosecutor(&DIICOT, "ana.pop", 11).der()).unwrap_err().field, "subject");
}

fn request() -> DeviceRequestDraft {
    let (_, name, label) = texts();
    DeviceRequestDraft {
        device: DeviceId::from_bytes([11; 16]),
        person: "ro-diicot/ana.pop".parse().unwrap(),
        name,
        label,
        role: Role::Prosecutor,
        sealing_key: SealingPublicKey::from_bytes(&[11; 1216]),
        time: claimed("2026-01-02T10:00:00+02:00"),
    }
}

/// A request with this payload, signed by `signer` over the digest of `named`.
fn request_of(payload: &str, named: &SigningKey, signer: &SigningKey) -> String {
    let digest = crate::digest::Sha256Digest::of(&[named.verifying_key().as_bytes()]);
    jws::sign(Typ::DeviceRequest, digest, payload.as_bytes(), signer).text().to_owned()
}

fn payload_of(request: &DeviceRequest) -> String {
    let jws = jws::UnverifiedJws::parse(request.text(), Typ::DeviceRequest).unwrap();
    String::from_utf8(jws.unverified_payload().to_vec()).unwrap()
}

#[test]
fn a_request_reads_back_as_it_was_signed() {
    let signed = request().sign(&key(11)).unwrap();
    let read = DeviceRequest::parse(signed.text()).unwrap();
    assert_eq!(read, signed);
    assert_eq!((read.wanted(), read.key()), (&request(), &key(11).verifying_key()));
    assert_eq!(read.fingerprint(), signed.fingerprint());
}

#[test]
fn a_request_must_be_signed_by_the_key_that_it_names() {
    let payload = payload_of(&request().sign(&key(11)).unwrap());
    let by_another = DeviceRequest::parse(&request_of(&payload, &key(11), &key(12)));
    assert_eq!(by_another, Err(RequestError::Jws(JwsError::BadSignature)));
    let named_another = DeviceRequest::parse(&request_of(&payload, &key(12), &key(11)));
    assert_eq!(named_another, Err(RequestError::Malformed("the header does not name the key inside")));
}

#[test]
fn requests_without_their_form_are_refused() {
    let payload = payload_of(&request().sign(&key(11)).unwrap());
    let sealing_at = payload.find("\"sealing_key\":\"").unwrap();
    let sealing = &payload[sealing_at..payload.find(",\"time\"").unwrap()];
    for bad in [
        payload.replace("\"v\":1", "\"v\":2"),
        payload.replace("\"v\":1", "\"v\":1,\"admin\":true"),
        payload.replace("prosecutor", "judge"),
        payload.replace("Ana Pop", "Ana\u{202e}Pop"),
        payload.replace(sealing, "\"sealing_key\":null"),
        payload.replace(sealing, "\"sealing_key\":\"AAAA\""),
        payload.replace(&format!("{sealing},"), ""),
        payload.replace("2026-01-02T10", "2026-13-02T10"),
    ] {
        assert_ne!(bad, payload);
        assert!(matches!(DeviceRequest::parse(&request_of(&bad, &key(11), &key(11))), Err(RequestError::Malformed(_))), "{bad}");
    }
    assert_eq!(DeviceRequest::parse(&"a".repeat(8193)), Err(RequestError::Malformed("longer than 8192 bytes")));
    let mut without = request();
    without.sealing_key = None;
    assert!(without.clone().sign(&key(11)).is_err());
    without.role = Role::Administrator;
    without.sign(&key(11)).unwrap();
}
