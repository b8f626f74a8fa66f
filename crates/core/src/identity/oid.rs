//! Object identifiers: Custodia's arcs, and those of X.509 that the profile names.

use x509_cert::der::asn1::ObjectIdentifier;

use super::certificate::Role;

/// One arc of object identifiers under which certificates may be issued.
///
/// Source: `docs/decisions/0002-oid-arc.md`.
#[derive(Debug)]
pub struct Arc {
    prosecutor: ObjectIdentifier,
    auditor: ObjectIdentifier,
    recovery: ObjectIdentifier,
    administrator: ObjectIdentifier,
    sealing_key: ObjectIdentifier,
}

/// The arcs that are accepted; the first is the one to issue under.
pub static ARCS: [Arc; 1] = [Arc {
    prosecutor: ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1.1"),
    auditor: ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1.2"),
    recovery: ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1.3"),
    administrator: ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1.4"),
    sealing_key: ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.2.1"),
}];

impl Arc {
    /// The key purpose of a role.
    pub const fn role(&self, role: Role) -> &ObjectIdentifier {
        match role {
            Role::Prosecutor => &self.prosecutor,
            Role::Auditor => &self.auditor,
            Role::Recovery => &self.recovery,
            Role::Administrator => &self.administrator,
        }
    }

    /// The extension that holds the sealing key.
    pub const fn sealing_key(&self) -> &ObjectIdentifier {
        &self.sealing_key
    }
}

/// The arc and role of a key purpose, if it is one of ours.
pub(super) fn role_of(purpose: &ObjectIdentifier) -> Option<(&'static Arc, Role)> {
    ARCS.iter().find_map(|arc| Role::ALL.into_iter().find(|role| arc.role(*role) == purpose).map(|role| (arc, role)))
}

pub(super) const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

pub(super) const COUNTRY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.6");
pub(super) const ORGANISATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");
pub(super) const UNIT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.11");
pub(super) const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
pub(super) const USER_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.1");
pub(super) const SERIAL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.5");

pub(super) const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
pub(super) const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
pub(super) const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
pub(super) const SUBJECT_KEY_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.14");
pub(super) const AUTHORITY_KEY_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");
