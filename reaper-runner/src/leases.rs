//! A reaper's look at lease files, by a clock that is believed as long as it does not jump.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use chrono::TimeDelta;
use reaper_core::Timestamp;

use crate::engine::{Engine, locked};

/// The wall clock beside the monotonic one.
///
/// A step of the wall clock makes every lease older than it is, and so does a sleep, in which no holder could renew. After
/// one, leases are judged by their holders alone until each living holder has had the time to renew.
#[derive(Clone, Debug)]
pub(crate) struct LeaseClock {
    wall: Timestamp,
    monotonic: Duration,
    distrusted_until: Option<Duration>,
}

/// By how much the two clocks may part between two looks: they are read one after the other, and the wall clock is slewed.
const TOLERANCE: Duration = Duration::from_secs(2);

impl LeaseClock {
    /// Begins with these readings, which are believed.
    pub(crate) const fn new(wall: Timestamp, monotonic: Duration) -> Self {
        Self { wall, monotonic, distrusted_until: None }
    }

    /// The wall clock, by which leases that are good for `ttl` may be judged; `None` where they may not.
    pub(crate) fn read(&mut self, wall: Timestamp, monotonic: Duration, ttl: Duration) -> Option<Timestamp> {
        let passed = TimeDelta::from_std(monotonic.saturating_sub(self.monotonic)).unwrap_or(TimeDelta::MAX);
        let jump = wall.signed_duration_since(self.wall).checked_sub(&passed).unwrap_or(TimeDelta::MAX);
        if jump.abs().to_std().is_ok_and(|jump| jump > TOLERANCE) {
            tracing::warn!(
                jump_ms = jump.num_milliseconds(),
                "the wall clock jumped: lease files are judged by their holders alone for a while"
            );
            self.distrusted_until = Some(monotonic.saturating_add(ttl));
        }
        (self.wall, self.monotonic) = (wall, monotonic);
        let is_believed = self.distrusted_until.is_none_or(|until| monotonic >= until);
        is_believed.then_some(wall)
    }
}

impl Engine {
    /// Removes stale lease files where that is switched on, and says which.
    pub(crate) fn reclaim_leases(&self) -> Vec<std::path::PathBuf> {
        let Some(leases) = self.parts.leases.as_ref().filter(|_| self.settings.reclaim_leases) else {
            return Vec::new();
        };
        let time = &self.parts.time;
        let now = locked(&self.lease_clock).read(time.wall(), time.monotonic(), leases.ttl());
        let reclaimed = catch_unwind(AssertUnwindSafe(|| leases.reclaim(now))).unwrap_or_default();
        for problem in &reclaimed.problems {
            tracing::warn!(problem, "a lease file was left alone");
        }
        for path in &reclaimed.removed {
            tracing::info!(path = %path.display(), "removed a stale lease file");
        }
        reclaimed.removed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(600);

    fn wall(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    const fn after(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_clock_that_goes_on_is_believed() {
        let mut clock = LeaseClock::new(wall(1000), after(0));
        for second in [0, 1, 60, 100_000] {
            let now = wall(1000 + i64::try_from(second).unwrap());
            assert_eq!(clock.read(now, after(second), TTL), Some(now));
        }
        assert!(clock.read(wall(101_001), after(100_000), TTL).is_some(), "a second is no jump");
    }

    #[test]
    fn after_a_step_it_is_believed_once_every_holder_can_have_renewed() {
        for step in [3600, -3600] {
            let mut clock = LeaseClock::new(wall(10_000), after(0));
            assert_eq!(clock.read(wall(10_060 + step), after(60), TTL), None, "by {step}");
            assert_eq!(clock.read(wall(10_659 + step), after(659), TTL), None);
            assert_eq!(clock.read(wall(10_660 + step), after(660), TTL), Some(wall(10_660 + step)));
        }
    }

    #[test]
    fn after_a_sleep_no_holder_can_have_renewed() {
        let mut clock = LeaseClock::new(wall(10_000), after(0));
        assert_eq!(clock.read(wall(20_000), after(1), TTL), None, "the monotonic clock stood still");
        assert_eq!(clock.read(wall(20_600), after(601), TTL), Some(wall(20_600)));
    }
}
