//! The finite domain, enumerated.
//!
//! - **960** combinations of facts: 3 states, 4 facts about the exit, 4 about the age, 2 about the monitor and 10
//!   about the executor. Each has its rule and its course in `table.txt`.
//! - **155,520** cases: 3 statuses, 5 exits, 4 ages, 9 sights of the executor, 2 of the monitor, 3 kinds of
//!   record, 3 choices for overruns, 2 stops, 2 counts of attempts and 4 verdicts of the gate. On each the decision
//!   and the oracle agree. They reach 800 of the 960 combinations (a fresh exit beside a monitor that is certainly
//!   dead, or on a settled job, cannot be), and give the 40 answers of `answers.txt`.

use std::{collections::BTreeSet, format, string::String, vec::Vec};

use super::oracle;
use crate::{
    OnOverrun, Status, Verdict,
    decide::{Age, Course, Executor, ExitFact, Facts, Monitor, State, Streak},
    job::{Attach, Exit},
    sample::{ALIVE, Case, DEAD, ELSEWHERE, GONE, LEFT, PROVED, UNKNOWN, ago, case},
};

const STATES: [State; 3] = [State::Queued, State::Settled, State::Running];
const EXITS: [ExitFact; 4] = [ExitFact::Fresh, ExitFact::Zero, ExitFact::Bad, ExitFact::No];
const AGES: [Age; 4] = [Age::Within, Age::NeverStarted, Age::Over, Age::LongOver];
const MONITORS: [Monitor; 2] = [Monitor::NotGone, Monitor::Gone];
const EXECUTORS: [Executor; 10] = [
    Executor::Proved,
    Executor::Alive,
    Executor::Left,
    Executor::Elsewhere,
    Executor::Unknown,
    Executor::NotLetGo,
    Executor::Dead(Streak::Short),
    Executor::Dead(Streak::Long),
    Executor::Gone(Streak::Short),
    Executor::Gone(Streak::Long),
];

fn answer(facts: Facts) -> String {
    let (rule, course) = facts.course();
    let (word, reason) = match course {
        Course::Keep(reason) => ("keep", reason.as_str()),
        Course::Leave => ("leave", ""),
        Course::Retry(reason) => ("retry", reason.as_str()),
        Course::Stop(reason) => ("stop", reason.as_str()),
    };
    format!("{} {word} {reason}", rule.number()).trim_end().into()
}

/// The answers of all combinations, said once where all of a group are equal.
fn table() -> (usize, String) {
    let (mut count, mut text) = (0, String::new());
    for state in STATES {
        for exit in EXITS {
            let mut group = Vec::new();
            for age in AGES {
                for monitor in MONITORS {
                    for executor in EXECUTORS {
                        let answer = answer(Facts { state, exit, age, monitor, executor });
                        group.push((format!("{age:?}, monitor {monitor:?}, executor {executor:?}"), answer));
                    }
                }
            }
            count += group.len();
            text.push_str(&format!("{state:?}, exit {exit:?}:"));
            if group.iter().all(|(_, answer)| *answer == group[0].1) {
                text.push_str(&format!(" {}\n", group[0].1));
                continue;
            }
            text.push('\n');
            for (facts, answer) in group {
                text.push_str(&format!("  {facts:<62} {answer}\n"));
            }
        }
    }
    (count, text)
}

#[test]
fn every_combination_has_its_rule() {
    let (count, table) = table();
    assert_eq!(count, 960);
    assert_golden(&table, include_str!("table.txt"));
}

#[test]
fn the_oracle_agrees_on_every_case() {
    let (mut count, mut facts, mut answers) = (0, BTreeSet::new(), BTreeSet::new());
    for status in [Status::Queued, Status::Running, Status::Done] {
        for exit in [None, Some((0, 5)), Some((0, 600)), Some((1, 5)), Some((1, 600))] {
            for age in [10, 60, 21_600, 21_900] {
                each_process(&mut |case| {
                    case.status(status).age(age).start_timeout(60);
                    case.job.exit = exit.map(|(code, age)| Exit { code, at: ago(age) });
                    each_choice(case, &mut |case| {
                        let decision = case.decide();
                        let read = oracle::read(case);
                        assert_eq!((decision.rule, &decision.action), (read.0, &read.1), "{case:#?}");
                        facts.insert(Facts::of(&case.job, &case.seen, &case.clock, &case.policy));
                        answers.insert((decision.rule, decision.action.as_str(), decision.reason));
                        count += 1;
                    });
                });
            }
        }
    }
    assert_eq!((count, facts.len(), answers.len()), (155_520, 800, 40));
    let answers = answers.iter().map(|(rule, action, reason)| format!("{} {action} {reason}\n", rule.number()));
    assert_golden(&answers.collect::<String>(), include_str!("answers.txt"));
}

/// 54 ways in which the processes can be recorded and seen.
fn each_process(visit: &mut dyn FnMut(&mut Case)) {
    let executors = [
        (PROVED, 0),
        (ALIVE, 0),
        (LEFT, 0),
        (ELSEWHERE, 0),
        (UNKNOWN, 0),
        (DEAD, 1),
        (DEAD, 2),
        (GONE, 1),
        (GONE, 2),
    ];
    for (executor, ticks) in executors {
        for monitor in [DEAD, GONE] {
            for (pid, attach) in [(Some(1), Attach::Done), (None, Attach::NotSaid), (None, Attach::Pending)] {
                let mut case = case();
                case.dead(executor, ticks).monitor(monitor);
                (case.job.pid, case.job.attach) = (pid, attach);
                visit(&mut case);
            }
        }
    }
}

/// 48 ways in which policy, caps, stops and gates can stand.
fn each_choice(case: &mut Case, visit: &mut dyn FnMut(&Case)) {
    let verdicts =
        [None, Some(Verdict::Green), Some(Verdict::Red("no".into())), Some(Verdict::Undecided("?".into()))];
    for choice in [OnOverrun::Terminate, OnOverrun::Requeue, OnOverrun::Hold] {
        for stop in [None, Some(5)] {
            for attempts in [1, 2] {
                for verdict in &verdicts {
                    case.on_overrun(choice).attempts(attempts);
                    case.job.terminating_at = stop.map(ago);
                    case.seen.verdict.clone_from(verdict);
                    visit(case);
                }
            }
        }
    }
}

/// A difference prints the whole of what is, so that it can be put into the file once it is what is meant.
#[track_caller]
fn assert_golden(is: &str, golden: &str) {
    assert!(is == golden, "not as in the golden file, but:\n{is}");
}
