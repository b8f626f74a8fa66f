//! The vault's server: registry, sequencer of the custody log, delivery service of case groups, blob gateway.
//!
//! ```text
//! http ──► auth: signature, clock, nonce, standing ──► vault ──► sequencer: one turn = one transaction ──► store (SQL)
//!                                                        └─────► objects (folder or S3)
//! ```
//! It is trusted with availability alone: it opens nothing, and what it says of the log is proved by what it signs. State lies in the
//! database, the objects, the KEK folders and one head file for each process. `docs/spec/http.md` is the contract.

mod auth;
mod clock;
mod collector;
pub mod config;
pub mod doctor;
mod durable;
mod error;
mod head_file;
mod http;
mod keys;
mod nonces;
mod objects;
mod registry;
mod sequencer;
mod server;
mod shares;
mod store;
mod strangers;
mod tls;
mod vault;
pub mod witness;

pub use clock::{Clock, MachineClock};
pub use config::{Problem, ServerConfig, TlsConfig, check};
pub use error::StartError;
pub use server::{Running, Server};

#[cfg(test)]
#[path = "../../../tests/src/backends.rs"]
#[expect(dead_code, reason = "tests of whole processes use the rest")]
mod backends;
#[cfg(test)]
#[path = "../../../tests/src/proxy.rs"]
#[expect(dead_code, reason = "tests of whole processes use the rest")]
mod proxy;
#[cfg(test)]
mod tests;
#[cfg(test)]
#[path = "../../../tests/src/tsa.rs"]
mod tsa;
