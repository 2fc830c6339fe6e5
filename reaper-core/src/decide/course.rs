//! From a rule's course to an action: the gate's verdict, the caps, the exit policy, the choice for overruns.

use super::{Action, Course, Executor, Facts, FailCause, Reason, Rule, State};
use crate::{
    AdvanceOrder, Clock, JobSnapshot, Observation, OnOverrun, Policy, Verdict,
    job::Task,
    pipeline::{Placement, Stage},
};

pub(super) fn follow(
    course: Course,
    rule: Rule,
    facts: &Facts,
    job: &JobSnapshot,
    seen: &Observation,
    clock: &Clock,
    policy: &Policy,
) -> (Action, Reason) {
    let held = rule == Rule::Ceiling && policy.on_overrun == OnOverrun::Hold;
    match course {
        Course::Keep(reason) => (Action::Keep, reason),
        Course::Retry(_) | Course::Stop(_) if held => (Action::Keep, Reason::Held),
        Course::Retry(reason) => retry(reason, facts, job, seen, clock, policy),
        Course::Stop(reason) => stop(reason, job, seen, clock, policy),
        Course::Leave => leave(facts, job, seen, clock, policy),
    }
}

/// Another attempt, if there may be one and nothing of this one is in its way.
fn retry(
    reason: Reason,
    facts: &Facts,
    job: &JobSnapshot,
    seen: &Observation,
    clock: &Clock,
    policy: &Policy,
) -> (Action, Reason) {
    let in_the_way = matches!(facts.executor, Executor::Left | Executor::Proved);
    let action = another_attempt(reason, job, seen, policy);
    if action == Action::Requeue && in_the_way { stop(reason, job, seen, clock, policy) } else { (action, reason) }
}

/// Requeue, or fail where the exit policy or a cap says so.
fn another_attempt(reason: Reason, job: &JobSnapshot, seen: &Observation, policy: &Policy) -> Action {
    if policy.limits_for(&job.agent).exit.is_fatal(reason, job.exit.as_ref(), seen) {
        Action::Fail { cause: FailCause::FatalExit }
    } else if job.attempts >= job.max_attempts {
        Action::Fail { cause: FailCause::AttemptsExhausted }
    } else if job.rescues >= policy.max_rescues {
        Action::Fail { cause: FailCause::RescuesExhausted }
    } else {
        Action::Requeue
    }
}

/// What stands in the way is stopped first, unless a stop is under way.
fn stop(
    reason: Reason,
    job: &JobSnapshot,
    seen: &Observation,
    clock: &Clock,
    policy: &Policy,
) -> (Action, Reason) {
    match policy.on_overrun {
        OnOverrun::Hold => (Action::Keep, Reason::Held),
        OnOverrun::Requeue => (another_attempt(reason, job, seen, policy), reason),
        OnOverrun::Terminate => match job.terminating_at {
            Some(at) if clock.age(at) < policy.terminating_expires() => (Action::Keep, Reason::Terminating),
            Some(_) | None => (Action::Terminate, reason),
        },
    }
}

/// The work is done: the stage is left if its gate lets it, or was left already.
fn leave(
    facts: &Facts,
    job: &JobSnapshot,
    seen: &Observation,
    clock: &Clock,
    policy: &Policy,
) -> (Action, Reason) {
    let Some(task) = &job.task else {
        return (Action::Done { advance: None }, Reason::NoTask);
    };
    let Some(place) = &task.place else {
        return (Action::Keep, Reason::TaskMissing);
    };
    let stage = match policy.pipeline.place(&job.agent, &place.stage) {
        Placement::Candidate(stage) => stage,
        Placement::Behind => return (Action::Done { advance: None }, Reason::AlreadyAdvanced),
        Placement::Before => return (Action::Keep, Reason::StageBefore),
        Placement::UnknownStage => return (Action::Keep, Reason::UnknownStage),
        Placement::UnknownAgent => return (Action::Keep, Reason::UnknownAgent),
    };
    let done = |reason| (Action::Done { advance: advance(job, task, stage) }, reason);
    match (&stage.gate, &seen.verdict) {
        (None, _) => done(Reason::NoGate),
        (Some(gate), None) => (Action::AskGate { gate: gate.clone() }, Reason::GateNotAsked),
        (Some(_), Some(Verdict::Green)) => done(Reason::GateGreen),
        (Some(_), Some(Verdict::Undecided(_))) => (Action::Keep, Reason::GateUndecided),
        (Some(_), Some(Verdict::Red(_))) => match facts.state {
            State::Queued => (Action::Dismiss, Reason::GateRed),
            State::Running | State::Settled => retry(Reason::GateRed, facts, job, seen, clock, policy),
        },
    }
}

fn advance(job: &JobSnapshot, task: &Task, stage: &Stage) -> Option<AdvanceOrder> {
    let (place, next) = (task.place.as_ref()?, stage.next.as_ref()?);
    Some(AdvanceOrder {
        task: task.id.clone(),
        repo: job.repo.clone(),
        from: place.stage.clone(),
        version: place.version.clone(),
        to: next.stage.clone(),
        next_agent: next.agent.clone(),
    })
}
