use super::*;

const EXAMPLE: &str = include_str!("../../../../config/custodia.toml");

fn replaced(from: &str, to: &str) -> Vec<Problem> {
    assert!(EXAMPLE.contains(from), "{from}");
    check(&EXAMPLE.replacen(from, to, 1))
}

#[test]
fn the_commented_example_can_be_used_as_it_is() {
    assert_eq!(check(EXAMPLE), []);
    let config = ServerConfig::parse(EXAMPLE).unwrap();
    assert_eq!(config.limits, LimitsConfig::default());
    assert_eq!(config.database_url(), "sqlite:///var/lib/custodia/db/custodia.sqlite?mode=rwc");
}

#[test]
fn an_unknown_key_is_refused_with_its_line() {
    let problems = replaced("\nlisten =", "\nlisteN =");
    let line = EXAMPLE.lines().position(|line| line.starts_with("listen =")).unwrap() + 1;
    assert_eq!(problems.len(), 1);
    assert!(problems[0].line == Some(line) || problems[0].line == Some(1), "{problems:?}");
    assert!(!problems[0].next.is_empty());
}

#[test]
fn a_key_folder_beside_the_objects_or_the_database_is_refused() {
    for folder in ["/var/lib/custodia/objects/kek", "/var/lib/custodia/objects", "/var/lib", "/var/lib/custodia/objects/../objects/k"] {
        let problems = replaced("\"/etc/custodia/kek\"", &format!("{folder:?}"));
        assert!(problems.iter().any(|problem| problem.key == "kek.folders"), "{folder}: {problems:?}");
    }
}

#[test]
fn plain_http_is_refused_anywhere_but_on_loopback() {
    let problems = replaced("127.0.0.1:8443", "0.0.0.0:8443");
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].key, "listen");
}

#[test]
fn values_of_another_form_are_refused() {
    for (from, to) in [
        ("127.0.0.1:8443", "localhost"),
        ("sqlite:/", "mysql:/"),
        ("custody.example.org/log", "custody example"),
        ("trust_pin = \"", "trust_pin = \"zz"),
        ("folders = [\"/etc/custodia/kek\"]", "folders = []"),
        ("uploads = 6", "uploads = 0"),
        ("uploads = 6", "uploads = -1"),
        ("folder = ", "bucket = "),
    ] {
        assert!(!replaced(from, to).is_empty(), "{from} -> {to}");
    }
}
