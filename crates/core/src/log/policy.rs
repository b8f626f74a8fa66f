//! Trust policies: which logs are known, and whose cosignatures a checkpoint needs. Source: C2SP tlog-policy.
//!
//! ```text
//! log <vkey> [<url>]                            type 0x01; its name is the log's origin
//! witness <name> <vkey> [<url>]                 type 0x04; the name is used in this file only
//! group <name> all|any|<k> <name>...            members are defined above, each in one group at most
//! quorum <name>|none                            exactly once
//! ```
//!
//! Lines end with U+000A, words stand between spaces or tabs, `#` begins a comment line. Names are octets, not text.
//! Limits: 64 KiB; 64 logs, 64 witnesses, 64 groups.

use super::checkpoint::{LogKey, SignedCheckpoint, VerifiedCheckpoint};
use super::cosignature::{Cosignature, CosignatureTime, CosignerKey};
use super::error::{Form, LogError};
use super::text::decimal;

/// The most bytes of a policy file.
pub const MAX_POLICY_BYTES: usize = 64 * 1024;

/// The most logs, the most witnesses, and the most groups.
pub const MAX_DEFINITIONS: usize = 64;

/// A log that the policy knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyLog {
    /// Its key.
    pub key: LogKey,
    /// Where it answers, if the policy says so; only read.
    pub url: Option<String>,
}

/// A witness that the policy knows; an auditor is one too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyWitness {
    /// Its name within the policy: octets, most often UTF-8.
    pub name: Vec<u8>,
    /// Its key.
    pub key: CosignerKey,
    /// Where it answers, if the policy says so; only read.
    pub url: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    Witness(usize),
    Group(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quorum {
    None,
    Of(Member),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    name: Vec<u8>,
    threshold: usize,
    members: Vec<Member>,
}

/// A trust policy: the verifier's own, never taken from what is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<Group>,
    quorum: Quorum,
}

