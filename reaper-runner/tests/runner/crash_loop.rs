//! An agent whose attempts die as soon as they begin.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::world::{World, alive, dead, settings};
use reaper_core::{Action, Intensity, ProcessIdentity};
use reaper_runner::{PassReport, Reaper, Settings};
use reaper_store::{
    Attempts, Foreign, History,
    attempts::{Launcher, Wants},
    foreign::{ForeignJob, JobColumn, RunColumn, When},
    history::Query,
};

const SECOND: Duration = Duration::from_secs(1);

/// Six a minute: what lived shorter than 10 s died young.
fn six_a_minute() -> Settings {
    let mut settings = settings();
    settings.policy.limits.dead_ticks = 1;
    settings.policy.limits.intensity = Some(Intensity { crashes: 6, period: 60 * SECOND });
    (settings.policy.backoff.base, settings.policy.backoff.max) = (SECOND, SECOND);
    settings.policy.breaker.percent = 100;
    settings
}

/// Ten jobs of an agent that run with dead pids since so many seconds.
fn ten_dying(world: &World, agent: &str, secs: u64) {
    for pid in 100..110 {
        let job = ForeignJob { agent: agent.into(), max_attempts: 9, ..ForeignJob::running(pid, secs) };
        world.store.insert_job(&job).unwrap();
    }
}

/// A worker takes whatever is due, and says how many that were.
fn take_all(world: &World) -> usize {
    let monitor = ProcessIdentity {
        host: "here".into(),
        boot: "b00t".into(),
        pid_namespace: None,
        pid: 9,
        start_time: None,
        inode: None,
    };
    let launcher = Launcher::free(monitor);
    std::iter::from_fn(|| world.store.take(&Wants::Any, &launcher).unwrap()).count()
}

fn requeued(report: &PassReport) -> usize {
    assert_eq!(report.error, None);
    report.won().filter(|won| won.action == Action::Requeue).count()
}

/// How many requeues say that they put a job off.
fn put_off(world: &World) -> usize {
    let events = world.store.events(&Query { limit: 1000, ..Query::default() }).unwrap();
    events.iter().filter(|event| event.evidence.get("put_off_ms").is_some()).count()
}

#[test]
fn what_is_over_the_intensity_comes_back_one_by_one() {
    let broken = Arc::new(AtomicBool::new(true));
    let is_broken = Arc::clone(&broken);
    let world = World::new().probe(move |_| if is_broken.load(Ordering::SeqCst) { dead() } else { alive() });
    ten_dying(&world, "developer", 1);
    let reaper = Reaper::new(world.parts(), six_a_minute());
    assert_eq!(requeued(&reaper.run_once()), 10, "no settlement is delayed");
    assert_eq!((put_off(&world), world.alerts.kinds()), (4, vec!["crash_loop".to_owned()]));
    let text = world.alerts.sent.lock().unwrap()[0].text.clone();
    assert!(text.contains("developer") && text.contains("6 in 1 min"), "{text}");

    // Six come back after their ordinary wait, and die again: behind those that wait already.
    world.pass(SECOND);
    assert_eq!(take_all(&world), 6);
    // Another reaper, or the same one started anew, knows no less.
    let reaper = Reaper::new(world.parts(), six_a_minute());
    assert_eq!(requeued(&reaper.run_once()), 6);
    assert_eq!((put_off(&world), world.alerts.kinds().len()), (10, 1), "one episode is told of once");

    // Now they live. One by one they try whether it is over, and each goes on.
    broken.store(false, Ordering::SeqCst);
    world.pass(8 * SECOND);
    assert_eq!(take_all(&world), 0);
    for place in 1..=10 {
        world.pass(SECOND);
        assert_eq!(take_all(&world), 1, "place {place}");
        world.pass(9 * SECOND);
        assert_eq!(take_all(&world), 0, "place {place}");
        assert_eq!(requeued(&reaper.run_once()), 0);
    }

    // It has been quiet for long: what crashes now waits as usual, and an episode to come is another.
    world.pass(60 * SECOND);
    ten_dying(&world, "developer", 1);
    broken.store(true, Ordering::SeqCst);
    assert!(requeued(&reaper.run_once()) >= 10);
    assert_eq!(world.alerts.kinds().len(), 2);
}

#[test]
fn old_age_is_no_crash_and_other_agents_are_none_of_its() {
    let world = World::new();
    ten_dying(&world, "developer", 11);
    let reaper = Reaper::new(world.parts(), six_a_minute());
    assert_eq!(requeued(&reaper.run_once()), 10);
    for agent in ["a", "b"] {
        for pid in 0..5 {
            let job = ForeignJob { agent: agent.into(), ..ForeignJob::running(200 + pid, 1) };
            world.store.insert_job(&job).unwrap();
        }
    }
    assert_eq!(requeued(&reaper.run_once()), 10);
    world.pass(SECOND);
    assert_eq!((take_all(&world), put_off(&world), world.alerts.kinds().len()), (20, 0, 0));
}

#[test]
fn it_can_be_off_for_all_or_for_one() {
    let world = World::new();
    let mut settings = six_a_minute();
    let off = reaper_core::policy::Limits { intensity: None, ..settings.policy.limits.clone() };
    settings.policy.agents.insert("developer".into(), off);
    ten_dying(&world, "developer", 1);
    ten_dying(&world, "tester", 1);
    assert_eq!(requeued(&Reaper::new(world.parts(), settings).run_once()), 20);
    world.pass(SECOND);
    assert_eq!((take_all(&world), put_off(&world), world.alerts.kinds().len()), (16, 4, 1));
}

/// The rate of wrong rescues is a figure: of those that were finished late, and of those whose work was done twice.
#[test]
fn late_finishes_and_false_rescues_are_counted() {
    let world = World::new();
    let run = || world.store.insert_run(None, When::Null).unwrap();
    let (waits, again) = (run(), run());
    let mut jobs = Vec::new();
    for run in [&waits, &again] {
        let job = ForeignJob { run: Some(run.clone()), ..ForeignJob::running(7, 600) };
        jobs.push(world.store.insert_job(&job).unwrap());
    }
    let reaper = Reaper::new(world.parts(), six_a_minute());
    assert_eq!(requeued(&reaper.run_once()), 2);
    world.store.update_job(&jobs[1], &[JobColumn::status("running")]).unwrap();
    for run in [&waits, &again] {
        world.store.update_run(run, &[RunColumn::ExitCode(Some(0))]).unwrap();
    }
    world.pass(301 * SECOND);
    assert_eq!(reaper.run_once().error, None);
    assert_eq!(world.status(&jobs[0]), "done");
    let counters = reaper.counters();
    assert_eq!((counters.late_finishes, counters.false_rescues), (1, 1));
    world.pass(SECOND);
    let later = Reaper::new(world.parts(), six_a_minute());
    later.run_once();
    assert_eq!(later.counters().false_rescues, 0, "what was seen before it began is not its to count");
}
