//! The kinds of custody acts, in the words of LED Art 25(1), and what each must carry.

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Kind {
    /// An exhibit enters the case.
    #[serde(rename = "collection")]
    Collection,
    /// A person views an exhibit.
    #[serde(rename = "consultation")]
    Consultation,
    /// An exhibit, or the means to open it, goes to somebody.
    #[serde(rename = "disclosure")]
    Disclosure,
    /// What is said about an exhibit changes; its bytes never do.
    #[serde(rename = "alteration")]
    Alteration,
    /// An exhibit is the source of another.
    #[serde(rename = "combination")]
    Combination,
    /// An exhibit is erased.
    #[serde(rename = "erasure")]
    Erasure,
    /// Erasure is forbidden from now on.
    #[serde(rename = "hold.place")]
    HoldPlace,
    /// A hold ends.
    #[serde(rename = "hold.lift")]
    HoldLift,
    /// Processing is restricted (LED Art 16(3)).
    #[serde(rename = "restriction.place")]
    RestrictionPlace,
    /// A restriction ends.
    #[serde(rename = "restriction.lift")]
    RestrictionLift,
    /// The originator consents to a use that the handling code forbids without it (LED Art 35(1)(c)).
    #[serde(rename = "consent.give")]
    ConsentGive,
    /// A case and its group are founded.
    #[serde(rename = "case.create")]
    CaseCreate,
    /// A device comes in the place of a lost one.
    #[serde(rename = "case.recovery")]
    CaseRecovery,
    /// One commit: members join, leave or renew their keys.
    #[serde(rename = "member.change")]
    MemberChange,
    /// A member leaves.
    #[serde(rename = "member.leave")]
    MemberLeave,
    /// A member could not process a commit.
    #[serde(rename = "group.report")]
    GroupReport,
    /// A case goes on in a new group.
    #[serde(rename = "group.succeed")]
    GroupSucceed,
    /// An office announces a device's certificate.
    #[serde(rename = "device.enrol")]
    DeviceEnrol,
    /// An office revokes a device.
    #[serde(rename = "device.revoke")]
    DeviceRevoke,
    /// A trust list comes into force.
    #[serde(rename = "trust.list")]
    TrustList,
    /// A new log continues an old one.
    #[serde(rename = "log.origin")]
    LogOrigin,
    /// Somebody reads the log beyond their own cases.
    #[serde(rename = "log.read")]
    LogRead,
}

/// What kind of thing an act concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concern {
    /// The registry: identity records, signed by office roots.
    Registry,
    /// A case as a whole.
    Case,
    /// One exhibit of a case.
    Exhibit,
    /// The log itself, for one case or all.
    Log,
}

impl Kind {
    /// All kinds, in the order of the specification.
    pub const ALL: [Self; 22] = [
        Self::Collection,
        Self::Consultation,
        Self::Disclosure,
        Self::Alteration,
        Self::Combination,
        Self::Erasure,
        Self::HoldPlace,
        Self::HoldLift,
        Self::RestrictionPlace,
        Self::RestrictionLift,
        Self::ConsentGive,
        Self::CaseCreate,
        Self::CaseRecovery,
        Self::MemberChange,
        Self::MemberLeave,
        Self::GroupReport,
        Self::GroupSucceed,
        Self::DeviceEnrol,
        Self::DeviceRevoke,
        Self::TrustList,
        Self::LogOrigin,
        Self::LogRead,
    ];

