//! Who is who.

/// What a device's certificate lets it do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Works on cases.
    Prosecutor,
    /// Reads the log.
    Auditor,
    /// Opens what a lost device opened.
    Recovery,
    /// Runs an office's devices.
    Administrator,
}