/// What a policy says of a checkpoint that one of its logs signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyVerdict {
    /// The checkpoint, under the log key that was found.
    pub checkpoint: VerifiedCheckpoint,
    /// The cosignatures of the policy's witnesses, all checked.
    pub cosignatures: Vec<Cosignature>,
    /// Whether they make the quorum.
    pub quorum_met: bool,
}

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    /// [`LogError::TooLarge`], [`LogError::Malformed`], or the first line that is wrong as [`LogError::PolicyLine`].
    pub fn parse(bytes: &[u8]) -> Result<Self, LogError> {
        if bytes.len() > MAX_POLICY_BYTES {
            return Err(LogError::TooLarge { form: Form::Policy, limit: MAX_POLICY_BYTES });
        }
        if bytes.iter().any(|&c| (c < b' ' && c != b'\n' && c != b'\t') || c == 0x7f) {
            return Err(LogError::malformed(Form::Policy, "it has a control character other than tab and newline"));
        }
        let lines = bytes.strip_suffix(b"\n").ok_or(LogError::malformed(Form::Policy, "it does not end with a newline"))?;
        let mut reader = Reader::default();
        for (number, line) in lines.split(|&c| c == b'\n').enumerate() {
            reader.line(line).map_err(|reason| LogError::PolicyLine { line: number + 1, reason })?;
        }
        let quorum = reader.quorum.ok_or(LogError::malformed(Form::Policy, "it has no quorum line"))?;
        Ok(Self { logs: reader.logs, witnesses: reader.witnesses, groups: reader.groups, quorum })
    }

    /// The logs in the order of the file.
    pub fn logs(&self) -> &[PolicyLog] {
        &self.logs
    }

    /// The witnesses in the order of the file.
    pub fn witnesses(&self) -> &[PolicyWitness] {
        &self.witnesses
    }

    /// Whether the policy asks for any cosignature (`quorum none` does not).
    pub const fn demands_cosignatures(&self) -> bool {
        matches!(self.quorum, Quorum::Of(_))
    }

    /// Judges a checkpoint: the log's signature, every cosignature of a known witness, and the quorum.
    ///
    /// Not judged: the cosignatures' times. A quorum that is not met is part of the verdict, not an error.
    ///
    /// # Errors
    /// No log of the policy signed it ([`LogError::UnknownLog`], [`LogError::NotSigned`]), or a signature line names a known
    /// key and does not verify.
    pub fn judge(&self, checkpoint: &SignedCheckpoint) -> Result<PolicyVerdict, LogError> {
        let logs: Vec<LogKey> = self.logs.iter().map(|log| log.key.clone()).collect();
        let checkpoint = checkpoint.verify_any(&logs)?;
        let cosignatures = self.cosignatures(&checkpoint)?;
        let quorum_met = self.quorum_met(&cosignatures);
        Ok(PolicyVerdict { checkpoint, cosignatures, quorum_met })
    }

    /// The cosignatures of the policy's witnesses on a checkpoint, all checked.
    ///
    /// # Errors
    /// A line names a known witness's key and does not verify.
    pub fn cosignatures(&self, checkpoint: &VerifiedCheckpoint) -> Result<Vec<Cosignature>, LogError> {
        let keys: Vec<CosignerKey> = self.witnesses.iter().map(|witness| witness.key.clone()).collect();
        checkpoint.cosignatures(&keys)
    }

    /// Whether these cosignatures, all of one checkpoint, make the quorum.
    pub fn quorum_met(&self, cosignatures: &[Cosignature]) -> bool {
        match self.quorum {
            Quorum::None => true,
            Quorum::Of(member) => self.is_met(member, cosignatures),
        }
    }

    /// Whether the witness or group of that name is among, or met by, these cosignatures; `None` if there is no such name.
    pub fn witnessed(&self, name: &[u8], cosignatures: &[Cosignature]) -> Option<bool> {
        find(&self.witnesses, &self.groups, name).map(|member| self.is_met(member, cosignatures))
    }

    /// The latest time at which these cosignatures, all of one checkpoint, make the quorum: of a witness that of its newest one, of a group the
    /// k-th newest of its members. None if the quorum is not met, or asks for nobody.
    pub fn quorum_time(&self, cosignatures: &[Cosignature]) -> Option<CosignatureTime> {
        match self.quorum {
            Quorum::None => None,
            Quorum::Of(member) => self.met_since(member, cosignatures),
        }
    }

    fn is_met(&self, member: Member, cosignatures: &[Cosignature]) -> bool {
        self.met_since(member, cosignatures).is_some()
    }

    fn met_since(&self, member: Member, cosignatures: &[Cosignature]) -> Option<CosignatureTime> {
        match member {
            Member::Witness(place) => {
                let own = cosignatures.iter().filter(|cosignature| *cosignature.key() == self.witnesses[place].key);
                own.map(Cosignature::time).max()
            }
            Member::Group(place) => {
                // A group's members stand above it, so this ends; each is in one group only, so each is counted once.
                let group = &self.groups[place];
                let mut times: Vec<_> = group.members.iter().filter_map(|&member| self.met_since(member, cosignatures)).collect();
                times.sort_unstable_by(|a, b| b.cmp(a));
                times.get(group.threshold - 1).copied()
            }
        }
    }

    /// Whether these witnesses alone would make the quorum; of a policy that asks for nobody, whether there is one.
    pub fn would_be_met_by(&self, keys: &[&CosignerKey]) -> bool {
        match self.quorum {
            Quorum::None => !keys.is_empty(),
            Quorum::Of(member) => self.is_met_by(member, keys),
        }
    }

    fn is_met_by(&self, member: Member, keys: &[&CosignerKey]) -> bool {
        match member {
            Member::Witness(place) => keys.contains(&&self.witnesses[place].key),
            Member::Group(place) => {
                let group = &self.groups[place];
                group.members.iter().filter(|&&member| self.is_met_by(member, keys)).count() >= group.threshold
            }
        }
    }
}

fn find(witnesses: &[PolicyWitness], groups: &[Group], name: &[u8]) -> Option<Member> {
    let witness = witnesses.iter().position(|witness| witness.name == name).map(Member::Witness);
    witness.or_else(|| groups.iter().position(|group| group.name == name).map(Member::Group))
}

/// What the lines so far have defined. A line that is wrong gives the reason.
#[derive(Default)]
struct Reader {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<Group>,
    quorum: Option<Quorum>,
}

