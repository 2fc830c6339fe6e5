//! The rules by name and number.

use core::fmt;

/// The rules, in the order in which they are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Rule {
    /// 0: not running. Only a late finish is acted on.
    NotRunning,
    /// 1: an exit younger than the grace, and the monitor is not certainly dead.
    Finalizing,
    /// 2: an exit 0.
    ExitZero,
    /// 3: an exit other than 0.
    ExitNonzero,
    /// 4: no exit, over the ceiling.
    Ceiling,
    /// 5: no exit, and nobody is left who could record one.
    NobodyLeft,
    /// 6: no exit, the executor dead in enough ticks in a row.
    ExecutorDead,
    /// 7: no exit, the executor dead, not often enough yet.
    ShortStreak,
    /// 8: no exit and no sign of having started, for too long.
    NeverStarted,
    /// 9: alive, or not to be told.
    AliveOrUnknown,
}

impl Rule {
    /// Every rule, in order.
    pub const ALL: [Self; 10] = [
        Self::NotRunning,
        Self::Finalizing,
        Self::ExitZero,
        Self::ExitNonzero,
        Self::Ceiling,
        Self::NobodyLeft,
        Self::ExecutorDead,
        Self::ShortStreak,
        Self::NeverStarted,
        Self::AliveOrUnknown,
    ];

    /// Its number in the table of rules.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::NotRunning => 0,
            Self::Finalizing => 1,
            Self::ExitZero => 2,
            Self::ExitNonzero => 3,
            Self::Ceiling => 4,
            Self::NobodyLeft => 5,
            Self::ExecutorDead => 6,
            Self::ShortStreak => 7,
            Self::NeverStarted => 8,
            Self::AliveOrUnknown => 9,
        }
    }

    /// Its name, as events and reports give it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotRunning => "not_running",
            Self::Finalizing => "finalizing",
            Self::ExitZero => "exit_zero",
            Self::ExitNonzero => "exit_nonzero",
            Self::Ceiling => "ceiling",
            Self::NobodyLeft => "nobody_left",
            Self::ExecutorDead => "executor_dead",
            Self::ShortStreak => "short_streak",
            Self::NeverStarted => "never_started",
            Self::AliveOrUnknown => "alive_or_unknown",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
