//! From the rule that fired to its action, in words.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use super::{
    Condition,
    conditions::{Case, told},
};
use crate::{
    Decision, OnOverrun, Reason, Rule, Verdict,
    decide::{Course, Executor},
    effect::Plain,
    job::Place,
    pipeline::{Placement, Stage},
    span::Span,
};

/// What was looked at after the rule had fired.
pub(super) fn course(decision: &Decision, case: &Case<'_>) -> Vec<Condition> {
    let mut all = Vec::new();
    match case.facts.course().1 {
        Course::Keep(Reason::OverCeilingElsewhere) => all.push(elsewhere(case)),
        Course::Keep(Reason::ShortStreak) => all.push(more_ticks(case)),
        Course::Keep(_) => {}
        Course::Retry(_) | Course::Stop(_) if decision.rule == Rule::Ceiling && holds(case) => all.push(hold()),
        Course::Retry(reason) => retry(&mut all, reason, case),
        Course::Stop(reason) => {
            stop(&mut all, case);
            if case.policy.on_overrun == OnOverrun::Requeue {
                caps(&mut all, reason, case);
            }
        }
        Course::Leave => leave(&mut all, case),
    }
    all
}

fn elsewhere(case: &Case<'_>) -> Condition {
    let limit = case.figures.max_running.saturating_add(case.policy.elsewhere_patience);
    told(false, format!("its own host's reaper comes first, until age {}", Span(limit)))
}

fn more_ticks(case: &Case<'_>) -> Condition {
    match case.figures.dead_ticks_needed.saturating_sub(case.figures.dead_ticks) {
        1 => told(false, "one more tick in a row must see it dead"),
        more => told(false, format!("{more} more ticks in a row must see it dead")),
    }
}

fn retry(all: &mut Vec<Condition>, reason: Reason, case: &Case<'_>) {
    if !caps(all, reason, case) {
        return;
    }
    match case.facts.executor {
        Executor::Left => {
            all.push(told(false, "its session would live on beside another attempt"));
            stop(all, case);
        }
        Executor::Proved => {
            all.push(told(false, "its executor would live on beside another attempt"));
            stop(all, case);
        }
        Executor::Alive
        | Executor::Gone(_)
        | Executor::Dead(_)
        | Executor::NotLetGo
        | Executor::Elsewhere
        | Executor::Unknown => {}
    }
}

/// The exit policy and the caps, up to the first that forbids another attempt. Answers whether none does.
fn caps(all: &mut Vec<Condition>, reason: Reason, case: &Case<'_>) -> bool {
    let figures = &case.figures;
    let fatal = case.policy.limits_for(&case.job.agent).exit.is_fatal(reason, case.job.exit.as_ref(), case.seen);
    let which = if fatal { "one" } else { "none" };
    match &case.job.exit {
        Some(exit) if fatal || !exit.is_success() => {
            all.push(told(!fatal, format!("exit code {} is {which} that fails at once", exit.code)));
        }
        Some(_) => {}
        None if fatal => all.push(told(false, "such an end is one that fails at once")),
        None => {}
    }
    if fatal {
        return false;
    }
    let taken = figures.attempts < figures.max_attempts;
    all.push(told(taken, format!("taken {}, max_attempts is {}", times(figures.attempts), figures.max_attempts)));
    if !taken {
        return false;
    }
    let rescued = figures.rescues < figures.max_rescues;
    let text = format!("requeued by reapers {}, max_rescues is {}", times(figures.rescues), figures.max_rescues);
    all.push(told(rescued, text));
    rescued
}

fn stop(all: &mut Vec<Condition>, case: &Case<'_>) {
    match case.policy.on_overrun {
        OnOverrun::Hold => all.push(hold()),
        OnOverrun::Requeue => all.push(told(true, "on_overrun is requeue: another attempt may run beside it")),
        OnOverrun::Terminate => match case.job.terminating_at {
            None => all.push(told(true, "on_overrun is terminate: its processes are stopped first")),
            Some(at) => {
                let (age, limit) = (case.clock.age(at), case.policy.terminating_expires());
                let text = format!("a stop was announced {} ago, and has {} to work", Span(age), Span(limit));
                all.push(told(age >= limit, text));
            }
        },
    }
}

fn holds(case: &Case<'_>) -> bool {
    case.policy.on_overrun == OnOverrun::Hold
}

fn hold() -> Condition {
    told(false, "on_overrun is hold: it is left for a person")
}

fn leave(all: &mut Vec<Condition>, case: &Case<'_>) {
    let Some(task) = &case.job.task else {
        return all.push(told(true, "it belongs to no task"));
    };
    let Some(Place { stage, .. }) = &task.place else {
        return all.push(told(false, format!("the row of its task {} is gone", plain(&task.id.to_string()))));
    };
    let (id, name, agent) = (plain(&task.id.to_string()), plain(stage), plain(&case.job.agent));
    match case.policy.pipeline.place(&case.job.agent, stage) {
        Placement::Candidate(stage) => {
            all.push(told(true, format!("task {id} stands in {name}, which {agent} jobs leave")));
            gate(all, case, stage);
        }
        Placement::Behind => {
            all.push(told(true, format!("task {id} stands in {name}, behind what {agent} jobs leave")));
        }
        Placement::Before => {
            all.push(told(false, format!("task {id} stands in {name}, before what {agent} jobs leave")));
        }
        Placement::UnknownStage => all.push(told(false, format!("the pipeline has no stage {name}"))),
        Placement::UnknownAgent => all.push(told(false, format!("the pipeline has no agent {agent}"))),
    }
}

fn gate(all: &mut Vec<Condition>, case: &Case<'_>, stage: &Stage) {
    let Some(gate) = stage.gate.as_deref().map(plain) else {
        return all.push(told(true, "no gate guards leaving it"));
    };
    match &case.seen.verdict {
        None => all.push(told(false, format!("gate {gate} was not asked yet"))),
        Some(Verdict::Green) => all.push(told(true, format!("gate {gate} is green"))),
        Some(Verdict::Undecided(why)) => {
            all.push(told(false, format!("gate {gate} could not say: {}", plain(why))))
        }
        Some(Verdict::Red(why)) => {
            all.push(told(false, format!("gate {gate} is red: {}", plain(why))));
            if !case.job.is_late_finish() {
                retry(all, Reason::GateRed, case);
            }
        }
    }
}

fn times(n: u32) -> String {
    match n {
        0 => String::from("never"),
        1 => String::from("once"),
        2 => String::from("twice"),
        n => format!("{n} times"),
    }
}

/// A name of somebody else's, fit for a sentence.
fn plain(text: &str) -> String {
    format!("{}", Plain { text, max: 60 })
}
