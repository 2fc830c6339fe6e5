//! Why a rule led to its action.

use core::fmt;

/// Why the rule that fired led to its action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Reason {
    /// The job is not running.
    NotRunning,
    /// The exit is young: the monitor may still be finalising.
    Finalizing,
    /// The job belongs to no task: nothing is to be left.
    NoTask,
    /// The task has left the agent's stages already.
    AlreadyAdvanced,
    /// No gate guards the stage.
    NoGate,
    /// The gate has not been asked yet.
    GateNotAsked,
    /// The gate says that the task may leave.
    GateGreen,
    /// The gate says that it may not.
    GateRed,
    /// The gate could not say.
    GateUndecided,
    /// The pipeline does not know the agent.
    UnknownAgent,
    /// The pipeline does not know the stage.
    UnknownStage,
    /// The task stands before the agent's stages.
    StageBefore,
    /// The task's row is gone.
    TaskMissing,
    /// The exit is not 0.
    ExitNonzero,
    /// The attempt is over its ceiling.
    OverCeiling,
    /// Over the ceiling, and still its own host's to settle.
    OverCeilingElsewhere,
    /// The process that stands in the way is to be left alone.
    Held,
    /// A stop of the process is under way.
    Terminating,
    /// Monitor and executor are certainly dead.
    NobodyLeft,
    /// The executor was seen dead often enough.
    ExecutorDead,
    /// The executor was seen dead, not often enough yet.
    ShortStreak,
    /// The attempt shows no sign of having started.
    NeverStarted,
    /// The executor is alive.
    Alive,
    /// The executor is gone, processes of its session live on.
    Leftovers,
    /// The executor was never let go, and its monitor may still do so.
    NotLetGo,
    /// Another host's reaper watches it.
    Elsewhere,
    /// Nothing is known that would allow a decision.
    Unknown,
}

impl Reason {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotRunning => "not_running",
            Self::Finalizing => "finalizing",
            Self::NoTask => "no_task",
            Self::AlreadyAdvanced => "already_advanced",
            Self::NoGate => "no_gate",
            Self::GateNotAsked => "gate_not_asked",
            Self::GateGreen => "gate_green",
            Self::GateRed => "gate_red",
            Self::GateUndecided => "gate_undecided",
            Self::UnknownAgent => "unknown_agent",
            Self::UnknownStage => "unknown_stage",
            Self::StageBefore => "stage_before",
            Self::TaskMissing => "task_missing",
            Self::ExitNonzero => "exit_nonzero",
            Self::OverCeiling => "over_ceiling",
            Self::OverCeilingElsewhere => "over_ceiling_elsewhere",
            Self::Held => "held",
            Self::Terminating => "terminating",
            Self::NobodyLeft => "nobody_left",
            Self::ExecutorDead => "executor_dead",
            Self::ShortStreak => "short_streak",
            Self::NeverStarted => "never_started",
            Self::Alive => "alive",
            Self::Leftovers => "leftovers",
            Self::NotLetGo => "not_let_go",
            Self::Elsewhere => "elsewhere",
            Self::Unknown => "unknown",
        }
    }

    /// What it says, as the end of a sentence that begins with the action.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::NotRunning => "it is not running",
            Self::Finalizing => "its exit is young, the monitor may still be finalising",
            Self::NoTask => "its work is done, it belongs to no task",
            Self::AlreadyAdvanced => "its work is done, its task was moved on already",
            Self::NoGate => "its work is done, no gate guards the stage",
            Self::GateNotAsked => "its work is done, the gate was not asked yet",
            Self::GateGreen => "its work is done, the gate is green",
            Self::GateRed => "it exited with 0, and the gate is red",
            Self::GateUndecided => "the gate could not say; it is asked again",
            Self::UnknownAgent => "the pipeline does not know its agent",
            Self::UnknownStage => "the pipeline does not know its task's stage",
            Self::StageBefore => "its task stands before the stages of its agent",
            Self::TaskMissing => "its task's row is gone",
            Self::ExitNonzero => "it exited with another code than 0",
            Self::OverCeiling => "it runs past its ceiling",
            Self::OverCeilingElsewhere => "it runs past its ceiling, and its own host's reaper comes first",
            Self::Held => "the policy says to hold it for a person",
            Self::Terminating => "its processes are being stopped",
            Self::NobodyLeft => "nobody is left who could record its exit",
            Self::ExecutorDead => "its executor is dead",
            Self::ShortStreak => "its executor was not yet seen dead often enough",
            Self::NeverStarted => "it shows no sign of having started",
            Self::Alive => "its executor is alive",
            Self::Leftovers => "processes of its executor's session live on",
            Self::NotLetGo => "its executor is still to be started",
            Self::Elsewhere => "another host's reaper watches it",
            Self::Unknown => "nobody can tell whether its executor lives",
        }
    }

    /// Whether a job that is kept for this reason needs a person: no passing of time and no process's fate
    /// will settle it.
    #[must_use]
    pub const fn needs_a_person(self) -> bool {
        matches!(
            self,
            Self::UnknownAgent | Self::UnknownStage | Self::StageBefore | Self::TaskMissing | Self::Held
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
