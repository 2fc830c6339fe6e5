//! One tick at a time, on the store in memory, with a clock that is told the time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::world::{World, alive, dead, settings};
use reaper_core::{
    Attempt, Breakers, Finding, Liveness, Mode, ProcessIdentity, Sighting, Verdict, breaker::EvidenceKind,
};
use reaper_gate::{Stop, liveness::Stopped};
use reaper_runner::{Reaper, Settings};
use reaper_store::{Control, Foreign, History, Outbox, foreign::ForeignJob, history::Query};

fn all() -> Query {
    Query { limit: 1000, ..Query::default() }
}

#[test]
fn report_decides_and_changes_nothing() {
    let world = World::new();
    let job = world.running(7, 30);
    let before = world.store.dump().unwrap();
    let reaper = Reaper::new(world.parts(), Settings { mode: Mode::Report, ..settings() });
    reaper.run_once();
    let report = reaper.run_once();
    assert_eq!(report.settled.len(), 1);
    assert_eq!((report.settled[0].job.clone(), report.settled[0].outcome.clone()), (job, None));
    assert_eq!(world.store.dump().unwrap(), before);
    assert_eq!(reaper.counters().reaped_total(), 0);
}

#[test]
fn the_stricter_mode_wins() {
    let world = World::new();
    let job = world.running(7, 30);
    world.store.set_mode(Mode::Off).unwrap();
    let reaper = Reaper::new(world.parts(), settings());
    for _ in 0..3 {
        assert_eq!(reaper.run_once().counts.loaded, 0);
    }
    assert_eq!(world.status(&job), "running");
    world.store.set_mode(Mode::Enforce).unwrap();
    reaper.run_once();
    reaper.run_once();
    assert_eq!(world.status(&job), "queued");
}

#[test]
fn f24_a_gate_that_panics_or_cannot_say_is_asked_again_next_tick() {
    let turns = Arc::new(AtomicUsize::new(0));
    let asked = Arc::clone(&turns);
    let world = World::new().gate(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => panic!("a gate of glass"),
        1 => Verdict::Undecided("no answer".into()),
        _ => Verdict::Green,
    });
    let (job, task) = world.exited(0, 600);
    let reaper = Reaper::new(world.parts(), settings());
    for n in 1..=2 {
        let report = reaper.run_once();
        assert_eq!((report.asked.len(), report.settled.len(), report.error), (1, 0, None), "tick {n}");
        assert_eq!(world.status(&job), "running");
    }
    reaper.run_once();
    assert_eq!(world.status(&job), "done");
    assert_eq!(turns.load(Ordering::SeqCst), 3);
    assert_eq!(*world.advanced.lock().unwrap(), [task]);
}

/// As `reaper tick` does it from cron: each tick is a reaper of its own.
#[test]
fn ticks_that_remember_nothing_tell_of_an_undecided_gate_in_time() {
    let world = World::new().gate(|_| Verdict::Undecided("no answer".into()));
    let (job, _) = world.exited(0, 0);
    let mut told_after = None;
    for minute in 0..100 {
        Reaper::new(world.parts(), settings()).run_once();
        if !world.alerts.kinds().is_empty() {
            told_after = told_after.or(Some(minute));
        }
        world.pass(Duration::from_secs(60));
    }
    assert_eq!(told_after, Some(65), "five minutes of grace and an hour of patience");
    assert_eq!(world.alerts.kinds(), ["gate_undecided"]);
    assert_eq!(world.status(&job), "running");
}

#[test]
fn a_gate_that_stays_undecided_is_told_about_once() {
    let world = World::new().gate(|_| Verdict::Undecided("no answer".into()));
    let (job, _) = world.exited(0, 600);
    let reaper = Reaper::new(world.parts(), settings());
    for _ in 0..10 {
        reaper.run_once();
        world.pass(Duration::from_secs(1000));
    }
    assert_eq!(world.status(&job), "running", "undecided is never red");
    assert_eq!(world.alerts.kinds(), ["gate_undecided"]);
}

#[test]
fn f16_a_jump_of_the_clock_holds_what_is_not_certain() {
    let world = World::new().probe(|pid| if pid == 66 { dead() } else { alive() });
    let healthy: Vec<_> = (1..=3).map(|pid| world.running(pid, 60)).collect();
    let mut strict = settings();
    strict.policy.limits.max_running = Duration::from_secs(1800);
    let reaper = Reaper::new(world.parts(), strict);
    reaper.run_once();
    // The database's clock is set an hour ahead, the monotonic one is not.
    world.store.advance(Duration::from_secs(3600));
    let report = reaper.run_once();
    assert_eq!(report.clock_jump_ms, Some(3_600_000));
    for _ in 0..5 {
        world.pass(Duration::from_secs(60));
        assert!(reaper.run_once().settled.is_empty());
    }
    for job in &healthy {
        assert_eq!(world.status(job), "running", "an hour of the clock is not an hour of work");
    }
    // Their true age reaches the ceiling after all.
    world.pass(Duration::from_secs(1500));
    reaper.run_once();
    for job in &healthy {
        assert_eq!(world.status(job), "queued");
    }
}

