//! What the triggers make of SQLite's own words, and what its programs see of them.

use crate::{both::triggers, database::Database};

#[test]
fn every_way_into_running_draws_a_fence() {
    triggers::every_way_into_running_draws_a_fence(&[
        "INSERT OR REPLACE INTO jobs (id, agent, repo, status) VALUES (1, 'a', 'r', 'queued')",
        "UPDATE jobs SET status = 'running' WHERE id = 1",
        "UPDATE jobs SET status = 'done'; UPDATE OR REPLACE jobs SET status = 'running'",
        "UPDATE jobs SET status = 'paused'; UPDATE OR IGNORE jobs SET status = 'running'",
        "PRAGMA recursive_triggers = ON;
         REPLACE INTO jobs (id, agent, repo, status) VALUES (1, 'a', 'r', 'running')",
        "UPDATE jobs SET status = 'queued'; UPDATE jobs SET status = 'running'",
    ]);
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
