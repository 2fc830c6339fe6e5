//! A commit whose answer is lost on its way: it is settled by looking, and nothing happens twice.

use reaper_tests::{
    database::{Database, Kind},
    jobs::{RunningJob, task},
    program::{Program, eventually},
    proxy::Proxy,
};

use crate::setting::{BINARY, port, prepared, settled_once, with_port};

#[test]
fn f22_whichever_commit_s_answer_is_lost_the_task_moves_on_once() {
    let Some(database) = Database::foreign_on(Kind::Postgres) else { return };
    let direct = prepared(&database, "delivery_lease = \"100ms\"");
    let proxy = Proxy::start(port(database.url()), database.url());
    let through = Program::new(BINARY, database.dir()).at(&with_port(database.url(), proxy.port()));
    for others in 0..40_usize {
        let task = task(&database, "architecture");
        let job =
            RunningJob { task_id: Some(task), exit_code: Some(0), ..RunningJob::default() }.insert(&database);
        proxy.lose_the_commit_after(others);
        // It may end well or not; what counts is what is in the database after others have looked too.
        let ended = through.run(&["tick", "--times", "2", "--interval", "1ms"]);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        let lost = proxy.has_cut();
        // What it had leased is anybody's again when the lease is over, and what failed once it has waited.
        eventually("what is left is settled and delivered", || {
            let _settled = direct.run(&["tick"]).ok();
            database.status(job) != "running" && database.count("reaper_outbox WHERE state = 'pending'") == 0
        });

        let where_it_was = format!("after {others} other commits: {}{}", ended.stdout, ended.stderr);
        assert_eq!(database.status(job), "done", "{where_it_was}");
        assert_eq!(database.stage(task), "development", "{where_it_was}");
        let events = format!("reaper_events WHERE job_id = {job}");
        assert_eq!(database.count(&events), 1, "{where_it_was}");
        let next = format!("jobs WHERE task_id = {task} AND agent = 'tester'");
        assert_eq!(database.count(&next), 1, "{where_it_was}");
        settled_once(&database);
        if !lost {
            assert!(others > 2, "a claim, a lease, an advance and a mark are four commits: {where_it_was}");
            return;
        }
    }
    panic!("it commits without end");
}
