//! How long what a gate has said may be acted on.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::world::{World, settings};
use reaper_core::{JobId, Mode, TaskId, Verdict};
use reaper_runner::{PassReport, Reaper};
use reaper_store::Control;

/// A reaper that only reports, of a job whose gate was green when it was asked, and is red by now.
struct Reporting {
    world: World,
    reaper: Reaper,
    job: JobId,
    task: TaskId,
    asked: Arc<AtomicUsize>,
}

impl Reporting {
    fn new() -> Self {
        let (asked, verdict) = (Arc::<AtomicUsize>::default(), Arc::new(Mutex::new(Verdict::Green)));
        let (count, says) = (Arc::clone(&asked), Arc::clone(&verdict));
        let world = World::new().gate(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            says.lock().unwrap().clone()
        });
        let (job, task) = world.exited(0, 600);
        world.store.set_mode(Mode::Report).unwrap();
        let reaper = Reaper::new(world.parts(), settings());
        let reporting = Self { world, reaper, job, task, asked };
        assert_eq!(reporting.shown(), "done");
        *verdict.lock().unwrap() = Verdict::Red("no more".into());
        reporting
    }

    /// What a tick says that it would do.
    fn shown(&self) -> &'static str {
        let report = self.reaper.run_once();
        assert!(report.settled.iter().all(|settled| settled.outcome.is_none()), "{report:?}");
        action(&report)
    }

    fn enforce(&self) {
        self.world.store.set_mode(Mode::Enforce).unwrap();
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn action(report: &PassReport) -> &'static str {
    assert_eq!(report.error, None);
    report.settled.first().map_or("nothing", |settled| settled.action.as_str())
}

#[test]
fn a_report_shows_an_old_verdict_and_nothing_acts_on_it() {
    let reporting = Reporting::new();
    let Reporting { world, reaper, job, .. } = &reporting;
    for _ in 0..4 {
        world.pass(Duration::from_secs(24 * 3600));
        assert_eq!(reporting.shown(), "done");
    }
    assert_eq!(reporting.asked(), 1, "a report asks no gate again and again");
    reporting.enforce();
    assert_eq!(action(&reaper.run_once()), "requeue");
    assert_eq!((world.status(job).as_str(), reporting.asked()), ("queued", 2));
    assert_eq!(*world.advanced.lock().unwrap(), []);
}

/// As a wake sees it, too, which no tick came before.
#[test]
fn a_wake_does_not_act_on_an_old_verdict() {
    let reporting = Reporting::new();
    reporting.world.pass(Duration::from_secs(3600));
    reporting.enforce();
    assert_eq!(action(&reporting.reaper.wake_once()), "requeue");
}

/// The monotonic clock has stood still meanwhile: only the database's tells.
#[test]
fn a_machine_that_slept_does_not_act_on_what_was_said_before() {
    let reporting = Reporting::new();
    reporting.world.store.advance(Duration::from_secs(24 * 3600));
    reporting.enforce();
    for _ in 0..2 {
        reporting.reaper.run_once();
    }
    assert_eq!((reporting.world.status(&reporting.job).as_str(), reporting.asked()), ("queued", 2));
}

#[test]
fn what_was_said_a_moment_ago_is_acted_on() {
    let reporting = Reporting::new();
    reporting.world.pass(Duration::from_secs(60));
    reporting.enforce();
    assert_eq!(action(&reporting.reaper.run_once()), "done");
    assert_eq!((reporting.asked(), &*reporting.world.advanced.lock().unwrap()), (1, &vec![reporting.task]));
}
