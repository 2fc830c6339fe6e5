//! The invariants that are the decision's own, on whatever a store and a probe can come up with.

use std::vec::Vec;

use proptest::prelude::*;

use super::oracle;
use crate::{
    Action, Liveness, OnOverrun, Reason, Rule, Status, Verdict,
    job::{Attach, Exit},
    sample::{ALIVE, Case, DEAD, GONE, PROVED, UNKNOWN},
    strategy,
};

pub(super) fn cases() -> impl Strategy<Value = Case> {
    strategy::cases().prop_map(|(job, seen, clock, policy)| Case { job, seen, clock, policy })
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 1024, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_oracle_agrees(case in cases()) {
        let decision = case.decide();
        prop_assert_eq!((decision.rule, decision.action), oracle::read(&case));
    }

    /// I1: a job whose executor is alive and under the ceiling is never claimed by a rule.
    #[test]
    fn what_lives_under_the_ceiling_is_kept(mut case in cases(), proved: bool) {
        case.status(Status::Running).executor(if proved { PROVED } else { ALIVE });
        case.job.exit = None;
        let ceiling = case.policy.limits_for(&case.job.agent).max_running;
        let over = case.job.started_at.is_some_and(|at| case.clock.age(at) >= ceiling);
        prop_assert_eq!(case.decide().rule == Rule::Ceiling, over);
        prop_assert!(over || case.decide().action == Action::Keep);
    }

    /// I2: a job whose exit is younger than the grace is never claimed, unless its monitor's death is verified.
    #[test]
    fn a_young_exit_is_left_to_its_monitor(mut case in cases(), code in -2..3) {
        let at = case.job.exit.map_or(case.clock.now, |exit| exit.at);
        case.job.exit = Some(Exit { code, at });
        let grace = case.policy.limits_for(&case.job.agent).finalize_grace;
        let young = case.clock.age(at) < grace && case.seen.monitor.liveness != GONE;
        prop_assert!(!young || case.decide().action == Action::Keep);
    }

    /// I6: a red or undecided gate never advances, nor does one that was not asked.
    #[test]
    fn only_a_green_gate_advances(mut case in cases(), undecided: bool) {
        let gated = case.policy.pipeline.stages().iter().filter(|stage| stage.gate.is_some());
        let gated: Vec<_> = gated.map(|stage| stage.name.clone()).collect();
        if case.seen.verdict == Some(Verdict::Green) {
            let why = "no".into();
            case.seen.verdict = Some(if undecided { Verdict::Undecided(why) } else { Verdict::Red(why) });
        }
        if let Action::Done { advance: Some(order) } = case.decide().action {
            prop_assert!(!gated.contains(&order.from), "{order:?}");
        }
    }

    /// I8: attempts never exceed `max_attempts` through the reaper; rescues never exceed `max_rescues`.
    #[test]
    fn a_requeue_is_within_the_caps(case in cases()) {
        if case.decide().action == Action::Requeue {
            prop_assert!(case.job.attempts < case.job.max_attempts);
            prop_assert!(case.job.rescues < case.policy.max_rescues);
        }
    }

    /// I7: once facts allow, every orphaned job is settled in a bounded number of passes, or is a person's.
    #[test]
    fn an_orphan_is_settled_in_bounded_passes(mut case in cases()) {
        case.status(Status::Running);
        case.job.started_at = case.job.started_at.or(Some(case.clock.now));
        let mut passes = 0;
        while pass(&mut case) == Kept::ForNow {
            passes += 1;
            prop_assert!(passes <= 9, "{:?}", case.decide());
        }
    }

    /// I7: a death that is seen is settled however young the attempt is, at once where nobody is left for certain, else in
    /// as many ticks as it must be seen in. No ceiling is waited for.
    #[test]
    fn a_death_that_is_seen_waits_for_no_limit_of_time(mut case in cases(), certain: bool) {
        let ceiling = case.policy.limits_for(&case.job.agent).max_running;
        prop_assume!(!ceiling.is_zero());
        case.status(Status::Running).executor(if certain { GONE } else { DEAD });
        (case.job.exit, case.job.started_at) = (None, Some(case.clock.now));
        let at_once = certain && case.seen.monitor.liveness == GONE;
        let ticks = if at_once { 1 } else { case.policy.limits_for(&case.job.agent).dead_ticks };
        for tick in 1..=ticks {
            case.seen.dead_ticks = tick;
            let decision = case.decide();
            let settles = matches!(decision.action, Action::Requeue | Action::Fail { .. });
            prop_assert_eq!(settles, tick == ticks, "tick {}: {:?}", tick, decision);
        }
    }

    /// I11, the decision's part: what it acts on is in one of the sets that a pass loads.
    #[test]
    fn what_is_acted_on_was_loaded(case in cases()) {
        if case.decide().action == Action::Keep {
            return Ok(());
        }
        let exits_until = case.clock.latest_with(case.policy.shortest_grace());
        let started_until = case.clock.latest_with(case.policy.shortest_running());
        let due = match case.job.exit {
            Some(exit) => exit.at <= exits_until,
            None => case.job.started_at.is_some_and(|at| at <= started_until),
        };
        let dead = case.seen.monitor.liveness == GONE || matches!(case.seen.executor.liveness, Liveness::Dead(_));
        prop_assert!(due || dead || case.job.is_late_finish());
    }

    #[test]
    fn what_is_settled_stays_so(mut case in cases(), done: bool) {
        case.status(if done { Status::Done } else { Status::Failed });
        let decision = case.decide();
        prop_assert_eq!((decision.action, decision.review_at), (Action::Keep, None));
    }

    #[test]
    fn a_queued_job_is_done_or_its_late_finish_put_aside(mut case in cases()) {
        case.status(Status::Queued);
        let action = case.decide().action;
        prop_assert!(matches!(action.as_str(), "keep" | "ask_gate" | "done" | "dismiss"));
        prop_assert!(case.job.is_late_finish() || action == Action::Keep);
    }

    #[test]
    fn hold_binds_everyone_while_anything_may_run(mut case in cases()) {
        case.status(Status::Running).on_overrun(OnOverrun::Hold).limits(|limits| limits.start_timeout = None);
        case.policy.agents.clear();
        case.job.exit = None;
        case.job.attach = Attach::Done;
        if matches!(case.seen.executor.liveness, Liveness::Dead(_)) {
            case.executor(UNKNOWN);
        }
        prop_assert_eq!(case.decide().action, Action::Keep);
    }
}

