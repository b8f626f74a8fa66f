//! Which value counts, where it comes from, and what is refused.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use super::{Flags, Key, Origin, Settings, places};
use crate::failure::Failure;

/// A user's and a machine's configuration, and an environment.
struct Place {
    folder: tempfile::TempDir,
    environment: BTreeMap<&'static str, &'static str>,
}

impl Place {
    fn new(user: &str, system: &str, environment: &[(&'static str, &'static str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("user.toml"), user).unwrap();
        std::fs::write(folder.path().join("system.toml"), system).unwrap();
        Self { folder, environment: environment.iter().copied().collect() }
    }

    fn files(&self) -> [PathBuf; 2] {
        [self.folder.path().join("user.toml"), self.folder.path().join("system.toml")]
    }

    fn settings(&self, flags: &Flags) -> Result<Settings, Failure> {
        Settings::of(flags, |name| self.environment.get(name).map(OsString::from), &self.files(), false)
    }

    fn refusal(&self) -> String {
        let failure = self.settings(&Flags::default()).err().unwrap();
        assert_eq!(failure.code.as_str(), "config-malformed");
        failure.message
    }
}

fn from(settings: &Settings, key: Key) -> (String, Origin) {
    let (value, origin) = settings.get(key).unwrap();
    (value.to_string_lossy().into_owned(), origin.clone())
}

#[test]
fn a_flag_counts_before_the_environment_the_users_file_the_machines_and_the_default() {
    let system = "home = \"of the machine\"\nserver = \"of the machine\"\ncard = \"of the machine\"\nquiet = true\nlog = \"error\"\n";
    let user = "# a comment\nhome = \"of the user\"\nserver = \"of the user\"\nquiet = false\n";
    let place = Place::new(user, system, &[("CUSTODIA_HOME", "of the environment"), ("CUSTODIA_NO_INPUT", "true"), ("CUSTODIA_LOG", "")]);
    let [user, system] = place.files();
    let at = |path: &PathBuf, line| Origin::File { path: path.clone(), line };
    let flags = Flags { home: Some("of the flag".into()), ..Flags::default() };
    assert_eq!(from(&place.settings(&flags).unwrap(), Key::Home), ("of the flag".to_owned(), Origin::Flag("home")));
    let settings = place.settings(&Flags::default()).unwrap();
    let (home, origin) = from(&settings, Key::Home);
    assert_eq!((home.as_str(), origin), ("of the environment", Origin::Environment("CUSTODIA_HOME".to_owned())));
    assert_eq!(from(&settings, Key::Server), ("of the user".to_owned(), at(&user, 3)));
    assert_eq!(from(&settings, Key::Card), ("of the machine".to_owned(), at(&system, 3)));
    assert_eq!(from(&settings, Key::Quiet), ("false".to_owned(), at(&user, 4)));
    assert_eq!(from(&settings, Key::Log), ("error".to_owned(), at(&system, 5)), "an empty variable says nothing");
    assert_eq!(from(&settings, Key::Json), ("false".to_owned(), Origin::Default));
    assert!(settings.get(Key::TlsAuthority).is_none());
    let manners = settings.manners();
    assert!(!manners.json && !manners.quiet && manners.no_input);
    let loud = Flags { no_input: Some(false), quiet: Some(true), ..Flags::default() };
    let manners = place.settings(&loud).unwrap().manners();
    assert!(manners.quiet && !manners.no_input, "a flag also switches off");
}

#[test]
fn what_a_configuration_cannot_say_is_refused_with_file_and_line() {
    for (text, said) in [
        ("\nhoem = \"x\"\n", "user.toml line 2: there is no key hoem"),
        ("home = 3\n", "user.toml line 1: home is a text in quotes"),
        ("\n\njson = \"yes\"\n", "user.toml line 3: json is true or false"),
        ("home = \"x\"\npassphrase-fd = 3\n", "user.toml line 2: there is no key passphrase-fd"),
        ("[server]\nurl = \"x\"\n", "user.toml line 1: server is a text in quotes"),
        ("home = \"x\nserver = \"y\"\n", "user.toml line 1: "),
        ("home = \"x\"\nhome = \"y\"\n", "user.toml line 2: "),
    ] {
        let refusal = Place::new(text, "", &[]).refusal();
        assert!(refusal.contains(said), "{text:?}: {refusal}");
        let refusal = Place::new("", text, &[]).refusal();
        assert!(refusal.contains(&said.replace("user", "system")), "{text:?}: {refusal}");
    }
    assert!(Place::new("", "", &[("CUSTODIA_JSON", "1")]).refusal().contains("CUSTODIA_JSON is neither true nor false"));
}

#[test]
fn a_file_that_is_not_there_is_no_error_unless_it_was_named() {
    let place = Place::new("", "", &[]);
    let absent = [place.folder.path().join("absent.toml")];
    assert!(Settings::of(&Flags::default(), |_| None, &absent, false).is_ok());
    let refused = Settings::of(&Flags::default(), |_| None, &absent, true).err().unwrap();
    assert_eq!((refused.code.as_str(), refused.message.contains("absent.toml")), ("file-unusable", true));
}

#[test]
fn configurations_lie_where_xdg_says_and_in_etc() {
    let with = |variables: &'static [(&'static str, &'static str)]| {
        let found = places(|name| variables.iter().find(|(one, _)| *one == name).map(|(_, value)| OsString::from(value)));
        found.iter().map(|path| path.display().to_string()).collect::<Vec<_>>()
    };
    let system = "/etc/custodia/config.toml";
    assert_eq!(with(&[("XDG_CONFIG_HOME", "/x"), ("HOME", "/h")]), ["/x/custodia/config.toml", system]);
    assert_eq!(with(&[("XDG_CONFIG_HOME", "relative"), ("HOME", "/h")]), ["/h/.config/custodia/config.toml", system]);
    assert_eq!(with(&[]), [system]);
    assert_eq!(with(&[("CUSTODIA_CONFIG", "/one.toml"), ("HOME", "/h")]), ["/one.toml"]);
}

#[test]
fn the_example_explains_every_key_and_says_what_holds_without_it() {
    let example = include_str!("../../../../config/agent.toml");
    let place = Place::new(example, "", &[]);
    let settings = place.settings(&Flags::default()).unwrap();
    for key in Key::ALL {
        let line = format!("{} = ", key.name());
        assert!(example.lines().any(|text| text.trim_start_matches('#').starts_with(&line)), "{line}");
        assert!(example.contains(&key.variable()), "{}", key.variable());
    }
    assert_eq!(settings.get(Key::Json).unwrap().0, "false");
}
