//! Adopting a database of another program's, and letting it go again.

use reaper_core::{Status, job::Attach};
use reaper_store::{
    Attempts as _, Facts as _, Schema as _, StoreError,
    attempts::{Launcher, Recorded, Wants},
};

use crate::database::{Database, IDS_GO_ON, NOW, ago, drop_trigger, refuses, zulu_ago};

/// Rows from before Reaper.
pub(crate) fn rows() -> String {
    format!(
        "INSERT INTO tasks (id, plane_id, work_item_id, repo, branch, stage) VALUES (1, 'P-1', 'W-1', 'shop', 'b', 'review');
         INSERT INTO agent_runs (id, task_id, exit_code, finished_at) VALUES
            (1, 1, NULL, NULL), (2, 1, 0, {}), (3, 1, 1, NULL), (4, 1, 2, 'soon');
         INSERT INTO jobs (id, agent, repo, task_id, status, attempts, run_id, pid, started_at) VALUES
            (1, 'developer', 'shop', 1, 'running', 1, 1, 4321, {}),
            (2, 'developer', 'shop', 1, 'running', 1, 2, NULL, {}),
            (3, 'developer', 'shop', NULL, 'running', 2, 3, NULL, NULL),
            (4, 'developer', 'shop', NULL, 'running', 2, 4, NULL, 'this morning'),
            (5, 'developer', 'shop', NULL, 'queued', 1, 2, 17, '2026-05-04 10:00:00'),
            (6, 'developer', 'shop', NULL, 'done', 1, 2, 18, '2026-05-04 10:00:00');
         {IDS_GO_ON}",
        ago(600),
        ago(100),
        zulu_ago(700)
    )
}

/// The statements of the program that had the database first. `NOW` stands for the time.
const PROGRAM: [&str; 10] = [
    "INSERT INTO tasks (plane_id, work_item_id, repo, branch, stage) VALUES ('P', 'W', 'shop', 'x', 'analysis')",
    "INSERT INTO jobs (agent, repo, task_id) SELECT 'developer', 'shop', max(id) FROM tasks",
    "INSERT INTO agent_runs (task_id, agent) VALUES (1, 'developer')",
    "UPDATE jobs SET status = 'running', attempts = attempts + 1, started_at = NOW
        WHERE id = (SELECT min(id) FROM jobs WHERE status = 'queued') AND status = 'queued'",
    "UPDATE jobs SET run_id = (SELECT max(id) FROM agent_runs), pid = 99 WHERE status = 'running' AND pid IS NULL",
    "UPDATE agent_runs SET exit_code = 0, finished_at = NOW WHERE exit_code IS NULL",
    "UPDATE tasks SET stage = 'development' WHERE stage = 'analysis'",
    "UPDATE jobs SET status = 'done', finished_at = NOW WHERE status = 'running' AND run_id = 2",
    "UPDATE jobs SET status = 'queued' WHERE status = 'running'",
    "DELETE FROM jobs WHERE status = 'done'",
];

const OWNERS: &str = "name IN ('tasks', 'jobs', 'agent_runs')";
const NOT_OURS: &str = "name NOT LIKE 'reaper%'";

/// Every value of the owner's stays, and what of it counts is read. The database is given for more questions.
pub(crate) fn a_database_of_the_seeds_columns_is_adopted_in_place() -> Database {
    let database = Database::seeded(&rows());
    let before = database.program.dump_of(OWNERS, NOT_OURS);
    assert_eq!(database.store.migrate().unwrap().len(), 1);
    assert_eq!(database.program.dump_of(OWNERS, NOT_OURS), before, "no value of the owner's is changed");

    let about = |at: chrono::DateTime<chrono::Utc>, secs: i64| {
        let age = database.store.now().unwrap().signed_duration_since(at).num_seconds();
        assert!((secs - 1..secs + 60).contains(&age), "{age} s, not {secs}");
    };
    let first = database.job(1);
    assert_eq!((first.status, first.pid, first.exit, first.attempts), (Status::Running, Some(4321), None, 1));
    about(first.started_at.unwrap(), 100);
    let second = database.job(2);
    about(second.started_at.unwrap(), 700);
    assert_eq!(second.exit.unwrap().code, 0);
    about(second.exit.unwrap().at, 600);
    for (id, code) in [(3, 1), (4, 2)] {
        let job = database.job(id);
        about(job.started_at.unwrap(), 0);
        assert_eq!(job.exit.unwrap().code, code);
        about(job.exit.unwrap().at, 0);
    }
    assert_eq!(database.program.number("SELECT count(DISTINCT reaper_fence) AS x FROM jobs"), Some(4));
    let queued = database.job(5);
    assert_eq!((queued.status, queued.attempt.fence.as_int(), queued.exit), (Status::Queued, Some(0), None));
    assert_eq!(first.task.unwrap().place.unwrap().version.as_int(), Some(0), "it has not moved since");
    database
}

