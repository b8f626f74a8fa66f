//! An object store that is down, silent, busy, or breaks off: a clear error, and nothing acknowledged that is not stored.

use custodia_api::error::ErrorCode;
use custodia_api::messages::{Acknowledged, Released};

use super::evidence::{MANIFEST, SEGMENTS, collected, collection, consultation, exhibit, key, object};
use super::world::{CASE, World};
use crate::backends::{Backends, Pair};
use crate::config::StoreConfig;
use crate::on_both_pairs;
use crate::proxy::{Fault, Proxy};

/// The same world, whose server reaches the bucket through a proxy, and waits for it for a second.
async fn behind_proxy(world: &mut World) -> Proxy {
    let proxy = Proxy::to(Backends::find().s3).await;
    world.stop().await;
    let StoreConfig::S3(s3) = &mut world.config.store else { panic!("the pair has a bucket") };
    s3.endpoint = Some(format!("http://127.0.0.1:{}", proxy.port));
    s3.silence_seconds = 1;
    world.start().await;
    proxy
}

const FAULTS: [fn() -> Fault; 4] = [|| Fault::Down, || Fault::Silent, || Fault::Busy, || Fault::CutAfter(8)];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_fails_acknowledges_nothing_and_the_same_uploads_succeed_later_on_postgres_and_ceph() {
    let mut world = World::on(Pair::PostgresAndCeph).await;
    world.begin().await;
    let ana = world.prosecutor(11).await;
    world.found(&ana, CASE).await;
    let proxy = behind_proxy(&mut world).await;
    let size = world.checkpoint().await.size();
    let request = collection(&mut world, &ana);
    for fault in FAULTS {
        proxy.set(fault());
        let refused = world.put(&ana, &object(MANIFEST), MANIFEST).await.refused(ErrorCode::Unavailable);
        assert_eq!(refused.message, "the object store does not answer");
        world.post(&ana, &exhibit(), &request).await.refused(ErrorCode::ObjectsMissing);
    }
    proxy.set(Fault::None);
    for bytes in SEGMENTS.into_iter().chain([MANIFEST]) {
        assert_eq!(world.put(&ana, &object(bytes), bytes).await.status, 204);
        assert!(world.stores.object_exists(&key(bytes)));
    }
    // A collection that cannot ask the store is not entered either.
    proxy.set(Fault::Busy);
    world.post(&ana, &exhibit(), &request).await.refused(ErrorCode::Unavailable);
    assert_eq!(world.checkpoint().await.size(), size);
    proxy.set(Fault::None);
    world.post(&ana, &exhibit(), &request).await.json::<Acknowledged>();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_breaks_off_gives_out_nothing_in_part_on_postgres_and_ceph() {
    let mut world = World::on(Pair::PostgresAndCeph).await;
    let ana = collected(&mut world).await;
    let opening = consultation(&mut world, &ana).await;
    world.post(&ana, &format!("{}/acts", exhibit()), &opening).await.json::<Released>();
    let proxy = behind_proxy(&mut world).await;
    for fault in FAULTS {
        proxy.set(fault());
        world.get(&ana, &object(SEGMENTS[0])).await.refused(ErrorCode::Unavailable);
    }
    proxy.set(Fault::None);
    assert_eq!(world.get(&ana, &object(SEGMENTS[0])).await.body, SEGMENTS[0]);
    world.stop().await;
}

async fn an_object_that_was_cut_or_is_another_exhibits_is_not_given_out(pair: Pair) {
    let mut world = World::on(pair).await;
    let ana = collected(&mut world).await;
    let opening = consultation(&mut world, &ana).await;
    world.post(&ana, &format!("{}/acts", exhibit()), &opening).await.json::<Released>();
    for other in [&SEGMENTS[0][..5], b"", SEGMENTS[1], MANIFEST] {
        world.stores.overwrite_object(&key(SEGMENTS[0]), other);
        let refused = world.get(&ana, &object(SEGMENTS[0])).await.refused(ErrorCode::ObjectDamaged);
        assert!(refused.message.contains("other bytes"), "{}", refused.message);
    }
    world.stop().await;
}

on_both_pairs![an_object_that_was_cut_or_is_another_exhibits_is_not_given_out];
