//! What the triggers make of plain SQL that knows nothing of Reaper.

use std::collections::BTreeSet;

use crate::database::{CLOCK_MS, Database, NOW, ago, refuses, replace, series};

/// How far an instant that a trigger saw may lie behind a look at the clock. In milliseconds.
pub(crate) const SLACK_MS: i64 = 60_000;

fn fence(database: &Database, id: i64) -> Option<i64> {
    database.program.number(&format!("SELECT reaper_fence AS x FROM jobs WHERE id = {id}"))
}

pub(crate) fn age_ms(database: &Database, column: &str, id: i64) -> Option<i64> {
    database.program.number(&format!("SELECT {CLOCK_MS} - {column} AS x FROM jobs WHERE id = {id}"))
}

/// Asserts that a column holds an instant that lies this many seconds back. A time in whole seconds is taken to be the
/// end of its second.
#[track_caller]
pub(crate) fn assert_age(database: &Database, column: &str, id: i64, secs: i64) {
    let age = age_ms(database, column, id).unwrap_or_else(|| panic!("{column} is NULL"));
    assert!((secs * 1000 - 1000..secs * 1000 + SLACK_MS).contains(&age), "{column} is {age} ms old, not {secs} s");
}

/// A job that runs.
pub(crate) fn running() -> String {
    let began = ago(100);
    format!(
        "INSERT INTO jobs (id, agent, repo, status, pid, started_at)
            VALUES (1, 'developer', 'shop', 'running', 4321, {began})"
    )
}

/// Every way to a row that runs or that is new, and what more ways this database has.
pub(crate) fn every_way_into_running_draws_a_fence(more: &[&str]) {
    let database = Database::adopted("");
    let mut seen = BTreeSet::new();
    for way in [
        "INSERT INTO jobs (id, agent, repo, status) VALUES (1, 'a', 'r', 'running')",
        &replace("jobs", 1, "agent, repo, status", "'a', 'r', 'running'"),
        &replace("jobs", 1, "agent, repo, status", "'a', 'r', 'queued'"),
        "UPDATE jobs SET status = 'running' WHERE id = 1",
        "UPDATE jobs SET status = 'queued'; UPDATE jobs SET status = 'running', pid = 5",
        "UPDATE jobs SET status = 'done'; UPDATE jobs SET status = 'running'",
        "UPDATE jobs SET status = 'paused'; UPDATE jobs SET status = 'running'",
        "UPDATE jobs SET status = 'failed'; INSERT INTO jobs (id, agent, repo, status) VALUES (1, 'a', 'r', 'x')
         ON CONFLICT (id) DO UPDATE SET status = 'running'",
        "DELETE FROM jobs; INSERT INTO jobs (id, agent, repo, status) VALUES (1, 'a', 'r', 'running')",
        "BEGIN; DELETE FROM jobs; INSERT INTO jobs (id, agent, repo) VALUES (1, 'a', 'r');
         UPDATE jobs SET status = 'running'; COMMIT",
        "UPDATE jobs SET status = 'queued'; UPDATE jobs SET status = 'running'",
    ]
    .iter()
    .chain(more)
    {
        database.program.run(way);
        let fence = fence(&database, 1).expect("a fence is drawn");
        assert!(fence > 0, "{way}");
        assert!(seen.insert(fence), "the fence is new after {way}");
    }
}

#[test]
fn what_is_no_entry_draws_none() {
    let database = Database::adopted(&running());
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
    let numbers = series(50);
    database.program.run(&format!(
        "INSERT INTO jobs (agent, repo) SELECT 'a', 'r' FROM {numbers}; UPDATE jobs SET status = 'running'"
    ));
    assert_eq!(database.program.number("SELECT count(DISTINCT reaper_fence) AS x FROM jobs"), Some(50));
}

#[test]
fn a_run_that_is_inserted_whole_shows_once_it_is_named() {
    let database = Database::adopted(&running());
    database.program.run(&format!("INSERT INTO agent_runs (id, exit_code, finished_at) VALUES (9, 0, {NOW})"));
    assert_eq!(database.job(1).exit, None);
    database.program.run("UPDATE jobs SET run_id = 9");
    assert_eq!(database.job(1).exit.map(|exit| exit.code), Some(0));
    // Named before it was inserted, which nothing forbids.
    database.program.run("UPDATE jobs SET run_id = 10");
    assert_eq!(database.job(1).exit, None);
    database.program.run("INSERT INTO agent_runs (id, exit_code) VALUES (10, 1)");
    assert_eq!(database.job(1).exit.map(|exit| exit.code), Some(1));
    database.program.run(&replace("agent_runs", 10, "exit_code", "NULL"));
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
        (&replace("jobs", 1, "agent, repo, status, run_id, pid", "'a', 'r', 'running', 7, 99"), 0),
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
    program.run(&format!("UPDATE agent_runs SET finished_at = {}", ago(50)));
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
    program.run(&replace("agent_runs", 9, "exit_code", "0"));
    assert_eq!(database.job(1).exit, None);
}

#[test]
fn a_settled_row_is_let_be() {
    let sealed = refuses("sealed", "UPDATE ON jobs", "OLD.status = 'done'", "done is done");
    let database = Database::adopted(&format!(
        "INSERT INTO agent_runs (id) VALUES (7);
         INSERT INTO jobs (id, agent, repo, status, run_id) VALUES (1, 'a', 'r', 'done', 7);
         {sealed}"
    ));
    database.program.run(&format!("UPDATE agent_runs SET exit_code = 1, finished_at = {NOW}"));
    assert_eq!(database.job(1).exit, None);
    // The owner's trigger never sees a write of Reaper's on a row that the owner's own statement has just sealed.
    database.program.run(&format!(
        "INSERT INTO jobs (id, agent, repo, status, pid) VALUES (2, 'a', 'r', 'running', 5);
         UPDATE jobs SET status = 'done', pid = NULL, run_id = 7, started_at = {NOW} WHERE id = 2;
         INSERT INTO jobs (id, agent, repo, status) VALUES (3, 'a', 'r', 'done')"
    ));
}

#[test]
fn every_visit_to_a_stage_is_another() {
    let database = Database::adopted("");
    let program = &database.program;
    let mut seen = BTreeSet::new();
    for sql in [
        "INSERT INTO tasks (id, repo, stage) VALUES (1, 'r', 'a')",
        "UPDATE tasks SET stage = 'b'",
        "UPDATE tasks SET stage = 'a', branch = 'x'",
        &replace("tasks", 1, "repo, stage", "'r', 'a'"),
        "DELETE FROM tasks; INSERT INTO tasks (id, repo, stage) VALUES (1, 'r', 'a')",
    ] {
        program.run(sql);
        let version = program.number("SELECT reaper_stage_version AS x FROM tasks").expect("a version is drawn");
        assert!(version > 0 && seen.insert(version), "{sql}");
        program.run("UPDATE tasks SET stage = 'a' WHERE stage = 'a'; UPDATE tasks SET branch = 'y'");
        assert!(seen.contains(&program.number("SELECT reaper_stage_version AS x FROM tasks").unwrap()), "{sql}");
    }
}
