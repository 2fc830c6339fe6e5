//! What became of an attempt that a worker ran.

use reaper_core::Attempt;
use reaper_store::attempts::Taken;
use serde::{Deserialize, Serialize};

use super::{running::Exit, spool::StoppedFor};

/// How it ended for the job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is", content = "why")]
pub enum End {
    /// The job is done, and its task moves on if it was to.
    Done,
    /// The job is queued again, for this reason.
    Requeued(String),
    /// The job has failed, for this reason.
    Failed(String),
    /// The attempt was taken away: somebody else has settled it. Its command was stopped if it still ran.
    TakenAway,
    /// The exit is recorded or spooled, and finishing is left to the reapers, for this reason.
    Left(String),
}

/// An attempt that a worker ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    /// The attempt.
    pub attempt: Attempt,
    /// Who did the work.
    pub agent: String,
    /// The exit code, or `-n` where signal `n` ended the command; `None` where it was never let go. 126 and 127 also say
    /// that it could not be started.
    pub code: Option<i32>,
    /// Why the supervisor stopped it, if it did.
    pub stopped_for: Option<StoppedFor>,
    /// The end of what it printed.
    pub tail: String,
    /// Hooks that did not end well, each as its command and what is wrong.
    pub hooks_failed: Vec<(String, String)>,
    /// What became of the job.
    pub end: End,
}

impl Execution {
    /// How a taken attempt ended, before any hook has run. `code` is none where the command was never let go, whatever
    /// was spooled of it.
    pub(super) fn of(taken: &Taken, code: Option<i32>, exit: Option<Exit>, end: End) -> Self {
        let (stopped_for, tail) = exit.map_or_else(Default::default, |exit| (exit.stopped_for, exit.tail));
        Self {
            attempt: taken.job.attempt.clone(),
            agent: taken.job.agent.clone(),
            code,
            stopped_for,
            tail,
            hooks_failed: Vec::new(),
            end,
        }
    }
}
