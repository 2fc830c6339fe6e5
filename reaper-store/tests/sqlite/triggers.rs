//! What the triggers make of plain SQL that knows nothing of Reaper.

use reaper_core::job::Exit;

use crate::database::Database;

/// How far an instant that a trigger saw may lie behind a look at the clock. In milliseconds.
pub(crate) const SLACK_MS: i64 = 60_000;

fn fence(database: &Database, id: i64) -> Option<i64> {
    database.program.number(&format!("SELECT reaper_fence AS x FROM jobs WHERE id = {id}"))
}

pub(crate) fn age_ms(database: &Database, column: &str, id: i64) -> Option<i64> {
    database.program.number(&format!(
        "SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) - {column} AS x FROM jobs WHERE id = {id}"
    ))
}

/// Asserts that a column holds an instant that lies this many seconds back. A time in whole seconds is taken to be the
/// end of its second.
#[track_caller]
fn assert_age(database: &Database, column: &str, id: i64, secs: i64) {
    let age = age_ms(database, column, id).unwrap_or_else(|| panic!("{column} is NULL"));
    assert!((secs * 1000 - 1000..secs * 1000 + SLACK_MS).contains(&age), "{column} is {age} ms old, not {secs} s");
}

const RUNNING: &str = "INSERT INTO jobs (id, agent, repo, status, pid, started_at)
    VALUES (1, 'developer', 'shop', 'running', 4321, datetime('now', '-100 seconds'))";

#[test]
fn every_way_into_running_draws_a_fence() {
    let database = Database::adopted("");
    let program = &database.program;
    let mut seen = std::collections::BTreeSet::new();
    let mut enter = |sql: &str| {
        program.run(sql);
        let fence = fence(&database, 1).expect("a fence is drawn");
        assert!(fence > 0, "{sql}");
        assert!(seen.insert(fence), "the fence is new after {sql}");
    };
    enter("INSERT INTO jobs (id, agent, repo, status) VALUES (1, 'a', 'r', 'running')");
    enter("REPLACE INTO jobs (id, agent, repo, status) VALUES (1, 'a', 'r', 'running')");
    enter("INSERT OR REPLACE INTO jobs (id, agent, repo, status) VALUES (1, 'a', 'r', 'queued')");
    enter("UPDATE jobs SET status = 'running' WHERE id = 1");
    enter("UPDATE jobs SET status = 'queued'; UPDATE jobs SET status = 'running', pid = 5");
    enter("UPDATE jobs SET status = 'done'; UPDATE OR REPLACE jobs SET status = 'running'");
    enter("UPDATE jobs SET status = 'paused'; UPDATE OR IGNORE jobs SET status = 'running'");
    enter(
        "UPDATE jobs SET status = 'failed'; INSERT INTO jobs (id, agent, repo, status) VALUES (1, 'a', 'r', 'x')
         ON CONFLICT (id) DO UPDATE SET status = 'running'",
    );
    enter("DELETE FROM jobs; INSERT INTO jobs (id, agent, repo, status) VALUES (1, 'a', 'r', 'running')");
    enter(
        "BEGIN; DELETE FROM jobs; INSERT INTO jobs (id, agent, repo) VALUES (1, 'a', 'r');
         UPDATE jobs SET status = 'running'; COMMIT",
    );
    enter(
        "PRAGMA recursive_triggers = ON;
         REPLACE INTO jobs (id, agent, repo, status) VALUES (1, 'a', 'r', 'running')",
    );
    enter("UPDATE jobs SET status = 'queued'; UPDATE jobs SET status = 'running'");
}

#[test]
fn what_is_no_entry_draws_none() {
    let database = Database::adopted(RUNNING);
    let drawn = fence(&database, 1);
    assert!(drawn.is_some());
    for sql in [
        "UPDATE jobs SET status = 'running'",
        "UPDATE jobs SET pid = 5, attempts = attempts + 1",
        "UPDATE jobs SET status = 'done'",
        "UPDATE jobs SET status = 'queued'",
    ] {
        database.program.run(sql);
        assert_eq!(fence(&database, 1), drawn, "{sql}");
    }
    // A rollback takes it back.
    database.program.run("BEGIN; UPDATE jobs SET status = 'running'; ROLLBACK");
    assert_eq!(fence(&database, 1), drawn);
}

