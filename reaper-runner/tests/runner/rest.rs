//! A reaper rests while nothing happens: its passes ask nothing but whether anything was written.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use chrono::TimeDelta;
use reaper_core::{Alert, Effect, Mode, Timestamp, Verdict, instance::Place};
use reaper_gate::liveness::MockProbe;
use reaper_runner::{PassReport, Reaper, Settings, Time};
use reaper_store::{
    Control, Facts, Foreign, Instances, MemoryStore, Outbox,
    foreign::{ForeignJob, JobColumn, RunColumn, When},
};

use crate::world::{ToldTime, World, alive, beginning, settings};

/// Only a pass that rests says when to look again without having loaded anything.
fn rests(report: &PassReport) -> bool {
    assert_eq!(report.error, None);
    report.counts.loaded == 0 && report.review_at.is_some()
}

/// A reaper that has found nothing and rests: its first pass leaves a note, the second sees that.
fn resting(world: &World) -> Reaper {
    let reaper = Reaper::new(world.parts(), settings());
    assert!(!rests(&reaper.run_once()));
    assert!(!rests(&reaper.run_once()));
    let report = reaper.run_once();
    assert!(rests(&report), "{report:?}");
    assert_eq!((report.mode, report.tick), (Mode::Enforce, true));
    reaper
}

/// A running job of which no process is known.
fn unknown(world: &World, secs: u64) -> reaper_core::JobId {
    world.store.insert_job(&ForeignJob { pid: None, ..ForeignJob::running(1, secs) }).unwrap()
}

#[test]
fn it_rests_until_another_program_writes() {
    let world = World::new();
    unknown(&world, 5);
    let reaper = resting(&world);
    for _ in 0..3 {
        world.pass(Duration::from_secs(10));
        assert!(rests(&reaper.run_once()));
    }
    let job = world.running(7, 30);
    assert_eq!(reaper.run_once().counts.loaded, 1);
    assert_eq!(reaper.run_once().won().count(), 1, "its second dead tick in a row");
    assert_eq!(world.status(&job), "queued");
}

#[test]
fn it_looks_again_when_a_job_reaches_its_ceiling() {
    let world = World::new();
    let ceiling = settings().policy.limits.max_running;
    let job = unknown(&world, ceiling.as_secs() - 30);
    let reaper = resting(&world);
    assert_eq!(reaper.run_once().review_at, Some(beginning() + TimeDelta::seconds(30)));
    world.pass(Duration::from_secs(29));
    assert!(rests(&reaper.run_once()));
    world.pass(Duration::from_secs(1));
    assert_eq!(reaper.run_once().won().count(), 1);
    assert_eq!(world.status(&job), "queued");
}

#[test]
fn it_looks_again_when_an_exit_has_had_its_grace() {
    let world = World::new();
    let grace = settings().policy.limits.finalize_grace;
    let run = world.store.insert_run(Some(3), When::secs_ago(grace.as_secs() - 20)).unwrap();
    let job = ForeignJob { pid: None, run: Some(run), ..ForeignJob::running(1, 400) };
    let job = world.store.insert_job(&job).unwrap();
    let reaper = resting(&world);
    world.pass(Duration::from_secs(19));
    assert!(rests(&reaper.run_once()));
    world.pass(Duration::from_secs(1));
    assert_eq!(reaper.run_once().won().count(), 1);
    assert_eq!(world.status(&job), "queued");
}

#[test]
fn it_never_rests_while_a_process_is_to_be_probed() {
    let world = World::new().probe(|_| alive());
    world.running(7, 30);
    let reaper = Reaper::new(world.parts(), settings());
    for _ in 0..5 {
        assert_eq!(reaper.run_once().counts.loaded, 1);
    }
}

#[test]
fn it_never_rests_while_a_verdict_is_awaited() {
    let world = World::new().gate(|_| Verdict::Undecided("no answer".into()));
    world.exited(0, 600);
    let reaper = Reaper::new(world.parts(), settings());
    for _ in 0..5 {
        assert_eq!(reaper.run_once().asked.len(), 1);
    }
}

#[test]
fn it_looks_again_when_an_effect_comes_due() {
    let world = World::new();
    *world.alerts.failing.lock().unwrap() = 1;
    let alert = Alert { kind: "a".into(), job: None, text: "b".into() };
    assert_eq!(world.store.post("k", &Effect::Alert(alert)).unwrap(), reaper_store::outbox::Posted::New);
    let reaper = Reaper::new(world.parts(), settings());
    assert_eq!(reaper.run_once().deliveries.again.len(), 1);
    assert!(!rests(&reaper.run_once()));
    let report = reaper.run_once();
    assert!(rests(&report), "it is not due yet");
    let due = report.review_at.unwrap().signed_duration_since(world.store.now().unwrap()).to_std().unwrap();
    assert!(due > Duration::ZERO && due < Duration::from_secs(60), "{due:?}");
    world.pass(due + Duration::from_secs(1));
    assert_eq!(reaper.run_once().deliveries.done.len(), 1);
    assert_eq!(world.alerts.kinds(), ["a"]);
}

