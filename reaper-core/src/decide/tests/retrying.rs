//! What stands between a rule and another attempt: the exit policy, the caps, the choice for overruns, leftovers,
//! and a stop that is under way.

use super::check;
use crate::{
    Action::{self, Keep, Requeue, Terminate},
    FailCause,
    OnOverrun::{Hold, Requeue as Beside},
    Reason, Rule, Signature,
    sample::{DEAD, ELSEWHERE, GONE, LEFT, PROVED, UNKNOWN, secs},
};

const fn fail(cause: FailCause) -> Action {
    Action::Fail { cause }
}

const SPENT: Action = fail(FailCause::AttemptsExhausted);
const RESCUED: Action = fail(FailCause::RescuesExhausted);
const FATAL: Action = fail(FailCause::FatalExit);

#[test]
fn the_exit_policy_fails_at_once() {
    let (rule, why) = (Rule::ExitNonzero, Reason::ExitNonzero);
    let (dead, died) = (Rule::ExecutorDead, Reason::ExecutorDead);
    check([
        ("a code", |c| c.exit(2, 600).fatal_code(2), rule, FATAL, why),
        ("another code", |c| c.exit(3, 600).fatal_code(2), rule, Requeue, why),
        ("a signal, as a shell says it", |c| c.exit(137, 600).fatal_signal(9), rule, FATAL, why),
        ("a signal, as Python says it", |c| c.exit(-9, 600).fatal_signal(9), rule, FATAL, why),
        ("a signal's number as a code", |c| c.exit(9, 600).fatal_signal(9), rule, Requeue, why),
        ("before the caps", |c| c.exit(2, 600).fatal_code(2).attempts(9), rule, FATAL, why),
        (
            "own",
            |c| c.exit(2, 600).own("developer", |own| own.exit.fail_on.extend([Signature::Code(2)])),
            rule,
            FATAL,
            why,
        ),
        (
            "another's",
            |c| c.exit(2, 600).own("fixer", |own| own.exit.fail_on.extend([Signature::Code(2)])),
            rule,
            Requeue,
            why,
        ),
        ("not without an exit", |c| c.dead(DEAD, 2).fatal_code(2), dead, Requeue, died),
        ("without one", |c| c.dead(DEAD, 2).fatal(Signature::Vanished), dead, FATAL, died),
        ("not as another end", |c| c.dead(DEAD, 2).fatal(Signature::Overrun), dead, Requeue, died),
        (
            "a red gate is no end",
            |c| c.exit(0, 600).red().fatal(Signature::Vanished),
            Rule::ExitZero,
            Requeue,
            Reason::GateRed,
        ),
    ]);
}

#[test]
fn the_caps_bound_attempts_and_rescues() {
    let (rule, why) = (Rule::ExecutorDead, Reason::ExecutorDead);
    check([
        ("one attempt is left", |c| c.dead(DEAD, 2).attempts(1), rule, Requeue, why),
        ("none is left", |c| c.dead(DEAD, 2).attempts(2), rule, SPENT, why),
        ("more were made than allowed", |c| c.dead(DEAD, 2).attempts(3), rule, SPENT, why),
        ("one rescue is left", |c| c.dead(DEAD, 2).rescues(4), rule, Requeue, why),
        ("no rescue is left", |c| c.dead(DEAD, 2).rescues(5), rule, RESCUED, why),
        ("attempts are named first", |c| c.dead(DEAD, 2).attempts(2).rescues(5), rule, SPENT, why),
    ]);
    let mut case = crate::sample::case();
    case.dead(DEAD, 2).attempts(0).job.max_attempts = 0;
    assert_eq!(case.decide().action, SPENT, "none was ever allowed");
    let mut case = crate::sample::case();
    case.dead(DEAD, 2).policy.max_rescues = 0;
    assert_eq!(case.decide().action, RESCUED, "no rescue is ever allowed");
}

#[test]
fn what_lives_is_stopped_before_another_attempt() {
    let (rule, why) = (Rule::ExitNonzero, Reason::ExitNonzero);
    let (zero, done) = (Rule::ExitZero, Action::Done { advance: None });
    check([
        ("leftovers", |c| c.exit(1, 600).executor(LEFT), rule, Terminate, why),
        ("leftovers, beside them", |c| c.exit(1, 600).executor(LEFT).on_overrun(Beside), rule, Requeue, why),
        ("leftovers, held", |c| c.exit(1, 600).executor(LEFT).on_overrun(Hold), rule, Keep, Reason::Held),
        ("leftovers, no other attempt", |c| c.exit(1, 600).executor(LEFT).attempts(2), rule, SPENT, why),
        ("provably alive", |c| c.exit(1, 600).executor(PROVED), rule, Terminate, why),
        ("alive as far as the pid shows", |c| c.exit(1, 600), rule, Requeue, why),
        ("another host's", |c| c.exit(1, 600).executor(ELSEWHERE), rule, Requeue, why),
        ("a red gate", |c| c.exit(0, 600).executor(LEFT).red(), zero, Terminate, Reason::GateRed),
        ("done", |c| c.exit(0, 600).executor(LEFT).stage("review"), zero, done, Reason::AlreadyAdvanced),
    ]);
}

