//! Tests of identity: a small world of offices with fixed keys, good and bad certificates, lists, and the registry.

mod certificates;
mod registry;
mod second;
mod trust_lists;
mod vectors;
mod world;
