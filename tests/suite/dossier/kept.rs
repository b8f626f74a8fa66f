//! A dossier before a server that keeps cosigned and stamped checkpoints.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use custodia_client::AgentError;
use custodia_client::dossier::{DossierError, Language, NewDossier, Transmission};
use custodia_core::custody::kind::Purpose;
use custodia_core::dossier::{Files, paths, stamps};
use custodia_core::finding::Verdict;
use custodia_core::identity::Role;
use custodia_core::ids::{CaseId, ExhibitId};
use custodia_core::log::stamp::{StampRoots, StampedBytes, UnverifiedStamp};
use custodia_core::log::{ConsistencyProof, CosignatureTime, Cosigner, LogKey, NodeHash, SignedCheckpoint, VerifiedCheckpoint};
use custodia_tests::liar::{Answer, Told};
use custodia_tests::world::{Must as _, World, case, statement};
use custodia_verify::Trust;
use custodia_verify::archive::Archive;
use ed25519_dalek::SigningKey;

use super::verify;
use crate::agent::{add, view};

/// A time-stamping authority: `openssl ts` under a certificate of its own.
struct Authority(PathBuf);

impl Authority {
    fn new(folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let authority = Self(folder.to_owned());
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-keyout", "tsa.key", "-out", "tsa.pem"];
        let about = ["-subj", "/CN=Stamps of a test", "-days", "2", "-addext", "extendedKeyUsage=critical,timeStamping"];
        authority.openssl(&[&["req", "-x509"][..], &key, &about].concat());
        fs::write(folder.join("serial"), "01\n").unwrap();
        let settings = "[tsa]\ndefault_tsa = t\n[t]\nserial = serial\nsigner_cert = tsa.pem\nsigner_key = tsa.key\nsigner_digest = sha256\n\
                        default_policy = 1.2.3.4\ndigests = sha256\naccuracy = secs:1\ness_cert_id_alg = sha256\n";
        fs::write(folder.join("tsa.cnf"), settings).unwrap();
        authority
    }

    fn stamp(&self, checkpoint: &VerifiedCheckpoint) -> Vec<u8> {
        fs::write(self.0.join("stamped"), StampedBytes::of(checkpoint).as_bytes()).unwrap();
        self.openssl(&["ts", "-query", "-data", "stamped", "-sha256", "-cert", "-out", "query"]);
        self.openssl(&["ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query", "-out", "reply"]);
        fs::read(self.0.join("reply")).unwrap()
    }

