//! What is refused before anybody knows who sent it costs a place in the diagnostics: a bound for each address.

use std::net::IpAddr;
use std::num::NonZeroU32;

use governor::clock::DefaultClock;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

/// Addresses beyond which those that have been quiet are forgotten.
const MOST: usize = 10_000;

/// Counts refused requests of each address.
pub(crate) struct Strangers(RateLimiter<IpAddr, HashMapStateStore<IpAddr>, DefaultClock>);

impl Strangers {
    /// Allows so many refused requests of one address within a minute.
    pub fn new(per_minute: NonZeroU32) -> Self {
        Self(RateLimiter::hashmap(Quota::per_minute(per_minute)))
    }

    /// Counts a refused request; false if the address has had too many.
    pub fn count(&self, address: IpAddr) -> bool {
        if self.0.len() > MOST {
            self.0.retain_recent();
        }
        self.0.check_key(&address).is_ok()
    }
}
