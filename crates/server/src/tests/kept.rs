//! Kept checkpoints: cosignatures that somebody brings, and what is given out.

use custodia_api::error::ErrorCode;
use custodia_api::messages::{CosignaturesKept, Kept};
use custodia_core::custody::wire::Base64;
use custodia_core::log::checkpoint::{LogSigner, SignedCheckpoint, VerifiedCheckpoint};
use custodia_core::log::cosignature::{CosignatureTime, Cosigner};
use custodia_core::log::merkle::{RootHash, TreeSize};
use custodia_core::log::note::MAX_NOTE_BYTES;
use ed25519_dalek::SigningKey;

use super::world::{ORIGIN, World, witness};
use crate::backends::Pair;
use crate::config::LimitsConfig;
use crate::on_both_pairs;
use crate::store::kept::insert_stamp;

const PATH: &str = "/v1/log/cosignatures";

fn by(cosigner: &Cosigner, checkpoint: &VerifiedCheckpoint, seconds: u64) -> String {
    let line = cosigner.cosign(checkpoint, CosignatureTime::from_seconds(seconds).unwrap());
    checkpoint.with_signature(line.line()).unwrap().note().as_str().to_owned()
}

async fn kept(world: &World, query: &str) -> Option<Kept> {
    let answer = world.public(&format!("/v1/log/kept?{query}")).await;
    if answer.status == 404 {
        answer.refused(ErrorCode::NotFound);
        return None;
    }
    Some(answer.json())
}

async fn size_kept(world: &World, query: &str) -> Option<u64> {
    let kept = kept(world, query).await?;
    let checkpoint = SignedCheckpoint::parse(kept.checkpoint.as_bytes()).unwrap().verify(&world.log_key).unwrap();
    Some(checkpoint.size().get())
}

async fn what_was_cosigned_or_stamped_is_found_from_both_sides(pair: Pair) {
    let mut world = World::on(pair).await;
    world.begin().await;
    let mut heads = vec![world.checkpoint().await];
    for seed in 11..15 {
        world.prosecutor(seed).await;
        heads.push(world.checkpoint().await);
    }
    assert_eq!(kept(&world, "at_least=0").await, None);
    assert_eq!(kept(&world, "at_most=9223372036854775807").await, None);
    // Sizes 2 and 4 are cosigned, 3 is stamped.
    for head in [&heads[1], &heads[3]] {
        let answer = world.bring(PATH, by(&witness(1), head, 1_795_467_845).as_bytes()).await;
        assert_eq!(answer.json::<CosignaturesKept>().kept, 1);
    }
    let mut write = world.running.as_ref().unwrap().store().write().await.unwrap();
    insert_stamp(write.conn(), TreeSize::new(3).unwrap(), "tsa", b"a stamp", 7).await.unwrap();
    write.commit().await.unwrap();

    for (query, size) in [
        ("at_least=0", Some(2)),
        ("at_least=3", Some(3)),
        ("at_least=3&with=cosignature", Some(4)),
        ("at_least=4&with=stamp", None),
        ("at_least=5", None),
        ("at_most=1", None),
        ("at_most=3", Some(3)),
        ("at_most=3&with=cosignature", Some(2)),
        ("at_most=281474976710656", Some(4)),
        ("at_most=281474976710656&with=stamp", Some(3)),
    ] {
        assert_eq!(size_kept(&world, query).await, size, "{query}");
    }
    let stamped = kept(&world, "at_least=0&with=stamp").await.unwrap();
    assert_eq!(stamped, Kept { checkpoint: heads[2].note().as_str().to_owned(), stamps: vec![Base64(b"a stamp".to_vec())] });

    world.stop().await;
    world.start().await;
    assert_eq!(kept(&world, "at_least=0&with=stamp").await.unwrap(), stamped);
    let cosigned = kept(&world, "at_least=4").await.unwrap();
    assert_eq!(cosigned.checkpoint, by(&witness(1), &heads[3], 1_795_467_845));
    world.stop().await;
}

async fn the_latest_checkpoint_shows_the_cosignatures_of_exactly_its_size(pair: Pair) {
    let mut world = World::on(pair).await;
    world.begin().await;
    let head = world.checkpoint().await;
    let cosigned = by(&witness(1), &head, 100);
    for _ in 0..2 {
        // Brought again, it stands once.
        assert_eq!(world.bring(PATH, cosigned.as_bytes()).await.json::<CosignaturesKept>().kept, 1);
    }
    assert_eq!(world.public("/checkpoint").await.body, cosigned.as_bytes());
    // A second one by the same key changes nothing: the first says the earlier time.
    assert_eq!(world.bring(PATH, by(&witness(1), &head, 200).as_bytes()).await.status, 200);
    assert_eq!(world.public("/checkpoint").await.body, cosigned.as_bytes());
    world.prosecutor(11).await;
    let shown = world.public("/checkpoint").await.body;
    assert_eq!(SignedCheckpoint::parse(&shown).unwrap().note().signatures().len(), 1);
    world.stop().await;
}

