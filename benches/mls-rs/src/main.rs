//! The same steps as `benches/load/groups.rs`, by mls-rs: X25519, AES-128-GCM, SHA-256, Ed25519, since it has no suite with X-Wing.
//! Credentials are opaque bytes of a certificate's length, handshakes are public messages, state is in memory.

use std::time::{Duration, Instant};

use mls_rs::client_builder::MlsConfig;
use mls_rs::identity::SigningIdentity;
use mls_rs::identity::basic::{BasicCredential, BasicIdentityProvider};
use mls_rs::mls_rules::{DefaultMlsRules, EncryptionOptions};
use mls_rs::{CipherSuite, CipherSuiteProvider, Client, CryptoProvider, ExtensionList, MlsMessage};
use mls_rs_crypto_rustcrypto::RustCryptoProvider;

const SUITE: CipherSuite = CipherSuite::CURVE25519_AES128;
/// Bytes of a device's certificate.
const CERTIFICATE: usize = 900;

fn client(number: u32) -> Client<impl MlsConfig> {
    let crypto = RustCryptoProvider::default();
    let suite = crypto.cipher_suite_provider(SUITE).expect("the suite is there");
    let (secret, public) = suite.signature_key_generate().expect("a key");
    let mut certificate = vec![7; CERTIFICATE];
    certificate[..4].copy_from_slice(&number.to_be_bytes());
    let identity = SigningIdentity::new(BasicCredential::new(certificate).into_credential(), public);
    let rules = DefaultMlsRules::new().with_encryption_options(EncryptionOptions::new(false, Default::default()));
    Client::builder()
        .identity_provider(BasicIdentityProvider)
        .crypto_provider(crypto)
        .mls_rules(rules)
        .signing_identity(identity, secret, SUITE)
        .build()
}

fn package(of: &Client<impl MlsConfig>) -> MlsMessage {
    of.generate_key_package_message(ExtensionList::default(), ExtensionList::default(), None).expect("a key package")
}

fn timed<T>(into: &mut Duration, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let done = work();
    *into += begun.elapsed();
    done
}

fn one(devices: u32) {
    let mut took = [Duration::ZERO; 7];
    let [create, packages, add, join, add_one, process, remove] = &mut took;
    let founder = client(0);
    let mut group = timed(create, || founder.create_group(ExtensionList::default(), ExtensionList::default(), None).expect("a group"));
    let joiners: Vec<_> = (1..devices).map(client).collect();
    let kept: Vec<_> = timed(packages, || joiners.iter().map(package).collect());
    let all = timed(add, || {
        let mut builder = group.commit_builder();
        for package in kept {
            builder = builder.add_member(package).expect("an addition");
        }
        let made = builder.build().expect("a commit");
        group.apply_pending_commit().expect("it is applied");
        made
    });
    let welcome = &all.welcome_messages[0];
    let (mut theirs, _) = timed(join, || joiners[0].join_group(None, welcome, None).expect("a member joins"));

    let last = client(devices);
    let added = package(&last);
    let single = timed(add_one, || {
        let made = group.commit_builder().add_member(added).expect("an addition").build().expect("a commit");
        group.apply_pending_commit().expect("it is applied");
        made
    });
    timed(process, || theirs.process_incoming_message(single.commit_message.clone()).expect("a member takes it"));
    let removal = timed(remove, || {
        let made = group.commit_builder().remove_member(devices).expect("a removal").build().expect("a commit");
        group.apply_pending_commit().expect("it is applied");
        made
    });
    let bytes = |message: &MlsMessage| message.to_bytes().expect("bytes").len();
    let ms = took.map(|took| took.as_secs_f64() * 1000.0);
    println!(
        r#"{{"devices": {devices}, "create": {}, "packages": {}, "add_all": {}, "join": {}, "add_one": {}, "process": {}, "remove": {}, "welcome_bytes": {}, "commit_add_bytes": {}, "commit_remove_bytes": {}}}"#,
        ms[0], ms[1], ms[2], ms[3], ms[4], ms[5], ms[6], bytes(welcome), bytes(&single.commit_message), bytes(&removal.commit_message),
    );
}

fn main() {
    let rounds = std::env::args().nth(1).map_or(3, |text| text.parse().expect("a number of rounds"));
    for _ in 0..rounds {
        for devices in [10, 100, 500] {
            one(devices);
        }
    }
}
