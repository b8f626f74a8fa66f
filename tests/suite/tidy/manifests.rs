//! What every `Cargo.toml`, the lock file and the clippy settings keep to.

use std::collections::BTreeSet;

use super::{Source, example, read, refuse, sources};
use toml::{Table, Value};

/// The dependency tables of a manifest, those of targets included.
fn dependency_tables(manifest: &Table) -> Vec<&Table> {
    let targets = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values).filter_map(Value::as_table);
    std::iter::once(manifest)
        .chain(targets)
        .flat_map(|table| ["dependencies", "dev-dependencies", "build-dependencies"].map(|kind| table.get(kind)))
        .filter_map(|table| table.and_then(Value::as_table))
        .collect()
}

/// Says `workspace = true`.
fn from_workspace(value: Option<&Value>) -> bool {
    value.and_then(|value| value.get("workspace")).and_then(Value::as_bool) == Some(true)
}

/// What a package's manifest keeps for itself though the workspace holds it.
fn not_from_workspace(manifest: &Source) -> Vec<String> {
    let path = &manifest.path;
    let Ok(table) = manifest.text.parse::<Table>() else { return vec![format!("{path}: not TOML")] };
    let mut faults = Vec::new();
    if !from_workspace(table.get("lints")) {
        faults.push(format!("{path}: no `lints.workspace = true`"));
    }
    let package = table.get("package");
    for key in ["version", "edition", "rust-version", "license", "publish"] {
        if !from_workspace(package.and_then(|package| package.get(key))) {
            faults.push(format!("{path}: no `{key}.workspace = true`"));
        }
    }
    for (name, dependency) in dependency_tables(&table).into_iter().flatten() {
        if !from_workspace(Some(dependency)) {
            faults.push(format!("{path}: {name} has a version of its own"));
        }
    }
    faults
}

/// The packages of a lock file that do not come from a registry or a folder of ours.
fn from_git(lock: &str) -> Vec<String> {
    lock.lines().filter(|line| line.starts_with("source = \"git+")).map(str::to_owned).collect()
}

/// The packages of ours that the bench profile, by which the tests are built, does not name, and names of it that are no package's.
fn not_built_for_tests(workspace: &str, manifests: &[Source]) -> Vec<String> {
    let workspace: Table = workspace.parse().expect("Cargo.toml is TOML");
    let named =
        workspace.get("profile").and_then(|profiles| profiles.get("bench")?.get("package")?.as_table().cloned()).unwrap_or_default();
    let named: BTreeSet<String> = named.into_iter().map(|(name, _)| name).collect();
    let ours = manifests
        .iter()
        .filter_map(|manifest| Some(manifest.text.parse::<Table>().ok()?.get("package")?.get("name")?.as_str()?.to_owned()));
    named.symmetric_difference(&ours.collect()).cloned().collect()
}

/// The settings of the workspace's `clippy.toml` that a crate's own lacks or changes.
fn settings_not_repeated(workspace: &str, own: &str) -> Vec<String> {
    let workspace: Table = workspace.parse().expect("clippy.toml is TOML");
    let own: Table = own.parse().expect("a crate's clippy.toml is TOML");
    workspace.iter().filter(|(key, value)| own.get(*key) != Some(value)).map(|(key, value)| format!("{key} = {value:?}")).collect()
}

#[test]
fn every_manifest_takes_lints_and_versions_from_the_workspace() {
    let manifests = sources(&["crates", "tests"], "Cargo.toml");
    assert!(manifests.len() >= 9, "the walk finds the manifests");
    let faults: Vec<_> = manifests.iter().flat_map(not_from_workspace).collect();
    refuse(&faults, "Put the version and features in [workspace.dependencies] of the root, and say `{ workspace = true }` here.");
}

#[test]
fn no_dependency_comes_from_git() {
    refuse(&from_git(&read("Cargo.lock")), "A branch can change under us: use a release of crates.io.");
}

#[test]
fn every_package_of_ours_is_built_with_its_checks_for_the_tests() {
    refuse(
        &not_built_for_tests(&read("Cargo.toml"), &sources(&["crates", "tests"], "Cargo.toml")),
        "tests/run builds by the bench profile: give the package a line in [profile.bench.package] of the root, or its checks are off.",
    );
}

#[test]
fn the_clippy_settings_of_core_repeat_those_of_the_workspace() {
    refuse(
        &settings_not_repeated(&read("clippy.toml"), &read("crates/core/clippy.toml")),
        "A crate's clippy.toml replaces the root's: copy these lines to crates/core/clippy.toml.",
    );
}

#[test]
fn a_manifest_that_goes_its_own_way_is_reported() {
    let package = "[package]\nversion.workspace = true\nedition.workspace = true\nrust-version.workspace = true\nlicense.workspace = true\npublish.workspace = true\n";
    let faults = |rest: &str| not_from_workspace(&example("crates/x/Cargo.toml", &format!("{package}{rest}")));
    assert_eq!(faults("[lints]\nworkspace = true\n[dependencies]\nhex = { workspace = true }\n"), Vec::<String>::new());
    assert_eq!(faults("[dependencies]\nhex = { workspace = true }\n").len(), 1, "no lints");
    assert_eq!(faults("[lints]\nworkspace = true\n[dependencies]\nhex = \"0.4\"\n").len(), 1, "a version");
    assert_eq!(faults("[lints]\nworkspace = true\n[dev-dependencies]\nhex = { version = \"0.4\" }\n").len(), 1, "a table");
    assert_eq!(faults("[lints]\nworkspace = true\n[target.'cfg(unix)'.dependencies]\nhex = \"0.4\"\n").len(), 1, "a target's");
    let edition = package.replace("edition.workspace = true", "edition = \"2021\"");
    assert_eq!(not_from_workspace(&example("x", &format!("{edition}[lints]\nworkspace = true\n"))).len(), 1, "an edition");
}

#[test]
fn a_git_source_a_package_built_without_checks_and_a_changed_setting_are_reported() {
    let package = [example("crates/x/Cargo.toml", "[package]\nname = \"x\"\n")];
    assert_eq!(not_built_for_tests("[profile.bench.package]\nx = { opt-level = 0 }\n", &package).len(), 0);
    assert_eq!(not_built_for_tests("[profile.bench.package]\ny = { opt-level = 0 }\n", &package), ["x", "y"]);
    assert_eq!(from_git("name = \"x\"\nsource = \"git+https://example.org/x#0\"\n").len(), 1);
    assert_eq!(from_git("name = \"x\"\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\n").len(), 0);
    assert_eq!(settings_not_repeated("a = 1\nb = [2]", "a = 1\nb = [2]\nc = 3").len(), 0);
    assert_eq!(settings_not_repeated("a = 1\nb = [2]", "a = 2").len(), 2);
}
