//! Buckets, budget, evidence, tallies.

use std::{vec, vec::Vec};

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;
use crate::{
    Policy, Verdict,
    sample::{ALIVE, Case, DEAD, ELSEWHERE, GONE, LEFT, PROVED, UNKNOWN, case, now},
    strategy,
};

fn planned(change: fn(&mut Case) -> &mut Case) -> Planned {
    let mut case = case();
    change(&mut case).planned()
}

fn plan(pass: PassKind, budget: usize, rows: impl IntoIterator<Item = Planned>) -> Plan {
    let mut planner = Planner::new(pass, budget);
    rows.into_iter().for_each(|row| planner.add(row));
    planner.finish(&mut Breaker::default(), &Clock::at(now()), &BreakerPolicy::default())
}

fn tick(rows: impl IntoIterator<Item = Planned>) -> Plan {
    plan(PassKind::Tick, 100, rows)
}

fn many(n: usize, change: fn(&mut Case) -> &mut Case) -> impl Iterator<Item = Planned> {
    std::iter::repeat_n(planned(change), n)
}

fn bad() -> BadRow {
    BadRow { job: 1.into(), column: "attempts".into(), problem: "is no number".into() }
}

#[test]
fn those_that_live_and_were_not_loaded_count_beside_the_dead() {
    let beside = |dead: usize, alive: u64| {
        let mut planner = Planner::new(PassKind::Tick, 100);
        many(dead, |c| c.dead(DEAD, 2)).for_each(|row| planner.add(row));
        planner.add_followed(EvidenceKind::BarePid, alive);
        planner.finish(&mut Breaker::default(), &Clock::at(now()), &BreakerPolicy::default())
    };
    let plan = beside(10, 90);
    assert_eq!(plan.tallies, [(EvidenceKind::BarePid, Tally { followed: 100, dead: 10 })].into());
    assert_eq!((plan.claim.len(), plan.counts.held), (10, 0));
    let plan = beside(10, 0);
    assert_eq!((plan.claim.len(), plan.counts.held), (0, 10), "all that are followed look dead");
    assert_eq!(beside(0, 0).tallies, [].into(), "nobody is followed");
}

#[test]
fn each_kind_of_row_has_its_bucket() {
    let rows = [
        planned(|c| c),
        planned(|c| c.exit(1, 600)),
        planned(|c| c.exit(0, 600)),
        planned(|c| c.exit(0, 600).stage("nowhere")),
        planned(|c| c.dead(DEAD, 2)),
    ];
    let mut planner = Planner::new(PassKind::Tick, 10);
    rows.iter().cloned().for_each(|row| planner.add(row));
    planner.add_bad(bad());
    let plan = planner.finish(&mut Breaker::default(), &Clock::at(now()), &BreakerPolicy::default());
    let [_, requeue, ask, unknown, dead] = rows;
    assert_eq!((plan.claim, plan.ask, plan.cannot_tell), (vec![requeue, dead], vec![ask], vec![unknown]));
    assert_eq!(plan.bad, [bad()]);
    let Counts { loaded, by_rule, kept, held, deferred } = plan.counts;
    assert_eq!((loaded, kept, held, deferred), (6, 1, 0, 0));
    let expected =
        [(Rule::ExitZero, 2), (Rule::ExitNonzero, 1), (Rule::ExecutorDead, 1), (Rule::AliveOrUnknown, 1)];
    assert_eq!(by_rule, expected.into());
}

#[test]
fn the_budget_bounds_every_bucket() {
    let rows = many(5, |c| c.exit(1, 600)).chain(many(5, |c| c.exit(0, 600)));
    let rows = rows.chain(many(5, |c| c.exit(0, 600).stage("nowhere")));
    let mut planner = Planner::new(PassKind::Tick, 2);
    rows.for_each(|row| planner.add(row));
    (0..5).for_each(|_| planner.add_bad(bad()));
    let plan = planner.finish(&mut Breaker::default(), &Clock::at(now()), &BreakerPolicy::default());
    assert_eq!([plan.claim.len(), plan.ask.len(), plan.cannot_tell.len(), plan.bad.len()], [2; 4]);
    assert_eq!((plan.counts.loaded, plan.counts.deferred), (20, 12));
}

