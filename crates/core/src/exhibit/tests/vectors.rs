//! Our own vectors (`tests/vectors/exhibit/`): made here from fixed keys and salts, and read back as any implementation would.
//!
//! Each file is checked twice: that the generator still makes it, and that every case has the outcome it names. To make the files
//! anew after a change of the format, build the tests with `CUSTODIA_BLESS=1` set and run this module.

use serde_json::{Value, json};

use super::super::cobblestone;
use super::super::keys::{
    ExhibitKey, ExhibitKeyCommitment, GroupShare, KekId, KeyEncryptionKey, ReasonKey, ReleaseShare, ReleaseShareCommitment, RingKey,
    RingVersion,
};
use super::super::padding::padme;
use super::super::sealed_text::{SealedText, SealedTextPlace};
use super::super::segment::{Segment, SegmentPlan};
use super::super::wrap::{GroupShareWrap, ReasonKeyWrap, ReleaseShareWrap, WrappedSecret, unwrap, wrap};
use super::{Aes, CASE, EXHIBIT, OTHER_EXHIBIT, exhibit_key, outcome, salt, secret, stream};
use crate::digest::{Blake3Digest, Sha256Digest};
use crate::ids::{CaseId, ExhibitId, IntentId};

/// The intake record of the worked example, in the form that a manifest has it.
pub(super) const INTAKE: &str = include_str!("../../../../../tests/vectors/exhibit/intake.json");

/// One vector file: its test, its generator, the check of one case.
macro_rules! vector_file {
    ($test:ident, $name:literal, $make:ident, $check:ident) => {
        #[test]
        #[expect(clippy::disallowed_methods, reason = "a test that is asked to writes its vectors anew")]
        fn $test() {
            let made = $make();
            if option_env!("CUSTODIA_BLESS").is_some() {
                let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/exhibit/", $name);
                std::fs::write(path, serde_json::to_string_pretty(&made).unwrap() + "\n").unwrap();
                return;
            }
            let kept: Value = serde_json::from_str(include_str!(concat!("../../../../../tests/vectors/exhibit/", $name))).unwrap();
            assert!(made == kept, "the generator no longer makes {}", $name);
            let cases = kept["cases"].as_array().unwrap();
            let bad = cases.iter().filter(|case| case["result"] != "ok").count();
            assert!(bad > cases.len() - bad || cases.iter().all(|case| case["result"].is_null()), "more bad than good");
            for case in cases {
                $check(&kept, case);
            }
        }
    };
}

pub(super) use vector_file;

pub(super) fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().unwrap()
}

fn merged(base: &Value, changes: &Value) -> Value {
    let mut all = base.as_object().unwrap().clone();
    all.extend(changes.as_object().unwrap().clone());
    Value::Object(all)
}

// Segments.

pub(super) fn segment_context(exhibit: ExhibitId, index: u64, last: u8) -> Vec<u8> {
    [b"custodia/segment/v1".as_slice(), exhibit.as_bytes(), &index.to_be_bytes(), &[last]].concat()
}

