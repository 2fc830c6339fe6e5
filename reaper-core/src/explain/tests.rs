//! Explanations: pages, conditions, and the way from a rule to its action.

use std::{borrow::ToOwned, format, string::ToString, vec::Vec};

use proptest::prelude::*;

use super::*;
use crate::{
    Fence, JobId, OnOverrun, Signature, TaskId, Verdict,
    decide::Facts,
    job::Key,
    sample::{ALIVE, Case, DEAD, ELSEWHERE, GONE, LEFT, PROVED, UNKNOWN, case},
    strategy,
};

type Change = fn(&mut Case) -> &mut Case;

fn explained(case: &Case) -> Explanation {
    explain(&case.job, &case.seen, &case.clock, &case.policy)
}

fn explain_with(change: Change) -> Explanation {
    let mut case = case();
    explained(change(&mut case))
}

fn texts(conditions: &[Condition]) -> Vec<(&str, bool)> {
    conditions.iter().map(|condition| (condition.text.as_str(), condition.holds)).collect()
}

/// The conditions of a rule on a case.
fn conditions(rule: Rule, change: Change) -> Vec<(String, bool)> {
    let mut explanation = explain_with(change);
    let tried = explanation.rules.swap_remove(rule.number().into());
    tried.conditions.into_iter().map(|condition| (condition.text, condition.holds)).collect()
}

fn last(rule: Rule, change: Change) -> (String, bool) {
    conditions(rule, change).pop().unwrap()
}

/// What was looked at on the way to the action.
fn course(change: Change) -> Vec<String> {
    let mark = |holds| if holds { "and" } else { "but" };
    explain_with(change).course.iter().map(|c| format!("{} {}", mark(c.holds), c.text)).collect()
}

#[test]
fn a_page_is_as_it_is_shown() {
    let pages: [(&str, &str, Change); 5] = [
        ("finalizing", include_str!("pages/finalizing.txt"), |c| c.exit(0, 5).dead(DEAD, 1)),
        ("short_streak", include_str!("pages/short_streak.txt"), |c| c.dead(DEAD, 1)),
        ("terminating", include_str!("pages/terminating.txt"), |c| c.age(25_200).executor(PROVED).terminating(3)),
        ("gate_red", include_str!("pages/gate_red.txt"), |c| c.exit(0, 600).dead(DEAD, 2).red().attempts(2)),
        ("unknown", include_str!("pages/unknown.txt"), |c| c.no_sign().monitor(ELSEWHERE)),
    ];
    for (name, golden, change) in pages {
        let page = format!("{}\n", explain_with(change));
        assert!(page == golden, "{name} is not as in its file, but:\n{page}");
    }
}

#[test]
fn the_readme_shows_such_a_page() {
    assert!(include_str!("../../README.md").contains(include_str!("pages/short_streak.txt")));
}

#[test]
fn fates_follow_the_decision() {
    let explanation = explain_with(|c| c.dead(DEAD, 2));
    let fates: Vec<_> = explanation.rules.iter().map(|tried| tried.fate).collect();
    use Fate::{DoesNotHold as No, Fired, NotReached as Rest};
    assert_eq!(fates, [No, No, No, No, No, No, Fired, Rest, Rest, Rest]);
    assert!(explanation.rules.iter().all(|tried| !tried.conditions.is_empty()));
}

