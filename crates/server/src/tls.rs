//! TLS 1.3 with X25519MLKEM768 as the only key exchange: what is recorded today is not read by a quantum computer later.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::TlsConfig;
use crate::error::StartError;

/// Reads certificate and key.
///
/// # Errors
/// Files that are not PEM of the kind, or that do not belong together.
pub(crate) fn load(config: &TlsConfig) -> Result<rustls::ServerConfig, StartError> {
    load_by(config, CryptoProvider { kx_groups: vec![aws_lc_rs::kx_group::X25519MLKEM768], ..aws_lc_rs::default_provider() })
}

/// The same for whoever speaks TLS 1.3: a witness is asked by programs of others, and what it takes and answers is public.
pub(crate) fn load_for_anybody(config: &TlsConfig) -> Result<rustls::ServerConfig, StartError> {
    load_by(config, aws_lc_rs::default_provider())
}

fn load_by(config: &TlsConfig, provider: CryptoProvider) -> Result<rustls::ServerConfig, StartError> {
    let failed = |error: &dyn std::fmt::Display| StartError::Tls(error.to_string());
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&config.certificate)
        .and_then(Iterator::collect)
        .map_err(|error| StartError::Tls(format!("{}: {error}", config.certificate.display())))?;
    let key = PrivateKeyDer::from_pem_file(&config.key).map_err(|error| StartError::Tls(format!("{}: {error}", config.key.display())))?;
    rustls::ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| failed(&error))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| failed(&error))
}
