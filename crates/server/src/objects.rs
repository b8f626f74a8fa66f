//! The blob gateway: ciphertext under `exhibit id / blake3`, in a folder or a bucket.
//!
//! The store is trusted to keep bytes. What it returns is compared with its name whenever a whole object is read, so a wrong or
//! damaged object is noticed and never served as the right one; a lost one is noticed at the collection or at the reading.

use core::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use custodia_core::digest::Blake3Digest;
use custodia_core::ids::ExhibitId;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt as _};

use crate::config::StoreConfig;
use crate::durable;

/// Why an object could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ObjectError {
    /// The bytes do not have the name under which they came.
    #[error("the bytes do not have the digest that is the object's name")]
    NotItsName,
    /// The store holds other bytes under that name.
    #[error("the store holds other bytes under that object's name")]
    Damaged,
    /// There is no such object.
    #[error("there is no such object")]
    Missing,
    /// The range does not lie within the object.
    #[error("the range does not lie within the object")]
    Range,
    /// The store does not answer.
    #[error("the object store does not answer: {0}")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<object_store::Error> for ObjectError {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::Missing,
            other => Self::Unavailable(Box::new(other)),
        }
    }
}

/// The gateway.
#[derive(Debug, Clone)]
pub(crate) struct Objects(Arc<dyn ObjectStore>);

fn place(exhibit: ExhibitId, name: Blake3Digest) -> Path {
    Path::from_iter([exhibit.to_string(), name.to_string()])
}

impl Objects {
    /// Opens the store that the configuration names.
    ///
    /// # Errors
    /// A folder that cannot be made, a bucket whose settings do not fit together.
    pub fn open(config: &StoreConfig) -> Result<Self, ObjectError> {
        let unavailable = |error: std::io::Error| ObjectError::Unavailable(Box::new(error));
        Ok(Self(match config {
            StoreConfig::Folder(folder) => {
                durable::make_private_folder(folder).map_err(unavailable)?;
                Arc::new(LocalFileSystem::new_with_prefix(folder)?.with_fsync(true))
            }
            StoreConfig::S3(s3) => {
                // The default limit covers a whole body, which a slow line cannot keep; a pause in it is what tells a dead peer.
                let options = ClientOptions::new().with_timeout_disabled().with_read_timeout(Duration::from_secs(30));
                let mut builder = AmazonS3Builder::from_env()
                    .with_client_options(options)
                    .with_bucket_name(&s3.bucket)
                    .with_region(&s3.region)
                    .with_allow_http(s3.allow_http);
                if let Some(endpoint) = &s3.endpoint {
                    builder = builder.with_endpoint(endpoint);
                }
                Arc::new(builder.build()?)
            }
        }))
    }

    /// Takes away what uploads that were cut off by the end of a process left in a folder store: files with `#` in their names, which no
    /// object has. Only where no other process stores.
    ///
    /// # Errors
    /// What the file system refuses.
    pub fn sweep(config: &StoreConfig) -> std::io::Result<()> {
        let StoreConfig::Folder(folder) = config else { return Ok(()) };
        for exhibit in std::fs::read_dir(folder)? {
            let exhibit = exhibit?;
            if !exhibit.file_type()?.is_dir() {
                continue;
            }
            for object in std::fs::read_dir(exhibit.path())? {
                let object = object?;
                if object.file_name().as_encoded_bytes().contains(&b'#') {
                    std::fs::remove_file(object.path())?;
                }
            }
        }
        Ok(())
    }

    /// Stores an object durably, if its bytes have its name. Storing it again is harmless.
    ///
    /// # Errors
    /// [`ObjectError::NotItsName`] before anything is stored; [`ObjectError::Unavailable`] if it is not known to be stored.
    pub async fn put(&self, exhibit: ExhibitId, name: Blake3Digest, bytes: Bytes) -> Result<(), ObjectError> {
        if Blake3Digest::of(&bytes) != name {
            return Err(ObjectError::NotItsName);
        }
        let at = place(exhibit, name);
        let Err(failed) = self.0.put(&at, bytes.into()).await else { return Ok(()) };
        // A store may report a failure, or a conflict, although it kept the object: look and compare.
        match self.get(exhibit, name).await {
            Ok(_) => Ok(()),
            Err(ObjectError::Damaged) => Err(ObjectError::Damaged),
            Err(_) => Err(failed.into()),
        }
    }

