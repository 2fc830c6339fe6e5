//! The one place that reads clocks.

use std::{fmt::Debug, time::Duration};

use reaper_core::Timestamp;

/// The clocks of this machine. Decisions use the database's; these only pace the loop and notice jumps.
pub trait Time: Debug + Send + Sync {
    /// Monotonic time since some instant. Stands still while the machine sleeps, so that a sleep shows as a
    /// difference to the database's clock.
    fn monotonic(&self) -> Duration;

    /// The wall clock, for reports.
    fn wall(&self) -> Timestamp;
}

/// The operating system's clocks.
#[derive(Debug)]
pub struct SystemTime {
    start: std::time::Instant,
}

impl SystemTime {
    /// Starts the monotonic clock at zero.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a default that reads a clock would hide that it does")]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads clocks")]
    pub fn new() -> Self {
        Self { start: std::time::Instant::now() }
    }
}

impl Time for SystemTime {
    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads clocks")]
    fn wall(&self) -> Timestamp {
        std::time::SystemTime::now().into()
    }
}
