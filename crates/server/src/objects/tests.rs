use super::*;
use crate::backends::{Pair, Stores};
use crate::on_both_pairs;

struct Gateway {
    _folder: tempfile::TempDir,
    stores: Stores,
    objects: Objects,
}

fn gateway(pair: Pair) -> Gateway {
    #[derive(serde::Deserialize)]
    struct Section {
        store: StoreConfig,
    }
    let folder = tempfile::tempdir().unwrap();
    let stores = pair.fresh(folder.path());
    let section: Section = toml::from_str(&stores.store).unwrap();
    Gateway { _folder: folder, objects: Objects::open(&section.store).unwrap(), stores }
}

fn key(name: Blake3Digest) -> String {
    format!("{EXHIBIT}/{name}")
}

const EXHIBIT: ExhibitId = ExhibitId::from_bytes([1; 16]);

async fn an_object_reads_back_whole_and_in_parts(pair: Pair) {
    let Gateway { objects, .. } = &gateway(pair);
    let bytes = Bytes::from_static(b"sealed segment");
    let name = Blake3Digest::of(&bytes);
    objects.put(EXHIBIT, Named::check(name, bytes.clone()).unwrap()).await.unwrap();
    objects.put(EXHIBIT, Named::check(name, bytes.clone()).unwrap()).await.unwrap();
    assert_eq!(objects.get(EXHIBIT, name).await.unwrap(), bytes);
    assert_eq!(objects.get_range(EXHIBIT, name, 7..14).await.unwrap(), "segment");
    for range in [14..15, 0..15, Range { start: 5, end: 5 }, Range { start: 6, end: 5 }] {
        assert!(matches!(objects.get_range(EXHIBIT, name, range).await, Err(ObjectError::Range)));
    }
}

async fn bytes_that_are_not_their_name_are_not_stored(pair: Pair) {
    let Gateway { objects, .. } = &gateway(pair);
    let name = Blake3Digest::of(b"other");
    assert!(matches!(Named::check(name, Bytes::from_static(b"these")), Err(ObjectError::NotItsName)));
    assert!(matches!(objects.get(EXHIBIT, name).await, Err(ObjectError::Missing)));
}

async fn an_object_that_was_changed_in_the_store_is_not_given_out_as_the_right_one(pair: Pair) {
    let Gateway { stores, objects, .. } = &gateway(pair);
    let name = Blake3Digest::of(b"sealed");
    objects.put(EXHIBIT, Named::check(name, Bytes::from_static(b"sealed")).unwrap()).await.unwrap();
    stores.overwrite_object(&key(name), b"forged");
    assert!(matches!(objects.get(EXHIBIT, name).await, Err(ObjectError::Damaged)));
}

async fn exhibits_share_no_object(pair: Pair) {
    let Gateway { objects, .. } = &gateway(pair);
    let name = Blake3Digest::of(b"sealed");
    objects.put(EXHIBIT, Named::check(name, Bytes::from_static(b"sealed")).unwrap()).await.unwrap();
    let other = ExhibitId::from_bytes([2; 16]);
    assert!(matches!(objects.get(other, name).await, Err(ObjectError::Missing)));
    objects.delete(EXHIBIT, name).await.unwrap();
    objects.delete(EXHIBIT, name).await.unwrap();
    assert!(matches!(objects.get(EXHIBIT, name).await, Err(ObjectError::Missing)));
}

on_both_pairs![
    an_object_reads_back_whole_and_in_parts,
    bytes_that_are_not_their_name_are_not_stored,
    an_object_that_was_changed_in_the_store_is_not_given_out_as_the_right_one,
    exhibits_share_no_object,
];

#[test]
fn keys_of_the_store_are_read_from_a_file_of_its_owner_and_never_repeated() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s3.toml");
    let write = |text: &str, mode: u32| {
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let good = "access_key_id = \"id\"\nsecret_access_key = \"hunter2\"\n";
    write(good, 0o600);
    assert_eq!(Credentials::read(&file).map(|keys| keys.secret_access_key).unwrap(), "hunter2");
    write(good, 0o644);
    assert!(Credentials::read(&file).err().unwrap().to_string().contains("chmod 600"));
    for text in ["secret_access_key = \"hunter2\"", "secret_access_key = hunter2", &format!("{good}region = \"x\"")] {
        write(text, 0o600);
        let error = Credentials::read(&file).err().unwrap().to_string();
        assert!(error.contains("s3.toml") && !error.contains("hunter2"), "{error}");
    }
}
