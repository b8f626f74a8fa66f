use custodia_core::ids::{CaseId, DeviceId};
use tempfile::TempDir;

use super::*;

fn key(seed: u8) -> Secret32 {
    Secret32::from_bytes([seed; 32])
}

fn row() -> device::DeviceRow {
    device::DeviceRow {
        id: DeviceId::from_bytes([1; 16]),
        signing_key: key(2),
        sealing_seed: key(3),
        request: "canary-request".to_owned(),
        certificate: None,
    }
}

async fn made(folder: &TempDir) -> StatePaths {
    let paths = StatePaths::in_folder(folder.path().join("agent"));
    State::create(&paths, &key(9), "key file", &row()).await.unwrap().close().await.unwrap();
    paths
}

#[tokio::test]
async fn a_state_reads_back_under_its_key() {
    let folder = TempDir::new().unwrap();
    let paths = made(&folder).await;
    let state = State::open(&paths, &key(9)).await.unwrap();
    let device = device::load(&mut *state.connection().await).await.unwrap();
    assert_eq!(device.id, row().id);
    assert_eq!(device.signing_key.expose(), row().signing_key.expose());
}

#[tokio::test]
async fn another_key_does_not_open_it() {
    let folder = TempDir::new().unwrap();
    let paths = made(&folder).await;
    assert!(matches!(State::open(&paths, &key(8)).await, Err(StateError::NotOpened(_))));
}

#[tokio::test]
async fn nothing_of_it_stands_in_clear_on_the_disk() {
    let folder = TempDir::new().unwrap();
    let paths = made(&folder).await;
    for file in fs::read_dir(paths.folder()).unwrap() {
        let path = file.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        for clear in [&b"SQLite format 3"[..], b"canary-request", &[2; 32], b"CREATE TABLE"] {
            assert!(!bytes.windows(clear.len()).any(|window| window == clear), "{} holds {clear:?}", path.display());
        }
    }
}

#[tokio::test]
async fn two_processes_cannot_use_it_at_once() {
    let folder = TempDir::new().unwrap();
    let paths = made(&folder).await;
    let held = State::open(&paths, &key(9)).await.unwrap();
    assert!(matches!(State::open(&paths, &key(9)).await, Err(StateError::InUse(_))));
    drop(held);
    State::open(&paths, &key(9)).await.unwrap();
}

#[tokio::test]
async fn a_copied_state_is_refused_and_a_moved_one_is_not() {
    let folder = TempDir::new().unwrap();
    let paths = made(&folder).await;
    let copy = StatePaths::in_folder(folder.path().join("copy"));
    fs::create_dir(copy.folder()).unwrap();
    for file in fs::read_dir(paths.folder()).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.folder().join(file.file_name())).unwrap();
    }
    assert!(matches!(State::open(&copy, &key(9)).await, Err(StateError::Copied(_))));

    let moved = StatePaths::in_folder(folder.path().join("moved"));
    fs::rename(paths.folder(), moved.folder()).unwrap();
    State::open(&moved, &key(9)).await.unwrap();
}

#[tokio::test]
async fn a_second_state_in_one_place_and_an_absent_one_are_refused() {
    let folder = TempDir::new().unwrap();
    let paths = made(&folder).await;
    assert!(matches!(State::create(&paths, &key(9), "key file", &row()).await, Err(StateError::Exists(_))));
    let none = StatePaths::in_folder(folder.path().join("none"));
    assert!(matches!(State::open(&none, &key(9)).await, Err(StateError::Absent(_))));
}

#[tokio::test]
async fn a_transaction_that_is_not_committed_leaves_nothing() {
    let folder = TempDir::new().unwrap();
    let paths = made(&folder).await;
    let state = State::open(&paths, &key(9)).await.unwrap();
    let case = CaseId::from_bytes([5; 16]);
    {
        let mut connection = state.connection().await;
        let mut transaction = begin(&mut connection).await.unwrap();
        keys::put_ring_key(&mut transaction, case, 1, &key(4)).await.unwrap();
    }
    assert!(keys::ring_key(&mut *state.connection().await, case, 1).await.unwrap().is_none());
}

#[cfg(unix)]
#[tokio::test]
async fn its_files_are_readable_to_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = TempDir::new().unwrap();
    let paths = made(&folder).await;
    for path in [paths.database(), paths.lock_file()] {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
    }
}
