//! A seeded simulator of sequencer, delivery service and devices over the pure core: no network, no threads, no clock but its own.
//!
//! A seed chooses who acts, what goes wrong and when (`run.rs`, `steps.rs`). The server is `sequencer.rs`: the turn of `crates/server` over a
//! database in memory, judged by the same rules of the core; groups are plain facts (`group.rs`) in the place of MLS. After each step `check.rs`
//! re-derives the world from the records, and compares it with `model.rs`, which says a second time, in sets of names, who may do what.
//!
//! `tests/simulate COUNT [FROM]` plays more seeds; a seed that fails is printed with its steps.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

mod acting;
mod agent;
mod change;
mod check;
mod choices;
mod database;
mod group;
mod halves;
mod lies;
mod model;
#[path = "../../crates/server/src/tests/offices.rs"]
#[expect(dead_code, reason = "the server's own tests use the rest")]
mod offices;
mod people;
mod run;
mod sequencer;
mod split;
mod steps;

mod tests;

use core::ops::Range;

use run::{Run, Tally};

/// Plays seeds; the first that fails is played again in words.
fn play(seeds: Range<u64>) -> Tally {
    let mut tally = Tally::new();
    for seed in seeds {
        let mut run = Run::new(seed, false);
        if let Err(wrong) = run.play() {
            let mut again = Run::new(seed, true);
            let same = if again.play() == Err(wrong.clone()) { "" } else { " (played again it ended otherwise)" };
            let steps = again.told.unwrap_or_default().join("\n");
            panic!("\n{steps}\n\nseed {seed}: {}{same}\nRepeat it by: tests/simulate 1 {seed}", wrong.0);
        }
        add(&mut tally, run.tally);
    }
    tally
}

fn add(tally: &mut Tally, more: Tally) {
    for (what, count) in more {
        *tally.entry(what).or_default() += count;
    }
}