    /// The text in the intent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Collection => "collection",
            Self::Consultation => "consultation",
            Self::Disclosure => "disclosure",
            Self::Alteration => "alteration",
            Self::Combination => "combination",
            Self::Erasure => "erasure",
            Self::HoldPlace => "hold.place",
            Self::HoldLift => "hold.lift",
            Self::RestrictionPlace => "restriction.place",
            Self::RestrictionLift => "restriction.lift",
            Self::ConsentGive => "consent.give",
            Self::CaseCreate => "case.create",
            Self::CaseRecovery => "case.recovery",
            Self::MemberChange => "member.change",
            Self::MemberLeave => "member.leave",
            Self::GroupReport => "group.report",
            Self::GroupSucceed => "group.succeed",
            Self::DeviceEnrol => "device.enrol",
            Self::DeviceRevoke => "device.revoke",
            Self::TrustList => "trust.list",
            Self::LogOrigin => "log.origin",
            Self::LogRead => "log.read",
        }
    }

    /// What an act of this kind concerns.
    pub const fn concern(self) -> Concern {
        match self {
            Self::Collection
            | Self::Consultation
            | Self::Disclosure
            | Self::Alteration
            | Self::Combination
            | Self::Erasure
            | Self::HoldPlace
            | Self::HoldLift
            | Self::RestrictionPlace
            | Self::RestrictionLift
            | Self::ConsentGive => Concern::Exhibit,
            Self::CaseCreate | Self::CaseRecovery | Self::MemberChange | Self::MemberLeave | Self::GroupReport | Self::GroupSucceed => {
                Concern::Case
            }
            Self::DeviceEnrol | Self::DeviceRevoke | Self::TrustList | Self::LogOrigin => Concern::Registry,
            Self::LogRead => Concern::Log,
        }
    }

    /// Whether a purpose code must be named (LED Art 25(1): justification of consultation and disclosure; erasure and reading the log too).
    pub const fn needs_purpose(self) -> bool {
        matches!(self, Self::Consultation | Self::Disclosure | Self::Erasure | Self::LogRead)
    }

    /// Whether a sealed reason must be carried: all but the registry's public acts.
    pub const fn needs_reason(self) -> bool {
        !matches!(self.concern(), Concern::Registry)
    }
}

impl core::fmt::Display for Kind {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why evidence is opened, or the log read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Investigating the offence of the case.
    Investigation,
    /// Preparing or bringing charges.
    Prosecution,
    /// Proceedings before a court.
    Trial,
    /// Access of the defence to case materials (Dir. 2012/13/EU Art 7).
    DefenceAccess,
    /// Protection of a victim (Dir. 2011/36/EU).
    VictimProtection,
    /// Answering another state's request.
    MutualAssistance,
    /// Checking that processing was lawful (LED Art 25(2)).
    LawfulnessCheck,
    /// An office checks itself (LED Art 25(2)).
    SelfMonitoring,
    /// Integrity and security of data (LED Art 25(2)).
    IntegritySecurity,
    /// Log entries used in criminal proceedings (LED Art 25(2)).
    CriminalProceedings,
}

impl Purpose {
    /// All codes, those for evidence first.
    pub const ALL: [Self; 10] = [
        Self::Investigation,
        Self::Prosecution,
        Self::Trial,
        Self::DefenceAccess,
        Self::VictimProtection,
        Self::MutualAssistance,
        Self::LawfulnessCheck,
        Self::SelfMonitoring,
        Self::IntegritySecurity,
        Self::CriminalProceedings,
    ];

    /// The code as it stands in the intent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Investigation => "investigation",
            Self::Prosecution => "prosecution",
            Self::Trial => "trial",
            Self::DefenceAccess => "defence-access",
            Self::VictimProtection => "victim-protection",
            Self::MutualAssistance => "mutual-assistance",
            Self::LawfulnessCheck => "lawfulness-check",
            Self::SelfMonitoring => "self-monitoring",
            Self::IntegritySecurity => "integrity-security",
            Self::CriminalProceedings => "criminal-proceedings",
        }
    }

    /// Whether this code serves reading the log (LED Art 25(2) lists the only four); the others serve opening evidence.
    pub const fn serves_log_reading(self) -> bool {
        matches!(self, Self::LawfulnessCheck | Self::SelfMonitoring | Self::IntegritySecurity | Self::CriminalProceedings)
    }
}

impl core::str::FromStr for Purpose {
    type Err = UnknownPurpose;

    fn from_str(text: &str) -> Result<Self, UnknownPurpose> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == text).ok_or(UnknownPurpose)
    }
}

/// The text is no purpose code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a purpose code; evidence is opened for investigation, prosecution, trial, defence-access, victim-protection or mutual-assistance; \
     the log is read for lawfulness-check, self-monitoring, integrity-security or criminal-proceedings"
)]
pub struct UnknownPurpose;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_every_kind_and_purpose_is_its_json() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("{:?}", kind.as_str()));
        }
        for purpose in Purpose::ALL {
            assert_eq!(serde_json::to_string(&purpose).unwrap(), format!("{:?}", purpose.as_str()));
            assert_eq!(purpose.as_str().parse(), Ok(purpose));
        }
    }

    #[test]
    fn an_unknown_purpose_is_refused() {
        assert_eq!("curiosity".parse::<Purpose>(), Err(UnknownPurpose));
    }
}
