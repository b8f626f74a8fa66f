//! The whole server under real requests: offices, devices and groups with real keys, over HTTP in this process.

mod access;
mod bad_input;
mod cases;
mod clock;
mod collect;
mod contract;
mod due;
mod evidence;
mod faults;
mod kept;
mod log;
mod offices;
mod recovery;
mod requests;
mod succession;
mod witness;
mod world;
