//! An attach and an exit, each by a connection of its own and without any order.

use std::{sync::Barrier, thread};

use crate::database::{Database, Program, series};

/// Of so many running jobs, each with a run of the same number, no exit is lost.
pub(crate) fn lose_none(database: &Database, one: Program, other: Program, jobs: i64) {
    let numbers = series(jobs);
    database.program.run(&format!(
        "INSERT INTO agent_runs (id) SELECT i FROM {numbers};
         INSERT INTO jobs (id, agent, repo, status) SELECT i, 'a', 'r', 'running' FROM {numbers}"
    ));
    let barrier = Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            for id in 1..=jobs {
                barrier.wait();
                one.run(&format!("UPDATE jobs SET run_id = {id} WHERE id = {id}"));
            }
        });
        scope.spawn(|| {
            for id in 1..=jobs {
                barrier.wait();
                other.run(&format!("UPDATE agent_runs SET exit_code = 5 WHERE id = {id}"));
            }
        });
    });
    assert_eq!(database.program.number("SELECT count(*) AS x FROM jobs WHERE reaper_exit_code = 5"), Some(jobs));
}
