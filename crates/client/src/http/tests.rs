use super::*;
use custodia_core::custody::intent::ClockSource;

fn address(url: &str) -> Result<Http, HttpError> {
    let clock = Clock::new(ClockSource::Manual, || time::OffsetDateTime::UNIX_EPOCH);
    Http::new(&ServerAddress { url: url.to_owned(), tls_roots: Vec::new() }, clock)
}

#[test]
fn plain_http_beyond_loopback_and_addresses_with_more_than_a_host_are_refused() {
    for bad in [
        "http://vault.example",
        "http://127.0.0.1.example",
        "http://10.0.0.1:80",
        "ftp://vault.example",
        "https://vault.example/x",
        "https://u:p@vault.example",
        "https://vault.example/?q=1",
        "vault.example",
        "",
    ] {
        assert!(matches!(address(bad), Err(HttpError::Address(_))), "{bad}");
    }
    for good in ["http://127.0.0.1:8080", "http://[::1]:1", "http://localhost:9", "https://vault.example", "https://vault.example:8443"] {
        address(good).unwrap();
    }
}

#[test]
fn the_authority_is_that_of_the_host_header() {
    assert_eq!(address("https://Vault.Example").unwrap().authority, "vault.example");
    assert_eq!(address("https://vault.example:443").unwrap().authority, "vault.example");
    assert_eq!(address("http://127.0.0.1:8080").unwrap().authority, "127.0.0.1:8080");
}

#[test]
fn requests_are_signed_over_what_is_sent() {
    let key = SigningKey::from_bytes(&[3; 32]);
    let http = address("http://127.0.0.1:8080").unwrap();
    let http = http.signed_by(RequestKey { certificate: Sha256Digest::of(&[b"c"]), key: key.clone() });
    let request = http.request(&Method::POST, "/v1/cases?from=1", &Body::Json("{}")).unwrap();
    let header = |name: &str| request.headers().get(name).unwrap().to_str().unwrap();
    let digest = header("content-digest");
    let covered = Covered { method: "POST", authority: "127.0.0.1:8080", path: "/v1/cases", query: "from=1", content_digest: Some(digest) };
    assert_eq!(digest, content_digest(b"{}"));
    let parameters = Parameters::parse(header("signature-input"), true).unwrap();
    parameters.verify(&covered, header("signature"), &key.verifying_key()).unwrap();
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    // Port 9 of loopback: nobody listens; the connection is refused at once.
    let error = address("http://127.0.0.1:9").unwrap().attempt(&Method::GET, "/v1/server", &Body::None, None).await;
    assert!(matches!(error, Err(HttpError::Unavailable(_))));
}

#[test]
fn a_refusal_keeps_its_rule_and_its_next_step() {
    let body = ErrorBody {
        code: ErrorCode::NotPermitted,
        message: "not a member".to_owned(),
        next: "Ask a member".to_owned(),
        rule: Some("GRP-01".to_owned()),
        epoch: None,
        receipt: None,
    };
    let error = HttpError::from_body(body);
    assert_eq!(error.to_string(), "refused by rule GRP-01: not a member. Ask a member");
}
