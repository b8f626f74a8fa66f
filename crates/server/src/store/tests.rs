use super::*;
use crate::backends::Pair;
use crate::on_both_pairs;
use crate::store::devices::{forget_nonces, remember_nonce};
use custodia_core::digest::Sha256Digest;

async fn store(pair: Pair) -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let database = pair.fresh(folder.path()).database;
    std::fs::create_dir(folder.path().join("db")).unwrap();
    let database = if pair == Pair::SqliteAndFolder { format!("{database}?mode=rwc") } else { database };
    (folder, Store::open(&database).await.unwrap())
}

async fn a_nonce_is_remembered_once_until_it_expires(pair: Pair) {
    let (_folder, store) = store(pair).await;
    let keyid = Sha256Digest::of(&[b"device"]);
    let mut write = store.write().await.unwrap();
    assert!(remember_nonce(write.conn(), keyid, &[1; 16], 100).await.unwrap());
    assert!(!remember_nonce(write.conn(), keyid, &[1; 16], 100).await.unwrap());
    assert!(remember_nonce(write.conn(), Sha256Digest::of(&[b"other"]), &[1; 16], 100).await.unwrap());
    forget_nonces(write.conn(), 101).await.unwrap();
    assert!(remember_nonce(write.conn(), keyid, &[1; 16], 200).await.unwrap());
    write.commit().await.unwrap();
}

async fn a_transaction_that_is_dropped_leaves_no_trace_and_a_part_is_taken_back_alone(pair: Pair) {
    let (_folder, store) = store(pair).await;
    let keyid = Sha256Digest::of(&[b"device"]);
    let mut write = store.write().await.unwrap();
    remember_nonce(write.conn(), keyid, &[1; 16], 100).await.unwrap();
    drop(write);
    let mut write = store.write().await.unwrap();
    assert!(remember_nonce(write.conn(), keyid, &[1; 16], 100).await.unwrap());
    let mut part = write.part().await.unwrap();
    assert!(remember_nonce(&mut part, keyid, &[2; 16], 100).await.unwrap());
    part.rollback().await.unwrap();
    write.commit().await.unwrap();
    let mut write = store.write().await.unwrap();
    assert!(!remember_nonce(write.conn(), keyid, &[1; 16], 100).await.unwrap());
    assert!(remember_nonce(write.conn(), keyid, &[2; 16], 100).await.unwrap());
}

async fn numbers_past_the_column_are_refused_not_wrapped(pair: Pair) {
    let (_folder, store) = store(pair).await;
    let mut write = store.write().await.unwrap();
    let refused = remember_nonce(write.conn(), Sha256Digest::of(&[b"device"]), &[1; 16], u64::MAX).await;
    assert!(matches!(refused, Err(StoreError::NumberTooLarge)));
}

#[tokio::test]
async fn a_transaction_that_sqlite_took_back_by_itself_ends_no_connection_of_the_pool() {
    let (_folder, store) = store(Pair::SqliteAndFolder).await;
    for _ in 0..20 {
        let mut write = store.write().await.unwrap();
        // What SQLite does when it finds the disk full.
        sqlx::raw_sql("ROLLBACK").execute(write.conn()).await.unwrap();
        drop(write);
    }
    store.write().await.unwrap().commit().await.unwrap();
}

on_both_pairs![
    a_nonce_is_remembered_once_until_it_expires,
    a_transaction_that_is_dropped_leaves_no_trace_and_a_part_is_taken_back_alone,
    numbers_past_the_column_are_refused_not_wrapped,
];