#[test]
fn certain_claims_come_before_doubtful_ones() {
    let rows = many(3, |c| c.dead(DEAD, 2)).chain(many(3, |c| c.exit(1, 600)));
    let plan = plan(PassKind::Tick, 4, rows);
    let rules: Vec<_> = plan.claim.iter().map(|planned| planned.decision.rule).collect();
    assert_eq!(rules, [[Rule::ExitNonzero; 3].as_slice(), &[Rule::ExecutorDead]].concat());
    assert_eq!(plan.counts.deferred, 2);
}

/// Reapers that see the same ten pages begin at any of them, and go on at the first one after the last.
#[test]
fn claims_beyond_the_budget_are_taken_from_any_page_on() {
    let changes: [fn(&mut Case) -> &mut Case; 2] = [|c| c.exit(1, 600), |c| c.dead(DEAD, 2)];
    for change in changes {
        let (mut firsts, mut seed) = (std::collections::BTreeSet::new(), 1_u64);
        for _ in 0..300 {
            let mut planner = Planner::new(PassKind::Tick, 3);
            for page in 0..10 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                planner.begin_page(seed >> 33);
                for row in 0..2 {
                    let mut planned = planned(change);
                    planned.job.attempt.job = (page * 2 + row).into();
                    planner.add(planned);
                }
            }
            let policy = BreakerPolicy { at_least: u64::MAX, ..BreakerPolicy::default() };
            let plan = planner.finish(&mut Breaker::default(), &Clock::at(now()), &policy);
            assert_eq!((plan.claim.len(), plan.counts.deferred), (3, 17));
            let ids: Vec<_> = plan.claim.iter().map(|planned| planned.job.attempt.job.as_int().unwrap()).collect();
            assert!(ids.windows(2).all(|pair| pair[1] == (pair[0] + 1) % 20), "{ids:?}");
            firsts.insert(ids[0]);
        }
        assert_eq!(firsts.into_iter().collect::<Vec<_>>(), [0, 2, 4, 6, 8, 10, 12, 14, 16, 18]);
    }
}

#[test]
fn what_the_breaker_holds_is_counted_and_not_claimed() {
    let rows = many(12, |c| c.dead(DEAD, 2)).chain(many(3, |c| c.exit(1, 600)));
    let mut breaker = Breaker::default();
    let mut planner = Planner::new(PassKind::Tick, 8);
    rows.for_each(|row| planner.add(row));
    let plan = planner.finish(&mut breaker, &Clock::at(now()), &BreakerPolicy::default());
    assert_eq!(
        (plan.counts.held, plan.counts.deferred, plan.claim.len()),
        (12, 0, 3),
        "those beyond the budget too"
    );
    assert_eq!(plan.tallies, [(EvidenceKind::BarePid, Tally { followed: 12, dead: 12 })].into());
    assert!(breaker.open.contains_key(&EvidenceKind::BarePid));
    assert_eq!(plan.review_at, Some(now() + TimeDelta::seconds(300)), "when it is believed");
}

#[test]
fn what_the_breaker_lets_through_is_within_the_budget() {
    let mut breaker = Breaker::default();
    let all = |breaker: &mut Breaker, at: i64| {
        let mut planner = Planner::new(PassKind::Tick, 8);
        many(12, |c| c.dead(DEAD, 2)).for_each(|row| planner.add(row));
        let clock = Clock::at(now() + TimeDelta::seconds(at));
        planner.finish(breaker, &clock, &BreakerPolicy::default())
    };
    assert_eq!(all(&mut breaker, 0).counts.held, 12);
    let plan = all(&mut breaker, 300);
    assert_eq!((plan.claim.len(), plan.counts.held, plan.counts.deferred), (8, 0, 4));
    assert!(breaker.open.contains_key(&EvidenceKind::BarePid), "open, and believed");
}

#[test]
fn a_wake_claims_by_the_breaker_of_the_latest_tick() {
    let suspects = || many(12, |c| c.dead(DEAD, 2));
    assert_eq!(plan(PassKind::Wake, 100, suspects()).claim.len(), 12, "a part that is all dead tells nothing");
    let mut breaker = Breaker::default();
    for (pass, held) in [(PassKind::Tick, 12), (PassKind::Wake, 1)] {
        let mut planner = Planner::new(pass, 100);
        suspects().take(held).for_each(|row| planner.add(row));
        let plan = planner.finish(&mut breaker, &Clock::at(now()), &BreakerPolicy::default());
        let held = u64::try_from(held).unwrap();
        assert_eq!((plan.counts.held, plan.claim.len()), (held, 0));
    }
}

