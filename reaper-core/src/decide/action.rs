//! What a decision wants done.

use alloc::string::String;

use crate::AdvanceOrder;

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

    /// What it says, as the middle of a sentence.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::FatalExit => "no retry after such an exit",
            Self::AttemptsExhausted => "its attempts are spent",
            Self::RescuesExhausted => "its rescues are spent",
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
