//! A replay that stops and goes on from its saved point finds, refuses and knows exactly what one without a stop does.

use custodia_core::custody::receipt::RecordView;
use custodia_core::custody::record::Part;
use custodia_core::custody::replay::{Replay, SavedError, Trail};
use custodia_core::finding::Finding;

use crate::people::{CAST, ENROLLED};
use crate::run::Run;

/// All that a replay knows at its end, as text: cases, members, exhibits, registry, tree, chains.
fn known(replay: &Replay) -> String {
    let chains = replay.world().cases().map(|(id, _)| format!("{:?}", replay.world().next_in_case(id)));
    let exhibits = replay.world().exhibits().map(|(id, _)| format!("{:?}", replay.world().next_in_exhibit(id)));
    let places: Vec<String> = chains.chain(exhibits).collect();
    let roots: Vec<String> = (0..=replay.size().get()).map(|size| format!("{:?}", replay.root_at(size.try_into().unwrap()))).collect();
    format!("{:?} {:?} {places:?} {roots:?}", replay.save(), replay.registry())
}

/// Replays records; gives what each step found and left.
fn go(replay: &mut Replay, views: &[RecordView]) -> (Vec<Finding>, Vec<Trail>) {
    let (mut findings, mut trails) = (Vec::new(), Vec::new());
    for view in views {
        let step = replay.step(view);
        findings.extend(step.findings);
        trails.push(step.trail.unwrap());
    }
    (findings, trails)
}

fn written_and_read(trail: &Trail) -> Trail {
    Trail { identity: trail.identity.clone(), ..Trail::from_bytes(&trail.to_bytes()).unwrap() }
}

#[test]
fn a_replay_in_two_halves_is_the_replay_in_one_at_every_cut() {
    let (mut cuts, mut within) = (0, 0);
    // The second ten hold acts of several records.
    for seed in (0..10).chain([40, 48, 69, 85, 88, 89, 92, 94, 95, 96]) {
        let mut run = Run::new(seed, false);
        run.play().unwrap();
        let views: Vec<RecordView> =
            run.server.disk.entries.iter().map(|entry| entry.record.view(&[Part::Core, Part::Case, Part::Exhibit])).collect();
        let mut whole = Replay::new(CAST.origin.clone(), CAST.pin);
        let mut before = Replay::new(CAST.origin.clone(), CAST.pin);
        let (found, trails) = go(&mut whole, &views);
        let end = known(&whole);
        // The beginning is the same in every world.
        for cut in 0..views.len() {
            go(&mut before, &views[cut..=cut]);
            if seed > 0 && cut < ENROLLED {
                continue;
            }
            let state = match before.save() {
                Err(SavedError::WithinAnAct) => {
                    within += 1;
                    continue;
                }
                state => state.unwrap(),
            };
            let halves = trails[..=cut].iter().map(written_and_read);
            let mut after = Replay::restore(CAST.origin.clone(), CAST.pin, &state, halves).unwrap();
            assert_eq!(known(&after), known(&before), "seed {seed}, restored after record {cut}");
            let (second, left) = go(&mut after, &views[cut + 1..]);
            assert_eq!((known(&after), &left[..]), (end.clone(), &trails[cut + 1..]), "seed {seed}, cut after record {cut}");
            assert!(found.ends_with(&second), "seed {seed}, cut after record {cut}");
            let signed = after.finish(&run.server.disk.checkpoint);
            assert_eq!(signed, whole.finish(&run.server.disk.checkpoint));
            cuts += 1;
        }
    }
    assert!(cuts > 200 && within >= 10, "{cuts} cuts, {within} within an act");
}

#[test]
fn a_saved_point_that_was_altered_is_not_gone_on_from() {
    let mut run = Run::new(3, false);
    run.play().unwrap();
    let views: Vec<RecordView> =
        run.server.disk.entries.iter().map(|entry| entry.record.view(&[Part::Core, Part::Case, Part::Exhibit])).collect();
    let mut replay = Replay::new(CAST.origin.clone(), CAST.pin);
    let (_, trails) = go(&mut replay, &views);
    let state = replay.save().unwrap();
    let restore = |state: &str, trails: &[Trail]| Replay::restore(CAST.origin.clone(), CAST.pin, state, trails.to_vec());
    let restored = restore(&state, &trails).unwrap();
    assert_eq!(restored.root_at(restored.size()), replay.root_at(replay.size()));

    assert_eq!(restore(&state.replacen("\"v\":1", "\"v\":2", 1), &trails).err(), Some(SavedError::Newer(2)));
    assert!(matches!(restore(&state.replacen("\"size\"", "\"sizes\"", 1), &trails), Err(SavedError::Malformed(_))));
    assert!(matches!(restore(&state, &trails[1..]), Err(SavedError::Identity { index: 0, .. })), "its first trust list is gone");
    assert!(matches!(restore(&state, &trails[..trails.len() - 1]), Err(SavedError::Malformed(_))));
    let mut other = trails.clone();
    other[2].commitment = other[1].commitment;
    let other = restore(&state, &other).unwrap();
    assert_ne!(other.root_at(other.size()), replay.root_at(replay.size()), "another record makes another tree");
    let mut unnamed = trails.clone();
    unnamed[1].identity = unnamed[2].identity.clone();
    let unnamed = restore(&state, &unnamed);
    assert!(matches!(unnamed, Err(SavedError::Identity { index: 2, .. })), "one certificate is enrolled once");
    let mut bytes = trails[0].to_bytes();
    bytes[48] = 2;
    assert!(Trail::from_bytes(&bytes).is_err() && Trail::from_bytes(&bytes[1..]).is_err());
}
