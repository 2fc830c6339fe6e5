//! The guard of a write: whether the row, at the moment of the write, is still the one that was decided on.
//!
//! It holds **if and only if** the row stands under the claim's fence with every value of the claim's basis, and meets
//! what the settlement demands beside them. It reads nothing and writes nothing. The store in memory asks these
//! functions; the databases say the same in the condition of their UPDATE, and one suite holds all of them to it.

use reaper_core::{Attempt, JobSnapshot, Mode, Status, job::Basis};

use crate::{Claim, Settlement, claims::Actor};

/// A job's own columns at the moment of a write, as far as a guard looks at them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The job, and the fence that stands on its row.
    pub attempt: Attempt,
    /// The facts that stand on it.
    pub basis: Basis,
    /// How often it was taken. Signed, as the column is.
    pub attempts: i64,
    /// How often it may be.
    pub max_attempts: i64,
    /// How often it was requeued by a reaper.
    pub rescues: u32,
    /// Whether another running row names the same executor. Only [`Settlement::Terminate`] asks.
    pub executor_is_shared: bool,
}

impl Standing {
    /// The row that a snapshot was taken of, as long as nobody has written it. No other row names its executor.
    #[must_use]
    pub fn of(job: &JobSnapshot) -> Self {
        Self {
            attempt: job.attempt.clone(),
            basis: job.basis(),
            attempts: job.attempts.into(),
            max_attempts: job.max_attempts.into(),
            rescues: job.rescues,
            executor_is_shared: false,
        }
    }

    /// Whether this attempt runs: the guard of what a worker writes (attach, beat).
    #[must_use]
    pub fn runs_as(&self, attempt: &Attempt) -> bool {
        self.basis.status == Status::Running && self.attempt == *attempt
    }
}

impl Claim {
    /// Whether the stored mode forbids it. It binds reapers alone.
    #[must_use]
    pub fn is_forbidden_in(&self, mode: Mode) -> bool {
        self.by == Actor::Reaper && mode != Mode::Enforce
    }

    /// Whether such a claim can be won on any row at all: the first part of the guard, the same for every store.
    ///
    /// A reaper and a monitor settle what runs, and a late finish: a queued job with an exit 0. A person may also
    /// requeue or end a job that does not run. A stop is announced only to what runs, and only a queued job's exit
    /// is dismissed. A claim that cannot be won is [`Outcome::Lost`](crate::Outcome::Lost).
    #[must_use]
    pub fn can_be_won(&self) -> bool {
        let late = self.basis.exit.is_some_and(|exit| exit.is_success());
        match (self.settlement, self.basis.status) {
            (Settlement::Dismiss, Status::Queued) => late,
            (Settlement::Dismiss, _) => false,
            (_, Status::Running) => true,
            (Settlement::Terminate, _) => false,
            (Settlement::Done, Status::Queued) => late || self.by == Actor::Person,
            (Settlement::Done | Settlement::Requeue { .. } | Settlement::Fail, _) => self.by == Actor::Person,
        }
    }

    /// The guard: the fence, the whole basis, and what the settlement demands beside them.
    #[must_use]
    pub fn holds_for(&self, row: &Standing) -> bool {
        self.can_be_won() && self.attempt == row.attempt && self.basis == row.basis && self.demands_hold(row)
    }

    fn demands_hold(&self, row: &Standing) -> bool {
        match self.settlement {
            Settlement::Requeue { rescue_cap: Some(cap), .. } => {
                row.attempts < row.max_attempts && row.rescues < cap
            }
            Settlement::Terminate => !row.executor_is_shared,
            Settlement::Requeue { rescue_cap: None, .. }
            | Settlement::Done
            | Settlement::Fail
            | Settlement::Dismiss => true,
        }
    }
}
