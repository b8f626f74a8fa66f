//! Identity records: who may have signed one, and what it does to the registry.

use crate::digest::Sha256Digest;
use crate::identity::{
    AsOf, CertificateId, Registry, RegistryError, RevocationTarget, TrustPin, UnverifiedCertificate, UnverifiedTrustList,
};
use ed25519_dalek::VerifyingKey;

use super::body::Body;
use super::intent::{IntentError, SignedIntent, UnverifiedIntent};

/// Why an identity record was refused.
#[derive(Debug, thiserror::Error)]
pub enum RegistryActError {
    /// Its form or signature.
    #[error(transparent)]
    Intent(#[from] IntentError),
    /// The kind is not one of the registry's.
    #[error("not an identity record")]
    OtherKind,
    /// The certificate id in its header is no root of an office on the trust list.
    #[error("signed by {0}, which is no root certificate of an office on the trust list")]
    UnknownRoot(Sha256Digest),
    /// What it carries does not have its form.
    #[error("the certificate or list that it carries is malformed: {0}")]
    Malformed(String),
    /// The registry refused it.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// Checks the signature of an identity record under the root that its header names.
///
/// That root must be on the newest trust list; for the first list, on the list itself, which must be the pinned one.
/// Does not judge the act: [`apply`] does.
///
/// # Errors
/// Every variant but [`RegistryActError::Registry`].
pub fn verify(registry: &Registry, pin: &TrustPin, intent: UnverifiedIntent) -> Result<SignedIntent, RegistryActError> {
    let signer = intent.signer();
    let key = match &intent.unverified().body {
        Body::TrustList(body) if registry.head().is_none() => {
            let list = parse_list(&body.list)?.verify_first(pin).map_err(RegistryError::from)?;
            root_key(&list, signer)
        }
        Body::TrustList(_) | Body::DeviceEnrol(_) | Body::DeviceRevoke(_) => {
            registry.head().and_then(|head| registry.trust_list(head.seq)).and_then(|list| root_key(list, signer))
        }
        _ => return Err(RegistryActError::OtherKind),
    };
    Ok(intent.verify(&key.ok_or(RegistryActError::UnknownRoot(signer))?)?)
}

fn root_key(list: &crate::identity::TrustList, signer: Sha256Digest) -> Option<VerifyingKey> {
    let mut roots = list.offices().iter().flat_map(|office| &office.roots);
    roots.find(|root| root.certificate.id().digest() == signer).map(|root| *root.certificate.key())
}

fn parse_list(text: &str) -> Result<UnverifiedTrustList, RegistryActError> {
    UnverifiedTrustList::parse(text.as_bytes()).map_err(|error| RegistryActError::Malformed(error.to_string()))
}

/// Applies an identity record that stands, or will stand, at `at`.
///
/// # Errors
/// [`RegistryActError::Registry`] by the rules `IDN-…`, and [`RegistryActError::Malformed`]; the registry is then as it was.
pub fn apply(registry: &mut Registry, intent: &SignedIntent, at: AsOf) -> Result<(), RegistryActError> {
    let signer = CertificateId::from_digest(intent.signer());
    match &intent.body {
        Body::TrustList(body) => {
            registry.apply_trust_list(parse_list(&body.list)?, signer, at)?;
        }
        Body::DeviceEnrol(body) => {
            let certificate =
                UnverifiedCertificate::parse(&body.certificate.0).map_err(|error| RegistryActError::Malformed(error.to_string()))?;
            registry.enrol(certificate, signer, at)?;
        }
        Body::DeviceRevoke(body) => registry.revoke(RevocationTarget::Device(body.device), body.reason, signer, at)?,
        _ => return Err(RegistryActError::OtherKind),
    }
    Ok(())
}
