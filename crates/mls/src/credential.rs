//! The MLS credential of a device: its certificate, and nothing else.

use openmls::prelude::{Credential, CredentialType};
use tls_codec::{Serialize as _, VLBytes};

use crate::{MlsError, message};

/// Longest device certificate in bytes of DER.
pub const MAX_CERTIFICATE_LEN: usize = 8 * 1024;

/// The X.509 credential with a chain of one: the device certificate.
///
/// ```text
/// credential type    u16, 2 (x509)
/// chain              <V>, one entry: cert_data <V>, the certificate in DER
/// ```
/// The office's root is not in it: a reader has it from the trust list. Source: RFC 9420 §5.3.
pub(crate) fn of_certificate(der: &[u8]) -> Result<Credential, MlsError> {
    if der.is_empty() {
        return Err(MlsError::Malformed("certificate"));
    }
    if der.len() > MAX_CERTIFICATE_LEN {
        return Err(MlsError::TooLarge { what: "certificate", len: der.len(), limit: MAX_CERTIFICATE_LEN });
    }
    let chain = VLBytes::from(der).tls_serialize_detached().map_err(MlsError::bug("encode a certificate"))?;
    Ok(Credential::new(CredentialType::X509, chain))
}

/// The certificate of a credential, its only one; its DER is not parsed.
pub(crate) fn certificate(credential: &Credential) -> Result<Vec<u8>, MlsError> {
    const FAULT: MlsError = MlsError::Malformed("credential");
    if credential.credential_type() != CredentialType::X509 || credential.serialized_content().len() > MAX_CERTIFICATE_LEN + 4 {
        return Err(FAULT);
    }
    let der: VLBytes = message::exactly(credential.serialized_content()).ok_or(FAULT)?;
    if of_certificate(der.as_slice())? != *credential {
        return Err(FAULT);
    }
    Ok(der.into())
}
