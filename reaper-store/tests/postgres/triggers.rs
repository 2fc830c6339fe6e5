//! What PostgreSQL's programs see of the triggers.

use crate::{both::triggers, database::Database};

#[test]
fn every_way_into_running_draws_a_fence() {
    triggers::every_way_into_running_draws_a_fence(&[]);
}

/// What the owner's statement returns is what it would be without the triggers, and they write no other row.
#[test]
fn the_statement_that_fires_a_trigger_sees_nothing_of_it() {
    let database = Database::adopted("INSERT INTO jobs (agent, repo) VALUES ('a', 'r'), ('a', 'r')");
    let changed = |sql| database.program.changed(sql);
    assert_eq!(changed("UPDATE jobs SET status = 'running'"), 2);
    assert_eq!(changed("INSERT INTO agent_runs (id) VALUES (40)"), 1);
    assert_eq!(changed("UPDATE jobs SET run_id = 40 WHERE id = 1"), 1);
    assert_eq!(changed("UPDATE agent_runs SET exit_code = 0 WHERE id = 40"), 1);
    assert_eq!(changed("INSERT INTO tasks (id, repo, stage) VALUES (50, 'r', 's')"), 1);
    assert_eq!(changed("UPDATE tasks SET stage = 't'"), 1);
    assert_eq!(changed("UPDATE jobs SET status = 'queued' WHERE id = 60 AND status = 'done'"), 0);
}