fn make_segments() -> Value {
    let mut padded = stream(5000);
    padded.resize(5120, 0);
    let sealed =
        |context: Vec<u8>, plaintext: &[u8]| cobblestone::seal::<Aes>(exhibit_key().expose(), &salt(0x5a), &context, plaintext).unwrap();
    let good = sealed(segment_context(EXHIBIT, 0, 1), &padded);
    let changed = |at: usize| {
        let mut object = good.clone();
        object[at] ^= 1;
        object
    };
    let mut dirty = padded.clone();
    dirty[5119] = 1;
    let with_all: Vec<u8> = good.iter().copied().chain([0]).collect();
    let cases = [
        ("last_segment", good.clone(), "ok"),
        ("empty_stream", sealed(segment_context(EXHIBIT, 0, 1), &[0; 4096]), "ok"),
        ("sealed_for_another_index", sealed(segment_context(EXHIBIT, 1, 1), &padded), "wrong key or context of segment"),
        ("last_flag_missing", sealed(segment_context(EXHIBIT, 0, 0), &padded), "wrong key or context of segment"),
        ("last_flag_is_two", sealed(segment_context(EXHIBIT, 0, 2), &padded), "wrong key or context of segment"),
        ("sealed_for_another_exhibit", sealed(segment_context(OTHER_EXHIBIT, 0, 1), &padded), "wrong key or context of segment"),
        ("sealed_without_context", sealed(Vec::new(), &padded), "wrong key or context of segment"),
        ("salt_changed", changed(0), "wrong key or context of segment"),
        ("commitment_changed_in_first_byte", changed(24), "wrong key or context of segment"),
        ("commitment_changed_in_last_byte", changed(55), "wrong key or context of segment"),
        ("ciphertext_changed", changed(56), "altered chunk 0 of segment"),
        ("tag_changed", changed(good.len() - 1), "altered chunk 0 of segment"),
        ("cut_by_one_byte", good[..good.len() - 1].to_vec(), "malformed segment"),
        ("cut_to_the_header", good[..56].to_vec(), "malformed segment"),
        ("empty_object", Vec::new(), "malformed segment"),
        ("one_byte_more", with_all, "malformed segment"),
        ("padding_not_zero", sealed(segment_context(EXHIBIT, 0, 1), &dirty), "misbehaved segment"),
        ("padded_too_little", sealed(segment_context(EXHIBIT, 0, 1), &padded[..5000]), "malformed segment"),
    ];
    let mut list: Vec<Value> = cases
        .iter()
        .map(|(name, object, result)| {
            let stream_len = if *name == "empty_stream" { 0 } else { 5000 };
            json!({"name": name, "stream_len": stream_len, "object_name": Blake3Digest::of(object), "object": hex::encode(object), "result": result})
        })
        .collect();
    let named = |name: &str, digest: Blake3Digest, key: &str, result: &str| json!({"name": name, "stream_len": 5000, "object_name": digest, "object": hex::encode(&good), "result": result, "exhibit_key": key});
    list.push(named("other_bytes_than_named", Blake3Digest::of(&padded), &hex::encode(exhibit_key().expose()), "wrong name"));
    list.push(named("another_exhibit_key", Blake3Digest::of(&good), &hex::encode([9; 32]), "wrong key or context of segment"));
    json!({
        "what": "Segment 0 of a one-segment exhibit; each case is opened with the plan of its stream length.",
        "exhibit": EXHIBIT, "exhibit_key": hex::encode(exhibit_key().expose()), "cases": list,
    })
}

fn check_segment(file: &Value, case: &Value) {
    let case = merged(&json!({"exhibit_key": file["exhibit_key"]}), case);
    let plan = SegmentPlan::new(case["stream_len"].as_u64().unwrap()).unwrap();
    let exhibit = file["exhibit"].as_str().unwrap().parse().unwrap();
    let segment = Segment::new(exhibit, &plan, plan.segment(0).unwrap()).unwrap();
    let key = ExhibitKey::from_secret(crate::secret::Secret32::from_bytes(array(&case["exhibit_key"])));
    let name = case["object_name"].as_str().unwrap().parse().unwrap();
    let mut out = Vec::new();
    let opened = segment.open::<Aes>(&key, &name, &bytes(&case["object"]), &mut out).map(<[u8]>::to_vec);
    assert_eq!(outcome(&opened), case["result"], "{}", case["name"]);
    assert!(opened.is_ok() || out.is_empty(), "{}", case["name"]);
    if let Ok(content) = opened {
        assert!(content == stream(plan.stream_len().try_into().unwrap()));
    }
}

vector_file!(segment_vectors_have_their_outcomes, "segment.json", make_segments, check_segment);

// Plans.

