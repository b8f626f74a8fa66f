//! The form of an authority's answer: `TimeStampResp` (RFC 3161 §2.4.2) around `SignedData` (RFC 5652 §5) around `TSTInfo`.

use time::{Date, Month, PrimitiveDateTime, Time};
use x509_cert::der::Tag;
use x509_cert::der::asn1::ObjectIdentifier;

use super::certificate::Certificate;
use super::der::{Algorithm, Element, Elements, built, plain, sequence};
use super::error::StampError;
use crate::time::LogTime;

/// The most certificates of a token.
const MAX_CERTIFICATES: usize = 16;
/// The longest number of a stamp, in bytes (RFC 3161 asks for 20).
const MAX_SERIAL_BYTES: usize = 32;

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
/// `id-ct-TSTInfo`.
pub(super) const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");

/// A token, read; nothing in it is verified.
pub(super) struct Token<'a> {
    /// The DER of the `TSTInfo`.
    pub content: &'a [u8],
    pub info: Info<'a>,
    /// Those that could be read: others may have forms that do not concern us.
    pub certificates: Vec<Certificate>,
    pub signer: Signer<'a>,
}

/// What the authority says.
pub(super) struct Info<'a> {
    pub imprint_algorithm: Algorithm<'a>,
    pub imprint: &'a [u8],
    pub serial: &'a [u8],
    /// Milliseconds since 1970, cut.
    pub time: u64,
    /// Milliseconds, rounded up.
    pub accuracy: u64,
    pub nonce: Option<&'a [u8]>,
}

/// Who signed, and what.
pub(super) struct Signer<'a> {
    pub id: SignerId<'a>,
    pub digest: Algorithm<'a>,
    /// The attributes as the SET over which the signature is.
    pub signed: Vec<u8>,
    pub attributes: Vec<(ObjectIdentifier, Element<'a>)>,
    pub algorithm: Algorithm<'a>,
    pub signature: &'a [u8],
}

/// How the signer's certificate is named.
#[derive(Clone, Copy)]
pub(super) enum SignerId<'a> {
    IssuerAndSerial { issuer: &'a [u8], serial: &'a [u8] },
    KeyId(&'a [u8]),
}

impl SignerId<'_> {
    pub fn names(&self, certificate: &Certificate) -> bool {
        match self {
            Self::IssuerAndSerial { issuer, serial } => certificate.issuer == *issuer && certificate.serial == *serial,
            Self::KeyId(id) => certificate.key_id.as_deref() == Some(id),
        }
    }
}

/// Reads an answer as far as the token.
pub(super) fn read(response: &[u8]) -> Result<Token<'_>, StampError> {
    let mut parts = sequence(response, "the answer")?;
    let mut status = Elements::new(parts.expect(Tag::Sequence)?.value, "the answer's status")?;
    match status.integer()? {
        [0 | 1] => {}
        other => return Err(StampError::NotGranted(other.last().copied().unwrap_or_default())),
    }
    let token = parts.expect(Tag::Sequence)?;
    parts.finish()?;
    read_token(token.whole)
}

fn read_token(token: &[u8]) -> Result<Token<'_>, StampError> {
    const WHAT: &str = "the token";
    let mut outer = sequence(token, WHAT)?;
    if outer.oid()? != SIGNED_DATA {
        return Err(StampError::Malformed(WHAT));
    }
    let mut parts = sequence(outer.expect(built(0))?.value, WHAT)?;
    outer.finish()?;
    if parts.integer()? != [3] {
        return Err(StampError::Malformed("the token's version"));
    }
    parts.expect(Tag::Set)?;
    let mut encapsulated = Elements::new(parts.expect(Tag::Sequence)?.value, WHAT)?;
    if encapsulated.oid()? != TST_INFO {
        return Err(StampError::Malformed("the token's content type"));
    }
    let mut content = Elements::new(encapsulated.expect(built(0))?.value, WHAT)?;
    encapsulated.finish()?;
    let octets = content.expect(Tag::OctetString)?.value;
    content.finish()?;
    let certificates = parts.optional(built(0))?;
    let _revocation_lists = parts.optional(built(1))?;
    let mut signers = Elements::new(parts.expect(Tag::Set)?.value, "the token's signer")?;
    parts.finish()?;
    let signer = signers.expect(Tag::Sequence)?;
    signers.finish()?;
    Ok(Token {
        content: octets,
        info: read_info(octets)?,
        certificates: certificates.map_or_else(|| Ok(Vec::new()), |set| read_certificates(set.value))?,
        signer: read_signer(signer.value)?,
    })
}

