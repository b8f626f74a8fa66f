//! DER, element by element, with the bytes of each as they came: signatures and names are compared byte by byte.

use x509_cert::der::asn1::{AnyRef, ObjectIdentifier};
use x509_cert::der::{Decode as _, Reader as _, SliceReader, Tag, TagNumber};

use super::error::StampError;

/// One element.
#[derive(Debug, Clone, Copy)]
pub(super) struct Element<'a> {
    pub tag: Tag,
    pub value: &'a [u8],
    /// Tag, length and value.
    pub whole: &'a [u8],
}

/// The context-specific tag of a number, for a value that is itself built of elements.
pub(super) const fn built(number: u8) -> Tag {
    Tag::ContextSpecific { constructed: true, number: TagNumber::new(number) }
}

/// The context-specific tag of a number, for a plain value.
pub(super) const fn plain(number: u8) -> Tag {
    Tag::ContextSpecific { constructed: false, number: TagNumber::new(number) }
}

/// The elements that are left; `what` names the whole for errors.
pub(super) struct Elements<'a> {
    rest: SliceReader<'a>,
    what: &'static str,
}

impl<'a> Elements<'a> {
    /// The elements that follow each other in `bytes`.
    pub fn new(bytes: &'a [u8], what: &'static str) -> Result<Self, StampError> {
        let rest = SliceReader::new(bytes).map_err(|_| StampError::Malformed(what))?;
        Ok(Self { rest, what })
    }

    /// The next element, if there is one.
    pub fn next(&mut self) -> Result<Option<Element<'a>>, StampError> {
        if self.rest.is_finished() {
            return Ok(None);
        }
        let malformed = |_| StampError::Malformed(self.what);
        let whole = self.rest.tlv_bytes().map_err(malformed)?;
        let any = AnyRef::from_der(whole).map_err(malformed)?;
        Ok(Some(Element { tag: x509_cert::der::Tagged::tag(&any), value: any.value(), whole }))
    }

    /// The next element, which must have this tag.
    pub fn expect(&mut self, tag: Tag) -> Result<Element<'a>, StampError> {
        self.next()?.filter(|element| element.tag == tag).ok_or(StampError::Malformed(self.what))
    }

    /// The next element if it has this tag.
    pub fn optional(&mut self, tag: Tag) -> Result<Option<Element<'a>>, StampError> {
        let is_next = !self.rest.is_finished() && self.rest.peek_tag().map_err(|_| StampError::Malformed(self.what))? == tag;
        if is_next { self.next() } else { Ok(None) }
    }

    /// The object identifier that must come next.
    pub fn oid(&mut self) -> Result<ObjectIdentifier, StampError> {
        let element = self.expect(Tag::ObjectIdentifier)?;
        ObjectIdentifier::from_bytes(element.value).map_err(|_| StampError::Malformed(self.what))
    }

    /// The integer that must come next: its bytes, the shortest of two's complement.
    pub fn integer(&mut self) -> Result<&'a [u8], StampError> {
        shortest(self.expect(Tag::Integer)?.value).ok_or(StampError::Malformed(self.what))
    }

    /// The algorithm that must come next: its identifier and its parameters, if it has any.
    pub fn algorithm(&mut self) -> Result<Algorithm<'a>, StampError> {
        let element = self.expect(Tag::Sequence)?;
        let mut inner = Elements::new(element.value, self.what)?;
        let algorithm = Algorithm { oid: inner.oid()?, parameters: inner.next()? };
        inner.finish()?;
        Ok(algorithm)
    }

    /// Nothing may be left.
    pub fn finish(mut self) -> Result<(), StampError> {
        if self.next()?.is_some() { Err(StampError::Malformed(self.what)) } else { Ok(()) }
    }
}

/// The elements of the one SEQUENCE that `bytes` is.
pub(super) fn sequence<'a>(bytes: &'a [u8], what: &'static str) -> Result<Elements<'a>, StampError> {
    let mut outer = Elements::new(bytes, what)?;
    let inner = outer.expect(Tag::Sequence)?;
    outer.finish()?;
    Elements::new(inner.value, what)
}

/// The value of an INTEGER, if it is the shortest of its number.
pub(super) fn shortest(value: &[u8]) -> Option<&[u8]> {
    match value {
        [] | [0, 0..=0x7f, ..] | [0xff, 0x80..=0xff, ..] => None,
        _ => Some(value),
    }
}

/// An algorithm and its parameters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Algorithm<'a> {
    pub oid: ObjectIdentifier,
    pub parameters: Option<Element<'a>>,
}

impl Algorithm<'_> {
    /// Whether it has no parameters.
    pub fn is_bare(&self) -> bool {
        self.parameters.is_none()
    }

    /// Whether its parameters are absent or NULL: RFC 5754 §2 has readers take both.
    pub fn is_plain(&self) -> bool {
        self.parameters.is_none_or(|parameters| parameters.whole == [5, 0])
    }
}
