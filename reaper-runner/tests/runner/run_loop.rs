//! The loop in its thread: it wakes for verdicts, waits for no gate, and ends when it is told to.

use std::{
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::Duration,
};

use crate::world::{World, alive, settings, wait_for};
use reaper_core::Verdict;
use reaper_runner::{Reaper, Settings, SystemTime};
use reaper_store::{History, history::Query};

#[test]
fn f24_a_slow_gate_makes_only_its_own_job_wait() {
    let (open, opened) = mpsc::channel::<()>();
    let opened = Mutex::new(opened);
    let world = World::new().gate(move |_| {
        opened.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(Duration::from_secs(20)).ok();
        Verdict::Green
    });
    let (slow, task) = world.exited(0, 600);
    let (bad, _) = world.exited(1, 600);
    let mut parts = world.parts();
    parts.time = Arc::new(SystemTime::new());
    let reaper = Reaper::new(parts, Settings { interval: Duration::from_millis(20), ..settings() });
    let (seen, reports) = mpsc::channel();
    reaper.start_with(move |report| seen.send(report.asked.len()).ok().unwrap_or(())).unwrap();
    wait_for(&reports, || world.status(&bad) == "queued");
    assert_eq!(world.status(&slow), "running");
    open.send(()).unwrap();
    wait_for(&reports, || world.status(&slow) == "done");
    wait_for(&reports, || *world.advanced.lock().unwrap() == [task.clone()]);
    reaper.stop(Duration::from_secs(10)).unwrap();
}

/// Its announcement runs out, and is won again, while gates hold all threads: what waits is one stop all the same.
#[test]
fn a_stop_that_waits_for_its_turn_is_not_announced_again() {
    let (open, opened) = mpsc::channel::<()>();
    let opened = Mutex::new(Some(opened));
    let (say, said) = mpsc::channel();
    let mut world = World::new().probe(|_| alive());
    let stopped = Arc::clone(&world.stopped);
    // The first question holds the only thread; the second comes behind all that was queued meanwhile, and counts it.
    world = world.gate(move |_| {
        match opened.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(opened) => opened.recv_timeout(Duration::from_secs(20)).unwrap_or(()),
            None => say.send(stopped.lock().unwrap().len()).unwrap(),
        }
        Verdict::Green
    });
    let attempt = world.taken();
    world.pass(Duration::from_secs(7 * 3600));
    let (slow, _) = world.exited(0, 600);
    let reaper =
        Reaper::new(world.parts(), Settings { interval: Duration::from_secs(3600), workers: 1, ..settings() });
    let (seen, reports) = mpsc::channel();
    reaper.start_with(move |report| seen.send(report.asked.clone()).ok().unwrap_or(())).unwrap();
    let next = || reports.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(next(), [slow]);
    for _ in 0..3 {
        world.pass(Duration::from_secs(60));
        reaper.wake();
        assert_eq!(next(), []);
    }
    let (last, _) = world.exited(0, 600);
    reaper.wake();
    assert_eq!(next(), [last]);
    let announced = world.store.events(&Query { job: Some(attempt.job), since: None, limit: 10 }).unwrap();
    open.send(()).unwrap();
    assert_eq!((said.recv_timeout(Duration::from_secs(10)), announced.len()), (Ok(1), 1), "{announced:?}");
    reaper.stop(Duration::from_secs(10)).unwrap();
}

#[test]
fn a_verdict_wakes_the_loop_before_its_next_tick() {
    let world = World::new().gate(|_| Verdict::Green);
    let (job, _) = world.exited(0, 600);
    let mut parts = world.parts();
    parts.time = Arc::new(SystemTime::new());
    // The next tick is an hour away.
    let reaper = Reaper::new(parts, Settings { interval: Duration::from_secs(3600), ..settings() });
    let (seen, reports) = mpsc::channel();
    reaper.start_with(move |report| seen.send(report.tick).ok().unwrap_or(())).unwrap();
    wait_for(&reports, || world.status(&job) == "done");
    reaper.stop(Duration::from_secs(10)).unwrap();
}

#[test]
fn what_is_beyond_the_budget_follows_at_once() {
    let world = World::new();
    let jobs: Vec<_> = (0..25).map(|_| world.exited(1, 600).0).collect();
    let mut parts = world.parts();
    parts.time = Arc::new(SystemTime::new());
    let slow_ticks = Settings { interval: Duration::from_secs(3600), budget: 4, ..settings() };
    let reaper = Reaper::new(parts, slow_ticks);
    let (seen, reports) = mpsc::channel();
    reaper.start_with(move |report| seen.send(report.tick).ok().unwrap_or(())).unwrap();
    wait_for(&reports, || jobs.iter().all(|job| world.status(job) == "queued"));
    reaper.stop(Duration::from_secs(10)).unwrap();
}

#[test]
fn two_unrelated_wakes_are_not_two_ticks() {
    let world = World::new();
    let job = world.running(7, 30);
    let mut parts = world.parts();
    parts.time = Arc::new(SystemTime::new());
    let reaper = Reaper::new(parts, Settings { interval: Duration::from_secs(3600), ..settings() });
    let (seen, reports) = mpsc::channel();
    reaper.start_with(move |report| seen.send(report.tick).ok().unwrap_or(())).unwrap();
    assert_eq!(reports.recv_timeout(Duration::from_secs(10)), Ok(true));
    for _ in 0..5 {
        reaper.wake();
        assert_eq!(reports.recv_timeout(Duration::from_secs(10)), Ok(false));
    }
    assert_eq!(world.status(&job), "running", "no streak rises at a wake");
    reaper.stop(Duration::from_secs(10)).unwrap();
}

#[test]
fn a_loop_can_be_stopped_and_started_again() {
    let world = World::new();
    let job = world.running(7, 30);
    let mut parts = world.parts();
    parts.time = Arc::new(SystemTime::new());
    let reaper = Reaper::new(parts, Settings { interval: Duration::from_millis(10), ..settings() });
    let (seen, reports) = mpsc::channel();
    let again = seen.clone();
    reaper.start_with(move |report| seen.send(report.tick).ok().unwrap_or(())).unwrap();
    assert!(reaper.start().is_err(), "it runs already");
    wait_for(&reports, || world.status(&job) == "queued");
    reaper.stop(Duration::from_secs(10)).unwrap();
    reaper.stop(Duration::from_secs(10)).unwrap();
    assert!(!reaper.is_running());
    reaper.start_with(move |report| again.send(report.tick).ok().unwrap_or(())).unwrap();
    let job = world.running(8, 30);
    wait_for(&reports, || world.status(&job) == "queued");
    reaper.stop(Duration::from_secs(10)).unwrap();
}