fn read_certificates(set: &[u8]) -> Result<Vec<Certificate>, StampError> {
    const WHAT: &str = "the token's certificates";
    let mut set = Elements::new(set, WHAT)?;
    let mut found = Vec::new();
    let mut count = 0;
    while let Some(element) = set.next()? {
        count += 1;
        if count > MAX_CERTIFICATES {
            return Err(StampError::Malformed(WHAT));
        }
        // Other choices, such as attribute certificates, have tags of their own.
        found
            .extend(Some(element).filter(|element| element.tag == Tag::Sequence).and_then(|element| Certificate::read(element.whole).ok()));
    }
    Ok(found)
}

fn read_info(der: &[u8]) -> Result<Info<'_>, StampError> {
    const WHAT: &str = "the content";
    let mut parts = sequence(der, WHAT)?;
    if parts.integer()? != [1] {
        return Err(StampError::Malformed("the content's version"));
    }
    let _policy = parts.oid()?;
    let mut imprint = Elements::new(parts.expect(Tag::Sequence)?.value, "the imprint")?;
    let imprint_algorithm = imprint.algorithm()?;
    let digest = imprint.expect(Tag::OctetString)?.value;
    imprint.finish()?;
    let serial = parts.integer()?;
    if serial.len() > MAX_SERIAL_BYTES {
        return Err(StampError::Malformed("the stamp's number"));
    }
    let time = read_time(parts.expect(Tag::GeneralizedTime)?.value)?;
    let accuracy = parts.optional(Tag::Sequence)?.map_or(Ok(0), |accuracy| read_accuracy(accuracy.value))?;
    let _ordering = parts.optional(Tag::Boolean)?;
    let nonce = parts.optional(Tag::Integer)?.map(|nonce| nonce.value);
    let _authority = parts.optional(built(0))?;
    if let Some(extensions) = parts.optional(built(1))? {
        refuse_critical(extensions.value)?;
    }
    parts.finish()?;
    Ok(Info { imprint_algorithm, imprint: digest, serial, time, accuracy, nonce })
}

/// The time of a `TSTInfo`, `YYYYMMDDhhmmss[.f…]Z`, in milliseconds since 1970.
fn read_time(text: &[u8]) -> Result<u64, StampError> {
    let read = || {
        let text = core::str::from_utf8(text).ok()?.strip_suffix('Z')?;
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.len() != 14 || !(1..=9).contains(&fraction.len()) || !are_digits(whole) || !are_digits(fraction) {
            return None;
        }
        let part = |from: usize, to: usize| whole[from..to].parse::<u16>().ok();
        let small = |from: usize| part(from, from + 2).and_then(|number| u8::try_from(number).ok());
        let date = Date::from_calendar_date(i32::from(part(0, 4)?), Month::try_from(small(4)?).ok()?, small(6)?).ok()?;
        let millis = format!("{fraction:0<3}")[..3].parse().ok()?;
        let time = Time::from_hms_milli(small(8)?, small(10)?, small(12)?, millis).ok()?;
        let nanos = PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp_nanos();
        let millis = u64::try_from(nanos / 1_000_000).ok()?;
        Some(LogTime::from_millis(millis).ok()?.millis())
    };
    read().ok_or(StampError::Malformed("the time"))
}