fn make_plans() -> Value {
    let mib = 1 << 20;
    let lens = [
        0,
        1,
        4095,
        4096,
        4097,
        4352,
        4353,
        5000,
        65_535,
        65_536,
        65_537,
        mib,
        mib + 1,
        8 * mib - 1,
        8 * mib,
        8 * mib + 1,
        16 * mib,
        16 * mib + 1,
        1 << 32,
        (1 << 32) + 1,
        200_000_000_000,
        (1 << 44) - 1,
        1 << 44,
        (1 << 44) + 1,
        u64::MAX,
    ];
    let cases: Vec<Value> = lens
        .into_iter()
        .map(|len| match SegmentPlan::new(len) {
            Err(error) => json!({"stream_len": len.to_string(), "fault": outcome::<()>(&Err(error))}),
            Ok(plan) => {
                let last = plan.segments().last().unwrap();
                json!({
                    "stream_len": len.to_string(), "padded_len": plan.padded_len(), "segments": plan.segment_count(),
                    "last_segment_len": plan.segment_len(last), "last_object_len": plan.object_len(last),
                })
            }
        })
        .collect();
    json!({"what": "Padding and cutting of content streams; lengths in bytes.", "cases": cases})
}

fn check_plan(_: &Value, case: &Value) {
    let len: u64 = case["stream_len"].as_str().unwrap().parse().unwrap();
    let Some(padded) = case["padded_len"].as_u64() else {
        return assert_eq!(outcome(&SegmentPlan::new(len)), case["fault"]);
    };
    let segments = case["segments"].as_u64().unwrap();
    assert_eq!((padme(len), SegmentPlan::new(len).unwrap().segment_count()), (padded, segments));
    assert_eq!((segments - 1) * (8 << 20) + case["last_segment_len"].as_u64().unwrap(), padded);
}

vector_file!(padding_vectors_have_their_outcomes, "plan.json", make_plans, check_plan);

// Keys and wraps.

const KEK: KekId = KekId::from_bytes([0x6e; 16]);
const INTENT: IntentId = IntentId::from_bytes([0x17; 16]);

fn make_wraps() -> Value {
    let release = ReleaseShare::from_secret(secret(2));
    let ring = RingKey::from_secret(secret(3));
    let (case, version) = (CASE, RingVersion(7));
    let messages: [(&str, u8, WrappedSecret); 3] = [
        (
            "group_share",
            1,
            wrap::<Aes, _>(&GroupShareWrap { case, version, exhibit: EXHIBIT }, &ring, &GroupShare::from_secret(secret(1)), &salt(1))
                .unwrap(),
        ),
        (
            "release_share",
            2,
            wrap::<Aes, _>(&ReleaseShareWrap { exhibit: EXHIBIT, kek: KEK }, &KeyEncryptionKey::from_secret(secret(3)), &release, &salt(3))
                .unwrap(),
        ),
        (
            "reason_key",
            4,
            wrap::<Aes, _>(&ReasonKeyWrap { case, version, intent: INTENT }, &ring, &ReasonKey::from_secret(secret(4)), &salt(4)).unwrap(),
        ),
    ];
    let base = json!({
        "under": hex::encode([3; 32]), "case": CASE, "ring_version": 7, "exhibit": EXHIBIT, "kek": hex::encode(KEK.as_bytes()),
        "intent": INTENT,
    });
    let wrong = "wrong key or context of wrapped key";
    let mut cases = Vec::new();
    for (used, (name, content, message)) in messages.iter().enumerate() {
        let mut add = |fault: &str, change: Value, message: &[u8], result: &str| {
            let case = json!({"name": format!("{name}_{fault}"), "use": name, "wrapped": hex::encode(message), "result": result});
            cases.push(merged(&merged(&base, &case), &change));
        };
        let whole = message.as_bytes();
        add("opens", json!({"content": hex::encode([*content; 32])}), whole, "ok");
        add("under_another_key", json!({"under": hex::encode([8; 32])}), whole, wrong);
        let places = [
            ("of_another_case", json!({"case": CaseId::REGISTRY}), [true, false, true]),
            ("of_another_version", json!({"ring_version": 8}), [true, false, true]),
            ("of_another_exhibit", json!({"exhibit": OTHER_EXHIBIT}), [true, true, false]),
            ("of_another_kek", json!({"kek": hex::encode([0; 16])}), [false, true, false]),
            ("of_another_intent", json!({"intent": "00000000000000000000000000000000"}), [false, false, true]),
        ];
        for (fault, change, bound) in places {
            if bound[used] {
                add(fault, change, whole, wrong);
            }
        }
        let next = messages[(used + 1) % 3].2;
        add("taken_from_another_use", json!({}), next.as_bytes(), wrong);
        let changed = |at: usize| whole.iter().enumerate().map(|(i, b)| if i == at { b ^ 0x80 } else { *b }).collect::<Vec<u8>>();
        add("with_commitment_changed", json!({}), &changed(30), wrong);
        add("with_ciphertext_changed", json!({}), &changed(60), "altered chunk 0 of wrapped key");
        add("with_tag_changed", json!({}), &changed(103), "altered chunk 0 of wrapped key");
        add("cut", json!({}), &whole[..103], "malformed wrapped key");
        add("lengthened", json!({}), &[whole.as_slice(), &[0]].concat(), "malformed wrapped key");
    }
    json!({
        "what": "Shares, the exhibit key, commitments to them (group share 01…, release share 02…, ring key 03…), and wraps.",
        "derived": {
            "exhibit_key": hex::encode(exhibit_key().expose()),
            "exhibit_key_commitment": ExhibitKeyCommitment::of(EXHIBIT, &exhibit_key()),
            "release_share_commitment": ReleaseShareCommitment::of(EXHIBIT, &release),
        },
        "cases": cases,
    })
}

