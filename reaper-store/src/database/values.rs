//! What both databases are given alike.

use std::time::Duration;

use reaper_core::job::Attach;

/// A limit as SQL takes it.
pub(crate) fn sql_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A wait in milliseconds, short enough that its end is an instant.
pub(crate) fn bounded_millis(wait: Duration) -> i64 {
    i64::try_from(wait.as_millis()).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT)
}

/// An attach state as its column has it.
pub(crate) const fn attach(attach: Attach) -> Option<&'static str> {
    match attach {
        Attach::NotSaid => None,
        Attach::Pending => Some("pending"),
        Attach::Done => Some("done"),
    }
}

/// 10,000 years in milliseconds: whatever waits longer waits for ever.
const LONGEST_WAIT: i64 = 315_576_000_000_000;
