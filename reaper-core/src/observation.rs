//! What a pass has seen of an attempt, and what is remembered of it from pass to pass.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};

use crate::{Attempt, Liveness, Sighting};

#[cfg(test)]
mod tests;

/// What a quality gate says about a task that wants to leave its stage.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Verdict {
    /// It may leave.
    Green,
    /// It may not; with the gate's reason.
    Red(String),
    /// The gate could not say (an error, its time limit); with the reason. Never treated as red or green.
    Undecided(String),
}

impl Verdict {
    /// The name without the reason, as reports print it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Red(_) => "red",
            Self::Undecided(_) => "undecided",
        }
    }
}

/// What this pass has seen of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Observation {
    /// The executor.
    pub executor: Sighting,
    /// The monitor.
    pub monitor: Sighting,
    /// In how many ticks in a row, this one included, the executor was seen dead.
    pub dead_ticks: u32,
    /// The gate's verdict for this attempt and this visit of its task to its stage, if one was asked for.
    pub verdict: Option<Verdict>,
    /// Whether the kernel is known to have killed the executor for want of memory.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "core::ops::Not::not"))]
    pub out_of_memory: bool,
}

impl Observation {
    /// Nothing was looked at: both processes unknown, no streak, no verdict.
    pub const NONE: Self = Self {
        executor: Sighting::NOTHING_RECORDED,
        monitor: Sighting::NOTHING_RECORDED,
        dead_ticks: 0,
        verdict: None,
        out_of_memory: false,
    };
}

/// What started a pass. Only ticks raise streaks: two unrelated deaths a millisecond apart, each of which
/// wakes the loop, are not two ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum PassKind {
    /// The interval.
    Tick,
    /// Anything else: a death, a verdict, a `review_at`.
    Wake,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Streak {
    ticks: u32,
    /// The tick in which it was raised last.
    raised_in: u64,
}

/// More attempts that were killed for want of memory are not remembered: who has so many is told so by the others.
const REMEMBERED: usize = 10_000;

/// The streaks of dead observations, one per attempt; and what was said of how attempts ended.
///
/// **Invariant:** a streak of `n` means that the attempt's executor was seen dead in each of the `n` latest
/// ticks. Whatever breaks that row clears it: alive, unknown, a probe that failed, a tick that did not look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Observations {
    tick: u64,
    streaks: BTreeMap<Attempt, Streak>,
    out_of_memory: BTreeSet<Attempt>,
}

impl Observations {
    /// Begins a pass. A tick drops the streaks that the tick before it did not raise.
    pub fn begin(&mut self, kind: PassKind) {
        if kind == PassKind::Tick {
            let last = self.tick;
            self.streaks.retain(|_, streak| streak.raised_in == last);
            self.tick = last.wrapping_add(1);
        }
    }

    /// Takes down what was seen of an attempt's executor, and answers with its streak, this pass included.
    /// Looking twice in one tick counts once. A wake raises nothing, and finds no streak that the latest tick
    /// did not raise.
    pub fn see(&mut self, kind: PassKind, attempt: &Attempt, executor: Liveness) -> u32 {
        if !matches!(executor, Liveness::Dead(_)) {
            self.streaks.remove(attempt);
            return 0;
        }
        let raised = |streak: &Streak| streak.raised_in == self.tick;
        match (self.streaks.get_mut(attempt), kind) {
            (Some(streak), _) if raised(streak) => streak.ticks,
            (Some(streak), PassKind::Tick) => {
                streak.ticks = streak.ticks.saturating_add(1);
                streak.raised_in = self.tick;
                streak.ticks
            }
            (None, PassKind::Tick) => {
                self.streaks.insert(attempt.clone(), Streak { ticks: 1, raised_in: self.tick });
                1
            }
            (Some(_) | None, PassKind::Wake) => 0,
        }
    }

    /// Forgets one attempt: its probe failed, or it is settled.
    pub fn forget(&mut self, attempt: &Attempt) {
        self.streaks.remove(attempt);
        self.out_of_memory.remove(attempt);
    }

    /// Takes down attempts that the kernel is known to have killed for want of memory, until they are settled.
    pub fn note_out_of_memory(&mut self, attempts: Vec<Attempt>) {
        let room = REMEMBERED.saturating_sub(self.out_of_memory.len());
        self.out_of_memory.extend(attempts.into_iter().take(room));
    }

    /// Whether that is known of an attempt.
    #[must_use]
    pub fn is_out_of_memory(&self, attempt: &Attempt) -> bool {
        self.out_of_memory.contains(attempt)
    }

    /// Forgets everything: the clock jumped, the host was asleep, the database did not answer.
    pub fn clear(&mut self) {
        self.streaks.clear();
        self.out_of_memory.clear();
    }

    /// How many attempts have a streak.
    #[must_use]
    pub fn count(&self) -> usize {
        self.streaks.len()
    }

    /// The attempts that were seen dead and are not yet settled or cleared.
    #[must_use]
    pub fn suspects(&self) -> Vec<Attempt> {
        self.streaks.keys().cloned().collect()
    }
}
