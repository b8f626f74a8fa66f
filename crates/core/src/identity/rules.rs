//! The numbered rules on identity. Each has a row in `docs/RULES.md` and a test that carries its id.

use core::fmt;

/// A rule by which an identity record or an actor is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// The first trust list is the one whose hash was pinned.
    FirstListIsPinned,
    /// A trust list names the number and the hash of the one before, and is not issued before it.
    ListFollowsTheLast,
    /// Every signature on a trust list is by another office of the deciding list, and there are enough.
    ListIsSigned,
    /// A trust list is issued at most five minutes after the time of its record.
    ListIsNotFromTheFuture,
    /// A certificate has the form of the profile.
    CertificateHasItsForm,
    /// A certificate is issued and signed by a root in force of the office that it names.
    OfficeIssued,
    /// A certificate has its office's country and one of its office's roles.
    WithinTheOffice,
    /// A certificate is used within its validity.
    WithinValidity,
    /// Enrolment and revocation are signed by a root, in force, of the device's office.
    OfficeRootSigns,
    /// A renewed certificate keeps the person, country and role of its device.
    RenewalKeepsHolder,
    /// A key belongs to one device.
    KeyBelongsToOneDevice,
    /// A revoked device is never enrolled again.
    RevokedStaysRevoked,
    /// A certificate is enrolled once; what is revoked is enrolled and not yet revoked.
    OncePerSubject,
    /// A trust list's record is signed by a root, in force, of an office of the deciding list.
    ListIsBroughtByAnOffice,
    /// Who acts has a certificate in good standing.
    ActorInGoodStanding,
}

impl Rule {
    /// All rules, in the order of their ids.
    pub const ALL: [Self; 15] = [
        Self::FirstListIsPinned,
        Self::ListFollowsTheLast,
        Self::ListIsSigned,
        Self::ListIsNotFromTheFuture,
        Self::CertificateHasItsForm,
        Self::OfficeIssued,
        Self::WithinTheOffice,
        Self::WithinValidity,
        Self::OfficeRootSigns,
        Self::RenewalKeepsHolder,
        Self::KeyBelongsToOneDevice,
        Self::RevokedStaysRevoked,
        Self::OncePerSubject,
        Self::ListIsBroughtByAnOffice,
        Self::ActorInGoodStanding,
    ];

    /// The id that stands in records, reports and tests.
    pub const fn id(self) -> &'static str {
        match self {
            Self::FirstListIsPinned => "IDN-01",
            Self::ListFollowsTheLast => "IDN-02",
            Self::ListIsSigned => "IDN-03",
            Self::ListIsNotFromTheFuture => "IDN-04",
            Self::CertificateHasItsForm => "IDN-05",
            Self::OfficeIssued => "IDN-06",
            Self::WithinTheOffice => "IDN-07",
            Self::WithinValidity => "IDN-08",
            Self::OfficeRootSigns => "IDN-09",
            Self::RenewalKeepsHolder => "IDN-10",
            Self::KeyBelongsToOneDevice => "IDN-11",
            Self::RevokedStaysRevoked => "IDN-12",
            Self::OncePerSubject => "IDN-13",
            Self::ListIsBroughtByAnOffice => "IDN-14",
            Self::ActorInGoodStanding => "IDN-15",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_count_up_from_one() {
        for (at, rule) in Rule::ALL.into_iter().enumerate() {
            assert_eq!(rule.id(), format!("IDN-{:02}", at + 1));
        }
    }
}
