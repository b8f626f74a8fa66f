//! Vectors of the MLS working group, run by the OpenMLS and the cryptography that the product is built with: `tests/vectors/foreign/mls`.

use openmls::prelude::tls_codec::{Deserialize as _, Serialize as _};
use openmls::prelude::{
    Ciphersuite, KeyPackage, KeyPackageBundle, MIXED_PLAINTEXT_WIRE_FORMAT_POLICY, MlsGroup, MlsGroupJoinConfig, MlsMessageBodyIn,
    MlsMessageIn, OpenMlsProvider as _, ProcessedMessageContent, RatchetTreeIn, StagedWelcome,
};
use openmls::schedule::PreSharedKeyId;
use openmls_rust_crypto::OpenMlsRustCrypto;
use openmls_traits::crypto::OpenMlsCrypto as _;
use openmls_traits::storage::StorageProvider as _;
use openmls_traits::types::{HpkeCiphertext, HpkePrivateKey};
use serde_json::{Value, json};
use tls_codec::VLBytes;

fn vectors(text: &str) -> Vec<Value> {
    serde_json::from_str(text).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn suite(vector: &Value) -> Ciphersuite {
    u16::try_from(vector["cipher_suite"].as_u64().unwrap()).unwrap().try_into().unwrap()
}

fn message(value: &Value) -> MlsMessageIn {
    MlsMessageIn::tls_deserialize_exact(bytes(value)).unwrap()
}

/// Lays the key package of a vector, with its secrets, where OpenMLS looks for them.
fn hand_over_key_package(provider: &OpenMlsRustCrypto, vector: &Value) {
    let MlsMessageBodyIn::KeyPackage(package) = message(&vector["key_package"]).extract() else { panic!("a key package") };
    // Its lifetime is over, so it cannot be validated; a client that waited with its Welcome has it from before.
    let package: KeyPackage = serde_json::from_value(serde_json::to_value(package).unwrap()).unwrap();
    let secret = |name: &str| serde_json::to_value(HpkePrivateKey::from(bytes(&vector[name]))).unwrap();
    let bundle: KeyPackageBundle = serde_json::from_value(json!({
        "key_package": serde_json::to_value(&package).unwrap(),
        "private_init_key": secret("init_priv"),
        "private_encryption_key": {"key": secret("encryption_priv")},
    }))
    .unwrap();
    provider.storage().write_key_package(&package.hash_ref(provider.crypto()).unwrap(), &bundle).unwrap();
}

/// Takes a message in: a proposal is kept for the commit, a commit is applied.
fn take_in(provider: &OpenMlsRustCrypto, group: &mut MlsGroup, value: &Value) {
    let message = message(value).try_into_protocol_message().unwrap();
    match group.process_message(provider, message).unwrap().into_content() {
        ProcessedMessageContent::ProposalMessage(proposal) => group.store_pending_proposal(provider.storage(), *proposal).unwrap(),
        ProcessedMessageContent::StagedCommitMessage(commit) => group.merge_staged_commit(provider, *commit).unwrap(),
        other => panic!("neither proposal nor commit: {other:?}"),
    }
}

#[test]
fn a_passive_client_of_the_working_group_joins_and_follows_every_commit() {
    let (mut joined, mut followed) = (0, 0);
    for (at, vector) in vectors(include_str!("../../../../tests/vectors/foreign/mls/passive-client.json")).iter().enumerate() {
        let provider = OpenMlsRustCrypto::default();
        for psk in vector["external_psks"].as_array().unwrap() {
            let id = PreSharedKeyId::external(bytes(&psk["psk_id"]), Vec::new());
            id.store(&provider, &bytes(&psk["psk"])).unwrap();
        }
        hand_over_key_package(&provider, vector);
        let MlsMessageBodyIn::Welcome(welcome) = message(&vector["welcome"]).extract() else { panic!("a Welcome") };
        let config = MlsGroupJoinConfig::builder()
            .use_ratchet_tree_extension(true)
            .number_of_resumption_psks(16)
            .wire_format_policy(MIXED_PLAINTEXT_WIRE_FORMAT_POLICY)
            .build();
        let mut join = StagedWelcome::build_from_welcome(&provider, &config, welcome).unwrap().skip_lifetime_validation();
        if !vector["ratchet_tree"].is_null() {
            join = join.with_ratchet_tree(RatchetTreeIn::tls_deserialize_exact(bytes(&vector["ratchet_tree"])).unwrap());
        }
        let mut group = join.build().unwrap().into_group(&provider).unwrap();
        assert_eq!(group.epoch_authenticator().as_slice(), bytes(&vector["initial_epoch_authenticator"]), "vector {at}");
        joined += 1;
        for epoch in vector["epochs"].as_array().unwrap() {
            for proposal in epoch["proposals"].as_array().unwrap() {
                take_in(&provider, &mut group, proposal);
            }
            take_in(&provider, &mut group, &epoch["commit"]);
            assert_eq!(group.epoch_authenticator().as_slice(), bytes(&epoch["epoch_authenticator"]), "vector {at}");
            followed += 1;
        }
    }
    assert_eq!((joined, followed), (29, 26));
}

/// A label of RFC 9420 and what it labels, each as a vector of TLS.
fn labelled(label: &Value, context: &Value) -> Vec<u8> {
    let label = format!("MLS 1.0 {}", label.as_str().unwrap());
    [label.into_bytes(), bytes(context)].iter().flat_map(|part| VLBytes::from(part.clone()).tls_serialize_detached().unwrap()).collect()
}

/// `ExpandWithLabel` of RFC 9420 §8.
fn expand(provider: &OpenMlsRustCrypto, suite: Ciphersuite, of: &Value, context: &Value, length: u16) -> Vec<u8> {
    let info = [&length.to_be_bytes()[..], &labelled(&of["label"], context)].concat();
    let made = provider.crypto().hkdf_expand(suite.hash_algorithm(), &bytes(&of["secret"]), &info, length.into()).unwrap();
    made.as_slice().to_vec()
}

#[test]
fn hashes_derivations_signatures_and_encryption_are_those_of_the_working_group() {
    let provider = OpenMlsRustCrypto::default();
    let crypto = provider.crypto();
    let vectors = vectors(include_str!("../../../../tests/vectors/foreign/mls/crypto-basics.json"));
    assert_eq!(vectors.len(), 2);
    for vector in &vectors {
        let suite = suite(vector);
        let of = &vector["ref_hash"];
        let label = of["label"].as_str().unwrap().as_bytes().to_vec();
        let input: Vec<u8> =
            [label, bytes(&of["value"])].iter().flat_map(|part| VLBytes::from(part.clone()).tls_serialize_detached().unwrap()).collect();
        assert_eq!(crypto.hash(suite.hash_algorithm(), &input).unwrap(), bytes(&of["out"]));

        let length = |of: &Value| u16::try_from(of["length"].as_u64().unwrap()).unwrap();
        let of = &vector["expand_with_label"];
        assert_eq!(expand(&provider, suite, of, &of["context"], length(of)), bytes(&of["out"]));
        let of = &vector["derive_secret"];
        assert_eq!(expand(&provider, suite, of, &json!(""), 32), bytes(&of["out"]));
        let of = &vector["derive_tree_secret"];
        let generation = hex::encode(u32::try_from(of["generation"].as_u64().unwrap()).unwrap().to_be_bytes());
        assert_eq!(expand(&provider, suite, of, &json!(generation), length(of)), bytes(&of["out"]));

        let of = &vector["sign_with_label"];
        let signed = labelled(&of["label"], &of["content"]);
        let scheme = suite.signature_algorithm();
        crypto.verify_signature(scheme, &signed, &bytes(&of["pub"]), &bytes(&of["signature"])).unwrap();
        let mut other = signed.clone();
        other[0] ^= 1;
        assert!(crypto.verify_signature(scheme, &other, &bytes(&of["pub"]), &bytes(&of["signature"])).is_err());
        let ours = crate::DeviceSigner::new(ed25519_dalek::SigningKey::from_bytes(&bytes(&of["priv"])[..32].try_into().unwrap()));
        assert_eq!(openmls_traits::signatures::Signer::sign(&ours, &signed).unwrap(), bytes(&of["signature"]));

        let of = &vector["encrypt_with_label"];
        let sealed = HpkeCiphertext { kem_output: bytes(&of["kem_output"]).into(), ciphertext: bytes(&of["ciphertext"]).into() };
        let info = labelled(&of["label"], &of["context"]);
        let opened = crypto.hpke_open(suite.hpke_config(), &sealed, &bytes(&of["priv"]), &info, b"").unwrap();
        assert_eq!(opened.as_slice(), bytes(&of["plaintext"]));
        assert!(crypto.hpke_open(suite.hpke_config(), &sealed, &bytes(&of["priv"]), &info[1..], b"").is_err());
    }
}
