//! What happens when a process dies or a disk is full: `custodia serve` and agents as real processes, killed and starved.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]
#![expect(clippy::large_futures, reason = "each future here runs once, on a stack of its own")]

mod check;
mod disk;
mod forked;
mod kill;
mod process;
mod random;
mod recovery;
mod stage;
mod succession;
mod sweep;
mod witness;
