//! Identifiers: of cases, exhibits, intents and devices (random), of offices and persons (chosen by offices).

use core::fmt;
use core::str::FromStr;

/// An identifier's text does not have the form of its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct IdTextError(&'static str);

/// Reads exactly `2 * N` lower-case hexadecimal digits; one text for one value, so that texts can be compared.
pub(crate) fn lower_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let lower = text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
    (lower && hex::decode_to_slice(text, &mut bytes).is_ok()).then_some(bytes)
}

macro_rules! text_form {
    ($name:ident) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// Takes 16 bytes as they are; the caller draws them at random.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The 16 bytes.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl FromStr for $name {
            type Err = IdTextError;

            fn from_str(text: &str) -> Result<Self, IdTextError> {
                lower_hex(text).map(Self).ok_or(IdTextError(concat!(
                    "not an identifier (", stringify!($name), " is 32 lower-case hexadecimal digits)"
                )))
            }
        }

        text_form!($name);
    };
}

random_id! {
    /// A case, and its custody chain; 16 random bytes, as text 32 lower-case hexadecimal digits.
    CaseId
}
random_id! {
    /// An exhibit, and its custody chain; 16 random bytes.
    ExhibitId
}
random_id! {
    /// One act of one device; 16 random bytes. A retry carries the same id, so one act has one entry.
    IntentId
}
random_id! {
    /// A device through all renewals of its certificate; 16 random bytes chosen when its key is made.
    DeviceId
}

impl CaseId {
    /// The reserved case id whose chain holds the identity records (`device.*`, `trust.*`): 16 zero bytes.
    pub const REGISTRY: Self = Self([0; 16]);
}

fn is_label(text: &str, first: fn(u8) -> bool, most: usize) -> bool {
    let bytes = text.as_bytes();
    (1..=most).contains(&bytes.len()) && first(bytes[0]) && bytes.iter().all(|c| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'))
}

/// An office (authority): 1 to 32 of `a-z 0-9 - .`, the first a letter; for example `ro-diicot`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OfficeId(String);

/// A person of an office: `office/local`, the local id 1 to 32 of `a-z 0-9 - .`, the first a letter or digit.
///
/// Says nothing about whether that person exists: an office's certificate does.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonId {
    office: OfficeId,
    local: String,
}

impl OfficeId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PersonId {
    /// Puts a local id beside its office.
    pub fn new(office: OfficeId, local: &str) -> Result<Self, IdTextError> {
        if !is_label(local, |c| c.is_ascii_lowercase() || c.is_ascii_digit(), 32) {
            return Err(IdTextError("a person's local id is 1 to 32 of a-z, 0-9, '-' and '.', the first a letter or digit"));
        }
        Ok(Self { office, local: local.to_owned() })
    }

    /// The person's office.
    pub fn office(&self) -> &OfficeId {
        &self.office
    }

    /// The id within the office.
    pub fn local(&self) -> &str {
        &self.local
    }
}

impl FromStr for OfficeId {
    type Err = IdTextError;

    fn from_str(text: &str) -> Result<Self, IdTextError> {
        if !is_label(text, |c| c.is_ascii_lowercase(), 32) {
            return Err(IdTextError("an office id is 1 to 32 of a-z, 0-9, '-' and '.', the first a letter"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for PersonId {
    type Err = IdTextError;

    fn from_str(text: &str) -> Result<Self, IdTextError> {
        let (office, local) = text.split_once('/').ok_or(IdTextError("a person is written office/local"))?;
        Self::new(office.parse()?, local)
    }
}

impl fmt::Display for OfficeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.office, self.local)
    }
}

text_form!(OfficeId);
text_form!(PersonId);
