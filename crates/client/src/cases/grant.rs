//! One grant: keys sealed by one device to another, signed (`docs/spec/grants.md`).
//!
//! ```text
//! JWS, typ custodia-grant+jws, signed by the granter; payload (JSON of one encoding):
//! {"v":1,"case":hex,"recipient":hex certificate id,"rings":[u32 …],"exhibits":[hex …],"sealed":b64url}
//! sealed (enc ‖ ciphertext) to the recipient's sealing key: the 32-byte ring keys in the order of `rings`, then the 32-byte group shares in the order of `exhibits`
//! HPKE info: "custodia/grant/v1" ‖ case id (16) ‖ granter's certificate id (32) ‖ recipient's certificate id (32); no associated data
//! ```

use std::collections::BTreeSet;

pub(super) use custodia_core::custody::grant::{MAX_KEYS, Payload};
use custodia_core::digest::Sha256Digest;
use custodia_core::ids::{CaseId, ExhibitId};
use custodia_core::jws::{JwsError, VerifiedJws};
use custodia_core::secret::Secret32;

use crate::hpke::SealingKeyPair;

/// The keys of a grant, before they are compared with the commitments of the case's chain.
#[derive(Debug)]
pub(super) struct Granted {
    /// Ring keys by version.
    pub(super) rings: Vec<(u32, Secret32)>,
    /// Group shares by exhibit.
    pub(super) shares: Vec<(ExhibitId, Secret32)>,
}

/// Why a grant is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum GrantError {
    #[error(transparent)]
    Jws(#[from] JwsError),
    #[error("it is signed by a device that the registry does not know")]
    UnknownGranter,
    #[error("its payload is not of the format")]
    Payload,
    #[error("it is of another version, or for another case or device")]
    NotForUs,
    #[error("it does not open with this device's sealing key")]
    Sealed,
    #[error("it carries another number of keys than it names")]
    Count,
}

pub(super) fn info(case: CaseId, granter: Sha256Digest, recipient: Sha256Digest) -> Vec<u8> {
    [&b"custodia/grant/v1"[..], case.as_bytes(), granter.as_bytes(), recipient.as_bytes()].concat()
}

/// Opens a grant whose signature verified, in a case, as the device whose certificates `own` are.
///
/// # Errors
/// [`GrantError`].
pub(super) fn open(grant: &VerifiedJws, case: CaseId, own: &BTreeSet<Sha256Digest>, key: &SealingKeyPair) -> Result<Granted, GrantError> {
    let payload = Payload::parse(grant.payload()).map_err(|_| GrantError::Payload)?;
    if payload.v != 1 || payload.case != case || !own.contains(&payload.recipient) {
        return Err(GrantError::NotForUs);
    }
    let plain = key.open(&info(case, grant.signer(), payload.recipient), b"", &payload.sealed.0).map_err(|_| GrantError::Sealed)?;
    if plain.len() != payload.keys() * 32 {
        return Err(GrantError::Count);
    }
    let secrets: Vec<Secret32> =
        plain.chunks_exact(32).map(|chunk| Secret32::from_bytes(chunk.try_into().expect("chunks of 32"))).collect();
    let (rings, shares) = secrets.split_at(payload.rings.len());
    Ok(Granted {
        rings: payload.rings.into_iter().zip(rings.iter().cloned()).collect(),
        shares: payload.exhibits.into_iter().zip(shares.iter().cloned()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use custodia_core::jws::{Typ, UnverifiedJws};
    use ed25519_dalek::VerifyingKey;
    use serde_json::Value;

    use super::*;

    fn array<const N: usize>(value: &Value) -> [u8; N] {
        hex::decode(value.as_str().unwrap()).unwrap().try_into().unwrap()
    }

    fn judge(case: &Value) -> Result<Granted, String> {
        let key = VerifyingKey::from_bytes(&array(&case["key"])).unwrap();
        let grant = UnverifiedJws::parse(case["grant"].as_str().unwrap(), Typ::Grant).and_then(|grant| grant.verify(&key));
        let grant = grant.map_err(|_| "Jws".to_owned())?;
        let own = BTreeSet::from([Sha256Digest::from_bytes(array(&case["recipient"]))]);
        let pair = SealingKeyPair::from_private(Secret32::from_bytes(array(&case["sealing_key"])));
        open(&grant, CaseId::from_bytes(array(&case["case"])), &own, &pair).map_err(|error| format!("{error:?}"))
    }

    #[test]
    fn grants_open_and_are_refused_as_their_vectors_say() {
        let file: Value = serde_json::from_str(include_str!("../../../../tests/vectors/grants/grants.json")).unwrap();
        let cases = file["cases"].as_array().unwrap();
        assert!(cases.len() >= 28);
        for case in cases {
            let opened = judge(case);
            let answer = opened.as_ref().err().map_or("ok", String::as_str);
            assert_eq!(answer, case["expect"].as_str().unwrap(), "{}", case["name"]);
            if let Ok(granted) = opened {
                let rings: BTreeMap<_, _> =
                    granted.rings.iter().map(|(version, key)| (version.to_string(), hex::encode(key.expose()))).collect();
                let shares: BTreeMap<_, _> =
                    granted.shares.iter().map(|(id, share)| (id.to_string(), hex::encode(share.expose()))).collect();
                assert_eq!(serde_json::to_value((rings, shares)).unwrap(), serde_json::json!([case["rings"], case["exhibits"]]));
            }
        }
    }
}
