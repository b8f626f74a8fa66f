//! The verifier's own trust file: what it pins. Nothing in a dossier adds to it.

use custodia_core::dossier::stamps::TimeDemand;
use custodia_core::identity::TrustPin;
use custodia_core::log::stamp::StampRoots;
use custodia_core::log::{LogKey, Origin, Policy};

/// What a verifier trusts.
#[derive(Debug)]
pub struct Trust {
    /// The log's origin.
    pub origin: Origin,
    /// The log's key.
    pub log: LogKey,
    /// The first trust list.
    pub pin: TrustPin,
    /// Which cosignatures are demanded; none if the policy is absent or demands none.
    pub policy: Option<Policy>,
    /// The roots of the time-stamping authorities that are believed.
    pub tsa_roots: StampRoots,
    /// What is asked of the times of records.
    pub times: TimeDemand,
}

/// Why a trust file was refused: which key, what is wrong, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("the trust file's {key} is not usable: {problem}")]
pub struct TrustError {
    key: &'static str,
    problem: String,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    origin: String,
    log: String,
    trust_pin: String,
    #[serde(default)]
    policy: String,
    #[serde(default)]
    tsa_roots: String,
    #[serde(default)]
    stamps: Stamps,
    stamp_window_seconds: Option<u64>,
}

/// Whether a time that no stamps prove keeps a dossier from PASSED.
#[derive(Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Stamps {
    #[default]
    Shown,
    Demanded,
}

impl Trust {
    /// Reads the TOML text of a trust file.
    ///
    /// # Errors
    /// [`TrustError`] with the key that is wrong.
    pub fn parse(text: &str) -> Result<Self, TrustError> {
        let wrong = |key: &'static str| move |problem: String| TrustError { key, problem };
        let text: Text = toml::from_str(text).map_err(|error| wrong("text")(error.to_string()))?;
        let origin: Origin = text.origin.parse().map_err(|error: custodia_core::log::LogError| wrong("origin")(error.to_string()))?;
        let log: LogKey = text.log.parse().map_err(|error: custodia_core::log::LogError| wrong("log")(error.to_string()))?;
        if log.origin() != origin {
            return Err(wrong("log")(format!("the key is named for {}, not for {origin}", log.origin())));
        }
        let pin = text.trust_pin.parse().map_err(|error: custodia_core::digest::DigestTextError| wrong("trust_pin")(error.to_string()))?;
        let policy = if text.policy.trim().is_empty() {
            None
        } else {
            // The log's own key is pinned above, so a policy that names only cosigners is complete.
            let text = format!("log {log}\n{}", text.policy);
            let policy = Policy::parse(text.as_bytes()).map_err(|error| wrong("policy")(error.to_string()))?;
            policy.demands_cosignatures().then_some(policy)
        };
        let tsa_roots = StampRoots::parse(&text.tsa_roots).map_err(|error| wrong("tsa_roots")(error.to_string()))?;
        let is_demanded = text.stamps == Stamps::Demanded;
        if is_demanded && tsa_roots.is_empty() {
            return Err(wrong("tsa_roots")("stamps are demanded, and no root says by whom: add the authority's root in PEM".to_owned()));
        }
        let too_long = || wrong("stamp_window_seconds")("it is longer than any time that a log can carry".to_owned());
        let window = text.stamp_window_seconds.map(|seconds| seconds.checked_mul(1000).ok_or_else(too_long)).transpose()?;
        let times = TimeDemand { is_demanded, window_millis: window };
        Ok(Self { origin, log, pin: TrustPin::new(pin), policy, tsa_roots, times })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "example.org/log";

    fn vkey(name: &str, kind: custodia_core::log::KeyKind) -> String {
        let key = ed25519_dalek_key();
        custodia_core::log::VerifierKey::new(name.parse().unwrap(), kind, &key).unwrap().to_string()
    }

    /// The public key of RFC 8032 §7.1, test 1.
    fn ed25519_dalek_key() -> [u8; 32] {
        let text = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        let digest: custodia_core::digest::Sha256Digest = text.parse().unwrap();
        *digest.as_bytes()
    }

    fn file(policy: &str) -> String {
        let log = vkey(LOG, custodia_core::log::KeyKind::Ed25519);
        format!("origin = \"{LOG}\"\nlog = \"{log}\"\ntrust_pin = \"{}\"\npolicy = \"\"\"\n{policy}\"\"\"\n", "0".repeat(64))
    }

    #[test]
    fn a_policy_is_read_and_an_empty_one_demands_nothing() {
        let auditor = vkey("example.org/auditor", custodia_core::log::KeyKind::CosignatureV1);
        assert!(Trust::parse(&file(&format!("witness auditor {auditor}\nquorum auditor\n"))).unwrap().policy.is_some());
        assert!(Trust::parse(&file("")).unwrap().policy.is_none());
        assert!(Trust::parse(&file("quorum none\n")).unwrap().policy.is_none());
    }

    #[test]
    fn stamps_are_shown_unless_they_are_demanded_of_a_root() {
        let stamps = include_str!("../../../tests/vectors/stamps/cases.json");
        let stamps: serde_json::Value = serde_json::from_str(stamps).unwrap();
        let roots = format!("tsa_roots = \"\"\"\n{}\"\"\"\n", stamps["roots"]["root"].as_str().unwrap());
        let parse = |more: &str| Trust::parse(&format!("{}{more}", file("")));
        assert_eq!(parse("").unwrap().times, TimeDemand::default());
        assert_eq!(parse("stamps = \"shown\"\n").unwrap().times, TimeDemand::default());
        let demanded = parse(&format!("{roots}stamps = \"demanded\"\nstamp_window_seconds = 60\n")).unwrap();
        assert_eq!(demanded.times, TimeDemand { is_demanded: true, window_millis: Some(60_000) });
        assert_eq!(demanded.tsa_roots.names().count(), 1);
        for (more, named) in [
            ("stamps = \"demanded\"\n", "tsa_roots"),
            ("stamps = \"wanted\"\n", "stamps"),
            ("stamp_window_seconds = -1\n", "stamp_window_seconds"),
            ("stamp_window_seconds = 9223372036854775807\n", "stamp_window_seconds"),
            ("tsa_roots = \"-----BEGIN CERTIFICATE-----\"\n", "tsa_roots"),
            ("tsa_roots = \"-----BEGIN CERTIFICATE-----\\nMAAA\\n-----END CERTIFICATE-----\"\n", "tsa_roots"),
        ] {
            let error = parse(more).unwrap_err().to_string();
            assert!(error.contains(named), "{more}: {error}");
        }
    }

    #[test]
    fn a_wrong_key_or_an_unknown_member_is_named() {
        for (from, to, named) in [
            ("origin = \"example.org/log\"", "origin = \"other.org/log\"", "log"),
            ("trust_pin = \"0", "trust_pin = \"G", "trust_pin"),
            ("log = \"example", "log = \"+example", "log"),
            ("origin", "orign", "text"),
            ("policy = \"\"\"\n", "policy = \"\"\"\nwitness x\n", "policy"),
        ] {
            let text = file("");
            assert!(text.contains(from), "{from}");
            let error = Trust::parse(&text.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