#[test]
fn leftovers_that_nobody_is_left_of_follow_the_choice_for_overruns() {
    let (rule, why) = (Rule::NobodyLeft, Reason::NobodyLeft);
    check([
        ("beside them", |c| c.executor(LEFT).monitor(GONE).on_overrun(Beside), rule, Requeue, why),
        ("or fail", |c| c.executor(LEFT).monitor(GONE).on_overrun(Beside).attempts(2), rule, SPENT, why),
        ("held", |c| c.executor(LEFT).monitor(GONE).on_overrun(Hold), rule, Keep, Reason::Held),
        ("stopped", |c| c.executor(LEFT).monitor(GONE).terminating(5), rule, Keep, Reason::Terminating),
    ]);
}

#[test]
fn a_stop_that_is_under_way_is_waited_for() {
    let (rule, why, waits) = (Rule::Ceiling, Reason::OverCeiling, Reason::Terminating);
    let (exited, code) = (Rule::ExitNonzero, Reason::ExitNonzero);
    check([
        ("announced just now", |c| c.age(21_600).executor(PROVED).terminating(0), rule, Keep, waits),
        ("the last second", |c| c.age(21_600).executor(PROVED).terminating(39), rule, Keep, waits),
        ("the winner may have died", |c| c.age(21_600).executor(PROVED).terminating(40), rule, Terminate, why),
        ("dead meanwhile", |c| c.age(21_600).dead(GONE, 0).terminating(1), rule, Requeue, why),
        ("leftovers meanwhile", |c| c.age(21_600).executor(LEFT).terminating(1), rule, Keep, waits),
        ("it exited", |c| c.age(21_600).exit(143, 300).dead(GONE, 0).terminating(9), exited, Requeue, code),
        ("under the ceiling", |c| c.executor(PROVED).terminating(99), Rule::AliveOrUnknown, Keep, Reason::Alive),
    ]);
    let mut case = crate::sample::case();
    case.age(21_600).executor(PROVED).terminating(40).policy.terminate_grace = secs(11);
    assert_eq!(case.decide().reason, waits, "a longer grace");
}

#[test]
fn at_the_ceiling_the_choice_for_overruns_holds() {
    let (rule, why, held) = (Rule::Ceiling, Reason::OverCeiling, Reason::Held);
    let patient = Reason::OverCeilingElsewhere;
    check([
        ("requeue beside it", |c| c.age(21_600).executor(PROVED).on_overrun(Beside), rule, Requeue, why),
        ("or fail", |c| c.age(21_600).executor(PROVED).on_overrun(Beside).attempts(2), rule, SPENT, why),
        ("hold what is provably alive", |c| c.age(21_600).executor(PROVED).on_overrun(Hold), rule, Keep, held),
        ("hold what seems alive", |c| c.age(21_600).on_overrun(Hold), rule, Keep, held),
        ("hold what is unknown", |c| c.age(21_600).executor(UNKNOWN).on_overrun(Hold), rule, Keep, held),
        ("hold leftovers", |c| c.age(21_600).executor(LEFT).on_overrun(Hold), rule, Keep, held),
        ("another host comes first", |c| c.age(21_600).executor(ELSEWHERE).on_overrun(Hold), rule, Keep, patient),
        ("hold another host's", |c| c.age(99_999).executor(ELSEWHERE).on_overrun(Hold), rule, Keep, held),
        ("hold what may still be let go", |c| c.age(21_600).not_let_go().on_overrun(Hold), rule, Keep, held),
    ]);
}

#[test]
fn there_is_nothing_to_hold_where_nothing_runs() {
    let (dead, why) = (Rule::ExecutorDead, Reason::ExecutorDead);
    let (nobody, left) = (Rule::NobodyLeft, Reason::NobodyLeft);
    let (short, streak) = (Rule::ShortStreak, Reason::ShortStreak);
    check([
        ("dead for long", |c| c.age(99_999).dead(DEAD, 2).on_overrun(Hold), dead, Requeue, why),
        ("dead for one tick", |c| c.age(99_999).dead(DEAD, 1).on_overrun(Hold), short, Keep, streak),
        ("certainly dead", |c| c.age(99_999).dead(GONE, 1).on_overrun(Hold), short, Keep, streak),
        (
            "so is the monitor",
            |c| c.age(99_999).dead(GONE, 0).monitor(GONE).on_overrun(Hold),
            nobody,
            Requeue,
            left,
        ),
        ("never let go", |c| c.age(99_999).not_let_go().monitor(GONE).on_overrun(Hold), nobody, Requeue, left),
        ("under the ceiling hold has no say", |c| c.dead(DEAD, 2).on_overrun(Hold), dead, Requeue, why),
    ]);
}
