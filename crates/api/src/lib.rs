//! The HTTP contract that client and server share: request signatures, paths, bodies, error codes, limits.
//!
//! Bodies are JSON unless said otherwise and are read strictly. `docs/spec/http.md` is the page for other implementations.

pub mod error;
pub mod limits;
pub mod messages;
pub mod signature;