#[test]
fn conditions_tell_what_is() {
    use Rule::*;
    let no = |text: &str| (text.to_owned(), false);
    let yes = |text: &str| (text.to_owned(), true);
    assert_eq!(last(NotRunning, |c| c.status(crate::Status::Done)), yes("the job is done"));
    let mut fresh = case();
    fresh.status(crate::Status::Queued).exit(0, 5);
    assert_eq!(
        texts(&explained(&fresh).rules[0].conditions)[1],
        ("exit age 5 s is under finalize_grace 5 min", false)
    );
    assert_eq!(texts(&explained(&fresh).rules[1].conditions)[0], ("the job is queued, with a late finish", true));
    fresh.monitor(GONE);
    let certain = ("its monitor is certainly dead, nobody is finalising", true);
    assert_eq!(texts(&explained(&fresh).rules[0].conditions)[1], certain);
    fresh.exit(0, 300);
    let reached = ("exit age 5 min has reached finalize_grace", true);
    assert_eq!(texts(&explained(&fresh).rules[0].conditions)[1], reached);

    assert_eq!(last(ExitZero, |c| c.exit(0, 9)), yes("the exit code is 0"));
    assert_eq!(last(ExitZero, |c| c.exit(2, 9)), no("the exit code is 2, not 0"));
    assert_eq!(last(ExitZero, |c| c), no("no exit is recorded"));
    assert_eq!(last(ExitNonzero, |c| c.exit(0, 9)), no("the exit code is 0, not another than 0"));
    assert_eq!(last(ExitNonzero, |c| c.exit(-9, 9)), yes("the exit code is -9: signal 9"));
    assert_eq!(last(ExitNonzero, |c| c.exit(3, 9)), yes("the exit code is 3"));
    assert_eq!(conditions(Ceiling, |c| c.exit(3, 9))[1], no("an exit is recorded, code 3"));
    assert_eq!(last(Ceiling, |c| c), no("age 10 s is under max_running 6 h"));
    assert_eq!(last(Ceiling, |c| c.age(25_200)), yes("age 7 h is past max_running 6 h"));
    assert_eq!(last(Ceiling, |c| c.age(21_601)), yes("age 6 h is just past max_running"));
    let held: Change = |c| c.age(25_200).on_overrun(OnOverrun::Hold);
    assert_eq!(last(Ceiling, held), yes("something of it may run"));
    let dead: Change = |c| c.dead(DEAD, 1).on_overrun(OnOverrun::Hold);
    assert_eq!(last(Ceiling, dead), no("nothing of it runs that could be held"));
    assert_eq!(conditions(NobodyLeft, |c| c.monitor(GONE))[2], yes("the monitor is certainly dead"));
    assert_eq!(last(ExecutorDead, |c| c.dead(DEAD, 2)), yes("seen dead in 2 ticks in a row, dead_ticks is 2"));
    assert_eq!(last(ShortStreak, |c| c.dead(DEAD, 2)), no("seen dead in 2 ticks in a row, dead_ticks is 2"));
    assert_eq!(conditions(NeverStarted, |c| c)[2], no("start_timeout is off"));
    assert_eq!(conditions(NeverStarted, |c| c.start_timeout(60))[2], no("age 10 s is under start_timeout 1 min"));
    assert_eq!(conditions(NeverStarted, |c| c)[3], no("a pid is recorded"));
    assert_eq!(conditions(NeverStarted, |c| c.no_sign().beat())[3], no("a beat is recorded"));
    assert_eq!(conditions(NeverStarted, |c| c.no_sign())[3], yes("no pid, no identity and no beat is recorded"));
    let mut unborn = case();
    unborn.start_timeout(60).job.started_at = None;
    for rule in [4, 8] {
        assert_eq!(texts(&explained(&unborn).rules[rule].conditions)[2], ("when it began is not recorded", false));
    }
    unborn.no_sign().job.executor = Some(crate::sample::identity(1));
    assert_eq!(texts(&explained(&unborn).rules[8].conditions)[3], ("an identity is recorded", false));
}

#[test]
fn executors_are_told_as_they_were_seen() {
    for (seen, text, rule_9) in [
        (PROVED, "the executor is certainly alive", true),
        (ALIVE, "the executor seems alive", true),
        (GONE, "the executor is certainly dead", false),
        (DEAD, "the executor seems dead", false),
        (LEFT, "the executor is gone, its session lives on", true),
        (ELSEWHERE, "the executor is another host's to say", true),
        (UNKNOWN, "nobody can tell whether the executor lives", true),
    ] {
        let mut case = case();
        let rules = explained(case.executor(seen)).rules;
        assert_eq!(texts(&rules[9].conditions)[2], (text, rule_9));
        assert_eq!(texts(&rules[5].conditions)[3], (text, matches!(seen, GONE | LEFT)));
        assert_eq!(texts(&rules[6].conditions)[2], (text, !rule_9));
        assert_eq!(texts(&rules[8].conditions)[4], (text, seen == UNKNOWN));
    }
    assert_eq!(last(Rule::AliveOrUnknown, |c| c.not_let_go()), ("no executor was let go yet".into(), true));
    assert!(last(Rule::NobodyLeft, |c| c.not_let_go()).1 && last(Rule::NeverStarted, |c| c.not_let_go()).1);
}

