//! The conditions of each rule, one list a rule.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::{cmp::Ordering, time::Duration};

use super::Condition;
use crate::{
    Clock, JobSnapshot, Observation, OnOverrun, Policy, Rule, Status,
    decide::{Executor, Facts, Figures, Monitor, nothing_runs, shows_no_sign},
    span::Span,
};

/// A job with all that is compared about it.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub(super) job: &'a JobSnapshot,
    pub(super) seen: &'a Observation,
    pub(super) clock: &'a Clock,
    pub(super) policy: &'a Policy,
    pub(super) facts: Facts,
    pub(super) figures: Figures,
}

impl<'a> Case<'a> {
    pub(super) fn of(job: &'a JobSnapshot, seen: &'a Observation, clock: &'a Clock, policy: &'a Policy) -> Self {
        let facts = Facts::of(job, seen, clock, policy);
        let figures = Figures::of(job, seen, clock, policy);
        Self { job, seen, clock, policy, facts, figures }
    }

    /// What must hold for a rule, given that none before it does.
    pub(super) fn conditions(&self, rule: Rule) -> Vec<Condition> {
        let mut all = Vec::new();
        let waiting = |all: &mut Vec<Condition>| all.extend([self.running(), self.no_exit()]);
        match rule {
            Rule::NotRunning => {
                all.push(self.not_running());
                if self.job.is_late_finish() {
                    all.push(self.late_finish_had_its_grace());
                }
            }
            Rule::Finalizing => {
                all.extend([self.running_or_late(), self.young(), self.monitor_is(Monitor::NotGone)]);
            }
            Rule::ExitZero => all.extend([self.running(), self.exit_is("0", |code| code == 0)]),
            Rule::ExitNonzero => all.extend([self.running(), self.exit_is("another than 0", |code| code != 0)]),
            Rule::Ceiling => {
                waiting(&mut all);
                all.push(self.past_ceiling());
                if self.policy.on_overrun == OnOverrun::Hold {
                    all.push(self.something_to_hold());
                }
            }
            Rule::NobodyLeft => {
                waiting(&mut all);
                let silent =
                    matches!(self.facts.executor, Executor::Gone(_) | Executor::NotLetGo | Executor::Left);
                all.extend([self.monitor_is(Monitor::Gone), self.executor(silent)]);
            }
            Rule::ExecutorDead | Rule::ShortStreak => {
                waiting(&mut all);
                let dead = matches!(self.facts.executor, Executor::Gone(_) | Executor::Dead(_));
                all.extend([self.executor(dead), self.streak(rule == Rule::ExecutorDead)]);
            }
            Rule::NeverStarted => {
                waiting(&mut all);
                all.extend([self.past_start_timeout(), self.no_sign()]);
                all.push(self.executor(matches!(self.facts.executor, Executor::Unknown | Executor::NotLetGo)));
            }
            Rule::AliveOrUnknown => {
                waiting(&mut all);
                let dead = matches!(self.facts.executor, Executor::Gone(_) | Executor::Dead(_));
                all.push(self.executor(!dead));
            }
        }
        all
    }

    fn running(&self) -> Condition {
        told(self.job.status == Status::Running, format!("the job is {}", self.job.status))
    }

    fn not_running(&self) -> Condition {
        negated(self.running())
    }

    fn running_or_late(&self) -> Condition {
        if self.job.is_late_finish() {
            return told(true, "the job is queued, with a late finish");
        }
        self.running()
    }

    fn no_exit(&self) -> Condition {
        match self.job.exit {
            Some(exit) => told(false, format!("an exit is recorded, code {}", exit.code)),
            None => told(true, "no exit is recorded"),
        }
    }

    fn exit_is(&self, wanted: &str, is: impl Fn(i32) -> bool) -> Condition {
        let Some(exit) = self.job.exit else { return negated(self.no_exit()) };
        let text = match (is(exit.code), exit.signal()) {
            (true, Some(signal)) => format!("the exit code is {}: signal {signal}", exit.code),
            (true, None) => format!("the exit code is {}", exit.code),
            (false, _) => format!("the exit code is {}, not {wanted}", exit.code),
        };
        told(is(exit.code), text)
    }

