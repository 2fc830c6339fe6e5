//! The breaker, by itself: shares, holds, wakes, and a person's word.

use std::{collections::BTreeMap, format};

use chrono::TimeDelta;
use proptest::prelude::*;

use super::{EvidenceKind::*, *};
use crate::{
    PassKind::{Tick, Wake},
    sample::now,
};

fn after(n: i64) -> Clock {
    Clock::at(now() + TimeDelta::seconds(n))
}

const POLICY: BreakerPolicy = BreakerPolicy { percent: 50, at_least: 10, hold: Duration::from_secs(300) };

const ALL_DEAD: Tally = Tally { followed: 20, dead: 20 };
const NONE_DEAD: Tally = Tally { followed: 20, dead: 0 };

fn judge(breaker: &mut Breaker, pass: PassKind, tally: impl Into<Option<(EvidenceKind, Tally)>>, at: i64) {
    let tallies: BTreeMap<_, _> = tally.into().into_iter().collect();
    breaker.judge(pass, &tallies, &after(at), &POLICY);
}

fn holds(breaker: &Breaker, kind: EvidenceKind, at: i64) -> bool {
    breaker.holds(kind, &after(at), &POLICY)
}

fn open(kind: EvidenceKind) -> Breaker {
    let mut breaker = Breaker::default();
    judge(&mut breaker, Tick, (kind, ALL_DEAD), 0);
    assert!(holds(&breaker, kind, 0));
    breaker
}

#[test]
fn it_trips_above_the_share_and_from_the_number_on() {
    assert_eq!(BreakerPolicy::default(), POLICY);
    for (followed, dead, trips) in [
        (10, 10, true),
        (9, 9, false),
        (19, 10, true),
        (20, 10, false),
        (21, 11, true),
        (22, 11, false),
        (0, 10, true),
        (u64::MAX, u64::MAX, true),
        (0, 0, false),
    ] {
        assert_eq!(POLICY.trips(Tally { followed, dead }), trips, "{dead} of {followed}");
    }
    let never = BreakerPolicy { percent: 100, ..POLICY };
    assert!(!never.trips(ALL_DEAD));
    let always = BreakerPolicy { percent: 0, at_least: 0, ..POLICY };
    assert!(always.trips(Tally { followed: 1000, dead: 1 }));
    assert!(!always.trips(NONE_DEAD));
}

#[test]
fn each_kind_has_its_own() {
    let breaker = open(BarePid);
    assert!(!holds(&breaker, Beat, 0) && !holds(&breaker, Age, 0));
    assert_eq!(
        breaker.open.get(&BarePid),
        Some(&Open { since: now(), seen_at: now(), tally: ALL_DEAD, released: false })
    );
}

#[test]
fn a_state_that_persists_is_believed() {
    let mut breaker = open(BarePid);
    for at in [10, 299] {
        judge(&mut breaker, Tick, (BarePid, ALL_DEAD), at);
        assert!(holds(&breaker, BarePid, at));
        assert_eq!(breaker.review_at(&after(at), &POLICY), Some(after(300).now));
    }
    judge(&mut breaker, Tick, (BarePid, Tally { followed: 12, dead: 11 }), 300);
    assert!(!holds(&breaker, BarePid, 300));
    assert_eq!(breaker.review_at(&after(300), &POLICY), None);
    assert_eq!(breaker.open[&BarePid].tally.dead, 11, "it is open all the same, with the latest tally");
}

#[test]
fn the_first_kind_to_be_believed_is_reviewed_first() {
    let mut breaker = open(Beat);
    judge(&mut breaker, Wake, (Age, ALL_DEAD), 100);
    assert_eq!(breaker.review_at(&after(100), &POLICY), Some(after(300).now));
    assert_eq!(breaker.review_at(&after(300), &POLICY), Some(after(400).now));
}

