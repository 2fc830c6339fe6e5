//! `review_at`: with no new fact, no instant before it changes the answer, and it does.

use chrono::TimeDelta;
use proptest::prelude::*;

use super::properties::cases;
use crate::{
    Action, Reason, Rule, Timestamp,
    sample::{Case, DEAD, ELSEWHERE, GONE, PROVED, ago, case, now, secs},
};

fn at(case: &Case, instant: Timestamp) -> (Action, Rule, Reason) {
    let mut case = case.clone();
    case.clock.now = instant;
    let decision = case.decide();
    (decision.action, decision.rule, decision.reason)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn no_instant_before_it_changes_the_answer(case in cases(), parts: [u8; 3]) {
        let now = case.clock.now;
        let answer = at(&case, now);
        let until = case.decide().review_at.unwrap_or(now + TimeDelta::days(365));
        prop_assert!(until > now, "never now: the loop would not sleep");
        let whole = (until - now).num_nanoseconds().unwrap();
        let within = parts.map(|part| whole / 256 * i64::from(part));
        for nanos in within.into_iter().chain([1, whole - 1]).filter(|nanos| *nanos < whole) {
            prop_assert_eq!(&at(&case, now + TimeDelta::nanoseconds(nanos)), &answer);
        }
    }

    #[test]
    fn the_answer_changes_at_it(case in cases()) {
        if let Some(review_at) = case.decide().review_at {
            prop_assert_ne!(at(&case, review_at), at(&case, case.clock.now));
        }
    }

    /// Time alone can turn five comparisons, each once.
    #[test]
    fn there_are_few_of_them(mut case in cases()) {
        let mut reviews = 0;
        while let Some(review_at) = case.decide().review_at {
            prop_assert!(review_at > case.clock.now);
            case.clock.now = review_at;
            reviews += 1;
            prop_assert!(reviews <= 5);
        }
    }
}

fn review(change: fn(&mut Case) -> &mut Case) -> Option<Timestamp> {
    let mut case = case();
    change(&mut case);
    case.decide().review_at
}

#[test]
fn each_comparison_has_its_instant() {
    let after = |n: u64| Some(now() + TimeDelta::seconds(n.try_into().unwrap()));
    assert_eq!(review(|c| c.exit(0, 5)), after(295), "the grace");
    assert_eq!(review(|c| c.exit(0, 5).monitor(GONE)), None, "no grace, nothing to wait for");
    assert_eq!(review(|c| c.exit(0, 300)), None, "the gate does not hang on time");
    assert_eq!(review(|c| c.age(10)), after(21_590), "the ceiling");
    assert_eq!(review(|c| c.age(21_600)), None, "past it");
    assert_eq!(review(|c| c.age(10).dead(DEAD, 2)), after(21_590), "the rule changes, if not the action");
    assert_eq!(review(|c| c.age(21_600).executor(ELSEWHERE)), after(300), "the patience with another host");
    assert_eq!(review(|c| c.age(10).no_sign().start_timeout(60)), after(50), "the start time-out");
    assert_eq!(review(|c| c.age(10).start_timeout(60)), after(21_590), "a pid: no start time-out");
    assert_eq!(review(|c| c.age(30_000).executor(PROVED).terminating(10)), after(30), "the stop");
    assert_eq!(review(|c| c.executor(PROVED).terminating(10)), after(21_590), "no stop under the ceiling");
    assert_eq!(review(|c| c.status(crate::Status::Done).exit(0, 5)), None, "settled");
    assert_eq!(review(|c| c.status(crate::Status::Queued).exit(1, 5)), None, "queued, no late finish");
    assert_eq!(review(|c| c.status(crate::Status::Queued).exit(0, 5)), after(295), "a late finish");
}

#[test]
fn a_jump_moves_it() {
    let mut case = case();
    case.exit(0, 3600);
    // Half an hour of that hour was a step of the clock, and the exit is 30 min old.
    case.clock.jumps.note(ago(2000), ago(190), secs(10), secs(2));
    case.limits(|limits| limits.finalize_grace = secs(3600));
    assert_eq!(case.decide().review_at, Some(now() + TimeDelta::seconds(1800)));
}
