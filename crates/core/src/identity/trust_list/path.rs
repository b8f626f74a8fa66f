//! Path validation of a device certificate from one office root, by a library kept for that (rustls-webpki).

use core::time::Duration;

use ed25519_dalek::{Signature, VerifyingKey};
use rustls_pki_types::{AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm, UnixTime, alg_id};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use crate::identity::certificate::{CertificateError, UnverifiedCertificate};
use crate::identity::root::RootCertificate;
use crate::identity::x509::Malformed;
use crate::time::LogTime;

/// Ed25519 as the rest of this crate checks it, for webpki.
#[derive(Debug)]
struct StrictEd25519;

impl SignatureVerificationAlgorithm for StrictEd25519 {
    fn verify_signature(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let key = public_key.try_into().map_err(|_| InvalidSignature)?;
        let key = VerifyingKey::from_bytes(key).map_err(|_| InvalidSignature)?;
        let signature = Signature::from_slice(signature).map_err(|_| InvalidSignature)?;
        key.verify_strict(message, &signature).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ED25519
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ED25519
    }
}

/// Validates the path root → certificate at a time, with the key purpose of the certificate's role.
pub(super) fn validate(certificate: &UnverifiedCertificate, root: &RootCertificate, at: LogTime) -> Result<(), CertificateError> {
    let root = CertificateDer::from(root.der());
    let anchor = anchor_from_trusted_cert(&root).map_err(|error| refusal(&error, certificate))?;
    let der = CertificateDer::from(certificate.der());
    let leaf = EndEntityCert::try_from(&der).map_err(|error| refusal(&error, certificate))?;
    let time = UnixTime::since_unix_epoch(Duration::from_secs(at.seconds()));
    let usage = KeyUsage::required(certificate.purpose);
    let anchors = [anchor];
    let verified = leaf.verify_for_usage(&[&StrictEd25519], &anchors, &[], time, usage, None, None);
    verified.map(|_| ()).map_err(|error| refusal(&error, certificate))
}

fn refusal(error: &webpki::Error, certificate: &UnverifiedCertificate) -> CertificateError {
    let fields = certificate.claims();
    match error {
        webpki::Error::CertNotValidYet { .. } => CertificateError::NotYetValid { from: fields.not_before },
        webpki::Error::CertExpired { .. } => CertificateError::Expired { until: fields.not_after },
        webpki::Error::InvalidSignatureForPublicKey => CertificateError::BadSignature,
        webpki::Error::UnknownIssuer => CertificateError::UnknownIssuer { office: fields.person.office().clone() },
        _ => Malformed { field: "certificate", fault: "refused by path validation" }.into(),
    }
}
