//! Sixteen processes of the program, started at once, and ten thousand orphans.

use std::collections::BTreeMap;

use reaper_tests::database::{Database, Kind};

use crate::setting::{prepared, settled_once};

/// Orphans of each kind: they are to be requeued, to fail with an alert, and to be done.
const EACH: i64 = 3_325;

/// Orphans whose task is to move on.
const WITH_TASK: i64 = 25;

#[test]
fn f04_sixteen_processes_settle_ten_thousand_orphans_each_once() {
    let Some(database) = Database::foreign_on(Kind::Postgres) else { return };
    let program = prepared(&database, "");
    let ago = database.ago(600);
    database.sql(&format!(
        "INSERT INTO agent_runs (id, agent, finished_at, exit_code)
            SELECT n, 'developer', {ago}, CASE WHEN n % 3 = 0 THEN 0 ELSE 1 END FROM generate_series(1, 3 * {EACH}) n;
         INSERT INTO jobs (agent, repo, status, attempts, max_attempts, run_id, started_at)
            SELECT 'developer', 'shop', 'running', 1 + n % 2, CASE WHEN n % 3 = 1 THEN 9 ELSE 1 + n % 2 END, n, {ago}
            FROM generate_series(1, 3 * {EACH}) n;
         INSERT INTO tasks (id, work_item_id, repo, branch, stage)
            SELECT n, 'W-' || n, 'shop', 'main', 'architecture' FROM generate_series(1, {WITH_TASK}) n;
         INSERT INTO agent_runs (id, task_id, agent, finished_at, exit_code)
            SELECT 1000000 + n, n, 'developer', {ago}, 0 FROM generate_series(1, {WITH_TASK}) n;
         INSERT INTO jobs (agent, repo, task_id, status, attempts, max_attempts, run_id, started_at)
            SELECT 'developer', 'shop', n, 'running', 1, 2, 1000000 + n, {ago} FROM generate_series(1, {WITH_TASK}) n;"
    ));
    let all = 3 * EACH + WITH_TASK;
    assert_eq!(database.count("jobs WHERE status = 'running'"), all);

    let tick = ["tick", "--times", "12", "--interval", "1ms", "--set", "budget=2000", "--output", "json"];
    let reapers: Vec<_> = (0..16).map(|_| program.spawn(&tick)).collect();
    let (mut won, mut told) = (BTreeMap::<u64, u32>::new(), BTreeMap::<String, u32>::new());
    let mut winners = 0;
    for reaper in reapers {
        let output = reaper.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
        let mut has_won = false;
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            let report: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(report["failures"].as_array().map_or(0, Vec::len), 0, "{report}");
            for settled in report["settled"].as_array().unwrap() {
                if settled["outcome"] == "won" {
                    has_won = true;
                    *won.entry(settled["job"].as_u64().unwrap()).or_default() += 1;
                }
            }
        }
        winners += u32::from(has_won);
        for line in said.lines().filter(|line| line.contains("all ") && line.contains("attempts are spent")) {
            let (_, job) = line.split_once("job ").unwrap();
            *told.entry(job.split(' ').next().unwrap().to_owned()).or_default() += 1;
        }
    }

    assert_eq!(database.count("jobs WHERE status = 'running'"), 0);
    assert_eq!(i64::try_from(won.len()).unwrap(), all, "each was won by a process");
    assert!(won.values().all(|count| *count == 1), "and by one alone");
    assert!(winners > 1, "they raced");
    assert_eq!(database.count("reaper_events"), all);
    settled_once(&database);

    assert_eq!(database.count("jobs WHERE status = 'failed'"), EACH);
    assert_eq!(i64::try_from(told.len()).unwrap(), EACH, "each failed job was told about");
    assert!(told.values().all(|count| *count == 1), "once");
    assert_eq!(database.count("tasks WHERE stage = 'development'"), WITH_TASK);
    assert_eq!(database.count("jobs WHERE agent = 'tester' AND status = 'queued'"), WITH_TASK);
}