fn check_wrap(_: &Value, vector: &Value) {
    let id = |name: &str| array::<16>(&vector[name]);
    let (case, exhibit) = (CaseId::from_bytes(id("case")), ExhibitId::from_bytes(id("exhibit")));
    let (intent, kek) = (IntentId::from_bytes(id("intent")), KekId::from_bytes(id("kek")));
    let version = RingVersion(vector["ring_version"].as_u64().unwrap().try_into().unwrap());
    let under = crate::secret::Secret32::from_bytes(array(&vector["under"]));
    let opened = WrappedSecret::from_slice(&bytes(&vector["wrapped"])).and_then(|wrapped| {
        Ok(match vector["use"].as_str().unwrap() {
            "group_share" => {
                *unwrap::<Aes, _>(&GroupShareWrap { case, version, exhibit }, &RingKey::from_secret(under), &wrapped)?.expose()
            }
            "release_share" => {
                *unwrap::<Aes, _>(&ReleaseShareWrap { exhibit, kek }, &KeyEncryptionKey::from_secret(under), &wrapped)?.expose()
            }
            _ => *unwrap::<Aes, _>(&ReasonKeyWrap { case, version, intent }, &RingKey::from_secret(under), &wrapped)?.expose(),
        })
    });
    assert_eq!(outcome(&opened), vector["result"], "{}", vector["name"]);
    assert!(opened.is_err() || opened == Ok(array(&vector["content"])));
}

vector_file!(key_and_wrap_vectors_have_their_outcomes, "keys.json", make_wraps, check_wrap);

// Sealed reasons.

const ORIGIN: &str = "custodia.example/log1";

