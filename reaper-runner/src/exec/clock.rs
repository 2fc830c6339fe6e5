//! The clock by which attempts are bound to their node.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Time since the boot of this machine, sleep included where the system counts it: another host's clock does not stand
/// still while this one sleeps.
pub(crate) fn boottime() -> Duration {
    #[cfg(target_os = "linux")]
    let now = clock_gettime(ClockId::Boottime);
    #[cfg(not(target_os = "linux"))]
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or_default())
}
