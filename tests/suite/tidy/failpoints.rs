//! Fail points: each is walked by a test, and the product has none.

use std::collections::BTreeSet;

use super::{Source, cargo, example, refuse, sources};

/// The names in `fail_point!("…")` that no test of faults asks for.
fn not_walked(product: &[Source], tests: &[Source]) -> Vec<String> {
    let names: BTreeSet<&str> =
        product.iter().flat_map(|file| file.text.split("fail_point!(\"").skip(1)).filter_map(|rest| rest.split('"').next()).collect();
    let named = |name: &&str| tests.iter().any(|file| file.text.contains(&format!("\"{name}\"")));
    names.into_iter().filter(|name| !named(name)).map(str::to_owned).collect()
}

#[test]
fn every_fail_point_is_walked_by_a_test() {
    let product: Vec<_> = sources(&["crates"], ".rs").into_iter().filter(|file| !file.path.starts_with("crates/failpoint")).collect();
    assert!(product.iter().any(|file| file.text.contains("fail_point!(\"")), "the walk finds fail points");
    let faults = not_walked(&product, &sources(&["tests/faults"], ".rs"));
    refuse(&faults, "Name it in the test of tests/faults/kill.rs whose command reaches it; that test fails if it is not reached.");
}

#[test]
fn the_product_has_no_fail_points() {
    let tree = cargo(&["tree", "--workspace", "-e", "features,no-dev", "-i", "custodia-failpoint"]);
    assert!(tree.contains("custodia-failpoint"), "{tree}");
    let with: Vec<_> = tree.lines().filter(|line| line.contains("\"failpoints\"")).map(str::to_owned).collect();
    refuse(&with, "The feature `failpoints` is for development dependencies alone (docs/decisions/0005-fail-points.md).");
}

#[test]
fn a_fail_point_that_no_test_names_is_reported() {
    let product = [example("a.rs", "fail_point!(\"agent.a\");\n fail_point!(\"agent.b\");")];
    assert_eq!(not_walked(&product, &[example("t.rs", "[\"agent.a\", \"agent.bc\"]")]), ["agent.b"]);
}
