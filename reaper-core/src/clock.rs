//! Ages and instants on the database's clock, and what is remembered of its jumps.

use alloc::vec::Vec;
use core::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

#[cfg(test)]
mod tests;

/// An instant on the database's clock.
pub type Timestamp = DateTime<Utc>;

/// A moment of decision: the database's clock, and its jumps.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
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
        Self { now, jumps: ClockJumps { jumps: Vec::new(), creep: TimeDelta::zero() } }
    }

    /// How long ago `since` was, jumps taken out. Zero for an instant in the future.
    #[must_use]
    pub fn age(&self, since: Timestamp) -> Duration {
        let apparent = self.now.signed_duration_since(since);
        let real = apparent.checked_sub(&self.jumps.after(since)).unwrap_or(apparent);
        real.to_std().unwrap_or(Duration::ZERO)
    }

    /// The latest instant whose age can have reached `age`: a prefilter that hides nothing, whatever jumps are
    /// taken out of ages. Every instant has reached the age zero, those in the future too.
    #[must_use]
    pub fn latest_with(&self, age: Duration) -> Timestamp {
        if age.is_zero() {
            return Timestamp::MAX_UTC;
        }
        let age = TimeDelta::from_std(age).unwrap_or(TimeDelta::MAX);
        let latest = self.now.checked_sub_signed(age).unwrap_or(Timestamp::MIN_UTC);
        latest.checked_add_signed(self.jumps.backward()).unwrap_or(Timestamp::MAX_UTC)
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
    /// The latest reading that the clock can have given before the jump.
    last_before: Timestamp,
    /// The earliest reading that it can have given after.
    first_after: Timestamp,
    /// By how much the clock was moved: positive forward.
    by: TimeDelta,
}

/// Differences between the database's clock and a monotonic one (a step, a suspend).
///
/// The jumps cut the clock's past into stretches, and an instant is corrected by the jumps that came after its
/// own stretch. A clock that went backward gives some readings twice; then the stretch is taken that makes the
/// age youngest, so that no grace is cut short. What creeps in below the tolerance is added up and remembered
/// once it is above it.
///
/// **Invariant:** no age exceeds the time that has truly passed by more than the tolerance that jumps were noted
/// with, provided that between two readings the clock jumps once at most. (Two jumps between them are seen as
/// their sum, and instants from between the two cannot be told apart.)
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ClockJumps {
    /// The oldest first.
    jumps: Vec<Jump>,
    /// How far the clock has gone forward by differences that were each within the tolerance.
    creep: TimeDelta,
}

/// More jumps than this are folded into the oldest, which errs towards younger ages.
const REMEMBERED: usize = 32;

impl ClockJumps {
    /// Compares two readings of the database's clock with the monotonic time between them. A difference above
    /// `tolerance`, or a sum of smaller ones that has grown above it, is remembered and returned, positive where
    /// the clock went forward.
    pub fn note(
        &mut self,
        last: Timestamp,
        now: Timestamp,
        elapsed: Duration,
        tolerance: Duration,
    ) -> Option<TimeDelta> {
        let elapsed = TimeDelta::from_std(elapsed).unwrap_or(TimeDelta::MAX);
        let tolerance = TimeDelta::from_std(tolerance).unwrap_or(TimeDelta::MAX);
        let by = now.signed_duration_since(last).checked_sub(&elapsed)?;
        let first_after = now.checked_sub_signed(elapsed).unwrap_or(Timestamp::MIN_UTC);
        let jump = if by.abs() > tolerance {
            let last_before = last.checked_add_signed(elapsed).unwrap_or(Timestamp::MAX_UTC);
            Jump { last_before, first_after, by }
        } else {
            // A creep backward is let go: it could only make ages older.
            self.creep = self.creep.checked_add(&by).unwrap_or(self.creep).max(TimeDelta::zero());
            if self.creep <= tolerance {
                return None;
            }
            // When it crept in is not known: all instants so far count as from before.
            Jump { last_before: now, first_after, by: core::mem::take(&mut self.creep) }
        };
        self.jumps.push(jump);
        if self.jumps.len() > REMEMBERED {
            self.fold_oldest();
        }
        Some(jump.by)
    }

    /// The sum of the jumps since `since`: the largest of those that can be meant.
    fn after(&self, since: Timestamp) -> TimeDelta {
        let possible = self.stretches().filter(|stretch| stretch.from <= since && since <= stretch.until);
        possible
            .map(|stretch| stretch.later)
            .max()
            // No stretch has such a reading: another clock's. The youngest age is taken.
            .or_else(|| self.stretches().map(|stretch| stretch.later).max())
            .unwrap_or_default()
    }

    /// By how much the jumps can make an age older than it appears.
    fn backward(&self) -> TimeDelta {
        let youngest = self.stretches().map(|stretch| stretch.later).min().unwrap_or_default();
        // The latest stretch has none after it, so that this is at most zero.
        TimeDelta::zero().checked_sub(&youngest).unwrap_or(TimeDelta::MAX)
    }

    /// The stretches between the jumps, the latest first.
    fn stretches(&self) -> impl Iterator<Item = Stretch> {
        let beginnings = self.jumps.iter().rev().map(Some).chain(core::iter::once(None));
        let latest = Stretch { from: Timestamp::MIN_UTC, until: Timestamp::MAX_UTC, later: TimeDelta::zero() };
        beginnings.scan(latest, |next, beginning| {
            let stretch = Stretch { from: beginning.map_or(Timestamp::MIN_UTC, |jump| jump.first_after), ..*next };
            if let Some(jump) = beginning {
                let later = next.later.checked_add(&jump.by).unwrap_or(next.later);
                *next = Stretch { from: Timestamp::MIN_UTC, until: jump.last_before, later };
            }
            Some(stretch)
        })
    }

    /// The two oldest stretches become one, corrected by whatever makes ages younger.
    fn fold_oldest(&mut self) {
        let oldest = self.jumps.remove(0);
        if let Some(next) = self.jumps.first_mut() {
            next.last_before = next.last_before.max(oldest.last_before);
            next.by = next.by.checked_add(&oldest.by.max(TimeDelta::zero())).unwrap_or(next.by);
        }
    }
}

/// A time between two jumps.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    /// The earliest reading that it can have.
    from: Timestamp,
    /// The latest.
    until: Timestamp,
    /// The sum of the jumps after it.
    later: TimeDelta,
}
