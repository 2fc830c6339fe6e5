//! Ages and prefilters, by hand and in a simulated world of steps and records.

use std::{vec, vec::Vec};

use proptest::prelude::*;

use super::*;
use crate::sample::{ago, now, secs};

fn later(n: i64) -> Timestamp {
    now() + TimeDelta::seconds(n)
}

/// A clock that went from 12:00 to 12:00 and `n` seconds in 10 s, and shows that.
fn jumped(n: i64) -> Clock {
    let mut clock = Clock::at(later(n));
    assert_eq!(clock.jumps.note(now(), later(n), secs(10), secs(2)), Some(TimeDelta::seconds(n - 10)));
    clock
}

#[test]
fn without_jumps_ages_are_differences() {
    let clock = Clock::at(now());
    assert_eq!(clock.age(ago(90)), secs(90));
    assert_eq!(clock.age(now()), Duration::ZERO);
    assert_eq!(clock.age(later(90)), Duration::ZERO);
    assert_eq!(clock.when(ago(90), secs(100)), Some(later(10)));
    assert_eq!(clock.when(ago(90), Duration::MAX), None);
    assert_eq!(clock.when(Timestamp::MAX_UTC, secs(1)), None);
}

#[test]
fn a_step_forward_is_taken_out() {
    let clock = jumped(3610);
    assert_eq!(clock.age(ago(100)), secs(110), "from before it");
    assert_eq!(clock.age(later(3605)), secs(5), "from after it");
    assert_eq!(clock.age(later(10)), Duration::ZERO, "the last that can be from before it");
    assert_eq!(clock.when(ago(100), secs(300)), Some(later(3800)));
}

#[test]
fn a_step_backward_is_taken_out() {
    let clock = jumped(-3590);
    assert_eq!(clock.age(later(-3700)), secs(3710), "certainly from before it");
    assert_eq!(clock.age(later(-3600)), secs(10), "the first that can be from after it");
    assert_eq!(clock.age(ago(100)), Duration::ZERO, "shown twice: the younger one is meant");
    let mut clock = clock;
    clock.now = later(100);
    assert_eq!(clock.age(ago(100)), secs(200));
}

#[test]
fn a_step_that_was_taken_back_leaves_later_instants_alone() {
    let mut clock = jumped(3610);
    // Ten seconds later the hour is taken back.
    assert_eq!(clock.jumps.note(later(3610), later(20), secs(10), secs(2)), Some(TimeDelta::seconds(-3600)));
    clock.now = later(320);
    assert_eq!(clock.age(later(220)), secs(100), "recorded after both");
    assert_eq!(clock.age(ago(100)), secs(420), "recorded before both");
    assert_eq!(
        clock.age(later(3612)),
        Duration::ZERO,
        "between the two, or yet to come: the younger one is meant"
    );
}

#[test]
fn what_is_within_the_tolerance_is_no_jump_until_it_adds_up() {
    let mut jumps = ClockJumps::default();
    assert_eq!(jumps.note(now(), later(12), secs(10), secs(2)), None);
    assert_eq!(jumps, ClockJumps { creep: TimeDelta::seconds(2), ..ClockJumps::default() });
    assert_eq!(jumps.note(later(12), later(21), secs(10), secs(2)), None);
    assert_eq!(jumps.creep, TimeDelta::seconds(1), "what went forward may go back");
    assert_eq!(jumps.note(later(21), later(33), secs(10), secs(2)), Some(TimeDelta::seconds(3)));
    assert_eq!(jumps.creep, TimeDelta::zero(), "it is remembered as a jump");
    let clock = Clock { now: later(40), jumps };
    assert_eq!(clock.age(later(33)), secs(4), "when it crept in is not known");
    assert_eq!(clock.age(later(34)), secs(6));
    let mut jumps = ClockJumps::default();
    for _ in 0..100 {
        assert_eq!(jumps.note(now(), later(8), secs(10), secs(2)), None, "backward it only makes ages younger");
    }
    assert_eq!(jumps, ClockJumps::default());
}

#[test]
fn the_tolerance_is_the_last_difference_that_is_none() {
    for (n, noted) in [(12, None), (13, Some(3)), (8, None), (7, Some(-3))] {
        let seen = ClockJumps::default().note(now(), later(n), secs(10), secs(2));
        assert_eq!(seen, noted.map(TimeDelta::seconds), "{n}");
    }
}

#[test]
fn a_prefilter_hides_nothing_at_the_ends() {
    let clock = Clock::at(now());
    assert_eq!(clock.latest_with(secs(300)), ago(300));
    assert_eq!(clock.latest_with(Duration::ZERO), Timestamp::MAX_UTC, "an instant in the future has age zero");
    assert_eq!(clock.latest_with(Duration::MAX), Timestamp::MIN_UTC);
    assert_eq!(jumped(3610).latest_with(secs(10)), later(3600), "a step forward makes nothing older");
    assert_eq!(jumped(-3590).latest_with(secs(10)), Clock::at(now()).latest_with(Duration::ZERO).min(later(0)));
    let mut end = Clock::at(Timestamp::MAX_UTC);
    end.jumps.note(now(), ago(3600), secs(10), secs(2));
    assert_eq!(end.latest_with(secs(1)), Timestamp::MAX_UTC);
}

