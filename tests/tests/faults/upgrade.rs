//! F36: reapers that are stopped and upgraded, one host after the other.

use reaper_tests::{
    database::Database,
    jobs::RunningJob,
    processes::{Sleeper, dead_pid},
    program::{Program, eventually},
};

use crate::{BINARY, Running, on_both};

/// A version that no program of today knows.
const NEWER: &str = "INSERT INTO reaper_migrations (version) VALUES ('9999')";

#[test]
fn f36_a_rolling_upgrade_moves_no_job() {
    on_both(|database: Database| {
        let program = Program::on(BINARY, &database);
        let _migrated = program.run(&["migrate"]).ok();
        let keys = ["node.ttl=60s", "bare_pids=true", "backoff.base=1ms"];
        let mut lives = Sleeper::start();
        let living = RunningJob { pid: Some(lives.pid()), ..RunningJob::default() }.insert(&database);
        let bound = database.insert("INSERT INTO jobs (agent, repo, status) VALUES ('a', 'r', 'running')");
        database.sql(&format!(
            "UPDATE jobs SET reaper_node_bound = 1, reaper_monitor = 'one/b/1/2/3/4', reaper_executor = 'one/b/1/5/3/6',
                reaper_attach = 'done' WHERE id = {bound}"
        ));
        let state = |host: &str| database.value(&format!("SELECT state FROM reaper_nodes WHERE host = '{host}'"));
        let beats = |host: &str| -> i64 {
            let beats =
                database.value(&format!("SELECT coalesce(max(beat), 0) FROM reaper_nodes WHERE host = '{host}'"));
            beats.unwrap().parse().unwrap()
        };
        let one = Running::on_host(&program, "one", &keys);
        let mut two = Running::on_host(&program, "two", &keys);
        eventually("both beat", || beats("one") > 1 && beats("two") > 1);

        // The first host: its reaper is stopped, its successor brings the schema up to date.
        let _said = one.stop();
        assert_eq!(state("one").as_deref(), Some("retired"), "its silence is no loss");
        database.sql(NEWER);
        let orphan = RunningJob { pid: Some(dead_pid()), ..RunningJob::default() }.insert(&database);
        let seen = beats("two");
        eventually("a reaper that may not write any more still beats", || beats("two") > seen + 5);
        assert!(two.is_running());
        let refused = program.run(&["tick"]).with_code(4);
        assert!(refused.stderr.contains("newer reaper"), "{}", refused.stderr);
        let run = program.run(&["run"]).with_code(4);
        assert!(run.stderr.contains("newer reaper"), "{}", run.stderr);
        for job in [living, bound, orphan] {
            assert_eq!(database.status(job), "running", "job {job}");
        }
        assert_eq!(database.count("reaper_events"), 0, "no job has moved");

        // The second host: the successor of its reaper knows the schema.
        let said = two.stop();
        assert!(said.contains("was prepared by a newer reaper"), "{said}");
        database.sql("DELETE FROM reaper_migrations WHERE version = '9999'");
        let two = Running::on_host(&program, "two", &keys);
        eventually("the orphan is settled", || database.status(orphan) == "queued");
        assert_eq!((database.status(living).as_str(), database.status(bound).as_str()), ("running", "running"));
        assert_eq!(database.count("reaper_events WHERE job_id IS NOT NULL"), 1);
        let _said = two.stop();
        assert!(lives.is_running());
    });
}
