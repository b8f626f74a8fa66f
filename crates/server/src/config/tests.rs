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
        ("upload_mib = 72", "upload_mib = 8"),
        ("workers = 2", "workers = -1"),
        ("folder = ", "bucket = "),
    ] {
        assert!(!replaced(from, to).is_empty(), "{from} -> {to}");
    }
}

#[test]
fn a_password_in_the_databases_address_is_refused_and_not_repeated() {
    for address in ["postgres://vault:hunter2@db/vault", "postgres://vault@db/vault?password=hunter2", "postgresql://u:hunter2@db"] {
        let problems = replaced("sqlite:/var/lib/custodia/db/custodia.sqlite", address);
        assert_eq!(problems.len(), 1, "{address}");
        assert_eq!(problems[0].key, "data.database");
        assert!(!problems[0].to_string().contains("hunter2"), "{}", problems[0]);
    }
    assert_eq!(replaced("sqlite:/var/lib/custodia/db/custodia.sqlite", "postgres://vault@db:5432/vault?application_name=v"), []);
}

#[test]
fn a_bucket_with_everything_that_the_example_names_can_be_used() {
    let section = EXAMPLE.split("# [store.s3]").nth(1).unwrap().split("\n\n").next().unwrap();
    let keys: Vec<&str> = section.lines().filter_map(|line| line.strip_prefix("# ")).filter(|line| line.contains(" = ")).collect();
    let (text, _) = EXAMPLE.split_once("[store]").unwrap();
    let rest = &EXAMPLE[EXAMPLE.find("[kek]").unwrap()..];
    let keys: Vec<&str> = keys.into_iter().filter(|line| !line.contains('…')).collect();
    let config = ServerConfig::parse(&format!("{text}[store.s3]\n{}\n{rest}", keys.join("\n"))).unwrap();
    let StoreConfig::S3(s3) = config.store else { panic!("a bucket") };
    assert_eq!((s3.prefix.as_deref(), s3.silence_seconds), (Some("vault"), silence_seconds()));
    assert_eq!(keys.len(), 7, "{keys:?}");
}

#[test]
fn files_that_must_be_there_are_looked_for_and_named_with_their_line() {
    let folder = tempfile::tempdir().unwrap();
    let text = include_str!("../../../../config/custodia.toml").replace("# [tls]", "[tls]");
    let (certificate, key) = (folder.path().join("tls.pem"), folder.path().join("tls.key"));
    let text = text
        .replace("# certificate = \"/etc/custodia/tls.pem\"", &format!("certificate = \"{}\"", certificate.display()))
        .replace("# key = \"/etc/custodia/tls.key\"", &format!("key = \"{}\"", key.display()));
    let problems = ServerConfig::parse(&text).unwrap().problems_on_this_machine(&text);
    let line = |name: &str| text.lines().position(|line| line.starts_with(name)).map(|at| at + 1);
    assert_eq!(problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [line("certificate"), line("key =")]);
    assert!(problems[0].to_string().contains("tls.pem"), "{}", problems[0]);
    for path in [&certificate, &key] {
        std::fs::write(path, "not PEM").unwrap();
    }
    let problems = ServerConfig::parse(&text).unwrap().problems_on_this_machine(&text);
    assert!(problems.len() == 1 && problems[0].key == "tls.certificate", "{problems:?}");
}

#[test]
fn what_is_no_host_is_no_authority() {
    for wrong in ["[\"\"]", "[\"https://vault.example.org\"]", "[\"vault.example.org\", \"a b\"]"] {
        let problems = replaced("authorities = []", &format!("authorities = {wrong}"));
        assert!(problems.len() == 1 && problems[0].key == "authorities" && problems[0].line.is_some(), "{wrong}: {problems:?}");
    }
}
