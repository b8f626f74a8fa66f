//! The registry: trust lists, enrolments and revocations in the order of their records, and what held when.

use std::collections::BTreeMap;

use super::certificate::{Certificate, CertificateError, CertificateId, Role, UnverifiedCertificate};
use super::rules::Rule;
use super::trust_list::{Office, TrustList, TrustListError, TrustPin, UnverifiedTrustList};
use crate::digest::Sha256Digest;
use crate::ids::{DeviceId, OfficeId};
use crate::time::LogTime;

/// How far a trust list's `issued` may lie after the time of its record.
const ISSUED_AHEAD_MILLIS: i128 = 5 * 60 * 1000;

/// The sequence number of a record in the chain of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct RegistrySeq(u64);

impl RegistrySeq {
    /// Takes a sequence number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// A moment in the registry: all records up to and with `seq`, at `time`.
///
/// For a record: its own sequence number and time. For a question: how much of the registry counts, and the time
/// at which validity is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AsOf {
    /// The last record that counts.
    pub seq: RegistrySeq,
    /// The log's time.
    pub time: LogTime,
}

/// Why something was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RevocationReason {
    /// Somebody else may have the key.
    KeyCompromise,
    /// The device is lost.
    Lost,
    /// The person left the office.
    Left,
    /// A newer certificate takes its place.
    Superseded,
    /// Another reason.
    Other,
}

/// What is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevocationTarget {
    /// A device with all its certificates, for ever.
    Device(DeviceId),
    /// One certificate; its device may have others.
    Certificate(CertificateId),
}

/// A revocation that took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    /// Its record.
    pub since: AsOf,
    /// Why.
    pub reason: RevocationReason,
}

/// What a certificate is worth as of a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It may act.
    Good,
    /// Nobody enrolled it.
    Unknown,
    /// It or its device was revoked.
    Revoked(Revocation),
    /// Its office is not on the trust list, or is there with another country.
    OfficeRemoved,
    /// The root that issued it is not in force.
    RootNotInForce,
    /// Its office may no longer certify its role.
    RoleWithdrawn,
    /// It is not valid yet.
    NotYetValid,
    /// It is no longer valid.
    Expired,
}

/// Why an identity record, or an act, was refused. The registry is then as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// The caller fed records out of order.
    #[error("an identity record came out of order")]
    OutOfOrder,
    /// The trust list was refused.
    #[error(transparent)]
    TrustList(#[from] TrustListError),
    /// The certificate was refused.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Who acts has no certificate in good standing.
    #[error("the certificate is not in good standing: {0:?}")]
    Standing(Standing),
    /// A rule of the registry refused the record.
    #[error("refused by {rule}")]
    Rejected {
        /// The rule.
        rule: Rule,
    },
}

impl RegistryError {
    /// The rule that refused it; none for a list without its form and for a caller's mistake.
    pub const fn rule(&self) -> Option<Rule> {
        match self {
            Self::OutOfOrder => None,
            Self::TrustList(error) => error.rule(),
            Self::Certificate(error) => Some(error.rule()),
            Self::Standing(_) => Some(Rule::ActorInGoodStanding),
            Self::Rejected { rule } => Some(*rule),
        }
    }
}

/// Refuses by `rule` unless `holds`.
fn rule(holds: bool, rule: Rule) -> Result<(), RegistryError> {
    if holds { Ok(()) } else { Err(RegistryError::Rejected { rule }) }
}

#[derive(Debug, Clone)]
struct Enrolled {
    certificate: Certificate,
    since: AsOf,
    revoked: Option<Revocation>,
}

#[derive(Debug, Clone, Default)]
struct Device {
    certificates: Vec<CertificateId>,
    revoked: Option<Revocation>,
}

/// The identity records so far, and what they amount to.
///
/// It is fed every identity record in the order of the chain, with the certificate that signed the record; that the
/// record's signature verifies under that certificate's key is for the caller to check before.
#[derive(Debug, Clone)]
pub struct Registry {
    pin: TrustPin,
    head: Option<AsOf>,
    lists: Vec<(AsOf, TrustList)>,
    certificates: BTreeMap<CertificateId, Enrolled>,
    devices: BTreeMap<DeviceId, Device>,
    keys: BTreeMap<Sha256Digest, DeviceId>,
}

impl Registry {
    /// An empty registry, whose first trust list must be the pinned one.
    pub const fn new(pin: TrustPin) -> Self {
        Self { pin, head: None, lists: Vec::new(), certificates: BTreeMap::new(), devices: BTreeMap::new(), keys: BTreeMap::new() }
    }

    /// The last record that was accepted.
    pub fn head(&self) -> Option<AsOf> {
        self.head
    }

    /// The trust list that counts as of a record.
    pub fn trust_list(&self, seq: RegistrySeq) -> Option<&TrustList> {
        let upto = self.lists.partition_point(|(since, _)| since.seq <= seq);
        self.lists[..upto].last().map(|(_, list)| list)
    }

