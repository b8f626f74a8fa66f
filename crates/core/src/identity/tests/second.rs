//! Vectors that the second implementation (`tests/oracle`) makes: signatures, device requests, certificates; and those of Wycheproof and CCTV.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::world::log_time;
use crate::identity::{DeviceRequest, UnverifiedCertificate, UnverifiedTrustList};

/// Judges a signature as every signed thing here is judged: by a key that is usable at all, strictly.
fn judge_signature(key: &str, message: &str, signature: &str) -> &'static str {
    let bytes = |digits: &str| hex::decode(digits).unwrap();
    let verified = crate::identity::x509::verifying_key(&bytes(key)).zip(ed25519_dalek::Signature::from_slice(&bytes(signature)).ok());
    if verified.is_some_and(|(key, signature)| key.verify_strict(&bytes(message), &signature).is_ok()) { "ok" } else { "Refused" }
}

#[test]
fn signatures_are_judged_strictly_as_their_vectors_say() {
    let file: serde_json::Value = serde_json::from_str(include_str!("../../../../../tests/vectors/signatures/ed25519.json")).unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert!(cases.len() >= 210);
    for case in cases {
        let text = |member: &str| case[member].as_str().unwrap();
        assert_eq!(judge_signature(text("key"), text("message"), text("signature")), text("expect"), "{}", text("name"));
    }
}

#[test]
fn signatures_of_wycheproof_are_judged_as_it_says() {
    let file: serde_json::Value =
        serde_json::from_str(include_str!("../../../../../tests/vectors/foreign/ed25519/ed25519_test.json")).unwrap();
    let mut count = 0;
    for group in file["testGroups"].as_array().unwrap() {
        for test in group["tests"].as_array().unwrap() {
            let judged =
                judge_signature(group["publicKey"]["pk"].as_str().unwrap(), test["msg"].as_str().unwrap(), test["sig"].as_str().unwrap());
            assert_eq!(judged == "ok", test["result"] == "valid", "{}", test["tcId"]);
            count += 1;
        }
    }
    assert_eq!(count, 150);
}

#[test]
fn signatures_of_cctv_at_every_edge_of_the_curve_are_judged_strictly() {
    let file: serde_json::Value =
        serde_json::from_str(include_str!("../../../../../tests/vectors/foreign/cctv/ed25519vectors.json")).unwrap();
    let (mut good, mut bad) = (0, 0);
    for case in file.as_array().unwrap() {
        let flags: Vec<&str> = case["flags"].as_array().into_iter().flatten().map(|flag| flag.as_str().unwrap()).collect();
        let strict = flags.iter().all(|flag| flag.starts_with("low_order_component"));
        let text = |member: &str| case[member].as_str().unwrap();
        let judged = judge_signature(text("key"), &hex::encode(text("msg")), text("sig"));
        assert_eq!(judged == "ok", strict, "{} {flags:?}", case["number"]);
        *(if strict { &mut good } else { &mut bad }) += 1;
    }
    assert_eq!((good, bad), (43, 871));
}

const REQUESTS: &str = include_str!("../../../../../tests/vectors/identity/requests.json");
const ISSUED: &str = include_str!("../../../../../tests/vectors/identity/issued.json");
const LIST: &str = include_str!("../../../../../tests/vectors/identity/list.json");

#[test]
fn device_requests_are_made_and_refused_as_their_vectors_say() {
    let file: serde_json::Value = serde_json::from_str(REQUESTS).unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert!(cases.len() >= 28);
    for case in cases {
        let text = |member: &str| case[member].as_str().unwrap();
        let read = DeviceRequest::parse(text("request"));
        let answer = read.as_ref().err().map_or_else(|| "ok".to_owned(), |error| format!("{error:?}"));
        assert_eq!(answer.split('(').next(), Some(text("expect")), "{}: {answer}", text("name"));
        if let Ok(request) = read {
            assert_eq!(request.fingerprint().to_string(), text("fingerprint"));
            let seed: [u8; 32] = hex::decode(text("seed")).unwrap().try_into().unwrap();
            let again = request.wanted().clone().sign(&ed25519_dalek::SigningKey::from_bytes(&seed)).unwrap();
            assert_eq!(again.text(), text("request"));
        }
    }
}

#[test]
fn certificates_of_the_second_implementation_are_judged_as_their_vectors_say() {
    let world: serde_json::Value = serde_json::from_str(LIST).unwrap();
    let text = |member: &str| world[member].as_str().unwrap();
    let list = UnverifiedTrustList::parse(text("list").as_bytes()).unwrap().verify_first(&text("pin").parse().unwrap()).unwrap();
    let file: serde_json::Value = serde_json::from_str(ISSUED).unwrap();
    for case in file["cases"].as_array().unwrap() {
        let der = STANDARD.decode(case["certificate"].as_str().unwrap()).unwrap();
        let read = UnverifiedCertificate::parse(&der).map_err(Into::into);
        let answer = read.and_then(|certificate| list.certify(certificate, log_time(text("at"))));
        let answer = answer.map_or_else(|error| error.rule().to_string(), |_| "ok".to_owned());
        assert_eq!(answer, case["expect"].as_str().unwrap(), "{}", case["name"]);
    }
}