#[test]
fn f17_a_jump_breaks_a_streak() {
    let world = World::new();
    let job = world.running(7, 30);
    let reaper = Reaper::new(world.parts(), settings());
    reaper.run_once();
    world.store.advance(Duration::from_secs(600));
    reaper.run_once();
    assert_eq!(world.status(&job), "running", "the streak began anew");
    reaper.run_once();
    assert_eq!(world.status(&job), "queued");
}

#[test]
fn f26_many_deaths_at_once_are_held_until_they_last() {
    let world = World::new();
    let jobs: Vec<_> = (0..20).map(|n| world.running(100 + n, 30)).collect();
    let reaper = Reaper::new(world.parts(), settings());
    for _ in 0..3 {
        let report = reaper.run_once();
        assert_eq!(report.open_kinds(), [EvidenceKind::BarePid]);
        world.pass(Duration::from_secs(60));
    }
    assert!(jobs.iter().all(|job| world.status(job) == "running"));
    assert_eq!(world.alerts.kinds(), ["breaker_open"]);
    // What is certain is settled all the same.
    let (exited, _) = world.exited(1, 600);
    reaper.run_once();
    assert_eq!(world.status(&exited), "queued");
    // Five minutes after it opened the state is believed.
    world.pass(Duration::from_secs(200));
    reaper.run_once();
    assert!(jobs.iter().all(|job| world.status(job) == "queued"));
}

/// A reaper of another host sees none of these pids, and so nothing of what is wrong.
#[test]
fn f26_a_host_that_follows_nothing_closes_no_others_breaker() {
    let world = World::new();
    let jobs: Vec<_> = (0..20).map(|n| world.running(100 + n, 30)).collect();
    let here = Reaper::new(world.parts(), settings());
    let mut there = World::new().probe(|_| Sighting::new(Liveness::Unknown, Finding::PidNotTrusted));
    there.host = "there";
    there.store = Arc::clone(&world.store);
    there.time = Arc::clone(&world.time);
    let there = Reaper::new(there.parts(), Settings { bare_pids: false, ..settings() });
    for second in (0..=300).step_by(10) {
        let report = here.run_once();
        assert_eq!(report.open_kinds(), [EvidenceKind::BarePid]);
        assert_eq!(jobs.iter().all(|job| world.status(job) == "queued"), second == 300, "after {second} s");
        assert_eq!(there.run_once().open_kinds(), []);
        world.pass(Duration::from_secs(10));
    }
    assert_eq!(world.alerts.kinds(), ["breaker_open"], "somebody is told once");
}

#[test]
fn a_person_releases_the_breaker() {
    let world = World::new();
    let jobs: Vec<_> = (0..20).map(|n| world.running(100 + n, 30)).collect();
    let reaper = Reaper::new(world.parts(), settings());
    reaper.run_once();
    reaper.run_once();
    let mut breaker = world.store.breaker().unwrap();
    assert!(breaker.release());
    world.store.set_breaker(&breaker).unwrap();
    reaper.run_once();
    assert!(jobs.iter().all(|job| world.status(job) == "queued"));
    assert!(world.store.breaker().unwrap() == Breakers::default() || reaper.run_once().breaker.open.is_empty());
}

#[test]
fn f25_a_failing_delivery_is_tried_again_and_never_stops_a_pass() {
    let world = World::new();
    *world.alerts.failing.lock().unwrap() = 2;
    let job = ForeignJob { max_attempts: 1, ..ForeignJob::running(7, 30) };
    let job = world.store.insert_job(&job).unwrap();
    let reaper = Reaper::new(world.parts(), settings());
    reaper.run_once();
    let report = reaper.run_once();
    assert_eq!(world.status(&job), "failed");
    assert_eq!(report.deliveries.again.len(), 1);
    for _ in 0..3 {
        world.pass(Duration::from_secs(700));
        reaper.run_once();
    }
    assert_eq!(world.alerts.kinds(), ["job_failed"]);
    assert!(world.store.undelivered(10).unwrap().is_empty());
}

#[test]
fn a_delivery_that_fails_for_ever_is_given_up() {
    let world = World::new();
    *world.alerts.failing.lock().unwrap() = u32::MAX;
    let job = ForeignJob { max_attempts: 1, ..ForeignJob::running(7, 30) };
    world.store.insert_job(&job).unwrap();
    let reaper = Reaper::new(world.parts(), Settings { delivery_tries: 3, ..settings() });
    let mut dead = 0;
    for _ in 0..6 {
        dead += reaper.run_once().deliveries.dead.len();
        world.pass(Duration::from_secs(700));
    }
    assert_eq!(dead, 1);
    assert_eq!(world.store.undelivered(10).unwrap().len(), 1, "it is kept for a person");
}