impl Reader {
    fn line(&mut self, line: &[u8]) -> Result<(), &'static str> {
        let words: Vec<&[u8]> = line.split(|&c| c == b' ' || c == b'\t').filter(|word| !word.is_empty()).collect();
        match words.as_slice() {
            [] => Ok(()),
            [first, ..] if first.starts_with(b"#") => Ok(()),
            [b"log", key, url @ ..] => self.log(key, url),
            [b"witness", name, key, url @ ..] => self.witness(name, key, url),
            [b"group", name, threshold, members @ ..] => self.group(name, threshold, members),
            [b"quorum", name] => self.quorum(name),
            [b"log" | b"witness" | b"group" | b"quorum", ..] => Err("the line has too few or too many words"),
            _ => Err("the line begins with none of log, witness, group, quorum"),
        }
    }

    fn log(&mut self, key: &[u8], url: &[&[u8]]) -> Result<(), &'static str> {
        let key: LogKey = parse_key(key, "the key is not a vkey of type 0x01, as a log's must be")?;
        if self.logs.iter().any(|log| log.key.verifier_key().public_key() == key.verifier_key().public_key()) {
            return Err("a log of the same public key is defined above");
        }
        if self.logs.len() == MAX_DEFINITIONS {
            return Err("there are more than 64 logs");
        }
        self.logs.push(PolicyLog { key, url: parse_url(url)? });
        Ok(())
    }

    fn witness(&mut self, name: &[u8], key: &[u8], url: &[&[u8]]) -> Result<(), &'static str> {
        self.check_new_name(name)?;
        let key: CosignerKey = parse_key(key, "the key is not a vkey of type 0x04, as a witness's must be")?;
        if self.witnesses.iter().any(|witness| witness.key.verifier_key().public_key() == key.verifier_key().public_key()) {
            return Err("a witness of the same public key is defined above");
        }
        if self.witnesses.len() == MAX_DEFINITIONS {
            return Err("there are more than 64 witnesses");
        }
        self.witnesses.push(PolicyWitness { name: name.to_vec(), key, url: parse_url(url)? });
        Ok(())
    }

    fn group(&mut self, name: &[u8], threshold: &[u8], names: &[&[u8]]) -> Result<(), &'static str> {
        self.check_new_name(name)?;
        if names.is_empty() {
            return Err("the group has no members");
        }
        if self.groups.len() == MAX_DEFINITIONS {
            return Err("there are more than 64 groups");
        }
        let mut members = Vec::new();
        for name in names {
            let member = find(&self.witnesses, &self.groups, name).ok_or("a member is not defined above")?;
            if members.contains(&member) || self.groups.iter().any(|group| group.members.contains(&member)) {
                return Err("a member is in a group already");
            }
            members.push(member);
        }
        let threshold = match threshold {
            b"all" => members.len(),
            b"any" => 1,
            number => core::str::from_utf8(number).ok().and_then(decimal).and_then(|k| usize::try_from(k).ok()).unwrap_or(0),
        };
        if !(1..=members.len()).contains(&threshold) {
            return Err("the threshold is not all, any, or a decimal from 1 to the number of members");
        }
        self.groups.push(Group { name: name.to_vec(), threshold, members });
        Ok(())
    }

    fn quorum(&mut self, name: &[u8]) -> Result<(), &'static str> {
        if self.quorum.is_some() {
            return Err("there is a quorum line above");
        }
        self.quorum = Some(match name {
            b"none" => Quorum::None,
            name => Quorum::Of(find(&self.witnesses, &self.groups, name).ok_or("the quorum is not defined above")?),
        });
        Ok(())
    }

    fn check_new_name(&self, name: &[u8]) -> Result<(), &'static str> {
        if name == b"none" {
            return Err("the name none is predefined");
        }
        if find(&self.witnesses, &self.groups, name).is_some() { Err("the name is defined above") } else { Ok(()) }
    }
}

fn parse_key<K: core::str::FromStr>(key: &[u8], reason: &'static str) -> Result<K, &'static str> {
    core::str::from_utf8(key).ok().and_then(|key| key.parse().ok()).ok_or(reason)
}

fn parse_url(url: &[&[u8]]) -> Result<Option<String>, &'static str> {
    match url {
        [] => Ok(None),
        [url] => core::str::from_utf8(url).map(|url| Some(url.to_owned())).map_err(|_| "the URL is not UTF-8"),
        _ => Err("the line has too few or too many words"),
    }
}
