//! The table of rules, row by row.

use super::check;
use crate::{
    Action::{self, Dismiss, Keep, Requeue, Terminate},
    FailCause, OnOverrun, Pipeline, Reason, Rule,
    Status::{Done, Failed, Queued},
    job::{Attach, Exit},
    sample::{ALIVE, DEAD, ELSEWHERE, GONE, LEFT, PROVED, UNKNOWN, ago, identity, secs},
};

fn ask() -> Action {
    Action::AskGate { gate: "ci".into() }
}

#[test]
fn rule_0_keeps_what_is_not_running() {
    let (rule, why) = (Rule::NotRunning, Reason::NotRunning);
    check([
        ("queued", |c| c.status(Queued), rule, Keep, why),
        ("done", |c| c.status(Done), rule, Keep, why),
        ("failed", |c| c.status(Failed), rule, Keep, why),
        ("done, and all are dead", |c| c.status(Done).dead(GONE, 9).monitor(GONE), rule, Keep, why),
        ("done, exit 0 past its grace", |c| c.status(Done).exit(0, 600), rule, Keep, why),
        ("done, exit 0 in its grace", |c| c.status(Done).exit(0, 5), rule, Keep, why),
        ("failed, exit 1", |c| c.status(Failed).exit(1, 600), rule, Keep, why),
        ("queued, over the ceiling", |c| c.status(Queued).age(99_999), rule, Keep, why),
        ("queued, a late exit 1", |c| c.status(Queued).exit(1, 600), rule, Keep, why),
        ("queued, a late exit 1 in its grace", |c| c.status(Queued).exit(1, 5), rule, Keep, why),
    ]);
}

#[test]
fn rule_0_acts_on_a_late_finish() {
    let (rule, why) = (Rule::NotRunning, Reason::GateNotAsked);
    let done = Action::Done { advance: None };
    let fresh = (Rule::Finalizing, Reason::Finalizing);
    check([
        ("past its grace", |c| c.status(Queued).exit(0, 300), rule, ask(), why),
        ("its monitor is certainly dead", |c| c.status(Queued).exit(0, 5).monitor(GONE), rule, ask(), why),
        ("in its grace", |c| c.status(Queued).exit(0, 299), fresh.0, Keep, fresh.1),
        ("red", |c| c.status(Queued).exit(0, 300).red(), rule, Dismiss, Reason::GateRed),
        (
            "red, beside leftovers",
            |c| c.status(Queued).exit(0, 300).red().executor(LEFT),
            rule,
            Dismiss,
            Reason::GateRed,
        ),
        ("moved on", |c| c.status(Queued).exit(0, 300).stage("review"), rule, done, Reason::AlreadyAdvanced),
    ]);
}

#[test]
fn rule_1_leaves_a_young_exit_to_its_monitor() {
    let (rule, why) = (Rule::Finalizing, Reason::Finalizing);
    check([
        ("exit 0", |c| c.exit(0, 5), rule, Keep, why),
        ("exit 0, the last second", |c| c.exit(0, 299), rule, Keep, why),
        ("exit 1", |c| c.exit(1, 5), rule, Keep, why),
        ("over the ceiling", |c| c.exit(0, 5).age(99_999), rule, Keep, why),
        ("the executor dead for long", |c| c.exit(0, 5).dead(DEAD, 9), rule, Keep, why),
        ("the executor certainly dead", |c| c.exit(0, 5).dead(GONE, 9), rule, Keep, why),
        ("the monitor seems dead", |c| c.exit(0, 5).monitor(DEAD), rule, Keep, why),
        ("the monitor has leftovers", |c| c.exit(0, 5).monitor(LEFT), rule, Keep, why),
        ("the monitor is alive", |c| c.exit(0, 5).monitor(PROVED), rule, Keep, why),
        ("the monitor is elsewhere", |c| c.exit(0, 5).monitor(ELSEWHERE), rule, Keep, why),
        ("own grace", |c| c.exit(0, 600).own("developer", |own| own.finalize_grace = secs(900)), rule, Keep, why),
    ]);
    let mut case = crate::sample::case();
    case.job.exit = Some(Exit { code: 0, at: ago(0) + secs(60) });
    assert_eq!(case.decide().rule, rule, "an exit in the future is young");
}

#[test]
fn rule_2_takes_exit_0() {
    let (rule, why) = (Rule::ExitZero, Reason::GateNotAsked);
    check([
        ("the grace is over", |c| c.exit(0, 300), rule, ask(), why),
        ("the monitor is certainly dead", |c| c.exit(0, 5).monitor(GONE), rule, ask(), why),
        ("a living monitor has no more than the grace", |c| c.exit(0, 300).monitor(PROVED), rule, ask(), why),
        ("the executor is alive", |c| c.exit(0, 300).executor(PROVED), rule, ask(), why),
        ("over the ceiling", |c| c.exit(0, 300).age(99_999), rule, ask(), why),
        ("no grace", |c| c.exit(0, 0).limits(|all| all.finalize_grace = secs(0)), rule, ask(), why),
        (
            "another's grace",
            |c| c.exit(0, 600).own("fixer", |own| own.finalize_grace = secs(900)),
            rule,
            ask(),
            why,
        ),
    ]);
}

