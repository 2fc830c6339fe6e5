//! Crash loops: how often an agent's attempts may die young before what is requeued of it has to wait.
//!
//! A death is seen in milliseconds, so an agent that is broken would spin: taken, dead, requeued, taken. Its jobs are put
//! off **if and only if** more than so many of its attempts have died young within a period. That delays no settlement; it
//! says how much later the requeued job may be taken again. The jobs that are put off come back one by one, no faster
//! than the intensity allows, and so each of them tries whether it is over.
//!
//! An attempt died young if it lived shorter than the period's share of one crash: a job that lives longer than that can
//! be requeued for ever without being a loop, and a host that falls over kills old and young.

use core::{fmt, time::Duration};

use crate::{Backoff, Timestamp};

#[cfg(test)]
mod tests;

/// How many attempts of an agent may die young in a period. Written `20/10m` in a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Intensity {
    /// So many.
    pub crashes: u32,
    /// In so long.
    pub period: Duration,
}

impl Default for Intensity {
    /// 20 in 10 min: an attempt that lived shorter than 30 s died young.
    fn default() -> Self {
        Self { crashes: 20, period: Duration::from_secs(600) }
    }
}

/// How many periods a job is put off at most.
const LONGEST: u32 = 6;

impl Intensity {
    /// The period's share of one crash: attempts that lived shorter died young, and jobs that are put off come back so far
    /// apart.
    #[must_use]
    pub fn share(&self) -> Duration {
        self.period.checked_div(self.crashes).unwrap_or(self.period)
    }

    /// The longest that a job is put off: six periods.
    #[must_use]
    pub const fn longest(&self) -> Duration {
        self.period.saturating_mul(LONGEST)
    }

    /// How far back crashes matter.
    #[must_use]
    pub const fn memory(&self) -> Duration {
        self.period.saturating_add(self.longest())
    }

    /// How many of the latest crashes matter: more of them say no more than that all waits are the longest.
    #[must_use]
    pub fn remembered(&self) -> usize {
        let periods = LONGEST.saturating_add(1);
        usize::try_from(self.crashes.saturating_mul(periods)).unwrap_or(usize::MAX).saturating_add(1)
    }
}

impl fmt::Display for Intensity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.crashes, crate::Span(self.period))
    }
}

/// What one more crash comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crash {
    /// How long the job is put off; zero while the crashes are within the intensity.
    pub wait: Duration,
    /// The instant from which its episode is known, where this crash is the first over the intensity.
    pub begins: Option<Timestamp>,
}

/// The crashes of one agent: a vessel into which each pours its share, and that runs empty as time passes.
///
/// Within the period's content nothing overflows. What stands above it is how long the latest job is put off. An episode
/// begins when it overflows and is over when it has run empty, so that one that smoulders is one episode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrashLoop {
    intensity: Intensity,
    content: Duration,
    /// When the vessel was last found empty, and the instant of the latest crash.
    since: Option<(Timestamp, Timestamp)>,
    over: bool,
}

impl CrashLoop {
    /// Without any crash.
    #[must_use]
    pub const fn new(intensity: Intensity) -> Self {
        Self { intensity, content: Duration::ZERO, since: None, over: false }
    }

    /// After the crashes at these instants, the oldest first.
    #[must_use]
    pub fn after(intensity: Intensity, crashes: impl IntoIterator<Item = Timestamp>) -> Self {
        let mut crash_loop = Self::new(intensity);
        for at in crashes {
            let _told_before = crash_loop.crash(at, 0);
        }
        crash_loop
    }

    /// One more crash. `seed` spreads the waits of those that would all wait the longest.
    pub fn crash(&mut self, at: Timestamp, seed: u64) -> Crash {
        let Intensity { period, .. } = self.intensity;
        let passed = self.since.map(|(_, latest)| at.signed_duration_since(latest).to_std().unwrap_or_default());
        self.content = self.content.saturating_sub(passed.unwrap_or_default());
        let empty_since = self.since.filter(|_| !self.content.is_zero()).map_or(at, |(empty, _)| empty);
        self.over &= !self.content.is_zero();
        self.since = Some((empty_since, at));
        let full = self.intensity.memory();
        self.content = self.content.saturating_add(self.intensity.share()).min(full);
        let begins = (!self.over && self.content > period).then_some(empty_since);
        self.over |= begins.is_some();
        let wait = if self.content == full {
            let longest = self.intensity.longest();
            Backoff { base: longest, max: longest }.delay(0, seed)
        } else {
            self.content.saturating_sub(period)
        };
        Crash { wait, begins }
    }

    /// Whether an episode is on, as of the latest crash.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.over
    }
}
