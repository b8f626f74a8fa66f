//! The blob gateway: ciphertext under `exhibit id / blake3`, in a folder or a bucket.
//!
//! The store is trusted to keep bytes. What it returns is compared with its name whenever a whole object is read, so a wrong or
//! damaged object is noticed and never served as the right one; a lost one is noticed at the collection or at the reading.

use core::ops::Range;
use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use custodia_api::limits::MAX_OBJECT_BYTES;
use custodia_core::digest::Blake3Digest;
use custodia_core::ids::ExhibitId;
use futures::StreamExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ClientOptions, GetResultPayload, ObjectStore, ObjectStoreExt as _, RetryConfig};

use crate::config::{S3Config, StoreConfig};
use crate::durable;
use crate::error::StartError;

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

/// An object whose bytes have its name.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    name: Blake3Digest,
    bytes: Bytes,
}

impl Named {
    /// Compares bytes with the name under which they came.
    ///
    /// # Errors
    /// [`ObjectError::NotItsName`].
    pub fn check(name: Blake3Digest, bytes: Bytes) -> Result<Self, ObjectError> {
        if Blake3Digest::of(&bytes) == name { Ok(Self { name, bytes }) } else { Err(ObjectError::NotItsName) }
    }
}

/// The gateway.
#[derive(Debug, Clone)]
pub(crate) struct Objects(Arc<dyn ObjectStore>);

/// The keys of an S3 service, as their file holds them.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
    pub access_key_id: String,
    pub secret_access_key: String,
}

impl Credentials {
    /// Reads them. What the file holds stands in no error.
    pub fn read(path: &std::path::Path) -> Result<Self, StartError> {
        let bytes = durable::read_secret(path, 4096).map_err(StartError::io("read the object store's keys in", path))?;
        let parsed = core::str::from_utf8(&bytes).ok().and_then(|text| toml::from_str(text).ok());
        let message = "it does not hold access_key_id = \"…\" and secret_access_key = \"…\", and nothing else";
        parsed.ok_or_else(|| StartError::Key { path: path.to_owned(), message })
    }
}

/// The bucket that a configuration names.
///
/// A request that fails in a way that may pass is sent again a few times; a client waits for at most a minute, so trying ends before.
pub(crate) fn bucket(config: &S3Config) -> Result<AmazonS3, StartError> {
    let silence = Duration::from_secs(config.silence_seconds);
    // The default limit covers a whole body, which a slow line cannot keep; a pause in it is what tells a dead peer.
    let options = ClientOptions::new().with_timeout_disabled().with_connect_timeout(silence).with_read_timeout(silence);
    let builder = match &config.credentials {
        None => AmazonS3Builder::from_env(),
        Some(path) => {
            let keys = Credentials::read(path)?;
            AmazonS3Builder::new().with_access_key_id(keys.access_key_id).with_secret_access_key(keys.secret_access_key)
        }
    };
    let builder = builder
        .with_client_options(options)
        .with_retry(RetryConfig { max_retries: 4, retry_timeout: silence, ..RetryConfig::default() })
        .with_bucket_name(&config.bucket)
        .with_region(&config.region)
        .with_allow_http(config.allow_http);
    let builder = match &config.endpoint {
        Some(endpoint) => builder.with_endpoint(endpoint),
        None => builder,
    };
    builder.build().map_err(|error| StartError::Objects(error.to_string()))
}

fn place(exhibit: ExhibitId, name: Blake3Digest) -> Path {
    Path::from_iter([exhibit.to_string(), name.to_string()])
}

impl Objects {
    /// Opens the store that the configuration names.
    ///
    /// # Errors
    /// A folder that cannot be made, keys that cannot be read, a bucket whose settings do not fit together.
    pub fn open(config: &StoreConfig) -> Result<Self, StartError> {
        Ok(Self(match config {
            StoreConfig::Folder(folder) => {
                durable::make_private_folder(folder).map_err(StartError::io("make the folder", folder))?;
                let store = LocalFileSystem::new_with_prefix(folder).map_err(|error| StartError::Objects(error.to_string()))?;
                Arc::new(store.with_fsync(true))
            }
            StoreConfig::S3(s3) => Arc::new(PrefixStore::new(bucket(s3)?, s3.prefix.as_deref().unwrap_or_default())),
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

    /// The store itself.
    pub fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.0)
    }

    /// Stores an object durably. Storing it again is harmless.
    ///
    /// # Errors
    /// [`ObjectError::Unavailable`] if it is not known to be stored.
    pub async fn put(&self, exhibit: ExhibitId, Named { name, bytes }: Named) -> Result<(), ObjectError> {
        let Err(failed) = self.0.put(&place(exhibit, name), bytes.into()).await else { return Ok(()) };
        // A store may report a failure, or a conflict, although it kept the object: look and compare.
        match self.get(exhibit, name).await {
            Ok(_) => Ok(()),
            Err(ObjectError::Damaged) => Err(ObjectError::Damaged),
            Err(_) => Err(failed.into()),
        }
    }

    /// Reads a whole object and compares it with its name.
    pub async fn get(&self, exhibit: ExhibitId, name: Blake3Digest) -> Result<Vec<u8>, ObjectError> {
        self.get_into(exhibit, name, Vec::new()).await
    }

    /// The same, into an empty buffer of the caller's.
    pub async fn get_into(&self, exhibit: ExhibitId, name: Blake3Digest, mut bytes: Vec<u8>) -> Result<Vec<u8>, ObjectError> {
        let found = self.0.get(&place(exhibit, name)).await?;
        let length = usize::try_from(found.meta.size).ok().filter(|length| *length <= MAX_OBJECT_BYTES).ok_or(ObjectError::Damaged)?;
        bytes.reserve(length);
        let file = match found.payload {
            GetResultPayload::File(file, _) => Some(file),
            GetResultPayload::Stream(mut pieces) => {
                while let Some(piece) = pieces.next().await {
                    let piece = piece?;
                    if piece.len() > length - bytes.len() {
                        return Err(ObjectError::Damaged);
                    }
                    bytes.extend_from_slice(&piece);
                }
                None
            }
        };
        let compared = tokio::task::spawn_blocking(move || {
            if let Some(file) = file {
                file.take(length as u64).read_to_end(&mut bytes).map_err(|error| ObjectError::Unavailable(Box::new(error)))?;
            }
            if Blake3Digest::of(&bytes) == name { Ok(bytes) } else { Err(ObjectError::Damaged) }
        });
        compared.await.map_err(|error| ObjectError::Unavailable(Box::new(error)))?
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
mod tests;