#[test]
fn a_tick_closes_what_has_passed() {
    let mut breaker = open(BarePid);
    judge(&mut breaker, Tick, (BarePid, NONE_DEAD), 10);
    assert_eq!(breaker, Breaker::default());
    let mut breaker = open(BarePid);
    judge(&mut breaker, Tick, None, 10);
    assert_eq!(breaker, Breaker::default(), "nothing is followed by it any more");
    judge(&mut breaker, Tick, (BarePid, ALL_DEAD), 1000);
    assert!(holds(&breaker, BarePid, 1000), "and the next time is another time");
}

#[test]
fn a_wake_closes_nothing_and_opens_by_age_alone() {
    for kind in EvidenceKind::ALL {
        let mut breaker = open(kind);
        judge(&mut breaker, Wake, (kind, Tally { followed: 1, dead: 0 }), 10);
        assert!(holds(&breaker, kind, 10), "{kind}");
        let mut breaker = Breaker::default();
        judge(&mut breaker, Wake, (kind, ALL_DEAD), 10);
        assert_eq!(holds(&breaker, kind, 10), kind == Age, "{kind}");
    }
}

#[test]
fn a_state_that_nobody_saw_has_not_persisted() {
    let mut breaker = open(Age);
    judge(&mut breaker, Tick, (Age, ALL_DEAD), 3600);
    assert!(!holds(&breaker, Age, 3600), "ticks may be an hour apart");
    judge(&mut breaker, Tick, (Age, ALL_DEAD), 7201);
    assert!(holds(&breaker, Age, 7201), "longer than an hour, and it begins anew");
    judge(&mut breaker, Tick, (Age, ALL_DEAD), 7501);
    assert!(!holds(&breaker, Age, 7501));
}

#[test]
fn a_persons_word_lasts_until_the_state_passes() {
    let mut breaker = open(Beat);
    judge(&mut breaker, Tick, (Beat, ALL_DEAD), 10);
    assert!(breaker.release());
    assert!(!breaker.release(), "it was said");
    assert!(!holds(&breaker, Beat, 10));
    assert_eq!(breaker.review_at(&after(10), &POLICY), None);
    judge(&mut breaker, Tick, (Beat, ALL_DEAD), 9000);
    assert!(!holds(&breaker, Beat, 9000), "whoever was away");
    judge(&mut breaker, Tick, (Beat, NONE_DEAD), 9010);
    judge(&mut breaker, Tick, (Beat, ALL_DEAD), 9020);
    assert!(holds(&breaker, Beat, 9020));
    assert!(!Breaker::default().release(), "nothing is open");
}

#[test]
fn one_word_releases_all_that_is_open() {
    let mut breaker = open(Beat);
    breaker.release();
    breaker.open.insert(Age, Open { since: now(), seen_at: now(), tally: ALL_DEAD, released: false });
    assert!(breaker.release());
    assert!(breaker.open.values().all(|open| open.released));
}

/// A tick of one host: its own breaker and that of ages, judged and put back.
fn tick_of(host: &str, all: &mut Breakers, tally: impl Into<Option<(EvidenceKind, Tally)>>, at: i64) {
    let mut breaker = all.of(host);
    judge(&mut breaker, Tick, tally, at);
    all.put(host, breaker, &after(at));
}

#[test]
fn who_sees_nothing_of_it_or_sees_it_otherwise_closes_no_other_hosts_breaker() {
    for kind in [BarePid, Beat] {
        for other in [None, Some((kind, NONE_DEAD))] {
            let mut all = Breakers::default();
            for at in (0..300).step_by(10) {
                tick_of("a", &mut all, (kind, ALL_DEAD), at);
                tick_of("b", &mut all, other, at + 5);
                assert!(holds(&all.of("a"), kind, at + 5), "{kind} at {at}");
                assert!(!holds(&all.of("b"), kind, at + 5), "what is wrong at a is not wrong at b");
                assert_eq!(all.hosts["a"].open[&kind].since, now(), "it is the same state still");
            }
            tick_of("a", &mut all, (kind, ALL_DEAD), 300);
            assert!(!holds(&all.of("a"), kind, 300), "it has persisted");
            tick_of("a", &mut all, None, 310);
            assert_eq!(all, Breakers::default());
        }
    }
}

