//! Vectors of manifests and paths: one good manifest, and every fault as one replacement in it.

use serde_json::{Map, Value, json};

use super::super::cobblestone;
use super::super::manifest::{CommittedManifest, Manifest, open_sealed};
use super::super::padding::padme;
use super::super::path::{display, export_name};
use super::manifest::manifest;
use super::vectors::{bytes, segment_context, vector_file};
use super::{Aes, CASE, EXHIBIT, OTHER_EXHIBIT, exhibit_key, outcome, salt};
use crate::digest::Blake3Digest;

// Manifests.

/// Each fault is one replacement in the good manifest: name, what stands there, what is put there, outcome.
const MANIFEST_FAULTS: &[(&str, &str, &str, &str)] = &[
    ("version_2", r#""version":1"#, r#""version":2"#, "rejected by Version"),
    ("version_as_fraction", r#""version":1"#, r#""version":1.0"#, "J"),
    ("version_missing", r#""version":1,"#, "", "J"),
    ("version_twice", r#""version":1"#, r#""version":1,"version":1"#, "J"),
    ("unknown_field", r#""version":1"#, r#""version":1,"note":"x""#, "J"),
    ("white_space", r#""version":1"#, r#""version": 1"#, "J"),
    ("line_feed_at_the_end", r#""offset":1200}]}"#, "\"offset\":1200}]}\n", "J"),
    ("second_value_at_the_end", r#""offset":1200}]}"#, r#""offset":1200}]}{}"#, "J"),
    ("array_for_evaluation", r#""evaluation":{"source":"B","information":"2"}"#, r#""evaluation":["B","2"]"#, "J"),
    ("object_for_a_word", r#""kind":"phone_image""#, r#""kind":{"phone_image":null}"#, "J"),
    ("escaped_letter", r#""kind":"phone_image""#, r#""kind":"phone_im\u0061ge""#, "J"),
    ("exhibit_id_in_capitals", r#""exhibit":"e1e1"#, r#""exhibit":"E1e1"#, "J"),
    ("salt_too_short", r#""salt":"5a"#, r#""salt":""#, "J"),
    ("segment_size_other", r#""segment_size":8388608"#, r#""segment_size":4194304"#, "rejected by SegmentSize"),
    ("stream_one_longer", r#""stream_len":2700"#, r#""stream_len":3301"#, "rejected by StreamLength"),
    ("stream_negative", r#""stream_len":2700"#, r#""stream_len":-1"#, "J"),
    ("first_file_not_at_zero", r#""offset":0"#, r#""offset":1"#, "rejected by Offsets"),
    ("files_overlap", r#""offset":1200"#, r#""offset":1199"#, "rejected by Offsets"),
    ("size_overflows", r#""size":1500"#, r#""size":18446744073709551615"#, "rejected by StreamLength"),
    ("size_zero_with_digests_of_bytes", r#""size":1200"#, r#""size":0"#, "rejected by TreeOfSize"),
    ("digest_missing", r#""blake3":"#, r#""blake2":"#, "J"),
    ("path_absolute", r#""path":"photos/1.jpg""#, r#""path":"/photos/1.jpg""#, "rejected by PathForm"),
    ("path_climbs", r#""path":"photos/1.jpg""#, r#""path":"photos/../../1.jpg""#, "rejected by PathForm"),
    ("path_with_dot", r#""path":"photos/1.jpg""#, r#""path":"./photos/1.jpg""#, "rejected by PathForm"),
    ("path_with_empty_component", r#""path":"photos/1.jpg""#, r#""path":"photos//1.jpg""#, "rejected by PathForm"),
    ("path_of_a_folder", r#""path":"photos/1.jpg""#, r#""path":"photos/""#, "rejected by PathForm"),
    ("path_empty", r#""path":"photos/1.jpg""#, r#""path":"""#, "rejected by PathForm"),
    ("path_with_nul", r#""path":"photos/1.jpg""#, r#""path":"photos/1\u0000.jpg""#, "rejected by PathForm"),
    (
        "path_twice",
        r#""path":"photos/1.jpg""#,
        r#""path":"photos/\\xff\\u{202e}.jpg","path_bytes":"70686f746f732fffe280ae2e6a7067""#,
        "rejected by PathTwice",
    ),
    (
        "path_inside_a_file",
        r#""path":"photos/1.jpg""#,
        r#""path":"photos/\\xff\\u{202e}.jpg/x","path_bytes":"70686f746f732fffe280ae2e6a70672f78""#,
        "rejected by PathInsideFile",
    ),
    (
        "path_bytes_beside_utf8",
        r#""path":"photos/1.jpg""#,
        r#""path":"photos/1.jpg","path_bytes":"70686f746f732f312e6a7067""#,
        "rejected by PathBytes",
    ),
    ("path_bytes_of_another_name", r#""path_bytes":"70686f746f732fff"#, r#""path_bytes":"70686f746f732ffe"#, "rejected by PathBytes"),
    ("path_bytes_that_climb", r#""path_bytes":"70686f746f732fff"#, r#""path_bytes":"2e2e2fff746f732f"#, "rejected by PathForm"),
    ("path_bytes_in_capitals", r#""path_bytes":"70686f746f732fff"#, r#""path_bytes":"70686f746f732fFF"#, "J"),
    ("path_bytes_odd", r#""path_bytes":"70686f"#, r#""path_bytes":"0686f"#, "J"),
    ("media_type_with_parameter", r#""media_type":"image/jpeg""#, r#""media_type":"image/jpeg; q=1""#, "J"),
    ("modified_without_offset", r#""modified":"2026-03-01T22:14:05+02:00""#, r#""modified":"2026-03-01T22:14:05""#, "J"),
    ("modified_null", r#""modified":"2026-03-01T22:14:05+02:00""#, r#""modified":null"#, "J"),
    ("kind_unknown", r#""kind":"phone_image""#, r#""kind":"phone""#, "J"),
    ("handling_h4", r#""handling":"H1""#, r#""handling":"H4""#, "J"),
    ("handling_h3_without_text", r#""handling":"H1""#, r#""handling":"H3""#, "rejected by RestrictionText"),
    ("handling_h1_with_text", r#""handling":"H1""#, r#""handling":"H1","handling_restriction":"Ask first""#, "rejected by RestrictionText"),
    ("evaluation_d", r#""source":"B""#, r#""source":"D""#, "J"),
    ("evaluation_as_number", r#""information":"2""#, r#""information":2"#, "J"),
    ("person_category_twice", r#"["suspect","victim"]"#, r#"["suspect","suspect","victim"]"#, "J"),
    ("person_categories_in_another_order", r#"["suspect","victim"]"#, r#"["victim","suspect"]"#, "J"),
    ("child_as_text", r#""child":true"#, r#""child":"true""#, "J"),
    ("review_date_missing", r#","review_date":"2031-03-01""#, "", "J"),
    ("review_date_that_is_none", r#""review_date":"2031-03-01""#, r#""review_date":"2031-02-29""#, "J"),
    ("legal_basis_ends_before_it_begins", r#""valid_to":"2026-12-31""#, r#""valid_to":"2025-12-31""#, "rejected by LegalValidity"),
    ("legal_basis_unknown", r#""type":"jit""#, r#""type":"JIT""#, "J"),
    ("state_in_small_letters", r#""state":"RO""#, r#""state":"ro""#, "J"),
    (
        "derived_from_itself",
        r#""exhibit":"0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d""#,
        r#""exhibit":"e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1""#,
        "rejected by DerivedFromItself",
    ),
    ("title_blank", r#""title":"Phone of A.""#, r#""title":" ""#, "J"),
    ("title_with_line_feed", r#""title":"Phone of A.""#, r#""title":"Phone\nof A.""#, "J"),
    ("collected_without_zone", r#""at":"2026-03-02T09:30:00+02:00""#, r#""at":"2026-03-02 09:30""#, "J"),
    ("clock_deviation_as_fraction", r#""clock_deviation_seconds":-134"#, r#""clock_deviation_seconds":-134.5"#, "J"),
];

fn good_manifest() -> Manifest {
    manifest(&[b"photos/1.jpg", b"photos/\xff\xe2\x80\xae.jpg"]).unwrap()
}

fn make_manifests() -> Value {
    let (committed, commitment) = CommittedManifest::new(good_manifest()).unwrap();
    let json = String::from_utf8(committed.json().to_vec()).unwrap();
    let mut cases = vec![json!({"name": "good", "json": json, "result": "ok"})];
    for (name, from, to, result) in MANIFEST_FAULTS {
        assert!(json.contains(from), "{name}");
        let result = if *result == "J" { "not the JSON of a manifest" } else { result };
        cases.push(json!({"name": name, "json": json.replacen(from, to, 1), "result": result}));
    }
    let (_, files) = json.split_once(r#""files":["#).unwrap();
    cases.push(json!({"name": "no_files", "json": json.replace(files, "]}"), "result": "rejected by FileCount"}));
    let (_, source) = json.split_once(r#""source":"#).unwrap();
    let source = source.split_once(r#","acquisition""#).unwrap().0;
    cases.push(json!({"name": "source_of_nothing", "json": json.replacen(source, "{}", 1), "result": "rejected by SourceNamed"}));
    let long = "x".repeat(1025);
    cases.push(json!({"name": "path_too_long", "json": json.replacen("1.jpg", &long, 1), "result": "rejected by PathLength"}));
    let (name, object) = committed.seal::<Aes>(&exhibit_key(), &salt(7)).unwrap();
    let context = [b"custodia/manifest/v1".as_slice(), EXHIBIT.as_bytes()].concat();
    let seal = |context: &[u8], len: u64, body: &[u8], padded: usize, end: u8| {
        let mut plaintext = [&len.to_be_bytes(), body].concat();
        plaintext.resize(padded, 0);
        if end != 0 {
            plaintext[padded - 1] = end;
        }
        cobblestone::seal::<Aes>(exhibit_key().expose(), &salt(7), context, &plaintext).unwrap()
    };
    let (body, len) = (json.as_bytes(), json.len() as u64);
    let padded = usize::try_from(padme(len + 8)).unwrap();
    assert_eq!(object, seal(&context, len, body, padded, 0));
    let wrong = "wrong key or context of manifest";
    let misbehaved = "misbehaved manifest";
    let other = [b"custodia/manifest/v1".as_slice(), OTHER_EXHIBIT.as_bytes()].concat();
    let mut altered = object.clone();
    altered[100] ^= 1;
    for (name, object, result) in [
        ("sealed", object.clone(), "ok"),
        ("sealed_for_another_exhibit", seal(&other, len, body, padded, 0), wrong),
        ("sealed_as_a_segment", seal(&segment_context(EXHIBIT, 0, 1), len, body, padded, 0), wrong),
        ("sealed_and_altered", altered, "altered chunk 0 of manifest"),
        ("sealed_and_cut_to_the_header", object[..56].to_vec(), "malformed manifest"),
        ("sealed_with_padding_not_zero", seal(&context, len, body, padded, 1), misbehaved),
        ("sealed_with_too_little_padding", seal(&context, len, body, padded - 1, 0), misbehaved),
        ("sealed_with_too_much_padding", seal(&context, len, body, padded + 256, 0), misbehaved),
        ("sealed_with_length_beyond_the_end", seal(&context, u64::MAX, body, padded, 0), misbehaved),
        ("sealed_with_length_too_short", seal(&context, len - 1, body, padded, 0), misbehaved),
        ("sealed_with_no_plaintext", cobblestone::seal::<Aes>(exhibit_key().expose(), &salt(7), &context, &[]).unwrap(), misbehaved),
    ] {
        cases.push(json!({"name": name, "object_name": Blake3Digest::of(&object), "object": hex::encode(object), "result": result}));
    }
    cases.push(json!({"name": "sealed_under_another_name", "object_name": Blake3Digest::of(b""), "object": hex::encode(&object), "result": "wrong name"}));
    json!({
        "what": "Manifests: as JSON, and sealed.", "exhibit": EXHIBIT, "case": CASE, "exhibit_key": hex::encode(exhibit_key().expose()),
        "commitment": commitment, "object_name": name, "cases": cases,
    })
}

fn check_manifest(file: &Value, case: &Value) {
    let result = if let Some(json) = case["json"].as_str() {
        Manifest::parse(json.as_bytes()).map(drop)
    } else {
        let name = case["object_name"].as_str().unwrap().parse().unwrap();
        let commitment = serde_json::from_value(file["commitment"].clone()).unwrap();
        open_sealed::<Aes>(&exhibit_key(), EXHIBIT, &name, &bytes(&case["object"]))
            .and_then(|json| CommittedManifest::open(json, &commitment, EXHIBIT, CASE))
            .map(drop)
    };
    assert_eq!(outcome(&result), case["result"], "{}", case["name"]);
}

vector_file!(manifest_vectors_have_their_outcomes, "manifest.json", make_manifests, check_manifest);

// Paths.

fn make_paths() -> Value {
    let long = "x".repeat(256);
    let paths: &[&[u8]] = &[
        b"a.txt",
        b"a/b",
        "Жалоба.pdf".as_bytes(),
        b"",
        b"/a",
        b"a/",
        b"a//b",
        b".",
        b"..",
        b"a/../b",
        b"a\0",
        b"a\nb",
        b"\x1b[2J",
        b"a\\b",
        b"C:x",
        b"scan;1",
        b"CON",
        b"nul.txt",
        b"COM1",
        b"a.",
        b"a ",
        b"...",
        b"a=b",
        b"100%",
        b"\xff",
        b"caf\xe9.txt",
        "\u{202e}gpj.exe".as_bytes(),
        "zero\u{200b}width".as_bytes(),
        long.as_bytes(),
    ];
    let cases: Vec<Value> = paths
        .iter()
        .map(|path| {
            let mut case = Map::from_iter([("path".to_owned(), json!(hex::encode(path))), ("display".to_owned(), json!(display(path)))]);
            match export_name(path) {
                Ok(name) => case.insert("export".to_owned(), json!(name.as_str())),
                Err(error) => case.insert("fault".to_owned(), json!(outcome::<()>(&Err(error)))),
            };
            Value::Object(case)
        })
        .collect();
    json!({"what": "Raw paths, how they are shown, and the names they are exported under.", "cases": cases})
}

fn check_path(_: &Value, case: &Value) {
    let path = bytes(&case["path"]);
    assert_eq!(display(&path), case["display"]);
    match export_name(&path) {
        Ok(name) => assert_eq!(name.as_str(), case["export"]),
        Err(error) => assert_eq!(outcome::<()>(&Err(error)), case["fault"]),
    }
}

vector_file!(path_vectors_have_their_outcomes, "path.json", make_paths, check_path);