#[test]
fn many_rows_in_one_statement_get_a_fence_each() {
    let database = Database::adopted("");
    database.program.run(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50)
         INSERT INTO jobs (agent, repo) SELECT 'a', 'r' FROM n;
         UPDATE jobs SET status = 'running'",
    );
    assert_eq!(database.program.number("SELECT count(DISTINCT reaper_fence) AS x FROM jobs"), Some(50));
}

#[test]
fn beginnings_are_read_in_both_forms() {
    let database = Database::adopted("");
    for (at, secs) in [
        ("datetime('now', '-100 seconds')", 100),
        ("strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-100 seconds')", 100),
        ("strftime('%Y-%m-%dT%H:%M:%f', 'now', '-100 seconds')", 100),
        ("strftime('%Y-%m-%d %H:%M:%f', 'now', '-100 seconds') || '+00:00'", 100),
        ("strftime('%Y-%m-%dT%H:%M:%S', 'now', '+2 hours', '-100 seconds') || '+02:00'", 100),
        ("datetime('now', '+100 seconds')", 0),
        ("NULL", 0),
        ("'now'", 0),
        ("'yesterday'", 0),
        ("'04/05/2026 10:00'", 0),
        ("'2026-99-99 10:00:00'", 0),
        ("2460000", 0),
        ("1700000000", 0),
        ("2460000.5", 0),
        ("''", 0),
        ("x'fffe'", 0),
    ] {
        database.program.run(&format!(
            "REPLACE INTO jobs (id, agent, repo, status, started_at) VALUES (1, 'a', 'r', 'running', {at});
             REPLACE INTO jobs (id, agent, repo) VALUES (2, 'a', 'r');
             UPDATE jobs SET status = 'running', started_at = {at} WHERE id = 2;
             REPLACE INTO jobs (id, agent, repo, status) VALUES (3, 'a', 'r', 'running');
             UPDATE jobs SET started_at = {at} WHERE id = 3"
        ));
        for id in 1..=3 {
            let age = age_ms(&database, "reaper_started_at", id).unwrap_or_else(|| panic!("{at} gives NULL"));
            assert!((secs * 1000 - 1000..secs * 1000 + SLACK_MS).contains(&age), "{at} of job {id}: {age} ms");
        }
    }
}

#[test]
fn a_beginning_from_before_is_not_believed() {
    let database = Database::adopted(RUNNING);
    assert_age(&database, "reaper_started_at", 1, 100);
    database.program.run("UPDATE jobs SET status = 'queued'; UPDATE jobs SET status = 'running'");
    assert_age(&database, "reaper_started_at", 1, 0);
    // An ORM that writes all columns as they were changes nothing.
    let before = database.program.number("SELECT reaper_started_at AS x FROM jobs");
    database.program.run("UPDATE jobs SET status = status, pid = pid, run_id = run_id, started_at = started_at");
    assert_eq!(database.program.number("SELECT reaper_started_at AS x FROM jobs"), before);
}

#[test]
fn an_exit_shows_with_its_time_in_both_forms() {
    let database = Database::adopted("");
    for (at, secs) in [
        ("datetime('now', '-50 seconds')", 50),
        ("strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-50 seconds')", 50),
        ("datetime('now', '+50 seconds')", 0),
        ("NULL", 0),
        ("'soon'", 0),
        ("2460000", 0),
    ] {
        database.program.run(&format!(
            "REPLACE INTO agent_runs (id, exit_code, finished_at) VALUES (7, NULL, NULL);
             REPLACE INTO jobs (id, agent, repo, status, run_id) VALUES (1, 'a', 'r', 'running', 7);
             UPDATE agent_runs SET exit_code = -9, finished_at = {at} WHERE id = 7;
             REPLACE INTO jobs (id, agent, repo, status, run_id) VALUES (2, 'a', 'r', 'running', 7);
             REPLACE INTO jobs (id, agent, repo, status) VALUES (3, 'a', 'r', 'running');
             UPDATE jobs SET run_id = 7 WHERE id = 3"
        ));
        for id in 1..=3 {
            assert_eq!(database.job(id).exit.map(|exit| exit.code), Some(-9), "{at} of job {id}");
            assert_age(&database, "reaper_exit_at", id, secs);
        }
    }
}