    /// Takes in a trust list, brought by a record that the root `signer` signed.
    ///
    /// # Errors
    /// By IDN-01 to IDN-04 and IDN-14.
    pub fn apply_trust_list(&mut self, list: UnverifiedTrustList, signer: CertificateId, at: AsOf) -> Result<(), RegistryError> {
        self.in_order(at)?;
        let issued = list.claimed_issued().millis();
        let list = match self.lists.last() {
            None => list.verify_first(&self.pin)?,
            Some((_, before)) => list.verify_successor(before)?,
        };
        rule(issued <= i128::from(at.time.millis()) + ISSUED_AHEAD_MILLIS, Rule::ListIsNotFromTheFuture)?;
        let deciding = self.lists.last().map_or(&list, |(_, before)| before);
        rule(office_of_root(deciding, signer, at.time).is_some(), Rule::ListIsBroughtByAnOffice)?;
        self.head = Some(at);
        self.lists.push((at, list));
        Ok(())
    }

    /// Takes in a device's certificate, enrolled by a record that the root `signer` signed.
    ///
    /// # Errors
    /// By IDN-05 to IDN-13.
    pub fn enrol(&mut self, certificate: UnverifiedCertificate, signer: CertificateId, at: AsOf) -> Result<&Certificate, RegistryError> {
        self.in_order(at)?;
        let (_, list) = self.lists.last().ok_or(RegistryError::Rejected { rule: Rule::OfficeIssued })?;
        let certificate = list.certify(certificate, at.time)?;
        rule(signed_by_office(list, certificate.office(), signer, at.time), Rule::OfficeRootSigns)?;
        rule(!self.certificates.contains_key(&certificate.id()), Rule::OncePerSubject)?;
        if let Some(device) = self.devices.get(&certificate.device()) {
            rule(device.revoked.is_none(), Rule::RevokedStaysRevoked)?;
            let mut earlier = device.certificates.iter().filter_map(|id| self.certificates.get(id));
            rule(earlier.all(|one| same_holder(&one.certificate, &certificate)), Rule::RenewalKeepsHolder)?;
        }
        let keys = key_digests(&certificate);
        let free = |key: &Sha256Digest| self.keys.get(key).is_none_or(|device| *device == certificate.device());
        let of_a_root = list.offices().iter().flat_map(|office| &office.roots).any(|root| root.certificate.key() == certificate.key());
        rule(!of_a_root && keys.iter().flatten().all(free), Rule::KeyBelongsToOneDevice)?;

        self.head = Some(at);
        self.keys.extend(keys.into_iter().flatten().map(|key| (key, certificate.device())));
        self.devices.entry(certificate.device()).or_default().certificates.push(certificate.id());
        let enrolled = Enrolled { certificate, since: at, revoked: None };
        Ok(&self.certificates.entry(enrolled.certificate.id()).or_insert(enrolled).certificate)
    }

    /// Revokes a device or one certificate, by a record that the root `signer` signed.
    ///
    /// # Errors
    /// By IDN-09 and IDN-13.
    pub fn revoke(
        &mut self,
        target: RevocationTarget,
        reason: RevocationReason,
        signer: CertificateId,
        at: AsOf,
    ) -> Result<(), RegistryError> {
        self.in_order(at)?;
        let named = match target {
            RevocationTarget::Certificate(id) => Some(id),
            RevocationTarget::Device(id) => self.devices.get(&id).and_then(|device| device.certificates.last().copied()),
        };
        let refused = RegistryError::Rejected { rule: Rule::OncePerSubject };
        let enrolled = named.and_then(|id| self.certificates.get(&id)).ok_or(refused.clone())?;
        let office = enrolled.certificate.office();
        let by_office = self.lists.last().is_some_and(|(_, list)| signed_by_office(list, office, signer, at.time));
        rule(by_office, Rule::OfficeRootSigns)?;
        let device = self.devices.get_mut(&enrolled.certificate.device()).ok_or(refused.clone())?;
        rule(device.revoked.is_none(), Rule::OncePerSubject)?;
        let revocation = Some(Revocation { since: at, reason });
        match target {
            RevocationTarget::Device(_) => device.revoked = revocation,
            RevocationTarget::Certificate(id) => {
                let enrolled = self.certificates.get_mut(&id).ok_or(refused)?;
                rule(enrolled.revoked.is_none(), Rule::OncePerSubject)?;
                enrolled.revoked = revocation;
            }
        }
        self.head = Some(at);
        Ok(())
    }

    fn in_order(&self, at: AsOf) -> Result<(), RegistryError> {
        let ordered = self.head.is_none_or(|head| head.seq < at.seq && head.time <= at.time);
        if ordered { Ok(()) } else { Err(RegistryError::OutOfOrder) }
    }

    /// A certificate that was ever enrolled, whatever it is worth now.
    pub fn certificate(&self, id: CertificateId) -> Option<&Certificate> {
        self.certificates.get(&id).map(|enrolled| &enrolled.certificate)
    }

