//! The clocks part by an hour while a reaper runs: nothing alive and no young exit is claimed, and the dead are reaped.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::TimeDelta;
use reaper_core::Timestamp;
use reaper_runner::{Parts, Reaper, SystemTime, Time};
use reaper_tests::{
    database::{Database, Kind},
    fakes::{FakeProbe, Fakes, settings},
    jobs::RunningJob,
};

const HOUR: Duration = Duration::from_secs(3600);

/// The system's clocks; the monotonic one stands at least two hours, and can be set.
#[derive(Debug)]
struct Moved {
    system: SystemTime,
    ahead: Mutex<Duration>,
}

impl Time for Moved {
    fn monotonic(&self) -> Duration {
        self.system.monotonic() + *self.ahead.lock().unwrap()
    }

    fn wall(&self) -> Timestamp {
        self.system.wall()
    }
}

#[test]
fn f16_clocks_that_part_by_an_hour_hold_what_is_not_certain_and_let_the_dead_be_reaped() {
    for kind in [Kind::Sqlite, Kind::Postgres] {
        for is_forward in [true, false] {
            let Some((database, store)) = Database::adopted_on(kind) else { continue };
            let running =
                |pid| RunningJob { pid: Some(pid), age_s: 60, ..RunningJob::default() }.insert(&database);
            let (alive, dead) = (running(1), running(66));
            let time = Arc::new(Moved { system: SystemTime::new(), ahead: Mutex::new(2 * HOUR) });
            let probe = FakeProbe::by(|pid| pid != 66);
            let parts = Parts { time: Arc::<Moved>::clone(&time), ..Fakes::with_probe(probe).parts(&store) };
            let reaper = Reaper::new(parts, settings());
            assert_eq!(reaper.run_once().won().count(), 0, "{kind:?}");

            *time.ahead.lock().unwrap() = if is_forward { 3 * HOUR } else { HOUR };
            let exited = RunningJob { exit_code: Some(0), finished_age_s: 10, age_s: 60, ..RunningJob::default() };
            let young = exited.insert(&database);
            let report = reaper.run_once();
            assert_eq!(report.error, None);
            if is_forward {
                let jump = TimeDelta::milliseconds(report.clock_jump_ms.unwrap());
                assert!((jump.num_seconds() + 3600).abs() < 60, "{kind:?}: {jump:?}");
                assert_eq!(report.won().count(), 0, "{kind:?}: its row of dead observations begins anew");
            } else {
                assert_eq!(report.clock_jump_ms, None, "a clock that cannot go back has told nothing");
            }
            for _ in 0..3 {
                assert_eq!(reaper.run_once().error, None);
            }
            assert_eq!(database.status(dead), "queued", "{kind:?}, forward {is_forward}");
            assert_eq!((database.status(alive), database.status(young)), ("running".into(), "running".into()));
            assert_eq!(database.count("reaper_events"), 1);
        }
    }
}