#[test]
fn a_time_that_comes_one_statement_later_counts() {
    let database = Database::adopted(
        "INSERT INTO agent_runs (id) VALUES (7);
         INSERT INTO jobs (id, agent, repo, status, run_id) VALUES (1, 'a', 'r', 'running', 7)",
    );
    database.program.run("UPDATE agent_runs SET exit_code = 3");
    assert_age(&database, "reaper_exit_at", 1, 0);
    let seen = database.program.number("SELECT reaper_exit_at AS x FROM jobs");
    database.program.run("UPDATE agent_runs SET finished_at = 'unreadable'");
    assert_eq!(database.program.number("SELECT reaper_exit_at AS x FROM jobs"), seen, "the first sight stays");
    database.program.run("UPDATE agent_runs SET finished_at = datetime('now', '-50 seconds')");
    assert_age(&database, "reaper_exit_at", 1, 50);
    database.program.run("UPDATE agent_runs SET exit_code = NULL");
    assert_eq!(database.job(1).exit, None);
    assert_eq!(age_ms(&database, "reaper_exit_at", 1), None);
}

#[test]
fn a_time_before_the_exit_waits_for_it() {
    let database = Database::adopted(
        "INSERT INTO agent_runs (id) VALUES (7);
         INSERT INTO jobs (id, agent, repo, status, run_id) VALUES (1, 'a', 'r', 'running', 7)",
    );
    database.program.run("UPDATE agent_runs SET finished_at = datetime('now', '-50 seconds')");
    assert_eq!(age_ms(&database, "reaper_exit_at", 1), None);
    database.program.run("UPDATE agent_runs SET exit_code = 0");
    assert_age(&database, "reaper_exit_at", 1, 50);
}

#[test]
fn a_run_that_is_inserted_whole_shows_once_it_is_named() {
    let database = Database::adopted(RUNNING);
    database.program.run("INSERT INTO agent_runs (id, exit_code, finished_at) VALUES (9, 0, datetime('now'))");
    assert_eq!(database.job(1).exit, None);
    database.program.run("UPDATE jobs SET run_id = 9");
    assert_eq!(database.job(1).exit.map(|exit| exit.code), Some(0));
    // Named before it was inserted, which nothing forbids.
    database.program.run("UPDATE jobs SET run_id = 10");
    assert_eq!(database.job(1).exit, None);
    database.program.run("INSERT INTO agent_runs (id, exit_code) VALUES (10, 1)");
    assert_eq!(database.job(1).exit.map(|exit| exit.code), Some(1));
    database.program.run("REPLACE INTO agent_runs (id, exit_code) VALUES (10, NULL)");
    assert_eq!(database.job(1).exit, None, "replaced by a run that has recorded nothing");
}

