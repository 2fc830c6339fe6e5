//! Exit 0: the stage, the gate, the advance.

use super::check;
use crate::{
    Action::{self, Keep, Requeue},
    AdvanceOrder, FailCause, Pipeline, Reason, Rule, Verdict,
    sample::{case, secs},
};

const RULE: Rule = Rule::ExitZero;
const DONE: Action = Action::Done { advance: None };

fn ask() -> Action {
    Action::AskGate { gate: "ci".into() }
}

fn advance(from: &str, to: &str, next_agent: Option<&str>) -> Action {
    Action::Done {
        advance: Some(AdvanceOrder {
            task: 1.into(),
            repo: "orchestrator".into(),
            from: from.into(),
            version: 99.into(),
            to: to.into(),
            next_agent: next_agent.map(Into::into),
        }),
    }
}

#[test]
fn the_stage_decides_whether_it_is_to_be_left() {
    let (before, moved) = (Reason::StageBefore, Reason::AlreadyAdvanced);
    let (code, retry) = (Rule::ExitNonzero, Reason::ExitNonzero);
    check([
        ("its own stage", |c| c.exit(0, 600), RULE, ask(), Reason::GateNotAsked),
        ("behind it", |c| c.exit(0, 600).stage("development"), RULE, DONE, moved),
        ("far behind it", |c| c.exit(0, 600).stage("released"), RULE, DONE, moved),
        ("behind it, the gate is red", |c| c.exit(0, 600).stage("review").red(), RULE, DONE, moved),
        ("before it", |c| c.exit(0, 600).stage("analysis"), RULE, Keep, before),
        ("between two of its own", |c| c.exit(0, 600).stage("development").agent("fixer"), RULE, Keep, before),
        ("behind both of its own", |c| c.exit(0, 600).stage("released").agent("fixer"), RULE, DONE, moved),
        ("no such stage", |c| c.exit(0, 600).stage("nowhere"), RULE, Keep, Reason::UnknownStage),
        ("no such agent", |c| c.exit(0, 600).agent("stranger"), RULE, Keep, Reason::UnknownAgent),
        ("elsewhere names do not matter", |c| c.exit(1, 600).stage("nowhere").agent("x"), code, Requeue, retry),
    ]);
    let mut case = case();
    case.exit(0, 600).policy.pipeline = Pipeline::default();
    assert_eq!(case.decide().reason, Reason::UnknownAgent, "an empty pipeline");
    case.job.task.as_mut().unwrap().place = None;
    assert_eq!((case.decide().action, case.decide().reason), (Keep, Reason::TaskMissing), "no row of the task");
    case.job.task = None;
    assert_eq!((case.decide().action, case.decide().reason), (DONE, Reason::NoTask), "no task");
}

#[test]
fn the_gate_decides_whether_it_may_be_left() {
    let (green, open) =
        (advance("architecture", "development", Some("reviewer")), advance("review", "released", None));
    let unsure = || Verdict::Undecided("?".into());
    assert_eq!(unsure().as_str(), "undecided");
    let (rule, no_gate, red) = (RULE, Reason::NoGate, Reason::GateRed);
    let (spent, rescued) = (FailCause::AttemptsExhausted, FailCause::RescuesExhausted);
    check([
        ("not asked", |c| c.exit(0, 600), rule, ask(), Reason::GateNotAsked),
        ("green", |c| c.exit(0, 600).verdict(Verdict::Green), rule, green, Reason::GateGreen),
        ("red", |c| c.exit(0, 600).red(), rule, Requeue, red),
        ("red, attempts spent", |c| c.exit(0, 600).red().attempts(2), rule, Action::Fail { cause: spent }, red),
        ("red, rescues spent", |c| c.exit(0, 600).red().rescues(5), rule, Action::Fail { cause: rescued }, red),
        ("no gate", |c| c.exit(0, 600).stage("review").agent("fixer"), rule, open.clone(), no_gate),
        ("no gate, an old verdict", |c| c.exit(0, 600).stage("review").agent("fixer").red(), rule, open, no_gate),
        ("nothing behind", |c| c.exit(0, 600).stage("released").agent("closer"), rule, DONE, no_gate),
    ]);
    let mut case = case();
    case.exit(0, 600).verdict(unsure());
    assert_eq!((case.decide().action, case.decide().reason), (Keep, Reason::GateUndecided));
}

#[test]
fn without_a_grace_the_exit_is_taken_at_once() {
    let mut case = case();
    case.exit(0, 0).verdict(Verdict::Green).limits(|all| all.finalize_grace = secs(0));
    assert_eq!(case.decide().reason, Reason::GateGreen);
}

#[test]
fn the_basis_repeats_the_row() {
    let mut case = case();
    case.exit(0, 600).beat().terminating(3);
    let (basis, job) = (case.decide().basis, case.job);
    assert_eq!((basis.status, basis.run, basis.pid), (job.status, job.run, job.pid));
    assert_eq!((basis.started_at, basis.exit, basis.attach), (job.started_at, job.exit, job.attach));
    assert_eq!((basis.beat, basis.terminating_at), (Some(1), job.terminating_at));
}
