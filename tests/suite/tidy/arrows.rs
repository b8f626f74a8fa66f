//! Which crate may depend on which: the drawing of the house, in `cargo metadata`'s words.

use super::{cargo, refuse};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The drawing: a crate, and those of ours that it may use. Development dependencies are not drawn.
const DRAWING: &[(&str, &[&str])] = &[
    ("custodia-core", &[]),
    ("custodia-failpoint", &[]),
    ("custodia-verify", &["custodia-core"]),
    ("custodia-papers", &["custodia-core", "custodia-verify"]),
    ("custodia-api", &["custodia-core"]),
    ("custodia-mls", &["custodia-core"]),
    ("custodia-server", &["custodia-core", "custodia-api", "custodia-mls", "custodia-failpoint"]),
    ("custodia-client", &["custodia-core", "custodia-api", "custodia-mls", "custodia-papers", "custodia-verify", "custodia-failpoint"]),
    ("custodia-ui", &["custodia-core", "custodia-client"]),
    ("custodia-cli", &["custodia-core", "custodia-verify", "custodia-client", "custodia-server", "custodia-ui", "custodia-failpoint"]),
];

/// May use everything; nothing may use it.
const TESTS: &str = "custodia-tests";

/// The crates that may name a package of OpenMLS.
const OPENMLS: &[&str] = &["custodia-mls", "custodia-client", TESTS];

/// A judge's verifier stays under this many third-party packages.
const VERIFY_PACKAGES: usize = 80;

/// What a judge's verifier never links: async, TLS, HTTP, SQL, MLS. AES-256-GCM comes from `aws-lc-rs`, the one C library of the house.
const NOT_IN_VERIFY: &[&str] = &["tokio", "futures", "rustls", "hyper", "reqwest", "actix-web", "sqlx", "openmls", "ring"];

/// The arrows of the workspace that are not in the drawing.
fn undrawn_arrows(metadata: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for package in metadata["packages"].as_array().expect("cargo metadata lists packages") {
        let from = package["name"].as_str().expect("a package has a name");
        let drawn = DRAWING.iter().find(|(name, _)| *name == from).map(|(_, to)| *to);
        if drawn.is_none() && from != TESTS {
            faults.push(format!("{from} is not in the drawing"));
            continue;
        }
        for dependency in package["dependencies"].as_array().expect("a package lists dependencies") {
            let to = dependency["name"].as_str().expect("a dependency has a name");
            let development = dependency["kind"] == "dev";
            if to.starts_with("custodia-") && drawn.is_some_and(|drawn| !development && !drawn.contains(&to)) {
                faults.push(format!("{from} -> {to}"));
            }
            if to.starts_with("openmls") && !development && !OPENMLS.contains(&from) {
                faults.push(format!("{from} names {to}"));
            }
        }
    }
    faults
}

/// The third-party packages in a listing of `cargo tree --prefix none`, as `name vX.Y.Z`.
fn third_party(tree: &str) -> BTreeSet<String> {
    tree.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some(format!("{} {}", words.next()?, words.next()?))
        })
        .filter(|package| !package.starts_with("custodia-"))
        .collect()
}

/// Those of a verifier's packages that it must not link.
fn out_of_place_in_verify(packages: &BTreeSet<String>) -> Vec<String> {
    packages.iter().filter(|package| NOT_IN_VERIFY.contains(&package.split(' ').next().unwrap_or_default())).cloned().collect()
}

#[test]
fn crates_depend_on_each_other_only_as_drawn() {
    let metadata = serde_json::from_str(&cargo(&["metadata", "--no-deps", "--format-version", "1"])).unwrap();
    refuse(
        &undrawn_arrows(&metadata),
        "The house has no such arrow. Move the code to the crate that may know both sides; a new crate or arrow needs a decision record in docs/decisions and a line in DRAWING.",
    );
}

#[test]
fn verifier_stays_under_eighty_third_party_packages() {
    let packages = third_party(&cargo(&["tree", "-p", "custodia-verify", "-e", "normal", "--prefix", "none"]));
    #[expect(clippy::print_stdout, reason = "the number is what this test is for")]
    {
        println!("custodia-verify links {} third-party packages; the limit is {VERIFY_PACKAGES}", packages.len());
    }
    assert!(packages.len() > 10, "cargo tree lists the verifier's packages: {packages:?}");
    assert!(
        packages.len() < VERIFY_PACKAGES,
        "custodia-verify links {} third-party packages: take one out, a court reviews every one of them: {packages:#?}",
        packages.len()
    );
    refuse(
        &out_of_place_in_verify(&packages),
        "The verifier has no async, TLS, HTTP, SQL or MLS: find with `cargo tree -p custodia-verify -i` who brings it.",
    );
}

#[test]
fn an_arrow_that_is_not_drawn_is_reported() {
    let package = |name: &str, dependencies: Value| json!({ "packages": [{ "name": name, "dependencies": dependencies }] });
    let normal = |name: &str| json!([{ "name": name, "kind": null }]);
    let refused = [
        ("custodia-client", "custodia-server"),
        ("custodia-server", "custodia-client"),
        ("custodia-ui", "custodia-server"),
        ("custodia-core", "custodia-api"),
        ("custodia-verify", "custodia-mls"),
        ("custodia-api", "custodia-mls"),
        ("custodia-cli", "custodia-tests"),
        ("custodia-server", "openmls_traits"),
        ("custodia-extra", "custodia-core"),
    ];
    for (from, to) in refused {
        assert_eq!(undrawn_arrows(&package(from, normal(to))).len(), 1, "{from} -> {to}");
    }
    let build = json!([{ "name": "custodia-server", "kind": "build" }]);
    assert_eq!(undrawn_arrows(&package("custodia-client", build)).len(), 1, "a build script is part of the product");
    let development = json!([{ "name": "custodia-server", "kind": "dev" }, { "name": "openmls", "kind": "dev" }]);
    assert_eq!(undrawn_arrows(&package("custodia-ui", development)), Vec::<String>::new());
    assert_eq!(undrawn_arrows(&package("custodia-cli", normal("custodia-server"))), Vec::<String>::new());
    assert_eq!(undrawn_arrows(&package(TESTS, normal("custodia-server"))), Vec::<String>::new());
}

#[test]
fn third_party_packages_are_counted_once_and_without_ours() {
    let packages = third_party(
        "custodia-verify v0.1.0 (/somewhere)\ncustodia-core v0.1.0 (/somewhere)\nsha2 v0.10.9\nsyn v2.0.0\nsyn v3.0.0 (proc-macro)\nsha2 v0.10.9 (*)\n",
    );
    assert_eq!(packages.into_iter().collect::<Vec<_>>(), ["sha2 v0.10.9", "syn v2.0.0", "syn v3.0.0"]);
    let linked = third_party("tokio v1.0.0\ntokio-macros v1.0.0\n");
    assert_eq!(out_of_place_in_verify(&linked), ["tokio v1.0.0"]);
}
