//! HTTP message signatures (RFC 9421) with `content-digest` (RFC 9530): who sends a request, when, and that it is whole.
//!
//! One signature, label `sig1`, over these components in this order:
//!
//! ```text
//! ("@method" "@authority" "@path" "@query" "content-digest");created=…;nonce="…";keyid="…";alg="ed25519";tag="custodia/1"
//! ```
//! `content-digest` is left out where there is no body, or where the path names the body's BLAKE3 digest and the server compares it (object
//! uploads). `keyid` is the device's certificate id, `nonce` 32 lower-case hexadecimal digits, `created` seconds since 1970.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use custodia_core::digest::Sha256Digest;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

/// The components of a request that the signature covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Covered<'a> {
    /// `GET`, `POST` or `PUT`.
    pub method: &'a str,
    /// `Host` header: host in lower case, and the port unless it is the scheme's own.
    pub authority: &'a str,
    /// Path, percent-encoded as sent.
    pub path: &'a str,
    /// Query as sent, without `?`; empty if none.
    pub query: &'a str,
    /// Value of the `Content-Digest` header.
    pub content_digest: Option<&'a str>,
}

/// The signature's parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters {
    /// Seconds since 1970.
    pub created: u64,
    /// 16 random bytes; never used twice by one device.
    pub nonce: [u8; 16],
    /// Certificate id of the device.
    pub keyid: Sha256Digest,
}

/// Why a request's signature was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A header is absent or not of the form above.
    #[error("the request's {0} header is absent or not of the form that this server reads")]
    Malformed(&'static str),
    /// The signature does not verify.
    #[error("the request's signature does not verify")]
    BadSignature,
}

/// The two header values that carry a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureHeaders {
    /// `Signature-Input`.
    pub input: String,
    /// `Signature`.
    pub signature: String,
}

/// `Content-Digest` of a body: `sha-256=:…:`.
pub fn content_digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(Sha256Digest::of(&[body]).as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    use core::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string succeeds");
        text
    })
}

impl Parameters {
    fn line(&self, with_digest: bool) -> String {
        let digest = if with_digest { " \"content-digest\"" } else { "" };
        format!(
            "(\"@method\" \"@authority\" \"@path\" \"@query\"{digest});created={};nonce=\"{}\";keyid=\"{}\";alg=\"ed25519\";tag=\"custodia/1\"",
            self.created,
            hex(&self.nonce),
            self.keyid
        )
    }

    /// The signature base (RFC 9421 §2.5).
    fn base(&self, covered: &Covered<'_>) -> String {
        let Covered { method, authority, path, query, content_digest } = covered;
        let digest = content_digest.map_or_else(String::new, |value| format!("\"content-digest\": {value}\n"));
        let line = self.line(content_digest.is_some());
        format!(
            "\"@method\": {method}\n\"@authority\": {authority}\n\"@path\": {path}\n\"@query\": ?{query}\n{digest}\"@signature-params\": {line}"
        )
    }

    /// Signs a request.
    pub fn sign(&self, covered: &Covered<'_>, key: &SigningKey) -> SignatureHeaders {
        let signature = key.sign(self.base(covered).as_bytes());
        SignatureHeaders {
            input: format!("sig1={}", self.line(covered.content_digest.is_some())),
            signature: format!("sig1=:{}:", STANDARD.encode(signature.to_bytes())),
        }
    }

    /// Reads `Signature-Input`. Nothing is verified: it says which key to look up.
    ///
    /// # Errors
    /// [`SignatureError::Malformed`], also if it covers other components than `with_digest` asks for.
    pub fn parse(input: &str, with_digest: bool) -> Result<Self, SignatureError> {
        let malformed = SignatureError::Malformed("Signature-Input");
        let line = input.strip_prefix("sig1=").ok_or(malformed)?;
        let after = |key: &str| line.split_once(key).map(|(_, rest)| rest).ok_or(malformed);
        let created = after(";created=")?.split(';').next().and_then(|text| text.parse().ok()).ok_or(malformed)?;
        let quoted = |key: &str| after(key).and_then(|rest| rest.split('"').next().ok_or(malformed));
        let nonce: custodia_core::ids::IntentId = quoted(";nonce=\"")?.parse().map_err(|_| malformed)?;
        let keyid = quoted(";keyid=\"")?.parse().map_err(|_| malformed)?;
        let parameters = Self { created, nonce: *nonce.as_bytes(), keyid };
        // One value has one text: whatever else the line held would not print back.
        if parameters.line(with_digest) == line { Ok(parameters) } else { Err(malformed) }
    }

