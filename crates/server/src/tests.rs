//! The whole server under real requests: offices, devices and groups with real keys, over HTTP in this process.

mod access;
mod cases;
mod evidence;
mod log;
mod offices;
mod requests;
mod world;
