//! Certificates as the profile has them, made with rcgen and read back before they leave.

use custodia_core::identity::{ARCS, Country, DeviceRequest, RootCertificate, UnverifiedCertificate, key_identifier};
use custodia_core::time::LogTime;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, DnValue, IsCa, Issuer, KeyIdMethod, KeyUsagePurpose,
    PKCS_ED25519, PublicKeyData, SerialNumber, SignatureAlgorithm,
};
use time::{Duration, OffsetDateTime};

use super::{NewOffice, OfficeError};
use crate::at_rest;
use crate::passphrase::PassphraseError;

const EXTENDED_KEY_USAGE: [u64; 4] = [2, 5, 29, 37];
const USER_ID: [u64; 7] = [0, 9, 2342, 19_200_300, 100, 1, 1];
const SERIAL_NUMBER: [u64; 4] = [2, 5, 4, 5];

/// A public key as rcgen takes it.
struct Subject(VerifyingKey);

/// A private key as rcgen takes it.
struct Authority<'a>(&'a SigningKey, VerifyingKey);

impl PublicKeyData for Subject {
    fn der_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}

impl PublicKeyData for Authority<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.1.as_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}

impl rcgen::SigningKey for Authority<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.0.sign(message).to_bytes().to_vec())
    }
}

impl<'a> Authority<'a> {
    fn new(key: &'a SigningKey) -> Self {
        Self(key, key.verifying_key())
    }
}

/// Makes the root certificate of a new office.
pub(super) fn root(new: &NewOffice, key: &SigningKey) -> Result<RootCertificate, OfficeError> {
    if !(1..=20).contains(&new.years) {
        return Err(OfficeError::Validity);
    }
    let mut params = common(&key.verifying_key(), new.from, i64::from(new.years) * 365)?;
    params.distinguished_name = office_name(new.country, new.id.as_str(), new.name.as_str())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
    let certificate = params.self_signed(&Authority::new(key)).map_err(|error| bug(&error))?;
    RootCertificate::parse(certificate.der()).map_err(|fault| bug(&fault))
}

/// Issues a device certificate under a root.
pub(super) fn device(
    root: &RootCertificate,
    key: &SigningKey,
    request: &DeviceRequest,
    from: LogTime,
    days: u16,
) -> Result<UnverifiedCertificate, OfficeError> {
    let mut params = common(request.key(), from, i64::from(days))?;
    let within = params.not_before >= moment(root.not_before())? && params.not_after <= moment(root.not_after())?;
    if !(1..=397).contains(&days) || !within {
        return Err(OfficeError::Validity);
    }
    let wanted = request.wanted();
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CountryName, printable(root.country().as_str())?);
    subject.push(DnType::OrganizationName, root.office().as_str());
    subject.push(DnType::OrganizationalUnitName, wanted.label.as_str());
    subject.push(DnType::CommonName, wanted.name.as_str());
    subject.push(DnType::CustomDnType(USER_ID.to_vec()), wanted.person.local());
    subject.push(DnType::CustomDnType(SERIAL_NUMBER.to_vec()), printable(&wanted.device.to_string())?);
    params.distinguished_name = subject;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    let arc = &ARCS[0];
    let purpose = arc.role(wanted.role).as_bytes();
    let mut purposes = CustomExtension::from_oid_content(&EXTENDED_KEY_USAGE, der(0x30, &der(0x06, purpose)));
    purposes.set_criticality(true);
    params.custom_extensions.push(purposes);
    if let Some(sealing_key) = &wanted.sealing_key {
        let oid: Vec<u64> = arc.sealing_key().arcs().map(u64::from).collect();
        params.custom_extensions.push(CustomExtension::from_oid_content(&oid, der(0x04, sealing_key.as_bytes())));
    }
    let mut authority = CertificateParams::default();
    authority.distinguished_name = office_name(root.country(), root.office().as_str(), root.name().as_str())?;
    authority.key_identifier_method = KeyIdMethod::PreSpecified(root.key_id().to_vec());
    let issuer = Issuer::from_params(&authority, Authority::new(key));
    let certificate = params.signed_by(&Subject(*request.key()), &issuer).map_err(|error| bug(&error))?;
    let certificate = UnverifiedCertificate::parse(certificate.der()).map_err(|fault| bug(&fault))?;
    let made = certificate.claims();
    let as_asked = (made.device, &made.person, made.role, &made.name, &made.label, &made.key, &made.sealing_key)
        == (wanted.device, &wanted.person, wanted.role, &wanted.name, &wanted.label, request.key(), &wanted.sealing_key);
    if as_asked { Ok(certificate) } else { Err(OfficeError::Bug("not what was asked for".to_owned())) }
}

fn common(key: &VerifyingKey, from: LogTime, days: i64) -> Result<CertificateParams, OfficeError> {
    let mut params = CertificateParams::default();
    let mut serial: [u8; 16] = at_rest::random().map_err(|_| PassphraseError::Unavailable)?;
    serial[0] = serial[0] & 0x3f | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.not_before = moment(from)?;
    params.not_after = params.not_before.checked_add(Duration::days(days)).ok_or(OfficeError::Validity)?;
    params.key_identifier_method = KeyIdMethod::PreSpecified(key_identifier(key).to_vec());
    Ok(params)
}

fn office_name(country: Country, id: &str, name: &str) -> Result<DistinguishedName, OfficeError> {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CountryName, printable(country.as_str())?);
    subject.push(DnType::OrganizationName, id);
    subject.push(DnType::CommonName, name);
    Ok(subject)
}

fn printable(text: &str) -> Result<DnValue, OfficeError> {
    text.try_into().map(DnValue::PrintableString).map_err(|error: rcgen::Error| bug(&error))
}

fn moment(time: LogTime) -> Result<OffsetDateTime, OfficeError> {
    let seconds = i64::try_from(time.seconds()).map_err(|_| OfficeError::Validity)?;
    OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| OfficeError::Validity)
}

/// One DER value of fewer than 65536 bytes.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("an OID, a list of one, or a sealing key");
    let [high, low] = length.to_be_bytes();
    let head: &[u8] = match length {
        0..=0x7f => &[tag, low],
        0x80..=0xff => &[tag, 0x81, low],
        _ => &[tag, 0x82, high, low],
    };
    [head, content].concat()
}

fn bug(error: &impl ToString) -> OfficeError {
    OfficeError::Bug(error.to_string())
}
