//! Text encodings inside JSON payloads, and a reader of fixed-width bytes.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

macro_rules! text_bytes {
    ($(#[$doc:meta])* $name:ident, $encode:expr, $decode:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name(pub Vec<u8>);

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&$encode(&self.0))
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                $decode(&text).map(Self).map_err(|_| serde::de::Error::custom(concat!("not ", stringify!($name))))
            }
        }
    };
}

text_bytes!(
    /// Bytes as standard base64 with padding.
    Base64, |bytes: &[u8]| STANDARD.encode(bytes), |text: &str| STANDARD.decode(text)
);
text_bytes!(
    /// Bytes as unpadded base64url.
    Base64Url, |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes), |text: &str| URL_SAFE_NO_PAD.decode(text)
);
text_bytes!(
    /// Bytes as lower-case hexadecimal digits.
    Hex, |bytes: &[u8]| hex::encode(bytes), |text: &str| {
        if text.bytes().any(|c| c.is_ascii_uppercase()) { Err(hex::FromHexError::OddLength) } else { hex::decode(text) }
    }
);

/// Reads fixed-width fields from the front of a string of bytes.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N).and_then(|bytes| bytes.try_into().ok())
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }
}