/// What the world does between two readings of the clock.
#[derive(Clone, Debug)]
struct Interval {
    /// Its true length in ms.
    length: i64,
    /// When in it the clock is moved, and by how much, in ms.
    step: Option<(i64, i64)>,
    /// When in it something is recorded, in ms.
    records: Vec<i64>,
}

fn intervals(steps: impl Strategy<Value = i64> + Clone) -> impl Strategy<Value = Vec<Interval>> {
    let interval = (1_i64..600_000).prop_flat_map(move |length| {
        let step = proptest::option::weighted(0.3, (0..=length, steps.clone()));
        let records = proptest::collection::vec(0..=length, 0..4);
        (Just(length), step, records).prop_map(|(length, step, records)| Interval { length, step, records })
    });
    proptest::collection::vec(interval, 1..50)
}

/// Lives through the intervals. Answers with the clock at the end, and for each record what the clock showed, its
/// true age, and whether the clock was moved after it.
fn live(intervals: &[Interval], tolerance: Duration) -> (Clock, Vec<(Timestamp, Duration, bool)>) {
    let mut jumps = ClockJumps::default();
    let (mut real, mut offset) = (0, 0);
    let shown = |real: i64, offset: i64| now() + TimeDelta::milliseconds(real + offset);
    let mut records = vec![];
    for Interval { length, step, records: here } in intervals {
        let last = shown(real, offset);
        for at in here {
            let moved = step.filter(|(when, _)| when < at).map_or(0, |(_, by)| by);
            records.push((real + at, shown(real + at, offset + moved), offset + moved));
        }
        real += length;
        offset += step.map_or(0, |(_, by)| by);
        let elapsed = Duration::from_millis(length.unsigned_abs());
        jumps.note(last, shown(real, offset), elapsed, tolerance);
    }
    let clock = Clock { now: shown(real, offset), jumps };
    let age = |at: i64| Duration::from_millis((real - at).unsigned_abs());
    let records = records.into_iter().map(|(at, shown, then)| (shown, age(at), then != offset)).collect();
    (clock, records)
}

const TOLERANCE: Duration = Duration::from_secs(2);

/// Steps that are noticed.
fn steps() -> impl Strategy<Value = i64> + Clone {
    prop_oneof![2001_i64..7_200_000, -7_200_000_i64..-2000]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn no_age_exceeds_the_time_that_has_passed(world in intervals(steps())) {
        let (clock, records) = live(&world, TOLERANCE);
        for (shown, age, _) in records {
            prop_assert!(clock.age(shown) <= age, "{shown} is {age:?} old, not {:?}", clock.age(shown));
        }
    }

    #[test]
    fn steps_below_the_tolerance_never_add_up_to_more(world in intervals(prop_oneof![-2000_i64..=2000, steps()])) {
        let (clock, records) = live(&world, TOLERANCE);
        for (shown, age, _) in records {
            prop_assert!(clock.age(shown) <= age + TOLERANCE);
        }
    }

    #[test]
    fn ages_without_jumps_are_exact(world in intervals(Just(0))) {
        let (clock, records) = live(&world, TOLERANCE);
        prop_assert_eq!(&clock.jumps, &ClockJumps::default());
        for (shown, age, _) in records {
            prop_assert_eq!(clock.age(shown), age);
        }
    }

    /// An instant is too young only where its reading can be another stretch's.
    #[test]
    fn ages_after_a_single_step_forward_are_exact(world in intervals(Just(0)), by in 1_000_000_i64..7_200_000) {
        let mut world = world;
        let middle = world.len() / 2;
        world[middle] = Interval { length: 1000, step: Some((500, by)), records: vec![0, 400] };
        let (clock, records) = live(&world, TOLERANCE);
        for (shown, age, _) in records {
            prop_assert_eq!(clock.age(shown), age);
        }
    }

    #[test]
    fn more_jumps_than_are_remembered_err_towards_youth(by in proptest::collection::vec(steps(), 33..80)) {
        let step = |by| Interval { length: 60_000, step: Some((30_000, by)), records: vec![10_000, 50_000] };
        let world: Vec<_> = by.into_iter().map(step).collect();
        let (clock, records) = live(&world, TOLERANCE);
        prop_assert_eq!(clock.jumps.jumps.len(), REMEMBERED);
        for (shown, age, _) in records {
            prop_assert!(clock.age(shown) <= age);
        }
    }

    #[test]
    fn a_prefilter_hides_nothing(world in intervals(steps()), age in 0_u64..8_000_000, off in -8_000_000_i64..8_000_000) {
        let (clock, records) = live(&world, TOLERANCE);
        let age = Duration::from_millis(age);
        let instants = records.into_iter().map(|record| record.0);
        for instant in instants.chain([clock.now + TimeDelta::milliseconds(off)]) {
            prop_assert!(clock.age(instant) < age || instant <= clock.latest_with(age));
        }
    }

    /// What `when` foretells is what `age` then says, to the nanosecond.
    #[test]
    fn when_is_when_the_age_is_reached(world in intervals(steps()), off in -8_000_000_i64..8_000_000, age in 1_u64..9_999_999) {
        let (mut clock, _) = live(&world, TOLERANCE);
        let since = clock.now + TimeDelta::milliseconds(off);
        let age = Duration::from_millis(age);
        let when = clock.when(since, age).unwrap();
        clock.now = when;
        prop_assert!(clock.age(since) >= age);
        clock.now = when - TimeDelta::nanoseconds(1);
        prop_assert!(clock.age(since) < age);
    }
}