    /// Checks the signature over the request as it arrived.
    ///
    /// Does not check `created`, nor whether the nonce is fresh, nor the body against `content-digest`.
    ///
    /// # Errors
    /// [`SignatureError::Malformed`] and [`SignatureError::BadSignature`].
    pub fn verify(&self, covered: &Covered<'_>, signature: &str, key: &VerifyingKey) -> Result<(), SignatureError> {
        let malformed = SignatureError::Malformed("Signature");
        let text = signature.strip_prefix("sig1=:").and_then(|rest| rest.strip_suffix(':')).ok_or(malformed)?;
        let bytes: [u8; 64] = STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(malformed)?;
        key.verify_strict(self.base(covered).as_bytes(), &Signature::from_bytes(&bytes)).map_err(|_| SignatureError::BadSignature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha-256=:AAAA:";

    fn covered() -> Covered<'static> {
        Covered { method: "POST", authority: "127.0.0.1:8080", path: "/v1/cases", query: "", content_digest: Some(DIGEST) }
    }

    fn parameters() -> Parameters {
        Parameters { created: 1_795_467_845, nonce: [7; 16], keyid: Sha256Digest::of(&[b"certificate"]) }
    }

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[9; 32])
    }

    #[test]
    fn a_signed_request_verifies_as_it_arrived() {
        let headers = parameters().sign(&covered(), &key());
        let read = Parameters::parse(&headers.input, true).unwrap();
        assert_eq!(read, parameters());
        read.verify(&covered(), &headers.signature, &key().verifying_key()).unwrap();
    }

    #[test]
    fn any_other_request_does_not_verify_under_the_same_signature() {
        let headers = parameters().sign(&covered(), &key());
        for other in [
            Covered { method: "PUT", ..covered() },
            Covered { authority: "127.0.0.1:8081", ..covered() },
            Covered { path: "/v1/case", ..covered() },
            Covered { query: "a=1", ..covered() },
            Covered { content_digest: Some("sha-256=:BBBB:"), ..covered() },
            Covered { content_digest: None, ..covered() },
        ] {
            let refused = parameters().verify(&other, &headers.signature, &key().verifying_key());
            assert_eq!(refused, Err(SignatureError::BadSignature), "{other:?}");
        }
        for other in [
            Parameters { created: 1, ..parameters() },
            Parameters { nonce: [8; 16], ..parameters() },
            Parameters { keyid: Sha256Digest::of(&[b"other"]), ..parameters() },
        ] {
            assert!(other.verify(&covered(), &headers.signature, &key().verifying_key()).is_err(), "{other:?}");
        }
    }

    #[test]
    fn inputs_with_other_components_parameters_or_order_are_refused() {
        let good = parameters().sign(&covered(), &key()).input;
        assert!(Parameters::parse(&good, false).is_err());
        for (from, to) in [
            ("\"@path\" ", ""),
            ("\"@query\"", "\"@query\" \"date\""),
            ("created=", "expires=1;created="),
            ("alg=\"ed25519\"", "alg=\"hmac-sha256\""),
            ("tag=\"custodia/1\"", "tag=\"other\""),
            ("sig1=", "sig2="),
            ("nonce=\"0", "nonce=\"G"),
            ("created=1", "created=+1"),
            ("created=1", "created=01"),
        ] {
            assert!(good.contains(from), "{from}");
            assert!(Parameters::parse(&good.replacen(from, to, 1), true).is_err(), "{from} -> {to}");
        }
        assert!(Parameters::parse(&format!("{good};extra=1"), true).is_err());
        assert!(Parameters::parse("", true).is_err());
    }

    #[test]
    fn damaged_signature_headers_are_refused() {
        let good = parameters().sign(&covered(), &key()).signature;
        for bad in ["", "sig1=::", "sig1=:AAAA:", &good[1..], &good[..good.len() - 1]] {
            assert!(parameters().verify(&covered(), bad, &key().verifying_key()).is_err(), "{bad}");
        }
    }

    fn bytes(digits: &serde_json::Value) -> Vec<u8> {
        let digits = digits.as_str().unwrap();
        (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
    }

    fn array<const N: usize>(digits: &serde_json::Value) -> [u8; N] {
        bytes(digits).try_into().unwrap()
    }

    /// Reads and checks a request of `tests/vectors/http` as a server does, as far as it needs no clock and no registry.
    fn judge(case: &serde_json::Value) -> Result<(), String> {
        let text = |member: &str| case[member].as_str().unwrap();
        let (path, query) = text("target").split_once('?').unwrap_or((text("target"), ""));
        let content_digest = case["content_digest"].as_str();
        let covered = Covered { method: text("method"), authority: text("authority"), path, query, content_digest };
        let name = |error: SignatureError| format!("{error:?}");
        let parameters = Parameters::parse(text("signature_input"), covered.method == "POST").map_err(name)?;
        parameters.verify(&covered, text("signature"), &VerifyingKey::from_bytes(&array(&case["key"])).unwrap()).map_err(name)?;
        let body = bytes(&case["body"]);
        if content_digest.is_some_and(|digest| digest != super::content_digest(&body)) {
            return Err("Digest".to_owned());
        }
        // The same request, signed here, has the same base and the same headers.
        let made =
            Parameters { created: case["created"].as_u64().unwrap(), nonce: array(&case["nonce"]), keyid: text("keyid").parse().unwrap() };
        assert_eq!((made.base(&covered).as_str(), &made), (text("base"), &parameters));
        let headers = made.sign(&covered, &SigningKey::from_bytes(&array(&case["seed"])));
        assert_eq!((headers.input.as_str(), headers.signature.as_str()), (text("signature_input"), text("signature")));
        Ok(())
    }

    #[test]
    fn requests_are_signed_and_refused_as_their_vectors_say() {
        let file: serde_json::Value = serde_json::from_str(include_str!("../../../tests/vectors/http/requests.json")).unwrap();
        let cases = file["cases"].as_array().unwrap();
        assert!(cases.len() >= 41);
        for case in cases {
            let answer = judge(case).err().unwrap_or_else(|| "ok".to_owned());
            assert_eq!(answer.split('(').next(), case["expect"].as_str(), "{}: {answer}", case["name"]);
        }
        let document = include_str!("../../../docs/spec/http.md");
        for shown in ["base", "signature"] {
            assert!(
                document.contains(cases[0][shown].as_str().unwrap()),
                "docs/spec/http.md does not show the {shown} of {}",
                cases[0]["name"]
            );
        }
    }
}
