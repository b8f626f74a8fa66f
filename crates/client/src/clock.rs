//! The clock that the caller passes in, and random bytes.

use core::fmt;
use std::sync::Arc;

use custodia_core::custody::intent::ClockSource;
use custodia_core::secret::Secret32;
use custodia_core::time::ClaimedTime;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Where the agent's times come from; an actor's time is a claim, so its source stands in every intent.
#[derive(Clone)]
pub struct Clock {
    now: Arc<dyn Fn() -> OffsetDateTime + Send + Sync>,
    source: ClockSource,
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Clock {
    /// A clock that asks `now`, whose answers carry the zone offset of the actor.
    pub fn new(source: ClockSource, now: impl Fn() -> OffsetDateTime + Send + Sync + 'static) -> Self {
        Self { now: Arc::new(now), source }
    }

    /// Where its times come from.
    pub fn source(&self) -> ClockSource {
        self.source
    }

    /// Now, to the second, as an intent states it.
    pub fn claimed(&self) -> ClaimedTime {
        let now = (self.now)().replace_nanosecond(0).expect("0 is a nanosecond");
        let text = now.format(&Rfc3339).expect("a clock shows a year of four digits and an offset of whole minutes");
        ClaimedTime::parse(&text).expect("the text was just written as RFC 3339")
    }

    /// Seconds since 1970.
    pub fn seconds(&self) -> u64 {
        u64::try_from((self.now)().unix_timestamp()).unwrap_or(0)
    }

    /// Milliseconds since 1970.
    pub fn millis(&self) -> u64 {
        u64::try_from((self.now)().unix_timestamp_nanos() / 1_000_000).unwrap_or(0)
    }
}

/// Fresh random bytes from the operating system.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// A fresh random secret.
pub(crate) fn random_secret() -> Secret32 {
    Secret32::from_bytes(random())
}
