use super::*;
use crate::custody::body::{Consultation, Disclosure, LogRead, Nothing, ViewMode};
use base64::Engine as _;

pub(crate) fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

pub(crate) fn sealed() -> Sealed {
    Sealed {
        message: Base64Url(vec![1; 56 + 256 + 16]),
        ring: Some(RingWrap { version: 1, wrap: Base64Url(vec![2; 104]) }),
        auditors: vec![],
        trust_list: 1,
    }
}

pub(crate) fn consultation() -> Intent {
    Intent {
        origin: "custodia.example/log".to_owned(),
        id: IntentId::from_bytes([1; 16]),
        case: CaseId::from_bytes([2; 16]),
        exhibit: Some(ExhibitId::from_bytes([3; 16])),
        purpose: Some(Purpose::Investigation),
        recipients: vec![],
        time: ClaimedTime::parse("2026-11-23T21:04:05+01:00").unwrap(),
        clock: ClockSource::Os,
        group: Some(GroupSeen { id: Hex(vec![4; 20]), epoch: 3, transcript: Hex(vec![5; 48]) }),
        seen: Seen { size: 9, root: Sha256Digest::of(&[b"root"]) },
        chain_seen: Some(ChainSeen { seq: 0, commitment: Sha256Digest::of(&[b"record"]) }),
        body: Body::Consultation(Consultation { mode: ViewMode::View }),
        sealed: Some(sealed()),
    }
}

fn certificate() -> Sha256Digest {
    Sha256Digest::of(&[b"certificate"])
}

fn signed() -> SignedIntent {
    consultation().sign(certificate(), &key()).unwrap()
}

/// Signs a payload in which one text was replaced; the signature is genuine, the form is not.
fn signed_with(from: &str, to: &str) -> Result<UnverifiedIntent, IntentError> {
    let text = signed().text().to_owned();
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text.split('.').nth(1).unwrap()).unwrap();
    let payload = String::from_utf8(payload).unwrap();
    assert!(payload.contains(from), "{from} not in {payload}");
    let changed = payload.replacen(from, to, 1);
    UnverifiedIntent::parse(jws::sign(Typ::Intent, certificate(), changed.as_bytes(), &key()).text())
}

#[test]
fn an_intent_reads_back_as_it_was_signed() {
    let read = UnverifiedIntent::parse(signed().text()).unwrap();
    assert_eq!(read.signer(), certificate());
    assert_eq!(*read.verify(&key().verifying_key()).unwrap(), consultation());
}

#[test]
fn unknown_repeated_and_missing_members_are_refused() {
    for (from, to) in [
        (r#""v":1"#, r#""v":1,"extra":0"#),
        (r#""v":1"#, r#""v":1,"v":1"#),
        (r#""clock":"os","#, ""),
        (r#""mode":"view""#, r#""mode":"view","mode":"view""#),
        (r#""mode":"view""#, r#""mode":"view","copy":true"#),
        (r#""mode":"view""#, r#""mode":"print""#),
        (r#""kind":"consultation""#, r#""kind":"opening""#),
        (r#""kind":"consultation""#, r#""kind":"erasure""#),
        (r#""size":9"#, r#""size":-9"#),
        (r#""size":9"#, r#""size":9.5"#),
        (r#""2026-11-23T21:04:05+01:00""#, r#""2026-11-23T21:04:05""#),
        (r#""2026-11-23T21:04:05+01:00""#, r#""2026-13-23T21:04:05Z""#),
        ("01010101010101010101010101010101", "0101010101010101010101010101010"),
        ("02020202020202020202020202020202", "0202020202020202020202020202020G"),
        (r#""epoch":3"#, r#""epoch":18446744073709551616"#),
    ] {
        assert!(matches!(signed_with(from, to), Err(IntentError::Malformed(_))), "{from} -> {to}");
    }
}

#[test]
fn a_newer_version_is_named() {
    let Err(IntentError::Malformed(text)) = signed_with(r#""v":1"#, r#""v":2"#) else { panic!("accepted") };
    assert!(text.contains("newer"), "{text}");
}

#[test]
fn upper_case_identifiers_are_refused_so_that_one_value_has_one_text() {
    let mut intent = consultation();
    intent.id = IntentId::from_bytes([0xab; 16]);
    let text = intent.sign(certificate(), &key()).unwrap();
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text.text().split('.').nth(1).unwrap()).unwrap();
    let changed = String::from_utf8(payload).unwrap().replace("abab", "ABAB");
    let text = jws::sign(Typ::Intent, certificate(), changed.as_bytes(), &key());
    assert!(matches!(UnverifiedIntent::parse(text.text()), Err(IntentError::Malformed(_))));
}

#[test]
fn an_opening_without_purpose_reason_exhibit_or_chain_is_refused() {
    let wrong: [fn(&mut Intent); 13] = [
        |intent| intent.purpose = None,
        |intent| intent.sealed = Some(Sealed { ring: None, ..sealed() }),
        |intent| intent.purpose = Some(Purpose::LawfulnessCheck),
        |intent| intent.sealed = None,
        |intent| intent.exhibit = None,
        |intent| intent.chain_seen = None,
        |intent| intent.group = None,
        |intent| intent.case = CaseId::REGISTRY,
        |intent| intent.recipients = vec!["nl-om/joost".to_owned()],
        |intent| intent.body = Body::Disclosure(Disclosure::Export {}),
        |intent| intent.body = Body::HoldPlace(Nothing {}),
        |intent| intent.body = Body::MemberLeave(Nothing {}),
        |intent| {
            let wrap = AuditorWrap { certificate: certificate(), wrap: Base64Url(vec![0; AUDITOR_WRAP_BYTES]) };
            intent.sealed = Some(Sealed { auditors: vec![wrap; MAX_AUDITORS + 1], ..sealed() });
        },
    ];
    for (number, change) in wrong.iter().enumerate() {
        let mut intent = consultation();
        change(&mut intent);
        assert!(matches!(intent.sign(certificate(), &key()), Err(IntentError::Shape { .. })), "case {number} was signed");
    }
}

#[test]
fn a_disclosure_names_its_recipients() {
    let mut intent = consultation();
    intent.body = Body::Disclosure(Disclosure::Export {});
    intent.recipients = vec!["Court of Antwerp".to_owned()];
    assert!(intent.clone().sign(certificate(), &key()).is_ok());
    intent.recipients = vec!["x".repeat(MAX_RECIPIENT_BYTES + 1)];
    assert!(intent.clone().sign(certificate(), &key()).is_err());
    intent.recipients = vec![String::new()];
    assert!(intent.sign(certificate(), &key()).is_err());
}

#[test]
fn a_reading_of_the_log_seals_its_reason_without_a_ring_key() {
    let mut intent = consultation();
    intent.body = Body::LogRead(LogRead { from: 0, to: 9 });
    (intent.exhibit, intent.chain_seen, intent.group) = (None, None, None);
    intent.case = CaseId::REGISTRY;
    intent.purpose = Some(Purpose::LawfulnessCheck);
    let with_ring = intent.clone().sign(certificate(), &key());
    assert!(matches!(with_ring, Err(IntentError::Shape { kind: Kind::LogRead, .. })));
    intent.sealed = Some(Sealed { ring: None, ..sealed() });
    let signed = intent.clone().sign(certificate(), &key()).unwrap();
    assert_eq!(*UnverifiedIntent::parse(signed.text()).unwrap().unverified(), intent);
}