    fn young(&self) -> Condition {
        let Some(age) = self.figures.exit_age else { return negated(self.no_exit()) };
        let grace = self.figures.finalize_grace;
        told(age < grace, against("exit age", age, "finalize_grace", grace))
    }

    fn late_finish_had_its_grace(&self) -> Condition {
        let young = self.young();
        match self.facts.monitor {
            Monitor::Gone if young.holds => told(true, "its monitor is certainly dead, nobody is finalising"),
            Monitor::Gone | Monitor::NotGone => negated(young),
        }
    }

    fn past_ceiling(&self) -> Condition {
        let Some(age) = self.figures.running_age else {
            return told(false, "when it began is not recorded");
        };
        let ceiling = self.figures.max_running;
        told(age >= ceiling, against("age", age, "max_running", ceiling))
    }

    fn something_to_hold(&self) -> Condition {
        let nothing = nothing_runs(self.facts.monitor, self.facts.executor);
        let text = if nothing { "nothing of it runs that could be held" } else { "something of it may run" };
        told(!nothing, text)
    }

    fn past_start_timeout(&self) -> Condition {
        match (self.figures.start_timeout, self.figures.running_age) {
            (None, _) => told(false, "start_timeout is off"),
            (Some(_), None) => told(false, "when it began is not recorded"),
            (Some(timeout), Some(age)) => told(age >= timeout, against("age", age, "start_timeout", timeout)),
        }
    }

    fn no_sign(&self) -> Condition {
        let sign = [
            self.job.pid.map(|_| "a pid"),
            self.job.executor.as_ref().map(|_| "an identity"),
            self.job.beat.map(|_| "a beat"),
        ];
        match sign.into_iter().flatten().next() {
            Some(sign) => told(shows_no_sign(self.job), format!("{sign} is recorded")),
            None => told(shows_no_sign(self.job), "no pid, no identity and no beat is recorded"),
        }
    }

    fn monitor_is(&self, wanted: Monitor) -> Condition {
        let text = match self.facts.monitor {
            Monitor::Gone => "the monitor is certainly dead",
            Monitor::NotGone => "the monitor is not certainly dead",
        };
        told(self.facts.monitor == wanted, text)
    }

    fn executor(&self, holds: bool) -> Condition {
        told(holds, executor(self.facts.executor))
    }

    fn streak(&self, long: bool) -> Condition {
        let (seen, needed) = (self.figures.dead_ticks, self.figures.dead_ticks_needed);
        let ticks = if seen == 1 { "tick" } else { "ticks" };
        told((seen >= needed) == long, format!("seen dead in {seen} {ticks} in a row, dead_ticks is {needed}"))
    }
}

/// What is known of an executor.
const fn executor(executor: Executor) -> &'static str {
    match executor {
        Executor::Proved => "the executor is certainly alive",
        Executor::Alive => "the executor seems alive",
        Executor::Gone(_) => "the executor is certainly dead",
        Executor::Dead(_) => "the executor seems dead",
        Executor::Left => "the executor is gone, its session lives on",
        Executor::NotLetGo => "no executor was let go yet",
        Executor::Elsewhere => "the executor is another host's to say",
        Executor::Unknown => "nobody can tell whether the executor lives",
    }
}

/// `exit age 5 s is under finalize_grace 5 min`, has reached it, or is past it.
fn against(what: &str, age: Duration, name: &str, limit: Duration) -> String {
    let side = match age.cmp(&limit) {
        Ordering::Less => "under",
        Ordering::Equal => return format!("{what} {} has reached {name}", Span(age)),
        Ordering::Greater => "past",
    };
    let (age, limit) = (Span(age).to_string(), Span(limit).to_string());
    if age == limit {
        format!("{what} {age} is just {side} {name}")
    } else {
        format!("{what} {age} is {side} {name} {limit}")
    }
}

pub(super) fn told(holds: bool, text: impl Into<String>) -> Condition {
    Condition { text: text.into(), holds }
}

fn negated(condition: Condition) -> Condition {
    Condition { holds: !condition.holds, ..condition }
}
