//! The loop with a watch: what it loads, and what it does not.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use reaper_core::JobId;
use reaper_gate::liveness::watch::PollWatch;
use reaper_runner::{PassReport, Reaper, Settings, SystemTime};
use reaper_store::control::WatchTally;

use crate::world::{World, alive, dead, settings, wait_for};

/// A world in which these pids are dead, and all others alive.
fn world(dying: &Arc<Mutex<BTreeSet<u32>>>) -> World {
    let dying = Arc::clone(dying);
    World::new().probe(move |pid| if dying.lock().unwrap().contains(&pid) { dead() } else { alive() })
}

fn start(world: &World, settings: Settings) -> (Reaper, mpsc::Receiver<PassReport>) {
    let mut parts = world.parts();
    parts.time = Arc::new(SystemTime::new());
    parts.watch = Some(Arc::new(PollWatch::new(Arc::clone(&parts.probe), Duration::from_millis(5))));
    let reaper = Reaper::new(parts, Settings { interval: Duration::from_millis(20), ..settings });
    let (seen, reports) = mpsc::channel();
    reaper.start_with(move |report| seen.send(report.clone()).ok().unwrap_or(())).unwrap();
    (reaper, reports)
}

/// Waits for a report of which this holds, bounded.
fn told(reports: &mpsc::Receiver<PassReport>, holds: impl Fn(&PassReport) -> bool) -> bool {
    (0..400).any(|_| reports.recv_timeout(Duration::from_millis(500)).is_ok_and(|report| holds(&report)))
}

fn running(world: &World, pids: std::ops::Range<u32>) -> Vec<JobId> {
    pids.map(|pid| world.running(pid, 30)).collect()
}

#[test]
fn what_is_watched_is_not_loaded_again() {
    let world = world(&Arc::default());
    let _jobs = running(&world, 100..140);
    let (reaper, reports) = start(&world, settings());
    let watched = Some(WatchTally { watched: 40, in_turn: 0 });
    assert!(told(&reports, |report| report.counts.loaded == 40 && report.watch == watched));
    assert!(told(&reports, |report| report.tick && report.counts.loaded == 0 && report.watch == watched));
    reaper.stop(Duration::from_secs(10)).unwrap();
    // Without its loop it looks at everything again.
    assert_eq!(reaper.run_once().counts.loaded, 40);
}

/// A breaker that compared the dead with what a pass has loaded would find all of it dead.
#[test]
fn a_few_deaths_among_many_that_are_watched_are_believed() {
    let dying = Arc::default();
    let world = world(&dying);
    let jobs = running(&world, 100..140);
    let (reaper, reports) = start(&world, settings());
    assert!(told(&reports, |report| report.tick && report.counts.loaded == 0));
    dying.lock().unwrap().extend(100..115);
    wait_for(&reports, || jobs.iter().take(15).all(|job| world.status(job) == "queued"));
    assert!(jobs.iter().skip(15).all(|job| world.status(job) == "running"));
    reaper.stop(Duration::from_secs(10)).unwrap();
}

#[test]
fn most_deaths_at_once_are_held_all_the_same() {
    let dying = Arc::default();
    let world = world(&dying);
    let jobs = running(&world, 100..140);
    let (reaper, reports) = start(&world, settings());
    assert!(told(&reports, |report| report.tick && report.counts.loaded == 0));
    dying.lock().unwrap().extend(100..130);
    assert!(told(&reports, |report| report.counts.held == 30));
    assert!(jobs.iter().all(|job| world.status(job) == "running"));
    reaper.stop(Duration::from_secs(10)).unwrap();
}

#[test]
fn an_old_row_is_found_by_the_reconciliation() {
    let world = world(&Arc::new(Mutex::new([7].into())));
    let settings = Settings { reconcile: Duration::from_millis(200), ..settings() };
    let (reaper, reports) = start(&world, settings);
    assert!(told(&reports, |report| report.tick));
    let job = world.running(7, 1000);
    wait_for(&reports, || world.status(&job) == "queued");
    reaper.stop(Duration::from_secs(10)).unwrap();
}

#[test]
fn an_attempt_that_was_settled_by_others_is_dropped() {
    let dying = Arc::default();
    let world = world(&dying);
    let job = world.running(7, 30);
    let settings = Settings { reconcile: Duration::from_millis(100), ..settings() };
    let (reaper, reports) = start(&world, settings);
    let watching = |watched| move |report: &PassReport| report.watch == Some(WatchTally { watched, in_turn: 0 });
    assert!(told(&reports, watching(1)));
    reaper_store::Foreign::update_job(
        world.store.as_ref(),
        &job,
        &[reaper_store::foreign::JobColumn::status("done")],
    )
    .unwrap();
    assert!(told(&reports, watching(0)));
    reaper.stop(Duration::from_secs(10)).unwrap();
}
