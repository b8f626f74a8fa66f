//! The test world: a real server on loopback, offices with their roots, devices with their agents.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a world that cannot be built fails the test that asked for it"
)]

pub mod backends;
pub mod liar;
pub mod poison;
pub mod proxy;
pub mod tsa;
pub mod world;