#[test]
fn a_jump_of_the_clock_is_noticed_when_the_rest_ends() {
    let world = World::new();
    let job = unknown(&world, 60);
    let reaper = resting(&world);
    world.store.advance(Duration::from_secs(12 * 3600));
    assert!(rests(&reaper.run_once()), "nobody asks the database's clock while it rests");
    world.pass(Duration::from_secs(60));
    let report = reaper.run_once();
    assert_eq!(report.clock_jump_ms, Some(12 * 3_600_000));
    assert!(report.settled.is_empty());
    world.pass(Duration::from_secs(10));
    assert!(reaper.run_once().settled.is_empty(), "12 h of the clock are not 12 h of work");
    assert_eq!(world.status(&job), "running");
}

#[test]
fn a_persons_word_ends_it() {
    let world = World::new();
    let reaper = resting(&world);
    let before = world.store.set_mode(Mode::Off).unwrap();
    assert_eq!((before, reaper.run_once().mode), (Mode::Enforce, Mode::Off));
    assert!(!rests(&reaper.run_once()), "there is no rest where nothing is looked at");
}

#[test]
fn a_finish_of_another_program_ends_it() {
    let world = World::new();
    let run = world.store.insert_run(None, When::Null).unwrap();
    let job = ForeignJob { pid: None, run: Some(run.clone()), ..ForeignJob::running(1, 400) };
    let job = world.store.insert_job(&job).unwrap();
    let reaper = resting(&world);
    world.store.update_run(&run, &[RunColumn::ExitCode(Some(3)), RunColumn::FinishedAt(When::Null)]).unwrap();
    assert!(!rests(&reaper.run_once()), "an exit was written, and is left its grace");
    assert!(rests(&reaper.run_once()));
    world.store.update_job(&job, &[JobColumn::status("done")]).unwrap();
    assert!(!rests(&reaper.run_once()));
}

#[test]
fn a_rest_is_bounded() {
    let world = World::new();
    let reaper = resting(&world);
    world.pass(Duration::from_secs(59));
    assert!(rests(&reaper.run_once()));
    world.pass(Duration::from_secs(1));
    assert!(!rests(&reaper.run_once()));
}

/// A clock, and a container that registers when it is read for the n-th time.
#[derive(Debug)]
struct Meddled {
    time: Arc<ToldTime>,
    store: Arc<MemoryStore>,
    left: AtomicU32,
}

impl Time for Meddled {
    fn monotonic(&self) -> Duration {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.store.register("web", &place(2)).unwrap();
        }
        self.time.monotonic()
    }

    fn wall(&self) -> Timestamp {
        self.time.wall()
    }
}

const fn place(pid_namespace: u64) -> Place {
    Place { host: String::new(), boot: String::new(), pid_namespace }
}

/// Whenever in its passes another container registers under its name, a reaper does not rest on what it knew before.
#[test]
fn it_hears_of_another_container_under_its_name_whenever_that_registers() {
    let mut later = 0;
    for moment in 1..40 {
        let world = World::new();
        let mut parts = world.parts();
        let mut probe = MockProbe::new();
        probe.expect_host().return_const("here".to_owned());
        probe.expect_node().return_const(None);
        probe.expect_place().returning(|| Some(place(1)));
        parts.probe = Arc::new(probe);
        let (time, store) = (Arc::clone(&world.time), Arc::clone(&world.store));
        let meddled = Arc::new(Meddled { time, store, left: AtomicU32::new(moment) });
        parts.time = Arc::<Meddled>::clone(&meddled);
        let reaper = Reaper::new(parts, Settings { instance: Some("web".into()), ..settings() });
        let mut heard = false;
        for _ in 0..10 {
            world.pass(Duration::from_secs(1));
            heard |= reaper.run_once().error.is_some_and(|error| error.contains("another program was started"));
        }
        let known = world.store.incarnations().unwrap();
        let is_over = known.iter().any(|at| at.place == place(1) && at.superseded_at.is_some());
        later += u32::from(is_over);
        assert_eq!(heard, is_over, "at the {moment}th look at the clock: {known:?}");
    }
    assert!(later > 10, "{later}");
}