async fn what_does_not_verify_is_passed_over_and_what_the_log_never_signed_is_unknown(pair: Pair) {
    let mut world = World::on(pair).await;
    world.begin().await;
    let head = world.checkpoint().await;
    let good = by(&witness(1), &head, 100);
    // By a key that the policy does not name; by one of its name; over another time than the line says.
    let named = Cosigner::new("witness.example/w1".parse().unwrap(), SigningKey::from_bytes(&[9; 32])).unwrap();
    for cosigner in [witness(2), named] {
        assert_eq!(world.bring(PATH, by(&cosigner, &head, 100).as_bytes()).await.json::<CosignaturesKept>().kept, 0);
    }
    let line = SignedCheckpoint::parse(good.as_bytes()).unwrap().note().signatures().last().unwrap().to_string();
    let mut bytes = good.clone().into_bytes();
    let place = good.len() - line.len() + "— witness.example/w1 ".len() + 20;
    bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
    assert_eq!(world.bring(PATH, &bytes).await.json::<CosignaturesKept>().kept, 0);
    assert_eq!(kept(&world, "at_least=0").await, None);

    // The log's own key, and a tree that this database does not have.
    let signer = LogSigner::new(ORIGIN.parse().unwrap(), SigningKey::from_bytes(&[1; 32])).unwrap();
    for size in [1, 7] {
        let other = signer.sign(TreeSize::new(size).unwrap(), RootHash::from_bytes([1; 32])).unwrap();
        world.bring(PATH, by(&witness(1), &other, 100).as_bytes()).await.refused(ErrorCode::NotFound);
    }
    world.bring(PATH, b"no checkpoint").await.refused(ErrorCode::Malformed);
    world.bring(PATH, &vec![b'a'; MAX_NOTE_BYTES + 1]).await.refused(ErrorCode::TooLarge);
    for query in ["", "?at_least=1&at_most=2", "?at_least=-1", "?at_least=1&with=both", "?at_least=1&from=2"] {
        world.public(&format!("/v1/log/kept{query}")).await.refused(ErrorCode::Malformed);
    }
    world.stop().await;
}

#[tokio::test]
async fn an_address_that_brings_nothing_is_slowed_and_what_is_good_passes() {
    let limits = LimitsConfig { refused_per_minute: 2.try_into().unwrap(), ..LimitsConfig::default() };
    let mut world = World::with_limits(Pair::SqliteAndFolder, limits).await;
    world.begin().await;
    let head = world.checkpoint().await;
    world.bring(PATH, b"no checkpoint").await.refused(ErrorCode::Malformed);
    assert_eq!(world.bring(PATH, by(&witness(2), &head, 100).as_bytes()).await.status, 200);
    world.bring(PATH, b"no checkpoint").await.refused(ErrorCode::TooMany);
    world.bring(PATH, by(&witness(2), &head, 100).as_bytes()).await.refused(ErrorCode::TooMany);
    assert_eq!(world.bring(PATH, by(&witness(1), &head, 100).as_bytes()).await.json::<CosignaturesKept>().kept, 1);
    // It stands now: brought again it is nothing new, whatever time it says.
    for seconds in [100, 200] {
        world.bring(PATH, by(&witness(1), &head, seconds).as_bytes()).await.refused(ErrorCode::TooMany);
    }
    world.stop().await;
}

#[tokio::test]
async fn what_stands_already_counts_for_its_address_like_what_brings_nothing() {
    let limits = LimitsConfig { refused_per_minute: 2.try_into().unwrap(), ..LimitsConfig::default() };
    let mut world = World::with_limits(Pair::SqliteAndFolder, limits).await;
    world.begin().await;
    let cosigned = world.cosigned().await;
    for _ in 0..3 {
        assert_eq!(world.bring(PATH, cosigned.as_bytes()).await.json::<CosignaturesKept>().kept, 1, "how many stand");
    }
    world.bring(PATH, cosigned.as_bytes()).await.refused(ErrorCode::TooMany);
    world.stop().await;
}

on_both_pairs![
    what_was_cosigned_or_stamped_is_found_from_both_sides,
    the_latest_checkpoint_shows_the_cosignatures_of_exactly_its_size,
    what_does_not_verify_is_passed_over_and_what_the_log_never_signed_is_unknown,
];
