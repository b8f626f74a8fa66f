//! Cobblestone-256 against Wycheproof's vectors, and against a ciphertext that opens under two keys.

use serde::Deserialize;
use sha2::Digest as _;

use super::super::cobblestone::{CHUNK_LEN, HEADER_LEN, MAX_PLAINTEXT_LEN, Opener, encrypted_len, open, plaintext_len, seal};
use super::super::{ChunkCipher, ExhibitError, Part, Salt};
use super::{Aes, fault, salt, stream};

const WYCHEPROOF: &str = include_str!("../../../../../tests/vectors/foreign/cobblestone/c2sp_chunked_encryption_aes_256_gcm_test.json");
const SALAMANDER: &str = include_str!("../../../../../tests/vectors/exhibit/salamander.json");

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vectors {
    number_of_tests: usize,
    test_groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    tests: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    tc_id: u32,
    key: String,
    ctx: String,
    ct: String,
    msg_length: Option<u64>,
    msg_sha512: Option<String>,
    result: String,
    flags: Vec<String>,
}

impl Vector {
    fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|other| other == flag)
    }
}

fn opener(key: &[u8; 32], context: &[u8], message: &[u8]) -> Result<Opener<Aes>, ExhibitError> {
    let header = message.first_chunk().ok_or(ExhibitError::Malformed { part: Part::Message, why: "too short" })?;
    Opener::new(key, context, header, message.len() as u64)
}

#[test]
fn wycheproof_vectors_open_or_are_refused_and_seal_to_the_same_bytes() {
    let vectors: Vectors = serde_json::from_str(WYCHEPROOF).unwrap();
    let tests: Vec<_> = vectors.test_groups.into_iter().flat_map(|group| group.tests).collect();
    assert_eq!((tests.len(), vectors.number_of_tests), (35, 35));
    let mut valid = 0;
    for test in &tests {
        let id = test.tc_id;
        let message = miniz_oxide::inflate::decompress_to_vec_zlib(&hex::decode(&test.ct).unwrap()).unwrap();
        let context = hex::decode(&test.ctx).unwrap();
        let Ok(key) = <[u8; 32]>::try_from(hex::decode(&test.key).unwrap()) else {
            assert!(test.has("InvalidKeySize"), "vector {id}");
            continue;
        };
        let opened = open::<Aes>(&key, &context, &message);
        if test.result == "valid" {
            valid += 1;
            let plaintext = opened.unwrap();
            assert_eq!(Some(plaintext.len() as u64), test.msg_length, "vector {id}");
            assert_eq!(Some(hex::encode(sha2::Sha512::digest(&plaintext))), test.msg_sha512, "vector {id}");
            let again = seal::<Aes>(&key, &Salt::from_bytes(*message.first_chunk().unwrap()), &context, &plaintext).unwrap();
            assert!(again == message, "vector {id}");
            continue;
        }
        assert!(opened.is_err(), "vector {id}");
        if test.has("WrongKey") || test.has("WrongContext") || (test.has("HeaderFailure") && test.has("ModifiedCiphertext")) {
            assert_eq!(opened, Err(ExhibitError::WrongKeyOrContext { part: Part::Message }), "vector {id}");
        }
        let end = opener(&key, &context, &message).and_then(|opener| {
            let last = opener.chunk_count() - 1;
            let span = opener.span_of(&(last..last + 1)).unwrap();
            opener.check_end(&message[usize::try_from(span.start).unwrap()..])
        });
        assert_eq!(end.is_ok(), test.has("ValidFinalChunk"), "vector {id}");
    }
    assert_eq!(valid, 10);
}

#[derive(Deserialize)]
struct Salamander {
    context: String,
    ciphertext: String,
    tag: String,
    message: String,
    first: Reading,
    second: Reading,
}

#[derive(Deserialize)]
struct Reading {
    input_key: String,
    chunk_key: String,
    nonce: String,
    reads: String,
    at: usize,
}

fn fixed<const N: usize>(hex_text: &str) -> [u8; N] {
    hex::decode(hex_text).unwrap().try_into().unwrap()
}

