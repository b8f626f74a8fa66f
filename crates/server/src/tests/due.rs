//! When a witness or an authority is asked again: lately is by this server's clock, and each witness is compared once in every process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::collect::{honest, known, somebody, turn, world};
use super::world::witness;
use crate::config::{StampAuthority, StampsConfig};
use crate::store::kept::insert_stamp;

/// Waits until somebody was asked so often.
async fn asked(count: &AtomicUsize, times: usize) {
    let wait = async {
        while count.load(Ordering::SeqCst) < times {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_that_lies_ahead_is_not_lately() {
    let lately = Duration::from_secs(50);
    let (url, cosigned) = somebody(|body| (200, "text/plain", honest(1, body).into_bytes())).await;
    let (tsa, stamped) = somebody(|_| (500, "text/plain", Vec::new())).await;
    let mut world = world(&[(witness(1).cosigner_key(), url)], "quorum w0").await;
    known(&world);
    world.begin().await;
    world.stop().await;
    let authorities = vec![StampAuthority { name: "tsa".to_owned(), url: tsa }];
    world.config.stamps =
        Some(StampsConfig { authorities, every_seconds: 3600, timeout_seconds: 20, tls_authorities: None, tsa_roots: None });
    world.start().await;
    // The new process has taken its first turns by itself.
    asked(&cosigned, 1).await;
    asked(&stamped, 1).await;
    let collector = world.running.as_ref().unwrap().collector();
    collector.ask_witnesses(lately).await;
    let at = world.clock.seconds();
    let head = world.checkpoint().await.size();
    let mut write = world.running.as_ref().unwrap().store().write().await.unwrap();
    insert_stamp(write.conn(), head, "tsa", b"a stamp", at).await.unwrap();
    write.commit().await.unwrap();
    world.prosecutor(11).await;
    let count = || (cosigned.load(Ordering::SeqCst), stamped.load(Ordering::SeqCst));
    let before = count();

    // Now the cosignature and the stamp are both of a later time.
    world.clock.set(at.min(1_795_467_845) - 1000);
    collector.ask_witnesses(lately).await;
    collector.ask_authorities(lately).await;
    assert_eq!(count(), (before.0 + 1, before.1 + 1));
    world.clock.set(at + 10);
    collector.ask_authorities(lately).await;
    assert_eq!(count(), (before.0 + 1, before.1 + 1), "stamped lately");
    drop(collector);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_witness_that_did_not_answer_the_first_turn_is_compared_at_a_later_one() {
    let lately = Duration::from_secs(u64::from(u32::MAX));
    let silent = Arc::new(AtomicBool::new(false));
    let falls_silent = Arc::clone(&silent);
    let (url, count) = somebody(move |body| {
        let answers = !falls_silent.load(Ordering::SeqCst);
        if answers { (200, "text/plain", honest(1, body).into_bytes()) } else { (500, "text/plain", Vec::new()) }
    })
    .await;
    let mut world = world(&[(witness(1).cosigner_key(), url)], "quorum w0").await;
    known(&world);
    world.begin().await;
    turn(&world).await;
    assert_eq!(count.load(Ordering::SeqCst), 1);
    // A new process: the head was cosigned, lately, and the witness is silent when it is to be compared.
    silent.store(true, Ordering::SeqCst);
    world.stop().await;
    world.start().await;
    asked(&count, 2).await;
    let collector = world.running.as_ref().unwrap().collector();
    collector.ask_witnesses(lately).await;
    assert_eq!(count.load(Ordering::SeqCst), 3, "it has not been compared yet");
    silent.store(false, Ordering::SeqCst);
    collector.ask_witnesses(lately).await;
    assert_eq!(count.load(Ordering::SeqCst), 4);
    collector.ask_witnesses(lately).await;
    assert_eq!(count.load(Ordering::SeqCst), 4, "now it has");
    drop(collector);
    world.stop().await;
}