#[test]
fn only_the_winner_of_the_terminating_write_stops_the_executor() {
    let world = World::new().probe(|_| alive());
    let attempt = world.taken();
    let one = Reaper::new(world.parts(), settings());
    let two = Reaper::new(world.parts(), settings());
    one.run_once();
    two.run_once();
    // Seven hours pass in both.
    world.pass(Duration::from_secs(7 * 3600));
    let reports = [one.run_once(), two.run_once()];
    assert_eq!(reports.iter().map(|report| report.won().count()).sum::<usize>(), 1);
    assert_eq!(*world.stopped.lock().unwrap(), std::slice::from_ref(&attempt));
    assert_eq!(world.status(&attempt.job), "running", "the rules settle what remains");
    assert_eq!(one.counters().reaped_total() + two.counters().reaped_total(), 0);
}

#[test]
fn a_stop_that_cannot_work_is_told_of_once_and_tried_again() {
    for (stop, told) in [(Stopped::NotVerified, true), (Stopped::StillThere, true), (Stopped::Killed, false)] {
        let mut world = World::new().probe(|_| alive());
        world.stop = stop;
        let attempt = world.taken();
        let reaper = Reaper::new(world.parts(), settings());
        reaper.run_once();
        world.pass(Duration::from_secs(7 * 3600));
        for _ in 0..4 {
            reaper.run_once();
            world.pass(Duration::from_secs(60));
        }
        assert!(world.stopped.lock().unwrap().len() > 1, "{stop:?}: it is announced and tried again");
        assert_eq!(world.status(&attempt.job), "running");
        assert_eq!(world.alerts.kinds(), if told { vec!["stop_failed"] } else { vec![] }, "{stop:?}");
    }
}

/// Panics at first, and then cannot do it.
#[derive(Debug, Default)]
struct StopOfGlass(AtomicUsize);

impl Stop for StopOfGlass {
    fn stop(&self, _: &Attempt, _: &ProcessIdentity, _: Duration) -> Stopped {
        assert!(self.0.fetch_add(1, Ordering::SeqCst) > 0, "a stop of glass");
        Stopped::StillThere
    }

    fn executors(&self) -> Vec<(Attempt, ProcessIdentity)> {
        Vec::new()
    }
}

#[test]
fn a_stop_that_panics_is_tried_again() {
    let world = World::new().probe(|_| alive());
    let attempt = world.taken();
    let mut parts = world.parts();
    parts.stop = Arc::new(StopOfGlass::default());
    let reaper = Reaper::new(parts, settings());
    reaper.run_once();
    world.pass(Duration::from_secs(7 * 3600));
    for _ in 0..10 {
        reaper.run_once();
        world.pass(Duration::from_secs(60));
    }
    assert_eq!(world.status(&attempt.job), "running");
    assert_eq!(world.alerts.kinds(), ["stop_failed"], "it got to its end");
}

#[test]
fn a_budget_paces_and_loses_nobody() {
    let world = World::new();
    let mut jobs = Vec::new();
    for _ in 0..25 {
        jobs.push(world.exited(1, 600).0);
    }
    let reaper = Reaper::new(world.parts(), Settings { budget: 10, page: 3, ..settings() });
    let settled: Vec<_> = (0..3).map(|_| reaper.run_once().won().count()).collect();
    assert_eq!(settled, [10, 10, 5]);
    assert!(jobs.iter().all(|job| world.status(job) == "queued"));
    let events = world.store.events(&all()).unwrap();
    assert_eq!(events.len(), 25, "one event each");
}

#[test]
fn a_bad_row_is_reported_and_harms_no_other() {
    let world = World::new();
    let bad = world.running(8, 30);
    world.store.spoil_job(&bad).unwrap();
    let good = world.running(7, 30);
    let reaper = Reaper::new(world.parts(), settings());
    reaper.run_once();
    let report = reaper.run_once();
    assert_eq!(report.bad.len(), 1);
    assert_eq!(report.bad[0].job, bad);
    assert_eq!(world.status(&good), "queued");
}

#[test]
fn a_row_that_the_database_refuses_is_reported_and_harms_no_other() {
    let world = World::new();
    let (refused, good) = (world.running(8, 30), world.running(7, 30));
    world.store.refuse_updates(&refused).unwrap();
    let reaper = Reaper::new(world.parts(), settings());
    reaper.run_once();
    let report = reaper.run_once();
    assert_eq!(report.failures.len(), 1, "{report:?}");
    assert_eq!(report.failures[0].job, refused);
    assert_eq!(world.status(&good), "queued");
}

#[test]
fn a_plan_writes_nothing_and_shows_the_second_tick() {
    let world = World::new();
    let job = world.running(7, 30);
    let before = world.store.dump().unwrap();
    let reaper = Reaper::new(world.parts(), settings());
    let (first, ..) = reaper.plan(1).unwrap();
    assert!(first.claim.is_empty());
    let (second, ..) = reaper.plan(2).unwrap();
    assert_eq!(second.claim[0].job.attempt.job, job);
    assert_eq!(world.store.dump().unwrap(), before);
}
