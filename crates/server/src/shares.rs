//! Release shares: wrapped under the current key-encryption key when they come, unwrapped for one answer when they go.

use custodia_core::digest::{Blake3Digest, Sha256Digest};
use custodia_core::exhibit::keys::{KekId, KeyEncryptionKey, ReleaseShare, ReleaseShareCommitment};
use custodia_core::exhibit::segment::ObjectListDigest;
use custodia_core::exhibit::wrap::{self, ReleaseShareWrap, WrappedSecret};
use custodia_core::exhibit::{AwsLcCipher, Salt};
use custodia_core::ids::ExhibitId;
use custodia_core::secret::Secret32;

use crate::error::Refusal;
use crate::keys::{self, Keks};
use crate::store::exhibits::WrappedShare;

/// The digest of an exhibit's object names in order, as an intent signs it.
pub(crate) fn objects_digest(names: &[Blake3Digest]) -> Sha256Digest {
    *ObjectListDigest::of(names).digest()
}

/// The commitment to a release share, as an intent signs it.
pub(crate) fn commitment(exhibit: ExhibitId, share: &Secret32) -> Sha256Digest {
    *ReleaseShareCommitment::of(exhibit, &ReleaseShare::from_secret(share.clone())).digest()
}

/// Wraps a share for the database.
pub(crate) fn wrap(keks: &Keks, exhibit: ExhibitId, share: &Secret32) -> Result<WrappedShare, Refusal> {
    let (kek, key) = keks.current();
    let salt = keys::random().map_err(|_| Refusal::Unavailable("the system gives no random bytes".to_owned()))?;
    let place = ReleaseShareWrap { exhibit, kek: *kek };
    let under = KeyEncryptionKey::from_secret(key.clone());
    let wrapped = wrap::wrap::<AwsLcCipher, _>(&place, &under, &ReleaseShare::from_secret(share.clone()), &Salt::from_bytes(salt))
        .map_err(|_| Refusal::Internal("a release share cannot be wrapped"))?;
    Ok(WrappedShare { kek: kek.as_bytes().to_vec(), wrap: wrapped.as_bytes().to_vec() })
}

/// Unwraps a share, and compares it with the commitment in the exhibit's record.
pub(crate) fn unwrap(keks: &Keks, exhibit: ExhibitId, share: &WrappedShare, committed: Sha256Digest) -> Result<Secret32, Refusal> {
    let damaged = |reason: &'static str| {
        tracing::error!(exhibit.id = %exhibit, reason, "a release share cannot be unwrapped");
        Refusal::Internal("the release share cannot be unwrapped")
    };
    let kek = share.kek.as_slice().try_into().map(KekId::from_bytes).map_err(|_| damaged("no KEK id"))?;
    let key = keks.key(kek).map_err(|error| {
        tracing::error!(exhibit.id = %exhibit, error = %error, "no folder gives the key-encryption key of a release share");
        Refusal::Unavailable("the key-encryption key of this exhibit's release share is not there".to_owned())
    })?;
    let wrapped = WrappedSecret::from_slice(&share.wrap).map_err(|_| damaged("no wrapped secret"))?;
    let place = ReleaseShareWrap { exhibit, kek };
    let opened =
        wrap::unwrap::<AwsLcCipher, _>(&place, &KeyEncryptionKey::from_secret(key), &wrapped).map_err(|_| damaged("it does not open"))?;
    let secret = opened.secret().clone();
    if commitment(exhibit, &secret) == committed { Ok(secret) } else { Err(damaged("it is not the one committed to")) }
}
