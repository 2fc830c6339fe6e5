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

impl Rule {
    /// When it holds, given that none before it does: its row in the table of rules.
    #[must_use]
    pub const fn when(self) -> &'static str {
        match self {
            Self::NotRunning => "not running, and no late finish in its grace",
            Self::Finalizing => "an exit younger than `finalize_grace`, and the monitor is not a verified death",
            Self::ExitZero => "exit 0",
            Self::ExitNonzero => "an exit other than 0",
            Self::Ceiling => "no exit, past `max_running`",
            Self::NobodyLeft => "no exit, the monitor a verified death, the executor one too or never let go",
            Self::ExecutorDead => "no exit, the executor dead in `dead_ticks` ticks in a row",
            Self::ShortStreak => "no exit, the executor dead, in fewer ticks",
            Self::NeverStarted => "no exit, no pid, no identity, no beat, past `start_timeout`",
            Self::AliveOrUnknown => "no exit, the executor alive or not to be told",
        }
    }

    /// What follows from it.
    #[must_use]
    pub const fn then(self) -> &'static str {
        match self {
            Self::NotRunning => "kept; a late finish past its grace: as 2, and red puts it aside",
            Self::Finalizing | Self::ShortStreak | Self::AliveOrUnknown => "kept",
            Self::ExitZero => "the gate is asked; green: `done` and advance; red: as 3; undecided: kept",
            Self::ExitNonzero => "requeued; `failed` where the exit policy or a cap says so",
            Self::Ceiling => "as 3; a process that is provably alive is stopped first",
            Self::NobodyLeft => "as 3, in this very pass",
            Self::ExecutorDead | Self::NeverStarted => "as 3",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
