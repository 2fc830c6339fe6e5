//! Ages and instants on the database's clock, and what is remembered of its jumps.

use alloc::vec::Vec;
use core::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// An instant on the database's clock.
pub type Timestamp = DateTime<Utc>;

/// A moment of decision: the database's clock, and its jumps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Now.
    pub now: Timestamp,
    /// The jumps that this reaper has noticed.
    pub jumps: ClockJumps,
}

impl Clock {
    /// A clock that never jumped.
    #[must_use]
    pub const fn at(now: Timestamp) -> Self {
        Self { now, jumps: ClockJumps { jumps: Vec::new() } }
    }

    /// How long ago `since` was, jumps taken out. Zero for an instant in the future.
    #[must_use]
    pub fn age(&self, since: Timestamp) -> Duration {
        let apparent = self.now.signed_duration_since(since);
        let real = apparent.checked_sub(&self.jumps.after(since)).unwrap_or(apparent);
        real.to_std().unwrap_or(Duration::ZERO)
    }

    /// The latest instant whose age can have reached `age`: a prefilter that hides nothing, whatever jumps are
    /// taken out of ages.
    #[must_use]
    pub fn latest_with(&self, age: Duration) -> Timestamp {
        let age = TimeDelta::from_std(age).unwrap_or(TimeDelta::MAX);
        let latest = self.now.checked_sub_signed(age).unwrap_or(Timestamp::MIN_UTC);
        latest.checked_add_signed(self.jumps.backward()).unwrap_or(self.now)
    }

    /// When the age of `since` reaches `age`, if the clock does not jump again. `None` past the end of time.
    #[must_use]
    pub fn when(&self, since: Timestamp, age: Duration) -> Option<Timestamp> {
        let age = TimeDelta::from_std(age).ok()?;
        since.checked_add_signed(age)?.checked_add_signed(self.jumps.after(since))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Jump {
    /// Instants before this one were recorded before the jump.
    before: Timestamp,
    /// By how much the clock was moved: positive forward.
    by: TimeDelta,
}

/// Differences between the database's clock and a monotonic one (a step, a suspend).
///
/// Each is kept as an instant and a delta. Ages of instants from before a jump are corrected by it, always so
/// that no grace is cut short: where it cannot be told on which side of a jump an instant was recorded, the
/// younger age is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClockJumps {
    jumps: Vec<Jump>,
}

/// More jumps than this are folded into the oldest, which errs towards younger ages.
const REMEMBERED: usize = 32;

impl ClockJumps {
    /// Compares two readings of the database's clock with the monotonic time between them. A difference above
    /// `tolerance` is remembered and returned, positive where the clock went forward.
    pub fn note(
        &mut self,
        last: Timestamp,
        now: Timestamp,
        elapsed: Duration,
        tolerance: Duration,
    ) -> Option<TimeDelta> {
        let elapsed = TimeDelta::from_std(elapsed).unwrap_or(TimeDelta::MAX);
        let by = now.signed_duration_since(last).checked_sub(&elapsed)?;
        if by.abs().to_std().unwrap_or(Duration::MAX) <= tolerance {
            return None;
        }
        // Forward: nothing was recorded inside the gap, so all that lies before `now` counts as from before.
        // Backward: instants after the earliest reading that the new clock can have given may be either; they
        // count as from after the jump, which leaves them young.
        let before = if by > TimeDelta::zero() { now } else { now.checked_sub_signed(elapsed).unwrap_or(now) };
        self.jumps.push(Jump { before, by });
        if self.jumps.len() > REMEMBERED {
            self.fold_oldest();
        }
        Some(by)
    }

    /// The sum of the jumps since `since`.
    fn after(&self, since: Timestamp) -> TimeDelta {
        self.jumps
            .iter()
            .filter(|jump| since < jump.before)
            .fold(TimeDelta::zero(), |sum, jump| sum.checked_add(&jump.by).unwrap_or(sum))
    }

    /// By how much all backward jumps together can make an age older than it appears.
    fn backward(&self) -> TimeDelta {
        self.jumps
            .iter()
            .filter(|jump| jump.by < TimeDelta::zero())
            .fold(TimeDelta::zero(), |sum, jump| sum.checked_sub(&jump.by).unwrap_or(sum))
    }

    fn fold_oldest(&mut self) {
        let oldest = self.jumps.remove(0);
        // A backward jump makes ages older; forgetting it errs towards younger ones. A forward one must go on
        // counting for at least the instants that it counted for.
        if oldest.by > TimeDelta::zero()
            && let Some(next) = self.jumps.iter_mut().find(|jump| jump.by > TimeDelta::zero())
        {
            next.before = next.before.max(oldest.before);
            next.by = next.by.checked_add(&oldest.by).unwrap_or(next.by);
        }
    }
}
