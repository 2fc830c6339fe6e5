//! The words by which rules, actions and reasons are known outside.

use std::{collections::BTreeSet, format};

use crate::{
    Action, FailCause, Reason, Rule,
    decide::{Age, Executor, ExitFact, Facts, Monitor, State},
};

const REASONS: [Reason; 27] = [
    Reason::NotRunning,
    Reason::Finalizing,
    Reason::NoTask,
    Reason::AlreadyAdvanced,
    Reason::NoGate,
    Reason::GateNotAsked,
    Reason::GateGreen,
    Reason::GateRed,
    Reason::GateUndecided,
    Reason::UnknownAgent,
    Reason::UnknownStage,
    Reason::StageBefore,
    Reason::TaskMissing,
    Reason::ExitNonzero,
    Reason::OverCeiling,
    Reason::OverCeilingElsewhere,
    Reason::Held,
    Reason::Terminating,
    Reason::NobodyLeft,
    Reason::ExecutorDead,
    Reason::ShortStreak,
    Reason::NeverStarted,
    Reason::Alive,
    Reason::Leftovers,
    Reason::NotLetGo,
    Reason::Elsewhere,
    Reason::Unknown,
];

/// `NotRunning` is `not_running`: the word is the name.
fn snake(debug: &str) -> std::string::String {
    let mut word = std::string::String::new();
    for c in debug.chars() {
        if c.is_uppercase() && !word.is_empty() {
            word.push('_');
        }
        word.extend(c.to_lowercase());
    }
    word
}

#[test]
fn words_are_names() {
    for (at, rule) in Rule::ALL.into_iter().enumerate() {
        assert_eq!(usize::from(rule.number()), at);
        assert_eq!(rule.as_str(), snake(&format!("{rule:?}")));
        assert_eq!(format!("{rule:<20}|").len(), 21, "it can be padded");
    }
    for reason in REASONS {
        assert_eq!(reason.as_str(), snake(&format!("{reason:?}")));
        assert_eq!(format!("{reason:<30}|").len(), 31);
    }
    for cause in [FailCause::FatalExit, FailCause::AttemptsExhausted, FailCause::RescuesExhausted] {
        assert_eq!(cause.as_str(), snake(&format!("{cause:?}")));
        assert!(!cause.sentence().is_empty());
    }
}

#[test]
fn every_reason_has_its_sentence() {
    let sentences: BTreeSet<_> = REASONS.iter().map(|reason| reason.sentence()).collect();
    assert_eq!(sentences.len(), REASONS.len());
    assert!(sentences.iter().all(|sentence| !sentence.is_empty() && sentence.len() <= 64));
}

#[test]
fn five_reasons_need_a_person() {
    let needed: BTreeSet<_> = REASONS.into_iter().filter(|reason| reason.needs_a_person()).collect();
    let expected =
        [Reason::UnknownAgent, Reason::UnknownStage, Reason::StageBefore, Reason::TaskMissing, Reason::Held];
    assert_eq!(needed, expected.into_iter().collect());
}

#[test]
fn claims_are_what_changes_a_row() {
    let cause = FailCause::FatalExit;
    let claims = [
        Action::Terminate,
        Action::Requeue,
        Action::Fail { cause },
        Action::Done { advance: None },
        Action::Dismiss,
    ];
    assert!(claims.iter().all(Action::is_claim));
    let words: BTreeSet<_> = claims.iter().map(Action::as_str).collect();
    assert_eq!(words, ["dismiss", "done", "fail", "requeue", "terminate"].into_iter().collect());
    for (action, word) in [(Action::Keep, "keep"), (Action::AskGate { gate: "ci".into() }, "ask_gate")] {
        assert!(!action.is_claim());
        assert_eq!(action.as_str(), word);
    }
}

#[test]
fn facts_are_plain_values() {
    let facts = Facts {
        state: State::Running,
        exit: ExitFact::No,
        age: Age::Within,
        monitor: Monitor::NotGone,
        executor: Executor::Alive,
    };
    assert_eq!(facts.course().0, Rule::AliveOrUnknown);
}

#[test]
fn the_readme_shows_the_table_of_rules() {
    let readme = include_str!("../../../README.md");
    for rule in Rule::ALL {
        let row = format!("| {} | `{rule}` | {} | {} |", rule.number(), rule.when(), rule.then());
        assert!(readme.contains(&row), "the README lacks the row\n{row}");
    }
}