fn make_reasons() -> Value {
    let place = SealedTextPlace { origin: ORIGIN, intent: INTENT };
    let key = ReasonKey::from_secret(secret(5));
    let context = [b"custodia/reason/v1".as_slice(), Sha256Digest::of(&[ORIGIN.as_bytes()]).as_bytes(), INTENT.as_bytes()].concat();
    let seal = |plaintext: &[u8]| cobblestone::seal::<Aes>(key.expose(), &salt(6), &context, plaintext).unwrap();
    let framed = |json: &str, to: usize| {
        let mut plaintext = u32::try_from(json.len()).unwrap().to_be_bytes().to_vec();
        plaintext.extend_from_slice(json.as_bytes());
        plaintext.resize(to, 0);
        plaintext
    };
    let full = r#"{"reason":"Hearing on 3 May","reference":"12 Js 345/26","case_title":"Harbour","exhibit_title":"Phone of A."}"#;
    let text: SealedText = serde_json::from_str(full).unwrap();
    assert_eq!(text.seal::<Aes>(&place, &key, &salt(6)).unwrap(), seal(&framed(full, 256)));
    let short = r#"{"reason":"Hearing on 3 May"}"#;
    let with = |at: usize, byte: u8| {
        let mut plaintext = framed(short, 256);
        plaintext[at] = byte;
        plaintext
    };
    let (json_fault, misbehaved) = ("not the JSON of a sealed reason", "misbehaved sealed reason");
    let long = format!(r#"{{"reason":"{}"}}"#, "x".repeat(8193));
    let mut cases = Vec::new();
    let mut add = |name: &str, plaintext: &[u8], result: &str| {
        cases.push(json!({"name": name, "origin": ORIGIN, "intent": INTENT, "reason_key": hex::encode(key.expose()), "sealed": hex::encode(seal(plaintext)), "result": result}));
    };
    add("all_fields", &framed(full, 256), "ok");
    add("reason_alone", &framed(short, 256), "ok");
    for (name, text) in [
        ("reason_missing", r#"{"reference":"12"}"#),
        ("reason_blank", r#"{"reason":"  "}"#),
        ("reason_null", r#"{"reason":null}"#),
        ("reason_too_long", &long),
        ("reference_null", r#"{"reason":"a","reference":null}"#),
        ("unknown_field", r#"{"reason":"a","note":"b"}"#),
        ("field_twice", r#"{"reason":"a","reason":"b"}"#),
        ("fields_in_another_order", r#"{"reference":"b","reason":"a"}"#),
        ("white_space", r#"{"reason": "a"}"#),
        ("array_for_object", r#"["a"]"#),
        ("escape_that_is_not_needed", r#"{"reason":"\u0061"}"#),
        ("two_values", r#"{"reason":"a"}{"reason":"b"}"#),
        ("not_json", "reason"),
        ("empty", ""),
    ] {
        add(name, &framed(text, (4 + text.len()).next_multiple_of(256)), json_fault);
    }
    add("padding_not_zero", &with(255, 1), misbehaved);
    add("length_beyond_the_end", &with(2, 1), misbehaved);
    add("length_of_a_gigabyte", &with(0, 0x40), misbehaved);
    add("padded_more_than_needed", &framed(short, 512), misbehaved);
    add("not_padded", &framed(short, 4 + short.len()), "malformed sealed reason");
    add("no_plaintext", &[], "malformed sealed reason");
    add("longer_than_the_limit", &framed(short, 16384 + 256), "malformed sealed reason");
    let good = cases[0].clone();
    let wrong = "wrong key or context of sealed reason";
    let mut altered = bytes(&good["sealed"]);
    altered[70] ^= 1;
    for change in [
        json!({"name": "of_another_log", "origin": "custodia.example/log2", "result": wrong}),
        json!({"name": "of_another_intent", "intent": "18181818181818181818181818181818", "result": wrong}),
        json!({"name": "under_another_key", "reason_key": hex::encode([6; 32]), "result": wrong}),
        json!({"name": "ciphertext_changed", "sealed": hex::encode(&altered), "result": "altered chunk 0 of sealed reason"}),
    ] {
        cases.push(merged(&good, &change));
    }
    json!({"what": "The sealed reason of an intent.", "cases": cases})
}

fn check_reason(_: &Value, case: &Value) {
    let place = SealedTextPlace { origin: case["origin"].as_str().unwrap(), intent: IntentId::from_bytes(array(&case["intent"])) };
    let key = ReasonKey::from_secret(crate::secret::Secret32::from_bytes(array(&case["reason_key"])));
    let opened = SealedText::open::<Aes>(&place, &key, &bytes(&case["sealed"]));
    assert_eq!(outcome(&opened), case["result"], "{}", case["name"]);
}

vector_file!(sealed_reason_vectors_have_their_outcomes, "reason.json", make_reasons, check_reason);