#[test]
fn the_living_are_counted_with_the_dead() {
    let half = many(12, |c| c.dead(DEAD, 2)).chain(many(12, |c| c));
    let plan = tick(half);
    assert_eq!(plan.tallies, [(EvidenceKind::BarePid, Tally { followed: 24, dead: 12 })].into());
    assert_eq!((plan.claim.len(), plan.counts.kept), (12, 12));
}

#[test]
fn evidence_is_told_by_what_was_found() {
    let kind = |finding: Finding| {
        let mut planned = planned(|c| c.dead(DEAD, 2));
        planned.seen.executor.finding = finding;
        planned.evidence()
    };
    for finding in
        [Finding::NoSuchProcess, Finding::Ended, Finding::Recycled, Finding::Rebooted, Finding::PidExists]
    {
        assert_eq!(kind(finding), Some(EvidenceKind::BarePid));
    }
    for finding in [Finding::Running, Finding::SessionLives(1), Finding::PidHeld, Finding::PidEnded] {
        assert_eq!(kind(finding), Some(EvidenceKind::BarePid));
    }
    let beats = [Finding::NothingRecorded, Finding::OtherHost, Finding::OtherNamespace, Finding::PidNotTrusted];
    let others =
        [Finding::Unsupported, Finding::Unreadable("EMFILE".into()), Finding::BeatStopped, Finding::Beats];
    for finding in beats.into_iter().chain(others) {
        assert_eq!(kind(finding), Some(EvidenceKind::Beat));
    }
    assert_eq!(kind(Finding::HostLost), None, "what is bound to a node has stopped itself");
}

#[test]
fn what_cannot_be_mistaken_is_never_held() {
    let certain: [fn(&mut Case) -> &mut Case; 9] = [
        |c| c.exit(1, 600),
        |c| c.exit(0, 600),
        |c| c.exit(0, 5),
        |c| c.dead(GONE, 2),
        |c| c.dead(GONE, 0).monitor(GONE),
        |c| c.age(30_000).dead(GONE, 0),
        |c| c.executor(PROVED),
        |c| c.executor(UNKNOWN),
        |c| c.status(Status::Queued).exit(0, 600),
    ];
    for change in certain {
        assert_eq!(planned(change).evidence(), None);
    }
    let aged: [fn(&mut Case) -> &mut Case; 7] = [
        |c| c.age(30_000),
        |c| c.age(30_000).executor(PROVED),
        |c| c.age(30_000).executor(LEFT),
        |c| c.age(30_000).executor(ELSEWHERE),
        |c| c.age(30_000).executor(UNKNOWN),
        |c| c.age(30_000).dead(DEAD, 2),
        |c| c.age(60).no_sign().start_timeout(60),
    ];
    for change in aged {
        assert_eq!(planned(change).evidence(), Some(EvidenceKind::Age));
    }
    let dead: [fn(&mut Case) -> &mut Case; 2] = [|c| c.dead(DEAD, 1), |c| c.dead(DEAD, 2)];
    for change in dead {
        assert_eq!(planned(change).evidence(), Some(EvidenceKind::BarePid));
    }
}

#[test]
fn only_what_waits_for_its_executor_is_tallied() {
    let rows = many(20, |c| c.exit(0, 5).dead(DEAD, 2));
    let rows = rows.chain(many(20, |c| c.status(Status::Queued).dead(DEAD, 0)));
    let plan = tick(rows.chain(many(20, |c| c.dead(GONE, 2))).chain(many(20, |c| c.executor(PROVED))));
    assert_eq!(plan.tallies, BTreeMap::new());
}

#[test]
fn ages_are_compared_with_all_that_run() {
    let late = || many(12, |c| c.age(30_000).executor(UNKNOWN));
    let alone = tick(late());
    assert_eq!(alone.tallies, [(EvidenceKind::Age, Tally { followed: 12, dead: 12 })].into());
    assert_eq!(alone.counts.held, 12);
    for (running, held) in [(23, 12), (24, 0)] {
        let mut planner = Planner::new(PassKind::Wake, 100);
        late().for_each(|row| planner.add(row));
        assert_eq!(planner.due_by_age(), 12);
        planner.set_running(running);
        let plan = planner.finish(&mut Breaker::default(), &Clock::at(now()), &BreakerPolicy::default());
        assert_eq!(plan.counts.held, held);
        assert_eq!(plan.tallies, [(EvidenceKind::Age, Tally { followed: running, dead: 12 })].into());
    }
}