#[test]
fn inherited_values_are_marked_until_they_change() {
    let database = Database::adopted(
        "INSERT INTO agent_runs (id) VALUES (7);
         INSERT INTO jobs (id, agent, repo, status, run_id, pid) VALUES (1, 'a', 'r', 'running', 7, 99)",
    );
    let program = &database.program;
    let inherited = || program.number("SELECT coalesce(reaper_inherited, 0) AS x FROM jobs");
    assert_eq!(inherited(), Some(0));
    for (sql, expected) in [
        ("UPDATE jobs SET status = 'queued'; UPDATE jobs SET status = 'running'", 3),
        ("UPDATE jobs SET pid = 99, run_id = 7", 3),
        ("UPDATE jobs SET pid = 100", 2),
        ("UPDATE jobs SET run_id = NULL", 0),
        ("UPDATE jobs SET status = 'queued'; UPDATE jobs SET status = 'running', run_id = 7", 1),
        ("UPDATE jobs SET status = 'queued', pid = NULL; UPDATE jobs SET status = 'running', pid = 100", 2),
        ("UPDATE jobs SET status = 'queued'; UPDATE jobs SET pid = 101; UPDATE jobs SET status = 'running'", 3),
        ("UPDATE jobs SET status = 'done'; UPDATE jobs SET status = 'running', pid = 5, run_id = 8", 0),
        ("REPLACE INTO jobs (id, agent, repo, status, run_id, pid) VALUES (1, 'a', 'r', 'running', 7, 99)", 0),
    ] {
        program.run(sql);
        assert_eq!(inherited(), Some(expected), "{sql}");
        let job = database.job(1);
        assert_eq!(job.pid.is_none(), expected & 1 == 1, "{sql}");
        assert_eq!(job.run.is_none(), expected & 2 == 2 || expected == 0 && job.pid == Some(100), "{sql}");
    }
}

#[test]
fn late_finishes_show_on_queued_rows_and_nothing_else_does() {
    let database = Database::adopted(
        "INSERT INTO agent_runs (id) VALUES (7);
         INSERT INTO jobs (id, agent, repo, status, run_id) VALUES (1, 'a', 'r', 'running', 7)",
    );
    let program = &database.program;
    program.run("UPDATE jobs SET status = 'queued'; UPDATE agent_runs SET exit_code = 0");
    assert!(database.job(1).is_late_finish());
    program.run("UPDATE agent_runs SET finished_at = datetime('now', '-50 seconds')");
    assert_age(&database, "reaper_exit_at", 1, 50);
    // Corrected while it waits to be looked at: no late finish any more.
    program.run("UPDATE agent_runs SET exit_code = 1");
    assert_eq!(database.job(1).exit.map(|exit| exit.code), Some(1));
    // Seen by a requeue: a rewrite of it is no finish.
    program.run("UPDATE jobs SET status = 'running', run_id = 8; UPDATE jobs SET run_id = 7");
    program.run("UPDATE jobs SET status = 'queued'; UPDATE agent_runs SET exit_code = 0");
    assert_eq!(database.job(1).exit, None);
    // Another run of a queued row brings nothing along, nor does one that is inserted or replaced.
    program.run("INSERT INTO agent_runs (id, exit_code) VALUES (9, 0); UPDATE jobs SET run_id = 9");
    assert_eq!(database.job(1).exit, None);
    program.run("REPLACE INTO agent_runs (id, exit_code) VALUES (9, 0)");
    assert_eq!(database.job(1).exit, None);
}

#[test]
fn a_settled_row_is_let_be() {
    let database = Database::adopted(
        "INSERT INTO agent_runs (id) VALUES (7);
         INSERT INTO jobs (id, agent, repo, status, run_id) VALUES (1, 'a', 'r', 'done', 7);
         CREATE TRIGGER sealed BEFORE UPDATE ON jobs WHEN OLD.status = 'done'
         BEGIN SELECT RAISE(ABORT, 'done is done'); END",
    );
    database.program.run("UPDATE agent_runs SET exit_code = 1, finished_at = datetime('now')");
    assert_eq!(database.job(1).exit, None);
    // The owner's trigger never sees a write of Reaper's on a row that the owner's own statement has just sealed.
    database.program.run(
        "INSERT INTO jobs (id, agent, repo, status, pid) VALUES (2, 'a', 'r', 'running', 5);
         UPDATE jobs SET status = 'done', pid = NULL, run_id = 7, started_at = datetime('now') WHERE id = 2;
         INSERT INTO jobs (id, agent, repo, status) VALUES (3, 'a', 'r', 'done')",
    );
}