#[test]
fn rule_3_takes_another_exit() {
    let (rule, why) = (Rule::ExitNonzero, Reason::ExitNonzero);
    check([
        ("the grace is over", |c| c.exit(1, 300), rule, Requeue, why),
        ("the monitor is certainly dead", |c| c.exit(1, 5).monitor(GONE), rule, Requeue, why),
        ("by a signal", |c| c.exit(-9, 600), rule, Requeue, why),
        (
            "over a ceiling that holds",
            |c| c.exit(1, 600).age(99_999).on_overrun(OnOverrun::Hold),
            rule,
            Requeue,
            why,
        ),
    ]);
    let mut case = crate::sample::case();
    case.exit(1, 600).policy.pipeline = Pipeline::default();
    assert_eq!(case.decide().action, Requeue, "no pipeline is needed");
}

#[test]
fn rule_4_is_the_ceiling() {
    let (rule, why) = (Rule::Ceiling, Reason::OverCeiling);
    let fail = Action::Fail { cause: FailCause::AttemptsExhausted };
    let (kept, patient) = (Rule::AliveOrUnknown, Reason::OverCeilingElsewhere);
    check([
        ("the last second", |c| c.age(21_599), kept, Keep, Reason::Alive),
        ("alive, as far as the pid shows", |c| c.age(21_600), rule, Requeue, why),
        ("unknown", |c| c.age(21_600).executor(UNKNOWN), rule, Requeue, why),
        ("nothing recorded", |c| c.age(21_600).no_sign(), rule, Requeue, why),
        ("not let go", |c| c.age(21_600).not_let_go(), rule, Requeue, why),
        ("dead for one tick", |c| c.age(21_600).dead(DEAD, 1), rule, Requeue, why),
        ("certainly dead", |c| c.age(21_600).dead(GONE, 0), rule, Requeue, why),
        ("so is the monitor", |c| c.age(21_600).dead(GONE, 0).monitor(GONE), rule, Requeue, why),
        ("the attempts are spent", |c| c.age(21_600).attempts(2), rule, fail, why),
        ("provably alive", |c| c.age(21_600).executor(PROVED), rule, Terminate, why),
        ("so, the attempts are spent", |c| c.age(21_600).executor(PROVED).attempts(2), rule, Terminate, why),
        ("leftovers", |c| c.age(21_600).executor(LEFT), rule, Terminate, why),
        ("so, no monitor", |c| c.age(21_600).executor(LEFT).monitor(GONE), rule, Terminate, why),
        ("elsewhere", |c| c.age(21_600).executor(ELSEWHERE), rule, Keep, patient),
        ("elsewhere, the last second", |c| c.age(21_899).executor(ELSEWHERE), rule, Keep, patient),
        ("elsewhere, patience is over", |c| c.age(21_900).executor(ELSEWHERE), rule, Requeue, why),
        ("alive long after", |c| c.age(99_999), rule, Requeue, why),
        ("provably alive long after", |c| c.age(99_999).executor(PROVED), rule, Terminate, why),
        ("past the start time-out too", |c| c.age(21_600).no_sign().start_timeout(60), rule, Requeue, why),
    ]);
    let mut case = crate::sample::case();
    case.executor(UNKNOWN).job.started_at = None;
    assert_eq!(case.decide().rule, kept, "a beginning that nobody knows is not old");
}

#[test]
fn rule_5_takes_an_attempt_that_nobody_is_left_of() {
    let (rule, why) = (Rule::NobodyLeft, Reason::NobodyLeft);
    let (short, streak) = (Rule::ShortStreak, Reason::ShortStreak);
    let kept = Rule::AliveOrUnknown;
    check([
        ("both certainly dead", |c| c.dead(GONE, 0).monitor(GONE), rule, Requeue, why),
        ("both certainly dead, for long", |c| c.dead(GONE, 5).monitor(GONE), rule, Requeue, why),
        ("never let go", |c| c.not_let_go().monitor(GONE), rule, Requeue, why),
        ("so, past the start time-out", |c| c.not_let_go().monitor(GONE).start_timeout(1), rule, Requeue, why),
        ("leftovers", |c| c.executor(LEFT).monitor(GONE), rule, Terminate, why),
        ("the monitor only seems dead", |c| c.dead(GONE, 1).monitor(DEAD), short, Keep, streak),
        ("the monitor is unknown", |c| c.dead(GONE, 1), short, Keep, streak),
        ("the executor only seems dead", |c| c.dead(DEAD, 1).monitor(GONE), short, Keep, streak),
        ("the executor is unknown", |c| c.executor(UNKNOWN).monitor(GONE), kept, Keep, Reason::Unknown),
        ("no attach contract", |c| c.no_sign().monitor(GONE), kept, Keep, Reason::Unknown),
        ("the executor is alive", |c| c.executor(PROVED).monitor(GONE), kept, Keep, Reason::Alive),
        ("the executor is elsewhere", |c| c.executor(ELSEWHERE).monitor(GONE), kept, Keep, Reason::Elsewhere),
    ]);
    let changes: [fn(&mut crate::JobSnapshot); 3] =
        [|job| job.attach = Attach::Done, |job| job.pid = Some(1), |job| job.executor = Some(identity(1))];
    for change in changes {
        let mut case = crate::sample::case();
        change(&mut case.not_let_go().monitor(GONE).job);
        assert_eq!(case.decide().reason, Reason::Unknown, "something may have been let go: {case:#?}");
    }
}