#[test]
fn a_persons_word_is_about_every_host_and_outlives_the_ticks_of_others() {
    let mut all = Breakers::default();
    tick_of("a", &mut all, (BarePid, ALL_DEAD), 0);
    tick_of("b", &mut all, (Age, ALL_DEAD), 0);
    assert!(all.release());
    assert!(!all.release(), "it was said");
    // Ages are the same for everybody, so that whoever sees that they are well again closes it.
    tick_of("c", &mut all, None, 10);
    tick_of("a", &mut all, (BarePid, ALL_DEAD), 20);
    assert!(!holds(&all.of("a"), BarePid, 20));
    assert_eq!(all.age, None);
    assert!(!Breakers::default().release(), "nothing is open");

    let mut one = Breakers::default();
    tick_of("a", &mut one, (BarePid, ALL_DEAD), 0);
    assert!(one.release(), "no age is open");
    assert!(!holds(&one.of("a"), BarePid, 0));
}

#[test]
fn the_breaker_of_ages_is_everybodys() {
    let mut all = Breakers::default();
    tick_of("a", &mut all, (Age, ALL_DEAD), 0);
    assert!(holds(&all.of("b"), Age, 0));
    tick_of("b", &mut all, (Age, ALL_DEAD), 300);
    assert!(!holds(&all.of("a"), Age, 300), "whoever has seen that it lasts");

    let mut all = Breakers::default();
    tick_of("a", &mut all, (Age, ALL_DEAD), 0);
    assert!(all.release());
    assert!(!holds(&all.of("b"), Age, 0), "so is a person's word of it");
    assert!(!all.release(), "it was said");
}

#[test]
fn a_host_that_is_seen_no_more_is_forgotten() {
    let mut all = Breakers::default();
    let week = 7 * 24 * 3600;
    tick_of("a", &mut all, (BarePid, ALL_DEAD), 0);
    tick_of("b", &mut all, None, week);
    assert!(all.hosts.contains_key("a"));
    tick_of("b", &mut all, None, week + 1);
    assert_eq!(all, Breakers::default());
}

#[test]
fn a_closed_one_is_not_written() {
    let mut breaker = Breaker::default();
    judge(&mut breaker, Tick, (BarePid, NONE_DEAD), 10);
    judge(&mut breaker, Wake, (BarePid, ALL_DEAD), 20);
    assert_eq!(breaker, Breaker::default());
}

#[test]
fn a_share_is_a_percentage() {
    for percent in [0, 50, 100] {
        assert_eq!(BreakerPolicy { percent, ..POLICY }.validate(), Ok(()));
    }
    let error = BreakerPolicy { percent: 101, ..POLICY }.validate().unwrap_err();
    assert_eq!(format!("{error}"), "breaker_percent = 101: is a share: use 0 to 100");
}

#[test]
fn kinds_have_words() {
    assert_eq!(EvidenceKind::ALL.map(EvidenceKind::as_str), ["bare_pid", "beat", "age"]);
    assert_eq!(format!("{BarePid:<9}|"), "bare_pid |");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Counting further than `enough` never changes whether it trips.
    #[test]
    fn enough_is_enough(dead in 0..5000_u64, percent in 1..=100_u8, more in 0..5000_u64) {
        let policy = BreakerPolicy { percent, at_least: 0, ..POLICY };
        let trips = |followed| policy.trips(Tally { followed, dead });
        let enough = policy.enough(dead);
        prop_assert!(!trips(enough + more));
        prop_assert!(enough == 0 || trips(enough - 1), "and one less is not");
    }

    #[test]
    fn no_figure_is_too_large(dead: u64, followed: u64, percent in 0..=100_u8) {
        let policy = BreakerPolicy { percent, ..POLICY };
        let exact = u128::from(dead) * 100 > u128::from(followed) * u128::from(percent);
        prop_assert_eq!(policy.trips(Tally { followed, dead }), exact && dead >= 10);
        prop_assert!(policy.enough(dead) >= dead);
    }
}