    fn openssl(&self, words: &[&str]) {
        let output = Command::new("openssl").args(words).current_dir(&self.0).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// The witness of [`keeping`].
fn witness() -> Cosigner {
    Cosigner::new("witness.example/w1".parse().unwrap(), SigningKey::from_bytes(&[9; 32])).unwrap()
}

/// Every checkpoint that an answer shows, in a receipt or by itself.
fn checkpoints_in(json: &serde_json::Value, found: &mut Vec<String>) {
    match json {
        serde_json::Value::Object(members) => {
            found.extend(members.get("checkpoint").and_then(|note| note.as_str()).map(str::to_owned));
            members.values().for_each(|member| checkpoints_in(member, found));
        }
        serde_json::Value::Array(all) => all.iter().for_each(|one| checkpoints_in(one, found)),
        _ => {}
    }
}

/// From now on the server keeps every checkpoint that it shows, with the witness's cosignature and, if there is an authority, its stamp and what is none; it
/// says so only after it was asked `deaf` times. Gives what it was asked.
fn keeping(world: &World, authority: Option<Authority>, mut deaf: usize) -> Arc<Mutex<Vec<String>>> {
    let asked_for = Arc::new(Mutex::new(Vec::new()));
    let remember = Arc::clone(&asked_for);
    let key: LogKey = world.info.log_key.parse().unwrap();
    let mut kept = BTreeMap::<u64, String>::new();
    world.liars[0].lie(move |asked, answer| {
        if !asked.is("GET", "/v1/log/kept") {
            let mut notes = Vec::new();
            match serde_json::from_slice(&answer.body) {
                Ok(json) => checkpoints_in(&json, &mut notes),
                Err(_) => notes.push(String::from_utf8_lossy(&answer.body).into_owned()),
            }
            for checkpoint in notes.iter().filter_map(|note| SignedCheckpoint::parse(note.as_bytes()).ok()?.verify(&key).ok()) {
                let time = CosignatureTime::from_seconds(1_795_467_900).unwrap();
                let cosigned = checkpoint.with_signature(witness().cosign(&checkpoint, time).line()).unwrap();
                kept.insert(checkpoint.size().get(), cosigned.note().as_str().to_owned());
            }
            return Told::Answer(answer);
        }
        remember.lock().unwrap().push(asked.target.clone());
        let size = |name: &str| asked.target.split(['?', '&']).find_map(|part| part.strip_prefix(name)?.parse::<u64>().ok());
        let found = match (size("at_least="), size("at_most=")) {
            (Some(least), _) => kept.range(least..).next(),
            (_, Some(most)) => kept.range(..=most).next_back(),
            _ => None,
        };
        deaf = deaf.saturating_sub(1);
        match found.filter(|_| deaf == 0 && (authority.is_some() || !asked.target.contains("with=stamp"))) {
            None => Told::Answer(answer),
            Some((_, note)) => {
                let checkpoint = SignedCheckpoint::parse(note.as_bytes()).unwrap().verify(&key).unwrap();
                let stamps = authority.iter().flat_map(|authority| [b"no stamp".to_vec(), authority.stamp(&checkpoint)]);
                let stamps: Vec<String> = stamps.map(|stamp| BASE64.encode(stamp)).collect();
                Told::Answer(Answer::ok(serde_json::json!({ "checkpoint": note, "stamps": stamps }).to_string()))
            }
        }
    });
    asked_for
}

/// The dossier that a test makes of one exhibit, for this long.
fn of(world: &World, case: CaseId, exhibit: ExhibitId, wait: u64) -> NewDossier {
    NewDossier {
        case,
        exhibits: vec![exhibit],
        recipients: vec!["Court".to_owned()],
        purpose: Purpose::Trial,
        statement: statement(),
        files: Files::Digests,
        withheld: Vec::new(),
        languages: vec![Language::En],
        report_program: None,
        transmission: Transmission::default(),
        trust: Some(demanding(world)),
        wait: Duration::from_secs(wait),
        target: world.path("kept.zip"),
    }
}

/// A trust file that demands the witness.
fn demanding(world: &World) -> String {
    let (info, witness) = (&world.info, witness().cosigner_key());
    let policy = format!("witness w1 {witness}\nquorum w1\n");
    format!("origin = {:?}\nlog = {:?}\ntrust_pin = \"{}\"\npolicy = \"\"\"\n{policy}\"\"\"\n", info.origin, info.log_key, info.trust_pin)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dossier_that_waits_for_a_witness_is_attested_and_one_that_did_not_is_attested_later() {
    let world = World::behind(1).await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let case = case(&ana).await;
    let exhibit = add(&ana, &world, case, "phone", 1000).await;
    let mut new = of(&world, case, exhibit, 0);
    let made = ana.make_dossier(&new, &|_| {}).await.must();
    assert_eq!(made.found.verdict, Verdict::Indeterminate, "{}", made.found.sentence);
    let before = fs::read(&made.path).unwrap();
    let refused = ana.attach_cosignature(&made.path, None, None, None).await;
    assert!(matches!(refused, Err(AgentError::Dossier(DossierError::NotCosigned { .. }))), "{refused:?}");
    assert_eq!(fs::read(&made.path).unwrap(), before);

    let asked = keeping(&world, None, 3);
    new.target = world.path("waited.zip");
    new.wait = Duration::from_mins(1);
    let waited = ana.make_dossier(&new, &|_| {}).await.must();
    assert_eq!(waited.found.verdict, Verdict::Passed, "{}", waited.found.sentence);
    assert!(asked.lock().unwrap().len() >= 3, "it asked until there was one");
    let report = verify(&fs::read(&waited.path).unwrap(), &Trust::parse(&demanding(&world)).unwrap());
    assert_eq!((report.verdict, report.tree_size), (Verdict::Passed, Some(waited.tree_size)));

    let attached = ana.attach_cosignature(&made.path, None, Some(&demanding(&world)), None).await.must();
    assert_eq!(attached.found.verdict, Verdict::Passed, "{}", attached.found.sentence);
    assert_eq!(attached.signatures, [world.info.origin.as_str(), "witness.example/w1"]);
    assert!(attached.tree_size > made.disclosures[0].1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stamped_checkpoints_around_every_record_are_in_it_and_few_questions_find_them() {
    let world = World::behind(1).await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let case = case(&ana).await;
    let asked = keeping(&world, Some(Authority::new(&world.path("authority"))), 0);
    let exhibit = add(&ana, &world, case, "phone", 1000).await;
    for _ in 0..3 {
        view(&ana, case, exhibit).await.must();
    }
    let made = ana.make_dossier(&of(&world, case, exhibit, 60), &|_| {}).await.must();
    let bytes = fs::read(&made.path).unwrap();
    let mut archive = Archive::open(Cursor::new(&bytes)).unwrap();
    let mut file = |name: &str| archive.read(name, 1 << 20).unwrap();
    let chain = String::from_utf8(file(&paths::chain(exhibit)).unwrap()).unwrap();
    let indexes: Vec<u64> =
        chain.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["index"].as_u64().unwrap()).collect();
    assert_eq!(indexes.len(), 6, "collection, three views, export, dossier");
    let key: LogKey = world.info.log_key.parse().unwrap();
    let end = SignedCheckpoint::parse(&file(paths::CHECKPOINT).unwrap()).unwrap().verify(&key).unwrap();
    let sizes: Vec<u64> = (0..=end.size().get()).filter(|size| file(&stamps::note(*size)).is_some()).collect();
    for &index in &indexes {
        assert!(sizes.iter().any(|size| *size <= index), "before record {index}: {sizes:?}");
        assert!(sizes.iter().any(|size| *size > index), "after record {index}: {sizes:?}");
    }
    for &size in &sizes {
        let stamped = file(&stamps::note(size)).unwrap();
        let text = String::from_utf8(stamped.clone()).unwrap();
        assert_eq!(text.matches('—').count(), 1, "the log's own signature alone: {text}");
        let older = SignedCheckpoint::parse(&stamped).unwrap().verify(&key).unwrap();
        let proof = String::from_utf8(file(&stamps::proof(size)).unwrap()).unwrap();
        let hashes = proof.lines().map(|line| NodeHash::from_bytes(hex::decode(line).unwrap().try_into().unwrap())).collect();
        end.extends(&older, &ConsistencyProof::from_hashes(hashes).unwrap()).unwrap();
        let stamp = file(&stamps::stamp(size, 1)).unwrap();
        let judged = UnverifiedStamp::parse(&stamp).unwrap().verify(&StampedBytes::of(&older), &StampRoots::default());
        assert!(judged.unwrap_err().counts_for_nothing(), "a stamp of exactly this checkpoint, by somebody who is not pinned");
        assert_eq!(file(&stamps::stamp(size, 2)), None, "what is no stamp is left out");
    }
    let questions = asked.lock().unwrap().iter().filter(|target| target.contains("with=stamp")).count();
    assert!(questions <= 2 * indexes.len() + 1, "{questions}");
}
