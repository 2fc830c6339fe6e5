//! Databases full of jobs, made in bulk.

use std::sync::Arc;

use diesel::{PgConnection, connection::SimpleConnection as _};
use reaper_store::{
    Schema as _, Store,
    postgres::{Options, PostgresStore, connect},
};
use reaper_tests::database::{SEED_TABLES_POSTGRES, Scratch};

use super::sql::Sql;
use crate::parts::{self, DEAD, HERE, Rows};

/// A database of its own.
#[derive(Debug)]
pub struct Rowed {
    scratch: Scratch,
}

impl Rowed {
    /// Makes it: adopted while it is empty, then filled with no trigger on, then vacuumed and left to the bench alone.
    pub fn new(rows: Rows) -> Self {
        let made = Self { scratch: Scratch::new().expect("the server was asked for before") };
        let mut connection = made.scratch.connection();
        connection.batch_execute(SEED_TABLES_POSTGRES).unwrap();
        PostgresStore::open(made.url(), Options::default()).unwrap().migrate().unwrap();
        let Rows { running, orphans, finished, events } = rows;
        let every = running.checked_div(orphans).unwrap_or(0);
        let is_orphan = if every == 0 { "false".to_owned() } else { format!("i / 2 % {every} = 0") };
        connection
            .batch_execute(&format!(
                "SET session_replication_role = replica; SET synchronous_commit = off;
                 ALTER TABLE jobs SET (autovacuum_enabled = false);
                 ALTER TABLE reaper_events SET (autovacuum_enabled = false);
                 INSERT INTO jobs (id, agent, repo, status, attempts, run_id, started_at, reaper_fence,
                        reaper_started_at, reaper_attach, reaper_executor, reaper_monitor)
                    SELECT i, 'developer', 'shop', CASE WHEN i % 2 = 0 THEN 'running' ELSE 'done' END, 1, i, at,
                        i::bigint * 7919, floor(extract(epoch FROM at) * 1000)::bigint, 'done',
                        CASE WHEN {is_orphan} THEN '{HERE}/b/1/{DEAD}/7/8' ELSE 'there/b/1/' || (1000 + i) || '/7/8' END,
                        CASE WHEN {is_orphan} THEN '{HERE}/b/1/{DEAD}/7/8' ELSE 'there/b/1/77/7/8' END
                    FROM generate_series(1, {}) i, (SELECT now() - interval '10 minutes' AS at) AS n
                    WHERE i % 2 = 0 AND i <= 2 * {running} OR i % 2 = 1 AND i <= 2 * {finished};
                 INSERT INTO reaper_events (id, at, job_id, fence, actor, action, rule, reason, from_status, to_status,
                        evidence)
                    SELECT i, 1700000000000 + i, 2 * i, i, 'reaper', 'requeue', 'nobody_left', 'executor dead',
                        'running', 'queued', '{{\"executor\":\"dead\"}}'
                    FROM generate_series(1, {events}) i;
                 CREATE UNLOGGED TABLE bench_orphans AS SELECT * FROM jobs
                    WHERE status = 'running' AND reaper_executor LIKE '{HERE}/%';",
                2 * running.max(finished),
            ))
            .unwrap();
        connection.batch_execute("VACUUM (ANALYZE)").unwrap();
        connection.batch_execute("CHECKPOINT").unwrap();
        made
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        self.scratch.url()
    }

    /// A store on it.
    pub fn store(&self) -> Arc<dyn Store> {
        parts::open(self.url())
    }

    /// A connection as the store's own are.
    pub fn connection(&self) -> PgConnection {
        connect(self.url(), Options::default()).unwrap()
    }

    /// Makes everything as it was: the orphans run again under the same fences, and what was written since is gone.
    pub fn undo(&self) {
        let mut connection = self.scratch.connection();
        let columns = [
            "status",
            "pid",
            "reaper_exit_code",
            "reaper_exit_at",
            "reaper_attach",
            "reaper_node_bound",
            "reaper_executor",
            "reaper_monitor",
            "reaper_beat",
            "reaper_beat_at",
            "reaper_terminating_at",
            "reaper_available_at",
            "reaper_last_error",
            "reaper_rescues",
            "reaper_fence",
        ];
        let set: Vec<_> = columns.iter().map(|column| format!("{column} = b.{column}")).collect();
        let undo = format!(
            "SET session_replication_role = replica;
             UPDATE jobs j SET {} FROM bench_orphans b WHERE b.id = j.id AND j.status <> 'running';
             DELETE FROM reaper_events WHERE at > 1700100000000; DELETE FROM reaper_outbox",
            set.join(", ")
        );
        connection.batch_execute(&undo).unwrap();
        for table in ["jobs", "reaper_events", "reaper_outbox", "reaper_settings"] {
            connection.batch_execute(&format!("VACUUM {table}")).unwrap();
        }
        connection.batch_execute("CHECKPOINT").unwrap();
    }

    /// How many events there are, and of how many attempts.
    pub fn events(&self) -> (u64, u64) {
        let mut connection = self.connection();
        let mut count = |what| u64::try_from(Sql(what, Vec::new()).ids(&mut connection)[0]).unwrap();
        (
            count("SELECT count(*) FROM reaper_events"),
            count("SELECT count(*) FROM (SELECT DISTINCT job_id, fence FROM reaper_events) AS attempts"),
        )
    }
}