#[test]
fn the_statement_that_fires_a_trigger_sees_nothing_of_it() {
    let database = Database::adopted("INSERT INTO jobs (agent, repo) VALUES ('a', 'r'), ('a', 'r')");
    let program = &database.program;
    let seen = |sql: &str| {
        program.run(sql);
        (
            program.number("SELECT changes() AS x").unwrap(),
            program.number("SELECT last_insert_rowid() AS x").unwrap(),
        )
    };
    assert_eq!(seen("UPDATE jobs SET status = 'running'"), (2, 2));
    assert_eq!(seen("INSERT INTO agent_runs (id) VALUES (40)"), (1, 40));
    assert_eq!(seen("UPDATE jobs SET run_id = 40 WHERE id = 1"), (1, 40));
    assert_eq!(seen("UPDATE agent_runs SET exit_code = 0 WHERE id = 40"), (1, 40));
    assert_eq!(seen("INSERT INTO tasks (id, repo, stage) VALUES (50, 'r', 's')"), (1, 50));
    assert_eq!(seen("UPDATE tasks SET stage = 't'"), (1, 50));
    assert_eq!(seen("INSERT INTO jobs (id, agent, repo, status) VALUES (60, 'a', 'r', 'running')"), (1, 60));
    assert_eq!(seen("UPDATE jobs SET status = 'queued' WHERE id = 60 AND status = 'done'"), (0, 60));
}

#[test]
fn every_visit_to_a_stage_is_another() {
    let database = Database::adopted("");
    let program = &database.program;
    let mut seen = std::collections::BTreeSet::new();
    for sql in [
        "INSERT INTO tasks (id, repo, stage) VALUES (1, 'r', 'a')",
        "UPDATE tasks SET stage = 'b'",
        "UPDATE tasks SET stage = 'a', branch = 'x'",
        "REPLACE INTO tasks (id, repo, stage) VALUES (1, 'r', 'a')",
        "DELETE FROM tasks; INSERT INTO tasks (id, repo, stage) VALUES (1, 'r', 'a')",
    ] {
        program.run(sql);
        let version = program.number("SELECT reaper_stage_version AS x FROM tasks").expect("a version is drawn");
        assert!(version > 0 && seen.insert(version), "{sql}");
        program.run("UPDATE tasks SET stage = 'a' WHERE stage = 'a'; UPDATE tasks SET branch = 'y'");
        assert!(seen.contains(&program.number("SELECT reaper_stage_version AS x FROM tasks").unwrap()), "{sql}");
    }
}

#[test]
fn an_exit_is_compared_to_the_millisecond_with_what_the_store_reads() {
    let database = Database::adopted(
        "INSERT INTO agent_runs (id) VALUES (7);
         INSERT INTO jobs (id, agent, repo, status, run_id, started_at)
            VALUES (1, 'a', 'r', 'running', 7, '2026-05-04 10:00:00.123')",
    );
    database.program.run("UPDATE agent_runs SET exit_code = 4, finished_at = '2026-05-04T10:00:01.457Z'");
    let job = database.job(1);
    let at = |text: &str| text.parse().unwrap();
    assert_eq!(job.started_at, Some(at("2026-05-04T10:00:00.123Z")));
    assert_eq!(job.exit, Some(Exit { code: 4, at: at("2026-05-04T10:00:01.457Z") }));
}

#[test]
fn a_time_in_whole_seconds_is_the_end_of_its_second() {
    let database = Database::adopted(
        "INSERT INTO jobs (id, agent, repo, status, started_at)
         VALUES (1, 'a', 'r', 'running', '2026-01-02 03:04:05'),
                (2, 'a', 'r', 'running', '2026-01-02 03:04:05.250')",
    );
    let ms =
        |id| database.program.number(&format!("SELECT reaper_started_at % 60000 AS x FROM jobs WHERE id = {id}"));
    assert_eq!((ms(1), ms(2)), (Some(5_999), Some(5_250)), "no grace is cut short by a missing fraction");
    // What was written just now has not come to its second's end.
    database.program.run(
        "INSERT INTO jobs (id, agent, repo, status, started_at) VALUES (3, 'a', 'r', 'running', datetime('now'))",
    );
    assert!(age_ms(&database, "reaper_started_at", 3).is_some_and(|age| age >= 0));
}
