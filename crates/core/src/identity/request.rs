//! A device's request for a certificate: signed by the device's own key, believed by nobody until the office looked.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{SigningKey, VerifyingKey};

use super::certificate::{Role, SealingPublicKey};
use super::text::{DeviceLabel, ShownName};
use super::x509;
use crate::digest::Sha256Digest;
use crate::ids::{DeviceId, PersonId};
use crate::jws::{self, JwsError, Typ, UnverifiedJws, VerifiedJws};
use crate::strict_json;
use crate::time::ClaimedTime;

const MAX_REQUEST_BYTES: usize = 8192;

/// Why a device request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// It has not its form.
    #[error("malformed device request: {0}")]
    Malformed(&'static str),
    /// The envelope has not its form, is for another use, or the key inside did not sign it.
    #[error(transparent)]
    Jws(#[from] JwsError),
}

/// What a device asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRequestDraft {
    /// The device: a new random id, or of a renewal the id that it has.
    pub device: DeviceId,
    /// The person that it is to act for.
    pub person: PersonId,
    /// The person's name as it is to be shown.
    pub name: ShownName,
    /// What the person calls the device.
    pub label: DeviceLabel,
    /// What the device is to do.
    pub role: Role,
    /// The key to which others shall seal; required of every role but administrator.
    pub sealing_key: Option<SealingPublicKey>,
    /// The device's clock.
    pub time: ClaimedTime,
}

/// A request that the key in it signed: who sent it holds that key.
///
/// Whether they are the person that they name is for the office to know, before it issues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRequest {
    jws: VerifiedJws,
    wanted: DeviceRequestDraft,
    key: VerifyingKey,
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    v: u8,
    device: DeviceId,
    person: PersonId,
    name: ShownName,
    label: DeviceLabel,
    role: Role,
    key: String,
    #[serde(deserialize_with = "required")]
    sealing_key: Option<String>,
    time: ClaimedTime,
}

/// A member that may be `null` and may not be absent.
fn required<'de, D: serde::Deserializer<'de>, T: serde::Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    serde::Deserialize::deserialize(deserializer)
}

impl DeviceRequestDraft {
    /// Signs the request with the device's key.
    ///
    /// # Errors
    /// [`RequestError::Malformed`] when the role needs a sealing key and there is none.
    pub fn sign(self, key: &SigningKey) -> Result<DeviceRequest, RequestError> {
        sealing_key_present(self.role, self.sealing_key.as_ref())?;
        let public = key.verifying_key();
        let payload = Payload {
            v: 1,
            device: self.device,
            person: self.person.clone(),
            name: self.name.clone(),
            label: self.label.clone(),
            role: self.role,
            key: URL_SAFE_NO_PAD.encode(public.as_bytes()),
            sealing_key: self.sealing_key.as_ref().map(|key| URL_SAFE_NO_PAD.encode(key.as_bytes())),
            time: self.time.clone(),
        };
        let payload = serde_json::to_vec(&payload).expect("a struct of texts serialises");
        let jws = jws::sign(Typ::DeviceRequest, Sha256Digest::of(&[public.as_bytes()]), &payload, key);
        Ok(DeviceRequest { jws, wanted: self, key: public })
    }
}

impl DeviceRequest {
    /// Reads a request of at most 8192 bytes and checks that the key in it signed it.
    ///
    /// Source: `docs/spec/identity.md` §3.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn parse(text: &str) -> Result<Self, RequestError> {
        if text.len() > MAX_REQUEST_BYTES {
            return Err(RequestError::Malformed("longer than 8192 bytes"));
        }
        let jws = UnverifiedJws::parse(text, Typ::DeviceRequest)?;
        let payload: Payload =
            strict_json::read(jws.unverified_payload()).map_err(|_| RequestError::Malformed("the payload is not a device request"))?;
        if payload.v != 1 {
            return Err(RequestError::Malformed("not version 1"));
        }
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| RequestError::Malformed("a key is not base64url"));
        let key = x509::verifying_key(&decode(&payload.key)?).ok_or(RequestError::Malformed("not a usable Ed25519 key"))?;
        let sealing_key = match &payload.sealing_key {
            Some(text) => {
                let key = SealingPublicKey::from_bytes(&decode(text)?);
                Some(key.ok_or(RequestError::Malformed("the sealing key is not 1216 bytes"))?)
            }
            None => None,
        };
        sealing_key_present(payload.role, sealing_key.as_ref())?;
        if jws.signer() != Sha256Digest::of(&[key.as_bytes()]) {
            return Err(RequestError::Malformed("the header does not name the key inside"));
        }
        let jws = jws.verify(&key)?;
        let wanted = DeviceRequestDraft {
            device: payload.device,
            person: payload.person,
            name: payload.name,
            label: payload.label,
            role: payload.role,
            sealing_key,
            time: payload.time,
        };
        Ok(Self { jws, wanted, key })
    }

    /// The compact text as it was signed.
    pub fn text(&self) -> &str {
        self.jws.text()
    }

    /// The SHA-256 of the text, which person and office compare by another way before a certificate is issued.
    pub fn fingerprint(&self) -> Sha256Digest {
        Sha256Digest::of(&[self.jws.text().as_bytes()])
    }

    /// What is asked for.
    pub fn wanted(&self) -> &DeviceRequestDraft {
        &self.wanted
    }

    /// The key that signed.
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }
}

fn sealing_key_present(role: Role, key: Option<&SealingPublicKey>) -> Result<(), RequestError> {
    if role.needs_sealing_key() && key.is_none() {
        return Err(RequestError::Malformed("the role needs a sealing key"));
    }
    Ok(())
}