    /// Reads a whole object and compares it with its name.
    pub async fn get(&self, exhibit: ExhibitId, name: Blake3Digest) -> Result<Bytes, ObjectError> {
        let bytes = self.0.get(&place(exhibit, name)).await?.bytes().await?;
        if Blake3Digest::of(&bytes) == name { Ok(bytes) } else { Err(ObjectError::Damaged) }
    }

    /// The length of an object in bytes.
    pub async fn size(&self, exhibit: ExhibitId, name: Blake3Digest) -> Result<u64, ObjectError> {
        Ok(self.0.head(&place(exhibit, name)).await?.size)
    }

    /// Reads a part of an object. Nothing is compared: the reader authenticates the chunks.
    pub async fn get_range(&self, exhibit: ExhibitId, name: Blake3Digest, range: Range<u64>) -> Result<Bytes, ObjectError> {
        if range.start >= range.end || range.end > self.size(exhibit, name).await? {
            return Err(ObjectError::Range);
        }
        Ok(self.0.get_range(&place(exhibit, name), range).await?)
    }

    /// Deletes an object of an erased exhibit; one that is gone already is no error.
    pub async fn delete(&self, exhibit: ExhibitId, name: Blake3Digest) -> Result<(), ObjectError> {
        match self.0.delete(&place(exhibit, name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway() -> (tempfile::TempDir, Objects) {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::open(&StoreConfig::Folder(folder.path().join("objects"))).unwrap();
        (folder, objects)
    }

    const EXHIBIT: ExhibitId = ExhibitId::from_bytes([1; 16]);

    #[tokio::test]
    async fn an_object_reads_back_whole_and_in_parts() {
        let (_folder, objects) = gateway();
        let bytes = Bytes::from_static(b"sealed segment");
        let name = Blake3Digest::of(&bytes);
        objects.put(EXHIBIT, name, bytes.clone()).await.unwrap();
        objects.put(EXHIBIT, name, bytes.clone()).await.unwrap();
        assert_eq!(objects.get(EXHIBIT, name).await.unwrap(), bytes);
        assert_eq!(objects.get_range(EXHIBIT, name, 7..14).await.unwrap(), "segment");
        for range in [14..15, 0..15, Range { start: 5, end: 5 }, Range { start: 6, end: 5 }] {
            assert!(matches!(objects.get_range(EXHIBIT, name, range).await, Err(ObjectError::Range)));
        }
    }

    #[tokio::test]
    async fn bytes_that_are_not_their_name_are_not_stored() {
        let (_folder, objects) = gateway();
        let name = Blake3Digest::of(b"other");
        assert!(matches!(objects.put(EXHIBIT, name, Bytes::from_static(b"these")).await, Err(ObjectError::NotItsName)));
        assert!(matches!(objects.get(EXHIBIT, name).await, Err(ObjectError::Missing)));
    }

    #[tokio::test]
    async fn an_object_that_was_changed_in_the_store_is_not_given_out_as_the_right_one() {
        let (folder, objects) = gateway();
        let name = Blake3Digest::of(b"sealed");
        objects.put(EXHIBIT, name, Bytes::from_static(b"sealed")).await.unwrap();
        std::fs::write(folder.path().join("objects").join(EXHIBIT.to_string()).join(name.to_string()), b"forged").unwrap();
        assert!(matches!(objects.get(EXHIBIT, name).await, Err(ObjectError::Damaged)));
    }

    #[tokio::test]
    async fn exhibits_share_no_object() {
        let (_folder, objects) = gateway();
        let name = Blake3Digest::of(b"sealed");
        objects.put(EXHIBIT, name, Bytes::from_static(b"sealed")).await.unwrap();
        let other = ExhibitId::from_bytes([2; 16]);
        assert!(matches!(objects.get(other, name).await, Err(ObjectError::Missing)));
        objects.delete(EXHIBIT, name).await.unwrap();
        objects.delete(EXHIBIT, name).await.unwrap();
        assert!(matches!(objects.get(EXHIBIT, name).await, Err(ObjectError::Missing)));
    }
}