/// Only running jobs are written: a trigger of the owner's hears of no task, and of no job that waits or is over.
#[test]
fn nothing_else_of_the_owners_is_written() {
    let database = Database::seeded(&rows());
    database.program.run(&refuses("no_task", "UPDATE ON tasks", "true", "the owner says no"));
    database.program.run(&refuses("no_job", "UPDATE ON jobs", "OLD.status <> 'running'", "the owner says no"));
    database.store.migrate().unwrap();
    database.program.run(&drop_trigger("reaper_jobs_change", "jobs"));
    database.store.migrate().unwrap();
}

#[test]
fn the_owners_statements_go_on_working() {
    let database = Database::adopted(&rows());
    let alone = Database::seeded(&rows());
    for sql in PROGRAM {
        let sql = sql.replace("NOW", NOW);
        assert_eq!(database.program.changed(&sql), alone.program.changed(&sql), "{sql}");
    }
    // Times differ by when each ran.
    let columns = "name NOT LIKE 'reaper%' AND name NOT LIKE '%_at'";
    assert_eq!(database.program.dump_of(OWNERS, columns), alone.program.dump_of(OWNERS, columns));
}

/// The owner has a view, and a trigger of the caller's that notes each status in `audit`.
pub(crate) fn uninstalling_leaves_what_was_there(audit_jobs: &str) {
    let database = Database::seeded(&rows());
    database.program.run("CREATE VIEW waiting AS SELECT id FROM jobs WHERE status = 'queued'");
    database.program.run("CREATE TABLE audit (job INTEGER, status TEXT)");
    database.program.run(audit_jobs);
    let (schema, held) = (database.program.owners_schema(), database.program.dump_all());
    for _ in 0..2 {
        assert_eq!(database.store.migrate().unwrap().len(), 1);
        assert_eq!(database.program.owners_schema().len(), schema.len());
        let reverted = database.store.uninstall().unwrap();
        assert!(reverted[0].sql.contains("DROP TRIGGER"));
        assert_eq!(database.program.owners_schema(), schema);
        assert_eq!(database.program.dump_all(), held);
        assert_eq!(database.program.ours(), Some(0));
        assert!(matches!(database.store.now(), Err(StoreError::NotMigrated { .. })));
    }
    assert_eq!(database.store.uninstall().unwrap(), [], "there is nothing left to take away");
    assert_eq!(database.program.owners_schema(), schema);
}

#[test]
fn rows_that_were_written_meanwhile_stay() {
    let database = Database::adopted(&rows());
    let monitor = Launcher::free("here/b/1/2/3/4".parse().unwrap());
    let taken = database.store.take(&Wants::Job(5.into()), &monitor).unwrap().unwrap();
    assert_eq!(database.store.record_exit(&taken.run, 0).unwrap(), Recorded::New);
    let before = database.program.dump_of(OWNERS, NOT_OURS);
    database.store.uninstall().unwrap();
    assert_eq!(database.program.dump_of(OWNERS, NOT_OURS), before);
    // And can be adopted anew.
    database.store.migrate().unwrap();
    let job = database.job(5);
    assert_eq!((job.status, job.attach, job.exit.unwrap().code), (Status::Running, Attach::NotSaid, 0));
}

/// Diesel's own bookkeeping is the owner's, who may use diesel too.
#[test]
fn the_owners_own_migrations_are_let_be() {
    let database = Database::seeded(
        "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, run_on TIMESTAMP);
         INSERT INTO __diesel_schema_migrations (version) VALUES ('0001'), ('20260101')",
    );
    let of_owners = || database.program.dump_of("name LIKE '%diesel%'", "true");
    let before = of_owners();
    assert_eq!(database.store.migrate().unwrap().len(), 1);
    database.store.uninstall().unwrap();
    assert_eq!(of_owners(), before);
}
