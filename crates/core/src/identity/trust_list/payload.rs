//! The JSON payload of a trust list and its limits.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{List, MAX_NUMBER, MAX_OFFICES, MAX_PAYLOAD_BYTES, MAX_ROOTS, Office, OfficeRoot, TrustListDraft, TrustListError};
use crate::digest::Sha256Digest;
use crate::identity::certificate::Role;
use crate::identity::text::{Country, ShownName};
use crate::ids::OfficeId;
use crate::strict_json;
use crate::time::ClaimedTime;

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Payload {
    v: u8,
    number: u64,
    #[serde(deserialize_with = "required")]
    previous: Option<Sha256Digest>,
    issued: ClaimedTime,
    threshold: u16,
    offices: Vec<OfficePayload>,
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct OfficePayload {
    id: OfficeId,
    name: ShownName,
    country: Country,
    roles: Vec<Role>,
    roots: Vec<RootPayload>,
    supervises: Vec<OfficeId>,
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RootPayload {
    certificate: String,
    from: ClaimedTime,
    until: ClaimedTime,
}

/// A member that may be `null` and may not be absent.
fn required<'de, D: serde::Deserializer<'de>, T: serde::Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    serde::Deserialize::deserialize(deserializer)
}

impl Payload {
    pub(super) fn of(draft: &TrustListDraft, number: u64, previous: Option<Sha256Digest>) -> Self {
        let offices = draft.offices.iter().map(|office| OfficePayload {
            id: office.id.clone(),
            name: office.name.clone(),
            country: office.country,
            roles: office.roles.clone(),
            roots: office.roots.iter().map(RootPayload::of).collect(),
            supervises: office.supervises.clone(),
        });
        Self { v: 1, number, previous, issued: draft.issued.clone(), threshold: draft.threshold, offices: offices.collect() }
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("structs of texts and numbers serialise")
    }
}

impl RootPayload {
    fn of(root: &OfficeRoot) -> Self {
        Self { certificate: STANDARD.encode(root.certificate.der()), from: root.from.clone(), until: root.until.clone() }
    }
}

impl List {
    /// Reads a payload and checks everything that needs no signature.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, TrustListError> {
        let malformed = TrustListError::Malformed;
        if bytes.len() > MAX_PAYLOAD_BYTES {
            return Err(malformed("the payload is longer than 262144 bytes"));
        }
        let payload: Payload = strict_json::read(bytes).map_err(|_| malformed("the payload is not a trust list"))?;
        if payload.v != 1 {
            return Err(malformed("not version 1"));
        }
        if !(1..=MAX_NUMBER).contains(&payload.number) || (payload.number == 1) != payload.previous.is_none() {
            return Err(malformed("the number is out of range, or does not agree with the presence of a list before"));
        }
        if !(1..=MAX_OFFICES).contains(&payload.offices.len()) {
            return Err(malformed("not 1 to 64 offices"));
        }
        if payload.threshold == 0 || usize::from(payload.threshold) > payload.offices.len() {
            return Err(malformed("the threshold is not 1 to the number of offices"));
        }
        let offices = payload.offices.into_iter().map(office).collect::<Result<Vec<_>, _>>()?;
        check_together(&offices)?;
        Ok(Self {
            digest: Sha256Digest::of(&[bytes]),
            number: payload.number,
            previous: payload.previous,
            issued: payload.issued,
            threshold: payload.threshold,
            offices,
        })
    }
}

fn office(payload: OfficePayload) -> Result<Office, TrustListError> {
    let malformed = TrustListError::Malformed;
    if !(1..=MAX_ROOTS).contains(&payload.roots.len()) {
        return Err(malformed("an office has not 1 to 4 roots"));
    }
    if payload.roles.is_empty() || has_twice(&payload.roles) || has_twice(&payload.supervises) {
        return Err(malformed("an office has no role, or a role or supervised office twice"));
    }
    if !payload.supervises.is_empty() && !payload.roles.contains(&Role::Auditor) {
        return Err(malformed("an office supervises and may not certify auditors"));
    }
    let mut roots = Vec::with_capacity(payload.roots.len());
    for root in payload.roots {
        let certificate = super::root_certificate(&payload.id, &root.certificate)?;
        if *certificate.office() != payload.id || *certificate.name() != payload.name || certificate.country() != payload.country {
            return Err(malformed("a root has another office, name or country than its office"));
        }
        let (from, until) = (root.from.millis(), root.until.millis());
        let validity = i128::from(certificate.not_before().millis())..=i128::from(certificate.not_after().millis());
        if from >= until || !validity.contains(&from) || !validity.contains(&until) {
            return Err(malformed("a root is in force at no time, or beyond its certificate's validity"));
        }
        roots.push(OfficeRoot { certificate, from: root.from, until: root.until });
    }
    Ok(Office { id: payload.id, name: payload.name, country: payload.country, roles: payload.roles, roots, supervises: payload.supervises })
}

fn check_together(offices: &[Office]) -> Result<(), TrustListError> {
    let ids: Vec<_> = offices.iter().map(|office| &office.id).collect();
    if has_twice(&ids) {
        return Err(TrustListError::Malformed("an office is there twice"));
    }
    let keys: Vec<_> = offices.iter().flat_map(|office| office.roots.iter().map(|root| root.certificate.key())).collect();
    if has_twice(&keys) {
        return Err(TrustListError::Malformed("a root key is there twice"));
    }
    if offices.iter().flat_map(|office| &office.supervises).any(|supervised| !ids.contains(&supervised)) {
        return Err(TrustListError::Malformed("a supervised office is not on the list"));
    }
    Ok(())
}

fn has_twice<T: PartialEq>(items: &[T]) -> bool {
    items.iter().enumerate().any(|(at, item)| items[..at].contains(item))
}
