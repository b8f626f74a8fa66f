//! Where the server is, and how its TLS is judged.

use std::sync::Arc;

use reqwest::Url;

use super::HttpError;

/// Where the server is and by which certificates its TLS is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAddress {
    /// `https://host[:port]`, or `http://` for loopback; without a path.
    pub url: String,
    /// Root certificates, DER; not used for plain HTTP.
    pub tls_roots: Vec<Vec<u8>>,
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
