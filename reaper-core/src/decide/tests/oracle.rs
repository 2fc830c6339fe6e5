//! A second decision, written from the prose of the rules and from nothing else: ten sentences that are true or
//! not, the first true one, and then what stands in the way. It shares no fact, no match and no order of work with
//! the first.

use std::vec::Vec;

use crate::{
    Action, AdvanceOrder, FailCause,
    Liveness::{self, Dead, Elsewhere, Leftovers, Unknown},
    OnOverrun, Rule, Signature, Status, Verdict,
    job::Attach,
    pipeline::Placement,
    sample::{Case, GONE, PROVED},
};

/// The rule and the action that a reader of the rules would give.
pub(super) fn read(case: &Case) -> (Rule, Action) {
    let sentences = [
        not_running(case) && !(late_finish(case) && finalising(case)),
        finalising(case),
        exit_code(case) == Some(0),
        exit_code(case).is_some(),
        age_is(case, case.policy.limits_for(&case.job.agent).max_running) && !(hold(case) && nothing_runs(case)),
        case.seen.monitor.liveness == GONE && (executor(case) == GONE || never_attached(case) || leftovers(case)),
        is_dead(case) && case.seen.dead_ticks >= case.policy.limits_for(&case.job.agent).dead_ticks,
        is_dead(case),
        no_sign(case)
            && executor(case) == Unknown
            && case.policy.limits_for(&case.job.agent).start_timeout.is_some_and(|timeout| age_is(case, timeout)),
        true,
    ];
    let number = sentences.iter().position(|sentence| *sentence).unwrap();
    (Rule::ALL[number], action(case, number))
}

fn action(case: &Case, rule: usize) -> Action {
    let patience =
        case.policy.limits_for(&case.job.agent).max_running.saturating_add(case.policy.elsewhere_patience);
    if [1, 7, 9].contains(&rule) || (rule == 0 && !late_finish(case)) {
        Action::Keep
    } else if [0, 2].contains(&rule) {
        finish(case, rule)
    } else if rule == 4 && (hold(case) || (executor(case) == Elsewhere && !age_is(case, patience))) {
        Action::Keep
    } else {
        again(case, rule)
    }
}

/// "Requeue while attempts < max, else fail", and what lives is stopped first.
fn again(case: &Case, rule: usize) -> Action {
    let job = &case.job;
    let fatal = case.policy.limits_for(&job.agent).exit.fail_on.iter().any(|named| match named {
        Signature::Code(code) => exit_code(case) == Some(*code),
        Signature::Signal(signal) => [Some(-signal), Some(128 + signal)].contains(&exit_code(case)),
        Signature::Overrun => rule == 4,
        Signature::OutOfMemory => {
            case.seen.out_of_memory
                && ([5, 6].contains(&rule) || (rule == 3 && [Some(-9), Some(137)].contains(&exit_code(case))))
        }
        Signature::Vanished => [5, 6].contains(&rule) && !case.seen.out_of_memory,
        Signature::NeverStarted => rule == 8,
    });
    let mut hindrances = Vec::new();
    hindrances.extend(fatal.then_some(FailCause::FatalExit));
    hindrances.extend((job.attempts >= job.max_attempts).then_some(FailCause::AttemptsExhausted));
    hindrances.extend((job.rescues >= case.policy.max_rescues).then_some(FailCause::RescuesExhausted));

    let lives = leftovers(case) || executor(case) == PROVED;
    // With an exit only another attempt is in danger; without one the process itself is the trouble.
    let stop = lives && (exit_code(case).is_none() || hindrances.is_empty());
    if stop && case.policy.on_overrun == OnOverrun::Terminate {
        let grace = case.policy.terminate_grace.saturating_add(std::time::Duration::from_secs(30));
        let under_way = job.terminating_at.is_some_and(|at| case.clock.age(at) < grace);
        return if under_way { Action::Keep } else { Action::Terminate };
    }
    if stop && hold(case) {
        return Action::Keep;
    }
    hindrances.first().map_or(Action::Requeue, |cause| Action::Fail { cause: *cause })
}

/// Section "exit 0": gate, claim, advance.
fn finish(case: &Case, rule: usize) -> Action {
    let Some(task) = &case.job.task else { return Action::Done { advance: None } };
    let Some(place) = &task.place else { return Action::Keep };
    let stage = match case.policy.pipeline.place(&case.job.agent, &place.stage) {
        Placement::Candidate(stage) => stage,
        Placement::Behind => return Action::Done { advance: None },
        Placement::Before | Placement::UnknownStage | Placement::UnknownAgent => return Action::Keep,
    };
    let verdict = if stage.gate.is_none() { Some(Verdict::Green) } else { case.seen.verdict.clone() };
    if verdict.is_none() {
        return Action::AskGate { gate: stage.gate.clone().unwrap() };
    }
    match verdict.as_ref().map(Verdict::as_str) {
        Some("green") => Action::Done {
            advance: stage.next.as_ref().map(|next| AdvanceOrder {
                task: task.id.clone(),
                repo: case.job.repo.clone(),
                from: place.stage.clone(),
                version: place.version.clone(),
                to: next.stage.clone(),
                next_agent: next.agent.clone(),
            }),
        },
        Some("red") if not_running(case) => Action::Dismiss,
        Some("red") => again(case, rule),
        _ => Action::Keep,
    }
}

fn not_running(case: &Case) -> bool {
    case.job.status != Status::Running
}

fn late_finish(case: &Case) -> bool {
    case.job.status == Status::Queued && exit_code(case) == Some(0)
}

fn exit_code(case: &Case) -> Option<i32> {
    case.job.exit.map(|exit| exit.code)
}

fn finalising(case: &Case) -> bool {
    let grace = case.policy.limits_for(&case.job.agent).finalize_grace;
    case.seen.monitor.liveness != GONE && case.job.exit.is_some_and(|exit| case.clock.age(exit.at) < grace)
}

fn age_is(case: &Case, limit: std::time::Duration) -> bool {
    case.job.started_at.is_some_and(|at| case.clock.age(at) >= limit)
}

fn hold(case: &Case) -> bool {
    case.policy.on_overrun == OnOverrun::Hold
}

fn executor(case: &Case) -> Liveness {
    case.seen.executor.liveness
}

fn is_dead(case: &Case) -> bool {
    matches!(executor(case), Dead(_))
}

fn leftovers(case: &Case) -> bool {
    executor(case) == Leftovers
}

fn never_attached(case: &Case) -> bool {
    let job = &case.job;
    job.attach == Attach::Pending && job.pid.is_none() && job.executor.is_none() && executor(case) == Unknown
}

fn nothing_runs(case: &Case) -> bool {
    is_dead(case) || (never_attached(case) && case.seen.monitor.liveness == GONE)
}

fn no_sign(case: &Case) -> bool {
    case.job.pid.is_none() && case.job.executor.is_none() && case.job.beat.is_none()
}
