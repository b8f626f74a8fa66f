//! A log of many openings, replayed as an auditor replays it, beside nothing but the signatures in it.

use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use custodia_api::messages::RecordsPage;
use custodia_core::custody::receipt::RecordView;
use custodia_core::custody::record::Core;
use custodia_core::custody::replay::Replay;
use custodia_core::identity::TrustPin;
use custodia_core::log::{LogKey, SignedCheckpoint};
use ed25519_dalek::{Signature, VerifyingKey};
use serde_json::json;

use crate::actor::Actor;
use crate::stage::Stage;
use crate::{number, tell};

/// A signature with what it is over.
type Signed = (VerifyingKey, Vec<u8>, Signature);

/// How many signatures hold, as strictly as the product asks.
fn hold(signed: &[Signed]) -> usize {
    signed.iter().filter(|(key, text, signature)| key.verify_strict(text, signature).is_ok()).count()
}

/// Makes a log of about so many records; gives them in order, with the last checkpoint and the clients' signatures.
async fn log(records: u64) -> (Vec<RecordView>, SignedCheckpoint, LogKey, TrustPin, Vec<Signed>) {
    const ACTORS: u8 = 32;
    let stage = Stage::open().await;
    let mut actors = Vec::new();
    for place in 0..ACTORS {
        let mut actor = Actor::enrolled(&stage.world, place).await;
        actor.prepare().await;
        actors.push(actor);
    }
    let each = records / u64::from(ACTORS);
    let tasks: Vec<_> = actors
        .into_iter()
        .map(|mut actor| {
            tokio::spawn(async move {
                for _ in 0..each {
                    actor.open_once().await;
                }
                actor
            })
        })
        .collect();
    let (mut views, mut signed, mut newest) = (Vec::new(), Vec::new(), (0, String::new()));
    for task in tasks {
        let actor = task.await.unwrap();
        if views.is_empty() {
            let page: RecordsPage = actor.http().get("/v1/registry/records?from=0").await.unwrap();
            views.extend(page.records);
        }
        for receipt in &actor.receipts {
            // The checkpoint of the last record's own turn ends the log.
            if receipt.record.index > newest.0 {
                newest = (receipt.record.index, receipt.checkpoint.clone());
            }
            let core: Core = receipt.record.open().unwrap().core.unwrap();
            let (text, signature) = core.intent.rsplit_once('.').unwrap();
            let signature = Signature::from_slice(&URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
            signed.push((actor.verifying_key(), text.as_bytes().to_vec(), signature));
            views.push(receipt.record.clone());
        }
    }
    views.sort_by_key(|view| view.index);
    let pin = TrustPin::new(stage.world.info.trust_pin);
    (views, SignedCheckpoint::parse(newest.1.as_bytes()).unwrap(), stage.world.info.log_key.parse().unwrap(), pin, signed)
}

/// Prints one line for each round.
pub async fn measure() {
    let (views, checkpoint, key, pin, signed) = log(number("--records", 20_000)).await;
    let checkpoint = checkpoint.verify(&key).unwrap();
    assert_eq!(checkpoint.size().get(), views.len() as u64, "the log is whole");
    let per_second = |count: usize, begun: Instant| count as f64 / begun.elapsed().as_secs_f64();
    for _ in 0..number("--rounds", 5) {
        let begun = Instant::now();
        assert_eq!(hold(&signed), signed.len());
        let one = per_second(signed.len(), begun);
        let begun = Instant::now();
        let (left, right) = signed.split_at(signed.len() / 2);
        std::thread::scope(|scope| {
            let other = scope.spawn(|| hold(left));
            assert_eq!(hold(right) + other.join().unwrap(), signed.len());
        });
        let both = per_second(signed.len(), begun);
        let begun = Instant::now();
        let mut replay = Replay::new(key.origin().clone(), pin);
        // As an audit does, page by page.
        for page in views.chunks(256) {
            let (left, right) = page.split_at(page.len() / 2);
            let prepared = std::thread::scope(|scope| {
                let other = scope.spawn(|| right.iter().map(|view| replay.prepare(view)).collect::<Vec<_>>());
                let mut prepared: Vec<_> = left.iter().map(|view| replay.prepare(view)).collect();
                prepared.extend(other.join().unwrap());
                prepared
            });
            for record in prepared {
                let step = replay.step_prepared(record);
                assert!(step.findings.is_empty(), "{:?}", step.findings);
            }
        }
        assert!(replay.finish(&checkpoint).iter().all(|finding| finding.status != custodia_core::finding::Status::Failed));
        let ours = per_second(views.len(), begun);
        tell(&json!({"records": views.len(), "signatures": signed.len(), "raw_one": one, "raw_both": both, "ours": ours}));
    }
}