/// Whether a pass left a job as it was.
#[derive(Debug, PartialEq, Eq)]
enum Kept {
    /// No: it is settled.
    Settled,
    /// Until time has passed or the world has answered.
    ForNow,
    /// Until a person helps.
    ForAPerson,
}

/// One pass over a job, in a world that answers: gates are green at the second time of asking, what is told to stop
/// stops, the dead stay dead, and time passes. Panics where a job is kept for ever and no person is told.
fn pass(case: &mut Case) -> Kept {
    let decision = case.decide();
    match (decision.action, decision.reason) {
        (Action::Requeue | Action::Fail { .. } | Action::Done { .. } | Action::Dismiss, _) => {
            return Kept::Settled;
        }
        (Action::AskGate { .. }, _) | (Action::Keep, Reason::GateUndecided) => drop(case.verdict(Verdict::Green)),
        (Action::Terminate, _) => {
            case.job.terminating_at = Some(case.clock.now);
            case.executor(GONE);
        }
        (Action::Keep, reason) if reason.needs_a_person() => return Kept::ForAPerson,
        (Action::Keep, Reason::ShortStreak) => case.seen.dead_ticks += 1,
        (Action::Keep, _) => case.clock.now = decision.review_at.expect("it is kept for ever, and nobody is told"),
    }
    Kept::ForNow
}
