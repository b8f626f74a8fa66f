//! Why a time stamp is not believed.

use super::Limit;

/// Why a time stamp is not genuine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StampError {
    /// It is larger than any stamp need be; refused before it was decoded.
    #[error("the {} is over the limit of {} bytes", .0.what, .0.bytes)]
    TooLarge(Limit),
    /// It is not of the form of RFC 3161.
    #[error("it is not a time stamp of RFC 3161: {0} is not as it must be")]
    Malformed(&'static str),
    /// The authority answered without a stamp.
    #[error("the authority refused: its answer has status {0} and no stamp")]
    NotGranted(u8),
    /// It stamps other bytes.
    #[error("it is a stamp of other bytes than this checkpoint's")]
    OtherImprint,
    /// Its signer's certificate leads to no root that is pinned: it counts for nothing.
    #[error("it is by an authority that is not pinned")]
    UnknownAuthority,
    /// It leads to a pinned root and does not keep to the rules: whoever holds that authority's certificate made it, or somebody changed it.
    #[error("a pinned authority's certificate is named in it, and {0}")]
    Rejected(StampFault),
}

impl StampError {
    /// Whether the stamp merely counts for nothing; every other error says that something is wrong.
    pub const fn counts_for_nothing(&self) -> bool {
        matches!(self, Self::UnknownAuthority)
    }
}

/// Which rule of `docs/spec/witnesses.md` §3 a stamp breaks that leads to a pinned root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StampFault {
    /// A digest algorithm other than SHA-256, SHA-384 and SHA-512.
    #[error("it uses a digest algorithm other than SHA-256, SHA-384 and SHA-512")]
    Digest,
    /// The signed attribute that names the content type is missing or another.
    #[error("its signed attributes do not name the content as a time stamp")]
    ContentType,
    /// The signed digest is missing or not that of the content.
    #[error("its signed digest is not that of its content")]
    MessageDigest,
    /// The signed attributes do not name the signer's certificate.
    #[error("its signed attributes do not name its signer's certificate")]
    SigningCertificate,
    /// The signature does not verify, or is of an algorithm that is not accepted.
    #[error("its signature does not verify")]
    Signature,
    /// The signer's certificate is not for time stamps alone, critically.
    #[error("its signer's certificate is not for time stamps alone (critical extended key usage)")]
    ExtendedKeyUsage,
    /// The signer's certificate is not for signatures.
    #[error("its signer's certificate is not for signatures (key usage)")]
    KeyUsage,
    /// A certificate of the path is no authority, or not for a path so long.
    #[error("a certificate above its signer's is not that of a certification authority, or not for so many below it")]
    NotAnAuthority,
    /// A certificate of the path was not valid when the stamp was made.
    #[error("a certificate of its path was not valid at the time of the stamp")]
    Validity,
    /// A certificate of the path has a critical extension that is not known.
    #[error("a certificate of its path has a critical extension that is not known here")]
    CriticalExtension,
}
