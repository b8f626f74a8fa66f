//! What can be wrong with an exhibit's bytes, and whose fault it is.

use core::fmt;

use crate::digest::Blake3Digest;

/// The part of an exhibit that a fault was found in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// A sealed message as such, before its meaning is known.
    Message,
    /// A segment of the content.
    Segment,
    /// The manifest.
    Manifest,
    /// The sealed reason of an intent.
    SealedText,
    /// A wrapped key or share.
    Wrap,
    /// The key of the exhibit.
    ExhibitKey,
    /// The server's share of the exhibit key.
    ReleaseShare,
    /// The content stream as a whole.
    Stream,
    /// The path of a file.
    Path,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Message => "sealed message",
            Self::Segment => "segment",
            Self::Manifest => "manifest",
            Self::SealedText => "sealed reason",
            Self::Wrap => "wrapped key",
            Self::ExhibitKey => "exhibit key",
            Self::ReleaseShare => "release share",
            Self::Stream => "content stream",
            Self::Path => "path",
        })
    }
}

/// Why bytes of an exhibit are refused; no variant carries content or secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExhibitError {
    /// The bytes do not have the form of the format: who stored or sent them cut, lengthened or never made them.
    #[error("the {part} is malformed: {why}")]
    Malformed {
        /// Where.
        part: Part,
        /// What the format asks for.
        why: &'static str,
    },
    /// The JSON is not what the format writes, byte for byte: its author's fault.
    #[error("the {part} is malformed at line {line}, column {column}: not the JSON that this format writes")]
    Json {
        /// Where.
        part: Part,
        /// Line, from 1; 0 where it is unknown.
        line: usize,
        /// Column, from 1; 0 where it is unknown.
        column: usize,
    },
    /// A limit of the format is exceeded; refused before anything was decoded.
    #[error("the {part} exceeds the limit of {most} {unit}")]
    Limit {
        /// Where.
        part: Part,
        /// The limit.
        most: u64,
        /// What is counted.
        unit: &'static str,
    },
    /// The store delivered other bytes than those that were named.
    #[error("the object is not the one named {named}: its bytes have the name {found}")]
    WrongName {
        /// The name that was asked for.
        named: Blake3Digest,
        /// The name of the bytes that came.
        found: Blake3Digest,
    },
    /// The message was not sealed with this key for this use: a wrong key, or a message moved from another place.
    #[error("the {part} was not sealed with this key for this place")]
    WrongKeyOrContext {
        /// Where.
        part: Part,
    },
    /// A chunk does not authenticate: bytes were altered after sealing.
    #[error("chunk {chunk} of the {part} was altered after sealing")]
    Altered {
        /// Where.
        part: Part,
        /// The first such chunk, from 0.
        chunk: u64,
    },
    /// A secret is not the one that its commitment in the log names: who handed it out is at fault.
    #[error("the {part} is not the one that was committed to")]
    NotCommitted {
        /// Which secret, or the manifest.
        part: Part,
    },
    /// Authentic, but not what an honest sealer makes: the sealer's fault.
    #[error("the {part} was sealed wrongly: {why}")]
    Misbehaved {
        /// Where.
        part: Part,
        /// What the format asks for.
        why: &'static str,
    },
    /// The manifest or reason breaks a rule of its content: its author's fault.
    #[error("the manifest is rejected by rule {rule:?}: {rule}{}", file.map(|at| format!(" (file {at})")).unwrap_or_default())]
    Rejected {
        /// The rule.
        rule: ManifestRule,
        /// The file's place in the manifest, from 0, where the rule is about one.
        file: Option<u64>,
    },
    /// The caller asked for what cannot be; nothing was done.
    #[error("misuse of the {part}: {why}")]
    Bug {
        /// Where.
        part: Part,
        /// What the caller must keep.
        why: &'static str,
    },
}

macro_rules! manifest_rules {
    ($($(#[$doc:meta])* $name:ident = $sentence:literal,)+) => {
        /// A rule that every manifest keeps; the sentence is its `Display`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ManifestRule {
            $(#[doc = $sentence] $(#[$doc])* $name,)+
        }

        impl ManifestRule {
            /// Every rule, in the order of the specification.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];
        }

        impl fmt::Display for ManifestRule {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$name => $sentence,)+ })
            }
        }
    };
}

manifest_rules! {
    Version = "the version is 1",
    SegmentSize = "the segment size is 8388608",
    FileCount = "there are 1 to 200000 files",
    Offsets = "each file begins where the one before ends, the first at 0",
    StreamLength = "the stream length is the sum of the sizes, at most 2^44",
    PathForm = "a path is relative, with forward slashes, without empty, '.' or '..' components and without NUL",
    PathLength = "a path has at most 4096 bytes and a component at most 1024",
    PathBytes = "raw path bytes stand only beside a name that is not UTF-8, and the path is their escaped form",
    PathTwice = "no two files have the same path",
    PathInsideFile = "no file's path lies inside another file",
    TreeOfSize = "an empty file has the digests of no bytes",
    OtherExhibit = "the manifest names the exhibit and case that it was opened for",
    RestrictionText = "handling code H3, and only H3, says what the restriction is",
    LegalValidity = "a legal basis does not end before it begins",
    DerivedFromItself = "an exhibit is not derived from itself",
    SourceNamed = "the source names a person, a device or both",
}
