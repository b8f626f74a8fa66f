//! The part of the benches that must speak the contract: many clients who append, a log that is replayed, groups that grow.
//!
//! Development only; `benches/run` starts it and makes tables of what it prints.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a bench that cannot go on ends with the reason, and its figures are its output"
)]

mod actor;
mod appends;
mod groups;
mod proofs;
mod raw;
mod replay;
mod stage;

use std::time::Duration;

/// The value of `--name VALUE`.
fn option(name: &str) -> Option<String> {
    let mut words = std::env::args().skip_while(|word| word != name);
    words.next().and_then(|_| words.next())
}

/// A number of that name, or what stands for it.
fn number(name: &str, otherwise: u64) -> u64 {
    option(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// One line of JSON.
fn tell(figures: &serde_json::Value) {
    println!("{figures}");
}

/// The value at a part of a sorted list.
fn at(sorted: &[Duration], part: f64) -> f64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in the list")]
    let place = ((sorted.len() as f64 * part) as usize).min(sorted.len() - 1);
    sorted[place].as_secs_f64() * 1000.0
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    match std::env::args().nth(1).as_deref() {
        Some("appends") => runtime.block_on(appends::measure()),
        Some("replay") => runtime.block_on(replay::measure()),
        Some("proofs") => runtime.block_on(proofs::measure()),
        Some("groups") => groups::measure(),
        _ => panic!("appends, replay, proofs or groups; see benches/run"),
    }
}