#[test]
fn ciphertext_that_opens_under_two_keys_is_refused_under_the_second() {
    let forged: Salamander = serde_json::from_str(SALAMANDER).unwrap();
    let (ciphertext, tag) = (hex::decode(&forged.ciphertext).unwrap(), fixed(&forged.tag));
    for reading in [&forged.first, &forged.second] {
        let mut plaintext = vec![0; ciphertext.len()];
        Aes::new(&fixed(&reading.chunk_key)).open(&fixed(&reading.nonce), &ciphertext, &tag, &mut plaintext).unwrap();
        assert!(plaintext[reading.at..].starts_with(reading.reads.as_bytes()), "plain AES-GCM accepts both");
    }
    let (context, message) = (hex::decode(&forged.context).unwrap(), hex::decode(&forged.message).unwrap());
    assert!(open::<Aes>(&fixed(&forged.first.input_key), &context, &message).unwrap().starts_with(forged.first.reads.as_bytes()));
    let second = open::<Aes>(&fixed(&forged.second.input_key), &context, &message);
    assert_eq!(second, Err(ExhibitError::WrongKeyOrContext { part: Part::Message }));
}

#[test]
fn any_range_opens_to_the_same_bytes_as_the_whole() {
    let plaintext = stream(3 * CHUNK_LEN + 7);
    let message = seal::<Aes>(&[7; 32], &salt(8), b"context", &plaintext).unwrap();
    let opener = opener(&[7; 32], b"context", &message).unwrap();
    let ends = [0, 1, CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 1, 2 * CHUNK_LEN, 3 * CHUNK_LEN, plaintext.len() - 1, plaintext.len()];
    for start in ends {
        for end in ends.into_iter().filter(|&end| end >= start) {
            let chunks = opener.chunks_for(&(start as u64..end as u64)).unwrap();
            let span = opener.span_of(&chunks).unwrap();
            let sealed = &message[usize::try_from(span.start).unwrap()..usize::try_from(span.end).unwrap()];
            let mut out = Vec::new();
            opener.open_chunks(chunks.clone(), sealed, &mut out).unwrap();
            let begin = usize::try_from(chunks.start).unwrap() * CHUNK_LEN;
            assert!(start == end || out[start - begin..end - begin] == plaintext[start..end], "{start}..{end}");
        }
    }
}

#[test]
fn chunk_in_another_place_or_cut_run_is_refused() {
    let message = seal::<Aes>(&[7; 32], &salt(8), b"", &stream(2 * CHUNK_LEN)).unwrap();
    let opener = opener(&[7; 32], b"", &message).unwrap();
    let second = &message[HEADER_LEN + CHUNK_LEN + 16..HEADER_LEN + 2 * (CHUNK_LEN + 16)];
    let mut out = vec![1];
    assert_eq!(opener.open_chunks(0..1, second, &mut out), Err(ExhibitError::Altered { part: Part::Message, chunk: 0 }));
    assert!(out.is_empty());
    let refusals = [
        opener.open_chunks(1..2, &second[1..], &mut out),
        opener.open_chunks(1..4, second, &mut out),
        opener.chunks_for(&core::ops::Range { start: 5, end: 4 }).map(drop),
        opener.chunks_for(&(0..2 * CHUNK_LEN as u64 + 1)).map(drop),
    ];
    assert!(refusals.iter().all(|refusal| refusal.as_ref().is_err_and(|error| fault(error) == "misuse of sealed message")));
}

#[test]
fn message_cut_inside_a_full_chunk_fails_at_its_end_although_earlier_chunks_open() {
    let message = seal::<Aes>(&[7; 32], &salt(8), b"", &stream(2 * CHUNK_LEN + 5)).unwrap();
    let cut = &message[..HEADER_LEN + CHUNK_LEN + 16 + 100];
    let opener = opener(&[7; 32], b"", cut).unwrap();
    let mut out = Vec::new();
    opener.open_chunks(0..1, &cut[HEADER_LEN..HEADER_LEN + CHUNK_LEN + 16], &mut out).unwrap();
    assert_eq!(opener.check_end(&cut[cut.len() - 100..]), Err(ExhibitError::Altered { part: Part::Message, chunk: 1 }));
    assert_eq!(open::<Aes>(&[7; 32], b"", cut), Err(ExhibitError::Altered { part: Part::Message, chunk: 1 }));
}

#[test]
fn every_length_maps_to_one_message_length_and_back() {
    let chunk = CHUNK_LEN as u64;
    for len in [0, 1, chunk - 1, chunk, chunk + 1, 2 * chunk - 1, 2 * chunk, 1 << 40, MAX_PLAINTEXT_LEN] {
        assert_eq!(plaintext_len(encrypted_len(len).unwrap()), Ok(len));
    }
    assert!(encrypted_len(MAX_PLAINTEXT_LEN + 1).is_err());
    for none in [0, 55, 56, 71, 56 + 16400, 56 + 16400 + 15, u64::MAX] {
        assert_eq!(plaintext_len(none).map_err(|error| fault(&error)), Err("malformed sealed message".to_owned()), "{none}");
    }
}
