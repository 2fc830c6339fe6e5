//! The decision: facts in, action out. Total, deterministic, without I/O.
//!
//! A job is acted on **if and only if** its exit is recorded and its monitor has had its grace (or is certainly
//! dead), or it has no exit and its executor is dead for certain, dead long enough, over its ceiling, or never
//! started. What cannot be known keeps a job where it is.
//!
//! The way through: the facts become a few small enums ([`facts`]), one exhaustive match over them names the rule
//! and its course ([`table`]), and [`course`] applies the gate's verdict, the caps, the exit policy and the choice
//! for overruns.

mod course;
mod facts;
mod table;

use alloc::string::String;
use core::{fmt, time::Duration};

pub use facts::{Age, Executor, ExitFact, Facts, Monitor, State, Streak};
pub use table::Course;

use crate::{AdvanceOrder, Clock, JobSnapshot, Observation, Policy, Timestamp, job::Basis};

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

/// Why a job is failed rather than requeued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum FailCause {
    /// The exit policy says that another attempt is pointless.
    FatalExit,
    /// It was taken as often as it may be.
    AttemptsExhausted,
    /// It was requeued by reapers as often as it may be.
    RescuesExhausted,
}

impl FailCause {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FatalExit => "fatal_exit",
            Self::AttemptsExhausted => "attempts_exhausted",
            Self::RescuesExhausted => "rescues_exhausted",
        }
    }
}

/// What is to be done with a job.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Action {
    /// Nothing.
    Keep,
    /// Ask this gate, and decide again with its verdict.
    AskGate {
        /// The gate that guards leaving the task's stage.
        gate: String,
    },
    /// Announce, under the fence, that the executor will be stopped; whoever wins that stops it.
    Terminate,
    /// Back to `queued`, to be taken again after a backoff.
    Requeue,
    /// To `failed`.
    Fail {
        /// Why it is not requeued.
        cause: FailCause,
    },
    /// To `done`.
    Done {
        /// The task's move, where its stage is still to be left.
        advance: Option<AdvanceOrder>,
    },
    /// The late finish of a queued job is put aside: its gate is red.
    Dismiss,
}

impl Action {
    /// The word for it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::AskGate { .. } => "ask_gate",
            Self::Terminate => "terminate",
            Self::Requeue => "requeue",
            Self::Fail { .. } => "fail",
            Self::Done { .. } => "done",
            Self::Dismiss => "dismiss",
        }
    }

    /// Whether it is carried out by a claim.
    #[must_use]
    pub const fn is_claim(&self) -> bool {
        !matches!(self, Self::Keep | Self::AskGate { .. })
    }
}

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

/// The figures that a decision compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Figures {
    /// The age of the exit, where one is recorded.
    pub exit_age: Option<Duration>,
    /// How long an exit is left to its monitor.
    pub finalize_grace: Duration,
    /// The age of the attempt, where its beginning is known.
    pub running_age: Option<Duration>,
    /// The ceiling.
    pub max_running: Duration,
    /// How long an attempt may show no sign of having started.
    pub start_timeout: Option<Duration>,
    /// In how many ticks in a row the executor was seen dead.
    pub dead_ticks: u32,
    /// In how many it must be.
    pub dead_ticks_needed: u32,
    /// How often the job was taken.
    pub attempts: u32,
    /// How often it may be.
    pub max_attempts: u32,
    /// How often it was requeued by reapers.
    pub rescues: u32,
    /// How often it may be.
    pub max_rescues: u32,
}

/// A decision with all that it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Decision {
    /// What is to be done.
    pub action: Action,
    /// The rule that fired.
    pub rule: Rule,
    /// Why it led to that action.
    pub reason: Reason,
    /// The facts that the claim's guard repeats.
    pub basis: Basis,
    /// The figures that were compared.
    pub figures: Figures,
    /// The earliest instant, later than now, at which the answer could change with no new fact. `None`: never.
    pub review_at: Option<Timestamp>,
}

/// Decides what is to be done with a job, from its row, from what was seen of it, and from the clock.
#[must_use]
pub fn decide(job: &JobSnapshot, seen: &Observation, clock: &Clock, policy: &Policy) -> Decision {
    let facts = Facts::of(job, seen, clock, policy);
    let (rule, course) = table::course(&facts);
    let (action, reason) = course::follow(course, rule, &facts, job, seen, clock, policy);
    Decision {
        action,
        rule,
        reason,
        basis: job.basis(),
        figures: facts::figures(job, seen, clock, policy),
        review_at: facts::review_at(job, seen, clock, policy),
    }
}
