//! The agent's engine: the device's state, registry and log, case groups, sealing and opening.
//!
//! Knows no terminal, no pages, no home directory, no environment: folders, clock and passphrases are passed in. Start at [`Agent`].
//!
//! ```text
//! Agent ─┬─ state     one encrypted file, one process, one transaction for what belongs together
//!        ├─ http      signed requests, limits, whose fault
//!        ├─ sync      the log's head, the registry, chains: believed only as far as proven (log_view, chain, registry)
//!        ├─ outbox    acts are stored before they leave and sent until answered
//!        ├─ cases     founding, members, commits, grants, coming back
//!        ├─ renewal   a new certificate for this device, in the log and in its cases
//!        ├─ seal      files to stored objects, resumable
//!        ├─ open      entry first, then key, then bytes
//!        ├─ custody   acts that open nothing (hold, consent, erasure, …), and what a chain makes of an exhibit
//!        ├─ reading   what happened in an own case (entries), proofs of single records (tiles)
//!        ├─ witnessed who beside the log vouches for its heads, by the device's own policy
//!        ├─ examine   how the device stands and what the server shows, without a trace
//!        ├─ dossier   what goes to court; an auditor's cosignature attached later
//!        └─ audit     the whole log, replayed, for auditors; cosigning
//! office: what an office does with its root (issuing, revoking, trust lists)
//! ```

mod agent;
pub mod announce;
mod at_rest;
pub mod audit;
mod buffers;
mod cases;
mod chain;
mod clear_folder;
pub mod clock;
pub mod custody;
pub mod dossier;
pub mod durable_file;
pub mod entries;
mod error;
pub mod examine;
pub mod hpke;
pub mod http;
mod kept;
pub mod log_view;
pub mod office;
pub mod open;
mod outbox;
pub mod passphrase;
mod reading;
mod reasons;
pub mod registry;
mod renewal;
pub mod seal;
pub mod state;
mod sync;
#[cfg(test)]
mod test_log;
mod tiles;
pub mod witnessed;

pub use agent::{Agent, NewDevice};
pub use cases::{
    CaseSummary, Joining, LostDevice, MemberRow, MemberStanding, NewCase, RecoveryProgress, RecoveryRow, Resynced, Succession,
};
pub use clock::Clock;
pub use custodia_api::messages::{ExhibitRow, ServerInfo};
pub use error::AgentError;
pub use reading::{CaseLog, ProofError, ProvenRecord, verify_proof};
pub use reasons::Statement;
pub use state::StatePaths;
pub use sync::ChainRecord;
