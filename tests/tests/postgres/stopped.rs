//! The real program, stopped by a signal between its decision and its claim, and continued when another reaper has done
//! its work.

use std::process::Child;

use diesel::{Connection as _, PgConnection, connection::SimpleConnection as _};
use reaper_tests::{
    database::{Database, Kind},
    program::{eventually, signal},
};
use rustix::process::Signal;

use crate::setting::{prepared, settled_once};

/// A reaper that goes on and ends with its test.
struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        // Most often it has ended. A stopped process is killed all the same.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

const WAITS: &str = "pg_stat_activity WHERE datname = current_database() AND application_name = 'reaper'
    AND wait_event_type = 'Lock'";

#[test]
fn f17_a_stopped_reaper_claims_nothing_that_has_changed_and_nothing_twice() {
    for is_dropped in [false, true] {
        let Some(database) = Database::foreign_on(Kind::Postgres) else { return };
        let program = prepared(
            &database,
            "interval = \"50ms\"\nnode = { beat = \"200ms\", ttl = \"60s\" }\nbackoff = { base = \"1h\", max = \"1h\" }",
        );
        // All are over the ceiling: one look decides.
        database.sql(
            "INSERT INTO agent_runs (id) VALUES (2);
             INSERT INTO jobs (id, agent, repo, status, run_id, started_at) SELECT i, 'a', 'r', 'running',
                CASE WHEN i = 2 THEN 2 END, now() - interval '10 years' FROM generate_series(1, 4) AS n (i)",
        );
        let mut other = PgConnection::establish(database.url()).unwrap();
        // Whoever reads is not hindered; whoever would lock rows waits.
        other.batch_execute("BEGIN; LOCK TABLE jobs IN EXCLUSIVE MODE").unwrap();
        let reaper = Stopped(program.spawn(&["run"]));
        eventually("the reaper has decided, and is about to claim", || database.count(WAITS) == 1);
        signal(&reaper.0, Signal::STOP);
        other
            .batch_execute(
                "UPDATE jobs SET status = 'queued' WHERE id = 1;
                 UPDATE jobs SET status = 'running', started_at = now() WHERE id = 1;
                 UPDATE agent_runs SET exit_code = 0, finished_at = now() WHERE id = 2;
                 UPDATE jobs SET status = 'done' WHERE id = 3;
                 COMMIT",
            )
            .unwrap();
        if is_dropped {
            // As the server does with a transaction that has stood idle for a minute.
            eventually("the server ends its transaction", || {
                database.sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                     WHERE datname = current_database() AND application_name = 'reaper'",
                );
                database
                    .count("pg_stat_activity WHERE datname = current_database() AND application_name = 'reaper'")
                    == 0
            });
            // Another reaper settles what is left.
            let _ticked = program.run(&["tick"]).ok();
            assert_eq!(database.status(4), "queued");
        }
        signal(&reaper.0, Signal::CONT);
        eventually("what has not changed is settled", || database.status(4) == "queued");
        let seen = database.value("SELECT max(seq) FROM reaper_events");
        let beats = || database.value("SELECT max(beat) FROM reaper_nodes").unwrap_or_default();
        let before = beats();
        eventually("it goes on", || beats() != before);
        for (job, status) in [(1, "running"), (2, "running"), (3, "done"), (4, "queued")] {
            assert_eq!(database.status(job), status, "job {job}");
        }
        assert_eq!(database.value("SELECT max(seq) FROM reaper_events"), seen);
        assert_eq!(database.count("reaper_events"), 1);
        settled_once(&database);
        let mut reaper = reaper;
        signal(&reaper.0, Signal::TERM);
        eventually("it ends well", || reaper.0.try_wait().unwrap().is_some_and(|status| status.success()));
    }
}
