//! The decision: facts in, action out. Total, deterministic, without I/O.
//!
//! A job is acted on **if and only if** its exit is recorded and its monitor has had its grace (or is certainly
//! dead), or it has no exit and its executor is dead for certain, dead long enough, over its ceiling, or never
//! started. What cannot be known keeps a job where it is.
//!
//! The way through: the facts become a few small enums ([`Facts`]), one exhaustive match over them names the rule
//! and its course ([`Facts::course`]), and the course's last step applies the gate's verdict, the caps, the exit
//! policy and the choice for overruns.

mod action;
mod course;
mod facts;
mod reason;
mod review;
mod rule;
mod table;
#[cfg(test)]
mod tests;

use core::time::Duration;

pub use action::{Action, FailCause};
pub use facts::{Age, Executor, ExitFact, Facts, Monitor, State, Streak};
pub(crate) use facts::{nothing_runs, shows_no_sign};
pub use reason::Reason;
pub use rule::Rule;
pub use table::Course;

use crate::{Clock, JobSnapshot, Observation, Policy, Timestamp, job::Basis};

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
    /// The earliest instant, later than now, at which action, rule or reason change with no new fact. `None`: never.
    pub review_at: Option<Timestamp>,
}

/// Decides what is to be done with a job, from its row, from what was seen of it, and from the clock.
#[must_use]
pub fn decide(job: &JobSnapshot, seen: &Observation, clock: &Clock, policy: &Policy) -> Decision {
    let answer = Answer::of(job, seen, clock, policy);
    let review_at = review::review_at(&answer, job, seen, clock, policy);
    Decision {
        action: answer.action,
        rule: answer.rule,
        reason: answer.reason,
        basis: job.basis(),
        figures: Figures::of(job, seen, clock, policy),
        review_at,
    }
}

/// The part of a decision that can change with the passing of time alone.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    action: Action,
    rule: Rule,
    reason: Reason,
}

impl Answer {
    fn of(job: &JobSnapshot, seen: &Observation, clock: &Clock, policy: &Policy) -> Self {
        let facts = Facts::of(job, seen, clock, policy);
        let (rule, course) = facts.course();
        let (action, reason) = course::follow(course, rule, &facts, job, seen, clock, policy);
        Self { action, rule, reason }
    }
}
