//! Named points in the durable steps of server and agent, at which a test holds a process and kills it.
//!
//! Without the feature `failpoints`, which tests alone turn on, [`fail_point!`] is nothing: no code, no name, no environment variable.
//!
//! ```text
//! CUSTODIA_FAIL_AT=agent.outbox.sent:2    the second time that this point is reached
//! CUSTODIA_FAIL_AT=*:17                   the seventeenth time that any point is reached
//! ```
//! The process then says `fail point <name>` on standard error and stands still until it is killed; it never goes on.

/// Marks a moment between two durable steps; a literal name, so that it is found by a search.
#[cfg(not(feature = "failpoints"))]
#[macro_export]
macro_rules! fail_point {
    ($name:literal) => {};
}

/// Marks a moment between two durable steps; a literal name, so that it is found by a search.
#[cfg(feature = "failpoints")]
#[macro_export]
macro_rules! fail_point {
    ($name:literal) => {
        $crate::reached($name)
    };
}

#[cfg(feature = "failpoints")]
pub use reaching::reached;

#[cfg(feature = "failpoints")]
mod reaching {
    use std::io::Write as _;
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    /// The point and the count that the environment names; none if it names none.
    static WANTED: LazyLock<Option<(String, u64)>> = LazyLock::new(|| {
        let text = std::env::var("CUSTODIA_FAIL_AT").ok()?;
        let (name, count) = text.rsplit_once(':')?;
        Some((name.to_owned(), count.parse().ok()?))
    });

    static REACHED: AtomicU64 = AtomicU64::new(0);

    /// Stands still if this is the moment that the environment names.
    pub fn reached(name: &str) {
        let Some((wanted, count)) = &*WANTED else { return };
        if (wanted != "*" && wanted != name) || REACHED.fetch_add(1, Ordering::SeqCst) + 1 != *count {
            return;
        }
        let _ = writeln!(std::io::stderr(), "fail point {name}");
        // Whoever asked kills the process now. If nobody does, it ends, and no step after this one is ever taken.
        std::thread::sleep(Duration::from_mins(1));
        std::process::abort();
    }
}
