//! OpenMLS's state as rows, loaded from and written back to the device's file in the caller's transaction.

use core::fmt;
use std::collections::HashMap;
use std::sync::PoisonError;

use custodia_core::digest::Sha256Digest;
use custodia_core::group::facts::GroupId;
use openmls_memory_storage::MemoryStorage;
use openmls_rust_crypto::RustCrypto;
use openmls_traits::OpenMlsProvider;
use zeroize::Zeroize as _;

/// The rows that an operation wrote and deleted, sorted by key. Values are secret; `Debug` shows none.
#[derive(Default, Clone, PartialEq, Eq)]
pub struct RowChanges {
    /// Rows to insert or overwrite: key, value.
    pub put: Vec<(Vec<u8>, Vec<u8>)>,
    /// Keys of rows to delete.
    pub delete: Vec<Vec<u8>>,
}

impl RowChanges {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.put.is_empty() && self.delete.is_empty()
    }
}

impl fmt::Debug for RowChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RowChanges({} put, {} deleted)", self.put.len(), self.delete.len())
    }
}

/// Whose row it is, so that a caller can load the rows of one group and of the device alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowOwner {
    /// One group's state.
    Group(GroupId),
    /// The device's: key packages.
    Device,
}

/// The MLS state of one device: OpenMLS's crypto and its storage in memory.
///
/// Load it from the rows, do one operation, write [`take_changes`](Self::take_changes) back, all within one transaction of the
/// caller. If the transaction is rolled back, or an operation failed, drop this object and load it again. Values are wiped on drop.
pub struct MlsState {
    crypto: RustCrypto,
    storage: MemoryStorage,
    loaded: HashMap<Vec<u8>, Sha256Digest>,
}

impl MlsState {
    /// An empty state: a device that has no group and no key package.
    pub fn new() -> Self {
        Self::from_rows([])
    }

    /// Loads rows as [`take_changes`](Self::take_changes) gave them. Whether they make sense shows when a group is loaded.
    pub fn from_rows(rows: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>) -> Self {
        let values: HashMap<_, _> = rows.into_iter().collect();
        let loaded = digests(&values);
        Self { crypto: RustCrypto::default(), storage: MemoryStorage { values: values.into() }, loaded }
    }

    /// What changed since the rows were loaded or last taken.
    pub fn take_changes(&mut self) -> RowChanges {
        let values = self.storage.values.get_mut().unwrap_or_else(PoisonError::into_inner);
        let now = digests(values);
        let mut put: Vec<_> = now
            .iter()
            .filter(|(key, digest)| self.loaded.get(*key) != Some(digest))
            .filter_map(|(key, _)| Some((key.clone(), values.get(key)?.clone())))
            .collect();
        let mut delete: Vec<_> = self.loaded.keys().filter(|key| !now.contains_key(*key)).cloned().collect();
        put.sort_unstable();
        delete.sort_unstable();
        self.loaded = now;
        RowChanges { put, delete }
    }

    /// Applies changes that another copy of this state made, such as those of a resync whose commit has won.
    pub fn apply(&mut self, changes: RowChanges) {
        let values = self.storage.values.get_mut().unwrap_or_else(PoisonError::into_inner);
        values.extend(changes.put);
        for key in changes.delete {
            if let Some(mut value) = values.remove(&key) {
                value.zeroize();
            }
        }
    }

    /// Whose row a key names.
    pub fn owner(key: &[u8]) -> RowOwner {
        // OpenMLS writes a group id into keys as the JSON of its value, {"value":{"vec":[…]}}.
        let group = find(key, b"\"vec\":[").and_then(|rest| {
            let end = rest.iter().position(|byte| *byte == b']')?;
            let text = core::str::from_utf8(&rest[..end]).ok()?;
            let bytes = text.split(',').map(str::parse).collect::<Result<Vec<u8>, _>>().ok()?;
            GroupId::from_bytes(&bytes)
        });
        group.map_or(RowOwner::Device, RowOwner::Group)
    }

    /// A copy in which something can be tried.
    pub(crate) fn fork(&self) -> Self {
        let values = self.storage.values.read().unwrap_or_else(PoisonError::into_inner);
        Self::from_rows(values.iter().map(|(key, value)| (key.clone(), value.clone())))
    }
}

fn digests(values: &HashMap<Vec<u8>, Vec<u8>>) -> HashMap<Vec<u8>, Sha256Digest> {
    values.iter().map(|(key, value)| (key.clone(), Sha256Digest::of(&[value]))).collect()
}

fn find<'a>(bytes: &'a [u8], what: &[u8]) -> Option<&'a [u8]> {
    let at = bytes.windows(what.len()).position(|window| window == what)?;
    bytes.get(at + what.len()..)
}

impl Default for MlsState {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for MlsState {
    fn drop(&mut self) {
        let values = self.storage.values.get_mut().unwrap_or_else(PoisonError::into_inner);
        values.values_mut().for_each(zeroize::Zeroize::zeroize);
    }
}

impl fmt::Debug for MlsState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MlsState({} rows loaded)", self.loaded.len())
    }
}

impl OpenMlsProvider for MlsState {
    type CryptoProvider = RustCrypto;
    type RandProvider = RustCrypto;
    type StorageProvider = MemoryStorage;

    fn storage(&self) -> &MemoryStorage {
        &self.storage
    }

    fn crypto(&self) -> &RustCrypto {
        &self.crypto
    }

    fn rand(&self) -> &RustCrypto {
        &self.crypto
    }
}
