//! F26: everything looks dead at once.

use reaper_tests::{
    database::Database, jobs::RunningJob, processes::dead_pid, program::Program, setting::settled_once,
};

use crate::{BINARY, on_both};

const JOBS: i64 = 20;

#[test]
fn f26_what_looks_dead_all_at_once_is_held_whoever_looks_and_what_is_certain_is_settled() {
    on_both(|database: Database| {
        let program = Program::on(BINARY, &database);
        program.configure("bare_pids = true\nintensity = \"off\"\n");
        let _migrated = program.run(&["migrate"]).ok();
        let dead = RunningJob { pid: Some(dead_pid()), age_s: 60, ..RunningJob::default() };
        let _jobs: Vec<_> = (0..JOBS).map(|_| dead.insert(&database)).collect();
        let exited = RunningJob { exit_code: Some(1), ..RunningJob::default() }.insert(&database);
        let tick = ["tick", "--times", "3", "--interval", "1ms"];
        // A second program knows of it from the database.
        for _ in 0..2 {
            let ticked = program.run(&tick).ok();
            assert_eq!(database.count("jobs WHERE status = 'running'"), JOBS, "{}", ticked.stdout);
            assert_eq!(database.status(exited), "queued", "what is certain is settled");
            assert_eq!(database.count("reaper_events WHERE job_id IS NOT NULL"), 1);
            assert_eq!(database.count("reaper_outbox WHERE key LIKE 'breaker:%'"), 1, "told once");
        }
        // It has lasted for as long as it is held: then it is believed.
        let ticked = program.run(&[&tick[..], &["--set", "breaker.hold=1ms"]].concat()).ok();
        assert_eq!(database.count("jobs WHERE status = 'running'"), 0, "{}", ticked.stdout);
        assert_eq!(database.count("jobs WHERE status = 'queued'"), JOBS + 1);
        settled_once(&database);
    });
}
