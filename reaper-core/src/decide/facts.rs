//! The facts of a job as a few small enums. Each only compares.

use core::time::Duration;

use super::Figures;
use crate::{Certainty, Clock, JobSnapshot, Liveness, Observation, OnOverrun, Policy, Status, job::Attach};

/// Where the job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Queued.
    Queued,
    /// Done or failed.
    Settled,
    /// Running.
    Running,
}

/// What its exit says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExitFact {
    /// None is recorded.
    No,
    /// Recorded, and its monitor may still be finalising.
    Fresh,
    /// 0, and nobody is finalising.
    Zero,
    /// Not 0, and nobody is finalising.
    Bad,
}

/// How old an attempt without an exit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Age {
    /// Under every limit.
    Within,
    /// No sign of having started, for longer than the start time-out.
    NeverStarted,
    /// The ceiling is reached.
    Over,
    /// So is the patience with another host's reaper.
    LongOver,
}

/// What is known of the monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Monitor {
    /// A verified death.
    Gone,
    /// Anything else.
    NotGone,
}

/// In how many ticks in a row the executor was seen dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Streak {
    /// Not enough.
    Short,
    /// Enough.
    Long,
}

/// What is known of the executor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Executor {
    /// Provably alive.
    Proved,
    /// Alive, as far as its pid or beat shows.
    Alive,
    /// A verified death.
    Gone(Streak),
    /// Dead, as far as its pid or beat shows.
    Dead(Streak),
    /// The leader is gone, processes of its session are not.
    Left,
    /// Never attached by a take of the attach contract: nothing was let go.
    NotLetGo,
    /// Another host's to say.
    Elsewhere,
    /// Cannot be told.
    Unknown,
}

/// The facts that the table of rules is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Facts {
    /// Where the job stands.
    pub state: State,
    /// What its exit says.
    pub exit: ExitFact,
    /// How old it is.
    pub age: Age,
    /// The monitor.
    pub monitor: Monitor,
    /// The executor.
    pub executor: Executor,
}

impl Facts {
    /// Compares a job's figures with a policy's.
    #[must_use]
    pub fn of(job: &JobSnapshot, seen: &Observation, clock: &Clock, policy: &Policy) -> Self {
        let monitor = match seen.monitor.liveness {
            Liveness::Dead(Certainty::Verified) => Monitor::Gone,
            Liveness::Dead(Certainty::Unverified)
            | Liveness::Alive(_)
            | Liveness::Leftovers
            | Liveness::Elsewhere
            | Liveness::Unknown => Monitor::NotGone,
        };
        let executor = executor(job, seen, policy);
        Self {
            state: match job.status {
                Status::Queued => State::Queued,
                Status::Running => State::Running,
                Status::Done | Status::Failed => State::Settled,
            },
            exit: exit(job, monitor, clock, policy),
            age: age(job, monitor, executor, clock, policy),
            monitor,
            executor,
        }
    }
}

fn exit(job: &JobSnapshot, monitor: Monitor, clock: &Clock, policy: &Policy) -> ExitFact {
    let Some(exit) = &job.exit else {
        return ExitFact::No;
    };
    // Beside running jobs only late finishes are waited for: nothing else of a settled or queued job is acted on.
    let waits = job.status == Status::Running || job.is_late_finish();
    let young = waits && clock.age(exit.at) < policy.limits_for(&job.agent).finalize_grace;
    match (young, monitor) {
        (true, Monitor::NotGone) => ExitFact::Fresh,
        (true, Monitor::Gone) | (false, _) if exit.is_success() => ExitFact::Zero,
        (true, Monitor::Gone) | (false, _) => ExitFact::Bad,
    }
}

fn executor(job: &JobSnapshot, seen: &Observation, policy: &Policy) -> Executor {
    let streak =
        if seen.dead_ticks >= policy.limits_for(&job.agent).dead_ticks { Streak::Long } else { Streak::Short };
    match seen.executor.liveness {
        Liveness::Alive(Certainty::Verified) => Executor::Proved,
        Liveness::Alive(Certainty::Unverified) => Executor::Alive,
        Liveness::Dead(Certainty::Verified) => Executor::Gone(streak),
        Liveness::Dead(Certainty::Unverified) => Executor::Dead(streak),
        Liveness::Leftovers => Executor::Left,
        Liveness::Elsewhere => Executor::Elsewhere,
        Liveness::Unknown if job.attach == Attach::Pending && job.pid.is_none() && job.executor.is_none() => {
            Executor::NotLetGo
        }
        Liveness::Unknown => Executor::Unknown,
    }
}

fn age(job: &JobSnapshot, monitor: Monitor, executor: Executor, clock: &Clock, policy: &Policy) -> Age {
    let Some(age) = job.started_at.map(|since| clock.age(since)) else {
        return Age::Within;
    };
    let limits = policy.limits_for(&job.agent);
    // Under `hold` an overrun waits for a person, whoever sees it. Where nothing runs any more there is no
    // overrun: the death is settled as if there were no ceiling, or it would be held for ever.
    let exempt = policy.on_overrun == OnOverrun::Hold && nothing_runs(monitor, executor);
    let ceiling = if exempt { Duration::MAX } else { limits.max_running };
    if age >= ceiling.saturating_add(policy.elsewhere_patience) {
        Age::LongOver
    } else if age >= ceiling {
        Age::Over
    } else if limits.start_timeout.is_some_and(|timeout| age >= timeout) && shows_no_sign(job) {
        Age::NeverStarted
    } else {
        Age::Within
    }
}

/// Whether the executor is dead, or will never be let go.
pub(crate) const fn nothing_runs(monitor: Monitor, executor: Executor) -> bool {
    match executor {
        Executor::Gone(_) | Executor::Dead(_) => true,
        Executor::NotLetGo => matches!(monitor, Monitor::Gone),
        Executor::Proved | Executor::Alive | Executor::Left | Executor::Elsewhere | Executor::Unknown => false,
    }
}

/// Whether the row holds nothing that an executor would have left.
pub(crate) const fn shows_no_sign(job: &JobSnapshot) -> bool {
    job.pid.is_none() && job.executor.is_none() && job.beat.is_none()
}

impl Figures {
    /// The figures that the facts are compared from.
    #[must_use]
    pub fn of(job: &JobSnapshot, seen: &Observation, clock: &Clock, policy: &Policy) -> Self {
        let limits = policy.limits_for(&job.agent);
        Self {
            exit_age: job.exit.map(|exit| clock.age(exit.at)),
            finalize_grace: limits.finalize_grace,
            running_age: job.started_at.map(|since| clock.age(since)),
            max_running: limits.max_running,
            start_timeout: limits.start_timeout,
            dead_ticks: seen.dead_ticks,
            dead_ticks_needed: limits.dead_ticks,
            attempts: job.attempts,
            max_attempts: job.max_attempts,
            rescues: job.rescues,
            max_rescues: policy.max_rescues,
        }
    }
}
