//! Servers as operators run them: `custodia serve` on PostgreSQL and Ceph RGW, several on one log, behind broken connections and TLS.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

mod broken;
mod crowd;
mod doctor;
mod process;
mod secrets;
mod several;
mod tls;
