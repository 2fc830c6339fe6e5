//! A database with one job of each fate, and what must have become of them in the end.

use diesel::{RunQueryDsl as _, connection::SimpleConnection as _};
use reaper_tests::{
    database::{Database, Kind},
    jobs::{RunningJob, task},
    processes::{Sleeper, dead_pid},
    program::{Program, eventually},
    setting::{prepared, settled_once},
};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_reaper-under-test");

/// Two ticks: what is seen dead by a bare pid is settled in the second.
pub(crate) const TICKS: [&str; 5] = ["tick", "--times", "2", "--interval", "1ms"];

/// How a SQLite file is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Journal {
    /// As another program's file is by default.
    Rollback,
    /// As Reaper's own is.
    Wal,
}

/// A database, the program on it, and a job that lives through all of it.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) database: Database,
    pub(crate) program: Program,
    living: i64,
    _executor: Sleeper,
}

/// A job of each fate.
#[derive(Debug)]
pub(crate) struct Round {
    /// Its exit is 0, and its gate green: done, its task moved on, the next job enqueued.
    finished: i64,
    task: i64,
    /// Its process is gone: back in the queue.
    dead: i64,
    /// Its exit is bad, and it was its last attempt: failed, and somebody told.
    spent: i64,
}

impl Scene {
    /// On a SQLite file.
    pub(crate) fn on_file(journal: Journal) -> Self {
        let database = Database::foreign();
        if matches!(journal, Journal::Wal) {
            database.connection().batch_execute("PRAGMA journal_mode = WAL").unwrap();
        }
        Self::on(database)
    }

    /// On a PostgreSQL database; `None`, said loudly, where there is no server.
    pub(crate) fn on_server() -> Option<Self> {
        Database::foreign_on(Kind::Postgres).map(Self::on)
    }

    fn on(database: Database) -> Self {
        // A delivery that was cut off is soon anybody's again; and a few dead ones are no mass.
        let keys = "delivery_lease = \"100ms\"\nbare_pids = true\nbreaker = { percent = 100, at_least = 1000 }";
        let program = prepared(BINARY, &database, keys);
        let executor = Sleeper::start();
        let living = RunningJob { pid: Some(executor.pid()), ..RunningJob::default() }.insert(&database);
        Self { database, program, living, _executor: executor }
    }

    /// The program behind a proxy on this port.
    pub(crate) fn through(&self, port: u16) -> Program {
        let url = reaper_tests::setting::with_port(self.database.url(), port);
        Program::new(BINARY, self.database.dir()).at(&url)
    }

    pub(crate) fn round(&self) -> Round {
        let database = &self.database;
        let task = task(database, "architecture");
        let running = RunningJob::default();
        Round {
            task,
            finished: RunningJob { task_id: Some(task), exit_code: Some(0), ..running }.insert(database),
            dead: RunningJob { pid: Some(dead_pid()), ..running }.insert(database),
            spent: RunningJob { exit_code: Some(1), attempts: 2, ..running }.insert(database),
        }
    }

    /// Lets others look until nothing is left to do, and holds what has become of a round against what should have.
    pub(crate) fn ends_well(&self, round: &Round, point: &str) {
        let Self { database, program, living, .. } = self;
        if database.url() == "jobs.db" {
            is_whole(database, point);
        }
        let events = |job: i64| database.count(&format!("reaper_events WHERE job_id = {job}"));
        let Round { finished, task, dead, spent } = round;
        eventually(&format!("{point}: what is left is settled and delivered"), || {
            let _settled = program.run(&TICKS).ok();
            [finished, dead, spent].iter().all(|job| database.status(**job) != "running")
                && database.count("reaper_outbox WHERE state = 'pending'") == 0
        });
        let statuses = [finished, dead, spent, living].map(|job| database.status(*job));
        assert_eq!(statuses, ["done", "queued", "failed", "running"], "{point}");
        assert_eq!([finished, dead, spent, living].map(|job| events(*job)), [1, 1, 1, 0], "{point}");
        assert_eq!(database.stage(*task), "development", "{point}");
        assert_eq!(database.count(&format!("jobs WHERE task_id = {task} AND agent = 'tester'")), 1, "{point}");
        settled_once(database);
        // Each round has the same queue before it.
        database.sql("DELETE FROM jobs WHERE status = 'queued'");
    }
}

/// Holds that a SQLite file is sound.
pub(crate) fn is_whole(database: &Database, point: &str) {
    #[derive(diesel::QueryableByName)]
    struct Check {
        #[diesel(sql_type = diesel::sql_types::Text)]
        integrity_check: String,
    }
    let check = diesel::sql_query("PRAGMA integrity_check");
    let check = check.get_result::<Check>(&mut database.connection()).unwrap();
    assert_eq!(check.integrity_check, "ok", "{point}");
}
