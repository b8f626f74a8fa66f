//! The ring row: the ring key `K_v`, wrapped by a key from the new epoch's exporter.

use custodia_core::group::context::{CommitContext, RingVersion, ring_commitment};
use custodia_core::group::facts::{Epoch, GroupId};
use custodia_core::secret::Secret32;
use openmls_traits::OpenMlsProvider as _;
use openmls_traits::crypto::OpenMlsCrypto as _;
use openmls_traits::random::OpenMlsRand as _;
use openmls_traits::types::AeadType;
use zeroize::Zeroize as _;

use crate::{MlsError, MlsState};

/// Exporter label of the wrapping key (RFC 9420 §8.5).
pub(crate) const LABEL: &str = "custodia ring key";

/// A ring row, as a committer posts it with its commit.
///
/// ```text
/// offset  size  field
///      0     1  version, 1
///      1    20  group id
///     21     8  epoch whose exporter wraps the key (u64): that which the commit begins
///     29     4  ring version (u32)
///     33    12  nonce, random
///     45    48  AES-256-GCM of the 32-byte ring key with its 16-byte tag; associated data: bytes 0 to 33
///     93        end
/// ```
///
/// AES-GCM does not commit to its key, so a row counts only if what it opens to has the commitment of the commit's context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingRow([u8; Self::LEN]);

impl RingRow {
    /// Length in bytes.
    pub const LEN: usize = 93;
    const HEAD: usize = 33;
    const NONCE: usize = 12;

    /// Reads a row; what it says about group, epoch and version is compared when it is opened.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MlsError> {
        let row: [u8; Self::LEN] = bytes.try_into().map_err(|_| MlsError::Malformed("ring row"))?;
        if row[0] == 1 { Ok(Self(row)) } else { Err(MlsError::Malformed("ring row")) }
    }

    /// The 93 bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// Whether the row is for that group, epoch and ring version: all that a server can check.
    pub fn is_for(&self, group: GroupId, epoch: Epoch, version: RingVersion) -> bool {
        self.0[..Self::HEAD] == head(group, epoch, version)
    }

    pub(crate) fn seal(state: &MlsState, wrap: &Secret32, place: (GroupId, Epoch, RingVersion), key: &Secret32) -> Result<Self, MlsError> {
        let head = head(place.0, place.1, place.2);
        let nonce: [u8; Self::NONCE] = state.rand().random_array().map_err(MlsError::bug("draw a nonce"))?;
        let sealed = state
            .crypto()
            .aead_encrypt(AeadType::Aes256Gcm, wrap.expose(), key.expose(), &nonce, &head)
            .map_err(MlsError::bug("wrap a ring key"))?;
        Self::from_bytes(&[&head[..], &nonce, &sealed].concat())
    }

    pub(crate) fn open(
        &self,
        state: &MlsState,
        wrap: &Secret32,
        place: (GroupId, Epoch),
        context: &CommitContext,
    ) -> Result<Secret32, MlsError> {
        if !self.is_for(place.0, place.1, context.ring_version) {
            return Err(MlsError::RingRow);
        }
        let (head, rest) = self.0.split_at(Self::HEAD);
        let (nonce, sealed) = rest.split_at(Self::NONCE);
        let mut opened =
            state.crypto().aead_decrypt(AeadType::Aes256Gcm, wrap.expose(), sealed, nonce, head).map_err(|_| MlsError::RingRow)?;
        let key = secret(&mut opened)?;
        let commitment = ring_commitment(place.0.case, context.ring_version, &key);
        if commitment == context.ring_commitment { Ok(key) } else { Err(MlsError::RingRow) }
    }
}

/// Exporter context of the wrapping key: case id (16) ‖ ring version (u32).
pub(crate) fn exporter_context(group: GroupId, version: RingVersion) -> [u8; 20] {
    let mut context = [0; 20];
    context[..16].copy_from_slice(group.case.as_bytes());
    context[16..].copy_from_slice(&version.number().to_be_bytes());
    context
}

/// Moves 32 secret bytes out of a vector and wipes it.
pub(crate) fn secret(bytes: &mut Vec<u8>) -> Result<Secret32, MlsError> {
    let secret = <[u8; 32]>::try_from(bytes.as_slice()).map(Secret32::from_bytes).map_err(|_| MlsError::RingRow);
    bytes.zeroize();
    secret
}

fn head(group: GroupId, epoch: Epoch, version: RingVersion) -> [u8; RingRow::HEAD] {
    let mut head = [0; RingRow::HEAD];
    head[0] = 1;
    head[1..21].copy_from_slice(&group.to_bytes());
    head[21..29].copy_from_slice(&epoch.0.to_be_bytes());
    head[29..].copy_from_slice(&version.number().to_be_bytes());
    head
}

#[cfg(test)]
mod tests {
    use custodia_core::digest::Sha256Digest;
    use custodia_core::ids::CaseId;
    use serde_json::Value;

    use super::*;

    fn array<const N: usize>(value: &Value) -> [u8; N] {
        hex::decode(value.as_str().unwrap()).unwrap().try_into().unwrap()
    }

    fn open(case: &Value) -> Result<Secret32, MlsError> {
        let row = RingRow::from_bytes(&hex::decode(case["row"].as_str().unwrap()).unwrap())?;
        let number = |member: &str| u32::try_from(case[member].as_u64().unwrap()).unwrap();
        let group = GroupId { case: CaseId::from_bytes(array(&case["case"])), generation: number("generation") };
        let none = Sha256Digest::from_bytes([0; 32]);
        let context = CommitContext {
            log_size: 0,
            log_root: none,
            registry_sequence: 0,
            registry_commitment: none,
            ring_version: RingVersion::new(number("version")).unwrap(),
            ring_commitment: Sha256Digest::from_bytes(array(&case["commitment"])),
        };
        let wrap = Secret32::from_bytes(array(&case["wrapping"]));
        row.open(&MlsState::new(), &wrap, (group, Epoch(case["epoch"].as_u64().unwrap())), &context)
    }

    #[test]
    fn ring_rows_open_and_are_refused_as_their_vectors_say() {
        let file: Value = serde_json::from_str(include_str!("../../../tests/vectors/groups/rows.json")).unwrap();
        let cases = file["cases"].as_array().unwrap();
        assert!(cases.len() >= 16);
        for case in cases {
            let opened = open(case);
            let answer = opened.as_ref().err().map_or_else(|| "ok".to_owned(), |error| format!("{error:?}"));
            assert_eq!(answer.split('(').next(), case["expect"].as_str(), "{}", case["name"]);
            assert!(opened.is_err() || opened.is_ok_and(|key| *key.expose() == array(&case["key"])));
        }
    }
}
