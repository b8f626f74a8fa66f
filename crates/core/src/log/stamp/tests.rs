//! The vectors of `tests/vectors/stamps`, and what they cannot show.

use super::*;
use crate::log::{LogKey, SignedCheckpoint};
use serde_json::Value;

fn file(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn cases() -> Value {
    file(include_str!("../../../../../tests/vectors/stamps/cases.json"))
}

fn stamped(file: &Value) -> StampedBytes {
    let key: LogKey = file["log"].as_str().unwrap().parse().unwrap();
    let note = file["checkpoint"].as_str().unwrap();
    let checkpoint = SignedCheckpoint::parse(note.as_bytes()).unwrap().verify(&key).unwrap();
    let bytes = StampedBytes::of(&checkpoint);
    assert_eq!(bytes.as_bytes(), note.as_bytes());
    bytes
}

fn roots(file: &Value, case: &Value) -> StampRoots {
    let pem: String =
        case["roots"].as_array().unwrap().iter().map(|name| file["roots"][name.as_str().unwrap()].as_str().unwrap()).collect();
    StampRoots::parse(&pem).unwrap()
}

fn response(case: &Value) -> Vec<u8> {
    STANDARD.decode(case["stamp"].as_str().unwrap()).unwrap()
}

fn judge(file: &Value, case: &Value) -> Result<VerifiedStamp, StampError> {
    UnverifiedStamp::parse(&response(case))?.verify(&stamped(file), &roots(file, case))
}

/// The name of an error's rule in the vectors.
fn fault(error: &StampError) -> String {
    let rule = match error {
        StampError::Rejected(fault) => format!("{fault:?}"),
        other => format!("{other:?}").split(['(', ' ']).next().unwrap().to_owned(),
    };
    let dashed = rule.chars().flat_map(|c| c.is_uppercase().then_some('-').into_iter().chain(c.to_lowercase()));
    dashed.collect::<String>().trim_start_matches('-').to_owned()
}

fn check_all(file: &Value, least: usize) {
    let cases = file["cases"].as_array().unwrap();
    assert!(cases.len() >= least);
    let mut wrong = Vec::new();
    for case in cases {
        let found = judge(file, case);
        let (worth, rule) = match &found {
            Ok(_) => ("genuine", None),
            Err(error) if error.counts_for_nothing() => ("counts-for-nothing", Some(fault(error))),
            Err(error) => ("fails", Some(fault(error))),
        };
        if (worth, rule.as_deref()) != (case["expect"].as_str().unwrap(), case["fault"].as_str()) {
            wrong.push(format!("{}: {found:?}", case["name"]));
        }
        if let (Ok(stamp), Some(earliest)) = (&found, case["earliest"].as_u64()) {
            let told = (stamp.earliest().millis(), stamp.latest().millis(), stamp.serial());
            assert_eq!(told, (earliest, case["latest"].as_u64().unwrap(), case["serial"].as_str().unwrap().to_owned()), "{}", case["name"]);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn stamps_are_worth_what_their_vectors_say() {
    check_all(&cases(), 98);
}

#[test]
fn stamps_of_openssl_are_genuine_under_their_own_root_alone() {
    let file = file(include_str!("../../../../../tests/vectors/stamps/openssl.json"));
    check_all(&file, 15);
    let stamp = judge(&file, &file["cases"][0]).unwrap();
    assert!(stamp.authority().contains("CN=Stamps p-256-sha-256"), "{}", stamp.authority());
    // secs:1, millisecs:500, microsecs:100, rounded up, on both sides.
    assert_eq!(stamp.latest().millis() - stamp.earliest().millis(), 2 * 1501);
}

#[test]
fn a_stamp_with_any_byte_changed_is_not_genuine_and_no_input_panics() {
    let file = cases();
    let case = file["cases"].as_array().unwrap().iter().find(|case| case["name"] == "below-one-intermediate").unwrap();
    let (stamped, roots, good) = (stamped(&file), roots(&file, case), response(case));
    let mut believed = Vec::new();
    for at in 0..good.len() {
        for change in [1, 0x80, good[at]] {
            let mut bytes = good.clone();
            bytes[at] ^= change;
            if bytes != good && UnverifiedStamp::parse(&bytes).and_then(|stamp| stamp.verify(&stamped, &roots)).is_ok() {
                believed.push((at, change));
            }
        }
        let cut = UnverifiedStamp::parse(&good[..at]);
        assert!(cut.is_err(), "{at}");
    }
    // Outside what is signed stand the status, of which 0 and 1 both say that the stamp is granted, and the list of digest algorithms.
    let outside: Vec<usize> = believed.iter().map(|(at, _)| *at).collect();
    let list = good.windows(2).position(|pair| pair == [0x31, 0x0f]).unwrap();
    assert!(outside.iter().all(|at| *at < list + 17), "{believed:?}");
}

#[test]
fn a_request_is_answered_by_a_stamp_of_its_nonce() {
    let file = cases();
    let request = StampRequest::new(&stamped(&file), [0xff, 1, 2, 3, 4, 5, 6, 7]);
    // SEQUENCE of 67 bytes, version 1, and at its end the nonce 7f01…07 and certReq TRUE.
    let der = request.to_der();
    assert_eq!((&der[..5], &der[der.len() - 13..]), (&[0x30, 67, 2, 1, 1][..], &[2, 8, 0x7f, 1, 2, 3, 4, 5, 6, 7, 1, 1, 0xff][..]));
    assert_eq!(der.len(), 69);
    let mut stamp = judge(&file, &file["cases"][0]).unwrap();
    assert!(!request.is_answered_by(&stamp));
    stamp.nonce = Some(vec![0x7f, 1, 2, 3, 4, 5, 6, 7]);
    assert!(request.is_answered_by(&stamp));
    stamp.nonce = Some(vec![0x7f, 1, 2, 3, 4, 5, 6, 8]);
    assert!(!request.is_answered_by(&stamp));
}

#[test]
fn stamped_bytes_leave_out_cosignatures() {
    let file = cases();
    let key: LogKey = file["log"].as_str().unwrap().parse().unwrap();
    let note = file["checkpoint"].as_str().unwrap();
    let other = "— example.org/witness AAAAAAAAAAAAAAAA\n";
    for whole in [format!("{note}{other}"), note.replace("\n\n", &format!("\n\n{other}"))] {
        let checkpoint = SignedCheckpoint::parse(whole.as_bytes()).unwrap().verify(&key).unwrap();
        assert_eq!(StampedBytes::of(&checkpoint).as_bytes(), note.as_bytes());
    }
}

#[test]
fn roots_that_are_no_certificates_are_refused() {
    let file = cases();
    let pem = file["roots"]["root"].as_str().unwrap();
    assert_eq!(StampRoots::parse(&format!("Root of an authority\n{pem}\n{pem}")).unwrap().names().count(), 2);
    assert!(StampRoots::parse("\n").unwrap().is_empty());
    for wrong in [
        pem.replace("-----END", "-----END OF"),
        pem.replacen("MII", "MI", 1),
        pem.replacen("MII", "AAA", 1),
        pem.replacen("MII", "\u{20ac}", 1),
    ] {
        assert!(StampRoots::parse(&wrong).is_err(), "{wrong}");
    }
    assert!(matches!(StampRoots::parse(&" ".repeat(MAX_ROOTS_BYTES + 1)), Err(StampError::TooLarge(_))));
    assert!(StampRoots::parse(&pem.repeat(257)).is_err());
}
