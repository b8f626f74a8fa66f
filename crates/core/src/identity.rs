//! Who a device acts for: certificates of offices, the trust list that limits offices, and the registry of both.
//!
//! ```text
//! UnverifiedTrustList ─ verify_first(pin) / verify_successor(list) ─► TrustList
//! UnverifiedCertificate ─────── TrustList::certify(certificate, t) ─► Certificate
//! identity records, in chain order ──────────────────────────────────► Registry ─► Standing
//! ```
//! A server has no say in any of it. The bytes are in `docs/spec/identity.md`.

mod certificate;
mod oid;
mod registry;
mod request;
mod root;
mod rules;
mod text;
mod trust_list;
mod x509;

pub use certificate::{Certificate, CertificateError, CertificateId, DeviceFields, Role, SealingPublicKey, UnverifiedCertificate};
pub use oid::{ARCS, Arc};
pub use registry::{AsOf, Registry, RegistryError, RegistrySeq, Revocation, RevocationReason, RevocationTarget, Standing};
pub use request::{DeviceRequest, DeviceRequestDraft, RequestError};
pub use root::RootCertificate;
pub use rules::Rule;
pub use text::{Country, DeviceLabel, ShownName, TextError};
pub use trust_list::{Office, OfficeRoot, TrustList, TrustListDraft, TrustListError, TrustPin, UnverifiedTrustList};
pub use x509::{MAX_CERTIFICATE_BYTES, Malformed, key_identifier};

#[cfg(test)]
mod tests;