#[test]
fn what_waits_for_a_person_is_not_due() {
    let mut planner = Planner::new(PassKind::Tick, 100);
    assert_eq!(planner.due_by_age(), 0);
    planner.set_running(1000);
    many(20, |c| c.age(30_000).on_overrun(crate::OnOverrun::Hold)).for_each(|row| planner.add(row));
    assert_eq!(planner.due_by_age(), 0);
    many(2, |c| c.age(30_000).executor(PROVED).terminating(1)).for_each(|row| planner.add(row));
    assert_eq!(planner.due_by_age(), 2, "what is being stopped is");
}

#[test]
fn the_earliest_review_is_the_plans() {
    let rows = [planned(|c| c.exit(0, 5)), planned(|c| c.exit(0, 200)), planned(|c| c.exit(0, 600))];
    assert_eq!(tick(rows).review_at, Some(now() + TimeDelta::seconds(100)));
    assert_eq!(tick([planned(|c| c.exit(0, 600))]).review_at, None);
    assert_eq!(tick([]), Plan::default());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Every row is in exactly one bucket, no bucket is above the budget, nothing is lost, and no claim rests on
    /// evidence that is held.
    #[test]
    fn buckets_are_disjoint(
        rows in proptest::collection::vec((strategy::jobs(), strategy::observations()), 0..40),
        policy in strategy::policies(),
        budget in 0_usize..20,
        bad_rows in 0_usize..5,
        wake: bool,
        at_least in 0_u64..12,
        percent in 0..=100_u8,
    ) {
        let pass = if wake { PassKind::Wake } else { PassKind::Tick };
        let clock = Clock::at(strategy::base());
        let breaker_policy = BreakerPolicy { at_least, percent, ..BreakerPolicy::default() };
        let (mut breaker, mut planner) = (Breaker::default(), Planner::new(pass, budget));
        let all = rows.len() + bad_rows;
        let mut earliest = None;
        for (job, seen) in rows {
            let decision = crate::decide(&job, &seen, &clock, &policy);
            earliest = earlier(earliest, decision.review_at);
            planner.begin_page(u64::from(seen.dead_ticks));
            planner.add(Planned { job, seen, decision });
        }
        (0..bad_rows).for_each(|_| planner.add_bad(bad()));
        prop_assert!(planner.doubtful.values().all(|claims| claims.here.len().max(claims.before.len()) <= budget));
        let plan = planner.finish(&mut breaker, &clock, &breaker_policy);

        let Plan { counts, claim, ask, cannot_tell, bad, review_at, .. } = plan;
        let lists = [claim.len(), ask.len(), cannot_tell.len(), bad.len()];
        prop_assert!(lists.iter().all(|len| *len <= budget));
        let listed: usize = lists.iter().sum();
        prop_assert_eq!(counts.loaded, u64::try_from(all).unwrap());
        prop_assert_eq!(counts.loaded, counts.kept + counts.held + counts.deferred + u64::try_from(listed).unwrap());
        prop_assert_eq!(counts.loaded, counts.by_rule.values().sum::<u64>() + u64::try_from(bad_rows).unwrap());

        prop_assert!(claim.iter().all(|planned| planned.decision.action.is_claim()));
        prop_assert!(ask.iter().all(|planned| planned.decision.action.as_str() == "ask_gate"));
        prop_assert!(cannot_tell.iter().all(|planned| planned.decision.reason.needs_a_person()));
        for evidence in claim.iter().filter_map(Planned::evidence) {
            prop_assert!(!breaker.holds(evidence, &clock, &breaker_policy));
        }
        prop_assert_eq!(review_at, earlier(earliest, breaker.review_at(&clock, &breaker_policy)));
        prop_assert!(review_at.is_none_or(|at| at > clock.now), "the loop sleeps");
    }
}

#[test]
fn a_default_policy_and_a_verdict_make_a_plan() {
    let mut case = case();
    case.exit(0, 600).verdict(Verdict::Green);
    assert_eq!(Policy::default().breaker, BreakerPolicy::default());
    let plan = tick([case.planned()]);
    assert!(matches!(plan.claim[0].decision.action, Action::Done { advance: Some(_) }));
    assert_eq!(planned(|c| c.executor(ALIVE)).evidence(), None);
}