#[test]
fn rules_6_and_7_wait_for_the_streak() {
    let (rule, why) = (Rule::ExecutorDead, Reason::ExecutorDead);
    let (short, streak) = (Rule::ShortStreak, Reason::ShortStreak);
    check([
        ("two ticks", |c| c.dead(DEAD, 2), rule, Requeue, why),
        ("more", |c| c.dead(DEAD, 7), rule, Requeue, why),
        ("certainly dead, two ticks", |c| c.dead(GONE, 2), rule, Requeue, why),
        ("one tick", |c| c.dead(DEAD, 1), short, Keep, streak),
        ("seen at a wake", |c| c.dead(DEAD, 0), short, Keep, streak),
        ("certainly dead, one tick", |c| c.dead(GONE, 1), short, Keep, streak),
        ("one is enough", |c| c.dead(DEAD, 1).limits(|all| all.dead_ticks = 1), rule, Requeue, why),
        ("three are needed", |c| c.dead(DEAD, 2).limits(|all| all.dead_ticks = 3), short, Keep, streak),
        ("own", |c| c.dead(DEAD, 2).own("developer", |own| own.dead_ticks = 3), short, Keep, streak),
        ("past the start time-out", |c| c.dead(DEAD, 1).start_timeout(1), short, Keep, streak),
        ("a streak is no death", |c| c.dead(ALIVE, 9), Rule::AliveOrUnknown, Keep, Reason::Alive),
    ]);
}

#[test]
fn rule_8_takes_what_never_started() {
    let (rule, why) = (Rule::NeverStarted, Reason::NeverStarted);
    let kept = Rule::AliveOrUnknown;
    check([
        ("no sign", |c| c.age(60).no_sign().start_timeout(60), rule, Requeue, why),
        ("never let go", |c| c.age(60).not_let_go().start_timeout(60), rule, Requeue, why),
        ("a living monitor", |c| c.age(60).not_let_go().monitor(PROVED).start_timeout(60), rule, Requeue, why),
        ("the last second", |c| c.age(59).no_sign().start_timeout(60), kept, Keep, Reason::Unknown),
        ("off by default", |c| c.age(21_599).no_sign(), kept, Keep, Reason::Unknown),
        ("a pid", |c| c.age(60).executor(UNKNOWN).start_timeout(60), kept, Keep, Reason::Unknown),
        ("a beat", |c| c.age(60).no_sign().beat().start_timeout(60), kept, Keep, Reason::Unknown),
        ("alive", |c| c.age(60).no_sign().executor(ALIVE).start_timeout(60), kept, Keep, Reason::Alive),
        ("leftovers", |c| c.age(60).no_sign().executor(LEFT).start_timeout(60), kept, Keep, Reason::Leftovers),
        (
            "elsewhere",
            |c| c.age(60).no_sign().executor(ELSEWHERE).start_timeout(60),
            kept,
            Keep,
            Reason::Elsewhere,
        ),
    ]);
    let mut case = crate::sample::case();
    case.age(60).no_sign().start_timeout(60).job.executor = Some(identity(9));
    assert_eq!(case.decide().reason, Reason::Unknown, "an identity is a sign");
}

#[test]
fn rule_9_keeps_what_lives_or_cannot_be_told() {
    let rule = Rule::AliveOrUnknown;
    check([
        ("a pid that exists", |c| c, rule, Keep, Reason::Alive),
        ("provably alive", |c| c.executor(PROVED), rule, Keep, Reason::Alive),
        ("leftovers count as alive", |c| c.executor(LEFT), rule, Keep, Reason::Leftovers),
        ("still to be let go", |c| c.not_let_go(), rule, Keep, Reason::NotLetGo),
        ("another host's", |c| c.executor(ELSEWHERE), rule, Keep, Reason::Elsewhere),
        ("unknown", |c| c.executor(UNKNOWN), rule, Keep, Reason::Unknown),
        ("unknown for long", |c| c.dead(UNKNOWN, 9), rule, Keep, Reason::Unknown),
    ]);
}