#[test]
fn the_way_to_another_attempt_is_told_to_its_end() {
    let (taken, rescued) =
        ("and taken once, max_attempts is 2", "and requeued by reapers never, max_rescues is 5");
    assert_eq!(course(|c| c.dead(DEAD, 2)), [taken, rescued]);
    assert_eq!(course(|c| c.exit(3, 600)), ["and exit code 3 is none that fails at once", taken, rescued]);
    assert_eq!(course(|c| c.exit(3, 600).fatal_code(3)), ["but exit code 3 is one that fails at once"]);
    let vanished: Change = |c| c.dead(DEAD, 2).fatal(Signature::Vanished);
    assert_eq!(course(vanished), ["but such an end is one that fails at once"]);
    assert_eq!(course(|c| c.dead(DEAD, 2).attempts(2)), ["but taken twice, max_attempts is 2"]);
    let spent = ["and taken never, max_attempts is 2", "but requeued by reapers 5 times, max_rescues is 5"];
    assert_eq!(course(|c| c.dead(DEAD, 2).attempts(0).rescues(5)), spent);

    let stop = "and on_overrun is terminate: its processes are stopped first";
    let none = "and exit code 1 is none that fails at once";
    let session = "but its session would live on beside another attempt";
    let process = "but its executor would live on beside another attempt";
    assert_eq!(course(|c| c.exit(1, 600).executor(LEFT)), [none, taken, rescued, session, stop]);
    assert_eq!(course(|c| c.exit(1, 600).executor(PROVED)), [none, taken, rescued, process, stop]);
    let beside = "and on_overrun is requeue: another attempt may run beside it";
    let change: Change = |c| c.exit(1, 600).executor(LEFT).on_overrun(OnOverrun::Requeue);
    assert_eq!(course(change), [none, taken, rescued, session, beside]);
}

#[test]
fn the_way_past_the_ceiling_is_told_to_its_end() {
    let (taken, rescued) =
        ("and taken once, max_attempts is 2", "and requeued by reapers never, max_rescues is 5");
    let stop = "and on_overrun is terminate: its processes are stopped first";
    assert_eq!(course(|c| c.age(25_200)), [taken, rescued]);
    assert_eq!(course(|c| c.age(25_200).executor(PROVED)), [stop]);
    let under_way = "but a stop was announced 3 s ago, and has 40 s to work";
    assert_eq!(course(|c| c.age(25_200).executor(PROVED).terminating(3)), [under_way]);
    let anew = "and a stop was announced 50 s ago, and has 40 s to work";
    assert_eq!(course(|c| c.age(25_200).executor(PROVED).terminating(50)), [anew]);
    let beside = "and on_overrun is requeue: another attempt may run beside it";
    let requeued: Change = |c| c.age(25_200).executor(PROVED).on_overrun(OnOverrun::Requeue);
    assert_eq!(course(requeued), [beside, taken, rescued]);
    let hold = "but on_overrun is hold: it is left for a person";
    assert_eq!(course(|c| c.age(25_200).on_overrun(OnOverrun::Hold)), [hold]);
    assert_eq!(course(|c| c.age(25_200).executor(PROVED).on_overrun(OnOverrun::Hold)), [hold]);
    assert_eq!(course(|c| c.executor(LEFT).monitor(GONE).on_overrun(OnOverrun::Hold)), [hold]);
    let first = "but its own host's reaper comes first, until age 6 h 5 min";
    assert_eq!(course(|c| c.age(21_660).executor(ELSEWHERE)), [first]);
    assert_eq!(course(|c| c.dead(DEAD, 1)), ["but one more tick in a row must see it dead"]);
    assert_eq!(course(|c| c.dead(DEAD, 0)), ["but 2 more ticks in a row must see it dead"]);
    assert_eq!(course(|c| c), [""; 0]);
}

#[test]
fn the_way_out_of_a_stage_is_told_to_its_end() {
    let stands = "and task 1 stands in architecture, which developer jobs leave";
    assert_eq!(course(|c| c.exit(0, 600)), [stands, "but gate ci was not asked yet"]);
    assert_eq!(course(|c| c.exit(0, 600).verdict(Verdict::Green)), [stands, "and gate ci is green"]);
    let unsure: Change = |c| c.exit(0, 600).verdict(Verdict::Undecided("time limit".into()));
    assert_eq!(course(unsure), [stands, "but gate ci could not say: time limit"]);
    let (taken, rescued) =
        ("and taken once, max_attempts is 2", "and requeued by reapers never, max_rescues is 5");
    let red = "but gate ci is red: 2 tests fail";
    assert_eq!(course(|c| c.exit(0, 600).red()), [stands, red, taken, rescued]);
    let late: Change = |c| c.status(crate::Status::Queued).exit(0, 600).red();
    assert_eq!(course(late), [stands, red], "a queued job is not requeued");
    let behind = ["and task 1 stands in review, behind what developer jobs leave"];
    assert_eq!(course(|c| c.exit(0, 600).stage("review")), behind);
    let before = ["but task 1 stands in analysis, before what developer jobs leave"];
    assert_eq!(course(|c| c.exit(0, 600).stage("analysis")), before);
    assert_eq!(course(|c| c.exit(0, 600).stage("nowhere")), ["but the pipeline has no stage nowhere"]);
    assert_eq!(course(|c| c.exit(0, 600).agent("x")), ["but the pipeline has no agent x"]);
    let open = ["and task 1 stands in review, which fixer jobs leave", "and no gate guards leaving it"];
    assert_eq!(course(|c| c.exit(0, 600).agent("fixer").stage("review")), open);
    let mut case = case();
    case.exit(0, 600).job.task.as_mut().unwrap().place = None;
    assert_eq!(texts(&explained(&case).course), [("the row of its task 1 is gone", false)]);
    assert!(explained(&case).to_string().contains("  task      1 in stage (its row is gone)\n"));
    case.job.task = None;
    assert_eq!(texts(&explained(&case).course), [("it belongs to no task", true)]);
}

