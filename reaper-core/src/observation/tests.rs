//! Streaks.

use std::vec;

use proptest::prelude::*;

use super::*;
use crate::sample::{ALIVE, DEAD, ELSEWHERE, GONE, LEFT, PROVED, UNKNOWN};

fn attempt(fence: i64) -> Attempt {
    Attempt { job: 1.into(), fence: fence.into() }
}

fn tick(observations: &mut Observations, seen: Liveness) -> u32 {
    observations.begin(PassKind::Tick);
    observations.see(PassKind::Tick, &attempt(1), seen)
}

fn wake(observations: &mut Observations, seen: Liveness) -> u32 {
    observations.begin(PassKind::Wake);
    observations.see(PassKind::Wake, &attempt(1), seen)
}

#[test]
fn ticks_in_a_row_raise() {
    let mut all = Observations::default();
    assert_eq!([1, 2, 3].map(|_| tick(&mut all, DEAD)), [1, 2, 3]);
    assert_eq!(tick(&mut all, GONE), 4, "certain or not");
}

#[test]
fn wakes_never_raise() {
    let mut all = Observations::default();
    assert_eq!([wake(&mut all, DEAD), wake(&mut all, DEAD)], [0, 0]);
    assert!(all.suspects().is_empty());
    assert_eq!(tick(&mut all, DEAD), 1);
    assert_eq!([wake(&mut all, DEAD), wake(&mut all, GONE)], [1, 1], "what the tick raised stands");
    assert_eq!(tick(&mut all, DEAD), 2);
}

#[test]
fn whatever_is_not_dead_clears_at_any_pass() {
    for seen in [ALIVE, PROVED, LEFT, ELSEWHERE, UNKNOWN] {
        for clear in [tick, wake] {
            let mut all = Observations::default();
            assert_eq!([tick(&mut all, DEAD), tick(&mut all, DEAD)], [1, 2]);
            assert_eq!(clear(&mut all, seen), 0, "{seen:?}");
            assert!(all.suspects().is_empty());
            assert_eq!(tick(&mut all, DEAD), 1);
        }
    }
}

#[test]
fn looking_twice_in_a_tick_counts_once() {
    let mut all = Observations::default();
    assert_eq!(tick(&mut all, DEAD), 1);
    assert_eq!(all.see(PassKind::Tick, &attempt(1), DEAD), 1);
    assert_eq!(tick(&mut all, DEAD), 2);
    assert_eq!(all.see(PassKind::Tick, &attempt(1), DEAD), 2);
}

#[test]
fn a_tick_that_did_not_look_breaks_the_row() {
    let mut all = Observations::default();
    assert_eq!(tick(&mut all, DEAD), 1);
    all.begin(PassKind::Tick);
    assert_eq!(all.suspects(), vec![attempt(1)], "it is to be looked at in this tick");
    assert_eq!(wake(&mut all, DEAD), 0, "the tick is over and did not look");
    assert_eq!(tick(&mut all, DEAD), 1);
}

#[test]
fn attempts_are_told_apart_by_their_fence() {
    let mut all = Observations::default();
    assert_eq!(tick(&mut all, DEAD), 1);
    assert_eq!(all.see(PassKind::Tick, &attempt(2), DEAD), 1);
    assert_eq!(all.count(), 2);
    assert_eq!(tick(&mut all, DEAD), 2);
    all.forget(&attempt(1));
    assert_eq!(all.count(), 1);
    assert_eq!(all.suspects(), vec![attempt(2)]);
    all.begin(PassKind::Tick);
    assert!(all.suspects().is_empty(), "the second tick did not look at it");
}

#[test]
fn forgetting_all_begins_anew() {
    let mut all = Observations::default();
    assert_eq!([tick(&mut all, DEAD), tick(&mut all, DEAD)], [1, 2]);
    assert_eq!(all.suspects(), vec![attempt(1)]);
    all.clear();
    assert!(all.suspects().is_empty());
    assert_eq!(tick(&mut all, DEAD), 1);
}

#[test]
fn counters_saturate() {
    let streak = Streak { ticks: u32::MAX, raised_in: u64::MAX };
    let streaks = BTreeMap::from([(attempt(1), streak)]);
    let mut all = Observations { tick: u64::MAX, streaks, ..Observations::default() };
    assert_eq!(tick(&mut all, DEAD), u32::MAX);
    assert_eq!(all.tick, 0);
}

#[test]
fn verdicts_have_words() {
    let words = [Verdict::Green, Verdict::Red("a".into()), Verdict::Undecided("b".into())].map(|v| v.as_str());
    assert_eq!(words, ["green", "red", "undecided"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// A streak of `n` means `n` ticks in a row, the latest last, that saw it dead and nothing else; nothing but
    /// death was seen since the first of them.
    #[test]
    fn a_streak_is_a_row_of_dead_ticks(
        passes in proptest::collection::vec((any::<bool>(), crate::strategy::livenesses(), 0..3_u8), 1..30),
    ) {
        let mut all = Observations::default();
        let mut row = 0;
        for (is_tick, seen, looks) in passes {
            let kind = if is_tick { PassKind::Tick } else { PassKind::Wake };
            let dead = matches!(seen, Liveness::Dead(_));
            all.begin(kind);
            row = match (is_tick, looks > 0, dead) {
                (true, true, true) => row + 1,
                (_, true, false) | (true, false, _) => 0,
                (false, _, _) => row,
            };
            for _ in 0..looks {
                prop_assert_eq!(all.see(kind, &attempt(1), seen), row);
            }
        }
    }
}

#[test]
fn what_was_killed_for_want_of_memory_is_known_until_it_is_settled() {
    let attempt = |job: i64| Attempt { job: job.into(), fence: 1.into() };
    let mut observations = Observations::default();
    observations.note_out_of_memory((0..20_000).map(attempt).collect());
    assert!(observations.is_out_of_memory(&attempt(9_999)) && !observations.is_out_of_memory(&attempt(10_000)));
    assert_eq!(observations.see(PassKind::Tick, &attempt(1), Liveness::Alive(crate::Certainty::Verified)), 0);
    assert!(observations.is_out_of_memory(&attempt(1)), "its process may be seen later than its exit");
    observations.forget(&attempt(1));
    assert!(!observations.is_out_of_memory(&attempt(1)));
    observations.clear();
    assert!(!observations.is_out_of_memory(&attempt(2)));
}
