//! What a log that broke its word is told as.

use super::*;
use crate::test_log::World;

#[test]
fn the_same_finding_about_other_bytes_is_another_occurrence() {
    let key = World::new().signer.log_key();
    let mut found = Found::default();
    for shown in ["/v1/log/records?from=3", "/v1/log/records?from=3", "/v1/log/records?from=9"] {
        found.add(&Misbehaviour::shown("records are withheld", shown), &key);
    }
    let keys: Vec<String> = found.alerts.iter().map(Alert::key).collect();
    assert!(keys[0] == keys[1] && keys[0] != keys[2], "{keys:?}");
    assert!(found.notes.is_empty() && found.alerts.iter().all(|alert| alert.fails && alert.rule == "AUD-08"));
}

#[test]
fn two_checkpoints_of_one_size_are_told_as_a_fork_and_their_notes_are_to_be_kept() {
    let world = World::new();
    let held = world.checkpoint();
    let shown = world.signer.sign(held.size(), custodia_core::log::RootHash::from_bytes([1; 32])).unwrap();
    let [held, shown] = [held, shown].map(|checkpoint| checkpoint.note().as_str().to_owned());
    let mut found = Found::default();
    found.add(&Misbehaviour { finding: "it was forked", held: held.clone(), shown: shown.clone() }, &world.signer.log_key());
    assert_eq!((found.alerts[0].rule.as_str(), found.notes), ("WAT-01", vec![[held, shown]]));
}