#[test]
fn what_follows_is_told_with_its_instant() {
    let next = explain_with(|c| c.exit(1, 5)).next.unwrap();
    assert_eq!(
        (next.wait, next.rule, next.action),
        (crate::sample::secs(295), Rule::ExitNonzero, Action::Requeue)
    );
    assert_eq!(next.reason, Reason::ExitNonzero);
    assert_eq!(explain_with(|c| c.exit(1, 600)).next, None);
}

#[test]
fn actions_are_sentences() {
    let line =
        |change| explain_with(change).to_string().lines().find(|line| line.contains(": it")).unwrap().to_owned();
    assert_eq!(
        line(|c| c.exit(2, 600).fatal_code(2)),
        "fail, no retry after such an exit: it exited with another code than 0"
    );
    assert!(line(|c| c.exit(0, 600)).starts_with("ask gate ci: "));
    assert!(line(|c| c.exit(0, 600).verdict(Verdict::Green)).starts_with("done, task 1 goes to development: "));
    assert!(line(|c| c.exit(0, 600).stage("review")).starts_with("done, no move of a task: "));
    assert!(line(|c| c.age(25_200).executor(PROVED)).starts_with("stop its processes: "));
    assert!(
        line(|c| c.status(crate::Status::Queued).exit(0, 600).red()).starts_with("put the late finish aside: ")
    );
}

#[test]
fn names_of_others_are_made_fit_for_a_terminal() {
    let mut case = case();
    case.exit(0, 600).agent("\u{1b}[31mred").stage("a\nb").verdict(Verdict::Red("x".repeat(500)));
    case.job.repo = "r\u{202e}".into();
    case.job.attempt.fence = Fence(Key::Text("f\r".into()));
    case.job.attempt.job = JobId(Key::Text("j\u{7}".into()));
    case.job.task.as_mut().unwrap().id = TaskId(Key::Text("t\u{9b}".into()));
    let page = explained(&case).to_string();
    assert!(page.chars().all(|c| c == '\n' || !c.is_control()), "{page:?}");
    assert!(!page.contains('\u{202e}'));
    let mut case = crate::sample::case();
    case.exit(0, 600).verdict(Verdict::Red("x".repeat(500)));
    assert!(explained(&case).to_string().lines().all(|line| line.chars().count() < 100));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

    /// Two ways to the same rule: the first of the lists that hold, and the match.
    #[test]
    fn the_first_rule_that_holds_is_the_decisions(case in strategy::cases()) {
        let (job, seen, clock, policy) = case;
        let explanation = explain(&job, &seen, &clock, &policy);
        prop_assert_eq!(&explanation.decision, &decide(&job, &seen, &clock, &policy));
        let holds = |tried: &&Tried| tried.conditions.iter().all(|condition| condition.holds);
        let first = explanation.rules.iter().find(holds).unwrap();
        prop_assert_eq!(first.rule, explanation.decision.rule);
        prop_assert_eq!(first.rule, Facts::of(&job, &seen, &clock, &policy).course().0);
        prop_assert_eq!(first.fate, Fate::Fired);
        let rules: Vec<_> = explanation.rules.iter().map(|tried| tried.rule).collect();
        prop_assert_eq!(rules, Rule::ALL);
        prop_assert_eq!(explanation.next.map(|next| next.at), explanation.decision.review_at);
    }

    /// A terminal of 80 columns is enough, and something is always said.
    #[test]
    fn pages_are_narrow(case in strategy::cases()) {
        let (job, seen, clock, policy) = case;
        let page = explain(&job, &seen, &clock, &policy).to_string();
        prop_assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
        prop_assert!(page.lines().count() > 16);
        prop_assert!(!page.ends_with('\n'));
    }
}
