//! Where the server is, and how its TLS is judged.

use std::sync::Arc;

use reqwest::Url;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::HttpError;

/// Where the server is and by which certificates its TLS is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAddress {
    /// `https://host[:port]`, or `http://` for loopback; without a path.
    pub url: String,
    /// Root certificates, DER; not used for plain HTTP.
    pub tls_roots: Vec<Vec<u8>>,
}

impl ServerAddress {
    /// An address with the authorities, PEM, by which its TLS is judged; none for plain HTTP.
    ///
    /// # Errors
    /// [`HttpError::Address`]: the text holds no certificate.
    pub fn new(url: String, authorities: Option<&[u8]>) -> Result<Self, HttpError> {
        let bad = HttpError::Address("the file of TLS authorities holds no certificate in PEM");
        let Some(text) = authorities else { return Ok(Self { url, tls_roots: Vec::new() }) };
        let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
        match roots {
            Ok(roots) if !roots.is_empty() => Ok(Self { url, tls_roots: roots.iter().map(|root| root.to_vec()).collect() }),
            _ => Err(bad),
        }
    }
}

pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    matches!(host, "localhost" | "[::1]") || host.parse::<core::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

/// TLS 1.3 with the hybrid key exchange and nothing else.
pub(super) fn tls(roots: &[Vec<u8>]) -> Result<rustls::ClientConfig, HttpError> {
    let provider = rustls::crypto::CryptoProvider {
        kx_groups: vec![rustls::crypto::aws_lc_rs::kx_group::X25519MLKEM768],
        ..rustls::crypto::aws_lc_rs::default_provider()
    };
    let mut store = rustls::RootCertStore::empty();
    for root in roots {
        store.add(root.clone().into()).map_err(|_| HttpError::Address("a TLS root is not a certificate"))?;
    }
    Ok(rustls::ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider has suites of TLS 1.3")
        .with_root_certificates(store)
        .with_no_client_auth())
}

/// The TLS error that an error is, or wraps as one of input and output.
pub(super) fn tls_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    error.downcast_ref::<rustls::Error>().or_else(|| {
        let within = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref)?;
        tls_error(within)
    })
}

/// What went wrong, for whoever has to mend it.
pub(super) fn tls_failure(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(_) => {
            format!("its certificate is not accepted ({error}). Compare the address and the authority with what your office gave you")
        }
        rustls::Error::InvalidMessage(_) => "what answers at that address does not speak TLS".to_owned(),
        rustls::Error::AlertReceived(_) | rustls::Error::PeerIncompatible(_) => {
            format!("it does not agree to TLS 1.3 with the key exchange X25519MLKEM768 ({error})")
        }
        other => format!("TLS: {other}"),
    }
}
