//! The time, passed in: tests set it, and nothing else in this crate asks the machine.

use std::time::{SystemTime, UNIX_EPOCH};

use custodia_core::time::LogTime;

/// Says what time it is.
pub trait Clock: Send + Sync {
    /// The time now. It may step back; the log's times do not.
    fn now(&self) -> LogTime;
}

/// The machine's clock. A time before 1970 or after 9999 reads as 1970: then every signed request is refused for its clock.
#[derive(Debug, Clone, Copy)]
pub struct MachineClock;

impl Clock for MachineClock {
    fn now(&self) -> LogTime {
        let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_millis());
        let first = LogTime::from_millis(0).expect("1970 is before 9999");
        u64::try_from(millis).ok().and_then(|millis| LogTime::from_millis(millis).ok()).unwrap_or(first)
    }
}