/// `Accuracy`: seconds, milliseconds, microseconds, each optional; rounded up to milliseconds.
fn read_accuracy(value: &[u8]) -> Result<u64, StampError> {
    const WHAT: &str = "the accuracy";
    let mut parts = Elements::new(value, WHAT)?;
    let number = |element: Option<Element<'_>>, most: u64| {
        let Some(element) = element else { return Ok(0) };
        let digits = super::der::shortest(element.value).filter(|digits| digits.len() <= 4 && digits[0] < 0x80);
        let number = digits.map(|digits| digits.iter().fold(0, |number, digit| number << 8 | u64::from(*digit)));
        number.filter(|number| *number <= most).ok_or(StampError::Malformed(WHAT))
    };
    let seconds = number(parts.optional(Tag::Integer)?, u64::from(u32::MAX))?;
    let millis = number(parts.optional(plain(0))?, 999)?;
    let micros = number(parts.optional(plain(1))?, 999)?;
    parts.finish()?;
    Ok(seconds * 1000 + millis + micros.div_ceil(1000))
}

/// No extension of the content may be critical: none is known here.
fn refuse_critical(extensions: &[u8]) -> Result<(), StampError> {
    const WHAT: &str = "an extension of the content";
    let mut list = Elements::new(extensions, WHAT)?;
    while let Some(extension) = list.next()? {
        let mut parts = sequence(extension.whole, WHAT)?;
        let _kind = parts.oid()?;
        if parts.optional(Tag::Boolean)?.is_some_and(|critical| critical.value != [0]) {
            return Err(StampError::Malformed(WHAT));
        }
    }
    Ok(())
}

fn read_signer(value: &[u8]) -> Result<Signer<'_>, StampError> {
    const WHAT: &str = "the token's signer";
    let mut parts = Elements::new(value, WHAT)?;
    let id = match parts.integer()? {
        [1] => {
            let mut id = Elements::new(parts.expect(Tag::Sequence)?.value, WHAT)?;
            let (issuer, serial) = (id.expect(Tag::Sequence)?.whole, id.integer()?);
            id.finish()?;
            SignerId::IssuerAndSerial { issuer, serial }
        }
        [3] => SignerId::KeyId(parts.expect(plain(0))?.value),
        _ => return Err(StampError::Malformed(WHAT)),
    };
    let digest = parts.algorithm()?;
    let set = parts.expect(built(0))?;
    let attributes = read_attributes(set.value)?;
    let algorithm = parts.algorithm()?;
    let signature = parts.expect(Tag::OctetString)?.value;
    let _unsigned = parts.optional(built(1))?;
    parts.finish()?;
    let mut signed = set.whole.to_vec();
    // RFC 5652 §5.4: the tag of a SET takes the place of [0].
    signed[0] = 0x31;
    Ok(Signer { id, digest, signed, attributes, algorithm, signature })
}

/// The attributes by kind; each has one value that concerns us, and stands once, in the order of DER.
fn read_attributes(set: &[u8]) -> Result<Vec<(ObjectIdentifier, Element<'_>)>, StampError> {
    const WHAT: &str = "the token's signed attributes";
    let mut set = Elements::new(set, WHAT)?;
    let mut found: Vec<(ObjectIdentifier, Element<'_>)> = Vec::new();
    let mut before: &[u8] = &[];
    while let Some(element) = set.next()? {
        let mut parts = sequence(element.whole, WHAT)?;
        let kind = parts.oid()?;
        let mut values = Elements::new(parts.expect(Tag::Set)?.value, WHAT)?;
        parts.finish()?;
        let value = values.next()?.ok_or(StampError::Malformed(WHAT))?;
        values.finish()?;
        if element.whole <= before || found.iter().any(|(other, _)| *other == kind) {
            return Err(StampError::Malformed(WHAT));
        }
        before = element.whole;
        found.push((kind, value));
    }
    if found.is_empty() { Err(StampError::Malformed(WHAT)) } else { Ok(found) }
}