    /// Every certificate that was ever enrolled, whatever it is worth now.
    pub fn enrolled(&self) -> impl Iterator<Item = &Certificate> {
        self.certificates.values().map(|enrolled| &enrolled.certificate)
    }

    /// The certificates that a device ever had, in the order of their enrolment.
    pub fn certificates_of(&self, device: DeviceId) -> impl Iterator<Item = &Certificate> {
        let ids = self.devices.get(&device).into_iter().flat_map(|device| &device.certificates);
        ids.filter_map(|id| self.certificate(*id))
    }

    /// What a certificate is worth as of a moment.
    pub fn standing(&self, id: CertificateId, at: AsOf) -> Standing {
        let enrolled = self.certificates.get(&id).filter(|enrolled| enrolled.since.seq <= at.seq);
        let Some(enrolled) = enrolled else { return Standing::Unknown };
        let certificate = &enrolled.certificate;
        let of_device = self.devices.get(&certificate.device()).and_then(|device| device.revoked);
        let revocations = [enrolled.revoked, of_device].into_iter().flatten();
        let earliest = revocations.filter(|revocation| revocation.since.seq <= at.seq).min_by_key(|revocation| revocation.since.seq);
        if let Some(revocation) = earliest {
            return Standing::Revoked(revocation);
        }
        let office = self.trust_list(at.seq).and_then(|list| list.office(certificate.office()));
        let Some(office) = office.filter(|office| office.country == certificate.fields().country) else {
            return Standing::OfficeRemoved;
        };
        if !office.roots.iter().any(|root| root.certificate.id() == certificate.root() && root.in_force(at.time)) {
            Standing::RootNotInForce
        } else if !office.roles.contains(&certificate.role()) {
            Standing::RoleWithdrawn
        } else if at.time.seconds() < certificate.fields().not_before.seconds() {
            Standing::NotYetValid
        } else if at.time.seconds() > certificate.fields().not_after.seconds() {
            Standing::Expired
        } else {
            Standing::Good
        }
    }

    /// The certificate of somebody who acts, if it is in good standing as of a moment.
    ///
    /// # Errors
    /// By IDN-15, with the standing that it has.
    pub fn acting(&self, id: CertificateId, at: AsOf) -> Result<&Certificate, RegistryError> {
        match (self.standing(id, at), self.certificate(id)) {
            (Standing::Good, Some(certificate)) => Ok(certificate),
            (standing, _) => Err(RegistryError::Standing(standing)),
        }
    }

    /// The certificate by which a device acts as of a moment: of those in good standing the one that was enrolled last.
    pub fn current(&self, device: DeviceId, at: AsOf) -> Option<&Certificate> {
        let known = self.devices.get(&device)?;
        let good = known.certificates.iter().rev().find(|id| self.standing(**id, at) == Standing::Good);
        good.and_then(|id| self.certificate(*id))
    }

    /// Every device in good standing as of a moment, by the good certificate that was enrolled last.
    pub fn devices(&self, at: AsOf) -> impl Iterator<Item = &Certificate> {
        self.devices.keys().filter_map(move |device| self.current(*device, at))
    }

    /// The devices of an office in one role and in good standing, each by its newest good certificate.
    pub fn devices_of(&self, office: &OfficeId, role: Role, at: AsOf) -> impl Iterator<Item = &Certificate> {
        self.devices(at).filter(move |certificate| certificate.office() == office && certificate.role() == role)
    }

    /// The auditor devices in good standing whose office supervises `office`: those to whom its reasons are sealed.
    pub fn auditors_competent_for(&self, office: &OfficeId, at: AsOf) -> impl Iterator<Item = &Certificate> {
        let list = self.trust_list(at.seq);
        let supervises = move |auditor: &Certificate| {
            let of = list.and_then(|list| list.office(auditor.office()));
            of.is_some_and(|of: &Office| of.supervises.contains(office))
        };
        self.devices(at).filter(move |certificate| certificate.role() == Role::Auditor && supervises(certificate))
    }
}

fn office_of_root(list: &TrustList, root: CertificateId, at: LogTime) -> Option<&OfficeId> {
    list.root(root).filter(|(_, root)| root.in_force(at)).map(|(office, _)| &office.id)
}

fn signed_by_office(list: &TrustList, office: &OfficeId, signer: CertificateId, at: LogTime) -> bool {
    office_of_root(list, signer, at) == Some(office)
}

fn same_holder(one: &Certificate, other: &Certificate) -> bool {
    one.person() == other.person() && one.role() == other.role() && one.fields().country == other.fields().country
}

/// Digests by which keys are compared; the two kinds have different lengths and cannot be taken for one another.
fn key_digests(certificate: &Certificate) -> [Option<Sha256Digest>; 2] {
    let sealing = certificate.sealing_key().map(|key| Sha256Digest::of(&[key.as_bytes()]));
    [Some(Sha256Digest::of(&[certificate.key().as_bytes()])), sealing]
}
