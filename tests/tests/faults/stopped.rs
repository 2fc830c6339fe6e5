//! A reaper that is stopped between its decision and its claim, and goes on a minute later.

use std::{
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use reaper_core::Timestamp;
use reaper_runner::{Parts, Reaper, SystemTime, Time};
use reaper_tests::{
    database::{Database, Kind},
    fakes::{FakeProbe, Fakes, settings},
    jobs::RunningJob,
};

/// The system's clocks, and what is added to the monotonic one.
#[derive(Debug)]
struct Shifted {
    system: SystemTime,
    by: Mutex<Duration>,
}

impl Time for Shifted {
    fn monotonic(&self) -> Duration {
        self.system.monotonic() + *self.by.lock().unwrap()
    }

    fn wall(&self) -> Timestamp {
        self.system.wall()
    }
}

/// What happens to a job while the reaper is stopped, and its status when the reaper has gone on.
const MEANWHILE: [(&str, &str); 7] = [
    (
        "UPDATE jobs SET status = 'queued' WHERE id = {}; UPDATE jobs SET status = 'running' WHERE id = {}",
        "running",
    ),
    ("UPDATE jobs SET status = 'done' WHERE id = {}", "done"),
    ("UPDATE agent_runs SET exit_code = 1 WHERE id IN (SELECT run_id FROM jobs WHERE id = {})", "running"),
    ("UPDATE jobs SET pid = 99 WHERE id = {}", "running"),
    ("UPDATE jobs SET started_at = NULL WHERE id = {}", "running"),
    ("UPDATE jobs SET reaper_beat = 1, reaper_beat_at = 1 WHERE id = {}", "running"),
    // Nothing: this one is still as it was.
    ("UPDATE jobs SET repo = 'another' WHERE id = {}", "queued"),
];

/// The writes are made before the reaper looks and committed after it has decided, so that it sees none of them.
fn writer(database: &Database, kind: Kind) -> Box<dyn FnMut(&str) + Send> {
    let mut write = database.program();
    write(match kind {
        Kind::Sqlite => "BEGIN IMMEDIATE",
        // Whoever would claim waits for this; whoever reads does not.
        Kind::Postgres => "BEGIN; LOCK TABLE jobs IN EXCLUSIVE MODE",
    });
    write
}

#[test]
fn f17_a_reaper_that_was_stopped_before_its_claim_claims_nothing_that_has_changed() {
    for kind in [Kind::Sqlite, Kind::Postgres] {
        let Some((database, store)) = Database::adopted_on(kind) else { continue };
        let jobs: Vec<_> = MEANWHILE
            .iter()
            .map(|_| {
                let job = RunningJob { pid: Some(4711), ..RunningJob::default() }.insert(&database);
                let run = database.insert("INSERT INTO agent_runs (agent) VALUES ('developer')");
                database.sql(&format!("UPDATE jobs SET run_id = {run} WHERE id = {job}"));
                job
            })
            .collect();
        let (probed, decided) = mpsc::channel();
        let count = jobs.len();
        let probe = FakeProbe::by(move |pid| {
            probed.send(()).ok();
            pid != 4711
        });
        let time = Arc::new(Shifted { system: SystemTime::new(), by: Mutex::default() });
        let mut settings = settings();
        settings.policy.limits.dead_ticks = 1;
        settings.policy.breaker.at_least = 1_000;
        let parts = Parts { time: Arc::<Shifted>::clone(&time), ..Fakes::with_probe(probe).parts(&store) };
        let reaper = Reaper::new(parts, settings);

        let mut write = writer(&database, kind);
        for (job, (sql, _)) in jobs.iter().zip(MEANWHILE) {
            write(&sql.replace("{}", &job.to_string()));
        }
        let report = thread::scope(|scope| {
            let pass = scope.spawn(|| reaper.run_once());
            for _ in 0..count {
                decided.recv_timeout(Duration::from_secs(60)).unwrap();
            }
            *time.by.lock().unwrap() += Duration::from_secs(60);
            write("COMMIT");
            pass.join().unwrap()
        });
        assert_eq!(report.error, None, "{kind:?}");
        assert_eq!(report.settled.len(), count, "all of them were decided on: {report:?}");
        assert_eq!(report.won().count(), 1, "{report:?}");
        for (job, (sql, status)) in jobs.iter().zip(MEANWHILE) {
            assert_eq!(database.status(*job), status, "{kind:?}: {sql}");
        }
        assert_eq!(database.count("reaper_events"), 1);

        // The clocks moved by different amounts: nothing unverified is settled until they agree again.
        let report = reaper.run_once();
        assert!(report.clock_jump_ms.is_some(), "{report:?}");
        assert_eq!(report.won().count(), 0, "{report:?}");
        let report = reaper.run_once();
        assert_eq!(report.won().count(), 2, "the two that still show the dead pid and no exit: {report:?}");
        let twice = "(SELECT 1 FROM reaper_events GROUP BY job_id, fence HAVING count(*) > 1) AS twice";
        assert_eq!(database.count(twice), 0);
    }
}
